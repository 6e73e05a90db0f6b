"""The data of one problem in one arithmetic, and the factorisations of its blocks, each computed at most once.

With K in position order, the Cholesky factor of K contains those of K_RR (leading block) and of the Schur
complement S (trailing block), so one factorisation serves every claim. When n ≤ D that is all that is factorised (dual
form); when n > D it is Φᵀ_rowsΦ_rows (primal form).
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from ..arrays import Array, row_blocks
from ..errors import SingularMatrixError
from ..numbers import FLOAT64, Arithmetic, Factor, Grade, Matrix, Quantity
from ..numbers.accurate import ROWS
from ..numbers.base_system import numerical_factor
from ..numbers.float64 import in_range
from ..numbers.primal import is_small_part
from ..numbers.repeated import RepeatedFactor
from ..numbers.spans import curvature, parts
from ..numbers.tiles import Tiles
from ..rows import Above, ByRows, taken
from .model import Model, Rows
from .problem import UnlearningProblem
from .repeats import few_others
from .spreading import spread
from .tiling import in_tiles
from .unfinished import growing, in_folder

__all__ = ["Factored"]


class Factored(Model):
    """A model whose matrices are those of an `Arithmetic`; what it fits and predicts, `ClosedForms` adds.

    Args:
        problem: the problem.
        arithmetic: FLOAT64 (measured), BALL or MP (enclosed, or approximate), RATIONAL (exact).
    """

    def __init__(self, problem: UnlearningProblem, arithmetic: Arithmetic) -> None:
        super().__init__(problem)
        self.arithmetic = arithmetic
        self.name = arithmetic.name
        self.is_exact = arithmetic.square_norm(arithmetic.zeros(1, 1)).grade is Grade.PROVED
        self._factors: dict[tuple[object, ...], Factor] = {}
        self._failed: dict[tuple[object, ...], str] = {}
        self._curvatures: dict[Rows, Array] = {}

    # -- the data in this arithmetic -------------------------------------------------------------------

    @cached_property
    def _features(self) -> Matrix:
        """Φ in this arithmetic, original row order; FLOAT64 uses the caller's float array as it is."""
        features = self.problem.features
        return (
            features if self._is_float and isinstance(features, ByRows) else self.arithmetic.matrix(features)
        )

    @property
    def _is_float(self) -> bool:
        return self.arithmetic is FLOAT64

    def rows_of_features(self, rows: Rows) -> Matrix:
        """Φ_rows, shape (len(rows), D)."""
        indices = [int(i) for i in self.order[list(rows)]]
        if self._is_float:
            return np.asarray(self._features[indices], dtype=np.float64)
        return self.arithmetic.take(self._features, indices)

    @cached_property
    def gram(self) -> Matrix:
        """K = ΦΦᵀ in position order, shape (n, n); in floats in tiles where there is no memory for it."""
        if self._is_float and in_tiles(self.problem):
            return in_folder(self.problem, self.order)
        gram = self.arithmetic.gram(self._features)
        order = [int(i) for i in self.order]
        return self.arithmetic.take(gram, order, order)

    @property
    def gram_in_order(self) -> Matrix:
        """K in the order of the samples."""
        back = [int(i) for i in np.argsort(self.order)]
        return self.arithmetic.take(self.gram, back, back)

    @cached_property
    def _targets(self) -> Matrix:
        ordered = taken(self.problem.targets.reshape(-1, self.problem.n_outputs), self.order)
        return ordered if self._is_float and isinstance(ordered, ByRows) else self.arithmetic.matrix(ordered)

    @cached_property
    def initial_output(self) -> Matrix:
        """Φw₀ in position order."""
        if self.problem.w_init is None:
            return self.arithmetic.zeros(self.problem.n_samples, self.problem.n_outputs)
        w_init = self.arithmetic.matrix(self.problem.w_init.reshape(-1, self.problem.n_outputs))
        return self.image(self.everything, w_init)

    def initial_rows(self, rows: Rows) -> Matrix:
        """Φ_rows w₀, without all others where there is nothing to remember."""
        if self.problem.w_init is None:
            return self.arithmetic.zeros(len(rows), self.problem.n_outputs)
        return self.arithmetic.take(self.initial_output, list(rows))

    def _index(self, rows: Rows) -> Array:
        """The rows of Φ at these positions."""
        return self.order[np.asarray(rows, dtype=np.intp)]

    def image(self, rows: Rows, v: Matrix) -> Matrix:
        """Φ_rows v for explicit v (D, C), a span of rows after the other when the features are floats."""
        if not self._is_float:
            return self.arithmetic.matmul(self.rows_of_features(rows), v)
        index = self._index(rows)
        out = np.empty((len(index), v.shape[1]))
        for where, part in parts(self._features, index, least=ROWS):
            out[where] = part.matrix @ v
        return out

    def transposed_image(self, rows: Rows, a: Matrix) -> Matrix:
        """Φ_rowsᵀa, shape (D, C); floats meet all rows where they lie, the others with zeros, and none is copied."""
        if not self._is_float and rows != self.everything:
            return self.arithmetic.matmul(self.arithmetic.transpose(self.rows_of_features(rows)), a)
        return self.combine(self._scatter(rows, a))

    def combine(self, coefficients: Matrix) -> Matrix:
        """Φᵀa for coefficients in position order, shape (D, C)."""
        if not self._is_float:
            inverse = [int(i) for i in np.argsort(self.order)]
            a = self.arithmetic.take(coefficients, inverse)
            return self.arithmetic.matmul(self.arithmetic.transpose(self._features), a)
        features = self._features
        a = np.empty_like(coefficients)
        a[self.order] = coefficients
        out = np.zeros((self.problem.n_features, a.shape[1]))
        for block in row_blocks(features):
            out += np.asarray(features[block], dtype=np.float64).T @ a[block]
        return out

    # -- labels ----------------------------------------------------------------------------------------

    def targets(self, rows: Rows) -> Matrix:
        """The data's own labels y of the given positions."""
        if isinstance(self._targets, ByRows):
            return taken(self._targets, rows)
        return self.arithmetic.take(self._targets, list(rows))

    def given(self, labels: Array) -> Matrix:
        """Labels handed in from outside, (m, C), taken exactly."""
        return self.arithmetic.matrix(labels)

    def stack(self, a: Matrix, b: Matrix) -> Matrix:
        """Labels a above labels b."""
        if isinstance(a, ByRows) or isinstance(b, ByRows):
            return Above([a, b])
        return self.arithmetic.vstack(a, b)

    def mix(self, a: Any, x: Matrix, b: Any, y: Matrix) -> Matrix:
        """a·x + b·y."""
        return self.arithmetic.add(self.arithmetic.scale(a, x), self.arithmetic.scale(b, y))

    def label_distance(self, a: Matrix, b: Matrix) -> Quantity:
        """Frobenius distance of two label matrices."""
        return self.arithmetic.square_norm(self.arithmetic.sub(a, b)).sqrt()

    # -- factorisations --------------------------------------------------------------------------------

    def is_dual_for(self, rows: Rows, ridge: Any = 0) -> bool:
        """Whether the factor of these rows is one of K_rows, and not of Φ_rowsᵀΦ_rows, which is smaller."""
        fits = self.is_dual or len(rows) <= self.problem.n_features
        return fits or (not ridge and self._solves_for_distinct(rows))

    def _solves_for_distinct(self, rows: Rows) -> bool:
        """Whether K_rows is known to be singular, in an arithmetic that factorises no singular matrix."""
        return not (self._is_float or self.is_exact) and self.repeats.lower_the_rank(rows)

    def _block(self, rows: Rows, ridge: Any = 0) -> Matrix:
        """The matrix that has to be inverted for these rows: K_rows, or Φ_rowsᵀΦ_rows when that is smaller."""
        return self.gram_block(rows) if self.is_dual_for(rows, ridge) else self.curvature(rows)

    def curvature(self, rows: Rows) -> Matrix:
        """Φ_rowsᵀΦ_rows, shape (D, D); of most rows in floats that of all less that of the others."""
        rest = few_others(rows, *self._features.shape) if self._is_float else ()
        if rest:
            whole, part = self.formed_curvature(self.everything), self.formed_curvature(rest)
            if is_small_part(whole, part):
                return whole - part
        return self.formed_curvature(rows)

    def has_formed(self, rows: Rows) -> bool:
        """Whether `formed_curvature` of these rows is there already."""
        return rows in self._curvatures

    @property
    def has_gram(self) -> bool:
        """Whether `gram` is there already."""
        return "gram" in vars(self)

    @property
    def square_size(self) -> float:
        """‖Φ‖_F² as the trace of the matrix to be inverted has it, FLOAT64 only."""
        return float(self._block(self.everything).diagonal().sum())

    def formed_curvature(self, rows: Rows) -> Matrix:
        """The same, always formed from these rows themselves; in floats at most once."""
        if not self._is_float:
            return self.arithmetic.gram(self.arithmetic.transpose(self.rows_of_features(rows)))
        if rows not in self._curvatures:
            index = self._index(rows)
            kept = growing(self.problem, index)
            formed = in_range(curvature(self._features, index, spread(), kept))
            if kept is not None:
                kept.confirm(self._features, index, formed)
            self._curvatures[rows] = formed
        return self._curvatures[rows]

    def gram_block(self, rows: Rows) -> Matrix:
        """K_rows,rows of some positions, without factorising it."""
        if not self.is_dual:
            return self.arithmetic.gram(self.rows_of_features(rows))
        if rows == self.everything:
            return self.gram
        if isinstance(self.gram, Tiles):
            return self.gram.part(rows)
        return self.arithmetic.take(self.gram, list(rows), list(rows))

    def factor(self, rows: Rows, ridge: Any = 0) -> Factor:
        """Factorisation of the block of these rows plus ridge·I, computed at most once.

        Args:
            rows: positions.
            ridge: λ, taken exactly.

        Returns:
            The factor.
        """
        key = (rows, ridge)
        if key in self._failed:
            raise SingularMatrixError(self._failed[key])
        if key not in self._factors:
            if not ridge and self._solves_for_distinct(rows):
                distinct = self.factor(self.repeats.distinct(rows))
                self._factors[key] = RepeatedFactor(self.arithmetic, distinct, self.repeats.place(rows))
                return self._factors[key]
            if self.is_dual and rows == self.retain and not ridge:
                whole = self.factor(self.everything)
                leading = getattr(whole, "leading", None)
                if leading is not None:
                    self._factors[key] = leading(len(rows))
                    return self._factors[key]
            block = self._block(rows, ridge)
            if isinstance(block, Tiles):
                self._factors[key] = numerical_factor(block, "Φ", ridge)
                return self._factors[key]
            if ridge:
                size = self.arithmetic.shape(block)[0]
                block = self.arithmetic.add(
                    block, self.arithmetic.scale(ridge, self.arithmetic.identity(size))
                )
            try:
                self._factors[key] = self.arithmetic.factor(block)
            except SingularMatrixError as error:
                self._failed[key] = str(error)
                raise
        return self._factors[key]

    @property
    def is_singular(self) -> bool:
        """Whether K (n ≤ D) or ΦᵀΦ (n > D) is singular, numerically so in FLOAT64."""
        factor = self.factor(self.everything)
        return factor.rank < factor.size

    def rank(self, rows: Rows) -> int:
        """Rank of Φ_rows: exact in RATIONAL, numerical in FLOAT64."""
        return self.factor(rows).rank

    @property
    def assumed_ranks(self) -> list[str]:
        """Where FLOAT64 takes Φ or Φ_R for a matrix of less than full rank, in words: no rounding shows that."""
        words = []
        for name, rows in (("Φ", self.everything), ("Φ_R", self.retain)):
            factor = self.factor(rows)
            if factor.rank < factor.size:
                told = f"rank {name} = {factor.rank} of {factor.size}"
                words.append(f"float64 assumes {told}, by its rounding: another rank gives other numbers")
        return words

    def full_row_rank(self, rows: Rows, suffix: str = "") -> tuple[str, Quantity, bool]:
        """What decides whether Φ_rows has independent rows.

        Args:
            rows: positions.
            suffix: subscript for the words.

        Returns:
            The quantity in words, the quantity, and whether it must be positive (else it must be ≤ 0).
        """
        missing = len(rows) - self.rank(rows)
        quantity = Quantity.measured(missing) if self._is_float else Quantity.exact(missing)
        return f"n{suffix} − rank Φ{suffix}", quantity, False

    def _scatter(self, rows: Rows, values: Matrix) -> Matrix:
        """Values of some positions, zero elsewhere."""
        if rows == self.everything:
            return values
        n_values, n_columns = self.arithmetic.shape(values)
        where = [n_values] * len(self.everything)
        for k, row in enumerate(rows):
            where[row] = k
        return self.arithmetic.take(
            self.arithmetic.vstack(values, self.arithmetic.zeros(1, n_columns)), where
        )
