"""Running statistics of chosen samples: part of the map that a linearised network is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from ..arguments import checked
from ..arrays import Array
from ..errors import expected
from .batch_norm import BatchNorm
from .composition import Chain
from .dropout import Dropout
from .layer import Layer
from .network import Sequential

__all__ = ["fit_statistics", "has_statistics"]


def has_statistics(net: Sequential) -> bool:
    """Whether a network holds running statistics.

    Args:
        net: the network.

    Returns:
        True where there is a batch norm.

    Example:
        >>> from muso_theory.networks import mlp, resnet8
        >>> has_statistics(mlp([2, 1])), has_statistics(resnet8(2))
        (False, True)
    """
    return not all(net.trainable)


@checked
def fit_statistics(net: Sequential, params: Sequence[Array], X: Array) -> list[Array]:
    """The same parameters with the running statistics of some samples, taken in one batch, layer by layer.

    A network that is linearised holds its statistics: they belong to the map, as a scaler does. Fitted on retained
    samples alone they are those that retraining would have (condition ``map-free-of-forget``); fitted on all samples
    the map knows what is to be forgotten, however exactly its parameters are unlearned.

    Args:
        net: a network with batch norm.
        params: its parameters; only running statistics change.
        X: the samples, at least two.

    Returns:
        Parameters.

    Raises:
        BadInputError: a network without batch norm, fewer than two samples, inputs that do not fit.

    Example:
        >>> from muso_theory.networks import BatchNorm, Sequential
        >>> net = Sequential((1,), (BatchNorm(1),))
        >>> [float(array[0]) for array in fit_statistics(net, net.init(0), np.array([[1.0], [3.0]]))]
        [1.0, 0.0, 2.0, 2.0]
    """
    arrays, inputs = net.check_params(params, real=True), net.check_inputs(X, real=True)
    if not has_statistics(net):
        raise expected(
            "a network with batch norm", "net", net.input_shape, "no statistics", "params as they are"
        )
    if len(inputs) < 2:
        raise expected(
            "at least two samples, for their variance", "X", inputs.shape, "shape", "all retained ones"
        )
    chain = Chain(tuple(_measuring(layer) for layer in net.layers))
    return chain.forward_training(arrays, inputs, np.random.default_rng(0))[2]  # nothing is left to chance


def _measuring(value: Any) -> Any:
    """A layer, or layers within tuples, whose statistics become those of the batch, and nothing is dropped."""
    if isinstance(value, tuple):
        return tuple(map(_measuring, value))
    if not isinstance(value, Layer):
        return value
    if isinstance(value, BatchNorm):
        return replace(value, momentum=1.0)
    if isinstance(value, Dropout):
        return replace(value, rate=0.0)
    return replace(value, **{f.name: _measuring(getattr(value, f.name)) for f in fields(value) if f.init})  # type: ignore[arg-type, type-var]
