"""Matrices whose rows are made when they are asked for: classes as codes, and labels above labels.

Each gives what an array would give for its rows, and becomes one where somebody needs all of it and there is the
memory. Work that goes over the rows a span at a time never does.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, final

import numpy as np

from .arrays import Array
from .errors import check_integer, expected

__all__ = [
    "Above",
    "ByRows",
    "OneHot",
    "no_class",
    "rows_at_once",
    "scattered",
    "taken",
    "times_labels",
    "whole_rows",
]

_MOST_RUNS = 64
"""Parts of labels in another order, of which each is one that rows are taken from."""

_WHOLE_BYTES = 1 << 26
"""Of whole rows, as they are stored, that are in memory at a time."""


class ByRows(np.lib.mixins.NDArrayOperatorsMixin, ABC):
    """A matrix that is known row by row; what else is asked of it, the array of all its rows answers."""

    shape: tuple[int, int]
    dtype: np.dtype[Any]

    # What is known without an entry stands here: anything else that arrays have is asked of all rows at once.
    ndim = 2

    @property
    def size(self) -> int:
        """Number of entries."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the array that all rows would be."""
        return self.size * self.dtype.itemsize

    @property
    def block_bytes(self) -> int:
        """Bytes of the most rows that have to be read at once, however few are asked for; none where each is made."""
        return 0

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

    def reordered(self, order: Array) -> Any:
        """All rows in another order, as compact as they are, if those of a part stay together for the most part."""
        part = np.searchsorted(self._starts, order, side="right") - 1
        runs = np.split(order, np.flatnonzero(np.diff(part)) + 1)
        return Above([self.taken(run) for run in runs]) if len(runs) <= _MOST_RUNS else self._made(order)


def no_class(count: int, columns: int) -> OneHot:
    """Rows of zeros that take no room: of no class.

    Example:
        >>> no_class(1, 2)[:]
        array([[0., 0.]])
    """
    return OneHot(np.full(count, -1), columns)


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


def scattered(labels: Any, places: Array) -> Any:
    """Labels at their places among rows of zeros, as compact as they were; None for what cannot be scattered so.

    Example:
        >>> scattered(np.array([[5.0], [6.0]]), np.array([2, 0])), scattered(OneHot([1, 0], 2), np.array([2, 0])).codes
        (array([[6.],
               [0.],
               [5.]]), array([ 0, -1,  1]...))
    """
    n = int(places.max()) + 1
    if isinstance(labels, OneHot):
        codes = np.full(n, -1)
        codes[places] = labels.codes
        return OneHot(codes, labels.shape[1], labels.dtype)
    if not isinstance(labels, np.ndarray):
        return None
    found = np.zeros((n, labels.shape[1]), labels.dtype)
    found[places] = labels
    return found


def rows_at_once(matrix: Any, most: int, unit: int = 1, *, room: int = 0) -> int:
    """How many whole rows are in memory at a time: of an array ``most``, as it is there; else no more than fit.

    Args:
        matrix: Φ, shape (n, D).
        most: rows that are enough.
        unit: a multiple of so many, if that fits.
        room: bytes that may be taken, if they are more than what is always taken.

    Example:
        >>> rows_at_once(np.eye(3), 1024), rows_at_once(OneHot([0], 2**17), 1024), rows_at_once(OneHot([0], 9), 64)
        (1024, 64, 64)
        >>> rows_at_once(OneHot([0], 2**17), 1024, 40), rows_at_once(OneHot([0], 2**17), 1024, 80)
        (40, 64)
    """
    if not isinstance(matrix, ByRows):
        return most
    count = max(1, max(room, _WHOLE_BYTES) // max(1, matrix.shape[1] * matrix.dtype.itemsize))
    return most if most <= count else count // unit * unit or count


def whole_rows(matrix: Any, index: Array) -> Array:
    """Some rows as they are stored; consecutive ones are read where they lie.

    Example:
        >>> whole_rows(OneHot([1, 0], 2), np.array([1]))
        array([[1., 0.]])
    """
    first, last = (int(index[0]), int(index[-1])) if len(index) else (0, -1)
    consecutive = last - first == len(index) - 1 and bool((np.diff(index) == 1).all())
    return np.asarray(matrix[first : last + 1] if consecutive else matrix[index])


def taken(matrix: Any, index: Any) -> Any:
    """Rows of an array, or of what gives rows and keeps them as compact.

    Example:
        >>> taken(np.eye(2), range(1, 2)), type(taken(OneHot([0, 1], 2), [1])).__name__
        (array([[0., 1.]]), 'OneHot')
    """
    index = np.asarray(index, dtype=np.intp)
    return matrix.taken(index) if isinstance(matrix, ByRows) else matrix[index]
