"""KLoM: are unlearned models, over seeds, distributed like retrained ones? Sample by sample, by their margins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from ..arrays import Array, plain_array
from ..errors import check_integer, expected
from ..former import former
from ..numbers.constant import rounding
from ..streams import RETRAINED_MODELS, UNLEARNED_MODELS
from .intervals import real_number
from .outputs import output_columns

__all__ = ["Klom", "diverged_models", "klom", "without_outliers"]
former(__name__)

FEWEST_MODELS = 3
"""Fewest models of a group whose margins are compared."""
_REACH = 4.0
"""Half the range of the bins in median deviations: ±2.7 standard deviations of a normal distribution."""
_FAR = 10.0
"""A margin so many median deviations from the median is off: 6.7 standard deviations of a normal distribution."""
_OFTEN = 0.2
"""A model that is off on more than this share of the samples diverged; on fewer the samples are the odd ones."""
_TAIL = 0.9
"""Quantile of the deviations that stands in for their median, where that is zero: then more than half are tied."""
_TAIL_SIZE = 0.41
"""Median over 0.9-quantile of the absolute values of a normal distribution, 0.674/1.645."""
_JUDGED = 5
"""Fewest models of which one can be told to have diverged: three always have one that is far from a close pair."""


@final
@dataclass(frozen=True, eq=False, repr=False)
class Klom:
    """KL divergence of margins for each sample, beside its null.

    Args:
        per_sample: KL(unlearned ‖ retrained), shape (n,), in nats.
        null: KL(retrained ‖ other retrained) from as many models, shape (n,).
        models: models in each compared group.
        bins: of each histogram.
        diverged: unlearned and retrained models (:func:`diverged_models`) that stand apart from their own group; they
            are counted like the others, in the end bins.
    """

    per_sample: Array
    null: Array
    models: int
    bins: int
    diverged: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())

    @property
    def mean(self) -> float:
        """Mean over the samples."""
        return float(self.per_sample.mean())

    @property
    def null_mean(self) -> float:
        """What the mean would be if the method were retraining: never zero, for finitely many models."""
        return float(self.null.mean())

    def quantile(self, q: float) -> tuple[float, float]:
        """A quantile over the samples, and the same quantile of the null; the literature reports q = 0.95.

        Raises:
            BadInputError: outside [0, 1].
        """
        what = "a probability in [0, 1]"
        if not 0 <= real_number("q", q, what, "0.95") <= 1:
            raise expected(what, "q", q, type(q).__name__, "0.95")
        return float(np.quantile(self.per_sample, q)), float(np.quantile(self.null, q))

    def __repr__(self) -> str:
        words = "".join(
            f", diverged: {name} {', '.join(map(str, which))}"
            for name, which in zip(("unlearned", "retrained"), self.diverged, strict=True)
            if which
        )
        return (
            f"Klom(mean {self.mean:.3g}, null {self.null_mean:.3g}, {len(self.per_sample)} samples, "
            f"{self.models} models a group, {self.bins} bins{words})"
        )


def klom(
    unlearned: object, retrained: object, *, bins: int | None = None, splits: int = 8, seed: int = 0
) -> Klom:
    """Compare margins of unlearned and retrained models, over seeds, sample by sample.

    A histogram estimate of KL from few models is far from zero even between equals. So the retrained models are split
    in halves, and unlearned and retrained models are held in equal numbers against the same half; the average over
    several splits is returned for both. Each count gets ½ added, which keeps KL finite.

    The bins come from that half alone, so that the other half and unlearned models are treated alike and the null does
    not depend on the method: they divide ±4 median deviations about the median evenly, and what lies outside belongs to
    the end bins. One diverged model of many moves neither median nor median deviation by much. Margins within rounding
    of the median count as the median. Merging values into bins only lowers a KL divergence (data processing), so that
    far apart is reported as apart, not as how far.

    Args:
        unlearned: margins (:func:`logit_confidence`) of S unlearned models, shape (S, n).
        retrained: margins of S' retrained models on the same samples, shape (S', n), S' ≥ 6.
        bins: how many, of equal width; None is 2√m for groups of m models, at most 20.
        splits: number of random splits.
        seed: of the splits.

    Raises:
        BadInputError: shapes that do not fit, margins that are not finite, too few models, or fewer than two bins.

    Source:
        Georgiev et al., "Attribute-to-delete: machine unlearning via datamodel matching" (2024), for the quantity.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> retrained = rng.standard_normal((40, 30))
        >>> klom(rng.standard_normal((20, 30)), retrained)
        Klom(mean 0.273, null 0.264, 30 samples, 20 models a group, 9 bins)
        >>> retrained[3] = 1e6  # this one diverged
        >>> far = klom(rng.standard_normal((20, 30)) + 8, retrained)
        >>> far.mean > 2, far.null_mean < 0.5, far.diverged
        (True, True, ((), (3,)))
    """
    for name, given in (("unlearned", unlearned), ("retrained", retrained)):
        if np.ndim(plain_array(name, given)) != 2:
            hint = f"{name}[None, :] for the margins of one model, {name}[:, None] for one sample"
            raise expected("a row a model", name, np.shape(plain_array(name, given)), "shape", hint)
    u, r = output_columns(unlearned, "unlearned"), output_columns(retrained, "retrained")
    if u.shape[1] != r.shape[1]:
        raise expected(f"margins of {u.shape[1]} samples", "retrained", r.shape, "shape", "the same samples")
    size = min(len(u), len(r) // 2)
    if size < FEWEST_MODELS:
        what = f"at least {FEWEST_MODELS} unlearned and {2 * FEWEST_MODELS} retrained models"
        raise expected(what, "models", (len(u), len(r)), "too few", "more seeds")
    bins = min(20, round(2 * size**0.5)) if bins is None else check_integer("bins", bins, 2)
    splits = check_integer("splits", splits, 1)
    # A stream each, so that the splits of the retrained models, and with them the null, know nothing of the unlearned.
    seed = check_integer("seed", seed)
    halves = np.random.default_rng((seed, RETRAINED_MODELS))
    drawn = np.random.default_rng((seed, UNLEARNED_MODELS))
    unit = max(float(rounding(1.0, given)) for given in (unlearned, retrained))
    found = np.zeros((2, u.shape[1]))
    for _ in range(splits):
        order = halves.permutation(len(r))
        reference, peers = r[order[:size]], r[order[size : 2 * size]]
        mine = u[drawn.permutation(len(u))[:size]]
        counts = [_histogram(group, *_scale(reference, unit), bins) for group in (mine, peers, reference)]
        p, null, q = ((c + 0.5) / (size + 0.5 * bins) for c in counts)
        found += [(p * np.log(p / q)).sum(axis=0), (null * np.log(null / q)).sum(axis=0)]
    lost = diverged_models(u, unit=unit), diverged_models(r, unit=unit)
    return Klom(found[0] / splits, found[1] / splits, size, bins, lost)


def _scale(margins: Array, unit: float) -> tuple[Array, Array, Array]:
    """Median over models, median deviation, and what rounding may make of a margin, each of shape (n,).

    Saturated margins are tied for more than half of the models, and the median deviation is zero. A tenth of the models
    may then still be anything: the deviation is taken from the smallest one that nine tenths do not exceed.
    """
    centre = np.nanmedian(margins, axis=0)
    # Log-odds are computed from logs of size about one even where they cancel, hence the 1.
    least = unit * np.maximum(1.0, np.abs(centre))
    apart = np.abs(margins - centre)
    deviation = np.nanmedian(apart, axis=0)
    # The lower of two order statistics: between them an outlier would set the scale again.
    tail = _TAIL_SIZE * np.nanquantile(apart, _TAIL, axis=0, method="lower")
    return centre, np.where(deviation > least, deviation, tail), least


def without_outliers(margins: Array, *, pooled: bool, unit: float = float(rounding(1.0))) -> Array:
    """Margins of each sample, shape (S, n), those that are far from the sample's others set to NaN.

    Far is more than ten median deviations from the median, 6.7 standard deviations of a normal distribution, of which
    one margin in 10¹⁰ is. So a model that diverged on some samples is lost there and counts on the others.

    Args:
        pooled: the samples share a variance: what is close on the scale of all of them together is kept.
        unit: what rounding may make of a margin of one.

    Example:
        >>> margins = np.array([[1.0, 2, 3, 4, 5, 1e6], [0.1, 0.1, 0.1, 0.1, 0.1, 0.1]]).T
        >>> without_outliers(margins, pooled=False)[-1]
        array([nan, 0.1])
    """
    off = _off(margins, unit, pooled)
    if not pooled:
        off &= (~np.isnan(margins)).sum(axis=0) >= _JUDGED
    return np.where(off, np.nan, margins)


def _off(margins: Array, unit: float, pooled: bool = False) -> Array:
    """Which margins are more than ten deviations from their sample's median, bool (S, n).

    Where nearly all of a sample's margins are tied, and wherever the samples are pooled, what is close on the scale of
    all samples together is not off: of ten margins the one that is not saturated would else be infinitely far.
    """
    centre, deviation, least = _scale(margins, unit)
    overall = _scale((margins - centre).reshape(-1, 1), unit)[1]
    deviation = np.where(pooled | (deviation <= least), np.maximum(deviation, overall), deviation)
    off: Array = np.abs(margins - centre) > _FAR * np.maximum(deviation, least)
    return off


def _histogram(margins: Array, centre: Array, deviation: Array, least: Array, bins: int) -> Array:
    """Counts of each sample's margins, shape (bins, n)."""
    apart = np.where(np.abs(margins - centre) <= least, 0.0, margins - centre)
    apart /= np.maximum(deviation, least)
    place = np.clip((apart + _REACH) * (bins / (2 * _REACH)), 0, bins - 1).astype(np.int64)
    counts: Array = np.stack([(place == b).sum(axis=0) for b in range(bins)]).astype(np.float64)
    return counts


def diverged_models(
    margins: Array, chosen: Array | None = None, *, unit: float = float(rounding(1.0))
) -> tuple[int, ...]:
    """Models whose margins are far from the others' on a fifth of the samples: they diverged, or differ in training.

    Far is more than ten median deviations from the median over models, 6.7 standard deviations of a normal
    distribution. Median and median deviation stand up to nearly half the models being off. Where more than half are
    tied, as margins that saturate are, a tenth may be off.

    Args:
        chosen: which models count for which sample, bool (S, n); None is all.
        unit: what rounding may make of a margin of one.

    Example:
        >>> margins = np.random.default_rng(0).standard_normal((20, 50))
        >>> margins[4] += 100
        >>> diverged_models(margins)
        (4,)
    """
    counted = np.ones(margins.shape, dtype=bool) if chosen is None else chosen
    judged = counted.sum(axis=0) >= _JUDGED
    if not judged.any():
        return ()
    values = np.where(counted, margins, np.nan)[:, judged]
    lost = _off(values, unit).sum(axis=1) > _OFTEN * counted[:, judged].sum(axis=1)
    return tuple(int(row) for row in np.flatnonzero(lost))
