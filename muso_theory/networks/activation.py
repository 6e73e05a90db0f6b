"""A nonlinearity between layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, final

import numpy as np

from ..arrays import Array
from ..errors import expected
from .cotangents import Cotangent
from .functions import nonlinearity
from .layer import Layer, Params

__all__ = ["Activation"]


@final
@dataclass(frozen=True)
class Activation(Layer):
    """A nonlinearity applied entrywise.

    Refuses (BadInputError) unknown names, with a suggestion, and complex inputs to relu and leaky_relu:
    they are not analytic, so the complex step would differentiate something else. relu'(0) = 0.

    Args:
        name: a key of ``muso_theory.networks.ACTIVATIONS``.

    Example:
        >>> import numpy as np
        >>> Activation("relu").forward([], np.array([[-1.0, 2.0]]))[0]
        array([[-0.,  2.]])
    """

    name: str
    kind: ClassVar[str] = "activation"
    spelled: ClassVar[Mapping[str, str]] = MappingProxyType({"name": "activation"})

    def __post_init__(self) -> None:
        nonlinearity(self.name)

    def __str__(self) -> str:
        return self.name

    @property
    def analytic(self) -> bool:
        """Whether the function is."""
        return nonlinearity(self.name).analytic

    def reach(self, x: Array) -> Array | None:
        """The distance to the nearest kink of the function.

        Returns:
            Of x's shape, or None for a function without kinks.
        """
        kinks = nonlinearity(self.name).kinks
        return np.min([np.abs(x - kink) for kink in kinks], axis=0) if kinks else None

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The input shape.

        Returns:
            The same shape.
        """
        return shape

    def forward(self, p: Params, x: Array, out: Array | None = None) -> tuple[Array, Any]:
        """Values; the cache is the slope at every entry.

        Args:
            p: nothing.
            x: inputs.
            out: room that the values may take; may be x.

        Returns:
            Output and cache.

        Raises:
            BadInputError: for complex input to a function that is not analytic.
        """
        function = nonlinearity(self.name)
        if np.iscomplexobj(x) and not function.analytic:
            raise expected(
                "an analytic activation for complex numbers (the complex step needs one)",
                "activation",
                self.name,
                "not analytic at 0",
                "method='richardson', or a smooth activation such as 'softplus'",
            )
        return function.value_and_slope(x, out)

    def jvp(self, p: Params, cache: Any, dp: Params, dx: Array | None) -> Array | None:
        """Slope times tangent.

        Returns:
            The tangent of the output.
        """
        return None if dx is None else cache * dx

    def pull(self, p: Params, cache: Any, cotangent: Cotangent) -> Cotangent:
        """Slope times cotangent.

        Returns:
            The cotangent of the input.
        """
        return cotangent.scale(cache)
