"""The campaign that measures problems in a file: what it compares with is right, and its peaks are of one process."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from verification import performance, performance_memory
from verification.concluding import conclude
from verification.performance_memory import points, run_point

POINT: dict[str, Any] = {"n": 700, "D": 9, "C": 3, "where": "threads", "span bytes": 1, "kill after": 1.0}


def test_the_normal_equations_unlearn_and_others_do_not(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = {**POINT, "folder": str(tmp_path)}
    performance_memory._write(words)
    assert performance_memory._plain(words)["gap"] < 1e-12
    # Where other rows are taken from the normal equations than are relabelled, nothing fits.
    features = np.load(tmp_path / "features.npy")
    monkeypatch.setattr(performance_memory.np, "load", lambda path, mmap_mode: _Changing(features))
    assert performance_memory._plain(words)["gap"] > 1e-3


class _Changing:
    """Features that are other ones when the seven rows to forget are asked for the first time."""

    def __init__(self, features: Any) -> None:
        self.features, self.asked = features, 0

    def __getitem__(self, rows: Any) -> Any:
        self.asked += len(rows) == 7
        return self.features[rows] * (2.0 if len(rows) == 7 and self.asked == 1 else 1.0)


@pytest.mark.slow
def test_a_point_is_measured_in_processes_of_its_own() -> None:
    found = {**POINT, **run_point(POINT)}
    assert found["verdict"] == "CERTIFIED"
    assert found["bounds as by threads"]
    assert found["gap of plain solves"] < 1e-12
    assert 10**7 < found["peak bytes"] < 10**9
    assert set(performance.tabulate({"cases": [found]})) == {"memory"}
    certified, peak, *_ = conclude({"campaign": "performance-memory", "cases": [found]})
    assert certified["number"]["value"] == 1
    assert peak["number"]["value"] == found["peak bytes"]


def test_small_by_default() -> None:
    assert max(point["n"] for point in points(quick=False)) == 50_000
    assert {point["where"] for point in points(quick=True)} == {"threads", "cluster"}
