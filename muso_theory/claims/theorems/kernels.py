"""How many kernels have checked a claim: this project's own, and Coq where its sealed result fits the certificate."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

__all__ = ["SEAL", "beyond", "in_words", "kernels"]

SEAL = Path(__file__).with_name("coq.json")
"""Written by ``proofs/coq/check.sh --seal`` after Coq has accepted every theorem; see ``sealing.py``."""


def kernels(slug: str, certificate: str) -> int:
    """Two if Coq has checked all theorems of this certificate, one otherwise.

    Args:
        slug: the claim.
        certificate: the hash of its certificate.

    Example:
        >>> kernels("exact-labels", "the hash of another certificate")
        1
    """
    return 2 if certificate and _sealed()["certificates"].get(slug) == certificate else 1


def beyond(remains: Iterable[str], slug: str, certificate: str) -> tuple[str, ...]:
    """What remains beyond algebra, each line with the theorem by which Coq has proved it, if there is one.

    Example:
        >>> beyond(["the limit"], "implicit-bias", "the hash of another certificate")
        ('the limit',)
    """
    theorems = _sealed().get("beyond", {}) if kernels(slug, certificate) == 2 else {}
    found = {line: theorems.get(f"{slug}: {line}") for line in remains}
    return tuple(f"{line} (proved in Coq: {name})" if name else line for line, name in found.items())


def in_words(status: str, slug: str, certificate: str) -> str:
    """A status with the number of kernels, where there is more than one.

    Example:
        >>> in_words("proved", "exact-labels", "the hash of another certificate")
        'proved'
    """
    proved = status in ("proved", "core proved") and kernels(slug, certificate) == 2
    return f"{status} (two kernels)" if proved else status


@functools.cache
def _sealed() -> Mapping[str, Mapping[str, str]]:
    """Claims with the hashes of the certificates that Coq has checked, and what it proved beyond them."""
    if not SEAL.is_file():
        return {"certificates": {}}
    sealed: dict[str, dict[str, str]] = json.loads(SEAL.read_text(encoding="utf-8"))
    return sealed
