"""The unlearning problem: features, targets, forget set and initial parameters, validated and immutable."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from numbers import Rational
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import BadInputError, expected

if TYPE_CHECKING:
    from .closed_forms import ClosedForms

__all__ = ["UnlearningProblem", "real_array", "row_blocks"]

Array = np.ndarray[Any, Any]
_BLOCK_BYTES = 1 << 24


def row_blocks(array: Array) -> Iterator[slice]:
    """Slices of rows that hold about 16 MB each, so that nothing the size of the array is ever made.

    Yields:
        Consecutive slices that cover all rows.
    """
    width = max(1, int(np.prod(array.shape[1:], dtype=np.int64)) * 8)
    step = max(1, _BLOCK_BYTES // width)
    for start in range(0, array.shape[0], step):
        yield slice(start, min(start + step, array.shape[0]))


def real_array(name: str, values: object, dimensions: tuple[int, ...]) -> Array:
    """Validate one array without copying it.

    Returns:
        A read-only view with a real dtype: floats, integers, or an object array of exact rationals.

    Raises:
        BadInputError: wrong dimension, complex, non-numeric or non-finite entries.
    """
    array = values if isinstance(values, np.ndarray) else np.asarray(values)
    words = " or ".join(f"{d}-dimensional" for d in dimensions)
    if array.ndim not in dimensions:
        raise expected(f"a {words} array", name, array.shape, f"{array.ndim}-dimensional", "reshaping it")
    if array.dtype == object:
        for index, value in np.ndenumerate(array):
            if not isinstance(value, Rational):
                where = ", ".join(map(str, index))
                raise expected(
                    "real numbers (an object array may hold int and Fraction only)",
                    f"{name}[{where}]",
                    value,
                    type(value).__name__,
                    "a float array, or exact Fractions throughout",
                )
    elif array.dtype == bool:
        array = array.astype(np.int64)
    elif array.dtype.kind in "iu":
        pass
    elif array.dtype.kind == "f":
        if array.dtype.itemsize > 8:
            raise expected("float64 or narrower", name, array.dtype, "dtype", "array.astype(numpy.float64)")
        for block in row_blocks(array):
            finite = np.isfinite(array[block])
            if not finite.all():
                index = np.argwhere(~finite)[0]
                index[0] += block.start
                where = ", ".join(str(int(i)) for i in index)
                bad = array[tuple(index)]
                raise expected(
                    "finite numbers",
                    f"{name}[{where}]",
                    bad,
                    array.dtype.name,
                    "removing or fixing that entry",
                )
    else:
        raise expected(
            "a real numeric array",
            name,
            array.dtype,
            "dtype",
            "numbers: float, int or Fraction; not complex, not text",
        )
    view = array.view()
    view.flags.writeable = False
    return view


def _indices(forget: object, n: int) -> Array:
    """Turn a boolean mask or a list of indices into sorted indices.

    Returns:
        Sorted int64 indices of the forget set.

    Raises:
        BadInputError: out of range, repeated, empty or complete.
    """
    array = np.asarray(forget)
    if array.ndim != 1:
        raise expected(
            "a mask or a list of row indices", "forget", array.shape, "shape", "a one-dimensional array"
        )
    if array.dtype == bool:
        if array.shape[0] != n:
            raise expected(
                f"a mask of {n} entries, one a sample", "forget", array.shape, "shape", "y == label"
            )
        array = np.flatnonzero(array)
    elif array.size == 0:
        array = array.astype(np.int64)
    elif array.dtype.kind not in "iu":
        raise expected(
            "a boolean mask or integer indices",
            "forget",
            array.dtype,
            "dtype",
            "forget = y == label, or numpy.flatnonzero",
        )
    array = np.asarray(array, dtype=np.int64)
    outside = array[(array < 0) | (array >= n)]
    if outside.size:
        raise expected(
            f"indices from 0 to {n - 1}", "forget", int(outside[0]), "out of range", "the rows of features"
        )
    ordered = np.sort(array)
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    if repeated.size:
        raise expected(
            "each forget index once", "forget", int(repeated[0]), "repeated", "numpy.unique(forget)"
        )
    if ordered.size == 0:
        raise expected("at least one sample to forget", "forget", "[]", "empty", "another forget set")
    if ordered.size == n:
        raise expected(
            "at least one sample to retain", "forget", f"all {n} samples", "complete", "a smaller forget set"
        )
    return ordered


@dataclass(frozen=True, eq=False, repr=False)
class UnlearningProblem:
    """Features, targets, a forget set and initial parameters: everything a claim speaks about.

    The arrays are kept as they are given (no copy, no cast) behind read-only views; floats count as the
    exact real numbers they are, integers and ``Fraction`` objects as themselves. Do not write into the
    originals afterwards: the Gram matrix and its factorisation are computed once and shared.

    Args:
        features: Φ, shape (n, D), row i the feature vector of sample i. May be memory-mapped or float32.
        targets: y, shape (n,) or (n, C); several outputs are columns and never interact.
        forget: boolean mask of n entries or row indices (not negative, not repeated).
        w_init: w₀, shape (D,) or (D, C) like the targets; None means zero.
        tangent: the linearised network that the features stand for, as ``from_network`` sets it.

    Raises:
        BadInputError: non-finite, complex or non-numeric entries, shapes that do not fit, an empty or complete
            forget set, indices out of range or repeated.

    Example:
        >>> import numpy as np
        >>> UnlearningProblem(np.eye(3, 5), [1.0, -1.0, 1.0], forget=[2])
        UnlearningProblem(n=3, D=5, outputs=1, forget=1, retain=2, w_init=zero, sha256=0f9dc370b9c9)
    """

    features: Array
    targets: Array
    forget: Array
    w_init: Array | None = None
    tangent: Any = None

    def __post_init__(self) -> None:
        """Validate once; afterwards nothing changes."""
        features = real_array("features", self.features, (2,))
        targets = real_array("targets", self.targets, (1, 2))
        n, d = features.shape
        if n == 0 or d == 0:
            raise expected(
                "at least one sample and one feature", "features", features.shape, "shape", "more data"
            )
        if targets.shape[0] != n:
            raise BadInputError(
                f"expected as many targets as feature rows but got targets of shape {targets.shape} and features of "
                f"shape {features.shape}; try one target row for each sample"
            )
        if targets.ndim == 2 and targets.shape[1] == 0:
            raise expected("at least one output", "targets", targets.shape, "shape", "a column a output")
        object.__setattr__(self, "features", features)
        object.__setattr__(self, "targets", targets)
        object.__setattr__(self, "forget", _read_only(_indices(self.forget, n)))
        if self.w_init is not None:
            w_init = real_array("w_init", self.w_init, (1, 2))
            wanted = (d, *targets.shape[1:])
            if w_init.shape != wanted:
                raise BadInputError(
                    f"expected w_init of shape {wanted} (features {features.shape}, targets {targets.shape}) but got "
                    f"w_init of shape {w_init.shape}; try None for zero, or one parameter a feature and output"
                )
            object.__setattr__(self, "w_init", w_init)

    @classmethod
    def from_data(
        cls,
        X: Any,
        y: Any,
        *,
        forget: object,
        feature_map: Any = None,
        w_init: str | Array | None = None,
        seed: int = 0,
    ) -> UnlearningProblem:
        """Build a problem from samples, a feature map and a rule for w₀.

        Args:
            X: samples, shape (n, p).
            y: targets, shape (n,) or (n, C).
            forget: mask or indices.
            feature_map: any scikit-learn transformer; a fitted one is used as it is, an unfitted one is cloned and
                fitted on X. None is the identity.
            w_init: None or "zero", "normal" (standard normal from ``seed``), or an array.
            seed: seed of ``w_init="normal"``.

        Returns:
            The problem.

        Raises:
            BadInputError: unknown word for ``w_init``, or whatever the problem itself refuses.

        Example:
            >>> import numpy as np
            >>> X = np.arange(12.0).reshape(6, 2)
            >>> p = UnlearningProblem.from_data(X, X[:, 0], forget=[0], w_init="normal", seed=1)
            >>> p.w_init.shape
            (2,)
        """
        features = np.asarray(X) if feature_map is None else _apply(feature_map, X)
        targets = np.asarray(y)
        if isinstance(w_init, str):
            if w_init not in ("zero", "normal"):
                raise expected(
                    "'zero', 'normal' or an array", "w_init", w_init, "str", "'normal' with a seed"
                )
            shape = (features.shape[1], *targets.shape[1:])
            w_init = np.random.default_rng(seed).standard_normal(shape) if w_init == "normal" else None
        return cls(features, targets, forget, w_init)  # type: ignore[arg-type]

    @classmethod
    def from_network(
        cls,
        net: Any,
        params: Any,
        X: Any,
        y: Any,
        *,
        forget: object,
        dual: bool | None = None,
        max_bytes: int = 2**31,
    ) -> UnlearningProblem:
        """Build the problem of a network's tangent at θ₀ (claim linearised-network).

        Φ is the Jacobian J, the targets are y − f(x; θ₀) and w₀ = 0, so w is θ − θ₀. With k outputs there are n·k rows,
        row i·k + c for output c of sample i, and to forget a sample is to forget its k rows. With more parameters than
        rows J is used through its Gram K = JJᵀ only: the features are then the rows of K's Cholesky factor, which have
        the same inner products up to rounding, so that gaps keep their size but w lives in n·k coordinates of row(J).
        Floats narrower than float64 are taken as the numbers they are, and the tangent is computed in float64: Φ is a
        float tangent, and ``tangent_distance`` says how far it is from the network's own.

        Args:
            net: a network of ``muso_theory.networks``.
            params: θ₀.
            X: inputs, shape (n, ...).
            y: targets, shape (n,) for one output or (n, k).
            forget: mask of n entries or indices of samples.
            dual: True uses the Gram, False the Jacobian. None uses the Gram where D > n·k, and the Jacobian where that
                Gram is not positive definite in float64; ``tangent`` says which.
            max_bytes: the largest Jacobian to form.

        Returns:
            The problem; its targets have shape (n·k,).

        Raises:
            BadInputError: shapes that do not fit, a Gram matrix that is not positive definite in float64 with a
                Jacobian larger than ``max_bytes`` or with ``dual=True``.

        Example:
            >>> import numpy as np
            >>> from muso_theory.networks import mlp
            >>> net = mlp([3, 20, 1], activation="erf")
            >>> X = np.random.default_rng(0).standard_normal((5, 3))
            >>> problem = UnlearningProblem.from_network(net, net.init(0), X, X[:, 0], forget=[1])
            >>> problem.n_features, problem.n_parameters
            (5, 101)
        """
        inputs, params = _at_least_double(X), [_at_least_double(array) for array in params]
        samples = _indices(forget, len(inputs))
        size = 8 * len(inputs) * net.n_out * net.n_params
        if dual is False and size > max_bytes:
            hint = f"dual=True, or max_bytes={size}"
            raise expected(f"a Jacobian of at most {max_bytes} bytes", "dual", dual, f"{size} bytes", hint)
        everything, nothing = net.n_params, 0
        limit = {True: nothing, False: everything, None: None}[dual]
        linear = net.linearise(params, inputs, max_features=limit)
        features = linear.features
        if features is None:
            try:
                features = np.linalg.cholesky(linear.gram)
            except np.linalg.LinAlgError:
                if dual or size > max_bytes:
                    what, shape = "a positive definite tangent kernel", linear.gram.shape
                    hint = f"dual=False with max_bytes={size}"
                    raise expected(what, "K", shape, "singular in float64", hint) from None
                linear = net.linearise(params, inputs, max_features=everything)
                features = linear.features
        y = np.asarray(y)
        return cls(features, linear.targets(y), linear.rows(samples), tangent=linear.bare(y))

    @property
    def n_samples(self) -> int:
        """n, the number of rows of Φ."""
        return int(self.features.shape[0])

    @property
    def n_features(self) -> int:
        """D, the number of columns of Φ."""
        return int(self.features.shape[1])

    @property
    def n_parameters(self) -> int:
        """D of the model itself, which for a network used through its Gram is more than the columns of Φ."""
        return self.n_features if self.tangent is None else int(self.tangent.n_params)

    @cached_property
    def tangent_distance(self) -> Any:
        """How far Φ is from the tangent of the network that it stands for, or the ``UndecidedError`` that says why not.

        None without a network.
        """
        return None if self.tangent is None else self.tangent.distance(self.features)

    @property
    def n_outputs(self) -> int:
        """C, the number of target columns."""
        return 1 if self.targets.ndim == 1 else int(self.targets.shape[1])

    @cached_property
    def retain(self) -> Array:
        """Sorted indices of the retain set R."""
        mask = np.ones(self.n_samples, dtype=bool)
        mask[self.forget] = False
        return _read_only(np.flatnonzero(mask))

    @property
    def is_exact(self) -> bool:
        """Whether every input is given as integers or Fractions, so that equality is what is asked."""
        given = [self.features, self.targets] + ([] if self.w_init is None else [self.w_init])
        return all(a.dtype == object or a.dtype.kind in "iub" for a in given)

    @cached_property
    def sha256(self) -> str:
        """Content hash of all inputs: the problem's identity in reports."""
        digest = hashlib.sha256()
        for name, array in (("features", self.features), ("targets", self.targets), ("w_init", self.w_init)):
            if array is None:
                digest.update(f"{name}:zero;".encode())
                continue
            digest.update(f"{name}:{array.dtype.kind}{array.dtype.itemsize}:{array.shape};".encode())
            for block in row_blocks(array):
                part = array[block]
                if part.dtype == object:
                    digest.update(",".join(str(v) for v in part.ravel()).encode())
                else:
                    digest.update(np.ascontiguousarray(part, dtype=part.dtype.newbyteorder("<")).tobytes())
        digest.update(b"forget:" + self.forget.astype("<i8").tobytes())
        return digest.hexdigest()

    @cached_property
    def float_model(self) -> ClosedForms:
        """Closed forms in float64: the one Gram matrix and factorisation that everything shares."""
        from ..numbers import FLOAT64
        from .closed_forms import ClosedForms

        return ClosedForms(self, FLOAT64)

    def shaped(self, values: Array) -> Array:
        """Give (m, C) values the shape of the targets' outputs: (m,) when the targets are one-dimensional.

        Returns:
            The same numbers, a view where possible.
        """
        return values[:, 0] if self.targets.ndim == 1 else values

    def label_columns(self, labels: object, name: str = "labels") -> Array:
        """Validate labels for the forget samples.

        Args:
            labels: shape (n_F,) or (n_F, C), in the order of ``forget``.
            name: what to call them in an error.

        Returns:
            The labels as (n_F, C).

        Raises:
            BadInputError: wrong shape or entries.
        """
        array = real_array(name, labels, (1, 2))
        wanted = (len(self.forget), *self.targets.shape[1:])
        if array.shape != wanted:
            raise BadInputError(
                f"expected {name} of shape {wanted}, one a forget sample in the order of problem.forget, but got "
                f"{name} of shape {array.shape}; try problem.targets[problem.forget] as a template"
            )
        return array.reshape(len(self.forget), self.n_outputs)

    def parameter_columns(self, parameters: object, name: str) -> Array:
        """Validate parameters given by the user.

        Args:
            parameters: shape (D,) or (D, C).
            name: what to call them in an error.

        Returns:
            The parameters as (D, C).

        Raises:
            BadInputError: wrong shape or entries.
        """
        array = real_array(name, parameters, (1, 2))
        wanted = (self.n_features, *self.targets.shape[1:])
        if array.shape != wanted:
            raise BadInputError(
                f"expected {name} of shape {wanted} but got {name} of shape {array.shape}; try w_init's shape"
            )
        return array.reshape(self.n_features, self.n_outputs)

    def __repr__(self) -> str:
        start = "zero" if self.w_init is None else "given"
        return (
            f"UnlearningProblem(n={self.n_samples}, D={self.n_features}, outputs={self.n_outputs}, "
            f"forget={len(self.forget)}, retain={len(self.retain)}, w_init={start}, sha256={self.sha256[:12]})"
        )


def _at_least_double(values: Any) -> Array:
    """The same numbers, narrow floats as float64."""
    array = np.asarray(values)
    return array.astype(np.float64) if array.dtype.kind == "f" and array.dtype.itemsize < 8 else array


def _read_only(array: Array) -> Array:
    """Freeze an array of our own."""
    array.flags.writeable = False
    return array


def _apply(feature_map: Any, X: Any) -> Array:
    """Transform X, fitting a clone first when the map is not fitted yet."""
    from sklearn.base import clone
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    for verb in ("fit", "transform"):
        if not hasattr(feature_map, verb):
            raise expected(
                "a scikit-learn transformer (fit and transform)",
                "feature_map",
                feature_map,
                type(feature_map).__name__,
                "GaussianFeatures()",
            )
    try:
        check_is_fitted(feature_map)
    except (NotFittedError, TypeError):
        feature_map = clone(feature_map).fit(X)
    features = feature_map.transform(X)
    if hasattr(features, "toarray"):
        raise expected(
            "dense features",
            "feature_map.transform(X)",
            type(features).__name__,
            "sparse",
            "a dense output option",
        )
    return np.asarray(features)
