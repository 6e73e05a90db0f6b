"""Which layers of a network make up its tangent kernel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..canvas import new_figure
from ..style import COLOURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NEEDS = ("anatomy",)

CAPTION = """
Share of each layer in the trace of the empirical tangent kernel of an MLP and a CNN at the start of training (width
{anatomy|networks/*/width}, {anatomy|networks/*/n} samples, seed {anatomy|networks/*/seed}; standard parameterisation),
measured. The kernel is the sum of the layers' Gram matrices, so that the shares of a network add up to all of it.
"""


def draw(results: Mapping[str, Any]) -> Figure:
    """Bars, one for each layer."""
    nets = results["anatomy"]["networks"]
    figure, axes = new_figure(height=1.2)
    names: list[str] = []
    for net, colour, hatch in zip(nets, COLOURS.values(), ("", "//"), strict=False):
        shares = net["shares of the trace"]
        places = range(len(names), len(names) + len(shares))
        axes.bar(places, shares, 0.6, color=colour, hatch=hatch, edgecolor="white", label=net["network"])
        names += [layer.split(" ", 1)[1] for layer in net["layers"]]
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right", rotation_mode="anchor")
    axes.set_ylabel("share of the trace")
    axes.grid(visible=False, axis="x")
    axes.legend(loc="upper left")
    return figure
