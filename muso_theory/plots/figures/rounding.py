"""What of the paper's network algorithm is the rounding of its inverses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..marks import distinct, label_below, legend_outside, only, panels, shares, style_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NEEDS = ("network-paper",)

CAPTION = """
The projector of the published network algorithm against its ridge, by the inverses of two published revisions and in
three precisions ({network-paper|rounding/*/precision}); a class of digits is forgotten by the MLP of the campaign;
means and, in grey, the range over all seeds ({network-paper|rounding/0/runs}). First its relative distance from the
same formula in the highest precision, then the share of the forget samples whose label is another than there, both
with the features of the pretrained network; last the accuracy on the forget samples after unlearning with a constant
ridge. Everything is measured; zeros have no place on the first panel.
"""

QUANTITIES = {
    "distance": "distance of Π",
    "flipped": "labels flipped",
    "forget accuracy": "forget accuracy",
}
"""Panels, and how their vertical axes are called."""


def _series(result: Mapping[str, Any], quantity: str) -> dict[str, list[tuple[float, float, float, float]]]:
    """ε, mean, least and largest of each revision and precision, where there is a number to draw."""
    network = distinct(result["rounding"], "network")[0]
    found: dict[str, list[tuple[float, float, float, float]]] = {}
    for row in only(result["rounding"], network=network, forgetting="class"):
        if row.get(quantity) is None or (quantity != "forget accuracy" and row["precision"] == "50 digits"):
            continue
        place = row["ridge"], row[quantity]["mean"], row[f"least {quantity}"], row[f"largest {quantity}"]
        if quantity != "distance" or place[1] > 0:
            found.setdefault(f"{row['revision']}, {row['precision']}", []).append(place)
    return found


def draw(results: Mapping[str, Any]) -> Figure:
    """Three panels over ε."""
    result = results["network-paper"]
    order = list(_series(result, "forget accuracy"))
    figure, axes = panels(len(QUANTITIES), height=0.9)
    for one, (quantity, words) in zip(axes, QUANTITIES.items(), strict=True):
        one.set_xscale("log")
        everything = []
        for name, places in _series(result, quantity).items():
            x, y, low, high = zip(*places, strict=True)
            style = style_of(order.index(name), fillstyle="none")
            for at, least, largest in zip(x, low, high, strict=True):
                # Behind the marks, which are what is told; a log axis has no place for a least of zero.
                one.plot(
                    [at, at],
                    [least or largest, largest],
                    color="0.8",
                    linewidth=1.5,
                    zorder=0.4,
                    label="_range",
                )
            one.plot(x, y, linewidth=0.7, label=name, **style)
            everything += [*y, *low, *high]
        if quantity == "distance":
            one.set_yscale("log")
        else:
            shares(one.yaxis, everything)
        one.set_ylabel(words)
    label_below(axes, "ridge ε")
    legend_outside(figure, axes)
    return figure
