"""Sums over rows that are kept on disk while they grow, and tiles, so that a long check goes on where it was stopped.

What is kept is ΦᵀΦ of a set of rows, as far as it was summed, or the tiles of K: by far the dearest part. A file
counts only under the code, the versions and the kernels of BLAS that made it, for these very features, and if it fits
its hash; and what it says is compared with Φ on a vector of signs before anything is proved from it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import Array, first_nonfinite
from ..errors import BadInputError, MusoError, expected, printable
from ..files.reading import read_arrays
from ..files.writing import clear_unfinished, npz_bytes, write_atomic
from ..machine import versions
from ..numbers import spans, tiles
from ..numbers.gramcheck import spot_check_curvature, spot_check_gram
from ..numbers.tiled import tiled_gram
from ..numbers.tiles import TileFolder, Tiles
from ..parallel.checkpoints import Checkpoints
from ..parallel.points import package_hash
from .kept import kept
from .problem import UnlearningProblem
from .shared_tiles import bytes_to_share, on_cluster, tile_workers
from .spreading import spread
from .tiling import disk_bytes, in_tiles

__all__ = ["GrowingSum", "growing", "in_folder", "kept_in", "kept_words"]

_FOLDER: ContextVar[Path | None] = ContextVar("folder of unfinished sums", default=None)

_EVERY = 30.0
"""Seconds after which a sum that still grows is written again."""

_OWN = re.compile(r"[0-9a-f]{32}(\.npz|-\d[-0-9a-f]*|_\d[-\w.]*)")
"""Names of sums and of tiles, of K and of its factors, in their first 40 letters."""

_MATRICES = 3
"""At most: of all rows, of those to forget and of those retained."""


@contextmanager
def kept_in(folder: str | os.PathLike[str] | None, problem: UnlearningProblem) -> Iterator[None]:
    """Have the sums of a problem kept in a folder, which no other check uses meanwhile.

    Args:
        folder: made if it does not exist; None keeps nothing.
        problem: with more rows than columns, or with K in tiles; others have nothing to keep.

    Raises:
        BadInputError: another problem, a folder that cannot be made, that another check uses, or with too little room.
        MusoError: too little room for tiles.
    """
    tiled = in_tiles(problem)
    if folder is None:
        if tiled:
            _temporary(problem).require_room(_need(problem))
        yield
        return
    size = f"{problem.n_samples} samples, {problem.n_features} features"
    if problem.n_samples <= problem.n_features and not tiled:
        hint = "leaving it out: with fewer samples there are no sums over rows to keep"
        raise expected("more samples than features", "checkpoint", str(folder), size, hint)
    store = Checkpoints(Path(folder), package_hash())
    with store.locked():
        clear_unfinished(Path(folder), _OWN)
        need, free = _MATRICES * 8 * problem.n_features**2, shutil.disk_usage(folder).free
        if tiled:
            tiles.clear_unnamed(Path(folder))
            TileFolder(Path(folder)).require_room(_need(problem), _begin(problem, tiles.TILE))
        elif free < need:
            what = f"a folder with room for {need:,} bytes"
            raise expected(what, "checkpoint", str(folder), f"{free:,} bytes free", "another disk")
        token = _FOLDER.set(Path(folder))
        try:
            yield
        finally:
            _FOLDER.reset(token)


def kept_words(folder: Path, problem: UnlearningProblem) -> str:
    """What a later check of this problem may go on with, as words for who has stopped one.

    Example:
        >>> kept_words(Path("no such folder"), UnlearningProblem(np.eye(3, 2), [1.0, 2.0, 3.0], [0]))
        'nothing is kept there yet'
    """
    kinds = {"sums over rows": (spans.SPAN_BYTES, "npz"), "tiles": (tiles.TILE, "tile")}
    found = []
    for what, (size, suffix) in kinds.items():
        paths = [path for path in folder.glob(f"{_begin(problem, size)}*.{suffix}") if path.is_file()]
        if paths:
            found.append(f"{sum(path.stat().st_size for path in paths) / 1e6:.3g} MB of {what}")
    if not found:
        return "nothing is kept there yet"
    return f"{' and '.join(found)} are kept there; the same command goes on"


def growing(problem: UnlearningProblem, index: Array) -> GrowingSum | None:
    """Where ΦᵀΦ of these rows is kept, or None where nothing is."""
    folder = _FOLDER.get()
    if folder is None:
        return None
    return GrowingSum(folder / f"{_name(problem, np.sort(index), spans.SPAN_BYTES)}.npz")


def _name(problem: UnlearningProblem, index: Array, size: int) -> str:
    """What is kept of these rows is known by, under this code and these versions."""
    return _begin(problem, size) + hashlib.sha256(index.astype("<i8").tobytes()).hexdigest()[:16]


def _begin(problem: UnlearningProblem, size: int) -> str:
    """What the names of all that is kept of a problem begin with."""
    known = [package_hash(), versions(), problem.sha256, str(problem.features.dtype), size]
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()[:16]


def in_folder(problem: UnlearningProblem, order: Array) -> Tiles:
    """K of the rows in this order in tiles, those of a process before among them, formed by a cluster if one is active.

    Raises:
        MusoError: too little room, tiles that are not of K, or a cluster that is lost or does not see the folder.
    """
    folder = _FOLDER.get()
    if folder is None:
        place, name = _temporary(problem), ""
        place.require_room(_need(problem))
    else:
        place, name = TileFolder(folder, tile_workers), _name(problem, order, tiles.TILE)
    found = tiled_gram(problem.features, order, place, name)
    if folder is None and not on_cluster():
        return found
    # What another process has made is of the features that it has read.
    try:
        spot_check_gram(problem.features, order, found)
    except BadInputError as error:
        words = f"the tiles in {place.path} are of another matrix: {error}"
        raise MusoError(f"{words}; try another folder, and features in a file that nobody changes") from None
    return found


def _need(problem: UnlearningProblem) -> int:
    """Bytes of room that K takes."""
    return disk_bytes(problem) + bytes_to_share(problem.features)


@kept
def _temporary(problem: UnlearningProblem) -> TileFolder:
    """A folder of its own, which goes with the problem."""
    return TileFolder(workers=tile_workers)


class GrowingSum:
    """One sum in a file of its own, with how many spans are in it.

    Args:
        path: the file.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     GrowingSum(Path(folder, "sum.npz")).keep(np.eye(1), 3, done=True)
        ...     GrowingSum(Path(folder, "sum.npz")).read(1, 3)
        (array([[1.]]), 3)
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written = time.monotonic()
        self._was_read = False

    def read(self, width: int, most: int) -> tuple[Array | None, int]:
        """The sum as far as it was kept, and the number of its spans; nothing where no file fits.

        Args:
            width: D, of a sum of shape (D, D).
            most: spans that there are.
        """
        if not self._path.exists():
            return None, 0
        found = self._stored(width, most)
        if found is not None:
            self._was_read = True
            return found
        words = f"the checkpoint {self._path} does not fit its hash or its problem; its sum is formed again"
        print(printable(words), file=sys.stderr)
        return None, 0

    def _stored(self, width: int, most: int) -> tuple[Array, int] | None:
        """What a file holds, if it fits its hash and may be such a sum: whether of these rows, `confirm` asks."""
        names = ("total", "count", "seal")
        try:
            arrays = read_arrays(self._path, self._path.name, lambda members: None, names)
            total, count, seal = (arrays[name] for name in names)
        except (BadInputError, KeyError):  # no archive of arrays, or one without all of these
            return None
        is_sum = total.shape == (width, width) and total.dtype == np.float64
        is_sum = is_sum and first_nonfinite(total) is None
        is_counted = (count.shape, count.dtype.kind) == ((), "i") and 0 < count <= most
        if not (is_sum and is_counted and (seal.shape, seal.dtype.kind) == ((), "U")):
            return None
        return (total, int(count)) if str(seal) == self._seal(total, int(count)) else None

    def keep(self, total: Array, count: int, *, done: bool) -> None:
        """Write the sum, when it is done or has grown for a while.

        Raises:
            BadInputError: it cannot be written.
        """
        if not done and time.monotonic() - self._written < _EVERY:
            return
        content = {"total": total, "count": np.array(count), "seal": np.array(self._seal(total, count))}
        write_atomic(self._path, npz_bytes(content))
        self._written = time.monotonic()

    def confirm(self, features: Any, index: Array, total: Array) -> None:
        """Compare a sum of which some part was read with Φ on a vector of signs.

        Raises:
            MusoError: it is no sum of these rows.
        """
        if not self._was_read:
            return
        try:
            spot_check_curvature(features, total, index, spread())
        except BadInputError as error:
            raise MusoError(
                f"the checkpoint {self._path} holds another sum: {error}; try another folder"
            ) from None

    def _seal(self, total: Array, count: int) -> str:
        digest = hashlib.sha256(f"{self._path.name}:{count}:{total.shape}".encode())
        digest.update(np.ascontiguousarray(total).data)
        return digest.hexdigest()
