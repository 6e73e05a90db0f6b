"""Conditions about how the user trains; they are checked when an optimizer is named."""

from __future__ import annotations

import math
from contextlib import nullcontext
from fractions import Fraction
from sys import float_info
from typing import Any

import numpy as np

from ..arrays import Array, row_blocks
from ..descent.plan import TrainingPlan
from ..descent.schedules import step_sizes_of
from ..errors import BadInputError, expected
from ..evidence import Inequality, round_digits, show
from ..linear.closed_forms import ClosedForms, float_model
from ..linear.model import Model
from ..linear.problem import UnlearningProblem
from ..linear.training.prediction import Prediction, predict_training
from ..linear.training.stability import stability
from ..linear.training.train import train
from ..numbers import FLOAT64, NoArithmeticError, Quantity, UndecidedError
from ..numbers.balls import enclosure, working_precision
from ..numbers.quantity import is_finite
from ..numbers.rational_matrix import RationalMatrix
from .case import Case, Found, text
from .checks import Check, by_name_only

__all__ = ["TRAINING", "applies"]

_TRIED = 10
"""Steps of an adaptive method that are tried: the first alone may stay in the span by symmetry."""

_ROUNDING = 2.0**-20
"""A share of ‖w_t − w₀‖ that rounding may put off the span, with much to spare."""

_EXACT_SIZE = 60
"""Up to this size of K (or ΦᵀΦ) a step limit is decided exactly on exact data."""

_EXACT_ENTRIES = 50_000
"""Up to so many entries of Φ the rows that floats do not place beside 0 and 2 are squared exactly."""

_ANY_STEP = "all features are zero, so that nothing moves: any step is stable"
_BEYOND = "the largest stable step is beyond the range of float64"

_SEARCH_RANK = 600
"""Up to this many samples the epochs that a gap takes are searched for, too."""


def applies(slug: str, plan: TrainingPlan | None) -> bool:
    """Whether a condition about training speaks of a plan, so that a report on that plan includes it.

    Example:
        >>> [slug for slug in ("stable-step", "ostrowski-reich") if applies(slug, TrainingPlan("gd", 0.1))]
        ['stable-step']
    """
    if plan is None:
        return False
    if slug == "optimizer-in-span":
        return True
    if plan.is_adaptive or plan.lr is None:
        return False
    return {
        "ostrowski-reich": plan.order != "full",
        "stable-step": True,
        "enough-epochs": plan.epochs is not None and plan.order in ("full", "cyclic"),
    }.get(slug, False)


def _plan(case: Case) -> TrainingPlan:
    if case.settings.training is None:
        raise expected(
            "an optimizer", "optimizer", None, "missing", "optimizer='gd', lr=0.1, or --optimizer gd --lr 0.1"
        )
    return case.settings.training


def _in_span(case: Case) -> Found:
    plan, problem = _plan(case), case.problem
    if not plan.is_adaptive:
        words = f"{plan.optimizer} adds multiples of feature rows, so (I − P)(w_t − w₀) = 0 for all t"
        return [Inequality("‖(I − P)(w₁ − w₀)‖", Quantity.exact(0))], [words]
    try:
        floats = [np.asarray(a, dtype=np.float64) for a in (problem.features, problem.targets)]
        start = None if problem.w_init is None else np.asarray(problem.w_init, dtype=np.float64)
        step = 0.01 if plan.lr is None else float(plan.steps)  # type: ignore[arg-type]
        count = min(_TRIED, plan.epochs or _TRIED)
        tried = train(
            floats[0],
            floats[1],
            start,
            plan.optimizer,
            step_sizes=step,
            epochs=count,
            record=range(1, count + 1),
        ).trajectory
        shares = [_off_span(float_model(problem), problem, t.w) for t in tried]
    except BadInputError as error:
        raise UndecidedError(str(error), "features of moderate size decide it") from None
    model, worst = (
        case.model,
        tried[int(np.argmax([q.bound / r.bound if r.bound else 0.0 for q, r in shares]))],
    )
    off, moved = _off_span(model, problem, worst.w)
    share = off.floor / moved.bound if moved.bound > 0 else 0.0
    what, of = f"‖(I − P)(w_t − w₀)‖ of the float iterate at t = {worst.epoch}", "‖w_t − w₀‖"
    finding = case.violation(what, off, moved, of)
    # Iterates that happen to be in the span prove nothing about later ones, what their rounding puts off it nothing
    # about exact ones, and a statement about exact ones that is asserted is not refuted by floats.
    says_nothing = not finding.fails or share < _ROUNDING or case.insisted
    if says_nothing and not _spans_everything(model, problem):
        finding = case.violation(what, Quantity.measured(off.bound), moved, of)
    words = (
        f"after exact relabelling a gap of ‖(I − P)(w_p − w₀)‖ stays (claim adaptive-optimizer); "
        f"of {count} steps of {plan.optimizer} up to {text(share)} is off the span"
    )
    return [finding], [words]


def _off_span(model: Model, problem: UnlearningProblem, w: Array) -> tuple[Quantity, Quantity]:
    """‖(I − P)(w − w₀)‖ and ‖w − w₀‖."""
    point = model.at(w.reshape(problem.n_features, -1))
    return model.distance(point, model.project(model.everything, point)), model.distance(point, model.start)


def _spans_everything(model: Model, problem: UnlearningProblem) -> bool:
    """Whether row(Φ) is all of the parameter space."""
    return problem.n_samples >= problem.n_features and model.rank(model.everything) == problem.n_features


def _sizes(case: Case) -> tuple[Quantity, Quantity, str]:
    """Enclosures of the smallest and the largest γ_i‖φ_i‖², and where the largest is, in words.

    Floats place most rows beside 0 and 2. Those that they do not place are taken exactly, up to ``_EXACT_ENTRIES``
    entries of Φ: rows whose products may underflow or overflow, and those within rounding of 2.
    """
    problem, plan = case.problem, _plan(case)
    n, width = problem.n_samples, problem.features.shape[1]
    gammas = step_sizes_of(plan.steps, n, 1, True).of_pass(0, np.arange(n))
    floats = problem.features.dtype.kind == "f"
    sizes, is_zero = np.full(n, np.nan), np.zeros(n, dtype=bool)
    if floats:
        with np.errstate(over="ignore", under="ignore"):
            for block in row_blocks(problem.features):
                rows = np.asarray(problem.features[block], dtype=np.float64)
                is_zero[block] = ~rows.any(axis=1)
                norms = np.einsum("ij,ij->i", rows, rows)
                # Far from the ends of the range: D products that underflow, each off by 2⁻¹⁰²² at most, are then
                # less than one rounding of their sum.
                norms[~((norms > 2.0**-900) & (norms < np.inf))] = np.nan
                sizes[block] = gammas[block] * norms
    sizes[~((sizes > 2.0**-900) & (sizes < np.inf))] = np.nan
    sizes[is_zero] = 0.0
    # D products and sums and one more product are off by (D + 1)2⁻⁵³ to first order, to either side.
    slack = Fraction(2 * width + 8, 2**53)
    open_rows = np.flatnonzero(~(np.abs(sizes - 2) > 4 * float(slack)))
    if floats:
        open_rows = open_rows[: max(1, _EXACT_ENTRIES // width)]
    exact = {
        int(i): Fraction(float(gammas[i]))
        * RationalMatrix.of([problem.features[i].tolist()], width).square_norm()
        for i in open_rows
    }
    # Ends that every row of a kind shares: for rows known exactly, placed by floats, or not at all.
    ends: list[tuple[Fraction | float, Fraction | float, int]] = [(v, v, i) for i, v in exact.items()]
    rest = np.ones(n, dtype=bool)
    rest[list(exact)] = False
    if (placed := np.flatnonzero(rest & np.isfinite(sizes))).size:
        for i in (placed[sizes[placed].argmin()], placed[sizes[placed].argmax()]):
            size = Fraction(float(sizes[i]))
            ends.append((size * (1 - slack), size * (1 + slack), int(i)))
    if (unknown := np.flatnonzero(rest & np.isnan(sizes))).size:
        ends.append((Fraction(0), math.inf, int(unknown[0])))
    smallest = min(low for low, _, _ in ends), min(high for _, high, _ in ends)
    largest = max(low for low, _, _ in ends), max(high for _, high, _ in ends)
    where = max(ends, key=lambda end: end[1])[2]
    return _between(*smallest), _between(*largest), f"sample {where}"


def _between(low: Fraction | float, high: Fraction | float) -> Quantity:
    """An enclosure, or the exact number where the ends are one."""
    return Quantity.exact(Fraction(low)) if low == high else Quantity.enclosure(low, high)


def _two_minus(q: Quantity) -> Quantity:
    """2 − q, exactly; q may be unbounded above."""
    low = 2 - Fraction(q.upper) if is_finite(q.upper) else -math.inf
    return Quantity(low, 2 - Fraction(q.lower), q.grade)


def _ostrowski_reich(case: Case) -> Found:
    smallest, largest, where = _sizes(case)
    return [
        Inequality("2 − max γ_i‖φ_i‖²", _two_minus(largest), positive=True),
        Inequality("min γ_i‖φ_i‖²", smallest, positive=True),
    ], [f"the largest is that of {where}"]


def _stable_step(case: Case) -> Found:
    plan, model = _plan(case), case.model
    if plan.order == "full":
        mu = Fraction(0 if plan.optimizer == "gd" else plan.momentum)
        # As step_limit, in exact arithmetic: on the boundary its rounding would decide.
        limit = 2 * (1 + mu) / (1 + 2 * mu if plan.optimizer == "nesterov" else 1)
        step = Fraction(float(plan.steps))  # type: ignore[arg-type]
        small = min(case.problem.features.shape) <= _EXACT_SIZE
        if small and isinstance(model, ClosedForms) and model.arithmetic is not FLOAT64:
            # The measured λ_max is for the words alone.
            return [_pivots(model, limit / step)], [
                _full_batch_limit(case, limit, Quantity.measured(math.inf)),
                "the step is stable if and only if this matrix is positive definite",
            ]
        _, largest = model.spectrum
        left = Quantity(
            limit - step * Fraction(largest.bound), limit - step * Fraction(largest.floor), largest.grade
        )
        what = f"{float(limit):.6g} − γλ_max"
        return [Inequality(what, left, positive=True)], [_full_batch_limit(case, limit, largest)]
    smallest, largest, _ = _sizes(case)
    above, below = _two_minus(smallest), _two_minus(largest)
    facts, radius = _limit_of_passes(case, largest)
    if below.lower > 0:
        return [Inequality("2 − max γ_i‖φ_i‖²", below, positive=True)], facts
    if above.upper <= 0:
        # A pass has determinant Π(1 − γ_i‖φ_i‖²) on row(Φ), up to eigenvalues of one: it does not shrink volumes.
        return [Inequality("2 − min γ_i‖φ_i‖²", above, positive=True)], facts
    if radius is None:
        raise UndecidedError(
            f"{_beside_two(above, below)}, where the order and the data decide",
            "a step below the Ostrowski–Reich limit, or fewer samples",
        )
    facts.append(f"spectral radius of a pass {radius:.6g}")
    return [Inequality("1 − ρ(a pass on row(Φ))", Quantity.measured(1 - radius), positive=True)], facts


def _beside_two(above: Quantity, below: Quantity) -> str:
    """Where γ_i‖φ_i‖² lie, from enclosures of 2 − min and 2 − max, neither below 2 throughout nor above."""
    if below.upper < 0 < above.lower:
        return "some γ_i‖φ_i‖² are above 2 and some below"
    if below.lower == below.upper == 0:
        return "the largest γ_i‖φ_i‖² is 2, and not all of them are"
    return "γ_i‖φ_i‖² are not known to be on one side of 2"


def _limit_of_passes(case: Case, largest: Quantity) -> tuple[list[str], float | None]:
    """The largest stable step of SGD in words, and the spectral radius of a pass where it is known."""
    plan = _plan(case)
    if case.is_zero:
        return [_ANY_STEP], None
    # Where max ‖φ_i‖² overflows, the search for the limit would start at a step of zero and never leave it.
    first = plan.steps if isinstance(plan.steps, float) else plan.steps.first
    if not is_finite(largest.upper) or Fraction(largest.upper) / Fraction(first) > 2**1000:
        return [_BEYOND], None
    try:
        known = stability(case.problem, method=plan.optimizer, step_sizes=plan.steps)
    except BadInputError:
        return [_BEYOND], None
    low, high = known.step or known.scale
    if not 0 < low < math.inf:
        return [_BEYOND], known.radius
    unit = "γ" if known.step else "steps scaled by c"
    far = (
        ""
        if high < 1.001 * low or high == math.inf
        else f", unstable above {round_digits(high, up=True, digits=6)}"
    )
    # A radius that is one up to rounding decides nothing.
    radius = None if known.converges is None else known.radius
    return [f"stable for {unit} < {round_digits(low, up=False, digits=6)}{far}"], radius


def _full_batch_limit(case: Case, limit: Fraction, bound: Quantity) -> str:
    """The largest stable step of a full-batch method in words."""
    if case.is_zero:
        return _ANY_STEP
    largest = _largest_eigenvalue(case, bound)
    named = limit / Fraction(largest) if 0 < largest < math.inf else Fraction(0)
    if not 0 < named <= float_info.max:
        return _BEYOND
    return f"{_plan(case).optimizer} is stable for γ < {round_digits(named, up=False, digits=6)}"


def _pivots(model: ClosedForms, threshold: Fraction) -> Inequality:
    """λ_max < t, decided by pivots: all positive if and only if tI − K is positive definite (Sylvester).

    Pivots are rationals or balls, by the arithmetic of the model; one whose sign a ball leaves open decides nothing.
    """
    arithmetic = model.arithmetic
    block = model.gram if model.is_dual else model.curvature(model.everything)
    size = arithmetic.shape(block)[0]
    shifted = arithmetic.sub(arithmetic.scale(threshold, arithmetic.identity(size)), block)
    found = []
    with nullcontext() if model.is_exact else working_precision(arithmetic.bits):  # type: ignore[attr-defined]
        rows = [[shifted[i, j] for j in range(size)] for i in range(size)]
        for k in range(size):
            pivot = rows[k][k]
            found.append(_read(pivot, model.is_exact))
            if not pivot > 0:
                break
            for i in range(k + 1, size):
                factor = rows[i][k] / pivot
                rows[i] = [a - factor * b for a, b in zip(rows[i], rows[k], strict=True)]
    # Only the last can fail to be positive, and then it is what counts.
    if not found[-1].lower > 0:
        smallest = found[-1]
    else:
        smallest = _between(min(q.lower for q in found), min(q.upper for q in found))
    what = f"smallest pivot of {threshold}·I − {'K' if model.is_dual else 'ΦᵀΦ'}"
    return Inequality(what, smallest, positive=True)


def _read(pivot: Any, is_exact: bool) -> Quantity:
    """A rational, or a ball of either sign, as a quantity."""
    if is_exact:
        return Quantity.exact(Fraction(int(pivot.p), int(pivot.q)))
    if pivot > 0:
        return enclosure(pivot)
    if pivot <= 0:
        size = enclosure(-pivot)
        return Quantity.enclosure(-size.upper, -size.lower)
    return Quantity.enclosure(-math.inf, math.inf)


def _largest_eigenvalue(case: Case, bound: Quantity) -> float:
    """λ_max as measured, for the words: a proved bound may be far above it."""
    try:
        return float(float_model(case.problem).spectrum[1].upper)
    except BadInputError:
        return bound.bound


def _enough_epochs(case: Case) -> Found:
    plan = _plan(case)
    assert plan.epochs is not None
    if case.model is float_model(case.problem):
        raise UndecidedError(
            "training is predicted in float64, with no proof beside it",
            "proved bounds of another arithmetic",
            climbs=True,
        )
    try:
        prediction = predict_training(
            case.problem, method=plan.optimizer, step_sizes=plan.steps, momentum=plan.momentum
        )
    except BadInputError as error:
        raise UndecidedError(str(error), "features of moderate size decide it") from None
    gap, nothing = prediction.gap(plan.epochs), prediction.doing_nothing
    limit = float(case.settings.limit) * nothing
    # A stable pass lengthens no error. One that starts this far from the exact w_p − w_r ends no farther from where
    # that would have ended, and a gap that near to the limit may be on the other side of it.
    off = case.float_error
    if not off.bound < abs(gap - limit):
        what = (
            f"training is predicted in float64, whose w_p and w_r are off by {show(off)}; doing nothing is "
            f"{show(case.doing_nothing)}, and ‖w_E − w_r‖ ≈ {gap:.3g} was found"
        )
        if off.floor < abs(gap - limit):
            raise UndecidedError(what, "an arithmetic of tighter bounds", climbs=True)
        raise NoArithmeticError(what, "features whose Gram matrix float64 can factorise")
    finding = case.violation(
        f"‖w_E − w_r‖ predicted for E = {plan.epochs}",
        Quantity.measured(gap),
        Quantity.measured(nothing),
        "doing nothing",
    )
    share = gap / nothing if nothing else 0.0
    facts = [f"the gap after {plan.epochs} epochs is {share:.3g} of doing nothing ({nothing:.3g})"]
    facts += _needed(case, prediction, limit, gap)
    return [finding], facts


def _needed(case: Case, prediction: Prediction, limit: float, gap: float) -> list[str]:
    """How many epochs the tolerance takes, where that is cheap to say."""
    cheap = (
        _plan(case).order == "full" or min(case.problem.n_samples, case.problem.n_features) <= _SEARCH_RANK
    )
    if not cheap or gap <= limit or limit <= 0:
        return []
    needed = prediction.epochs_needed(limit)
    return [
        f"--epochs {needed:.0f} is enough by the same prediction, which no other arithmetic makes"
        if math.isfinite(needed)
        else "no number of epochs reaches the tolerance"
    ]


TRAINING = {
    "optimizer-in-span": Check(_in_span, listed=by_name_only, on_any_problem=False),
    "ostrowski-reich": Check(_ostrowski_reich, listed=by_name_only, on_any_problem=False),
    "stable-step": Check(_stable_step, listed=by_name_only, on_any_problem=False),
    "enough-epochs": Check(_enough_epochs, listed=by_name_only, on_any_problem=False),
}
