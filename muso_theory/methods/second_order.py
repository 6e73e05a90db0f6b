"""Methods for the ridge objective ‖Φw − y‖² + λ‖w − w₀‖²: influence, Newton's step, labels, and descent with noise.

With A = ΦᵀΦ + λI and A_R = Φ_RᵀΦ_R + λI, the model trained on all is w_p^λ = w₀ + A⁻¹Φᵀ(y − Φw₀), and the reference
is w_r^λ = w₀ + A_R⁻¹Φ_Rᵀ(y_R − Φ_R w₀). Inverses are applied through the Gram matrix where that is smaller.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from ..arguments import checked
from ..linear.closed_forms import Point, float_model
from ..linear.model import Rows
from ..linear.problem import UnlearningProblem
from .fitting import trained
from .method import Method
from .moves import forget_rows, moved, noisy
from .ranges import require_nonnegative, require_positive

__all__ = ["DescentToDelete", "InfluenceStep", "NewtonRemoval", "RidgeAnchoredLabels"]


def _hessian_step(problem: UnlearningProblem, w: Point, rows: Rows, ridge: float) -> Point:
    """Step by (Φ_rowsᵀΦ_rows + λI)⁻¹Φ_Fᵀ(Φ_F w − y_F)."""
    model = float_model(problem)
    error = model.predict(model.forget, w) - model.targets(model.forget)
    gradient = forget_rows(problem, error)
    if not model.is_dual:
        block = model.factor(rows, ridge)
        step = model.combine(gradient)
        if len(rows) <= problem.n_features:  # the block is K_rows: Woodbury, in explicit parameters
            inside = model.image(rows, step)
            scattered = np.zeros_like(gradient)
            scattered[list(rows)] = block.solve(inside)
            step = (step - model.combine(scattered)) / ridge
        else:
            step = block.solve(step)
        return Point(None, step if w.offset is None else w.offset + step)
    # Woodbury: (ΦᵀΦ + λI)⁻¹v = (v − Φᵀ(K + λI)⁻¹Φv)/λ.
    inner = model.factor(rows, ridge).solve((model.gram @ gradient)[list(rows)])
    step = gradient
    step[list(rows)] -= inner
    return moved(problem, w, step / ridge)


@dataclass(frozen=True)
class RidgeMethod(Method):
    """A method whose objective has a ridge.

    Args:
        ridge: λ > 0 of the sum of squares (not of its mean); others are refused with BadInputError.
    """

    ridge: float = 1e-2

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        super().__post_init__()
        require_positive("ridge", self.ridge)

    def start(self, problem: UnlearningProblem) -> Point:
        """w_p^λ, the minimiser of ‖Φw − y‖² + λ‖w − w₀‖²."""
        return self._fitted(problem, float_model(problem).everything)

    def reference(self, problem: UnlearningProblem) -> Point:
        """w_r^λ, the minimiser of ‖Φ_R w − y_R‖² + λ‖w − w₀‖²."""
        return self._fitted(problem, float_model(problem).retain)

    def _fitted(self, problem: UnlearningProblem, rows: Rows) -> Point:
        model = float_model(problem)
        return model.fit(rows, model.targets(rows), ridge=self.ridge)


@final
@checked
@dataclass(frozen=True)
class InfluenceStep(RidgeMethod):
    """One step by the influence function: the Hessian is that of all samples, shape (D,) or (D, C).

    Args:
        ridge: λ > 0.

    Example:
        >>> problem = UnlearningProblem(np.array([[1.0, 0], [1, 1]]), np.array([1.0, 2.0]), [1])
        >>> InfluenceStep(ridge=1.0)(problem).round(12), abs(NewtonRemoval(ridge=1.0)(problem).round(12))
        (array([0.68, 0.36]), array([0.5, 0. ]))
    """

    name = "influence"
    formula = "w_p^λ + A⁻¹Φ_Fᵀ(Φ_F w_p^λ − y_F)"
    source = "Koh, Liang 2017, arXiv 1703.04730"
    exactness = "not exact, even for w_r^λ, unless Φ_Fᵀ(Φ_F w_p^λ − y_F) = 0: A stands where A_R is meant"

    def on_linear(self, problem: UnlearningProblem) -> Point:
        """The stepped point in model coordinates."""
        model = float_model(problem)
        return _hessian_step(problem, self.start(problem), model.everything, self.ridge)


@final
@checked
@dataclass(frozen=True)
class NewtonRemoval(RidgeMethod):
    """One Newton step on the retain objective, exact for ridge regression, shape (D,) or (D, C).

    Exact for w_r^λ, not for the w_r without ridge. For squared loss the residual gradient is zero, so that the noise
    that certifies the step for other losses is not needed; λ belongs to the sum of squares and stays the same when
    samples leave (in the paper it grows with their number).

    Args:
        ridge: λ > 0.

    Example:
        >>> problem = UnlearningProblem(np.array([[1.0, 0], [1, 1]]), np.array([1.0, 2.0]), [1])
        >>> abs(NewtonRemoval(ridge=1.0)(problem).round(12))  # w_r^λ = (1/(1 + λ), 0)
        array([0.5, 0. ])
    """

    name = "newton"
    formula = "w_p^λ + A_R⁻¹Φ_Fᵀ(Φ_F w_p^λ − y_F)"
    source = "Guo, Goldstein, Hannun, van der Maaten 2020, arXiv 1911.03030"
    exactness = "newton-removal"

    def on_linear(self, problem: UnlearningProblem) -> Point:
        """The stepped point in model coordinates."""
        model = float_model(problem)
        return _hessian_step(problem, self.start(problem), model.retain, self.ridge)

    def _moments(self, problem: UnlearningProblem) -> tuple[Point, float]:
        """w_r^λ, by theorem newton-removal."""
        return self.reference(problem), 0.0


@final
@checked
@dataclass(frozen=True)
class RidgeAnchoredLabels(RidgeMethod):
    """Relabelling for ridge models: ỹ_F = Φ_F w_r^λ, then the ridge minimiser anchored at w₀, shape (D,) or (D, C).

    Its reference is w_r^λ, the minimiser of ‖Φ_R w − y_R‖² + λ‖w − w₀‖².

    Args:
        ridge: λ > 0.

    Example:
        >>> problem = UnlearningProblem(np.array([[1.0, 0, 1], [1, 1, 0]]), np.array([1.0, 2.0]), [1])
        >>> RidgeAnchoredLabels(ridge=1.0)(problem).round(12) + 0.0
        array([0.33333333, 0.        , 0.33333333])
    """

    name = "ridge-anchored"
    formula = "w₀ + Φᵀ(K + λI)⁻¹((y_R, Φ_F w_r^λ) − Φw₀)"
    source = "extends Yang et al. 2024 (MUSO), arXiv 2410.08557"
    exactness = "ridge-anchored"

    @property
    def needs_retrained(self) -> bool:
        """The labels are the retrained ridge model's predictions."""
        return True

    def on_linear(self, problem: UnlearningProblem) -> Point:
        """w_u^λ in model coordinates."""
        model = float_model(problem)
        labels = model.predict(model.forget, self.reference(problem))
        return model.fit(model.everything, model.relabelled(labels), ridge=self.ridge)

    def _moments(self, problem: UnlearningProblem) -> tuple[Point, float]:
        """w_r^λ, by claim ridge-anchored."""
        return self.reference(problem), 0.0


@final
@checked
@dataclass(frozen=True)
class DescentToDelete(RidgeMethod):
    """A few steps of gradient descent on the retain objective from w_p^λ, then noise, shape (D,) or (D, C).

    Args:
        ridge: λ > 0.
        steps: number of steps; each shrinks the distance to w_r^λ by (κ − 1)/(κ + 1) or more, κ = 1 + λ_max/λ.
        sigma: standard deviation of the published noise, 0 for none.
        seed: seed of the noise.

    Example:
        >>> problem = UnlearningProblem(np.array([[1.0, 0], [1, 1]]), np.array([1.0, 2.0]), [1])
        >>> DescentToDelete(ridge=1.0, steps=60, sigma=0)(problem).round(9)  # on its way to (0.5, 0)
        array([0.5, 0. ])
    """

    steps: int = 10
    sigma: float = 1e-2
    seed: int = 0
    name = "descent-to-delete"
    formula = "w ← w − η[Φ_Rᵀ(Φ_R w − y_R) + λ(w − w₀)], η = 2/(λ_max + 2λ), from w_p^λ; then + N(0, σ²I)"
    source = "Neel, Roth, Sharifi-Malvajerdi 2021, arXiv 2007.02923"
    exactness = "not exact: a finite number of steps towards w_r^λ (gd-finite-time), and noise"

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        super().__post_init__()
        require_nonnegative("sigma", self.sigma)

    def on_linear(self, problem: UnlearningProblem) -> Point:
        """The published point in model coordinates."""
        descended = self._descended(problem)
        return noisy(problem, descended, self.sigma, self.seed)

    def _descended(self, problem: UnlearningProblem) -> Point:
        """The last iterate, before noise."""
        eta = 2 / (float(float_model(problem).spectrum[1].upper) + 2 * self.ridge)
        start = self.start(problem)
        return float_model(problem).at(trained(problem, start, "gd", eta, self.steps, ridge=self.ridge).w)

    def _moments(self, problem: UnlearningProblem) -> tuple[Point, float]:
        """The last iterate, and σ² for every parameter."""
        return self._descended(problem), self.sigma**2 * problem.n_features * problem.n_outputs
