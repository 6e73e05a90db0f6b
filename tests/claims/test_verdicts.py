"""Verdicts on problems that are easily misjudged: unsorted rows, violations within tolerance, labels and parameters."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.claims import case, families
from muso_theory.commands.terminal import show_report
from muso_theory.errors import BadInputError
from muso_theory.evidence import About, Allowance, Audit, Evidence, Output, Scope, Verdict, short
from muso_theory.linear.certified import CertifiedForms
from muso_theory.numbers import Quantity
from muso_theory.numbers.gram import blocked_gram

GOOD = (Verdict.PROVED, Verdict.CERTIFIED, Verdict.MEASURED)


def _generic() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(4, 9)), rng.normal(size=4)


def test_a_gram_matrix_of_unsorted_columns_is_of_those_columns() -> None:
    """[0, 4, 2, 3] spans as many columns as range(0, 4), and is another set."""
    assert blocked_gram(np.arange(5.0)[None], columns=np.array([0, 4, 2, 3])).item() == 16 + 4 + 9


def test_sequential_requests_of_an_unsorted_forget_set() -> None:
    problem = mt.UnlearningProblem(
        np.array([[1.0], [2], [4], [8], [16]]), np.array([1.0, 0, 0, 0, 3]), [1, 2, 3]
    )
    assert mt.check(problem, "sequential-requests")["sequential-requests"].verdict in GOOD


def test_a_certified_fit_on_an_unsorted_retain_set_encloses_the_truth() -> None:
    features = np.array([[1.0], [2], [4], [8], [16]])
    m = CertifiedForms(mt.UnlearningProblem(features, np.array([1.0, 0, 0, 0, 3]), [2]))
    rows = (0, 3, 1, 2)  # samples 0, 4, 1, 3
    fit, truth = m.fit(rows, m.targets(rows)), Fraction(49, 325)
    off = abs(Fraction(float(fit.high[0, 0])) + Fraction(float(fit.low[0, 0])) - truth)
    assert off <= fit.radius


def test_labels_are_refuted_by_integers_that_no_float_holds() -> None:
    """2^53 + 1 rounds to 2^53, as the label does."""
    features, targets = np.array([[1.0, 0], [1.0, 1.0]]), np.array([2**53 + 1, 2**53 - 1000])
    problem = mt.UnlearningProblem(features, targets, [1])
    labels = np.array([2.0**53])
    row = "exact-labels[labels]"
    exact = mt.check(problem, "exact-labels", "rational", labels=labels, tolerance=0)[row]
    found = mt.check(problem, "exact-labels", labels=labels, tolerance=0)[row]
    assert exact.verdict is Verdict.REFUTED
    assert found.verdict is Verdict.REFUTED
    assert found.findings[0].quantity.upper >= 1


def test_the_solution_set_holds_for_large_targets() -> None:
    """The label to be found outside the set is one feature row away, whatever the size of the targets."""
    features, targets = _generic()
    problem = mt.UnlearningProblem(features, targets * 1e8, [1])
    assert mt.check(problem, "label-solution-set")["label-solution-set"].verdict in GOOD


@pytest.mark.parametrize("arithmetic", ["auto", "rational"])
def test_the_solution_set_is_everything_for_a_forget_row_of_zeros(arithmetic: str) -> None:
    """Φ_F = 0: every label is exact, there is none outside the set to be found."""
    features = np.array([[1.0, 0, 1], [0, 1, 2], [0, 0, 0]])
    problem = mt.UnlearningProblem(features, np.array([1.0, 2, 3]), [2])
    report = mt.check(problem, "label-solution-set", arithmetic)
    assert report["label-solution-set"].verdict is not Verdict.REFUTED


def test_the_solution_set_is_proved_in_rationals_where_floats_underflow() -> None:
    features, targets = _generic()
    problem = mt.UnlearningProblem(features * 2.0**-560, targets, [1])
    report = mt.check(problem, "label-solution-set", "rational")
    assert report["label-solution-set"].verdict is Verdict.PROVED


def _barely_inconsistent() -> mt.UnlearningProblem:
    rows = np.column_stack([np.ones(6), np.arange(6.0)])
    return mt.UnlearningProblem(rows, 1e7 + np.array([0, 1.0, 0, 1, 0, 1]), [5])


@pytest.mark.parametrize("slug", ["interpolable-retain", "interpolates-retain", "least-squares-on-retain"])
def test_a_violation_within_tolerance_is_a_bound_and_not_zero(slug: str) -> None:
    """‖y_R − Φ_R w_r‖ ≥ 1 is proved: a violation of 1e-7 of the data's norm, certified as a bound and not as zero."""
    report = mt.check(_barely_inconsistent(), slug)
    assert report[slug].findings[0].quantity.lower > 0
    assert report[slug].verdict is Verdict.CERTIFIED
    assert report[slug].bound > 1
    strict = mt.check(_barely_inconsistent(), slug, tolerance=0)
    assert strict[slug].verdict is Verdict.VACUOUS


@pytest.mark.parametrize("slug", ["label-free", "downsampling"])
def test_a_theorem_whose_hypothesis_fails_is_vacuous(slug: str) -> None:
    assert mt.check(_barely_inconsistent(), slug, "rational")[slug].verdict is Verdict.VACUOUS
    assert mt.check(_barely_inconsistent(), slug)[slug].verdict is Verdict.VACUOUS


def test_conditioning_counts_the_eigenvalue_that_float64_does_not_see() -> None:
    """K is regular with κ about 1e19; without what float64 does not see κ would be 10."""
    features, targets = _generic()
    features[3] = features[0] + 1e-9 * np.random.default_rng(1).normal(size=9)
    report = mt.check(mt.UnlearningProblem(features, targets, [1]), ["conditioning", "full-rank"])
    assert report["full-rank"].verdict in (Verdict.PROVED, Verdict.CERTIFIED)
    assert report["conditioning"].verdict not in GOOD


def test_a_measurement_makes_no_condition_vacuous() -> None:
    """It refutes nothing, and excuses no claim that needs the condition."""
    features, targets = _generic()
    features[2] = features[0] + 1e-9 * np.random.default_rng(1).normal(size=9)
    problem = mt.UnlearningProblem(features, targets, [1])
    assert mt.check(problem, "interpolates-retain", "rational")["interpolates-retain"].verdict in GOOD
    measured = mt.check(problem, "interpolates-retain", "float64")["interpolates-retain"]
    assert measured.verdict is not Verdict.VACUOUS


def test_wrong_labels_are_refuted_beside_right_parameters() -> None:
    features, targets = _generic()
    problem = mt.UnlearningProblem(features, targets, [1])
    right = mt.solve(problem).w_unlearned
    report = mt.check(problem, "exact-labels", labels=np.array([99.0]), w_unlearned=right)
    assert report["exact-labels"].verdict is Verdict.REFUTED


def test_exact_labels_are_held_to_equality_by_balls_too() -> None:
    rows = np.array([[1, 0, 1], [1, 1, 0], [2, 1, 2]])
    problem = mt.UnlearningProblem(rows, np.array([1, 2, 9]), [1])
    labels = np.array([Fraction(15, 2) + Fraction(1, 10**9)], dtype=object)
    assert (
        mt.check(problem, "exact-labels", "ball", labels=labels)["exact-labels[labels]"].verdict
        is Verdict.REFUTED
    )


def _verdict(model: Any, slug: str) -> Verdict:
    findings, _ = families.CHECKS[slug].theorem(case.Case(model.problem, model))
    return Evidence(slug, Scope.INSTANCE, tuple(findings), model.name).verdict


def test_a_pretrained_model_that_is_not_minimum_norm_is_refuted() -> None:
    rows = np.array([[1, 0, 1, 0], [1, 1, 0, 0], [0, 1, 1, 0]])
    problem = mt.UnlearningProblem(rows, np.array([1, 2, 5]), [1], np.zeros(4, dtype=int))
    beside = mt.solve(problem).w_pretrained + np.array([0, 0, 0, 1.0])
    report = mt.check(problem, "implicit-bias", w_pretrained=beside)
    assert report["implicit-bias[w_pretrained]"].verdict is Verdict.REFUTED


def test_exact_labels_is_checked_by_fine_tuning() -> None:
    """Formula 6 alone would certify claim 2 for a fine-tuning that does nothing."""
    features, targets = _generic()
    model = CertifiedForms(mt.UnlearningProblem(features, targets, [1]))
    model.unlearned = lambda labels, start=None: model.pretrained  # type: ignore[method-assign]
    assert _verdict(model, "exact-labels") is not Verdict.CERTIFIED


def test_an_upper_bound_is_not_printed_as_a_lower_one() -> None:
    finding = Audit("‖w_u − w_r‖", Quantity.enclosure(1.00e-17, 1.01e-17), Allowance(1e-6, 1e-6, ""))
    assert finding.verdict is Verdict.CERTIFIED
    assert "≥" not in str(finding)


def test_no_ball_is_promised_to_decide_a_singular_matrix() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(30, 60))
    features[1] = 2 * features[0]
    problem = mt.UnlearningProblem(features, rng.normal(size=30), [2])
    for budget in (1e-9, 1e-2):  # the second suffices to find out the rank modulo a prime
        found = mt.check(problem, "exact-labels", budget=budget)["exact-labels"]
        assert found.verdict is Verdict.UNDECIDED
        assert found.needs.startswith("--arithmetic rational")
    assert "balls cannot" in found.needs


def test_a_step_that_is_too_long_is_told_from_above() -> None:
    report = mt.check(mt.UnlearningProblem(np.eye(2), np.ones(2), [1]), "stable-step", optimizer="gd", lr=5.0)
    row = report["stable-step"]
    assert row.verdict is Verdict.VACUOUS
    assert str(row.findings[0]) in ("2 − γλ_max = -3", "2 − γλ_max ≤ -3", "2 − γλ_max ≤ -2.9")
    fine = mt.check(mt.UnlearningProblem(np.eye(2), np.ones(2), [1]), "stable-step", optimizer="gd", lr=0.3)
    assert "≤" not in str(fine["stable-step"].findings[0])


def test_what_is_handed_in_is_judged_or_refused() -> None:
    problem = mt.UnlearningProblem(np.eye(2, 3), np.ones(2), [1])
    with pytest.raises(BadInputError, match="a claim that judges labels: exact-labels, membership"):
        mt.check(problem, "label-free", labels=[9.0])
    assert mt.check(problem, ["label-free", "exact-labels"], labels=[9.0]).verdict is Verdict.REFUTED


def test_the_finding_that_fails_is_shown_before_one_that_is_open() -> None:
    open_, fails = (Quantity.enclosure(0.5, 2.0), Quantity.enclosure(3.0, 4.0))
    allowed = Allowance(1.0, 1.0, "1 of all")
    row = Evidence(
        "x",
        Scope.INSTANCE,
        (Output("one", open_, allowed), Output("two", fails, allowed)),
        "ball",
        about=About.OUTPUT,
    )
    assert short(row).startswith("two ≥ 3")


def test_a_condition_that_no_claim_needs_is_told_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    rows = np.array([[1.0, 0, 0], [0, 1e-9, 0]])
    show_report(mt.check(mt.UnlearningProblem(rows, np.ones(2), [1]), ["conditioning", "exact-labels"]))
    assert "no claim that was checked needs it" in " ".join(capsys.readouterr().out.split())
    show_report(mt.check(mt.UnlearningProblem(np.ones((2, 3)), np.ones(2), [1]), ["leave-block-out"]))
    assert "so the claim says nothing here" in " ".join(capsys.readouterr().out.split())


def test_nothing_computed_of_other_arrays_outlives_their_refusal() -> None:
    features, targets = _generic()
    problem = mt.UnlearningProblem(features, targets, [1])
    true = mt.solve(problem).pretrained_gap
    problem = mt.UnlearningProblem(features, targets, [1])
    kept = targets.copy()
    targets[1] = 77
    for ask in (mt.solve, mt.check, lambda p: mt.parameter_gap(p, [1.0])):
        with pytest.raises(BadInputError, match="changed since"):
            ask(problem)
    targets[...] = kept
    assert mt.solve(problem).pretrained_gap == true


def test_a_float_iterate_speaks_for_no_exact_one() -> None:
    """Both entries of the gradient are equal, so that no exact step of Adam leaves the line on which they are."""
    problem = mt.UnlearningProblem(
        np.array([[1.0, 1], [2, 2]]), np.array([3.0, -1]), [1], w_init=np.array([0, 1e9])
    )
    plan: dict[str, Any] = {"optimizer": "adam", "lr": 0.01, "tolerance": 0}
    for asserted in ([], ["optimizer-in-span"]):
        row = mt.check(problem, "optimizer-in-span", asserted=asserted, **plan)["optimizer-in-span"]
        assert row.verdict is Verdict.UNDECIDED
    rows = np.array([[1.0, 3, 0], [2, 2, 1]])
    off = mt.check(
        mt.UnlearningProblem(rows, np.array([3.0, -1]), [1]), "optimizer-in-span", optimizer="adam"
    )
    assert off["optimizer-in-span"].verdict is Verdict.VACUOUS
