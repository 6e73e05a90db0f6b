"""Campaign ``deep-features``: unlearning the head of a deep model, and what batch norm statistics know.

Features of MNIST digits, with a bias column: what the last layer of ``resnet8`` sees after one epoch on the retained
samples alone (64 features), and a wide random convolution (rectified, averaged in four quarters of the image), which
nothing was fitted for. The head is least squares from zero. ``check`` judges the labels of the retrained head
(``exact-labels``) and those of the pretrained one (``label-free``), a class or a random tenth forgotten; seconds are
processor time of a process with one thread of BLAS.

Beside it the tangent of ``resnet8`` at random parameters, two digits, its statistics held: fitted on all samples and on
the retained ones. Each is unlearned exactly as the map that it is; ``shift`` is how far apart the two retrained models
are on the forget samples, as a share of how far retraining moves them there.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

import muso_theory as mt
from muso_theory.arrays import Array
from muso_theory.methods.head import head_features
from muso_theory.networks import (
    Activation,
    AdaptiveAvgPool,
    Conv2D,
    Dense,
    Flatten,
    Recipe,
    Sequential,
    from_network,
    resnet8,
)

from .campaign import Options, measure_points
from .scenarios import Scenario, scenario
from .tables import Column, table

__all__ = ["features_of", "measure", "points", "run", "tabulate"]

SECONDS = (50, 500)
"""Expected time of the quick and of the full campaign on two cores."""

FORGETTING = {"class": "class:7", "random 10 %": "random:0.1"}
IMAGE = (28, 28, 1)


def points(quick: bool = False) -> list[dict[str, Any]]:
    """All points, the expensive ones first; a quick run has few samples, one width and one seed."""
    maps = [("resnet8", 64), *(("convolution", width) for width in ((512,) if quick else (2048, 1024, 512)))]
    n = 800 if quick else 4000
    seeds = range(1 if quick else 2)
    heads = [
        {"kind": "head", "map": name, "width": width, "forgetting": forgetting, "n": n, "seed": seed}
        for name, width in maps
        for forgetting in FORGETTING
        for seed in seeds
    ]
    tangents = [
        {"kind": "tangent", "forgetting": forgetting, "n": 60, "seed": seed}
        for forgetting in FORGETTING
        for seed in range(2 if quick else 5)
    ]
    return heads + tangents


def _samples(data: str, forgetting: str, n: int, seed: int) -> Scenario:
    """So many training samples, of which a class or a tenth is to be forgotten."""
    spec = FORGETTING[forgetting]
    if n >= 4000:  # all that there are
        return scenario(data, spec, seed, one_hot=True)
    return scenario(data, spec, seed, one_hot=True, n_retain=n - n // 10, n_forget=n // 10)


def features_of(name: str, width: int, found: Scenario, seed: int) -> tuple[Array, Array]:
    """Features of training and test samples, float64, with a bias column."""
    X, X_test = (x.reshape(-1, *IMAGE).astype(np.float32) for x in (found.X, found.X_test[: len(found.X)]))
    outputs = found.y.shape[1]
    if name == "resnet8":
        net = resnet8(outputs, IMAGE)
        start = [array.astype(np.float32) for array in net.init(seed)]
        kept = found.retain
        params = Recipe("cross-entropy", epochs=1, seed=seed).fit(net, start, X[kept], found.y[kept])
    else:
        conv = Conv2D(1, width // 4, (7, 7), (3, 3), w_std=np.sqrt(2.0), b_std=0.1)
        layers = (conv, Activation("relu"), AdaptiveAvgPool((2, 2)), Flatten(), Dense(width, outputs))
        net = Sequential(IMAGE, layers)
        params = net.init(seed)
    both = (head_features(net, params, inputs).astype(np.float64) for inputs in (X, X_test))
    return next(both), next(both)


def _head(name: str, width: int, forgetting: str, n: int, seed: int) -> dict[str, Any]:
    """Verdicts of one head with their bounds, and what its two models get right."""
    found = _samples("mnist", forgetting, n, seed)
    started = time.process_time()
    features, test = features_of(name, width, found, seed)
    made, started = time.process_time() - started, time.process_time()
    problem = mt.UnlearningProblem(features, found.y, found.forget)
    report = mt.check(problem, ["exact-labels", "label-free", "least-squares-on-retain"])
    checked = time.process_time() - started
    exact, output = report["exact-labels"], report["exact-labels[output]"]
    solution = mt.solve(problem)
    labels = mt.optimal_labels(problem, "label-free")
    nothing = mt.parameter_gap(problem, found.y[found.forget])
    models = {"pretrained": solution.w_pretrained, "retrained": solution.w_retrained}

    def accuracy(w: Array, phi: Array, y: Array) -> float:
        return float(np.mean((phi @ w).argmax(axis=1) == y.argmax(axis=1)))

    accuracies = {}
    for word, w in models.items():
        accuracies[f"{word} forget accuracy"] = accuracy(w, features[found.forget], found.y[found.forget])
        accuracies[f"{word} test accuracy"] = accuracy(w, test, found.y_test[: len(test)])
    return {
        "n_retain": len(found.retain),
        "n_forget": len(found.forget),
        "n_features": problem.n_features,
        "exact-labels": exact.verdict.name,
        "exact-labels[output]": output.verdict.name,
        "label-free": report["label-free"].verdict.name,
        "normal equations": report["least-squares-on-retain"].verdict.name,
        "told": report["label-free"].summary,
        "bound": exact.bound,
        "output bound": output.bound,
        "doing nothing": nothing,
        "label-free share": mt.parameter_gap(problem, labels) / nothing,
        **accuracies,
        "features seconds": made,
        "check seconds": checked,
    }


def _tangent(forgetting: str, n: int, seed: int) -> dict[str, Any]:
    """The tangent of a network with batch norm by its statistics."""
    found = _samples("mnist:3,7", forgetting, n, seed)
    X, y = found.X.reshape(-1, *IMAGE), 2 * found.y[:, :1] - 1
    net = resnet8(1, IMAGE)
    params, retrained, verdicts = net.init(seed), {}, {}
    slugs = ("exact-labels", "map-free-of-forget")
    for statistics in ("all", "retain"):
        problem = from_network(net, params, X, y, forget=found.forget, statistics=statistics)
        report = mt.check(problem, slugs)
        verdicts |= {f"{slug}, {statistics}": report[slug].verdict.name for slug in slugs}
        # Targets are y − f(x; θ₀), so that outputs of the retrained model are f(x; θ₀) + Φ_F w_r.
        labels = mt.optimal_labels(problem)
        retrained[statistics] = y[found.forget, 0] - problem.targets[problem.forget] + labels
    moved = float(np.linalg.norm(y[found.forget, 0] - retrained["retain"]))
    apart = float(np.linalg.norm(retrained["all"] - retrained["retain"]))
    return {**verdicts, "n_forget": len(found.forget), "moved": moved, "apart": apart, "shift": apart / moved}


def measure(point: Mapping[str, Any]) -> dict[str, Any]:
    """One point."""
    settings = {key: value for key, value in point.items() if key not in ("kind", "map")}
    found = _tangent(**settings) if point["kind"] == "tangent" else _head(point["map"], **settings)
    return {**point, **found}


def run(quick: bool, options: Options) -> dict[str, Any]:
    """Run the campaign."""
    rows = measure_points("deep-features", measure, points(quick), options)
    heads = [row for row in rows if row["kind"] == "head"]
    tangents = [row for row in rows if row["kind"] == "tangent"]
    exact = sum(row["exact-labels"] == "CERTIFIED" for row in heads)
    vacuous = sum(row["label-free"] == "VACUOUS" for row in heads)
    known = sum(row["map-free-of-forget, all"] == "VACUOUS" for row in tangents)
    words = f"{exact} of {len(heads)} heads: exact-labels CERTIFIED; label-free VACUOUS for {vacuous}"
    refuted = any(
        row[name] == "REFUTED" for row in heads for name in ("exact-labels", "exact-labels[output]")
    )
    return {
        "heads": heads,
        "tangents": tangents,
        "failed": refuted or known < len(tangents),
        "verdict": f"{words}; statistics of all samples known to be so in {known} of {len(tangents)} tangents",
    }


def tabulate(result: Mapping[str, Any]) -> dict[str, Any]:
    """Heads, and tangents by their statistics."""
    heads = [
        Column("map"),
        Column("n_features", "D", "d"),
        Column("n_retain", "retained", "d"),
        Column("n_forget", "to forget", "d"),
        Column("forgetting"),
        Column("seed", spec="d"),
        Column("exact-labels"),
        Column("bound", "‖w_u − w_r‖ ≤", ".1e"),
        Column("doing nothing", spec=".3g"),
        Column("label-free"),
        Column("label-free share", "its gap, share of doing nothing", ".3f"),
        Column("pretrained forget accuracy", "forget, pretrained", ".3f"),
        Column("retrained forget accuracy", "forget, retrained", ".3f"),
        Column("retrained test accuracy", "test, retrained", ".3f"),
        Column("features seconds", "seconds for features", ".1f"),
        Column("check seconds", "seconds of the check", ".1f"),
    ]
    tangents = [
        Column("forgetting"),
        Column("seed", spec="d"),
        Column("exact-labels, all", "exact-labels, statistics of all"),
        Column("exact-labels, retain", "of the retained"),
        Column("map-free-of-forget, all", "map-free-of-forget, of all"),
        Column("map-free-of-forget, retain", "of the retained"),
        Column("moved", "retraining moves f_F by", ".3g"),
        Column("shift", "statistics of all: share of that", ".3f"),
    ]
    title = "Heads of deep models on MNIST: labels of the retrained head, and of the pretrained one"
    other = (
        "Tangent of resnet8 at random parameters, digits 3 and 7: statistics of all samples beside those of R"
    )
    return {
        "heads": table(title, result["heads"], heads),
        "tangents": table(other, result["tangents"], tangents),
    }
