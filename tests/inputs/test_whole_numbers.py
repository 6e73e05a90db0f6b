"""Whole numbers stay whole, whichever door they come in by: what is exact is proved, and equality is asked of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import muso_theory as mt
from muso_theory.evidence import Verdict
from muso_theory.inputs import Source, prepare
from muso_theory.targets import decide_targets
from tests.running import write
from verification.commands import muso

RNG = np.random.default_rng(2)
X, Y = RNG.integers(-3, 4, (8, 12)), RNG.integers(-9, 10, 8)
CLAIMS = ("exact-labels", "label-free", "full-rank")
FORGET = [0, 5]


def frame(X: np.ndarray, y: Any) -> pd.DataFrame:
    return pd.DataFrame(X, columns=[f"c{i}" for i in range(X.shape[1])]).assign(y=y)


def by_file(path: Path, **options: Any) -> mt.UnlearningProblem:
    source = Source(str(path), features="identity", forget="rows:0,5", task="regression")
    return prepare(replace(source, **options)).problem


def csv(X: np.ndarray, y: np.ndarray, folder: Path) -> mt.UnlearningProblem:
    frame(X, y).to_csv(folder / "a.csv", index=False)
    return by_file(folder / "a.csv")


def parquet(X: np.ndarray, y: np.ndarray, folder: Path) -> mt.UnlearningProblem:
    data = frame(X, y)
    data.astype({name: "Int64" for name in data if data[name].dtype.kind == "i"}).to_parquet(
        folder / "a.parquet"
    )
    return by_file(folder / "a.parquet")


def excel(X: np.ndarray, y: np.ndarray, folder: Path) -> mt.UnlearningProblem:
    frame(X, y).to_excel(folder / "a.xlsx", index=False)
    return by_file(folder / "a.xlsx")


def npz(X: np.ndarray, y: np.ndarray, folder: Path) -> mt.UnlearningProblem:
    return by_file(write(folder / "a.npz", {"X": X, "y": y}))


def features(X: np.ndarray, y: np.ndarray, folder: Path) -> mt.UnlearningProblem:
    return by_file(write(folder / "b.npz", {"features": X, "y": y}), features=None)


def npy(X: np.ndarray, y: np.ndarray, folder: Path) -> mt.UnlearningProblem:
    np.save(folder / "a.npy", np.column_stack([X, y]))
    return by_file(folder / "a.npy", target=str(X.shape[1]))


def a_frame(X: np.ndarray, y: np.ndarray, folder: Path) -> mt.UnlearningProblem:
    return mt.from_frame(frame(X, y), forget=FORGET, feature_map=None, task="regression")


def arrays(X: np.ndarray, y: np.ndarray, folder: Path) -> mt.UnlearningProblem:
    return mt.UnlearningProblem.from_data(X, y, forget=FORGET, feature_map=None, task="regression")


DOORS = (csv, parquet, excel, npz, features, npy, a_frame, arrays)


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_whole_numbers_are_proved_about(door: Callable[..., mt.UnlearningProblem], tmp_path: Path) -> None:
    problem = door(X, Y, tmp_path)
    assert problem.is_exact
    assert problem.features.tolist() == X.tolist()
    assert problem.targets.tolist() == Y.tolist()
    report = mt.check(problem, CLAIMS)
    assert {report.theorem(claim).verdict for claim in CLAIMS} == {Verdict.PROVED}
    # The twin: one number that is not whole, among the features or among the targets.
    for half in (0, 1):
        data = [X.astype(float), Y.astype(float)]
        data[half].flat[0] += 0.5
        other = door(*data, tmp_path)
        assert not other.is_exact
        assert mt.check(other, "exact-labels").theorem("exact-labels").verdict is Verdict.CERTIFIED


def test_numbers_that_are_written_as_floats_are_floats(tmp_path: Path) -> None:
    for data in (frame(X.astype(float), Y), frame(X, Y.astype(float))):
        data.to_csv(tmp_path / "a.csv", index=False)
        assert not by_file(tmp_path / "a.csv").is_exact


@pytest.mark.parametrize("target", [["a", "b"] * 4, [3, 7] * 4, ["x", "y", "z", "z"] * 2, [True, False] * 4])
def test_classes_are_whole_as_in_python(target: list[Any], tmp_path: Path) -> None:
    frame(X, target).to_csv(tmp_path / "a.csv", index=False)
    problem = by_file(tmp_path / "a.csv", task=None)
    named = [str(cell) for cell in target] if isinstance(target[0], bool) else target
    alike = mt.UnlearningProblem.from_data(X, np.array(named), forget=FORGET, feature_map=None)
    assert problem.targets.tolist() == alike.targets.tolist()
    assert problem.is_exact
    assert alike.is_exact
    chosen = by_file(tmp_path / "a.csv", task=None, classes="all")
    assert chosen.targets.tolist() == alike.targets.tolist()
    assert chosen.is_exact
    # With a feature that is not, they are floats like it.
    frame(X, target).assign(c0=X[:, 0] + 0.5).to_csv(tmp_path / "a.csv", index=False)
    assert by_file(tmp_path / "a.csv", task=None).targets.dtype == np.float64


def test_the_command_and_python_say_the_same(tmp_path: Path) -> None:
    """All claims, the two that are read off floats among them: none is less certain for having been asked exactly."""
    path = tmp_path / "a.csv"
    frame(X, Y).to_csv(path, index=False)
    words = ("--features", "identity", "--task", "regression", "--forget", "rows:0,5", "--json", "-")
    answer = muso("check", path, *words)
    report = mt.check(arrays(X, Y, tmp_path))
    assert answer.verdicts == {row.name: row.verdict.name for row in report.rows}
    assert Verdict.MEASURED not in {row.verdict for row in report.rows}
    assert report["conditioning"].verdict is Verdict.CERTIFIED
    assert report["conditioning"].arithmetic != "rational"
    # Asked for by name, exact arithmetic reads it off floats, and says so.
    assert (
        mt.check(arrays(X, Y, tmp_path), "conditioning", "rational")["conditioning"].verdict
        is Verdict.MEASURED
    )


def test_integers_that_are_audited_are_held_to_equality(tmp_path: Path) -> None:
    """The retained rows make every feature known, so that the right label is a whole number."""
    rows, targets = np.vstack([np.eye(3, dtype=int), [[1, 2, 3]]]), np.array([4, 5, 6, 0])
    given = {"features": rows, "y": targets, "forget": [3]}
    for label, verdict in ((32, Verdict.PROVED), (33, Verdict.REFUTED)):
        path = write(tmp_path / "a.npz", {**given, "labels": np.array([label])})
        answer = muso("check", path, "--claim", "exact-labels", "--json", "-")
        assert answer.verdicts["exact-labels[labels]"] == verdict.name
        problem = mt.UnlearningProblem(rows, targets, [3])
        report = mt.check(problem, "exact-labels", labels=np.array([label]))
        assert report["exact-labels[labels]"].verdict is verdict
    # Of floats only nearness is asked: the same label moved by less than the tolerance.
    for near in (32.0, 32 + 1e-9):
        path = write(tmp_path / "a.npz", {**given, "labels": np.array([near])})
        answer = muso("check", path, "--claim", "exact-labels", "--json", "-")
        assert answer.verdicts["exact-labels[labels]"] in ("PROVED", "CERTIFIED")


def test_networks_are_given_floats(tmp_path: Path) -> None:
    """Integers would be tokens to some layers, and numbers of classes to some losses."""
    problems = []
    for name, kind in (("a.csv", int), ("b.csv", float)):
        frame(X.astype(kind), Y.astype(kind)).to_csv(tmp_path / name, index=False)
        problems.append(by_file(tmp_path / name, features=None, network="mlp:12-4-1:erf"))
    assert problems[0].sha256 == problems[1].sha256
    # The control: without a network what is whole is told from what is not.
    assert by_file(tmp_path / "a.csv").sha256 != by_file(tmp_path / "b.csv").sha256


def test_integers_up_to_the_last_that_floats_hold_are_kept(tmp_path: Path) -> None:
    wide = X.copy()
    wide[0, 0] = 2**53
    assert csv(wide, Y, tmp_path).features[0, 0] == 2**53
    wide[0, 0] = 2**53 + 1
    with pytest.raises(mt.MusoError, match=r"above 2\*\*53"):
        csv(wide, Y, tmp_path)


@pytest.mark.parametrize(
    ("distinct", "samples", "classes"),
    [
        (2, 4, True),
        (2, 3, False),
        (3, 6, True),
        (3, 5, False),
        (20, 40, True),
        (20, 39, False),
        (21, 63, False),
    ],
)
def test_integers_are_classes_where_they_are_few_and_come_twice(
    distinct: int, samples: int, classes: bool
) -> None:
    """At most 20 distinct values, each twice on average; `task` says it outright."""
    values = np.arange(float(samples)) % distinct
    found = decide_targets(values, None, "y")
    assert bool(found.classes) is classes
    assert found.understood.how == "inferred"
    for task in ("classification", "regression"):
        told = decide_targets(values, task, "y")
        assert bool(told.classes) is (task == "classification")
        assert told.understood.how == "given"
    assert not decide_targets(values, None, "y", as_given="as they are").classes
    assert "; as they are" in decide_targets(values, None, "y", as_given="as they are").understood.value
    assert (
        "as they are"
        not in decide_targets(values, "regression", "y", as_given="as they are").understood.value
    )
