"""A network's outputs and its whole Jacobian, enclosed entry by entry: forward and reverse mode over balls.

Parameters and inputs are the exact reals that their floats are; √fan_in, erf and the rest are the exact functions.
Whole layers run in float64 with a radius an entry, at two to four times the price of plain floats. A layer that is an
affine map runs by its own rules, once for the midpoints and once, at absolute values, for the radii; activations come
from tables of proved errors, and their slopes from the same tables.

A rectifier has no derivative at 0. Where its input cannot be told from 0 in float64, that input is computed again with
hundreds of digits; if it is 0, or its side still open, the enclosure is refused, unless no output depends on it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np

from ..arrays import Array
from ..former import former
from ..numbers import UndecidedError
from ..numbers.ieee import ieee_proof
from ..numbers.rounding import U
from .activation import Activation
from .batch_norm import BatchNorm
from .branches import Residual
from .composition import Chain
from .convolution import Conv2D
from .cotangents import Cotangent
from .dense import Dense
from .duals import enclosed_inputs, multiplications
from .functions import LEAKY_SLOPE
from .kinks import KINK_BITS, Bend, Kinks, bends_at, refuse
from .layer import Layer, Params
from .network import Sequential
from .normalisation import LayerNorm
from .radii import BallArray, enlarged
from .roundings import roundings_of
from .tables import CURVES, curve_table

__all__ = ["Share", "enclosed_tangent", "pieces", "rows_of", "seconds_of_tangent"]
former(__name__)

CHUNK_BYTES = 1 << 24
"""Bytes of one layer's cotangents, or of its rows of J, that are in work at a time."""


@final
@dataclass(frozen=True, eq=False)
class Share:
    """What one layer with parameters contributes to the rows of J for a chunk of samples.

    Args:
        path: the layer's place in the network.
        layer: the layer.
        params: its parameters.
        inputs: what it receives, or for layer and batch normalisation the normalised input, (n, …).
        cotangent: derivative of every output by its output, (n, k, …).
    """

    path: str
    layer: Layer
    params: Params
    inputs: BallArray
    cotangent: BallArray


def enclosed_tangent(
    net: Sequential, params: Sequence[Array], X: Array
) -> Iterator[tuple[slice, BallArray, list[Share]]]:
    """Enclose outputs and Jacobian, some samples at a time.

    Args:
        net: the network.
        params: θ, real floats.
        X: inputs (n, *input_shape), real floats.

    Yields:
        Which samples, their outputs (m, k), and every layer's share of their rows of J, in forward order.

    Raises:
        UndecidedError: a layer whose rounding errors are not known here, overflow; KinkError where a rectifier has
            no derivative.

    Example:
        >>> from muso_theory.networks import mlp
        >>> net = mlp([2, 3, 1], activation="erf")
        >>> params, X = net.init(0), np.ones((1, 2))
        >>> [(_, outputs, shares)] = enclosed_tangent(net, params, X)
        >>> bool(abs(outputs.mid[0, 0] - net(params, X)[0, 0]) <= outputs.rad[0, 0] + 1e-16)
        True
        >>> J = np.concatenate([part.mid for share in shares for part in rows_of(share)], axis=2)
        >>> bool(np.allclose(J, net.jacobian(params, X), rtol=1e-14))
        True
    """
    arrays = [_real(array, "parameters") for array in net.check_params(params)]
    inputs = _real(net.check_inputs(X), "inputs")
    walk = _Walk(net, arrays)
    step = max(1, CHUNK_BYTES // (8 * net.n_out * _widest(net)))
    for start in range(0, len(inputs), step):
        part = slice(start, min(start + step, len(inputs)))
        with ieee_proof(), np.errstate(all="ignore"):
            found = walk.run(inputs[part], start)
        yield part, *found


@ieee_proof()
def rows_of(share: Share) -> list[BallArray]:
    """Rows of J for a layer's parameters, array by array, (n, k, size of the array).

    Args:
        share: of the layer.

    Returns:
        Balls, in the order of the parameters.
    """
    n, k = share.cotangent.mid.shape[:2]
    x, delta = share.inputs, share.cotangent
    if isinstance(share.layer, (BatchNorm, LayerNorm)):
        axes = tuple(range(2, delta.mid.ndim - 1))
        found = [(delta * x.rearranged(lambda a: a[:, None])).summed(axes), delta.summed(axes)]
        held = BallArray.exact(np.zeros(found[1].mid.shape))
        found += [held] * (len(share.params) - len(found))  # running statistics
    else:
        found = _affine_rows(share.layer, share.params, x, delta)
    return [part.rearranged(lambda a: a.reshape(n, k, -1)) for part in found]


def pieces(share: Share) -> Iterator[tuple[slice, Share]]:
    """Split a share by samples, so that rows of J are never formed for more than ``CHUNK_BYTES`` at a time.

    Args:
        share: of a layer with parameters.

    Yields:
        Which of its samples, and their share.
    """
    n, k = share.cotangent.mid.shape[:2]
    step = max(1, CHUNK_BYTES // (8 * k * max(array.size for array in share.params)))
    for start in range(0, n, step):
        part = slice(start, min(start + step, n))
        inputs, cotangent = (
            BallArray(ball.mid[part], ball.rad[part]) for ball in (share.inputs, share.cotangent)
        )
        yield part, replace(share, inputs=inputs, cotangent=cotangent)


def seconds_of_tangent(net: Sequential, params: Sequence[Array], X: Array) -> float:
    """Roughly what :func:`enclosed_tangent` takes on one core of a present-day machine.

    Args:
        net: the network.
        params: its parameters.
        X: inputs.

    Returns:
        Seconds, by a formula of the sizes alone.

    Example:
        >>> from muso_theory.networks import mlp
        >>> net = mlp([64, 256, 1])
        >>> seconds_of_tangent(net, net.init(0), np.ones((1000, 64))) < 1
        True
    """
    products = multiplications(net, params, X) * (1 + net.n_out)
    entries = sum(math.prod(shape) for shape in _shapes(net)) * (1 + net.n_out)
    return len(X) * (1e-9 * products + 4e-7 * entries)


def _real(array: Array, name: str) -> Array:
    """Real floats as float64, exactly."""
    if array.dtype.kind != "f" or array.dtype.itemsize > 8:
        raise UndecidedError(f"{name} are not floats of 64 bits or fewer", "float64 parameters and inputs")
    return array.astype(np.float64, copy=False)


def _shapes(net: Sequential) -> Iterator[tuple[int, ...]]:
    """Output shapes of the network's own layers, the input's first."""
    shape = net.input_shape
    yield shape
    for layer in net.layers:
        shape = layer.output_shape(shape)
        yield shape


def _widest(net: Sequential) -> int:
    return max(math.prod(shape) for shape in _shapes(net))


@dataclass(eq=False)
class _Walk:
    """One network with its parameters; runs a chunk of samples forward and back."""

    net: Sequential
    params: list[Array]
    inputs: Array = field(init=False)
    start: int = field(init=False)
    kinks: dict[str, Kinks] = field(init=False)
    bends: list[Bend] = field(init=False)

    def run(self, inputs: Array, start: int) -> tuple[BallArray, list[Share]]:
        self.inputs, self.start = inputs, start
        self.kinks, self.bends = {}, []
        out, cache = self.forward(self.net.chain, self.params, BallArray.exact(inputs), "")
        n, k, shape = len(inputs), self.net.n_out, self.net.output_shape
        unit = np.broadcast_to(np.eye(k).reshape(1, k, *shape), (n, k, *shape))
        shares: list[Share] = []
        self.backward(self.net.chain, self.params, cache, BallArray.exact(unit), shares, "")
        shares.reverse()
        refuse(self.bends)
        outputs = out.rearranged(lambda a: a.reshape(n, k))
        finite = [outputs, *(ball for share in shares for ball in (share.inputs, share.cotangent))]
        if not all(np.isfinite(ball.mid).all() and np.isfinite(ball.rad).all() for ball in finite):
            raise UndecidedError(
                "the network's derivatives overflow float64", "parameters of an ordinary size"
            )
        return outputs, shares

    def forward(self, layer: Layer, p: Params, x: BallArray, path: str) -> tuple[BallArray, Any]:
        """Enclose a layer's output; the cache is what the way back needs."""
        if isinstance(layer, Chain):
            caches = []
            for name, inner, part in _parts(layer, p, path):
                x, cache = self.forward(inner, part, x, name)
                caches.append(cache)
            return x, caches
        if isinstance(layer, Residual):
            results = [self.forward(inner, part, x, name) for name, inner, part in _branches(layer, p, path)]
            return results[0][0] + results[1][0], [cache for _, cache in results]
        if isinstance(layer, Activation):
            return self._activation(layer.name, x, path)
        if isinstance(layer, LayerNorm):
            centred = x - x.mean()
            variance = (centred * centred).mean() + BallArray.exact(np.array(layer.eps))
            inverse = variance.inverse_root()
            normal = centred * inverse
            gain, bias = map(BallArray.exact, p)
            return gain * normal + bias, (normal, inverse)
        if isinstance(layer, BatchNorm):  # with its running statistics, as everywhere but in training
            gain, bias, mean, variance = map(BallArray.exact, p)
            inverse = (variance + BallArray.exact(np.array(layer.eps))).inverse_root()
            normal = (x - mean) * inverse
            return gain * normal + bias, (normal, inverse)
        count = roundings_of(layer, x.mid.shape[1:])
        return x.through(lambda weights, values: layer.forward(weights, values)[0], p, count), x

    def backward(
        self, layer: Layer, p: Params, cache: Any, delta: BallArray, shares: list[Share], path: str
    ) -> BallArray:
        """Enclose the cotangent of a layer's input, and collect shares from last to first."""
        if isinstance(layer, Chain):
            for (name, inner, part), local in reversed(list(zip(_parts(layer, p, path), cache, strict=True))):
                delta = self.backward(inner, part, local, delta, shares, name)
            return delta
        if isinstance(layer, Residual):
            pairs = list(zip(_branches(layer, p, path), cache, strict=True))
            results = [
                self.backward(inner, part, local, delta, shares, name)
                for (name, inner, part), local in reversed(pairs)
            ]
            return (results[0] + results[1]).only(results[0].differs | results[1].differs)
        if isinstance(layer, Activation):
            if path in self.kinks:
                self.bends += bends_at(self.net, path, self.kinks[path], delta, self.bends)
            slope: BallArray = cache.rearranged(lambda a: a[:, None])
            return (delta * slope).only(delta.differs & slope.differs)
        if isinstance(layer, LayerNorm):
            normal: BallArray = cache[0].rearranged(lambda a: a[:, None])
            inverse: BallArray = cache[1].rearranged(lambda a: a[:, None])
            shares.append(Share(path, layer, p, cache[0], delta))
            pulled = delta * BallArray.exact(p[0])
            return (pulled - pulled.mean() - normal * (pulled * normal).mean()) * inverse
        if isinstance(layer, BatchNorm):
            shares.append(Share(path, layer, p, cache[0], delta))
            # Where the cotangent is 0 so is what is pulled back: channels do not mix.
            factor: BallArray = BallArray.exact(p[0]) * cache[1]
            return (delta * factor).only(delta.differs)
        if p:
            shares.append(Share(path, layer, p, cache, delta))
        shape = cache.mid.shape[1:]
        like = cache.mid if p else cache.mid.shape  # what each layer keeps of its input

        def pull(weights: Sequence[Array], values: Array) -> Array:
            cotangent = Cotangent(values, layer.output_shape(shape), per_sample=True)
            return layer.pull(weights, like, cotangent).expand(len(values))

        pulled = delta.through(pull, p, roundings_of(layer, shape))
        if not self.kinks:
            return pulled
        # Where no product has two factors that may differ from 0 the sum is 0; sums of ones do not underflow.
        layer = replace(layer, w_std=1.0) if isinstance(layer, (Dense, Conv2D)) else layer
        return pulled.only(pull([1.0 * (array != 0) for array in p], 1.0 * delta.differs) > 0)

    def _activation(self, name: str, x: BallArray, path: str) -> tuple[BallArray, BallArray]:
        """Value and slope of an activation on balls."""
        if name == "identity":
            return x, BallArray.exact(np.ones_like(x.mid))
        if name in CURVES:
            size = float(x.size.max(initial=0.0))
            if not math.isfinite(size):
                raise UndecidedError(
                    "the network's values overflow float64", "parameters of an ordinary size"
                )
            table = curve_table(name, size)
            value, slope, value_error, slope_error = table(x.mid)
            # |f(x + r) − f(x)| ≤ (|f′(x)| + sup|f″| r) r and |f′(x + r) − f′(x)| ≤ sup|f″| r
            bend = enlarged(table.curvature * x.rad, 1)
            slope_radius = enlarged(slope_error + bend, 1)
            steepest = enlarged(np.abs(slope) + slope_radius, 1)
            return (
                BallArray(value, enlarged(value_error + steepest * x.rad, 2)),
                BallArray(slope, slope_radius),
            )
        if name not in ("relu", "leaky_relu"):
            raise UndecidedError(f"{name} is not enclosed", "an activation that is analytic, or relu")
        sides = np.sign(x.mid)
        for index in np.argwhere(np.abs(x.mid) <= x.rad * (1 + 4 * U)):
            sides[tuple(index)] = 0
        if not sides.all():
            self._settle(sides, name, path)
        slope = np.where(sides > 0, 1.0, {"relu": 0.0, "leaky_relu": LEAKY_SLOPE}[name])
        value = x.mid * slope
        radius = np.where(
            slope == 0, 0.0, np.where(slope == 1, x.rad, enlarged(x.rad + U * np.abs(value), 2))
        )
        found = BallArray(value, radius)
        if path in self.kinks:
            kinks = self.kinks[path]
            reach = np.where(kinks.open, enlarged(np.abs(value) + x.size, 1), radius)  # at either slope
            found = BallArray(value, reach).only(~kinks.zero)
        return found, BallArray.exact(slope)

    def _settle(self, sides: Array, name: str, path: str) -> None:
        """Find the side of inputs that float64 cannot tell from 0, and remember where they are 0 or still open."""
        zero = np.zeros(sides.shape, dtype=bool)
        for sample in np.unique(np.argwhere(sides == 0)[:, 0]):
            try:
                balls = enclosed_inputs(
                    self.net, self.params, self.inputs[sample : sample + 1], path, KINK_BITS
                ).ravel()
            except UndecidedError:  # the side of an earlier rectifier's input is open
                continue
            row, zeros = sides[sample].ravel(), zero[sample].reshape(-1)  # views: both are contiguous
            for unit in np.flatnonzero(row == 0).tolist():
                ball = balls[unit]
                row[unit] = 1 if ball > 0 else -1 if ball < 0 else 0
                zeros[unit] = ball == 0
            sides[sample] = row.reshape(sides.shape[1:])
        if not sides.all():
            self.kinks[path] = Kinks(name, self.start, sides == 0, zero)


def _parts(chain: Chain, p: Params, path: str) -> Iterator[tuple[str, Layer, Params]]:
    """Layers of a chain with their paths and parameters."""
    prefix, start = f"{path}." if path else "", 0
    for index, layer in enumerate(chain.layers):
        stop = start + len(layer.param_shapes)
        yield f"{prefix}{index}", layer, p[start:stop]
        start = stop


def _branches(layer: Residual, p: Params, path: str) -> list[tuple[str, Layer, Params]]:
    """Body and shortcut with their paths and parameters."""
    return [(f"{path}.{name}", branch, part) for name, branch, part in layer.parts(p)]


def _affine_rows(layer: Layer, p: Params, x: BallArray, delta: BallArray) -> list[BallArray]:
    """Rows of J of a dense layer or a convolution: sums of products of inputs and cotangents."""
    count = roundings_of(layer, x.mid.shape[1:])
    mid = layer.rows(p, x.mid, delta.mid)
    # |x̂δ̂ − xδ| ≤ γ|x̂||δ̂| + |x̂|ρ + r(|δ̂| + ρ), with radii r of x and ρ of δ; the bias has no input
    gamma = count * U * (1 + 2.0**-20)
    spread = enlarged(gamma * np.abs(delta.mid) + delta.rad, 2)
    rad = layer.rows(p, np.abs(x.mid), spread)
    rad[0] = rad[0] + layer.rows(p, x.rad, delta.size)[0]
    return [BallArray(m, enlarged(r, count + 3)) for m, r in zip(mid, rad, strict=True)]
