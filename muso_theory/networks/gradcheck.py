"""Check every derivative rule of every layer against finite differences, and name the one that is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ..arguments import checked
from ..arrays import Array
from ..errors import BadInputError, check_integer, expected
from ..former import former
from .composition import with_inputs
from .cotangents import Cotangent
from .layer import Layer, Params
from .network import Sequential
from .oracles import differentiate
from .tangent_kernel import empirical_ntk

__all__ = ["GradientCheck", "check_gradients"]
former(__name__)

WHOLE = "network"
"""The name under which the composition of the layers is reported."""


@final
@dataclass(frozen=True, repr=False)
class GradientCheck:
    """What :func:`check_gradients` found.

    Args:
        errors: for every layer ("path kind", or "network" for the composition) and rule, the largest relative
            difference to its oracle.
        tolerance: what was allowed.
    """

    errors: dict[tuple[str, str], float]
    tolerance: float

    @property
    def wrong(self) -> list[tuple[str, str]]:
        """Layers and rules beyond the tolerance, worst first; the composition only when every layer is right."""
        bad = sorted((key for key in self.errors if not self.errors[key] <= self.tolerance), key=self._error)[
            ::-1
        ]
        return [key for key in bad if key[0] != WHOLE] or bad

    def _error(self, key: tuple[str, str]) -> float:
        """The error, NaN counted as infinite."""
        value = self.errors[key]
        return value if value == value else float("inf")

    def __repr__(self) -> str:
        lines = [
            f"GradientCheck: {'wrong' if self.wrong else 'agrees'}, {len(self.errors)} rules, "
            f"largest relative difference {max(map(self._error, self.errors)):.0e} (allowed {self.tolerance:.0e})"
        ]
        lines += [
            f"  {layer}: {rule} is off by {self.errors[layer, rule]:.1e}" for layer, rule in self.wrong[:8]
        ]
        return "\n".join(lines)


@checked
def check_gradients(
    net: Sequential,
    params: Sequence[Array],
    X: Array,
    *,
    tolerance: float = 1e-8,
    seed: int = 0,
    throw: bool = True,
) -> GradientCheck:
    """Hold every rule of every layer against finite differences of its forward pass alone.

    Each layer is tested at the inputs it really receives, along random directions: ``jvp``, ``pull`` (reverse
    mode to the input, for every shape a cotangent can take), ``gradient`` and ``rows`` (to the parameters) by
    the complex step where the layer is analytic, else by Richardson extrapolation away from kinks; and
    ``gram_term`` against the rows, in all three contractions. Then the composition: ``jacobian``, ``jvp``,
    ``vjp`` and the three kernels of the whole network.

    Args:
        net: the network.
        params: its parameters.
        X: inputs; the first three samples are used.
        tolerance: allowed relative difference.
        seed: of the random directions.
        throw: raise if a rule is wrong; False returns the check either way.

    Returns:
        The differences found.

    Raises:
        BadInputError: naming the layer and rule, if one is beyond the tolerance and ``throw`` is set; for parameters or
            inputs that do not fit, or no sample.

    Example:
        >>> import numpy as np
        >>> from muso_theory.networks import mlp
        >>> net = mlp([3, 4, 2], activation="gelu")
        >>> check_gradients(net, net.init(0), np.eye(3)).wrong
        []
    """
    arrays = [array.astype(np.float64) for array in net.check_params(params, real=True)]
    inputs = net.check_inputs(X, real=True)[:3].astype(np.float64)
    if not len(inputs):
        raise expected("at least one sample", "X", X, f"shape {np.shape(X)}", "X[:1] of your data")
    rng = np.random.default_rng(check_integer("seed", seed))
    errors: dict[tuple[str, str], float] = {}
    for path, layer, p, x in with_inputs(net.layers, arrays, inputs):
        name = f"{path} {layer}"
        for rule, error in _check_layer(layer, p, x, rng):
            errors[name, rule] = max(error, errors.get((name, rule), 0.0))
    for rule, error in _check_whole(net, arrays, inputs, rng):
        errors[WHOLE, rule] = error
    result = GradientCheck(errors, tolerance)
    if throw and result.wrong:
        raise BadInputError(
            "expected derivative rules that agree with finite differences but got "
            + "; ".join(
                f"layer {layer}, rule {rule}, off by {errors[layer, rule]:.1e}"
                for layer, rule in result.wrong
            )
        )
    return result


def _relative(found: Array, wanted: Array, scale: float | None = None) -> float:
    """Largest difference relative to the largest wanted entry; a wrong shape is infinitely wrong."""
    if found.shape != wanted.shape:
        return float("inf")
    size = float(np.abs(wanted).max(initial=0.0)) if scale is None else scale
    difference = float(np.abs(found - wanted).max(initial=0.0))
    return difference / size if size > 0 else (0.0 if difference == 0 else float("inf"))


def _directional(
    forward: Callable[[Params, Array], Array], p: Params, x: Array, dp: Params, dx: Array, analytic: bool
) -> Array:
    """Derivative of forward(p + t dp, x + t dx) by t at 0, by differences alone."""

    def along(t: Any) -> Array:
        return forward([a + t * d for a, d in zip(p, dp, strict=True)], x + t * dx)

    return differentiate(along, "complex-step" if analytic else "richardson")[0]


def _directions(
    layer: Layer, p: Params, x: Array, rng: np.random.Generator
) -> Iterator[tuple[list[Array], Array]]:
    """Random directions in the input and in each parameter array, one at a time."""
    nothing = [np.zeros_like(a) for a in p]
    dx = rng.standard_normal(x.shape)
    reach = layer.reach(x)
    if reach is not None:  # |step| ≤ 0.04·5·reach: never across a kink
        dx = dx * np.minimum(1.0, 5.0 * reach / np.abs(dx))
    yield nothing, dx
    for index, array in enumerate(p):
        if not layer.trainable[index]:
            continue
        dp = list(nothing)
        dp[index] = rng.standard_normal(array.shape)
        yield dp, np.zeros_like(x)


def _cotangents(shape: tuple[int, ...], n: int, rng: np.random.Generator) -> Iterator[Cotangent]:
    """A cotangent of each structure: per sample, shared, factored and, for images, constant over positions."""
    k = 2
    yield Cotangent(rng.standard_normal((n, k, *shape)), shape, per_sample=True)
    right, left = rng.standard_normal((1, k, *shape)), rng.standard_normal((n, *shape))
    yield Cotangent(right, shape)
    yield Cotangent(right, shape, left)
    if len(shape) == 3:
        pooled = rng.standard_normal((1, k, 1, 1, shape[2]))
        yield Cotangent(pooled, shape)
        yield Cotangent(pooled, shape, left)
        yield Cotangent(rng.standard_normal((n, k, 1, 1, shape[2])), shape, left, per_sample=True)


def _check_layer(layer: Layer, p: Params, x: Array, rng: np.random.Generator) -> Iterator[tuple[str, float]]:
    """Every rule of one layer."""
    y, cache = layer.forward(p, x)
    n, shape, analytic = len(x), y.shape[1:], layer.analytic
    cotangents = list(_cotangents(shape, n, rng))
    for dp, dx in _directions(layer, p, x, rng):
        wanted = _directional(lambda q, z: layer.forward(q, z)[0], p, x, dp, dx, analytic)
        moves_input = bool(np.any(dx))
        tangent = layer.jvp(p, cache, dp, dx if moves_input else None)
        yield "jvp", _relative(np.zeros_like(y) if tangent is None else tangent, wanted)
        size = float(np.abs(wanted).max(initial=0.0)) or 1.0
        for cotangent in cotangents:
            full = cotangent.expand(n)
            products = (full * wanted[:, None]).reshape(n, full.shape[1], -1).sum(axis=2)
            scale = size * float(np.abs(full).max()) * max(1, full[0, 0].size)
            scale = max(float(np.abs(products).max()), 1e-3 * scale)  # inner products may cancel
            if moves_input:
                back = layer.pull(p, cache, cotangent).expand(n)
                found = (back * dx[:, None]).reshape(n, full.shape[1], -1).sum(axis=2)
                yield "pull", _relative(found, products, scale)
            elif p:
                rows = layer.rows(p, cache, full)
                found = sum(
                    (row * d).reshape(n, full.shape[1], -1).sum(axis=2)
                    for row, d in zip(rows, dp, strict=True)
                )
                yield "rows", _relative(np.asarray(found), products, scale)
                grads = layer.gradient(p, cache, full[:, 0])
                total = np.asarray(sum(np.sum(g * d) for g, d in zip(grads, dp, strict=True)))
                yield "gradient", _relative(total, products[:, 0].sum(), scale)
    if p:
        for cotangent in cotangents:
            yield "gram_term", _check_gram(layer, p, cache, cotangent, n)


def _check_gram(layer: Layer, p: Params, cache: Any, cotangent: Cotangent, n: int) -> float:
    """The structured Gram of one cotangent against the rows, with itself and across batches."""
    rows = np.concatenate(
        [row.reshape(n, cotangent.n_out, -1) for row in layer.rows(p, cache, cotangent.expand(n))], axis=2
    )
    full = np.einsum("akp,blp->akbl", rows, rows)
    term, twin = (layer.gram_term(p, cache, cotangent, n) for _ in range(2))
    scale = float(np.abs(full).max())
    worst = 0.0
    for other in (term, twin):  # the same object takes the symmetric path, an equal one the general path
        worst = max(
            worst,
            _relative(term.tile(other, "full"), full, scale),
            _relative(term.tile(other, "trace"), np.trace(full, axis1=1, axis2=3), scale),
            _relative(term.tile(other, "diag"), np.diagonal(full, axis1=1, axis2=3), scale),
        )
    return worst


def _check_whole(
    net: Sequential, params: list[Array], x: Array, rng: np.random.Generator
) -> Iterator[tuple[str, float]]:
    """The composition: whole-network derivatives along a random direction, and the kernels."""
    tangent = [
        rng.standard_normal(a.shape) if moves else np.zeros(a.shape)
        for a, moves in zip(params, net.trainable, strict=True)
    ]
    pushed = net.jvp(params, x, tangent)
    if net.analytic:
        wanted = _directional(lambda q, z: net(q, z), params, x, tangent, np.zeros_like(x), True)
        yield "jvp", _relative(pushed, wanted)
    else:
        wanted = pushed  # a difference across many kinks is no oracle; the layers were held against one above
    n, k = len(x), net.n_out
    jacobian = net.jacobian(params, x)
    yield "jacobian", _relative(jacobian @ net.flatten(tangent), wanted.reshape(n, k))
    u = rng.standard_normal(pushed.shape)
    grads = net.vjp(params, x, u)
    product = np.asarray(sum(np.sum(g * t) for g, t in zip(grads, tangent, strict=True)))
    yield "vjp", _relative(product, np.asarray(np.sum(u * wanted)), float(np.abs(u * wanted).sum()))
    full = np.einsum("akp,blp->akbl", jacobian, jacobian)
    scale = float(np.abs(full).max())
    yield "empirical_ntk full", _relative(empirical_ntk(net, params, x), full, scale)
    trace = empirical_ntk(net, params, x, contract="trace")
    yield "empirical_ntk trace", _relative(trace, np.trace(full, axis1=1, axis2=3), scale)
    diagonal = empirical_ntk(net, params, x, contract="diag")
    yield "empirical_ntk diag", _relative(diagonal, np.diagonal(full, axis1=1, axis2=3), scale)
