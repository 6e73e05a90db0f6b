"""The two campaigns on networks, at a size that fits the suite."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np

from muso_theory.networks.rates import fit_slope
from tests import ROOT
from verification import lazy, ntk_limit, performance_ntk
from verification.folding import write


def test_points_are_json_able_and_carry_their_arguments():
    for campaign in (lazy, ntk_limit, performance_ntk):
        for quick in (True, False):
            found = campaign.points(quick)
            assert json.loads(json.dumps(found)) == found
        assert len(campaign.points(True)) < len(campaign.points(False))


def test_a_slope_is_found_with_its_interval_and_its_bend():
    rng = np.random.default_rng(0)
    widths = [2**k for k in range(5, 13)]
    noise = {width: np.exp(0.2 * rng.standard_normal(40)) for width in widths}
    straight = fit_slope({width: list(width**-0.5 * noise[width]) for width in widths})
    assert straight["low"] < -0.5 < straight["high"]
    assert straight["high"] - straight["low"] < 0.06
    assert straight["bend_low"] < 0 < straight["bend_high"]
    bent = fit_slope({width: list((width**-0.5 + 3 / width) * noise[width]) for width in widths})
    assert bent["bend_low"] > 0
    assert bent["high"] < -0.5  # the control: a finite-width term steepens the whole line
    assert fit_slope({32: [1.0], 64: [0.5]}) is None
    assert fit_slope({32: [], 64: [], 128: []}) is None
    assert fit_slope({32: [1.0], 64: [0.5], 128: [0.25]})["low"] is None


def test_the_interval_covers_the_true_slope_as_often_as_it_says():
    rng = np.random.default_rng(1)
    widths, hits = [32, 64, 128, 256], 0
    for _ in range(400):
        fit = fit_slope({w: list(w**-0.5 * np.exp(0.2 * rng.standard_normal(6))) for w in widths})
        hits += fit["low"] <= -0.5 <= fit["high"]
    assert 0.92 <= hits / 400 <= 0.98


def test_distance_to_the_limit_falls_and_its_slope_is_fitted():
    results = [
        ntk_limit.measure({"activation": "erf", "depth": 1, "width": width, "seeds": 8, "n": 8})
        for width in (32, 128, 512, 2048)
    ]
    (fit,) = ntk_limit.summarise(results)
    assert fit["low"] < fit["slope"] < fit["high"]
    assert -0.65 < fit["slope"] < -0.35
    assert fit["seeds"] == 8
    assert all(item["systematic"] < max(item["distances"]) for item in results)
    assert json.loads(json.dumps(results)) == results


def test_unlearning_a_wide_network_by_the_labels_of_its_linearisation():
    narrow, wide = (
        lazy.unlearn(activation="erf", depth=1, width=width, seed=0, epochs=20_000, n=8, n_forget=2)
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
    setting = {"activation": "relu", "depth": 1, "rate": 50.0, "seed": 0}
    results = [{**setting, "width": 16, **lazy.unlearn(**setting, width=16, epochs=500, n=8)}]
    assert results[0]["diverged"]
    assert "converges" in results[0]["problem"]
    for item in lazy.summarise(results):
        assert item["slope"] is None
        assert item["converged"] == {"16": "0/1"}
    found = write({"gaps": lazy._table("label_error", lazy.summarise(results))})[0]
    assert "| relu | 1 | 50.0 | – | – | – | – | – | – |" in found.replace("—", "–")


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
    root = ROOT
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    before, grown, size = map(int, done.stdout.split())
    if before:  # zero where the system has no such file
        assert grown >= 0.9 * size
