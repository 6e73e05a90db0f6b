"""Averages and largest values over windows, and averages over bins and whole images, in NHWC layout."""

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
    check_pads,
    check_pair,
    entry_of,
    image_shape,
    padded_sizes,
    scatter,
    windows_of,
)

__all__ = ["AdaptiveAvgPool", "AvgPool", "GlobalAvgPool", "MaxPool"]


class _Windowed(Layer):
    """What windows and their steps are, however their values become one."""

    window: tuple[int, int]
    stride: tuple[int, int] | None

    def _check_windows(self) -> None:
        """Refuse what is no window and no step; None steps by a window."""
        check_pair(self.kind, "window", self.window)
        if self.stride is None:
            object.__setattr__(self, "stride", self.window)
        check_pair(self.kind, "stride", self.steps)

    def __str__(self) -> str:
        return f"{self.kind} {self.window[0]}×{self.window[1]}"

    @property
    def steps(self) -> tuple[int, int]:
        """Steps down and right."""
        return self.window if self.stride is None else self.stride


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
class AvgPool(_Windowed, _LinearPool):
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
        self._check_windows()

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


@final
@checked
@dataclass(frozen=True)
class MaxPool(_Windowed):
    """The largest value of each window; of equal ones the first, row by row, has the derivative.

    Padding is never the largest. Entries that no window reaches are left out, as published networks do. Refuses
    (BadInputError) an image smaller than the window, padding of the size of the window, and complex numbers, as the
    largest value is not analytic.

    Args:
        window: height and width.
        stride: steps down and right; None means the window (no overlap).
        padding: entries before and after, down and right.

    Example:
        >>> import numpy as np
        >>> MaxPool((2, 2)).forward([], np.arange(4.0).reshape(1, 2, 2, 1))[0].ravel()
        array([3.])
        >>> MaxPool((3, 3), (2, 2), ((1, 1), (1, 1))).output_shape((112, 112, 64))
        (56, 56, 64)
    """

    window: tuple[int, int]
    stride: tuple[int, int] | None = None
    padding: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))
    fresh: ClassVar[bool] = True
    kind: ClassVar[str] = "max_pool"

    def __post_init__(self) -> None:
        self._check_windows()
        check_pads("max_pool", self.padding)
        object.__setattr__(self, "padding", tuple(tuple(pair) for pair in self.padding))
        for pads, size in zip(self.padding, self.window, strict=True):
            if max(pads) >= size:
                what = f"padding smaller than the window {self.window}, so that no window is empty"
                raise expected(what, "padding", self.padding, "tuple", "half the window, rounded down")

    @property
    def analytic(self) -> bool:
        """False: the largest of complex numbers is not defined."""
        return False

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """(oh, ow, c) for (H, W, c).

        Returns:
            The output shape.

        Raises:
            BadInputError: if the padded image is smaller than a window.
        """
        _, _, channels = image_shape(shape, "for max_pool")
        return (*padded_sizes("max_pool", shape, self.padding, self.window, self.steps), channels)

    def _entries(self, x: Array, fill: Any) -> list[Array]:
        """Entry by entry of the windows, row by row, the entries of all windows (n, oh, ow, c)."""
        padded = np.pad(x, ((0, 0), *self.padding, (0, 0)), constant_values=fill)
        positions = self.output_shape(x.shape[1:])[:2]
        places = [(place[0], place[1]) for place in np.ndindex(*self.window)]
        return [entry_of(padded, place, (positions[0], positions[1]), self.steps) for place in places]

    def forward(self, p: Params, x: Array) -> tuple[Array, Any]:
        """Largest values; the cache is the entry of each window that has it, and the input's shape.

        Returns:
            Output and cache.

        Raises:
            BadInputError: for complex numbers.
        """
        if np.iscomplexobj(x):
            hint = "method='richardson', or an average pool"
            raise expected("real numbers, as the largest value is not analytic", "x", x.dtype, "dtype", hint)
        least = x.ravel()[0] * 0 - np.inf if x.dtype == object and x.size else -np.inf
        best: Array | None = None
        for number, entry in enumerate(self._entries(x, least)):
            if best is None:
                best, which = entry.copy(), np.zeros(entry.shape, dtype=np.intp)
                continue
            better = np.asarray(entry > best, dtype=bool)
            np.copyto(best, entry, where=better)
            which[better] = number
        assert best is not None
        return best, (which, x.shape)

    def reach(self, x: Array) -> Array:
        """Half of what the two largest values of a window differ by, the least over the windows of an entry.

        Returns:
            Of x's shape; 1 where only one entry or none can be the largest.
        """
        values = np.sort(np.stack(self._entries(x, -np.inf)), axis=0)
        gap = np.full_like(values[0], np.inf) if len(values) == 1 else (values[-1] - values[-2]) / 2
        down, right = self.output_shape(x.shape[1:])[:2]
        positions = (down, right)
        found = np.full(x.shape, 1.0)
        padded = np.pad(found, ((0, 0), *self.padding, (0, 0)))
        for place in np.ndindex(*self.window):
            view = entry_of(padded, (place[0], place[1]), positions, self.steps)
            np.minimum(view, gap, out=view)
        return self._inner(padded, x.shape)

    def _inner(self, padded: Array, shape: tuple[int, ...]) -> Array:
        """Padded images without their padding."""
        (top, _), (left, _) = self.padding
        return padded[:, top : top + shape[1], left : left + shape[2]]

    def jvp(self, p: Params, cache: Any, dp: Params, dx: Array | None) -> Array | None:
        """The tangents of the largest values.

        Returns:
            The tangent of the output.
        """
        if dx is None:
            return None
        which, _ = cache
        found = np.zeros(which.shape, dtype=dx.dtype)
        for number, entry in enumerate(self._entries(dx, 0)):
            np.copyto(found, entry, where=which == number)
        return found

    def pull(self, p: Params, cache: Any, cotangent: Cotangent) -> Cotangent:
        """Each cotangent to the entry that was the largest.

        Returns:
            The cotangent of the input, in full.
        """
        which, shape = cache
        values = cotangent.expand(len(which))
        n, k = values.shape[:2]
        (top, bottom), (left, right) = self.padding
        back = np.zeros((n * k, top + shape[1] + bottom, left + shape[2] + right, shape[3]), values.dtype)
        positions = which.shape[1:3]
        for number, place in enumerate(np.ndindex(*self.window)):
            view = entry_of(back, (place[0], place[1]), (positions[0], positions[1]), self.steps)
            view += (values * (which == number)[:, None]).reshape(n * k, *which.shape[1:])
        inner = self._inner(back, (n * k, *shape[1:])).reshape(n, k, *shape[1:])
        return Cotangent(inner, tuple(shape[1:]), per_sample=True)
