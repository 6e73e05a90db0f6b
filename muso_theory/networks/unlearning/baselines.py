"""Unlearning methods for networks that the literature compares with, each small enough to read.

All start from θ_p except retraining, fine-tune with the loss of the problem's recipe, and refuse (DivergedError) to
return parameters that are not finite or whose retained loss is ten times that of the untrained network. L_S is the mean
loss over samples S.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from muso_theory.linear.baselines.method import positive
from muso_theory.linear.baselines.saliency import largest
from muso_theory.networks.functions import Array
from muso_theory.networks.training import loss_and_cotangent
from muso_theory.networks.updates import Optimizer

from .alternating import Alternating
from .labels import fitted_logits, tangent_labels, tangent_operator, tangent_step
from .methods import NetworkMethod
from .problem import NetworkProblem, softmax

__all__ = [
    "METHODS",
    "AnchoredMinimumNormGradient",
    "BadTeacher",
    "FineTune",
    "FisherNoise",
    "GradientAscent",
    "LinearisedLabels",
    "MinimumNormGradient",
    "NegGradPlus",
    "Nothing",
    "NtkScrubbing",
    "OracleLabels",
    "RandomLabels",
    "Retrain",
    "SalUn",
]


@dataclass(frozen=True)
class _Descent(NetworkMethod):
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
@dataclass(frozen=True)
class FineTune(_Descent):
    """Train on, on the retained samples alone."""

    name: ClassVar[str] = "fine-tune"
    formula: ClassVar[str] = "min L_R from θ_p"
    source: ClassVar[str] = "Golatkar et al., CVPR 2020"
    exactness: ClassVar[str] = "a fixed point when θ_p fits R: it then forgets nothing"

    def __call__(self, problem: NetworkProblem) -> list[Array]:
        """Fine-tuned parameters."""
        return self._fit(problem, problem.retain)


@final
@dataclass(frozen=True)
class GradientAscent(_Descent):
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
@dataclass(frozen=True)
class NegGradPlus(_Descent):
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


def _other_classes(problem: NetworkProblem, seed: int) -> Array:
    """For every forget sample a random target row of the data that is not its own, as for linear models."""
    values, own = problem.task.classes()
    step = np.random.default_rng((seed, 1)).integers(1, len(values), size=len(own))
    return np.asarray(values[(own - step) % len(values)])


@final
@dataclass(frozen=True)
class RandomLabels(_Descent):
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
        return self._relabel(problem, _other_classes(problem, self.seed))


@final
@dataclass(frozen=True)
class BadTeacher(_Descent):
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
@dataclass(frozen=True)
class SalUn(_Descent):
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
        gradient = problem.net.flatten(_gradient(problem, problem.pretrained, problem.forget))
        mask = problem.net.unflatten(largest(np.abs(gradient), self.share))
        return self._relabel(problem, _other_classes(problem, self.seed), mask=mask)


def _gradient(problem: NetworkProblem, params: Sequence[Array], samples: Array) -> list[Array]:
    """∇L_S, the mean over samples S."""
    out, cache = problem.net.forward(params, problem.X[samples])
    _, cotangent = loss_and_cotangent(out, problem.targets[samples], problem.recipe.loss)
    return problem.net.pull_back(params, cache, cotangent / len(samples))


def fisher_diagonal(problem: NetworkProblem, samples: Array) -> Array:
    """Diagonal of the Fisher information at θ_p, the mean over some samples.

    Under cross-entropy it is E_c (∂ log p_c)² with c drawn from the model's own p; under the squared loss, that of a
    normal likelihood of unit variance, Σ_c (∂ f_c)².

    Args:
        problem: the problem.
        samples: indices.

    Returns:
        (D,) in float64, in the order of ``net.flatten``.
    """
    total = np.zeros(problem.net.n_params)
    for begin in range(0, len(samples), 16):  # a Jacobian of 16 samples at a time
        chosen = samples[begin : begin + 16]
        J = problem.net.jacobian(problem.pretrained, problem.X[chosen]).astype(np.float64)
        if problem.recipe.loss == "cross-entropy":
            p = softmax(problem.outputs(problem.pretrained, chosen))[:, :, None]
            J = np.sqrt(p) * (J - np.sum(p * J, axis=1, keepdims=True))
        total += np.einsum("nkd,nkd->d", J, J)
    return total / len(samples)


@final
@dataclass(frozen=True)
class FisherNoise(NetworkMethod):
    """Add noise where the retained samples do not mind.

    The Fisher information is that of the model's own predictive distribution, as in the paper; gradients at the true
    labels vanish once the data are fitted, and with them the difference between parameters that matter and others.

    Args:
        alpha: α = (λσ_h²)^¼ of the paper, as in the linear method of this name.
        damping: ε > 0, as there: a parameter that no sample sees gets noise of deviation α ε^(−¼).
        samples: retained samples from which the diagonal of the Fisher information is estimated.
        seed: of samples and noise.
    """

    alpha: float = 1e-2
    damping: float = 1e-4
    samples: int = 200
    seed: int = 0

    name: ClassVar[str] = "fisher-noise"
    formula: ClassVar[str] = (
        "θ_u = θ_p + α(F_R + εI)^(−¼) n, n ~ N(0, I); F_R the diagonal of the mean Fisher information"
    )
    source: ClassVar[str] = "Golatkar et al., CVPR 2020, Fisher forgetting"
    exactness: ClassVar[str] = "never; indistinguishability for a quadratic loss"

    def __post_init__(self) -> None:
        """Refuse what is no noise."""
        positive("alpha", self.alpha)
        positive("damping", self.damping)

    def __call__(self, problem: NetworkProblem) -> list[Array]:
        """Noisy parameters."""
        rng = np.random.default_rng((self.seed, 3))
        chosen = rng.permutation(problem.retain)[: self.samples]
        fishers = problem.net.unflatten(fisher_diagonal(problem, chosen))
        noisy = []
        for array, fisher in zip(problem.pretrained, fishers, strict=True):
            spread = self.alpha * (fisher + self.damping) ** -0.25
            noisy.append((array + spread * rng.standard_normal(array.shape)).astype(array.dtype))
        return problem.check_trained(noisy, self.alpha)


@final
@dataclass(frozen=True)
class NtkScrubbing(NetworkMethod):
    """Shift θ_p by the difference of the two linearised solutions, on R and on everything.

    They are those of the recipe's loss: least squares, or under cross-entropy two softmax models by L-BFGS.

    Args:
        ridge: ε added to the tangent kernel, or the weight of ½‖θ − θ₀‖² under cross-entropy.
        iterations: of LSMR, where the kernel is too large to form, or of L-BFGS.
    """

    ridge: float = 1e-2
    iterations: int = 50

    name: ClassVar[str] = "ntk-scrubbing"
    formula: ClassVar[str] = "θ_u = θ_p + J_R⁺(y_R − b_R) − J⁺(y − b), J at θ_p, b = f(θ_p) − J(θ_p − θ₀)"
    source: ClassVar[str] = "Golatkar et al., ECCV 2020"
    exactness: ClassVar[str] = "exact for a linear model; linearised-network"

    def __call__(self, problem: NetworkProblem) -> list[Array]:
        """Shifted parameters."""
        net, params = problem.net, problem.pretrained
        offset = net.flatten(params) - net.flatten(problem.start)
        steps = []
        for samples in (problem.retain, np.arange(len(problem.X))):
            X = problem.X[samples]
            J = tangent_operator(net, params, X)
            base = problem.outputs(params, samples) - (J @ offset).reshape(len(samples), -1)
            settings: dict[str, Any] = {"ridge": self.ridge, "iterations": self.iterations}
            targets = problem.targets[samples]
            if problem.recipe.loss == "cross-entropy":
                steps.append(fitted_logits(J, base, targets, **settings))
            else:
                steps.append(tangent_step(net, params, X, targets - base, **settings))
        moved = net.flatten(params) + (steps[0] - steps[1])
        return problem.check_trained([a.astype(problem.X.dtype) for a in net.unflatten(moved)], 1.0)


@dataclass(frozen=True)
class _MinimumNorm(_Descent):
    """Shrink what no retained gradient sees, then repair on the retained samples.

    Args:
        strength: share of the unseen displacement that a round takes away.
        subset: retained samples whose gradients are kept.
    """

    epochs: int = 3
    strength: float = 1.0
    subset: int = 64

    anchored: ClassVar[bool]
    """Whether displacements are measured from θ₀; else from zero."""

    def __call__(self, problem: NetworkProblem) -> list[Array]:
        """Parameters after all rounds."""
        net, rng = problem.net, np.random.default_rng((self.seed, 4))
        params, origin = list(problem.pretrained), net.flatten(problem.start) * self.anchored
        for round_ in range(self.epochs):
            chosen = np.sort(rng.permutation(problem.retain)[: self.subset])
            theta = net.flatten(params).astype(np.float64)
            J = tangent_operator(net, params, problem.X[chosen])
            seen = tangent_step(net, params, problem.X[chosen], J @ (theta - origin))
            theta = theta - self.strength * (theta - origin - seen)
            params = [a.astype(problem.X.dtype) for a in net.unflatten(theta)]
            params = self._fit(problem, problem.retain, params=params, epochs=1, seed=self.seed + round_)
        return params


@final
@dataclass(frozen=True)
class MinimumNormGradient(_MinimumNorm):
    """As published: shrink θ itself, so that what θ₀ has beyond the retained gradients is lost with the rest."""

    anchored: ClassVar[bool] = False
    name: ClassVar[str] = "minimum-norm"
    formula: ClassVar[str] = "θ ← θ − s(I − P_S)θ, P_S on the gradients of S ⊂ R; then an epoch of min L_R"
    source: ClassVar[str] = "Block, Mokhtari, Shakkottai, NeurIPS 2025, MinNorm-OG"
    exactness: ClassVar[str] = "not exact for a linear model either, unless (I − P_R)θ₀ = 0"


@final
@dataclass(frozen=True)
class AnchoredMinimumNormGradient(_MinimumNorm):
    """The same measured from θ₀, where retraining starts: shrink θ − θ₀."""

    anchored: ClassVar[bool] = True
    name: ClassVar[str] = "minimum-norm-anchored"
    formula: ClassVar[str] = (
        "θ ← θ − s(I − P_S)(θ − θ₀), P_S on the gradients of S ⊂ R; then an epoch of min L_R"
    )
    source: ClassVar[str] = "after Block, Mokhtari, Shakkottai, NeurIPS 2025, who measure from zero"
    exactness: ClassVar[str] = "label-free, for a linear model and S = R"


@final
@dataclass(frozen=True)
class LinearisedLabels(_Descent):
    """Relabel once by the optimal labels of the linearisation at θ₀, and fine-tune on everything.

    Under cross-entropy the linear model is fitted by L-BFGS and the labels are its softmax (claim ``convex-loss``).

    Args:
        ridge: ε added to the tangent kernel, or the weight of ½‖θ − θ₀‖² under cross-entropy.
        iterations: of LSMR, where the kernel is too large to form, or of L-BFGS.
    """

    learning_rate: float = 1e-2
    optimizer: Optimizer = "momentum"
    ridge: float = 0.0
    iterations: int = 100

    name: ClassVar[str] = "linearised-labels"
    formula: ClassVar[str] = "ỹ_F = f_F(θ₀) + Θ_FR Θ_RR⁺(y_R − f_R(θ₀)); fine-tune on R and (X_F, ỹ_F)"
    source: ClassVar[str] = "claims linearised-network and exact-labels"
    exactness: ClassVar[str] = "exact for the linearisation; lazy-training"

    def labels(self, problem: NetworkProblem) -> Array:
        """The labels.

        Args:
            problem: the problem.

        Returns:
            ỹ_F (n_F, k), distributions under cross-entropy.
        """
        soft = problem.recipe.loss == "cross-entropy"
        outputs = tangent_labels(
            problem.net,
            problem.pretrained,
            problem.start,
            problem.start,
            problem.X[problem.retain],
            problem.X[problem.forget],
            problem.targets[problem.retain],
            loss=problem.recipe.loss,
            ridge=self.ridge,
            iterations=self.iterations,
        )
        return softmax(outputs) if soft else outputs

    def __call__(self, problem: NetworkProblem) -> list[Array]:
        """Fine-tuned parameters."""
        return self._relabel(problem, self.labels(problem))


@final
@dataclass(frozen=True)
class OracleLabels(_Descent):
    """Relabel by the retrained model's own outputs and fine-tune on everything: the ceiling of all relabelling.

    It needs θ_r, so it unlearns nothing that was not unlearned already; what gap it leaves is not the labels' fault.
    """

    learning_rate: float = 1e-2
    optimizer: Optimizer = "momentum"

    name: ClassVar[str] = "oracle-labels"
    formula: ClassVar[str] = "ỹ_F = f_F(θ_r); fine-tune on R and (X_F, ỹ_F)"
    source: ClassVar[str] = "claim exact-labels"
    exactness: ClassVar[str] = "exact for a linear model; lazy-training"

    def __call__(self, problem: NetworkProblem) -> list[Array]:
        """Fine-tuned parameters."""
        retrained = problem.retrain() if problem.retrained is None else problem.retrained
        outputs = problem.outputs(retrained, problem.forget)
        return self._relabel(problem, softmax(outputs) if problem.recipe.loss == "cross-entropy" else outputs)


METHODS: dict[str, type[NetworkMethod]] = {
    method.name: method
    for method in (
        Retrain,
        Nothing,
        FineTune,
        GradientAscent,
        NegGradPlus,
        RandomLabels,
        BadTeacher,
        SalUn,
        NtkScrubbing,
        FisherNoise,
        MinimumNormGradient,
        AnchoredMinimumNormGradient,
        LinearisedLabels,
        OracleLabels,
        Alternating,
    )
}
"""Every method by name."""
