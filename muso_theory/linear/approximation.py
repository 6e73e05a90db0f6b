"""How well random features approximate their kernel: alignment and spectral error by number of features."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import eigvalsh
from sklearn.base import clone

from ..arguments import checked
from ..arrays import Array, FloatArray, float_values, plain_array
from ..errors import check_integer, expected
from ..map_names import FEATURE_MAPS
from ..numbers import is_constant
from .feature_map import check_positive

__all__ = [
    "ApproximationRow",
    "approximation_slope",
    "centred_alignment",
    "kernel_alignment",
    "kernel_approximation",
    "spectral_error",
]


@dataclass(frozen=True, slots=True)
class ApproximationRow:
    """How close K̂ = ΦΦᵀ is to the exact kernel K at one number of features; means over the repeats.

    Where a kernel is nearly constant on the data, its mean dominates ‖K‖₂ and the alignment: read the centred
    alignment beside them, which tells whether the differences between samples are approximated.

    Args:
        n_features: D.
        alignment: ⟨K̂, K⟩ / (‖K̂‖_F ‖K‖_F), 1 when proportional.
        centred_alignment: the same after centring both matrices, which a constant offset cannot flatter.
        spectral_error: ‖K̂ − K‖₂ / ‖K‖₂.
        spectral_error_std: standard deviation of it over the repeats; 0 for one repeat.
        poor: whether ``spectral_error`` exceeds ``threshold``; it describes the map and judges no claim.
        threshold: the relative spectral error above which an approximation is called poor.
        repeats: independent draws of the map.
        n_samples: rows compared.
    """

    n_features: int
    alignment: float
    centred_alignment: float
    spectral_error: float
    spectral_error_std: float
    poor: bool
    threshold: float
    repeats: int
    n_samples: int


def kernel_alignment(A: FloatArray, B: FloatArray) -> float:
    """Cosine between two kernel matrices, ⟨A, B⟩ / (‖A‖_F ‖B‖_F).

    Source: Cristianini, Shawe-Taylor, Elisseeff & Kandola, "On kernel-target alignment", NeurIPS 2001.

    Args:
        A: (n, n), not zero.
        B: (n, n), not zero.

    Returns:
        The alignment; in [0, 1] for positive semi-definite matrices.

    Raises:
        BadInputError: a matrix of zeros, which has no direction, or entries that are not finite.

    Example:
        >>> kernel_alignment(np.eye(2), 3.0 * np.eye(2))
        1.0
    """
    A, B = float_values("A", A, (2,)), float_values("B", B, (2,))
    for name, K in (("A", A), ("B", B)):
        if not np.any(K):
            raise expected("a kernel matrix that is not zero", name, np.shape(K), "zeros", "other samples")
    scaled_a, scaled_b = A / np.linalg.norm(A), B / np.linalg.norm(B)
    return float(np.vdot(scaled_a, scaled_b))


def centred_alignment(A: FloatArray, B: FloatArray, constant: float | None = None) -> float:
    """Alignment of HAH and HBH with the centring matrix H = I − 11ᵀ/n.

    Source: Cortes, Mohri & Rostamizadeh, "Algorithms for learning kernels based on centered alignment",
    JMLR 2012.

    Args:
        A: (n, n), not constant.
        B: (n, n), not constant.
        constant: what to return where one of them is constant up to rounding, such as 0; None refuses it.

    Returns:
        The centred alignment.

    Raises:
        BadInputError: a matrix of which centring leaves nothing but rounding errors, or entries that are not finite.

    Example:
        >>> round(centred_alignment(np.eye(3), np.eye(3) + 5.0), 12)
        1.0
    """
    centred = _centred("A", A), _centred("B", B)
    for name, K, rest in zip("AB", (A, B), centred, strict=True):
        if is_constant(rest, scale=float(np.abs(K).max()), like=K):
            if constant is not None:
                return constant
            what, hint = "a kernel matrix that is not constant", "a smaller bandwidth or other samples"
            raise expected(what, name, np.shape(K), "constant up to rounding after centring", hint)
    return kernel_alignment(*centred)


def _centred(name: str, K: FloatArray) -> FloatArray:
    """Subtract row and column means."""
    wide = float_values(name, K, (2,))
    rows = wide - wide.mean(axis=0, keepdims=True)
    return np.asarray(rows - rows.mean(axis=1, keepdims=True))


def spectral_error(approximate: FloatArray, exact: FloatArray) -> float:
    """Relative spectral error ‖K̂ − K‖₂ / ‖K‖₂ of a symmetric approximation.

    Args:
        approximate: K̂, (n, n) symmetric.
        exact: K, (n, n) symmetric, not zero.

    Returns:
        The ratio of the largest absolute eigenvalues.

    Example:
        >>> spectral_error(1.5 * np.eye(2), np.eye(2))
        0.5
    """
    return _spectral_norm(approximate - exact) / _spectral_norm(exact)


def _spectral_norm(K: FloatArray) -> float:
    """Largest absolute eigenvalue of a symmetric matrix."""
    return float(np.abs(eigvalsh(K)).max())


@checked
def kernel_approximation(
    feature_map: Any,
    X: Array,
    n_features: Sequence[int] = (100, 316, 1000, 3162, 10000),
    *,
    repeats: int = 3,
    threshold: float = 0.1,
    max_samples: int = 1000,
) -> tuple[ApproximationRow, ...]:
    """Measure how the features' inner products approach the exact kernel as their number grows.

    A bandwidth of ``"median"`` is resolved once, on all of X. Every row and repeat draws the map anew, with
    the consecutive seeds ``feature_map.seed``, ``feature_map.seed + 1``, …; the map given is not changed.

    Args:
        feature_map: a map with ``kernel`` and the parameters ``n_features`` and ``seed``.
        X: (n, d).
        n_features: numbers of features to compare, each allowed by the map.
        repeats: draws per number of features.
        threshold: relative spectral error above which an approximation is called poor.
        max_samples: with more rows, a sub-sample of this many (seed 0) is compared: eigenvalues cost O(n³).

    Returns:
        One row per number of features, in the order given.

    Raises:
        BadInputError: for a map that does not know its kernel or has no number of features (the identity
            map is its own kernel), for one distinct row only, and for whatever the map refuses.

    Example:
        >>> from muso_theory.linear.features import GaussianFeatures
        >>> X = np.random.default_rng(0).standard_normal((40, 3))
        >>> rows = kernel_approximation(GaussianFeatures(seed=0), X, n_features=(10, 4000))
        >>> [(row.n_features, row.poor) for row in rows]
        [(10, True), (4000, False)]
        >>> rows[1].alignment > 0.99
        True
    """
    repeats = check_integer("repeats", repeats, 1)
    max_samples = check_integer("max_samples", max_samples, 2)
    check_positive("threshold", threshold, "a positive relative error")
    sizes = tuple(n_features)
    if not sizes:
        raise expected("at least one number of features", "n_features", sizes, "empty", "(100, 1000, 10000)")
    made = not isinstance(feature_map, type)  # a class has the methods, and no parameters
    parameters = feature_map.get_params() if made and hasattr(feature_map, "get_params") else {}
    name = type(feature_map).__name__ if made else f"the class {feature_map.__name__}"
    if not callable(getattr(feature_map, "kernel", None)) or not {"n_features", "seed"} <= parameters.keys():
        raise expected(
            "a random feature map that knows its kernel (method kernel, parameters n_features and seed)",
            "feature_map",
            name,
            "no exact kernel to compare with",
            ", ".join(made for word, made in FEATURE_MAPS.items() if word != "identity"),
        )
    reference = clone(feature_map).set_params(n_features=sizes[0]).fit(X)
    if "bandwidth" in parameters:
        feature_map = clone(feature_map).set_params(bandwidth=reference.bandwidth_)
    sample = plain_array("X", X)
    if sample.shape[0] > max_samples:
        chosen = np.random.default_rng(0).choice(sample.shape[0], max_samples, replace=False)
        sample = sample[np.sort(chosen)]
    if bool((sample == sample[0]).all()):
        raise expected("at least two distinct rows", "X", sample.shape, "all rows equal", "more data")
    exact = reference.kernel(sample)
    rows = []
    for position, size in enumerate(sizes):
        measured = np.empty((repeats, 3))
        for repeat in range(repeats):
            seed = parameters["seed"] + position * repeats + repeat
            features = clone(feature_map).set_params(n_features=size, seed=seed).fit(sample).transform(sample)
            approximate = np.asarray(features, dtype=np.float64) @ np.asarray(features, dtype=np.float64).T
            measured[repeat] = (
                kernel_alignment(approximate, exact),
                centred_alignment(approximate, exact),
                spectral_error(approximate, exact),
            )
        mean, spread = measured.mean(axis=0), measured.std(axis=0, ddof=1 if repeats > 1 else 0)
        rows.append(
            ApproximationRow(
                n_features=int(size),
                alignment=float(mean[0]),
                centred_alignment=float(mean[1]),
                spectral_error=float(mean[2]),
                spectral_error_std=float(spread[2]),
                poor=bool(mean[2] > threshold),
                threshold=float(threshold),
                repeats=repeats,
                n_samples=sample.shape[0],
            )
        )
    return tuple(rows)


def approximation_slope(rows: Iterable[ApproximationRow]) -> float:
    """Slope of log spectral error against log number of features, by least squares; −½ in theory.

    Args:
        rows: of :func:`kernel_approximation`, with at least two numbers of features.

    Returns:
        The measured slope.

    Raises:
        BadInputError: with fewer than two numbers of features, or if an error is exactly 0.

    Example:
        >>> from muso_theory.linear.features import GaussianFeatures
        >>> X = np.random.default_rng(0).standard_normal((40, 3))
        >>> rows = kernel_approximation(GaussianFeatures(), X, n_features=(100, 1000, 10000))
        >>> -0.7 < approximation_slope(rows) < -0.3
        True
    """
    points = {row.n_features: row.spectral_error for row in rows}
    if len(points) < 2 or min(points.values()) <= 0.0:
        raise expected(
            "two numbers of features or more, with errors above 0", "rows", points, "dict", "(100, 1000)"
        )
    log_sizes, log_errors = np.log(list(points)), np.log(list(points.values()))
    centred = log_sizes - log_sizes.mean()
    return float(centred @ log_errors / (centred @ centred))
