"""Writing files whole or not at all, and archives whose bytes depend on nothing but the arrays."""

from __future__ import annotations

import contextlib
import io
import os
import stat
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from muso_theory.errors import BadInputError, expected

__all__ = ["npz_bytes", "write_atomic"]


def write_atomic(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file so that readers see the old content or the new one, never a part.

    The bytes go to a temporary file in the same directory, which then takes the place of the target.
    A symbolic link is followed; a device or a pipe (``/dev/stdout``) is written to directly, because it
    must not be replaced.

    Args:
        path: where to write; its directory must exist.
        data: the whole content.

    Raises:
        BadInputError: if the path cannot be written; an existing file is then unchanged and nothing is
            left behind.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_atomic(f"{folder}/answer.txt", b"42")
        ...     Path(folder, "answer.txt").read_bytes(), os.listdir(folder)
        (b'42', ['answer.txt'])
    """
    try:
        target = Path(os.path.realpath(path))
        mode = _mode_of(target)
        if mode is not None and not stat.S_ISREG(mode):
            if stat.S_ISDIR(mode):
                raise expected("a file to write", "path", path, "directory", "a file name inside it")
            target.write_bytes(data)
            return
        if mode is not None and not os.access(target, os.W_OK):
            raise PermissionError(13, "Permission denied")
        _replace(target, data, 0o666 & ~_umask() if mode is None else stat.S_IMODE(mode))
    except OSError as error:
        reason = error.strerror or str(error)
        raise expected("a path that can be written", "path", path, reason, "another path") from error
    except ValueError as error:
        if isinstance(error, BadInputError):
            raise
        raise expected(
            "a path that can be written", "path", repr(path), str(error), "another path"
        ) from error


def _mode_of(target: Path) -> int | None:
    """Mode of an existing file, or nothing."""
    try:
        return target.stat().st_mode
    except FileNotFoundError:
        return None


def _umask() -> int:
    """The process's file creation mask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _replace(target: Path, data: bytes, mode: int) -> None:
    """Write next to the target, then rename over it; leave nothing behind on any failure."""
    handle, temporary = tempfile.mkstemp(prefix=f".{target.name[:40]}.", suffix=".tmp", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def npz_bytes(arrays: Mapping[str, npt.ArrayLike]) -> bytes:
    """Pack arrays as an .npz archive with a fixed date, so that equal arrays give equal bytes.

    ``numpy.savez`` stamps the time of writing into the archive.

    Args:
        arrays: name to array; no object arrays.

    Returns:
        The archive, to be read with ``numpy.load``.

    Raises:
        BadInputError: for an object array, which only a pickle could hold.

    Example:
        >>> data = npz_bytes({"labels": np.array([1.0, 2.0])})
        >>> np.load(io.BytesIO(data))["labels"], data == npz_bytes({"labels": [1.0, 2.0]})
        (array([1., 2.]), True)
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, values in arrays.items():
            array: npt.NDArray[Any] = np.asarray(values)
            if array.dtype.hasobject:
                raise expected(
                    "an array of numbers or text", name, array.shape, "object array", "astype(float)"
                )
            member = io.BytesIO()
            np.lib.format.write_array(member, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue())
    return buffer.getvalue()
