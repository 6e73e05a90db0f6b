"""An array in a file that is mapped, told to another process by where it is, and known again there by its hash.

A name alone says little: where a file takes the place of another one, whoever mapped the old one keeps it, and whoever
opens the name finds the new one. Some rows say little more, as others may differ. So all of it is hashed, once by each
process, which then keeps what it has mapped.
"""

from __future__ import annotations

import mmap
import os
import threading
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np

from .arrays import Array, row_blocks
from .errors import MusoError, expected

__all__ = ["MappedArray", "close_opened", "is_mapped", "mapped"]

_LOCK = threading.Lock()


@dataclass(frozen=True)
class MappedArray:
    """Where an array is in a file.

    Args:
        path: of the file.
        offset: of the first number, in bytes.
        dtype: as numpy names it.
        shape: of the array.
        order: "C" or "F".
        seal: hash of all rows.
    """

    path: str
    offset: int
    dtype: str
    shape: tuple[int, ...]
    order: Any
    seal: str

    def opened(self) -> Array:
        """The same array in this process, mapped for reading.

        The last one is kept: as long as the file is the one that was hashed it is not hashed again.

        Raises:
            MusoError: no such file here, or another one.

        Example:
            >>> import tempfile
            >>> with tempfile.NamedTemporaryFile(suffix=".npy") as file:
            ...     np.save(file.name, np.eye(3))
            ...     mapped(np.load(file.name, mmap_mode="r")[1:]).opened()
            memmap([[0., 1., 0.],
                    [0., 0., 1.]])
        """
        got = "another content than the problem was made of"
        with _LOCK:
            try:
                if _OPENED and _OPENED[-1][:2] == (self, _identity(os.stat(self.path))):
                    return _OPENED[-1][2]
                _OPENED.clear()
                with open(self.path, "rb") as file:
                    # Before it is read: what is written meanwhile has another time.
                    identity = _identity(os.fstat(file.fileno()))
                    found: Array = np.memmap(file, self.dtype, "r", self.offset, self.shape, self.order)
                if _seal(found) == self.seal:
                    _OPENED.append((self, identity, found))
                    return found
            except (OSError, ValueError) as error:
                got = str(error)
        hint = "a new problem if the file was replaced since, or a path at which every worker finds the same file"
        raise MusoError(str(expected("the file of the features", "path", self.path, got, hint)))


_OPENED: list[tuple[MappedArray, tuple[int, ...], Array]] = []
"""The last array that was opened in this process and had its hash, and which file that was."""


def close_opened() -> None:
    """Keep no file that was opened, so that one that is removed is gone.

    Example:
        >>> close_opened()
    """
    with _LOCK:
        _OPENED.clear()


def _identity(found: os.stat_result) -> tuple[int, ...]:
    """Which file that is, and since when it has been as it is."""
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def is_mapped(array: Array) -> bool:
    """Whether an array is one piece of a file, and never in memory alone.

    Example:
        >>> is_mapped(np.eye(2))
        False
    """
    named = getattr(array, "_mmap", None) is not None and getattr(array, "filename", None) is not None
    return named and getattr(array, "mode", "c") != "c" and bool(array.flags.forc)


def mapped(array: Array) -> MappedArray | None:
    """Where an array is in a file, or None where it is in memory, or in memory alone once somebody wrote into it.

    Example:
        >>> mapped(np.eye(2)) is None
        True
    """
    if not is_mapped(array):
        return None
    there: Any = array
    # A view keeps the offset of what it is a view of, but not its address.
    begin = getattr(array, "offset", 0) // mmap.ALLOCATIONGRANULARITY * mmap.ALLOCATIONGRANULARITY
    offset = begin + array.ctypes.data - np.frombuffer(there._mmap, np.uint8).ctypes.data
    order = "C" if array.flags.c_contiguous else "F"
    return MappedArray(str(there.filename), offset, array.dtype.str, array.shape, order, _seal(array))


def _seal(array: Array) -> str:
    """A hash of all numbers, some rows at a time."""
    found = blake2b(digest_size=32)
    for rows in row_blocks(array):
        found.update(np.ascontiguousarray(array[rows]).data)
    return found.hexdigest()
