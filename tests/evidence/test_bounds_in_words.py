"""What a report says in words follows from the numbers that it carries, to the last printed digit."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import muso_theory as mt
from muso_theory.checking.report import Report
from muso_theory.claims.guarantees import _doing_nothing
from muso_theory.evaluation.certificate import removal_certificate
from muso_theory.evidence import (
    Allowance,
    Audit,
    Evidence,
    Finding,
    Hypothesis,
    Identity,
    Inequality,
    Output,
    Verdict,
    round_digits,
    short,
    show,
)
from muso_theory.numbers import Grade, Quantity
from tests.zoo import ZOO

_BOUND = re.compile(r"(≤|≥) (\d[\d.]*(?:e[+-]?\d+)?)$")


def _barely_inconsistent() -> mt.UnlearningProblem:
    """Hypotheses of label-free and downsampling fail by 1e-7 of the data's norm, the theorems by 0.1."""
    rows = np.column_stack([np.ones(6), np.arange(6.0)])
    return mt.UnlearningProblem(rows, 1e7 + np.array([0, 1.0, 0, 1, 0, 1]), [5])


def _fitting_start(size: int = 10**14) -> mt.UnlearningProblem:
    """Exact w₀ of size 10 · ``size``, which fits all samples up to single digits."""
    rng = np.random.default_rng(0)
    features = rng.integers(-3, 4, (6, 9)).astype(float) + 0.125
    start = rng.integers(-9, 9, 9) * float(size)
    return mt.UnlearningProblem(features, features @ start + 2.0 * rng.integers(-3, 3, 6), [1, 4], start)


def _ill_conditioned() -> mt.UnlearningProblem:
    rng = np.random.default_rng(1)
    features = rng.standard_normal((6, 9))
    features[5] = features[4] + 1e-9 * rng.standard_normal(9)
    return mt.UnlearningProblem(features, rng.standard_normal(6), [5])


PROBLEMS = {
    **{name: ZOO[name] for name in ("over-parameterised", "rank-deficient", "several-outputs-tall")},
    "barely inconsistent": _barely_inconsistent,
    "fitting start": _fitting_start,
    "ill-conditioned": _ill_conditioned,
}


@pytest.fixture(
    scope="module", params=[(p, a) for p in PROBLEMS for a in ("auto", "ball", "float64")], ids=str
)
def report(request: pytest.FixtureRequest) -> Report:
    problem, arithmetic = PROBLEMS[request.param[0]](), request.param[1]
    labels = np.asarray(mt.optimal_labels(problem)) + 1e-3
    return mt.check(problem, None, arithmetic, labels=labels, w_unlearned=mt.solve(problem).w_unlearned)


def _wrong_words(finding: Finding) -> Iterator[str]:
    """Every relation in the words of a finding that its numbers do not imply."""
    q = finding.quantity
    told = _BOUND.search(str(finding))
    if told is not None:
        low = told[1] == "≥"
        end, stated = (q.lower if low else q.upper), Fraction(told[2])
        if q.grade is Grade.MEASURED or not (stated <= end if low else stated >= end):
            yield str(finding)
    limit = re.search(r"limit (\d[\d.]*(?:e[+-]?\d+)?) =", finding.limit)
    if limit is not None:
        allowed = finding.bar if isinstance(finding, Inequality) else finding.allowed.lower  # type: ignore[attr-defined]
        shown, positive = Fraction(limit[1]), isinstance(finding, Inequality) and finding.positive
        if shown < Fraction(allowed) if positive else shown > Fraction(allowed):
            yield finding.limit
        if told is not None and not _agree(finding, Fraction(told[2]), shown):
            yield f"{finding} beside {finding.limit}"
    explains = re.search(r"explains ≥ (\S+);", finding.limit)
    if explains is not None and not (
        isinstance(finding, Identity)
        and finding.explained is not None
        and Fraction(explains[1]) <= finding.explained.lower
    ):
        yield finding.limit


def _agree(finding: Finding, number: Fraction, limit: Fraction) -> bool:
    """Whether the texts of a number and its limit compare as the two do."""
    q = finding.quantity
    allowed = finding.bar if isinstance(finding, Inequality) else finding.allowed.lower  # type: ignore[attr-defined]
    end = Fraction(q.lower if "≥" in str(finding) else q.upper)
    return (number <= limit) == (end <= Fraction(allowed))


NEAR = st.floats(1 - 1e-3, 1 + 1e-3) | st.floats(0.5, 2) | st.sampled_from([1.0, 1 - 1e-12, 1 + 1e-12])


@given(
    number=st.floats(1e-200, 1e200),
    near=NEAR,
    wide=st.sampled_from([1.0, 1 + 1e-9, 1.2, 50.0]),
    grade=st.sampled_from(list(Grade)),
    positive=st.booleans(),
)
def test_a_number_and_its_limit_compare_as_their_verdict_says(
    number: float, near: float, wide: float, grade: Grade, positive: bool
) -> None:
    limit = number * near
    if grade is Grade.CERTIFIED:
        q = Quantity.enclosure(number, number * wide)
    else:
        q = Quantity.exact(Fraction(number)) if grade is Grade.PROVED else Quantity.measured(number)
    allowed = Allowance(limit, limit, "the limit")
    for finding in (
        *(kind("x", q, allowed) for kind in (Identity, Hypothesis, Output, Audit)),
        Identity("x", q, allowed, explained=Quantity.exact(Fraction(number) / 2)),
        Inequality("x", q, positive, limit, "the limit"),
    ):
        told = re.search(r"[≤≥=≈] (\d[\d./]*(?:e[+-]?\d+)?)", str(finding))
        shown = re.search(r"limit (\d[\d.]*(?:e[+-]?\d+)?) =", finding.limit)
        assert told is not None
        assert shown is not None
        end = Fraction(q.lower if "≥" in str(finding) else q.upper)
        if abs(end - Fraction(limit)) <= 1e-13 * end and Fraction(shown[1]) != Fraction(limit):
            continue  # told by fifteen digits, which may not tell them apart
        assert _agree(finding, Fraction(told[1]), Fraction(shown[1])), finding.in_full


def test_numbers_rounded_apart_would_contradict_their_verdict() -> None:
    """The control: two digits each, to their own safe sides, as before more were shown."""
    finding = Output("x", Quantity.enclosure(0, 9.611e-7), Allowance(9.649e-7, 9.649e-7, "the limit"))
    assert finding.in_full == "x ≤ 9.62e-07 (limit 9.64e-07 = the limit): CERTIFIED"
    number, limit = (round_digits(value, up) for value, up in ((9.611e-7, True), (9.649e-7, False)))
    assert (number, limit) == ("9.7e-07", "9.6e-07")
    assert not _agree(finding, Fraction(number), Fraction(limit))
    floor = Inequality("x", Quantity.enclosure(0.04652, 0.05), positive=True, bar=0.04621)
    assert (str(floor), floor.limit) == ("x ≥ 0.0465", "limit 0.0463")
    assert not _agree(floor, Fraction("0.046"), Fraction("0.047"))
    usual = Output("x", Quantity.enclosure(0, 3.11e-12), Allowance(1e-6, 1e-6, "the limit"))
    assert usual.in_full == "x ≤ 3.2e-12 (limit 9.9e-07 = the limit): CERTIFIED"


@pytest.mark.slow
def test_every_bound_of_a_report_is_one(report: Report) -> None:
    assert [words for e in report.rows for f in e.findings for words in _wrong_words(f)] == []


def test_what_fails_is_told_by_its_lower_end(report: Report) -> None:
    """An upper end above a limit shows nothing."""
    for e in report.rows:
        for f in e.findings:
            if f.verdict in (Verdict.REFUTED, Verdict.VACUOUS) and not (
                isinstance(f, Inequality) and f.positive
            ):
                assert "≤" not in str(f), (e.name, str(f))


def test_the_reader_of_words_can_find_a_wrong_one() -> None:
    allowed = Allowance(Fraction(1, 3), Fraction(1, 3), "the limit")

    honest = Output("gap", Quantity.enclosure(0, 0.1149), allowed)

    class Flattering:
        """Words that round to the nearest digit."""

        quantity, allowed, limit = honest.quantity, honest.allowed, "limit 0.34 = the limit"

        def __str__(self) -> str:
            return f"gap ≤ {self.quantity.bound:.2g}"

    assert list(_wrong_words(honest)) == []
    assert list(_wrong_words(Flattering())) == ["gap ≤ 0.11", "limit 0.34 = the limit"]  # type: ignore[arg-type]


def test_every_way_to_tell_a_number_rounds_outward() -> None:
    rng = np.random.default_rng(0)
    allowed = Allowance(0.5, 0.5, "1")
    for _ in range(2000):
        low = float(rng.choice([rng.random() * 10.0 ** rng.integers(-320, 300), 0.995, 0.0465, 1.05, 0.0]))
        q = Quantity.enclosure(low, low * float(rng.choice([1, 1.0001, 1.04, 30, 1e6])))
        for words in (
            show(q),
            *(str(kind("x", q, allowed)) for kind in (Identity, Hypothesis, Output)),
            *(str(Inequality("x", q, positive)) for positive in (True, False)),
        ):
            inside = re.search(r"in \[(\S+), (\S+)\]", words)
            for sign, text in [("≥", inside[1]), ("≤", inside[2])] if inside else _BOUND.findall(words):
                assert Fraction(text) <= Fraction(low) if sign == "≥" else Fraction(text) >= Fraction(q.upper)


# -- the length that a tolerance is relative to ----------------------------------------------------------


@pytest.mark.parametrize("arithmetic", ["auto", "ball", "float64"])
def test_no_gap_is_certified_relative_to_the_size_of_the_start(arithmetic: str) -> None:
    """A bound of 0.42 was certified where doing nothing leaves 1.4, being small beside ‖w₀‖."""
    problem = _fitting_start()
    found = mt.check(problem, ["exact-labels", "label-free", "leave-block-out", "implicit-bias"], arithmetic)
    nothing = mt.check(problem, "exact-labels", "ball").theorem("exact-labels").facts[0]
    assert nothing.startswith("doing nothing ≥ 1.")
    for claim in found:
        e = found.theorem(claim)
        for f in e.findings:
            # Proved or measured: what holds is small beside what unlearning moves, never beside w₀ alone.
            if e.verdict is not Verdict.UNDECIDED and "w_r‖" in f.what:
                assert f.quantity.bound <= 1e-5, (e.name, str(f))
    assert found.theorem("exact-labels").verdict is (
        Verdict.UNDECIDED if arithmetic == "float64" else Verdict.CERTIFIED
    )


def test_a_scale_that_is_not_the_usual_one_stands_in_the_row() -> None:
    line = mt.UnlearningProblem(np.array([[1.0], [2.0], [3.0]]), np.array([0.1, 0.2, 0.3]), [0])
    e = mt.check(line, "exact-labels").theorem("exact-labels")
    assert e.verdict is Verdict.CERTIFIED
    assert "1e-06 of ‖w_r − w₀‖: nothing to unlearn at this precision" in short(e)
    usual = mt.check(ZOO["over-parameterised"](), "exact-labels").theorem("exact-labels")
    assert "limit" not in short(usual)
    assert "1e-06 of doing nothing" in short(usual, limit=True)


# -- hypotheses that hold within their own tolerance only -------------------------------------------------


@pytest.mark.parametrize(
    ("claim", "hypothesis"),
    [("label-free", "least-squares-on-retain"), ("downsampling", "least-squares-on-subset")],
)
@pytest.mark.parametrize("arithmetic", ["auto", "rational"])
def test_a_row_beside_a_certified_hypothesis_says_why_it_is_vacuous(
    claim: str, hypothesis: str, arithmetic: str
) -> None:
    report = mt.check(_barely_inconsistent(), claim, arithmetic)
    row, condition = report.theorem(claim), report.theorem(hypothesis)
    assert (row.verdict, condition.verdict) == (Verdict.VACUOUS, Verdict.CERTIFIED)
    assert hypothesis in row.meaning
    assert "within its own tolerance" in row.meaning
    assert re.search(r"violated hypothesis explains ≥ \S+; limit ", short(row))
    assert "up to what this violation leaves" in condition.meaning
    # Where the hypothesis holds exactly there is nothing to add.
    rows = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    exact = mt.check(mt.UnlearningProblem(rows, np.array([1, 2, 5]), [1]), claim, arithmetic)
    assert "violation" not in exact.theorem(hypothesis).meaning


# -- noise -----------------------------------------------------------------------------------------------


def _certificate(gap: float, doing_nothing: float, arithmetic: str = "auto") -> Evidence:
    """The certificate of parameters that are ``gap`` from w_r, where doing nothing leaves ``doing_nothing``."""
    problem = mt.UnlearningProblem(np.eye(2), np.array([1.0, doing_nothing]), [1])
    report = mt.check(problem, "removal-certificate", arithmetic, w_unlearned=np.array([1.0, gap]))
    return report["removal-certificate[w_unlearned]"]


@pytest.mark.parametrize(
    ("gap", "doing_nothing", "more"),
    [(2.0, 1.0, True), (1.0, 1e3, False), (0.5, 1.0, False), (1e-3, 1e-30, True), (0.0, 1.0, False)],
)
def test_more_noise_than_doing_nothing_is_told(gap: float, doing_nothing: float, more: bool) -> None:
    e = _certificate(gap, doing_nothing)
    assert ("(more noise than doing nothing needs)" in short(e)) is more
    assert ("more noise" in json.dumps(Report("", {e.name: e}).to_dict(), ensure_ascii=False)) is more


def test_noise_raised_for_floats_beyond_what_doing_nothing_needs_is_told_too() -> None:
    """w_u is exact, but as floats of size one it cannot be published with less noise than 1e-13."""
    assert "(more noise than doing nothing needs)" in short(_certificate(0.0, 1e-20))


def test_a_measurement_of_doing_nothing_is_no_more_than_perhaps() -> None:
    assert "(perhaps more noise than doing nothing needs)" in short(_certificate(2.0, 1.0, "float64"))


def test_what_doing_nothing_needs_is_a_lower_bound() -> None:
    e = _certificate(0.5, 1.0)
    told = next(re.search(r"doing nothing needs σ ≥ (\S+) for", fact) for fact in e.facts if "needs" in fact)
    assert told is not None
    smallest = mt.evaluation.gaussian_sigma(1.0, 1.0, 1e-5)
    assert 0.9 * smallest < float(told[1]) <= smallest


def test_a_lower_bound_of_zero_is_not_told() -> None:
    """Where an arithmetic does not tell w_p from w_r, it says nothing of the noise that doing nothing needs."""
    for doing_nothing, tells in ((Quantity.enclosure(0, 2.0), False), (Quantity.enclosure(1.0, 2.0), True)):
        case: Any = SimpleNamespace(doing_nothing=doing_nothing, problem=SimpleNamespace(map_may_tell=False))
        facts = _doing_nothing(case, Quantity.enclosure(0, 1.0))
        assert any("doing nothing needs" in fact for fact in facts) is tells


@pytest.mark.parametrize("gap", [0.0123549, 0.25, 1.0049, 3e-7])
def test_a_certificate_does_not_round_its_gap_down(gap: float) -> None:
    certificate = removal_certificate(Quantity.enclosure(0, gap), np.array([1.0, 2.0]), 1.0, 1e-5)
    told = re.search(r"‖w − w_r‖ ≤ (\S+) proved", str(certificate))
    assert told is not None
    assert Fraction(told[1]) >= Fraction(certificate.gap_bound)
