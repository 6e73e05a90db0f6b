"""The stand-alone checker on forged certificates, and what statements list as assumed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from muso_theory.algebra.polynomial import AlgebraError
from muso_theory.algebra.statement import parse_statement
from tests import ROOT

ROOM = ROOT / "proofs"


def run_checker(*files: Path) -> subprocess.CompletedProcess[str]:
    """The stand-alone checker, as anyone would run it."""
    command = [sys.executable, "-I", "-S", str(ROOM / "check.py"), *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


def renamed(name: str) -> str:
    """A certificate whose first lemma is called otherwise, and used under that name."""
    certificate = json.loads((ROOM / "certificates" / "exact-labels.json").read_text())
    step = next(s for node in certificate["theorems"] for s in node["steps"] if s["rule"] == "lemma")
    step["lemma"] = certificate["theorems"][0]["name"] = name
    return json.dumps(certificate)


def test_a_rejected_certificate_cannot_write_lines_of_acceptance(tmp_path: Path) -> None:
    file = tmp_path / "forged.json"
    file.write_text(renamed("x\naccepted exact-labels\n19 of 19 certificates accepted"))
    result = run_checker(file)
    assert result.returncode == 1
    assert not any(line.startswith(("accepted", "19 of 19")) for line in result.stdout.splitlines())


def test_a_lone_surrogate_is_rejected_without_a_traceback(tmp_path: Path) -> None:
    file = tmp_path / "surrogate.json"
    file.write_text(renamed("\ud800"))
    result = run_checker(file)
    assert "Traceback" not in result.stderr
    assert "0 of 1 certificates accepted" in result.stdout


def test_an_unknown_version_is_bad_input(tmp_path: Path) -> None:
    file = tmp_path / "version.json"
    text = (ROOM / "certificates" / "exact-labels.json").read_text()
    file.write_text(json.dumps({**json.loads(text), "version": 2}))
    assert run_checker(file).returncode == 2


def test_an_induction_lists_the_hypotheses_of_its_base() -> None:
    lines = run_checker(ROOM / "certificates" / "cyclic-sgd.json").stdout.splitlines()
    start = next(i for i, line in enumerate(lines) if "cyclic-sgd/one-pass:" in line)
    # one-sample, the base, assumes that every gamma is invertible; with gamma = 0 there is no M with M G = I.
    assert "nonzero-step" in lines[start + 1]


def test_a_partition_of_known_sizes_is_no_free_choice() -> None:
    # n, r and f are sizes of the data already: n = r + f restricts them, though no line says "assume".
    lines = ["matrix A : n x r", "matrix B : n x f", "partition n = r + f by S, T", "conclude S S' = I"]
    with pytest.raises(AlgebraError):
        parse_statement("demo", lines)
