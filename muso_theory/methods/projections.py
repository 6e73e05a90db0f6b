"""Methods that move by a projection: onto row(Φ_R), off it, or onto row(Φ_F); on networks by their gradients."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, final

import numpy as np

from ..arguments import checked
from ..arrays import Array
from ..errors import SingularMatrixError, check_integer
from ..linear.closed_forms import Point, float_model
from ..linear.problem import UnlearningProblem
from ..networks.problem import NetworkProblem
from ..streams import ORTHOGONAL_GRADIENT
from .fitting import Descent
from .method import NETWORK, Method
from .moves import forget_rows, moved
from .ranges import require_nonnegative
from .tangent import fitted_logits, tangent_operator, tangent_step

__all__ = ["AnchoredOrthogonalGradient", "NtkScrubbing", "OrthogonalGradient", "ProjectiveResidualUpdate"]


@final
@checked
@dataclass(frozen=True)
class NtkScrubbing(Method):
    """Move off the retain set until the outputs on F are the retrained model's, shape (D,) or (D, C).

    The paper's noise is left out. A singular K gets pseudo-inverses, and then the formula need not be exact.

    On a network θ_p is shifted by the difference of two solutions of the linearisation at θ_p, on R and on everything:
    those of the recipe's loss, least squares or under cross-entropy two softmax models by L-BFGS.

    Args:
        ridge: on a network, ε added to the tangent kernel, or the weight of ½‖θ − θ₀‖² under cross-entropy.
        iterations: on a network, of LSMR, where the kernel is too large to form, or of L-BFGS.

    Example:
        >>> problem = UnlearningProblem(np.array([[1.0, 0, 1], [1, 1, 0]]), np.array([1.0, 2.0]), [1])
        >>> NtkScrubbing()(problem).round(12)
        array([0.5, 0. , 0.5])
    """

    ridge: float = field(default=1e-2, kw_only=True, metadata=NETWORK)
    iterations: int = field(default=50, kw_only=True, metadata=NETWORK)
    name = "ntk-scrubbing"
    formula = "w_p + (I − P_R)Φ_Fᵀ S⁺V, V = Φ_F w₀ − y_F + K_FR K_RR⁺(y_R − Φ_R w₀)"
    source = "Golatkar, Achille, Soatto 2020 (Forgetting outside the box), arXiv 2003.02960"
    exactness = "ntk-scrubbing"
    assuming = ("full-rank",)

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        super().__post_init__()
        require_nonnegative("ridge", self.ridge)

    def on_linear(self, problem: UnlearningProblem) -> Point:
        """The moved point in model coordinates."""
        model = float_model(problem)
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

    def on_network(self, problem: NetworkProblem) -> list[Array]:
        """θ_p + J_R⁺(y_R − b_R) − J⁺(y − b), J at θ_p, b = f(θ_p) − J(θ_p − θ₀)."""
        net, params = problem.net, problem.pretrained
        offset = net.flatten(params) - net.flatten(problem.start)
        settings: dict[str, Any] = {"ridge": self.ridge, "iterations": self.iterations}
        steps = []
        for samples in (problem.retain, np.arange(len(problem.X))):
            X, targets = problem.X[samples], problem.targets[samples]
            J = tangent_operator(net, params, X)
            base = problem.outputs(params, samples) - (J @ offset).reshape(len(samples), -1)
            if problem.recipe.loss == "cross-entropy":
                steps.append(fitted_logits(J, base, targets, **settings))
            else:
                steps.append(tangent_step(net, params, X, targets - base, **settings))
        shifted = net.flatten(params) + (steps[0] - steps[1])
        arrays = [a.astype(problem.X.dtype) for a in net.unflatten(shifted)]
        return problem.check_trained(arrays, self.ridge, "ridge")

    @staticmethod
    def _off_retain(problem: UnlearningProblem, columns: Array) -> Array:
        """(I − P_R)·columns for explicit columns of shape (D, m)."""
        model = float_model(problem)
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


@dataclass(frozen=True)
class _OrthogonalGradient(Method):
    """Shrink what no retained gradient sees; on a network then repair on R, and again."""

    strength: float = field(default=1.0, kw_only=True, metadata=NETWORK)
    subset: int = field(default=64, kw_only=True, metadata=NETWORK)
    descent: Descent = field(default=Descent(epochs=3), kw_only=True, metadata=NETWORK)

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        super().__post_init__()
        require_nonnegative("strength", self.strength)
        check_integer("subset", self.subset, 1)

    anchored: ClassVar[bool]
    """Whether displacements are measured from θ₀; else from zero."""

    def on_network(self, problem: NetworkProblem) -> list[Array]:
        """θ ← θ − s(I − P_S)(θ − o), P_S on the gradients of S ⊂ R, o = θ₀ or zero; then an epoch of min L_R."""
        net, descent = problem.net, self.descent
        rng = np.random.default_rng((descent.seed, ORTHOGONAL_GRADIENT))
        params, origin = list(problem.pretrained), net.flatten(problem.start) * self.anchored
        for round_ in range(descent.epochs):
            chosen = np.sort(rng.permutation(problem.retain)[: self.subset])
            theta = net.flatten(params).astype(np.float64)
            J = tangent_operator(net, params, problem.X[chosen])
            seen = tangent_step(net, params, problem.X[chosen], J @ (theta - origin))
            theta = theta - self.strength * (theta - origin - seen)
            # No gradient sees running statistics; that is no reason to shrink them.
            shrunk = zip(params, net.unflatten(theta), net.trainable, strict=True)
            params = [a.astype(problem.X.dtype) if moves else old for old, a, moves in shrunk]
            repair = replace(descent, epochs=1, seed=descent.seed + round_)
            params = repair.fit(problem, problem.retain, params=params)
        return params


@final
@checked
@dataclass(frozen=True)
class OrthogonalGradient(_OrthogonalGradient):
    """The shortest parameters with w_p's outputs on R, P_R w_p, shape (D,) or (D, C), as published.

    This is where alternating the shrinking of ‖w‖ with steps orthogonal to the retain gradients ends. Retraining ends
    at the shortest *step* from w₀ instead, so that where w_p is least squares on R this misses w_r by (I − P_R)w₀.

    Args:
        strength: on a network, the share of what no retained gradient sees that a round takes away.
        subset: on a network, how many retained samples' gradients are kept.
        descent: on a network, repairs on R: one epoch after each round, and as many rounds as epochs.

    Example:
        >>> rows, w_init = np.array([[1.0, 0, 1], [1, 1, 0]]), np.array([0.0, 0, 1])
        >>> problem = UnlearningProblem(rows, np.array([1.0, 2.0]), [1], w_init)
        >>> w = OrthogonalGradient()(problem)
        >>> w.round(12) + 0.0, (w - AnchoredOrthogonalGradient()(problem)).round(12) + 0.0  # −(I − P_R)w₀
        (array([0.5, 0. , 0.5]), array([ 0.5,  0. , -0.5]))
    """

    anchored = False
    name = "orthogonal-gradient"
    formula = "P_R w_p"
    source = "Block et al. 2025 (minimum-norm, orthogonal gradients), arXiv 2505.22601"
    exactness = "not exact, unless (I − P_R)w₀ = 0, as for w₀ = 0: it shortens w rather than w − w₀"

    def on_linear(self, problem: UnlearningProblem) -> Point:
        """The projected point in model coordinates."""
        model = float_model(problem)
        origin = model.at(np.zeros((problem.n_features, problem.n_outputs)))
        return model.fit(model.retain, model.predict(model.retain, model.pretrained), origin)


@final
@checked
@dataclass(frozen=True)
class AnchoredOrthogonalGradient(_OrthogonalGradient):
    """The shortest step from w₀ that keeps w_p's outputs on R, w₀ + P_R(w_p − w₀), shape (D,) or (D, C).

    The same as :class:`OrthogonalGradient` with ‖w − w₀‖ in place of ‖w‖.

    Args:
        strength: on a network, the share of what no retained gradient sees that a round takes away.
        subset: on a network, how many retained samples' gradients are kept.
        descent: on a network, repairs on R: one epoch after each round, and as many rounds as epochs.

    Example:
        >>> problem = UnlearningProblem(np.array([[1.0, 0, 1], [1, 1, 0]]), np.array([1.0, 2.0]), [1])
        >>> AnchoredOrthogonalGradient()(problem).round(12)
        array([0.5, 0. , 0.5])
    """

    anchored = True
    name = "orthogonal-gradient-anchored"
    formula = "w₀ + P_R(w_p − w₀)"
    source = "after Block et al. 2025, arXiv 2505.22601, who measure from zero"
    exactness = "orthogonal-gradient"
    assuming = ("least-squares-on-retain",)

    def on_linear(self, problem: UnlearningProblem) -> Point:
        """The projected point in model coordinates."""
        model = float_model(problem)
        return model.project(model.retain, model.pretrained)  # type: ignore[no-any-return]


@final
@dataclass(frozen=True)
class ProjectiveResidualUpdate(Method):
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

    def on_linear(self, problem: UnlearningProblem) -> Point:
        """The updated point in model coordinates."""
        model = float_model(problem)
        return model.fit(model.forget, self._left_out(problem), model.pretrained)

    def _expected(self, problem: UnlearningProblem) -> float | None:
        """‖(I − P_F)(w_r − w_p)‖² (claim forget-only), from the retrained model."""
        model = float_model(problem)
        inside = model.fit(model.forget, model.optimal_labels, model.pretrained)
        return float(model.square_distance(inside, model.retrained).upper)

    @staticmethod
    def _left_out(problem: UnlearningProblem) -> Array:
        """Φ_F w_r without retraining, shape (n_F, C)."""
        model = float_model(problem)
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
