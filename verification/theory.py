"""What theory says of a training run before it is run, and whether the run obeyed.

Parameters reached from w₀ by training on rows A are w₀ + Φ_Aᵀa. After E passes of cyclic SGD (claim cyclic-sgd)

    a = K_AA⁻¹(I − M^E)(y_A − Φ_A w₀),   M = I − K_AA(Γ⁻¹ + L)⁻¹,

after E steps of gradient descent the same with M = I − ηK_AA, and in the limit M^E = 0. Gaps are norms in K. Nothing
here trains, and nothing is shared with `muso_theory.linear.training`, whose iterates it is held against.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import scipy.linalg

__all__ = [
    "Dynamics",
    "PredictedRuns",
    "descent",
    "error_in_words",
    "first_epoch",
    "judge",
    "relative_error",
    "sweep",
]

Array = np.ndarray[Any, Any]

_TINY = 1e-150
"""Entries below are zero beside any residual, and their products would be subnormal, which processors do slowly."""


class Dynamics:
    """Powers of the iteration matrix of one training set.

    Args:
        gram: K of the training set in the order of its passes, shape (n, n), invertible.
        iteration: M, shape (n, n); None is the limit.
    """

    def __init__(self, gram: Array, iteration: Array | None) -> None:
        self.gram, self.iteration = gram, iteration
        self._factor = scipy.linalg.cho_factor(gram, lower=True)
        self._powers = [] if iteration is None else [iteration]

    def residual(self, first: Array, epochs: int) -> Array:
        """M^E r, r = y − Φw at the start: the residual after E epochs."""
        if self.iteration is None:
            return np.zeros_like(first)
        r, k = first, 0
        while epochs >> k:
            if len(self._powers) <= k:
                square = self._powers[-1] @ self._powers[-1]
                square[np.abs(square) < _TINY] = 0
                self._powers.append(square)
            if epochs >> k & 1:
                r = self._powers[k] @ r
            k += 1
        return r

    def coefficients(self, first: Array, epochs: int) -> Array:
        """K⁻¹(r − M^E r): what E epochs add to the coefficients of the feature rows."""
        return np.asarray(scipy.linalg.cho_solve(self._factor, first - self.residual(first, epochs)))

    @cached_property
    def radius(self) -> float:
        """Spectral radius of M: 0 in the limit."""
        return 0.0 if self.iteration is None else float(np.abs(np.linalg.eigvals(self.iteration)).max())


def sweep(gram: Array, steps: Array | Callable[[int], float] | float) -> Dynamics:
    """Cyclic SGD in the order of the rows.

    Args:
        steps: γ, of every sample, of all, or as a function of the place in the pass.
    """
    n = len(gram)
    gamma = np.array([steps(t) for t in range(n)]) if callable(steps) else np.broadcast_to(steps, (n,))
    lower = np.diag(1 / gamma) + np.tril(gram, -1)
    # K(Γ⁻¹ + L)⁻¹ = ((Γ⁻¹ + L)⁻ᵀK)ᵀ.
    return Dynamics(gram, np.eye(n) - scipy.linalg.solve_triangular(lower, gram, lower=True, trans="T").T)


def descent(gram: Array, step: float) -> Dynamics:
    """Gradient descent on ½‖Φw − y‖² with step η."""
    return Dynamics(gram, np.eye(len(gram)) - step * gram)


class PredictedRuns:
    """Pretrained, retrained and fine-tuned parameters as coefficients relative to w₀.

    Args:
        everyone: dynamics on all samples.
        retained: dynamics on R, in the same order.
        retain: indices of R.
        forget: indices of F.
        targets: y, shape (n,) or (n, C).
        initial: Φw₀, shaped like y.
    """

    def __init__(
        self,
        everyone: Dynamics,
        retained: Dynamics,
        retain: Array,
        forget: Array,
        targets: Array,
        initial: Array,
    ) -> None:
        self.everyone, self.retained = everyone, retained
        self.retain, self.forget = retain, forget
        self.targets, self.initial = targets, initial
        self.gram = everyone.gram

    def pretrained(self, epochs: int) -> Array:
        """Coefficients of w_p after E epochs."""
        return self.everyone.coefficients(self.targets - self.initial, epochs)

    def retrained(self, epochs: int) -> Array:
        """Coefficients of w_r after E epochs on R alone; zero on F."""
        a = np.zeros_like(self.targets, dtype=np.float64)
        a[self.retain] = self.retained.coefficients((self.targets - self.initial)[self.retain], epochs)
        return a

    def finetuned(self, a: Array, labels: Array, epochs: int) -> Array:
        """Coefficients after fine-tuning from ``a`` on all samples, the forget samples relabelled."""
        relabelled = np.array(self.targets, dtype=np.float64)
        relabelled[self.forget] = labels
        return a + self.everyone.coefficients(relabelled - self.initial - self.gram @ a, epochs)

    def label_free(self, a: Array, ridge: float = 0.0) -> Array:
        """ỹ_F = Φ_F(w₀ + Φ_Rᵀ(K_RR + εI)⁻¹Φ_R(w − w₀)), for w of coefficients ``a``."""
        block = self.gram[np.ix_(self.retain, self.retain)] + ridge * np.eye(len(self.retain))
        fitted = scipy.linalg.solve(block, (self.gram @ a)[self.retain], assume_a="pos")
        return np.asarray(self.initial[self.forget] + self.gram[np.ix_(self.forget, self.retain)] @ fitted)

    def outputs(self, a: Array) -> Array:
        """Φw, for w of coefficients ``a``."""
        return np.asarray(self.initial + self.gram @ a)

    def gap(self, a: Array, b: Array) -> float:
        """‖w − w'‖ = (cᵀKc)^½ with c = a − b, their coefficients."""
        c = a - b
        return float(np.sqrt(max(0.0, float(np.sum(c * (self.gram @ c))))))


def first_epoch(small: Callable[[int], bool], largest: int, guess: int = 1, digits: int = 15) -> int | None:
    """The first epoch from which on a gap is small, if the gap falls from there; None beyond ``largest``.

    Doubles or halves the guess until it is on the other side, then halves the interval; a gap that rises again in
    between is not seen.

    Args:
        small: whether the gap after so many epochs is.
        guess: where to look first.
        digits: how many of the answer are wanted.

    Example:
        >>> [first_epoch(lambda epochs: 0.5**epochs < 1e-6, 100, guess) for guess in (1, 20, 90)]
        [20, 20, 20]
        >>> first_epoch(lambda epochs: False, 100)
    """
    high = max(1, min(guess, largest))
    if small(high):
        while high > 1 and small(high // 2):
            high //= 2
        low = high // 2
    else:
        low = high
        while not small(high := 2 * low):
            if high > largest:
                return None
            low = high
    while high - low > max(1.0, 10.0**-digits * high):
        middle = (low + high) // 2
        low, high = (low, middle) if small(middle) else (middle, high)
    return high


def relative_error(predicted: float, measured: float, scale: float = 0.0) -> float:
    """|predicted − measured| / max(|measured|, scale); infinite where a number is not finite.

    Below ``scale`` a difference means nothing: it is what rounding leaves of a gap that is zero, for example.
    """
    if not (math.isfinite(predicted) and math.isfinite(measured)):
        return math.inf
    below = max(abs(measured), scale)
    return 0.0 if predicted == measured else abs(predicted - measured) / below if below else math.inf


def judge(rows: Iterable[Mapping[str, Any]], tolerance: float = 1e-6) -> dict[str, Any]:
    """Hold every prediction against its measurement.

    Args:
        rows: with ``relative error`` each; a row without one was not predicted and is counted as such.
        tolerance: the largest relative error allowed.
    """
    found = list(rows)
    predicted = [row for row in found if row.get("relative error") is not None]
    worst = max(predicted, key=lambda row: float(row["relative error"]), default=None)
    wrong = [row for row in predicted if not row["relative error"] <= tolerance]
    return {
        "tolerance": tolerance,
        "predictions": len(predicted),
        "not predicted": len(found) - len(predicted),
        "largest relative error": None if worst is None else worst["relative error"],
        "worst": worst,
        "beyond tolerance": len(wrong),
        "failed": bool(wrong) or not predicted,
    }


def error_in_words(verdict: Mapping[str, Any]) -> str:
    """The largest error of a judgement, and what it is relative to."""
    return (
        f"largest error {verdict['largest relative error']:.1e} of the gap, or of the scale below which float64 and "
        "the tolerance of an audit tell no gaps apart"
    )
