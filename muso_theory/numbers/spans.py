"""One pass over the rows of Φ, a span at a time: ΦᵀΦ, Φᵀt and Φᵀ(t − Φw), so that none of it grows with the rows.

A span is what is computed in one piece, here or on another machine. Which rows it has follows from their number alone,
and what comes of spans is added in their order: no digit, and so no bound, depends on who computed them, or when.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import accumulate, islice, pairwise
from typing import Any, Protocol, TypeVar

import numpy as np

from ..arrays import Array, let_go
from ..rows import scattered, taken, times_labels
from ..steps import counted
from .accurate import ROWS, Accurate, accurate_product, residual_pair
from .gradients import Gradient, accurate_sum, certain, gradients, joined
from .gram import COLUMN_BLOCK, blocked_gram
from .ieee import ieee_proof
from .point_ball import ball_norm
from .rounding import norm_bounds, root_down, root_up

__all__ = [
    "Part",
    "Spread",
    "curvature",
    "gradient",
    "gradients_by_spans",
    "here",
    "image",
    "parts",
    "residual_norm",
    "right_side",
    "spans",
]

T = TypeVar("T")

SPAN_BYTES = 1 << 26
"""Of the rows of a span as float64."""

COLUMNS_AT_ONCE = 256
"""Outputs that one product takes: labels and residuals of a span have so many columns in memory."""


@dataclass(frozen=True, eq=False)
class Part:
    """Some rows of Φ with their labels.

    Args:
        features: Φ, an array or what gives rows.
        index: which rows, ascending.
        labels: of these rows, shape (len(index), C), or None; whatever else the work asks for.
    """

    features: Any
    index: Array
    labels: Any = None

    @property
    def chosen(self) -> Any:
        """Which rows, as a slice where they are consecutive."""
        first, last = int(self.index[0]), int(self.index[-1])
        return slice(first, last + 1) if last - first == len(self.index) - 1 else self.index

    @property
    def matrix(self) -> Array:
        """These rows as float64; a view where they lie so in memory."""
        return np.asarray(self.features[self.chosen], dtype=np.float64)


Spread = Callable[[Callable[[Part], T], Iterator[Part], int], Iterable[T]]
"""Does some work on every part, of which it is told the number, and gives what comes of it in their order."""


def here(work: Callable[[Part], T], parts: Iterator[Part], count: int) -> Iterable[T]:
    """Do it in this thread, part after part; the work itself shares its blocks out among all threads."""
    return map(work, parts)


def spans(n: int, width: int, least: int = COLUMN_BLOCK) -> list[slice]:
    """Consecutive slices of n rows: whole blocks of a Gram matrix each, as many as SPAN_BYTES hold.

    Args:
        n: rows.
        width: numbers that a row has.
        least: rows of a slice where not even one such block fits.

    Example:
        >>> spans(10**5, 2**15)[:2], len(spans(10**5, 2**15))
        ([slice(0, 256, None), slice(256, 512, None)], 391)
        >>> spans(300, 2**16, 128)
        [slice(0, 128, None), slice(128, 256, None), slice(256, 300, None)]
    """
    count = SPAN_BYTES // (8 * max(1, width) * COLUMN_BLOCK)
    step = COLUMN_BLOCK * count or least
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]


def _width(features: Any, labels: Any) -> int:
    """Numbers a row has in memory."""
    return int(features.shape[1] + (0 if labels is None else labels.shape[1]))


def parts(
    features: Any, index: Array, labels: Any = None, least: int = COLUMN_BLOCK
) -> Iterator[tuple[Array, Part]]:
    """The rows in ascending order, whatever order they came in, span by span: their places in the index, and they.

    Args:
        features: Φ, an array or what gives rows.
        index: which rows.
        labels: of these, or None.
        least: as in `spans`: for work on rows each of which is for itself.

    Example:
        >>> [(where.tolist(), part.matrix.tolist()) for where, part in parts(np.eye(2), np.array([1, 0]))]
        [([1, 0], [[1.0, 0.0], [0.0, 1.0]])]
    """
    way = np.argsort(index, kind="stable")
    for span in spans(len(index), _width(features, labels), least):
        where = way[span]
        yield where, Part(features, index[where], None if labels is None else taken(labels, where))
        let_go(features)
    let_go(features, done=True)


class Growing(Protocol):
    """Where a sum is kept while it grows."""

    def read(self, width: int, most: int) -> tuple[Array | None, int]:
        """The sum as far as it was kept, of so many columns, and of how many spans it is, which are at most so many."""

    def keep(self, total: Array, count: int, *, done: bool) -> None:
        """Keep it."""


def _spread_out(
    spread: Spread[T],
    work: Callable[[Part], T],
    features: Any,
    index: Array,
    labels: Any = None,
    first: int = 0,
) -> Iterable[T]:
    """What comes of all spans from some one on, in their order."""
    count = len(spans(len(index), _width(features, labels))) - first
    found = spread(work, (part for _, part in islice(parts(features, index, labels), first, None)), count)
    return counted(found, "a pass over spans of rows", [1] * count)


def image(
    features: Any, index: Array, high: Array, low: Array | None, product: Callable[..., Accurate]
) -> Accurate:
    """Φ_A(high + low), nearly exact.

    Args:
        features: Φ, shape (n, D).
        index: A, in any order, in which the rows of the image are.
        high: float64, shape (D, C).
        low: more digits.
        product: `accurate_product` or `sliced_product`.

    Returns:
        The image, shape (|A|, C).

    Example:
        >>> from muso_theory.numbers.accurate import accurate_product
        >>> image(np.eye(2), np.array([1, 0]), np.array([[3.0], [4.0]]), None, accurate_product).high.ravel()
        array([4., 3.])
    """
    found = np.empty((3, len(index), high.shape[1]))
    for where, part in parts(features, index, least=ROWS):
        piece = product(part.matrix, slice(None), high, low)
        found[:, where] = piece.high, piece.low, piece.error
    return Accurate(*found)


def curvature(
    features: Any, index: Array, spread: Spread[Array] = here, growing: Growing | None = None
) -> Array:
    """Φ_AᵀΦ_A for the rows A, shape (D, D).

    Each entry is a sum of inner products of at most 256 rows, those of a span added first. With q of them in each of S
    spans but the last, a term takes part in at most q − 1 + S − 1 additions that round, as the first of each sum does
    not. From two spans on (S − 2)(q − 1) ≥ 0 makes these at most (S − 1)q + 1, and in one they are q − 1: never more
    than there are such products, which is what `gram_roundings` counts.

    Args:
        features: Φ, shape (n, D), an array or what gives rows.
        index: A, in any order.
        spread: who does it.
        growing: where the sum is kept while it grows, and what was kept before is taken from; None keeps nothing.

    Returns:
        Float64, exactly symmetric. Overflow shows as an infinite or NaN entry.

    Example:
        >>> curvature(np.array([[1.0, 2.0], [0.0, 3.0]]), np.array([1, 0]))
        array([[ 1.,  2.],
               [ 2., 13.]])
    """
    last = len(spans(len(index), features.shape[1]))
    total, count = (None, 0) if growing is None else growing.read(features.shape[1], last)
    for gram in _spread_out(spread, _gram, features, index, first=count):
        count += 1
        if total is None:
            total = gram
        else:
            with np.errstate(over="ignore", invalid="ignore"):
                total += gram
        if growing is not None:
            growing.keep(total, count, done=count == last)
    return np.zeros((features.shape[1],) * 2) if total is None else total


@ieee_proof()
def _gram(part: Part) -> Array:
    return blocked_gram(part.matrix.T)


def right_side(
    features: Any, index: Array, labels: Any, w: Array | None = None, spread: Spread[Array] = here
) -> Array:
    """Φ_Aᵀ(t − Φ_A w) in ordinary float64, of which nothing is claimed; without w by sums of rows where t are classes.

    Args:
        features: Φ, shape (n, D).
        index: A, in any order.
        labels: t in that order, shape (|A|, C).
        w: shape (D, C), or None for zero.
        spread: who does it.

    Returns:
        Float64, shape (D, C).

    Example:
        >>> right_side(np.eye(2), np.array([1, 0]), np.array([[3.0], [4.0]]), np.array([[1.0], [1.0]]))
        array([[3.],
               [2.]])
    """
    total = np.zeros((features.shape[1], labels.shape[1]))
    if w is None and len(index):
        # Where most rows are asked for, the others with labels of zero are cheaper than a copy without them.
        first, last = int(index.min()), int(index.max())
        if 2 * (last - first) < 3 * len(index) and (filled := scattered(labels, index - first)) is not None:
            index, labels = np.arange(first, last + 1), filled
    for found in _spread_out(spread, partial(_right, w=w), features, index, labels):
        with np.errstate(over="ignore", invalid="ignore"):
            total += found
    return total


@ieee_proof()
def _right(part: Part, w: Array | None) -> Array:
    block = part.matrix
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        if w is None:
            return times_labels(block, part.labels)
        return np.asarray(block.T @ (np.asarray(part.labels) - block @ w))


def residual_norm(
    features: Any,
    index: Array,
    labels: Any,
    w: Array | None = None,
    spread: Spread[tuple[Fraction, Fraction]] = here,
    low: Array | None = None,
) -> tuple[Fraction, Fraction]:
    """Bounds of ‖t − Φ_A(w + low)‖_F, the residual of no more than a span of rows being there at a time.

    Args:
        features: Φ, shape (n, D).
        index: A, in any order.
        labels: t in that order, float64, shape (|A|, C).
        w: float64, shape (D, C); None is zero, for which no row is read.
        spread: who does it.
        low: more digits of w, or None.

    Example:
        >>> ends = residual_norm(np.eye(2), np.array([1, 0]), np.array([[4.0], [5.0]]), np.ones((2, 1)))
        >>> [round(float(end), 12) for end in ends]
        [5.0, 5.0]
    """
    squares = [Fraction(0), Fraction(0)]
    for ends in _spread_out(spread, partial(_residual, w=w, low=low), features, index, labels):
        squares = [square + end**2 for square, end in zip(squares, ends, strict=True)]
    return root_down(squares[0]), root_up(squares[1])


@ieee_proof()
def _residual(part: Part, w: Array | None, low: Array | None) -> tuple[Fraction, Fraction]:
    """Of one span, some outputs after the others."""
    squares = [Fraction(0), Fraction(0)]
    block = None if w is None else part.matrix
    for start in range(0, part.labels.shape[1], COLUMNS_AT_ONCE):
        some = slice(start, start + COLUMNS_AT_ONCE)
        labels = np.asarray(part.labels[:, some])
        if w is None or block is None:
            ends = norm_bounds(labels)
        else:
            seen = accurate_product(block, slice(None), w[:, some], None if low is None else low[:, some])
            high, rest, slack = residual_pair(labels, seen)
            ends = ball_norm(high, rest, norm_bounds(slack)[1])
        squares = [square + end**2 for square, end in zip(squares, ends, strict=True)]
    return root_down(squares[0]), root_up(squares[1])


def gradient(
    features: Any,
    index: Array,
    labels: Any,
    w: Array,
    spread: Spread[tuple[Accurate, Fraction]] = here,
    low: Array | None = None,
) -> tuple[Accurate, Fraction]:
    """Φ_Aᵀ(t − Φ_A(w + low)), nearly exact.

    Args:
        features: Φ, shape (n, D).
        index: A, in any order.
        labels: t in that order, float64, shape (|A|, C).
        w: float64, shape (D, C).
        spread: who does it.
        low: more digits of w, or None.

    Returns:
        The gradient of a residual that is off by at most the second number (Frobenius norm), shape (D, C).

    Example:
        >>> found, off = gradient(np.eye(2), np.array([1, 0]), np.array([[3.0], [4.0]]), np.ones((2, 1)))
        >>> found.high.ravel(), float(found.error.max()) < 1e-15, off < 1e-15
        (array([3., 2.]), True, True)
    """
    ((found, off),) = gradients_by_spans([Gradient(features, index, labels, w, low, spread)])
    return found, certain(off)


def gradients_by_spans(asked: Sequence[Gradient]) -> list[tuple[Accurate, Fraction | None]]:
    """Of fits of one Φ as `gradients` has them, in one pass over spans of all rows that any of them has.

    Example:
        >>> asked = Gradient(np.eye(2), np.array([1, 0]), np.array([[3.0], [4.0]]), np.ones((2, 1)), spread=here)
        >>> ((found, off),) = gradients_by_spans([asked])
        >>> found.high.ravel(), float(found.error.max()) < 1e-15, off < 1e-15
        (array([3., 2.]), True, True)
    """
    features, spread = asked[0].features, asked[0].spread
    rows, places = joined(features.shape[0], [it.index for it in asked])
    cut = spans(len(rows), features.shape[1] + sum(it.w.shape[1] for it in asked))
    squares: list[Fraction | None] = [Fraction(0)] * len(asked)

    def pieces() -> Iterator[Part]:
        for span in cut:
            labels = []
            for it, place in zip(asked, places, strict=True):
                own = np.arange(len(rows))[span] if place is None else place[span]
                here = np.flatnonzero(own >= 0)
                labels.append((here, taken(it.labels, own[here])))
            yield Part(features, rows[span], labels)
            let_go(features)
        let_go(features, done=True)

    def found() -> Iterator[Accurate]:
        points = [(it.w, it.low) for it in asked]
        results = spread(partial(_gradients, points=points), pieces(), len(cut))
        for part, offs in counted(results, "a nearly exact pass over spans of rows", [1] * len(cut)):
            for i, off in enumerate(offs):
                known = squares[i]
                squares[i] = None if known is None or off is None else known + off**2
            yield part

    ends = [0, *accumulate(it.w.shape[1] for it in asked)]
    total = accurate_sum(found(), (features.shape[1], ends[-1]))
    own = (total.columns(slice(*pair)) for pair in pairwise(ends))
    return [
        (one, None if square is None else root_up(square)) for one, square in zip(own, squares, strict=True)
    ]


@ieee_proof()
def _gradients(
    part: Part, points: Sequence[tuple[Array, Array | None]]
) -> tuple[Accurate, list[Fraction | None]]:
    """Of one span, some outputs after the other: of all fits side by side, and by how much each residual is off."""
    block = part.matrix
    asked = [
        (i, Gradient(block, index, labels[:][:, some], w[:, some], None if low is None else low[:, some]))
        for i, ((w, low), (index, labels)) in enumerate(zip(points, part.labels, strict=True))
        for some in (slice(s, s + COLUMNS_AT_ONCE) for s in range(0, w.shape[1], COLUMNS_AT_ONCE))
    ]
    found: list[Accurate] = []
    squares: list[Fraction | None] = [Fraction(0)] * len(points)
    while asked:
        ends = accumulate(it.w.shape[1] for _, it in asked)
        now = asked[: max(1, sum(end <= COLUMNS_AT_ONCE for end in ends))]
        asked = asked[len(now) :]
        for (i, _), (piece, off) in zip(now, gradients([it for _, it in now]), strict=True):
            found.append(piece)
            known = squares[i]
            squares[i] = None if known is None or off is None else known + off**2
    every = (np.hstack([getattr(one, name) for one in found]) for name in ("high", "low", "error"))
    return Accurate(*every), [None if square is None else root_up(square) for square in squares]
