"""A proof that was found: its certificate, status and pages."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

from ...algebra.checker import check_bundle
from ...algebra.coq.export import claim_file
from ...algebra.derivation import Node
from ...algebra.theorem import canonical
from .kernels import beyond, in_words
from .pages import latex_page, markdown_page
from .registry import registered_statements

__all__ = ["Proof"]


@final
@dataclass(frozen=True)
class Proof:
    """A claim proved in general, for all dimensions.

    Args:
        slug: the claim.
        certificate: what a checker needs, JSON-able: statements, steps, models.
        own: the lines of theorems that are not of the collection, by name.
    """

    slug: str
    certificate: dict[str, Any]
    own: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

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
        if not check_bundle(self.certificate, registered_statements(), self.own):
            return "not proved"
        return "core proved" if self.remains else "proved"

    @property
    def words(self) -> str:
        """The status, and whether a second kernel has checked the same certificate: ``"proved (two kernels)"``."""
        return in_words(self.status, self.slug, self.hash)

    @property
    def beyond(self) -> tuple[str, ...]:
        """What remains beyond algebra, with the theorems by which Coq has proved some of it."""
        return beyond(self.remains, self.slug, self.hash)

    def to_coq(self) -> str:
        """The claim as a file for Coq: statements, proofs and models; what it uses of other claims is required there.

        ``muso prove --coq`` writes all files that are needed, and ``proofs/coq/check.sh`` has them checked.

        Raises:
            AlgebraError: if a theorem is of a kind that has no counterpart in Coq yet.
        """
        return claim_file(self.certificate)

    def to_markdown(self) -> str:
        """The proof page in Markdown: main results, hypotheses, proof, counterexamples, references."""
        beyond = f" Beyond algebra: {'; '.join(self.beyond)}." if self.remains else ""
        return markdown_page(self.slug, self.theorems, f"{self.words}.{beyond} Certificate {self.hash[:16]}.")

    def to_latex(self) -> str:
        """Theorems and proofs, a fragment for a document with ``amsmath``, ``theorem`` and ``proof`` environments."""
        return latex_page(self.slug, self.theorems)

    def __repr__(self) -> str:
        """Status first, no formulas."""
        return (
            f"Proof({self.status}: {self.slug}, {len(self.theorems)} theorems, certificate {self.hash[:16]})"
        )
