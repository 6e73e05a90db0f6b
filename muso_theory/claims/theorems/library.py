"""Proving, checking and writing: what `muso prove` and `muso claims` call."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import overload

from ...algebra.checker import CheckResult, check_bundle
from ...algebra.theorem import Theorem
from ...arguments import checked
from ...errors import expected, nearest
from ..catalogue import CATALOGUE
from .attempts import TheoremAnswer, attempt, statement
from .certificates import bundle, certificate_of
from .proof import Proof
from .registry import THEOREMS, registered_statements, slugs

__all__ = ["Proof", "TheoremAnswer", "check_certificate", "parts", "prove", "statement"]


@overload
def prove(claim: str) -> Proof: ...


@overload
def prove(
    claim: Theorem, seconds: float = ..., progress: Callable[[str], None] | None = ...
) -> TheoremAnswer: ...


@checked
def prove(
    claim: str | Theorem, seconds: float = 60.0, progress: Callable[[str], None] | None = None
) -> Proof | TheoremAnswer:
    r"""Prove a claim from scratch; the certificate can be checked by whoever does not trust this function.

    Args:
        claim: a claim of the collection by its slug, or a theorem of your own from :func:`statement`.
        seconds: of your own theorem, about how long to try.
        progress: of your own theorem, told what is going on.

    Returns:
        A proof of the claim; of your own theorem an attempt: a proof, a counterexample, or what was tried.

    Raises:
        BadInputError: if the claim has no general proof, or it is neither a slug nor a theorem.

    Example:
        >>> proof = prove("exact-labels")
        >>> check_certificate(proof.certificate)
        CheckResult(accepted: exact-labels, 6 theorems)
        >>> prove(statement("matrix A : n x n\nconclude A A = A")).fails
        ('A A = A',)
    """
    if not 0 < seconds < math.inf:
        raise expected("a positive number of seconds", "seconds", seconds, type(seconds).__name__, "60")
    if isinstance(claim, Theorem):
        return attempt(claim, seconds, progress)
    return Proof(claim, bundle(claim, [certificate_of(theorem.name) for theorem in parts(claim)]))


@checked
def check_certificate(certificate: object, theorem: Theorem | None = None) -> CheckResult:
    """Check a certificate: regenerate every assumption from its schema, expand, compare.

    Args:
        certificate: what :attr:`Proof.certificate` is, or a file of it holds.
        theorem: your own theorem, if the certificate proves that one.

    Nothing malformed or oversized raises: it is rejected with the reason.

    Example:
        >>> certificate = prove("exact-labels").certificate
        >>> check_certificate({**certificate, "claim": "label-free"})
        CheckResult(rejected: the certificate lacks label-free/interpolation)
    """
    own = {} if theorem is None else {theorem.name: theorem.lines}
    return check_bundle(certificate, registered_statements(), own)


def parts(slug: str) -> tuple[Theorem, ...]:
    """The theorems that together are a claim.

    Raises:
        BadInputError: if no theorem belongs to the claim.

    Example:
        >>> [theorem.name for theorem in parts("exact-labels")]
        ['exact-labels']
    """
    found = tuple(theorem for theorem in THEOREMS.values() if theorem.slug == slug and slug != "lemma")
    if not found:
        got, hint = "none of that name", nearest(str(slug), slugs())
        if slug in CATALOGUE:
            claim = CATALOGUE[slug]
            got = claim.unproved or f"a condition on data, which holds or does not: {claim.statement}"
            hint = (
                f"python -m verification {claim.campaign}"
                if claim.campaign
                else f"muso check DATA --claim {slug}"
            )
        raise expected("a claim with a general proof", "claim", slug, got, hint)
    return found
