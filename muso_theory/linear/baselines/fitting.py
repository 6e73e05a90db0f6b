"""What methods fit besides w_p and w_r: ridge models, and training for so many epochs by ``linear.training``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ...numbers import FLOAT64
from ..closed_forms import Point
from ..model import Rows
from ..problem import Array, UnlearningProblem
from ..training import train

__all__ = ["Trained", "ridge_pretrained", "ridge_retrained", "row_steps", "trained"]


def ridge_pretrained(problem: UnlearningProblem, ridge: float) -> Point:
    """w_p^λ, in model coordinates.

    Args:
        problem: the problem.
        ridge: λ > 0.

    Returns:
        The minimiser of ‖Φw − y‖² + λ‖w − w₀‖².
    """
    model = problem.float_model
    return model.fit(model.everything, model.targets(model.everything), ridge=ridge)


def ridge_retrained(problem: UnlearningProblem, ridge: float) -> Point:
    """w_r^λ, in model coordinates.

    Args:
        problem: the problem.
        ridge: λ > 0.

    Returns:
        The minimiser of ‖Φ_R w − y_R‖² + λ‖w − w₀‖².
    """
    model = problem.float_model
    return model.fit(model.retain, model.targets(model.retain), ridge=ridge)


class Trained(NamedTuple):
    """Where training ended.

    Args:
        point: in model coordinates.
        epochs: passes done.
    """

    point: Point
    epochs: int


def trained(
    problem: UnlearningProblem,
    start: Point,
    method: str,
    step_sizes: Any,
    epochs: int,
    *,
    targets: Array | None = None,
    stop: Callable[[Array], bool] | None = None,
    ridge: float = 0.0,
) -> Trained:
    """Train on the retain set, or on everyone with given targets, from a point.

    Args:
        problem: the problem.
        start: where to start, in model coordinates.
        method: a method of ``train``.
        step_sizes: as for ``train``, of ½(φᵀw − y)².
        epochs: passes.
        targets: of everyone, (n, C) in position order; None trains on R with its own.
        stop: looks at w, shape (D, C), before the first and after every pass, and ends training when it returns True.
        ridge: λ of ½λ‖w − w₀‖², added to the loss.

    Returns:
        Where it ended.

    Raises:
        BadInputError: whatever ``train`` refuses, such as a sample of zero norm.
    """
    model = problem.float_model
    rows: Rows = model.retain if targets is None else model.everything
    y = model.targets(rows) if targets is None else targets
    features = FLOAT64.matrix(problem.features[model.order[list(rows)]])
    settings: dict[str, Any] = {}
    if ridge:
        settings = {"weight_decay": ridge, "anchor": model.explicit(model.start)}
    if stop is not None:
        settings.update(record=range(epochs + 1), callback=lambda epoch, w: stop(w))
    if model.is_dual and rows == model.retain:
        settings["gram"] = model.gram[: len(rows), : len(rows)]
    elif model.is_dual:
        settings["gram"] = model.gram
    done = train(features, y, model.explicit(start), method, step_sizes=step_sizes, epochs=epochs, **settings)
    return Trained(model.at(done.w), done.epochs)


def row_steps(problem: UnlearningProblem, rows: Rows) -> Array:
    """Steps 1/‖φ_i‖², at which every visit fits its sample and cyclic SGD converges (claim cyclic-sgd).

    Args:
        problem: the problem.
        rows: positions.

    Returns:
        One step a position; 1 for a sample of zero norm, which ``train`` refuses by name.
    """
    chosen = FLOAT64.matrix(problem.features[problem.float_model.order[list(rows)]])
    squares = np.einsum("ij,ij->i", chosen, chosen, dtype=np.float64)
    return np.asarray(1 / np.where(squares > 0, squares, 1.0))
