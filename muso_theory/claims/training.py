"""Conditions about how the user trains; they are checked when an optimizer is named."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from ..errors import BadInputError, expected
from ..evidence import Inequality
from ..linear.closed_forms import ClosedForms
from ..linear.model import Model
from ..linear.problem import Array, UnlearningProblem, row_blocks
from ..linear.training.plan import TrainingPlan
from ..linear.training.prediction import Prediction, predict_training
from ..linear.training.schedules import step_sizes_of
from ..linear.training.stability import stability, step_limit
from ..linear.training.train import train
from ..numbers import Quantity, UndecidedError
from .catalogue import Case, Claim, Found, by_name_only, text

__all__ = ["TRAINING", "applies"]

_TRIED = 10
"""Steps of an adaptive method that are tried: the first alone may stay in the span by symmetry."""

_EXACT_SIZE = 60
"""Up to this size of K (or ΦᵀΦ) a step limit is decided exactly on exact data."""

_SEARCH_RANK = 600
"""Up to this many samples the epochs that a gap takes are searched for, too."""


def applies(slug: str, plan: TrainingPlan | None) -> bool:
    """Whether a condition about training speaks of a plan.

    Args:
        slug: a condition.
        plan: how the user trains.

    Returns:
        True if a report on that plan includes it.

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
    if case.plan is None:
        raise expected(
            "an optimizer", "optimizer", None, "missing", "optimizer='gd', lr=0.1, or --optimizer gd --lr 0.1"
        )
    return case.plan


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
        shares = [_off_span(problem.float_model, problem, t.w) for t in tried]
    except BadInputError as error:
        raise UndecidedError(str(error), "features of moderate size decide it") from None
    model, worst = (
        case.model,
        tried[int(np.argmax([q.bound / r.bound if r.bound else 0.0 for q, r in shares]))],
    )
    off, moved = _off_span(model, problem, worst.w)
    share = off.floor / moved.bound if moved.bound > 0 else 0.0
    what, of = f"‖(I − P)(w_t − w₀)‖ at t = {worst.epoch}", "‖w_t − w₀‖"
    finding = case.violation(what, off, moved, of)
    if not finding.fails and not _spans_everything(model, problem):
        # Iterates that happen to be in the span prove nothing about later ones.
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
    """Whether row(Φ) is all of the parameter space; proved bounds on a projection imply full rank."""
    if problem.n_samples < problem.n_features:
        return False
    return not isinstance(model, ClosedForms) or model.rank(model.everything) == problem.n_features


def _sizes(case: Case) -> tuple[Quantity, Quantity, str]:
    """Enclosures of the smallest and the largest γ_i‖φ_i‖², and where the largest is."""
    problem, plan = case.problem, _plan(case)
    n = problem.n_samples
    gammas = step_sizes_of(plan.steps, n, 1, True).of_pass(0, np.arange(n))
    if problem.features.dtype == object or problem.features.dtype.kind in "iu":
        exact = [
            Fraction(float(g))
            * sum((Fraction(int(x) if not isinstance(x, Fraction) else x) ** 2 for x in row), Fraction(0))
            for g, row in zip(gammas, problem.features, strict=True)
        ]
        low, high = min(exact), max(exact)
        return Quantity.exact(low), Quantity.exact(high), f"sample {exact.index(high)}"
    norms = np.empty(n)
    with np.errstate(over="ignore"):
        for block in row_blocks(problem.features):
            rows = np.asarray(problem.features[block], dtype=np.float64)
            norms[block] = np.einsum("ij,ij->i", rows, rows)
    with np.errstate(over="ignore"):
        sizes = gammas * norms
    # D products and sums and one more product, each off by 2⁻⁵³ at most; underflow apart.
    slack = 1.01 * (problem.n_features + 2) * 2.0**-53
    tiny = problem.n_features * 5e-324 * float(gammas.max())
    ends = [
        Quantity.enclosure(max(0.0, float(v) * (1 - 2 * slack) - tiny), float(v) * (1 + 2 * slack) + tiny)
        for v in (sizes.min(), sizes.max())
    ]
    return ends[0], ends[1], f"sample {int(sizes.argmax())}"


def _two_minus(q: Quantity) -> Quantity:
    """2 − q, rounded outward."""
    if not math.isfinite(q.bound):
        return Quantity.enclosure(-math.inf, 2.0)
    return Quantity(2 - Fraction(q.upper), 2 - Fraction(q.lower), q.grade)


def _ostrowski_reich(case: Case) -> Found:
    smallest, largest, where = _sizes(case)
    return [
        Inequality("2 − max γ_i‖φ_i‖²", _two_minus(largest), positive=True),
        Inequality("min γ_i‖φ_i‖²", smallest, positive=True),
    ], [f"the largest is that of {where}"]


def _stable_step(case: Case) -> Found:
    plan = _plan(case)
    if plan.order == "full":
        limit = step_limit(plan.optimizer, plan.momentum if plan.optimizer != "gd" else 0.0)
        step = Fraction(float(plan.steps))  # type: ignore[arg-type]
        if (
            isinstance(case.model, ClosedForms)
            and case.model.is_exact
            and min(case.problem.features.shape) <= _EXACT_SIZE
        ):
            return _exactly_stable(case.model, Fraction(limit) / step)
        _, largest = case.model.spectrum
        left = Quantity(
            Fraction(limit) - step * Fraction(largest.bound),
            Fraction(limit) - step * Fraction(largest.floor),
            largest.grade,
        )
        named = limit / _largest_eigenvalue(case, largest) if largest.bound else math.inf
        what = f"{limit:.6g} − γλ_max"
        return [Inequality(what, left, positive=True)], [f"{plan.optimizer} is stable for γ < {named:.6g}"]
    smallest, largest, _ = _sizes(case)
    above, below = _two_minus(smallest), _two_minus(largest)
    try:
        known = stability(case.problem, method=plan.optimizer, step_sizes=plan.steps)
    except BadInputError as error:
        raise UndecidedError(str(error), "features of moderate size decide it") from None
    low, high = known.step or known.scale
    unit = "γ" if known.step else "steps scaled by c"
    facts = [
        f"stable for {unit} < {low:.6g}" + ("" if high < 1.001 * low else f", unstable above {high:.6g}")
    ]
    if below.lower > 0:
        return [Inequality("2 − max γ_i‖φ_i‖²", below, positive=True)], facts
    if above.upper < 0:
        return [Inequality("2 − min γ_i‖φ_i‖²", above, positive=True)], facts
    if known.radius is None:
        raise UndecidedError(
            "some γ_i‖φ_i‖² are above 2 and some below, where the order and the data decide",
            "a step below the Ostrowski–Reich limit, or fewer samples",
        )
    facts.append(f"spectral radius of a pass {known.radius:.6g}")
    return [Inequality("1 − ρ(a pass on row(Φ))", Quantity.measured(1 - known.radius), positive=True)], facts


def _exactly_stable(model: ClosedForms, threshold: Fraction) -> Found:
    """λ_max < t, decided by pivots: all positive if and only if tI − K is positive definite."""
    everything = model.everything
    block = model.gram if model.is_dual else model.curvature(everything)
    size = model.arithmetic.shape(block)[0]
    shifted = model.arithmetic.sub(model.arithmetic.scale(threshold, model.arithmetic.identity(size)), block)
    rows = [[Fraction(int(x.p), int(x.q)) for x in row] for row in shifted.table()]
    smallest = threshold
    for k in range(size):
        pivot = rows[k][k]
        smallest = min(smallest, pivot)
        if pivot <= 0:
            break
        for i in range(k + 1, size):
            factor = rows[i][k] / pivot
            if factor:
                rows[i] = [a - factor * b for a, b in zip(rows[i], rows[k], strict=True)]
    what = f"smallest pivot of {threshold}·I − {'K' if model.is_dual else 'ΦᵀΦ'}"
    return [Inequality(what, Quantity.exact(smallest), positive=True)], [
        "the step is stable if and only if this matrix is positive definite"
    ]


def _largest_eigenvalue(case: Case, bound: Quantity) -> float:
    """λ_max as measured, for the words: a proved bound may be far above it."""
    try:
        return float(case.problem.float_model.spectrum[1].upper)
    except BadInputError:
        return bound.bound


def _enough_epochs(case: Case) -> Found:
    plan = _plan(case)
    assert plan.epochs is not None
    try:
        prediction = predict_training(
            case.problem, method=plan.optimizer, step_sizes=plan.steps, momentum=plan.momentum
        )
    except BadInputError as error:
        raise UndecidedError(str(error), "features of moderate size decide it") from None
    gap, nothing = prediction.gap(plan.epochs), prediction.doing_nothing
    finding = case.violation(
        f"‖w_E − w_r‖ predicted for E = {plan.epochs}",
        Quantity.measured(gap),
        Quantity.measured(nothing),
        "doing nothing",
    )
    limit = float(case.tolerance) * nothing
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
        f"{needed:.0f} epochs are needed"
        if math.isfinite(needed)
        else "no number of epochs reaches the tolerance"
    ]


TRAINING = (
    Claim(
        "optimizer-in-span",
        "the optimizer stays in w₀ + row(Φ)",
        "(I − P)(w_t − w₀) = 0 for every iterate",
        "claims momentum, adaptive-optimizer",
        _in_span,
        "Where training ends is settled by the closed forms.",
        "WARNING: this optimizer leaves the span; exact labels then leave a gap, see adaptive-optimizer.",
        listed=by_name_only,
    ),
    Claim(
        "ostrowski-reich",
        "every step of SGD is below twice the inverse square norm of its sample",
        "0 < γ_i‖φ_i‖² < 2 for all i",
        "Ostrowski 1954, Reich 1949; claim cyclic-sgd",
        _ostrowski_reich,
        "No pass, in whatever order, moves away from a solution.",
        "The sufficient condition fails: convergence then depends on order and data, see stable-step.",
        listed=by_name_only,
    ),
    Claim(
        "stable-step",
        "training converges with this step",
        "spectral radius of a pass on row(Φ) < 1",
        "claims implicit-bias, cyclic-sgd, momentum",
        _stable_step,
        "Training converges on consistent targets, if it goes on for long enough.",
        "Training diverges with this step.",
        listed=by_name_only,
    ),
    Claim(
        "enough-epochs",
        "so many epochs of fine-tuning reach the retrained model",
        "‖w_E − w_r‖ ≤ tolerance · ‖w_p − w_r‖ with the optimal labels",
        "claims gd-finite-time, cyclic-sgd, momentum",
        _enough_epochs,
        "Fine-tuning may stop after so many epochs.",
        "Fine-tuning stops too early: the gap is that of unfinished training, not of the labels.",
        listed=by_name_only,
    ),
)
