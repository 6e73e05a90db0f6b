"""Infinitely wide dense networks: their Gaussian process (NNGP) and tangent kernel (NTK), without loss of digits.

For u, v jointly normal with variances q₁, q₂ and covariance s, a layer's kernel is E[φ(u)φ(v)] and its
derivative kernel E[φ'(u)φ'(v)]. The textbook forms take arccos of s/√(q₁q₂), which loses half the digits for
nearly parallel inputs: an angle of 1e-8 has a cosine of 1. So the recursion carries, besides q₁ and q₂, the
two gaps √(q₁q₂) − s and √(q₁q₂) + s themselves, and never forms them by subtraction.

References: Y. Cho, L. Saul, "Kernel methods for deep learning" (2009); C. Williams, "Computing with infinite
networks" (1997); A. Jacot, F. Gabriel, C. Hongler, "Neural tangent kernel" (2018).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from ..arguments import checked
from ..arrays import Array, FloatArray
from ..errors import expected, nearest
from .activation import Activation
from .dense import Dense
from .flatten import Flatten
from .functions import LEAKY_SLOPE
from .layer import Layer
from .network import Sequential

__all__ = ["infinite_width"]

_TINY = np.finfo(np.float64).tiny


@final
@dataclass(frozen=True, eq=False)
class _Moments:
    """Second moments of a pair of pre-activations, for all pairs of inputs.

    Args:
        q1: variances (n1, 1).
        q2: variances (1, n2).
        below: √(q₁q₂) − s, zero for parallel inputs.
        above: √(q₁q₂) + s, zero for opposite inputs.
    """

    q1: FloatArray
    q2: FloatArray
    below: FloatArray
    above: FloatArray

    @property
    def covariance(self) -> FloatArray:
        """s, from the two gaps: exact at both ends."""
        return (self.above - self.below) / 2

    @property
    def spread(self) -> FloatArray:
        """(√q₁ − √q₂)², small where the variances are close."""
        return _root_difference(self.q1 - self.q2, self.q1, self.q2)

    def affine(self, w_std: float, b_std: float) -> _Moments:
        """Moments after multiplication by random weights and addition of random biases."""
        scale, shift = w_std**2, b_std**2
        q1, q2 = scale * self.q1, scale * self.q2
        root = np.sqrt(q1 * q2)
        lift = shift * scale * self.spread
        lift = lift / np.maximum(np.sqrt((q1 + shift) * (q2 + shift)) + root + shift, _TINY)
        below = scale * self.below + lift  # √((q₁+β)(q₂+β)) − √(q₁q₂) − β, without its subtractions
        above = scale * self.above + lift + 2 * shift
        return _Moments(q1 + shift, q2 + shift, below, above)


def _root_difference(difference: FloatArray, q1: FloatArray, q2: FloatArray) -> FloatArray:
    """(√q₁ − √q₂)² from an accurate q₁ − q₂."""
    return np.asarray((difference / np.maximum(np.sqrt(q1) + np.sqrt(q2), _TINY)) ** 2)


def _rectifier(m: _Moments, slope: float) -> tuple[_Moments, FloatArray]:
    """φ(u) = max(u, slope·u): arc-cosine kernels of degree 1 and 0."""
    theta = 2 * np.arctan2(np.sqrt(m.below), np.sqrt(m.above))
    root = np.sqrt(m.q1 * m.q2)
    square = theta * theta
    series = theta * square / 3 * (1 - square / 10 * (1 - square / 28 * (1 - square / 54)))
    sine_defect = np.where(theta < 0.05, series, np.sin(theta) - theta * np.cos(theta))
    covariance = m.covariance
    below = m.below / 2 - root * sine_defect / (2 * math.pi)
    above = root / 2 + (np.sqrt(m.below * m.above) + (math.pi - theta) * covariance) / (2 * math.pi)
    bend = (1 - slope) ** 2
    scale = slope + bend / 2
    return (
        _Moments(
            scale * m.q1,
            scale * m.q2,
            np.maximum(slope * m.below + bend * below, 0),
            np.maximum(slope * m.above + bend * above, 0),
        ),
        slope + bend * (math.pi - theta) / (2 * math.pi),
    )


def _erf(m: _Moments) -> tuple[_Moments, FloatArray]:
    """φ = erf: the arcsine kernel."""
    c1, c2 = 1 + 2 * m.q1, 1 + 2 * m.q2
    difference = m.q1 - m.q2
    spread = np.sqrt(m.q1 * c2) + np.sqrt(m.q2 * c1)
    linear = difference / np.maximum(spread, _TINY)

    def angle(
        q: FloatArray, c: FloatArray, other: FloatArray, covariance: FloatArray, gap: FloatArray, sign: float
    ) -> FloatArray:
        """arcsin(2q/c) − arcsin(2s/√(c₁c₂)), with a small relative error where it is small."""
        sine, cosine = 2 * q / c, np.sqrt(1 + 4 * q) / c
        cross = 2 * covariance / np.sqrt(c1 * c2)
        cross_cosine = np.sqrt((1 + 2 * (m.q1 + m.q2) + 4 * m.below * m.above) / (c1 * c2))
        drop = 2 * (sign * np.sqrt(q) * linear + gap * np.sqrt(c)) / (c * np.sqrt(other))
        stable = drop * (sine + cross) / np.maximum(sine * cross_cosine + cross * cosine, _TINY)
        plain = sine * cross_cosine - cross * cosine
        return np.arctan2(np.where(cross > 0, stable, plain), cosine * cross_cosine + sine * cross)

    own1, own2 = (np.arctan2(2 * q, np.sqrt(1 + 4 * q)) for q in (m.q1, m.q2))
    # A₁ − A₂ = arctan2 of the sine of the difference, again from q₁ − q₂
    root1, root2 = np.sqrt(1 + 4 * m.q1), np.sqrt(1 + 4 * m.q2)
    tilt = 2 * difference * root2 - 8 * m.q2 * difference / (root1 + root2)
    apart = np.arctan2(tilt / (c1 * c2), (root1 * root2 + 4 * m.q1 * m.q2) / (c1 * c2))
    uneven = _root_difference(apart, own1, own2) / 2

    def gap_after(covariance: FloatArray, gap: FloatArray) -> FloatArray:
        mean = (angle(m.q1, c1, c2, covariance, gap, 1.0) + angle(m.q2, c2, c1, covariance, gap, -1.0)) / 2
        return np.maximum(2 / math.pi * (mean - uneven), 0)

    derivative = 4 / math.pi / np.sqrt(1 + 2 * (m.q1 + m.q2) + 4 * m.below * m.above)
    covariance = m.covariance
    moments = _Moments(
        2 / math.pi * own1,
        2 / math.pi * own2,
        gap_after(covariance, m.below),
        gap_after(-covariance, m.above),  # erf is odd: opposite inputs are parallel inputs with −s
    )
    return moments, derivative


def _sin(m: _Moments) -> tuple[_Moments, FloatArray]:
    """φ = sin: E[sin u sin v] = ½(e^−g − e^−h) with g = (q₁+q₂)/2 − s and h = (q₁+q₂)/2 + s."""
    half = m.spread / 2
    g, h = m.below + half, m.above + half
    difference, total = m.q1 - m.q2, m.q1 + m.q2
    after1, after2 = -np.expm1(-2 * m.q1) / 2, -np.expm1(-2 * m.q2) / 2
    change = np.exp(-2 * np.minimum(m.q1, m.q2)) * -np.expm1(-2 * np.abs(difference)) / 2
    uneven = _root_difference(change, after1, after2) / 2

    def gap_after(near: FloatArray, far: FloatArray) -> FloatArray:
        small = np.minimum(near, 1.0)
        bounded = np.clip(difference, -2.0, 2.0)
        close = (-np.expm1(-small) + np.exp(-total) * (np.expm1(small) - 2 * np.sinh(bounded / 2) ** 2)) / 2
        apart = (after1 + after2) / 2 - (np.exp(-near) - np.exp(-far)) / 2
        return np.maximum(np.where((near < 1.0) & (np.abs(difference) < 2.0), close, apart) - uneven, 0)

    derivative = (np.exp(-g) + np.exp(-h)) / 2
    return _Moments(after1, after2, gap_after(g, h), gap_after(h, g)), derivative


def _activate(name: str, m: _Moments) -> tuple[_Moments, FloatArray]:
    """Moments after an activation, and its derivative kernel."""
    if name == "identity":
        return m, np.ones_like(m.below)
    if name in ("relu", "leaky_relu"):
        return _rectifier(m, 0.0 if name == "relu" else LEAKY_SLOPE)
    if name == "erf":
        return _erf(m)
    if name == "sin":
        return _sin(m)
    hint = "one of relu, leaky_relu, erf, sin, identity"
    raise expected("an activation with a closed-form kernel", "activation", name, "no closed form here", hint)


def _input_moments(x1: FloatArray, x2: FloatArray) -> _Moments:
    """Moments of the inputs, divided by their number; the gaps from differences of unit vectors."""
    from scipy.spatial.distance import cdist

    q1 = np.einsum("nd,nd->n", x1, x1)[:, None] / x1.shape[1]
    q2 = np.einsum("nd,nd->n", x2, x2)[None, :] / x2.shape[1]
    units = []
    for x in (x1, x2):
        norm = np.linalg.norm(x, axis=1, keepdims=True)
        units.append(np.divide(x, norm, out=np.zeros_like(x), where=norm > 0))
    root = np.sqrt(q1 * q2)
    below, above = (root * cdist(units[0], sign * units[1], "sqeuclidean") / 2 for sign in (1.0, -1.0))
    return _Moments(q1, q2, below, above)


@checked
def infinite_width(
    net: Sequential, X1: Array, X2: Array | None = None, kernel: Literal["ntk", "nngp"] = "ntk"
) -> FloatArray:
    """Kernel of a dense network whose hidden layers are infinitely wide (claim ``ntk-limit``).

    With several outputs the tangent kernel is this one times the identity over outputs. Hidden widths in
    ``net`` are ignored; weight and bias scales and activations are used. Nearly parallel and nearly opposite
    inputs lose no digits.

    Args:
        net: dense layers, flatten, and the activations relu, leaky_relu, erf, sin, identity.
        X1: inputs (n1, *input_shape).
        X2: inputs (n2, *input_shape), or None for X1.
        kernel: ``"ntk"``, in NTK parameterisation, or ``"nngp"``, the covariance of the outputs at random
            initialisation, in either.

    Returns:
        The kernel (n1, n2), float64.

    Raises:
        BadInputError: for other layers or activations, a network without dense layers, the tangent kernel in standard
            parameterisation (it diverges with width), or inputs that do not fit.

    Example:
        >>> import numpy as np
        >>> from muso_theory.networks import mlp
        >>> net = mlp([2, 1, 1], "relu", "ntk", w_std=2**0.5, b_std=0.0)
        >>> infinite_width(net, np.array([[1.0, 1.0]])).round(12)
        array([[4.]])
    """
    if kernel not in ("ntk", "nngp"):
        hint = nearest(str(kernel), ["ntk", "nngp"])
        raise expected("a kernel", "kernel", kernel, type(kernel).__name__, hint)
    x1 = net.check_inputs(X1, "X1", real=True).astype(np.float64)
    x2 = x1 if X2 is None else net.check_inputs(X2, "X2", real=True).astype(np.float64)
    depth = next((index for index, layer in enumerate(net.layers) if isinstance(layer, Dense)), None)
    if depth is None:
        raise expected(
            "a dense network", "net", net, "no dense layer", "muso_theory.networks.mlp([64, 512, 1])"
        )
    for layer in net.layers[:depth]:
        _check_layer(layer, kernel)
        x1, x2 = layer.forward([], x1)[0], layer.forward([], x2)[0]

    moments = _input_moments(x1, x2)
    theta = np.zeros_like(moments.below)
    for layer in net.layers[depth:]:
        _check_layer(layer, kernel)
        if isinstance(layer, Dense):
            moments = moments.affine(layer.w_std, layer.b_std)
            theta = moments.covariance + layer.w_std**2 * theta
        elif isinstance(layer, Activation):
            moments, derivative = _activate(layer.name, moments)
            theta = derivative * theta
    return theta if kernel == "ntk" else moments.covariance


def _check_layer(layer: Layer, kernel: str) -> None:
    """Refuse layers without an infinite-width rule."""
    if not isinstance(layer, (Dense, Activation, Flatten)):
        hint = "dense layers, flatten and activations"
        raise expected("a dense network", "layer", layer, type(layer).__name__, hint)
    if isinstance(layer, Dense) and kernel == "ntk" and layer.param != "ntk":
        raise expected(
            "NTK parameterisation (in the standard one the tangent kernel diverges with width)",
            "param",
            layer.param,
            str(layer),
            "parameterization='ntk', or kernel='nngp'",
        )
