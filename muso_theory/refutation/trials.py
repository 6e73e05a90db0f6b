"""One attempt to refute: does this rule, method or claim fail on this problem?"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, final

import numpy as np

from ..arrays import Array
from ..claims import CATALOGUE, find
from ..claims.case import Case
from ..claims.families import CHECKS
from ..errors import BadInputError, SingularMatrixError, expected, nearest
from ..former import former
from ..linear.closed_forms import ClosedForms, Point
from ..linear.problem import UnlearningProblem
from ..numbers import RATIONAL, UndecidedError
from ..settings import Settings
from .counterexample import exact_square_gap
from .isolation import Failure, Runner
from .structures import exact_array

__all__ = [
    "CONDITION_LIMIT",
    "REFUSED",
    "TIMED_OUT",
    "Attempt",
    "Trial",
    "claim_trial",
    "holds",
    "in_floats",
    "rule_trial",
    "square_scale",
]
former(__name__)

CONDITION_LIMIT = 1e6
"""κ⁺(K) and κ⁺(K_RR) up to which a float rule is audited."""

REFUSED, TIMED_OUT = "refused by the rule", "no answer within the time limit"
"""Why a problem says nothing about a rule that was asked: it declined by a ``MusoError``, or did not return."""

_CHECKED_TWICE = 50

_EXACTLY = Settings(tolerance=0, subset=0.5)
"""A claim and its hypotheses are held to equality, and speak of the same subset."""


@final
@dataclass(frozen=True, eq=False)
class Attempt:
    """The outcome on one problem.

    Args:
        failure: what is wrong, or None.
        skipped: why the problem says nothing about the rule, or "".
        values: what the rule returned, exact.
        square_gap: ‖w_u − w_r‖², or for a claim the number that should be zero, exact.
        relative: what a guided search climbs: the squared gap, of a float rule over the squared scale of its audit.
        detail: words.
    """

    failure: Failure | None = None
    skipped: str = ""
    values: Array | None = None
    square_gap: Fraction | None = None
    relative: float = 0.0
    detail: str = ""


@final
@dataclass(frozen=True, eq=False)
class Trial:
    """What is to be refuted.

    Args:
        name: its name.
        kind: "labels" or "parameters" of a rule, or "claim".
        attempt: tries one exact problem.
    """

    name: str
    kind: str
    attempt: Callable[[UnlearningProblem], Attempt]


def holds(slug: str, problem: UnlearningProblem) -> bool:
    """Whether a condition of the catalogue holds, exactly; only ``conditioning`` and ``step-size`` are measured.

    Example:
        >>> holds("full-rank", UnlearningProblem(np.array([[1], [2]]), np.array([1, 1]), [0]))
        False
    """
    case = Case(problem, ClosedForms(problem, RATIONAL), _EXACTLY)
    return not any(finding.fails for finding in CHECKS[slug].theorem(case)[0])


def named_conditions(slugs: object) -> tuple[str, ...]:
    """Validate a slug or several of conditions.

    Raises:
        BadInputError: not a condition of the catalogue.
    """
    names = (slugs,) if isinstance(slugs, str) else tuple(slugs)  # type: ignore[arg-type]
    known = [claim.slug for claim in CATALOGUE.values() if claim.is_condition]
    for slug in names:
        if slug not in known:
            raise expected("a condition", "assuming", slug, "unknown", nearest(str(slug), known))
    return names


def rule_trial(
    runner: Runner, name: str, kind: str, exact: bool, assuming: tuple[str, ...], tolerance: float
) -> Trial:
    """A labelling rule or a whole method, run in isolation.

    Args:
        runner: calls it.
        name: its name.
        kind: "labels" or "parameters".
        exact: hand it Fractions and ask for equality; else float64 and the tolerance, on well-conditioned problems.
        assuming: conditions under which it is claimed to be right.
        tolerance: ‖w_u − w_r‖ ≤ tolerance · scale, where the scale is ‖w_p − w_r‖, or what else is largest of
            ‖w_r − w₀‖, ‖w₀‖ and 1 (so a refutation here is one at the scale ‖w_p − w_r‖ too).

    Returns:
        The trial, which calls the rule and judges its answer exactly.
    """
    allowed = None if exact else Fraction(tolerance)
    calls = itertools.count(1)

    def attempt(problem: UnlearningProblem) -> Attempt:
        for slug in assuming:
            if not holds(slug, problem):
                return Attempt(skipped=f"{slug} fails")
        if not exact and not _well_conditioned(problem):
            return Attempt(skipped="ill-conditioned")
        answer = runner(problem if exact else in_floats(problem), twice=next(calls) <= _CHECKED_TWICE)
        if answer.refused:
            return Attempt(skipped=REFUSED, detail=answer.detail)
        if answer.failure is Failure.NEVER_RETURNS:
            return Attempt(skipped=TIMED_OUT, detail=answer.detail)
        if answer.failure is not None or answer.values is None:
            return Attempt(answer.failure or Failure.NOT_NUMBERS, detail=answer.detail)
        return _judged(problem, answer.values, kind, allowed, answer.odd)

    return Trial(name, kind, attempt)


def _judged(
    problem: UnlearningProblem, values: Array, kind: str, tolerance: Fraction | None, odd: str
) -> Attempt:
    """Shape, numbers, then the gap, which must be zero where there is no tolerance."""
    first = len(problem.forget) if kind == "labels" else problem.n_features
    wanted = (first, *problem.targets.shape[1:])
    if values.dtype == object and not values.ndim and values.item() is None:
        return Attempt(Failure.WRONG_SHAPE, detail=f"returned None instead of shape {wanted}")
    if values.shape != wanted:
        return Attempt(Failure.WRONG_SHAPE, detail=f"shape {values.shape} instead of {wanted}")
    if odd:
        return Attempt(Failure.NOT_NUMBERS, detail=odd)
    if any(isinstance(x, (float, np.floating)) and not np.isfinite(x) for x in values.ravel()):
        return Attempt(Failure.NOT_FINITE, detail=f"returned {values.tolist()}")
    returned = exact_array(values)
    gap = exact_square_gap(problem, returned, kind)
    scale = Fraction(1) if tolerance is None else square_scale(problem)
    wrong = gap > (0 if tolerance is None else tolerance**2 * scale)
    return Attempt(Failure.GAP if wrong else None, "", returned, gap, _to_float(gap / scale))


def _to_float(value: Fraction) -> float:
    """The nearest float, the largest one for what is larger still."""
    return float(min(value, Fraction(sys.float_info.max)))


def in_floats(problem: UnlearningProblem) -> UnlearningProblem:
    """The same numbers as float64; they are dyadic and small, so nothing is rounded."""
    start = None if problem.w_init is None else problem.w_init.astype(np.float64)
    return UnlearningProblem(
        problem.features.astype(np.float64), problem.targets.astype(np.float64), problem.forget, start
    )


def _well_conditioned(problem: UnlearningProblem) -> bool:
    """Whether κ⁺ of K and K_RR are within reach of a float rule; measured, with a plain gap at rank zero."""
    features = problem.features.astype(np.float64)
    for block in (features, features[problem.retain]):
        values = np.linalg.svd(block, compute_uv=False)
        kept = values[values > 1e-10 * values[0]]
        if kept.size and (kept[0] / kept[-1]) ** 2 > CONDITION_LIMIT:
            return False
    return True


def square_scale(problem: UnlearningProblem) -> Fraction:
    """The squared length that a float rule's gap is compared with, in a search and in a replay alike.

    At least as long as each length that ``mt.check`` compares a gap with, which therefore refutes what is refuted here.
    """
    model = ClosedForms(problem, RATIONAL)
    candidates = [
        Fraction(model.square_distance(model.pretrained, model.retrained).upper),
        Fraction(model.square_distance(model.retrained, model.start).upper),
        Fraction(1),
    ]
    if problem.w_init is not None:
        candidates.append(sum((x**2 for x in exact_array(problem.w_init).ravel()), Fraction(0)))
    return max(candidates)


def claim_trial(slug: str, without: str | None = None) -> Trial:
    """A claim of the catalogue, with or without one of its hypotheses.

    Args:
        slug: the claim.
        without: the hypothesis to drop, or None to attack the claim as it is stated.

    Returns:
        The trial, which checks the hypotheses that are left, then the claim, in exact arithmetic.

    Raises:
        BadInputError: unknown claim, or a hypothesis that it does not have.
    """
    claim = find(slug)
    if claim.is_condition:
        raise expected("a theorem", "claim", slug, "a condition", "one of its users: muso claims")
    if without is not None and without not in claim.hypotheses:
        named = ", ".join(claim.hypotheses) or "nothing to drop"
        raise expected(f"a hypothesis of {slug}", "without", without, "not one of them", named)
    needs = tuple(hypothesis for hypothesis in claim.hypotheses if hypothesis != without)
    reading = _READINGS.get((slug, without or ""))

    def attempt(problem: UnlearningProblem) -> Attempt:
        for needed in needs:
            if not holds(needed, problem):
                return Attempt(skipped=f"{needed} fails")
        model = ClosedForms(problem, RATIONAL)
        if reading is not None:
            gap, words = reading(model)
            return Attempt(Failure.CLAIM if gap else None, square_gap=gap, detail=words)
        try:
            # Asserted and without tolerance: the statement alone, to equality, whatever a dropped hypothesis explains.
            findings, _ = CHECKS[slug].theorem(Case(problem, model, _EXACTLY, insisted=True))
        except SingularMatrixError as error:
            return Attempt(skipped="the formula has no meaning", detail=str(error))
        except (BadInputError, UndecidedError) as error:
            return Attempt(skipped="the claim does not speak of it", detail=str(error))
        for finding in findings:
            if finding.fails:
                return Attempt(Failure.CLAIM, detail=str(finding))
        return Attempt()

    return Trial(slug if without is None else f"{slug} without {without}", "claim", attempt)


# A hypothesis that is part of the statement needs a reading of what is claimed when it is dropped.


def _any_step_size(model: ClosedForms) -> tuple[Fraction, str]:
    """Gradient descent converges to G(w₀) whatever η: false if one step takes it no nearer."""
    # With e the error and M = I − ηΦᵀΦ symmetric, ‖Mᵏe‖² is log-convex in k: once ‖Me‖ ≥ ‖e‖ > 0, never smaller.
    phi = _rows(model)
    trace = sum((x * x for x in phi.ravel()), Fraction(0))
    if not trace:
        return Fraction(0), ""
    eta = 2 * model.rank(model.everything) / trace  # λ_max ≥ trace/rank, so η ≥ 2/λ_max
    error = _fraction_array(model, model.pretrained)
    after = error - eta * (phi.T @ (phi @ error))
    before, now = (sum((x * x for x in e.ravel()), Fraction(0)) for e in (error, after))
    if not before or now < before:
        return Fraction(0), ""
    return (
        now,
        f"η = {eta}: after one step from w₀, ‖w − G(w₀)‖² = {now} ≥ {before} before it, and so for ever",
    )


def _any_start(model: ClosedForms) -> tuple[Fraction, str]:
    """Fine-tuning on the exact labels ends at w_r from any start: tried from w₀ + e_j."""
    arithmetic = model.arithmetic
    d, c = model.problem.n_features, model.problem.n_outputs
    for j in range(d):
        unit = arithmetic.matrix([[Fraction(int(i == j))] * c for i in range(d)])
        end = model.unlearned(model.optimal_labels, Point(None, unit))
        gap = Fraction(model.square_distance(end, model.retrained).upper)
        if gap:
            return gap, f"started from w₀ + e_{j + 1} with the exact labels, ‖w_u − w_r‖² = {gap}"
    return Fraction(0), ""


def _off_span_stays(model: ClosedForms) -> tuple[Fraction, str]:
    """Any number of steps from any start ends in w₀ + row(Φ): tried from w₀ + e_j."""
    arithmetic = model.arithmetic
    d, c = model.problem.n_features, model.problem.n_outputs
    for j in range(d):
        start = Point(None, arithmetic.matrix([[Fraction(int(i == j))] * c for i in range(d)]))
        stays = Fraction(model.square_distance(start, model.project(model.everything, start)).upper)
        if stays:
            return stays, f"from w₀ + e_{j + 1} a part off the row space stays, of squared length {stays}"
    return Fraction(0), ""


def _pseudo_inverse_formula(model: ClosedForms) -> tuple[Fraction, str]:
    """The leave-block-out formula with K⁺ where K⁻¹ does not exist."""
    from .rulebook import leave_block_out

    labels = leave_block_out(model.problem)
    gap = exact_square_gap(model.problem, labels)
    return gap, f"with K⁺ for K⁻¹ the formula's labels are {[str(x) for x in labels.ravel()]}"


_READINGS: dict[tuple[str, str], Callable[[ClosedForms], tuple[Fraction, str]]] = {
    ("implicit-bias", "step-size"): _any_step_size,
    ("start-span", "start-in-span"): _any_start,
    ("leave-block-out", "full-rank"): _pseudo_inverse_formula,
    # Exact labels in the formula of one are w_r in that of the other: w_p − Φ⁺S_Fᵀ(y_F − ỹ_F).
    ("downdate", "full-rank"): _pseudo_inverse_formula,
    ("momentum", "start-in-span"): _off_span_stays,
    ("early-stopping", "start-in-span"): _off_span_stays,
}


def _rows(model: ClosedForms) -> Array:
    """Φ as Fractions."""
    return exact_array(model.problem.features)


def _fraction_array(model: ClosedForms, point: Any) -> Array:
    """The step w − w₀ as Fractions, (D, C)."""
    out = np.full((model.problem.n_features, model.problem.n_outputs), Fraction(0), dtype=object)
    for matrix, left in ((point.coefficients, _rows(model)[model.order].T), (point.offset, None)):
        if matrix is not None:
            entries = np.array([Fraction(int(x.p), int(x.q)) for x in matrix.entries()], dtype=object)
            values = entries.reshape(RATIONAL.shape(matrix))
            out = out + (values if left is None else left @ values)
    return out
