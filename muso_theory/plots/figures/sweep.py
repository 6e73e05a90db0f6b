"""What a sweep measured, over what it varied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..marks import (
    BEHIND,
    distinct,
    finite,
    floor_of,
    label_below,
    legend_outside,
    once,
    panels,
    style_of,
    symbols,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OWN = ("sweep",)

AXES = {
    "n-features": "random features D",
    "ridge": "ridge λ",
    "subset": "share of the retain set",
    "forget-fraction": "share of samples to forget",
    "epsilon": "privacy level ε",
    "epochs": "epochs E",
    "condition": "condition number κ",
}
"""What the axes of sweeps are called on paper."""

_LOGARITHMIC = 8.0
"""An axis whose values span more than this factor is logarithmic."""

_PANELS = 6
"""More numbers than this are left out, and the caption says which."""

CAPTION = (
    "Each mark is one seed, measured; lines join medians over seeds; dashed lines are what theory predicts, dotted "
    "lines proved upper bounds. Zeros stand on the lower edge of a logarithmic panel."
)


def numbers(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of the numbers that rows have, without predictions and bounds of others.

    Args:
        rows: of a sweep.

    Returns:
        The names, in the order in which they first come.
    """
    found = dict.fromkeys(
        key
        for row in rows
        for key, value in row.items()
        if key not in ("value", "seed") and isinstance(value, int | float) and not isinstance(value, bool)
    )
    return [key for key in found if key.rpartition(", ")[2] not in ("predicted", "bound")]


def own(result: Mapping[str, Any]) -> Figure | None:
    """A panel a number, a series a line."""
    rows, shown = result["rows"], numbers(result["rows"])[:_PANELS]
    if not shown:
        return None
    figure, places = panels(len(shown), 0.8, sharex=True)
    lines = distinct(rows, "series") or [None]
    values = list(dict.fromkeys(row["value"] for row in rows))
    measured = all(isinstance(value, int | float) for value in values)
    at = {value: value if measured else i for i, value in enumerate(sorted(values) if measured else values)}
    for axes, key in zip(places, shown, strict=True):
        known = [row[key] for row in rows if finite(row.get(key))]
        if _wide(known):
            axes.set_yscale("log")
        for i, name in enumerate(lines):
            mine = [row for row in rows if row.get("series") == name]
            _line(axes, mine, key, at, symbols(str(name or "measured")), i)
        axes.set_ylabel(symbols(key))
    if measured and _wide(values):
        places[0].set_xscale("log")
    if not measured:
        places[0].set_xticks(list(at.values()), [str(value) for value in at])
    label_below(places, AXES.get(result["axis"], symbols(str(result["axis"]))))
    if len(once(places)[1]) > 1:
        legend_outside(figure, places)
    return figure


def told(result: Mapping[str, Any]) -> str:
    """What the figure shows, in words.

    Args:
        result: of a sweep.

    Returns:
        A caption without the file that it is from.
    """
    rows, all_numbers = result["rows"], numbers(result["rows"])
    seeds = sorted({row["seed"] for row in rows})
    varied = AXES.get(result["axis"], result["axis"])
    words = [f"{', '.join(all_numbers[:_PANELS])} over {varied}; seeds {', '.join(map(str, seeds))}."]
    if len(all_numbers) > _PANELS:
        words.append(f"Not drawn: {', '.join(all_numbers[_PANELS:])}.")
    lost = sum(key in row and not finite(row[key]) for row in rows for key in all_numbers)
    if lost:
        words.append(f"Left out, as they are no finite numbers: {lost} values.")
    return " ".join([*words, CAPTION])


def _line(
    axes: Any, rows: Sequence[Mapping[str, Any]], key: str, at: Mapping[Any, float], label: str, i: int
) -> None:
    """One series: a mark a run, the medians joined, and beside it theory's line and the proved bound."""
    look = style_of(i, fillstyle="none", linestyle="none", markeredgewidth=0.7)
    runs = [(at[row["value"]], row[key]) for row in rows if finite(row.get(key))]
    log = axes.get_yscale() == "log"
    above = [(x, y) for x, y in runs if y > 0 or not log]
    axes.plot([x for x, _ in above], [y for _, y in above], alpha=0.8, label=label, **look)
    on_edge = [x for x, y in runs if log and y <= 0]
    if on_edge:
        edge = {"transform": floor_of(axes), "clip_on": False, "label": label}
        axes.plot(on_edge, [0.0] * len(on_edge), **edge, **look)
    colour = {"color": look["color"], "zorder": BEHIND, "linewidth": 0.9}
    for of, dashes, words in (
        (key, "-", "_median"),
        (f"{key}, predicted", "--", "theory"),
        (f"{key}, bound", ":", "proved bound"),
    ):
        middle = [
            (at[value], float(np.median(mine)))
            for value in sorted({row["value"] for row in rows}, key=lambda value: at[value])
            if (mine := [r[of] for r in rows if r["value"] == value and finite(r.get(of))])
        ]
        middle = [(x, y) for x, y in middle if y > 0 or not log]
        if middle:
            axes.plot([x for x, _ in middle], [y for _, y in middle], linestyle=dashes, label=words, **colour)


def _wide(values: Sequence[float]) -> bool:
    """Whether positive values span more than a linear axis shows."""
    positive = [value for value in values if value > 0]
    return bool(positive) and min(values) >= 0 and max(positive) > _LOGARITHMIC * min(positive)
