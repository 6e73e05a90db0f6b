"""Attention between the places of a sequence, and the blocks of a transformer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from ..arguments import checked
from ..arrays import Array
from ..errors import check_integer, expected
from .activation import Activation
from .branches import Residual
from .cotangents import Cotangent
from .dense import Dense, Parameterization, Pointwise
from .dropout import Dropout
from .flatten import Flatten
from .functions import functions_for
from .layer import Layer, Params
from .network import Sequential
from .normalisation import LayerNorm
from .tokens import Embedding, Position

__all__ = ["SelfAttention", "attention", "tiny_transformer", "transformer_block"]


@final
@checked
@dataclass(frozen=True)
class SelfAttention(Layer):
    """softmax(Q Kᵀ/√d_h) V of each head, side by side, for sequences (length, 3d) that hold Q, K and V side by side.

    Each of Q, K and V has d features, head after head, of which every head has d_h = d/heads. It has no parameters: the
    maps that make Q, K and V, and mix the heads, are :class:`Pointwise` layers; :func:`attention` has all three.
    Refuses (BadInputError) features that 3·heads does not divide.

    Args:
        heads: number of heads.

    Example:
        >>> import numpy as np
        >>> x = np.array([[[0.0, 0.0, 1.0], [0.0, 0.0, 3.0]]])  # keys alike: the mean of the values
        >>> SelfAttention(1).forward([], x)[0].ravel()
        array([2., 2.])
    """

    heads: int = 1
    fresh: ClassVar[bool] = True
    kind: ClassVar[str] = "self_attention"

    def __post_init__(self) -> None:
        check_integer("heads", self.heads, 1, hint="4")

    def __str__(self) -> str:
        return f"self_attention of {self.heads} heads"

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """(length, d) for (length, 3d).

        Returns:
            The output shape.

        Raises:
            BadInputError: for other inputs.
        """
        if len(shape) != 2 or shape[1] % (3 * self.heads):
            what = f"sequences (length, 3d) with d a multiple of {self.heads} heads"
            raise expected(what, "shape", shape, "shape before it", "networks.attention(size, heads)")
        return (shape[0], shape[1] // 3)

    def _split(self, x: Array) -> tuple[Array, Array, Array]:
        """Q, K and V, each (…, heads, length, d_h)."""
        cut = x.reshape(*x.shape[:-1], 3, self.heads, -1)
        q, k, v = (cut[..., index, :, :].swapaxes(-2, -3) for index in range(3))
        return q, k, v

    def _merge(self, *parts: Array) -> Array:
        """The way back: (…, length, parts·d)."""
        found = [part.swapaxes(-2, -3) for part in parts]
        return np.concatenate([part.reshape(*part.shape[:-2], -1) for part in found], axis=-1)

    def forward(self, p: Params, x: Array) -> tuple[Array, Any]:
        """Attend; the cache is Q, K, V, the weights, and 1/√d_h.

        Returns:
            Output and cache.
        """
        q, k, v = self._split(x)
        f = functions_for(x)
        scale = 1 / f.root(q.shape[-1])
        scores = scale * (q @ k.swapaxes(-1, -2))
        # Softmax does not see a constant: the largest real part is taken off so that nothing overflows.
        shifted = scores - (scores.real if scores.dtype.kind == "c" else scores).max(axis=-1, keepdims=True)
        powers = f.apply("exp", shifted)
        weights = powers / powers.sum(axis=-1, keepdims=True)
        return self._merge(weights @ v), (q, k, v, weights, scale)

    @staticmethod
    def _softmax_slope(weights: Array, tangent: Array) -> Array:
        """The derivative of softmax, a symmetric matrix for each row of weights."""
        return np.asarray(weights * (tangent - (weights * tangent).sum(axis=-1, keepdims=True)))

    def jvp(self, p: Params, cache: Any, dp: Params, dx: Array | None) -> Array | None:
        """Product rule through scores, softmax and values.

        Returns:
            The tangent of the output.
        """
        if dx is None:
            return None
        q, k, v, weights, scale = cache
        dq, dk, dv = self._split(dx)
        scores = scale * (dq @ k.swapaxes(-1, -2) + q @ dk.swapaxes(-1, -2))
        return self._merge(self._softmax_slope(weights, scores) @ v + weights @ dv)

    def pull(self, p: Params, cache: Any, cotangent: Cotangent) -> Cotangent:
        """The transposed products.

        Returns:
            The cotangent of the input, in full.
        """
        q, k, v, weights, scale = (part[:, None] if isinstance(part, np.ndarray) else part for part in cache)
        values = cotangent.expand(len(q))
        delta = values.reshape(*values.shape[:-1], self.heads, -1).swapaxes(-2, -3)
        scores = scale * self._softmax_slope(weights, delta @ v.swapaxes(-1, -2))
        back = self._merge(scores @ k, scores.swapaxes(-1, -2) @ q, weights.swapaxes(-1, -2) @ delta)
        return Cotangent(back, back.shape[2:], per_sample=True, owned=True)


@checked
def attention(
    size: int, heads: int = 1, parameterization: Parameterization = "standard", b_std: float = 0.1
) -> tuple[Layer, ...]:
    """Layers of self-attention with its maps: (length, size) to (length, size).

    Args:
        size: features; a multiple of the heads.
        heads: number of heads.
        parameterization: ``"standard"`` or ``"ntk"``.
        b_std: scale of the biases.

    Returns:
        Three layers: to Q, K and V, attention, and the mixing of the heads.

    Raises:
        BadInputError: heads that do not divide the size.

    Example:
        >>> [str(layer) for layer in attention(8, 2)]
        ['pointwise 8→24', 'self_attention of 2 heads', 'pointwise 8→8']
    """
    if check_integer("size", size, 1, hint="32") % check_integer("heads", heads, 1, hint="4"):
        raise expected(
            f"heads that divide {size} features", "heads", heads, "leaves a remainder", f"a divisor of {size}"
        )
    return (
        Pointwise(size, 3 * size, parameterization, 1.0, b_std),
        SelfAttention(heads),
        Pointwise(size, size, parameterization, 1.0, b_std),
    )


@checked
def transformer_block(
    size: int,
    heads: int = 1,
    hidden: int | None = None,
    dropout: float = 0.0,
    parameterization: Parameterization = "standard",
) -> tuple[Layer, ...]:
    """Layers of a pre-norm transformer block: x + attention(norm(x)), then x + mlp(norm(x)) with gelu.

    Args:
        size: features.
        heads: of the attention.
        hidden: width of the mlp; None is four times the size.
        dropout: rate at the end of both branches; 0 has no such layer.
        parameterization: ``"standard"`` or ``"ntk"``.

    Returns:
        Two residual sums.

    Example:
        >>> from muso_theory.networks import Sequential
        >>> Sequential((5, 8), transformer_block(8, heads=2)).n_params
        872
    """
    width = 4 * size if hidden is None else hidden
    drop: tuple[Layer, ...] = (Dropout(dropout),) if dropout else ()
    mlp = (
        Pointwise(size, width, parameterization),
        Activation("gelu"),
        Pointwise(width, size, parameterization),
    )
    return (
        Residual((LayerNorm(size), *attention(size, heads, parameterization), *drop)),
        Residual((LayerNorm(size), *mlp, *drop)),
    )


@checked
def tiny_transformer(
    tokens: int,
    length: int,
    classes: int,
    size: int = 32,
    heads: int = 4,
    blocks: int = 2,
    dropout: float = 0.0,
    parameterization: Parameterization = "standard",
) -> Sequential:
    """A small pre-norm transformer that classifies sequences of tokens.

    Args:
        tokens: how many there are.
        length: of the sequences, which are whole numbers (n, length).
        classes: outputs.
        size: features.
        heads: of each attention.
        blocks: number of blocks.
        dropout: rate in the blocks, in training.
        parameterization: ``"standard"`` or ``"ntk"``.

    Returns:
        The network.

    Example:
        >>> import numpy as np
        >>> net = tiny_transformer(tokens=5, length=3, classes=2, size=8, heads=2, blocks=1)
        >>> net(net.init(0), np.array([[0, 4, 2]])).shape
        (1, 2)
    """
    inner = [transformer_block(size, heads, None, dropout, parameterization) for _ in range(blocks)]
    return Sequential(
        (length,),
        (
            Embedding(tokens, size),
            Position(length, size),
            *(layer for block in inner for layer in block),
            LayerNorm(size),
            Flatten(),
            Dense(length * size, classes, parameterization),
        ),
    )
