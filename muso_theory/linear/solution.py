"""The closed-form solution of a problem, and the distance that any relabelling leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arguments import checked
from ..arrays import Array
from ..markup import Markup, mathematics, table
from ..numbers import UndecidedError
from .closed_forms import float_model
from .handed import Handed
from .kept import kept
from .model import Model
from .problem import UnlearningProblem, require_problem

__all__ = ["Solution", "parameter_gap", "solve"]


@dataclass(frozen=True, eq=False, repr=False)
class Solution:
    """Pretrained, retrained and unlearned parameters in float64.

    Args:
        w_pretrained: w_p, shape (D,) or (D, C).
        w_retrained: w_r.
        forget_labels: ỹ_F = Φ_F w_r, in the order of ``problem.forget``.
        w_unlearned: w_u, fine-tuned from w_p on all samples with ỹ_F.
        parameter_gap: ‖w_u − w_r‖ as measured in float64, or as bounded by what ``auto`` computes with; infinite where
            no bound within float64 is known.
        pretrained_gap: ‖w_p − w_r‖, the gap of doing nothing.
    """

    w_pretrained: Array
    w_retrained: Array
    forget_labels: Array
    w_unlearned: Array
    parameter_gap: float
    pretrained_gap: float

    def __repr__(self) -> str:
        return f"Solution(parameter_gap={self.parameter_gap:.1e}, pretrained_gap={self.pretrained_gap:.6g})"

    def _repr_html_(self) -> Markup:
        gaps = (
            (mathematics("‖w_u − w_r‖"), "the gap that unlearning leaves", f"{self.parameter_gap:.3g}"),
            (mathematics("‖w_p − w_r‖"), "the gap of doing nothing", f"{self.pretrained_gap:.3g}"),
        )
        arrays = (
            (
                name,
                f"float64, shape {getattr(self, name).shape}",
                f"norm {np.linalg.norm(getattr(self, name)):.6g}",
            )
            for name in ("w_pretrained", "w_retrained", "forget_labels", "w_unlearned")
        )
        return table("Closed-form solution.", ("Name", "What", "Size"), (*gaps, *arrays), name="numbers")


@checked
def solve(problem: UnlearningProblem, arithmetic: str = "auto") -> Solution:
    """Pretrain, retrain, relabel and fine-tune in closed form, minimum-norm from w₀, at any rank.

    Args:
        problem: the problem.
        arithmetic: "auto" computes in float64 as long as that keeps six digits, and rounds what preconditioned float64
            encloses where it does not (Φ of full rank and at most 2²⁴ entries); "float64" computes in float64 always;
            "ball" and "rational" compute ``forget_labels`` and the parameters in theirs and round them once, and the
            two gaps are measured in float64 all the same.

    Returns:
        All parameters.

    Raises:
        BadInputError: no problem, or an unknown arithmetic.

    Example:
        >>> import numpy as np
        >>> problem = UnlearningProblem(np.array([[1.0, 0, 1], [1, 1, 0]]), np.array([1.0, 2.0]), [1])
        >>> solution = solve(problem)
        >>> solution.w_retrained.round(12), solution.forget_labels.round(12), solution.parameter_gap < 1e-15
        (array([0.5, 0. , 0.5]), array([0.5]), True)
    """
    require_problem(problem)
    problem.require_unchanged()
    handed = Handed(problem, arithmetic)
    model = float_model(problem) if arithmetic in ("ball", "rational") else handed.floating

    def floats(formula: Callable[[Any], Any]) -> Array:
        return problem.shaped(handed.compute(formula))

    return Solution(
        w_pretrained=floats(lambda m: m.final(m.pretrained)),
        w_retrained=floats(lambda m: m.final(m.retrained)),
        forget_labels=floats(lambda m: m.optimal_labels),
        w_unlearned=floats(lambda m: m.final(m.unlearned_exactly)),
        **_gaps(problem, model),
    )


def _gaps(problem: UnlearningProblem, model: Model) -> dict[str, float]:
    """The two gaps, by proved floats or, where these overflow on the way, as measured."""
    try:
        return {
            "parameter_gap": model.distance(model.unlearned_exactly, model.retrained).bound,
            "pretrained_gap": model.distance(model.pretrained, model.retrained).bound,
        }
    except UndecidedError:
        if model is float_model(problem):
            raise
        return _gaps(problem, float_model(problem))


@kept
def _floating(problem: UnlearningProblem) -> Model:
    """What ``auto`` computes with: many labels of one problem share its proof."""
    return Handed(problem).floating


def parameter_gap(problem: UnlearningProblem, labels: object) -> float:
    """‖w_u − w_r‖ for any labels of the forget samples, without training (claim gap-formula).

    Args:
        problem: the problem; Φ may have any shape and rank.
        labels: ỹ_F, shape (n_F,) or (n_F, C), in the order of ``problem.forget``.

    Returns:
        ‖Φ⁺(0; δ)‖ with δ = ỹ_F − Φ_F w_r (Frobenius norm over the outputs), as ``solve`` gives its gaps: measured in
        float64 as long as that keeps six digits, an upper bound by preconditioned float64 where it does not. Where
        neither sees the rank of Φ it is measured all the same; ``check(problem, labels=labels)`` says what is known.

    Raises:
        BadInputError: no problem, or labels of the wrong shape or not finite.

    Example:
        >>> import numpy as np
        >>> problem = UnlearningProblem(np.array([[1.0, 0, 1], [1, 1, 0]]), np.array([1.0, 2.0]), [1])
        >>> round(parameter_gap(problem, [2.0]), 12), round(solve(problem).pretrained_gap, 12)
        (1.224744871392, 1.224744871392)
    """
    require_problem(problem)
    problem.require_unchanged()
    columns, model = problem.label_columns(labels), float_model(problem)
    better = _floating(problem)
    if better is not model:
        try:
            return better.distance(better.unlearned(better.given(columns)), better.retrained).bound
        except UndecidedError:
            pass  # it overflows on the way
    error = model.given(columns) - model.optimal_labels
    return float(model.square_gap(error).sqrt().upper)
