"""How methods move points of linear models: by coefficients of rows, by noise, and by steps that stay finite."""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..errors import expected
from ..linear.closed_forms import Point, float_model
from ..linear.problem import UnlearningProblem

__all__ = ["forget_rows", "largest_eigenvalue", "moved", "noisy", "require_finite", "retain_rows"]


def largest_eigenvalue(problem: UnlearningProblem) -> float:
    """λ_max(K), or 1 where all features are zero, so that a step can be made from it."""
    return float(float_model(problem).spectrum[1].upper) or 1.0


def require_finite(w: Array, step_size: float) -> Array:
    """Refuse parameters that left the finite numbers."""
    if not np.isfinite(w).all():
        got = "parameters that are not finite"
        raise expected("steps that stay finite", "step_size", step_size, got, f"{step_size / 4:.3g}")
    return w


def moved(problem: UnlearningProblem, w: Point, coefficients: Array) -> Point:
    """Move by Φᵀa, a of shape (n, C) in position order: in coefficients where n ≤ D, explicitly where n > D."""
    model = float_model(problem)
    if model.is_dual:
        before = w.coefficients
        return Point(coefficients if before is None else before + coefficients, w.offset)
    step = model.combine(coefficients)
    return Point(None, step if w.offset is None else w.offset + step)


def forget_rows(problem: UnlearningProblem, values: Array) -> Array:
    """Coefficients that are zero on R and ``values`` on F, shape (n, C) in position order."""
    out = np.zeros((problem.n_samples, values.shape[1]))
    out[len(problem.retain) :] = values
    return out


def retain_rows(problem: UnlearningProblem, values: Array) -> Array:
    """Coefficients that are ``values`` on R and zero on F, shape (n, C) in position order."""
    out = np.zeros((problem.n_samples, values.shape[1]))
    out[: len(problem.retain)] = values
    return out


def noisy(problem: UnlearningProblem, w: Point, sigma: float | Array, seed: int) -> Point:
    """Add independent normal noise of deviation σ, a number or shape (D, 1)."""
    shape = (problem.n_features, problem.n_outputs)
    noise = sigma * np.random.default_rng(seed).standard_normal(shape)
    return Point(w.coefficients, noise if w.offset is None else w.offset + noise)
