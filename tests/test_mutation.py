"""The mutation campaign: what it plants, what it reports, and a sample of it on a quick corner of the package."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from verification.campaign import Options
from verification.mutants import ROOMS, Mutant, draw, mutants_of
from verification.mutation import EQUIVALENT, _batches, _text, try_mutants, usable
from verification.mutation_score import score

ROOT = Path(__file__).resolve().parents[1]
TOY = '''
"""A toy room."""


def clip(x: int | None, high: int = 9) -> int:
    """At most high, which is 1 + 8."""
    if x is None:
        raise ValueError(f"expected a number, {1 + 1} of them")
    if x > high:
        return high
    return x


def never() -> int:
    return 1 + 1


SCALE = 2 * 3
'''
TESTS = """
import time

import pytest

from muso_theory.linear.toy import SCALE, clip


def test_clip():
    assert clip(12) == 9
    assert clip(3) == 3
    with pytest.raises(ValueError):
        clip(None)


def test_scale():
    assert SCALE == 6


def test_clock():
    began = time.perf_counter()
    clip(9)
    assert time.perf_counter() - began < 5
"""


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("toy")
    for file, text in (
        ("muso_theory/__init__.py", ""),
        ("muso_theory/linear/__init__.py", ""),
        ("muso_theory/linear/toy.py", TOY),
        ("tests/test_toy.py", TESTS),
    ):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(text)
    return root


def all_of(root: Path) -> list[Mutant]:
    return list(mutants_of(root, "muso_theory/linear/toy.py"))


@pytest.fixture(scope="module")
def rows(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    options = Options(tmp_path_factory.mktemp("results"), jobs=1)
    tried, control = try_mutants(all_of(toy), options, ["tests/test_toy.py"], root=toy, controls=2)
    assert [row["fate"] for row in control] == ["survived"] * 2
    assert (toy / "muso_theory/linear/toy.py").read_text() == TOY  # the checkout was not touched
    return {row["diff"]: row for row in tried}


def test_a_planted_survivor_is_reported_and_nothing_else_survives(rows: dict[str, dict[str, Any]]) -> None:
    survived = {diff for diff, row in rows.items() if row["fate"] == "survived"}
    assert survived == {
        "-    if x > high:\n+    if x >= high:",  # equivalent
        "-    return 1 + 1\n+    return 1 - 1",  # no test executes it
        "-    return 1 + 1\n+    return 2 + 1",
        "-    return 1 + 1\n+    return 1 + 2",
        "-    return 1 + 1\n+    return 0 + 1",
        "-    return 1 + 1\n+    return 1 + 0",
    }
    assert {rows[diff]["why"] for diff in survived} == {"", "no test executes it"}
    killed = rows["-    if x > high:\n+    if x <= high:"]
    assert killed["fate"] == "killed"
    assert killed["by"] == "tests/test_toy.py::test_clip"
    assert "assert" in killed["why"]
    assert rows["-SCALE = 2 * 3\n+SCALE = 2 / 3"]["by"] == "tests/test_toy.py::test_scale"


def test_the_score_counts_survivors_and_forgives_only_argued_ones(rows: dict[str, dict[str, Any]]) -> None:
    values = list(rows.values())
    total = score(values, {})
    assert total["survived"] == 6
    assert total["score"] == pytest.approx(total["killed"] / total["mutants"], abs=1e-4)
    key = rows["-    if x > high:\n+    if x >= high:"]["key"]
    argued = score(values, {key: "both give high"})
    assert argued["equivalent"] == 1
    assert argued["score"] > total["score"]
    killed = next(row["key"] for row in values if row["fate"] == "killed")
    assert score(values, {killed: "a false argument"}) == total
    assert score([], {})["score"] is None


def test_messages_annotations_and_docstrings_are_left_alone(toy: Path) -> None:
    changed = "\n".join(mutant.diff for mutant in all_of(toy))
    assert "None, high" not in changed.replace("int | None, high: int = ", "")
    assert '+        raise ValueError(f"' not in changed
    assert "which is" not in changed
    for mutant in all_of(toy):
        compile(mutant.source, mutant.file, "exec")
        assert mutant.source != TOY


def test_an_argument_lapses_when_its_definition_changes_and_only_then(toy: Path, tmp_path: Path) -> None:
    def keys(text: str) -> dict[str, str]:
        path = tmp_path / "muso_theory/linear/toy.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return {m.diff: m.key for m in mutants_of(tmp_path, "muso_theory/linear/toy.py")}

    change = "-    if x > high:\n+    if x >= high:"
    before = keys(TOY)
    assert len(set(before.values())) == len(list(all_of(toy)))
    assert (
        keys(TOY.replace("SCALE = 2", "WEIGHT = 0\nSCALE = 2").replace("1 + 1\n", "1 + 2\n"))[change]
        == before[change]
    )
    assert keys(TOY.replace("        return high", "        return high + 0"))[change] != before[change]


def test_tests_that_look_at_a_clock_do_not_count(toy: Path) -> None:
    assert "perf_counter" in _text(toy, "tests/test_toy.py::test_clock")
    assert _text(toy, "tests/test_toy.py::test_scale").strip().endswith("assert SCALE == 6")
    found = {"passed": True, "seconds": 1.0, "lines": {"a.py": [1, 2]}}
    tests = {
        "tests/test_toy.py::test_clock": found,
        "tests/test_toy.py::test_scale": found,
        "tests/test_toy.py::test_clip": {**found, "passed": False},
    }
    [kept] = usable([{"tests": tests, "imported": ["a.py"]}], toy)
    assert list(kept["tests"]) == ["tests/test_toy.py::test_scale"]


def test_the_draw_is_seeded_and_spread_over_the_rooms() -> None:
    one, again, other = (draw(ROOT, 12, seed) for seed in (0, 0, 1))
    assert [m.key for m in one] == [m.key for m in again] != [m.key for m in other]
    assert len(one) == 12
    assert {m.room for m in one} == set(ROOMS)
    assert len({(m.file, m.line, m.column) for m in one}) == 12


def test_a_sample_of_the_campaign(tmp_path: Path) -> None:
    """Four mutants of the polynomials of the free algebra, on the tests of its core."""
    file = "muso_theory/algebra/polynomial.py"
    sample = [m for m in mutants_of(ROOT, file) if m.operator.startswith("ReplaceBinaryOperator")][:8:2]
    tried, _ = try_mutants(sample, Options(tmp_path, jobs=1), ["tests/test_algebra_core.py", file])
    assert len(tried) == 4
    assert score(tried, {})["killed"] >= 3, [row["diff"] for row in tried if row["fate"] != "killed"]


def test_arguments_are_arguments() -> None:
    for key, reason in json.loads(EQUIVALENT.read_text(encoding="utf-8")).items():
        assert re.fullmatch(r"[0-9a-f]{16}", key)
        assert len(reason.split()) >= 6, reason


def test_what_runs_at_import_meets_first_the_tests_that_name_it(toy: Path) -> None:
    file = "muso_theory/linear/toy.py"
    [mutant] = [m for m in all_of(toy) if m.diff == "-SCALE = 2 * 3\n+SCALE = 2 / 3"]
    quick = {"passed": True, "seconds": 0.1, "lines": {file: [9]}}
    tests = {f"tests/test_toy.py::test_{name}": quick for name in ("clip", "scale")}
    tests["tests/test_toy.py::test_scale"] = {**quick, "seconds": 9.0, "lines": {}}
    records = [{"tests": tests, "imported": [file]}, {"tests": tests, "imported": []}]
    [[(first, _)], [(second, _)]] = _batches(mutant, records, "", toy)
    assert (first.split("_")[-1], second.split("_")[-1]) == ("scale", "clip")
