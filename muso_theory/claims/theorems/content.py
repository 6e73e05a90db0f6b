"""What a proof page says, apart from how it is written: clauses, trials and steps, as pieces of text and formulas.

Markdown, and the theorem site, are two ways to write the same content.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from ...algebra.derivation import Node
from ...algebra.expression import NAME
from ...algebra.render import reason
from ...algebra.statement import parse_statement
from .registry import THEOREMS

__all__ = [
    "Clause",
    "Formula",
    "Piece",
    "proof_steps",
    "result",
    "says",
    "setting",
    "shared_lines",
    "shown_matrix",
    "trials",
]


@final
@dataclass(frozen=True, slots=True)
class Formula:
    """An expression or equation in the statement language.

    Args:
        text: such as ``w_u = w_r``.
    """

    text: str


Piece = str | Formula
"""Words as they are printed, or a formula."""

Part = tuple[Piece, ...]


@final
@dataclass(frozen=True)
class Clause:
    """One kind of line in a statement, such as all that is assumed.

    Args:
        head: its name, such as ``for all``, ``where``, ``assume``, ``then``.
        parts: what is listed.
        separator: between parts.
    """

    head: str
    parts: tuple[Part, ...]
    separator: str


@final
@dataclass(frozen=True)
class _HypothesisTrial:
    """What dropping one hypothesis alone showed.

    Args:
        theorem: the theorem, without the name of its claim.
        label: the hypothesis.
        formula: what it says.
        outcome: ``needed``, ``redundant``, or of a user's own theorem ``not decided``.
        model: the exact matrices that show it; none if it is not decided.
    """

    theorem: str
    label: str
    formula: Part
    outcome: str
    model: tuple[tuple[Formula, str], ...]


def says(node: Node) -> str:
    """The statement in words, letters spelt out; of a theorem that is not of the collection they are its author's."""
    words = " ".join(line[5:] for line in node["statement"] if line.startswith("says "))
    own = words and node["name"] not in THEOREMS
    return f"in its author's words, which nothing checks: {words}" if own else words


def shared_lines(nodes: Sequence[Node]) -> list[str]:
    """The lines that all statements begin with, if there are several statements."""
    first, *others = [list(node["statement"]) for node in nodes]
    if not others:
        return []
    count = 0
    while (
        all(len(s) > count and s[count] == first[count] for s in others)
        and first[count].split()[0] in _SETTING
    ):
        count += 1
    return first[:count]


_SETTING = ("matrix", "partition", "scalar", "let", "pinv")


def setting(lines: Sequence[str]) -> list[Clause]:
    """Data and definitions, one clause a kind, in a fixed order."""
    return _clauses(lines, _HEADS)


def _matrix(rest: str) -> Part:
    name, _, kind = rest.partition(" : ")
    return (Formula(name), f" ({kind.replace(' x ', '×')})")


def _partition(rest: str) -> Part:
    sizes, _, selections = rest.partition(" by ")
    return (Formula(sizes), ", selected by ", Formula(selections))


def _scalar(rest: str) -> Part:
    name, _, sizes = rest.partition(" on ")
    return (Formula(name), " as ", Formula(", ".join(f"{name}_{size}" for size in sizes.split(", "))))


def _labelled(rest: str) -> Part:
    label, colon, body = rest.partition(": ")
    if not colon:
        return (Formula(rest),)
    name, _, kind = body.partition(" ")
    if "=" in body:
        return (f"{label}: ", Formula(body))
    return (f"{label}: ", Formula(name), f" {kind}")


_HEADS: tuple[tuple[str, str, str, Callable[[str], Part]], ...] = (
    ("matrix", "for all", ",", _matrix),
    ("state", "built", ",", _matrix),
    ("partition", "rows", ";", _partition),
    ("scalar", "numbers", ";", _scalar),
    ("let", "where", ";", lambda rest: (Formula(rest),)),
    ("pinv", "inverses", ",", lambda rest: (Formula(f"{rest}^+"),)),
)
_CLAIMS: tuple[tuple[str, str, str, Callable[[str], Part]], ...] = (
    ("assume", "assume", ";", _labelled),
    ("without", "not need", ";", _labelled),
    ("exists", "exists", ",", lambda rest: (Formula(rest),)),
    ("predicate", "claim", ";", lambda rest: (Formula(rest),)),
    ("conclude", "then", ";", lambda rest: (Formula(rest),)),
)
_RULE = ("induction", "base", "step")


def _clauses(
    lines: Sequence[str], heads: Sequence[tuple[str, str, str, Callable[[str], Part]]]
) -> list[Clause]:
    """The lines of each kind as one clause."""
    found = []
    for verb, head, separator, read in heads:
        rests = [line.partition(" ")[2] for line in lines if line.startswith(verb + " ")]
        if rests:
            found.append(Clause(head, tuple(read(rest) for rest in rests), separator))
    return found


def result(node: Node, shared: Sequence[str]) -> list[Clause]:
    """What one theorem says, beyond the setting that it shares."""
    own = list(node["statement"][len(shared) :])
    rules = [line.partition(" ") for line in own if line.split(" ")[0] in _RULE]
    return [
        *_clauses(own, _HEADS),
        *(Clause(verb, ((rest,),), ";") for verb, _, rest in rules),
        *_clauses(own, _CLAIMS),
    ]


def trials(nodes: Sequence[Node]) -> list[_HypothesisTrial]:
    """What each trial of a hypothesis found, and the exact model that shows it."""
    found = []
    for node in nodes:
        if "trials" not in node:
            continue
        statement = parse_statement(node["name"], node["statement"])
        for hypothesis in statement.hypotheses:
            trial = node["trials"]["hypotheses"][hypothesis.label] or {"not decided": {"matrices": {}}}
            ((outcome, model),) = trial.items()
            data = (*statement.free, *(group[0] for group in statement.scalars))
            known = [s for s in data if s in model["matrices"]]
            shown = tuple((Formula(s), shown_matrix(model["matrices"][s])) for s in known)
            theorem = node["name"].partition("/")[2] or node["name"]
            formula = _labelled(f"{hypothesis.label}: {hypothesis.text}")[1:]
            found.append(_HypothesisTrial(theorem, hypothesis.label, formula, outcome, shown))
    return found


def proof_steps(node: Node) -> list[Part]:
    """The steps of a proof with reasons, each a sentence without its full stop."""
    if node["steps"][0]["rule"] == "induction":
        return [("By induction: the base and the step named above",)]
    statement = parse_statement(node["name"], node["statement"])
    cited = {t[2].removesuffix("'") for step in node["steps"] for t in step.get("terms", [])}
    found: list[Part] = []
    for number, step in enumerate(node["steps"], 1):
        if step["rule"] == "combination":
            reasons = dict.fromkeys(reason(t[2].removesuffix("'"), statement.inverses) for t in step["terms"])
            found.append((Formula(step["conclusion"]), f", by {', '.join(reasons) or 'expansion'}"))
        elif step["rule"] == "lemma":
            found.append(_applied(number, step, cited))
        elif step["rule"] == "cancellation":
            why = f", by {reason(step['from'], {})}: a sum of squares vanishes"
            found.append((Formula(step["conclusion"]), why))
        else:
            found.append(("choose ", Formula(f"{step['symbol']} = {step['value']}")))
    return found


def _applied(number: int, step: Mapping[str, Any], cited: set[str]) -> Part:
    """A use of a lemma: what is put in, and what of it is used later."""
    lemma = parse_statement(step["lemma"], THEOREMS[step["lemma"]].lines)
    put = [f"{s} = {step['with'][s]}" for s in lemma.free if step["with"][s] != s]
    texts = [line.removeprefix("conclude ") for line in lemma.lines if line.startswith("conclude ")]
    used = [i for i in range(1, len(texts) + 1) if f"step({number}).{i}" in cited]
    used = used or list(range(1, len(texts) + 1))
    pieces: list[Piece] = [step["lemma"]]
    if put:
        pieces += [" with ", Formula(", ".join(put))]
    for i in used:
        pieces += [
            f"{': ' if i == used[0] else '; '}({number}.{i}) ",
            Formula(put_in(texts[i - 1], step["with"])),
        ]
    return tuple(pieces)


def put_in(text: str, values: Mapping[str, str]) -> str:
    """Put expressions in for the symbols of an equation, in brackets where they are not single letters."""

    def one(match: re.Match[str]) -> str:
        value = values.get(match.group(0), match.group(0))
        return f"({value})" if " " in value else value

    return re.sub(NAME, one, text)


def shown_matrix(rows: list[list[str]]) -> str:
    """A matrix in one line, rows separated by semicolons."""
    return "[" + "; ".join(" ".join(row) for row in rows) + "]"
