"""Labels as differences: what a linear view of a network is trusted with, and what it is not.

The linear view f(θ) ≈ f(θ₀) + J(θ − θ₀) of an ordinary network is off by more than the little that forgetting random
samples changes. What it gets right is a difference: it is trained twice, on all samples and on the retained ones, for
as many steps, and what these two differ by is added to the outputs of the network itself,

    ỹ = f(θ_p) + f_lin,R(t) − f_lin,all(t).

Retraining stops early, so that its outputs on R are no targets either: all samples get such labels (claim
early-stopping: with all labels free the stopped model is reached exactly; with the targets of R it is not). The number
of steps t is that after which the linear view fits its training data as well as θ_p does; θ_r is not looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from muso_theory.arrays import Array
from muso_theory.methods import Descent
from muso_theory.networks import NetworkProblem, empirical_ntk

__all__ = [
    "Kernel",
    "LinearOutputs",
    "adam_metric",
    "epochs_to",
    "kernel_at",
    "linear_outputs",
    "unlearn_stably",
]

LEFT = 0.03
"""Share of the change of the outputs on F that the predicted number of epochs leaves."""
MOST_EPOCHS = 60
_ITERATIONS = 300
"""Steps of the linear view at most."""


class Kernel:
    """The tangent kernel on all samples, its mean over outputs, with its eigenvalues.

    Args:
        values: (n, n).
    """

    def __init__(self, values: Array) -> None:
        self.values = np.asarray(values, dtype=np.float64)
        self.eigenvalues, self.vectors = np.linalg.eigh(self.values)
        self.largest = float(self.eigenvalues[-1])


def kernel_at(problem: NetworkProblem, params: Sequence[Array], metric: Array | None = None) -> Kernel:
    """Σ_c J_c M⁻¹ J_cᵀ/k at some parameters; M is diagonal, the identity when left out (claim momentum)."""
    k = problem.net.n_out
    if metric is None:
        return Kernel(empirical_ntk(problem.net, params, problem.X, contract="trace") / k)
    J = problem.net.jacobian(params, problem.X)
    J *= (1 / np.sqrt(metric)).astype(J.dtype)
    return Kernel(sum(J[:, c] @ J[:, c].T for c in range(k)) / k)


def adam_metric(problem: NetworkProblem, params: Sequence[Array], batches: int = 40) -> Array:
    """√E[g²] + 1e-8 over random batches of the recipe, (D,): the metric in which Adam steps near these parameters."""
    rng, square, size = np.random.default_rng(problem.recipe.seed), 0.0, problem.recipe.batch_size or 64
    for _ in range(batches):
        rows = rng.permutation(len(problem.X))[:size]
        outputs, cache = problem.net.chain.forward(params, problem.X[rows])
        error = (problem.as_targets(outputs) - problem.targets[rows]) / len(rows)
        gradient = problem.net.flatten(problem.net.pull_back(params, cache, error.astype(problem.X.dtype)))
        square = square + np.square(gradient, dtype=np.float64) / batches
    return np.asarray(np.sqrt(square) + 1e-8)


class _LinearView:
    """Nesterov's descent of the linear view, in dual coefficients; the loss is that of the recipe."""

    def __init__(self, problem: NetworkProblem, kernel: Kernel, rows: Array) -> None:
        self.problem, self.values, self.rows = problem, kernel.values[:, rows], rows
        self.base = problem.outputs(problem.start).astype(np.float64)
        # The Hessian of softmax is at most a half, that of ½‖·‖² one.
        self.rate = (2.0 if problem.recipe.loss == "cross-entropy" else 1.0) / kernel.largest
        self.dual = self.ahead = np.zeros((len(rows), problem.net.n_out))
        self.steps = 0

    def outputs(self) -> Array:
        """On all samples."""
        return np.asarray(self.base + self.values @ self.dual)

    def misfit(self, outputs: Array) -> float:
        """‖y − f‖, under cross-entropy ‖y − softmax f‖, over all samples."""
        return float(np.linalg.norm(self.problem.targets - self.problem.as_targets(outputs)))

    def step(self) -> None:
        """One step."""
        seen = self.base[self.rows] + self.values[self.rows] @ self.ahead
        error = self.problem.targets[self.rows] - self.problem.as_targets(seen)
        moved = self.ahead + self.rate * error
        self.steps += 1
        self.ahead = moved + (self.steps - 1) / (self.steps + 2) * (moved - self.dual)
        self.dual = moved


@dataclass(frozen=True, eq=False)
class LinearOutputs:
    """Outputs of the linear view after the same number of steps on either set, (n, k).

    Args:
        everyone: trained on all samples.
        retained: trained on R.
        steps: how many.
        fits: whether it came to fit all samples as well as θ_p does.
    """

    everyone: Array
    retained: Array
    steps: int
    fits: bool

    def labels(self, problem: NetworkProblem) -> Array:
        """ỹ of all samples, outputs (n, k)."""
        return np.asarray(problem.outputs(problem.pretrained) + self.retained - self.everyone)


def linear_outputs(problem: NetworkProblem, kernel: Kernel, iterations: int = _ITERATIONS) -> LinearOutputs:
    """Train the linear view on all samples and on R, until it fits all of them as well as θ_p does."""
    everyone = _LinearView(problem, kernel, np.arange(len(problem.X)))
    retained = _LinearView(problem, kernel, problem.retain)
    enough = everyone.misfit(problem.outputs(problem.pretrained).astype(np.float64))
    fits = everyone.misfit(everyone.outputs()) <= enough
    while not fits and everyone.steps < iterations:
        everyone.step()
        retained.step()
        fits = everyone.misfit(everyone.outputs()) <= enough
    return LinearOutputs(everyone.outputs(), retained.outputs(), everyone.steps, fits)


def epochs_to(
    problem: NetworkProblem, kernel: Kernel, labels: Array, rate: float, batch: int, left: float = LEFT
) -> tuple[int, float]:
    """Fewest epochs of descent on ½‖f − ỹ‖² that leave a share of the change on F, by claim gd-finite-time.

    A step on the mean of a batch moves the outputs, in the mean over batches, by (η/n) K (ỹ − f).

    Returns:
        The number, at most ``MOST_EPOCHS``, and the share that it leaves.
    """
    vectors = kernel.vectors
    wanted = vectors.T @ (labels - problem.outputs(problem.pretrained)).astype(np.float64)
    n, forget = len(problem.X), problem.forget
    each = (1 - rate / n * np.maximum(kernel.eigenvalues, 0)) ** -(-n // batch)
    change = float(np.linalg.norm((vectors @ wanted)[forget]))
    share, epochs = 1.0, 0
    while share > left and epochs < MOST_EPOCHS:
        epochs += 1
        rest = vectors @ (each[:, None] ** epochs * wanted)
        share = float(np.linalg.norm(rest[forget])) / (change or 1.0)
    return epochs, share


def unlearn_stably(
    problem: NetworkProblem, kernel: Kernel, labels: Array, seed: int, batch: int = 64
) -> tuple[list[Array], dict[str, Any]]:
    """Descend on ½‖f − ỹ‖² over all samples, at a quarter of the largest stable step, for as long as theory asks for.

    Plain descent stays in row(J), where labels fix the end (claim start-span); Adam leaves it.

    Returns:
        θ_u; and of the change of the outputs on F the share that is left, predicted and measured.
    """
    rate = 0.5 * len(problem.X) / kernel.largest  # η λ_max/n = ½: batches differ, so the mean must have room
    epochs, predicted = epochs_to(problem, kernel, labels, rate, batch)
    descent = Descent(epochs, rate, "gd", batch, seed)
    params = descent.fit(problem, np.arange(len(problem.X)), labels, loss="squared")
    change = labels - problem.outputs(problem.pretrained)
    left = labels - problem.outputs(params)
    sizes = [float(np.linalg.norm(array[problem.forget])) for array in (left, change)]
    return params, {
        "epochs": epochs,
        "left, predicted": predicted,
        "left, measured": sizes[0] / (sizes[1] or 1.0),
    }
