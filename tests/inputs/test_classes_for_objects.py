"""A class handed in where one of its objects is wanted, and targets in another order than their samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import StandardScaler

import muso_theory as mt
from muso_theory.linear.features import GaussianFeatures


@pytest.mark.parametrize("kind", [GaussianFeatures, StandardScaler])
def test_the_class_of_a_map_is_no_map(kind: Any) -> None:
    """Scikit-learn's own TypeError said to provide an instance, without the argument's name."""
    X, y = np.random.default_rng(0).normal(size=(8, 3)), np.arange(8.0)
    frame = pd.DataFrame(X, columns=list("abc")).assign(y=y)
    doors = (
        lambda given: mt.UnlearningProblem.from_data(X, y, forget=[0], feature_map=given),
        lambda given: mt.from_frame(frame, forget=[0], feature_map=given),
        lambda given: mt.kernel_approximation(given, X, n_features=(10,)),
    )
    for door in doors:
        with pytest.raises(mt.BadInputError, match=rf"feature_map=(the class )?{kind.__name__} "):
            door(kind)
    for door in doors[:2]:
        assert door(kind()).n_samples == 8


def test_a_class_where_an_object_is_wanted_is_told_how_to_make_one() -> None:
    problem = mt.UnlearningProblem(np.eye(4), np.arange(4.0), [0])
    with pytest.raises(mt.BadInputError, match=r"method=NtkScrubbing .*try NtkScrubbing\(\)"):
        mt.unlearn(problem, mt.methods.NtkScrubbing)  # type: ignore[arg-type]
    with pytest.raises(mt.BadInputError, match=r"rule=ZeroLabels .*try ZeroLabels\(\)"):
        mt.refute(mt.ZeroLabels)  # type: ignore[arg-type]
    assert mt.refute(mt.ZeroLabels(), max_examples=20) is not None


def test_targets_in_another_order_are_refused_wherever_samples_and_targets_meet() -> None:
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(6, 3)))
    y = pd.Series(np.arange(6.0))
    net = mt.networks.mlp([3, 2, 1])
    start, signs = net.init(0), np.sign(y - 2.5)
    once = mt.networks.Recipe(epochs=1, loss="squared")
    sure = pd.DataFrame({"a": [0.9, 0.2, 0.6, 0.5, 0.1, 0.3]}).assign(b=lambda frame: 1 - frame["a"])
    classes = (y > 2).astype(int)
    doors = (
        lambda order: mt.networks.NetworkProblem(net, X, order(y), [0], start, start),
        lambda order: mt.networks.NetworkProblem.pretrain(net, X, order(y), forget=[0], recipe=once),
        lambda order: mt.networks.train(net, start, X, order(y.to_frame()), epochs=1, learning_rate=0.1),
        lambda order: mt.evaluation.accuracy(signs, order(signs)),
        lambda order: mt.evaluation.loss(sure, order(classes)),
        lambda order: mt.evaluation.logit_confidence(sure, order(classes)),
    )
    for door in doors:
        with pytest.raises(mt.BadInputError, match=r"(y|targets|classes).index=.* \(another order\); try"):
            door(lambda given: given[::-1])
        door(lambda given: given)
