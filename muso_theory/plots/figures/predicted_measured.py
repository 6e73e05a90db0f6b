"""Every gap that theory predicted before the run, against what the run left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..canvas import new_figure
from ..marks import reference, style_of, symbols

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NEEDS = ("paper-linear", "ablation")

CAPTION = """
Gaps to retraining: predicted by theory from the data alone (horizontal) and measured after training in float64
(vertical); the line is identity, not a fit. Of the {paper-linear|judgement/predictions} predictions of paper-linear
(seeds {paper-linear|rows/*/seed}; data {paper-linear|rows/*/data}) and the {ablation|judgement/predictions} of ablation
(seeds {ablation|rows/*/seed}) those are shown that are gaps, and positive in both. Small gaps
lie above the line where rounding in float64 is larger than they are; the campaigns judge errors relative to the gap of
doing nothing, and the largest is {paper-linear|judgement/largest relative error|.1e} in paper-linear and
{ablation|judgement/largest relative error|.1e} in ablation.
"""


def _pairs(results: Mapping[str, Any]) -> Iterator[tuple[str, list[float], list[float]]]:
    """Series of predicted and measured gaps, where both are positive."""
    rows = results["paper-linear"]["rows"]
    both = [(r.get("gap, predicted"), r.get("gap")) for r in rows]
    both += [(r.get("gap to limit, predicted"), r.get("gap to limit")) for r in rows]
    yield "paper-linear", *_positive(both)
    gaps = [r for r in results["ablation"]["rows"] if r["quantity"].startswith("gap")]
    yield "ablation", *_positive([(r.get("predicted"), r.get("measured")) for r in gaps])


def _positive(both: list[tuple[Any, Any]]) -> tuple[list[float], list[float]]:
    kept = [(x, y) for x, y in both if x is not None and y is not None and x > 0 and y > 0]
    return [x for x, _ in kept], [y for _, y in kept]


def draw(results: Mapping[str, Any]) -> Figure:
    """Predicted against measured."""
    return plot_series(_pairs(results), "gap, predicted", "gap, measured")


def plot_series(
    series: Iterable[tuple[str, Sequence[float], Sequence[float]]], across: str, up: str, **options: Any
) -> Figure:
    """Pairs around the identity."""
    figure, axes = new_figure(height=1.25)
    ends: list[float] = []
    for i, (name, x, y) in enumerate(series):
        look = style_of(i, fillstyle="none", linestyle="none", markeredgewidth=0.6, alpha=0.7)
        axes.plot(x, y, label=symbols(name), **look)
        ends += [min(x, default=1.0), max(x, default=1.0)]
    reference(axes, [min(ends), max(ends)], [min(ends), max(ends)], "identity")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.legend(loc="upper left", **options)
    return figure
