"""Φ_Aᵀ(t − Φ_A w) of several fits at once, nearly exact, a piece of the rows at a time.

A piece of Φ, its image and its residual stay in cache until the piece has been multiplied with the residual; none of
them is there for all rows. Which rows a piece has follows from Φ and A alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from ..arrays import Array
from .accurate import ROWS, Accurate, accurate_product, residual_pair
from .ieee import ieee_proof
from .rounding import ETA, U, UndecidedError, norm_bounds, root_up, two_sum

__all__ = ["Gradient", "accurate_sum", "certain", "gradients", "joined"]

_PIECE_BYTES = 1 << 24


@dataclass(frozen=True, eq=False, slots=True)
class Gradient:
    """Φ_Aᵀ(t − Φ_A w): answered by it, and by how much the residual t − Φ_A w is off at most (Frobenius norm).

    Args:
        features: Φ, shape (n, D).
        index: A, which rows, in any order.
        labels: t in that order, float64, shape (len(index), C), or what gives such rows.
        w: float64, shape (D, C).
        low: more digits of w.
        spread: who does it a span of rows at a time, see `spans`; None does it here.
    """

    features: Any
    index: Array
    labels: Any
    w: Array
    low: Array | None = None
    spread: Any = None


def certain(off: Fraction | None) -> Fraction:
    """What a residual is off by at most, if that is known.

    Raises:
        UndecidedError: it overflowed.

    Example:
        >>> certain(Fraction(1, 2))
        Fraction(1, 2)
    """
    if off is None:
        what, remedy = "a residual overflowed float64", "ball or rational arithmetic has the range"
        raise UndecidedError(what, remedy, climbs=True)
    return off


@ieee_proof()
def gradients(asked: Sequence[Gradient]) -> list[tuple[Accurate, Fraction | None]]:
    """Of fits of one Φ, in one pass over all rows that any of them has.

    Args:
        asked: what; all with the same features.

    Returns:
        The gradients, each that of a residual which is off by at most the number beside it; None where it overflowed,
        which is no matter of the other fits.

    Example:
        >>> asked = Gradient(np.eye(2), np.array([1, 0]), np.array([[3.0], [4.0]]), np.ones((2, 1)))
        >>> ((found, off),) = gradients([asked])
        >>> found.high.ravel(), float(found.error.max()) < 1e-15, off < 1e-15
        (array([3., 2.]), True, True)
    """
    features = asked[0].features
    rows, places = joined(features.shape[0], [it.index for it in asked])
    ends = [0, *accumulate(it.w.shape[1] for it in asked)]
    cuts = [slice(*pair) for pair in pairwise(ends)]
    w, low = np.hstack([it.w for it in asked]), None
    if any(it.low is not None for it in asked):
        low = np.hstack([np.zeros_like(it.w) if it.low is None else it.low for it in asked])
    squares: list[Fraction | None] = [Fraction(0)] * len(asked)
    step = ROWS * max(1, _PIECE_BYTES // (8 * max(1, features.shape[1]) * ROWS))

    def by_pieces() -> Iterator[Accurate]:
        for start in range(0, len(rows), step):
            here = rows[start : start + step]
            first, last = int(here[0]), int(here[-1]) + 1
            block = features[first:last] if last - first == len(here) else features[here]
            block = np.asarray(block, dtype=np.float64)
            image = accurate_product(block, slice(None), w, low)
            high, tail, slack = residual_pair(
                _labels(asked, places, slice(start, start + step), image.high), image
            )
            for i, (place, cut) in enumerate(zip(places, cuts, strict=True)):
                if place is not None:  # what is no row of a fit has no part in its gradient
                    high[place[start : start + step] < 0, cut] = 0.0
                    tail[place[start : start + step] < 0, cut] = 0.0
                    slack[place[start : start + step] < 0, cut] = 0.0
                squares[i] = _with_square(squares[i], slack[:, cut])
            yield accurate_product(block, slice(None), high, tail, transposed=True)

    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        total = accurate_sum(by_pieces(), w.shape)
    offs = (None if square is None else root_up(square) for square in squares)
    return [(total.columns(cut), off) for cut, off in zip(cuts, offs, strict=True)]


def _with_square(sum_of_squares: Fraction | None, x: Array) -> Fraction | None:
    """Add ‖x‖_F²; None for what overflowed."""
    try:
        return None if sum_of_squares is None else sum_of_squares + norm_bounds(x)[1] ** 2
    except UndecidedError:
        return None


def joined(n: int, indices: Sequence[Array]) -> tuple[Array, list[Array | None]]:
    """All rows of n that are in some of these indices, in ascending order, and where in each of them a row is.

    Returns:
        The rows, and for each index the place of every row in it, −1 for none; None where they are the index.

    Example:
        >>> joined(9, [np.array([5, 2]), np.array([2, 5, 7])])
        (array([2, 5, 7]), [array([ 1,  0, -1]), None])
    """
    seen = np.zeros(n, dtype=bool)
    for index in indices:
        seen[index] = True
    rows = np.flatnonzero(seen)
    known = {id(index): _place(index, rows, n) for index in indices}
    return rows, [known[id(index)] for index in indices]


def _place(index: Array, rows: Array, n: int) -> Array | None:
    """Where in an index each of these rows is."""
    if np.array_equal(index, rows):
        return None
    place = np.full(n, -1)
    place[index] = np.arange(len(index))
    return place[rows]


def _labels(asked: Sequence[Gradient], places: Sequence[Array | None], some: slice, like: Array) -> Array:
    """The labels of some rows, those of all fits side by side; of what is no row of a fit, any."""
    labels = [
        it.labels[some if place is None else place[some]] for it, place in zip(asked, places, strict=True)
    ]
    return np.hstack(labels, dtype=like.dtype)


def accurate_sum(parts: Iterable[Accurate], shape: tuple[int, ...]) -> Accurate:
    """Add what is known nearly exactly.

    Args:
        parts: of one shape.
        shape: theirs.

    Returns:
        The sum, as nearly exact.

    Example:
        >>> one, other = (Accurate(np.full(1, x), np.zeros(1), np.zeros(1)) for x in (1.0, 2.0**-60))
        >>> found = accurate_sum([one, other], (1,))
        >>> float(found.high[0]), float(found.low[0]) == 2.0**-60, float(found.error[0]) < 1e-30
        (1.0, True, True)
    """
    total, rest, error = np.zeros((3, *shape))
    count = 0
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        for found in parts:
            count += 1
            total, lost = two_sum(total, found.high)
            small = lost + found.low
            rest += small
            # One rounding in each of the last two sums; U times a subnormal number is off by η.
            error += found.error + U * (np.abs(small) + np.abs(rest))
        # The bound took a few roundings for every part itself.
        error = error * (1 + 2.0**-30) + 2 * count * float(ETA)
        total, rest = two_sum(total, rest)
    return Accurate(total, rest, error)
