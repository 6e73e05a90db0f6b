"""The Gram matrix in tiles, its Cholesky factor tile by tile, and solves with it: dual systems beyond memory.

Both have the bounds of the matrix in memory, with the same constants: what is summed is the same, in another order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, final

import numpy as np
import scipy.linalg

from ..arrays import Array, let_go
from ..errors import expected
from ..rows import ByRows
from ..steps import counted
from . import tiles
from .arithmetic import Factor
from .gram import COLUMN_BLOCK, add_pairs, add_product, mirror_lower
from .threads import over_blocks
from .tiles import TileFiles, TileFolder, Tiles, TileWorkers

__all__ = ["TiledFactor", "tiled_cholesky", "tiled_gram"]

_STRIP_BYTES = 1 << 27
"""Of the columns of a row of tiles that are in memory as float64 at a time."""

_ROWS = 256
"""Rows of Φ that a thread reads at a time."""

_Made = dict[tuple[int, int], tuple[str, tuple[int, int]]]
"""What `TileFiles` knows of tiles."""


def strip_width(columns: int) -> int:
    """Columns of Φ that are in memory at a time, whole blocks of a Gram matrix.

    Example:
        >>> strip_width(10**6), strip_width(300)
        (16384, 512)
    """
    most = max(1, _STRIP_BYTES // (8 * tiles.TILE * COLUMN_BLOCK))
    return COLUMN_BLOCK * min(most, -(-columns // COLUMN_BLOCK))


def tiled_gram(features: Any, order: Array, folder: TileFolder, name: str = "") -> Tiles:
    """Form ΦΦᵀ in tiles.

    An entry is the same sum as in `blocked_gram`: of inner products of at most `COLUMN_BLOCK` columns, one addition
    each from left to right. So the same `gram_roundings` bound it.

    Args:
        features: Φ, shape (n, D), float64 or float32, possibly memory-mapped, or what gives such rows.
        order: which rows, in which order.
        folder: for the tiles, which its workers form, if it has any.
        name: of the matrix, by which a later process finds the tiles that are there.

    Returns:
        The matrix. Overflow shows as an infinite or NaN entry.

    Example:
        >>> k = tiled_gram(np.array([[1.0, 2.0], [0.0, 3.0]]), np.array([1, 0]), TileFolder())
        >>> k.block(range(2), range(2))
        array([[9., 6.],
               [6., 5.]])
    """
    found = Tiles(folder.files(name), len(order), folder)
    cuts = found.cuts
    missing = {i: some for i in range(len(cuts)) if (some := _missing(found, i))}
    # What gives whole rows, from a store, would be read from front to back for every tile; here it is for every row.
    workers = folder.workers() if missing and not isinstance(features, ByRows) else None
    if workers is None:
        # Each tile is as much work as any other.
        for i in counted(missing, "tiles of K", [i + 1 for i in missing]):
            _form(lambda: features, order[: cuts[i].stop], found, i, range(i + 1))
        return found

    def task(theirs: Callable[[], Array], i: int, j: int) -> Callable[[], _Made]:
        own = order[cuts[i]]
        index = own if i == j else np.concatenate([order[cuts[j]], own])
        return partial(_form, theirs, index, found, i, range(j, j + 1))

    with workers.reading(features) as theirs:
        tasks = [task(theirs, i, j) for i, some in missing.items() for j in some]
        for made in counted(workers.run(tasks), "tiles of K", [1] * len(tasks)):
            found.files.known.update(made)
    return found


def _missing(matrix: Tiles, i: int) -> list[int]:
    """Which tiles in a row of tiles are not there yet."""
    height, widths = _size(matrix.cuts[i]), map(_size, matrix.cuts[: i + 1])
    return [j for j, width in enumerate(widths) if not matrix.files.find(i, j, (height, width))]


def _size(cut: slice) -> int:
    return int(cut.stop) - int(cut.start)


def _form(features: Callable[[], Array], order: Array, matrix: Tiles, i: int, columns: range) -> _Made:
    """Form and write tiles of ΦΦᵀ; what is known of them then.

    Args:
        features: gives Φ.
        order: rows of Φ: those that the columns are of, then those of row i, once if the columns are of these, too.
        matrix: of which they are tiles.
        i: their row.
        columns: theirs, consecutive.
    """
    rows, files, has_own = matrix.cuts[i], matrix.files, i in columns
    panel = _panel(features(), order, len(order) - _size(rows), has_own=has_own)
    left = matrix.cuts[columns.start].start
    if has_own:
        mirror_lower(panel[:, rows.start - left :])
    for j in columns:
        files.write(i, j, panel[:, matrix.cuts[j].start - left : matrix.cuts[j].stop - left])
    return {(i, j): files.known[i, j] for j in columns}


def _panel(features: Any, order: Array, first: int, *, has_own: bool) -> Array:
    """The products of the rows from some row on with those before: of an array a strip of columns after the other.

    With their own, too, on and below the diagonal, where these are asked for. Blocks of rows are the same whether a row
    of tiles is made in one piece or tile by tile, as many of them make a tile: so are its digits.
    """
    panel = np.zeros((len(order) - first, len(order) if has_own else first))
    if isinstance(features, ByRows):
        # A strip of columns at a time would have all rows before read once a strip, whole, as a store has them.
        add_pairs(panel, features, order, _ROWS, first, panel.nbytes)
        return panel
    width = strip_width(features.shape[1])
    for start in range(0, features.shape[1], width):
        strip = slice(start, start + width)
        mine = _rows(features, order[first:], strip)

        def add(left: int, mine: Array = mine, strip: slice = strip) -> None:
            """The products with some rows; with one's own as dsyrk has them, which is exactly symmetric."""
            columns = slice(left, min(left + _ROWS, len(order) if left >= first else first))
            theirs = (
                mine[left - first : columns.stop - first]
                if left >= first
                else _rows(features, order[columns], strip)
            )
            for top in range(max(0, left - first), len(panel), _ROWS):
                add_product(panel[top : top + _ROWS, columns], mine[top : top + _ROWS], theirs)

        over_blocks(add, _starts(first, panel.shape[1]))
    return panel


def _starts(first: int, stop: int) -> list[int]:
    """Where blocks of rows begin: those before the row of tiles, and those in it."""
    return [*range(0, first, _ROWS), *range(first, stop, _ROWS)]


def _rows(features: Array, index: Array, columns: slice) -> Array:
    """Some rows of Φ as float64, a few at a time, so that of a memory map little is in memory."""
    found = np.empty((len(index), len(range(features.shape[1])[columns])))
    for start in range(0, len(index), _ROWS):
        some = index[start : start + _ROWS]
        chosen: Any = slice(int(some[0]), int(some[-1]) + 1) if (np.diff(some) == 1).all() else some
        found[start : start + _ROWS] = features[chosen, columns]
        let_go(features)
    return found


@final
class TiledFactor(Factor):
    """K = LLᵀ in tiles.

    Args:
        lower: L, the tiles on the diagonal lower triangular, kept as if they were those of a symmetric matrix.

    Example:
        >>> k = tiled_gram(np.array([[2.0, 0.0], [1.0, 2.0]]), np.arange(2), TileFolder())
        >>> factor = tiled_cholesky(k)
        >>> factor.solve(np.array([[8.0], [12.0]])).ravel(), factor.leading(1).solve(np.array([[8.0]]))
        (array([1., 2.]), array([[2.]]))
    """

    def __init__(self, lower: Tiles) -> None:
        self._lower = lower

    @property
    def rank(self) -> int:
        """Full."""
        return self.size

    @property
    def size(self) -> int:
        """Number of rows of K."""
        return len(self._lower)

    def solve(self, b: Array) -> Array:
        """Solve K a = b for all columns at once."""
        if b.shape[0] != self.size:
            hint = "a right-hand side with one row per sample"
            raise expected(f"{self.size} rows", "b", b.shape, "array", hint)
        x = np.array(b, dtype=np.float64, order="C")
        cuts, lower = self._lower.cuts, self._lower
        with np.errstate(all="ignore"):
            for i, rows in enumerate(cuts):
                for j in range(i):
                    x[rows] -= lower.tile(i, j) @ x[cuts[j]]
                x[rows] = _triangular(lower.tile(i, i), x[rows], transposed=False)
            for i in reversed(range(len(cuts))):
                x[cuts[i]] = _triangular(lower.tile(i, i), x[cuts[i]], transposed=True)
                # What is known of x is taken from the rows above, so that each tile is read once, row by row.
                for j in range(i):
                    x[cuts[j]] -= lower.tile(i, j).T @ x[cuts[i]]
        return x

    def leading(self, k: int) -> TiledFactor:
        """Factor of the leading k×k block of K; nothing is copied."""
        return TiledFactor(self._lower.leading(k))


def _triangular(lower: Array, b: Array, *, transposed: bool) -> Array:
    """Solve Lx = b or Lᵀx = b."""
    found: Array = scipy.linalg.lapack.dtrtrs(lower.T, b, lower=0, trans=int(not transposed))[0]
    return found


def tiled_cholesky(
    matrix: Tiles, *, exponent: int = 0, shift: float = 0.0, kept: bool = True
) -> TiledFactor | None:
    """Factorise 2^-exponent·K̂ − shift·I in tiles, column after column.

    An entry l_ij is what remains of a_ij when the products l_ik l_jk, k < j, are taken away, over l_jj. However tiles
    associate that sum, it has j − 1 additions, and each product, and the quotient, one rounding: so the product of
    the computed factors misses a_ij by at most γ_{j+1} Σ_{k≤j} |l_ik||l_jk|, "no matter what the order of evaluation"
    (Higham, lemma 8.4), which is the inequality that `smallest_eigenvalue_bound` rests on. Tiles change no constant of
    it, nor the number of operations that may underflow.

    Args:
        matrix: K̂.
        exponent: of a power of two.
        shift: subtracted from the diagonal once that is scaled; a negative one is a ridge.
        kept: whether the tiles are kept for solves, and found by a later process if those of the matrix are. Where only
            success counts they are removed, and never taken from before: that would be a proof by hearsay.

    Returns:
        L, or None where a pivot is not positive, or anything overflows.
    """
    name, done = matrix.files.name, False
    files = matrix.folder.files(
        f"{name}_{len(matrix)}_{exponent}_{float(shift).hex()}" if name and kept else ""
    )
    try:
        # A factor for solves is only proposed, and residuals judge it, so its tiles are read unchecked. Proofs are not.
        lower = Tiles(files, len(matrix), matrix.folder, checked=False)
        workers, count = matrix.folder.workers(), len(matrix.cuts)
        work = (_factorised(matrix, files, k, exponent, shift, workers) for k in range(count))
        products = [(count - k) * (k + 1) for k in range(count)]  # of tiles, for each column
        done = all(counted(work, "products of tiles of a factor of K", products))
        return TiledFactor(lower) if done else None
    finally:
        if not (kept and (done or name)):
            files.drop()


def _factorised(
    matrix: Tiles, files: TileFiles, k: int, exponent: int, shift: float, workers: TileWorkers | None
) -> bool:
    """The tiles of column k of L, from those of the columns before; whether its pivots are positive."""
    cuts, width = matrix.cuts, _size(matrix.cuts[k])
    rows = range(k + 1, len(cuts))
    if all(files.find(i, k, (_size(cuts[i]), width)) for i in (k, *rows)):
        return True
    before = [files.read(k, j) for j in range(k)]
    pivot = _scaled(matrix.tile(k, k), exponent)
    pivot[np.diag_indices(width)] -= shift
    with np.errstate(all="ignore"):
        for tile in before:
            pivot -= tile @ tile.T
    # Overwritten through its transpose, which is what LAPACK calls the order of its columns.
    corner, info = scipy.linalg.lapack.dpotrf(pivot.T, lower=1, clean=1, overwrite_a=1)
    # A NaN anywhere in a row of L reaches its diagonal, and some LAPACKs let it pass.
    if info != 0 or not np.isfinite(np.diagonal(corner)).all():
        return False
    files.write(k, k, corner)
    if workers is None or len(rows) < 2:
        _substitute(matrix, files, k, exponent, rows, [*before, corner])
        return True
    # A share reads the row of tiles that all of them need once.
    count = min(workers.count, len(rows))
    shares = [rows[first::count] for first in range(count)]
    for made in workers.run([partial(_substitute, matrix, files, k, exponent, share) for share in shares]):
        files.known.update(made)
    return True


def _substitute(
    matrix: Tiles,
    files: TileFiles,
    k: int,
    exponent: int,
    rows: Sequence[int],
    row: Sequence[Array] | None = None,
) -> _Made:
    """The tiles of column k of L in some rows below its diagonal: what is known of them then.

    Args:
        matrix: K̂.
        files: of L.
        k: which column.
        exponent: of a power of two.
        rows: which tiles of it.
        row: the tiles of row k, where they are at hand; None has them read.
    """
    *before, corner = [files.read(k, j) for j in range(k + 1)] if row is None else row

    def solve(i: int) -> None:
        """L_ik = (A_ik − Σ_j L_ij L_kjᵀ) L_kk⁻ᵀ by substitution, as the factorisation of a whole matrix has it."""
        tile = _scaled(matrix.tile(i, k), exponent)
        product = np.empty(tile.shape)
        with np.errstate(all="ignore"):
            for j, theirs in enumerate(before):
                np.matmul(files.read(i, j), theirs.T, out=product)
                tile -= product
        solved = scipy.linalg.blas.dtrsm(1.0, corner, tile.T, side=0, lower=1, overwrite_b=1)
        files.write(i, k, solved.T)

    if rows:
        over_blocks(solve, rows)
    return {(i, k): files.known[i, k] for i in rows}


def _scaled(tile: Array, exponent: int) -> Array:
    """A tile times a power of two, an array of one's own."""
    return np.ldexp(tile, -exponent) if abs(exponent) > 1000 else tile * 2.0**-exponent
