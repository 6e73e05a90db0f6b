"""Claims about training in another geometry: under an affine constraint, and by a mirror map. 33 and 34."""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..errors import BadInputError
from ..evidence import show
from ..linear.closed_forms import ClosedForms, float_model
from ..linear.problem import UnlearningProblem
from ..numbers import FLOAT64, Matrix, NoArithmeticError, Quantity, UndecidedError
from .case import Case, Found
from .checks import Check, by_name_only
from .following import explicit_model

__all__ = ["GEOMETRIES"]

_SHARE = 10
"""One parameter in so many is frozen, and at least one."""

_MOST_STEPS = 100
"""Newton steps to where mirror descent ends; about ten are needed."""

_CLOSE = 1e-8
"""How short, beside p, a step is whose next one would be rounding: Newton's steps are squared."""

_ROUNDING = 1e-7
"""What rounding may leave of the way, as for other losses: both models are measured."""


def _affine_constraint(case: Case) -> Found:
    """Parameters that stay what they are: C = T_G selects the last ones, and Φ(I − C⁺C) is Φ without them."""
    model, problem = explicit_model(case), case.problem
    arithmetic, n_features = model.arithmetic, problem.n_features
    n_frozen = max(1, n_features // _SHARE)
    if n_frozen == n_features:
        raise NoArithmeticError("no parameter is left", "a second parameter")
    free = UnlearningProblem(problem.features[:, : n_features - n_frozen], problem.targets, problem.forget)
    kept = ClosedForms(free, arithmetic)
    # v = w − w₀ is fitted from 0 to e = y − Φw₀, as in the theorem.
    rest = model.mix(1, model.targets(model.everything), -1, model.predict(model.everything, model.start))
    on_retain, on_forget = (arithmetic.take(rest, list(rows)) for rows in (model.retain, model.forget))
    pretrained, retrained = kept.fit(kept.everything, rest), kept.fit(kept.retain, on_retain)
    optimal = kept.predict(kept.forget, retrained)
    aims = kept.stack(on_retain, optimal)
    unlearned = kept.fit(kept.everything, aims, pretrained)
    nothing = kept.square_distance(pretrained, retrained)
    way = kept.square_distance(retrained, kept.start)
    error = kept.mix(1, on_forget, -1, optimal)

    def padded(v: Matrix) -> Matrix:
        return arithmetic.vstack(v, arithmetic.zeros(n_frozen, problem.n_outputs))

    # Fine-tuning without the constraint: one more step, by rows of Φ.
    zero = model.at(np.zeros((n_features, problem.n_outputs), dtype=np.int64))
    missed = kept.mix(1, aims, -1, kept.predict(kept.everything, pretrained))
    step = model.final(model.fit(model.everything, missed, zero))
    ahead = arithmetic.sub(padded(kept.final(pretrained)), padded(kept.final(retrained)))
    dropped = arithmetic.square_norm(arithmetic.add(ahead, step)).sqrt()
    lengths = ((nothing.sqrt(), "doing nothing"), (way.sqrt(), "‖w_r − w₀‖"))
    squares = ((nothing, "doing nothing²"), (way, "‖w_r − w₀‖²"))
    return [
        case.identity("‖w_u − w_r‖ under the constraint", kept.distance(unlearned, retrained), lengths),
        case.identity(
            "|‖w_p − w_r‖² − ‖Z⁺(0; y_F − Φ_F w_r)‖²|",
            nothing.gap_to(kept.square_gap(error)),
            squares,
            squared=True,
        ),
    ], [
        f"the last {n_frozen} of {n_features} parameters are held at w₀ in all runs; doing nothing leaves "
        f"{show(nothing.sqrt())}, and fine-tuning that lets go of them ‖w_u − w_r‖ {show(dropped)}"
    ]


def _mirror_descent(case: Case) -> Found:
    """Three ends of mirror descent in a map that is not quadratic, each by Newton's method in float64."""
    problem = case.problem
    try:
        model = float_model(problem)
        rows = np.asarray(problem.features, dtype=np.float64)
        fitted = model.predict(model.everything, model.pretrained)
    except BadInputError as error:
        raise UndecidedError(str(error), "features of moderate size decide it") from None
    fitted = np.asarray(fitted, dtype=np.float64)[np.argsort(model.order)]
    targets = np.asarray(problem.targets, dtype=np.float64).reshape(problem.n_samples, -1)
    start = np.asarray(model.final(model.start), dtype=np.float64)
    size = float(np.abs(np.asarray(model.final(model.pretrained), dtype=np.float64) - start).max()) or 1.0
    mirror = _Mirror(size)
    retain, forget = problem.retain, problem.forget
    dual = mirror.gradient(start)
    # Mirror descent on all targets ends at the fitted ones, which some parameters do fit.
    pretrained = mirror.end(rows, fitted, dual)
    retrained = mirror.end(rows[retain], targets[retain], dual)
    labels = targets.copy()
    labels[forget] = rows[forget] @ mirror.point(retrained)
    unlearned = mirror.end(rows, labels, pretrained)
    w_p, w_r, w_u = map(mirror.point, (pretrained, retrained, unlearned))
    euclid = float(np.linalg.norm(w_r - np.asarray(model.final(model.retrained), dtype=np.float64)))
    nothing, way = float(np.linalg.norm(w_p - w_r)), float(np.linalg.norm(w_p - start))
    scale = Quantity.measured(nothing + _ROUNDING * way)
    gap = Quantity.measured(float(np.linalg.norm(w_u - w_r)))
    return [case.identity("‖w_u − w_r‖ by mirror descent", gap, ((scale, "doing nothing, and rounding"),))], [
        f"∇ψ*(p) = p + p³/s² in each parameter, s = {size:.3g}; doing nothing leaves {nothing:.3g}",
        f"its w_r is {euclid:.3g} from that of gradient descent",
    ]


class _Mirror:
    """The mirror map ψ whose conjugate is Σ p²/2 + p⁴/4s²: strictly convex, and not quadratic.

    Args:
        size: s, beside which p is small where ψ is nearly quadratic.
    """

    def __init__(self, size: float) -> None:
        self.size = size

    def point(self, p: Array) -> Array:
        """W = ∇ψ*(p) = p + p³/s²."""
        return np.asarray(p + p * (p / self.size) ** 2)

    def gradient(self, w: Array) -> Array:
        """P = ∇ψ(w), the root of p + p³/s² = w by the formula for cubics of one real root."""
        scaled = 1.5 * np.sqrt(3) * w / self.size
        return np.asarray(2 * self.size / np.sqrt(3) * np.sinh(np.arcsinh(scaled) / 3))

    def end(self, rows: Array, targets: Array, start: Array) -> Array:
        """The p in start + row(Φ) with Φ∇ψ*(p) = t: the minimum of ψ*(start + Φᵀa) − aᵀt, output by output."""
        if len(rows) > rows.shape[1]:  # a triangle with the same rows and the same fits of what can be fitted
            orthogonal, rows = np.linalg.qr(rows)
            targets = orthogonal.T @ targets
        found = [self._end(rows, t, p) for t, p in zip(targets.T, start.T, strict=True)]
        return np.stack(found, axis=1)

    def _end(self, rows: Array, t: Array, start: Array) -> Array:
        p = start
        a = np.zeros(len(rows))
        value, last = self._value(p) - a @ t, np.inf
        for _ in range(_MOST_STEPS):
            rest = t - rows @ self.point(p)
            curved = rows * (1 + 3 * (p / self.size) ** 2)
            step = FLOAT64.factor(curved @ rows.T).solve(rest[:, None])[:, 0]
            share = 1.0
            while True:
                ahead = start + rows.T @ (a + share * step)
                after = self._value(ahead) - (a + share * step) @ t
                if after <= value + 1e-12 * abs(value) or share < 1e-9:
                    break
                share /= 2
            moved = np.abs(ahead - p).max(initial=0.0)
            a, p, value = a + share * step, ahead, after
            # Where steps are rounding they no longer shrink.
            if moved <= _CLOSE * np.abs(p).max(initial=0.0) and moved >= last / 2:
                break
            last = moved
        return np.asarray(p)

    def _value(self, p: Array) -> float:
        """ψ*(p)."""
        return float(np.sum(p**2 / 2 + p**2 * (p / self.size) ** 2 / 4))


GEOMETRIES = {
    "affine-constraint": Check(_affine_constraint, listed=by_name_only),
    "mirror-descent": Check(_mirror_descent, listed=by_name_only, on_any_problem=False, climbs=False),
}
