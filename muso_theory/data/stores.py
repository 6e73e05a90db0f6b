"""Reading a folder that zarr has written: features stay in it, whatever else is in it is read."""

from __future__ import annotations

import hashlib
import math
import operator
import os
import re
import stat
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import MusoError, expected
from ..files.kinds import STORE_MARKS
from ..files.reading import grown, read_json
from ..machine import memory, memory_words
from ..stored import Stored

__all__ = ["is_store", "read_store"]

_KNOWN = (*STORE_MARKS, ".zattrs", ".zmetadata")
"""Files with what zarr knows about arrays."""

_CODECS = frozenset(
    (
        *("blosc", "bytes", "crc32c", "delta", "endian", "fixed_length_utf32", "gzip", "lz4"),
        *("sharding_indexed", "shuffle", "transpose", "vlen-utf8", "zlib", "zstd"),
    )
)
"""What may be between bytes on disk and numbers: none of these runs what the data say, as pickle would, or makes
as much of a small file as bz2 does."""

_OTHERS = {stat.S_IFLNK: "symbolic link", stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket"}
_TEXT_BYTES = 256
"""That an entry of text of any length counts as in the limit of a chunk's file."""
_SPARE_BYTES = 1 << 16
_HASHED_BYTES = 1 << 22


def is_store(path: Path) -> bool:
    """Whether a folder says that zarr has written it; one that cannot be looked into does not.

    Example:
        >>> is_store(Path("."))
        False
    """
    return any(os.path.isfile(path / mark) for mark in STORE_MARKS)


def read_store(
    path: Path, title: str, check: Callable[[Collection[str]], None]
) -> tuple[dict[str, Any], str, str, bool]:
    """The arrays of a group by name, or one array as ``features``.

    Args:
        path: a folder in which `is_store` finds a mark.
        title: what to call it in a refusal.
        check: told the names of a group's arrays before any is read, and refuses wrong ones.

    Returns:
        The arrays: ``features`` of two dimensions and of floats as a matrix that is read a block of rows at a time,
        each of which was read once; all else in memory. A hash of their names, shapes, types and entries, whatever
        chunks and codecs they lie in. Words about chunks, or whole shards, that are not there, empty where all are.
        Whether it is one array.

    Raises:
        OSError: a folder that cannot be looked into.
        BadInputError: zarr is not installed, anything but files and folders in it, a folder that zarr cannot read,
            other groups in the group, a codec that could run what the data say, an array or a chunk that is far larger
            than its files, or smaller, or has no room in memory, features without any chunk, NaN or infinity.
    """
    try:
        import zarr
    except ImportError:
        hint = "pip install 'muso-theory[zarr]'"
        raise expected("the package zarr", "DATA", title, "not installed", hint) from None
    files = _files(path, title)
    known = _metadata(path, files)
    kinds = {folder: _kind(marks) for folder, marks in known.items()}
    one, groups = (
        kinds[""] == "array",
        [folder for folder, kind in kinds.items() if folder and kind == "group"],
    )
    if not one and (kinds[""] != "group" or groups):
        got = f"groups {', '.join(groups)}" if groups else f"node_type {kinds['']}"
        raise expected("one array, or a group of arrays alone", "DATA", title, got, "one of them")
    arrays = [""] if one else sorted(folder for folder, kind in kinds.items() if folder and kind == "array")
    if not one:
        check(arrays)
    codecs = sorted({name for folder in arrays for name in _codecs(known[folder])} - _CODECS)
    if codecs:
        hint = f"writing it again with one of {', '.join(sorted(_CODECS))}"
        raise expected("codecs that are known to be harmless", "DATA", title, ", ".join(codecs), hint)
    read: dict[str, Any] = {}
    gaps, digest = list[str](), hashlib.sha256()
    try:
        for folder in arrays:
            # One by one, and each by its own metadata: what a group says of all of them may be something else.
            place = zarr.storage.LocalStore(path / folder, read_only=True)
            version: Any = 3 if "zarr.json" in known[folder] else 2
            array, name = zarr.open_array(place, mode="r", zarr_format=version), folder or "features"
            gaps += _check_chunks(name, array, _within(files, folder))
            read[name] = _read(name, array)
            _add(digest, name, read[name])
    except MusoError:
        raise
    except Exception as error:  # of zarr and of its codecs, which have many
        got = str(error) or type(error).__name__
        raise expected("a folder that zarr can read", "DATA", title, got, "writing it again") from None
    return read, digest.hexdigest(), "; ".join(gaps), one


def _files(path: Path, title: str) -> dict[str, int]:
    """Bytes of every file by its path in a folder, before anything is opened: a pipe is waited for, a link followed."""
    found, pending = dict[str, int](), [""]
    while pending:
        folder = pending.pop()
        with os.scandir(path / folder) as entries:
            for entry in entries:
                inner, status = f"{folder}{entry.name}", entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode):
                    pending.append(f"{inner}/")
                elif stat.S_ISREG(status.st_mode):
                    found[inner] = status.st_size
                else:
                    got = _OTHERS.get(stat.S_IFMT(status.st_mode), "device")
                    hint = "a copy with what links lead to, cp -rL" if entry.is_symlink() else "removing it"
                    raise expected("files and folders alone", "DATA", f"{title}/{inner}", got, hint)
    return found


def _metadata(path: Path, files: Collection[str]) -> dict[str, dict[str, Any]]:
    """What zarr knows about arrays, by folder and file, here and one step down, which is as far as they are read."""
    known: dict[str, dict[str, Any]] = {"": {}}
    for file in sorted(files):
        folder, _, mark = file.rpartition("/")
        if mark in _KNOWN and "/" not in folder:
            # Attributes, which nothing here uses, may hold NaN.
            value = read_json(path / file, "DATA", constants=True)
            if not isinstance(value, dict):
                hint = "a file as zarr wrote it"
                raise expected("a JSON object", "DATA", path / file, type(value).__name__, hint)
            known.setdefault(folder, {})[mark] = value
    return known


def _kind(marks: Mapping[str, Any]) -> Any:
    """Whether a folder is an array or a group, where it is one of them."""
    if "zarr.json" in marks:
        return marks["zarr.json"].get("node_type")
    return "array" if ".zarray" in marks else "group" if ".zgroup" in marks else None


def _codecs(marks: Mapping[str, Any]) -> Iterator[str]:
    """Names of codecs, and of those within them, in what says what an array is; attributes may say anything."""
    array = marks.get("zarr.json", marks.get(".zarray", {}))
    pending = [array.get(key) for key in ("codecs", "compressor", "filters")]
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            yield value.removeprefix("numcodecs.")
        elif isinstance(value, list):
            pending += value
        elif isinstance(value, dict):
            # Of version 2 of the format one of these is the name, and of 3 the other.
            pending += [name for name in (value.get("id"), value.get("name")) if isinstance(name, str)]
            inner = value.get("configuration")
            pending += (
                [inner.get(key) for key in ("codecs", "index_codecs")] if isinstance(inner, dict) else []
            )


def _within(files: Mapping[str, int], folder: str) -> dict[str, int]:
    """The files in a folder, by their path in it."""
    start = f"{folder}/" if folder else ""
    return {file.removeprefix(start): size for file, size in files.items() if file.startswith(start)}


def _check_chunks(name: str, array: Any, files: Mapping[str, int]) -> list[str]:
    """Refuse chunks that say much more than their files, or less, and tell of those that are not there."""
    if not array.shape or 0 in (*array.chunks, *(array.shards or ())):
        what = "an array with rows, in chunks of at least one,"
        raise expected(what, f"{name}.shape", array.shape, f"chunks {array.chunks}", "writing it again")
    outer = array.shards or array.chunks
    sides = [-(-n // m) for n, m in zip(array.shape, outer, strict=True)]
    sizes = {place: size for file, size in files.items() if (place := _place(array, file, sides))}
    whole, chunk = (math.prod(shape) * max(1, array.dtype.itemsize) for shape in (array.shape, outer))
    if (size := max(whole, chunk)) > (most := grown(sum(sizes.values()))):
        what = f"an array that grows to at most {most:,} bytes"  # of chunks that are not there zarr makes numbers
        raise expected(what, name, array.shape, f"{size:,} bytes", "one whose chunks are all written")
    entry = _TEXT_BYTES if array.dtype.kind in "OT" else array.dtype.itemsize
    most, size = 2 * math.prod(outer) * entry + _SPARE_BYTES, max(sizes.values(), default=0)
    if size > most:
        what = f"files of at most {most:,} bytes for chunks of {outer}"
        raise expected(what, name, array.shape, f"{size:,} bytes", "writing it again")
    missing, part = math.prod(sides) - len(sizes), "shards" if array.shards else "chunks"
    if not missing:
        return []
    if not sizes and name in ("X", "features"):
        raise expected(f"{part} with entries", name, array.shape, "none of them is there", "writing it again")
    fill = array.dtype.type() if array.fill_value is None else array.fill_value
    value = fill.item() if isinstance(fill, np.generic) else fill
    return [f"{missing:,} of {math.prod(sides):,} {part} of {name} are not there: read as {value!r}"]


def _place(array: Any, file: str, sides: list[int]) -> tuple[int, ...]:
    """Which chunk a file holds, if it holds one."""
    place = tuple(map(int, re.findall("[0-9]+", file)))
    inside = len(place) == len(sides) and all(map(operator.lt, place, sides))
    return place if inside and array.metadata.encode_chunk_key(place) == file else ()


def _read(name: str, array: Any) -> Any:
    """Features as they lie, each row read once; anything else as an array in memory."""
    is_matrix = len(array.shape) == 2 and all(array.shape)
    lies = name == "features" and is_matrix and array.dtype in (np.float32, np.float64)
    stored = Stored(name, array) if lies else None
    chunk, size = (math.prod(shape) * array.dtype.itemsize for shape in (array.chunks, array.shape))
    need = max(chunk, size if stored is None else stored.block_bytes)
    if need > memory():
        what = f"{'a block' if lies else 'an array'} of at most {memory():,} bytes, {memory_words()},"
        kept = "features of floats in two dimensions, which are read a block of rows at a time"
        hint = "smaller chunks" if lies else kept if name in ("X", "features") else "a smaller one"
        raise expected(what, name, array.shape, f"{need:,} bytes", hint)
    if stored is not None:
        return stored
    values = np.asarray(array[:])
    words = values.ravel().tolist() if values.dtype.kind in "OT" else [None]
    if not all(isinstance(word, str) for word in words):
        return values
    if (need := 4 * len(words) * max(map(len, words), default=0)) > memory():
        what = f"text of at most {memory():,} bytes, {memory_words()},"
        raise expected(what, name, array.shape, f"{need:,} bytes", "shorter words")
    return np.array(words, np.str_).reshape(values.shape)


def _add(digest: Any, name: str, array: Any) -> None:
    """Add an array to a hash, some rows at a time: of features this is where each block is read first."""
    dtype = array.dtype.newbyteorder("<")
    digest.update(f"{name} {array.shape} {dtype.str} ".encode())
    rows = max(1, _HASHED_BYTES // max(1, math.prod(array.shape[1:]) * dtype.itemsize))
    for start in range(0, array.shape[0], rows):
        digest.update(np.asarray(array[start : start + rows], dtype).tobytes())
