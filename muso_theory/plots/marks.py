"""The few marks that figures are made of, and the rows that they are made from.

What stands behind ``zorder`` 1 is there to compare with (theory's slopes, identity lines, tolerances); all that stands
before it shows numbers of a result as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .canvas import new_figure
from .style import COLOURS, MARKERS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "BEHIND",
    "distinct",
    "finite",
    "floor_of",
    "label_below",
    "legend_outside",
    "once",
    "only",
    "panels",
    "reference",
    "slope",
    "style_of",
    "symbols",
]

BEHIND = 0.5
"""The ``zorder`` of what is there to compare with."""

_SERIES = tuple(name for name in COLOURS if name != "grey")
"""Grey is for what is there to compare with."""

_WIDE = 5.0
"""Inches from which panels stand side by side."""


def style_of(position: int, **changes: Any) -> dict[str, Any]:
    """Colour, marker and filling of the series in that position; no two of the first 27 are the same.

    Args:
        position: of the series, from 0.
        changes: properties of the line to set otherwise.

    Returns:
        Properties for ``Axes.plot``.

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


def panels(count: int, height: float = 1.0, **options: Any) -> tuple[Figure, list[Any]]:
    """A figure with panels below one another, or beside one another where it is wide.

    Args:
        count: how many panels.
        height: of one panel, times the usual height.
        options: for ``Figure.subplots``.

    Returns:
        The figure and its panels in order.
    """
    import matplotlib as mpl

    wide = float(mpl.rcParams["figure.figsize"][0]) >= _WIDE
    across = min(count, 3) if wide else 1
    down = -(-count // across)
    figure, axes = new_figure(down, across, height * down, squeeze=False, **options)
    places = list(axes.flat)
    for unused in places[count:]:
        unused.remove()
    return figure, places[:count]


def label_below(axes: Sequence[Any], words: str) -> None:
    """Say what the horizontal axis is, below the lowest panels.

    Args:
        axes: panels that share their horizontal axis.
        words: what it is.
    """
    for i, one in enumerate(axes):
        place = one.get_subplotspec()
        if place is None or place.is_last_row() or i == len(axes) - 1:
            one.set_xlabel(words)


def reference(axes: Any, x: Sequence[float], y: Sequence[float], label: str | None = None) -> None:
    """A line to compare with.

    Args:
        axes: where to draw.
        x: its places across.
        y: its heights.
        label: its name in the legend, or None.
    """
    axes.plot(x, y, color=COLOURS["grey"], linestyle="--", linewidth=0.9, zorder=BEHIND, label=label)


def slope(axes: Any, x: Sequence[float], y: Sequence[float], power: float, label: str | None = None) -> None:
    """A line of a given slope in a plot with two logarithmic axes, through the geometric middle of the data.

    Args:
        axes: where to draw.
        x: places of the data, positive.
        y: heights of the data, positive.
        power: the slope.
        label: its name in the legend, or None.
    """
    ends = np.array([min(x), max(x)], dtype=float)
    middle_x, middle_y = np.sqrt(ends[0] * ends[1]), np.exp(np.mean(np.log(y)))
    reference(axes, list(ends), list(middle_y * (ends / middle_x) ** power), label)


def only(rows: Iterable[Mapping[str, Any]], **wanted: Any) -> list[Mapping[str, Any]]:
    """The rows with these values.

    Args:
        rows: any rows.
        wanted: values by key; a blank in a key is written ``_``, but in ``n_features``.

    Returns:
        The rows that have all of them.

    Example:
        >>> only([{"rank lost": "by all", "D": 3}, {"D": 4}], rank_lost="by all")
        [{'rank lost': 'by all', 'D': 3}]
    """
    named = {key.replace("_", " ") if key not in ("n_features",) else key: v for key, v in wanted.items()}
    return [row for row in rows if all(row.get(key) == value for key, value in named.items())]


def distinct(rows: Iterable[Mapping[str, Any]], key: str) -> list[Any]:
    """The values of a key, in the order in which they first come.

    Args:
        rows: any rows; those without the key are passed over.
        key: which.

    Returns:
        Each value once.
    """
    return list(dict.fromkeys(row[key] for row in rows if key in row))


def finite(value: object) -> bool:
    """Whether a value of a row is a number that has a place on paper.

    Args:
        value: any value of a row.

    Returns:
        False for words, truth values, nothing, infinities and NaN.
    """
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))


def once(axes: Sequence[Any]) -> tuple[list[Any], list[str]]:
    """Handles and names for one legend of several panels, each name once.

    Args:
        axes: the panels.

    Returns:
        Handles and names, for ``Figure.legend``.
    """
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

    Args:
        words: plain text, without dollars.

    Returns:
        The text with mathtext in it.

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

    Args:
        axes: the panel.

    Returns:
        A transform for ``Axes.plot``: places across are the data's, heights go from 0 (the edge) to 1.
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
