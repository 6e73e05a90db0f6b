"""Verdicts, and the evidence that they are computed from. A verdict is never set by hand.

A verdict is about exactly one object. The type of a finding says which: an `Identity`, an `Inequality` or a
`Hypothesis` is about the exact real objects of the data as given, an `Audit` about something handed in, an
`Output` about floats that this package hands out. Evidence holds findings about one object only.
"""

from __future__ import annotations

import decimal
import enum
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from fractions import Fraction
from typing import ClassVar, final

from .arguments import checked
from .markup import Markup, badge, mathematics, tag, unfolded, verdict_table
from .numbers.quantity import Grade, Quantity, brief, is_finite
from .verdict import Verdict, worst

__all__ = [
    "NOTHING",
    "About",
    "Allowance",
    "Audit",
    "Evidence",
    "Finding",
    "Hypothesis",
    "Identity",
    "Inequality",
    "Output",
    "Scope",
    "Verdict",
    "at_most",
    "short",
    "worst",
]


_HOLDS = {
    Grade.EXACT: Verdict.PROVED,
    Grade.RIGOROUS: Verdict.CERTIFIED,
    Grade.FLOAT: Verdict.MEASURED,
}


_SETTLED = tuple(_HOLDS.values())


class Scope(enum.Enum):
    """How far the evidence reaches; a thousand instances never make a theorem."""

    GENERAL = "for all data and dimensions"
    INSTANCE = "for this data"


class About(enum.Enum):
    """Which object a verdict is about."""

    THEOREM = "the exact real objects of the data as given"
    AUDIT = "what was handed in"
    OUTPUT = "the very floats that this package hands out"


@final
@dataclass(frozen=True, repr=False)
class Allowance:
    """Tolerance times a scale that is itself only enclosed: at most ``lower`` is surely allowed, above ``upper`` not.

    Args:
        lower: tolerance × the lower end of the scale.
        upper: tolerance × its upper end.
        of: the tolerance and the scale in words.
        grade: what stands behind the scale.
        is_second: the scale is not the one that is meant, because floats do not resolve that: each row says so.
        rounding: what the rounding of something handed in explains: not allowed, and not refuted either.

    Example:
        >>> Allowance.of_scale(Fraction(1, 10), Quantity.enclosure(1.0, 2.0), "doing nothing")
        Allowance(lower=Fraction(1, 10), upper=Fraction(1, 5), of='0.1 of doing nothing', ...)
    """

    lower: Fraction | float
    upper: Fraction | float
    of: str
    grade: Grade = Grade.EXACT
    is_second: bool = False
    rounding: Fraction | float = 0

    def __repr__(self) -> str:
        ends = f"lower={brief(self.lower)}, upper={brief(self.upper)}"
        return f"Allowance({ends}, of={self.of!r}, grade={self.grade!r})"

    @classmethod
    def of_scale(cls, tolerance: Fraction, scale: Quantity, words: str, is_second: bool = False) -> Allowance:
        """Tolerance × scale, exactly.

        Args:
            tolerance: at least 0.
            scale: an enclosure of a length.
            words: the scale in words.
            is_second: whether another scale was meant.

        Returns:
            The allowance.
        """
        if not tolerance:
            return NOTHING
        low, high = (
            tolerance * Fraction(end) if is_finite(end) else end for end in (scale.lower, scale.upper)
        )
        # A scale that overflowed is not known to be large, so it surely allows nothing.
        low = max(low, Fraction(0)) if is_finite(low) else Fraction(0)
        return cls(low, high, f"{float(tolerance):g} of {words}", scale.grade, is_second)


NOTHING = Allowance(Fraction(0), Fraction(0), "")
"""What is allowed where equality is asked."""

_ZERO = Quantity.exact(0)


@dataclass(frozen=True, repr=False)
class Finding(ABC):
    """One number, and what is asked of it.

    Args:
        what: the quantity in words and symbols, e.g. ``‖w_u − w_r‖``.
        quantity: the number and what stands behind it.
    """

    about: ClassVar[About]

    what: str
    quantity: Quantity

    @property
    @abstractmethod
    def verdict(self) -> Verdict:
        """What may be said."""

    @property
    @abstractmethod
    def fails(self) -> bool:
        """Whether what is asked is proved to be wrong; a float proves nothing."""

    @property
    def limit(self) -> str:
        """What the number was held against, in words; empty where that is zero."""
        return ""

    @property
    def must_tell_limit(self) -> bool:
        """Whether the number says nothing, or something else, without what it was held against."""
        return self.verdict not in _SETTLED

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.in_full}>"

    def __str__(self) -> str:
        return self._told(low=self.fails)

    @property
    def in_full(self) -> str:
        """The number, what it was held against, and its verdict."""
        return f"{self}{f' ({self.limit})' if self.limit else ''}: {self.verdict.name}"

    def _told(self, low: bool) -> str:
        """The number by the end that matters: the lower one where it must be, or provably is, large."""
        q = self.quantity
        if q.grade is not Grade.RIGOROUS:
            return f"{self.what} {show(q)}"
        return f"{self.what} ≥ {round_digits(q.lower, up=False)}" if low else f"{self.what} {_at_most(q)}"


@dataclass(frozen=True, repr=False)
class _Small(Finding):
    """A length that should be small."""

    allowed: Allowance

    @property
    def _within(self) -> Verdict | None:
        """The verdict where the number is surely allowed."""
        q = self.quantity
        if q.grade is Grade.EXACT and q.upper == 0:
            return Verdict.PROVED
        if not (is_finite(q.upper) and q.upper <= self.allowed.lower):
            return None
        if Grade.FLOAT in (q.grade, self.allowed.grade):
            return Verdict.MEASURED
        return Verdict.CERTIFIED

    @property
    def _beyond(self) -> bool:
        """Whether the number is surely not allowed."""
        if Grade.FLOAT in (self.quantity.grade, self.allowed.grade):
            return False
        return self.quantity.lower > max(self.allowed.upper, self.allowed.rounding)

    @property
    def is_missed_by_rounding(self) -> bool:
        """Whether the number is surely not allowed, and may be no more than rounding of what was handed in."""
        if Grade.FLOAT in (self.quantity.grade, self.allowed.grade):
            return False
        return self.quantity.lower > self.allowed.upper and not self._beyond

    @property
    def limit(self) -> str:
        """The largest number that is surely allowed, and what it is relative to."""
        if not self.allowed.of:
            return ""
        return f"limit {round_digits(self.allowed.lower, up=False)} = {self.allowed.of}"

    @property
    def must_tell_limit(self) -> bool:
        """Also where the number was held against another length than the one that is meant."""
        return super().must_tell_limit or (self.allowed.is_second and self.verdict is not Verdict.PROVED)


@final
@dataclass(frozen=True, repr=False)
class Identity(_Small):
    """A number that a theorem says is zero, if its hypotheses hold exactly.

    A hypothesis that is violated within tolerance by ε explains up to Cε of it, C being the theorem's own constant;
    what is not explained refutes the theorem. What is explained but larger than allowed makes the row VACUOUS.

    Args:
        what: the quantity in words and symbols.
        quantity: the number.
        allowed: how large it may be for the row to be CERTIFIED.
        explained: Cε; exactly zero where hypotheses hold exactly or there is none. None where a user asserts the
            statement whatever its hypotheses: it is then judged like an audit.

    Example:
        >>> allowed = Allowance(1e-6, 1e-6, "1e-06 of doing nothing")
        >>> Identity("gap", Quantity.enclosure(0.0, 2e-13), allowed).verdict
        Verdict.CERTIFIED
        >>> Identity("gap", Quantity.exact(0), allowed).verdict
        Verdict.PROVED
        >>> tiny = Quantity.exact(Fraction(1, 10**18))
        >>> Identity("gap", tiny, allowed).verdict, Identity("gap", tiny, allowed, explained=tiny).verdict
        (Verdict.REFUTED, Verdict.CERTIFIED)
        >>> Identity("gap", Quantity.measured(0.5), allowed).verdict  # a float refutes nothing
        Verdict.UNDECIDED
    """

    about = About.THEOREM
    explained: Quantity | None = _ZERO

    @property
    def fails(self) -> bool:
        """Whether more of the number is there than the hypotheses explain."""
        if self.explained is None:
            return self._beyond
        if Grade.FLOAT in (self.quantity.grade, self.explained.grade):
            return False
        return self.quantity.lower > self.explained.upper

    @property
    def verdict(self) -> Verdict:
        """REFUTED on what nothing explains, CERTIFIED within the allowance, VACUOUS where a violation exceeds it."""
        if self.fails:
            return Verdict.REFUTED
        within = self._within
        if within is not None:
            return within
        return Verdict.VACUOUS if self._is_spoilt else Verdict.UNDECIDED

    @property
    def _is_spoilt(self) -> bool:
        """Whether a hypothesis, violated within its own tolerance, is proved to leave more than is allowed."""
        explained = self.explained
        if explained is None or Grade.FLOAT in (explained.grade, self.allowed.grade):
            return False
        return explained.lower > self.allowed.upper

    @property
    def limit(self) -> str:
        """Also how much a hypothesis leaves that is violated within its own tolerance, where that is too much."""
        if self.verdict is not Verdict.VACUOUS or self.explained is None:
            return super().limit
        low = round_digits(self.explained.lower, up=False)
        return f"of which a violated hypothesis explains ≥ {low}; {super().limit}"

    def __str__(self) -> str:
        spoilt = self.verdict is Verdict.VACUOUS and self.quantity.lower > self.allowed.upper
        return self._told(low=self.fails or spoilt)


@final
@dataclass(frozen=True, repr=False)
class Inequality(Finding):
    """A number against a limit that is known exactly: ranks, counts, eigenvalues, steps.

    Args:
        what: the quantity in words and symbols.
        quantity: the number.
        positive: True asks quantity > bar, False asks quantity ≤ bar.
        bar: the limit.
        unit_of: words for the limit.

    Example:
        >>> Inequality("λ_min(K)", Quantity.enclosure(0.046, 0.048), positive=True).verdict
        Verdict.CERTIFIED
        >>> Inequality("n − rank Φ", Quantity.exact(1)).verdict
        Verdict.REFUTED
    """

    about = About.THEOREM
    positive: bool = False
    bar: Fraction | float | int = 0
    unit_of: str = ""

    @property
    def fails(self) -> bool:
        """Whether the number is proved to be on the wrong side."""
        q = self.quantity
        if q.grade is Grade.FLOAT:
            return False
        return q.upper <= self.bar if self.positive else q.lower > self.bar

    @property
    def verdict(self) -> Verdict:
        """PROVED, CERTIFIED or MEASURED on the right side; REFUTED only if exactly or provably on the wrong one."""
        q = self.quantity
        if is_finite(q.lower) and q.lower > self.bar if self.positive else q.upper <= self.bar:
            return _HOLDS[q.grade]
        return Verdict.REFUTED if self.fails else Verdict.UNDECIDED

    @property
    def limit(self) -> str:
        """The bar, where it is not zero."""
        return f"limit {round_digits(self.bar, up=False)} = {self.unit_of}" if self.unit_of else ""

    def __str__(self) -> str:
        q = self.quantity
        return self._told(low=self.positive or (self.fails and q.lower > self.bar))


@final
@dataclass(frozen=True, repr=False)
class Hypothesis(_Small):
    """How far a hypothesis is violated on this data: it fails where that is more than allowed, and is never refuted.

    Args:
        what: the violation in words and symbols.
        quantity: the number.
        allowed: tolerance × a norm of the data.

    Example:
        >>> allowed = Allowance(1e-6, 1e-6, "1e-06 of its value at w₀")
        >>> [Hypothesis("residual", q, allowed).verdict for q in (Quantity.exact(1), Quantity.enclosure(0, 1e-17))]
        [Verdict.VACUOUS, Verdict.CERTIFIED]
    """

    about = About.THEOREM

    @property
    def fails(self) -> bool:
        """Whether the violation is proved to be more than allowed."""
        return self._beyond

    @property
    def is_violated(self) -> bool:
        """Whether the hypothesis is proved not to hold exactly, be it within the allowance."""
        return self.quantity.grade is not Grade.FLOAT and self.quantity.lower > 0

    @property
    def verdict(self) -> Verdict:
        """PROVED for an exact zero, CERTIFIED or MEASURED within the allowance, VACUOUS beyond it."""
        return self._within or (Verdict.VACUOUS if self.fails else Verdict.UNDECIDED)


@final
@dataclass(frozen=True, repr=False)
class Audit(_Small):
    """How far something that was handed in is from what it should be.

    Args:
        what: the distance in words and symbols.
        quantity: the number.
        allowed: tolerance × scale; `NOTHING` where equality is asked.

    Example:
        >>> allowed = Allowance(0.9e-6, 1.1e-6, "1e-06 of doing nothing")
        >>> [Audit("gap", Quantity.enclosure(q, q), allowed).verdict for q in (8e-7, 1e-6, 1.2e-6)]
        [Verdict.CERTIFIED, Verdict.UNDECIDED, Verdict.REFUTED]
    """

    about = About.AUDIT

    @property
    def fails(self) -> bool:
        """Whether the distance is proved to be more than allowed."""
        return self._beyond

    @property
    def verdict(self) -> Verdict:
        """PROVED for an exact zero, CERTIFIED or MEASURED within the allowance, REFUTED beyond it, else UNDECIDED."""
        return self._within or (Verdict.REFUTED if self.fails else Verdict.UNDECIDED)


@final
@dataclass(frozen=True, repr=False)
class Output(_Small):
    """How far floats that this package hands out are from the exact real that they stand for; never a refutation.

    Args:
        what: the distance in words and symbols.
        quantity: the number.
        allowed: tolerance × scale.

    Example:
        >>> allowed = Allowance(1e-6, 1e-6, "1e-06 of doing nothing")
        >>> Output("gap", Quantity.enclosure(0.1, 0.2), allowed).verdict
        Verdict.UNDECIDED
    """

    about = About.OUTPUT

    @property
    def fails(self) -> bool:
        """Whether the floats are proved to miss the tolerance: no other arithmetic can say better of these floats."""
        return self._beyond

    @property
    def verdict(self) -> Verdict:
        """PROVED for an exact zero, CERTIFIED or MEASURED within the allowance, else UNDECIDED."""
        return self._within or Verdict.UNDECIDED


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
        if _bits(q.upper) <= 40:
            return f"= {q.upper}"
        return f"≈ {round_digits(q.upper, up=None, digits=6)} (exact value kept)"
    if q.grade is Grade.FLOAT:
        return f"≈ {q.bound:.3g}" if is_finite(q.bound) else "is beyond the range of float64"
    if q.floor > 0 and q.bound < 1.05 * q.floor:
        return f"≥ {round_digits(q.lower, up=False)}"
    if q.floor > 0 and q.floor > 1e-3 * q.bound:
        return f"in [{round_digits(q.lower, up=False)}, {round_digits(q.upper, up=True)}]"
    return _at_most(q)


def at_most(q: Quantity) -> str:
    """A quantity by the end that a statement rests on which is true of every smaller one.

    Args:
        q: the quantity.

    Returns:
        The relation, never a lower bound.

    Example:
        >>> at_most(Quantity.enclosure(1.0, 1.01)), at_most(Quantity.exact(3)), at_most(Quantity.measured(0.1))
        ('≤ 1.1', '= 3', '≈ 0.1')
    """
    return _at_most(q) if q.grade is Grade.RIGOROUS else show(q)


def _at_most(q: Quantity) -> str:
    """The upper end of an enclosure as a relation, which says nothing where it is infinite."""
    return f"≤ {round_digits(q.upper, up=True)}" if is_finite(q.upper) else "has no finite bound"


def round_digits(value: Fraction | float, up: bool | None, digits: int = 2) -> str:
    """Decimal text of a few digits that is not on the wrong side of the value, whatever its size.

    Args:
        value: the value; a fraction may be beyond the range of floats.
        up: whether the text must not be smaller, or not larger; None takes the nearest.
        digits: significant digits.

    Returns:
        The text.

    Example:
        >>> round_digits(3.111e-12, up=True), round_digits(0.0465, up=False), round_digits(0.0, up=True)
        ('3.2e-12', '0.046', '0')
        >>> round_digits(Fraction(10) ** 400 + 1, up=True)
        '1.1e+400'
    """
    if value == 0:
        return "0"
    if not is_finite(value):
        return f"{value:g}"
    exact = Fraction(value)
    rounding = decimal.ROUND_HALF_EVEN if up is None else decimal.ROUND_CEILING if up else decimal.ROUND_FLOOR
    # A quotient rounded in the wanted direction and rounded again in that direction is still on the safe side.
    wide = decimal.Context(prec=50, rounding=rounding, Emin=-(10**9), Emax=10**9)
    ratio = wide.divide(decimal.Decimal(exact.numerator), decimal.Decimal(exact.denominator))
    quantum = decimal.Decimal(1).scaleb(ratio.adjusted() - digits + 1, context=wide)
    rounded = ratio.quantize(quantum, rounding=rounding, context=wide)
    shown = float(rounded)
    if math.isfinite(shown) and abs(shown) >= 1e-300:
        return f"{shown:g}" if digits <= 6 else f"{shown:.{digits}g}"
    return f"{rounded:.{digits - 1}e}"


def _bits(value: Fraction | float) -> int:
    """Size of an exact number in bits."""
    exact = Fraction(value)
    return exact.numerator.bit_length() + exact.denominator.bit_length()


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
        """One row, one object."""
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
        """The number that decides, what it means, and all details to unfold.

        Returns:
            A cell of a table.
        """
        lines = (mathematics(line) for line in self.details)
        return unfolded(mathematics(short(self)), mathematics(self.meaning), f"by {self.arithmetic}", lines)

    def _repr_html_(self) -> str:
        row = (badge(self.verdict), tag("code", self.name), self.told())
        return verdict_table(f"Evidence {self.scope.value}.", [row])


_SHOWN = 6
"""Details that a repr has room for."""


def short(e: Evidence, limit: bool = False) -> str:
    """The one number of a piece of evidence that a table has room for.

    Args:
        e: the evidence.
        limit: tell what the number is held against also where it would be understood without.

    Returns:
        The failed hypothesis, the first finding that does not hold, or the row's own finding.
    """
    if (e.failed and not e.asserted) or not e.findings:
        return e.summary
    bad = [finding for finding in e.findings if finding.verdict not in _SETTLED]
    finding = (bad or list(e.findings))[0]
    return (
        f"{finding} ({finding.limit})"
        if finding.limit and (limit or finding.must_tell_limit)
        else str(finding)
    )
