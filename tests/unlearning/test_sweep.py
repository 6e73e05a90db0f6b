"""Sweeps on one's own data: from a CSV to a figure in two commands, resumed after an interrupt, refused in words."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_wine
from typer.testing import CliRunner

import muso_theory as mt
from muso_theory.commands.cli import app
from muso_theory.errors import BadInputError
from muso_theory.files.results import check_result
from muso_theory.inputs import Source
from muso_theory.parallel.points import Workers
from muso_theory.understood import Understood
from muso_theory.unlearning import sweep as sweeping
from tests.plots.test_plots import page_width, subtypes

BASE = ["--n-features", "400", "--standardize", "--jobs", "1"]


def invoke(*words: object) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def wine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("data") / "wine.csv"
    load_wine(as_frame=True).frame.to_csv(path, index=False)
    return path


def swept(wine: Path, over: str, **options: Any) -> list[dict[str, Any]]:
    settings = {"n_features": 400, "standardize": True, "workers": Workers(jobs=1), "seeds": 1, **options}
    result = mt.sweep(str(wine), over, **settings)
    check_result(result, "sweep")
    rows: list[dict[str, Any]] = result["rows"]
    return rows


@pytest.mark.numeric
def test_from_a_csv_to_a_figure_in_two_commands(wine: Path, tmp_path: Path) -> None:
    out = tmp_path / "sweep.json"
    words = ["sweep", wine, "--over", "n-features", "--standardize", "--test", "0.2", "--seeds", "2"]
    done = invoke(*words, "--values", "60,200,400", "--jobs", "1", "--json", out)
    assert done.exit_code == 0, done.output
    drawn = invoke("figure", out, "--out", tmp_path / "figures", "--style", "neurips", "--width", "full")
    assert drawn.exit_code == 0, drawn.output
    pdf = (tmp_path / "figures" / "sweep-sweep.pdf").read_bytes()
    assert page_width(pdf) == pytest.approx(5.5, abs=0.01)
    assert not {b"Type3", b"Type1"} & subtypes(pdf)
    rows = json.loads(out.read_text())["rows"]
    gaps = {(row["value"], row["seed"]): row["gap"] for row in rows if row["series"] == "label-free"}
    assert set(gaps) == {(value, seed) for value in (60, 200, 400) for seed in (0, 1)}
    # Fewer features than samples leave no model that fits them: the condition of label-free fails.
    assert all(gap > 1 if value == 60 else gap < 1e-6 for (value, _), gap in gaps.items())


def test_default_grids_suit_few_samples() -> None:
    for n in range(2, 40):
        for over, axis in sweeping.AXES.items():
            grid = list(axis.values(n))
            assert grid == sorted(set(grid)), (over, n)
            assert all(axis.allows(value) for value in grid)
        assert all(1 <= round(share * n) < n for share in sweeping.AXES["forget-fraction"].values(n))


@pytest.mark.parametrize(
    ("over", "allowed", "refused"),
    [
        ("n-features", [2, 4, 10**6], [-2, 0, 1, 3, 2.5]),
        ("ridge", [5e-324, 1.0], [-1.0, 0.0]),
        ("subset", [5e-324, 0.5, 1.0], [-0.5, 0.0, math.nextafter(1.0, 2.0)]),
        ("forget-fraction", [5e-324, 0.5, math.nextafter(1.0, 0.0)], [-0.5, 0.0, 1.0]),
        ("epsilon", [5e-324, 1.0], [-1.0, 0.0]),
    ],
)
def test_an_axis_allows_what_its_words_say_and_no_neighbour(
    over: str, allowed: list[float], refused: list[float]
) -> None:
    axis = sweeping.AXES[over]
    assert [sweeping._value(over, axis, value) for value in allowed] == allowed
    for value in (*refused, math.nan, True, "1"):
        with pytest.raises(BadInputError, match=re.escape(axis.what)):
            sweeping._value(over, axis, value)  # type: ignore[arg-type]


@pytest.mark.numeric
def test_subset_and_ridge_are_exact_only_at_their_ends(wine: Path) -> None:
    rows = [r for r in swept(wine, "subset", values=[0.3, 1.0]) if r["series"] == "subsampled-labels"]
    assert [row["gap"] < 1e-6 for row in rows] == [False, True]
    rows = [r for r in swept(wine, "ridge", values=[1e-12, 1e-2, 1.0]) if r["series"] == "ridge-labels"]
    assert rows[0]["gap"] < 1e-4 < rows[1]["gap"] < rows[2]["gap"]
    assert all(row["gap, closed form"] == pytest.approx(row["gap"], rel=1e-2) for row in rows[1:])


@pytest.mark.numeric
def test_noise_falls_with_epsilon_and_exact_labels_hardly_need_any(wine: Path) -> None:
    rows = swept(wine, "epsilon", values=[0.5, 2.0], test=0.2)
    sigma = {(row["series"], row["value"]): row["noise σ"] for row in rows if "noise σ" in row}
    assert sigma["label-free", 2.0] <= sigma["label-free", 0.5] < 1e-6 * sigma["none", 2.0]
    assert sigma["none", 2.0] < sigma["none", 0.5]
    told = {row["series"]: row for row in rows if row["value"] == 2.0}
    assert told["label-free"]["test accuracy"] == told["retraining"]["test accuracy"]
    assert told["none"]["test accuracy"] < told["retraining"]["test accuracy"]


@pytest.mark.numeric
def test_the_share_to_forget_is_drawn_by_seed(wine: Path) -> None:
    rows = swept(wine, "forget-fraction", values=[0.1, 0.5], seeds=2, methods=["none"])
    gap = {(row["value"], row["seed"]): row["gap"] for row in rows if row["series"] == "none"}
    assert len(set(gap.values())) == 4


@pytest.mark.numeric
def test_an_interrupted_sweep_goes_on_where_it_stopped(
    wine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, measured = sweeping.measure, []

    def counted(point: Mapping[str, Any]) -> dict[str, Any]:
        if len(measured) == 2 and not (tmp_path / "go on").exists():
            raise KeyboardInterrupt
        measured.append(point["value"])
        return real(point)

    monkeypatch.setattr(sweeping, "measure", counted)
    out = tmp_path / "s.json"
    words = ["sweep", wine, "--over", "subset", "--values", "0.2,0.4,0.6,1", "--seeds", "1", *BASE, "--json"]
    stopped = invoke(*words, out)
    assert stopped.exit_code == 130
    assert not out.exists()
    assert "2 finished points are kept" in stopped.stderr
    assert stopped.stdout.startswith("wine.csv: n = 178\n  data ")  # told before anything is measured
    (tmp_path / "go on").touch()
    again = invoke(*words, out)
    assert again.exit_code == 0, again.output
    assert "2 of 4 points were measured before" in again.stderr
    assert measured == [0.2, 0.4, 0.6, 1.0]
    whole = tmp_path / "whole.json"
    assert invoke(*words, whole).exit_code == 0
    assert measured == [0.2, 0.4, 0.6, 1.0] * 2
    assert out.read_bytes() == whole.read_bytes()
    # Points that are there are not measured again; data that changed are measured anew.
    longer = [word if word != "0.2,0.4,0.6,1" else "0.2,0.4,0.6,0.8,1" for word in words]
    assert invoke(*longer, out).exit_code == 0
    assert measured[8:] == [0.8]
    changed = tmp_path / "wine.csv"
    changed.write_text(wine.read_text().replace("14.23", "14.24", 1))
    assert invoke("sweep", changed, *words[2:], out).exit_code == 0
    assert measured[9:] == [0.2, 0.4, 0.6, 1.0]


def test_what_no_point_can_have_is_refused_before_the_data_are_read(tmp_path: Path) -> None:
    words = ["sweep", tmp_path / "none.csv", "--json", tmp_path / "s.json", "--over"]
    refused = invoke(*words, "epsilon", "--delta", "2")
    assert (refused.exit_code, "delta=2" in refused.stderr) == (2, True)
    refused = invoke(*words, "ridge", "--jobs", "0")
    assert (refused.exit_code, "jobs=0" in refused.stderr) == (2, True)
    assert "DATA=" in invoke(*words, "epsilon", "--delta", "0.5").stderr


def test_a_fit_that_varies_is_told_of_its_point_with_one_seed_too(wine: Path) -> None:
    source = Source(str(wine), n_features=20, standardize=True)
    common = {"test": None, "delta": 1e-5, "budget": 30.0, "progress": None}
    for values, varied in (([0.1, 0.2], True), ([0.1], False)):
        plan = sweeping.planned(source, "forget-fraction", values, 1, (), **common)
        told = {row["word"]: row["value"] for row in plan.head["input"]["understood"]}
        assert "fitted on the 160 retained samples" in told["scaling"]
        assert ("told of seed 0 and forget-fraction 0.1" in told.get("seeds", "")) is varied


@pytest.mark.numeric
def test_a_sweep_tells_what_it_understood_and_what_holds_where(wine: Path, tmp_path: Path) -> None:
    out = tmp_path / "s.json"
    words = ["--over", "n-features", "--values", "60,400", "--seeds", "2", "--standardize", "--jobs", "1"]
    done = invoke("sweep", wine, *words, "--json", out)
    assert done.exit_code == 0, done.output
    head, _, rest = done.stdout.partition("\n\n")
    stored = json.loads(out.read_text())
    told = {row["word"]: row for row in stored["input"]["understood"]}
    for word in ("target", "task", "forget", "map", "w₀", "seeds"):
        assert any(line.split()[0] == word for line in head.splitlines()), word
        assert told[word]["value"].split()[0] in head
    assert "D = 60, 400," in told["map"]["value"]
    assert (told["map"]["how"], told["map"]["option"]) == ("varied", "--over")
    assert "varied, --over" in head
    assert "D = 5000" not in done.stdout + json.dumps(stored["input"])
    assert "kernel approximation" not in done.stdout  # that is of one number of features
    rows = {(row["value"], row["series"]): row for row in stored["rows"] if row["seed"] == 0}
    few, many = rows[60, "label-free"], rows[400, "label-free"]
    assert (few["promise"], few["verdict"], few["audit"]) == ("label-free", "VACUOUS", "REFUTED")
    assert few["why"].startswith("needs least-squares-on-retain: ")
    assert few["why"].endswith("full-rank fails, as D = 60 < n = 178")
    assert (many["verdict"], many["audit"], "why" in many) == ("CERTIFIED", "CERTIFIED", False)
    assert rows[60, "random-labels"]["promise"] == "none"
    nothing = rows[60, "none"]
    assert few["gap share"] == pytest.approx(few["gap"] / nothing["gap"])
    assert nothing["gap share"] == 1
    text = " ".join(rest.split())
    assert "none (doing nothing) gap " in text
    assert "label-free VACUOUS: needs least-squares-on-retain" in text
    assert "label-free CERTIFIED; audit of w_u CERTIFIED" in text
    assert "Each number is the median of 2 seeds." in text
    for word in ("predicted", "gap, bound", "medians"):
        assert word not in text


@pytest.mark.numeric
def test_every_axis_is_named_as_what_varies(wine: Path) -> None:
    expected = {
        "forget-fraction": ("forget", "random 0.1, 0.3 of the samples"),
        "subset": ("subset", "0.1, 0.3"),
        "ridge": ("ridge", "0.1, 0.3"),
        "epsilon": ("epsilon", "0.1, 0.3 at δ = 1e-05"),
    }
    assert {*expected, "n-features"} == {*sweeping.AXES}
    source = Source(str(wine), n_features=400)
    for over, (word, value) in expected.items():
        plan = sweeping.planned(
            source, over, [0.1, 0.3], 1, (), test=None, delta=1e-5, budget=30.0, progress=None
        )
        varied = [row for row in plan.head["input"]["understood"] if row["how"] == "varied"]
        assert varied == [{"word": word, "value": value, "how": "varied", "option": "--over"}]


def test_a_sweep_says_why_there_is_no_attack(wine: Path, tmp_path: Path) -> None:
    words = ("sweep", wine, "--n-features", 60, "--over", "forget-fraction", "--values", "0.05,0.1")
    words += ("--seeds", 1, "--jobs", 1, "--method", "none", "--test", 0.2, "--json", tmp_path / "s.json")
    told = invoke(*words).stdout
    assert "No attack at 0.05: 9 samples are to be forgotten, and an attack needs 10" in told
    assert "AUC" in told.partition("forget-fraction 0.1")[2].partition("No attack")[0]
    assert "No attack at 0.1" not in told


def test_a_value_that_a_method_refuses_is_told_in_its_row(wine: Path) -> None:
    rows = swept(wine, "n-features", values=[60, 400], methods=["leave-block-out"])
    assert [(row["value"], "failed" in row) for row in rows if row["series"] == "leave-block-out"] == [
        (60, True),
        (400, False),
    ]
    with pytest.raises(BadInputError, match="a value that a method accepts"):
        swept(wine, "n-features", values=[60], methods=["leave-block-out"])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--over", "n-feature"], "n-features"),
        (["--over", "ridge", "--method", "label-free"], "axis ridge does not apply"),
        (["--over", "n-features", "--features", "identity"], "axis n-features does not apply"),
        (["--over", "forget-fraction", "--forget", "class:1"], "no --forget beside this axis"),
        (["--over", "subset", "--values", "0,1"], "a fraction in (0, 1]"),
        (["--over", "subset", "--values", "0.5;1"], "--values 0.1,0.2"),
        (["--over", "subset", "--values", "1,1"], "different values"),
        (["--over", "n-features", "--values", "101"], "an even number"),
        (["--over", "subset", "--seeds", "0"], "a positive number of seeds"),
        (["--over", "subset", "--seeds", "10001"], "at most 10,000"),
        (["--over", "subset", "--seeds", "9999999999999999"], "at most 10,000"),
        (["--over", "subset", "--method", "subsample"], "subsampled-labels"),
        (["--over", "subset", "--backend", "dusk"], "dask"),
    ],
)
def test_mistakes_end_in_words(words: list[str], told: str, wine: Path, tmp_path: Path) -> None:
    done = invoke("sweep", wine, *BASE, "--json", tmp_path / "s.json", *words)
    assert done.exit_code == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "s.json").exists()


def test_features_that_the_data_bring_have_no_number_to_vary(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "f.npz"
    np.savez(path, features=rng.standard_normal((30, 60)), y=rng.standard_normal(30), forget=np.arange(4))
    done = invoke("sweep", path, "--over", "n-features", "--json", tmp_path / "s.json", "--jobs", "1")
    assert done.exit_code == 2
    assert "the data bring their features" in done.stderr


@pytest.mark.parametrize("over", sweeping.AXES)
def test_what_varies_is_told_by_its_own_word_with_all_its_values(over: str) -> None:
    rows = [Understood(word, f"{word}, D = 4", "given", "--x") for word in ("target", "map", "forget")]
    first: Any = SimpleNamespace(understood=rows)
    grid = [4, 8]
    told = {row.word: row for row in sweeping._understood(over, first, grid, [0, 1], 1e-5)}
    word = {"n-features": "map", "forget-fraction": "forget"}.get(over, over)
    assert [row.word for row in told.values() if row.how == "varied" and row.option == "--over"] == [word]
    assert "4 and 8" in told[word].value or "4, 8" in told[word].value
    assert ("δ = 1e-05" in told[word].value) is (over == "epsilon")
    others = {"target", "map", "forget"} - {word}
    assert all(told[other] == row for row in rows if (other := row.word) in others)
    of_value = over in ("n-features", "forget-fraction")
    assert (f"{over} 4" in told["seeds"].value) is of_value
    one = {row.word: row for row in sweeping._understood(over, first, grid, [5], 1e-5)}
    assert ("seeds" in one) is of_value
    assert not of_value or one["seeds"].how == "given"
