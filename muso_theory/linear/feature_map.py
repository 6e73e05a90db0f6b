"""What every feature map shares: the scikit-learn protocol, its exact kernel, and refusing bad input."""

from __future__ import annotations

import math
import numbers
from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_array

from ..arrays import FloatArray, first_nonfinite, is_float64, plain_array
from ..errors import BadInputError, expected, nearest
from ..former import former

__all__ = ["FeatureMap", "check_choice", "check_positive"]
former(__name__)


class _NotFittedError(BadInputError, NotFittedError):  # type: ignore[misc]
    """A feature map was used before ``fit``; also scikit-learn's ``NotFittedError``."""


class FeatureMap(TransformerMixin, BaseEstimator, ABC):  # type: ignore[misc]
    """A scikit-learn transformer that knows its exact kernel.

    Subclasses are final. Parameters are given by name, so that ``GaussianFeatures(13, 2000)`` is refused. They are
    checked at ``fit``, as scikit-learn does, so that ``clone`` and ``set_params`` stay cheap.

    Example:
        >>> from sklearn.base import clone
        >>> from muso_theory.linear.features import GaussianFeatures
        >>> clone(GaussianFeatures(n_features=10, seed=3)).get_params()["seed"]
        3
    """

    def __new__(cls, *values: object, **parameters: object) -> Self:
        """Refuse values without names: (13, 2000) reads as the columns of data and the features to make of them."""
        if values:
            named = (
                ", ".join(f"{name}=…" for name in cls._get_param_names())
                or "nothing: the number of columns is learnt by fit"
            )
            raise expected(
                f"parameters of {cls.__name__} by name", "parameters", values, "without names", named
            )
        made: Self = super().__new__(cls)
        return made

    @abstractmethod
    def _resolve(self, X: FloatArray) -> None:
        """Check the parameters and set the fitted attributes, given checked data (n, d)."""

    @abstractmethod
    def _map(self, X: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Map checked data (n, d) to features (n, D)."""

    @abstractmethod
    def _exact_kernel(self, X: FloatArray, Y: FloatArray) -> FloatArray:
        """Return the exact kernel matrix of two checked arrays."""

    def fit(self, X: npt.ArrayLike, y: object = None) -> Self:
        """Learn the number of columns, resolve the bandwidth and draw the frequencies.

        Args:
            X: (n, d), finite numbers.
            y: ignored, present for scikit-learn's pipelines.

        Returns:
            The map itself.

        Raises:
            BadInputError: for data that is not a finite numeric matrix, and for every parameter
                outside its range.

        Example:
            >>> from muso_theory.linear.features import IdentityFeatures
            >>> IdentityFeatures().fit([[1.0, 2.0]]).n_features_in_
            2
        """
        array = self._check(X)
        self._resolve(np.asarray(array, dtype=np.float64))
        self.n_features_in_ = array.shape[1]
        return self

    def transform(self, X: npt.ArrayLike) -> npt.NDArray[Any]:
        """Map every row to its feature vector.

        Args:
            X: (n, d) with the number of columns seen by ``fit``.

        Returns:
            Features (n, D), float64 unless the map was made with ``dtype="input"`` and X is float32.

        Raises:
            BadInputError: for data that is not a finite numeric matrix with d columns.
            BadInputError: before ``fit``; it is a NotFittedError of scikit-learn, too.

        Example:
            >>> from muso_theory.linear.features import GaussianFeatures
            >>> GaussianFeatures(n_features=6, bandwidth=1.0).fit([[0.0]]).transform([[0.0]]).round(3)
            array([[0.577, 0.577, 0.577, 0.   , 0.   , 0.   ]])
        """
        return self._map(self._check_fitted(X))

    def kernel(self, X: npt.ArrayLike, Y: npt.ArrayLike | None = None) -> FloatArray:
        """Evaluate the exact kernel that the inner products of features approximate.

        Args:
            X: (n, d).
            Y: (n', d); X itself when left out.

        Returns:
            The kernel matrix (n, n'), float64.

        Raises:
            BadInputError: for data that is not a finite numeric matrix with d columns.
            BadInputError: before ``fit``; it is a NotFittedError of scikit-learn, too.

        Example:
            >>> from muso_theory.linear.features import IdentityFeatures
            >>> IdentityFeatures().fit([[1.0, 2.0]]).kernel([[1.0, 2.0]])
            array([[5.]])
        """
        left = np.asarray(self._check_fitted(X), dtype=np.float64)
        right = left if Y is None else np.asarray(self._check_fitted(Y), dtype=np.float64)
        return self._exact_kernel(left, right)

    def _check_fitted(self, X: npt.ArrayLike) -> npt.NDArray[Any]:
        """Check data given after ``fit``."""
        name = type(self).__name__
        if not hasattr(self, "n_features_in_"):
            raise _NotFittedError(f"expected a fitted {name} but got one before fit; try fit(X) first")
        array = self._check(X)
        if array.shape[1] != self.n_features_in_:
            raise expected(
                f"{self.n_features_in_} columns, as seen by fit,",
                "X.shape",
                array.shape,
                f"X has {array.shape[1]} features, but {name} is expecting "
                f"{self.n_features_in_} features as input",
                "the columns given to fit",
            )
        return array

    def _check(self, X: npt.ArrayLike) -> npt.NDArray[Any]:
        """Return X as a finite float64 or float32 matrix, or refuse it and say where it is wrong."""
        array = plain_array("X", X)
        _check_exact_cast(array)
        try:
            checked: npt.NDArray[Any] = check_array(array, dtype=[np.float64, np.float32])
        except (TypeError, ValueError) as error:
            bad = first_nonfinite(array) if array.ndim == 2 else None
            if bad is None:
                raise BadInputError(str(error)) from error
            where, hint = f"X[{bad[0]}, {bad[1]}]", "removing or imputing that row"
            raise expected("finite numbers only", where, array[bad], "NaN or infinity", hint) from None
        return checked


def _check_exact_cast(X: npt.NDArray[Any]) -> None:
    """Refuse what float64 would change: text, objects, complex numbers, long doubles, large integers."""
    if X.dtype.kind not in "fiub" or X.dtype.itemsize > 8:
        kind = "Complex data not supported" if X.dtype.kind == "c" else f"dtype {X.dtype}"
        raise expected("a matrix of real numbers, at most float64,", "X", X.shape, kind, "X.astype(float)")
    if not is_float64(X):
        raise expected(
            "integers that float64 holds exactly",
            "X",
            X.shape,
            "entries above 2**53",
            "X.astype(float), which rounds them",
        )


def check_choice(name: str, value: object, options: tuple[str, ...]) -> None:
    """Refuse a word that is not among the options.

    Args:
        name: of the parameter.
        value: what was given.
        options: what is known.

    Raises:
        BadInputError: if it is not one of the options; suggests the nearest.

    Example:
        >>> check_choice("variant", "paired", ("paired", "phase"))
    """
    if not isinstance(value, str) or value not in options:
        raise expected(
            "one of " + ", ".join(options), name, value, type(value).__name__, nearest(str(value), options)
        )


def check_positive(name: str, value: object, what: str) -> float:
    """Refuse what is not a positive finite real number.

    Args:
        name: of the parameter.
        value: what was given.
        what: what would have been accepted, in words.

    Returns:
        The number.

    Raises:
        BadInputError: if it is something else, a boolean included.

    Example:
        >>> check_positive("bandwidth", 2, "a positive finite bandwidth")
        2.0
    """
    if (
        isinstance(value, bool | np.bool_)
        or not isinstance(value, numbers.Real)
        or not 0.0 < float(value) < math.inf
    ):
        raise expected(what, name, value, type(value).__name__, "1.0")
    return float(value)
