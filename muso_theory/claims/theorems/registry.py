"""Every theorem by name, in an order in which each comes after those it uses."""

from __future__ import annotations

from ...algebra.theorem import Theorem
from . import (
    constraints,
    convex,
    descent,
    distances,
    gaps,
    geometries,
    inexact,
    label_free,
    lemmas,
    linearised,
    minimisers,
    momentum,
    regularised,
    relabelling,
    requests,
    sgd,
    stopping,
    subsets,
    updates,
)

__all__ = ["THEOREMS", "registered_statements", "slugs"]

_MODULES = (
    lemmas,
    gaps,
    relabelling,
    label_free,
    regularised,
    descent,
    sgd,
    momentum,
    subsets,
    requests,
    linearised,
    minimisers,
    distances,
    inexact,
    updates,
    constraints,
    geometries,
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
