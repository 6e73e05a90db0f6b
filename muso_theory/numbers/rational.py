"""Exact rational linear algebra: floats are taken as the dyadic rationals they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import lcm
from typing import Any, final

import flint
import numpy as np

from ..errors import expected
from .arithmetic import Arithmetic, Factor
from .inputs import exact_rows, span
from .quantity import Quantity

__all__ = ["RATIONAL", "Rational", "RationalFactor"]

# A minor that is nonzero modulo a prime is nonzero. Three primes, because one may divide an unlucky minor.
_PRIMES = (2**61 - 1, 2**63 - 25, 2**64 - 59)


@final
@dataclass(frozen=True, eq=False, slots=True)
class RationalFactor(Factor):
    """An exact positive semidefinite K with a proved rank.

    Args:
        k: the matrix, ``fmpq_mat`` of shape (n, n).
        basis: rows B, as many as the rank, whose principal block K_BB is regular; all rows when K is.

    Example:
        >>> k = RATIONAL.matrix([[1, 1], [1, 1]])
        >>> factor = RATIONAL.factor(k)
        >>> factor.rank, factor.solve(RATIONAL.matrix([[3], [1]]))  # inconsistent: Φ = (1, 1)ᵀ, Φ⁺b = 2
        (1, [2]
        [0])
    """

    k: Any
    basis: tuple[int, ...]

    @property
    def rank(self) -> int:
        """Rank of K, proved."""
        return len(self.basis)

    @property
    def size(self) -> int:
        """Number of rows of K."""
        return int(self.k.nrows())

    def solve(self, b: Any) -> Any:
        """Find a with Φᵀa = Φ⁺b for every Φ with K = ΦΦᵀ, exactly, even where K a = b has no solution.

        With Φ = CΦ_B, C = K_{:B} K_BB⁻¹ of full column rank, Φ⁺ = Φ_B⁺C⁺ gives a supported on B with
        K_{B:} K_{:B} a_B = K_{B:} b. For regular K this is K a = b, by Dixon lifting.

        Args:
            b: ``fmpq_mat`` of shape (n, C).

        Returns:
            ``fmpq_mat`` of shape (n, C).

        Raises:
            BadInputError: b has another number of rows than K.
        """
        if b.nrows() != self.size:
            raise expected(f"{self.size} rows", "b", (b.nrows(), b.ncols()), "shape", "one row per sample")
        if self.rank == self.size:
            return _solve(self.k, b)
        rows = RATIONAL.take(self.k, self.basis)
        part = _solve(rows * rows.transpose(), rows * b).tolist()
        result = [[flint.fmpq(0)] * b.ncols() for _ in range(self.size)]
        for i, row in zip(self.basis, part, strict=True):
            result[i] = row
        return _from_rows(self.size, b.ncols(), result)


@final
@dataclass(frozen=True)
class Rational(Arithmetic):
    """Exact linear algebra over ℚ, on FLINT's integer matrices with denominators cleared.

    Matrices are ``flint.fmpq_mat``. Every Quantity is exact.

    Example:
        >>> k = RATIONAL.gram(RATIONAL.matrix([[0.5, Fraction(1, 3)]]))
        >>> k, RATIONAL.square_norm(k).upper
        ([13/36], Fraction(169, 1296))
    """

    name: str = field(default="rational", init=False)

    def matrix(self, values: np.ndarray[Any, Any] | Sequence[Sequence[object]]) -> Any:
        """Read a matrix without any rounding.

        Args:
            values: shape (n, D) of ints, Fractions and floats.

        Returns:
            ``fmpq_mat`` of shape (n, D).

        Raises:
            BadInputError: not two-dimensional, not real numbers, NaN or infinite entries.
        """
        rows, columns, entries = exact_rows(values)
        if rows == 0 or columns == 0:
            return flint.fmpq_mat(rows, columns)
        ratios = [value.as_integer_ratio() for row in entries for value in row]
        # One common denominator lets FLINT build one integer matrix instead of reducing n·D fractions.
        denominator = lcm(*{bottom for _, bottom in ratios})
        flat = [top * (denominator // bottom) for top, bottom in ratios]
        return _over(flint.fmpz_mat(rows, columns, flat), denominator)

    def to_numpy(self, a: Any) -> np.ndarray[Any, Any]:
        """Nearest float64 matrix; entries beyond the float64 range become infinite."""
        rows, columns = self.shape(a)
        flat = [_nearest_float(int(x.p), int(x.q)) for x in a.entries()]
        return np.array(flat, dtype=np.float64).reshape(rows, columns)

    def shape(self, a: Any) -> tuple[int, int]:
        """Rows and columns."""
        return int(a.nrows()), int(a.ncols())

    def matmul(self, a: Any, b: Any) -> Any:
        """Product a b."""
        return a * b

    def add(self, a: Any, b: Any) -> Any:
        """Sum a + b."""
        return a + b

    def sub(self, a: Any, b: Any) -> Any:
        """Difference a − b."""
        return a - b

    def scale(self, factor: Fraction | int | float, a: Any) -> Any:
        """Scalar multiple; a float factor is the dyadic rational it is."""
        top, bottom = factor.as_integer_ratio()
        return a * flint.fmpq(top, bottom)

    def transpose(self, a: Any) -> Any:
        """Transpose."""
        return a.transpose()

    def take(self, a: Any, rows: Sequence[int] | None, columns: Sequence[int] | None = None) -> Any:
        """Sub-matrix of the given rows and columns, in the given order.

        Args:
            a: shape (n, D).
            rows: row positions; None means all.
            columns: column positions; None means all.

        Returns:
            The sub-matrix.

        Raises:
            BadInputError: a position outside the matrix.
        """
        m, n = self.shape(a)
        row_span, column_span = span(rows, m), span(columns, n)
        height = len(range(m)[row_span]) if isinstance(row_span, slice) else len(row_span)
        width = len(range(n)[column_span]) if isinstance(column_span, slice) else len(column_span)
        table = a.tolist() if a.nrows() and a.ncols() else []
        picked = (
            table[row_span] if isinstance(row_span, slice) else [table[i] for i in row_span] if table else []
        )
        cut = [
            row[column_span] if isinstance(column_span, slice) else [row[j] for j in column_span]
            for row in picked
        ]
        return _from_rows(height, width, cut)

    def vstack(self, a: Any, b: Any) -> Any:
        """Put a above b."""
        return _from_rows(a.nrows() + b.nrows(), a.ncols(), a.tolist() + b.tolist())

    def zeros(self, rows: int, columns: int) -> Any:
        """Zero matrix."""
        return flint.fmpq_mat(rows, columns)

    def identity(self, size: int) -> Any:
        """Identity matrix."""
        return flint.fmpq_mat(size, size, [int(i == j) for i in range(size) for j in range(size)])

    def gram(self, features: Any) -> Any:
        """Gram matrix ΦΦᵀ."""
        whole, denominator = features.numer_denom()
        return _over(whole * whole.transpose(), denominator * denominator)

    def factor(self, k: Any) -> RationalFactor:
        """Prove the rank of a symmetric positive semidefinite K and pick rows that carry it.

        Args:
            k: ``fmpq_mat`` of shape (n, n), symmetric and positive semidefinite (semidefiniteness is the
                caller's word; every Gram matrix has it).

        Returns:
            The factor; for a singular K its principal block on the chosen rows is regular.

        Raises:
            BadInputError: not square, or not symmetric.
        """
        n, columns = self.shape(k)
        if n != columns or k != k.transpose():
            raise expected("a symmetric matrix", "k", (n, columns), "shape", "a Gram matrix")
        # Independent columns of a semidefinite matrix carry a regular principal block.
        return RationalFactor(k, _echelon(k).columns)

    def rank(self, a: Any) -> int:
        """Rank, proved: at least by a minor nonzero modulo a large prime, at most by exact null vectors."""
        return len(_echelon(a).columns)

    def null_space(self, a: Any) -> Any:
        """Exact basis of {v : a v = 0} in echelon form.

        Args:
            a: shape (n, D).

        Returns:
            ``fmpq_mat`` of shape (D, D − rank); the free variable of each column is −1.
        """
        echelon = _echelon(a)
        width = int(a.ncols())
        free = [j for j in range(width) if j not in set(echelon.columns)]
        rows = [[flint.fmpq(0)] * len(free) for _ in range(width)]
        if free:
            for i, row in zip(echelon.columns, echelon.relations.tolist(), strict=True):
                rows[i] = row
        for position, j in enumerate(free):
            rows[j][position] = flint.fmpq(-1)
        return _from_rows(width, len(free), rows)

    def square_norm(self, a: Any) -> Quantity:
        """Squared Frobenius norm, exact."""
        whole, denominator = a.numer_denom()
        return Quantity.exact(Fraction(sum(int(x) ** 2 for x in whole.entries()), int(denominator) ** 2))

    def energy(self, a: Any, k: Any) -> Quantity:
        """tr(aᵀ K a), exact."""
        left, right = a, k * a
        (top, scale), (bottom, other) = left.numer_denom(), right.numer_denom()
        total = sum(int(x) * int(y) for x, y in zip(top.entries(), bottom.entries(), strict=True))
        return Quantity.exact(Fraction(total, int(scale) * int(other)))


@dataclass(frozen=True, eq=False, slots=True)
class _Echelon:
    """Pivot columns of a matrix, and the other columns as exact combinations of them."""

    columns: tuple[int, ...]
    relations: Any


def _echelon(a: Any) -> _Echelon:
    """Rank with both proofs: a nonzero minor mod p below, exact null vectors above."""
    rows, width = int(a.nrows()), int(a.ncols())
    if rows == 0 or width == 0:
        return _Echelon((), flint.fmpq_mat(0, width))
    whole, _ = a.numer_denom()
    for prime in _PRIMES:
        columns = _pivots(whole, prime)
        independent = RATIONAL.take(a, None, columns)
        chosen = _pivots(independent.numer_denom()[0].transpose(), prime)
        if len(chosen) != len(columns):
            continue
        # The square minor on (chosen, columns) is regular modulo p, hence regular: rank ≥ len(columns).
        rest = [j for j in range(width) if j not in set(columns)]
        if not rest or len(columns) == rows:
            minor, other = RATIONAL.take(a, chosen, columns), RATIONAL.take(a, chosen, rest)
            return _Echelon(columns, _solve(minor, other))
        relations = _solve(RATIONAL.take(a, chosen, columns), RATIONAL.take(a, chosen, rest))
        if independent * relations == RATIONAL.take(a, None, rest):
            return _Echelon(columns, relations)
    # All primes unlucky: eliminate over the integers.
    reduced, rank = a.rref()
    table = reduced.tolist()[:rank]
    columns = tuple(next(j for j, value in enumerate(row) if value != 0) for row in table)
    rest = [j for j in range(width) if j not in set(columns)]
    return _Echelon(columns, RATIONAL.take(reduced, range(rank), rest))


def _pivots(whole: Any, prime: int) -> tuple[int, ...]:
    """Pivot columns of an integer matrix modulo a prime."""
    if whole.nrows() == 0 or whole.ncols() == 0:
        return ()
    reduced, rank = flint.nmod_mat(whole, prime).rref()
    pivots, column = [], 0
    table = reduced.tolist()
    for row in table[:rank]:
        while int(row[column]) == 0:
            column += 1
        pivots.append(column)
        column += 1
    return tuple(pivots)


def _solve(a: Any, b: Any) -> Any:
    """Regular solve with denominators cleared, by Dixon lifting."""
    if a.nrows() == 0 or b.ncols() == 0:
        return flint.fmpq_mat(a.ncols(), b.ncols())
    (left, scale), (right, other) = a.numer_denom(), b.numer_denom()
    return left.solve(right) * flint.fmpq(scale, other)


def _over(whole: Any, denominator: Any) -> Any:
    """Divide an integer matrix by a common denominator."""
    return flint.fmpq_mat(whole) * flint.fmpq(1, denominator)


def _from_rows(rows: int, columns: int, table: list[list[Any]]) -> Any:
    """Build a matrix from rows, empty ones included."""
    if rows == 0 or columns == 0:
        return flint.fmpq_mat(rows, columns)
    return flint.fmpq_mat(rows, columns, [x for row in table for x in row])


def _nearest_float(top: int, bottom: int) -> float:
    """Correctly rounded quotient, infinite beyond the range."""
    try:
        return top / bottom
    except OverflowError:
        return float("inf") if top > 0 else float("-inf")


RATIONAL = Rational()
"""The exact arithmetic; it has no parameters."""
