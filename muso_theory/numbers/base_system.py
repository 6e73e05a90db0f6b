"""What a set of rows is for certified solving: its matrix, its factor, and proved bounds of its spectrum.

Where full rank is not proved, or float64 overflows, every bound raises an UndecidedError.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from ..arrays import Array, first_nonfinite
from ..rows import Above, no_class
from .arithmetic import Factor
from .float64 import cholesky_factor
from .lockstep import Columns, Product, Work, alone
from .point_ball import CertifiedParameters
from .rounding import ETA, UNIT, UndecidedError, gamma, norm_bounds, norm_by_rows, root_down
from .spectrum import (
    gram_error,
    largest_eigenvalue_bound,
    rayleigh_bound,
    smallest_eigenvalue_bound,
    smallest_eigenvalue_estimate,
    trace_bound,
)
from .tiled import tiled_cholesky
from .tiles import Tiles

__all__ = ["RowSystem", "not_proved", "numerical_factor"]


class RowSystem(ABC):
    """Φ_A for a set of rows A, with everything needed to solve for its parameters and to prove how well.

    Args:
        features: Φ, shape (n, D), float64 or float32.
        rows: A, a slice or an index array.
        name: what to call Φ_A in a refusal.
    """

    is_dual: bool
    """Whether A is few: independent rows, K_AA to invert. Otherwise independent columns, Φ_AᵀΦ_A."""

    reads_spans = False
    """Whether `fit` takes what gives rows in place of an array of targets, and reads it a span of rows at a time."""

    def goes_by_spans(self, size: int) -> bool:
        """Whether so many labels are gone over a span of rows at a time, and need not be an array."""
        return False

    def padded(self, g: Array) -> Any:
        """(0; g): zeros above the last rows; where rows go by spans as rows of no class, which take no room."""
        above, columns = len(self._index) - len(g), g.shape[1]
        if not above:
            return g
        if not self.goes_by_spans(len(self._index) * columns):
            return np.vstack([np.zeros((above, columns)), g])
        return Above([no_class(above, columns), g])

    @property
    def is_invertible(self) -> bool:
        """Whether K_AA may have an inverse."""
        return self.is_dual

    def __init__(self, features: Array, rows: Any, name: str) -> None:
        self.features = features
        self.rows = rows
        self.name = name
        self._index = np.arange(features.shape[0])[rows]
        self._ridged: tuple[float, Factor] | None = None

    @property
    @abstractmethod
    def matrix(self) -> Array | Tiles:
        """The float64 image of the matrix to invert, K_AA or Φ_AᵀΦ_A."""

    @property
    @abstractmethod
    def factor(self) -> Factor:
        """What solves with it approximately."""

    @property
    @abstractmethod
    def roundings_width(self) -> int:
        """Length of the inner products that formed the matrix."""

    def fit(
        self,
        targets: Array,
        start: Array | None,
        ridge: float = 0.0,
        *,
        targets_low: Array | None = None,
        start_low: Array | None = None,
    ) -> CertifiedParameters:
        """Enclose start + Φ_A⁺(t − Φ_A start), or with λ > 0 the minimiser of ‖Φ_A w − t‖² + λ‖w − start‖².

        What a system does not use of the low parts enters its radius: an error of t by at most 1/√(λ_min + λ), one of
        the start by at most 1, as w = start + Φ⁺(t − Φ start) applies a projector to it.

        Args:
            targets: t, float64, shape (|A|, C).
            start: float64, shape (D, C), or None for zero; with independent columns it matters to a ridge only.
            ridge: λ ≥ 0, taken exactly.
            targets_low: more digits of t.
            start_low: more digits of the start.
        """
        return alone(self.fitting(targets, start, ridge, targets_low=targets_low, start_low=start_low))

    def fitting(
        self,
        targets: Array,
        start: Array | None,
        ridge: float = 0.0,
        *,
        targets_low: Array | None = None,
        start_low: Array | None = None,
    ) -> Work[CertifiedParameters]:
        """The work of `fit`, which may be done together with others; here for systems that do not use low parts."""
        if not self.reads_spans:
            targets = np.asarray(targets)
        found, lost = (yield from self._fitting(targets, start, ridge)), Fraction(0)
        low = Fraction(0) if targets_low is None else norm_by_rows(targets_low)
        if low:
            lost += low / root_down(self.floor(ridge))
        if start_low is not None and (ridge or self.is_dual):
            lost += norm_bounds(start_low)[1]
        return found.widened(lost)

    @abstractmethod
    def _fitting(self, targets: Array, start: Array | None, ridge: float) -> Work[CertifiedParameters]:
        """The same for plain floats."""

    def coefficients(self, g: Array) -> tuple[Array, Fraction]:
        """Solve K_AA a = g: floats, and a bound of ‖a − floats‖_F."""
        return alone(self.solving(g))

    def solving(self, g: Array) -> Work[tuple[Array, Fraction]]:
        """The work of `coefficients`."""
        raise ValueError("K is singular: there are more rows than columns")

    def leave_block_out(
        self, residual: Array, left: Array, residual_low: Array | None = None
    ) -> tuple[Array, Array, Fraction]:
        """Enclose q = [(K⁻¹)_FF]⁻¹[K⁻¹r]_F, F the last rows: floats, a correction and a radius.

        Args:
            residual: r, shape (|A|, C).
            left: a proposal of r_F − q, shape (n_F, C), which nothing is taken from but how near it proves to be.
            residual_low: more digits of r.
        """
        return alone(self.leaving_block_out(residual, left, residual_low))

    def leaving_block_out(
        self, residual: Array, left: Array, residual_low: Array | None = None
    ) -> Work[tuple[Array, Array, Fraction]]:
        """The work of `leave_block_out`."""
        raise ValueError("K is singular: there are more rows than columns")

    @abstractmethod
    def pseudo_norm(self, g: Array) -> tuple[Fraction, Fraction]:
        """Bound ‖Φ_A⁺(0; g)‖_F from both sides.

        Args:
            g: float64, shape (m, C), of the last m rows; zero above.

        Returns:
            Lower and upper bound.

        Raises:
            UndecidedError: the rank that this needs is not proved, or float64 overflows.
        """

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
    def smallest_above(self) -> Fraction:
        """Upper bound of λ_min by the Rayleigh quotient of the estimate's vector."""
        return rayleigh_bound(self.matrix, self.estimate[1], self.error)

    @property
    def smallest(self) -> Fraction:
        """Proved positive lower bound of λ_min, the square of the smallest singular value of Φ_A.

        Raises:
            UndecidedError: float64 cannot exclude that Φ_A is rank-deficient.
        """
        if isinstance(self._smallest, UndecidedError):
            raise UndecidedError(self._smallest.what, self._smallest.remedy, climbs=self._smallest.climbs)
        return self._smallest

    @cached_property
    def _smallest(self) -> Fraction | UndecidedError:
        """The bound, or why there is none: a failure costs several factorisations and is remembered, too."""
        try:
            bound = smallest_eigenvalue_bound(self.matrix, self.error, self.estimate[0])
        except UndecidedError as error:
            return error
        return not_proved(self.name) if bound is None else bound

    def floor(self, ridge: float) -> Fraction:
        """Proved positive lower bound of λ_min + ridge; with a ridge the rank does not matter.

        Raises:
            UndecidedError: no ridge, and full rank is not proved.
        """
        if not ridge:
            return self.smallest
        try:
            return self.smallest + Fraction(ridge)
        except UndecidedError:
            return Fraction(ridge)

    def _factor_with(self, ridge: float) -> Factor:
        """Factor of the matrix plus ridge·I, remembered for the last ridge."""
        if not ridge:
            return self.factor
        if self._ridged is None or self._ridged[0] != ridge:
            self._ridged = ridge, numerical_factor(self.matrix, f"{self.name} with a ridge", ridge)
        return self._ridged[1]

    def _product(
        self, high: Array, low: Array | None = None, *, transposed: bool = False, plain: bool = False
    ) -> Product:
        """Φ_A(high + low), or Φ_Aᵀ times it, to be waited for."""
        return Product(self.features, self._index, high, low, transposed, plain)

    def _times(self, a: Array) -> Array:
        """The computed matrix times a."""
        return self.matrix @ a

    def _residual(self, g: Array, a: Array, ridge: float = 0.0) -> Work[tuple[Array, Fraction]]:
        """Compute g − (matrix + ridge·I)a in float64, with a bound of its error against the true matrix."""
        image = yield Columns(self._times, a)
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
    """The refusal, ready to be raised, that every missing eigenvalue bound ends in.

    Example:
        >>> not_proved("Φ").what
        'float64 cannot prove that Φ has full rank'
    """
    return UndecidedError(
        f"float64 cannot prove that {name} has full rank",
        "ball arithmetic decides it if the rank is full, rational arithmetic in any case",
        climbs=True,
    )


def numerical_factor(matrix: Array | Tiles, name: str, ridge: float = 0.0) -> Factor:
    """Cholesky factor of a symmetric matrix plus ridge·I, which must be numerically positive definite.

    Raises:
        UndecidedError: it is numerically singular, or has overflowed.

    Example:
        >>> numerical_factor(np.eye(2), "Φ").rank
        2
    """
    if first_nonfinite(matrix.diagonal() if isinstance(matrix, Tiles) else matrix) is not None:
        raise UndecidedError(
            f"the Gram matrix of {name} overflows float64", "rational arithmetic has the range", climbs=True
        )
    if isinstance(matrix, Tiles):
        factor: Factor | None = tiled_cholesky(matrix, shift=-ridge)
    else:
        if ridge:
            matrix = matrix.copy()
            matrix[np.diag_indices_from(matrix)] += ridge
        factor = cholesky_factor(matrix)
    if factor is None:
        raise not_proved(name)
    return factor
