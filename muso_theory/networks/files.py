"""Network files: one npz with the architecture as JSON and the parameters p000, p001, … in forward order."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from muso_theory.arguments import checked
from muso_theory.errors import BadInputError, expected, nearest, printable
from muso_theory.files import npz_bytes, write_atomic
from muso_theory.reading import parse_json, read_arrays

from .composition import Residual
from .convolution import AvgPool, Conv2D, GlobalAvgPool
from .functions import Array
from .layers import Activation, Dense, Flatten, Layer
from .network import MOST_LAYERS, Sequential
from .normalisation import LayerNorm

__all__ = ["architecture", "from_architecture", "load", "save"]

_KEYS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "dense": (("n_in", "n_out"), ("activation", "param", "w_std", "b_std")),
    "conv2d": (("c_in", "c_out", "kernel"), ("stride", "padding", "activation", "param", "w_std", "b_std")),
    "activation": (("activation",), ()),
    "flatten": ((), ()),
    "avg_pool": (("window",), ("stride",)),
    "global_avg_pool": ((), ()),
    "layer_norm": (("size",), ("eps",)),
    "residual": (("layers",), ("shortcut",)),
}
"""Required and optional keys of every layer type."""


def _write(layers: Sequence[Layer]) -> list[dict[str, Any]]:
    """Layers as JSON objects; an activation joins the affine layer before it."""
    found: list[dict[str, Any]] = []
    for layer in layers:
        affine = {}
        if isinstance(layer, (Dense, Conv2D)):
            affine = {
                "activation": None,
                "param": layer.param,
                "w_std": float(layer.w_std),
                "b_std": float(layer.b_std),
            }
        match layer:
            case Dense():
                found.append({"type": "dense", "n_in": int(layer.n_in), "n_out": int(layer.n_out), **affine})
            case Conv2D():
                found.append(
                    {
                        "type": "conv2d",
                        "c_in": int(layer.c_in),
                        "c_out": int(layer.c_out),
                        "kernel": [int(v) for v in layer.kernel],
                        "stride": [int(v) for v in layer.stride],
                        "padding": layer.padding,
                        **affine,
                    }
                )
            case Activation() if found and "activation" in found[-1] and found[-1]["activation"] is None:
                found[-1]["activation"] = layer.name
            case Activation():
                found.append({"type": "activation", "activation": layer.name})
            case Flatten():
                found.append({"type": "flatten"})
            case AvgPool():
                steps = [int(v) for v in layer.steps]
                found.append({"type": "avg_pool", "window": [int(v) for v in layer.window], "stride": steps})
            case GlobalAvgPool():
                found.append({"type": "global_avg_pool"})
            case LayerNorm():
                found.append({"type": "layer_norm", "size": int(layer.size), "eps": float(layer.eps)})
            case Residual():
                found.append(
                    {"type": "residual", "layers": _write(layer.body), "shortcut": _write(layer.shortcut)}
                )
            case _:
                hint = "the layers of muso_theory.networks"
                raise expected("a layer that network files know", "layer", layer, type(layer).__name__, hint)
    return found


@checked
def architecture(net: Sequential) -> dict[str, Any]:
    """The architecture as a JSON-able object {"input_shape": …, "layers": …}.

    Args:
        net: the network.

    Returns:
        The object that a network file stores under ``arch``.

    Raises:
        BadInputError: for a layer that network files do not know.

    Example:
        >>> from muso_theory.networks import mlp
        >>> architecture(mlp([2, 1]))["layers"][0]["type"]
        'dense'
    """
    return {"input_shape": list(net.input_shape), "layers": _write(net.layers)}


def _pair(value: Any, where: str, key: str) -> tuple[int, int]:
    """Two whole numbers."""
    if not (isinstance(value, list) and len(value) == 2 and all(type(v) is int for v in value)):
        raise expected(f"a list of two whole numbers in {where}", key, value, type(value).__name__, "[3, 3]")
    return value[0], value[1]


def _read_layer(item: Any, where: str) -> list[Layer]:
    """One JSON object as a layer and its activation."""
    if not isinstance(item, dict) or "type" not in item:
        hint = "{'type': 'dense', 'n_in': 64, 'n_out': 1, …}"
        raise expected(f"an object with a 'type' as {where}", "layer", item, type(item).__name__, hint)
    kind = item["type"]
    if kind not in _KEYS:
        raise expected(
            f"a layer type in {where}", "type", kind, type(kind).__name__, nearest(str(kind), _KEYS)
        )
    required, optional = _KEYS[kind]
    for key in required:
        if key not in item:
            raise expected(f"the key '{key}' in {where}", "keys", sorted(item), kind, f"adding '{key}'")
    for key in item:
        if key not in ("type", *required, *optional):
            hint = nearest(key, (*required, *optional)) if required else "leaving it out"
            raise expected(
                f"no other keys than those of {kind} in {where}", "key", key, type(key).__name__, hint
            )
    scales = {key: item[key] for key in ("param", "w_std", "b_std") if key in item}
    for key in ("w_std", "b_std"):
        if key in scales and type(scales[key]) not in (int, float):
            raise expected(f"a number in {where}", key, scales[key], type(scales[key]).__name__, "1.0")
    layer: Layer
    match kind:
        case "dense":
            layer = Dense(item["n_in"], item["n_out"], **scales)
        case "conv2d":
            layer = Conv2D(
                item["c_in"],
                item["c_out"],
                _pair(item["kernel"], where, "kernel"),
                _pair(item.get("stride", [1, 1]), where, "stride"),
                item.get("padding", "SAME"),
                **scales,
            )
        case "activation":
            return [Activation(item["activation"])]
        case "flatten":
            return [Flatten()]
        case "avg_pool":
            stride = item.get("stride")
            steps = None if stride is None else _pair(stride, where, "stride")
            return [AvgPool(_pair(item["window"], where, "window"), steps)]
        case "global_avg_pool":
            return [GlobalAvgPool()]
        case "layer_norm":
            return [LayerNorm(item["size"], item.get("eps", 1e-5))]
        case _:
            return [
                Residual(
                    _read(item["layers"], f"{where}.layers"),
                    _read(item.get("shortcut", []), f"{where}.shortcut"),
                )
            ]
    name = item.get("activation")
    return [layer] if name is None else [layer, Activation(name)]


def _read(items: Any, where: str) -> tuple[Layer, ...]:
    """A list of JSON objects as layers."""
    if not isinstance(items, list):
        raise expected(f"a list as {where}", "layers", items, type(items).__name__, "[{'type': 'dense', …}]")
    if len(items) > MOST_LAYERS:
        raise expected(
            f"at most {MOST_LAYERS:,} entries in {where}", "len(layers)", len(items), "list", "fewer"
        )
    return tuple(
        layer for index, item in enumerate(items) for layer in _read_layer(item, f"{where}[{index}]")
    )


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
    return Sequential(tuple(shape), _read(arch["layers"], "layers"))


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
    arrays = net.check_params(params)
    for index, array in enumerate(arrays):
        if array.dtype == object:
            raise expected(
                "float32, float64 or complex128", f"params[{index}]", array.dtype, "dtype", "astype(float)"
            )
    content: dict[str, Any] = {f"p{index:03d}": array for index, array in enumerate(arrays)}
    write_atomic(path, npz_bytes({"arch": np.array(json.dumps(architecture(net))), **content}))


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
