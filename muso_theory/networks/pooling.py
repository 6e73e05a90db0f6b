"""Averages over windows, bins and whole images in NHWC layout."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from ..arguments import checked
from ..arrays import Array
from ..errors import expected
from .cotangents import Cotangent
from .layer import Layer, Params
from .patches import (
    check_pair,
    image_shape,
    scatter,
    windows_of,
)

__all__ = ["AdaptiveAvgPool", "AvgPool", "GlobalAvgPool"]


class _LinearPool(Layer):
    """A pool without parameters that is linear, and so its own derivative."""

    def jvp(self, p: Params, cache: Any, dp: Params, dx: Array | None) -> Array | None:
        """Pool the tangent.

        Returns:
            The tangent of the output.
        """
        return None if dx is None else self.forward(p, dx)[0]


@final
@checked
@dataclass(frozen=True)
class AvgPool(_LinearPool):
    """Average over windows, without padding.

    Refuses (BadInputError) an image that the windows do not tile exactly: dropping the remainder would
    quietly ignore pixels.

    Args:
        window: height and width.
        stride: steps down and right; None means the window (no overlap).

    Example:
        >>> AvgPool((2, 2)).output_shape((8, 8, 3))
        (4, 4, 3)
    """

    window: tuple[int, int]
    stride: tuple[int, int] | None = None
    kind: ClassVar[str] = "avg_pool"

    def __post_init__(self) -> None:
        check_pair("avg_pool", "window", self.window)
        if self.stride is None:
            object.__setattr__(self, "stride", self.window)
        check_pair("avg_pool", "stride", self.steps)

    def __str__(self) -> str:
        return f"avg_pool {self.window[0]}×{self.window[1]}"

    @property
    def steps(self) -> tuple[int, int]:
        """Steps down and right."""
        return self.window if self.stride is None else self.stride

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """(oh, ow, c) for (H, W, c).

        Returns:
            The output shape.

        Raises:
            BadInputError: if the windows leave a remainder.
        """
        height, width, channels = image_shape(shape, "for avg_pool")
        sizes = []
        for size, window, step in zip((height, width), self.window, self.steps, strict=True):
            if size < window or (size - window) % step:
                raise expected(
                    f"an image that windows {self.window} with steps {self.steps} tile exactly",
                    "shape",
                    shape,
                    "shape before it",
                    f"a window that divides {height}×{width}, or crop the images",
                )
            sizes.append((size - window) // step + 1)
        return (sizes[0], sizes[1], channels)

    def forward(self, p: Params, x: Array) -> tuple[Array, Any]:
        """Means of windows; the cache is the input's shape.

        Returns:
            Output and cache.
        """
        return windows_of(x, self.window, self.steps).sum(axis=(3, 4)) / math.prod(self.window), x.shape

    def pull(self, p: Params, cache: Any, cotangent: Cotangent) -> Cotangent:
        """Spread the cotangent evenly over each window.

        Returns:
            The cotangent of the input.
        """
        shape = tuple(cache[1:])

        def transpose(values: Array) -> Array:
            m, k, oh, ow, c = values.shape
            spread = (values / math.prod(self.window)).reshape(m * k, oh, ow, 1, 1, c)
            windows = np.broadcast_to(spread, (m * k, oh, ow, *self.window, c))
            return scatter(windows, (shape[0], shape[1]), self.steps).reshape(m, k, *shape)

        return cotangent.linear(transpose, shape, cache[0])


@final
@dataclass(frozen=True)
class GlobalAvgPool(_LinearPool):
    """Average over all positions: (H, W, c) to (c,).

    Example:
        >>> GlobalAvgPool().output_shape((4, 4, 32))
        (32,)
    """

    kind: ClassVar[str] = "global_avg_pool"

    def __str__(self) -> str:
        return "global_avg_pool"

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """(c,) for (H, W, c).

        Returns:
            The output shape.
        """
        return (image_shape(shape, "for global_avg_pool")[2],)

    def forward(self, p: Params, x: Array) -> tuple[Array, Any]:
        """Means over positions; the cache is the input's shape.

        Returns:
            Output and cache.
        """
        return x.sum(axis=(1, 2)) / (x.shape[1] * x.shape[2]), x.shape

    def pull(self, p: Params, cache: Any, cotangent: Cotangent) -> Cotangent:
        """The same cotangent at every position, kept as one.

        Returns:
            The cotangent of the input, with spatial axes of length 1 in its factor ``right``.
        """
        n, height, width, channels = cache
        right = cotangent.right / (height * width)
        left = cotangent.left
        return Cotangent(
            right.reshape(*right.shape[:2], 1, 1, channels),
            (height, width, channels),
            None if left is None else np.broadcast_to(left[:, None, None, :], (n, height, width, channels)),
            cotangent.per_sample,
        )


@final
@checked
@dataclass(frozen=True)
class AdaptiveAvgPool(_LinearPool):
    """Averages over so many bins as are asked for: bin i of ``size`` over L entries is ⌊iL/size⌋ … ⌈(i + 1)L/size⌉ − 1.

    Bins overlap where ``size`` does not divide L, and repeat entries where it is larger.

    Args:
        size: bins down and right.

    Example:
        >>> import numpy as np
        >>> AdaptiveAvgPool((1, 2)).forward([], np.array([[[[1.0], [2.0], [6.0]]]]))[0].ravel()
        array([1.5, 4. ])
    """

    size: tuple[int, int]
    kind: ClassVar[str] = "adaptive_avg_pool"

    def __post_init__(self) -> None:
        check_pair("adaptive_avg_pool", "size", self.size)

    def __str__(self) -> str:
        return f"adaptive_avg_pool {self.size[0]}×{self.size[1]}"

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """(*size, c) for (H, W, c).

        Returns:
            The output shape.
        """
        return (*self.size, image_shape(shape, "for adaptive_avg_pool")[2])

    def _means(self, shape: tuple[int, ...], dtype: Any) -> tuple[Array, Array]:
        """The averages down (oh, H) and right (ow, W) as matrices."""
        found = []
        for size, length in zip(self.size, shape, strict=True):
            matrix = np.zeros((size, length), dtype=dtype)
            for i in range(size):
                bin = slice(i * length // size, -(-(i + 1) * length // size))
                matrix[i, bin] = 1
                matrix[i] = matrix[i] / (bin.stop - bin.start)
            found.append(matrix)
        return found[0], found[1]

    def forward(self, p: Params, x: Array) -> tuple[Array, Any]:
        """Means of bins; the cache is the input's shape.

        Returns:
            Output and cache.
        """
        down, right = self._means(x.shape[1:3], x.dtype)
        return np.einsum("ih,jw,nhwc->nijc", down, right, x, optimize=x.dtype != object), x.shape

    def pull(self, p: Params, cache: Any, cotangent: Cotangent) -> Cotangent:
        """Spread the cotangent over the bins.

        Returns:
            The cotangent of the input.
        """
        down, right = self._means(cache[1:3], cotangent.right.dtype)

        def transpose(values: Array) -> Array:
            plain = values.dtype != object
            return np.asarray(np.einsum("ih,jw,nkijc->nkhwc", down, right, values, optimize=plain))

        return cotangent.linear(transpose, tuple(cache[1:]), cache[0])
