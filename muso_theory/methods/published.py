"""The network algorithm of arXiv 2410.08557 as its code was published, with every deviation as a switch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np

from ..arguments import checked
from ..arrays import Array
from ..descent.losses import LossName
from ..descent.passes import Batch
from ..descent.schedules import ResolvedSteps
from ..errors import check_integer, expected
from ..former import former
from ..linear.labels import subset_size
from ..networks.problem import NetworkProblem
from ..networks.training import NetworkLoop
from ..streams import PUBLISHED
from .alternation import Alternation, Rounds
from .head import head_features, head_matrix
from .inverses import Precision, Revision, published_head

__all__ = ["Published", "streamed_subset"]
former(__name__)


def streamed_subset(n: int, size: int, batch: int, rng: np.random.Generator) -> Array:
    """Which of n samples are kept while they stream by in random batches, in the order in which they came.

    Whenever more than twice the size are kept, so many random ones are: late samples stay more often than early ones,
    and between ``size`` and twice as many are left at the end.

    Args:
        n: samples.
        size: how many are kept at a cut.
        batch: samples that arrive together.
        rng: of the order and the cuts.

    Returns:
        Indices below n.

    Raises:
        BadInputError: a size below one, or a batch below one.

    Example:
        >>> kept = streamed_subset(1000, 200, 64, np.random.default_rng(0))
        >>> 200 <= len(kept) <= 400, len(set(kept.tolist())) == len(kept)
        (True, True)
    """
    size, batch = check_integer("size", size, 1), check_integer("batch", batch, 1)
    order, kept = rng.permutation(n), np.arange(0)
    for first in range(0, n, batch):
        kept = np.concatenate([kept, order[first : first + batch]])
        if len(kept) > 2 * size:
            kept = kept[rng.permutation(len(kept))[:size]]
    return kept


@final
@checked
@dataclass(frozen=True)
class Published(Alternation):
    """The network algorithm line by line as published; each field is one choice of it, changed one at a time.

    In every epoch Π is formed from a subset of the retained samples by the current network. Before every batch its
    forget samples get the labels arg max of Z_t[w₀ + Π(w_p − w₀)] + (Z_t − Z_p)w_p: w₀ and w_p are the initial and the
    pretrained head, Z_t and Z_p features by the current and the pretrained network. Then the network takes a step on
    the batch.

    What it unlearns can hang on the rounding of its float32 inverses, and so on the kernel of BLAS: where the retained
    features span those of the forget samples, the exact projector leaves the labels that the network gives already
    (`HeadCondition`).

    Args:
        revision: which inverses, see :func:`published_head`.
        precision: of the inverses.
        head: w_p of the pretrained network, or in its place the head of the ``"current"`` one.
        feature_shift: whether (Z_t − Z_p)w_p is added.
        labels: ``"hard"`` (arg max) or ``"soft"`` (outputs; their softmax under cross-entropy).
        relabel: before every ``"batch"``, or before every ``"epoch"``.
        sampling: of the subset, see :func:`streamed_subset`; ``"uniform"`` draws as many at once.
        subset: share of the retained samples, cut to a whole number of them, ⌊subset · n_R⌋.
        ridge: ε in the first and the last epoch, between them along a cosine.
        ridge_lag: epochs by which ε is late.
        loss: of fine-tuning.
        epochs: rounds.
        optimizer: gd (SGD), momentum, nesterov, adam or adamw.
        learning_rate: η at the first step.
        schedule: of η over the steps of all epochs: ``"cosine"``, to zero, or ``"constant"``.
        batch_size: samples a step, and of the stream.
        weight_decay: λ.
        seed: of batches, streams and cuts.

    Raises:
        BadInputError: options that are unknown or do not go together.

    Example:
        >>> from muso_theory.networks import NetworkProblem, mlp
        >>> X, y = np.eye(6, dtype=np.float32), np.array([0, 0, 1, 1, 2, 2])
        >>> problem = NetworkProblem.pretrain(mlp([6, 3, 3], "tanh"), X, y, forget=[5])
        >>> result = Published.of("class", epochs=2, subset=1.0).run(problem)
        >>> len(result.history), result.labels.shape
        (2, (1, 3))
    """

    revision: Revision = "2025-02"
    precision: Precision = "float32"
    head: Literal["pretrained", "current"] = "pretrained"
    feature_shift: bool = True
    labels: Literal["hard", "soft"] = "hard"
    relabel: Literal["batch", "epoch"] = "batch"
    sampling: Literal["streaming", "uniform"] = "streaming"
    subset: float = 0.2
    ridge: tuple[float, float] = (1e-6, 1e-2)
    ridge_lag: int = 1
    loss: LossName = "cross-entropy"
    epochs: int = 5
    optimizer: str = "adamw"
    learning_rate: float = 2.8e-4
    schedule: Literal["cosine", "constant"] = "cosine"
    batch_size: int = 128
    weight_decay: float = 0.0
    seed: int = 0

    name = "published"
    formula = "ŷ_F = Z_t(w₀ + Π_t(w_p − w₀)) + (Z_t − Z_p)w_p; fine-tune on R and (X_F, arg max ŷ_F)"
    source = "Yang et al., arXiv 2410.08557, published network code"
    exactness = "not exact: float32 inverses, hard labels, a head that the retained samples fix"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.head == "current" and self.revision == "intended":
            hint = "head='pretrained'"
            raise expected("the pretrained head", "head", self.head, "for revision 'intended'", hint)
        if self.revision == "projector" and self.precision == "float32":
            raise expected("'float64'", "precision", self.precision, "with revision 'projector'", "'float64'")

    @classmethod
    @checked
    def of(cls, forgetting: Literal["class", "random"], **changes: Any) -> Published:
        """The published settings of a scenario: whole classes, or random samples.

        Args:
            forgetting: "class" (AdamW, 2.8e-4 along a cosine, 5 epochs) or "random" (Adam, 3e-5, 2 epochs).
            **changes: fields to set otherwise.

        Returns:
            The method.

        Example:
            >>> Published.of("random").optimizer, Published.of("class", precision="float64").precision
            ('adam', 'float64')
        """
        settings: dict[str, Any] = {}
        if forgetting == "random":
            settings = {"optimizer": "adam", "learning_rate": 3e-5, "schedule": "constant", "epochs": 2}
        return cls(**(settings | changes))

    def _rounds(self, problem: NetworkProblem) -> Rounds:
        return _Rounds(self, problem)


class _Rounds(Rounds):
    """One run under way."""

    def __init__(self, method: Published, problem: NetworkProblem) -> None:
        super().__init__(method, problem, method.loss, method.labels == "hard", np.arange(0))
        self.method = method
        self.size = subset_size(method.subset, len(problem.retain), int)
        net = problem.net
        self.w_init, self.w_pretrained = (head_matrix(net, w) for w in (problem.start, problem.pretrained))
        self.Z_pretrained = head_features(net, problem.pretrained, problem.X[problem.forget])
        self.rng = np.random.default_rng((method.seed, PUBLISHED))
        self.labels = self.targets[problem.forget]
        # The place of every sample in F, or −1.
        self.place = np.full(len(problem.X), -1)
        self.place[problem.forget] = np.arange(len(problem.forget))
        self.head: Callable[[Array], Array] = lambda w: w
        self.loop = self._loop()

    def _loop(self) -> NetworkLoop:
        method, problem = self.method, self.problem
        n, rate = len(problem.X), method.learning_rate
        batch = min(method.batch_size, n)
        total = method.epochs * -(-n // batch)

        def cosine(t: int) -> float:
            return rate * (1 + math.cos(math.pi * t / total)) / 2

        steps = ResolvedSteps(cosine if method.schedule == "cosine" else rate, batch, restart=False)
        return self.descent(steps)

    def wanted(self, rows: Batch) -> Array:
        """Targets of a batch, its forget samples relabelled by the network as it is now."""
        index = np.arange(len(self.problem.X))[rows]
        places = self.place[index]
        if self.method.relabel == "batch":
            self._label(places[places >= 0])
        return self.targets[index]

    def _label(self, places: Array) -> None:
        """Labels of the forget samples at these places in F."""
        if len(places):
            self.targets[self.problem.forget[places]] = self.fitted(self._outputs(places))
            self.labels = self.targets[self.problem.forget]

    def _outputs(self, places: Array) -> Array:
        """ŷ of these forget samples before softmax and rounding, from the current parameters."""
        method, problem, params = self.method, self.problem, self.loop.state
        self.check_finite("parameters", params)
        Z = head_features(problem.net, params, problem.X[problem.forget[places]])
        w = self.w_pretrained if method.head == "pretrained" else head_matrix(problem.net, params)
        outputs = Z @ self.head(w)
        if method.feature_shift:
            outputs = outputs + (Z - self.Z_pretrained[places]) @ self.w_pretrained
        return np.asarray(outputs)

    def relabel(self, epoch: int, ridge: float) -> None:
        """Form the head of an epoch from a subset of the retained samples."""
        self.head = self._head(self._subset(), ridge)
        moved, travelled = (w - self.w_pretrained for w in (self.head(self.w_pretrained), self.w_init))
        self.head_change = float(np.linalg.norm(moved)) / max(float(np.linalg.norm(travelled)), 1e-300)
        everyone = np.arange(len(self.problem.forget))
        if epoch == 0:
            self.first = self._outputs(everyone)
        if self.method.relabel == "epoch":
            self._label(everyone)

    def _subset(self) -> Array:
        """The retained samples that an epoch's head is formed from."""
        method, retain = self.method, self.problem.retain
        if method.sampling == "streaming":
            kept = streamed_subset(len(retain), self.size, method.batch_size, self.rng)
        else:
            kept = self.rng.permutation(len(retain))[: self.size]
        self.rows = len(kept)
        return np.asarray(retain[kept])

    def _head(self, rows: Array, ridge: float) -> Callable[[Array], Array]:
        """What an epoch makes of a head: that of the inverses, once where the head is fixed."""
        method, problem = self.method, self.problem
        X = problem.X[rows]
        Z = head_features(problem.net, self.loop.state, X)
        self.check_finite("features", (Z,))
        old = head_features(problem.net, problem.pretrained, X) if method.revision == "intended" else None
        dtype = problem.X.dtype

        def head(w: Array) -> Array:
            return published_head(
                Z,
                self.w_init,
                w,
                ridge=ridge,
                revision=method.revision,
                precision=method.precision,
                Z_pretrained=old,
            ).astype(dtype)

        if method.head == "current":
            return head
        fixed = head(self.w_pretrained)
        return lambda w: fixed
