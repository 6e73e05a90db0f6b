"""A seeded part of the campaign on verdicts, and slips planted in the package, each of which the judge must see."""

from __future__ import annotations

import collections
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import flint
import joblib
import numpy as np
import pytest

import muso_theory as mt
from muso_theory.checking.report import Report
from muso_theory.claims.case import ulps
from muso_theory.errors import MusoError
from muso_theory.evidence import Audit, Hypothesis, Verdict, digits, findings
from muso_theory.linear.certified import CertifiedForms
from muso_theory.numbers import Grade, Quantity
from verification.soundness import CLAIMS, SEED, check_drawn, measure
from verification.soundness_draws import (
    ARITHMETICS,
    FACTORS,
    LAYOUTS,
    TRAINING,
    DrawnProblem,
    generate,
)
from verification.soundness_problems import KINDS, nearest_float

Patch = pytest.MonkeyPatch


def quarter(patch: Patch) -> None:
    honest = CertifiedForms.distance

    def distance(self: CertifiedForms, *pair: Any) -> Quantity:
        q = honest(self, *pair)
        return q if q.grade is not Grade.CERTIFIED else Quantity.enclosure(q.floor / 4, q.bound / 4)

    patch.setattr(CertifiedForms, "distance", distance)


def flipped(patch: Patch) -> None:
    def verdict(self: Audit) -> Verdict:
        return Verdict.REFUTED if self._within else Verdict.CERTIFIED if self._beyond else Verdict.UNDECIDED

    patch.setattr(Audit, "verdict", property(verdict))


def one_sided(patch: Patch) -> None:
    patch.setattr(
        findings._Small,
        "_beyond",
        property(
            lambda self: (
                Grade.MEASURED not in (self.quantity.grade, self.allowed.grade)
                and self.quantity.lower > self.allowed.lower
            )
        ),
    )


def generous(patch: Patch) -> None:
    honest = findings._Small._within.fget  # type: ignore[attr-defined]

    def within(self: Any) -> Verdict | None:
        found: Verdict | None = honest(self)
        certain = Grade.MEASURED not in (self.quantity.grade, self.allowed.grade)
        if found is None and certain and self.quantity.upper <= self.allowed.upper:
            return Verdict.CERTIFIED
        return found

    patch.setattr(findings._Small, "_within", property(within))


def unconditional(patch: Patch) -> None:
    patch.setattr(Hypothesis, "fails", property(lambda self: False))
    patch.setattr(Hypothesis, "verdict", property(lambda self: self._within or Verdict.CERTIFIED))


def inward(patch: Patch) -> None:
    honest = digits.round_digits

    def round_digits(value: Any, up: bool, digits: int = 2) -> str:
        return honest(value, not up, digits)

    for room in (digits, findings):
        patch.setattr(room, "round_digits", round_digits)


def cheerful(patch: Patch) -> None:
    patch.setattr(Report, "exit_status", property(lambda self: 0))


# -- no false verdict --------------------------------------------------------------------------------------


def slice_of(first: int, count: int) -> list[dict[str, Any]]:
    """Two processes, because one would take twice as long."""
    points = [{"seed": SEED, "first": i, "count": 25} for i in range(first, first + count, 25)]
    work = joblib.Parallel(n_jobs=2, batch_size=1)(joblib.delayed(measure)(point) for point in points)
    return list(work)


def settled(parts: list[dict[str, Any]]) -> collections.Counter[str]:
    """Rows by verdict, of checks that are not wrong."""
    assert [violation for part in parts for violation in part["violations"]] == []
    return sum((collections.Counter(part["rows"]) for part in parts), collections.Counter())


@pytest.mark.slow
def test_a_thousand_whole_checks_are_true_in_every_row() -> None:
    parts = slice_of(0, 1000)
    rows = settled(parts)
    told = collections.Counter[str]()
    for key, count in rows.items():
        for word in key.split("|"):
            told[word] += count
    assert {*ARITHMETICS, *KINDS} <= set(told)
    assert min(told[verdict.name] for verdict in Verdict) >= 100
    assert sum(part["judged"]["exact"] for part in parts) > 10_000


@pytest.mark.slow
@pytest.mark.numeric
def test_whole_checks_are_true_whatever_computes_them() -> None:
    assert settled(slice_of(1000, 150)).total() > 1000


@pytest.mark.slow
def test_the_slice_asks_everything() -> None:
    asked = {name: set[Any]() for name in ("claims", "layouts", "dtypes", "handed in", "factors", "training")}
    starts = widths = 0.0
    for index in range(1000):
        draw = generate(SEED, index, CLAIMS)
        asked["claims"].update(draw.settings["claims"] or ())
        asked["layouts"].add(draw.layout)
        asked["dtypes"].add(str(np.asarray(draw.arrays["features"]).dtype.newbyteorder("=")))
        asked["handed in"].update(draw.factors)
        asked["factors"].update(draw.factors.values())
        asked["training"].add(draw.settings.get("optimizer"))
        start = draw.arrays["w_init"]
        if start is not None:
            starts = max(starts, float(np.abs(np.asarray(start, dtype=float)).max()))
        widths += draw.truth.n > draw.truth.width
    assert set(CLAIMS) <= asked["claims"]
    assert asked["training"] == {None, *TRAINING}
    assert {slug for found in TRAINING.values() for slug in found} <= asked["claims"]
    assert asked["layouts"] == set(LAYOUTS)
    assert asked["dtypes"] == set(
        ["float64", "float32", "float16", "int64", "int32", "int8", "uint8", "bool", "object"]
    )
    assert asked["handed in"] == {"labels", "w_unlearned", "w_pretrained"}
    assert set(FACTORS) <= asked["factors"]
    assert any(0 < abs(factor - 1) < 2**-20 for factor in asked["factors"])
    assert starts > 1e15
    assert 200 < widths < 800


# -- the judge can see -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("slip", "kind", "indices"),
    [
        (quarter, "enclosure", (2, 19, 22, 24, 29, 32, 34, 39)),
        (flipped, "verdict", (0, 4, 14, 16)),
        (one_sided, "verdict", (795, 1983, 3036, 3927)),
        (generous, "verdict", (363, 417, 1632, 2739, 3954)),
        (unconditional, "verdict", (9, 13, 14, 25)),
        (inward, "words", (0, 2, 4, 7)),
        (cheerful, "exit status", (0, 6, 8, 9)),
    ],
)
def test_a_planted_slip_is_seen(
    slip: Callable[[Patch], None], kind: str, indices: tuple[int, ...], monkeypatch: Patch
) -> None:
    def kinds() -> set[str]:
        return {violation[0] for draw in map(short, indices) for violation in check_drawn(draw).violations}

    assert kinds() == set()
    slip(monkeypatch)
    assert kind in kinds()


def short(index: int) -> DrawnProblem:
    """A draw that asks for one claim where it names any."""
    draw = generate(SEED, index, CLAIMS)
    if draw.settings["claims"]:
        judges = ["start-in-span"] if "w_pretrained" in draw.settings else []
        draw.settings["claims"] = ["exact-labels", *judges]
        for idle in ("ridge", "subset"):
            draw.settings.pop(idle, None)
    return draw


def test_what_is_handed_in_is_the_nearest_float_that_there_is() -> None:
    huge = flint.fmpq(10**400, 3)
    assert [nearest_float(value) for value in (flint.fmpq(1, 3), huge, -huge)] == [1 / 3, 1e308, -1e308]


def test_what_is_refused_or_fails_is_a_violation(monkeypatch: Patch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise MusoError("no")

    monkeypatch.setattr(mt, "check", refuse)
    assert check_drawn(short(0)).violations == [("refusal", "MusoError", "no")]
    monkeypatch.setattr(mt, "check", lambda *_, **__: 1 // 0)
    assert check_drawn(short(0)).violations[0][:2] == ("exception", "ZeroDivisionError")
    monkeypatch.undo()
    monkeypatch.setattr(mt, "solve", lambda *_, **__: 1 // 0)  # what is handed out is asked for by the judge
    monkeypatch.setattr(mt, "optimal_labels", lambda *_, **__: 1 // 0)
    assert ("exception", "ZeroDivisionError") in {
        v[:2] for i in range(9) for v in check_drawn(short(i)).violations
    }


# -- what the campaign brought to light --------------------------------------------------------------------


def test_one_artefact_that_a_claim_cannot_use_loses_no_other_row() -> None:
    problem = mt.UnlearningProblem(np.eye(3), np.ones(3), [0])
    exact = np.array([Fraction(0), Fraction(1), Fraction(1)])
    report = mt.check(problem, ["exact-labels", "removal-certificate"], w_unlearned=exact)
    rows = {row.name: row for row in report.rows}
    assert rows["exact-labels[w_unlearned]"].verdict in (Verdict.CERTIFIED, Verdict.PROVED)
    assert rows["removal-certificate[w_unlearned]"].verdict is Verdict.UNDECIDED
    assert "as float64" in rows["removal-certificate[w_unlearned]"].needs


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_the_largest_float_has_a_last_place_too(dtype: str) -> None:
    labels = np.array([np.finfo(dtype).max])
    problem = mt.UnlearningProblem(np.eye(3), np.ones(3), [0])
    assert mt.check(problem, ["exact-labels"], labels=labels)["exact-labels"].verdict is Verdict.REFUTED
    unit = float(ulps(labels)[0])
    assert unit == float(labels[0]) - float(np.nextafter(labels, np.zeros_like(labels))[0])


def test_requests_that_leave_no_sample_do_not_apply_even_if_insisted_on() -> None:
    problem = mt.UnlearningProblem(np.ones((2, 4)), np.ones(2), [0])
    report = mt.check(problem, ["sequential-requests"], asserted=["sequential-requests"])
    row = report["sequential-requests"]
    assert row.verdict is Verdict.VACUOUS
    assert "also where it is asserted: no sample is left" in row.meaning
