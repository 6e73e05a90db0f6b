"""Minimum-norm and least-squares solutions with a proved distance to the truth.

The float solver only proposes. What is proved starts from a residual that is computed nearly exactly, and from a proved lower
bound c on the relevant eigenvalue: with independent rows, a point v of the row space is at distance
‖Φ⁺(t − Φv)‖ ≤ ‖t − Φv‖/√c of the solution; with independent columns, ‖H⁻¹Φᵀ(t − Φv)‖ ≤ ‖Φᵀ(t − Φv)‖/c, H = ΦᵀΦ. One
step of refinement is taken before the bound is, so the bound is of second order.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, final

import numpy as np

from .accurate import Accurate, accurate_product, plain_product
from .float64 import FLOAT64, CholeskyFactor
from .gram import blocked_gram
from .rounding import (
    ETA,
    UNIT,
    UndecidedError,
    gamma,
    inner_product,
    norm_bounds,
    root_down,
    root_up,
    two_sum,
)
from .spectrum import gram_error, smallest_eigenvalue_bound, smallest_eigenvalue_estimate, trace_bound

__all__ = ["CertifiedParameters", "DualSystem", "PrimalSystem", "RowSystem"]

Array = np.ndarray[Any, Any]
_U = 2.0**-53


@dataclass(frozen=True, eq=False, slots=True)
class CertifiedParameters:
    """A point of parameter space known up to a ball: ‖w − (high + low)‖_F ≤ radius.

    Args:
        high: float64, shape (D, C).
        low: float64, shape (D, C), small against ``high``.
        radius: proved.
    """

    high: Array
    low: Array
    radius: Fraction

    @property
    def parameters(self) -> Array:
        """The nearest floats, shape (D, C)."""
        return self.high + self.low

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
    def fit(self, targets: Array, start: Array | None) -> CertifiedParameters:
        """Enclose start + Φ_A⁺(targets − Φ_A start)."""

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
            raise _not_proved(self.name)
        return bound

    def _residual(self, g: Array, a: Array) -> tuple[Array, Fraction]:
        """Compute g − matrix·a in float64, with a bound of its error against the true matrix."""
        image = self.matrix @ a
        difference = g - image
        norm, n = norm_bounds(a)[1], self.matrix.shape[0]
        # The product is wrong by γ_n |K̂||a|, and ‖|K̂|‖₂ ≤ tr(K)(1 + γ) as |K̂_ij| ≤ (1 + γ)√(K_ii K_jj).
        lost = (gamma(n + 2) * (self.trace + self.error) + self.error) * norm + n * a.size * ETA
        return difference, lost + UNIT * norm_bounds(difference)[1]


def _not_proved(name: str) -> UndecidedError:
    """Word the refusal that every missing eigenvalue bound ends in."""
    return UndecidedError(
        f"float64 cannot prove that {name} has full rank",
        "ball arithmetic decides it if the rank is full, rational arithmetic in any case",
    )


def _numerical_factor(matrix: Array, name: str) -> CholeskyFactor:
    """Cholesky factor of a matrix that must be numerically positive definite."""
    if not np.isfinite(np.diagonal(matrix)).all():
        raise UndecidedError(
            f"the Gram matrix of {name} overflows float64", "rational arithmetic has the range"
        )
    factor = FLOAT64.factor(matrix)
    if not isinstance(factor, CholeskyFactor):
        raise _not_proved(name)
    return factor


def _residual_pair(targets: Array, product: Accurate) -> tuple[Array, Array, Array]:
    """Form targets − product as high + low with an entrywise bound of the error."""
    high, low = two_sum(targets, -product.high)
    rest = low - product.low
    return high, rest, product.error + _U * np.abs(rest)


@final
class DualSystem(RowSystem):
    """Independent rows: w = start + Φ_Aᵀa with K_AA a = t − Φ_A start.

    Args:
        features: Φ, shape (n, D).
        rows: A.
        name: what to call Φ_A.
        gram: K̂_AA, if `blocked_gram` has made it already.
        cholesky: its factor, if known.
        parent: a system whose rows contain A; its eigenvalue bound holds here too (Cauchy interlacing).

    Example:
        >>> phi = np.array([[3.0, 4.0, 0.0], [0.0, 0.0, 2.0]])
        >>> fit = DualSystem(phi, slice(None), "Φ").fit(np.array([[25.0], [4.0]]), None)
        >>> fit.high.ravel() + fit.low.ravel(), fit.radius < 1e-14
        (array([3., 4., 2.]), True)
    """

    def __init__(
        self,
        features: Array,
        rows: Any,
        name: str,
        gram: Array | None = None,
        cholesky: CholeskyFactor | None = None,
        parent: RowSystem | None = None,
    ) -> None:
        super().__init__(features, rows, name)
        self._gram = gram
        self._cholesky = cholesky
        self._parent = parent

    @cached_property
    def matrix(self) -> Array:
        """K̂_AA, shape (|A|, |A|)."""
        if self._gram is not None:
            return self._gram
        whole = isinstance(self.rows, slice) and self.rows == slice(None)
        return blocked_gram(self.features, None if whole else np.arange(self.features.shape[0])[self.rows])

    @cached_property
    def factor(self) -> CholeskyFactor:
        """Its Cholesky factor."""
        return self._cholesky if self._cholesky is not None else _numerical_factor(self.matrix, self.name)

    @property
    def roundings_width(self) -> int:
        """D."""
        return int(self.features.shape[1])

    @cached_property
    def smallest(self) -> Fraction:
        """Proved lower bound of λ_min(K_AA); the parent's, when there is one."""
        return self._parent.smallest if self._parent is not None else super().smallest

    def fit(self, targets: Array, start: Array | None) -> CertifiedParameters:
        """Enclose the minimum-norm update from ``start``.

        Args:
            targets: t, float64, shape (|A|, C).
            start: float64, shape (D, C), or None for zero.

        Returns:
            Parameters with a proved radius.

        Raises:
            UndecidedError: full row rank is not proved, or float64 overflows.
        """
        smallest_root = root_down(self.smallest)
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            base = plain_product(self.features, self.rows, start)[0] if start is not None else 0.0
            coefficients = self.factor.solve(targets - base)
            z = accurate_product(self.features, self.rows, coefficients, transposed=True)
            if start is None:
                high, low, error = z.high, z.low, z.error
            else:
                high, lost = two_sum(start, z.high)
                low = lost + z.low
                error = z.error + _U * np.abs(low)
            # v = start + Φᵀa exactly, |v − (high + low)| ≤ error.
            first, rest, slack = _residual_pair(
                targets, accurate_product(self.features, self.rows, high, low)
            )
            residual = first + rest
            step = self.factor.solve(residual)
            update, roundings = plain_product(self.features, self.rows, step, transposed=True)
            corrected = low + update
            remainder, remainder_error = self._residual(residual, step)
        off = norm_bounds(error)[1]
        root_trace, step_norm = root_up(self.trace), norm_bounds(step)[1]
        # w* − (v + Φᵀs) = Φ⁺(t − Φv − Ks); t − Φv is the computed residual up to slack, one rounding and Φ·off.
        unexplained = (
            norm_bounds(remainder)[1]
            + remainder_error
            + norm_bounds(slack)[1]
            + UNIT * norm_bounds(residual)[1]
            + root_trace * off
        )
        # fl(Φᵀs) is wrong by γ_k |Φ|ᵀ|s|, and ‖|Φ|ᵀ|s|‖ ≤ ‖Φ‖_F ‖s‖.
        rounding = gamma(roundings) * root_trace * step_norm + UNIT * norm_bounds(corrected)[1]
        tiny = update.size * len(targets) * ETA
        return CertifiedParameters(high, corrected, off + rounding + tiny + unexplained / smallest_root)

    def pseudo_norm(self, g: Array) -> tuple[Fraction, Fraction]:
        """Bound ‖Φ_A⁺ g‖_F = (tr gᵀK⁻¹g)^½ from both sides.

        With any b and ρ = g − Kb: gᵀK⁻¹g = gᵀb + bᵀρ + ρᵀK⁻¹ρ, so an error in b counts only quadratically.

        Args:
            g: float64, shape (|A|, C).

        Returns:
            Lower and upper bound.

        Raises:
            UndecidedError: full row rank is not proved, or float64 overflows.
        """
        if not g.any():
            return Fraction(0), Fraction(0)
        # g is scaled to size 1; entries that become subnormal are wrong by η each.
        exponent = int(np.frexp(max(float(g.max()), -float(g.min())))[1])
        tiny = root_up(g.size * ETA**2 / self.smallest)
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            g = np.ldexp(g, -exponent)
            b = self.factor.solve(g)
            rho, lost = self._residual(g, b)
        (first, first_error), (second, second_error) = inner_product(g, b), inner_product(b, rho)
        value = first + second
        slack = first_error + second_error + norm_bounds(b)[1] * lost
        quadratic = (norm_bounds(rho)[1] + lost) ** 2 / self.smallest
        scale = Fraction(2) ** exponent
        low = root_down(value - slack) - tiny
        return max(Fraction(0), low) * scale, (root_up(value + slack + quadratic) + tiny) * scale


@final
class PrimalSystem(RowSystem):
    """Independent columns: w = H⁻¹Φ_Aᵀt, H = Φ_AᵀΦ_A, whatever the start.

    Args:
        features: Φ, shape (n, D).
        rows: A, at least D of them.
        name: what to call Φ_A.

    Example:
        >>> fit = PrimalSystem(np.array([[1.0], [1.0]]), slice(None), "Φ").fit(np.array([[1.0], [2.0]]), None)
        >>> float(fit.parameters[0, 0]), fit.radius < 1e-14
        (1.5, True)
    """

    @cached_property
    def matrix(self) -> Array:
        """The computed Φ_AᵀΦ_A, shape (D, D)."""
        return blocked_gram(self.features.T, columns=self.rows)

    @cached_property
    def factor(self) -> CholeskyFactor:
        """Its Cholesky factor."""
        return _numerical_factor(self.matrix, self.name)

    @property
    def roundings_width(self) -> int:
        """The number of rows."""
        return len(np.arange(self.features.shape[0])[self.rows])

    def fit(self, targets: Array, start: Array | None) -> CertifiedParameters:
        """Enclose the least-squares solution, which does not depend on the start.

        Args:
            targets: t, float64, shape (|A|, C).
            start: ignored.

        Returns:
            Parameters with a proved radius.

        Raises:
            UndecidedError: full column rank is not proved, or float64 overflows.
        """
        smallest = self.smallest
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            right = plain_product(self.features, self.rows, targets, transposed=True)[0]
            solution = self.factor.solve(right)
            high, low, slack = _residual_pair(targets, accurate_product(self.features, self.rows, solution))
            gradient = accurate_product(self.features, self.rows, high, low, transposed=True)
            g = gradient.high + gradient.low
            step = self.factor.solve(g)
            remainder, remainder_error = self._residual(g, step)
        unexplained = (
            norm_bounds(remainder)[1]
            + remainder_error
            + norm_bounds(gradient.error)[1]
            + UNIT * norm_bounds(g)[1]
            + root_up(self.trace) * norm_bounds(slack)[1]
        )
        return CertifiedParameters(solution, step, unexplained / smallest)

    def pseudo_norm(self, g: Array) -> tuple[Fraction, Fraction]:
        """Bound ‖Φ_A⁺ g‖_F = ‖H⁻¹Φ_Aᵀg‖_F from both sides.

        Args:
            g: float64, shape (|A|, C).

        Returns:
            Lower and upper bound.

        Raises:
            UndecidedError: full column rank is not proved, or float64 overflows.
        """
        fit = self.fit(g, None)
        return fit.distance(np.zeros_like(fit.high))
