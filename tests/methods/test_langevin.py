"""The guarantee of noisy descent against laws that are known exactly: normal ones, and a projected one on a line."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import muso_theory as mt
from muso_theory.errors import BadInputError
from muso_theory.linear.closed_forms import float_model
from muso_theory.methods import LangevinDescent, amplified
from muso_theory.networks import NetworkProblem, Recipe, mlp
from tests.zoo import ZOO

Problem = mt.UnlearningProblem
Law = tuple[np.ndarray, np.ndarray]


def normal_divergence(p: Law, q: Law, order: float) -> float:
    """The Rényi divergence of normal laws: ½α dᵀS⁻¹d − ln(|S|/|P|^(1−α)|Q|^α)/(2(α − 1)), S = αQ + (1 − α)P.

    It is infinite where S is not positive definite (Gil, Alajaji, Linder 2013).
    """
    mixed = order * q[1] + (1 - order) * p[1]
    if np.linalg.eigvalsh(mixed)[0] <= 0:
        return math.inf
    d = p[0] - q[0]
    logs = [np.linalg.slogdet(matrix)[1] for matrix in (mixed, p[1], q[1])]
    shape = (logs[0] - (1 - order) * logs[1] - order * logs[2]) / (2 * (1 - order))
    return float(order * d @ np.linalg.solve(mixed, d) / 2 + shape)


def iterated(law: Law, hessian: np.ndarray, pull: np.ndarray, eta: float, noise: float, steps: int) -> Law:
    """The law of x after steps x ← x − η(Hx − pull) + noise · N(0, I)."""
    mean, covariance = law
    step = np.eye(len(mean)) - eta * hessian
    for _ in range(steps):
        mean = step @ mean + eta * pull
        covariance = step @ covariance @ step.T + noise**2 * np.eye(len(mean))
    return mean, covariance


def still(start: np.ndarray) -> Law:
    return start, np.zeros((len(start), len(start)))


# -- amplification by iteration ------------------------------------------------------------------------------


@given(
    seed=st.integers(0, 10**6),
    size=st.integers(1, 6),
    steps=st.integers(1, 30),
    order=st.floats(1.01, 50.0),
    noise=st.floats(0.01, 10.0),
)
def test_no_quadratic_is_told_apart_better_than_the_bound(
    seed: int, size: int, steps: int, order: float, noise: float
) -> None:
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((size, size))
    hessian = root @ root.T + 0.1 * np.eye(size)
    values = np.linalg.eigvalsh(hessian)
    eta = rng.uniform(0.1, 1.0) * 2 / (values[0] + values[-1])
    contraction = float(max(abs(1 - eta * values[0]), abs(1 - eta * values[-1])))
    starts = rng.standard_normal((2, size))
    laws = [iterated(still(x), hessian, np.ones(size), eta, noise, steps) for x in starts]
    bound = (
        order * amplified(float(np.linalg.norm(starts[0] - starts[1])), contraction, noise, steps) ** 2 / 2
    )
    assert normal_divergence(laws[0], laws[1], order) <= bound * (1 + 1e-6) + 1e-12


@pytest.mark.parametrize("contraction", [1.0, 0.9, 0.2])
def test_the_bound_is_attained_and_half_of_the_noise_breaks_it(contraction: float) -> None:
    """Where all maps are c times the identity."""
    starts = [np.array([3.0, 0.0]), np.array([0.0, 4.0])]
    hessian, bound = (1 - contraction) * np.eye(2), 2.5 * amplified(5.0, contraction, 0.7, 6) ** 2 / 2

    def told(noise: float, steps: int = 6) -> float:
        laws = [iterated(still(x), hessian, np.zeros(2), 1.0, noise, steps) for x in starts]
        return normal_divergence(laws[0], laws[1], 2.5)

    assert told(0.7) == pytest.approx(bound, rel=1e-10)
    assert told(0.35) > 3.9 * bound
    assert told(0.7, steps=5) > 1.05 * bound


def test_a_bound_never_underflows_to_a_promise_of_nothing_to_tell() -> None:
    assert amplified(1.0, 1e-3, 1.0, 500) > 0
    assert amplified(0.0, 1e-3, 1.0, 500) == 0


# -- the whole process: training, then unlearning ---------------------------------------------------------------


def laws(problem: Problem, method: LangevinDescent, noise_factor: float = 1.0) -> tuple[Law, Law]:
    """Of the unlearned and of the retrained point, without projection."""
    phi, y, kept = problem.features, problem.targets, problem.retain
    top = float(np.linalg.norm(phi, 2) ** 2) * (1 + 1e-6) + method.ridge
    eta = 2 / (top + method.ridge)
    noise = noise_factor * math.sqrt(2 * eta) * method.sigma

    def trained(law: Law, rows: np.ndarray, steps: int) -> Law:
        hessian = phi[rows].T @ phi[rows] + method.ridge * np.eye(phi.shape[1])
        return iterated(law, hessian, phi[rows].T @ y[rows], eta, noise, steps)

    start = still(np.zeros(phi.shape[1]))
    first = trained(start, np.arange(len(y)), method.training)
    return trained(first, kept, method.steps), trained(start, kept, method.training + method.steps)


def regression(seed: int, n: int = 8, d: int = 4) -> Problem:
    rng = np.random.default_rng(seed)
    return Problem(rng.standard_normal((n, d)), rng.standard_normal(n), rng.permutation(n)[:2])


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("steps", [1, 3, 20])
def test_the_guarantee_holds_for_the_exact_laws_of_ridge_regression(seed: int, steps: int) -> None:
    """After one step of training both laws have one covariance; the ball is so large that its ends do not matter."""
    problem = regression(seed)
    method = LangevinDescent(ridge=0.5, training=1, steps=steps, sigma=0.05, radius=8.0)
    unlearned, retrained = laws(problem, method)
    for mean, covariance in (unlearned, retrained):
        assert 8.0 - np.linalg.norm(mean) > 30 * math.sqrt(np.linalg.eigvalsh(covariance)[-1])
    for order in (1.1, 2.0, 8.0):
        found = normal_divergence(unlearned, retrained, order)
        assert 0 < found <= method.divergence(problem, order)


def test_half_of_the_noise_breaks_the_guarantee() -> None:
    """The retained samples have no features, so that all steps on them contract alike."""
    problem = Problem(np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([0.0, 100.0]), [1])
    method = LangevinDescent(ridge=10.0, training=1, steps=3, sigma=0.1, radius=12.0)
    bound = method.divergence(problem, 2.0)
    assert 0.7 * bound < normal_divergence(*laws(problem, method), 2.0) <= bound
    assert normal_divergence(*laws(problem, method, noise_factor=0.5), 2.0) > 2.5 * bound


def test_without_a_projection_there_is_nothing_to_state() -> None:
    """Two trainings have two covariances, and beyond some order nothing bounds how well they are told apart."""
    method = LangevinDescent(ridge=0.5, training=15, steps=1, sigma=0.05)
    pairs = [laws(regression(seed), method) for seed in range(12)]
    assert any(math.isinf(normal_divergence(*pair, 8.0)) for pair in pairs)


@pytest.mark.parametrize("ridge", [1e6, 1e10, 1e13, 1e15, 1e17])
def test_the_guarantee_holds_however_large_the_ridge(ridge: float) -> None:
    """In rationals: what is retained has no features, so that one step of training leaves one covariance."""
    problem = Problem(np.array([[0.0], [0.56]]), np.array([0.0, 1.0]), [1])
    method = LangevinDescent(ridge=ridge, training=1, steps=2, sigma=1.0, radius=60 / math.sqrt(ridge))
    own = Fraction(0.56) ** 2 * Fraction(1 + 1e-6)  # the eigenvalue that the step is made from
    eta, factor = 2 / (own + 2 * Fraction(ridge)), own / (own + 2 * Fraction(ridge))
    variance = 2 * eta * Fraction(method.sigma) ** 2
    exact = (factor**2 * eta * Fraction(0.56)) ** 2 / (variance * (1 + factor**2 + factor**4))  # of order 2
    bound = Fraction(method.divergence(problem, 2.0))
    assert exact <= bound
    assert bound < 2 * exact or ridge > 1e10


@pytest.mark.parametrize("settings", [{"ridge": 1.0, "radius": 1e160}, {"radius": 1.0, "sigma": 1e-160}])
def test_what_cannot_be_bounded_in_floats_is_infinite(settings: dict[str, float]) -> None:
    assert LangevinDescent(**settings).epsilon(LINE, 1e-5) == math.inf


@pytest.mark.parametrize("name", ["ridge", "sigma", "radius", "training", "steps"])
def test_whole_numbers_beyond_floats_are_refused(name: str) -> None:
    with pytest.raises(BadInputError, match=f"{name}=1000"):
        LangevinDescent(**{name: 10**400})
    with pytest.raises(BadInputError, match="steps=1000"):
        amplified(1.0, 1.0, 1.0, 10**400)


# -- a projected process on a line, by a chain of cells ----------------------------------------------------------


def chain(problem: Problem, method: LangevinDescent, cells: int = 801) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of the unlearned and the retrained point on cells of [−ρ, ρ], whose ends keep what is cut off."""
    assert method.radius is not None
    places = np.linspace(-method.radius, method.radius, cells)
    edges = np.concatenate([[-np.inf], (places[1:] + places[:-1]) / 2, [np.inf]])
    phi, y = problem.features[:, 0], problem.targets
    eta = 2 / (phi @ phi * (1 + 1e-6) + 2 * method.ridge)
    noise = math.sqrt(2 * eta) * method.sigma
    erf = np.vectorize(math.erf)

    def moves(rows: np.ndarray) -> np.ndarray:
        means = places - eta * (phi[rows] @ phi[rows] * places - phi[rows] @ y[rows] + method.ridge * places)
        cumulated = (1 + erf((edges[None, :] - means[:, None]) / (noise * math.sqrt(2)))) / 2
        return np.diff(cumulated, axis=1)

    everyone, retained = moves(np.arange(len(y))), moves(problem.retain)
    start = (places == 0).astype(float)
    trained = start @ np.linalg.matrix_power(everyone, method.training)
    after = np.linalg.matrix_power(retained, method.steps)
    return trained @ after, start @ np.linalg.matrix_power(retained, method.training) @ after


def told_apart(p: np.ndarray, q: np.ndarray, order: float) -> float:
    """The Rényi divergence of two laws on cells."""
    return float(
        np.log(np.sum(np.where(q > 0, p**order * np.where(q > 0, q, 1.0) ** (1 - order), 0.0))) / (order - 1)
    )


LINE = Problem(np.array([[1.0], [0.5], [2.0]]), np.array([0.5, 0.2, -3.0]), [2])


@pytest.mark.parametrize("radius", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("steps", [1, 4])
def test_the_guarantee_holds_where_the_projection_acts(radius: float, steps: int) -> None:
    method = LangevinDescent(ridge=0.5, training=6, steps=steps, sigma=0.2, radius=radius)
    unlearned, retrained = chain(LINE, method)
    if radius < 1:
        assert unlearned[0] + unlearned[-1] > 0.05  # so much of the law is cut off and put on the ends
    for order in (1.5, 2.0, 6.0):
        found = max(told_apart(unlearned, retrained, order), told_apart(retrained, unlearned, order))
        assert 0 < found <= method.divergence(LINE, order)


def test_epsilon_and_delta_hold_for_every_event_on_the_line() -> None:
    method = LangevinDescent(ridge=0.5, training=6, steps=2, sigma=0.4, radius=0.3)
    p, q = chain(LINE, method)
    for delta in (1e-1, 1e-2, 1e-4):
        epsilon = method.epsilon(LINE, delta)
        for a, b in ((p, q), (q, p)):
            assert np.maximum(a - math.exp(epsilon) * b, 0).sum() <= delta
            # The control: a hundredth of ε does not do for a small δ.
        if delta <= 1e-2:
            assert (
                max(np.maximum(a - math.exp(epsilon / 100) * b, 0).sum() for a, b in ((p, q), (q, p))) > delta
            )


def test_the_chain_is_the_law_that_is_drawn() -> None:
    method = LangevinDescent(ridge=0.5, training=6, steps=2, sigma=0.4, radius=0.3)
    p, _ = chain(LINE, method)
    drawn = [LangevinDescent(0.5, 6, 2, 0.4, 0.3, seed)(LINE)[0] for seed in range(2000)]
    places = np.linspace(-0.3, 0.3, len(p))
    error = np.std(drawn) / math.sqrt(len(drawn))
    assert abs(np.mean(drawn) - p @ places) < 4 * error
    assert (
        abs(np.mean(np.array(drawn) >= 0.3) - p[-1]) < 4 * math.sqrt(p[-1] * (1 - p[-1]) / len(drawn)) + 1e-2
    )


# -- what it grows with, and where it is refused ---------------------------------------------------------------------


def test_more_noise_more_steps_and_a_smaller_ball_hide_more() -> None:
    problem = regression(0)
    base: dict[str, Any] = {"ridge": 0.5, "training": 15, "steps": 5, "sigma": 0.1, "radius": 0.2}
    usual = LangevinDescent(**base).epsilon(problem, 1e-5)
    assert LangevinDescent(**base | {"sigma": 0.2}).epsilon(problem, 1e-5) < usual
    assert LangevinDescent(**base | {"steps": 10}).epsilon(problem, 1e-5) < usual
    assert LangevinDescent(**base | {"radius": 0.1}).epsilon(problem, 1e-5) < usual
    assert LangevinDescent(**base).epsilon(problem, 1e-3) < usual


def test_several_outputs_are_one_vector() -> None:
    problem = ZOO["several-outputs"]()
    method = LangevinDescent(ridge=0.5, sigma=0.1, radius=1.0)
    step = method(problem) - problem.w_init
    assert np.linalg.norm(step) <= 1 + 1e-12
    assert method.epsilon(problem, 1e-5) > 0
    assert np.linalg.norm(LangevinDescent(ridge=0.5, sigma=10.0)(problem) - problem.w_init) > 1


def network() -> NetworkProblem:
    X = np.random.default_rng(0).standard_normal((9, 4))
    return NetworkProblem.pretrain(mlp([4, 5, 3]), X, np.arange(9) % 3, forget=[1], recipe=Recipe(epochs=1))


Asked = Callable[[LangevinDescent, Any], float]


@pytest.mark.parametrize("ask", [lambda m, p: m.epsilon(p, 1e-5), lambda m, p: m.divergence(p, 2.0)])
def test_outside_of_the_theorem_nothing_is_stated(ask: Asked) -> None:
    problem, good = regression(0), LangevinDescent(ridge=0.5, radius=1.0)
    assert ask(good, problem) > 0
    with pytest.raises(
        BadInputError, match=r"a projection radius, without which gradients are unbounded,.*; try"
    ):
        ask(LangevinDescent(ridge=0.5), problem)
    with pytest.raises(BadInputError, match=r"noise, without which nothing is hidden,.*; try"):
        ask(LangevinDescent(ridge=0.5, radius=1.0, sigma=0.0), problem)
    with pytest.raises(BadInputError, match=r"a convex loss.*a network.*; try an UnlearningProblem"):
        ask(good, network())
    with pytest.raises(BadInputError, match="problem"):
        ask(good, None)
    with pytest.raises(BadInputError, match="a positive number"):
        LangevinDescent(ridge=0.0, radius=1.0)  # not strongly convex
    with pytest.raises(BadInputError, match=r"a NetworkProblem|method langevin"):
        good(network())


def test_orders_and_deltas_that_are_none_are_refused() -> None:
    problem, method = regression(0), LangevinDescent(ridge=0.5, radius=1.0)
    for order in (1.0, 0.5, math.nan, math.inf):
        with pytest.raises(BadInputError, match=r"an order above 1|a number but got order=nan"):
            method.divergence(problem, order)
    for delta in (0.0, 1.0, -1.0, math.nan):
        with pytest.raises(BadInputError, match=r"a probability 0 < δ < 1|a number but got delta=nan"):
            method.epsilon(problem, delta)
    for words in (
        {"contraction": 1.5},
        {"contraction": 0.0},
        {"noise": 0.0},
        {"distance": -1.0},
        {"steps": 0},
    ):
        with pytest.raises(BadInputError, match="; try"):
            amplified(**({"distance": 1.0, "contraction": 0.5, "noise": 1.0, "steps": 1} | words))  # type: ignore[arg-type]


@pytest.mark.parametrize(("radius", "training"), [(1.0, 6), (10.0, 1), (20.0, 2)])
def test_the_bound_knows_how_far_training_can_part(radius: float, training: int) -> None:
    """By hand, of one forgotten sample of length 2 on a line, with a residual of at most 2ρ + 3 from w₀ = 0."""
    method = LangevinDescent(ridge=0.5, training=training, steps=4, sigma=0.2, radius=radius)
    top = float(float_model(LINE).spectrum[1].upper) + 0.5
    eta, c = 2 / (top + 0.5), (top - 0.5) / (top + 0.5)
    apart = eta * 2 * (2 * radius + 3) * sum(c**t for t in range(training))
    assert (apart > 2 * radius) == (radius != 10.0)  # the ball bounds it too
    shift = c**4 * min(2 * radius, apart) / math.sqrt(2 * eta * 0.2**2 * sum(c ** (2 * j) for j in range(4)))
    assert method.divergence(LINE, 3.0) == pytest.approx(3 * shift**2 / 2, rel=1e-4)


@pytest.mark.parametrize("delta", [0.3, 1e-3, 1e-9])
def test_epsilon_is_the_least_that_all_orders_give(delta: float) -> None:
    for sigma in (0.02, 0.2, 2.0):
        method = LangevinDescent(ridge=0.5, training=6, steps=4, sigma=sigma, radius=1.0)
        orders = 1 + np.logspace(-3, 4, 4001)
        least = min(method.divergence(LINE, float(a)) + math.log(1 / delta) / (a - 1) for a in orders)
        assert method.epsilon(LINE, delta) == pytest.approx(least, rel=1e-4)
        assert method.epsilon(LINE, delta) <= least * (1 + 1e-12)


def test_what_is_claimed_names_the_secret_seed_and_who_has_the_seed_has_the_model():
    for words in (
        LangevinDescent.exactness,
        LangevinDescent.__doc__,
        LangevinDescent.epsilon.__doc__,
        LangevinDescent.divergence.__doc__,
    ):
        assert words is not None
        assert "seed" in words
    problem = ZOO["several-outputs"]()
    method = LangevinDescent(ridge=1.0, radius=1.0, sigma=10.0)
    assert np.array_equal(method(problem), method(problem))  # no noise hides what can be drawn again
