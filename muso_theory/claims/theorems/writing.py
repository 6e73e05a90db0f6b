"""Writing the room `proofs/`: certificates, pages, the theorem graph and the table of its README."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...algebra.checker import uses
from ...algebra.statement import parse_statement
from ...files.reading import read_json
from ...files.writing import make_folder, write_all
from ..catalogue import CATALOGUE
from .attempts import TheoremAnswer
from .graph import graph_svg
from .library import Proof, prove
from .pages import markdown_page
from .refuted import refuted_page
from .registry import THEOREMS, slugs
from .showing import status_without_proof, unproved
from .status import INDEX, statements_hash
from .weakening import Weakened

__all__ = [
    "certificate_text",
    "claims_graph",
    "load_certificate",
    "statements_text",
    "theorem_graph",
    "write_attempt",
    "write_index",
    "write_proofs",
]

_MAX_BYTES = 2_000_000


def write_proofs(directory: str | Path, *, force: bool = False) -> list[Path]:
    """Prove everything from scratch and write it down; the same code writes the same bytes.

    Args:
        directory: the room; ``certificates`` and ``pages`` are made in it. Statements and checker are not written:
            they are kept by hand, so that certificates are held to words that no program has touched.
        force: write over files of others.

    Raises:
        BadInputError: if the directory is a file, cannot be written, or has files of others in it.
    """
    make_folder(directory)  # before the work
    proofs = [prove(slug) for slug in slugs()]
    lemmas = {node["name"]: node for proof in proofs for node in proof.certificate["theorems"]}
    files = {f"certificates/{p.slug}.json": certificate_text(p.certificate) for p in proofs}
    files |= {f"pages/{p.slug}.md": p.to_markdown() for p in proofs}
    shared = [lemmas[name] for name in THEOREMS if name.startswith("lemma/") and name in lemmas]
    files["pages/lemmas.md"] = markdown_page(
        "lemma", shared, "proved, checked with every claim that uses them"
    )
    files["pages/refuted.md"] = refuted_page()
    edges, statuses, remains = claims_graph(proofs)
    pages = {node: f"pages/{'lemmas' if node.startswith('lemma/') else node}.md" for node in edges}
    pages |= {slug: "../README.md#claims" for slug in unproved()}
    files["theorems.svg"] = graph_svg(edges, statuses, pages, remains)
    files["theorems.md"] = _table(proofs)
    return write_all(directory, files, "theorems.md", force=force)


def write_attempt(
    directory: str | Path, attempt: TheoremAnswer, weakened: Weakened | None = None, *, force: bool = False
) -> list[Path]:
    """Write down what became of a theorem of your own: its page, and of a proof certificate, LaTeX and statement.

    Args:
        directory: where; made if it does not exist.
        attempt: the theorem and its answer.
        weakened: what became of it without each hypothesis: in the page, in LaTeX, and as ``NAME-hypotheses.json``.
        force: write over files of others.

    Raises:
        BadInputError: if the directory is a file, cannot be written, or has files of others in it.
    """
    make_folder(directory)
    name = attempt.theorem.name.replace("/", "-")
    files = {f"{name}.md": attempt.to_markdown()}
    if attempt.proof is not None:
        files[f"{name}.json"] = certificate_text(attempt.proof.certificate)
        files[f"{name}.tex"] = attempt.proof.to_latex()
        files["statements.txt"] = statements_text(attempt.proof.own)
    if weakened is not None:
        files[f"{name}.md"] += "\n" + weakened.to_markdown()
        files[f"{name}.tex"] += weakened.to_latex()
        files[f"{name}-hypotheses.json"] = certificate_text(weakened.to_json())
    return write_all(directory, files, f"{name}.md", force=force)


def statements_text(own: Mapping[str, Sequence[str]]) -> str:
    """What theorems of your own say, as ``check.py --statements`` reads it."""
    return "".join(
        f"theorem {name}\n" + "".join(f"  {line}\n" for line in lines) for name, lines in own.items()
    )


def write_index(path: str | Path = INDEX) -> None:
    """Refresh the data from which :func:`theorem_status` reads; run it after changing a theorem."""
    claims = {}
    for proof in (prove(slug) for slug in slugs()):
        theorems = [
            [n["name"], " ".join(x.removeprefix("says ") for x in n["statement"] if x.startswith("says "))]
            for n in proof.theorems
        ]
        claims[proof.slug] = {
            "status": proof.status, "remains": list(proof.remains), "theorems": theorems,
            "hypotheses": _hypotheses(proof), "hash": proof.hash,
        }  # fmt: skip
    index = {"statements": statements_hash(), "claims": claims}
    Path(path).write_text(
        json.dumps(index, indent=1, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n"
    )


def load_certificate(path: str | Path) -> object:
    """Read a certificate file, for :func:`check_certificate`; nothing is checked yet.

    Raises:
        BadInputError: if it cannot be read, is larger than two megabytes, is not JSON, or says a thing twice.
    """
    return read_json(path, "certificate", _MAX_BYTES)


def certificate_text(value: object, indent: int = 0) -> str:
    """JSON as a person reads it: one line per term, matrix or line of a statement."""
    text = json.dumps(value, ensure_ascii=False)
    flat = isinstance(value, list) and all(not isinstance(x, (dict, list)) for x in value) and len(text) < 110
    matrix = isinstance(value, list) and all(isinstance(x, list) for x in value) and len(text) < 60
    if isinstance(value, (dict, list)) and value and not flat and not matrix:
        pad = " " * (indent + 1)
        if isinstance(value, dict):
            parts = [f"{json.dumps(k)}: {certificate_text(v, indent + 1)}" for k, v in value.items()]
            text = "{\n" + ",\n".join(pad + part for part in parts) + "\n" + " " * indent + "}"
        else:
            parts = [certificate_text(v, indent + 1) for v in value]
            text = "[\n" + ",\n".join(pad + part for part in parts) + "\n" + " " * indent + "]"
    return text + ("\n" if indent == 0 else "")


def _hypotheses(proof: Proof) -> list[list[str]]:
    """Theorem, label, text, result and model sizes of every hypothesis."""
    rows = []
    for node in proof.theorems:
        if "trials" not in node:
            continue
        for hypothesis in parse_statement(node["name"], node["statement"]).hypotheses:
            ((result, model),) = node["trials"]["hypotheses"][hypothesis.label].items()
            sizes = ", ".join(f"{k} = {v}" for k, v in model["sizes"].items())
            rows.append([node["name"], hypothesis.label, hypothesis.text, result, sizes])
    return rows


def theorem_graph(proofs: list[Proof]) -> tuple[dict[str, set[str]], dict[str, str]]:
    """Claims and lemmas, what they use, and their derived statuses."""
    edges: dict[str, set[str]] = {}
    statuses = {proof.slug: proof.status for proof in proofs}
    for proof in proofs:
        for node in proof.certificate["theorems"]:
            me = _place(node["name"])
            statuses.setdefault(me, "proved" if statuses[proof.slug] != "not proved" else "not proved")
            edges.setdefault(me, set()).update(_place(lemma) for lemma, _ in uses(node))
            edges[me].discard(me)
    return edges, statuses


def claims_graph(proofs: list[Proof]) -> tuple[dict[str, set[str]], dict[str, str], dict[str, str]]:
    """The same with the claims that have no general proof, and what remains to be shown of each.

    Those without a proof join where the whole collection is drawn.
    """
    edges, statuses = theorem_graph(proofs)
    remains = {proof.slug: "; ".join(proof.beyond) for proof in proofs if proof.remains}
    if set(slugs()) <= statuses.keys():
        for slug in unproved():
            edges[slug], statuses[slug] = set(), status_without_proof(slug)
            remains[slug] = CATALOGUE[slug].unproved
    return edges, statuses, remains


def _place(name: str) -> str:
    """The node of the graph for a theorem: its claim, or the lemma itself."""
    return name if name.startswith("lemma/") else name.partition("/")[0]


def _table(proofs: list[Proof]) -> str:
    """All claims in one table, and the count of hypotheses."""
    rows = [h for proof in proofs for h in _hypotheses(proof)]
    needed = sum(row[3] == "needed" for row in rows)
    lines = [
        "# Theorems",
        "",
        f"{len(proofs)} claims, {sum(len(p.theorems) for p in proofs)} theorems; {len(rows)} hypotheses on trial: "
        f"{needed} needed, {len(rows) - needed} redundant.",
        "",
        "| claim | status | theorems | certificate | what remains beyond algebra |",
        "|---|---|---|---|---|",
    ]
    for p in proofs:
        link, remains = f"[{p.slug}](pages/{p.slug}.md)", "; ".join(p.beyond) or "nothing"
        lines.append(f"| {link} | {p.words} | {len(p.theorems)} | {p.hash[:16]} | {remains} |")
    lines += [
        f"| {slug} | {status_without_proof(slug)} | 0 | none | {CATALOGUE[slug].unproved} |"
        for slug in unproved()
    ]
    return "\n".join(lines) + "\n"
