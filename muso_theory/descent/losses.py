"""Losses ℓ(z, t) of an output z and a target t, by their derivative in z."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, final, get_args

import numpy as np

from ..arguments import checked
from ..arrays import Array
from ..errors import expected, nearest

__all__ = [
    "LOSSES",
    "Loss",
    "LossName",
    "check_logistic",
    "loss_and_cotangent",
    "loss_named",
    "sample_losses",
    "targets_for",
]

LossName = Literal["squared", "cross-entropy"]
"""Losses of networks."""


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


def _log_softmax(z: Array) -> Array:
    shifted = z - z.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def _softmax(z: Array) -> Array:
    return np.asarray(np.exp(_log_softmax(z)))


def _cross_entropy_derivative(z: Array, t: Array) -> Array:
    return np.asarray(_softmax(z) - t)


def _cross_entropy(z: Array, t: Array) -> float:
    return _likelihood(_log_softmax(z), t)


def _likelihood(logs: Array, t: Array) -> float:
    return float(-np.sum(t * logs))


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


@checked
def loss_and_cotangent(outputs: Array, targets: Array, loss: LossName) -> tuple[float, Array]:
    """Loss summed over samples, and its derivative by the outputs.

    ``"squared"`` is ½Σ(f − y)², the loss of claim ``implicit-bias``; ``"cross-entropy"`` is −Σ y·log softmax(f) with
    rows of targets that sum to one (soft labels) or class indices.

    Args:
        outputs: f (n, k).
        targets: (n, k), or class indices (n,) for cross-entropy.
        loss: which.

    Returns:
        The loss, and an array shaped like the outputs.

    Raises:
        BadInputError: for an unknown loss, targets of another shape, or targets that are no distributions.

    Example:
        >>> import numpy as np
        >>> loss_and_cotangent(np.array([[1.0], [3.0]]), np.array([[0.0], [3.0]]), "squared")
        (0.5, array([[1.],
               [0.]]))
    """
    targets = targets_for(outputs, targets, loss)
    if loss == "cross-entropy":
        logs = _log_softmax(outputs)  # once for both
        return _likelihood(logs, targets), np.asarray(np.exp(logs) - targets)
    return _squared(outputs, targets), _squared_derivative(outputs, targets)


@checked
def sample_losses(outputs: Array, targets: Array, loss: LossName) -> Array:
    """Loss of every sample, of which ``loss_and_cotangent`` tells the sum.

    Args:
        outputs: f (n, k).
        targets: as for ``loss_and_cotangent``.
        loss: which.

    Returns:
        (n,).

    Raises:
        BadInputError: what ``loss_and_cotangent`` refuses.

    Example:
        >>> sample_losses(np.array([[1.0], [3.0]]), np.array([[0.0], [3.0]]), "squared")
        array([0.5, 0. ])
    """
    targets = targets_for(outputs, targets, loss)
    if loss == "cross-entropy":
        return np.asarray(-np.sum(targets * _log_softmax(outputs), axis=1))
    return np.asarray(np.sum((outputs - targets) ** 2, axis=1) / 2)


def targets_for(outputs: Array, targets: Array, loss: LossName) -> Array:
    """Targets as a loss of ``LOSSES`` takes them beside the outputs: class indices become rows.

    Args:
        outputs: f (n, k).
        targets: as for ``loss_and_cotangent``.
        loss: which.

    Returns:
        Targets (n, k).

    Raises:
        BadInputError: what ``loss_and_cotangent`` refuses.

    Example:
        >>> targets_for(np.zeros((2, 3)), np.array([2, 0]), "cross-entropy")
        array([[0., 0., 1.],
               [1., 0., 0.]])
    """
    if loss not in get_args(LossName):
        hint = nearest(str(loss), get_args(LossName))
        raise expected("a loss", "loss", loss, type(loss).__name__, hint)
    if loss == "cross-entropy":
        return _distributions(outputs, targets)
    if targets.shape != outputs.shape:
        hint = f"targets.reshape{outputs.shape}"
        raise expected(f"targets {outputs.shape}, like the outputs", "targets", targets.shape, "shape", hint)
    return targets


def _distributions(outputs: Array, targets: Array) -> Array:
    """Targets of the cross-entropy as rows that sum to one."""
    if outputs.ndim != 2 or outputs.shape[1] < 2:
        raise expected(
            "at least two outputs for cross-entropy", "outputs", outputs.shape, "shape", "loss='squared'"
        )
    n, k = outputs.shape
    if targets.shape == (n,) and targets.dtype.kind in "iu":
        if targets.size and not 0 <= targets.min() <= targets.max() < k:
            hint = f"classes 0 to {k - 1}"
            raise expected(
                f"class indices below {k}", "targets", int(targets.max()), "index out of range", hint
            )
        return np.eye(k, dtype=outputs.dtype)[targets]
    if targets.shape != (n, k):
        raise expected(
            f"class indices ({n},) or distributions ({n}, {k})",
            "targets",
            targets.shape,
            f"shape, dtype {targets.dtype}",
            "targets.astype(int) for class indices",
        )
    if targets.min(initial=0.0) < -1e-6 or not np.allclose(targets.sum(axis=1), 1.0, atol=1e-5):
        raise expected(
            "rows that are distributions",
            "targets",
            targets.shape,
            "rows that do not sum to one",
            "softmax of the wanted outputs",
        )
    return targets
