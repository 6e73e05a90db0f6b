"""What claims say: read from a file of words, so that looking one up imports no numerics."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from ..former import former

__all__ = ["CATALOGUE", "Claim", "markdown_table"]
former(__name__)


@dataclass(frozen=True, repr=False)
class Claim:
    """A claim of the theory, in words, or a condition of claims; ``families.CHECKS`` has how either is checked.

    Args:
        slug: its name everywhere.
        words: the claim in words, one line.
        statement: the formula.
        source: where it comes from.
        holds: what it means for the user when it holds.
        fails: what it means for the user when it does not.
        number: its number in the list of claims; a condition has none.
        needs: the conditions that it needs, by slug, with what breaks when each alone is dropped.
        campaign: the campaign that measures what no single instance shows, if there is one.
        given: hypotheses of its theorems that are no conditions on data: its check fulfils them by itself, or they are
            one side of an equivalence; by label, with how. Of what a definition takes for granted, the definition.
        rests: the certified lines on which each clause of ``words``, ``statement``, ``holds``, ``fails`` and of
            ``needs.SLUG`` rests.
        reads: formulas of the claim that those lines have in other letters, each as it stands there.
        beyond: strong words and formulas of the claim that those lines do not have, each with what stands for it.
        unproved: of a claim without a general proof, why, and what is known.
        formal: of a condition, the hypotheses of theorems that say the same, as they are written there.
    """

    slug: str
    words: str
    statement: str
    source: str
    holds: str
    fails: str
    number: int = 0
    needs: dict[str, str] = field(default_factory=dict)
    campaign: str = ""
    given: dict[str, str] = field(default_factory=dict)
    rests: dict[str, list[str]] = field(default_factory=dict)
    reads: dict[str, str] = field(default_factory=dict)
    beyond: dict[str, str] = field(default_factory=dict)
    unproved: str = ""
    formal: list[str] = field(default_factory=list)

    @property
    def hypotheses(self) -> tuple[str, ...]:
        """Slugs of the conditions that it needs."""
        return tuple(self.needs)

    @property
    def is_condition(self) -> bool:
        """Whether this is a hypothesis of claims rather than a claim."""
        return isinstance(self, _Condition)

    @property
    def kind(self) -> str:
        """``condition`` or ``theorem``."""
        return "condition" if self.is_condition else "theorem"

    def __repr__(self) -> str:
        needs = f", needs {', '.join(self.hypotheses)}" if self.hypotheses else ""
        return f"<{self.kind} {self.slug}: {self.words}{needs}>"


@final
@dataclass(frozen=True, repr=False)
class _Condition(Claim):
    """A hypothesis that claims use: it holds of some data and not of others."""


_FILE = Path(__file__).with_name("catalogue.toml")

CATALOGUE: dict[str, Claim] = {
    slug: (Claim if "number" in words else _Condition)(slug, **words)
    for slug, words in tomllib.loads(_FILE.read_text(encoding="utf-8")).items()
}


def markdown_table() -> str:
    """The claims as a Markdown table: what the README shows.

    Returns:
        One row a claim, conditions left out, with its general status and a link to its proof.
    """
    from .theorems.status import theorem_status

    rows = ["| claim | in words | source | in general |", "|---|---|---|---|"]
    for claim in CATALOGUE.values():
        if not claim.is_condition:
            status = theorem_status(claim.slug)
            proof = f"[{status.words}](proofs/pages/{claim.slug}.md)" if status.hash else "no general proof"
            if claim.campaign and not status.hash:
                proof = f"measured: campaign [{claim.campaign}](verification/results/{claim.campaign}.md)"
            rows.append(f"| `{claim.slug}` | {claim.words} | {claim.source} | {proof} |")
    return "\n".join(rows) + "\n"
