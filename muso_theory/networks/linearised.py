"""A network replaced by its tangent at θ₀: the features or the Gram of claim ``linearised-network``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, final

import numpy as np

from muso_theory.arguments import checked
from muso_theory.arrays import float_values, plain_array
from muso_theory.errors import expected
from muso_theory.numbers import UndecidedError

from .functions import Array
from .tangent_kernel import empirical_ntk

if TYPE_CHECKING:
    from .distance import TangentDistance
    from .network import Sequential

__all__ = ["Linearisation", "linearise"]


def _like(name: str, values: object, outputs: Array) -> Array:
    """Numbers, one an output: (n, k), or (n,) for one output."""
    array = float_values(name, values, (1, 2))
    if array.shape not in (outputs.shape, outputs.shape[:1] if outputs.shape[1] == 1 else outputs.shape):
        raise expected(f"numbers {outputs.shape}", name, array.shape, "shape", "one a sample and output")
    return array.reshape(outputs.shape)


@final
@dataclass(frozen=True, repr=False)
class Linearisation:
    """f_lin(x; θ) = f(x; θ₀) + J(x)(θ − θ₀) on a data set, as a linear model with one row a sample and output.

    Row i·k + c belongs to output c of sample i, so targets (n, k) become ``(targets − outputs).reshape(-1)`` and a
    sample to forget is the k rows ``rows(i)``; its initial parameters θ − θ₀ are zero.

    Args:
        net: the network.
        params: θ₀.
        inputs: the data (n, *input_shape).
        outputs: f(x; θ₀) (n, k).
        features: J (n·k, D), or None when only the Gram is held.
        gram: K = JJᵀ (n·k, n·k), the empirical NTK, or None when the features are held.
        by_gram: whether the model is used through its Gram.
        wanted: targets y of the user's task (n, k), of which the linear model's are y − f(x; θ₀); None if not told.
    """

    net: Sequential
    params: list[Array]
    inputs: Array
    outputs: Array
    features: Array | None = None
    gram: Array | None = None
    by_gram: bool = False
    wanted: Array | None = None

    def __repr__(self) -> str:
        held = "gram" if self.by_gram else "features"
        n, k = self.outputs.shape
        return f"Linearisation({n} samples, {k} outputs, {self.n_params} parameters, by {held})"

    @property
    def n_params(self) -> int:
        """D, the number of parameters θ."""
        return self.net.n_params

    @checked
    def bare(self, y: Array | None = None) -> Linearisation:
        """The same without the matrices: what a problem keeps of its network.

        Args:
            y: targets of the user's task, as for :meth:`targets`, to be kept too.

        Returns:
            A linearisation with neither features nor Gram.
        """
        wanted = None if y is None else _like("y", y, self.outputs)
        return replace(self, features=None, gram=None, wanted=wanted)

    @checked
    def distance(self, features: Array) -> TangentDistance | UndecidedError:
        """How far float features are from this tangent, or why that is not known.

        Args:
            features: Φ̂, the Jacobian in floats or a factor of its Gram, as ``by_gram`` says.

        Returns:
            The distance, or the error that :func:`muso_theory.networks.distance.tangent_distance` ended in.

        Example:
            >>> import numpy as np
            >>> from muso_theory.networks import mlp
            >>> net = mlp([2, 3, 1], activation="relu")
            >>> params = [a * (a.shape == (3, 1)) for a in net.init(0)]  # the first layer is 0
            >>> linear = net.linearise(params, np.eye(2), max_features=100)
            >>> print(linear.distance(linear.features).what)
            the input of unit 0 of layer 1 (relu) at sample 0 (and 5 more) is 0, and a rectifier has no derivative there
        """
        from .distance import tangent_distance

        try:
            return tangent_distance(self, features)
        except UndecidedError as obstacle:
            return obstacle

    @checked
    def rows(self, samples: Array) -> Array:
        """Row indices of some samples, all outputs of each.

        Args:
            samples: indices (m,) or a mask (n,).

        Returns:
            Sorted indices (m·k,).

        Example:
            >>> import numpy as np
            >>> from muso_theory.networks import mlp
            >>> net = mlp([3, 4, 2])
            >>> linearise(net, net.init(0), np.eye(3)).rows(np.array([0, 2]))
            array([0, 1, 4, 5])
        """
        n, k = self.outputs.shape
        index = plain_array("samples", samples)
        if index.ndim != 1 or (index.size and index.dtype.kind not in "biu"):
            hint = "numpy.flatnonzero of a mask"
            raise expected(
                "a mask or a list of indices", "samples", index.shape, f"dtype {index.dtype}", hint
            )
        index = np.flatnonzero(index) if index.dtype == bool else np.sort(index.astype(np.int64))
        if index.size and not (index.min() >= 0 and index.max() < n):
            raise expected(
                f"samples below {n}", "samples", index.max(), "index out of range", f"0 to {n - 1}"
            )
        return np.asarray(index[:, None] * k + np.arange(k)).reshape(-1)

    def targets(self, y: Array) -> Array:
        """Targets of the linear model, y − f(x; θ₀), one a row.

        Args:
            y: (n, k), or (n,) for one output.

        Returns:
            (n·k,).

        Raises:
            BadInputError: for another shape.
        """
        wanted = float_values("y", y, (1, 2), boolean=True)
        n, k = self.outputs.shape
        if wanted.shape != (n, k) and not (k == 1 and wanted.shape == (n,)):
            raise expected(
                f"targets ({n}, {k})", "y", wanted.shape, "shape", "one row a sample, one column an output"
            )
        return (wanted.reshape(n, k) - self.outputs).reshape(-1)


@checked
def linearise(
    net: Sequential,
    params: Sequence[Array],
    X: Array,
    *,
    max_features: int | None = None,
    max_bytes: int | None = None,
    threads: int | None = None,
) -> Linearisation:
    """Linearise a network at its parameters on a data set.

    The Jacobian is formed only when it is small; otherwise it is used through its Gram, the empirical NTK, so the D
    columns are never held.

    Args:
        net: the network.
        params: θ₀.
        X: inputs (n, *input_shape).
        max_features: form J when D is at most this; None means the number of rows n·k.
        max_bytes: memory budget of the kernel, as in :func:`empirical_ntk`.
        threads: threads of the kernel, as there.

    Returns:
        Features or Gram, with the outputs at θ₀.

    Raises:
        BadInputError: for parameters or inputs that do not fit.

    Example:
        >>> import numpy as np
        >>> from muso_theory.networks import mlp
        >>> net = mlp([3, 50, 2], activation="erf")
        >>> params, X = net.init(0), np.eye(3)
        >>> linear = linearise(net, params, X)
        >>> linear
        Linearisation(3 samples, 2 outputs, 302 parameters, by gram)
        >>> J = linearise(net, params, X, max_features=1000).features
        >>> bool(np.allclose(linear.gram, J @ J.T))
        True
    """
    arrays, inputs = net.check_params(params, real=True), net.check_inputs(X, real=True)
    outputs = net(arrays, inputs)
    n, k = len(outputs), net.n_out
    rows = n * k
    features = gram = None
    if net.n_params <= (rows if max_features is None else max_features):
        features = net.jacobian(arrays, inputs).reshape(rows, net.n_params)
    else:
        gram = empirical_ntk(net, arrays, inputs, max_bytes=max_bytes, threads=threads).reshape(rows, rows)
    return Linearisation(net, arrays, inputs, outputs.reshape(n, k), features, gram, gram is not None)
