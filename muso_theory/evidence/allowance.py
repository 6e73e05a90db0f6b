"""How large a number may be: a tolerance times a scale that is itself only enclosed."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import final

from ..numbers.quantity import Grade, Quantity, brief, is_finite

__all__ = ["NOTHING", "Allowance"]


@final
@dataclass(frozen=True, repr=False)
class Allowance:
    """Tolerance times a scale that is itself only enclosed: at most ``lower`` is surely allowed, above ``upper`` not.

    Args:
        lower: tolerance × the lower end of the scale.
        upper: tolerance × its upper end.
        of: the tolerance and the scale in words.
        grade: what stands behind the scale.
        is_second: the scale is not the one that is meant, because floats do not resolve that: each row says so.
        rounding: what the rounding of something handed in explains: not allowed, and not refuted either.

    Example:
        >>> Allowance.of_scale(Fraction(1, 10), Quantity.enclosure(1.0, 2.0), "doing nothing")
        Allowance(lower=Fraction(1, 10), upper=Fraction(1, 5), of='0.1 of doing nothing', ...)
    """

    lower: Fraction | float
    upper: Fraction | float
    of: str
    grade: Grade = Grade.PROVED
    is_second: bool = False
    rounding: Fraction | float = 0

    def __repr__(self) -> str:
        ends = f"lower={brief(self.lower)}, upper={brief(self.upper)}"
        return f"Allowance({ends}, of={self.of!r}, grade={self.grade!r})"

    @classmethod
    def of_scale(cls, tolerance: Fraction, scale: Quantity, words: str, is_second: bool = False) -> Allowance:
        """Tolerance × scale, exactly."""
        if not tolerance:
            return NOTHING
        low, high = (
            tolerance * Fraction(end) if is_finite(end) else end for end in (scale.lower, scale.upper)
        )
        # A scale that overflowed is not known to be large, so it surely allows nothing.
        low = max(low, Fraction(0)) if is_finite(low) else Fraction(0)
        return cls(low, high, f"{float(tolerance):g} of {words}", scale.grade, is_second)


NOTHING = Allowance(Fraction(0), Fraction(0), "")
"""What is allowed where equality is asked."""
