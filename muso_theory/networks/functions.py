"""Pointwise nonlinearities with their slopes, in float32, float64, complex128 and mpmath numbers alike."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ..arrays import Array
from ..errors import expected, nearest

__all__ = ["ACTIVATIONS", "LEAKY_SLOPE", "Nonlinearity", "nonlinearity"]

LEAKY_SLOPE = 0.01
"""Slope of ``leaky_relu`` on the negative side."""


class _Functions(ABC):
    """The elementary functions that the nonlinearities are written in, for one kind of number."""

    @abstractmethod
    def apply(self, name: str, x: Array, out: Array | None = None) -> Array:
        """Evaluate the named function entrywise, into ``out`` if that is given and possible."""

    @abstractmethod
    def root(self, value: Any) -> Any:
        """Square root of a number, in this kind of number."""

    @property
    @abstractmethod
    def pi(self) -> Any:
        """The circle constant, in this kind of number."""


@final
class _Float(_Functions):
    """Functions of numpy and scipy."""

    pi = math.pi

    def apply(self, name: str, x: Array, out: Array | None = None) -> Array:
        if name == "erf":
            from scipy.special import erf  # scipy.special is slow to import and most networks never need it

            return np.asarray(erf(x, out=out))
        return np.asarray(getattr(np, name)(x, out=out))

    def root(self, value: Any) -> float:
        return math.sqrt(value)


@final
class _Multiprecision(_Functions):
    """Functions of the mpmath context that the numbers carry with them."""

    def __init__(self, context: Any) -> None:
        self.context = context

    def apply(self, name: str, x: Array, out: Array | None = None) -> Array:
        return np.asarray(np.frompyfunc(getattr(self.context, name), 1, 1)(x), dtype=object)

    def root(self, value: Any) -> Any:
        return self.context.sqrt(self.context.mpf(value))

    @property
    def pi(self) -> Any:
        return +self.context.pi


_FLOAT = _Float()


def functions_for(x: Array) -> _Functions:
    """Choose the elementary functions that fit the numbers in an array.

    Returns:
        Those of the numbers' own mpmath context for dtype object, else those of numpy and scipy.
    """
    if x.dtype == object and x.size:
        for value in x.flat:
            if hasattr(value, "context"):
                return _Multiprecision(value.context)
    return _FLOAT


@dataclass(frozen=True)
class Nonlinearity(ABC):
    """A function of one variable, applied entrywise, with its first derivative.

    Args:
        name: its name in network files.
        analytic: whether the complex step differentiates it; the rectifiers are not analytic.
        kinks: where one of its first two derivatives jumps.
    """

    name: str
    analytic: bool
    kinks: tuple[float, ...] = ()

    @abstractmethod
    def value_and_slope(self, x: Array, out: Array | None = None) -> tuple[Array, Array]:
        """Value and derivative at every entry of x; ``out``, which may be x, is room that the value may take."""


@final
class _Identity(Nonlinearity):
    def value_and_slope(self, x: Array, out: Array | None = None) -> tuple[Array, Array]:
        return x, np.ones_like(x)


@final
class _Relu(Nonlinearity):
    def value_and_slope(self, x: Array, out: Array | None = None) -> tuple[Array, Array]:
        slope = (
            np.asarray(x > 0).astype(x.dtype) if x.dtype != object else np.where(x > 0, 1, 0).astype(object)
        )
        return np.multiply(x, slope, out=out), slope


@final
class _LeakyRelu(Nonlinearity):
    def value_and_slope(self, x: Array, out: Array | None = None) -> tuple[Array, Array]:
        slope = np.where(x > 0, 1.0, LEAKY_SLOPE).astype(x.dtype)
        return x * slope, slope


@final
class _Gelu(Nonlinearity):
    def value_and_slope(self, x: Array, out: Array | None = None) -> tuple[Array, Array]:
        f = functions_for(x)
        cdf = (f.apply("erf", x / f.root(2)) + 1) / 2
        return x * cdf, cdf + x * f.apply("exp", -x * x / 2) / f.root(2) / f.root(f.pi)


@final
class _Tanh(Nonlinearity):
    def value_and_slope(self, x: Array, out: Array | None = None) -> tuple[Array, Array]:
        value = functions_for(x).apply("tanh", x, out)
        return value, 1 - value * value


@final
class _Erf(Nonlinearity):
    def value_and_slope(self, x: Array, out: Array | None = None) -> tuple[Array, Array]:
        f = functions_for(x)
        if x.dtype == object:
            return f.apply("erf", x), f.apply("exp", -x * x) * (2 / f.root(f.pi))
        slope = x * x  # in place from here: wide layers are bound by memory
        np.negative(slope, out=slope)
        np.exp(slope, out=slope)
        slope *= 2 / f.root(f.pi)
        return f.apply("erf", x, out), slope


@final
class _Sigmoid(Nonlinearity):
    def value_and_slope(self, x: Array, out: Array | None = None) -> tuple[Array, Array]:
        half = functions_for(x).apply("tanh", x / 2)  # stable at both ends, unlike 1/(1 + e^-x)
        return (1 + half) / 2, (1 - half) * (1 + half) / 4


@final
class _Softplus(Nonlinearity):
    def value_and_slope(self, x: Array, out: Array | None = None) -> tuple[Array, Array]:
        f = functions_for(x)
        positive = x.real > 0 if x.dtype != object else np.asarray(x > 0)
        sign = np.where(positive, 1, -1).astype(object if x.dtype == object else x.real.dtype)
        tail = f.apply("log1p", f.apply("exp", -sign * x))  # the exponent never grows
        return np.where(positive, x, 0 * x) + tail, (1 + f.apply("tanh", x / 2)) / 2


@final
class _Sin(Nonlinearity):
    def value_and_slope(self, x: Array, out: Array | None = None) -> tuple[Array, Array]:
        f = functions_for(x)
        return f.apply("sin", x), f.apply("cos", x)


@final
class _Silu(Nonlinearity):
    def value_and_slope(self, x: Array, out: Array | None = None) -> tuple[Array, Array]:
        half = functions_for(x).apply("tanh", x / 2)
        gate = (1 + half) / 2
        return x * gate, gate + x * (1 - half) * (1 + half) / 4


@final
class _Elu(Nonlinearity):
    def value_and_slope(self, x: Array, out: Array | None = None) -> tuple[Array, Array]:
        positive = np.asarray(x > 0)
        below = functions_for(x).apply("expm1", np.where(positive, 0 * x, x))  # never of large numbers
        return np.where(positive, x, below), 1 + below


@final
class _HardSwish(Nonlinearity):
    def value_and_slope(self, x: Array, out: Array | None = None) -> tuple[Array, Array]:
        above, inside = np.asarray(x > 3), np.asarray(x > -3)
        value = np.where(above, x, np.where(inside, x * (x + 3) / 6, 0 * x))
        return value, np.where(above, 1 + 0 * x, np.where(inside, (2 * x + 3) / 6, 0 * x))


ACTIVATIONS: dict[str, Nonlinearity] = {
    item.name: item
    for item in (
        _Identity("identity", True),
        _Relu("relu", False, (0.0,)),
        _LeakyRelu("leaky_relu", False, (0.0,)),
        _Gelu("gelu", True),
        _Tanh("tanh", True),
        _Erf("erf", True),
        _Sigmoid("sigmoid", True),
        _Softplus("softplus", True),
        _Sin("sin", True),
        _Silu("silu", True),
        _Elu("elu", False, (0.0,)),
        _HardSwish("hard_swish", False, (-3.0, 3.0)),
    )
}
"""Every known nonlinearity by name."""


def nonlinearity(name: str) -> Nonlinearity:
    """Look a nonlinearity up by name.

    Args:
        name: one of the keys of ``ACTIVATIONS``.

    Returns:
        The nonlinearity.

    Raises:
        BadInputError: for an unknown name; the nearest known one is suggested.

    Example:
        >>> nonlinearity("relu").analytic
        False
        >>> nonlinearity("rleu")
        Traceback (most recent call last):
            ...
        muso_theory.errors.BadInputError: expected a known activation but got activation=rleu (str); try 'relu'
    """
    if not isinstance(name, str) or name not in ACTIVATIONS:
        hint = nearest(str(name), ACTIVATIONS)
        raise expected("a known activation", "activation", name, type(name).__name__, hint)
    return ACTIVATIONS[name]
