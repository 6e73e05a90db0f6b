"""What a row of a report means for the user, in words."""

from __future__ import annotations

from ..claims import Claim
from ..claims.families import CHECKS
from ..evidence import About, Evidence, Hypothesis, Verdict
from ..former import former
from ..numbers import UndecidedError

__all__ = ["meaning", "reason_of"]
former(__name__)


def reason_of(error: Exception) -> str:
    """Why an arithmetic did not decide; which other one does, the ladder knows better than that arithmetic."""
    return error.what if isinstance(error, UndecidedError) and error.climbs else str(error)


def meaning(claim: Claim, e: Evidence) -> str:
    """What a row means for the user."""
    if e.verdict is Verdict.UNDECIDED:
        if e.about is About.OUTPUT and any(finding.fails for finding in e.findings):
            return f"These floats miss the tolerance: {e.needs}."
        # Without a finding the summary says it already.
        return f"Not decided: {e.needs}." if e.findings and e.needs else "Not decided."
    if e.about is About.OUTPUT and not e.failed:
        return "The floats handed out are as good as this."
    if e.verdict is Verdict.VACUOUS:
        if claim.is_condition and not e.failed:
            return claim.fails
        return "Says nothing about this data." if e.failed else _spoilt(claim)
    if e.about is About.AUDIT and e.artefact != "labels":
        # What a claim says of labels is not what was looked at here.
        good = e.verdict is not Verdict.REFUTED
        if words := CHECKS[claim.slug].audited:
            return words
        return f"The given {e.artefact} {'is, within tolerance,' if good else 'is not'} what the claim says."
    if e.verdict is Verdict.REFUTED:
        if e.is_alarm:
            return "ALARM: this theorem is proved for all data, so this package is wrong here. Please report the data."
        return claim.fails
    if claim.is_condition and any(isinstance(f, Hypothesis) and f.is_violated for f in e.findings):
        return f"{claim.holds.removesuffix('.')}, up to what this violation leaves: it is within tolerance, not zero."
    if e.about is About.AUDIT and e.verdict is not Verdict.PROVED:
        return f"{claim.holds.removesuffix('.')}, within tolerance."
    exact = " Exact by proof." if e.general == "proved" and e.verdict is not Verdict.PROVED else ""
    return claim.holds + exact


def _spoilt(claim: Claim) -> str:
    """Why a theorem says nothing although the rows of its hypotheses hold."""
    return (
        f"Says nothing about this data: {' and '.join(claim.hypotheses)}, a row of its own, is violated there within "
        f"its own tolerance, and that leaves more than the tolerance of {claim.slug}."
    )
