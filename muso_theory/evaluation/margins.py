"""KLoM: are unlearned models, over seeds, distributed like retrained ones? Sample by sample, by their margins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from ..errors import expected
from .outputs import Array, output_columns

__all__ = ["Klom", "klom"]

FEWEST = 3
"""Fewest models of a group whose margins are compared."""


@final
@dataclass(frozen=True, eq=False, repr=False)
class Klom:
    """KL divergence of margins for each sample, beside its null.

    Args:
        per_sample: KL(unlearned ‖ retrained), shape (n,), in nats.
        null: KL(retrained ‖ other retrained) from as many models, shape (n,).
        models: models in each compared group.
        bins: of each histogram.
    """

    per_sample: Array
    null: Array
    models: int
    bins: int

    @property
    def mean(self) -> float:
        """Mean over the samples."""
        return float(self.per_sample.mean())

    @property
    def null_mean(self) -> float:
        """What the mean would be if the method were retraining: never zero, for finitely many models."""
        return float(self.null.mean())

    def quantile(self, q: float) -> tuple[float, float]:
        """A quantile over the samples, and the same quantile of the null.

        Args:
            q: in [0, 1]; the literature reports 0.95.

        Returns:
            Both quantiles.
        """
        return float(np.quantile(self.per_sample, q)), float(np.quantile(self.null, q))

    def __repr__(self) -> str:
        return (
            f"Klom(mean {self.mean:.3g}, null {self.null_mean:.3g}, {len(self.per_sample)} samples, "
            f"{self.models} models a group, {self.bins} bins)"
        )


def klom(
    unlearned: object, retrained: object, *, bins: int | None = None, splits: int = 8, seed: int = 0
) -> Klom:
    """Compare margins of unlearned and retrained models, over seeds, sample by sample.

    A histogram estimate of KL from few models is far from zero even between equals. So the retrained models are split
    in halves, and unlearned and retrained models are held in equal numbers against the same half; the average over
    several splits is returned for both. Each count gets ½ added, which keeps KL finite.

    Args:
        unlearned: margins (:func:`logit_confidence`) of S unlearned models, shape (S, n).
        retrained: margins of S' retrained models on the same samples, shape (S', n), S' ≥ 6.
        bins: of equal width between the smallest and the largest margin of a sample; None is 2√m, at most 20.
        splits: number of random splits.
        seed: of the splits.

    Returns:
        KL(unlearned ‖ retrained) for each sample and its null.

    Raises:
        BadInputError: shapes that do not fit, too few models, or fewer than two bins.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> retrained = rng.standard_normal((40, 30))
        >>> klom(rng.standard_normal((20, 30)), retrained)
        Klom(mean 0.277, null 0.27, 30 samples, 20 models a group, 9 bins)
        >>> klom(rng.standard_normal((20, 30)) + 2, retrained).mean > 1
        True
    """
    u, r = output_columns(unlearned, "unlearned"), output_columns(retrained, "retrained")
    if u.shape[1] != r.shape[1]:
        raise expected(f"margins of {u.shape[1]} samples", "retrained", r.shape, "shape", "the same samples")
    size = min(len(u), len(r) // 2)
    if size < FEWEST:
        what = f"at least {FEWEST} unlearned and {2 * FEWEST} retrained models"
        raise expected(what, "models", (len(u), len(r)), "too few", "more seeds")
    bins = min(20, round(2 * size**0.5)) if bins is None else bins
    if bins < 2 or splits < 1:
        raise expected(
            "at least two bins and one split", "bins, splits", (bins, splits), "too few", "20 and 8"
        )
    rng = np.random.default_rng(seed)
    found = np.zeros((2, u.shape[1]))
    for _ in range(splits):
        order = rng.permutation(len(r))
        reference, peers = r[order[:size]], r[order[size : 2 * size]]
        mine = u[rng.permutation(len(u))[:size]]
        everything = np.vstack([reference, peers, mine])
        low, high = everything.min(axis=0), everything.max(axis=0)
        counts = [_histogram(group, low, high, bins) for group in (mine, peers, reference)]
        p, null, q = ((c + 0.5) / (size + 0.5 * bins) for c in counts)
        found += [(p * np.log(p / q)).sum(axis=0), (null * np.log(null / q)).sum(axis=0)]
    return Klom(found[0] / splits, found[1] / splits, size, bins)


def _histogram(margins: Array, low: Array, high: Array, bins: int) -> Array:
    """Counts of each sample's margins, shape (bins, n)."""
    width = np.where(high > low, high - low, 1.0)
    place = np.minimum(((margins - low) / width * bins).astype(np.int64), bins - 1)
    counts: Array = np.stack([(place == b).sum(axis=0) for b in range(bins)]).astype(np.float64)
    return counts
