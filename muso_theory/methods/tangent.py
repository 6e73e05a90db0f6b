"""Labels for the forget samples from a network's whole tangent.

There the model is f(x) = base + J(x)(θ − θ₀); labels are those of claims ``exact-labels`` (from the retained targets)
and ``label-free`` (from the displacement of the trained parameters alone).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arguments import checked
from ..arrays import Array, float_values
from ..descent.losses import LossName, loss_and_cotangent
from ..errors import expected
from ..former import former
from ..networks.network import Sequential
from ..networks.operators import jacobian_operator

__all__ = ["fitted_logits", "tangent_labels", "tangent_operator", "tangent_step"]
former(__name__)

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
        # Forming the Gram in precision u moves every eigenvalue by up to about n·u·λ_max (Weyl's inequality): one below
        # that may be zero, and its inverse would be rounding alone.
        keep = values > values[-1] * len(values) * precision
        basis = vectors[:, keep]
        dual = basis @ ((basis.T @ wanted) / (values[keep] + ridge))
        return np.asarray(J.rmatvec(dual))
    from scipy.sparse.linalg import lsmr

    # LSMR minimises ‖Jδ − r‖² + damp²‖δ‖² over Krylov spaces of JᵀJ and Jᵀr, which lie in row(J): from zero it tends to
    # the minimum-norm solution (D. Fong, M. Saunders, SIAM J. Sci. Comput. 2011).
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

    # From zero every iterate of L-BFGS is a sum of gradients JᵀC + εδ, and so lies in row(J), with or without a ridge:
    # theorems on linear models ask for that (claim start-span).
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
