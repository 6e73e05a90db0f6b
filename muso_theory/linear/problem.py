"""The unlearning problem: features, targets, forget set and initial parameters, validated and immutable."""

from __future__ import annotations

import copy
import hashlib
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import checked
from ..arrays import Array, forget_indices, plain_array, real_array
from ..errors import BadInputError, expected
from ..markup import Markup, understood_table
from ..understood import Understood
from .fitting import fitted, map_words
from .identity import given_sha256, hash_array

if TYPE_CHECKING:
    from .closed_forms import ClosedForms

__all__ = ["Array", "UnlearningProblem", "require_problem"]

_NAMES = ("features", "targets", "w_init", "forget")


@checked
@dataclass(frozen=True, eq=False, repr=False)
class UnlearningProblem:
    """Features, targets, a forget set and initial parameters: everything a claim speaks about.

    The arrays are kept as they are given (no copy, no cast) behind read-only views; floats count as the
    exact real numbers they are, integers and ``Fraction`` objects as themselves. Do not write into the
    originals afterwards: the Gram matrix and its factorisation are computed once and shared, and ``check`` refuses
    a problem whose arrays are no longer those that it was made of.

    Args:
        features: Φ, shape (n, D), row i the feature vector of sample i. May be memory-mapped or float32. Also the
            Jacobians of k outputs, shape (n, k, D): then there are n·k rows, row i·k + c for output c of sample i, and
            to forget a sample is to forget its k rows.
        targets: y, shape (n,) or (n, C); several outputs are columns and never interact. (n, k) with Jacobians.
        forget: boolean mask of n entries or row indices (not negative, not repeated).
        w_init: w₀, shape (D,) or (D, C) like the targets; None means zero.
        tangent: the linearised network that the features stand for, as ``from_network`` sets it.
        feature_map: the fitted map that made the features, as ``from_data`` sets it.
        map_fitted_on: the samples that it, and every scaler and bandwidth, was fitted on: "retain", "all", "public",
            "copies" (public samples, some of which are to be forgotten), "nothing" for a map that needs no samples,
            or "unknown" for features that were handed in and for maps that came fitted.
        understood: what is known of how the problem came about; outputs, w₀ and forget set are added where missing.

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
    feature_map: Any = None
    map_fitted_on: str = "unknown"
    understood: tuple[Understood, ...] = ()
    _hashes: tuple[str, ...] = field(init=False)
    _given: str = field(init=False, default="")

    if TYPE_CHECKING:  # whatever can be read as an array is taken; only the fields are arrays

        def __init__(
            self,
            features: object,
            targets: object,
            forget: object,
            w_init: object = None,
            tangent: Any = None,
            feature_map: Any = None,
            map_fitted_on: str = "unknown",
            understood: tuple[Understood, ...] = (),
        ) -> None: ...

    def __post_init__(self) -> None:
        """Validate once; afterwards nothing changes."""
        features = real_array("features", self.features, (2, 3))
        targets = real_array("targets", self.targets, (1, 2))
        forget = self.forget
        if features.ndim == 3:
            features, targets, forget = _by_rows(features, targets, forget)
        for name, made in (("tangent", "distance"), ("feature_map", "transform")):
            given = getattr(self, name)
            if given is not None and not hasattr(given, made):
                hint = "UnlearningProblem.from_network, or from_data"
                raise expected(f"what has a {made}", name, given, type(given).__name__, hint)
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
        object.__setattr__(self, "forget", _read_only(forget_indices(forget, n)))
        if self.w_init is not None:
            w_init = real_array("w_init", self.w_init, (1, 2))
            wanted = (d, *targets.shape[1:])
            if w_init.shape != wanted:
                raise BadInputError(
                    f"expected w_init of shape {wanted} (features {features.shape}, targets {targets.shape}) but got "
                    f"w_init of shape {w_init.shape}; try None for zero, or one parameter a feature and output"
                )
            object.__setattr__(self, "w_init", w_init)
        object.__setattr__(self, "understood", _completed(self))
        # The Gram matrix and all that rests on it are kept, so what they were computed from must be known for good.
        object.__setattr__(self, "_hashes", self._hashed())

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Copies and pickles of read-only arrays are writeable; those of a problem are not."""
        vars(self).update(state)
        for value in state.values():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False

    @classmethod
    @checked
    def from_data(
        cls,
        X: Any,
        y: Any,
        *,
        forget: object,
        feature_map: Any = None,
        fit_map: str | Array = "retain",
        w_init: str | Array | None = None,
        seed: int = 0,
    ) -> UnlearningProblem:
        """Build a problem from samples, a feature map and a rule for w₀.

        A map that is fitted on samples to be forgotten depends on them, however exactly its parameters are unlearned;
        so it is fitted on the retained ones unless other samples are asked for.

        Args:
            X: samples, shape (n, p); without a feature map also Jacobians, shape (n, k, D).
            y: targets, shape (n,) or (n, C).
            forget: mask or indices.
            feature_map: any scikit-learn transformer; a fitted one is used as it is, an unfitted one is cloned and
                fitted. None is the identity.
            fit_map: what to fit it on: "retain", "all", or public samples of shape (m, p).
            w_init: None assumes zero; "zero", "normal" (standard normal from ``seed``), or an array say it outright.
            seed: seed of ``w_init="normal"``.

        Returns:
            The problem.

        Raises:
            BadInputError: unknown words for ``w_init`` or ``fit_map``, or whatever the problem itself refuses.

        Example:
            >>> import numpy as np
            >>> X = np.arange(12.0).reshape(6, 2)
            >>> p = UnlearningProblem.from_data(X, X[:, 0], forget=[0], w_init="normal", seed=1)
            >>> p.w_init.shape
            (2,)
        """
        if feature_map is None:
            if not (isinstance(fit_map, str) and fit_map == "retain"):
                got = "beside no feature map"
                raise expected(
                    "nothing to fit", "fit_map", type(fit_map).__name__, got, "feature_map=…, or no fit_map"
                )
            features = plain_array("X", X)
            # Jacobians are features that were made elsewhere; of samples the identity makes them here.
            fitted_on = "unknown" if features.ndim > 2 else "nothing"
            told = [Understood("map", "none: the features are the input itself", "default", "--features")]
        else:
            asked = feature_map
            feature_map, fitted_on, words = fitted(feature_map, X, forget, fit_map)
            features = plain_array("feature_map.transform(X)", feature_map.transform(X))
            told = [
                Understood("map", map_words(feature_map), "given", "--features"),
                Understood("map fitted on", words, "given", "--fit-map"),
            ]
        targets = plain_array("y", y)
        start = w_init
        if isinstance(w_init, str):
            if w_init not in ("zero", "normal"):
                raise expected(
                    "'zero', 'normal' or an array", "w_init", w_init, "str", "'normal' with a seed"
                )
            shape = (features.shape[-1], *(targets.shape[1:] if features.ndim < 3 else ()))
            draw = np.random.default_rng(seed).standard_normal if w_init == "normal" else np.zeros
            words = f"standard normal, seed {seed}" if w_init == "normal" else "zero"
            told.append(Understood("w₀", words, "given", "--w-init"))
            w_init = draw(shape)
        problem = cls(
            features,
            targets,
            forget,
            w_init,
            feature_map=feature_map,
            map_fitted_on=fitted_on,
            understood=tuple(told),
        )
        if feature_map is None or feature_map is asked:
            return problem
        return problem._made_of(
            map=asked,
            fitted_on=fit_map if isinstance(fit_map, str) else plain_array("fit_map", fit_map),
            X=plain_array("X", X),
            w_init=start if start is None or isinstance(start, str) else problem.w_init,
            seed=seed if isinstance(start, str) and start == "normal" else None,
        )

    @classmethod
    @checked
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
        if not hasattr(net, "linearise"):
            raise expected("a network", "net", net, type(net).__name__, "mt.networks.mlp([64, 100, 1])")
        if not isinstance(params, list | tuple):
            raise expected("a list of arrays", "params", params, type(params).__name__, "net.init(seed)")
        inputs = _at_least_double("X", net.check_inputs(X))
        params = [_at_least_double(f"params[{i}]", array) for i, array in enumerate(params)]
        samples = forget_indices(forget, len(inputs))
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
        problem = cls(
            features,
            linear.targets(y),
            linear.rows(samples),
            tangent=linear.bare(plain_array("y", y)),
            understood=(
                Understood("map", "the tangent of the network at its parameters", "given", "--network"),
            ),
        )
        return problem._made_of(net=net, params=params, X=inputs, y=plain_array("y", y), dual=dual)

    def _made_of(self, **given: Any) -> UnlearningProblem:
        """The same problem, known by what its features were made of."""
        given = {"y": self.targets, **given, "forget": self.forget}
        object.__setattr__(self, "_given", given_sha256(**given))
        return self

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

    @property
    def sha256(self) -> str:
        """Hash of what was given: the problem's identity in reports, the same on every machine.

        Of the arrays; where `from_data` or `from_network` made the features, of samples, map, options and seeds,
        since the last digits of what is computed belong to a machine. A map that came fitted, or that has functions
        among its parameters, does not say what it is made of, and the features that it made are hashed.
        """
        return self._given or self._hashes[-1]

    @property
    def changed(self) -> str | None:
        """The first array that is not what it was when the problem was made, or None; hashes them all."""
        for name, before, now in zip(_NAMES, self._hashes, self._hashed(), strict=True):
            if before != now:
                return name
        return None

    @checked
    def telling(self, *rows: Understood, map_fitted_on: str | None = None) -> UnlearningProblem:
        """The same problem with other words about how it came about.

        Args:
            rows: what is understood; a row takes the place of the one about the same word.
            map_fitted_on: where more is known of that than when the problem was made.

        Returns:
            A problem that shares all arrays and all that was computed from them.
        """
        told = {row.word: row for row in (*self.understood, *rows)}
        told = {row.word: told[row.word] for row in (*rows, *self.understood)}
        other = copy.copy(self)
        object.__setattr__(other, "understood", tuple(told.values()))
        if map_fitted_on is not None:
            object.__setattr__(other, "map_fitted_on", map_fitted_on)
        return other

    def require_unchanged(self) -> None:
        """Refuse a problem whose arrays were written into: what was computed belongs to no array that exists.

        Raises:
            BadInputError: one of them changed, named.

        Example:
            >>> phi = np.eye(2, 3)
            >>> problem = UnlearningProblem(phi, np.ones(2), [0])
            >>> problem.require_unchanged()
            >>> phi[0, 0] = 2.0
            >>> problem.require_unchanged()
            Traceback (most recent call last):
            muso_theory.errors.BadInputError: expected the arrays that the problem was made of but got features=...
        """
        name = self.changed
        if name is not None:
            what, shape = "the arrays that the problem was made of", np.shape(getattr(self, name))
            raise expected(
                what, name, shape, "changed since", f"{name}.copy(), or a new problem after the change"
            )

    def _hashed(self) -> tuple[str, ...]:
        """One hash of everything up to and including each array, so that the last one is that of them all."""
        digest, found = hashlib.sha256(), []
        for name in _NAMES[:-1]:
            array = getattr(self, name)
            if array is None:
                digest.update(f"{name}:zero;".encode())
            else:
                hash_array(digest, name, array)
            found.append(digest.copy().hexdigest())
        digest.update(b"forget:" + self.forget.astype("<i8").tobytes())
        return (*found, digest.hexdigest())

    @cached_property
    def float_model(self) -> ClosedForms:
        """Closed forms in float64: the one Gram matrix and factorisation that everything shares."""
        from ..numbers import FLOAT64
        from .closed_forms import ClosedForms

        return ClosedForms(self, FLOAT64)

    @checked
    def shaped(self, values: Array) -> Array:
        """Give (m, C) values the shape of the targets' outputs: (m,) when the targets are one-dimensional.

        Returns:
            The same numbers, a view where possible.
        """
        if values.ndim != 2:
            raise expected("one column an output", "values", values.shape, "shape", "values[:, None]")
        return values[:, 0] if self.targets.ndim == 1 else values

    @checked
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
        array = real_array(name, labels, (1, 2), boolean=False)
        wanted = (len(self.forget), *self.targets.shape[1:])
        if array.shape != wanted:
            raise BadInputError(
                f"expected {name} of shape {wanted}, one a forget sample in the order of problem.forget, but got "
                f"{name} of shape {array.shape}; try problem.targets[problem.forget] as a template"
            )
        return array.reshape(len(self.forget), self.n_outputs)

    @checked
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
        array = real_array(name, parameters, (1, 2), boolean=False)
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

    def _repr_html_(self) -> Markup:
        return understood_table([asdict(row) for row in self.understood], repr(self))


def _at_least_double(name: str, values: object) -> Array:
    """The same numbers, narrow floats as float64."""
    array = plain_array(name, values)
    return array.astype(np.float64) if array.dtype.kind == "f" and array.dtype.itemsize < 8 else array


def _read_only(array: Array) -> Array:
    """Freeze an array of our own."""
    array.flags.writeable = False
    return array


def _by_rows(features: Array, targets: Array, forget: object) -> tuple[Array, Array, Array]:
    """Jacobians of k outputs as n·k rows, with the rows of every sample to forget."""
    n, k, d = features.shape
    if targets.shape != (n, k) and not (k == 1 and targets.shape == (n,)):
        raise expected(
            f"a target for each sample and output of the Jacobians {features.shape}",
            "targets.shape",
            targets.shape,
            f"{targets.ndim}-dimensional",
            f"targets of shape {(n, k)}",
        )
    samples = forget_indices(forget, n)
    rows = (samples[:, None] * k + np.arange(k)).ravel()
    return features.reshape(n * k, d), targets.reshape(n * k), rows


def _completed(problem: UnlearningProblem) -> tuple[Understood, ...]:
    """What is understood, with what every problem can say of itself."""
    n, size = problem.n_samples, len(problem.forget)
    zero = problem.w_init is None
    rows = (
        Understood("outputs", str(problem.n_outputs), "given", "targets"),
        Understood("w₀", "zero, assumed" if zero else "an array", "default" if zero else "given", "--w-init"),
        Understood("forget", f"{size} of {n} rows", "given", "--forget"),
    )
    words = {row.word for row in problem.understood}
    return (*problem.understood, *(row for row in rows if row.word not in words))


def require_problem(given: object) -> None:
    """Refuse whatever is no problem; everything public that takes one begins with this.

    Args:
        given: what came as ``problem``.

    Raises:
        BadInputError: anything but an `UnlearningProblem`.

    Example:
        >>> require_problem(None)
        Traceback (most recent call last):
        muso_theory.errors.BadInputError: expected an UnlearningProblem but got problem=None (NoneType); try ...
    """
    if not isinstance(given, UnlearningProblem):
        hint = "mt.UnlearningProblem(features, targets, forget)"
        raise expected("an UnlearningProblem", "problem", given, type(given).__name__, hint)
