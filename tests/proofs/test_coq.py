"""The second kernel: every theorem is exported, the seal is current, and Coq rejects what does not follow."""

import hashlib
import importlib.util
import json
import re
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from muso_theory.algebra.coq.export import PROJECT, Export, claim_file, coq_files
from muso_theory.claims.theorems.kernels import SEAL, in_words, kernels
from muso_theory.claims.theorems.registry import THEOREMS, slugs
from muso_theory.claims.theorems.sealing import KERNEL
from muso_theory.claims.theorems.status import theorem_status
from tests import ROOT

ROOM = ROOT / "proofs"
CERTIFICATES = [
    json.loads(f.read_text(encoding="utf-8")) for f in sorted((ROOM / "certificates").glob("*.json"))
]
COQ = pytest.mark.skipif(shutil.which("coqc") is None, reason="coqc is not installed: apt-get install coq")


@pytest.fixture(scope="module")
def export() -> Export:
    return coq_files(CERTIFICATES)


@pytest.fixture(scope="module")
def compare() -> ModuleType:
    spec = importlib.util.spec_from_file_location("compare", ROOM / "coq" / "compare.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that are written by hand, compiled."""
    folder = tmp_path_factory.mktemp("coq")
    for name in KERNEL:
        shutil.copy(ROOM / "coq" / name, folder)
        assert compiled(folder, name).returncode == 0
    return folder


def compiled(folder: Path, name: str) -> subprocess.CompletedProcess[str]:
    command = ["coqc", "-w", "none", "-Q", ".", "Muso", name]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)


def test_every_theorem_is_exported(export: Export) -> None:
    assert not export.missing
    text = "\n".join(export.files.values())
    assert set(re.findall(r"^\(\* theorem (\S+)", text, re.MULTILINE)) == set(THEOREMS)


def test_a_theorem_without_counterpart_is_left_out_with_what_uses_it() -> None:
    (certificate,) = (c for c in CERTIFICATES if c["claim"] == "exact-labels")
    changed = json.loads(json.dumps(certificate).replace('"pinv A"', '"norm A"', 1))
    missing = coq_files([changed]).missing
    assert "lemma/pseudo-inverse" in missing
    assert missing["exact-labels"].startswith("it uses ")


def test_the_seal_is_of_these_certificates_and_files(export: Export) -> None:
    """If this fails, run: bash proofs/coq/check.sh --seal"""
    seal = json.loads(SEAL.read_text(encoding="utf-8"))
    names = [name for name in export.files[PROJECT].split() if name.endswith(".v")]
    data = b"".join((ROOM / "coq" / name).read_bytes() for name in KERNEL)
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


def listing(text: str) -> str:
    """Theorems of a file as Coq would print them, all on one line."""
    text = re.sub(r"\(\*.*?\*\)", "", text, flags=re.DOTALL).replace("'M[R]_", "'M_")
    found = re.findall(r"^Theorem (\w+) : (.*?)\.\nProof", text, re.MULTILINE | re.DOTALL)
    joined = ((name, re.sub(r" *, forall ", ", forall ", " ".join(body.split()))) for name, body in found)
    return "".join(
        f"{name}\n     : {re.sub(r'@([a-z_]+_built) R ', chr(92) + '1 ', body)}\n" for name, body in joined
    )


def test_statements_say_what_is_stated_by_hand(export: Export, compare: ModuleType) -> None:
    text = "\n".join(export.files.values())
    statements = (ROOM / "statements.txt").read_text(encoding="utf-8")
    assert compare.differences(statements, listing(text)) == {}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("ytilde_F = Phi_F *m w_r -> (* optimal-label *)\n", "\n"),  # a dropped hypothesis
        ("w_u = w_r.", "w_u = w_p."),
        ("(w_0 : 'M[R]_(D, c))", "(w_0 : 'M[R]_(n, c))"),
        ("row_partition S_R S_F", "row_partition S_F S_R"),
        ("ytilde = S_R^T *m y_R + S_F^T", "ytilde = S_R^T *m y_R - S_F^T"),
    ],
)
def test_the_reader_sees_a_changed_statement(export: Export, compare: ModuleType, old: str, new: str) -> None:
    statements = (ROOM / "statements.txt").read_text(encoding="utf-8")
    text = "\n".join(export.files.values())
    at = text.index("Theorem exact_labels :")
    assert old in text[at:]
    changed = text[:at] + text[at:].replace(old, new, 1)
    assert set(compare.differences(statements, listing(changed))) == {"exact-labels"}


@COQ
def test_coq_accepts_a_claim_and_prints_what_is_stated(kernel: Path, compare: ModuleType) -> None:
    (certificate,) = (c for c in CERTIFICATES if c["claim"] == "cyclic-sgd")
    text = claim_file(certificate) + "Set Printing Width 1000000.\n"
    names = [n["name"] for n in certificate["theorems"] if n["name"].startswith("cyclic-sgd/")]
    for name in names:
        ours = re.sub(r"\W", "_", name)
        text += f"Check @{ours}.\nPrint Assumptions {ours}.\n"
    (kernel / "cyclic_sgd.v").write_text(text, encoding="utf-8")
    done = compiled(kernel, "cyclic_sgd.v")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("Closed under the global context") == len(names)
    blocks = re.findall(
        r"^theorem (\S+)\n((?:  .*\n)+)", (ROOM / "statements.txt").read_text("utf-8"), re.MULTILINE
    )
    own = "".join(f"theorem {name}\n{body}\n" for name, body in blocks if name in names)
    assert compare.differences(own, done.stdout) == {}


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
