"""Where the tests run: versions that are locked, environments that differ."""

from __future__ import annotations

import re
import subprocess
import tomllib
from itertools import combinations
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests import ROOT
from verification.kernels import KERNELS

LOCK = ROOT / ".ci" / "constraints.txt"
PYTHONS = ("3.11.7", "3.12.1", "3.13.0")

needs_ci = pytest.mark.skipif(not LOCK.exists(), reason="a source distribution holds no .ci")


def declared() -> list[Requirement]:
    """What pyproject.toml names, with every extra, but for this package's own extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [
        *project["dependencies"],
        *(one for extra in project["optional-dependencies"].values() for one in extra),
    ]
    return [one for one in map(Requirement, lines) if one.name != project["name"]]


def unlocked(lock: list[str], wanted: list[Requirement], python: str) -> list[str]:
    """What a Python would install in another version than the lock's: because that has none, or one too low."""
    here = {
        **default_environment(),
        "python_full_version": python,
        "python_version": python.rpartition(".")[0],
    }
    versions = {}
    for one in map(Requirement, lock):
        if one.marker is None or one.marker.evaluate(here):
            [pin] = one.specifier
            versions[canonicalize_name(one.name)] = pin.version if pin.operator == "==" else ""
    return [
        one.name
        for one in wanted
        if not one.specifier.contains(versions.get(canonicalize_name(one.name), "0"))
    ]


@needs_ci
@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_holds_all_that_is_declared(python: str) -> None:
    lock = LOCK.read_text(encoding="utf-8").splitlines()
    wanted = declared()
    assert len(wanted) > 30
    assert unlocked(lock, wanted, python) == []
    assert unlocked([line for line in lock if not line.startswith("numpy==")], wanted, python) == ["numpy"]
    assert unlocked([re.sub("^typer==.*", "typer==0.12.0", line) for line in lock], wanted, python) == [
        "typer"
    ]


@needs_ci
def test_the_lock_names_versions_and_no_place() -> None:
    for line in LOCK.read_text(encoding="utf-8").splitlines():
        assert re.fullmatch(r"[a-z0-9.-]+==[a-z0-9.]+( ; [^:/]+)?", line), line


def environments(text: str) -> list[dict[str, str]]:
    """The environments of CI but the first."""
    found = re.findall(r"^elsewhere (\S+) (\S+) (\S+) (\S+)(.*)$", text, re.MULTILINE)
    return [
        dict(zip(("python", "versions", "kernel", "threads", "options"), one, strict=True)) for one in found
    ]


@needs_ci
def test_environments_differ_in_all_that_varies() -> None:
    found = environments((ROOT / ".ci" / "run").read_text(encoding="utf-8"))
    assert [one["python"] for one in found] == ["3.11", "3.12", "3.13"]
    assert [one["versions"] for one in found] == ["lowest", "newest", "newest"]
    for one, other in combinations(found, 2):
        assert one["kernel"] != other["kernel"]
    assert {one["kernel"] for one in found} < KERNELS.keys()
    assert {one["threads"] for one in found} == {"1", "2"}
    for one in found:
        assert re.findall('-m "([^"]+)"', one["options"]) == (
            ["not slow"] if one["versions"] == "lowest" else ["numeric and not slow"]
        )
    [shuffled] = [one["options"] for one in found if "--random-order " in one["options"]]
    assert "-n 2 " in shuffled
    assert "--random-order-seed=" in shuffled


@needs_ci
def test_a_python_that_is_not_here_is_told(tmp_path: Path) -> None:
    command = ["bash", str(ROOT / ".ci" / "environment"), "3.99", "newest", str(tmp_path / "none")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, "python3.99: not on this machine\n")
    assert not (tmp_path / "none").exists()
