"""How arrays of numbers are read: what may come in, and what is said to everything else.

An array is read as the numbers that it shows, or not at all. Masked entries, matrices whose product is another one,
sparse formats, text and complex numbers would be taken for something else further on, so they are refused here.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import fields
from numbers import Rational
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import expected
from .former import former

__all__ = [
    "NUMERIC",
    "Array",
    "FloatArray",
    "counts_rows",
    "disguise",
    "first_nonfinite",
    "float_values",
    "forget_indices",
    "is_float64",
    "let_go",
    "outline",
    "plain_array",
    "real_array",
    "refuse_another_order",
    "row_blocks",
]
former(__name__)

Array = npt.NDArray[Any]
"""Numbers of any kind: floats, integers, exact ones in objects; in networks also complex and mpmath numbers."""

FloatArray = npt.NDArray[np.float64]
"""Float64 numbers."""

NUMERIC = frozenset("biufcO")
"""Kinds of dtypes that hold numbers, exact ones in objects among them."""

_BLOCK_BYTES = 1 << 24
_LARGEST = 2**53
"""Every integer up to here is a float64, and the next one is not."""


def outline(value: Any) -> str:
    """The repr of a dataclass that holds arrays: of each only what kind and shape it is, one line a field at most.

    Example:
        >>> import muso_theory as mt
        >>> mt.label_solution_set(mt.UnlearningProblem(np.eye(2, 3), [1.0, 2.0], [1]))
        LabelSolutionSet(particular=<float64, shape (1,)>, kernel=<float64, shape (1, 0)>)
    """

    def told(part: Any) -> str:
        return f"<{part.dtype}, shape {part.shape}>" if isinstance(part, np.ndarray) else repr(part)

    parts = (f"{f.name}={told(getattr(value, f.name))}" for f in fields(value) if f.repr)
    return f"{type(value).__name__}({', '.join(parts)})"


def row_blocks(array: Array) -> Iterator[slice]:
    """Consecutive slices of rows that hold about 16 MB each, so that nothing the size of the array is ever made."""
    width = int(np.prod(array.shape[1:], dtype=np.int64)) * 8
    # Rows of no numbers may be as many as a header likes to say.
    step = max(1, _BLOCK_BYTES // width if width else array.shape[0])
    for start in range(0, array.shape[0], step):
        yield slice(start, min(start + step, array.shape[0]))
        let_go(array)
    let_go(array, done=True)


def let_go(array: Any, *, done: bool = False) -> None:
    """Give back the memory of what has been read of a file that is mapped for reading; it is read again where needed.

    Pages that were read count as memory of the process until the system wants them back, so that a pass over a file
    larger than a limit would seem to exceed it.

    Args:
        array: an array, or what gives rows.
        done: whether a pass has ended, after which what gives rows reads all of them anew.

    Example:
        >>> let_go(np.eye(2))
    """
    if done and hasattr(array, "let_go"):
        array.let_go()
    mapped, advice = getattr(array, "_mmap", None), getattr(mmap, "MADV_DONTNEED", None)
    # Of a private copy (mode "c") this would take back what was written.
    if mapped is not None and advice is not None and getattr(array, "mode", "") == "r":
        mapped.madvise(advice)


def first_nonfinite(array: Array) -> tuple[int, ...] | None:
    """The position of the first NaN or infinity, a few rows at a time, or None when all are finite.

    Example:
        >>> first_nonfinite(np.array([[1.0, 2.0], [np.inf, 0.0]]))
        (1, 0)
    """
    if not array.ndim:
        return None if np.isfinite(array) else ()
    for rows in row_blocks(array):
        block = array[rows]
        # Two reductions are cheaper than a mask, and a NaN survives both.
        if np.isfinite(block.max(initial=0)) and np.isfinite(block.min(initial=0)):
            continue
        row, *rest = np.argwhere(~np.isfinite(block))[0].tolist()
        return (rows.start + row, *rest)
    return None


def is_float64(array: Array) -> bool:
    """Whether every number of a real array is a float64: floats up to that width, integers up to 2⁵³, no objects.

    Example:
        >>> is_float64(np.array([2**53])), is_float64(np.array([2**53 + 1]))
        (True, False)
    """
    if array.dtype.kind in "iu":
        return not array.size or -_LARGEST <= int(array.min()) <= int(array.max()) <= _LARGEST
    return bool(array.dtype.kind == "b" or (array.dtype.kind == "f" and array.dtype.itemsize <= 8))


def plain_array(name: str, values: object, dtype: Any = None, *, text: bool = True) -> Array:
    """Read what is given as an ordinary array, whatever its entries, without a copy where possible.

    Args:
        values: an array, a memory map, nested sequences, a data frame, or anything else that numpy reads.
        dtype: what numpy makes of entries that are not in an array yet; None lets it choose.
        text: whether entries may be words, dates or records, as targets are.

    Raises:
        BadInputError: a masked array, a numpy.matrix or a sparse one, also inside a list; rows of several lengths.

    Example:
        >>> plain_array("X", [[1, 2], [3, 4]]).shape
        (2, 2)
        >>> plain_array("X", np.ma.array([1.0, 2.0], mask=[False, True]))
        Traceback (most recent call last):
        muso_theory.errors.BadInputError: expected an ordinary array but got X=MaskedArray (masked); try ...
    """
    hidden = disguise(values)
    if hidden is not None:
        raise expected("an ordinary array", name, type(values).__name__, *hidden)
    if type(values) in (np.ndarray, np.memmap):
        array: Array = values  # type: ignore[assignment]
    else:
        try:
            array = np.asarray(values, dtype)
        except (TypeError, ValueError, OverflowError, RuntimeError) as error:
            kind = type(values).__name__
            raise expected("an array of numbers", name, kind, str(error), "rows of one length") from None
    if not text and array.dtype.kind not in NUMERIC:
        raise expected("an array of numbers", name, array.shape, f"dtype {array.dtype}", "numbers")
    return array


def disguise(values: object) -> tuple[str, str] | None:
    """What numpy would quietly read as something else, also inside a list: its kind and what helps, or None.

    Example:
        >>> disguise([1.0, np.ma.masked_equal([2], 2)])[0]
        'masked'
    """
    if isinstance(values, (list, tuple)):
        return next(filter(None, map(disguise, values)), None)
    if isinstance(values, np.ma.MaskedArray):
        return "masked", "dropping what is masked, or .filled with numbers that you mean"
    if isinstance(values, np.matrix):
        return "matrix, whose * is another product", "numpy.asarray of it"
    if hasattr(values, "toarray") and hasattr(values, "nnz"):
        return "sparse", ".toarray()"
    return None


def real_array(
    name: str, values: object, dimensions: tuple[int, ...] | None, *, boolean: bool = True
) -> Array:
    """Read an array of finite real numbers without copying it.

    Args:
        values: floats up to float64, integers, or ``int`` and ``Fraction`` objects; not complex, not text.
        dimensions: the numbers of dimensions that are allowed; None allows any.
        boolean: read truth values as 0 and 1; where they mean nothing, as in parameters, they are refused.

    Returns:
        A read-only view with a real dtype: floats, integers, or an object array of exact rationals.

    Raises:
        BadInputError: whatever `plain_array` refuses, other dimensions, or an entry that is no such number.

    Example:
        >>> real_array("w", [0.5, 2], (1, 2))
        array([0.5, 2. ])
        >>> real_array("w", [0.5, float("nan")], (1, 2))
        Traceback (most recent call last):
        muso_theory.errors.BadInputError: expected finite numbers but got w[1]=nan (row 1, counted from 0); try ...
    """
    array = plain_array(name, values)
    if dimensions is not None and array.ndim not in dimensions:
        words = " or ".join(f"{d}-dimensional" for d in dimensions)
        hint = f"{name}.reshape, with one row a sample"
        raise expected(f"a {words} array", f"{name}.shape", array.shape, f"{array.ndim}-dimensional", hint)
    kind = array.dtype.kind
    if kind == "O":
        _require_exact(name, array)
    elif kind == "b" and boolean:
        array = array.astype(np.int64)
    elif kind == "b":
        hint = "numbers; a mask of samples is a forget set"
        raise expected("numbers, not truth values", name, array.shape, "bool", hint)
    elif kind not in "iuf" or array.dtype.itemsize > 8:
        hint = "numbers: float, int or Fraction; not complex, not text"
        hint = f"{name}.astype(float), which rounds them" if kind == "f" else hint
        raise expected("real numbers, at most float64,", name, array.shape, f"dtype {array.dtype}", hint)
    elif kind == "f":
        bad = first_nonfinite(array)
        if bad is not None:
            place = ", ".join(f"{axis} {i}" for axis, i in zip(("row", "column"), bad, strict=False))
            got, hint = f"{place}, counted from 0", "removing or fixing that entry"
            raise expected("finite numbers", _entry(name, bad), array[bad], got, hint)
    view = array.view()
    view.flags.writeable = False
    return view


def _require_exact(name: str, array: Array) -> None:
    """Refuse objects that are no exact numbers; a truth value is none."""
    for index, value in np.ndenumerate(array):
        if isinstance(value, bool) or not isinstance(value, Rational):
            what = "real numbers (an object array may hold int and Fraction only)"
            hint = "a float array, or exact Fractions throughout"
            raise expected(what, _entry(name, index), value, type(value).__name__, hint)


def _entry(name: str, index: tuple[int, ...]) -> str:
    """How an entry is written in Python."""
    return f"{name}[{', '.join(map(str, index))}]" if index else name


def float_values(
    name: str, values: object, dimensions: tuple[int, ...] | None, *, boolean: bool = False
) -> Array:
    """Read an array of finite real numbers as float64, exactly or not at all.

    Args:
        values: floats up to float64, or integers up to 2⁵³.
        dimensions: the numbers of dimensions that are allowed; None allows any.
        boolean: read truth values as 0 and 1.

    Returns:
        Float64 array of the same shape; a read-only view where nothing had to be converted.

    Raises:
        BadInputError: whatever `real_array` refuses, Fractions, and integers that float64 does not hold.

    Example:
        >>> float_values("scores", [1, 2], (1,))
        array([1., 2.])
    """
    array = real_array(name, values, dimensions, boolean=boolean)
    if not is_float64(array):
        kind = "Fractions" if array.dtype == object else "integers above 2**53"
        hint = f"{name}.astype(float), which rounds them"
        raise expected("numbers that float64 holds", name, array.shape, kind, hint)
    return array.astype(np.float64, copy=False)


def counts_rows(index: Any) -> bool:
    """Whether an index of pandas is only the numbers of the rows, so that labels are positions.

    Example:
        >>> import pandas as pd
        >>> counts_rows(pd.RangeIndex(3)), counts_rows(pd.RangeIndex(1, 3)), counts_rows(pd.Index([0, 1]))
        (True, False, False)
    """
    return getattr(index, "start", None) == 0 and getattr(index, "step", None) == 1


def refuse_another_order(name: str, given: object, index: Any, other: str) -> None:
    """Refuse a pandas object whose labels are those of another in another order: positions would pair them wrongly.

    Args:
        name: what to call it in an error.
        given: whatever came; only what has an index of pandas is looked at.
        index: the labels that it is read beside, as an index of pandas or an array; None if there are none.
        other: what has these labels, in words.

    Raises:
        BadInputError: the same labels in another order.

    Example:
        >>> import pandas as pd
        >>> refuse_another_order("y", pd.Series([1.0, 2.0]), pd.RangeIndex(2), "X.index")
    """
    own = getattr(given, "index", None) if hasattr(given, "iloc") else None
    if own is None or index is None or callable(index) or own is index:
        return
    labels, wanted = list(own), list(index)
    if labels != wanted and len(labels) == len(wanted) and set(labels) == set(wanted):
        hint = f"{name}.loc[{other}], or {name}.to_numpy() for positions"
        raise expected(f"labels in the order of {other}", f"{name}.index", labels[:5], "another order", hint)


def forget_indices(forget: object, n: int, name: str = "forget") -> Array:
    """Turn a boolean mask or a list of indices into sorted indices.

    Args:
        forget: mask of n entries, or indices from 0 to n − 1 in any order.

    Returns:
        Sorted int64 indices of the forget set, neither none nor all of the samples.

    Raises:
        BadInputError: out of range, repeated, empty or complete, or neither mask nor indices.

    Example:
        >>> forget_indices([3, 1], 4), forget_indices(np.array([True, False]), 2)
        (array([1, 3]), array([0]))
    """
    is_series = hasattr(forget, "iloc")
    index = getattr(forget, "index", None) if is_series else forget
    if hasattr(index, "get_indexer") and not counts_rows(index):
        kind = (
            "a pandas Series with labels of its own" if is_series else "a pandas Index: labels or positions"
        )
        hint = "from_frame, or .to_numpy() for positions"
        raise expected("positions or a mask", name, type(forget).__name__, kind, hint)
    if isinstance(forget, set | frozenset | int | str):
        hint = "a list of row numbers such as [3], or a mask"
        raise expected("a mask or a list of row indices", name, forget, type(forget).__name__, hint)
    array = plain_array(name, forget)
    if array.ndim != 1:
        what = "a mask or a list of row indices"
        raise expected(what, name, array.shape, "shape", "a one-dimensional array")
    if array.dtype == bool:
        if len(array) != n:
            what = f"a mask of {n} samples, one entry each,"
            raise expected(what, f"{name}.shape", array.shape, "mask", "y == label")
        array = np.flatnonzero(array)
    elif array.size and array.dtype.kind not in "iu":
        what, hint = "a boolean mask or integer indices", "forget = y == label, or numpy.flatnonzero"
        raise expected(what, name, array.shape, f"dtype {array.dtype}", hint)
    outside = np.flatnonzero((array < 0) | (array >= n))
    if outside.size:
        place = int(outside[0])
        hint = f"row indices from 0 to {n - 1}"
        raise expected(f"indices from 0 to {n - 1}", f"{name}[{place}]", array[place], "out of range", hint)
    ordered = np.sort(array.astype(np.int64))
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    if repeated.size:
        hint = f"{name}.astype(bool)" if len(array) == n else f"numpy.unique({name})"
        raise expected("distinct row indices", name, int(repeated[0]), "repeated index", hint)
    if not ordered.size:
        raise expected("at least one sample to forget", name, "[]", "empty", "another forget set")
    if len(ordered) == n:
        raise expected(
            "at least one sample to retain", name, f"all {n} samples", "complete", "a smaller forget set"
        )
    return ordered
