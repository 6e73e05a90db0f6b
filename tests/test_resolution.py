"""Doing nothing is no unlearning: what a tolerance is relative to where floats are coarse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.evidence import short

Verdict = mt.Verdict
LARGE = 2.0**60
ARITHMETICS = ["auto", "ball", "rational"]


def moved(step: float) -> tuple[mt.UnlearningProblem, np.ndarray]:
    """w_r = (2⁶⁰, 0) and w_p = (2⁶⁰, step): the forget sample alone says what the second parameter is."""
    targets = np.array([LARGE, LARGE + step])
    return mt.UnlearningProblem(np.array([[1.0, 0.0], [1.0, 1.0]]), targets, [1]), targets[[1]]


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize("ulps", [1, 2, 4, 1024])
def test_doing_nothing_is_refuted_wherever_floats_show_it(arithmetic: str, ulps: int) -> None:
    problem, original = moved(256.0 * ulps)
    report = mt.check(problem, ["exact-labels", "membership"], arithmetic, labels=original)
    exact = mt.check(problem, ["exact-labels", "membership"], arithmetic, labels=np.array([LARGE]))
    for slug in ("exact-labels[labels]", "membership[labels]"):
        # One unit in the last place is what the original label itself may be off by.
        assert report.evidence[slug].verdict is (Verdict.UNDECIDED if ulps == 1 else Verdict.REFUTED)
        assert exact.evidence[slug].verdict in (Verdict.PROVED, Verdict.CERTIFIED)
    if ulps > 4:
        w = np.array([LARGE, 256.0 * ulps])
        row = mt.check(problem, ["exact-labels"], arithmetic, w_unlearned=w).evidence[
            "exact-labels[w_unlearned]"
        ]
        assert row.verdict is Verdict.REFUTED


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize("given", ["labels", "w_unlearned"])
def test_a_large_entry_hides_no_change_of_a_small_one(arithmetic: str, given: str) -> None:
    features = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    problem = mt.UnlearningProblem(features, np.array([LARGE, LARGE, 0.5]), [1, 2])
    values: Any = np.array([LARGE, 0.4])  # (2⁶⁰, 0) is right, as labels and as parameters
    row = mt.check(problem, ["exact-labels"], arithmetic, **{given: values}).evidence[
        f"exact-labels[{given}]"
    ]
    assert row.verdict in (Verdict.REFUTED, Verdict.UNDECIDED)


def test_the_original_label_of_a_point_moved_a_little_is_no_unlearning() -> None:
    rng = np.random.default_rng(0)
    features, targets = rng.standard_normal((20, 50)), rng.standard_normal(20)
    probe = mt.UnlearningProblem(features, targets, [3])
    targets[3] = float(mt.optimal_labels(probe)[0]) + 1e-11
    problem = mt.UnlearningProblem(features, targets, [3])
    row = mt.check(problem, ["exact-labels"], labels=targets[[3]]).evidence["exact-labels[labels]"]
    assert row.verdict is Verdict.REFUTED
    # The floats next to the exact labels are no closer than floats are: neither good enough nor refuted.
    best = mt.optimal_labels(problem, arithmetic="rational")
    row = mt.check(problem, ["exact-labels"], labels=best, tolerance=1e-9).evidence["exact-labels[labels]"]
    assert row.verdict is Verdict.UNDECIDED
    assert "finer than floats of this size" in row.needs
    tolerance = float(row.needs.split()[1])
    row = mt.check(problem, ["exact-labels"], labels=best, tolerance=tolerance).evidence[
        "exact-labels[labels]"
    ]
    assert row.verdict is Verdict.CERTIFIED


@pytest.mark.parametrize("tolerance", [1e-16, 1e-20])
def test_a_tolerance_finer_than_floats_is_no_laxer_one(tolerance: float) -> None:
    rng = np.random.default_rng(1)
    problem = mt.UnlearningProblem(rng.standard_normal((5, 8)), rng.standard_normal(5), [3])
    labels = mt.optimal_labels(problem) * (1 + 1e-12)
    report = mt.check(problem, ["exact-labels"], labels=labels, tolerance=tolerance)
    assert report.evidence["exact-labels[labels]"].verdict is Verdict.REFUTED
    for row in report.rows:
        assert "nothing to unlearn" not in short(row, limit=True)
    assert "finer than floats of this size" in short(report.evidence["exact-labels[output]"], limit=True)


def test_three_points_on_a_line_leave_nothing_to_unlearn() -> None:
    problem = mt.UnlearningProblem(np.array([[1.0], [2.0], [3.0]]), np.array([0.1, 0.2, 0.3]), [0])
    slugs = ["exact-labels", "label-free", "downsampling"]
    report = mt.check(problem, slugs, labels=mt.optimal_labels(problem))
    assert all(row.verdict in (Verdict.PROVED, Verdict.CERTIFIED) for row in report.rows)
    assert "nothing to unlearn at this precision" in short(
        report.evidence["exact-labels[output]"], limit=True
    )


def test_arithmetic_that_hands_out_floats_beyond_the_range_of_products_is_named() -> None:
    rng = np.random.default_rng(0)
    features, targets = rng.standard_normal((5, 8)) * 1e200, rng.standard_normal(5) * 1e200
    problem = mt.UnlearningProblem(features, targets, [3])
    row = mt.check(problem, ["exact-labels"]).evidence["exact-labels[output]"]
    assert row.verdict is Verdict.UNDECIDED
    name = row.needs.split()[1]
    row = mt.check(problem, ["exact-labels"], name).evidence["exact-labels[output]"]
    assert row.verdict is Verdict.CERTIFIED
