"""Campaign ``network-paper``: the paper's network algorithm as published, every choice of it changed alone.

Five kinds of points:

- ``switches``: the published algorithm (arXiv 2410.08557, revision of 2025-02) and `SWITCHES` of it, on networks of
  `network_scenarios` that were trained by cross-entropy, at several learning rates and batch sizes; the forms that
  matter most on all networks and ways of forgetting. Beside each stands what theory says before anything is trained:
  the share of F that exact arithmetic would relabel with the features frozen, whether the labels of claim label-free
  degenerate, and what certificates say of the head. A network that is added to `network_scenarios` enters by itself.
  Residual networks are the campaign ``network-residual``.
- ``rounding``: Π, labels and forget accuracy in float32, float64 and at 50 digits, against a constant ε.
- ``kernels``: the same under every BLAS kernel, for the same trained networks.
- ``causes``: why relabelling loses to doing nothing where samples are forgotten at random, cause by cause.
- ``printed``: retraining, beside the paper's own numbers, which are of other data and another network.

Training is in float32 on one BLAS thread a point, under the kernel that the result's environment names; float32 results
move with the kernel, and ``kernels`` says how far. A run that diverged is counted and averaged nowhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from muso_theory.arrays import Array
from muso_theory.linear.approximation import centred_alignment
from muso_theory.methods import Alternating, NoUnlearning, Published
from muso_theory.methods.monitors import Convergence, Epoch, signatures
from muso_theory.networks import NetworkProblem, empirical_ntk
from muso_theory.networks.training import DivergedError

from .campaign import Options, measure_points
from .network_causes import (
    CLEAR,
    REORDERED,
    causes,
    reordered,
    summarise_causes,
    summarise_labels,
    summarise_theory,
)
from .network_difference import difference
from .network_rounding import EPSILONS, kernel_runs, rounding, summarise_kernels, summarise_rounding
from .network_scenarios import NETWORKS, models_folder, trained
from .network_scores import Scorer
from .network_switches import FEW, SWITCHES, Frozen, head_theory, published, relabelled, summarised
from .network_tables import paper_tables
from .tables import mean_sd

__all__ = [
    "PRINTED",
    "RESIDUAL",
    "STEPS",
    "measure",
    "points",
    "run",
    "scenes",
    "scored",
    "signs_of",
    "summarise",
    "switches_point",
    "tabulate",
]

SECONDS = (60, 2400)

STEPS: dict[str, tuple[tuple[float, int], ...]] = {
    "class": ((2.8e-4, 128), (2.8e-4, 64), (1e-3, 128), (1e-3, 64)),
    "random": ((3e-5, 128), (2.8e-4, 128), (2.8e-4, 64), (1e-3, 128), (1e-3, 64)),
}
"""Learning rates and batch sizes, those of the published code first."""

PRINTED = (
    {"data": "CIFAR-10", "forgetting": "random 1 %", "test": 93.29, "forget": 92.96, "membership": 79.00},
    {"data": "CIFAR-10", "forgetting": "random 10 %", "test": 92.91, "forget": 93.57, "membership": 80.75},
    {"data": "CIFAR-100", "forgetting": "random 1 %", "test": 76.41, "forget": 75.28, "membership": 55.44},
    {"data": "CIFAR-100", "forgetting": "random 10 %", "test": 75.44, "forget": 74.68, "membership": 54.59},
)
"""Retraining as the paper prints it, in per cent: ResNet-18; nothing here was measured by us."""

RESIDUAL = ("digits-resnet",)
"""Networks of the campaign ``network-residual``."""

_ALL = ("digits-mlp", "digits-cnn")
_SCORES = (
    "retain accuracy", "forget accuracy", "test accuracy", "parameter gap", "forget output gap", "average gap",
    "membership score", "AUC difference", "relabelled", "seconds",
)  # fmt: skip
_WATCHED = 24
"""Samples on which the tangent kernel is compared with its start."""


def switches_point(
    network: str, forgetting: str, seed: int, *, every: bool = False, few: bool = False
) -> dict[str, Any]:
    """The published algorithm and switches of it on one network: every one or a few, at few of the steps or all."""
    where = {"kind": "switches", "network": network, "forgetting": forgetting, "seed": seed}
    return {**where, "all": every, "few": few}


def points(quick: bool = False) -> list[dict[str, Any]]:
    """All points; a quick run has one seed of the digits' MLP, and of the causes one way of forgetting."""
    seeds = range(1 if quick else 5)
    networks = _ALL[:1] if quick else _ALL
    two = ("class", "random 10 %")
    found = [
        switches_point(network, forgetting, seed, every=True, few=quick)
        for network in networks
        for forgetting in two
        for seed in seeds
    ]
    found += [
        {"kind": kind, "network": network, "forgetting": forgetting, "seed": seed, "few": quick}
        for kind in ("rounding", "kernels", "causes")
        for network in networks
        for forgetting in two
        if kind != "kernels" or (forgetting == "class" and not quick)
        if kind != "causes" or forgetting != "class" or not quick
        for seed in seeds
    ]
    if not quick:
        found += [
            switches_point(network, forgetting, seed)
            for network in NETWORKS
            if network not in RESIDUAL
            # MNIST, three times as large, is forgotten in two ways.
            for forgetting in (two if network.startswith("mnist") else ("subclass", "random 1 %"))
            + (two if network not in _ALL and not network.startswith("mnist") else ())
            for seed in seeds
        ]
    return found


def signs_of(
    problem: NetworkProblem,
    params: list[Array],
    history: Sequence[Epoch],
    convergence: Convergence,
    scores: Any,
) -> list[str]:
    """Signs of failure in a run of the published algorithm, by name."""
    everyone = np.random.default_rng(0).permutation(len(problem.X))[:_WATCHED]
    before, after = (
        empirical_ntk(problem.net, place, problem.X[everyone], contract="trace")
        for place in (problem.start, params)
    )
    last = replace(history[-1], alignment=float(centred_alignment(before, after)))
    ends: dict[str, Any] = {}
    if "AUC interval" in scores:
        ends = {"attack": tuple(scores["AUC interval"]), "null": tuple(scores["AUC null interval"])}
    return [sign.name for sign in signatures([*history[:-1], last], convergence, **ends)]


def scored(scorer: Scorer, work: Callable[[NetworkProblem], Any]) -> dict[str, Any]:
    """Scores of one method with its seconds of processor time; divergence is a result, not a failure."""
    problem, started = scorer.found.problem, time.process_time()
    try:
        with np.errstate(all="ignore"):
            result = work.run(problem) if isinstance(work, Published) else work(problem)
            told = {}
            if isinstance(work, Published):
                params = problem.check_trained(work.reached(result), work.learning_rate)
            else:
                params, told = result if isinstance(result, tuple) else (result, {})
    except DivergedError as diverged:
        return {"diverged": True, "reason": str(diverged), "seconds": time.process_time() - started}
    seconds, scores = time.process_time() - started, scorer(params)
    if isinstance(work, Published):
        told["signs"] = signs_of(problem, params, result.history, result.convergence, scores)
        told["relabelled"] = result.history[-1].relabelled
    kept = {key: scores[key] for key in _SCORES if scores.get(key) is not None}
    return {"diverged": False, **kept, **told, "seconds": seconds}


def _switches(found: Any, point: Mapping[str, Any]) -> dict[str, Any]:
    """Every switch at every step on one network, what theory says, and what else there is to compare with."""
    scorer, problem, seed = Scorer(found), found.problem, point["seed"]
    scenario = "random" if point["forgetting"].startswith("random") else "class"
    steps = STEPS[scenario][:: 4 if point["few"] else 1]
    frozen, known = Frozen(problem), {}
    rows = []
    for rate, batch in steps:
        for name in SWITCHES if point["all"] else FEW:
            method = published(name, point["forgetting"], seed, learning_rate=rate, batch_size=batch)
            # What exact arithmetic makes of the frozen head has nothing to do with rates.
            key = (method.revision, method.sampling, method.subset, method.ridge, method.ridge_lag, batch)
            if key not in known:
                known[key] = relabelled(frozen, method)
            row = {"switch": name, "rate": rate, "batch": batch, "expected": known[key]}
            rows.append(row | scored(scorer, method))
    others: dict[str, Callable[[NetworkProblem], Any]] = {
        "doing nothing": NoUnlearning(),
        REORDERED: partial(reordered, seed=seed),
        "alternating, corrected": Alternating.corrected(
            seed=seed, watch=0, iterations=_iterations(point["network"])
        ),
        "difference labels": partial(difference, seed=seed),
    }
    assert problem.retrained is not None
    null = {key: 100 * value for key, value in scorer.paper.items() if value is not None}
    return {
        "words": found.words,
        "theory": head_theory(frozen),
        "retrained": null,
        "rows": rows,
        "others": {name: scored(scorer, work) for name, work in others.items()},
    }


def _iterations(network: str) -> int:
    """Of the corrected algorithm's tangent kernel, as many as the time allows."""
    return 50 if network.startswith("mnist") else 100


def measure(point: Mapping[str, Any], models: str) -> dict[str, Any]:
    """One point."""
    where = (point["network"], point["forgetting"], point["seed"])
    if point["kind"] == "kernels":
        return {**point, "diverged": False, "kernels": kernel_runs(models, *where)}
    try:
        if point["kind"] == "causes":
            losses = ("cross-entropy", "squared")[: 1 if point["few"] else 2]
            done = {
                loss: causes(trained(models, *where, loss=loss).problem, point["seed"]) for loss in losses
            }
            return {**point, "diverged": False, "losses": done}
        found = trained(models, *where)
    except DivergedError as diverged:
        return {**point, "diverged": True, "reason": str(diverged)}
    if point["kind"] == "rounding":
        epsilons = EPSILONS[1::2] if point["few"] else EPSILONS
        entries = rounding(found.problem, point["forgetting"], point["seed"], epsilons)
        return {**point, "diverged": False, "rounding": entries}
    return {**point, "diverged": False, **_switches(found, point)}


def summarise(items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Mean and deviation over seeds for every network, way of forgetting, step and switch."""
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for item in items:
        where = (item["network"], item["forgetting"])
        for run in item["rows"]:
            groups.setdefault((*where, run["rate"], run["batch"], run["switch"]), []).append(run)
        for name, scores in item["others"].items():
            groups.setdefault((*where, None, None, name), []).append(scores)
    rows = []
    for (network, forgetting, rate, batch, switch), runs in groups.items():
        good = [run for run in runs if not run["diverged"]]
        row: dict[str, Any] = {"network": network, "forgetting": forgetting, "rate": rate, "batch": batch}
        row |= {"switch": switch, "runs": len(runs), "diverged": len(runs) - len(good)}
        for key in _SCORES:
            values = [run[key] for run in good if key in run]
            if values:
                row[key] = mean_sd(values)
        # Of every seed, in the order of the seeds, None where it diverged: what paired comparisons need.
        row |= {
            f"each {key}": [run.get(key) for run in runs] for key in ("forget accuracy", "forget output gap")
        }
        if good:
            row["nearer"] = f"{sum(run['forget output gap'] < 1 - CLEAR for run in good)} of {len(good)}"
        expected = [max(run["expected"]) for run in runs if "expected" in run]
        if expected:
            row["expected"] = mean_sd(expected)
        signs = sorted({sign for run in good for sign in run.get("signs", [])})
        row["signs"] = (
            ", ".join(f"{sign} {sum(sign in run['signs'] for run in good)}" for sign in signs) or None
        )
        rows.append(row)
    return rows


def scenes(items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What theory says of every network and way of forgetting, over seeds."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for item in items:
        groups.setdefault((item["network"], item["forgetting"]), []).append(item["theory"])
    keys = (
        "rank",
        "joint rank",
        "features",
        "label shift",
        "relabelled",
        "wrong before",
        "gap of the labels",
    )
    return [
        {"network": network, "forgetting": forgetting, "runs": len(found), **summarised(found)}
        | {key: mean_sd([one[key] for one in found]) for key in keys}
        for (network, forgetting), found in groups.items()
    ]


def _printed(items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Retraining at random forgetting: the paper's own numbers, and ours."""
    rows: list[dict[str, Any]] = [{"whose": "theirs, ResNet-18", **row} for row in PRINTED]
    groups: dict[tuple[str, str], list[Mapping[str, float]]] = {}
    for item in items:
        if item["forgetting"].startswith("random"):
            groups.setdefault((item["network"], item["forgetting"]), []).append(item["retrained"])
    for (network, forgetting), found in groups.items():
        row: dict[str, Any] = {"whose": "ours", "data": network, "forgetting": forgetting, "runs": len(found)}
        for key in ("test", "forget", "membership"):
            known = [one[key] for one in found if key in one]
            if known:
                row[key] = mean_sd(known)
        rows.append(row)
    return rows


def run(quick: bool, options: Options) -> dict[str, Any]:
    """Run the campaign."""
    where = {"models": models_folder(options.directory)}
    results = measure_points("network-paper", measure, points(quick), options, where=where)
    good = [item for item in results if not item["diverged"]]

    def of(kind: str) -> list[dict[str, Any]]:
        return [item for item in good if item["kind"] == kind]

    reasons = [
        {key: value for key, value in item.items() if key not in ("losses", "few", "all", "kind", "diverged")}
        | found
        | {"loss": loss}
        for item in of("causes")
        for loss, found in item["losses"].items()
    ]
    switches = of("switches")
    rows = summarise(switches)
    lost = sum(row["diverged"] for row in rows)
    return {
        "digits": 6,
        "rows": rows,
        "theory": scenes(switches),
        "printed": _printed(switches),
        "rounding": summarise_rounding(of("rounding")),
        "kernels": summarise_kernels(of("kernels")),
        "labels": summarise_labels(reasons),
        "causes": summarise_causes(reasons),
        "steps": summarise_theory(reasons),
        "verdict": f"{len(rows)} rows of {len(switches)} networks, {lost} runs and {len(results) - len(good)} "
        "trainings diverged and are averaged nowhere",
    }


def tabulate(result: Mapping[str, Any]) -> dict[str, Any]:
    """All tables; see `network_tables`."""
    return paper_tables(result)
