"""Minimum-norm and least-squares solutions where the Gram matrix has lost its digits.

Write A = Φ_Aᵀ (independent rows) or A = Φ_A (independent columns), M = AᵀA, and X for a preconditioner of A, so that
l ≤ σ(Y) ≤ h for Y = AX. Then M⁻¹ = X(YᵀY)⁻¹Xᵀ and AM⁻¹ = Y(YᵀY)⁻¹Xᵀ: a right-hand side g that is left over moves Aa by
at most ‖Xᵀg‖/l, and a by at most ‖X‖/l times as much. The condition number enters once, through the rounding of g, and
g is known to twice the working precision (T. Ogita, S. M. Rump, S. Oishi, "Accurate sum and dot product", SISC 2005).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import final

import numpy as np
from scipy.linalg.lapack import dtrtrs

from ..arrays import Array
from .accurate import Accurate
from .base_system import RowSystem, not_proved
from .ieee import ieee_proof
from .lockstep import Work
from .point_ball import CertifiedParameters
from .preconditioner import Preconditioner, dot_up, precondition
from .rounding import ETA, UNIT, U, gamma, norm_bounds, root_up, row_norms, two_sum
from .slices import balancing_exponents, sliced_product
from .tiles import Tiles

__all__ = ["PreconditionedSystem"]

_SAFE = 1 + 2.0**-40  # covers the few roundings of an error bound itself
_SLICES = 3
_STEPS = 12
_BITS, _FEW_BITS = 113, 74
"""How many bits of their largest term products carry: twice the working precision, or enough for a length."""


@dataclass(frozen=True, eq=False, slots=True)
class _Pair:
    """A sum of many terms as high + low: |sum of the terms − (high + low)| ≤ error, entry by entry."""

    high: Array
    low: Array
    error: Array

    @classmethod
    def of(cls, high: Array, low: Array | None = None) -> _Pair:
        """Floats, or pairs of them, exactly."""
        return cls(high, np.zeros_like(high) if low is None else low, np.zeros_like(high))

    def plus(self, high: Array, low: Array | float = 0.0, error: Array | float = 0.0) -> _Pair:
        """One more term, itself high + low within an error."""
        total, lost = two_sum(self.high, high)
        first = lost + self.low
        second = first + low
        # Two roundings; the other two sums are exact.
        gone = (self.error + error + U * (np.abs(first) + np.abs(second))) * _SAFE
        return _Pair(*two_sum(total, second), gone)

    def minus(self, product: Accurate) -> _Pair:
        """One product less."""
        return self.plus(-product.high, -product.low, product.error)


@dataclass(frozen=True, eq=False, slots=True)
class _Solved:
    """What refinement ended with: a ≈ M⁻¹g and start + Aa, with what is left over.

    Args:
        steps: a.
        shift: q, which is taken off the last entries of g.
        image: start + Aa; its error bounds the distance from the exact start + A·Σ steps.
        left: g − (0; q) − Aᵀ(image − start).
        residual: bound of ‖Xᵀ left‖.
    """

    steps: _Pair
    shift: _Pair
    image: _Pair
    left: _Pair
    residual: Fraction


@final
class PreconditionedSystem(RowSystem):
    """Φ_A solved through a triangular X with AX nearly orthonormal: decides up to κ(K) of about 10^24 or more.

    Rank is proved when X is asked for; a ridge needs no rank, and is left to the plain system.

    Args:
        plain: `DualSystem` or `PrimalSystem` of the same rows.
        parent: a system whose rows contain these: its eigenvalue bound holds here too, and where these are its first
            rows, so does its X.

    Example:
        >>> from muso_theory.numbers.leastsquares import DualSystem
        >>> phi = np.array([[1.0, 0.0, 1.0], [1.0, 2.0**-30, 1.0]])  # κ(K) is about 2^63
        >>> fit = PreconditionedSystem(DualSystem(phi, slice(None), "Φ")).fit(np.array([[1.0], [2.0]]), None)
        >>> fit.high.ravel().tolist() == [0.5, 2.0**30, 0.5], float(fit.radius) < 1e-9
        (True, True)
    """

    def __init__(self, plain: RowSystem, parent: PreconditionedSystem | None = None) -> None:
        super().__init__(plain.features, plain.rows, plain.name)
        self._plain = plain
        self._parent = parent
        self.is_dual = plain.is_dual
        size = len(self._index)
        self._leads = parent is not None and np.array_equal(parent._index[:size], self._index)
        self._height = self.features.shape[1] if self.is_dual else len(self._index)

    @property
    def matrix(self) -> Array | Tiles:
        """The plain system's."""
        return self._plain.matrix

    @property
    def roundings_width(self) -> int:
        """The plain system's."""
        return self._plain.roundings_width

    @cached_property
    def factor(self) -> Preconditioner:
        """X with its proof.

        Raises:
            UndecidedError: float64 cannot prove full rank.
        """
        if self._parent is not None and self._leads:
            return self._parent.factor.leading(len(self._index))
        found = precondition(self.features, self.rows, self._norms, transposed=self.is_dual)
        if found is None:
            raise not_proved(self.name)
        return found

    @cached_property
    def smallest(self) -> Fraction:
        """Proved lower bound of λ_min(M) = σ_min(Φ_A)²; the parent's, when there is one."""
        return self._parent.smallest if self._parent is not None else self.factor.smallest

    @cached_property
    @ieee_proof()
    def smallest_above(self) -> Fraction:
        """Upper bound of λ_min(M) by the Rayleigh quotient ‖Ax‖²/‖x‖² of an approximate eigenvector."""
        # Two more steps of inverse iteration, each of which takes κ(M) off what the vector has of other directions.
        vector = self.factor.estimate[1]
        with np.errstate(all="ignore"):
            for _ in range(2):
                vector = self.factor.scaled.solve(vector)
                vector = vector / np.abs(vector).max()
        image = self._multiply(vector, None, 2)
        size = norm_bounds(image.high)[1] + norm_bounds(image.low)[1] + norm_bounds(image.error)[1]
        return (size / norm_bounds(vector)[0]) ** 2

    @cached_property
    def trace(self) -> Fraction:
        """Upper bound of ‖Φ_A‖_F²."""
        return dot_up(self._norms, self._norms)

    @cached_property
    def _norms(self) -> Array:
        """Upper bounds of the norms of A's columns."""
        if self._parent is not None and self._leads:
            return self._parent._norms[: len(self._index)]
        chosen = self.features[self.rows]
        return row_norms(chosen if self.is_dual else chosen.T)

    @cached_property
    @ieee_proof()
    def largest(self) -> Fraction:
        """Upper bound of ‖Φ_A‖₂²."""
        return min(self.trace, self._plain.largest)

    def fitting(
        self,
        targets: Array,
        start: Array | None,
        ridge: float = 0.0,
        *,
        targets_low: Array | None = None,
        start_low: Array | None = None,
    ) -> Work[CertifiedParameters]:
        """Solve with all digits, sharing no product, or with a ridge by the plain system."""
        targets = np.asarray(targets)
        targets_low = None if targets_low is None else np.asarray(targets_low)
        if ridge:
            return (
                yield from super().fitting(
                    targets, start, ridge, targets_low=targets_low, start_low=start_low
                )
            )
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            right = _Pair.of(targets, targets_low)
            if not self.is_dual:
                return self._least_squares(right)
            if start is not None:
                right = right.minus(self._transposed_multiply(start, start_low))
            solved = self._solve(right, None if start is None else _Pair.of(start, start_low))
        image = solved.image
        lost = norm_bounds(image.error)[1]
        # Φ⁺(t − Φ(start + AΣ)) is at most residual/l, and what the error of the image moves is projected away.
        radius = solved.residual / self.factor.low + lost
        # Φ_A w = t, so the image of the error is the residual that is left.
        left = sum(norm_bounds(part)[1] for part in (solved.left.high, solved.left.low, solved.left.error))
        return CertifiedParameters(image.high, image.low, radius, left + root_up(self.trace) * lost)

    def _fitting(self, targets: Array, start: Array | None, ridge: float) -> Work[CertifiedParameters]:
        """A ridge fit, which the plain system answers."""
        return (yield from self._plain.fitting(targets, start, ridge))

    def _least_squares(self, targets: _Pair) -> CertifiedParameters:
        """Minimise ‖Φ_A w − t‖: one step finds about where it is, so that the residual alone is multiplied with κ²."""
        x = self.factor
        begin = x.solve(self._transposed_multiply(targets.high, None, 0).high)
        rest = targets.minus(self._multiply(begin, None, _SLICES))
        gradient = self._transposed_multiply(rest.high, rest.low)
        # An error e of the residual is seen by Xᵀ as Yᵀe.
        solved = self._solve(_Pair(gradient.high, gradient.low, gradient.error), None)
        w = solved.steps.plus(begin)
        off = (solved.residual + x.high * norm_bounds(rest.error)[1]) / x.low + norm_bounds(
            solved.image.error
        )[1]
        lost = norm_bounds(w.error)[1]
        return CertifiedParameters(
            w.high, w.low, x.norm / x.low * off + lost, off + root_up(self.trace) * lost
        )

    def solving(self, g: Array) -> Work[tuple[Array, Fraction]]:
        """Solve K_AA a = g (independent rows) or Φ_AᵀΦ_A a = g: floats, and a bound of ‖a − floats‖_F."""
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            solved = self._solve(_Pair.of(g), None)
        yield from ()  # it shares no product
        x, a = self.factor, solved.steps
        lost = norm_bounds(a.error)[1] + norm_bounds(a.low)[1]
        return a.high, x.norm / x.low * (solved.residual / x.low + norm_bounds(solved.image.error)[1]) + lost

    @ieee_proof()
    def pseudo_norm(self, g: Array) -> tuple[Fraction, Fraction]:
        """Bound ‖Φ_A⁺ g‖_F from both sides."""
        if not g.any():
            return Fraction(0), Fraction(0)
        g = self.padded(g)
        if not self.is_dual:
            found = self.fit(g, None)
            return found.distance(np.zeros_like(found.high))
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            solved = self._solve(_Pair.of(g), None, bits=_FEW_BITS)
        image = solved.image
        lost = sum(norm_bounds(part)[1] for part in (image.low, image.error))
        lost += solved.residual / self.factor.low
        low, high = norm_bounds(image.high)
        return max(Fraction(0), low - lost), high + lost

    def leaving_block_out(
        self, residual: Array, left: Array, residual_low: Array | None = None
    ) -> Work[tuple[Array, Array, Fraction]]:
        """Enclose q = [(K⁻¹)_FF]⁻¹[K⁻¹r]_F, F the last rows: the labels of leave-block-out are y_F − q.

        For any a_R and q̂ let ρ = r − (0; q̂) − K(a_R; 0) and z = K⁻¹ρ. Multiplying out, q − q̂ = Sz_F with S =
        [(K⁻¹)_FF]⁻¹. By Cauchy and Schwarz z_FᵀSz_F ≤ zᵀKz = ‖Φ⁺ρ‖² and S ⪯ K_FF, so ‖q − q̂‖ ≤ ‖Φ_F‖‖Φ⁺ρ‖: a_R and q̂
        are proposals, and only ρ has to be small, as seen by Xᵀ.
        """
        if not self.is_dual:
            raise ValueError("K is singular: there are more rows than columns")
        count = len(residual) - len(left)  # it refines from zero, and needs no proposal
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            solved = self._solve(_Pair.of(residual, residual_low), None, count)
        yield from ()  # it shares no product
        q, norms = solved.shift, self._norms[count:]
        moved = solved.residual / self.factor.low + norm_bounds(solved.image.error)[1]
        return q.high, q.low, root_up(dot_up(norms, norms)) * moved + norm_bounds(q.error)[1]

    # -- refinement ------------------------------------------------------------------------------------

    def _multiply(self, a: Array, low: Array | None, slices: int) -> Accurate:
        """Multiply A with a."""
        return self._sliced(a, low, self.is_dual, slices)

    def _transposed_multiply(self, v: Array, low: Array | None, slices: int = _SLICES) -> Accurate:
        """Multiply Aᵀ with v."""
        return self._sliced(v, low, not self.is_dual, slices)

    def _sliced(self, high: Array, low: Array | None, transposed: bool, slices: int) -> Accurate:
        exponents = self._exponents[0 if transposed else 1]
        return sliced_product(
            self.features, self.rows, high, low, transposed=transposed, slices=slices, exponents=exponents
        )

    @cached_property
    def _exponents(self) -> tuple[Array | None, Array | None]:
        """Sizes of rows and columns, where they differ."""
        return balancing_exponents(self.features, self.rows)

    def _seen(self, g: _Pair) -> tuple[Array, Fraction]:
        """Xᵀg in floats, and a bound of ‖Xᵀg‖_F with the error of g."""
        x, total = self.factor, g.high + g.low
        found = x.inverse.T @ total
        # One rounding in the total and k in the product, each term of which may underflow by η/2.
        rounding = (gamma(x.size) + UNIT) * x.weigh(np.abs(total)) + x.size * found.size * ETA
        return found, norm_bounds(found)[1] + rounding + x.weigh(g.error)

    def _solve(
        self, right: _Pair, start: _Pair | None, count: int | None = None, bits: int = _BITS
    ) -> _Solved:
        """Refine a ≈ M⁻¹g from zero: s = XXᵀg, then g less AᵀAs, until what is left is no more than its error.

        With a count, a is zero from there on, and what it cannot reach is q: Ma = g − (0; q). Each step is some digits
        smaller than the one before, so its products need fewer slices for the same error.

        Args:
            bits: of the largest term, how many the products should carry.
        """
        x, left = self.factor, right
        count = x.size if count is None else count
        columns = right.high.shape[1]
        image = start or _Pair.of(np.zeros((self._height, columns)))
        steps, shift = _Pair.of(np.zeros_like(right.high)), _Pair.of(np.zeros((x.size - count, columns)))
        # What the error of a product is measured by: ‖|A||s|‖ and ‖d‖, at their largest so far.
        reference = [float(np.linalg.norm(image.high))] * 2
        before = math.inf
        seen, bound = self._seen(left)
        for _ in range(_STEPS):
            size = float(np.linalg.norm(seen))
            known = float(x.weigh(left.error) + norm_bounds(image.error)[1])
            if not known < size < before / 2:
                break
            before = size
            step = np.zeros_like(right.high)
            step[:count] = x.inverse[:count, :count] @ seen[:count]
            weights = float(dot_up(self._norms, row_norms(step))), size
            reference = [max(pair) for pair in zip(reference, weights, strict=True)]
            first, second = (_slices(w, r, bits) for w, r in zip(weights, reference, strict=True))
            moved = self._multiply(step, None, first)
            steps = steps.plus(step)
            image = image.plus(moved.high, moved.low, moved.error)
            left = left.minus(self._transposed_multiply(moved.high, moved.low, second))
            if count < x.size:
                # (0; q) is seen as (0; X_FFᵀq), so this q takes away what the last columns see.
                taken = np.zeros_like(step)
                taken[count:] = dtrtrs(x.inverse[count:, count:], seen[count:], trans=1)[0]
                shift, left = shift.plus(taken[count:]), left.plus(-taken)
            seen, bound = self._seen(left)
        return _Solved(steps, shift, image, left, bound)


def _slices(size: float, reference: float, bits: int) -> int:
    """Slices for a product of this size whose error should be about 2^-bits of the reference."""
    if not 0.0 < size < math.inf:
        return _SLICES
    return min(_SLICES, max(0, math.ceil((bits - 53 - math.log2(reference / size)) / 21)))
