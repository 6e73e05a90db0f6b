"""What accuracies and membership inference see of each method for networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..canvas import new_figure
from ..marks import BEHIND, distinct, is_drawable, legend_outside, only, shares
from ..style import COLOURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NEEDS = ("alternating",)
OWN = ("unlearn",)

PARTS = {"retain": "", "forget": "////", "test": "...."}
"""What samples a bar is of, with its hatching."""

SETTING = {"network": "digits-mlp", "loss": "cross-entropy", "forgetting": "class"}

CAPTION = """
Left: accuracies after each method has unlearned a class ({alternating|rows/0/network}, {alternating|rows/0/loss};
{alternating|runs/0/words}); mean over {alternating|rows/0/retain accuracy/n} seeds with one standard deviation.
Right: a membership attack on the forgotten class, one line a seed, with the attack's own interval; dashed is chance.
All is measured. A method is to come near the row of retraining, not to make its bars small: what retraining scores, the
data itself tells of samples that were never used. Runs that diverged are left out.
"""


def runs(result: Mapping[str, Any], method: str) -> list[Mapping[str, Any]]:
    """What each seed measured of a method, where the attack could be made."""
    return [run for run in only(result["runs"], **SETTING, method=method) if "AUC" in run]


def draw(results: Mapping[str, Any]) -> Figure:
    """Grouped bars, and intervals."""
    rows = only(results["alternating"]["rows"], **SETTING)
    return _plot(rows, {name: runs(results["alternating"], name) for name in distinct(rows, "method")})


def own(result: Mapping[str, Any]) -> Figure | None:
    """The same of methods that a user ran."""
    if _measured(result["rows"]) is None:
        return None
    rows = summary(result["rows"])
    return _plot(rows, {row["method"]: only(result["rows"], method=row["method"]) for row in rows})


def _measured(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """What rows have of their samples: accuracies of classes, or errors of a regression."""
    kinds = ("accuracy", "error")
    return next(
        (kind for kind in kinds if any(f"{part} {kind}" in row for row in rows for part in PARTS)), None
    )


def told(result: Mapping[str, Any]) -> str:
    """What the figure shows, in words."""
    seeds = ", ".join(map(str, sorted({row["seed"] for row in result["rows"]})))
    accuracy = _measured(result["rows"]) == "accuracy"
    left = "accuracies" if accuracy else "root mean squared errors"
    return (
        f"Left: {left} of each method, mean with one standard deviation over seeds {seeds}. Right, where it was "
        "made: a membership attack on the forget set, one line a run, with its interval; dashed is chance. All is "
        "measured. A method is to come near the row of retraining, not to make its bars small."
    )


def summary(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Mean and standard deviation over the seeds of each method, for every number that its rows have.

    Example:
        >>> summary([{"method": "m", "seed": 0, "gap": 1.0}, {"method": "m", "seed": 1, "gap": 3.0}])
        [{'method': 'm', 'gap': {'mean': 2.0, 'sd': 1.4142135623730951, 'n': 2}}]
    """
    found = []
    for method in distinct(rows, "method"):
        mine = only(rows, method=method)
        told: dict[str, Any] = {"method": method}
        for key in dict.fromkeys(key for row in mine for key in row if key not in ("method", "seed")):
            values = [row[key] for row in mine if is_drawable(row.get(key))]
            if values:
                sd = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
                told[key] = {"mean": float(np.mean(values)), "sd": sd, "n": len(values)}
        found.append(told)
    return found


def _plot(rows: Sequence[Mapping[str, Any]], tried: Mapping[str, Sequence[Mapping[str, Any]]]) -> Figure:
    """Accuracies of `rows`, means with standard deviations, and the attacks on the runs of each method."""
    names, kind = distinct(rows, "method"), _measured(rows)
    attacked = {name: [run for run in found if "AUC" in run] for name, found in tried.items()}
    height = 0.25 + 0.095 * len(names)
    figure, axes = new_figure(1, 2, height=height, sharey=True, width_ratios=(3, 2))
    left, right = axes
    for i, (part, hatch) in enumerate(PARTS.items()):
        measure = f"{part} {kind}"
        known = [row for row in rows if measure in row]
        left.barh(
            [names.index(row["method"]) + 0.28 * (i - 1) for row in known],
            [row[measure]["mean"] for row in known],
            0.26,
            xerr=[row[measure]["sd"] or 0.0 for row in known],
            color=list(COLOURS.values())[i],
            hatch=hatch,
            edgecolor="white",
            linewidth=0.3,
            error_kw={"elinewidth": 0.7},
            label=part,
        )
    for i, name in enumerate(names):
        found = attacked.get(name, [])
        for j, run in enumerate(found):
            place = i + 0.7 * ((j + 0.5) / len(found) - 0.5)
            if run.get("AUC interval"):
                ends = list(run["AUC interval"])
                right.plot(ends, [place] * 2, color=COLOURS["grey"], linewidth=0.7, label="_interval")
            look = {"marker": ".", "markersize": 2.5, "color": COLOURS["vermilion"], "label": "_AUC"}
            right.plot(run["AUC"], place, **look)
    tried_runs = [run for found in attacked.values() for run in found]
    shares(
        right.xaxis, [0.5, *(v for run in tried_runs for v in (run["AUC"], *(run.get("AUC interval") or ())))]
    )
    right.axvline(0.5, color=COLOURS["grey"], linewidth=0.9, linestyle="--", zorder=BEHIND)
    left.set_yticks(range(len(names)), names)
    left.set_ylim(len(names) - 0.5, -0.5)
    if kind == "accuracy":
        shares(left.xaxis, [0.0, 1.0])
    else:
        left.locator_params(axis="x", nbins=3)
    left.set_xlim(left=0)
    left.set_xlabel(kind)
    right.set_xlabel("attack AUC")
    for one in (left, right):
        one.grid(visible=False, axis="y")
        one.tick_params(axis="y", length=0)
    if not any(attacked.values()):
        right.remove()
    legend_outside(figure, [left])
    return figure
