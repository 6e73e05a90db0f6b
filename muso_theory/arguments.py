"""How options are read: an annotation says what an argument may be, and whatever else comes is refused in words.

Numbers, words, truth values, functions and objects of this package are held against the annotation of their parameter.
What an annotation does not tell, such as a range, and arrays of numbers (:mod:`muso_theory.arrays`), the function reads
itself.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import functools
import inspect
import numbers
import sys
import types
import typing
from collections.abc import Callable
from typing import Any, Literal, TypeVar, Union

import numpy as np

from .arrays import NUMERIC, disguise, plain_array, refuse_another_order
from .errors import expected, nearest
from .labelled import by_label

__all__ = ["checked"]

Function = TypeVar("Function", bound=Callable[..., Any])

_PLAIN = {
    int: (numbers.Integral, "a whole number"),
    float: (numbers.Real, "a number"),
    str: (str, "text"),
}
_MANY = (collections.abc.Iterable, collections.abc.Sequence, list, tuple)


def checked(function: Function) -> Function:
    """Refuse arguments that are not what the annotations say.

    Every real number is a float, but NaN, truth values and long doubles between two floats are not. A number of NumPy
    reaches the function as the same number of Python. A sequence may be any iterable but text, and one that can be
    counted is looked through.

    Example:
        >>> @checked
        ... def repeat(word: str, times: int = 2, by: Literal["+", "-"] = "+") -> str:
        ...     return by.join([word] * times)
        >>> repeat("a")
        'a+a'
        >>> repeat("a", times=2.5)
        Traceback (most recent call last):
        muso_theory.errors.BadInputError: expected a whole number but got times=2.5 (float); try times=2
    """
    if isinstance(function, type):
        kind: Any = function
        kind.__init__ = checked(kind.__init__)
        return function
    parameters = inspect.signature(function).parameters.values()
    places = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    readers: dict[str, _Reader] = {}

    @functools.wraps(function)
    def call(*given: Any, **named: Any) -> Any:
        if not readers:
            # Now everything that an annotation may name has been imported.
            names = vars(sys.modules[function.__module__])
            readers.update(
                (p.name, _Reader(p.name, _read(p.annotation, names), p.default)) for p in parameters
            )
        arguments = {**dict(zip(places, given, strict=False)), **named}
        _pair(arguments)
        placed = [readers[name].take(arguments[name]) for name, _ in zip(places, given, strict=False)]
        for name in named:
            value = arguments[name]
            named[name] = readers[name].take(value) if name in readers else _own(value)
        return function(*placed, *given[len(places) :], **named)

    return typing.cast(Function, call)


_SAMPLES, _TARGETS = ("X", "features", "outputs", "probabilities"), ("y", "targets", "classes", "weights")


def _pair(arguments: dict[str, Any]) -> None:
    """Pair samples, targets and a forget set of pandas by their labels, before any of them is an array.

    Targets that name the same rows in another order are refused, and a forget set is put as positions.
    """
    samples = next((name for name in _SAMPLES if hasattr(arguments.get(name), "iloc")), None)
    if samples is not None:
        for name in _TARGETS:
            refuse_another_order(name, arguments.get(name), arguments[samples].index, f"{samples}.index")
    if "forget" in arguments:
        rows: dict[str, Any] = {name: arguments.get(name) for name in (*_SAMPLES, *_TARGETS)}
        labels = {f"{name}.index": one.index for name, one in rows.items() if hasattr(one, "iloc")}
        if labels:
            arguments["forget"] = by_label(arguments["forget"], labels)


class _Reader:
    """What one parameter takes."""

    def __init__(self, name: str, kind: Any, default: Any) -> None:
        self.name, self.kind, self.default = name, kind, default
        parts = _parts(kind)
        self.arrays = [one for one in parts if _is_array(one)]
        self.several = any(
            typing.get_origin(one) in _MANY and _is_array(typing.get_args(one)[0]) for one in parts
        )
        self.others = [one for one in parts if one not in self.arrays]
        # Types that say enough by themselves: most values are of one, and most calls are inside of loops.
        self.quick = {one for one in parts if isinstance(one, type) and one is not float}
        if self.arrays and not any("str_" in str(one) for one in self.arrays):
            self.quick.add(np.ndarray)

    def take(self, value: Any) -> Any:
        """The argument, an array of numbers as an ordinary array; a default is what the function itself chose."""
        if self.kind is Any or value is self.default:
            return value
        if type(value) in self.quick and (type(value) is not np.ndarray or value.dtype.kind in NUMERIC):
            return value
        if not self.arrays:
            value = _own(value)
        if self.several and type(value) in (list, tuple):
            return [plain_array(f"{self.name}[{i}]", one, text=False) for i, one in enumerate(value)]
        if (self.arrays or self.several) and disguise(value):
            return plain_array(self.name, value)
        missing = isinstance(value, float) and value != value and self.default != self.default
        if not missing and not _admits(self.kind, value):
            raise _refusal(self.name, value, self.kind, self.default)
        if self.arrays and not any(_admits(one, value) for one in self.others):
            return plain_array(self.name, value, text="str_" in str(self.arrays))
        return value


def _own(value: Any) -> Any:
    """Numbers of NumPy as Python's: theirs wrap around, or round to their own few bits whatever they meet.

    One that no float holds stays what it is, and is refused.
    """
    if type(value) in (list, tuple) and any(isinstance(one, np.generic) for one in value):
        return type(value)(map(_own, value))
    if not isinstance(value, np.generic):
        return value
    plain = value.item()
    return float(plain) if isinstance(plain, np.longdouble) and plain == float(plain) else plain


def _is_array(kind: Any) -> bool:
    return typing.get_origin(kind) is np.ndarray


def _read(annotation: Any, names: dict[str, Any]) -> Any:
    """An annotation that may be text, in the names of its own module; none at all says nothing."""
    if annotation is inspect.Parameter.empty:
        return Any
    return eval(annotation, names) if isinstance(annotation, str) else annotation


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
        plain: type = _PLAIN[kind][0]
        return (
            isinstance(value, plain) and not isinstance(value, bool | np.longdouble) and value == value
        )  # no NaN
    if kind is collections.abc.Callable or origin is collections.abc.Callable:
        return callable(value)
    if origin in _MANY:
        return _admits_many(origin, inner, value)
    if origin is typing.IO:
        return hasattr(value, "read")
    if origin is np.ndarray:
        return hasattr(value, "__len__") and not isinstance(value, str | bytes | dict)
    return not isinstance(origin or kind, type) or _is(value, origin or kind)


def _admits_many(origin: Any, inner: tuple[Any, ...], value: Any) -> bool:
    """Whether a value is several of what may be in a sequence."""
    if isinstance(value, str | bytes) or not hasattr(value, "__iter__") or disguise(value):
        return False
    if isinstance(value, np.ndarray) and (origin is tuple or not value.ndim):
        return False
    if not isinstance(value, collections.abc.Collection):
        return origin is collections.abc.Iterable
    if origin is tuple and inner[-1] is not ...:
        return len(value) == len(inner) and all(_admits(*pair) for pair in zip(inner, value, strict=True))
    return all(_admits(inner[0], one) for one in value)


def _is(value: Any, kind: type) -> bool:
    """Whether a value is of a class; a protocol that cannot be asked says nothing."""
    try:
        return isinstance(value, kind)
    except TypeError:
        return True


def _refusal(name: str, value: Any, kind: Any, default: Any) -> Exception:
    for one in _parts(kind):
        inner, spread = typing.get_args(one), _spread(one, value)
        if spread is not value and _admits(one, spread):
            said = " or ".join(map(_said, _parts(kind)))
            return expected(said, name, value, type(value).__name__, f"{name}={spread!r}")
        if (
            typing.get_origin(one) in _MANY
            and isinstance(value, list | tuple)
            and len(set(inner) - {...}) == 1
        ):
            wrong = (i for i, item in enumerate(value) if not _admits(inner[0], item))
            if (i := next(wrong, None)) is not None:
                return _refusal(f"{name}[{i}]", value[i], inner[0], inspect.Parameter.empty)
    options = [one for one in _parts(kind) if typing.get_origin(one) is Literal]
    words = [str(word) for one in options for word in typing.get_args(one)]
    shown = (
        value
        if isinstance(value, str | numbers.Number | list | tuple | None)
        else getattr(value, "shape", "…")
    )
    made = [
        one
        for one in _parts(kind)
        if isinstance(one, type) and isinstance(value, type) and issubclass(value, one)
    ]
    if made:  # a class where one of its objects is wanted
        shown, hint = (
            value.__name__,
            _example(value) if dataclasses.is_dataclass(value) else f"{value.__name__}(…)",
        )
    elif isinstance(value, str) and words:
        hint = nearest(value, words)
    elif default is inspect.Parameter.empty:
        hint = _example(_parts(kind)[0])
    else:
        hint = f"{name}={default!r}"
    return expected(" or ".join(map(_said, _parts(kind))), name, shown, type(value).__name__, hint)


def _spread(kind: Any, value: Any) -> Any:
    """A value over all places of a tuple of so many: 3 as (3, 3), or (1, 2), of pairs, as ((1, 1), (2, 2))."""
    inner = typing.get_args(kind)
    if typing.get_origin(kind) is not tuple or ... in inner:
        return value
    same = isinstance(value, list | tuple) and len(value) == len(inner)
    return tuple(map(_spread, inner, value if same else [value] * len(inner)))


def _example(kind: Any) -> str:
    """What would do: of a class, how it is made."""
    if kind in _PLAIN:
        return {int: "2", float: "0.5", str: "a word"}[kind]
    if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
        return f"{_said(kind)}, see its help"
    needed = [f.name for f in dataclasses.fields(kind) if f.init and f.default is f.default_factory]
    public = "mt." if kind.__name__ in sys.modules[__package__].__all__ else ""
    return f"{public}{kind.__name__}({', '.join(needed)})"


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
        return "a callable"
    if origin is typing.IO:
        return "an open file"
    if origin is np.ndarray:
        return "an array of numbers"
    if origin in _MANY:
        several = "a sequence"
        return several if not inner or inner[0] is Any else f"{several} with {_said(inner[0])} at every place"
    name = str(getattr(origin or kind, "__name__", kind))
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"
