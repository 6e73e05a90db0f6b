"""Proving, checking and writing: what `muso prove` and `muso claims` call."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, final

from muso_theory.algebra.checker import FORMAT, VERSION, CheckResult, check_bundle, uses
from muso_theory.algebra.derivation import Node, canonical, derive
from muso_theory.algebra.search import find_trials
from muso_theory.algebra.statement import parse_statement
from muso_theory.algebra.theorem import Apply
from muso_theory.claims.theorems.registry import THEOREMS, parts, registered_statements

__all__ = ["Proof", "check_certificate", "prove"]


@final
@dataclass(frozen=True)
class Proof:
    """A claim proved in general, for all dimensions.

    Args:
        slug: the claim.
        certificate: what a checker needs, JSON-able: statements, steps, models.
    """

    slug: str
    certificate: dict[str, Any]

    @property
    def hash(self) -> str:
        """SHA-256 of the certificate, cited wherever the proof is used as evidence."""
        return hashlib.sha256(canonical(self.certificate)).hexdigest()


def prove(slug: str) -> Proof:
    """Prove a claim from scratch.

    Args:
        slug: the claim, for example ``"exact-labels"``.

    Returns:
        The proof, with a certificate that anyone can check without trusting this function.

    Raises:
        BadInputError: if the claim has no general proof.

    Example:
        >>> proof = prove("exact-labels")
        >>> check_certificate(proof.certificate)
        CheckResult(accepted: exact-labels, 6 theorems)
    """
    nodes: dict[str, Node] = {}
    for theorem in parts(slug):
        _collect(theorem.name, nodes)
    ordered = [nodes[name] for name in THEOREMS if name in nodes]
    return Proof(slug, {"format": FORMAT, "version": VERSION, "claim": slug, "theorems": ordered})


def check_certificate(certificate: object) -> CheckResult:
    """Check a certificate: regenerate every assumption from its schema, expand, compare.

    Args:
        certificate: the certificate of one claim, as :func:`prove` makes it or JSON gives it.

    Returns:
        Accepted, or rejected with the reason. Nothing malformed or oversized raises.

    Example:
        >>> certificate = prove("exact-labels").certificate
        >>> check_certificate({**certificate, "claim": "label-free"})
        CheckResult(rejected: the certificate lacks label-free/interpolation)
    """
    return check_bundle(certificate, registered_statements())


def _collect(name: str, nodes: dict[str, Node]) -> None:
    """Gather a theorem and all it uses."""
    if name not in nodes:
        nodes[name] = _node(name)
        for lemma, _ in uses(nodes[name]):
            _collect(lemma, nodes)


@functools.cache
def _node(name: str) -> Node:
    """Prove one theorem and try its hypotheses; each is done once in a process."""
    theorem = THEOREMS[name]
    node = derive(theorem, {lemma: _node(lemma) for lemma in _needed(theorem.plan, theorem.lines)})
    if not theorem.lines[0].startswith("induction "):
        node["trials"] = find_trials(parse_statement(name, theorem.lines))
    return node


def _needed(plan: Iterable[object], lines: tuple[str, ...]) -> list[str]:
    """Names of the theorems that a plan applies, or an induction rests on."""
    names = [step.lemma for step in plan if isinstance(step, Apply)]
    if lines[0].startswith("induction "):
        names += [line.split(" ")[1] for line in lines if line.startswith(("base ", "step "))]
    return names
