"""Tries to have a status say "two kernels" where Coq has not checked the claim: each must be noticed."""

import copy
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from muso_theory.algebra.coq.export import coq_files
from muso_theory.algebra.polynomial import AlgebraError
from muso_theory.claims.theorems.sealing import KERNEL, seal, sealed_result
from muso_theory.errors import BadInputError
from tests import ROOT

ROOM = ROOT / "proofs"
CERTIFICATE = json.loads((ROOM / "certificates" / "exact-labels.json").read_text(encoding="utf-8"))
COQ = pytest.mark.skipif(shutil.which("coqc") is None, reason="coqc is not installed: apt-get install coq")


@pytest.fixture
def checked(tmp_path: Path) -> Path:
    """A folder as check.sh leaves it, with a listing in which all is closed."""
    files = coq_files([CERTIFICATE]).files
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    for name in KERNEL:
        shutil.copy(ROOM / "coq" / name, tmp_path)
    names = re.findall(r"^Print Assumptions (\w+\.\w+)\.$", files["Listing.v"], re.MULTILINE)
    listing = "".join(f"{name}\n     : True\nClosed under the global context\n" for name in names)
    (tmp_path / "listing.txt").write_text(listing, encoding="utf-8")
    return tmp_path


def test_what_is_sealed_without_a_trick(checked: Path) -> None:
    result = sealed_result(checked, [CERTIFICATE])
    assert list(result["certificates"]) == ["exact-labels"]
    assert set(result["closed"]) == {node["name"] for node in CERTIFICATE["theorems"]}
    assert result["beyond"] == {}


def test_an_edited_export_is_not_sealed(checked: Path) -> None:
    file = checked / "exact_labels.v"
    file.write_text(file.read_text("utf-8").replace("w_u = w_r.", "w_u = w_u."), encoding="utf-8")
    with pytest.raises(BadInputError, match=r"another exact_labels\.v"):
        sealed_result(checked, [CERTIFICATE])


def test_an_edited_file_by_hand_is_another_seal(checked: Path) -> None:
    before = sealed_result(checked, [CERTIFICATE])
    file = checked / "Algebra.v"
    file.write_text(file.read_text("utf-8").replace("X *m A *m X = X, ", ""), encoding="utf-8")
    after = sealed_result(checked, [CERTIFICATE])
    assert after["export"] != before["export"]
    assert not seal(after, write=False)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (": True\nClosed under the global context", ": True\nAxioms:\nbad : False"),
        ("exact_labels.exact_labels\n", "other.exact_labels\n"),
        ("exact_labels.exact_labels\n", "exact_labels\n"),
    ],
)
def test_a_theorem_that_is_not_closed_takes_its_claim_with_it(checked: Path, old: str, new: str) -> None:
    file = checked / "listing.txt"
    text = file.read_text("utf-8")
    at = text.index("exact_labels.exact_labels\n")
    file.write_text(text[:at] + text[at:].replace(old, new, 1), encoding="utf-8")
    result = sealed_result(checked, [CERTIFICATE])
    assert result["certificates"] == {}
    assert "exact-labels" not in result["closed"]


def test_a_certificate_of_nothing_is_not_sealed(checked: Path) -> None:
    nothing = {**CERTIFICATE, "claim": "nothing", "theorems": []}
    assert "nothing" not in sealed_result(checked, [CERTIFICATE, nothing])["certificates"]


def test_no_theorem_vouches_for_another_of_the_same_name_in_coq() -> None:
    twin = copy.deepcopy(CERTIFICATE["theorems"][-1])
    twin["name"] = "exact_labels"
    with pytest.raises(AlgebraError, match="same name in Coq"):
        coq_files([{**CERTIFICATE, "theorems": [*CERTIFICATE["theorems"], twin]}])


@pytest.mark.parametrize(
    ("line", "new", "reason"),
    [
        ("assume optimal-label: ytilde_F = Phi_F w_r", "assume small: 0 <= w_0", "'<'"),
        ("assume optimal-label: ytilde_F = Phi_F w_r", "norm w_0", "norm"),
        ("conclude w_u = w_r", "conclude w_u <= w_r", "<"),
    ],
)
def test_what_the_exporter_does_not_know_is_named_and_left_out(line: str, new: str, reason: str) -> None:
    changed = copy.deepcopy(CERTIFICATE)
    node = changed["theorems"][-1]
    node["statement"] = [new if text == line else text for text in node["statement"]]
    assert new in node["statement"]
    missing = coq_files([changed]).missing
    assert list(missing) == ["exact-labels"]
    assert reason in missing["exact-labels"]


def test_an_unknown_rule_is_named_and_left_out() -> None:
    changed = copy.deepcopy(CERTIFICATE)
    changed["theorems"][-1]["steps"][-1]["rule"] = "positivity"
    assert "'positivity'" in coq_files([changed]).missing["exact-labels"]


@pytest.mark.parametrize("name", KERNEL)
def test_files_by_hand_use_no_command_that_could_hide_something(name: str) -> None:
    assert suspicious((ROOM / "coq" / name).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "planted",
    [
        "Axiom a : False.",
        "Lemma a : False. Admitted.",
        "Unset Guard Checking.",
        "#[bypass_check(guard)] Fixpoint a := a.",
        "Canonical other_zmodType m n := ZmodType 'M_(m, n) other.",
        "Coercion a : b >-> c.",
        'Notation "x + y" := (x - y).',
        "Parameter a : False.",
        "Ltac a := admit.",
    ],
)
def test_such_a_command_is_seen(planted: str) -> None:
    assert suspicious(planted)


def suspicious(text: str) -> list[str]:
    """Commands by which a file could assume something, switch a check off, or change how others are read."""
    text = re.sub(r"\(\*.*?\*\)", "", text, flags=re.DOTALL)
    for known in ("Notation Q := QArith_base.Q.", 'Notation "n # d" :=', "Unset Strict Implicit.",
                  "Unset Printing Implicit Defensive."):  # fmt: skip
        text = text.replace(known, "")
    return re.findall(
        r"\b(?:Axioms?|Parameters?|Conjecture|Admitted|admit|Unset|bypass_check|Canonical|Coercion|Notation|Infix"
        r"|Structure|Declare|Primitive|Register)\b",
        text,
    )


@COQ
def test_coq_tells_what_rests_on_a_trick_and_prints_no_notation_of_ours(tmp_path: Path) -> None:
    tricks = """From mathcomp Require Import all_ssreflect ssralg ssrnum matrix.
Import GRing.Theory.
Local Open Scope ring_scope.
Axiom bad : False.
Theorem axiom : False. Proof. exact: bad. Qed.
Theorem admitted : False. Admitted.
Unset Guard Checking.
Fixpoint loop (n : nat) : False := loop n.
Set Guard Checking.
Theorem unguarded : False. Proof. exact (loop 0). Qed.
Notation "x + y" := (x - y) : ring_scope.
Theorem shadowed : forall (R : realFieldType) (x : R), x + x = 0. Proof. by move=> R x; rewrite subrr. Qed.
"""
    (tmp_path / "tricks.v").write_text(tricks, encoding="utf-8")
    header = coq_files([CERTIFICATE]).files["Listing.v"].partition("\n\n")[0]
    names = ("axiom", "admitted", "unguarded")
    printing = "".join(f"Print Assumptions tricks.{name}.\n" for name in names) + "Check @tricks.shadowed.\n"
    text = re.sub(r"Require Algebra.*\.", "Require tricks.", header) + "\n" + printing
    (tmp_path / "Printed.v").write_text(text, encoding="utf-8")
    for name in ("tricks.v", "Printed.v"):
        command = ["coqc", "-w", "none", "-Q", ".", "Muso", name]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("Axioms:") == len(names)
    assert "Closed" not in done.stdout
    assert "x - x = 0" in done.stdout
    assert "x + x" not in done.stdout
