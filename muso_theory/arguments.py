"""The one door for options: an annotation says what an argument may be, and whatever else comes is refused in words.

Numbers, words, truth values, functions and objects of this package are held against the annotation of their parameter.
What an annotation does not tell, such as a range, and arrays of numbers (:mod:`muso_theory.arrays`), the function reads
itself.
"""

from __future__ import annotations

import collections.abc
import functools
import inspect
import numbers
import sys
import types
import typing
from collections.abc import Callable
from typing import Any, Literal, TypeVar, Union

from .errors import expected, nearest

__all__ = ["checked"]

Function = TypeVar("Function", bound=Callable[..., Any])

_PLAIN = {
    int: (numbers.Integral, "an integer"),
    float: (numbers.Real, "a number"),
    str: (str, "text"),
}
_MANY = (collections.abc.Iterable, collections.abc.Sequence, list, tuple)


def checked(function: Function) -> Function:
    """Refuse arguments that are not what the annotations say.

    Integers of NumPy are integers, and every real number is a float, but NaN and truth values are neither. A sequence
    may be any iterable but text, and one that can be counted is looked through.

    Args:
        function: a function, a method, or a class, whose constructor is meant.

    Returns:
        The same, with that check in front of it.

    Example:
        >>> @checked
        ... def repeat(word: str, times: int = 2, by: Literal["+", "-"] = "+") -> str:
        ...     return by.join([word] * times)
        >>> repeat("a")
        'a+a'
        >>> repeat("a", times=2.5)
        Traceback (most recent call last):
        muso_theory.errors.BadInputError: expected an integer but got times=2.5 (float); try times=2
    """
    if isinstance(function, type):
        kind: Any = function
        kind.__init__ = checked(kind.__init__)
        return function
    parameters = inspect.signature(function).parameters
    words = [p.name for p in parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]

    @functools.cache
    def kinds() -> dict[str, Any]:
        # When it is first called, everything that an annotation may name has been imported, or is of no use to it.
        names = _Names(vars(sys.modules[function.__module__]))
        found = {p.name: _read(p.annotation, names) for p in parameters.values() if p.annotation is not p.empty}
        return {name: kind for name, kind in found.items() if kind is not Any}

    @functools.wraps(function)
    def call(*given: Any, **named: Any) -> Any:
        wanted = kinds()
        for name, value in (*zip(words, given, strict=False), *named.items()):
            if name in wanted and not _admits(wanted[name], value):
                default = parameters[name].default
                if value is not default:
                    raise _refusal(name, value, wanted[name], default)
        return function(*given, **named)

    return typing.cast(Function, call)


class _Names(dict[str, Any]):
    """What the annotations of a module may name; what is imported for them alone says nothing here."""

    def __missing__(self, name: str) -> Any:
        return getattr(__import__("builtins"), name, Any)


def _read(annotation: Any, names: _Names) -> Any:
    """An annotation that may be text."""
    return eval(annotation, {}, names) if isinstance(annotation, str) else annotation


def _admits(kind: Any, value: Any) -> bool:
    """Whether an annotation allows a value; one that says nothing about it does."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (Union, types.UnionType):
        return any(_admits(one, value) for one in inner)
    if origin is Literal:
        return isinstance(value, str | int) and value in inner
    if kind is None or kind is types.NoneType:
        return value is None
    if kind is bool:
        return isinstance(value, bool) or type(value).__name__ == "bool"
    if kind in _PLAIN:
        return isinstance(value, _PLAIN[kind][0]) and not isinstance(value, bool) and bool(value == value)
    if kind is collections.abc.Callable or origin is collections.abc.Callable:
        return callable(value)
    if origin in _MANY:
        return _admits_many(origin, inner, value)
    if isinstance(origin or kind, type) and (origin or kind).__module__ != "numpy":
        return _is(value, origin or kind)
    return True


def _admits_many(origin: Any, inner: tuple[Any, ...], value: Any) -> bool:
    """Whether a value is several of what may be in a sequence."""
    if isinstance(value, str | bytes) or not hasattr(value, "__iter__") or getattr(value, "ndim", 1) == 0:
        return False
    if not isinstance(value, collections.abc.Sized):
        return origin is collections.abc.Iterable
    if origin is tuple and inner[-1] is not ...:
        return len(value) == len(inner) and all(map(_admits, inner, value))
    return all(_admits(inner[0], one) for one in value)


def _is(value: Any, kind: type) -> bool:
    """Whether a value is of a class; a protocol that cannot be asked says nothing."""
    try:
        return isinstance(value, kind)
    except TypeError:
        return True


def _refusal(name: str, value: Any, kind: Any, default: Any) -> Exception:
    options = [one for one in _parts(kind) if typing.get_origin(one) is Literal]
    words = [str(word) for one in options for word in typing.get_args(one)]
    shown = value if isinstance(value, str | numbers.Number | None) else type(value).__name__
    if isinstance(value, str) and words:
        hint = nearest(value, words)
    elif default is inspect.Parameter.empty:
        hint = _example(kind)
    else:
        hint = f"{name}={default!r}"
    return expected(" or ".join(map(_said, _parts(kind))), name, shown, type(value).__name__, hint)


def _parts(kind: Any) -> tuple[Any, ...]:
    return typing.get_args(kind) if typing.get_origin(kind) in (Union, types.UnionType) else (kind,)


def _said(kind: Any) -> str:
    """A kind in words."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        return "one of " + ", ".join(map(str, inner))
    if kind is None or kind is types.NoneType:
        return "None"
    if kind is bool:
        return "True or False"
    if kind in _PLAIN:
        return _PLAIN[kind][1]
    if kind is collections.abc.Callable or origin is collections.abc.Callable:
        return "a function"
    if origin in _MANY:
        several = "a sequence"
        return several if not inner or inner[0] is Any else f"{several} with {_said(inner[0])} at every place"
    name = str(getattr(origin or kind, "__name__", kind))
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"
