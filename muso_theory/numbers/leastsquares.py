"""Minimum-norm solutions with a proved distance to the truth.

The float solver only proposes. What is proved starts from a residual that is computed nearly exactly, and
from a proved lower bound c on the smallest eigenvalue: with independent rows, a point v of the row space
is at distance ‖Φ⁺(t − Φv)‖ ≤ ‖t − Φv‖/√c of the solution. One step of refinement is taken before the bound is, so the
bound is of second order. With more rows than columns `primal` has the same.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property
from typing import Any, final

import numpy as np

from ..arrays import Array
from .accurate import residual_pair
from .arithmetic import Factor
from .base_system import RowSystem, numerical_factor
from .gram import blocked_gram
from .ieee import ieee_proof
from .lockstep import Columns, Work, alone
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

__all__ = ["DualSystem"]

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
