"""The noise that each guarantee of removal needs over the privacy level, and what it leaves of the accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from muso_theory.plots import COLOURS, new_figure

from .drawing import distinct, only, style_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NEEDS = ("guarantees",)

BARE = {"retrained, without noise": "retrained", "pretrained, without noise": "pretrained"}
LOSSES = {"squared": "squared loss", "logistic": "logistic loss"}

CAPTION = """
Upper: standard deviation of the Gaussian noise per parameter that each guarantee of removal needs over ε, at
δ = {guarantees|delta}; lower: test accuracy of what is then published, with that of the retrained model without noise
(dashed). {guarantees|tables/curves/title}; data {guarantees|tables/curves/rows/0/data}. Hollow marks: the guarantee is
for this data set and this forget set alone; filled: for any data (differential privacy). The two columns are different
regimes: with the squared loss a Newton step is exact, so that its noise hides rounding only, and its a-priori bound of
zero has no place on the axis; with the logistic loss the step leaves a second-order error, while relabelling stays
exact. Noise is theory applied to quantities of the data, and rests on a proved bound of the gap in the rows called
certified; accuracies are measured. Certified relabelling here makes use of retraining. Smaller is not better by itself:
guarantees differ in what they assume (the campaign's table of assumptions).
"""


def curves(result: Mapping[str, Any], loss: str) -> list[Mapping[str, Any]]:
    """Rows of the first data set with that loss."""
    rows = result["tables"]["curves"]["rows"]
    return only(rows, data=rows[0]["data"], loss=loss)


def draw(results: Mapping[str, Any]) -> Figure:
    """Noise and accuracy over ε, one column a loss."""
    figure, panels = new_figure(2, 2, height=2.1, sharex=True, sharey="row")
    names = [
        name for name in distinct(curves(results["guarantees"], "logistic"), "method") if name not in BARE
    ]
    for column, loss in zip(panels.T, LOSSES, strict=True):
        rows = curves(results["guarantees"], loss)
        for i, name in enumerate(names):
            for axes, key in zip(column, ("noise", "test accuracy"), strict=True):
                here = [row for row in only(rows, method=name) if row["noise"]["mean"] > 0 or key != "noise"]
                axes.plot(
                    [row["epsilon"] for row in here],
                    [row[key]["mean"] for row in here],
                    fillstyle="full" if name.startswith("DP") else "none",
                    linewidth=0.8,
                    label=name,
                    **style_of(i),
                )
        bare = only(rows, method="retrained, without noise")
        column[1].plot(
            [row["epsilon"] for row in bare],
            [row["test accuracy"]["mean"] for row in bare],
            color=COLOURS["grey"],
            linestyle="--",
            label="retrained, without noise",
        )
        column[0].set_title(LOSSES[loss])
        column[0].set_yscale("log")
        column[0].set_xscale("log")
        column[1].set_xlabel("ε")
    panels[0, 0].set_ylabel("noise per parameter")
    panels[1, 0].set_ylabel("test accuracy")
    handles, labels = panels[1, 0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=2,
        fontsize="small",
        handlelength=1.6,
        handletextpad=0.4,
        columnspacing=1,
    )
    return figure
