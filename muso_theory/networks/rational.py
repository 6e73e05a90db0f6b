"""What is known exactly about a network's tangent: rational entries, repeated rows, and a bound of its rank."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from ..arrays import Array
from ..numbers import UndecidedError
from ..numbers.ieee import ieee_proof
from .activation import Activation
from .composition import leaves, with_inputs
from .convolution import Conv2D
from .dense import Dense
from .enclosure import enclosed_tangent
from .flatten import Flatten
from .layer import Layer
from .linearised import Linearisation
from .network import Sequential
from .pooling import AvgPool, GlobalAvgPool

__all__ = [
    "is_rational",
    "only_rectifiers",
    "rank_bound",
    "rational_jacobian",
    "repeated_samples",
    "why_not_rational",
    "zeros_of_rectifiers",
]

LARGEST_ENTRIES = 50_000
"""Rational entries of J that are formed: their rank takes a few seconds more."""


def why_not_rational(tangent: Linearisation) -> UndecidedError | None:
    """What keeps J from being formed in rationals, short of a kink.

    Args:
        tangent: the network, its parameters and inputs.

    Returns:
        The error that :func:`rational_jacobian` ends in, or None.

    Example:
        >>> from muso_theory.networks import linearise, mlp
        >>> net = mlp([1, 1, 1], activation="tanh")
        >>> print(why_not_rational(linearise(net, net.init(0), np.eye(1))))
        the tangent is not rational at layer 1 (tanh); relu or identity in standard parameterisation
    """
    for path, layer in leaves(tangent.net.layers):
        if not is_rational(layer):
            what = f"the tangent is not rational at layer {path} ({layer})"
            return UndecidedError(what, "relu or identity in standard parameterisation")
    entries = tangent.outputs.size * tangent.n_params
    if entries > LARGEST_ENTRIES:
        return UndecidedError(f"{entries} rational entries of J are too many", f"at most {LARGEST_ENTRIES}")
    return None


@ieee_proof()
def rational_jacobian(tangent: Linearisation) -> Array:
    """J at the exact parameters and inputs, where its entries are rational.

    Args:
        tangent: of a network whose activations are relu or the identity, in standard parameterisation (the other
            divides by √fan_in).

    Returns:
        Object array (n·k, D) of ``Fraction``.

    Raises:
        UndecidedError: another network, or more than LARGEST_ENTRIES entries; KinkError where a rectifier has no
            derivative.

    Example:
        >>> from muso_theory.networks import linearise, mlp
        >>> net = mlp([1, 1, 1], activation="relu")
        >>> params = [np.array([[0.5]]), np.array([1.0]), np.array([[3.0]]), np.zeros(1)]
        >>> rational_jacobian(linearise(net, params, np.array([[2.0]])))
        array([[Fraction(6, 1), Fraction(3, 1), Fraction(2, 1), Fraction(1, 1)]],
              dtype=object)
    """
    net, rows = tangent.net, tangent.outputs.size
    if obstacle := why_not_rational(tangent):
        raise obstacle
    exact = np.frompyfunc(lambda value: Fraction(float(value)), 1, 1)
    params: list[Any] = [np.asarray(exact(array), dtype=object) for array in tangent.params]
    inputs = np.asarray(exact(tangent.inputs), dtype=object)
    if zeros_of_rectifiers(net, params, inputs):
        for _ in enclosed_tangent(net, tangent.params, tangent.inputs):
            pass  # a KinkError, unless no output depends on those rectifiers: then their slope does not matter
    found = net.jacobian(params, inputs).reshape(rows, net.n_params)
    return np.asarray(np.frompyfunc(Fraction, 1, 1)(found), dtype=object)


def zeros_of_rectifiers(net: Sequential, params: Sequence[Array], X: Array) -> int:
    """How many inputs of rectifiers come out as 0 in the arithmetic of the arrays.

    Args:
        net: the network.
        params: its parameters.
        X: inputs.

    Returns:
        Their number, over all samples.

    Example:
        >>> from muso_theory.networks import mlp
        >>> net = mlp([2, 3, 1], activation="relu")
        >>> zeros_of_rectifiers(net, [0 * array for array in net.init(0)], np.eye(2))
        6
    """
    return sum(
        int((x == 0).sum())
        for _, layer, _, x in with_inputs(net.layers, list(params), X)
        if isinstance(layer, Activation) and layer.name in ("relu", "leaky_relu")
    )


def only_rectifiers(net: Sequential) -> bool:
    """Whether rectifiers are all that keeps a network from being analytic.

    Args:
        net: the network.

    Returns:
        False where there is a max pool, say.

    Example:
        >>> from muso_theory.networks import mlp
        >>> only_rectifiers(mlp([2, 3, 1], activation="relu")), only_rectifiers(mlp([2, 3, 1], activation="elu"))
        (True, False)
    """
    others = (layer for _, layer in leaves(net.layers) if not layer.analytic)
    return all(isinstance(layer, Activation) and layer.name in ("relu", "leaky_relu") for layer in others)


def is_rational(layer: Layer) -> bool:
    """Whether a layer's output and derivative are rational where its input and parameters are."""
    if isinstance(layer, Activation):
        return layer.name in ("identity", "relu")
    if isinstance(layer, (Dense, Conv2D)):
        return layer.param == "standard"
    return isinstance(layer, (Flatten, AvgPool, GlobalAvgPool))


def rank_bound(net: Sequential) -> tuple[int, str]:
    """A bound of the rank of J that holds for any number of samples.

    Without nonlinearities every layer's input is affine in x, and its cotangents do not depend on x. So the row of J
    for output c is affine in x, and all rows lie in a space of dimension k(d + 1).

    Args:
        net: the network.

    Returns:
        The bound, and the reason in words.

    Example:
        >>> from muso_theory.networks import mlp
        >>> rank_bound(mlp([2, 8, 1], activation="identity"))
        (3, 'the network is affine in its 2 inputs, and so is each of the 1 rows that J has for a sample')
        >>> rank_bound(mlp([2, 8, 1], activation="tanh"))
        (33, 'J has 33 columns')
    """
    columns, d = net.n_params, math.prod(net.input_shape)
    affine = all(
        layer.name == "identity"
        if isinstance(layer, Activation)
        else isinstance(layer, (Dense, Conv2D, Flatten, AvgPool, GlobalAvgPool))
        for _, layer in leaves(net.layers)
    )
    bound = net.n_out * (d + 1)
    if affine and bound < columns:
        return bound, (
            f"the network is affine in its {d} inputs, and so is each of the {net.n_out} rows that J has for a sample"
        )
    return columns, f"J has {columns} columns"


def repeated_samples(inputs: Array, samples: Array) -> tuple[int, int] | None:
    """Two samples with the same input, whose rows of J are the same whatever the network.

    Args:
        inputs: X (n, …).
        samples: indices to look at.

    Returns:
        The first such pair, or None.

    Example:
        >>> repeated_samples(np.array([[1.0], [2.0], [1.0]]), np.arange(3))
        (0, 2)
    """
    seen: dict[bytes, int] = {}
    for sample in samples.tolist():
        key = (inputs[sample] + 0.0).tobytes()  # −0 is 0
        if key in seen:
            return seen[key], sample
        seen[key] = sample
    return None
