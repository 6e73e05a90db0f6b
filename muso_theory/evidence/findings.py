"""Findings: a number each, what is asked of it, and the verdict that follows.

The type of a finding says which object it is about: an `Identity`, an `Inequality` or a `Hypothesis` is about the exact
real objects of the data as given, an `Audit` about something handed in, an `Output` about floats that this package
hands out.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, final

from ..numbers.quantity import Grade, Quantity, is_finite
from ..verdict import Verdict
from .allowance import Allowance
from .digits import bounded_above, extra_digits, round_digits, show

__all__ = ["About", "Audit", "Finding", "Hypothesis", "Identity", "Inequality", "Output"]

_ZERO = Quantity.exact(0)


class About(enum.Enum):
    """Which object a verdict is about."""

    THEOREM = "the exact real objects of the data as given"
    AUDIT = "what was handed in"
    OUTPUT = "the very floats that this package hands out"


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
        """What follows from the number and what is asked of it."""

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
        return not self.verdict.holds

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.in_full}>"

    def __str__(self) -> str:
        q, extra = self.quantity, self._extra
        if q.grade is not Grade.CERTIFIED:
            return f"{self.what} {show(q, extra)}"
        if self._is_low:
            return f"{self.what} ≥ {round_digits(q.lower, up=False, digits=2 + extra)}"
        return f"{self.what} {bounded_above(q, extra)}"

    @property
    def in_full(self) -> str:
        """The number, what it was held against, and its verdict."""
        return f"{self}{f' ({self.limit})' if self.limit else ''}: {self.verdict.name}"

    @property
    def _held_against(self) -> Fraction | float | None:
        """The limit that is told, if one is."""
        return None

    @property
    def _is_low(self) -> bool:
        """Whether the number is told by its lower end: where it must be, or provably is, large."""
        return self.fails

    @property
    def _must_exceed(self) -> bool:
        """Whether the number must be above its limit, not below."""
        return False

    @property
    def _extra(self) -> int:
        """Digits beyond the usual few, without which the number and its limit would not compare as they do."""
        limit, q = self._held_against, self.quantity
        if limit is None:
            return 0
        told = "≥" if self._is_low else "≤"
        if q.grade is not Grade.CERTIFIED:
            told = show(q)[0]  # of an exact number or a measured one both ends are the number
        if told not in "≤≥≈=":
            return 0
        end = q.lower if told == "≥" else q.upper
        return extra_digits(told, end, limit, above=self._must_exceed, is_exact=q.grade is Grade.PROVED)

    def _limit(self, of: str) -> str:
        """The limit in words, rounded to the side on which what holds within it holds."""
        assert self._held_against is not None
        shown = round_digits(self._held_against, up=self._must_exceed, digits=2 + self._extra)
        return f"limit {shown}" + (f" = {of}" if of else "")


@dataclass(frozen=True, repr=False)
class _Small(Finding):
    """A length that should be small."""

    allowed: Allowance

    @property
    def _within(self) -> Verdict | None:
        """The verdict where the number is surely allowed."""
        q = self.quantity
        if q.grade is Grade.PROVED and q.upper == 0:
            return Verdict.PROVED
        if not (is_finite(q.upper) and q.upper <= self.allowed.lower):
            return None
        if Grade.MEASURED in (q.grade, self.allowed.grade):
            # Where equality is asked, a float of 0 is what rounding may leave of any small number.
            return Verdict.MEASURED if self.allowed.of else None
        return Verdict.CERTIFIED

    @property
    def _beyond(self) -> bool:
        """Whether the number is surely not allowed."""
        if Grade.MEASURED in (self.quantity.grade, self.allowed.grade):
            return False
        return self.quantity.lower > max(self.allowed.upper, self.allowed.rounding)

    @property
    def fails(self) -> bool:
        """Whether the number is proved to be more than allowed: another arithmetic cannot say better of it."""
        return self._beyond

    @property
    def is_missed_by_rounding(self) -> bool:
        """Whether the number is surely not allowed, and may be no more than rounding of what was handed in."""
        if Grade.MEASURED in (self.quantity.grade, self.allowed.grade):
            return False
        return self.quantity.lower > self.allowed.upper and not self._beyond

    @property
    def limit(self) -> str:
        """The largest number that is surely allowed, and what it is relative to."""
        return self._limit(self.allowed.of) if self.allowed.of else ""

    @property
    def _held_against(self) -> Fraction | float | None:
        """The largest number that is surely allowed; where equality is asked none is told."""
        return self.allowed.lower if self.allowed.of else None

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
        if Grade.MEASURED in (self.quantity.grade, self.explained.grade):
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
        if explained is None or Grade.MEASURED in (explained.grade, self.allowed.grade):
            return False
        return explained.lower > self.allowed.upper

    @property
    def limit(self) -> str:
        """Also how much a hypothesis leaves that is violated within its own tolerance, where that is too much."""
        if self.verdict is not Verdict.VACUOUS or self.explained is None:
            return super().limit
        low = round_digits(self.explained.lower, up=False, digits=2 + self._extra)
        return f"of which a violated hypothesis explains ≥ {low}; {super().limit}"

    @property
    def _extra(self) -> int:
        """Also for what a violated hypothesis explains."""
        if self.verdict is not Verdict.VACUOUS or self.explained is None:
            return super()._extra
        return max(super()._extra, extra_digits("≥", self.explained.lower, self.allowed.lower))

    @property
    def _is_low(self) -> bool:
        """Also where a violated hypothesis leaves more than is allowed."""
        spoilt = self.verdict is Verdict.VACUOUS and self.quantity.lower > self.allowed.upper
        return self.fails or spoilt


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
        if q.grade is Grade.MEASURED:
            return False
        return q.upper <= self.bar if self.positive else q.lower > self.bar

    @property
    def verdict(self) -> Verdict:
        """PROVED, CERTIFIED or MEASURED on the right side; REFUTED only if exactly or provably on the wrong one."""
        q = self.quantity
        if is_finite(q.lower) and q.lower > self.bar if self.positive else q.upper <= self.bar:
            return Verdict[q.grade.name]
        return Verdict.REFUTED if self.fails else Verdict.UNDECIDED

    @property
    def limit(self) -> str:
        """The bar, where it is not zero."""
        return self._limit(self.unit_of) if self.bar else ""

    @property
    def _held_against(self) -> Fraction | float | None:
        """The bar, where it is not zero."""
        return self.bar or None

    @property
    def _must_exceed(self) -> bool:
        """Where a number above the bar is asked."""
        return self.positive

    @property
    def _is_low(self) -> bool:
        """A number that must be large is told from above where it is too small."""
        return not self.fails if self.positive else self.fails


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
    def is_violated(self) -> bool:
        """Whether the hypothesis is proved not to hold exactly, be it within the allowance."""
        return self.quantity.grade is not Grade.MEASURED and self.quantity.lower > 0

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
    def verdict(self) -> Verdict:
        """PROVED for an exact zero, CERTIFIED or MEASURED within the allowance, else UNDECIDED."""
        return self._within or Verdict.UNDECIDED
