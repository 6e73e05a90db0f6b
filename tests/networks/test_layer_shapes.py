"""What a layer says about shapes is what it does: a shape it takes comes out as it says, any other it refuses."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest

from muso_theory.errors import BadInputError
from muso_theory.networks import Embedding, Layer, Sequential
from muso_theory.networks.layer import LAYERS
from verification.layer_nets import PARAMETERIZATIONS, inputs, kinked, moved, smooth

NETS = {
    f"{name}/{param}": net
    for param in PARAMETERIZATIONS
    for name, net in {**smooth(param), **kinked(param)}.items()
}


def steps(net: Sequential) -> list[tuple[Layer, tuple[int, ...]]]:
    """Each layer with the shape that it is given."""
    shapes = [Sequential(net.input_shape, net.layers[:i]).output_shape for i in range(1, len(net.layers))]
    return list(zip(net.layers, [net.input_shape, *shapes], strict=True))


def neighbours(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """A shape and those near it: an axis longer, shorter, turned, one more, one less."""
    yield shape
    for axis, by in itertools.product(range(len(shape)), (-3, -2, -1, 1, 2, 3)):
        if shape[axis] + by > 0:
            yield (*shape[:axis], shape[axis] + by, *shape[axis + 1 :])
    yield from (shape[::-1], (1, *shape), (*shape, 1), (*shape, shape[-1]), shape[1:], shape[:-1], ())


@pytest.mark.parametrize("net", NETS.values(), ids=NETS)
def test_a_layer_makes_the_shape_that_it_says_or_refuses(net: Sequential) -> None:
    rng = np.random.default_rng(0)
    for layer, shape in steps(net):
        params = layer.init(rng)
        assert [p.shape for p in params] == list(layer.param_shapes)
        taken = []
        for near in dict.fromkeys(neighbours(shape)):
            x = np.zeros((2, *near)) if isinstance(layer, Embedding) else rng.standard_normal((2, *near))
            try:
                wanted = layer.output_shape(near)
            except BadInputError:
                continue
            assert layer.forward(params, x)[0].shape == (2, *wanted), (layer, near)
            taken.append(near)
        assert shape in taken


def test_every_layer_of_the_package_is_asked() -> None:
    asked = {type(layer) for net in NETS.values() for layer, _ in steps(net)}
    missing = {layer for layer in LAYERS.values() if layer.__module__.startswith("muso_theory.")} - asked
    assert {layer.__name__ for layer in missing} <= {"Position", "SelfAttention"}, missing


@pytest.mark.parametrize("net", NETS.values(), ids=NETS)
def test_a_network_takes_inputs_of_its_shape_alone(net: Sequential) -> None:
    params, X = moved(net), inputs(net)
    assert net(params, X).shape == (len(X), *net.output_shape)
    for near in set(neighbours(net.input_shape)) - {net.input_shape}:
        with pytest.raises(BadInputError, match="for layer 0"):
            net(params, np.zeros((2, *near)))
