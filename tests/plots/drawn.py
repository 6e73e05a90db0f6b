"""What a figure shows, read back from its artists: which values stand in which panel under which name."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from muso_theory.plots.marks import BEHIND

Points = list[tuple[Any, ...]]
Shown = dict[tuple[str, str], Points]
"""Panel and series, to sorted points; a place on an axis of names is its name."""


def panel(axes: Any) -> str:
    """A panel's title, or else what its vertical and horizontal axes are."""
    return axes.get_title() or f"{axes.get_ylabel()} / {axes.get_xlabel()}"


def shown(figure: Any) -> Shown:
    """All that stands before what is there to compare with.

    Args:
        figure: as a figure script draws it.

    Returns:
        The series. Intervals of bars are series of their own, ``NAME ±``.
    """
    found: Shown = {}
    for axes, label, points in _series(figure):
        found.setdefault((panel(axes), label), []).extend(points)
    return {key: sorted(points, key=str) for key, points in found.items()}


def _series(figure: Any) -> Iterator[tuple[Any, str, Points]]:
    for axes in figure.axes:
        if axes.get_label() == "<colorbar>":
            continue
        across, up = _names(axes.xaxis), _names(axes.yaxis)
        bars = {id(part) for box in _boxes(axes) for part in [*box.patches, *_lines(box)]}
        for line in axes.lines:
            if line.get_zorder() > BEHIND and id(line) not in bars:
                places = zip(line.get_xdata(), line.get_ydata(), strict=True)
                yield axes, line.get_label(), [(_place(x, across), _place(y, up)) for x, y in places]
        for box in _boxes(axes):
            lying = box.orientation == "horizontal"
            for bar in box.patches:
                middle = bar.get_y() + bar.get_height() / 2 if lying else bar.get_x() + bar.get_width() / 2
                value = bar.get_width() if lying else bar.get_height()
                yield axes, box.get_label(), [(_place(middle, up if lying else across), float(value))]
            for lines in box.errorbar[2] if box.errorbar else ():
                for ends in lines.get_segments():
                    place, reach = ends[:, ::-1].T if lying else ends.T
                    name = _place(place[0], up if lying else across)
                    yield axes, f"{box.get_label()} ±", [(name, float(reach[1] - reach[0]) / 2)]
        for mesh in axes.collections:
            if type(mesh).__name__ == "QuadMesh":
                cells = np.ma.filled(mesh.get_array(), np.nan)
                yield (
                    axes,
                    "cells",
                    [
                        (_place(x, across), _place(y, up), float(cells[y, x]))
                        for y, x in np.argwhere(np.isfinite(cells))
                    ],
                )
        for patch in axes.patches:
            if patch.get_hatch() and id(patch) not in bars:
                x, y = patch.get_x() + patch.get_width() / 2, patch.get_y() + patch.get_height() / 2
                yield axes, patch.get_label(), [(_place(x, across), _place(y, up))]


def _boxes(axes: Any) -> list[Any]:
    """Groups of bars."""
    return [box for box in axes.containers if hasattr(box, "patches")]


def _lines(box: Any) -> list[Any]:
    return [] if not box.errorbar else [box.errorbar[0], *box.errorbar[1]]


def _names(axis: Any) -> dict[int, str]:
    """The names along an axis of names; nothing along an axis of numbers."""
    from matplotlib.ticker import FixedLocator, FuncFormatter

    locator, formatter = axis.get_major_locator(), axis.get_major_formatter()
    if not isinstance(locator, FixedLocator) or not isinstance(formatter, FuncFormatter):
        return {}
    return dict(zip(map(int, locator.locs), formatter.format_ticks(locator.locs), strict=True))


def _place(value: float, names: dict[int, str]) -> Any:
    """A number, or the name that stands nearest."""
    return names[min(names, key=lambda at: abs(at - value))] if names else float(value)


def spoilt(figure: Any) -> Iterator[str]:
    """The same figure with one thing wrong, again and again; it is put right before the next.

    Yields:
        What is wrong.
    """
    for axes in figure.axes:
        lines = [line for line in axes.lines if line.get_zorder() > BEHIND]
        kinds = {line.get_label(): line for line in lines if len(line.get_xdata())}
        pairs = itertools.combinations(kinds.values(), 2)
        for first, other in itertools.islice(
            (pair for pair in pairs if not np.array_equal(pair[0].get_xydata(), pair[1].get_xydata())), 1
        ):
            names = first.get_label(), other.get_label()
            first.set_label(names[1]), other.set_label(names[0])
            yield f"{panel(axes)}: {names} exchanged"
            first.set_label(names[0]), other.set_label(names[1])
        for line in lines:
            values = np.array(line.get_ydata(), dtype=float)
            if len(set(values)) > 1:
                line.set_ydata(np.roll(values, 1))
                yield f"{panel(axes)}: {line.get_label()} shifted by one"
                line.set_ydata(values)
                break
        for box in _boxes(axes):
            set_to = "set_width" if box.orientation == "horizontal" else "set_height"
            values = [getattr(bar, set_to.replace("set", "get"))() for bar in box.patches]
            for bar, value in zip(box.patches, np.roll(values, 1), strict=True):
                getattr(bar, set_to)(value)
            if len(set(values)) > 1:
                yield f"{panel(axes)}: bars of {box.get_label()} shifted by one"
            for bar, value in zip(box.patches, values, strict=True):
                getattr(bar, set_to)(value)
        for mesh in axes.collections:
            if type(mesh).__name__ == "QuadMesh" and axes.get_label() != "<colorbar>":
                cells = mesh.get_array().copy()
                mesh.set_array(cells[:, ::-1])
                yield f"{panel(axes)}: cells mirrored"
                mesh.set_array(cells)
        hatched = [patch for patch in axes.patches if patch.get_hatch() and not _boxes(axes)]
        for patch in hatched[:1]:
            patch.set_x(patch.get_x() + 1)
            yield f"{panel(axes)}: hatching moved"
            patch.set_x(patch.get_x() - 1)
    panels = [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]
    if len({panel(axes) for axes in panels}) > 1:
        words = [(axes.get_title(), axes.get_ylabel(), axes.get_xlabel()) for axes in panels]
        _rename(panels, words[1:] + words[:1])
        yield "names of panels exchanged"
        _rename(panels, words)


def _rename(panels: list[Any], words: list[tuple[str, str, str]]) -> None:
    for axes, (title, up, across) in zip(panels, words, strict=True):
        axes.set_title(title)
        axes.set_ylabel(up)
        axes.set_xlabel(across)


_NUMBER = re.compile(r"(?<![\w^{])[-−]?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?(?!\w)")


def numbers(text: str) -> list[str]:
    """The numbers in a text; a digit inside a word is part of a name."""
    return [found.replace("−", "-").rstrip(",") for found in _NUMBER.findall(text)]


def held(number: str, leaves: set[float], words: set[str]) -> bool:
    """Whether a result holds the number, to the digits that it is written with, or holds it as part of its words.

    Args:
        number: as written.
        leaves: all numbers of the results.
        words: all texts of the results.
    """
    value = float(number.replace(",", ""))
    mantissa, _, exponent = number.partition("e")
    digits = len(mantissa.partition(".")[2])
    unit = 10.0 ** (int(exponent or 0) - digits)
    near = any(abs(leaf - value) <= 0.5001 * unit for leaf in leaves if math.isfinite(leaf))
    return near or any(number in numbers(word) for word in words)
