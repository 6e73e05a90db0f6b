"""How far each number of a report lies from what is allowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ...evidence import round_digits
from ...evidence.digits import extra_digits
from ..canvas import new_figure
from ..marks import FARTHEST, legend_outside, reference, symbols
from ..style import COLOURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OWN = ("report",)

LOOKS = {
    "PROVED": ("D", "full", "green"),
    "CERTIFIED": ("o", "full", "blue"),
    "MEASURED": ("o", "none", "blue"),
    "UNDECIDED": ("s", "none", "orange"),
    "REFUTED": ("X", "full", "vermilion"),
}
"""Marker, filling and colour of each verdict."""

CAPTION = (
    "Upper end of each row's number relative to what is allowed (dashed), one mark a row, by verdict; a grey line "
    "leads to the lower end. What is proved is an enclosure, what is measured is not. An exact zero stands on the left "
    "edge, with its number beside it as everywhere; an arrow points to a number that lies beyond the edge."
)


def _number(text: str | None) -> Fraction | float:
    """A number of a report, which writes fractions exactly and floats by their shortest decimal."""
    if text is None:
        return float("nan")
    top, _, bottom = text.partition("/")
    return Fraction(int(top), int(bottom)) if bottom else float(top)


def margins(evidence: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows that compare a number with a positive limit."""
    found = []
    for e in evidence:
        for finding in e["findings"]:
            limit = finding["limit"]
            allowed = _number(limit["lower"] if isinstance(limit, Mapping) else limit)
            upper = _number(finding["upper"])
            if finding["asks"] == "<= limit" and 0 < allowed < float("inf") and 0 <= upper < float("inf"):
                if finding["verdict"] in ("PROVED", "CERTIFIED"):
                    # What is proved to be allowed was rounded outward, to a float that may lie above its own limit.
                    upper = min(upper, allowed)
                ends = {"lower": max(_number(finding["lower"]), 0), "upper": upper, "limit": allowed}
                found.append({"row": e["row"], "what": finding["what"], "verdict": e["verdict"], **ends})
                break
    return found


def _over(number: Fraction | float, limit: Fraction | float) -> float:
    """A finite number over a finite limit above zero; what no float can hold is infinite."""
    try:
        return float(Fraction(number) / Fraction(limit))
    except OverflowError:
        return float("inf")


def own(result: Mapping[str, Any]) -> Figure | None:
    """Bound over limit, a row a claim."""
    rows = margins(result["evidence"])
    if not rows:
        return None
    figure, axes = new_figure(height=0.3 + 0.09 * len(rows))
    ratios = [_over(row["upper"], row["limit"]) for row in rows]
    # One δ of 5e-324 would press all others together.
    left = min([ratio for ratio in ratios if ratio > FARTHEST], default=1e-3) / 10
    right = 30 * max([1.0, *(ratio for ratio in ratios if ratio < 1 / FARTHEST)])
    axes.set_xscale("log")
    reference(axes, [1.0, 1.0], [-0.5, len(rows) - 0.5], "allowed")
    for i, (row, ratio) in enumerate(zip(rows, ratios, strict=True)):
        marker, filling, colour = LOOKS.get(row["verdict"], ("P", "none", "grey"))
        place = min(max(ratio, left), right)
        ends = [min(max(_over(row["lower"], row["limit"]), left), right), place]
        axes.plot(ends, [i, i], color=COLOURS["grey"], linewidth=0.8, label="_interval")
        look = {"linestyle": "none", "fillstyle": filling, "color": COLOURS[colour], "clip_on": False}
        beyond = "<" if 0 < ratio < left else ">" if ratio > right else ""
        if beyond:  # its tip, not its middle, is to touch the edge
            place = left * (right / left) ** 0.02 if beyond == "<" else right / (right / left) ** 0.02
        if beyond:
            axes.plot(place, i, marker=beyond, markersize=6, label="_beyond", **look)
        # The legend has the verdict's own mark, which an arrow covers.
        axes.plot(place, i, marker=marker, markersize=0 if beyond else 4.5, label=row["verdict"], **look)
        digits = 2 + extra_digits("≤", row["upper"], row["limit"])
        bound = f"≤ {round_digits(row['upper'], True, digits)}" if row["upper"] else "0"
        told = f"{row['upper']:.2g}" if row["verdict"] == "MEASURED" else bound
        # On white, as the line of what is allowed runs through many of them.
        paper = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
        beside = {"textcoords": "offset points", "va": "center", "size": "small", "bbox": paper}
        axes.annotate(told, (place, i), (5, 0), **beside)
    axes.set_yticks(range(len(rows)), [symbols(row["row"]) for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(left, right)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("number / what is allowed")
    legend_outside(figure, [axes])
    return figure


def told(result: Mapping[str, Any]) -> str:
    """What the figure shows, in words."""
    rows = margins(result["evidence"])
    left = [e["row"] for e in result["evidence"] if e["row"] not in {row["row"] for row in rows}]
    words = [f"{result['title']}; verdict {result['verdict']}.", CAPTION]
    if left:
        words.append(f"Without such a limit, and so not drawn: {', '.join(left)}.")
    return " ".join(words)
