"""The largest stable step of a method."""

from __future__ import annotations

import numpy as np

from ...numbers.gram import blocked_gram
from ..problem import Array, row_blocks
from .schedules import ResolvedSteps
from .updates import Method

__all__ = ["stability_hint", "step_limit"]


def step_limit(method: str, momentum: float = 0.0) -> float:
    """The largest stable γλ_max of a full-batch method on squared loss.

    Args:
        method: "gd", "momentum" or "nesterov".
        momentum: μ.

    Returns:
        2, 2(1 + μ) for the heavy ball, 2(1 + μ)/(1 + 2μ) for Nesterov's method.

    Example:
        >>> step_limit("gd"), step_limit("momentum", 0.5), step_limit("nesterov", 0.5)
        (2.0, 3.0, 1.5)
    """
    return {
        "gd": 2.0,
        "momentum": 2.0 * (1 + momentum),
        "nesterov": 2.0 * (1 + momentum) / (1 + 2 * momentum),
    }[method]


def stability_hint(phi: Array, rule: Method, steps: ResolvedSteps, curvature: float, momentum: float) -> str:
    """What to try after divergence: the largest stable step, in words.

    Args:
        phi: Φ.
        rule: the method.
        steps: the step sizes.
        curvature: largest second derivative of the loss.
        momentum: μ.

    Returns:
        The words.
    """
    if rule.update.adaptive:
        return "a smaller step"
    if rule.order == "full":
        tall = phi if phi.shape[0] <= phi.shape[1] else phi.T
        largest = float(np.linalg.eigvalsh(blocked_gram(tall.astype(np.float64, copy=False)))[-1])
        return f"steps below {step_limit(rule.name, momentum) / (curvature * largest):.6g}, the largest stable one"
    norms = np.concatenate([(np.asarray(phi[b], dtype=np.float64) ** 2).sum(axis=1) for b in row_blocks(phi)])
    limit = 2 / (curvature * float(norms.max()) * (steps.batch if steps.batch > 1 else 1))
    return f"steps below {limit:.6g}, which are stable in any order"
