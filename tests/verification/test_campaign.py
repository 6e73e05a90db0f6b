"""The campaign runner: resumes, keeps what is finished, writes whole files or none."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from muso_theory.errors import MusoError
from tests import ROOT
from verification.__main__ import main, names
from verification.campaign import Options, ShownOnly, environment, measure_points, measured_rows
from verification.performance import certified_answer, measure_slow_twins, ordinary_answer, problem_data
from verification.precision import FAMILIES, features_of, measure


def square(point: Mapping[str, Any]) -> dict[str, Any]:
    """Count the calls in a file, so that resuming shows."""
    path = Path(point["log"])
    with path.open("a", encoding="utf-8") as log:
        log.write(f"{point['x']}\n")
    if point["x"] == point.get("fails at"):
        raise KeyboardInterrupt
    return {"square": point["x"] ** 2}


def test_points_come_in_order_and_are_measured_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    points = [{"x": x, "log": str(log)} for x in (3, 1, 2)]
    options = Options(directory=tmp_path, jobs=1)
    assert measure_points("t", square, points, options) == [{"square": 9}, {"square": 1}, {"square": 4}]
    assert measure_points("t", square, [*points, {"x": 5, "log": str(log)}], options)[-1] == {"square": 25}
    assert log.read_text().split() == ["3", "1", "2", "5"]
    fresh = Options(directory=tmp_path, jobs=1, fresh=True)
    assert measured_rows("t", square, points[:1], fresh) == [{**points[0], "square": 9}]
    assert log.read_text().split() == ["3", "1", "2", "5", "3"]


def test_progress_counts_points_and_is_silent_where_nothing_takes_long(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    points = [{"x": x, "log": str(tmp_path / "log")} for x in (3, 1, 2)]
    measure_points("often", square, points, Options(directory=tmp_path, jobs=1))
    assert capsys.readouterr().err == ""
    told: list[Any] = []
    monkeypatch.setattr("muso_theory.parallel.points._screen", lambda: nullcontext(told.append))
    measure_points("now", square, points, Options(directory=tmp_path, jobs=1))
    assert [(step, step.done, step.total) for step in told] == [("now", k, 3) for k in (1, 2, 3)]


def test_interruption_keeps_finished_points_and_bad_checkpoints_are_ignored(tmp_path: Path) -> None:
    log = tmp_path / "log"
    points = [{"x": x, "log": str(log), "fails at": 2} for x in (1, 2)]
    options = Options(directory=tmp_path, jobs=1)
    with pytest.raises(KeyboardInterrupt):
        measure_points("t", square, points, options)
    kept = list((tmp_path / ".checkpoints" / "t").glob("*.json"))
    assert len(kept) == 1
    assert measure_points("t", square, points[:1], options) == [{"square": 1}]
    assert log.read_text().split() == ["1", "2"]
    kept[0].write_text("{ torn", encoding="utf-8")
    assert measure_points("t", square, points[:1], options) == [{"square": 1}]
    assert log.read_text().split() == ["1", "2", "1"]


def test_points_that_are_asked_for_alone_are_printed_and_nothing_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log"
    points = [{"x": x, "log": str(log)} for x in (3, 1, 2)]
    whole = Options(directory=tmp_path / "results", jobs=1)
    measure_points("t", square, points[:2], whole)
    before = {path: path.read_bytes() for path in whole.directory.rglob("*") if path.is_file()}
    with pytest.raises(ShownOnly):
        measure_points("t", square, points, Options(directory=whole.directory, jobs=1, only={"x": "1"}))
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
        {"point": points[1], "found": {"square": 1}}
    ]
    assert log.read_text().split() == ["3", "1", "1"]  # measured again, though a checkpoint is there
    after = {path: path.read_bytes() for path in whole.directory.rglob("*") if path.is_file()}
    assert before == after
    with pytest.raises(ShownOnly):  # also of what is timed, one point after the other
        measured_rows("t", square, points, Options(directory=tmp_path, only={"x": "2"}).one_by_one)
    assert json.loads(capsys.readouterr().out)["found"] == {"square": 4}
    for only, words in (({"y": "1"}, "a key of the points of t but"), ({"x": "5"}, "a value of x in t but")):
        with pytest.raises(MusoError, match=words):
            measure_points("t", square, points, Options(directory=whole.directory, only=only))


def test_a_command_asks_for_points_of_one_campaign(capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in (["all", "--only", "seed=0"], ["identities", "--only", "seed"]):
        assert main(wrong) == 2
        assert "expected --only KEY=VALUE" in capsys.readouterr().err
    assert main(["identities", "--quick", "--only", "sed=0"]) == 2
    assert "try 'seed'" in capsys.readouterr().err


def test_environment_names_versions_and_no_places() -> None:
    text = json.dumps(environment())
    assert "numpy" in text
    assert str(ROOT) not in text
    assert os.sep + "home" not in text


def test_command_line_refuses_what_it_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    assert {"precision", "performance", "soundness"} <= set(names())
    assert main(["precison"]) == 2
    assert "'precision'" in capsys.readouterr().err
    assert main(["performance"]) == 2
    assert "certified" in capsys.readouterr().err
    assert main(["precision", "certified"]) == 2


@pytest.mark.slow
def test_ctrl_c_exits_130_and_keeps_checkpoints(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "verification",
        "precision",
        "--quick",
        "--jobs",
        "1",
        "--results",
        str(tmp_path),
    ]
    # A parent that ignores Ctrl-C would hand that down; ask for the default.
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 600
    while not list(tmp_path.glob(".checkpoints/precision/[!.]*.json")) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    errors = process.communicate(timeout=600)[1]
    assert process.returncode == 130, errors
    assert "finished points are kept" in errors
    assert list(tmp_path.glob(".checkpoints/precision/[!.]*.json"))
    assert not (tmp_path / "precision-quick.json").exists()


@pytest.mark.parametrize("family", FAMILIES)
def test_precision_ladder_is_honest(family: str) -> None:
    found = measure({"family": family, "level": 4})
    rungs = found["rungs"]
    assert found["condition"] > 1e3
    assert all(rung.get("encloses the truth", True) for rung in rungs.values())
    assert rungs["balls 100 digits"]["relative error"] < 1e-40
    assert rungs["MP 100 digits"]["relative error"] < 1e-15
    assert rungs["float32"]["relative error"] == "infinite" or rungs["float32"]["relative error"] > 1e-9
    assert np.linalg.matrix_rank(features_of(family, 1)) == len(features_of(family, 1))


def test_certified_answer_proves_the_ordinary_one() -> None:
    data = problem_data(120, 400)
    ordinary, certified = ordinary_answer(data), certified_answer(data)
    low, high = certified["proved"]["pretrained gap"]
    assert low <= ordinary["pretrained gap"] * (1 + 1e-9)
    assert high >= ordinary["pretrained gap"] * (1 - 1e-9)
    assert high - low < 1e-6 * high
    assert certified["proved"]["parameter gap of w_u"][1] < 1e-6 * low
    assert certified["proved"]["smallest eigenvalue"][0] > 0


def test_slow_twins_are_slower() -> None:
    found = measure_slow_twins({"n": 30, "bits": 128})
    assert found["BALL solve faster than mpmath lu_solve by"] > 5


def named(point: Mapping[str, Any]) -> dict[str, Any]:
    """Names in an order that is not theirs by the alphabet."""
    return {"methods": {"retraining": point["x"], "none": 0, "alternating": {"b": 1, "a": 2}}}


def test_a_point_read_again_has_its_keys_in_the_order_they_were_measured_in(tmp_path) -> None:
    first, again = (
        measure_points("named", named, [{"x": 1}], Options(directory=tmp_path, jobs=1)) for _ in range(2)
    )
    assert json.dumps(first) == json.dumps(again)
