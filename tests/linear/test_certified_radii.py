"""What is uncertain in a verb's input is uncertain in its output: by as much as the worst error, and not by much more.

An input is moved by δ in the direction in which the verb feels it most, and said to be known up to δ. The result must
still hold the value of the input as it was, which a radius lost or divided on the way would not; and three times what
the worst error does is enough.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.linear.certified import CertifiedForms, LabelBall
from muso_theory.linear.closed_forms import ClosedForms
from muso_theory.numbers import RATIONAL, Quantity
from muso_theory.numbers.point_ball import CertifiedParameters

Array = np.ndarray[Any, Any]
DELTA = 2.0**-12
SCALES = [-9, 0, 9]  # λ_min far below one, near it and far above: division and product must differ
RIDGE = 0.25
_KEPT = 4


def problem_of(exponent: int) -> mt.UnlearningProblem:
    """Six samples in ten features, singular values 1, …, 1/6 times 2^exponent; the last two samples go."""
    rng = np.random.default_rng(3)
    left = np.linalg.qr(rng.standard_normal((6, 6)))[0]
    right = np.linalg.qr(rng.standard_normal((10, 6)))[0]
    phi = np.ldexp((left / np.arange(1.0, 7.0)) @ right.T, exponent)
    return mt.UnlearningProblem(phi, rng.standard_normal(6), [4, 5], rng.standard_normal(10))


def weakest(phi: Array) -> tuple[Array, Array]:
    """Left and right singular vectors of the smallest singular value, as columns."""
    u, _, v = np.linalg.svd(phi, full_matrices=False)
    return u[:, -1:], v[-1:].T


def strongest(phi: Array) -> tuple[Array, Array]:
    """Left and right singular vectors of the largest singular value, as columns."""
    u, _, v = np.linalg.svd(phi, full_matrices=False)
    return u[:, :1], v[:1].T


def moved_labels(ball: LabelBall, direction: Array) -> LabelBall:
    """The labels moved by δ, and said to be known up to δ more."""
    return LabelBall(ball.values + DELTA * direction, ball.radius + Fraction(DELTA) * Fraction(1001, 1000))


def moved_point(w: CertifiedParameters, direction: Array) -> CertifiedParameters:
    """The parameters moved by δ, and said to be known up to δ more."""
    radius = w.radius + Fraction(DELTA) * Fraction(1001, 1000)
    return CertifiedParameters(w.high + DELTA * direction, w.low, radius)


Verb = Callable[[CertifiedForms, Array], tuple[Any, Any]]


def _dual(m: CertifiedForms, phi: Array) -> tuple[Any, Any]:
    moved = CertifiedForms(m.problem)
    direction = weakest(phi[:_KEPT])[0]
    moved.predict = lambda rows, w: moved_labels(m.predict(rows, w), direction)  # type: ignore[method-assign]
    return m.dual_coefficients(), moved.dual_coefficients()


def _fit(m: CertifiedForms, phi: Array) -> tuple[Any, Any]:
    labels = m.targets(m.everything)
    return m.fit(m.everything, labels), m.fit(m.everything, moved_labels(labels, weakest(phi)[0]))


def _fit_retained(m: CertifiedForms, phi: Array) -> tuple[Any, Any]:
    labels = m.targets(m.retain)
    return m.fit(m.retain, labels), m.fit(m.retain, moved_labels(labels, weakest(phi[:_KEPT])[0]))


def _fit_from(m: CertifiedForms, phi: Array) -> tuple[Any, Any]:
    """A start moved along the kernel stays moved."""
    labels, kernel = m.targets(m.retain), np.linalg.svd(phi)[2][-1:].T
    return m.fit(m.retain, labels, m.start), m.fit(m.retain, labels, moved_point(m.start, kernel))


def _project(m: CertifiedForms, phi: Array) -> tuple[Any, Any]:
    """A projector leaves what lies in the rows as it is."""
    inside = strongest(phi[:_KEPT])[1]
    return m.project(m.retain, m.pretrained), m.project(m.retain, moved_point(m.pretrained, inside))


def _predict(m: CertifiedForms, phi: Array) -> tuple[Any, Any]:
    w = m.pretrained
    return m.predict(m.everything, w), m.predict(m.everything, moved_point(w, strongest(phi)[1]))


def _mix(m: CertifiedForms, phi: Array) -> tuple[Any, Any]:
    x, y = m.targets(m.forget), m.optimal_labels
    e = np.array([[0.6], [0.8]])
    return m.mix(0.5, x, -3, y), m.mix(0.5, moved_labels(x, e), -3, moved_labels(y, -e))


def _stack(m: CertifiedForms, phi: Array) -> tuple[Any, Any]:
    x, y = m.targets(m.retain), m.optimal_labels
    return m.stack(x, y), m.stack(
        moved_labels(x, np.full((4, 1), 0.5)), moved_labels(y, np.array([[0.6], [0.8]]))
    )


BALLS: dict[str, Verb] = {
    "K_RR⁻¹ of a residual": _dual,
    "fit to labels": _fit,
    "fit to retained labels": _fit_retained,
    "fit from a start": _fit_from,
    "projection": _project,
    "prediction": _predict,
    "mixture": _mix,
    "stack": _stack,
}


@pytest.mark.parametrize("exponent", SCALES)
@pytest.mark.parametrize("verb", BALLS)
def test_a_ball_of_inputs_becomes_a_ball_of_outputs(verb: str, exponent: int) -> None:
    problem = problem_of(exponent)
    m = CertifiedForms(problem)
    still, moved = BALLS[verb](m, np.asarray(problem.features))
    off = (moved.high + moved.low - still.high - still.low) if hasattr(moved, "high") else None
    distance = float(np.linalg.norm(moved.values - still.values if off is None else off))
    assert distance > DELTA * 2.0**-14
    assert float(still.radius) < 1e-6 * distance
    # λ_min(K_RR) is bounded by λ_min(K), which is less than half of it here.
    assert distance <= float(moved.radius) <= 3 * distance


def test_an_uncertain_start_widens_leave_block_out_alike_on_every_scale() -> None:
    """y_F − S[K⁻¹r]_F does not change when all features are scaled, and so neither does what r may be off by."""
    radii = []
    for exponent in SCALES:
        problem = problem_of(exponent)
        m, moved, phi = CertifiedForms(problem), CertifiedForms(problem), np.asarray(problem.features)
        inverse = np.linalg.inv(phi @ phi.T)
        solved = np.linalg.solve(inverse[_KEPT:, _KEPT:], inverse[_KEPT:])
        direction = np.linalg.svd(solved)[2][:1].T

        def predict(rows: Any, w: Any, m: Any = m, e: Array = direction) -> LabelBall:
            return moved_labels(m.predict(rows, w), e[np.asarray(rows)])

        moved.predict = predict  # type: ignore[method-assign]
        still, found = m.leave_block_out(), moved.leave_block_out()
        distance = float(np.linalg.norm(found.values - still.values))
        assert distance == pytest.approx(DELTA * np.linalg.norm(solved @ direction), rel=1e-3)
        assert float(still.radius) < 1e-6 * distance
        assert distance <= float(found.radius)
        radii.append(float(found.radius))
    assert radii == pytest.approx([radii[0]] * len(radii), rel=1e-3)


def _gap(m: CertifiedForms, labels: LabelBall) -> Quantity:
    return m.gap(labels)


def _square_gap(m: CertifiedForms, labels: LabelBall) -> Quantity:
    return m.square_gap(m.mix(1, labels, -1, m.optimal_labels))


def _label_distance(m: CertifiedForms, labels: LabelBall) -> Quantity:
    return m.label_distance(m.optimal_labels, labels)


def _distance(m: CertifiedForms, labels: LabelBall) -> Quantity:
    return m.distance(m.unlearned(labels), m.retrained)


def _square_distance(m: CertifiedForms, labels: LabelBall) -> Quantity:
    return m.square_distance(m.retrained, m.unlearned(labels))


def _gradient(m: CertifiedForms, labels: LabelBall) -> Quantity:
    return m.gradient_norm(m.forget, labels, m.retrained)


QUANTITIES = [_gap, _square_gap, _label_distance, _distance, _square_distance, _gradient]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("exponent", SCALES)
@pytest.mark.parametrize("quantity", QUANTITIES)
def test_uncertain_labels_widen_a_quantity_both_ways(quantity: Any, exponent: int, sign: int) -> None:
    """The exact value at the labels as they were lies in the enclosure, whichever way they were moved."""
    m = CertifiedForms(problem_of(exponent))
    exact = ClosedForms(m.problem, RATIONAL)
    given = np.array([[0.75], [-1.25]])
    true = quantity(exact, exact.given(given))
    away = given - m.optimal_labels.values
    for direction in (away / np.linalg.norm(away), np.array([[0.8], [-0.6]]), np.array([[0.6], [0.8]])):
        moved = quantity(m, moved_labels(m.given(given), sign * direction))
        assert Fraction(moved.lower) <= Fraction(true.upper)
        assert moved.upper >= true.lower
        # Unlike a point, it also says how far the labels may be off: by δ on either side.
        still = quantity(m, m.given(given + sign * DELTA * direction))
        assert Fraction(moved.lower) < Fraction(still.lower)
        assert moved.upper > still.upper


def test_a_ridge_bounds_what_labels_can_do() -> None:
    """Under a ridge an error of the labels enters by at most 1/√(λ_min + λ), far less than by 1/√λ_min."""
    problem = problem_of(-9)
    m, phi = CertifiedForms(problem), np.asarray(problem.features)
    labels = m.targets(m.everything)
    still = m.fit(m.everything, labels, ridge=RIDGE)
    moved = m.fit(m.everything, moved_labels(labels, weakest(phi)[0]), ridge=RIDGE)
    assert np.linalg.norm(moved.high - still.high) <= float(moved.radius)
    assert float(moved.radius) <= 1.01 * DELTA / np.sqrt(RIDGE) + float(still.radius)


def test_solutions_from_a_start_that_is_known_to_few_digits() -> None:
    """The low part of a start that is left out is part of the radius."""
    m = CertifiedForms(problem_of(0))
    kernel = np.linalg.svd(np.asarray(m.problem.features))[2][-1:].T
    begin = CertifiedParameters(m.start.high, DELTA * kernel, Fraction(0))
    for found in (m.fit(m.retain, m.targets(m.retain), begin), m.project(m.retain, begin)):
        assert DELTA * (1 - 1e-9) <= float(found.radius) <= 2 * DELTA
