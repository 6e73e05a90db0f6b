"""The head of a published revision at 50 digits, against which its explicit inverses in floats are held."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array

__all__ = ["DIGITS", "head_in_digits"]

DIGITS = 50
"""Digits of the answer, at least; the working precision has twice as many."""


def head_in_digits(
    rows: Array, start: Array, trained: Array, ridge: float, revision: str, theirs: Array | None = None
) -> Array:
    """What a revision's formula is in exact arithmetic, rounded once, to float64.

    All of them solve with ZᵀZ + λI, for Zᵀ(ZZᵀ + λI)⁻¹ = (ZᵀZ + λI)⁻¹Zᵀ: λ is ε, and 1 for the revision of 2025-02,
    whose Zᵀ(εI + εZZᵀ)⁻¹Z = Zᵀ(I + ZZᵀ)⁻¹Z/ε.

    Args:
        rows: Z (s, m).
        start: w₀ (m, k).
        trained: w_p (m, k).
        ridge: ε > 0.
        revision: which.
        theirs: Z_p (s, m), features by the pretrained network, for the intention of the first revision.

    Returns:
        The head (m, k) in float64.

    Example:
        >>> Z, zero, w = np.eye(2, 3), np.zeros((3, 1)), np.ones((3, 1))
        >>> head_in_digits(Z, zero, w, 1.0, "2025-02").T, head_in_digits(Z, zero, w, 3.0, "projector").T
        (array([[0.5, 0.5, 0. ]]), array([[0.25, 0.25, 0.  ]]))
    """
    from fractions import Fraction

    from ..numbers import BALL

    ball = BALL(bits=round(2 * DIGITS * np.log2(10)))
    Z, w0, w = (ball.matrix(np.asarray(a, dtype=np.float64)) for a in (rows, start, trained))
    shift: Any = Fraction(1) if revision == "2025-02" else Fraction(ridge)
    wanted = ball.matmul(Z, ball.sub(w, w0))
    if theirs is not None:
        outputs = ball.matmul(ball.matrix(np.asarray(theirs, dtype=np.float64)), w)
        wanted = ball.sub(outputs, ball.matmul(Z, w0))
    turned = ball.transpose(Z)
    gram = ball.add(ball.gram(turned), ball.scale(shift, ball.identity(rows.shape[1])))
    step = ball.factor(gram).solve(ball.matmul(turned, wanted))
    if revision == "2025-02":
        step = ball.scale(1 / Fraction(ridge), step)
    return np.asarray(ball.to_numpy(ball.add(w0, step)))
