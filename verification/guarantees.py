"""What each removal guarantee costs on one benchmark: noise, accuracy, time, and what it assumes.

Ridge and logistic regression on real data, a random forget set, (ε, δ) = (1, 1e-5) for everyone, and five ε from 0.1 to
10 in one setting of each data set and loss. Features are made
sample by sample (log(0.001 + x), a constant, divided by the norm): no statistic of the forget set hides in them.

Each method publishes parameters that must be hard to tell from retrained ones published in the same way.
"Displacement" is the root mean square distance of what is published from the retrained parameters, the one unit that
noise in parameters, in gradients and in training have in common; "noise" is that distance over √D from the noise alone.
A-priori bounds are about real arithmetic: where they ask for less noise than the rounding that the floats carry (the
displacement shows it), they guarantee nothing about the floats.

The ratio that is asked for compares the certified gap with the *smallest* sensitivity that any output perturbation can
have: the distance from pretrained to retrained parameters of this very data and forget set. Per-instance and worst-case
differential privacy both need at least that.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import muso_theory as mt
from muso_theory import evaluation
from muso_theory.evaluation.convex import Objective
from muso_theory.evaluation.guarantees import (
    descent,
    descent_bound,
    global_sensitivity,
    newton_noise,
    newton_removal,
    noisy_descent,
)

from .campaign import Options, measure_points
from .scenarios import Scenario, scenario
from .tables import mean_sd, table

__all__ = ["ASSUMPTIONS", "SECONDS", "run"]

Array = np.ndarray[Any, Any]
SECONDS = (15, 120)
EPSILON, DELTA = 1.0, 1e-5
EPSILONS = (0.1, 0.3, 1.0, 3.0, 10.0)
_SWEPT = {"ridge per sample": 1e-3, "share": 0.01}
"""Where noise and accuracy are followed over ε."""

RELEASES = 20
"""Draws of the noise that accuracy and displacement are averaged over."""

ASSUMPTIONS = [
    {
        "guarantee": "relabelling, certified gap",
        "holds for": "this data set and forget set",
        "assumes": "a proved bound of the gap; λ > 0, or full rank for least squares",
        "at removal": "labels (retrained predictions, or from w_p alone where it interpolates), fine-tuning, one proof",
        "noise grows with": "the rounding that is left",
    },
    {
        "guarantee": "Newton step, a-priori bound",
        "holds for": "this data set and forget set",
        "assumes": "real arithmetic, noise in training, exact minimiser, bounded third derivative",
        "at removal": "one Hessian solve",
        "noise grows with": "n_F² and 1/λ³ at worst; zero for the squared loss",
    },
    {
        "guarantee": "Newton step, certified gap",
        "holds for": "this data set and forget set",
        "assumes": "a proved bound of the gap",
        "at removal": "one Hessian solve, one proof",
        "noise grows with": "the second-order error of the step",
    },
    {
        "guarantee": "descent-to-delete",
        "holds for": "this data set and forget set (published: any)",
        "assumes": "real arithmetic, smooth and strongly convex, an unperturbed secret state",
        "at removal": "T gradient steps",
        "noise grows with": "((M − λ)/(M + λ))^T",
    },
    {
        "guarantee": "per-instance output noise",
        "holds for": "this data set and forget set",
        "assumes": "the distance ‖w_p − w_r‖ is known, so retraining was done",
        "at removal": "nothing but noise",
        "noise grows with": "‖w_p − w_r‖",
    },
    {
        "guarantee": "DP output noise",
        "holds for": "any data with features of norm at most 1, any n_F samples",
        "assumes": "bounded features and targets, λ > 0, exact minimiser",
        "at removal": "nothing",
        "noise grows with": "n_F/λ",
    },
    {
        "guarantee": "DP training noise",
        "holds for": "any data, any n_F samples",
        "assumes": "clipped gradients",
        "at removal": "nothing",
        "noise grows with": "n_F √T",
    },
]


def _features(x: Array) -> Array:
    """log(0.001 + x), a constant and division by the norm, each sample on its own."""
    columns = np.hstack([np.log(1e-3 + x), np.ones((len(x), 1))])
    unit: Array = columns / np.linalg.norm(columns, axis=1, keepdims=True)
    return unit


def _releases(
    publish: Callable[[int], Array], retrained: Array, chosen: Scenario, test: Array
) -> dict[str, Any]:
    """Accuracy and displacement over several draws of the noise."""
    drawn = [publish(seed) for seed in range(RELEASES)]
    accuracies = [evaluation.accuracy(test @ w, chosen.y_test) for w in drawn]
    moved = [evaluation.parameter_distance(w, retrained) for w in drawn]
    return {
        "test accuracy": mean_sd(accuracies),
        "displacement": math.sqrt(sum(m * m for m in moved) / len(moved)),
    }


def _tilted_removals(
    whole: Objective, w_p: Array, forget: Array, seed: int, epsilon: float
) -> tuple[list[Array], float, bool]:
    """Newton steps from tilted minimisers, with a budget of the residual that the step from each of them respects.

    Returns:
        One result a draw, the budget, and whether it covers all draws.
    """
    _, budget = newton_removal(whole, w_p, forget)
    for _ in range(10):
        tilt = newton_noise(budget, epsilon, DELTA)
        found = []
        for s in range(RELEASES):
            b = tilt * np.random.default_rng((seed, s)).standard_normal(len(w_p))
            objective = Objective(whole.features, whole.targets, whole.loss, whole.ridge, b)
            found.append(newton_removal(objective, objective.minimiser(w_p), forget))
        largest = max(bound for _, bound in found)
        if largest <= budget:
            return [w for w, _ in found], budget, True
        budget = 1.1 * largest
    return [w for w, _ in found], budget, False


def measure(point: Mapping[str, Any]) -> dict[str, Any]:
    """Every method on one data set, loss, λ and ε.

    Returns:
        One row a method, and the certified ratio of noise.
    """
    chosen = scenario(point["data"], f"random:{point['share']}", point["seed"], scale="raw")
    phi, test = _features(chosen.X), _features(chosen.X_test)
    n, d = phi.shape
    epsilon = point["epsilon"]
    forget, retain = chosen.forget, chosen.retain
    whole = Objective(phi, chosen.y, point["loss"], point["ridge per sample"] * n)
    kept = whole.on(retain)
    w_p = whole.minimiser()
    started = time.perf_counter()
    w_r = kept.minimiser()
    retraining = time.perf_counter() - started
    rows: list[dict[str, Any]] = []

    def add(method: str, seconds: float, publish: Callable[[int], Array], noise: float, **more: Any) -> None:
        found = _releases(publish, w_r, chosen, test)
        rows.append({"method": method, **found, "noise": noise, "removal seconds": seconds, **more})

    def output(method: str, seconds: float, w: Array, distance: float, **more: Any) -> None:
        sigma = evaluation.gaussian_sigma(distance, epsilon, DELTA)
        rng_of = np.random.default_rng
        add(
            method,
            seconds,
            lambda s: w + sigma * rng_of((point["seed"], s)).standard_normal(d),
            sigma,
            bound=distance,
            **more,
        )

    def certified(method: str, seconds: float, w: Array) -> float:
        started = time.perf_counter()
        certificate = evaluation.removal_certificate(kept.gap_bound(w), w, epsilon, DELTA)
        proof = time.perf_counter() - started
        more = {"bound": certificate.gap_bound, "remark": certificate.remark, "proof seconds": proof}

        def publish(s: int) -> Array:
            return certificate.release(w, RELEASES * point["seed"] + s)

        add(method, seconds + proof, publish, certificate.sigma, **more)
        return certificate.gap_bound

    add("retrained, without noise", retraining, lambda s: w_r, 0.0)
    add("pretrained, without noise", 0.0, lambda s: w_p, 0.0)

    started = time.perf_counter()
    targets = chosen.y.astype(np.float64).copy()
    targets[forget] = whole.labels(w_r, phi[forget])
    w_u = whole.on(np.arange(n), targets).minimiser(w_p)
    seconds = retraining + time.perf_counter() - started
    gap = certified("relabelling, certified gap", seconds, w_u)

    started = time.perf_counter()
    plain, _ = newton_removal(whole, w_p, forget)
    seconds = time.perf_counter() - started
    steps_of, residual, covered = _tilted_removals(whole, w_p, forget, point["seed"], epsilon)
    spread = math.sqrt(sum(float(np.sum((w - plain) ** 2)) for w in steps_of) / RELEASES / d)
    add(
        "Newton step, a-priori bound", seconds, lambda s: steps_of[s], spread, bound=residual, covered=covered
    )
    certified("Newton step, certified gap", seconds, plain)

    for steps in (100, 1000):
        started = time.perf_counter()
        w = descent(kept, w_p, steps)
        seconds = time.perf_counter() - started
        output(f"descent-to-delete, {steps} steps", seconds, w, descent_bound(kept, w_p, steps))

    # A lower end of ‖w_p − w_r‖ that is proved: the float w_r is itself within its own bound of the minimiser.
    apart = evaluation.parameter_distance(w_p, w_r)
    nothing = apart * (1 - 1e-12) - kept.gap_bound(w_r).bound
    # The distance is known from retraining only, which is what this noise then costs.
    output("per-instance output noise", retraining, w_p, nothing)
    output("DP output noise", 0.0, w_p, global_sensitivity(whole, len(forget)))
    noiseless = noisy_descent(whole, len(forget), 1e6, 0.5, seed=0)[0]
    drawn = [noisy_descent(whole, len(forget), epsilon, DELTA, seed=s + 1)[0] for s in range(RELEASES)]
    spread = math.sqrt(sum(float(np.sum((w - noiseless) ** 2)) for w in drawn) / RELEASES / d)
    add("DP training noise, 100 steps", 0.0, lambda s: drawn[s], spread)
    return {
        "n": n,
        "D": d,
        "n_F": len(forget),
        "gap bound": gap,
        "doing nothing at least": nothing,
        "ratio": nothing / gap,
        "rows": rows,
    }


def measure_interpolating(point: Mapping[str, Any]) -> dict[str, Any]:
    """Least squares without a ridge, as ``muso check`` sees it: random features, ten classes, the gap from the report.

    Returns:
        The certified gap, the noise for it, and the noise of doing nothing.
    """
    chosen = scenario(point["data"], "random:0.1", point["seed"])
    problem, _ = chosen.problem(mt.GaussianFeatures(n_features=point["features"], seed=point["seed"]))
    started = time.perf_counter()
    w_u = mt.solve(problem).w_unlearned
    seconds = time.perf_counter() - started
    started = time.perf_counter()
    audit = mt.check(problem, "exact-labels", w_unlearned=w_u)
    nothing = mt.check(problem, "exact-labels", w_unlearned=mt.solve(problem).w_pretrained)
    floor = nothing["exact-labels"].findings[0].quantity.floor
    certificate = evaluation.removal_certificate(audit, w_u, EPSILON, DELTA)
    return {
        "n": problem.n_samples,
        "D": problem.n_features,
        "n_F": len(problem.forget),
        "verdict": audit["exact-labels"].verdict.name,
        "gap bound": certificate.gap_bound,
        "noise": certificate.sigma,
        "doing nothing at least": floor,
        "noise of doing nothing": evaluation.gaussian_sigma(floor, EPSILON, DELTA),
        "ratio": floor / certificate.gap_bound,
        "removal seconds": seconds,
        "proof seconds": time.perf_counter() - started,
    }


def _measure(point: Mapping[str, Any]) -> dict[str, Any]:
    return measure(point) if "loss" in point else measure_interpolating(point)


def run(quick: bool, options: Options) -> dict[str, Any]:
    """Run the campaign.

    Returns:
        Points, tables, and whether the certified gap needs a million times less noise on the linear benchmarks.
    """
    epsilons = EPSILONS[::2] if quick else EPSILONS
    regularised = [
        {
            "data": data,
            "loss": loss,
            "ridge per sample": ridge,
            "share": share,
            "seed": seed,
            "epsilon": epsilon,
        }
        for data in ("digits:odd-even", "breast_cancer")
        for loss in ("squared", "logistic")
        for ridge in ((1e-3,) if quick else (1e-5, 1e-3))
        for share in ((0.01,) if quick else (0.01, 0.1))
        for seed in range(1 if quick else 3)
        for epsilon in (epsilons if (ridge, share) == tuple(_SWEPT.values()) else (EPSILON,))
    ]
    interpolating = [
        {"data": data, "features": features, "seed": seed}
        for data, features in (("digits", 2000 if quick else 5000), ("breast_cancer", 2000))
        for seed in range(1 if quick else 3)
    ]
    points = [*regularised, *interpolating]
    measured = measure_points("guarantees", _measure, points, options)
    found = [{**point, **result} for point, result in zip(points, measured, strict=True)]
    ridge, plain = found[: len(regularised)], found[len(regularised) :]
    smallest = min(row["ratio"] for row in found)
    keys = ("data", "loss", "ridge per sample", "share")
    tables = {
        "assumptions": table(
            "Which guarantee assumes what",
            ASSUMPTIONS,
            [(key,) for key in ("guarantee", "holds for", "assumes", "at removal", "noise grows with")],
        ),
        "least-squares": table(
            "Least squares without a ridge, random features: certified gap, and the noise for (ε, δ) = (1, 1e-5)",
            plain,
            [
                ("data",),
                ("seed", "seed", "d"),
                ("n", "n", "d"),
                ("D", "D", "d"),
                ("n_F", "n_F", "d"),
                ("verdict",),
                ("gap bound", "gap ≤", ".1e"),
                ("noise", "σ", ".1e"),
                ("noise of doing nothing", "σ of doing nothing", ".3g"),
                ("ratio", "ratio ≥", ".1e"),
                ("removal seconds", "removal, s", ".2g"),
                ("proof seconds", "proof, s", ".2g"),
            ],
        ),
    }
    for setting in dict.fromkeys(tuple(row[key] for key in keys) for row in ridge):
        group = [
            row for row in ridge if tuple(row[key] for key in keys) == setting and row["epsilon"] == EPSILON
        ]
        name = "-".join(str(part) for part in setting).replace(":", "-")
        title = f"{setting[0]}, {setting[1]} loss, λ = {setting[2]:g} n, {100 * setting[3]:g} % forgotten"
        tables[name] = table(
            f"{title}, ε = {EPSILON:g}; mean ± sd over {len(group)} forget sets",
            [_row(group, index) for index in range(len(group[0]["rows"]))],
            [
                ("method",),
                ("noise", "noise per parameter", ".1e"),
                ("displacement", "displacement", ".1e"),
                ("test accuracy", "test accuracy", ".3f"),
                ("removal seconds", "removal, s", ".2g"),
            ],
        )
    swept = _by_epsilon(ridge)
    for setting in dict.fromkeys((row["data"], row["loss"]) for row in swept):
        group = [row for row in swept if (row["data"], row["loss"]) == setting]
        tables["-".join([*setting, "over-epsilon"]).replace(":", "-")] = table(
            f"{setting[0]}, {setting[1]} loss, λ = {_SWEPT['ridge per sample']:g} n, "
            f"{100 * _SWEPT['share']:g} % forgotten: noise over ε; mean ± sd over forget sets",
            group,
            [
                ("method",),
                ("epsilon", "ε", "g"),
                ("noise", "noise per parameter", ".1e"),
                ("test accuracy", "test accuracy", ".3f"),
            ],
        )
    enough = smallest >= 1e6
    words = "at least" if enough else "only"
    return {
        "points": found,
        "over epsilon": swept,
        "tables": tables,
        "epsilon": EPSILON,
        "delta": DELTA,
        "smallest ratio": smallest,
        "verdict": f"the certified gap needs {words} {smallest:.1e} times less noise than per-instance output noise",
        "failed": not enough,
    }


def _row(group: list[dict[str, Any]], index: int) -> dict[str, Any]:
    """One method over the forget sets of a setting."""
    each = [row["rows"][index] for row in group]
    return {
        "method": each[0]["method"],
        "test accuracy": mean_sd(e["test accuracy"]["mean"] for e in each),
        **{key: mean_sd(e[key] for e in each) for key in ("noise", "displacement", "removal seconds")},
    }


def _by_epsilon(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every method over ε, where ε was varied; means over forget sets."""
    swept = [row for row in found if all(row[key] == value for key, value in _SWEPT.items())]
    rows = []
    for data, loss in dict.fromkeys((row["data"], row["loss"]) for row in swept):
        groups = [
            (epsilon, [r for r in swept if (r["data"], r["loss"], r["epsilon"]) == (data, loss, epsilon)])
            for epsilon in sorted({row["epsilon"] for row in swept})
        ]
        rows += [
            {"data": data, "loss": loss, "epsilon": epsilon, **_row(group, index)}
            for index in range(len(groups[0][1][0]["rows"]))
            for epsilon, group in groups
        ]
    return rows
