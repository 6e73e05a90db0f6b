"""Campaign ``ntk-limit``: how fast the empirical NTK at random initialisation tends to its infinite-width limit.

For dense networks of one to three hidden layers in NTK parameterisation, on real digits, the relative distance
‖Θ_m − Θ_∞‖/‖Θ_∞‖ (Frobenius) is measured at widths 32 to 4,096 with many seeds; the slope of its logarithm
against log m is fitted with an interval (claim ``ntk-limit`` says −½). Beside it, ``systematic`` is the distance of
the mean kernel over seeds from the limit, less what the scatter of that mean alone would give: the part that more
seeds do not remove, and which would bend the line at small widths if it were large there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from muso_theory.networks import empirical_ntk, infinite_width, mlp
from muso_theory.networks.rates import fit_slope

from .campaign import Options, measure_points
from .lazy import WIDTHS, digits
from .tables import Column, table

__all__ = ["measure", "points", "run", "summarise", "tabulate"]


SECONDS = (4, 100)
"""Expected time of the quick and of the full campaign on two cores."""


def points(quick: bool = False) -> list[dict[str, Any]]:
    """All points of the campaign, the expensive ones first."""
    return [
        {"activation": activation, "depth": depth, "width": width, "seeds": 6 if quick else 40, "n": 20}
        for width in reversed(WIDTHS[:6] if quick else WIDTHS)
        for depth in (3, 2, 1)
        for activation in ("relu", "erf")
    ]


def measure(point: Mapping[str, Any]) -> dict[str, Any]:
    """Distances of one architecture at one width, one a seed.

    Args:
        point: activation, depth, width, seeds and n.
    """
    net = mlp([64, *[point["width"]] * point["depth"], 1], point["activation"], "ntk")
    X, _ = digits(point["n"], 0)
    limit = infinite_width(net, X)
    scale = float(np.linalg.norm(limit))
    errors = [
        (empirical_ntk(net, net.init(seed), X, contract="trace") - limit) / scale
        for seed in range(point["seeds"])
    ]
    squares = [float(np.vdot(error, error)) for error in errors]
    mean_square, of_mean = float(np.mean(squares)), float(np.sum(np.mean(errors, axis=0) ** 2))
    systematic = max(0.0, (point["seeds"] * of_mean - mean_square) / (point["seeds"] - 1))
    return {
        **point,
        "distances": [float(np.sqrt(square)) for square in squares],
        "systematic": float(np.sqrt(systematic)),
    }


def summarise(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One slope an activation and depth."""
    found = []
    for depth in sorted({item["depth"] for item in results}):
        for activation in sorted({item["activation"] for item in results}):
            own = [item for item in results if (item["depth"], item["activation"]) == (depth, activation)]
            fit = fit_slope({item["width"]: item["distances"] for item in own})
            if fit is not None:
                found.append({"activation": activation, "depth": depth, **fit})
    return found


def _table(slopes: list[dict[str, Any]]) -> dict[str, Any]:
    """Slopes with their intervals, and the distances at both ends."""
    rows = [{**item, "narrow": item["values"][0], "wide": item["values"][-1]} for item in slopes]
    columns = [
        Column("activation"),
        Column("depth", "hidden layers", "d"),
        Column("slope", "slope", ".3f"),
        Column("low", "95 % from", ".3f"),
        Column("high", "to", ".3f"),
        Column("upper_half_slope", "slope of the wider half", ".3f"),
        Column("narrow", "distance at the narrowest", ".3g"),
        Column("wide", "at the widest", ".3g"),
        Column("seeds", "seeds", "d"),
    ]
    return table("Distance of the empirical NTK to its infinite-width limit, against width", rows, columns)


def run(quick: bool, options: Options) -> dict[str, Any]:
    """Run the campaign."""
    results = measure_points("ntk-limit", measure, points(quick), options)
    slopes = summarise(results)
    inside = sum(item["low"] >= -0.6 and item["high"] <= -0.4 for item in slopes)
    return {
        "points": results,
        "slopes": slopes,
        "verdict": f"{inside} of {len(slopes)} intervals of the slope inside [-0.6, -0.4]",
        "failed": 0 if quick else len(slopes) - inside,
    }


def tabulate(result: Mapping[str, Any]) -> dict[str, Any]:
    """The table of slopes."""
    return {"slopes": _table(result["slopes"])}
