"""Features in a store, read a block of rows at a time, which must be the same whenever they are read."""

from __future__ import annotations

import math
import operator
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from itertools import pairwise
from typing import Any, final

import numpy as np

from .arrays import Array, first_nonfinite
from .errors import MusoError, expected
from .numbers.ieee import one_blas_thread
from .rows import ByRows

__all__ = ["Stored", "is_stored", "stored_shape", "told_in_words"]

_BLOCK_BYTES = 1 << 24


def is_stored(values: object) -> bool:
    """Whether this is a matrix of floats in a store, such as an array of zarr or dask: it has chunks and gives rows.

    Example:
        >>> is_stored(np.eye(2))
        False
    """
    named = all(hasattr(values, name) for name in ("shape", "dtype", "chunks", "__getitem__"))
    return named and not isinstance(values, np.ndarray) and len(values.shape) == 2  # type: ignore[attr-defined]


@final
class Stored(ByRows):
    """A matrix in a store, read a block of rows at a time, that must be the same whenever it is read.

    Of each block a hash is kept from the first time on. What a store computes may be another number the next time,
    and what another process writes meanwhile is: bounds of two passes over the rows would belong to no matrix.

    Args:
        name: what to call it in a refusal.
        source: has ``shape``, ``dtype`` and ``chunks``, and gives rows by slices: of zarr, dask or h5py.

    Raises:
        BadInputError: no floats, no shape, no chunks, and, when a block is read, one of another width, or with NaN or
            infinity.
        MusoError: a block that is another one than before, or that cannot be read.

    Example:
        >>> import copy
        >>> class Source:
        ...     shape, dtype, chunks = (3, 2), np.dtype("f8"), (2, 2)
        ...     rows = np.arange(6.0).reshape(3, 2)
        ...     def __getitem__(self, key):
        ...         return self.rows[key]
        >>> stored = Stored("features", Source())
        >>> stored[1:]
        array([[2., 3.],
               [4., 5.]])
        >>> Source.rows = -Source.rows
        >>> copy.copy(stored)[:1]  # without the block that is in memory
        Traceback (most recent call last):
        muso_theory.errors.MusoError: expected the rows that were read before but got features[0:3]=(3, 2) ...
    """

    def __init__(self, name: str, source: Any) -> None:
        self.name, self.source = name, source
        self.shape, self.dtype = stored_shape(name, source), np.dtype(source.dtype)
        if self.dtype not in (np.float32, np.float64):
            hint = "an array in memory for other kinds of numbers"
            raise expected("float32 or float64", f"{name}.dtype", self.dtype, "in a store", hint)
        width = max(1, self.shape[1] * self.dtype.itemsize)
        sizes = _row_chunks(name, source.chunks, self.shape[0])
        self._edges = _edges(self.shape[0], _BLOCK_BYTES // width, sizes)
        self._hashes: list[bytes | None] = [None] * (len(self._edges) - 1)
        self._last: tuple[int, Array] | None = None
        self._lock = threading.Lock()
        self._home = os.getpid()  # where rows were read first

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_last": None, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update({**state, "_lock": threading.Lock()})

    def let_go(self) -> None:
        """Have the next reader read the store itself."""
        with self._lock:
            self._last = None

    def read_all(self) -> None:
        """Read every block that has not been read yet, and keep its hash."""
        for i, known in enumerate(self._hashes):
            if known is None:
                self._block(i)

    @property
    def block_bytes(self) -> int:
        """Bytes of the largest block: whole chunks of rows with all columns."""
        most = max((stop - start for start, stop in pairwise(self._edges)), default=0)
        return most * self.shape[1] * self.dtype.itemsize

    @property
    def key(self) -> bytes:
        """What it is known by."""
        self.read_all()
        return blake2b(b"".join(h or b"" for h in self._hashes), digest_size=32).digest()

    def portable(self, index: Array) -> Stored:
        """The same matrix for a process that needs these rows only: no more of a graph of dask than makes them."""
        if not hasattr(self.source, "__dask_graph__"):
            return self
        import dask

        first, last = np.searchsorted(self._edges, [index.min(), index.max()], side="right") - 1
        start, stop = self._edges[first], self._edges[last + 1]
        other = object.__new__(Stored)
        other.__setstate__(self.__getstate__())
        (part,) = dask.optimize(self.source[start:stop])
        other.source = _Moved(part, start)
        return other

    def _made_between(self, start: int, stop: int) -> Array:
        first = int(np.searchsorted(self._edges, start, side="right")) - 1
        if start < stop <= self._edges[first + 1]:
            # A view of a block that is kept for the next reader: nobody may write into it.
            return self._block(first)[start - self._edges[first] : stop - self._edges[first]]
        # No more than one block is in memory beside them.
        return self._made(np.arange(start, stop))

    def _made(self, index: Array) -> Array:
        made = np.empty((len(index), self.shape[1]), self.dtype)
        which = np.searchsorted(self._edges, index, side="right") - 1
        for i in np.unique(which).tolist():
            here = np.flatnonzero(which == i)
            first, last = int(here[0]), int(here[-1]) + 1
            own = index[here] - self._edges[i]
            if last - first == len(here) and own[-1] - own[0] == len(here) - 1 and (np.diff(own) == 1).all():
                made[first:last] = self._block(i)[own[0] : own[-1] + 1]
            else:
                made[here] = self._block(i)[own]
        return made

    def _block(self, i: int) -> Array:
        """One block, held against what it was when it was read first."""
        with self._lock:
            if self._last is None or self._last[0] != i:
                self._last = None  # before the next one is there
                self._last = (i, self._read(i))
            return self._last[1]

    def _read(self, i: int) -> Array:
        start, stop = self._edges[i : i + 2]
        name = f"{self.name}[{start}:{stop}]"
        # Sums of a BLAS of several threads have other digits, and proofs, within which a block is read, leave it one.
        with one_blas_thread(), told_in_words(name):
            part = self.source[start:stop]
            # In the thread that asks: a cluster on which that is a task must not wait for other tasks.
            block = np.asarray(part.compute(scheduler="synchronous") if hasattr(part, "compute") else part)
        wanted = (stop - start, self.shape[1])
        if block.shape != wanted or block.dtype != self.dtype:
            hint = "blocks as wide as they say"
            raise expected(f"{wanted} of {self.dtype}", name, block.shape, f"dtype {block.dtype}", hint)
        # One's own: a source may read the next block into the same memory.
        block = np.array(block, order="C")
        found = blake2b(block.data, digest_size=32).digest()
        if self._hashes[i] is None:
            bad = first_nonfinite(block)
            if bad is not None:
                row, column = start + bad[0], bad[1]
                got = f"row {row}, column {column}, counted from 0, in block {i}"
                hint = "removing or fixing that entry"
                raise expected("finite numbers", f"{self.name}[{row}, {column}]", block[bad], got, hint)
            self._hashes[i] = found
        elif self._hashes[i] != found:
            got = "changed since"
            hint = "a source that gives the same rows whenever it is read, such as a copy in a .npy file"
            if os.getpid() != self._home:
                got = "other rows in this process, unless they changed since"
                hint = "an absolute path or an address at which every worker finds the same store"
            words = expected("the rows that were read before", name, block.shape, got, hint)
            raise MusoError(
                str(words)
            )  # another arithmetic, to which a BadInputError leads, would read no better
        block.flags.writeable = False
        return block


@final
class _Moved:
    """Rows of a source from some row on, by their numbers in the whole."""

    def __init__(self, source: Any, start: int) -> None:
        self._source, self._start = source, start

    def __getitem__(self, rows: slice) -> Any:
        return self._source[rows.start - self._start : rows.stop - self._start]


def stored_shape(name: str, source: Any) -> tuple[int, int]:
    """Rows and columns of what is in a store.

    Raises:
        BadInputError: they are not known, as after a selection of dask.

    Example:
        >>> stored_shape("features", np.eye(2, 3))
        (2, 3)
    """
    try:
        n, d = map(operator.index, source.shape)
    except TypeError:
        hint = "X.compute_chunk_sizes() of dask"
        raise expected(
            "known numbers of rows and columns", f"{name}.shape", source.shape, "not integers", hint
        ) from None
    return n, d


@contextmanager
def told_in_words(name: str) -> Iterator[None]:
    """Have whatever a source raises while it is read be a refusal.

    Args:
        name: of the rows.

    Raises:
        MusoError: instead of anything but a lack of memory; another arithmetic, to which a BadInputError leads, would
            read no better.

    Example:
        >>> with told_in_words("features[0:2]"):
        ...     raise OSError("no route to host")
        Traceback (most recent call last):
        muso_theory.errors.MusoError: expected rows that can be read but got features[0:2]=OSError (no route to host)...
    """
    try:
        yield
    except (MusoError, MemoryError):
        raise
    except Exception as error:
        hint = "reading them from the store itself, or a copy in a .npy file"
        words = expected("rows that can be read", name, type(error).__name__, str(error), hint)
        raise MusoError(str(words)) from error


def _row_chunks(name: str, chunks: Any, n: int) -> int | list[int] | None:
    """Rows of each chunk, or of all of them, or None where there are none.

    Raises:
        BadInputError: no such numbers, or some that do not make n rows.
    """
    if chunks is None:
        return None
    try:
        rows = chunks[0]
        if isinstance(rows, bool | str):
            raise TypeError
        if not isinstance(rows, Sequence):
            if (size := operator.index(rows)) > 0:
                return size
        elif min(sizes := [operator.index(one) for one in rows], default=0) >= 0 and sum(sizes) == n:
            return sizes
    except (TypeError, IndexError, KeyError):
        pass
    hint = "(rows, columns) of a chunk, or those of all chunks, or None"
    raise expected(f"chunks that make {n} rows", f"{name}.chunks", chunks, type(chunks).__name__, hint)


def _edges(n: int, most: int, sizes: int | list[int] | None) -> list[int]:
    """Where blocks begin and end: whole chunks, as many as make at most so many rows.

    Args:
        n: rows.
        most: that a block should have.
        sizes: rows of every chunk, or of each; None where there are no chunks.

    Example:
        >>> _edges(10, 5, 2), _edges(10, 5, [4, 4, 2]), _edges(3, 0, None)
        ([0, 4, 8, 10], [0, 4, 8, 10], [0, 1, 2, 3])
    """
    sizes = sizes or max(1, most)
    ends = np.cumsum(sizes).tolist() if isinstance(sizes, list) else [*range(sizes, n, sizes), n]
    edges = [0]
    for end, after in pairwise([*ends, math.inf]):
        if after - edges[-1] > most:
            edges.append(end)
    return edges
