"""A loaded data set: arrays that were checked once, and where they came from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from muso_theory.arguments import checked
from muso_theory.arrays import float_values
from muso_theory.errors import expected, printable
from muso_theory.understood import Understood

__all__ = [
    "Dataset",
    "FloatArray",
    "IndexArray",
    "TextArray",
    "check_numbers",
    "class_order",
    "integer_labels",
]

FloatArray: TypeAlias = npt.NDArray[np.float64]
IndexArray: TypeAlias = npt.NDArray[np.int64]
TextArray: TypeAlias = npt.NDArray[np.str_]


@checked
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Dataset:
    """Samples, targets and, where the source has them, a forget set and parameters to audit.

    Arrays are float64 and read-only; rows of ``X``, ``y``, ``target_class`` and ``groups`` belong together.

    Args:
        name: of the data set or file, for people.
        X: (n, d) inputs, or the features themselves when ``is_features``; then also (n, k, P), the Jacobian of k
            outputs of every sample.
        y: (n,) or (n, C) targets, (n, k) with Jacobians.
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
        columns: names of the columns of X, where the source names them.
        understood: what was inferred from the source, in words.

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
    columns: tuple[str, ...] = ()
    understood: tuple[Understood, ...] = ()

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
        return printable(f"Dataset {self.name}: " + ", ".join([*parts, f"sha256 {self.sha256[:12]}"]))


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
    array = float_values(name, values, ndims, boolean=True)
    if array.size == 0:
        what = "a non-empty array"
        raise expected(what, f"{name}.shape", array.shape, "empty", "at least one row and column")
    return np.ascontiguousarray(array)


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
