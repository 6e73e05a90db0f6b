"""Exact answers over the rationals, written without the toolkit: what verdicts are judged by.

Floats are the dyadic rationals that they are. Everything follows from one pseudo-inverse: with B the pivot columns of
A and C the nonzero rows of its reduced row echelon form, A = BC is a full-rank factorisation, and
A⁺ = Cᵀ(CCᵀ)⁻¹(BᵀB)⁻¹Bᵀ (Ben-Israel and Greville, "Generalized Inverses", 2003, section 1.6). No Gram matrix of the data
is factorised, no case is made of n ≤ D, and no rank is assumed.

Norms are roots of rationals and eigenvalues are algebraic numbers; neither is ever evaluated. A `Number` answers on
which side of a rational it lies, exactly.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import Any

import mpmath
import numpy as np
from flint import fmpq, fmpq_mat, fmpq_poly

__all__ = [
    "Eigenvalue",
    "GaussianDelta",
    "Number",
    "Root",
    "Spectrum",
    "Truth",
    "null_space",
    "pseudo_inverse",
    "read",
    "rows_of",
    "square_norm",
]

Matrix = fmpq_mat
Rational = Fraction | float | int


# -- numbers that are known by their order ------------------------------------------------------------------


class Number(ABC):
    """A real number that is compared with rationals exactly and never rounded."""

    @abstractmethod
    def compare(self, x: Fraction) -> int:
        """Sign of this number minus x.

        Args:
            x: any rational.

        Returns:
            −1, 0 or 1.
        """

    def within(self, lower: Rational, upper: Rational) -> bool:
        """Whether this number lies in [lower, upper]; the ends may be infinite.

        Args:
            lower: rational, or −inf.
            upper: rational, or inf.

        Returns:
            True if it does.

        Example:
            >>> Root(Fraction(2)).within(Fraction(7, 5), 1.5), Root(Fraction(2)).within(1.5, math.inf)
            (True, False)
        """
        above = lower == -math.inf or (lower != math.inf and self.compare(Fraction(lower)) >= 0)
        below = upper == math.inf or (upper != -math.inf and self.compare(Fraction(upper)) <= 0)
        return above and below

    @property
    def is_zero(self) -> bool:
        """Whether this is exactly zero."""
        return self.compare(Fraction(0)) == 0


@dataclass(frozen=True)
class Exactly(Number):
    """A rational.

    Args:
        value: the rational.
    """

    value: Fraction

    def compare(self, x: Fraction) -> int:
        """Sign of the value minus x."""
        return (self.value > x) - (self.value < x)


@dataclass(frozen=True)
class Root(Number):
    """√square: every norm.

    Args:
        square: a nonnegative rational.
    """

    square: Fraction

    def compare(self, x: Fraction) -> int:
        """Sign of √square − x, from squares where x is positive."""
        if x < 0:
            return 1
        return (self.square > x * x) - (self.square < x * x)

    def times(self, factor: Rational) -> Root:
        """This number times a nonnegative rational.

        Returns:
            The product.
        """
        return Root(self.square * Fraction(factor) ** 2)

    def __le__(self, other: Root) -> bool:
        return self.square <= other.square

    @property
    def log2(self) -> float:
        """The binary logarithm, near enough for statistics; −inf for zero."""
        if not self.square:
            return -math.inf
        p, q = self.square.numerator, self.square.denominator
        shift_p, shift_q = max(0, p.bit_length() - 64), max(0, q.bit_length() - 64)
        return (math.log2(p >> shift_p) + shift_p - math.log2(q >> shift_q) - shift_q) / 2


class Spectrum:
    """Where the eigenvalues of a symmetric rational matrix lie, counted exactly.

    A polynomial with real roots only has exactly as many positive roots as its coefficients change sign (Descartes'
    rule is sharp there), so that shifting the characteristic polynomial counts the eigenvalues above any rational.

    Args:
        matrix: symmetric.

    Example:
        >>> twice = Spectrum(read([[2, 1], [1, 2]]))  # eigenvalues 1 and 3
        >>> twice.above(Fraction(1)), twice.at(Fraction(1)), twice.above(Fraction(2999, 1000)), twice.above(Fraction(3))
        (1, 1, 1, 0)
    """

    def __init__(self, matrix: Matrix) -> None:
        self.size = matrix.nrows()
        self._polynomial = matrix.charpoly()

    def _shifted(self, x: Fraction) -> list[Any]:
        """Coefficients of p(x + t), lowest first."""
        return list(self._polynomial(fmpq_poly([fmpq(x.numerator, x.denominator), 1])).coeffs())

    def above(self, x: Fraction) -> int:
        """How many eigenvalues are larger than x."""
        signs = [c > 0 for c in self._shifted(x) if c != 0]
        return sum(a != b for a, b in pairwise(signs))

    def at(self, x: Fraction) -> int:
        """How many eigenvalues are equal to x."""
        coefficients = self._shifted(x)
        return next(k for k, c in enumerate(coefficients) if c != 0)


@dataclass(frozen=True)
class Eigenvalue(Number):
    """One eigenvalue of a symmetric matrix.

    Args:
        spectrum: of the matrix.
        position: 0 is the smallest one.
    """

    spectrum: Spectrum
    position: int

    def compare(self, x: Fraction) -> int:
        """Sign of the eigenvalue minus x."""
        larger, equal = self.spectrum.above(x), self.spectrum.at(x)
        below = self.spectrum.size - larger - equal
        if self.position < below:
            return -1
        return 0 if self.position < below + equal else 1

    def bracket(self, bits: int) -> tuple[Fraction, Fraction]:
        """Rationals around a positive eigenvalue whose ratio is 1 + 2⁻ᵇⁱᵗˢ or less.

        Args:
            bits: how close.

        Returns:
            A lower and an upper bound.
        """
        below, above = -1, 1
        while self.compare(Fraction(2) ** below) < 0:
            below *= 2
        while self.compare(Fraction(2) ** above) > 0:
            above *= 2
        while above - below > 1:
            middle = (below + above) // 2
            below, above = (middle, above) if self.compare(Fraction(2) ** middle) >= 0 else (below, middle)
        low, high = Fraction(2) ** below, Fraction(2) ** above
        while high - low > low / 2**bits:
            centre = (low + high) / 2
            low, high = (centre, high) if self.compare(centre) >= 0 else (low, centre)
        return low, high


@dataclass(frozen=True)
class Affine(Number):
    """a + b·number with b ≠ 0.

    Args:
        a: rational.
        b: rational, not zero.
        number: the number.
    """

    a: Fraction
    b: Fraction
    number: Number

    def compare(self, x: Fraction) -> int:
        """Sign of a + b·number − x."""
        return self.number.compare((x - self.a) / self.b) * (1 if self.b > 0 else -1)


@dataclass(frozen=True)
class Inverse(Number):
    """a/number with a > 0, of a number that is not negative; infinite at zero.

    Args:
        a: positive rational.
        number: the number.
    """

    a: Fraction
    number: Number

    def compare(self, x: Fraction) -> int:
        """Sign of a/number − x."""
        return 1 if x <= 0 else -self.number.compare(self.a / x)


@dataclass(frozen=True)
class Ratio(Number):
    """The quotient of two positive eigenvalues, such as κ.

    Args:
        top: the dividend.
        bottom: the divisor.
    """

    top: Eigenvalue
    bottom: Eigenvalue

    def compare(self, x: Fraction) -> int:
        """Sign of top/bottom − x, from brackets that narrow; quotients that agree to 2⁻²⁰⁰ count as equal."""
        if x <= 0:
            return 1
        for bits in (20, 60, 200):
            (low, high), (small, large) = self.top.bracket(bits), self.bottom.bracket(bits)
            if low > x * large:
                return 1
            if high < x * small:
                return -1
        return 0


@dataclass(frozen=True)
class GaussianDelta(Number):
    """The smallest δ for which N(0, σ²I) hides a distance Δ at ε.

    δ = Φ(Δ/2σ − εσ/Δ) − e^ε Φ(−Δ/2σ − εσ/Δ) (Balle and Wang 2018, theorem 8), evaluated to more digits than any
    difference that is asked about needs.

    Args:
        square: Δ².
        sigma: σ > 0.
        epsilon: ε.
    """

    square: Fraction
    sigma: Fraction
    epsilon: Fraction

    def compare(self, x: Fraction) -> int:
        """Sign of δ − x; numbers that agree to 80 digits count as equal."""
        if not self.square or not self.sigma:
            value = Fraction(1 if self.square else 0)
            return (value > x) - (value < x)
        if x <= 0:
            return 1
        with mpmath.workdps(120):
            ratio = self.square / self.sigma**2
            distance = mpmath.sqrt(mpmath.mpf(ratio.numerator) / ratio.denominator)
            epsilon = mpmath.mpf(self.epsilon.numerator) / self.epsilon.denominator
            near, far = distance / 2 - epsilon / distance, -distance / 2 - epsilon / distance
            digits = 120 + int(far * far / 2)  # Φ(near) and e^ε Φ(far) agree in their leading digits.
        with mpmath.workdps(min(digits, 4000)):
            delta = mpmath.ncdf(near) - mpmath.exp(epsilon) * mpmath.ncdf(far)
            other = mpmath.mpf(x.numerator) / x.denominator
            if abs(delta - other) <= abs(other) * mpmath.mpf(10) ** -80:
                return 0
            return 1 if delta > other else -1


# -- matrices ----------------------------------------------------------------------------------------------


def _exact(value: Any) -> fmpq:
    """One number as the rational that it is."""
    p, q = value.as_integer_ratio() if hasattr(value, "as_integer_ratio") else (int(value), 1)
    return fmpq(int(p), int(q))


def read(values: Any) -> Matrix:
    """A matrix of exact rationals from numbers of any kind; a vector becomes a column.

    Args:
        values: array or nested lists of floats, integers or Fractions.

    Returns:
        The matrix.

    Example:
        >>> read([[0.5, 2], [Fraction(1, 3), 0]])
        [1/2, 2]
        [1/3, 0]
    """
    array = values if isinstance(values, np.ndarray) else np.array(values, dtype=object)
    array = array.reshape(len(array), -1)
    return fmpq_mat(*array.shape, [_exact(value) for value in array.ravel().tolist()])


def rows_of(matrix: Matrix, rows: Iterable[int]) -> Matrix:
    """Some rows of a matrix, in the order asked for."""
    entries = matrix.tolist()
    chosen = [entries[i] for i in rows]
    return fmpq_mat(len(chosen), matrix.ncols(), [x for row in chosen for x in row])


def stack(above: Matrix, below: Matrix) -> Matrix:
    """One matrix above another."""
    entries = [x for part in (above, below) for row in part.tolist() for x in row]
    return fmpq_mat(above.nrows() + below.nrows(), above.ncols(), entries)


def identity(n: int) -> Matrix:
    """The unit matrix."""
    return fmpq_mat(n, n, [fmpq(int(i == j)) for i in range(n) for j in range(n)])


def square_norm(matrix: Matrix) -> Fraction:
    """‖A‖_F².

    Returns:
        A rational.
    """
    total = sum((x * x for row in matrix.tolist() for x in row), fmpq(0))
    return Fraction(int(total.p), int(total.q))


def norm(matrix: Matrix) -> Root:
    """‖A‖_F."""
    return Root(square_norm(matrix))


def _pivots(echelon: Matrix, rank: int) -> list[int]:
    """Columns of the leading ones."""
    return [next(j for j, x in enumerate(row) if x != 0) for row in echelon.tolist()[:rank]]


def pseudo_inverse(a: Matrix) -> Matrix:
    """A⁺ by a full-rank factorisation, for any matrix.

    Args:
        a: shape (m, n).

    Returns:
        The matrix of shape (n, m) that satisfies Penrose's four conditions.

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


def null_space(a: Matrix) -> Matrix:
    """A basis of {v: Av = 0}, one vector a column.

    Args:
        a: shape (m, n).

    Returns:
        Shape (n, n − rank).
    """
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
        self._inverses: dict[tuple[int, ...], Matrix] = {}

    # -- solutions

    def features(self, rows: Sequence[int]) -> Matrix:
        """Φ_rows."""
        return rows_of(self.phi, rows)

    def y(self, rows: Sequence[int]) -> Matrix:
        """The data's own targets of some rows."""
        return rows_of(self.targets, rows)

    def inverse(self, rows: Sequence[int]) -> Matrix:
        """Φ_rows⁺."""
        key = tuple(rows)
        if key not in self._inverses:
            self._inverses[key] = pseudo_inverse(self.features(rows))
        return self._inverses[key]

    def fit(self, rows: Sequence[int], targets: Matrix, start: Matrix | None = None) -> Matrix:
        """G_{Φ_rows, targets}(start) = start + Φ_rows⁺(targets − Φ_rows start)."""
        begin = self.start if start is None else start
        return begin + self.inverse(rows) * (targets - self.predict(rows, begin))

    def ridge(
        self, rows: Sequence[int], targets: Matrix, ridge: Rational, anchor: Matrix | None = None
    ) -> Matrix:
        """The minimiser of ‖Φ_rows w − targets‖² + λ‖w − anchor‖², λ > 0, by its normal equations."""
        begin, phi = self.start if anchor is None else anchor, self.features(rows)
        normal = phi.transpose() * phi + _exact(ridge) * identity(self.width)
        return begin + normal.inv() * (phi.transpose() * (targets - phi * begin))

    def project(self, rows: Sequence[int], w: Matrix) -> Matrix:
        """w₀ + P_rows(w − w₀)."""
        return self.start + self.inverse(rows) * (self.features(rows) * (w - self.start))

    def off_span(self, w: Matrix) -> Matrix:
        """(I − P)(w − w₀): what training on these samples never moves."""
        return w - self.project(self.everything, w)

    def predict(self, rows: Sequence[int], w: Matrix) -> Matrix:
        """Φ_rows w."""
        return self.features(rows) * w

    @cached_property
    def pretrained(self) -> Matrix:
        """w_p."""
        return self.fit(self.everything, self.y(self.everything))

    @cached_property
    def retrained(self) -> Matrix:
        """w_r."""
        return self.fit(self.retain, self.y(self.retain))

    @cached_property
    def optimal_labels(self) -> Matrix:
        """Φ_F w_r."""
        return self.predict(self.forget, self.retrained)

    def unlearned(self, labels: Matrix, start: Matrix | None = None) -> Matrix:
        """w_u: fine-tuned on (y_R, labels) from the start, or from w_p."""
        begin = self.pretrained if start is None else start
        return self.fit(self.everything, stack(self.y(self.retain), labels), begin)

    # -- labels by other formulas

    def label_free(self, rows: Sequence[int]) -> Matrix:
        """Φ_F(w₀ + P_rows(w_p − w₀))."""
        return self.predict(self.forget, self.project(rows, self.pretrained))

    def leave_block_out(self) -> Matrix:
        """y_F − [(K⁻¹)_FF]⁻¹[K⁻¹(y − Φw₀)]_F; ZeroDivisionError where K is singular."""
        phi = self.features(self.everything)
        inverse = (phi * phi.transpose()).inv()
        last = range(len(self.retain), self.n)
        block = rows_of(rows_of(inverse, last).transpose(), last)
        residual = self.y(self.everything) - phi * self.start
        return self.y(self.forget) - block.inv() * rows_of(inverse * residual, last)

    def shifted_labels(self, ridge: Rational) -> tuple[Matrix, Matrix]:
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

    def residual(self, rows: Sequence[int], w: Matrix) -> Matrix:
        """y_rows − Φ_rows w."""
        return self.y(rows) - self.predict(rows, w)

    def gradient(self, rows: Sequence[int], targets: Matrix, w: Matrix) -> Matrix:
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

    def gap(self, w: Matrix) -> Root:
        """‖w − w_r‖."""
        return norm(w - self.retrained)

    def label_gap(self, labels: Matrix) -> Root:
        """‖w_u − w_r‖ of fine-tuning on any labels from w_p."""
        return self.gap(self.unlearned(labels))

    @property
    def doing_nothing(self) -> Root:
        """‖w_p − w_r‖."""
        return self.gap(self.pretrained)

    def formula_gap(self, labels: Matrix) -> Root:
        """‖Φ⁺(0; δ)‖ with δ = labels − Φ_F w_r."""
        zeros = fmpq_mat(len(self.retain), self.outputs)
        return norm(self.inverse(self.everything) * stack(zeros, labels - self.optimal_labels))

    # -- training step by step

    def descend(self, rows: Sequence[int], targets: Matrix, w: Matrix, step: Fraction, steps: int) -> Matrix:
        """Steps of gradient descent on ½‖Φ_rows w − targets‖²."""
        for _ in range(steps):
            w = w - _exact(step) * self.gradient(rows, targets, w)
        return w

    def kaczmarz(self, targets: Matrix, w: Matrix, steps: Sequence[Fraction]) -> Matrix:
        """One pass of SGD over ``everything`` in order: w ← w − γ_i(φ_iᵀw − t_i)φ_i."""
        for position, (i, step) in enumerate(zip(self.everything, steps, strict=True)):
            wrong = self.predict([i], w) - rows_of(targets, [position])
            w = w - _exact(step) * (self.features([i]).transpose() * wrong)
        return w
