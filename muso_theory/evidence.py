"""Verdicts, and the evidence that they are computed from. A verdict is never set by hand."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction

from .numbers.quantity import Grade, Quantity

__all__ = ["Evidence", "Finding", "Scope", "Verdict", "short", "worst"]


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


_ORDER = list(Verdict)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of several verdicts, in the order REFUTED, UNDECIDED, VACUOUS, MEASURED, CERTIFIED, PROVED.

    Args:
        verdicts: at least one verdict.

    Returns:
        The worst.

    Example:
        >>> worst([Verdict.PROVED, Verdict.MEASURED])
        Verdict.MEASURED
    """
    return min(verdicts, key=_ORDER.index)


class Scope(enum.Enum):
    """How far the evidence reaches; a thousand instances never make a theorem."""

    GENERAL = "for all data and dimensions"
    INSTANCE = "for this data"


@dataclass(frozen=True)
class Finding:
    """One number held against one limit.

    Args:
        what: the quantity in words and symbols, e.g. ``‖w_u − w_r‖``.
        quantity: the number and what stands behind it.
        limit: what it must respect; exact zero for equalities.
        positive: False asks quantity ≤ limit, True asks quantity > limit.
        unit_of: words for the limit, e.g. ``1e-06 of doing nothing``.

    Example:
        >>> Finding("gap", Quantity.enclosure(1e-13, 2e-13), 1e-6).verdict
        Verdict.CERTIFIED
        >>> Finding("gap", Quantity.exact(0), 0).verdict, Finding("gap", Quantity.exact(1), 0).verdict
        (Verdict.PROVED, Verdict.REFUTED)
        >>> Finding("gap", Quantity.measured(0.5), 1e-6).verdict  # a float refutes nothing
        Verdict.UNDECIDED
    """

    what: str
    quantity: Quantity
    limit: Fraction | float | int = 0
    positive: bool = False
    unit_of: str = ""

    @property
    def verdict(self) -> Verdict:
        """PROVED, CERTIFIED or MEASURED if the limit is respected; REFUTED only if exactly or provably not."""
        q = self.quantity
        holds = q.lower > self.limit if self.positive else q.upper <= self.limit
        if holds:
            return {
                Grade.EXACT: Verdict.PROVED,
                Grade.RIGOROUS: Verdict.CERTIFIED,
                Grade.FLOAT: Verdict.MEASURED,
            }[q.grade]
        return Verdict.REFUTED if self.fails and q.grade is not Grade.FLOAT else Verdict.UNDECIDED

    @property
    def fails(self) -> bool:
        """Whether the quantity is proved to be on the wrong side; a float proves nothing."""
        q = self.quantity
        if q.grade is Grade.FLOAT:
            return False
        return q.upper <= self.limit if self.positive else q.lower > self.limit

    def __str__(self) -> str:
        q = self.quantity
        if q.grade is Grade.RIGOROUS:
            # The end that matters: the lower one where the number must be, or provably is, large.
            low = self.positive or (self.fails and q.lower > self.limit)
            return f"{self.what} " + (
                f"≥ {round_digits(q.floor, up=False)}" if low else f"≤ {round_digits(q.bound, up=True)}"
            )
        return f"{self.what} {show(q)}"


def show(q: Quantity) -> str:
    """A quantity as a short relation, rounded outward.

    Args:
        q: the quantity.

    Returns:
        For example ``= 0``, ``≤ 3.2e-12`` or ``≈ 2.8e-13``.

    Example:
        >>> show(Quantity.enclosure(0.0, 3.11e-12)), show(Quantity.exact(Fraction(3, 2))), show(Quantity.measured(0.1))
        ('≤ 3.2e-12', '= 3/2', '≈ 0.1')
    """
    if q.grade is Grade.EXACT:
        text = str(q.upper) if _bits(q.upper) <= 40 else f"{float(q.upper):.6g} (exact value kept)"
        return f"= {text}"
    if q.grade is Grade.FLOAT:
        return f"≈ {q.bound:.3g}"
    if q.floor > 0 and q.bound < 1.05 * q.floor:
        return f"≥ {round_digits(q.floor, up=False)}"
    if q.floor > 0 and q.floor > 1e-3 * q.bound:
        return f"in [{round_digits(q.floor, up=False)}, {round_digits(q.bound, up=True)}]"
    return f"≤ {round_digits(q.bound, up=True)}"


def round_digits(value: float, up: bool, digits: int = 2) -> str:
    """Decimal text of a few digits that is not on the wrong side of the value.

    Args:
        value: the value.
        up: whether the text must not be smaller.
        digits: significant digits.

    Returns:
        The text.

    Example:
        >>> round_digits(3.111e-12, up=True), round_digits(0.0465, up=False), round_digits(0.0, up=True)
        ('3.2e-12', '0.046', '0')
    """
    import decimal

    if value == 0 or value != value or value in (float("inf"), float("-inf")):
        return f"{value:g}"
    rounding = decimal.ROUND_CEILING if up else decimal.ROUND_FLOOR
    exact = decimal.Decimal(value)
    quantum = decimal.Decimal(1).scaleb(exact.adjusted() - digits + 1)
    return f"{float(exact.quantize(quantum, rounding=rounding, context=decimal.Context(prec=50))):g}"


def _bits(value: Fraction | float) -> int:
    """Size of an exact number in bits."""
    exact = Fraction(value)
    return exact.numerator.bit_length() + exact.denominator.bit_length()


@dataclass(frozen=True)
class Evidence:
    """What stands behind one claim or condition.

    Args:
        claim: slug.
        scope: for this data, or in general.
        findings: numbers held against limits; the first is the claim's own quantity.
        arithmetic: which arithmetic produced them, e.g. ``float64``, ``verified``, ``rational``.
        failed: hypotheses that fail on this data, each with the reason in words.
        unsettled: hypotheses that are not decided; a claim is not refuted while it may not apply.
        asserted: the user insists that the claim holds here; a failed hypothesis then no longer excuses it.
        is_condition: a condition that fails is VACUOUS unless asserted: what needs it says nothing here.
        meaning: what this means for the user.
        needs: what would decide an undecided claim.
        facts: further numbers worth knowing, as text.
        general: what is known for all data: ``proved``, ``core proved``, or empty where there is no general proof.
        certificate: hash of the general proof's certificate.
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

    @property
    def verdict(self) -> Verdict:
        """Computed from the findings and the failed hypotheses."""
        if self.failed and not self.asserted:
            return Verdict.VACUOUS
        if not self.findings:
            return Verdict.UNDECIDED
        if self.is_condition and not self.asserted and any(finding.fails for finding in self.findings):
            return Verdict.VACUOUS
        found = worst(finding.verdict for finding in self.findings)
        if found is Verdict.REFUTED and self.unsettled and not self.asserted:
            return Verdict.UNDECIDED
        return found

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


def short(e: Evidence) -> str:
    """The one number of a piece of evidence that a table has room for.

    Args:
        e: the evidence.

    Returns:
        The failed hypothesis, the first finding that does not hold, or the claim's own finding.
    """
    if (e.failed and not e.asserted) or not e.findings:
        return e.summary
    bad = [finding for finding in e.findings if finding.verdict in (Verdict.REFUTED, Verdict.UNDECIDED)]
    return _with_limit((bad or list(e.findings))[0])


def _with_limit(finding: Finding) -> str:
    """A finding, and the limit where it is not respected."""
    if (
        finding.limit == 0
        or not finding.unit_of
        or finding.verdict not in (Verdict.REFUTED, Verdict.UNDECIDED)
    ):
        return str(finding)
    return f"{finding} (limit {round_digits(float(finding.limit), up=False)} = {finding.unit_of})"
