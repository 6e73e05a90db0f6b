"""What marks on paper obey whatever the numbers: lines of a slope, series moved aside, limits of shares."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from muso_theory import plots
from muso_theory.plots import marks


@pytest.fixture
def axes() -> Any:
    return plots.new_figure()[1]


@pytest.mark.parametrize("power", [-2.0, -0.5, 0.0, 1.0])
def test_a_slope_goes_through_the_geometric_middle(axes: Any, power: float) -> None:
    x, y = [3.0, 10.0, 700.0], [2.0, 5.0, 0.1]
    marks.slope(axes, x, y, power)
    [line] = axes.lines
    (left, right), ends = line.get_xdata(), line.get_ydata()
    assert (left, right) == (min(x), max(x))
    assert np.log(ends[1] / ends[0]) == pytest.approx(power * np.log(right / left), abs=1e-12)
    # In logarithms the line is straight: its middle is the mean of its ends, over the mean of the ends of x.
    assert np.log(ends).mean() == pytest.approx(np.log(y).mean(), abs=1e-12)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_series_are_moved_aside_evenly_and_about_their_place(axes: Any, count: int) -> None:
    figure = axes.get_figure()
    home = axes.transData.transform((0.5, 0.5))
    moved = [marks.shifted(axes, i, count).transform((0.5, 0.5)) - home for i in range(count)]
    points = [move[0] * 72 / figure.dpi for move in moved]
    assert all(move[1] == pytest.approx(0, abs=1e-9) for move in moved)
    assert sum(points) == pytest.approx(0, abs=1e-9)
    assert np.diff(points) == pytest.approx(np.full(count - 1, marks._ASIDE))
    based = marks.shifted(axes, 0, count, base=axes.transAxes).transform((0.0, 0.0))
    assert based - axes.transAxes.transform((0.0, 0.0)) == pytest.approx(moved[0], abs=1e-9)


@pytest.mark.parametrize(
    "values", [[], [0.0], [1.0], [0.5], [0.5, 0.55], [0.2, 0.9], [0.0, 1.0], [0.97, 0.99], [0.3, 0.42]]
)
def test_limits_of_shares_hold_all_of_them_with_room_and_mirror(axes: Any, values: list[float]) -> None:
    marks.shares(axes.yaxis, values)
    low, high = axes.get_ylim()
    drawn = values or [0.0, 1.0]
    room = 0.06 * max(max(drawn) - min(drawn), 0.05)
    assert max(low, -room) <= min(drawn) - room / 2
    assert high >= max(drawn) + room / 2
    assert -0.07 < low < high < 1.07
    assert high - low >= 0.05 * 1.12 - 1e-9
    assert high - low <= 1.12 * max(max(drawn) - min(drawn), 0.1) + 0.1
    ticks = [float(tick) for tick in axes.yaxis.get_majorticklocs()]
    assert len(ticks) >= 2
    assert all(max(low, 0) <= tick <= min(high, 1) for tick in ticks)
    # Errors are one minus accuracies, and are drawn as their mirror image.
    marks.shares(axes.yaxis, [1 - value for value in values])
    mirrored = axes.get_ylim()
    assert (1 - mirrored[1], 1 - mirrored[0]) == pytest.approx((low, high), abs=1e-12)
