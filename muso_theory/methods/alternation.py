"""What the algorithms share that relabel and fine-tune a network in turn: checks, rounds, and what is watched."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..arrays import Array
from ..descent.losses import LossName, targets_for
from ..errors import check_integer, expected
from ..linear.approximation import centred_alignment
from ..networks.problem import NetworkProblem, softmax
from ..networks.tangent_kernel import empirical_ntk
from ..networks.training import DivergedError, NetworkLoop, diverged
from .head import HeadCondition
from .monitors import AlternatingResult, Convergence, Epoch

__all__ = ["Rounds", "annealed", "check_annealing", "reached"]


def annealed(ends: tuple[float, float], t: int, epochs: int) -> float:
    """ε along a cosine, first + (last − first)(1 − cos πt/(T − 1))/2, and the first one before t = 0.

    Example:
        >>> [annealed((0.0, 1.0), t, 3) for t in (-1, 0, 2)]
        [0.0, 0.0, 1.0]
    """
    first, last = ends
    return first + (last - first) * (1 - math.cos(math.pi * max(0, t) / max(1, epochs - 1))) / 2


def check_annealing(ridge: tuple[float, float], lag: int, *, inverted: bool) -> None:
    """Refuse what are no ridges of the first and the last epoch, and no lag; an inverse needs them positive."""
    check_integer("ridge_lag", lag)
    if len(ridge) != 2 or not all(0 <= each < np.inf and (each > 0 or not inverted) for each in ridge):
        what = "two positive ridges" if inverted else "two nonnegative ridges"
        raise expected(what, "ridge", ridge, "out of range", "(1e-6, 1e-2)")


def reached(result: AlternatingResult, rate: float) -> list[Array]:
    """θ_u of an alternation; one that diverged is refused.

    Raises:
        DivergedError: it did.
    """
    if result.convergence is Convergence.DIVERGED:
        raise diverged(rate, f"alternation diverged in epoch {len(result.history) + 1}")
    return result.params


class Rounds(ABC):
    """Rounds of labels and training under way.

    A subclass sets ``loop``, whose targets are ``targets``, and ``labels``, ŷ_F before the first round. When it
    relabels, it sets ``rows``, how many retained samples are behind the labels, and in the first round ``first``, ŷ_F
    before any softmax or rounding.

    Args:
        problem: what to forget.
        loss: of fine-tuning.
        hard: whether labels are classes.
        watched: samples on which the tangent kernel is compared with its start; none at all for none.
    """

    loop: NetworkLoop
    labels: Array
    condition: HeadCondition | None = None
    rows = 0
    head_change: float | None = None

    def __init__(self, problem: NetworkProblem, loss: LossName, hard: bool, watched: Array) -> None:
        if loss == "cross-entropy" and problem.net.n_out < 2:
            hint = "loss='squared'"
            raise expected("at least two outputs for cross-entropy", "n_out", problem.net.n_out, "int", hint)
        self.problem, self.loss, self.hard, self.watched = problem, loss, hard, watched
        self.first = np.zeros((len(problem.forget), problem.net.n_out))
        self.targets = problem.targets.copy()
        targets_for(self.targets, self.targets, loss)  # refuses what is no target of this loss

    @abstractmethod
    def relabel(self, epoch: int, ridge: float) -> None:
        """Before an epoch: form what labels are made from, and those of the whole epoch."""

    @property
    def params(self) -> list[Array]:
        """θ_t."""
        return self.loop.state

    def fitted(self, outputs: Array) -> Array:
        """Targets of fine-tuning on F."""
        if self.hard:
            return self.problem.task.hardened(outputs)
        return softmax(outputs) if self.loss == "cross-entropy" else outputs

    def go(self, epochs: int, ridge_at: Callable[[int], float], tolerance: float = 1e-2) -> AlternatingResult:
        """All rounds; below the tolerance a change of labels and of parameters counts as settled."""
        problem, history = self.problem, list[Epoch]()
        travelled = problem.distance(problem.pretrained, problem.start)
        kernel = self._kernel(list(problem.start))
        convergence = Convergence.UNSETTLED
        for epoch in range(epochs):
            ridge, before, previous = ridge_at(epoch), self.labels, self.params
            with np.errstate(all="ignore"):  # divergence is reported below
                try:
                    self.relabel(epoch, ridge)
                    self.loop.advance(1)
                    finite = all(np.isfinite(array).all() for array in self.params)
                except DivergedError:  # seen between two batches
                    finite = False
            if not finite:
                self.loop.state = previous
            if not finite or problem.is_broken(self.params, self.loss):
                convergence = Convergence.DIVERGED
                break
            history.append(self._watch(ridge, before, previous, travelled, kernel))
        if history and convergence is not Convergence.DIVERGED:
            last = history[-1]
            # Not their maximum, which of a number and NaN may be the number.
            settled = last.label_change < tolerance and last.parameter_change < tolerance
            convergence = Convergence.SETTLED if settled else Convergence.UNSETTLED
        return AlternatingResult(
            self.params, self.labels, self.first, tuple(history), convergence, self.condition
        )

    def _kernel(self, params: list[Array]) -> Array | None:
        if not len(self.watched):
            return None
        return empirical_ntk(self.problem.net, params, self.problem.X[self.watched], contract="trace")

    def _watch(
        self, ridge: float, before: Array, previous: list[Array], travelled: float, start: Array | None
    ) -> Epoch:
        problem, labels = self.problem, self.labels
        targets = problem.targets.copy()
        targets[problem.forget] = labels
        relabelled = replace(problem, targets=targets, recipe=replace(problem.recipe, loss=self.loss))
        kernel = self._kernel(self.params)
        gaps: tuple[float | None, float | None] = (None, None)
        if problem.retrained is not None:
            gaps = problem.relative_gaps(self.params)
        return Epoch(
            ridge,
            float(np.linalg.norm(labels - before) / max(float(np.linalg.norm(before)), 1e-300)),
            problem.distance(self.params, previous) / max(travelled, 1e-300),
            relabelled.mean_loss(self.params, np.arange(len(problem.X))),
            None if kernel is None or start is None else _alignment(kernel, start),
            *gaps,
            rows=self.rows,
            relabelled=_moved(labels, problem.targets[problem.forget]),
            head_change=self.head_change,
        )


def _moved(labels: Array, targets: Array) -> float | None:
    """Share of labels of another class than their target; None of one output, which has no largest."""
    if labels.shape[1] < 2:
        return None
    return float(np.mean(labels.argmax(axis=1) != targets.argmax(axis=1)))


def _alignment(kernel: Array, start: Array) -> float:
    """How far the kernel turned, 0 for a constant one; NaN, a sign as well, when it left the finite numbers."""
    return centred_alignment(kernel, start, constant=0.0) if np.isfinite(kernel).all() else math.nan
