"""How fast random features reach their kernel, and networks their tangent kernel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..marks import distinct, only, panels, slope, style_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NEEDS = ("ablation", "ntk-limit")

CAPTION = """
Upper: distance between the optimal labels computed from D random Fourier features and those of the kernel,
mean over {ablation|features/0/measured/n} seeds. Fitted slopes and their intervals:
{ablation|slopes/0/data} {ablation|slopes/0/slope|.3f} [{ablation|slopes/0/low|.3f}, {ablation|slopes/0/high|.3f}],
{ablation|slopes/1/data} {ablation|slopes/1/slope|.3f} [{ablation|slopes/1/low|.3f}, {ablation|slopes/1/high|.3f}].
Lower: distance between the tangent kernel of a random network and its limit over the width, geometric mean
over {ntk-limit|slopes/*/seeds} seeds; {ntk-limit|verdict}. Markers are measured; dashed lines have the slope that
theory gives, minus one half, and pass through the middle of the data.
"""


def draw(results: Mapping[str, Any]) -> Figure:
    """Distances over the number of features and over the width."""
    from matplotlib.ticker import NullFormatter

    figure, (upper, lower) = panels(2)
    rows = results["ablation"]["features"]
    for i, data in enumerate(distinct(rows, "data")):
        found = only(rows, data=data)
        x = [float(row["setting"]) for row in found]
        y = [row["measured"]["mean"] for row in found]
        slope(upper, x, y, -0.5, "slope −1/2" if i == 0 else None)
        upper.plot(x, y, linestyle="none", label=data, **style_of(i))
    upper.set_xlabel("random features D")
    upper.set_ylabel("distance of labels")
    for i, fit in enumerate(results["ntk-limit"]["slopes"]):
        slope(lower, fit["widths"], fit["values"], -0.5)
        lower.plot(
            fit["widths"],
            fit["values"],
            linestyle="none",
            label=f"{fit['activation']}, depth {fit['depth']}",
            **style_of(i, fillstyle="none"),
        )
    lower.set_xlabel("width")
    lower.set_ylabel("distance of kernels")
    for axes in (upper, lower):
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.yaxis.set_minor_formatter(NullFormatter())
    upper.legend(loc="lower left", handletextpad=0.3)
    low, high = lower.get_ylim()
    lower.set_ylim(low / 8, high)
    lower.legend(loc="lower left", ncols=2, handletextpad=0.1, columnspacing=0.6)
    return figure
