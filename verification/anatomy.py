"""The parts of one problem, for figures: spectrum of K, labels of the forget set, and kernels of networks by layer.

Nothing is compared here; the campaign fails only if the labels called optimal are not what the retrained model says.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from muso_theory import optimal_labels
from muso_theory.linear.features import GaussianFeatures
from muso_theory.linear.rules import BadTeacher, OriginalLabels, RandomLabels
from muso_theory.networks import cnn, empirical_ntk, mlp, parametrised_layers

from .campaign import Options
from .scenarios import scenario

__all__ = ["SECONDS", "run"]

SECONDS = (1, 5)
DATA, SEED, BANDWIDTH = "digits:3,7", 0, 2.0


def _linear(quick: bool) -> dict[str, Any]:
    """Spectrum and labels of the linear problem."""
    n_features, n_retain, n_forget = (400, 60, 20) if quick else (3000, 200, 60)
    found = scenario(DATA, "random", SEED, n_retain=n_retain, n_forget=n_forget)
    problem, _ = found.problem(
        GaussianFeatures(n_features, bandwidth=BANDWIDTH, seed=SEED), noise=1.0, seed=SEED
    )
    phi = problem.features
    retain = found.retain
    gram = phi @ phi.T
    eigenvalues = np.linalg.eigvalsh(gram)[::-1]
    optimal = np.asarray(optimal_labels(problem)).ravel()
    start = np.zeros(phi.shape[1]) if problem.w_init is None else np.asarray(problem.w_init).ravel()
    residual = np.asarray(problem.targets).ravel()[retain] - phi[retain] @ start
    retrained = start + phi[retain].T @ np.linalg.solve(gram[np.ix_(retain, retain)], residual)
    labels = {
        "original": OriginalLabels()(problem),
        "optimal": optimal,
        "random": RandomLabels(seed=SEED)(problem),
        "bad teacher": BadTeacher(seed=SEED)(problem),
    }
    off = float(np.abs(phi[found.forget] @ retrained - optimal).max() / np.abs(optimal).max())
    return {
        "data": DATA,
        "seed": SEED,
        "bandwidth": BANDWIDTH,
        "n_features": n_features,
        "n_retain": n_retain,
        "n_forget": n_forget,
        "eigenvalues": eigenvalues.tolist(),
        "step limit of gradient descent": 2 / float(eigenvalues[0]),
        "step limit of one sample": 2 / float(np.max(np.diag(gram))),
        "labels": {name: np.asarray(values).ravel().tolist() for name, values in labels.items()},
        "optimal labels off": off,
    }


def _layers(quick: bool) -> list[dict[str, Any]]:
    """Trace of each layer's part of the tangent kernel at the start of training, as a share of the whole."""
    width = 16 if quick else 128
    X = scenario(DATA, "random", SEED, n_retain=10, n_forget=10).X
    nets = {
        "MLP": (mlp([X.shape[1], width, width, 1]), X),
        "CNN": (cnn((8, 8, 1), (width // 4, width // 4), 1), X.reshape(-1, 8, 8, 1)),
    }
    found = []
    for name, (net, inputs) in nets.items():
        kernels = empirical_ntk(net, net.init(SEED), inputs, contract="trace", per_layer=True)
        traces = np.trace(kernels, axis1=1, axis2=2)
        found.append(
            {
                "network": name,
                "width": width,
                "n": len(X),
                "seed": SEED,
                "layers": parametrised_layers(net),
                "shares of the trace": (traces / traces.sum()).tolist(),
            }
        )
    return found


def run(quick: bool, options: Options) -> dict[str, Any]:
    """Take one problem apart.

    Returns:
        The content of the result file.
    """
    linear = _linear(quick)
    failed = not linear["optimal labels off"] < 1e-6
    words = f"optimal labels are the retrained model's to {linear['optimal labels off']:.0e}, relative to the largest"
    return {"linear": linear, "networks": _layers(quick), "failed": failed, "verdict": words}
