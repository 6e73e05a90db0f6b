"""What a set of rows is for certified solving: its matrix, its factor, and proved bounds of its spectrum."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from .float64 import CholeskyFactor, cholesky_factor
from .ieee import ieee_proof
from .inputs import first_nonfinite
from .rounding import ETA, UNIT, UndecidedError, gamma, norm_bounds, two_sum
from .spectrum import (
    gram_error,
    largest_eigenvalue_bound,
    smallest_eigenvalue_bound,
    smallest_eigenvalue_estimate,
    trace_bound,
)

__all__ = ["CertifiedParameters", "RowSystem", "not_proved", "numerical_factor"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False, slots=True)
class CertifiedParameters:
    """A point of parameter space known up to a ball: ‖w − (high + low)‖_F ≤ radius.

    Args:
        high: float64, shape (D, C).
        low: float64, shape (D, C), small against ``high``.
        radius: proved.
        image: proved bound of ‖Φ_A(w − (high + low))‖_F on the rows A that were fitted, where it says more than the
            radius does.
    """

    high: Array
    low: Array
    radius: Fraction
    image: Fraction | None = None

    @property
    def parameters(self) -> Array:
        """The nearest floats, shape (D, C)."""
        return self.high + self.low

    @ieee_proof()
    def distance(self, w: Array) -> tuple[Fraction, Fraction]:
        """Bound ‖w − w*‖_F for given floats w and the point w* that this encloses.

        Args:
            w: float64, shape (D, C).

        Returns:
            Lower and upper bound.

        Raises:
            UndecidedError: overflow.
        """
        high, low = two_sum(w, -self.high)
        rest = low - self.low
        difference = high + rest
        # Two roundings; their sizes are known, so this holds under any cancellation.
        lost = UNIT * (norm_bounds(rest)[1] + norm_bounds(difference)[1]) + self.radius
        lower, upper = norm_bounds(difference)
        return max(Fraction(0), lower - lost), upper + lost


class RowSystem(ABC):
    """Φ_A for a set of rows A, with everything needed to solve for its parameters and to prove how well.

    Args:
        features: Φ, shape (n, D), float64 or float32.
        rows: A, a slice or an index array.
        name: what to call Φ_A in a refusal.
    """

    def __init__(self, features: Array, rows: Any, name: str) -> None:
        self.features = features
        self.rows = rows
        self.name = name
        self._ridged: tuple[float, CholeskyFactor] | None = None

    @property
    @abstractmethod
    def matrix(self) -> Array:
        """The float64 image of the matrix to invert, K_AA or Φ_AᵀΦ_A."""

    @property
    @abstractmethod
    def factor(self) -> CholeskyFactor:
        """Its Cholesky factor."""

    @property
    @abstractmethod
    def roundings_width(self) -> int:
        """Length of the inner products that formed the matrix."""

    @abstractmethod
    def fit(self, targets: Array, start: Array | None, ridge: float = 0.0) -> CertifiedParameters:
        """Enclose start + Φ_A⁺(targets − Φ_A start), or argmin ‖Φ_A w − targets‖² + ridge·‖w − start‖²."""

    @abstractmethod
    def pseudo_norm(self, g: Array) -> tuple[Fraction, Fraction]:
        """Bound ‖Φ_A⁺ g‖_F from both sides."""

    @cached_property
    def trace(self) -> Fraction:
        """Upper bound of ‖Φ_A‖_F²."""
        return trace_bound(self.matrix, self.roundings_width)

    @cached_property
    def error(self) -> Fraction:
        """Upper bound of the error of the matrix in the spectral norm."""
        return gram_error(self.matrix, self.roundings_width)

    @cached_property
    def largest(self) -> Fraction:
        """Upper bound of ‖Φ_A‖₂² and of the spectral norm of the entrywise absolute value of the matrix."""
        # Row sums and Frobenius norm do not see signs, and ‖|K|‖₂ ≤ ‖|Φ||Φ|ᵀ‖₂ ≤ ‖Φ‖_F².
        return min(self.trace + self.error, largest_eigenvalue_bound(self.matrix, self.error))

    @cached_property
    def estimate(self) -> tuple[float, Array]:
        """Estimate of λ_min and the vector it comes from."""
        return smallest_eigenvalue_estimate(self.factor)

    @cached_property
    def smallest(self) -> Fraction:
        """Proved lower bound of λ_min, the square of the smallest singular value of Φ_A.

        Returns:
            The bound, positive.

        Raises:
            UndecidedError: float64 cannot exclude that Φ_A is rank-deficient.
        """
        bound = smallest_eigenvalue_bound(self.matrix, self.error, self.estimate[0])
        if bound is None:
            raise not_proved(self.name)
        return bound

    def floor(self, ridge: float) -> Fraction:
        """Proved lower bound of λ_min + ridge; with a ridge the rank does not matter.

        Args:
            ridge: λ ≥ 0.

        Returns:
            The bound, positive.

        Raises:
            UndecidedError: no ridge, and full rank is not proved.
        """
        if not ridge:
            return self.smallest
        try:
            return self.smallest + Fraction(ridge)
        except UndecidedError:
            return Fraction(ridge)

    def _factor_with(self, ridge: float) -> CholeskyFactor:
        """Cholesky factor of the matrix plus ridge·I, remembered for the last ridge."""
        if not ridge:
            return self.factor
        if self._ridged is None or self._ridged[0] != ridge:
            shifted = self.matrix.copy()
            shifted[np.diag_indices_from(shifted)] += ridge
            self._ridged = ridge, numerical_factor(shifted, f"{self.name} with a ridge")
        return self._ridged[1]

    def _residual(self, g: Array, a: Array, ridge: float = 0.0) -> tuple[Array, Fraction]:
        """Compute g − (matrix + ridge·I)a in float64, with a bound of its error against the true matrix."""
        image = self.matrix @ a
        extra = Fraction(0)
        if ridge:
            pull = ridge * a
            image = image + pull
            extra = UNIT * (norm_bounds(pull)[1] + norm_bounds(image)[1]) + a.size * ETA
        difference = g - image
        norm, n = norm_bounds(a)[1], self.matrix.shape[0]
        # The product is wrong by γ_n |K̂||a|, the matrix by its error.
        lost = (gamma(n) * self.largest + self.error) * norm + n * a.size * ETA
        return difference, lost + extra + UNIT * norm_bounds(difference)[1]


def not_proved(name: str) -> UndecidedError:
    """Word the refusal that every missing eigenvalue bound ends in.

    Args:
        name: the matrix whose rank is open.

    Returns:
        The error, ready to be raised.

    Example:
        >>> not_proved("Φ").what
        'float64 cannot prove that Φ has full rank'
    """
    return UndecidedError(
        f"float64 cannot prove that {name} has full rank",
        "ball arithmetic decides it if the rank is full, rational arithmetic in any case",
    )


def numerical_factor(matrix: Array, name: str) -> CholeskyFactor:
    """Factorise a matrix that must be numerically positive definite.

    Args:
        matrix: symmetric, shape (n, n).
        name: whose Gram matrix it is.

    Returns:
        Its Cholesky factor.

    Raises:
        UndecidedError: it is numerically singular, or has overflowed.

    Example:
        >>> numerical_factor(np.eye(2), "Φ").rank
        2
    """
    if first_nonfinite(matrix) is not None:
        raise UndecidedError(
            f"the Gram matrix of {name} overflows float64", "rational arithmetic has the range"
        )
    factor = cholesky_factor(matrix)
    if factor is None:
        raise not_proved(name)
    return factor
