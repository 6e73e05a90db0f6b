"""The head that the published network code takes labels from, by the explicit inverses of each of its revisions."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from ..arguments import checked
from ..arrays import Array, float_values
from ..errors import expected
from ..networks.training import DivergedError
from .exact_head import head_in_digits
from .projector import row_projector

__all__ = ["Precision", "Revision", "published_head"]

Revision = Literal["2024-10", "2025-02", "intended", "projector"]
"""The two published revisions of the projector, the evident intention of the first, and the projector itself."""

Precision = Literal["float32", "float64", "50 digits"]
"""Of the inverses; at 50 digits the formula itself, rounded once."""


@checked
def published_head(
    Z: Array,
    w_init: Array,
    w_pretrained: Array,
    *,
    ridge: float,
    revision: Revision = "2025-02",
    precision: Precision = "float32",
    Z_pretrained: Array | None = None,
) -> Array:
    """The head that the labels are taken from, by the inverses of a published revision.

    ``"2024-10"`` forms Π = Zᵀ(ZZᵀ + εI)⁻¹Z, ``"2025-02"`` Π = ZᵀMZ with M = A − AZ(B + ZᵀAZ)⁻¹ZᵀA, A = (εI)⁻¹ and
    B = (εI)⁻¹, where the identity of Woodbury has I in place of B: exactly it is Zᵀ(εI + εZZᵀ)⁻¹Z, about 1/ε times a
    projector. Both give w₀ + Π(w_p − w₀). ``"intended"`` is w₀ + Zᵀ(ZZᵀ + εI)⁻¹(Z_p w_p − Z w₀), the regularised
    minimum-norm update towards the pretrained outputs. ``"projector"`` is Π = I − ε(ZᵀZ + εI)⁻¹ by Cholesky.

    Explicit inverses in float32 lose all digits at small ε. What they give hangs on the kernel of BLAS, and no verdict
    may rest on it: compare ``precision="float64"``.

    Args:
        Z: current features of the subset (s, m), ones included.
        w_init: w₀ (m, k).
        w_pretrained: w_p (m, k).
        ridge: ε > 0.
        revision: which.
        precision: of the inverses and of Π; ``"projector"`` is formed in float64 or at 50 digits. At ``"50 digits"``
            the formula is evaluated in balls, and the head is float64.
        Z_pretrained: features of the subset by the pretrained network, for ``"intended"`` alone.

    Returns:
        The head (m, k), in the precision asked for.

    Raises:
        BadInputError: ε ≤ 0, a precision or features that the revision does not use, shapes that do not fit.
        DivergedError: an inverse that does not exist in that precision.

    Example:
        >>> Z, zero, w = np.eye(2, 3), np.zeros((3, 1)), np.ones((3, 1))
        >>> published_head(Z, zero, w, ridge=1e-6, revision="2024-10").round(4).T
        array([[1., 1., 0.]], dtype=float32)
        >>> published_head(Z, zero, w, ridge=0.01, revision="2025-02", precision="float64").round(9).T
        array([[50., 50.,  0.]])
    """
    rows, start, trained = (
        float_values(name, values, (2,))
        for name, values in (("Z", Z), ("w_init", w_init), ("w_pretrained", w_pretrained))
    )
    if not (math.isfinite(ridge) and ridge > 0):
        raise expected("a positive ridge", "ridge", ridge, "an inverse that may not exist", "1e-6")
    if not len(rows) or start.shape != trained.shape or rows.shape[1] != len(start):
        shapes = (rows.shape, start.shape, trained.shape)
        raise expected("(s, m), (m, k) and (m, k)", "Z, w_init, w_pretrained", shapes, "shapes", "one m")
    if (revision == "intended") is (Z_pretrained is None):
        needs = "features by the pretrained network" if Z_pretrained is None else "None"
        raise expected(needs, "Z_pretrained", Z_pretrained is not None, f"given for {revision}", "'intended'")
    if revision == "projector" and precision == "float32":
        raise expected("'float64'", "precision", precision, "a Cholesky factor in float64", "'float64'")
    if precision == "50 digits":
        theirs = None if Z_pretrained is None else float_values("Z_pretrained", Z_pretrained, (2,))
        return head_in_digits(rows, start, trained, ridge, revision, theirs)
    if revision == "projector":
        return np.asarray(start + row_projector(rows, ridge=ridge, form="ridge") @ (trained - start))
    rows, start, trained = (np.asarray(a, dtype=precision) for a in (rows, start, trained))
    n, m = rows.shape
    with np.errstate(all="ignore"):  # what overflows is told below
        try:
            if revision == "2025-02":
                a, b = (np.linalg.inv(rows.dtype.type(ridge) * np.eye(s, dtype=precision)) for s in (n, m))
                inner = np.linalg.inv(b + rows.T @ a @ rows)
                projector = rows.T @ (a - a @ rows @ inner @ rows.T @ a) @ rows
                head = start + projector @ (trained - start)
            else:
                inverse = np.linalg.inv(rows @ rows.T + rows.dtype.type(ridge) * np.eye(n, dtype=precision))
                if Z_pretrained is None:
                    head = start + (rows.T @ inverse @ rows) @ (trained - start)
                else:
                    outputs = float_values("Z_pretrained", Z_pretrained, (2,)).astype(precision) @ trained
                    head = start + rows.T @ inverse @ (outputs - rows @ start)
        except np.linalg.LinAlgError as singular:
            raise DivergedError(f"ε = {ridge:g}: no inverse in {precision} ({singular})") from singular
    if not np.isfinite(head).all():
        raise DivergedError(f"ε = {ridge:g}: the inverse in {precision} is not finite")
    return np.asarray(head)
