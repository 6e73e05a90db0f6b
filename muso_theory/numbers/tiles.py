"""A symmetric matrix larger than memory: square tiles of its lower triangle, each in a file.

The name of a file has the hash of what is in it, so that a tile that another process wrote into is noticed when it is
read, and one that was written whole before an interruption is known. Nothing that is computed here depends on who
computes which tile, or when: a tile is the work of one thread, whose sums have the order of the tiles. So it may be one
of another process that sees the folder, and one that does a tile again, after the first one died, writes the same file.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from fractions import Fraction
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any, NoReturn, Protocol, TypeVar, final

import numpy as np

from ..arrays import Array
from ..errors import BadInputError, MusoError, expected
from ..files.writing import write_atomic
from .rounding import NoArithmeticError, norm_bounds, root_up

__all__ = ["TILE", "TileFiles", "TileFolder", "TileWorkers", "Tiles", "clear_unnamed", "tile_bytes"]

T = TypeVar("T")

TILE = 1024
"""Rows and columns of a tile, 8 MB: a thread has three in memory, and reads one in a tenth of the time of a product."""

_OWN = "muso-tiles-"
"""What the name of a folder begins with that is removed."""

_FEW = 2
"""Tiles in a row of a block that is an array of its own, at most 32 MB."""


def tile_bytes(n: int) -> int:
    """Bytes of the tiles of a symmetric matrix of n rows.

    Example:
        >>> tile_bytes(10) == 8 * 10 * 10, tile_bytes(20_000) < 8 * 20_000**2 * 0.53
        (True, True)
    """
    return 8 * sum((int(rows.stop) - int(rows.start)) * int(rows.stop) for rows in _cuts(n))


def _cuts(n: int) -> list[slice]:
    """The rows of each row of tiles."""
    return [slice(start, min(start + TILE, n)) for start in range(0, n, TILE)]


@final
class TileFiles:
    """The tiles of one matrix: square arrays of float64 by the numbers of their row and column of tiles.

    Args:
        folder: where they are, one that exists.
        name: by which a later process finds them.
        prefix: what all their names begin with, if nobody is to find them.
    """

    def __init__(self, folder: Path, name: str, prefix: str = "") -> None:
        self._folder, self.name = folder, name
        self._name = name or prefix
        self.known: dict[tuple[int, int], tuple[str, tuple[int, int]]] = {}
        """The hash and the shape of each tile that was found or written, here or by another process."""

    def find(self, i: int, j: int, shape: tuple[int, int]) -> bool:
        """Whether this tile is there, written whole by now or by a process before, and fits its hash."""
        if (i, j) in self.known:
            return True
        start = f"{self._name}-{i}-{j}-"
        for path in sorted(self._folder.glob(f"{start}*.tile")):
            self.known[i, j] = path.stem.removeprefix(start), shape
            try:
                self.read(i, j)
                return True
            except MusoError:
                del self.known[i, j]
                with contextlib.suppress(OSError):
                    path.unlink()
        return False

    def write(self, i: int, j: int, tile: Array) -> None:
        """Write a tile.

        Raises:
            MusoError: it cannot be written, say for want of room.
        """
        data = np.ascontiguousarray(tile, dtype=np.float64).tobytes()
        digest = self._digest(i, j, data)
        try:
            write_atomic(self._path(i, j, digest), data)
        except BadInputError as error:  # which would lead to another arithmetic, which is no way out
            raise MusoError(str(error)) from error
        self.known[i, j] = digest, tile.shape

    def read(self, i: int, j: int, *, checked: bool = True) -> Array:
        """Read a tile that was found or written.

        Args:
            i: row of tiles.
            j: column of tiles.
            checked: whether it is held against its hash, which takes a tenth of the time of a product of two tiles.

        Raises:
            MusoError: it is gone, or not what was written.
        """
        digest, shape = self.known[i, j]
        path = self._path(i, j, digest)
        try:
            data = path.read_bytes()
        except OSError as error:
            words = expected("a tile that was written", "path", path, str(error.strerror), "starting again")
            raise MusoError(str(words)) from None
        if len(data) != 8 * shape[0] * shape[1] or (checked and self._digest(i, j, data) != digest):
            hint = "starting again without that file"
            words = expected("a tile as it was written", "path", path, "changed since", hint)
            raise MusoError(str(words))
        return np.frombuffer(data).reshape(shape)

    def drop(self) -> None:
        """Remove all of them."""
        for path in self._folder.glob(f"{self._name}-*.tile"):
            path.unlink(missing_ok=True)
        self.known.clear()

    def _path(self, i: int, j: int, digest: str) -> Path:
        return self._folder / f"{self._name}-{i}-{j}-{digest}.tile"

    def _digest(self, i: int, j: int, data: bytes) -> str:
        found = blake2b(f"{self._name}:{i}:{j}:".encode(), digest_size=16)
        found.update(data)
        return found.hexdigest()


class TileWorkers(Protocol):
    """Other processes that see a folder of tiles, read those that they need there, and write what they compute."""

    @property
    def count(self) -> int:
        """Tasks that are done at a time, at least one."""

    def reading(self, features: Array) -> AbstractContextManager[Callable[[], Array]]:
        """What gives these processes Φ, as long as this context lasts."""

    def run(self, tasks: Sequence[Callable[[], T]]) -> Iterator[T]:
        """Have tasks done, begun in their order, and give what they return, in any order."""


@final
class TileFolder:
    """Where matrices of one problem have their tiles.

    Args:
        kept: a folder where those of matrices with a name stay, or None for none. All others are in a folder that is
            removed with the last of them: in this one, or where the system has its temporary files (``TMPDIR``).
        workers: tells of a folder who computes its tiles at the moment, None for the threads of this process.
    """

    def __init__(
        self, kept: Path | None = None, workers: Callable[[TileFolder], TileWorkers | None] | None = None
    ) -> None:
        self.own = Path(tempfile.mkdtemp(prefix=f"{_OWN}{os.getpid()}-", dir=kept)).absolute()
        self.path = self.own if kept is None else kept.absolute()
        self._workers = workers
        self._number = 0
        weakref.finalize(self, shutil.rmtree, self.own, ignore_errors=True)

    def workers(self) -> TileWorkers | None:
        """Who computes tiles beside this process, or None."""
        return None if self._workers is None else self._workers(self)

    def files(self, name: str = "") -> TileFiles:
        """Of one matrix; without a name of one that no later process may go on with."""
        if name:
            return TileFiles(self.path, name)
        self._number += 1
        return TileFiles(self.own, "", f"unnamed{self._number}")

    def require_room(self, need: int, name: str = "") -> None:
        """Refuse work whose tiles have no room.

        Args:
            need: bytes.
            name: with which those begin that a process before has kept, and that need no room again.

        Raises:
            MusoError: less room than so many bytes, beside the tiles that are there.
        """
        mine = {*self.own.rglob("*.tile"), *(self.path.glob(f"{name}*.tile") if name else ())}
        free = shutil.disk_usage(self.path).free + sum(p.stat().st_size for p in mine)
        if free < need:
            what, got = f"a disk with room for {need:,} bytes of tiles", f"{free:,} bytes free"
            hint = "TMPDIR, or --checkpoint, on a disk with more room"
            raise MusoError(str(expected(what, "folder", str(self.path), got, hint)))


def clear_unnamed(folder: Path) -> None:
    """Remove what processes of this machine that were killed have left there, and nobody goes on with.

    Args:
        folder: one that no process of another machine uses.
    """
    for path in folder.glob(f"{_OWN}*"):
        found = re.fullmatch(rf"{_OWN}(\d+)-[a-z0-9_]{{8}}", path.name)
        if found and not path.is_symlink() and not _is_alive(int(found[1])):
            shutil.rmtree(path, ignore_errors=True)


def _is_alive(process: int) -> bool:
    """Whether this machine has such a process, of whomever; where nothing tells without harm, it has."""
    if os.name != "posix":  # signal 0 is Ctrl-C there
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's
        pass
    return True


@final
class Tiles:
    """A symmetric float64 matrix, of which the tiles on and below the diagonal are kept; those on it whole.

    Args:
        files: all of its tiles.
        n: rows; the leading block of so many, where the files have more.
        folder: where its factors have their tiles.
        checked: whether a tile is held against its hash whenever it is read.

    Example:
        >>> folder = TileFolder()
        >>> files = folder.files("K")
        >>> files.write(0, 0, np.array([[2.0, 1.0], [1.0, 3.0]]))
        >>> k = Tiles(files, 2, folder)
        >>> k.diagonal(), (k @ np.array([[1.0], [1.0]])).ravel(), k.leading(1).block([0], [0])
        (array([2., 3.]), array([3., 4.]), array([[2.]]))
    """

    ndim = 2

    def __init__(self, files: TileFiles, n: int, folder: TileFolder, *, checked: bool = True) -> None:
        self.files, self.folder = files, folder
        self._checked = checked
        self.shape = (n, n)
        self.cuts = _cuts(n)

    def __len__(self) -> int:
        return self.shape[0]

    def __getstate__(self) -> dict[str, Any]:
        """For another process, which reads and writes tiles: the folder stays with who made and removes it."""
        return {name: value for name, value in vars(self).items() if name not in ("folder", "_known")}

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NoReturn:
        """Refused: there is no memory for it.

        Raises:
            NoArithmeticError: always.
        """
        need = f"{8 * len(self) ** 2:,} bytes"
        raise NoArithmeticError(
            f"the Gram matrix has {need} and lies in tiles, and this needs it whole", "more memory decides it"
        )

    def tile(self, i: int, j: int) -> Array:
        """The tile in row i and column j ≤ i of tiles; read only."""
        rows, columns = self.cuts[i], self.cuts[j]
        tile = self.files.read(i, j, checked=self._checked)
        return tile[: rows.stop - rows.start, : columns.stop - columns.start]

    def tiles(self) -> Iterator[tuple[slice, slice, Array]]:
        """All tiles, row after row, with the rows and columns they are of."""
        for i, rows in enumerate(self.cuts):
            for j in range(i + 1):
                yield rows, self.cuts[j], self.tile(i, j)

    def leading(self, k: int) -> Tiles:
        """The first k rows and columns; nothing is copied."""
        return self if k == len(self) else Tiles(self.files, k, self.folder, checked=self._checked)

    def part(self, rows: range | tuple[int, ...]) -> Array | Tiles:
        """The rows and columns of these numbers: the first ones are not copied, many get tiles of their own."""
        if isinstance(rows, range) and rows.start == 0 and rows.step == 1:
            return self.leading(len(rows))
        index = np.asarray(rows, dtype=np.intp)
        if len(index) <= _FEW * TILE:
            return self.block(index, index)
        found = Tiles(self.folder.files(), len(index), self.folder)
        for i, some in enumerate(found.cuts):
            for j, others in enumerate(found.cuts[: i + 1]):
                found.files.write(i, j, self.block(index[some], index[others]))
        return found

    def diagonal(self) -> Array:
        """The diagonal, shape (n,)."""
        return self._known[0]

    @property
    def frobenius(self) -> Fraction:
        """Upper bound of the Frobenius norm."""
        return self._known[1]

    @property
    def row_sums(self) -> Array:
        """Σ_j |k_ij|, each as n terms are summed in some order, shape (n,)."""
        return self._known[2]

    @cached_property
    def _known(self) -> tuple[Array, Fraction, Array]:
        """What one pass over all tiles tells."""
        diagonal, sums, square = np.empty(len(self)), np.zeros(len(self)), Fraction(0)
        with np.errstate(over="ignore", invalid="ignore"):
            for rows, columns, tile in self.tiles():
                square += norm_bounds(tile)[1] ** 2 * (1 if rows == columns else 2)
                sums[rows] += np.abs(tile).sum(axis=1)
                if rows == columns:
                    diagonal[rows] = np.diagonal(tile)
                else:
                    sums[columns] += np.abs(tile).sum(axis=0)
        return diagonal, root_up(square), sums

    def __matmul__(self, x: Array) -> Array:
        """The product with x, shape (n, C); every entry is a sum of n products in the order of tiles."""
        found = np.zeros((len(self), x.shape[1]))
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            for rows, columns, tile in self.tiles():
                found[rows] += tile @ x[columns]
                if rows != columns:
                    found[columns] += tile.T @ x[rows]
        return found

    def block(self, rows: Any, columns: Any) -> Array:
        """Some rows and columns as an array.

        Args:
            rows: their numbers, in any order.
            columns: theirs.
        """
        rows, columns = (np.asarray(index, dtype=np.intp) for index in (rows, columns))
        found = np.empty((len(rows), len(columns)))
        # Which of the wanted rows and columns each row of tiles has.
        mine, theirs = (
            [np.flatnonzero(index // TILE == i) for i in range(len(self.cuts))] for index in (rows, columns)
        )
        for i, own in enumerate(self.cuts):
            for j, other in enumerate(self.cuts[: i + 1]):
                pairs = [(mine[i], theirs[j], False), *([(mine[j], theirs[i], True)] if i != j else [])]
                if not any(len(a) and len(b) for a, b, _ in pairs):
                    continue
                tile = self.tile(i, j)
                for a, b, turned in pairs:
                    top, left = (other, own) if turned else (own, other)
                    part = tile.T if turned else tile
                    found[np.ix_(a, b)] = part[np.ix_(rows[a] - top.start, columns[b] - left.start)]
        return found
