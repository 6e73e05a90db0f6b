"""Whether wide networks, unlearned with the labels of their linearisation, come near retrained ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..canvas import new_figure
from ..marks import legend_outside, only, slope, style_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NEEDS = ("lazy",)

CAPTION = """
Distance between the parameters of networks unlearned with the labels of their linearisation and of networks
retrained, relative to the distance without unlearning, over the width; one series for each activation, depth and step
rate of the campaign whose runs all converged at three widths or more; rate is the step times the largest eigenvalue
of the kernel. Markers are measured (geometric means over {lazy|slopes/*/seeds} seeds, {lazy|points/0/n} samples); the
dashed line has slope minus one half, to compare with, and passes through the middle of the first series. Verdict of
the campaign: {lazy|verdict}.
"""


def draw(results: Mapping[str, Any]) -> Figure:
    """Gap over width."""
    fits = only(results["lazy"]["slopes"], quantity="parameter_gap_linearised")
    fits = [fit for fit in fits if len(fit.get("widths") or ()) > 1]
    fits.sort(key=lambda fit: (fit["activation"], fit["depth"], fit["rate"]))
    figure, axes = new_figure(height=1.0)
    for i, fit in enumerate(fits):
        if i == 0:
            slope(axes, fit["widths"], fit["values"], -0.5, "slope −1/2")
        axes.plot(
            fit["widths"],
            fit["values"],
            linewidth=0.7,
            label=f"{fit['activation']}, depth {fit['depth']}, rate {fit['rate']:g}",
            **style_of(i, fillstyle="none", markeredgewidth=0.8),
        )
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlabel("width")
    axes.set_ylabel("gap / gap of doing nothing")
    legend_outside(figure, [axes])
    return figure
