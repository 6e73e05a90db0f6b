"""What the algorithms share that relabel and fine-tune a network in turn: settings, rounds, and what is watched."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from ..arguments import checked
from ..arrays import Array
from ..descent.hyper import Hyper
from ..descent.losses import LossName, targets_for
from ..descent.passes import Batch, Passes
from ..descent.schedules import ResolvedSteps
from ..errors import check_integer, expected
from ..former import former
from ..linear.approximation import centred_alignment
from ..networks.problem import NetworkProblem, softmax
from ..networks.tangent_kernel import empirical_ntk
from ..networks.training import DivergedError, NetworkLoop, check_descent, diverged
from .head import HeadCondition
from .method import Method
from .monitors import AlternatingResult, Convergence, Epoch
from .ranges import require_fraction

__all__ = ["Alternation", "Rounds"]
former(__name__)


class Alternation(Method):
    """A method that relabels the forget samples of a network, fine-tunes it, and again; a subclass has the fields."""

    ridge: tuple[float, float]
    ridge_lag: int
    subset: float
    epochs: int
    optimizer: str
    learning_rate: float
    batch_size: int | None
    weight_decay: float
    seed: int
    momentum: float = Hyper.momentum
    tolerance: float = 1e-2

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        super().__post_init__()
        check_descent(
            self.optimizer, self.epochs, self.learning_rate, self.batch_size, self.seed, self.momentum
        )
        check_integer("ridge_lag", self.ridge_lag)
        ends, inverted = self.ridge, self._inverts()  # ε is positive where it stands in an inverse
        if len(ends) != 2 or not all(0 <= each < np.inf and (each > 0 or not inverted) for each in ends):
            what = "two positive ridges" if inverted else "two nonnegative ridges"
            raise expected(what, "ridge", ends, "out of range", "(1e-6, 1e-2)")
        require_fraction("subset", self.subset, "0.2")

    def _inverts(self) -> bool:
        """Whether ε stands in an inverse."""
        return True

    @checked
    def ridge_at(self, epoch: int) -> float:
        """ε of an epoch, counted from 0.

        Args:
            epoch: which.

        Returns:
            first + (last − first)(1 − cos πt/(T − 1))/2 at t = epoch − lag, and the first before t = 0.
        """
        (first, last), t = self.ridge, max(0, epoch - self.ridge_lag)
        return first + (last - first) * (1 - math.cos(math.pi * t / max(1, self.epochs - 1))) / 2

    def on_network(self, problem: NetworkProblem) -> list[Array]:
        """θ_u; a run that diverged is refused."""
        return self.reached(self.run(problem))

    @checked
    def reached(self, result: AlternatingResult) -> list[Array]:
        """Parameters at the end of a run.

        Args:
            result: the run.

        Returns:
            θ_u.

        Raises:
            DivergedError: it diverged.
        """
        if result.convergence is Convergence.DIVERGED:
            raise diverged(self.learning_rate, f"alternation diverged in epoch {len(result.history) + 1}")
        return result.params

    @checked
    def run(self, problem: NetworkProblem) -> AlternatingResult:
        """Unlearn, and tell what was done in every epoch.

        Args:
            problem: what to forget.

        Returns:
            Parameters, labels, history; divergence, of training or of an inverse, is told by ``convergence``.

        Raises:
            BadInputError: a subset smaller than one sample, a last layer that is not linear, cross-entropy of one
                output.
        """
        return self._rounds(problem).go()

    @abstractmethod
    def _rounds(self, problem: NetworkProblem) -> Rounds:
        """A run that is about to begin."""


class Rounds(ABC):
    """Rounds of labels and training under way.

    A subclass sets ``loop``, made by `descent`, and ``labels``, ŷ_F before the first round. When it relabels, it sets
    ``rows``, how many retained samples are behind the labels, and in the first round ``first``, ŷ_F before any softmax
    or rounding.

    Args:
        method: the settings.
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

    def __init__(
        self, method: Alternation, problem: NetworkProblem, loss: LossName, hard: bool, watched: Array
    ) -> None:
        if loss == "cross-entropy" and problem.net.n_out < 2:
            hint = "loss='squared'"
            raise expected("at least two outputs for cross-entropy", "n_out", problem.net.n_out, "int", hint)
        self.settings, self.problem, self.loss, self.hard, self.watched = method, problem, loss, hard, watched
        self.first = np.zeros((len(problem.forget), problem.net.n_out))
        self.targets = problem.targets.copy()
        targets_for(self.targets, self.targets, loss)  # refuses what is no target of this loss

    @abstractmethod
    def relabel(self, epoch: int, ridge: float) -> None:
        """Before an epoch: form what labels are made from, and those of the whole epoch."""

    @abstractmethod
    def wanted(self, rows: Batch) -> Array:
        """Targets of a batch, relabelled where every batch is."""

    def descent(self, steps: ResolvedSteps, **extra: Any) -> NetworkLoop:
        """Fine-tuning from θ_p on all samples, of which ``wanted`` says the targets."""
        problem, settings = self.problem, self.settings
        return NetworkLoop(
            problem.net,
            list(problem.pretrained),
            problem.X,
            self.wanted,
            self.loss,
            settings.optimizer,
            Passes(len(problem.X), "shuffled", steps, settings.seed),
            momentum=settings.momentum,
            mean=True,
            weight_decay=settings.weight_decay,
            **extra,
        )

    def check_finite(self, what: str, arrays: Iterable[Array]) -> None:
        """End in divergence where numbers that labels are made from are not finite."""
        if not all(np.isfinite(array).all() for array in arrays):
            raise diverged(self.settings.learning_rate, f"{what} are not finite")

    @property
    def params(self) -> list[Array]:
        """θ_t."""
        return self.loop.state

    def fitted(self, outputs: Array) -> Array:
        """Targets of fine-tuning on F."""
        if self.hard:
            return self.problem.task.hardened(outputs)
        return softmax(outputs) if self.loss == "cross-entropy" else outputs

    def go(self) -> AlternatingResult:
        """All rounds; below the tolerance a change of labels and of parameters counts as settled."""
        settings, problem, history = self.settings, self.problem, list[Epoch]()
        travelled = problem.distance(problem.pretrained, problem.start)
        kernel = self._kernel(list(problem.start))
        convergence = Convergence.UNSETTLED
        for epoch in range(settings.epochs):
            ridge, before, previous = settings.ridge_at(epoch), self.labels, self.params
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
            bound = settings.tolerance
            settled = last.label_change < bound and last.parameter_change < bound
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
