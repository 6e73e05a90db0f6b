"""Regularised convex training of a linear model, and a proved bound of how far parameters are from its minimiser."""

from __future__ import annotations

import math
from copy import copy
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, final

import flint
import numpy as np

from ..arguments import checked
from ..arrays import Array, float_values, outline, plain_array
from ..descent.losses import check_logistic
from ..errors import expected, nearest
from ..former import former
from ..numbers import BALL, Quantity
from ..numbers.balls import working_precision
from ..numbers.ieee import ieee_proof
from .intervals import real_number

__all__ = ["CONVEX_LOSSES", "Objective", "as_vector", "check_objective"]
former(__name__)

CONVEX_LOSSES = ("squared", "logistic")
_BITS = 128


@final
@checked
@dataclass(frozen=True, eq=False, repr=False)
class Objective:
    """F(w) = Σ_i ℓ(φ_iᵀw, t_i) + (λ/2)‖w‖² + bᵀw, with λ the same for every set of samples.

    ``"squared"`` is ½(z − t)². ``"logistic"`` is the cross-entropy of p(+1) = 1/(1 + e^−z) against (1 + t)/2, so t is
    ±1 or a soft label between. Both have a z-gradient that vanishes at the label that z itself predicts, which is what
    exact relabelling needs (claim convex-loss).

    Args:
        features: Φ, shape (n, D).
        targets: t, shape (n,); from −1 to 1 for "logistic".
        loss: "squared" or "logistic".
        ridge: λ > 0.
        tilt: b, shape (D,), of objective perturbation; None is zero.

    Raises:
        BadInputError: shapes that do not fit, λ ≤ 0, unknown loss, logistic targets outside [−1, 1] or from 0 to 1.

    Example:
        >>> objective = Objective(np.eye(2), np.array([1.0, -1.0]), "squared", 1.0)
        >>> w = objective.minimiser()
        >>> w, objective.gap_bound(w).bound < 1e-15
        (array([ 0.5, -0.5]), True)
    """

    features: Array
    targets: Array
    loss: str
    ridge: float
    tilt: Array | None = None

    __repr__ = outline

    def __post_init__(self) -> None:
        """Read and check data and constants, once for all that is computed of them."""
        if self.loss not in CONVEX_LOSSES:
            raise expected("a loss", "loss", self.loss, "unknown", nearest(str(self.loss), CONVEX_LOSSES))
        what = "λ > 0, or there is no unique minimiser"
        ridge = real_number("ridge", self.ridge, what, "1e-3")
        if not 0 < ridge < math.inf or ridge != self.ridge:
            raise expected(what, "ridge", self.ridge, "number", "1e-3, a float")
        object.__setattr__(self, "ridge", ridge)
        features = float_values("features", self.features, (2,))
        targets = as_vector("targets", self.targets, len(features))
        if self.loss == "logistic":
            check_logistic(targets)
        object.__setattr__(self, "features", features)
        object.__setattr__(self, "targets", targets)
        if self.tilt is not None:
            tilt = as_vector("tilt", self.tilt, features.shape[1])
            object.__setattr__(self, "tilt", tilt)

    def on(self, rows: object, targets: Array | None = None) -> Objective:
        """The same objective over other samples, or with other targets.

        Args:
            rows: indices of samples in any order, or a mask of them.
            targets: theirs; None keeps them.

        Raises:
            BadInputError: rows out of range, or targets of another shape or, for the logistic loss, outside [−1, 1].
        """
        rows = _rows(rows, len(self.features))
        features = self.features[rows]
        kept = as_vector("targets", self.targets[rows] if targets is None else targets, len(features))
        if self.loss == "logistic":
            check_logistic(kept, part=True)
        part = copy(self)
        object.__setattr__(part, "features", features)
        object.__setattr__(part, "targets", kept)
        return part

    @checked
    def labels(self, w: Array, features: Array | None = None) -> Array:
        """The labels, (n,), at which the loss has zero slope: what w, (D,), predicts; soft for the logistic loss."""
        width = self.features.shape[1]
        rows = self.features if features is None else float_values("features", features, (2,))
        if rows.shape[1] != width:
            raise expected(
                f"samples of {width} features", "features", rows.shape, "shape", "the same feature map"
            )
        z: Array = rows @ as_vector("w", w, width)
        return z if self.loss == "squared" else np.tanh(z / 2)

    def _slope(self, w: Array) -> Array:
        """ℓ'(z_i)."""
        difference: Array = self.labels(w) - self.targets
        return difference if self.loss == "squared" else difference / 2

    @checked
    def sample_gradients(self, w: Array) -> Array:
        """Gradient of each sample's loss, shape (n, D), without the regulariser."""
        slopes: Array = self._slope(w)[:, None] * self.features
        return slopes

    @checked
    def gradient(self, w: Array) -> Array:
        """∇F(w), shape (D,)."""
        g: Array = self.features.T @ self._slope(w) + self.ridge * w
        return g if self.tilt is None else g + self.tilt

    @checked
    def hessian(self, w: Array) -> Array:
        """∇²F(w), shape (D, D)."""
        d = self.features.shape[1]
        curvature = np.ones(len(self.features)) if self.loss == "squared" else (1 - self.labels(w) ** 2) / 4
        h: Array = self.features.T @ (curvature[:, None] * self.features) + self.ridge * np.eye(d)
        return h

    @property
    def smoothness(self) -> float:
        """M, a bound of the largest eigenvalue of the Hessian anywhere: c‖Φ‖₂² + λ with c = 1 or ¼."""
        largest = float(np.linalg.norm(self.features, 2)) ** 2
        return (1.0 if self.loss == "squared" else 0.25) * largest * (1 + 1e-12) + self.ridge

    def minimiser(self, start: Array | None = None) -> Array:
        """The minimiser, shape (D,), by Newton's method, damped until it no longer reduces the gradient.

        Args:
            start: where to start; None is zero.

        Raises:
            BadInputError: it does not come down to rounding.
        """
        from scipy.linalg import cho_factor, cho_solve

        width = self.features.shape[1]
        w = np.zeros(width) if start is None else np.array(as_vector("start", start, width))
        g = self.gradient(w)
        best = float(np.linalg.norm(g))
        for _ in range(100):
            step = cho_solve(cho_factor(self.hessian(w)), g)
            for halvings in range(30):
                new = w - step / 2**halvings
                candidate = self.gradient(new)
                size = float(np.linalg.norm(candidate))
                if size < best:
                    break
            else:
                break
            w, g, best = new, candidate, size
        parts = [
            self.features.T @ np.abs(self._slope(w)),
            self.ridge * w,
            0.0 if self.tilt is None else self.tilt,
        ]
        if best > 1e-9 * (1.0 + sum(float(np.linalg.norm(part)) for part in parts)):
            raise expected(
                "an objective that Newton's method minimises", "‖∇F‖", best, "float", "a larger ridge"
            )
        return w

    @ieee_proof()
    def gap_bound(self, w: object) -> Quantity:
        """A proved bound of ‖w − argmin F‖: F is λ-strongly convex, so it is at most ‖∇F(w)‖/λ.

        Whatever produced w — relabelling, a Newton step, descent — its distance from retraining is bounded by
        evaluating the gradient of the *retain* objective there, in balls.

        Args:
            w: parameters, shape (D,), taken exactly.

        Raises:
            BadInputError: w of another shape or not finite.
        """
        ball = BALL(_BITS)
        phi = ball.matrix(self.features)
        point = ball.matrix(as_vector("w", w, self.features.shape[1])[:, None])
        z = ball.matmul(phi, point)
        with working_precision(_BITS):
            slopes = [self._ball_slope(a, t) for a, t in zip(z.entries(), self.targets.tolist(), strict=True)]
            column = flint.arb_mat(len(slopes), 1, slopes)
        g = ball.add(ball.matmul(ball.transpose(phi), column), ball.scale(self.ridge, point))
        if self.tilt is not None:
            g = ball.add(g, ball.matrix(self.tilt[:, None]))
        size = Quantity.enclosure(0, ball.square_norm(g).upper).sqrt()
        upper = size.upper
        found = upper / self.ridge if isinstance(upper, float) else upper / Fraction(self.ridge)
        # As a float, rounded up: the fraction has dozens of digits, which say nothing about a bound.
        return Quantity.enclosure(0, Quantity.enclosure(0, found).bound)

    def _ball_slope(self, z: Any, target: float) -> Any:
        """ℓ'(z) enclosed."""
        return z - target if self.loss == "squared" else ((z / 2).tanh() - target) / 2


def check_objective(value: object) -> None:
    """Refuse what is no objective: data alone do not say which loss and which λ."""
    if not isinstance(value, Objective):
        raise expected(
            "an objective", "objective", type(value).__name__, "type", "Objective(X, y, loss, ridge)"
        )


def _rows(rows: object, n: int) -> Array:
    """Indices of some of n samples; none, and the same twice, are allowed."""
    array = plain_array("rows", rows)
    if array.dtype == bool and array.shape == (n,):
        return np.flatnonzero(array)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise expected(f"indices of {n} samples", "rows", array.shape, f"dtype {array.dtype}", "numpy.arange")
    outside = array[(array < 0) | (array >= n)]
    if outside.size:
        raise expected(f"indices from 0 to {n - 1}", "rows", outside[0], "out of range", "others")
    return array.astype(np.int64)


def as_vector(name: str, values: object, size: int) -> Array:
    """Read one float64 number each, given as a vector of shape (size,) or as a column (size, 1).

    Raises:
        BadInputError: another shape, or entries that are not finite.
    """
    array = float_values(name, values, (1, 2))
    if array.shape not in ((size,), (size, 1)):
        raise expected(
            f"{size} numbers", name, array.shape, "shape", "one column, as the objective has one output"
        )
    return array.reshape(size)
