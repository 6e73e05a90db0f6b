"""The report: evidence about every claim asked for, and what it adds up to."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from .errors import expected, nearest
from .evidence import Evidence, Verdict, short, worst
from .markup import evidence_table
from .numbers.quantity import Grade, Quantity

__all__ = ["SCHEMA", "Report", "digest"]

SCHEMA = 1
"""Version of the JSON layout."""

_LARGEST_EXACT = 4000
"""Exact numbers of more bits are written as outward-rounded ends instead."""


@dataclass(frozen=True, eq=False, repr=False)
class Report(Mapping[str, Evidence]):
    """Evidence by claim, in the order of the catalogue: conditions first, then claims.

    ``report["exact-labels"]`` is the evidence of one claim; ``report.verdict`` is the worst of all. A report
    has no truth value of its own.

    Args:
        title: what was checked, one line.
        evidence: the evidence, by slug.
        inputs: facts about the input that go into the JSON: sizes, hash.
        settings: arithmetic, tolerance, seeds and whatever else a repetition needs.
    """

    title: str
    evidence: dict[str, Evidence]
    inputs: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, claim: str) -> Evidence:
        if claim not in self.evidence:
            raise expected(
                "a claim of this report", "claim", claim, "not in it", nearest(claim, self.evidence)
            )
        return self.evidence[claim]

    def __iter__(self) -> Iterator[str]:
        return iter(self.evidence)

    def __len__(self) -> int:
        return len(self.evidence)

    def __contains__(self, claim: object) -> bool:
        return claim in self.evidence

    def __bool__(self) -> bool:
        raise TypeError(
            "a report is not true or false; ask report.verdict, or report['exact-labels'].verdict"
        )

    @property
    def verdict(self) -> Verdict:
        """The worst verdict, in the order REFUTED, UNDECIDED, VACUOUS, MEASURED, CERTIFIED, PROVED."""
        return worst(e.verdict for e in self.evidence.values())

    @property
    def exit_status(self) -> int:
        """0 every verdict PROVED, CERTIFIED or MEASURED; 1 something REFUTED; 3 UNDECIDED or VACUOUS."""
        if self.verdict is Verdict.REFUTED:
            return 1
        return 3 if self.verdict in (Verdict.UNDECIDED, Verdict.VACUOUS) else 0

    def __repr__(self) -> str:
        shown = [e for e in self.evidence.values() if not e.is_condition] or list(self.evidence.values())
        shown = sorted(shown, key=lambda e: list(Verdict).index(e.verdict))
        lines = [f"{self.verdict.name}  {self.title}"]
        rows = [(e.verdict.name, e.claim, short(e)) for e in shown]
        room = 9 if len(rows) <= 9 else 8
        lines += [f"  {name:<9}  {claim:<20}  {line}"[:110].rstrip() for name, claim, line in rows[:room]]
        if len(rows) > room:
            rest = worst(e.verdict for e in shown[room:])
            lines.append(f"  … and {len(rows) - room} more, none worse than {rest.name}")
        return "\n".join(lines)

    def to_json(self) -> str:
        """The report as deterministic JSON: the same input and seed give the same bytes.

        Returns:
            Text with every number as an exact string (``p/q``, or a float's shortest exact form).
        """
        document = self.to_dict()
        document["digest"] = digest(document)
        return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """The content of the JSON.

        Returns:
            Plain dictionaries, lists and strings.
        """
        return {
            "schema": SCHEMA,
            "title": self.title,
            "verdict": self.verdict.name,
            "versions": versions(),
            "input": self.inputs,
            "settings": self.settings,
            "evidence": [evidence_dict(e) for e in self.evidence.values()],
        }

    def to_markdown(self) -> str:
        """The report as a Markdown table with one row a claim.

        Returns:
            Markdown text.
        """
        lines = [
            f"**{self.verdict.name}** — {self.title}",
            "",
            "| verdict | claim | evidence | meaning |",
            "|---|---|---|---|",
        ]
        for e in self.evidence.values():
            cells = (e.verdict.name, f"`{e.claim}`", e.summary, e.meaning)
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        return "\n".join(lines) + "\n"

    def _repr_html_(self) -> str:
        return evidence_table(f"{self.verdict.name}: {self.title}", self.evidence.values())


def evidence_dict(e: Evidence) -> dict[str, Any]:
    """One piece of evidence as plain data.

    Args:
        e: the evidence.

    Returns:
        Numbers as exact strings, words as they are.
    """
    return {
        "claim": e.claim,
        "kind": "condition" if e.is_condition else "theorem",
        "verdict": e.verdict.name,
        "scope": e.scope.name.lower(),
        "arithmetic": e.arithmetic,
        "bound": None if e.bound is None else exact_text(e.bound),
        "findings": [
            {
                "what": f.what,
                "grade": f.quantity.grade.name,
                "lower": exact_text(_storable(f.quantity, f.quantity.lower, f.quantity.floor)),
                "upper": exact_text(_storable(f.quantity, f.quantity.upper, f.quantity.bound)),
                "asks": "> limit" if f.positive else "<= limit",
                "limit": exact_text(f.limit),
                "limit_is": f.unit_of or None,
                "verdict": f.verdict.name,
            }
            for f in e.findings
        ],
        "failed_hypotheses": [{"claim": slug, "why": why} for slug, why in e.failed],
        "asserted": e.asserted,
        "needs": e.needs or None,
        "facts": list(e.facts),
        "general": {"scope": "general", "status": e.general, "certificate": e.certificate}
        if e.general
        else None,
        "meaning": e.meaning,
    }


def _storable(q: Quantity, end: Fraction | float, rounded: float) -> Fraction | float:
    """An exact number as it is unless it would fill pages; the ends of an enclosure rounded outward to floats."""
    value = Fraction(end) if isinstance(end, int | Fraction) else None
    if value is None or q.grade is not Grade.EXACT:
        return rounded
    return (
        rounded if value.numerator.bit_length() + value.denominator.bit_length() > _LARGEST_EXACT else value
    )


def digest(document: dict[str, Any]) -> str:
    """Content hash of a report, its own digest left out.

    Args:
        document: the report as plain data.

    Returns:
        A sha256 in hexadecimal.
    """
    content = {key: value for key, value in document.items() if key != "digest"}
    text = json.dumps(content, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def exact_text(value: Fraction | float | int) -> str:
    """A number as a string that gives exactly the same number back.

    Args:
        value: the number.

    Returns:
        ``p/q`` or an integer for rationals, the shortest exact decimal for floats.

    Example:
        >>> exact_text(Fraction(1, 3)), exact_text(0.1), exact_text(0)
        ('1/3', '0.1', '0')
    """
    return repr(value) if isinstance(value, float) else str(value)


def versions() -> dict[str, str]:
    """Versions of everything a number in a report depends on.

    Returns:
        By distribution name.
    """
    found = {"python": platform.python_version()}
    for name in ("muso-theory", "numpy", "scipy", "python-flint", "mpmath", "scikit-learn"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
