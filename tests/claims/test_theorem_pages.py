"""Pages, graph and table follow from the stored certificates alone: nothing is proved here, only read and written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from muso_theory.algebra.search import find_trials
from muso_theory.algebra.statement import parse_statement
from muso_theory.claims import CATALOGUE
from muso_theory.claims.theorems import status, writing
from muso_theory.claims.theorems.kernels import kernels
from muso_theory.claims.theorems.library import Proof
from muso_theory.claims.theorems.registry import slugs
from muso_theory.claims.theorems.showing import BEARS_ON, FIGURES, GALLERY, unproved
from muso_theory.claims.theorems.status import INDEX
from muso_theory.claims.theorems.writing import certificate_text, load_certificate
from muso_theory.files.results import restored
from muso_theory.plots.gallery import script
from tests import ROOT

ROOM = ROOT / "proofs"
PROOFS = {slug: Proof(slug, load_certificate(ROOM / "certificates" / f"{slug}.json")) for slug in slugs()}
NODES = {node["name"]: node for proof in PROOFS.values() for node in proof.certificate["theorems"]}


@pytest.mark.parametrize("slug", PROOFS)
def test_each_theorem_and_proof_is_in_latex(slug: str) -> None:
    latex = PROOFS[slug].to_latex()
    assert latex.count(r"\begin{theorem}") == latex.count(r"\end{theorem}") == len(PROOFS[slug].theorems)
    assert latex.count(r"\begin{proof}") == latex.count(r"\end{proof}") == len(PROOFS[slug].theorems)
    inductions = sum(node["statement"][0].startswith("induction ") for node in PROOFS[slug].theorems)
    assert latex.count("By induction: ") == inductions
    assert sum(node["statement"][0].startswith("induction ") for node in NODES.values()) > 2


def test_the_room_is_written_from_its_certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Certificates, pages, graph, table and index, byte for byte; that they are found again is tested elsewhere."""
    monkeypatch.setattr(writing, "prove", PROOFS.__getitem__)
    writing.write_proofs(tmp_path)
    made = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert made == {path: (ROOM / path).read_bytes() for path in made}
    pages = {f"{name}.md" for name in (*slugs(), "lemmas", "refuted")}
    assert {path.name for path in made if path.parent.name == "pages"} == pages
    writing.write_index(tmp_path / "index.json")
    assert (tmp_path / "index.json").read_bytes() == INDEX.read_bytes()


@pytest.mark.parametrize("other", ["0" * 64, "g" * 64])
def test_what_another_hash_was_proved_of_is_stale_and_has_one_kernel(
    other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it sorts before the right hash or after it."""
    honest = status.theorem_status("exact-labels")
    assert (honest.status, kernels("exact-labels", honest.hash)) == ("proved", 2)
    assert kernels("exact-labels", other) == 1
    index = {**status._index(), "statements": other}
    monkeypatch.setattr(status, "_index", lambda: index)
    assert status.theorem_status("exact-labels").status == "stale"


def test_what_shows_a_claim_is_there_and_says_so() -> None:
    """Campaigns by their own conclusions, figures by the results that they need; and every name is one."""
    known = {*slugs(), *CATALOGUE}
    assert {claim for claims in (*BEARS_ON.values(), *FIGURES.values()) for claim in claims} <= known
    for path in sorted((ROOT / "verification" / "results").glob("*.json")):
        result = restored(json.loads(path.read_text(encoding="utf-8")))
        said = {c["claim"] for c in result["conclusions"]} & {
            c for c in CATALOGUE if not CATALOGUE[c].is_condition
        }
        assert said <= set(BEARS_ON.get(result["campaign"], ())), path.name
    for name, claims in FIGURES.items():
        for claim in claims:
            assert any(claim in BEARS_ON[need] for need in script(name).NEEDS), (name, claim)
    assert sorted(GALLERY) == sorted(path.stem for path in (ROOT / "figures" / "gallery").glob("*.svg"))
    assert set(unproved()) == {c.slug for c in CATALOGUE.values() if not c.is_condition} - set(slugs())


@pytest.mark.parametrize(
    "name",
    ["exact-labels", "start-span/sufficient", "label-free/labels", "gap-formula/schur", "ridge-anchored/unique",
     "forget-only/orthogonal", "cyclic-sgd/one-sample", "label-solution-set/not-unique", "momentum/limit"],
)  # fmt: skip
def test_models_are_found_again(name: str) -> None:
    """The search is deterministic: the same statement gives the same models on every machine."""
    assert find_trials(parse_statement(name, NODES[name]["statement"])) == NODES[name]["trials"]


@pytest.mark.parametrize("length", range(50, 70))
def test_a_matrix_stands_in_a_line_as_long_as_that_is_short(length: int) -> None:
    matrix = [["1", "0"], ["0", "1" * (length - len('[["1", "0"], ["0", ""]]'))]]
    line = json.dumps(matrix)
    assert len(line) == length
    text = certificate_text(matrix)
    assert json.loads(text) == matrix
    assert (text == line + "\n") is (length < 60)
    assert certificate_text(matrix[1], 1) == json.dumps(matrix[1])
    assert len(certificate_text({"a": 1}).splitlines()) == 3


def test_certificates_are_written_one_term_a_line() -> None:
    value = {
        "name": "short",
        "words": ["a", "b"],
        "matrix": [["1", "0"], ["0", "1"]],
        "terms": [{"c": 1}, {"c": -1}],
        "long": ["x" * 40, "y" * 40, "z" * 40],
        "none": [],
    }
    text = certificate_text(value)
    assert json.loads(text) == value
    assert text.splitlines() == [
        "{",
        ' "name": "short",',
        ' "words": ["a", "b"],',
        ' "matrix": [["1", "0"], ["0", "1"]],',
        ' "terms": [',
        "  {",
        '   "c": 1',
        "  },",
        "  {",
        '   "c": -1',
        "  }",
        " ],",
        ' "long": [',
        f'  "{"x" * 40}",',
        f'  "{"y" * 40}",',
        f'  "{"z" * 40}"',
        " ],",
        ' "none": []',
        "}",
    ]
    for scalar in ("a word", 5, [], {}, None):
        assert certificate_text(scalar) == json.dumps(scalar) + "\n"
