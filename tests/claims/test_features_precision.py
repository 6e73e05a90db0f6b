"""``--features-precision``: what a report says about the feature map itself, and that it can be checked again."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from muso_theory.checking.report import digest
from muso_theory.commands.cli import main
from muso_theory.commands.repeat import recheck
from muso_theory.inputs import Source, prepare
from muso_theory.inputs.maps import map_options
from muso_theory.map_names import FEATURE_MAPS


def muso(*words: object) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0), out.getvalue(), err.getvalue()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    path = tmp_path / "data.npz"
    np.savez(path, X=rng.standard_normal((10, 12)), y=rng.standard_normal(10), forget=[1, 4])
    return path


def evidence(path: Path) -> dict[str, Any]:
    document = json.loads(path.read_text())
    (found,) = [e for e in document["evidence"] if e["claim"] == "feature-precision"]
    return {**found, "numbers": {f["what"]: f for f in found["findings"]}}


@pytest.mark.slow
@pytest.mark.parametrize("name", FEATURE_MAPS)
def test_a_report_bounds_the_distance_to_the_map(data: Path, tmp_path: Path, name: str) -> None:
    report = tmp_path / "report.json"
    size = ("--n-features", 40) if "n_features" in map_options(name) else ()
    options = ("--features", name, *size, "--features-precision", 30, "--json", report)
    status, out, err = muso("check", data, *options)
    assert (status, err) == (0, "")
    assert "‖Φ̂ − Φ‖_F ≤" in out
    found = evidence(report)
    assert (found["verdict"], found["kind"], found["scope"]) == ("CERTIFIED", "condition", "instance")
    numbers = {what: float(f["upper"]) for what, f in found["numbers"].items()}
    distance = numbers["‖Φ̂ − Φ‖_F"]
    assert distance == 0 if name == "identity" else 0 < distance < 1e-13
    assert float(found["numbers"]["σ_min(Φ̂) − ‖Φ̂ − Φ‖_F"]["lower"]) > 1e-3
    assert distance <= numbers["‖w_r(Φ̂) − w_r(Φ)‖"] < 1e-9
    assert distance <= numbers["‖Φ̂_F w_r(Φ̂) − Φ_F w_r(Φ)‖"] < 1e-9
    result = recheck(report, str(data))
    assert result.mismatches == ()
    assert result.identical == len(json.loads(report.read_text())["evidence"])


def test_nobody_asked(data: Path, tmp_path: Path) -> None:
    muso("check", data, "--n-features", 40, "--json", tmp_path / "report.json")
    assert "feature-precision" not in (tmp_path / "report.json").read_text()
    assert (
        json.loads((tmp_path / "report.json").read_text())["settings"]["source"]["features_precision"] is None
    )


def test_every_number_of_it_is_protected_against_a_rosier_one(data: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    muso(
        "check",
        data,
        "--n-features",
        40,
        "--claim",
        "exact-labels",
        "--features-precision",
        30,
        "--json",
        report,
    )
    document = json.loads(report.read_text())
    index = [e["claim"] for e in document["evidence"]].index("feature-precision")
    forgeries = []
    for k, finding in enumerate(document["evidence"][index]["findings"]):
        for end, rosier in (("lower", 100.0), ("upper", 0.01)):
            if float(finding[end]) > 0:
                forged = json.loads(json.dumps(document))
                forged["evidence"][index]["findings"][k][end] = repr(rosier * float(finding[end]))
                forgeries.append(forged)
    assert len(forgeries) == 6
    removed = json.loads(json.dumps(document))
    del removed["evidence"][index]
    forgotten = json.loads(json.dumps(document))
    forgotten["settings"]["source"]["features_precision"] = None
    coarser = json.loads(json.dumps(document))
    coarser["settings"]["source"]["features_precision"] = 4
    for forged in (*forgeries, removed, forgotten, coarser):
        forged["digest"] = digest(forged)
        report.write_text(json.dumps(forged))
        assert recheck(report, str(data)).mismatches


@pytest.mark.parametrize("digits", [2, 5, 10, 15])
def test_few_digits_say_less_and_nothing_wrong(data: Path, tmp_path: Path, digits: int) -> None:
    report = tmp_path / "report.json"
    options = ("--n-features", 40, "--claim", "exact-labels", "--json", report, "--features-precision")
    muso("check", data, *options, 40)
    fine = evidence(report)["numbers"]["‖Φ̂ − Φ‖_F"]
    status, _, _ = muso("check", data, *options, digits)
    found = evidence(report)
    coarse = found["numbers"]["‖Φ̂ − Φ‖_F"]
    assert float(coarse["lower"]) <= float(fine["lower"]) <= float(fine["upper"]) <= float(coarse["upper"])
    assert float(coarse["upper"]) < 10.0 ** (4 - digits)
    assert (found["verdict"], status) == ("CERTIFIED", 0)


def test_digits_that_do_not_reach_the_rank_leave_it_undecided(data: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    options = ("--n-features", 40, "--bandwidth", 20, "--claim", "exact-labels", "--json", report)
    assert muso("check", data, *options, "--features-precision", 30)[0] == 0
    assert evidence(report)["verdict"] == "CERTIFIED"
    assert muso("check", data, *options, "--features-precision", 2)[0] == 3
    found = evidence(report)
    assert found["verdict"] == "UNDECIDED"
    margin = found["numbers"]["σ_min(Φ̂) − ‖Φ̂ − Φ‖_F"]
    assert float(margin["lower"]) < 0
    assert margin["verdict"] == "UNDECIDED"
    assert "more digits" in found["needs"]


def test_dependent_rows_leave_it_undecided(tmp_path: Path) -> None:
    X = np.random.default_rng(0).standard_normal((8, 5))
    X[3] = X[2]  # a copy is solved for once, but a bound on the step from Φ̂ to Φ needs all rows independent
    np.savez(tmp_path / "twins.npz", X=X, y=np.arange(8.0), forget=[1])
    report = tmp_path / "report.json"
    options = ("--n-features", 40, "--features-precision", 30, "--claim", "exact-labels", "--json", report)
    assert muso("check", tmp_path / "twins.npz", *options)[0] == 3
    found = evidence(report)
    assert found["verdict"] == "UNDECIDED"
    assert "some rows of Φ are equal" in found["needs"]
    assert float(found["numbers"]["‖Φ̂ − Φ‖_F"]["upper"]) < 1e-13
    assert recheck(report, str(tmp_path / "twins.npz")).mismatches == ()


@pytest.mark.parametrize("digits", ["1", "0", "-5", "100000"])
def test_a_precision_that_means_nothing_is_refused_before_any_work(digits: str) -> None:
    status, out, err = muso("check", "no-such-file.npz", "--features-precision", digits)
    assert (status, out) == (2, "")
    assert "expected an integer from 2 to 1000 digits but got features_precision=" in err


def test_features_given_as_data_have_no_map(tmp_path: Path) -> None:
    path = tmp_path / "features.npz"
    np.savez(path, features=np.eye(4, 6), y=np.arange(4.0), forget=[1])
    status, _, err = muso("check", path, "--features-precision", 30)
    assert status == 2
    assert "expected a feature map to evaluate again" in err


def test_the_time_is_told_before(data: Path) -> None:
    lines: list[str] = []
    prepare(Source(str(data), n_features=40, features_precision=30), lines.append)
    told = [line for line in lines if "30 digits" in line]
    assert "about" in told[0]
    assert " s in all" in told[0]
    assert "rows 1 to 10 of 10" in told[1]
