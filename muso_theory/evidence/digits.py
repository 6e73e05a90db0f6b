"""Numbers of evidence as text: a few digits, rounded to the side on which what is said stays true."""

from __future__ import annotations

import decimal
import math
from fractions import Fraction

from ..numbers.quantity import Grade, Quantity, is_finite

__all__ = ["at_most", "bounded_above", "extra_digits", "round_digits", "show"]

_MOST = 15
"""Digits that a float keeps on its way to text and back."""

_DIGITS_OF_EXACT = 6
"""Of an exact number that is too long to be written out."""


def show(q: Quantity, extra: int = 0) -> str:
    """A quantity as a short relation, rounded outward, such as ``= 0``, ``≤ 3.2e-12`` or ``≈ 2.8e-13``.

    Args:
        extra: digits beyond the usual few.

    Example:
        >>> show(Quantity.enclosure(0.0, 3.11e-12)), show(Quantity.exact(Fraction(3, 2))), show(Quantity.measured(0.1))
        ('≤ 3.2e-12', '= 3/2', '≈ 0.1')
    """
    if q.grade is Grade.PROVED:
        if _bits(q.upper) <= 40:
            return f"= {q.upper}"
        digits = min(_DIGITS_OF_EXACT + extra, _MOST)
        return f"≈ {round_digits(q.upper, up=None, digits=digits)} (exact value kept)"
    if q.grade is Grade.MEASURED:
        return (
            f"≈ {q.bound:.{min(3 + extra, _MOST)}g}"
            if is_finite(q.bound)
            else "is beyond the range of float64"
        )
    if q.floor > 0 and q.bound < 1.05 * q.floor:
        return f"≥ {round_digits(q.lower, up=False)}"
    if q.floor > 0 and q.floor > 1e-3 * q.bound:
        return f"in [{round_digits(q.lower, up=False)}, {round_digits(q.upper, up=True)}]"
    return bounded_above(q)


def at_most(q: Quantity) -> str:
    """A quantity by its upper end, never a lower bound: for statements that are true of every smaller one.

    Example:
        >>> at_most(Quantity.enclosure(1.0, 1.01)), at_most(Quantity.exact(3)), at_most(Quantity.measured(0.1))
        ('≤ 1.1', '= 3', '≈ 0.1')
    """
    return bounded_above(q) if q.grade is Grade.CERTIFIED else show(q)


def bounded_above(q: Quantity, extra: int = 0) -> str:
    """The upper end of an enclosure as a relation, which says nothing where it is infinite."""
    if not is_finite(q.upper):
        return "has no finite bound"
    return f"≤ {round_digits(q.upper, up=True, digits=2 + extra)}"


def extra_digits(
    told: str, end: Fraction | float, limit: Fraction | float, *, above: bool = False, is_exact: bool = False
) -> int:
    """How many digits more than usual a number and its limit need, so that the texts compare as the numbers do.

    Rounded apart, each to its own safe side, a bound within its limit could be printed as larger than that. Numbers
    that agree to fifteen digits are told by fifteen.

    Args:
        told: the relation by which the number is told: ≤ and ≥ round it up and down, ≈ to the nearest, = not at all.
        end: the number.
        limit: what it is held against, which is rounded to the strict side.
        above: whether the number must be above the limit; else at most as large.
        is_exact: whether ≈ abbreviates an exact number, which is told by more digits than a measured one.

    Example:
        >>> extra_digits("≤", 9.61e-7, 9.65e-7), extra_digits("≤", 9.1e-7, 9.7e-7), extra_digits("≥", 2.02, 2.01)
        (1, 0, 1)
    """
    if not (is_finite(end) and is_finite(limit)):
        return 0
    end, limit = Fraction(end), Fraction(limit)
    usual, up = {"≤": (2, True), "≥": (2, False), "≈": (3, None), "=": (0, None)}[told]
    usual = _DIGITS_OF_EXACT if told == "≈" and is_exact else usual
    for extra in range(_MOST - 1):
        shown = Fraction(round_digits(end, up, min(usual + extra, _MOST))) if usual else end
        if (shown <= Fraction(round_digits(limit, above, 2 + extra))) == (end <= limit):
            return extra
    return _MOST - 2


def round_digits(value: Fraction | float, up: bool | None, digits: int = 2) -> str:
    """Decimal text of a few digits that is not on the wrong side of the value, whatever its size.

    Args:
        value: the value; a fraction may be beyond the range of floats.
        up: whether the text must not be smaller, or not larger; None takes the nearest.

    Example:
        >>> round_digits(3.111e-12, up=True), round_digits(0.0465, up=False), round_digits(0.0, up=True)
        ('3.2e-12', '0.046', '0')
        >>> round_digits(Fraction(10) ** 400 + 1, up=True)
        '1.1e+400'
    """
    if value == 0:
        return "0"
    if not is_finite(value):
        return f"{value:g}"
    exact = Fraction(value)
    rounding = decimal.ROUND_HALF_EVEN if up is None else decimal.ROUND_CEILING if up else decimal.ROUND_FLOOR
    # A quotient rounded in the wanted direction and rounded again in that direction is still on the safe side.
    wide = decimal.Context(prec=50, rounding=rounding, Emin=-(10**9), Emax=10**9)
    ratio = wide.divide(decimal.Decimal(exact.numerator), decimal.Decimal(exact.denominator))
    quantum = decimal.Decimal(1).scaleb(ratio.adjusted() - digits + 1, context=wide)
    rounded = ratio.quantize(quantum, rounding=rounding, context=wide)
    shown = float(rounded)
    if math.isfinite(shown) and abs(shown) >= 1e-300:
        return f"{shown:g}" if digits <= 6 else f"{shown:.{digits}g}"
    return f"{rounded:.{digits - 1}e}"


def _bits(value: Fraction | float) -> int:
    """Size of an exact number in bits."""
    exact = Fraction(value)
    return exact.numerator.bit_length() + exact.denominator.bit_length()
