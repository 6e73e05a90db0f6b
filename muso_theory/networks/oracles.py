"""Finite differences: derivatives that share nothing with the layers' rules but the forward pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from ..arguments import checked
from ..arrays import Array
from ..former import former
from .network import Sequential

__all__ = ["DifferenceFormula", "differentiate", "finite_differences"]
former(__name__)

DifferenceFormula = Literal["central", "richardson", "complex-step", "mpmath"]
"""A difference formula."""


def _central(f: Callable[[Any], Array], h: Any) -> Array:
    """(f(h) − f(−h)) / 2h."""
    return np.asarray((f(h) - f(-h)) / (2 * h))


@checked
def differentiate(
    f: Callable[[Any], Array], method: DifferenceFormula, digits: int = 50
) -> tuple[Array, Array]:
    """Derivative at 0 of a function of one real number.

    Args:
        f: takes a float (``"central"``, ``"richardson"``), a complex number (``"complex-step"``) or an mpmath number
            (``"mpmath"``) and returns an array. Steps assume that f varies on the scale 1.
        method: the difference formula.
        digits: decimal digits of ``"mpmath"``.

    Returns:
        The derivative and an estimate of its error, entry by entry, both float64.

    Example:
        >>> import numpy as np
        >>> value, error = differentiate(lambda t: np.exp(np.array([t])), "richardson")
        >>> bool(abs(value[0] - 1) < 1e-12 and error[0] < 1e-11)
        True
    """
    if method == "complex-step":
        h = 1e-100  # no subtraction, so the step may be as small as one likes
        value = np.asarray(f(1j * h)).imag / h
        return value, 4 * np.finfo(float).eps * np.abs(value)
    if method == "mpmath":
        from mpmath.ctx_mp import MPContext

        context = MPContext()
        context.dps = digits
        h = context.mpf(10) ** (-(digits // 3))
        fine, coarse = _central(f, h), _central(f, 2 * h)
        estimate = np.abs(fine - coarse).astype(float) / 3
        value = fine.astype(float)
        return value, estimate + np.finfo(float).eps * np.abs(value)
    size = np.abs(np.asarray(f(0.0)))
    eps = float(np.finfo(float).eps)
    if method == "central":
        h = eps ** (1 / 3)
        fine, coarse = _central(f, h), _central(f, 2 * h)
        return fine, np.abs(fine - coarse) / 3 + eps * size / h
    h, levels = 0.04, 4  # errors h², h⁴, h⁶ removed in turn; the last step is still far above rounding
    rows = [[_central(f, h / 2**level)] for level in range(levels)]
    for level in range(1, levels):
        for order in range(1, level + 1):
            better = rows[level][order - 1] + (rows[level][order - 1] - rows[level - 1][order - 1]) / (
                4**order - 1
            )
            rows[level].append(better)
    value = rows[-1][-1]
    return value, np.abs(value - rows[-1][-2]) + 2**levels * eps * size / h


def _multiprecision(array: Array, digits: int) -> Array:
    """Convert floats exactly to numbers of a private mpmath context, so that no global setting is touched."""
    from mpmath.ctx_mp import MPContext

    context = MPContext()
    context.dps = digits
    return np.asarray(np.frompyfunc(context.mpf, 1, 1)(array), dtype=object)


@checked
def finite_differences(
    net: Sequential,
    params: Sequence[Array],
    X: Array,
    method: DifferenceFormula = "richardson",
    digits: int = 50,
) -> tuple[Array, Array]:
    """Per-example Jacobian of a small network, one parameter at a time, from forward passes alone.

    On a small smooth network the errors are near 1e-15 (complex step), 1e-12 (Richardson), 1e-10 (central),
    and rounding alone (mpmath). At a kink of relu every difference formula is wrong, and the error estimate
    of the real ones shows it. Price: 2 to 8 forward passes a parameter.

    Args:
        net: the network.
        params: float64 parameters.
        X: inputs (n, *input_shape).
        method: ``"central"``, ``"richardson"`` (extrapolated central), ``"complex-step"`` or ``"mpmath"``.
        digits: decimal digits of ``"mpmath"``, which takes the floats as exact.

    Returns:
        The Jacobian and an estimate of the error of every entry, no bound, both (n, n_out, n_params) in float64.

    Raises:
        BadInputError: for an unknown method, parameters or inputs that do not fit, and the complex step through
            an activation that is not analytic.

    Example:
        >>> import numpy as np
        >>> from muso_theory.networks import mlp
        >>> net = mlp([2, 3, 1], activation="tanh")
        >>> params, X = net.init(0), np.ones((2, 2))
        >>> jacobian, error = finite_differences(net, params, X, "complex-step")
        >>> bool(np.allclose(jacobian, net.jacobian(params, X), rtol=0, atol=1e-15))
        True
    """
    vector = net.flatten(params).astype(np.float64)
    inputs = net.check_inputs(X)
    if method == "mpmath":
        vector, inputs = _multiprecision(vector, digits), _multiprecision(inputs, digits)
    n = len(inputs)
    shape = (n, net.n_out, net.n_params)
    jacobian, error = np.zeros(shape), np.zeros(shape)
    moves = np.repeat(net.trainable, [math.prod(shape) for shape in net.param_shapes])

    for index in np.flatnonzero(moves).tolist():  # running statistics are held

        def along(t: Any, index: int = index) -> Array:
            moved = vector.astype(complex) if method == "complex-step" else vector.copy()
            moved[index] = moved[index] + t
            return net(net.unflatten(moved), inputs).reshape(n, net.n_out)

        jacobian[:, :, index], error[:, :, index] = differentiate(along, method, digits)
    return jacobian, error
