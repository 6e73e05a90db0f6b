"""The noise that each guarantee of removal needs, over the privacy level."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..marks import distinct, label_below, legend_outside, only, panels, style_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NEEDS = ("guarantees",)
_DATA = "digits:odd-even"

CAPTION = """
Standard deviation of the Gaussian noise per parameter that each guarantee needs at privacy level ε and δ =
{guarantees|delta}, on {guarantees|over epsilon/0/data} with ridge and logistic regression; mean over
{guarantees|over epsilon/0/noise/n} random forget sets. Lines marked "any data", dashed, use constants that were
declared public, so that their noise is the same for every data set; lines marked "proved gap" rest on a distance
proved for this data set and forget set, and promise nothing about others. So smaller is not better by itself. The
noise of a proved gap of rounding errors is that of the grid of floats, for every ε.
"""


def draw(results: Mapping[str, Any]) -> Figure:
    """Noise over ε, a line a method, a panel a loss."""
    rows = only(results["guarantees"]["over epsilon"], data=_DATA)
    names = distinct([row for row in rows if row["noise"]["mean"] > 0], "method")
    losses = distinct(rows, "loss")
    figure, places = panels(len(losses), 0.8, sharex=True)
    for axes, loss in zip(places, losses, strict=True):
        for i, name in enumerate(names):
            shown = [row for row in only(rows, loss=loss, method=name) if row["noise"]["mean"] > 0]
            if shown:
                axes.plot(
                    [row["epsilon"] for row in shown],
                    [row["noise"]["mean"] for row in shown],
                    label=name,
                    linestyle="--" if "any data" in name else "-",
                    **style_of(i, fillstyle="none"),
                )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_title(f"{loss} loss")
        axes.set_ylabel("noise per parameter")
    label_below(places, "ε")
    legend_outside(figure, places, below=True)
    return figure
