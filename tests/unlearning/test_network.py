"""A network trained on one's own data, unlearned, and held against the retrained network, which is the null."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_wine
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

import muso_theory as mt
from muso_theory.commands.cli import app
from muso_theory.errors import BadInputError
from muso_theory.evidence import Verdict
from muso_theory.files.results import check_result
from muso_theory.methods import GradientAscent, serving
from muso_theory.networks import NetworkProblem, Recipe, load, mlp
from muso_theory.networks.training import DivergedError
from muso_theory.unlearning.network import REORDERED, UnlearnedNetwork
from muso_theory.unlearning.unlearned import RETRAINED, UNTOUCHED

METHODS = serving("network")
CANCER = ("unlearn", "breast_cancer", "--network", "mlp:30-12-2:erf", "--standardize", "--test", "0.2")
FAST = ("--lr", "0.05", "--epochs", "10")


def invoke(*words: object) -> Any:
    return CliRunner().invoke(app, list(map(str, words)))


def memorised(seed: int = 0) -> NetworkProblem:
    """A network that knows random classes by heart."""
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((60, 6)), rng.integers(3, size=60)
    recipe = Recipe(learning_rate=0.05, epochs=150, batch_size=20)
    net = mlp([6, 40, 3], activation="erf", parameterization="ntk")
    return NetworkProblem.pretrain(net, X, y, forget=np.arange(20), recipe=recipe)


def unseen(problem: NetworkProblem) -> tuple[Any, Any]:
    rng = np.random.default_rng(99)
    return rng.standard_normal((40, 6)), rng.integers(3, size=40)


# -- the numbers ---------------------------------------------------------------------------------------------


@pytest.mark.numeric
def test_numbers_are_those_of_a_twin_that_shares_no_scoring_code() -> None:
    problem = memorised()
    X, y = unseen(problem)
    found = mt.unlearn(problem, "random-labels", test=(X, y))
    retrained = problem.recipe.fit(
        problem.net, problem.start, problem.X[problem.retain], problem.targets[problem.retain]
    )
    rows = {row["method"]: row for row in found.rows}
    models = {UNTOUCHED: list(problem.pretrained), RETRAINED: retrained, "random-labels": found.params}
    flat = {name: np.concatenate([a.ravel() for a in params]) for name, params in models.items()}  # type: ignore[union-attr]
    for name, params in models.items():
        row = rows[name]
        assert params is not None
        if name != RETRAINED:
            assert row["gap"] == pytest.approx(float(np.linalg.norm(flat[name] - flat[RETRAINED])))
            nothing = float(np.linalg.norm(flat[UNTOUCHED] - flat[RETRAINED]))
            assert row["gap share"] == pytest.approx(row["gap"] / nothing)
        losses = []
        for inputs, classes in ((problem.X[:20], problem.targets[:20].argmax(axis=1)), (X, y)):
            z = problem.net(params, inputs)
            losses.append(np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), classes])
        z = problem.net(params, X)
        assert row["test accuracy"] == pytest.approx(float((z.argmax(axis=1) == y).mean()))
        members = np.repeat([1, 0], [20, 40])
        assert row["AUC"] == pytest.approx(roc_auc_score(members, -np.concatenate(losses)))
    assert "gap" not in rows[RETRAINED]
    assert found.verdict is Verdict.MEASURED
    assert len(repr(found).splitlines()) <= 12


@pytest.mark.numeric
def test_the_attack_sees_what_was_not_unlearned_and_not_the_null() -> None:
    problem = memorised()
    left = mt.unlearn(problem, "none", test=unseen(problem))
    rows = {row["method"]: row for row in left.rows}
    assert left.difference is not None
    assert left.difference.interval[0] > 0.2
    low, high = rows[RETRAINED]["AUC interval"]
    assert low < 0.5 < high
    # Retraining itself, and in another order, are not told apart from it: the controls of the control.
    again = mt.unlearn(problem, "retraining", test=unseen(problem))
    assert again.difference is not None
    assert again.difference.value == 0
    assert rows[REORDERED]["gap"] > 0
    assert abs(rows[REORDERED]["AUC"] - rows[RETRAINED]["AUC"]) < rows["none"]["AUC"] - rows[RETRAINED]["AUC"]
    assert not mt.unlearn(problem, "none").attacks  # without test samples there is none, and it is said
    assert mt.unlearn(problem, "none").missing.startswith("no samples were held out")


@pytest.mark.numeric
@pytest.mark.parametrize("name", METHODS)
def test_every_method_that_serves_networks_runs_on_data(name: str) -> None:
    recipe = Recipe(epochs=3, learning_rate=0.02)
    known = METHODS[name].settings("network")
    settings = {"iterations": 10} if "iterations" in known else {}
    words: dict[str, Any] = {"network": "mlp:30-6-2:erf", "standardize": True, "recipe": recipe}
    found = mt.unlearn("breast_cancer", name, forget="rows:0-19", test=0.2, **words, **settings)
    assert isinstance(found, UnlearnedNetwork)
    numbers = [v for row in found.rows for v in row.values() if isinstance(v, float)]
    assert np.isfinite(numbers).all()
    assert {"retain accuracy", "forget accuracy", "test accuracy", "AUC"} <= found.row.keys()
    assert found.method.name == name
    assert all(words for _, words in found.components)


def test_full_batches_have_one_order_and_no_row_for_another() -> None:
    found = mt.unlearn(replace(memorised(), recipe=Recipe(batch_size=None, epochs=2)), "none")
    assert [row["method"] for row in found.rows] == [RETRAINED, UNTOUCHED]


# -- by command ----------------------------------------------------------------------------------------------


@pytest.mark.numeric
def test_one_page_a_network_file_and_a_result_that_figures_are_drawn_from(tmp_path: Path) -> None:
    files = {"--json": tmp_path / "u.json", "-o": tmp_path / "net.npz", "--html": tmp_path / "u.html"}
    done = invoke(*CANCER, *FAST, "--method", "random-labels", *(w for pair in files.items() for w in pair))
    assert done.exit_code == 0, done.output
    for told in ("mlp:30-12-2:erf", "cross-entropy by adam, learning rate 0.05, 10 epochs", "MEASURED"):
        assert told in " ".join(done.output.split())
    result = json.loads(files["--json"].read_text())
    check_result(result, files["--json"])
    assert [row["method"] for row in result["rows"]] == [RETRAINED, REORDERED, UNTOUCHED, "random-labels"]
    assert "report" not in result
    assert result["AUC above retraining"]["interval"]
    net, params = load(files["-o"])
    assert (net.n_out, len(params)) == (2, 4)
    page = files["--html"].read_text()
    assert "<svg" in page
    assert "no theorem speaks of trained networks" in page
    # The command that the page tells gives the same numbers.
    again = unescape(page[page.index("muso unlearn") :].split("<")[0])
    rerun = invoke(*shlex.split(again)[1:], "--json", tmp_path / "again.json")
    assert rerun.exit_code == 0, rerun.output
    assert json.loads((tmp_path / "again.json").read_text())["rows"] == result["rows"]
    drawn = invoke("figure", files["--json"], "--style", "neurips", "--out", tmp_path / "paper")
    assert drawn.exit_code == 0, drawn.output
    assert {"u-accuracies.pdf", "u-trade_off.pdf"} <= {path.name for path in (tmp_path / "paper").iterdir()}
    assert "mlp:30-12-2:erf" in (tmp_path / "paper" / "u-accuracies.txt").read_text()


@pytest.mark.numeric
def test_tables_of_classes_and_of_numbers(tmp_path: Path) -> None:
    load_wine(as_frame=True).frame.to_csv(tmp_path / "wine.csv", index=False)
    load_diabetes(as_frame=True).frame.to_csv(tmp_path / "diabetes.csv", index=False)
    for data, network, measure in (
        ("wine.csv", "mlp:13-8-3:erf", "accuracy"),
        ("diabetes.csv", "mlp:10-8-1:erf", "error"),
    ):
        words = ("unlearn", tmp_path / data, "--network", network, "--standardize", "--epochs", 3)
        done = invoke(*words, "--method", "fine-tuning", "--json", "-")
        assert done.exit_code == 0, done.output
        row = json.loads(done.stdout)["rows"][-1]
        assert {f"retain {measure}", f"forget {measure}", "gap"} <= row.keys()
    one = invoke(*(w if w != "mlp:30-12-2:erf" else "mlp:30-8-1:erf" for w in CANCER), "--epochs", 2)
    assert "squared by adam" in " ".join(one.output.split())


def test_a_scaler_that_knows_the_forgotten_is_no_forgetting() -> None:
    plain = invoke(*CANCER, "--epochs", 1, "--method", "none")
    told = invoke(*CANCER, "--epochs", 1, "--method", "none", "--fit-map", "all")
    assert (plain.exit_code, told.exit_code) == (0, 3)
    assert "fitted on samples to forget" not in plain.output
    assert "fitted on samples to forget" in " ".join(told.output.split())


def test_what_an_attack_misses_and_what_trains_nothing_end_in_words_of_the_command() -> None:
    """They spoke of scores and of functions and attributes of Python, which no option has."""
    once = (*CANCER, "--epochs", 1, "--method", "none", "--forget")
    few = invoke(*once, "rows:0-3").stdout
    assert "4 samples are to be forgotten, and an attack needs 5: more of them by --forget" in few
    assert "and an attack needs" not in invoke(*once, "rows:0-4").stdout
    none = invoke(*CANCER, "--epochs", 0)
    assert (none.exit_code, "problem.distance" in none.stderr) == (2, False)
    assert "--epochs 1" in none.stderr


def test_a_method_that_diverges_is_told_beside_others_and_refused_alone(monkeypatch: Any) -> None:
    def diverge(self: GradientAscent, problem: NetworkProblem) -> list[Any]:
        raise DivergedError("expected a learning rate at which training converges but got η")

    monkeypatch.setattr(GradientAscent, "on_network", diverge)
    both = invoke(*CANCER, "--epochs", 1, "--method", "none", "--method", "gradient-ascent", "--json", "-")
    assert both.exit_code == 3
    failed = [row for row in json.loads(both.stdout)["rows"] if "failed" in row]
    assert [row["method"] for row in failed] == ["gradient-ascent"]
    shown = invoke(*CANCER, "--epochs", 1, "--method", "none", "--method", "gradient-ascent")
    assert "converges" in shown.output
    alone = invoke(*CANCER, "--epochs", 1, "--method", "gradient-ascent")
    assert alone.exit_code == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--network", "mlp:29-8-2"), "try mlp:30-8-2"),
        (("--network", "mlp:30-8-3"), "try mlp:30-8-1"),
        (("--network", "mlp:30-8-2", "--method", "label-free"), "for linear models only"),
        (("--network", "mlp:30-8-2", "--method", "fine-tunning"), "try 'fine-tuning'"),
        (("--network", "mlp:30-8-2", "--method", "fine-tuning", "--set", "epoch=3"), "try 'epochs'"),
        (("--network", "mlp:30-8-2", "--tolerance", "0.1"), "leaving --tolerance out"),
        (("--network", "mlp:30-8-2", "--n-features", "100"), "leaving --n-features out"),
        (("--network", "mlp:30-8-2", "--batch-size", "few"), "--batch-size 64"),
        (("--network", "mlp:30-8-2", "--optimizer", "adma"), "try 'adam'"),
        (("--network", "mlp:30-8-2", "--lr", "1e9", "--optimizer", "gd"), "converges"),
        (("--epochs", "4"), "leaving --epochs out, or --network"),
        (("--method", "alternating"), "--network SPEC"),
    ],
)
def test_refusals_name_the_cure(words: tuple[str, ...], told: str) -> None:
    done = invoke("unlearn", "breast_cancer", *words)
    assert done.exit_code == 2
    assert told in done.output


def test_recipes_and_audits_are_not_mixed_in_python_either() -> None:
    with pytest.raises(BadInputError, match="no recipe here"):
        mt.unlearn("breast_cancer", recipe=Recipe())
    with pytest.raises(BadInputError, match="no tolerance here"):
        mt.unlearn(memorised(), "none", tolerance=0.1)
    with pytest.raises(BadInputError, match="two arrays beside a problem"):
        mt.unlearn(memorised(), "none", test=0.2)
