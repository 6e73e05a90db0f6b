"""How every arithmetic reads a matrix: two-dimensional, finite, never repaired."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from ..arrays import Array, first_nonfinite, plain_array
from ..errors import expected
from ..former import former

__all__ = ["exact_rows", "float_array", "span"]
former(__name__)


def float_array(values: Array | Sequence[Sequence[object]]) -> Array:
    """Read a matrix of floats; float32 and float64 arrays come back as they are, without a copy.

    Args:
        values: shape (n, D); an array of real numbers, or rows of numbers.

    Returns:
        A float64 or float32 array of shape (n, D).

    Raises:
        BadInputError: not two-dimensional, not real numbers, NaN or infinite entries.

    Example:
        >>> float_array([[1, 2.5]])
        array([[1. , 2.5]])
    """
    array = _read(values)
    if array.size == 0 and array.dtype == object:
        array = array.astype(np.float64)
    if array.ndim != 2:
        raise expected(
            "a matrix", "values", array.shape, f"{array.ndim} dimensions", "reshape to (rows, columns)"
        )
    if array.dtype not in (np.float64, np.float32):
        if array.dtype == object:
            rows, columns, entries = exact_rows(array)
            flat = [_nearest(value) for row in entries for value in row]
            array = np.array(flat, dtype=np.float64).reshape(rows, columns)
            beyond = first_nonfinite(array)
            if beyond is not None:
                where = f"values[{beyond[0]}, {beyond[1]}]"
                got = f"{'-' if array[beyond] < 0 else ''}10^308 or more"
                raise expected(
                    "numbers in the finite range of float64",
                    where,
                    got,
                    "an exact number",
                    "arithmetic='rational'",
                )
        elif array.dtype.kind in "biuf":
            array = array.astype(np.float64)
        else:
            raise expected("real numbers", "values", array.dtype, f"dtype {array.dtype}", "a float64 array")
    bad = first_nonfinite(array)
    if bad is not None:
        raise expected(
            "finite numbers",
            f"values[{bad[0]}, {bad[1]}]",
            array[bad],
            "float",
            "data without NaN or infinity",
        )
    return array


def exact_rows(
    values: Array | Sequence[Sequence[object]],
) -> tuple[int, int, list[list[int | Fraction | float]]]:
    """Read a matrix of exact numbers: ints, Fractions, and floats, each of which is a dyadic rational.

    Args:
        values: shape (n, D).

    Returns:
        Number of rows, number of columns, and the entries row by row as Python numbers.

    Raises:
        BadInputError: not two-dimensional, not real numbers, NaN or infinite entries.

    Example:
        >>> exact_rows([[1, Fraction(1, 3)], [0.5, 2]])
        (2, 2, [[1, Fraction(1, 3)], [0.5, 2]])
    """
    array = _read(values)
    if array.dtype != object or array.size == 0:
        # int64 and narrower are exact in Python; wider floats than float64 are refused rather than rounded.
        if array.ndim == 2 and (array.dtype.kind in "biu" or array.dtype in (np.float16, np.float32)):
            return array.shape[0], array.shape[1], array.tolist()
        if array.dtype.kind == "f" and array.dtype.itemsize > 8:
            raise expected("float64 or narrower", "values", array.dtype, "dtype", "Fractions for more digits")
        array = float_array(array)
        return array.shape[0], array.shape[1], array.tolist()
    if array.ndim != 2:
        raise expected(
            "a matrix", "values", array.shape, f"{array.ndim} dimensions", "reshape to (rows, columns)"
        )
    rows: list[list[int | Fraction | float]] = []
    for i, row in enumerate(array):
        rows.append([_exact(value, i, j) for j, value in enumerate(row)])
    return array.shape[0], array.shape[1], rows


def _read(values: Array | Sequence[Sequence[object]]) -> Array:
    """An array as it is; rows of numbers as objects, so that no number is rounded on the way."""
    return plain_array("values", values, None if isinstance(values, np.ndarray) else object)


def _exact(value: object, row: int, column: int) -> int | Fraction | float:
    """Accept one entry as a Python number, or refuse it by name."""
    if isinstance(value, (bool, int, np.integer)):
        return int(value)
    if isinstance(value, Fraction):
        return value
    if isinstance(value, (float, np.float64, np.float32, np.float16)):
        number = float(value)
        if number - number == 0.0:
            return number
        raise expected(
            "finite numbers", f"values[{row}, {column}]", value, "float", "data without NaN or infinity"
        )
    raise expected(
        "an int, a Fraction or a float",
        f"values[{row}, {column}]",
        value,
        type(value).__name__,
        "exact numbers",
    )


def _nearest(value: int | Fraction | float) -> float:
    """Round to float64, infinite beyond its range."""
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def span(indices: Sequence[int] | None, size: int) -> slice | list[int]:
    """Turn indices into a slice when they are consecutive, so that taking them is a view; None means all.

    Raises:
        BadInputError: an index outside 0 … size − 1.

    Example:
        >>> span([2, 3, 4], 9), span([0, 2], 9), span(None, 9)
        (slice(2, 5, None), [0, 2], slice(0, 9, None))
    """
    if indices is None:
        return slice(0, size)
    chosen = [int(i) for i in indices]
    outside = [i for i in chosen if not 0 <= i < size]
    if outside:
        raise expected(
            f"indices from 0 to {size - 1}", "indices", outside[0], "int", "positions inside the matrix"
        )
    if chosen and chosen == list(range(chosen[0], chosen[0] + len(chosen))):
        return slice(chosen[0], chosen[0] + len(chosen))
    return chosen
