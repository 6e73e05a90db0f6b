"""Labelling rules that the literature uses, and what gap each is expected to leave.

For labels with mean μ and covariance Σ (each output on its own) claim gap-formula gives
E‖w_u − w_r‖² = tr(QΣ) + (μ − ŷ)ᵀQ(μ − ŷ), where ŷ = Φ_F w_r and Q = (K⁺)_FF, which is S⁻¹ when K is invertible.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from ..errors import expected
from .problem import Array, UnlearningProblem

__all__ = [
    "RULES",
    "BadTeacher",
    "HardLabels",
    "LabelRule",
    "MeanLabel",
    "OriginalLabels",
    "RandomLabels",
    "ZeroLabels",
]


class LabelRule(ABC):
    """A way to choose labels for the forget samples: call it with a problem."""

    name: str

    @abstractmethod
    def __call__(self, problem: UnlearningProblem) -> Array:
        """Labels in the order of ``problem.forget``, shape (n_F,) or (n_F, C)."""

    def expected_square_gap(self, problem: UnlearningProblem) -> float:
        """E‖w_u − w_r‖² over the rule's randomness; a deterministic rule's own squared gap.

        Args:
            problem: the problem.

        Returns:
            The expectation, in float64.
        """
        mean, spread = self._moments(problem)
        model = problem.float_model
        fixed = float(model.square_gap(mean.reshape(len(problem.forget), -1) - model.optimal_labels).upper)
        return fixed + spread

    def _moments(self, problem: UnlearningProblem) -> tuple[Array, float]:
        """Mean label, and the sum over outputs of tr(QΣ)."""
        return self(problem), 0.0


@dataclass(frozen=True)
class OriginalLabels(LabelRule):
    """The data's own labels: no unlearning; its gap is ‖w_p − w_r‖."""

    name = "original"

    def __call__(self, problem: UnlearningProblem) -> Array:
        """Labels of the forget samples."""
        return np.asarray(problem.targets[problem.forget], dtype=np.float64)


@dataclass(frozen=True)
class RandomLabels(LabelRule):
    """Uniformly random among the distinct target rows of the data ("amnesiac" unlearning).

    Args:
        seed: seed of the draw.
    """

    seed: int = 0
    name = "random"

    def __call__(self, problem: UnlearningProblem) -> Array:
        """Labels of the forget samples."""
        values = self._values(problem)
        return np.asarray(
            values[np.random.default_rng(self.seed).integers(len(values), size=len(problem.forget))]
        )

    def distribution(self, problem: UnlearningProblem) -> tuple[Array, Array]:
        """Mean and variance of one label.

        Args:
            problem: the problem.

        Returns:
            Two arrays of shape (C,).
        """
        values = self._values(problem).reshape(-1, problem.n_outputs)
        return values.mean(axis=0), values.var(axis=0)

    @staticmethod
    def _values(problem: UnlearningProblem) -> Array:
        return np.unique(np.asarray(problem.targets, dtype=np.float64), axis=0)

    def _moments(self, problem: UnlearningProblem) -> tuple[Array, float]:
        mean, variance = self.distribution(problem)
        labels = np.broadcast_to(mean, (len(problem.forget), problem.n_outputs))
        return labels, float(variance.sum() * np.trace(forget_inverse(problem)))


@dataclass(frozen=True)
class BadTeacher(LabelRule):
    """Predictions Φ_F w_b of a random model w_b ~ N(0, scale² I) on the forget samples.

    The teacher has its own random parameters, not w₀; w₀ enters the expected gap through ŷ = Φ_F w_r only.

    Args:
        seed: seed of the teacher.
        scale: standard deviation of its parameters.
    """

    seed: int = 0
    scale: float = 1.0
    name = "bad-teacher"

    def __call__(self, problem: UnlearningProblem) -> Array:
        """Labels of the forget samples."""
        rng = np.random.default_rng(self.seed)
        teacher = self.scale * rng.standard_normal((problem.n_features, *problem.targets.shape[1:]))
        model = problem.float_model
        return problem.shaped(model.image(model.forget, teacher.reshape(problem.n_features, -1)))

    def _moments(self, problem: UnlearningProblem) -> tuple[Array, float]:
        model = problem.float_model
        k = model.gram_block(model.forget)
        spread = self.scale**2 * problem.n_outputs * float(np.sum(forget_inverse(problem) * k))
        return np.zeros(model.optimal_labels.shape), spread


@dataclass(frozen=True)
class ZeroLabels(LabelRule):
    """All labels zero."""

    name = "zero"

    def __call__(self, problem: UnlearningProblem) -> Array:
        """Labels of the forget samples."""
        return np.zeros((len(problem.forget), *problem.targets.shape[1:]))


@dataclass(frozen=True)
class MeanLabel(LabelRule):
    """The mean target of the retained samples."""

    name = "retain-mean"

    def __call__(self, problem: UnlearningProblem) -> Array:
        """Labels of the forget samples."""
        mean = np.asarray(problem.targets[problem.retain], dtype=np.float64).mean(axis=0)
        return np.broadcast_to(mean, (len(problem.forget), *problem.targets.shape[1:])).copy()


@dataclass(frozen=True)
class HardLabels(LabelRule):
    """The optimal label rounded to a class: sign for one output, arg max for several.

    One output needs two distinct target values (the nearer is taken: the sign, for ±1); several outputs need targets
    with one largest entry a row, whose high and low values are reused.
    """

    name = "hard"

    def __call__(self, problem: UnlearningProblem) -> Array:
        """Labels of the forget samples."""
        soft = problem.float_model.optimal_labels
        values = np.unique(np.asarray(problem.targets, dtype=np.float64))
        if len(values) != 2:
            raise expected(
                "class targets with two distinct values",
                "targets",
                f"{len(values)} distinct values",
                "regression",
                "±1 or one-hot targets",
            )
        low, high = values
        if problem.n_outputs == 1:
            return problem.shaped(np.where(soft >= (low + high) / 2, high, low))
        hard = np.full(soft.shape, low)
        hard[np.arange(len(soft)), soft.argmax(axis=1)] = high
        return hard


RULES: dict[str, type[LabelRule]] = {
    rule.name: rule for rule in (OriginalLabels, RandomLabels, BadTeacher, ZeroLabels, HardLabels, MeanLabel)
}


def forget_inverse(problem: UnlearningProblem) -> Array:
    """Q = (K⁺)_FF, shape (n_F, n_F): the matrix of every gap, S⁻¹ when K is invertible.

    Args:
        problem: the problem.

    Returns:
        Q in float64.

    Example:
        >>> problem = UnlearningProblem(np.array([[1.0, 0, 1], [1, 1, 0]]), np.array([1.0, 2.0]), [1])
        >>> forget_inverse(problem).round(12)
        array([[0.66666667]])
    """
    model = problem.float_model
    unit = np.zeros((problem.n_samples, len(problem.forget)))
    unit[len(problem.retain) :] = np.eye(len(problem.forget))
    if model.is_dual:
        return np.asarray(model.factor(model.everything).solve(unit)[len(problem.retain) :])
    # Φ(ΦᵀΦ)⁺(ΦᵀΦ)⁺Φᵀ = (ΦΦᵀ)⁺, here for the forget rows only.
    forget = np.asarray(problem.features[problem.forget], dtype=np.float64)
    half = model.factor(model.everything).solve(forget.T)
    return np.asarray(half.T @ half)
