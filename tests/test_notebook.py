"""The tutorial runs from top to bottom, and keeps no outputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).resolve().parents[1] / "figures" / "tutorial.ipynb"


def cells(kind: str) -> list[dict[str, Any]]:
    read = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert (read["nbformat"], read["nbformat_minor"]) == (4, 5)
    return [cell for cell in read["cells"] if cell["cell_type"] == kind]


def run(sources: list[str]) -> dict[str, Any]:
    names: dict[str, Any] = {}
    for source in sources:
        exec(compile(source, str(NOTEBOOK), "exec"), names)
    return names


def test_the_tutorial_runs() -> None:
    names = run(["".join(cell["source"]) for cell in cells("code")])
    assert names["picture"].startswith(b"\x89PNG")
    found = [gap for _, gap, _ in names["gaps"]]
    assert found[-1] < 1e-6 < min(found[:-1])


def test_outputs_are_stripped() -> None:
    for cell in cells("code"):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None


def test_a_failing_cell_fails() -> None:
    with pytest.raises(NameError):
        run(["x = 1", "nothing"])
