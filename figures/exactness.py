"""Where relabelling is exact as the model grows past the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from muso_theory.plots import COLOURS, new_figure

from .drawing import BEHIND, bracketed, only, style_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NEEDS = ("ablation",)

SERIES = ("gap, exact labels", "gap, label-free")

CAPTION = """
Gap to retraining, relative to doing nothing, over the number of features per training sample
({ablation|tables/parameterisation/rows/0/data}, mean over {ablation|tables/parameterisation/rows/0/measured/n} seeds;
theory's predictions agree to within {ablation|largest relative error by axis/parameterisation|.0e}). Labels from the
retrained model (claim exact-labels) are exact everywhere, up to rounding. Labels from the trained model alone (claim
label-free) are exact where that model fits the retain set, which the shaded part marks as the campaign found it. Near
the interpolation threshold rounding is largest. Measured in float64; the shading is the campaign's check of the
hypothesis on the data.
"""


def series(result: Mapping[str, Any], quantity: str) -> tuple[list[float], list[Mapping[str, Any]]]:
    """Ratios and table rows of a quantity on the first data set."""
    table = result["tables"]["parameterisation"]["rows"]
    rows = only(table, quantity=quantity, data=table[0]["data"])
    return [float(row["setting"]) for row in rows], rows


def draw(results: Mapping[str, Any]) -> Figure:
    """Relative gaps over D/n."""
    figure, axes = new_figure(height=1.25)
    ratios, fits = series(results["ablation"], "w_p fits R")
    fitting = [ratio for ratio, row in zip(ratios, fits, strict=True) if row["measured"]["mean"] == 1]
    if fitting:
        bracketed(axes, min(fitting), max(ratios), "trained model fits R")
    axes.axvline(1, color=COLOURS["grey"], linewidth=0.9, linestyle="--", zorder=BEHIND, label="D = n")
    for i, quantity in enumerate(SERIES):
        x, rows = series(results["ablation"], quantity)
        y = [row["relative gap"]["mean"] for row in rows]
        axes.plot(x, y, label=quantity.removeprefix("gap, "), linestyle=("-", ":")[i], **style_of(i))
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("features per sample, D / n")
    axes.set_ylabel("gap / gap of doing nothing")
    figure.legend(loc="outside upper center", ncols=2)
    return figure
