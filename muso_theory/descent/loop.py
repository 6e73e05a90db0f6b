"""The loop of every training: passes over samples, a divergence that is noticed, and when to stop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable

import numpy as np

from ..arrays import Array
from ..errors import BadInputError
from ..former import former
from .hyper import Hyper
from .passes import Batch, Passes
from .updates import Optimizer, State

__all__ = ["DivergedError", "Engine", "Loop", "growth_guard", "length", "run"]
former(__name__)

_GROWTH = 1e12
"""No stable run lets the residual grow so much; float64 still has 290 decades left."""

_TINY = 1e-150
"""Below it squares lose their digits in float64."""


class Engine(ABC):
    """A training under way: one that visits samples, or one that knows many passes in closed form."""

    epochs = 0
    """Passes done."""

    steps = 0
    """Updates done."""

    @abstractmethod
    def advance(self, passes: int) -> None:
        """Do so many passes."""


class Loop(Engine):
    """Step by step: any optimizer on any list of arrays, of which a model says the gradient.

    Args:
        optimizer: whose update rule is taken; when samples are visited, ``passes`` says.
        hyper: its constants.
        start: the arrays at the start; never written to.
        passes: orders of visits and step sizes.

    Example:
        >>> from .schedules import step_sizes_of
        >>> from .updates import OPTIMIZERS
        >>> class Parabola(Loop):
        ...     def gradient(self, place, rows, rates):
        ...         return [rates[0] * x for x in place]
        >>> passes = Passes(1, "full", step_sizes_of(0.5, n=1, batch=1, restart=True))
        >>> loop = Parabola(OPTIMIZERS["gd"], Hyper(), [np.ones(1)], passes)
        >>> loop.advance(3)
        >>> loop.state, loop.steps
        ([array([0.125])], 3)
    """

    def __init__(self, optimizer: Optimizer, hyper: Hyper, start: State, passes: Passes) -> None:
        self.optimizer, self.update = optimizer, optimizer.update(hyper, start)
        self.state, self.passes = start, passes

    @abstractmethod
    def gradient(self, place: State, rows: Batch, rates: Array) -> State:
        """What the rule's step takes.

        Args:
            place: where the gradient is taken; ``state`` is where the iterate is.
            rows: the samples of the batch.
            rates: γ of each.
        """

    def step(self, gradient: State, rates: Array) -> State:
        """The next state; what acts beside the rule is added here."""
        return self.update.step(self.state, gradient, float(rates[0]))

    def advance(self, passes: int) -> None:
        """Do so many passes, batch by batch."""
        for _ in range(passes):
            visits = self.passes.visits()
            with np.errstate(over="ignore", invalid="ignore"):  # divergence is noticed, not warned of
                for rows, rates in visits:
                    place = self.update.lookahead(self.state)
                    self.state = self.step(self.gradient(place, rows, rates), rates)
                    self.steps += 1
            self.epochs += 1


def run(engine: Engine, epochs: Iterable[int], watch: Callable[[], bool]) -> bool:
    """Advance from one epoch to the next, until it is the last or the watch says stop.

    Args:
        engine: what is trained.
        epochs: ascending numbers of passes, after each of which is watched; 0 is the start.
        watch: looks at the engine, and returns whether it is enough.

    Returns:
        Whether the watch ended it.
    """
    for epoch in epochs:
        if epoch > engine.epochs:
            engine.advance(epoch - engine.epochs)
        if watch():
            return True
    return False


class DivergedError(BadInputError):
    """Training that left the finite numbers or every stable run's, or that is no better than a broken model."""


def growth_guard(first: Array, targets: Array) -> Callable[[Array, int], None]:
    """A check that notices an explosion long before overflow.

    Args:
        first: ∂ℓ/∂z at the start.
        targets: which set the scale where that is small.

    Returns:
        Called with ∂ℓ/∂z and the number of the pass, it raises DivergedError where an entry is beyond every stable
        run's, or not a number.

    Example:
        >>> check = growth_guard(np.ones(1), np.ones(1))
        >>> check(np.array([1e11]), 3)
        >>> check(np.array([1e13]), 4)
        Traceback (most recent call last):
        muso_theory.descent.loop.DivergedError: the residual grew 1e12-fold by epoch 4
    """
    size = max(length(first), length(targets))
    limit = _GROWTH * size if size > _TINY else 0.0

    def check(derivative: Array, epoch: int) -> None:
        nonlocal limit
        size = float(np.abs(derivative).max(initial=0.0))
        if not limit and np.isfinite(size):
            # Nothing to grow from yet: zero targets at a zero start, which decay to an anchor elsewhere moves.
            limit = _GROWTH * size
        if not size <= limit:
            raise DivergedError(f"the residual grew 1e12-fold by epoch {epoch}")

    return check


def length(values: Array) -> float:
    """Frobenius norm, also where the squares are beyond float64, or below it.

    Args:
        values: any shape.

    Returns:
        The norm; infinite or NaN where the values or the norm itself are.

    Example:
        >>> length(np.array([3.0, 4.0])), length(2.0**600 * np.array([3.0, 4.0])) == 5 * 2.0**600
        (5.0, True)
    """
    with np.errstate(over="ignore", invalid="ignore"):
        size = float(np.linalg.norm(values))
        largest = float(np.abs(values).max(initial=0.0))
        if 0 < largest < np.inf and not _TINY < size < np.inf:
            return largest * float(np.linalg.norm(values / largest))
    return size
