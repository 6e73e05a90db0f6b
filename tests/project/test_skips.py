"""Skips are listed, and fail where they say nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT, conftest, skips


def run(folder: Path, content: str, processes: str = "0") -> subprocess.CompletedProcess[str]:
    """Run one file of tests with the plugin, and without the settings of this project."""
    (folder / "test_it.py").write_text(f"import pytest\n\n{content}\n", encoding="utf-8")
    plugins = ("-p", "tests.skips", "-p", "no:cacheprovider")
    settings = ("-rs", "-n", processes, "--doctest-modules", "-c", "/dev/null", "--rootdir", str(folder))
    command = [sys.executable, "-m", "pytest", *plugins, *settings, str(folder)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.slow
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


@pytest.mark.parametrize("every_extra", [False, True])
def test_an_extra_is_missed_only_where_it_can_be(
    every_extra: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EVERY_EXTRA", raising=False)
    if every_extra:
        monkeypatch.setenv("EVERY_EXTRA", "1")
    done = run(tmp_path, "def test_one():\n    pytest.skip('needs the extra [cluster]')")
    assert done.returncode == every_extra, done.stdout
    assert ("WHERE EVERY EXTRA IS" in done.stdout) == every_extra


@pytest.mark.parametrize(
    "content",
    [
        "@pytest.mark.skipif('True')\ndef test_one():\n    pass",
        "def test_one():\n    '''>>> 1  # doctest: +SKIP'''\n    pytest.skip('said')",
    ],
)
def test_what_pytest_says_by_itself_is_no_reason(content: str, tmp_path: Path) -> None:
    done = run(tmp_path, content)
    assert done.returncode == 1, done.stdout


def test_the_suite_lists_its_skips(pytestconfig: pytest.Config) -> None:
    assert "s" in pytestconfig.getoption("reportchars")
    assert conftest.pytest_sessionfinish is skips.pytest_sessionfinish
