"""Builders of the usual networks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from ..arguments import checked
from ..errors import expected
from .activation import Activation
from .convolution import Conv2D
from .dense import Dense, Parameterization
from .flatten import Flatten
from .functions import LEAKY_SLOPE
from .layer import Layer
from .network import Sequential
from .pooling import GlobalAvgPool

__all__ = ["cnn", "mlp"]


def _gain(activation: str) -> float:
    """The weight scale that keeps the size of a signal through the activation (He's for the rectifiers)."""
    if activation == "relu":
        return math.sqrt(2.0)
    return math.sqrt(2.0 / (1.0 + LEAKY_SLOPE**2)) if activation == "leaky_relu" else 1.0


@checked
def mlp(
    sizes: Sequence[int],
    activation: str = "relu",
    parameterization: Parameterization = "standard",
    w_std: float | None = None,
    b_std: float = 0.1,
) -> Sequential:
    """A fully connected network, the activation after every layer but the last.

    Args:
        sizes: inputs, hidden widths, outputs.
        activation: name of the nonlinearity.
        parameterization: ``"standard"`` (z = xW + b) or ``"ntk"`` (z = (w_std/√fan_in)·xW + b_std·b).
        w_std: weight scale of every layer; None means √2 before relu, the like for leaky_relu, and 1 elsewhere.
        b_std: bias scale of every layer.

    Returns:
        The network.

    Raises:
        BadInputError: for fewer than two sizes, sizes below one, unknown activation or parameterization.

    Example:
        >>> mlp([64, 512, 10], activation="relu", parameterization="ntk")
        Sequential((64,): dense 64→512, relu, dense 512→10; 38410 parameters)
    """
    if len(sizes) < 2:
        raise expected(
            "at least two sizes, inputs and outputs", "sizes", sizes, type(sizes).__name__, "[64, 512, 1]"
        )
    layers: list[Layer] = []
    for index, (n_in, n_out) in enumerate(pairwise(sizes)):
        last = index == len(sizes) - 2
        scale = w_std if w_std is not None else (1.0 if last else _gain(activation))
        layers.append(Dense(n_in, n_out, parameterization, scale, b_std))
        if not last:
            layers.append(Activation(activation))
    return Sequential((sizes[0],), tuple(layers))


@checked
def cnn(
    input_shape: Sequence[int],
    channels: Sequence[int],
    n_out: int,
    kernel: tuple[int, int] = (3, 3),
    stride: tuple[int, int] = (1, 1),
    padding: Literal["SAME", "VALID"] = "SAME",
    head: Literal["flatten", "global_avg_pool"] = "flatten",
    activation: str = "relu",
    parameterization: Parameterization = "standard",
    w_std: float | None = None,
    b_std: float = 0.1,
) -> Sequential:
    """A convolutional network: convolutions with activations, then a dense head.

    Args:
        input_shape: (height, width, channels).
        channels: output channels of each convolution.
        n_out: outputs of the head.
        kernel: height and width of every kernel.
        stride: steps of every convolution.
        padding: ``"SAME"`` or ``"VALID"``.
        head: what comes before the dense head, ``"flatten"`` or ``"global_avg_pool"``.
        activation: name of the nonlinearity.
        parameterization: ``"standard"`` or ``"ntk"``.
        w_std: weight scale; None as in :func:`mlp`.
        b_std: bias scale.

    Returns:
        The network.

    Raises:
        BadInputError: for an input shape that is no image, an unknown head, and what the layers refuse.

    Example:
        >>> cnn((8, 8, 1), [32, 32], 10).n_params
        30058
    """
    if len(input_shape) != 3:
        raise expected(
            "an image shape",
            "input_shape",
            tuple(input_shape),
            "tuple",
            "(height, width, channels), as (8, 8, 1)",
        )
    if head not in ("flatten", "global_avg_pool"):
        raise expected("a head", "head", head, type(head).__name__, "'flatten' or 'global_avg_pool'")
    layers: list[Layer] = []
    c_in, scale = input_shape[2], w_std if w_std is not None else _gain(activation)
    for c_out in channels:
        layers += [
            Conv2D(c_in, c_out, kernel, stride, padding, parameterization, scale, b_std),
            Activation(activation),
        ]
        c_in = c_out
    layers.append(Flatten() if head == "flatten" else GlobalAvgPool())
    shape = tuple(input_shape)
    for layer in layers:
        shape = layer.output_shape(shape)
    layers.append(Dense(shape[0], n_out, parameterization, 1.0 if w_std is None else w_std, b_std))
    return Sequential(tuple(input_shape), tuple(layers))
