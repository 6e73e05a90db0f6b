"""The method of difference labels in the study of causes: its own run, and its linear view in other metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from muso_theory.arrays import Array
from muso_theory.methods import DifferenceLabels
from muso_theory.methods.difference import MeanKernel
from muso_theory.networks import NetworkProblem, empirical_ntk

__all__ = ["adam_metric", "difference", "kernel_at"]


def difference(problem: NetworkProblem, seed: int) -> tuple[list[Array], dict[str, Any]]:
    """What theory supports: differences of the linear view at θ_p as labels of all samples, plain stable descent.

    Returns:
        θ_u; and of the change of the outputs on F the share that is left, predicted and measured.
    """
    found = DifferenceLabels(seed=seed).run(problem)
    return found.params, {
        "epochs": found.epochs,
        "left, predicted": found.predicted,
        "left, measured": found.measured,
        "steps of the linear view": found.steps,
        "fits": found.fits,
    }


def kernel_at(problem: NetworkProblem, params: Sequence[Array], metric: Array | None = None) -> MeanKernel:
    """Σ_c J_c M⁻¹ J_cᵀ/k at some parameters; M is diagonal, the identity when left out (claim momentum)."""
    k = problem.net.n_out
    if metric is None:
        return MeanKernel(empirical_ntk(problem.net, params, problem.X, contract="trace") / k)
    J = problem.net.jacobian(params, problem.X)
    J *= (1 / np.sqrt(metric)).astype(J.dtype)
    return MeanKernel(sum(J[:, c] @ J[:, c].T for c in range(k)) / k)


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
