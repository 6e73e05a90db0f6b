"""Find the rule that a command line names, without running its code in this process."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, final

from ..errors import MusoError, expected, nearest
from .rulebook import RULEBOOK

__all__ = ["NamedRule", "load_rule", "source_file"]


@final
@dataclass(frozen=True)
class NamedRule:
    """A rule by the name of its code, which is imported only where it is called: in a process of its own.

    Args:
        spec: ``module:function`` or ``path/file.py:function``.
        kind: what it returns, as its attribute ``kind`` says.
        assuming: conditions, as its attribute ``assuming`` says.
    """

    spec: str
    kind: str = "labels"
    assuming: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What to call it."""
        return self.spec

    def load(self) -> Any:
        """Import it here.

        Returns:
            The rule, a callable.

        Raises:
            BadInputError: no such module or name, not callable, or an import that fails or ends the process.
        """
        module_name, _, path = self.spec.rpartition(":")
        try:
            found: Any = _module(module_name)
        except MusoError:
            raise
        except (Exception, SystemExit) as error:
            text = f"{type(error).__name__}: {error}"
            raise expected(
                "a module that can be imported", "rule", self.spec, text, "python -c 'import ...'"
            ) from None
        for name in path.split("."):
            if not hasattr(found, name):
                public = [word for word in getattr(found, "__dict__", ()) if not word.startswith("_")]
                hint = nearest(name, public, "another name")
                raise expected("a name in the module", "rule", self.spec, f"no {name}", hint)
            found = getattr(found, name)
        if not callable(found):
            got = type(found).__name__
            raise expected("a callable", "rule", self.spec, got, "a function rule(problem)")
        return found

    def __call__(self, problem: Any) -> Any:
        """Import the rule here and call it."""
        return self.load()(problem)


def load_rule(spec: str) -> Any:
    """Look up an entry of the rulebook, or see whether ``module:function`` or ``file.py:function`` can be imported.

    The import is tried in another process, with a time limit. The current directory is searched first, as
    ``python -m`` does.

    Args:
        spec: what to load; dots after the colon reach into objects.

    Returns:
        The entry of the rulebook, or a `NamedRule`.

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
        what, hint = (
            "MODULE:FUNCTION or a name of the rulebook",
            nearest(spec, RULEBOOK, "package.module:rule"),
        )
        raise expected(what, "rule", spec, "str", hint)
    from .isolation import Runner

    with Runner(NamedRule(spec)) as runner:
        about = runner.start()
    return NamedRule(spec, **about)


def source_file(spec: str) -> Path | None:
    """The file whose code a rule is, found without running any of it.

    Args:
        spec: as for `load_rule`.

    Returns:
        Its path, or None where there is no such file.

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
