"""Closed forms in ordinary floats, balls, multiprecision or exact rationals: one set of formulas for all.

Points are kept relative to w₀. When n ≤ D they are coefficients a of w = w₀ + Φᵀa, and only the Gram matrix is used;
when n > D they are explicit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..arrays import Array
from ..errors import BadInputError, SingularMatrixError
from ..numbers import FLOAT64, Arithmetic, Factor, Matrix, NoArithmeticError, Quantity
from ..numbers.spans import right_side
from ..numbers.tiles import Tiles
from .factored import Factored
from .kept import kept
from .model import Rows
from .problem import UnlearningProblem
from .spreading import spread

__all__ = ["ClosedForms", "Point", "float_model"]

_DENSE_SPECTRUM = 2000


@dataclass(frozen=True, eq=False)
class Point:
    """A point w = w₀ + Φᵀa + v of parameter space.

    Args:
        coefficients: a, shape (n, C) in position order, or None for zero.
        offset: v, shape (D, C), or None for zero.
    """

    coefficients: Matrix | None = None
    offset: Matrix | None = None


class ClosedForms(Factored):
    """The minimum-norm solutions of one problem in one arithmetic.

    Args:
        problem: the problem.
        arithmetic: FLOAT64 (measured), BALL or MP (enclosed, or approximate), RATIONAL (exact).

    Example:
        >>> import numpy as np
        >>> from muso_theory.numbers import RATIONAL
        >>> problem = UnlearningProblem(np.array([[1, 0, 1], [1, 1, 0]]), np.array([1, 2]), [1])
        >>> model = ClosedForms(problem, RATIONAL)
        >>> retrained = model.fit(model.retain, model.targets(model.retain))
        >>> float(model.distance(retrained, Point()).upper) ** 2  # ‖w_r − w₀‖² = y²/‖φ‖²
        0.5...
    """

    # -- eigenvalues -----------------------------------------------------------------------------------

    @cached_property
    def spectrum(self) -> tuple[Quantity, Quantity]:
        """Smallest nonzero and largest eigenvalue of K, measured in float64 whatever the arithmetic."""
        if not self._is_float:
            try:
                return float_model(self.problem).spectrum
            except BadInputError:
                what = "eigenvalues are read off a float64 Gram matrix, which overflows here"
                raise NoArithmeticError(what, "features scaled by a power of two decide it") from None
        values = self.eigenvalues
        positive = values[-self.rank(self.everything) :] if self.has_all_eigenvalues else values
        return Quantity.measured(positive[0]), Quantity.measured(positive[-1])

    @property
    def has_all_eigenvalues(self) -> bool:
        """Whether ``eigenvalues`` are all of them, and not the two ends of a large spectrum."""
        return min(self.problem.n_samples, self.problem.n_features) <= _DENSE_SPECTRUM

    @cached_property
    def eigenvalues(self) -> Array:
        """Eigenvalues of K (n ≤ D) or ΦᵀΦ in ascending order, FLOAT64 only; the two ends when there are many."""
        block = self._block(self.everything)
        if self.has_all_eigenvalues:
            return np.asarray(np.linalg.eigvalsh(block))
        return _extreme_eigenvalues(block, self.factor(self.everything))

    @property
    def sees_all_eigenvalues(self) -> bool:
        """Full numerical rank, or a rank that exact arithmetic confirms."""
        measured = float_model(self.problem)
        if not measured.is_singular:
            return True
        return self.is_exact and self.rank(self.everything) == measured.rank(self.everything)

    @property
    def condition_number(self) -> Quantity:
        """κ⁺(K) = λ_max/λ_min⁺."""
        smallest, largest = self.spectrum
        if smallest.lower <= 0:
            return Quantity.measured(np.inf)
        return Quantity.measured(float(largest.upper) / float(smallest.lower))

    # -- the verbs -------------------------------------------------------------------------------------
    def fit(self, rows: Rows, targets: Matrix, start: Point | None = None, ridge: Any = 0) -> Point:
        """G_{Φ_rows, targets}(start): where gradient descent on least squares from ``start`` ends.

        Args:
            rows: positions to fit.
            targets: their labels, (len(rows), C).
            start: where to start (claim implicit-bias) or, with a ridge, the anchor; None is w₀.
            ridge: λ of ‖Φw − y‖² + λ‖w − start‖², taken exactly.

        Returns:
            The minimum-norm update of the start.
        """
        here = start or Point()
        arithmetic = self.arithmetic
        if self._is_float and not self.is_dual_for(rows, ridge):
            v = self._descended(rows, targets, here, ridge)
            return Point(None, v if here.offset is None else arithmetic.add(here.offset, v))
        residual = arithmetic.sub(targets, self.predict(rows, here))
        if self.is_dual:
            a = self._scatter(rows, self.factor(rows, ridge).solve(residual))
            if here.coefficients is not None:
                a = arithmetic.add(here.coefficients, a)
            return Point(a, here.offset)
        v = self._step(rows, residual, ridge)
        return Point(None, v if here.offset is None else arithmetic.add(here.offset, v))

    def _descended(self, rows: Rows, targets: Any, here: Point, ridge: Any) -> Matrix:
        """The step of `_step` for the residual of a point, which is never formed for all rows at once."""
        w = here.offset
        if self.problem.w_init is not None:
            start = self.arithmetic.matrix(self.problem.w_init.reshape(-1, self.problem.n_outputs))
            w = start if w is None else self.arithmetic.add(start, w)
        right = right_side(self._features, self._index(rows), targets, w, spread())
        return self.factor(rows, ridge).solve(right)

    def _step(self, rows: Rows, residual: Matrix, ridge: Any = 0) -> Matrix:
        """(Φ_rowsᵀΦ_rows + λI)⁺Φ_rowsᵀ residual: the minimum-norm step, in explicit parameters."""
        if self.is_dual_for(rows, ridge):
            return self.transposed_image(rows, self.factor(rows, ridge).solve(residual))
        right = self.transposed_image(rows, residual)
        factor = self.factor(rows, ridge)
        if factor.rank == factor.size or self._is_float:
            return factor.solve(right)
        # An exact factor of a singular M solves, but not with minimum norm; M(M²)⁺ is M⁺.
        m = self._block(rows)
        return self.arithmetic.matmul(m, self.arithmetic.factor(self.arithmetic.matmul(m, m)).solve(right))

    def predict(self, rows: Rows, w: Point) -> Matrix:
        """Φ_rows w, shape (len(rows), C)."""
        out = self.initial_rows(rows)
        if w.coefficients is not None:
            if isinstance(self.gram, Tiles):
                seen = (self.gram @ w.coefficients)[list(rows)]
            else:
                k = self.gram if rows == self.everything else self.arithmetic.take(self.gram, list(rows))
                seen = self.arithmetic.matmul(k, w.coefficients)
            out = self.arithmetic.add(out, seen)
        if w.offset is not None:
            out = self.arithmetic.add(out, self.image(rows, w.offset))
        return out

    def square_distance(self, w: Point, other: Point) -> Quantity:
        """‖w − w'‖² in parameter space, all outputs together."""
        a = _difference(self.arithmetic, w.coefficients, other.coefficients)
        v = _difference(self.arithmetic, w.offset, other.offset)
        if a is not None and (v is not None or self._is_float):
            explicit = self.combine(a)
            v = explicit if v is None else self.arithmetic.add(v, explicit)
            a = None
        if v is not None:
            return self.arithmetic.square_norm(v)
        if a is None:
            return Quantity.exact(0)
        return self.arithmetic.energy(a, self.gram)

    def gradient_norm(self, rows: Rows, targets: Matrix, w: Point) -> Quantity:
        """‖Φ_rowsᵀ(targets − Φ_rows w)‖: zero exactly at the least-squares minimisers."""
        residual = self.arithmetic.sub(targets, self.predict(rows, w))
        if self.is_dual:
            return self.arithmetic.energy(residual, self.gram_block(rows)).sqrt()
        return self.arithmetic.square_norm(self.transposed_image(rows, residual)).sqrt()

    def offset(self, w: Point) -> Matrix:
        """The step w − w₀ itself, shape (D, C)."""
        if w.coefficients is None:
            zeros = self.arithmetic.zeros(self.problem.n_features, self.problem.n_outputs)
            return zeros if w.offset is None else w.offset
        step = self.combine(w.coefficients)
        return step if w.offset is None else self.arithmetic.add(step, w.offset)

    def at(self, w: Array) -> Point:
        """Parameters handed in from outside, (D, C), taken exactly."""
        v = self.arithmetic.matrix(w)
        if self.problem.w_init is not None:
            start = self.arithmetic.matrix(self.problem.w_init.reshape(-1, self.problem.n_outputs))
            v = self.arithmetic.sub(v, start)
        return Point(None, v)

    def final(self, w: Point) -> Matrix:
        """The parameters w themselves, shape (D, C), in this arithmetic."""
        step = self.offset(w)
        if self.problem.w_init is None:
            return step
        start = self.arithmetic.matrix(self.problem.w_init.reshape(-1, self.problem.n_outputs))
        return self.arithmetic.add(start, step)

    def explicit(self, w: Point) -> Array:
        """The parameters as a float64 array of shape (D, C)."""
        return np.array(self.arithmetic.to_numpy(self.final(w)), dtype=np.float64)

    # -- solutions and formulas that need more than the verbs --------------------------------------------------------

    @property
    def start(self) -> Point:
        """w₀."""
        return Point()

    def square_gap(self, label_error: Matrix) -> Quantity:
        """‖Φ⁺(0; δ)‖² for δ of shape (n_F, C): claim gap-formula, valid for any Φ."""
        # w_r lies in w₀ + row(Φ), so w_u − w_r = Φ⁺((y_R; ỹ_F) − Φw_r) = Φ⁺(ρ; δ) with ρ = y_R − Φ_R w_r, whatever the
        # rank; and Φ⁺(ρ; 0) = (ΦᵀΦ)⁺Φ_Rᵀρ = 0 by the normal equations of w_r. With a = K⁺(0; δ) that is ‖Φᵀa‖² = aᵀKa,
        # for invertible K δᵀS⁻¹δ. Floats form Φᵀa, off by u‖Φ‖‖a‖; an error u‖K‖‖a‖² of aᵀKa has a far larger root.
        rows = len(self.retain)
        padded = self.arithmetic.vstack(
            self.arithmetic.zeros(rows, self.arithmetic.shape(label_error)[1]), label_error
        )
        if self.is_dual:
            coefficients = self.factor(self.everything).solve(padded)
            if self._is_float:
                return self.arithmetic.square_norm(self.combine(coefficients))
            return self.arithmetic.energy(coefficients, self.gram)
        return self.arithmetic.square_norm(self._step(self.everything, padded))

    def dual_coefficients(self) -> Matrix:
        """K_RR⁻¹(y_R − Φ_R w₀), shape (n_R, C)."""
        if not self.is_dual_for(self.retain) or self._solves_for_distinct(self.retain):
            raise SingularMatrixError(
                "expected independent rows of Φ_R but K_RR is singular; try the closed-form labels"
            )
        residual = self.arithmetic.sub(self.targets(self.retain), self.predict(self.retain, self.start))
        return self.factor(self.retain).solve(residual)

    def leave_block_out(self) -> Matrix:
        """ỹ_F = y_F − [(K⁻¹)_FF]⁻¹[K⁻¹(y − Φw₀)]_F, from the factorisation of K alone.

        Returns:
            The labels, (n_F, C).

        Raises:
            SingularMatrixError: K is singular (always so when n > D), so the formula has no meaning.
        """
        factor = self.factor(self.everything) if self.is_dual else None
        if factor is None or factor.rank < factor.size:
            raise SingularMatrixError(
                "expected an invertible Gram matrix for the leave-block-out formula but got a singular one; "
                "try the closed-form labels, which need no invertibility"
            )
        # With r = y − Φw₀ block elimination gives [K⁻¹r]_F = S⁻¹(r_F − K_FR K_RR⁻¹r_R) and (K⁻¹)_FF = S⁻¹: what is left
        # of y_F is Φ_F w₀ + K_FR K_RR⁻¹r_R = Φ_F w_r (D. Allen's PRESS, Technometrics 1974, for blocks).
        arithmetic = self.arithmetic
        unit = arithmetic.vstack(
            arithmetic.zeros(len(self.retain), len(self.forget)), arithmetic.identity(len(self.forget))
        )
        inverse_block = arithmetic.take(factor.solve(unit), list(self.forget))
        inverse_block = arithmetic.scale(
            0.5, arithmetic.add(inverse_block, arithmetic.transpose(inverse_block))
        )
        residual = factor.solve(arithmetic.sub(self._targets, self.initial_output))
        correction = arithmetic.factor(inverse_block).solve(arithmetic.take(residual, list(self.forget)))
        return arithmetic.sub(self.targets(self.forget), correction)

    def forget_kernel(self) -> Matrix | None:
        """A basis of ker Φ_Fᵀ, one vector a column, or None when Φ_F has full row rank."""
        n_forget = len(self.forget)
        if self.rank(self.forget) == n_forget:
            return None
        if self.is_dual:
            return self.arithmetic.null_space(self.gram_block(self.forget))
        return self.arithmetic.null_space(self.arithmetic.transpose(self.rows_of_features(self.forget)))


@kept
def float_model(problem: UnlearningProblem) -> ClosedForms:
    """Closed forms of a problem in float64: the one Gram matrix and factorisation that everything shares.

    Args:
        problem: the problem.

    Returns:
        The model, the same one whenever it is asked for.
    """
    return ClosedForms(problem, FLOAT64)


def _extreme_eigenvalues(block: Array | Tiles, factor: Factor) -> Array:
    """Smallest nonzero and largest eigenvalue by Lanczos, for matrices too large for a dense spectrum."""
    from scipy.sparse.linalg import LinearOperator, eigsh

    start = np.random.default_rng(0).standard_normal(factor.size)
    inverse = LinearOperator(
        block.shape, matvec=lambda v: factor.solve(v.reshape(-1, 1)).ravel(), dtype=np.float64
    )
    forward: Any = block
    if isinstance(block, Tiles):
        forward = LinearOperator(
            block.shape, matvec=lambda v: (block @ v.reshape(-1, 1)).ravel(), dtype=np.float64
        )
    largest = eigsh(forward, k=1, v0=start, return_eigenvectors=False)
    smallest = eigsh(inverse, k=1, v0=start, return_eigenvectors=False)
    return np.array([1 / smallest[0], largest[0]])


def _difference(arithmetic: Arithmetic, a: Matrix | None, b: Matrix | None) -> Matrix | None:
    """A − b where None is zero."""
    if b is None:
        return a
    return arithmetic.scale(-1, b) if a is None else arithmetic.sub(a, b)
