"""What is public, found by reflection, and a good call of it."""

from __future__ import annotations

import enum
import importlib
import inspect
import types
from collections.abc import Callable
from typing import Any, NamedTuple

from hypothesis import Phase, find, settings

import muso_theory as mt
from tests.project import contract, good


def public_callables() -> dict[str, Any]:
    """Everything that can be called in `__all__` of the package, its public rooms, and theirs, by its home and name."""
    found: dict[str, Any] = {}
    rooms, todo = set(), [mt]
    while todo:
        room = todo.pop()
        rooms.add(room)
        for name in getattr(room, "__all__", ()):
            value = getattr(room, name)
            if isinstance(value, types.ModuleType):
                todo += [] if value in rooms else [value]
            elif getattr(value, "__module__", "").startswith("muso_theory") and _is_called(value):
                home = value.__module__.removeprefix("muso_theory.")
                found[f"{home}.{getattr(value, '__name__', name)}"] = value
    return found


def _is_called(value: Any) -> bool:
    """Whether users call it: not exceptions, words of an enumeration, and classes that are there to be derived from."""
    if inspect.isclass(value):
        return not (issubclass(value, BaseException | enum.Enum) or inspect.isabstract(value))
    return callable(value)


def public_methods(callables: dict[str, Any]) -> dict[str, Any]:
    """Public methods with arguments of public classes, each once, by the class that defines it."""
    found: dict[str, Any] = {}
    for kind in filter(inspect.isclass, callables.values()):
        for base in kind.__mro__:
            if not base.__module__.startswith("muso_theory"):
                continue
            for name, member in vars(base).items():
                method = getattr(member, "__func__", member)
                if inspect.isfunction(method) and (name == "__call__" or not name.startswith("_")):
                    bound = not isinstance(member, staticmethod)
                    if len(inspect.signature(method).parameters) > bound:
                        found[f"{base.__module__.removeprefix('muso_theory.')}.{base.__name__}.{name}"] = (
                            method
                        )
    return found


class Call(NamedTuple):
    """A callable with one good call."""

    name: str
    function: Callable[..., Any]
    arguments: dict[str, Any]
    annotations: dict[str, str]
    defaults: dict[str, Any]

    def __call__(self, **changes: Any) -> Any:
        """Call it; parameters that take no name are handed over by place."""
        given = {**self.arguments, **changes}
        result = self.function(**given)
        if self.name.startswith("strategies."):
            return _drawn(result)
        # scikit-learn's convention: a constructor keeps what it is given, and fit refuses it.
        return result.fit(good.x()) if self.name.startswith("linear.features.") else result


def _drawn(strategy: Any) -> Any:
    quick = settings(max_examples=2, derandomize=True, database=None, deadline=None, phases=[Phase.generate])
    return find(strategy, lambda _: True, settings=quick)


def good_call(name: str, value: Any) -> Call | None:
    """The good call of a public function, class or method, or None where an argument has no good value."""
    owner, overrides = None, {}
    if name in contract.METHODS:
        owner, overrides = contract.METHODS[name]()
        if owner is None:
            owner = getattr(importlib.import_module(value.__module__), value.__qualname__.split(".")[0])
        function = getattr(owner, value.__name__)
    else:
        function, overrides = value, contract.CALLS.get(name, dict)()
    arguments, annotations, defaults = {}, {}, {}
    for parameter in inspect.signature(function).parameters.values():
        word = parameter.name
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        annotations[word] = str(parameter.annotation)
        if word in overrides:
            arguments[word] = overrides[word]
        elif parameter.default is not parameter.empty:
            arguments[word] = parameter.default
        elif word in good.SHARED:
            arguments[word] = good.SHARED[word]()
        else:
            return None
        if parameter.default is not parameter.empty:
            defaults[word] = parameter.default
    arguments |= {
        word: given for word, given in overrides.items() if word not in annotations and given is not None
    }
    return Call(name, function, arguments, annotations, defaults)
