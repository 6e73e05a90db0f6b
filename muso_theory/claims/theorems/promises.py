"""What a claim promises in words, held clause by clause against the certified lines on which it rests.

Words are not proved by a machine, but each clause of a claim, and of what a condition means, names the lines on which
it rests (``rests`` in the catalogue): a conclusion of a theorem, or what one leaves to be said (``remains``). Against
these lines alone are held

* the formulas of the clause, also in the middle of a sentence: each is a conclusion, a definition or a hypothesis of
  those lines or stands in their words, as it is written or by its reading (``reads``). What is a hypothesis alone
  stands on the left of an implication or after "if" or the like, and what is a conclusion alone not on the left of one;
* the models that it speaks of;
* the strong words in it, of which there is a list: quantifiers, uniqueness, extremes, necessity, equivalence. One of
  those theorems says the word; that it says it of the same thing is for a reader to see. An equivalence needs two of
  them, each of which concludes what the other assumes.

For what no line says, the catalogue names what else stands (``beyond``). A clause may rest on no line, but on a row's
own data (``check``), on a campaign (``measured``) or on a source that has it (``cited``): then a strong word or a
formula in it needs an entry of ``beyond``. What a claim means where it fails, and what breaks without a hypothesis, is
a clause like any other; that a hypothesis is needed, a model in the certificate shows (``needed``). And hypotheses are
those of the theorems: every one is a condition of the claim, or the catalogue says how it is met (``given``); those
that stand in a definition (`hidden.py`), too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...algebra.render import unicode_math
from ...algebra.statement import Statement, parse_statement
from ...algebra.theorem import Theorem
from ..catalogue import CATALOGUE, Claim
from .formulas import formulas, normal, written
from .hidden import hidden_hypotheses
from .registry import THEOREMS

__all__ = ["overpromises"]

_STRONG = {
    "all": "all|every|any|each|whatever|everywhere",
    "any": "any|all|every|whatever|wherever|arbitrary",
    "every": "every|all|any|each|whatever|everywhere",
    "everything": "every|all|any|whatever",
    "anywhere": "anywhere|wherever|whatever|any",
    "whatever|wherever|whichever": "whatever|wherever|any|every|all",
    "arbitrar(?:y|ily)": "arbitrary|any|every|all|whatever",
    "(?<!-)free(?!-)": "all|any|every|whatever|free",
    "only": "only|no other|nowhere else|nothing else|unless",
    "alone": "alone|only",
    "nothing": "no|none|nothing|vanishes|zero",
    "no": "no|none|nothing|never|nowhere|unless|without",
    "none": "no|none|nothing",
    "never": "never|no|not",
    "for ?ever": "never|any number",
    "always": "always|every|whatever",
    "necessar(?:y|ily)": "only|no other|nowhere else|necessary",
    "must": "only|no other|nowhere else|forces",
    "cannot": "cannot|no|none|never|nowhere else",
    "impossible": "no|none|never|nowhere else",
    "guarantee[sd]?": "every|any|all|whatever",
    "unique": "unique|no other|only",
    "order": "order",
    "several": "several|number|every|any|all",
    "minimum": "minimum|shortest|farther|longer|minimises",
    "minimises": "minimum|minimises|larger",
    "(?:at )?least(?![- ]squares)": "at least|least|exceeds|farther|larger",
    "at most": "at most|never grows|loses energy|exceeds",
    "best": "minimum|shortest|minimises",
    "largest|smallest|sharp": "largest|smallest|sharp|least",
    "converges?": "converges|convergence|tends|0 geometrically|geometrically",
    "lim": "limit|tends",
    "regardless|irrespective": "whatever|any|every|all",
    "neither|nowhere": "no|none|nothing|never|nowhere",
    "no others?": "only|no other|nowhere else|unique",
    "shortest|minimal|fewest": "minimum|shortest|minimises|longer|least",
    "fastest": "fastest",
    "with or without": "any|every|all|whatever|without",
}
"""Strong words of a claim, to words of a theorem that say as much."""

_FIELDS = ("words", "statement", "holds", "fails")
"""What of a claim is a promise, beside what breaks without a hypothesis; of a condition, what it means."""

_PLACES = {"holds": ("check",), "fails": ("check",), "needs": ("check", "needed")}
"""On what beside lines of theorems a clause may rest."""

_WITHOUT_PROOF = ("check", "cited", "measured")
"""On what a clause may rest where there is no theorem."""

_MODEL = r"\bw_(?:[a-z]|[A-Z]+)\b|w₀"
"""A trained model in the words of a claim."""

_EQUIVALENT = (
    r"[⟺⇔↔]|\b(?:only if|only when|only where|iff|precisely (?:if|when)|exactly (?:if|when))\b"
    r"|\b(?:is|are) equivalent\b"
)
"""What says that two things hold together."""

_CONDITIONAL = r"[⟺⇔↔:]|\b(?:if|for|where|with|anywhere)\b"
"""What makes of a formula beside it a condition."""

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
    """What a claim or condition of the catalogue promises beyond its theorems, each in a line.

    Example:
        >>> from dataclasses import replace
        >>> overpromises(CATALOGUE["gap-formula"])
        []
        >>> overpromises(replace(CATALOGUE["gap-formula"], words="the gap never grows"))
        ['gap-formula says never, and no line on which "the gap never grows" rests does']
    """
    theorems = [t for t in THEOREMS.values() if t.slug == claim.slug]
    if not theorems:
        silent = not claim.is_condition and not claim.unproved
        return [f"{claim.slug} has no theorem, and does not say why"] if silent else [*_promises(claim)]
    plain = [parse_statement(t.name, t.lines) for t in theorems if not _is_induction(t)]
    return [*_promises(claim), *_hypotheses(claim, plain)]


@dataclass(frozen=True)
class _Line:
    """A certified line on which a clause rests: its theorem, and which of it; 0 is what it leaves to be said."""

    theorem: Theorem
    number: int

    @property
    def says(self) -> str:
        """The words that stand for it."""
        return " ".join(self._of("says", *(() if self.number else ("remains",))))

    @property
    def concluded(self) -> set[str]:
        """The formulas of its conclusion."""
        texts = self._of("conclude", "predicate")[self.number - 1 : self.number] if self.number else []
        return written(texts, [])

    @property
    def assumed(self) -> set[str]:
        """The formulas of its hypotheses."""
        return written((text.partition(": ")[2] for text in self._of("assume")), [])

    @property
    def told(self) -> set[str]:
        """The formulas of its definitions and in its words."""
        return written((re.sub(r" : \w+ x \w+", "", text) for text in self._of("let")), [self.says])

    def _of(self, *verbs: str) -> list[str]:
        split = (line.partition(" ") for line in self.theorem.lines)
        return [text for verb, _, text in split if verb in verbs]


def _promises(claim: Claim) -> Iterator[str]:
    """Clauses without a line, with a line that is none, or that promise more than their lines; idle excuses."""
    promised = []
    for name, sentence, usual in _sentences(claim):
        clauses, rests = _clauses(sentence), claim.rests.get(name, [usual] if usual else [])
        if len(clauses) != len(rests):
            yield f"{claim.slug}.{name} has {len(clauses)} clauses, which rest on {len(rests)} lines"
        for clause, labels in zip(clauses, rests, strict=False):
            lines = [_line(label) for label in labels.split()]
            for label, line in zip(labels.split(), lines, strict=True):
                if not _may_rest(claim, name.partition(".")[0], clause, label, line):
                    yield f"{claim.slug} rests on {label}, which is no line of its theorems"
            yield from _clause(claim, clause, [line for line in lines if line is not None])
        promised.append(sentence.lower())
    for excuse in (*claim.reads, *claim.beyond):
        if not any(excuse.lower() in sentence for sentence in promised):
            yield f"{claim.slug} does not say {excuse}, which its entry explains"


def _may_rest(claim: Claim, field: str, clause: str, label: str, line: _Line | None) -> bool:
    """Whether a clause may rest on this: what a claim says on its own theorems, or on one that it names."""
    if line is None:
        places = _PLACES.get(field, ())
        return label in ((*places, *_WITHOUT_PROOF) if claim.unproved else places)
    anywhere = claim.is_condition or field in ("fails", "needs")
    return anywhere or line.theorem.slug in (claim.slug, *re.findall(r"[a-z-]+", clause))


def _sentences(claim: Claim) -> Iterator[tuple[str, str, str]]:
    """What promises something: the name of each sentence, the sentence, and on what one of a single clause rests."""
    for name in _FIELDS:
        if not (claim.is_condition and name in ("words", "statement")):  # those define it
            yield name, getattr(claim, name), "check" if claim.is_condition or name == "fails" else ""
    for slug, breaks in claim.needs.items():
        yield f"needs.{slug}", breaks, "needed"


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
        return _Line(theorem, 0) if any(x.startswith("remains ") for x in theorem.lines) else None
    count = sum(line.startswith(("conclude ", "predicate ")) for line in theorem.lines)
    return _Line(theorem, int(which)) if which.isdecimal() and 1 <= int(which) <= count else None


def _is_induction(theorem: Theorem) -> bool:
    return theorem.lines[0].startswith("induction ")


def _clause(claim: Claim, clause: str, lines: Sequence[_Line]) -> Iterator[str]:
    """Strong words, formulas, models and an equivalence in a clause that the lines on which it rests do not have."""
    said = " ".join(line.says for line in lines).lower()
    plain = clause.lower().replace("doing nothing", "")  # a term: what w_p leaves
    for word, same in _STRONG.items():
        told = [m for m in re.findall(rf"\b(?:{word})\b", plain) if m not in claim.beyond]
        if told and not re.search(rf"\b(?:{same})\b", said):
            yield f'{claim.slug} says {told[0]}, and no line on which "{clause}" rests does'
    yield from _formulas(claim, clause, lines)
    if lines:
        texts = [" ".join(line.theorem.lines) for line in lines]
        names = {name for text in texts for name in re.findall(r"\w+", f"{text} {unicode_math(text)}")}
        for model in dict.fromkeys(re.findall(_MODEL, clause.replace("w₀ = 0", ""))):
            if not names & {model, *_SAME.get(model, ())}:
                yield f'{claim.slug} speaks of {model}, and no line on which "{clause}" rests does'
    if re.search(_EQUIVALENT, clause):
        yield from _equivalence(claim, clause, lines)


def _formulas(claim: Claim, clause: str, lines: Sequence[_Line]) -> Iterator[str]:
    """Formulas that the lines do not have, or have on the other side of an implication."""
    concluded, assumed, told = (
        set().union(*(getattr(line, part) for line in lines)) for part in ("concluded", "assumed", "told")
    )
    left, arrow, right = clause.rpartition("⟹")
    for part in (left, right):
        for formula in formulas(part):
            if formula in claim.beyond:
                continue
            written_so = {normal(formula), normal(claim.reads.get(formula, ""))}
            if not written_so & (concluded | assumed | told):
                yield f'{claim.slug} has the formula {formula}, which no line on which "{clause}" rests has'
            elif arrow and part is left and not written_so & (assumed | told):
                yield f'{claim.slug} assumes {formula}, and no line on which "{clause}" rests does'
            elif part is right and not written_so & (concluded | told) and not re.search(_CONDITIONAL, right):
                yield f'{claim.slug} concludes {formula}, and no line on which "{clause}" rests does'


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
    hidden = dict.fromkeys(text for theorem in theorems for text in hidden_hypotheses(theorem))
    yield from (
        f"{claim.slug} does not say what the definition {text} takes for granted"
        for text in hidden
        if text not in claim.given
    )
    yield from (
        f"{claim.slug} is given {label}, which no theorem assumes"
        for label in claim.given
        if label not in found and label not in hidden
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
