"""Reading .npz archives, without ever unpickling."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from muso_theory.arrays import forget_indices
from muso_theory.data.classes import encode_classes
from muso_theory.data.dataset import (
    Dataset,
    FloatArray,
    check_numbers,
    class_order,
    integer_labels,
)
from muso_theory.errors import BadInputError, expected, nearest

__all__ = ["ARRAY_NAMES", "read_npz"]

ARRAY_NAMES = ("X", "features", "y", "forget", "groups", "w_init", "labels", "w_pretrained", "w_unlearned")
"""Names an archive may hold: X or features, and y, are required."""

_BROKEN = (
    OSError,
    ValueError,
    TypeError,
    EOFError,
    KeyError,
    OverflowError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
)
"""What zipfile and NumPy raise for broken archives."""


def read_npz(source: Path | IO[bytes], name: str, sha256: str) -> Dataset:
    """Read and check an archive.

    ``X`` (n, d) or ``features`` (n, D); ``y`` (n,) or (n, C) numbers, or (n,) text for classes; optionally
    ``forget`` (boolean mask or indices), ``groups`` (n,) original classes as integers or text, ``w_init``,
    ``w_pretrained``, ``w_unlearned`` (D,) or (D, C), and ``labels`` (n_F,) or (n_F, C) in increasing order of
    the forgotten rows. Any other name is refused, since a misspelt ``w_unlearned`` would go unaudited.

    Args:
        source: path or binary stream.
        name: of the source, for messages.
        sha256: of its bytes.

    Returns:
        The data set: numeric targets as they are, text targets encoded as classes.

    Raises:
        BadInputError: for archives that are truncated or hold objects (pickles), missing or unknown names
            (lists what is there), and arrays of wrong type, shape or with NaN or infinity.

    Example:
        >>> import io
        >>> from muso_theory.files import npz_bytes
        >>> data = npz_bytes({"X": np.eye(3), "y": [1.0, 2.0, 0.5], "forget": [True, False, False]})
        >>> read_npz(io.BytesIO(data), "toy.npz", "0" * 64)
        Dataset toy.npz: X (3, 3), y (3,), forget (1,), sha256 000000000000
    """
    arrays = _read(source, name)
    _check_names(arrays, name)
    key = "features" if "features" in arrays else "X"
    X = check_numbers(key, arrays[key], (2,))
    for other in ("y", "groups"):
        if other in arrays and arrays[other].shape[:1] != X.shape[:1]:
            raise expected(
                f"one row of {other} per row of {key} {X.shape}",
                f"{other}.shape",
                arrays[other].shape,
                name,
                f"{other} with {X.shape[0]} rows",
            )
    target_class = _text(arrays["y"], "y")
    if target_class is not None:
        y = encode_classes(target_class, class_order(target_class))
    else:
        y = check_numbers("y", arrays["y"], (1, 2))
        target_class = integer_labels(y)
    groups = target_class
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
    parameters = X.shape[1] if key == "features" else None
    first = dict.fromkeys(("w_init", "w_pretrained", "w_unlearned"), parameters)
    first["labels"] = None if forget is None else int(forget.size)
    given: dict[str, FloatArray] = {}
    for other in first:
        if other in arrays:
            given[other] = check_numbers(other, arrays[other], (1, 2))
            _check_companion(other, given[other], first[other], y, f"{name}, {key} {X.shape}, y {y.shape}")
    return Dataset(
        name=name,
        X=X,
        y=y,
        sha256=sha256,
        is_features=key == "features",
        classes=() if target_class is None else class_order(target_class),
        target_class=target_class,
        groups=groups,
        forget=forget,
        **given,
    )


def _check_companion(name: str, array: FloatArray, first: int | None, y: FloatArray, context: str) -> None:
    """Refuse parameters or labels whose shape does not go with features and targets."""
    letter = "n_F" if name == "labels" else "D"
    wanted = (first, *y.shape[1:])
    fits = len(wanted) == array.ndim and all(
        size is None or size == actual for size, actual in zip(wanted, array.shape, strict=True)
    )
    if not fits:
        sizes = [letter if size is None else str(size) for size in wanted]
        words = f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"
        raise expected(f"{name} of shape {words}", f"{name}.shape", array.shape, context, words)


def _read(source: Path | IO[bytes], name: str) -> dict[str, npt.NDArray[Any]]:
    """Load every array, each straight into its own memory."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    member = ""
    try:
        with zipfile.ZipFile(source) as archive:
            for member in archive.namelist():
                key = member.removesuffix(".npy")
                if key in arrays or key == member:
                    why = "is there twice" if key in arrays else "is no array"
                    raise expected("an archive written by numpy.savez", "member", member, why, "numpy.savez")
                with archive.open(member) as stream:
                    arrays[key] = np.lib.format.read_array(stream, allow_pickle=False)
                    if stream.read(1):  # reading to the end is also what verifies the checksum
                        raise ValueError(f"bytes after the end of {member}")
    except BadInputError:
        raise
    except _BROKEN as error:
        if "pickle" in str(error):
            raise expected(
                "numbers or text, never pickled objects",
                "array",
                member.removesuffix(".npy"),
                f"{name}: object array",
                "saving it with astype(float)",
            ) from error
        what = f"{name}: {error}" if str(error) else name
        raise expected("a complete .npz archive", "archive", name, what, "saving it again") from error
    except MemoryError as error:
        raise expected("an array that fits into memory", "array", member, name, "fewer samples") from error
    return arrays


def _check_names(arrays: dict[str, npt.NDArray[Any]], name: str) -> None:
    """Refuse missing, doubled and unknown names."""
    there = ", ".join(arrays) or "nothing"
    for key in arrays:
        if key not in ARRAY_NAMES:
            same = [known for known in ARRAY_NAMES if known.lower() == key.lower()]
            raise expected(
                f"only arrays named {', '.join(ARRAY_NAMES)}",
                "array",
                key,
                f"{name} holds {there}",
                repr(same[0]) if same else nearest(key, ARRAY_NAMES),
            )
    if "X" in arrays and "features" in arrays:
        raise expected("X or features, not both", "arrays", there, name, "removing one")
    for wanted in ("X or features", "y"):
        if not set(wanted.split(" or ")) & arrays.keys():
            raise expected(
                f"an array named {wanted}", "arrays", there, f"{name} holds {there}", f"adding {wanted}"
            )


def _text(values: npt.NDArray[Any], name: str) -> npt.NDArray[np.str_] | None:
    """Return text as class names, and nothing for other types."""
    if values.dtype.kind != "U":
        return None
    if values.ndim != 1:
        raise expected("one class name per sample", f"{name}.shape", values.shape, "text", "shape (n,)")
    return np.asarray(values, dtype=np.str_)
