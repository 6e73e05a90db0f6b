"""What methods for networks keep of the retain set and leave of the forget set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from muso_theory.plots import COLOURS, MARKERS, new_figure

from .accuracies import SETTING
from .drawing import BEHIND, only

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NEEDS = ("alternating",)

CAPTION = """
Upper: accuracy on retain samples; lower: distance of the outputs on forget samples to the retrained model's, relative
to doing nothing; both over the accuracy on forget samples, after each method has unlearned a class
({alternating|rows/0/network}, {alternating|rows/0/loss}; {alternating|points/0/words}). Mean over
{alternating|rows/0/retain accuracy/n} seeds, measured; runs that diverged are left out. Dashed: retraining, the place
to be; its own distance is zero and has no place in the lower panel. Methods at the same accuracies differ in what they
leave of the outputs, which accuracies cannot see.
"""


def marks(position: int) -> dict[str, Any]:
    """Marker, filling and colour of a method; no two of twenty-four share marker and filling."""
    colours = list(COLOURS.values())
    return {
        "marker": MARKERS[position % len(MARKERS)],
        "fillstyle": ("none", "full", "left")[position // len(MARKERS) % 3],
        "color": colours[position % len(colours)],
    }


def draw(results: Mapping[str, Any]) -> Figure:
    """Retain accuracy and distance over forget accuracy, a mark a method."""
    from matplotlib.ticker import LogLocator, StrMethodFormatter

    rows = [row for row in only(results["alternating"]["rows"], **SETTING) if "retain accuracy" in row]
    figure, panels = new_figure(2, 1, height=2.5, sharex=True)
    target = next(row for row in rows if row["method"] == "retrain")["forget accuracy"]["mean"]
    for axes, key in zip(panels, ("retain accuracy", "forget output gap"), strict=True):
        for i, row in enumerate(rows):
            if row[key]["mean"] > 0:
                axes.plot(
                    row["forget accuracy"]["mean"],
                    row[key]["mean"],
                    linestyle="none",
                    markersize=5,
                    label=row["method"],
                    **marks(i),
                )
        axes.axvline(target, color=COLOURS["grey"], linestyle="--", linewidth=0.9, zorder=BEHIND)
        axes.margins(x=0.05, y=0.1)
    panels[0].set_ylabel("retain accuracy")
    panels[1].set_ylabel("distance of outputs on F")
    panels[1].set_yscale("log")
    panels[1].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panels[1].yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    panels[1].set_xlabel("forget accuracy")
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=2, handletextpad=0.2)
    return figure
