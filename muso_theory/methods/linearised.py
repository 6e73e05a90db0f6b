"""Unlearning by the labels of a network's linearisation, and what gap they leave, before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from ..arguments import checked
from ..arrays import Array
from ..errors import expected
from ..networks.problem import NetworkProblem
from ..networks.tangent_kernel import empirical_ntk
from .fitting import Descent
from .method import Method
from .ranges import require_nonnegative
from .tangent import tangent_labels

__all__ = ["LinearisedLabels", "PredictedResidual", "predict_residual", "steps_to"]


@final
@checked
@dataclass(frozen=True)
class LinearisedLabels(Method):
    """Relabel once by the optimal labels of the linearisation at θ₀, and fine-tune on everything.

    Under cross-entropy the linear model is fitted by L-BFGS and the labels are its softmax (claim ``convex-loss``).

    Args:
        ridge: ε added to the tangent kernel, or the weight of ½‖θ − θ₀‖² under cross-entropy.
        iterations: of LSMR, where the kernel is too large to form, or of L-BFGS.
        descent: the fine-tuning.
    """

    ridge: float = 0.0
    iterations: int = 100
    descent: Descent = Descent(learning_rate=1e-2, optimizer="momentum")
    name = "linearised-labels"
    formula = "ỹ_F = f_F(θ₀) + Θ_FR Θ_RR⁺(y_R − f_R(θ₀)); fine-tune on R and (X_F, ỹ_F)"
    source = "claims linearised-network and exact-labels"
    exactness = "exact for the linearisation; lazy-training"

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        super().__post_init__()
        require_nonnegative("ridge", self.ridge)

    def labels(self, problem: NetworkProblem) -> Array:
        """The labels.

        Args:
            problem: the problem.

        Returns:
            ỹ_F (n_F, k), distributions under cross-entropy.
        """
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
        return problem.as_targets(outputs)

    def on_network(self, problem: NetworkProblem) -> list[Array]:
        """θ_p fine-tuned on R and (X_F, ỹ_F)."""
        return self.descent.relabel(problem, self.labels(problem))


@final
@dataclass(frozen=True)
class PredictedResidual:
    """Gaps between parameters after so many steps, for the linearised network.

    Args:
        nothing: ‖θ_p − θ_r‖, after the recipe's steps on everything and on R.
        unlearned: ‖θ_u − θ_r‖, after further steps from θ_p with the linearisation's optimal labels.
        step: largest η λ of the three runs; at 2 and beyond descent diverges.
    """

    nothing: float
    unlearned: float
    step: float

    @property
    def relative(self) -> float:
        """The share of the gap of doing nothing that remains."""
        return self.unlearned / self.nothing


@checked
def predict_residual(
    problem: NetworkProblem, epochs: int, learning_rate: float | None = None
) -> PredictedResidual:
    """Gap to retraining that full-batch descent with linearised optimal labels leaves, by claim ``gd-finite-time``.

    Pretraining, retraining and fine-tuning are all run to their finite end in closed form: a step on the mean of
    ½‖f − y‖² over n samples turns the dual coefficients a, θ = θ₀ + Jᵀa, into a + (η/n)(y − f(θ₀) − Θa). Only Θ, the
    tangent kernel at θ₀, is used; neither θ_p nor θ_r is looked at.

    Args:
        problem: with a recipe of squared loss, plain descent and no batches.
        epochs: fine-tuning steps.
        learning_rate: η of fine-tuning; the recipe's when left out.

    Returns:
        Predicted gaps.

    Raises:
        BadInputError: for another recipe, or a kernel Θ_RR that is singular in float64.

    Example:
        >>> from muso_theory.networks import mlp
        >>> from muso_theory.networks import Recipe
        >>> X, recipe = np.eye(4), Recipe("squared", "gd", 0.1, 200, None)
        >>> problem = NetworkProblem.pretrain(mlp([4, 8, 1], "erf", "ntk"), X, X[:, :1], forget=[3], recipe=recipe)
        >>> predict_residual(problem, 10).relative > predict_residual(problem, 2000).relative
        True
    """
    recipe = problem.recipe
    plain = (recipe.loss, recipe.optimizer, recipe.batch_size, recipe.weight_decay) == (
        "squared",
        "gd",
        None,
        0.0,
    )
    if not plain:
        what = "squared loss, optimizer gd, no batches, no weight decay"
        raise expected(what, "recipe", recipe, "another recipe", "Recipe('squared', 'gd', η, epochs, None)")
    n, k = problem.targets.shape
    X = problem.X.astype(np.float64)
    theta = empirical_ntk(problem.net, [a.astype(np.float64) for a in problem.start], X).reshape(n * k, n * k)
    residual = (problem.targets - problem.outputs(problem.start)).astype(np.float64).ravel()
    retain, forget = ((rows[:, None] * k + np.arange(k)).ravel() for rows in (problem.retain, problem.forget))
    everything = np.arange(n * k)
    labels = residual.copy()
    try:
        labels[forget] = theta[np.ix_(forget, retain)] @ np.linalg.solve(
            theta[np.ix_(retain, retain)], residual[retain]
        )
    except np.linalg.LinAlgError:
        hint = "a wider network"
        raise expected("an invertible tangent kernel", "Θ_RR", theta.shape, "singular", hint) from None
    rate = recipe.learning_rate
    zero = np.zeros(n * k)
    pretrained, first = _descend(theta, everything, residual, zero, rate / n, recipe.epochs)
    retrained, second = _descend(theta, retain, residual, zero, rate / len(problem.retain), recipe.epochs)
    rate = recipe.learning_rate if learning_rate is None else learning_rate
    unlearned, third = _descend(theta, everything, labels, pretrained, rate / n, epochs)

    def gap(coefficients: Array) -> float:
        d = coefficients - retrained
        return float(np.sqrt(max(0.0, d @ theta @ d)))

    return PredictedResidual(gap(pretrained), gap(unlearned), max(first, second, third))


@checked
def steps_to(problem: NetworkProblem, relative: float, learning_rate: float | None = None) -> int:
    """Fewest fine-tuning steps after which :func:`predict_residual` promises a residual.

    Args:
        problem: as there.
        relative: the share of the gap of doing nothing that may remain.
        learning_rate: as there.

    Returns:
        The number of steps.

    Raises:
        BadInputError: when a million steps are not enough.

    Example:
        >>> from muso_theory.networks import mlp
        >>> from muso_theory.networks import Recipe
        >>> X, recipe = np.eye(4), Recipe("squared", "gd", 0.1, 200, None)
        >>> problem = NetworkProblem.pretrain(mlp([4, 8, 1], "erf", "ntk"), X, X[:, :1], forget=[3], recipe=recipe)
        >>> steps = steps_to(problem, 0.5)
        >>> predict_residual(problem, steps).relative <= 0.5 < predict_residual(problem, steps - 1).relative
        True
    """
    low, high = 0, 1
    while predict_residual(problem, high, learning_rate).relative > relative:
        low, high = high, 2 * high
        if high > 1_000_000:
            raise expected("a residual that descent reaches", "relative", relative, "float", "a larger one")
    while high - low > 1:
        middle = (low + high) // 2
        enough = predict_residual(problem, middle, learning_rate).relative <= relative
        low, high = (low, middle) if enough else (middle, high)
    return high


def _descend(
    theta: Array, rows: Array, targets: Array, start: Array, rate: float, steps: int
) -> tuple[Array, float]:
    """Dual coefficients after so many steps on some rows, and the largest rate · eigenvalue."""
    values, vectors = np.linalg.eigh(theta[np.ix_(rows, rows)])
    values = np.maximum(values, 0.0)
    remaining = (1 - rate * values) ** steps
    # (1 − (1 − ηλ)^T)/λ, whose limit at λ = 0 is ηT.
    share = np.where(values > 0, (1 - remaining) / np.where(values > 0, values, 1.0), rate * steps)
    wanted = vectors.T @ targets[rows]
    found = start.copy()
    found[rows] = vectors @ (share * wanted + remaining * (vectors.T @ start[rows]))
    return found, float(rate * values[-1])
