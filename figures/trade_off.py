"""What methods keep of the retain set and leave of the forget set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from muso_theory.plots import COLOURS, new_figure

from .drawing import BEHIND

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NEEDS = ("baselines",)

TABLE = "digits-random"

CAPTION = """
Upper: accuracy on retain samples; lower: gap to the retrained weights relative to doing nothing; both over the accuracy
on forget samples, after unlearning by each method of the campaign ({baselines|tables/digits-random/title}). Squares:
the campaign finds the method exact by theorem; circles: it does not (names are in the campaign's table). Dashed:
retraining, the place to be. All values are measured. Methods at the same accuracies differ by orders of magnitude in
what they leave of the gap, which accuracies cannot see; a gap of zero has no place on the logarithmic axis.
"""


def draw(results: Mapping[str, Any]) -> Figure:
    """Retain accuracy and gap over forget accuracy."""
    rows = results["baselines"]["tables"][TABLE]["rows"]
    figure, panels = new_figure(2, 1, height=2.1, sharex=True)
    target = next(row for row in rows if row["method"] == "retraining")["forget accuracy"]["mean"]
    panels[1].set_yscale("log")
    for axes, key in zip(panels, ("retain accuracy", "relative gap"), strict=True):
        for exact, marker, colour in ((False, "o", "blue"), (True, "s", "vermilion")):
            here = [row for row in rows if (row["exact"] == "yes") is exact]
            axes.plot(
                [row["forget accuracy"]["mean"] for row in here],
                [row[key]["mean"] for row in here],
                marker=marker,
                color=COLOURS[colour],
                fillstyle="none",
                linestyle="none",
                label="exact by theorem" if exact else "not exact",
            )
        axes.axvline(
            target, color=COLOURS["grey"], linestyle="--", linewidth=0.9, zorder=BEHIND, label="retraining"
        )
        axes.margins(x=0.05, y=0.1)
    panels[0].set_ylabel("retain accuracy")
    panels[1].set_ylabel("gap / gap of doing nothing")
    panels[1].set_xlabel("forget accuracy")
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=3)
    return figure
