"""The few marks that figures are made of, beside those of `muso_theory.plots`.

What stands behind ``zorder`` 1 is there to compare with (theory's slopes, identity lines, tolerances); all that stands
before it shows numbers of a result file as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from muso_theory.plots import COLOURS, MARKERS

__all__ = ["BEHIND", "bracketed", "distinct", "only", "reference", "slope", "style_of"]

BEHIND = 0.5
"""The ``zorder`` of what is there to compare with."""


def style_of(position: int) -> dict[str, Any]:
    """Colour and marker of the series in that position."""
    names = list(COLOURS)
    return {"color": COLOURS[names[position % len(names)]], "marker": MARKERS[position % len(MARKERS)]}


def reference(axes: Any, x: Sequence[float], y: Sequence[float], label: str | None = None) -> None:
    """A line to compare with."""
    axes.plot(x, y, color=COLOURS["grey"], linestyle="--", linewidth=0.9, zorder=BEHIND, label=label)


def slope(axes: Any, x: Sequence[float], y: Sequence[float], power: float, label: str | None = None) -> None:
    """A line of slope `power` in a plot with two logarithmic axes, through the geometric middle of the data."""
    x = np.array([min(x), max(x)], dtype=float)
    middle_x, middle_y = np.sqrt(x[0] * x[1]), np.exp(np.mean(np.log(y)))
    reference(axes, x, middle_y * (x / middle_x) ** power, label)


def only(rows: Iterable[Mapping[str, Any]], **wanted: Any) -> list[Mapping[str, Any]]:
    """The rows with these values; a blank in a key is written ``_``."""
    named = {key.replace("_", " ") if key not in ("n_features",) else key: v for key, v in wanted.items()}
    return [row for row in rows if all(row.get(key) == value for key, value in named.items())]


def distinct(rows: Iterable[Mapping[str, Any]], key: str) -> list[Any]:
    """The values of a key, in the order in which they first come."""
    return list(dict.fromkeys(row[key] for row in rows if key in row))


def bracketed(axes: Any, low: float, high: float, label: str) -> None:
    """Shade an interval of the horizontal axis."""
    axes.axvspan(low, high, color=COLOURS["sky"], alpha=0.25, linewidth=0, zorder=BEHIND, label=label)
