"""Convex objectives, the bounds of other removal guarantees, and the campaign that compares them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.errors import BadInputError
from muso_theory.evaluation.convex import LOSSES, Objective
from muso_theory.evaluation.guarantees import (
    descent,
    descent_bound,
    global_sensitivity,
    newton_noise,
    newton_removal,
    noisy_descent,
)
from verification import guarantees
from verification.campaign import Options
from verification.tables import latex, markdown


def make(loss: str, ridge: float = 0.05, n: int = 60, d: int = 5, seed: int = 0) -> Objective:
    rng = np.random.default_rng(seed)
    phi = rng.standard_normal((n, d))
    phi /= np.linalg.norm(phi, axis=1, keepdims=True)
    return Objective(phi, np.sign(phi @ rng.standard_normal(d) + 0.3 * rng.standard_normal(n)), loss, ridge)


def value(objective: Objective, w: np.ndarray) -> np.ndarray:
    """F(w) by definition, also for complex w."""
    z, t = objective.features @ w, objective.targets
    each = (z - t) ** 2 / 2 if objective.loss == "squared" else np.log(1 + np.exp(-z)) + (1 - t) / 2 * z
    tilt = 0 if objective.tilt is None else objective.tilt @ w
    return each.sum() + objective.ridge * (w @ w) / 2 + tilt


@pytest.mark.parametrize("loss", LOSSES)
def test_derivatives_by_complex_steps(loss: str) -> None:
    base = make(loss)
    objective = Objective(base.features, base.targets * 0.7, loss, 0.05, np.arange(5.0))
    w = np.random.default_rng(1).standard_normal(5)
    step = 1e-20j
    gradient = [(value(objective, w + step * e)).imag / 1e-20 for e in np.eye(5)]
    assert objective.gradient(w) == pytest.approx(np.array(gradient), rel=1e-12)
    difference = [
        (objective.gradient(w + 1e-6 * e) - objective.gradient(w - 1e-6 * e)) / 2e-6 for e in np.eye(5)
    ]
    assert objective.hessian(w) == pytest.approx(np.array(difference), rel=1e-7, abs=1e-8)
    assert np.linalg.eigvalsh(objective.hessian(w))[-1] <= objective.smoothness
    untilted = objective.sample_gradients(w).sum(axis=0) + objective.ridge * w + objective.tilt
    assert untilted == pytest.approx(objective.gradient(w))


@pytest.mark.parametrize("loss", LOSSES)
def test_the_gap_bound_holds_and_is_tight_where_only_the_ridge_curves(loss: str) -> None:
    base = make(loss)
    objective = Objective(np.hstack([base.features, np.zeros((60, 1))]), base.targets, loss, 0.05)
    best = objective.minimiser()
    assert objective.gap_bound(best).bound < 1e-13
    rng = np.random.default_rng(2)
    for size in (1e-9, 1e-3, 1.0):
        w = best + size * rng.standard_normal(6)
        apart = float(np.linalg.norm(w - best))
        assert objective.gap_bound(w).bound >= apart * (1 - 1e-4)
        flat = best + size * np.eye(6)[5]
        assert objective.gap_bound(flat).bound == pytest.approx(size, rel=1e-4)


@pytest.mark.parametrize("loss", LOSSES)
def test_soft_labels_unlearn_and_hard_ones_do_not(loss: str) -> None:
    """Claim convex-loss: the labels that the retrained model predicts are exact, their signs are not."""
    objective, forget = make(loss), np.arange(6)
    retrained = objective.on(np.arange(6, 60)).minimiser()
    soft = objective.targets.copy()
    soft[forget] = objective.labels(retrained, objective.features[forget])
    hard = soft.copy()
    hard[forget] = np.sign(hard[forget])
    everyone, kept = np.arange(60), objective.on(np.arange(6, 60))
    gaps = [kept.gap_bound(objective.on(everyone, labels).minimiser()).bound for labels in (soft, hard)]
    assert gaps[0] < 1e-13 < 1e-3 < gaps[1]


def test_newton_removal_leaves_what_it_says() -> None:
    squared, logistic = make("squared"), make("logistic")
    forget, retain = np.arange(4), np.arange(4, 60)
    step, bound = newton_removal(squared, squared.minimiser(), forget)
    assert bound == 0.0
    assert squared.on(retain).gap_bound(step).bound < 1e-13
    w = logistic.minimiser()
    step, bound = newton_removal(logistic, w, forget)
    kept = logistic.on(retain)
    left = float(np.linalg.norm(kept.gradient(step)))
    moved = kept.features @ (step - w)
    published = 0.25 * np.linalg.norm(kept.features, 2) * np.linalg.norm(step - w) * np.linalg.norm(moved)
    assert left <= bound <= published
    assert bound < 200 * left  # not vacuous
    assert newton_noise(bound, 1.0, 1e-5) == pytest.approx(bound * math.sqrt(2 * math.log(1.5e5)))
    with pytest.raises(BadInputError):
        newton_noise(bound, 0.0, 1e-5)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("steps", [0, 5, 50])
def test_descent_is_within_its_bound(loss: str, steps: int) -> None:
    objective = make(loss)
    start = objective.minimiser()
    kept = objective.on(np.arange(7, 60))
    apart = float(np.linalg.norm(descent(kept, start, steps) - kept.minimiser()))
    bound = descent_bound(kept, start, steps)
    assert apart <= bound
    assert steps == 0 or bound < descent_bound(kept, start, 0)


@pytest.mark.parametrize("loss", LOSSES)
def test_no_removal_moves_further_than_the_global_sensitivity(loss: str) -> None:
    for seed in range(20):
        objective = make(loss, ridge=0.5, n=12, d=3, seed=seed)
        moved = np.linalg.norm(objective.on(np.arange(2, 12)).minimiser() - objective.minimiser())
        assert moved <= global_sensitivity(objective, 2)
    # One sample against nothing comes within a small factor, so the bound is not idle.
    lone = Objective(np.eye(1, 1), np.ones(1), loss, 50.0)
    assert lone.minimiser()[0] > 0.3 * global_sensitivity(lone, 1)
    with pytest.raises(BadInputError, match="longest row"):
        global_sensitivity(Objective(2 * np.eye(2), np.ones(2), loss, 1.0), 1)


def test_noisy_descent_composes_its_steps() -> None:
    objective = make("logistic")
    w, sigma = noisy_descent(objective, 3, 1.0, 1e-5, steps=25)
    assert sigma == mt.evaluation.gaussian_sigma(15.0, 1.0, 1e-5)
    assert not np.array_equal(w, noisy_descent(objective, 3, 1.0, 1e-5, steps=25, seed=1)[0])


@pytest.mark.parametrize(
    ("change", "words"),
    [({"loss": "hinge"}, "loss"), ({"ridge": 0.0}, "λ > 0"), ({"targets": np.array([2.0, 0.0])}, "−1 to 1")],
)
def test_senseless_objectives_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInputError, match=words):
        Objective(
            **{"features": np.eye(2), "targets": np.ones(2), "loss": "logistic", "ridge": 1.0, **change}
        )


def test_the_budget_of_the_newton_step_covers_the_steps_that_are_published() -> None:
    objective, forget = make("logistic", ridge=1.0), np.arange(6)
    w_p = objective.minimiser()
    published, budget, covered = guarantees._tilted_removals(objective, w_p, forget, 0, guarantees.EPSILON)
    assert covered
    assert len(published) == guarantees.RELEASES
    tilt = newton_noise(budget, guarantees.EPSILON, guarantees.DELTA)
    for s, w in enumerate(published):
        b = tilt * np.random.default_rng((0, s)).standard_normal(5)
        tilted = Objective(objective.features, objective.targets, "logistic", 1.0, b)
        assert np.linalg.norm(tilted.on(np.arange(6, 60)).gradient(w)) <= budget
    # The residual at the untilted minimiser alone would not have covered them.
    assert budget > newton_removal(objective, w_p, forget)[1]


# -- the campaign --------------------------------------------------------------------------------------


def _without_times(found: Any) -> Any:
    if isinstance(found, dict):
        return {k: _without_times(v) for k, v in found.items() if not k.endswith("seconds")}
    return [_without_times(v) for v in found] if isinstance(found, list) else found


def test_a_point_of_the_campaign() -> None:
    point = {
        "data": "breast_cancer",
        "loss": "logistic",
        "ridge per sample": 1e-3,
        "share": 0.02,
        "seed": 0,
        "epsilon": 1.0,
    }
    found = guarantees.measure(point)
    assert json.dumps(_without_times(found)) == json.dumps(_without_times(guarantees.measure(point)))
    assert found["ratio"] > 1e6
    noise = {row["method"]: row["noise"] for row in found["rows"]}
    accuracy = {row["method"]: row["test accuracy"]["mean"] for row in found["rows"]}
    assert noise["relabelling, certified gap"] < 1e-6 * noise["per-instance output noise"]
    assert noise["per-instance output noise"] < noise["DP output noise"]
    assert noise["Newton step, certified gap"] < noise["Newton step, a-priori bound"]
    assert accuracy["relabelling, certified gap"] == accuracy["retrained, without noise"]
    moved = {row["method"]: row["displacement"] for row in found["rows"]}
    d = found["D"]
    assert moved["relabelling, certified gap"] < 3 * math.sqrt(d) * noise["relabelling, certified gap"]
    weaker = {row["method"]: row for row in guarantees.measure({**point, "epsilon": 10.0})["rows"]}
    for method, sigma in noise.items():
        # Noise that is raised for the floats' sake is the same for every ε.
        raised = bool(weaker[method].get("remark"))
        assert weaker[method]["noise"] < sigma or sigma == 0 or (raised and weaker[method]["noise"] == sigma)
    assert weaker["relabelling, certified gap"]["remark"]
    assert (
        weaker["per-instance output noise"]["test accuracy"]["mean"] > accuracy["per-instance output noise"]
    )


def test_the_campaign_writes_its_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarantees, "RELEASES", 2)
    interpolating = {"data": "breast_cancer", "features": 800, "seed": 0}
    measured = guarantees.measure_interpolating(interpolating)
    assert measured["verdict"] == "CERTIFIED"
    monkeypatch.setattr(
        guarantees,
        "measure_points",
        lambda _name, measure, points, _options: [
            measured if "loss" not in point else guarantees.measure({**point, "data": "breast_cancer"})
            for point in points
        ],
    )
    found = guarantees.run(True, Options(tmp_path))
    assert not found["failed"]
    for row in found["over epsilon"]:
        same = [p for p in found["points"] if p.get("loss") == row["loss"] and p["epsilon"] == row["epsilon"]]
        noise = [
            r["noise"]
            for p in same
            if p["data"] == row["data"]
            for r in p["rows"]
            if r["method"] == row["method"]
        ]
        assert row["noise"]["mean"] == pytest.approx(np.mean(noise), rel=1e-12)
    for entry in found["tables"].values():
        assert markdown(entry["rows"], entry["columns"]).count("\n") == len(entry["rows"]) + 2
        assert latex(entry["rows"], entry["columns"]).isascii()
    # A gap that is no smaller than doing nothing is said to be so.
    monkeypatch.setattr(
        guarantees,
        "measure_points",
        lambda _name, _measure, points, _options: [
            {**(measured if "loss" not in point else {"rows": [], **measured}), "ratio": 1.0}
            for point in points
        ],
    )
    bad = guarantees.run(True, Options(tmp_path))
    assert bad["failed"]
    assert "only 1.0e+00 times" in bad["verdict"]
