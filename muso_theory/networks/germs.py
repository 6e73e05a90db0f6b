"""Proof that a network has no derivative: one-sided derivatives along a line, in exact arithmetic.

A germ a + b·ε with an infinitesimal ε > 0 and ε² = 0 is a value and how fast it grows just after it: of two with the
same value the one that grows faster is larger. A network that chooses (rectifiers, largest values) and otherwise adds
and multiplies is computed with germs by its own forward pass, and the ε of its output is its one-sided derivative
D⁺f(θ; v) along a direction v, by the chain rule for directional derivatives of Lipschitz functions. Where f has a
derivative, D⁺f(θ; v) = −D⁺f(θ; −v). So if the two differ for one v it has none; if they agree nothing is said.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, final

import numpy as np

from ..arrays import Array
from .activation import Activation
from .composition import leaves, with_inputs
from .duals import multiplications
from .layer import Layer
from .linearised import Linearisation
from .pooling import MaxPool
from .rational import is_rational

__all__ = ["bent_output"]

_NEAR = 1e-9
"""How near to a kink, beside the layer's largest input, floats must be for a sample to be looked at exactly."""

_MOST = 500_000
"""Multiplications of germs; each takes some ten microseconds."""

_DIRECTION = 2**20
"""Size of the integers of a direction: a bend does not show on hyperplanes, such as that where the only weight that
moves it stands still, and coarse integers lie there often. Slopes are linear in it, so they grow by 20 bits."""


@final
class _Germ:
    """A value, and how fast it grows just after it; both rational."""

    __slots__ = ("slope", "value")

    def __init__(self, value: Any, slope: Any = 0) -> None:
        self.value, self.slope = value, slope

    def __add__(self, other: Any) -> _Germ:
        other = _germ(other)
        return _Germ(self.value + other.value, self.slope + other.slope)

    def __neg__(self) -> _Germ:
        return _Germ(-self.value, -self.slope)

    def __sub__(self, other: Any) -> _Germ:
        return self + -_germ(other)

    def __rsub__(self, other: Any) -> _Germ:
        return _germ(other) - self

    def __mul__(self, other: Any) -> _Germ:
        other = _germ(other)
        return _Germ(self.value * other.value, self.value * other.slope + self.slope * other.value)

    def __truediv__(self, other: int | Fraction) -> _Germ:
        return _Germ(self.value / other, self.slope / other)

    def __gt__(self, other: Any) -> bool:
        other = _germ(other)
        return bool((self.value, self.slope) > (other.value, other.slope))

    def __complex__(self) -> complex:
        return complex(float(self.value))

    __radd__ = __add__
    __rmul__ = __mul__


def _germ(number: Any) -> _Germ:
    """A number as one that does not grow."""
    return number if isinstance(number, _Germ) else _Germ(number)


def bent_output(tangent: Linearisation, seed: int) -> tuple[Fraction, int, int] | None:
    """An output that surely has no derivative in the parameters.

    Args:
        tangent: the network, its parameters and inputs, taken as the exact numbers they are.
        seed: of the direction.

    Returns:
        |D⁺f(θ; v) + D⁺f(θ; −v)| > 0, the sample and the output; None where nothing is known: another layer than
        those of a rational tangent, hard swish and max pool, no kink that floats are near, a network too large, or
        a direction along which no bend shows.

    Example:
        >>> from muso_theory.networks import Activation, Dense, Sequential, linearise
        >>> net = Sequential((1,), (Dense(1, 1, param="standard"), Activation("hard_swish")))
        >>> flat, bent = ([np.array([[w]]), np.zeros(1)] for w in (2.0, 3.0))
        >>> bent_output(linearise(net, flat, np.ones((1, 1))), 0) is None
        True
        >>> gap, sample, output = bent_output(linearise(net, bent, np.ones((1, 1))), 0)
        >>> gap > 0, sample, output
        (True, 0, 0)
    """
    net, params, inputs = tangent.net, list(tangent.params), tangent.inputs
    if not all(_is_exact(layer) for _, layer in leaves(net.layers)):
        return None
    near = np.flatnonzero(_near_kinks(tangent))
    if not near.size or 2 * near.size * multiplications(net, params, inputs) > _MOST:
        return None
    entries = np.random.default_rng(seed).integers(-_DIRECTION, _DIRECTION + 1, net.n_params)
    direction = net.unflatten(entries.astype(np.float64))
    exact = np.frompyfunc(lambda a: _Germ(Fraction(float(a))), 1, 1)
    x = np.asarray(exact(inputs[near]), dtype=object)
    sums = np.zeros((near.size, net.n_out), dtype=object)
    for sign in (1, -1):
        moving = np.frompyfunc(
            lambda a, b, sign=sign: _Germ(Fraction(float(a)), sign * Fraction(float(b))), 2, 1
        )
        moved = [np.asarray(moving(a, b), dtype=object) for a, b in zip(params, direction, strict=True)]
        out = net(moved, x).reshape(sums.shape)
        sums = sums + np.frompyfunc(lambda germ: _germ(germ).slope, 1, 1)(out)
    for i, output in np.argwhere(sums != 0):
        return abs(Fraction(sums[i, output])), int(near[i]), int(output)
    return None


def _is_exact(layer: Layer) -> bool:
    """Whether a layer adds, multiplies and chooses only, by numbers that are exact."""
    chooses = isinstance(layer, MaxPool) or (isinstance(layer, Activation) and layer.name == "hard_swish")
    return chooses or is_rational(layer)


def _near_kinks(tangent: Linearisation) -> Array:
    """Which samples are near a kink of some layer in floats."""
    found = np.zeros(len(tangent.inputs), dtype=bool)
    for _, layer, _, x in with_inputs(tangent.net.layers, list(tangent.params), tangent.inputs):
        reach = layer.reach(x)
        if reach is not None:
            size = max(1.0, float(np.abs(x).max(initial=0.0)))
            found |= reach.reshape(len(x), -1).min(axis=1, initial=np.inf) <= _NEAR * size
    return found
