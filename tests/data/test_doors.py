"""What is no problem, no method or no claim is refused in words, wherever it comes in."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.methods.rules import LabelRule

ANYTHING = {
    "labels": [1.0],
    "forget_sets": [[0]],
    "w": np.zeros(5),
    "gap": 1e-3,
    "step": 0.1,
    "accuracy": 1e-3,
    "epochs": [1],
    "step_sizes": 0.1,
    "retrain_steps": 1,
    "finetune_steps": 1,
}


def _takers() -> dict[str, Callable[..., Any]]:
    """Every public function of a problem, label rule and unlearning method."""
    found: dict[str, Callable[..., Any]] = {}
    for room in (mt, mt.linear):
        for name in room.__all__:
            member = getattr(room, name)
            if (
                inspect.isfunction(member)
                and next(iter(inspect.signature(member).parameters), "") == "problem"
            ):
                found[name] = member
            elif inspect.isclass(member) and issubclass(member, LabelRule) and not inspect.isabstract(member):
                found[name] = member()
    del found["stability"]  # takes a bare feature matrix, too
    return found | {name: method() for name, method in mt.methods.serving("linear").items()}


TAKERS = _takers()


def _keywords(taker: Callable[..., Any]) -> dict[str, Any]:
    parameters = list(inspect.signature(taker).parameters.values())[1:]
    named = {p.name: ANYTHING[p.name] for p in parameters if p.name in ANYTHING and p.default is p.empty}
    return named | ({"step_sizes": 0.1} if any(p.kind is p.VAR_KEYWORD for p in parameters) else {})


def _problem() -> mt.UnlearningProblem:
    return mt.UnlearningProblem(np.eye(3, 5), [1.0, 2.0, 3.0], [0])


def test_the_doors_are_found() -> None:
    assert {"check", "solve", "parameter_gap", "optimal_labels", "predict_gap", "MeanLabel"} <= set(TAKERS)
    assert len(TAKERS) > 30


@pytest.mark.parametrize("name", TAKERS)
@pytest.mark.parametrize(
    "given", [None, np.eye(3), 5, mt.UnlearningProblem], ids=["None", "array", "5", "class"]
)
def test_what_is_no_problem(name: str, given: object) -> None:
    taker = TAKERS[name]
    wanted = r"expected an UnlearningProblem( or a NetworkProblem)? but got problem=.*; try mt\."
    with pytest.raises(mt.MusoError, match=wanted):
        taker(given, **_keywords(taker))


def test_the_same_calls_take_a_problem() -> None:
    for name in ("check", "solve", "parameter_gap", "optimal_labels", "off_span_gap", "MeanLabel"):
        assert TAKERS[name](_problem(), **_keywords(TAKERS[name])) is not None


@pytest.mark.parametrize("given", [None, 5, [], {}, "label-fre"])
def test_what_is_no_name(given: Any) -> None:
    problem = _problem()
    report = mt.check(problem, "exact-labels")
    for call in (
        lambda: mt.optimal_labels(problem, given),
        lambda: mt.optimal_labels(problem, arithmetic=given),
        lambda: mt.solve(problem, given),
        lambda: mt.check(problem, arithmetic=given),
        lambda: mt.claims[given],
        lambda: report[given],
        lambda: report.theorem(given),
        lambda: mt.prove(given),
        lambda: mt.refute(given),
    ):
        with pytest.raises(mt.MusoError, match=r"expected .* but got .*; try "):
            call()


@pytest.mark.parametrize("given", [5, [], [5], ["exact-label"]])
def test_what_is_no_list_of_claims(given: Any) -> None:
    with pytest.raises(mt.MusoError, match=r"expected .* but got .*; try "):
        mt.check(_problem(), given)


@pytest.mark.parametrize("given", ["a", None, True, 0, float("nan"), [0.0]])
def test_what_is_no_setting_of_a_method(given: Any) -> None:
    for call in (
        lambda: mt.optimal_labels(_problem(), "ridge", ridge=given),
        lambda: mt.optimal_labels(_problem(), "subsample", subset=given),
        lambda: mt.leave_block_out_labels(_problem(), given),
    ):
        with pytest.raises(mt.MusoError, match=r"expected .* but got .*; try "):
            call()
