"""A rule by the name of its code, to be imported elsewhere."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from ..errors import MusoError, expected, nearest
from ..understood import listed

__all__ = ["NamedRule", "check_takes_problem"]


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

        Raises:
            BadInputError: no such module or name, not callable with one problem, or an import that fails or ends it.
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
                inside = getattr(found, "__dict__", {})
                own = [
                    word
                    for word, value in inside.items()
                    if not word.startswith("_")
                    and callable(value)
                    and getattr(value, "__module__", None) == getattr(found, "__name__", None)
                ]
                hint = nearest(name, own, "a function of that file" if not own else f"one of {listed(own)}")
                raise expected("a name in the module", "rule", self.spec, f"no {name}", hint)
            found = getattr(found, name)
        if not callable(found):
            got = type(found).__name__
            raise expected("a callable", "rule", self.spec, got, "a function rule(problem)")
        check_takes_problem(found, self.spec)
        return found

    def __call__(self, problem: Any) -> Any:
        """Import the rule here and call it."""
        return self.load()(problem)


def check_takes_problem(rule: Any, name: str) -> None:
    """Refuse a rule of other arguments, whose every call would fail and look like a counterexample.

    Raises:
        BadInputError: it cannot be called with a problem alone.
    """
    try:
        signature = inspect.signature(rule)
    except (TypeError, ValueError):  # written in C, or strange in another way: its calls will tell
        return
    try:
        signature.bind(None)
    except TypeError as error:
        raise expected(
            "a rule of one argument", "rule", f"{name}{signature}", str(error), "rule(problem)"
        ) from None


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
