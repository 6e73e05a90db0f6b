"""Directional derivatives with proved error bounds: dual numbers over balls, through the layers' forward pass alone.

A dual number a + b·ε with ε² = 0 carries a value and its derivative along one direction; with balls for a and b,
every operation encloses both. Nothing here knows a layer's derivative rules, so the enclosures judge them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, final

import numpy as np

from ..arrays import Array
from ..numbers import UndecidedError
from ..numbers.balls import working_precision
from ..numbers.ieee import ieee_proof
from .composition import with_inputs
from .network import Sequential

__all__ = ["enclosed_derivative", "enclosed_inputs", "multiplications"]


@final
class _Dual:
    """A value and its derivative along one direction, both balls; ``slope`` None is an exact zero."""

    __slots__ = ("slope", "value")
    context: _Context  # set below: how the nonlinearities find their elementary functions

    def __init__(self, value: Any, slope: Any = None) -> None:
        self.value, self.slope = value, slope

    def __add__(self, other: Any) -> _Dual:
        if not isinstance(other, _Dual):
            return _Dual(self.value + other, self.slope)
        if self.slope is None or other.slope is None:
            return _Dual(self.value + other.value, other.slope if self.slope is None else self.slope)
        return _Dual(self.value + other.value, self.slope + other.slope)

    def __neg__(self) -> _Dual:
        return _Dual(-self.value, None if self.slope is None else -self.slope)

    def __pos__(self) -> _Dual:
        return self

    def __sub__(self, other: Any) -> _Dual:
        return self.__add__(-other)

    def __rsub__(self, other: Any) -> _Dual:
        return self.__neg__().__add__(other)

    def __mul__(self, other: Any) -> _Dual:
        if not isinstance(other, _Dual):
            return _Dual(self.value * other, None if self.slope is None else self.slope * other)
        parts = [
            value * slope
            for value, slope in ((self.value, other.slope), (other.value, self.slope))
            if slope is not None
        ]
        return _Dual(self.value * other.value, sum(parts[1:], parts[0]) if parts else None)

    def __truediv__(self, other: Any) -> _Dual:
        if not isinstance(other, _Dual):
            return _Dual(self.value / other, None if self.slope is None else self.slope / other)
        return self * (1 / other)

    def __rtruediv__(self, other: Any) -> _Dual:
        return self._inverse() * _Dual(other)

    def _inverse(self) -> _Dual:
        inverse = 1 / self.value
        return _Dual(inverse, None if self.slope is None else -self.slope * inverse * inverse)

    def __gt__(self, other: Any) -> bool:
        difference = self.value - (other.value if isinstance(other, _Dual) else other)
        if difference > 0:
            return True
        if difference <= 0:
            return False
        raise UndecidedError("the side of a rectifier's input, zero to the working precision", "more bits")

    __radd__ = __add__
    __rmul__ = __mul__

    def __complex__(self) -> complex:
        return complex(float(self.value.mid()))


@final
class _Context:
    """The elementary functions of dual balls, under the names that mpmath gives them."""

    def __init__(self) -> None:
        import flint

        self._flint = flint

    @property
    def pi(self) -> Any:
        return _Dual(self._flint.arb.pi())

    def mpf(self, value: Any) -> _Dual:
        return value if isinstance(value, _Dual) else _Dual(self._flint.arb(value))

    def _lift(self, x: _Dual, function: Callable[[Any], Any], derivative: Callable[[Any, Any], Any]) -> _Dual:
        value = function(x.value)
        return _Dual(value, None if x.slope is None else derivative(x.value, value) * x.slope)

    def sqrt(self, x: _Dual) -> _Dual:
        return self._lift(x, lambda a: a.sqrt(), lambda _, y: 1 / (2 * y))

    def exp(self, x: _Dual) -> _Dual:
        return self._lift(x, lambda a: a.exp(), lambda _, y: y)

    def expm1(self, x: _Dual) -> _Dual:
        return self._lift(x, lambda a: a.expm1(), lambda _, y: 1 + y)

    def log1p(self, x: _Dual) -> _Dual:
        return self._lift(x, lambda a: a.log1p(), lambda a, _: 1 / (1 + a))

    def tanh(self, x: _Dual) -> _Dual:
        return self._lift(x, lambda a: a.tanh(), lambda _, y: 1 - y * y)

    def sin(self, x: _Dual) -> _Dual:
        return self._lift(x, lambda a: a.sin(), lambda a, _: a.cos())

    def cos(self, x: _Dual) -> _Dual:
        return self._lift(x, lambda a: a.cos(), lambda a, _: -a.sin())

    def erf(self, x: _Dual) -> _Dual:
        root = self._flint.arb.pi().sqrt()
        return self._lift(x, lambda a: a.erf(), lambda a, _: 2 * (-a * a).exp() / root)


_Dual.context = _Context()


@ieee_proof()
def enclosed_derivative(
    net: Sequential, params: Sequence[Array], X: Array, tangent: Sequence[Array], bits: int = 128
) -> tuple[Array, Array]:
    """Outputs of a network and their derivative along a direction, enclosed in balls.

    Floats are taken as the exact numbers they are. The price is a few microseconds for every multiplication of the
    forward pass.

    Args:
        net: the network.
        params: float parameters θ.
        X: inputs (n, *input_shape).
        tangent: direction v, arrays shaped like the parameters.
        bits: working precision.

    Returns:
        f(x; θ) and its derivative J(x)·v, object arrays (n, n_out) of ``flint.arb``.

    Raises:
        BadInputError: for parameters, inputs or a direction that do not fit.
        UndecidedError: where a rectifier's side is not decided at this precision.

    Example:
        >>> import numpy as np
        >>> from muso_theory.networks import mlp
        >>> net = mlp([2, 3, 1], activation="erf")
        >>> params, X = net.init(0), np.ones((1, 2))
        >>> direction = net.unflatten(np.arange(13.0))
        >>> value, slope = enclosed_derivative(net, params, X, direction)
        >>> bool(abs(float(slope.item().mid()) - net.jvp(params, X, direction).item()) < 1e-14)
        True
        >>> float(slope.item().rad()) < 1e-30
        True
    """
    import flint

    arrays, direction, inputs = net.check_params(params), net.check_params(tangent), net.check_inputs(X)
    with working_precision(bits):
        exact = np.frompyfunc(lambda a: _Dual(flint.arb(float(a))), 1, 1)
        moving = np.frompyfunc(lambda a, b: _Dual(flint.arb(float(a)), flint.arb(float(b))), 2, 1)
        pairs = zip(arrays, direction, net.trainable, strict=True)  # running statistics are held, as in J
        moved = [np.asarray(moving(a, b) if moves else exact(a), dtype=object) for a, b, moves in pairs]
        out = net(moved, np.asarray(exact(inputs), dtype=object)).reshape(len(inputs), net.n_out)
        zero = flint.arb(0)
        slopes = np.frompyfunc(lambda d: zero if d.slope is None else d.slope, 1, 1)
        return np.frompyfunc(lambda d: d.value, 1, 1)(out), slopes(out)


@ieee_proof()
def enclosed_inputs(net: Sequential, params: Sequence[Array], X: Array, path: str, bits: int) -> Array:
    """What one layer receives, in balls, from the forward passes of the layers before it.

    Args:
        net: the network.
        params: float parameters θ, taken as exact.
        X: inputs (n, *input_shape), taken as exact.
        path: the layer's place, as :func:`muso_theory.networks.parametrised_layers` names places.
        bits: working precision; sums and products of floats are exact as long as they fit.

    Returns:
        Object array of ``flint.arb``, shaped like the layer's input.

    Raises:
        UndecidedError: where the side of an earlier rectifier's input is not decided at this precision.

    Example:
        >>> import numpy as np
        >>> from muso_theory.networks import mlp
        >>> net = mlp([1, 1, 1])
        >>> params = [np.array([[0.5]]), np.array([-1.5]), np.ones((1, 1)), np.zeros(1)]
        >>> enclosed_inputs(net, params, np.array([[3.0]]), "1", 64)[0, 0] == 0
        True
    """
    import flint

    with working_precision(bits):
        exact = np.frompyfunc(lambda a: _Dual(flint.arb(float(a))), 1, 1)
        balls = [np.asarray(exact(array), dtype=object) for array in params]
        for place, _, _, x in with_inputs(net.layers, balls, np.asarray(exact(X), dtype=object)):
            if place == path:
                return np.asarray(np.frompyfunc(lambda d: d.value, 1, 1)(x), dtype=object)
    raise ValueError(f"no layer at {path}")


def multiplications(net: Sequential, params: Sequence[Array], X: Array) -> int:
    """Multiplications by weights in the forward pass of one sample: the price of :func:`enclosed_derivative`.

    Args:
        net: the network.
        params: its parameters.
        X: inputs, of which the first is used.

    Returns:
        Their number; D up to biases for a dense network, more for convolutions.

    Example:
        >>> import numpy as np
        >>> from muso_theory.networks import mlp
        >>> net = mlp([2, 3, 1])
        >>> multiplications(net, net.init(0), np.ones((1, 2)))
        9
    """
    return sum(
        p[0].size * math.prod(layer.output_shape(x.shape[1:])[:-1])
        for _, layer, p, x in with_inputs(net.layers, list(params), X[:1])
        if p
    )
