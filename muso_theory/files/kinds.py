"""The files that muso writes: what tells each kind from somebody else's, what reads it, and whether it was changed."""

from __future__ import annotations

import hashlib
import mmap
import os
import re
import struct
import zipfile
import zlib
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from ..errors import BadInputError, expected
from ..former import former
from .zipped import open_archive

__all__ = [
    "FILE_KINDS",
    "SEALED",
    "STORE_MARKS",
    "is_changed",
    "is_sealed",
    "refuse_other_kinds",
    "with_seal",
]
former(__name__)

STORE_MARKS = ("zarr.json", ".zgroup", ".zarray")
"""Files by which a folder says that zarr has written it, a group of arrays, or one: of format 3 and 2."""

_SEAL = re.compile(rb"muso-theory sha256 ([0-9a-f]{64})")
_MOST_BYTES = 1 << 26
"""Of a file that may be one of these."""


def _chunk(words: bytes) -> bytes:
    """Words as a comment inside of a PNG file."""
    body = b"tEXtComment\0" + words
    return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))


SEALED: Mapping[str, tuple[bytes, Callable[[bytes], bytes]]] = {
    "html": (b"</html>", lambda words: b"<!-- " + words + b" -->\n"),
    "svg": (b"</svg>", lambda words: b"<!-- " + words + b" -->\n"),
    # Between the table of objects, whose places stay right, and the line that readers look for from the end.
    "pdf": (b"startxref", lambda words: b"% " + words + b"\n"),
    "png": (b"\0\0\0\0IEND", _chunk),
    "txt": (b"", lambda words: words + b"\n"),
}
"""Forms of files that people edit: before what the seal stands, and how it is written there."""


def with_seal(data: bytes, form: str) -> bytes:
    r"""The same file with a comment that holds its hash, so that a change by hand is noticed before it is lost.

    Args:
        form: one of `SEALED`.

    Example:
        >>> with_seal(b"<svg></svg>\n", "svg")
        b'<svg><!-- muso-theory sha256 6d6ddf61...d046a -->\n</svg>\n'
    """
    before, written = SEALED[form]
    at = data.rindex(before) if before in data else len(data)
    words = b"muso-theory sha256 " + hashlib.sha256(data).hexdigest().encode()
    return data[:at] + written(words) + data[at:]


def is_sealed(path: Path) -> bool:
    """Whether a file is, byte for byte, as `with_seal` made it; of whatever form, since its name may be any."""
    data = path.read_bytes() if _bears_a_seal(path) else b""
    # The last of them is its own; those before it are of what the file shows. Each costs a pass over the file.
    for found in deque(_SEAL.finditer(data), maxlen=1):
        for _, written in SEALED.values():
            before, mark, after = data.rpartition(written(found[0]))
            if mark and hashlib.sha256(before + after).hexdigest().encode() == found[1]:
                return True
    return False


def is_changed(path: Path) -> bool:
    """Whether a file bears a seal that it no longer fits."""
    return path.is_file() and _bears_a_seal(path) and not is_sealed(path)


def _bears_a_seal(path: Path) -> bool:
    """Whether there is a seal in a file, which is mapped for that: most are data, of which nothing is kept."""
    if not 0 < path.stat().st_size <= _MOST_BYTES:
        return False
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as pages:
        return _SEAL.search(pages) is not None


class _Kind(NamedTuple):
    """A kind of files that muso writes: what it is, what reads it (with {} for its name), and what tells it.

    Its names end as ``ending`` says, where it is written alone.
    """

    words: str
    use: str
    is_own: Callable[[Path], bool]
    ending: str = ""


def _begins(pattern: bytes, sealed: bool = False) -> Callable[[Path], bool]:
    """Whether the first bytes of a file are those of a kind."""

    def is_own(path: Path) -> bool:
        with path.open("rb") as stream:
            begins = re.match(pattern, stream.read(400), re.DOTALL) is not None
        return begins and (not sealed or is_sealed(path))

    return is_own


def _page(by: str) -> Callable[[Path], bool]:
    """Whether a file is a web page of one of the commands, as it was written."""
    head = rb'<!doctype html>\n.{0,60}<meta charset="utf-8"><meta name="generator" content="muso-theory '
    return _begins(head + by.encode() + b'">', sealed=True)


def _holds(*arrays: str, perhaps: str = r"(?!)") -> Callable[[Path], bool]:
    """Whether a file is an archive of these arrays, perhaps of others too, and of nothing else, as data are not."""

    def is_own(path: Path) -> bool:
        try:
            with open_archive(path) as archive:
                names = {*archive.namelist()}
        except (zipfile.BadZipFile, NotImplementedError, BadInputError):
            return False
        wanted = {f"{name}.npy" for name in arrays}
        return wanted <= names and all(re.fullmatch(rf"({perhaps})\.npy", name) for name in names - wanted)

    return is_own


_REPORT, _AUDIT = "muso recheck {} DATA, or muso figure {}", "muso check DATA --audit {}"

FILE_KINDS: Mapping[str, _Kind] = {
    "report": _Kind(
        "a report of muso check --json", _REPORT, _begins(rb'\{\s*"schema": \d+,\s*"title": '), ".json"
    ),
    "sweep": _Kind(
        "a result of muso sweep --json", "muso figure {}", _begins(rb'\{\s*"kind": "sweep",'), ".json"
    ),
    "unlearning": _Kind(
        "a result of muso unlearn --json", "muso figure {}", _begins(rb'\{\s*"kind": "unlearn",'), ".json"
    ),
    "counterexample": _Kind(
        "a counterexample of muso refute --json",
        "muso refute RULE --replay {}",
        _begins(rb'\{\s*"schema": \d+,\s*"rule": '),
        ".json",
    ),
    "campaign": _Kind(
        "a result of python -m verification",
        "muso figure {}, or python -m verification conclude",
        _begins(rb'\{\s*"campaign": '),
    ),
    "certificate": _Kind(
        "a certificate of muso prove",
        "muso prove --check, or python proofs/check.py {}",
        _begins(rb'\{\s*"format": "muso-theory certificate"'),
    ),
    "report page": _Kind("a page of muso check --html", "a browser", _page("check"), ".html"),
    "unlearning page": _Kind("a page of muso unlearn --html", "a browser", _page("unlearn"), ".html"),
    "labels": _Kind("labels of muso labels -o", _AUDIT, _holds("forget", "labels", "made_with"), ".npz"),
    "parameters": _Kind(
        "parameters of muso unlearn -o",
        _AUDIT,
        _holds("w_unlearned", "forget", "trained_on", "w_init", "made_with", perhaps="labels"),
        ".npz",
    ),
    "network": _Kind(
        "a network", "muso check DATA --network {}", _holds("arch", "p000", perhaps=r"p\d{3,}"), ".npz"
    ),
    "caption": _Kind(
        "a caption of muso figure", "a reader of text", lambda path: path.suffix == ".txt" and is_sealed(path)
    ),
    "drawing": _Kind("a drawing of muso figure", "a viewer of pictures", is_sealed),
}
"""Kinds of files by name."""


def refuse_other_kinds(path: str | os.PathLike[str], name: str, *wanted: str) -> None:
    """Refuse a file that muso wrote, but that is none of those that are read here, and name the command that reads it.

    What muso did not write, or what is no file on disk, is for the reader itself to judge.

    Args:
        name: of the argument or option.
        wanted: names of `FILE_KINDS`; none where data are read.

    Raises:
        BadInputError: a file of another kind.
    """
    file = Path(path)
    if not file.is_file():
        return
    try:
        found = next((key for key, kind in FILE_KINDS.items() if kind.is_own(file)), None)
    except OSError:
        return
    if found is not None and found not in wanted:
        what = " or ".join(FILE_KINDS[key].words for key in wanted) or "data"
        raise expected(
            what, name, path, FILE_KINDS[found].words, FILE_KINDS[found].use.replace("{}", str(path))
        )
