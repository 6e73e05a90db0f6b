"""How the gap to retraining falls, or does not, while a relabelled model is trained: theory's curve and the runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..marks import distinct, label_below, legend_outside, only, panels, style_of, symbols

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NEEDS = ("paper-convergence",)

CAPTION = """
Distance to the retrained weights after E epochs of cyclic SGD from the trained model, by what the forget samples are
labelled with. Lines are theory (the closed form of the iteration, evaluated, not fitted), also where nobody could train
that long; markers are measured in float64 runs. Upper panel: the best conditioned kernel of the campaign, lower: the
worst, where the same exactness needs more epochs than are ever run. Random forgetting, first seed, presentation
order random, {paper-convergence|points/0/n_features} random Fourier features. In the whole campaign
{paper-convergence|judgement/predictions} gaps were predicted (data {paper-convergence|points/*/data}; seeds
{paper-convergence|points/*/seed}); the largest relative error was
{paper-convergence|judgement/largest relative error|.1e}.
"""


def _chosen(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The best and the worst conditioned point of random forgetting."""
    points = only(result["points"], forgetting="random", order="random", seed=0, scale="unit")
    points.sort(key=lambda point: point["condition number of K"])
    return [points[0], points[-1]] if len(points) > 1 else points


def draw(results: Mapping[str, Any]) -> Figure:
    """Gap over epochs."""
    points = _chosen(results["paper-convergence"])
    figure, places = panels(len(points), 0.85, sharex=True)
    for axes, point in zip(places, points, strict=True):
        for i, labels in enumerate(distinct(point["rows"], "labels")):
            rows = only(point["rows"], labels=labels)
            style = style_of(i)
            dashes = ("-", "--", "-.", ":")[i % 4]
            axes.plot(
                [r["epochs"] for r in rows],
                [r["predicted"] for r in rows],
                color=style["color"],
                linestyle=dashes,
                linewidth=1,
                label=f"_theory of {labels}",
            )
            ran = [row for row in rows if "measured" in row]
            axes.plot(
                [r["epochs"] for r in ran],
                [r["measured"] for r in ran],
                linestyle="none",
                label=symbols(labels),
                **style | {"fillstyle": ("full", "none")[i % 2]},
            )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_ylabel(r"$\|w_u - w_r\|$")
        axes.set_title(f"{point['data']}, κ(K) = {point['condition number of K']:.2g}")
    label_below(places, "epochs E")
    legend_outside(figure, places)
    return figure
