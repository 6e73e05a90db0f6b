"""Reading .npz archives and .npy matrices, without ever unpickling."""

from __future__ import annotations

import hashlib
import io
import math
import os
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from ..arrays import forget_indices
from ..errors import BadInputError, expected, nearest
from ..files.reading import BROKEN, grown, read_array, read_arrays, read_bytes
from ..stored import Stored
from ..targets import Targets, decide_targets, integer_labels
from ..understood import Understood
from .dataset import Dataset, FloatArray, check_numbers, kept_numbers, taken_exactly
from .frames import NO_CHOICES, TARGET_NAMES, Choices
from .stores import read_store

__all__ = ["ARRAY_NAMES", "meant", "read_npy", "read_npy_array", "read_npz", "read_samples", "read_zarr"]

ARRAY_NAMES = ("X", "features", "y", "forget", "groups", "w_init", "labels", "w_pretrained", "w_unlearned")
"""Names an archive may hold: X or features, and y, are required."""

_TABLE_ONLY = ("drop", "columns", "index", "forget", "sheet", "encoding")
_SPARSE = {"format", "shape", "data"}
"""Members of every archive that scipy.sparse.save_npz writes."""


def read_npz(source: Path | IO[bytes], name: str, sha256: str, choices: Choices = NO_CHOICES) -> Dataset:
    """Read and check an archive.

    ``X`` (n, d), or images (n, height, width, channels) whose pixels are its columns, or ``features`` (n, D) or (n, k,
    P), the Jacobian of k outputs of every sample; ``y`` (n,) or (n, C) numbers, or (n,) text for classes; optionally
    ``forget`` (boolean mask or indices), ``groups`` (n,) original classes as integers or text, ``w_init``,
    ``w_pretrained``, ``w_unlearned`` (D,) or (D, C), and ``labels`` (n_F,) or (n_F, C) in increasing order of the
    forgotten rows. Any other name is refused, since a misspelt ``w_unlearned`` would go unaudited. A matrix of
    scipy.sparse is read with ``dense`` and the number of its target column.

    Args:
        source: path or binary stream.
        choices: ``task``; for a sparse matrix ``dense`` and ``target``.

    Returns:
        The data set: targets as `decide_targets` says. Integers that come with parameters or labels of their shape
        stay as they are.

    Raises:
        BadInputError: for archives that are truncated or hold objects (pickles), missing or unknown names
            (lists what is there), and arrays of wrong type, shape or with NaN or infinity.

    Example:
        >>> import io
        >>> from muso_theory.files.writing import npz_bytes
        >>> data = npz_bytes({"X": np.eye(3), "y": [1.0, 2.0, 0.5], "forget": [True, False, False]})
        >>> read_npz(io.BytesIO(data), "toy.npz", "0" * 64)
        Dataset toy.npz: X (3, 3), y (3,), forget (1,), sha256 000000000000
    """
    choices.refuse(_TABLE_ONLY, name)
    arrays = _read(source, name)
    if arrays.keys() >= _SPARSE:
        return _of_matrix(_densified(source, name, choices), name, sha256, choices)
    choices.refuse(("target", "dense"), name)
    return _of_arrays(arrays, name, sha256, choices)


def _of_arrays(arrays: dict[str, npt.NDArray[Any]], name: str, sha256: str, choices: Choices) -> Dataset:
    """A data set of arrays with names that are known to be right."""
    key = "features" if "features" in arrays else "X"
    # Features go into a problem as they are; samples go through maps, which compute in the precision that comes.
    if key == "features":
        X = arrays[key] if isinstance(arrays[key], Stored) else kept_numbers(key, arrays[key], (2, 3))
    else:
        X = check_numbers(key, arrays[key], (2, 4))
    told, image = "", tuple[int, ...]()
    if X.ndim == 4:  # images, which a network takes in its own shape again
        told = f"images {'×'.join(map(str, X.shape[1:]))}, "
        image, X = X.shape[1:], X.reshape(len(X), -1)
    for other in ("y", "groups"):
        if other in arrays and arrays[other].shape[:1] != X.shape[:1]:
            raise expected(
                f"one row of {other} per row of {key} {X.shape}",
                f"{other}.shape",
                arrays[other].shape,
                name,
                f"{key} with samples as rows, its transpose"
                if X.ndim == 2 and arrays[other].shape[:1] == X.shape[1:]
                else f"{other} with {X.shape[0]} rows",
            )
    targets = _targets(arrays, choices.task, one_hot=X.ndim == 3 and X.shape[1] > 1)
    y = targets.y
    if X.ndim == 3:
        y = y[:, None] if y.ndim == 1 and X.shape[1] == 1 else y
        if y.shape != X.shape[:2]:
            what = f"one target per sample and output, shape {X.shape[:2]},"
            hint = "y of that shape; text or integers as classes where there are as many as outputs"
            raise expected(what, "y.shape", y.shape, f"{name}, features {X.shape}", hint)
    if all(arrays[name].dtype.kind in "iubU" for name in (key, "y")):  # else the problem is of floats anyway
        X, y = X.astype(np.int64), y.astype(np.int64)
    groups = targets.names
    if "groups" in arrays:
        groups = _text(arrays["groups"], "groups")
        if groups is None:
            groups = integer_labels(check_numbers("groups", arrays["groups"], (1,)))
        if groups is None:
            raise expected("integers or text", "groups", arrays["groups"].dtype, "fractions", "class numbers")
    forget = forget_indices(arrays["forget"], X.shape[0]) if "forget" in arrays else None
    is_list = forget is not None and arrays["forget"].dtype.kind != "b"
    if "labels" in arrays and is_list and bool((np.diff(arrays["forget"].astype(np.int64)) < 0).any()):
        raise expected(
            "forget indices in increasing order, which labels follow,",
            "forget",
            arrays["forget"][:5],
            "unsorted",
            "sorting forget and labels together",
        )
    parameters = X.shape[-1] if key == "features" else None
    first = dict.fromkeys(_PARAMETERS, parameters)
    first["labels"] = None if forget is None else int(forget.size)
    given: dict[str, Any] = {}
    for other in first:
        if other in arrays:
            given[other] = taken_exactly(other, arrays[other], (1, 2))
            # Outputs of a Jacobian are rows of one model, so that its parameters have one column.
            rest = y.shape[1:] if X.ndim == 2 or other == "labels" else ()
            context = f"{name}, {key} {X.shape}, y {y.shape}"
            _check_companion(other, given[other], (first[other], *rest), context)
    columns = (
        f"{X.shape[-1]} columns"
        if X.ndim == 2
        else f"Jacobians of {X.shape[1]} outputs, {X.shape[2]} parameters"
    )
    return Dataset(
        name=name,
        X=X,
        y=y,
        sha256=sha256,
        is_features=key == "features",
        image=image,
        classes=targets.classes,
        target_class=targets.names,
        groups=groups,
        forget=forget,
        **given,
        understood=(
            Understood("target", f"array y {arrays['y'].shape}", "given", "y"),
            targets.understood,
            Understood("features", f"array {key}, {told}{columns}", "given", key),
        ),
    )


_PARAMETERS = ("w_init", "w_pretrained", "w_unlearned")


def _targets(arrays: dict[str, npt.NDArray[Any]], task: str | None, one_hot: bool) -> Targets:
    """What y is; integers that come with labels or parameters stay the numbers that these belong to."""
    values = _text(arrays["y"], "y")
    if values is not None:
        return decide_targets(values, task, "y")
    y = check_numbers("y", arrays["y"], (1, 2))
    brought = [name for name in ("labels", *_PARAMETERS) if name in arrays]
    one_hot = one_hot or (y.ndim == 1 and any(arrays[name].ndim == 2 for name in brought))
    as_given = f"as given, since {', '.join(brought)} belong to them" if brought and not one_hot else ""
    return decide_targets(y, task, "y", as_given=as_given)


def read_npy(source: Path | IO[bytes], name: str, sha256: str, choices: Choices = NO_CHOICES) -> Dataset:
    """Read a single array: a matrix one of whose columns is the target, or features whose targets are in another file.

    Args:
        source: path, which is memory-mapped, or binary stream.
        choices: ``target`` is the number of the target column, from 0, and the other columns are samples; or the path
            of a second ``.npy`` file with the targets, as ``y`` in an archive, and the array is ``features`` as in one:
            (n, D), or (n, k, P), the Jacobian of k outputs of every sample.

    Raises:
        BadInputError: no target or no such column, another number of dimensions, objects (pickles), broken files, and
            whatever `read_npz` refuses of the two arrays.

    Example:
        >>> import io
        >>> stream = io.BytesIO()
        >>> np.save(stream, np.arange(6.0).reshape(3, 2) ** 2 / 2)
        >>> read_npy(io.BytesIO(stream.getvalue()), "toy.npy", "0" * 64, Choices(target="1"))
        Dataset toy.npy: X (3, 1), y (3,), sha256 000000000000
    """
    choices.refuse((*_TABLE_ONLY, "dense"), name)
    array = read_npy_array(source, name)
    if choices.target is None or not choices.target.endswith(".npy"):
        return _of_matrix(array, name, sha256, choices)
    return _beside_targets(array, name, sha256, choices)


def read_zarr(path: Path, name: str, choices: Choices = NO_CHOICES) -> Dataset:
    """Read a folder that zarr has written: a group of arrays, named as in an archive, or one array of features.

    Args:
        path: the folder.
        choices: ``task``; for one array ``target``, the path of a ``.npy`` file with the targets.

    Raises:
        OSError: a folder that cannot be looked into.
        BadInputError: what `read_store` and `read_npz` refuse, and one array without a file of targets.
    """
    choices.refuse((*_TABLE_ONLY, "dense"), name)
    arrays, sha256, gaps, is_one = read_store(path, name, lambda members: _check_names(members, name))
    if not is_one:
        choices.refuse(("target",), name)
        found = _of_arrays(arrays, name, sha256, choices)
    elif choices.target is None or not choices.target.endswith(".npy"):
        got = f"one array of zarr, {arrays['features'].shape}"
        raise expected("targets in a file of their own", "target", choices.target, got, "--target y.npy")
    else:
        found = _beside_targets(arrays["features"], name, sha256, choices)
    told = (Understood("chunks", gaps, "inferred", "DATA"),) if gaps else ()
    return replace(found, understood=(*found.understood, *told))


def _beside_targets(array: Any, name: str, sha256: str, choices: Choices) -> Dataset:
    """Features whose targets are in another file, which ``target`` names."""
    assert choices.target is not None
    path = Path(choices.target)
    data = read_bytes(path, "target")
    y = read_npy_array(io.BytesIO(data), path.name)
    both = hashlib.sha256(f"{sha256} {hashlib.sha256(data).hexdigest()}".encode()).hexdigest()
    # The second file is spoken of by its own name; the rest is what an archive of the two arrays says.
    found = _of_arrays({"features": array, "y": y}, name, both, replace(choices, target=None))
    target = Understood("target", f"array {path.name} {y.shape}", "given", "--target")
    return replace(found, understood=(target, *found.understood[1:]))


def read_samples(source: Path | IO[bytes], kind: str, name: str) -> FloatArray:
    """Samples alone, shape (n, d): a matrix in an .npy file, or the array X of an archive.

    Raises:
        BadInputError: broken files, no X.
    """
    if kind == "npy":
        return check_numbers(name, read_npy_array(source, name), (2,))
    return check_numbers("X", _read(source, name, ("X",))["X"], (2,))


def read_npy_array(source: Path | IO[bytes], name: str) -> npt.NDArray[Any]:
    """Read a single array of any shape, from a path without reading all of it.

    Raises:
        BadInputError: objects (pickles), broken files.
    """
    try:
        if isinstance(source, Path):
            # A memory map and not a plain array of it, which would not tell that it is in a file.
            found: Any = np.load(source, mmap_mode="r", allow_pickle=False)
        else:
            size = source.seek(0, os.SEEK_END)
            source.seek(0)
            found = read_array(source, size, name)
    except BadInputError:
        raise
    except BROKEN as error:
        if "pickle" in str(error) or "Python objects" in str(error):
            hint = "saving it with astype(float), or of words with astype(str)"
            raise expected("numbers, never pickled objects", "DATA", name, "object array", hint) from error
        raise expected("a complete .npy file", "DATA", name, str(error), "saving it again") from error
    return found if isinstance(found, np.ndarray) else np.asarray(found)


def _of_matrix(matrix: npt.NDArray[Any], name: str, sha256: str, choices: Choices) -> Dataset:
    """A data set from one matrix and the number of its target column."""
    if matrix.ndim == 3:
        what, hint = (
            "targets of features in a file of their own",
            f"--target y.npy, of shape {matrix.shape[:2]}",
        )
        raise expected(what, "target", choices.target, f"{name} {matrix.shape}", hint)
    values = check_numbers("array", matrix, (2,))
    width = values.shape[1]
    if choices.target is None:
        got = "no column is named as the target"
        hint = f"--target {width - 1}, the last column, or --target y.npy, where all of {name} is features"
        raise expected("a target", "DATA", f"{name} {values.shape}", got, hint)
    # Python reads no integer of some thousand digits, and no array has as many columns as 18 of them count.
    digits = choices.target.lstrip("0") or choices.target[-1:]
    column = int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 18 else width
    if column >= width or width < 2:
        what = f"a column from 0 to {width - 1}, beside at least one feature,"
        hint = f"--target {width - 1}, or --target y.npy, where all of {name} is features"
        raise expected(what, "target", choices.target, f"{name} {values.shape}", hint)
    targets = decide_targets(np.ascontiguousarray(values[:, column]), choices.task, f"column {column}")
    kind: Any = np.int64 if matrix.dtype.kind in "iub" else np.float64
    return Dataset(
        name=name,
        X=np.ascontiguousarray(np.delete(values, column, axis=1)).astype(kind, copy=False),
        y=targets.y.astype(kind, copy=False),
        sha256=sha256,
        classes=targets.classes,
        target_class=targets.names,
        groups=targets.names,
        understood=(
            Understood("target", f"column {column}, counted from 0", "given", "--target"),
            targets.understood,
            Understood("features", f"the other {width - 1} columns", "inferred", "--target"),
        ),
    )


def _densified(source: Path | IO[bytes], name: str, choices: Choices) -> npt.NDArray[Any]:
    """A sparse matrix with its zeros filled in, which is done on demand only."""
    from scipy import sparse

    if not choices.dense:
        hint = (
            "--dense"
            if choices.target is not None
            else "--dense, with --target and the number of the target column"
        )
        raise expected("a dense matrix", "DATA", name, "a matrix of scipy.sparse", hint)
    size = source.stat().st_size if isinstance(source, Path) else source.seek(0, os.SEEK_END)
    if not isinstance(source, Path):
        source.seek(0)
    try:
        matrix: Any = sparse.load_npz(source)
        dense = math.prod(matrix.shape) * 8
        if dense > grown(size):
            what = f"a sparse matrix that grows to at most {grown(size):,} bytes"
            raise expected(what, "DATA", name, f"{dense:,} bytes", "a smaller one, or a dense one")
        if hasattr(matrix, "check_format"):  # else compiled code follows its indices wherever they lead
            matrix.check_format(full_check=True)
        entries = matrix.tocoo()
        filled = np.zeros(matrix.shape, entries.data.dtype)
        np.add.at(filled, (entries.row, entries.col), entries.data)  # numpy looks at each index once more
        return filled
    except BadInputError:
        raise
    except (*BROKEN, IndexError, AttributeError) as error:
        raise expected("a complete sparse matrix", "DATA", name, str(error), "saving it again") from error


def _check_companion(
    name: str, array: npt.NDArray[Any], wanted: tuple[int | None, ...], context: str
) -> None:
    """Refuse parameters or labels whose shape does not go with features and targets."""
    letter = "n_F" if name == "labels" else "D"
    fits = len(wanted) == array.ndim and all(
        size is None or size == actual for size, actual in zip(wanted, array.shape, strict=True)
    )
    if not fits:
        sizes = [letter if size is None else str(size) for size in wanted]
        words = f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"
        raise expected(f"{name} of shape {words}", f"{name}.shape", array.shape, context, words)


def _read(source: Path | IO[bytes], name: str, wanted: tuple[str, ...] = ()) -> dict[str, npt.NDArray[Any]]:
    """Load every array, or those wanted, once all names are known to be right."""

    def check(members: Collection[str]) -> None:
        if not wanted and not set(members) >= _SPARSE:
            _check_names(members, name)
        for key in wanted:
            if key not in members:
                there = ", ".join(members) or "nothing"
                raise expected(f"an array named {key}", "arrays", there, name, f"adding {key}")

    return read_arrays(source, name, check, wanted)


def _check_names(arrays: Collection[str], name: str) -> None:
    """Refuse missing, doubled and unknown names."""
    there = ", ".join(arrays) or "nothing"
    if not {"X", "features"} & {*arrays} and {"labels", "w_unlearned", "w_pretrained"} & {*arrays}:
        hint = f"muso check DATA --audit {name}"
        raise expected("data, and what is to be audited beside them", "arrays", there, name, hint)
    for key in arrays:
        if key not in ARRAY_NAMES:
            what, hint = f"only arrays named {', '.join(ARRAY_NAMES)}", meant(key, ARRAY_NAMES, arrays)
            raise expected(what, "array", key, f"{name} holds {there}", hint)
    if "X" in arrays and "features" in arrays:
        raise expected("X or features, not both", "arrays", there, name, "removing one")
    for needed in ("X or features", "y"):
        if not set(needed.split(" or ")) & set(arrays):
            raise expected(
                f"an array named {needed}", "arrays", there, f"{name} holds {there}", f"adding {needed}"
            )


_ALSO_CALLED = {
    "X": ("x", "data", "inputs", "samples"),
    "features": ("phi", "jacobian", "jacobians"),
    "y": TARGET_NAMES,
    "forget": ("mask", "forget_mask", "forget_set", "forget_indices", "to_forget"),
    "w_init": ("w0", "w_0", "init"),
    "labels": ("forget_labels",),
}
"""What others call these arrays."""


def meant(key: str, names: Collection[str], there: Collection[str]) -> str:
    """Say after "try" which of some names an unknown one stands for: one that is not there already.

    Example:
        >>> meant("target", ARRAY_NAMES, ["X", "target"]), meant("x_train", ARRAY_NAMES, ["x_train", "y_train"])
        ("'y'", "'X'")
    """
    plain, free = key.lower().removesuffix("_train"), [name for name in names if name not in there]
    for name in free:
        if plain in (name.lower(), *_ALSO_CALLED.get(name, ())):
            return repr(name)
    return nearest(key, free, f"removing it, or one of {', '.join(free)}")


def _text(values: npt.NDArray[Any], name: str) -> npt.NDArray[np.str_] | None:
    """Return text as class names, and nothing for other types."""
    if values.dtype.kind != "U":
        return None
    if values.ndim != 1:
        raise expected("one class name per sample", f"{name}.shape", values.shape, "text", "shape (n,)")
    return np.asarray(values, dtype=np.str_)
