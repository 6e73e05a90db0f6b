"""Confidence intervals that keep their coverage at the ends: for a rate, and for a mean over pairs with no spread."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from typing import final

import numpy as np

from ..errors import check_integer, expected
from ..former import former

__all__ = [
    "Estimate",
    "binomial_rate",
    "check_level",
    "pairs_interval",
    "quantile_ranks",
    "real_number",
    "wald_interval",
]
former(__name__)

Interval = tuple[float, float]


@final
@dataclass(frozen=True, repr=False)
class Estimate:
    """A measured number with its interval: a fraction that was counted, or a difference of two AUCs.

    Args:
        value: the number.
        interval: both ends.

    Example:
        >>> Estimate(0.5, (0.1, 0.9)), float(Estimate(0.5, (0.1, 0.9)))
        (Estimate(0.5 in [0.100, 0.900]), 0.5)
    """

    value: float
    interval: Interval

    def __float__(self) -> float:
        return self.value

    @property
    def excludes_zero(self) -> bool:
        """Whether a difference is more than chance explains."""
        return not self.interval[0] <= 0 <= self.interval[1]

    def __repr__(self) -> str:
        low, high = self.interval
        return f"Estimate({self.value:.5g} in [{low:.3f}, {high:.3f}])"


def check_level(level: float) -> None:
    """Refuse a confidence level outside (0, 1)."""
    if not 0 < real_number("level", level, "a confidence level in (0, 1)", "0.95") < 1:
        raise expected("a confidence level in (0, 1)", "level", level, type(level).__name__, "0.95")


def real_number(name: str, value: object, what: str, hint: str) -> float:
    """Read one number, of Python or NumPy; NaN is one.

    Raises:
        BadInputError: text, a truth value, None, or a number beyond floats.

    Example:
        >>> real_number("q", np.float32(0.5), "a probability", "0.95")
        0.5
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise expected(what, name, value, type(value).__name__, hint)
    try:
        return float(value)
    except OverflowError:
        raise expected(what, name, value, "beyond floats", hint) from None


def binomial_rate(successes: int, trials: int, level: float = 0.95) -> Estimate:
    """A fraction with its Clopper–Pearson interval, which covers at least as often as it says, at any sample size.

    Args:
        trials: of how many, at least one.

    Raises:
        BadInputError: no trials, negative or fractional counts, more successes than trials, or a level outside (0, 1).

    Example:
        >>> rate = binomial_rate(0, 20)
        >>> rate.value, round(rate.interval[1], 4)
        (0.0, 0.1684)
    """
    from scipy.stats import beta

    check_level(level)
    successes = check_integer("successes", successes, 0)
    if successes > check_integer("trials", trials, 1):
        raise expected("0 ≤ successes ≤ trials, trials ≥ 1", "successes", successes, f"of {trials}", "counts")
    # Each end is the rate at which so many successes, or so few, have probability (1 − level)/2; binomial tails are
    # incomplete beta functions, so that it is a quantile of a beta distribution (C. Clopper, E. Pearson 1934).
    tail = (1 - level) / 2
    low = float(beta.ppf(tail, successes, trials - successes + 1)) if successes else 0.0
    high = float(beta.ppf(1 - tail, successes + 1, trials - successes)) if successes < trials else 1.0
    return Estimate(successes / trials, (low, high))


def quantile_ranks(share: float, trials: int, level: float) -> tuple[int, int]:
    """Order statistics between which an upper quantile of the population lies, whatever its distribution.

    Let t* be the smallest t with P(X > t) ≤ ``share``, and X₁ ≥ X₂ ≥ … the sample by falling size. If t* exceeds X_a,
    fewer than a of the sample are at least t*, though each is so with probability at least ``share``; if t* is below
    X_b, at least b are larger than t*, though each is so with probability at most ``share``. Both are binomial tails,
    and each is held to half of 1 − level (H. David and H. Nagaraja, "Order Statistics", §7.1).

    Args:
        share: part of the population above t*, in (0, 1).

    Returns:
        a and b with X_a ≥ t* ≥ X_b; a = 0 is no bound above, b = trials + 1 none below.

    Raises:
        BadInputError: no trials, or a level outside (0, 1).

    Example:
        >>> quantile_ranks(0.1, 20, 0.95), quantile_ranks(0.1, 200, 0.95)
        ((0, 6), (12, 30))
    """
    from scipy.stats import binom

    check_level(level)
    tail, counts = (1 - level) / 2, np.arange(check_integer("trials", trials, 1) + 2)
    few = np.sum(binom.cdf(counts, trials, share) <= tail)
    many = np.sum(binom.sf(counts - 1, trials, share) > tail)
    return int(few), int(many)


def pairs_interval(value: float, pairs: int, width: float, level: float) -> Interval:
    """Interval for the mean of a bounded statistic that came out the same on every pair of samples.

    A sample variance of zero says nothing by itself. But if k independent pairs all gave ``value``, then with the
    stated confidence another value comes up with probability at most q = 1 − (1 − level)^(1/k), so the mean is within
    q times the statistic's range of ``value``.

    Args:
        value: what every pair gave.
        pairs: k, the number of independent pairs.
        width: the largest distance of the statistic from ``value``.

    Raises:
        BadInputError: no pairs, or a level outside (0, 1).

    Example:
        >>> low, high = pairs_interval(1.0, 20, 1.0, 0.95)
        >>> round(low, 4), round(high, 4)
        (0.8609, 1.1391)
    """
    check_level(level)
    pairs = check_integer("pairs", pairs, 1)
    q = -math.expm1(math.log1p(-level) / pairs)
    return value - width * q, value + width * q


def wald_interval(value: float, variance: float, level: float, freedom: float = math.inf) -> Interval:
    """Both ends of value ± t times the standard error.

    Args:
        value: an estimate, close to normal.
        variance: of the estimate.
        freedom: degrees of freedom of the variance, which is itself estimated; infinitely many give the normal's z.

    Raises:
        BadInputError: a negative or undefined variance, no degrees of freedom, or a level outside (0, 1).

    Example:
        >>> [round(end, 2) for end in wald_interval(0.0, 1.0, 0.95)]
        [-1.96, 1.96]
        >>> [round(end, 2) for end in wald_interval(0.0, 1.0, 0.95, freedom=6)]
        [-2.45, 2.45]
    """
    from scipy.special import ndtri, stdtrit

    check_level(level)
    if not (variance >= 0 and freedom > 0):
        words = "a variance ≥ 0 with degrees of freedom > 0"
        raise expected(words, "variance, freedom", (variance, freedom), "floats", "more samples")
    tail = (1 + level) / 2
    quantile = ndtri(tail) if math.isinf(freedom) else stdtrit(freedom, tail)
    half = float(quantile) * math.sqrt(variance)
    return value - half, value + half
