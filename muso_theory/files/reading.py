"""Limits within which files of others are read: regular ones, up to a size, a depth and a number of digits.

A limit that is passed is told in the error. Nothing read here is ever run, imported or unpickled.
"""

from __future__ import annotations

import json
import math
import os
import re
import select
import stat
import struct
import time
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterable
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any, NoReturn

import numpy as np
import numpy.typing as npt

from ..errors import BadInputError, expected
from .zipped import open_archive

__all__ = [
    "BROKEN",
    "MOST_BYTES",
    "exact_number",
    "grown",
    "parse_json",
    "read_array",
    "read_arrays",
    "read_bytes",
    "read_json",
    "read_stream",
    "read_text",
    "without_waiting",
]

MOST_BYTES = 1 << 26
"""Bytes of a JSON or text file, and bytes that any compressed file may grow to."""

_MOST_STREAMED = 1 << 28
_MOST_DEPTH = 40
_MOST_DIGITS = 1_000
_MOST_EXACT_DIGITS = 4_000
_MOST_GROWTH = 100
_MOST_VALUES = 1 << 20
_WAIT = 1.0

_LAST_CHARACTER = 0x10FFFF

_EXACT = re.compile(r"[+-]?[0-9]+(/[0-9]+)?")
# An unfinished string ends with the text, so that no character is looked at twice.
_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.DOTALL)

BROKEN = (
    OSError,
    ValueError,
    TypeError,
    EOFError,
    KeyError,
    OverflowError,
    RuntimeError,
    SystemError,
    SyntaxError,
    TokenError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
)
"""What zipfile and NumPy raise for broken archives."""


def read_bytes(path: str | os.PathLike[str], name: str, most: int = MOST_BYTES) -> bytes:
    """All of a regular file.

    Raises:
        BadInputError: no such file, a directory, device or pipe, unreadable, or too large.

    Example:
        >>> read_bytes("/dev/zero", "report")
        Traceback (most recent call last):
            ...
        muso_theory.errors.BadInputError: expected a regular file but got report=/dev/zero (device or pipe); try ...
    """
    try:
        with open(path, "rb", opener=without_waiting) as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise expected("a regular file", name, path, "device or pipe", "a file on disk")
            # A read makes room for all that it is asked for, however little comes.
            data = stream.read(min(status.st_size, most) + 1)
            while len(data) <= most and (part := stream.read(min(1 << 20, most + 1 - len(data)))):
                data += part
    except BadInputError:
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise expected("a readable file", name, path, reason, "another file") from error
    if len(data) > most:
        raise expected(f"a file of at most {most:,} bytes", name, path, "larger", "a smaller one")
    return data


def without_waiting(path: str, flags: int) -> int:
    """Open a file, for ``open(…, opener=…)``, or a pipe to which nobody writes (yet), which would wait for ever."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def read_stream(stream: IO[bytes], name: str) -> bytes:
    """All of a pipe, or of standard input.

    Raises:
        BadInputError: a device, a pipe to which nobody writes, or one of more than 2²⁸ bytes.
    """
    try:
        mode, descriptor = os.fstat(stream.fileno()).st_mode, stream.fileno()
    except (OSError, ValueError):  # bytes in memory
        mode, descriptor = stat.S_IFREG, -1
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        got = "directory" if stat.S_ISDIR(mode) else "device"
        raise expected("a file or a pipe", "DATA", name, got, "a file on disk")
    parts: list[bytes] = []
    size, ends = 0, time.monotonic() + _WAIT
    while True:
        # In turns with waiting, as a pipe opened without waiting says "nothing" before its writer has come.
        if descriptor >= 0 and stat.S_ISFIFO(mode):
            select.select([descriptor], [], [], _WAIT)
        part = stream.read(min(1 << 20, _MOST_STREAMED + 1 - size))
        if part is None or (not part and not parts and stat.S_ISFIFO(mode) and time.monotonic() < ends):
            time.sleep(0.01)
            continue
        if not part:
            return b"".join(parts)
        parts.append(part)
        size += len(part)
        if size > _MOST_STREAMED:
            raise expected(
                f"at most {_MOST_STREAMED:,} bytes in a pipe", "DATA", name, "more", "a file on disk"
            )


def read_text(path: str | os.PathLike[str], name: str, most: int = MOST_BYTES) -> str:
    """All of a text file in UTF-8.

    Raises:
        BadInputError: as `read_bytes`, and bytes that are no UTF-8.
    """
    try:
        return read_bytes(path, name, most).decode("utf-8")
    except UnicodeDecodeError as error:
        raise expected("text in UTF-8", name, path, f"byte {error.start}", "another file") from error


def read_json(
    path: str | os.PathLike[str], name: str, most: int = MOST_BYTES, constants: bool = False
) -> Any:
    """The content of a JSON file; ``constants`` accepts NaN and Infinity, which JSON has not.

    Raises:
        BadInputError: as `read_text` and `parse_json`.
    """
    return parse_json(read_text(path, name, most), name, str(path), constants)


def parse_json(text: str, name: str, shown: str = "", constants: bool = False) -> Any:
    """JSON whose every object says a thing once, of bounded depth and numbers.

    Args:
        constants: accept NaN and Infinity, which JSON has not.

    Raises:
        BadInputError: no JSON, more than 40 levels or 2²⁰ values, a number of more than 1,000 digits or beyond floats,
            or a key that occurs twice.

    Example:
        >>> parse_json('{"a": [1, 2]}', "report")
        {'a': [1, 2]}
        >>> parse_json("[" * 100_000, "report", "evil.json")
        Traceback (most recent call last):
            ...
        muso_theory.errors.BadInputError: expected JSON text but got report=evil.json (more than 40 levels); try ...
    """
    try:
        if len(text) > MOST_BYTES:
            raise ValueError(f"more than {MOST_BYTES:,} characters")
        _check_structure(text)
        return json.loads(
            text,
            object_pairs_hook=_once,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=float if constants else _no_constant,
        )
    except (ValueError, RecursionError) as error:
        raise expected("JSON text", name, shown or "text", str(error), "a file as it was written") from None


def _check_structure(text: str) -> None:
    """Refuse too many values or levels before any value is made, which takes many times the memory of its text."""
    many = f"more than {_MOST_VALUES:,} values"
    # Of each value at most its name and its text are strings, and it takes time to find where these end.
    if text.count('"') > 4 * _MOST_VALUES:
        raise ValueError(many)
    bare = _STRING.sub("", text)
    if sum(map(bare.count, ",[{")) > _MOST_VALUES:  # one of which stands before each value within another
        raise ValueError(many)
    steps = {"[": 1, "{": 1, "]": -1, "}": -1}
    if max(accumulate(steps[mark] for mark in re.findall(r"[\[\]{}]", bare)), default=0) > _MOST_DEPTH:
        raise ValueError(f"more than {_MOST_DEPTH} levels")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; readers disagree about a key that occurs twice."""
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice!r} occurs twice")
    return found


def _integer(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"a number of more than {_MOST_DIGITS:,} digits")
    return int(digits)


def _float(digits: str) -> float:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"a number of more than {_MOST_DIGITS:,} digits")
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits[:40]} is beyond floats")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def exact_number(text: object, name: str) -> Fraction:
    """An exact number, as results write them: an integer or ``p/q``, never an exponent.

    Raises:
        BadInputError: another form, a zero below the line, or more than 4,000 digits.

    Example:
        >>> exact_number("-3/4", "entry")
        Fraction(-3, 4)
        >>> exact_number("1e999999999", "entry")
        Traceback (most recent call last):
            ...
        muso_theory.errors.BadInputError: expected an integer or a fraction p/q but got entry=1e999999999 (str); ...
    """
    what = "an integer or a fraction p/q"
    if isinstance(text, str) and len(text) > _MOST_EXACT_DIGITS:
        raise expected(
            f"{what} of at most {_MOST_EXACT_DIGITS:,} digits", name, text, f"{len(text):,}", "'3/4'"
        )
    if not isinstance(text, str) or not _EXACT.fullmatch(text) or re.search(r"/0+$", text):
        raise expected(what, name, text, type(text).__name__, "'3/4'")
    return Fraction(text)


def grown(size: int) -> int:
    """Bytes that a compressed file of a size may grow to: 2²⁶, or a hundred times its size.

    Example:
        >>> grown(10), grown(10**9)
        (67108864, 100000000000)
    """
    return max(MOST_BYTES, _MOST_GROWTH * size)


def read_array(stream: IO[bytes], size: int, name: str) -> npt.NDArray[Any]:
    """One array in NumPy's format, whose header is believed only as far as there are bytes.

    Raises:
        ValueError: broken, or of another size than its header says.
        BadInputError: an array of objects, which only a pickle could hold.
    """
    version = np.lib.format.read_magic(stream)
    header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in header:
        raise ValueError(f"version {version} of the format of arrays")
    shape, fortran, dtype = header[version](stream)
    if dtype.hasobject:
        hint = "saving it with astype(float), or of words with astype(str)"
        raise expected("numbers or text, never pickled objects", "array", name, "object array", hint)
    # Entries of no bytes, such as empty text, are as dear to make as others.
    if any(side < 0 for side in shape) or math.prod(shape) * max(1, dtype.itemsize) > size:
        raise ValueError(f"{name} says shape {shape}, of more than its {size:,} bytes")
    data = bytearray(math.prod(shape) * dtype.itemsize)
    view, got = memoryview(data), 0
    while got < len(data):
        part = stream.read(min(1 << 20, len(data) - got))
        if not part:
            raise ValueError(f"{name} ends before its last entry")
        view[got : got + len(part)] = part
        got += len(part)
    if stream.read(1):  # reading to the end is also what verifies a checksum
        raise ValueError(f"bytes after the end of {name}")
    flat: npt.NDArray[Any] = np.frombuffer(data, dtype) if data else np.empty(math.prod(shape), dtype)
    if dtype.kind == "U" and data and flat.view(f"{dtype.str[0]}u4").max() > _LAST_CHARACTER:
        raise ValueError(f"{name} is text with a number in it that is no character")
    return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)


def read_arrays(
    source: str | os.PathLike[str] | IO[bytes],
    name: str,
    check: Callable[[Collection[str]], None],
    wanted: Collection[str] = (),
) -> dict[str, npt.NDArray[Any]]:
    """The arrays of an archive, all of them or those wanted, read after all names and sizes are known to be right.

    Args:
        source: path of a regular file, or binary stream.
        check: refuses names.
        wanted: names of the arrays to read; empty reads all.

    Raises:
        BadInputError: no complete archive, a name that ``check`` refuses, one that is there twice or is no array,
            pickles, or arrays that would grow to more than `grown` allows.
    """
    member = ""
    try:
        if not hasattr(source, "read") and not Path(source).is_file():
            there = Path(source)
            got = "directory" if there.is_dir() else "device or pipe" if there.exists() else "no such file"
            raise expected("a complete .npz archive", "archive", name, got, "a file on disk")
        with open_archive(source) as archive:
            members: dict[str, zipfile.ZipInfo] = {}
            for info in archive.infolist():
                member = info.filename
                key = member.removesuffix(".npy")
                if key in members or key == member:
                    why = "is there twice" if key in members else "is no array"
                    raise expected("an archive written by numpy.savez", "member", member, why, "numpy.savez")
                members[key] = info
            check(members)
            read = {key: info for key, info in members.items() if not wanted or key in wanted}
            size = archive.fp.seek(0, os.SEEK_END) if archive.fp else 0
            _check_growth(read.values(), size, name)
            arrays = {}
            for key, info in read.items():
                member = info.filename
                with archive.open(info) as stream:
                    arrays[key] = read_array(stream, info.file_size, key)
            return arrays
    except BadInputError:
        raise
    except BROKEN as error:
        what = f"{name}: {error}" if str(error) else name
        raise expected("a complete .npz archive", "archive", name, what, "saving it again") from error


def _check_growth(members: Iterable[zipfile.ZipInfo], size: int, name: str) -> None:
    """Refuse an archive that is small on disk and large in memory."""
    total = sum(info.file_size for info in members)
    if total > grown(size):
        got = f"{size:,} bytes that would grow to {total:,}"
        what = f"an archive that grows to at most {grown(size):,} bytes"
        raise expected(what, "archive", name, got, "numpy.savez, which does not compress")
