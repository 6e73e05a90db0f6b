"""Relabelling beyond squares (claim convex-loss): retrain and fine-tune with logistic or softmax loss and a ridge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from ...arrays import Array
from ...descent.losses import LOSSES, Loss
from ...former import former
from ..closed_forms import float_model
from ..problem import UnlearningProblem, require_problem
from .coordinates import image_of, transposed_image

__all__ = ["fine_tune_convex"]
former(__name__)

_MOST_STEPS = 2000


@final
@dataclass(frozen=True)
class _ConvexGaps:
    """Distances to the retrained model, measured.

    Args:
        loss: "logistic" or "cross-entropy".
        decay: λ.
        travelled: ‖w_p^λ − w₀‖, to which rounding errors are relative.
        doing_nothing: ‖w_p^λ − w_r^λ‖.
        soft_gap: ‖w_u^λ − w_r^λ‖ with soft labels, tanh(½ ·) or softmax of Φ_F w_r.
        hard_gap: the same with hard labels, their arg max.
    """

    loss: str
    decay: float
    travelled: float
    doing_nothing: float
    soft_gap: float
    hard_gap: float


def fine_tune_convex(problem: UnlearningProblem, decay: float | None = None) -> _ConvexGaps:
    """Pretrain, retrain, relabel and fine-tune by a convex loss with ½λ‖w − w₀‖², each to its minimum.

    Targets of one output become soft labels tanh(y/2), those of several softmax(y): the claim holds for any. Each
    minimum is found by Nesterov's method for strongly convex functions, on coefficients of the feature rows.

    Args:
        problem: the problem.
        decay: λ; None is ‖K‖_∞, with which two dozen steps give all digits.

    Returns:
        The gaps.

    Raises:
        BadInputError: no problem.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> problem = UnlearningProblem(rng.standard_normal((6, 9)), rng.standard_normal((6, 3)), [1, 4])
        >>> gaps = fine_tune_convex(problem)
        >>> gaps.soft_gap < 1e-12 * gaps.doing_nothing < gaps.hard_gap
        True
    """
    require_problem(problem)
    model = float_model(problem)
    loss = LOSSES["logistic" if problem.n_outputs == 1 else "cross-entropy"]
    features = np.asarray(problem.features)
    if features.dtype == object:
        features = features.astype(np.float64)
    shape = (problem.n_features, problem.n_outputs)
    start = (
        np.zeros(shape)
        if problem.w_init is None
        else np.asarray(problem.w_init, dtype=np.float64).reshape(shape)
    )
    space = _Dual(model.gram_in_order) if model.is_dual else _Primal(features)
    targets = loss.labels(np.asarray(problem.targets, dtype=np.float64).reshape(problem.n_samples, -1))
    at_start = image_of(features, start)
    strength = space.bound if decay is None else decay
    strength = strength or 1.0
    everything, keep = np.arange(problem.n_samples), problem.retain
    origin = space.zeros(problem.n_outputs)
    pretrained = _minimum(space, loss, targets, at_start, everything, strength, origin)
    retrained = _minimum(space, loss, targets, at_start, keep, strength, origin)
    z = (at_start + space.outputs(retrained))[problem.forget]
    gaps = []
    for labels in (loss.labels(z), _hard(z)):
        relabelled = targets.copy()
        relabelled[problem.forget] = labels
        tuned = _minimum(space, loss, relabelled, at_start, everything, strength, pretrained)
        gaps.append(space.norm(tuned - retrained))
    return _ConvexGaps(
        loss.name,
        float(strength),
        space.norm(pretrained),
        space.norm(pretrained - retrained),
        soft_gap=gaps[0],
        hard_gap=gaps[1],
    )


class _Dual:
    """Coefficients a of w = w₀ + Φᵀa."""

    def __init__(self, gram: Array) -> None:
        self.gram = gram
        self.bound = float(np.abs(gram).sum(axis=1).max())

    def zeros(self, outputs: int) -> Array:
        return np.zeros((len(self.gram), outputs))

    def outputs(self, a: Array) -> Array:
        return np.asarray(self.gram @ a)

    def slope(self, derivative: Array) -> Array:
        return derivative

    def norm(self, a: Array) -> float:
        return float(np.sqrt(max(0.0, float(np.sum(a * (self.gram @ a))))))


class _Primal:
    """The step w − w₀ itself, for more samples than features."""

    def __init__(self, features: Array) -> None:
        self.features = features
        square = transposed_image(features, np.asarray(features, dtype=np.float64))
        self.bound = float(np.abs(square).sum(axis=1).max())

    def zeros(self, outputs: int) -> Array:
        return np.zeros((self.features.shape[1], outputs))

    def outputs(self, v: Array) -> Array:
        return image_of(self.features, v)

    def slope(self, derivative: Array) -> Array:
        return transposed_image(self.features, derivative)

    def norm(self, v: Array) -> float:
        return float(np.linalg.norm(v))


def _minimum(
    space: _Dual | _Primal,
    loss: Loss,
    targets: Array,
    at_start: Array,
    rows: Array,
    decay: float,
    start: Array,
) -> Array:
    """The minimiser of Σ_rows ℓ + ½λ‖v‖²."""
    kept = np.zeros((len(targets), 1))
    kept[rows] = 1
    largest = loss.curvature * space.bound + decay
    # Constant momentum suits a strongly convex function (Nesterov 2004, section 2.2).
    ratio = np.sqrt(decay / largest)
    mu = (1 - ratio) / (1 + ratio)
    x, before = start, start
    for _ in range(_MOST_STEPS):
        ahead = x + mu * (x - before)
        derivative = kept * loss.derivative(at_start + space.outputs(ahead), targets)
        x, before = ahead - (space.slope(derivative) + decay * ahead) / largest, x
        if np.abs(x - before).max() <= 1e-15 * np.abs(x).max():
            break
    return x


def _hard(z: Array) -> Array:
    """Sign of one output, arg max of several as a distribution."""
    if z.shape[1] == 1:
        return np.where(z > 0, 1.0, -1.0)
    return np.asarray(np.eye(z.shape[1])[z.argmax(axis=1)])
