"""Step sizes: a number, one a sample, or a function of the step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any, final

import numpy as np

from ..arguments import checked
from ..arrays import Array, float_values, plain_array
from ..errors import BadInputError, expected

__all__ = ["PAPER_STEPS", "PowerSteps", "StepSizes", "step_sizes_of"]

StepSizes = float | Array | Callable[[int], float]
"""γ: a number, an array of one step a sample, or a callable of the number t = 0, 1, … of the step in its pass."""


@final
@checked
@dataclass(frozen=True)
class PowerSteps:
    """Steps that fall like a power: γ(t) = first · (t + 1)^−power.

    Gradients are those of ½(φᵀw − y)² here. The paper's are those of (φᵀw − y)², twice as long, so its step
    (t + 1)^−0.2 is ``PAPER_STEPS = PowerSteps(2.0, 0.2)``: with ‖φ‖ = 1 the first of them is on the boundary of
    Ostrowski–Reich.

    Args:
        first: γ(0).
        power: the exponent.

    Raises:
        BadInputError: a first step that is not positive, or a negative power.

    Example:
        >>> PAPER_STEPS(0), round(PowerSteps(1.0, 0.5)(3), 12)
        (2.0, 0.5)
    """

    first: float
    power: float = 0.2

    def __post_init__(self) -> None:
        """Refuse steps that would not fall from a positive value."""
        if not 0 < self.first < np.inf:
            raise expected("a positive first step", "first", self.first, type(self.first).__name__, "1.0")
        if not 0 <= self.power < np.inf:
            raise expected("a power of at least 0", "power", self.power, type(self.power).__name__, "0.2")

    @checked
    def __call__(self, t: int) -> float:
        """γ(t).

        Args:
            t: number of the step, from 0.

        Returns:
            The step size.
        """
        return float(self.first * (t + 1.0) ** -self.power)


PAPER_STEPS = PowerSteps(2.0, 0.2)


@final
@dataclass(frozen=True, eq=False)
class ResolvedSteps:
    """Validated step sizes of one training run.

    Args:
        given: what the caller gave; arrays as float64.
        batch: samples a step.
        restart: whether t starts again at 0 in every pass; it counts passes where a pass is one step.
    """

    given: StepSizes
    batch: int
    restart: bool

    def repeats(self, n: int) -> bool:
        """Whether every pass over n samples in a fixed order has the same steps.

        Args:
            n: number of samples.

        Returns:
            False for a schedule that goes on from pass to pass.
        """
        return not callable(self.given) or (self.restart and self.batch < n)

    def constant(self, n: int) -> Array | None:
        """γ of every sample visited in the order 0 … n − 1, when it is the same in all passes.

        Args:
            n: number of samples.

        Returns:
            Shape (n,), or None when passes differ.
        """
        return self.of_pass(0, np.arange(n)) if self.repeats(n) else None

    def of_pass(self, epoch: int, order: Array) -> Array:
        """γ of every visit of one pass.

        Args:
            epoch: number of the pass, from 0.
            order: samples in the order in which they are visited, shape (m,).

        Returns:
            Shape (m,).

        Raises:
            BadInputError: a schedule that returns NaN, an infinity or a negative number.
        """
        if isinstance(self.given, np.ndarray):
            return np.asarray(self.given[order], dtype=np.float64)
        if not callable(self.given):
            return np.full(len(order), float(self.given))
        steps = -(-len(order) // self.batch)
        first = 0 if self.restart and steps > 1 else epoch * steps
        values = [self._call(self.given, first + t) for t in range(steps)]
        return np.repeat(np.array(values), self.batch)[: len(order)]

    def _call(self, schedule: Callable[[int], object], t: int) -> float:
        """One value of a schedule, or a refusal that names it."""
        value = schedule(t)
        if isinstance(value, (float, int, np.number)) and 0 <= float(value) < np.inf:
            return float(value)
        raise expected(
            "a schedule of finite steps, none negative",
            f"step_sizes({t})",
            value,
            type(value).__name__,
            "PowerSteps(1.0, 0.2)",
        )


def step_sizes_of(given: Any, n: int, batch: int, restart: bool) -> ResolvedSteps:
    """Validate step sizes.

    Args:
        given: a positive number, an array (n,) of nonnegative numbers, or a callable.
        n: number of samples.
        batch: samples a step.
        restart: whether a callable's t starts again in every pass.

    Returns:
        The steps, ready for use.

    Raises:
        BadInputError: anything else.

    Example:
        >>> step_sizes_of(PowerSteps(1.0, 1.0), n=4, batch=2, restart=True).of_pass(7, np.arange(4))
        array([1. , 1. , 0.5, 0.5])
    """
    if callable(given):
        return ResolvedSteps(given, batch, restart)
    if isinstance(given, bool):
        raise expected("a positive step size", "step_sizes", given, "bool", "0.1")
    if isinstance(given, Real):
        if not 0 < float(given) < np.inf:
            raise expected("a positive step size", "step_sizes", given, type(given).__name__, "0.1")
        return ResolvedSteps(float(given), batch, restart)
    if plain_array("step_sizes", given).ndim == 0:
        what = "a number, an array of one step a sample, or a callable"
        raise expected(what, "step_sizes", given, type(given).__name__, "0.1")
    array = float_values("step_sizes", given, (1,))
    if array.shape != (n,):
        raise BadInputError(
            f"expected step_sizes of shape ({n},), one a sample, but got step_sizes of shape {array.shape}; "
            "try a single number"
        )
    bad = np.flatnonzero(~(np.isfinite(array) & (array >= 0)))
    if bad.size:
        i = int(bad[0])
        raise expected("finite steps, none negative", f"step_sizes[{i}]", array[i], "float", "0.1")
    return ResolvedSteps(array, batch, restart)
