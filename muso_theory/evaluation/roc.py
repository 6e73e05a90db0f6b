"""What an attack's scores are worth: area under the ROC curve and true positives at few false ones, with intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np

from ..arguments import checked
from ..arrays import Array
from ..errors import expected
from ..former import former
from ..numbers import is_constant
from ..numbers.constant import rounding, tied
from .intervals import (
    Estimate,
    Interval,
    binomial_rate,
    check_level,
    pairs_interval,
    quantile_ranks,
    real_number,
    wald_interval,
)
from .outputs import score_vector

__all__ = ["Attack", "calibrated", "placements", "roc"]
former(__name__)

FEWEST_SCORES = 5
"""Fewest samples of a kind that an interval is given for."""


@final
@dataclass(frozen=True, eq=False, repr=False)
class Attack:
    """How well scores tell members from non-members; a larger score says "member".

    Args:
        members: scores of members, shape (m,).
        nonmembers: scores of non-members, shape (k,).
        threshold: what calls a sample a member, if the attack decides; else NaN.
        samples: which of the samples handed to the attack these are, members then non-members.
        level: confidence level of every interval.
        method: what made scores of the data: a method of ``attack``, or "scores" where they were handed in.

    Example:
        >>> roc(np.arange(20.0) + 5, np.arange(20.0))
        Attack(AUC 0.71875 in [0.533, 0.851], 20 members, 20 non-members)
    """

    members: Array
    nonmembers: Array
    threshold: float = math.nan
    samples: tuple[Array, Array] | None = None
    level: float = 0.95
    method: str = "scores"

    @cached_property
    def _placements(self) -> tuple[Array, Array]:
        return placements(self.members, self.nonmembers)

    @property
    def auc(self) -> float:
        """Probability that a member scores above a non-member, ties counted half."""
        return float(self._placements[0].mean())

    @cached_property
    def interval(self) -> Interval:
        """DeLong's interval of the AUC on the logit scale, by Student's t; where all pairs agree, one from them.

        With fewer than about fifteen members and an AUC above 0.9 a nominal 95 % cover about 88 %.
        """
        auc, (variance, freedom) = self.auc, _variance(*self._placements)
        if variance == 0:
            fewer = min(len(self.members), len(self.nonmembers))
            low, high = pairs_interval(auc, fewer, max(auc, 1 - auc), self.level)
            return max(low, 0.0), min(high, 1.0)
        slope = auc * (1 - auc)
        ends = wald_interval(math.log(auc / (1 - auc)), variance / slope**2, self.level, freedom)
        low, high = (1 / (1 + math.exp(-end)) for end in ends)
        return low, high

    def tpr(self, fpr: float) -> Estimate:
        """True positive rate at the loosest threshold that lets at most a fraction ``fpr`` of non-members through.

        The interval is for the population: the true positive rate at the loosest threshold t* whose own false positive
        rate is at most ``fpr``. Where t* lies is known from the non-members only, as from one of their order statistics
        to another; half of the error goes into that and half into the members beyond either end (Clopper–Pearson), so
        it covers at least as often as it says. An interval at the sample's cut alone would leave the first half out,
        and with 20 non-members cover a third of the time at a nominal 95 %.

        Args:
            fpr: false positive rate, at least 1/k for k non-members: fewer cannot show it.

        Returns:
            The rate at the sample's cut, and the interval; from 0 where the non-members are too few to bound t* above.

        Raises:
            BadInputError: outside (0, 1), or too small for these samples; the smallest usable one is named.

        Example:
            >>> roc(np.arange(20.0) + 5, np.arange(20.0)).tpr(0.1).value
            0.35
        """
        what = "a false positive rate in (0, 1)"
        if not 0 < real_number("fpr", fpr, what, "0.1") < 1:
            raise expected(what, "fpr", fpr, type(fpr).__name__, "0.1")
        k = len(self.nonmembers)
        # 1/k as a float may lie a hair above the fraction, so the count is rounded before it is cut.
        allowed = math.floor(fpr * k * (1 + 1e-12))
        if allowed < 1:
            what = f"at least {math.ceil(1 / fpr)} non-members for a false positive rate of {fpr:g}"
            raise expected(what, "nonmembers", k, "too few", f"fpr={smallest_rate(k)}, the smallest usable")
        falling = np.concatenate([[np.inf], np.sort(self.nonmembers)[::-1], [-np.inf]])
        few, many = quantile_ranks(fpr, k, (1 + self.level) / 2)
        above = [int(np.sum(self.members > falling[rank])) for rank in (few, allowed + 1, many)]
        low, middle, high = (binomial_rate(count, len(self.members), (1 + self.level) / 2) for count in above)
        return Estimate(middle.value, (low.interval[0], high.interval[1]))

    @property
    def accuracy(self) -> Estimate:
        """Fraction that the attack's own threshold decides rightly, over members and non-members together.

        Raises:
            BadInputError: the attack has scores only and no threshold.
        """
        if math.isnan(self.threshold):
            raise expected("an attack that decides", "threshold", "nan", "scores only", "attack(…)")
        right = int(np.sum(self.members > self.threshold) + np.sum(self.nonmembers <= self.threshold))
        return binomial_rate(right, len(self.members) + len(self.nonmembers), self.level)

    def __repr__(self) -> str:
        low, high = self.interval
        sizes = f"{len(self.members)} members, {len(self.nonmembers)} non-members"
        return f"Attack(AUC {self.auc:.5g} in [{low:.3f}, {high:.3f}], {sizes})"


def smallest_rate(k: int) -> str:
    """1/k rounded up to four digits, a rate that k non-members can show, as text.

    Example:
        >>> smallest_rate(30)
        '0.03334'
    """
    digits = 3 - math.floor(math.log10(1 / k))
    return f"{math.ceil(10**digits / k) / 10**digits:.{digits}f}".rstrip("0").rstrip(".")


def placements(members: Array, nonmembers: Array) -> tuple[Array, Array]:
    """For each member the fraction of non-members below it, and for each non-member that of members above it.

    Their means are both the AUC; their variances are what DeLong's method needs. Ties count half.

    Example:
        >>> placements(np.array([1.0, 3.0]), np.array([2.0]))
        (array([0., 1.]), array([0.5]))
    """
    from scipy.stats import rankdata

    m, k = len(members), len(nonmembers)
    ranks = rankdata(np.concatenate([members, nonmembers]))
    below = (ranks[:m] - rankdata(members)) / k
    above = 1 - (ranks[m:] - rankdata(nonmembers)) / m
    return below, above


def _variance(below: Array, above: Array) -> tuple[float, float]:
    """DeLong's variance (Biometrics 1988) of an AUC, or of a difference of two when the placements are differences.

    With it come its degrees of freedom after Welch and Satterthwaite: with few members their variance, which is then
    most of it, is known from as few.
    """
    # Placements are quotients of counts, of size one.
    if is_constant(below, scale=1.0) and is_constant(above, scale=1.0):
        return 0.0, math.inf
    a, b = float(below.var(ddof=1)) / len(below), float(above.var(ddof=1)) / len(above)
    return a + b, (a + b) ** 2 / (a**2 / (len(below) - 1) + b**2 / (len(above) - 1))


@checked
def roc(
    member_scores: object,
    nonmember_scores: object,
    *,
    threshold: float = math.nan,
    samples: tuple[Array, Array] | None = None,
    level: float = 0.95,
) -> Attack:
    """Judge scores whose direction is known beforehand: larger says "member". Nothing is fitted.

    Scores that agree up to rounding, in the float type that they are handed in, count as tied among each other and
    with the threshold (:func:`muso_theory.numbers.constant.tied`), so that rounding errors rank nobody.

    Args:
        member_scores: shape (m,), m ≥ 5.
        nonmember_scores: shape (k,), k ≥ 5.
        threshold: above it a sample is called a member; NaN is none.
        samples: which samples these are, for pairing two attacks; None means all, in order.

    Raises:
        BadInputError: fewer than five scores of a kind, scores that are not finite, a threshold that is no number, or a
            level outside (0, 1).

    Example:
        >>> roc(np.array([5.0, 6, 7, 8, 9]), np.array([0.0, 1, 2, 3, 4]))
        Attack(AUC 1 in [0.549, 1.000], 5 members, 5 non-members)
    """
    check_level(level)
    threshold = real_number("threshold", threshold, "a number", "leaving it out")
    scores = [
        score_vector(member_scores, "member_scores"),
        score_vector(nonmember_scores, "nonmember_scores"),
    ]
    for name, values in zip(("member_scores", "nonmember_scores"), scores, strict=True):
        if len(values) < FEWEST_SCORES:
            raise expected(
                f"at least {FEWEST_SCORES} scores of each kind", name, len(values), "too few", "more samples"
            )
    unit = max(float(rounding(1.0, given)) for given in (member_scores, nonmember_scores))
    decides = [] if math.isnan(threshold) else [threshold]
    together = tied(np.concatenate([*scores, decides]), unit)
    m, both = len(scores[0]), len(scores[0]) + len(scores[1])
    scores, threshold = [together[:m], together[m:both]], float(together[both]) if decides else math.nan
    where = (np.arange(len(scores[0])), np.arange(len(scores[1]))) if samples is None else samples
    return Attack(scores[0], scores[1], threshold, where, level)


def calibrated(on_unlearned: Attack, on_retrained: Attack) -> Estimate:
    """The attack's AUC on the unlearned model against the same attack's on the retrained one, as its null.

    An exact method must match the retrained model, whatever the AUC there (claim membership): an AUC of 0.5 is not the
    aim, since forget and test samples may differ even for a model that saw neither.

    Args:
        on_retrained: the same attack on the same samples, on the retrained model.

    Returns:
        AUC on the unlearned model − AUC on the retrained one.

    Raises:
        BadInputError: no attacks, or two that were judged on other samples, at other levels or by other methods.

    Example:
        >>> scores = np.arange(20.0)
        >>> calibrated(roc(scores + 5, scores), roc(scores, scores))
        Estimate(0.21875 in [0.176, 0.261])
    """
    for name, each in (("on_unlearned", on_unlearned), ("on_retrained", on_retrained)):
        if not isinstance(each, Attack):
            raise expected("an attack", name, type(each).__name__, "type", "attack(…) or roc(…)")
    if on_unlearned.method != on_retrained.method:
        what = f"the same attack on both models, {on_unlearned.method!r},"
        raise expected(what, "on_retrained", on_retrained.method, "method", "one method")
    pairs = [on_unlearned.samples, on_retrained.samples]
    same = all(
        a is not None and b is not None and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
        for a, b in [pairs]
    )
    if not same or on_unlearned.level != on_retrained.level:
        got = f"{len(on_unlearned.members)} + {len(on_unlearned.nonmembers)} samples"
        hint = "the same samples, seed and level for both attacks"
        raise expected("attacks judged on the same samples", "on_retrained", on_retrained, got, hint)
    mine, null = on_unlearned._placements, on_retrained._placements
    below, above = mine[0] - null[0], mine[1] - null[1]
    value, (variance, freedom) = on_unlearned.auc - on_retrained.auc, _variance(below, above)
    if variance == 0:
        fewer = min(len(below), len(above))
        # A pair's difference lies between −1 and 1, so another one is at most 1 + |value| away.
        return Estimate(value, pairs_interval(value, fewer, 1 + abs(value), on_unlearned.level))
    return Estimate(value, wald_interval(value, variance, on_unlearned.level, freedom))
