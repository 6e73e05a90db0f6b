"""Parameters by the names and shapes that they are published with."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..arguments import checked
from ..arrays import Array, plain_array
from ..errors import expected, nearest
from ..files.reading import read_arrays
from .batch_norm import BatchNorm
from .branches import Gate
from .composition import Branched, Chain, leaves
from .convolution import Conv2D
from .dense import Dense
from .flatten import Flatten
from .layer import Layer
from .models import MODELS, resnet18, vgg11
from .network import Sequential

__all__ = ["from_state_dict", "state_dict_shapes"]

COUNTER = "num_batches_tracked"
"""How many batches a running statistic has seen, which only training without a momentum reads."""


class _Place(NamedTuple):
    """One layer with parameters.

    Args:
        layer: the layer.
        image: shape of the image that was flattened right before it; None elsewhere.
        gated: whether it is a dense layer of a gate, which is published as a 1×1 convolution.
    """

    layer: Layer
    image: tuple[int, ...] | None
    gated: bool


def _places(chain: Chain, shape: tuple[int, ...], gated: bool = False) -> Iterator[_Place]:
    """Layers with parameters in forward order."""
    image = None
    for layer in chain.layers:
        if isinstance(layer, Branched):
            for branch in layer.branches.values():
                yield from _places(branch, shape, gated or isinstance(layer, Gate))
        elif layer.param_shapes:
            yield _Place(layer, image, gated)
        image = shape if isinstance(layer, Flatten) and len(shape) == 3 else None
        shape = layer.output_shape(shape)


def _names(net: Sequential) -> tuple[str, ...]:
    """Published names of a network's layers with parameters; refuses a network that none of the builders makes."""
    channels = net.input_shape[-1]
    params = {layer.param for _, layer in leaves(net.layers) if isinstance(layer, (Conv2D, Dense))}
    for variants in MODELS.values():
        for param in params:
            for parts in variants(channels, net.n_out, param):
                if parts.layers == net.layers:
                    return parts.names
    what = "a network as " + ", ".join(MODELS) + " make it"
    raise expected(what, "net", net.input_shape, "other layers", "networks.resnet18(10)")


def _published(name: str, place: _Place) -> list[tuple[str, tuple[int, ...], int]]:
    """Names and shapes of one layer's arrays, and which of its parameters each is."""
    layer = place.layer
    if isinstance(layer, BatchNorm):
        words = ("weight", "bias", "running_mean", "running_var")
        return [(f"{name}.{word}", (layer.size,), index) for index, word in enumerate(words)]
    weight, *bias = layer.param_shapes
    if isinstance(layer, Conv2D):
        weight = (weight[3], weight[2], *weight[:2])
    else:
        weight = (*weight[::-1], 1, 1) if place.gated else weight[::-1]
    found = [(f"{name}.weight", weight, 0)]
    return [*found, (f"{name}.bias", bias[0], 1)] if bias else found


def _own(array: Array, index: int, place: _Place) -> Array:
    """A published array in this package's layout."""
    layer = place.layer
    if index or isinstance(layer, BatchNorm):
        return array
    if isinstance(layer, Conv2D):
        return array.transpose(2, 3, 1, 0)
    matrix = array.reshape(array.shape[:2])
    if (
        place.image is not None
    ):  # flattened as (channels, height, width) there, as (height, width, channels) here
        height, width, channels = place.image
        cut = matrix.reshape(-1, channels, height, width)
        matrix = cut.transpose(0, 2, 3, 1).reshape(matrix.shape)
    return matrix.T


@checked
def state_dict_shapes(net: Sequential) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a network's parameters as torchvision publishes them, without the counters of batches.

    Args:
        net: a network of :func:`resnet18`, :func:`resnet8` (named alike), :func:`vgg11` or :func:`efficientnet_b0`.

    Returns:
        Shapes by name, in forward order.

    Raises:
        BadInputError: for another network.

    Example:
        >>> from muso_theory.networks import resnet18
        >>> state_dict_shapes(resnet18(10))["layer2.0.downsample.0.weight"]
        (128, 64, 1, 1)
    """
    places = list(_places(net.chain, net.input_shape))
    return {
        key: shape
        for name, place in zip(_names(net), places, strict=True)
        for key, shape, _ in _published(name, place)
    }


@checked
def from_state_dict(net: Sequential, arrays: Mapping[str, Any] | str | os.PathLike[str]) -> list[Array]:
    """Parameters of a network by name from a mapping, or an npz, with the names and shapes of torchvision.

    Convolutions (out, in/groups, height, width) become (height, width, in/groups, out), dense layers (out, in) become
    (in, out), and those after a flattened image have their columns put from (channels, height, width) into (height,
    width, channels); the dense layers of a gate are published as 1×1 convolutions. Running statistics become the
    parameters that evaluation reads. Counters of batches (``num_batches_tracked``) are accepted and not used: running
    statistics move by their layer's momentum here. Images are channels-last, (n, height, width, channels).

    Args:
        net: a network of :func:`resnet18`, :func:`resnet8` (named alike), :func:`vgg11` or :func:`efficientnet_b0`.
        arrays: arrays by name, or the path of an npz of them.

    Returns:
        What ``net(params, X)`` needs, in the arrays' precision.

    Raises:
        BadInputError: for another network, names that are missing or unknown (the first, with the nearest), another
            shape, negative running variances, NaN or infinity.

    Example:
        >>> import numpy as np
        >>> from muso_theory.networks import resnet8
        >>> net = resnet8(10)
        >>> arrays = {name: np.ones(shape) for name, shape in state_dict_shapes(net).items()}
        >>> len(from_state_dict(net, arrays)) == len(net.param_shapes)
        True
        >>> arrays["conv2.weight"] = arrays.pop("conv1.weight")
        >>> from_state_dict(net, arrays)
        Traceback (most recent call last):
            ...
        muso_theory.errors.BadInputError: expected the array conv1.weight (16, 3, 3, 3) but got names=conv2.weight (1 \
missing, 1 unknown); try 'conv2.weight' under that name
    """
    given: dict[str, Any] = dict(arrays) if isinstance(arrays, Mapping) else _from_file(arrays)
    wanted = state_dict_shapes(net)
    given = {name: array for name, array in given.items() if name.rpartition(".")[2] != COUNTER}
    if given.keys() != wanted.keys():
        _refuse_relatives(net, given)
    _check_names(given, wanted)
    params: list[Array] = []
    for name, place in zip(_names(net), _places(net.chain, net.input_shape), strict=True):
        for key, shape, index in _published(name, place):
            array = plain_array(key, given[key])
            if array.shape != shape:
                _refuse_relatives(net, given)
                raise expected(
                    f"shape {shape} of {place.layer}", key, array.shape, "shape", "this network's own"
                )
            if key.endswith("running_var") and (array < 0).any():
                raise expected(
                    "variances of at least 0", key, float(array.min()), "negative", "the file again"
                )
            params.append(np.ascontiguousarray(_own(array, index, place)))
    return net.check_params(params, real=True)


def _from_file(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The arrays of an npz."""
    name = Path(path)
    return dict(read_arrays(name, str(name), lambda members: None))


def _refuse_relatives(net: Sequential, given: dict[str, Any]) -> None:
    """Refuse arrays that fit as a whole but for a prefix of every name, or for a setting of the builder."""
    shapes = {name: np.shape(array) for name, array in given.items()}
    first, last = next(iter(shapes), ""), next(reversed(shapes.values()), ())
    prefix = first[: first.find(".") + 1]
    if prefix and all(name.startswith(prefix) for name in shapes):
        rest = {name.removeprefix(prefix): shape for name, shape in shapes.items()}
        if rest == state_dict_shapes(net):
            hint = f"{{name.removeprefix({prefix!r}): array for name, array in arrays.items()}}"
            raise expected(f"names without {prefix!r}", "names", first, "a prefix of them all", hint)
    classes = int(last[0]) if last else net.n_out
    for build, setting in _SETTINGS:
        for value in (False, True):
            if shapes == state_dict_shapes(build(classes, value, net.input_shape)):
                made = f"{build.__name__}({classes}, {setting}={value})"
                raise expected(
                    "arrays of this network", "arrays", f"those of {made}", "another network", made
                )


_SETTINGS: tuple[tuple[Callable[..., Sequential], str], ...] = (
    (resnet18, "small_images"),
    (vgg11, "batch_norm"),
)
"""Builders with a setting that names and shapes of parameters depend on."""


def _check_names(given: dict[str, Any], wanted: dict[str, tuple[int, ...]]) -> None:
    """Refuse names that are missing or unknown."""
    missing = [name for name in wanted if name not in given]
    unknown = [name for name in given if name not in wanted]
    count = f"{len(missing)} missing, {len(unknown)} unknown"
    if missing:
        what = f"the array {missing[0]} {wanted[missing[0]]}"
        hint = (
            f"{nearest(missing[0], unknown, 'the array')} under that name"
            if unknown
            else "the whole state_dict"
        )
        shown = ", ".join(unknown[:3]) if unknown else f"without {', '.join(missing[:3])}"
        raise expected(what, "names", shown, count, hint)
    if unknown:
        hint = f"leaving it out; the nearest name is {nearest(unknown[0], wanted, 'not clear')}"
        raise expected("names of this network alone", "names", ", ".join(unknown[:3]), count, hint)
