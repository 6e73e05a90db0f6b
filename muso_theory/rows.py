"""Matrices whose rows are made when they are asked for: classes as codes, labels above labels, what lies in a store.

Each gives what an array would give for its rows, and becomes one where somebody needs all of it and there is the
memory. Work that goes over the rows a span at a time never does.
"""

from __future__ import annotations

import math
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from hashlib import blake2b
from itertools import pairwise
from typing import Any, final

import numpy as np

from .arrays import Array, first_nonfinite
from .errors import MusoError, check_integer, expected

__all__ = ["Above", "ByRows", "OneHot", "Stored", "is_stored", "taken", "times_labels"]

_BLOCK_BYTES = 1 << 24


class ByRows(np.lib.mixins.NDArrayOperatorsMixin, ABC):
    """A matrix that is known row by row; what else is asked of it, the array of all its rows answers."""

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    ndim = 2

    @property
    def size(self) -> int:
        """Number of entries."""
        return math.prod(self.shape)

    @property
    @abstractmethod
    def key(self) -> bytes:
        """What it is known by: equal for equal entries of the same kind."""

    @abstractmethod
    def _made(self, index: Array) -> Array:
        """The rows of these numbers, an array of one's own."""

    def _made_between(self, start: int, stop: int) -> Array:
        """Consecutive rows."""
        return self._made(np.arange(start, stop))

    def taken(self, index: Array) -> Any:
        """Some rows, in this order, as compact as they can be kept."""
        return self._made(index)

    def __len__(self) -> int:
        return self.shape[0]

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **words: Any) -> Any:
        """Entry by entry, as of arrays."""
        arrays = (np.asarray(one) if isinstance(one, ByRows) else one for one in inputs)
        return getattr(ufunc, method)(*arrays, **words)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(np.ndarray, name):
            raise AttributeError(f"{type(self).__name__} has no attribute {name}")
        return getattr(np.asarray(self), name)

    def __getitem__(self, key: Any) -> Any:
        rows, *rest = key if isinstance(key, tuple) else (key,)
        if isinstance(rows, slice) and rows.step in (None, 1):
            found = self._made_between(*rows.indices(len(self))[:2])
        elif np.ndim(rows) == 0 and not isinstance(rows, slice):
            found = self._made(np.arange(len(self))[[rows]])
            return found[(0, *rest)]
        else:
            found = self._made(np.arange(len(self))[rows])
        return found[(slice(None), *rest)] if rest else found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """All of it at once."""
        found: Array = self[:]
        return found if dtype is None else found.astype(dtype, copy=False)

    def astype(self, dtype: Any, copy: bool = True) -> Any:
        """The entries as another kind of numbers."""
        return np.asarray(self).astype(dtype, copy=False)

    def reshape(self, *shape: Any) -> Any:
        """Itself where that is its shape, else an array."""
        wanted = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple) else shape
        same = len(wanted) == 2 and all(a in (-1, b) for a, b in zip(wanted, self.shape, strict=True))
        return self if same else np.reshape(self[:], wanted)


@final
class OneHot(ByRows):
    """Classes as one output each, 1 for the sample's own and 0 elsewhere, of which only the codes are kept.

    Args:
        codes: the class of every sample, integers from 0 to C − 1, shape (n,); −1 is a row of zeros.
        columns: C.
        dtype: of the entries.

    Raises:
        BadInputError: other codes.

    Example:
        >>> OneHot([2, 0, -1], 3)[:]
        array([[0., 0., 1.],
               [1., 0., 0.],
               [0., 0., 0.]])
    """

    def __init__(self, codes: Any, columns: int, dtype: Any = np.float64) -> None:
        codes, columns = np.asarray(codes), check_integer("columns", columns, least=1)
        if codes.ndim != 1 or (codes.size and codes.dtype.kind not in "iu"):
            what, hint = "one integer a sample", "numpy.unique(y, return_inverse=True)[1]"
            raise expected(what, "codes", codes.shape, f"dtype {codes.dtype}", hint)
        outside = np.flatnonzero((codes < -1) | (codes >= columns))
        if len(outside):
            i, hint = int(outside[0]), f"codes from 0 to {columns - 1}, or more columns"
            raise expected(f"a class of {columns}", f"codes[{i}]", int(codes[i]), "out of range", hint)
        self.codes = codes.astype(np.int32 if columns < 2**31 else np.int64)
        self.shape, self.dtype = (len(codes), columns), np.dtype(dtype)

    @property
    def key(self) -> bytes:
        """What it is known by."""
        return blake2b(f"{self.shape}{self.dtype}".encode() + self.codes.tobytes(), digest_size=32).digest()

    def _made(self, index: Array) -> Array:
        codes = self.codes[index]
        made, known = np.zeros((len(codes), self.shape[1]), self.dtype), codes >= 0
        made[np.flatnonzero(known), codes[known]] = 1
        return made

    def taken(self, index: Array) -> OneHot:
        """Some rows, as codes."""
        return OneHot(self.codes[index], self.shape[1], self.dtype)

    def astype(self, dtype: Any, copy: bool = True) -> OneHot:
        """The same classes with entries of another kind of numbers."""
        return self if self.dtype == dtype else OneHot(self.codes, self.shape[1], dtype)


@final
class Above(ByRows):
    """Matrices of as many columns, one above the other.

    Args:
        parts: arrays, or what gives rows.

    Example:
        >>> Above([OneHot([1], 2), np.array([[3.0, 4.0]])])[::-1]
        array([[3., 4.],
               [0., 1.]])
    """

    def __init__(self, parts: Sequence[Any]) -> None:
        self.parts = parts
        self._starts = np.cumsum([0, *map(len, parts)])
        self.shape = (int(self._starts[-1]), parts[0].shape[1])
        self.dtype = np.result_type(*(part.dtype for part in parts))

    @property
    def key(self) -> bytes:
        """What it is known by."""
        found = blake2b(digest_size=32)
        for part in self.parts:
            found.update(part.key if isinstance(part, ByRows) else f"{part.dtype.str}{part.shape}".encode())
            found.update(b"" if isinstance(part, ByRows) else np.ascontiguousarray(part).data)
        return found.digest()

    def split(self, index: Array) -> list[tuple[Any, Array, Array]]:
        """For each part that has some of these rows: it, which of them it has, and their numbers in it."""
        which = np.searchsorted(self._starts, index, side="right") - 1
        found = ((part, np.flatnonzero(which == i), self._starts[i]) for i, part in enumerate(self.parts))
        return [(part, where, index[where] - start) for part, where, start in found if len(where)]

    def _made(self, index: Array) -> Array:
        made = np.empty((len(index), self.shape[1]), self.dtype)
        for part, where, numbers in self.split(index):
            made[where] = part[numbers]
        return made

    def taken(self, index: Array) -> Any:
        """Some rows; those of one part as compact as it keeps them."""
        split = self.split(index)
        if len(split) == 1 and isinstance(split[0][0], ByRows):
            return split[0][0].taken(split[0][2])
        return self._made(index)


def times_labels(block: Array, labels: Any) -> Array:
    """Xᵀt for rows X and their labels: sums of the rows by class where labels are classes, which no product reads.

    Args:
        block: X, float64, shape (m, D).
        labels: t, shape (m, C).

    Returns:
        Float64, shape (D, C).

    Example:
        >>> times_labels(np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), OneHot([1, 0, 1], 3))
        array([[3., 6., 0.],
               [4., 8., 0.]])
    """
    if isinstance(labels, Above):
        split = labels.split(np.arange(len(labels)))
        return np.asarray(sum(_times_part(block, where, taken(part, i)) for part, where, i in split))
    return _times_part(block, np.arange(len(block)), labels)


def _times_part(block: Array, where: Array, labels: Any) -> Array:
    """The same for the rows of X at some places; sums of classes read them where they are."""
    if not isinstance(labels, OneHot):
        return np.asarray((block[where] if len(where) < len(block) else block).T @ labels)
    from scipy.sparse import csr_array

    known = np.flatnonzero(labels.codes >= 0)
    places = (labels.codes[known], where[known])
    members = csr_array((np.ones(len(known)), places), shape=(labels.shape[1], len(block)))
    return np.asarray((members @ block).T)


def taken(matrix: Any, index: Any) -> Any:
    """Rows of an array, or of what gives rows and keeps them as compact.

    Example:
        >>> taken(np.eye(2), range(1, 2)), type(taken(OneHot([0, 1], 2), [1])).__name__
        (array([[0., 1.]]), 'OneHot')
    """
    index = np.asarray(index, dtype=np.intp)
    return matrix.taken(index) if isinstance(matrix, ByRows) else matrix[index]


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
        BadInputError: no floats, and, when a block is read, one of another width, or with NaN or infinity.
        MusoError: a block that is another one than before.

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
        self.shape, self.dtype = tuple(map(int, source.shape)), np.dtype(source.dtype)  # type: ignore[assignment]
        if self.dtype not in (np.float32, np.float64):
            hint = "an array in memory for other kinds of numbers"
            raise expected("float32 or float64", f"{name}.dtype", self.dtype, "in a store", hint)
        width = max(1, self.shape[1] * self.dtype.itemsize)
        self._edges = _edges(self.shape[0], _BLOCK_BYTES // width, source.chunks)
        self._hashes: list[bytes | None] = [None] * (len(self._edges) - 1)
        self._last: tuple[int, Array] | None = None
        self._lock = threading.Lock()

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
        pieces = []
        while self._edges[first] < stop:
            left, right = self._edges[first : first + 2]
            pieces.append(self._block(first)[max(start - left, 0) : min(stop, right) - left])
            first += 1
        # A piece is a view of a block that is kept for the next reader: nobody may write into it.
        return (
            pieces[0] if len(pieces) == 1 else np.vstack(pieces or [np.empty((0, self.shape[1]), self.dtype)])
        )

    def _made(self, index: Array) -> Array:
        made = np.empty((len(index), self.shape[1]), self.dtype)
        which = np.searchsorted(self._edges, index, side="right") - 1
        for i in np.unique(which).tolist():
            here = which == i
            made[here] = self._block(i)[index[here] - self._edges[i]]
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
        part = self.source[start:stop]
        # In the thread that asks: a cluster on which that is a task must not wait for other tasks.
        block = np.asarray(part.compute(scheduler="synchronous") if hasattr(part, "compute") else part)
        wanted = (stop - start, self.shape[1])
        if block.shape != wanted or block.dtype != self.dtype:
            hint = "blocks as wide as they say"
            raise expected(f"{wanted} of {self.dtype}", name, block.shape, f"dtype {block.dtype}", hint)
        block = np.ascontiguousarray(block)
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
            hint = "a source that gives the same rows whenever it is read, such as a copy in a .npy file"
            words = expected("the rows that were read before", name, block.shape, "changed since", hint)
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


def _edges(n: int, most: int, chunks: Any) -> list[int]:
    """Where blocks begin and end: whole chunks, as many as make at most so many rows.

    Example:
        >>> _edges(10, 5, (2, 3)), _edges(10, 5, ((4, 4, 2), (3,))), _edges(3, 0, None)
        ([0, 4, 8, 10], [0, 4, 8, 10], [0, 1, 2, 3])
    """
    sizes = chunks[0] if chunks else max(1, most)
    ends = (
        np.cumsum(sizes).tolist() if isinstance(sizes, Sequence) else [*range(int(sizes), n, int(sizes)), n]
    )
    edges = [0]
    for end, after in pairwise([*ends, math.inf]):
        if after - edges[-1] > most:
            edges.append(end)
    return edges
