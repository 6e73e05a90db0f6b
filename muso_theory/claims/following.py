"""Models whose parameters can be followed step by step, or entry by entry: what proved float64 bounds cannot do."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from ..evidence import show
from ..linear.closed_forms import ClosedForms, float_model
from ..linear.problem import UnlearningProblem
from ..numbers import UndecidedError
from ..settings import TOLERANCE
from .case import Case

__all__ = ["explicit_model", "following", "is_small"]

_SMALL = (60, 50_000)
"""Samples, and entries of Φ times outputs, up to which balls and rationals follow iterates in a moment."""


def is_small(problem: UnlearningProblem) -> bool:
    """Whether iterates can be followed with proof; on larger data they are measured, where training is asked about."""
    return problem.n_samples <= _SMALL[0] and problem.features.size * problem.n_outputs <= _SMALL[1]


def explicit_model(case: Case) -> ClosedForms:
    """The case's own model if it has explicit parameters, else float64 on data too large for balls and rationals.

    Raises:
        UndecidedError: small data, which another arithmetic follows with proof.
    """
    if isinstance(case.model, ClosedForms):
        return case.model
    if is_small(case.problem):
        raise UndecidedError(
            "verified float64 does not follow iterates", "ball or rational arithmetic does", climbs=True
        )
    return float_model(case.problem)


def following(case: Case) -> Case:
    """The case in a model that follows iterates, or the float64 one if it is shown to be about the same w_p and w_r.

    Raises:
        UndecidedError: float64 is off by more than the tolerance allows.
    """
    model = explicit_model(case)
    if model is case.model:
        return case
    least = (case.settings.limit or TOLERANCE) * max(
        Fraction(scale.floor) for scale, _ in case.parameter_yardsticks
    )
    if not case.float_error.bound <= least:
        raise UndecidedError(
            f"iterates are measured in float64, whose w_p and w_r are off by {show(case.float_error)}, "
            f"doing nothing is {show(case.doing_nothing)}",
            "ball or rational arithmetic follows them",
            climbs=True,
        )
    return replace(case, model=model)
