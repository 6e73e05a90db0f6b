"""Certificates of the collection, found from scratch, and what of them belongs together."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any

from ...algebra.checker import FORMAT, VERSION, uses
from ...algebra.derivation import Node, derive
from ...algebra.search import find_trials
from ...algebra.statement import parse_statement
from ...algebra.theorem import Apply
from .registry import THEOREMS

__all__ = ["bundle", "certificate_of"]


@functools.cache
def certificate_of(name: str) -> Node:
    """Prove one theorem of the collection and try its hypotheses; each is done once in a process."""
    theorem = THEOREMS[name]
    node = derive(theorem, {lemma: certificate_of(lemma) for lemma in _needed(theorem.plan, theorem.lines)})
    if not theorem.lines[0].startswith("induction "):
        node["trials"] = find_trials(parse_statement(name, theorem.lines))
    return node


def bundle(slug: str, nodes: Sequence[Node]) -> dict[str, Any]:
    """A certificate of some theorems and of all that they use, each after those it uses."""
    found: dict[str, Node] = {}

    def collect(node: Node) -> None:
        if node["name"] not in found:
            for lemma, _ in uses(node):
                collect(certificate_of(lemma))
            found[node["name"]] = node

    for node in nodes:
        collect(node)
    order = [*(name for name in THEOREMS if name in found), *(name for name in found if name not in THEOREMS)]
    return {"format": FORMAT, "version": VERSION, "claim": slug, "theorems": [found[name] for name in order]}


def _needed(plan: Iterable[object], lines: tuple[str, ...]) -> list[str]:
    """Names of the theorems that a plan applies, or an induction rests on."""
    names = [step.lemma for step in plan if isinstance(step, Apply)]
    if lines[0].startswith("induction "):
        names += [line.split(" ")[1] for line in lines if line.startswith(("base ", "step "))]
    return names
