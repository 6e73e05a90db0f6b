"""Every theorem by name, in an order in which each comes after those it uses."""

from __future__ import annotations

from ...algebra.theorem import Theorem
from ...errors import expected, nearest
from ..catalogue import CATALOGUE
from . import (
    consequences,
    convex,
    descent,
    lemmas,
    linearised,
    momentum,
    regularised,
    relabelling,
    requests,
    sgd,
    stopping,
)

__all__ = ["THEOREMS", "parts", "registered_statements", "slugs"]

_MODULES = (
    lemmas,
    relabelling,
    regularised,
    descent,
    sgd,
    momentum,
    requests,
    linearised,
    consequences,
    convex,
    stopping,
)

THEOREMS: dict[str, Theorem] = {theorem.name: theorem for module in _MODULES for theorem in module.THEOREMS}
"""All theorems by name."""


def registered_statements() -> dict[str, tuple[str, ...]]:
    """The lines of every theorem's statement, by name: a certificate of anything else proves no claim."""
    return {name: theorem.lines for name, theorem in THEOREMS.items()}


def slugs() -> tuple[str, ...]:
    """The claims that have theorems."""
    return tuple(sorted({theorem.slug for theorem in THEOREMS.values()} - {"lemma"}))


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
        got, hint = type(slug).__name__, nearest(str(slug), slugs())
        if slug in CATALOGUE:
            claim = CATALOGUE[slug]
            got = claim.unproved or f"a condition on data, which holds or does not: {claim.statement}"
            hint = (
                f"python -m verification {claim.campaign}"
                if claim.campaign
                else f"muso check DATA --claim {slug}"
            )
        raise expected("a claim with a general proof", "slug", slug, got, hint)
    return found
