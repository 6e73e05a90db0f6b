"""Products with the feature matrix: one nearly exact, one plain, both streamed and rigorously bounded.

The accurate product splits each block of Φ and of x into a leading part of at most 22 bits and a rest (Rump,
Ogita, Oishi, "Accurate floating-point summation I", ExtractScalar). BLAS multiplies the leading parts
without any rounding, because the sums are integers of at most 2^53 in a common unit; only the rest, 2^22
times smaller, is rounded. A residual is thus known far below its own size, at the price of a few plain
products.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ..arrays import Array, let_go
from ..former import former
from .gram import COLUMN_BLOCK
from .ieee import ieee_proof
from .parallel import over_blocks, thread_count
from .rounding import U, two_sum

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


def accurate_product(
    features: Array, rows: Chosen, high: Array, low: Array | None = None, *, transposed: bool = False
) -> Accurate:
    """Multiply Φ_rows, or its transpose, with x = high + low: shape (len(rows), C) or (D, C).

    Args:
        features: Φ, shape (n, D), float64 or float32, possibly memory-mapped.
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
    shape = (size, high.shape[1])
    total, rest, error = np.zeros((3, *shape))
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        pieces = _split_operand(high, low, ROWS if transposed else COLUMNS)

    def add(share: slice) -> None:
        """The product's rows of one share: blocks of Φ that no other thread sees, samples outermost as ever."""
        # Fresh arrays for every block would cost more than the arithmetic.
        buffers = np.empty((2, ROWS * COLUMNS))
        where = (slice(None), share) if transposed else (share, slice(None))
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            for sample, column, block in blocks(features, rows, index, *where):
                if transposed:
                    out, piece, block = column, pieces[sample.start // ROWS], block.T
                else:
                    out, piece = sample, pieces[column.start // COLUMNS]
                exact_part, small_part, bound = _block_product(block, piece, buffers)
                total[out], lost = two_sum(total[out], exact_part)
                small_part += lost
                rest[out] += small_part
                # One rounding in each of the last two sums.
                error[out] += bound + U * (np.abs(small_part) + np.abs(rest[out]))

    alone = len(index) * features.shape[1] < _WORTH_THREADS
    with ieee_proof(), np.errstate(over="ignore", invalid="ignore", under="ignore"):
        shares = [slice(None)] if alone else _shares(size, COLUMNS if transposed else ROWS)
        over_blocks(add, shares, alone=alone)
        # The bound took a few hundred roundings itself, and its terms and the products may have underflowed.
        error *= 1 + 2.0**-30
        error += (16 * length + 64) * _ETA
        # The rest is still 2^-22 of the total; move its leading digits over, so that low is a true
        # correction.
        total, rest = two_sum(total, rest)
    return Accurate(total, rest, error)


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
    """One block of x: its head, the rest, and the sizes of both, column by column."""

    whole: Array
    head: Array
    rest: Array
    weight: Array  # times 2^(exponent + exponent of a row of the block): a bound of that row's error
    exponent: Array


def _split_operand(high: Array, low: Array | None, step: int) -> list[_Operand]:
    """Split x block by block, as its columns ask for."""
    pieces = []
    for start in range(0, high.shape[0], step):
        whole = high[start : start + step]
        length = whole.shape[0]
        exponent = np.frexp(np.abs(whole).max(axis=0))[1]
        sigma = np.ldexp(1.0, exponent + (53 - _HEAD_BITS))
        # For |whole| ≤ 2^e the head is a multiple of 2^(e − 22), hence of 22 bits, and |rest| ≤ 2^(e − 22).
        head = (whole + sigma) - sigma
        rest = whole - head
        dropped = np.zeros(whole.shape[1])
        if low is not None:
            rest = rest + low[start : start + step]
            dropped = np.abs(low[start : start + step]).sum(axis=0)
        # Relative to the exponent of a row of the block: two inexact products, γ_k‖rest‖₁ and
        # γ_k·2^-22‖whole‖₁, one rounding in their sum and one in head + low, together at most (k + 4)u;
        # and tail·low is left out. The bound is formed from a column brought to one: formed from a column of
        # 2^-1050 it would underflow, and a row of 2^98 could not bring it back.
        scale = np.frexp(np.maximum(np.abs(whole).max(axis=0), dropped))[1]
        small = _scaled_sum(rest, scale) + 2.0**-_HEAD_BITS * _scaled_sum(whole, scale)
        weight = (length + 4) * 1.01 * U * small + 2.0**-_HEAD_BITS * np.ldexp(dropped, -scale)
        pieces.append(_Operand(whole, head, rest, weight, scale))
    return pieces


def _scaled_sum(x: Array, exponent: Array) -> Array:
    """Sum the sizes of each column, times 2^-exponent; what underflows is nothing beside the largest entry."""
    total: Array = np.ldexp(np.abs(x), -exponent).sum(axis=0)
    return total


def _block_product(block: Array, x: _Operand, buffers: Array) -> tuple[Array, Array, Array]:
    """Multiply one block: the exact part, the small part, and a bound of the small part's error."""
    # Buffers take the memory order of the block, which may be a transposed view.
    flat = buffers[:, : block.size]
    if block.strides[0] >= block.strides[1]:
        head, tail = flat.reshape(2, *block.shape)
    else:
        head, tail = (part.reshape(block.shape[::-1]).T for part in flat)
    largest = np.maximum(block.max(axis=1), -block.min(axis=1))
    exponent = np.where(largest == 0, _NOTHING, np.frexp(largest)[1])
    sigma = np.ldexp(1.0, exponent + (53 - _HEAD_BITS))[:, None]
    np.add(block, sigma, out=head)
    np.subtract(head, sigma, out=head)
    np.subtract(block, head, out=tail)
    small = head @ x.rest
    small += tail @ x.whole
    return head @ x.head, small, np.ldexp(x.weight, exponent[:, None] + x.exponent)


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


def plain_product(matrix: Array, rows: Chosen, x: Array, *, transposed: bool = False) -> tuple[Array, int]:
    """Multiply Φ_rows, or its transpose, with x in ordinary float64, block by block.

    Args:
        matrix: Φ, shape (n, D), float64 or float32, possibly memory-mapped.
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
    step, n = COLUMN_BLOCK, matrix.shape[0]
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        if transposed:
            # Zeros for the other rows cost less than gathering the chosen ones, and round nothing.
            full = np.zeros((n, x.shape[1]))
            full[index] = x
            result = np.zeros((matrix.shape[1], x.shape[1]))
            first, last = int(index.min(initial=n)), int(index.max(initial=-1)) + 1
            for start in range(first, last, step):
                stop = min(start + step, last)
                result += np.asarray(matrix[start:stop], dtype=np.float64).T @ full[start:stop]
                let_go(matrix)
            return result, _roundings(max(last - first, 0))
        result = np.zeros((n, x.shape[1]))
        gathered = np.zeros((len(index), x.shape[1])) if len(index) < n / 2 else None
        target, total = (result, n) if gathered is None else (gathered, len(index))
        for top in range(0, total, 4 * step):
            bottom = min(top + 4 * step, total)
            chosen: Chosen = slice(top, bottom) if gathered is None else index[top:bottom]
            for start in range(0, matrix.shape[1], step):
                block = np.asarray(matrix[chosen, start : start + step], dtype=np.float64)
                target[top:bottom] += block @ x[start : start + step]
            let_go(matrix)
    return (result[index] if gathered is None else gathered), _roundings(matrix.shape[1])


def _roundings(length: int) -> int:
    """Roundings of an inner product that is summed in blocks."""
    return min(length, COLUMN_BLOCK) + -(-length // COLUMN_BLOCK)
