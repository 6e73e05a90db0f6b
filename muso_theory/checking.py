"""Check claims on an instance: from a problem to a report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from fractions import Fraction
from sys import float_info

import numpy as np

from .arguments import checked
from .claims import CATALOGUE, Claim, find
from .claims.case import TOLERANCE, Artefact, Case, Found
from .claims.families import CHECKS
from .claims.theorems.status import theorem_status
from .claims.training import TRAINING, applies
from .errors import BadInputError, SingularMatrixError, expected, nearest
from .evidence import About, Audit, Evidence, Finding, Hypothesis, Output, Scope, Verdict, round_digits
from .ladder import ARITHMETICS, Ladder, Rung
from .linear.handed import Handed, NothingHandedError
from .linear.problem import UnlearningProblem, require_problem
from .linear.training.plan import TrainingPlan
from .numbers import NoArithmeticError, UndecidedError
from .numbers.ieee import ieee_proof
from .numbers.quantity import is_finite
from .report import Report
from .steps import Step

__all__ = ["InterruptedCheck", "check", "cut_short"]


class InterruptedCheck(KeyboardInterrupt):
    """Ctrl-C during a check.

    Args:
        report: the evidence that was finished before, in ``.report``.
    """

    def __init__(self, report: Report) -> None:
        super().__init__("interrupted")
        self.report = report


@checked
def check(
    problem: UnlearningProblem,
    claims: Iterable[str] | str | None = None,
    arithmetic: str = "auto",
    *,
    labels: object = None,
    w_unlearned: object = None,
    w_pretrained: object = None,
    asserted: Sequence[str] = (),
    tolerance: float | None = None,
    ridge: float = 1e-3,
    subset: float = 0.2,
    seed: int = 0,
    budget: float = 30.0,
    optimizer: str | None = None,
    lr: float | str | None = None,
    epochs: int | None = None,
    momentum: float = 0.9,
    progress: Callable[[str], None] | None = None,
) -> Report:
    """Check conditions and claims of exact unlearning on one problem.

    Args:
        problem: the problem.
        claims: slugs to check, with the conditions that they need; None means all that speak of
            this kind of problem (claims about networks need a problem made by ``from_network``).
        arithmetic: "auto" (proved float64 bounds, then balls, then rationals), "float64" (ordinary floats, measured),
            "ball" (enclosures, precision doubled until decided) or "rational" (exact).
        labels: your labels for the forget samples, audited in rows such as ``exact-labels[labels]``.
        w_unlearned: your unlearned parameters, audited in rows such as ``exact-labels[w_unlearned]``.
        w_pretrained: your pretrained parameters, audited in ``implicit-bias[w_pretrained]`` and
            ``start-in-span[w_pretrained]``. No audit touches a theorem.
        asserted: claims that you say hold here: a failed hypothesis does not excuse them, and a false one is REFUTED.
        tolerance: audits ask for ‖w_u − w_r‖ ≤ tolerance · ‖w_p − w_r‖ (or · ‖w_r − w₀‖ where doing nothing is within
            half a last place of every float that is judged), and a hypothesis may be violated by tolerance times a
            norm of the data; in [0, 1). None is 1e-6 for floats and equality for artefacts that are exact themselves
            (integers, Fractions); 0 asks equality of everything but our own floats, which are held to 1e-6.
        ridge: λ of ``ridge-anchored`` and ε of ``ridge-inverse``.
        subset: fraction of R that ``downsampling`` keeps.
        seed: seed of every random choice that a check makes.
        budget: seconds that "auto" lets its arithmetics be estimated to take together, for all claims, by a formula of
            sizes and lengths of numbers. What is estimated to take longer is not started, and the rows say so.
        optimizer: how you train, a method of ``linear.train``: adds conditions about it (optimizer-in-span,
            stable-step, ostrowski-reich, enough-epochs) and, on large data too, the claims about training.
        lr: its step γ, with gradients of ½(φᵀw − y)², or "paper" for the paper's schedule.
        epochs: passes over the data.
        momentum: μ of momentum and nesterov.
        progress: called with a line of words before each step.

    Returns:
        The report. Its verdicts are computed from numbers it carries.

    Raises:
        BadInputError: unknown claim or arithmetic, labels or parameters of the wrong shape, settings out of range.
        InterruptedCheck: on Ctrl-C, carrying the evidence that is finished.

    Example:
        >>> import numpy as np
        >>> problem = UnlearningProblem(np.array([[1, 0, 1], [1, 1, 0], [2, 1, 1]]), np.array([1, 2, 5]), [1])
        >>> check(problem, ["exact-labels", "label-free"])
        VACUOUS  n = 3, D = 3, 1 to forget
          w₀: zero, assumed (default, --w-init); outputs: 1; forget: 1 of 3 rows
          VACUOUS    label-free            needs least-squares-on-retain: ‖Φ_Rᵀ(Φ_R w_p − y_R)‖ ≥ 0.94
          CERTIFIED  exact-labels[output]  ‖w_u − w_r‖ of the float labels by closed-form ≤ ...
          PROVED     exact-labels          ‖w_u − w_r‖ = 0
    """
    require_problem(problem)
    if not isinstance(arithmetic, str) or arithmetic not in ARITHMETICS:
        hint = nearest(arithmetic, ARITHMETICS)
        raise expected("an arithmetic", "arithmetic", arithmetic, "unknown", hint)
    limit = TOLERANCE if tolerance is None else _fraction(tolerance)
    for name, value in (("ridge", ridge), ("budget", budget)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= float_info.max:
            raise expected("a positive number", name, value, type(value).__name__, "1e-3")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise expected("a non-negative integer", "seed", seed, type(seed).__name__, "0")
    asserted = _slugs("asserted", asserted)
    if isinstance(subset, bool) or not isinstance(subset, int | float) or not 0 < subset <= 1:
        raise expected("a fraction in (0, 1]", "subset", subset, type(subset).__name__, "0.2")
    if claims is not None:
        claims = _slugs("claims", claims)
        if not claims:
            raise expected("at least one claim", "claims", claims, "empty", "None for all claims")
    if optimizer is None and (lr is not None or epochs is not None):
        raise expected("an optimizer beside lr and epochs", "optimizer", None, "missing", "optimizer='gd'")
    if progress is not None and not callable(progress):
        raise expected(
            "a function of one line of words", "progress", progress, type(progress).__name__, "print"
        )
    plan = None if optimizer is None else TrainingPlan(optimizer, lr, epochs, momentum)
    wanted = _wanted(problem, plan, None if claims is None else [*claims, *asserted])
    given = (
        None if labels is None else Artefact("labels", problem.label_columns(labels)),
        None
        if w_unlearned is None
        else Artefact("w_unlearned", problem.parameter_columns(w_unlearned, "w_unlearned")),
        None
        if w_pretrained is None
        else Artefact("w_pretrained", problem.parameter_columns(w_pretrained, "w_pretrained")),
    )
    artefacts = tuple(artefact for artefact in given if artefact is not None)
    case = Case(
        problem, problem.float_model, limit, ridge, subset, seed, plan, equality_of_exact=tolerance is None
    )
    checker = _Checker(case, arithmetic, budget, frozenset(asserted), artefacts)
    evidence: dict[str, Evidence] = {}
    report = Report(
        title=_title(problem, audits=bool(artefacts)),
        evidence=evidence,
        inputs={
            "sha256": problem.sha256,
            "n": problem.n_samples,
            "D": problem.n_parameters,
            "outputs": problem.n_outputs,
            "forget": len(problem.forget),
            "audited": {artefact.name: artefact.sha256 for artefact in artefacts},
            "understood": [asdict(row) for row in problem.understood],
        },
        settings={
            "arithmetic": arithmetic,
            "tolerance": None if tolerance is None else repr(float(limit)),
            "ridge": repr(ridge),
            "subset": repr(subset),
            "seed": seed,
            "budget": repr(budget),
            "asserted": sorted(asserted),
            **({} if plan is None else {"training": plan.settings}),
            "claims": None if claims is None else sorted(find(slug).slug for slug in claims),
            "audited": [artefact.name for artefact in artefacts],
        },
    )
    number = 0
    try:
        # What overflows is infinite or NaN, which no row is decided by: that is told in words and not by NumPy.
        with ieee_proof(), np.errstate(over="ignore", invalid="ignore"):
            for number, claim in enumerate(wanted):
                if progress is not None:
                    progress(Step(f"checking {claim.slug}", number, len(wanted)))
                for row in checker.rows(claim):
                    evidence[row.name] = row
            _require_unchanged(problem, artefacts, report)
    except KeyboardInterrupt:
        raise InterruptedCheck(cut_short(report, f"{number} of {len(wanted)} claims decided")) from None
    return report


def cut_short(report: Report, how_far: str, rows: Iterable[str] | None = None) -> Report:
    """A report that says that it was interrupted, so that nobody takes it for a whole one.

    Args:
        report: the rows that were finished, or more of them.
        how_far: in words.
        rows: names of those that were finished; None keeps all.

    Returns:
        The report of these rows, with that in its title and settings.
    """
    kept = set(report.evidence if rows is None else rows)
    return replace(
        report,
        title=f"{report.title}; interrupted, {how_far}",
        evidence={name: row for name, row in report.evidence.items() if name in kept},
        settings={**report.settings, "interrupted": how_far},
    )


def _require_unchanged(problem: UnlearningProblem, artefacts: Iterable[Artefact], report: Report) -> None:
    """Refuse to report about arrays that are no longer what was checked."""
    problem.require_unchanged()
    for artefact in artefacts:
        if artefact.sha256 != report.inputs["audited"][artefact.name]:
            name, shape = artefact.name, artefact.values.shape
            raise expected("the array that was handed in", name, shape, "changed since", f"{name}.copy()")


def _slugs(name: str, given: Iterable[str] | str) -> list[str]:
    """Slugs of claims, one or several."""
    listed = [given] if isinstance(given, str) else list(given) if isinstance(given, Iterable) else [given]
    for slug in listed:
        if not isinstance(slug, str):
            raise expected("slugs of claims", name, given, type(slug).__name__, "['exact-labels']")
        find(slug)
    return listed


def _fraction(tolerance: object) -> Fraction:
    """A tolerance, exactly as given."""
    if (
        isinstance(tolerance, int | float | Fraction)
        and not isinstance(tolerance, bool)
        and 0 <= tolerance < 1
    ):
        return Fraction(tolerance)
    raise expected(
        "a number in [0, 1)", "tolerance", tolerance, type(tolerance).__name__, "1e-6, or 0 for equality"
    )


def _title(problem: UnlearningProblem, audits: bool) -> str:
    outputs = "" if problem.n_outputs == 1 else f", {problem.n_outputs} outputs"
    floats = "" if problem.tangent is None else ", Φ a network's float tangent"
    # Of a theorem's data w₀ is a part like any other; an audit is right or wrong by it.
    start = ", w₀ = 0 (assumed)" if audits and problem.w_init is None else ""
    size = f"n = {problem.n_samples}, D = {problem.n_parameters}{outputs}"
    return f"{size}, {len(problem.forget)} to forget{floats}{start}"


def _wanted(
    problem: UnlearningProblem, plan: TrainingPlan | None, slugs: Iterable[str] | None
) -> list[Claim]:
    """Claims asked for and the conditions that they use, in the order of the catalogue."""
    if slugs is None:
        return [
            claim
            for slug, claim in CATALOGUE.items()
            if CHECKS[slug].listed(problem)
            or applies(slug, plan)
            or (plan is not None and CHECKS[slug].of_training)
        ]
    named = {find(slug).slug for slug in slugs}
    named |= {hypothesis for slug in named for hypothesis in CATALOGUE[slug].hypotheses}
    for slug in TRAINING:
        if slug in named and not applies(slug, plan):
            what = "an optimizer, step and epochs" if plan is None else f"a condition about {plan.optimizer}"
            raise expected(
                what, "claim", slug, "says nothing without", "--optimizer gd --lr 0.1 --epochs 100"
            )
        if applies(slug, plan):
            named.add(slug)
    return [claim for claim in CATALOGUE.values() if claim.slug in named]


_START = "start-in-span"


class _Checker:
    """Runs each row of a report up a ladder of arithmetics until one decides it."""

    def __init__(
        self,
        case: Case,
        arithmetic: str,
        budget: float,
        asserted: frozenset[str],
        artefacts: tuple[Artefact, ...],
    ) -> None:
        self.case = case
        self.asserted = asserted
        self.artefacts = artefacts
        self.ladder = Ladder(case.problem, arithmetic, budget)
        self.done: dict[str, Evidence] = {}
        self._cases: dict[tuple[str, bool, bool], Case] = {}
        self.case.handed = Handed(case.problem, arithmetic, self.ladder.shared)

    def rows(self, claim: Claim) -> Iterator[Evidence]:
        """The theorem on this data, then audits of what was handed in, then what is handed out."""
        theorem = self.theorem(claim)
        yield theorem
        for artefact in self.artefacts:
            if artefact.name in CHECKS[claim.slug].audits:
                yield self.audit(claim, artefact)
        if CHECKS[claim.slug].output is not None and theorem.verdict is not Verdict.VACUOUS:
            yield self.output(claim)

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
            return findings, [
                *facts,
                f"the floats of mt.solve(problem{given}), computed in {handed.computed_in}",
                *([] if case.tolerance else [f"held to {float(TOLERANCE):g}: equality is not asked of them"]),
            ]

        rungs: Iterable[Rung] = self.ladder
        with suppress(NothingHandedError, BadInputError):
            rungs = self.ladder.judging(self.case.floats.computed_in)
        theorem = self.theorem(claim)
        if theorem.verdict is Verdict.REFUTED:
            # An asserted formula that is refuted here stands for nothing that floats could be near to.
            failed = ((claim.slug, f"refuted here: {theorem.summary}"),)
            return self.climb(claim, About.OUTPUT, check, artefact="output", failed=failed)
        row = self.climb(claim, About.OUTPUT, check, artefact="output", rungs=rungs)
        open_ = [slug for slug in self.theorem(claim).unsettled if slug in self.done]
        if row.verdict is Verdict.UNDECIDED and not row.findings and open_:
            # Nothing may be handed out at all, should that hypothesis fail.
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
            if assumed and claim.slug == _START and row.verdict is Verdict.REFUTED:
                why = f"{row.summary}, so it does not lie in w₀ + row(Φ) for w₀ = 0 (assumed); pass --w-init"
                row = replace(row, failed=(("w_init", why),))
                row = replace(row, meaning=_meaning(claim, row))
            self.done[name] = row
        return self.done[name]

    def _from_anywhere(self, claim: Claim, artefact: Artefact) -> Evidence | None:
        """The audit of parameters that no start explains, where w₀ was assumed and is not the one they came from."""
        judge = CHECKS[claim.slug].anywhere
        if judge is None or artefact.name not in CHECKS[_START].audits:
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
        insisted = about is About.THEOREM and claim.slug in self.asserted
        # A claim without hypotheses explains nothing, and shares the case of all others.
        hold = bool(claim.hypotheses) and all(
            self.theorem(CATALOGUE[slug]).verdict is Verdict.PROVED for slug in claim.hypotheses
        )

        def evidence(
            arithmetic: str, findings: Sequence[Finding] = (), facts: Sequence[str] = (), needs: str = ""
        ) -> Evidence:
            return self._evidence(
                claim, arithmetic, tuple(findings), failed, unsettled, tuple(facts), needs, about, artefact
            )

        if failed and not insisted:
            return evidence(self.done[failed[0][0]].arithmetic if failed[0][0] in self.done else "")
        best: Evidence | None = None
        needs, obstacle, name, climbs = "", "", "none", CHECKS[claim.slug].climbs
        for rung in self.ladder if rungs is None else rungs:
            name = rung.name
            try:
                findings, facts = check(self._case(rung, insisted, hold))
                if name == "float64":
                    facts = [*facts, *self.case.problem.float_model.assumed_ranks]
            except (SingularMatrixError, UndecidedError, BadInputError, OverflowError) as error:
                # Input was validated before: what is refused here is beyond this arithmetic, not beyond the next.
                if failed and isinstance(error, SingularMatrixError | NoArithmeticError):
                    # No insisting gives a formula a value that its failed hypothesis takes away.
                    row = replace(evidence(name), asserted=False)
                    return replace(
                        row, meaning=f"Does not apply here, also where it is asserted: {_reason(error)}."
                    )
                obstacle = f"{name}: {_reason(error)}"
                if isinstance(error, NothingHandedError):
                    # No arithmetic judges floats that there are not.
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
                # These floats are what they are; another arithmetic would only say so again.
                best, needs = found, self._better_floats(check, hold, findings)
                break
            if any(isinstance(finding, Audit) and finding.is_missed_by_rounding for finding in findings):
                best, needs = found, f"{self._met(findings)}: the limit is finer than floats of this size"
                break
            if not climbs:
                break
        needs = needs or self._needs(claim, best, obstacle, climbs)
        if best is None:
            return evidence(name, needs=needs)
        best = replace(best, needs=needs)
        return replace(best, meaning=_meaning(claim, best))

    def _needs(self, claim: Claim, best: Evidence | None, obstacle: str, climbs: bool) -> str:
        """What decides a row that no arithmetic of the ladder has decided, or why nothing does."""
        if best is not None and best.unsettled:
            first = best.unsettled[0]
            if first in self.done and all(f.verdict is not Verdict.UNDECIDED for f in best.findings):
                return f"{first} first: {self.done[first].needs}"
        # What a measurement misses by far no arithmetic decides; the settings that it does not miss with are a fact.
        if best is not None and (offered := [fact for fact in best.facts if fact.startswith("--")]):
            return offered[0]
        by_floats = CHECKS[claim.slug].by_floats
        elsewhere = climbs or (by_floats and self.ladder.full_rank)
        advice = self.ladder.advice(by_floats) if elsewhere else ""
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
            except (SingularMatrixError, UndecidedError, BadInputError, OverflowError):
                continue
            if all(finding.verdict is not Verdict.UNDECIDED for finding in others):
                return f"--arithmetic {name} hands out floats that are within tolerance, in {rung.cost}"
            if any(finding.fails for finding in others):
                return f"{nearest}; {self._met(findings)}" if findings else nearest
        return "no arithmetic of this package hands out better floats"

    def _met(self, findings: Sequence[Finding]) -> str:
        """The smallest tolerance, as an option, that these numbers are within; only relative ones have it."""
        tolerance = self.case.tolerance or TOLERANCE
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
            self._cases[key] = replace(self.case, model=rung.model, asserted=insisted, hypotheses_hold=hold)
        return self._cases[key]

    def _evidence(
        self,
        claim: Claim,
        arithmetic: str,
        findings: tuple[Finding, ...] = (),
        failed: tuple[tuple[str, str], ...] = (),
        unsettled: tuple[str, ...] = (),
        facts: tuple[str, ...] = (),
        needs: str = "",
        about: About = About.THEOREM,
        artefact: str = "",
    ) -> Evidence:
        evidence = Evidence(
            claim.slug,
            Scope.INSTANCE,
            findings,
            arithmetic,
            failed,
            unsettled,
            about is About.THEOREM and claim.slug in self.asserted,
            claim.is_condition,
            needs=needs,
            facts=facts,
            about=about,
            artefact=artefact,
        )
        general = theorem_status(claim.slug)
        known = about is About.THEOREM and general.hash
        evidence = replace(
            evidence, general=general.status if known else "", certificate=general.hash if known else ""
        )
        return replace(evidence, meaning=_meaning(claim, evidence))


def _reason(error: Exception) -> str:
    """Why an arithmetic did not decide; which other one does, the ladder knows better than that arithmetic."""
    return error.what if isinstance(error, UndecidedError) and error.climbs else str(error)


def _meaning(claim: Claim, e: Evidence) -> str:
    """What a row means for the user."""
    if e.verdict is Verdict.UNDECIDED:
        # Without a finding the summary says it already.
        return f"Not decided: {e.needs}." if e.findings and e.needs else "Not decided."
    if e.about is About.OUTPUT:
        return "The floats handed out are as good as this."
    if e.verdict is Verdict.VACUOUS:
        if claim.is_condition and not e.failed:
            return claim.fails
        return "Says nothing about this data." if e.failed else _spoilt(claim)
    if e.about is About.AUDIT and e.artefact != "labels":
        # What a claim says of labels is not what was looked at here.
        good = e.verdict is not Verdict.REFUTED
        return f"The given {e.artefact} {'is, within tolerance,' if good else 'is not'} what the claim says."
    if e.verdict is Verdict.REFUTED:
        if e.is_alarm:
            return "ALARM: this theorem is proved for all data, so this package is wrong here. Please report the data."
        return claim.fails
    if claim.is_condition and any(isinstance(f, Hypothesis) and f.is_violated for f in e.findings):
        return f"{claim.holds.removesuffix('.')}, up to what this violation leaves: it is within tolerance, not zero."
    exact = " Exact by proof." if e.general == "proved" and e.verdict is not Verdict.PROVED else ""
    return claim.holds + exact


def _spoilt(claim: Claim) -> str:
    """Why a theorem says nothing although the rows of its hypotheses hold."""
    return (
        f"Says nothing about this data: {' and '.join(claim.hypotheses)}, a row of its own, is violated there within "
        f"its own tolerance, and that leaves more than the tolerance of {claim.slug}."
    )
