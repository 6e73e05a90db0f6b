"""Windows of images in NHWC layout, and how they are summed back; for convolution and pooling."""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..errors import expected

__all__ = [
    "Pads",
    "Pair",
    "check_pads",
    "check_pair",
    "entry_of",
    "image_shape",
    "padded_sizes",
    "reach_of",
    "scatter",
    "windows_of",
]


Pair = tuple[int, int]
Pads = tuple[Pair, Pair]
"""Entries before and after, down and right."""


def windows_of(x: Array, kernel: Pair, stride: Pair, dilation: Pair = (1, 1)) -> Array:
    """View (n, H, W, c) as windows (n, oh, ow, kh, kw, c) without copying."""
    view = np.lib.stride_tricks.sliding_window_view(x, reach_of(kernel, dilation), axis=(1, 2))
    taken = view[:, :: stride[0], :: stride[1], :, :: dilation[0], :: dilation[1]]
    return taken.transpose(0, 1, 2, 4, 5, 3)


def reach_of(kernel: Pair, dilation: Pair) -> Pair:
    """Height and width from a window's first entry to its last."""
    return (kernel[0] - 1) * dilation[0] + 1, (kernel[1] - 1) * dilation[1] + 1


def scatter(windows: Array, shape: Pair, stride: Pair, dilation: Pair = (1, 1)) -> Array:
    """Adjoint of ``windows_of``: sum windows (n, oh, ow, kh, kw, c) into images (n, *shape, c)."""
    n, _, _, kh, kw, c = windows.shape
    images = np.zeros((n, *shape, c), dtype=windows.dtype)
    for i in range(kh):
        for j in range(kw):
            entry_of(images, (i, j), windows.shape[1:3], stride, dilation)[...] += windows[:, :, :, i, j]
    return images


def entry_of(images: Array, entry: Pair, positions: Pair, stride: Pair, dilation: Pair = (1, 1)) -> Array:
    """One entry (i, j) of every window, as a view (n, oh, ow, c) of the images."""
    down, right = (
        slice(start, start + step * size, step)
        for start, step, size in zip(
            (entry[0] * dilation[0], entry[1] * dilation[1]), stride, positions, strict=True
        )
    )
    return images[:, down, right]


def image_shape(shape: tuple[int, ...], what: str) -> tuple[int, int, int]:
    """Unpack (H, W, c); refuse anything else."""
    if len(shape) != 3:
        raise expected(
            f"an image of shape (height, width, channels) {what}",
            "shape",
            shape,
            "shape before it",
            "data in NHWC layout, and flatten only after it",
        )
    return shape[0], shape[1], shape[2]


def check_pair(kind: str, name: str, pair: tuple[int, int]) -> None:
    """Refuse a window or a stride that is not two positive whole numbers."""
    good = len(pair) == 2 and all(isinstance(v, (int, np.integer)) and v >= 1 for v in pair)
    if not good:
        raise expected(f"two positive whole numbers in {kind}", name, pair, type(pair).__name__, "(2, 2)")


def _is_pair(pair: object) -> bool:
    """Whether these are two whole numbers that are not negative."""
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        return False
    return all(isinstance(v, int | np.integer) and v >= 0 for v in pair)


def check_pads(kind: str, pads: object) -> None:
    """Refuse explicit padding that is not two pairs of whole numbers that are not negative."""
    pairs = list(pads) if isinstance(pads, tuple | list) else []
    if len(pairs) != 2 or not all(_is_pair(pair) for pair in pairs):
        what = f"((top, bottom), (left, right)) in {kind}"
        raise expected(what, "padding", pads, type(pads).__name__, "((1, 1), (1, 1))")


def padded_sizes(kind: str, shape: tuple[int, ...], pads: Pads, window: Pair, stride: Pair) -> Pair:
    """Positions down and right of windows over a padded image; refuse an image smaller than the window."""
    sizes = [size + sum(pad) for size, pad in zip(shape[:2], pads, strict=True)]
    if any(size < reach for size, reach in zip(sizes, window, strict=True)):
        smaller = "padding='SAME', or a smaller kernel or dilation"  # a pool knows neither
        raise expected(
            f"an image at least as large as the kernel {window} of {kind}",
            "shape",
            shape,
            "shape before it",
            smaller if kind == "conv2d" else "a larger image, or a smaller window",
        )
    down, right = (
        (size - reach) // step + 1 for size, reach, step in zip(sizes, window, stride, strict=True)
    )
    return down, right
