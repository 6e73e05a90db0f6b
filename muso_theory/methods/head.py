"""Labels for the forget samples from a network's last layer, in which the model is linear: f(x) = Z(x) w."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from ..arguments import checked
from ..arrays import Array, float_values
from ..descent.losses import LossName
from ..errors import expected
from ..networks.composition import Chain
from ..networks.dense import Dense
from ..networks.network import Sequential
from .projector import Projector, row_projector
from .tangent import fitted_logits

__all__ = ["HeadCondition", "fitted_head", "head_features", "head_labels", "head_matrix"]


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


def fitted_head(
    Z: Array, base: Array, targets: Array, loss: LossName, ridge: float, iterations: int
) -> Array:
    """The head's displacement (m, k) of least loss of base + Z·displacement; ridge and iterations are of L-BFGS."""
    if loss == "squared":
        return np.asarray(np.linalg.lstsq(Z, targets - base, rcond=None)[0])
    from scipy.sparse.linalg import LinearOperator

    wide, (n, k) = Z.astype(np.float64), targets.shape
    J = LinearOperator(
        (n * k, wide.shape[1] * k),
        matvec=lambda w: (wide @ w.reshape(-1, k)).ravel(),
        rmatvec=lambda u: (wide.T @ u.reshape(-1, k)).ravel(),
        dtype=np.float64,
    )
    return fitted_logits(J, base, targets, ridge=ridge, iterations=iterations).reshape(-1, k)


def _ratio(a: Array, b: Array) -> float:
    """‖a‖/‖b‖, zero when both are."""
    size = float(np.linalg.norm(b))
    return float(np.linalg.norm(a)) / size if size else 0.0
