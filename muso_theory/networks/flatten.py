"""From images to flat inputs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, final

from ..arrays import Array
from .cotangents import Cotangent
from .layer import Layer, Params

__all__ = ["Flatten"]


@final
@dataclass(frozen=True)
class Flatten(Layer):
    """Row-major flattening of each sample.

    Example:
        >>> Flatten().output_shape((8, 8, 3))
        (192,)
    """

    kind: ClassVar[str] = "flatten"

    def __str__(self) -> str:
        return "flatten"

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """One axis.

        Returns:
            (product of the input shape,).
        """
        return (math.prod(shape),)

    def forward(self, p: Params, x: Array) -> tuple[Array, Any]:
        """Reshape; the cache is the input's shape.

        Returns:
            Output and cache.
        """
        return x.reshape(len(x), -1), x.shape

    def jvp(self, p: Params, cache: Any, dp: Params, dx: Array | None) -> Array | None:
        """Reshape the tangent.

        Returns:
            The tangent of the output.
        """
        return None if dx is None else dx.reshape(len(dx), -1)

    def pull(self, p: Params, cache: Any, cotangent: Cotangent) -> Cotangent:
        """Reshape the cotangent.

        Returns:
            The cotangent of the input.
        """
        return cotangent.reshape(tuple(cache[1:]))
