"""Each hypothesis of a theorem of your own dropped alone: which are needed, and without which it is still proved."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, final

from ...algebra.render import latex
from ...algebra.statement import parse_statement
from ...algebra.theorem import Theorem
from ...evidence import Verdict
from .attempts import Tell, attempt
from .content import shown_matrix

__all__ = ["AGAIN", "HEADING", "Weakened", "weaken"]


@final
@dataclass(frozen=True)
class Weakened:
    """What became of each hypothesis when it alone was dropped.

    Args:
        hypotheses: label to ``"needed"`` (a counterexample without it), ``"redundant"`` (proved without it) or
            ``"open"`` (not decided in the time it had), with words.
        lines: the statement without the hypotheses that were given up one after the other, still proved.
        fewer: whether these are fewer than before.
    """

    hypotheses: Mapping[str, tuple[str, str]]
    lines: tuple[str, ...]
    fewer: bool

    @property
    def told(self) -> dict[str, str]:
        """What became of each hypothesis, in words."""
        return {
            label: words if kind == "open" else f"{kind}, {words}"
            for label, (kind, words) in self.hypotheses.items()
        }

    def to_markdown(self) -> str:
        """A section of the theorem's page."""
        lines = [f"## {HEADING}", "", *([AGAIN] if self.hypotheses else ["There is none."]), ""]
        lines += [f"- {label}: {words}" for label, words in self.told.items()]
        if self.fewer:
            lines += ["", "Proved with fewer:", "", *(f"    {line}" for line in self.lines)]
        return "\n".join(lines).rstrip() + "\n"

    def to_latex(self) -> str:
        """A remark below the theorem, for ``amsmath`` and an environment ``remark``."""
        lines = [r"\begin{remark}", f"{HEADING}: {AGAIN}" if self.hypotheses else "There is no hypothesis."]
        for label, (kind, _) in self.hypotheses.items():
            said = "not decided" if kind == "open" else kind
            lines.append(rf"\texttt{{{label}}} is {said}.")
        if self.fewer:
            kept = [line.partition(": ")[2] for line in self.lines if line.startswith("assume ")]
            named = [
                line.removeprefix("assume ").partition(":")[0]
                for line in self.lines
                if line.startswith("assume ")
            ]
            parts = [
                rf"\texttt{{{label}}}: {_formula(body)}" for label, body in zip(named, kept, strict=True)
            ]
            lines.append(f"It is proved with these alone: {'; '.join(parts) or 'none'}.")
        return "\n".join([*lines, r"\end{remark}"]) + "\n"

    def to_json(self) -> dict[str, Any]:
        """The same as data."""
        return {
            "hypotheses": {
                label: {"kind": kind, "words": words} for label, (kind, words) in self.hypotheses.items()
            },
            "proved with": list(self.lines),
            "fewer": self.fewer,
        }


HEADING = "Each hypothesis dropped alone"
AGAIN = "Tried again, with the whole budget: this counts where the answer above left one open."


def _formula(body: str) -> str:
    """A hypothesis in LaTeX."""
    name, _, kind = body.partition(" ")
    return f"${latex(body)}$" if "=" in body else f"${latex(name)}$ {kind}"


def weaken(theorem: Theorem, seconds: float = 60.0, progress: Tell | None = None) -> Weakened:
    """Drop each hypothesis alone: which are needed, and which are redundant; then all of these that can go together.

    An inverse that a hypothesis provides is replaced by the Moore-Penrose inverse, as everywhere in the collection.
    """
    found: dict[str, tuple[str, str]] = {}
    parsed = parse_statement(theorem.name, theorem.lines)
    labels = [h.label for h in parsed.hypotheses if h.assumed]
    lines = theorem.lines
    for label in labels:
        less = replace(theorem, lines=_without(theorem.lines, label))
        answer = attempt(less, seconds / max(1, len(labels)), progress)
        if answer.verdict is Verdict.REFUTED and answer.model is not None:
            free = parse_statement(less.name, less.lines).free
            data = ", ".join(f"{s} = {shown_matrix(answer.model['matrices'][s])}" for s in free)
            found[label] = ("needed", f"without it {'; '.join(answer.fails)} fails for {data}")
        elif answer.proof is not None:
            found[label] = ("redundant", "proved without it")
            if (
                lines == theorem.lines
                or attempt(
                    replace(theorem, lines=_without(lines, label)), seconds / len(labels), progress
                ).proof
            ):
                lines = _without(lines, label)
        else:
            found[label] = (
                "open",
                f"not decided within {seconds / len(labels):.0f} s; a longer --seconds may decide it",
            )
    return Weakened(found, lines, lines != theorem.lines)


def _without(lines: tuple[str, ...], label: str) -> tuple[str, ...]:
    """A statement without a hypothesis; an inverse that it provides becomes the Moore-Penrose inverse."""
    result: list[str] = []
    swap: tuple[str, str] | None = None
    for line in lines:
        if line.startswith(f"assume {label}: "):
            found = re.fullmatch(
                r"(\w+) (invertible|left-invertible|right-invertible)", line.partition(": ")[2]
            )
            if found:
                mark = {"invertible": "-1", "left-invertible": "L", "right-invertible": "R"}[found[2]]
                swap = f"{found[1]}^{mark}", f"{found[1]}^+"
                if f"pinv {found[1]}" not in lines:
                    result.append(f"pinv {found[1]}")
            continue
        result.append(re.sub(rf"(?<!\w){re.escape(swap[0])}", swap[1], line) if swap else line)
    return tuple(result)
