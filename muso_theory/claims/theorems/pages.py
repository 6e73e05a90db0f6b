"""Proof pages, generated from certificates: main results, hypotheses, proof, counterexamples, references."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ...algebra.derivation import Node
from ...algebra.render import latex, unicode_math
from .content import Clause, Piece, proof_steps, put_in, result, says, setting, shared_lines, trials
from .registry import THEOREMS, slugs
from .showing import GALLERY, campaigns, check_command, figures, gallery_figures
from .sources import references, source_of

__all__ = ["latex_page", "markdown_page"]

_RESULTS, _GALLERY, _DOCS = "../../verification/results", "../../figures/gallery", "../../docs"
"""Where results, figures and tutorials are, from the folder of pages."""

_LONG = 116
"""Lines that fit two screens; on a longer page the steps of proofs are folded, and where that is not enough, models."""


def markdown_page(slug: str, nodes: list[Node], status: str) -> str:
    """The page of one claim, with formulas as Unicode in code blocks, so that it reads in a terminal too."""
    lines = [f"# {slug}", "", f"Status: {_escaped(status)}", "", *_way(slug), "## Main results", ""]
    shared = shared_lines(nodes)
    if shared:
        lines += ["Throughout:", "", "```", *_packed(setting(shared)), "```", ""]
    for node in nodes:
        words = _escaped(unicode_math(says(node)))
        lines += [f"### {node['name']}", *([f"{_begun(words)}."] if words else [])]
        lines += ["```", *_packed(result(node, shared)), "```"]
    lines += ["", "## Hypotheses and counterexamples", ""]
    models = _hypotheses(nodes)
    folded = len(lines) + len(models) > _LONG - 8  # what follows takes some lines, folded or not
    lines += [*(_folded(f"{len(models) - 2} hypotheses", models) if folded else models), "", "## Proof"]
    proofs = [(node["name"], _proof(node)) for node in nodes]
    long = len(lines) + sum(len(steps) + 3 for _, steps in proofs) > _LONG
    lines += [""] if long else []
    for name, steps in proofs:
        if long:
            count = "one step" if len(steps) == 1 else f"{len(steps)} steps"
            lines += _folded(f"<b>{name}</b>, {count}", steps)
        else:
            lines += ["", f"**{name}**", "", *steps]
    lines += _onward(slug)
    source = source_of(slug)
    lines += ["", "## References", "", f"Source: {source}."]
    lines += ["", *(f"- {work}" for work in references(slug)), ""]
    return "\n".join(lines)


def _folded(head: str, lines: Sequence[str]) -> list[str]:
    """Lines behind a head that unfolds them."""
    return [f"<details><summary>{head}</summary>", "", *lines, "", "</details>"]


def _escaped(words: str) -> str:
    """Words in Markdown that mean themselves: tags, links, code and fonts begin with these signs."""
    return re.sub(r"[\\`*\[]|<(?=[A-Za-z/!])", r"\\\g<0>", words)


def _begun(words: str) -> str:
    """Words as a sentence begins; a letter of a formula stays as it is."""
    return words[0].upper() + words[1:] if re.match(r"[a-z]{2,}[ ,-]", words) else words


def latex_page(slug: str, nodes: list[Node]) -> str:
    """Theorems and proofs of one claim, a fragment for ``amsmath`` and environments ``theorem`` and ``proof``."""
    lines = [f"% {slug}"]
    for node in nodes:
        lines += [r"\begin{theorem}[" + node["name"] + "]"]
        for line in node["statement"]:
            verb, _, rest = line.partition(" ")
            body = rest.partition(": ")[2] if verb in ("assume", "without") else rest
            if verb == "partition":
                sizes, _, selections = rest.partition(" by ")
                lines.append(rf"Let ${sizes}$ rows be selected by ${latex(selections)}$.")
            elif verb == "scalar":
                name, _, sizes = rest.partition(" on ")
                copies = ", ".join(f"{name}_{size}" for size in sizes.split(", "))
                lines.append(rf"Let ${latex(copies)}$ be one real number times identities.")
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
            parts = [latex(put_in(text, step["with"])) for text in texts]
            said = r",\quad ".join(f"({i}.{k})\\; {part}" for k, part in enumerate(parts, 1))
            lines.append(f"By {step['lemma']}: ${said}$.")
        elif step["rule"] == "witness":
            lines.append(f"Choose ${latex(step['symbol'])} = {latex(step['value'])}$. \\hfill({i})")
        else:
            keys = [step["from"]] if "from" in step else [t[2].removesuffix("'") for t in step["terms"]]
            reasons = dict.fromkeys(
                k.removeprefix("step") if k.startswith("step") else rf"\texttt{{{k}}}" for k in keys
            )
            why = ", ".join(reasons).replace("_", r"\_") or "expansion"
            lines.append(f"${latex(step['conclusion'])}$, by {why}. \\hfill({i})")
    return [line + r" \\" for line in lines]


_LATEX = {
    "let": "Put", "assume": "Assume", "without": "It is not needed that", "conclude": "Then", "predicate": "Claim:",
}  # fmt: skip


def _plain(pieces: Iterable[Piece], mark: str = "") -> str:
    """Pieces as text, formulas in Unicode between marks."""
    return "".join(p if isinstance(p, str) else f"{mark}{unicode_math(p.text)}{mark}" for p in pieces)


def _packed(clauses: Sequence[Clause]) -> list[str]:
    """Clauses in lines of bounded width, their parts below one another."""
    lines = []
    for clause in clauses:
        line = f"{clause.head:10}"
        for i, part in enumerate(clause.parts):
            piece = _plain(part) + (clause.separator if i + 1 < len(clause.parts) else "")
            if len(line) + len(piece) > 108 and line[10:]:
                lines.append(line.rstrip())
                line = " " * 10
            line += piece + " "
        lines.append(line.rstrip())
    return lines


def _hypotheses(nodes: list[Node]) -> list[str]:
    """The table of hypotheses: what each trial found, and the exact model that shows it."""
    rows = []
    for trial in trials(nodes):
        shown = ", ".join(f"{_plain((symbol,))} = {values}" for symbol, values in trial.model)
        said = f"{trial.label}: {_plain(trial.formula)}"
        rows.append(f"| {trial.theorem} | {said} | {trial.outcome} | {shown} |")
    if not rows:
        return ["No hypotheses."]
    head = "| theorem | hypothesis | trial | model: violates the conclusion (needed) or the hypothesis (redundant) |"
    return [head, "|---|---|---|---|", *rows]


def _proof(node: Node) -> list[str]:
    """The steps, one line each, with reasons."""
    lines = []
    for number, (first, *rest) in enumerate(proof_steps(node), 1):
        used = isinstance(first, str) and first in THEOREMS
        said = f"[{first}]({_page(str(first))})" if used else _plain((first,), "`")
        lines.append(f"{number}. {said}{_plain(rest, '`')}.")
    return lines


def _page(name: str) -> str:
    """Where a theorem is stated: its heading, of which GitHub and MkDocs leave the slash out."""
    slug = THEOREMS[name].slug
    place = "main-results" if name == slug else name.replace("/", "")
    return f"{'lemmas' if slug == 'lemma' else slug}.md#{place}"


def _way(slug: str) -> list[str]:
    """Links to the parts of a page, in the order of reading."""
    parts = [
        "[Theorem](#main-results)",
        "[Counterexamples](#hypotheses-and-counterexamples)",
        "[Proof](#proof)",
    ]
    parts += ["[Check](#check)"] if slug in slugs() else []
    parts += ["[Figure](#figure)"] if figures(slug) else []
    return [" · ".join(parts), ""]


def _onward(slug: str) -> list[str]:
    """How the proof is checked, what asks for the claim on data, what measured it, and which figures show it."""
    if slug not in slugs():
        return []
    lines = [
        "",
        "## Check",
        "",
        f"- The proof: `python proofs/check.py`, of [{slug}.json](../certificates/{slug}.json).",
    ]
    if command := check_command(slug):
        lines.append(f"- On your data: `{command}`, as in [the tutorial]({_DOCS}/tutorials/own-data.md).")
    else:
        lines.append("- On your data: no row of a report is about it.")
    lines.append(
        f"- In campaigns, a row: two checkers on its certificate in {_tables(['theorems'])}, its hypotheses "
        f"dropped in a search of another seed in {_tables(['hypotheses'])}."
    )
    if campaigns(slug):
        lines.append(f"- Measured, by campaigns: {_tables(campaigns(slug))}.")
    shown = [
        f"- [{name}]({_GALLERY}/{name}.svg) ([caption]({_GALLERY}/{name}.txt))"
        for name in gallery_figures(slug)
    ]
    shown += [f"- `python -m figures {name}`" for name in figures(slug) if name not in GALLERY]
    return [*lines, *(["", "## Figure", "", *shown] if shown else [])]


def _tables(names: Iterable[str]) -> str:
    """Links to the tables of campaigns."""
    return ", ".join(f"[{name}]({_RESULTS}/{name}.md)" for name in names)
