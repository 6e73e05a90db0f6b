"""Dropout: the identity but in training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from ..arguments import checked
from ..arrays import Array
from ..errors import expected
from .cotangents import Cotangent
from .layer import Layer, Params

__all__ = ["Dropout"]


@final
@checked
@dataclass(frozen=True)
class Dropout(Layer):
    """In training entries are dropped with probability ``rate`` and the others divided by 1 − rate; else the identity.

    Which are dropped is drawn from the seed of the training. Refuses (BadInputError) a rate outside of [0, 1).

    Args:
        rate: probability that an entry is dropped.
        whole: whether samples are dropped as a whole, as for stochastic depth in the body of a residual sum.

    Example:
        >>> import numpy as np
        >>> layer, x = Dropout(0.5), np.ones((1, 4))
        >>> layer.forward([], x)[0]
        array([[1., 1., 1., 1.]])
        >>> layer.forward_training([], x, np.random.default_rng(0))[0]
        array([[2., 0., 0., 0.]])
    """

    rate: float
    whole: bool = False
    kind: ClassVar[str] = "dropout"

    def __post_init__(self) -> None:
        if not 0 <= self.rate < 1:
            raise expected("a rate in [0, 1) in dropout", "rate", self.rate, type(self.rate).__name__, "0.5")

    def __str__(self) -> str:
        return f"dropout {self.rate:g}"

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The input shape.

        Returns:
            The same shape.
        """
        return shape

    def forward(self, p: Params, x: Array) -> tuple[Array, Any]:
        """The identity; nothing is cached.

        Returns:
            The input.
        """
        return x, None

    def forward_training(
        self, p: Params, x: Array, rng: np.random.Generator
    ) -> tuple[Array, Any, list[Array]]:
        """Drop entries; the cache is what the input was multiplied by.

        Returns:
            Output, factors, no parameters.
        """
        shape = (len(x),) + (1,) * (x.ndim - 1) if self.whole else x.shape
        kept = (rng.random(shape) >= self.rate) / (1 - self.rate)
        factors = np.broadcast_to(kept.astype(x.dtype), x.shape)
        return factors * x, factors, []

    def jvp(self, p: Params, cache: Any, dp: Params, dx: Array | None) -> Array | None:
        """The same factors.

        Returns:
            The tangent of the output.
        """
        return dx if dx is None or cache is None else cache * dx

    def pull(self, p: Params, cache: Any, cotangent: Cotangent) -> Cotangent:
        """The same factors.

        Returns:
            The cotangent of the input.
        """
        return cotangent if cache is None else cotangent.scale(cache)
