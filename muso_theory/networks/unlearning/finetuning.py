"""Unlearning by fine-tuning θ_p with other weights, targets or masks, as the literature does it.

All fine-tune with the loss of the problem's recipe, and refuse (DivergedError) to return parameters that are not finite
or whose retained loss is ten times that of the untrained network. L_S is the mean loss over samples S.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from muso_theory.arguments import checked
from muso_theory.linear.baselines.saliency import largest
from muso_theory.networks.functions import Array
from muso_theory.networks.training import loss_and_cotangent
from muso_theory.networks.updates import Optimizer

from .methods import NetworkMethod
from .problem import NetworkProblem, softmax

__all__ = [
    "BadTeacher",
    "Descent",
    "FineTune",
    "GradientAscent",
    "NegGradPlus",
    "Nothing",
    "RandomLabels",
    "Retrain",
    "SalUn",
]


@dataclass(frozen=True)
class Descent(NetworkMethod):
    """A method that fine-tunes.

    Args:
        epochs: passes.
        learning_rate: η.
        optimizer: the rule.
        batch_size: samples a step.
        seed: of batches and of the method's own draws.
    """

    epochs: int = 5
    learning_rate: float = 1e-3
    optimizer: Optimizer = "adam"
    batch_size: int | None = 64
    seed: int = 0

    def _fit(
        self, problem: NetworkProblem, samples: Array, targets: Array | None = None, **extra: Any
    ) -> list[Array]:
        """Fine-tune θ_p on some samples, with other targets if given."""
        params = extra.pop("params", problem.pretrained)
        wanted = problem.targets[samples] if targets is None else targets.astype(problem.X.dtype)
        settings: dict[str, Any] = {
            "epochs": self.epochs,
            "learning_rate": self.learning_rate,
            "optimizer": self.optimizer,
            "batch_size": self.batch_size,
            "weight_decay": 0.0,
            "seed": self.seed,
        } | extra
        found = problem.recipe.fit(problem.net, params, problem.X[samples], wanted, **settings)
        return problem.check_trained(found, self.learning_rate)

    def _relabel(self, problem: NetworkProblem, labels: Array, **extra: Any) -> list[Array]:
        """Fine-tune on everything, the forget samples relabelled."""
        targets = problem.targets.copy()
        targets[problem.forget] = labels
        return self._fit(problem, np.arange(len(problem.X)), targets, **extra)


@final
@dataclass(frozen=True)
class Retrain(NetworkMethod):
    """Train again from θ₀ on the retained samples."""

    name: ClassVar[str] = "retrain"
    formula: ClassVar[str] = "θ_r = train(θ₀, R)"
    source: ClassVar[str] = "definition"
    exactness: ClassVar[str] = "exact by definition"

    def __call__(self, problem: NetworkProblem) -> list[Array]:
        """θ_r, as it is known or trained now."""
        return problem.check_trained(
            list(problem.retrain() if problem.retrained is None else problem.retrained),
            problem.recipe.learning_rate,
        )


@final
@dataclass(frozen=True)
class Nothing(NetworkMethod):
    """Keep the pretrained model."""

    name: ClassVar[str] = "none"
    formula: ClassVar[str] = "θ_u = θ_p"
    source: ClassVar[str] = "definition"
    exactness: ClassVar[str] = "never, unless the forget samples did not matter"

    def __call__(self, problem: NetworkProblem) -> list[Array]:
        """θ_p."""
        return list(problem.pretrained)


@final
@checked
@dataclass(frozen=True)
class FineTune(Descent):
    """Train on, on the retained samples alone."""

    name: ClassVar[str] = "fine-tune"
    formula: ClassVar[str] = "min L_R from θ_p"
    source: ClassVar[str] = "Golatkar et al., CVPR 2020"
    exactness: ClassVar[str] = "a fixed point when θ_p fits R: it then forgets nothing"

    def __call__(self, problem: NetworkProblem) -> list[Array]:
        """Fine-tuned parameters."""
        return self._fit(problem, problem.retain)


@final
@checked
@dataclass(frozen=True)
class GradientAscent(Descent):
    """Climb the loss of the forget samples."""

    epochs: int = 1
    learning_rate: float = 1e-4

    name: ClassVar[str] = "gradient-ascent"
    formula: ClassVar[str] = "max L_F from θ_p"
    source: ClassVar[str] = "Thudi et al., EuroS&P 2022; Graves et al., AAAI 2021"
    exactness: ClassVar[str] = "never; the loss has no maximum"

    def __call__(self, problem: NetworkProblem) -> list[Array]:
        """Parameters after the climb."""
        return self._fit(problem, problem.forget, weights=-np.ones(len(problem.forget)))


@final
@checked
@dataclass(frozen=True)
class NegGradPlus(Descent):
    """Descend on the retained samples and climb on the forget samples.

    Args:
        balance: β.
    """

    learning_rate: float = 3e-4
    balance: float = 0.95

    name: ClassVar[str] = "neggrad+"
    formula: ClassVar[str] = "min β L_R − (1 − β) L_F from θ_p"
    source: ClassVar[str] = "Kurmanji et al., NeurIPS 2023"
    exactness: ClassVar[str] = "never in general"

    def __call__(self, problem: NetworkProblem) -> list[Array]:
        """Parameters after the descent."""
        n, n_forget = len(problem.X), len(problem.forget)
        # Weighted so that a mean over all samples is the objective.
        weights = np.full(n, self.balance * n / (n - n_forget))
        weights[problem.forget] = -(1 - self.balance) * n / n_forget
        return self._fit(problem, np.arange(n), weights=weights)


def other_classes(problem: NetworkProblem, seed: int) -> Array:
    """For every forget sample a random target row of the data that is not its own, as for linear models."""
    values, own = problem.task.classes()
    step = np.random.default_rng((seed, 1)).integers(1, len(values), size=len(own))
    return np.asarray(values[(own - step) % len(values)])


@final
@checked
@dataclass(frozen=True)
class RandomLabels(Descent):
    """Relabel the forget samples by random other classes and fine-tune on everything ("amnesiac").

    Classes are the distinct target rows of the data, one-hot or of other values; regression is refused
    (BadInputError).
    """

    name: ClassVar[str] = "random-labels"
    formula: ClassVar[str] = "ỹ_F ~ uniform over the other target rows; fine-tune on R and (X_F, ỹ_F)"
    source: ClassVar[str] = "Graves et al., AAAI 2021"
    exactness: ClassVar[str] = "never in general; for a linear model the gap is that of gap-formula"

    def __call__(self, problem: NetworkProblem) -> list[Array]:
        """Fine-tuned parameters."""
        return self._relabel(problem, other_classes(problem, self.seed))


@final
@checked
@dataclass(frozen=True)
class BadTeacher(Descent):
    """Imitate a random network on the forget samples and the pretrained one on the retained samples.

    Distilling with cross-entropy on soft labels has the gradient of the divergence KL(teacher ‖ student).
    """

    name: ClassVar[str] = "bad-teacher"
    formula: ClassVar[str] = "min KL(f(θ_p) ‖ f) on R + KL(f(θ_random) ‖ f) on F"
    source: ClassVar[str] = "Chundawat et al., AAAI 2023"
    exactness: ClassVar[str] = "never in general"

    def __call__(self, problem: NetworkProblem) -> list[Array]:
        """The student."""
        random = [a.astype(problem.X.dtype) for a in problem.net.init(np.random.default_rng((self.seed, 2)))]
        outputs = problem.outputs(problem.pretrained)
        outputs[problem.forget] = problem.outputs(random, problem.forget)
        soft = softmax(outputs) if problem.recipe.loss == "cross-entropy" else outputs
        return self._fit(problem, np.arange(len(problem.X)), soft)


@final
@checked
@dataclass(frozen=True)
class SalUn(Descent):
    """Random labels, but only the parameters move that matter most to the forget samples.

    Args:
        share: of the P parameters, ⌈share·P⌉ may move; ties go to the earlier parameter.
    """

    share: float = 0.5

    name: ClassVar[str] = "salun"
    formula: ClassVar[str] = "random-labels, only the ⌈share·P⌉ parameters of largest |∇L_F(θ_p)| move"
    source: ClassVar[str] = "Fan et al., ICLR 2024"
    exactness: ClassVar[str] = "never in general"

    def __call__(self, problem: NetworkProblem) -> list[Array]:
        """Fine-tuned parameters."""
        gradient = problem.net.flatten(mean_gradient(problem, problem.pretrained, problem.forget))
        mask = problem.net.unflatten(largest(np.abs(gradient), self.share))
        return self._relabel(problem, other_classes(problem, self.seed), mask=mask)


def mean_gradient(problem: NetworkProblem, params: Sequence[Array], samples: Array) -> list[Array]:
    """∇L_S, the mean over samples S."""
    out, cache = problem.net.forward(params, problem.X[samples])
    _, cotangent = loss_and_cotangent(out, problem.targets[samples], problem.recipe.loss)
    return problem.net.pull_back(params, cache, cotangent / len(samples))
