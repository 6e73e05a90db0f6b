"""Guided search: climb the relative gap over the entries of a problem, round to plain dyadic ones, confirm exactly."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..arrays import Array
from ..linear.problem import UnlearningProblem
from .structures import exact_array
from .trials import Trial

__all__ = ["worst_problems"]

_BOUND = 64.0
_GRID = 1024
_GRIDS = (1, 2, 8, 64, _GRID)
_SHAPES = ((3, 3, 1, False), (2, 2, 1, True), (4, 5, 2, True), (4, 2, 1, False))


def _problem(x: Array, shape: tuple[int, int, int, bool], grid: int) -> UnlearningProblem:
    """Entries on a grid 1/grid as a problem: Φ, y and, if wanted, w₀; the last samples are forgotten."""
    n, d, n_forget, start = shape
    exact = exact_array(np.round(np.asarray(x) * grid) / grid)
    return UnlearningProblem(
        exact[: n * d].reshape(n, d),
        exact[n * d : n * d + n],
        np.arange(n - n_forget, n),
        exact[n * d + n :] if start else None,
    )


def worst_problems(
    trial: Trial, starts: int, seed: int, most: int = 1200
) -> Iterator[tuple[str, UnlearningProblem]]:
    """Problems near maxima of the gap relative to doing nothing, found by Powell's method.

    Args:
        starts: number of starts, each of another size.
        seed: seed of the starts.
        most: problems that all starts together may ask.
    """
    from scipy.optimize import minimize

    rng = np.random.default_rng(seed)
    calls = most // max(1, starts) - len(_GRIDS)
    if calls < 1:
        return
    for start in range(starts):
        shape = _SHAPES[start % len(_SHAPES)]
        n, d, _, with_start = shape
        size = n * d + n + (d if with_start else 0)

        def objective(x: Array, shape: tuple[int, int, int, bool] = shape) -> float:
            attempt = trial.attempt(_problem(np.clip(x, -_BOUND, _BOUND), shape, _GRID))
            if attempt.failure is not None and attempt.square_gap is None:
                return -1e300  # misbehaviour: worse than any gap
            return -attempt.relative

        begin = rng.integers(-3, 4, size).astype(float) + rng.uniform(-0.25, 0.25, size)
        with np.errstate(
            over="ignore"
        ):  # the search squares differences, and misbehaviour is far from any gap
            best = minimize(
                objective,
                begin,
                method="Powell",
                bounds=[(-_BOUND, _BOUND)] * size,
                options={"maxfev": calls, "xtol": 1e-2, "ftol": 1e-3},
            )
        for grid in _GRIDS:
            yield "guided", _problem(np.clip(best.x, -_BOUND, _BOUND), shape, grid)
