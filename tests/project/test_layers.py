"""Imports run one way: no two files import each other, and a room imports only rooms before it in this list."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests import ROOT

PACKAGE = ROOT / "muso_theory"

ORDER = (
    ("errors", "verdict", "steps", "lazy", "streams", "map_names"),
    ("understood", "options", "screen", "markup", "kinds"),
    ("arrays", "glossary", "files", "reading", "stopping", "results", "command_line"),
    ("arguments", "rows"),
    ("stored",),
    ("numbers", "algebra", "targets"),
    ("evidence", "machine"),
    ("checkpoints", "cluster"),
    ("points",),
    ("descent",),
    ("linear",),
    ("networks",),
    ("methods",),
    ("evaluation", "settings"),
    ("claims",),
    ("summary", "costs"),
    ("report", "ladder", "meaning"),
    ("climbing",),
    ("checking", "refutation", "implication"),
    ("rechecking",),
    ("strategies",),
    ("data", "plots", "precision"),
    ("inputs",),
    ("scoring",),
    ("unlearned",),
    ("unlearned_network",),
    ("unlearning",),
    ("sweeping",),
    ("pages",),
    ("terminal", "words", "repeat"),
    ("completing",),
    ("theorem_command",),
    ("check_command", "figure_command", "refute_command", "unlearn_command", "sweep_command"),
    ("cli", "pytest_plugin"),
    ("__main__",),
)
LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms}
# Type-only and name-only: the root package imports lazily, by name, from everywhere.
FREE = {"__init__"}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path, source: str) -> set[str]:
    """Dotted names that a module imports, at any depth of its code and for types too."""
    package = ["muso_theory", *path.relative_to(PACKAGE).parent.parts]
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            found |= {f"{stem}.{alias.name}" for alias in node.names}
    return {name for name in found if name.startswith("muso_theory.")}


def imported_rooms(path: Path, source: str) -> set[str]:
    """Rooms of this package that a module imports."""
    return {name.split(".")[1] for name in imported(path, source)}


def imported_files(path: Path, source: str) -> set[Path]:
    """Files of this package that a module imports; a name from a room that gathers names is that room's file."""
    found = set()
    for name in imported(path, source):
        *stem, last = name.split(".")
        for parts in ([*stem, last], stem):
            place = PACKAGE.joinpath(*parts[1:])
            file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
            if file.is_file():
                found.add(file)
                break
    return found - {path}


def circle(sources: Mapping[Path, str]) -> list[str]:
    """Files that import each other in a circle, or none."""
    try:
        TopologicalSorter({path: imported_files(path, text) for path, text in sources.items()}).prepare()
    except CycleError as error:
        return [str(path.relative_to(PACKAGE)) for path in error.args[1]]
    return []


def violations(path: Path, source: str) -> set[str]:
    here = room_of(path)
    return {
        room
        for room in imported_rooms(path, source)
        if room != here and LEVEL.get(room, -1) >= LEVEL[here] and not room.startswith("__")
    }


MODULES = sorted(p for p in PACKAGE.rglob("*.py") if room_of(p) not in FREE)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_run_one_way(path: Path) -> None:
    assert room_of(path) in LEVEL, f"{room_of(path)} has no place in the order of rooms"
    assert not violations(path, path.read_text(encoding="utf-8"))


SOURCES = {path: path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py"))}


def test_no_files_import_each_other() -> None:
    assert not circle(SOURCES)


@pytest.mark.parametrize(
    "line",
    [
        "from .closed_forms import x",
        "def f():\n    from . import model",
        "if TYPE_CHECKING:\n    from .labels import x",
    ],
)
def test_a_planted_circle_is_seen(line: str) -> None:
    problem = PACKAGE / "linear" / "problem.py"
    assert "linear/problem.py" in circle({**SOURCES, problem: f"{SOURCES[problem]}\n{line}"})


def test_the_order_names_only_what_exists() -> None:
    assert set(LEVEL) == {room_of(path) for path in SOURCES} - FREE


@pytest.mark.parametrize(
    "line",
    [
        "from ..claims import find",
        "import muso_theory.report",
        "from muso_theory import cli",
        "def f():\n    from ..report import Report",
    ],
)
def test_a_planted_upward_import_is_seen(line: str) -> None:
    assert violations(PACKAGE / "linear" / "problem.py", line)


def test_imports_of_lower_rooms_are_allowed() -> None:
    assert not violations(
        PACKAGE / "linear" / "problem.py", "from ..numbers import FLOAT64\nfrom .model import X\nimport numpy"
    )


def untested(tests: set[str]) -> set[str]:
    """Rooms that have no folder of tests."""
    return {path.parent.name for path in PACKAGE.glob("*/__init__.py")} - tests


def test_every_room_has_its_folder_of_tests() -> None:
    folders = {path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")}
    assert not untested(folders)
    assert untested(folders - {"evidence"}) == {"evidence"}


def test_figures_import_only_style_and_plots() -> None:
    for path in (ROOT / "figures").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("muso_theory"):
                room = node.module.removeprefix("muso_theory.").split(".")[0]
                assert room in ("plots", "errors", "files"), path


def named_twice(sources: Mapping[Path, str]) -> set[str]:
    """Public classes that two files define by one name."""
    names = [
        node.name
        for text in sources.values()
        for node in ast.parse(text).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    ]
    return {name for name in names if names.count(name) > 1}


def test_no_public_class_has_the_name_of_another() -> None:
    assert not named_twice(SOURCES)
    assert named_twice({**SOURCES, PACKAGE / "linear" / "more.py": "class Retraining: ..."}) == {"Retraining"}
