"""Captions whose numbers are looked up in the result files when the caption is written, never typed.

A caption is a text with places ``{result|path|format}``. A path goes down the result by keys and indices; ``*`` goes
over a list and gives the distinct values below it, and ``#`` gives a list's length. The format is Python's, and may be
left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..errors import expected
from ..former import former

__all__ = ["fill"]
former(__name__)

_PLACE = re.compile(r"\{([^{}|]+)\|([^{}|]+)(?:\|([^{}|]+))?\}")
# A digit that belongs to a word is part of a name: float64, L2.
_TYPED = re.compile(r"(?<!\w)\d[\d.,]*")


def fill(caption: str, results: Mapping[str, Any]) -> str:
    """The caption with its numbers.

    Args:
        caption: text with places.
        results: name and content of each result.

    Returns:
        The text.

    Raises:
        BadInputError: a number typed, or a place whose path no result has.

    Example:
        >>> fill("{a|rows/#} seeds: {a|rows/*/seed}", {"a": {"rows": [{"seed": 0}, {"seed": 1}]}})
        '2 seeds: 0, 1'
    """
    typed = _TYPED.findall(_PLACE.sub("", caption))
    if typed:
        raise expected("numbers looked up, not typed", "caption", typed[0], "str", "{result|path}")

    def looked_up(place: re.Match[str]) -> str:
        name, path, form = place.group(1), place.group(2), place.group(3) or ""
        try:
            values = _walk(results[name], path.split("/"))
            return ", ".join(format(value, form) for value in values)
        except (KeyError, IndexError, TypeError, ValueError, ArithmeticError) as error:
            raise expected(
                "a number that the result holds", "path", path, repr(error), f"a path of {name}.json"
            ) from None

    return _PLACE.sub(looked_up, caption)


def _walk(content: Any, path: list[str]) -> list[Any]:
    """The distinct values at a path, sorted where there are several."""
    if not path:
        if isinstance(content, dict | list):
            raise TypeError("the path ends before a value")
        return [content]
    step, *rest = path
    if step == "#":
        return [len(content)]
    if step == "*":
        below = {value for item in content for value in _walk(item, rest) if value is not None}
        if not below:
            raise KeyError(step)
        return sorted(below)
    if isinstance(content, list):
        return _walk(content[int(step)], rest)
    # Rows of one list may lack a key that others have.
    return _walk(content[step], rest)
