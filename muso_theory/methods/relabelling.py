"""Methods that relabel the forget samples and fine-tune from w_p on everyone: a linear model to the limit.

There all but bad teaching end at w_u = w_p + Φ⁺((y_R, ỹ_F) − Φw_p), so w_u − w_r = Φ⁺(0; ỹ_F − Φ_F w_r) (claim
gap-formula).
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar, final

import numpy as np

from ..arguments import checked
from ..arrays import Array
from ..errors import expected
from ..linear.closed_forms import Point, float_model
from ..linear.labels import optimal_labels
from ..linear.problem import UnlearningProblem
from ..linear.task import Task
from ..linear.training import Training
from ..networks.problem import NetworkProblem
from ..numbers import FLOAT64
from .fitting import Descent, row_steps, trained
from .method import LINEAR, NETWORK, Method
from .ranges import require_fraction, require_positive
from .rules import BadTeacher, LabelRule, RandomLabels

__all__ = [
    "BadTeaching",
    "ClosedFormLabels",
    "LabelFreeLabels",
    "LeaveBlockOutLabels",
    "RandomRelabelling",
    "Relabelling",
    "RidgeLabels",
    "SubsampledLabels",
]


class Relabelling(Method):
    """Fine-tuning from w_p on R with its targets and F with new labels."""

    by: ClassVar[str]
    """The method of ``optimal_labels`` that chooses the labels, with these settings; others override ``labels``."""

    def labels(self, problem: UnlearningProblem) -> Array:
        """ỹ_F in the order of ``problem.forget``, shape (n_F,) or (n_F, C)."""
        settings: dict[str, Any] = {name: getattr(self, name) for name in self.settings("linear")}
        return optimal_labels(problem, self.by, **settings)

    def everyone(self, problem: UnlearningProblem) -> Array:
        """What fine-tuning fits, (n, C) in position order: the targets of R, then ỹ_F."""
        labels = problem.label_columns(self.labels(problem))
        return np.asarray(float_model(problem).relabelled(labels))

    def on_linear(self, problem: UnlearningProblem) -> Point:
        """w_u in model coordinates."""
        model = float_model(problem)
        return model.fit(model.everything, self.everyone(problem), model.pretrained)

    def _expected(self, problem: UnlearningProblem) -> float | None:
        """‖Φ⁺(0; ỹ_F − Φ_F w_r)‖² (claim gap-formula), without training."""
        model = float_model(problem)
        return float(
            model.square_gap(problem.label_columns(self.labels(problem)) - model.optimal_labels).upper
        )


@dataclass(frozen=True)
class _RuleRelabelling(Relabelling):
    """Labels from a rule of ``methods.rules``, which knows its own expected gap.

    With ``oracle_stop`` fine-tuning is cyclic SGD with steps 1/‖φ_i‖² that ends before the first pass, or after the
    first one, where the forget accuracy is so near to the retrained model's, as in arXiv 2410.08557: an oracle, since
    that accuracy is not known without retraining. Accuracy needs class targets: two values, or one largest a row.
    """

    seed: int = 0
    oracle_stop: float | None = field(default=None, kw_only=True, metadata=LINEAR)
    epochs: int = field(default=100, kw_only=True, metadata=LINEAR)
    descent: Descent = field(default=Descent(), kw_only=True, metadata=NETWORK)

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        super().__post_init__()
        self.rule()
        if self.oracle_stop is not None and not 0 <= self.oracle_stop <= 1:
            kind = type(self.oracle_stop).__name__
            raise expected(
                "a difference of accuracies in [0, 1]", "oracle_stop", self.oracle_stop, kind, "0.03"
            )

    @abstractmethod
    def rule(self) -> LabelRule:
        """The rule."""

    def labels(self, problem: UnlearningProblem | NetworkProblem) -> Array:
        """ỹ_F by the rule."""
        return self.rule()(problem)

    @property
    def needs_retrained(self) -> bool:
        """An oracle stop holds every pass against the retrained model."""
        return self.oracle_stop is not None

    def on_linear(self, problem: UnlearningProblem) -> Point:
        """w_u in model coordinates."""
        if self.oracle_stop is None:
            return super().on_linear(problem)
        return float_model(problem).at(self.stopped(problem).w)

    def on_network(self, problem: NetworkProblem) -> list[Array]:
        """θ_p fine-tuned on R and (X_F, ỹ_F)."""
        return self.descent.relabel(problem, self.labels(problem))

    def stopped(self, problem: UnlearningProblem) -> Training:
        """Fine-tune up to the oracle's stop.

        Args:
            problem: the problem.

        Returns:
            Where it stopped, w in the shape (D, C), and after how many passes.
        """
        model = float_model(problem)
        forget = FLOAT64.matrix(problem.features[problem.forget])
        goal = _accuracy(problem, model.optimal_labels)

        def near(w: Array) -> bool:
            outputs = FLOAT64.matmul(forget, w.reshape(problem.n_features, -1))
            return abs(_accuracy(problem, outputs) - goal) <= (self.oracle_stop or 0.0)

        steps, targets = row_steps(problem, model.everything), self.everyone(problem)
        return trained(
            problem, model.pretrained, "cyclic-sgd", steps, self.epochs, targets=targets, stop=near
        )

    def _expected(self, problem: UnlearningProblem) -> float | None:
        """E‖w_u − w_r‖² of the limit, in the closed form of the rule."""
        return self.rule().expected_square_gap(problem) if self.oracle_stop is None else None


@final
@checked
@dataclass(frozen=True)
class RandomRelabelling(_RuleRelabelling):
    """Labels drawn uniformly among the distinct target rows but the sample's own, shape (n_F,) or (n_F, C).

    The method: it trains on these labels. The rule that draws them, `muso_theory.RandomLabels`, trains nothing. On a
    network classes are the distinct target rows of the data, one-hot or of other values; regression is refused.

    Args:
        seed: seed of the draw.
        oracle_stop: stop where |accuracy_F(w) − accuracy_F(w_r)| is at most this (0.03 in arXiv 2410.08557, which stops
            so); None goes to the limit.
        epochs: most passes before an oracle stop.
        descent: on a network, the fine-tuning.

    Example:
        >>> problem = UnlearningProblem(np.array([[1.0, 0, 1], [1, 1, 0]]), np.array([1.0, 2.0]), [1])
        >>> RandomRelabelling(seed=0).labels(problem)
        array([1.])
    """

    name = "random-labels"
    formula = "w_p + Φ⁺((y_R, ỹ_F) − Φw_p), ỹ_F uniform among the other targets"
    source = 'Graves, Nagisetty, Ganesh 2021 ("amnesiac"), arXiv 2010.10981'
    exactness = "not exact, unless the draw falls into Φ_F w_r + ker Φ_Fᵀ (label-solution-set)"

    def rule(self) -> LabelRule:
        """The rule."""
        return RandomLabels(self.seed)


@final
@checked
@dataclass(frozen=True)
class BadTeaching(_RuleRelabelling):
    """Distil w_p on R and a random model w_b ~ N(0, scale² I) on F, shape (n_F,) or (n_F, C).

    The method: it trains on both teachers' outputs. The rule `muso_theory.BadTeacher` gives the labels of F alone. As
    published the good teacher is w_p, whose outputs Φ_R w_p are fitted in place of y_R. They differ where w_p does
    not interpolate; there w_u − w_r = w_p − w_r + Φ⁺(0; Φ_F(w_b − w_p)), and not what claim gap-formula says of labels
    Φ_F w_b beside y_R.

    On a network the bad teacher is an untrained one; distilling with cross-entropy on soft labels has the gradient of
    the divergence KL(teacher ‖ student).

    Args:
        seed: seed of the bad teacher.
        scale: standard deviation of a linear teacher's parameters.
        oracle_stop: stop where |accuracy_F(w) − accuracy_F(w_r)| is at most this (0.03 in arXiv 2410.08557, which stops
            so); None goes to the limit.
        epochs: most passes before an oracle stop.
        descent: on a network, the fine-tuning.

    Example:
        >>> problem = UnlearningProblem(np.array([[1.0, 0, 1], [1, 1, 0]]), np.array([1.0, 2.0]), [1])
        >>> BadTeaching(seed=0).labels(problem).round(4)  # the sum of the first two N(0, 1) draws
        array([-0.0064])
    """

    scale: float = field(default=1.0, metadata=LINEAR)
    name = "bad-teacher"
    formula = "w_p + Φ⁺((Φ_R w_p, Φ_F w_b) − Φw_p), w_b ~ N(0, scale² I)"
    source = "Chundawat, Tarun, Mandal, Kankanhalli 2023, arXiv 2205.08096"
    exactness = "not exact, unless Φ(w_r − w_p) happens to be zero on R and what the teacher adds on F"

    def rule(self) -> BadTeacher:
        """The rule."""
        return BadTeacher(self.seed, self.scale)

    def everyone(self, problem: UnlearningProblem) -> Array:
        """Φ_R w_p, then Φ_F w_b."""
        model = float_model(problem)
        labels = problem.label_columns(self.labels(problem))
        return np.asarray(model.stack(model.predict(model.retain, model.pretrained), labels))

    def on_network(self, problem: NetworkProblem) -> list[Array]:
        """θ_p taught by f(θ_p) on R and by the bad teacher on F."""
        outputs = problem.outputs(problem.pretrained)
        outputs[problem.forget] = self.labels(problem)
        return self.descent.fit(problem, np.arange(len(outputs)), problem.as_targets(outputs))

    def _expected(self, problem: UnlearningProblem) -> float | None:
        """‖w_p − w_r − Φ⁺(0; Φ_F w_p)‖² + scale² C tr((K⁺)_FF K_FF) of the limit."""
        return None if self.oracle_stop is not None else Method._expected(self, problem)

    def _moments(self, problem: UnlearningProblem) -> tuple[Point, float]:
        """Where the mean teacher, zero, leads, and the spread of the others about it."""
        model = float_model(problem)
        own = model.predict(model.retain, model.pretrained)
        zero = np.zeros((len(problem.forget), problem.n_outputs))
        mean = model.fit(model.everything, model.stack(own, zero), model.pretrained)
        return mean, self.rule().spread(problem)


def _accuracy(problem: UnlearningProblem, outputs: Array) -> float:
    """Part of the forget samples whose class is the data's: by the nearer of two values, or by the largest output."""
    task = Task.of(problem)
    outputs, targets = task.lifted(outputs), task.targets[task.forget]
    if targets.shape[1] > 1:
        return float(np.mean(outputs.argmax(axis=1) == targets.argmax(axis=1)))
    middle = sum(task.two_values()) / 2
    return float(np.mean((outputs >= middle) == (targets >= middle)))


@final
@checked
@dataclass(frozen=True)
class ClosedFormLabels(Relabelling):
    """Exact labels ỹ_F = Φ_F w_r, shape (n_F,) or (n_F, C), taken from the retrained model.

    On a network they are f_F(θ_r), its softmax under cross-entropy: the ceiling of all relabelling, whose gap is not
    the labels' fault.

    Args:
        descent: on a network, the fine-tuning.

    Example:
        >>> problem = UnlearningProblem(np.array([[1.0, 0, 1], [1, 1, 0]]), np.array([1.0, 2.0]), [1])
        >>> ClosedFormLabels().labels(problem).round(12), ClosedFormLabels()(problem).round(12) + 0.0
        (array([0.5]), array([0.5, 0. , 0.5]))
    """

    descent: Descent = field(
        default=Descent(learning_rate=1e-2, optimizer="momentum"), kw_only=True, metadata=NETWORK
    )
    by = "closed-form"
    name = "exact-labels"
    formula = "w_p + Φ⁺((y_R, Φ_F w_r) − Φw_p)"
    source = "Yang et al. 2024 (MUSO), arXiv 2410.08557"
    exactness = "exact-labels"

    @property
    def needs_retrained(self) -> bool:
        """The labels are the retrained model's predictions."""
        return True

    def on_network(self, problem: NetworkProblem) -> list[Array]:
        """θ_p fine-tuned on R and (X_F, f_F(θ_r))."""
        outputs = problem.outputs(problem.retrain(), problem.forget)
        return self.descent.relabel(problem, problem.as_targets(outputs))


@final
@dataclass(frozen=True)
class LabelFreeLabels(Relabelling):
    """Exact labels from w_p alone, ỹ_F = Φ_F(w₀ + P_R(w_p − w₀)), shape (n_F,) or (n_F, C).

    Example:
        >>> problem = UnlearningProblem(np.array([[1.0, 0, 1], [1, 1, 0]]), np.array([1.0, 2.0]), [1])
        >>> LabelFreeLabels()(problem).round(12) + 0.0
        array([0.5, 0. , 0.5])
    """

    by = "label-free"
    name = "label-free"
    formula = "w_p + Φ⁺((y_R, Φ_F(w₀ + P_R(w_p − w₀))) − Φw_p)"
    source = "Yang et al. 2024 (MUSO), arXiv 2410.08557"
    exactness = "label-free"
    assuming = ("least-squares-on-retain",)


@final
@dataclass(frozen=True)
class LeaveBlockOutLabels(Relabelling):
    """Exact labels from K⁻¹, ỹ_F = y_F − [(K⁻¹)_FF]⁻¹[K⁻¹(y − Φw₀)]_F, shape (n_F,) or (n_F, C).

    A singular K is refused with SingularMatrixError.

    Example:
        >>> problem = UnlearningProblem(np.array([[1.0, 0, 1], [1, 1, 0]]), np.array([1.0, 2.0]), [1])
        >>> LeaveBlockOutLabels()(problem).round(12) + 0.0
        array([0.5, 0. , 0.5])
    """

    by = "leave-block-out"
    name = "leave-block-out"
    formula = "w_p + Φ⁺((y_R, y_F − [(K⁻¹)_FF]⁻¹[K⁻¹(y − Φw₀)]_F) − Φw_p)"
    source = "classical leave-one-out formula, in blocks"
    exactness = "leave-block-out"
    assuming = ("full-rank",)


@final
@checked
@dataclass(frozen=True)
class RidgeLabels(Relabelling):
    """Labels with (K_RR + λI)⁻¹ in place of K_RR⁻¹, shape (n_F,) or (n_F, C).

    Args:
        ridge: λ > 0; others are refused with BadInputError.

    Example:
        >>> problem = UnlearningProblem(np.array([[1.0, 0, 1], [1, 1, 0]]), np.array([1.0, 2.0]), [1])
        >>> RidgeLabels(ridge=0.5).labels(problem).round(12)
        array([0.4])
    """

    ridge: float = 1e-8
    by = "ridge"
    name = "ridge-labels"
    formula = "w_p + Φ⁺((y_R, Φ_F w₀ + K_FR(K_RR + λI)⁻¹(y_R − Φ_R w₀)) − Φw_p)"
    source = "Yang et al. 2024 (MUSO), arXiv 2410.08557"
    exactness = "not exact: the label is off by λ K_FR(K_RR + λI)⁻¹K_RR⁻¹(y_R − Φ_R w₀) (ridge-inverse)"

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        super().__post_init__()
        require_positive("ridge", self.ridge)


@final
@checked
@dataclass(frozen=True)
class SubsampledLabels(Relabelling):
    """Labels Φ_F(w₀ + P_S(w_p − w₀)) from a random part S of R, shape (n_F,) or (n_F, C).

    Args:
        subset: fraction of R in (0, 1]; others are refused with BadInputError.
        seed: seed of the part.

    Example:
        >>> rows = np.array([[1.0, 0, 1], [0, 1, 1], [1, 1, 0]])
        >>> problem = UnlearningProblem(rows, np.array([1.0, 3.0, 2.0]), [2])
        >>> SubsampledLabels(subset=0.5).labels(problem).round(12), LabelFreeLabels().labels(problem).round(12)
        (array([0.5]), array([1.33333333]))
    """

    subset: float = 0.2
    seed: int = 0
    by = "subsample"
    name = "subsampled-labels"
    formula = "w_p + Φ⁺((y_R, Φ_F(w₀ + P_S(w_p − w₀))) − Φw_p), S ⊂ R"
    source = "Yang et al. 2024 (MUSO, variable down-sampling), arXiv 2410.08557"
    exactness = "not exact: these are the labels for unlearning R∖S as well (downsampling)"

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        super().__post_init__()
        require_fraction("subset", self.subset, "0.2")

    def _expected(self, problem: UnlearningProblem) -> float | None:
        """None: the mean over subsets has no closed form."""
        return super()._expected(problem) if self.subset == 1 else None
