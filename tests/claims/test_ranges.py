"""Numbers at the ends of float64: every check ends in a report."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.evidence import Allowance, Audit, Verdict
from muso_theory.numbers import FLOAT64, Quantity


def _generic() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(4, 9)), rng.normal(size=4)


@pytest.mark.parametrize("arithmetic", ["auto", "ball", "float64"])
def test_large_targets(arithmetic: str) -> None:
    features, targets = _generic()
    assert len(mt.check(mt.UnlearningProblem(features, targets * 1e200, [1]), arithmetic=arithmetic)) > 0


def test_what_overflows_is_not_measured_as_zero() -> None:
    """A negative infinity, or infinity minus itself, is no rounding error that may be cut off at zero."""
    large = np.array([[1e200], [1e200]])
    for sign in (1.0, -1.0):
        gram = np.array([[1e200, sign * 1e200], [sign * 1e200, 1e200]])
        for k in (gram, -gram):
            assert FLOAT64.energy(large, k).bound == np.inf
    assert FLOAT64.square_norm(large).bound == np.inf
    assert FLOAT64.energy(np.array([[1.0]]), np.array([[-1e-20]])).bound == 0
    # And beside a scale that overflowed nothing is small.
    allowed = Allowance.of_scale(Fraction(1, 10**6), Quantity.measured(np.inf), "a scale")
    assert Audit("gap", Quantity.measured(1.0), allowed).verdict is Verdict.UNDECIDED


@pytest.mark.parametrize("arithmetic", ["auto", "float64"])
def test_the_largest_start(arithmetic: str) -> None:
    features, targets = _generic()
    problem = mt.UnlearningProblem(features, targets, [1], np.full(9, 1.7e308))
    plan: dict[str, Any] = {"optimizer": "gd", "lr": 0.1, "epochs": 50}
    assert len(mt.check(problem, arithmetic=arithmetic, budget=2.0, **plan)) > 0


@pytest.mark.parametrize(("optimizer", "lr"), [("gd", 0.1), ("adam", 1e150)])
def test_training_beyond_the_squares_of_floats(optimizer: str, lr: float) -> None:
    features, targets = _generic()
    for problem in (features * 1e100, targets), (features, targets * 1e200):
        report = mt.check(
            mt.UnlearningProblem(*problem, [1]), "optimizer-in-span", optimizer=optimizer, lr=lr
        )
        assert "optimizer-in-span" in report


def test_exact_targets_that_no_float_holds() -> None:
    rows = np.array([[1, 0, 1], [1, 1, 0], [2, 1, 1]])
    targets = np.array([10**400, 2, 3], dtype=object)
    assert len(mt.check(mt.UnlearningProblem(rows, targets, [1]), arithmetic="rational")) > 0


@pytest.mark.parametrize("arithmetic", ["auto", "ball"])
def test_features_whose_squares_underflow(arithmetic: str) -> None:
    features, targets = _generic()
    assert len(mt.check(mt.UnlearningProblem(features * 2.0**-560, targets, [1]), arithmetic=arithmetic)) > 0


@pytest.mark.parametrize("arithmetic", ["auto", "ball", "rational"])
def test_features_whose_squares_overflow(arithmetic: str) -> None:
    """Exact arithmetic has the range."""
    features, targets = _generic()
    assert len(mt.check(mt.UnlearningProblem(features * 1e160, targets, [1]), arithmetic=arithmetic)) > 0


def test_one_row_whose_square_underflows() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(40, 60))
    features[0] *= 1e-170
    assert len(mt.check(mt.UnlearningProblem(features, rng.normal(size=40), [1]), "conditioning")) > 0


def test_a_boolean_start() -> None:
    features, targets = _generic()
    assert (
        len(mt.check(mt.UnlearningProblem(features, targets, [1], np.ones(9, dtype=bool)), "start-span")) > 0
    )
