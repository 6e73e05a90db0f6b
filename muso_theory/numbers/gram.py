"""The Gram matrix ΦΦᵀ in float64, formed in blocks so that neither memory nor rounding grows with D."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from ..arrays import Array, let_go
from ..rows import ByRows, rows_at_once, whole_rows
from ..steps import counted
from .threads import over_blocks

__all__ = [
    "COLUMN_BLOCK",
    "add_pairs",
    "add_product",
    "blocked_gram",
    "gram_roundings",
    "mirror_lower",
]

COLUMN_BLOCK = 256
"""Columns per partial product. The rounding bound grows with COLUMN_BLOCK + D / COLUMN_BLOCK instead of D."""

_TILE = 256
"""Rows of Φ, and columns of Φᵀ, a tile: with one product it stays in a core's cache while Φ streams by."""

_STEP = 64
"""Columns of a tile on the diagonal that are computed at a time, from the diagonal down."""

_STRIP_BYTES = 1 << 24


def gram_roundings(width: int) -> int:
    """The k for which `blocked_gram` of D columns keeps |K̂ − ΦΦᵀ| ≤ γ_k |Φ||Φ|ᵀ entry by entry, underflow apart.

    Example:
        >>> gram_roundings(8000)
        288
    """
    return min(width, COLUMN_BLOCK) + -(-width // COLUMN_BLOCK)


def blocked_gram(
    features: Any,
    rows: Array | None = None,
    columns: Array | slice | None = None,
) -> Array:
    """Form ΦΦᵀ from column blocks, without ever copying the whole feature matrix.

    Each entry is a sum over column blocks of inner products of length at most ``COLUMN_BLOCK``, one float64
    addition per block; float32 features are converted (exactly) a block at a time. Only the lower triangle is
    computed, and mirrored, so the result is exactly symmetric. Tiles of it are shared out among all threads, and no
    digit depends on their number.

    Args:
        features: shape (n, D), float64 or float32, C- or F-ordered, possibly memory-mapped, or what gives such rows.
        rows: positions of the rows to use, in the wanted order; None for all.
        columns: positions of the columns to sum over, or a slice; None for all.

    Returns:
        Float64 array of shape (n, n). Overflow shows as an infinite or NaN entry.

    Example:
        >>> blocked_gram(np.array([[1.0, 2.0], [0.0, 3.0]]))
        array([[5., 6.],
               [6., 9.]])
    """
    n = features.shape[0] if rows is None else len(rows)
    index = np.arange(features.shape[1])[slice(None) if columns is None else columns]
    gram = np.zeros((n, n))
    if isinstance(features, ByRows) and columns is None:
        order = np.arange(n) if rows is None else np.asarray(rows)
        # There is room for as many rows as K takes: later on there are factors of that size.
        add_pairs(gram, features, order, _TILE, room=gram.nbytes)
    else:
        for strip in _strips(features, rows, index):
            _add_strip(gram, strip, strip)
    mirror_lower(gram)
    return gram


def add_pairs(gram: Array, features: ByRows, order: Array, block: int, first: int = 0, room: int = 0) -> None:
    """Add ΦΦᵀ to the lower triangle in place, or its rows from some on, by pairs of blocks of whole rows.

    Some rows stay in memory, as many as have room, while all before them come by: each is read once for as many rows
    as stay, whole, as a store is read and known by its hashes. A strip of columns would have it read from front to back
    for every strip. An entry is the same sum as in `blocked_gram`.

    Args:
        gram: float64, shape (n − first, n).
        features: Φ, shape (n, D).
        order: which rows, in which order.
        block: rows that come by at a time.
        first: row of the triangle, where a block begins.
        room: bytes for the rows that stay, if more than are taken for any rows.

    Example:
        >>> from muso_theory.rows import OneHot
        >>> rows = np.zeros((1, 3))
        >>> add_pairs(rows, OneHot([0, 1, 0], 2), np.arange(3), 2, first=2)
        >>> rows
        array([[1., 0., 1.]])
    """
    step = rows_at_once(features, len(order), block, room=room)
    block = min(block, rows_at_once(features, block))
    tops = range(first, len(order), step)
    for top in counted(tops, "products of pairs of rows", [top + step for top in tops]):
        part, own = gram[top - first : top - first + step], order[top : top + step]
        mine = whole_rows(features, own)
        for left in range(0, top, block):
            some = order[left : min(left + block, top)]
            # Not under a name, which would keep it while the next ones are read.
            _add_pair(part[:, left : left + len(some)], mine, whole_rows(features, some))
        _add_pair(part[:, top : top + len(own)], mine, mine)
        del mine
    let_go(features, done=True)


def _add_pair(part: Array, mine: Array, theirs: Array) -> None:
    """Add XYᵀ to a part of a Gram matrix, its lower triangle where Y is X itself, a strip of columns at a time."""
    tall = max(1, len(mine), len(theirs))
    width = COLUMN_BLOCK * max(1, _STRIP_BYTES // (8 * tall * COLUMN_BLOCK))
    for start in range(0, mine.shape[1], width):
        strip = np.asarray(mine[:, start : start + width], dtype=np.float64)
        other = strip if theirs is mine else np.asarray(theirs[:, start : start + width], dtype=np.float64)
        _add_strip(part, strip, other)


def _add_strip(part: Array, strip: Array, other: Array) -> None:
    """Add a strip's part of XYᵀ, in tiles that are shared out."""
    rows, columns = part.shape
    tiles = [
        (top, left)
        for top in range(0, rows, _TILE)
        for left in range(0, top + 1 if other is strip else columns, _TILE)
    ]
    # From about .1 s on, threads are worth their start.
    alone = rows * columns * strip.shape[1] < 10**9
    over_blocks(partial(_add_tile, part, strip, other), tiles, alone=alone)


def mirror_lower(matrix: Array) -> None:
    """Copy the lower triangle of a square matrix to its upper one, in place.

    Example:
        >>> half = np.array([[1.0, 9.0], [2.0, 3.0]])
        >>> mirror_lower(half)
        >>> half
        array([[1., 2.],
               [2., 3.]])
    """
    n = len(matrix)
    for top in range(0, n, _TILE):
        bottom = min(n, top + _TILE)
        corner = np.tril(matrix[top:bottom, top:bottom])
        matrix[top:bottom, top:bottom] = corner + np.tril(corner, -1).T
        matrix[:top, top:bottom] = matrix[top:bottom, :top].T


def _strips(features: Array, rows: Array | None, index: Array) -> Iterator[Array]:
    """Columns of Φ as float64, some at a time; all of them, where they lie, if nothing is to be gathered or cast."""
    n = features.shape[0] if rows is None else len(rows)
    consecutive = len(index) and np.array_equal(index, np.arange(index[0], index[0] + len(index)))
    in_memory = type(features) is np.ndarray and type(features.base) is not np.memmap
    if rows is None and consecutive and in_memory and features.dtype == np.float64:
        yield features[:, index[0] : index[-1] + 1]
        return
    step = COLUMN_BLOCK * max(1, _STRIP_BYTES // (8 * max(1, n) * COLUMN_BLOCK))
    for start in range(0, len(index), step):
        chosen = index[start : start + step]
        piece = features[:, int(chosen[0]) : int(chosen[-1]) + 1] if consecutive else features[:, chosen]
        yield np.asarray(piece if rows is None else piece[rows], dtype=np.float64)


def _add_tile(part: Array, strip: Array, other: Array, corner: tuple[int, int]) -> None:
    """Add a strip's part of one tile, in blocks of columns from left to right, whoever else works on other tiles."""
    top, left = corner
    tile = part[top : top + _TILE, left : left + _TILE]
    is_symmetric = other is strip and top == left
    add_product(tile, strip[top : top + _TILE], other[left : left + _TILE], is_symmetric=is_symmetric)


def add_product(tile: Array, rows: Array, others: Array, *, is_symmetric: bool = False) -> None:
    """Add XYᵀ to a tile in place, in blocks of columns from left to right.

    Args:
        tile: float64, shape (m, k).
        rows: X, float64, shape (m, D).
        others: Y, shape (k, D); a symmetric product is exactly so where Y is X itself.
        is_symmetric: Y is X, and what is above blocks of the diagonal is of no use.

    Example:
        >>> tile = np.ones((1, 1))
        >>> add_product(tile, np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]]))
        >>> tile
        array([[12.]])
    """
    product = np.zeros(tile.shape)
    # Numpy has dsyrk for a block times its own transpose, and copies its lower triangle up entry by entry, at more than
    # the half of the work that dsyrk saves.
    step = _STEP if is_symmetric else max(1, tile.shape[1])
    for start in range(0, rows.shape[1], COLUMN_BLOCK):
        block = slice(start, start + COLUMN_BLOCK)
        # A product of its own, then one addition: a BLAS that is handed the sum so far may add to it term by term, and
        # round it as often as there are columns.
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            for first in range(0, tile.shape[1], step):
                above, some = first if is_symmetric else 0, slice(first, first + step)
                np.matmul(rows[above:, block], others[some, block].T, out=product[above:, some])
            tile += product
