"""Points of parameter space that are known up to a ball, as pairs of floats whose sum is not evaluated."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from ..arrays import Array
from .accurate import Accurate
from .ieee import ieee_proof
from .rounding import UNIT, norm_bounds, two_sum

__all__ = ["CertifiedParameters", "ball_norm", "pair_sum"]


@dataclass(frozen=True, eq=False, slots=True)
class CertifiedParameters:
    """A point of parameter space known up to a ball: ‖w − (high + low)‖_F ≤ radius.

    Args:
        high: float64, shape (D, C).
        low: float64, shape (D, C), small against ``high``.
        radius: proved.
        image: proved bound of ‖Φ_A(w − (high + low))‖_F on the rows A that were fitted, where it says more than the
            radius does.
        gradient: Φ_Aᵀ(t − Φ_A high) as least squares on the rows A and labels t had it computed, and by how much the
            residual in it is off at most.
        seen: Φ_A(high + low) as the fit had it computed: the nearest floats, a correction, and by how much both
            together are off at most (Frobenius norm).
    """

    high: Array
    low: Array
    radius: Fraction
    image: Fraction | None = None
    gradient: tuple[Accurate, Fraction] | None = None
    seen: tuple[Array, Array, Fraction] | None = None

    @property
    def parameters(self) -> Array:
        """The nearest floats, shape (D, C)."""
        return self.high + self.low

    def widened(self, lost: Fraction) -> CertifiedParameters:
        """The same ball with a larger radius; what is known of the image holds for the smaller ball alone."""
        return replace(self, radius=self.radius + lost, image=None) if lost else self

    @ieee_proof()
    def distance(self, w: Array) -> tuple[Fraction, Fraction]:
        """Bound ‖w − w*‖_F from both sides, for given floats w and the point w* that this encloses."""
        return ball_norm(*pair_sum(w, 0.0, -self.high, -self.low), self.radius)


def pair_sum(a: Array, a_low: Array | float, b: Array, b_low: Array | float) -> tuple[Array, Array, Fraction]:
    """Add two unevaluated sums: a + a_low + b + b_low, sharp under any cancellation of the leading parts.

    Args:
        a: float64.
        a_low: its correction, small against it; zero if there is none.
        b: float64, same shape.
        b_low: its correction.

    Returns:
        The nearest float, its correction, and a bound of what both together miss (Frobenius norm).

    Example:
        >>> high, low, error = pair_sum(np.array([1.0]), 2.0**-60, np.array([-1.0]), 2.0**-70)
        >>> float(high[0]) == 2.0**-60 + 2.0**-70, float(low[0]), error == 0
        (True, 0.0, True)
    """
    with np.errstate(all="ignore"):
        leading, lost = two_sum(a, b)
        first, second = two_sum(a_low, b_low)
        rest, left = two_sum(lost, first)
        high, low = two_sum(leading, rest)
        # Exact so far. The two sums that round are 2^-53 times smaller than the rest, or than the result.
        tail = left + second
        low = low + tail
    return high, low, UNIT * (norm_bounds(tail)[1] + norm_bounds(low)[1])


def ball_norm(
    high: Array, low: Array, error: Fraction, radius: Fraction = Fraction(0)
) -> tuple[Fraction, Fraction]:
    """Bound ‖x‖_F from both sides where ‖x − (high + low)‖_F ≤ error + radius.

    Example:
        >>> ball_norm(np.array([3.0, 4.0]), np.zeros(2), Fraction(0), Fraction(6))[0]
        Fraction(0, 1)
    """
    lower, upper = norm_bounds(high)
    lost = norm_bounds(low)[1] + error + radius
    return max(Fraction(0), lower - lost), upper + lost
