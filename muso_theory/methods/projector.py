"""The projector on the row space of features, exact or with a ridge, and whether a matrix is one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from ..arguments import checked
from ..arrays import Array, float_values
from ..errors import expected, nearest

__all__ = ["Projector", "ProjectorCheck", "check_projector", "row_projector"]

Projector = Literal["exact", "ridge", "woodbury", "published"]


@checked
def row_projector(Z: Array, *, ridge: float = 0.0, form: Projector = "exact") -> Array:
    """The projector on the row space of Z, (m, m), exact or with a ridge.

    ``"exact"`` is Z⁺Z, from the singular vectors. ``"ridge"`` is I − ε(ZᵀZ + εI)⁻¹ by Cholesky, whose eigenvalues are
    σ²/(σ² + ε). ``"woodbury"`` is the same by the n×n inverse, Zᵀ(εI + ZZᵀ)⁻¹Z. ``"published"`` is what the published
    network code evaluates in its place, Zᵀ(εI + εZZᵀ)⁻¹Z: no projector, and about 1/ε times too large; it is here so
    that :func:`check_projector` can be seen to refuse it.

    Args:
        Z: (n, m).
        ridge: ε, positive for every form but ``"exact"``.
        form: which.

    Returns:
        Π in float64.

    Raises:
        BadInputError: for an unknown form, no rows, or ε ≤ 0 where it is needed.

    Example:
        >>> row_projector(np.array([[2.0, 0.0]]))
        array([[1., 0.],
               [0., 0.]])
    """
    forms = ("exact", "ridge", "woodbury", "published")
    if form not in forms:
        raise expected("a form of projector", "form", form, type(form).__name__, nearest(str(form), forms))
    rows = float_values("Z", Z, (2,))
    n, m = rows.shape
    if not n:
        raise expected("at least one row", "Z", rows.shape, "shape", "a larger subset")
    if form == "exact":
        _, sigma, right = np.linalg.svd(rows, full_matrices=False)
        basis = right[sigma > sigma[0] * max(n, m) * np.finfo(np.asarray(Z).dtype).eps]
        return np.asarray(basis.T @ basis)
    if not (np.isfinite(ridge) and ridge > 0):
        raise expected("a positive ridge", "ridge", ridge, "out of range", "1e-6, or form='exact'")
    if form == "ridge":
        from scipy.linalg import cho_factor, cho_solve

        factor = cho_factor(rows.T @ rows + ridge * np.eye(m))
        return np.asarray(np.eye(m) - ridge * cho_solve(factor, np.eye(m)))
    gram = rows @ rows.T
    inner = ridge * np.eye(n) + (ridge * gram if form == "published" else gram)
    return np.asarray(rows.T @ np.linalg.solve(inner, rows))


@final
@dataclass(frozen=True)
class ProjectorCheck:
    """How far a matrix is from the ridge projector on a row space, in numbers each of which is zero for it.

    Args:
        excess: by how much its largest eigenvalue exceeds 1; a projector, ridge or not, has none.
        deviation: largest error of Πv = σ²/(σ² + ε) v over the right singular vectors v of Z.
        asymmetry: ‖Π − Πᵀ‖ (Frobenius).
        tolerance: what rounding may cause, relative to 1.
    """

    excess: float
    deviation: float
    asymmetry: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether all three are within the tolerance."""
        return max(self.excess, self.deviation, self.asymmetry) <= self.tolerance

    def __repr__(self) -> str:
        word = "a ridge projector" if self.passed else "NOT a ridge projector"
        return f"{word}: excess {self.excess:.2g}, deviation {self.deviation:.2g}, asymmetry {self.asymmetry:.2g}"


@checked
def check_projector(
    projector: Array, Z: Array, *, ridge: float = 0.0, tolerance: float = 1e-6
) -> ProjectorCheck:
    """Hold a matrix that claims to be the (ridge) projector on row(Z) against its definition.

    Args:
        projector: Π (m, m).
        Z: (n, m).
        ridge: the ε it claims to use.
        tolerance: relative to 1; what passes.

    Returns:
        The deviations.

    Example:
        >>> Z = np.random.default_rng(0).standard_normal((4, 6))
        >>> check_projector(row_projector(Z, ridge=1e-3, form="woodbury"), Z, ridge=1e-3).passed
        True
        >>> check_projector(row_projector(Z, ridge=1e-3, form="published"), Z, ridge=1e-3).passed
        False
    """
    rows, projector = float_values("Z", Z, (2,)), float_values("projector", projector, (2,))
    if not rows.size or projector.shape != (rows.shape[1],) * 2:
        what = f"a projector of rows of {rows.shape[1]}"
        raise expected(what, "projector", projector.shape, "shape", "row_projector(Z)")
    _, sigma, right = np.linalg.svd(rows, full_matrices=False)
    keep = sigma > sigma[0] * max(rows.shape) * np.finfo(np.float64).eps
    sigma, right = sigma[keep], right[keep]
    wanted = (sigma**2 / (sigma**2 + ridge))[:, None] * right
    return ProjectorCheck(
        max(0.0, float(np.linalg.eigvalsh((projector + projector.T) / 2)[-1]) - 1.0),
        float(np.linalg.norm(right @ projector - wanted, axis=1).max(initial=0.0)),
        float(np.linalg.norm(projector - projector.T)),
        tolerance,
    )
