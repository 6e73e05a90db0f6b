"""Exact answers over the rationals, written without the toolkit: what verdicts are judged by.

Floats are the dyadic rationals that they are. Everything follows from one pseudo-inverse: with B the pivot columns of
A and C the nonzero rows of its reduced row echelon form, A = BC is a full-rank factorisation, and
A⁺ = Cᵀ(CCᵀ)⁻¹(BᵀB)⁻¹Bᵀ (Ben-Israel and Greville, "Generalized Inverses", 2003, section 1.6). No Gram matrix of the data
is factorised, no case is made of n ≤ D, and no rank is assumed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from flint import fmpq, fmpq_mat

from .exact_numbers import Eigenvalue, Rational, Root, Spectrum

__all__ = [
    "FlintMatrix",
    "Truth",
    "identity",
    "norm",
    "null_space",
    "pseudo_inverse",
    "read",
    "rows_of",
    "square_norm",
    "stack",
]

FlintMatrix = fmpq_mat


# -- matrices ----------------------------------------------------------------------------------------------


def _exact(value: Any) -> fmpq:
    """One number as the rational that it is."""
    p, q = value.as_integer_ratio() if hasattr(value, "as_integer_ratio") else (int(value), 1)
    return fmpq(int(p), int(q))


def read(values: Any) -> FlintMatrix:
    """A matrix of exact rationals from numbers of any kind; a vector becomes a column.

    Example:
        >>> read([[0.5, 2], [Fraction(1, 3), 0]])
        [1/2, 2]
        [1/3, 0]
    """
    array = values if isinstance(values, np.ndarray) else np.array(values, dtype=object)
    array = array.reshape(len(array), -1)
    return fmpq_mat(*array.shape, [_exact(value) for value in array.ravel().tolist()])


def rows_of(matrix: FlintMatrix, rows: Iterable[int]) -> FlintMatrix:
    """Some rows of a matrix, in the order asked for."""
    entries = matrix.tolist()
    chosen = [entries[i] for i in rows]
    return fmpq_mat(len(chosen), matrix.ncols(), [x for row in chosen for x in row])


def stack(above: FlintMatrix, below: FlintMatrix) -> FlintMatrix:
    """One matrix above another."""
    entries = [x for part in (above, below) for row in part.tolist() for x in row]
    return fmpq_mat(above.nrows() + below.nrows(), above.ncols(), entries)


def identity(n: int) -> FlintMatrix:
    """The unit matrix."""
    return fmpq_mat(n, n, [fmpq(int(i == j)) for i in range(n) for j in range(n)])


def square_norm(matrix: FlintMatrix) -> Fraction:
    """‖A‖_F²."""
    total = sum((x * x for row in matrix.tolist() for x in row), fmpq(0))
    return Fraction(int(total.p), int(total.q))


def norm(matrix: FlintMatrix) -> Root:
    """‖A‖_F."""
    return Root(square_norm(matrix))


def _pivots(echelon: FlintMatrix, rank: int) -> list[int]:
    """Columns of the leading ones."""
    return [next(j for j, x in enumerate(row) if x != 0) for row in echelon.tolist()[:rank]]


def pseudo_inverse(a: FlintMatrix) -> FlintMatrix:
    """A⁺ by a full-rank factorisation, for any matrix.

    Example:
        >>> pseudo_inverse(read([[1, 1], [1, 1]]))
        [1/4, 1/4]
        [1/4, 1/4]
    """
    echelon, rank = a.rref()
    if rank == 0:
        return fmpq_mat(a.ncols(), a.nrows())
    b = rows_of(a.transpose(), _pivots(echelon, rank)).transpose()
    c = rows_of(echelon, range(rank))
    return c.transpose() * (c * c.transpose()).inv() * (b.transpose() * b).inv() * b.transpose()


def null_space(a: FlintMatrix) -> FlintMatrix:
    """A basis of {v: Av = 0}, one vector a column."""
    echelon, rank = a.rref()
    pivots, n = _pivots(echelon, rank), a.ncols()
    rows = echelon.tolist()
    free = [j for j in range(n) if j not in pivots]
    basis = [[fmpq(int(i == j)) for j in free] for i in range(n)]
    for k, pivot in enumerate(pivots):
        basis[pivot] = [-rows[k][j] for j in free]
    return fmpq_mat(n, len(free), [x for row in basis for x in row])


# -- one problem -------------------------------------------------------------------------------------------


class Truth:
    """The exact objects of one unlearning problem.

    Rows are sample numbers. Parameters are (D, C), labels (m, C), both `fmpq_mat`; an empty start is w₀.

    Args:
        features: Φ, shape (n, D).
        targets: y, shape (n,) or (n, C).
        forget: sample numbers of F, in ascending order.
        w_init: w₀, or None for zero.

    Example:
        >>> truth = Truth([[1, 0], [1, 1]], [1, 3], [1])
        >>> truth.pretrained.transpose(), truth.retrained.transpose(), truth.optimal_labels
        ([1, 2], [1, 0], [1])
    """

    def __init__(self, features: Any, targets: Any, forget: Sequence[int], w_init: Any = None) -> None:
        self.phi, self.targets = read(features), read(targets)
        self.n, self.width, self.outputs = self.phi.nrows(), self.phi.ncols(), self.targets.ncols()
        self.start = fmpq_mat(self.width, self.outputs) if w_init is None else read(w_init)
        self.forget = [int(i) for i in forget]
        self.retain = [i for i in range(self.n) if i not in set(self.forget)]
        self.everything = [*self.retain, *self.forget]
        self._inverses: dict[tuple[int, ...], FlintMatrix] = {}

    # -- solutions

    def features(self, rows: Sequence[int]) -> FlintMatrix:
        """Φ_rows."""
        return rows_of(self.phi, rows)

    def y(self, rows: Sequence[int]) -> FlintMatrix:
        """The data's own targets of some rows."""
        return rows_of(self.targets, rows)

    def inverse(self, rows: Sequence[int]) -> FlintMatrix:
        """Φ_rows⁺."""
        key = tuple(rows)
        if key not in self._inverses:
            self._inverses[key] = pseudo_inverse(self.features(rows))
        return self._inverses[key]

    def fit(self, rows: Sequence[int], targets: FlintMatrix, start: FlintMatrix | None = None) -> FlintMatrix:
        """G_{Φ_rows, targets}(start) = start + Φ_rows⁺(targets − Φ_rows start)."""
        begin = self.start if start is None else start
        return begin + self.inverse(rows) * (targets - self.predict(rows, begin))

    def ridge(
        self, rows: Sequence[int], targets: FlintMatrix, ridge: Rational, anchor: FlintMatrix | None = None
    ) -> FlintMatrix:
        """The minimiser of ‖Φ_rows w − targets‖² + λ‖w − anchor‖², λ > 0, by its normal equations."""
        begin, phi = self.start if anchor is None else anchor, self.features(rows)
        normal = phi.transpose() * phi + _exact(ridge) * identity(self.width)
        return begin + normal.inv() * (phi.transpose() * (targets - phi * begin))

    def project(self, rows: Sequence[int], w: FlintMatrix) -> FlintMatrix:
        """w₀ + P_rows(w − w₀)."""
        return self.start + self.inverse(rows) * (self.features(rows) * (w - self.start))

    def off_span(self, w: FlintMatrix) -> FlintMatrix:
        """(I − P)(w − w₀): what training on these samples never moves."""
        return w - self.project(self.everything, w)

    def predict(self, rows: Sequence[int], w: FlintMatrix) -> FlintMatrix:
        """Φ_rows w."""
        return self.features(rows) * w

    @cached_property
    def pretrained(self) -> FlintMatrix:
        """w_p."""
        return self.fit(self.everything, self.y(self.everything))

    @cached_property
    def retrained(self) -> FlintMatrix:
        """w_r."""
        return self.fit(self.retain, self.y(self.retain))

    @cached_property
    def optimal_labels(self) -> FlintMatrix:
        """Φ_F w_r."""
        return self.predict(self.forget, self.retrained)

    def unlearned(self, labels: FlintMatrix, start: FlintMatrix | None = None) -> FlintMatrix:
        """w_u: fine-tuned on (y_R, labels) from the start, or from w_p."""
        begin = self.pretrained if start is None else start
        return self.fit(self.everything, stack(self.y(self.retain), labels), begin)

    # -- labels by other formulas

    def label_free(self, rows: Sequence[int]) -> FlintMatrix:
        """Φ_F(w₀ + P_rows(w_p − w₀))."""
        return self.predict(self.forget, self.project(rows, self.pretrained))

    def leave_block_out(self) -> FlintMatrix:
        """y_F − [(K⁻¹)_FF]⁻¹[K⁻¹(y − Φw₀)]_F; ZeroDivisionError where K is singular."""
        phi = self.features(self.everything)
        inverse = (phi * phi.transpose()).inv()
        last = range(len(self.retain), self.n)
        block = rows_of(rows_of(inverse, last).transpose(), last)
        residual = self.y(self.everything) - phi * self.start
        return self.y(self.forget) - block.inv() * rows_of(inverse * residual, last)

    def shifted_labels(self, ridge: Rational) -> tuple[FlintMatrix, FlintMatrix]:
        """Labels with (K_RR + εI)⁻¹ for K_RR⁻¹, and −ε K_FR(K_RR + εI)⁻¹K_RR⁻¹(y_R − Φ_R w₀)."""
        phi_r, phi_f = self.features(self.retain), self.features(self.forget)
        gram, cross = phi_r * phi_r.transpose(), phi_f * phi_r.transpose()
        size = _exact(ridge)
        residual = self.y(self.retain) - phi_r * self.start
        regular = (gram + size * identity(gram.nrows())).inv()
        return phi_f * self.start + cross * regular * residual, -size * (
            cross * regular * (gram.inv() * residual)
        )

    # -- what decides conditions

    def rank(self, rows: Sequence[int]) -> int:
        """Rank of Φ_rows."""
        return int(self.features(rows).rank())

    def residual(self, rows: Sequence[int], w: FlintMatrix) -> FlintMatrix:
        """y_rows − Φ_rows w."""
        return self.y(rows) - self.predict(rows, w)

    def gradient(self, rows: Sequence[int], targets: FlintMatrix, w: FlintMatrix) -> FlintMatrix:
        """Φ_rowsᵀ(Φ_rows w − targets)."""
        return self.features(rows).transpose() * (self.predict(rows, w) - targets)

    @cached_property
    def spectrum(self) -> Spectrum:
        """Of ΦΦᵀ (n ≤ D) or of ΦᵀΦ."""
        wide = self.phi if self.n <= self.width else self.phi.transpose()
        return Spectrum(wide * wide.transpose())

    def gram_spectrum(self, rows: Sequence[int]) -> Spectrum:
        """Of K_rows."""
        phi = self.features(rows)
        return Spectrum(phi * phi.transpose())

    @property
    def largest_eigenvalue(self) -> Eigenvalue:
        """λ_max(K)."""
        return Eigenvalue(self.spectrum, self.spectrum.size - 1)

    @property
    def smallest_eigenvalue(self) -> Eigenvalue:
        """The smallest nonzero eigenvalue of K."""
        return Eigenvalue(self.spectrum, self.spectrum.size - self.rank(self.everything))

    # -- gaps

    def gap(self, w: FlintMatrix) -> Root:
        """‖w − w_r‖."""
        return norm(w - self.retrained)

    def label_gap(self, labels: FlintMatrix) -> Root:
        """‖w_u − w_r‖ of fine-tuning on any labels from w_p."""
        return self.gap(self.unlearned(labels))

    @property
    def doing_nothing(self) -> Root:
        """‖w_p − w_r‖."""
        return self.gap(self.pretrained)

    def formula_gap(self, labels: FlintMatrix) -> Root:
        """‖Φ⁺(0; δ)‖ with δ = labels − Φ_F w_r."""
        zeros = fmpq_mat(len(self.retain), self.outputs)
        return norm(self.inverse(self.everything) * stack(zeros, labels - self.optimal_labels))

    # -- training step by step

    def descend(
        self, rows: Sequence[int], targets: FlintMatrix, w: FlintMatrix, step: Fraction, steps: int
    ) -> FlintMatrix:
        """Steps of gradient descent on ½‖Φ_rows w − targets‖²."""
        for _ in range(steps):
            w = w - _exact(step) * self.gradient(rows, targets, w)
        return w

    def kaczmarz(self, targets: FlintMatrix, w: FlintMatrix, steps: Sequence[Fraction]) -> FlintMatrix:
        """One pass of SGD over ``everything`` in order: w ← w − γ_i(φ_iᵀw − t_i)φ_i."""
        for position, (i, step) in enumerate(zip(self.everything, steps, strict=True)):
            wrong = self.predict([i], w) - rows_of(targets, [position])
            w = w - _exact(step) * (self.features([i]).transpose() * wrong)
        return w
