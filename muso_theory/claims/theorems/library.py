"""Proving, checking and writing: what `muso prove` and `muso claims` call."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, final

from ...algebra.checker import FORMAT, VERSION, CheckResult, check_bundle, uses
from ...algebra.coq.export import claim_file
from ...algebra.derivation import Node, derive
from ...algebra.search import find_trials
from ...algebra.statement import parse_statement
from ...algebra.theorem import Apply, canonical
from ...arguments import checked
from .kernels import in_words
from .pages import latex_page, markdown_page
from .registry import THEOREMS, parts, registered_statements

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

    @property
    def theorems(self) -> list[Node]:
        """The certificates of the claim's own theorems, without those of lemmas."""
        return [node for node in self.certificate["theorems"] if node["name"].partition("/")[0] == self.slug]

    @property
    def remains(self) -> tuple[str, ...]:
        """What remains to be said beyond algebra, in words; of all theorems used as well."""
        lines = [line for node in self.certificate["theorems"] for line in node["statement"]]
        return tuple(
            dict.fromkeys(line.removeprefix("remains ") for line in lines if line.startswith("remains "))
        )

    @property
    def status(self) -> str:
        """Derived by checking: ``"proved"``, ``"core proved"`` (see :attr:`remains`) or ``"not proved"``."""
        if not check_certificate(self.certificate):
            return "not proved"
        return "core proved" if self.remains else "proved"

    @property
    def words(self) -> str:
        """The status, and whether a second kernel has checked the same certificate: ``"proved (two kernels)"``."""
        return in_words(self.status, self.slug, self.hash)

    def to_coq(self) -> str:
        """The claim as a file for Coq: statements, proofs and models; what it uses of other claims is required there.

        ``muso prove --coq`` writes all files that are needed, and ``proofs/coq/check.sh`` has them checked.

        Raises:
            AlgebraError: if a theorem is of a kind that has no counterpart in Coq yet.
        """
        return claim_file(self.certificate)

    def to_markdown(self) -> str:
        """The proof page in Markdown: main results, hypotheses, proof, counterexamples, references."""
        words = self.words + (": there remains that " + "; that ".join(self.remains) if self.remains else "")
        return markdown_page(self.slug, self.theorems, f"{words}. Certificate {self.hash[:16]}.")

    def to_latex(self) -> str:
        """Theorems and proofs, a fragment for a document with ``amsmath``, ``theorem`` and ``proof`` environments."""
        return latex_page(self.slug, self.theorems)

    def __repr__(self) -> str:
        """Status first, no formulas."""
        return (
            f"Proof({self.status}: {self.slug}, {len(self.theorems)} theorems, certificate {self.hash[:16]})"
        )


@checked
def prove(slug: str) -> Proof:
    """Prove a claim from scratch; the certificate can be checked by whoever does not trust this function.

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


@checked
def check_certificate(certificate: object) -> CheckResult:
    """Check a certificate: regenerate every assumption from its schema, expand, compare.

    Nothing malformed or oversized raises: it is rejected with the reason.

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
