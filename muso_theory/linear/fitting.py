"""Feature maps and the samples that they are fitted on."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, forget_indices, plain_array, real_array
from ..errors import expected

__all__ = ["fitted", "map_words", "samples_to_fit"]


def fitted(feature_map: Any, X: Any, forget: object, fit_map: object) -> tuple[Any, str, str]:
    """A fitted transformer: as it is where it came fitted, else a clone, fitted on the samples that ``fit_map`` names.

    A map whose fit reads nothing but the number of columns, such as one of a bandwidth that is given, is the same map
    whatever it is fitted on.

    Args:
        feature_map: any scikit-learn transformer.
        X: samples, shape (n, p).
        forget: mask or indices.
        fit_map: as in `samples_to_fit`.

    Returns:
        The transformer, and what it was fitted on in one word and in several: "nothing" where it needs no samples,
        "unknown" where it came fitted.

    Raises:
        BadInputError: no transformer, or another word for ``fit_map``.
    """
    _check_transformer(feature_map)
    from sklearn.base import clone

    reads = _reads_samples(feature_map)
    if reads and _is_fitted(feature_map):
        return feature_map, "unknown", "unknown samples: it came fitted"
    samples, word, words = samples_to_fit(X, forget, fit_map)
    made = clone(feature_map).fit(samples)
    return (made, word, words) if reads else (made, "nothing", "nothing: it needs no samples")


def map_words(feature_map: Any) -> str:
    """A fitted map with its size and the numbers that it found out, such as the median bandwidth.

    Args:
        feature_map: any scikit-learn transformer.

    Returns:
        Its name and parameters.

    Example:
        >>> from muso_theory.linear.features import ArcCosineFeatures
        >>> map_words(ArcCosineFeatures(n_features=8).fit(np.eye(3)))
        'ArcCosineFeatures, D = 8, seed 0'
    """
    words = [type(feature_map).__name__]
    if hasattr(feature_map, "n_features"):
        words.append(f"D = {feature_map.n_features}")
    if hasattr(feature_map, "bandwidth_"):
        median = getattr(feature_map, "bandwidth", None) == "median"
        words.append(f"bandwidth {feature_map.bandwidth_:.6g}" + " (median)" * median)
    if hasattr(feature_map, "seed"):
        words.append(f"seed {feature_map.seed}")
    return ", ".join(words)


def samples_to_fit(X: Any, forget: object, fit_map: object) -> tuple[Any, str, str]:
    """The samples that a feature map, its bandwidth or a scaler is fitted on.

    Args:
        X: samples, shape (n, p).
        forget: mask or indices.
        fit_map: "retain", "all" or public samples of shape (m, p).

    Returns:
        The samples, which they are in one word, and in several; the word is "copies" for public samples of which
        some are rows of X that are to be forgotten.

    Raises:
        BadInputError: another word.

    Example:
        >>> samples_to_fit(np.eye(3), [1], "retain")[1:]
        ('retain', 'the 2 retained samples')
    """
    if not isinstance(fit_map, str):
        public = real_array("fit_map", fit_map, (2,))
        word, words = "public", f"{len(public)} public samples"
        copies = _copies(public, plain_array("X", X), forget)
        return (
            (public, "copies", f"{words}, {copies} of them to be forgotten")
            if copies
            else (public, word, words)
        )
    shape = plain_array("X", X).shape
    if not shape:
        raise expected("samples", "X", X, type(X).__name__, "an array with one row a sample")
    n = shape[0]
    if fit_map == "all":
        return X, "all", f"all {n} samples, those to forget included"
    if fit_map != "retain":
        hint = "fit_map='retain', or 'all'"
        raise expected("'retain', 'all' or public samples", "fit_map", fit_map, "unknown", hint)
    keep = np.ones(n, dtype=bool)
    keep[forget_indices(forget, n)] = False
    samples = X.loc[keep] if hasattr(X, "loc") else plain_array("X", X)[keep]
    return samples, "retain", f"the {len(samples)} retained samples"


def _copies(public: Array, X: Array, forget: object) -> int:
    """How many public samples are rows to be forgotten that no retained row equals."""
    gone = forget_indices(forget, len(X))
    kept = {tuple(row) for row in np.delete(X, gone, axis=0).tolist()}
    secret = {tuple(row) for row in X[gone].tolist()} - kept
    return sum(tuple(row) in secret for row in public.tolist())


def _reads_samples(feature_map: Any) -> bool:
    """Whether a fit may read more of the samples than their number of columns."""
    from .feature_map import FeatureMap

    if isinstance(feature_map, FeatureMap):
        return getattr(feature_map, "bandwidth", None) == "median"
    try:
        from sklearn.utils import get_tags

        return bool(get_tags(feature_map).requires_fit)
    except (ImportError, AttributeError, TypeError):
        return True  # what says nothing of this may read anything


def _check_transformer(feature_map: Any) -> None:
    """Refuse what is no transformer."""
    for verb in ("fit", "transform"):
        if not hasattr(feature_map, verb):
            raise expected(
                "a scikit-learn transformer (fit and transform)",
                "feature_map",
                feature_map,
                type(feature_map).__name__,
                "GaussianFeatures()",
            )


def _is_fitted(feature_map: Any) -> bool:
    """Whether a transformer was fitted before."""
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(feature_map)
    except (NotFittedError, TypeError):
        return False
    return True
