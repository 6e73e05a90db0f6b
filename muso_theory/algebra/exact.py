"""Exact rational matrices, small and plain: what models of theorems are made of."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from .polynomial import AlgebraError, Polynomial

__all__ = [
    "Matrix", "evaluate", "identity", "inverse", "multiply", "pseudo_inverse", "rank", "reduced", "solve", "transpose",
]  # fmt: skip

Matrix = list[list[Fraction]]


def identity(size: int) -> Matrix:
    """The identity matrix."""
    return [[Fraction(i == j) for j in range(size)] for i in range(size)]


def transpose(a: Matrix) -> Matrix:
    """Transpose a matrix with at least one row."""
    return [list(column) for column in zip(*a, strict=True)]


def multiply(a: Matrix, b: Matrix) -> Matrix:
    """Product of two matrices."""
    columns = transpose(b)
    return [
        [sum((x * y for x, y in zip(row, col, strict=True)), Fraction(0)) for col in columns] for row in a
    ]


def reduced(a: Matrix) -> tuple[Matrix, list[int]]:
    """Reduced row echelon form: its nonzero rows, and the pivot columns."""
    rows = [list(row) for row in a]
    pivots: list[int] = []
    for j in range(len(a[0])):
        k = len(pivots)
        i = next((i for i in range(k, len(rows)) if rows[i][j]), None)
        if i is None:
            continue
        rows[k], rows[i] = rows[i], rows[k]
        top = rows[k][j]
        rows[k] = [x / top for x in rows[k]]
        for i in range(len(rows)):
            if i != k and (factor := rows[i][j]):
                rows[i] = [x - factor * y for x, y in zip(rows[i], rows[k], strict=True)]
        pivots.append(j)
        if len(pivots) == len(rows):
            break
    return rows[: len(pivots)], pivots


def rank(a: Matrix) -> int:
    """Rank."""
    return len(reduced(a)[1])


def inverse(a: Matrix) -> Matrix | None:
    """Inverse of a square matrix, or None if it is singular."""
    size = len(a)
    rows, pivots = reduced([row + unit for row, unit in zip(a, identity(size), strict=True)])
    return [row[size:] for row in rows] if pivots == list(range(size)) else None


def pseudo_inverse(a: Matrix) -> Matrix:
    """Moore-Penrose inverse by a rank factorisation a = b·c: it is cᵀ(ccᵀ)⁻¹(bᵀb)⁻¹bᵀ.

    Example:
        >>> [[str(x) for x in row] for row in pseudo_inverse([[Fraction(1), Fraction(1)]])]
        [['1/2'], ['1/2']]
    """
    c, pivots = reduced(a)
    if not pivots:
        return [[Fraction(0)] * len(a) for _ in a[0]]
    b = [[row[j] for j in pivots] for row in a]
    bt, ct = transpose(b), transpose(c)
    left, right = inverse(multiply(c, ct)), inverse(multiply(bt, b))
    assert left is not None  # both are Gram matrices of independent vectors
    assert right is not None
    return multiply(multiply(ct, left), multiply(right, bt))


def solve(a: Matrix, b: list[Fraction], free: list[Fraction] | None = None) -> list[Fraction] | None:
    """A solution of a·x = b, or None if there is none.

    Args:
        free: values of the free variables, one per column of ``a`` (those at pivots are ignored); 0 by default.
    """
    width = len(a[0])
    rows, pivots = reduced([[*row, value] for row, value in zip(a, b, strict=True)])
    if width in pivots:
        return None
    x = list(free) if free else [Fraction(0)] * width
    for j in pivots:
        x[j] = Fraction(0)
    solved = [row[width] - sum((v * t for v, t in zip(row, x, strict=False)), Fraction(0)) for row in rows]
    for j, value in zip(pivots, solved, strict=True):
        x[j] = value
    return x


def evaluate(polynomial: Polynomial, values: Mapping[str, Matrix], sizes: Mapping[str, int]) -> Matrix:
    """Put matrices in for the symbols of a typed polynomial."""
    if polynomial.rows is None or polynomial.cols is None:
        raise AlgebraError(f"the number {polynomial} has no size")
    result = [[Fraction(0)] * sizes[polynomial.cols] for _ in range(sizes[polynomial.rows])]
    for word, coefficient in polynomial.terms.items():
        product = identity(sizes[polynomial.rows])
        for letter in word:
            base = letter.rstrip("'")
            if base not in values:
                raise AlgebraError(f"the model gives no value to {base}")
            product = multiply(product, values[base] if letter == base else transpose(values[base]))
        for row, part in zip(result, product, strict=True):
            for j, x in enumerate(part):
                row[j] += coefficient * x
    return result
