"""The unlearning problem: features, targets, forget set and initial parameters, validated and immutable."""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import checked
from ..arrays import Array, plain_array, real_array, refuse_another_order
from ..errors import BadInputError, Renamed, expected
from ..former import former
from ..markup import Markup, understood_table
from ..understood import Understood
from .given import (
    completed,
    features_and_words,
    opened,
    require_rows,
    rows_a_sample,
    start_and_words,
    taken_arrays,
    targets_and_words,
)
from .identity import given_sha256, running_hashes
from .repeats import first_equal_rows

__all__ = ["UnlearningProblem", "require_problem"]
former(__name__)

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
        features: Φ, shape (n, D), row i the feature vector of sample i. May be memory-mapped or float32, or the path of
            a ``.npy`` file, which is then mapped and read a few rows at a time, or a function without arguments that
            yields blocks of rows, which are stacked. Also a matrix of floats in a store (zarr, dask.array, h5py), which
            is read some rows at a time, and must be the same whenever it is read. Also the
            Jacobians of k outputs, shape (n, k, D): then there are n·k rows, row i·k + c for output c of sample i, and
            to forget a sample is to forget its k rows.
        targets: y, shape (n,) or (n, C); several outputs are columns and never interact. (n, k) with Jacobians. May be
            a path, too, or `rows.OneHot` codes of classes.
        forget: boolean mask of n entries or row indices (not negative, not repeated).
        w_init: w₀, shape (D,) or (D, C) like the targets; None means zero.
        tangent: the linearised network that the features stand for, as ``networks.from_network`` sets it.
        feature_map: the fitted map that made the features, as ``from_data`` sets it.
        map_fitted_on: the samples that it, and every scaler and bandwidth, was fitted on: "retain", "all", "public",
            "copies" or "near" (public samples, some of which are to be forgotten, or next to one that is), "nothing"
            for a map that needs no samples, "retained statistics" (of a network's batch norms), or "unknown" for
            features that were handed in and maps that came fitted.
        understood: what is known of how the problem came about; outputs, w₀ and forget set are added where missing.

    Raises:
        BadInputError: non-finite, complex or non-numeric entries, shapes that do not fit, an empty or complete
            forget set, indices out of range or repeated.

    Example:
        >>> import numpy as np
        >>> UnlearningProblem(np.eye(3, 5), [1.0, -1.0, 1.0], forget=[2])
        UnlearningProblem(n=3, D=5, outputs=1, forget=1, retain=2, w_init=zero, sha256=0f9dc370b9c9)
    """

    features: Array | Any  # an array, whatever came: a path has been opened
    targets: Array | Any
    forget: Array | Any  # as it came, for `forget_indices` to read: labels of pandas are no positions
    w_init: Array | None = None
    tangent: Any = None
    feature_map: Any = None
    map_fitted_on: str = "unknown"
    understood: tuple[Understood, ...] = ()
    _hashes: tuple[str, ...] = field(init=False)
    _given: str = field(init=False, default="")
    _kept: dict[str, Any] = field(init=False, default_factory=dict)

    from_network = Renamed("networks.from_network")
    tangent_distance = Renamed("networks.distance.float_distance")
    float_model = Renamed("linear.closed_forms.float_model")

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
        for name, made in (("tangent", "bare"), ("feature_map", "transform")):
            given = getattr(self, name)
            if given is not None and not hasattr(given, made):
                hint = "networks.from_network, or from_data"
                raise expected(f"what has a {made}", name, given, type(given).__name__, hint)
        targets = self.targets
        for name, array in taken_arrays(self.features, targets, self.forget, self.w_init).items():
            object.__setattr__(self, name, array)
        outputs = rows_a_sample(len(self.features), targets, self.tangent)
        understood = completed(
            self.understood,
            self.targets,
            self.w_init,
            self.forget,
            self.first_equal,
            self.tangent is not None,
            outputs,
        )
        object.__setattr__(self, "understood", understood)
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
        task: str | None = None,
        feature_map: Any = None,
        fit_map: str | Array = "retain",
        w_init: str | Array | None = None,
        seed: int = 0,
    ) -> UnlearningProblem:
        """Build a problem from samples, a feature map and a rule for w₀.

        A map that is fitted on samples to be forgotten depends on them, however exactly its parameters are unlearned;
        so it is fitted on the retained ones unless other samples are asked for.

        Args:
            X: samples, shape (n, p); without a feature map also Jacobians, shape (n, k, D). An array, or the path of
                one in a ``.npy`` file, which is then mapped.
            y: targets, shape (n,) or (n, C): numbers, or text for classes; or the path of such an array.
            forget: mask or indices; beside samples of pandas a mask with their labels, or labels as an Index.
            task: "regression" takes numbers as they are, "classification" encodes integers or text as −1 and +1, or
                one-hot. None infers it as every reader of files does: integers of at most 20 values, each twice on
                average, are classes, unless an array ``w_init`` belongs to them. ``understood`` tells.
            feature_map: any scikit-learn transformer; a fitted one is used as it is, an unfitted one is cloned and
                fitted. None is the identity.
            fit_map: what to fit it on: "retain", "all", or public samples of shape (m, p).
            w_init: None assumes zero; "zero", "normal" (standard normal from ``seed``), or an array say it outright.
            seed: seed of ``w_init="normal"``.

        Returns:
            The problem.

        Raises:
            BadInputError: unknown words for ``task``, ``w_init`` or ``fit_map``, targets that `decide_targets` refuses,
                or whatever the problem itself refuses.

        Example:
            >>> import numpy as np
            >>> X = np.arange(12.0).reshape(6, 2)
            >>> p = UnlearningProblem.from_data(X, X[:, 0], forget=[0], w_init="normal", seed=1)
            >>> p.w_init.shape
            (2,)
        """
        refuse_another_order("y", y, getattr(X, "index", None), "X.index")
        X, y = opened("X", X), opened("y", y)
        require_rows("X", X)
        features, made, fitted_on, of_map = features_and_words(X, feature_map, fit_map, forget)
        targets, of_targets = targets_and_words(y, task, len(features.shape), w_init)
        shape = (features.shape[-1], *(targets.shape[1:] if len(features.shape) < 3 else ()))
        start, of_start = start_and_words(w_init, shape, seed)
        problem = cls(
            features,
            targets,
            forget,
            start,
            feature_map=made,
            map_fitted_on=fitted_on,
            understood=(*of_targets, *of_map, *of_start),
        )
        if made is None or made is feature_map:
            return problem
        return problem.identified_by(
            map=feature_map,
            fitted_on=fit_map if isinstance(fit_map, str) else plain_array("fit_map", fit_map),
            X=plain_array("X", X),
            w_init=w_init if w_init is None or isinstance(w_init, str) else problem.w_init,
            seed=seed if isinstance(w_init, str) and w_init == "normal" else None,
        )

    def identified_by(self, **given: Any) -> UnlearningProblem:
        """This problem, known by what its features were made of instead of by them.

        Args:
            **given: all of it; targets and forget set are added.

        Returns:
            The problem itself.
        """
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

    @cached_property
    def first_equal(self) -> Array:
        """For each sample the first one whose row of Φ is equal to its own, shape (n,)."""
        return _read_only(first_equal_rows(self.features))

    @property
    def map_may_tell(self) -> bool:
        """Whether the map itself may tell what is to be forgotten, however exactly its parameters are unlearned."""
        return self.map_fitted_on in ("all", "copies", "near")

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
            self._kept.clear()  # what was computed of other arrays must not outlive them
            what, shape = "the arrays that the problem was made of", np.shape(getattr(self, name))
            raise expected(
                what, name, shape, "changed since", f"{name}.copy(), or a new problem after the change"
            )

    def _hashed(self) -> tuple[str, ...]:
        return running_hashes({name: getattr(self, name) for name in _NAMES[:-1]}, self.forget)

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
        refuse_another_order(name, labels, self.forget, "problem.forget")
        order = ", one a forget sample in the order of problem.forget,"
        hint = "problem.targets[problem.forget] as a template"
        return self._columns(name, labels, len(self.forget), order, hint)

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
        return self._columns(name, parameters, self.n_features, "", "w_init's shape")

    def _columns(self, name: str, given: object, rows: int, order: str, hint: str) -> Array:
        """What was given as columns, one an output."""
        array = real_array(name, given, (1, 2), boolean=False)
        wanted = (rows, *self.targets.shape[1:])
        if array.shape != wanted:
            raise BadInputError(
                f"expected {name} of shape {wanted}{order} but got {name} of shape {array.shape}; try {hint}"
            )
        return array.reshape(rows, self.n_outputs)

    def __repr__(self) -> str:
        start = "zero" if self.w_init is None else "given"
        return (
            f"UnlearningProblem(n={self.n_samples}, D={self.n_features}, outputs={self.n_outputs}, "
            f"forget={len(self.forget)}, retain={len(self.retain)}, w_init={start}, sha256={self.sha256[:12]})"
        )

    def _repr_html_(self) -> Markup:
        return understood_table([asdict(row) for row in self.understood], repr(self))


def _read_only(array: Array) -> Array:
    """Freeze an array of our own."""
    array.flags.writeable = False
    return array


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
