"""Compressed files: by which bytes they are known, and what is in them, up to a size."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
from collections.abc import Iterable
from typing import Any

from ..errors import BadInputError, expected
from ..files.reading import grown
from ..files.zipped import open_archive
from .foreign import extra_package, unreadable

__all__ = ["COMPRESSED", "decompressed", "packed"]

COMPRESSED = {
    b"\x1f\x8b": "gz",
    b"BZh": "bz2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zst",
}
"""The first bytes of compressed files."""


def packed(members: Iterable[str]) -> list[str]:
    """The files of a zip archive, without folders and what macOS puts beside each file.

    Example:
        >>> packed(["data/", "data/a.csv", "__MACOSX/data/._a.csv"])
        ['data/a.csv']
    """
    beside = re.compile(r"(.*/)?(\.DS_Store|\._[^/]*)|__MACOSX/.*|.*/")
    return [member for member in members if not beside.fullmatch(member)]


def decompressed(data: bytes, kind: str, name: str) -> bytes:
    """The content of a compressed file.

    Args:
        kind: gz, bz2, xz, zst, or zip with one file in it.

    Raises:
        BadInputError: broken files, and those that grow to too much.

    Example:
        >>> decompressed(gzip.compress(b"a,y"), "gz", "data.csv.gz")
        b'a,y'
    """
    most = grown(len(data))
    what = f"a file that grows to at most {most:,} bytes"
    grows = expected(
        what, "DATA", name, f"{len(data):,} bytes that grow to more", "the table, not compressed"
    )
    try:
        if kind == "zip":
            with open_archive(io.BytesIO(data)) as archive:
                (member,) = packed(archive.namelist())
                if archive.getinfo(member).file_size > most:
                    raise grows
                return archive.read(member)
        if kind == "zst":
            with extra_package("pyarrow", name).input_stream(io.BytesIO(data), compression="zstd") as stream:
                text = bytes(stream.read(most + 1))
        else:
            opened: Any = {"gz": gzip, "bz2": bz2, "xz": lzma}[kind]
            with opened.open(io.BytesIO(data)) as stream:
                text = stream.read(most + 1)
        if len(text) > most:
            raise grows
        return text
    except BadInputError:
        raise
    except Exception as error:
        raise unreadable(f"a complete .{kind} file", name, error) from error
