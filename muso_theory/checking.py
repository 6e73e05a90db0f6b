"""Check claims on an instance: from a problem to a report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property

from .claims import CATALOGUE, Case, Claim, find
from .errors import SingularMatrixError, expected, nearest
from .evidence import Evidence, Scope, Verdict
from .linear.model import ClosedForms
from .linear.problem import UnlearningProblem
from .numbers import BALL, RATIONAL
from .report import Report

__all__ = ["ARITHMETICS", "check"]

ARITHMETICS = ("auto", "float64", "ball", "rational")

_DECIDED = (Verdict.REFUTED, Verdict.VACUOUS, Verdict.MEASURED, Verdict.CERTIFIED, Verdict.PROVED)


def check(
    problem: UnlearningProblem,
    claims: Iterable[str] | str | None = None,
    arithmetic: str = "auto",
    *,
    labels: object = None,
    w_unlearned: object = None,
    w_pretrained: object = None,
    asserted: Sequence[str] = (),
    tolerance: float = 1e-6,
    ridge: float = 1e-3,
    subset: float = 0.2,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> Report:
    """Check conditions and claims of exact unlearning on one problem.

    Args:
        problem: the problem.
        claims: slugs to check, with the conditions that they need; None means all.
        arithmetic: "auto" (proved float64 bounds, then balls, then rationals), "float64" (ordinary floats, measured),
            "ball" (enclosures, precision doubled until decided) or "rational" (exact).
        labels: your labels for the forget samples, audited under ``exact-labels``.
        w_unlearned: your unlearned parameters, audited under ``exact-labels``.
        w_pretrained: your pretrained parameters, audited under ``start-in-span``.
        asserted: claims that you say hold here: a failed hypothesis does not excuse them, and a false one is REFUTED.
        tolerance: an audit of floats asks for ‖w_u − w_r‖ ≤ tolerance · ‖w_p − w_r‖.
        ridge: λ of ``ridge-anchored`` and ε of ``ridge-inverse``.
        subset: fraction of R that ``downsampling`` keeps.
        seed: seed of every random choice that a check makes.
        progress: called with a line of words before each step.

    Returns:
        The report. Its verdicts are computed from numbers it carries.

    Raises:
        BadInputError: unknown claim or arithmetic, labels or parameters of the wrong shape, settings out of range.

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
    for name, value in (("tolerance", tolerance), ("ridge", ridge)):
        if not 0 < value < float("inf"):
            raise expected("a positive number", name, value, type(value).__name__, "1e-6")
    for slug in asserted:
        find(slug)
    if not 0 < subset <= 1:
        raise expected("a fraction in (0, 1]", "subset", subset, type(subset).__name__, "0.2")
    wanted = _wanted(
        None if claims is None else [*([claims] if isinstance(claims, str) else claims), *asserted]
    )
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
    )
    checker = _Checker(case, arithmetic, frozenset(asserted), progress or (lambda line: None))
    evidence = {claim.slug: checker.evidence(claim) for claim in wanted}
    return Report(
        title=_title(problem),
        evidence=evidence,
        inputs={
            "sha256": problem.sha256,
            "n": problem.n_samples,
            "D": problem.n_features,
            "outputs": problem.n_outputs,
            "forget": len(problem.forget),
        },
        settings={
            "arithmetic": arithmetic,
            "tolerance": repr(tolerance),
            "ridge": repr(ridge),
            "subset": repr(subset),
            "seed": seed,
            "asserted": sorted(asserted),
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


def _title(problem: UnlearningProblem) -> str:
    outputs = "" if problem.n_outputs == 1 else f", {problem.n_outputs} outputs"
    return f"n = {problem.n_samples}, D = {problem.n_features}{outputs}, {len(problem.forget)} to forget"


def _wanted(slugs: Iterable[str] | None) -> list[Claim]:
    """Claims asked for and the conditions that they use, in the order of the catalogue."""
    if slugs is None:
        return list(CATALOGUE.values())
    named = {find(slug).slug for slug in slugs}
    named |= {hypothesis for slug in named for hypothesis in CATALOGUE[slug].hypotheses}
    return [claim for claim in CATALOGUE.values() if claim.slug in named]


class _Checker:
    """Runs each claim up a ladder of arithmetics until one decides it."""

    def __init__(
        self, case: Case, arithmetic: str, asserted: frozenset[str], progress: Callable[[str], None]
    ) -> None:
        self.case = case
        self.arithmetic = arithmetic
        self.asserted = asserted
        self.progress = progress
        self.done: dict[str, Evidence] = {}

    @cached_property
    def ladder(self) -> list[Callable[[], Case]]:
        """Ways to do the arithmetic, cheapest first; each is built once and only when it is reached."""
        return [_once(rung) for rung in self._rungs()]

    def _rungs(self) -> Iterator[Callable[[], Case]]:
        problem = self.case.problem
        in_float = lambda: replace(self.case, model=problem.float_model)  # noqa: E731
        in_rationals = lambda: replace(self.case, model=ClosedForms(problem, RATIONAL))  # noqa: E731
        if self.arithmetic == "float64":
            yield in_float
        elif self.arithmetic == "rational":
            yield in_rationals
        elif self.arithmetic == "ball":
            for bits in (128, 256, 512, 1024, 2048):
                yield lambda bits=bits: replace(self.case, model=ClosedForms(problem, BALL(bits)))
        else:
            if problem.is_exact:
                yield in_rationals
            else:
                yield in_float

    def evidence(self, claim: Claim) -> Evidence:
        """Evidence for one claim, from the first arithmetic that decides it."""
        if claim.slug not in self.done:
            self.progress(claim.slug)
            self.done[claim.slug] = self._climb(claim)
        return self.done[claim.slug]

    def _climb(self, claim: Claim) -> Evidence:
        failed = tuple(
            (slug, self.evidence(CATALOGUE[slug]).summary)
            for slug in claim.hypotheses
            if self.evidence(CATALOGUE[slug]).verdict in (Verdict.VACUOUS, Verdict.REFUTED)
        )
        asserted = claim.slug in self.asserted
        if failed and not asserted:
            arithmetic = self.evidence(CATALOGUE[failed[0][0]]).arithmetic
            return self._evidence(claim, arithmetic, failed=failed)
        evidence = self._evidence(claim, self.arithmetic)
        for rung in self.ladder:
            case = rung()
            try:
                findings, facts = claim.check(case)
            except SingularMatrixError as error:
                evidence = self._evidence(claim, case.model.arithmetic.name, failed=failed, needs=str(error))
                continue
            evidence = self._evidence(
                claim, case.model.arithmetic.name, findings=tuple(findings), failed=failed, facts=tuple(facts)
            )
            if evidence.verdict in _DECIDED:
                break
        return evidence

    def _evidence(
        self,
        claim: Claim,
        arithmetic: str,
        findings: tuple = (),  # type: ignore[type-arg]
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
            claim.slug in self.asserted,
            claim.is_condition,
            needs=needs,
            facts=facts,
        )
        meaning = {
            Verdict.VACUOUS: claim.fails if claim.is_condition else "Says nothing about this data.",
            Verdict.REFUTED: claim.fails,
            Verdict.UNDECIDED: "Not decided at this precision.",
        }.get(evidence.verdict, claim.holds)
        return replace(evidence, meaning=meaning)


def _once(make: Callable[[], Case]) -> Callable[[], Case]:
    """Build on the first call, remember afterwards."""
    built: list[Case] = []

    def get() -> Case:
        if not built:
            built.append(make())
        return built[0]

    return get
