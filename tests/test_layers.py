"""Imports run one way. A room may import the rooms before it in this list, never those after."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "muso_theory"

ORDER = (
    ("errors", "verdict", "steps"),
    ("understood", "options", "screen", "markup"),
    ("arrays", "glossary", "files", "reading", "stopping", "results", "command_line"),
    ("arguments",),
    ("numbers", "algebra"),
    ("evidence", "machine"),
    ("checkpoints",),
    ("points",),
    ("linear",),
    ("networks",),
    ("evaluation",),
    ("claims",),
    ("summary", "costs"),
    ("report", "ladder"),
    ("checking", "refutation", "proving", "implication"),
    ("rechecking",),
    ("strategies",),
    ("data", "plots", "precision"),
    ("inputs",),
    ("scoring",),
    ("unlearned",),
    ("unlearning",),
    ("sweeping",),
    ("pages",),
    ("terminal", "words", "repeat"),
    ("completing",),
    ("check_command", "figure_command", "refute_command", "unlearn_command", "sweep_command"),
    ("cli", "pytest_plugin"),
    ("__main__",),
)
LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms}
# Type-only and name-only: the root package imports lazily, by name, from everywhere.
FREE = {"__init__"}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path: Path, source: str) -> set[str]:
    """Rooms of this package that a module imports, at any depth of its code."""
    package = ["muso_theory", *path.relative_to(PACKAGE).parent.parts]
    found = set()
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            names = [stem] if stem != "muso_theory" else [f"{stem}.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "muso_theory" and len(parts) > 1:
                found.add(parts[1])
    return found


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


def test_figures_import_only_style_and_plots() -> None:
    for path in (ROOT / "figures").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("muso_theory"):
                room = node.module.removeprefix("muso_theory.").split(".")[0]
                assert room in ("plots", "errors", "files"), path
