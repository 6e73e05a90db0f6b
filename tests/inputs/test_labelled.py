"""Forget sets of pandas beside samples of pandas: the row with the label is forgotten, at every door, or none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import muso_theory as mt
from muso_theory.networks import NetworkProblem, Recipe, from_network, mlp

FRAME = pd.DataFrame({"a": [0.0, 1, 2, 3], "b": [1.0, 0, 2, 5], "y": [9.0, 8, 7, 6]})
SORTED = FRAME.sort_values("y")
"""The same rows from last to first: the one with a = 0 has the label 0 and the position 3."""
NET = mlp([2, 3, 1], activation="erf")
START = NET.init(0)
ONCE = Recipe(epochs=1, loss="squared")

DOORS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "UnlearningProblem": mt.UnlearningProblem,
    "from_data": lambda X, y, forget: mt.UnlearningProblem.from_data(X, y, forget=forget),
    "by position": lambda X, y, forget: mt.UnlearningProblem(np.asarray(X), y, forget),
    "from_network": lambda X, y, forget: from_network(NET, START, X, y, forget=forget),
    "NetworkProblem": lambda X, y, forget: NetworkProblem(NET, X, y, forget, START, START),
    "pretrain": lambda X, y, forget: NetworkProblem.pretrain(NET, X, y, forget=forget, recipe=ONCE),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("words", [False, True])
def test_the_row_that_has_the_label_is_forgotten_or_none(door: str, words: bool) -> None:
    rows = SORTED.set_axis(list("dcba")) if words else SORTED
    X, y = rows[["a", "b"]], rows["y"]

    def make(forget: Any) -> list[int]:
        return list(DOORS[door](X, y, forget).forget)

    aligned = X["a"] < 1
    for forget in (aligned, aligned.astype("boolean"), X.index[3:], aligned.to_numpy(), [3]):
        assert make(forget) == [3]
    other = r"labels in the order of .*\.index but got forget\.index=.*another order.*forget\.loc\["
    for forget, why in (
        (aligned[::-1], other),
        (aligned[::-1].astype("boolean"), other),
        (aligned.set_axis(list("wxyz")), "a mask with another index"),
        (aligned[1:], "a mask with another index"),
        (pd.Series([3]), "labels or positions"),
        (aligned.astype(int), "labels or positions"),
        (pd.Index(["e"] if words else [4]), "absent"),
    ):
        with pytest.raises(mt.BadInputError, match=why):
            make(forget)
    assert make(aligned[::-1].loc[X.index]) == [3]  # as the refusal says


@pytest.mark.parametrize("door", DOORS)
def test_labels_that_count_the_rows_are_positions(door: str) -> None:
    X, y = FRAME[["a", "b"]], FRAME["y"]
    for forget in (pd.Series([0]), pd.Index([0]), pd.RangeIndex(1), FRAME["a"] < 1):
        assert list(DOORS[door](X, y, forget).forget) == [0]
    # Beside arrays nothing says what the labels of a forget set mean.
    for forget, why in ((SORTED["a"] < 1, "labels of its own"), (pd.Index([0]), "a pandas Index")):
        with pytest.raises(mt.BadInputError, match=why):
            DOORS[door](X.to_numpy(), y.to_numpy(), forget)


def test_a_mask_of_pandas_own_truth_values_is_ordered_by_a_frame() -> None:
    mask = (FRAME["a"] < 1).astype("boolean")
    assert list(mt.from_frame(SORTED, forget=mask, feature_map=None).forget) == [3]


def test_repeated_labels_take_a_mask_and_no_labels() -> None:
    X = pd.DataFrame(np.eye(4), index=[7, 7, 8, 9])
    mask = pd.Series([True, False, False, False], index=X.index)
    assert list(mt.UnlearningProblem(X, np.arange(4.0), mask).forget) == [0]
    with pytest.raises(mt.BadInputError, match="of several rows"):
        mt.UnlearningProblem(X, np.arange(4.0), pd.Index([7]))


def test_weights_in_another_order_than_their_samples_are_refused() -> None:
    weights = pd.Series([1.0, 1, 1, 0])
    with pytest.raises(mt.BadInputError, match=r"weights\.index=.* \(another order\)"):
        mt.networks.train(NET, START, SORTED[["a", "b"]], SORTED["y"].to_frame(), epochs=1, weights=weights)


def test_a_release_reads_no_labels_as_positions() -> None:
    objective = mt.evaluation.Objective(np.eye(4), np.arange(4.0) / 4, "squared", 1.0)
    public = mt.evaluation.Public(
        samples=4, forget=1, loss="squared", ridge=1.0, feature_norm=1.0, target_bound=1.0, rounding=1e-6
    )
    promise = mt.evaluation.guarantee("output-noise", 1.0, 1e-3, public=public)
    with pytest.raises(mt.BadInputError, match="labels of its own"):
        promise.release(objective.minimiser(), objective, SORTED["a"] < 1, 1)


def test_more_rows_with_the_same_labels_are_not_called_another_order() -> None:
    X, y = FRAME[["a", "b"]], FRAME["y"]
    for label in (0, 3):
        more = pd.concat([y, y.loc[[label]]])
        assert set(more.index) == set(X.index)
        for given in (more, y[1:]):
            with pytest.raises(mt.BadInputError, match=f"{len(given)}") as refused:
                mt.UnlearningProblem.from_data(X, given, forget=[0], feature_map=None)
            assert "order" not in str(refused.value)
    with pytest.raises(mt.BadInputError, match="4") as refused:
        mt.UnlearningProblem.from_data(X.iloc[[0, 0, 1, 2, 3]], y, forget=[0], feature_map=None)
    assert "order" not in str(refused.value)
    # As many rows of which two have one label are other rows, and pair by position.
    twice = y.set_axis([0, 0, 2, 1])
    assert list(mt.UnlearningProblem.from_data(X, twice, forget=[0], feature_map=None).targets) == list(y)
    with pytest.raises(mt.BadInputError, match="another order"):
        mt.UnlearningProblem.from_data(X, y[::-1], forget=[0], feature_map=None)
