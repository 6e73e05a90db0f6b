"""Normalisation by the statistics of a batch, and by running ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from ..arguments import checked
from ..arrays import Array
from ..errors import expected
from .cotangents import Cotangent
from .functions import functions_for
from .layer import Layer, Params
from .normalisation import check_last, check_norm, differential, normalised, sums_by

__all__ = ["BatchNorm"]


def _into(operation: np.ufunc, room: Array, other: Array) -> Array:
    """A sum or product, written over its first factor where that has the type for it: images are bound by memory."""
    fits = room.dtype == np.result_type(room, other)
    return np.asarray(operation(room, other, out=room if fits else None))


@final
@checked
@dataclass(frozen=True)
class BatchNorm(Layer):
    """y = gain ∘ (x − mean)/√(variance + eps) + bias, channel by channel (S. Ioffe, C. Szegedy 2015).

    Parameters are gain, bias, running mean and running variance, each (size,). A network evaluates and linearises with
    the running statistics, which are held: their gradients and columns of J are zero, and samples do not interact.
    In training mean and variance are those of the batch, over samples and positions, the gradient passes through
    them, and the running statistics move towards them by ``momentum`` (the variance by its unbiased estimate).
    Refuses (BadInputError) inputs whose last axis has another length, a batch of one sample in training, negative
    variances, and a size, eps or momentum out of range.

    Args:
        size: number of channels.
        eps: added to the variance.
        momentum: share of the batch in the running statistics.

    Example:
        >>> import numpy as np
        >>> layer = BatchNorm(1, eps=1e-12)
        >>> params = [np.ones(1), np.zeros(1), np.full(1, 2.0), np.full(1, 4.0)]
        >>> layer.forward(params, np.array([[4.0]]))[0].round(6)
        array([[1.]])
        >>> y, _, after = layer.forward_training(params, np.array([[1.0], [3.0]]), np.random.default_rng(0))
        >>> y.round(6).ravel(), after[2], after[3]
        (array([-1.,  1.]), array([2.]), array([3.8]))
    """

    size: int
    eps: float = 1e-5
    momentum: float = 0.1
    fresh: ClassVar[bool] = True
    kind: ClassVar[str] = "batch_norm"

    def __post_init__(self) -> None:
        check_norm("batch_norm", self.size, self.eps)
        if not 0 < self.momentum <= 1:
            what = "a momentum in (0, 1] in batch_norm"
            raise expected(what, "momentum", self.momentum, type(self.momentum).__name__, "0.1")

    def __str__(self) -> str:
        return f"batch_norm {self.size}"

    @property
    def param_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Gain, bias, running mean, running variance."""
        return ((self.size,),) * 4

    @property
    def trainable(self) -> tuple[bool, ...]:
        """Gain and bias."""
        return (True, True, False, False)

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The input shape.

        Returns:
            The same shape.

        Raises:
            BadInputError: if the last axis has another length.
        """
        return check_last(self.size, shape)

    def init(self, rng: np.random.Generator) -> list[Array]:
        """Gain 1, bias 0, mean 0, variance 1.

        Returns:
            [gain, bias, mean, variance].
        """
        return [np.ones(self.size), np.zeros(self.size), np.zeros(self.size), np.ones(self.size)]

    def forward(self, p: Params, x: Array) -> tuple[Array, Any]:
        """Normalise by the running statistics; the cache is the normalised input and the inverse deviation.

        Returns:
            Output and cache.
        """
        gain, bias, mean, variance = p
        if variance.dtype.kind == "f" and (variance < 0).any():
            least = float(variance.min())
            raise expected("running variances of at least 0", "variance", least, str(self), "net.init(seed)")
        inverse = 1 / functions_for(variance).apply("sqrt", variance + self.eps)
        normal = _into(np.multiply, x - mean, inverse)
        return _into(np.add, gain * normal, bias), (normal, inverse, False)

    def forward_training(
        self, p: Params, x: Array, rng: np.random.Generator
    ) -> tuple[Array, Any, list[Array]]:
        """Normalise by the statistics of the batch.

        Returns:
            Output, cache, and the parameters with moved running statistics.

        Raises:
            BadInputError: for a batch of fewer than two samples.
        """
        if len(x) < 2:
            what = f"batches of at least two samples in training, for the statistics of {self}"
            hint = (
                "at least two samples to train on (two to forget, where a method ascends on these alone), and a "
                "batch_size that leaves no remainder of one"
            )
            raise expected(what, "batch", x.shape, "shape before it", hint)
        axes = tuple(range(x.ndim - 1))
        normal, inverse, mean, variance = normalised(x, axes, self.eps)
        count, share = x.size // self.size, self.momentum
        batch = (mean.reshape(-1), variance.reshape(-1) * (count / (count - 1)))
        moved = [(1 - share) * old + share * new for old, new in zip(p[2:], batch, strict=True)]
        y = p[0] * normal + p[1]
        return (
            y,
            (normal, inverse, True),
            [*p[:2], *(np.asarray(m, dtype=old.dtype) for m, old in zip(moved, p[2:], strict=True))],
        )

    def jvp(self, p: Params, cache: Any, dp: Params, dx: Array | None) -> Array | None:
        """Derivative by gain, bias and input, the running statistics held.

        Returns:
            The tangent of the output.
        """
        normal, inverse, _ = cache
        y = dp[0] * normal + dp[1]
        return np.asarray(y if dx is None else y + dx * (p[0] * inverse))

    def pull(self, p: Params, cache: Any, cotangent: Cotangent) -> Cotangent:
        """Times gain/√(variance + eps), as factored as it comes; in training also through the statistics.

        Returns:
            The cotangent of the input.
        """
        normal, inverse, of_batch = cache
        if not of_batch:
            owned = cotangent.left is None and cotangent.per_sample
            right = cotangent.right * (p[0] * inverse)
            return Cotangent(right, cotangent.shape, cotangent.left, cotangent.per_sample, owned)
        values = cotangent.expand(len(normal)) * p[0]
        axes = (0, *range(2, values.ndim - 1))
        back = differential(values, normal[:, None], inverse[:, None], axes)
        return Cotangent(back, cotangent.shape, per_sample=True, owned=True)

    def gradient(self, p: Params, cache: Any, dy: Array) -> list[Array]:
        """Σ Δ ∘ normalised input, Σ Δ, and zeros for the running statistics.

        Returns:
            Four arrays (size,).
        """
        found = sums_by(dy, cache[0], 0)
        return [*found, *(np.zeros_like(found[0]) for _ in range(2))]

    def rows(self, p: Params, cache: Any, dy: Array) -> list[Array]:
        """The same for every sample and output.

        Returns:
            Four arrays (n, k, size).
        """
        found = sums_by(dy, cache[0][:, None], 2)
        return [*found, *(np.zeros_like(found[0]) for _ in range(2))]
