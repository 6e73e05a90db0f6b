"""How many roundings the rules of a layer have in a row."""

from __future__ import annotations

import math

from ..numbers import UndecidedError
from .convolution import Conv2D
from .dense import Dense
from .flatten import Flatten
from .layer import Layer
from .pooling import AvgPool, GlobalAvgPool

__all__ = ["roundings_of"]

LARGEST_SCALE = 2.0**64
"""Beyond it underflow is not covered by what is added to every radius."""

ENCLOSED = "dense layers, convolutions, average pools, residual sums, and layer and batch normalisation"
"""Layers whose rounding errors are known here, in words."""


def roundings_of(layer: Layer, shape: tuple[int, ...]) -> int:
    """Roundings in a row, at most, in one entry of a layer's output, of its pull-back and of its rows of J.

    Every rule of these layers is a sum of products in some order, times a scale: as many roundings as terms, and ten
    for the scale w_std/√fan_in (a root and a quotient), its product, the bias and its product, and a mean's quotient.

    Returns:
        Their number.

    Raises:
        UndecidedError: another layer, or a scale of which underflow is not covered.
    """
    if isinstance(layer, Flatten):
        return 0
    if isinstance(layer, (Dense, Conv2D)) and not max(layer.w_std, layer.b_std) <= LARGEST_SCALE:
        raise UndecidedError(f"the scales of {layer} are beyond 2^64", "an ordinary scale")
    if isinstance(layer, Dense):
        return 10 + max(layer.n_in, layer.n_out)
    if isinstance(layer, Conv2D):
        positions = math.prod(layer.output_shape(shape)[:2])
        return 10 + max(math.prod(layer.kernel) * max(layer.c_in, layer.c_out), positions)
    if isinstance(layer, (AvgPool, GlobalAvgPool)):
        return 10 + math.prod(shape[:2])
    raise UndecidedError(f"the rounding errors of layer {layer} are not known", ENCLOSED)
