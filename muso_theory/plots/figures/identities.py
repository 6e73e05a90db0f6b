"""By how much both sides of each certified identity differ on real data, with its hypotheses and without one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..marks import BEHIND, distinct, legend_outside, only, panels, style_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NEEDS = ("identities",)

SERIES = ("proved to be at most", "measured", "without its hypothesis", "of what a bound allows")

CAPTION = """
Difference of both sides of each claim, as a share of the length that a check holds it against (mostly the gap of doing
nothing), on digits and cell nuclei as they are and in random features: the largest over the problems where its
hypotheses hold, as a proved bound where rows have one, and as measured where not; never above
{identities|largest share|.0e}. A proof says that it is zero, so what is left is the arithmetic of the check. Without
its hypothesis: problems where the one that the row names fails, and the claim is asserted nonetheless; these shares are
of the data, {identities|least share without|.2g} at least. What is proved to be exactly zero has no place on a
logarithmic axis. An inequality has no two sides that agree: its mark is the share of what it allows.
"""


def series(result: Mapping[str, Any]) -> dict[str, list[tuple[float, int]]]:
    """Places on paper by series; the first claim stands on top."""
    found: dict[str, list[tuple[float, int]]] = {name: [] for name in SERIES}
    claims = distinct(result["rows"], "claim")
    for place, claim in enumerate(reversed(claims)):
        rows = only(result["rows"], claim=claim)
        for name, verdicts in (
            ("proved to be at most", ("PROVED", "CERTIFIED")),
            ("measured", ("MEASURED",)),
        ):
            shares = [row["share"] for row in rows if row["verdict"] in verdicts and row["share"]]
            found[name] += [(max(shares), place)] if shares else []
        found["without its hypothesis"] += [(s, place) for row in rows if (s := row.get("share without"))]
        found["of what a bound allows"] += [(s, place) for row in rows if (s := row.get("of bound"))]
    return found


def draw(results: Mapping[str, Any]) -> Figure:
    """A line a claim, shares across."""
    result = results["identities"]
    claims = list(reversed(distinct(result["rows"], "claim")))
    figure, (axes,) = panels(1, 0.058 * len(claims))
    for i, (name, places) in enumerate(series(result).items()):
        if places:
            small = {"markersize": 3.0, "linestyle": "none", "fillstyle": "full" if i == 0 else "none"}
            axes.plot([x for x, _ in places], [y for _, y in places], label=name, **style_of(i, **small))
    axes.axvline(1, color="0.6", linewidth=0.8, zorder=BEHIND)
    axes.set_xscale("log")
    axes.set_yticks(range(len(claims)), claims, fontsize="xx-small")
    axes.set_ylim(-0.7, len(claims) - 0.3)
    axes.set_xlabel("difference of both sides, as a share")
    legend_outside(figure, [axes], below=True)
    return figure
