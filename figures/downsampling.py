"""What labels from a part of the retain set cost in exactness, and save in time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from muso_theory.plots import new_figure

from .drawing import only, style_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NEEDS = ("ablation",)

CAPTION = """
Labels computed from a share of the retain set, drawn uniformly or by ridge leverage scores, on
{ablation|tables/downsampling/rows/0/data}. Upper panel: root-sum-square error of the labels; lower: time to compute
them, on a shared machine, so that only orders of magnitude count. One mark for each of the
{ablation|tables/downsampling/rows/0/measured/n} seeds, the two ways drawn side by side; all measured in float64.
Theory's predictions of the errors agree to within {ablation|largest relative error by axis/downsampling|.0e}. Where
marks of the two ways stand level they drew the same samples. At the full share the error is rounding and lies far below
what is shown.
"""


def series(result: Mapping[str, Any], sampling: str) -> list[Mapping[str, Any]]:
    """Rows of one way of sampling, on the first data set, below the full share."""
    data = result["tables"]["downsampling"]["rows"][0]["data"]
    rows = only(result["rows"], axis="downsampling", quantity="label error", data=data, sampling=sampling)
    return [row for row in rows if row["ratio"] < 1]


def draw(results: Mapping[str, Any]) -> Figure:
    """Error and time over the share."""
    figure, panels = new_figure(2, 1, height=1.7, sharex=True)
    for i, sampling in enumerate(("uniform", "leverage")):
        rows = series(results["ablation"], sampling)
        for axes, key in zip(panels, ("measured", "seconds"), strict=True):
            axes.plot(
                [row["ratio"] * (1.06, 0.94)[i] for row in rows],
                [row[key] for row in rows],
                linestyle="none",
                fillstyle="none",
                label=sampling,
                **style_of(i),
            )
    panels[0].set_ylabel("error of labels")
    panels[1].set_ylabel("seconds")
    panels[1].set_yscale("log")
    panels[1].set_xscale("log")
    panels[1].set_xlabel("share of the retain set")
    panels[0].legend(loc="upper right")
    return figure
