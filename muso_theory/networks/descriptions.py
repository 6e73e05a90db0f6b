"""Layers as the JSON objects of network files, and back: a layer is what its fields say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, Field, fields
from numbers import Real
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from ..errors import expected, nearest
from .activation import Activation
from .layer import LAYERS, Layer

__all__ = ["MOST_LAYERS", "describe", "layers_of"]

MOST_LAYERS = 1000
"""Layers in a network, whose derivatives pass each in turn, and entries in a list of a network file."""

_PLAIN: dict[Any, tuple[tuple[type, ...], str, str]] = {
    bool: ((bool,), "true or false", "true"),
    int: ((int,), "a whole number", "1"),
    float: ((int, float), "a number", "1.0"),
    str: ((str,), "text", "'text'"),
}
"""Types of fields that JSON holds as they are: what is read as such, in words, and an example."""


_WORD_OR_LIST = sorted(map(str, (Literal, tuple)))
"""Origins of the two types of a field that holds a word or a tuple."""


def describe(layers: Sequence[Layer]) -> list[dict[str, Any]]:
    """Layers as JSON objects; an activation joins the affine layer before it.

    Args:
        layers: in forward order.

    Returns:
        One object an entry, with its ``type``.

    Raises:
        BadInputError: a layer without a ``kind``, or with a field that would not be read back: of a type that network
            files do not hold, or not of its type.

    Example:
        >>> from muso_theory.networks import Dense
        >>> describe([Dense(2, 1), Activation("relu")])[0]["activation"]
        'relu'
    """
    found: list[dict[str, Any]] = []
    for layer in layers:
        if isinstance(layer, Activation) and found and found[-1].get("activation", "") is None:
            found[-1]["activation"] = layer.name
            continue
        if LAYERS.get(layer.kind) is not type(layer):
            hint = "a class attribute kind, such as kind: ClassVar[str] = 'my-layer'"
            raise expected("a layer that network files know", "layer", layer, type(layer).__name__, hint)
        entry = {
            key: _plain(getattr(layer, f.name), layer)
            for key, f in _keys(type(layer)).items()
            if f.name not in layer.later or getattr(layer, f.name) != f.default
        }
        _read(type(layer), entry, layer.kind)
        found.append({"type": layer.kind, **entry, **({"activation": None} if layer.activates else {})})
    return found


def _plain(value: Any, layer: Layer) -> Any:
    """What a field holds, as JSON holds it."""
    if isinstance(value, tuple | list):
        nested = value and all(isinstance(part, Layer) for part in value)
        return describe(value) if nested else [_plain(part, layer) for part in value]
    if value is not None and not isinstance(value, Real | np.generic | str):
        what = "numbers, text, tuples of these or layers as fields"
        raise expected(what, f"a field of {layer.kind}", value, type(value).__name__, "a layer made of these")
    return value.item() if isinstance(value, np.generic) else value


def layers_of(items: Any, where: str) -> tuple[Layer, ...]:
    """Make layers of a list of JSON objects.

    Args:
        items: as `describe` makes them.
        where: what to call the list in a refusal.

    Returns:
        The layers, an activation after the affine layer that it was written into.

    Raises:
        BadInputError: naming the entry and the key that is wrong.

    Example:
        >>> layers_of([{"type": "flatten"}], "layers")
        (Flatten(),)
    """
    if not isinstance(items, list):
        raise expected(f"a list as {where}", "layers", items, type(items).__name__, "[{'type': 'dense', …}]")
    if len(items) > MOST_LAYERS:
        what = f"at most {MOST_LAYERS:,} entries in {where}"
        raise expected(what, "len(layers)", len(items), "list", "fewer")
    return tuple(layer for index, item in enumerate(items) for layer in _layers(item, f"{where}[{index}]"))


def _layers(item: Any, where: str) -> list[Layer]:
    """One entry as a layer and its activation."""
    if not isinstance(item, dict) or "type" not in item:
        hint = "{'type': 'dense', 'n_in': 64, 'n_out': 1, …}"
        raise expected(f"an object with a 'type' as {where}", "layer", item, type(item).__name__, hint)
    kind = item["type"]
    if not isinstance(kind, str) or kind not in LAYERS:
        hint = (
            f"{nearest(str(kind), LAYERS)}; in Python, also a layer of your own once its module was imported"
        )
        raise expected(f"a layer type in {where}", "type", kind, type(kind).__name__, hint)
    made = LAYERS[kind]
    values = {key: value for key, value in item.items() if key != "type"}
    activation = values.pop("activation", None) if made.activates else None
    keys = _keys(made)
    for key, f in keys.items():
        if key not in values and f.default is MISSING and f.default_factory is MISSING:
            what = f"the key '{key}' in {where}"
            raise expected(what, "keys", sorted(item), kind, f"adding '{key}'")
    for key in values:
        if key not in keys:
            hint = nearest(key, keys) if keys else "leaving it out"
            what = f"no other keys than those of {kind} in {where}"
            raise expected(what, "key", key, type(key).__name__, hint)
    layer = made(**_read(made, values, where))
    return [layer] if activation is None else [layer, Activation(activation)]


def _keys(made: type[Layer]) -> dict[str, Field[Any]]:
    """What network files call the fields of a layer, in order."""
    return {made.spelled.get(f.name, f.name): f for f in fields(made) if f.init}  # type: ignore[arg-type]


def _read(made: type[Layer], values: dict[str, Any], where: str) -> dict[str, Any]:
    """Arguments of a layer, of what a network file has under its keys."""
    try:
        types = get_type_hints(made)
    except NameError as error:
        hint = "importing what they name where the class is written"
        raise expected(
            "annotations that can be looked up", "layer", made.__name__, str(error), hint
        ) from error
    keys = _keys(made)
    return {
        keys[key].name: _typed(types[keys[key].name], value, f"{where}.{key}")
        for key, value in values.items()
    }


def _typed(of: Any, value: Any, where: str) -> Any:
    """A value of JSON as a field of this type has it; what else a layer refuses is left to it."""
    origin, parts = get_origin(of), get_args(of)
    if of in _PLAIN:
        taken, what, hint = _PLAIN[of]
        if type(value) not in taken:
            raise expected(what, where, value, type(value).__name__, hint)
        return value
    if origin is Literal:
        if value not in parts:
            hint = nearest(str(value), map(str, parts))
            raise expected("one of the words for it", where, value, type(value).__name__, hint)
        return value
    if origin in (Union, UnionType) and len(parts) == 2 and NoneType in parts:
        (other,) = set(parts) - {NoneType}
        return None if value is None else _typed(other, value, where)
    if origin in (Union, UnionType) and sorted(str(get_origin(part)) for part in parts) == _WORD_OR_LIST:
        wanted = Literal if isinstance(value, str) else tuple
        return _typed(next(part for part in parts if get_origin(part) is wanted), value, where)
    if origin is tuple:
        many = parts[-1:] == (...,)
        if many and isinstance(parts[0], type) and issubclass(parts[0], Layer):
            return layers_of(value, where)
        if not isinstance(value, list) or not (many or len(value) == len(parts)):
            what = "a list" if many else f"a list of {len(parts)} entries"
            hint = ", ".join("…" if part not in _PLAIN else _PLAIN[part][2] for part in parts)
            raise expected(what, where, value, type(value).__name__, f"[{hint}]")
        each = parts[:1] * len(value) if many else parts
        return tuple(
            _typed(part, entry, f"{where}[{i}]")
            for i, (part, entry) in enumerate(zip(each, value, strict=True))
        )
    hint = "bool, int, float, str, Literal, tuple[…] of these, tuple[Layer, …], one of them | None, or Literal | tuple"
    raise expected("one of the types that network files hold", where, of, "annotation", hint)
