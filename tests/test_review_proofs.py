"""What a hostile reading of proofs and refutations found: each test holds one defect shut."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.algebra.polynomial import AlgebraError
from muso_theory.algebra.statement import parse_statement
from muso_theory.errors import MusoError
from muso_theory.refutation import Counterexample, Failure, exact_square_gap, refute_report
from muso_theory.refutation.replaying import replay

ROOM = Path(__file__).resolve().parents[1] / "proofs"


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


PROBLEM = mt.UnlearningProblem(np.array([[1, 0, 1], [1, 1, 0]]), np.array([1, 2]), [1])
OPTIMAL = Fraction(1, 2)


def stored(tmp_path: Path, **changes: object) -> Path:
    """An honest counterexample of a rule that cannot be found, changed."""
    labels = np.array([Fraction(1)])
    gap = exact_square_gap(PROBLEM, labels)
    found = Counterexample(PROBLEM, "nobody:rule", "labels", Failure.GAP, labels, gap, True)
    file = tmp_path / "counterexample.json"
    file.write_text(json.dumps({**json.loads(found.to_json()), **changes}))
    return file


@pytest.mark.parametrize(
    "changes",
    [
        {"failure": "RAISES", "square_gap": "999"},
        {"failure": "CLAIM", "square_gap": "999"},
        {"values": None, "square_gap": "999"},
        {"failure": "NOT_FINITE", "values": ["1/2"], "square_gap": None},
    ],
    ids=["other-failure", "claim-of-a-rule", "no-values", "optimal-label"],
)
def test_a_replay_confirms_no_gap_that_it_did_not_compute(tmp_path: Path, changes: dict[str, object]) -> None:
    try:
        said, status = replay(stored(tmp_path, **changes))
    except MusoError:
        return
    assert "the gap is confirmed" not in said
    assert not said.startswith("REFUTED")
    assert status != 1


def test_a_replay_holds_a_float_rule_to_its_tolerance(tmp_path: Path) -> None:
    label = OPTIMAL + Fraction(1, 10**30)
    gap = exact_square_gap(PROBLEM, np.array([label], dtype=object))
    file = stored(tmp_path, exact=False, values=[str(label)], square_gap=str(gap))
    try:
        said, _ = replay(file)
    except MusoError:
        return
    assert not said.startswith("REFUTED")


def test_a_replayed_claim_shows_its_own_numbers(tmp_path: Path) -> None:
    found = refute_report("start-span", without="start-in-span").counterexample
    assert found is not None
    file = tmp_path / "claim.json"
    file.write_text(json.dumps({**json.loads(found.to_json()), "square_gap": "999", "detail": "forged"}))
    try:
        said, _ = replay(file)
    except MusoError:
        return
    assert "999" not in said
    assert "forged" not in said


def test_the_script_of_a_rule_that_raises_many_lines_is_python() -> None:
    def rule(problem: mt.UnlearningProblem) -> object:
        raise ValueError("first line\nraise SystemExit('second line is code')")

    found = refute_report(rule, max_examples=3, guided=0).counterexample
    assert found is not None
    assert not any(isinstance(node, ast.Raise) for node in ast.walk(ast.parse(found.to_python())))
