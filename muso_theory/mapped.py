"""An array in a file that is mapped, told to another process by where it is, and known again there."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np

from .arrays import Array
from .errors import MusoError, expected

__all__ = ["MappedArray", "mapped"]

_ROWS = 8
"""Rows by which a file is known again."""


@dataclass(frozen=True)
class MappedArray:
    """Where an array is in a file.

    Args:
        path: of the file.
        offset: of the first number, in bytes.
        dtype: as numpy names it.
        shape: of the array.
        order: "C" or "F".
        seal: hash of some rows.
    """

    path: str
    offset: int
    dtype: str
    shape: tuple[int, ...]
    order: Any
    seal: str

    def opened(self) -> Array:
        """The same array in this process, mapped for reading.

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
        try:
            found: Array = np.memmap(self.path, self.dtype, "r", self.offset, self.shape, self.order)
            got = "" if _seal(found) == self.seal else "another content"
        except (OSError, ValueError) as error:
            got = str(error)
        if got:
            hint = "a path at which every worker finds the same file"
            raise MusoError(str(expected("the file of the features", "path", self.path, got, hint)))
        return found


def mapped(array: Array) -> MappedArray | None:
    """Where an array is in a file, or None where it is in memory, or in memory alone once somebody wrote into it.

    Example:
        >>> mapped(np.eye(2)) is None
        True
    """
    opened, path = getattr(array, "_mmap", None), getattr(array, "filename", None)
    if opened is None or path is None or getattr(array, "mode", "c") == "c" or not array.flags.forc:
        return None
    # A view keeps the offset of what it is a view of, but not its address.
    begin = getattr(array, "offset", 0) // mmap.ALLOCATIONGRANULARITY * mmap.ALLOCATIONGRANULARITY
    offset = begin + array.ctypes.data - np.frombuffer(opened, np.uint8).ctypes.data
    order = "C" if array.flags.c_contiguous else "F"
    return MappedArray(str(path), offset, array.dtype.str, array.shape, order, _seal(array))


def _seal(array: Array) -> str:
    """A hash of a few rows, from the first to the last."""
    some = np.linspace(0, len(array) - 1, _ROWS).astype(np.intp)
    return blake2b(np.ascontiguousarray(array[some]).data, digest_size=16).hexdigest()
