"""Ordinary float64 linear algebra: fast, and every number that it returns is only measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import cast, final

import numpy as np
import scipy.linalg
from scipy.linalg.lapack import dpotri, dtrtrs

from ..arrays import Array, first_nonfinite
from ..errors import expected
from ..former import former
from .arithmetic import Arithmetic, Factor
from .gram import COLUMN_BLOCK, blocked_gram, mirror_lower
from .inputs import float_array, span
from .quantity import Quantity

__all__ = ["FLOAT64", "CholeskyFactor", "SpectralFactor", "cholesky_factor", "in_range"]
former(__name__)

_EPS = float(np.finfo(np.float64).eps)


@final
@dataclass(frozen=True, eq=False, slots=True)
class CholeskyFactor(Factor):
    """K = LLᵀ for a numerically positive definite K.

    Args:
        lower: L in the lower triangle of the first k rows, shape (n, k) in Fortran order with n ≥ k.
            Extra rows let a leading block share the memory of the whole factor.

    Example:
        >>> factor = FLOAT64.factor(np.array([[4.0, 2.0], [2.0, 5.0]]))
        >>> factor.solve(np.array([[8.0], [12.0]])).ravel()
        array([1., 2.])
        >>> factor.leading(1).solve(np.array([[8.0]]))
        array([[2.]])
        >>> factor.trailing(1).solve(np.array([[8.0]]))  # the Schur complement is 5 - 2·2/4 = 4
        array([[2.]])
    """

    lower: Array

    @property
    def rank(self) -> int:
        """Full: a singular matrix gets a SpectralFactor instead."""
        return self.size

    @property
    def size(self) -> int:
        """Number of rows of K."""
        return int(self.lower.shape[1])

    def solve(self, b: Array) -> Array:
        """Solve K a = b for all columns at once."""
        return self.backward(self.forward(b))

    def forward(self, b: Array) -> Array:
        """Solve L x = b, shape (n, C), so that ‖x‖² is the energy bᵀ K⁻¹ b."""
        return self._triangular(b, transposed=0)

    def backward(self, b: Array) -> Array:
        """Solve Lᵀ x = b, shape (n, C)."""
        return self._triangular(b, transposed=1)

    def _triangular(self, b: Array, transposed: int) -> Array:
        """Triangular solve that reads L in place, leading dimension and all."""
        if b.shape[0] != self.size:
            raise expected(
                f"{self.size} rows", "b", b.shape, "array", "a right-hand side with one row per sample"
            )
        if b.size == 0:
            return np.zeros(b.shape)
        solution, _ = dtrtrs(self.lower, b, lower=1, trans=transposed)
        return cast(Array, solution)

    def inverse(self) -> Array:
        """K⁻¹, exactly symmetric: dpotri, at a third of the arithmetic of solving for the columns of I.

        Example:
            >>> CholeskyFactor(np.array([[2.0], [9.0]], order="F")).inverse()
            array([[0.25]])
        """
        if not self.size:
            return np.zeros((0, 0))
        inverse, _ = dpotri(self.lower[: self.size], lower=1)
        mirror_lower(inverse)
        return cast(Array, inverse)

    def leading(self, k: int) -> CholeskyFactor:
        """Factor of the leading k×k block of K, 0 ≤ k ≤ n; shares this factor's memory."""
        return CholeskyFactor(self.lower[:, :k])

    def trailing(self, k: int) -> CholeskyFactor:
        """Factor of the Schur complement K[k:, k:] − K[k:, :k] K[:k, :k]⁻¹ K[:k, k:], at no arithmetic cost.

        It copies its (n − k)² corner of L, which LAPACK's interface cannot address inside the larger array.
        """
        return CholeskyFactor(np.asfortranarray(self.lower[k : self.size, k:]))


@final
@dataclass(frozen=True, eq=False, slots=True)
class SpectralFactor(Factor):
    """K = V diag(λ) Vᵀ with the numerically zero eigenvalues left out, for a numerically singular K.

    Args:
        vectors: V, shape (n, r).
        values: λ, shape (r,), all positive.
    """

    vectors: Array
    values: Array

    @property
    def rank(self) -> int:
        """Number of eigenvalues above 16·n·eps·λ_max."""
        return int(self.values.shape[0])

    @property
    def size(self) -> int:
        """Number of rows of K."""
        return int(self.vectors.shape[0])

    def solve(self, b: Array) -> Array:
        """Apply K⁺, the pseudo-inverse at numerical rank, so that Φᵀ K⁺ b = Φ⁺ b for K = ΦΦᵀ."""
        return self.vectors @ ((self.vectors.T @ b) / self.values[:, None])


@final
@dataclass(frozen=True)
class _Float64(Arithmetic):
    """Numpy and LAPACK at double precision; every Quantity it returns is only measured.

    Matrices are float64 arrays of shape (n, D). A float32 array (or a memory map) is accepted too, never
    modified, and converted block by block where it is used.

    Example:
        >>> k = FLOAT64.gram(FLOAT64.matrix([[3, 0], [0, 4]]))
        >>> FLOAT64.factor(k).rank, FLOAT64.square_norm(k).bound
        (2, 337.0)
    """

    name: str = field(default="float64", init=False)

    def matrix(self, values: Array | Sequence[Sequence[object]]) -> Array:
        """Read a matrix, without a copy if it is of floats; Fractions and wide ints become the nearest float64."""
        return float_array(values)

    def to_numpy(self, a: Array) -> Array:
        """Give a float64 array; the same one when it is float64 already."""
        return np.asarray(a, dtype=np.float64)

    def shape(self, a: Array) -> tuple[int, int]:
        """Rows and columns."""
        return int(a.shape[0]), int(a.shape[1])

    def matmul(self, a: Array, b: Array) -> Array:
        """Product a b; a float32 factor is converted a block at a time."""
        if a.dtype == np.float64 and b.dtype == np.float64:
            return a @ b
        result = np.zeros((a.shape[0], b.shape[1]))
        step = 4 * COLUMN_BLOCK
        if b.shape[1] > a.shape[0]:
            for start in range(0, b.shape[1], step):
                piece = np.asarray(b[:, start : start + step], dtype=np.float64)
                result[:, start : start + step] = np.asarray(a, dtype=np.float64) @ piece
            return result
        for start in range(0, a.shape[1], step):
            left = np.asarray(a[:, start : start + step], dtype=np.float64)
            result += left @ np.asarray(b[start : start + step], dtype=np.float64)
        return result

    def add(self, a: Array, b: Array) -> Array:
        """Sum a + b."""
        return np.add(a, b, dtype=np.float64)

    def sub(self, a: Array, b: Array) -> Array:
        """Difference a − b."""
        return np.subtract(a, b, dtype=np.float64)

    def scale(self, factor: Fraction | int | float, a: Array) -> Array:
        """Scalar multiple; the factor is rounded to float64."""
        return np.multiply(float(factor), a, dtype=np.float64)

    def transpose(self, a: Array) -> Array:
        """Transpose, a view."""
        return a.T

    def take(self, a: Array, rows: Sequence[int] | None, columns: Sequence[int] | None = None) -> Array:
        """Sub-matrix of the given rows and columns; a view when both are consecutive."""
        return a[span(rows, a.shape[0])][:, span(columns, a.shape[1])]

    def vstack(self, a: Array, b: Array) -> Array:
        """Put a above b."""
        return np.vstack([a, b])

    def zeros(self, rows: int, columns: int) -> Array:
        """Zero matrix."""
        return np.zeros((rows, columns))

    def identity(self, size: int) -> Array:
        """Identity matrix."""
        return np.eye(size)

    def gram(self, features: Array, columns: Array | None = None) -> Array:
        """Gram matrix ΦΦᵀ, see `blocked_gram`.

        Args:
            features: shape (n, D), float64 or float32, possibly memory-mapped.
            columns: positions of the columns to sum over; None for all.

        Returns:
            Float64 array of shape (n, n), exactly symmetric.

        Raises:
            BadInputError: the squares overflow float64.
        """
        return in_range(blocked_gram(features, columns=columns))

    def factor(self, k: Array) -> Factor:
        """Factorise K: Cholesky when it is numerically positive definite, else by eigenvalues.

        Numerically positive definite means that LAPACK's Cholesky succeeds and its condition estimate stays
        below 1/(n·eps); otherwise eigenvalues up to 16·n·eps·λ_max count as zero: LAPACK returns zeros that large.

        Raises:
            BadInputError: not square, NaN or infinite entries.
        """
        n = _square(k)
        bad = first_nonfinite(k)
        if bad is not None:
            raise expected(
                "finite numbers", f"k[{bad[0]}, {bad[1]}]", k[bad], "float", "a finite Gram matrix"
            )
        regular = cholesky_factor(k)
        if regular is not None:
            return regular
        # LAPACK's default eigensolver (MRRR) can loop for ever on entries like 1e189 beside 1e-62. A power of two,
        # which changes no digit, and divide and conquer avoid that.
        exponent = int(np.frexp(float(np.diagonal(k).max()))[1])
        values, vectors = scipy.linalg.eigh(np.ldexp(k, -exponent), driver="evd", check_finite=False)
        kept = values > max(n * _EPS * values[-1], 0.0)
        return SpectralFactor(vectors[:, kept], np.ldexp(values[kept], exponent))

    def rank(self, a: Array) -> int:
        """Numerical rank: singular values above max(n, D)·eps·σ_max."""
        return 0 if a.size == 0 else int(np.linalg.matrix_rank(np.asarray(a, dtype=np.float64)))

    def null_space(self, a: Array) -> Array:
        """Orthonormal basis of the numerical null space, shape (D, D − rank)."""
        rows, columns = a.shape
        if a.size == 0:
            return np.eye(columns)
        _, values, right = np.linalg.svd(np.asarray(a, dtype=np.float64), full_matrices=True)
        rank = int(np.count_nonzero(values > max(rows, columns) * _EPS * values[0]))
        return right[rank:].T

    def square_norm(self, a: Array) -> Quantity:
        """Squared Frobenius norm, measured."""
        flat = np.asarray(a, dtype=np.float64).ravel()
        with np.errstate(over="ignore"):  # an overflow is infinite, so that no limit holds
            return Quantity.measured(float(flat @ flat))

    def energy(self, a: Array, k: Array) -> Quantity:
        """tr(aᵀ K a), measured; rounding below zero is cut off at zero."""
        with np.errstate(over="ignore", invalid="ignore"):
            value = float(np.sum(a * (k @ a)))
        # Where products overflow, −∞ and NaN are no rounding below zero: then no limit may hold.
        return Quantity.measured(max(0.0, value) if np.isfinite(value) else np.inf)


def in_range(gram: Array) -> Array:
    """The Gram matrix itself, unless it overflows.

    Raises:
        BadInputError: it does.

    Example:
        >>> in_range(np.eye(1))
        array([[1.]])
    """
    bad = first_nonfinite(gram)
    if bad is not None:
        raise expected(
            "a Gram matrix within the float64 range",
            f"gram[{bad[0]}, {bad[1]}]",
            gram[bad],
            "overflow",
            "rescaling the features by a power of two, or arithmetic='rational'",
        )
    return gram


def cholesky_factor(k: Array) -> CholeskyFactor | None:
    """Factorise K if it is numerically positive definite; never falls back to anything slower.

    Returns:
        The factor, or None when Cholesky fails or its condition estimate reaches 1/(n·eps).

    Example:
        >>> cholesky_factor(np.ones((2, 2))) is None
        True
    """
    n = len(k)
    if n == 0:
        return CholeskyFactor(np.zeros((0, 0), order="F"))
    # K is symmetric, so its transpose is a Fortran-ordered K, and LAPACK makes the only copy.
    lower, info = scipy.linalg.lapack.dpotrf(k.T if k.flags.c_contiguous else k, lower=1, clean=1)
    if info != 0:
        return None
    norm = scipy.linalg.lapack.dlange("1", k.T if k.flags.c_contiguous else k)  # type: ignore[call-arg]
    reciprocal, _ = scipy.linalg.lapack.dpocon(lower, norm, uplo="L")
    return CholeskyFactor(lower) if reciprocal > n * _EPS else None


def _square(k: Array) -> int:
    """Size of a square matrix, or a refusal."""
    if k.ndim != 2 or k.shape[0] != k.shape[1]:
        raise expected("a square matrix", "k", k.shape, "array", "a Gram matrix")
    return int(k.shape[0])


FLOAT64 = _Float64()
"""The float64 arithmetic; it has no parameters."""
