"""Imports run one way: no two files import each other, and a room imports only rooms before it in this list."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests import ROOT

PACKAGE = ROOT / "muso_theory"

ORDER = (
    ("errors", "verdict", "steps", "streams", "map_names"),
    ("former",),
    ("lazy",),
    ("understood", "options", "screen", "markup"),
    ("arrays", "glossary", "files"),
    ("labelled",),
    ("arguments", "rows"),
    ("mapped",),
    ("numbers", "algebra", "targets"),
    ("evidence", "machine", "stored"),
    ("parallel",),
    ("descent",),
    ("linear",),
    ("networks",),
    ("methods",),
    ("evaluation", "settings"),
    ("claims",),
    ("checking", "refutation"),
    ("strategies",),
    ("data", "plots", "precision"),
    ("inputs",),
    ("unlearning",),
    ("pages",),
    ("commands", "pytest_plugin"),
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
        "import muso_theory.checking.report",
        "from muso_theory import commands",
        "def f():\n    from ..checking.report import Report",
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


# Modules that are found by the names in them: each figure, and each file of theorems, has its own under the same one.
FOUND_BY_NAME = {
    "plots/figures": {"CAPTION", "NEEDS", "OWN", "draw", "own", "told"},
    "claims/theorems": {"THEOREMS"},
}
# A function that is a command bears its name, as does the function that it calls.
COMMANDS = "commands"
TWO_OF_A_NAME = {
    "load": "data.load and networks.load: rooms that users call by name",
    "train": "linear.train and networks.train, likewise",
    "solve": "mt.solve is what users call; the algebra solves its equations in a file of its own",
    "pseudo_inverse": "the rulebook is naive on purpose, and shares nothing with what it is held against",
    "Matrix": "of an arithmetic, and of the algebra's Fractions",
    "Part": "of a pass over spans of rows, and of a page of theorems",
    "parts": "likewise",
}


def defined(tree: ast.Module) -> Iterator[str]:
    """Public names that a module defines, but for variables of types."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            if isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == "TypeVar":
                continue
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name))


def named_twice(sources: Mapping[Path, str]) -> set[str]:
    """Public names that two files define: classes, functions, constants and names of types."""
    found: list[str] = []
    for path, text in sources.items():
        room = path.parent.relative_to(PACKAGE).as_posix()
        names = {name for name in defined(ast.parse(text)) if not name.startswith("_")}
        if room == COMMANDS:
            names = {name for name in names if not name.islower()}
        found += names - FOUND_BY_NAME.get(room, set())
    return {name for name in found if found.count(name) > 1}


def test_no_public_name_is_that_of_another() -> None:
    assert named_twice(SOURCES) <= TWO_OF_A_NAME.keys()


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("class Retraining: ...", "Retraining"),
        ("def row_blocks(): ...", "row_blocks"),
        ("LOSSES = ()", "LOSSES"),
        ("FIRST, LOSSES = (), ()", "LOSSES"),
        ("Rows: TypeAlias = range", "Rows"),
    ],
)
def test_a_planted_second_name_is_seen(line: str, name: str) -> None:
    planted = {**SOURCES, PACKAGE / "linear" / "more.py": line}
    assert named_twice(planted) - TWO_OF_A_NAME.keys() == {name}


def test_campaigns_name_their_types_otherwise_than_the_package() -> None:
    """But for an Array, which twins that share no code with the package write down themselves."""
    types = [
        name
        for path in [*SOURCES, *(ROOT / "verification").rglob("*.py")]
        for name in set(defined(ast.parse(path.read_text(encoding="utf-8"))))
        if re.fullmatch("[A-Z]+[a-z].*", name)
    ]
    assert {name for name in types if types.count(name) > 1} <= {"Array", *TWO_OF_A_NAME}
