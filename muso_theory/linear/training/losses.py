"""Losses ℓ(z, t) of an output z and a target t, by their derivative in z."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.special import log_softmax, softmax

from ...errors import expected, nearest
from ..problem import Array

__all__ = ["LOSSES", "Loss", "check_logistic", "loss_named"]


@final
@dataclass(frozen=True)
class Loss:
    """A loss, summed over samples and outputs.

    Args:
        name: its name.
        derivative: ∂ℓ/∂z of outputs (m, C) and targets (m, C), shape (m, C).
        value: Σ ℓ(z, t).
        labels: the targets at which the derivative vanishes: the exact labels of claim convex-loss.
        curvature: the largest second derivative in z; a gradient step below 2/(curvature·λ_max) is stable.
    """

    name: str
    derivative: Callable[[Array, Array], Array]
    value: Callable[[Array, Array], float]
    labels: Callable[[Array], Array]
    curvature: float


def _identity(z: Array) -> Array:
    return z


def _squared_derivative(z: Array, t: Array) -> Array:
    return z - t


def _squared(z: Array, t: Array) -> float:
    return float(np.sum((z - t) ** 2)) / 2


def _logistic_derivative(z: Array, t: Array) -> Array:
    return np.asarray((np.tanh(z / 2) - t) / 2)


def _logistic(z: Array, t: Array) -> float:
    return float(np.sum(np.logaddexp(0, z) - (1 + t) / 2 * z))


def _signed(z: Array) -> Array:
    return np.asarray(np.tanh(z / 2))


def _cross_entropy_derivative(z: Array, t: Array) -> Array:
    return np.asarray(softmax(z, axis=1) - t)


def _cross_entropy(z: Array, t: Array) -> float:
    return float(-np.sum(t * log_softmax(z, axis=1)))


def _softmax(z: Array) -> Array:
    return np.asarray(softmax(z, axis=1))


LOSSES = {
    loss.name: loss
    for loss in (
        Loss("squared", _squared_derivative, _squared, _identity, 1.0),
        Loss("logistic", _logistic_derivative, _logistic, _signed, 0.25),
        Loss("cross-entropy", _cross_entropy_derivative, _cross_entropy, _softmax, 0.5),
    )
}
"""``squared`` is ½(z − t)²; ``logistic`` is log(1 + eᶻ) − z(1 + t)/2, the cross-entropy of p(+1) = 1/(1 + e⁻ᶻ) against
(1 + t)/2, so that classes are t = ±1 as everywhere for one output, and tanh(z/2) between is what z itself predicts;
``cross-entropy`` is −Σ t log softmax(z) with rows t that sum to one."""


def check_logistic(targets: Array, *, part: bool = False) -> None:
    """Refuse targets that are not in the one convention of the logistic loss, ±1 with soft labels between.

    Targets from 0 to 1 lie inside [−1, 1] and would train another model without a word, the zeros undecided: where both
    ends occur and nothing is negative they are refused. All zeros pass: it is what w = 0 predicts.

    Args:
        targets: of any shape.
        part: some of targets that were checked as a whole, or others in their place: they tell no convention, so only
            their range is looked at.

    Raises:
        BadInputError: targets outside [−1, 1] or not finite, or from 0 to 1.

    Example:
        >>> check_logistic(np.array([-1.0, 0.3, 1.0]))
        >>> check_logistic(np.array([0.0, 1.0, 1.0]), part=True)
        >>> check_logistic(np.array([0.0, 0.3, 1.0]))
        Traceback (most recent call last):
        ...
        muso_theory.errors.BadInputError: expected targets ±1 or between but got targets=[0.  0.3 1. ] (from 0 to 1, ...
    """
    outside = np.argwhere(~(np.abs(targets) <= 1))
    if len(outside):
        where = ", ".join(map(str, outside[0]))
        hint = "2 * targets - 1 for classes 0 and 1"
        raise expected(
            "targets ±1 or between", f"targets[{where}]", targets[tuple(outside[0])], "logistic", hint
        )
    values = np.unique(targets)
    if not part and values.size and (values[0], values[-1]) == (0, 1):
        hint = "2 * targets - 1"
        raise expected("targets ±1 or between", "targets", values[:5], "from 0 to 1, logistic", hint)


def loss_named(name: str, targets: Array) -> Loss:
    """Find a loss and hold the targets against what it can take.

    Args:
        name: ``"squared"``, ``"logistic"`` or ``"cross-entropy"``.
        targets: shape (n, C).

    Returns:
        The loss.

    Raises:
        BadInputError: an unknown name, or targets outside the loss's domain.

    Example:
        >>> loss_named("logistic", np.array([[-1.0], [1.0]])).derivative(np.zeros((2, 1)), np.array([[-1.0], [1.0]]))
        array([[ 0.5],
               [-0.5]])
    """
    if name not in LOSSES:
        raise expected("a loss", "loss", name, type(name).__name__, nearest(str(name), LOSSES))
    if name == "logistic":
        check_logistic(targets)
    if name == "cross-entropy":
        outside = np.argwhere(~((targets >= 0) & (targets <= 1)))
        if len(outside):
            i, c = (int(k) for k in outside[0])
            hint = "one-hot rows, or softmax of outputs"
            raise expected("targets in [0, 1]", f"targets[{i}, {c}]", targets[i, c], name, hint)
        if targets.shape[1] < 2:
            raise expected(
                "at least two outputs", "targets", targets.shape, "shape", "loss='logistic' for one output"
            )
        off = np.flatnonzero(~np.isclose(targets.sum(axis=1), 1.0, atol=1e-9))
        if off.size:
            i = int(off[0])
            total = float(targets[i].sum())
            raise expected("rows that sum to one", f"sum(targets[{i}])", total, name, "softmax of outputs")
    return LOSSES[name]
