"""Matrices over ℚ as integer matrices over one common denominator."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import cached_property
from numbers import Rational
from typing import Any, final

import flint

from ..former import former

__all__ = ["RationalMatrix", "reduced_fraction", "regular_solver"]
former(__name__)

_SMALL, _FEW = 24, 3
"""Rows up to which an inverse takes as long as at most eight solves, and solves after which more are expected."""


@final
class RationalMatrix:
    """An integer matrix over one positive denominator: top/bottom.

    A matrix of fractions is brought to lowest terms entry by entry, and a gcd of numbers of 10⁴ bits or more costs as
    much as twenty products. Here sums and products need no gcd at all, and ``reduced`` needs one or two in all.

    Args:
        top: numerators, ``fmpz_mat`` of shape (m, n).
        bottom: the denominator, positive.

    Example:
        >>> half = RationalMatrix(flint.fmpz_mat([[1, 2]]), 2)
        >>> half, half + half, half * half.transpose(), half[0, 0]
        ([1/2, 1], [1, 2], [5/4], 1/2)
    """

    __slots__ = ("bottom", "top")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, top: Any, bottom: Any = 1) -> None:
        self.top = top
        self.bottom = flint.fmpz(bottom)

    @classmethod
    def of(cls, numbers: list[list[Any]], columns: int) -> RationalMatrix:
        """Read rows of ints, floats and Fractions, each exactly, over their least common denominator.

        Example:
            >>> RationalMatrix.of([[0.5, Fraction(1, 3)]], 2).top
            [3, 2]
        """
        ratios = [value.as_integer_ratio() for row in numbers for value in row]
        bottom = flint.fmpz(1)
        for each in {below for _, below in ratios}:
            bottom = bottom.lcm(each)
        if bottom == 1:
            return cls(flint.fmpz_mat(len(numbers), columns, [above for above, _ in ratios]))
        flat = [above * (bottom // below) for above, below in ratios]
        return cls(flint.fmpz_mat(len(numbers), columns, flat), bottom)

    def __repr__(self) -> str:
        return repr(flint.fmpq_mat(self.top) / self.bottom)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RationalMatrix):
            return NotImplemented
        if self.bottom == other.bottom:
            return bool(self.top == other.top)
        return bool(self.top * other.bottom == other.top * self.bottom)

    def __getitem__(self, index: tuple[int, int]) -> Any:
        return flint.fmpq(self.top[index], self.bottom)

    def nrows(self) -> int:
        """Number of rows."""
        return int(self.top.nrows())

    def ncols(self) -> int:
        """Number of columns."""
        return int(self.top.ncols())

    def entries(self) -> list[Any]:
        """Entries row by row, as ``fmpq`` in lowest terms."""
        return [flint.fmpq(x, self.bottom) for x in self.top.entries()]

    def bits(self) -> int:
        """Bit length of the longest numerator or of the denominator."""
        return max([int(self.bottom.bit_length()), *(int(x.bit_length()) for x in self.top.entries())])

    def tolist(self) -> list[list[Any]]:
        """Rows of ``fmpq``, each in lowest terms."""
        return [[self[i, j] for j in range(self.ncols())] for i in range(self.nrows())]

    def transpose(self) -> RationalMatrix:
        """Transpose."""
        return RationalMatrix(self.top.transpose(), self.bottom)

    def __add__(self, other: RationalMatrix) -> RationalMatrix:
        left, right, bottom = _common(self, other)
        return RationalMatrix(left + right, bottom)

    def __sub__(self, other: RationalMatrix) -> RationalMatrix:
        left, right, bottom = _common(self, other)
        return RationalMatrix(left - right, bottom)

    def __mul__(self, other: RationalMatrix) -> RationalMatrix:
        return RationalMatrix(self.top * other.top, self.bottom * other.bottom)

    def scaled(self, above: int, below: int) -> RationalMatrix:
        """The matrix times above/below, with below > 0."""
        return RationalMatrix(self.top * above, self.bottom * below)

    def take(self, rows: slice | list[int], columns: slice | list[int]) -> RationalMatrix:
        """Sub-matrix of rows and columns that exist."""
        everything = slice(None)
        table = self.top.tolist() if self.nrows() and self.ncols() else [[] for _ in range(self.nrows())]
        picked = table[rows] if isinstance(rows, slice) else [table[i] for i in rows]
        width = len(range(self.ncols())[columns]) if isinstance(columns, slice) else len(columns)
        if columns != everything:
            picked = [
                row[columns] if isinstance(columns, slice) else [row[j] for j in columns] for row in picked
            ]
        return RationalMatrix(_integers(len(picked), width, picked), self.bottom)

    def above(self, other: RationalMatrix) -> RationalMatrix:
        """This matrix on top of another of as many columns."""
        left, right, bottom = _common(self, other)
        top = flint.fmpz_mat(left.nrows() + right.nrows(), left.ncols(), [*left.entries(), *right.entries()])
        return RationalMatrix(top, bottom)

    def reduced(self) -> RationalMatrix:
        """The same matrix in lowest terms."""
        common = self.bottom
        for x in self.top.entries():
            if common == 1:
                return self
            common = common.gcd(x)
        if common == 1:
            return self
        top = [x // common for x in self.top.entries()]
        return RationalMatrix(flint.fmpz_mat(self.nrows(), self.ncols(), top), self.bottom // common)

    def square_norm(self) -> Fraction:
        """Sum of the squares of all entries."""
        total = sum((x * x for x in self.top.entries()), flint.fmpz(0))
        return reduced_fraction(total, self.bottom * self.bottom)

    def inner(self, other: RationalMatrix) -> Fraction:
        """Sum of the products of corresponding entries."""
        pairs = zip(self.top.entries(), other.top.entries(), strict=True)
        return reduced_fraction(sum((x * y for x, y in pairs), flint.fmpz(0)), self.bottom * other.bottom)


def regular_solver(a: RationalMatrix) -> Callable[[RationalMatrix], RationalMatrix]:
    """A function that solves with a regular matrix A, made for many right-hand sides.

    Dixon lifting takes time with the square of the bits of A without the contents of its rows and columns; a small A
    that is solved with often is inverted, and a solve is then a product.

    Args:
        a: regular and square.

    Returns:
        Called with b, it finds x with A x = b, in lowest terms.

    Example:
        >>> a = RationalMatrix(flint.fmpz_mat([[10, 0], [0, 3]]), 7)
        >>> regular_solver(a)(RationalMatrix(flint.fmpz_mat([[1], [1]])))
        [7/10]
        [ 7/3]
    """
    return _Primitive(a).solve


class _Primitive:
    """A regular matrix A with the contents of its rows and columns divided out.

    A_ij = r_i M_ij c_j / q with integers r, c and M. Rows of the features may have denominators, or powers of two, of
    their own: over one common denominator they would all be as long as the longest product.
    """

    def __init__(self, a: RationalMatrix) -> None:
        self.size, self.bottom = a.nrows(), a.bottom
        by_row, self.rows = _without_contents(a.top.tolist() if self.size else [])
        by_column, self.columns = _without_contents([list(column) for column in zip(*by_row, strict=True)])
        self.matrix = _integers(self.size, self.size, by_column).transpose()
        self.solves = 0

    @cached_property
    def _inverse(self) -> tuple[Any, Any]:
        """Numerators of M⁻¹, and their denominator."""
        top, bottom = self.matrix.inv().numer_denom()
        return top, bottom

    def solve(self, b: RationalMatrix) -> RationalMatrix:
        """Find x with A x = b, in lowest terms, by Dixon lifting."""
        if self.size == 0 or b.ncols() == 0:
            return RationalMatrix(flint.fmpz_mat(self.size, b.ncols()))
        # x = q C⁻¹ M⁻¹ R⁻¹ b, where R⁻¹ and C⁻¹ are written over the least common multiples of their entries.
        right, below = _divided(b.top, self.rows)
        self.solves += 1
        if self.size <= _SMALL and self.solves > _FEW:
            inverse, beneath = self._inverse
            found = inverse * right
        else:
            found, beneath = self.matrix.solve(right).numer_denom()
        top, last = _divided(found, self.columns)
        return RationalMatrix(top * self.bottom, below * beneath * last * b.bottom).reduced()


def reduced_fraction(top: Any, bottom: Any) -> Fraction:
    """top/bottom in lowest terms, by FLINT's gcd: Python's takes time with the square of the bits.

    Example:
        >>> reduced_fraction(flint.fmpz(6), flint.fmpz(4))
        Fraction(3, 2)
    """
    if top == 0:
        return Fraction(0)
    common = top.gcd(bottom)
    terms: Any = _LowestTerms(int(top // common), int(bottom // common))
    return Fraction(terms)


class _LowestTerms:
    """What Fraction takes over as it is: a ``numbers.Rational``, which is in lowest terms by contract."""

    __slots__ = ("denominator", "numerator")

    def __init__(self, numerator: int, denominator: int) -> None:
        self.numerator = numerator
        self.denominator = denominator


Rational.register(_LowestTerms)


def _common(a: RationalMatrix, b: RationalMatrix) -> tuple[Any, Any, Any]:
    """Numerators over a common denominator, with no gcd where one denominator divides the other."""
    if a.bottom == b.bottom:
        return a.top, b.top, a.bottom
    for one, other in ((a, b), (b, a)):
        factor, rest = divmod(one.bottom, other.bottom)
        if rest == 0:
            tops = (a.top, b.top * factor) if one is a else (a.top * factor, b.top)
            return *tops, one.bottom
    common = a.bottom.lcm(b.bottom)
    return a.top * (common // a.bottom), b.top * (common // b.bottom), common


def _without_contents(table: list[list[Any]]) -> tuple[list[list[Any]], list[Any]]:
    """Each row divided by the gcd of its entries, and those gcds (1 for a row of zeros)."""
    rows, contents = [], []
    for row in table:
        content = flint.fmpz(0)
        for x in row:
            content = content.gcd(x)
            if content == 1:
                break
        if content > 1:
            row = [x // content for x in row]
        rows.append(row)
        contents.append(content if content > 1 else flint.fmpz(1))
    return rows, contents


def _divided(top: Any, divisors: list[Any]) -> tuple[Any, Any]:
    """Rows of an integer matrix divided by integers: numerators, and their common denominator."""
    common = flint.fmpz(1)
    for each in divisors:
        common = common.lcm(each)
    if common == 1:
        return top, common
    factors = [common // each for each in divisors]
    rows = [[x * factor for x in row] for row, factor in zip(top.tolist(), factors, strict=True)]
    return _integers(top.nrows(), top.ncols(), rows), common


def _integers(rows: int, columns: int, table: list[list[Any]]) -> Any:
    """An integer matrix from rows, empty ones included."""
    return flint.fmpz_mat(rows, columns, [x for row in table for x in row])
