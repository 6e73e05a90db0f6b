"""Labels known up to a radius, as verified float64 carries them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, final

import numpy as np

from ..arrays import Array
from ..numbers import Quantity
from ..numbers.ieee import ieee_proof
from ..numbers.rounding import ETA, UNIT, norm_bounds
from ..numbers.rowsystem import ball_norm, pair_sum
from .answers import content

__all__ = ["LabelBall"]


@final
@dataclass(frozen=True, eq=False)
class LabelBall:
    """Labels known up to a radius: ‖labels − (values + low)‖_F ≤ radius.

    Args:
        values: the nearest floats, float64, shape (m, C).
        radius: proved.
        low: what the floats miss of the middle of the ball, float64, shape (m, C), or zero.

    Example:
        >>> third = LabelBall(np.array([[1 / 3]]), Fraction(1, 2**54))
        >>> third.plus(third.times(-1.0)).norm().bound <= 2.0**-53
        True
    """

    values: Array
    radius: Fraction = Fraction(0)
    low: Array | float = 0.0

    @ieee_proof()
    def times(self, factor: Any) -> LabelBall:
        """The labels times a scalar, which is taken exactly.

        Args:
            factor: a float, an integer or a Fraction.

        Returns:
            The product; a factor of 1 or −1 rounds nothing.

        Raises:
            UndecidedError: overflow.
        """
        a, exact = float(factor), Fraction(factor)
        with np.errstate(all="ignore"):
            values, low = a * self.values, a * self.low
        radius = abs(exact) * self.radius
        if abs(a) != 1.0 or a != exact:
            sizes = norm_bounds(values)[1] + norm_bounds(np.asarray(low))[1]
            inputs = norm_bounds(self.values)[1] + norm_bounds(np.asarray(self.low))[1]
            radius += UNIT * sizes + abs(exact - Fraction(a)) * inputs + 2 * values.size * ETA
        return LabelBall(values, radius, low)

    @ieee_proof()
    def plus(self, other: LabelBall) -> LabelBall:
        """The sum, sharp under cancellation.

        Args:
            other: labels of the same shape.

        Returns:
            The sum.

        Raises:
            UndecidedError: overflow.
        """
        high, low, error = pair_sum(self.values, self.low, other.values, other.low)
        return LabelBall(high, self.radius + other.radius + error, low)

    def above(self, other: LabelBall) -> LabelBall:
        """These labels above others."""
        lows = [np.broadcast_to(ball.low, ball.values.shape) for ball in (self, other)]
        return LabelBall(np.vstack([self.values, other.values]), self.radius + other.radius, np.vstack(lows))

    def taken(self, order: Array) -> LabelBall:
        """These labels in another order."""
        low = self.low[order] if isinstance(self.low, np.ndarray) else self.low
        return LabelBall(self.values[order], self.radius, low)

    @cached_property
    def content(self) -> bytes:
        """What the labels are known by, see `answers`."""
        return content(self.values, self.radius, self.low if np.any(self.low) else 0.0)

    @property
    def correction(self) -> Array | None:
        """What the floats miss, as an array; None for nothing."""
        return self.low if isinstance(self.low, np.ndarray) else None

    @property
    @ieee_proof()
    def miss(self) -> Fraction:
        """Bound of ‖labels − values‖_F, the distance of the nearest floats."""
        return self.radius + norm_bounds(np.asarray(self.low))[1]

    @ieee_proof()
    def norm(self) -> Quantity:
        """Enclosure of the Frobenius norm.

        Returns:
            The enclosure.

        Raises:
            UndecidedError: overflow.
        """
        return Quantity.enclosure(*ball_norm(self.values, np.asarray(self.low), self.radius))
