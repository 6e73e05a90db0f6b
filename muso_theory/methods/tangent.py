"""Labels for the forget samples from a linear view of a network: its last layer, or its whole tangent.

In either view the model is f(x) = base + Φ(x) w, w measured from θ₀; labels are those of claims ``exact-labels``
(from the retained targets) and ``label-free`` (from the displacement w_p alone).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np

from ..arguments import checked
from ..arrays import Array, float_values
from ..descent.losses import LossName, loss_and_cotangent
from ..errors import expected, nearest
from ..networks.composition import Chain
from ..networks.dense import Dense
from ..networks.network import Sequential
from ..networks.operators import jacobian_operator

__all__ = [
    "HeadCondition",
    "Projector",
    "ProjectorCheck",
    "check_projector",
    "fitted_logits",
    "head_features",
    "head_labels",
    "head_matrix",
    "row_projector",
    "tangent_labels",
    "tangent_operator",
    "tangent_step",
]

Projector = Literal["exact", "ridge", "woodbury", "published"]


def _head(net: Sequential) -> Dense:
    """The last layer, when it is linear."""
    last = net.layers[-1]
    if not isinstance(last, Dense):
        raise expected(
            "a network whose last layer is dense (linear)",
            f"layers[{len(net.layers) - 1}]",
            str(last),
            type(last).__name__,
            "a Dense layer at the end, or view='tangent'",
        )
    return last


@checked
def head_features(net: Sequential, params: Sequence[Array], X: Array) -> Array:
    """Z: what the last layer sees, with a bias column, scaled so that f = Z @ head_matrix.

    Args:
        net: a network that ends in a dense layer.
        params: θ.
        X: inputs (n, *input_shape).

    Returns:
        (n, m + 1).

    Raises:
        BadInputError: if the last layer is not linear.

    Example:
        >>> from muso_theory.networks import mlp
        >>> net = mlp([3, 5, 2], parameterization="ntk")
        >>> params, X = net.init(0), np.eye(3)
        >>> bool(np.allclose(head_features(net, params, X) @ head_matrix(net, params), net(params, X)))
        True
    """
    last = _head(net)
    body, arrays = Chain(net.layers[:-1]), net.check_params(params)
    inputs = net.check_inputs(X)
    parts = [body.forward(arrays[:-2], inputs[i : i + 1024])[0] for i in range(0, len(inputs), 1024)]
    hidden = np.concatenate(parts)
    weight_scale, bias_scale = last._scales(hidden)
    return np.hstack([weight_scale * hidden, np.full((len(hidden), 1), bias_scale, dtype=hidden.dtype)])


@checked
def head_matrix(net: Sequential, params: Sequence[Array]) -> Array:
    """The last layer's weights with the bias as last row, (m + 1, k).

    Args:
        net: a network that ends in a dense layer.
        params: θ.

    Returns:
        The matrix.

    Raises:
        BadInputError: if the last layer is not linear.
    """
    _head(net)
    *_, weight, bias = net.check_params(params)
    return np.vstack([weight, bias[None, :]])


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


@final
@dataclass(frozen=True)
class HeadCondition:
    """Whether the last layer leaves label-free labels anything to say.

    Once the retained features span the forget samples' (always so when they span everything, Π_R = I),
    Z_F(w₀ + Π(w − w₀)) = Z_F w: the labels are the model's own predictions, and only the ridge unlearns anything.

    Args:
        rows: retained rows used.
        features: m + 1.
        rank: numerical rank of those rows.
        joint_rank: their rank together with the forget rows.
        removed: ‖(I − Π)(w − w₀)‖/‖w − w₀‖, the share of the head's displacement that the projector takes away.
        label_shift: ‖ŷ_F − f(X_F)‖/‖f(X_F)‖, how far the labels are from the model's own predictions.
    """

    rows: int
    features: int
    rank: int
    joint_rank: int
    removed: float
    label_shift: float

    @property
    def degenerate(self) -> bool:
        """Whether the retained rows span the forget rows, so that Π_R does nothing to them but for the ridge."""
        # The joint rank is cut off at a larger singular value, so that it may even come out smaller.
        return self.rank >= self.joint_rank

    def __repr__(self) -> str:
        sizes = (
            f"rank {self.rank} of {self.features} features from {self.rows} retained rows, "
            f"{self.joint_rank} with the forget rows"
        )
        numbers = f"the projector removes {self.removed:.2g} of w − w₀, labels move by {self.label_shift:.2g}"
        if self.degenerate:
            limit = "Π_R → I, labels → the model's own predictions"
            return f"label-free labels degenerate ({limit}): {sizes}; {numbers}"
        return f"the forget samples have features of their own: {sizes}; {numbers}"


@checked
def head_labels(
    Z_retain: Array,
    Z_forget: Array,
    w_init: Array,
    w: Array,
    *,
    ridge: float = 0.0,
    form: Projector = "exact",
) -> tuple[Array, HeadCondition]:
    """Label-free labels of the last layer, Z_F(w₀ + Π(w − w₀)) (claim ``label-free`` with Φ = Z).

    Args:
        Z_retain: features of (a subset of) the retained samples (n_S, m).
        Z_forget: features of the forget samples (n_F, m).
        w_init: w₀ (m, k).
        w: the head's parameters (m, k).
        ridge: ε of Π.
        form: of :func:`row_projector`.

    Returns:
        Labels (n_F, k), and how degenerate they are.

    Example:
        >>> labels, condition = head_labels(np.eye(2), np.ones((1, 2)), np.zeros((2, 1)), np.ones((2, 1)))
        >>> labels, condition.degenerate
        (array([[2.]]), True)
    """
    projector = row_projector(Z_retain, ridge=ridge, form=form)
    w, start, Z_forget = (
        float_values(name, values, (2,))
        for name, values in (("w", w), ("w_init", w_init), ("Z_forget", Z_forget))
    )
    moved = w - start
    kept = projector @ moved
    labels = Z_forget @ (start + kept)
    own = Z_forget @ w
    condition = HeadCondition(
        len(Z_retain),
        Z_retain.shape[1],
        int(np.linalg.matrix_rank(Z_retain)),
        int(np.linalg.matrix_rank(np.vstack([Z_retain, Z_forget]))),
        _ratio(moved - kept, moved),
        _ratio(labels - own, own),
    )
    return labels, condition


def _ratio(a: Array, b: Array) -> float:
    """‖a‖/‖b‖, zero when both are."""
    size = float(np.linalg.norm(b))
    return float(np.linalg.norm(a)) / size if size else 0.0


DUAL_ROWS = 800
"""Up to this many rows the tangent system is solved through its Gram, beyond it by iteration."""


def tangent_operator(net: Sequential, params: Sequence[Array], X: Array) -> Any:
    """J as an operator on double-precision vectors that works in the precision of the inputs.

    Without the cast a float32 network would be pushed through in float64, at several times the price.

    Args:
        net: the network.
        params: where.
        X: inputs (n, *input_shape).

    Returns:
        A ``scipy.sparse.linalg.LinearOperator`` (n·k, D).
    """
    from scipy.sparse.linalg import LinearOperator

    J = jacobian_operator(net, params, X)

    def forward(v: Array) -> Array:
        return np.asarray(J.matvec(np.ravel(v).astype(J.dtype)), dtype=np.float64)

    def back(u: Array) -> Array:
        return np.asarray(J.rmatvec(np.ravel(u).astype(J.dtype)), dtype=np.float64)

    return LinearOperator(J.shape, matvec=forward, rmatvec=back, dtype=np.float64)


@checked
def tangent_step(
    net: Sequential,
    params: Sequence[Array],
    X: Array,
    residual: Array,
    *,
    ridge: float = 0.0,
    iterations: int = 100,
) -> Array:
    """The minimum-norm δ with Jδ ≈ residual, Jᵀ(JJᵀ + εI)⁺ residual: through the Gram, or by LSMR without J.

    LSMR starts at zero and stays in row(J); stopped early it keeps the directions of large tangent-kernel eigenvalues.

    Args:
        net: the network.
        params: where J is taken.
        X: inputs (n, *input_shape).
        residual: (n, k) or (n·k,).
        ridge: ε.
        iterations: of LSMR at most.

    Returns:
        δ (D,) in float64.
    """
    params, X = net.check_params(params, real=True), net.check_inputs(X, real=True)
    wanted = float_values("residual", residual, (1, 2)).ravel()
    if len(wanted) != len(X) * net.n_out or not len(wanted):
        raise expected(
            f"{len(X) * net.n_out} numbers", "residual", residual.shape, "shape", "one a sample and output"
        )
    J = tangent_operator(net, params, X)
    if len(wanted) <= DUAL_ROWS and len(wanted) <= net.n_params:
        from scipy.linalg import eigh

        from ..networks.tangent_kernel import empirical_ntk

        gram = empirical_ntk(net, params, X).reshape(len(wanted), -1).astype(np.float64)
        values, vectors = eigh(gram)
        precision = np.finfo(np.asarray(X).dtype).eps
        keep = values > values[-1] * len(values) * precision
        basis = vectors[:, keep]
        dual = basis @ ((basis.T @ wanted) / (values[keep] + ridge))
        return np.asarray(J.rmatvec(dual))
    from scipy.sparse.linalg import lsmr

    return np.asarray(
        lsmr(J, wanted, damp=float(np.sqrt(ridge)), maxiter=iterations, atol=1e-10, btol=1e-10)[0]
    )


@checked
def fitted_logits(J: Any, base: Array, targets: Array, *, ridge: float = 0.0, iterations: int = 100) -> Array:
    """Fit a linear softmax model by L-BFGS: the δ of least cross-entropy of base + Jδ, plus ½ε‖δ‖².

    Without a ridge separable data have no minimiser; δ is then where so many iterations from zero lead.

    Args:
        J: matrix or operator (n·k, D).
        base: logits at δ = 0, (n, k).
        targets: distributions (n, k); their cross-entropy is averaged over the n samples.
        ridge: ε.
        iterations: at most.

    Returns:
        δ (D,).

    Example:
        >>> J, y = np.eye(2), np.array([[0.75, 0.25]])
        >>> delta = fitted_logits(J, np.zeros((1, 2)), y)
        >>> (np.exp(delta) / np.exp(delta).sum()).round(4)
        array([0.75, 0.25])
    """
    from scipy.optimize import minimize

    start, wanted = float_values("base", base, (2,)), float_values("targets", targets, (2,))
    J = J if hasattr(J, "matvec") else float_values("J", J, (2,))
    if J.shape[0] != start.size or not J.shape[1]:
        raise expected(f"a Jacobian of {start.size} rows", "J", J.shape, "shape", "a row a sample and output")

    def objective(delta: Array) -> tuple[float, Array]:
        total, cotangent = loss_and_cotangent(
            start + (J @ delta).reshape(start.shape), wanted, "cross-entropy"
        )
        gradient = J.T @ cotangent.ravel() / len(start) + ridge * delta
        return total / len(start) + ridge * float(delta @ delta) / 2, gradient

    options: Any = {"maxiter": iterations, "ftol": 1e-12, "gtol": 1e-9}
    return np.asarray(
        minimize(objective, np.zeros(J.shape[1]), jac=True, method="L-BFGS-B", options=options).x
    )


@checked
def tangent_labels(
    net: Sequential,
    params: Sequence[Array],
    start: Sequence[Array],
    at: Sequence[Array],
    X_retain: Array,
    X_forget: Array,
    y_retain: Array | None,
    *,
    loss: LossName = "squared",
    ridge: float = 0.0,
    iterations: int = 100,
) -> Array:
    """Labels from the whole tangent kernel (claims ``linearised-network``, ``exact-labels``, ``label-free``).

    The network is linearised at θ*: f ≈ base + J(θ − θ₀), base = f(θ*) − J(θ* − θ₀). With retained targets the labels
    are the linear model's optimal ones, under squared loss base_F + J_F J_R⁺(y_R − base_R), under cross-entropy the
    logits of :func:`fitted_logits` (claim ``convex-loss``); without, base_F + J_F P_R(θ − θ₀).

    Args:
        net: the network.
        params: θ, the parameters before unlearning; used by the label-free form alone.
        start: θ₀.
        at: θ*, where to linearise.
        X_retain: inputs of (a subset of) the retained samples.
        X_forget: inputs of the forget samples.
        y_retain: their targets (n_S, k), or None for the label-free form.
        loss: of the linear model that is fitted to them.
        ridge: ε added to the tangent kernel; under cross-entropy the weight of ½‖θ − θ₀‖².
        iterations: of LSMR, where the kernel is too large to form, or of L-BFGS.

    Returns:
        Labels (n_F, k), logits under cross-entropy.

    Example:
        >>> from muso_theory.networks import mlp
        >>> net = mlp([3, 50, 1], activation="erf")
        >>> X, theta = np.eye(3), net.init(0)
        >>> labels = tangent_labels(net, theta, theta, theta, X[:2], X[2:], np.ones((2, 1)))
        >>> K, f = net.jacobian(theta, X)[:, 0], net(theta, X)
        >>> K = K @ K.T
        >>> bool(np.allclose(labels, f[2:] + K[2:, :2] @ np.linalg.solve(K[:2, :2], 1 - f[:2])))
        True
    """
    start, at, params = (net.check_params(given, real=True) for given in (start, at, params))
    X_retain, X_forget = net.check_inputs(X_retain, real=True), net.check_inputs(X_forget, real=True)
    offset, moved = net.flatten(at) - net.flatten(start), net.flatten(params) - net.flatten(start)
    k = net.n_out
    J_forget = tangent_operator(net, at, X_forget)
    base_forget = net(at, X_forget).reshape(-1, k) - (J_forget @ offset).reshape(-1, k)
    J_retain = tangent_operator(net, at, X_retain)
    if y_retain is None:
        step = tangent_step(net, at, X_retain, J_retain @ moved, ridge=ridge, iterations=iterations)
    else:
        y_retain = float_values("y_retain", y_retain, (2,))
        if y_retain.shape != (len(X_retain), k):
            raise expected(
                f"targets {(len(X_retain), k)}", "y_retain", y_retain.shape, "shape", "a row a sample"
            )
        base_retain = net(at, X_retain).reshape(-1, k) - (J_retain @ offset).reshape(-1, k)
        if loss == "cross-entropy":
            step = fitted_logits(J_retain, base_retain, y_retain, ridge=ridge, iterations=iterations)
        else:
            step = tangent_step(net, at, X_retain, y_retain - base_retain, ridge=ridge, iterations=iterations)
    return np.asarray(base_forget + (J_forget @ step).reshape(-1, k))
