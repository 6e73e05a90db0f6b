"""Drawings that pages and figures share: a spectrum, and the gaps that labels leave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..evidence import round_digits
from .marks import FARTHEST
from .style import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["gap_ladder", "spectrum"]


def spectrum(
    axes: Axes,
    eigenvalues: Sequence[float],
    floor: float | None = None,
    ceiling: float | None = None,
    complete: bool = True,
) -> None:
    """Eigenvalues of K in falling order, and beside each the step size from which gradient descent diverges along it.

    Args:
        axes: where to draw.
        eigenvalues: of K, in any order; those that are not positive are left out.
        floor: a proved lower bound of the smallest, or None.
        ceiling: a proved upper bound of the largest, or None.
        complete: whether these are all; else the two ends alone are drawn, and nothing between them.
    """
    values = np.sort([v for v in eigenvalues if v > 0])[::-1]
    axes.set_yscale("log")
    if complete:
        places, label = np.arange(1, len(values) + 1), "eigenvalues, measured"
        axes.set_xlabel("eigenvalue, in falling order")
        if len(values) > 100:
            axes.set_xscale("log")
    else:
        values = values[[0, -1]] if len(values) else values
        places, label = np.arange(len(values)), "ends, measured"
        axes.set_xticks([0, 1], ["largest", "smallest"])
        axes.set_xlim(-0.5, 1.5)
        axes.set_xlabel("eigenvalue (those between were not computed)")
    # No line: between two eigenvalues there is nothing.
    axes.plot(
        places,
        values,
        color=COLOURS["blue"],
        linestyle="none",
        marker="." if len(values) > 60 else "o",
        markersize=3 if complete else 5,
        label=label,
    )
    for value, words, up in ((ceiling, "largest ≤", True), (floor, "smallest ≥", False)):
        if value is not None and 0 < value < float("inf"):
            axes.axhline(
                value,
                color=COLOURS["vermilion"],
                linestyle="-." if up else "--",
                linewidth=1,
                label=f"{words} {round_digits(value, up)}, proved",
            )
    axes.set_ylabel("λ of K")
    right = axes.secondary_yaxis("right", functions=(_step_limit, _step_limit))
    right.set_ylabel("step limit 2/λ")
    axes.legend(loc="lower left")


def _step_limit(value: Any) -> Any:
    """2/λ, its own inverse; nothing is said at zero."""
    with np.errstate(divide="ignore"):
        return 2 / np.maximum(np.asarray(value, dtype=float), np.finfo(float).tiny)


def gap_ladder(axes: Axes, gaps: Sequence[tuple[str, float, bool]]) -> None:
    """What each way to label leaves of ‖w_u − w_r‖, on a logarithmic scale.

    Args:
        axes: where to draw.
        gaps: name, gap, and whether the gap is a proved bound; drawn from top to bottom.
    """
    drawn: Any = axes.get_figure()
    positive = [value for _, value, _ in gaps if value > 0 and np.isfinite(value)]
    # What lies far below all else has its number beside it, on the edge as a zero.
    values = [value for value in positive if value > FARTHEST * max(positive)]
    lowest = min(values, default=1e-16)
    left = min(1e-16, lowest) if len(values) < len(gaps) else lowest
    axes.set_xscale("log")
    for proved, marker, colour, words in (
        (False, "o", COLOURS["blue"], "measured in float64"),
        (True, "D", COLOURS["vermilion"], "proved upper bound"),
    ):
        rows = [i for i, (_, _, is_proved) in enumerate(gaps) if is_proved is proved]
        if rows:
            shown = [max(gaps[i][1], left / 3) for i in rows]
            axes.hlines(rows, left / 10, shown, color=COLOURS["grey"], linewidth=0.8, alpha=0.6)
            axes.plot(shown, rows, linestyle="none", marker=marker, color=colour, markersize=6, label=words)
            for i, x in zip(rows, shown, strict=True):
                gap = gaps[i][1]
                told = f"≤ {round_digits(gap, up=True)}" if proved else f"{gap:.2g}"
                axes.annotate(told, (x, i), (6, 0), textcoords="offset points", va="center", fontsize="small")
    axes.set_yticks(range(len(gaps)), [name for name, _, _ in gaps])
    axes.set_ylim(len(gaps) - 0.5, -0.5)
    axes.set_xlim(left / 10, 300 * max(values, default=1.0))
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(r"$\|w_u - w_r\|$")
    drawn.legend(loc="outside upper right", ncols=2)
