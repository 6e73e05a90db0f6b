"""What a sweep measured, over what it varied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import expected, nearest
from ..marks import (
    BEHIND,
    distinct,
    floor_of,
    is_drawable,
    label_below,
    legend_outside,
    once,
    panels,
    positions,
    shares,
    shifted,
    style_of,
    symbols,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OWN = ("sweep",)

_ACROSS = {
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

_FEW_DECADES = 100.0
"""A logarithmic axis over less than this factor has labels between its decades."""

_SHARES = ("accuracy", "AUC")
"""Numbers from 0 to 1, which are drawn as they are."""

_PANELS = 6
"""More numbers than this are left out where none are chosen, and the caption says which."""

_COMPANIONS = ("bound", "closed form")
"""What stands after a comma in the name of a number that belongs to another."""

_NAMES = {"none": "doing nothing"}
"""What series are called on paper."""

_CROSSED = "within tolerance"
"""Gaps whose audit is CERTIFIED."""


def numbers(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of the numbers that rows have, without what belongs to others: the gap first."""
    found = dict.fromkeys(
        key
        for row in rows
        for key, value in row.items()
        if key not in ("value", "seed", "gap share")
        and isinstance(value, int | float)
        and not isinstance(value, bool)
    )
    own = [key for key in found if key.rpartition(", ")[2] not in _COMPANIONS]
    return sorted(own, key=lambda key: key not in ("gap", "noise σ"))


def chosen_panels(result: Mapping[str, Any], names: Sequence[str] = ()) -> list[str]:
    """The numbers that get a panel: those that are wanted, or else the first ones."""
    known = numbers(result["rows"])
    for name in names:
        if name not in known:
            what = f"a number of the sweep: {', '.join(known)}"
            raise expected(what, "panels", name, "unknown", nearest(name, known))
    return list(dict.fromkeys(names)) or known[:_PANELS]


def own(result: Mapping[str, Any], names: Sequence[str] = ()) -> Figure | None:
    """A panel a number, a series a line."""
    rows, shown = result["rows"], chosen_panels(result, names)
    if not shown:
        return None
    figure, places = panels(len(shown), 0.8, sharex=True)
    lines = distinct(rows, "series") or [None]
    looks = positions(lines)
    lines = [name for _, name in sorted(zip(looks, lines, strict=True))]
    looks.sort()
    values = list(dict.fromkeys(row["value"] for row in rows))
    measured = all(isinstance(value, int | float) for value in values)
    at = {value: value if measured else i for i, value in enumerate(sorted(values) if measured else values)}
    if measured:
        _across(places[0], sorted(values))
    else:
        places[0].set_xticks(list(at.values()), [str(value) for value in at])
    for axes, key in zip(places, shown, strict=True):
        known = [row[key] for row in rows if is_drawable(row.get(key))]
        if key.endswith(_SHARES):
            shares(axes.yaxis, known)
        elif _wide(known):
            axes.set_yscale("log")
        for i, name in enumerate(lines):
            mine = [row for row in rows if row.get("series") == name]
            label = symbols(_NAMES.get(str(name), str(name or "measured")))
            _line(axes, mine, key, at, label, i, looks)
        axes.set_ylabel(symbols(key))
    label_below(places, _ACROSS.get(result["axis"], symbols(str(result["axis"]))))
    if len(once(places)[1]) > 1:
        legend_outside(figure, places)
    return figure


def told(result: Mapping[str, Any], names: Sequence[str] = ()) -> str:
    """What the figure shows, in words."""
    rows, shown = result["rows"], chosen_panels(result, names)
    seeds = sorted({row["seed"] for row in rows})
    varied = _ACROSS.get(result["axis"], result["axis"])
    words = [f"{', '.join(shown)} over {varied}; seeds {', '.join(map(str, seeds))}."]
    left = [key for key in numbers(rows) if key not in shown]
    if left:
        words.append(f"Not drawn: {', '.join(left)}.")
    lost = sum(key in row and not is_drawable(row[key]) for row in rows for key in shown)
    if lost:
        words.append(f"Left out, as they are no finite numbers: {lost} values.")
    words.append("Each mark is one seed, measured; lines join medians over seeds.")
    if any(f"{key}, closed form" in row for row in rows for key in shown):
        words.append("Dashed: the closed form of the gap of the float labels that were handed out.")
    if any(f"{key}, bound" in row for row in rows for key in shown):
        words.append("Dotted: proved upper bounds.")
    if "gap" in shown and any(map(within_tolerance, rows)):
        words.append(
            "Crossed: within the tolerance of no gap, as the audit judges it. Where the method is exact,"
        )
        words.append("theory says zero, and mark, closed form and bound show the rounding of floats.")
    words.append(
        "Series stand a little aside of one another, so that equal ones are seen. Zeros stand on the lower edge of a "
        "logarithmic panel."
    )
    return " ".join([*words, *_verdicts(rows)])


def within_tolerance(row: Mapping[str, Any]) -> bool:
    """Whether an audit found the gap of a row to be no more than its tolerance allows."""
    return row.get("audit") in ("PROVED", "CERTIFIED") and is_drawable(row.get("gap"))


def _verdicts(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Where what a method promises does not hold, or nothing says so."""
    for name in distinct(rows, "series"):
        mine = [row for row in rows if row["series"] == name and "verdict" in row]
        for verdict in dict.fromkeys(row["verdict"] for row in mine):
            found = [row for row in mine if row["verdict"] == verdict]
            places = ", ".join(f"{value:g}" for value in sorted({row["value"] for row in found}))
            why = f" ({found[0]['why']})" if found[0].get("why") else ""
            yield f"{name}: claim {found[0]['promise']} is {verdict} at {places}{why}."


def _line(
    axes: Any,
    rows: Sequence[Mapping[str, Any]],
    key: str,
    at: Mapping[Any, float],
    label: str,
    i: int,
    looks: Sequence[int],
) -> None:
    """One series: a mark a run, the medians joined, and beside it the closed form and the proved bound."""
    look = style_of(looks[i], fillstyle="none", linestyle="none", markeredgewidth=0.7)
    aside = shifted(axes, i, len(looks))

    def draw(points: Sequence[tuple[float, float]], **how: Any) -> None:
        axes.plot([x for x, _ in points], [y for _, y in points], transform=aside, **how)
        axes.update_datalim(points)  # matplotlib does not see through the shift where the axis is logarithmic
        axes.autoscale_view(scalex=False)

    runs = [(at[row["value"]], row[key]) for row in rows if is_drawable(row.get(key))]
    log = axes.get_yscale() == "log"
    above = [(x, y) for x, y in runs if y > 0 or not log]
    if above:
        draw(above, alpha=0.8, label=label, **look)
    on_edge = [x for x, y in runs if log and y <= 0]
    if on_edge:
        edge = {"transform": shifted(axes, i, len(looks), floor_of(axes)), "clip_on": False, "label": label}
        axes.plot(on_edge, [0.0] * len(on_edge), **edge, **look)
    colour = {"color": look["color"], "zorder": BEHIND, "linewidth": 0.9}
    for of, dashes, words in (
        (key, "-", "_median"),
        (f"{key}, closed form", "--", "closed form"),
        (f"{key}, bound", ":", "proved bound"),
    ):
        middle = [
            (at[value], float(np.median(mine)))
            for value in sorted({row["value"] for row in rows}, key=lambda value: at[value])
            if (mine := [r[of] for r in rows if r["value"] == value and is_drawable(r.get(of))])
        ]
        middle = [(x, y) for x, y in middle if y > 0 or not log]
        if middle:
            draw(middle, linestyle=dashes, label=words, **colour)
    exact = [(at[row["value"]], row[key]) for row in rows if key == "gap" and within_tolerance(row)]
    exact = [(x, y) for x, y in exact if y > 0 or not log]
    if exact:
        cross: dict[str, Any] = {"marker": "x", "markersize": 3, "markeredgewidth": 0.7, "color": "black"}
        draw(exact, linestyle="none", label=_CROSSED, **cross)


def _across(axes: Any, values: Sequence[float]) -> None:
    """The scale of what was varied, with its limits: logarithmic where the grid is even in its factors."""
    low, high = min(values), max(values)
    if low > 0 and (_wide(values) or _is_geometric(values)):
        axes.set_xscale("log")
        room = (high / low) ** 0.12
        axes.set_xlim(low / room, high * room)
        if not _wide(values):  # decades are too far apart to label them
            axes.set_xticks(values, [f"{value:g}" for value in values])
            axes.set_xticks([], minor=True)
        elif high < _FEW_DECADES * low:
            _label_between_decades(axes.xaxis)
    else:
        room = 0.12 * (high - low) or 0.5
        axes.set_xlim(low - room, high + room)


def _label_between_decades(axis: Any) -> None:
    """Labels 1 and 3 of each decade: of fewer than two decades one alone may be seen, and all labels overprint."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _is_geometric(values: Sequence[float]) -> bool:
    """Whether positive values in order lie more evenly by their factors than by their differences."""
    if len(values) < 3:
        return False
    steps, factors = np.diff(values), np.diff(np.log(values))
    return bool(max(factors) / min(factors) < max(steps) / min(steps))


def _wide(values: Sequence[float]) -> bool:
    """Whether positive values span more than a linear axis shows."""
    positive = [value for value in values if value > 0]
    return bool(positive) and min(values) >= 0 and max(positive) > _LOGARITHMIC * min(positive)
