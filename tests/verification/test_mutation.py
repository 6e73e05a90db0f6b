"""The mutation campaign: what it plants, what counts as killed, and what makes it fail."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from muso_theory.errors import BadInputError
from tests import ROOT
from verification import mutants, mutation
from verification.campaign import Options
from verification.mutants import config, draw, mutants_of

FILE = "muso_theory/linear/toy.py"
TOY = """
def clip(x: int | None, high: int = 9) -> int | None:
    if x > high:
        return high
    return x
def never() -> int:
    return 4
SCALE = 2 * 3
def scale() -> int:
    return SCALE
"""
TESTS = """
import time
from muso_theory.linear.toy import SCALE, clip, scale
if SCALE < 1:
    raise ImportError("cannot be collected")
def test_clip():
    assert clip(12) == 9
def test_scale():
    if scale() == 8:
        raise MemoryError("a busy machine does so too")
    assert scale() in (6, 9)
def test_clock():
    time.perf_counter()
    assert scale() == 6
def test_that_fails_anyway():
    assert clip(3) == 4
"""
FATES = {
    "if x <= high:": ("killed", "test", "tests/test_toy.py::test_clip"),
    "if x >= high:": ("survived", "", ""),
    "return 5": ("survived", "", ""),
    "SCALE = 2 + 3": ("killed", "test", "tests/test_toy.py::test_scale"),
    "SCALE = 2 / 3": ("killed", "import", "tests/test_toy.py"),
    "SCALE = 2 * 4": ("unclear", "test", "tests/test_toy.py::test_scale"),
    "SCALE = 3 * 3": ("survived", "", ""),
}


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("toy")
    texts = {"muso_theory/__init__.py": "", "muso_theory/linear/__init__.py": "", FILE: TOY}
    for file, text in {**texts, "tests/test_toy.py": TESTS}.items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(text)
    shutil.copy(ROOT / "pyproject.toml", root)
    return root


def move(patch: pytest.MonkeyPatch, root: Path) -> None:
    patch.setattr(mutants, "ROOT", root)
    patch.setattr(mutation, "ROOT", root)


@pytest.fixture
def there(toy: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    move(monkeypatch, toy)
    return toy


@pytest.fixture(scope="module")
def found(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    options = Options(tmp_path_factory.mktemp("results"), jobs=1)
    with pytest.MonkeyPatch.context() as patch:
        move(patch, toy)
        tried = {m.becomes: m for m in mutants_of(FILE) if m.becomes in FATES}
        argued = {tried["if x >= high:"]: "both give high"}
        patch.setattr(mutation, "listed", lambda: (tried["if x <= high:"], argued))
        result = mutation.try_mutants(list(tried.values()), ["tests/test_toy.py"], options, 1)
    assert (toy / FILE).read_text() == TOY  # only copies are changed
    return result


@pytest.mark.slow
def test_the_fate_of_every_mutant(found: dict[str, Any]) -> None:
    assert {row["becomes"]: (row["fate"], row["kind"], row["by"]) for row in found["mutants"]} == FATES
    why = {row["becomes"]: row["why"] for row in found["mutants"]}
    assert why["return 5"] == "no test executes it"
    assert why["if x <= high:"] == ""  # killed: the test that did it says why


@pytest.mark.slow
def test_the_score_counts_all_but_argued_survivors(found: dict[str, Any]) -> None:
    total = {"mutants": 7, "killed": 3, "survived": 3, "unclear": 1, "equivalent": 1, "score": 0.5}
    assert found["total"] == {**total, "killed by": {"test": 2, "import": 1}}
    assert found["verdict"].endswith("score 50.0 %; 0 of 2 controls lost, 0 arguments false")
    assert not found["failed"]
    row = mutation.tabulate(found)["rooms"]["rows"][0]
    assert (row["room"], row["test"], row["import"]) == ("linear", 2, 1)


@pytest.mark.slow
@pytest.mark.parametrize("lost", ["control", "planted", "argument", "no control"])
def test_a_lost_control_or_a_false_argument_fails_the_campaign(found: dict[str, Any], lost: str) -> None:
    rows, controls, planted = found["mutants"], found["controls"], found["planted"]
    if lost == "planted":
        planted = {**planted, "fate": "survived"}
    elif lost == "argument":
        rows = [{**rows[0], "fate": "killed", "equivalent": "it is not"}, *rows[1:]]
    else:
        controls = [{**controls[0], "fate": "killed"}] if lost == "control" else []
    assert mutation.summary(rows, controls, planted)["failed"]


def test_the_time_limit_is_no_kill(there: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(config(), "timeout", 0.01)
    point = {"control": "", "file": FILE, "operator": "core/AddNot", "occurrence": 0}
    found = mutation.fate({**point, "tests": ["tests/test_toy.py::test_clip"]}, str(tmp_path))
    assert (found["fate"], found["why"]) == ("unclear", "timeout")


def test_annotations_are_left_alone(there: Path) -> None:
    changed = [m.becomes for m in mutants_of(FILE) if m.was.startswith("def clip")]
    assert changed == [f"def clip(x: int | None, high: int = {n}) -> int | None:" for n in (10, 8)]


def test_the_draw_is_seeded_and_an_edit_elsewhere_leaves_it(there: Path) -> None:
    def drawn(seed: int) -> list[Any]:
        return [(m.operator, m.was, m.becomes) for m in draw([FILE], 5, seed)]

    before = drawn(0)
    assert len(before) == 5
    assert before == drawn(0) != drawn(1)
    (there / FILE).write_text(f"LONG = len\n{TOY}")
    assert drawn(0) == before
    assert len({(m.line, m.column) for m in draw([FILE], 99, 0)}) == len(draw([FILE], 99, 0))
    (there / FILE).write_text(TOY)


@pytest.mark.slow
def test_arguments_are_arguments_about_mutants_that_exist() -> None:
    planted, argued = mutation.listed()
    assert planted not in argued
    assert all(len(why.split()) >= 6 for why in argued.values())


def test_without_cosmic_ray_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cosmic_ray.plugins", None)
    with pytest.raises(BadInputError, match=r"expected cosmic-ray.*pip install '\.\[test\]'"):
        mutants.cosmic_ray("plugins")
    assert mutants.cosmic_ray("config").ConfigDict
