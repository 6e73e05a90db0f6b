"""The order in which a pass visits the samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from ..problem import Array
from .schedules import ResolvedSteps

__all__ = ["Passes"]


@final
@dataclass(eq=False)
class Passes:
    """Passes over n samples, batch by batch; the same seed gives the same passes.

    Args:
        n: number of samples.
        batch: samples a step.
        kind: ``full``, ``cyclic``, ``shuffled`` or ``replacement``.
        steps: the step sizes.
        seed: of the random orders.
    """

    n: int
    batch: int
    kind: str
    steps: ResolvedSteps
    seed: int

    def __post_init__(self) -> None:
        """Start the stream of random orders."""
        self._rng = np.random.default_rng(self.seed)
        self._count = 0

    @property
    def is_fixed(self) -> bool:
        """Whether every pass is the same, order and steps."""
        return self.kind in ("full", "cyclic") and self.steps.constant(self.n) is not None

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
