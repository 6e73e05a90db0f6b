"""The campaign that measures problems in a file: what it compares with is right, and its peaks are of one process."""

from __future__ import annotations

import subprocess
from typing import Any

import numpy as np
import pytest

from verification import performance, performance_memory
from verification.concluding import conclude
from verification.performance_memory import WHOLE, Seeded, cluster_points, extrapolate, points, run_point

POINT: dict[str, Any] = {"n": 700, "D": 9, "C": 3, "where": "threads", "span bytes": 1, "kill after": 1.0}


def test_the_normal_equations_unlearn_and_others_do_not(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = {**POINT, "folder": str(tmp_path)}
    performance_memory._write(words)
    assert performance_memory._plain(words)["gap"] < 1e-12
    # Where other rows are taken from the normal equations than are relabelled, nothing fits.
    features = np.load(tmp_path / "features.npy")
    monkeypatch.setattr(performance_memory.np, "load", lambda path, mmap_mode: _Changing(features))
    assert performance_memory._plain(words)["gap"] > 1e-3


class _Changing:
    """Features that are other ones when the seven rows to forget are asked for the first time."""

    def __init__(self, features: Any) -> None:
        self.features, self.asked = features, 0

    def __getitem__(self, rows: Any) -> Any:
        self.asked += len(rows) == 7
        return self.features[rows] * (2.0 if len(rows) == 7 and self.asked == 1 else 1.0)


@pytest.mark.slow
def test_a_point_is_measured_in_processes_of_its_own() -> None:
    found = {**POINT, **run_point(POINT)}
    assert found["verdict"] == "CERTIFIED"
    assert found["bounds as by threads"]
    assert found["gap of plain solves"] < 1e-12
    assert 10**7 < found["peak bytes"] < 10**9
    assert set(performance.tabulate({"cases": [found]})) == {"memory"}
    certified, peak, *_ = conclude({"campaign": "performance-memory", "cases": [found]})
    assert certified["number"]["value"] == 1
    assert peak["number"]["value"] == found["peak bytes"]


def test_small_by_default() -> None:
    assert max(point["n"] for point in points(quick=False)) <= 200_000
    assert {point["where"] for point in points(quick=True)} == {
        "threads",
        "cluster",
        "seed",
        "tiles",
        "tiles on a cluster",
    }
    assert max(point["n"] for point in points(quick=True)) == WHOLE // 100


def test_blocks_from_a_seed_are_the_same_whenever_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(performance_memory, "_CHUNK", 4)
    whole = Seeded(10, 3)[0:10]
    assert whole.shape == (10, 3)
    assert whole.dtype == np.float32
    for start, stop in ((0, 4), (3, 9), (5, 6), (8, 10)):
        assert np.array_equal(Seeded(10, 3)[start:stop], whole[start:stop])
    assert len(np.unique(whole)) == 30
    assert not np.array_equal(Seeded(10, 3, seed=1)[0:10], whole)


def test_the_whole_is_extrapolated_by_the_exponent_of_its_parts() -> None:
    def rows(power: float) -> list[dict[str, Any]]:
        found = [
            {"n": WHOLE / part, "where": "seed", "CPU seconds": (WHOLE / part) ** power}
            for part in (40, 20, 10)
        ]
        extrapolate(found)
        return found

    known = rows(1.5)[-1]
    assert known["exponent"] == pytest.approx(1.5)
    assert known["processor hours of the whole"] == pytest.approx(WHOLE**1.5 / 3600)
    # Never less than in proportion, and never of one size.
    assert rows(0.5)[-1]["processor hours of the whole"] == pytest.approx(
        10 * rows(0.5)[-1]["CPU seconds"] / 3600
    )
    alone: list[dict[str, Any]] = [{"n": 5, "where": "seed", "CPU seconds": 1.0}]
    extrapolate(alone)
    assert "processor hours of the whole" not in alone[0]


def test_plain_solves_with_the_gram_matrix_in_memory(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    words = {"n": 60, "D": 200, "C": 3, "folder": str(tmp_path)}
    performance_memory._write(words)
    assert performance_memory._plain_tiles(words)["gap"] < 1e-12
    codes = performance_memory._codes
    monkeypatch.setattr(performance_memory, "_codes", lambda n, classes: codes(n, classes) * 0)
    assert performance_memory._plain_tiles(words)["gap"] < 1e-12
    monkeypatch.setattr(
        performance_memory.np, "square", lambda x: x * 0 + 1.0
    )  # what is measured is not nothing
    assert performance_memory._plain_tiles(words)["gap"] > 1


def test_a_worker_is_killed_when_half_of_the_tiles_are_there(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[int] = []
    monkeypatch.setattr(performance_memory.os, "kill", lambda process, number: killed.append(process))
    monkeypatch.setattr(performance_memory, "TILE", 10)
    words, folder = {"n": 35, "folder": str(tmp_path)}, tmp_path / "muso-tiles-1"
    folder.mkdir()

    class Done:
        """Makes a tile whenever it is asked; ten are all."""

        def __init__(self, most: int) -> None:
            self.made, self.most = 0, most

        def wait(self, seconds: float) -> bool:
            if self.made == self.most:
                return True
            (folder / f"{self.made}.tile").touch()
            self.made += 1
            return False

    done = Done(4)
    performance_memory._kill_midway(7, words, done)  # type: ignore[arg-type]
    assert killed == []
    done.most = 10
    performance_memory._kill_midway(7, words, done)  # type: ignore[arg-type]
    assert killed == [7]
    assert done.made == 5
    performance_memory._kill_midway(8, {**words, "kill after": 0.0}, Done(1))  # type: ignore[arg-type]
    assert killed == [7, 8]


def test_a_cluster_is_judged_by_its_digits_and_not_by_the_clock() -> None:
    good = {
        **POINT,
        "where": "tiles on a cluster",
        "verdict": "CERTIFIED",
        "bounds as by threads": True,
        "killed": 1,
        "seconds": 2.0,
        "seconds of threads": 1.0,
        "load": [1.0, 1.0],
        "processors": 2,
    }
    threads = {**good, "where": "threads", "peak bytes": 1, "ratio": 1.0}

    def judged(**changed: Any) -> str:
        cases = [threads, {**good, **changed}]
        found = conclude({"campaign": "performance-memory", "cases": cases})
        [one] = [row for row in found if "cluster of two workers" in row["sentence"]]
        return str(one["verdict"])

    assert judged() == "holds"
    assert {judged(**{name: value}) for name, value in (("bounds as by threads", False), ("killed", 0))} == {
        "fails"
    }
    assert judged(seconds=2.1) == "holds"


def test_what_is_concluded_of_a_cluster_says_where_it_fails() -> None:
    good = {
        **{"n": 6000, "D": 64, "verdict": "CERTIFIED", "bounds as by threads": True, "killed": 1},
        **{
            "seconds": 3.0,
            "seconds of threads": 2.0,
            "peak bytes": 10**8,
            "load": [0.5, 1.0],
            "processors": 2,
        },
    }
    wrong = [{"verdict": "VACUOUS"}, {"bounds as by threads": False}, {"killed": 0}, {"seconds": 5.0}]

    def fails(change: dict[str, Any]) -> list[bool]:
        drafts = conclude({"campaign": "performance-cluster", "cases": [{**good, **change}]})
        return [draft["verdict"] == "fails" for draft in drafts]

    assert [fails(change) for change in ({}, *wrong)] == [
        [False] * 4, *[[True, False, False, False]] * 3, [False, True, False, False]
    ]  # fmt: skip


def test_the_cluster_has_as_many_workers_as_threads_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {point["threads"] for quick in (True, False) for point in cluster_points(quick)} == {2}
    seen: list[str] = []

    def ran(command: Any, env: Any, **words: Any) -> Any:
        seen.append(env["OPENBLAS_NUM_THREADS"])
        return subprocess.CompletedProcess(command, 0, stdout="{}\n")

    monkeypatch.setattr(performance_memory.subprocess, "run", ran)
    for words in ({"where": "threads"}, {"where": "cluster"}, *cluster_points(quick=False)):
        performance_memory._child("check", words)
    assert seen == ["1", "1", "2", "2"]
