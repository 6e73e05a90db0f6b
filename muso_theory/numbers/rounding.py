"""Rounding errors of float64, bounded in exact rational arithmetic.

Arrays are computed in ordinary float64, round to nearest. What is claimed about them is a handful of
scalars per problem, and those are kept as exact fractions: no bound has a rounding error of its own, none
overflows, and each reads like the inequality it implements. Where float64 itself overflowed on the way, an
UndecidedError is raised. N. Higham, "Accuracy and Stability of
Numerical Algorithms", ch. 2–3.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np

from ..arrays import Array, row_blocks
from ..errors import MusoError
from ..former import former

__all__ = [
    "ETA",
    "UNIT",
    "U",
    "UndecidedError",
    "exact",
    "gamma",
    "inner_product",
    "largest_entry",
    "norm_bounds",
    "norm_by_rows",
    "root_down",
    "root_up",
    "row_norms",
    "scaled_exactly",
    "scaling_exponent",
    "sum_up",
    "two_sum",
]
former(__name__)

U = 2.0**-53
"""u: relative error of one operation, round to nearest."""

UNIT = Fraction(U)
"""u among exact fractions."""

ETA = Fraction(1, 2**1074)
"""η: the smallest positive float64; a product that underflows is wrong by at most η/2, a sum never."""


class UndecidedError(MusoError, ArithmeticError):
    """Float64 cannot prove the bound that was asked for; nothing is known to be wrong.

    Args:
        what: what could not be proved, and why.
        remedy: what would decide it.
        climbs: whether the remedy is another arithmetic for the same data; which one, the ladder knows better.
    """

    def __init__(self, what: str, remedy: str, *, climbs: bool = False) -> None:
        super().__init__(f"{what}; {remedy}")
        self.what = what
        self.remedy = remedy
        self.climbs = climbs


class NoArithmeticError(UndecidedError):
    """Undecided, and another arithmetic for the same data would not help."""


@lru_cache(maxsize=512)
def gamma(k: int) -> Fraction:
    """γ_k = ku/(1 − ku), the relative error of k roundings in a row, in any order of summation, fused or not.

    Example:
        >>> float(gamma(1)) > 2.0**-53
        True
    """
    return k * UNIT / (1 - k * UNIT)


def exact(value: float, what: str = "a float64 result") -> Fraction:
    """A float as the fraction it is; NaN and infinity, that is an overflow on the way, raise an UndecidedError.

    Example:
        >>> exact(0.75)
        Fraction(3, 4)
    """
    if not math.isfinite(value):
        raise UndecidedError(
            f"{what} overflowed float64", "ball or rational arithmetic has the range", climbs=True
        )
    return Fraction(value)


def root_up(value: Fraction) -> Fraction:
    """A dyadic fraction r with √value ≤ r, to about 60 bits.

    Example:
        >>> root_up(Fraction(9, 4)) >= Fraction(3, 2)
        True
    """
    scaled, half = _scaled(value)
    return Fraction(math.isqrt(scaled) + 1) * half if scaled else Fraction(0)


def root_down(value: Fraction) -> Fraction:
    """A dyadic fraction r with 0 ≤ r ≤ √value, to about 60 bits; negative values count as zero.

    Example:
        >>> 1.41 < root_down(Fraction(2)) < 2**0.5
        True
    """
    scaled, half = _scaled(value)
    return Fraction(math.isqrt(scaled)) * half


def _scaled(value: Fraction) -> tuple[int, Fraction]:
    """Write value ≈ m·4^k, m a 120-bit integer rounded down; give m and 2^k."""
    if value <= 0:
        return 0, Fraction(1)
    shift = 120 - value.numerator.bit_length() + value.denominator.bit_length()
    shift += shift % 2
    numerator = value.numerator << max(shift, 0)
    scaled = numerator // (value.denominator << max(-shift, 0))
    return scaled, Fraction(2) ** (-shift // 2)


def sum_up(values: Array) -> Fraction:
    """Bound the sum of nonnegative floats from above, one rounding above the exact sum.

    Example:
        >>> sum_up(np.array([0.1, 0.2])) >= Fraction(0.1) + Fraction(0.2)
        True
    """
    try:
        total = math.fsum(values.ravel().tolist())
    except OverflowError:
        total = math.inf
    # fsum rounds the exact sum once, and sums of floats do not underflow.
    return exact(total, "a sum") * (1 + 2 * UNIT)


def norm_bounds(x: Array) -> tuple[Fraction, Fraction]:
    """Bound the Frobenius norm from both sides, whatever the exponents.

    Example:
        >>> low, high = norm_bounds(np.array([3e300, 4e300]))
        >>> low <= Fraction(3e300) * Fraction(5, 3) and float(high) < 5.000001e300
        True
    """
    if x.size == 0:
        return Fraction(0), Fraction(0)
    flat, shift = x.ravel(order="K"), 0
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        plain = float(flat @ flat)
    if not 2.0**-700 < plain < 2.0**700:
        flat, shift = _of_size_one(flat)
        if not flat.size:
            return Fraction(0), Fraction(0)
        plain = float(flat @ flat)
    square = exact(plain)
    # Dot product: γ_N relative, η/2 for every square that underflows; 4Nη covers the scaling as well.
    error, tiny = gamma(flat.size), 4 * flat.size * ETA
    scale = Fraction(2) ** shift
    return root_down(square / (1 + error) - tiny) * scale, root_up(square / (1 - error) + tiny) * scale


def _of_size_one(x: Array) -> tuple[Array, int]:
    """Scale so that the largest entry is about 1 where its square would be beyond the range; nothing for zeros.

    Args:
        x: a vector.

    Returns:
        The vector, of which entries that become subnormal are wrong by at most η, and the power of two taken out.

    Raises:
        UndecidedError: an entry is infinite or no number.
    """
    largest = max(float(x.max()), -float(x.min()))
    if largest != largest or math.isinf(largest):
        raise UndecidedError(
            "a vector overflowed float64", "ball or rational arithmetic has the range", climbs=True
        )
    if largest == 0.0:
        return x[:0], 0
    if 2.0**-400 < largest < 2.0**400:
        return x, 0
    shift = math.frexp(largest)[1]
    return np.ldexp(x, -shift), shift


def norm_by_rows(x: Any) -> Fraction:
    """Bound the Frobenius norm from above, a few rows at a time, of an array or of what gives rows.

    Example:
        >>> 5 <= norm_by_rows(np.array([[3.0], [4.0]])) < 5.000001
        True
    """
    return root_up(sum((norm_bounds(x[rows])[1] ** 2 for rows in row_blocks(x)), Fraction(0)))


def row_norms(x: Array) -> Array:
    """Bound the Euclidean norm of every row from above by a few (m + 8)u more, whatever the exponents.

    Example:
        >>> bool(5e300 <= row_norms(np.array([[3e300, 4e300]]))[0] < 5.000001e300)
        True
    """
    k, m = x.shape
    norms = np.empty(k)
    step = max(1, 100_000 // max(1, m))
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        for start in range(0, k, step):
            block = np.asarray(x[start : start + step], dtype=np.float64)
            largest = np.maximum(block.max(axis=1, initial=0.0), -block.min(axis=1, initial=0.0))
            # The largest entry of a row is brought between 2^-75 and 2^24: what underflows is nothing beside it.
            exponent = np.clip(np.frexp(largest)[1], -1000, 1000)
            scaled = block * np.ldexp(1.0, -exponent)[:, None]
            square = np.einsum("ij,ij->i", scaled, scaled)
            norms[start : start + step] = np.ldexp(np.sqrt(square), exponent)
        # γ_m for the sum of squares, a root, and this product; η for a norm that is subnormal.
        norms *= 1 + (m + 8) * U
        norms += 5e-324
    return norms


def inner_product(x: Array, y: Array) -> tuple[Fraction, Fraction]:
    """tr(xᵀy) as float64 computes it, and a bound of its error.

    Example:
        >>> inner_product(np.ones((2, 1)), np.ones((2, 1)))[0]
        Fraction(2, 1)
    """
    value = exact(float(x.ravel() @ y.ravel()), "an inner product")
    return value, gamma(x.size) * norm_bounds(x)[1] * norm_bounds(y)[1] + x.size * ETA


def two_sum(a: Array | float, b: Array | float) -> tuple[Any, Any]:
    """Split a sum into s = fl(a + b) and e with s + e = a + b exactly, barring overflow (Knuth's TwoSum).

    Example:
        >>> s, e = two_sum(np.array([1.0]), np.array([2.0**-60]))
        >>> float(s[0]), float(e[0]) == 2.0**-60
        (1.0, True)
    """
    s = a + b
    part = s - a
    return s, (a - (s - part)) + (b - part)


def largest_entry(array: Array) -> float:
    """Find max |x|, a few rows at a time; 0 for an empty array, infinite or NaN when an entry is.

    Example:
        >>> largest_entry(np.array([[1.0, -3.0]]))
        3.0
    """
    found = [0.0]
    for rows in row_blocks(array):
        block = array[rows]
        found += [float(block.max(initial=0.0)), -float(block.min(initial=0.0))]
    return float(np.max(found))


def scaling_exponent(features: Array) -> int:
    """The power of two that brings the largest entry near 1; 0 when it is within 2^±100 or all are zero.

    Example:
        >>> scaling_exponent(np.array([[3.0]])), scaling_exponent(np.array([[2.0**200]]))
        (0, 201)
    """
    largest = largest_entry(features)
    return 0 if largest == 0.0 or 2.0**-100 <= largest <= 2.0**100 else int(np.frexp(largest)[1])


def scaled_exactly(name: str, array: Array, exponent: int) -> Array:
    """Multiply with a power of two, exactly or not at all.

    Args:
        exponent: of two; 0 gives the array itself.

    Raises:
        UndecidedError: an entry leaves the range, or loses a digit as a subnormal.

    Example:
        >>> scaled_exactly("w", np.array([3.0]), 2)
        array([12.])
    """
    if not exponent:
        return array
    wide = array.astype(np.float64)
    with np.errstate(all="ignore"):
        result = np.ldexp(wide, exponent)
        same = np.isfinite(result) & (np.ldexp(result, -exponent) == wide)
    if not same.all():
        raise UndecidedError(
            f"{name} span more than the exponent range of float64",
            "rational or ball arithmetic has the range",
            climbs=True,
        )
    return result
