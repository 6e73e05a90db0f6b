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
from tests.proofs.judging import judge

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
    assert judge.write(tmp_path, tmp_path / "statements.txt") == []
    lines = []
    for module, parts in re.findall(
        r"^Definition judged_(\w+) := (.*?)\.$",
        (tmp_path / "Listing.v").read_text("utf-8"),
        re.MULTILINE | re.DOTALL,
    ):
        said = " /\\ ".join(re.findall(r"(?<= : Muso\.)Statements\.\w+", parts))
        lines.append(f"judged_{module}\n     : {said} /\\ True\nClosed under the global context\n")
    (tmp_path / "listing.txt").write_text("".join(lines), encoding="utf-8")
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
        ("True\nClosed under the global context", "True\nAxioms:\nbad : False"),
        ("judged_exact_labels", "exact_labels.judged_exact_labels"),
        ("Statements.exact_labels ", "exact_labels.Statements.exact_labels "),
        ("Statements.exact_labels ", "exact_labels "),
    ],
)
def test_a_theorem_that_is_not_closed_takes_its_claim_with_it(checked: Path, old: str, new: str) -> None:
    file = checked / "listing.txt"
    text = file.read_text("utf-8")
    at = text.index("judged_exact_labels\n")
    assert old in text[at:]
    file.write_text(text[:at] + text[at:].replace(old, new, 1), encoding="utf-8")
    result = sealed_result(checked, [CERTIFICATE])
    assert result["certificates"] == {}
    assert "exact-labels" not in result["closed"]


def test_other_statements_are_another_seal(checked: Path) -> None:
    before = sealed_result(checked, [CERTIFICATE])
    file = checked / "Statements.v"
    file.write_text(file.read_text("utf-8").replace("w_u = w_r.", "w_u = w_u."), encoding="utf-8")
    assert sealed_result(checked, [CERTIFICATE])["export"] != before["export"]


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


EQUAL = """theorem forge/equal
  matrix A : m x c
  matrix B : m x c
  conclude A = B
"""
ZERO = """theorem forge/zero
  matrix A : m x c
  conclude A - A = 0
"""
DOUBLE = """theorem forge/double
  matrix A : m x m
  assume two: A = 2 I
  conclude A + A = 42 I
"""
IMPORTS = """From mathcomp Require Import all_ssreflect all_algebra.
Import GRing.Theory.
Local Open Scope ring_scope.
"""
RIGHT = """Theorem forge_zero : forall (R : realFieldType) (m c : nat) (A : 'M[R]_(m, c)), A - A = 0.
Proof. by move=> R m c A; rewrite subrr. Qed.
"""
FORGED = {
    "a size that is a constant": (EQUAL, """Definition c := 0%N.
Theorem forge_equal : forall (R : realFieldType) (m : nat) (A B : 'M[R]_(m, c)), A = B.
Proof. by move=> R m A B; apply/matrixP=> i []. Qed.
"""),
    "a size that exists": (EQUAL, """Theorem forge_equal :
  forall (R : realFieldType) (m : nat), exists c : nat, forall A B : 'M[R]_(m, c), A = B.
Proof. by move=> R m; exists 0%N => A B; apply/matrixP=> i []. Qed.
"""),
    "a notation": (EQUAL, """Notation "x = y" := True : type_scope.
Theorem forge_equal : forall (R : realFieldType) (m c : nat) (A B : 'M[R]_(m, c)), A = B.
Proof. by move=> *. Qed.
"""),
    "a module of the same name": (EQUAL, """Module Statements. Definition forge_equal := True. End Statements.
Module Muso. Module Statements. Definition forge_equal := True. End Statements. End Muso.
Theorem forge_equal : True. Proof. by []. Qed.
"""),
    "something else": (EQUAL, "Theorem forge_equal : True. Proof. by []. Qed.\n"),
    "an admission": (EQUAL, """Theorem forge_equal : forall (R : realFieldType) (m c : nat) (A B : 'M[R]_(m, c)), A = B.
Admitted.
"""),
    "a loop": (EQUAL, """Unset Guard Checking.
Fixpoint loop (n : nat) : False := loop n.
Set Guard Checking.
Theorem forge_equal : forall (R : realFieldType) (m c : nat) (A B : 'M[R]_(m, c)), A = B.
Proof. case: (loop 0). Qed.
"""),
    "an axiom": (EQUAL, """Axiom any : forall (R : realFieldType) (m c : nat) (A B : 'M[R]_(m, c)), A = B.
Theorem forge_equal : forall (R : realFieldType) (m c : nat) (A B : 'M[R]_(m, c)), A = B.
Proof. exact: any. Qed.
"""),
    "another number": (DOUBLE, """Theorem forge_double :
  forall (R : realFieldType) (m : nat) (A : 'M[R]_(m, m)), A = 21%:M -> A + A = 42%:M.
Proof. by move=> R m A ->; rewrite -raddfD -natrD. Qed.
"""),
    "one field": (ZERO, """Theorem forge_zero : forall (m c : nat) (A : 'M[rat]_(m, c)), A - A = 0.
Proof. by move=> m c A; rewrite subrr. Qed.
"""),
    "another addition": (EQUAL, """Definition other (T : Type) (x y : T) := True.
Theorem forge_equal : forall (R : realFieldType) (m c : nat) (A B : 'M[R]_(m, c)), other _ A B.
Proof. by move=> *. Qed.
"""),
}  # fmt: skip


def asked(folder: Path, stated: str, proofs: str) -> bool:
    """Whether Coq finds that a file proves what is stated, with no axiom."""
    (folder / "statements.txt").write_text(stated, encoding="utf-8")
    (folder / "forge.v").write_text(IMPORTS + proofs, encoding="utf-8")
    judge.write(folder, folder / "statements.txt")
    listing = (folder / "Listing.v").read_text("utf-8")
    # What Trust.v proves is asked by the tests of a whole claim.
    listing = re.sub(
        r"Definition judged_Trust .*?Print Assumptions judged_Trust\.", "", listing, flags=re.DOTALL
    )
    (folder / "Listing.v").write_text(listing.replace("Statements Trust", "Statements"), encoding="utf-8")
    for name in ("forge.v", "Statements.v", "Listing.v"):
        command = ["coqc", "-w", "none", "-Q", ".", "Muso", name]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
        if name != "Listing.v":
            assert done.returncode == 0, done.stdout + done.stderr
    (folder / "listing.txt").write_text(done.stdout, encoding="utf-8")
    lacking = judge.judged(folder / "statements.txt", folder / "listing.txt")
    return done.returncode == 0 and not [
        name for name in lacking if "_needs_" not in name and "_not_" not in name
    ]


@COQ
def test_what_is_stated_is_found(tmp_path: Path) -> None:
    assert asked(tmp_path, ZERO, RIGHT)


@COQ
@pytest.mark.parametrize("trick", FORGED)
def test_another_statement_does_not_pass_for_what_is_stated(tmp_path: Path, trick: str) -> None:
    assert not asked(tmp_path, *FORGED[trick])


STEPS = """theorem forge/first
  matrix v : D x c
  let w_s = v
  conclude w_s = v

theorem forge/next
  matrix v : D x c
  matrix w : D x c
  assume known: w = v
  let w_next = w + 0 v
  conclude w_next = v

theorem forge/all
  induction over the number of steps
  matrix v : D x c
  state w : D x c
  predicate w = v
  base forge/first with w = w_s
  step forge/next from w = w to w = w_next
"""
BUILT = """Inductive forge_all_built (R : realFieldType) (D c : nat) (v : 'M[R]_(D, c)) :
  forall (w : 'M[R]_(D, c)), Prop :=
  | forge_all_base : forall (w_s : 'M[R]_(D, c)), w_s = v -> @forge_all_built R D c v w_s
  | forge_all_step : forall (w w_next : 'M[R]_(D, c)), w_next = w + 0 *: v ->
    @forge_all_built R D c v w -> @forge_all_built R D c v w_next.
Theorem forge_all : forall (R : realFieldType) (D c : nat) (v w : 'M[R]_(D, c)), @forge_all_built R D c v w -> w = v.
Proof. by move=> R D c v w; elim=> [_ -> //|_ _ -> _ ->]; rewrite scale0r addr0. Qed.
Theorem forge_first : forall (R : realFieldType) (D c : nat) (v w_s : 'M[R]_(D, c)), w_s = v -> w_s = v.
Proof. by []. Qed.
Theorem forge_next : forall (R : realFieldType) (D c : nat) (v w : 'M[R]_(D, c)), w = v ->
  forall w_next : 'M[R]_(D, c), w_next = w + 0 *: v -> w_next = v.
Proof. by move=> R D c v w -> _ ->; rewrite scale0r addr0. Qed.
"""


@COQ
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("", ""),
        ("(w_s : 'M[R]_(D, c)), w_s = v -> @forge", "(w_s : 'M[R]_(D, c)), w_s = v -> w_s = 0 -> @forge"),
        (
            "    @forge_all_built R D c v w -> @forge_all_built",
            "    w = 0 -> @forge_all_built R D c v w -> @forge_all_built",
        ),
        ("(v w : 'M[R]_(D, c)), @forge_all_built R D c v w ->", "(v w : 'M[R]_(D, c)), w = v ->"),
    ],
)
def test_an_induction_is_of_everything_that_is_built(tmp_path: Path, old: str, new: str) -> None:
    proofs = BUILT.replace(old, new, 1) if old else BUILT
    assert old in BUILT
    if old:
        proofs = proofs.replace("elim=> [_ -> //|_ _ -> _ ->]", "elim=> [_ -> //|_ _ -> *]; subst").replace(
            "by move=> R D c v w; elim=> [_ -> //|_ _ -> *]; subst; rewrite scale0r addr0.",
            "move=> R D c v w; (by []) || (elim=> * ; subst; by rewrite ?scale0r ?addr0).",
        )
    assert asked(tmp_path, STEPS, proofs) == (not old)
