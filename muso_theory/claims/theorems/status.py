"""The general status of every claim, read from data shipped with the package: cheap to load."""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from ...algebra.theorem import canonical
from .kernels import beyond, in_words
from .registry import THEOREMS

__all__ = ["INDEX", "TheoremStatus", "statements_hash", "theorem_status"]

INDEX = Path(__file__).with_name("index.json")
"""Written by :func:`muso_theory.claims.theorems.writing.write_index` from certificates that were checked."""


@final
@dataclass(frozen=True)
class TheoremStatus:
    """What is known in general about a claim.

    Args:
        slug: the claim.
        status: ``"proved"``, ``"core proved"`` (something beyond algebra remains, said in ``remains``), ``"none"`` (no
            general proof), or ``"stale"`` (the theorems have changed since the certificates were checked).
        remains: what remains beyond algebra, in words.
        theorems: name and words of each theorem of the claim.
        hypotheses: for each hypothesis: theorem, label, text, ``"needed"`` or ``"redundant"``, sizes of the model.
        hash: SHA-256 of the certificate; empty if there is none.

    Example:
        >>> status = theorem_status("exact-labels")
        >>> status.status, [h[3] for h in status.hypotheses]
        ('proved', ['needed', 'redundant', 'redundant', 'redundant', 'redundant'])
        >>> theorem_status("lazy-training").status
        'none'
    """

    slug: str
    status: str
    remains: tuple[str, ...] = ()
    theorems: tuple[tuple[str, str], ...] = ()
    hypotheses: tuple[tuple[str, str, str, str, str], ...] = ()
    hash: str = ""

    @property
    def words(self) -> str:
        """The status, and whether a second kernel has checked the same certificate: ``"proved (two kernels)"``."""
        return in_words(self.status, self.slug, self.hash)

    @property
    def beyond(self) -> tuple[str, ...]:
        """What remains beyond algebra, with the theorems by which Coq has proved some of it."""
        return beyond(self.remains, self.slug, self.hash)


def theorem_status(slug: str) -> TheoremStatus:
    """What was proved in general about a claim when the certificates were last checked; ``"none"`` for other words.

    It proves nothing and imports nothing heavy.
    """
    index = _index()
    entry = index["claims"].get(slug)
    if entry is None:
        return TheoremStatus(slug, "none")
    current = statements_hash() == index["statements"]
    return TheoremStatus(
        slug,
        entry["status"] if current else "stale",
        tuple(entry["remains"]),
        tuple((name, says) for name, says in entry["theorems"]),
        tuple((a, b, c, d, e) for a, b, c, d, e in entry["hypotheses"]),
        entry["hash"],
    )


def statements_hash() -> str:
    """Hash of all registered statements, by which stale shipped data is recognised."""
    return hashlib.sha256(canonical({name: list(t.lines) for name, t in THEOREMS.items()})).hexdigest()


@functools.cache
def _index() -> dict[str, Any]:
    """The shipped data."""
    loaded: dict[str, Any] = json.loads(INDEX.read_text(encoding="utf-8"))
    return loaded
