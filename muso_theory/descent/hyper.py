"""Constants of update rules, with their usual values; light enough for commands that only show them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import final

from ..errors import expected

__all__ = ["Hyper", "float_or_nan"]


@final
@dataclass(frozen=True)
class Hyper:
    """Constants of the update rules.

    Args:
        momentum: μ of momentum and nesterov.
        betas: β₁, β₂ of adam and adamw; β₂ also of rmsprop.
        epsilon: what adaptive methods add to the root.

    Raises:
        BadInputError: μ or a β outside [0, 1), an ε that is not positive.
    """

    momentum: float = 0.9
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        """Refuse constants out of range."""
        if not 0 <= float_or_nan(self.momentum) < 1:
            kind = type(self.momentum).__name__
            raise expected("a momentum in [0, 1)", "momentum", self.momentum, kind, "0.9")
        for place, beta in enumerate(self.betas):
            if not 0 <= beta < 1:
                raise expected("a number in [0, 1)", f"betas[{place}]", beta, type(beta).__name__, "0.9")
        if not 0 < self.epsilon < math.inf:
            kind = type(self.epsilon).__name__
            raise expected("a positive number", "epsilon", self.epsilon, kind, "1e-8")


def float_or_nan(value: object) -> float:
    """A real number as a float, infinite beyond their range; NaN, which is in no range, for anything else."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf
