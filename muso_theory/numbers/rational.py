"""Exact rational linear algebra: floats are taken as the dyadic rationals they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any, final

import flint
import numpy as np

from ..errors import expected
from ..former import former
from .arithmetic import Arithmetic, Factor
from .inputs import exact_rows, span
from .quantity import Quantity
from .rational_matrix import RationalMatrix, regular_solver

__all__ = ["RATIONAL"]
former(__name__)

# A minor that is nonzero modulo a prime is nonzero. Three primes, because one may divide an unlucky minor.
_PRIMES = (2**61 - 1, 2**63 - 25, 2**64 - 59)


@final
@dataclass(frozen=True, eq=False)
class _RationalFactor(Factor):
    """An exact positive semidefinite K with a proved rank.

    Args:
        k: the matrix, shape (n, n).
        basis: rows B, as many as the rank, whose principal block K_BB is regular; all rows when K is.

    Example:
        >>> k = RATIONAL.matrix([[1, 1], [1, 1]])
        >>> factor = RATIONAL.factor(k)
        >>> factor.rank, factor.solve(RATIONAL.matrix([[3], [1]]))  # inconsistent: Φ = (1, 1)ᵀ, Φ⁺b = 2
        (1, [2]
        [0])
    """

    k: RationalMatrix
    basis: tuple[int, ...]

    @cached_property
    def _rows(self) -> RationalMatrix:
        """K_{B:}."""
        return RATIONAL.take(self.k, self.basis)

    @cached_property
    def _solved(self) -> Callable[[RationalMatrix], RationalMatrix]:
        """Solves with K, or with K_{B:}K_{:B} where K is singular."""
        return regular_solver(self.k if self.rank == self.size else self._rows * self._rows.transpose())

    @property
    def rank(self) -> int:
        """Rank of K, proved."""
        return len(self.basis)

    @property
    def size(self) -> int:
        """Number of rows of K."""
        return self.k.nrows()

    def solve(self, b: RationalMatrix) -> RationalMatrix:
        """Find a with Φᵀa = Φ⁺b for every Φ with K = ΦΦᵀ, exactly, even where K a = b has no solution.

        With Φ = CΦ_B, C = K_{:B} K_BB⁻¹ of full column rank, Φ⁺ = Φ_B⁺C⁺ gives a supported on B with
        K_{B:} K_{:B} a_B = K_{B:} b. For regular K this is K a = b, by Dixon lifting.
        """
        if b.nrows() != self.size:
            raise expected(f"{self.size} rows", "b", (b.nrows(), b.ncols()), "shape", "one row per sample")
        if self.rank == self.size:
            return self._solved(b)
        part = self._solved(self._rows * b)
        return RATIONAL.take(part.above(RATIONAL.zeros(1, b.ncols())), _places(self.basis, self.size))


@final
@dataclass(frozen=True)
class _Rational(Arithmetic):
    """Exact linear algebra over ℚ, on FLINT's integer matrices with denominators cleared.

    Matrices are ``RationalMatrix``. Every Quantity is exact.

    Example:
        >>> k = RATIONAL.gram(RATIONAL.matrix([[0.5, Fraction(1, 3)]]))
        >>> k, RATIONAL.square_norm(k).upper
        ([13/36], Fraction(169, 1296))
    """

    name: str = field(default="rational", init=False)

    def matrix(self, values: np.ndarray[Any, Any] | Sequence[Sequence[object]]) -> RationalMatrix:
        """Read a matrix without any rounding."""
        _, columns, entries = exact_rows(values)
        return RationalMatrix.of(entries, columns)

    def to_numpy(self, a: RationalMatrix) -> np.ndarray[Any, Any]:
        """Nearest float64 matrix; entries beyond the float64 range become infinite."""
        bottom = int(a.bottom)
        flat = [_nearest_float(int(x), bottom) for x in a.top.entries()]
        return np.array(flat, dtype=np.float64).reshape(self.shape(a))

    def shape(self, a: RationalMatrix) -> tuple[int, int]:
        """Rows and columns."""
        return a.nrows(), a.ncols()

    def matmul(self, a: RationalMatrix, b: RationalMatrix) -> RationalMatrix:
        """Product a b."""
        return a * b

    def add(self, a: RationalMatrix, b: RationalMatrix) -> RationalMatrix:
        """Sum a + b."""
        return a + b

    def sub(self, a: RationalMatrix, b: RationalMatrix) -> RationalMatrix:
        """Difference a − b."""
        return a - b

    def scale(self, factor: Fraction | int | float, a: RationalMatrix) -> RationalMatrix:
        """Scalar multiple; a float factor is the dyadic rational it is."""
        return a.scaled(*factor.as_integer_ratio())

    def transpose(self, a: RationalMatrix) -> RationalMatrix:
        """Transpose."""
        return a.transpose()

    def take(
        self, a: RationalMatrix, rows: Sequence[int] | None, columns: Sequence[int] | None = None
    ) -> RationalMatrix:
        """Sub-matrix of the given rows and columns, in the given order."""
        return a.take(span(rows, a.nrows()), span(columns, a.ncols()))

    def vstack(self, a: RationalMatrix, b: RationalMatrix) -> RationalMatrix:
        """Put a above b."""
        return a.above(b)

    def zeros(self, rows: int, columns: int) -> RationalMatrix:
        """Zero matrix."""
        return RationalMatrix(flint.fmpz_mat(rows, columns))

    def identity(self, size: int) -> RationalMatrix:
        """Identity matrix."""
        return RationalMatrix(
            flint.fmpz_mat(size, size, [int(i == j) for i in range(size) for j in range(size)])
        )

    def gram(self, features: RationalMatrix) -> RationalMatrix:
        """Gram matrix ΦΦᵀ."""
        return features * features.transpose()

    def factor(self, k: RationalMatrix) -> _RationalFactor:
        """Prove the rank of a symmetric positive semidefinite K and pick rows that carry it.

        Args:
            k: shape (n, n), symmetric and positive semidefinite (semidefiniteness is the caller's word; every
                Gram matrix has it).
        """
        n, columns = self.shape(k)
        if n != columns or k.top != k.top.transpose():
            raise expected("a symmetric matrix", "k", (n, columns), "shape", "a Gram matrix")
        # Independent columns of a semidefinite matrix carry a regular principal block.
        return _RationalFactor(k, _echelon(k).columns)

    def rank(self, a: RationalMatrix) -> int:
        """Rank, proved: at least by a minor nonzero modulo a large prime, at most by exact null vectors."""
        return len(_echelon(a).columns)

    def null_space(self, a: RationalMatrix) -> RationalMatrix:
        """Exact basis of {v : a v = 0} in echelon form; the free variable of each column is −1."""
        echelon = _echelon(a)
        free = _others(echelon.columns, a.ncols())
        below = self.scale(-1, self.identity(len(free)))
        # Rows come in the order pivots, free; undo that order.
        return self.take(echelon.relations.above(below), np.argsort([*echelon.columns, *free]).tolist())

    def square_norm(self, a: RationalMatrix) -> Quantity:
        """Squared Frobenius norm, exact."""
        return Quantity.exact(a.square_norm())

    def energy(self, a: RationalMatrix, k: RationalMatrix) -> Quantity:
        """tr(aᵀ K a), exact."""
        return Quantity.exact(a.inner(k * a))


@dataclass(frozen=True, eq=False, slots=True)
class _Echelon:
    """Pivot columns of a matrix, and the other columns as exact combinations of them."""

    columns: tuple[int, ...]
    relations: RationalMatrix


def _echelon(a: RationalMatrix) -> _Echelon:
    """Rank with both proofs: a nonzero minor mod p below, exact null vectors above."""
    rows, width = RATIONAL.shape(a)
    if rows == 0 or width == 0:
        return _Echelon((), RATIONAL.zeros(0, width))
    for prime in _PRIMES:
        columns = _pivots(a.top, prime)
        independent = RATIONAL.take(a, None, columns)
        chosen = _pivots(independent.top.transpose(), prime)
        if len(chosen) != len(columns):
            continue
        # The square minor on (chosen, columns) is regular modulo p, hence regular: rank ≥ len(columns).
        rest = _others(columns, width)
        minor, other = RATIONAL.take(a, chosen, columns), RATIONAL.take(a, chosen, rest)
        relations = regular_solver(minor)(other) if rest else RATIONAL.zeros(len(columns), 0)
        if not rest or len(columns) == rows or independent * relations == RATIONAL.take(a, None, rest):
            return _Echelon(columns, relations)
    # All primes unlucky: eliminate over the integers.
    reduced, bottom, rank = a.top.rref()
    table = reduced.tolist()[:rank]
    columns = tuple(next(j for j, value in enumerate(row) if value != 0) for row in table)
    reduced = RationalMatrix(reduced if bottom > 0 else -reduced, abs(bottom))
    return _Echelon(columns, RATIONAL.take(reduced, range(rank), _others(columns, width)))


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


def _others(chosen: Sequence[int], width: int) -> list[int]:
    """Positions that are not among the chosen ones."""
    known = set(chosen)
    return [j for j in range(width) if j not in known]


def _places(chosen: Sequence[int], size: int) -> list[int]:
    """For every position the row of it among the chosen ones, or the row after them all."""
    where = {j: i for i, j in enumerate(chosen)}
    return [where.get(j, len(chosen)) for j in range(size)]


def _nearest_float(top: int, bottom: int) -> float:
    """Correctly rounded quotient, infinite beyond the range."""
    try:
        return top / bottom
    except OverflowError:
        return float("inf") if top > 0 else float("-inf")


RATIONAL = _Rational()
"""The exact arithmetic; it has no parameters."""
