"""The floats that ``auto`` hands out: those of float64 while it has the digits, else next to a proved enclosure."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.checking import ladder
from muso_theory.checking.costs import Cost
from muso_theory.linear import handed
from muso_theory.linear.certified import CertifiedForms
from muso_theory.linear.closed_forms import ClosedForms, float_model
from muso_theory.linear.handed import Handed
from muso_theory.numbers import BALL, RATIONAL
from tests.zoo import ZOO
from verification.performance_kappa import problem_of

METHODS = ("closed-form", "label-free", "leave-block-out")
OUTPUTS = ("exact-labels", "label-free", "leave-block-out", "removal-certificate")


def conditioned(condition: float, targets: str = "random", n: int = 20) -> mt.UnlearningProblem:
    return problem_of({"n": n, "D": 3 * n // 2, "condition": condition, "targets": targets})


def tall(condition: float) -> mt.UnlearningProblem:
    """More samples than features, ΦᵀΦ of this condition number."""
    features = conditioned(condition).features.T
    return mt.UnlearningProblem(features, np.random.default_rng(2).standard_normal(len(features)), [0, 3])


def handed_out(problem: mt.UnlearningProblem, arithmetic: str = "auto") -> dict[str, Any]:
    """What a user gets, by name."""
    solution = mt.solve(problem, arithmetic=arithmetic)
    found = {
        name: getattr(solution, name)
        for name in ("w_pretrained", "w_retrained", "forget_labels", "w_unlearned")
    }
    methods = METHODS if problem.n_samples <= problem.n_features else METHODS[:2]
    return found | {method: mt.optimal_labels(problem, method, arithmetic=arithmetic) for method in methods}


def true_gap(problem: mt.UnlearningProblem, what: str) -> Fraction:
    """‖w_u − w_r‖ of the floats that a finding is about, by balls of 1,024 bits, to 10^-50 of itself."""
    model = ClosedForms(problem, BALL(1024))
    if what.endswith("w_unlearned"):
        gap = model.distance(model.at(mt.solve(problem).w_unlearned[:, None]), model.retrained)
    else:
        labels = mt.optimal_labels(problem, what.rpartition(" ")[2])
        gap = model.gap(model.given(labels[:, None]))
    assert gap.upper - gap.lower <= Fraction(gap.upper) / 10**50
    return Fraction(gap.upper)


@pytest.mark.slow
@pytest.mark.parametrize("targets", ["random", "of a model"])
@pytest.mark.parametrize("condition", [1e8, 1e12, 1e14, 1e16, 1e18, 1e20])
def test_outputs_are_certified_whatever_the_condition(condition: float, targets: str) -> None:
    report = mt.check(conditioned(condition, targets), OUTPUTS)
    rows = [report.evidence[f"{slug}[output]"] for slug in OUTPUTS]
    assert [row.verdict.name for row in rows] == ["CERTIFIED"] * len(rows)
    # A second opinion, about what a user gets who asks afterwards.
    problem = conditioned(condition, targets)
    for row in rows[:3]:
        for finding in row.findings:
            gap = true_gap(problem, finding.what)
            assert finding.quantity.lower <= gap <= finding.quantity.upper, finding
            assert gap <= finding.allowed.upper


def test_float64_alone_does_not_do_it() -> None:
    """The negative control: the same rows about other floats."""
    for condition in (1e14, 1e20):
        report = mt.check(conditioned(condition), OUTPUTS[:2], "float64")
        for slug in OUTPUTS[:2]:
            assert report.evidence[f"{slug}[output]"].verdict is mt.Verdict.UNDECIDED


@pytest.mark.parametrize("make", [conditioned, tall])
@pytest.mark.parametrize("condition", [1e13, 1e17])
def test_they_are_next_to_the_exact_answer(
    make: Callable[[float], mt.UnlearningProblem], condition: float
) -> None:
    problem = make(condition)
    exact = handed_out(problem, "rational")
    for name, floats in handed_out(problem).items():
        # Label-free labels project a rounded w_p, which costs up to √κ of its last digit.
        digits = 2.0**-52 * (np.sqrt(condition) if name == "label-free" else 1.0)
        assert np.linalg.norm(floats - exact[name]) <= digits * np.linalg.norm(exact[name]), name
    plain = mt.solve(problem, "float64")
    assert np.linalg.norm(plain.w_unlearned - exact["w_unlearned"]) > 1e-6 * np.linalg.norm(
        exact["w_unlearned"]
    )


@pytest.mark.parametrize("make", [lambda: conditioned(1e6), ZOO["tall-deficient"], lambda: dependent()])
def test_float64_stays_where_it_has_the_digits_or_nothing_has_more(
    make: Callable[[], mt.UnlearningProblem],
) -> None:
    problem = make()
    assert Handed(problem).floating is float_model(problem)
    for arithmetic in ("auto", "float64"):
        solution = mt.solve(problem, arithmetic=arithmetic)
        plain = float_model(problem)
        np.testing.assert_array_equal(
            solution.w_unlearned,
            problem.shaped(plain.explicit(plain.unlearned(plain.optimal_labels))),
        )


def dependent() -> mt.UnlearningProblem:
    """A row that is twice another: no arithmetic finds full rank."""
    features = np.random.default_rng(4).standard_normal((6, 9))
    features[0] = 2 * features[5]
    return mt.UnlearningProblem(features, np.arange(6.0), [0, 2])


def test_the_report_names_the_floats() -> None:
    for problem, words in ((conditioned(1e6), "float64"), (conditioned(1e16), "preconditioned float64")):
        row = mt.check(problem, ["label-free"]).evidence["label-free[output]"]
        assert row.facts[-1] == f"the floats of mt.optimal_labels(problem, 'label-free'), computed in {words}"
        assert Handed(problem).computed_in == words
    exact = mt.check(conditioned(1e16), ["label-free"], "rational").evidence["label-free[output]"]
    given = "mt.optimal_labels(problem, 'label-free', arithmetic='rational')"
    assert exact.facts[-1] == f"the floats of {given}, computed in rational"
    whole = mt.check(conditioned(1e6), ["exact-labels"]).evidence["exact-labels[output]"]
    assert whole.facts[-1] == "the floats of mt.solve(problem), computed in float64"


@pytest.mark.parametrize("condition", [1e13, 1e16, 1e20])
def test_no_ball_is_made_for_them(condition: float, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def watched(bits: int) -> Any:
        made.append(bits)
        return BALL(bits)

    for module in (ladder, handed):
        monkeypatch.setattr(module, "BALL", watched)
    mt.check(conditioned(condition), OUTPUTS)
    assert made == []
    mt.check(conditioned(condition), OUTPUTS[:1], "ball")
    assert made[:1] == [128]


def test_floats_that_are_too_dear_are_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ladder, "preconditioned_cost", lambda problem: Cost(5.0, 0.01))
    problem = conditioned(1e16)
    first = mt.check(problem, ["exact-labels"], budget=2.0).evidence["exact-labels[output]"]
    assert first.verdict is mt.Verdict.UNDECIDED
    assert first.findings == ()
    option, _, budget = first.needs.partition(":")[0].partition(" ")
    assert option == "--budget"
    then = mt.check(problem, ["exact-labels"], budget=float(budget)).evidence["exact-labels[output]"]
    assert then.verdict is mt.Verdict.CERTIFIED


def test_large_features_are_left_to_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = conditioned(1e16)
    assert Handed(problem).computed_in == "preconditioned float64"
    monkeypatch.setattr(handed, "_LARGEST", problem.features.size - 1)
    assert Handed(problem).computed_in == "float64"


def test_gaps_of_a_solution_are_of_its_own_floats() -> None:
    problem = conditioned(1e16)
    found, plain = mt.solve(problem), mt.solve(problem, "float64")
    model = ClosedForms(problem, RATIONAL)
    nothing = model.distance(model.pretrained, model.retrained).bound
    assert found.pretrained_gap == pytest.approx(nothing, rel=1e-12)
    assert plain.pretrained_gap != pytest.approx(nothing, rel=1e-6)
    assert found.parameter_gap < 1e-12 * nothing


@pytest.mark.parametrize("exponent", [0, 300, -300])
def test_final_parameters_are_a_ball_around_the_truth(exponent: int) -> None:
    start = conditioned(1e14)
    problem = mt.UnlearningProblem(np.ldexp(start.features, exponent), start.targets, start.forget)
    model = CertifiedForms(problem, preconditioned=True)
    ball = model.final(model.retrained)
    exact = ClosedForms(problem, RATIONAL)
    for offset, inside in ((Fraction(0), True), (2 * ball.radius, False)):
        moved = [
            Fraction(high) + Fraction(low) + (offset if i == 0 else 0)
            for i, (high, low) in enumerate(
                zip(ball.values[:, 0].tolist(), ball.low[:, 0].tolist(), strict=True)
            )
        ]
        off = exact.distance(exact.at(np.array(moved, dtype=object)[:, None]), exact.retrained)
        assert (off.upper <= ball.radius) is inside
    np.testing.assert_array_equal(ball.values, model.explicit(model.retrained))


def test_rows_of_very_different_sizes_are_solved_with_a_bound_that_no_float_holds() -> None:
    features = np.array([[9e-139, 9e-140, -7.4e-139], [-9.2e56, -4.6e56, 2.2e56]])
    found = mt.solve(mt.UnlearningProblem(features, np.array([-1.0, -0.2]), [1]))
    assert np.isfinite(found.w_pretrained).all()
    assert found.parameter_gap >= 0  # enclosed by fractions whose upper end is beyond float64
    assert "parameter_gap=" in repr(found)


def test_a_gap_whose_bound_overflows_on_the_way_is_measured() -> None:
    targets = np.tile([[1e296], [1.7e296]], (1, 8))
    found = mt.solve(mt.UnlearningProblem(np.array([[1, 0], [1, 2.0**-40]]), targets, [0]))
    assert np.isfinite(found.w_pretrained).all()
    assert found.pretrained_gap == np.inf  # √8 · 7.7e307


@pytest.mark.parametrize("count", [1, 6, 40])
def test_balls_hand_out_answers_below_the_normal_numbers(count: int) -> None:
    # Half of the smallest float in every entry is what rounding leaves, however many bits the balls have.
    rng = np.random.default_rng(0)
    features = rng.standard_normal((2, 5))
    targets = rng.integers(1, 100, (2, count)) * 2.0**-1074
    problem = mt.UnlearningProblem(features, targets, [0])
    exact, balls = (mt.solve(problem, arithmetic=name) for name in ("rational", "ball"))
    for name in ("w_pretrained", "w_retrained", "forget_labels", "w_unlearned"):
        assert np.abs(getattr(exact, name) - getattr(balls, name)).max() <= 2.0**-1074
    assert np.any(balls.w_unlearned)
