"""Affine maps: dense, at every place of a sequence, and the scales, draws and sizes that a convolution has alike."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

import numpy as np

from ..arguments import checked
from ..arrays import Array
from ..errors import expected, nearest
from .cotangents import Cotangent
from .functions import functions_for
from .grams import FactoredGram, GramTerm, HadamardGram, KroneckerGram
from .layer import Layer, Params

__all__ = ["Dense", "Parameterization", "Pointwise", "affine_scales", "check_affine", "init_affine"]

Parameterization = Literal["standard", "ntk"]


def affine_scales(
    param: Parameterization, fan_in: int, w_std: float, b_std: float, like: Array
) -> tuple[Any, Any]:
    """Factors of the stored W and b in z = s_w·xW + s_b·b.

    Returns:
        (1, 1) in standard parameterisation, (w_std/√fan_in, b_std) in NTK parameterisation, in the kind of
        number that ``like`` holds.
    """
    if param == "standard":
        return 1, 1
    return w_std / functions_for(like).root(fan_in), b_std


def init_affine(
    rng: np.random.Generator, shape: tuple[int, ...], param: Parameterization, w_std: float, b_std: float
) -> list[Array]:
    """Draw W and b so that both parameterisations give the same distribution over functions.

    Returns:
        W of the given shape (last axis: outputs) and b.
    """
    weight = rng.standard_normal(shape)
    bias = rng.standard_normal(shape[-1])
    if param == "standard":
        weight *= w_std / math.sqrt(math.prod(shape[:-1]))
        bias *= b_std
    return [weight, bias]


def check_affine(kind: str, sizes: dict[str, int], param: str, w_std: float, b_std: float) -> None:
    """Refuse sizes below one, an unknown parameterisation and scales that are no nonnegative numbers."""
    for name, size in sizes.items():
        if not isinstance(size, (int, np.integer)) or isinstance(size, bool) or size < 1:
            raise expected(
                f"a positive whole number in {kind}",
                name,
                size,
                type(size).__name__,
                "an integer of at least 1",
            )
    if param not in ("standard", "ntk"):
        raise expected(
            "a parameterization",
            "param",
            param,
            type(param).__name__,
            nearest(str(param), ["standard", "ntk"]),
        )
    for name, scale in (("w_std", w_std), ("b_std", b_std)):
        if not (math.isfinite(scale) and scale >= 0):
            raise expected(f"a finite nonnegative scale in {kind}", name, scale, type(scale).__name__, "1.0")


class _Affine(Layer):
    """What W (in, out) and b of an affine map of the last axis are, flat input or not."""

    n_in: int
    n_out: int
    param: Parameterization
    w_std: float
    b_std: float

    def __post_init__(self) -> None:
        check_affine(self.kind, {"n_in": self.n_in, "n_out": self.n_out}, self.param, self.w_std, self.b_std)

    def __str__(self) -> str:
        return f"{self.kind} {self.n_in}→{self.n_out}"

    @property
    def param_shapes(self) -> tuple[tuple[int, ...], ...]:
        """W (in, out) and b (out,)."""
        return ((self.n_in, self.n_out), (self.n_out,))

    def init(self, rng: np.random.Generator) -> list[Array]:
        """Draw W and b.

        Returns:
            [W, b].
        """
        return init_affine(rng, (self.n_in, self.n_out), self.param, self.w_std, self.b_std)

    def _scales(self, like: Array) -> tuple[Any, Any]:
        """Factors of the stored W and b."""
        return affine_scales(self.param, self.n_in, self.w_std, self.b_std, like)

    def jvp(self, p: Params, cache: Any, dp: Params, dx: Array | None) -> Array | None:
        """s_w (x dW + dx W) + s_b db.

        Returns:
            The tangent of the output.
        """
        s_w, s_b = self._scales(cache)
        z = cache @ dp[0]
        if dx is not None:
            z = z + dx @ p[0]
        return np.asarray(s_w * z + s_b * dp[1])


@final
@checked
@dataclass(frozen=True)
class Dense(_Affine):
    """Affine map z = x W + b of flat inputs, W (in, out).

    With ``param="ntk"`` it is z = (w_std/√n_in)·x W + b_std·b and derivatives are in the stored W and b.
    Refuses (BadInputError) sizes below one, an unknown parameterisation, inputs that are not (n, n_in).

    Args:
        n_in: inputs.
        n_out: outputs.
        param: ``"standard"`` or ``"ntk"``.
        w_std: standard deviation of the weights times √n_in at initialisation (both parameterisations).
        b_std: standard deviation of the biases at initialisation (both parameterisations).

    Example:
        >>> import numpy as np
        >>> layer = Dense(2, 1, param="ntk", w_std=1.0, b_std=0.5)
        >>> layer.forward([np.ones((2, 1)), np.ones(1)], np.array([[1.0, 1.0]]))[0].round(6)
        array([[1.914214]])
    """

    n_in: int
    n_out: int
    param: Parameterization = "standard"
    w_std: float = 1.0
    b_std: float = 0.1
    fresh: ClassVar[bool] = True
    kind: ClassVar[str] = "dense"
    activates: ClassVar[bool] = True

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """(n_out,) for (n_in,).

        Returns:
            The output shape.

        Raises:
            BadInputError: for any other input shape.
        """
        if shape != (self.n_in,):
            hint = "a flatten layer before it" if len(shape) > 1 else f"n_in={math.prod(shape)}"
            raise expected(
                f"an input of shape ({self.n_in},)", "shape", shape, "shape before the layer", hint
            )
        return (self.n_out,)

    def forward(self, p: Params, x: Array) -> tuple[Array, Any]:
        """The affine map; the cache is the input.

        Returns:
            Output and cache.
        """
        weight, bias = p
        z = x @ weight
        if self.param == "ntk":
            s_w, s_b = self._scales(z)
            z *= s_w
            bias = s_b * bias
        if z.dtype != np.result_type(z, bias):
            return z + bias, x
        z += bias
        return z, x

    def pull(self, p: Params, cache: Any, cotangent: Cotangent) -> Cotangent:
        """s_w Δ Wᵀ.

        Returns:
            The cotangent of the input.
        """
        s_w, _ = self._scales(cache)

        def transpose(values: Array) -> Array:
            m, k, _ = values.shape
            back = values.reshape(m * k, self.n_out) @ p[0].T
            if self.param == "ntk":
                back *= s_w
            return back.reshape(m, k, self.n_in)

        return cotangent.linear(transpose, (self.n_in,), len(cache))

    def gradient(self, p: Params, cache: Any, dy: Array) -> list[Array]:
        """s_w xᵀ Δ and s_b Σ Δ.

        Returns:
            [dW, db].
        """
        s_w, s_b = self._scales(cache)
        return [s_w * (cache.T @ dy), s_b * dy.sum(axis=0)]

    def rows(self, p: Params, cache: Any, dy: Array) -> list[Array]:
        """s_w x ⊗ Δ and s_b Δ for every sample and output.

        Returns:
            Arrays (n, k, in, out) and (n, k, out).
        """
        s_w, s_b = self._scales(cache)
        return [(s_w * cache)[:, None, :, None] * dy[:, :, None, :], s_b * dy]

    def gram_term(self, p: Params, cache: Any, cotangent: Cotangent, n: int) -> GramTerm:
        """(s_w² A Aᵀ + s_b²) ∘ (Δ Δᵀ), with Δ as factored as it comes.

        Returns:
            A Kronecker term for the head, a factored one below it, a Hadamard one deeper.
        """
        s_w, s_b = self._scales(cache)
        scales = (cache, s_w * s_w, s_b * s_b)
        if cotangent.shared:
            head = cotangent.right[0]
            return KroneckerGram(*scales, head @ head.T)
        if cotangent.left is not None and not cotangent.per_sample:
            return FactoredGram(*scales, cotangent.left, cotangent.right[0])
        return HadamardGram(*scales, cotangent.expand(n))


@final
@checked
@dataclass(frozen=True)
class Pointwise(_Affine):
    """The same affine map at every place of a sequence: z = s_w·x W + s_b·b on the last axis, W (in, out).

    Scales, parameterisation and refusals are those of :class:`Dense`.

    Args:
        n_in: features.
        n_out: features of the output.
        param: ``"standard"`` or ``"ntk"``.
        w_std: standard deviation of the weights times √n_in at initialisation.
        b_std: standard deviation of the biases at initialisation.

    Example:
        >>> import numpy as np
        >>> Pointwise(1, 2).forward([np.array([[2.0, 3.0]]), np.zeros(2)], np.ones((1, 2, 1)))[0]
        array([[[2., 3.],
                [2., 3.]]])
    """

    n_in: int
    n_out: int
    param: Parameterization = "standard"
    w_std: float = 1.0
    b_std: float = 0.1
    fresh: ClassVar[bool] = True
    kind: ClassVar[str] = "pointwise"

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """(length, n_out) for (length, n_in).

        Returns:
            The output shape.

        Raises:
            BadInputError: for other inputs.
        """
        if len(shape) != 2 or shape[1] != self.n_in:
            hint = f"n_in={shape[-1]}" if len(shape) == 2 else "an embedding before it"
            raise expected(f"sequences (length, {self.n_in})", "shape", shape, "shape before it", hint)
        return (shape[0], self.n_out)

    def forward(self, p: Params, x: Array) -> tuple[Array, Any]:
        """The affine map; the cache is the input.

        Returns:
            Output and cache.
        """
        s_w, s_b = self._scales(x)
        return s_w * (x @ p[0]) + s_b * p[1], x

    def pull(self, p: Params, cache: Any, cotangent: Cotangent) -> Cotangent:
        """s_w Δ Wᵀ.

        Returns:
            The cotangent of the input.
        """
        s_w, _ = self._scales(cache)
        return cotangent.linear(lambda values: s_w * (values @ p[0].T), cache.shape[1:], len(cache))

    def gradient(self, p: Params, cache: Any, dy: Array) -> list[Array]:
        """s_w Σ xᵀ Δ and s_b Σ Δ over samples and places.

        Returns:
            [dW, db].
        """
        s_w, s_b = self._scales(cache)
        x, flat = cache.reshape(-1, self.n_in), dy.reshape(-1, self.n_out)
        return [s_w * (x.T @ flat), s_b * flat.sum(axis=0)]

    def rows(self, p: Params, cache: Any, dy: Array) -> list[Array]:
        """The same sums over places for every sample and output.

        Returns:
            Arrays (n, k, in, out) and (n, k, out).
        """
        s_w, s_b = self._scales(cache)
        return [s_w * (cache.swapaxes(1, 2)[:, None] @ dy), s_b * dy.sum(axis=2)]
