"""Layer normalisation over the last axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from ..arguments import checked
from ..arrays import Array
from ..errors import check_integer, expected
from .cotangents import Cotangent
from .functions import functions_for
from .layer import Layer, Params

__all__ = ["LayerNorm"]


@final
@checked
@dataclass(frozen=True)
class LayerNorm(Layer):
    """y = gain ∘ (x − mean)/√(variance + eps) + bias, over the last axis (features or channels).

    Parameters are the gain (ones at initialisation) and the bias (zeros), each (size,). Refuses
    (BadInputError) inputs whose last axis has another length, and a size or eps that is not positive.

    Args:
        size: length of the last axis.
        eps: added to the variance.

    Example:
        >>> import numpy as np
        >>> layer = LayerNorm(2, eps=1e-12)
        >>> layer.forward([np.ones(2), np.zeros(2)], np.array([[1.0, 3.0]]))[0].round(6)
        array([[-1.,  1.]])
    """

    size: int
    eps: float = 1e-5
    kind: ClassVar[str] = "layer_norm"

    def __post_init__(self) -> None:
        check_integer("size", self.size, 1, hint="64")
        if not self.eps > 0:
            raise expected(
                "a positive number in layer_norm", "eps", self.eps, type(self.eps).__name__, "1e-5"
            )

    def __str__(self) -> str:
        return f"layer_norm {self.size}"

    @property
    def param_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Gain and bias."""
        return ((self.size,), (self.size,))

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The input shape.

        Returns:
            The same shape.

        Raises:
            BadInputError: if the last axis has another length.
        """
        if not shape or shape[-1] != self.size:
            hint = f"size={shape[-1] if shape else 1}"
            raise expected(f"a last axis of length {self.size}", "shape", shape, "shape before it", hint)
        return shape

    def init(self, rng: np.random.Generator) -> list[Array]:
        """Ones and zeros.

        Returns:
            [gain, bias].
        """
        return [np.ones(self.size), np.zeros(self.size)]

    def forward(self, p: Params, x: Array) -> tuple[Array, Any]:
        """Normalise; the cache is the normalised input and the inverse standard deviation.

        Returns:
            Output and cache.
        """
        centred = x - x.sum(axis=-1, keepdims=True) / self.size
        variance = (centred * centred).sum(axis=-1, keepdims=True) / self.size  # no conjugate: analytic
        inverse = 1 / functions_for(variance).apply("sqrt", variance + self.eps)
        normal = centred * inverse
        return p[0] * normal + p[1], (normal, inverse)

    def _differential(self, cache: Any, tangent: Array) -> Array:
        """The derivative of the normalised input, a symmetric matrix for each sample and position."""
        normal, inverse = cache
        extra = tangent.ndim - normal.ndim  # an axis of outputs after the samples when pulling back
        if extra:
            normal, inverse = normal[:, None], inverse[:, None]
        mean = tangent.sum(axis=-1, keepdims=True) / self.size
        along = (tangent * normal).sum(axis=-1, keepdims=True) / self.size
        return np.asarray((tangent - mean - normal * along) * inverse)

    def jvp(self, p: Params, cache: Any, dp: Params, dx: Array | None) -> Array | None:
        """Derivative by gain, bias and input.

        Returns:
            The tangent of the output.
        """
        y = dp[0] * cache[0] + dp[1]
        return np.asarray(y if dx is None else y + p[0] * self._differential(cache, dx))

    def pull(self, p: Params, cache: Any, cotangent: Cotangent) -> Cotangent:
        """The same symmetric matrix, applied to gain times cotangent.

        Returns:
            The cotangent of the input, in full.
        """
        values = cotangent.expand(len(cache[0])) * p[0]
        return Cotangent(self._differential(cache, values), cotangent.shape, per_sample=True)

    def gradient(self, p: Params, cache: Any, dy: Array) -> list[Array]:
        """Σ Δ ∘ normalised input and Σ Δ.

        Returns:
            [d gain, d bias].
        """
        axes = tuple(range(dy.ndim - 1))
        return [(dy * cache[0]).sum(axis=axes), dy.sum(axis=axes)]

    def rows(self, p: Params, cache: Any, dy: Array) -> list[Array]:
        """The same for every sample and output.

        Returns:
            Two arrays (n, k, size).
        """
        axes = tuple(range(2, dy.ndim - 1))
        return [(dy * cache[0][:, None]).sum(axis=axes), dy.sum(axis=axes)]
