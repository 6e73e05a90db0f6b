"""Network files: one npz with the architecture as JSON and the parameters p000, p001, … in forward order."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..arguments import checked
from ..arrays import Array
from ..errors import BadInputError, expected, printable
from ..files.kinds import refuse_other_kinds
from ..files.reading import parse_json, read_arrays
from ..files.writing import npz_bytes, write_atomic
from .descriptions import describe, layers_of
from .network import Sequential

__all__ = ["architecture", "from_architecture", "load", "network_arrays", "save"]


@checked
def architecture(net: Sequential) -> dict[str, Any]:
    """The architecture as a JSON-able object {"input_shape": …, "layers": …}.

    Args:
        net: the network.

    Returns:
        The object that a network file stores under ``arch``.

    Raises:
        BadInputError: for a layer without a ``kind``.

    Example:
        >>> from muso_theory.networks import mlp
        >>> architecture(mlp([2, 1]))["layers"][0]["type"]
        'dense'
    """
    return {"input_shape": list(net.input_shape), "layers": describe(net.layers)}


def from_architecture(arch: Any) -> Sequential:
    """Build a network from the JSON-able object of a network file.

    Args:
        arch: {"input_shape": […], "layers": […]}.

    Returns:
        The network.

    Raises:
        BadInputError: naming the layer and key that is wrong.

    Example:
        >>> from_architecture({"input_shape": [2], "layers": [{"type": "dense", "n_in": 2, "n_out": 1}]})
        Sequential((2,): dense 2→1; 3 parameters)
    """
    if not isinstance(arch, dict) or not {"input_shape", "layers"} <= set(arch):
        got = sorted(arch) if isinstance(arch, dict) else arch
        raise expected(
            "an object with 'input_shape' and 'layers'", "arch", got, type(arch).__name__, "networks.save"
        )
    shape = arch["input_shape"]
    if not (isinstance(shape, list) and shape and all(type(v) is int for v in shape)):
        raise expected(
            "a list of whole numbers", "input_shape", shape, type(shape).__name__, "[64] or [8, 8, 1]"
        )
    return Sequential(tuple(shape), layers_of(arch["layers"], "layers"))


@checked
def save(path: str | os.PathLike[str], net: Sequential, params: Sequence[Array]) -> None:
    """Write a network file, whole or not at all; the same network gives the same bytes.

    Args:
        path: where; written exactly there, whatever its extension.
        net: the network.
        params: its parameters; their dtype is kept.

    Raises:
        BadInputError: for parameters that do not fit, hold NaN, or are mpmath numbers.

    Example:
        >>> import tempfile, pathlib
        >>> from muso_theory.networks import mlp
        >>> net = mlp([2, 3, 1])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save(pathlib.Path(folder) / "net.npz", net, net.init(0))
        ...     load(pathlib.Path(folder) / "net.npz")[0] == net
        True
    """
    write_atomic(path, npz_bytes(network_arrays(net, params)))


def network_arrays(net: Sequential, params: Sequence[Array]) -> dict[str, Any]:
    """The arrays of a network file by name; refusals are those of `save`."""
    arrays = net.check_params(params)
    for index, array in enumerate(arrays):
        if array.dtype == object:
            raise expected(
                "float32, float64 or complex128", f"params[{index}]", array.dtype, "dtype", "astype(float)"
            )
    content: dict[str, Any] = {f"p{index:03d}": array for index, array in enumerate(arrays)}
    return {"arch": np.array(json.dumps(architecture(net))), **content}


@checked
def load(path: str | os.PathLike[str]) -> tuple[Sequential, list[Array]]:
    """Read a network file.

    Args:
        path: an npz with ``arch``, a JSON string, and ``p000``, ``p001``, … in forward order.

    Returns:
        The network and its parameters.

    Raises:
        BadInputError: for a file that is missing, corrupted or not such an npz, naming what is wrong: the key, the
            layer, the array of the wrong shape, NaN weights. Pickled objects are refused.

    Example:
        >>> load("no-such-file.npz")
        Traceback (most recent call last):
            ...
        muso_theory.errors.BadInputError: expected a readable network file but got path=no-such-file.npz: ...
    """
    name = Path(path)

    def check(members: Collection[str]) -> None:
        if "arch" not in members:
            raise expected(
                "the key 'arch'", "keys", sorted(members), "npz", "networks.save(path, net, params)"
            )

    refuse_other_kinds(name, "path", "network")
    try:
        content = read_arrays(name, str(name), check)
    except BadInputError as error:
        raise BadInputError(
            f"expected a readable network file but got path={printable(str(name))}: {error}"
        ) from error
    arch = parse_json(str(content["arch"]), "arch", f"the array arch of {name}")
    net = from_architecture(arch)
    names = [f"p{index:03d}" for index in range(len(net.param_shapes))]
    others = set(content) - {"arch"}
    if others != set(names):
        different = sorted(others ^ set(names))
        raise expected(
            f"the {len(names)} arrays {names[0] if names else ''} … {names[-1] if names else ''}",
            "keys",
            different,
            "missing or too many",
            "the parameters W, b, W, b, … of the architecture in forward order",
        )
    for key, shape in zip(names, net.param_shapes, strict=True):
        if content[key].shape != shape or content[key].dtype.kind not in "fc":
            got = f"shape {content[key].shape}, dtype {content[key].dtype}"
            raise expected(f"a float array {shape}", "key", key, got, "the architecture's own parameters")
    return net, net.check_params([content[key] for key in names])
