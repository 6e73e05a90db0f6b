"""Products with the feature matrix: one nearly exact, one plain, both streamed and rigorously bounded.

The accurate product splits each block of Φ and of x into a leading part of at most 22 bits and a rest (Rump,
Ogita, Oishi, "Accurate floating-point summation I", ExtractScalar). BLAS multiplies the leading parts
without any rounding, because the sums are integers of at most 2^53 in a common unit; only the rest, 2^22
times smaller, is rounded. A residual is thus known far below its own size, at the price of a few plain
products.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from ..arrays import Array, let_go
from ..former import former
from ..rows import ByRows, rows_at_once, whole_rows
from .gram import COLUMN_BLOCK
from .ieee import ieee_proof
from .rounding import U, two_sum
from .threads import over_blocks, thread_count

__all__ = [
    "COLUMNS",
    "ROWS",
    "Accurate",
    "Chosen",
    "accurate_product",
    "blocks",
    "plain_product",
    "residual_pair",
]
former(__name__)


Chosen = Any
"""Row positions: a slice or an index array."""

ROWS, COLUMNS = 128, 512  # a block stays in cache; neither side may exceed 512, see _HEAD_BITS
_HEAD_BITS = 22  # 2·22 bits and a sum of at most 2^9 products make 53
_ETA = 5e-324
_WORTH_THREADS = 1_000_000  # entries of Φ from which on a thread saves more than its start takes
_MANY = 1 << 22  # entries from which on zeros for rows that are not asked for would take too much memory
_WIDE = 1 << 14  # columns of a block of rows that become float64 at a time
_NOTHING = -9999  # the exponent of a row of zeros, whose product is exact


@dataclass(frozen=True, eq=False, slots=True)
class Accurate:
    """An array known as an unevaluated sum: |truth − (high + low)| ≤ error, entry by entry.

    Args:
        high: float64, the rounded value.
        low: float64, the correction.
        error: float64, nonnegative; infinite or NaN where float64 overflowed.
    """

    high: Array
    low: Array
    error: Array

    def columns(self, some: slice) -> Accurate:
        """Some of its columns, in arrays of their own."""
        parts = (self.high, self.low, self.error)
        return Accurate(*(np.ascontiguousarray(part[:, some]) for part in parts))


def accurate_product(
    features: Array, rows: Chosen, high: Array, low: Array | None = None, *, transposed: bool = False
) -> Accurate:
    """Multiply Φ_rows, or its transpose, with x = high + low: shape (len(rows), C) or (D, C).

    Args:
        features: Φ, shape (n, D), float64 or float32, possibly memory-mapped, or what gives such rows.
        rows: which rows, a slice or an index array.
        high: leading part of x, shape (D, C); (len(rows), C) if transposed.
        low: the rest of x, same shape; None for zero.
        transposed: multiply with Φ_rowsᵀ.

    Example:
        >>> phi = np.array([[1e16, 1.0, -1e16]])
        >>> product = accurate_product(phi, slice(None), np.ones((3, 1)))
        >>> float((product.high + product.low)[0, 0]), float(product.error[0, 0]) < 1e-4
        (1.0, True)
    """
    index = np.arange(features.shape[0])[rows] if isinstance(rows, slice) else np.asarray(rows)
    size = features.shape[1] if transposed else len(index)
    length = len(index) if transposed else features.shape[1]
    total, rest, rounded = np.zeros((3, size, high.shape[1]))
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        pieces = _split_operand(high, low, ROWS if transposed else COLUMNS)
    exponents = np.empty((size, len(pieces)), dtype=np.int32)

    def add(start: int, part: Array, chosen: Chosen, own: Array, share: slice) -> None:
        """The product's rows of one share: blocks of Φ that no other thread sees, samples outermost as ever."""
        # Fresh arrays for every block would cost more than the arithmetic.
        buffer = np.empty(ROWS * COLUMNS)
        where = (slice(None), share) if transposed else (share, slice(None))
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            for sample, column, block in blocks(part, chosen, own, *where):
                if transposed:
                    out, number, block = column, (start + sample.start) // ROWS, block.T
                else:
                    out = slice(start + sample.start, start + sample.stop)
                    number = column.start // COLUMNS
                exponents[out, number], exact_part, small_part = _block_product(block, pieces[number], buffer)
                total[out], lost = two_sum(total[out], exact_part)
                small_part += lost
                rest[out] += small_part
                # What is rounded in each of the last two sums, by u.
                rounded[out] += np.abs(small_part)
                rounded[out] += np.abs(rest[out])

    alone = len(index) * features.shape[1] < _WORTH_THREADS
    with ieee_proof(), np.errstate(over="ignore", invalid="ignore", under="ignore"):
        for start, *part in _parts(features, rows, index):
            count = size if transposed else len(part[-1])
            shares = [slice(None)] if alone else _shares(count, COLUMNS if transposed else ROWS)
            over_blocks(partial(add, start, *part), shares, alone=alone)
        error = U * rounded
        if pieces:
            error += _bound(exponents, pieces)
        # The bound took a few roundings for every block itself, and its terms and the products may have underflowed.
        error *= 1 + 2.0**-30
        error += (16 * length + 64) * _ETA
        # The rest is still 2^-22 of the total; move its leading digits over, so that low is a true
        # correction.
        total, rest = two_sum(total, rest)
    return Accurate(total, rest, error)


def _parts(features: Any, rows: Chosen, index: Array) -> Iterator[tuple[int, Array, Chosen, Array]]:
    """Φ with the rows that are asked for, or, of what gives rows, some of them after the others, whole blocks.

    They are read in one thread, from front to back; with the first of each comes its place in the index.
    """
    if not isinstance(features, ByRows):
        yield 0, features, rows, index
        return
    step = ROWS * max(1, rows_at_once(features, len(index)) // ROWS)
    for start in range(0, len(index), step):
        part = whole_rows(features, index[start : start + step])
        yield start, part, slice(None), np.arange(len(part))
    let_go(features, done=True)


def residual_pair(targets: Array, product: Accurate) -> tuple[Array, Array, Array]:
    """Form targets − product as high + low with an entrywise bound of the error.

    Example:
        >>> [float(part[0]) for part in residual_pair(np.ones(1), Accurate(np.ones(1), np.ones(1), np.zeros(1)))[:2]]
        [0.0, -1.0]
    """
    high, low = two_sum(targets, -product.high)
    rest = low - product.low
    # The factor covers the few roundings of the bound itself.
    return high, rest, (product.error + U * np.abs(rest)) * (1 + 2.0**-50)


def _shares(size: int, step: int) -> list[slice]:
    """What each thread computes of a product of that many rows: whole blocks, so that no sum changes its order."""
    count = -(-size // step)
    cuts = [step * (count * i // thread_count()) for i in range(thread_count() + 1)]
    return [slice(start, min(stop, size)) for start, stop in pairwise(cuts) if start < stop]


@dataclass(frozen=True, eq=False, slots=True)
class _Operand:
    """One block of x: itself, its head beside the rest, and the sizes of both, column by column."""

    whole: Array
    parts: Array
    weight: Array  # times 2^(exponent + exponent of a row of the block): a bound of that row's error
    exponent: Array


def _split_operand(high: Array, low: Array | None, step: int) -> list[_Operand]:
    """Split x block by block, as its columns ask for."""
    pieces = []
    for start in range(0, high.shape[0], step):
        whole = high[start : start + step]
        length = whole.shape[0]
        size = np.abs(whole)
        largest = size.max(axis=0)
        sigma = np.ldexp(1.0, np.frexp(largest)[1] + (53 - _HEAD_BITS))
        # For |whole| ≤ 2^e the head is a multiple of 2^(e − 22), hence of 22 bits, and |rest| ≤ 2^(e − 22).
        head = (whole + sigma) - sigma
        rest = whole - head
        dropped = np.zeros(whole.shape[1])
        if low is not None:
            rest += low[start : start + step]
            dropped = np.abs(low[start : start + step]).sum(axis=0)
        # Relative to the exponent of a row of the block: two inexact products, γ_k‖rest‖₁ and
        # γ_k·2^-22‖whole‖₁, one rounding in their sum and one in head + low, together at most (k + 4)u;
        # and tail·low is left out. The bound is formed from a column brought to about one: formed from a column of
        # 2^-1050 it would underflow, and a row of 2^98 could not bring it back. What is brought there with the largest
        # entry and underflows is nothing beside it.
        scale = np.clip(np.frexp(np.maximum(largest, dropped))[1], -1000, 1000)
        unit = np.ldexp(1.0, -scale)
        small = (np.abs(rest) * unit).sum(axis=0) + 2.0**-_HEAD_BITS * (size * unit).sum(axis=0)
        weight = (length + 4) * 1.01 * U * small + 2.0**-_HEAD_BITS * (dropped * unit)
        pieces.append(_Operand(whole, np.hstack([head, rest]), weight, scale))
    return pieces


def _block_product(block: Array, x: _Operand, buffer: Array) -> tuple[Array, Array, Array]:
    """Multiply one block: the exponents of its rows, the exact part and the small part."""
    # The buffer takes the memory order of the block, which may be a transposed view.
    flat = buffer[: block.size]
    cut = flat.reshape(block.shape) if block.strides[0] >= block.strides[1] else flat.reshape(block.T.shape).T
    largest = np.maximum(block.max(axis=1), -block.min(axis=1))
    exponent = np.where(largest == 0, _NOTHING, np.frexp(largest)[1])
    sigma = np.ldexp(1.0, exponent + (53 - _HEAD_BITS))[:, None]
    # First the head of the block and then its tail, in one place: a second one would not stay in a core's cache.
    np.add(block, sigma, out=cut)
    np.subtract(cut, sigma, out=cut)
    of_head = cut @ x.parts
    np.subtract(block, cut, out=cut)
    small = cut @ x.whole
    small += of_head[:, small.shape[1] :]
    return exponent, of_head[:, : small.shape[1]], small


def _bound(exponents: Array, pieces: Sequence[_Operand]) -> Array:
    """Sum the bounds of all blocks, each a power of two for a row times a weight for a column: one product.

    Args:
        exponents: of the rows of the blocks, shape (rows of the product, blocks).
        pieces: of x, one a block.
    """
    weights = np.array([piece.weight for piece in pieces])
    sizes = np.where(weights == 0, _NOTHING, [piece.exponent for piece in pieces])
    rows, columns = exponents.max(initial=_NOTHING), sizes.max(axis=0)
    error: Array = np.ldexp(1.0, exponents - rows) @ np.ldexp(weights, sizes - columns)
    # Of factors below 2^12 what underflowed is at most 2^-1061 a block.
    error += len(pieces) * 2.0**-1060
    power = rows + columns
    # In two steps, as a power of two may be beyond the range where the bound is not.
    for half in (power // 2, power - power // 2):
        error *= np.ldexp(1.0, half)
    return error


def blocks(
    features: Array, rows: Chosen, index: Array, samples: slice = slice(None), columns: slice = slice(None)
) -> Iterator[tuple[slice, slice, Array]]:
    """Cut Φ_rows into blocks, samples outermost so that a memory map is read once from front to back.

    Of some of the rows, or of some columns, if they begin where a block does.
    """
    first = rows.indices(features.shape[0])[0] if isinstance(rows, slice) else 0
    top, bottom, _ = samples.indices(len(index))
    begin, end, _ = columns.indices(features.shape[1])
    for start in range(top, bottom, ROWS):
        sample = slice(start, min(start + ROWS, bottom))
        chosen: Chosen = index[sample]
        if isinstance(rows, slice) and rows.step in (None, 1):
            chosen = slice(first + sample.start, first + sample.stop)
        for left in range(begin, end, COLUMNS):
            column = slice(left, min(left + COLUMNS, end))
            yield sample, column, np.asarray(features[chosen, column], dtype=np.float64)
        let_go(features)


def plain_product(matrix: Any, rows: Chosen, x: Array, *, transposed: bool = False) -> tuple[Array, int]:
    """Multiply Φ_rows, or its transpose, with x in ordinary float64, block by block.

    Args:
        matrix: Φ, shape (n, D), float64 or float32, possibly memory-mapped, or what gives such rows.
        rows: which rows, a slice or an index array.
        x: shape (D, C); (len(rows), C) if transposed.
        transposed: multiply with Φ_rowsᵀ.

    Returns:
        The product, and k such that each entry is wrong by at most γ_k (|Φ||x|) plus η for each term.

    Example:
        >>> plain_product(np.eye(2), slice(None), np.ones((2, 1)))[0].ravel()
        array([1., 1.])
    """
    index = np.arange(matrix.shape[0])[rows] if isinstance(rows, slice) else np.asarray(rows)
    n = matrix.shape[0]
    # Rows of a product with Φᵀ, of which few are in memory as float64.
    step = rows_at_once(matrix, COLUMN_BLOCK) if isinstance(matrix, ByRows) else COLUMN_BLOCK
    chosen: Chosen
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        if transposed and len(index) < n / 2 and n * x.shape[1] > _MANY:
            result = np.zeros((matrix.shape[1], x.shape[1]))
            for start in range(0, len(index), step):
                chosen = index[start : start + step]
                _add_transposed(result, matrix[chosen], x[start : start + step])
                let_go(matrix)
            return result, _roundings(len(index), step)
        if transposed:
            result = np.zeros((matrix.shape[1], x.shape[1]))
            if 3 * len(index) < n:
                for start in range(0, len(index), step):
                    some = slice(start, start + step)
                    _add_transposed(result, matrix[index[some]], x[some])
                    let_go(matrix)
                return result, _roundings(len(index), step)
            # Zeros for a few other rows cost less than gathering the chosen ones, and round nothing.
            full = np.zeros((n, x.shape[1]))
            full[index] = x
            first, last = int(index.min(initial=n)), int(index.max(initial=-1)) + 1
            for start in range(first, last, step):
                stop = min(start + step, last)
                _add_transposed(result, matrix[start:stop], full[start:stop])
                let_go(matrix)
            return result, _roundings(max(last - first, 0), step)
        result = np.zeros((n if len(index) >= n / 2 else 0, x.shape[1]))
        gathered = np.zeros((len(index), x.shape[1])) if len(index) < n / 2 else None
        target, total = (result, n) if gathered is None else (gathered, len(index))
        tall, width = rows_at_once(matrix, 4 * COLUMN_BLOCK), COLUMN_BLOCK
        for top in range(0, total, tall):
            bottom = min(top + tall, total)
            chosen = slice(top, bottom) if gathered is None else index[top:bottom]
            part = matrix
            if isinstance(matrix, ByRows):  # read once, and not for every block of columns
                part, chosen = matrix[chosen], slice(None)
            for start in range(0, matrix.shape[1], width):
                block = np.asarray(part[chosen, start : start + width], dtype=np.float64)
                target[top:bottom] += block @ x[start : start + width]
            let_go(matrix)
    return (result[index] if gathered is None else gathered), _roundings(matrix.shape[1], COLUMN_BLOCK)


def _add_transposed(total: Array, block: Array, x: Array) -> None:
    """Add Bᵀx in place; what is not float64 already becomes it a strip of columns at a time where it is wide."""
    width = block.shape[1] if block.dtype == np.float64 else _WIDE
    for start in range(0, block.shape[1], width):
        strip = slice(start, start + width)
        total[strip] += np.asarray(block[:, strip], dtype=np.float64).T @ x


def _roundings(length: int, step: int) -> int:
    """Roundings of an inner product that is summed in blocks of so many terms."""
    return min(length, step) + -(-length // step)
