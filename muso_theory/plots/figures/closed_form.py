"""The gap of the float labels that were handed out, in closed form, against the gap that was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..marks import is_drawable
from .predicted_measured import plot_series
from .sweep import within_tolerance

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OWN = ("sweep", "unlearn")


def own(result: Mapping[str, Any]) -> Figure | None:
    """Both of every run that has both."""
    found = _pairs(result["rows"])
    if not any(found.values()):
        return None
    series = [(name, [x for x, _ in both], [y for _, y in both]) for name, both in found.items() if both]
    return plot_series(series, "gap of the float labels, closed form", "gap, measured")


def _pairs(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[tuple[float, float]]]:
    """Gaps in closed form and measured, where both are positive: those that mean something, and those of rounding."""
    found: dict[str, list[tuple[float, float]]] = {"gap": [], "within the tolerance of no gap": []}
    for row in rows:
        x, y = row.get("gap, closed form", 0.0), row.get("gap", 0.0)
        if is_drawable(x) and is_drawable(y) and min(x, y) > 0:
            found[list(found)[within_tolerance(row)]].append((x, y))
    return found


def told(result: Mapping[str, Any]) -> str:
    """What the figure shows, in words."""
    meant, rounding = map(len, _pairs(result["rows"]).values())
    counted = "1 pair" if meant == 1 else f"{meant} pairs"
    return (
        "Gap that the float labels leave which were handed out, in closed form (horizontal, the upper end of its "
        f"proved enclosure), and measured after fine-tuning on them (vertical): {counted}, and {rounding} more "
        "that an audit finds within its tolerance of no gap. Where a method is exact, theory says zero, and the "
        "latter show the rounding of floats on both axes. The line is identity, not a fit."
    )
