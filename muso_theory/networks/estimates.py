"""The tangent kernel by random directions, where the exact one is too dear."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from ..arguments import checked
from ..arrays import Array
from ..errors import check_integer, expected
from ..streams import PROBES
from .network import Sequential

__all__ = ["KernelEstimate", "estimate_ntk"]


@final
@dataclass(frozen=True, repr=False, eq=False)
class KernelEstimate:
    """A kernel by random directions: a measured number with an interval, no bound.

    Args:
        kernel: the estimate (n·k, n·k), rows sample by sample, outputs fastest.
        error: half the width of the interval of each entry.
        trace: estimate of the sum over the diagonal, Σ ‖row of J‖².
        trace_error: half the width of its interval.
        probes: number of directions.
        confidence: of each interval by itself.
    """

    kernel: Array
    error: Array
    trace: float
    trace_error: float
    probes: int
    confidence: float

    def __repr__(self) -> str:
        return (
            f"KernelEstimate(MEASURED, {self.kernel.shape}, {self.probes} directions, "
            f"trace {self.trace:.4g} ± {self.trace_error:.2g} at {self.confidence:.0%})"
        )


@checked
def estimate_ntk(
    net: Sequential,
    params: Sequence[Array],
    X: Array,
    *,
    probes: int = 100,
    seed: int = 0,
    confidence: float = 0.95,
) -> KernelEstimate:
    """Estimate Θ = JJᵀ without bias, as the mean of (Jv)(Jv)ᵀ over directions v of random signs (M. Hutchinson 1990).

    E vvᵀ = I, so E (Jv)(Jv)ᵀ = JJᵀ. A direction costs one forward-mode pass, whatever the number of parameters, and an
    entry's error falls as 1/√probes: with directions fewer than rows the estimate is singular, and no kernel to solve
    with. Intervals are Student's, of the spread between directions: they hold as the mean is nearly normal.

    Args:
        net: the network.
        params: its parameters.
        X: inputs (n, *input_shape).
        probes: number of directions, at least 2.
        seed: of the directions.
        confidence: of the interval of every entry.

    Returns:
        The estimate.

    Raises:
        BadInputError: settings out of range, parameters or inputs that do not fit.

    Example:
        >>> from muso_theory.networks import empirical_ntk, mlp
        >>> net, X = mlp([3, 8, 1], "tanh"), np.eye(3)
        >>> found = estimate_ntk(net, net.init(0), X, probes=400)
        >>> exact = empirical_ntk(net, net.init(0), X).reshape(3, 3)
        >>> bool((abs(found.kernel - exact) < 2 * found.error).all())
        True
    """
    from scipy.stats import t

    check_integer("probes", probes, 2, hint="100")
    if not 0 < confidence < 1:
        raise expected("a number between 0 and 1", "confidence", confidence, "out of range", "0.95")
    arrays, inputs = net.check_params(params, real=True), net.check_inputs(X, real=True)
    out, cache = net.chain.forward(arrays, inputs)
    rng = np.random.default_rng((check_integer("seed", seed), PROBES))
    rows = out.size
    total, squares = np.zeros((rows, rows)), np.zeros((rows, rows))
    traces = np.empty(probes)
    for index in range(probes):
        signs = [
            (2.0 * rng.integers(2, size=array.shape) - 1 if moves else np.zeros(array.shape)).astype(
                array.dtype
            )
            for array, moves in zip(arrays, net.trainable, strict=True)
        ]
        pushed = net.chain.jvp(arrays, cache, signs, None)
        along = np.zeros(rows) if pushed is None else pushed.reshape(rows).astype(np.float64)
        share = np.outer(along, along)
        total += share
        squares += share * share
        traces[index] = along @ along
    mean = total / probes
    spread = np.sqrt(np.maximum(squares / probes - mean * mean, 0.0) / (probes - 1))
    width = float(t.ppf((1 + confidence) / 2, probes - 1))
    trace_error = width * float(traces.std(ddof=1)) / np.sqrt(probes)
    return KernelEstimate(mean, width * spread, float(traces.mean()), float(trace_error), probes, confidence)
