"""The exact kernels that the feature maps approximate, and the median-distance bandwidth."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import numpy as np
from scipy.spatial.distance import cdist, pdist
from scipy.special import gammaln, kve

from ..arrays import FloatArray
from ..errors import expected

__all__ = [
    "MEDIAN_SAMPLES",
    "arc_cosine_kernel",
    "gaussian_kernel",
    "laplacian_kernel",
    "linear_kernel",
    "matern_kernel",
    "median_distance",
]

Metric: TypeAlias = Literal["euclidean", "cityblock"]

MEDIAN_SAMPLES = 1000
"""Rows from which a median distance is taken; above it a fixed sub-sample of this size is used."""


def linear_kernel(X: FloatArray, Y: FloatArray) -> FloatArray:
    """Inner products k(x, x') = xᵀx', the kernel of the identity map.

    Args:
        X: (n, d).
        Y: (n', d).

    Returns:
        The kernel matrix (n, n').

    Example:
        >>> linear_kernel(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]]))
        array([[11.]])
    """
    return np.asarray(X @ Y.T)


def gaussian_kernel(X: FloatArray, Y: FloatArray, bandwidth: float) -> FloatArray:
    """Gaussian kernel exp(−‖x − x'‖² / (2σ²)).

    Distances are taken from differences of rows, not from the expanded square, so that
    k(x, x) is exactly 1 and near neighbours lose no digits.

    Args:
        X: (n, d).
        Y: (n', d).
        bandwidth: σ > 0.

    Returns:
        The kernel matrix (n, n').

    Example:
        >>> gaussian_kernel(np.array([[0.0]]), np.array([[0.0], [2.0]]), 1.0).round(4)
        array([[1.    , 0.1353]])
    """
    scaled = cdist(X, Y, "euclidean") / bandwidth
    return np.asarray(np.exp(-0.5 * scaled**2))


def laplacian_kernel(X: FloatArray, Y: FloatArray, bandwidth: float) -> FloatArray:
    """Laplacian kernel exp(−‖x − x'‖₁ / σ), with the sum of absolute differences.

    Args:
        X: (n, d).
        Y: (n', d).
        bandwidth: σ > 0.

    Returns:
        The kernel matrix (n, n').

    Example:
        >>> laplacian_kernel(np.array([[0.0, 0.0]]), np.array([[1.0, 1.0]]), 2.0).round(4)
        array([[0.3679]])
    """
    return np.asarray(np.exp(-cdist(X, Y, "cityblock") / bandwidth))


def matern_kernel(X: FloatArray, Y: FloatArray, bandwidth: float, nu: float) -> FloatArray:
    """Matérn kernel 2^{1−ν}/Γ(ν) · z^ν K_ν(z) with z = √(2ν) ‖x − x'‖ / σ.

    Args:
        X: (n, d).
        Y: (n', d).
        bandwidth: length scale σ > 0.
        nu: smoothness, 0 < ν ≤ 50; ν = ½ is exp(−‖x − x'‖/σ), ν → ∞ the Gaussian kernel.

    Returns:
        The kernel matrix (n, n').

    Example:
        >>> matern_kernel(np.array([[0.0]]), np.array([[0.0], [1.0]]), 1.0, nu=0.5).round(4)
        array([[1.    , 0.3679]])
    """
    z = math.sqrt(2.0 * nu) * (cdist(X, Y, "euclidean") / bandwidth)
    with np.errstate(divide="ignore", invalid="ignore"):
        bessel = kve(nu, z)
        log_value = (1.0 - nu) * math.log(2.0) - gammaln(nu) + nu * np.log(z) + np.log(bessel) - z
        value = np.exp(log_value)
    # K_ν(z) overflows for z near 0; the first two terms of the series are exact to rounding there.
    series = 1.0 - z**2 / (4.0 * (nu - 1.0)) if nu > 1.0 else np.ones_like(z)
    near = ~np.isfinite(bessel) & (z < 1.0)
    # Far away kve underflows to 0 or loses its argument; the kernel is 0 to rounding there.
    return np.asarray(np.where(near, series, np.where(np.isfinite(value), value, 0.0)))


def arc_cosine_kernel(X: FloatArray, Y: FloatArray, degree: int) -> FloatArray:
    """Arc-cosine kernel of Cho & Saul (2009), in their normalisation.

    With θ the angle between x and x': degree 0 is 1 − θ/π and degree 1 is
    ‖x‖‖x'‖ (sin θ + (π − θ) cos θ) / π, so k(x, x) is 1 and ‖x‖². A zero row has θ = π/2 with
    everything, which is what the convention Heaviside(0) = ½ implies.

    Args:
        X: (n, d).
        Y: (n', d).
        degree: 0 or 1.

    Returns:
        The kernel matrix (n, n').

    Example:
        >>> arc_cosine_kernel(np.array([[1.0, 0.0]]), np.array([[2.0, 0.0], [0.0, 2.0]]), 1).round(4)
        array([[2.    , 0.6366]])
    """
    norm_x = np.linalg.norm(X, axis=1, keepdims=True)
    norm_y = np.linalg.norm(Y, axis=1, keepdims=True)
    unit_x = np.divide(X, norm_x, out=np.zeros_like(X), where=norm_x > 0)
    unit_y = np.divide(Y, norm_y, out=np.zeros_like(Y), where=norm_y > 0)
    # Kahan's formula: the arc cosine of a rounded cosine is off by 1e-8 for parallel rows.
    angle = 2.0 * np.arctan2(cdist(unit_x, unit_y), cdist(unit_x, -unit_y))
    angle[(norm_x == 0) | (norm_y.T == 0)] = math.pi / 2.0
    if degree == 0:
        return np.asarray(1.0 - angle / math.pi)
    shape = (np.sin(angle) + (math.pi - angle) * np.cos(angle)) / math.pi
    return np.asarray(norm_x * shape * norm_y.T)


def median_distance(X: FloatArray, metric: Metric = "euclidean") -> float:
    """Median of the distances between all pairs of rows, the usual choice of bandwidth.

    With more than ``MEDIAN_SAMPLES`` rows the pairs come from a sub-sample of that many rows. Its
    seed is fixed, so the bandwidth depends on the data alone and not on a feature map's seed.

    Args:
        X: (n, d) with n ≥ 2.
        metric: ``"euclidean"`` or ``"cityblock"`` (sum of absolute differences).

    Returns:
        The median distance, positive and finite.

    Raises:
        BadInputError: if there is one row only, or if the median is 0 (at least half of the pairs
            are equal) or not finite.

    Example:
        >>> median_distance(np.array([[0.0], [1.0], [3.0]]))
        2.0
    """
    n = X.shape[0]
    if n < 2:
        raise expected(
            "at least two rows for bandwidth='median'", "X", X.shape, "one sample", "a number as bandwidth"
        )
    if n > MEDIAN_SAMPLES:
        chosen = np.random.default_rng(0).choice(n, MEDIAN_SAMPLES, replace=False)
        X = X[np.sort(chosen)]
    median = float(np.median(pdist(X, metric)))
    if not (0.0 < median < math.inf):
        why = (
            "half of the pairs of rows are equal, or their squares underflow"
            if median == 0.0
            else "distances overflow"
        )
        raise expected(
            "data whose median pairwise distance is positive and finite for bandwidth='median'",
            "median distance",
            median,
            why,
            "a number as bandwidth",
        )
    return median
