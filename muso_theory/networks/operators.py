"""The Jacobian as a linear operator: products with J and Jᵀ at the price of a forward and a backward pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arguments import checked
from ..arrays import Array
from .network import Sequential

__all__ = ["jacobian_operator"]


@checked
def jacobian_operator(net: Sequential, params: Sequence[Array], X: Array) -> Any:
    """J as a ``scipy.sparse.linalg.LinearOperator`` of shape (n·n_out, n_params).

    ``matvec`` is forward mode, ``rmatvec`` reverse mode; neither forms J. Rows are ordered sample by sample,
    outputs fastest; columns as ``net.flatten``. The forward pass is done once. Real float dtypes only.

    Args:
        net: the network.
        params: where to linearise.
        X: inputs (n, *input_shape).

    Returns:
        The operator.

    Raises:
        BadInputError: for parameters or inputs that do not fit.

    Example:
        >>> import numpy as np
        >>> from muso_theory.networks import mlp
        >>> net = mlp([3, 8, 2], activation="tanh")
        >>> params, X = net.init(0), np.ones((5, 3))
        >>> J = jacobian_operator(net, params, X)
        >>> v = np.arange(net.n_params, dtype=float)
        >>> bool(np.allclose(J @ v, net.jacobian(params, X).reshape(10, -1) @ v))
        True
    """
    from scipy.sparse.linalg import LinearOperator  # sparse linear algebra is slow to import

    arrays = net.check_params(params)
    out, cache = net.forward(arrays, X)
    rows = out.size

    def matvec(v: Array) -> Array:
        tangent = net.chain.jvp(arrays, cache, net.unflatten(np.ravel(v)), None)
        return np.zeros(rows, dtype=out.dtype) if tangent is None else tangent.ravel()

    def rmatvec(u: Array) -> Array:
        return net.flatten(net.pull_back(arrays, cache, np.asarray(u).reshape(out.shape)))

    return LinearOperator((rows, net.n_params), matvec=matvec, rmatvec=rmatvec, dtype=out.dtype)
