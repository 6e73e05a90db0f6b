"""Real numbers that are known by their order: compared with rationals exactly, never rounded.

Norms are roots of rationals and eigenvalues are algebraic numbers; a `Number` answers on which side of a rational it
lies. Written without the toolkit, like `exact_truth`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import mpmath
from flint import fmpq, fmpq_mat, fmpq_poly

__all__ = [
    "AffineNumber",
    "AtMost",
    "Eigenvalue",
    "ExactNumber",
    "Exactly",
    "GaussianDelta",
    "Inverse",
    "Ratio",
    "Rational",
    "Root",
    "Signed",
    "Spectrum",
    "Sum",
    "compare",
]

Rational = Fraction | float | int
Bracket = Callable[[int], tuple[Fraction, Fraction]]


class ExactNumber(ABC):
    """A real number that is compared with rationals exactly and never rounded."""

    @abstractmethod
    def compare(self, x: Fraction) -> int:
        """Sign of this number minus x, as −1, 0 or 1."""

    def within(self, lower: Rational, upper: Rational) -> bool:
        """Whether this number lies in [lower, upper]; the ends may be infinite.

        Example:
            >>> Root(Fraction(2)).within(Fraction(7, 5), 1.5), Root(Fraction(2)).within(1.5, math.inf)
            (True, False)
        """
        above = lower == -math.inf or (lower != math.inf and self.compare(Fraction(lower)) >= 0)
        below = upper == math.inf or (upper != -math.inf and self.compare(Fraction(upper)) <= 0)
        return above and below

    @property
    def is_zero(self) -> bool:
        """Whether this is exactly zero."""
        return self.compare(Fraction(0)) == 0

    def bracket(self, bits: int) -> tuple[Fraction, Fraction]:
        """Rationals around this number, which is not negative, whose ratio is 1 + 2⁻ᵇⁱᵗˢ or less."""
        if self.is_zero:
            return Fraction(0), Fraction(0)
        below, above = -1, 1
        while self.compare(Fraction(2) ** below) < 0:
            below *= 2
        while self.compare(Fraction(2) ** above) > 0:
            above *= 2
        while above - below > 1:
            middle = (below + above) // 2
            below, above = (middle, above) if self.compare(Fraction(2) ** middle) >= 0 else (below, middle)
        low, high = Fraction(2) ** below, Fraction(2) ** above
        while high - low > low / 2**bits:
            centre = (low + high) / 2
            low, high = (centre, high) if self.compare(centre) >= 0 else (low, centre)
        return low, high


@dataclass(frozen=True)
class Exactly(ExactNumber):
    """A rational.

    Args:
        value: the rational.
    """

    value: Fraction

    def compare(self, x: Fraction) -> int:
        """Sign of the value minus x."""
        return (self.value > x) - (self.value < x)


@dataclass(frozen=True)
class Root(ExactNumber):
    """√square: every norm.

    Args:
        square: a nonnegative rational.
    """

    square: Fraction

    def compare(self, x: Fraction) -> int:
        """Sign of √square − x, from squares where x is positive."""
        if x < 0:
            return 1
        return (self.square > x * x) - (self.square < x * x)

    def times(self, factor: Rational) -> Root:
        """This number times a nonnegative rational."""
        return Root(self.square * Fraction(factor) ** 2)

    def bracket(self, bits: int) -> tuple[Fraction, Fraction]:
        """Rationals around the root, from an integer root of the square scaled to enough digits."""
        if not self.square:
            return Fraction(0), Fraction(0)
        excess = self.square.denominator.bit_length() - self.square.numerator.bit_length()
        shift = bits + 2 + max(0, excess) // 2
        root = math.isqrt((self.square.numerator << 2 * shift) // self.square.denominator)
        return Fraction(root, 1 << shift), Fraction(root + 1, 1 << shift)

    @property
    def log2(self) -> float:
        """The binary logarithm, near enough for statistics; −inf for zero."""
        if not self.square:
            return -math.inf
        p, q = self.square.numerator, self.square.denominator
        shift_p, shift_q = max(0, p.bit_length() - 64), max(0, q.bit_length() - 64)
        return (math.log2(p >> shift_p) + shift_p - math.log2(q >> shift_q) - shift_q) / 2


@dataclass(frozen=True)
class Sum(ExactNumber):
    """A sum of roots, compared by brackets that narrow; what agrees to 2⁻⁴⁰⁰ counts as equal.

    Args:
        parts: the roots.
        factor: what the sum is multiplied by.
        power: 2 for the square of the sum.
    """

    parts: tuple[Root, ...]
    factor: Fraction = Fraction(1)
    power: int = 1

    def squared(self) -> Sum:
        """The square of a sum."""
        return Sum(self.parts, self.factor, 2)

    def times(self, factor: Rational) -> Sum:
        """This number times a nonnegative rational."""
        return Sum(self.parts, self.factor * Fraction(factor), self.power)

    def bracket(self, bits: int) -> tuple[Fraction, Fraction]:
        """The sums of the ends."""
        low, high = map(sum, zip(*(part.bracket(bits + 2) for part in self.parts), strict=True))
        return self.factor * low**self.power, self.factor * high**self.power

    def compare(self, x: Fraction) -> int:
        """Sign of the sum − x."""
        return _narrowing(self.bracket, lambda bits: (x, x))


def _narrowing(one: Bracket, other: Bracket) -> int:
    """Sign of the difference of two numbers that are known as closely as one likes."""
    for bits in (20, 100, 400):
        (low, high), (small, large) = one(bits), other(bits)
        if low > large:
            return 1
        if high < small:
            return -1
    return 0


def compare(one: ExactNumber, other: ExactNumber) -> int:
    """Sign of the difference of two nonnegative numbers; what agrees to 2⁻⁴⁰⁰ counts as equal.

    Example:
        >>> compare(Root(Fraction(2)), Sum((Root(Fraction(1, 2)), Root(Fraction(1, 2)))))
        0
        >>> compare(Root(Fraction(2)), Exactly(Fraction(3, 2)))
        -1
    """
    return _narrowing(one.bracket, other.bracket)


@dataclass(frozen=True)
class Signed(ExactNumber):
    """A number of which only is known whether it is positive.

    Args:
        positive: whether.
    """

    positive: bool

    def compare(self, x: Fraction) -> int:
        """Sign of the number − x where that is known, else 0."""
        return 1 if self.positive and x <= 0 else -1 if not self.positive and x > 0 else 0


@dataclass(frozen=True)
class AtMost(ExactNumber):
    """A number that is known to be at least another one: no lower bound of it can be judged.

    Args:
        number: the other one.
    """

    number: ExactNumber

    def compare(self, x: Fraction) -> int:
        """Sign of the other number − x, 0 where that is −1."""
        return max(0, self.number.compare(x))


class Spectrum:
    """Where the eigenvalues of a symmetric rational matrix lie, counted exactly.

    A polynomial with real roots only has exactly as many positive roots as its coefficients change sign (Descartes'
    rule is sharp there), so that shifting the characteristic polynomial counts the eigenvalues above any rational.

    Args:
        matrix: symmetric.

    Example:
        >>> twice = Spectrum(fmpq_mat(2, 2, [2, 1, 1, 2]))  # eigenvalues 1 and 3
        >>> twice.above(Fraction(1)), twice.at(Fraction(1)), twice.above(Fraction(2999, 1000)), twice.above(Fraction(3))
        (1, 1, 1, 0)
    """

    def __init__(self, matrix: fmpq_mat) -> None:
        self.size = matrix.nrows()
        self._polynomial = matrix.charpoly()

    def _shifted(self, x: Fraction) -> list[Any]:
        """Coefficients of p(x + t), lowest first."""
        return list(self._polynomial(fmpq_poly([fmpq(x.numerator, x.denominator), 1])).coeffs())

    def above(self, x: Fraction) -> int:
        """How many eigenvalues are larger than x."""
        signs = [c > 0 for c in self._shifted(x) if c != 0]
        return sum(a != b for a, b in pairwise(signs))

    def at(self, x: Fraction) -> int:
        """How many eigenvalues are equal to x."""
        coefficients = self._shifted(x)
        return next(k for k, c in enumerate(coefficients) if c != 0)


@dataclass(frozen=True)
class Eigenvalue(ExactNumber):
    """One eigenvalue of a symmetric matrix.

    Args:
        spectrum: of the matrix.
        position: 0 is the smallest one.
    """

    spectrum: Spectrum
    position: int

    def compare(self, x: Fraction) -> int:
        """Sign of the eigenvalue minus x."""
        larger, equal = self.spectrum.above(x), self.spectrum.at(x)
        below = self.spectrum.size - larger - equal
        if self.position < below:
            return -1
        return 0 if self.position < below + equal else 1


@dataclass(frozen=True)
class AffineNumber(ExactNumber):
    """a + b·number with b ≠ 0.

    Args:
        a: rational.
        b: rational, not zero.
        number: the number.
    """

    a: Fraction
    b: Fraction
    number: ExactNumber

    def compare(self, x: Fraction) -> int:
        """Sign of a + b·number − x."""
        return self.number.compare((x - self.a) / self.b) * (1 if self.b > 0 else -1)


@dataclass(frozen=True)
class Inverse(ExactNumber):
    """a/number with a > 0, of a number that is not negative; infinite at zero.

    Args:
        a: positive rational.
        number: the number.
    """

    a: Fraction
    number: ExactNumber

    def compare(self, x: Fraction) -> int:
        """Sign of a/number − x."""
        return 1 if x <= 0 else -self.number.compare(self.a / x)


@dataclass(frozen=True)
class Ratio(ExactNumber):
    """The quotient of two positive eigenvalues, such as κ.

    Args:
        top: the dividend.
        bottom: the divisor.
    """

    top: Eigenvalue
    bottom: Eigenvalue

    def compare(self, x: Fraction) -> int:
        """Sign of top/bottom − x, from brackets that narrow; as `compare` does."""
        if x <= 0:
            return 1
        return _narrowing(self.top.bracket, lambda bits: tuple(x * end for end in self.bottom.bracket(bits)))


@dataclass(frozen=True)
class GaussianDelta(ExactNumber):
    """The smallest δ for which N(0, σ²I) hides a distance Δ at ε.

    δ = Φ(Δ/2σ − εσ/Δ) − e^ε Φ(−Δ/2σ − εσ/Δ) (Balle and Wang 2018, theorem 8), evaluated to more digits than any
    difference that is asked about needs.

    Args:
        square: Δ².
        sigma: σ > 0.
        epsilon: ε.
    """

    square: Fraction
    sigma: Fraction
    epsilon: Fraction

    def compare(self, x: Fraction) -> int:
        """Sign of δ − x; numbers that agree to 80 digits count as equal."""
        if not self.square or not self.sigma:
            value = Fraction(1 if self.square else 0)
            return (value > x) - (value < x)
        if x <= 0:
            return 1
        with mpmath.workdps(200):
            ratio = self.square / self.sigma**2
            distance = mpmath.sqrt(mpmath.mpf(ratio.numerator) / ratio.denominator)
            epsilon = mpmath.mpf(self.epsilon.numerator) / self.epsilon.denominator
            near, far = distance / 2 - epsilon / distance, -distance / 2 - epsilon / distance
            if near < -(10**4):
                return -1  # δ < Φ(near) < e^(−near²/2), below any x of less than ten million digits.
            # Φ(near) and e^ε Φ(far) differ by a share of about distance², at least 10⁻⁸ here.
            # mpmath's erfc takes no numbers beyond 10¹⁵⁰, and Φ(−x) < e^(−x²/2).
            above, below = (mpmath.ncdf(max(-(10**4), min(10**4, point))) for point in (near, far))
            delta = above - mpmath.exp(epsilon) * below
            other = mpmath.mpf(x.numerator) / x.denominator
            if abs(delta - other) <= abs(other) * mpmath.mpf(10) ** -80:
                return 0
            return 1 if delta > other else -1
