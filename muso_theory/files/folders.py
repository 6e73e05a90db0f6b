"""Folders that muso writes files to: what in them is its own, so that nothing else is lost there."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..errors import expected
from .kinds import is_changed, is_sealed, with_seal

__all__ = ["SUMS", "check_folder", "read_sums", "sums_text"]

SUMS = ".muso-sums"
"""Hashes of the files that bear no seal, in the folder that they were written to; sealed itself."""

_LINE = re.compile(r"([0-9a-f]{64})  (.+)")

Sums = frozenset[tuple[str, str]]
"""Hash and name of what was written; for a while two of one name, the old and the new."""


def read_sums(folder: Path) -> Sums:
    """What was written to a folder without a seal, as far as `SUMS` says so and nobody changed that."""
    path = folder / SUMS
    if path.is_symlink() or not path.is_file() or not is_sealed(path):
        return frozenset()
    lines = path.read_text(encoding="utf-8").splitlines()
    return frozenset((found[1], found[2]) for line in lines if (found := _LINE.fullmatch(line)))


def sums_text(sums: Iterable[tuple[str, str]]) -> bytes:
    """The content of `SUMS`."""
    lines = [f"{digest}  {name}\n" for digest, name in sorted(sums, key=lambda entry: entry[::-1])]
    return with_seal("".join(lines).encode(), "txt")


def check_folder(
    folder: Path, index: str, files: Mapping[str, bytes] | None = None, *, force: bool = False
) -> None:
    """Refuse a folder with a link, and, without force, one where something else than own files would be lost.

    Args:
        index: the file by which a folder is known to be of this kind; written first, so that it is there whenever
            anything is.
        files: what is to be written, by name, as soon as that is known. Where it is what is there, nothing is lost.

    Raises:
        BadInputError: a link; without force also other files and no index, an index or a file to be replaced that
            muso did not write, or one that was changed since.
    """
    if not folder.is_dir():
        return
    inside = [Path(root, name) for root, folders, names in os.walk(folder) for name in (*folders, *names)]
    link = next((path for path in sorted(inside) if path.is_symlink()), None)
    if link is not None:  # what it leads to may be somebody's data
        got = f"{link.relative_to(folder)} in it is a link"
        raise expected("a folder of its own", "path", folder, got, "another name")
    sums = read_sums(folder)
    if force or not {*os.listdir(folder)} - ({SUMS} if sums else set()):
        return
    got = "" if os.path.lexists(folder / index) else f"it holds other files, and no {index}"
    for name in (index, *(files or ())):
        path = folder / name
        if not got and path.exists() and not _is_own(path, name, sums, (files or {}).get(name)):
            got = f"{name} in it was {'changed after it was' if is_changed(path) else 'not'} written by muso"
    for path in sorted(inside):
        if not got and "." in path.name and is_changed(path):
            got = f"{path.relative_to(folder)} in it was changed after it was written by muso"
    if got:
        hint = "another name, or --force"
        raise expected("a new folder, or one written before,", "path", folder, got, hint)


def _is_own(path: Path, name: str, sums: Sums, new: bytes | None) -> bool:
    """Whether a file is as muso wrote it, empty, or what would be written anyway."""
    if not path.is_file():
        return False
    if not path.stat().st_size or is_sealed(path):
        return True
    data = path.read_bytes()
    return data == new or (hashlib.sha256(data).hexdigest(), name) in sums
