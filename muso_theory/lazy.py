"""Names of a package that are loaded when they are first asked for, so that importing it costs nothing."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from .former import refuse_former

__all__ = ["lazily"]


def lazily(package: str, name: str, homes: Mapping[str, Sequence[str]] | None = None) -> Any:
    """What a package has under a name, for its ``__getattr__``: what a module of it defines, or such a module itself.

    Asked for once, it is kept there.

    Args:
        package: the package's own name.
        name: what is asked for.
        homes: names by the module inside of the package that defines them.

    Raises:
        RenamedError: a name of an earlier version.
        AttributeError: no such name.

    Example:
        >>> lazily("muso_theory", "Verdict", {"verdict": ["Verdict"]}).PROVED
        Verdict.PROVED
        >>> lazily("muso_theory.networks", "distance").__name__
        'muso_theory.networks.distance'
    """
    for home, names in (homes or {}).items():
        if name in names:
            value = getattr(importlib.import_module(f".{home}", package), name)
            setattr(sys.modules[package], name, value)
            return value
    refuse_former(package, name)
    module = f"{package}.{name}"
    if not name.startswith("_") and find_spec(module):
        return importlib.import_module(module)
    raise AttributeError(f"module {package!r} has no attribute {name!r}")
