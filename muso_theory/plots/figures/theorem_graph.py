"""What every proof rests on, and which claims have none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..canvas import new_figure
from ..marks import BEHIND, legend_outside, style_of
from ..style import COLOURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NEEDS = ("theorems",)

STATUSES = ("proved", "core proved", "not proved", "measured", "no general proof")

CAPTION = """
Claims and lemmas, each below and to the right of all that its proof uses; a line leads to what uses it, and lines that
follow from others are left out. Status, as the certificates give it when they are checked (deterministic, no seeds):
{theorems|counts/proved} claims are proved for all data and dimensions, {theorems|counts/core proved} in their algebraic
core, which the proof pages complete by an argument from analysis; {theorems|without a proof/#} have no general proof,
and are measured or checked on instances only. {theorems|counts/theorems} theorems in all; stand-alone checker:
{theorems|stand-alone checker}.
"""


def status_of(node: Mapping[str, Any]) -> str:
    """The status without the campaign that measures."""
    return str(node["status"]).partition(":")[0]


def _reduced(uses: Mapping[str, set[str]]) -> list[tuple[str, str]]:
    """Pairs of a node and one that it uses, without those that follow from other pairs."""

    def below(node: str) -> set[str]:
        return set().union(*({other} | below(other) for other in uses[node]))

    return [
        (node, other)
        for node in uses
        for other in sorted(uses[node])
        if not any(other in below(between) for between in uses[node])
    ]


def places(uses: Mapping[str, set[str]]) -> dict[str, tuple[int, int]]:
    """Depth and row of each node: used ones above, and near those that use them."""
    depth: dict[str, int] = {}

    def deep(node: str) -> int:
        if node not in depth:
            depth[node] = 1 + max((deep(other) for other in uses[node]), default=-1)
        return depth[node]

    rows: dict[str, int] = {}
    for level in range(1 + max(deep(node) for node in uses)):
        here = [node for node in uses if depth[node] == level]
        middle = {node: sum(rows[o] for o in uses[node]) / max(len(uses[node]), 1) for node in here}
        for node in sorted(here, key=lambda node: (middle[node], node)):
            rows[node] = len(rows)
    return {node: (depth[node], rows[node]) for node in uses}


def draw(results: Mapping[str, Any]) -> Figure:
    """The graph, one row a node."""
    nodes = results["theorems"]["nodes"]
    uses = {node["name"]: set(node["uses"]) for node in nodes}
    place = places(uses)
    unproved = results["theorems"]["without a proof"]
    place |= {node["name"]: (0, len(nodes) + i) for i, node in enumerate(unproved)}
    figure, axes = new_figure(height=0.062 * len(place))
    pairs = _reduced(uses)
    # A line goes right from what is used, down in a lane of its own, and right again; a dot says that it turns there.
    lanes = {
        depth: sorted({o for _, o in pairs if place[o][0] == depth}, key=lambda o: -place[o][1])
        for depth, _ in place.values()
    }
    for node, other in pairs:
        (x, y), (u, v) = place[node], place[other]
        lane = u + 0.2 + 0.7 * lanes[u].index(other) / len(lanes[u])
        axes.plot(
            [u, lane, lane, x],
            [v, v, y, y],
            color=COLOURS["grey"],
            linewidth=0.7,
            marker="o",
            markersize=1.6,
            markevery=[2],
            label="_uses",
        )
    for i, status in enumerate(STATUSES):
        here = [place[node["name"]] for node in [*nodes, *unproved] if status_of(node) == status]
        if here:
            across, up = zip(*here, strict=True)
            axes.plot(across, up, linestyle="none", label=status, markersize=5, zorder=3, **style_of(i))
    if unproved:
        axes.axhline(len(nodes) - 0.5, color=COLOURS["grey"], linewidth=0.6, linestyle="--", zorder=BEHIND)
    names = sorted(place, key=lambda name: place[name][1])
    axes.set_yticks(range(len(names)), names, fontsize="small")
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(-0.3, None)
    axes.set_xticks([])
    axes.set_xlabel("used →  used by")
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False)
    legend_outside(figure, [axes])
    return figure
