"""The few marks that figures are made of, and the rows that they are made from.

What stands behind ``zorder`` 1 is there to compare with (theory's slopes, identity lines, tolerances); all that stands
before it shows numbers of a result as they are.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..former import former
from .canvas import new_figure
from .style import COLOURS, MARKERS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "BEHIND",
    "FARTHEST",
    "distinct",
    "floor_of",
    "is_drawable",
    "label_below",
    "legend_outside",
    "once",
    "only",
    "panels",
    "reference",
    "shares",
    "shifted",
    "slope",
    "style_of",
    "symbols",
]
former(__name__)

BEHIND = 0.5
"""The ``zorder`` of what is there to compare with."""

FARTHEST = 1e-24
"""What lies farther below all else than this is not drawn to scale: an arrow on the edge points to it."""

_SERIES = tuple(name for name in COLOURS if name != "grey")
"""Grey is for what is there to compare with."""

_WIDE = 5.0
"""Inches from which three panels stand side by side."""


def style_of(position: int, **changes: Any) -> dict[str, Any]:
    """Colour, marker and filling of the series in that position; no two of the first 27 are the same.

    Example:
        >>> len({tuple(style_of(i).values()) for i in range(27)})
        27
    """
    turn = position // len(MARKERS)
    look = {
        "color": COLOURS[_SERIES[(position + turn) % len(_SERIES)]],
        "marker": MARKERS[position % len(MARKERS)],
        "fillstyle": ("full", "none", "left")[turn % 3],
    }
    return look | changes


_ALWAYS = ("retraining", "none", "label-free")
"""Series that look alike in every figure of one's own: what methods aim at, doing nothing, the method of the paper."""


def positions(names: Sequence[Any]) -> list[int]:
    """The place of each series among all looks: that of some is fixed, and nobody else's.

    Example:
        >>> positions(["random-labels", "none", "newton"]), positions([None])
        ([3, 1, 4], [0])
    """
    others = iter(range(len(_ALWAYS), len(_ALWAYS) + len(names)))
    if len(names) < 2:
        return [0] * len(names)
    return [_ALWAYS.index(name) if name in _ALWAYS else next(others) for name in names]


def panels(count: int, height: float = 1.0, **options: Any) -> tuple[Figure, list[Any]]:
    """A figure with panels below one another, or beside one another where it is wide or they are many.

    Args:
        count: how many panels; three stand in one row where the figure is wide, and else two from three on.
        height: of one panel, times the usual height.
        options: for ``Figure.subplots``.

    Returns:
        The figure and its panels in order.
    """
    import matplotlib as mpl

    wide = float(mpl.rcParams["figure.figsize"][0]) >= _WIDE
    across = min(count, 3) if wide else 1 + (count > 2)
    down = -(-count // across)
    # A panel of half the width is lower, too.
    shrunk = height * (1.0 if wide or across == 1 else 0.75)
    figure, axes = new_figure(down, across, shrunk * down, squeeze=False, **options)
    places = list(axes.flat)
    for unused in places[count:]:
        unused.remove()
    return figure, places[:count]


def label_below(axes: Sequence[Any], words: str) -> None:
    """Say what the horizontal axis is, below the lowest panels; the figure grows where that takes several lines.

    Args:
        axes: panels that share their horizontal axis.
        words: what it is.
    """
    from matplotlib import rcParams
    from matplotlib.font_manager import FontProperties

    size = FontProperties(size=rcParams["axes.labelsize"]).get_size_in_points()
    taller: dict[int, int] = {}
    for i, one in enumerate(axes):
        place = one.get_subplotspec()
        across = 1 if place is None else place.get_gridspec().ncols
        if i + across >= len(axes):  # nothing stands below it
            told = _broken(words, one.get_figure().get_size_inches()[0] / across, size)
            taller[i // across] = told.count("\n")
            one.set_xlabel(told)
            one.tick_params(labelbottom=True)
    figure = axes[0].get_figure()
    width, height = figure.get_size_inches()
    # Panels are of one height, so that what one row needs all must have.
    rows = -(-len(axes) // across)
    figure.set_size_inches(width, height + 1.6 * size / 72 * rows * max(taller.values()))


def _broken(words: str, inches: float, size: float) -> str:
    """Words in lines no wider than a panel in a column of so many inches: layouts leave no room for wider ones."""
    # A panel has three quarters of its column, and a letter is at most 0.6 as wide as it is high on average.
    letters = max(1, int(0.75 * inches * 72 / (0.6 * size)))
    return words if "$" in words else textwrap.fill(words, letters, break_long_words=False)


def reference(axes: Any, x: Sequence[float], y: Sequence[float], label: str | None = None) -> None:
    """A line to compare with."""
    axes.plot(x, y, color=COLOURS["grey"], linestyle="--", linewidth=0.9, zorder=BEHIND, label=label)


def slope(axes: Any, x: Sequence[float], y: Sequence[float], power: float, label: str | None = None) -> None:
    """A line of a given slope in a plot with two logarithmic axes, through the geometric middle of the data."""
    ends = np.array([min(x), max(x)], dtype=float)
    middle_x, middle_y = np.sqrt(ends[0] * ends[1]), np.exp(np.mean(np.log(y)))
    reference(axes, list(ends), list(middle_y * (ends / middle_x) ** power), label)


def shifted(axes: Any, i: int, count: int, base: Any = None) -> Any:
    """Moves a series a little sideways, on paper only, so that equal series do not hide one another."""
    from matplotlib.transforms import ScaledTranslation

    points = _ASIDE * (i - (count - 1) / 2)
    move = ScaledTranslation(points / 72, 0, axes.get_figure().dpi_scale_trans)
    return (axes.transData if base is None else base) + move


_ASIDE = 2.6
"""Points between two series with the same numbers."""


def shares(axis: Any, values: Sequence[float], ticks: int = 4) -> None:
    """Limits and ticks for numbers from 0 to 1: none that is impossible, and room for a mark at the end.

    Args:
        axis: ``Axes.xaxis`` or ``Axes.yaxis``, linear.
        values: what is drawn, between 0 and 1.
        ticks: into how many parts they divide the axis at most.
    """
    from matplotlib.ticker import FixedLocator, MaxNLocator

    low, high = max(min(values, default=0.0), 0.0), min(max(values, default=1.0), 1.0)
    if high - low < 0.1:  # one value, or nearly: show that it is one
        low, high = max(low - 0.05, 0.0), min(high + 0.05, 1.0)
    room = 0.06 * (high - low)
    low, high = max(low - room, -room), min(high + room, 1 + room)
    getattr(axis.axes, f"set_{axis.axis_name}lim")(low, high)
    places = MaxNLocator(nbins=ticks, steps=[1, 2, 2.5, 5, 10]).tick_values(max(low, 0.0), min(high, 1.0))
    axis.set_major_locator(FixedLocator([t for t in places if max(low, 0.0) <= t <= min(high, 1.0)]))


def only(rows: Iterable[Mapping[str, Any]], **wanted: Any) -> list[Mapping[str, Any]]:
    """The rows with these values.

    Args:
        wanted: values by key; a blank in a key is written ``_``, but in ``n_features``.

    Example:
        >>> only([{"rank lost": "by all", "D": 3}, {"D": 4}], rank_lost="by all")
        [{'rank lost': 'by all', 'D': 3}]
    """
    named = {key.replace("_", " ") if key not in ("n_features",) else key: v for key, v in wanted.items()}
    return [row for row in rows if all(row.get(key) == value for key, value in named.items())]


def distinct(rows: Iterable[Mapping[str, Any]], key: str) -> list[Any]:
    """The values of a key, each once, in the order in which they first come."""
    return list(dict.fromkeys(row[key] for row in rows if key in row))


def is_drawable(value: object) -> bool:
    """Whether a value of a row is a number that has a place on paper."""
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))


def once(axes: Sequence[Any]) -> tuple[list[Any], list[str]]:
    """Handles and names of one ``Figure.legend`` for several panels, each name once."""
    found: dict[str, Any] = {}
    for one in axes:
        for handle, name in zip(*one.get_legend_handles_labels(), strict=True):
            found.setdefault(name, handle)
    return list(found.values()), list(found)


_SYMBOLS = {
    "‖w_u − w_r‖": r"$\|w_u - w_r\|$",
    "‖w_p − w_r‖": r"$\|w_p - w_r\|$",
    "λ_min": r"$\lambda_{\min}$",
    "λ_max": r"$\lambda_{\max}$",
    "w_u": "$w_u$",
    "w_r": "$w_r$",
    "w_p": "$w_p$",
    "w₀": "$w_0$",
}


def symbols(words: str) -> str:
    r"""Words with the letters of the theory set as mathematics, for axes and legends.

    Example:
        >>> symbols("‖w_u − w_r‖, relative")
        '$\\|w_u - w_r\\|$, relative'
    """
    for plain, formula in _SYMBOLS.items():
        # What was replaced has no plain symbol left outside its dollars.
        parts = words.split("$")
        parts[::2] = [part.replace(plain, formula) for part in parts[::2]]
        words = "$".join(parts)
    return words


def floor_of(axes: Any) -> Any:
    """Puts a zero onto the lower edge of a panel, as a logarithmic axis has no place for it.

    The transform for ``Axes.plot`` takes places across from the data, and heights from 0 (the edge) to 1.
    """
    from matplotlib.transforms import blended_transform_factory

    return blended_transform_factory(axes.transData, axes.transAxes)


def legend_outside(figure: Figure, axes: Sequence[Any], below: bool = False, **options: Any) -> None:
    """One legend of several panels, above them or below, for which the figure grows.

    Args:
        figure: the figure.
        axes: the panels, whose names come once each.
        below: whether it stands below.
        options: for ``Figure.legend``.
    """
    from matplotlib import rcParams
    from matplotlib.font_manager import FontProperties

    handles, names = once(axes)
    size = FontProperties(size=rcParams["legend.fontsize"]).get_size_in_points()
    width, height = figure.get_size_inches()
    # A letter is about half as wide as it is high; handle and gaps take four letters' heights.
    longest = (0.5 * max(len(name.replace("$", "")) for name in names) + 4) * size / 72
    columns = min(len(names), max(1, int(width / longest)))
    lines = -(-len(names) // columns)
    figure.set_size_inches(width, height + 1.45 * size / 72 * lines)
    place: Any = f"outside {'lower' if below else 'upper'} center"
    figure.legend(handles, names, loc=place, ncols=columns, **options)
