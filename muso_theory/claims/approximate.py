"""Claims about what is only nearly retraining: one Newton step, and training that stops. 35 and 36."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from ..arrays import Array
from ..descent.losses import LOSSES
from ..errors import BadInputError, MusoError
from ..evidence import Inequality, show
from ..linear.certified import CertifiedForms
from ..linear.closed_forms import Point, float_model
from ..linear.problem import UnlearningProblem
from ..numbers import FLOAT64, Quantity, UndecidedError
from ..numbers.rounding import ETA, UNIT, gamma, norm_bounds
from ..numbers.spectrum import smallest_eigenvalue_bound
from .case import Case, Found, text
from .checks import Check, by_name_only
from .dynamics import ExplicitDescent, error_of_gram
from .following import explicit_model, following

__all__ = ["APPROXIMATE"]

_T = 2
"""Steps of training that stops."""

_SHIFTS = (1 - 2.0**-22, 1 - 2.0**-16, 1 - 2.0**-10, 0.8, 0.3, 0.05)
"""Shares of an estimate of λ_min⁺ that are tried as its lower bound."""

_NODES = 24
"""Of the quadrature of the mean Hessian; the integrand is analytic, and errors fall geometrically."""

_MOST_STEPS = 100
"""Newton steps to a minimum; about ten are needed."""

_ROUNDING = 1e-7
"""What rounding may leave of the way, as for other losses: both models are measured."""


def _inexact_training(case: Case) -> Found:
    case = following(case)
    model = explicit_model(case)
    arithmetic = model.arithmetic
    descent = ExplicitDescent(model)
    targets = model.relabelled(model.optimal_labels)
    retrained = descent.offset(model.retrained)
    # From w_p the part off the span is zero; e₁ beside it has one, unless row(Φ) is the whole space.
    beside = np.zeros((case.problem.n_features, case.problem.n_outputs), dtype=np.int64)
    beside[0] = 1
    unit = arithmetic.matrix(beside)
    start = arithmetic.add(descent.offset(model.pretrained), unit)
    inside = descent.offset(model.project(model.everything, Point(None, start)))
    on, off = arithmetic.sub(inside, retrained), arithmetic.square_norm(arithmetic.sub(start, inside))
    v = start
    for _ in range(_T):
        v = descent.step(model.everything, targets, v)
    ended = arithmetic.square_norm(arithmetic.sub(v, retrained))
    low = _lowest(case)
    rate = 1 - Fraction(descent.eta) * low
    allowed = arithmetic.square_norm(arithmetic.scale(rate**_T, on)).plus(off)
    return [
        Inequality(f"‖w_T − w_r‖² − q^2T ‖P(s − w_r)‖² − ‖(I − P)(s − w₀)‖², T = {_T}", ended.minus(allowed))
    ], [
        f"η = {text(descent.eta)}, s = w_p + e₁ in each output: ‖w_T − w_r‖ {show(ended.sqrt())}, allowed "
        f"{show(allowed.sqrt())}, of which off the span {show(off.sqrt())}",
        f"q = 1 − ηλ, λ = {text(float(low))} "
        + ("proved to be at most λ_min⁺" if low else "as no more is proved"),
    ]


def _lowest(case: Case) -> Fraction:
    """A lower bound of λ_min⁺ with proof, or 0: any is true, and the nearer it is the more is tested."""
    model = explicit_model(case)
    try:
        if model.arithmetic is FLOAT64:  # what is measured must have room for its rounding
            floor = CertifiedForms(case.problem).spectrum[0].floor
            return Fraction(floor) if 0 < floor < np.inf else Fraction(0)
        rank = model.rank if model.is_exact else model.repeats.rank_at_most
        return _eigenvalue_floor(case.problem, rank(model.everything))
    except MusoError:
        return Fraction(0)


def _eigenvalue_floor(problem: UnlearningProblem, rank: int) -> Fraction:
    """A lower bound of eigenvalue number ``rank`` of K from above: λ_min⁺ if that is the rank, 0 if it is less."""
    if not rank:
        return Fraction(0)
    measured = float_model(problem)
    matrix = measured.gram if measured.is_dual else measured.formed_curvature(measured.everything)
    size, width = min(problem.features.shape), max(problem.features.shape)
    error = error_of_gram(matrix, width)
    values, vectors = np.linalg.eigh(matrix)
    estimate, spare = float(values[size - rank]), size - rank
    if spare:
        # λ_min(M + ZZᵀ) ≤ λ_rank(M) for any Z of size − rank columns, as M alone counts where Zᵀx = 0. This Z lifts
        # the eigenvalues below out of the way. Its product is rounded `spare` times, and the sum once.
        lift = float(max(values[-1], 0.0) ** 0.5) * vectors[:, :spare]
        matrix = matrix + lift @ lift.T
        high = norm_bounds(lift)[1] ** 2
        error += gamma(spare) * high + 2 * UNIT * norm_bounds(matrix)[1] + size**3 * ETA
    found = smallest_eigenvalue_bound(matrix, error, estimate, _SHIFTS)
    # Digits that depend on the order in which a kernel sums are left out.
    return Fraction(0) if found is None else Fraction(Quantity.enclosure(found, found).outward().lower)


def _newton_glm(case: Case) -> Found:
    """Logistic loss in every output, in coordinates of the row space, each minimum by Newton's method in float64."""
    problem = case.problem
    try:
        model = float_model(problem)
        start = np.asarray(model.final(model.start), dtype=np.float64)
    except BadInputError as error:
        raise UndecidedError(str(error), "features of moderate size decide it") from None
    features = np.asarray(problem.features, dtype=np.float64)
    at_start = features @ start
    _, sizes, basis = np.linalg.svd(features, full_matrices=False)
    rows = features @ basis.T
    decay = float(sizes.max(initial=0.0)) ** 2 / 100 or 1.0
    targets = LOSSES["logistic"].labels(
        np.asarray(problem.targets, dtype=np.float64).reshape(problem.n_samples, -1)
    )
    missed, told, way, path = 0.0, 0.0, 0.0, 0.0
    for z, t in zip(at_start.T, targets.T, strict=True):
        everyone, kept = (_Logistic(rows[i], z[i], t[i], decay) for i in (slice(None), problem.retain))
        w_p, w_r = everyone.minimum(), kept.minimum()
        hessian = kept.hessian(w_p)
        newton = w_p - np.linalg.solve(hessian, kept.slope(w_p))
        nodes, weights = np.polynomial.legendre.leggauss(_NODES)
        mean = sum(
            weight / 2 * kept.hessian(w_r + (1 + node) / 2 * (w_p - w_r))
            for node, weight in zip(nodes, weights, strict=True)
        )
        formula = np.linalg.solve(hessian, (hessian - mean) @ (w_p - w_r))
        missed += float(np.sum((newton - w_r - formula) ** 2))
        told += float(np.sum((newton - w_r) ** 2))
        way += float(np.sum((w_p - w_r) ** 2))
        path += float(np.sum(w_p**2))
    nothing = Quantity.measured(way**0.5 + _ROUNDING * path**0.5)
    return [
        case.identity(
            "‖(w_N − w_r) − H⁻¹(H − H_mean)(w_p − w_r)‖",
            Quantity.measured(missed**0.5),
            ((nothing, "doing nothing, and rounding"),),
        )
    ], [
        f"logistic loss of soft targets, λ = {decay:.3g}: one Newton step misses w_r by {told**0.5:.3g}, doing "
        f"nothing by {way**0.5:.3g}"
    ]


class _Logistic:
    """Σ ℓ(z₀ + Xv, t) + ½λ‖v‖² for one output, ℓ the logistic loss.

    Args:
        rows: X, coordinates of the samples in the row space.
        at_start: z₀, the outputs at w₀.
        targets: t.
        decay: λ.
    """

    def __init__(self, rows: Array, at_start: Array, targets: Array, decay: float) -> None:
        self.rows, self.at_start, self.targets, self.decay = rows, at_start, targets, decay

    def slope(self, v: Array) -> Array:
        """Its gradient."""
        z = self.at_start + self.rows @ v
        return np.asarray(self.rows.T @ LOSSES["logistic"].derivative(z, self.targets) + self.decay * v)

    def hessian(self, v: Array) -> Array:
        """Its Hessian: ℓ'' = (1 − tanh²(z/2))/4."""
        z = self.at_start + self.rows @ v
        curved = self.rows.T * ((1 - np.tanh(z / 2) ** 2) / 4)
        return np.asarray(curved @ self.rows + self.decay * np.eye(len(v)))

    def minimum(self) -> Array:
        """Where the gradient vanishes, by Newton's method with halved steps."""
        v = np.zeros(self.rows.shape[1])
        for _ in range(_MOST_STEPS):
            slope = self.slope(v)
            step, share, length = np.linalg.solve(self.hessian(v), slope), 1.0, np.linalg.norm(slope)
            # Along a Newton step the gradient falls as 1 − share, to first order; at its rounding it does not.
            while share > 1e-9 and np.linalg.norm(self.slope(v - share * step)) > (1 - share / 4) * length:
                share /= 2
            if share <= 1e-9:
                break
            v = v - share * step
        return v


APPROXIMATE = {
    "newton-glm": Check(_newton_glm, listed=by_name_only, on_any_problem=False, climbs=False),
    "inexact-training": Check(_inexact_training, listed=by_name_only),
}
