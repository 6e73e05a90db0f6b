"""The order in which a pass visits the samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np

from ..arrays import Array
from ..errors import check_integer, expected
from ..former import former
from .schedules import ResolvedSteps
from .updates import Optimizer

__all__ = ["Batch", "Passes", "batch_of"]
former(__name__)

Batch = slice | Array
"""Some samples: a slice, which is a view of consecutive ones, or their indices."""


@final
@dataclass(eq=False)
class Passes:
    """Passes over n samples, batch by batch; the same seed gives the same passes.

    Args:
        n: number of samples.
        kind: ``full``, ``cyclic``, ``shuffled`` or ``replacement``.
        steps: the step sizes, and samples a step.
        seed: of the random orders.
    """

    n: int
    kind: str
    steps: ResolvedSteps
    seed: int = 0

    def __post_init__(self) -> None:
        """Start the stream of random orders."""
        self._rng = np.random.default_rng(check_integer("seed", self.seed))
        self._count = 0

    @property
    def is_fixed(self) -> bool:
        """Whether every pass is the same, order and steps."""
        return self.kind in ("full", "cyclic") and self.steps.repeats(self.n)

    def next(self) -> tuple[Array, Array]:
        """One pass.

        Returns:
            The samples in order, and γ of every visit; both of shape (n,).
        """
        if self.kind == "shuffled":
            order = self._rng.permutation(self.n)
        elif self.kind == "replacement":
            order = self._rng.integers(self.n, size=self.n)
        else:
            order = np.arange(self.n)
        steps = self.steps.of_pass(self._count, order)
        self._count += 1
        return order, steps

    def visits(self) -> Iterator[tuple[Batch, Array]]:
        """One pass, batch by batch.

        Returns:
            For each batch its samples, and γ of each of them.
        """
        return self._batches(*self.next())

    def _batches(self, order: Array, steps: Array) -> Iterator[tuple[Batch, Array]]:
        size = self.steps.batch
        consecutive = size == 1 or self.kind in ("full", "cyclic")
        for first in range(0, self.n, size):
            visited = order[first : first + size]
            rows = slice(int(visited[0]), int(visited[-1]) + 1) if consecutive else visited
            yield rows, steps[first : first + size]


def batch_of(rule: Optimizer, size: int | None, n: int) -> int:
    """Validate the number of samples a step.

    Args:
        rule: the optimizer.
        size: what was asked for; None is one for SGD and all for the others.
        n: number of samples.

    Returns:
        Samples a step.

    Raises:
        BadInputError: not a whole number from 1 to n, or any for gd.
    """
    if size is None:
        return n if rule.order == "full" else 1
    if rule.name == "gd":
        raise expected("no batch size for gd", "batch_size", size, type(size).__name__, "'shuffled-sgd'")
    size = check_integer("batch_size", size, 1, hint="32")
    if size > n:
        raise expected(f"at most {n} samples a batch", "batch_size", size, "larger than n", f"batch_size={n}")
    return size
