"""Judge one report by the exact truth: every enclosure, every allowance, every verdict, every row, the whole.

Nothing here asks how the toolkit came to a verdict. A finding names a number; the number is looked up and compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np

import muso_theory as mt
from muso_theory.checking.report import Report
from muso_theory.errors import MusoError
from muso_theory.evidence import (
    About,
    Allowance,
    Audit,
    Evidence,
    Finding,
    Hypothesis,
    Identity,
    Inequality,
    Output,
    Verdict,
    round_digits,
)
from muso_theory.numbers import Grade

from .exact_numbers import Exactly, ExactNumber, Root, compare
from .exact_truth import norm
from .soundness_draws import DrawnProblem
from .soundness_quantities import Quantities

__all__ = ["Judgement", "judge"]

_DEFAULT = Fraction(1, 10**6)
_SURE = (Verdict.PROVED, Verdict.CERTIFIED)
_ZERO = Exactly(Fraction(0))
_NEAR = Fraction(1, 10**6)
"""Where a tolerance times a scale comes this near to a rounding, either scale is the documented one."""


@dataclass
class Judgement:
    """What a judged report came to.

    Args:
        violations: kind, row and words of everything that is false.
        rows: verdict of each row by name.
        ratios: binary logarithm of upper end over truth, of proved bounds of lengths that are not zero.
        judged: how many findings were compared with an exact number, and how many have none.
    """

    violations: list[tuple[str, str, str]] = field(default_factory=list)
    rows: dict[str, str] = field(default_factory=dict)
    ratios: list[float] = field(default_factory=list)
    judged: dict[str, int] = field(default_factory=lambda: {"exact": 0, "measured": 0, "open": 0})

    def count(self, how: str) -> None:
        """One more finding judged in some way."""
        self.judged[how] += 1


def judge(draw: DrawnProblem, report: Report, problem: mt.UnlearningProblem) -> Judgement:
    """Compare a report with the truth: what is false in it, and what is worth counting."""
    return _Judge(draw, report, problem).result


def handed_out(problem: mt.UnlearningProblem, name: str, arithmetic: str) -> Any:
    """The floats that the toolkit hands out: labels by a method, or ``w_unlearned``."""
    if name == "w_unlearned":
        return mt.solve(problem, arithmetic=arithmetic).w_unlearned
    return mt.optimal_labels(problem, name, arithmetic=arithmetic)


class _Judge:
    def __init__(self, draw: DrawnProblem, report: Report, problem: mt.UnlearningProblem) -> None:
        self.draw, self.report, self.truth = draw, report, draw.truth
        arithmetic = draw.settings["arithmetic"]
        self.quantities = Quantities(
            draw.truth, draw.settings, lambda name: handed_out(problem, name, arithmetic)
        )
        self.asserted = set(draw.settings.get("asserted", ()))
        self.result = Judgement()
        for row in report.rows:
            self.result.rows[row.name] = row.verdict.name
            self._row(row)
        self._whole()

    def _wrong(self, kind: str, row: str, words: str) -> None:
        self.result.violations.append((kind, row, words))

    # -- one finding

    def _finding(self, row: Evidence, finding: Finding) -> bool | None:
        """Judge one finding; whether what it asks is true, None where that is not known."""
        try:
            number = self.quantities.number(finding.what)
        except KeyError:
            self._wrong("unknown words", row.name, finding.what)
            return None
        except MusoError as error:
            self._wrong("handed out", row.name, f"{finding.what}: {error}")
            return None
        q = finding.quantity
        if number is None:
            self.result.count("open")
            return None
        if q.grade is Grade.MEASURED:
            self.result.count("measured")
        else:
            self.result.count("exact")
            if q.grade is Grade.PROVED and q.lower != q.upper:
                self._wrong("enclosure", row.name, f"{finding.what}: exact, and not one number")
            if not number.within(q.lower, q.upper):
                self._wrong("enclosure", row.name, f"{finding.what} not in {_ends(q)}")
            if not number.within(-math.inf, q.bound) or not number.within(q.floor, math.inf):
                self._wrong("enclosure", row.name, f"{finding.what} not in the floats [{q.floor}, {q.bound}]")
            self._told(row, finding, number)
            self._sharpness(number, q.upper)
        asks = self._asks(row, finding, number)
        self._verdict(row, finding, number, asks)
        return asks

    def _told(self, row: Evidence, finding: Finding, number: ExactNumber) -> None:
        """The few digits that a reader sees must be on the safe side, too."""
        sign, _, digits = str(finding).removeprefix(finding.what).strip().partition(" ")
        if sign not in ("≤", "≥") or "inf" in digits:
            return
        side = number.compare(Fraction(digits))
        if side > 0 if sign == "≤" else side < 0:
            self._wrong("words", row.name, str(finding))

    def _sharpness(self, number: ExactNumber, upper: Fraction | float) -> None:
        if isinstance(number, Root) and number.square and upper != math.inf:
            self.result.ratios.append(Root(Fraction(upper) ** 2).log2 - number.log2)

    def _asks(self, row: Evidence, finding: Finding, number: ExactNumber) -> bool | None:
        """Whether the number respects what it is held against, by the true scale."""
        if isinstance(finding, Inequality):
            side = number.compare(Fraction(finding.bar)) if math.isfinite(finding.bar) else -1
            return side > 0 if finding.positive else side <= 0
        assert isinstance(finding, Identity | Hypothesis | Audit | Output)
        allowed = self._allowed(row, finding, finding.allowed)
        if allowed is None:
            return True if number.is_zero else None
        sign = number.compare(allowed.value) if isinstance(allowed, Exactly) else compare(number, allowed)
        return sign <= 0

    def _allowed(self, row: Evidence, finding: Finding, allowance: Allowance) -> ExactNumber | None:
        """Tolerance × scale, exactly, after judging the ends that the toolkit states."""
        tolerance = self._tolerance(row, finding)
        if not allowance.of:
            known: ExactNumber | None = _ZERO
            if tolerance:
                self._wrong("allowance", row.name, f"equality is asked of {finding.what}")
        elif allowance.of == "the δ asked for":
            known = Exactly(Fraction(1, 10**5))
        else:
            scale = self.quantities.scale(allowance.of.partition(" of ")[2], finding.what)
            if isinstance(finding, Audit) and finding.what.startswith(("‖Φ⁺", "‖Φ_R⁺")):
                tolerance /= (
                    1 - tolerance
                )  # what doing nothing leaves is not known: see Draw.least_squares_audit
            known = None if scale is None else _times(scale, tolerance)
            if isinstance(finding, Audit):
                self._documented_scale(row, finding)
        proved = known is not None and allowance.grade is not Grade.MEASURED
        if proved and not known.within(allowance.lower, allowance.upper):
            self._wrong("allowance", row.name, f"{allowance.of} not in {_ends(allowance)}")
        return known

    def _tolerance(self, row: Evidence, finding: Finding | None = None) -> Fraction:
        """What was asked for: without a tolerance equality of exact artefacts; of handed-out floats never."""
        given = self.draw.settings.get("tolerance")
        if given is None:
            audited = row.about is About.AUDIT
            exact = audited and np.asarray(self.draw.settings[row.artefact]).dtype.kind != "f"
            return Fraction(0) if exact else _DEFAULT
        return Fraction(given) or (_DEFAULT if isinstance(finding, Output) else Fraction(0))

    def _documented_scale(self, row: Evidence, finding: Audit) -> None:
        """‖w_p − w_r‖, unless what doing nothing misses is within half an ulp of every entry of the artefact."""
        if not finding.what.startswith(("‖w_u − w_r‖ of the given", "‖(I − P)(", "‖w_pretrained")):
            return
        fallback = "nothing to unlearn at this precision" in finding.allowed.of
        if finding.allowed.of.endswith("nothing to unlearn, which is open"):
            return  # the ends are those of both scales, and what is said holds on either
        # What exceeds both allowances is refuted before it is known which of them counts.
        if finding.verdict not in (_SURE if not fallback else (Verdict.REFUTED, *_SURE)):
            return
        unit = self._half_ulp(row.artefact)
        change = self.truth.doing_nothing
        if row.artefact == "labels":
            change = norm(self.truth.y(self.truth.forget) - self.truth.optimal_labels)
        slack = -_NEAR if fallback else _NEAR
        within = unit > 0 and compare(change.times(1 + slack), Root(unit**2)) <= 0
        if within != fallback:
            used = "‖w_r − w₀‖" if fallback else "doing nothing"
            self._wrong("scale", row.name, f"{finding.verdict.name} on the scale {used}")

    def _half_ulp(self, name: str) -> Fraction:
        """Half the smallest unit in the last place of an artefact's entries; 0 for exact ones."""
        values = np.asarray(self.draw.settings[name])
        if values.dtype.kind != "f":
            return Fraction(0)
        # The largest float has no next one; the spacing below it is the same.
        capped = np.minimum(np.abs(values), np.nextafter(np.finfo(values.dtype).max, values.dtype.type(0)))
        return Fraction(float(np.spacing(capped).min())) / 2

    def _verdict(self, row: Evidence, finding: Finding, number: ExactNumber, asks: bool | None) -> None:
        """Whether the finding's verdict is true."""
        verdict, words = finding.verdict, f"{finding.what} {finding.verdict.name}"
        grades = {finding.quantity.grade}
        if not isinstance(finding, Inequality):
            grades.add(finding.allowed.grade)  # type: ignore[attr-defined]
        if verdict is Verdict.UNDECIDED:
            return
        if verdict is Verdict.MEASURED:
            if Grade.MEASURED not in grades:
                self._wrong("verdict", row.name, f"{words} without a measurement")
        elif Grade.MEASURED in grades and not (verdict is Verdict.PROVED and number.is_zero):
            self._wrong("verdict", row.name, f"{words} from a measurement")
        elif verdict is Verdict.PROVED:
            if not (asks if isinstance(finding, Inequality) else number.is_zero):
                self._wrong("verdict", row.name, f"{words} is false")
        elif verdict is Verdict.CERTIFIED:
            if asks is not True:
                self._wrong("verdict", row.name, f"{words} is {'not known' if asks is None else 'false'}")
        elif verdict is Verdict.REFUTED:
            self._refuted(row, finding, asks, words)
        elif asks is not False or isinstance(finding, Audit | Output):
            self._wrong("verdict", row.name, f"{words} is false")

    def _refuted(self, row: Evidence, finding: Finding, asks: bool | None, words: str) -> None:
        """A refutation must be true, and only some findings can be refuted at all."""
        theorem = isinstance(finding, Identity) and row.claim not in self.asserted
        if theorem or isinstance(finding, Output | Hypothesis):
            self._wrong("alarm" if theorem else "verdict", row.name, words)
        elif asks is not False:
            self._wrong("verdict", row.name, f"{words} is false")

    # -- one row

    def _row(self, row: Evidence) -> None:
        asks = [self._finding(row, finding) for finding in row.findings]
        verdict = row.verdict
        insisted = row.claim in self.asserted and row.about is About.THEOREM
        if any(finding.about is not row.about for finding in row.findings):
            self._wrong("row", row.name, "findings about another object")
        if verdict in _SURE:
            if not asks or not all(answer is not False for answer in asks):
                self._wrong("row", row.name, f"{verdict.name} with a false finding, or none")
            if row.failed and not insisted:
                self._wrong("row", row.name, f"{verdict.name} though a hypothesis fails")
        if verdict is Verdict.REFUTED:
            if row.about is About.OUTPUT or (row.about is About.THEOREM and not insisted):
                self._wrong("alarm" if row.about is About.THEOREM else "row", row.name, "REFUTED")
            if False not in asks:
                self._wrong("row", row.name, "REFUTED without a false finding")
        if verdict is Verdict.VACUOUS:
            self._vacuous(row, asks)
        for needed in mt.claims[row.claim].hypotheses if row.about is About.THEOREM else ():
            fails = self._theorem(needed).verdict in (Verdict.VACUOUS, Verdict.REFUTED)
            if fails and verdict is not Verdict.VACUOUS and not insisted:
                self._wrong("contradiction", row.name, f"{verdict.name} though {needed} fails")

    def _vacuous(self, row: Evidence, asks: list[bool | None]) -> None:
        for slug, _ in row.failed:
            if slug == "w_init":
                # Labels have no start of their own: w_pretrained beside them shows it.
                shows = replace(row, artefact="w_pretrained") if row.artefact == "labels" else row
                allowed = self.truth.doing_nothing.times(self._tolerance(shows))
                off = norm(self.truth.off_span(self.quantities.artefact(shows.artefact)))
                if self.draw.arrays["w_init"] is not None or compare(off, allowed) <= 0:
                    self._wrong("row", row.name, "VACUOUS for a start that fits")
            elif self._theorem(slug).verdict not in (Verdict.VACUOUS, Verdict.REFUTED):
                self._wrong("row", row.name, f"VACUOUS for {slug}, which does not fail")
        if not row.failed and all(answer is True for answer in asks):
            self._wrong("row", row.name, "VACUOUS without a hypothesis that fails")

    def _theorem(self, slug: str) -> Evidence:
        return next(row for row in self.report.rows if row.name == slug)

    # -- the whole report

    def _whole(self) -> None:
        rows = list(self.report.rows)
        order = list(Verdict)
        for claim in {row.claim for row in rows}:
            worst = min((row.verdict for row in rows if row.claim == claim), key=order.index)
            if self.report[claim].verdict is not worst:
                self._wrong("report", claim, f"told as {self.report[claim].verdict.name}, worst {worst.name}")
        verdicts = {row.verdict for row in rows}
        if self.report.verdict is not min(verdicts, key=order.index):
            self._wrong("report", "", f"overall {self.report.verdict.name}")
        status = (
            1 if Verdict.REFUTED in verdicts else 3 if verdicts & {Verdict.UNDECIDED, Verdict.VACUOUS} else 0
        )
        if self.report.exit_status != status:  # An alarm is a violation whatever the status.
            self._wrong(
                "exit status", "", f"{self.report.exit_status} for {sorted(v.name for v in verdicts)}"
            )
        for row, other in self._contradictions():
            self._wrong("contradiction", row, other)

    def _contradictions(self) -> Iterator[tuple[str, str]]:
        """Pairs of conditions of which one implies the other, told the other way."""
        told = {row.name: row.verdict for row in self.report.rows}
        for strong, weak in (
            ("full-rank", "full-rank-retain"),
            ("full-rank", "full-rank-forget"),
            ("full-rank", "over-parameterised"),
            ("full-rank", "interpolates-retain"),
            ("interpolates-retain", "interpolable-retain"),
            ("interpolates-retain", "least-squares-on-subset"),
        ):
            if strong not in told or told.get(weak) is not Verdict.VACUOUS:
                continue
            # A subset has a scale of its own: what is within tolerance of all retained rows may be far from its few.
            sure = told[strong] is Verdict.PROVED if weak == "least-squares-on-subset" else told[strong].holds
            if sure:
                yield strong, f"{told[strong].name}, and {weak} fails"


def _times(scale: ExactNumber, factor: Fraction) -> ExactNumber:
    return Exactly(scale.value * factor) if isinstance(scale, Exactly) else scale.times(factor)  # type: ignore[attr-defined]


def _ends(q: Any) -> str:
    """Both ends for a reader, whatever their size."""
    return f"[{round_digits(q.lower, up=False, digits=6)}, {round_digits(q.upper, up=True, digits=6)}]"
