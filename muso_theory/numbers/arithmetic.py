"""The one interface behind which every kind of number does linear algebra.

A matrix is an opaque value of the arithmetic that made it (``numpy.ndarray``, ``flint.fmpq_mat``,
``flint.arb_mat``, …); formulas are written once against these few verbs and evaluated in any of
FLOAT64, MP(digits), BALL(bits) and RATIONAL. Precision belongs to the arithmetic object, never to a
global setting.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from .quantity import Quantity

__all__ = ["Arithmetic", "Factor", "Matrix"]

Matrix = Any
"""A matrix of some arithmetic. Only that arithmetic looks inside."""


class Factor(ABC):
    """A symmetric positive semidefinite matrix K, factorised once and used many times."""

    @property
    @abstractmethod
    def rank(self) -> int:
        """Rank of K: exact in RATIONAL, numerical in float; a ball or multiprecision factor has full rank."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Number of rows of K."""

    @abstractmethod
    def solve(self, b: Matrix) -> Matrix:
        """Coefficients a, shape (n, C), with K a = b; for singular K the least-squares ones that Φᵀa = Φ⁺b asks for.

        Raises BadInputError where b has another number of rows than K.
        """


class Arithmetic(ABC):
    """Linear algebra in one kind of number.

    Every method takes and returns matrices of this arithmetic, always two-dimensional.
    """

    name: str

    @abstractmethod
    def matrix(self, values: np.ndarray[Any, Any] | Sequence[Sequence[object]]) -> Matrix:
        """Convert shape (n, D) without rounding where the arithmetic allows: floats are dyadic rationals.

        Raises BadInputError for what is not two-dimensional, for entries that are no real numbers, NaN and infinities.
        """

    @abstractmethod
    def to_numpy(self, a: Matrix) -> np.ndarray[Any, Any]:
        """Nearest float64 matrix (midpoints of balls)."""

    @abstractmethod
    def shape(self, a: Matrix) -> tuple[int, int]:
        """Rows and columns."""

    @abstractmethod
    def matmul(self, a: Matrix, b: Matrix) -> Matrix:
        """Product a b."""

    @abstractmethod
    def add(self, a: Matrix, b: Matrix) -> Matrix:
        """Sum a + b."""

    @abstractmethod
    def sub(self, a: Matrix, b: Matrix) -> Matrix:
        """Difference a − b."""

    @abstractmethod
    def scale(self, factor: Fraction | int | float, a: Matrix) -> Matrix:
        """Scalar multiple; the factor is taken exactly."""

    @abstractmethod
    def transpose(self, a: Matrix) -> Matrix:
        """Transpose."""

    @abstractmethod
    def take(self, a: Matrix, rows: Sequence[int] | None, columns: Sequence[int] | None = None) -> Matrix:
        """Sub-matrix of the given rows and columns, in the given order; None means all.

        Raises BadInputError for a position outside the matrix.
        """

    @abstractmethod
    def vstack(self, a: Matrix, b: Matrix) -> Matrix:
        """A above b."""

    @abstractmethod
    def zeros(self, rows: int, columns: int) -> Matrix:
        """Zero matrix."""

    @abstractmethod
    def identity(self, size: int) -> Matrix:
        """Identity matrix."""

    @abstractmethod
    def gram(self, features: Matrix) -> Matrix:
        """Gram matrix ΦΦᵀ."""

    @abstractmethod
    def factor(self, k: Matrix) -> Factor:
        """Factorise a symmetric positive semidefinite K.

        Raises SingularMatrixError where the arithmetic can neither exclude nor treat singularity (balls, MP).
        """

    @abstractmethod
    def rank(self, a: Matrix) -> int:
        """Rank of any matrix: exact in RATIONAL, numerical in FLOAT64.

        Raises SingularMatrixError in an arithmetic that cannot decide it.
        """

    @abstractmethod
    def null_space(self, a: Matrix) -> Matrix:
        """A basis of {v : a v = 0}, one vector a column (orthonormal in FLOAT64, echelon in RATIONAL)."""

    @abstractmethod
    def square_norm(self, a: Matrix) -> Quantity:
        """Squared Frobenius norm ‖a‖²."""

    @abstractmethod
    def energy(self, a: Matrix, k: Matrix) -> Quantity:
        """tr(aᵀ K a) for symmetric positive semidefinite K: the squared norm of Φᵀa when K = ΦΦᵀ."""
