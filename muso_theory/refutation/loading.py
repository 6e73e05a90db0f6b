"""Find the rule that a command line names."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

from ..errors import MusoError, expected, nearest
from .rulebook import RULEBOOK

__all__ = ["load_rule"]


def load_rule(spec: str) -> Any:
    """Import ``module:function`` or ``path/file.py:function``, or look up an entry of the rulebook.

    The current directory is searched first, as ``python -m`` does.

    Args:
        spec: what to load; dots after the colon reach into objects.

    Returns:
        The rule, a callable.

    Raises:
        BadInputError: not of this form, no such module or name, not callable, or an import that fails.

    Example:
        >>> load_rule("retain-mean").words, load_rule("muso_theory:optimal_labels").__name__
        ('the mean retained target', 'optimal_labels')
    """
    if spec in RULEBOOK:
        return RULEBOOK[spec]
    module_name, colon, path = spec.rpartition(":")
    if not colon or not module_name or not path:
        raise expected(
            "MODULE:FUNCTION or a name of the rulebook",
            "rule",
            spec,
            "str",
            nearest(spec, RULEBOOK, "package.module:rule"),
        )
    try:
        found: Any = _module(module_name)
    except MusoError:
        raise
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        raise expected(
            "a module that can be imported", "rule", spec, text, "python -c 'import ...'"
        ) from error
    for name in path.split("."):
        if not hasattr(found, name):
            public = (
                [word for word in vars(found) if not word.startswith("_")]
                if hasattr(found, "__dict__")
                else []
            )
            raise expected(
                "a name in the module", "rule", spec, f"no {name}", nearest(name, public, "another name")
            )
        found = getattr(found, name)
    if not callable(found):
        raise expected("a callable", "rule", spec, type(found).__name__, "a function rule(problem)")
    return found


def _module(name: str) -> Any:
    """Import by name or from a file."""
    if name.endswith(".py"):
        path = Path(name)
        if not path.is_file():
            raise expected("an existing file", "rule", name, "no such file", "its path from here")
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules.setdefault(path.stem, module)
        spec.loader.exec_module(module)
        return module
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    return importlib.import_module(name)
