"""Events by which two samples of published numbers may be told apart, for audits to choose from."""

from __future__ import annotations

from typing import final

import numpy as np

from ..arrays import Array

__all__ = ["Events"]

_CLIP = 8.0
"""So many median deviations from the middle are as good as more, for what all columns share."""


@final
class Events:
    """Numbers of an output that tend to differ between two samples; an event is that one of them is above a threshold.

    Each published column gives itself in both directions, its distance from the middle in both directions, the place of
    its lowest bit in both directions, and whether its value has come back in either sample. All columns together give
    the direction in which the middles differ, and how far both clouds reach. Whatever these are made from, the draws
    that count an event must be others.

    Args:
        x: draws on one data set, shape (n, D).
        y: draws on the other, shape (n, D).

    Example:
        >>> rng = np.random.default_rng(0)
        >>> x, y = rng.standard_normal((2, 50, 3))
        >>> Events(x, y)(x).shape, Events(x, y)(x, column=4).shape
        ((50, 26), (50,))
    """

    def __init__(self, x: Array, y: Array) -> None:
        """Learn middles, scales and values that come back."""
        pooled = np.concatenate([x, y])
        # Powers of two near the largest entry: numbers of any size are then squared without overflow, and every column
        # is weighed by its own spread, so that none drowns another.
        self._exponent = np.frexp(np.abs(pooled).max(axis=0))[1]
        scaled = np.ldexp(pooled, -self._exponent)
        self._middle = np.median(scaled, axis=0)
        spread = np.median(np.abs(scaled - self._middle), axis=0)
        # More than half of the values are equal: what deviates is then far away at any scale.
        self._scale = np.where(spread > 0, spread, np.abs(scaled - self._middle).max(axis=0))
        self._scale[self._scale == 0] = 1.0
        self._back = [[_repeated(column) for column in sample.T] for sample in (x, y)]
        mine, other = (np.clip(self._standard(sample), -_CLIP, _CLIP) for sample in (x, y))
        self._centres = mine.mean(axis=0), other.mean(axis=0)
        self._variance = (mine.var(axis=0) + other.var(axis=0)) / 2 + 1e-6
        self._reach = [
            float(np.mean((v - c) ** 2 / self._variance)) + 1e-12
            for v, c in zip((mine, other), self._centres, strict=True)
        ]

    def _standard(self, sample: Array) -> Array:
        return self._column(sample, list(range(sample.shape[1])))

    def _column(self, sample: Array, columns: list[int]) -> Array:
        """Some columns in units of their own spread."""
        # Draws that count may be far larger than those that events were learned from: then infinite, which is far.
        with np.errstate(over="ignore"):
            found: Array = (np.ldexp(sample, -self._exponent[columns]) - self._middle[columns]) / self._scale[
                columns
            ]
        return found

    def __call__(self, sample: Array, column: int | None = None) -> Array:
        """All 8D + 2 numbers of draws of shape (n, D), or those of one column."""
        width = sample.shape[1]
        if column is not None and column < 8 * width:
            # Only the published column that it is about.
            kind, j = divmod(column, width)
            return self._single(sample[:, [j]], [j], kind)[:, 0]
        together = self._together(sample)
        if column is not None:
            return together[:, column - 8 * width]
        every = list(range(width))
        return np.hstack([*(self._single(sample, every, kind) for kind in range(8)), together])

    def _single(self, sample: Array, columns: list[int], kind: int) -> Array:
        """One kind of number of single columns."""
        if kind < 4:
            z = self._column(sample, columns)
            sign = 1 - 2 * (kind % 2)
            return sign * (z if kind < 2 else np.abs(z))
        if kind < 6:
            return (1 - 2 * (kind % 2)) * _lowest_bit(sample)
        back = self._back[kind - 6]
        return np.stack([np.isin(v, back[j]) for v, j in zip(sample.T, columns, strict=True)], axis=1) * 1.0

    def _together(self, sample: Array) -> Array:
        """Along the difference of middles, and the likelihood ratio of two normals of unlike spread."""
        z = np.clip(self._standard(sample), -_CLIP, _CLIP)
        (a, b), (near, wide) = self._centres, self._reach
        far = [np.sum((z - c) ** 2 / self._variance, axis=1) for c in (a, b)]
        # No BLAS, whose sums depend on how many rows there are: a draw must not fall on both sides of its own value.
        along = np.sum(z * ((a - b) / self._variance), axis=1)
        return np.stack([along, far[1] / wide - far[0] / near], axis=1)


def _repeated(column: Array) -> Array:
    """The values that occur more than once."""
    values, counts = np.unique(column, return_counts=True)
    return values[counts > 1]


def _lowest_bit(sample: Array) -> Array:
    """The exponent of the lowest bit of each number; of zero, one above all others."""
    mantissa, exponent = np.frexp(sample)
    whole = np.ldexp(mantissa, 53).astype(np.int64)
    lowest = np.frexp((whole & -whole).astype(np.float64))[1]
    return np.where(whole == 0, 1100, lowest + exponent - 54).astype(np.float64)
