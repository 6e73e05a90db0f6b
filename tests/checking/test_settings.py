"""Settings of a check: stored in a report and read back whole, whatever they are, and refused in words."""

from __future__ import annotations

import inspect
import json
from dataclasses import fields
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import muso_theory as mt
from muso_theory.claims import CATALOGUE
from muso_theory.descent.plan import TrainingPlan
from muso_theory.errors import BadInputError
from muso_theory.settings import TOLERANCE, Settings

PROBLEM = mt.UnlearningProblem(np.eye(2), np.ones(2), [1])
SLUGS = st.lists(st.sampled_from(sorted(CATALOGUE)), unique=True).map(lambda slugs: tuple(sorted(slugs)))
DRAWN = {
    "arithmetic": st.sampled_from(["auto", "float64", "ball", "rational"]),
    "tolerance": st.none() | st.floats(0, 1, exclude_max=True),
    "ridge": st.floats(1e-300, 1e300),
    "subset": st.floats(1e-3, 1),
    "seed": st.integers(0, 2**70),
    "budget": st.floats(1e-3, 1e9),
    "asserted": SLUGS,
    "claims": st.none() | SLUGS.filter(bool),
    "training": st.none() | st.just(TrainingPlan("momentum", 0.5, 7, 0.25)) | st.just(TrainingPlan("adam")),
}


@given(st.fixed_dictionaries(DRAWN))
def test_what_is_stored_is_read_back(drawn: dict[str, Any]) -> None:
    settings = Settings(**drawn)
    words = settings.to_words()
    assert Settings.from_words(words) == settings
    for name in words.keys() - {"training", "tolerance", "claims"}:  # these may be left out, or None
        with pytest.raises(BadInputError, match="settings"):
            Settings.from_words({**words, name: None})


def test_every_setting_is_drawn_stored_and_an_argument_of_check() -> None:
    names = {field.name for field in fields(Settings)}
    assert names == set(DRAWN) == set(Settings(training=TrainingPlan("adam")).to_words())
    arguments = set(inspect.signature(mt.check).parameters)
    assert names - {"training"} <= arguments
    assert {field.name for field in fields(TrainingPlan)} <= arguments


def test_a_tolerance_is_exact() -> None:
    assert Settings(tolerance=Fraction(1, 3)).limit == Fraction(1, 3)
    assert Settings(tolerance=0.1).limit == Fraction(0.1) != Fraction(1, 10)
    assert Settings().limit == TOLERANCE


@pytest.mark.parametrize(
    "keywords",
    [
        {"subset": "a"},
        {"subset": None},
        {"claims": 3},
        {"claims": [3]},
        {"arithmetic": ["auto"]},
        {"asserted": 3},
        {"progress": 3},
        {"ridge": 10**400},
    ],
)
def test_settings_of_another_type_are_refused_in_words(keywords: dict[str, Any]) -> None:
    with pytest.raises(BadInputError, match="try"):
        mt.check(PROBLEM, **keywords)


def test_arrays_are_no_problem() -> None:
    with pytest.raises(BadInputError, match="an UnlearningProblem"):
        mt.check(np.eye(3))  # type: ignore[arg-type]


@pytest.mark.parametrize("keywords", [{"claims": []}, {"claims": ["downsampling"], "seed": -1}])
def test_settings_out_of_range_are_refused_in_words(keywords: dict[str, Any]) -> None:
    with pytest.raises(BadInputError):
        _ = mt.check(PROBLEM, **keywords).verdict


def test_numbers_of_numpy_are_stored_as_numbers() -> None:
    given = Settings(ridge=np.float64(0.5), subset=np.float32(0.5), budget=np.int64(3))
    assert (
        Settings.from_words(json.loads(json.dumps(given.to_words())))
        == given
        == Settings(ridge=0.5, subset=0.5, budget=3.0)
    )
