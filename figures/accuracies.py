"""What accuracies and membership inference see of each method, beside the gap that they do not see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from muso_theory.plots import COLOURS, new_figure

from .drawing import distinct, only

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NEEDS = ("paper-linear",)

MEASURES = {"test accuracy": "", "forget accuracy": "//", "membership": ".."}

CAPTION = """
Accuracy on test and forget samples, and the membership score (share of forget samples that an attack calls members),
after {paper-linear|points/*/epochs} epochs of cyclic SGD on {paper-linear|tables/paper-linear/rows/0/data}; mean over
{paper-linear|tables/paper-linear/rows/0/test accuracy/n} seeds with one standard deviation. Upper: forgetting a class,
lower: a part of a class. All bars are measured. A method is to come near the bars of retraining, not to minimise them.
"""


def draw(results: Mapping[str, Any]) -> Figure:
    """Grouped bars."""
    table = results["paper-linear"]["tables"]["paper-linear"]["rows"]
    first = only(table, data=table[0]["data"], pixels=table[0]["pixels"])
    kinds = [kind for kind in ("class", "subclass") if only(first, forgetting=kind)]
    figure, panels = new_figure(len(kinds), 1, height=0.5 + 0.85 * len(kinds), squeeze=False, sharex=True)
    names = distinct(first, "method")
    for axes, kind in zip(panels[:, 0], kinds, strict=True):
        rows = only(first, forgetting=kind)
        for i, (measure, hatch) in enumerate(MEASURES.items()):
            axes.bar(
                [names.index(row["method"]) + 0.27 * (i - 1) for row in rows],
                [row[measure]["mean"] for row in rows],
                0.25,
                yerr=[row[measure]["sd"] for row in rows],
                color=list(COLOURS.values())[i],
                hatch=hatch,
                edgecolor="white",
                linewidth=0.3,
                error_kw={"elinewidth": 0.7},
                label=measure,
            )
        axes.set_ylim(0, 1.05)
        axes.set_ylabel(f"{kind} forgetting")
        axes.grid(visible=False, axis="x")
    panels[-1, 0].set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3)
    return figure
