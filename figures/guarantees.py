"""The noise that each guarantee of removal needs at one privacy level."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from muso_theory.plots import new_figure

from .drawing import distinct, style_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NEEDS = ("guarantees",)

CAPTION = """
Standard deviation of the Gaussian noise per parameter that each guarantee needs at ε = {guarantees|epsilon} and
δ = {guarantees|delta}; one mark for each of the campaign's points with that method (data {guarantees|points/*/data};
seeds {guarantees|points/*/seed}). Noise follows from theory's formulas applied to quantities of the data; the certified
rows rest on a proved bound of the gap. Guarantees differ in what they assume and for whom they hold (the campaign's
table of assumptions), so smaller is not better by itself. Noise of zero (no noise added, or none needed) is left out.
"""


def draw(results: Mapping[str, Any]) -> Figure:
    """Noise of each method, over all points."""
    rows = [
        row for point in results["guarantees"]["points"] for row in point.get("rows", ()) if row["noise"] > 0
    ]
    names = distinct(rows, "method")
    figure, axes = new_figure(height=1.2)
    for i, name in enumerate(names):
        noise = [row["noise"] for row in rows if row["method"] == name]
        axes.plot(noise, [i] * len(noise), linestyle="none", fillstyle="none", label=name, **style_of(i))
    axes.set_xscale("log")
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel("noise per parameter")
    return figure
