"""Update rules: plain descent, momentum, Nesterov, Adam and AdamW, with weight decay and a mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, final, get_args

import numpy as np

from muso_theory.errors import expected

from .functions import Array

__all__ = ["OPTIMIZERS", "Optimizer", "Updates"]

Optimizer = Literal["gd", "momentum", "nesterov", "adam", "adamw"]
OPTIMIZERS: tuple[str, ...] = get_args(Optimizer)


@final
class Updates:
    """The state of one optimiser; ``step`` returns new arrays and leaves the old ones alone.

    Args:
        kind: the rule.
        rate: η.
        params: parameters, for their shapes.
        momentum: of heavy ball and Nesterov.
        weight_decay: λ, added as λθ to the gradient; decoupled, as ηλθ, for ``"adamw"``.
        mask: zeros and ones shaped like the parameters; where it is zero nothing moves.

    Example:
        >>> import numpy as np
        >>> Updates("gd", 0.5, [np.ones(2)], mask=[np.array([0.0, 1.0])]).step([np.ones(2)], [np.ones(2)])
        [array([1. , 0.5])]
    """

    def __init__(
        self,
        kind: Optimizer,
        rate: float,
        params: Sequence[Array],
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        mask: Sequence[Array] | None = None,
    ) -> None:
        if not (np.isfinite(weight_decay) and weight_decay >= 0):
            raise expected("a nonnegative number", "weight_decay", weight_decay, "out of range", "0")
        if mask is not None and [m.shape for m in mask] != [p.shape for p in params]:
            raise expected(
                "a mask shaped like the parameters", "mask", [m.shape for m in mask], "shapes", "None"
            )
        self.kind, self.rate, self.momentum = kind, rate, momentum
        self.weight_decay, self.mask = weight_decay, mask
        self.first = [np.zeros_like(p) for p in params]
        self.second = [np.zeros_like(p) for p in params]
        self.count = 0

    def lookahead(self, params: list[Array]) -> list[Array]:
        """Where the gradient is taken: ahead of the parameters for Nesterov's method.

        Args:
            params: the parameters.

        Returns:
            The point of the gradient.
        """
        if self.kind != "nesterov":
            return params
        return [p + self.momentum * v for p, v in zip(params, self.first, strict=True)]

    def step(self, params: list[Array], gradient: list[Array]) -> list[Array]:
        """One update.

        Args:
            params: before.
            gradient: of the loss at ``lookahead``.

        Returns:
            The parameters after it.
        """
        decay = self.weight_decay
        if decay and self.kind != "adamw":
            gradient = [g + decay * p for p, g in zip(params, gradient, strict=True)]
        moved = self._step(params, gradient)
        if decay and self.kind == "adamw":
            moved = [m - self.rate * decay * p for m, p in zip(moved, params, strict=True)]
        if self.mask is None:
            return moved
        return [np.where(keep, m, p) for keep, m, p in zip(self.mask, moved, params, strict=True)]

    def _step(self, params: list[Array], gradient: list[Array]) -> list[Array]:
        """The rule without decay and mask."""
        self.count += 1
        if self.kind == "gd":
            return [p - self.rate * g for p, g in zip(params, gradient, strict=True)]
        if self.kind in ("momentum", "nesterov"):
            self.first = [
                self.momentum * v - self.rate * g for v, g in zip(self.first, gradient, strict=True)
            ]
            return [p + v for p, v in zip(params, self.first, strict=True)]
        beta1, beta2, eps = 0.9, 0.999, 1e-8
        self.first = [beta1 * m + (1 - beta1) * g for m, g in zip(self.first, gradient, strict=True)]
        self.second = [beta2 * v + (1 - beta2) * g * g for v, g in zip(self.second, gradient, strict=True)]
        scale1, scale2 = 1 - beta1**self.count, 1 - beta2**self.count
        moments = zip(params, self.first, self.second, strict=True)
        return [p - self.rate * (m / scale1) / (np.sqrt(v / scale2) + eps) for p, m, v in moments]
