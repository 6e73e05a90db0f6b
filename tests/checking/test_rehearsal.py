"""Checks run once on a model of notes, so that fits are made together: nothing but their number may change."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest

import muso_theory as mt
from muso_theory import Verdict
from muso_theory.checking import climbing
from muso_theory.claims import CATALOGUE
from muso_theory.claims.case import Case
from muso_theory.claims.families import CHECKS
from muso_theory.linear import rehearsal as rehearsal_module
from muso_theory.linear.answers import Answers
from muso_theory.linear.certified import CertifiedForms
from muso_theory.linear.rehearsal import UNDECIDED, Rehearsal
from muso_theory.numbers import UndecidedError, lockstep

from ..zoo import ZOO

REHEARSED = [slug for family in climbing._REHEARSED for slug in family]


def random_problem(n: int, width: int, seed: int = 0) -> mt.UnlearningProblem:
    rng = np.random.default_rng(seed)
    return mt.UnlearningProblem(
        rng.standard_normal((n, width)),
        rng.standard_normal((n, 2)),
        [1, 4, 6],
        rng.standard_normal((width, 2)),
    )


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is worked out by itself, and so shares no product."""
    done: list[str] = []
    plain = Answers.to

    def counted(self: Answers, question: Any) -> Any:
        if question.known_by not in self._known:
            done.append(question.known_by[0])
        return plain(self, question)

    monkeypatch.setattr(Answers, "to", counted)
    return done


def products(problem: mt.UnlearningProblem, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many nearly exact products a check of all claims takes, images apart."""
    count = 0
    plain = lockstep.accurate_product

    def counted(*given: Any, **named: Any) -> Any:
        nonlocal count
        count += 1
        return plain(*given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(lockstep, "accurate_product", counted)
        mt.check(problem)
    return count


@pytest.mark.parametrize("shape", [(20, 50), (50, 9)])
def test_a_whole_check_finds_its_fits_made(shape: tuple[int, int], alone: list[str]) -> None:
    report = mt.check(random_problem(*shape))
    assert report["exact-labels"].verdict is Verdict.CERTIFIED
    # Of what is handed out, and of hypotheses that fail within tolerance, no rehearsal knows.
    assert alone == []


def test_a_check_takes_a_fraction_of_the_products(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = random_problem(20, 50)
    together = products(problem, monkeypatch)
    monkeypatch.setattr(climbing, "_REHEARSED", ())
    assert together < products(problem, monkeypatch) / 2


@pytest.mark.parametrize("name", ZOO)
def test_rows_are_the_same_without_a_rehearsal(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rehearsed = mt.check(ZOO[name]())
    monkeypatch.setattr(climbing, "_REHEARSED", ())
    plain = mt.check(ZOO[name]())
    assert [(r.name, r.verdict, r.arithmetic, r.needs) for r in rehearsed.rows] == [
        (r.name, r.verdict, r.arithmetic, r.needs) for r in plain.rows
    ]
    for one, other in zip(rehearsed.rows, plain.rows, strict=True):
        for a, b in zip(one.findings, other.findings, strict=True):
            # Two enclosures of one number have it in common.
            assert a.quantity.lower <= b.quantity.upper
            assert b.quantity.lower <= a.quantity.upper


def test_a_rehearsal_of_something_else_changes_no_verdict(
    monkeypatch: pytest.MonkeyPatch, alone: list[str]
) -> None:
    plain = Rehearsal.fit

    def other(self: Rehearsal, rows: Any, targets: Any, start: Any = None, ridge: float = 0) -> Any:
        return plain(self, rows, self.mix(2, targets, 0, targets), start, ridge)

    monkeypatch.setattr(Rehearsal, "fit", other)
    report = mt.check(random_problem(20, 50))
    assert report["exact-labels"].verdict is Verdict.CERTIFIED
    assert len(alone) > 10


@pytest.mark.parametrize("slug", REHEARSED)
@pytest.mark.parametrize("shape", [(20, 50), (50, 9)])
def test_every_claim_that_is_rehearsed_can_be(slug: str, shape: tuple[int, int]) -> None:
    model = CertifiedForms(random_problem(*shape))
    case = Case(model.problem, Rehearsal(model))
    # A condition may ask for eigenvalues or a rank, and these formulas do not apply to more rows than columns.
    may_end = CATALOGUE[slug].is_condition or (
        shape[0] > shape[1] and slug in ("leave-block-out", "ridge-inverse")
    )
    with contextlib.suppress(*(UNDECIDED if may_end else ())):
        CHECKS[slug].theorem(case)


def test_what_does_not_apply_is_not_rehearsed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    plain = CertifiedForms.fit_question

    def noted(self: CertifiedForms, rows: Any, *rest: Any, **named: Any) -> Any:
        asked.append(str(rows))
        return plain(self, rows, *rest, **named)

    monkeypatch.setattr(CertifiedForms, "fit_question", noted)
    monkeypatch.setitem(rehearsal_module._QUESTIONS, "fit", noted)
    problem = random_problem(50, 9)  # label-free needs w_p to fit what is retained, and here it does not
    report = mt.check(problem, ["label-free"])
    assert report["label-free"].verdict is Verdict.VACUOUS
    assert set(asked) == {"range(0, 50)"}


def test_no_more_is_prepared_than_is_kept(monkeypatch: pytest.MonkeyPatch, alone: list[str]) -> None:
    monkeypatch.setattr(rehearsal_module, "LIMIT", 1000)
    assert mt.check(random_problem(20, 50))["exact-labels"].verdict is Verdict.CERTIFIED
    assert alone


def test_fits_under_way_are_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch, alone: list[str]) -> None:
    counts: list[int] = []
    plain = CertifiedForms.prepare

    def counted(self: CertifiedForms, questions: Any) -> None:
        counts.append(len(questions))
        plain(self, questions)

    monkeypatch.setattr(CertifiedForms, "prepare", counted)
    problem = random_problem(20, 50)
    mt.check(problem)
    most, rounds = max(counts), len(counts)
    counts.clear()
    monkeypatch.setattr(rehearsal_module, "_UNDER_WAY", 3 * 80 * 70 * 2)
    mt.check(problem)
    assert most > 3 == max(counts)
    assert len(counts) > rounds
    assert alone == []


def test_a_note_is_of_no_other_question() -> None:
    rehearsal = Rehearsal(CertifiedForms(random_problem(20, 50)))
    zero = rehearsal.at(np.zeros((50, 2)))
    assert rehearsal.at(np.zeros((50, 2))) is zero
    assert rehearsal.given(np.zeros((50, 2))) is not zero
    assert rehearsal.at(np.full((50, 2), -0.0)) is not zero
    y = rehearsal.targets(rehearsal.everything)
    assert rehearsal.fit(rehearsal.everything, y) is rehearsal.pretrained
    assert rehearsal.fit(rehearsal.everything, y, ridge=0.5) is not rehearsal.pretrained
    with pytest.raises(UndecidedError, match="rehearsal"):
        _ = rehearsal.what_no_model_has
