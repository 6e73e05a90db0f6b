"""Reading a folder that zarr has written: features stay in it, whatever else is in it is read."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import MusoError, expected
from ..files.reading import grown, read_json
from ..machine import memory, memory_words
from ..stored import Stored

__all__ = ["is_store", "read_store"]

_MARKS = ("zarr.json", ".zgroup", ".zarray")
"""Files by which a folder says that it holds a group of arrays, or one: of version 3 of the format, and of 2."""

_CODECS = frozenset(
    (
        *("blosc", "bytes", "bz2", "crc32c", "delta", "endian", "fixed_length_utf32", "gzip", "lz4", "lzma"),
        *("sharding_indexed", "shuffle", "transpose", "vlen-utf8", "zlib", "zstd"),
    )
)
"""What may be between bytes on disk and numbers: none of these runs what the data say, as pickle would."""


def is_store(path: Path) -> bool:
    """Whether a folder says that zarr has written it.

    Example:
        >>> is_store(Path("."))
        False
    """
    return any((path / mark).is_file() for mark in _MARKS)


def read_store(path: Path, check: Callable[[Collection[str]], None]) -> tuple[dict[str, Any], str, bool]:
    """The arrays of a group by name, or one array as ``features``, a hash of all their entries, and whether it is one.

    Args:
        path: a folder in which `is_store` finds a mark.
        check: told the names of a group's arrays before any is read, and refuses wrong ones.

    Returns:
        ``features`` of two dimensions and of floats as a matrix that is read a block of rows at a time, each of which
        was read once; all else in memory.

    Raises:
        BadInputError: zarr is not installed, a folder that it cannot read, other groups in the group, a codec that
            could run what the data say, an array that is far larger than its files, or one that, or a chunk of which,
            has no room in memory, NaN or infinity.
    """
    try:
        import zarr
    except ImportError:
        hint = "pip install 'muso-theory[zarr]'"
        raise expected("the package zarr", "DATA", path.name, "not installed", hint) from None
    codecs = sorted({name for mark in _marks(path) for name in _codecs(read_json(mark, "DATA"))} - _CODECS)
    if codecs:
        hint = f"writing it again with one of {', '.join(sorted(_CODECS))}"
        raise expected("codecs that are known to be harmless", "DATA", path.name, ", ".join(codecs), hint)
    try:
        found: Any = zarr.open(str(path), mode="r")
        one = isinstance(found, zarr.Array)
        arrays = {"features": found} if one else dict(found.arrays())
        groups = () if one else tuple(found.group_keys())
        if groups:
            raise expected("arrays alone", "DATA", path.name, f"groups {', '.join(groups)}", "one of them")
        if not one:
            check(list(arrays))
        read = {name: _read(name, array, path if one else path / name) for name, array in arrays.items()}
    except MusoError:
        raise
    except Exception as error:  # of zarr and of its codecs, which have many
        got = str(error) or type(error).__name__
        raise expected("a folder that zarr can read", "DATA", path.name, got, "writing it again") from None
    digest = hashlib.sha256()
    for name, array in sorted(read.items()):
        digest.update(f"{name} {array.shape} {array.dtype.str} ".encode())
        digest.update(array.key if isinstance(array, Stored) else np.ascontiguousarray(array).tobytes())
    return read, digest.hexdigest(), one


def _marks(path: Path) -> Iterator[Path]:
    """Files with what zarr knows about its arrays, here and one step down, which is as far as arrays are looked for."""
    for folder in (path, *(child for child in path.iterdir() if child.is_dir())):
        yield from (folder / mark for mark in (*_MARKS, ".zmetadata") if (folder / mark).is_file())


def _codecs(known: Any) -> Iterator[str]:
    """Names of codecs, wherever in the metadata they are."""
    pending = [(known, False)]
    while pending:
        value, is_codec = pending.pop()
        if isinstance(value, dict):
            name = value.get("id", value.get("name"))
            if is_codec and isinstance(name, str):
                yield name.removeprefix("numcodecs.")
            inner = ("codecs", "index_codecs", "compressor", "filters")
            pending += [(part, key in inner) for key, part in value.items()]
        elif isinstance(value, list):
            pending += [(part, is_codec) for part in value]


def _read(name: str, array: Any, folder: Path) -> Any:
    """Features as they lie, anything else as an array in memory; neither much larger than what is on disk."""
    chunk, size = (math.prod(shape) * array.dtype.itemsize for shape in (array.chunks, array.shape))
    is_matrix = len(array.shape) == 2 and all(array.shape)
    lies = name == "features" and is_matrix and array.dtype in (np.float32, np.float64)
    if size > (most := grown(sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()))):
        what = f"an array that grows to at most {most:,} bytes"  # of chunks that are not there zarr makes numbers
        raise expected(what, name, array.shape, f"{size:,} bytes", "one whose chunks are all written")
    if (need := chunk if lies else size) > memory():
        what = f"{'a chunk' if lies else 'an array'} of at most {memory():,} bytes, {memory_words()},"
        kept = "features of floats in two dimensions, which are read a block of rows at a time"
        hint = "smaller chunks" if lies else kept if name in ("X", "features") else "a smaller one"
        raise expected(what, name, array.shape, f"{need:,} bytes", hint)
    if not lies:
        values = np.asarray(array[:])
        are_objects = values.dtype == object and all(isinstance(value, str) for value in values.flat)
        are_words = values.dtype.kind == "T" or are_objects
        return values.astype(np.str_) if are_words else values
    stored = Stored(name, array)
    stored.read_all()
    return stored
