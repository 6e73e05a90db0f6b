"""The campaign that times whole checks: what it compares with is right, and a busy machine is told."""

from __future__ import annotations

import numpy as np
import pytest

from verification import performance, performance_engine
from verification.concluding import conclude
from verification.performance_engine import plain_gap, problem_of, run_point

POINT = {"data": "normal", "n": 40, "D": 90, "C": 2, "work": "exact-labels", "runs": 1}


@pytest.mark.parametrize(("n", "width"), [(20, 50), (200, 8)])
def test_plain_solves_unlearn_all_that_is_to_be_forgotten(n: int, width: int) -> None:
    problem = problem_of({**POINT, "n": n, "D": width})
    features, targets = np.asarray(problem.features), np.asarray(problem.targets)
    assert plain_gap(features, targets, problem.forget, problem.retain) < 1e-12
    twice = problem.forget.copy()
    twice[1] = twice[0]
    assert plain_gap(features, targets, twice, problem.retain) > 1e-3


@pytest.mark.parametrize(("load", "tries"), [(0.0, 1), (1e6, 3)])
def test_a_point_at_a_busy_machine_is_measured_again_and_told(
    load: float, tries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(performance_engine.os, "getloadavg", lambda: (load, load, load))
    found = {**POINT, **run_point(POINT)}
    assert found["tries"] == tries
    assert found["verdict"] == "CERTIFIED"
    assert found["gap"] < 1e-10
    (*_, idle) = conclude({"campaign": "performance-engine", "cases": [found]})
    assert idle["number"]["value"] == (load == 0)
    assert set(performance.tabulate({"cases": [found]})) == {"engine"}
