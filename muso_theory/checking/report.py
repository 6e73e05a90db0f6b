"""The report: evidence about every claim asked for, and what it adds up to."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from ..arguments import checked
from ..errors import expected, nearest, printable
from ..evidence import (
    About,
    Audit,
    Evidence,
    Finding,
    Hypothesis,
    Identity,
    Inequality,
    Output,
    Verdict,
    short,
    worst,
)
from ..former import former
from ..machine import versions
from ..markup import Markup, join, understood_table
from ..numbers.quantity import Grade, Quantity, decimal_text, is_finite
from ..understood import told_in_line
from .summary import evidence_table

__all__ = ["REPORT_SCHEMA", "Report", "digest"]
former(__name__)

REPORT_SCHEMA = 4
"""Version of the JSON layout."""

_LARGEST_EXACT = 4000
"""Exact numbers of more bits are written as outward-rounded ends instead."""


@dataclass(frozen=True, eq=False, repr=False)
class Report(Mapping[str, Evidence]):
    """Evidence by row, in the order of the catalogue: conditions first, then claims.

    A claim has up to three kinds of rows: ``exact-labels`` is the theorem on the exact data,
    ``exact-labels[labels]`` an audit of what was handed in, ``exact-labels[output]`` the floats that this package
    hands out. ``report["exact-labels"]`` is the worst of the claim's rows, ``report["exact-labels[labels]"]`` that
    row, ``report.rows`` are all rows, ``report.theorem("exact-labels")`` is the theorem alone; ``report.verdict`` is
    the worst of all. A report has no truth value of its own.

    Args:
        title: what was checked, one line.
        evidence: the evidence, by name of the row.
        inputs: facts about the input that go into the JSON: sizes, hash.
        settings: arithmetic, tolerance, seeds and whatever else a repetition needs.
    """

    title: str
    evidence: dict[str, Evidence]
    inputs: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def rows(self) -> tuple[Evidence, ...]:
        """All rows."""
        return tuple(self.evidence.values())

    @checked
    def theorem(self, claim: str) -> Evidence:
        """The row about the exact data alone.

        Raises:
            BadInputError: no such claim in this report.
        """
        for row in self.rows:
            if row.name == claim:
                return row
        raise self._missing(claim)

    def groups(self) -> dict[str, tuple[Evidence, ...]]:
        """The rows by what they are about, in the order of reading; empty groups are left out."""
        conditions = [e for e in self.rows if e.about is About.THEOREM and e.is_condition]
        claims = [e for e in self.rows if e.about is About.THEOREM and not e.is_condition]
        audits = [e for e in self.rows if e.about is About.AUDIT]
        outputs = [e for e in self.rows if e.about is About.OUTPUT]
        named = {"Condition": conditions, "Claim": claims, "Audit of what was given": audits}
        named["Floats handed out"] = outputs
        return {name: tuple(rows) for name, rows in named.items() if rows}

    def _missing(self, claim: object) -> Exception:
        return expected("a claim of this report", "claim", claim, "not in it", nearest(claim, self.evidence))

    def __getitem__(self, claim: str) -> Evidence:
        rows = [e for e in self.rows if claim in (e.claim, e.name)]
        if not rows:
            raise self._missing(claim)
        return min(rows, key=lambda e: list(Verdict).index(e.verdict))

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(e.claim for e in self.evidence.values()))

    def __len__(self) -> int:
        return len({e.claim for e in self.evidence.values()})

    def __contains__(self, claim: object) -> bool:
        return claim in self.evidence or any(e.claim == claim for e in self.evidence.values())

    def __bool__(self) -> bool:
        raise TypeError(
            "a report is not true or false; ask report.verdict, or report['exact-labels'].verdict"
        )

    @property
    def verdict(self) -> Verdict:
        """The worst verdict, in the order REFUTED, UNDECIDED, VACUOUS, MEASURED, CERTIFIED, PROVED."""
        return worst(e.verdict for e in self.evidence.values())

    @property
    def alarms(self) -> tuple[Evidence, ...]:
        """Rows in which a theorem that is proved for all data came out false: defects of this package."""
        return tuple(e for e in self.evidence.values() if e.is_alarm)

    @property
    def exit_status(self) -> int:
        """0 every verdict PROVED, CERTIFIED or MEASURED; 1 something REFUTED; 2 an alarm; 3 UNDECIDED or VACUOUS."""
        if self.alarms:
            return 2
        if self.verdict is Verdict.REFUTED:
            return 1
        return 0 if self.verdict.holds else 3

    def __repr__(self) -> str:
        shown = [e for e in self.rows if not e.is_condition or e.about is not About.THEOREM] or list(
            self.rows
        )
        shown = sorted(shown, key=lambda e: list(Verdict).index(e.verdict))
        lines = [f"{self.verdict.name}  {self.title}"]
        understood = told_in_line(self.inputs.get("understood", ()))
        lines += [f"  {understood}"] if understood else []
        rows = [(e.verdict.name, e.name, short(e)) for e in shown]
        room = 10 - len(lines)
        room -= len(rows) > room
        width = max(20, *(len(name) for _, name, _ in rows[:room]))
        lines += [f"  {verdict:<9}  {name:<{width}}  {line}" for verdict, name, line in rows[:room]]
        lines = [_cut(line) for line in lines]
        if len(rows) > room:
            rest = worst(e.verdict for e in shown[room:])
            lines.append(f"  … and {len(rows) - room} more, none worse than {rest.name}")
        return printable("\n".join(lines))

    def to_json(self) -> str:
        """The report as deterministic JSON: the same input and seed give the same bytes where BLAS is the same.

        ``input.sha256`` is the same everywhere. With other kernels of BLAS last digits differ, and ``versions`` says
        which kernels they were.
        """
        document = self.to_dict()
        document["digest"] = digest(document)
        return printable(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """The content of the JSON."""
        return {
            "schema": REPORT_SCHEMA,
            "title": self.title,
            "verdict": self.verdict.name,
            "versions": versions(),
            "input": self.inputs,
            "settings": self.settings,
            "evidence": [evidence_dict(e) for e in self.evidence.values()],
        }

    def to_markdown(self) -> str:
        """The report as Markdown: what was understood of the input, then one row a claim."""

        def row(*cells: str) -> str:
            return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

        understood = self.inputs.get("understood", ())
        lines = [f"**{self.verdict.name}** — {self.title}", ""]
        if understood:
            lines += ["| what | understood as | how | said outright by |", "|---|---|---|---|"]
            lines += [row(u["word"], u["value"], u["how"], f"`{u['option']}`") for u in understood] + [""]
        lines += [
            "| verdict | claim | evidence | meaning |",
            "|---|---|---|---|",
        ]
        for e in self.evidence.values():
            lines.append(row(e.verdict.name, f"`{e.name}`", e.summary, e.meaning))
        return printable("\n".join(lines)) + "\n"

    def _repr_html_(self) -> str:
        table = evidence_table(f"{self.verdict.name}: {self.title}", self.rows)
        return Markup(printable(join(understood_table(self.inputs.get("understood", ())), table)))


def _cut(line: str, width: int = 110) -> str:
    """A line that fits, cut between words."""
    line = line.rstrip()
    return line if len(line) <= width else f"{line[: width - 1].rsplit(' ', 1)[0]} …"


def evidence_dict(e: Evidence) -> dict[str, Any]:
    """One piece of evidence as plain data: numbers as exact strings, words as they are."""
    return {
        "row": e.name,
        "claim": e.claim,
        "about": e.about.name.lower(),
        "kind": "condition" if e.is_condition else "theorem",
        "verdict": e.verdict.name,
        "scope": e.scope.name.lower(),
        "arithmetic": e.arithmetic,
        "bound": None if e.bound is None else exact_text(_outside(e.findings[0].quantity.upper, e.bound)),
        "findings": [finding_dict(finding) for finding in e.findings],
        "failed_hypotheses": [{"claim": slug, "why": why} for slug, why in e.failed],
        "asserted": e.asserted,
        "needs": e.needs or None,
        "facts": list(e.facts),
        "general": {"scope": "general", "status": e.general, "certificate": e.certificate}
        if e.general
        else None,
        "meaning": e.meaning,
    }


def finding_dict(f: Finding) -> dict[str, Any]:
    """One finding as plain data: numbers as exact strings, words as they are."""
    return {
        "what": f.what,
        "kind": type(f).__name__.lower(),
        **_quantity_dict(f.quantity),
        **_asked(f),
        "verdict": f.verdict.name,
    }


def _quantity_dict(q: Quantity) -> dict[str, str]:
    return {
        "grade": q.grade.name,
        "lower": exact_text(_storable(q, q.lower, q.floor)),
        "upper": exact_text(_storable(q, q.upper, q.bound)),
    }


def _asked(f: Finding) -> dict[str, Any]:
    """What is asked of a finding's number."""
    if isinstance(f, Inequality):
        return {
            "asks": "> limit" if f.positive else "<= limit",
            "limit": exact_text(f.bar),
            "limit_is": f.unit_of or None,
        }
    assert isinstance(f, Identity | Hypothesis | Audit | Output)
    allowed = Quantity(f.allowed.lower, f.allowed.upper, f.allowed.grade)
    asked: dict[str, Any] = {
        "asks": "<= limit",
        "limit": _quantity_dict(allowed),
        "limit_is": f.allowed.of or None,
    }
    if isinstance(f, Identity):
        asked["explained"] = None if f.explained is None else _quantity_dict(f.explained)
    return asked


def _storable(q: Quantity, end: Fraction | float, rounded: float) -> Fraction | float:
    """An exact number as it is unless it would fill pages; the ends of an enclosure rounded outward to floats."""
    value = Fraction(end) if isinstance(end, int | Fraction) else None
    if value is None or q.grade is not Grade.PROVED:
        return _outside(end, rounded)
    large = value.numerator.bit_length() + value.denominator.bit_length() > _LARGEST_EXACT
    return _outside(end, rounded) if large else value


def _outside(end: Fraction | float, rounded: float) -> Fraction | float:
    """The rounded end, or where only its rounding is infinite a whole number of 64 bits that is further out."""
    if is_finite(rounded) or not is_finite(end):
        return rounded
    size = math.ceil(abs(Fraction(end)))
    shift = size.bit_length() - 64
    return Fraction((-(-size >> shift) << shift) * (1 if end > 0 else -1))


def digest(document: dict[str, Any]) -> str:
    """Content hash of a report, its own digest left out."""
    content = {key: value for key, value in document.items() if key != "digest"}
    text = json.dumps(content, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def exact_text(value: Fraction | float | int) -> str:
    """A string that gives exactly the same number back: ``p/q``, an integer, or the shortest exact decimal.

    Example:
        >>> exact_text(Fraction(1, 3)), exact_text(0.1), exact_text(0)
        ('1/3', '0.1', '0')
    """
    return repr(value) if isinstance(value, float) else decimal_text(value)
