"""How a network was trained, so that retraining is done alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, final

from ..arguments import checked
from ..arrays import Array
from ..descent.hyper import Hyper
from ..descent.losses import LossName
from ..errors import expected, nearest
from .network import Sequential
from .training import check_descent, train

__all__ = ["Recipe"]


@final
@checked
@dataclass(frozen=True)
class Recipe:
    """How a network is trained: pretraining and retraining share it.

    Args:
        loss: ``"cross-entropy"`` or ``"squared"`` (on one-hot targets), averaged over a batch.
        optimizer: one of gd (SGD when there are batches), momentum, nesterov, adam, adamw.
        learning_rate: η.
        epochs: passes over the data.
        batch_size: samples a step; None takes all.
        momentum: of the momentum methods.
        weight_decay: λ.
        seed: of the order of the batches.

    Example:
        >>> Recipe(epochs=3).optimizer
        'adam'
    """

    loss: LossName = "cross-entropy"
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    epochs: int = 30
    batch_size: int | None = 64
    momentum: float = Hyper.momentum
    weight_decay: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.loss not in ("cross-entropy", "squared"):
            raise expected(
                "a loss", "loss", self.loss, "unknown", nearest(str(self.loss), ["cross-entropy", "squared"])
            )
        check_descent(
            self.optimizer, self.epochs, self.learning_rate, self.batch_size, self.seed, self.momentum
        )

    @checked
    def fit(
        self, net: Sequential, params: Sequence[Array], X: Array, targets: Array, **changes: Any
    ) -> list[Array]:
        """Train from given parameters.

        Args:
            net: the network.
            params: where to start; not modified.
            X: inputs (n, *input_shape).
            targets: (n, k), distributions for cross-entropy.
            **changes: ``weights`` and ``mask`` of :func:`muso_theory.networks.train`, and fields of this recipe.

        Returns:
            The trained parameters.

        Raises:
            DivergedError: when the loss leaves the finite numbers.
        """
        extra = {name: changes.pop(name) for name in ("weights", "mask") if name in changes}
        recipe = replace(self, **changes)
        return train(
            net,
            params,
            X,
            targets,
            epochs=recipe.epochs,
            learning_rate=recipe.learning_rate,
            loss=recipe.loss,
            optimizer=recipe.optimizer,
            momentum=recipe.momentum,
            batch_size=recipe.batch_size,
            reduction="mean",
            weight_decay=recipe.weight_decay,
            seed=recipe.seed,
            record_every=max(1, recipe.epochs),
            **extra,
        ).params
