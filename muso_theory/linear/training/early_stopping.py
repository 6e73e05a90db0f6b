"""Labels for all samples with which early-stopped fine-tuning reaches the early-stopped retrained model (claim 13)."""

from __future__ import annotations

import numpy as np

from ...arguments import checked
from ...arrays import Array
from ...errors import check_integer, expected
from ..closed_forms import float_model
from ..problem import UnlearningProblem
from .coordinates import image_of
from .rowspace import RowSpace
from .train import train

__all__ = ["early_stopping_labels"]

_SINGULAR = 1e-8
"""Below this the labels lose more than half of their digits."""


@checked
def early_stopping_labels(
    problem: UnlearningProblem, step: float, retrain_steps: int, finetune_steps: int
) -> tuple[Array, Array]:
    """Claim early-stopping: ỹ = Q⁻¹(Φw_r(T) − (I − Q)Φw_p) with Q = I − (I − ηK)^T'.

    Gradient descent from w_p for T' steps of η on these labels, retained samples included, ends at w_r(T): the model
    retrained on R for T steps from w₀.

    Args:
        problem: the problem; K must be invertible.
        step: η in (0, 2/λ_max).
        retrain_steps: T, at least 1.
        finetune_steps: T', at least 1.

    Returns:
        The labels, shape (n,) or (n, C) in the order of the samples, and w_r(T).

    Raises:
        BadInputError: a singular K, an unstable step, numbers of steps below 1, or a Q that is singular up to
            rounding: an even T' with a step just below 2/λ_max.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> problem = UnlearningProblem(rng.standard_normal((5, 9)), rng.standard_normal(5), [1, 3])
        >>> labels, w_r = early_stopping_labels(problem, 0.05, retrain_steps=7, finetune_steps=3)
        >>> from muso_theory.linear.solution import solve
        >>> w_p = solve(problem).w_pretrained
        >>> w = train(problem.features, labels, w_p, "gd", step_sizes=0.05, epochs=3).w
        >>> bool(np.linalg.norm(w - w_r) < 1e-12)
        True
    """
    for name, steps in (("retrain_steps", retrain_steps), ("finetune_steps", finetune_steps)):
        check_integer(name, steps, 1, hint=f"{name}=100")
    space = RowSpace.of(problem)
    if space.rank < problem.n_samples:
        raise expected(
            "an invertible Gram matrix", "rank Φ", space.rank, f"n = {problem.n_samples}", "more features"
        )
    values, vectors = space.spectrum
    if not 0 < step * values[-1] < 2:
        raise expected(
            "a stable step", "step", step, f"2/λ_max = {2 / values[-1]:.6g}", f"step={1 / values[-1]:.4g}"
        )
    keep = problem.retain
    w_r = train(
        problem.features[keep],
        problem.targets[keep],
        problem.w_init,
        "gd",
        step_sizes=step,
        epochs=int(retrain_steps),
    ).w
    model = float_model(problem)
    back = np.argsort(model.order)
    at_pretrained = model.predict(model.everything, model.pretrained)[back]
    at_retrained = image_of(problem.features, w_r.reshape(problem.n_features, -1))
    # T' steps on labels ỹ move the outputs by Q(ỹ − Φw_p): Q is the filter of Landweber's iteration (Engl, Hanke,
    # Neubauer 1996, section 6.1). They end at w_r(T) once its outputs are met, for w_r(T) − w_p lies in row(Φ).
    # With K = AAᵀ and AᵀA = WΛWᵀ, K's eigenvectors are AWΛ^-½.
    basis = (space.samples @ vectors) / np.sqrt(values)
    # Where 1 − ηλ is near 1, 1 − (1 − ηλ)^T' keeps its digits as −expm1(T' log1p(−ηλ)).
    q = np.where(
        step * values < 0.5,
        -np.expm1(finetune_steps * np.log1p(-np.minimum(step * values, 0.5))),
        1 - (1 - step * values) ** int(finetune_steps),
    )
    swinging = q[step * values >= 1]
    if swinging.size and swinging.min() < _SINGULAR:
        raise expected(
            "an invertible Q",
            "smallest 1 − (1 − ηλ)^T'",
            f"{swinging.min():.1e}",
            "rounding",
            "a smaller step",
        )
    move = basis @ ((basis.T @ (at_retrained - at_pretrained)) / q[:, None])
    return problem.shaped(at_pretrained + move), w_r
