"""Writing files whole or not at all, never over what was read, and archives whose bytes depend on the arrays alone."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import stat
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

import numpy as np
import numpy.typing as npt

from ..errors import BadInputError, expected
from ..former import former
from .folders import SUMS, check_folder, read_sums, sums_text
from .kinds import FILE_KINDS, SEALED, STORE_MARKS, is_changed, with_seal

__all__ = ["Outputs", "clear_unfinished", "make_folder", "npz_bytes", "write_all", "write_atomic"]
former(__name__)


_PRINTED = ("report", "counterexample", "unlearning")
"""Kinds that ``-`` sends to standard output."""


_READ = "read by this command"


@final
class Outputs:
    """What one command writes: nothing over what it reads, and another's file only by force.

    Each path is refused before the work, and once more when it is written.

    Args:
        read: every file that the command reads; ``-`` is standard input, None is left out.
        force: write over existing files of another kind; never over what is read.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     data = Path(folder, "d.npz")
        ...     write_atomic(data, npz_bytes({"X": np.eye(2)}))
        ...     Outputs(data).file(data, "labels")
        Traceback (most recent call last):
            ...
        muso_theory.errors.BadInputError: expected a file of its own but got path=... (read by this command); try ...
    """

    def __init__(self, *read: str | os.PathLike[str] | None, force: bool = False) -> None:
        self._force = force
        self._kinds: dict[str, str] = {}
        self._taken = {key: _READ for path in read if path for key in _identity(path)}

    def file(self, path: str | os.PathLike[str] | None, kind: str) -> None:
        """Announce a file, before the work.

        Args:
            kind: one of `kinds.FILE_KINDS`.

        Raises:
            BadInputError: ``-`` of another kind, a directory, a path in none, a file that is read or announced
                already, or one of another kind without force.
        """
        if path is None or (str(path) == "-" and kind in _PRINTED):
            return
        target = _real(path)
        if str(path) == "-":
            raise expected("a file to write", "path", path, f"standard output for a {kind}", "a file name")
        if os.path.isdir(target):
            raise expected("a file to write", "path", path, "directory", "a file name inside it")
        _check_parent(target, path)
        keys = _identity(target)
        for key in keys:
            if key in self._taken:
                raise expected("a file of its own", "path", path, self._taken[key], "another name")
        self._require_outside(target, path)
        _check_ending(Path(path), kind)
        self._check_kind(Path(target), kind)
        self._taken.update(dict.fromkeys(keys, "written twice"))
        self._kinds[target] = kind

    def folder(self, path: str | os.PathLike[str] | None, index: str) -> None:
        """Announce a folder that files are written to, before the work.

        Args:
            index: the file by which a folder is known to be of this kind.

        Raises:
            BadInputError: a file, a folder in none, one with something that is read, or one that
                `folders.check_folder` refuses.
        """
        if path is None:
            return
        target = _real(path)
        if os.path.exists(target) and not os.path.isdir(target):
            raise expected("a folder", "path", path, "file", "another name")
        _check_parent(target, path)
        inside = [key for key in self._taken if isinstance(key, str) and Path(key).is_relative_to(target)]
        if inside:
            told = self._taken[inside[0]]
            got = told if inside[0] == target else f"it holds {Path(inside[0]).name}, {told}"
            raise expected("a folder of its own", "path", path, got, "another name")
        self._require_outside(target, path)
        check_folder(Path(target), index, force=self._force)
        self._taken[target] = "written twice"

    def _require_outside(self, target: str, path: str | os.PathLike[str]) -> None:
        """Refuse to write into a folder that is read as a whole."""
        for key, told in self._taken.items():
            inside = isinstance(key, str) and told == _READ and Path(target).is_relative_to(key)
            # The name of embedded data may be that of a folder, which is not read.
            if inside and any(os.path.isfile(Path(str(key), mark)) for mark in STORE_MARKS):
                got = f"in {Path(str(key)).name}, {told}"
                raise expected("a path outside what is read", "path", path, got, "another folder")

    def write(self, path: str | os.PathLike[str], data: bytes) -> None:
        """Write a file that was announced.

        Raises:
            BadInputError: somebody else's file has come there since, or the path cannot be written.
        """
        target = os.path.realpath(path)
        self._check_kind(Path(target), self._kinds[target])
        write_atomic(path, data)

    def _check_kind(self, target: Path, kind: str) -> None:
        """Refuse to lose a file that is not of the kind that takes its place."""
        if self._force or not target.is_file() or not target.stat().st_size:
            return
        try:
            own, changed = FILE_KINDS[kind].is_own(target), is_changed(target)
        except OSError as error:
            raise expected("a file that can be read", "path", target, str(error), "another name") from error
        if not own:
            got = "changed after it was written" if changed else f"an existing file that is no {kind} of muso"
            what = "a new file, or one written before,"
            raise expected(what, "path", target, got, "another name, or --force")


def _identity(path: str | os.PathLike[str]) -> list[object]:
    """By what a file is known: its path without links, and its number on its device, which hard links share."""
    standard = str(path) == "-"
    try:
        found = os.fstat(0) if standard else os.stat(path)
    except (OSError, ValueError):
        found = None
    keys: list[object] = [] if standard or str(path).startswith("/dev/") else [_real(path)]
    if found is not None and stat.S_ISREG(found.st_mode):
        keys.append((found.st_dev, found.st_ino))
    return keys


def _real(path: str | os.PathLike[str]) -> str:
    """A path without links, or words where no file can have it."""
    try:
        return os.path.realpath(path)
    except ValueError as error:
        raise expected("a path that a file can have", "path", path, str(error), "another path") from None


_ENDINGS = (
    ".npz",
    ".npy",
    ".json",
    ".html",
    ".pdf",
    ".svg",
    ".png",
    ".csv",
    ".tsv",
    ".xlsx",
    ".parquet",
    ".feather",
)
"""Names that say what is in a file, so that none of them is given to something else."""


def _check_ending(path: Path, kind: str) -> None:
    """Refuse a name that says that something else is in the file."""
    own, said = FILE_KINDS[kind].ending, path.suffix.lower()
    # numpy.load and others go by the name of an archive; JSON and pages may be called anything that says nothing else.
    if own and said not in ("", own) and (own == ".npz" or said in _ENDINGS):
        words = FILE_KINDS[kind].words
        raise expected(f"a {own} file", "path", path, f"for {words}", path.with_suffix(own).name)


def _check_parent(target: str, path: object) -> None:
    """Refuse a path in a directory that does not exist."""
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        raise expected(
            "a path in an existing directory", "path", path, "no such directory", f"mkdir -p {folder}"
        )


def make_folder(path: str | os.PathLike[str]) -> None:
    """Make a folder, and those that it is in, unless it exists.

    Raises:
        BadInputError: it is a file, or cannot be made.

    Example:
        >>> make_folder("/dev/null/here")
        Traceback (most recent call last):
            ...
        muso_theory.errors.BadInputError: expected a folder that can be made but got path=/dev/null/here ...
    """
    try:
        os.makedirs(path, exist_ok=True)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise expected("a folder that can be made", "path", path, reason, "another path") from error


def write_atomic(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file so that readers see the old content or the new one, never a part.

    The bytes go to a temporary file in the same directory, which then takes the place of the target.
    A symbolic link is followed; a device or a pipe (``/dev/stdout``) is written to directly, because it
    must not be replaced.

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


def write_all(
    folder: str | os.PathLike[str],
    files: Mapping[str, str | bytes],
    index: str,
    *,
    sealed: bool = False,
    force: bool = False,
) -> list[Path]:
    """Write the files of a folder, first the one by which the folder is known: what is cut short can be run again.

    Args:
        folder: made when missing, and the folders in it.
        index: one of the names, as in `Outputs.folder`.
        sealed: seal pages, drawings and captions (`kinds.with_seal`); not files that others check letter by letter.
            What bears no seal is known again by its hash in `folders.SUMS`.
        force: write over files that are not its own.

    Raises:
        BadInputError: a folder or a file that cannot be written, or one that `folders.check_folder` refuses; then
            nothing is written.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     [path.name for path in write_all(folder, {"a.svg": b"", "index.txt": "a.svg"}, "index.txt")]
        ['a.svg', 'index.txt']
    """
    root, whole = Path(folder), {}
    for name in sorted(files, key=lambda name: name != index):
        data, form = files[name], Path(name).suffix[1:]
        data = data.encode() if isinstance(data, str) else data
        whole[name] = with_seal(data, form) if sealed and form in SEALED and data else data
    check_folder(root, index, whole, force=force)
    make_folder(root)
    plain = {name for name in whole if not sealed or Path(name).suffix[1:] not in SEALED}
    new = {(hashlib.sha256(whole[name]).hexdigest(), name) for name in plain}
    old = read_sums(root)
    known = new | {entry for entry in old if entry[1] not in whole}
    if plain:  # the old ones too, until they are replaced
        write_atomic(root / SUMS, sums_text(known | old))
    for name, content in whole.items():
        make_folder((root / name).parent)  # and none before the index: an empty folder may be written to
        write_atomic(root / name, content)
    if old - known:
        write_atomic(root / SUMS, sums_text(known))
    return sorted(root / name for name in files)


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
        _sync_folder(target.parent)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def clear_unfinished(folder: Path, names: re.Pattern[str]) -> None:
    r"""Remove what `write_atomic` was writing when its process was killed.

    Args:
        folder: one in which nobody writes now.
        names: of the files, in their first 40 letters, whole.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Path(folder, ".sum-1.npz.abcd_123.tmp").touch()
        ...     Path(folder, ".sum-1.npz-mine.tmp").touch()
        ...     clear_unfinished(Path(folder), re.compile(r"sum-[0-9]\.npz"))
        ...     os.listdir(folder)
        ['.sum-1.npz-mine.tmp']
    """
    for path in folder.glob(".*.tmp"):
        found = re.fullmatch(r"\.(.+)\.[a-z0-9_]{8}\.tmp", path.name)
        if found and names.fullmatch(found[1]) and path.is_file() and not path.is_symlink():
            with contextlib.suppress(OSError):
                path.unlink()


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power failure, where folders can be synchronised."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def npz_bytes(arrays: Mapping[str, npt.ArrayLike]) -> bytes:
    """Pack arrays as an .npz archive with a fixed date, so that equal arrays give equal bytes.

    ``numpy.savez`` stamps the time of writing into the archive.

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
                    "an array of numbers or text",
                    name,
                    array.shape,
                    "object array",
                    "astype(float), or of words astype(str)",
                )
            member = io.BytesIO()
            np.lib.format.write_array(member, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue())
    return buffer.getvalue()
