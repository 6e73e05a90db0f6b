"""Rows that are there several times: Φ_A = EΦ̃, where Φ̃ has each distinct row once and E says which one a row is.

If the rows of Φ̃ are independent, then Φ_A⁺ = Φ̃⁺E⁺ and K_AA⁺ = (E⁺)ᵀK̃⁻¹E⁺, because E has independent columns (T.
Greville, "Note on the generalized inverse of a matrix product", SIAM Review 1966), and E⁺ averages over equal rows. So
a fit of A is the fit of its distinct rows to averages. With a ridge it is not: the more copies, the more a row weighs.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property
from typing import final

import numpy as np

from ..arrays import Array
from .arithmetic import Arithmetic, Factor, Matrix
from .base_system import RowSystem
from .ieee import ieee_proof
from .lockstep import Work
from .point_ball import CertifiedParameters, pair_sum
from .rounding import ETA, UNIT, UndecidedError, norm_bounds, root_down, root_up
from .tiles import Tiles

__all__ = ["RepeatedFactor", "RepeatedSystem", "averages"]

_MOST = 2**26
"""Copies of a row below which a multiple of 26 bits of a float is exact."""
_HEAD = np.int64(-(2**27))


@ieee_proof()
def averages(place: Array, high: Array, low: Array | None) -> tuple[Array, Array, Fraction]:
    """Average the entries of equal rows: E⁺(high + low).

    What is averaged is the difference from the first copy, so that copies which agree are averaged without an error.

    Args:
        place: which distinct row each row is, shape (n,), each of 0 … m − 1 at least once.
        high: float64, shape (n, C).
        low: more digits of the entries, or None.

    Returns:
        The nearest floats, shape (m, C), a correction, and a bound of what both together miss (Frobenius norm).

    Raises:
        UndecidedError: overflow, or 2²⁶ copies of a row.

    Example:
        >>> mean, low, error = averages(np.array([0, 1, 0, 0]), np.array([[1.0], [5.0], [1.0], [2.0]]), None)
        >>> mean.ravel().tolist() == [4 / 3, 5.0], float(low[0, 0]) == float(Fraction(4, 3) - Fraction(4 / 3))
        (True, True)
        >>> 0 < error < Fraction(1, 2**104)
        True
    """
    low = np.zeros_like(high) if low is None else low
    counts = np.bincount(place)
    if counts.max() >= _MOST:
        raise UndecidedError("a row is there too often", "rational arithmetic counts further", climbs=True)
    # Rows in the order of what they are, the earlier copy first: copy k of distinct row j is at starts[j] + k.
    order, starts = np.argsort(place, kind="stable"), np.cumsum(counts) - counts
    first, error = order[starts], Fraction(0)
    total, rest = np.zeros((2, len(counts), high.shape[1]))
    with np.errstate(all="ignore"):
        for k in range(1, int(counts.max())):
            several = np.flatnonzero(counts > k)
            here, begin = order[starts[several] + k], first[several]
            more, more_low, lost = pair_sum(high[here], low[here], -high[begin], -low[begin])
            total[several], rest[several], lost_too = pair_sum(total[several], rest[several], more, more_low)
            error += lost + lost_too
        share, share_low, lost = _divided(total, rest, counts[:, None].astype(np.float64))
    mean, mean_low, lost_too = pair_sum(high[first], low[first], share, share_low)
    return mean, mean_low, error + lost + lost_too


def _divided(high: Array, low: Array, count: Array) -> tuple[Array, Array, Fraction]:
    """Divide high + low by whole numbers below 2²⁶: floats, a correction, and a bound of what both miss."""
    quotient = high / count
    # The remainder of a quotient to nearest is a float. It is found without rounding: the quotient's first 26 bits and
    # the other 27 times a number of 26 bits are floats, and the first product is so near to ``high`` that their
    # difference is one (Sterbenz).
    head = (quotient.view(np.int64) & _HEAD).view(np.float64)
    remainder = (high - head * count) - (quotient - head) * count + low
    correction = remainder / count
    lost = UNIT * (norm_bounds(remainder)[1] + norm_bounds(correction)[1]) + high.size * ETA
    exact = not (remainder.any() or low.any())
    return quotient, correction, Fraction(0) if exact else lost


@final
class RepeatedSystem(RowSystem):
    """A set of rows some of which are equal, of which the distinct ones are independent.

    Its smallest eigenvalue is the smallest one of K_AA that is not zero: K_AA has the eigenvalues of C^½K̃C^½ beside
    zeros, C the numbers of copies, and C ⪰ I.

    Args:
        plain: a system of all these rows: it knows their norm, and solves with a ridge.
        distinct: a system of the distinct ones, with independent rows.
        place: which of them each row is, shape (|A|,).

    Example:
        >>> from muso_theory.numbers.leastsquares import DualSystem
        >>> phi = np.array([[3.0, 4.0, 0.0], [0.0, 0.0, 2.0], [3.0, 4.0, 0.0]])
        >>> plain, distinct = (DualSystem(phi, rows, "Φ") for rows in (slice(None), slice(2)))
        >>> fit = RepeatedSystem(plain, distinct, np.array([0, 1, 0])).fit(np.array([[20.0], [4.0], [30.0]]), None)
        >>> fit.high.ravel() + fit.low.ravel(), fit.radius < 1e-14
        (array([3., 4., 2.]), True)
    """

    is_dual = True
    is_invertible = False

    def __init__(self, plain: RowSystem, distinct: RowSystem, place: Array) -> None:
        super().__init__(plain.features, plain.rows, plain.name)
        self._plain = plain
        self._distinct = distinct
        self._place = place

    @property
    def matrix(self) -> Array | Tiles:
        """That of all rows."""
        return self._plain.matrix

    @property
    def factor(self) -> Factor:
        """That of the distinct rows."""
        return self._distinct.factor

    @property
    def roundings_width(self) -> int:
        """That of all rows."""
        return self._plain.roundings_width

    @property
    def trace(self) -> Fraction:
        """Upper bound of ‖Φ_A‖_F²."""
        return self._plain.trace

    @property
    def error(self) -> Fraction:
        """That of all rows."""
        return self._plain.error

    @property
    def largest(self) -> Fraction:
        """Upper bound of ‖Φ_A‖₂²."""
        return self._plain.largest

    @property
    def smallest(self) -> Fraction:
        """Proved lower bound of the smallest positive eigenvalue of K_AA: that of the distinct rows."""
        return self._distinct.smallest

    @cached_property
    def smallest_above(self) -> Fraction:
        """Upper bound of it: C^½K̃C^½ has no Rayleigh quotient above max C times one of K̃."""
        return self._most * self._distinct.smallest_above

    @cached_property
    def _most(self) -> int:
        """Copies of the row that is there most often, ‖E‖²."""
        return int(np.bincount(self._place).max())

    def fitting(
        self,
        targets: Array,
        start: Array | None,
        ridge: float = 0.0,
        *,
        targets_low: Array | None = None,
        start_low: Array | None = None,
    ) -> Work[CertifiedParameters]:
        """Solve for the distinct rows and averages; with λ > 0 for all rows as they are."""
        targets = np.asarray(targets)
        targets_low = None if targets_low is None else np.asarray(targets_low)
        if ridge:
            return (
                yield from self._plain.fitting(
                    targets, start, ridge, targets_low=targets_low, start_low=start_low
                )
            )
        mean, low, lost = averages(self._place, targets, targets_low)
        found = yield from self._distinct.fitting(mean, start, targets_low=low, start_low=start_low)
        image = found.image
        if image is not None:
            # Φ̃ sees an error of the averages as it is, and Φ_A = EΦ̃.
            image = root_up(Fraction(self._most)) * (image + lost)
        radius = found.radius + (lost / root_down(self.smallest) if lost else 0)
        return CertifiedParameters(found.high, found.low, radius, image)

    def _fitting(self, targets: Array, start: Array | None, ridge: float) -> Work[CertifiedParameters]:
        """The same for plain floats."""
        return self.fitting(targets, start, ridge)

    @ieee_proof()
    def pseudo_norm(self, g: Array) -> tuple[Fraction, Fraction]:
        """Bound ‖Φ_A⁺ g‖_F by that of the distinct rows, from both sides."""
        mean, rest, lost = averages(self._place, self.padded(g), None)
        low, high = self._distinct.pseudo_norm(mean)
        lost = (norm_bounds(rest)[1] + lost) / root_down(self.smallest)
        return max(Fraction(0), low - lost), high + lost


@final
class RepeatedFactor(Factor):
    """K_AA = EK̃Eᵀ through a factor of K̃, which must be regular: solves by its pseudo-inverse (E⁺)ᵀK̃⁻¹E⁺.

    Args:
        arithmetic: in which the factor was made; not FLOAT64, where the average of equal numbers may be another one.
        distinct: a factor of K̃, of full rank.
        place: which distinct row each row of A is, shape (|A|,).

    Example:
        >>> from muso_theory.numbers import BALL
        >>> ball = BALL(64)
        >>> factor = RepeatedFactor(ball, ball.factor(ball.matrix([[4]])), np.array([0, 0]))
        >>> ball.to_numpy(factor.solve(ball.matrix([[1], [3]]))).ravel(), factor.rank
        (array([0.25, 0.25]), 1)
    """

    def __init__(self, arithmetic: Arithmetic, distinct: Factor, place: Array) -> None:
        self._arithmetic = arithmetic
        self._distinct = distinct
        counts = np.bincount(place)
        averaging = np.full((len(counts), len(place)), Fraction(0), dtype=object)
        averaging[place, np.arange(len(place))] = [Fraction(1, int(counts[j])) for j in place]
        self._averaging = arithmetic.matrix(averaging)
        self._size = len(place)

    @property
    def rank(self) -> int:
        """The number of distinct rows."""
        return self._distinct.rank

    @property
    def size(self) -> int:
        """The number of rows."""
        return self._size

    def solve(self, b: Matrix) -> Matrix:
        """K_AA⁺b, the same for equal rows."""
        mean = self._arithmetic.matmul(self._averaging, b)
        back = self._arithmetic.transpose(self._averaging)
        return self._arithmetic.matmul(back, self._distinct.solve(mean))
