"""What a claim promises in words, held clause by clause against the certified lines on which it rests.

Words are not proved by a machine, but each clause of a claim (of its words, its statement, and what it means if it
holds) names the lines on which it rests (``rests`` in the catalogue): a conclusion of a theorem, or what one leaves to
be said (``remains``). Against these lines alone are held the models that the clause speaks of, and the strong words in
it, of which there is a short list: quantifiers, uniqueness, extremes, equivalence. A strong word must be said by one of
those theorems, or the catalogue names what else stands for it (``beyond``). That a theorem says the word of the same
thing is for a reader to see. An equivalence needs two of them, each of which concludes what the other assumes. A clause
may rest on a row's own data alone (``"check"``); then it may use no strong word. And hypotheses are those of the
theorems: every one is a condition of the claim, or the catalogue says how it is met (``given``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...algebra.render import unicode_math
from ...algebra.statement import Statement, parse_statement
from ...algebra.theorem import Theorem
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


_FIELDS = ("words", "statement", "holds")
"""What of a claim is a promise."""

_CHECK = "check"
"""What a clause rests on that only a row of a report says, about its own data."""

_MODEL = r"\bw_(?:[a-z]|[A-Z]+)\b|w₀"
"""A trained model in the words of a claim."""

_SAME = {
    "w_t": {"w"},
    "w_T": {"w", "w_T"},
    "w_u": {"w_s", "w_2", "w_f"},
    "w_K": {"T_K"},
    "w_G": {"T_G"},
    "w_r": {"w_S", "w_T"},
    "w₀": {"v"},
}
"""Names of claims for what a theorem calls otherwise: iterates, other starts, blocks, retraining on S or in T steps."""


def overpromises(claim: Claim) -> list[str]:
    """What a claim of the catalogue promises beyond its theorems, each in a line; a claim without theorems needs words.

    Example:
        >>> from dataclasses import replace
        >>> overpromises(CATALOGUE["gap-formula"])
        []
        >>> overpromises(replace(CATALOGUE["gap-formula"], words="the gap never grows"))
        ['gap-formula says never, and no line on which "the gap never grows" rests does']
    """
    theorems = [t for t in THEOREMS.values() if t.slug == claim.slug]
    if not theorems:
        return [] if claim.unproved else [f"{claim.slug} has no theorem, and does not say why"]
    plain = [parse_statement(t.name, t.lines) for t in theorems if not _is_induction(t)]
    return [*_promises(claim), *_hypotheses(claim, plain)]


@dataclass(frozen=True)
class _Line:
    """A certified line on which a clause rests: its theorem, and whether it is what that leaves to be said."""

    theorem: Theorem
    remains: bool

    @property
    def says(self) -> str:
        """The words that stand for it."""
        verbs = ("says ", "remains ") if self.remains else ("says ",)
        return " ".join(
            line.partition(" ")[2] for line in self.theorem.lines if line.startswith(verbs)
        ).lower()


def _promises(claim: Claim) -> Iterator[str]:
    """Clauses without a line, with a line that is none, or that promise more than their lines."""
    for name in _FIELDS:
        clauses, rests = _clauses(getattr(claim, name)), claim.rests.get(name, [])
        if len(clauses) != len(rests):
            yield f"{claim.slug}.{name} has {len(clauses)} clauses, which rest on {len(rests)} lines"
        for clause, labels in zip(clauses, rests, strict=False):
            lines = []
            for label in labels.split():
                line = _line(label)
                if line is not None and line.theorem.slug in (claim.slug, *re.findall(r"[a-z-]+", clause)):
                    lines.append(line)
                elif label != _CHECK or name != "holds":
                    yield f"{claim.slug} rests on {label}, which is no line of its theorems"
            yield from _clause(claim, clause, lines)


def _clauses(sentence: str) -> list[str]:
    """A sentence at its semicolons and full stops, those in brackets and of abbreviations left alone."""
    found, depth, start = [], 0, 0
    for i, letter in enumerate(sentence):
        depth += (letter in "([") - (letter in ")]")
        ends = letter == ";" or (letter == "." and not sentence[:i].endswith(("e.g", "i.e")))
        if ends and not depth and sentence[i + 1 : i + 2] in ("", " "):
            found.append(sentence[start:i].strip())
            start = i + 1
    return [clause for clause in (*found, sentence[start:].strip()) if clause]


def _line(label: str) -> _Line | None:
    """The line that a label names: "THEOREM.2" is the second conclusion, or predicate of an induction."""
    name, _, which = label.rpartition(".")
    theorem = THEOREMS.get(name)
    if theorem is None:
        return None
    if which == "remains":
        return _Line(theorem, True) if any(x.startswith("remains ") for x in theorem.lines) else None
    count = sum(line.startswith(("conclude ", "predicate ")) for line in theorem.lines)
    return _Line(theorem, False) if which.isdecimal() and 1 <= int(which) <= count else None


def _is_induction(theorem: Theorem) -> bool:
    return theorem.lines[0].startswith("induction ")


def _clause(claim: Claim, clause: str, lines: Sequence[_Line]) -> Iterator[str]:
    """Strong words, models and an equivalence in a clause that the lines on which it rests do not have."""
    said = " ".join(line.says for line in lines)
    plain = clause.lower().replace("doing nothing", "")  # a term: what w_p leaves
    for word, same in _STRONG.items():
        told = re.search(rf"\b{word}\b", plain) and word not in claim.beyond
        if told and not re.search(rf"\b(?:{same})\b", said):
            yield f'{claim.slug} says {word}, and no line on which "{clause}" rests does'
    if lines:
        known = {
            name for line in lines for name in re.findall(r"\w+", unicode_math(" ".join(line.theorem.lines)))
        }
        known |= {name for line in lines for name in re.findall(r"\w+", " ".join(line.theorem.lines))}
        for model in dict.fromkeys(re.findall(_MODEL, clause.replace("w₀ = 0", ""))):
            if not known & {model, *_SAME.get(model, ())}:
                yield f'{claim.slug} speaks of {model}, and no line on which "{clause}" rests does'
    if "⟺" in clause or re.search(r"\bonly if\b|\biff\b", clause):
        yield from _equivalence(claim, clause, lines)


def _equivalence(claim: Claim, clause: str, lines: Sequence[_Line]) -> Iterator[str]:
    """An equivalence of which one direction is missing."""
    theorems = dict.fromkeys(line.theorem.name for line in lines if not _is_induction(line.theorem))
    pairs = []
    for name in theorems:
        statement = parse_statement(name, THEOREMS[name].lines)
        assumed = {
            str(statement.unfolded(fact.polynomial)) for fact in statement.facts.values() if fact.label
        }
        pairs.append((assumed, {str(statement.unfolded(c)) for c in statement.conclusions}))
    both = any(a & d and c & b for i, (a, b) in enumerate(pairs) for c, d in pairs[:i])
    if not both and "⟺" not in claim.beyond:
        yield f'{claim.slug} says if and only if, and "{clause}" rests on no two theorems that are converse'


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
