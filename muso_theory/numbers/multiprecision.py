"""mpmath at a chosen number of digits: a slow reference for the other arithmetics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Any, cast, final

import mpmath
import numpy as np

from ..arrays import Array
from ..errors import SingularMatrixError, check_integer, expected
from ..former import former
from .arithmetic import Arithmetic, Factor
from .inputs import exact_rows, span
from .pivoting import independent_columns
from .quantity import Quantity

__all__ = ["MP"]
former(__name__)


@lru_cache(maxsize=64)
def _context(digits: int) -> Any:
    """A context of its own for each precision, never changed after this, so threads may share it."""
    context = mpmath.MPContext()
    context.dps = digits
    return context


@final
@dataclass(frozen=True, eq=False, slots=True)
class _MPFactor(Factor):
    """K = LLᵀ at some number of digits.

    Args:
        lower: L, object array of shape (n, n), lower triangular.
        context: the mpmath context its entries belong to.
    """

    lower: Array
    context: Any

    @property
    def rank(self) -> int:
        """Full."""
        return self.size

    @property
    def size(self) -> int:
        """Number of rows of K."""
        return int(self.lower.shape[0])

    def solve(self, b: Array) -> Array:
        """Solve K a = b."""
        n = self.size
        if b.shape[0] != n:
            raise expected(f"{n} rows", "b", b.shape, "array", "one row per sample")
        dot = self.context.fdot
        result = np.empty_like(b)
        for c in range(b.shape[1]):
            x: list[Any] = []
            for i in range(n):
                x.append((b[i, c] - dot(self.lower[i, :i], x)) / self.lower[i, i])
            for i in reversed(range(n)):
                x[i] = (x[i] - dot(self.lower[i + 1 :, i], x[i + 1 :])) / self.lower[i, i]
            result[:, c] = x
        return result


@final
@dataclass(frozen=True)
class MP(Arithmetic):
    """Correctly rounded operations at ``digits`` decimal digits; no proof, so every Quantity is measured.

    Matrices are object arrays of the ``mpf`` of a private context. mpmath's global context is neither read
    nor written, and the private ones never change, so threads may share an instance.

    Args:
        digits: working precision in decimal digits, at least 2.

    Raises:
        BadInputError: fewer than 2 digits.

    Example:
        >>> mp = MP(30)
        >>> mp.square_norm(mp.matrix([[Fraction(1, 3), 2]])).bound
        4.111111111111111
    """

    digits: int
    name: str = field(default="mp", init=False)

    def __post_init__(self) -> None:
        """Refuse a precision that means nothing."""
        object.__setattr__(self, "digits", check_integer("digits", self.digits, 2, hint="30"))

    @property
    def context(self) -> Any:
        """The private mpmath context; read it, do not change it."""
        return _context(self.digits)

    def matrix(self, values: Array | Sequence[Sequence[object]]) -> Array:
        """Read a matrix; whatever needs more digits than this arithmetic has is rounded once."""
        rows, columns, entries = exact_rows(values)
        result = np.empty((rows, columns), dtype=object)
        for i, row in enumerate(entries):
            result[i, :] = [self._number(value) for value in row]
        return result

    def _number(self, value: int | Fraction | float) -> Any:
        """Round one number to this precision."""
        top, bottom = value.as_integer_ratio()
        # One division of exact integers is one rounding; mpf(int) would keep all digits of a long integer.
        return self.context.fdiv(top, bottom)

    def to_numpy(self, a: Array) -> Array:
        """Round to float64."""
        return np.array([float(x) for x in a.ravel()], dtype=np.float64).reshape(a.shape)

    def shape(self, a: Array) -> tuple[int, int]:
        """Rows and columns."""
        return int(a.shape[0]), int(a.shape[1])

    def matmul(self, a: Array, b: Array) -> Array:
        """Product a b; every inner product is rounded once."""
        dot = self.context.fdot
        result = np.empty((a.shape[0], b.shape[1]), dtype=object)
        columns = [b[:, j].tolist() for j in range(b.shape[1])]
        for i in range(a.shape[0]):
            row = a[i].tolist()
            result[i, :] = [dot(row, column) for column in columns]
        return result

    def add(self, a: Array, b: Array) -> Array:
        """Sum a + b."""
        return a + b

    def sub(self, a: Array, b: Array) -> Array:
        """Difference a − b."""
        return a - b

    def scale(self, factor: Fraction | int | float, a: Array) -> Array:
        """Scalar multiple; the factor is rounded to this precision."""
        return cast(Array, a * self._number(factor))

    def transpose(self, a: Array) -> Array:
        """Transpose, a view."""
        return a.T

    def take(self, a: Array, rows: Sequence[int] | None, columns: Sequence[int] | None = None) -> Array:
        """Sub-matrix of the given rows and columns, in the given order."""
        return a[span(rows, a.shape[0])][:, span(columns, a.shape[1])]

    def vstack(self, a: Array, b: Array) -> Array:
        """Put a above b."""
        return np.vstack([a, b])

    def zeros(self, rows: int, columns: int) -> Array:
        """Zero matrix."""
        return np.full((rows, columns), self.context.zero, dtype=object)

    def identity(self, size: int) -> Array:
        """Identity matrix."""
        result = self.zeros(size, size)
        np.fill_diagonal(result, self.context.one)
        return result

    def gram(self, features: Array) -> Array:
        """Gram matrix ΦΦᵀ."""
        return self.matmul(features, features.T)

    def factor(self, k: Array) -> _MPFactor:
        """Cholesky factorisation at this precision.

        Raises:
            BadInputError: not square.
            SingularMatrixError: a pivot is zero, negative or below n·10^−digits of its diagonal entry.
        """
        n, columns = self.shape(k)
        if n != columns:
            raise expected("a square matrix", "k", (n, columns), "shape", "a Gram matrix")
        dot, root = self.context.fdot, self.context.sqrt
        negligible = n * self.context.eps
        lower = self.zeros(n, n)
        rows: list[list[Any]] = []
        for i in range(n):
            row: list[Any] = []
            for j in range(i):
                row.append((k[i, j] - dot(row, rows[j][:j])) / rows[j][j])
            pivot = k[i, i] - dot(row, row)
            if not pivot > negligible * abs(k[i, i]):
                raise SingularMatrixError(
                    f"a {n}×{n} matrix is singular or indefinite to {self.digits} digits (pivot {i}); "
                    f"more digits help if it is regular, rationals if it is not"
                )
            row.append(root(pivot))
            rows.append(row)
            lower[i, : i + 1] = row
        return _MPFactor(lower, self.context)

    def rank(self, a: Array) -> int:
        """min(n, D) where the rank is full to this precision.

        Raises:
            SingularMatrixError: the Gram matrix of the shorter side is singular to this precision.
        """
        rows, columns = self.shape(a)
        self.factor(self.gram(a if rows <= columns else a.T))
        return min(rows, columns)

    def null_space(self, a: Array) -> Array:
        """Basis of {v : a v = 0}, shape (D, max(0, D − n)), for a of full rank.

        Raises:
            SingularMatrixError: a is rank-deficient to this precision.
        """
        rows, columns = self.shape(a)
        if columns <= rows:
            self.rank(a)
            return self.zeros(columns, 0)
        basis = independent_columns(self.to_numpy(a), rows)
        rest = [j for j in range(columns) if j not in set(basis)]
        result = self.zeros(columns, len(rest))
        square = a[:, basis]
        # The normal equations square the condition number, which is what digits are for.
        result[basis] = self.factor(self.gram(square.T)).solve(self.matmul(square.T, a[:, rest]))
        result[rest] = -self.identity(len(rest))
        return result

    def square_norm(self, a: Array) -> Quantity:
        """Squared Frobenius norm, measured."""
        flat = a.ravel().tolist()
        return Quantity.measured(float(self.context.fdot(flat, flat)))

    def energy(self, a: Array, k: Array) -> Quantity:
        """tr(aᵀ K a), measured; rounding below zero is cut off at zero."""
        value = self.context.fdot(a.ravel().tolist(), self.matmul(k, a).ravel().tolist())
        return Quantity.measured(max(0.0, float(value)))
