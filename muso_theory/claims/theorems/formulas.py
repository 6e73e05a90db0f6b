"""The formulas in the words of a claim, and those that certified lines have, so that one can be held against the other.

A formula is a run of symbols with a relation or an operation in it, also in the middle of a sentence; one letter alone
is a name. It is compared as it is written, blanks aside: what is written otherwise needs a reading (``reads`` in the
catalogue), which a reader can hold against it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ...algebra.render import unicode_math

__all__ = ["formulas", "normal", "written"]

_WORD = re.compile(r"[A-Za-z][a-z]+(?:[’'-][A-Za-z]+)*|an?|float64|[ec]\.g\.?|i\.e\.?")
"""English, and the names of claims and conditions."""

_FUNCTIONS = {"lim", "ker", "rank", "row", "min", "range", "log", "softmax", "argmin"}
"""English that is mathematics before a bracket or a symbol."""

_CONNECTIVES = "⟹⟺⇔⇒↔"
_NAME = re.compile(r"[\w∖∃–-]*(?:⁻¹|⁺|ᵀ)?(?:\([^()+−·/]*\)(?:-[a-z]+)?|\[\w*\])?")
"""One symbol, with its inverse, its argument, or what it is made of beside it: no formula."""


def formulas(sentence: str) -> list[str]:
    """The formulas of a sentence, in order, cut at commas and between the sides of an implication.

    Example:
        >>> formulas("the gap is δᵀS⁻¹δ, and w_u = w_r ⟹ K of n rows is (0; δ) if w₀ = 0")
        ['δᵀS⁻¹δ', 'w_u = w_r', 'w₀ = 0']
    """
    return [run for run in _runs(sentence) if not _NAME.fullmatch(run)]


def _runs(sentence: str) -> Iterator[str]:
    run: list[str] = []
    for token in (*_tokens(sentence), "and"):
        bare = token.strip(",;:.") if token != ":=" else token
        if _is_english(bare) or bare in _CONNECTIVES:
            if run:
                yield " ".join(run)
            run = []
            if bare.startswith("(") and bare.endswith(")"):
                yield from _runs(bare[1:-1])
            continue
        run.append(bare)
        if token != bare:
            yield " ".join(run)
            run = []


def _tokens(sentence: str) -> Iterator[str]:
    """What stands between blanks, brackets kept whole."""
    depth, start = 0, 0
    for i, letter in enumerate(sentence + " "):
        depth += (letter in "([{") - (letter in ")]}")
        if letter == " " and depth <= 0:
            if i > start:
                yield sentence[start:i]
            start = i + 1
    if start < len(sentence) and depth > 0:  # a bracket that is never closed
        yield from sentence[start:].split()


def _is_english(token: str) -> bool:
    """Whether this is a word, or a remark in brackets."""
    if token.startswith("(") and token.endswith(")"):
        return any(len(w) > 1 and _is_english(w) for w in (w.strip(",;:.") for w in token[1:-1].split()))
    return token not in _FUNCTIONS and (_WORD.fullmatch(token) is not None or not token)


def normal(formula: str) -> str:
    """A formula as a claim or as a statement writes it, in the letters of claims and without blanks.

    Example:
        >>> normal("w_u - w_r = Phi^+ delta"), normal("w_u − w_r = Φ⁺δ")
        ('w_u−w_r=Φ⁺δ', 'w_u−w_r=Φ⁺δ')
    """
    return re.sub(r"\s", "", _printed(formula))


def written(bodies: Iterable[str], prose: Iterable[str]) -> set[str]:
    """All formulas of certified lines, in normal form: equations and each side of them, and those in their words.

    Args:
        bodies: equations in the language of statements.
        prose: what lines say and leave.
    """
    found: set[str] = set()
    for body in bodies:
        sides = body.split(" = ")
        found |= {body, *sides, *([f"{sides[1]} = {sides[0]}"] if len(sides) == 2 else [])}
    for text in prose:
        found |= set(formulas(_printed(text)))
    return {normal(formula) for formula in found}


def _printed(text: str) -> str:
    """In the letters of claims; the two that stand in the words of theorems alone, too."""
    return re.sub(r"\beta(?=\b|_)", "η", re.sub(r"\blambda(?=\b|_)", "λ", unicode_math(text)))
