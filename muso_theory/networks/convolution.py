"""Convolution of images in NHWC layout, by patches (im2col) in chunks that stay in cache."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

import numpy as np

from ..arguments import checked
from ..arrays import Array
from ..errors import expected
from .cotangents import Cotangent
from .dense import Parameterization, affine_scales, check_affine, init_affine
from .grams import GramTerm, PooledGram, RowsGram
from .layer import Layer, Params
from .patches import check_pair, image_shape, scatter, windows_of

__all__ = ["PATCH_BYTES", "Conv2D"]

PATCH_BYTES = 1 << 20
"""Size of a chunk of patches: about a core's second-level cache."""


@final
@checked
@dataclass(frozen=True)
class Conv2D(Layer):
    """Two-dimensional cross-correlation; weights HWIO, data NHWC, z = s_w·(patches · W) + s_b·b.

    In NTK parameterisation s_w = w_std/√(kh·kw·c_in) and s_b = b_std. ``"SAME"`` pads with zeros so that the
    output has ⌈size/stride⌉ positions, the odd one at the end; ``"VALID"`` does not pad. Refuses
    (BadInputError) images of another channel count, a kernel larger than the (unpadded) image, unknown padding.

    Args:
        c_in: input channels.
        c_out: output channels.
        kernel: height and width.
        stride: steps down and right.
        padding: ``"SAME"`` or ``"VALID"``.
        param: ``"standard"`` or ``"ntk"``.
        w_std: standard deviation of the weights times √fan_in at initialisation.
        b_std: standard deviation of the biases at initialisation.

    Example:
        >>> Conv2D(1, 4, (3, 3), stride=(2, 2)).output_shape((7, 7, 1))
        (4, 4, 4)
    """

    c_in: int
    c_out: int
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: Literal["SAME", "VALID"] = "SAME"
    param: Parameterization = "standard"
    w_std: float = 1.0
    b_std: float = 0.1
    fresh: ClassVar[bool] = True
    kind: ClassVar[str] = "conv2d"
    activates: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_affine("conv2d", {"c_in": self.c_in, "c_out": self.c_out}, self.param, self.w_std, self.b_std)
        check_pair("conv2d", "kernel", self.kernel)
        check_pair("conv2d", "stride", self.stride)
        if self.padding not in ("SAME", "VALID"):
            raise expected(
                "a padding", "padding", self.padding, type(self.padding).__name__, "'SAME' or 'VALID'"
            )

    def __str__(self) -> str:
        return f"conv2d {self.kernel[0]}×{self.kernel[1]} {self.c_in}→{self.c_out}"

    @property
    def fan_in(self) -> int:
        """Inputs that one output sees: kh·kw·c_in."""
        return self.kernel[0] * self.kernel[1] * self.c_in

    @property
    def param_shapes(self) -> tuple[tuple[int, ...], ...]:
        """W (kh, kw, c_in, c_out) and b (c_out,)."""
        return ((*self.kernel, self.c_in, self.c_out), (self.c_out,))

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """(oh, ow, c_out) for (H, W, c_in).

        Returns:
            The output shape.

        Raises:
            BadInputError: for other inputs.
        """
        height, width, channels = image_shape(shape, "for conv2d")
        if channels != self.c_in:
            raise expected(
                f"{self.c_in} input channels", "shape", shape, "NHWC shape before it", f"c_in={channels}"
            )
        if self.padding == "SAME":
            return (-(-height // self.stride[0]), -(-width // self.stride[1]), self.c_out)
        if height < self.kernel[0] or width < self.kernel[1]:
            raise expected(
                f"an image at least as large as the kernel {self.kernel}",
                "shape",
                shape,
                "shape before it",
                "padding='SAME' or a smaller kernel",
            )
        return (
            (height - self.kernel[0]) // self.stride[0] + 1,
            (width - self.kernel[1]) // self.stride[1] + 1,
            self.c_out,
        )

    def init(self, rng: np.random.Generator) -> list[Array]:
        """Draw W and b.

        Returns:
            [W, b].
        """
        return init_affine(rng, (*self.kernel, self.c_in, self.c_out), self.param, self.w_std, self.b_std)

    def _scales(self, like: Array) -> tuple[Any, Any]:
        """Factors of the stored W and b."""
        return affine_scales(self.param, self.fan_in, self.w_std, self.b_std, like)

    def _pads(self, shape: tuple[int, ...]) -> tuple[tuple[int, int], tuple[int, int]]:
        """Zeros before and after, down and right, for an image (H, W, c)."""
        if self.padding == "VALID":
            return (0, 0), (0, 0)
        pads = []
        for size, kernel, stride in zip(shape[:2], self.kernel, self.stride, strict=True):
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads.append((total // 2, total - total // 2))
        return pads[0], pads[1]

    def _chunks(self, x: Array) -> Iterator[tuple[slice, Array]]:
        """Patches (m, positions, kh·kw·c_in) of a few samples at a time, about PATCH_BYTES each."""
        oh, ow, _ = self.output_shape(x.shape[1:])
        step = max(1, PATCH_BYTES // max(1, oh * ow * self.fan_in * x.itemsize))
        down, right = self._pads(x.shape[1:])
        for start in range(0, len(x), step):
            part = slice(start, min(start + step, len(x)))
            padded = np.pad(x[part], ((0, 0), down, right, (0, 0))) if self.padding == "SAME" else x[part]
            windows = windows_of(padded, self.kernel, self.stride)[:, :oh, :ow]
            yield part, windows.reshape(len(padded), oh * ow, self.fan_in)

    def _apply(self, weight: Array, x: Array) -> Array:
        """Patches times weight, without scale and bias: (n, oh, ow, c_out)."""
        oh, ow, _ = self.output_shape(x.shape[1:])
        z = np.empty((len(x), oh * ow, self.c_out), dtype=np.result_type(x, weight))
        matrix = weight.reshape(self.fan_in, self.c_out)
        for part, patches in self._chunks(x):
            m = len(patches)
            z[part] = (patches.reshape(m * oh * ow, self.fan_in) @ matrix).reshape(m, oh * ow, self.c_out)
        return z.reshape(len(x), oh, ow, self.c_out)

    def forward(self, p: Params, x: Array) -> tuple[Array, Any]:
        """The convolution; the cache is the input.

        Returns:
            Output and cache.
        """
        s_w, s_b = self._scales(x)
        z = self._apply(p[0], x)
        if self.param == "ntk":
            z *= s_w
        bias = s_b * p[1]
        if z.dtype != np.result_type(z, bias):
            return z + bias, x
        z += bias
        return z, x

    def jvp(self, p: Params, cache: Any, dp: Params, dx: Array | None) -> Array | None:
        """s_w (x ⋆ dW + dx ⋆ W) + s_b db.

        Returns:
            The tangent of the output.
        """
        s_w, s_b = self._scales(cache)
        z = self._apply(dp[0], cache)
        if dx is not None:
            z = z + self._apply(p[0], dx)
        return np.asarray(s_w * z + s_b * dp[1])

    def pull(self, p: Params, cache: Any, cotangent: Cotangent) -> Cotangent:
        """The transposed convolution of the cotangent.

        Returns:
            The cotangent of the input.
        """
        s_w, _ = self._scales(cache)
        shape = tuple(cache.shape[1:])
        rule = self._gathered if self.stride == (1, 1) else self._scattered

        def transpose(values: Array) -> Array:
            m, k = values.shape[:2]
            back = rule(p[0], values.reshape(m * k, *values.shape[2:]), shape)
            if self.param == "ntk":
                back *= s_w
            return back.reshape(m, k, *shape)

        return cotangent.linear(transpose, shape, len(cache))

    def _gathered(self, weight: Array, values: Array, shape: tuple[int, ...]) -> Array:
        """Transposed convolution without stride: a convolution of the padded cotangent with the flipped kernel."""
        # copying patches and multiplying once is faster than adding overlapping windows up
        down, right = self._pads(shape)
        oh, ow = values.shape[1:3]
        top, left = self.kernel[0] - 1 - down[0], self.kernel[1] - 1 - right[0]
        room = (shape[0] + self.kernel[0] - 1, shape[1] + self.kernel[1] - 1)
        flipped = weight[::-1, ::-1].swapaxes(2, 3).reshape(-1, self.c_in)
        back = np.empty((len(values), *shape), dtype=np.result_type(values, weight))
        step = max(1, PATCH_BYTES // max(1, shape[0] * shape[1] * len(flipped) * back.itemsize))
        padded = np.zeros((min(step, len(values)), *room, self.c_out), dtype=values.dtype)
        windows = windows_of(padded, self.kernel, (1, 1))
        for start in range(0, len(values), step):
            part = values[start : start + step]
            padded[: len(part), top : top + oh, left : left + ow] = part
            patches = windows[: len(part)].reshape(-1, len(flipped))
            back[start : start + step] = (patches @ flipped).reshape(len(part), *shape)
        return back

    def _scattered(self, weight: Array, values: Array, shape: tuple[int, ...]) -> Array:
        """Transposed convolution with strides: windows of the cotangent summed into the image."""
        down, right = self._pads(shape)
        padded = (shape[0] + sum(down), shape[1] + sum(right))
        oh, ow = values.shape[1:3]
        matrix = weight.reshape(self.fan_in, self.c_out)
        flat = values.reshape(len(values), oh * ow, self.c_out)
        back = np.empty((len(values), *shape), dtype=np.result_type(values, weight))
        step = max(1, PATCH_BYTES // max(1, oh * ow * self.fan_in * back.itemsize))
        for start in range(0, len(values), step):
            part = flat[start : start + step]
            windows = (part.reshape(-1, self.c_out) @ matrix.T).reshape(-1, oh, ow, *self.kernel, self.c_in)
            images = scatter(windows, padded, self.stride)
            back[start : start + step] = images[
                :, down[0] : down[0] + shape[0], right[0] : right[0] + shape[1]
            ]
        return back

    def gradient(self, p: Params, cache: Any, dy: Array) -> list[Array]:
        """s_w Σ patchesᵀ Δ and s_b Σ Δ.

        Returns:
            [dW, db].
        """
        s_w, s_b = self._scales(cache)
        flat = dy.reshape(len(dy), -1, self.c_out)
        weight = np.zeros((self.fan_in, self.c_out), dtype=np.result_type(cache, dy))
        for part, patches in self._chunks(cache):
            weight = weight + patches.reshape(-1, self.fan_in).T @ flat[part].reshape(-1, self.c_out)
        return [s_w * weight.reshape(self.param_shapes[0]), s_b * flat.sum(axis=(0, 1))]

    def _flat_rows(self, cache: Any, dy: Array) -> Array:
        """Rows of J (n, k, (kh·kw·c_in + 1)·c_out): the weights' columns, then the biases'."""
        s_w, s_b = self._scales(cache)
        n, k = dy.shape[:2]
        flat = dy.reshape(n, k, -1, self.c_out)
        size = self.fan_in * self.c_out
        rows = np.empty((n, k, size + self.c_out), dtype=np.result_type(cache, dy))
        for part, patches in self._chunks(cache):
            if self.param == "ntk":
                patches = patches * s_w
            weights = patches.swapaxes(1, 2)[:, None] @ flat[part]
            rows[part, :, :size] = weights.reshape(len(patches), k, size)
        rows[:, :, size:] = s_b * flat.sum(axis=2)
        return rows

    def rows(self, p: Params, cache: Any, dy: Array) -> list[Array]:
        """s_w patchesᵀ Δ and s_b Σ Δ for every sample and output.

        Returns:
            Arrays (n, k, kh, kw, c_in, c_out) and (n, k, c_out).
        """
        rows = self._flat_rows(cache, dy)
        size = self.fan_in * self.c_out
        return [rows[:, :, :size].reshape(*rows.shape[:2], *self.param_shapes[0]), rows[:, :, size:]]

    def gram_term(self, p: Params, cache: Any, cotangent: Cotangent, n: int) -> GramTerm:
        """Rows of J; under global average pooling the smaller pooled features.

        Rows followed by one symmetric product cost far less than Grams of all pairs of patches.

        Returns:
            The term.
        """
        if not cotangent.uniform:
            return RowsGram(self._flat_rows(cache, cotangent.expand(n)))
        s_w, s_b = self._scales(cache)
        oh, ow, _ = cotangent.shape
        slopes = cotangent.left
        if slopes is None:
            slopes = np.ones((n, oh, ow, self.c_out), dtype=cotangent.right.dtype)
        slopes = slopes.reshape(n, oh * ow, self.c_out)
        features = np.empty((self.c_out, n, self.fan_in + 1), dtype=np.result_type(cache, slopes))
        for part, patches in self._chunks(cache):
            features[:, part, :-1] = (s_w * (slopes[part].swapaxes(1, 2) @ patches)).swapaxes(0, 1)
        features[:, :, -1] = s_b * slopes.sum(axis=1).T
        return PooledGram(features, cotangent.right[0].reshape(-1, self.c_out))
