"""Which function concludes which campaign."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from muso_theory.errors import expected

from .judges import Draft, finished

MOST = 10
"""More sentences than that are no conclusions."""

Concluding = Callable[[Mapping[str, Any]], list[Draft]]

_CONCLUDING: dict[str, Concluding] = {}


def concludes(name: str) -> Callable[[Concluding], Concluding]:
    """Enter a function by the name of its campaign, with the part where it has several."""

    def entered(function: Concluding) -> Concluding:
        _CONCLUDING[name] = function
        return function

    return entered


def concluding() -> list[str]:
    """The campaigns that conclude."""
    return sorted(_CONCLUDING)


def conclude(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The conclusions of a result, from its rows; none where its campaign has no function for them.

    Raises:
        BadInputError: rows lack what a conclusion is made of, as those of an older version do.
    """
    name = str(result.get("campaign"))
    if name not in _CONCLUDING:
        return []
    try:
        found = finished(_CONCLUDING[name](result))
    except (KeyError, TypeError) as error:
        lacks = " ".join(f"{type(error).__name__}: {error}".split())
        again = f"python -m verification {name}, which writes them"
        raise expected("rows that hold what is concluded", "result", name, lacks, again) from error
    sentences = [conclusion["sentence"] for conclusion in found]
    assert len(set(sentences)) == len(sentences) <= MOST, f"{name}: {len(sentences)} sentences"
    return found
