"""Removal guarantees that rest on a theorem rather than on a bound of the actual gap, for comparison.

All are stated for an :class:`Objective` whose samples have ‖φ‖ ≤ 1, and where published bounds could be sharpened
without new assumptions they were, so that a comparison favours them:

* Newton-step removal: C. Guo, T. Goldstein, A. Hannun, L. van der Maaten, "Certified data removal from machine learning
  models" (2020). Objective perturbation in training, one Newton step at removal.
* Descent-to-delete: S. Neel, A. Roth, S. Sharifi-Malvajerdi, "Descent-to-delete" (2021). Gradient steps at removal.
* Output perturbation with a worst-case sensitivity: K. Chaudhuri, C. Monteleoni, A. Sarwate, "Differentially private
  empirical risk minimization" (2011); nothing is done at removal.
* Noisy gradient descent with clipped gradients; nothing is done at removal.
"""

from __future__ import annotations

import math

import numpy as np

from ..errors import expected
from .convex import Objective
from .gaussian import gaussian_sigma
from .outputs import Array

__all__ = [
    "descent",
    "descent_bound",
    "global_sensitivity",
    "newton_noise",
    "newton_removal",
    "noisy_descent",
]

_CURVATURE_SLOPE = {"squared": 0.0, "logistic": 1 / (6 * math.sqrt(3))}
"""Largest |ℓ'''|: Guo et al. use ¼ for the logistic loss."""


def newton_removal(objective: Objective, w: Array, forget: Array) -> tuple[Array, float]:
    """One Newton step of the retain objective from the minimiser on all samples, and what gradient it leaves.

    Args:
        objective: on all samples, with its tilt.
        w: its minimiser, shape (D,).
        forget: indices of F.

    Returns:
        w⁻ = w + H⁻¹Σ_F∇ℓ, and the data-dependent bound of ‖∇F_R(w⁻)‖: ½γ‖Φ_R‖₂‖Φ_R(w⁻ − w)‖₄² with γ = max |ℓ'''|.
        It is at most half the published γ‖Φ_R‖₂‖w⁻ − w‖‖Φ_R(w⁻ − w)‖, holds in real arithmetic for an exact
        minimiser w, and is zero for the squared loss, where the step is exact.

    Example:
        >>> objective = Objective(np.eye(3) / 2, np.array([1.0, -1.0, 1.0]), "squared", 0.1)
        >>> step, bound = newton_removal(objective, objective.minimiser(), np.array([0]))
        >>> bool(np.allclose(step, objective.on(np.array([1, 2])).minimiser())), bound
        (True, 0.0)
    """
    retain = np.setdiff1d(np.arange(len(objective.features)), forget)
    kept = objective.on(retain)
    step = np.linalg.solve(kept.hessian(w), objective.on(forget).sample_gradients(w).sum(axis=0))
    fourth = float(np.sum((kept.features @ step) ** 4)) ** 0.5
    bound = 0.5 * _CURVATURE_SLOPE[objective.loss] * float(np.linalg.norm(kept.features, 2)) * fourth
    return w + step, bound


def newton_noise(residual: float, epsilon: float, delta: float) -> float:
    """Standard deviation of the tilt b that hides a gradient residual (Guo et al. 2020, theorem 3).

    Args:
        residual: bound of ‖∇F_R(w⁻)‖.
        epsilon: ε > 0.
        delta: δ in (0, 1).

    Returns:
        residual·√(2 ln(1.5/δ))/ε, in the unit of gradients.

    Raises:
        BadInputError: ε or δ out of range.

    Example:
        >>> round(newton_noise(1.0, 1.0, 1e-5), 4)
        4.8823
    """
    if not (epsilon > 0 and 0 < delta < 1):
        raise expected("ε > 0 and 0 < δ < 1", "epsilon, delta", (epsilon, delta), "numbers", "1.0, 1e-5")
    return residual * math.sqrt(2 * math.log(1.5 / delta)) / epsilon


def descent(objective: Objective, w: Array, steps: int) -> Array:
    """Gradient steps of length 2/(M + λ), which contract distances to the minimiser by (M − λ)/(M + λ).

    Args:
        objective: to descend.
        w: where to start, shape (D,).
        steps: how many.

    Returns:
        The last point.

    Example:
        >>> objective = Objective(np.eye(2), np.array([1.0, -1.0]), "squared", 1.0)
        >>> descent(objective, np.zeros(2), 50).round(6)
        array([ 0.5, -0.5])
    """
    rate = 2 / (objective.smoothness + objective.ridge)
    for _ in range(steps):
        w = w - rate * objective.gradient(w)
    return w


def descent_bound(objective: Objective, w: Array, steps: int) -> float:
    """How far the minimiser can be after that many steps: γ^T‖∇F(w)‖/λ, γ = (M − λ)/(M + λ).

    The published bound starts from the largest distance that any deletion can cause; this one from the distance that
    this deletion causes, bounded by the gradient at the start, which is never larger.

    Args:
        objective: on the retain set.
        w: where descent starts.
        steps: T.

    Returns:
        The bound, in real arithmetic.

    Example:
        >>> objective = Objective(np.eye(2), np.array([1.0, -1.0]), "squared", 1.0)
        >>> descent_bound(objective, np.zeros(2), 0) >= 0.5**0.5
        True
    """
    m, large = objective.ridge, objective.smoothness
    gradient = float(np.linalg.norm(objective.gradient(w)))
    return ((large - m) / (large + m)) ** steps * gradient / m


def global_sensitivity(objective: Objective, n_forget: int) -> float:
    """How far the minimiser can move when n_F samples leave, for any data with ‖φ‖ ≤ 1 and |t| ≤ 1.

    Args:
        objective: whose loss, λ and number of samples count; its samples play no part.
        n_forget: n_F.

    Returns:
        n_F L/λ by λ-strong convexity, where L bounds |ℓ'| at the old minimiser: 1 for the logistic loss, and
        1 + √(n/λ) for the squared one, because (λ/2)‖w‖² ≤ F(w) ≤ F(0) ≤ n/2.

    Raises:
        BadInputError: features longer than 1, or targets beyond ±1.

    Example:
        >>> objective = Objective(np.eye(2), np.array([1.0, -1.0]), "logistic", 0.5)
        >>> global_sensitivity(objective, 1)
        2.0
    """
    longest = float(np.linalg.norm(objective.features, axis=1).max())
    if longest > 1 + 1e-9 or np.abs(objective.targets).max() > 1:
        raise expected(
            "‖φ‖ ≤ 1 and |t| ≤ 1", "features", longest, "longest row", "rows divided by their norms"
        )
    n, ridge = len(objective.features), objective.ridge
    slope = 1.0 if objective.loss == "logistic" else 1 + math.sqrt(n / ridge)
    return n_forget * slope / ridge


def noisy_descent(
    objective: Objective, n_forget: int, epsilon: float, delta: float, *, steps: int = 100, seed: int = 0
) -> tuple[Array, float]:
    """Full-batch gradient descent with each sample's gradient clipped to norm 1 and Gaussian noise in every step.

    Removing n_F samples moves a step's gradient by at most n_F, and T Gaussian steps compose exactly into one of √T
    times the sensitivity, so the analytic mechanism gives the smallest noise that this scheme allows.

    Args:
        objective: on all samples.
        n_forget: n_F, the group that is to be hidden.
        epsilon: ε.
        delta: δ.
        steps: T.
        seed: of the noise.

    Returns:
        The last point, and the noise of each step's gradient.

    Example:
        >>> objective = Objective(np.eye(2), np.array([1.0, -1.0]), "logistic", 1.0)
        >>> w, sigma = noisy_descent(objective, 1, 1.0, 1e-5)
        >>> round(sigma, 3)
        37.306
    """
    sigma = gaussian_sigma(n_forget * math.sqrt(steps), epsilon, delta)
    rng = np.random.default_rng(seed)
    n = len(objective.features)
    # Data-independent: ‖Φ‖₂² ≤ n for rows of norm at most 1.
    rate = 1 / ((1.0 if objective.loss == "squared" else 0.25) * n + objective.ridge)
    w = np.zeros(objective.features.shape[1])
    for _ in range(steps):
        each = objective.sample_gradients(w)
        each /= np.maximum(1.0, np.linalg.norm(each, axis=1, keepdims=True))
        w = w - rate * (each.sum(axis=0) + objective.ridge * w + sigma * rng.standard_normal(len(w)))
    return w, sigma
