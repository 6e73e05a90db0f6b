"""Removal algorithms, and training after which nothing need be done at removal: what guarantees are about.

* Newton-step removal: C. Guo, T. Goldstein, A. Hannun, L. van der Maaten, "Certified data removal from machine learning
  models" (2020).
* Descent-to-delete: S. Neel, A. Roth, S. Sharifi-Malvajerdi, "Descent-to-delete" (2021). Gradient steps at removal.
* Noisy gradient descent with clipped gradients; nothing is done at removal.

What they promise, for which noise, is :func:`muso_theory.evaluation.guarantee`. Where published bounds could be
sharpened without new assumptions they were, so that a comparison favours them.
"""

from __future__ import annotations

import math

import numpy as np

from ..arrays import Array, forget_indices
from ..errors import check_integer, expected
from ..numbers import Quantity
from .convex import Objective, as_vector, check_objective
from .gaussian import gaussian_sigma
from .guarantees import Guarantee
from .intervals import real_number
from .public import rate
from .release import rounded_normal

__all__ = ["descent", "newton_noise", "newton_removal", "noisy_descent"]

_THIRD_DERIVATIVE = {"squared": 0.0, "logistic": 1 / (6 * math.sqrt(3))}
"""Largest |ℓ'''|: Guo et al. use ¼ for the logistic loss."""


def newton_removal(objective: Objective, w: object, forget: object) -> tuple[Array, Quantity]:
    """One Newton step of the retain objective from the minimiser on all samples, and what gradient it leaves.

    Args:
        w: its minimiser, shape (D,).
        forget: F, mask or indices.

    Returns:
        w⁻ = w + H⁻¹Σ_F∇ℓ, and a bound of ‖∇F_R(w⁻)‖, ½γ‖Φ_R‖₂‖Φ_R(w⁻ − w)‖₄² with γ = max |ℓ'''|. For rows of
        norm at most 1, which the published γ‖Φ_R‖₂‖w⁻ − w‖‖Φ_R(w⁻ − w)‖ is for, it is at most half of that, since
        |φᵀs| ≤ ‖s‖. It is zero for the squared loss, where the step is exact. It is computed from these data and
        measured in floats, so that no guarantee takes it.

    Raises:
        BadInputError: no objective, w of another size, or a forget set that is out of range, repeated, empty or all.

    Example:
        >>> objective = Objective(np.eye(3) / 2, np.array([1.0, -1.0, 1.0]), "squared", 0.1)
        >>> step, bound = newton_removal(objective, objective.minimiser(), np.array([0]))
        >>> bool(np.allclose(step, objective.on(np.array([1, 2])).minimiser())), bound.bound
        (True, 0.0)
    """
    check_objective(objective)
    n, d = objective.features.shape
    w, left = as_vector("w", w, d), forget_indices(forget, n)
    kept = objective.on(np.setdiff1d(np.arange(n), left))
    step = np.linalg.solve(kept.hessian(w), objective.on(left).sample_gradients(w).sum(axis=0))
    fourth = float(np.sum((kept.features @ step) ** 4)) ** 0.5
    bound = 0.5 * _THIRD_DERIVATIVE[objective.loss] * float(np.linalg.norm(kept.features, 2)) * fourth
    return w + step, Quantity.measured(bound)


def newton_noise(residual: float, epsilon: float, delta: float) -> float:
    """Standard deviation of the tilt b that hides a gradient residual which does not depend on b.

    A point at which the gradient is left at u is the exact minimiser for the tilt b + u. If u does not depend on b this
    is the Gaussian mechanism at distance ‖u‖, for every ε. Guo et al. (2020, theorem 3) ask for ‖u(b)‖ ≤ residual
    alone. That does not suffice: exact minimisers that are rounded to a grid have such residuals, and a discrete
    distribution is told from a continuous one with certainty. So no guarantee here is built on a tilt; "newton-step"
    adds its noise to the parameters.

    Args:
        residual: bound of ‖∇F_R(w⁻)‖, finite and at least 0.

    Raises:
        BadInputError: a residual, ε or δ out of range.

    Example:
        >>> round(newton_noise(1.0, 1.0, 1e-5), 4), round(newton_noise(1.0, 10.0, 1e-5), 4)
        (3.7306, 0.4999)
    """
    return gaussian_sigma(residual, epsilon, delta)


def descent(objective: Objective, w: object, steps: int, step: float | None = None) -> Array:
    """Gradient steps, which contract distances to the minimiser by (M − λ)/(M + λ) each for a step 2/(M + λ).

    Args:
        w: where to start, shape (D,).
        steps: how many, at least 0.
        step: length of the step. A guarantee for any data needs the public one, :func:`public.rate`; None computes
            2/(M + λ) from these data, which only a statement about these data may use.

    Raises:
        BadInputError: no objective, w of another size, a negative number of steps, or a step that is not above 0.

    Example:
        >>> objective = Objective(np.eye(2), np.array([1.0, -1.0]), "squared", 1.0)
        >>> descent(objective, np.zeros(2), 50).round(6)
        array([ 0.5, -0.5])
    """
    check_objective(objective)
    steps = check_integer("steps", steps, 0)
    point, what, hint = (
        as_vector("w", w, objective.features.shape[1]),
        "a step above 0",
        "public.rate(constants)",
    )
    default = 2 / (objective.smoothness + objective.ridge)
    length = default if step is None else real_number("step", step, what, hint)
    if not 0 < length < math.inf:
        raise expected(what, "step", step, type(step).__name__, hint)
    for _ in range(steps):
        point = point - length * objective.gradient(point)
    return point


def noisy_descent(promise: Guarantee, objective: Objective, seed: int) -> Array:
    """Full-batch gradient descent with each sample's gradient clipped to norm C and normal noise in every step.

    Removing k samples moves a step's sum by at most kC, and T Gaussian steps compose exactly into one of √T times the
    distance. Number of steps, step, noise and start are public: a step made from the number of samples would tell it,
    through the spread of the result alone.

    The sums are exact. Gradients are rounded towards zero to multiples of 2⁻³⁰C, which never lengthens them, and added
    as integers, so that they neither depend on the order of the samples nor round. Noise is added to sums on the grid.
    What is done after that in a step sees only what has been released.

    Args:
        promise: of "noisy-descent".
        seed: secret seed of the noise, a non-negative integer, used once.

    Raises:
        BadInputError: a guarantee of another mechanism, data beyond its public constants, a tilt, or a bad seed.

    Example:
        >>> from muso_theory.evaluation import Public, guarantee
        >>> public = Public(samples=2, forget=1, loss="logistic", ridge=1.0, feature_norm=1.0, steps=4, clip=1.0)
        >>> promise = guarantee("noisy-descent", 1.0, 1e-5, public=public)
        >>> objective = Objective(np.eye(2), np.array([1.0, -1.0]), "logistic", 1.0)
        >>> noisy_descent(promise, objective, seed=1).shape, round(promise.sigma, 3)
        ((2,), 7.461)
    """
    mechanism = promise.mechanism if isinstance(promise, Guarantee) else type(promise).__name__
    public = promise.public if mechanism == "noisy-descent" else None
    if public is None:
        hint = "guarantee('noisy-descent', …)"
        raise expected("a guarantee of noisy-descent", "promise", mechanism, "mechanism", hint)
    if int(public.number("samples")) > _MOST_SAMPLES:
        hint = "a subset that is chosen without looking at the data"
        raise expected(f"at most {_MOST_SAMPLES} samples", "samples", public.samples, "int", hint)
    public.holds_for(objective)
    clip, length = float(public.number("clip")), rate(public)
    w = np.zeros(objective.features.shape[1])
    for step in range(int(public.number("steps"))):
        released = rounded_normal(_clipped_sum(objective, w, clip), promise.sigma, _step_seed(seed, step))
        w = w - length * (clip * released + objective.ridge * w)
    return w


def _step_seed(seed: int, step: int) -> int:
    """Seeds that differ for all pairs: both halves can be read from the number."""
    return (check_integer("seed", seed, hint="secrets.randbits(256)") << 32) + step


_UNIT = 2.0**-30
_MOST_SAMPLES = 2**23
"""So many sums of units stay below 2⁵³, where floats hold every integer."""


def _clipped_sum(objective: Objective, w: Array, clip: float) -> Array:
    """Σ of the samples' clipped gradients in units of C: each has norm at most 1, and no sum is rounded."""
    # Row by row: BLAS and vectorised tanh may choose another order of operations when the number of rows changes, so
    # that a sample that leaves would move the last bits of all others.
    z = np.multiply(objective.features, w, order="C").sum(axis=1)
    if objective.loss == "logistic":
        z = np.array([math.tanh(value / 2) for value in z.tolist()])
    slope = (z - objective.targets) / (1.0 if objective.loss == "squared" else 2.0)
    with np.errstate(over="ignore", invalid="ignore"):
        each = np.multiply(slope[:, None], objective.features, order="C") / clip
    if not np.isfinite(each).all():
        raise expected(
            "gradients that are finite in units of C", "clip", clip, "float", "constants of ordinary size"
        )
    norms = np.sqrt(np.square(each).sum(axis=1))
    # The norm's rounding is far below 2⁻⁴⁰, and truncation shortens: Σ of squares is at most 1, as real numbers.
    each *= ((1 - 2.0**-40) / np.maximum(1.0, norms))[:, None]
    total: Array = np.trunc(each / _UNIT).astype(np.int64).sum(axis=0)
    return total * _UNIT
