"""A triangular X that makes the columns of A nearly orthonormal, and the proof that it does.

X ≈ R⁻¹ comes from a Householder QR factorisation A = QR in float64, whose backward error is a small multiple of u‖A‖
(N. Higham, "Accuracy and Stability", thm. 19.4): as long as κ(A) is below about 10^15, Y = AX is close to Q. The
factorisation is only a proposal. What is proved, for the X that came out, is l ≤ σ(Y) ≤ h with l > 0, from a computed
Ŷ: |σ(Y) − σ(Ŷ)| ≤ ‖Y − Ŷ‖ and |σ(Ŷ)² − 1| ≤ ‖ŶᵀŶ − I‖ (S. M. Rump, "Inversion of extremely ill-conditioned matrices in
floating-point", JJIAM 2009). A then has full column rank, and M = AᵀA = X⁻ᵀ(YᵀY)X⁻¹, though κ(M) = κ(A)² may be 10^24.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, final

import numpy as np
import scipy.linalg.lapack

from ..arrays import Array
from .arithmetic import Factor
from .gram import COLUMN_BLOCK, blocked_gram, gram_roundings
from .ieee import ieee_proof
from .rounding import (
    ETA,
    UNIT,
    exact,
    gamma,
    norm_bounds,
    root_down,
    root_up,
    row_norms,
    sum_up,
)
from .slices import sliced_product
from .spectrum import (
    gram_error,
    largest_eigenvalue_bound,
    smallest_eigenvalue_bound,
    smallest_eigenvalue_estimate,
)

__all__ = ["Preconditioner", "precondition"]


@final
@dataclass(frozen=True, eq=False)
class Preconditioner(Factor):
    """An upper triangular X with l ≤ σ(AX) ≤ h for a tall matrix A: M = AᵀA is regular, and M⁻¹ ≈ XXᵀ.

    Args:
        inverse: X, shape (k, k), zero below the diagonal.
        low: l > 0, proved.
        high: h, proved.

    Example:
        >>> a = np.array([[3.0, 4.0, 0.0], [0.0, 0.0, 2.0]])
        >>> found = precondition(a, slice(None), np.array([5.0, 2.0]), transposed=True)
        >>> found.solve(np.array([[25.0], [4.0]])).ravel(), bool(0.99 < found.low < found.high < 1.01)
        (array([1., 1.]), True)
        >>> 3.5 < float(found.smallest) <= 4  # λ_min of AᵀA = diag(25, 4)
        True
    """

    inverse: Array
    low: Fraction
    high: Fraction

    @property
    def rank(self) -> int:
        """Full, by proof."""
        return self.size

    @property
    def size(self) -> int:
        """The number of columns of A."""
        return int(self.inverse.shape[0])

    def solve(self, b: Array) -> Array:
        """Approximate M⁻¹b by XXᵀb, for b of shape (k, C); nothing is claimed about the floats."""
        return np.asarray(self.inverse @ (self.inverse.T @ b))

    def leading(self, k: int) -> Preconditioner:
        """The same for the first k columns of A: X is triangular, so AX contains that of the leading columns."""
        return Preconditioner(self.inverse[:k, :k], self.low, self.high)

    @cached_property
    def row_norms(self) -> Array:
        """Upper bounds of the norms of the rows x_k of X, shape (k,)."""
        return row_norms(self.inverse)

    @ieee_proof()
    def weigh(self, error: Array) -> Fraction:
        """Bound ‖XᵀE‖_F for all |E| ≤ error, by Σ_k ‖x_k‖‖error_k‖: the scale of A's columns does not matter."""
        return dot_up(self.row_norms, row_norms(error))

    @cached_property
    def exponent(self) -> int:
        """Of the largest entry of X."""
        return int(np.frexp(max(float(self.inverse.max()), -float(self.inverse.min())))[1])

    @cached_property
    def scaled(self) -> Preconditioner:
        """X by a power of two so that its largest entry is about 1: a proposal of the same shape, with no proof."""
        return Preconditioner(np.ldexp(self.inverse, -self.exponent), self.low, self.high)

    @cached_property
    def estimate(self) -> tuple[float, Array]:
        """Estimate of λ_max of the scaled XXᵀ, and the vector it comes from."""
        reciprocal, vector = smallest_eigenvalue_estimate(self.scaled)
        return (1.0 / reciprocal if reciprocal > 0.0 else math.nan), vector

    @cached_property
    @ieee_proof()
    def norm(self) -> Fraction:
        """Upper bound of ‖X‖₂, a few per cent above it where a Cholesky factorisation could prove λ_max(XXᵀ)."""
        x, k = self.scaled.inverse, self.size
        frobenius = norm_bounds(x)[1]
        # XXᵀ with γ_k|X||X|ᵀ, at most γ_k‖X‖_F² in norm, and η/2 for each of k products where it underflows.
        square = scipy.linalg.lapack.dlauum(np.asfortranarray(x), lower=0)[0]
        square = np.triu(square) + np.triu(square, 1).T
        error = gamma(k) * frobenius**2 + k * k * ETA
        bound = _largest_eigenvalue(square, error, self.estimate[0])
        # Entries that became subnormal when they were scaled are wrong by η each.
        return (min(frobenius, root_up(bound)) + k * ETA) * Fraction(2) ** self.exponent

    @cached_property
    def smallest(self) -> Fraction:
        """Proved lower bound of λ_min(M) = σ_min(A)², and of λ_min of every principal block of M."""
        return (self.low / self.norm) ** 2


def dot_up(x: Array, y: Array) -> Fraction:
    """Bound Σ x_i y_i from above for nonnegative floats.

    Example:
        >>> dot_up(np.array([0.1]), np.array([0.1])) >= Fraction(0.1) ** 2
        True
    """
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        return sum_up(x * y) * (1 + 2 * UNIT) + x.size * ETA


def _largest_eigenvalue(square: Array, error: Fraction, estimate: float) -> Fraction:
    """Bound λ_max of a matrix within ``error`` of ``square``: s times the identity less it is positive definite."""
    easy = largest_eigenvalue_bound(square, error)
    # Lanczos estimates from below, so s is a little more; what is left between them is proved, too.
    shift = 1.25 * estimate
    if not 0.0 < shift < float(easy):
        return easy
    shifted = -square
    diagonal = np.diagonal(square)
    shifted[np.diag_indices_from(shifted)] += shift
    lost = UNIT * (exact(float(diagonal.max())) + exact(shift))
    margin = smallest_eigenvalue_bound(shifted, error + lost, shift - estimate)
    return easy if margin is None else min(easy, exact(shift) - margin)


@ieee_proof()
def precondition(features: Array, rows: Any, norms: Array, *, transposed: bool) -> Preconditioner | None:
    """Find X for A = Φ_rowsᵀ (independent rows) or A = Φ_rows (independent columns), and prove l ≤ σ(AX) ≤ h.

    Costs a QR factorisation, a triangular inverse, AX and (AX)ᵀAX: about as much as six solves with Cholesky.

    Args:
        norms: upper bounds of the norms of A's columns.
        transposed: whether A is the transpose of Φ_rows.

    Returns:
        X with its proof, or None when float64 cannot prove that A has full column rank.

    Raises:
        UndecidedError: this thread does not do IEEE arithmetic, or float64 overflows.

    Example:
        >>> precondition(np.ones((2, 3)), slice(None), np.array([1.8, 1.8]), transposed=True) is None
        True
    """
    chosen = np.asarray(features[rows], dtype=np.float64)
    columns = chosen if transposed else chosen.T  # Aᵀ, shape (k, m)
    with np.errstate(all="ignore"):
        inverse = _inverse_of_triangle(columns)
        if inverse is None:
            return None
        # |Y − Ŷ| ≤ γ|A||X|, and ‖|A||X|‖_F ≤ Σ_k ‖a_k‖‖x_k‖: neither changes with the scale of A's columns.
        product, off = _plain(columns, inverse, norms)
        if not off < Fraction(1, 4):
            product, off = _accurate(features, rows, inverse, transposed)
        square = blocked_gram(product)
    width = columns.shape[1]
    error = gram_error(square, width)
    diagonal = np.diag_indices_from(square)
    square[diagonal] -= 1.0
    error += UNIT * exact(float(np.abs(square[diagonal]).max()))
    deviation = largest_eigenvalue_bound(square, error)
    low, high = root_down(1 - deviation) - off, root_up(1 + deviation) + off
    return Preconditioner(inverse, low, high) if low > 0 else None


def _inverse_of_triangle(columns: Array) -> Array | None:
    """R⁻¹ of the QR factorisation of A in float64, or None where R is singular; a proposal, not a claim.

    AX − Q ≈ Q(RX − I) asks for a small right residual, which substitution has. LAPACK's inverse of a triangle has a
    small left one, and the right one may be κ(R) times larger (Higham, "Accuracy and Stability", sec. 14.2).
    """
    k, m = columns.shape
    work = np.array(columns.T, order="F")
    size = int(scipy.linalg.lapack.dgeqrf_lwork(m, k)[0])
    triangle = np.triu(scipy.linalg.lapack.dgeqrf(work, lwork=max(size, k), overwrite_a=1)[0][:k])
    inverse = np.zeros((k, k))
    for start in range(0, k, COLUMN_BLOCK):
        stop = min(start + COLUMN_BLOCK, k)
        unit = np.eye(stop, stop - start, -start)
        inverse[:stop, start:stop], info = scipy.linalg.lapack.dtrtrs(triangle[:stop, :stop], unit)
        if info != 0:
            return None
    return inverse if np.isfinite(inverse).all() else None


def _plain(columns: Array, inverse: Array, norms: Array) -> tuple[Array, Fraction]:
    """Ŷᵀ, shape (k, m), and a bound of ‖Y − Ŷ‖_F; the triangle saves half of the product."""
    k, m = columns.shape
    product = np.zeros((k, m))
    for start in range(0, k, COLUMN_BLOCK):
        stop = min(start + COLUMN_BLOCK, k)
        product[start:] += inverse[start:stop, start:].T @ columns[start:stop]
    # Each of k products may underflow, by η/2.
    return product, gamma(gram_roundings(k)) * dot_up(norms, row_norms(inverse)) + k * k * m * ETA


def _accurate(features: Array, rows: Any, inverse: Array, transposed: bool) -> tuple[Array, Fraction]:
    """The same with 21 bits more."""
    found = sliced_product(features, rows, inverse, transposed=transposed, slices=1)
    return np.ascontiguousarray(found.high.T), norm_bounds(found.error)[1] + norm_bounds(found.low)[1]
