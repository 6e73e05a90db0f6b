"""The campaign that times closed forms: the loops that it compares with are right, and are told where they were cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from verification import performance, performance_ntk
from verification.concluding import conclude
from verification.performance_dynamics import descent_loop, retrained_labels, run_point, sample_loop


def test_one_sample_is_one_step_of_descent() -> None:
    rng = np.random.default_rng(0)
    row, target, start = rng.standard_normal((1, 7)), np.array([2.0]), rng.standard_normal(7)
    steps = descent_loop(row, target, start, 0.1, 5)
    np.testing.assert_allclose(sample_loop(row, target, start, np.array([0.1]), 5), steps, rtol=1e-13)
    assert not np.allclose(sample_loop(row, target, start, np.array([0.2]), 5), steps)


@pytest.mark.parametrize("outputs", [1, 3])
def test_watching_a_loop_changes_nothing(outputs: int) -> None:
    rng = np.random.default_rng(1)
    rows, targets, start = (rng.standard_normal(shape) for shape in ((4, 9), (4, outputs), (9, outputs)))
    if outputs == 1:
        targets, start = targets[:, 0], start[:, 0]
    steps = np.full(4, 0.05)
    plain, watched = (sample_loop(rows, targets, start, steps, 3, watched=w) for w in (False, True))
    np.testing.assert_array_equal(plain, watched)


def test_retraining_gives_the_labels_of_the_retrained_model() -> None:
    rng = np.random.default_rng(2)
    rows, targets, forget = rng.standard_normal((6, 9)), rng.standard_normal((6, 1)), np.array([1, 4])
    retain = np.setdiff1d(np.arange(6), forget)
    w_r = np.linalg.lstsq(rows[retain], targets[retain], rcond=None)[0]
    labels = retrained_labels(rows @ rows.T, targets, forget)
    np.testing.assert_allclose(labels, rows[forget] @ w_r, rtol=1e-10)
    assert not np.allclose(labels, retrained_labels(rows @ rows.T, targets, forget[:1]))


def test_what_is_told_agrees_with_what_was_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    from verification import performance_dynamics

    monkeypatch.setattr(performance_dynamics.os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    points: list[dict[str, Any]] = [
        {"method": "requests", "n": 40, "D": 90, "|F|": 2, "requests": 50},
        {"method": "cyclic-sgd", "outputs": 1, "epochs": 30, "loop epochs": 2},
    ]
    rows = [run_point(point) for point in points]
    for row in rows:
        assert row["relative difference"] < 1e-10
        assert row["ratio given K"] == pytest.approx(row["loop seconds"] / row["closed seconds"])
        assert row["ratio with K"] < row["ratio given K"]
    (*_, idle) = conclude({"campaign": "performance-dynamics", "cases": rows})
    assert idle["number"]["value"] == 1
    assert set(performance.tabulate({"cases": rows})) == {"dynamics"}


def test_a_peer_that_cannot_start_is_told_by_its_error(tmp_path: Any) -> None:
    bad = tmp_path / "peer"
    bad.write_text("#!/bin/sh\necho 'ValueError: no such thing' >&2\necho 'see the manual' >&2\nexit 3\n")
    bad.chmod(0o755)
    with pytest.raises(RuntimeError, match=r"^ValueError: no such thing$"):
        performance_ntk.Worker("other", str(bad), tmp_path, tmp_path, "full")
