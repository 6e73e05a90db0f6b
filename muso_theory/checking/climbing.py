"""One row of a report at a time: up the ladder of arithmetics until one decides it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction

from ..claims import CATALOGUE, Claim
from ..claims.case import Artefact, Case, Found
from ..claims.checks import Check
from ..claims.conditions import CONDITIONS
from ..claims.families import CHECKS
from ..claims.guarantees import GUARANTEES
from ..claims.labelling import LABELLING
from ..claims.parameters import PARAMETERS
from ..claims.theorems.status import theorem_status
from ..errors import BadInputError, SingularMatrixError
from ..evidence import About, Audit, Evidence, Finding, Output, Scope, Verdict, round_digits
from ..former import former
from ..linear.certified import CertifiedForms
from ..linear.closed_forms import float_model
from ..linear.handed import Handed, NothingHandedError
from ..linear.labels import LABEL_METHODS
from ..linear.rehearsal import UNDECIDED, Rehearsal
from ..numbers import NoArithmeticError
from ..numbers.quantity import is_finite
from ..settings import TOLERANCE
from .costs import own_cost
from .ladder import Ladder, Rung
from .meaning import meaning, reason_of

__all__ = ["climber"]
former(__name__)

_START = "start-in-span"
_OF_FITS = (
    "interpolable-retain",
    "interpolates-retain",
    "least-squares-on-retain",
    "least-squares-on-subset",
)
_REHEARSED: tuple[dict[str, Check], ...] = (
    {slug: CONDITIONS[slug] for slug in (*_OF_FITS, _START)},
    {**LABELLING, **PARAMETERS, "membership": GUARANTEES["membership"]},
)
"""Claims that are written in fits and predictions alone, after the conditions that say which of them apply."""
_NEXT_TO_NOTHING = 0.5
"""Estimated seconds that an arithmetic may take to be tried before it is advised."""


def climber(
    case: Case, artefacts: tuple[Artefact, ...], wanted: Sequence[Claim]
) -> Callable[[Claim], Iterator[Evidence]]:
    """A function that runs each row of a report up a ladder of arithmetics until one decides it.

    Args:
        case: the problem and the settings; its arithmetic is changed from rung to rung.
        artefacts: what was handed in, to be audited.
        wanted: the claims that it will be called with; what they need of the same factors is computed together.

    Returns:
        Called with a claim, it gives its rows: the theorem, audits of what was handed in, and what is handed out. What
        one claim has decided is not asked again for another.
    """
    return _Checker(case, artefacts, wanted).rows


class _Checker:
    """The rows of one report under way."""

    def __init__(self, case: Case, artefacts: tuple[Artefact, ...], wanted: Sequence[Claim]) -> None:
        self.case = case
        self.wanted = wanted
        self._to_rehearse = list(_REHEARSED)
        self.artefacts = artefacts
        settings = case.settings
        self.ladder = Ladder(case.problem, settings.arithmetic, settings.budget)
        self.done: dict[str, Evidence] = {}
        self._cases: dict[tuple[str, bool, bool], Case] = {}
        self.case.handed = Handed(case.problem, settings.arithmetic, self.ladder.shared)

    def rows(self, claim: Claim) -> Iterator[Evidence]:
        """The theorem on this data, then audits of what was handed in, then what is handed out."""
        while any(claim.slug in family for family in self._to_rehearse):
            self._rehearse()
        theorem = self.theorem(claim)
        yield theorem
        for artefact in self.artefacts:
            if artefact.name in CHECKS[claim.slug].audits:
                yield self.audit(claim, artefact)
        if CHECKS[claim.slug].output is not None and theorem.verdict is not Verdict.VACUOUS:
            yield self.output(claim)

    def _rehearse(self) -> None:
        """Have what the next claims will ask for computed together, if by proved floats."""
        family, first = self._to_rehearse.pop(0), next(iter(self.ladder), None)
        if first is None or not first.is_verified:
            return
        with suppress(*UNDECIDED):
            model = first.model
            assert isinstance(model, CertifiedForms)
            rehearsal = Rehearsal(model)
            self._run(
                [claim for claim in self.wanted if claim.slug in family and self._may_apply(claim)], rehearsal
            )
            # No condition about fits fails with independent rows. Elsewhere it is seen first which claims they leave.
            if self._to_rehearse and not rehearsal.is_empty and model.is_dual and model.knows_ranks:
                family = self._to_rehearse.pop(0)
                self._run([claim for claim in self.wanted if claim.slug in family], rehearsal)
            rehearsal.perform()

    def _run(self, claims: Sequence[Claim], rehearsal: Rehearsal) -> None:
        """Check claims on a stand-in for the model, which only notes what they ask of it."""
        case = replace(self.case, model=rehearsal)
        for claim in claims:
            with suppress(*UNDECIDED):
                CHECKS[claim.slug].theorem(case)

    def _may_apply(self, claim: Claim) -> bool:
        """Whether no hypothesis of a claim fails."""
        needed = {self.theorem(CATALOGUE[slug]).verdict for slug in claim.hypotheses}
        return not needed & {Verdict.VACUOUS, Verdict.REFUTED}

    def theorem(self, claim: Claim) -> Evidence:
        """The claim or condition on the exact data, and the conditions that it needs."""
        if claim.slug not in self.done:
            needed = [self.theorem(CATALOGUE[slug]) for slug in claim.hypotheses]
            failed = tuple(
                (e.claim, e.summary) for e in needed if e.verdict in (Verdict.VACUOUS, Verdict.REFUTED)
            )
            unsettled = tuple(e.claim for e in needed if e.verdict is Verdict.UNDECIDED)
            self.done[claim.slug] = self.climb(
                claim, About.THEOREM, CHECKS[claim.slug].theorem, failed=failed, unsettled=unsettled
            )
        return self.done[claim.slug]

    def output(self, claim: Claim) -> Evidence:
        """The floats that are handed out under one claim, which are named."""
        judge = CHECKS[claim.slug].output
        assert judge is not None

        def check(case: Case) -> Found:
            findings, facts = judge(case)
            handed = case.floats
            given = "" if handed.arithmetic == "auto" else f", arithmetic={handed.arithmetic!r}"
            call = (
                f"mt.optimal_labels(problem, {claim.slug!r}"
                if claim.slug in LABEL_METHODS
                else "mt.solve(problem"
            )
            return findings, [
                *facts,
                f"the floats of {call}{given}), computed in {handed.computed_in}",
                *(
                    []
                    if case.settings.limit
                    else [f"held to {float(TOLERANCE):g}: equality is not asked of them"]
                ),
            ]

        rungs: Iterable[Rung] = self.ladder
        with suppress(NothingHandedError, BadInputError):
            rungs = self.ladder.judging(self.case.floats.computed_in)
        theorem = self.theorem(claim)
        if theorem.verdict is Verdict.REFUTED:
            # An asserted formula that is refuted here has no value that floats could be near to.
            failed = ((claim.slug, f"refuted here: {theorem.summary}"),)
            return self.climb(claim, About.OUTPUT, check, artefact="output", failed=failed)
        row = self.climb(claim, About.OUTPUT, check, artefact="output", rungs=rungs)
        open_ = [slug for slug in theorem.unsettled if slug in self.done]
        if row.verdict is Verdict.UNDECIDED and not row.findings and open_:
            # If that hypothesis fails, nothing may be handed out.
            row = replace(row, needs=f"{open_[0]} first: {self.done[open_[0]].needs}")
        return row

    def audit(self, claim: Claim, artefact: Artefact) -> Evidence:
        """One artefact under one claim; where w₀ was only assumed, its start must fit that assumption."""
        name = f"{claim.slug}[{artefact.name}]"
        if name not in self.done:
            judge = CHECKS[claim.slug].audit
            assert judge is not None
            failed: tuple[tuple[str, str], ...] = ()
            unsettled: tuple[str, ...] = ()
            assumed = self.case.problem.w_init is None
            start = self._start(artefact) if assumed and claim.slug != _START else None
            if start is not None:
                failed = start.failed
                unsettled = (start.name,) if start.verdict is Verdict.UNDECIDED else ()

            def check(case: Case) -> Found:
                findings, facts = judge(case, artefact)
                return findings, [*facts, "for w₀ = 0 (assumed)"] if assumed else facts

            row = self._from_anywhere(claim, artefact) if failed else None
            if row is None:
                row = self.climb(claim, About.AUDIT, check, artefact.name, failed, unsettled)
            if assumed and claim.slug != _START and row.verdict is Verdict.REFUTED and not failed:
                # Labels do not show where training began, and parameters not where row(Φ) is everything.
                which = "these labels" if artefact.name == "labels" else "these parameters"
                elsewhere = f"If training began elsewhere {which} may be right: pass --w-init."
                judged = claim if CHECKS[claim.slug].anywhere is not None else CATALOGUE["exact-labels"]
                if self._from_anywhere(judged, artefact) is not None:
                    elsewhere = f"No other start makes {which} right, either."
                row = replace(row, meaning=f"For w₀ = 0, which was assumed: {row.meaning} {elsewhere}")
            if assumed and claim.slug == _START and row.verdict is Verdict.REFUTED:
                why = f"{row.summary}, so it does not lie in w₀ + row(Φ) for w₀ = 0 (assumed); pass --w-init"
                row = replace(row, failed=(("w_init", why),))
                row = replace(row, meaning=meaning(claim, row))
            self.done[name] = row
        return self.done[name]

    def _from_anywhere(self, claim: Claim, artefact: Artefact) -> Evidence | None:
        """The audit of what no start explains, where w₀ was assumed and may not be the one that it came from."""
        judge = CHECKS[claim.slug].anywhere
        if judge is None:
            return None
        row = self.climb(claim, About.AUDIT, lambda case: judge(case, artefact), artefact.name)
        return row if row.verdict is Verdict.REFUTED else None

    def _start(self, artefact: Artefact) -> Evidence | None:
        """What shows whether w₀ may be 0: parameters themselves; labels have none, but w_pretrained beside them has."""
        audited = CHECKS[_START].audits
        shown_by = (
            [artefact] if artefact.name in audited else [a for a in self.artefacts if a.name == audited[0]]
        )
        return self.audit(CATALOGUE[_START], shown_by[0]) if shown_by else None

    def climb(
        self,
        claim: Claim,
        about: About,
        check: Callable[[Case], Found],
        artefact: str = "",
        failed: tuple[tuple[str, str], ...] = (),
        unsettled: tuple[str, ...] = (),
        rungs: Iterable[Rung] | None = None,
    ) -> Evidence:
        """One row, by the first arithmetic that decides it."""
        insisted = about is About.THEOREM and claim.slug in self.case.settings.asserted
        # A claim without hypotheses explains nothing, and shares the case of all others.
        hold = bool(claim.hypotheses) and all(
            self.theorem(CATALOGUE[slug]).verdict is Verdict.PROVED for slug in claim.hypotheses
        )

        general = theorem_status(claim.slug)
        known = about is About.THEOREM and bool(general.hash)
        blank = Evidence(
            claim.slug,
            Scope.INSTANCE,
            (),
            "",
            failed,
            unsettled,
            insisted,
            claim.is_condition,
            general=general.status if known else "",
            certificate=general.hash if known else "",
            about=about,
            artefact=artefact,
        )

        def evidence(
            arithmetic: str, findings: Sequence[Finding] = (), facts: Sequence[str] = (), needs: str = ""
        ) -> Evidence:
            row = replace(
                blank, arithmetic=arithmetic, findings=tuple(findings), facts=tuple(facts), needs=needs
            )
            return replace(row, meaning=meaning(claim, row))

        if failed and not insisted:
            return evidence(self.done[failed[0][0]].arithmetic if failed[0][0] in self.done else "")
        beside = own_cost(claim.slug, self.case.problem)
        if beside is not None and (refused := self.ladder.starts(beside)):
            return evidence("none", needs=refused)
        best: Evidence | None = None
        needs, obstacle, name, climbs = "", "", "none", CHECKS[claim.slug].climbs
        if rungs is None:
            rungs = self.ladder
            if CHECKS[claim.slug].by_floats and self.case.problem.is_exact:
                # Exact arithmetic reads this number off floats, of which only proved ones know how far they are.
                rungs = sorted(rungs, key=lambda rung: rung.name == "rational")
        for rung in rungs:
            name = rung.name
            try:
                findings, facts = check(self._case(rung, insisted, hold))
                if name == "float64":
                    facts = [*facts, *float_model(self.case.problem).assumed_ranks]
            except UNDECIDED as error:
                # Input was validated before: what is refused here is beyond this arithmetic, not beyond the next.
                if failed and isinstance(error, SingularMatrixError | NoArithmeticError):
                    # Where a failed hypothesis leaves the formula without a value, asserting the claim does not help.
                    row = replace(evidence(name), asserted=False)
                    return replace(
                        row, meaning=f"Does not apply here, also where it is asserted: {reason_of(error)}."
                    )
                obstacle = f"{name}: {reason_of(error)}"
                if isinstance(error, NothingHandedError):
                    # Nothing is handed out, so that no other arithmetic has floats to judge.
                    dear = error.remedy.startswith("--budget")
                    needs = f"{error.remedy}: {error.what}" if dear else self._better_floats(check, hold)
                    break
                climbs = climbs and not isinstance(error, NoArithmeticError)
                if climbs:
                    continue
                break
            found = evidence(name, findings, facts)
            if found.verdict is not Verdict.UNDECIDED:
                return found
            best = best or found
            if about is About.OUTPUT and any(finding.fails for finding in findings):
                # Another arithmetic would judge the same floats.
                best, needs = found, self._better_floats(check, hold, findings)
                break
            if any(isinstance(finding, Audit) and finding.is_missed_by_rounding for finding in findings):
                best, needs = found, f"{self._met(findings)}: the limit is finer than floats of this size"
                break
            if not climbs:
                break

        def decides(rung: Rung) -> bool | None:
            """Whether an arithmetic that was not asked for decides the row, tried where that costs next to nothing."""
            if unsettled or rung.cost.seconds > min(_NEXT_TO_NOTHING, self.ladder.budget):
                return None  # what decides an open hypothesis decides this row, too
            try:
                findings, _ = check(self._case(rung, insisted, hold))
            except UNDECIDED:
                return False
            return evidence(rung.name, findings).verdict is not Verdict.UNDECIDED

        needs = needs or self._needs(claim, best, obstacle, climbs, decides)
        if best is None:
            return evidence(name, needs=needs)
        best = replace(best, needs=needs)
        return replace(best, meaning=meaning(claim, best))

    def _needs(
        self,
        claim: Claim,
        best: Evidence | None,
        obstacle: str,
        climbs: bool,
        decides: Callable[[Rung], bool | None],
    ) -> str:
        """What decides a row that no arithmetic of the ladder has decided, or why nothing does."""
        if best is not None and best.unsettled:
            first = best.unsettled[0]
            if first in self.done and all(f.verdict is not Verdict.UNDECIDED for f in best.findings):
                return f"{first} first: {self.done[first].needs}"
        # Where a measurement misses by far, no arithmetic helps; its facts name settings with which it does not miss.
        if best is not None and (offered := [fact for fact in best.facts if fact.startswith("--")]):
            return offered[0]
        by_floats = CHECKS[claim.slug].by_floats
        elsewhere = climbs or (by_floats and self.ladder.full_rank)
        advice = self.ladder.advice(by_floats, decides) if elsewhere else ""
        return advice or f"nothing in this package decides it: {obstacle or 'its bounds are too wide'}"

    def _better_floats(
        self, check: Callable[[Case], Found], hold: bool, findings: Sequence[Finding] = ()
    ) -> str:
        """The cheapest arithmetic whose floats were seen to be within tolerance, or why none are."""
        nearest = "also the floats next to the exact answer miss the tolerance"
        if self.case.floats.is_nearest:
            return f"{nearest}; {self._met(findings)}"
        for name, rung in self.ladder.handing():
            if rung.cost.seconds > self.ladder.budget:
                return f"--arithmetic {name} hands out the floats next to the exact answer, in {rung.cost}; not tried"
            case = replace(
                self._case(rung, False, hold), handed=Handed(self.case.problem, name, self.ladder.shared)
            )
            try:
                others, _ = check(case)
            except UNDECIDED:
                continue
            if all(finding.verdict is not Verdict.UNDECIDED for finding in others):
                return f"--arithmetic {name} hands out floats that are within tolerance, in {rung.cost}"
            if any(finding.fails for finding in others):
                return f"{nearest}; {self._met(findings)}" if findings else nearest
        return "no arithmetic of this package hands out better floats"

    def _met(self, findings: Sequence[Finding]) -> str:
        """The smallest tolerance, as an option, that these numbers are within; only relative ones have it."""
        tolerance = self.case.settings.limit or TOLERANCE
        needed = Fraction(0)
        for finding in findings:
            if not isinstance(finding, Audit | Output) or finding.verdict in (
                Verdict.PROVED,
                Verdict.CERTIFIED,
            ):
                continue
            upper, allowed = finding.quantity.upper, finding.allowed.lower
            if not (is_finite(upper) and allowed > 0):
                return "no tolerance is known to be met"
            needed = max(needed, Fraction(upper) / Fraction(allowed) * tolerance)
        shown = round_digits(needed, up=True)
        return f"--tolerance {shown} is met" if Fraction(shown) < 1 else "no tolerance below 1 is met"

    def _case(self, rung: Rung, insisted: bool, hold: bool) -> Case:
        """The case of an arithmetic; claims under the same circumstances share what it has computed."""
        key = (rung.name, insisted, hold)
        if key not in self._cases:
            self._cases[key] = replace(self.case, model=rung.model, insisted=insisted, hypotheses_hold=hold)
        return self._cases[key]
