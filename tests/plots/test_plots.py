"""Figures in every style and width, and from a user's own results; what cannot be drawn is refused in words."""

from __future__ import annotations

import itertools
import json
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import muso_theory as mt
from muso_theory import plots
from muso_theory.commands.cli import app
from muso_theory.files.results import check_result, sealed
from muso_theory.plots.drawings import spectrum
from muso_theory.plots.figures.margins import margins
from muso_theory.plots.gallery import NAMES, OWN_FIGURES, draw_all, script
from muso_theory.plots.marks import style_of, symbols
from muso_theory.plots.sources import DRAWN_FROM, read
from tests import ROOT
from tests.plots.test_figures import results_of

INCHES = {
    "plain": {"column": 4.3, "full": 7.0},
    "neurips": {"column": 3.3, "full": 5.5},
    "icml": {"column": 3.25, "full": 6.75},
    "jmlr": {"column": 3.6, "full": 6.0},
    "tmlr": {"column": 3.9, "full": 6.5},
}
"""Widths as the venues' own style files have them; a column is 0.6 of the text where there is one only."""


def page_width(pdf: bytes) -> float:
    """The width of a PDF's page in inches."""
    found = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) [\d.]+ \]", pdf)
    assert found
    return float(found[1]) / 72


def subtypes(pdf: bytes) -> set[bytes]:
    """The kinds of fonts in a PDF."""
    return set(re.findall(rb"/Subtype /(Type3|Type42|CIDFontType2|TrueType|Type1)\b", pdf))


def outside(figure: Any) -> list[str]:
    """The texts that reach over the edge of a figure."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    edge = figure.bbox.padded(2)
    hidden = _unseen(figure)
    found = []
    for text in figure.findobj(Text):
        if text.get_text().strip() and text.get_visible() and id(text) not in hidden:
            box = text.get_window_extent(canvas.get_renderer())
            if box.x0 < edge.x0 or box.x1 > edge.x1 or box.y0 < edge.y0 or box.y1 > edge.y1:
                found.append(text.get_text())
    return found


def _unseen(figure: Any) -> set[int]:
    """Labels of ticks beyond the limits of their axis, which are not drawn."""
    found = set()
    for axes in [each for parent in figure.axes for each in (parent, *parent.child_axes)]:
        for i, axis in enumerate((axes.xaxis, axes.yaxis)):
            low, high = sorted(axis.get_view_interval())
            for label in (*axis.get_ticklabels(), *axis.get_ticklabels(minor=True)):
                if not low <= label.get_position()[i] <= high:
                    found.add(id(label))
    return found


STYLES = [*((venue, "column") for venue in plots.VENUES), ("neurips", "full")]
"""Every venue, and of the wide ones the tightest: large letters on the narrowest text."""


@pytest.mark.parametrize(("venue", "width"), STYLES)
@pytest.mark.parametrize("name", NAMES)
def test_every_figure_in_every_style(name: str, venue: str, width: str) -> None:
    with plots.styled(venue, width):
        figure = script(name).draw(results_of(name))
        assert not outside(figure)
        figure.set_layout_engine("none")  # all is in its place
        drawn = plots.render(figure)
    assert page_width(drawn) == pytest.approx(INCHES[venue][width], abs=1e-3)
    assert subtypes(drawn) == {b"CIDFontType2"}


def test_what_the_test_of_styles_would_see() -> None:
    import matplotlib as mpl

    with plots.styled("icml"):
        figure, axes = plots.new_figure()
        axes.set_xlabel("forget sample")
        with mpl.rc_context({"pdf.fonttype": 3}):
            assert b"Type3" in subtypes(plots.render(figure))
        assert not outside(figure)
        figure.text(0.95, 0.5, "far out").set_in_layout(False)
        assert outside(figure) == ["far out"]
        figure.set_size_inches(3.0, 2.0)
        assert page_width(plots.render(figure)) != pytest.approx(3.25, abs=1e-3)


def test_styles_have_the_measures_of_their_venues() -> None:
    for venue, width in itertools.product(plots.VENUES, plots.WIDTHS):
        assert plots.style(venue, width)["figure.figsize"][0] == pytest.approx(INCHES[venue][width])
    sizes = {venue: plots.style(venue)["font.size"] for venue in plots.VENUES}
    assert sizes == {"plain": 10, "neurips": 9, "icml": 8, "jmlr": 9.95, "tmlr": 9}
    assert all(
        plots.style(v, w)["text.usetex"] is False for v, w in itertools.product(plots.VENUES, plots.WIDTHS)
    )


def test_series_are_told_apart() -> None:
    looks = [tuple(style_of(i)[key] for key in ("color", "marker", "fillstyle")) for i in range(27)]
    assert len(set(looks)) == 27
    assert len({look[1:] for look in looks}) == 27  # without colours too
    assert len({style_of(i)["color"] for i in range(8)}) == 8


def test_letters_of_the_theory_are_set_as_mathematics() -> None:
    assert symbols("outputs of w_r") == "outputs of $w_r$"
    assert symbols("‖w_u − w_r‖ and w_u") == r"$\|w_u - w_r\|$ and $w_u$"
    assert symbols("gap") == "gap"


def test_two_ends_of_a_spectrum_are_not_joined() -> None:
    with plots.styled():
        for values, complete in (([4.0, 2.0, 1.0], True), ([4.0, 1.0], False)):
            figure, axes = plots.new_figure()
            spectrum(axes, values, complete=complete)
            (line,) = axes.lines
            assert line.get_linestyle() == "None"
            assert list(line.get_ydata()) == values
            assert ("not computed" in axes.get_xlabel()) is not complete
            assert plots.render(figure)
        figure, axes = plots.new_figure()
        spectrum(axes, [], 1.0, 2.0, complete=False)
        assert len(axes.lines) == 3


# -- a user's own results -----------------------------------------------------------------------------------


def sweep(**changes: Any) -> dict[str, Any]:
    """A small sweep: two lines, five sizes, three seeds; one number has zeros, one a closed form, one a bound."""
    rng = random.Random(0)
    rows = []
    for series, scale in (("exact labels", 1.0), ("label-free", 3.0)):
        for value in (512, 1024, 2048, 4096, 8192):
            for seed in range(3):
                exact = scale * value**-0.5
                row = {"axis": "n-features", "value": value, "seed": seed, "series": series}
                row |= {"gap": exact * rng.uniform(0.9, 1.1), "gap, closed form": exact}
                row |= {
                    "distance": 0.0 if seed == 0 else 10 ** -rng.uniform(12, 15),
                    "distance, bound": 1e-12,
                }
                rows.append(row)
    whole = {
        "kind": "sweep",
        "axis": "n-features",
        "title": "a table",
        "input": {"sha256": "ab" * 32},
        "rows": rows,
    }
    return sealed(whole | changes)


def unlearn(**changes: Any) -> dict[str, Any]:
    """A small run of five methods."""
    rng = random.Random(0)
    rows = []
    for method, forgotten, gap in (
        ("retraining", 0.7, 0.0), ("nothing", 0.95, 1.0), ("label-free", 0.71, 1e-9), ("fine-tuning", 0.9, 0.8)
    ):  # fmt: skip
        for seed in range(3):
            row = {"method": method, "seed": seed, "forget accuracy": forgotten + 0.02 * rng.random()}
            row |= {"retain accuracy": 0.95 + 0.02 * rng.random(), "test accuracy": 0.9 + 0.02 * rng.random()}
            row |= {"forget output gap": gap, "AUC": 0.5 + 0.1 * rng.random(), "AUC interval": [0.45, 0.65]}
            rows.append(row)
    more = {
        "eigenvalues": [2.0**-i for i in range(9)],
        "labels": {"targets": [1, -1, 1], "optimal": [0.3, -0.4, 1]},
    }
    return sealed({"kind": "unlearn", "title": "a table", "rows": rows, **more} | changes)


def report() -> str:
    """A report of a small problem."""
    rng = np.random.default_rng(0)
    problem = mt.UnlearningProblem(rng.standard_normal((8, 12)), rng.standard_normal(8), [1, 2])
    return mt.check(problem, ["exact-labels", "full-rank", "label-free"]).to_json()


def written(folder: Path, **contents: Any) -> dict[str, Path]:
    """Result files."""
    found = {}
    for name, content in contents.items():
        found[name] = folder / f"{name}.json"
        text = content if isinstance(content, str) else json.dumps(content)
        found[name].write_text(text, encoding="utf-8")
    return found


def muso(*words: Any) -> Any:
    return CliRunner().invoke(app, ["figure", *map(str, words)])


@pytest.mark.parametrize(("venue", "width"), STYLES)
def test_own_figures_in_every_style(tmp_path: Path, venue: str, width: str) -> None:
    paths = written(tmp_path, mine=sweep(), tried=unlearn(), checked=report())
    drawn = list(draw_all([read(path) for path in paths.values()], venue, width))
    assert {one.name for one in drawn} == {
        *("mine-sweep", "mine-closed_form", "checked-margins"),
        *(f"tried-{name}" for name in ("accuracies", "trade_off", "spectrum", "labels")),
    }
    assert {name for one in drawn for name in OWN_FIGURES if one.name.endswith(name)} == {*OWN_FIGURES}
    for one in drawn:
        assert page_width(one.data) == pytest.approx(INCHES[venue][width], abs=1e-3)
        assert subtypes(one.data) == {b"CIDFontType2"}
    with plots.styled(venue, width):
        for path, name in (
            ("mine", "sweep"),
            ("tried", "trade_off"),
            ("tried", "accuracies"),
            ("checked", "margins"),
        ):
            assert not outside(script(name).own(read(paths[path]).content))


def test_a_sweep_shows_what_its_rows_say() -> None:
    content = sweep()
    with plots.styled():
        figure = script("sweep").own(content)
    for axes, key in zip(figure.axes, ("gap", "distance"), strict=True):
        assert axes.get_ylabel() == key
        assert axes.get_xscale() == axes.get_yscale() == "log"
        for series in ("exact labels", "label-free"):
            lines = [line for line in axes.lines if line.get_label() == series]
            shown = sorted((x, y) for line in lines for x, y in zip(*line.get_data(), strict=True))
            wanted = sorted((row["value"], row[key]) for row in content["rows"] if row["series"] == series)
            assert shown == wanted
        words = {line.get_label() for line in axes.lines}
        assert ("closed form" in words, "proved bound" in words) == (
            (True, False) if key == "gap" else (False, True)
        )
    assert figure.axes[-1].get_xlabel() == "random features D"


def test_a_sweep_over_names_has_an_axis_of_names() -> None:
    rows = [{"axis": "features", "value": name, "seed": 0, "gap": 1.0} for name in ("gaussian", "arccos")]
    with plots.styled():
        (axes,) = script("sweep").own(sealed({"kind": "sweep", "axis": "features", "rows": rows})).axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["gaussian", "arccos"]


def test_what_is_no_finite_number_is_left_out_and_counted() -> None:
    values = [1.0, float("inf"), float("nan"), None]
    rows = [{"axis": "ridge", "value": 10.0**i, "seed": 0, "gap": gap} for i, gap in enumerate(values)]
    content = sealed({"kind": "sweep", "axis": "ridge", "rows": rows})
    with plots.styled():
        (axes,) = script("sweep").own(content).axes
    assert [line.get_xydata().tolist() for line in axes.lines if line.get_label() == "measured"] == [
        [[1.0, 1.0]]
    ]
    assert "3 values" in script("sweep").told(content)
    assert "values" not in script("sweep").told(sweep())


def test_numbers_beyond_the_panels_are_named() -> None:
    row = {"axis": "ridge", "value": 1.0, "seed": 0, **{f"number {chr(97 + i)}": float(i) for i in range(8)}}
    content = sealed({"kind": "sweep", "axis": "ridge", "rows": [row]})
    with plots.styled():
        assert len(script("sweep").own(content).axes) == 6
    assert "Not drawn: number g, number h." in script("sweep").told(content)


def test_margins_are_the_reports_numbers() -> None:
    content = json.loads(report())
    found = {row["row"]: row for row in margins(content["evidence"])}
    row = next(e for e in content["evidence"] if e["row"] == "exact-labels[output]")
    finding = row["findings"][0]
    assert found["exact-labels[output]"]["upper"] == float(finding["upper"])
    assert found["exact-labels[output]"]["verdict"] == row["verdict"]
    assert "full-rank" not in found  # asks for more than nothing, and has no tolerance
    with plots.styled():
        (axes,) = script("margins").own(content).axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == list(found)
    marks = {round(line.get_ydata()[0]): line for line in axes.lines if line.get_label() == "CERTIFIED"}
    for i, mark in marks.items():
        one = found[names[i]]
        assert mark.get_xdata()[0] == pytest.approx(max(one["upper"] / one["limit"], axes.get_xlim()[0]))


def test_a_caption_names_file_hash_data_and_quick_runs(tmp_path: Path) -> None:
    content = sweep(quick=True)
    paths = written(tmp_path, mine=content)
    drawn = list(draw_all([read(paths["mine"])]))
    assert {one.name for one in drawn} == {"mine-sweep-quick", "mine-closed_form-quick"}
    for one in drawn:
        assert f"mine.json (sha256 {content['sha256'][:16]}; data sha256 abababababababab)" in one.caption
        assert "no evidence" in one.caption
        assert "a table." in one.caption
    assert "no evidence" not in next(draw_all([read(written(tmp_path, other=sweep())["other"])])).caption


def test_the_command_writes_figures_and_captions(tmp_path: Path) -> None:
    paths = written(tmp_path, mine=sweep())
    answer = muso(paths["mine"], "--out", tmp_path / "new" / "out", "--style", "neurips")
    assert answer.exit_code == 0, answer.output
    names = sorted(path.name for path in (tmp_path / "new" / "out").iterdir())
    assert names == [f"mine-{name}.{end}" for name in ("closed_form", "sweep") for end in ("pdf", "txt")]
    assert page_width((tmp_path / "new" / "out" / "mine-sweep.pdf").read_bytes()) == pytest.approx(
        3.3, abs=1e-3
    )
    first = {path.name: path.read_bytes() for path in (tmp_path / "new" / "out").iterdir()}
    assert muso(paths["mine"], "--out", tmp_path / "new" / "out", "--style", "neurips").exit_code == 0
    assert first == {path.name: path.read_bytes() for path in (tmp_path / "new" / "out").iterdir()}


def test_a_campaign_draws_all_that_it_feeds(tmp_path: Path) -> None:
    root = ROOT / "verification" / "results"
    answer = muso(root / "anatomy.json", "--out", tmp_path, "--format", "svg")
    assert answer.exit_code == 0, answer.output
    names = {path.stem for path in tmp_path.glob("*.svg")}
    assert names == {name for name in NAMES if script(name).NEEDS == ("anatomy",)}
    assert "limits" in {
        one.name for one in draw_all([read(root / "ablation.json"), read(root / "ntk-limit.json")])
    }


def test_bad_input_ends_in_words(tmp_path: Path) -> None:
    root = ROOT / "verification" / "results"
    other = sealed({"kind": "sweep", "axis": "ridge", "rows": [{"axis": "ridge", "value": 1, "seed": 0}]})
    less = sealed({"kind": "unlearn", "rows": [{"method": "nothing"}]})
    spoilt = sweep() | {"title": "another"}
    false = json.loads(report()) | {"title": "another"}
    paths = written(
        tmp_path, mine=sweep(), replay={"rule": "x", "matrix": []}, words="{", array=[1], empty=other, less=less,
        spoilt=spoilt, false=false, later=sweep() | {"schema": 2},
    )  # fmt: skip
    for words, said in (
        ([tmp_path / "none.json"], ["no such file", *DRAWN_FROM.values()]),
        ([tmp_path], ["a readable file", *DRAWN_FROM.values()]),
        ([paths["replay"]], ["keys rule, matrix", *DRAWN_FROM.values()]),
        ([paths["array"]], ["list", *DRAWN_FROM.values()]),
        ([paths["words"]], ["JSON text", *DRAWN_FROM.values()]),
        ([paths["empty"]], ["numbers to draw"]),
        ([paths["less"]], ["rows with seed"]),
        ([paths["spoilt"]], ["changed after it was written", "muso sweep DATA"]),
        ([paths["false"]], ["changed after it was written", "muso check --json"]),
        ([paths["later"]], ["schema version 1"]),
        ([paths["mine"], "--style", "neurip"], ["try 'neurips'"]),
        ([paths["mine"], "--width", "colum"], ["try 'column'"]),
        ([paths["mine"], "--format", "pfd"], ["try 'pdf'"]),
        ([paths["mine"], "--out", paths["array"]], ["a folder that can be made"]),
        ([paths["mine"], paths["mine"]], ["drawn twice"]),
        ([root / "costs.json"], ["feeds none", "alternating"]),
        ([root / "ntk-limit.json"], ["with ablation"]),
    ):
        out = [] if "--out" in words else ["--out", tmp_path / "out"]
        answer = muso(*words, *out)
        text = " ".join(answer.output.split())
        assert answer.exit_code == 2, (words, text)
        assert all(part in text for part in said), (words, text)
        assert not (tmp_path / "out").exists()


def test_rows_of_a_sweep_are_asked_for_their_keys() -> None:
    check_result(sweep(), "mine.json")
    for rows in (None, [], [{"axis": "ridge", "value": 1}], ["row"]):
        with pytest.raises(mt.BadInputError, match="rows"):
            check_result(sealed({"kind": "sweep", "axis": "ridge", "rows": rows}), "mine.json")


def test_a_report_without_limits_has_no_margins(tmp_path: Path) -> None:
    problem = mt.UnlearningProblem(np.eye(3), np.arange(3.0), [1])
    path = written(tmp_path, bare=mt.check(problem, ["full-rank"]).to_json())["bare"]
    with pytest.raises(mt.BadInputError, match="numbers to draw"):
        list(draw_all([read(path)]))


@pytest.mark.slow
@pytest.mark.parametrize("words", [["--help"], ["figure", "--help"], ["claims"], ["explain", "gram"]])
def test_text_only_commands_import_no_drawing(words: list[str]) -> None:
    code = "import sys; from muso_theory.commands.cli import app; app(sys.argv[1:], standalone_mode=False)"
    code += "; print('\\n', [name for name in ('matplotlib', 'tueplots', 'muso_theory.plots') if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert answer.stdout.splitlines()[-1].strip() == "[]", answer.stderr
