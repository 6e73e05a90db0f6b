"""What accuracies and membership inference see of each method for networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from muso_theory.plots import COLOURS, new_figure

from .drawing import distinct, only

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NEEDS = ("alternating",)

MEASURES = {"retain accuracy": "", "forget accuracy": "////", "test accuracy": "...."}
SETTING = {"network": "digits-mlp", "loss": "cross-entropy", "forgetting": "class"}

CAPTION = """
Left: accuracies after each method has unlearned a class ({alternating|rows/0/network}, {alternating|rows/0/loss};
{alternating|points/0/words}); mean over {alternating|rows/0/retain accuracy/n} seeds with one standard deviation.
Right: a membership attack on the forgotten class, one line a seed, with the attack's own interval; dashed is chance.
All is measured. A method is to come near the row of retraining, not to make its bars small: what retraining scores, the
data itself tells of samples that were never used. Runs that diverged are left out.
"""


def runs(result: Mapping[str, Any], method: str) -> list[Mapping[str, Any]]:
    """What each seed measured of a method, where the attack could be made."""
    found = [point["methods"][method] for point in only(result["points"], **SETTING) if "methods" in point]
    return [run for run in found if "AUC" in run]


def draw(results: Mapping[str, Any]) -> Figure:
    """Grouped bars, and intervals."""
    rows = only(results["alternating"]["rows"], **SETTING)
    names = distinct(rows, "method")
    figure, (left, right) = new_figure(
        1, 2, height=0.3 + 0.095 * len(names), sharey=True, width_ratios=(3, 2)
    )
    for i, (measure, hatch) in enumerate(MEASURES.items()):
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
            label=measure.removesuffix(" accuracy"),
        )
    for i, name in enumerate(names):
        found = runs(results["alternating"], name)
        for j, run in enumerate(found):
            place = i + 0.7 * ((j + 0.5) / len(found) - 0.5)
            low, high = run["AUC interval"]
            right.plot([low, high], [place] * 2, color=COLOURS["grey"], linewidth=0.7, label="_interval")
            right.plot(
                run["AUC"], place, marker=".", markersize=2.5, color=COLOURS["vermilion"], label="_AUC"
            )
    right.axvline(0.5, color=COLOURS["grey"], linewidth=0.9, linestyle="--", zorder=0.5)
    left.set_yticks(range(len(names)), names)
    left.set_ylim(len(names) - 0.5, -0.5)
    left.set_xlim(0, 1.05)
    left.set_xlabel("accuracy")
    right.set_xlabel("attack AUC")
    for axes in (left, right):
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
    figure.legend(loc="outside upper center", ncols=3)
    return figure
