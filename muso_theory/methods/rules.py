"""Labelling rules that the literature uses, and what gap each is expected to leave.

For labels with mean μ and covariance Σ (each output on its own) claim gap-formula gives
E‖w_u − w_r‖² = tr(QΣ) + (μ − ŷ)ᵀQ(μ − ŷ), where ŷ = Φ_F w_r and Q = (K⁺)_FF, which is S⁻¹ when K is invertible.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from ..arguments import checked
from ..arrays import Array
from ..errors import check_integer, expected
from ..linear.closed_forms import float_model
from ..linear.problem import UnlearningProblem
from ..linear.task import Task
from ..networks.problem import NetworkProblem
from ..streams import NETWORK_LABELS, TEACHER

__all__ = [
    "RULES",
    "BadTeacher",
    "HardLabels",
    "LabelRule",
    "MeanLabel",
    "OriginalLabels",
    "RandomLabels",
    "ZeroLabels",
    "block_trace",
    "forget_inverse",
]


class LabelRule(ABC):
    """A way to choose labels for the forget samples: call it with a problem of a linear model or of a network."""

    name: str

    def __post_init__(self) -> None:
        """Refuse a seed that is none; a subclass with settings of its own calls this as well."""
        if hasattr(self, "seed"):
            check_integer("seed", self.seed)

    @checked
    def __call__(self, problem: UnlearningProblem | NetworkProblem) -> Array:
        """Labels in the order of ``problem.forget``, shape (n_F,) or (n_F, C); of a network (n_F, k)."""
        task = problem.task if isinstance(problem, NetworkProblem) else Task.of(problem)
        LabelRule.__post_init__(self)  # a class of a user's own may have overridden it
        labels = self.choose(problem, task) - task.offset
        return labels.reshape(len(problem.forget), *problem.targets.shape[1:])

    @abstractmethod
    def choose(self, problem: UnlearningProblem | NetworkProblem, task: Task) -> Array:
        """Labels in the terms of the task, shape (m, C), one row a sample to forget."""

    @checked
    def expected_square_gap(self, problem: UnlearningProblem) -> float:
        """E‖w_u − w_r‖² over the rule's randomness; a deterministic rule's own squared gap.

        Args:
            problem: the problem.

        Returns:
            The expectation, in float64.
        """
        mean, spread = self._moments(problem)
        model = float_model(problem)
        fixed = float(model.square_gap(mean.reshape(len(problem.forget), -1) - model.optimal_labels).upper)
        return fixed + spread

    def _moments(self, problem: UnlearningProblem) -> tuple[Array, float]:
        """Mean label, and the sum over outputs of tr(QΣ)."""
        return self(problem), 0.0


@dataclass(frozen=True)
class OriginalLabels(LabelRule):
    """The data's own labels: no unlearning; its gap is ‖w_p − w_r‖."""

    name = "original-labels"

    def choose(self, problem: UnlearningProblem | NetworkProblem, task: Task) -> Array:
        """The targets of the forget samples."""
        return np.asarray(task.targets[task.forget])


@checked
@dataclass(frozen=True)
class RandomLabels(LabelRule):
    """Uniformly random among the distinct target rows of the data but the sample's own ("amnesiac" unlearning).

    The rule, which trains nothing; the method that trains on its labels is `methods.RandomRelabelling`. Graves,
    Nagisetty, Ganesh 2021 (arXiv 2010.10981) replace labels by randomly selected *incorrect* ones. Targets that
    are all alike leave nothing to choose and are refused with BadInputError.

    Args:
        seed: seed of the draw.
    """

    seed: int = 0
    name = "random-labels"

    def choose(self, problem: UnlearningProblem | NetworkProblem, task: Task) -> Array:
        """Other targets, drawn."""
        values, own = task.classes()
        if isinstance(problem, NetworkProblem):
            task.two_values()  # regression has no classes
            # The seed itself orders batches elsewhere; the draw is independent of them.
            step = -np.random.default_rng((self.seed, NETWORK_LABELS)).integers(1, len(values), size=len(own))
        else:
            step = np.random.default_rng(self.seed).integers(1, len(values), size=len(own))
        return np.asarray(values[(own + step) % len(values)])

    def distribution(self, problem: UnlearningProblem) -> tuple[Array, Array]:
        """Mean of the labels, and their covariance in blocks: two rows of the problem vary together within one sample.

        Args:
            problem: the problem.

        Returns:
            Means, shape (n_F, C), and covariances, shape (C, n_F/b, b, b), where b is 1, and for the tangent of a
            network the number of its outputs.
        """
        task = Task.of(problem)
        values, own = task.classes()
        centre, others = values.mean(axis=0), len(values) - 1
        values = values - centre  # their sum is zero now
        mean = -values[own] / others
        square = values.T @ values
        covariance = (square - values[own][:, :, None] * values[own][:, None, :]) / others
        covariance -= mean[:, :, None] * mean[:, None, :]
        columns = (mean + centre - task.offset).reshape(len(problem.forget), -1)
        if problem.tangent is not None:
            return columns, covariance[None]
        return columns, np.moveaxis(np.diagonal(covariance, axis1=1, axis2=2), 1, 0)[:, :, None, None]

    def _moments(self, problem: UnlearningProblem) -> tuple[Array, float]:
        mean, blocks = self.distribution(problem)
        inverse = forget_inverse(problem)
        return mean, sum(block_trace(inverse, column) for column in blocks)


@checked
@dataclass(frozen=True)
class BadTeacher(LabelRule):
    """Predictions Φ_F w_b of a random model w_b ~ N(0, scale² I) on the forget samples.

    The rule, which trains nothing; the method that distils from the teacher is `methods.BadTeaching`. The teacher has
    its own random parameters, not w₀; w₀ enters the expected gap through ŷ = Φ_F w_r only. For the
    tangent of a network the teacher is the tangent at θ₀ + w_b, for a network itself an untrained one.

    Args:
        seed: seed of the teacher.
        scale: standard deviation of a linear teacher's parameters.
    """

    seed: int = 0
    scale: float = 1.0
    name = "bad-teacher"

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        super().__post_init__()
        if not 0 <= self.scale < np.inf:
            raise expected("a number ≥ 0", "scale", self.scale, type(self.scale).__name__, "1.0")

    def choose(self, problem: UnlearningProblem | NetworkProblem, task: Task) -> Array:
        """The teacher's outputs."""
        if isinstance(problem, NetworkProblem):
            random = problem.net.init(np.random.default_rng((self.seed, TEACHER)))
            return problem.outputs([a.astype(problem.X.dtype) for a in random], problem.forget)
        rng = np.random.default_rng(self.seed)
        teacher = self.scale * rng.standard_normal((problem.n_features, *problem.targets.shape[1:]))
        model = float_model(problem)
        return task.lifted(model.image(model.forget, teacher.reshape(problem.n_features, -1)))

    def _moments(self, problem: UnlearningProblem) -> tuple[Array, float]:
        model = float_model(problem)
        return np.zeros(model.optimal_labels.shape), self.spread(problem)

    def spread(self, problem: UnlearningProblem) -> float:
        """E‖Φ⁺(0; Φ_F w_b)‖² = scale² C tr(QK_FF).

        Args:
            problem: the problem.

        Returns:
            The part of the expected squared gap that the teacher's randomness makes.
        """
        k = float_model(problem).gram_block(float_model(problem).forget)
        return self.scale**2 * problem.n_outputs * float(np.sum(forget_inverse(problem) * k))


@dataclass(frozen=True)
class ZeroLabels(LabelRule):
    """All labels zero."""

    name = "zero-labels"

    def choose(self, problem: UnlearningProblem | NetworkProblem, task: Task) -> Array:
        """Zeros."""
        return np.zeros(task.offset.shape)


@dataclass(frozen=True)
class MeanLabel(LabelRule):
    """The mean target of the retained samples."""

    name = "retain-mean"

    def choose(self, problem: UnlearningProblem | NetworkProblem, task: Task) -> Array:
        """The mean, once a sample."""
        return np.broadcast_to(task.retained.mean(axis=0), task.offset.shape)


@dataclass(frozen=True)
class HardLabels(LabelRule):
    """The retrained model's prediction rounded to a class: sign for one output, arg max for several.

    One output needs two distinct target values (the nearer is taken: the sign, for ±1); several outputs need targets
    with one largest entry a row, whose high and low values are reused.
    """

    name = "hard-labels"

    def choose(self, problem: UnlearningProblem | NetworkProblem, task: Task) -> Array:
        """The classes that the optimal labels are nearest to."""
        if isinstance(problem, NetworkProblem):
            return task.hardened(problem.outputs(problem.retrain(), problem.forget))
        return task.hardened(task.lifted(float_model(problem).optimal_labels))


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
    model = float_model(problem)
    unit = np.zeros((problem.n_samples, len(problem.forget)))
    unit[len(problem.retain) :] = np.eye(len(problem.forget))
    if model.is_dual:
        return np.asarray(model.factor(model.everything).solve(unit)[len(problem.retain) :])
    # Φ(ΦᵀΦ)⁺(ΦᵀΦ)⁺Φᵀ = (ΦΦᵀ)⁺, here for the forget rows only.
    forget = np.asarray(problem.features[problem.forget], dtype=np.float64)
    half = model.factor(model.everything).solve(forget.T)
    return np.asarray(half.T @ half)


def block_trace(q: Array, blocks: Array) -> float:
    """tr(QΣ) for a block diagonal Σ.

    Args:
        q: Q, shape (mb, mb), symmetric.
        blocks: of Σ, shape (m, b, b).

    Returns:
        The trace.

    Example:
        >>> block_trace(np.eye(4), np.array([[[1.0, 9.0], [9.0, 2.0]], [[3.0, 9.0], [9.0, 4.0]]]))
        10.0
    """
    m, b, _ = blocks.shape
    own = q.reshape(m, b, m, b)[np.arange(m), :, np.arange(m)]
    return float(np.sum(own * blocks))
