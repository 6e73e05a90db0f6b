"""The theorem graph as SVG: claims and lemmas, what uses what, and the status derived from the graph."""

from __future__ import annotations

import html
from collections.abc import Mapping

__all__ = ["graph_svg"]

_COLOURS = {"proved": "#009E73", "core proved": "#56B4E9", "not proved": "#D55E00"}
_NO_PROOF = "#767676"
_WIDTH, _HEIGHT, _COLUMN, _ROW = 205, 34, 275, 52
_EDGE = 20
"""Space around the drawing."""

Place = tuple[int, int]
"""Column and row of a box."""


def graph_svg(
    edges: Mapping[str, set[str]],
    statuses: Mapping[str, str],
    links: Mapping[str, str] | None = None,
    remains: Mapping[str, str] | None = None,
) -> str:
    """Draw the graph; every node says its status in words as well as in colour.

    Arrows that follow from others are left out: where a uses b and b uses c, that a uses c, too, is not drawn.
    Nodes that nothing joins stand below the others.

    Args:
        edges: node to the nodes it uses; acyclic.
        statuses: node to ``"proved"``, ``"core proved"`` or ``"not proved"``, or what it has instead of a proof.
        links: node to its page.
        remains: node to what remains to be shown of it, which its box tells whoever points at it.

    Example:
        >>> graph_svg({"a": {"b"}, "b": set()}, {"a": "proved", "b": "proved"}).count("<rect")
        2
    """
    direct = _reduced(edges)
    place = _places(direct)
    width = 2 * _EDGE + max(column for column, _ in place.values()) * _COLUMN + _WIDTH
    height = 2 * _EDGE + max(row for _, row in place.values()) * _ROW + _HEIGHT
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">',
        "<title>Theorems and what they use: an arrow leads from what is used to what uses it; those that follow "
        "from others are left out</title>",
        '<defs><marker id="uses" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0,0 L8,4 L0,8 z" fill="#767676"/></marker></defs>',
    ]
    lines += [
        f'<path d="{way}" fill="none" stroke="#767676" stroke-width="1" marker-end="url(#uses)"/>'
        for way in _routes(direct, place)
    ]
    for node in sorted(edges):
        x, y = _corner(place[node])
        colour = _COLOURS.get(statuses[node], _NO_PROOF)
        dashes = "" if statuses[node] in _COLOURS else ' stroke-dasharray="4 3"'
        address = html.escape((links or {}).get(node, ""))
        if address:
            lines.append(f'<a href="{address}">')
        told = html.escape((remains or {}).get(node, ""))
        lines.append(f"<g><title>{node}: beyond the proof: {told}</title>" if told else "<g>")
        lines.append(
            f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="5" fill="white" stroke="{colour}" '
            f'stroke-width="2"{dashes}/>'
        )
        lines.append(f'<text x="{x + 8}" y="{y + 15}" font-size="12">{node}</text>')
        lines.append(
            f'<text x="{x + 8}" y="{y + 28}" font-size="10" fill="#555555">{statuses[node]}</text></g>'
        )
        if address:
            lines.append("</a>")
    return "\n".join([*lines, "</svg>"]) + "\n"


def _reduced(edges: Mapping[str, set[str]]) -> dict[str, list[str]]:
    """What each node uses, without what follows by way of another node that it uses."""
    below: dict[str, set[str]] = {}

    def under(node: str) -> set[str]:
        if node not in below:
            below[node] = set().union(*({other} | under(other) for other in edges[node]))
        return below[node]

    return {
        node: sorted(o for o in edges[node] if not any(o in under(between) for between in edges[node]))
        for node in sorted(edges)
    }


def _places(direct: Mapping[str, list[str]]) -> dict[str, Place]:
    """Each node right of all that it uses and as high as these stand, in a row of its own; unjoined ones below."""
    used = {other for others in direct.values() for other in others}
    joined = [node for node in direct if direct[node] or node in used]
    depth: dict[str, int] = {}

    def column(node: str) -> int:
        if node not in depth:
            depth[node] = 1 + max((column(other) for other in direct[node]), default=-1)
        return depth[node]

    place: dict[str, Place] = {}
    for now in range(1 + max((column(node) for node in joined), default=-1)):
        here = [node for node in joined if depth[node] == now]
        beside = {node: [place[other][1] for other in direct[node]] for node in here}
        if not now:  # they use nothing: what the same theorems use stands together
            beside = {node: [i for i, user in enumerate(joined) if node in direct[user]] for node in here}
        height = {node: sum(rows) / len(rows) for node, rows in beside.items()}
        free = 0
        for node in sorted(here, key=lambda node: (height[node], node)):
            row = max(free, round(height[node])) if now else free
            place[node], free = (now, row), row + 1
    first = 1 + max((row for _, row in place.values()), default=-1)
    columns = 1 + max(depth.values(), default=2)
    for i, node in enumerate(node for node in direct if node not in place):
        place[node] = i % columns, first + i // columns
    return place


def _corner(place: Place) -> tuple[int, int]:
    """The upper left corner of a box."""
    return _EDGE + place[0] * _COLUMN, _EDGE + place[1] * _ROW


def _routes(direct: Mapping[str, list[str]], place: Mapping[str, Place]) -> list[str]:
    """Paths from the right side of one box to the left side of another that run behind no box.

    Curves stay in the gaps between columns; what crosses columns goes straight along the gap between two rows, those
    of one source together, those of others beside it.
    """
    lanes: dict[int, list[str]] = {}
    found = []
    for node, others in direct.items():
        for other in others:
            x, y = _corner(place[other])
            u, w = _corner(place[node])
            x, y, w = x + _WIDTH, y + _HEIGHT // 2, w + _HEIGHT // 2
            gap = _COLUMN - _WIDTH
            if u - x == gap:
                found.append(f"M{x},{y} {_curve(x, y, u, w)}")
                continue
            row = round((y + w) / 2 / _ROW)
            lane = lanes.setdefault(row, [])
            lane += [] if other in lane else [other]
            # The gap is 18 high: five lanes of three, then again the first.
            along = _EDGE + row * _ROW - (_ROW - _HEIGHT) // 2 + 3 * ((lane.index(other) + 2) % 5 - 2)
            found.append(
                f"M{x},{y} {_curve(x, y, x + gap, along)} L{u - gap},{along} {_curve(u - gap, along, u, w)}"
            )
    return found


def _curve(x: int, y: int, u: int, v: int) -> str:
    """A curve that leaves and arrives level."""
    middle = (x + u) // 2
    return f"C{middle},{y} {middle},{v} {u},{v}"
