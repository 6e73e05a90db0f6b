"""One method on one's own data: parameters, their audit, scores and attacks, with the retrained model as the null."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes, load_wine
from typer.testing import CliRunner

import muso_theory as mt
from muso_theory.commands.cli import app
from muso_theory.errors import BadInputError
from muso_theory.evidence import Verdict
from muso_theory.files.results import check_result
from muso_theory.inputs import Source, prepare
from muso_theory.methods import LabelFreeLabels, serving
from muso_theory.unlearning.run import made
from muso_theory.unlearning.unlearned import RETRAINED, told_rows

METHODS = serving("linear")

SMALL = {"n_features": 1200, "standardize": True}


def invoke(*words: str) -> Any:
    return CliRunner().invoke(app, list(words))


@pytest.fixture(scope="module")
def wine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("data") / "wine.csv"
    load_wine(as_frame=True).frame.to_csv(path, index=False)
    return path


def overparameterised(seed: int = 0, n: int = 60, d: int = 150) -> mt.UnlearningProblem:
    rng = np.random.default_rng(seed)
    y = np.sign(rng.standard_normal(n))
    return mt.UnlearningProblem(rng.standard_normal((n, d)), y, np.arange(12))


# -- on breast_cancer ----------------------------------------------------------------------------------------


@pytest.mark.numeric
def test_label_free_on_breast_cancer_matches_its_null_and_doing_nothing_does_not(tmp_path: Path) -> None:
    words = ["unlearn", "breast_cancer", "--n-features", "1200", "--standardize", "--test", "0.2"]
    files = {"--json": tmp_path / "u.json", "-o": tmp_path / "w.npz", "--html": tmp_path / "u.html"}
    named = [str(word) for pair in files.items() for word in pair]
    done = invoke(*words, "--method", "label-free", *named)
    assert done.exit_code == 0, done.output
    result = json.loads(files["--json"].read_text())
    check_result(result, files["--json"])
    rows = {row["method"]: row for row in result["rows"]}
    mine, null, nothing = rows["label-free"], rows[RETRAINED], rows["none"]
    assert mine["gap, bound"] < 1e-6 * nothing["gap"]
    assert {key: mine[key] for key in null if "accuracy" in key} == {
        k: null[k] for k in null if "accuracy" in k
    }
    assert nothing["AUC"] > 0.9 > null["AUC"]
    low, high = result["AUC above retraining"]["interval"]
    assert low <= 0 <= high
    arrays = np.load(files["-o"])
    assert arrays["w_unlearned"].shape == (1200,)
    assert set(arrays["forget"]) <= set(arrays["trained_on"])
    assert len(arrays["labels"]) == 57
    page = files["--html"].read_text()
    assert "<svg" in page
    assert "muso unlearn breast_cancer" in page
    assert "--test 0.2" in page
    left = invoke(
        *words, "--method", "none"
    )  # the control: what was not unlearned is seen by audit and attack
    assert left.exit_code == 1
    found = mt.unlearn("breast_cancer", "none", test=0.2, **SMALL)
    assert found.gap.verdict is Verdict.REFUTED
    assert found.difference is not None
    assert found.difference.excludes_zero


@pytest.mark.numeric
def test_a_slip_in_the_labels_is_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    right = LabelFreeLabels.labels
    monkeypatch.setattr(LabelFreeLabels, "labels", lambda self, problem: right(self, problem) + 1e-3)
    found = mt.unlearn(overparameterised(), "label-free")
    assert found.report["exact-labels[labels]"].verdict is Verdict.REFUTED
    assert found.gap.verdict is Verdict.REFUTED
    assert found.report.exit_status == 1


# -- every method --------------------------------------------------------------------------------------------


@pytest.mark.numeric
@pytest.mark.parametrize("name", METHODS)
def test_methods_that_reach_retraining_are_certified_and_the_others_refuted(name: str) -> None:
    problem = overparameterised()
    # A ridge so large that its bias is no matter of a tolerance.
    settings = {"ridge": 0.1} if "ridge" in METHODS[name].settings("linear") else {}
    found = mt.unlearn(problem, name, **settings)
    method = found.method
    exact = name == "orthogonal-gradient" or (method.claims_exactness and not method.has_own_reference)
    assert found.gap.verdict is (Verdict.CERTIFIED if exact else Verdict.REFUTED), found
    # Retraining by a least-squares solver that knows nothing of this package; the bound is of the exact w_r.
    rows = problem.retain
    alone = np.linalg.lstsq(problem.features[rows], problem.targets[rows], rcond=None)[0]
    gap = float(np.linalg.norm(found.w_unlearned - alone))
    assert abs(gap - found.row["gap, bound"]) < 1e-9 * (1 + gap)
    assert found.missing.startswith("no samples were held out")
    assert found.difference is None
    assert len(repr(found).splitlines()) <= 10
    if method.has_own_reference and method.claims_exactness:
        assert found.row["gap to own reference"] < 1e-6 * found.row["gap"]


@pytest.mark.numeric
def test_parameters_are_those_of_the_registry() -> None:
    problem = overparameterised(1)
    for name in ("random-labels", "bad-teacher", "subsampled-labels", "saliency"):
        found = mt.unlearn(problem, name, seed=3)
        np.testing.assert_allclose(found.w_unlearned, METHODS[name](seed=3)(problem), rtol=1e-8, atol=1e-9)


# -- on a CSV, with test samples ----------------------------------------------------------------------------


@pytest.mark.numeric
def test_a_csv_with_its_rows_to_forget_and_what_is_held_out(wine: Path, tmp_path: Path) -> None:
    prepared = prepare(Source(str(wine), forget="rows:3-40", **SMALL), test=0.25)
    assert prepared.rows is not None
    assert prepared.held_out is not None
    assert prepared.rows[prepared.problem.forget].tolist() == list(range(3, 41))
    assert len(prepared.held_out[0]) == round(0.25 * (178 - 38))
    assert len(prepared.rows) + len(prepared.held_out[0]) == 178
    frame = pd.read_csv(wine)
    inputs = frame.drop(columns="target").to_numpy(dtype=float)
    out = np.setdiff1d(np.arange(178), prepared.rows)
    trained_on = np.setdiff1d(prepared.rows, np.arange(3, 41))
    scaled = (inputs[out] - inputs[trained_on].mean(axis=0)) / inputs[trained_on].std(axis=0)
    again = prepared.problem.feature_map.transform(scaled)
    np.testing.assert_allclose(prepared.held_out[0], again, rtol=1e-9, atol=1e-12)
    words = ["unlearn", str(wine), "--forget", "rows:3-40", "--n-features", "1200", "--standardize"]
    done = invoke(*words, "--test", "0.25", "--json", "-")
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert "held out before anything is fitted" in done.stdout
    rows = {row["method"]: row for row in result["rows"]}
    assert rows["label-free"]["AUC"] == pytest.approx(rows[RETRAINED]["AUC"], abs=0.05)
    assert rows["none"]["AUC"] > rows[RETRAINED]["AUC"]


@pytest.mark.numeric
def test_a_regression_has_errors_in_place_of_accuracies(tmp_path: Path) -> None:
    path = tmp_path / "diabetes.csv"
    load_diabetes(as_frame=True).frame.to_csv(path, index=False)
    found = mt.unlearn(path, "label-free", test=0.2, n_features=1500)
    assert found.gap.verdict is Verdict.CERTIFIED
    assert not any("accuracy" in key for key in found.row)
    null = next(row for row in found.rows if row["method"] == RETRAINED)
    assert found.row["test error"] == pytest.approx(null["test error"], rel=1e-6)
    assert found.difference is not None
    assert not found.difference.excludes_zero


def test_too_few_samples_to_attack_are_told(wine: Path) -> None:
    found = mt.unlearn(wine, "label-free", test=0.2, forget="rows:0-4", **SMALL)
    assert not found.attacks
    assert found.missing == "5 samples are to be forgotten, and an attack needs 10: more of them by --forget"
    assert found.to_dict()["no attack"] == found.missing
    small = mt.unlearn(wine, "label-free", test=0.05, forget="rows:0-11", **SMALL)
    assert small.missing == "8 samples were held out, and an attack needs 10: more of them by --test"
    # What it says is true: so many of both, and the attack is made.
    assert mt.unlearn(wine, "label-free", test=0.07, forget="rows:0-9", **SMALL).attacks


def test_arrays_of_test_samples_do_the_same_as_a_fraction(wine: Path) -> None:
    prepared = prepare(Source(str(wine), **SMALL), test=0.3)
    by_name = mt.unlearn(wine, "label-free", test=0.3, **SMALL)
    by_hand = mt.unlearn(prepared.problem, "label-free", test=prepared.held_out)
    assert by_hand.row == by_name.row
    assert "held out" in repr(by_name.problem.understood)


# -- errors in words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--method", "label-fre"], "label-free"),
        (["--method", "alternating"], "for networks only"),
        (["--method", "ntk-scrubbing", "--set", "ridge=1"], "it has none"),
        (["--method", "ridge-labels", "--set", "rigde=1"], "ridge"),
        (["--method", "ridge-labels", "--set", "ridge"], "NAME=VALUE"),
        (["--method", "ridge-anchored", "--set", "ridge=-1"], "a positive number"),
        (["--test", "1.5"], "a fraction in (0, 1)"),
        (["--test", "0.0001"], "leaves some"),
    ],
)
def test_mistakes_end_in_words(words: list[str], told: str, wine: Path) -> None:
    done = invoke("unlearn", str(wine), "--n-features", "200", *words)
    assert done.exit_code == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_arguments_that_do_not_fit_are_refused() -> None:
    problem = overparameterised()
    with pytest.raises(BadInputError, match="two arrays beside a problem"):
        mt.unlearn(problem, test=0.2)
    with pytest.raises(BadInputError, match="test features"):
        mt.unlearn(problem, test=(np.ones((4, 3)), np.ones(4)))
    with pytest.raises(BadInputError, match="an UnlearningProblem"):
        mt.unlearn(np.eye(3))  # type: ignore[arg-type]
    with pytest.raises(BadInputError, match="settings beside a name"):
        mt.unlearn(problem, LabelFreeLabels(), ridge=1.0)


@pytest.mark.numeric
def test_a_start_that_was_drawn_is_kept() -> None:
    problem = overparameterised()
    start = np.random.default_rng(5).standard_normal(problem.n_features)
    found = mt.unlearn(replace(problem, w_init=start), "label-free")
    assert found.gap.verdict is Verdict.CERTIFIED
    assert np.linalg.norm(found.w_unlearned - mt.unlearn(problem, "label-free").w_unlearned) > 1


# -- several methods -----------------------------------------------------------------------------------------

SEVERAL = ("label-free", "random-labels", "ridge-labels")


def test_several_methods_are_compared_on_one_page(wine: Path, tmp_path: Path) -> None:
    page, written = tmp_path / "page.html", tmp_path / "result.json"
    words = ["--n-features", "1200", "--standardize", "--test", "0.3", "--forget", "rows:0-19"]
    named = [word for name in SEVERAL for word in ("--method", name)]
    several = invoke(
        "unlearn",
        str(wine),
        *words,
        *named,
        "--set",
        "ridge=1e-2",
        "--html",
        str(page),
        "--json",
        str(written),
    )
    assert several.exit_code == 1, several.output  # random labels and a ridge are refuted
    result = json.loads(written.read_text(encoding="utf-8"))
    check_result(result, "unlearn")
    assert [row["method"] for row in result["rows"]] == ["retraining", "none", *SEVERAL]
    assert list(result["reports"]) == list(SEVERAL)
    assert set(result["AUC above retraining"]) == set(SEVERAL)
    text = page.read_text(encoding="utf-8")
    for name in SEVERAL:
        assert f'<section id="{name}-' in text
        one = invoke(
            "unlearn",
            *(str(wine), *words, "--method", name, "--json", "-"),
            *(["--set", "ridge=1e-2"] if name == "ridge-labels" else []),
        )
        alone = json.loads(one.stdout)
        [mine] = [row for row in alone["rows"] if row["method"] == name]
        assert mine in result["rows"]
        assert alone["report"]["evidence"] == result["reports"][name]["evidence"]
    verdicts = {name: result["reports"][name]["verdict"] for name in SEVERAL}
    assert verdicts["random-labels"] == verdicts["ridge-labels"] == "REFUTED" != verdicts["label-free"]
    drawn = invoke("figure", str(written), "--out", str(tmp_path / "drawn"), "--format", "svg")
    assert drawn.exit_code == 0, drawn.output
    assert "ridge-labels" in (tmp_path / "drawn" / "result-accuracies.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--method", "label-free", "--method", "none", "-o", "w.npz"], "expected one --method"),
        (
            ["--method", "label-free", "--method", "none", "--set", "ridge=1"],
            "expected a setting of label-free",
        ),
        (["--method", "label-free", "--method", "nonne"], "expected an unlearning method"),
    ],
)
def test_mistakes_about_several_methods(words: list[str], told: str, wine: Path, tmp_path: Path) -> None:
    words = [str(tmp_path / word) if word == "w.npz" else word for word in words]
    answer = invoke("unlearn", str(wine), *words)
    assert answer.exit_code == 2
    assert told in answer.output


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("lr", r"learning_rate=… of the method, or recipe=Recipe\(learning_rate=…\)"),
        ("loss", r"try recipe=Recipe\(loss=…\)"),
        ("alpah", "try 'alpha'"),
    ],
)
def test_a_setting_of_the_network_s_own_training_names_its_place(name: str, hint: str) -> None:
    with pytest.raises(mt.MusoError, match=hint):
        made("scrub", {name: 0.1}, kind="network")


def test_a_method_named_twice_counts_once(wine: Path) -> None:
    twice = invoke(
        *("unlearn", str(wine), "--method", "none", "--method", "none", "--n-features", "600", "--json", "-"),
    )
    assert [row["method"] for row in json.loads(twice.stdout)["rows"]] == ["retraining", "none"]


@pytest.mark.numeric
def test_what_was_understood_comes_first_and_once(wine: Path) -> None:
    words = [str(wine), "--n-features", "400", "--standardize"]
    done = invoke("unlearn", *words, "--method", "label-free", "--method", "random-labels")
    checked = invoke("check", *words, "--claim", "exact-labels")
    assert (done.exit_code, checked.exit_code) == (1, 0)
    block, _, rest = done.stdout.partition("\n\n")
    # The very words of a check, those about w₀ too.
    assert checked.stdout.startswith(f"{block}\n\n")
    assert "  w₀ " in block
    assert "  target " not in rest
    assert "REFUTED  " in rest


@pytest.mark.parametrize("outputs", [1, 2, 3])
def test_labels_are_drawn_where_there_is_one_output(outputs: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y = rng.standard_normal((12, outputs))
    np.savez(
        tmp_path / "d.npz",
        features=rng.standard_normal((12, 20)),
        y=y[:, 0] if outputs == 1 else y,
        forget=[2, 7],
    )
    result = mt.unlearn(str(tmp_path / "d.npz"), "label-free")
    drawn = result.drawn_labels
    assert list(drawn) == (["targets", "label-free"] if outputs == 1 else [])
    assert ("labels" in result.to_dict()) is (outputs == 1)
    if drawn:
        assert drawn["targets"].tolist() == y[[2, 7], 0].tolist()
        assert drawn["label-free"].shape == (2,)
    told = dict(result.components)
    assert told["label modifier"] == "2 forget samples relabelled by label-free"


def test_a_float_above_what_is_proved_says_that_it_is_one() -> None:
    """Its own rounding is larger than the exact number: no refutation of the bound beside it."""
    rows = [{"method": "m", "gap": gap, "gap, bound": 2e-15} for gap in (3e-15, 1e-15)]
    [_, (key, cells)] = told_rows(rows)
    assert (key, cells) == ("gap", ["in floats 3e-15, proved ≤ 2.01e-15", "1e-15, proved ≤ 2.01e-15"])
