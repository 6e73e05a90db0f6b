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
from ..numbers.point_ball import ball_norm, pair_sum
from ..numbers.rounding import ETA, UNIT, norm_bounds, norm_by_rows
from ..rows import Above, ByRows, no_class, taken
from .answers import content_of

__all__ = ["LabelBall"]


@final
@dataclass(frozen=True, eq=False)
class LabelBall:
    """Labels known up to a radius: ‖labels − (values + low)‖_F ≤ radius.

    Args:
        values: the nearest floats, float64, shape (m, C); of classes what gives their rows.
        radius: proved.
        low: what the floats miss of the middle of the ball, float64, shape (m, C), or zero.
        parts: the labels that these are one above the other of, where they were made so.

    Example:
        >>> third = LabelBall(np.array([[1 / 3]]), Fraction(1, 2**54))
        >>> third.plus(third.times(-1.0)).norm().bound <= 2.0**-53
        True
    """

    values: Any
    radius: Fraction = Fraction(0)
    low: Any = 0.0
    parts: tuple[LabelBall, LabelBall] | None = None

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
        values, low = self._arrays
        with np.errstate(all="ignore"):
            values, low = a * values, a * low
        radius = abs(exact) * self.radius
        if abs(a) != 1.0 or a != exact:
            sizes = norm_bounds(values)[1] + norm_bounds(np.asarray(low))[1]
            inputs = sum(norm_bounds(np.asarray(part))[1] for part in self._arrays)
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
        high, low, error = pair_sum(*self._arrays, *other._arrays)
        return LabelBall(high, self.radius + other.radius + error, low)

    def above(self, other: LabelBall) -> LabelBall:
        """These labels above others."""
        radius, both = self.radius + other.radius, (self, other)
        if any(isinstance(ball.values, ByRows) for ball in both):
            lows = [
                ball.low if ball.correction is not None else no_class(*ball.values.shape) for ball in both
            ]
            return LabelBall(Above([ball.values for ball in both]), radius, Above(lows), both)
        lows = [np.broadcast_to(ball.low, ball.values.shape) for ball in both]
        return LabelBall(np.vstack([self.values, other.values]), radius, np.vstack(lows), both)

    def taken(self, order: Array) -> LabelBall:
        """These labels in another order."""
        low = self.low if self.correction is None else _reordered(self.low, order)
        return LabelBall(_reordered(self.values, order), self.radius, low)

    @cached_property
    def content(self) -> bytes:
        """What the labels are known by, see `answers`."""
        return content_of(
            self.values,
            self.radius,
            0.0 if isinstance(self.low, np.ndarray) and not self.low.any() else self.low,
        )

    @property
    def correction(self) -> Any:
        """What the floats miss, as an array; None for nothing."""
        return self.low if isinstance(self.low, np.ndarray | ByRows) else None

    @property
    @ieee_proof()
    def miss(self) -> Fraction:
        """Bound of ‖labels − values‖_F, the distance of the nearest floats."""
        low = self.low
        return self.radius + (
            norm_by_rows(low) if isinstance(low, ByRows) else norm_bounds(np.asarray(low))[1]
        )

    @property
    def _arrays(self) -> tuple[Array, Any]:
        """Values and correction of all rows at once."""
        return np.asarray(self.values), np.asarray(self.low) if isinstance(self.low, ByRows) else self.low

    @ieee_proof()
    def norm(self) -> Quantity:
        """Enclosure of the Frobenius norm.

        Returns:
            The enclosure.

        Raises:
            UndecidedError: overflow.
        """
        values, low = self._arrays
        return Quantity.enclosure(*ball_norm(values, np.asarray(low), self.radius))


def _reordered(rows: Any, order: Array) -> Any:
    """Rows in another order, where those of labels above others stay apart."""
    return rows.reordered(order) if isinstance(rows, Above) else taken(rows, order)
