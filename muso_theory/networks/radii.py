"""Arrays of balls in float64: a midpoint and a radius an entry, for whole layers at a time.

The midpoint is what plain float64 computes. The radius bounds, entry by entry, the rounding of that (γ_N times the
same expression of absolute values, with N roundings in any order) and what the radii of the inputs add to it.
Radii are sums of products of nonnegative floats; they are computed in float64 too, and made larger by more than they
can have lost. N. Higham, "Accuracy and Stability of Numerical Algorithms", ch. 3; S. M. Rump, "Fast and parallel
interval arithmetic", BIT 1999.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from ..arrays import Array
from ..former import former
from ..numbers.rounding import U

__all__ = ["UNDERFLOW", "BallArray", "enlarged"]
former(__name__)

UNDERFLOW = 2.0**-900
"""More than underflow can lose in one operation of a layer whose scales are at most 2^64."""


def enlarged(bound: Array, roundings: int) -> Array:
    """A bound computed from nonnegative floats with at most so many roundings in a row, made safe.

    fl(b) ≥ (1 − γ_m) b, so b ≤ (1 + 2γ_m) fl(b), and one more rounding for this product.

    Args:
        bound: the computed bound.
        roundings: m, at most 2^40.

    Returns:
        At least the bound in exact arithmetic.

    Example:
        >>> bool(enlarged(np.array(0.1) + 0.2, 1) > 0.3)
        True
    """
    return np.asarray(bound * (1 + 4 * (roundings + 2) * U) + UNDERFLOW)


@final
@dataclass(frozen=True, eq=False)
class BallArray:
    """Numbers known up to a radius each: |x − mid| ≤ rad, entry by entry.

    Args:
        mid: float64, any shape.
        rad: float64, the same shape, nonnegative.

    Example:
        >>> x = BallArray(np.array([1.0, 3.0]), np.array([0.5, 0.0]))
        >>> y = x * x
        >>> y.mid, bool(1.25 <= y.rad[0] < 1.2501), bool(0 < y.rad[1] < 1e-14)
        (array([1., 9.]), True, True)
    """

    mid: Array
    rad: Array

    @classmethod
    def exact(cls, values: Array) -> BallArray:
        """Floats as the numbers they are.

        Returns:
            Balls of radius zero.
        """
        array = np.asarray(values, dtype=np.float64)
        return cls(array, np.zeros_like(array))

    def __len__(self) -> int:
        return len(self.mid)

    @property
    def size(self) -> Array:
        """Upper bounds of the absolute values."""
        return enlarged(np.abs(self.mid) + self.rad, 1)

    @property
    def differs(self) -> Array:
        """Which entries are not known to be exactly 0."""
        return np.asarray((self.mid != 0) | (self.rad != 0))

    def only(self, mask: Array) -> BallArray:
        """These balls where a mask is true, and exactly 0 elsewhere.

        Args:
            mask: bools, of a shape that broadcasts to the balls'.

        Returns:
            Balls; what every radius has for underflow is taken away where nothing was computed from.
        """
        return BallArray(np.where(mask, self.mid, 0.0), np.where(mask, self.rad, 0.0))

    def rearranged(self, rule: Callable[[Array], Array]) -> BallArray:
        """Apply what moves, repeats or selects entries without computing.

        Args:
            rule: for example a reshape.

        Returns:
            Midpoints and radii, rearranged alike.
        """
        return BallArray(rule(self.mid), rule(self.rad))

    def __add__(self, other: BallArray) -> BallArray:
        mid = self.mid + other.mid
        return BallArray(mid, enlarged(self.rad + other.rad + U * np.abs(mid), 3))

    def __sub__(self, other: BallArray) -> BallArray:
        return self + BallArray(-other.mid, other.rad)

    def __mul__(self, other: BallArray) -> BallArray:
        mid = self.mid * other.mid
        spread = np.abs(self.mid) * other.rad + self.rad * (np.abs(other.mid) + other.rad)
        return BallArray(mid, enlarged(spread + U * np.abs(mid), 5))

    def mean(self) -> BallArray:
        """Mean over the last axis, which is kept with length 1.

        Returns:
            Balls.
        """
        n = self.mid.shape[-1]
        mid = self.mid.sum(axis=-1, keepdims=True) / n
        rounding = (n + 2) * U * np.abs(self.mid).sum(axis=-1, keepdims=True)
        return BallArray(mid, enlarged((self.rad.sum(axis=-1, keepdims=True) + rounding) / n, n + 5))

    def summed(self, axes: tuple[int, ...]) -> BallArray:
        """Sum over some axes.

        Args:
            axes: which.

        Returns:
            Balls.
        """
        n = int(np.prod([self.mid.shape[axis] for axis in axes]))
        rounding = (n + 2) * U * np.abs(self.mid).sum(axis=axes)
        return BallArray(self.mid.sum(axis=axes), enlarged(self.rad.sum(axis=axes) + rounding, n + 5))

    def inverse_root(self) -> BallArray:
        """1/√x entry by entry, for balls of positive numbers; infinite radii where that is not sure.

        |1/√a − 1/√b| ≤ |a − b|/(2 m^{3/2}) with m the smaller one; square roots and quotients are rounded correctly.

        Returns:
            Balls.
        """
        low = self.mid - self.rad
        low = low - 2 * U * np.abs(low)
        with np.errstate(all="ignore"):
            mid = 1 / np.sqrt(self.mid)
            spread = np.where(low > 0, self.rad / (2 * low * np.sqrt(low)), np.inf)
        return BallArray(mid, enlarged(spread + 4 * U * np.abs(mid), 8))

    def through(
        self, rule: Callable[[Sequence[Array], Array], Array], weights: Sequence[Array], roundings: int
    ) -> BallArray:
        """An affine map x ↦ s·Wx + t·b that is the same rule of sums and products for any weights.

        The rule at (|W|, γ|b|) and γ|x| + rad is both the rounding of the midpoint and the spread of the ball.

        Args:
            rule: takes the weights [W, b] (or none) and x.
            weights: exact.
            roundings: N, roundings of one output entry in a row, including those of s and t; at most 2^30.

        Returns:
            Balls of the output.
        """
        gamma = roundings * U * (1 + 2.0**-20)  # ≥ γ_N = Nu/(1 − Nu) for N ≤ 2^30
        sizes = [
            np.abs(array) if index == 0 else gamma * np.abs(array) for index, array in enumerate(weights)
        ]
        spread = rule(sizes, enlarged(gamma * np.abs(self.mid) + self.rad, 2))
        return BallArray(rule(weights, self.mid), enlarged(spread, roundings + 2))
