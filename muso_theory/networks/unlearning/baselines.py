"""Unlearning methods for networks that the literature compares with: by noise, by a linear view, and all by name.

Those that fine-tune with other weights, targets or masks alone are in :mod:`.finetuning`. All refuse (DivergedError) to
return parameters that are not finite or whose retained loss is ten times that of the untrained network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from muso_theory.arguments import checked
from muso_theory.linear.baselines.method import positive
from muso_theory.networks.functions import Array
from muso_theory.networks.updates import Optimizer

from .alternating import Alternating
from .finetuning import (
    BadTeacher,
    Descent,
    FineTune,
    GradientAscent,
    NegGradPlus,
    Nothing,
    RandomLabels,
    Retrain,
    SalUn,
)
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
@checked
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
@checked
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
class _MinimumNorm(Descent):
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
@checked
@dataclass(frozen=True)
class MinimumNormGradient(_MinimumNorm):
    """As published: shrink θ itself, so that what θ₀ has beyond the retained gradients is lost with the rest."""

    anchored: ClassVar[bool] = False
    name: ClassVar[str] = "minimum-norm"
    formula: ClassVar[str] = "θ ← θ − s(I − P_S)θ, P_S on the gradients of S ⊂ R; then an epoch of min L_R"
    source: ClassVar[str] = "Block, Mokhtari, Shakkottai, NeurIPS 2025, MinNorm-OG"
    exactness: ClassVar[str] = "not exact for a linear model either, unless (I − P_R)θ₀ = 0"


@final
@checked
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
@checked
@dataclass(frozen=True)
class LinearisedLabels(Descent):
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
@checked
@dataclass(frozen=True)
class OracleLabels(Descent):
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
