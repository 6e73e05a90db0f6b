"""Claim ``alternating``: relabel the forget samples, fine-tune the network, and again."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal, final

import numpy as np

from ..arguments import checked
from ..arrays import Array
from ..descent.losses import LossName, targets_for
from ..descent.passes import Passes, Samples
from ..descent.schedules import ResolvedSteps
from ..errors import expected
from ..linear.approximation import centred_alignment
from ..networks.problem import NetworkProblem, softmax
from ..networks.tangent_kernel import empirical_ntk
from ..networks.training import DivergedError, NetworkLoop, diverged
from ..streams import ALTERNATING, WATCHED
from .head import HeadCondition, fitted_head, head_features, head_labels, head_matrix
from .method import Method
from .monitors import AlternatingResult, Convergence, Epoch
from .projector import Projector
from .subsets import annealed, require_sample
from .tangent import tangent_labels

__all__ = ["Alternating"]


@final
@checked
@dataclass(frozen=True)
class Alternating(Method):
    """Relabel by a linear view of the network as it is now, fine-tune, and again.

    This is the idea of arXiv 2410.08557; the algorithm that was published there, with heads that stay fixed, is
    :class:`Published`.

    :meth:`last_layer` and :meth:`corrected` are the two sets of options; every field may be changed on top.

    Args:
        view: labels from the last layer (``"head"``) or from the whole tangent kernel (``"tangent"``).
        labels: ``"hard"`` (the nearest class of the targets, arg max for several outputs; regression is refused) or
            ``"soft"`` (outputs; their softmax under cross-entropy).
        rule: ``"label-free"``, from the displacement w_t − w₀ alone, or ``"optimal"``, from the retained targets: the
            linear view's retrained model, by least squares or, under cross-entropy, by L-BFGS.
        loss: of fine-tuning; None is that of the problem's recipe.
        projector: form of Π for the head, see :func:`row_projector`.
        ridge: ε in the first and the last epoch, between them along a cosine.
        ridge_lag: epochs by which ε is late, one in the published code.
        subset: share of the retained samples, rounded to a whole number of them, from which Π is computed, drawn afresh
            for every relabelling.
        linearised_at: for the tangent, θ₀ (``"start"``) or θ_t (``"current"``).
        iterations: of LSMR or L-BFGS.
        epochs: rounds.
        relabel: before every ``"epoch"``, or before every ``"batch"`` (head only).
        relabel_every: epochs between relabellings.
        optimizer: gd (SGD), momentum, nesterov, adam or adamw.
        learning_rate: η.
        batch_size: samples a step.
        momentum: of the momentum methods.
        weight_decay: λ.
        frozen: train the last layer only, so that features stay.
        tolerance: below it a change of labels and of parameters counts as settled.
        watch: samples on which the tangent kernel is watched; 0 for none.
        seed: of subsets and batches.

    Raises:
        BadInputError: options that are unknown or do not go together.

    Example:
        >>> from muso_theory.networks import mlp
        >>> from muso_theory.networks import NetworkProblem
        >>> X, y = np.eye(6), np.array([0, 0, 1, 1, 2, 2])
        >>> problem = NetworkProblem.pretrain(mlp([6, 3, 3], "tanh"), X, y, forget=[5])
        >>> result = Alternating.last_layer(epochs=2, subset=1.0, watch=0).run(problem)
        >>> result.head.degenerate, result.labels.sum(axis=1)
        (True, array([1.]))
    """

    view: Literal["head", "tangent"] = "head"
    labels: Literal["hard", "soft"] = "soft"
    rule: Literal["label-free", "optimal"] = "label-free"
    loss: LossName | None = None
    projector: Projector = "ridge"
    ridge: tuple[float, float] = (1e-6, 1e-2)
    ridge_lag: int = 0
    subset: float = 0.2
    linearised_at: Literal["start", "current"] = "current"
    iterations: int = 100
    epochs: int = 5
    relabel: Literal["epoch", "batch"] = "epoch"
    relabel_every: int = 1
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    batch_size: int | None = 64
    momentum: float = 0.9
    weight_decay: float = 0.0
    frozen: bool = False
    tolerance: float = 1e-2
    watch: int = 48
    seed: int = 0

    name = "alternating"
    formula = "ŷ_F = f(X_F; θ_t) − Φ_F(I − Π_S)(w_t − w₀); fine-tune on R and (X_F, ŷ_F)"
    source = "Yang et al., arXiv 2410.08557, network algorithm"
    exactness = "alternating"

    def __post_init__(self) -> None:
        super().__post_init__()
        for field, known in (
            ("view", ("head", "tangent")),
            ("labels", ("hard", "soft")),
            ("rule", ("label-free", "optimal")),
            ("linearised_at", ("start", "current")),
            ("relabel", ("epoch", "batch")),
        ):
            if getattr(self, field) not in known:
                raise expected(
                    f"one of {', '.join(known)}", field, getattr(self, field), "unknown", repr(known[0])
                )
        if self.relabel == "batch" and self.view == "tangent":
            raise expected(
                "relabelling every epoch", "relabel", "batch", "with view='tangent'", "relabel='epoch'"
            )
        if self.ridge_lag < 0 or len(self.ridge) != 2 or not all(0 <= ridge < np.inf for ridge in self.ridge):
            raise expected(
                "two nonnegative ridges and a lag", "ridge", self.ridge, "out of range", "(1e-6, 1e-2)"
            )
        if not 0 < self.subset <= 1:
            raise expected("a fraction in (0, 1]", "subset", self.subset, "float", "0.2")

    @classmethod
    @checked
    def last_layer(cls, **changes: Any) -> Alternating:
        """Hard labels of the current last layer, cross-entropy, Adam, ε from 1e-6 to 1e-2, a fifth of R.

        Args:
            **changes: fields to set otherwise.

        Returns:
            The method.
        """
        options: dict[str, Any] = {
            "view": "head",
            "labels": "hard",
            "loss": "cross-entropy",
            "ridge_lag": 1,
        }
        return cls(**(options | changes))

    @classmethod
    @checked
    def corrected(cls, **changes: Any) -> Alternating:
        """What theory suggests: soft labels of the whole tangent kernel, all of R, descent that stays in the span.

        Args:
            **changes: fields to set otherwise.

        Returns:
            The method.
        """
        options: dict[str, Any] = {
            "view": "tangent",
            "labels": "soft",
            "rule": "optimal",
            "projector": "exact",
            "ridge": (1e-2, 1e-2),  # anchored at θ₀: strictly convex, and the paper's last ε
            "subset": 1.0,
            "optimizer": "momentum",
            "learning_rate": 1e-2,
        }
        return cls(**(options | changes))

    @checked
    def ridge_at(self, epoch: int) -> float:
        """ε of an epoch, counted from 0.

        Args:
            epoch: which.

        Returns:
            first + (last − first)(1 − cos πt/(T − 1))/2 at t = epoch − lag, not below 0.
        """
        return annealed(self.ridge, epoch - self.ridge_lag, self.epochs)

    def on_network(self, problem: NetworkProblem) -> list[Array]:
        """θ_u; an alternation that diverged is refused."""
        result = self.run(problem)
        if result.convergence is Convergence.DIVERGED:
            raise diverged(self.learning_rate, f"alternation diverged in epoch {len(result.history)}")
        return result.params

    @checked
    def run(self, problem: NetworkProblem) -> AlternatingResult:
        """Alternate, watching.

        Args:
            problem: what to forget.

        Returns:
            Parameters, labels, history; divergence is told by ``convergence``.

        Raises:
            BadInputError: a subset smaller than one sample, a last layer that is not linear, cross-entropy of one
                output.
        """
        return _Run(self, problem).go()


class _Run:
    """One alternation under way."""

    def __init__(self, method: Alternating, problem: NetworkProblem) -> None:
        self.method, self.problem = method, problem
        self.loss: LossName = method.loss or problem.recipe.loss
        if self.loss == "cross-entropy" and problem.net.n_out < 2:
            raise expected(
                "at least two outputs for cross-entropy", "n_out", problem.net.n_out, "int", "squared"
            )
        retained = len(problem.retain)
        self.size = require_sample(round(method.subset * retained), method.subset, retained)
        self.rng = np.random.default_rng((method.seed, ALTERNATING))
        self.start = problem.start
        self.targets = problem.targets.copy()
        self.loop = self._loop()
        self.condition: HeadCondition | None = None
        self.watched = self._watched()

    @property
    def params(self) -> list[Array]:
        """θ_t."""
        return self.loop.state

    def _watched(self) -> Array:
        """Samples on which the tangent kernel is compared with its start."""
        n = min(self.method.watch, len(self.problem.X))
        rng = np.random.default_rng((self.method.seed, WATCHED))
        return np.sort(rng.permutation(len(self.problem.X))[:n])

    def _kernel(self, params: list[Array]) -> Array | None:
        if not len(self.watched):
            return None
        return empirical_ntk(self.problem.net, params, self.problem.X[self.watched], contract="trace")

    def outputs(self, ridge: float) -> Array:
        """ŷ_F before softmax and rounding, from the current parameters."""
        method, problem = self.method, self.problem
        chosen = problem.retain[np.sort(self.rng.permutation(len(problem.retain))[: self.size])]
        X_retain, X_forget = problem.X[chosen], problem.X[problem.forget]
        if method.view == "tangent":
            at = self.start if method.linearised_at == "start" else self.params
            targets = problem.targets[chosen] if method.rule == "optimal" else None
            return tangent_labels(
                problem.net,
                # At θ₀ the displacement that counts is that of pretraining.
                problem.pretrained if method.linearised_at == "start" else self.params,
                self.start,
                at,
                X_retain,
                X_forget,
                targets,
                loss=self.loss,
                ridge=ridge,
                iterations=method.iterations,
            )
        w_init, w = head_matrix(problem.net, self.start), head_matrix(problem.net, self.params)
        Z_retain = head_features(problem.net, self.params, X_retain)
        Z_forget = head_features(problem.net, self.params, X_forget)
        if not (np.isfinite(Z_retain).all() and np.isfinite(Z_forget).all()):
            raise diverged(method.learning_rate, "features are not finite")
        if method.rule == "optimal":
            base, wanted = Z_retain @ w_init, problem.targets[chosen]
            w = w_init + fitted_head(Z_retain, base, wanted, self.loss, ridge, method.iterations)
        labels, condition = head_labels(Z_retain, Z_forget, w_init, w, ridge=ridge, form=method.projector)
        self.condition = self.condition or condition
        return labels

    def fitted(self, outputs: Array) -> Array:
        """Targets of fine-tuning on F."""
        if self.method.labels == "hard":
            return self.problem.task.hardened(outputs)
        return softmax(outputs) if self.loss == "cross-entropy" else outputs

    def go(self) -> AlternatingResult:
        """All rounds."""
        method, problem = self.method, self.problem
        travelled = problem.distance(problem.pretrained, self.start)
        before = np.asarray(self.fitted(problem.outputs(self.params, problem.forget)), dtype=problem.X.dtype)
        kernel0 = self._kernel(list(self.start))
        history: list[Epoch] = []
        outputs = first = np.zeros((len(problem.forget), problem.net.n_out))
        labels, convergence = before, Convergence.UNSETTLED
        targets_for(self.targets, self.targets, self.loss)  # refuses what is no target of this loss
        for epoch in range(method.epochs):
            ridge = method.ridge_at(epoch)
            if epoch % method.relabel_every == 0:
                outputs = self.outputs(ridge)
                labels = self.fitted(outputs)
                if epoch == 0:
                    first = outputs
            previous = self.params
            self.labels = labels
            self.targets[problem.forget] = labels
            with np.errstate(all="ignore"):  # divergence is reported below
                try:
                    self.loop.advance(1)
                    labels = self.labels
                    finite = all(np.isfinite(array).all() for array in self.params)
                except DivergedError:  # seen between two batches
                    finite = False
            if not finite or problem.is_broken(self.params, self.loss):
                self.loop.state = previous if not finite else self.params
                convergence = Convergence.DIVERGED
                break
            history.append(self._watch(ridge, labels, before, previous, travelled, kernel0))
            before = labels
        if history and convergence is not Convergence.DIVERGED:
            last = history[-1]
            # Not their maximum, which of a number and NaN may be the number.
            settled = last.label_change < method.tolerance and last.parameter_change < method.tolerance
            convergence = Convergence.SETTLED if settled else Convergence.UNSETTLED
        return AlternatingResult(self.params, labels, first, tuple(history), convergence, self.condition)

    def _loop(self) -> NetworkLoop:
        """Fine-tuning on all samples, of which ``_wanted`` says the targets."""
        method, problem, mask = self.method, self.problem, None
        params, n = list(problem.pretrained), len(problem.X)
        if method.frozen:
            last = len(params) - 2
            head_matrix(problem.net, params)  # refuses a last layer that is not linear
            mask = [np.full(array.shape, float(index >= last)) for index, array in enumerate(params)]
        steps = ResolvedSteps(method.learning_rate, method.batch_size or n, restart=True)
        return NetworkLoop(
            problem.net,
            params,
            problem.X,
            self._wanted,
            self.loss,
            method.optimizer,
            Passes(n, "shuffled", steps, method.seed),
            momentum=method.momentum,
            mean=True,
            weight_decay=method.weight_decay,
            mask=mask,
        )

    def _wanted(self, rows: Samples) -> Array:
        """Targets of a batch, relabelled where every batch is."""
        if self.method.relabel == "batch":
            if not all(np.isfinite(array).all() for array in self.params):
                raise diverged(self.method.learning_rate, "parameters are not finite")
            self.labels = self.fitted(self.outputs(self.method.ridge_at(self.loop.epochs)))
            self.targets[self.problem.forget] = self.labels
        return self.targets[rows]

    def _watch(
        self,
        ridge: float,
        labels: Array,
        before: Array,
        previous: list[Array],
        travelled: float,
        kernel0: Array | None,
    ) -> Epoch:
        problem = self.problem
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
            None if kernel is None or kernel0 is None else _alignment(kernel, kernel0),
            *gaps,
        )


def _alignment(kernel: Array, start: Array) -> float:
    """How far the kernel turned, 0 for a constant one; NaN, a sign as well, when it left the finite numbers."""
    return centred_alignment(kernel, start, constant=0.0) if np.isfinite(kernel).all() else math.nan
