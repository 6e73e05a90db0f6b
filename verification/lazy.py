"""Campaign ``lazy``: how far unlearning a finite network is from unlearning its linearisation, as its width grows.

Claim ``lazy-training``: pretrain, retrain and unlearn the true network by full-batch gradient descent from one
random start, the forget samples relabelled by the optimal labels *of the linearisation*, and compare what comes
out with retraining, in parameters and in outputs on held-out digits. For the linearisation itself the gap is zero;
for the network it is measured, relative to the gap of not unlearning. Beside it: what the outputs of the retrained
network itself would do as labels, what wrong labels do (the control), and how far the kernel drifted,
‖Θ_t − Θ_0‖/‖Θ_0‖.

Nothing here asserts a rate. Settings in which the linearisation is a poor guide are part of the campaign: deeper
networks, relu kinks, and steps near and beyond the largest that the linearisation bears (``rate`` is the step times
λ_max(Θ₀), stable below 2).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from muso_theory.errors import MusoError
from muso_theory.networks import Sequential, empirical_ntk, mlp, train
from muso_theory.networks.rates import fit_slope

from .campaign import Options, measure_points
from .tables import Column, table

__all__ = ["WIDTHS", "digits", "measure", "points", "run", "summarise", "tabulate", "unlearn"]

SECONDS = (20, 700)
"""Expected time of the quick and of the full campaign on two cores."""

WIDTHS = (32, 64, 128, 256, 512, 1024, 2048, 4096)
DEEP_WIDTHS = WIDTHS[:6]
"""Deeper networks are trained up to width 1,024: a step costs width² there."""

SETTINGS = (
    {"activation": "erf", "depth": 1, "rate": 1.0, "seeds": 8},
    {"activation": "relu", "depth": 1, "rate": 1.0, "seeds": 8},
    {"activation": "erf", "depth": 1, "rate": 3.0, "seeds": 5},
    {"activation": "relu", "depth": 1, "rate": 1.9, "seeds": 5},
    {"activation": "relu", "depth": 1, "rate": 3.0, "seeds": 5},
    {"activation": "erf", "depth": 2, "rate": 1.0, "seeds": 5},
    {"activation": "relu", "depth": 2, "rate": 1.0, "seeds": 5},
    {"activation": "relu", "depth": 3, "rate": 1.0, "seeds": 3},
)

QUANTITIES = (
    "parameter_gap_linearised",
    "output_gap_linearised",
    "parameter_gap_retrained",
    "parameter_gap_opposite",
    "label_error",
    "drift_pretrained",
)


def points(quick: bool = False) -> list[dict[str, Any]]:
    """All points of the campaign, the expensive ones first; a quick run has few widths, seeds and settings."""
    found = [
        {**setting, "width": width, "seed": seed, "epochs": 40_000}
        for setting in (SETTINGS[:2] if quick else SETTINGS)
        for width in ((32, 128, 512) if quick else WIDTHS if setting["depth"] == 1 else DEEP_WIDTHS)
        for seed in range(2 if quick else setting["seeds"])
    ]
    for point in found:
        del point["seeds"]
    return sorted(found, key=lambda point: -(point["width"] ** min(point["depth"], 2)))


def digits(n: int, seed: int, classes: tuple[int, int] = (3, 7)) -> tuple[np.ndarray, np.ndarray]:
    """Digits of two classes, centred and of norm √64, with targets ±1."""
    from sklearn.datasets import load_digits

    data = load_digits()
    keep = np.flatnonzero(np.isin(data.target, classes))
    chosen = np.random.default_rng(seed).permutation(keep)[:n]
    X = data.data[chosen] / 16.0 - data.data[keep].mean(axis=0) / 16.0
    X *= 8.0 / np.linalg.norm(X, axis=1, keepdims=True)
    return X, np.where(data.target[chosen] == classes[0], 1.0, -1.0)[:, None]


def _net(activation: str, depth: int, width: int) -> Sequential:
    """A dense network with one output in NTK parameterisation."""
    return mlp([64, *[width] * depth, 1], activation, "ntk")


def unlearn(
    activation: str,
    depth: int,
    width: int,
    seed: int,
    rate: float = 1.0,
    epochs: int = 40_000,
    n: int = 20,
    n_forget: int = 3,
    tolerance: float = 1e-20,
) -> dict[str, Any]:
    """Gap of unlearning the true network with the labels of its linearisation.

    Args:
        seed: of data order and initial parameters.
        rate: learning rate times λ_max(Θ₀); gradient descent on the linearisation converges below 2.
        epochs: largest number of steps of each training.
        n_forget: how many of them are forgotten.
        tolerance: training stops at this loss.
    """
    net = _net(activation, depth, width)
    X, y = digits(n + 200, seed)
    X, y, probe = X[:n], y[:n], X[n:]
    retain, forget = slice(0, n - n_forget), slice(n - n_forget, n)
    start = net.init(seed)
    theta0 = empirical_ntk(net, start, X, contract="trace")
    outputs = net(start, X)
    coefficients = np.linalg.solve(theta0[retain, retain], y[retain] - outputs[retain])
    linear_labels = outputs[forget] + theta0[forget, retain] @ coefficients
    eigenvalues = np.linalg.eigvalsh(theta0)
    step = rate / float(eigenvalues[-1])

    def fit(
        params: list[np.ndarray], inputs: np.ndarray, targets: np.ndarray
    ) -> tuple[list[np.ndarray], float]:
        done = train(
            net,
            params,
            inputs,
            targets,
            epochs=epochs,
            learning_rate=step,
            tolerance=tolerance,
            record_every=50,
        )
        return done.params, done.losses[-1]

    result: dict[str, Any] = {
        "n": n,
        "n_forget": n_forget,
        "n_params": net.n_params,
        "condition_number": float(eigenvalues[-1] / eigenvalues[0]),
    }
    try:
        pretrained, loss_pretrained = fit(start, X, y)
        retrained, loss_retrained = fit(start, X[retain], y[retain])
        reference, reference_out = net.flatten(retrained), net(retrained, probe)
        doing_nothing = float(np.linalg.norm(net.flatten(pretrained) - reference))
        doing_nothing_out = float(np.linalg.norm(net(pretrained, probe) - reference_out))
        losses = [loss_pretrained, loss_retrained]
        labels = {
            "linearised": linear_labels,
            "retrained": net(retrained, X[forget]),
            "opposite": -linear_labels,
        }
        for name, given in labels.items():
            unlearned, loss = fit(pretrained, X, np.vstack([y[retain], given]))
            gap = float(np.linalg.norm(net.flatten(unlearned) - reference))
            gap_out = float(np.linalg.norm(net(unlearned, probe) - reference_out))
            losses.append(loss)
            result[f"parameter_gap_{name}"] = gap / doing_nothing
            result[f"output_gap_{name}"] = gap_out / doing_nothing_out
            if name == "linearised":
                result["drift_unlearned"] = _drift(net, unlearned, X, theta0)
        result |= {
            "diverged": False,
            "largest_loss": max(losses),
            "converged": max(losses) <= tolerance,
            "gap_of_doing_nothing": doing_nothing,
            "drift_pretrained": _drift(net, pretrained, X, theta0),
            "label_error": float(np.abs(linear_labels - labels["retrained"]).max()),
        }
    except MusoError as problem:  # training says so when a learning rate is too large
        result |= {"diverged": True, "problem": str(problem)}
    return result


def _drift(net: Sequential, params: list[np.ndarray], X: np.ndarray, theta0: np.ndarray) -> float:
    """‖Θ_t − Θ_0‖/‖Θ_0‖."""
    theta = empirical_ntk(net, params, X, contract="trace")
    return float(np.linalg.norm(theta - theta0) / np.linalg.norm(theta0))


def summarise(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Slopes of log(gap) against log(width), for every setting and quantity.

    Fitted over the widths at which training converged for every seed; for how many it did is part of the answer.
    """
    groups: dict[tuple[str, int, float], dict[int, list[dict[str, Any]]]] = {}
    for item in results:
        setting = groups.setdefault((item["activation"], item["depth"], item["rate"]), {})
        setting.setdefault(item["width"], []).append(item)
    found: list[dict[str, Any]] = []
    for (activation, depth, rate), by_width in groups.items():
        counts = {
            str(
                width
            ): f"{sum(item.get('converged', False) for item in by_width[width])}/{len(by_width[width])}"
            for width in sorted(by_width)
        }
        fitted = {
            width: sorted(items, key=lambda item: item["seed"])
            for width, items in by_width.items()
            if all(item.get("converged") for item in items)
        }
        for quantity in QUANTITIES:
            fit = fit_slope({width: [item[quantity] for item in items] for width, items in fitted.items()})
            found.append(
                {
                    "activation": activation,
                    "depth": depth,
                    "rate": rate,
                    "quantity": quantity,
                    "converged": counts,
                }
                | (fit or {"slope": None, "low": None, "high": None})
            )
    return found


def _table(quantity: str, slopes: list[dict[str, Any]]) -> dict[str, Any]:
    """One quantity over the settings: its slope with interval, and its values at both ends."""
    rows = [
        {**item, "narrow": item.get("values", [None])[0], "wide": item.get("values", [None])[-1]}
        for item in slopes
        if item["quantity"] == quantity
    ]
    columns = [
        Column("activation"),
        Column("depth", "hidden layers", "d"),
        Column("rate", "step times largest eigenvalue", ".1f"),
        Column("slope", "slope", ".3f"),
        Column("low", "95 % from", ".3f"),
        Column("high", "to", ".3f"),
        Column("narrow", "value at the narrowest", ".3g"),
        Column("wide", "at the widest", ".3g"),
        Column("seeds", "seeds", "d"),
    ]
    words = quantity.replace("_", " ")
    return table(f"{words.capitalize()}, against width", rows, columns)


def measure(point: Mapping[str, Any]) -> dict[str, Any]:
    """One point of the campaign: its settings, what came out, and seconds."""
    start = time.perf_counter()
    return {**point, **unlearn(**point), "seconds": time.perf_counter() - start}


def run(quick: bool, options: Options) -> dict[str, Any]:
    """Run the campaign."""
    results = measure_points("lazy", measure, points(quick), options)
    slopes = summarise(results)
    gaps = [item for item in slopes if item["quantity"] == "parameter_gap_linearised"]
    falling = sum(item["high"] is not None and item["high"] < 0 for item in gaps)
    return {
        "digits": 6,
        "points": results,
        "slopes": slopes,
        "verdict": f"the parameter gap falls with width, beyond its interval, in {falling} of {len(gaps)} settings",
    }


def tabulate(result: Mapping[str, Any]) -> dict[str, Any]:
    """One table a quantity."""
    return {quantity: _table(quantity, result["slopes"]) for quantity in QUANTITIES}
