"""Proved bounds on the eigenvalues of K = ΦΦᵀ from its float64 image K̂, at the price of one Cholesky.

If Cholesky of K̂ − sI runs to completion in floating point, then K̂ ⪰ (s − ε)I with an ε that is known
beforehand (S. M. Rump, "Verification of positive definiteness", BIT 2006), and K ⪰ K̂ − ‖K̂ − K‖I. The
same number bounds every principal block of K from below (Cauchy interlacing) and every Schur complement
(its inverse is a block of K⁻¹). What is assumed of BLAS and LAPACK: conventional multiplication (no
Strassen), round to nearest, gradual underflow.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import scipy.linalg

from ..arrays import Array
from .arithmetic import Factor
from .gram import gram_roundings
from .ieee import ieee_proof
from .rounding import ETA, UNIT, exact, gamma, inner_product, norm_bounds, sum_up
from .tiled import tiled_cholesky
from .tiles import Tiles

__all__ = [
    "gram_error",
    "largest_eigenvalue_bound",
    "rayleigh_bound",
    "smallest_eigenvalue_bound",
    "smallest_eigenvalue_estimate",
    "trace_bound",
]

# Tried in turn: a shift close to the estimate when the estimate is good, a modest one when it is not.
_SHIFTS = (0.8, 0.3, 0.05, 0.97)


@ieee_proof()
def trace_bound(gram: Array | Tiles, width: int) -> Fraction:
    """Bound tr(ΦΦᵀ) = ‖Φ‖_F² from above, by the K̂ that `blocked_gram` computed of Φ with D columns.

    Example:
        >>> 2 <= trace_bound(np.eye(2), 4) < 2.0000001
        True
    """
    # K̂_ii ≥ (1 − γ)K_ii − Dη: sums of squares do not cancel.
    diagonal = sum_up(gram.diagonal())
    n = int(gram.shape[0])
    return (diagonal + n * width * ETA) / (1 - gamma(gram_roundings(width)))


def gram_error(gram: Array | Tiles, width: int) -> Fraction:
    """Bound ‖K̂ − ΦΦᵀ‖₂ for a Gram matrix formed by `blocked_gram`.

    Entry by entry the error is at most γ_k |Φ||Φ|ᵀ plus underflow, with k roundings that grow with the
    block length and the number of blocks instead of D; and ‖|Φ||Φ|ᵀ‖₂ ≤ ‖Φ‖_F².

    Example:
        >>> 0 < gram_error(np.eye(2), 4) < 1e-14
        True
    """
    n = int(gram.shape[0])
    return gamma(gram_roundings(width)) * trace_bound(gram, width) + n * width * ETA


def smallest_eigenvalue_estimate(factor: Factor, steps: int = 8) -> tuple[float, Array]:
    """Estimate λ_min by Lanczos on K⁻¹; a guess for the shift, nothing is claimed about it.

    Args:
        factor: of K̂, n ≥ 1.
        steps: Lanczos steps; each is two triangular solves.

    Returns:
        The estimate (from above, but for rounding) and the vector, shape (n, 1), that gave it.

    Example:
        >>> from muso_theory.numbers.float64 import FLOAT64
        >>> round(smallest_eigenvalue_estimate(FLOAT64.factor(np.diag([1.0, 4.0])))[0], 9)
        1.0
    """
    n = factor.size
    start = np.random.default_rng(0).standard_normal(n)
    basis = [start / np.linalg.norm(start)]
    images = []
    with np.errstate(all="ignore"):
        for _ in range(min(n, steps)):
            image = factor.solve(basis[-1][:, None])[:, 0]
            images.append(image)
            known = np.array(basis)
            rest = image - known.T @ (known @ image)
            rest -= known.T @ (known @ rest)
            size = float(np.linalg.norm(rest))
            if not 1e-14 * float(np.linalg.norm(image)) < size < np.inf:
                break
            basis.append(rest / size)
        known = np.array(basis[: len(images)])
        projected = known @ np.array(images).T
        if not np.isfinite(projected).all():
            return float("nan"), start[:, None]
        values, vectors = np.linalg.eigh((projected + projected.T) / 2)
        return float(1.0 / values[-1]), (vectors[:, -1] @ known)[:, None]


@ieee_proof()
def smallest_eigenvalue_bound(
    gram: Array | Tiles, error: Fraction, estimate: float, shifts: tuple[float, ...] = _SHIFTS
) -> Fraction | None:
    """Prove λ_min(K) ≥ c > 0 for every symmetric K with ‖K − K̂‖₂ ≤ error.

    Args:
        gram: K̂, shape (n, n), symmetric; not modified (one copy is made), or in tiles.
        error: bound of ‖K̂ − K‖₂.
        estimate: about λ_min(K̂); decides how good c is, never whether it is right.
        shifts: shares of the estimate to be tried in turn, each at the price of a Cholesky.

    Returns:
        c, or None when float64 cannot prove any.

    Raises:
        ArithmeticModeError: this thread does not do IEEE arithmetic.

    Example:
        >>> c = smallest_eigenvalue_bound(np.diag([1.0, 4.0]), Fraction(0), 1.0)
        >>> 0.7 < c < 1.0
        True
        >>> smallest_eigenvalue_bound(np.ones((2, 2)), Fraction(0), 1e-17) is None
        True
    """
    n = int(gram.shape[0])
    diagonal = gram.diagonal()
    largest = float(diagonal.max(initial=0.0))
    if not (0.0 < largest < np.inf and 0.0 < estimate < np.inf):
        return None
    # An even power of two brings the diagonal to at most 1, so neither pivots nor their reciprocals leave
    # the range; entries that become subnormal are wrong by at most η, n·η in norm.
    exponent = int(np.frexp(largest)[1])
    exponent += exponent % 2
    scale = Fraction(2) ** exponent
    # Cholesky rounds entry (i, j), i ≥ j, j + 1 times, or j + 4 times where a division is a product with a
    # rounded reciprocal, as fast LAPACKs do: LLᵀ = A + Δ, |Δ_ij| ≤ φ_min(i,j) √(a_ii a_jj), φ_j =
    # γ_{j+4}/(1 − γ_{j+4}), and since φ grows, ‖Δ‖₂ ≤ Σ_j φ_j a_jj ≤ 1.01 u Σ_j (j + 4) a_jj for n ≤
    # 10^12. (j counts from 1.)
    weighted = sum_up(np.arange(6.0, n + 6.0) * diagonal) * (1 + 4 * UNIT) / scale
    rounding = Fraction(101, 100) * UNIT * weighted
    # Subtracting s rounds each diagonal entry by at most u·max(a_ii, s) ≤ u. Underflow: Rump's 3(2n + 1)η
    # an entry.
    rounding += UNIT + 3 * n * (2 * n + 3) * ETA
    lost = rounding * scale + error
    for fraction in shifts if lost < exact(estimate) else ():
        shift = min(float(np.ldexp(fraction * estimate, -exponent)), 1.0)
        bound = exact(shift) * scale - lost
        if bound <= 0:
            continue
        if _completes(gram, exponent, shift):
            return bound
    return None


def _completes(gram: Array | Tiles, exponent: int, shift: float) -> bool:
    """Whether Cholesky of 2^-exponent·K̂ − shift·I runs to completion."""
    if isinstance(gram, Tiles):
        return tiled_cholesky(gram, exponent=exponent, shift=shift, kept=False) is not None
    shifted = np.ldexp(gram, -exponent) if abs(exponent) > 1000 else gram * 2.0**-exponent
    shifted[np.diag_indices(len(gram))] -= shift
    # The transpose of a symmetric C-ordered matrix is the Fortran-ordered one that LAPACK overwrites.
    lower, info = scipy.linalg.lapack.dpotrf(shifted.T, lower=1, clean=0, overwrite_a=1)
    # A NaN anywhere in a row of L reaches its diagonal, and some LAPACKs let it pass.
    return bool(info == 0 and np.isfinite(np.diagonal(lower)).all())


@ieee_proof()
def largest_eigenvalue_bound(gram: Array | Tiles, error: Fraction) -> Fraction:
    """Prove λ_max(K) ≤ b by the smallest of three norms of K̂, plus the bound of ‖K̂ − K‖₂.

    b is at most the trace, and at most √n times too large.

    Raises:
        UndecidedError: overflow.

    Example:
        >>> 4 <= largest_eigenvalue_bound(np.diag([1.0, 4.0]), Fraction(0)) < 4.2
        True
    """
    rows = _row_sums(gram)
    # A row sum of n nonnegative terms is right to γ_n.
    row_sum = exact(float(rows.max(initial=0.0))) / (1 - gamma(gram.shape[0]))
    return min(_frobenius(gram), row_sum) + error


@ieee_proof()
def rayleigh_bound(gram: Array | Tiles, vector: Array, error: Fraction) -> Fraction:
    """Prove λ_min(K) ≤ b by the Rayleigh quotient of a vector of shape (n, 1), plus the bound of ‖K̂ − K‖₂.

    Example:
        >>> 1 <= rayleigh_bound(np.diag([1.0, 4.0]), np.array([[1.0], [0.0]]), Fraction(0)) < 1.0001
        True
    """
    image = gram @ vector
    value, lost = inner_product(vector, image)
    low, high = norm_bounds(vector)
    # K̂x is wrong by γ_n |K̂||x| ≤ γ_n ‖K̂‖_F ‖x‖ in norm.
    n = int(gram.shape[0])
    slack = lost + gamma(n) * _frobenius(gram) * high**2 + n**2 * high * ETA
    return (value + slack) / low**2 + error


def _row_sums(gram: Array | Tiles) -> Array:
    """Σ_j |k_ij| for each row."""
    if isinstance(gram, Tiles):
        return gram.row_sums
    return np.array([float(np.abs(row).sum()) for row in gram])


def _frobenius(gram: Array | Tiles) -> Fraction:
    """Upper bound of the Frobenius norm."""
    return gram.frobenius if isinstance(gram, Tiles) else norm_bounds(gram)[1]
