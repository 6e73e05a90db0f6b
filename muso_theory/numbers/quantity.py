"""A number with its bounds and its grade: what arithmetics return and evidence is made of."""

from __future__ import annotations

import enum
import math
import numbers
import struct
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import flint

from ..errors import expected

__all__ = ["Grade", "Quantity", "brief", "decimal_text", "is_finite"]


class Grade(enum.Enum):
    """How far a number may be trusted; the value is the explanation."""

    PROVED = "an exact rational number"
    CERTIFIED = "a proved enclosure"
    MEASURED = "ordinary floating point, no proof"


_SMALLEST_NORMAL = Fraction(1, 2**1022)


def _number(value: Any, *, nan: bool = False) -> Any:
    """A real number as it is, so that text and None become no quantity."""
    if not isinstance(value, numbers.Real) or (value != value and not nan):
        raise expected("a real number", "value", value, type(value).__name__, "an int, a Fraction or a float")
    return value


def decimal_text(value: Any) -> str:
    """An exact number as ``str`` writes it, ``p`` or ``p/q`` of any length.

    Python refuses to write, or read, integers of more than some thousand digits, because that took time with the
    square of their number; FLINT's conversion does not.

    Example:
        >>> decimal_text(Fraction(3, 7)), len(decimal_text(10**5000))
        ('3/7', 5001)
    """
    try:
        return str(value)
    except ValueError:
        top, bottom = (str(flint.fmpz(int(part))) for part in (value.numerator, value.denominator))
        return top if bottom == "1" else f"{top}/{bottom}"


_READABLE = 128
"""Bits of a fraction that a person still reads; one of more is shown as a decimal near it."""


def brief(value: Fraction | float) -> str:
    """A number as ``repr`` writes it, or where that would fill lines as a decimal near it.

    Example:
        >>> brief(Fraction(1, 3)), brief(Fraction(10**400, 3**50)), brief(0.1)
        ('Fraction(1, 3)', '≈1.393e+376', '0.1')
    """
    if isinstance(value, Fraction):
        top, bottom = value.numerator, value.denominator
        if top.bit_length() + bottom.bit_length() > _READABLE:
            return f"≈{Decimal(top) / Decimal(bottom):.3e}"
    return repr(value)


def is_finite(value: Fraction | float) -> bool:
    """Whether a number is neither infinite nor NaN; ``math.isfinite`` raises an OverflowError for a large fraction.

    Example:
        >>> is_finite(Fraction(10) ** 400), is_finite(math.inf)
        (True, False)
    """
    return not isinstance(value, float) or math.isfinite(value)


def _outward(value: Fraction | float, up: bool) -> float:
    """Round to a float that is not below (up) or not above (down) the exact value."""
    if isinstance(value, float):
        return value
    if abs(value) < _SMALLEST_NORMAL:
        # Subnormal numbers are made of their bits: a bound may be read in a thread that flushes them to zero.
        steps = (math.ceil if up else math.floor)(value * 2**1074)
        size: float = struct.unpack("d", struct.pack("q", abs(steps)))[0]
        return -size if steps < 0 else size
    try:
        result = float(value)
    except OverflowError:
        result = math.inf if value > 0 else -math.inf
    if math.isinf(result):
        if up:
            return result if result > 0 else -math.nextafter(math.inf, 0.0)
        return result if result < 0 else math.nextafter(math.inf, 0.0)
    if up and Fraction(result) < value:
        return math.nextafter(result, math.inf)
    if not up and Fraction(result) > value:
        return math.nextafter(result, -math.inf)
    return result


@dataclass(frozen=True, slots=True, repr=False)
class Quantity:
    """A real number known to lie in [lower, upper], and the grade of that knowledge.

    Args:
        lower: lower end; equals ``upper`` for an exact or a plain float value.
        upper: upper end.
        grade: what stands behind the two ends.

    Example:
        >>> Quantity.exact(Fraction(1, 3)).bound >= 1 / 3
        True
        >>> Quantity.enclosure(1e-13, 2e-13)
        Quantity(lower=1e-13, upper=2e-13, grade=<Grade.CERTIFIED: 'a proved enclosure'>)
    """

    lower: Fraction | float
    upper: Fraction | float
    grade: Grade

    @classmethod
    def exact(cls, value: Fraction | int) -> Quantity:
        """An exact rational value."""
        exact = Fraction(_number(value))
        return cls(exact, exact, Grade.PROVED)

    @classmethod
    def enclosure(cls, lower: Fraction | float, upper: Fraction | float) -> Quantity:
        """Proved bounds; NaN ends become the infinite interval."""
        low, high = _number(lower, nan=True), _number(upper, nan=True)
        low = -math.inf if low != low else low
        high = math.inf if high != high else high
        return cls(low, high, Grade.CERTIFIED)

    @classmethod
    def measured(cls, value: float) -> Quantity:
        """An ordinary float, of which nothing is claimed but that it was computed."""
        measured = float(_number(value, nan=True))
        return cls(measured, measured, Grade.MEASURED)

    def __repr__(self) -> str:
        return f"Quantity(lower={brief(self.lower)}, upper={brief(self.upper)}, grade={self.grade!r})"

    @property
    def bound(self) -> float:
        """The upper end as a float, never smaller than the proved bound."""
        return _outward(self.upper, up=True)

    @property
    def floor(self) -> float:
        """The lower end as a float, never larger than the proved bound."""
        return _outward(self.lower, up=False)

    def outward(self, bits: int = 30) -> Quantity:
        """Round the ends of an enclosure away from each other, to a few leading bits; other numbers stay as they are.

        Digits that depend on the order in which a BLAS kernel sums say nothing; without them kernels agree.

        Example:
            >>> Quantity.enclosure(0.1, 0.3).outward(3)
            Quantity(lower=Fraction(3, 32), upper=Fraction(5, 16), grade=<Grade.CERTIFIED: 'a proved enclosure'>)
        """
        if self.grade is not Grade.CERTIFIED:
            return self
        return Quantity.enclosure(-_leading(-self.lower, bits), _leading(self.upper, bits))

    def sqrt(self) -> Quantity:
        """Square root of a nonnegative quantity, rounded outward; exact squares of rationals stay exact."""
        if self.grade is Grade.PROVED:
            value = Fraction(self.upper)
            # FLINT rejects most non-squares by residues, where a root of 10⁶ bits takes a second in Python.
            if all(flint.fmpz(part).is_square() for part in (value.numerator, value.denominator)):
                return Quantity.exact(Fraction(math.isqrt(value.numerator), math.isqrt(value.denominator)))
        if self.grade is Grade.MEASURED:
            return Quantity.measured(math.sqrt(max(float(self.upper), 0.0)))
        return Quantity.enclosure(_root(self.lower, up=False), _root(self.upper, up=True))

    def plus(self, other: Quantity) -> Quantity:
        """Sum of two quantities, of the weaker of the two grades.

        Example:
            >>> Quantity.exact(3).plus(Quantity.exact(1)).upper
            Fraction(4, 1)
        """
        weakest = max((self.grade, other.grade), key=list(Grade).index)
        if weakest is Grade.MEASURED:
            return Quantity.measured(float(self.upper) + float(other.upper))
        return Quantity(_exact_sum(self.lower, other.lower), _exact_sum(self.upper, other.upper), weakest)

    def minus(self, other: Quantity) -> Quantity:
        """Difference of two quantities, of either sign, and of the weaker of the two grades."""
        return self.plus(Quantity(-other.upper, -other.lower, other.grade))

    def positive_part(self) -> Quantity:
        """max(q, 0).

        Example:
            >>> Quantity.enclosure(-1.0, 0.5).positive_part()
            Quantity(lower=0, upper=0.5, grade=<Grade.CERTIFIED: 'a proved enclosure'>)
        """
        return Quantity(max(self.lower, 0), max(self.upper, 0), self.grade)

    def squared(self) -> Quantity:
        """Square of a nonnegative quantity; exact and enclosed ones lose nothing.

        Example:
            >>> Quantity.enclosure(0.5, 2.0).squared().upper
            Fraction(4, 1)
        """
        if self.grade is Grade.MEASURED:
            return Quantity.measured(float(self.upper) ** 2)
        low, high = (
            end if isinstance(end, float) and math.isinf(end) else Fraction(end) ** 2
            for end in (max(self.lower, 0), self.upper)
        )
        return Quantity(low, high, self.grade)

    def gap_to(self, other: Quantity) -> Quantity:
        """Absolute difference of two quantities, of the weaker of the two grades.

        Example:
            >>> Quantity.exact(3).gap_to(Quantity.exact(1)).upper
            Fraction(2, 1)
        """
        weakest = max((self.grade, other.grade), key=list(Grade).index)
        if weakest is Grade.MEASURED:
            return Quantity.measured(abs(float(self.upper) - float(other.upper)))
        if weakest is Grade.PROVED and self.upper == other.upper:
            return Quantity.exact(0)  # without the gcd of a difference, which is slow for long fractions
        ends = (self.lower, self.upper, other.lower, other.upper)
        if any(isinstance(end, float) and math.isinf(end) for end in ends):
            return Quantity.enclosure(0.0, math.inf)
        a_low, a_high, b_low, b_high = (Fraction(end) for end in ends)
        high = max(a_high - b_low, b_high - a_low)
        low = max(a_low - b_high, b_low - a_high, Fraction(0))
        return Quantity(low, high, weakest)


def _leading(value: Fraction | float, bits: int) -> Fraction | float:
    """The least number of that many leading bits that is not below the value."""
    if not value or (isinstance(value, float) and math.isinf(value)):
        return value
    exact = Fraction(value)
    # 2^(k−1) < |value| < 2^(k+1) for this k.
    k = abs(exact.numerator).bit_length() - exact.denominator.bit_length()
    unit = Fraction(2) ** (k + 1 - bits)
    return math.ceil(exact / unit) * unit


def _exact_sum(a: Fraction | float, b: Fraction | float) -> Fraction | float:
    """The exact sum; infinite where one of them is."""
    infinite = [end for end in (a, b) if isinstance(end, float) and math.isinf(end)]
    return infinite[0] if infinite else Fraction(a) + Fraction(b)


def _root(value: Fraction | float, up: bool) -> Fraction | float:
    """Square root rounded outward, of a fraction as one of 60 digits, so that its range does not overflow."""
    if isinstance(value, float):
        if value <= 0.0:
            return 0.0
        root = math.sqrt(value)
        if math.isinf(root):
            return root
        return math.nextafter(root, math.inf if up else 0.0)
    if value <= 0:
        return Fraction(0)
    shift = max(0, 400 - value.numerator.bit_length() + value.denominator.bit_length())
    shift += shift % 2
    scaled = (value.numerator << shift) // value.denominator
    root_int = math.isqrt(scaled)
    return Fraction(root_int + (1 if up else 0), 1 << (shift // 2))
