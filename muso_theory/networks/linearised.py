"""A network replaced by its tangent at θ₀: the features or the Gram of claim ``linearised-network``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, final

import numpy as np

from ..arguments import checked
from ..arrays import Array, float_values, forget_indices, plain_array, refuse_another_order
from ..errors import Renamed, expected
from ..linear.problem import UnlearningProblem
from ..understood import Understood
from .network import Sequential
from .statistics import fit_statistics, has_statistics
from .tangent_kernel import empirical_ntk

__all__ = ["Linearisation", "from_network", "linearise"]


def _like(name: str, values: object, outputs: Array) -> Array:
    """Numbers, one an output: (n, k), or (n,) for one output."""
    array = float_values(name, values, (1, 2))
    if array.shape not in (outputs.shape, outputs.shape[:1] if outputs.shape[1] == 1 else outputs.shape):
        raise expected(f"numbers {outputs.shape}", name, array.shape, "shape", "one a sample and output")
    return array.reshape(outputs.shape)


@final
@dataclass(frozen=True, repr=False, eq=False)
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

    distance = Renamed("networks.distance.tangent_distance")

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


@checked
def from_network(
    net: Sequential,
    params: Sequence[Array],
    X: Any,
    y: Any,
    *,
    forget: object,
    dual: bool | None = None,
    max_bytes: int = 2**31,
    statistics: Literal["retain", "all"] | None = None,
) -> UnlearningProblem:
    """Build the problem of a network's tangent at θ₀ (claim linearised-network).

    Φ is the Jacobian J, the targets are y − f(x; θ₀) and w₀ = 0, so w is θ − θ₀. With k outputs there are n·k rows,
    row i·k + c for output c of sample i, and to forget a sample is to forget its k rows. With more parameters than
    rows J is used through its Gram K = JJᵀ only: the features are then the rows of K's Cholesky factor, which have
    the same inner products up to rounding, so that gaps keep their size but w lives in n·k coordinates of row(J).
    Floats narrower than float64 are taken as the numbers they are, and the tangent is computed in float64: Φ is a
    float tangent, and `networks.distance.float_distance` says how far it is from the network's own.

    Args:
        net: a network of ``muso_theory.networks``.
        params: θ₀.
        X: inputs, shape (n, ...).
        y: targets, shape (n,) for one output or (n, k).
        forget: mask of n entries or indices of samples.
        dual: True uses the Gram, False the Jacobian. None uses the Gram where D > n·k, and the Jacobian where that
            Gram is not positive definite in float64; ``tangent`` says which.
        max_bytes: the largest Jacobian to form.
        statistics: of a network with batch norm, which is linearised with its running statistics held: fit them to
            the retained or to all samples first (:func:`fit_statistics`). They are part of the map, of which condition
            ``map-free-of-forget`` then speaks; None takes those among the parameters, and says nothing of them.

    Returns:
        The problem; its targets have shape (n·k,).

    Raises:
        BadInputError: shapes that do not fit, a Gram matrix that is not positive definite in float64 with a
            Jacobian larger than ``max_bytes`` or with ``dual=True``.

    Example:
        >>> from muso_theory.networks import mlp
        >>> net = mlp([3, 20, 1], activation="erf")
        >>> X = np.random.default_rng(0).standard_normal((5, 3))
        >>> problem = from_network(net, net.init(0), X, X[:, 0], forget=[1])
        >>> problem.n_features, problem.n_parameters
        (5, 101)
    """
    if not isinstance(net, Sequential):
        raise expected("a network", "net", net, type(net).__name__, "mt.networks.mlp([64, 100, 1])")
    if not isinstance(params, list | tuple):
        raise expected("a list of arrays", "params", params, type(params).__name__, "net.init(seed)")
    inputs = _at_least_double("X", net.check_inputs(X))
    params = [_at_least_double(f"params[{i}]", array) for i, array in enumerate(params)]
    refuse_another_order("y", y, getattr(X, "index", None), "X.index")
    samples = forget_indices(forget, len(inputs))
    # What a problem is known by is what was given: fitted statistics differ in their last digits between machines.
    given: dict[str, Any] = {
        "net": net,
        "params": params,
        "X": inputs,
        "y": plain_array("y", y),
        "dual": dual,
    }
    given |= {} if statistics is None else {"statistics": statistics}
    told, word = (
        [Understood("map", "the tangent of the network at its parameters", "given", "--network")],
        "unknown",
    )
    if statistics is not None:
        kept = (
            np.setdiff1d(np.arange(len(inputs)), samples)
            if statistics == "retain"
            else np.arange(len(inputs))
        )
        params = fit_statistics(net, params, inputs[kept])
        word = "retained statistics" if statistics == "retain" else "all"
    if has_statistics(net):
        whose = {"retain": "fitted on retained samples", "all": "fitted on all samples", None: "as they came"}
        told.append(Understood("statistics", f"held, {whose[statistics]}", "given", "statistics="))
    size = 8 * len(inputs) * net.n_out * net.n_params
    if dual is False and size > max_bytes:
        hint = f"dual=True, or max_bytes={size}"
        raise expected(f"a Jacobian of at most {max_bytes} bytes", "dual", dual, f"{size} bytes", hint)
    everything, nothing = net.n_params, 0
    limit = {True: nothing, False: everything, None: None}[dual]
    linear = linearise(net, params, inputs, max_features=limit)
    features = linear.features
    if features is None:
        try:
            assert linear.gram is not None
            features = np.linalg.cholesky(linear.gram)
        except np.linalg.LinAlgError:
            if dual or size > max_bytes:
                what, shape = "a positive definite tangent kernel", (len(inputs) * net.n_out,) * 2
                hint = f"dual=False with max_bytes={size}"
                raise expected(what, "K", shape, "singular in float64", hint) from None
            linear = linearise(net, params, inputs, max_features=everything)
            features = linear.features
    problem = UnlearningProblem(
        features,
        linear.targets(y),
        linear.rows(samples),
        tangent=linear.bare(plain_array("y", y)),
        map_fitted_on=word,
        understood=tuple(told),
    )
    return problem.identified_by(**given)


def _at_least_double(name: str, values: object) -> Array:
    """The same numbers, narrow floats as float64."""
    array = plain_array(name, values)
    return array.astype(np.float64) if array.dtype.kind == "f" and array.dtype.itemsize < 8 else array
