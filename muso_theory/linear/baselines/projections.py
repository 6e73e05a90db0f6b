"""Methods that move by a projection: onto row(Φ_R), off it, or onto row(Φ_F)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from ...errors import SingularMatrixError
from ..closed_forms import Point
from ..problem import Array, UnlearningProblem
from .method import UnlearningMethod, forget_rows, moved

__all__ = ["AnchoredOrthogonalGradient", "NtkScrubbing", "OrthogonalGradient", "ProjectiveResidualUpdate"]


@final
@dataclass(frozen=True)
class NtkScrubbing(UnlearningMethod):
    """Move off the retain set until the outputs on F are the retrained model's, shape (D,) or (D, C).

    The paper's noise is left out. A singular K gets pseudo-inverses, and then the formula need not be exact.

    Example:
        >>> problem = UnlearningProblem(np.array([[1.0, 0, 1], [1, 1, 0]]), np.array([1.0, 2.0]), [1])
        >>> NtkScrubbing()(problem).round(12)
        array([0.5, 0. , 0.5])
    """

    name = "ntk-scrubbing"
    formula = "w_p + (I − P_R)Φ_Fᵀ S⁺V, V = Φ_F w₀ − y_F + K_FR K_RR⁺(y_R − Φ_R w₀)"
    source = "Golatkar, Achille, Soatto 2020 (Forgetting outside the box), arXiv 2003.02960"
    exactness = "ntk-scrubbing"
    assuming = ("full-rank",)

    def point(self, problem: UnlearningProblem) -> Point:
        """The moved point in model coordinates."""
        model = problem.float_model
        retrained = model.fit(model.retain, model.targets(model.retain))
        v = model.predict(model.forget, retrained) - model.targets(model.forget)
        n_retain = len(problem.retain)
        if not model.is_dual:
            rows = np.asarray(problem.features[problem.forget], dtype=np.float64)
            off = self._off_retain(problem, rows.T)
            step = off @ _pseudo_solve(off.T @ off, v, float(np.linalg.norm(rows) ** 2))
            start = model.pretrained.offset
            return Point(None, step if start is None else start + step)
        cross = model.gram[:n_retain, n_retain:]
        back = model.factor(model.retain).solve(cross)
        trailing = getattr(model.factor(model.everything), "trailing", None)
        if trailing is not None:  # K is regular, and its Cholesky factor holds that of S
            inner = trailing(n_retain).solve(v)
        else:
            own = model.gram[n_retain:, n_retain:]
            inner = _pseudo_solve(own - cross.T @ back, v, float(np.trace(own)))
        step = forget_rows(problem, inner)
        step[:n_retain] = -back @ inner
        return moved(problem, model.pretrained, step)

    @staticmethod
    def _off_retain(problem: UnlearningProblem, columns: Array) -> Array:
        """(I − P_R)·columns for explicit columns of shape (D, m)."""
        model = problem.float_model
        kept = np.asarray(problem.features[problem.retain], dtype=np.float64)
        inside = kept @ columns
        factor = model.factor(model.retain)
        if len(problem.retain) <= problem.n_features:
            return np.asarray(columns - kept.T @ factor.solve(inside))
        return np.asarray(columns - factor.solve(kept.T @ inside))


def _pseudo_solve(schur: Array, v: Array, size: float) -> Array:
    """S⁺v, where eigenvalues of S below 1e-10 of the size of K_FF, from which it is a difference, count as zero."""
    values, vectors = np.linalg.eigh((schur + schur.T) / 2)
    kept = values > 1e-10 * size
    vectors = vectors[:, kept]
    return np.asarray(vectors @ ((vectors.T @ v) / values[kept][:, None]))


@final
@dataclass(frozen=True)
class OrthogonalGradient(UnlearningMethod):
    """The shortest parameters with w_p's outputs on R, P_R w_p, shape (D,) or (D, C), as published.

    This is where alternating the shrinking of ‖w‖ with steps orthogonal to the retain gradients ends. Retraining ends
    at the shortest *step* from w₀ instead, so that where w_p is least squares on R this misses w_r by (I − P_R)w₀.

    Example:
        >>> rows, w_init = np.array([[1.0, 0, 1], [1, 1, 0]]), np.array([0.0, 0, 1])
        >>> problem = UnlearningProblem(rows, np.array([1.0, 2.0]), [1], w_init)
        >>> w = OrthogonalGradient()(problem)
        >>> w.round(12) + 0.0, (w - AnchoredOrthogonalGradient()(problem)).round(12) + 0.0  # −(I − P_R)w₀
        (array([0.5, 0. , 0.5]), array([ 0.5,  0. , -0.5]))
    """

    name = "orthogonal-gradient"
    formula = "P_R w_p"
    source = "Block et al. 2025 (minimum-norm, orthogonal gradients), arXiv 2505.22601"
    exactness = "not exact, unless (I − P_R)w₀ = 0, as for w₀ = 0: it shortens w rather than w − w₀"

    def point(self, problem: UnlearningProblem) -> Point:
        """The projected point in model coordinates."""
        model = problem.float_model
        origin = model.at(np.zeros((problem.n_features, problem.n_outputs)))
        return model.fit(model.retain, model.predict(model.retain, model.pretrained), origin)


@final
@dataclass(frozen=True)
class AnchoredOrthogonalGradient(UnlearningMethod):
    """The shortest step from w₀ that keeps w_p's outputs on R, w₀ + P_R(w_p − w₀), shape (D,) or (D, C).

    The same as :class:`OrthogonalGradient` with ‖w − w₀‖ in place of ‖w‖.

    Example:
        >>> problem = UnlearningProblem(np.array([[1.0, 0, 1], [1, 1, 0]]), np.array([1.0, 2.0]), [1])
        >>> AnchoredOrthogonalGradient()(problem).round(12)
        array([0.5, 0. , 0.5])
    """

    name = "orthogonal-gradient-anchored"
    formula = "w₀ + P_R(w_p − w₀)"
    source = "after Block et al. 2025, arXiv 2505.22601, who measure from zero"
    exactness = "orthogonal-gradient"
    assuming = ("least-squares-on-retain",)

    def point(self, problem: UnlearningProblem) -> Point:
        """The projected point in model coordinates."""
        model = problem.float_model
        return model.project(model.retain, model.pretrained)  # type: ignore[no-any-return]


@final
@dataclass(frozen=True)
class ProjectiveResidualUpdate(UnlearningMethod):
    """Leave-k-out predictions fitted within the span of the forgotten samples, shape (D,) or (D, C).

    This is the point of w_p + row(Φ_F) that is nearest to w_r. The leave-k-out predictions come from K⁻¹ where K is
    invertible, else from the hat matrix H = ΦΦ⁺ as in the paper; where I − H_FF is singular too (F is needed for the
    rank of Φ, and K is singular) they do not exist and SingularMatrixError is raised.

    Example:
        >>> rows = np.array([[1.0, 0], [0, 1], [1, 1]])
        >>> problem = UnlearningProblem(rows, np.array([1.0, 1.0, 0.0]), [2])
        >>> ProjectiveResidualUpdate()(problem).round(12)  # w_r = (1, 1) happens to lie in w_p + row(Φ_F)
        array([1., 1.])
    """

    name = "projective-residual"
    formula = "w_p + Φ_F⁺(ŷ_F − Φ_F w_p), ŷ_F = y_F − (I − H_FF)⁻¹(y_F − Φ_F w_p) or leave-block-out"
    source = "Izzo, Smart, Chaudhuri, Zou 2021, arXiv 2002.10077"
    exactness = "not exact, unless (I − P_F)(w_r − w_p) = 0 (forget-only)"

    def point(self, problem: UnlearningProblem) -> Point:
        """The updated point in model coordinates."""
        model = problem.float_model
        return model.fit(model.forget, self._left_out(problem), model.pretrained)

    def _expected(self, problem: UnlearningProblem) -> float | None:
        """‖(I − P_F)(w_r − w_p)‖² (claim forget-only), from the retrained model."""
        model = problem.float_model
        inside = model.fit(model.forget, model.optimal_labels, model.pretrained)
        return float(model.square_distance(inside, model.retrained).upper)

    @staticmethod
    def _left_out(problem: UnlearningProblem) -> Array:
        """Φ_F w_r without retraining, shape (n_F, C)."""
        model = problem.float_model
        if model.is_dual and not model.is_singular:
            return np.asarray(model.leave_block_out())
        n_forget = len(problem.forget)
        factor = model.factor(model.everything)
        if model.is_dual:
            unit = forget_rows(problem, np.eye(n_forget))
            hat = model.gram[-n_forget:] @ factor.solve(unit)
        else:
            rows = np.asarray(problem.features[problem.forget], dtype=np.float64)
            hat = rows @ factor.solve(rows.T)
        left, values, right = np.linalg.svd(np.eye(n_forget) - (hat + hat.T) / 2)
        if values[-1] < 1e-8:
            raise SingularMatrixError(
                f"expected an invertible I − H_FF but got smallest singular value {values[-1]:.1e}; the retrained "
                "predictions do not follow from w_p and H; try the closed-form labels"
            )
        targets = model.targets(model.forget)
        error = targets - model.predict(model.forget, model.pretrained)
        return np.asarray(targets - right.T @ ((left.T @ error) / values[:, None]))
