"""Claim ``alternating``: relabel the forget samples, fine-tune the network, and again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np

from ..arguments import checked
from ..arrays import Array
from ..descent.hyper import Hyper
from ..descent.losses import LossName
from ..descent.passes import Batch
from ..descent.schedules import ResolvedSteps
from ..errors import expected
from ..linear.labels import subset_size
from ..networks.problem import NetworkProblem
from ..networks.training import NetworkLoop
from ..streams import ALTERNATING, WATCHED
from .alternation import Alternation, Rounds
from .head import fitted_head, head_features, head_labels, head_matrix
from .projector import Projector
from .tangent import tangent_labels

__all__ = ["Alternating"]


@final
@checked
@dataclass(frozen=True)
class Alternating(Alternation):
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
    momentum: float = Hyper.momentum
    weight_decay: float = 0.0
    frozen: bool = False
    tolerance: float = 1e-2
    watch: int = 48
    seed: int = 0

    name = "alternating"
    formula = "ŷ_F = f(X_F; θ_t) − Φ_F(I − Π_S)(w_t − w₀); fine-tune on R and (X_F, ŷ_F)"
    source = "Yang et al., arXiv 2410.08557, network algorithm"
    exactness = "not exact, but in its first step with frozen features: measured (alternating)"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.relabel == "batch" and self.view == "tangent":
            raise expected(
                "relabelling every epoch", "relabel", "batch", "with view='tangent'", "relabel='epoch'"
            )

    def _inverts(self) -> bool:
        return self.view == "head" and self.projector != "exact"

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

    def _rounds(self, problem: NetworkProblem) -> Rounds:
        return _Rounds(self, problem)


class _Rounds(Rounds):
    """One alternation under way."""

    def __init__(self, method: Alternating, problem: NetworkProblem) -> None:
        watched = np.random.default_rng((method.seed, WATCHED)).permutation(len(problem.X))[: method.watch]
        super().__init__(
            method, problem, method.loss or problem.recipe.loss, method.labels == "hard", np.sort(watched)
        )
        self.method = method
        self.rows = subset_size(method.subset, len(problem.retain))
        self.rng = np.random.default_rng((method.seed, ALTERNATING))
        self.start = problem.start
        self.loop = self._loop()
        outputs = problem.outputs(self.params, problem.forget)
        self.labels = np.asarray(self.fitted(outputs), dtype=problem.X.dtype)

    def outputs(self, ridge: float) -> Array:
        """ŷ_F before softmax and rounding, from the current parameters."""
        method, problem = self.method, self.problem
        chosen = problem.retain[np.sort(self.rng.permutation(len(problem.retain))[: self.rows])]
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
        self.check_finite("features", (Z_retain, Z_forget))
        # Both rules label by Z_F(w₀ + Π(w − w₀)), claim label-free: w is the head as it is, or the linear
        # view's retrained one, whose w − w₀ lies in row(Z_R) already.
        if method.rule == "optimal":
            base, wanted = Z_retain @ w_init, problem.targets[chosen]
            w = w_init + fitted_head(Z_retain, base, wanted, self.loss, ridge, method.iterations)
        labels, condition = head_labels(Z_retain, Z_forget, w_init, w, ridge=ridge, form=method.projector)
        self.condition = self.condition or condition
        return labels

    def relabel(self, epoch: int, ridge: float) -> None:
        """Labels of the whole epoch."""
        if epoch % self.method.relabel_every == 0:
            outputs = self.outputs(ridge)
            self.labels = self.fitted(outputs)
            if epoch == 0:
                self.first = outputs
        self.targets[self.problem.forget] = self.labels

    def _loop(self) -> NetworkLoop:
        """Fine-tuning on all samples, of which ``wanted`` says the targets."""
        method, problem, mask = self.method, self.problem, None
        params, n = list(problem.pretrained), len(problem.X)
        if method.frozen:
            last = len(params) - 2
            head_matrix(problem.net, params)  # refuses a last layer that is not linear
            mask = [np.full(array.shape, float(index >= last)) for index, array in enumerate(params)]
        steps = ResolvedSteps(method.learning_rate, method.batch_size or n, restart=True)
        return self.descent(steps, mask=mask)

    def wanted(self, rows: Batch) -> Array:
        """Targets of a batch, relabelled where every batch is."""
        if self.method.relabel == "batch":
            self.check_finite("parameters", self.params)
            self.labels = self.fitted(self.outputs(self.method.ridge_at(self.loop.epochs)))
            self.targets[self.problem.forget] = self.labels
        return self.targets[rows]
