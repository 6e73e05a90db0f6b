"""Writing the room `proofs/`: certificates, pages, the theorem graph and the table of its README."""

from __future__ import annotations

import json
from pathlib import Path

from muso_theory.algebra.checker import uses
from muso_theory.algebra.statement import parse_statement
from muso_theory.claims.theorems.graph import graph_svg
from muso_theory.claims.theorems.library import Proof, prove
from muso_theory.claims.theorems.pages import markdown_page
from muso_theory.claims.theorems.refuted import refuted_page
from muso_theory.claims.theorems.registry import THEOREMS, slugs
from muso_theory.claims.theorems.status import INDEX, statements_hash
from muso_theory.files import make_folder, write_atomic
from muso_theory.reading import read_json

__all__ = ["certificate_text", "load_certificate", "theorem_graph", "write_index", "write_proofs"]

_MAX_BYTES = 2_000_000


def write_proofs(directory: str | Path) -> list[Path]:
    """Prove everything from scratch and write it down; the same code writes the same bytes.

    Args:
        directory: the room; ``certificates`` and ``pages`` are made in it. Statements and checker are not written:
            they are kept by hand, so that certificates are held to words that no program has touched.

    Returns:
        The files written.

    Raises:
        BadInputError: if the directory is a file, or cannot be written.
    """
    root = Path(directory)
    for room in ("certificates", "pages"):
        make_folder(root / room)
    proofs = [prove(slug) for slug in slugs()]
    lemmas = {node["name"]: node for proof in proofs for node in proof.certificate["theorems"]}
    files = {root / "certificates" / f"{p.slug}.json": certificate_text(p.certificate) for p in proofs}
    files |= {root / "pages" / f"{p.slug}.md": p.to_markdown() for p in proofs}
    shared = [lemmas[name] for name in THEOREMS if name.startswith("lemma/") and name in lemmas]
    files[root / "pages" / "lemmas.md"] = markdown_page(
        "lemma", shared, "proved, checked with every claim that uses them"
    )
    files[root / "pages" / "refuted.md"] = refuted_page()
    files[root / "theorems.svg"] = graph_svg(*theorem_graph(proofs))
    files[root / "theorems.md"] = _table(proofs)
    for path, text in files.items():
        write_atomic(path, text.encode())
    return sorted(files)


def write_index(path: str | Path = INDEX) -> None:
    """Refresh the data from which :func:`theorem_status` reads; run it after changing a theorem.

    Args:
        path: where to write.
    """
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
    """Read a certificate file, for :func:`check_certificate`.

    Args:
        path: a JSON file.

    Returns:
        What it holds; not checked yet.

    Raises:
        BadInputError: if it cannot be read, is larger than two megabytes, is not JSON, or says a thing twice.
    """
    return read_json(path, "certificate", _MAX_BYTES)


def certificate_text(value: object, indent: int = 0) -> str:
    """JSON as a person reads it: one line per term, matrix or line of a statement.

    Args:
        value: what JSON can hold.
        indent: depth of the surrounding structure.

    Returns:
        The text, with a final newline at depth 0.
    """
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
    """Claims and lemmas, what they use, and their derived statuses.

    Args:
        proofs: the proofs.

    Returns:
        Node to the nodes it uses, and node to its status.
    """
    edges: dict[str, set[str]] = {}
    statuses = {proof.slug: proof.status for proof in proofs}
    for proof in proofs:
        for node in proof.certificate["theorems"]:
            me = _place(node["name"])
            statuses.setdefault(me, "proved" if statuses[proof.slug] != "not proved" else "not proved")
            edges.setdefault(me, set()).update(_place(lemma) for lemma, _ in uses(node))
            edges[me].discard(me)
    return edges, statuses


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
        link, remains = f"[{p.slug}](pages/{p.slug}.md)", "; ".join(p.remains) or "nothing"
        lines.append(f"| {link} | {p.status} | {len(p.theorems)} | {p.hash[:16]} | {remains} |")
    return "\n".join(lines) + "\n"
