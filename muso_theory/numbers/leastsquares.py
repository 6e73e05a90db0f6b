"""Minimum-norm and least-squares solutions with a proved distance to the truth.

The float solver only proposes. What is proved starts from a residual that is computed nearly exactly, and
from a proved lower bound c on the relevant eigenvalue: with independent rows, a point v of the row space
is at distance ‖Φ⁺(t − Φv)‖ ≤ ‖t − Φv‖/√c of the solution; with independent columns, ‖H⁻¹Φᵀ(t − Φv)‖ ≤
‖Φᵀ(t − Φv)‖/c, H = ΦᵀΦ. One step of refinement is taken before the bound is, so the bound is of second order.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import cached_property
from typing import Any, final

import numpy as np

from ..arrays import Array
from . import spans
from .accurate import Accurate, plain_product, residual_pair
from .arithmetic import Factor
from .base_system import RowSystem, numerical_factor
from .gradients import Gradient, accurate_sum, certain
from .gram import blocked_gram
from .ieee import ieee_proof
from .lockstep import Columns, Product, Work, alone
from .point_ball import CertifiedParameters
from .rounding import (
    ETA,
    UNIT,
    U,
    UndecidedError,
    gamma,
    inner_product,
    norm_bounds,
    root_down,
    root_up,
    two_sum,
)
from .spectrum import largest_eigenvalue_bound
from .tiles import Tiles

__all__ = ["DualSystem", "PrimalSystem", "is_small_part"]


def is_small_part(whole: Array, part: Array) -> bool:
    """Whether of a sum of Gram matrices ``part`` has at most half of the trace, so that the rest is their difference.

    Example:
        >>> is_small_part(3 * np.eye(2), np.eye(2)), is_small_part(3 * np.eye(2), 2 * np.eye(2))
        (True, False)
    """
    return bool(2 * np.trace(part) <= np.trace(whole) < np.inf)


_MOST_AT_ONCE = 1 << 21
"""Labels of a fit, up to which it may share products with others; more are gone over a span of rows at a time."""

_SAFE = 1 + 2.0**-50  # covers the few roundings of an error bound itself


@final
class DualSystem(RowSystem):
    """Independent rows: w = start + Φ_Aᵀa with K_AA a = t − Φ_A start.

    Args:
        features: Φ, shape (n, D).
        rows: A.
        name: what to call Φ_A.
        gram: K̂_AA, if `blocked_gram` has made it already, or `tiled_gram`.
        cholesky: its factor, if known.
        parent: a system whose rows contain A; its eigenvalue bound holds here too (Cauchy interlacing).

    Example:
        >>> phi = np.array([[3.0, 4.0, 0.0], [0.0, 0.0, 2.0]])
        >>> fit = DualSystem(phi, slice(None), "Φ").fit(np.array([[25.0], [4.0]]), None)
        >>> fit.high.ravel() + fit.low.ravel(), fit.radius < 1e-14
        (array([3., 4., 2.]), True)
    """

    is_dual = True

    def __init__(
        self,
        features: Array,
        rows: Any,
        name: str,
        gram: Array | Tiles | None = None,
        cholesky: Factor | None = None,
        parent: RowSystem | None = None,
    ) -> None:
        super().__init__(features, rows, name)
        self._gram = gram
        self._cholesky = cholesky
        self._parent = parent

    @cached_property
    def matrix(self) -> Array | Tiles:
        """K̂_AA, shape (|A|, |A|)."""
        if self._gram is not None:
            return self._gram
        whole = isinstance(self.rows, slice) and self.rows == slice(None)
        return blocked_gram(self.features, None if whole else np.arange(self.features.shape[0])[self.rows])

    @cached_property
    def factor(self) -> Factor:
        """Its Cholesky factor."""
        return self._cholesky if self._cholesky is not None else numerical_factor(self.matrix, self.name)

    def _factor_with(self, ridge: float) -> Factor:
        """The factor of the first rows of the parent's is part of that one, with a ridge, too."""
        parent, size = self._parent, len(self._index)
        if not ridge or not isinstance(parent, DualSystem) or 5 * size < 4 * len(parent._index):
            return super()._factor_with(ridge)  # that of all rows would be dearer than one of its own
        if np.array_equal(parent._index[:size], self._index):
            whole: Any = parent._factor_with(ridge)
            return whole.leading(size)  # type: ignore[no-any-return]
        return super()._factor_with(ridge)

    @property
    def roundings_width(self) -> int:
        """D."""
        return int(self.features.shape[1])

    @cached_property
    def _smallest(self) -> Fraction | UndecidedError:
        """Proved lower bound of λ_min(K_AA); the parent's, when there is one."""
        return self._parent._smallest if self._parent is not None else super()._smallest

    @cached_property
    def largest(self) -> Fraction:
        """Upper bound of ‖Φ_A‖₂²; the parent's, when there is one."""
        return self._parent.largest if self._parent is not None else super().largest

    def _fitting(self, targets: Array, start: Array | None, ridge: float) -> Work[CertifiedParameters]:
        """Enclose the minimum-norm update from ``start``, or with λ > 0 the ridge minimiser anchored there.

        Both are start + Φ_Aᵀa with (K + λI)a = t − Φ_A start, and ‖Φ_Aᵀ(K + λI)⁻¹‖ ≤ (λ_min + λ)^-½.
        """
        smallest_root = root_down(self.floor(ridge))
        solve = self._factor_with(ridge).solve
        base: Array | float = 0.0
        if start is not None:
            base, _ = yield self._product(start, plain=True)
        coefficients = yield Columns(solve, targets - base)
        z = yield self._product(coefficients, transposed=True)
        if start is None:
            high, low, error = z.high, z.low, z.error
        else:
            high, lost = two_sum(start, z.high)
            low = lost + z.low
            error = (z.error + U * np.abs(low)) * _SAFE
        # v = high + low is a point at most ‖error‖ away from start + row space.
        first, rest, slack = residual_pair(targets, (yield self._product(high, low)))
        residual = first + rest
        pull = ridge * coefficients
        lost_pull = UNIT * (norm_bounds(residual)[1] + norm_bounds(pull)[1])
        if ridge:
            residual = residual - pull
        step = yield Columns(solve, residual)
        update, roundings = yield self._product(step, transposed=True, plain=True)
        corrected = low + update
        remainder, remainder_error = yield from self._residual(residual, step, ridge)
        off = norm_bounds(error)[1]
        # w* − (v + Φᵀs) is, in the row space, Φᵀ(K + λI)⁻¹ of t − Φv − λa − (K + λI)s, and at most off across it. The
        # computed t − Φv − λa is off by slack and one rounding each of t − Φv, λa and their difference; with a
        # ridge also by Φ·off, because a belongs to the exact start + Φᵀa and not to v.
        unexplained = (
            norm_bounds(remainder)[1]
            + remainder_error
            + norm_bounds(slack)[1]
            + UNIT * norm_bounds(residual)[1]
            + (lost_pull + pull.size * ETA + root_up(self.largest) * off if ridge else 0)
        )
        # fl(Φᵀs) is wrong by γ_k |Φ|ᵀ|s|, and ‖|Φ|ᵀ|s|‖ ≤ ‖Φ‖_F ‖s‖.
        rounding = (
            gamma(roundings) * root_up(self.trace) * norm_bounds(step)[1] + UNIT * norm_bounds(corrected)[1]
        )
        tiny = update.size * len(targets) * ETA
        radius = off + rounding + tiny + unexplained / smallest_root
        # Without a ridge Φw* = t, so the image of the error is the residual that is left.
        if ridge:
            return CertifiedParameters(high, corrected, radius)
        moved = root_up(self.largest) * (rounding + tiny)
        # Φ(v + Φᵀs) = t − (t − Φv) + Ks, of which t − Φv − Ks is the computed remainder; the sum with t is exact.
        off_remainder = unexplained - norm_bounds(remainder)[1]
        seen = (*two_sum(targets, -remainder), off_remainder + moved)
        return CertifiedParameters(high, corrected, radius, unexplained + moved, seen=seen)

    def solving(self, g: Array) -> Work[tuple[Array, Fraction]]:
        """Solve K_AA a = g."""
        smallest = self.smallest
        a = yield Columns(self.factor.solve, g)
        z = yield self._product(a, transposed=True)
        high, low, slack = residual_pair(g, (yield self._product(z.high, z.low)))
        residual = high + low
        step = yield Columns(self.factor.solve, residual)
        remainder, remainder_error = yield from self._residual(residual, step)
        result = a + step
        unexplained = (
            norm_bounds(remainder)[1]
            + remainder_error
            + norm_bounds(slack)[1]
            + UNIT * norm_bounds(residual)[1]
            + root_up(self.largest) * norm_bounds(z.error)[1]
        )
        return result, unexplained / smallest + UNIT * norm_bounds(result)[1]

    def leaving_block_out(
        self, residual: Array, left: Array, residual_low: Array | None = None
    ) -> Work[tuple[Array, Array, Fraction]]:
        """Enclose q = S[K⁻¹r]_F with S = [(K⁻¹)_FF]⁻¹, F the last rows.

        For any q̂ and ρ = r − (0; q̂): q − q̂ = S[K⁻¹ρ]_F, and ‖S‖ ≤ ‖K_FF‖ as the Schur complement S ⪯ K_FF.
        """
        size, count = len(self.matrix), len(self.matrix) - len(left)
        block = self.factor.solve(np.eye(size, size - count, -count))[count:]
        # Any ρ_F will do, and a good one saves rounds of nearly exact products.
        rest = np.vstack([residual[:count], left])
        for _ in range(4):
            # The floats ρ equal r on R; the q̂ that they stand for is r_F − ρ_F, exactly.
            a, off = yield from self.solving(rest)
            seen = a[count:]
            step = np.linalg.solve(block, seen)
            # ρ_F is as near as floats are once a step is no more than their rounding.
            enough = max(
                2.0**-60 * float(np.abs(residual).max()), 2.0**-53 * float(np.abs(rest[count:]).max())
            )
            if not float(np.abs(step).max()) > enough:
                break
            previous, rest = rest, rest.copy()
            rest[count:] -= step
        else:
            rest = previous
        whole, last = self.matrix, range(count, size)
        corner = whole.block(last, last) if isinstance(whole, Tiles) else whole[count:, count:]
        largest = min(self.largest, largest_eigenvalue_bound(corner, self.error))
        radius = largest * (norm_bounds(seen)[1] + off)
        if residual_low is not None:
            # With z = K⁻¹ρ, z_FᵀSz_F ≤ zᵀKz = ‖Φ⁺ρ‖² by Cauchy and Schwarz, so that ‖Sz_F‖ ≤ ‖Φ_F‖‖Φ⁺ρ‖.
            radius += root_up(largest / self.smallest) * norm_bounds(residual_low)[1]
        return *two_sum(residual[count:], -rest[count:]), radius

    @ieee_proof()
    def pseudo_norm(self, g: Array) -> tuple[Fraction, Fraction]:
        """Bound ‖Φ_A⁺ g‖_F = (tr gᵀK⁻¹g)^½ from both sides."""
        # With any b and ρ = g − Kb: gᵀK⁻¹g = gᵀb + bᵀρ + ρᵀK⁻¹ρ, so an error in b counts only quadratically.
        if not g.any():
            return Fraction(0), Fraction(0)
        g = self.padded(g)
        # g is scaled to size 1; entries that become subnormal are wrong by η each.
        exponent = int(np.frexp(max(float(g.max()), -float(g.min())))[1])
        tiny = root_up(g.size * ETA**2 / self.smallest)
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            g = np.ldexp(g, -exponent)
            b = self.factor.solve(g)
        rho, lost = alone(self._residual(g, b))
        (first, first_error), (second, second_error) = inner_product(g, b), inner_product(b, rho)
        value = first + second
        slack = first_error + second_error + norm_bounds(b)[1] * lost
        quadratic = (norm_bounds(rho)[1] + lost) ** 2 / self.smallest
        scale = Fraction(2) ** exponent
        low = root_down(value - slack) - tiny
        return max(Fraction(0), low) * scale, (root_up(value + slack + quadratic) + tiny) * scale


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
