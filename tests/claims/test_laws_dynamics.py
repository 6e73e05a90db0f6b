"""Laws of training step by step, claims 10 to 15, against plain loops over samples and steps.

Loops run on Fractions, so an identity is held to equality; where a claim is about an identity of matrices it is also
evaluated in float64, in 50 digits and in balls, which must agree, agree closely, and enclose. Each law has a control
that must fail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import muso_theory as mt
from muso_theory.numbers import BALL, FLOAT64, MP, RATIONAL, Arithmetic
from muso_theory.refutation.rulebook import Letters, pseudo_inverse
from muso_theory.refutation.structures import exact_array
from muso_theory.strategies import problems, step_size_schedules
from tests.claims.laws import broken, law, square

Array = np.ndarray
SMALL = {"max_samples": 4, "max_features": 4}
tame = settings(law, max_examples=50)


def fractions(data: st.DataObject, count: int, low: int = 1, high: int = 7) -> list[Fraction]:
    """Eighths between low/8 and high/8."""
    return [Fraction(data.draw(st.integers(low, high)), 8) for _ in range(count)]


def relabelled(m: Letters, labels: Array) -> Array:
    y = m.y.copy()
    y[m.f] = labels
    return y


def gradient_descent(phi: Array, y: Array, w: Array, etas: list[Fraction]) -> Array:
    for eta in etas:
        w = w - eta * (phi.T @ (phi @ w - y))
    return w


def off_span(m: Letters, step: Array) -> Fraction:
    """‖(I − P) step‖²."""
    return square(step - pseudo_inverse(m.phi) @ (m.phi @ step))


# -- claim 10: convex losses ----------------------------------------------------------------------------


@law
@given(st.data())
def test_convex_loss_quartic(data: st.DataObject) -> None:
    """ℓ(z, t) = (z − t)⁴ and λ‖w − w₀‖²: where retraining is stationary, so is fine-tuning on the exact labels.

    The problem is made backwards, from w_r to the w₀ for which it is stationary, so that everything is rational. Both
    objectives are strictly convex: a stationary point is the minimiser.
    """
    problem = data.draw(problems(max_outputs=1, **SMALL))
    m, penalty = Letters(problem), Fraction(data.draw(st.integers(1, 8)), 4)
    w_r = m.w0
    pull = m.phi_r.T @ (4 * (m.phi_r @ w_r - m.y_r) ** 3)
    anchor = w_r + pull / (2 * penalty)
    assert square(pull + 2 * penalty * (w_r - anchor)) == 0  # retraining is stationary at w_r

    def gradient(labels: Array) -> Array:
        z = m.phi @ w_r
        return m.phi.T @ (4 * (z - relabelled(m, labels)) ** 3) + 2 * penalty * (w_r - anchor)

    assert square(gradient(m.phi_f @ w_r)) == 0
    shift = exact_array([[data.draw(st.integers(-2, 2))] for _ in m.f])
    # Any other labels: stationary iff Φ_Fᵀ kills the cubes, for n_F = 1 the solution set of claim 3 again.
    assert (square(gradient(m.phi_f @ w_r + shift)) == 0) == (square(m.phi_f.T @ shift**3) == 0)


def softmax(z: Array) -> Array:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


def fit_softmax(phi: Array, targets: Array, anchor: Array, penalty: float) -> Array:
    """Minimiser of cross-entropy(softmax(Φw), targets) + λ/2 ‖w − anchor‖², by Newton's method."""
    d, c = phi.shape[1], targets.shape[1]

    def loss(w: Array) -> float:
        z = phi @ w
        entropy = np.log(np.exp(z - z.max(axis=1, keepdims=True)).sum(axis=1)) + z.max(axis=1)
        return float(entropy.sum() - (targets * z).sum() + penalty / 2 * np.sum((w - anchor) ** 2))

    w = anchor.copy()
    for _ in range(200):
        p = softmax(phi @ w)
        gradient = (phi.T @ (p - targets) + penalty * (w - anchor)).ravel()
        curvature = p[:, :, None] * np.eye(c) - p[:, :, None] * p[:, None, :]
        hessian = np.einsum("ia,icd,ib->acbd", phi, curvature, phi).reshape(d * c, d * c)
        step = np.linalg.solve(hessian + penalty * np.eye(d * c), gradient)
        # Halved until the loss falls by a part of what its slope says: whole steps can go round in a circle. Near the
        # minimum, where the fall is lost in rounding, whole steps converge.
        size, slope = 1.0, float(gradient @ step)
        while slope > 1e-12 and loss(w - size * step.reshape(d, c)) > loss(w) - 1e-4 * size * slope:
            size /= 2
        w = w - size * step.reshape(d, c)
        if np.linalg.norm(gradient) < 1e-13:
            break
    return w


def softmax_gap(seed: int, n: int, d: int, hard: bool) -> tuple[float, float]:
    """‖w_u − w_r‖ for soft or hard labels, and ‖w_p − w_r‖."""
    rng = np.random.default_rng(seed)
    phi, anchor, penalty, c = rng.standard_normal((n, d)), rng.standard_normal((d, 3)), 0.25, 3
    y = np.eye(c)[rng.integers(0, c, n)]
    w_r = fit_softmax(phi[:-1], y[:-1], anchor, penalty)
    labels = softmax(phi[-1:] @ w_r)
    if hard:
        labels = np.eye(c)[labels.argmax(axis=1)]
    w_u = fit_softmax(phi, np.vstack([y[:-1], labels]), anchor, penalty)
    return float(np.linalg.norm(w_u - w_r)), float(np.linalg.norm(fit_softmax(phi, y, anchor, penalty) - w_r))


@tame
@given(st.integers(0, 10**6), st.integers(2, 6), st.integers(1, 4))
def test_convex_loss_softmax(seed: int, n: int, d: int) -> None:
    """Soft labels softmax(Φ_F w_r) are exact; hard ones never are, for no probability is 0 or 1."""
    assert softmax_gap(seed, n, d, hard=False)[0] < 1e-9
    assert softmax_gap(seed, n, d, hard=True)[0] > 1e-6


# -- claim 11: cyclic SGD is an SOR sweep ------------------------------------------------------------------


def sgd_pass(phi: Array, y: Array, w: Array, gamma: list[Fraction]) -> Array:
    """One sample after the other."""
    for i, step in enumerate(gamma):
        w = w - step * np.outer(phi[i], phi[i] @ w - y[i])
    return w


def sweep_matrix(m: Letters, gamma: list[Fraction], strict_lower: bool = True) -> Array:
    """(Γ⁻¹ + L)⁻¹."""
    k = m.phi @ m.phi.T
    lower = exact_array(np.zeros(k.shape, dtype=int))
    for i in range(len(k)):
        lower[i, i] = 1 / gamma[i]
        lower[i, :i] = k[i, :i] if strict_lower else 0
    return pseudo_inverse(lower)


@law
@given(st.data())
def test_cyclic_sgd_is_an_sor_sweep(data: st.DataObject) -> None:
    """r becomes (I − K(Γ⁻¹ + L)⁻¹) r, and w gains Φᵀ(Γ⁻¹ + L)⁻¹ r: any Φ, any positive steps, stable or not."""
    problem = data.draw(problems(max_samples=5, max_features=5))
    m = Letters(problem)
    gamma = fractions(data, problem.n_samples, 1, 24)
    inverse, r = sweep_matrix(m, gamma), m.y - m.phi @ m.w0
    w = sgd_pass(m.phi, m.y, m.w0, gamma)
    assert square(w - m.w0 - m.phi.T @ (inverse @ r)) == 0
    assert square((m.y - m.phi @ w) - (r - m.phi @ (m.phi.T @ (inverse @ r)))) == 0


def test_cyclic_sgd_is_not_a_jacobi_sweep() -> None:
    def holds(problem: mt.UnlearningProblem) -> bool:
        m, gamma = Letters(problem), [Fraction(1, 2)] * problem.n_samples
        r = m.y - m.phi @ m.w0
        gained = m.phi.T @ (sweep_matrix(m, gamma, strict_lower=False) @ r)
        return square(sgd_pass(m.phi, m.y, m.w0, gamma) - m.w0 - gained) == 0

    assert broken(problems(**SMALL), holds)


def stable_steps(data: st.DataObject, m: Letters) -> list[Fraction]:
    """0 < γ_i ‖φ_i‖² < 2; any step for a zero row."""
    eighths = [Fraction(data.draw(st.integers(1, 15)), 8) for _ in m.phi]
    return [t / (square(row) or 1) for t, row in zip(eighths, m.phi, strict=True)]


@law
@given(st.data())
def test_cyclic_sgd_converges_where_ostrowski_reich_says(data: st.DataObject) -> None:
    """Consistent targets: each pass comes nearer to G(w₀), whatever the order, and never leaves w₀ + row(Φ)."""
    problem = data.draw(problems(max_samples=5, max_features=5))
    m = Letters(problem)
    order = np.array(data.draw(st.permutations(range(problem.n_samples))))
    y = m.phi @ exact_array([[data.draw(st.integers(-2, 2))] for _ in range(problem.n_features)])
    limit, gamma = m.update(m.phi, y, m.w0), stable_steps(data, m)
    w = sgd_pass(m.phi[order], y[order], m.w0, [gamma[i] for i in order])
    assert off_span(m, w - m.w0) == 0
    before, after = square(m.w0 - limit), square(w - limit)
    assert after < before or after == before == 0


def test_cyclic_sgd_needs_its_step_size() -> None:
    """At γ_i‖φ_i‖² = 2 a single sample is reflected: no nearer."""

    def holds(problem: mt.UnlearningProblem) -> bool:
        m = Letters(problem)
        y = m.phi @ (m.w0 + 1)
        gamma = [2 / (square(row) or Fraction(1)) for row in m.phi]
        w, limit = sgd_pass(m.phi, y, m.w0, gamma), m.update(m.phi, y, m.w0)
        return square(w - limit) < square(m.w0 - limit) or square(m.w0 - limit) == 0

    assert broken(problems(**SMALL), holds)


def test_cyclic_sgd_on_inconsistent_targets_does_not_rest_at_the_least_squares_fit() -> None:
    def holds(problem: mt.UnlearningProblem) -> bool:
        m = Letters(problem)
        return square(sgd_pass(m.phi, m.y, m.w_p, [Fraction(1, 4)] * problem.n_samples) - m.w_p) == 0

    assert broken(problems(**SMALL), holds)
    found = mt.UnlearningProblem(np.array([[1], [1]]), np.array([0, 1]), [1])
    for gamma in (Fraction(1, 4), Fraction(1, 64)):
        m = Letters(mt.UnlearningProblem(exact_array(found.features), exact_array(found.targets), [1]))
        w = m.w_p
        for _ in range(3):
            w = sgd_pass(m.phi, m.y, w, [gamma] * 2)
        assert 0 < abs(w[0, 0] - m.w_p[0, 0]) < gamma  # the bias is O(γ)


RINGS = [FLOAT64, MP(50), BALL(200), RATIONAL]


def vanishes(ring: Arithmetic, difference: Any, scale: float) -> None:
    """The difference of two sides of an identity, as this arithmetic can say it."""
    size = ring.square_norm(difference)
    if ring.name == RATIONAL.name:
        assert size.upper == 0
    else:
        digits = 1e-12 if ring.name == FLOAT64.name else 1e-40
        assert size.lower <= (0 if ring.name.startswith("ball") else size.upper)
        assert float(size.upper) <= (digits * (1 + scale)) ** 2


@settings(law, max_examples=25)
@given(st.data())
def test_sweep_identity_in_every_arithmetic(data: st.DataObject) -> None:
    """(Γ⁻¹ + L) a = r for the coefficients a that the loop collects, w = w₀ + Φᵀa; no inverse is needed."""
    problem = data.draw(problems(**SMALL))
    m, n = Letters(problem), problem.n_samples
    gamma = fractions(data, n, 1, 8)
    for ring in RINGS:
        phi, y, w = ring.matrix(m.phi), ring.matrix(m.y), ring.matrix(m.w0)
        gram = ring.gram(phi)
        r = ring.sub(y, ring.matmul(phi, w))
        collected = None
        for i in range(n):
            row = ring.take(phi, [i])
            a = ring.scale(gamma[i], ring.sub(ring.take(y, [i]), ring.matmul(row, w)))
            w = ring.add(w, ring.matmul(ring.transpose(row), a))
            collected = a if collected is None else ring.vstack(collected, a)
        for i in range(n):
            side = ring.scale(1 / gamma[i], ring.take(collected, [i]))
            if i:
                before = list(range(i))
                side = ring.add(side, ring.matmul(ring.take(gram, [i], before), ring.take(collected, before)))
            vanishes(ring, ring.sub(side, ring.take(r, [i])), 1e4)
        whole = ring.add(ring.matrix(m.w0), ring.matmul(ring.transpose(phi), collected))
        vanishes(ring, ring.sub(w, whole), 1e4)


# -- claims 12 and 13: finite time ---------------------------------------------------------------------------


@law
@given(st.data())
def test_gradient_descent_in_finite_time(data: st.DataObject) -> None:
    """w_T − w_r = Π(I − η_t ΦᵀΦ)(w_p − w_r) with the optimal labels, any Φ, and it never grows."""
    problem = data.draw(problems(**SMALL))
    m = Letters(problem)
    assume(square(m.phi) > 0)
    etas = data.draw(step_size_schedules(square(m.phi), max_steps=4))
    w = gradient_descent(m.phi, relabelled(m, m.optimal), m.w_p, etas)
    left = m.w_p - m.w_r
    for eta in etas:
        left = left - eta * (m.phi.T @ (m.phi @ left))
    assert square(w - m.w_r - left) == 0
    assert square(left) <= square(m.w_p - m.w_r)


def test_gradient_descent_in_finite_time_needs_the_optimal_labels() -> None:
    def holds(problem: mt.UnlearningProblem) -> bool:
        m = Letters(problem)
        left = m.w_p - m.w_r
        moved = gradient_descent(m.phi, m.y, m.w_p, [Fraction(1, 8)])
        return square(moved - m.w_r - left + (m.phi.T @ (m.phi @ left)) / 8) == 0

    assert broken(problems(**SMALL), holds)


@settings(law, max_examples=25)
@given(st.data())
def test_finite_time_in_every_arithmetic(data: st.DataObject) -> None:
    problem = data.draw(problems(**SMALL))
    m = Letters(problem)
    assume(square(m.phi) > 0)
    etas = data.draw(step_size_schedules(square(m.phi), max_steps=4))
    for ring in RINGS:
        phi, w, w_r = ring.matrix(m.phi), ring.matrix(m.w_p), ring.matrix(m.w_r)
        y = ring.matrix(relabelled(m, m.optimal))
        left = ring.sub(w, w_r)
        for eta in etas:
            pull = ring.sub(ring.matmul(phi, w), y)
            w = ring.sub(w, ring.scale(eta, ring.matmul(ring.transpose(phi), pull)))
            shrunk = ring.matmul(ring.transpose(phi), ring.matmul(phi, left))
            left = ring.sub(left, ring.scale(eta, shrunk))
        vanishes(ring, ring.sub(ring.sub(w, w_r), left), 1e4)


@tame
@given(st.integers(0, 10**6), st.floats(1e-8, 0.5))
def test_unlearning_time_is_enough_and_one_direction_needs_it(seed: int, accuracy: float) -> None:
    """T ≥ log(ε/gap₀)/log(1 − η λ_min⁺) steps bring the gap below ε; along the slowest direction no fewer do."""
    rng = np.random.default_rng(seed)
    phi = rng.standard_normal((4, 7))
    values = np.linalg.eigvalsh(phi @ phi.T)
    rate = 1 - values[0] / values[-1]
    steps = int(np.ceil(np.log(accuracy) / np.log(rate)))
    assume(2 <= steps <= 5000)
    slowest = phi.T @ np.linalg.eigh(phi @ phi.T)[1][:, 0]
    slowest /= np.linalg.norm(slowest)
    anywhere = phi.T @ rng.standard_normal(4)
    anywhere /= np.linalg.norm(anywhere)

    def gap(start: Array, count: int) -> float:
        power = np.linalg.matrix_power(np.eye(7) - phi.T @ phi / values[-1], count)
        return float(np.linalg.norm(power @ start))

    assert gap(anywhere, steps) <= accuracy * (1 + 1e-6)
    assert gap(slowest, steps - 2) > accuracy


def early_stopped(m: Letters, retain_too: bool, steps: int, tuned: int, eta: Fraction) -> Fraction:
    """‖w − w_r(T)‖² after T' fine-tuning steps from w_p on the labels of claim 13."""
    goal = gradient_descent(m.phi_r, m.y_r, m.w0, [eta] * steps)
    one = m.identity(len(m.phi))
    left = one
    for _ in range(tuned):
        left = left @ (one - eta * (m.phi @ m.phi.T))
    labels = pseudo_inverse(one - left) @ (m.phi @ goal - left @ (m.phi @ m.w_p))
    y = labels if retain_too else relabelled(m, labels[m.f])
    return square(gradient_descent(m.phi, y, m.w_p, [eta] * tuned) - goal)


@tame
@given(st.data())
def test_early_stopping(data: st.DataObject) -> None:
    """T steps of retraining are reached exactly by T' steps of fine-tuning with all labels free.

    Any Φ: where K is singular Q⁺ does for Q⁻¹, since every Φw differs from every other by an element of range K, on
    which Q is invertible for η < 2/λ_max.
    """
    problem = data.draw(problems(max_samples=3, max_features=4))
    m = Letters(problem)
    assume(square(m.phi) > 0)
    eta = Fraction(data.draw(st.integers(1, 7)), 4) / square(m.phi)
    steps, tuned = data.draw(st.integers(0, 3)), data.draw(st.integers(1, 3))
    assert early_stopped(m, True, steps, tuned, eta) == 0


def test_early_stopping_needs_free_labels_on_retain_and_a_stable_step() -> None:
    def forget_labels_only(problem: mt.UnlearningProblem) -> bool:
        m = Letters(problem)
        return early_stopped(m, False, 1, 1, 1 / square(m.phi)) == 0

    assert broken(problems(assuming="full-rank", **SMALL), forget_labels_only)

    def at_the_boundary(problem: mt.UnlearningProblem) -> bool:
        m = Letters(problem)  # η = 2/λ for rank one: two steps lead back to the start, whatever the labels
        return early_stopped(m, True, 1, 2, 2 / (square(m.phi) or Fraction(1))) == 0

    assert broken(problems(max_samples=2, max_features=1), at_the_boundary)


# -- claims 14 and 15: other optimisers ----------------------------------------------------------------------

Optimiser = Callable[[Array, Array, Array, Fraction, Fraction], Iterator[Array]]


def heavy_ball(phi: Array, y: Array, w: Array, eta: Fraction, beta: Fraction) -> Iterator[Array]:
    before = w
    while True:
        w, before = w - eta * (phi.T @ (phi @ w - y)) + beta * (w - before), w
        yield w


def nesterov(phi: Array, y: Array, w: Array, eta: Fraction, beta: Fraction) -> Iterator[Array]:
    before = w
    while True:
        ahead = w + beta * (w - before)
        w, before = ahead - eta * (phi.T @ (phi @ ahead - y)), w
        yield w


def sign_descent(phi: Array, y: Array, w: Array, eta: Fraction, beta: Fraction) -> Iterator[Array]:
    """First step of Adam, and of AdaGrad and RMSProp up to the step's size: g/√(g²), entry by entry."""
    while True:
        gradient = phi.T @ (phi @ w - y)
        w = w - eta * exact_array([[(x > 0) - (x < 0) for x in row] for row in gradient])
        yield w


def decayed(phi: Array, y: Array, w: Array, eta: Fraction, beta: Fraction) -> Iterator[Array]:
    """Gradient descent with weight decay β towards zero."""
    while True:
        w = (1 - eta * beta) * w - eta * (phi.T @ (phi @ w - y))
        yield w


@law
@given(st.data(), st.sampled_from([heavy_ball, nesterov]))
def test_momentum_stays_in_the_span(data: st.DataObject, optimiser: Optimiser) -> None:
    """So its limit with the exact labels is w_r: from there the gap is the in-span part, claim 4."""
    problem = data.draw(problems(**SMALL))
    m = Letters(problem)
    eta, beta = fractions(data, 2)
    steps = optimiser(m.phi, m.y, m.w0, eta, beta)
    for _ in range(3):
        w = next(steps)
        assert off_span(m, w - m.w0) == 0
    assert square(m.fine_tuned(m.optimal, w) - m.w_r) == 0


@law
@given(problems(**SMALL), st.sampled_from([heavy_ball, nesterov]))
def test_momentum_rests_at_the_fit(problem: mt.UnlearningProblem, optimiser: Optimiser) -> None:
    """w_r is a fixed point of fine-tuning with the exact labels, of both methods."""
    m = Letters(problem)
    steps = optimiser(m.phi, relabelled(m, m.optimal), m.w_r, Fraction(1, 8), Fraction(1, 2))
    assert all(square(next(steps) - m.w_r) == square(m.phi_r.T @ (m.phi_r @ m.w_r - m.y_r)) for _ in range(2))


def in_metric(phi: Array, y: Array, w: Array, metric: Array) -> Array:
    """w + M⁻¹Φᵀ(ΦM⁻¹Φᵀ)⁺(y − Φw), on consistent targets."""
    inverse = pseudo_inverse(metric)
    return w + inverse @ phi.T @ (pseudo_inverse(phi @ inverse @ phi.T) @ (y - phi @ w))


def metric_gap(m: Letters, metric: Array, other: Array) -> Fraction:
    """Gap of the exact labels when fine-tuning moves in another metric than retraining."""
    w_r = in_metric(m.phi_r, m.y_r, m.w0, metric)
    w_p = in_metric(m.phi, m.y, m.w0, metric)
    return square(in_metric(m.phi, relabelled(m, m.phi_f @ w_r), w_p, other) - w_r)


@st.composite
def metrics(draw: st.DrawFn, size: int) -> Array:
    """Symmetric positive definite: I + AAᵀ with small integers."""
    a = exact_array([[draw(st.integers(-1, 2)) for _ in range(size)] for _ in range(size)])
    return exact_array(np.eye(size, dtype=int)) + a @ a.T


@tame
@given(st.data())
def test_one_fixed_metric_for_all_runs(data: st.DataObject) -> None:
    problem = data.draw(problems(**SMALL, assuming="full-rank"))
    m, metric = Letters(problem), data.draw(metrics(problem.n_features))
    assert metric_gap(m, metric, metric) == 0


def test_metrics_must_be_shared() -> None:
    def holds(example: tuple[mt.UnlearningProblem, Array]) -> bool:
        m = Letters(example[0])
        return metric_gap(m, example[1], m.identity(example[0].n_features)) == 0

    strategy = problems(**SMALL, assuming="full-rank").flatmap(
        lambda p: st.tuples(st.just(p), metrics(p.n_features))
    )
    assert broken(strategy, holds)


@law
@given(st.data(), st.sampled_from([sign_descent, decayed, heavy_ball]))
def test_the_gap_of_any_optimiser_is_what_it_left_off_the_span(
    data: st.DataObject, optimiser: Optimiser
) -> None:
    """Pretrained by any of them, fine-tuned on the exact labels: ‖w_u − w_r‖² = ‖(I − P)(w_p − w₀)‖²."""
    problem = data.draw(problems(**SMALL))
    m = Letters(problem)
    eta, decay = fractions(data, 2)
    w_p = next(optimiser(m.phi, m.y, m.w0, eta, decay))
    assert square(m.fine_tuned(m.optimal, w_p) - m.w_r) == off_span(m, w_p - m.w0)
    if optimiser is decayed:
        assert off_span(m, w_p - m.w0) == (eta * decay) ** 2 * off_span(m, m.w0)


@pytest.mark.parametrize("optimiser", [sign_descent, decayed])
def test_adaptive_optimisers_leave_the_span(optimiser: Optimiser) -> None:
    def stays(problem: mt.UnlearningProblem) -> bool:
        m = Letters(problem)
        return off_span(m, next(optimiser(m.phi, m.y, m.w0, Fraction(1, 4), Fraction(1, 2))) - m.w0) == 0

    assert broken(problems(**SMALL), stays)


def test_unlearning_after_an_adaptive_optimiser_can_be_worse_than_not_unlearning() -> None:
    def helps(problem: mt.UnlearningProblem) -> bool:
        m = Letters(problem)
        w_p = next(sign_descent(m.phi, m.y, m.w0, Fraction(1), Fraction(0)))
        return square(m.fine_tuned(m.optimal, w_p) - m.w_r) <= square(m.w_p - m.w_r)

    assert broken(problems(**SMALL), helps)


# -- the package's training against the exact loops -----------------------------------------------------------


def floats(problem: mt.UnlearningProblem) -> tuple[Array, Array, Array]:
    """Φ, y and w₀; training refuses samples without a feature."""
    m = Letters(problem)
    assume(all(square(row) for row in m.phi))
    return tuple(a.astype(np.float64) for a in (m.phi, m.y, m.w0))


EXACT: dict[str, Callable[[Letters, Fraction, Fraction], Iterator[Array]]] = {
    "gd": lambda m, eta, beta: decayed(m.phi, m.y, m.w0, eta, Fraction(0)),
    "momentum": lambda m, eta, beta: heavy_ball(m.phi, m.y, m.w0, eta, beta),
    "nesterov": lambda m, eta, beta: nesterov(m.phi, m.y, m.w0, eta, beta),
    "cyclic-sgd": lambda m, eta, beta: passes(m, [eta] * len(m.phi)),
}


def passes(m: Letters, gamma: list[Fraction]) -> Iterator[Array]:
    w = m.w0
    while True:
        w = sgd_pass(m.phi, m.y, w, gamma)
        yield w


@tame
@given(st.data(), st.sampled_from(list(EXACT)), st.sampled_from(["primal", "dual"]))
def test_training_takes_exactly_these_steps(data: st.DataObject, method: str, form: str) -> None:
    problem = data.draw(problems(**SMALL))
    m = Letters(problem)
    eta, beta = Fraction(1, 4) / (square(m.phi) or 1), Fraction(data.draw(st.integers(0, 7)), 8)
    phi, y, w0 = floats(problem)
    steps = EXACT[method](m, eta, beta)
    momentum = {"momentum": float(beta)} if method in ("momentum", "nesterov") else {}
    for epochs in (1, 2, 3):
        exact = next(steps).astype(np.float64)
        trained = mt.linear.train(
            phi, y, w0, method, step_sizes=float(eta), epochs=epochs, form=form, **momentum
        )
        np.testing.assert_allclose(
            trained.w.reshape(exact.shape), exact, atol=1e-11 * (1 + np.abs(exact).max())
        )


@tame
@given(problems(**SMALL), st.sampled_from(["adam", "adagrad"]))
def test_the_first_adaptive_step_is_the_sign_of_the_gradient(
    problem: mt.UnlearningProblem, method: str
) -> None:
    m = Letters(problem)
    exact = next(sign_descent(m.phi, m.y, m.w0, Fraction(1, 4), Fraction(0))).astype(np.float64)
    trained = mt.linear.train(*floats(problem), method, step_sizes=0.25, epochs=1, epsilon=1e-12)
    np.testing.assert_allclose(trained.w.reshape(exact.shape), exact, atol=1e-6)
    left = mt.linear.training.off_span_gap(problem, trained.w.reshape(problem.shaped(m.w0).shape))
    assert left == pytest.approx(
        float(off_span(m, exact_array(trained.w.reshape(exact.shape)) - m.w0)) ** 0.5, abs=1e-6
    )


@tame
@given(problems(assuming="full-rank", max_samples=3, max_features=4), st.integers(1, 3), st.integers(1, 3))
def test_early_stopping_labels_are_those_of_the_claim(
    problem: mt.UnlearningProblem, steps: int, tuned: int
) -> None:
    m, eta = Letters(problem), Fraction(1) / square(Letters(problem).phi)
    goal = gradient_descent(m.phi_r, m.y_r, m.w0, [eta] * steps)
    labels, w_r = mt.linear.training.early_stopping_labels(problem, float(eta), steps, tuned)
    assert square(exact_array(w_r.reshape(goal.shape)) - goal) < Fraction(1, 10**18) * (1 + square(goal))
    end = gradient_descent(m.phi, exact_array(labels.reshape(m.y.shape)), m.w_p, [eta] * tuned)
    assert square(end - goal) < Fraction(1, 10**12) * (1 + square(goal))
