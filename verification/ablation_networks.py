"""Campaign ``ablation-networks``: what each choice of the alternating algorithm does to gap and time.

One choice at a time is changed, for labels of the last layer and for corrected ones, on the digits' MLP trained by
cross-entropy, with a class and with a tenth of the samples forgotten: share of the retained samples from which labels
are computed, unlearning rate, ε, hard or soft labels, epochs, relabelling, and width and depth of the network. These
are the points that the paper leaves open.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from muso_theory.methods import Alternating
from muso_theory.networks.training import DivergedError

from .campaign import Options, measure_points
from .network_scenarios import models_folder, trained
from .network_scores import Scorer, unlearn
from .tables import Column, mean_sd, table

__all__ = ["AXES", "measure", "points", "run", "tabulate"]

SECONDS = (60, 420)

AXES: dict[str, dict[str, dict[str, Any]]] = {
    "subset": {f"{share:g}": {"subset": share} for share in (0.02, 0.05, 0.2, 0.5, 1.0)},
    "rate": {f"{factor:g} ×": {"rate factor": factor} for factor in (0.1, 0.3, 1.0, 3.0, 10.0)},
    "ridge": {
        "1e-6": {"ridge": (1e-6, 1e-6)},
        "1e-6 → 1e-2": {"ridge": (1e-6, 1e-2)},
        "1e-2": {"ridge": (1e-2, 1e-2)},
        "1": {"ridge": (1.0, 1.0)},
        "100": {"ridge": (100.0, 100.0)},
    },
    "lag": {"0": {"ridge_lag": 0}, "1": {"ridge_lag": 1}},
    "labels": {"hard": {"labels": "hard"}, "soft": {"labels": "soft"}},
    "rule": {"label-free": {"rule": "label-free"}, "optimal": {"rule": "optimal"}},
    "view": {"head": {"view": "head"}, "tangent": {"view": "tangent"}},
    "linearised at": {"start": {"linearised_at": "start"}, "current": {"linearised_at": "current"}},
    "optimizer": {
        "adam": {"optimizer": "adam", "learning_rate": 1e-3},
        "adamw": {"optimizer": "adamw", "learning_rate": 1e-3, "weight_decay": 1e-2},
        "momentum": {"optimizer": "momentum", "learning_rate": 1e-2},
        "sgd": {"optimizer": "gd", "learning_rate": 1e-1},
    },
    "epochs": {str(epochs): {"epochs": epochs} for epochs in (1, 2, 5, 10)},
    "relabel": {"epoch": {"relabel": "epoch"}, "batch": {"relabel": "batch"}, "once": {"relabel_every": 10}},
    "width": {str(width): {"width": width} for width in (32, 128, 512)},
    "depth": {str(depth): {"depth": depth} for depth in (1, 2, 3)},
}
"""Every choice, and its values: fields of the method, or sizes of the network."""

_ONLY = {"lag": "last layer", "linearised at": "corrected"}
"""Choices that say something of one variant alone."""
_SCORES = (
    "retain accuracy",
    "forget accuracy",
    "test accuracy",
    "average gap",
    "parameter gap",
    "forget output gap",
    "AUC",
    "AUC difference",
    "seconds",
)


def points(quick: bool = False) -> list[dict[str, Any]]:
    """All points: one a variant, way of forgetting, network and seed, with all choices of methods in it.

    A quick run has one seed, one way of forgetting, no other networks, the first and last value of every choice.
    """
    sizes = [{}] if quick else [{}, *({key: v} for key in ("width", "depth") for v in _sizes(key))]
    return [
        {"variant": variant, "forgetting": forgetting, "seed": seed, "sizes": size, "ends": quick}
        for size in sizes
        for forgetting in (("class",) if quick else ("class", "random 10 %"))
        for variant in ("last layer", "corrected")
        for seed in range(1 if quick else 5)
    ]


def _sizes(axis: str) -> list[int]:
    """Values of a size, the default left out: it is the point without sizes."""
    default = {"width": 128, "depth": 1}[axis]
    return [setting[axis] for setting in AXES[axis].values() if setting[axis] != default]


def _method(variant: str, seed: int, settings: Mapping[str, Any]) -> Alternating:
    """A variant with some choices changed."""
    make = Alternating.last_layer if variant == "last layer" else Alternating.corrected
    changes = {key: value for key, value in settings.items() if key != "rate factor"}
    plain = make(seed=seed, watch=24, **changes)
    factor = settings.get("rate factor", 1.0)
    return make(seed=seed, watch=24, **{**changes, "learning_rate": factor * plain.learning_rate})


def _fits(variant: str, axis: str, settings: Mapping[str, Any]) -> bool:
    """Whether a choice says something of a variant."""
    if axis in ("width", "depth") or _ONLY.get(axis, variant) != variant:
        return False
    return not (variant == "corrected" and settings.get("relabel") == "batch")


def measure(point: Mapping[str, Any], models: str) -> dict[str, Any]:
    """One network, and every choice of methods on it; other networks with the variant itself alone."""
    variant, seed, sizes = point["variant"], point["seed"], point["sizes"]
    try:
        found = trained(models, "digits-mlp", point["forgetting"], seed, **sizes)
    except DivergedError as problem:
        return {**point, "diverged": True, "reason": str(problem)}
    scorer = Scorer(found)
    done: dict[str, Any] = {"default": {"": unlearn(scorer, _method(variant, seed, {}))}}
    if not sizes:
        for axis, values in AXES.items():
            kept = {name: value for name, value in values.items() if _fits(variant, axis, value)}
            if point["ends"]:
                kept = {name: kept[name] for name in dict.fromkeys([*kept][:1] + [*kept][-1:])}
            if kept:
                done[axis] = {
                    name: unlearn(scorer, _method(variant, seed, value)) for name, value in kept.items()
                }
    return {**point, "diverged": False, "n_params": found.problem.net.n_params, "axes": done}


def summarise(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean and deviation over seeds for every variant, way of forgetting, axis and value."""
    groups: dict[tuple[str, str, str, str], list[dict[str, Any]]] = {}
    for item in results:
        for axis, values in item.get("axes", {}).items():
            for name, scores in values.items():
                for found in _places(item["sizes"], axis, name):
                    groups.setdefault((item["variant"], item["forgetting"], *found), []).append(scores)
    rows = []
    order = {axis: index for index, axis in enumerate(["default", *AXES])}
    for (variant, forgetting, axis, value), runs in groups.items():
        good = [run for run in runs if not run["diverged"]]
        row: dict[str, Any] = {"variant": variant, "forgetting": forgetting, "axis": axis, "value": value}
        row |= {"runs": len(runs), "diverged": len(runs) - len(good)}
        row |= {key: mean_sd([run[key] for run in good]) for key in _SCORES if good}
        alignments = [run["alignment"] for run in good if run.get("alignment") is not None]
        if alignments:
            row["alignment"] = mean_sd(alignments)
        rows.append(row)
    return sorted(rows, key=lambda row: (row["variant"], row["forgetting"], order[row["axis"]]))


def _places(sizes: Mapping[str, int], axis: str, value: str) -> list[tuple[str, str]]:
    """Where a result belongs: under its axis, and the default network under width and depth as well."""
    if axis != "default":
        return [(axis, value)]
    if sizes:
        return [(key, str(size)) for key, size in sizes.items()]
    return [("default", "—"), ("width", "128"), ("depth", "1")]


def run(quick: bool, options: Options) -> dict[str, Any]:
    """Run the campaign."""
    where = {"models": models_folder(options.directory)}
    results = measure_points("ablation-networks", measure, points(quick), options, where=where)
    rows = summarise(results)
    lost = sum(row["diverged"] for row in rows)
    return {
        "digits": 6,
        "rows": rows,
        "verdict": f"{len(rows)} rows, {lost} runs diverged and left out",
    }


def tabulate(result: Mapping[str, Any]) -> dict[str, Any]:
    """One table for each variant and way of forgetting."""
    columns = [
        Column("axis"),
        Column("value"),
        Column("runs", "seeds", "d"),
        Column("retain accuracy", "retain", ".3f"),
        Column("forget accuracy", "forget", ".3f"),
        Column("test accuracy", "test", ".3f"),
        Column("average gap", "average gap, %", ".2f"),
        Column("parameter gap", "gap in θ", ".3f"),
        Column("forget output gap", "gap in f_F", ".3f"),
        Column("AUC difference", "AUC − null", ".3f"),
        Column("alignment", "kernel alignment", ".3f"),
        Column("seconds", "CPU seconds", ".2f"),
        Column("diverged"),
    ]
    tables = {}
    for variant, forgetting in dict.fromkeys((row["variant"], row["forgetting"]) for row in result["rows"]):
        own = [row for row in result["rows"] if (row["variant"], row["forgetting"]) == (variant, forgetting)]
        title = (
            f"{variant} variant, forgetting {forgetting}: one choice changed at a time, mean ± sd over seeds"
        )
        tables[f"{variant}, {forgetting}"] = table(title, own, columns)
    return tables
