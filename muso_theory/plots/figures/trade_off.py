"""What methods for networks keep of the retain set and leave of the forget set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..canvas import new_figure
from ..marks import BEHIND, only, shares
from ..style import COLOURS
from .accuracies import SETTING, summary

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NEEDS = ("alternating",)
OWN = ("unlearn",)

_AIM = "retraining"
"""The method that the others are held against."""

MEASURES = {
    "retain accuracy": "accuracy on R",
    "forget accuracy": "accuracy on F",
    "retain error": "error on R",
    "forget error": "error on F",
    "forget output gap": "distance on F",
}
"""What is shown of each method, a panel each: accuracies of classes, errors of numbers."""

CAPTION = """
What each method keeps of the retain set R (first panel) and leaves of the forget set F: accuracy there (second)
and the distance of its outputs there to the retrained model's, relative to doing nothing (third, logarithmic), after it
has unlearned a class ({alternating|rows/0/network}, {alternating|rows/0/loss}; {alternating|runs/0/words}). Methods
stand in the order of the distance; mean over {alternating|rows/0/retain accuracy/n} seeds with a bar of one standard
deviation to either side, measured; runs that diverged are left out. Dashed: retraining, the aim of each; its own
distance is zero and has no place in the third panel. Methods whose accuracies agree differ in what they leave of the
outputs, which accuracies cannot see.
"""


def draw(results: Mapping[str, Any]) -> Figure:
    """A row a method, a panel a measure."""
    rows = only(results["alternating"]["rows"], **SETTING)
    return _plot([row for row in rows if "retain accuracy" in row])


def own(result: Mapping[str, Any]) -> Figure | None:
    """The same of methods that a user ran, with the measures that were taken."""
    rows = summary(result["rows"])
    return _plot(rows) if sum(any(key in row for row in rows) for key in MEASURES) > 1 else None


def told(result: Mapping[str, Any]) -> str:
    """What the figure shows, in words."""
    rows = summary(result["rows"])
    shown = [key for key in MEASURES if any(key in row for row in rows)]
    seeds = sorted({row["seed"] for row in result["rows"]})
    spread = f"one run, of seed {seeds[0]}"
    if len(seeds) > 1:
        spread = f"mean over seeds {', '.join(map(str, seeds))} with a bar of one standard deviation to either side"
    return (
        f"{', '.join(shown)} of each method (R is the retain set, F the forget set): {spread}, measured, in the order "
        f"of {shown[-1]}."
    ) + (" Dashed: retraining, the aim of each." if any(row["method"] == _AIM for row in rows) else "")


def _plot(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Means with standard deviations; nothing lies over another, as every method has a row of its own."""
    shown = [key for key in MEASURES if any(key in row for row in rows)]
    last = shown[-1]
    rows = sorted(rows, key=lambda row: row[last]["mean"] if last in row else float("inf"))
    names = [row["method"] for row in rows]
    aim = next((row for row in rows if row["method"] == _AIM), None)
    figure, places = new_figure(1, len(shown), height=0.3 + 0.075 * len(names), sharey=True, squeeze=False)
    for axes, key in zip(places[0], shown, strict=True):
        if key == "forget output gap":
            means = [row[key]["mean"] for row in rows if key in row and row[key]["mean"] > 0]
            if means and max(means) > 10 * min(
                means
            ):  # within a decade such an axis has no place for its numbers
                axes.set_xscale("log")
            else:
                axes.locator_params(axis="x", nbins=2)
        for i, row in enumerate(rows):
            mean = row[key]["mean"] if key in row else 0.0
            if key not in row or (mean <= 0 and axes.get_xscale() == "log"):
                continue
            sd = row[key]["sd"] or 0.0
            # A logarithmic axis has no place for what lies below zero: the bar then ends at a tenth of the mean.
            low = max(mean - sd, mean / 10) if axes.get_xscale() == "log" else mean - sd
            axes.plot([low, mean + sd], [i, i], color=COLOURS["grey"], linewidth=0.9, label="_sd")
            axes.plot(mean, i, color=COLOURS["blue"], marker="o", markersize=4, label="_mean")
        if aim is not None and key in aim and (aim[key]["mean"] > 0 or axes.get_xscale() == "linear"):
            axes.axvline(
                aim[key]["mean"], color=COLOURS["grey"], linestyle="--", linewidth=0.9, zorder=BEHIND
            )
        axes.margins(x=0.12)
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        if key.endswith("accuracy"):
            parts = 4 if len(shown) < 3 else 2
            shares(axes.xaxis, [row[key]["mean"] for row in rows if key in row], parts)
        elif key.endswith("error"):
            _errors(axes, [row[key]["mean"] for row in rows if key in row])
        axes.set_xlabel(MEASURES[key], fontsize="small")
    places[0, 0].set_yticks(range(len(names)), names, fontsize="x-small")  # long names leave narrow panels
    places[0, 0].set_ylim(len(names) - 0.5, -0.5)
    return figure


def _errors(axes: Any, means: Sequence[float]) -> None:
    """The axis of errors; those of nearly one value are shown as one, and not by their last digits."""
    low, high = min(means), max(means)
    if high - low < 0.05 * high:
        axes.set_xlim(0.9 * low, 1.1 * high)
    axes.locator_params(axis="x", nbins=2)
    axes.ticklabel_format(axis="x", useOffset=False)
