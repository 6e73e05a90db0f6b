"""Audits of guarantees: draw from a mechanism on two neighbouring data sets, and bound from below how far they differ.

An audit can refute a guarantee and never prove one. Half of the draws choose an event that looks different on the two
data sets; the other half, which the choice has not seen, count it. Clopper–Pearson bounds of the two probabilities
p ≤ P(S) and Q(S) ≤ q then give, with the stated confidence and for any distribution,

* ε ≥ ln((p − δ)/q), because P(S) ≤ e^ε Q(S) + δ for every event (as in M. Jagielski, J. Ullman, A. Oprea, "Auditing
  differentially private machine learning", 2020);
* Δ/σ ≥ Φ⁻¹(p) − Φ⁻¹(q) for what a Gaussian mechanism may show, because its trade-off curve is that of two normals (J.
  Dong, A. Roth, W. Su, "Gaussian differential privacy", 2022). It is much sharper at large ε: ln((p − δ)/q) cannot
  exceed the logarithm of the number of draws.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.special import betaincinv, ndtri

from ..errors import expected
from ..evidence import round_digits
from .gaussian import gaussian_epsilon
from .guarantees import Guarantee
from .intervals import check_level
from .outputs import Array, output_columns

__all__ = ["GuaranteeAudit", "audit_guarantee"]

_Event = Callable[[Array], Array]

FEWEST = 40
_THRESHOLDS = 64


@final
@dataclass(frozen=True)
class GuaranteeAudit:
    """What two samples of a mechanism's output show against its guarantee.

    Args:
        epsilon: a lower bound of ε at the guarantee's δ, whatever the distributions are; at least 0.
        ratio: a lower bound of Δ/σ; at least 0.
        epsilon_of_ratio: the ε that a Gaussian mechanism with this ratio has at the guarantee's δ.
        promised_epsilon: ε of the guarantee.
        promised_ratio: √k Δ/σ of the guarantee.
        draws: from each data set, half to choose the events and half to count them.
        level: confidence of both bounds together.

    Example:
        >>> audit = GuaranteeAudit(0.5, 0.2, 0.6, 1.0, 0.27, 1000, 0.9999)
        >>> audit.violated
        False
    """

    epsilon: float
    ratio: float
    epsilon_of_ratio: float
    promised_epsilon: float
    promised_ratio: float
    draws: int
    level: float

    @property
    def violated(self) -> bool:
        """Whether the guarantee is false, at the stated confidence."""
        return self.epsilon > self.promised_epsilon or self.ratio > self.promised_ratio

    def __str__(self) -> str:
        word = "violated" if self.violated else "not violated"
        any_, normal = (round_digits(e, up=False, digits=3) for e in (self.epsilon, self.epsilon_of_ratio))
        return (
            f"{word}: ε ≥ {any_} for any distribution, ε ≥ {normal} for a Gaussian "
            f"mechanism, promised {self.promised_epsilon:g} ({self.draws} draws each, level {self.level:g})"
        )


def audit_guarantee(
    promise: Guarantee,
    publish: Callable[[int], object],
    publish_neighbour: Callable[[int], object],
    *,
    draws: int = 2000,
    level: float = 0.9999,
) -> GuaranteeAudit:
    """Try to refute a guarantee by drawing from its mechanism on two data sets that it must make hard to tell apart.

    Args:
        promise: the guarantee.
        publish: a seed → everything that is published, any shape, on one data set.
        publish_neighbour: the same on the other, or by retraining.
        draws: from each, at least 40; they get different seeds.
        level: confidence in (0, 1); a true guarantee is called violated with probability at most 1 − level.

    Returns:
        Both lower bounds.

    Raises:
        BadInputError: too few draws, a level outside (0, 1), or outputs of different sizes or not finite.

    Example:
        >>> from muso_theory.evaluation import guarantee
        >>> from muso_theory.numbers import Quantity
        >>> promise = guarantee("proved-gap", 1.0, 1e-5, gap=Quantity.exact(1))
        >>> normal = lambda seed: np.random.default_rng(seed).standard_normal(1)
        >>> enough = promise.sigma
        >>> audit_guarantee(promise, lambda s: 1 + enough * normal(s), lambda s: enough * normal(s)).violated
        False
        >>> audit_guarantee(promise, lambda s: 1 + 0.5 * normal(s), lambda s: 0.5 * normal(s)).violated
        True
    """
    check_level(level)
    if isinstance(draws, bool) or not isinstance(draws, int) or draws < FEWEST:
        raise expected(f"at least {FEWEST} draws", "draws", draws, type(draws).__name__, "2000")
    # Seeds that no two draws share, or equal noise would stand on both sides.
    first = _sample(publish, range(draws), "publish")
    second = _sample(publish_neighbour, range(draws, 2 * draws), "publish_neighbour")
    if first.shape != second.shape:
        raise expected("outputs of one size", "publish_neighbour", second.shape, "shape", f"{first.shape}")
    half = draws // 2
    # Two bounds, each of two probabilities, share the error.
    tail = (1 - level) / 4

    def epsilon(p: Array, q: Array) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(p > promise.delta, np.log((p - promise.delta) / q), -np.inf)

    def ratio(p: Array, q: Array) -> Array:
        return np.where(p > 0, ndtri(p), -np.inf) - ndtri(q)

    found = []
    for bound in (epsilon, ratio):
        # Both orders: either data set may be the likelier one. Only the better one is counted on fresh draws.
        (_, event), swapped = max(
            (
                (_choose(first[:half], second[:half], bound, tail), False),
                (_choose(second[:half], first[:half], bound, tail), True),
            ),
            key=lambda choice: choice[0][0],
        )
        a, b = (np.sum(event(sample[half:]), keepdims=True) for sample in (first, second))
        p, q = _bounds(b, a, draws - half, tail) if swapped else _bounds(a, b, draws - half, tail)
        found.append(max(0.0, float(bound(p, q)[0])))
    of_ratio = gaussian_epsilon(found[1], 1.0, promise.delta)
    return GuaranteeAudit(found[0], found[1], of_ratio, promise.epsilon, promise.ratio, draws, level)


def _sample(publish: Callable[[int], object], seeds: Iterable[int], name: str) -> Array:
    """One row of published numbers a seed."""
    rows = [np.ravel(np.asarray(publish(seed), dtype=np.float64)) for seed in seeds]
    if len({row.size for row in rows}) != 1:
        raise expected("outputs of one size", name, sorted({row.size for row in rows}), "sizes", "one model")
    return output_columns(np.array(rows), name)


def _bounds(a: Array, b: Array, n: int, tail: float) -> tuple[Array, Array]:
    """Clopper–Pearson: P is at least the first, Q at most the second, each but for a probability ``tail``."""
    low = np.where(a > 0, betaincinv(np.maximum(a, 1), n - a + 1.0, tail), 0.0)
    high = np.where(b < n, betaincinv(b + 1.0, np.maximum(n - b, 1), 1 - tail), 1.0)
    return low, high


def _choose(x: Array, y: Array, bound: Callable[[Array, Array], Array], tail: float) -> tuple[float, _Event]:
    """The event, likelier on x, whose lower bound is the largest on the draws that choose it, and that bound."""
    best: tuple[float, _Event] = (-math.inf, lambda sample: np.zeros(len(sample), dtype=bool))
    for score in _scores(x, y):
        mine, other = score(x), score(y)
        thresholds = np.quantile(np.concatenate([mine, other]), np.linspace(0, 1, _THRESHOLDS + 2)[1:-1])
        a, b = ((values[:, None] > thresholds).sum(axis=0) for values in (mine, other))
        values = bound(*_bounds(a, b, len(x), tail))
        at = int(np.argmax(values))
        if values[at] > best[0]:
            best = float(values[at]), _above(score, float(thresholds[at]))
    return best


def _above(score: Callable[[Array], Array], threshold: float) -> _Event:
    return lambda sample: score(sample) > threshold


def _scores(x: Array, y: Array) -> Iterator[Callable[[Array], Array]]:
    """Numbers that tend to be larger on x: along the difference of means, and by how far both clouds reach."""
    centre, other = x.mean(axis=0), y.mean(axis=0)
    # What one side shows without any noise must not divide by zero, nor be drowned by what is noisy.
    variance = (x.var(axis=0) + y.var(axis=0)) / 2
    variance += 1e-12 * variance.max() + 1e-200
    yield lambda sample: sample @ ((centre - other) / variance)
    # The likelihood ratio of two normals sees a difference of spread, however many parameters share it.
    spread, wide = (np.mean((v - v.mean(axis=0)) ** 2 / variance) + 1e-200 for v in (x, y))
    yield (
        lambda sample: (
            np.sum((sample - other) ** 2 / variance, axis=1) / wide
            - np.sum((sample - centre) ** 2 / variance, axis=1) / spread
        )
    )
