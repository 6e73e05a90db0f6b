"""What a claim promises in words, held line by line against its certified statements.

Words are not proved by a machine, but what makes them strong is a short list: quantifiers, uniqueness, extremes,
equivalence. Such a word stands in a claim only if the same is said by a theorem of the claim, in what it says or what
it leaves to be said (``remains``), or if the catalogue names what else stands for it (``beyond``). That a theorem says
the word of the same thing is for a reader to see. An equivalence needs two theorems, each of which concludes what the
other assumes. And hypotheses are those of the theorems: every one is a condition of the claim, or the catalogue says
how it is met (``given``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...algebra.statement import Statement, parse_statement
from ..catalogue import CATALOGUE, Claim
from .registry import THEOREMS

__all__ = ["overpromises"]

_STRONG = {
    "all": "all|every|any|each|whatever|everywhere",
    "any": "any|all|every|whatever|wherever|arbitrary",
    "every": "every|all|any|each|whatever|everywhere",
    "everything": "every|all|any|whatever",
    "only": "only|no other|nowhere else|nothing else|unless",
    "alone": "alone|only",
    "nothing": "no|none|nothing|vanishes|zero",
    "no": "no|none|nothing|never|nowhere|unless|without",
    "never": "never|no|not",
    "always": "always|every|whatever",
    "unique": "unique|no other|only",
    "order": "order",
    "several": "several|number|every|any|all",
    "minimum": "minimum|shortest|farther|longer|minimises",
    "minimises": "minimum|minimises|larger",
    "best": "minimum|shortest|minimises",
    "converges": "converges|convergence|tends|0 geometrically|geometrically",
    "lim": "limit|tends",
}
"""Strong words of a claim, to words of a theorem that say as much."""


def overpromises(claim: Claim) -> list[str]:
    """What a claim of the catalogue promises beyond its theorems, each in a line; a claim without theorems needs words.

    Example:
        >>> from dataclasses import replace
        >>> overpromises(CATALOGUE["gap-formula"])
        []
        >>> overpromises(replace(CATALOGUE["gap-formula"], words="the gap never grows"))
        ['gap-formula says never, and none of its theorems does']
    """
    theorems = [t for t in THEOREMS.values() if t.slug == claim.slug]
    if not theorems:
        return [] if claim.unproved else [f"{claim.slug} has no theorem, and does not say why"]
    plain = [parse_statement(t.name, t.lines) for t in theorems if not t.lines[0].startswith("induction ")]
    lines = [line for t in theorems for line in t.lines]
    return [*_words(claim, lines), *_equivalences(claim, plain), *_hypotheses(claim, plain)]


def _words(claim: Claim, lines: list[str]) -> Iterator[str]:
    """Strong words that no theorem says."""
    said = " ".join(
        line.partition(" ")[2] for line in lines if line.startswith(("says ", "remains "))
    ).lower()
    told = " ".join((claim.words, claim.statement, claim.holds)).lower()
    for word, same in _STRONG.items():
        if (
            re.search(rf"\b{word}\b", told)
            and not re.search(rf"\b(?:{same})\b", said)
            and word not in claim.beyond
        ):
            yield f"{claim.slug} says {word}, and none of its theorems does"


def _equivalences(claim: Claim, theorems: list[Statement]) -> Iterator[str]:
    """An equivalence of which one direction is missing."""
    if "⟺" not in claim.statement and not re.search(
        r"\bonly if\b|\biff\b", f"{claim.words} {claim.statement}"
    ):
        return
    pairs = [
        ({str(f.polynomial) for f in t.facts.values() if f.label}, {str(c) for c in t.conclusions})
        for t in theorems
    ]
    both = any(a & d and c & b for i, (a, b) in enumerate(pairs) for c, d in pairs[:i])
    if not both and "⟺" not in claim.beyond:
        yield f"{claim.slug} says if and only if, and no two of its theorems are each other's converse"


def _hypotheses(claim: Claim, theorems: list[Statement]) -> Iterator[str]:
    """Hypotheses of theorems that the claim does not list, and listed ones that no theorem has."""
    found: dict[str, set[str]] = {}
    for theorem in theorems:
        for hypothesis in theorem.hypotheses:
            if hypothesis.assumed:
                found.setdefault(hypothesis.label, set()).update(_meanings(theorem, hypothesis.text))
    formal = {slug: set(CATALOGUE[slug].formal) for slug in claim.hypotheses}
    for label, meanings in found.items():
        if label not in claim.given and not any(meanings & texts for texts in formal.values()):
            yield f"{claim.slug} does not list the hypothesis {label} of its theorems"
    yield from (
        f"{claim.slug} is given {label}, which no theorem assumes"
        for label in claim.given
        if label not in found
    )
    everything = set().union(*found.values())
    for slug, texts in formal.items():
        if texts and not texts & everything:
            yield f"{claim.slug} needs {slug}, which none of its theorems assumes"


def _meanings(theorem: Statement, text: str) -> set[str]:
    """A hypothesis as it is written, and with a matrix that is called invertible put as what it stands for."""
    name, _, kind = text.partition(" ")
    if name in theorem.definitions and kind.endswith("invertible"):
        return {text, f"{theorem.definitions[name]} {kind}"}
    return {text}
