"""Feature maps and the samples that they are fitted on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arrays import Array, forget_indices, plain_array, real_array
from ..errors import expected

__all__ = ["fitted", "holds_samples", "map_words", "ruling", "samples_to_fit"]


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


_RULES = 100.0
"""A column whose spread is so many times that of the middle one leaves a kernel little of the others."""


def ruling(X: Array, names: Sequence[str] = ()) -> str:
    """The column that rules distances, where one does, in words; empty where none does.

    Args:
        X: samples, shape (n, p).
        names: of the columns; they are counted where there are none.

    Example:
        >>> ruling(np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 400.0]]), ["a", "b", "c"])
        'c spreads 4e+02 times as wide as the median column, and rules the distances'
    """
    with np.errstate(over="ignore", invalid="ignore"):
        spread = np.asarray(X, dtype=np.float64).std(axis=0)
        varied = spread[spread > 0]
        if len(varied) < 2:
            return ""
        widest, ratio = int(spread.argmax()), float(varied.max() / np.median(varied))
    if not _RULES <= ratio < math.inf:
        return ""
    name = names[widest] if names else f"column {widest}, counted from 0,"
    return f"{name} spreads {ratio:.2g} times as wide as the median column, and rules the distances"


def samples_to_fit(X: Any, forget: object, fit_map: object) -> tuple[Any, str, str]:
    """The samples that a feature map, its bandwidth or a scaler is fitted on.

    Args:
        X: samples, shape (n, p).
        forget: mask or indices.
        fit_map: "retain", "all" or public samples of shape (m, p).

    Returns:
        The samples, which they are in one word, and in several; the word is "copies" for public samples of which
        some are rows of X that are to be forgotten, "near" where some are so near to one that they may be copies of
        it, rounded.

    Raises:
        BadInputError: another word.

    Example:
        >>> samples_to_fit(np.eye(3), [1], "retain")[1:]
        ('retain', 'the 2 retained samples')
    """
    if not isinstance(fit_map, str):
        public = real_array("fit_map", fit_map, (2,))
        word, words = "public", f"{len(public)} public samples"
        copies, near = _copies(public, plain_array("X", X), forget)
        if copies:
            word, words = "copies", f"{words}, {copies} of them to be forgotten"
        elif near:
            word, words = "near", f"{words}, {near} of them next to samples to be forgotten"
        return public, word, words
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


_NEAR = 0.01
"""Nearer to a sample to forget than so much of its distance to the nearest retained one is too near for chance."""


def _copies(public: Array, X: Array, forget: object) -> tuple[int, int]:
    """How many public samples are rows to be forgotten that no retained row equals, and how many are next to one.

    Next to one is what may be a copy of it: written with fewer decimals, or moved by very little.
    """
    gone = forget_indices(forget, len(X))
    left = np.delete(X, gone, axis=0)
    kept = {tuple(row) for row in left.tolist()}
    secret = {tuple(row) for row in X[gone].tolist()} - kept
    copies = sum(tuple(row) in secret for row in public.tolist())
    if (
        copies or public.shape[1:] != X.shape[1:] or public.shape[1] < 2
    ):  # numbers on a line are near by chance
        return copies, 0
    scale = np.asarray(X, dtype=np.float64).std(axis=0)
    scale[scale == 0] = 1.0
    of_public, retained = (_distances(X[gone] / scale, other / scale) for other in (public, left))
    return 0, max(int(np.count_nonzero(of_public < _NEAR * retained)), _rounded_copies(public, X[gone], left))


_MOST_DECIMALS = 12
"""A column with more decimals was not rounded by hand."""


def _rounded_copies(public: Array, gone: Array, left: Array) -> int:
    """How many public samples are rows to be forgotten, and no retained row, rounded to the decimals that they have."""
    public = np.asarray(public, dtype=np.float64)
    half = np.array([_unit(column) for column in public.T]) / 2 + 1e-15 * np.abs(public).max(axis=0)

    def rounds(row: Array) -> Array:
        return np.asarray((np.abs(public - row) <= half).all(axis=1))

    copies = np.any([rounds(row) for row in np.asarray(gone, dtype=np.float64)], axis=0)
    # Where decimals are so few that retained rows round to the same numbers, these tell nobody apart.
    for i in np.flatnonzero(copies):
        copies[i] = not (np.abs(left - public[i]) <= half).all(axis=1).any()
    return int(np.count_nonzero(copies))


def _unit(column: Array) -> float:
    """The last decimal place that a column of numbers uses, 10 to a power of at most 3; 0 where it uses all."""
    for decimals in range(-3, _MOST_DECIMALS + 1):
        if (np.round(column, decimals) == column).all():
            return float(10.0**-decimals)
    return 0.0


def _distances(rows: Array, others: Array) -> Array:
    """The distance of each row to the nearest of the others."""
    from sklearn.metrics import pairwise_distances_argmin

    # The search works with squares, in which near rows cancel; the distance of the pair is computed anew.
    nearest = pairwise_distances_argmin(np.asarray(rows, np.float64), np.asarray(others, np.float64))
    return np.asarray(np.linalg.norm(np.asarray(rows - others[nearest], np.float64), axis=1))


def reads_the_batch(feature_map: Any, X: Any, features: Array, forget: object) -> bool:
    """Whether the features of retained samples depend on the samples that are transformed beside them.

    Args:
        feature_map: the fitted map; those of this package treat each sample alone.
        X: samples, shape (n, p).
        features: what the map made of all of them.
        forget: mask or indices.

    Returns:
        Whether transforming the retained samples alone gives other features by more than rounding.
    """
    from .feature_map import FeatureMap

    if isinstance(feature_map, FeatureMap):
        return False
    samples, word, _ = samples_to_fit(X, forget, "retain")
    assert word == "retain"
    keep = np.setdiff1d(np.arange(len(features)), forget_indices(forget, len(features)))
    together = np.asarray(features)[keep]
    alone = np.asarray(feature_map.transform(samples))
    if alone.shape != together.shape:
        return True
    own = np.abs(np.asarray(together, dtype=np.float64)).max(axis=0, initial=0.0)
    off = np.abs(np.asarray(alone - together, dtype=np.float64)).max(axis=0, initial=0.0)
    return bool((off > _SAME * own + _ROUNDED * own.max(initial=0.0)).any())


_SAME, _ROUNDED = 1e-9, 1e-14
"""Relative to the largest value of a feature, and of all: what products of other sizes may round apart."""


def holds_samples(feature_map: Any) -> bool:
    """Whether a map may hold samples that nobody sees: in arrays, functions or code that is not known.

    Args:
        feature_map: a fitted map, or None.

    Returns:
        False for maps of this package and of scikit-learn whose parameters are plain numbers and words, whatever they
        were fitted on, and for None.
    """
    if feature_map is None:
        return False
    known = type(feature_map).__module__.partition(".")[0] in ("muso_theory", "sklearn")
    if not known or type(feature_map).__name__ == "FunctionTransformer":
        return True
    return any(map(_is_opaque, feature_map.get_params(deep=False).values()))


def _is_opaque(value: object) -> bool:
    """Whether a parameter of a map is more than numbers, words and maps of the known kind."""
    if isinstance(value, list | tuple):
        return any(map(_is_opaque, value))
    if hasattr(value, "get_params"):
        return holds_samples(value)
    return not isinstance(value, bool | int | float | str | np.generic | None)


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
    if isinstance(feature_map, type):
        what, hint = "a scikit-learn transformer", f"{feature_map.__name__}(), with its settings"
        raise expected(what, "feature_map", feature_map.__name__, "a class, of which none was made", hint)
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
    except (NotFittedError, TypeError, AttributeError):
        return False
    return True
