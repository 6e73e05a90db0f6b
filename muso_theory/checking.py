"""Check claims on an instance: from a problem to a report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from .claims import CATALOGUE, Case, Claim, find
from .claims.theorems.status import theorem_status
from .claims.training import TRAINING, applies
from .errors import SingularMatrixError, expected, nearest
from .evidence import Evidence, Finding, Scope, Verdict
from .ladder import ARITHMETICS, Rung, rungs
from .linear.problem import UnlearningProblem
from .linear.training.plan import TrainingPlan
from .numbers import UndecidedError
from .numbers.ieee import ieee_proof
from .report import Report

__all__ = ["InterruptedCheck", "check"]


class InterruptedCheck(KeyboardInterrupt):
    """Ctrl-C during a check.

    Args:
        report: the evidence that was finished before, in ``.report``.
    """

    def __init__(self, report: Report) -> None:
        super().__init__("interrupted")
        self.report = report


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
        labels: your labels for the forget samples, audited under ``exact-labels``.
        w_unlearned: your unlearned parameters, audited under ``exact-labels``.
        w_pretrained: your pretrained parameters, audited under ``start-in-span``.
        asserted: claims that you say hold here: a failed hypothesis does not excuse them, and a false one is REFUTED.
        tolerance: an audit of floats asks for ‖w_u − w_r‖ ≤ tolerance · ‖w_p − w_r‖. None is 1e-6, except in
            "rational" mode and for exact input, which are held to equality.
        ridge: λ of ``ridge-anchored`` and ε of ``ridge-inverse``.
        subset: fraction of R that ``downsampling`` keeps.
        seed: seed of every random choice that a check makes.
        budget: seconds that "auto" lets an arithmetic be estimated to take, by a formula of the sizes alone.
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
          VACUOUS    label-free            needs least-squares-on-retain: ‖Φ_Rᵀ(Φ_R w_p − y_R)‖ ...
          PROVED     exact-labels          ‖w_u − w_r‖ = 0
    """
    if arithmetic not in ARITHMETICS:
        raise expected("an arithmetic", "arithmetic", arithmetic, "unknown", nearest(arithmetic, ARITHMETICS))
    equality = tolerance is None and arithmetic == "rational"
    tolerance = 1e-6 if tolerance is None else tolerance
    for name, value in (("tolerance", tolerance), ("ridge", ridge), ("budget", budget)):
        if not isinstance(value, int | float) or not 0 < value < float("inf"):
            raise expected("a positive number", name, value, type(value).__name__, "1e-6")
    if not isinstance(seed, int) or seed < 0:
        raise expected("a non-negative integer", "seed", seed, type(seed).__name__, "0")
    for slug in asserted:
        find(slug)
    if not 0 < subset <= 1:
        raise expected("a fraction in (0, 1]", "subset", subset, type(subset).__name__, "0.2")
    if claims is not None:
        claims = [claims] if isinstance(claims, str) else list(claims)
        if not claims:
            raise expected("at least one claim", "claims", claims, "empty", "None for all claims")
    if optimizer is None and (lr is not None or epochs is not None):
        raise expected("an optimizer beside lr and epochs", "optimizer", None, "missing", "optimizer='gd'")
    plan = None if optimizer is None else TrainingPlan(optimizer, lr, epochs, momentum)
    wanted = _wanted(problem, plan, None if claims is None else [*claims, *asserted])
    case = Case(
        problem,
        problem.float_model,
        tolerance,
        ridge,
        subset,
        seed,
        None if labels is None else problem.label_columns(labels),
        None if w_unlearned is None else problem.parameter_columns(w_unlearned, "w_unlearned"),
        None if w_pretrained is None else problem.parameter_columns(w_pretrained, "w_pretrained"),
        equality=equality,
        plan=plan,
    )
    checker = _Checker(case, arithmetic, budget, frozenset(asserted))
    evidence: dict[str, Evidence] = {}
    report = Report(
        title=_title(problem),
        evidence=evidence,
        inputs={
            "sha256": problem.sha256,
            "n": problem.n_samples,
            "D": problem.n_parameters,
            "outputs": problem.n_outputs,
            "forget": len(problem.forget),
        },
        settings={
            "arithmetic": arithmetic,
            "tolerance": None if equality else repr(tolerance),
            "ridge": repr(ridge),
            "subset": repr(subset),
            "seed": seed,
            "budget": repr(budget),
            "asserted": sorted(asserted),
            **({} if plan is None else {"training": plan.settings}),
            "claims": None if claims is None else sorted(find(slug).slug for slug in claims),
            "audited": [
                name
                for name, value in (
                    ("labels", labels),
                    ("w_unlearned", w_unlearned),
                    ("w_pretrained", w_pretrained),
                )
                if value is not None
            ],
        },
    )
    try:
        with ieee_proof():
            for claim in wanted:
                if progress is not None:
                    progress(f"checking {claim.slug}")
                evidence[claim.slug] = checker.evidence(claim)
    except KeyboardInterrupt:
        raise InterruptedCheck(report) from None
    return report


def _title(problem: UnlearningProblem) -> str:
    outputs = "" if problem.n_outputs == 1 else f", {problem.n_outputs} outputs"
    return f"n = {problem.n_samples}, D = {problem.n_parameters}{outputs}, {len(problem.forget)} to forget"


def _wanted(
    problem: UnlearningProblem, plan: TrainingPlan | None, slugs: Iterable[str] | None
) -> list[Claim]:
    """Claims asked for and the conditions that they use, in the order of the catalogue."""
    if slugs is None:
        return [
            claim
            for claim in CATALOGUE.values()
            if claim.listed(problem) or applies(claim.slug, plan) or (plan is not None and claim.of_training)
        ]
    named = {find(slug).slug for slug in slugs}
    named |= {hypothesis for slug in named for hypothesis in CATALOGUE[slug].hypotheses}
    for condition in TRAINING:
        if condition.slug in named and not applies(condition.slug, plan):
            what = "an optimizer, step and epochs" if plan is None else f"a condition about {plan.optimizer}"
            raise expected(
                what, "claim", condition.slug, "says nothing without", "--optimizer gd --lr 0.1 --epochs 100"
            )
        if applies(condition.slug, plan):
            named.add(condition.slug)
    return [claim for claim in CATALOGUE.values() if claim.slug in named]


class _Checker:
    """Runs each claim up a ladder of arithmetics until one decides it."""

    def __init__(self, case: Case, arithmetic: str, budget: float, asserted: frozenset[str]) -> None:
        self.case = case
        self.asserted = asserted
        self.ladder, self.too_dear = rungs(case.problem, arithmetic, budget)
        self.done: dict[str, Evidence] = {}
        self._cases: dict[str, Case] = {}

    def evidence(self, claim: Claim) -> Evidence:
        """Evidence for one claim, from the first arithmetic that decides it."""
        if claim.slug not in self.done:
            self.done[claim.slug] = self._climb(claim)
        return self.done[claim.slug]

    def _climb(self, claim: Claim) -> Evidence:
        failed = tuple(
            (slug, self.evidence(CATALOGUE[slug]).summary)
            for slug in claim.hypotheses
            if self.evidence(CATALOGUE[slug]).verdict in (Verdict.VACUOUS, Verdict.REFUTED)
        )
        self.unsettled = tuple(
            slug for slug in claim.hypotheses if self.evidence(CATALOGUE[slug]).verdict is Verdict.UNDECIDED
        )
        if failed and claim.slug not in self.asserted:
            return self._evidence(claim, self.evidence(CATALOGUE[failed[0][0]]).arithmetic, failed=failed)
        best: Evidence | None = None
        obstacles = []
        for rung in self.ladder:
            try:
                findings, facts = claim.check(self._case(rung))
            except (SingularMatrixError, UndecidedError, OverflowError) as error:
                obstacles.append(f"{rung.name}: {error}")
                continue
            found = self._evidence(claim, rung.name, tuple(findings), failed, facts=tuple(facts))
            if found.verdict is not Verdict.UNDECIDED:
                return found
            best = best or found
        needs = self._needs(obstacles)
        if best is None:
            return self._evidence(
                claim, self.ladder[-1].name if self.ladder else "none", failed=failed, needs=needs
            )
        return replace(best, needs=needs)

    def _case(self, rung: Rung) -> Case:
        if rung.name not in self._cases:
            model = rung.model
            if self.case.w_pretrained is not None:
                model = model.starting_from(self.case.w_pretrained)
            self._cases[rung.name] = replace(self.case, model=model)
        return self._cases[rung.name]

    def _needs(self, obstacles: list[str]) -> str:
        """What would decide a claim that no affordable arithmetic decided."""
        if self.too_dear:
            exact = [rung for rung in self.too_dear if rung.name == "rational"]
            dear = " or ".join(str(rung) for rung in exact or self.too_dear[:1])
            return f"would be decided by {dear}; raise the budget"
        if obstacles:
            return obstacles[-1]
        return "arithmetic='auto' or 'rational' may decide it"

    def _evidence(
        self,
        claim: Claim,
        arithmetic: str,
        findings: tuple[Finding, ...] = (),
        failed: tuple[tuple[str, str], ...] = (),
        needs: str = "",
        facts: tuple[str, ...] = (),
    ) -> Evidence:
        evidence = Evidence(
            claim.slug,
            Scope.INSTANCE,
            findings,
            arithmetic,
            failed,
            self.unsettled if claim.hypotheses else (),
            claim.slug in self.asserted,
            claim.is_condition,
            needs=needs,
            facts=facts,
        )
        meaning = {
            Verdict.VACUOUS: claim.fails if claim.is_condition else "Says nothing about this data.",
            Verdict.REFUTED: claim.fails,
            Verdict.UNDECIDED: "Not decided.",
        }.get(evidence.verdict, claim.holds)
        general = theorem_status(claim.slug)
        status = general.status if general.hash else ""
        return replace(evidence, meaning=meaning, general=status, certificate=general.hash)
