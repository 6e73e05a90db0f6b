"""Certificates as files for Coq, one a claim."""

from __future__ import annotations

import graphlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, final

from ..checker import uses
from ..derivation import content_hash
from ..induction import parse_induction
from ..polynomial import AlgebraError
from ..statement import Statement, parse_statement
from .inductions import induction_text
from .lines import identifier
from .models import model_theorems
from .script import theorem_text

__all__ = ["PROJECT", "STATEMENTS", "Export", "claim_file", "coq_files"]

PROJECT = "_CoqProject"
"""The file that names all others, in an order in which each comes after those that it needs."""

STATEMENTS = "statements.txt"
"""The file that says what the others prove; ``proofs/coq/check.sh`` holds them to it."""

Nodes = Mapping[str, Mapping[str, Any]]
"""Theorems with their certificates, by name."""

_HEADER = """From Muso Require Import {needs}.
Import GRing.Theory.
Local Open Scope ring_scope.
"""


@final
@dataclass(frozen=True)
class Export:
    """Files for Coq.

    Args:
        files: their texts by name. Beside one file a claim there is ``_CoqProject``, which names all files in order,
            and ``statements.txt``, the theorems in the words in which they are to be read.
        missing: theorems that were left out, and why.
    """

    files: Mapping[str, str]
    missing: Mapping[str, str]


def coq_files(certificates: Iterable[Mapping[str, Any]]) -> Export:
    """Files for Coq with the theorems of some certificates.

    A theorem that has no counterpart in Coq yet is left out, and so is what uses it.

    Args:
        certificates: certificates as :func:`muso_theory.check_certificate` takes them; they are not checked here.

    Raises:
        AlgebraError: if two certificates prove one theorem in two ways, or two theorems would have one name in Coq.
    """
    nodes: dict[str, Mapping[str, Any]] = {}
    for certificate in certificates:
        for node in certificate["theorems"]:
            if nodes.setdefault(node["name"], node) != node:
                raise AlgebraError(f"two certificates prove {node['name']} in two ways")
    for names in (nodes, {_slug(name) for name in nodes}):
        if len({identifier(name) for name in names}) < len(names):
            raise AlgebraError("two theorems or claims would have the same name in Coq")
    texts: dict[str, list[tuple[str, str]]] = {}
    missing: dict[str, str] = {}
    for name in _ordered(nodes):
        lacking = [lemma for lemma, _ in uses(nodes[name]) if lemma in missing]
        try:
            if lacking:
                raise AlgebraError(f"it uses {lacking[0]}")
            texts[name] = _exported(name, nodes)
        except AlgebraError as error:
            missing[name] = str(error)
    kept = {name: nodes[name] for name in texts}
    needs = {slug: _needs(slug, kept) for slug in dict.fromkeys(_slug(name) for name in kept)}
    found = {
        slug: [theorem for name in texts if _slug(name) == slug for theorem in texts[name]]
        for slug in graphlib.TopologicalSorter(needs).static_order()
    }
    files = {f"{identifier(slug)}.v": _file(slug, kept, theorems) for slug, theorems in found.items()}
    files[PROJECT] = "\n".join(["-Q . Muso", *files]) + "\n"
    files[STATEMENTS] = "\n".join(_stated(name, kept[name]["statement"]) for name in kept)
    return Export(files, missing)


def claim_file(certificate: Mapping[str, Any]) -> str:
    """The file of one claim: its theorems, and what their models show; theorems of other claims are required.

    Raises:
        AlgebraError: if a theorem is of a kind that has no counterpart in Coq yet.
    """
    nodes = {node["name"]: node for node in certificate["theorems"]}
    slug = certificate["claim"]
    own = [name for name in _ordered(nodes) if _slug(name) == slug]
    return _file(slug, nodes, [theorem for name in own for theorem in _exported(name, nodes)])


def _file(slug: str, nodes: Nodes, theorems: Iterable[tuple[str, str]]) -> str:
    """The text of a file."""
    needs = " ".join(["Algebra", "Models", *map(identifier, sorted(_needs(slug, nodes)))])
    return "\n".join([_HEADER.format(needs=needs), *(f"{text}\n" for _, text in theorems)])


def _stated(name: str, lines: Iterable[str]) -> str:
    """A theorem as a file of statements has it."""
    return "".join([f"theorem {name}\n", *(f"  {line}\n" for line in lines)])


def _ordered(nodes: Nodes) -> list[str]:
    """Theorems after those that they use."""
    used = {name: [lemma for lemma, _ in uses(node)] for name, node in nodes.items()}
    return list(graphlib.TopologicalSorter(used).static_order())


def _exported(name: str, nodes: Nodes) -> list[tuple[str, str]]:
    """A theorem, and what its models show."""
    node = nodes[name]
    if node["statement"][0].startswith("induction"):
        induction = parse_induction(name, node["statement"])
        hosts = (_statement(host, nodes) for host in (induction.base, induction.step))
        return [(identifier(name), _remark(node) + induction_text(induction, *hosts))]
    statement = _statement(name, nodes)
    used = {lemma: _statement(lemma, nodes) for lemma, _ in uses(node)}
    text = theorem_text(statement, used, node["steps"])
    return [(identifier(name), _remark(node) + text), *model_theorems(statement, node["trials"])]


def _remark(node: Mapping[str, Any]) -> str:
    """What is only said of a theorem, and the certificate that it comes from."""
    said = [
        line for line in node["statement"] if line.startswith(("induction ", "without ", "says ", "remains "))
    ]
    lines = [f"theorem {node['name']}", *said, f"certificate {content_hash(dict(node))}"]
    # Quotes open strings in the comments of Coq.
    text = "\n   ".join(lines).replace('"', "'").replace("(*", "( *").replace("*)", "* )")
    return f"(* {text} *)\n"


def _statement(name: str, nodes: Nodes) -> Statement:
    """The statement of a theorem."""
    return parse_statement(name, nodes[name]["statement"])


def _slug(name: str) -> str:
    """The claim of a theorem."""
    return name.partition("/")[0]


def _needs(slug: str, nodes: Nodes) -> set[str]:
    """The claims whose theorems a claim uses."""
    used = {_slug(lemma) for name, node in nodes.items() if _slug(name) == slug for lemma, _ in uses(node)}
    return used - {slug}
