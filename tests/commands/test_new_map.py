"""A feature map that the list of words gains: its options, and what is told of them, follow from its signature."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import ClassNamePrefixFeaturesOutMixin

import muso_theory as mt
from muso_theory.inputs import Source, prepare
from muso_theory.inputs.frame import from_frame
from muso_theory.linear import features
from muso_theory.linear.feature_map import FeatureMap
from muso_theory.linear.precise import feature_error
from muso_theory.map_names import FEATURE_MAPS
from tests.running import small, write


class Squares(ClassNamePrefixFeaturesOutMixin, FeatureMap):
    """φ(x) = (x, x²): nothing is drawn, and no number of features is chosen."""

    def __init__(self) -> None: ...

    def _resolve(self, X: Any) -> None:
        self._n_features_out = 2 * X.shape[1]

    def _map(self, X: Any) -> Any:
        return np.hstack([X, X**2])

    def _exact_kernel(self, X: Any, Y: Any) -> Any:
        return X @ Y.T + X**2 @ (Y**2).T


class ScaledSquares(Squares):
    """φ(x) = (x, x²)/σ."""

    def __init__(self, *, bandwidth: float | str = "median") -> None:
        self.bandwidth = bandwidth

    def _map(self, X: Any) -> Any:
        return super()._map(X) / (1.0 if isinstance(self.bandwidth, str) else self.bandwidth)


class Steps(features.ArcCosineFeatures):
    """Random features without a bandwidth, under another word than arccos."""


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    for word, made in (("squares", Squares), ("scaled", ScaledSquares), ("steps", Steps)):
        monkeypatch.setitem(FEATURE_MAPS, word, made.__name__)
        monkeypatch.setattr(features, made.__name__, made, raising=False)
    return Source(str(write(tmp_path / "small.npz", small())), features="squares")


@pytest.mark.parametrize(
    ("word", "option", "value"),
    [
        ("steps", "bandwidth", "3"),
        ("squares", "bandwidth", "3"),
        ("squares", "n_features", 40),
        ("scaled", "n_features", 40),
    ],
)
def test_an_option_that_the_map_has_not_is_refused(
    source: Source, word: str, option: str, value: object
) -> None:
    said = replace(source, features=word, **{option: value})
    dashed = option.replace("_", "-")
    with pytest.raises(mt.BadInputError, match=f"--{dashed}.*the feature map {word} has none"):
        prepare(said)


def test_a_map_is_made_with_the_options_that_it_has(source: Source) -> None:
    X = small()["X"]
    np.testing.assert_array_equal(prepare(source).problem.features, np.hstack([X, X**2]))
    scaled = prepare(replace(source, features="scaled", bandwidth="4")).problem
    np.testing.assert_array_equal(scaled.features, np.hstack([X, X**2]) / 4)
    assert prepare(replace(source, features="steps", n_features=30)).problem.n_features == 30


def test_a_frame_takes_it_by_its_word(source: Source) -> None:
    frame = pytest.importorskip("pandas").DataFrame(small()["X"]).assign(y=np.arange(8.0))
    assert from_frame(frame, target="y", forget=[1], feature_map="squares").n_features == 24


@pytest.mark.parametrize(
    ("word", "said", "how"),
    [
        ("squares", {}, "given"),
        ("scaled", {}, "default"),
        ("scaled", {"bandwidth": "4"}, "given"),
        ("steps", {"n_features": 30}, "default"),
        ("steps", {"n_features": 30, "seed": 2}, "given"),
    ],
)
def test_it_is_given_when_all_its_options_were_said(
    source: Source, word: str, said: dict[str, Any], how: str
) -> None:
    told = prepare(replace(source, features=word, **said)).problem.understood
    assert [row.how for row in told if row.word == "map"] == [how]


def test_memory_is_asked_of_maps_of_a_chosen_size_alone(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("muso_theory.inputs.preparing.memory", lambda: 8 * 8 * 100)
    assert prepare(source).problem.n_features == 24
    with pytest.raises(mt.BadInputError, match="the memory of this machine"):
        prepare(replace(source, features="steps"))


def test_parameters_to_be_audited_have_the_length_of_its_features(source: Source, tmp_path: Path) -> None:
    np.savez(tmp_path / "audit.npz", w_unlearned=np.ones(24))
    assert prepare(replace(source, audit=str(tmp_path / "audit.npz"))).audited["w_unlearned"].shape == (24,)


def test_a_formula_that_is_not_known_is_not_evaluated_again(source: Source) -> None:
    X = small()["X"]
    made = Squares().fit(X)
    known = "one of IdentityFeatures, GaussianFeatures, LaplacianFeatures, .*, whose formulas are known,"
    with pytest.raises(mt.BadInputError, match=f"expected {known} but got feature_map="):
        feature_error(made, X, made.transform(X))
