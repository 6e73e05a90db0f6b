"""What counts as killed in the mutation campaign, and the control that the tests pass on the code as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from verification.campaign import Options
from verification.mutants import mutants_of
from verification.mutation import _Server, try_mutants
from verification.mutation_score import score, summary

FILE = "muso_theory/linear/toy.py"
TESTS = """
import os

import pytest

from muso_theory.linear.toy import SCALE

if SCALE == 4:
    raise ImportError("cannot be collected")


def test_scale():
    if SCALE == 5:
        os._exit(0)
    if SCALE == 3:
        raise MemoryError("a machine short of memory does so too")
    if SCALE == 0:
        raise TimeoutError("a busy machine does so too")
    if SCALE == 7:
        pytest.exit("no test says why", 3)
    if SCALE == 8:
        while True:
            pass
    if SCALE == 9:
        raise KeyError("an exception")
    assert SCALE != 10
"""
STATEFUL = """
from pathlib import Path

from muso_theory.linear.toy import SCALE


def test_passes_once():
    seen = Path("seen")
    first = not seen.exists()
    seen.touch()
    assert first
    assert SCALE > 0
"""


def planted(root: Path, tests: str) -> Path:
    for file, text in (
        ("muso_theory/__init__.py", ""),
        ("muso_theory/linear/__init__.py", ""),
        (FILE, "SCALE = 6\n"),
        ("tests/test_toy.py", tests),
    ):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(text)
    return root


@pytest.fixture(scope="module")
def fates(tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, Any]]:
    root = planted(tmp_path_factory.mktemp("toy"), TESTS)
    server = _Server(root, tmp_path_factory.mktemp("trees"))
    ask = {"file": FILE, "batches": [[["tests/test_toy.py::test_scale", 0.0]]], "patience": 0.5}
    try:
        return {k: server.ask({**ask, "source": f"SCALE = {k}\n"}) for k in (0, 3, 4, 5, 6, 7, 8, 9, 10)}
    finally:
        server.close()


def test_a_kill_says_of_which_kind_it_is(fates: dict[int, dict[str, Any]]) -> None:
    killed = {k: found["kind"] for k, found in fates.items() if found["fate"] == "killed"}
    assert killed == {4: "import", 8: "processor time", 9: "test", 10: "test"}
    assert "cannot be collected" in fates[4]["why"]
    assert fates[10]["by"] == "tests/test_toy.py::test_scale"


def test_what_a_busy_machine_does_too_is_no_kill(fates: dict[int, dict[str, Any]]) -> None:
    unclear = {k: found["kind"] for k, found in fates.items() if found["fate"] == "unclear"}
    assert unclear == {0: "test", 3: "test", 5: "crash", 7: "crash"}
    assert fates[6]["fate"] == "survived"
    counted = score([{**found, "key": str(k)} for k, found in fates.items()], {})
    assert counted["killed by"] == {"import": 1, "processor time": 1, "test": 2}
    assert (counted["killed"], counted["survived"], counted["unclear"]) == (4, 1, 4)
    assert counted["score"] == round(4 / 9, 4)


def test_tests_that_fail_without_a_mutant_lose_the_control(tmp_path: Path) -> None:
    """The test passes while lines are recorded and fails ever after: a kill by it says nothing."""
    root = planted(tmp_path / "toy", STATEFUL)
    mutants = list(mutants_of(root, FILE))
    rows, control = try_mutants(
        mutants, Options(tmp_path, jobs=1), ["tests/test_toy.py"], root=root, controls=1
    )
    assert {row["fate"] for row in rows} == {"killed"}
    assert [row["fate"] for row in control] == ["killed"]
    assert "assert first" in control[0]["why"] or "assert False" in control[0]["why"]
    assert summary(rows, control, {})["failed"]
    assert summary(rows, control, {})["total"]["score"] == 1.0
    assert summary(rows, [], {})["failed"]
    kept = [{**control[0], "fate": "survived", "kind": ""}]
    assert not summary(rows, kept, {})["failed"]
    survivor = {**rows[0], "fate": "survived", "kind": ""}
    assert summary([survivor, *rows[1:]], kept, {})["failed"]
