"""Whether a Gram matrix goes into tiles on disk, which follows from sizes and memory, and what that takes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..errors import expected
from ..machine import memory, memory_of
from ..numbers import tiles
from ..numbers.gram import COLUMN_BLOCK
from ..numbers.spans import SPAN_BYTES
from ..numbers.threads import thread_count
from ..numbers.tiled import strip_width
from ..rows import ByRows, rows_at_once
from ..understood import Understood
from .problem import UnlearningProblem

__all__ = [
    "PROCESS_BYTES",
    "disk_bytes",
    "dual_bytes",
    "given_bytes",
    "held_bytes",
    "in_tiles",
    "output_bytes",
    "primal_bytes",
    "reading_bytes",
    "tiled_bytes",
    "tiles_told",
    "within",
]

PROCESS_BYTES = 240_000_000
"""What Python with its libraries takes, and room for what is small."""

_BLOCKS, _SPANS = 60_000_000, 110_000_000
"""Blocks of rows of a dual problem, and spans of a primal one with what is computed from them."""

_MATRICES = 6
"""Of the size of K that are in memory at a time: K̂, factors of it and of K_R, one that is being made, a few blocks."""

_READING = 3
"""Of the size of a block of a store that are in memory while it is read."""

_ON_DISK = 3
"""K̂, its factor, and one that is being made."""


def dual_bytes(problem: UnlearningProblem) -> int:
    """Estimated memory of a dual problem with K in it and rows of a store; outputs and arrays given apart."""
    rows = _read_bytes(problem)[0] if isinstance(problem.features, ByRows) else 0
    return int(PROCESS_BYTES + _BLOCKS + _MATRICES * 8 * problem.n_samples**2 + rows)


def primal_bytes(problem: UnlearningProblem) -> int:
    """The same of a problem with more samples than features, for which K is no matrix of its own."""
    n, d = problem.n_samples, problem.n_features
    # A few spans and a few matrices; of few rows there is no whole span.
    entries = min(7 * n * d + 8 * d**2, _SPANS / 8 + 12 * d**2)
    return int(PROCESS_BYTES + 8 * entries) + reading_bytes(problem)


def reading_bytes(problem: UnlearningProblem) -> int:
    """Memory that a block of a store takes while it is read; none where no rows are in a store."""
    return _READING * problem.features.block_bytes if isinstance(problem.features, ByRows) else 0


def in_tiles(problem: UnlearningProblem) -> bool:
    """Whether K goes into tiles: n ≤ D, floats, in memory or a store, and more than this process may have.

    Example:
        >>> in_tiles(UnlearningProblem(np.eye(2, 3), [1.0, 2.0], [0]))
        False
    """
    fits = dual_bytes(problem) + output_bytes(problem) + given_bytes(problem) <= memory()
    return _is_plain(problem) and problem.n_samples <= problem.n_features and not fits


def _is_plain(problem: UnlearningProblem) -> bool:
    """Whether its features are floats, whose proved bounds are computed in blocks."""
    return problem.features.dtype in (np.float32, np.float64)


def output_bytes(problem: UnlearningProblem, every: bool = True) -> int:
    """Memory of parameters, labels and what is made of them; of a hundred outputs or more this may be most of all.

    Some twenty columns of D for each output, and columns of n of a dual problem or of a span of rows of another: for a
    claim about labels six, for ``every`` claim sixteen.
    """
    n, d, c = problem.n_samples, problem.n_features, problem.n_outputs
    if n <= d:
        return 170 * (n + d) * c
    return 170 * d * c + (130 if every else 50) * min(n, SPAN_BYTES // (8 * d)) * c


def given_bytes(problem: UnlearningProblem) -> int:
    """Memory of the arrays that were given: not of those in a file that is mapped, or made when rows are asked for."""
    return sum(map(_held, (problem.features, problem.targets, problem.w_init)))


def held_bytes(problem: UnlearningProblem) -> int:
    """Memory that is taken before a check: by the process, and by the arrays that it was given."""
    return PROCESS_BYTES + given_bytes(problem)


def _held(array: Any) -> int:
    mapped = not isinstance(array, np.ndarray) or getattr(array, "_mmap", None) is not None
    return 0 if mapped else array.nbytes


def tiled_bytes(problem: UnlearningProblem) -> int:
    """Memory that a dual problem takes at least: with K in tiles, of which a row is in memory at a time."""
    n = problem.n_samples
    rows, thread = _read_bytes(problem)
    forget = 8 * len(problem.forget) * (2 * n + len(problem.forget))
    blocks = _BLOCKS + 8 * tiles.TILE * n + rows + thread_count() * thread
    return int(held_bytes(problem) + blocks + forget + output_bytes(problem))


def _read_bytes(problem: UnlearningProblem) -> tuple[int, int]:
    """Bytes of the rows that are in memory while a row of tiles is formed, and of what a thread has."""
    n, d, features = problem.n_samples, problem.n_features, problem.features
    own = 4 * 8 * tiles.TILE**2  # three tiles and the bytes of one
    if isinstance(features, ByRows):
        # Whole rows: those that stay, those that come by, and twice what is read at once. What stays may be a view that
        # keeps its block, while another one is read: as it is stored, as it is decoded, and as it is kept.
        row, block = d * features.dtype.itemsize, features.block_bytes
        stay = row * rows_at_once(features, n, COLUMN_BLOCK, room=8 * tiles.TILE * n)
        come = row * (rows_at_once(features, COLUMN_BLOCK) + 2 * rows_at_once(features, n))
        return max(stay, block) + max(come, reading_bytes(problem)), own
    width = min(strip_width(d), COLUMN_BLOCK * -(-d // COLUMN_BLOCK))
    # A thread has some rows of a strip, as they are stored and as float64.
    return 8 * min(tiles.TILE, n) * width, max(3 * 8 * COLUMN_BLOCK * width, own)


def _is_tall(features: Any) -> bool:
    """Whether a block has more rows than would be read at once."""
    if not isinstance(features, ByRows):
        return False
    return (
        features.block_bytes
        > rows_at_once(features, len(features)) * features.shape[1] * features.dtype.itemsize
    )


def disk_bytes(problem: UnlearningProblem) -> int:
    """Bytes of tiles that are on disk at a time."""
    return _ON_DISK * tiles.tile_bytes(problem.n_samples)


def tiles_told(problem: UnlearningProblem) -> list[Understood]:
    """What is to be known of where K is: one row, or none where it is in memory.

    Example:
        >>> tiles_told(UnlearningProblem(np.eye(2, 3), [1.0, 2.0], [0]))
        []
    """
    if not in_tiles(problem):
        return []
    count = math.ceil(problem.n_samples / tiles.TILE)
    size = f"{disk_bytes(problem) / 1e9:.2g} GB with its factors"
    words = f"{count * (count + 1) // 2} tiles on disk, {size}"
    return [Understood("K", words, "inferred", "--memory")]


@contextmanager
def within(gigabytes: float | None, problem: UnlearningProblem, every: bool = True) -> Iterator[None]:
    """Have a check keep to so many gigabytes, of 10⁹ bytes, in all; None leaves it to the machine.

    Args:
        every: whether of all claims, some of which take more for each sample and output.

    Raises:
        BadInputError: fewer than proved float64 bounds of float features take: with K in memory
            or in tiles, or with more samples than features.

    Example:
        >>> with within(2.0, UnlearningProblem(np.eye(2, 3), [1.0, 2.0], [0])):
        ...     memory()
        2000000000
    """
    if gigabytes is None:
        yield
        return
    with memory_of(int(min(gigabytes, 1e6) * 10**9)):
        if _is_plain(problem) and memory() < (least := _least_bytes(problem, every)):
            enough = math.ceil(least / 1e7) / 100
            what = f"{enough:g} gigabytes or more, as this is estimated to take,"
            tall = ", or a store with chunks of fewer rows" * _is_tall(problem.features)
            threads = f"{thread_count()} thread{'s' * (thread_count() > 1)}"
            size = f"{problem.n_samples} samples, {problem.n_features} features, {threads}"
            raise expected(what, "memory", gigabytes, size, f"{enough:g}{tall}")
        yield


def _least_bytes(problem: UnlearningProblem, every: bool) -> int:
    """The memory with which a problem can be checked: of a small K, a matrix takes less than a row of its tiles."""
    beside = output_bytes(problem, every) + given_bytes(problem)
    if problem.n_samples > problem.n_features:
        return primal_bytes(problem) + beside
    return min(dual_bytes(problem) + beside, tiled_bytes(problem))
