"""A loaded data set: arrays that were checked once, and where they came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ..arguments import checked
from ..arrays import Array, float_values, is_float64, real_array
from ..errors import expected, printable
from ..former import former
from ..rows import ByRows
from ..targets import FloatArray, TextArray
from ..understood import Understood

__all__ = [
    "Dataset",
    "FloatArray",
    "IndexArray",
    "TextArray",
    "check_numbers",
    "kept_numbers",
    "taken_exactly",
]
former(__name__)

IndexArray: TypeAlias = npt.NDArray[np.int64]


@checked
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Dataset:
    """Samples, targets and, where the source has them, a forget set and parameters to audit.

    Arrays are read-only, and float64 but for whole numbers: ``X`` and ``y`` are int64 where both were given as such,
    so that equality is decided about them. Features of float32 stay float32, and in their file where it is mapped.
    Rows of ``X``, ``y``, ``target_class`` and ``groups`` belong together.

    Args:
        name: of the data set or file, for people.
        X: (n, d) inputs, or the features themselves when ``is_features``; then also (n, k, P), the Jacobian of k
            outputs of every sample.
        y: (n,) or (n, C) targets, (n, k) with Jacobians; of many classes codes, as `encode_classes` says.
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
        image: (height, width, channels) of a sample, whose pixels are its columns; empty where samples are no images.
        columns: names of the columns of X, where the source names them.
        understood: what was inferred from the source, in words.

    Example:
        >>> Dataset("toy", np.eye(2), np.array([-1.0, 1.0]), sha256="0" * 64)
        Dataset toy: X (2, 2), y (2,), sha256 000000000000
    """

    name: str
    X: Array | ByRows
    y: Array | ByRows
    sha256: str
    is_features: bool = False
    classes: tuple[str, ...] = ()
    target_class: TextArray | None = None
    groups: TextArray | None = None
    forget: IndexArray | None = None
    w_init: Array | None = None
    labels: Array | None = None
    w_pretrained: Array | None = None
    w_unlearned: Array | None = None
    image: tuple[int, ...] = ()
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
            if isinstance(array, np.ndarray):
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

    Raises:
        BadInputError: for objects, text, complex numbers, long doubles, integers above 2⁵³, a wrong number
            of dimensions, an empty array, NaN and infinity (named by row and column, counted from 0).

    Example:
        >>> check_numbers("y", np.array([1, 2]), (1,))
        array([1., 2.])
    """
    if values.dtype.kind in "iu" and not is_float64(values):
        hint = "mt.UnlearningProblem(features, y, forget) in Python, which takes them exactly"
        raise expected("numbers that float64 holds", name, values.shape, "integers above 2**53", hint)
    array = float_values(name, values, ndims, boolean=True)
    _require_entries(name, array)
    return np.ascontiguousarray(array)


def kept_numbers(name: str, values: npt.NDArray[Any], ndims: tuple[int, ...]) -> Array:
    """An array as `check_numbers` gives it, but float32 and float64 as they lie, a file that is mapped in its file.

    Example:
        >>> kept_numbers("features", np.ones((1, 2), np.float32), (2, 3)).dtype
        dtype('float32')
    """
    if values.dtype not in (np.float32, np.float64):
        return check_numbers(name, values, ndims)
    array = real_array(name, values, ndims)
    _require_entries(name, array)
    return array


def _require_entries(name: str, array: Array) -> None:
    """Refuse an array of nothing."""
    if array.size == 0:
        what = "a non-empty array"
        raise expected(what, f"{name}.shape", array.shape, "empty", "at least one row and column")


def taken_exactly(name: str, values: npt.NDArray[Any], ndims: tuple[int, ...]) -> Array:
    """An array as `check_numbers` gives it, but integers as int64, of which equality is asked.

    Example:
        >>> taken_exactly("labels", np.array([1, 2]), (1,)), taken_exactly("labels", np.array([1.0, 2.0]), (1,))
        (array([1, 2]), array([1., 2.]))
    """
    array = check_numbers(name, values, ndims)
    return array.astype(np.int64) if values.dtype.kind in "iub" else array
