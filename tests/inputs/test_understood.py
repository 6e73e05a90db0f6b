"""What was understood is told first, everywhere, with the option that says it; Python and the command line agree."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes, load_wine
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import muso_theory as mt
from muso_theory.inputs import Source, prepare
from muso_theory.options import Features, _Tasks
from muso_theory.pages import report_page
from verification.commands import muso


@cache
def diabetes() -> pd.DataFrame:
    return load_diabetes(as_frame=True).frame


def rows(problem: mt.UnlearningProblem) -> dict[str, Any]:
    return {row.word: row for row in problem.understood}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "wine.csv"
    load_wine(as_frame=True).frame.iloc[::4].to_csv(path, index=False)
    return path


SMALL: dict[str, Any] = {"n_features": 60}
QUICK = ("--n-features", 60, "--claim", "exact-labels", "--arithmetic", "float64")


def test_everything_is_told_in_the_terminal_on_the_page_in_the_notebook_and_in_json(table: Path) -> None:
    answer = muso("check", table, *QUICK)
    words = (
        "data",
        "target",
        "task",
        "features",
        "dropped",
        "forget",
        "scale",
        "map",
        "map fitted on",
        "outputs",
        "w₀",
    )
    lines = answer.out.splitlines()[1:]
    assert [w for w in words if any(line.startswith(f"  {w}  ") for line in lines[:16])] == list(words)
    report = json.loads(muso("check", table, *QUICK, "--json", "-").out)
    told = report["input"]["understood"]
    assert [row["word"] for row in told] == list(words)
    assert {row["how"] for row in told} == {"given", "inferred", "default"}
    made = prepare(Source(str(table), n_features=60))
    checked = made.describe(mt.check(made.problem, ["exact-labels"], "float64"))
    for page in (report_page(checked), checked._repr_html_()):
        assert page.index("column target, by its name") < page.index("exact-labels")
        assert page.index("zero, assumed") < page.index("exact-labels")


def test_every_option_that_is_named_exists_and_changes_how_it_was_decided(table: Path) -> None:
    path = str(table)
    plain = rows(prepare(Source(path, n_features=60)).problem)
    said = {
        "target": Source(path, target="alcohol", n_features=60),
        "task": Source(path, task="regression", n_features=60),
        "features": Source(path, columns=("alcohol", "hue"), n_features=60),
        "dropped": Source(path, drop=("hue",), n_features=60),
        "data": Source(path, encoding="ascii", n_features=60),
        "forget": Source(path, forget="class:1", n_features=60),
        "map": Source(path, features="laplacian", n_features=60, bandwidth="1.5", seed=1),
        "map fitted on": Source(path, fit_map="all", n_features=60),
        "w₀": Source(path, w_init="zero", n_features=60),
    }
    help_text = muso("check", "--help").out
    for word, source in said.items():
        found = rows(prepare(source).problem)[word]
        assert all(option in help_text for option in plain[word].option.split(", "))
        assert found.how == "given", word
        assert found != plain[word], word
    assert all(plain[word].how != "given" for word in said)


def test_words_of_options_are_those_of_the_code() -> None:
    assert set(_Tasks) == {"regression", "classification"}
    for name in Features:
        size = {} if name == "identity" else {"n_features": 2}
        assert prepare(Source("digits", classes="3,7", features=name, **size)).problem.n_samples == 362


@pytest.mark.parametrize(
    ("options", "choices"),
    [
        ({}, {}),
        ({"forget": "class:2", "drop": ("hue",)}, {"forget": "class:2", "drop": ["hue"]}),
        ({"task": "regression", "fit_map": "all"}, {"task": "regression", "fit_map": "all"}),
        (
            {"target": "alcohol", "w_init": "normal", "seed": 3},
            {"target": "alcohol", "w_init": "normal", "seed": 3},
        ),
    ],
)
def test_a_frame_and_a_file_make_the_same_problem(
    table: Path, options: dict[str, Any], choices: dict[str, Any]
) -> None:
    by_file = prepare(Source(str(table), **options)).problem
    by_frame = mt.from_frame(pd.read_csv(table), **choices)
    assert by_file.sha256 == by_frame.sha256
    assert {"target", "task", "forget", "map", "map fitted on", "w₀"} <= rows(by_frame).keys()
    for word in rows(by_frame):
        assert rows(by_file)[word].value == rows(by_frame)[word].value, word


def test_a_frame_and_its_forget_set() -> None:
    frame = diabetes().assign(gone=np.arange(442) < 30)
    problem = mt.from_frame(frame, forget="gone", feature_map=None)
    assert problem.forget.tolist() == list(range(30))
    assert problem.n_features == 10
    assert mt.from_frame(diabetes(), forget=[5, 3], feature_map=None).forget.tolist() == [3, 5]
    assert mt.from_frame(diabetes(), forget=np.arange(442) == 7, feature_map=None).forget.tolist() == [7]
    numbered = pd.DataFrame(diabetes().to_numpy())
    assert (
        mt.from_frame(numbered, target=10, feature_map=None).sha256
        == mt.from_frame(  # type: ignore[arg-type]
            diabetes(), feature_map=None
        ).sha256
    )
    with pytest.raises(mt.BadInputError, match=r"a pandas data frame.*from_data"):
        mt.from_frame(diabetes().to_numpy())
    spread = diabetes().astype({"age": pd.SparseDtype(float)})
    with pytest.raises(mt.BadInputError, match=r"'age'|column=age.*--dense"):
        mt.from_frame(spread, feature_map=None)
    assert (
        mt.from_frame(spread, feature_map=None, dense=True).sha256
        == mt.from_frame(diabetes(), feature_map=None).sha256
    )


# Preprocessing


def test_maps_scalers_and_bandwidths_know_nothing_of_what_is_forgotten() -> None:
    rng = np.random.default_rng(0)
    X, y, forget = rng.standard_normal((40, 3)), rng.standard_normal(40), [4, 9]
    other = X.copy()
    other[forget] *= 50.0
    keep = np.setdiff1d(np.arange(40), forget)

    def features(X: Any, **options: Any) -> Any:
        fm = make_pipeline(StandardScaler(), mt.GaussianFeatures(n_features=20, seed=0))
        return mt.UnlearningProblem.from_data(X, y, forget=forget, feature_map=fm, **options)

    assert features(X).map_fitted_on == "retain"
    np.testing.assert_array_equal(features(X).features[keep], features(other).features[keep])
    # The negative control: fitted on all samples, the retained features change with what is forgotten.
    assert features(X, fit_map="all").map_fitted_on == "all"
    assert not np.array_equal(
        features(X, fit_map="all").features[keep], features(other, fit_map="all").features[keep]
    )
    public = rng.standard_normal((15, 3))
    assert features(X, fit_map=public).map_fitted_on == "public"
    np.testing.assert_array_equal(
        features(X, fit_map=public).features[keep], features(other, fit_map=public).features[keep]
    )
    assert mt.UnlearningProblem.from_data(X, y, forget=forget).map_fitted_on == "nothing"
    fitted = StandardScaler().fit(X)
    assert mt.UnlearningProblem.from_data(X, y, forget=forget, feature_map=fitted).map_fitted_on == "unknown"
    with pytest.raises(mt.BadInputError, match=r"fit_map=some.*fit_map='retain'"):
        features(X, fit_map="some")


def test_public_samples_come_from_a_file(table: Path, tmp_path: Path) -> None:
    public = load_wine(as_frame=True).frame.iloc[1::9].drop(columns="target")
    public.to_csv(tmp_path / "public.csv", sep=";", index=False)
    by_file = prepare(
        Source(str(table), n_features=60, fit_map=f"public:{tmp_path / 'public.csv'}", standardize=True)
    )
    assert by_file.problem.map_fitted_on == "public"
    assert rows(by_file.problem)["map fitted on"].value.startswith("20 samples of public.csv, sha256 ")
    scaler = StandardScaler().fit(public.to_numpy())
    X = scaler.transform(pd.read_csv(table).drop(columns="target").to_numpy())
    fm = mt.GaussianFeatures(n_features=60, seed=0).fit(scaler.transform(public.to_numpy()))
    # Cosines of angles that other strides of X may round otherwise; those of another fit differ in the first digit.
    np.testing.assert_allclose(by_file.problem.features, fm.transform(X), rtol=0, atol=1e-12)
    np.save(tmp_path / "public.npy", public.to_numpy())
    np.savez(tmp_path / "public.npz", X=public.to_numpy())
    for name in ("public.npz", "public.npy"):
        again = prepare(
            Source(str(table), n_features=60, fit_map=f"public:{tmp_path / name}", standardize=True)
        )
        assert rows(again.problem)["map fitted on"].value.startswith(f"20 samples of {name}, sha256 ")
    assert again.problem.sha256 == by_file.problem.sha256
    public.drop(columns="hue").to_csv(tmp_path / "public.csv", index=False)
    with pytest.raises(mt.BadInputError, match=r"columns=hue"):
        prepare(Source(str(table), n_features=60, fit_map=f"public:{tmp_path / 'public.csv'}"))
    with pytest.raises(mt.BadInputError, match=r"retain, all or public:FILE.*fit-map=some"):
        prepare(Source(str(table), fit_map="some"))


def test_the_scaler_alone_is_fitted_on_the_retained_samples(table: Path) -> None:
    made = prepare(Source(str(table), features="identity", standardize=True)).problem
    np.testing.assert_allclose(made.features[made.retain].mean(axis=0), 0, atol=1e-12)
    assert made.map_fitted_on == "retain"
    assert prepare(Source(str(table), features="identity")).problem.map_fitted_on == "nothing"


# The start


def test_zero_is_assumed_unless_it_is_said(table: Path) -> None:
    assumed, said = (prepare(Source(str(table), n_features=60, w_init=w)).problem for w in (None, "zero"))
    assert (assumed.w_init, rows(assumed)["w₀"].value) == (None, "zero, assumed")
    assert not said.w_init.any()  # type: ignore[union-attr]
    assert (rows(said)["w₀"].value, rows(said)["w₀"].how) == ("zero", "given")


# Tasks


def test_a_regression_is_never_turned_into_odd_against_even(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((24, 3)), np.arange(24) % 6
    np.savez(tmp_path / "a.npz", X=X, y=y)
    source = Source(str(tmp_path / "a.npz"), network="mlp:3-40-1:erf")
    classes = prepare(source)
    assert set(classes.dataset.y) == {-1.0, 1.0}
    assert rows(classes.problem)["task"].value == "odd against even classes, as the network has one output"
    numbers = prepare(Source(**{**source.__dict__, "task": "regression"}))
    assert numbers.dataset.y.tolist() == y.tolist()


def test_diabetes_is_decided_by_default(tmp_path: Path) -> None:
    diabetes().to_csv(tmp_path / "diabetes.csv", index=False)
    answer = muso("check", tmp_path / "diabetes.csv", "--json", "-")
    assert answer.status == 0
    assert set(answer.verdicts.values()) == {"PROVED", "CERTIFIED"}
    told = {row["word"]: row["value"] for row in answer.report["input"]["understood"]}
    assert told["task"] == "regression: 214 distinct numbers from 25 to 346"
    assert told["map fitted on"] == "the 398 retained samples"


# Jacobians of several outputs


def test_rows_of_a_sample_are_forgotten_together(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    J, y = rng.standard_normal((7, 3, 40)), rng.standard_normal((7, 3))
    flat = mt.UnlearningProblem(J.reshape(21, 40), y.ravel(), [3, 4, 5, 15, 16, 17])
    for problem in (mt.UnlearningProblem(J, y, [1, 5]), mt.UnlearningProblem.from_data(J, y, forget=[1, 5])):
        assert problem.sha256 == flat.sha256
    labels = mt.optimal_labels(flat).reshape(2, 3)
    np.savez(tmp_path / "with.npz", features=J, y=y, forget=[1, 5], labels=labels)
    for spec in ("random:0.2", "rows:1,4", "rows:1"):  # labels are of the samples that the file names
        with pytest.raises(mt.BadInputError, match="the source's own forget set with its labels"):
            prepare(Source(str(tmp_path / "with.npz"), forget=spec))
    assert prepare(Source(str(tmp_path / "with.npz"), forget="column")).problem.sha256 == flat.sha256
    np.savez(tmp_path / "j.npz", features=J, y=y, forget=[1, 5], labels=labels)
    made = prepare(Source(str(tmp_path / "j.npz")))
    assert made.problem.sha256 == flat.sha256
    audit = mt.check(made.problem, ["exact-labels"], **made.audited)
    assert audit.evidence["exact-labels[labels]"].verdict is mt.Verdict.CERTIFIED
    wrong = {**made.audited, "labels": made.audited["labels"] + 1.0}
    bad = mt.check(made.problem, ["exact-labels"], **wrong)
    assert bad.evidence["exact-labels[labels]"].verdict is mt.Verdict.REFUTED
    with pytest.raises(mt.BadInputError, match=r"a target for each sample and output"):
        mt.UnlearningProblem(J, y[:, 0], [1])
    written = tmp_path / "labels.npz"
    assert muso("labels", tmp_path / "j.npz", "-o", written).status == 0
    with np.load(written) as found:
        assert found["forget"].tolist() == [1, 5]
        np.testing.assert_allclose(found["labels"], labels, atol=1e-9)
    np.savez(tmp_path / "one.npz", features=J, y=np.arange(7) % 3, forget=[1])
    assert prepare(Source(str(tmp_path / "one.npz"), task="classification")).problem.n_samples == 21


# Reports are repeated with all of it


def test_recheck_repeats_every_option(table: Path, tmp_path: Path) -> None:
    public = tmp_path / "public.csv"
    load_wine(as_frame=True).frame.iloc[1::9].to_csv(public, index=False)
    options = ("--target", "Alcohol", "--task", "regression", "--drop", "hue", "--drop", "ash", "--w-init", "zero",
               "--fit-map", f"public:{public}", "--forget", "rows:1,4", "--standardize")  # fmt: skip
    stored = tmp_path / "report.json"
    assert muso("check", table, *options, *QUICK, "--json", stored).status in (0, 3)
    assert muso("recheck", stored, table).status == 0
    source = json.loads(stored.read_text())["settings"]["source"]
    assert source["drop"] == ["hue", "ash"]
    public.write_text(public.read_text() + "\n".join(public.read_text().splitlines()[1:2]) + "\n")
    changed = muso("recheck", stored, table)
    assert changed.status == 1
    assert "input.understood" in changed.out
    document = json.loads(stored.read_text())
    document["settings"]["source"]["drop"] = [3]
    stored.write_text(json.dumps(document))
    assert "writing the report anew" in muso("recheck", stored, table).err


def test_a_default_is_never_called_given(table: Path) -> None:
    frame = pd.read_csv(table)
    made = rows(mt.from_frame(frame))
    assert [made[word].how for word in ("map", "map fitted on", "forget", "w₀")] == ["default"] * 4
    own = rows(mt.from_frame(frame, feature_map=mt.GaussianFeatures(n_features=20)))
    assert (own["map"].how, own["map fitted on"].how) == ("given", "default")
    partly = rows(prepare(Source(str(table), n_features=60)).problem)["map"]
    assert (partly.how, partly.option) == ("default", "--features, --bandwidth, --seed")
    wholly = Source(str(table), features="gaussian", n_features=60, bandwidth="2", seed=1)
    with_default = replace(wholly, features="laplacian")
    assert rows(prepare(with_default).problem)["map"].how == "given"


def test_a_column_that_rules_the_kernel_is_told(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.standard_normal((30, 4)), columns=["a", "b", "c", "y"])
    frame.assign(b=1e4 * frame["b"]).to_csv(tmp_path / "wide.csv", index=False)
    frame.to_csv(tmp_path / "even.csv", index=False)
    wide = rows(prepare(Source(str(tmp_path / "wide.csv"), n_features=40)).problem)["scale"]
    assert wide.value.startswith("b spreads ")
    assert wide.option == "--standardize"
    assert "scale" not in rows(prepare(Source(str(tmp_path / "even.csv"), n_features=40)).problem)
    cured = Source(str(tmp_path / "wide.csv"), n_features=40, standardize=True)
    assert "scale" not in rows(prepare(cured).problem)
    # The same in Python, whatever brings the samples, and in what is written of them.
    kernel = mt.GaussianFeatures(n_features=40)
    for made, even in (
        (mt.from_frame(frame.assign(b=1e4 * frame["b"])), mt.from_frame(frame)),
        (
            mt.from_frame(frame.assign(b=1e4 * frame["b"]), feature_map=kernel),
            mt.from_frame(frame, feature_map=kernel),
        ),
        tuple(
            mt.UnlearningProblem.from_data(
                frame[["a", "b", "c"]] * [1, factor, 1], frame["y"], forget=[0], feature_map=kernel
            )
            for factor in (1e4, 1)
        ),
    ):
        assert rows(made)["scale"].value == wide.value
        assert "StandardScaler" in rows(made)["scale"].option
        assert "scale" not in rows(even)
    written = mt.check(made, "exact-labels").to_json()
    assert wide.value in written
    by_number = mt.UnlearningProblem.from_data(
        frame[["a", "b", "c"]].to_numpy() * [1, 1e4, 1], frame["y"], forget=[0], feature_map=kernel
    )
    assert rows(by_number)["scale"].value.startswith("column 1, counted from 0, spreads ")
    # No kernel, no distances to rule.
    assert "scale" not in rows(mt.from_frame(frame.assign(b=1e4 * frame["b"]), feature_map=None))


def test_features_that_were_handed_in_say_that_their_map_is_unknown(tmp_path: Path) -> None:
    phi = np.random.default_rng(0).standard_normal((6, 9))
    np.savez(tmp_path / "d.npz", features=phi, y=phi[:, 0])
    told = rows(prepare(Source(str(tmp_path / "d.npz"))).problem)["map"]
    assert told.value.endswith("what they were fitted on is unknown")


def test_rows_of_a_frame_are_meant_by_their_labels() -> None:
    frame = diabetes().sample(frac=1, random_state=0)
    wanted = sorted(int(i) for i in frame.index.get_indexer([7, 8]))
    mask = pd.Series(np.isin(np.arange(442), [7, 8]))
    for forget in (mask, pd.Index([7, 8]), mask.loc[frame.index]):
        made = mt.from_frame(frame, forget=forget, feature_map=None)
        assert made.forget.tolist() == wanted
        assert rows(made)["forget"].value.startswith(
            f"rows {wanted[0]}, {wanted[1]}, counted from 0: 2 of 442"
        )
    assert mt.from_frame(frame, forget=[7, 8], feature_map=None).forget.tolist() == [7, 8]
    for forget, why in (
        (pd.Index([7, 999]), "absent"),
        (mask.iloc[:100], "a mask with another index"),
        (pd.Series([7, 8]), "labels or positions"),
    ):
        with pytest.raises(mt.BadInputError, match=why):
            mt.from_frame(frame, forget=forget, feature_map=None)
    # Labels that count from elsewhere are no positions either.
    with pytest.raises(mt.BadInputError, match="labels or positions"):
        mt.from_frame(diabetes().iloc[5:], forget=pd.Series([7, 8]), feature_map=None)
    X, y = frame.drop(columns="target").to_numpy(), frame["target"].to_numpy()
    for forget, why in (
        (mask.loc[frame.index], "labels of its own"),
        (pd.Index([7, 8]), "labels or positions"),
        ({3}, "set"),
        ("rows:3", "str"),
        (3, "int"),
    ):
        with pytest.raises(mt.BadInputError, match=why):
            mt.UnlearningProblem(X, y, forget)


def test_a_dropped_target_is_not_replaced(table: Path) -> None:
    frame = pd.read_csv(table)
    with pytest.raises(mt.BadInputError, match="the column that is named like the target"):
        mt.from_frame(frame, drop=["target"])
    kept = mt.from_frame(frame, drop=["target"], target="hue", feature_map=None)
    assert rows(kept)["target"].value == "column hue"
