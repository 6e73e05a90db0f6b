"""Skips are listed, and fail where they say nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import conftest, skips

ROOT = Path(__file__).resolve().parents[1]


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
    (tmp_path / "test_it.py").write_text(f"import pytest\n\ndef test_one():\n    {skip}\n", encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.skips",
        "-p",
        "no:cacheprovider",
        "-rs",
        "-n",
        processes,
    ]
    done = subprocess.run(
        [*command, "--rootdir", str(tmp_path), "-c", "/dev/null", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == status, done.stdout + done.stderr
    assert ("WITHOUT A REASON" in done.stdout) == bool(status)
    assert ("SKIPPED [1]" in done.stdout) == (skip != "pass")


def test_a_mark_needs_a_reason(tmp_path: Path) -> None:
    marked = "import pytest\n\n@pytest.mark.skip\ndef test_one():\n    pass\n"
    (tmp_path / "test_it.py").write_text(marked, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.skips",
        "-p",
        "no:cacheprovider",
        "-c",
        "/dev/null",
    ]
    done = subprocess.run(
        [*command, "--rootdir", str(tmp_path), str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout


def test_the_suite_lists_its_skips(pytestconfig: pytest.Config) -> None:
    assert "s" in pytestconfig.getoption("reportchars")
    assert conftest.pytest_sessionfinish is skips.pytest_sessionfinish
