"""Products with the feature matrix to as many digits as are asked for, at BLAS speed.

Rows of Φ and columns of x are cut into slices of 21 bits, each a multiple of one unit. BLAS multiplies two slices
without any rounding, because the sums are integers of at most 2^53 in a common unit; only what is left after the
last slice is rounded. With k slices that remainder is 2^-21k of the whole. (K. Ozaki, T. Ogita, S. Oishi, S. M. Rump,
"Error-free transformations of matrix multiplication by using fast routines of matrix multiplication", Numer.
Algorithms 2012; the cut is ExtractScalar of S. M. Rump, T. Ogita, S. Oishi, "Accurate floating-point summation I".)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Array
from .accurate import COLUMNS, ROWS, Accurate, Chosen, blocks
from .ieee import ieee_proof
from .rounding import U, two_sum

__all__ = ["balancing_exponents", "sliced_product"]


_BITS = 21
"""2·21 bits, sums of at most 2^9 products, and at most 2^2 pairs of slices in one level, make 53."""

_UNEVEN = 6
"""Sizes that differ by fewer bits than this are not worth another pass over Φ."""

_ETA = 5e-324


def sliced_product(
    features: Array,
    rows: Chosen,
    high: Array,
    low: Array | None = None,
    *,
    transposed: bool = False,
    slices: int = 3,
    exponents: Array | None = None,
) -> Accurate:
    """Multiply Φ_rows, or its transpose, with x = high + low to about 53 + 21·slices bits of |Φ||x|, at most 106.

    The bits count from the largest entry of Φ and of x. Where x makes up for what the rows of Φ (or its columns) differ
    in size, exponents of their sizes move that over exactly.

    Args:
        features: Φ, shape (n, D), float64 or float32, possibly memory-mapped.
        rows: which rows, a slice or an index array.
        high: leading part of x, shape (D, C); (len(rows), C) if transposed.
        low: the rest of x, same shape; None for zero.
        transposed: multiply with Φ_rowsᵀ.
        slices: k, from 0 (a plain product) to 4.
        exponents: integers g, one for each row of x, which becomes 2^g x while Φ is divided by 2^g; None for zeros.

    Returns:
        The product, shape (len(rows), C) or (D, C); its error is infinite or NaN where float64 overflowed.

    Example:
        >>> phi = np.array([[2.0**60, 1.0, -(2.0**60)]])
        >>> x = np.array([[1.0], [2.0**-60], [1.0]])
        >>> product = sliced_product(phi, slice(None), x)
        >>> bool((product.high + product.low)[0, 0] == 2.0**-60), float(product.error[0, 0]) < 1e-14
        (True, True)
    """
    index = np.arange(features.shape[0])[rows] if isinstance(rows, slice) else np.asarray(rows)
    size = features.shape[1] if transposed else len(index)
    length = len(index) if transposed else features.shape[1]
    shape = (size, high.shape[1])
    levels = [np.zeros(shape) for _ in range(slices)]
    rest, error = np.zeros(shape), np.zeros(shape)
    cuts: dict[tuple[int, int], _Operand] = {}
    # Fresh arrays for every block would cost more than the arithmetic.
    buffers = np.empty((2, ROWS * COLUMNS))
    with ieee_proof(), np.errstate(over="ignore", invalid="ignore", under="ignore"):
        for sample, column, block in blocks(features, rows, index):
            out, inner = (column, sample) if transposed else (sample, column)
            key = (inner.start, inner.stop)
            block = block.T if transposed else block
            scale = None if exponents is None else exponents[inner]
            if key not in cuts:
                cuts[key] = _cut_operand(high[inner], None if low is None else low[inner], slices, scale)
            if scale is not None:
                block = np.ldexp(block, -scale)
            parts, small, bound = _block_product(block, cuts[key], slices, buffers)
            for level, part in zip(levels, parts, strict=True):
                level[out], lost = two_sum(level[out], part)
                small += lost
                bound += U * np.abs(small)
            rest[out] += small
            error[out] += bound + U * np.abs(rest[out])
        total = np.zeros(shape)
        for level in levels:
            total, lost = two_sum(total, level)
            rest += lost
            error += U * np.abs(rest)
        # The bound itself took a few roundings for each block; its terms, and the products, may have underflowed: each
        # of at most 15 products of slices a term by η/2.
        error *= 1 + 2.0**-30
        error += (16 * length + 64) * _ETA
        total, rest = two_sum(total, rest)
    return Accurate(total, rest, error)


@dataclass(frozen=True, eq=False, slots=True)
class _Operand:
    """Rows of x, cut: for slice i of Φ, the slices of x that it meets exactly and, last, the rest of x as floats."""

    partners: list[Array]
    weight: Array  # 2^(exponent of a row of Φ − 53 − 21k) times this bounds the error of its rounded products
    size: Array | None  # ‖x‖₁, where scaling may have made entries subnormal


def balancing_exponents(features: Array, rows: Chosen) -> tuple[Array | None, Array | None]:
    """Sizes of the rows of Φ_rows, and of its columns once the rows are of one size, as powers of two.

    For `sliced_product`; None where they hardly differ.

    Example:
        >>> balancing_exponents(np.array([[1.0, 1.0], [2.0**40, 2.0**40]]), slice(None))
        (array([ 1, 41]...), None)
    """
    index = np.arange(features.shape[0])[rows]
    of_rows = np.zeros(len(index), dtype=np.int64)
    largest = np.zeros(features.shape[1])
    for start in range(0, len(index), ROWS):
        block = np.abs(np.asarray(features[index[start : start + ROWS]], dtype=np.float64))
        exponent = np.frexp(block.max(axis=1, initial=0.0))[1]
        of_rows[start : start + ROWS] = exponent
        with np.errstate(under="ignore"):
            np.maximum(largest, np.ldexp(block, -exponent[:, None]).max(axis=0), out=largest)
    of_columns = np.frexp(largest)[1].astype(np.int64)
    return tuple(e if np.ptp(e) > _UNEVEN else None for e in (of_rows, of_columns))  # type: ignore[return-value]


def _cut_operand(high: Array, low: Array | None, slices: int, scale: Array | None) -> _Operand:
    """Cut x = high + low, column by column."""
    length = high.shape[0]
    if scale is not None:
        high = np.ldexp(high, scale[:, None])
        low = None if low is None else np.ldexp(low, scale[:, None])
    head, tail = (high, np.zeros_like(high)) if low is None else two_sum(high, low)
    exponent = np.frexp(np.abs(head).max(axis=0, initial=0.0))[1]
    cut, left = [], [head]
    for j in range(slices):
        sigma = np.ldexp(1.0, exponent + (53 - _BITS - j * _BITS))
        # |head| ≤ 2^(e − 21j): a multiple of 2^(e − 21(j + 1)), at most 2^21 of them; what is left is at most one. The
        # tail, below 2^-53 of the head that it was added to, cannot carry a head over that limit: the limit is itself
        # a multiple, and nearer. A sigma that underflows leaves head whole, which then has no more bits than that.
        piece = (head + sigma) - sigma
        cut.append(piece)
        head, tail = two_sum(head - piece, tail)
        left.append(head)
    # Slice i of Φ is at most 2^(e' − 21i) and meets left[k − i]: γ_length for the product, one rounding for the tail
    # that was dropped from it and one for each sum of such products.
    size = sum(np.ldexp(np.abs(part).sum(axis=0), _BITS * i) for i, part in enumerate(left))
    partners = [np.hstack([*cut[: slices - i], left[slices - i]]) for i in range(slices + 1)]
    return _Operand(
        partners,
        (length + slices + 5) * 1.01 * size,
        None if scale is None else np.abs(left[0]).sum(axis=0),
    )


def _block_product(
    block: Array, x: _Operand, slices: int, buffers: Array
) -> tuple[list[Array], Array, Array]:
    """Multiply one block: the exact products by level, the rounded rest, and a bound of the error of the latter."""
    # Buffers take the memory order of the block, which may be a transposed view.
    flat = buffers[:, : block.size]
    if block.strides[0] >= block.strides[1]:
        head, tail = flat.reshape(2, *block.shape)
    else:
        head, tail = (part.reshape(block.shape[::-1]).T for part in flat)
    width = x.weight.shape[0]
    largest = np.maximum(block.max(axis=1), -block.min(axis=1))
    exponent = np.frexp(largest)[1]
    parts = [np.zeros((block.shape[0], width)) for _ in range(slices)]
    small = np.zeros((block.shape[0], width))
    rest = block
    for i in range(slices):
        sigma = np.ldexp(1.0, exponent + (53 - _BITS - i * _BITS))[:, None]
        np.add(rest, sigma, out=head)
        np.subtract(head, sigma, out=head)
        rest = np.subtract(rest, head, out=tail)
        product = head @ x.partners[i]
        for j in range(slices - i):
            parts[i + j] += product[:, j * width : (j + 1) * width]
        small += product[:, (slices - i) * width :]
    small += rest @ x.partners[slices]
    bound = np.ldexp(x.weight, (exponent - 53 - _BITS * slices)[:, None])
    if x.size is not None:
        # Scaled entries that became subnormal are wrong by η/2, twice where x has two parts: of Φ they meet ‖x‖₁, of x
        # they meet at most 2^(exponent) length.
        bound += np.ldexp(x.size * 1.01, -1074) + np.ldexp(1.01 * block.shape[1], exponent - 1074)[:, None]
    return parts, small, bound
