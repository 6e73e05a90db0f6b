"""The one test for "these numbers are all the same", which rounding must not decide."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import checked
from ..arrays import Array, plain_array, real_array
from ..errors import expected

__all__ = ["SLACK", "is_constant", "rounding", "tied"]

SLACK = 64
"""Rounding errors, in units of the last place of the largest number, that still count as none."""


@checked
def is_constant(
    values: object, axis: int | None = None, *, scale: float = 0.0, like: Array | float | None = None
) -> Any:
    """Whether numbers that should be equal differ by rounding errors alone: max − min ≤ 64 u max(scale, max |x|).

    A value that a handful of operations computed is off by a few u of its size, and a mean over n values by about
    u log₂ n (N. Higham, "Accuracy and Stability", §4.2), so 64 u covers both, with u of the values' own float type.
    ``== 0`` on a variance does not: the mean of 41 times 36.7 is not 36.7.

    Args:
        scale: size of the terms that the values were computed from, where these are larger than the values, as after
            centring: the spread is then held against that size.
        like: what the values were computed from, where that is of a narrower float type: its u counts then.

    Example:
        >>> x = 36.7 * (1 + np.array([0.0, 2e-16, 4e-16]))
        >>> is_constant(x), is_constant(x - 36.7), is_constant(x - 36.7, scale=36.7)
        (True, False, True)
        >>> is_constant([[1.0, 1.0], [1.0, 1.0 + 1e-9]], axis=1)
        array([ True, False])
    """
    array = plain_array("values", values, text=False)
    if array.dtype == object:
        array = real_array("values", array, None)
    if not array.size or array.dtype.kind == "c":
        raise expected("real numbers", "values", array.shape, f"dtype {array.dtype}", "at least one float")
    if axis is not None and not -array.ndim <= axis < array.ndim:
        raise expected(f"an axis of {array.ndim}", "axis", axis, "out of range", "None for all numbers")
    wide = array.astype(np.float64)
    low, high = wide.min(axis=axis), wide.max(axis=axis)
    size = np.maximum(np.maximum(np.abs(low), np.abs(high)), scale)
    # Halved, so that a spread of two numbers near the largest float does not overflow.
    equal = high / 2 - low / 2 <= rounding(size / 2, array if like is None else like)
    return bool(equal) if axis is None else equal


def rounding(size: Any, like: object = 1.0) -> Any:
    """64 u times a size: what rounding may make of numbers of that size, in the float type of ``like``.

    Example:
        >>> rounding(2.0) == 2**-45, rounding(2.0, np.float32(1)) == 2**-16
        (True, True)
    """
    kind = np.asarray(like).dtype
    return SLACK * float(np.finfo(kind if kind.kind == "f" else np.float64).eps) * size


def tied(values: Any, unit: float = SLACK * float(np.finfo(np.float64).eps)) -> Any:
    """Numbers, shape (n,), with those made equal that differ by rounding errors alone: rounding decides no order.

    From the largest size down, what lies within 64 u of a number relative to it takes its value. Groups are held
    against their largest number and not against their neighbours, so that a dense sample never melts into one value;
    positive and negative numbers are grouped apart, so that −x is grouped as x is.

    Args:
        unit: what rounding may make of a number of size one (:func:`rounding`); float64's if left out.

    Example:
        >>> tied(np.array([36.7 + 7e-15, 1.0, 36.7, 36.8])).tolist() == [36.7 + 7e-15, 1.0, 36.7 + 7e-15, 36.8]
        True
    """
    kinds, place = np.unique(values, return_inverse=True)
    sizes = np.abs(kinds)
    for side in (np.flatnonzero(kinds > 0)[::-1], np.flatnonzero(kinds < 0)):  # each by falling size
        # Only a number with a close neighbour can change, so most samples need no loop at all.
        close = np.append(sizes[side][:-1] - sizes[side][1:] <= unit * sizes[side][:-1], False)
        leader = -1
        for at in np.flatnonzero(close | np.insert(close[:-1], 0, False)).tolist():
            if leader < 0 or sizes[side[leader]] - sizes[side[at]] > unit * sizes[side[leader]]:
                leader = at
            kinds[side[at]] = kinds[side[leader]]
    return kinds[place.reshape(-1)]
