"""Convolution of images in NHWC layout, by patches (im2col) in chunks that stay in cache."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

import numpy as np

from ..arguments import checked
from ..arrays import Array
from ..errors import check_integer, expected
from ..former import former
from .cotangents import Cotangent
from .dense import Parameterization, affine_scales, check_affine, init_affine
from .grams import GramTerm, PatchGram, PooledGram, RowsGram
from .layer import Layer, Params
from .patches import (
    Pads,
    Pair,
    check_pads,
    check_pair,
    image_shape,
    padded_sizes,
    reach_of,
    scatter,
    windows_of,
)

__all__ = ["PATCH_BYTES", "Conv2D"]
former(__name__)

PATCH_BYTES = 1 << 20
"""Size of a chunk of patches: about a core's second-level cache."""


@final
@checked
@dataclass(frozen=True)
class Conv2D(Layer):
    """Two-dimensional cross-correlation; weights HWIO, data NHWC, z = s_w·(patches · W) + s_b·b.

    In NTK parameterisation s_w = w_std/√(kh·kw·c_in/groups) and s_b = b_std. ``"SAME"`` pads with zeros so that the
    output has ⌈size/stride⌉ positions, the odd one at the end; ``"VALID"`` does not pad; ((top, bottom), (left,
    right)) pads by so many zeros. With groups the channels are cut into as many blocks, inputs and outputs alike, and
    each block of outputs sees its own inputs alone: ``groups=c_in`` is a depthwise convolution. Refuses (BadInputError)
    images of another channel count, groups that do not divide both counts, a kernel larger than the padded image,
    unknown padding.

    Args:
        c_in: input channels.
        c_out: output channels.
        kernel: height and width.
        stride: steps down and right.
        padding: ``"SAME"``, ``"VALID"``, or zeros before and after, down and right.
        param: ``"standard"`` or ``"ntk"``.
        w_std: standard deviation of the weights times √fan_in at initialisation.
        b_std: standard deviation of the biases at initialisation.
        dilation: steps down and right between the entries of a patch.
        groups: number of blocks of channels.
        bias: whether a bias is added.

    Example:
        >>> Conv2D(1, 4, (3, 3), stride=(2, 2)).output_shape((7, 7, 1))
        (4, 4, 4)
        >>> Conv2D(8, 8, (3, 3), padding=((0, 1), (0, 1)), groups=8, bias=False).param_shapes
        ((3, 3, 1, 8),)
    """

    c_in: int
    c_out: int
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: Literal["SAME", "VALID"] | tuple[tuple[int, int], tuple[int, int]] = "SAME"
    param: Parameterization = "standard"
    w_std: float = 1.0
    b_std: float = 0.1
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    bias: bool = True
    fresh: ClassVar[bool] = True
    kind: ClassVar[str] = "conv2d"
    activates: ClassVar[bool] = True
    later: ClassVar[tuple[str, ...]] = ("dilation", "groups", "bias")

    def __post_init__(self) -> None:
        check_affine("conv2d", {"c_in": self.c_in, "c_out": self.c_out}, self.param, self.w_std, self.b_std)
        for name, pair in (("kernel", self.kernel), ("stride", self.stride), ("dilation", self.dilation)):
            check_pair("conv2d", name, pair)
        if isinstance(self.padding, str):
            if self.padding not in ("SAME", "VALID"):
                hint = "'SAME', 'VALID' or ((1, 1), (1, 1))"
                raise expected("a padding", "padding", self.padding, type(self.padding).__name__, hint)
        else:
            check_pads("conv2d", self.padding)
            object.__setattr__(self, "padding", tuple(tuple(pair) for pair in self.padding))
        groups = check_integer("groups", self.groups, 1, hint="1")
        if self.c_in % groups or self.c_out % groups:
            common = math.gcd(self.c_in, self.c_out)
            what = f"groups that divide {self.c_in} input and {self.c_out} output channels of conv2d"
            raise expected(what, "groups", groups, "leaves a remainder", f"a divisor of {common}")

    def __str__(self) -> str:
        grouped = f" in {self.groups} groups" if self.groups > 1 else ""
        return f"conv2d {self.kernel[0]}×{self.kernel[1]} {self.c_in}→{self.c_out}{grouped}"

    @property
    def fan_in(self) -> int:
        """Inputs that one output sees: kh·kw·c_in/groups."""
        return self.kernel[0] * self.kernel[1] * (self.c_in // self.groups)

    @property
    def param_shapes(self) -> tuple[tuple[int, ...], ...]:
        """W (kh, kw, c_in/groups, c_out), output channels group by group, and b (c_out,) where there is a bias."""
        weight = (*self.kernel, self.c_in // self.groups, self.c_out)
        return (weight, (self.c_out,)) if self.bias else (weight,)

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
        return (*padded_sizes("conv2d", shape, self._pads(shape), self._reach, self.stride), self.c_out)

    def init(self, rng: np.random.Generator) -> list[Array]:
        """Draw W and b.

        Returns:
            [W, b], or [W].
        """
        return init_affine(rng, self.param_shapes[0], self.param, self.w_std, self.b_std)[
            : len(self.param_shapes)
        ]

    def _scales(self, like: Array) -> tuple[Any, Any]:
        """Factors of the stored W and b."""
        return affine_scales(self.param, self.fan_in, self.w_std, self.b_std, like)

    @property
    def _reach(self) -> Pair:
        """From a patch's first entry to its last, down and right."""
        return reach_of(self.kernel, self.dilation)

    def _pads(self, shape: tuple[int, ...]) -> Pads:
        """Zeros before and after, down and right, for an image (H, W, c)."""
        if self.padding == "VALID":
            return (0, 0), (0, 0)
        if self.padding != "SAME":
            return self.padding
        pads = []
        for size, reach, stride in zip(shape[:2], self._reach, self.stride, strict=True):
            total = max((-(-size // stride) - 1) * stride + reach - size, 0)
            pads.append((total // 2, total - total // 2))
        return pads[0], pads[1]

    def _grouped(self, weight: Array) -> Array:
        """W as one matrix a group (groups, fan_in, c_out/groups)."""
        return weight.reshape(self.fan_in, self.groups, -1).swapaxes(0, 1)

    def _chunks(self, x: Array) -> Iterator[tuple[slice, Array]]:
        """Patches (groups, m·positions, fan_in) of m samples at a time, about PATCH_BYTES each."""
        oh, ow, _ = self.output_shape(x.shape[1:])
        step = max(1, PATCH_BYTES // max(1, oh * ow * self.groups * self.fan_in * x.itemsize))
        down, right = self._pads(x.shape[1:])
        for start in range(0, len(x), step):
            part = slice(start, min(start + step, len(x)))
            padded = np.pad(x[part], ((0, 0), down, right, (0, 0))) if any((*down, *right)) else x[part]
            windows = windows_of(padded, self.kernel, self.stride, self.dilation)[:, :oh, :ow]
            if self.groups == 1:
                yield part, windows.reshape(1, -1, self.fan_in)
            else:
                cut = windows.reshape(*windows.shape[:5], self.groups, -1).transpose(5, 0, 1, 2, 3, 4, 6)
                yield part, cut.reshape(self.groups, -1, self.fan_in)

    def _blocks(self, values: Array) -> Array:
        """Values (…, c_out) group by group (groups, rows, c_out/groups)."""
        return values.reshape(-1, self.groups, self.c_out // self.groups).swapaxes(0, 1)

    def _apply(self, weight: Array, x: Array) -> Array:
        """Patches times weight, without scale and bias: (n, oh, ow, c_out)."""
        oh, ow, _ = self.output_shape(x.shape[1:])
        z = np.empty((len(x), oh * ow, self.c_out), dtype=np.result_type(x, weight))
        matrix = self._grouped(weight)
        for part, patches in self._chunks(x):
            z[part] = (patches @ matrix).swapaxes(0, 1).reshape(-1, oh * ow, self.c_out)
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
        if not self.bias:
            return z, x
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
        return np.asarray(s_w * z + s_b * dp[1] if self.bias else s_w * z)

    def pull(self, p: Params, cache: Any, cotangent: Cotangent) -> Cotangent:
        """The transposed convolution of the cotangent.

        Returns:
            The cotangent of the input.
        """
        s_w, _ = self._scales(cache)
        shape = tuple(cache.shape[1:])
        down, right = self._pads(shape)
        within = down[0] < self._reach[0] and right[0] < self._reach[1]
        plain = self.stride == (1, 1) and self.groups == 1 and within
        rule = self._gathered if plain else self._scattered

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
        top, left = self._reach[0] - 1 - down[0], self._reach[1] - 1 - right[0]
        # Rows of cotangents that lie beyond what the image reaches, below wide padding, meet zeros alone.
        room = (
            max(shape[0] + self._reach[0] - 1, top + oh),
            max(shape[1] + self._reach[1] - 1, left + ow),
        )
        flipped = weight[::-1, ::-1].swapaxes(2, 3).reshape(-1, self.c_in)
        back = np.empty((len(values), *shape), dtype=np.result_type(values, weight))
        step = max(1, PATCH_BYTES // max(1, shape[0] * shape[1] * len(flipped) * back.itemsize))
        padded = np.zeros((min(step, len(values)), *room, self.c_out), dtype=values.dtype)
        windows = windows_of(padded, self.kernel, (1, 1), self.dilation)[:, : shape[0], : shape[1]]
        for start in range(0, len(values), step):
            part = values[start : start + step]
            padded[: len(part), top : top + oh, left : left + ow] = part
            patches = windows[: len(part)].reshape(-1, len(flipped))
            back[start : start + step] = (patches @ flipped).reshape(len(part), *shape)
        return back

    def _scattered(self, weight: Array, values: Array, shape: tuple[int, ...]) -> Array:
        """Transposed convolution in general: windows of the cotangent summed into the image."""
        down, right = self._pads(shape)
        oh, ow = values.shape[1:3]
        # With strides the last windows may end before the padded image does, or "SAME" has padded to their end.
        sizes = (shape[0] + sum(down), shape[1] + sum(right))
        matrix = self._grouped(weight).swapaxes(1, 2)
        flat = values.reshape(len(values), oh * ow, self.c_out)
        back = np.empty((len(values), *shape), dtype=np.result_type(values, weight))
        step = max(1, PATCH_BYTES // max(1, oh * ow * self.groups * self.fan_in * back.itemsize))
        for start in range(0, len(values), step):
            windows = self._blocks(flat[start : start + step]) @ matrix
            cut = windows.reshape(self.groups, -1, oh, ow, *self.kernel, self.c_in // self.groups)
            whole = cut.transpose(1, 2, 3, 4, 5, 0, 6).reshape(-1, oh, ow, *self.kernel, self.c_in)
            images = scatter(whole, sizes, self.stride, self.dilation)
            back[start : start + step] = images[
                :, down[0] : down[0] + shape[0], right[0] : right[0] + shape[1]
            ]
        return back

    def gradient(self, p: Params, cache: Any, dy: Array) -> list[Array]:
        """s_w Σ patchesᵀ Δ and s_b Σ Δ.

        Returns:
            [dW, db], or [dW].
        """
        s_w, s_b = self._scales(cache)
        flat = dy.reshape(len(dy), -1, self.c_out)
        size = self.c_out // self.groups
        weight = np.zeros((self.groups, self.fan_in, size), dtype=np.result_type(cache, dy))
        for part, patches in self._chunks(cache):
            weight = weight + patches.swapaxes(1, 2) @ self._blocks(flat[part])
        found = [s_w * weight.swapaxes(0, 1).reshape(self.param_shapes[0])]
        return [*found, s_b * flat.sum(axis=(0, 1))] if self.bias else found

    def _flat_rows(self, cache: Any, dy: Array) -> Array:
        """Rows of J (n, k, fan_in·c_out + c_out): the weights' columns, then the biases'."""
        s_w, s_b = self._scales(cache)
        n, k = dy.shape[:2]
        flat = dy.reshape(n, k, -1, self.c_out)
        size = self.fan_in * self.c_out
        rows = np.empty((n, k, size + self.c_out * self.bias), dtype=np.result_type(cache, dy))
        for part, patches in self._chunks(cache):
            if self.param == "ntk":
                patches = patches * s_w
            m = part.stop - part.start
            cut = patches.reshape(self.groups, m, 1, -1, self.fan_in).swapaxes(3, 4)
            blocks = flat[part].reshape(m, k, -1, self.groups, self.c_out // self.groups)
            weights = cut @ blocks.transpose(3, 0, 1, 2, 4)
            rows[part, :, :size] = weights.transpose(1, 2, 3, 0, 4).reshape(m, k, size)
        if self.bias:
            rows[:, :, size:] = s_b * flat.sum(axis=2)
        return rows

    def rows(self, p: Params, cache: Any, dy: Array) -> list[Array]:
        """s_w patchesᵀ Δ and s_b Σ Δ for every sample and output.

        Returns:
            Arrays (n, k, kh, kw, c_in/groups, c_out) and (n, k, c_out).
        """
        rows = self._flat_rows(cache, dy)
        size = self.fan_in * self.c_out
        weight = rows[:, :, :size].reshape(*rows.shape[:2], *self.param_shapes[0])
        return [weight, rows[:, :, size:]] if self.bias else [weight]

    def gram_term(self, p: Params, cache: Any, cotangent: Cotangent, n: int) -> GramTerm:
        """Rows of J; under global average pooling the smaller pooled features; patches where those are cheaper.

        With P positions rows followed by one symmetric product cost k²·fan_in·c_out multiplications a pair of samples,
        Grams of all pairs of patches P²(fan_in + k²·c_out): less only for many channels at few positions.

        Returns:
            The term.
        """
        positions, k = math.prod(cotangent.shape[:2]), cotangent.n_out
        dear = k**2 * self.fan_in * self.c_out
        few = self.groups == 1 and positions**2 * (self.fan_in + k**2 * self.c_out) < dear
        if not cotangent.uniform and few:
            return self._patch_gram(cache, cotangent.expand(n).reshape(n, k, positions, self.c_out))
        if not cotangent.uniform:
            return RowsGram(self._flat_rows(cache, cotangent.expand(n)))
        s_w, s_b = self._scales(cache)
        oh, ow, _ = cotangent.shape
        slopes = cotangent.left
        if slopes is None:
            slopes = np.ones((n, oh, ow, self.c_out), dtype=cotangent.right.dtype)
        slopes = slopes.reshape(n, oh * ow, self.c_out)
        shape = (self.c_out, n, self.fan_in + self.bias)
        features = np.empty(shape, dtype=np.result_type(cache, slopes))
        for part, patches in self._chunks(cache):
            m = part.stop - part.start
            blocks = slopes[part].reshape(m, oh * ow, self.groups, -1).transpose(2, 0, 3, 1)
            pooled = s_w * (blocks @ patches.reshape(self.groups, m, oh * ow, self.fan_in))
            features[:, part, : self.fan_in] = pooled.swapaxes(1, 2).reshape(self.c_out, m, self.fan_in)
        if self.bias:
            features[:, :, -1] = s_b * slopes.sum(axis=1).T
        return PooledGram(features, cotangent.right[0].reshape(-1, self.c_out))

    def _patch_gram(self, cache: Any, deltas: Array) -> PatchGram:
        """Patches with their scale and the bias's column, and the cotangents."""
        s_w, s_b = self._scales(cache)
        shape = (len(cache), deltas.shape[2], self.fan_in + self.bias)
        held = np.empty(shape, dtype=cache.dtype)
        for part, patches in self._chunks(cache):
            held[part, :, : self.fan_in] = s_w * patches.reshape(-1, *shape[1:2], self.fan_in)
        if self.bias:
            held[:, :, -1] = s_b
        return PatchGram(held, np.ascontiguousarray(deltas))
