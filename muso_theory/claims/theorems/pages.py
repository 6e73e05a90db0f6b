"""Proof pages, generated from certificates: main results, hypotheses, proof, counterexamples, references."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from muso_theory.algebra.derivation import Node
from muso_theory.algebra.expression import NAME
from muso_theory.algebra.render import latex, reason, unicode_math
from muso_theory.algebra.statement import parse_statement
from muso_theory.claims.theorems.registry import THEOREMS
from muso_theory.claims.theorems.sources import SOURCES

__all__ = ["latex_page", "markdown_page"]


def markdown_page(slug: str, nodes: list[Node], status: str) -> str:
    """The page of one claim.

    Args:
        slug: the claim, or ``"lemma"``.
        nodes: the certificates of its theorems.
        status: its derived status, in words.

    Returns:
        Markdown; formulas are Unicode in code blocks, so the page reads in a terminal too.
    """
    lines = [f"# {slug}", "", f"Status: {status}", "", "## Main results", ""]
    shared = _shared(nodes)
    if shared:
        lines += ["Throughout:", "", "```", *_setting(shared), "```", ""]
    for node in nodes:
        lines += [f"**{node['name']}**: {_says(node)}.", "```", *_result(node, shared), "```"]
    lines += ["", "## Hypotheses and counterexamples", "", *_hypotheses(nodes), "", "## Proof"]
    for node in nodes:
        lines += ["", f"**{node['name']}**", "", *_proof(node)]
    lines += ["", "## References", "", SOURCES.get(slug, "This toolkit."), ""]
    return "\n".join(lines)


def latex_page(slug: str, nodes: list[Node]) -> str:
    """Theorems and proofs of one claim in LaTeX.

    Args:
        slug: the claim.
        nodes: the certificates of its theorems.

    Returns:
        A fragment that needs ``amsmath`` and the environments ``theorem`` and ``proof``.
    """
    lines = [f"% {slug}"]
    for node in nodes:
        lines += [r"\begin{theorem}[" + node["name"] + "]"]
        for line in node["statement"]:
            verb, _, rest = line.partition(" ")
            body = rest.partition(": ")[2] if verb in ("assume", "without") else rest
            if verb == "partition":
                sizes, _, selections = rest.partition(" by ")
                lines.append(rf"Let ${sizes}$ rows be selected by ${latex(selections)}$.")
            elif verb in _LATEX and "=" in body:
                lines.append(f"{_LATEX[verb]} ${latex(body)}$.")
            elif verb in ("matrix", "state", "exists"):
                name, _, kind = rest.partition(" : ")
                there = "There is a matrix" if verb == "exists" else "Let"
                lines.append(rf"{there} ${latex(name)}$ of size ${kind.replace(' x ', chr(92) + 'times ')}$.")
            elif verb in ("assume", "without") and body:
                name, _, kind = body.partition(" ")
                lines.append(f"{_LATEX[verb]} ${latex(name)}$ to be {kind}.")
        lines += [r"\end{theorem}", r"\begin{proof}"]
        lines += _latex_proof(node)
        lines += [r"\end{proof}"]
    return "\n".join(lines) + "\n"


def _latex_proof(node: Node) -> list[str]:
    """The steps in LaTeX; reasons are named by number, lemma and hypothesis."""
    if node["steps"][0]["rule"] == "induction":
        return ["By induction: the base and the step named above."]
    lines = []
    for i, step in enumerate(node["steps"], 1):
        if step["rule"] == "lemma":
            texts = [
                line.removeprefix("conclude ")
                for line in THEOREMS[step["lemma"]].lines
                if line.startswith("conclude ")
            ]
            parts = [latex(_put(text, step["with"])) for text in texts]
            said = r",\quad ".join(f"({i}.{k})\\; {part}" for k, part in enumerate(parts, 1))
            lines.append(f"By {step['lemma']}: ${said}$.")
        elif step["rule"] == "witness":
            lines.append(f"Choose ${latex(step['symbol'])} = {latex(step['value'])}$. \\hfill({i})")
        else:
            keys = [t[2].removesuffix("'") for t in step.get("terms", [])] or [step["from"]]
            reasons = dict.fromkeys(
                k.removeprefix("step") if k.startswith("step") else rf"\texttt{{{k}}}" for k in keys
            )
            why = ", ".join(reasons).replace("_", r"\_")
            lines.append(f"${latex(step['conclusion'])}$, by {why}. \\hfill({i})")
    return [line + r" \\" for line in lines]


_LATEX = {
    "let": "Put", "assume": "Assume", "without": "It is not needed that", "conclude": "Then", "predicate": "Claim:",
}  # fmt: skip


def _says(node: Node) -> str:
    """The statement in words."""
    return unicode_math(" ".join(line[5:] for line in node["statement"] if line.startswith("says ")))


def _shared(nodes: list[Node]) -> list[str]:
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


_SETTING = ("matrix", "partition", "let", "pinv")


def _packed(head: str, parts: list[str], separator: str) -> list[str]:
    """A head and parts in lines of bounded width."""
    lines, line = [], f"{head:10}"
    for i, part in enumerate(parts):
        piece = part + (separator if i + 1 < len(parts) else "")
        if len(line) + len(piece) > 108 and line[10:]:
            lines.append(line.rstrip())
            line = " " * 10
        line += piece + " "
    return [*lines, line.rstrip()]


def _setting(lines: list[str]) -> list[str]:
    """Data and definitions, in few lines."""
    result: list[str] = []
    for verb, head, separator in _HEADS:
        rests = [line.partition(" ")[2] for line in lines if line.startswith(verb + " ")]
        if verb in ("matrix", "state"):
            rests = [
                f"{unicode_math(n)} ({k.replace(' x ', '×')})"
                for n, _, k in (r.partition(" : ") for r in rests)
            ]
        elif verb == "partition":
            rests = [unicode_math(r).replace(" by ", ", selected by ") for r in rests]
        elif verb == "pinv":
            rests = [unicode_math(f"{r}^+") for r in rests]
        else:
            rests = [unicode_math(r) for r in rests]
        if rests:
            result += _packed(head, rests, separator)
    return result


_HEADS = (
    ("matrix", "for all", ","),
    ("state", "built", ","),
    ("partition", "rows", ";"),
    ("let", "where", ";"),
    ("pinv", "inverses", ","),
)


def _result(node: Node, shared: list[str]) -> list[str]:
    """What one theorem says."""
    own = list(node["statement"][len(shared) :])

    def rests(verb: str) -> list[str]:
        return [unicode_math(line.partition(" ")[2]) for line in own if line.startswith(verb + " ")]

    lines = _setting(own)
    lines += [
        line.replace(" ", " " * (10 - len(line.split(" ")[0])), 1)
        for line in own
        if line.split(" ")[0] in _RULE
    ]
    for verb, head, separator in (("assume", "assume", ";"), ("without", "not need", ";"), ("exists", "exists", ","),
                                  ("predicate", "claim", ";"), ("conclude", "then", ";")):  # fmt: skip
        if rests(verb):
            lines += _packed(head, rests(verb), separator)
    return lines


_RULE = ("induction", "base", "step")


def _hypotheses(nodes: list[Node]) -> list[str]:
    """The table of hypotheses: what each trial found, and the exact model that shows it."""
    rows = []
    for node in nodes:
        if "trials" not in node:
            continue
        statement = parse_statement(node["name"], node["statement"])
        for hypothesis in statement.hypotheses:
            ((result, model),) = node["trials"]["hypotheses"][hypothesis.label].items()
            shown = ", ".join(f"{unicode_math(s)} = {_matrix(model['matrices'][s])}" for s in statement.free)
            part = node["name"].partition("/")[2] or node["name"]
            rows.append(
                f"| {part} | {hypothesis.label}: {unicode_math(hypothesis.text)} | {result} | {shown} |"
            )
    if not rows:
        return ["No hypotheses."]
    head = "| theorem | hypothesis | trial | model: violates the conclusion (needed) or the hypothesis (redundant) |"
    return [head, "|---|---|---|---|", *rows]


def _proof(node: Node) -> list[str]:
    """The steps, one line each, with reasons."""
    if node["steps"][0]["rule"] == "induction":
        return ["1. By induction: the base and the step named above."]
    statement = parse_statement(node["name"], node["statement"])
    cited = {t[2].removesuffix("'") for step in node["steps"] for t in step.get("terms", [])}
    lines = []
    for number, step in enumerate(node["steps"], 1):
        if step["rule"] == "combination":
            reasons = dict.fromkeys(reason(t[2].removesuffix("'"), statement.inverses) for t in step["terms"])
            text = f"`{unicode_math(step['conclusion'])}`, by {', '.join(reasons) or 'expansion'}"
        elif step["rule"] == "lemma":
            text = _applied(number, step, cited)
        elif step["rule"] == "cancellation":
            text = f"`{unicode_math(step['conclusion'])}`, by {reason(step['from'], {})}: a sum of squares vanishes"
        else:
            text = f"choose `{unicode_math(step['symbol'])} = {unicode_math(step['value'])}`"
        lines.append(f"{number}. {text}.")
    return lines


def _applied(number: int, step: Mapping[str, Any], cited: set[str]) -> str:
    """A use of a lemma: what is put in, and what of it is used later."""
    lemma = parse_statement(step["lemma"], THEOREMS[step["lemma"]].lines)
    put = [f"{s} = {step['with'][s]}" for s in lemma.free if step["with"][s] != s]
    texts = [line.removeprefix("conclude ") for line in lemma.lines if line.startswith("conclude ")]
    used = [i for i in range(1, len(texts) + 1) if f"step({number}).{i}" in cited]
    used = used or list(range(1, len(texts) + 1))
    said = "; ".join(f"({number}.{i}) `{unicode_math(_put(texts[i - 1], step['with']))}`" for i in used)
    with_ = f" with `{unicode_math(', '.join(put))}`" if put else ""
    return f"{step['lemma']}{with_}: {said}"


def _put(text: str, values: Mapping[str, str]) -> str:
    """Put expressions in for the symbols of an equation, in brackets where they are not single letters."""

    def one(match: re.Match[str]) -> str:
        value = values.get(match.group(0), match.group(0))
        return f"({value})" if " " in value else value

    return re.sub(NAME, one, text)


def _matrix(rows: list[list[str]]) -> str:
    """A matrix in one line, rows separated by semicolons."""
    return "[" + "; ".join(" ".join(row) for row in rows) + "]"
