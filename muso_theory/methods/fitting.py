"""What methods train: a linear model for so many epochs, and a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ..arguments import checked
from ..arrays import Array
from ..descent.losses import targets_for
from ..descent.passes import Passes
from ..descent.schedules import ResolvedSteps
from ..linear.closed_forms import Point, float_model
from ..linear.model import Rows
from ..linear.problem import UnlearningProblem
from ..linear.training import Training, train
from ..networks.problem import NetworkProblem
from ..networks.training import NetworkLoop, check_descent
from ..numbers import FLOAT64

__all__ = ["Descent", "row_steps", "trained"]


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
) -> Training:
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
        Where it ended, w in the shape (D, C).

    Raises:
        BadInputError: whatever ``train`` refuses, such as a sample of zero norm.
    """
    model = float_model(problem)
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
    return train(features, y, model.explicit(start), method, step_sizes=step_sizes, epochs=epochs, **settings)


def row_steps(problem: UnlearningProblem, rows: Rows) -> Array:
    """Steps 1/‖φ_i‖², by which a visit fits its sample (claim cyclic-sgd); 1 at zero norm, which ``train`` refuses."""
    chosen = FLOAT64.matrix(problem.features[float_model(problem).order[list(rows)]])
    squares = np.einsum("ij,ij->i", chosen, chosen, dtype=np.float64)
    return np.asarray(1 / np.where(squares > 0, squares, 1.0))


@final
@checked
@dataclass(frozen=True)
class Descent:
    """How a network is fine-tuned from θ_p: the loss is that of its recipe, without weight decay.

    A setting of methods; the loop and the update rules by which anything here is trained are the room
    ``muso_theory.descent``.

    Args:
        epochs: passes.
        learning_rate: η.
        optimizer: the rule.
        batch_size: samples a step; None takes all.
        seed: of the order of the batches.
    """

    epochs: int = 5
    learning_rate: float = 1e-3
    optimizer: str = "adam"
    batch_size: int | None = 64
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        check_descent(self.optimizer, self.epochs, self.learning_rate, self.batch_size, self.seed)

    def fit(
        self,
        problem: NetworkProblem,
        samples: Array,
        targets: Array | None = None,
        params: Sequence[Array] | None = None,
        **extra: Any,
    ) -> list[Array]:
        """Fine-tune on some samples; L_S is their mean loss.

        Args:
            problem: the problem.
            samples: indices, m of them.
            targets: theirs, shape (m, k), when they are not the data's own.
            params: where to start; θ_p when left out.
            **extra: ``weights`` and ``mask`` of :func:`muso_theory.networks.train`.

        Returns:
            θ.

        Raises:
            DivergedError: parameters that are not finite or broken.
        """
        start = problem.pretrained if params is None else params
        wanted = problem.targets[samples] if targets is None else targets.astype(problem.X.dtype)
        settings = {**vars(self), "weight_decay": 0.0, **extra}
        found = problem.recipe.fit(problem.net, start, problem.X[samples], wanted, **settings)
        return problem.check_trained(found, self.learning_rate)

    def relabel(self, problem: NetworkProblem, labels: Array, **extra: Any) -> list[Array]:
        """Fine-tune on everything, the forget samples relabelled.

        Args:
            problem: the problem.
            labels: ỹ_F, shape (n_F, k).
            **extra: as in ``fit``.

        Returns:
            θ.
        """
        targets = problem.targets.copy()
        targets[problem.forget] = labels
        return self.fit(problem, np.arange(len(problem.X)), targets, **extra)

    def loop(
        self, problem: NetworkProblem, samples: Array, targets: Array | None = None, **extra: Any
    ) -> NetworkLoop:
        """The descent from θ_p that ``fit`` runs to its end, for methods that follow more than labels.

        Args:
            problem: the problem.
            samples: indices, m of them.
            targets: theirs, shape (m, k), when they are not the data's own.
            **extra: ``weights`` and ``beside`` of :class:`muso_theory.networks.training.NetworkLoop`.

        Returns:
            What is advanced by passes; its ``state`` is θ, which ``check_trained`` has to look at in the end.
        """
        wanted = problem.targets[samples] if targets is None else targets.astype(problem.X.dtype)
        wanted, n = targets_for(wanted, wanted, problem.recipe.loss), len(samples)
        size = min(self.batch_size or n, n)
        steps = ResolvedSteps(self.learning_rate, size, restart=True)
        return NetworkLoop(
            problem.net,
            list(problem.pretrained),
            problem.X[samples],
            lambda rows: wanted[rows],
            problem.recipe.loss,
            self.optimizer,
            Passes(n, "shuffled" if size < n else "full", steps, self.seed),
            momentum=problem.recipe.momentum,
            mean=True,
            **extra,
        )

    def finish(self, problem: NetworkProblem, loop: NetworkLoop) -> list[Array]:
        """Advance through all epochs.

        Args:
            problem: the problem.
            loop: of ``loop``.

        Returns:
            θ.

        Raises:
            DivergedError: parameters that are not finite or broken.
        """
        with np.errstate(all="ignore"):  # divergence is told below
            loop.advance(self.epochs)
        return problem.check_trained(loop.state, self.learning_rate)
