"""Figures of a user's own results tell nothing that is not so: axes, marks, names and captions."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import muso_theory as mt
from muso_theory import plots
from muso_theory.commands.cli import app
from muso_theory.files.results import sealed
from muso_theory.plots.drawings import gap_ladder
from muso_theory.plots.gallery import draw_all, script
from muso_theory.plots.sources import read
from tests.plots.test_plots import STYLES, outside, report, sweep, unlearn, written

UNDERSTOOD = [
    {"word": "target", "value": "column y, by its name", "how": "inferred", "option": "--target"},
    {"word": "dropped", "value": "nothing", "how": "inferred", "option": "--drop"},
    {"word": "w₀", "value": "zero, assumed", "how": "default", "option": "--w-init"},
    {"word": "map", "value": "GaussianFeatures, D = 50, 100, 200", "how": "varied", "option": "--over"},
]


def swept(values: tuple[float, ...] = (50, 100, 200), **numbers: float) -> dict[str, Any]:
    """A sweep of two series with the same numbers at every value, and what was understood of its data."""
    rows = [
        {"axis": "n-features", "value": value, "seed": 0, "series": series, **numbers}
        for value in values
        for series in ("retraining", "label-free")
    ]
    inputs = {"data_sha256": "ab" * 32, "understood": UNDERSTOOD, "notes": []}
    return sealed(
        {"kind": "sweep", "axis": "n-features", "title": "reg.csv: n = 120", "input": inputs, "rows": rows}
    )


def drawn(name: str, content: Any, *more: Any) -> Any:
    """A figure, laid out."""
    with plots.styled():
        figure = script(name).own(content, *more)
        assert not outside(figure)
    return figure


@pytest.mark.parametrize("aim", ["retraining", "a-method", "zz-method"])
def test_a_trade_off_has_two_measures_and_a_dashed_line_only_for_retraining(aim: str) -> None:
    def result(*measures: str) -> dict[str, Any]:
        rows = [{"method": m, "seed": 0, **dict.fromkeys(measures, 0.5)} for m in (aim, "label-free")]
        return sealed({"kind": "unlearn", "rows": rows})

    both = result("retain accuracy", "forget accuracy")
    assert drawn("trade_off", both) is not None
    assert script("trade_off").own(result("retain accuracy")) is None
    assert ("Dashed: retraining" in script("trade_off").told(both)) is (aim == "retraining")
    dashed = [
        line for axes in drawn("trade_off", both).axes for line in axes.lines if line.get_linestyle() == "--"
    ]
    assert len(dashed) == (2 if aim == "retraining" else 0)


@pytest.mark.parametrize("value", [1.0, 0.97, 0.0])
def test_no_axis_shows_an_accuracy_that_cannot_be(value: float) -> None:
    names = ("retain accuracy", "forget accuracy")
    rows = [
        {"method": method, "seed": 0, **dict.fromkeys(names, value)}
        for method in ("retraining", "label-free")
    ]
    tried = sealed({"kind": "unlearn", "rows": rows})
    places = [axes.yaxis for axes in drawn("sweep", swept(**dict.fromkeys(names, value))).axes]
    places += [axes.xaxis for axes in drawn("trade_off", tried).axes]
    places += [drawn("accuracies", tried).axes[0].xaxis]
    assert len(places) == 5
    for axis in places:
        low, high = axis.get_view_interval()
        assert -0.07 < low <= value <= high < 1.07
        ticks = [tick for tick in axis.get_majorticklocs() if low <= tick <= high]
        assert len(ticks) > 1
        assert all(0 <= tick <= 1 for tick in ticks)


def test_equal_series_do_not_hide_one_another() -> None:
    (axes,) = drawn("sweep", swept(gap=1.0)).axes
    first, second = (
        next(line for line in axes.lines if line.get_label() == name) for name in ("retraining", "label-free")
    )
    assert first.get_xydata().tolist() == second.get_xydata().tolist()
    on_paper = [line.get_transform().transform(line.get_xydata()) for line in (first, second)]
    aside = (on_paper[1] - on_paper[0]) * 72 / axes.get_figure().dpi
    assert np.all(aside[:, 0] > 2)
    assert np.all(abs(aside[:, 1]) < 1e-6)
    # To both sides of where their numbers are.
    data = axes.transData.transform(first.get_xydata())
    assert np.allclose((on_paper[0] + on_paper[1]) / 2, data, atol=1e-6)


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ((50, 100, 200), "log"),
        ((0.2, 0.4, 0.6, 0.8), "linear"),
        ((50, 100), "linear"),
        ((1, 3, 30), "log"),
        ((0.0, 1.0, 2.0), "linear"),
        ((0.0, 1e-6, 1.0), "linear"),
        ((1e-6, 1.0), "log"),
        ((1.0, 7.0), "linear"),
        ((3.0,), "linear"),
    ],
)
def test_a_geometric_grid_has_a_logarithmic_axis(values: tuple[float, ...], scale: str) -> None:
    (axes,) = drawn("sweep", swept(values, gap=1.0)).axes
    assert axes.get_xscale() == scale
    # On paper there is as much room on the left as on the right: a part of the data's width, less than all of it.
    low, high = axes.transScale.transform([(x, 1.0) for x in axes.get_xlim()])[:, 0]
    places = axes.transScale.transform([(x, 1.0) for x in values])[:, 0]
    room = (places.min() - low, high - places.max())
    assert room[0] == pytest.approx(room[1], rel=1e-9)
    assert 0.05 <= room[0] / (np.ptp(places) or 1.0) <= 0.5


@pytest.mark.parametrize(("venue", "width"), STYLES)
def test_six_panels_are_no_tower(venue: str, width: str) -> None:
    content = swept(
        gap=1.0, **{f"{name} accuracy": 0.5 for name in ("retain", "forget", "test")}, AUC=0.5, e=1.0
    )
    with plots.styled(venue, width):
        figure = script("sweep").own(content)
        assert len(figure.axes) == 6
        assert not outside(figure)
        across, up = figure.get_size_inches()
    assert up < 2 * across


@pytest.mark.parametrize(("venue", "width"), STYLES)
@pytest.mark.parametrize("axis", ["forget-fraction", "subset"])
def test_labels_of_less_than_two_decades_do_not_meet(venue: str, width: str, axis: str) -> None:
    content = swept(
        (0.02, 0.05, 0.1, 0.2, 0.4, 0.6), gap=1.0, **{"retain accuracy": 1.0, "forget accuracy": 0.5}
    )
    with plots.styled(venue, width):
        figure = script("sweep").own(content | {"axis": axis})
        assert not outside(figure)
        for axes in figure.axes:
            low, high = axes.get_xlim()
            drawn = [*axes.xaxis.get_major_ticks(), *axes.xaxis.get_minor_ticks()]
            labels = [t.label1 for t in drawn if t.label1.get_visible() and low <= t.get_loc() <= high]
            boxes = sorted((t.get_window_extent() for t in labels if t.get_text()), key=lambda box: box.x0)
            assert len(boxes) != 1
            assert all(one.x1 < other.x0 for one, other in itertools.pairwise(boxes))


@pytest.mark.parametrize(("venue", "width"), STYLES)
def test_errors_of_a_regression_are_drawn(tmp_path: Path, venue: str, width: str) -> None:
    errors = {"retraining": 170.54265, "none": 170.54266, "fine-tuning": 170.5412}
    rows = [
        {"method": method, "seed": 0, "retain error": error, "forget error": 150.0, "forget output gap": 1.0}
        | {"test error": 140.0, "AUC": 0.75, "AUC interval": [0.5, 1.0]}
        for method, error in errors.items()
    ]
    content = sealed({"kind": "unlearn", "title": "a table", "rows": rows})
    bars, marks = draw_all([read(written(tmp_path, tried=content)["tried"])])
    assert "Left: root mean squared errors of each method" in bars.caption
    assert "accurac" not in bars.caption
    assert "retain error, forget error, forget output gap of each method" in marks.caption
    assert "one run, of seed 0, measured" in marks.caption
    several = [{**row, "seed": seed} for row in rows for seed in (3, 1)]
    assert "mean over seeds 1, 3 with a bar" in script("trade_off").told({"rows": several})
    with plots.styled(venue, width):
        figure = script("trade_off").own(content)
        assert not outside(figure)
        first = figure.axes[0]
        assert sorted(
            x for line in first.lines if line.get_label() == "_mean" for x in line.get_xdata()
        ) == sorted(errors.values())
        assert not first.xaxis.get_offset_text().get_text()
        figure = script("accuracies").own(content)
        assert not outside(figure)
        left, right = figure.axes
        assert left.get_xlabel() == "error"
        lengths = [bar.get_width() for group in left.containers for bar in getattr(group, "patches", ())]
        assert sorted(lengths) == sorted([*errors.values(), *[150.0] * 3, *[140.0] * 3])
        assert [line.get_xdata()[0] for line in right.lines if line.get_label() == "_AUC"] == [0.75] * 3


def looks(names: list[str]) -> dict[str, tuple[Any, ...]]:
    """Colour and mark of each series of a sweep of these methods."""
    rows = [
        {"axis": "epsilon", "value": value, "seed": 0, "series": name, "gap": value + place}
        for place, name in enumerate(names)
        for value in (1.0, 2.0, 4.0)
    ]
    (axes,) = drawn("sweep", sealed({"kind": "sweep", "axis": "epsilon", "title": "t", "rows": rows})).axes
    named = [line for line in axes.lines if not line.get_label().startswith("_")]
    return {line.get_label(): (line.get_color(), line.get_marker()) for line in named}


def test_what_figures_share_looks_alike_in_all_of_them() -> None:
    """In sweeps over epsilon the colours of doing nothing and of label-free were exchanged."""
    share = looks(["retraining", "none", "label-free", "random-labels"])
    noise = looks(["retraining", "label-free", "none"])
    ridge = looks(["none", "ridge-labels", "retraining", "random-labels"])
    for found in (noise, ridge):
        assert all(share[name] == found[name] for name in share.keys() & found.keys() - {"random-labels"})
        assert len(set(found.values())) == len(found)
    assert ridge["ridge-labels"] not in (share["label-free"], share["retraining"], share["doing nothing"])


def test_panels_are_chosen(tmp_path: Path) -> None:
    content = swept(gap=1.0, **{"retain accuracy": 1.0, "forget accuracy": 0.5})
    figure = drawn("sweep", content, ["forget accuracy", "gap"])
    assert [axes.get_ylabel() for axes in figure.axes] == ["forget accuracy", "gap"]
    paths = written(tmp_path, mine=content, tried=unlearn())

    def command(path: Path, panels: str) -> Any:
        words = ["figure", str(path), "--out", str(tmp_path / "out"), "--panels", panels]
        return CliRunner().invoke(app, words)

    done = command(paths["mine"], "gap, forget accuracy")
    assert done.exit_code == 0, done.output
    caption = (tmp_path / "out" / "mine-sweep.txt").read_text()
    assert "gap, forget accuracy over random features D" in caption
    assert "Not drawn: retain accuracy." in caption
    for path, panels, said in (
        (paths["mine"], "gapp", "got panels=gapp (unknown); try 'gap'"),
        (paths["tried"], "gap", "expected a result of muso sweep but got panels=gap"),
    ):
        refused = command(path, panels)
        assert refused.exit_code == 2
        assert said in " ".join(refused.stderr.split())


def test_a_closed_form_is_called_one_and_rounding_is_marked(tmp_path: Path) -> None:
    content = swept(gap=1e-6)
    for row in content["rows"]:
        row |= {"gap, closed form": 1.3e-6, "gap, bound": 1.4e-6}
        if row["series"] == "label-free":
            row |= {"promise": "label-free", "verdict": "CERTIFIED", "audit": "CERTIFIED"}
        else:
            row |= {"gap": 10.0, "gap, closed form": 10.0, "audit": "REFUTED"}
    content = sealed({key: value for key, value in content.items() if key != "sha256"})
    (axes,) = drawn("sweep", content).axes
    crossed = [line for line in axes.lines if line.get_label() == "within tolerance"]
    assert [line.get_xydata().tolist() for line in crossed] == [[[50, 1e-6], [100, 1e-6], [200, 1e-6]]]
    (pairs,) = drawn("closed_form", content).axes
    points = {line.get_label(): line.get_xydata().tolist() for line in pairs.lines}
    assert points["gap"] == [[10.0, 10.0]] * 3
    assert points["within the tolerance of no gap"] == [[1.3e-6, 1e-6]] * 3
    captions = {
        one.name: one.caption for one in draw_all([read(written(tmp_path, mine=content)["mine"])], form="svg")
    }
    assert "3 pairs, and 3 more that an audit finds within its tolerance" in captions["mine-closed_form"]
    assert "claim label-free is CERTIFIED at 50, 100, 200" in captions["mine-sweep"]
    for caption in captions.values():
        assert "closed form" in caption
        assert "theory says zero" in caption
        assert "predict" not in caption


def test_one_pair_is_told_as_one() -> None:
    told = script("closed_form").told
    rows = [{"gap": 1.0, "gap, closed form": 1.0}] * 2
    assert ": 1 pair, and 0 more" in told({"rows": rows[:1]})
    assert ": 2 pairs, and 0 more" in told({"rows": rows})


def test_captions_tell_what_was_understood(tmp_path: Path) -> None:
    (one,) = draw_all([read(written(tmp_path, mine=swept(gap=1.0))["mine"])])
    for words in ("target: column y", "w₀: zero, assumed", "D = 50, 100, 200 (varied, --over)"):
        assert words in one.caption
    assert "dropped" not in one.caption
    rows = json.loads(report())["input"]["understood"]
    (one,) = draw_all([read(written(tmp_path, checked=report())["checked"])])
    assert next(row["value"] for row in rows if row["word"] == "forget") in one.caption


def test_one_tiny_number_does_not_press_all_others_together() -> None:
    content = json.loads(report())
    tiny, *_ = (e for e in content["evidence"] if e["row"] == "exact-labels[output]")
    finding = tiny["findings"][0]
    finding["lower"], finding["upper"] = "0", "5e-324"
    (axes,) = drawn("margins", content).axes
    low, high = axes.get_xlim()
    assert low > 1e-26
    place = [label.get_text() for label in axes.get_yticklabels()].index("exact-labels[output]")
    arrows = [line for line in axes.lines if line.get_marker() == "<"]
    assert [line.get_ydata()[0] for line in arrows] == [place]
    assert low <= arrows[0].get_xdata()[0] < low * (high / low) ** 0.05
    assert "≤ 5.0e-324" in [text.get_text() for text in axes.texts]
    (before,) = drawn("margins", json.loads(report())).axes  # the control: nothing lies beyond
    assert not [line for line in before.lines if line.get_marker() == "<"]


@pytest.mark.parametrize(
    ("upper", "limit", "told"),
    [
        ("1e-05", "1/100000", "≤ 1e-05"),
        ("9.61e-07", "9.65e-07", "≤ 9.61e-07"),
        ("2e-05", "1/100000", "≤ 2.1e-05"),
    ],
)
def test_a_number_that_is_allowed_is_not_told_to_be_more(upper: str, limit: str, told: str) -> None:
    content = json.loads(report())
    row, *_ = (e for e in content["evidence"] if e["row"] == "exact-labels[output]")
    row["findings"][0] |= {"lower": "0.0", "upper": upper, "limit": limit}
    row["findings"][0]["verdict"] = "CERTIFIED" if float(upper) <= 1e-5 else "UNDECIDED"
    (axes,) = drawn("margins", content).axes
    place = [label.get_text() for label in axes.get_yticklabels()].index("exact-labels[output]")
    assert axes.texts[place].get_text() == told


def test_a_ladder_of_gaps_is_cut_as_margins_are() -> None:
    with plots.styled():
        figure, axes = plots.new_figure()
        gap_ladder(axes, [("nothing", 1.0, False), ("exact", 1e-9, True), ("tiny", 1e-300, True)])
        assert plots.render(figure)
    assert 1e-26 < axes.get_xlim()[0] < 1e-9
    assert "≤ 1.1e-300" in [text.get_text() for text in axes.texts]


def test_names_of_measures_are_one_line() -> None:
    for axes in drawn("trade_off", unlearn()).axes:
        assert axes.get_xlabel()
        assert "\n" not in axes.get_xlabel()


def test_data_instead_of_a_result_is_refused_in_our_own_words(tmp_path: Path) -> None:
    path = tmp_path / "reg.csv"
    path.write_text("a,b,y\n1,2,3\n")
    with pytest.raises(mt.BadInputError) as refused:
        read(path)
    assert "something else at line 1, column 1" in str(refused.value)
    assert "a result of muso sweep --json" in str(refused.value)
    assert "Expecting" not in str(refused.value)


def test_a_sweep_without_names_of_series_is_drawn() -> None:
    rows = [{"axis": "ridge", "value": 10.0**i, "seed": 0, "gap": 1.0} for i in range(3)]
    assert drawn("sweep", sealed({"kind": "sweep", "axis": "ridge", "rows": rows})).axes
    assert drawn("sweep", sweep()).axes


def test_a_trade_is_drawn_of_two_measures_or_more() -> None:
    names = ("retain accuracy", "forget accuracy", "forget output gap")
    for count in range(len(names) + 1):
        measures = {name: 0.5 + 0.1 * i for i, name in enumerate(names[:count])}
        rows = [{"method": method, "seed": 0, **measures} for method in ("retraining", "label-free")]
        figure = script("trade_off").own(sealed({"kind": "unlearn", "rows": rows}))
        assert (figure is not None) is (count > 1)
        assert figure is None or len(figure.axes) == count
