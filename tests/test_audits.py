"""Audits of guarantees: what they refute, what they could have refuted, and the campaign that counts both."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom, norm

import muso_theory as mt
from muso_theory.errors import BadInputError
from muso_theory.evaluation import Guarantee, audit_guarantee, guarantee
from muso_theory.evaluation.events import Events
from muso_theory.numbers import Quantity
from verification import guarantees as campaign
from verification import guarantees_audits as planted
from verification.campaign import Options
from verification.tables import latex, markdown

E = mt.evaluation
Draw = Callable[[np.random.Generator], np.ndarray]


def at_distance(epsilon: float) -> Guarantee:
    return guarantee("proved-gap", epsilon, 1e-5, gap=Quantity.exact(1))


def rows(draw: Draw) -> Callable[[int], np.ndarray]:
    return lambda seed: draw(np.random.default_rng(seed))


def normals(n: int, mean: float = 0.0, scale: float = 1.0, d: int = 1) -> Callable[[int], np.ndarray]:
    """Normals on a grid, so that no last bit tells what was added; the mean is in the first column."""
    return rows(lambda rng: np.round(mean * np.eye(d)[0] + scale * rng.standard_normal((n, d)), 6))


# -- audits ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(planted.VALID))
def test_no_audit_refutes_a_guarantee(name: str) -> None:
    assert not planted.VALID[name](1.0, 400).violated
    found = planted.VALID[name](10.0, 800)
    assert not found.violated
    # The data are chosen so that the distance is nearly reached: the audit has something to see.
    assert (found.ratio > 0.15 * found.promised_ratio) == (name not in planted.LOOSE)


@pytest.mark.parametrize("name", sorted(planted.LEAKS))
def test_every_planted_leak_is_caught(name: str) -> None:
    assert planted.LEAKS[name](1.0, 400).violated


def test_an_audit_is_right_about_a_known_distance() -> None:
    """N(0, 1) against N(μ, 1): the bounds are below the truth and close to it; equal samples give nothing."""

    def normal(mean: float, scale: float = 1.0, d: int = 3) -> Callable[[int], np.ndarray]:
        return lambda seed: mean * np.eye(d)[0] + scale * np.random.default_rng(seed).standard_normal(d)

    promise = Guarantee("proved-gap", 10.0, 1e-5, 1.0, 0.5, 1, None)
    found = audit_guarantee(promise, normal(2.0), normal(0.0), draws=4000)
    assert 1.6 < found.ratio < 2.0
    assert 2.0 < found.epsilon < found.epsilon_of_ratio < 10.0
    same = audit_guarantee(promise, normal(0.0), normal(0.0), draws=4000)
    assert same.ratio < 0.1
    assert same.epsilon < 0.1
    # A difference of spread alone, over many parameters.
    assert audit_guarantee(promise, normal(0, 1.3, 300), normal(0, 1.0, 300), draws=400).ratio > 2
    assert audit_guarantee(promise, normal(0, 1.0, 300), normal(0, 1.3, 300), draws=400).ratio > 2


def test_the_confidence_of_an_audit_is_kept() -> None:
    """At level .9 a true guarantee may be called violated in a tenth of the audits, and no more."""
    promise = Guarantee("proved-gap", 1.0, 0.5, 1.0, 1.0, 1, None)
    promise = replace(promise, epsilon=promise.epsilon_at(0.01), delta=0.01)

    def normal(mean: float, run: int) -> Callable[[int], np.ndarray]:
        return lambda seed: np.array([mean]) + np.random.default_rng((run, seed)).standard_normal(1)

    runs = [
        audit_guarantee(promise, normal(1.0, run), normal(0.0, run), draws=100, level=0.9)
        for run in range(200)
    ]
    # 20 expected at worst; 40 has a probability below 1e-5.
    assert sum(found.violated for found in runs) < 40


@pytest.mark.parametrize("change", [{"draws": 3}, {"draws": 100.0}, {"level": 1.0}, {"level": math.nan}])
def test_senseless_audits_are_refused(change: dict[str, Any]) -> None:
    promise = Guarantee("proved-gap", 1.0, 1e-5, 1.0, 4.0, 1, None)
    with pytest.raises(BadInputError, match="expected"):
        audit_guarantee(promise, lambda s: [0.0], lambda s: [0.0], **change)
    with pytest.raises(BadInputError, match="one size"):
        audit_guarantee(promise, lambda s: [0.0], lambda s: [0.0, 1.0], draws=100)
    with pytest.raises(BadInputError, match="finite"):
        audit_guarantee(promise, lambda s: [math.nan], lambda s: [0.0], draws=100)


# -- the campaign --------------------------------------------------------------------------------------


POINT = {
    "data": "breast_cancer", "loss": "logistic", "ridge per sample": 1e-3, "share": 0.01, "seed": 0, "epsilon": 1.0,
}  # fmt: skip


def without_times(found: Any) -> Any:
    if isinstance(found, dict):
        return {k: without_times(v) for k, v in found.items() if not k.endswith("seconds")}
    return [without_times(v) for v in found] if isinstance(found, list) else found


@pytest.fixture(scope="module")
def ridge() -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(campaign, "RELEASES", 2)
        return campaign.measure({**POINT, "draws": 40})


def test_a_point_of_the_campaign(ridge: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign, "RELEASES", 2)
    found = ridge
    again = campaign.measure(POINT)
    audited = {**found, "rows": [{k: v for k, v in row.items() if k != "audit"} for row in found["rows"]]}
    assert json.dumps(without_times(audited)) == json.dumps(without_times(again))
    assert found["ratio"] > 1e6
    rows = {row["method"]: row for row in found["rows"]}
    noise = {method: row["noise"] for method, row in rows.items()}
    assert noise["relabelling, proved gap"] < 1e-6 * noise["doing nothing, proved gap"]
    assert noise["doing nothing, proved gap"] < noise["output noise, any data"]
    assert noise["Newton step, proved gap"] < noise["Newton step, any data"]
    exact, plain = rows["relabelling, proved gap"], rows["retrained, without noise"]
    assert exact["test accuracy"] == plain["test accuracy"]
    for method, row in rows.items():
        if "audit" in row:
            assert not row["audit"]["violated"]
            assert row["any data"] == method.endswith("any data")
    # Other samples, other noise only where the gap is private.
    other = {row["method"]: row for row in campaign.measure({**POINT, "seed": 1})["rows"]}
    for method, row in rows.items():
        if method.endswith("any data") and "noisy" not in method:
            assert row["noise"] == other[method]["noise"]
    assert noise["doing nothing, proved gap"] != other["doing nothing, proved gap"]["noise"]
    monkeypatch.setitem(campaign._SAMPLES, "breast_cancer", 100)
    with pytest.raises(BadInputError, match="declared public"):
        campaign.measure(POINT)


def test_the_campaign_writes_its_tables_and_judges(
    ridge: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interpolating = campaign.measure_interpolating({"data": "breast_cancer", "features": 800, "seed": 0})
    assert interpolating["verdict"] == "CERTIFIED"
    audit = ridge["rows"][-1]["audit"]

    def run(ratio: float = 1e9, violated: bool = False, caught: bool = True) -> dict[str, Any]:
        def measured(
            _name: str, _measure: object, points: list[Any], _options: object
        ) -> list[dict[str, Any]]:
            return [
                {**audit, "violated": caught if point["planted"] else violated}
                if "audited" in point
                else {**(ridge if "loss" in point else interpolating), "ratio": ratio}
                for point in points
            ]

        monkeypatch.setattr(campaign, "measure_points", measured)
        return campaign.run(True, Options(tmp_path))

    found = run()
    assert not found["failed"]
    for entry in found["tables"].values():
        assert markdown(entry["rows"], entry["columns"]).count("\n") == len(entry["rows"]) + 2
        assert latex(entry["rows"], entry["columns"]).isascii()
    assert "only 1.0e+00 times" in run(ratio=1.0)["verdict"]
    for bad in ({"ratio": 1.0}, {"violated": True}, {"caught": False}):
        assert run(**bad)["failed"]
