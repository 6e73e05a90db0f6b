"""What a report says of a claim that a user insists on, although its hypothesis fails."""

from __future__ import annotations

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.evidence import Verdict

TALL = mt.UnlearningProblem(np.array([[1.0], [2.0], [3.0]]), np.array([1.0, 0.0, 2.0]), [0])
TWO = mt.UnlearningProblem(np.eye(2), np.array([1.0, 2.0]), [0])


@pytest.mark.parametrize("arithmetic", ["auto", "float64", "ball", "rational"])
@pytest.mark.parametrize(
    ("problem", "claim", "hypothesis"),
    [
        (TALL, "leave-block-out", "full-rank"),
        (TALL, "ridge-inverse", "full-rank-retain"),
        (TWO, "sequential-requests", "three-samples"),
        (TWO, "linearised-network", "from-network"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_formula_without_a_value_does_not_apply(
    problem: mt.UnlearningProblem, claim: str, hypothesis: str, arithmetic: str
) -> None:
    report = mt.check(problem, claim, arithmetic, asserted=[claim])
    row = report.theorem(claim)
    assert row.verdict is Verdict.VACUOUS
    assert f"needs {hypothesis}: " in row.summary
    assert row.meaning.startswith("Does not apply here, also where it is asserted: ")
    assert report.settings["asserted"] == [claim]
    assert report.exit_status == 3


@pytest.mark.parametrize("arithmetic", ["auto", "rational"])
def test_a_formula_with_a_value_that_is_wrong_is_refuted(arithmetic: str) -> None:
    row = mt.check(TALL, "label-free", arithmetic, asserted=["label-free"]).theorem("label-free")
    assert row.verdict is Verdict.REFUTED
    assert row.asserted
