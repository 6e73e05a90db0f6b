"""The two campaigns on networks, at a size that fits the suite."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from verification import lazy, performance_ntk


def test_points_are_json_able_and_carry_their_arguments():
    for campaign in (lazy, performance_ntk):
        for quick in (True, False):
            found = campaign.points(quick)
            assert json.loads(json.dumps(found)) == found
        assert len(campaign.points(True)) < len(campaign.points(False))


def test_distance_to_the_limit_falls_and_its_slope_is_fitted():
    results = [
        lazy.run_point("limit", activation="erf", depth=1, width=width, seed=seed, n=8)
        for width in (32, 128, 512, 2048)
        for seed in range(4)
    ]
    (fit,) = lazy.summarise(results)
    assert fit["low"] < fit["slope"] < fit["high"]
    assert -0.75 < fit["slope"] < -0.25
    assert fit["seeds"] == 4
    flat = lazy.summarise([{**item, "distance": 1.0 + 0.01 * item["seed"]} for item in results])
    assert abs(flat[0]["slope"]) < 1e-9


def test_unlearning_a_wide_network_by_the_labels_of_its_linearisation():
    narrow, wide = (
        lazy.run_point(
            "unlearning", activation="erf", depth=1, width=width, seed=0, epochs=20_000, n=8, n_forget=2
        )
        for width in (16, 512)
    )
    for result in (narrow, wide):
        assert result["converged"]
        assert json.loads(json.dumps(result)) == result
        assert result["parameter_gap_opposite"] > 2 * result["parameter_gap_linearised"]  # the control
    assert wide["parameter_gap_opposite"] > 10 * wide["parameter_gap_linearised"]
    assert wide["parameter_gap_linearised"] < narrow["parameter_gap_linearised"]
    assert wide["drift_pretrained"] < narrow["drift_pretrained"]


def test_too_large_a_learning_rate_is_reported_not_hidden():
    result = lazy.run_point(
        "unlearning", activation="relu", depth=1, width=16, seed=0, rate=50.0, epochs=500, n=8
    )
    assert result["diverged"]
    assert "converges" in result["problem"]
    assert lazy.summarise([result]) == []


def test_streaming_reports_its_budget_and_error():
    result = performance_ntk.run_streamed(n=300, max_bytes=30_000_000)
    assert result["relative_error"] < 1e-13
    assert result["symmetric"]
    assert result["progress_calls"] == result["tiles"]


def test_contenders_are_timed_and_agree(monkeypatch):
    monkeypatch.setitem(performance_ntk.CASES, "tiny", {"net": "cnn-pooled", "n": 9, "contract": "trace"})
    result = performance_ntk.run_point("tiny", rounds=2, peers={"torch": "/no/such/python"})
    assert result["muso"]["relative_error"] < 1e-13
    assert result["naive"]["relative_error"] < 1e-13
    assert result["naive"]["ratio_to_ours"] > 0
    assert list(result["failed"]) == ["torch"]
    assert json.loads(json.dumps(result)) == result


def test_the_products_counted_are_those_of_the_kernel():
    for case in performance_ntk.CASES.values():
        flops = sum(
            m * k * n * (1 if kind == "syrk" else 2) for kind, m, k, n in performance_ntk.products(case)
        )
        assert flops > 0
        assert all(kind != "syrk" or m == n for kind, m, k, n in performance_ntk.products(case))
    a = performance_ntk.CASES["a-1000-full"]
    wanted = 2 * 10_000**2 * 512  # the two Grams of deltas, by symmetry half a product each
    found = sum(m * k * n for kind, m, k, n in performance_ntk.products(a) if kind == "syrk" and m == 10_000)
    assert found == wanted


def test_the_memory_probe_sees_an_allocation():
    # In a process of its own: here earlier tests have left resident memory that an allocation would reuse.
    code = (
        "import numpy as np; from verification import ntk_worker as w; w.reset_peak(); before = w.memory('VmRSS'); "
        "block = np.ones(4_000_000); print(before, w.memory('VmHWM') - before, block.nbytes)"
    )
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    before, grown, size = map(int, done.stdout.split())
    if before:  # zero where the system has no such file
        assert grown >= 0.9 * size
