"""The analytic Gaussian mechanism: how much noise hides a distance, with every result rounded to the safe side.

Adding N(0, σ²I) to two points at distance Δ makes them (ε, δ)-indistinguishable if and only if
Φ(Δ/2σ − εσ/Δ) − e^ε Φ(−Δ/2σ − εσ/Δ) ≤ δ. B. Balle and Y.-X. Wang, "Improving the Gaussian mechanism for differential
privacy" (2018). The left side is a difference of nearly equal numbers when δ is tiny, so it is evaluated in balls whose
precision grows until the comparison is decided.
"""

from __future__ import annotations

import functools
import math
import struct
from collections.abc import Callable
from fractions import Fraction
from numbers import Real
from typing import Any

import flint

from ..errors import expected
from ..evidence import round_digits
from ..numbers import Grade, Quantity
from ..numbers.balls import enclosure, working_precision
from ..numbers.ieee import ieee_proof
from .intervals import real_number

__all__ = [
    "check_delta",
    "classical_sigma",
    "declared_sigma",
    "delta_enclosure",
    "gaussian_delta",
    "gaussian_epsilon",
    "gaussian_sigma",
    "noise_suffices",
]

_LARGEST_EPSILON = 1e6
_LARGEST = math.nextafter(math.inf, 0.0)
_MOST_BITS = 1 << 15
_TINY = 1200
_SMALLEST_BALL = flint.arb((1, -_TINY))

Number = float | int | Fraction


def _check(name: str, value: Number, low: float, high: float, closed: bool, what: str, hint: str) -> Fraction:
    """A number between two ends, as the fraction it is."""
    given: object = value
    number = not isinstance(given, bool) and isinstance(given, Real) and value == value
    if not number or not (low <= value if closed else low < value) or not value <= high:
        raise expected(what, name, value, type(value).__name__, hint)
    return Fraction(value) if isinstance(value, int | Fraction) else Fraction(float(value))


def _sensitivity(value: Number) -> Fraction:
    return _check(
        "sensitivity", value, 0, _LARGEST, True, "a finite distance ≥ 0", "a proved bound of the gap"
    )


def _sigma(value: Number) -> Fraction:
    return _check("sigma", value, 0, _LARGEST, True, "a finite standard deviation ≥ 0", "1.0")


def _epsilon(value: Number) -> Fraction:
    return _check("epsilon", value, 0, _LARGEST_EPSILON, True, "0 ≤ ε ≤ 1e6", "1.0")


def check_delta(value: Number) -> Fraction:
    """δ as a fraction; refused where it is no probability between 0 and 1."""
    what = "a probability 0 < δ < 1"
    return _check(
        "delta", value, 0, math.nextafter(1, 0), False, what, "1e-5, below one over the number of samples"
    )


def _ball(noise: Fraction, epsilon: Fraction, bits: int) -> Any:
    """The smallest δ for noise = σ/Δ > 0, as a ball."""
    with working_precision(bits):
        s = flint.arb(flint.fmpq(noise.numerator, noise.denominator))
        e = flint.arb(flint.fmpq(epsilon.numerator, epsilon.denominator))
        root = flint.arb(2).sqrt()
        # Φ(−x) = erfc(x/√2)/2; the two arguments are εs ∓ 1/2s.
        near, far = (e * s - 1 / (2 * s)) / root, (e * s + 1 / (2 * s)) / root
        return (near.erfc() - e.exp() * far.erfc()) / 2


def declared_sigma(sigma: object) -> float:
    """A declared σ as a float.

    Raises:
        BadInputError: computed from data (a Quantity), no number, a bool, negative, infinite or NaN.

    Example:
        >>> declared_sigma(1)
        1.0
    """
    if isinstance(sigma, Quantity):
        raise expected("σ declared in advance", "sigma", sigma, "computed from data", "a number")
    what = "a finite σ ≥ 0"
    found = real_number("sigma", sigma, what, "1.0")
    if not 0 <= found < math.inf:  # also NaN is refused
        raise expected(what, "sigma", sigma, type(sigma).__name__, "1.0")
    return found


@ieee_proof()
def delta_enclosure(sensitivity: Quantity, sigma: Number, epsilon: Number) -> Quantity:
    """The smallest δ for a distance that is known to lie in an interval.

    Returns:
        δ at both ends of Δ, each to a relative 2⁻⁶⁰: measured if Δ is, exact where Δ = 0 or σ = 0, else enclosed.

    Raises:
        BadInputError: an end of Δ that is negative or infinite, σ < 0, or ε outside its range.

    Example:
        >>> delta_enclosure(Quantity.enclosure(0.0, 1.0), 1.0, 0.0).bound
        0.38292492254802624
    """
    e, s = _epsilon(epsilon), _sigma(sigma)
    low, high = (_tight_delta(_sensitivity(end), s, e) for end in (sensitivity.lower, sensitivity.upper))
    if sensitivity.grade is Grade.PROVED:
        return low if low.grade is Grade.PROVED else Quantity.enclosure(low.lower, high.upper)
    return Quantity(low.lower, high.upper, sensitivity.grade)


def _tight_delta(distance: Fraction, sigma: Fraction, epsilon: Fraction) -> Quantity:
    """Enclosure of relative width 2⁻⁶⁰."""
    if not distance or not sigma:
        # At Δ = 0 any noise gives δ = 0; without noise any Δ > 0 is told with certainty, δ = 1.
        return Quantity.exact(1 if distance else 0)
    bits = 128
    while True:
        ball = _ball(sigma / distance, epsilon, bits)
        if bool(ball < _SMALLEST_BALL):
            # A δ of e^−10⁵⁰ has a fraction that fills the memory; below all floats it need not be known.
            return Quantity.enclosure(Fraction(0), Fraction(1, 2**_TINY))
        with working_precision(bits):
            # The ends of a ball are rounded to the precision of the moment, 53 bits outside of this block.
            found = enclosure(ball)
        low, high = Fraction(found.lower), found.upper
        if (not isinstance(high, float) and high - low <= low / 2**60) or bits >= _MOST_BITS:
            return Quantity.enclosure(low, min(high, Fraction(1)))
        bits *= 2


@ieee_proof()
def gaussian_delta(sensitivity: Number, sigma: Number, epsilon: Number) -> float:
    """The smallest δ for which N(0, σ²I) makes points at distance Δ (ε, δ)-indistinguishable.

    Args:
        sensitivity: Δ ≥ 0.
        sigma: σ ≥ 0.
        epsilon: ε, from 0 to 1e6.

    Raises:
        BadInputError: an argument outside its range.

    Example:
        >>> gaussian_delta(1.0, 4.0, 1.0)
        2.92427...e-06
    """
    return _tight_delta(_sensitivity(sensitivity), _sigma(sigma), _epsilon(epsilon)).bound


@ieee_proof()
def noise_suffices(sensitivity: Number, sigma: Number, epsilon: Number, delta: Number) -> bool:
    """Whether N(0, σ²I) is proved to make points at distance Δ (ε, δ)-indistinguishable.

    The comparison is made with δ itself, so it accepts every σ of :func:`gaussian_sigma`, whose :func:`gaussian_delta`
    may be the float above δ because it is rounded up.

    Args:
        sensitivity: Δ ≥ 0.
        sigma: σ ≥ 0.
        epsilon: ε, from 0 to 1e6.
        delta: δ in (0, 1).

    Raises:
        BadInputError: an argument outside its range.

    Example:
        >>> sigma = gaussian_sigma(1.0, 1.0, 1e-5)
        >>> noise_suffices(1.0, sigma, 1.0, 1e-5), noise_suffices(1.0, math.nextafter(sigma, 0), 1.0, 1e-5)
        (True, False)
    """
    return _suffices(_sensitivity(sensitivity), _sigma(sigma), _epsilon(epsilon), check_delta(delta))


def _suffices(distance: Fraction, sigma: Fraction, epsilon: Fraction, delta: Fraction) -> bool:
    """Whether δ suffices, proved; what no precision decides does not."""
    if not distance or not sigma:
        return not distance
    bits = 128
    limit = flint.fmpq(delta.numerator, delta.denominator)
    while bits <= _MOST_BITS:
        ball = _ball(sigma / distance, epsilon, bits)
        with working_precision(bits):
            # Comparisons of balls are true only where every member agrees.
            if bool(ball <= limit):
                return True
            if bool(ball > limit):
                return False
        bits *= 2
    return False


def _to_bits(value: float) -> int:
    """Position of a positive float among the floats."""
    return int(struct.unpack("<q", struct.pack("<d", value))[0])


def _from_bits(position: int) -> float:
    return float(struct.unpack("<d", struct.pack("<q", position))[0])


def _smallest_float(suffices: Callable[[Fraction], bool], low: float, high: float) -> float:
    """Smallest float in (low, high] that suffices, given that high does and low does not."""
    # δ falls as σ or ε grows. Positive floats are ordered as their bits are, so that bisection asks at most 63 times.
    a, b = _to_bits(low), _to_bits(high)
    while b - a > 1:
        middle = (a + b) // 2
        if suffices(Fraction(_from_bits(middle))):
            b = middle
        else:
            a = middle
    return _from_bits(b)


@ieee_proof()
def gaussian_epsilon(sensitivity: Number, sigma: Number, delta: Number) -> float:
    """The smallest ε for which N(0, σ²I) makes points at distance Δ (ε, δ)-indistinguishable.

    Args:
        sensitivity: Δ ≥ 0.
        sigma: σ ≥ 0.
        delta: δ in (0, 1).

    Raises:
        BadInputError: an argument outside its range, or noise so small that ε would exceed 1e6.

    Example:
        >>> gaussian_epsilon(1.0, 4.0, 1e-5)
        0.92634...
    """
    distance, s, d = _sensitivity(sensitivity), _sigma(sigma), check_delta(delta)
    if _suffices(distance, s, Fraction(0), d):
        return 0.0
    largest = Fraction(_LARGEST_EPSILON)
    if not _suffices(distance, s, largest, d):
        need = gaussian_sigma(sensitivity, _LARGEST_EPSILON, delta)
        raise expected(
            "noise that hides anything at all",
            "sigma",
            sigma,
            "too small",
            f"σ ≥ {round_digits(need, up=True, digits=3)}",
        )
    return _smallest_float(lambda e: _suffices(distance, s, e, d), 0.0, _LARGEST_EPSILON)


@ieee_proof()
def gaussian_sigma(sensitivity: Number, epsilon: Number, delta: Number) -> float:
    """The smallest float σ that is proved to make N(0, σ²I) hide a distance Δ to (ε, δ): the exact σ rounded up.

    Args:
        sensitivity: Δ ≥ 0; zero needs no noise.
        epsilon: ε, from 0 to 1e6.
        delta: δ in (0, 1).

    Raises:
        BadInputError: an argument outside its range, or a σ beyond the largest float.

    Example:
        >>> gaussian_sigma(1.0, 1.0, 1e-5), gaussian_sigma(0.0, 1.0, 1e-5)
        (3.730631634815942, 0.0)
    """
    distance, e, d = _sensitivity(sensitivity), _epsilon(epsilon), check_delta(delta)
    if not distance:
        return 0.0

    def suffices(sigma: Fraction) -> bool:
        return _suffices(distance, sigma, e, d)

    # δ depends on σ/Δ alone, so the smallest ratio is found once for ε and δ.
    low, high = (Quantity.exact(ratio * distance).bound for ratio in _smallest_ratio(e, d))
    if math.isinf(high):
        raise expected("a distance that float noise can hide", "sensitivity", sensitivity, "too large", "1.0")
    # Where both ends round up to one float, that is the one; else the floats between are asked.
    return high if low == high else _smallest_float(suffices, math.nextafter(low, 0.0), high)


@functools.lru_cache(maxsize=256)
def _smallest_ratio(epsilon: Fraction, delta: Fraction) -> tuple[Fraction, Fraction]:
    """Two ends of the smallest σ/Δ that suffices, a relative 2⁻⁹⁶ apart: the lower does not, the upper does."""

    def suffices(ratio: Fraction) -> bool:
        return _suffices(Fraction(1), ratio, epsilon, delta)

    high = Fraction(1)
    while not suffices(high):
        high *= 16
    low = high / 16
    while suffices(low):
        high, low = low, low / 16
    while high - low > high / 2**96:
        middle = (low + high) / 2
        low, high = (low, middle) if suffices(middle) else (middle, high)
    return low, high


@ieee_proof()
def classical_sigma(sensitivity: Number, epsilon: Number, delta: Number) -> float:
    """Δ√(2 ln(1.25/δ))/ε, the classical sufficient noise, which is proved for ε ≤ 1 only.

    Args:
        sensitivity: Δ ≥ 0.
        epsilon: ε in (0, 1].
        delta: δ in (0, 1).

    Raises:
        BadInputError: ε above 1, where the bound is no theorem and fails for large ε; or another bad argument.

    Example:
        >>> classical_sigma(1.0, 1.0, 1e-5)  # a third more than gaussian_sigma
        4.84480...
    """
    distance, d = _sensitivity(sensitivity), check_delta(delta)
    what = "0 < ε ≤ 1, where the classical bound holds"
    e = _check("epsilon", epsilon, 0, 1, False, what, "gaussian_sigma, which is tight for every ε")
    if not distance:
        return 0.0
    with working_precision(256):
        ratio, limit = distance / e, Fraction(5, 4) / d
        logarithm = flint.arb(flint.fmpq(limit.numerator, limit.denominator)).log()
        return enclosure(flint.fmpq(ratio.numerator, ratio.denominator) * (2 * logarithm).sqrt()).bound
