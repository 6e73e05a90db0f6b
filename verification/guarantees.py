"""What each removal guarantee costs on one benchmark: noise, accuracy, time, what it rests on, what audits find.

Ridge and logistic regression on real data, a random forget set, δ = 1e-5, five ε from 0.1 to 10 in one setting of each
data set and loss. Features are made sample by sample (log(0.001 + x), a constant, divided by the norm): no statistic of
the forget set hides in them. Constants that guarantees for any data need were declared, not computed: bounds N and k of
the numbers of samples, norms, and λ, which is a multiple of N.

Each method publishes parameters that must be hard to tell from those of the other data set, or of retraining, published
in the same way. "Displacement" is the root mean square distance of what is published from the retrained parameters, the
one unit that noise in parameters and in training have in common; "noise" is that distance over √D from the noise alone.

The ratio that is asked for compares the certified gap with the *smallest* sensitivity that any output perturbation can
have: the distance from pretrained to retrained parameters of this very data and forget set. Per-instance and worst-case
differential privacy both need at least that. The gap is that of relabelling by the labels of retrained parameters, so
that it takes retraining; the range of the same ratio for a Newton step, which does not, is told beside it.

Audits draw from every mechanism on two small neighbouring data sets, and the noise of the benchmark at two points that
are just its largest distance apart; none may exceed its guarantee. That the points of a row are no further apart is
proved and not audited. Many rows have the same ε and Δ/σ, and are then one noise but for the unit: each pair is audited
once, with draws of its own. How much too little noise each audit would mostly have found is told beside it. That is
half the noise but where σ was raised for floats far above what Δ asks for. Mistakes that are planted must be caught,
half the noise among them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import muso_theory as mt
from muso_theory import evaluation
from muso_theory.arrays import Array
from muso_theory.evaluation import Guarantee, Objective, Public, guarantee
from muso_theory.evaluation.public import rate
from muso_theory.evaluation.release import rounded_normal
from muso_theory.evaluation.removal import descent, newton_removal, noisy_descent
from muso_theory.numbers import Quantity

from .campaign import Options, measure_points
from .guarantees_audits import DRAWS, LEAKS, SLOW, VALID, audited, noise, shown
from .guarantees_tables import (
    DELTA,
    EPSILON,
    EPSILONS,
    NEWTON,
    RELABELLING,
    SWEPT,
    TABULATED,
    by_epsilon,
    tabulate,
    verdict,
)
from .scenarios import Scenario, scenario
from .tables import mean_sd

__all__ = ["SECONDS", "run", "tabulate"]

PublishOne = Callable[[int], Array]
SECONDS = (60, 240)
RELEASES = 5
"""Draws of the noise that accuracy and displacement are averaged over."""

_SAMPLES = {"digits:odd-even": 1500, "breast_cancer": 500}
"""N, declared: no data set of this kind has more samples."""


def _features(x: Array) -> Array:
    """log(0.001 + x), a constant and division by the norm, each sample on its own."""
    columns = np.hstack([np.log(1e-3 + x), np.ones((len(x), 1))])
    unit: Array = columns / np.linalg.norm(columns, axis=1, keepdims=True)
    return unit


def _releases(publish: PublishOne, retrained: Array, chosen: Scenario, test: Array) -> dict[str, Any]:
    """Accuracy and displacement over several draws of the noise."""
    drawn = [publish(seed) for seed in range(RELEASES)]
    accuracies = [evaluation.accuracy(test @ w, chosen.y_test) for w in drawn]
    moved = [evaluation.parameter_distance(w, retrained) for w in drawn]
    return {
        "test accuracy": mean_sd(accuracies),
        "displacement": math.sqrt(sum(m * m for m in moved) / len(moved)),
    }


def declared(point: Mapping[str, Any], steps: int) -> Public:
    """The public constants of a point; nothing is read from its data."""
    most = _SAMPLES[point["data"]]
    return Public(
        samples=most,
        forget=math.ceil(point["share"] * most),
        loss=point["loss"],
        ridge=point["ridge per sample"] * most,
        feature_norm=1 + 1e-9,
        target_bound=1.0,
        rounding=1e-7,
        steps=steps,
        clip=1.0,
    )


def measure(point: Mapping[str, Any]) -> dict[str, Any]:
    """Every method on one data set, loss, λ and ε."""
    chosen = scenario(point["data"], f"random:{point['share']}", point["seed"], scale="raw")
    phi, test = _features(chosen.X), _features(chosen.X_test)
    epsilon, forget = point["epsilon"], chosen.forget
    public = declared(point, steps=20)
    whole = Objective(phi, chosen.y, point["loss"], point["ridge per sample"] * _SAMPLES[point["data"]])
    kept = whole.on(chosen.retain)
    w_p, pretraining = _timed(whole.minimiser)
    w_r, retraining = _timed(kept.minimiser)
    rows: list[dict[str, Any]] = []

    def add(method: str, seconds: float, promise: Guarantee | None, publish: PublishOne) -> None:
        row = {"method": method, **_releases(publish, w_r, chosen, test), "removal seconds": seconds}
        if promise is not None:
            row |= {"noise": promise.sigma, "Δ": promise.distance, "any data": promise.for_any_data}
            row["σ"] = promise.sigma
        rows.append({"noise": 0.0, **row})

    def published(promise: Guarantee, w: Array, left: Array) -> tuple[PublishOne, float]:
        """What ``release`` gives, which proves the point anew for every draw; here once, and how long that takes."""
        first, proof = _timed(lambda: promise.release(w, whole, left, 0))
        if not np.array_equal(first, rounded_normal(w, promise.sigma, 0)):
            raise AssertionError("a release is the rounded normal")
        return lambda seed: rounded_normal(w, promise.sigma, seed), proof

    def removed(method: str, seconds: float, w: Array, promise: Guarantee) -> None:
        """What is published after removal."""
        publish, proof = published(promise, w, forget)
        add(method, seconds + proof, promise, publish)

    def proved(method: str, seconds: float, w: Array, gap: Callable[[], Quantity] | None = None) -> float:
        """The same with the gap that is proved for this very point, and the noise that it and its floats need."""
        certificate, proof = _timed(
            lambda: evaluation.removal_certificate(gap() if gap else kept.gap_bound(w), w, epsilon, DELTA)
        )
        add(method, seconds + proof, certificate.guarantee, lambda s: certificate.release(w, s))
        rows[-1]["remark"] = certificate.remark
        return certificate.gap_bound

    add("retrained, without noise", retraining, None, lambda s: w_r)
    add("pretrained, without noise", 0.0, None, lambda s: w_p)

    targets = chosen.y.astype(np.float64).copy()
    targets[forget] = whole.labels(w_r, phi[forget])
    w_u, seconds = _timed(lambda: whole.on(np.arange(len(phi)), targets).minimiser(w_p))
    gap = proved(RELABELLING, retraining + seconds, w_u)
    (w_n, _), seconds = _timed(lambda: newton_removal(whole, w_p, forget))
    proved(NEWTON, seconds, w_n)
    removed("Newton step, any data", seconds, w_n, guarantee("newton-step", epsilon, DELTA, public=public))
    for steps in (100, 1000):
        constants = declared(point, steps)
        w, seconds = _timed(
            lambda steps=steps, constants=constants: descent(kept, w_p, steps, rate(constants))
        )
        promise = guarantee("descent-to-delete", epsilon, DELTA, public=constants)
        removed(f"descent-to-delete, {steps} steps, any data", seconds, w, promise)
    # The distance is known from retraining only, which is what this noise then costs. The float w_r is itself within
    # its own bound of the minimiser; 1e-12 is far more than the rounding of a float distance.
    apart, own = evaluation.parameter_distance(w_p, w_r), kept.gap_bound(w_r).bound
    nothing = apart * (1 - 1e-12) - own
    between = Quantity.enclosure(nothing, apart * (1 + 1e-12) + own)
    proved("doing nothing, proved gap", retraining, w_p, lambda: between)

    promise = guarantee("output-noise", epsilon, DELTA, public=public)
    add("output noise, any data", 0.0, promise, published(promise, w_p, forget)[0])
    trained = guarantee("noisy-descent", epsilon, DELTA, public=public)
    add("noisy descent, any data", 0.0, trained, lambda s: noisy_descent(trained, whole, s))
    spread = np.std([noisy_descent(trained, whole, s) for s in range(RELEASES)], axis=0, ddof=1)
    rows[-1]["noise"] = float(np.sqrt(np.mean(spread**2)))

    return {
        "n": len(phi),
        "D": phi.shape[1],
        "n_F": len(forget),
        "N": public.samples,
        "k": public.forget,
        "pretraining seconds": pretraining,
        "gap bound": gap,
        "doing nothing at least": nothing,
        "ratio": nothing / gap,
        "rows": rows,
    }


def _timed(compute: Callable[[], Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    found = compute()
    return found, time.perf_counter() - started


def measure_audit(point: Mapping[str, Any]) -> dict[str, Any]:
    """One audit on small data, or of the noise of a row."""
    if "σ" in point:
        setting = noise(Guarantee("proved-gap", point["epsilon"], DELTA, point["Δ"], point["σ"]))
    else:
        setting = (LEAKS if point["planted"] else VALID)[point["audited"]](point["epsilon"])
    return shown(setting, audited(setting, point["draws"], point["seed"]))


def measure_interpolating(point: Mapping[str, Any]) -> dict[str, Any]:
    """Least squares without a ridge on random features of ten classes, with the gap that ``muso check`` reports."""
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
    if "audited" in point or "σ" in point:
        return measure_audit(point)
    return measure(point) if "loss" in point else measure_interpolating(point)


def _points(quick: bool) -> list[list[dict[str, Any]]]:
    """Points with a ridge, points without, and audits."""
    epsilons = EPSILONS[::2] if quick else EPSILONS
    regularised: list[dict[str, Any]] = [
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
        for seed in range(1 if quick else 2)
        for epsilon in (epsilons if (ridge, share) == tuple(SWEPT.values()) else (EPSILON,))
    ]
    interpolating: list[dict[str, Any]] = [
        {"data": data, "features": features, "seed": seed}
        for data, features in (("digits", 2000 if quick else 5000), ("breast_cancer", 2000))
        for seed in range(1 if quick else 2)
    ]
    audits: list[dict[str, Any]] = [
        {"audited": name, "planted": planted, "epsilon": epsilon, "draws": _draws(name, epsilon, quick)}
        for planted, names in ((False, VALID), (True, LEAKS))
        for name in names
        for epsilon in TABULATED
        # What is quick cannot find half the noise at the smallest ε.
        if not (quick and planted and name == "half the noise" and epsilon < 1)
    ]
    return [regularised, interpolating, [{**point, "seed": seed} for seed, point in enumerate(audits)]]


def _draws(name: str, epsilon: float, quick: bool) -> int:
    """As many as find half the noise where that is what is asked, and else what time allows."""
    if "noise" in name.split() and ("half" in name or "distance" in name):
        return min(DRAWS[epsilon], 10_000) if quick else DRAWS[epsilon]
    return min(
        SLOW.get(name, 20_000 if name in LEAKS else 10_000), 1000 if quick and name in VALID else 20_000
    )


def _audited(ridge: list[dict[str, Any]], quick: bool, options: Options) -> list[dict[str, Any]]:
    """Audit the noise of the rows, each ε and Δ/σ once, and put what was found into the rows."""
    rows = [(point["epsilon"], row) for point in ridge for row in point["rows"] if "σ" in row]

    def setting(epsilon: float, row: Mapping[str, Any]) -> tuple[float, str]:
        return epsilon, f"{row['Δ'] / row['σ']:.9g}"

    first: dict[tuple[float, str], dict[str, Any]] = {}
    for epsilon, row in rows:
        first.setdefault(setting(epsilon, row), {"epsilon": epsilon, "Δ": row["Δ"], "σ": row["σ"]})
    points = []
    for seed, point in enumerate(first.values()):
        # More would not help where σ is far above what Δ asks for.
        smallest = point["σ"] < 1.01 * evaluation.gaussian_sigma(point["Δ"], point["epsilon"], DELTA)
        draws = DRAWS[point["epsilon"]] if smallest else 5000
        # Not those of the audits on small data, which begin at 0.
        points.append({**point, "draws": 400 if quick else draws, "seed": 1000 + seed})
    measured = measure_points("guarantees", _measure, points, options)
    found = dict(zip(first, measured, strict=True))
    keys = ("ε of a Gaussian at least", "detects", "draws", "violated")
    for epsilon, row in rows:
        audit = found[setting(epsilon, row)]
        row["audit"] = {key: audit[key] for key in keys}
    return [{**point, **result} for point, result in zip(points, measured, strict=True)]


def run(quick: bool, options: Options) -> dict[str, Any]:
    """Run the campaign."""
    groups = _points(quick)
    points = [point for group in groups for point in group]
    measured = measure_points("guarantees", _measure, points, options)
    found = [{**point, **result} for point, result in zip(points, measured, strict=True)]
    ends = np.cumsum([len(group) for group in groups])
    ridge, plain, audits = (
        list(part) for part in (found[: ends[0]], found[ends[0] : ends[1]], found[ends[1] :])
    )
    noisy = _audited(ridge, quick, options)
    result = {
        "points": [*ridge, *plain],
        "over epsilon": by_epsilon(ridge),
        "audits": audits,
        "audits of noise": noisy,
        "epsilon": EPSILON,
        "delta": DELTA,
        "smallest ratio": min(row["ratio"] for row in [*ridge, *plain]),
    }
    caught = [row["violated"] for row in audits if row["planted"]]
    alarms = [row["violated"] for row in [*audits, *noisy] if not row.get("planted")]
    failed = result["smallest ratio"] < 1e6 or any(alarms) or not all(caught)
    return {**result, "digits": 8, "verdict": verdict(result), "failed": bool(failed)}
