"""Largest values over windows in NHWC layout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from ..arguments import checked
from ..arrays import Array
from ..errors import expected
from .cotangents import Cotangent
from .layer import Layer, Params
from .patches import check_pads, check_pair, entry_of, image_shape, padded_sizes

__all__ = ["MaxPool"]


@final
@checked
@dataclass(frozen=True)
class MaxPool(Layer):
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
        check_pair("max_pool", "window", self.window)
        if self.stride is None:
            object.__setattr__(self, "stride", self.window)
        check_pair("max_pool", "stride", self.steps)
        check_pads("max_pool", self.padding)
        object.__setattr__(self, "padding", tuple(tuple(pair) for pair in self.padding))
        for pads, size in zip(self.padding, self.window, strict=True):
            if max(pads) >= size:
                what = f"padding smaller than the window {self.window}, so that no window is empty"
                raise expected(what, "padding", self.padding, "tuple", "half the window, rounded down")

    def __str__(self) -> str:
        return f"max_pool {self.window[0]}×{self.window[1]}"

    @property
    def steps(self) -> tuple[int, int]:
        """Steps down and right."""
        return self.window if self.stride is None else self.stride

    @property
    def analytic(self) -> bool:
        """It is not."""
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
        """What lies within the padding."""
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
