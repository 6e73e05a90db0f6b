"""Every edit of a single leaf of a stored report: what a forger may do in one place."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from muso_theory.checking.report import digest

Path = tuple[Any, ...]

_HASH = re.compile(r"[0-9a-f]{64}")


def leaves(node: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every leaf of plain data, empty lists and dictionaries among them."""
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in inner:
        yield from leaves(value, (*path, key))
    if path and not (isinstance(node, dict | list) and node):
        yield path, node


def numbers(text: str) -> Fraction | None:
    """The number that a text is, or None."""
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        return None


def values(value: Any) -> Iterator[tuple[str, Any]]:
    """Other values of one leaf, with the kind of edit."""
    if isinstance(value, str):
        yield "string longer", value + "x"
        yield "string emptied", ""
        number = numbers(value)
        if number is not None:
            yield "number negated", repr(-float(number) if number else -1.0)
            yield "number / 2.8", repr(float(number / Fraction("2.8")) if number else 1e-300)
            yield "number × 2.8", repr(float(number * Fraction("2.8")) if number else 1e-9)
            yield "number + 1e-9", repr(float(number) * (1 + 1e-9) + 1e-30)
        elif _HASH.fullmatch(value):
            yield "hash", value[:-1] + ("0" if value[-1] != "0" else "1")
        else:
            digit = re.search(r"[0-8]", value)
            if digit:
                yield "digit in words", f"{value[: digit.start()]}{int(digit[0]) + 1}{value[digit.end() :]}"
        yield "type", [value]
        yield "nothing", None
    elif isinstance(value, bool):
        yield "boolean", not value
        yield "type", int(value)
    elif isinstance(value, int):
        yield "integer + 1", value + 1
        yield "integer − 1", value - 1
        yield "type", bool(value)
        yield "type", float(value)
        yield "type", str(value)
    elif value is None:
        yield "something", "x"
        yield "type", False
    else:
        yield "something", ["x"] if isinstance(value, list) else {"x": "x"}
        yield "nothing", None


def mutants(document: dict[str, Any]) -> Iterator[tuple[str, Path, dict[str, Any]]]:
    """The kind of edit, where, and the edited report with its digest computed again.

    Every other value of every leaf; every leaf deleted; something inserted in every list and dictionary; every entry
    of a list twice.
    """
    places = list(leaves(document))
    for path, value in places:
        if path == ("digest",):
            continue
        for kind, other in values(value):
            yield (
                kind,
                path,
                _edited(document, path, lambda node, key, other=other: node.__setitem__(key, other)),
            )
        yield "deleted", path, _edited(document, path, lambda node, key: node.__delitem__(key))
    for path in dict.fromkeys(place[:i] for place, _ in places for i in range(1, len(place))):
        yield "inserted", path, _edited(document, path, _insert)
        if isinstance(path[-1], int):
            yield "twice", path, _edited(document, path, lambda node, key: node.insert(key, node[key]))
            yield "deleted", path, _edited(document, path, lambda node, key: node.__delitem__(key))


def _insert(node: Any, key: Any) -> None:
    inner = node[key]
    if isinstance(inner, dict):
        inner["inserted"] = "x"
    else:
        inner.append("x")


def _edited(document: dict[str, Any], path: Path, edit: Any) -> dict[str, Any]:
    copied = copy.deepcopy(document)
    node: Any = copied
    for key in path[:-1]:
        node = node[key]
    edit(node, path[-1])
    copied["digest"] = digest(copied)
    return json.loads(json.dumps(copied))  # type: ignore[no-any-return]
