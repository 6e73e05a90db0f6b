"""Skips are listed, and fail where they say nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import conftest, skips

ROOT = Path(__file__).resolve().parents[1]


def run(folder: Path, content: str, processes: str = "0") -> subprocess.CompletedProcess[str]:
    """Run one file of tests with the plugin, and without the settings of this project."""
    (folder / "test_it.py").write_text(f"import pytest\n\n{content}\n", encoding="utf-8")
    plugins = ("-p", "tests.skips", "-p", "no:cacheprovider")
    settings = ("-rs", "-n", processes, "-c", "/dev/null", "--rootdir", str(folder))
    command = [sys.executable, "-m", "pytest", *plugins, *settings, str(folder)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("processes", ["0", "2"])
@pytest.mark.parametrize(
    ("skip", "status"),
    [
        ("pytest.skip('no browser here')", 0),
        ("pytest.importorskip('no_such_module')", 0),
        ("pass", 0),
        ("pytest.skip()", 1),
        ("pytest.skip('  ')", 1),
    ],
)
def test_a_skip_needs_a_reason(skip: str, status: int, processes: str, tmp_path: Path) -> None:
    done = run(tmp_path, f"def test_one():\n    {skip}", processes)
    assert done.returncode == status, done.stdout + done.stderr
    assert ("WITHOUT A REASON" in done.stdout) == bool(status)
    assert ("SKIPPED [1]" in done.stdout) == (skip != "pass")


def test_a_mark_needs_a_reason(tmp_path: Path) -> None:
    done = run(tmp_path, "@pytest.mark.skip\ndef test_one():\n    pass")
    assert done.returncode == 1, done.stdout


def test_the_suite_lists_its_skips(pytestconfig: pytest.Config) -> None:
    assert "s" in pytestconfig.getoption("reportchars")
    assert conftest.pytest_sessionfinish is skips.pytest_sessionfinish
