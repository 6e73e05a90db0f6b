"""Claims about training that has not reached its limit, or is not least squares: 10 to 15.

Iterates are computed step by step in the parameters themselves, relative to w₀, in the arithmetic of the model: exactly
for exact input, enclosed or exact for small float input, and measured in float64 for the rest.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from ..arrays import Array
from ..errors import BadInputError
from ..evidence import show
from ..linear.closed_forms import ClosedForms, Point, float_model
from ..linear.model import Rows
from ..linear.training.convex import fine_tune_convex
from ..linear.training.engines import SweepEngine
from ..numbers import FLOAT64, Matrix, NoArithmeticError, Quantity, UndecidedError
from ..numbers.rounding import ETA, UNIT, gamma
from ..numbers.spectrum import gram_error, trace_bound
from .case import Case, Found, text
from .checks import Check, by_name_only
from .following import explicit_model, following, is_small

__all__ = ["DYNAMICS", "ExplicitDescent", "error_of_gram"]

_STEPS = 2


class ExplicitDescent:
    """Steps of gradient methods in explicit parameters v = w − w₀, in the arithmetic of a model.

    Args:
        model: the closed forms.
    """

    def __init__(self, model: ClosedForms) -> None:
        self.model, self.arithmetic = model, model.arithmetic
        self.everything = model.everything
        # 1/‖K‖_∞ ≤ 1/λ_max, rounded down to a float: a stable step that every arithmetic takes exactly.
        bound = _largest_row_of_gram(model) if model.is_dual else _largest_row(model)
        self.eta = Quantity.exact(1 / bound).floor if bound > 0 else 1.0

    def offset(self, point: Point) -> Matrix:
        """The coordinates v = w − w₀ of a point of the closed forms."""
        return self.model.offset(point)

    def slope(self, rows: Rows, targets: Matrix, v: Matrix) -> Matrix:
        """Φ_rowsᵀ(targets − Φ_rows w)."""
        residual = self.arithmetic.sub(targets, self.model.predict(rows, Point(None, v)))
        return self.model.transposed_image(rows, residual)

    def step(self, rows: Rows, targets: Matrix, v: Matrix) -> Matrix:
        """One step of gradient descent."""
        return self.arithmetic.add(v, self.arithmetic.scale(self.eta, self.slope(rows, targets, v)))

    def shrink(self, v: Matrix) -> Matrix:
        """(I − ηΦᵀΦ) v."""
        image = self.model.transposed_image(self.everything, self.model.image(self.everything, v))
        return self.arithmetic.sub(v, self.arithmetic.scale(self.eta, image))

    def distance(self, v: Matrix, other: Matrix) -> Quantity:
        """‖v − v'‖."""
        return self.arithmetic.square_norm(self.arithmetic.sub(v, other)).sqrt()


_SCALED = (
    "mt.UnlearningProblem(np.ldexp(features, -int(np.frexp(np.abs(features).max())[1])), ...) scales features by a "
    "power of two, to size one"
)


def _measured(model: ClosedForms) -> ClosedForms:
    """The float64 model of the same problem, for sizes of steps."""
    try:
        float_model(model.problem).gram  # noqa: B018 - overflow shows here
    except BadInputError:
        what = "steps are read off a float64 Gram matrix, which overflows here"
        raise NoArithmeticError(what, _SCALED) from None
    return float_model(model.problem)


def _largest_row_of_gram(model: ClosedForms) -> Fraction:
    """‖K‖_∞ and what rounding may hide of λ_max; 0 for a float64 Gram matrix that is zero."""
    gram = _measured(model).gram
    n, d = model.problem.features.shape
    with np.errstate(over="ignore"):
        row = float(np.abs(gram).sum(axis=1).max())
    if not np.isfinite(row):
        raise NoArithmeticError("a row sum of the Gram matrix overflows float64", _SCALED)
    if not row:
        return Fraction(0)
    return Fraction(row) / (1 - gamma(n)) + error_of_gram(gram, d)


def error_of_gram(gram: Array, width: int) -> Fraction:
    """Bound what a float64 Gram matrix of Φ is wrong by in the spectral norm, where Φ may not be of floats.

    Args:
        gram: K̂ of the floats Φ̃ next to Φ, or Φ̃ᵀΦ̃.
        width: length of the sums in it.
    """
    # E = Φ − Φ̃ has ‖E‖_F ≤ u‖Φ‖_F, and ‖ΦΦᵀ − Φ̃Φ̃ᵀ‖ ≤ 2‖Φ̃‖‖E‖ + ‖E‖² ≤ 3u‖Φ̃‖_F²; the rest is for underflow.
    return gram_error(gram, width) + 4 * UNIT * trace_bound(gram, width)


def _largest_row(model: ClosedForms) -> Fraction:
    """‖Φᵀ‖_∞‖Φ‖_∞ ≥ λ_max, without K, by sums that are rounded up."""
    features = np.abs(FLOAT64.matrix(model.problem.features)).astype(np.float64)
    with np.errstate(over="ignore"):
        sums = [float(features.sum(axis=axis).max()) for axis in (0, 1)]
    if not np.isfinite(sums[0] * sums[1]):
        raise NoArithmeticError("features overflow float64", _SCALED)
    # One rounding is that of a feature that is no float; where it underflows it is wrong by η at most.
    high, wide = ((Fraction(s) + k * ETA) / (1 - gamma(k)) for s, k in zip(sums, features.shape, strict=True))
    return high * wide if sums[0] else Fraction(0)


def _relabelled(model: ClosedForms) -> Matrix:
    return model.relabelled(model.optimal_labels)


def _cyclic_sgd(case: Case) -> Found:
    case = following(case)
    model = explicit_model(case)
    arithmetic = model.arithmetic
    descent = ExplicitDescent(model)
    targets, start = _relabelled(model), descent.offset(model.pretrained)
    gammas = _kaczmarz(model)
    v = start
    residuals = []
    for i, step in enumerate(gammas):
        row = model.rows_of_features((i,))
        at_start = arithmetic.take(model.initial_output, [i])
        seen = arithmetic.sub(
            arithmetic.take(targets, [i]), arithmetic.add(at_start, arithmetic.matmul(row, v))
        )
        residuals.append(seen)
        v = arithmetic.add(v, arithmetic.matmul(arithmetic.transpose(row), arithmetic.scale(step, seen)))
    before = arithmetic.sub(targets, model.predict(model.everything, model.pretrained))
    coefficients = _sweep(model, gammas, before)
    jump = arithmetic.add(start, model.transposed_image(model.everything, coefficients))
    gram = model.gram
    after = arithmetic.sub(before, arithmetic.matmul(gram, coefficients))
    seen_after = arithmetic.sub(targets, model.predict(model.everything, Point(None, v)))
    return [
        case.identity("‖w₁ − (w_p + Φᵀ(Γ⁻¹ + L)⁻¹r)‖", descent.distance(v, jump), case.parameter_yardsticks),
        case.identity(
            "‖r₁ − (I − K(Γ⁻¹ + L)⁻¹)r‖",
            arithmetic.square_norm(arithmetic.sub(seen_after, after)).sqrt(),
            case.label_yardsticks,
        ),
    ], [
        "one pass with γ_i the floats next to 1/‖φ_i‖² as float64 computes it, retain set first, on the exact labels",
        f"after it ‖w − w_r‖ {show(descent.distance(v, descent.offset(model.retrained)))}, "
        f"before {show(case.doing_nothing)}",
    ]


def _kaczmarz(model: ClosedForms) -> list[Any]:
    """γ_i = 1/‖φ_i‖² in position order, rounded to floats; 1 for a sample of zero norm."""
    if model.is_dual:
        norms = np.diagonal(_measured(model).gram)
    else:
        features = np.asarray(FLOAT64.matrix(model.problem.features), dtype=np.float64)
        norms = np.einsum("ij,ij->i", features, features)[model.order]
    if not np.isfinite(norms).all():
        raise NoArithmeticError("features overflow float64", _SCALED)
    with np.errstate(divide="ignore", over="ignore"):
        steps = np.where(norms > 0, 1 / np.where(norms > 0, norms, 1), 1.0)
    return [Fraction(g) for g in np.where(np.isfinite(steps), steps, 1.0).tolist()]


def _sweep(model: ClosedForms, gammas: list[Any], residual: Matrix) -> Matrix:
    """(Γ⁻¹ + L)⁻¹ r by forward substitution, which uses K and no parameter."""
    arithmetic = model.arithmetic
    gram = model.gram
    if arithmetic is FLOAT64:
        return SweepEngine(gram, np.arange(len(gram)), np.array([float(g) for g in gammas])).coefficients(
            residual
        )
    found: Matrix | None = None
    for i, step in enumerate(gammas):
        rest = arithmetic.take(residual, [i])
        if found is not None:
            known = arithmetic.take(gram, [i], list(range(i)))
            rest = arithmetic.sub(rest, arithmetic.matmul(known, found))
        entry = arithmetic.scale(step, rest)
        found = entry if found is None else arithmetic.vstack(found, entry)
    assert found is not None
    return found


def _gd_finite_time(case: Case) -> Found:
    case = following(case)
    model = explicit_model(case)
    descent = ExplicitDescent(model)
    targets = _relabelled(model)
    retrained = descent.offset(model.retrained)
    v = descent.offset(model.pretrained)
    error = model.arithmetic.sub(v, retrained)
    for _ in range(_STEPS):
        v = descent.step(model.everything, targets, v)
        error = descent.shrink(error)
    difference = descent.distance(model.arithmetic.sub(v, retrained), error)
    left = model.arithmetic.square_norm(error).sqrt()
    return [
        case.identity(
            f"‖(w_T − w_r) − (I − ηΦᵀΦ)^T(w_p − w_r)‖, T = {_STEPS}", difference, case.parameter_yardsticks
        )
    ], [
        f"η = {text(descent.eta)}: after {_STEPS} steps ‖w_T − w_r‖ {show(left)} of {show(case.doing_nothing)}"
    ]


def _early_stopping(case: Case) -> Found:
    case = following(case)
    model = explicit_model(case)
    arithmetic = model.arithmetic
    descent = ExplicitDescent(model)
    target = arithmetic.zeros(case.problem.n_features, case.problem.n_outputs)
    for _ in range(_STEPS):
        target = descent.step(model.retain, model.targets(model.retain), target)
    pretrained = descent.offset(model.pretrained)
    # For T' = 2, Q = ηK(2I − ηK). With Φᵀu = w_r(T) − w_p, z = (2I − ηK)⁻¹u/η solves Qz = Φ(w_r(T) − w_p), at any rank.
    move = arithmetic.sub(target, pretrained)
    gram = model.gram
    size = arithmetic.shape(gram)[0]
    inner = arithmetic.sub(
        arithmetic.scale(2, arithmetic.identity(size)), arithmetic.scale(descent.eta, gram)
    )
    z = arithmetic.scale(1 / Fraction(descent.eta), arithmetic.factor(inner).solve(_preimage(model, move)))
    labels = arithmetic.add(model.predict(model.everything, model.pretrained), z)
    v = pretrained
    for _ in range(2):
        v = descent.step(model.everything, labels, v)
    scale = arithmetic.square_norm(move).sqrt()
    return [
        case.identity(
            f"‖w_u(T') − w_r(T)‖, T = {_STEPS}, T' = 2",
            descent.distance(v, target),
            ((scale, "‖w_p − w_r(T)‖"), *case.parameter_yardsticks),
        )
    ], [f"η = {text(descent.eta)}; ‖w_p − w_r(T)‖ {show(scale)}"]


def _preimage(model: ClosedForms, v: Matrix) -> Matrix:
    """Some u with Φᵀu = v, for v in the row space."""
    factor = model.factor(model.everything)
    if model.is_dual_for(model.everything):
        return factor.solve(model.image(model.everything, v))
    return model.image(model.everything, factor.solve(v))


def _momentum(case: Case) -> Found:
    case = following(case)
    model = explicit_model(case)
    arithmetic = model.arithmetic
    descent = ExplicitDescent(model)
    targets = _relabelled(model)
    retrained, pretrained = descent.offset(model.retrained), descent.offset(model.pretrained)
    mu = Fraction(1, 2)
    findings = []
    for name, ahead in (("heavy ball", False), ("Nesterov", True)):
        v, before = pretrained, pretrained
        error = last = arithmetic.sub(pretrained, retrained)
        for _ in range(_STEPS):
            velocity = arithmetic.scale(mu, arithmetic.sub(v, before))
            place = arithmetic.add(v, velocity) if ahead else v
            pushed = arithmetic.scale(descent.eta, descent.slope(model.everything, targets, place))
            v, before = arithmetic.add(arithmetic.add(v, velocity), pushed), v
            drift = arithmetic.scale(mu, arithmetic.sub(error, last))
            seen = arithmetic.add(error, drift) if ahead else error
            lost = arithmetic.sub(seen, descent.shrink(seen))
            error, last = arithmetic.sub(arithmetic.add(error, drift), lost), error
        end = Point(None, v)
        off = model.distance(end, model.project(model.everything, end))
        difference = descent.distance(arithmetic.sub(v, retrained), error)
        findings += [
            case.identity(f"‖(I − P)(w_T − w₀)‖, {name}", off, case.parameter_yardsticks),
            case.identity(
                f"‖(w_T − w_r) − p_T(ΦᵀΦ)(w_p − w_r)‖, {name}", difference, case.parameter_yardsticks
            ),
        ]
    return findings, [f"T = {_STEPS}, η = {text(descent.eta)}, μ = 1/2, on the exact labels"]


def _adaptive(case: Case) -> Found:
    case = following(case)
    model = explicit_model(case)
    arithmetic = model.arithmetic
    descent = ExplicitDescent(model)
    slope = descent.slope(model.everything, model.targets(model.everything), descent.offset(model.start))
    signs = np.sign(arithmetic.to_numpy(slope))
    travelled = model.distance(model.pretrained, model.start).bound
    # A power of two keeps the point short in every arithmetic; its size is of no matter.
    each = travelled / math.sqrt(signs.size)
    unit = 2.0 ** math.floor(math.log2(each)) if 1e-300 < each < math.inf else 1.0
    adam = Point(None, arithmetic.matrix(unit * signs))
    zero = Point() if case.problem.w_init is None else model.at(_zeros(case))
    decayed = model.fit(model.everything, model.targets(model.everything), zero, ridge=case.settings.ridge)
    findings, facts = [], []
    for name, end in (
        ("a sign step (the first of Adam, RMSProp, AdaGrad)", adam),
        ("weight decay to 0", decayed),
    ):
        off = model.square_distance(end, model.project(model.everything, end))
        gap = model.square_distance(model.unlearned(model.optimal_labels, end), model.retrained)
        scale = model.square_distance(end, model.start)
        findings.append(
            case.identity(
                f"|‖w_u − w_r‖² − ‖(I − P)(w_p − w₀)‖²|, {name}",
                gap.gap_to(off),
                ((scale, "‖w_p − w₀‖²"), *case.square_yardsticks),
                squared=True,
            )
        )
        facts.append(
            f"{name}: exact labels leave a gap {show(gap.sqrt())} (doing nothing {show(case.doing_nothing)})"
        )
    if model.rank(model.everything) == case.problem.n_features:
        facts.append("row(Φ) is the whole parameter space: nothing is off it, and no gap stays")
    return findings, facts


def _zeros(case: Case) -> Array:
    """Parameters 0, shape (D, C), in integers that every arithmetic takes exactly."""
    shape = (case.problem.n_features, case.problem.n_outputs)
    return np.zeros(shape, dtype=np.int64)


def _convex_loss(case: Case) -> Found:
    try:
        found = fine_tune_convex(case.problem)
    except BadInputError as error:
        raise UndecidedError(str(error), _SCALED) from None
    facts = [
        f"{found.loss} loss of soft targets, λ = {text(found.decay)}; doing nothing leaves {found.doing_nothing:.3g}",
        f"hard labels in place of the soft ones leave ‖w_u − w_r‖ ≈ {found.hard_gap:.3g}",
    ]
    # Both models are measured: their distance is rounding, so the scale is that of rounding too.
    scale = Quantity.measured(found.doing_nothing + 1e-7 * found.travelled)
    gap = Quantity.measured(found.soft_gap)
    return [
        case.identity("‖w_u^λ − w_r^λ‖ with soft labels", gap, ((scale, "doing nothing, and rounding"),))
    ], facts


DYNAMICS = {
    "convex-loss": Check(_convex_loss, listed=by_name_only, of_training=True),
    "cyclic-sgd": Check(_cyclic_sgd, listed=is_small, of_training=True),
    "gd-finite-time": Check(_gd_finite_time, listed=is_small, of_training=True),
    "early-stopping": Check(_early_stopping, listed=is_small, of_training=True),
    "momentum": Check(_momentum, listed=is_small, of_training=True),
    "adaptive-optimizer": Check(_adaptive, listed=is_small, of_training=True, uses=("ridge",)),
}
