"""Normalisation of each sample: of every position, and of groups of channels."""

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

__all__ = ["GroupNorm", "LayerNorm", "check_last", "check_norm", "differential", "normalised", "sums_by"]


def _mean(values: Array, axes: tuple[int, ...]) -> Array:
    """The mean over some axes, which are kept; by sums and a quotient, as numbers of every kind have them."""
    total = values.sum(axis=axes, keepdims=True)
    return np.asarray(total / (values.size // max(1, total.size)))


def normalised(x: Array, axes: tuple[int, ...], eps: float) -> tuple[Array, Array, Array, Array]:
    """(x − mean)/√(variance + eps) over some axes, with the inverse root, the mean and the variance."""
    mean = _mean(x, axes)
    centred = x - mean
    variance = _mean(centred * centred, axes)  # no conjugate: analytic
    inverse = 1 / functions_for(variance).apply("sqrt", variance + eps)
    return centred * inverse, inverse, mean, variance


def differential(tangent: Array, normal: Array, inverse: Array, axes: tuple[int, ...]) -> Array:
    """The derivative of :func:`normalised`, a symmetric matrix on the entries that have their mean in common."""
    along = _mean(tangent * normal, axes)
    return np.asarray((tangent - _mean(tangent, axes) - normal * along) * inverse)


def sums_by(dy: Array, normal: Array, first: int) -> list[Array]:
    """Σ Δ ∘ normalised input and Σ Δ over positions, and over samples where ``first`` is 0."""
    axes = tuple(range(first, dy.ndim - 1))
    return [(dy * normal).sum(axis=axes), dy.sum(axis=axes)]


def check_norm(kind: str, size: int, eps: float) -> None:
    """Refuse a size or an eps that is not positive."""
    check_integer("size", size, 1, hint="64")
    if not eps > 0:
        raise expected(f"a positive number in {kind}", "eps", eps, type(eps).__name__, "1e-5")


def check_last(size: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape, which is refused where its last axis has another length."""
    if not shape or shape[-1] != size:
        hint = f"size={shape[-1] if shape else 1}"
        raise expected(f"a last axis of length {size}", "shape", shape, "shape before it", hint)
    return shape


class _Norm(Layer):
    """What gain and bias of ``size`` features are, however the input of a sample is normalised."""

    size: int

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
        return check_last(self.size, shape)

    def init(self, rng: np.random.Generator) -> list[Array]:
        """Ones and zeros.

        Returns:
            [gain, bias].
        """
        return [np.ones(self.size), np.zeros(self.size)]

    def gradient(self, p: Params, cache: Any, dy: Array) -> list[Array]:
        """Σ Δ ∘ normalised input and Σ Δ.

        Returns:
            [d gain, d bias].
        """
        return sums_by(dy, cache[0], 0)

    def rows(self, p: Params, cache: Any, dy: Array) -> list[Array]:
        """The same for every sample and output.

        Returns:
            Two arrays (n, k, size).
        """
        return sums_by(dy, cache[0][:, None], 2)


@final
@checked
@dataclass(frozen=True)
class LayerNorm(_Norm):
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
        check_norm("layer_norm", self.size, self.eps)

    def __str__(self) -> str:
        return f"layer_norm {self.size}"

    def forward(self, p: Params, x: Array) -> tuple[Array, Any]:
        """Normalise; the cache is the normalised input and the inverse standard deviation.

        Returns:
            Output and cache.
        """
        normal, inverse, _, _ = normalised(x, (-1,), self.eps)
        return p[0] * normal + p[1], (normal, inverse)

    def _differential(self, cache: Any, tangent: Array) -> Array:
        """The derivative of the normalised input, a symmetric matrix for each sample and position."""
        normal, inverse = cache
        extra = tangent.ndim - normal.ndim  # an axis of outputs after the samples when pulling back
        if extra:
            normal, inverse = normal[:, None], inverse[:, None]
        return differential(tangent, normal, inverse, (-1,))

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


@final
@checked
@dataclass(frozen=True)
class GroupNorm(_Norm):
    """y = gain ∘ (x − mean)/√(variance + eps) + bias, over all positions and a group of channels of one sample.

    With one group a sample is normalised as a whole, with as many groups as channels each channel by itself.
    Parameters are the gain (ones at initialisation) and the bias (zeros), each (size,). Refuses (BadInputError)
    inputs whose last axis has another length, groups that do not divide it, and a size or eps that is not positive.

    Args:
        groups: number of groups of channels.
        size: number of channels.
        eps: added to the variance.

    Example:
        >>> import numpy as np
        >>> layer = GroupNorm(1, 2, eps=1e-12)
        >>> layer.forward([np.ones(2), np.zeros(2)], np.array([[[[1.0, 3.0]]]]))[0].round(6)
        array([[[[-1.,  1.]]]])
    """

    groups: int
    size: int
    eps: float = 1e-5
    kind: ClassVar[str] = "group_norm"

    def __post_init__(self) -> None:
        check_norm("group_norm", self.size, self.eps)
        if self.size % check_integer("groups", self.groups, 1, hint="1"):
            what = f"groups that divide {self.size} channels of group_norm"
            raise expected(what, "groups", self.groups, "leaves a remainder", f"a divisor of {self.size}")

    def __str__(self) -> str:
        return f"group_norm {self.size} in {self.groups} groups"

    def _cut(self, values: Array, lead: int) -> Array:
        """Positions, groups and channels of a group as the last three axes, after ``lead`` others."""
        return values.reshape(*values.shape[:lead], -1, self.groups, self.size // self.groups)

    def forward(self, p: Params, x: Array) -> tuple[Array, Any]:
        """Normalise; the cache is the normalised input and the inverse standard deviations.

        Returns:
            Output and cache.
        """
        normal, inverse, _, _ = normalised(self._cut(x, 1), (1, 3), self.eps)
        normal = normal.reshape(x.shape)
        return p[0] * normal + p[1], (normal, inverse)

    def jvp(self, p: Params, cache: Any, dp: Params, dx: Array | None) -> Array | None:
        """Derivative by gain, bias and input.

        Returns:
            The tangent of the output.
        """
        normal, inverse = cache
        y = dp[0] * normal + dp[1]
        if dx is None:
            return np.asarray(y)
        moved = differential(self._cut(dx, 1), self._cut(normal, 1), inverse, (1, 3))
        return np.asarray(y + p[0] * moved.reshape(dx.shape))

    def pull(self, p: Params, cache: Any, cotangent: Cotangent) -> Cotangent:
        """The same symmetric matrix, applied to gain times cotangent.

        Returns:
            The cotangent of the input, in full.
        """
        normal, inverse = cache
        values = cotangent.expand(len(normal)) * p[0]
        back = differential(self._cut(values, 2), self._cut(normal, 1)[:, None], inverse[:, None], (2, 4))
        return Cotangent(back.reshape(values.shape), cotangent.shape, per_sample=True, owned=True)
