"""Likelihood-ratio membership inference against shadow models.

N. Carlini et al., "Membership inference attacks from first principles" (2022).
"""

from __future__ import annotations

import warnings

import numpy as np

from ..arguments import checked
from ..arrays import Array, plain_array
from ..errors import expected, nearest
from ..numbers.constant import rounding
from .margins import diverged_models, without_outliers
from .outputs import output_columns, score_vector

__all__ = ["likelihood_ratio"]

VARIANTS = ("online", "offline")


@checked
def likelihood_ratio(
    observed: object,
    shadows: object,
    included: object,
    variant: str = "online",
    *,
    shared_variance: bool | None = None,
) -> Array:
    """How much more likely each sample's logit confidence is under models that saw it; larger says "member".

    A normal distribution is fitted to each sample's confidences, once over the shadow models that were trained on it
    and once over those that were not. For unlearning, take unlearned models for the former and retrained ones for the
    latter.

    Args:
        observed: logit confidences of the model under attack (:func:`logit_confidence`), shape (n,).
        shadows: the same of S shadow models, shape (S, n).
        included: whether each shadow model was trained on each sample, bool (S, n).
        variant: "online" log N(x; μ_in, σ_in) − log N(x; μ_out, σ_out); "offline" uses the models without the sample
            only: (x − μ_out)/σ_out, which orders samples as the probability of a smaller confidence does, and
            does not saturate as that does.
        shared_variance: one variance for all samples, steadier for few shadows; None shares below 16 shadows a side.

    Returns:
        Scores for :func:`roc`, shape (n,).

    One confidence far off would set its sample's variance alone, and a shared one for all samples; such are left out
    (:func:`without_outliers`), and a warning names shadow models of which many are (:func:`diverged_models`).

    Raises:
        BadInputError: shapes that do not fit, scores that are not finite or so large that squares of their differences
            overflow, a sample with fewer than two shadows on a side that is needed, or no spread among them beyond
            rounding.

    Warns:
        RuntimeWarning: shadow models diverged; what they say of the samples concerned is left out.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> included = rng.random((32, 100)) < 0.5
        >>> shadows = rng.standard_normal((32, 100)) + 2 * included
        >>> members = np.arange(100) < 50
        >>> scores = likelihood_ratio(rng.standard_normal(100) + 2 * members, shadows, included)
        >>> from muso_theory.evaluation import roc
        >>> roc(scores[members], scores[~members]).auc > 0.85
        True
    """
    if variant not in VARIANTS:
        raise expected("online or offline", "variant", variant, "unknown", nearest(variant, VARIANTS))
    if shared_variance is not None and not isinstance(shared_variance, bool | np.bool_):
        raise expected(
            "True, False or None", "shared_variance", shared_variance, type(shared_variance).__name__, "None"
        )
    x = score_vector(observed, "observed")
    s = output_columns(shadows, "shadows")
    inside = plain_array("included", included)
    if s.shape[1] != len(x) or inside.shape != s.shape or inside.dtype != bool:
        what = f"shadows and a bool mask of shape (S, {len(x)})"
        raise expected(
            what, "shadows, included", (s.shape, inside.shape), f"mask {inside.dtype}", "one row a model"
        )
    unit = float(rounding(1.0, shadows))
    with np.errstate(over="ignore", invalid="ignore"):
        out = _fit(s, ~inside, "without", shared_variance, unit)
        if variant == "offline":
            ratio: Array = (x - out[0]) / out[1]
        else:
            within = _fit(s, inside, "with", shared_variance, unit)
            ratio = _log_density(x, *within) - _log_density(x, *out)
    if not np.isfinite([ratio, *out]).all():
        largest = max(float(np.abs(x).max()), float(np.abs(s).max()))
        what = "confidences whose differences have squares below the largest float"
        raise expected(what, "observed, shadows", largest, "overflow", "logit_confidence of the outputs")
    return ratio


def _fit(s: Array, chosen: Array, word: str, shared: bool | None, unit: float) -> tuple[Array, Array]:
    """Mean and standard deviation of each sample's confidences over the chosen models."""
    lost = diverged_models(s, chosen, unit=unit)
    if lost:
        rows = ", ".join(map(str, lost))
        warnings.warn(
            f"shadow models {rows} diverged: far from the others trained {word} the samples on more than a fifth of "
            "these, which are left out of their fit",
            RuntimeWarning,
            stacklevel=3,
        )
    count = chosen.sum(axis=0)
    if count.min() < 2:
        sample = int(np.argmin(count))
        what = f"at least two shadow models trained {word} each sample"
        # "offline" does without the models that saw the sample, and only without those.
        hint = "more shadow models" + (", or variant='offline'" if word == "with" else f" trained {word} it")
        raise expected(what, f"included[:, {sample}]", int(count[sample]), "too few", hint)
    if shared is None:
        shared = bool(count.min() < 16)
    values = without_outliers(np.where(chosen, s, np.nan), pooled=shared, unit=unit)
    chosen = ~np.isnan(values)
    count = chosen.sum(axis=0)
    # Constant up to rounding: the squares below are then rounding errors, and no variance.
    least = unit * np.maximum(1.0, np.nanmax(np.abs(values), axis=0))
    flat = np.nanmax(values, axis=0) - np.nanmin(values, axis=0) <= least
    if flat.all() if shared else flat.any():
        hint = "shadow models of different seeds or subsets" + ("" if shared else ", or shared_variance=True")
        where = f"shadows[:, {int(np.argmax(flat))}]"
        raise expected("confidences that vary over shadow models", where, s.shape, "no spread", hint)
    mean = np.nanmean(values, axis=0)
    square = np.nansum((values - mean) ** 2, axis=0)
    variance = np.full(len(mean), square.sum() / (count - 1).sum()) if shared else square / (count - 1)
    return mean, np.sqrt(variance)


def _log_density(x: Array, mean: Array, deviation: Array) -> Array:
    """Log of the normal density, without the constant."""
    result: Array = -0.5 * ((x - mean) / deviation) ** 2 - np.log(deviation)
    return result
