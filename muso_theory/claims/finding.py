"""Looking a claim up by its slug, and saying what a word is that is none."""

from __future__ import annotations

from ..errors import expected, nearest
from .catalogue import CATALOGUE, Claim

__all__ = ["find"]


def find(slug: str) -> Claim:
    """Look a claim up by its slug.

    Raises:
        BadInputError: no such claim; what it is if another command knows it, else the nearest.

    Example:
        >>> find("exact-labels")
        <theorem exact-labels: labelling the forget samples by the retrained model's predictions unlearns exactly>
        >>> find("newton-removal")
        Traceback (most recent call last):
        muso_theory.errors.BadInputError: expected a claim but got claim=newton-removal (a theorem that no report has a
        row of); try muso prove newton-removal
    """
    if isinstance(slug, str) and slug in CATALOGUE:
        return CATALOGUE[slug]
    found = _elsewhere(slug) if isinstance(slug, str) else []
    if found:
        kinds, commands = zip(*found, strict=True)
        raise expected("a claim", "claim", slug, ", and ".join(kinds), ", or ".join(commands))
    raise expected("a claim", "claim", slug, "unknown", nearest(slug, CATALOGUE))


def _elsewhere(word: str) -> list[tuple[str, str]]:
    """What a word that is no claim is, and what knows it."""
    from ..evaluation.mechanisms import MECHANISMS
    from ..methods import METHODS
    from .theorems.registry import THEOREMS, slugs
    from .theorems.showing import BEARS_ON

    found = []
    if word in slugs():
        found.append(("a theorem that no report has a row of", f"muso prove {word}"))
    elif word in THEOREMS:
        slug = THEOREMS[word].slug
        check = f", or muso check DATA --claim {slug}" if slug in CATALOGUE else ""
        known = (f"a theorem of {slug}", f"muso prove {slug}{check}")
        found.append(known if slug in slugs() else ("a lemma of theorems", "proofs/pages/lemmas.md"))
    if word in METHODS:
        found.append(("a method of unlearning", f"muso unlearn DATA --method {word}"))
    if word in MECHANISMS:
        found.append(("a mechanism of guarantees", f'mt.evaluation.guarantee("{word}", …)'))
    if word in BEARS_ON:
        claims = ", ".join(claim for claim in BEARS_ON[word][:3] if claim in CATALOGUE)
        found.append((f"a campaign, which bears on {claims}", f"python -m verification {word}"))
    return found
