"""Fine-tuning on R with something beside every gradient: a penalty on the parameters themselves, or noise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import final

import numpy as np

from ..arguments import checked
from ..arrays import Array
from ..descent.updates import State
from ..errors import expected
from ..linear.closed_forms import Point, float_model
from ..linear.problem import UnlearningProblem
from ..networks.problem import NetworkProblem
from ..numbers import FLOAT64
from ..streams import GRADIENT_NOISE
from .fitting import Descent
from .method import LINEAR, NETWORK, Method
from .moves import largest_eigenvalue, require_finite
from .ranges import require_nonnegative

__all__ = ["NoisyFineTuning", "RidgeFineTuning", "SparseFineTuning"]


@dataclass(frozen=True)
class _RetainDescent(Method):
    """w ← w − η[Φ_Rᵀ(Φ_R w − y_R)/n_R + g] from w_p, with a g of the subclass.

    It runs in explicit parameters, since g leaves row(Φ).
    """

    def _trained(
        self, problem: UnlearningProblem, steps: int, eta: float, beside: Callable[[int, Array], Array]
    ) -> Point:
        """The last iterate, g = beside(t, w)."""
        model = float_model(problem)
        rows, targets = FLOAT64.matrix(problem.features[problem.retain]), model.targets(model.retain)
        w = model.explicit(model.pretrained)
        with np.errstate(over="ignore", invalid="ignore"):  # divergence is told below
            for t in range(steps):
                pull = FLOAT64.matmul(FLOAT64.transpose(rows), FLOAT64.matmul(rows, w) - targets)
                w = w - eta * (pull / len(rows) + beside(t, w))
        return model.at(require_finite(w, eta))


@final
@checked
@dataclass(frozen=True)
class SparseFineTuning(_RetainDescent):
    """Fine-tune on R under a penalty γ‖w‖₁ that falls to zero, shape (D,) or (D, C).

    Steps follow a subgradient, as in the published code, so that small parameters oscillate about zero by ηγ and do not
    become exactly zero.

    Args:
        strength: γ ≥ 0 at the first step, falling along a line to γ/T at the last of T steps (epochs of a network).
        steps: T of a linear model.
        step_size: η > 0 of a linear model; None is n_R/λ_max(K).
        descent: on a network, the fine-tuning.

    Example:
        >>> problem = UnlearningProblem(np.array([[1.0, 0], [0, 1]]), np.array([1.0, 2.0]), [1])
        >>> SparseFineTuning(strength=0.5, steps=2, step_size=1.0)(problem)  # w_p = (1, 2); γ is 1/2, then 1/4
        array([0.75, 1.25])
    """

    strength: float = 5e-4
    steps: int = field(default=10, metadata=LINEAR)
    step_size: float | None = field(default=None, metadata=LINEAR)
    descent: Descent = field(default=Descent(), kw_only=True, metadata=NETWORK)
    name = "l1-sparse"
    formula = "w ← w − η[Φ_Rᵀ(Φ_R w − y_R)/n_R + γ(1 − t/T) sign w], t = 0, …, T − 1, from w_p"
    source = "Jia, Liu, Ram et al. 2023 (Model sparsity can simplify machine unlearning), arXiv 2304.04934"
    exactness = "not exact: it shrinks w_p and not w_p − w_r, for a finite number of steps"

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        super().__post_init__()
        require_nonnegative("strength", self.strength)

    def on_linear(self, problem: UnlearningProblem) -> Point:
        """The last iterate in model coordinates."""
        eta = self.step_size or len(problem.retain) / largest_eigenvalue(problem)
        return self._trained(problem, self.steps, eta, lambda t, w: self._at(t, self.steps) * np.sign(w))

    def on_network(self, problem: NetworkProblem) -> list[Array]:
        """θ_p after descent on L_R + γ‖θ‖₁, γ anew in every epoch."""
        total = self.descent.epochs

        def pull(params: State) -> State:
            strength = self._at(loop.epochs, total)
            return [(strength * np.sign(array)).astype(array.dtype) for array in params]

        loop = self.descent.loop(problem, problem.retain, beside=pull)
        return self.descent.finish(problem, loop)

    def _at(self, t: int, total: int) -> float:
        """γ after so many of the steps."""
        return self.strength * (1 - t / total)


@final
@checked
@dataclass(frozen=True)
class RidgeFineTuning(_RetainDescent):
    """Fine-tune on R under a penalty λ‖w‖² that decays from step to step, shape (D,) or (D, C).

    It is anchored at zero and not at w₀, and so pulls towards the minimum-norm interpolator of R.

    Args:
        penalty: λ ≥ 0 at the first step, beside the mean loss; unlike every ``ridge`` it does not hold to w₀.
        decay: ρ in (0, 1], factor of λ after every step.
        steps: number of steps of a linear model.
        step_size: η > 0 of a linear model; None is 1/(λ_max(K)/n_R + 2λ).
        descent: on a network, the fine-tuning; λ decays from batch to batch.

    Example:
        >>> problem = UnlearningProblem(np.array([[1.0, 0], [0, 1]]), np.array([1.0, 2.0]), [1])
        >>> RidgeFineTuning(penalty=0.25, decay=0.5, steps=2, step_size=1.0)(problem)  # w_p = (1, 2)
        array([0.875, 0.75 ])
    """

    penalty: float = 1e-2
    decay: float = 0.9
    steps: int = field(default=10, metadata=LINEAR)
    step_size: float | None = field(default=None, metadata=LINEAR)
    descent: Descent = field(default=Descent(), kw_only=True, metadata=NETWORK)
    name = "ridge-fine-tuning"
    formula = "w ← w − η[Φ_Rᵀ(Φ_R w − y_R)/n_R + 2λρᵗw], t = 0, 1, …, from w_p"
    source = "baseline of Block, Mokhtari, Shakkottai 2025, arXiv 2505.22601"
    exactness = "not exact: a finite number of steps, and a pull to zero in place of w₀ (ridge-anchored)"

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        super().__post_init__()
        require_nonnegative("penalty", self.penalty)
        if not 0 < self.decay <= 1:
            raise expected("a factor in (0, 1]", "decay", self.decay, type(self.decay).__name__, "0.9")

    def on_linear(self, problem: UnlearningProblem) -> Point:
        """The last iterate in model coordinates."""
        curvature = largest_eigenvalue(problem) / len(problem.retain) + 2 * self.penalty
        if not np.isfinite(curvature):
            hint = "a penalty whose double is finite"
            raise expected("a penalty that leaves a step", "penalty", self.penalty, "too large", hint)
        eta = self.step_size or 1 / curvature
        return self._trained(problem, self.steps, eta, lambda t, w: 2 * self.penalty * self.decay**t * w)

    def on_network(self, problem: NetworkProblem) -> list[Array]:
        """θ_p after descent on L_R + λ‖θ‖²."""
        penalties = self._penalties()

        def pull(params: State) -> State:
            factor = 2 * next(penalties)
            return [(factor * array).astype(array.dtype) for array in params]

        return self.descent.finish(problem, self.descent.loop(problem, problem.retain, beside=pull))

    def _penalties(self) -> Iterator[float]:
        """λ of one step after the other."""
        penalty = self.penalty
        while True:
            yield penalty
            penalty *= self.decay


@final
@checked
@dataclass(frozen=True)
class NoisyFineTuning(_RetainDescent):
    """Fine-tune on R with normal noise on every gradient, shape (D,) or (D, C).

    E‖w_u − w_r‖² = ‖w̄ − w_r‖² + C η²σ² Σ_{t<T} tr(I − ηΦ_RᵀΦ_R/n_R)²ᵗ, with w̄ what T steps without noise lead to.

    It carries no guarantee: nothing bounds how far w_p may be from w_r, and a network's loss is not convex. Where a
    theorem holds there is :class:`LangevinDescent`, and `evaluation.guarantee`.

    Args:
        sigma: σ ≥ 0, of every entry of the gradient of the mean loss.
        steps: T, of a linear model.
        step_size: η > 0 of a linear model; None is n_R/λ_max(K).
        seed: seed of the noise.
        descent: on a network, the fine-tuning; adaptive optimizers rescale the noise.

    Example:
        >>> problem = UnlearningProblem(np.array([[1.0, 0], [0, 1]]), np.array([1.0, 2.0]), [1])
        >>> method = NoisyFineTuning(sigma=0.5, steps=1, step_size=1.0)
        >>> method.expected_square_gap(problem)  # w_p − w_r = (0, 2), and two entries of variance 1/4
        4.5
    """

    sigma: float = 1e-2
    steps: int = field(default=10, metadata=LINEAR)
    step_size: float | None = field(default=None, metadata=LINEAR)
    seed: int = 0
    descent: Descent = field(
        default=Descent(optimizer="gd", learning_rate=1e-2), kw_only=True, metadata=NETWORK
    )
    name = "noisy-gradient-descent"
    formula = "w ← w − η[Φ_Rᵀ(Φ_R w − y_R)/n_R + N(0, σ²I)], T steps from w_p"
    source = (
        "Chien, Wang, Chen, Li 2024, arXiv 2401.10371, without their projection, as Block, Mokhtari, Shakkottai 2025, "
        "arXiv 2505.22601, compare it"
    )
    exactness = "not exact: fine-tuning leaves (I − P_R)(w_p − w₀) (start-span), and noise"

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        super().__post_init__()
        require_nonnegative("sigma", self.sigma)

    def on_linear(self, problem: UnlearningProblem) -> Point:
        """The last iterate in model coordinates."""
        rng = np.random.default_rng(self.seed)
        noise = self.sigma
        return self._trained(
            problem, self.steps, self._eta(problem), lambda t, w: noise * rng.standard_normal(w.shape)
        )

    def on_network(self, problem: NetworkProblem) -> list[Array]:
        """θ_p after noisy descent on L_R."""
        rng = np.random.default_rng((self.seed, GRADIENT_NOISE))

        def shake(params: State) -> State:
            return [(self.sigma * rng.standard_normal(a.shape)).astype(a.dtype) for a in params]

        return self.descent.finish(problem, self.descent.loop(problem, problem.retain, beside=shake))

    def _eta(self, problem: UnlearningProblem) -> float:
        return self.step_size or len(problem.retain) / largest_eigenvalue(problem)

    def _moments(self, problem: UnlearningProblem) -> tuple[Point, float]:
        """Steps without noise, and what is left of the noise of each."""
        eta, size = self._eta(problem), len(problem.retain)
        mean = self._trained(problem, self.steps, eta, lambda t, w: np.zeros_like(w))
        rows = FLOAT64.matrix(problem.features[problem.retain])
        wide = size <= problem.n_features
        block = rows @ rows.T if wide else rows.T @ rows
        # Off these eigenvectors the map is the identity, and all noise stays.
        kept = (1 - eta * np.linalg.eigvalsh(block) / size) ** 2
        off = problem.n_features - len(kept)
        traces = sum(float(np.sum(kept**t)) + off for t in range(self.steps))
        return mean, (eta * self.sigma) ** 2 * problem.n_outputs * traces
