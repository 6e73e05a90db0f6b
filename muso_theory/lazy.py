"""Names of a package that are loaded when they are first asked for, so that importing it costs nothing."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["lazily"]


def lazily(package: str, name: str, homes: Mapping[str, Sequence[str]], rooms: Sequence[str]) -> Any:
    """What a package has under a name, for its ``__getattr__``; asked for once, it is kept there.

    Args:
        package: the package's own name.
        name: what is asked for.
        homes: names by the module inside of the package that defines them.
        rooms: packages inside of it.

    Raises:
        AttributeError: no such name.

    Example:
        >>> lazily("muso_theory", "Verdict", {"verdict": ["Verdict"]}, []).PROVED
        Verdict.PROVED
    """
    if name in rooms:
        return importlib.import_module(f".{name}", package)
    for home, names in homes.items():
        if name in names:
            value = getattr(importlib.import_module(f".{home}", package), name)
            setattr(sys.modules[package], name, value)
            return value
    raise AttributeError(f"module {package!r} has no attribute {name!r}")
