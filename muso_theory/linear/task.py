"""What targets mean to whoever set a task: classes or values, of a linear model, a network or its tangent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Array
from ..errors import expected
from .problem import UnlearningProblem

__all__ = ["Task"]


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
            hint = "networks.from_network"
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
