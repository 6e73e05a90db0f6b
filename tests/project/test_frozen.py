"""Values are frozen: results, rules, factors and theorems cannot be changed after they were made."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
import re
from typing import Any

import pytest

import muso_theory
from muso_theory.methods import METHODS
from muso_theory.methods.rules import LabelRule

# Mutable on purpose: caches of computations, and the working state of searches.
WORKING = {
    "muso_theory.algebra.opinions._Value",
    "muso_theory.algebra.prover._Element",
    "muso_theory.checking.ladder.Rung",
    "muso_theory.claims.case.Case",
    "muso_theory.descent.passes.Passes",
    "muso_theory.networks.enclosure._Walk",
    "muso_theory.refutation.search.Coverage",
}
ARRAYS = re.compile(r"\b(Array|FloatArray|TextArray|Matrix|LabelBall|RationalMatrix|_Pair|\w*Problem)\b")
# Compared by identity though no field is an array: what they hold has no cheap or sensible equality.
THEMSELVES = {
    "muso_theory.checking.report.Report",
    "muso_theory.descent.schedules.ResolvedSteps",
    "muso_theory.linear.answers.Question",
    "muso_theory.linear.rehearsal._Note",
    "muso_theory.networks.enclosure.Share",
    "muso_theory.numbers.balls._BallFactor",
    "muso_theory.refutation.search.Refutation",
    "muso_theory.refutation.trials.Trial",
    "muso_theory.unlearning.network.UnlearnedNetwork",
}


def classes() -> dict[str, Any]:
    found = {}
    for info in pkgutil.walk_packages(muso_theory.__path__, "muso_theory."):
        if not info.name.endswith("__main__"):
            for value in vars(importlib.import_module(info.name)).values():
                if isinstance(value, type) and value.__module__.startswith("muso_theory."):
                    found[f"{value.__module__}.{value.__qualname__}"] = value
    return {name: found[name] for name in sorted(found) if "__dataclass_params__" in vars(found[name])}


CLASSES = classes()


def test_there_are_many() -> None:
    assert len(CLASSES) > 200


def test_values_are_frozen() -> None:
    assert {name for name, cls in CLASSES.items() if not cls.__dataclass_params__.frozen} == WORKING


def test_what_holds_arrays_is_compared_by_identity_and_all_else_by_value() -> None:
    """Whether two arrays are equal is an array: == of two values that hold some would raise."""

    def holds_arrays(cls: Any) -> bool:
        types = [str(f.type) for f in dataclasses.fields(cls) if f.compare]
        return any(ARRAYS.search(t) for t in types if "Callable" not in t)

    by_identity = {name for name, cls in CLASSES.items() if not cls.__dataclass_params__.eq}
    holding = {name for name, cls in CLASSES.items() if holds_arrays(cls)}
    assert holding - by_identity == set()
    assert by_identity - holding - WORKING == THEMSELVES


def test_every_rule_is_a_value_that_can_be_compared_and_hashed() -> None:
    rules = LabelRule.__subclasses__()
    assert len(rules) >= 5
    for rule in rules:
        assert "__dataclass_params__" in vars(rule), rule
        required = [
            f for f in dataclasses.fields(rule) if f.default is f.default_factory is dataclasses.MISSING
        ]
        if not required:
            assert rule() == rule()
            assert hash(rule()) == hash(rule())


def test_a_method_cannot_be_given_an_attribute_it_does_not_have() -> None:
    assert len(METHODS) > 10
    for method in METHODS.values():
        with pytest.raises(dataclasses.FrozenInstanceError):
            method().note = 1  # type: ignore[attr-defined]
