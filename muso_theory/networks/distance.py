"""How far the float features of a problem are from the network's own tangent J at θ₀.

The features Φ̂ are floats: a Jacobian computed in float64, or the Cholesky factor of a Gram computed in float64. J is
the exact derivative of the network whose parameters and inputs are those floats. Enclosing J gives ρ and ε with

    ‖M − J‖_F ≤ ρ  and  ‖Φ̂Φ̂ᵀ − MMᵀ‖₂ ≤ ε  for some matrix M,

M = Φ̂ and ε = 0 where the Jacobian itself is held. By Weyl's inequalities, for any block of rows A,

    σ_min(J_A) ≥ √(λ_min(Φ̂_AΦ̂_Aᵀ) − ε) − ρ,

so the rank of J_A is decided by an eigenvalue of the floats whenever that is above what the floats are wrong by.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, final

import numpy as np

from ..arrays import Array
from ..errors import expected
from ..former import former
from ..linear.kept import kept
from ..linear.problem import UnlearningProblem
from ..numbers import Quantity, UndecidedError
from ..numbers.balls import enclosure, working_precision
from ..numbers.gram import blocked_gram, gram_roundings
from ..numbers.ieee import ieee_proof
from ..numbers.rounding import UNIT, gamma, norm_bounds, root_down, root_up, sum_up
from ..numbers.spectrum import gram_error
from .composition import leaves
from .dense import Dense, affine_scales
from .duals import enclosed_derivative
from .enclosure import Share, enclosed_tangent, pieces, rows_of, seconds_of_tangent
from .linearised import Linearisation
from .radii import BallArray, enlarged

__all__ = ["between_modes", "float_distance", "tangent_distance"]
former(__name__)

LARGEST_BYTES = 1 << 31
"""What may be held: a few n·k × n·k matrices, and the factors of J."""

LARGEST_SECONDS = 30.0

SMALLEST_NORM = 2.0**-480
"""Added to every norm: squares below 2^-1074 are lost."""


@final
@dataclass(frozen=True)
class _TangentDistance:
    """What is proved about the floats that stand for a network's tangent.

    Args:
        what: the distance in symbols, ``‖Φ − J‖_F`` or ``‖ΦΦᵀ − JJᵀ‖_F``: all directions at once.
        distance: its enclosure.
        size: enclosure of ‖J‖_F or ‖JJᵀ‖_F, its scale.
        outputs: enclosure of the largest error of the outputs at θ₀.
        jacobian: ρ.
        gram: ε.
    """

    what: str
    distance: Quantity
    size: Quantity
    outputs: Quantity
    jacobian: Fraction
    gram: Fraction

    @property
    def scale(self) -> str:
        """What ``size`` is, in symbols."""
        return "‖" + self.what.split(" − ")[1]

    def smallest(self, eigenvalue: Fraction) -> Fraction:
        """Lower bound of λ_min(J_A J_Aᵀ).

        Args:
            eigenvalue: lower bound of λ_min(Φ̂_A Φ̂_Aᵀ).

        Returns:
            The bound; zero where the floats cannot tell.

        Example:
            >>> zero = Quantity.exact(0)
            >>> _TangentDistance("", zero, zero, zero, Fraction(1), Fraction(7)).smallest(Fraction(16))
            Fraction(4, 1)
        """
        return max(root_down(eigenvalue - self.gram) - self.jacobian, Fraction(0)) ** 2

    def largest(self, eigenvalue: Fraction) -> Fraction:
        """Upper bound of λ_min(J_A J_Aᵀ), or of any other eigenvalue.

        Args:
            eigenvalue: upper bound of the same eigenvalue of Φ̂_A Φ̂_Aᵀ.

        Returns:
            The bound.
        """
        return (root_up(eigenvalue + self.gram) + self.jacobian) ** 2


@kept
def float_distance(problem: UnlearningProblem) -> _TangentDistance | UndecidedError:
    """How far the features of a problem are from the tangent of the network that they stand for.

    Args:
        problem: a problem made by ``from_network``.

    Returns:
        The distance, or the error that `tangent_distance` ended in.

    Raises:
        BadInputError: a problem without a network.

    Example:
        >>> from muso_theory.networks import from_network, mlp
        >>> net = mlp([2, 3, 1], activation="relu")
        >>> params = [a * (a.shape == (3, 1)) for a in net.init(0)]  # the first layer is 0
        >>> print(float_distance(from_network(net, params, np.eye(2), np.ones(2), forget=[0], dual=False)).what)
        the input of unit 0 of layer 1 (relu) at sample 0 (and 5 more) is 0, and a rectifier has no derivative there
    """
    if problem.tangent is None:
        raise expected(
            "a problem of a network", "problem", problem, "features alone", "networks.from_network"
        )
    try:
        return tangent_distance(problem.tangent, problem.features)
    except UndecidedError as obstacle:
        return obstacle


@ieee_proof()
def tangent_distance(tangent: Linearisation, features: Array) -> _TangentDistance:
    """Enclose the distance of float features from the network's own tangent, in all directions at once.

    Args:
        tangent: the network, its parameters and inputs, and whether the features are a factor of the Gram.
        features: Φ̂ (n·k, D), or (n·k, n·k) where the Gram is used.

    Returns:
        The distance.

    Raises:
        UndecidedError: the network is too large, a layer's rounding errors are not known, overflow; KinkError where a
            rectifier has no derivative.

    Example:
        >>> from muso_theory.networks import linearise, mlp
        >>> net = mlp([2, 3, 1], activation="erf")
        >>> params, X = net.init(0), np.array([[1.0, 2.0], [0.0, 1.0]])
        >>> tangent = linearise(net, params, X, max_features=100)
        >>> found = tangent_distance(tangent, tangent.features)
        >>> found.what, 0 < found.distance.bound < 1e-13
        ('‖Φ − J‖_F', True)
    """
    n, k = tangent.outputs.shape
    _check_price(tangent, n * k)
    shape = (n * k, n * k if tangent.by_gram else tangent.n_params)
    if features.dtype.kind != "f" or features.shape != shape:
        raise UndecidedError(f"the features are not floats {shape}", "features as from_network makes them")
    sums = (_Gram if tangent.by_gram else _Rows)(tangent, features)
    off: list[Quantity] = []
    for part, outputs, shares in enclosed_tangent(tangent.net, tangent.params, tangent.inputs):
        off.append(_largest_error(tangent.outputs[part], outputs))
        sums.add(part, shares)
    return sums.finish(_largest(off))


@ieee_proof()
def between_modes(
    tangent: Linearisation, samples: list[int], direction: Array, bits: int = 128
) -> tuple[Quantity, Quantity]:
    """The derivative along a direction by forward mode, which knows no rule of a derivative, against reverse mode.

    Both are enclosed. Where the enclosures do not meet, a derivative rule of some layer is wrong; a random direction
    misses that with probability zero.

    Args:
        tangent: the network, its parameters and inputs.
        samples: indices of inputs.
        direction: v (D,).
        bits: precision of forward mode.

    Returns:
        Enclosures of max |∂f(x; θ₀)·v − J(x)v| and of max |∂f(x; θ₀)·v| over the samples and outputs.

    Raises:
        UndecidedError: as :func:`tangent_distance` does.

    Example:
        >>> from muso_theory.networks import linearise, mlp
        >>> net = mlp([2, 3, 1], activation="erf")
        >>> tangent = linearise(net, net.init(0), np.eye(2))
        >>> off, size = between_modes(tangent, [0, 1], np.arange(13.0))
        >>> off.lower, off.bound < 1e-13 * size.floor
        (Fraction(0, 1), True)
    """
    import flint

    net, inputs = tangent.net, tangent.inputs[samples]
    _, slopes = enclosed_derivative(net, tangent.params, inputs, net.unflatten(direction), bits)
    off, size = [], [enclosure(abs(slope)) for slope in slopes.ravel()]
    with working_precision(bits):
        v = flint.arb_mat(len(direction), 1, direction.tolist())
        for part, _, shares in enclosed_tangent(net, tangent.params, inputs):
            balls = [ball for share in shares for ball in rows_of(share)]
            ends = [np.concatenate([getattr(ball, end) for ball in balls], axis=2) for end in ("mid", "rad")]
            for i, c in np.ndindex(ends[0].shape[:2]):
                row = [
                    flint.arb(m, r)
                    for m, r in zip(ends[0][i, c].tolist(), ends[1][i, c].tolist(), strict=True)
                ]
                product = (flint.arb_mat(1, len(row), row) * v)[0, 0]
                off.append(enclosure(abs(slopes[part][i, c] - product)))
    return _largest(off), _largest(size)


def _largest(found: list[Quantity]) -> Quantity:
    """The maximum of enclosed numbers."""
    return Quantity.enclosure(max(q.lower for q in found), max(q.upper for q in found))


def _check_price(tangent: Linearisation, rows: int) -> None:
    """Refuse what would take too long or too much memory."""
    net, n = tangent.net, len(tangent.inputs)
    dense = [layer for _, layer in leaves(net.layers) if isinstance(layer, Dense)]
    others = net.n_params - sum(math.prod(shape) for layer in dense for shape in layer.param_shapes)
    held, seconds = 0, seconds_of_tangent(net, tangent.params, tangent.inputs)
    if tangent.by_gram:
        width = sum(layer.n_in + net.n_out * layer.n_out for layer in dense) + net.n_out * others
        products = sum(n**2 * layer.n_in + rows**2 * layer.n_out for layer in dense) + rows**2 * (
            others + rows
        )
        held, seconds = 8 * (5 * rows**2 + n * width), seconds + 1e-10 * products
    if held > LARGEST_BYTES or seconds > LARGEST_SECONDS:
        raise UndecidedError(
            f"the tangent's enclosure would take about {seconds:.2g} s and {held / 2**30:.2g} GB",
            f"fewer samples: at most {LARGEST_SECONDS:g} s and {LARGEST_BYTES / 2**30:g} GB are spent on it",
        )


def _largest_error(floats: Array, balls: BallArray) -> Quantity:
    """Both ends of the largest |floats − truth|."""
    off = np.abs(floats - balls.mid)
    low, high = off - 2 * (balls.rad + float(UNIT) * off), enlarged(off + balls.rad, 3)
    return Quantity.enclosure(max(float(low.max()), 0.0), float(high.max()))


def _root_sum(parts: Iterable[Fraction], up: bool) -> Fraction:
    """√Σ v², bounded from above or from below."""
    total = sum((part**2 for part in parts), Fraction(0))
    return root_up(total) if up else root_down(total)


class _Rows:
    """Distance from a Jacobian that is held, rows at a time."""

    def __init__(self, tangent: Linearisation, features: Array) -> None:
        self.features = features.reshape(*tangent.outputs.shape, -1)
        self.bounds: list[tuple[Fraction, Fraction]] = []

    def add(self, part: slice, shares: list[Share]) -> None:
        first = 0
        for share in shares:
            for piece, some in pieces(share):
                start = first
                for ball in rows_of(some):
                    stop = start + ball.mid.shape[2]
                    low, high = norm_bounds(self.features[part][piece, :, start:stop] - ball.mid)
                    lost = norm_bounds(ball.rad)[1] + UNIT * high
                    self.bounds.append((max(low - lost, Fraction(0)), high + lost))
                    start = stop
            first = start

    def finish(self, outputs: Quantity) -> _TangentDistance:
        low, high = (
            _root_sum(ends, up)
            for ends, up in zip(zip(*self.bounds, strict=True), (False, True), strict=True)
        )
        size = norm_bounds(np.asarray(self.features, dtype=np.float64))
        return _TangentDistance(
            "‖Φ − J‖_F",
            Quantity.enclosure(low, high),
            Quantity.enclosure(max(size[0] - high, Fraction(0)), size[1] + high),
            outputs,
            high,
            Fraction(0),
        )


class _Gram:
    """Distance from a Gram that is held through its factor.

    M is the matrix whose rows are made of the midpoints: for a dense layer s_w x ⊗ δ and s_b δ, which are never
    formed. Its Gram is (s_w² XXᵀ + s_b²) ∘ ΔΔᵀ, and an entry of that computed with N roundings is wrong by at most
    γ_N (s_w²‖x‖‖x′‖ + s_b²)‖δ‖‖δ′‖ ≤ γ_N ‖M_i‖‖M_j‖ (Cauchy and Schwarz), so the layer's share by γ_N ‖M‖_F².
    """

    def __init__(self, tangent: Linearisation, features: Array) -> None:
        self.features = features
        self.shape = tangent.outputs.shape
        self.squares: list[Fraction] = []  # of what rows of J are off by, summed
        self.parts: dict[str, list[tuple[Array, ...]]] = {}
        self.layers: dict[str, Any] = {}
        self.traces: dict[str, Fraction] = {}

    def add(self, part: slice, shares: list[Share]) -> None:
        for share in shares:
            self.layers[share.path] = share.layer
            dense = isinstance(share.layer, Dense)
            for some in [share] if dense else [some for _, some in pieces(share)]:
                off, size, *held = self._dense(some) if dense else self._formed(some)
                self.parts.setdefault(share.path, []).append(tuple(held))
                self.squares.append(sum_up(enlarged(off * off, 1)))
                trace = self.traces.get(share.path, Fraction(0))
                self.traces[share.path] = trace + sum_up(enlarged(size * size, 1))

    def _formed(self, share: Share) -> tuple[Array, Array, Array]:
        """By how much each row of J is off, its size, and its midpoints."""
        balls = rows_of(share)
        mid, rad = (np.concatenate([getattr(ball, end) for ball in balls], axis=2) for end in ("mid", "rad"))
        return _norms(rad), _norms(mid), mid

    def _dense(self, share: Share) -> tuple[Array, Array, Array, Array]:
        """By how much each row of J is off, its size, and the midpoints of inputs and cotangents."""
        x, delta = share.inputs, share.cotangent
        s_w, s_b = _scales(share.layer)
        spread, size = _norms(x.rad)[:, None], _norms(x.mid)[:, None]
        lost, length = _norms(delta.rad), _norms(delta.mid)
        weights = s_w * (spread * (length + lost) + size * lost)
        off = enlarged(np.sqrt(weights * weights + (s_b * lost) ** 2), 12)
        whole = enlarged(np.sqrt((s_w * size) ** 2 + s_b * s_b) * length, 10)
        return off, whole, x.mid, delta.mid

    def finish(self, outputs: Quantity) -> _TangentDistance:
        n, k = self.shape
        own = np.zeros((n * k, n * k))
        lost = Fraction(0)
        for path, chunks in self.parts.items():
            held = [np.concatenate(arrays) for arrays in zip(*chunks, strict=True)]
            layer, roundings = self.layers[path], len(self.parts) + 12
            if isinstance(layer, Dense):
                s_w, s_b = _scales(layer)
                inputs = blocked_gram(held[0])
                inputs *= s_w * s_w
                inputs += s_b * s_b
                term = blocked_gram(held[1].reshape(n * k, -1))
                term.reshape(n, k, n, k)[...] *= inputs[:, None, :, None]
                roundings += gram_roundings(layer.n_in) + gram_roundings(layer.n_out)
            else:
                rows = held[0].reshape(n * k, -1)
                term = blocked_gram(rows)
                roundings += gram_roundings(rows.shape[1])
            own += term
            lost += gamma(roundings) * self.traces[path]
        lost += Fraction((n * k) ** 2) / 2**800  # underflow
        floats = np.asarray(self.features, dtype=np.float64)
        theirs = blocked_gram(floats)
        size_low, size_high = norm_bounds(own)
        low, high = norm_bounds(theirs - own)
        lost += gram_error(theirs, floats.shape[1]) + UNIT * high
        rho, trace = root_up(sum(self.squares, Fraction(0))), sum(self.traces.values(), Fraction(0))
        spread = (2 * root_up(trace) + rho) * rho  # ‖MMᵀ − JJᵀ‖_F ≤ (‖M‖ + ‖J‖)ρ
        return _TangentDistance(
            "‖ΦΦᵀ − JJᵀ‖_F",
            Quantity.enclosure(max(low - lost - spread, Fraction(0)), high + lost + spread),
            Quantity.enclosure(max(size_low - lost - spread, Fraction(0)), size_high + lost + spread),
            outputs,
            rho,
            high + lost,
        )


def _scales(layer: Any) -> tuple[float, float]:
    """Scales of the stored W and b, as floats."""
    s_w, s_b = affine_scales(layer.param, layer.n_in, layer.w_std, layer.b_std, np.empty(0))
    return float(s_w), float(s_b)


def _norms(values: Array) -> Array:
    """Upper bounds of Euclidean norms over the last axis."""
    return enlarged(np.sqrt((values * values).sum(axis=-1)), values.shape[-1] + 4) + SMALLEST_NORM
