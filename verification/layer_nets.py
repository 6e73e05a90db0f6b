"""A small network for each layer, and arrays to try it on."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from muso_theory.arrays import Array
from muso_theory.networks import (
    Activation,
    AdaptiveAvgPool,
    AvgPool,
    BatchNorm,
    Concatenate,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Gate,
    GlobalAvgPool,
    GroupNorm,
    LayerNorm,
    MaxPool,
    Pointwise,
    Residual,
    Sequential,
    attention,
    state_dict_shapes,
    tiny_transformer,
    transformer_block,
)
from muso_theory.networks.layer import Layer

__all__ = ["PARAMETERIZATIONS", "arrays_of", "inputs", "kinked", "moved", "off", "smooth"]

PARAMETERIZATIONS = ("standard", "ntk")

IMAGE, SEQUENCE = (6, 7, 4), (5, 6)


def image(*layers: Layer, shape: tuple[int, ...] = IMAGE, param: str = "standard") -> Sequential:
    """A network with these layers between convolutions and a head."""
    inner = (Conv2D(shape[2], 4, (3, 3), param=param), Activation("tanh"), *layers)
    width = math.prod(Sequential(shape, inner).output_shape)
    return Sequential(shape, (*inner, Flatten(), Dense(width, 2, param)))


def sequence(*layers: Layer, param: str = "standard") -> Sequential:
    """The same for sequences of vectors."""
    inner = (Pointwise(6, 6, param), *layers)
    width = math.prod(Sequential(SEQUENCE, inner).output_shape)
    return Sequential(SEQUENCE, (*inner, Flatten(), Dense(width, 2, param)))


def smooth(param: str) -> dict[str, Sequential]:
    """A network for each layer that is differentiable everywhere."""
    squeeze = (
        GlobalAvgPool(),
        Dense(4, 2, param),
        Activation("silu"),
        Dense(2, 4, param),
        Activation("sigmoid"),
    )
    conv: dict[str, Any] = {"param": param}
    return {
        "convolution": image(param=param),
        "average-pool": image(AvgPool((2, 1)), param=param),
        "layer-norm": image(LayerNorm(4), param=param),
        "residual": image(Residual((Conv2D(4, 4, (1, 1), **conv), Activation("tanh"))), param=param),
        "padding": image(Conv2D(4, 3, (3, 2), padding=((2, 0), (1, 3)), **conv), param=param),
        "wide-padding": image(Conv2D(4, 3, (2, 2), padding=((3, 3), (0, 4)), **conv), param=param),
        "dilation": image(Conv2D(4, 3, (3, 2), (2, 1), "VALID", dilation=(2, 3), **conv), param=param),
        "groups": image(Conv2D(4, 6, (3, 3), (1, 2), groups=2, **conv), param=param),
        "depthwise": image(
            Conv2D(4, 8, (3, 3), groups=4, **conv), Activation("tanh"), GlobalAvgPool(), param=param
        ),
        "no-bias": image(
            Conv2D(4, 3, (3, 3), bias=False, **conv), Activation("erf"), GlobalAvgPool(), param=param
        ),
        "batch-norm": image(BatchNorm(4), Activation("gelu"), param=param),
        "batch-norm-flat": Sequential(
            (5,), (Dense(5, 4, param), BatchNorm(4), Activation("erf"), Dense(4, 2, param))
        ),
        "group-norm": image(GroupNorm(2, 4), param=param),
        "silu": image(Activation("silu"), param=param),
        "adaptive-pool": image(AdaptiveAvgPool((4, 3)), param=param),
        "adaptive-pool-larger": image(AdaptiveAvgPool((7, 9)), param=param),
        "dropout": image(Dropout(0.5), param=param),
        "squeeze-and-excite": image(Gate(squeeze), param=param),
        "gate-of-entries": image(Gate((Conv2D(4, 4, (1, 1), **conv), Activation("sigmoid"))), param=param),
        "concatenate": image(
            Concatenate(((), (Conv2D(4, 2, (1, 1), **conv), Activation("erf")), (GroupNorm(1, 4),))),
            param=param,
        ),
        "attention": sequence(*attention(6, 1, param), param=param),
        "attention-of-heads": sequence(*attention(6, 3, param), param=param),
        "transformer-block": sequence(*transformer_block(6, 2, 4, parameterization=param), param=param),
    }


def kinked(param: str) -> dict[str, Sequential]:
    """A network for each layer that is not, and the one that takes tokens."""
    return {
        "relu": image(Activation("relu"), param=param),
        "leaky-relu": image(Activation("leaky_relu"), param=param),
        "max-pool": image(MaxPool((2, 3)), param=param),
        "max-pool-padded": image(MaxPool((3, 3), (2, 2), ((1, 1), (0, 1))), param=param),
        "elu": image(Activation("elu"), param=param),
        "hard-swish": image(Activation("hard_swish"), param=param),
        "embedding": tiny_transformer(5, 4, 3, size=4, heads=2, blocks=1, parameterization=param),
    }


def inputs(net: Sequential, n: int = 3, seed: int = 0) -> Array:
    """Samples that the network takes: tokens, or normal numbers."""
    rng = np.random.default_rng(seed)
    if isinstance(net.layers[0], Embedding):
        return rng.integers(net.layers[0].tokens, size=(n, *net.input_shape))
    return rng.standard_normal((n, *net.input_shape))


def moved(net: Sequential, seed: int = 1) -> list[Array]:
    """Parameters with running statistics and gains of no special value."""
    rng = np.random.default_rng(seed)
    return [array + 0.2 * np.abs(rng.standard_normal(array.shape)) for array in net.init(seed)]


def arrays_of(net: Sequential, seed: int = 0) -> dict[str, Array]:
    """Random arrays of a model's published names and shapes, of a size that keeps signals alive."""
    rng, found = np.random.default_rng(seed), {}
    for name, shape in state_dict_shapes(net).items():
        scale = 1 / math.sqrt(math.prod(shape[1:]))
        found[name] = scale * rng.standard_normal(shape)
        if name.endswith("running_var"):
            found[name] = 0.5 + rng.random(shape)
    return found


def off(found: Array, wanted: Array) -> float:
    """The largest difference, relative to the largest entry."""
    return float(abs(found - wanted).max() / abs(wanted).max())
