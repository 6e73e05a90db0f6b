"""Ball arithmetic: every entry is a midpoint and a radius that is proved to hold the truth."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, final

import flint
import numpy as np

from ..errors import SingularMatrixError, check_integer, expected
from ..former import former
from .arithmetic import Arithmetic, Factor
from .inputs import exact_rows, span
from .pivoting import independent_columns
from .quantity import Quantity

__all__ = ["BALL", "enclosure", "working_precision"]
former(__name__)

# FLINT keeps one working precision for the whole process. Holding this lock while it is changed, and putting
# it back, makes balls safe between threads (they take turns) and invisible to later uses of FLINT here.
_PRECISION_LOCK = threading.RLock()


@contextmanager
def working_precision(bits: int) -> Iterator[None]:
    """Set FLINT's precision to so many bits inside a block, alone (other threads wait), and restore it.

    Example:
        >>> with working_precision(7):
        ...     flint.ctx.prec
        7
    """
    with _PRECISION_LOCK:
        before = flint.ctx.prec
        flint.ctx.prec = bits
        try:
            yield
        finally:
            flint.ctx.prec = before


@final
@dataclass(frozen=True, eq=False, slots=True)
class _BallFactor(Factor):
    """A symmetric matrix of balls, every member of which is proved regular.

    Args:
        k: ``arb_mat`` of shape (n, n).
        bits: working precision.
    """

    k: Any
    bits: int

    @property
    def rank(self) -> int:
        """Full, proved."""
        return self.size

    @property
    def size(self) -> int:
        """Number of rows of K."""
        return int(self.k.nrows())

    def solve(self, b: Any) -> Any:
        """Enclose K⁻¹ b for every member of K and b."""
        if b.nrows() != self.size:
            raise expected(f"{self.size} rows", "b", (b.nrows(), b.ncols()), "shape", "one row per sample")
        with working_precision(self.bits):
            try:
                return self.k.solve(b, algorithm="precond")
            except ZeroDivisionError:
                # K was proved regular by elimination, which a product with an approximate inverse is too coarse for.
                return self.k.solve(b, algorithm="lu")


@final
@dataclass(frozen=True)
class BALL(Arithmetic):
    """Balls of a given number of bits; every Quantity is a proved enclosure.

    Matrices are ``flint.arb_mat``. Threads may share an instance: FLINT's precision is process-wide, so
    operations take turns under one lock and leave it as it was. Code of yours that calls FLINT directly in
    another thread sees the borrowed precision while a ball operation runs.

    Args:
        bits: working precision, at least 7 (two decimal digits).

    Raises:
        BadInputError: fewer than 7 bits.

    Example:
        >>> ball = BALL(128)
        >>> k = ball.gram(ball.matrix([[3, 1], [1, 2]]))
        >>> ball.factor(k).solve(ball.matrix([[15], [10]])).contains(flint.fmpq_mat(2, 1, [1, 1]))
        True
    """

    bits: int
    name: str = field(default="ball", init=False)

    def __post_init__(self) -> None:
        """Refuse a precision that means nothing."""
        object.__setattr__(
            self, "bits", check_integer("bits", self.bits, 7, hint="128")
        )  # 7 bits are two digits

    def matrix(self, values: np.ndarray[Any, Any] | Sequence[Sequence[object]]) -> Any:
        """Read a matrix; floats and ints become exact balls, other Fractions the smallest ball around them."""
        rows, columns, entries = exact_rows(values)
        with working_precision(self.bits):
            flat = [_ball(value) for row in entries for value in row]
            return flint.arb_mat(rows, columns, flat)

    def to_numpy(self, a: Any) -> np.ndarray[Any, Any]:
        """Midpoints, rounded to float64."""
        flat = [float(x.mid()) for x in a.entries()]
        return np.array(flat, dtype=np.float64).reshape(a.nrows(), a.ncols())

    def shape(self, a: Any) -> tuple[int, int]:
        """Rows and columns."""
        return int(a.nrows()), int(a.ncols())

    def matmul(self, a: Any, b: Any) -> Any:
        """Product a b."""
        with working_precision(self.bits):
            return a * b

    def add(self, a: Any, b: Any) -> Any:
        """Sum a + b."""
        with working_precision(self.bits):
            return a + b

    def sub(self, a: Any, b: Any) -> Any:
        """Difference a − b."""
        with working_precision(self.bits):
            return a - b

    def scale(self, factor: Fraction | int | float, a: Any) -> Any:
        """Scalar multiple; the factor is taken exactly, or enclosed when it is a non-dyadic Fraction."""
        with working_precision(self.bits):
            return a * _ball(factor)

    def transpose(self, a: Any) -> Any:
        """Transpose."""
        return a.transpose()

    def take(self, a: Any, rows: Sequence[int] | None, columns: Sequence[int] | None = None) -> Any:
        """Sub-matrix of the given rows and columns, in the given order."""
        table = np.empty(self.shape(a), dtype=object)
        table.ravel()[:] = a.entries()
        cut = table[span(rows, table.shape[0])][:, span(columns, table.shape[1])]
        return flint.arb_mat(cut.shape[0], cut.shape[1], cut.ravel().tolist())

    def vstack(self, a: Any, b: Any) -> Any:
        """Put a above b."""
        return flint.arb_mat(a.nrows() + b.nrows(), a.ncols(), a.entries() + b.entries())

    def zeros(self, rows: int, columns: int) -> Any:
        """Zero matrix."""
        return flint.arb_mat(rows, columns)

    def identity(self, size: int) -> Any:
        """Identity matrix."""
        return flint.arb_mat(size, size, [int(i == j) for i in range(size) for j in range(size)])

    def gram(self, features: Any) -> Any:
        """Gram matrix ΦΦᵀ."""
        return self.matmul(features, features.transpose())

    def factor(self, k: Any) -> _BallFactor:
        """Prove that K is regular and keep it for solving.

        Raises:
            BadInputError: not square.
            SingularMatrixError: a singular matrix is not excluded at this precision.
        """
        n, columns = self.shape(k)
        if n != columns:
            raise expected("a square matrix", "k", (n, columns), "shape", "a Gram matrix")
        if n:
            with working_precision(self.bits):
                # Elimination in balls is cheaper, but radii grow with every step. After a product with an approximate
                # inverse they hardly do (E. Hansen, R. Smith, "Interval arithmetic in matrix computations II", 1967).
                if not any(_regular(k, algorithm) for algorithm in ("lu", "precond")):
                    raise SingularMatrixError(
                        f"a {n}×{n} matrix is not proved regular at {self.bits} bits; "
                        f"more bits decide it if it is regular, rationals if it is not"
                    )
        return _BallFactor(k, self.bits)

    def rank(self, a: Any) -> int:
        """min(n, D) where the rank is full; a ball never proves a deficiency.

        Raises:
            SingularMatrixError: full rank is not proved at this precision.
        """
        rows, columns = self.shape(a)
        tall = a.transpose() if rows < columns else a
        # One regular square minor proves full rank; floats only say which one to try.
        picked = independent_columns(self.to_numpy(tall).T, min(rows, columns))
        self.factor(self.take(tall, picked))
        return min(rows, columns)

    def null_space(self, a: Any) -> Any:
        """Enclose a basis of {v : a v = 0}, shape (D, max(0, D − n)), for a of full rank.

        Raises:
            SingularMatrixError: full rank is not proved at this precision.
        """
        rows, columns = self.shape(a)
        if columns <= rows:
            self.rank(a)
            return self.zeros(columns, 0)
        basis = independent_columns(self.to_numpy(a), rows)
        rest = [j for j in range(columns) if j not in set(basis)]
        relations = self.factor(self.take(a, None, basis)).solve(self.take(a, None, rest))
        # Rows come in the order basis, rest; undo that order.
        stacked = self.vstack(relations, self.scale(-1, self.identity(len(rest))))
        order = np.argsort(np.array([*basis, *rest]))
        return self.take(stacked, order.tolist())

    def square_norm(self, a: Any) -> Quantity:
        """Squared Frobenius norm, enclosed."""
        with working_precision(self.bits):
            total = flint.arb(0)
            for x in a.entries():
                total += x * x
            return enclosure(total)

    def energy(self, a: Any, k: Any) -> Quantity:
        """tr(aᵀ K a), enclosed; at least zero because K is semidefinite."""
        with working_precision(self.bits):
            total = flint.arb(0)
            for x, y in zip(a.entries(), (k * a).entries(), strict=True):
                total += x * y
            return enclosure(total)


def _regular(k: Any, algorithm: str) -> bool:
    """Whether FLINT proves every member of a square ball matrix regular."""
    try:
        k.solve(flint.arb_mat(k.nrows(), 1), algorithm=algorithm)
    except ZeroDivisionError:
        return False
    return True


def _ball(value: int | Fraction | float) -> Any:
    """Smallest ball at the current precision around a number; exact for ints and floats."""
    if isinstance(value, Fraction):
        return flint.arb(flint.fmpq(value.numerator, value.denominator))
    return flint.arb(value)


def enclosure(total: Any) -> Quantity:
    """Both ends of an ``arb`` that is known to hold a nonnegative number; infinite above if it is not finite.

    Example:
        >>> enclosure(flint.arb(2)).upper
        Fraction(2, 1)
    """
    if not total.is_finite() or total.upper() > _FAR:
        return Quantity.enclosure(Fraction(0), float("inf"))
    lower, upper = total.lower(), total.upper()
    return Quantity.enclosure(
        _dyadic(lower) if lower > 1 / _FAR else Fraction(0),
        _dyadic(max(upper, 1 / _FAR)) if upper > 0 else Fraction(0),
    )


_FAR = flint.arb(2) ** (1 << 14)
"""Numbers beyond it, or beyond its inverse, are rounded outwards: as fractions they might not fit into memory."""


def _dyadic(exact: Any) -> Fraction:
    """Convert an exact ball into the fraction it is."""
    mantissa, exponent = (int(part) for part in exact.man_exp())
    return Fraction(mantissa * 2**exponent) if exponent >= 0 else Fraction(mantissa, 2**-exponent)
