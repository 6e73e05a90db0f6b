"""Least-squares solutions with a proved distance to the truth.

With independent columns a point w is at distance ‖H⁻¹Φᵀ(t − Φw)‖ ≤ ‖Φᵀ(t − Φw)‖/c of the solution, H = ΦᵀΦ and c a
proved lower bound of its smallest eigenvalue. That gradient is computed nearly exactly, and one step of refinement is
taken before the bound is, as `leastsquares` has it for independent rows.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import cached_property
from typing import Any, final

import numpy as np

from ..arrays import Array
from . import spans
from .accurate import Accurate, plain_product
from .arithmetic import Factor
from .base_system import RowSystem, numerical_factor
from .gradients import Gradient, accurate_sum, certain
from .ieee import ieee_proof
from .lockstep import Columns, Product, Work, alone
from .point_ball import CertifiedParameters
from .rounding import ETA, UNIT, gamma, norm_bounds, root_down, root_up

__all__ = ["PrimalSystem", "is_small_part"]


def is_small_part(whole: Array, part: Array) -> bool:
    """Whether of a sum of Gram matrices ``part`` has at most half of the trace, so that the rest is their difference.

    Example:
        >>> is_small_part(3 * np.eye(2), np.eye(2)), is_small_part(3 * np.eye(2), 2 * np.eye(2))
        (True, False)
    """
    return bool(2 * np.trace(part) <= np.trace(whole) < np.inf)


_MOST_AT_ONCE = 1 << 21
"""Labels of a fit, up to which it may share products with others; more are gone over a span of rows at a time."""


@final
class PrimalSystem(RowSystem):
    """Independent columns: w = H⁻¹Φ_Aᵀt, H = Φ_AᵀΦ_A, whatever the start.

    Args:
        features: Φ, shape (n, D).
        rows: A, at least D of them.
        name: what to call Φ_A.
        formed: gives Φ_AᵀΦ_A as `curvature` has it, if somebody keeps that.
        less: systems of rows A ∪ B and of B, disjoint: then Φ_AᵀΦ_A is the difference of their matrices, as long as B
            has no more than half of the trace, so that at most a bit or two of the digits cancel.
        spread: who does what is done on spans of rows.

    Example:
        >>> fit = PrimalSystem(np.array([[1.0], [1.0]]), slice(None), "Φ").fit(np.array([[1.0], [2.0]]), None)
        >>> float(fit.parameters[0, 0]), fit.radius < 1e-14
        (1.5, True)
    """

    is_dual = False
    reads_spans = True

    def __init__(
        self,
        features: Array,
        rows: Any,
        name: str,
        formed: Callable[[], Array] | None = None,
        less: tuple[PrimalSystem, PrimalSystem] | None = None,
        spread: spans.Spread[Any] = spans.here,
    ) -> None:
        super().__init__(features, rows, name)
        self._formed = formed
        self._parts = less
        self._spread = spread

    @cached_property
    def _less(self) -> tuple[PrimalSystem, PrimalSystem] | None:
        """The systems whose difference this is, if few digits cancel."""
        if self._parts is None or not is_small_part(*(part.matrix for part in self._parts)):
            return None
        return self._parts

    @cached_property
    def matrix(self) -> Array:
        """The computed Φ_AᵀΦ_A, shape (D, D)."""
        if self._less is not None:
            whole, part = self._less
            return whole.matrix - part.matrix
        if self._formed is not None:
            return self._formed()
        return spans.curvature(self.features, self._index, self._spread)

    @cached_property
    def trace(self) -> Fraction:
        """Upper bound of ‖Φ_A‖_F², which is part of that of all rows where this is a difference."""
        return super().trace if self._less is None else self._less[0].trace

    @cached_property
    def error(self) -> Fraction:
        """Upper bound of the error of the matrix in the spectral norm, also of its entrywise absolute value."""
        if self._less is None:
            return super().error
        # The two are off by their own errors, and a difference of floats by u of itself; it does not underflow.
        whole, part = self._less
        return whole.error + part.error + UNIT * norm_bounds(self.matrix)[1]

    @cached_property
    def factor(self) -> Factor:
        """Its Cholesky factor."""
        return numerical_factor(self.matrix, self.name)

    @property
    def roundings_width(self) -> int:
        """The number of rows."""
        return len(self._index)

    def goes_by_spans(self, size: int) -> bool:
        """Unless features and labels are arrays in memory, of which several may be there at a time.

        Who does what is done on spans has no say in it: the two ways differ in their last digits.
        """
        return type(self.features) is not np.ndarray or size > _MOST_AT_ONCE

    def _shares(self, targets: Any) -> bool:
        """Whether a fit of these labels shares its products with others."""
        return type(targets) is np.ndarray and not self.goes_by_spans(targets.size)

    def _fitting(self, targets: Array, start: Array | None, ridge: float) -> Work[CertifiedParameters]:
        """Enclose the least-squares solution, or with λ > 0 the ridge minimiser anchored at the start."""
        solve = self._factor_with(ridge).solve
        shares = self._shares(targets)
        if shares:
            right, _ = yield self._product(targets, transposed=True, plain=True)
        else:
            right = spans.right_side(self.features, self._index, targets, None, self._spread)
        if ridge and start is not None:
            right = right + ridge * start
        solution = yield Columns(solve, right)
        spread = None if shares else self._spread
        gradient, off = yield Gradient(self.features, self._index, targets, solution, spread=spread)
        found, _ = yield from self._enclosed(solution, gradient, certain(off), start, ridge)
        return found

    def _enclosed(
        self,
        w: Array,
        gradient: Accurate,
        off: Fraction,
        start: Array | None,
        ridge: float,
        more: tuple[Array, Fraction] | None = None,
    ) -> Work[tuple[CertifiedParameters, bool]]:
        """One step from a point w, and a proved distance of the solution from there.

        Args:
            w: the point.
            gradient: Φ_Aᵀ(t − Φ_A w).
            off: by how much the residual in it is off at most.
            start: of a ridge.
            ridge: λ.
            more: what the gradient lacks, and by how much that is off.

        Returns:
            The solution, and whether the gradient is worse known than the step that was taken.
        """
        g = gradient.high + gradient.low
        lost = norm_bounds(gradient.error)[1] + root_up(self.largest) * off + UNIT * norm_bounds(g)[1]
        if more is not None:
            g = g + more[0]
            lost += more[1] + UNIT * norm_bounds(g)[1]
        if ridge:
            moved = w if start is None else w - start
            pull = ridge * moved
            # One rounding each of the difference, the product and, before and after it, the sum g.
            lost += UNIT * (Fraction(ridge) * norm_bounds(moved)[1] + norm_bounds(pull)[1]) + pull.size * ETA
            g = g - pull
            lost += UNIT * norm_bounds(g)[1]
        step = yield Columns(self._factor_with(ridge).solve, g)
        remainder, remainder_error = yield from self._residual(g, step, ridge)
        rounding = norm_bounds(remainder)[1] + remainder_error
        unexplained, smallest = lost + rounding, self.floor(ridge)
        # ‖Φ(H + λI)⁻¹‖ ≤ (λ_min + λ)^-½.
        image = unexplained / root_down(smallest)
        known = (gradient, off) if more is None else None
        return CertifiedParameters(w, step, unexplained / smallest, image, known), rounding <= lost

    def refitting(
        self,
        fit: CertifiedParameters,
        last: Array,
        targets: Any,
        low: Array | None,
        start: Array | None = None,
        ridge: float = 0.0,
    ) -> Work[CertifiedParameters | None]:
        """Enclose a solution from a fit of all rows but the last ones, if it is next to that.

        At the point that the fit stepped from, Φ_Aᵀ(t − Φ_A w) is the gradient that the fit had and that of the last
        rows, so that no other row is read again.

        Args:
            fit: of these rows but the last ones, with the same labels.
            last: the last rows.
            targets: their labels.
            low: more digits of them.
            start: of a ridge.
            ridge: λ.

        Returns:
            The enclosure; None where the step is so long that its rounding says more than that of the gradient.
        """
        if fit.gradient is None:
            return None
        known, slack = fit.gradient
        spread = None if self._shares(targets) else self._spread
        own, off = yield Gradient(self.features, last, targets, fit.high, spread=spread)
        gradient, more = accurate_sum([known, own], known.high.shape), None
        if low is not None:
            rest, roundings = yield Product(self.features, last, low, transposed=True, plain=True)
            lost = gamma(roundings) * root_up(self.trace) * norm_bounds(low)[1] + rest.size * len(low) * ETA
            more = rest, lost
        found, is_near = yield from self._enclosed(
            fit.high, gradient, slack + certain(off), start, ridge, more
        )
        return found if is_near else None

    @ieee_proof()
    def pseudo_norm(self, g: Array) -> tuple[Fraction, Fraction]:
        """Bound ‖Φ_A⁺ g‖_F = ‖H⁻¹Φ_Aᵀg‖_F from both sides, to three digits at least if float64 can."""
        short = self._short_norm(g)
        if short is not None:
            return short
        fit = self.fit(self.padded(g), None)
        return fit.distance(np.zeros_like(fit.high))

    def _short_norm(self, g: Array) -> tuple[Fraction, Fraction] | None:
        """The same from ordinary products with the last rows alone, if they have three digits of it."""
        if not g.any():
            return Fraction(0), Fraction(0)
        smallest = self.smallest
        last = self._index[len(self._index) - len(g) :]
        right, roundings = plain_product(self.features, last, g, transposed=True)
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            x = self.factor.solve(right)
        remainder, lost = alone(self._residual(right, x))
        # For any x and c = Φᵀg: ‖H⁻¹c − x‖ ≤ ‖c − Hx‖/λ_min. The computed c is off by γ_k |Φ|ᵀ|g|, at most γ_k ‖Φ‖_F‖g‖
        # in norm, and η for each of its terms.
        lost += gamma(roundings) * root_up(self.trace) * norm_bounds(g)[1] + right.size * len(g) * ETA
        off = (norm_bounds(remainder)[1] + lost) / smallest
        low, high = norm_bounds(x)
        return (low - off, high + off) if 1024 * off < low else None
