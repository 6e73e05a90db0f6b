"""Find the rule that a command line names, without running its code in this process."""

from __future__ import annotations

import ast
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from ..errors import expected, nearest
from ..understood import listed
from .isolation import Runner
from .named import NamedRule
from .rulebook import RULEBOOK

__all__ = ["load_rule", "source_file"]


def load_rule(spec: str) -> Any:
    """Look up an entry of the rulebook, or see whether ``module:function`` or ``file.py:function`` can be imported.

    The import is tried in another process, with a time limit. The current directory is searched first, as
    ``python -m`` does.

    Raises:
        BadInputError: not of this form, no such module or name, not callable, or an import that fails, ends its process
            or takes too long.

    Example:
        >>> load_rule("retain-mean").words, load_rule("muso_theory:optimal_labels").kind
        ('the mean retained target', 'labels')
    """
    if spec in RULEBOOK:
        return RULEBOOK[spec]
    module_name, colon, path = spec.rpartition(":")
    if not colon or not module_name or not path:
        what, got = "MODULE:FUNCTION, FILE.py:FUNCTION or a name of the rulebook", "no function named"
        if spec.endswith(".py"):
            raise expected(what, "rule", spec, got, f"{spec}:{listed(_functions(Path(spec)), 6) or 'rule'}")
        got = got if "." in spec else "not in the rulebook"
        raise expected(what, "rule", spec, got, nearest(spec, RULEBOOK, f"one of {listed(list(RULEBOOK))}"))
    with Runner(NamedRule(spec)) as runner:
        about = runner.start()
    return NamedRule(spec, **about)


def _functions(path: Path) -> list[str]:
    """Functions that a file defines, found without running any of it; none where it cannot be read."""
    try:
        body = ast.parse(path.read_bytes()).body
    except (OSError, SyntaxError, ValueError):
        return []
    return [node.name for node in body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]


def source_file(spec: str) -> Path | None:
    """The file whose code a rule is, found without running any of it, or None.

    Example:
        >>> source_file("muso_theory:optimal_labels").name, source_file("retain-mean")
        ('__init__.py', None)
    """
    name = spec.rpartition(":")[0]
    if not name or name.endswith(".py"):
        return Path(name) if name else None
    places: Any = [str(Path.cwd()), *sys.path]
    for part in name.split("."):
        found = PathFinder.find_spec(part, places)
        if found is None:
            return None
        places = found.submodule_search_locations or []
    return Path(found.origin) if found and found.origin else None
