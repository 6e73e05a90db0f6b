"""Windows of images in NHWC layout, and how they are summed back; for convolution and pooling."""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..errors import expected

__all__ = ["check_pair", "image_shape", "scatter", "windows_of"]


def windows_of(x: Array, kernel: tuple[int, int], stride: tuple[int, int]) -> Array:
    """View (n, H, W, c) as windows (n, oh, ow, kh, kw, c) without copying."""
    view = np.lib.stride_tricks.sliding_window_view(x, kernel, axis=(1, 2))
    return view[:, :: stride[0], :: stride[1]].transpose(0, 1, 2, 4, 5, 3)


def scatter(windows: Array, shape: tuple[int, int], stride: tuple[int, int]) -> Array:
    """Adjoint of ``windows_of``: sum windows (n, oh, ow, kh, kw, c) into images (n, *shape, c)."""
    n, oh, ow, kh, kw, c = windows.shape
    images = np.zeros((n, *shape, c), dtype=windows.dtype)
    for i in range(kh):
        for j in range(kw):
            images[:, i : i + stride[0] * oh : stride[0], j : j + stride[1] * ow : stride[1]] += windows[
                :, :, :, i, j
            ]
    return images


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
