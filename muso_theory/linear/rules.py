"""Labelling rules that the literature uses, and what gap each is expected to leave.

For labels with mean μ and covariance Σ (each output on its own) claim gap-formula gives
E‖w_u − w_r‖² = tr(QΣ) + (μ − ŷ)ᵀQ(μ − ŷ), where ŷ = Φ_F w_r and Q = (K⁺)_FF, which is S⁻¹ when K is invertible.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from ..arguments import checked
from ..errors import expected
from .problem import Array, UnlearningProblem, require_problem

__all__ = [
    "RULES",
    "BadTeacher",
    "HardLabels",
    "LabelRule",
    "MeanLabel",
    "OriginalLabels",
    "RandomLabels",
    "Task",
    "ZeroLabels",
    "block_trace",
    "forget_inverse",
]


@dataclass(frozen=True, eq=False)
class Task:
    """What labels mean to whoever set the task: classes or values, before a network's outputs at θ₀ are taken off.

    The tangent of a network (claim linearised-network) has the targets y − f(x; θ₀), one row a sample and output, among
    which no two are a class. Rules choose among y, and their labels are mapped.

    Args:
        targets: y, shape (n, C).
        forget: indices of the samples to forget, shape (m,).
        offset: f(x; θ₀) of these, shape (m, C); zero for a linear model.
    """

    targets: Array
    forget: Array
    offset: Array

    @classmethod
    def of(cls, problem: UnlearningProblem) -> Task:
        """The task behind a problem.

        Args:
            problem: the problem.

        Returns:
            Its own targets, or for the tangent of a network those of the network's task.

        Raises:
            BadInputError: a tangent of which some outputs of a sample are to be forgotten and others not.
        """
        linear = problem.tangent
        if linear is None:
            y = np.asarray(problem.targets, dtype=np.float64).reshape(problem.n_samples, -1)
            return cls(y, problem.forget, np.zeros((len(problem.forget), y.shape[1])))
        n, k = linear.outputs.shape
        samples = np.unique(problem.forget // k)
        if not np.array_equal(linear.rows(samples), problem.forget):
            hint = "UnlearningProblem.from_network"
            raise expected(f"all {k} outputs of a sample to forget", "forget", problem.forget, "rows", hint)
        wanted = linear.wanted
        if wanted is None:
            wanted = np.asarray(problem.targets, dtype=np.float64).reshape(n, k) + linear.outputs
        return cls(wanted, samples, np.asarray(linear.outputs[samples], dtype=np.float64))

    @property
    def retained(self) -> Array:
        """y_R, shape (n − m, C)."""
        return np.delete(self.targets, self.forget, axis=0)

    def lifted(self, labels: Array) -> Array:
        """Labels of the problem's forget rows in the terms of the task, shape (m, C)."""
        return np.asarray(labels, dtype=np.float64).reshape(self.offset.shape) + self.offset

    def lowered(self, problem: UnlearningProblem, labels: Array) -> Array:
        """Labels of the task, shape (m, C), as labels of the problem."""
        return (labels - self.offset).reshape(len(problem.forget), *problem.targets.shape[1:])

    def two_values(self) -> tuple[float, float]:
        """The low and the high target of a classification.

        Returns:
            Both.

        Raises:
            BadInputError: targets of more or fewer distinct values.
        """
        values = np.unique(self.targets)
        if len(values) != 2:
            what, got = "class targets with two distinct values", f"{len(values)} distinct values"
            raise expected(what, "targets", got, "regression", "±1 or one-hot targets")
        return float(values[0]), float(values[1])

    def classes(self) -> tuple[Array, Array]:
        """Distinct target rows, and which of them each forget sample has.

        Returns:
            Shapes (c, C) and (m,).

        Raises:
            BadInputError: targets that are all alike.
        """
        values, which = np.unique(self.targets, axis=0, return_inverse=True)
        if len(values) < 2:
            raise expected("at least two distinct targets", "targets", values, "one class", "another rule")
        return values, which.reshape(-1)[self.forget]

    def hardened(self, soft: Array) -> Array:
        """Labels rounded to a class: the nearer value of one output, the largest of several.

        Args:
            soft: labels in the terms of the task, shape (m, C).

        Returns:
            Shape (m, C), of the low and the high target.

        Raises:
            BadInputError: targets of more or fewer than two distinct values.
        """
        low, high = self.two_values()
        if soft.shape[1] == 1:
            return np.where(soft >= (low + high) / 2, high, low)
        hard = np.full(soft.shape, low)
        hard[np.arange(len(soft)), soft.argmax(axis=1)] = high
        return hard


class LabelRule(ABC):
    """A way to choose labels for the forget samples: call it with a problem."""

    name: str

    def __call__(self, problem: UnlearningProblem) -> Array:
        """Labels in the order of ``problem.forget``, shape (n_F,) or (n_F, C)."""
        require_problem(problem)
        task = Task.of(problem)
        return task.lowered(problem, self.choose(problem, task))

    @abstractmethod
    def choose(self, problem: UnlearningProblem, task: Task) -> Array:
        """Labels in the terms of the task, shape (m, C), one row a sample to forget."""

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

    def choose(self, problem: UnlearningProblem, task: Task) -> Array:
        """The targets of the forget samples."""
        return np.asarray(task.targets[task.forget])


@checked
@dataclass(frozen=True)
class RandomLabels(LabelRule):
    """Uniformly random among the distinct target rows of the data but the sample's own ("amnesiac" unlearning).

    Graves, Nagisetty, Ganesh 2021 (arXiv 2010.10981) replace labels by randomly selected *incorrect* ones. Targets that
    are all alike leave nothing to choose and are refused with BadInputError.

    Args:
        seed: seed of the draw.
    """

    seed: int = 0
    name = "random"

    def choose(self, problem: UnlearningProblem, task: Task) -> Array:
        """Other targets, drawn."""
        values, own = task.classes()
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
        columns = task.lowered(problem, mean + centre).reshape(len(problem.forget), -1)
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

    The teacher has its own random parameters, not w₀; w₀ enters the expected gap through ŷ = Φ_F w_r only. For the
    tangent of a network the teacher is the tangent at θ₀ + w_b.

    Args:
        seed: seed of the teacher.
        scale: standard deviation of its parameters.
    """

    seed: int = 0
    scale: float = 1.0
    name = "bad-teacher"

    def choose(self, problem: UnlearningProblem, task: Task) -> Array:
        """The teacher's outputs."""
        rng = np.random.default_rng(self.seed)
        teacher = self.scale * rng.standard_normal((problem.n_features, *problem.targets.shape[1:]))
        model = problem.float_model
        return task.lifted(model.image(model.forget, teacher.reshape(problem.n_features, -1)))

    def _moments(self, problem: UnlearningProblem) -> tuple[Array, float]:
        model = problem.float_model
        return np.zeros(model.optimal_labels.shape), self.spread(problem)

    def spread(self, problem: UnlearningProblem) -> float:
        """E‖Φ⁺(0; Φ_F w_b)‖² = scale² C tr(QK_FF).

        Args:
            problem: the problem.

        Returns:
            The part of the expected squared gap that the teacher's randomness makes.
        """
        k = problem.float_model.gram_block(problem.float_model.forget)
        return self.scale**2 * problem.n_outputs * float(np.sum(forget_inverse(problem) * k))


@dataclass(frozen=True)
class ZeroLabels(LabelRule):
    """All labels zero."""

    name = "zero"

    def choose(self, problem: UnlearningProblem, task: Task) -> Array:
        """Zeros."""
        return np.zeros(task.offset.shape)


@dataclass(frozen=True)
class MeanLabel(LabelRule):
    """The mean target of the retained samples."""

    name = "retain-mean"

    def choose(self, problem: UnlearningProblem, task: Task) -> Array:
        """The mean, once a sample."""
        return np.broadcast_to(task.retained.mean(axis=0), task.offset.shape)


@dataclass(frozen=True)
class HardLabels(LabelRule):
    """The optimal label rounded to a class: sign for one output, arg max for several.

    One output needs two distinct target values (the nearer is taken: the sign, for ±1); several outputs need targets
    with one largest entry a row, whose high and low values are reused.
    """

    name = "hard"

    def choose(self, problem: UnlearningProblem, task: Task) -> Array:
        """The classes that the optimal labels are nearest to."""
        return task.hardened(task.lifted(problem.float_model.optimal_labels))


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
