"""What each choice of the linear experiment does to the gap, with the theoretical curve beside every measurement.

Varied one at a time: down-sampling ratio (uniform and by leverage scores), step size and schedule, gradient descent,
the stability boundary, ridge in the label, number of features, forget fraction, scale of w₀, label noise, D/n across
the interpolation threshold, optimizer. All on the digits 3 and 7, those of scikit-learn and of MNIST.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .ablation_axes import AXES
from .campaign import Options, measure_points
from .tables import Column, mean_sd, table
from .theory import error_in_words, judge

__all__ = ["measure", "points", "run", "slopes", "tabulate"]

SECONDS = (15, 180)

_VARIED = {
    "downsampling": "ratio",
    "ridge": "epsilon",
    "forget fraction": "forgetting",
    "scale of w₀": "noise",
    "label noise": "flipped",
    "parameterisation": "ratio",
    "optimizer": "optimizer",
    "gradient": "share",
    "stable steps": "method",
    "features": "n_features",
}


def points(quick: bool = False) -> list[dict[str, Any]]:
    """All points of the campaign; a quick run has digits only, one seed, fewer values."""
    seeds = range(1 if quick else 3)
    found: list[dict[str, Any]] = []
    base = [
        {"data": "digits:3,7", "scale": "unit", "bandwidth": 2.0, "n_retain": 40 if quick else 100},
        {"data": "mnist:3,7", "scale": "unit", "bandwidth": 5.0, "n_retain": 300},
    ][: 1 if quick else 2]
    width, epochs = (600, [1, 10, 100]) if quick else (5000, [10, 100, 1500])
    for data in base:
        common = {**data, "n_features": width, "forgetting": "random", "epochs": epochs}
        small = {**data, "n_retain": 60, "n_forget": 30, "n_features": 1000, "bandwidth": 2.0}
        for seed in seeds:

            def add(axis: str, seed: int = seed, **settings: Any) -> None:
                found.append({"axis": axis, "seed": seed, **settings})

            ratios = [0.05, 0.2, 1.0] if quick else [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.8, 1.0]
            for sampling in ("uniform", "leverage"):
                add("downsampling", **{**common, "sampling": sampling, "ratios": ratios, "scale": "unit"})
            for first, power in ((1.0, 0.0), (2.0, 0.2)) if quick else _schedules():
                add("steps", **{**common, "first": first, "power": power})
            for share in (0.5,) if quick else (0.05, 0.5, 0.9, 0.99):
                add("gradient", **{**common, "share": share})
            for method in ("gd", "cyclic-sgd"):
                add("stable steps", **{**common, "method": method, "epochs": [4000]})
            exponents = (-12, -6, 0) if quick else range(-12, 1)
            add("ridge", **{**small, "ridges": [10.0**k for k in exponents]})
            for fraction in (0.1, 0.5) if quick else (0.02, 0.05, 0.1, 0.2, 0.5, 0.8):
                add("forget fraction", **{**common, "forgetting": f"random:{fraction}", "n_retain": None})
            for noise in (0.1, 10.0) if quick else (0.0, 0.1, 1.0, 10.0, 100.0):
                add("scale of w₀", **{**common, "noise": noise})
            for flipped in (0.2,) if quick else (0.0, 0.05, 0.1, 0.2, 0.5):
                add("label noise", **{**common, "flipped": flipped})
            for ratio in (0.2, 0.9, 1.1, 5.0) if quick else _RATIOS:
                size = {"n_retain": 60, "n_forget": 30} if quick else {"n_retain": 120, "n_forget": 60}
                add("parameterisation", **{**data, **size, "bandwidth": 1.0, "ratio": ratio})
            for method in ("momentum", "adam") if quick else _OPTIMIZERS:
                add("optimizer", **{**small, "optimizer": method, "epochs": [10, 100, 400]})
        # A bandwidth at which the kernel's labels are neither zero nor hidden behind the conditioning of K.
        kernel = 1.0 if data["data"].startswith("digits") else 4.0
        for seed in range(3 if quick else 10):
            for exponent in (9, 11, 13) if quick else range(9, 16):
                found.append(
                    {"axis": "features", "seed": seed, "data": data["data"], "scale": "unit"}
                    | {"n_features": 2**exponent, "bandwidth": kernel, "n_retain": 60, "n_forget": 60}
                )
    return found


_RATIOS = (0.2, 0.5, 0.8, 0.9, 1.0, 1.1, 1.2, 1.5, 2.0, 5.0, 10.0, 20.0)
_OPTIMIZERS = (
    "gd",
    "momentum",
    "nesterov",
    "cyclic-sgd",
    "shuffled-sgd",
    "sgd",
    "adam",
    "rmsprop",
    "adagrad",
    "weight decay",
)


def _schedules() -> list[tuple[float, float]]:
    """First steps and powers; (2, 0) is on the boundary, where nothing converges."""
    return [(first, power) for power in (0.0, 0.2, 0.5) for first in (0.25, 1.0, 1.9, 2.0)]


def measure(point: Mapping[str, Any]) -> dict[str, Any]:
    """One setting of one axis."""
    return {"rows": AXES[point["axis"]](point)}


def slopes(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Slope of log(distance) against log(D) (claim kernel-limit): one fit a seed, Student's interval of their mean."""
    from scipy.stats import t as student

    found = []
    for data in dict.fromkeys(row["data"] for row in rows):
        own = [row for row in rows if row["data"] == data]
        fits = []
        for seed in sorted({row["seed"] for row in own}):
            x = [np.log(row["n_features"]) for row in own if row["seed"] == seed]
            y = [np.log(row["measured"]) for row in own if row["seed"] == seed]
            fits.append(float(np.polyfit(x, y, 1)[0]))
        mean, spread = float(np.mean(fits)), float(np.std(fits, ddof=1) / np.sqrt(len(fits)))
        reach = float(student.ppf(0.995, len(fits) - 1)) * spread
        found.append(
            {
                "data": data,
                "slope": mean,
                "low": mean - reach,
                "high": mean + reach,
                "seeds": len(fits),
                "agrees": mean - reach <= -0.5 <= mean + reach,
            }
        )
    return found


def run(quick: bool, options: Options) -> dict[str, Any]:
    """Run the campaign."""
    settings = points(quick)
    measured = measure_points("ablation", measure, settings, options)
    rows = [
        {**{k: v for k, v in point.items() if k not in ("epochs", "ratios", "ridges")}, **row}
        for point, found in zip(settings, measured, strict=True)
        for row in found["rows"]
    ]
    verdict = judge([row for row in rows if row["axis"] != "features"])
    by_axis = {
        axis: judge([row for row in rows if row["axis"] == axis])["largest relative error"] for axis in AXES
    }
    fitted = slopes([row for row in rows if row["axis"] == "features"])
    failed = verdict["failed"] or not all(fit["agrees"] for fit in fitted)
    return {
        "digits": 6,
        "rows": rows,
        "judgement": verdict,
        "largest relative error by axis": by_axis,
        "slopes": fitted,
        "features": _means(rows, "features"),
        "downsampled": _first(rows, "downsampling"),
        "failed": failed,
        "verdict": f"{'FAILED' if failed else 'as predicted'}: {verdict['predictions']} predictions, "
        f"{error_in_words(verdict)}; slopes "
        + ", ".join(f"{fit['slope']:.3f} in [{fit['low']:.3f}, {fit['high']:.3f}]" for fit in fitted),
    }


def tabulate(result: Mapping[str, Any]) -> dict[str, Any]:
    """One table an axis, mean ± sd over seeds, and one of slopes."""
    found = {}
    for axis in AXES:
        body = _means(result["rows"], axis)
        columns = [
            Column("data"),
            Column("setting", axis),
            Column("epochs", "epochs", "d"),
            Column("quantity"),
            Column("predicted", "predicted", ".3e"),
            Column("measured", "measured", ".3e"),
            Column("error", "largest error", ".0e"),
            Column("relative gap", "gap / nothing", ".2e"),
            Column("seconds", "seconds", ".4f"),
        ]
        columns = [c for c in columns if any(cells.get(c.key) is not None for cells in body)]
        title = (
            f"Ablation of {axis}: predicted and measured, mean ± sd over seeds; an error is relative to what was "
            "measured, or to 1e-6 of doing nothing where that is more."
        )
        found[axis.replace(" ", "-").replace("₀", "0")] = table(title, body, columns, ("data", "quantity"))
    keys = ("data", "slope", "low", "high", "seeds", "agrees")
    found["slopes"] = table(
        "Slope of the relative distance to the kernel's labels, with 99 % intervals; −½ by theory.",
        result["slopes"],
        [[k] for k in keys],
    )
    return found


def _means(rows: Sequence[Mapping[str, Any]], axis: str) -> list[dict[str, Any]]:
    """Mean ± sd over the seeds of everything on one axis."""
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["axis"] == axis:
            key = (row["data"], _setting(axis, row), row.get("epochs"), row["quantity"])
            groups.setdefault(key, []).append(row)
    found = []
    for (data, setting, epochs, quantity), group in groups.items():
        cells: dict[str, Any] = {"data": data, "setting": setting, "epochs": epochs, "quantity": quantity}
        for key in ("predicted", "measured", "relative gap", "seconds"):
            if key in group[0]:
                cells[key] = mean_sd(row[key] for row in group)
        if "relative error" in group[0]:
            cells["error"] = max(row["relative error"] for row in group)
        found.append(cells)
    return found


def _first(rows: Sequence[Mapping[str, Any]], axis: str) -> dict[str, Any]:
    """The first data set on an axis, and its seeds."""
    data = next(row["data"] for row in rows if row["axis"] == axis)
    seeds = {row["seed"] for row in rows if (row["axis"], row["data"]) == (axis, data)}
    return {"data": data, "seeds": len(seeds)}


def _setting(axis: str, row: Mapping[str, Any]) -> str:
    """The value that is varied, in words."""
    if axis == "steps":
        return f"{row['first']:g} (t+1)^-{row['power']:g}"
    value = row.get(_VARIED[axis])
    if value is None:
        return str(row["sampling"])
    words = f"{value:g}" if isinstance(value, float) else str(value).removeprefix("random:")
    return f"{row['sampling']} {words}" if axis == "downsampling" else words
