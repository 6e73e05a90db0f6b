"""Settings of a check: stored in a report and read back whole, whatever they are, and refused in words."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import muso_theory as mt
import muso_theory.commands.check
import muso_theory.commands.cli
import muso_theory.commands.sweep
import muso_theory.commands.unlearn
import muso_theory.unlearning.run
from muso_theory.claims import CATALOGUE
from muso_theory.claims.case import Case
from muso_theory.claims.families import CHECKS
from muso_theory.descent.plan import TrainingPlan
from muso_theory.errors import BadInputError, MusoError
from muso_theory.linear.closed_forms import ClosedForms
from muso_theory.numbers import RATIONAL
from muso_theory.pages.report_page import command
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
    "memory": st.none() | st.floats(1e-3, 1e9),
    "training": st.none() | st.just(TrainingPlan("momentum", 0.5, 7, 0.25)) | st.just(TrainingPlan("adam")),
}


@given(st.fixed_dictionaries(DRAWN))
def test_what_is_stored_is_read_back(drawn: dict[str, Any]) -> None:
    settings = Settings(**drawn)
    words = settings.to_words()
    assert Settings.from_words(words) == settings
    for name in words.keys() - {
        "training",
        "tolerance",
        "claims",
        "memory",
    }:  # these may be left out, or None
        with pytest.raises(BadInputError, match="settings"):
            Settings.from_words({**words, name: None})


@pytest.mark.parametrize("name", ["tolerance", "ridge", "subset", "budget", "memory"])
@pytest.mark.parametrize("value", [10**500, -(10**500)], ids=["large", "small"])
def test_an_integer_that_no_float_holds_is_no_setting(name: str, value: int) -> None:
    with pytest.raises(BadInputError, match="expected"):
        Settings(**{name: value})  # type: ignore[arg-type]
    with pytest.raises(BadInputError, match="complete settings"):
        Settings.from_words({**Settings().to_words(), name: value})


def test_how_one_trains_is_stored_with_these_keys_and_no_other() -> None:
    words = Settings(training=TrainingPlan("momentum", 0.5, 7, 0.25)).to_words()
    assert Settings.from_words(words).to_words() == words
    plan = words["training"]
    others = [{**plan, "nesterov": True}, [*plan], *({k: plan[k] for k in plan if k != key} for key in plan)]
    for other in others:
        with pytest.raises(BadInputError, match="training is not an optimizer with lr, epochs and momentum"):
            Settings.from_words({**words, "training": other})


def test_every_setting_is_drawn_stored_and_an_argument_of_check() -> None:
    names = {field.name for field in fields(Settings)}
    assert names == set(DRAWN) == set(Settings(training=TrainingPlan("adam"), memory=2.0).to_words())
    arguments = set(inspect.signature(mt.check).parameters)
    assert names - {"training"} <= arguments
    assert {field.name for field in fields(TrainingPlan)} <= arguments


CHECKING = {
    "check": mt.check,
    "unlearn": mt.unlearn,
    "sweep": mt.sweep,
    "optimal_labels": mt.optimal_labels,
    "unlearn_prepared": muso_theory.unlearning.run.unlearn_prepared,
    "muso check": muso_theory.commands.check.check,
    "muso unlearn": muso_theory.commands.unlearn.unlearn,
    "muso sweep": muso_theory.commands.sweep.sweep,
    "muso labels": muso_theory.commands.cli.labels,
}
"""Whatever checks, and is told how."""

ELSEWHERE = {("optimal_labels", "ridge"), ("muso labels", "ridge")}
"""λ of the labels of a method, which no check takes."""


def other_defaults(functions: dict[str, Callable[..., Any]]) -> list[tuple[str, str]]:
    """Arguments named like a setting of a check, or of how one trains, whose default is another."""
    usual = {field.name: field.default for kind in (TrainingPlan, Settings) for field in fields(kind)}
    usual["claims"] = None
    return [
        (name, argument.name)
        for name, function in functions.items()
        for argument in inspect.signature(function).parameters.values()
        if argument.name in usual
        and argument.default not in (inspect.Parameter.empty, None)
        and argument.default != usual[argument.name]
    ]


def test_every_default_of_a_setting_is_that_of_settings() -> None:
    assert set(other_defaults(CHECKING)) == ELSEWHERE
    taken = {p for function in CHECKING.values() for p in inspect.signature(function).parameters}
    assert {"arithmetic", "tolerance", "ridge", "subset", "seed", "budget", "momentum"} <= taken


def test_another_default_is_found() -> None:
    def slow(budget: float = 31.0, tolerance: float | None = None, momentum: float = 0.9) -> None: ...

    assert other_defaults({"slow": slow}) == [("slow", "budget")]


def test_a_page_leaves_out_what_is_usual() -> None:
    usual = {"source": {"data": "digits"}, **Settings().to_words()}
    assert command(usual) == command(usual | {"tolerance": "1e-06"}) == "muso check digits"
    other = Settings("ball", 0.5, 0.25, 0.125, budget=3.0).to_words()
    wanted = "muso check digits --arithmetic ball --tolerance 0.5 --ridge 0.25 --subset 0.125 --budget 3.0"
    assert command(usual | other) == wanted


@pytest.mark.parametrize("setting", ["ridge", "subset"])
def test_a_setting_that_no_claim_uses_is_refused(setting: str) -> None:
    idle = rf"a claim that uses {setting} but got {setting}=0.5 .*asking for \S+, or leaving {setting} out"
    for claims in ("exact-labels", ["exact-labels", "label-free"]):
        with pytest.raises(BadInputError, match=idle):
            mt.check(PROBLEM, claims, **{setting: 0.5})
    with pytest.raises(BadInputError, match=idle):
        mt.check(PROBLEM, "exact-labels", asserted=["label-free"], **{setting: 0.5})


def test_a_setting_that_a_claim_uses_is_not_refused() -> None:
    users = {(setting, slug) for slug, check in CHECKS.items() for setting in check.uses}
    assert len(users) == 10
    for setting, slug in users:
        given: dict[str, Any] = {setting: 0.5}
        mt.check(PROBLEM, slug, **given)
        mt.check(PROBLEM, "exact-labels", asserted=[slug], **given)
    mt.check(PROBLEM, ridge=0.5, subset=0.5)  # of all claims, some use them
    usual: dict[str, Any] = {"ridge": Settings.ridge, "subset": Settings.subset}
    mt.check(PROBLEM, "exact-labels", **usual)


@pytest.mark.parametrize("slug", CHECKS)
def test_what_a_claim_uses_is_what_it_reads(slug: str) -> None:
    check, read = CHECKS[slug], set()

    class Watched:
        def __getattr__(self, name: str) -> Any:
            read.add(name)
            return getattr(Settings(tolerance=0, training=TrainingPlan("gd", 0.1, 3)), name)

    rows = np.array([[1, 0, 1, 2], [1, 1, 0, 1], [2, 1, 1, 0]])
    problem = mt.UnlearningProblem(rows, np.array([1, 2, 5]), [1], w_init=np.zeros(4, dtype=np.int64))
    with suppress(MusoError):  # it is about networks, or decided in another arithmetic
        check.theorem(Case(problem, ClosedForms(problem, RATIONAL), Watched()))  # type: ignore[arg-type]
    assert read & {"ridge", "subset"} == {*check.uses}


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
