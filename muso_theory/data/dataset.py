"""A loaded data set: arrays that were checked once, and where they came from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from muso_theory.errors import expected

__all__ = [
    "Dataset",
    "FloatArray",
    "IndexArray",
    "TextArray",
    "check_forget",
    "check_numbers",
    "class_order",
    "integer_labels",
]

FloatArray: TypeAlias = npt.NDArray[np.float64]
IndexArray: TypeAlias = npt.NDArray[np.int64]
TextArray: TypeAlias = npt.NDArray[np.str_]

_ROWS_AT_A_TIME = 256
"""Rows tested for NaN together, so that the test needs no copy of a large matrix."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Dataset:
    """Samples, targets and, where the source has them, a forget set and parameters to audit.

    Arrays are float64 and read-only; rows of ``X``, ``y``, ``target_class`` and ``groups`` belong together.

    Args:
        name: of the data set or file, for people.
        X: (n, d) inputs, or the feature matrix itself when ``is_features``.
        y: (n,) or (n, C) targets.
        sha256: of the source: the file's bytes, or the arrays of an embedded data set.
        is_features: whether X already is Φ, so that no feature map may be applied.
        classes: names of the target classes. After :func:`select_classes` two classes are −1 and +1 in this
            order, more are the columns of a one-hot matrix.
        target_class: (n,) the target class of every sample, when targets are classes.
        groups: (n,) the original class of every sample, which merged target classes no longer show.
        forget: (n_F,) sorted row indices given by the source.
        w_init: (D,) or (D, C), initial parameters.
        labels: (n_F,) or (n_F, C), forget labels to audit, in the order of ``forget``.
        w_pretrained: (D,) or (D, C), to audit.
        w_unlearned: (D,) or (D, C), to audit.

    Example:
        >>> Dataset("toy", np.eye(2), np.array([-1.0, 1.0]), sha256="0" * 64)
        Dataset toy: X (2, 2), y (2,), sha256 000000000000
    """

    name: str
    X: FloatArray
    y: FloatArray
    sha256: str
    is_features: bool = False
    classes: tuple[str, ...] = ()
    target_class: TextArray | None = None
    groups: TextArray | None = None
    forget: IndexArray | None = None
    w_init: FloatArray | None = None
    labels: FloatArray | None = None
    w_pretrained: FloatArray | None = None
    w_unlearned: FloatArray | None = None

    def __post_init__(self) -> None:
        """Protect the arrays."""
        for array in (
            self.X,
            self.y,
            self.target_class,
            self.groups,
            self.forget,
            self.w_init,
            self.labels,
            self.w_pretrained,
            self.w_unlearned,
        ):
            if array is not None:
                array.setflags(write=False)

    @property
    def n_samples(self) -> int:
        """Number of rows n."""
        return int(self.X.shape[0])

    def __repr__(self) -> str:
        """Name, shapes and hash; no arrays."""
        parts = [f"{'features' if self.is_features else 'X'} {self.X.shape}", f"y {self.y.shape}"]
        if self.classes:
            shown = ", ".join(self.classes[:10]) + (", …" if len(self.classes) > 10 else "")
            parts.append(f"classes {shown}")
        if self.forget is not None:
            parts.append(f"forget {self.forget.shape}")
        parts += [
            f"{name} {getattr(self, name).shape}"
            for name in ("w_init", "labels", "w_pretrained", "w_unlearned")
            if getattr(self, name) is not None
        ]
        return f"Dataset {self.name}: " + ", ".join([*parts, f"sha256 {self.sha256[:12]}"])


def check_numbers(name: str, values: npt.NDArray[Any], ndims: tuple[int, ...]) -> FloatArray:
    """Return an array as float64 without changing any value, or refuse it and say why.

    Args:
        name: of the array, for the message.
        values: any array.
        ndims: numbers of dimensions that are allowed.

    Returns:
        The array as float64: the same object where possible.

    Raises:
        BadInputError: for objects, text, complex numbers, long doubles, integers above 2⁵³, a wrong number
            of dimensions, an empty array, NaN and infinity (named by row and column, counted from 0).

    Example:
        >>> check_numbers("y", np.array([1, 2]), (1,))
        array([1., 2.])
    """
    words = " or ".join(f"{k}-dimensional" for k in ndims)
    if values.dtype.kind not in "fiub" or values.dtype.itemsize > 8:
        kind = "object array" if values.dtype.hasobject else f"dtype {values.dtype}"
        raise expected("real numbers, at most float64,", name, values.shape, kind, f"{name}.astype(float)")
    if values.ndim not in ndims:
        hint = f"{name}.reshape(len({name}), -1)" if values.ndim > max(ndims) else f"shape of {words}"
        raise expected(f"a {words} array", f"{name}.shape", values.shape, f"{values.ndim} dimensions", hint)
    if values.size == 0:
        raise expected(
            "a non-empty array", f"{name}.shape", values.shape, "empty", "at least one row and column"
        )
    if values.dtype.kind in "iu" and max(-int(values.min()), int(values.max())) > 2**53:
        raise expected(
            "integers that float64 holds exactly", name, values.shape, "above 2**53", "scaling them"
        )
    numbers = np.ascontiguousarray(values, dtype=np.float64)
    for start in range(0, numbers.shape[0], _ROWS_AT_A_TIME):
        block = numbers[start : start + _ROWS_AT_A_TIME]
        if not bool(np.isfinite(block).all()):
            where = [int(i) for i in np.argwhere(~np.isfinite(block))[0]]
            value = float(block[tuple(where)])
            where[0] += start
            place = (
                f"row {where[0]}" + (f", column {where[1]}" if len(where) > 1 else "") + ", counted from 0"
            )
            raise expected(
                "finite numbers", f"{name}[{', '.join(map(str, where))}]", value, place, "removing that row"
            )
    return numbers


def check_forget(n: int, indices: npt.NDArray[Any], name: str = "forget") -> IndexArray:
    """Return a forget set as sorted indices, or refuse it.

    Args:
        n: number of samples.
        indices: (n,) boolean mask, or integer row indices counted from 0.
        name: for the message.

    Returns:
        Sorted indices, neither none nor all of the samples.

    Raises:
        BadInputError: for other types and shapes, indices out of range or repeated, an empty or a
            complete forget set.

    Example:
        >>> check_forget(4, np.array([False, True, False, True]))
        array([1, 3])
    """
    if indices.ndim != 1:
        raise expected(
            "a one-dimensional forget set", f"{name}.shape", indices.shape, "array", f"shape ({n},)"
        )
    if indices.dtype.kind == "b":
        if indices.shape[0] != n:
            raise expected(
                f"a forget mask of {n} samples, one per row,",
                f"{name}.shape",
                indices.shape,
                "mask",
                f"({n},)",
            )
        chosen = np.flatnonzero(indices).astype(np.int64)
    elif indices.dtype.kind in "iu" or indices.size == 0:
        outside = np.flatnonzero((indices < 0) | (indices >= n))
        if outside.size:
            place = int(outside[0])
            raise expected(
                f"row indices from 0 to {n - 1}",
                f"{name}[{place}]",
                indices[place],
                "out of range",
                f"0 to {n - 1}",
            )
        chosen, counts = np.unique(indices.astype(np.int64), return_counts=True)
        if bool((counts > 1).any()):
            value = int(chosen[counts > 1][0])
            hint = f"{name}.astype(bool)" if indices.shape[0] == n else "every index once"
            raise expected("distinct row indices", name, value, "repeated index", hint)
    else:
        raise expected(
            "a boolean mask or integer indices", name, indices.shape, f"dtype {indices.dtype}", "astype(bool)"
        )
    if chosen.size == 0:
        raise expected("at least one sample to forget", name, "{}", f"empty, of {n} samples", "a larger set")
    if chosen.size == n:
        raise expected("at least one sample to retain", name, "all", f"all {n} samples", "a smaller set")
    return chosen


def integer_labels(y: FloatArray) -> TextArray | None:
    """Read integer-valued targets as class names: 3.0 is class "3".

    Args:
        y: (n,) or (n, C) targets.

    Returns:
        (n,) names, or None for targets with several columns or fractions.

    Example:
        >>> integer_labels(np.array([3.0, -1.0])), integer_labels(np.array([0.5]))
        (array(['3', '-1'], dtype='<U2'), None)
    """
    if y.ndim != 1 or bool((y != np.floor(y)).any()) or bool((np.abs(y) > 2.0**53).any()):
        return None
    return np.array([str(int(value)) for value in y], dtype=np.str_)


def class_order(names: TextArray) -> tuple[str, ...]:
    """Distinct class names: by value when all are numbers, else alphabetically.

    Args:
        names: (n,) class of every sample.

    Returns:
        The distinct names in order.

    Example:
        >>> class_order(np.array(["10", "9", "10"]))
        ('9', '10')
    """
    distinct = sorted({str(name) for name in names})
    try:
        values = {name: float(name) for name in distinct}
    except ValueError:
        return tuple(distinct)
    return (
        tuple(sorted(distinct, key=lambda name: (values[name], name)))
        if _ordered(values)
        else tuple(distinct)
    )


def _ordered(values: dict[str, float]) -> bool:
    """Whether names read as numbers have an order, which "nan" has not."""
    return not any(math.isnan(value) for value in values.values())
