"""The second kernel: every theorem is exported, the seal is current, and Coq rejects what does not follow."""

import hashlib
import json
import re
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import muso_theory as mt
from muso_theory.algebra.coq.export import PROJECT, Export, claim_file, coq_files
from muso_theory.algebra.coq.lines import conclusions, entries
from muso_theory.algebra.coq.syntax import read_expression
from muso_theory.algebra.polynomial import AlgebraError
from muso_theory.claims.theorems.kernels import SEAL, beyond, in_words, kernels
from muso_theory.claims.theorems.registry import THEOREMS, slugs
from muso_theory.claims.theorems.sealing import KERNEL, _beyond
from muso_theory.claims.theorems.status import theorem_status
from muso_theory.errors import BadInputError
from tests import ROOT
from tests.proofs.judging import judge, statements

ROOM = ROOT / "proofs"
STATED = judge.blocks_of((ROOM / "statements.txt").read_text(encoding="utf-8"))
WORDS = ("is_pinv", "row_partition", "is_left_inverse", "is_right_inverse", "is_inverse", "same_scalar")
CERTIFICATES = [
    json.loads(f.read_text(encoding="utf-8")) for f in sorted((ROOM / "certificates").glob("*.json"))
]
COQ = pytest.mark.skipif(shutil.which("coqc") is None, reason="coqc is not installed: apt-get install coq")


@pytest.fixture(scope="module")
def export() -> Export:
    return coq_files(CERTIFICATES)


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that are written by hand, compiled."""
    folder = tmp_path_factory.mktemp("coq")
    for name in KERNEL:
        shutil.copy(ROOM / "coq" / name, folder)
        # Limits.v needs theorems of claims, which are compiled by the test that is about it.
        assert name == "Limits.v" or compiled(folder, name).returncode == 0
    return folder


@pytest.fixture(scope="module")
def limits(kernel: Path, export: Export) -> Path:
    """The same folder with what Limits.v needs."""
    needs = re.findall(
        r"^From Muso Require Import Algebra Convergence (.*)\.$", source("Limits.v"), re.MULTILINE
    )
    for name in needs[0].split():
        (kernel / f"{name}.v").write_text(export.files[f"{name}.v"], encoding="utf-8")
        assert compiled(kernel, f"{name}.v").returncode == 0
    return kernel


def source(name: str) -> str:
    return (ROOM / "coq" / name).read_text(encoding="utf-8")


def compiled(folder: Path, name: str) -> subprocess.CompletedProcess[str]:
    command = ["coqc", "-w", "none", "-Q", ".", "Muso", name]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)


def test_every_theorem_is_exported(export: Export) -> None:
    assert not export.missing
    text = "\n".join(export.files.values())
    assert set(re.findall(r"^\(\* theorem (\S+)", text, re.MULTILINE)) == set(THEOREMS)


def test_a_proof_hands_out_its_file(export: Export) -> None:
    assert mt.prove("exact-labels").to_coq() == export.files["exact_labels.v"]


def test_a_theorem_without_counterpart_is_left_out_with_what_uses_it() -> None:
    (certificate,) = (c for c in CERTIFICATES if c["claim"] == "exact-labels")
    changed = json.loads(json.dumps(certificate).replace('"pinv A"', '"norm A"', 1))
    missing = coq_files([changed]).missing
    assert "lemma/pseudo-inverse" in missing
    assert missing["exact-labels"].startswith("it uses ")


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["matrix A : m x m", "conclude A >= 0"], "concludes '>'"),
        (["matrix A : m x m", "conclude A - A' = 0", "conclude 0 <= A"], "concludes '<'"),
        (["matrix A : m x m", "conclude A invertible"], "concludes 'A invertible'"),
        (["matrix A : m x m", "assume small: A ≤ I", "conclude A = A"], "assumes small with '≤'"),
        (["matrix A : m x m", "assume fast: A nilpotent", "conclude A = A"], "assumes 'nilpotent'"),
        (["matrix A : m x m", "norm A", "conclude A = A"], "has a line 'norm'"),
    ],
)
def test_what_is_not_exported_is_told_by_its_own_words(lines: list[str], words: str) -> None:
    statement: Any = SimpleNamespace(
        name="mine", lines=lines, signature={"A": ("m", "m")}, inverses={}, exists=(), scalars=(), facts={}
    )
    read = conclusions if words.startswith("concludes") else entries
    with pytest.raises(AlgebraError, match=f"^mine {re.escape(words)}, which is not exported to Coq$"):
        read(statement)


def test_the_seal_is_of_these_certificates_and_files(export: Export, tmp_path: Path) -> None:
    """If this fails, run: bash proofs/coq/check.sh --seal"""
    seal = json.loads(SEAL.read_text(encoding="utf-8"))
    names = [name for name in export.files[PROJECT].split() if name.endswith(".v")]
    for name, text in export.files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    data = b"".join((ROOM / "coq" / name).read_bytes() for name in KERNEL)
    data += judge.written(STATED, tmp_path)[0].encode()
    data += b"".join(export.files[name].encode() for name in names)
    assert seal["export"] == hashlib.sha256(data).hexdigest()
    assert set(seal["closed"]) == set(THEOREMS)


def test_a_status_names_two_kernels_only_where_the_certificate_is_sealed() -> None:
    for slug in slugs():
        status = theorem_status(slug)
        assert kernels(slug, status.hash) == 2
        assert status.words == f"{status.status} (two kernels)"
        other = status.hash[::-1]
        assert kernels(slug, other) == 1
        assert in_words("proved", slug, other) == "proved"
        assert in_words("stale", slug, status.hash) == "stale"


def test_statements_are_written_for_every_theorem(export: Export, tmp_path: Path) -> None:
    for name, text in export.files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    said, asked, missing = judge.written(STATED, tmp_path)
    assert missing == []
    names = set(re.findall(r"^\(\* theorem (\S+) \*\)$", said, re.MULTILINE))
    assert names == set(THEOREMS) == set(STATED)
    assert asked.count("Muso.Statements.") == len(re.findall("^Definition ", said, re.MULTILINE)) - len(WORDS)
    (tmp_path / "exact_labels.v").unlink()
    assert "exact_labels" in judge.written(STATED, tmp_path)[2]


def test_a_statement_is_read_beside_its_lines() -> None:
    found = judge.Statement("label-free/necessary", STATED["label-free/necessary"]).definitions(STATED)
    head, lines, *_ = found["label_free_necessary"]
    assert head == "Definition label_free_necessary : Prop :="
    assert lines[0] == "  forall (R : realFieldType) (n D c r f : nat),"
    assert "  forall (S_R : 'M[R]_(r, n)) (S_F : 'M[R]_(f, n)), row_partition S_R S_F ->" in lines
    assert lines[-1] == "  Phi_R^T *m (Phi_R *m w_p - y_R) = 0."
    assert (
        found["label_free_necessary_needs_projection"][1][-1] == "  ~ (Phi_R^T *m (Phi_R *m w_p - y_R) = 0)."
    )


@pytest.mark.parametrize(
    "text",
    [
        "3 - 1",
        "- 3",
        "- 3 - 1",
        "2 - (- 3)",
        "1/2 - 1 - 1/3",
        "2 (3 - 5) - 1",
        "4 + 3' - (2 - 7)' 2",
        "- (1 - 2)",
    ],
)
def test_a_bare_number_has_the_value_that_arithmetic_gives_it(text: str) -> None:
    """Read by Python's own rules, once primes are left out, and what stands side by side is multiplied."""
    python = re.sub(r"(?<=[0-9)]) (?=[0-9(])", " * ", text.replace("'", ""))
    numbers = re.sub(r"[0-9]+(/[0-9]+)?", lambda number: f"Fraction('{number[0]}')", python)
    wanted = eval(numbers, {"Fraction": Fraction})
    assert read_expression(text, {}, ("n", "n")).number == wanted
    same = read_expression(f"A - ({text}) I", {"A": ("n", "n")})
    assert same.parts[1].number == wanted or same.parts[1].parts[0].number == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("A + A", "A + A"),
        ("2 A B", "(2%:R *: A) *m B"),
        ("2 (A B)", "2%:R *: (A *m B)"),
        ("A (B - B)' + 2 I", None),
        ("I - A B", "1%:M - A *m B"),
        ("1/2 A (B A)", "((1%:R / 2%:R) *: A) *m (B *m A)"),
        ("A - (A + A) - A", "A - (A + A) - A"),
        ("- A' B'", "- (A^T *m B^T)"),
        ("A B + B A", None),
        ("42 I", "(42%:R)%:M"),
        ("0", "0"),
    ],
)
def test_an_expression_is_written_as_it_is_read(text: str, wanted: str | None) -> None:
    statement = judge.Statement("x", ["matrix A : m x n", "matrix B : n x m"])
    expression = statements.tree(text)
    if wanted is None:  # sizes do not fit
        with pytest.raises(ValueError, match="sizes"):
            statement.kind(expression)
        return
    if statements.number(expression) is None:
        statement.kind(expression)
    assert statement.coq(expression) == wanted


@COQ
def test_coq_finds_a_claim_to_be_what_is_stated(kernel: Path) -> None:
    (certificate,) = (c for c in CERTIFICATES if c["claim"] == "cyclic-sgd")
    own = coq_files([certificate]).files
    (kernel / "cyclic_sgd.v").write_text(claim_file(certificate), encoding="utf-8")
    (kernel / "statements.txt").write_text(own["statements.txt"], encoding="utf-8")
    assert judge.write(kernel, kernel / "statements.txt") == []
    for name in ("cyclic_sgd.v", "Statements.v", "Listing.v"):
        done = compiled(kernel, name)
        assert done.returncode == 0, done.stdout + done.stderr
    (kernel / "listing.txt").write_text(done.stdout, encoding="utf-8")
    assert judge.judged(kernel / "statements.txt", kernel / "listing.txt") == []
    assert done.stdout.count("Closed under the global context") == 2  # this claim, and Trust.v
    open_ended = done.stdout.replace("Closed under the global context", "Axioms:", 2)
    (kernel / "listing.txt").write_text(open_ended, encoding="utf-8")
    assert "NOT JUDGED cyclic_sgd_contraction" in judge.judged(
        kernel / "statements.txt", kernel / "listing.txt"
    )


SMALL = {
    "a coefficient": ("Term (1 # 1) [:: ] 0 true", "Term (2 # 1) [:: ] 0 true"),
    "a hypothesis": (", is_pinv A A_pinv ->", ","),
    "a size": ("forall (A_pinv : 'M[R]_(D, m))", "forall (A_pinv : 'M[R]_(m, D))"),
    "a conclusion": ("A^T *m A *m A_pinv = A^T /", "A^T *m A *m A_pinv = A^T + A^T /"),
}


@COQ
@pytest.mark.parametrize("what", [None, *SMALL])
def test_coq_rejects_what_does_not_follow(export: Export, kernel: Path, what: str | None) -> None:
    text = export.files["lemma.v"]
    at = text.index("(* theorem lemma/pseudo-inverse")
    text = text[: text.index("(*")] + text[at : text.index("Qed.", at) + 4] + "\n"
    if what is not None:
        old, new = SMALL[what]
        assert old in text
        text = text.replace(old, new, 1)
    name = f"small_{str(what).replace(' ', '_')}.v"
    (kernel / name).write_text(text, encoding="utf-8")
    assert (compiled(kernel, name).returncode == 0) == (what is None)


@COQ
def test_coq_rejects_a_model_that_violates_a_hypothesis(export: Export, kernel: Path) -> None:
    text = export.files["exact_labels.v"]
    at = text.index("Theorem exact_labels_needs_optimal_label")
    text = (
        text[: text.index("\n")].replace(" gap_formula", "") + "\nLocal Open Scope ring_scope.\n" + text[at:]
    )
    for name, content in (("good.v", text), ("bad.v", text.replace("[:: 2 # 5]", "[:: 3 # 5]", 1))):
        (kernel / name).write_text(content, encoding="utf-8")
        assert (compiled(kernel, name).returncode == 0) == (name == "good.v")


WEAKER = {
    "a step that is too long": (
        "forall (eta : R), 0 < eta -> eta * L < 2%:R ->",
        "forall (eta : R), 0 < eta ->",
    ),
    "a step at the edge": ("0 < eta -> eta * L < 2%:R ->", "0 < eta -> eta * L <= 2%:R ->"),
    "any number for the largest eigenvalue": (
        "forall (L : R), 0 <= L -> at_most Phi L ->",
        "forall (L : R), 0 <= L ->",
    ),
    "a long step at the rate of a short one": ("0 < eta -> eta * L <= 1 ->", "0 < eta -> eta * L <= 2%:R ->"),
    "targets that do not fit": ("forall (z : 'M[R]_(D, c)), t = Phi *m z ->", "forall (z : 'M[R]_(D, c)),"),
    "a sample that is never visited": (
        "forall (order : seq 'I_n), (forall i, i \\in order) ->",
        "forall (order : seq 'I_n),",
    ),
    "momentum of one": ("0 < eta -> 0 <= b < 1 ->", "0 < eta -> 0 <= b <= 1 ->"),
}


@COQ
@pytest.mark.slow
@pytest.mark.parametrize("what", [None, *WEAKER])
def test_coq_rejects_a_limit_without_its_hypothesis(limits: Path, what: str | None) -> None:
    text = source("Limits.v")
    if what is not None:
        old, new = WEAKER[what]
        assert old in text
        text = text.replace(old, new)
    name = f"Limits_{str(what).replace(' ', '_')}.v"
    (limits / name).write_text(text, encoding="utf-8")
    assert (compiled(limits, name).returncode == 0) == (what is None)


@COQ
@pytest.mark.slow
def test_coq_rejects_a_rate_of_one(kernel: Path) -> None:
    text = source("Convergence.v")
    at = text.index("Lemma geometric ")
    changed = text[:at] + text[at:].replace("0 <= q < 1 ->", "0 <= q <= 1 ->", 1)
    (kernel / "Rate_one.v").write_text(changed, encoding="utf-8")
    assert compiled(kernel, "Rate_one.v").returncode != 0


def test_what_remains_is_proved_only_where_the_seal_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    status = theorem_status("implicit-bias")
    assert [line.endswith("(proved in Coq: gradient_descent_converges)") for line in status.beyond] == [True]
    assert theorem_status("convex-loss").beyond == theorem_status("convex-loss").remains
    assert beyond(status.remains, "implicit-bias", status.hash[::-1]) == status.remains
    assert beyond(["another line"], "implicit-bias", status.hash) == ("another line",)
    other = theorem_status("convex-loss")  # whose line no theorem of another claim takes over
    assert beyond(status.remains, "convex-loss", other.hash) == status.remains


def test_a_limit_is_sealed_under_the_present_words_and_only_if_closed() -> None:
    text, closed = source("Limits.v"), {"Limits.gradient_descent_converges", "Limits.momentum_comes_to_rest"}
    found = _beyond(text, closed, CERTIFICATES)
    assert set(found.values()) == {"gradient_descent_converges", "momentum_comes_to_rest"}
    assert _beyond(text, set(), CERTIFICATES) == {}
    with pytest.raises(BadInputError, match="remains"):
        _beyond(text.replace("0 < eta < 2/lambda_max", "0 < eta < 3/lambda_max"), closed, CERTIFICATES)
