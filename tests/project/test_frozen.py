"""Values are frozen: results, rules, factors and theorems cannot be changed after they were made."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil

import pytest

from muso_theory.methods import METHODS
from muso_theory.methods.rules import LabelRule

ROOMS = ("linear", "methods", "numbers", "algebra", "claims", "evaluation")
# Mutable on purpose: caches of computations, and the working state of searches.
WORKING = {
    "muso_theory.algebra.opinions._Value",
    "muso_theory.algebra.prover._Element",
    "muso_theory.claims.case.Case",
    "muso_theory.descent.passes.Passes",
}


def classes() -> list[type]:
    found = {}
    for room in ROOMS:
        package = importlib.import_module(f"muso_theory.{room}")
        for info in pkgutil.walk_packages(package.__path__, f"muso_theory.{room}."):
            for value in vars(importlib.import_module(info.name)).values():
                if isinstance(value, type) and value.__module__.startswith("muso_theory."):
                    found[f"{value.__module__}.{value.__qualname__}"] = value
    return [found[name] for name in sorted(found) if "__dataclass_params__" in vars(found[name])]


CLASSES = classes()


def test_there_are_many() -> None:
    assert len(CLASSES) > 40


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: f"{cls.__module__}.{cls.__qualname__}")
def test_values_are_frozen(cls: type) -> None:
    name = f"{cls.__module__}.{cls.__qualname__}"
    assert cls.__dataclass_params__.frozen or name in WORKING  # type: ignore[attr-defined]


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
