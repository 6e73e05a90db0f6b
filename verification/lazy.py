"""Campaign ``lazy``: how far a finite network is from its linearisation, as its width grows.

Two kinds of points:

- ``unlearning`` (claim ``lazy-training``): pretrain, retrain and unlearn the true network by gradient descent, the
  forget samples relabelled by the optimal labels *of the linearisation*, and compare what comes out with
  retraining, in parameters and in outputs. For the linearisation itself the gap is zero; for the network it is
  measured. Beside it: what the labels of the retrained network itself would give, what wrong labels give (the
  control), and how far the kernel drifted.
- ``limit`` (claim ``ntk-limit``): the distance of the empirical NTK at random initialisation to its infinite-width
  limit.

Nothing here asserts a rate; :func:`summarise` fits the slopes of log gap against log width with an interval.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from muso_theory.errors import MusoError
from muso_theory.networks import Sequential, empirical_ntk, infinite_width, mlp, train

from .campaign import Options, measure_points

__all__ = ["WIDTHS", "points", "run_point", "summarise"]

WIDTHS = (32, 64, 128, 256, 512, 1024, 2048, 4096)
DEEP_WIDTHS = WIDTHS[:6]
"""Two hidden layers are trained up to width 1,024: a step costs width² there."""


def points(quick: bool = False) -> list[dict[str, Any]]:
    """All points of the campaign.

    Args:
        quick: few widths, seeds and steps, for a look in under a minute.

    Returns:
        JSON-able arguments of :func:`run_point`.
    """
    seeds = range(2 if quick else 5)
    found: list[dict[str, Any]] = [
        {"kind": "limit", "activation": activation, "depth": depth, "width": width, "seed": seed}
        for activation in ("relu", "erf")
        for depth in (1, 2, 3)
        for width in (WIDTHS[:4] if quick else WIDTHS)
        for seed in (seeds if quick else range(10))
    ]
    settings = [("erf", 1, 1.0), ("relu", 1, 1.0)]
    if not quick:
        settings += [
            ("erf", 2, 1.0),
            ("relu", 2, 1.0),
            ("relu", 1, 1.9),
            ("relu", 1, 3.0),
        ]  # the last two: large steps
    found += [
        {
            "kind": "unlearning",
            "activation": activation,
            "depth": depth,
            "width": width,
            "seed": seed,
            "rate": rate,
            "epochs": 3000 if quick else 40_000,
        }
        for activation, depth, rate in settings
        for width in ((32, 128, 512) if quick else WIDTHS if depth == 1 else DEEP_WIDTHS)
        for seed in (seeds if depth == 1 else list(seeds)[:3])
    ]
    return found


def run_point(kind: str, **arguments: Any) -> dict[str, Any]:
    """Compute one point.

    Args:
        kind: "limit" or "unlearning".
        **arguments: the rest of the point.

    Returns:
        The point with what was measured.
    """
    start = time.perf_counter()
    result = run_limit(**arguments) if kind == "limit" else run_unlearning(**arguments)
    return {"kind": kind, **arguments, **result, "seconds": time.perf_counter() - start}


def _digits(n: int, seed: int, classes: tuple[int, int] = (3, 7)) -> tuple[np.ndarray, np.ndarray]:
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


def run_limit(activation: str, depth: int, width: int, seed: int, n: int = 20) -> dict[str, Any]:
    """Relative distance ‖Θ_m − Θ_∞‖/‖Θ_∞‖ (Frobenius) on n digits."""
    net = _net(activation, depth, width)
    X, _ = _digits(n, 0)
    limit = infinite_width(net, X)
    found = empirical_ntk(net, net.init(seed), X, contract="trace")
    return {"n": n, "distance": float(np.linalg.norm(found - limit) / np.linalg.norm(limit))}


def run_unlearning(
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
        activation: nonlinearity.
        depth: hidden layers.
        width: of each.
        seed: of data order and initial parameters.
        rate: learning rate times λ_max(Θ₀); gradient descent on the linearisation converges below 2.
        epochs: largest number of steps of each training.
        n: samples.
        n_forget: how many of them are forgotten.
        tolerance: training stops at this loss.

    Returns:
        Gaps relative to those of not unlearning, kernel drifts, and the losses reached; ``diverged`` where training
        did not converge to a finite loss.
    """
    net = _net(activation, depth, width)
    X, y = _digits(n + 200, seed)
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
    """Slopes of log(gap) against log(width), one group of points each.

    A slope is fitted for every seed; the interval is Student's for their mean at 95 %. It covers the scatter between
    seeds, not a bend of the curve; ``bend`` is the slope of the upper half of the widths minus that of the lower.

    Args:
        results: what :func:`run_point` returned.

    Returns:
        One entry a group and quantity.
    """
    from scipy.stats import t as student

    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for item in results:
        if item["kind"] == "limit":
            keys = ["distance"]
        elif item.get("diverged") or not item.get("converged"):
            continue
        else:
            keys = [
                "parameter_gap_linearised",
                "output_gap_linearised",
                "parameter_gap_retrained",
                "parameter_gap_opposite",
                "drift_pretrained",
            ]
        for key in keys:
            groups.setdefault(
                (item["kind"], item["activation"], item["depth"], item.get("rate"), key), []
            ).append(item)
    found = []
    for (kind, activation, depth, rate, key), items in groups.items():
        slopes, bends = [], []
        for seed in sorted({item["seed"] for item in items}):
            own = sorted((item for item in items if item["seed"] == seed), key=lambda item: item["width"])
            x = np.log([item["width"] for item in own])
            y = np.log([item[key] for item in own])
            if len(own) < 3:
                continue
            slopes.append(float(np.polyfit(x, y, 1)[0]))
            if len(own) >= 4:
                half = len(own) // 2
                bends.append(
                    float(np.polyfit(x[half:], y[half:], 1)[0] - np.polyfit(x[:half], y[:half], 1)[0])
                )
        if not slopes:
            continue
        mean = float(np.mean(slopes))
        spread = float(np.std(slopes, ddof=1) / np.sqrt(len(slopes))) if len(slopes) > 1 else float("nan")
        reach = float(student.ppf(0.975, len(slopes) - 1)) * spread if len(slopes) > 1 else float("nan")
        found.append(
            {
                "kind": kind,
                "activation": activation,
                "depth": depth,
                "rate": rate,
                "quantity": key,
                "slope": mean,
                "low": mean - reach,
                "high": mean + reach,
                "bend": float(np.mean(bends)) if bends else None,
                "seeds": len(slopes),
                "widths": sorted({item["width"] for item in items}),
                "values": {
                    str(width): float(np.exp(np.mean([np.log(i[key]) for i in items if i["width"] == width])))
                    for width in sorted({item["width"] for item in items})
                },
            }
        )
    return found


def measure(point: Mapping[str, Any]) -> dict[str, Any]:
    """One point of the campaign, with what it is a point of.

    Returns:
        The result beside its settings.
    """
    return {**point, **run_point(**point)}


def run(quick: bool, options: Options) -> dict[str, Any]:
    """Run the campaign.

    Returns:
        Points and fitted slopes.
    """
    results = measure_points("lazy", measure, points(quick), options)
    return {"points": results, "slopes": summarise(results), "verdict": f"{len(results)} points measured"}
