"""Small exact problems from bounded integer draws: one generator for the falsifier's seed and for Hypothesis.

A *draw* answers ``draw(low, high)`` with an integer in that range. Everything here is made of such draws, integers and
dyadic fractions, so that every problem is the same set of numbers in float64 and in exact arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from ..arrays import Array
from ..errors import expected, nearest
from ..former import former
from ..linear.problem import UnlearningProblem

__all__ = ["STRUCTURES", "Draw", "draw_features", "draw_problem", "exact_array"]
former(__name__)

Draw = Callable[[int, int], int]
"""An integer from low to high, both included."""

ExactRows = list[list[Fraction | int]]


def exact_array(values: Any) -> Array:
    """Numbers as an object array of Fractions; floats are taken as the dyadic rationals they are.

    Example:
        >>> exact_array([0.5, 2])
        array([Fraction(1, 2), Fraction(2, 1)], dtype=object)
    """
    array = np.asarray(values)
    out = np.empty(array.shape, dtype=object)
    for index, value in np.ndenumerate(array):
        if isinstance(value, np.integer | np.bool_):
            value = int(value)
        top, bottom = value.as_integer_ratio()
        out[index] = Fraction(int(top), int(bottom))
    return out


def _random(draw: Draw, n: int, d: int, forget: Sequence[int]) -> ExactRows:
    return [[draw(-3, 3) for _ in range(d)] for _ in range(n)]


def _binary(draw: Draw, n: int, d: int, forget: Sequence[int]) -> ExactRows:
    return [[draw(0, 1) for _ in range(d)] for _ in range(n)]


def _duplicated(draw: Draw, n: int, d: int, forget: Sequence[int]) -> ExactRows:
    """Some rows are multiples of earlier ones."""
    rows: ExactRows = []
    for i in range(n):
        if i and draw(0, 2) > 0:
            scale = (1, -1, 2)[draw(0, 2)]
            rows.append([scale * x for x in rows[draw(0, i - 1)]])
        else:
            rows.append([draw(-3, 3) for _ in range(d)])
    return rows


def _low_rank(draw: Draw, n: int, d: int, forget: Sequence[int]) -> ExactRows:
    """A product through fewer dimensions than either side has."""
    rank = draw(1, max(1, min(n, d) - 1))
    left = [[draw(-2, 2) for _ in range(rank)] for _ in range(n)]
    right = [[draw(-2, 2) for _ in range(d)] for _ in range(rank)]
    return [[sum(a * right[k][j] for k, a in enumerate(row)) for j in range(d)] for row in left]


def _graded(draw: Draw, n: int, d: int, forget: Sequence[int]) -> ExactRows:
    """Columns that fade by a power of two each: graded singular values, dyadic entries."""
    fade = draw(1, 3)
    return [[Fraction(draw(-3, 3), 2 ** (fade * j)) for j in range(d)] for _ in range(n)]


def _orthogonal(draw: Draw, n: int, d: int, forget: Sequence[int]) -> ExactRows:
    """Retain rows live on the first columns and forget rows on the others: K_RF = 0."""
    cut = max(1, d - draw(1, max(1, d // 2))) if d > 1 else 1
    return [[draw(-3, 3) if (j < cut) != (i in forget) else 0 for j in range(d)] for i in range(n)]


def _vandermonde(draw: Draw, n: int, d: int, forget: Sequence[int]) -> ExactRows:
    """Powers of small dyadic nodes."""
    nodes = [Fraction(draw(-4, 4), 2) for _ in range(n)]
    return [[x**j for j in range(d)] for x in nodes]


def _fourier(draw: Draw, n: int, d: int, forget: Sequence[int]) -> ExactRows:
    """Cosine block then sine block of small frequencies and samples, rounded to eighths."""
    half = (d + 1) // 2
    frequencies = [draw(-4, 4) / 2 for _ in range(half)]
    samples = [draw(-4, 4) / 2 for _ in range(n)]
    return [
        [
            Fraction(round(8 * (math.cos(f * x) if j < half else math.sin(f * x))), 8)
            for j, f in enumerate((frequencies * 2)[:d])
        ]
        for x in samples
    ]


STRUCTURES: dict[str, Callable[[Draw, int, int, Sequence[int]], ExactRows]] = {
    "random": _random,
    "binary": _binary,
    "duplicated": _duplicated,
    "low-rank": _low_rank,
    "graded": _graded,
    "orthogonal": _orthogonal,
    "vandermonde": _vandermonde,
    "fourier": _fourier,
}
"""Ways to fill a feature matrix, by name; each takes a draw, n, D and the forget rows."""


def draw_features(draw: Draw, structure: str, n: int, d: int, forget: Sequence[int] = ()) -> Array:
    """A feature matrix, object array (n, d) of dyadic Fractions, of a given structure of ``STRUCTURES``.

    Raises:
        BadInputError: an unknown structure.

    Example:
        >>> draw_features(lambda low, high: high, "vandermonde", 2, 3).tolist()[0]
        [Fraction(1, 1), Fraction(2, 1), Fraction(4, 1)]
    """
    if structure not in STRUCTURES:
        raise expected("a structure", "structure", structure, "unknown", nearest(structure, STRUCTURES))
    return exact_array(np.array(STRUCTURES[structure](draw, n, d, forget), dtype=object).reshape(n, d))


def draw_problem(
    draw: Draw, structure: str, max_samples: int = 6, max_features: int = 8, max_outputs: int = 2
) -> UnlearningProblem:
    """A small exact problem.

    Returns:
        A problem whose arrays hold Fractions. About a third have targets ±1, half have w₀ = 0, a fifth several outputs.

    Example:
        >>> draw_problem(lambda low, high: low, "binary")
        UnlearningProblem(n=2, D=1, outputs=1, forget=1, retain=1, w_init=zero, ...)
    """
    n, d = draw(2, max_samples), draw(1, max_features)
    n_forget = draw(1, min(n - 1, 3))
    left = list(range(n))
    forget = sorted(left.pop(draw(0, len(left) - 1)) for _ in range(n_forget))
    features = draw_features(draw, structure, n, d, forget)
    outputs = draw(2, max_outputs) if max_outputs > 1 and draw(0, 4) == 4 else 1
    classes = draw(0, 2) == 2
    shape: tuple[int, ...] = (n,) if outputs == 1 else (n, outputs)
    targets = [2 * draw(0, 1) - 1 if classes else draw(-3, 3) for _ in range(n * outputs)]
    start = [draw(-2, 2) for _ in range(d * outputs)] if draw(0, 1) else None
    return UnlearningProblem(
        features,
        exact_array(targets).reshape(shape),
        np.array(forget),
        None if start is None else exact_array(start).reshape((d, *shape[1:])),
    )
