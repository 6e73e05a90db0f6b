"""Campaign ``network-residual``: the paper's network algorithm on a residual network with batch norm, as its own are.

The points are those that ``network-paper`` has for networks where not every choice is changed: the published algorithm,
its form with float64 inverses, the earlier revision and the correct projector, at all learning rates and sizes of
batches, for all ways of forgetting, and what theory says of the head first. Statistics of batch norm are fitted where
the network is trained, and are part of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .campaign import Options, measure_points
from .network_paper import RESIDUAL, measure, scenes, summarise, switches_point
from .network_scenarios import FORGETTING, models_folder
from .network_tables import switch_tables

__all__ = ["points", "run", "tabulate"]

SECONDS = (40, 1500)


def points(quick: bool = False) -> list[dict[str, Any]]:
    """Every network, way of forgetting and seed; a quick run has one of each."""
    found = [
        switches_point(network, forgetting, seed, few=quick)
        for network in RESIDUAL
        for forgetting in FORGETTING
        for seed in range(5)
    ]
    return found[:1] if quick else found


def run(quick: bool, options: Options) -> dict[str, Any]:
    """Run the campaign."""
    where = {"models": models_folder(options.directory)}
    results = measure_points("network-residual", measure, points(quick), options, where=where)
    good = [item for item in results if not item["diverged"]]
    rows = summarise(good)
    lost = sum(row["diverged"] for row in rows)
    return {
        "digits": 6,
        "rows": rows,
        "theory": scenes(good),
        "verdict": f"{len(rows)} rows of {len(good)} networks, {lost} runs and {len(results) - len(good)} "
        "trainings diverged and are averaged nowhere",
    }


def tabulate(result: Mapping[str, Any]) -> dict[str, Any]:
    """All tables; see `network_tables`."""
    return switch_tables(result)
