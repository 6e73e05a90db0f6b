"""The six words that a report may end in."""

from __future__ import annotations

import enum
from collections.abc import Iterable

__all__ = ["Verdict", "worst"]


class Verdict(enum.Enum):
    """What may be said about a claim; the value is the explanation, the order is from worst to best."""

    REFUTED = "false, with a witness"
    UNDECIDED = "precision or budget ran out; the evidence says what would decide it"
    VACUOUS = "a hypothesis fails on this data, so the claim says nothing here"
    MEASURED = "a floating-point or statistical measurement, no proof"
    CERTIFIED = "a rigorous bound holds"
    PROVED = "true, exactly"

    def __repr__(self) -> str:
        return f"Verdict.{self.name}"

    @property
    def holds(self) -> bool:
        """Whether what was asked was found: PROVED, CERTIFIED or MEASURED."""
        return self in (Verdict.PROVED, Verdict.CERTIFIED, Verdict.MEASURED)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of several verdicts, in the order REFUTED, UNDECIDED, VACUOUS, MEASURED, CERTIFIED, PROVED.

    Example:
        >>> worst([Verdict.PROVED, Verdict.MEASURED])
        Verdict.MEASURED
    """
    return min(verdicts, key=list(Verdict).index)
