"""The two ends of the scale: doing nothing, and retraining from scratch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from ..closed_forms import Point
from ..problem import UnlearningProblem
from .method import UnlearningMethod

__all__ = ["NoUnlearning", "Retraining"]


@final
@dataclass(frozen=True)
class NoUnlearning(UnlearningMethod):
    """Keep w_p, shape (D,) or (D, C): the gap that every method is measured against.

    Example:
        >>> import numpy as np
        >>> problem = UnlearningProblem(np.array([[1.0, 0, 1], [1, 1, 0]]), np.array([1.0, 2.0]), [1])
        >>> NoUnlearning()(problem).round(12) + 0.0, round(NoUnlearning().expected_square_gap(problem), 12)
        (array([1., 1., 0.]), 1.5)
    """

    name = "none"
    formula = "w_p"
    source = "the pretrained model"
    exactness = "not exact, unless Φ_Fᵀ(y_F − Φ_F w_r) = 0 (label-solution-set)"

    def point(self, problem: UnlearningProblem) -> Point:
        """w_p in model coordinates."""
        return problem.float_model.pretrained  # type: ignore[no-any-return]

    def _expected(self, problem: UnlearningProblem) -> float | None:
        """‖w_p − w_r‖² = ‖Φ⁺(0; y_F − Φ_F w_r)‖² (claim gap-formula)."""
        model = problem.float_model
        return float(model.square_gap(model.targets(model.forget) - model.optimal_labels).upper)


@final
@dataclass(frozen=True)
class Retraining(UnlearningMethod):
    """Train on R alone from w₀: w_r = w₀ + Φ_R⁺(y_R − Φ_R w₀), the definition of exact.

    Example:
        >>> import numpy as np
        >>> problem = UnlearningProblem(np.array([[1.0, 0, 1], [1, 1, 0]]), np.array([1.0, 2.0]), [1])
        >>> Retraining()(problem).round(12)
        array([0.5, 0. , 0.5])
    """

    name = "retraining"
    formula = "w₀ + Φ_R⁺(y_R − Φ_R w₀)"
    source = "the gold standard, by definition"
    exactness = "implicit-bias"

    @property
    def needs_retrained(self) -> bool:
        """It is the retrained model."""
        return True

    def point(self, problem: UnlearningProblem) -> Point:
        """w_r in model coordinates."""
        return problem.float_model.retrained  # type: ignore[no-any-return]
