"""A row of a report: findings about one object, and the verdict that follows from them and from the hypotheses."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import final

from ..arguments import checked
from ..markup import Markup, badge, mathematics, tag, unfolded, verdict_table
from ..verdict import Verdict, worst
from .findings import About, Finding, Identity

__all__ = ["Evidence", "Scope", "short"]


class Scope(enum.Enum):
    """What the evidence is about: this data, or all data of the kind that a theorem speaks of."""

    GENERAL = "for all data and dimensions"
    INSTANCE = "for this data"


@final
@checked
@dataclass(frozen=True, repr=False)
class Evidence:
    """What stands behind one row of a report: a claim or condition, about one object.

    Args:
        claim: slug.
        scope: for this data, or in general.
        findings: numbers, all about the same object; the first is the row's own quantity.
        arithmetic: which arithmetic produced them, e.g. ``float64``, ``verified``, ``rational``.
        failed: hypotheses that fail on this data, each with the reason in words.
        unsettled: hypotheses that are not decided; a claim is not refuted while it may not apply.
        asserted: the user insists that the claim holds here; a failed hypothesis then no longer excuses it.
        is_condition: a condition that fails is VACUOUS unless asserted: what needs it says nothing here.
        meaning: what this means for the user.
        needs: what would decide an undecided row.
        facts: further numbers worth knowing, as text.
        general: what is known for all data: ``proved``, ``core proved``, or empty where there is no general proof.
        certificate: hash of the general proof's certificate.
        about: which object the findings are about.
        artefact: what was handed in, or ``output``; empty for a theorem.

    Raises:
        TypeError: findings about another object than the row.
    """

    claim: str
    scope: Scope
    findings: tuple[Finding, ...]
    arithmetic: str
    failed: tuple[tuple[str, str], ...] = ()
    unsettled: tuple[str, ...] = ()
    asserted: bool = False
    is_condition: bool = False
    meaning: str = ""
    needs: str = ""
    facts: tuple[str, ...] = field(default=())
    general: str = ""
    certificate: str = ""
    about: About = About.THEOREM
    artefact: str = ""

    def __post_init__(self) -> None:
        """Refuse findings about another object than that of the row."""
        for finding in self.findings:
            if finding.about is not self.about:
                raise TypeError(f"a row about {self.about.value} has a finding about {finding.about.value}")

    @property
    def name(self) -> str:
        """The row: ``exact-labels`` for the theorem, ``exact-labels[labels]`` for an audit of labels."""
        return f"{self.claim}[{self.artefact}]" if self.artefact else self.claim

    @property
    def verdict(self) -> Verdict:
        """Computed from the findings and the failed hypotheses."""
        if self.failed and not self.asserted:
            return Verdict.VACUOUS
        if not self.findings:
            return Verdict.UNDECIDED
        fails = any(finding.fails for finding in self.findings)
        if self.is_condition and self.about is About.THEOREM and fails:
            return Verdict.REFUTED if self.asserted else Verdict.VACUOUS
        found = worst(finding.verdict for finding in self.findings)
        if found is Verdict.REFUTED and self.unsettled and not self.asserted:
            return Verdict.UNDECIDED
        return found

    @property
    def is_alarm(self) -> bool:
        """Whether a theorem that is proved for all data came out false here: then this package is wrong."""
        # A statement about the data themselves, which nothing explains, accuses the data and not the theorem.
        refuting = (f for f in self.findings if not (isinstance(f, Identity) and f.explained is None))
        return (
            self.about is About.THEOREM
            and bool(self.general)
            and not self.asserted
            and not self.is_condition
            and self.verdict is Verdict.REFUTED
            and any(finding.fails for finding in refuting)
        )

    @property
    def bound(self) -> float | None:
        """Upper end of the first finding, rounded outward; None when nothing was found."""
        return self.findings[0].quantity.bound if self.findings else None

    @property
    def summary(self) -> str:
        """One line: the findings, or the hypothesis that fails."""
        if self.failed and not self.asserted:
            return "; ".join(f"needs {slug}: {why}" for slug, why in self.failed)
        text = "; ".join(str(finding) for finding in self.findings)
        return text or self.needs

    @property
    def details(self) -> tuple[str, ...]:
        """All there is to tell beside the summary, a line each."""
        failed = (f"hypothesis {slug} fails: {why}" for slug, why in self.failed)
        told = (*(finding.in_full for finding in self.findings), *self.facts, *failed, self.needs)
        return tuple(line for line in told if line)

    def __repr__(self) -> str:
        head = f"{self.verdict.name}  {self.name}  {short(self)}"
        more = [f"  {line}" for line in self.details]
        more[_SHOWN:] = [f"  … and {len(more) - _SHOWN} more: .details"] if len(more) > _SHOWN else []
        end = [f"  {words}" for words in (self.meaning, self.arithmetic and f"by {self.arithmetic}") if words]
        return "\n".join(line if len(line) <= 110 else f"{line[:109]}…" for line in (head, *more, *end))

    def told(self) -> Markup:
        """The number that decides, what it means, and all details to unfold."""
        lines = (mathematics(line) for line in self.details)
        return unfolded(mathematics(short(self)), mathematics(self.meaning), f"by {self.arithmetic}", lines)

    def _repr_html_(self) -> str:
        row = (badge(self.verdict), tag("code", self.name), self.told())
        return verdict_table(f"Evidence {self.scope.value}.", [row])


_SHOWN = 6
"""Details that a repr has room for."""


def short(e: Evidence, limit: bool = False) -> str:
    """The one number of a piece of evidence that a table has room for."""
    if (e.failed and not e.asserted) or not e.findings:
        return e.summary
    # The first that fails, else the first that is open, else the first.
    bad = sorted((f for f in e.findings if not f.verdict.holds), key=lambda finding: not finding.fails)
    finding = (bad or list(e.findings))[0]
    return (
        f"{finding} ({finding.limit})"
        if finding.limit and (limit or finding.must_tell_limit)
        else str(finding)
    )
