"""What a shell completes: names of claims, words, methods and axes, looked up when the key is pressed.

Each function tells all of a kind; typer offers those that begin as what was typed.
"""

from __future__ import annotations

from ..former import former

__all__ = ["axes", "claim_words", "condition_words", "label_methods", "method_words", "proofs", "words"]
former(__name__)


def claim_words() -> list[tuple[str, str]]:
    """Slugs of claims and conditions, and their words.

    Example:
        >>> claim_words()[0]
        ('consistent-sizes', 'features, targets and forget set fit together')
    """
    from ..claims import CATALOGUE

    return [(slug, claim.words) for slug, claim in CATALOGUE.items()]


def condition_words() -> list[tuple[str, str]]:
    """Slugs of conditions, and their words."""
    from ..claims import CATALOGUE

    return [(slug, claim.words) for slug, claim in CATALOGUE.items() if claim.is_condition]


def proofs() -> tuple[str, ...]:
    """Slugs of claims with a general proof."""
    from ..claims.theorems.registry import slugs

    return slugs()


def words() -> list[tuple[str, str]]:
    """What ``muso explain`` knows, but for options."""
    from ..glossary import GLOSSARY
    from ..verdict import Verdict

    terms = [(word.name, word.meaning) for word in GLOSSARY.values()]
    return [*claim_words(), *terms, *((verdict.name, verdict.value) for verdict in Verdict)]


def method_words() -> list[tuple[str, str]]:
    """Names of methods of ``muso unlearn``, and their sources; of networks alone where they are."""
    from ..methods import METHODS

    return [
        (name, method.source + ("" if method.serves("linear") else ", with --network"))
        for name, method in METHODS.items()
    ]


def label_methods() -> tuple[str, ...]:
    """Methods of ``muso labels``."""
    from ..linear.labels import LABEL_METHODS

    return LABEL_METHODS


def axes() -> list[tuple[str, str]]:
    """Axes of ``muso sweep``, with what their values are."""
    from ..unlearning.sweep import AXES

    return [(name, axis.what) for name, axis in AXES.items()]
