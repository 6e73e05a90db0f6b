"""What a shell completes: names of claims, words, methods and axes; each is looked up when the key is pressed."""

from __future__ import annotations

__all__ = ["axes", "claims", "conditions", "label_methods", "methods", "proofs", "words"]


def claims(incomplete: str) -> list[tuple[str, str]]:
    """Claims and conditions that begin so.

    Args:
        incomplete: what is typed.

    Returns:
        Slugs, each in words.

    Example:
        >>> claims("label-f")
        [('label-free', 'the optimal labels follow from the pretrained model alone')]
    """
    from .claims import CATALOGUE

    return [(slug, claim.words) for slug, claim in CATALOGUE.items() if slug.startswith(incomplete)]


def conditions(incomplete: str) -> list[tuple[str, str]]:
    """Conditions that begin so.

    Args:
        incomplete: what is typed.

    Returns:
        Slugs, each in words.
    """
    from .claims import find

    return [(slug, words) for slug, words in claims(incomplete) if find(slug).is_condition]


def proofs(incomplete: str) -> list[str]:
    """Claims with a general proof that begin so.

    Args:
        incomplete: what is typed.

    Returns:
        Slugs.
    """
    from .claims.theorems.registry import slugs

    return [slug for slug in slugs() if slug.startswith(incomplete)]


def words(incomplete: str) -> list[tuple[str, str]]:
    """Whatever ``muso explain`` knows that begins so.

    Args:
        incomplete: what is typed.

    Returns:
        Words, each with its meaning.
    """
    from .glossary import GLOSSARY
    from .verdict import Verdict

    terms = [(word.name, word.meaning) for word in GLOSSARY.values()]
    terms += [(verdict.name, verdict.value) for verdict in Verdict]
    begun = [(word, says) for word, says in terms if word.lower().startswith(incomplete.lower())]
    return [*claims(incomplete), *begun]


def methods(incomplete: str) -> list[tuple[str, str]]:
    """Methods of ``muso unlearn`` that begin so.

    Args:
        incomplete: what is typed.

    Returns:
        Names, each with its source.
    """
    from .linear.baselines import METHODS

    return [(name, kind.source) for name, kind in METHODS.items() if name.startswith(incomplete)]


def label_methods(incomplete: str) -> list[str]:
    """Methods of ``muso labels`` that begin so.

    Args:
        incomplete: what is typed.

    Returns:
        Names.
    """
    from .linear.labels import LABEL_METHODS

    return [name for name in LABEL_METHODS if name.startswith(incomplete)]


def axes(incomplete: str) -> list[tuple[str, str]]:
    """Axes of ``muso sweep`` that begin so.

    Args:
        incomplete: what is typed.

    Returns:
        Names, each with what its values are.
    """
    from .sweeping import AXES

    return [(name, axis.what) for name, axis in AXES.items() if name.startswith(incomplete)]
