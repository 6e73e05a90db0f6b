"""Sets of rows by position, and which rows of Φ are equal: where, and what is told of them before a check."""

from __future__ import annotations

from typing import final

import numpy as np

from ..arrays import Array, row_blocks
from ..former import former
from ..understood import Understood

__all__ = ["Repeats", "Rows", "few_others", "first_equal_rows", "in_order", "repeats_told"]
former(__name__)

Rows = range | tuple[int, ...]
"""Positions: a range, or an explicit tuple."""

_DEAR = 10**8
"""Products, about a hundredth of a second's work."""


def in_order(rows: Rows) -> tuple[Rows, Array | None]:
    """The same set of rows in ascending order, a range where it is one, and the way there; None for none.

    Example:
        >>> in_order((2, 0, 1))
        (range(0, 3), array([1, 2, 0]))
        >>> in_order((0, 2)), in_order(range(2))
        (((0, 2), None), (range(0, 2), None))
    """
    if isinstance(rows, range) and rows.step == 1:
        return rows, None
    index = np.asarray(rows)
    order = np.argsort(index, kind="stable")
    index = index[order]
    way = None if (order == np.arange(len(order))).all() else order
    if len(index) and index[-1] - index[0] == len(index) - 1:
        return range(int(index[0]), int(index[-1]) + 1), way
    return tuple(index.tolist()), way


def few_others(rows: Rows, n: int, width: int) -> Rows:
    """All other positions of n, if they are fewer and D × D sums over these rows are dear; else none.

    Then Φ_RᵀΦ_R is had from that of all rows and of the others. The bound of a difference is a little weaker than that
    of a sum, so what is cheap is summed.

    Example:
        >>> few_others(range(3), 5, 20_000), few_others((0, 1, 3, 4), 5, 20_000), few_others(range(3), 5, 20)
        (range(3, 5), range(2, 3), range(0, 0))
    """
    if not n < 2 * len(rows) < 2 * n or len(rows) * width**2 < _DEAR:
        return range(0)
    rest = np.ones(n, dtype=bool)
    rest[list(rows)] = False
    return in_order(tuple(np.flatnonzero(rest).tolist()))[0]


def first_equal_rows(array: Array) -> Array:
    """Find rows that are there several times, a few rows at a time.

    Args:
        array: real numbers, shape (n, D), possibly memory-mapped; compared as numbers, so that 0.0 is −0.0.

    Returns:
        For each row the first one that is equal to it, mostly itself; int64, shape (n,).

    Example:
        >>> first_equal_rows(np.array([[0.0, 1.0], [2.0, 3.0], [-0.0, 1.0]]))
        array([0, 1, 0])
    """
    first, suspect = np.arange(len(array)), np.ones(len(array), dtype=bool)
    hashes = np.zeros(len(array), dtype=np.int64)
    # A few columns tell most rows apart; what has the same hash in all of them is then looked at as numbers.
    for columns in (slice(None, None, 1 + array.shape[1] // 16), slice(None)):
        for rows in row_blocks(array):
            hashes[rows][suspect[rows]] = _hashes(array[rows, columns][suspect[rows]])
        _, kind, count = np.unique(hashes[suspect], return_inverse=True, return_counts=True)
        suspect[suspect] = count[kind] > 1
    seen: dict[int, list[int]] = {}
    for i in np.flatnonzero(suspect).tolist():
        others = seen.setdefault(int(hashes[i]), [])
        same = next((j for j in others if np.array_equal(array[i], array[j])), None)
        if same is None:
            others.append(i)
        else:
            first[i] = same
    return first


def _hashes(block: Array) -> list[int]:
    """A hash of each row, the same for rows that are equal as numbers: adding 0 makes −0.0 the bytes of 0.0."""
    if block.dtype.kind == "O":
        return [hash(tuple(row)) for row in block.tolist()]
    plain = np.ascontiguousarray(block + 0)
    return [hash(row) for row in plain.view(f"V{plain.itemsize * plain.shape[1]}").ravel().tolist()]


@final
class Repeats:
    """Which rows of Φ are equal, by position: the retain set first, then the forget set.

    Args:
        first: for each position the first sample whose row is equal to its own, shape (n,).
        width: D, the number of columns.

    Example:
        >>> found = Repeats(np.array([1, 0, 0]), 3)  # the samples 1, 2 and 0, of which 0 and 2 are equal
        >>> found.distinct(range(3)), found.distinct(range(2)), found.place(range(3)), found.rank_at_most(range(3))
        ((0, 1), range(0, 2), array([0, 1, 1]), 2)
    """

    def __init__(self, first: Array, width: int) -> None:
        _, start, kind = np.unique(first, return_index=True, return_inverse=True)
        self._first: Array | None = start[kind] if len(start) < len(first) else None
        self._width = width

    def distinct(self, rows: Rows) -> Rows:
        """The first position of each row of Φ that is among these, in order; the rows themselves if all differ."""
        if self._first is None:
            return rows
        chosen = np.unique(self._first[list(rows)])
        return rows if len(chosen) == len(rows) else tuple(chosen.tolist())

    def place(self, rows: Rows) -> Array:
        """Which of the distinct rows each of these is, shape (len(rows),)."""
        if self._first is None:
            return np.arange(len(rows))
        return np.unique(self._first[list(rows)], return_inverse=True)[1]

    def rank_at_most(self, rows: Rows) -> int:
        """What the rank of these rows is, unless some are dependent without being equal."""
        return min(len(self.distinct(rows)), self._width)

    def lower_the_rank(self, rows: Rows) -> bool:
        """Whether these rows have neither independent rows nor independent columns, because some are equal."""
        return self.rank_at_most(rows) < min(len(rows), self._width)


def repeats_told(first: Array, targets: Array, forget: Array, outputs: int = 1) -> list[Understood]:
    """What is to be known of samples whose rows of Φ are equal: their targets, and who is to be forgotten.

    Args:
        first: for each sample the first one whose row is equal to its own, shape (n,).
        targets: y, shape (n,) or (n, C).
        forget: indices of the forget set.
        outputs: k, where Φ has k rows a sample: samples are what is forgotten, so they are what is named.

    Returns:
        One row, or none where all rows differ.

    Example:
        >>> repeats_told(np.array([0, 1, 0]), np.ones(3), np.array([0]))[0].value
        '1 of 3 rows of Φ repeats another (rows 0 and 2); row 2 is retained and still teaches row 0, which is to ...'
    """
    again = np.flatnonzero(first != np.arange(len(first)))
    if not len(again):
        return []
    targets = targets.reshape(len(first), -1)
    retain = np.setdiff1d(np.arange(len(first)), forget)
    differ = (targets[again] != targets[first[again]]).any(axis=1)
    torn = forget[np.isin(first[forget], first[retain])]
    repeats = "repeats" if len(again) == 1 else "repeat"
    words = [f"{len(again)} of {len(first)} rows of Φ {repeats} another ({_pairs(first, again, outputs)})"]
    if len(torn):
        copy = next(i for i in retain if first[i] == first[torn[0]])
        what = "row" if outputs == 1 else "sample"
        others = f", and so for {len(torn)} of the rows to forget" if len(torn) > 1 else ""
        words.append(
            f"{what} {copy // outputs} is retained and still teaches {what} {torn[0] // outputs}, which is to be "
            f"forgotten{others}: forget both"
        )
    if differ.any():
        pair = _pairs(first, again[differ], outputs)
        words.append(
            f"{int(differ.sum())} with another target ({pair}): no model fits both, least squares their mean"
        )
    if not differ.all():
        words.append("one of each would do")
    return [Understood("equal rows", "; ".join(words), "inferred", "--forget")]


def _pairs(first: Array, again: Array, outputs: int) -> str:
    """The first pair of equal rows in words."""
    more = ", …" if len(again) > 1 else ""
    if outputs == 1:
        return f"rows {first[again[0]]} and {again[0]}{more}"
    pair = (f"output {row % outputs} of sample {row // outputs}" for row in (first[again[0]], again[0]))
    return f"{' and '.join(pair)}{more}"
