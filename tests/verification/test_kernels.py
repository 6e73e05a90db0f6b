"""The kernel that is asked for is the one that computes, or no test runs; the campaign counts what fails."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from muso_theory.errors import BadInputError
from tests import ROOT
from tests.conftest import NUMERIC
from verification import kernels
from verification.campaign import Options


def library(home: str, architecture: str, threads: int) -> dict[str, Any]:
    path = f"/lib/{home}.libs/libopenblas.so"
    return {
        "internal_api": "openblas",
        "filepath": path,
        "architecture": architecture,
        "num_threads": threads,
    }


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ([("numpy", "Nehalem", 1), ("scipy", "Nehalem", 1)], ""),
        ([("numpy", "Nehalem", 1), ("scipy", "Haswell", 1)], "Haswell"),
        ([("numpy", "Nehalem", 1)], "not both"),
        ([("numpy", "Nehalem", 2), ("scipy", "Nehalem", 2)], "2 threads"),
    ],
)
def test_both_libraries_must_have_taken_the_kernel(
    found: list[tuple[str, str, int]], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("threadpoolctl.threadpool_info", lambda: [library(*one) for one in found])
    told = kernels.not_taken({"OPENBLAS_CORETYPE": "Nehalem", "OPENBLAS_NUM_THREADS": "1"})
    assert words in told
    assert bool(told) == bool(words)
    assert kernels.not_taken({"OPENBLAS_NUM_THREADS": "1"}) == ""


def test_no_test_runs_under_a_kernel_that_was_not_taken() -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--co",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests/verification/test_kernels.py",
    ]
    environment = {**os.environ, "OPENBLAS_CORETYPE": "Abacus"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert "OPENBLAS_CORETYPE=Abacus" in done.stderr


def test_what_is_named_numeric_exists() -> None:
    assert [name for name in NUMERIC if not (ROOT / name).exists()] == []


def test_the_campaign_tells_what_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def found(point: dict[str, Any]) -> dict[str, Any]:
        failed = ["a"] if point["kernel"] == "Nehalem" and point["threads"] == 2 else []
        passed = 0 if point["kernel"] == "Zen" else 9
        return {"passed": passed, "skipped": 0, "failed": failed, "refused": "", "seconds": 1.0}

    def measured(name: str, measure: Any, points: Any, options: Options, where: Any) -> list[Any]:
        assert where == {"twin": sys.executable}
        return [found(point) for point in points]

    monkeypatch.setattr(kernels, "measure_points", measured)
    result = kernels.run(False, Options(directory=tmp_path, peers={"twin": sys.executable}))
    assert result["failed"]
    assert result["verdict"].startswith("18 of 24 ")
    assert len(kernels.tabulate(result)["kernels"]["rows"]) == 24
    assert {row["python"] for row in result["rows"]} == {"this", "twin"}


def test_a_run_counts_tests_by_how_they_end(tmp_path: Path) -> None:
    toy = tmp_path / "test_toy.py"
    toy.write_text(
        "import os\nimport pytest\npytestmark = pytest.mark.numeric\n"
        "def test_good():\n    assert 'OPENBLAS_CORETYPE' not in os.environ\n"
        "def test_bad():\n    assert os.environ['OPENBLAS_NUM_THREADS'] == '2'\n"
        "def test_skipped():\n    pytest.skip('no')\n"
    )
    tests = ["-c", str(ROOT / "pyproject.toml"), str(toy)]
    point = {"python": "this", "kernel": "unset", "threads": 1, "tests": tests}
    found = kernels.measure(point)
    assert (found["passed"], found["skipped"], len(found["failed"])) == (1, 1, 1)
    assert "test_bad" in found["failed"][0]
    with pytest.raises(FileNotFoundError):  # the Python of that name is the one that runs
        kernels.measure(point, this=str(tmp_path / "none"))


def test_a_python_that_cannot_run_the_tests_is_refused(tmp_path: Path) -> None:
    assert kernels.versions(sys.executable)["Python"] == platform.python_version()
    with pytest.raises(BadInputError, match="a Python that starts"):
        kernels.versions(str(tmp_path / "none"))
    bare = tmp_path / "bare"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n')
    bare.chmod(0o755)
    with pytest.raises(BadInputError, match="no pytest"):
        kernels.versions(str(bare))


def test_a_changed_test_of_any_room_is_other_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("tests/linear/test_x.py", "verification/campaign.py"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("before\n", encoding="utf-8")
    monkeypatch.setattr(kernels, "ROOT", tmp_path)
    before = kernels._sources()
    assert kernels._sources() == before
    (tmp_path / "tests/linear/test_x.py").write_text("after\n", encoding="utf-8")
    assert kernels._sources() != before
