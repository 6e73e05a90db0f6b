"""Certified unlearning by noisy descent: privacy amplification by iteration on a strongly convex objective."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import numpy as np

from ..arguments import checked
from ..arrays import Array
from ..errors import check_integer, expected
from ..linear.closed_forms import Point, float_model
from ..linear.problem import UnlearningProblem
from ..networks.problem import NetworkProblem
from ..numbers import FLOAT64
from .moves import largest_eigenvalue
from .ranges import require_nonnegative, require_positive
from .second_order import RidgeMethod

__all__ = ["LangevinDescent", "amplified"]

_ABOVE = 1 + 1e-6
"""Far above the relative rounding of an eigenvalue, so that a bound made from one stays a bound."""

_STEP_BITS = 53
"""Numbers of steps are below two to this power, so that they are floats."""

_SMALLEST = 2.0**-1022
"""A power of c may underflow; no bound of a distance that is none is zero."""


@checked
def amplified(distance: float, contraction: float, noise: float, steps: int) -> float:
    """μ such that noisy contractions from two starts have a Rényi divergence of at most αμ²/2, for every order α > 1.

    Two processes x ← ψ(x) + N(0, s²I) with the same maps ψ, each with Lipschitz constant c or less, possibly followed
    by the same projection on a convex set, whose starts are coupled within Z of each other surely. After K steps

        D_α ≤ α c²ᴷZ²/(2s² Σ_{j<K} c²ʲ) = αμ²/2.

    This is privacy amplification by iteration: Feldman, Mironov, Talwar, Thakurta 2018 (arXiv 1808.06651), for c < 1
    Altschuler, Talwar 2022 (arXiv 2205.13710). Let step j shift one process towards the other by a_j. That costs
    αa_j²/(2s²), and nothing is left apart in the end if Σ_j c^(K−j) a_j = c^K Z. By Cauchy–Schwarz Σa_j² is then at
    least c²ᴷZ²/Σ_{j<K} c²ʲ, which a_j ∝ c^(K−j) attains; the papers shift in the last step alone where c < 1, which
    gives the sum as 1. With ψ = c·identity both laws are normal and this is their divergence.

    Args:
        distance: Z ≥ 0.
        contraction: c in (0, 1].
        noise: s > 0, standard deviation of every step.
        steps: K ≥ 1.

    Returns:
        μ.

    Example:
        >>> amplified(distance=3.0, contraction=1.0, noise=1.0, steps=9)
        1.0
    """
    require_nonnegative("distance", distance)
    require_positive("noise", noise)
    if not 0 < contraction <= 1:
        raise expected("a Lipschitz constant in (0, 1]", "contraction", contraction, "out of range", "0.9")
    check_integer("steps", steps, 1, _STEP_BITS)
    geometric = _geometric(contraction**2, steps)
    found = contraction**steps * distance / (noise * math.sqrt(geometric))
    return max(found, _SMALLEST) if distance else 0.0


def _geometric(ratio: float, terms: int) -> float:
    """Σ_{j<terms} ratioʲ."""
    return float(terms) if ratio == 1 else (1 - ratio**terms) / (1 - ratio)


@final
@checked
@dataclass(frozen=True)
class LangevinDescent(RidgeMethod):
    """Noisy descent on all samples, then on R alone: published is the last of the second steps, shape (D,) or (D, C).

    F(w) = ½‖Φw − y‖² + ½λ‖w − w₀‖² is descended from w₀ by T steps w ← Π(w − η∇F(w) + √(2η) σ N(0, I)); then F_R, with
    R in place of all samples, by K more. Π is the projection on the ball of radius ρ about w₀, over all outputs
    together; without a radius there is none. η = 2/(L + λ), L the largest eigenvalue of ΦᵀΦ + λI.

    :meth:`divergence` and :meth:`epsilon` bound how well the published point can be told from the one of training on R
    alone by T + K such steps, η the same. They hold where the theorem does: squared loss and λ > 0, so that a step
    contracts by c = (L − λ)/(L + λ); σ > 0; and a radius declared in advance, within which the gradient of F's samples
    is bounded. Elsewhere they refuse: a network's loss is not convex, and without a ball the gradients have no bound.

    What they state is about this data and forget set, for settings chosen without looking at it; it is no differential
    privacy. It is about the exact process, measured in float64: the rounding of the steps and of the sampler is not in
    it. `evaluation.guarantee` covers these. And it is about noise that nobody can draw again: the seed must be secret,
    such as ``secrets.randbits(256)``, used once, and published nowhere. Whoever has it, as the usual 0, or results
    that name it, runs the steps without and with each sample, and sees which of them was published.

    Args:
        ridge: λ > 0.
        training: T, noisy steps on all samples.
        steps: K, noisy steps on R.
        sigma: σ ≥ 0.
        radius: ρ > 0, or None for no projection and no guarantee.
        seed: seed of the noise; the usual 0 makes runs repeat and hides nothing.

    Example:
        >>> problem = UnlearningProblem(np.array([[1.0, 0], [0, 1]]), np.array([1.0, 2.0]), [1])
        >>> method = LangevinDescent(ridge=1.0, steps=5, sigma=0.5, radius=3.0)
        >>> round(method.epsilon(problem, delta=1e-5), 3), round(method.divergence(problem, order=2.0), 5)
        (0.162, 0.00113)
        >>> LangevinDescent(ridge=1.0).epsilon(problem, delta=1e-5)
        Traceback (most recent call last):
        muso_theory.errors.BadInputError: expected a projection radius, without which gradients are unbounded, ...
    """

    training: int = 50
    steps: int = 10
    sigma: float = 1e-2
    radius: float | None = None
    seed: int = 0
    name = "langevin"
    formula = "w ← Π(w − η[Φᵀ(Φw − y) + λ(w − w₀)] + √(2η)σ N(0, I)), T steps from w₀; then K with Φ_R, y_R for Φ, y"
    source = "Chien, Wang, Chen, Li 2024 (Certified machine unlearning via noisy SGD), arXiv 2403.17105, full batches"
    exactness = (
        "not exact: noise and a finite number of steps; with a radius (ε, δ)-indistinguishable from T + K such steps "
        "on R alone for whoever does not know the seed, by privacy amplification by iteration"
    )

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        super().__post_init__()
        require_nonnegative("sigma", self.sigma)
        for name, least in (("training", 0), ("steps", 1)):
            check_integer(name, getattr(self, name), least, _STEP_BITS)
        if self.radius is not None:
            require_positive("radius", self.radius)

    def on_linear(self, problem: UnlearningProblem) -> Point:
        """The published point in model coordinates."""
        model, eta = float_model(problem), self._constants(problem)[0]
        rng = np.random.default_rng(self.seed)
        step = np.zeros((problem.n_features, problem.n_outputs))  # w − w₀
        for rows, times in ((model.everything, self.training), (model.retain, self.steps)):
            features = FLOAT64.matrix(problem.features[model.order[list(rows)]])
            residual = model.targets(rows) - model.predict(rows, model.start)
            for _ in range(times):
                pull = FLOAT64.matmul(FLOAT64.transpose(features), FLOAT64.matmul(features, step) - residual)
                noise = math.sqrt(2 * eta) * self.sigma * rng.standard_normal(step.shape)
                step = self._projected(step - eta * (pull + self.ridge * step) + noise)
        return Point(None, step)

    @checked
    def divergence(self, problem: UnlearningProblem | NetworkProblem, order: float) -> float:
        """Bound of the Rényi divergence between the unlearned and the retrained law, in either direction.

        The laws are those of noise whose seed is secret and used once, a hypothesis that is not checked.

        Args:
            problem: the problem.
            order: α > 1.

        Returns:
            αμ²/2, see :func:`amplified`.

        Raises:
            BadInputError: outside the theorem (no radius, no noise, a network), or an order that is none.
        """
        if not 1 < order < math.inf:
            raise expected("an order above 1", "order", order, type(order).__name__, "2.0")
        separation = self._separation(problem)
        return order * separation * separation / 2

    @checked
    def epsilon(self, problem: UnlearningProblem | NetworkProblem, delta: float) -> float:
        """ε for which the unlearned and the retrained law are (ε, δ)-indistinguishable, the seed secret and used once.

        D_α ≤ αμ²/2 for every α > 1 gives ε = αμ²/2 + ln(1/δ)/(α − 1) for every α (Mironov 2017, arXiv 1702.07476,
        proposition 3), the least of which is μ²/2 + μ√(2 ln 1/δ).

        Args:
            problem: the problem.
            delta: δ in (0, 1).

        Returns:
            ε.

        Raises:
            BadInputError: outside the theorem (no radius, no noise, a network), or a δ that is no probability.
        """
        if not 0 < delta < 1:
            raise expected("a probability 0 < δ < 1", "delta", delta, type(delta).__name__, "1e-5")
        separation = self._separation(problem)
        return separation * separation / 2 + separation * math.sqrt(2 * math.log(1 / delta))

    def _separation(self, problem: UnlearningProblem | NetworkProblem) -> float:
        """μ of the K steps on R.

        With the same noise in both trainings, their distance Z is at most 2ρ, and a step takes it to cZ + ηG or less,
        where G ≥ ‖Φ_Fᵀ(Φ_F w − y_F)‖ for all w in the ball.
        """
        if isinstance(problem, NetworkProblem):
            raise expected("a convex loss", "problem", problem, "a network", "an UnlearningProblem")
        if self.radius is None:
            what = "a projection radius, without which gradients are unbounded,"
            raise expected(what, "radius", None, "undeclared", "radius=…, chosen without looking at the data")
        if self.sigma == 0:
            raise expected("noise, without which nothing is hidden,", "sigma", 0.0, "none", "sigma=0.01")
        model, rows = float_model(problem), FLOAT64.matrix(problem.features[problem.forget])
        eta, contraction = self._constants(problem)
        square = rows @ rows.T if len(rows) <= problem.n_features else rows.T @ rows
        size = math.sqrt(max(0.0, float(np.linalg.eigvalsh(square)[-1]))) * _ABOVE
        error = model.targets(model.forget) - model.predict(model.forget, model.start)
        slope = size * (size * self.radius + float(np.linalg.norm(error)) * _ABOVE)
        distance = min(2 * self.radius, eta * slope * _geometric(contraction, self.training))
        # The few roundings in here, K times one of c among them, are far below what this adds.
        return _ABOVE * amplified(distance, contraction, math.sqrt(2 * eta) * self.sigma, self.steps)

    def _constants(self, problem: UnlearningProblem) -> tuple[float, float]:
        """η = 2/(L + λ), and c = (L − λ)/(L + λ) by which a step contracts.

        L − λ is the largest eigenvalue of ΦᵀΦ: taken as a difference it would vanish beside a large λ.
        """
        own = largest_eigenvalue(problem) * _ABOVE
        whole = own + 2 * self.ridge
        return 2 / whole, max(own / whole, _SMALLEST)

    def _projected(self, step: Array) -> Array:
        """The nearest point of the ball about w₀."""
        if self.radius is None:
            return step
        return step * min(1.0, self.radius / max(float(np.linalg.norm(step)), self.radius))

    def _expected(self, problem: UnlearningProblem) -> float | None:
        """None: the projection has no closed form."""
        return None
