"""The theorem graph as SVG: claims and lemmas, what uses what, and the status derived from the graph."""

from __future__ import annotations

import html
from collections.abc import Mapping

__all__ = ["graph_svg"]

_COLOURS = {"proved": "#009E73", "core proved": "#56B4E9", "not proved": "#D55E00"}
_NO_PROOF = "#767676"
_WIDTH, _HEIGHT, _COLUMN, _ROW = 205, 34, 255, 48


def graph_svg(
    edges: Mapping[str, set[str]],
    statuses: Mapping[str, str],
    links: Mapping[str, str] | None = None,
    remains: Mapping[str, str] | None = None,
) -> str:
    """Draw the graph; every node says its status in words as well as in colour.

    Args:
        edges: node to the nodes it uses; acyclic.
        statuses: node to ``"proved"``, ``"core proved"`` or ``"not proved"``, or what it has instead of a proof.
        links: node to its page.
        remains: node to what remains to be shown of it, which its box tells whoever points at it.

    Example:
        >>> graph_svg({"a": {"b"}, "b": set()}, {"a": "proved", "b": "proved"}).count("<rect")
        2
    """
    depth: dict[str, int] = {}

    def layer(node: str) -> int:
        if node not in depth:
            depth[node] = 1 + max((layer(other) for other in edges[node]), default=-1)
        return depth[node]

    rows: dict[int, int] = {}
    place: dict[str, tuple[int, int]] = {}
    for node in sorted(edges):
        column = layer(node)
        place[node] = (20 + column * _COLUMN, 20 + rows.get(column, 0) * _ROW)
        rows[column] = rows.get(column, 0) + 1
    width = 20 + (max(rows) + 1) * _COLUMN
    height = 20 + max(rows.values()) * _ROW
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">',
        "<title>Theorems and what they use: an arrow leads from what is used to what uses it</title>",
        '<defs><marker id="uses" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0,0 L8,4 L0,8 z" fill="#999999"/></marker></defs>',
    ]
    for node in sorted(edges):
        for other in sorted(edges[node]):
            lines.append(
                f'<path d="{_route(place[other], place[node])}" fill="none" stroke="#999999" stroke-width="1" '
                'marker-end="url(#uses)"/>'
            )
    for node in sorted(edges):
        x, y = place[node]
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


def _route(source: tuple[int, int], target: tuple[int, int]) -> str:
    """A path from the right side of one box to the left side of another that runs behind no box.

    Curves stay in the gaps between columns; what crosses columns goes straight along a gap between two rows.
    """
    x, v, u, w = source[0] + _WIDTH, source[1] + _HEIGHT // 2, target[0], target[1] + _HEIGHT // 2
    gap = _COLUMN - _WIDTH
    if u - x == gap:
        return f"M{x},{v} {_curve(x, v, u, w)}"
    row = round(((v + w) / 2 - 20) / _ROW)
    between = 20 + row * _ROW - (_ROW - _HEIGHT) // 2
    return f"M{x},{v} {_curve(x, v, x + gap, between)} L{u - gap},{between} {_curve(u - gap, between, u, w)}"


def _curve(x: int, y: int, u: int, v: int) -> str:
    """A curve that leaves and arrives level."""
    middle = (x + u) // 2
    return f"C{middle},{y} {middle},{v} {u},{v}"
