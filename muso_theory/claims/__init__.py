"""The catalogue of claims and conditions: ``claims["exact-labels"]``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType

from ..errors import expected, nearest
from .alternating import ALTERNATING
from .catalogue import Case, Claim
from .conditions import CONDITIONS
from .dynamics import DYNAMICS
from .guarantees import GUARANTEES
from .labelling import LABELLING
from .networks import NETWORKS
from .parameters import PARAMETERS
from .tangents import TANGENTS
from .training import TRAINING

__all__ = ["CATALOGUE", "Case", "Claim", "find", "markdown_table"]

CATALOGUE: dict[str, Claim] = {
    claim.slug: claim
    for claim in sorted(
        (
            *CONDITIONS,
            *TRAINING,
            *LABELLING,
            *PARAMETERS,
            *DYNAMICS,
            *GUARANTEES,
            *TANGENTS,
            *NETWORKS,
            *ALTERNATING,
        ),
        key=lambda claim: claim.number,
    )
}


def find(slug: str) -> Claim:
    """Look a claim up by its slug.

    Args:
        slug: such as ``exact-labels``.

    Returns:
        The claim or condition.

    Raises:
        BadInputError: no such claim; the nearest is suggested.

    Example:
        >>> find("exact-labels")
        <theorem exact-labels: labelling the forget samples by the retrained model's predictions unlearns exactly>
    """
    if not isinstance(slug, str) or slug not in CATALOGUE:
        raise expected("a claim", "claim", slug, "unknown", nearest(slug, CATALOGUE))
    return CATALOGUE[slug]


def markdown_table() -> str:
    """The claims as a Markdown table: what the README shows.

    Returns:
        One row a claim, conditions left out, with its general status and a link to its proof.
    """
    from .theorems.status import theorem_status

    rows = ["| claim | in words | source | in general |", "|---|---|---|---|"]
    for claim in CATALOGUE.values():
        if not claim.is_condition:
            status = theorem_status(claim.slug)
            proof = f"[{status.status}](proofs/pages/{claim.slug}.md)" if status.hash else "no general proof"
            if claim.campaign and not status.hash:
                proof = f"measured: campaign `{claim.campaign}`"
            rows.append(f"| `{claim.slug}` | {claim.words} | {claim.source} | {proof} |")
    return "\n".join(rows) + "\n"


class _Catalogue(ModuleType):
    """Lets the module itself be read like a mapping."""

    def __getitem__(self, slug: str) -> Claim:
        return find(slug)

    def __iter__(self) -> Iterator[str]:
        return iter(CATALOGUE)

    def __len__(self) -> int:
        return len(CATALOGUE)


sys.modules[__name__].__class__ = _Catalogue
