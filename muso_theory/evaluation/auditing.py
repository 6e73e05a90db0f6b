"""Audits of guarantees: draw from a mechanism on two neighbouring data sets, and bound from below how far they differ.

An audit can refute a guarantee and never prove one. A quarter of the draws choose an event that looks different on the
two data sets; the rest, which the choice has not seen, count it. Clopper–Pearson bounds of the two probabilities
p ≤ P(S) and Q(S) ≤ q then give, with the stated confidence and for any distribution,

* ε ≥ ln((p − δ)/q), because P(S) ≤ e^ε Q(S) + δ for every event (as in M. Jagielski, J. Ullman, A. Oprea, "Auditing
  differentially private machine learning", 2020);
* Δ/σ ≥ Φ⁻¹(p) − Φ⁻¹(q) for what a Gaussian mechanism may show, because its trade-off curve is that of two normals (J.
  Dong, A. Roth, W. Su, "Gaussian differential privacy", 2022). It is much sharper at large ε: ln((p − δ)/q) cannot
  exceed the logarithm of the number of draws.

So many draws can show so much and no more. An audit that could not refute its guarantee even if the two data sets never
gave the same output is refused, and every other one says how much too little noise it finds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from scipy.special import betaincinv, ndtr, ndtri

from ..arrays import Array, float_values
from ..errors import check_integer, expected
from ..evidence import round_digits
from .events import Events
from .gaussian import gaussian_epsilon
from .guarantees import Guarantee
from .intervals import check_level
from .outputs import output_columns

__all__ = ["GuaranteeAudit", "audit_guarantee"]

_Bound = Callable[[Array, Array], Array]

_FEWEST = 40
_MISSED = 0.1
"""How often an audit may miss noise that is too small by the factor which it is said to find."""

_CHOOSING = 0.2
"""Error of the probabilities that events are chosen by. Nothing rests on it: it holds back extreme events of few draws,
and lets through rare ones that are real."""


@final
@dataclass(frozen=True)
class GuaranteeAudit:
    """What two samples of a mechanism's output show against its guarantee.

    Args:
        epsilon: a lower bound of ε at the guarantee's δ, whatever the distributions are; at least 0.
        ratio: a lower bound of Δ/σ; at least 0.
        promise: the guarantee.
        draws: from each data set, a quarter to choose the events and the rest to count them.
        level: confidence of both bounds together.

    Example:
        >>> from muso_theory.evaluation import guarantee
        >>> from muso_theory.numbers import Quantity
        >>> promise = guarantee("proved-gap", 1.0, 1e-5, gap=Quantity.exact(1))
        >>> audit = GuaranteeAudit(0.5, 0.2, promise, 10_000, 0.9999)
        >>> print(audit)
        not violated: ε ≥ 0.5 for any distribution, ε ≥ 0.725 for a Gaussian mechanism, promised 1; ...
    """

    epsilon: float
    ratio: float
    promise: Guarantee
    draws: int
    level: float

    @property
    def violated(self) -> bool:
        """Whether the guarantee is false, at the stated confidence."""
        return self.epsilon > self.promise.epsilon or self.ratio > self.promise.ratio

    @property
    def epsilon_of_ratio(self) -> float:
        """The ε that a Gaussian mechanism with this Δ/σ has at the guarantee's δ."""
        return gaussian_epsilon(self.ratio, 1.0, self.promise.delta)

    @property
    def largest(self) -> tuple[float, float]:
        """The largest bounds of ε and Δ/σ that so many draws can give, where no output is common to both sides."""
        return _largest(_counted(self.draws), self.promise.delta, _tail(self.level))

    @cached_property
    def detects(self) -> float:
        """The smallest factor of too little noise on one published number that counting finds in nine of ten runs.

        It is for a Gaussian mechanism at just the distance Δ of the guarantee, with σ divided by the factor, and the
        best of its half-lines as the event: each count is beyond its 5 % quantile with probability .95, and the bounds
        of those two counts are compared with the promise. An audit has to choose its event from a quarter of the draws,
        which costs some of them: of 440 simulated audits with ε from 1 to 10 it found 398, at ε = 0.1 with 320,000
        draws 20 of 30. Of several published numbers it also has to learn in which direction they differ, from an eighth
        of the draws, and finds less: of 30 numbers 48 of 60 at ε = 10 with 400 draws, 18 of 60 at ε = 1 with 5,000.
        Where data reach a share of Δ only, the factor is so much larger. Infinite where Δ = 0, which needs no noise.
        """
        return _factor(_counted(self.draws), self.promise, _tail(self.level))

    @property
    def _power(self) -> str:
        if not self.promise.ratio:
            return ", and Δ = 0 needs no noise"
        factor = round_digits(self.detects, up=True, digits=3)
        return f", and noise {factor} times too little on one published number at distance Δ would mostly be found"

    def __str__(self) -> str:
        word = "violated" if self.violated else "not violated"
        any_, normal = (round_digits(e, up=False, digits=3) for e in (self.epsilon, self.epsilon_of_ratio))
        most, apart = (round_digits(bound, up=True, digits=3) for bound in self.largest)
        return (
            f"{word}: ε ≥ {any_} for any distribution, ε ≥ {normal} for a Gaussian mechanism, promised "
            f"{self.promise.epsilon:g}; at most ε ≥ {most} and Δ/σ ≥ {apart} could be shown{self._power} "
            f"({self.draws} draws each, level {self.level:g})"
        )


def audit_guarantee(
    promise: Guarantee,
    publish: Callable[[int], object],
    publish_neighbour: Callable[[int], object],
    *,
    draws: int = 2000,
    level: float = 0.9999,
    batch: int = 1,
    seed: int = 0,
) -> GuaranteeAudit:
    """Try to refute a guarantee by drawing from its mechanism on two data sets that it must make hard to tell apart.

    Events are looked for one published number at a time, at both ends and around the middle, in its lowest bit and
    among values that come back, and in all numbers together along the difference of their middles and by their spread.
    A leak that shows only in how numbers go together, or only to who knows the generator of the noise, is not found,
    nor is one that so many draws show too seldom.

    Args:
        promise: the guarantee.
        publish: a seed → everything that is published, any shape, on one data set; several independent draws of it,
            one a row, if ``batch`` says so.
        publish_neighbour: the same on the other, or by retraining.
        draws: from each, at least 40; all calls get different seeds.
        level: confidence in (0, 1); a true guarantee is called violated with probability at most 1 − level.
        batch: how many draws a call returns; it divides ``draws``.
        seed: of the audit; audits of different seeds hand different seeds to all calls.

    Returns:
        Both lower bounds, the largest that could have come out, and the smallest factor of too little noise on one
        published number that would mostly have been found.

    Raises:
        BadInputError: so few draws that no outcome would refute the guarantee, with the number that is needed; a level
            outside (0, 1); a batch that does not divide the draws; no guarantee, or points in place of functions; or
            outputs of different sizes, or no finite real numbers.

    Example:
        >>> from muso_theory.evaluation import guarantee
        >>> from muso_theory.numbers import Quantity
        >>> promise = guarantee("proved-gap", 1.0, 1e-5, gap=Quantity.exact(1))
        >>> normal = lambda seed: np.random.default_rng(seed).standard_normal((4000, 1))
        >>> def audit(sigma, digits):
        ...     publish = [lambda seed, at=at: np.round(at + sigma * normal(seed), digits) for at in (1, 0)]
        ...     return audit_guarantee(promise, *publish, draws=8000, batch=4000).violated
        >>> audit(promise.sigma, 3), audit(promise.sigma / 2, 3)
        (False, True)

        A release and its audit, on the two data sets that differ in one sample:

        >>> from muso_theory.evaluation import Objective, Public
        >>> whole = Objective(np.eye(4) / 2, np.array([1.0, -1.0, 1.0, -1.0]), "squared", 1.0)
        >>> kept = whole.on([0, 1, 2])
        >>> constants = Public(samples=4, forget=1, loss="squared", ridge=1.0, feature_norm=1.0, target_bound=1.0,
        ...                    rounding=1e-9)
        >>> found = guarantee("output-noise", 10.0, 1e-5, public=constants)
        >>> draw = [lambda seed, data=data: found.release(data.minimiser(), data, [], seed, draws=400)
        ...         for data in (whole, kept)]
        >>> audit_guarantee(found, *draw, draws=400, batch=400).violated
        False

        >>> audit(promise.sigma, 30)  # the last bits of a float sum tell what was added to
        True
        >>> audit_guarantee(guarantee("proved-gap", 100.0, 1e-5, gap=Quantity.exact(1)), normal, normal, draws=400)
        Traceback (most recent call last):
        muso_theory.errors.BadInputError: expected at least ... draws, or no outcome would refute ... got draws=400 ...
    """
    if not isinstance(promise, Guarantee):
        raise expected("a guarantee", "promise", type(promise).__name__, "type", "guarantee(…)")
    for name, each in (("publish", publish), ("publish_neighbour", publish_neighbour)):
        if not callable(each):
            raise expected(
                "a function of a seed",
                name,
                type(each).__name__,
                "type",
                "lambda seed: promise.release(…, seed)",
            )
    check_level(level)
    draws = check_integer("draws", draws, _FEWEST)
    batch = check_integer("batch", batch, 1)
    if draws % batch:
        raise expected("a batch that divides the draws", "batch", batch, f"of {draws} draws", "1")
    delta, tail = promise.delta, _tail(level)
    if _cannot_fail(draws, promise, tail):
        need = _needed(promise, tail)
        what = f"at least {need} draws, or no outcome would refute ε = {promise.epsilon:g}, Δ/σ = {promise.ratio:.3g}"
        raise expected(what, "draws", draws, "too few", f"draws={need}")
    # Seeds that no two draws share, or equal noise would stand on both sides.
    calls = draws // batch
    start = check_integer("seed", seed) << 40
    first = _sample(publish, range(start, start + calls), batch, "publish")
    second = _sample(publish_neighbour, range(start + calls, start + 2 * calls), batch, "publish_neighbour")
    if first.shape != second.shape:
        raise expected("outputs of one size", "publish_neighbour", second.shape, "shape", f"{first.shape}")
    counted = _counted(draws)
    chosen = draws - counted
    found = []
    events = Events(first[: chosen // 2], second[: chosen // 2])
    mine, other = (events(sample[chosen // 2 : chosen]) for sample in (first, second))
    for bound in (_epsilon_bound(delta), _ratio_bound):
        # Both orders: either data set may be the likelier one. Only the better event is counted on fresh draws.
        options = [
            (*_choose(a, b, bound, counted, tail), swapped)
            for a, b, swapped in ((mine, other, False), (other, mine, True))
        ]
        _, column, threshold, swapped = max(options)
        a, b = (np.array([np.sum(events(each[chosen:], column) > threshold)]) for each in (first, second))
        p, q = _bounds(b, a, counted, tail) if swapped else _bounds(a, b, counted, tail)
        found.append(max(0.0, float(bound(p, q)[0])))
    return GuaranteeAudit(found[0], found[1], promise, draws, level)


def _counted(draws: int) -> int:
    """How many of the draws count the event."""
    return draws - draws // 4


def _tail(level: float) -> float:
    """The error of one of four Clopper–Pearson bounds: two bounds, each of two probabilities, share it."""
    return (1 - level) / 4


def _epsilon_bound(delta: float) -> _Bound:
    def bound(p: Array, q: Array) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(p > delta, np.log((p - delta) / q), -np.inf)

    return bound


def _ratio_bound(p: Array, q: Array) -> Array:
    found: Array = np.where(p > 0, ndtri(p), -np.inf) - ndtri(q)
    return found


def _sample(publish: Callable[[int], object], seeds: range, batch: int, name: str) -> Array:
    """One row of published numbers a draw."""
    rows = []
    for seed in seeds:
        drawn = float_values(name, publish(seed), None, boolean=True)
        if batch > 1 and (drawn.ndim < 2 or len(drawn) != batch):
            raise expected(
                f"{batch} draws, one a row,", name, drawn.shape, "shape", "batch=1 for one draw a call"
            )
        rows.append(drawn.reshape(batch, -1))
    if len({row.shape for row in rows}) != 1:
        raise expected("outputs of one size", name, sorted({row.size for row in rows}), "sizes", "one model")
    return output_columns(np.concatenate(rows), name)


def _bounds(a: Array, b: Array, n: int, tail: float) -> tuple[Array, Array]:
    """Clopper–Pearson: P is at least the first, Q at most the second, each but for a probability ``tail``."""
    # P(Bin(n, p) ≥ a) = I_p(a, n − a + 1) grows with p: the first bound is the p at which it is ``tail``, the second
    # that at which P(Bin(n, p) ≤ b) = 1 − I_p(b + 1, n − b) is (C. Clopper, E. Pearson, Biometrika 1934).
    low = np.where(a > 0, betaincinv(np.maximum(a, 1), n - a + 1.0, tail), 0.0)
    high = np.where(b < n, betaincinv(b + 1.0, np.maximum(n - b, 1), 1 - tail), 1.0)
    return low, high


def _choose(x: Array, y: Array, bound: _Bound, counted: int, tail: float) -> tuple[float, int, float]:
    """The lower bound that counting may be expected to give, and column and threshold of the event, likelier on x."""
    n, width = x.shape
    pooled = np.sort(np.concatenate([x, y]), axis=0)
    # A leak may show in the few largest values alone, so that ranks grow by tenths from both ends.
    ranks = np.unique(np.ceil(1.1 ** np.arange(math.ceil(math.log(2 * n, 1.1)))).astype(np.int64))
    ranks = np.unique(np.concatenate([ranks, 2 * n - ranks]))
    thresholds = pooled[ranks[(ranks > 0) & (ranks < 2 * n)] - 1]
    above = [np.empty(thresholds.shape, dtype=np.int64) for _ in range(2)]
    for counts, sample in zip(above, (x, y), strict=True):
        for j in range(width):
            counts[:, j] = n - np.searchsorted(np.sort(sample[:, j]), thresholds[:, j], side="right")
    # Counting is then thought to find the event as seldom on x, and as often on y, as these draws let one believe.
    seldom, often = _bounds(np.arange(n + 1), np.arange(n + 1), n, _CHOOSING)
    low, high = _bounds(counted * seldom, counted * often, counted, tail)
    values = bound(low[above[0]], high[above[1]])
    row, column = np.unravel_index(int(np.argmax(values)), values.shape)
    return float(values[row, column]), int(column), float(thresholds[row, column])


def _largest(counted: int, delta: float, tail: float) -> tuple[float, float]:
    """Both bounds where one data set always shows the event and the other never."""
    p, q = _bounds(np.array([counted]), np.array([0]), counted, tail)
    return max(0.0, float(_epsilon_bound(delta)(p, q)[0])), max(0.0, float(_ratio_bound(p, q)[0]))


def _cannot_fail(draws: int, promise: Guarantee, tail: float) -> bool:
    epsilon, ratio = _largest(_counted(draws), promise.delta, tail)
    return epsilon <= promise.epsilon and ratio <= promise.ratio


def _needed(promise: Guarantee, tail: float) -> int:
    """The fewest draws with which the guarantee could be refuted."""
    high = _FEWEST
    while _cannot_fail(high, promise, tail):
        high *= 2
        if high > 2**50:  # probabilities beyond are 1 in floats
            hint = "a guarantee of smaller ε"
            raise expected("a guarantee that draws can refute", "epsilon", promise.epsilon, "too large", hint)
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _cannot_fail(middle, promise, tail) else (low, middle)
    return high


def _factor(counted: int, promise: Guarantee, tail: float) -> float:
    """The smallest factor of too little noise at distance Δ that is found but for a share `_MISSED` of the runs."""
    if not promise.ratio:
        return math.inf
    from scipy.stats import binom

    starts = np.linspace(-5, 5, 201)

    def finds(factor: float) -> bool:
        # The most powerful events between two normals of one variance are half-lines (Neyman and Pearson 1933).
        shift = factor * promise.ratio / 2
        a = np.asarray(binom.ppf(_MISSED / 2, counted, ndtr(shift - starts)))
        b = np.asarray(binom.ppf(1 - _MISSED / 2, counted, ndtr(-shift - starts)))
        p, q = _bounds(a, b, counted, tail)
        shown = np.max(_epsilon_bound(promise.delta)(p, q)), np.max(_ratio_bound(p, q))
        return bool(shown[0] > promise.epsilon or shown[1] > promise.ratio)

    low, high = 1.0, 2.0
    while not finds(high):
        low, high = high, 2 * high
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (low, middle) if finds(middle) else (middle, high)
    return high
