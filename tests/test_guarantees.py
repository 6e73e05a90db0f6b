"""Guarantees: public constants, distances that hold, noise that suffices, and audits that catch what does not."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest

import muso_theory as mt
from muso_theory.errors import BadInputError, MusoError
from muso_theory.evaluation import Guarantee, Objective, Public, audit_guarantee, guarantee, removal
from muso_theory.evaluation.convex import LOSSES
from muso_theory.evaluation.guarantees import MECHANISMS
from muso_theory.evaluation.public import (
    descent_reach,
    global_sensitivity,
    newton_reach,
    radius,
    rate,
    smoothness,
)
from muso_theory.evaluation.removal import descent, newton_noise, newton_removal, noisy_descent
from muso_theory.numbers import Quantity
from verification import guarantees as campaign
from verification import guarantees_audits as planted
from verification.campaign import Options
from verification.tables import latex, markdown

E = mt.evaluation


def make(loss: str, ridge: float = 0.05, n: int = 60, d: int = 5, seed: int = 0) -> Objective:
    rng = np.random.default_rng(seed)
    phi = rng.standard_normal((n, d))
    phi /= np.linalg.norm(phi, axis=1, keepdims=True)
    return Objective(phi, np.sign(phi @ rng.standard_normal(d) + 0.3 * rng.standard_normal(n)), loss, ridge)


def declare(loss: str = "logistic", **more: Any) -> Public:
    """Constants for the data of `make`; rows divided by their norms are longer than 1 by rounding."""
    constants = {
        "samples": 60, "forget": 4, "ridge": 0.05, "feature_norm": 1 + 1e-9, "target_bound": 1.0, "rounding": 1e-8,
    }  # fmt: skip
    return Public(loss=loss, **{**constants, **more})


# -- the analytic Gaussian mechanism, and nothing outside its theorem ------------------------------------


@pytest.mark.parametrize(
    ("sensitivity", "sigma", "epsilon"),
    [(1.0, 4.0, 1.0), (1.0, 0.5, 10.0), (0.3, 1.0, 0.1), (1.0, 0.2, 0.0), (2.0, 0.7, 3.0), (1.0, 0.1, 50.0)],
)
def test_delta_against_sixty_digit_quadrature(sensitivity: float, sigma: float, epsilon: float) -> None:
    """δ is ∫ max(0, p − e^ε q), integrated from the densities without the formula, and is never below it."""
    with mpmath.workdps(60):
        distance, s = mpmath.mpf(sensitivity), mpmath.mpf(sigma)

        def excess(x: mpmath.mpf) -> mpmath.mpf:
            return mpmath.npdf(x, distance, s) - mpmath.exp(epsilon) * mpmath.npdf(x, 0, s)

        # p > e^ε q above this point.
        start = distance / 2 + epsilon * s * s / distance
        ends = [start + k * s for k in (0, 1, 2, 4, 8, 16, 30)]
        truth = mpmath.quad(excess, ends)
        found = mpmath.mpf(E.gaussian_delta(sensitivity, sigma, epsilon))
        assert truth <= found <= truth * (1 + mpmath.mpf(2) ** -50)


def test_the_noise_of_a_residual_keeps_delta_at_every_epsilon() -> None:
    """The formula for ε ≤ 1 promised 1e-5 and gave 1.86e-5 at ε = 10 and .56 at ε = 50."""

    def old(epsilon: float) -> float:
        return math.sqrt(2 * math.log(1.5 / 1e-5)) / epsilon

    assert E.gaussian_delta(1.0, old(10.0), 10.0) == pytest.approx(1.86e-5, rel=1e-2)
    assert E.gaussian_delta(1.0, old(50.0), 50.0) == pytest.approx(0.56, rel=1e-2)
    for epsilon in (0.0, 0.1, 1.0, 10.0, 50.0):
        sigma = newton_noise(1.0, epsilon, 1e-5)
        assert E.gaussian.noise_suffices(1.0, sigma, epsilon, 1e-5)
        assert not E.gaussian.noise_suffices(1.0, math.nextafter(sigma, 0), epsilon, 1e-5)


@pytest.mark.parametrize(
    "arguments",
    [
        (-1.0, 1.0, 1e-5),
        (math.nan, 1.0, 1e-5),
        (math.inf, 1.0, 1e-5),
        (1.0, math.nan, 1e-5),
        (1.0, -1.0, 1e-5),
        (1.0, 1.0, 0.0),
        (1.0, 1.0, math.nan),
        (Quantity.measured(1.0), 1.0, 1e-5),
    ],
)
def test_noise_outside_the_theorem_is_refused(arguments: tuple[Any, Any, Any]) -> None:
    with pytest.raises(MusoError, match="expected"):
        newton_noise(*arguments)


# -- public constants ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["samples", "forget", "ridge", "feature_norm", "target_bound", "clip"])
@pytest.mark.parametrize("value", [0, -2, math.nan, math.inf, True, "1", Quantity.measured(1.0)])
def test_senseless_constants_are_refused(name: str, value: Any) -> None:
    with pytest.raises(MusoError, match=f"{name}="):
        Public(**{name: value})


def test_constants_are_held_against_each_other_and_against_data() -> None:
    for change, words in (
        ({"forget": 61}, "at most N"),
        ({"target_bound": 1.5}, "T ≤ 1"),
        ({"loss": "hinge"}, "loss"),
        ({"rounding": -1e-9}, "at least 0"),
        ({"steps": 1.5}, "steps"),
    ):
        with pytest.raises(BadInputError, match=words):
            declare(**change)
    objective = make("logistic")
    declare().holds_for(objective)
    for change in (
        {"loss": "squared"}, {"ridge": 0.06}, {"samples": 59}, {"feature_norm": 0.99}, {"target_bound": 0.9},
    ):  # fmt: skip
        with pytest.raises(BadInputError, match="declared public"):
            declare(**change).holds_for(objective)
    # At the limit itself the comparison is exact: (.6, .8) in floats is longer than 1 by 2e-17.
    edge = Objective(np.array([[0.6, 0.8]]), np.ones(1), "squared", 1.0)
    longer = Fraction(0.6) ** 2 + Fraction(0.8) ** 2 > 1
    limited = Public(feature_norm=1.0)
    if longer:
        with pytest.raises(BadInputError, match="feature_norm"):
            limited.holds_for(edge)
    Public(feature_norm=math.nextafter(1.0, 2)).holds_for(edge)


@pytest.mark.parametrize("mechanism", sorted(MECHANISMS))
def test_undeclared_constants_are_named(mechanism: str) -> None:
    everything = declare(steps=4, clip=1.0)
    guarantee(mechanism, 1.0, 1e-5, public=everything)
    for name in MECHANISMS[mechanism].needs:
        with pytest.raises(BadInputError, match=rf"{name}=undeclared"):
            guarantee(mechanism, 1.0, 1e-5, public=replace(everything, **{name: None}))
    with pytest.raises(BadInputError, match="undeclared"):
        guarantee(mechanism, 1.0, 1e-5)
    with pytest.raises(BadInputError, match="private"):
        guarantee(mechanism, 1.0, 1e-5, public=everything, gap=Quantity.exact(1))


@pytest.mark.parametrize("mechanism", sorted(MECHANISMS))
@pytest.mark.parametrize("loss", LOSSES)
def test_the_noise_does_not_depend_on_the_data(mechanism: str, loss: str) -> None:
    """With and without the forget samples the old sensitivity of the squared loss was 73.2 and 64.8."""
    public = declare(loss, steps=4, clip=1.0)
    promise = guarantee(mechanism, 1.0, 1e-5, public=public)
    whole = make(loss)
    for objective in (whole, whole.on(np.arange(4, 60))):
        public.holds_for(objective)
        assert promise.private == ()
    before = [4 * (1 + math.sqrt(n / 0.05)) / 0.05 for n in (60, 56)]
    assert before[0] != before[1]


@pytest.mark.parametrize("loss", LOSSES)
def test_no_data_move_further_than_the_public_bounds(loss: str) -> None:
    public = Public(
        samples=12,
        forget=2,
        loss=loss,
        ridge=0.5,
        feature_norm=1 + 1e-9,
        target_bound=1.0,
        steps=7,
        rounding=0.0,
    )
    for seed in range(20):
        whole = make(loss, ridge=0.5, n=12, d=3, seed=seed)
        kept = whole.on(np.arange(2, 12))
        w_p, w_r = whole.minimiser(), kept.minimiser()
        assert np.linalg.norm(w_p) <= radius(public)
        assert np.linalg.norm(w_r - w_p) <= global_sensitivity(public)
        assert np.linalg.eigvalsh(whole.hessian(w_p))[-1] <= smoothness(public)
        stepped, _ = newton_removal(whole, w_p, np.arange(2))
        assert np.linalg.norm(stepped - w_r) <= newton_reach(public) + 1e-12
        descended = descent(kept, w_p, 7, rate(public))
        assert np.linalg.norm(descended - w_r) <= descent_reach(public)
    # Requests that are served from where the last one ended stay within the bound for several.
    whole = make(loss, ridge=0.5, n=12, d=3)
    w = whole.minimiser()
    for request in range(1, 5):
        kept = whole.on(np.arange(2 * request, 12))
        w = descent(kept, w, 7, rate(public))
        assert np.linalg.norm(w - kept.minimiser()) <= descent_reach(public, requests=4)


def test_the_public_bounds_are_not_idle() -> None:
    """Data that come close: one sample against nothing, and rows whose minimiser is as long as it can be."""
    for loss in LOSSES:
        lone = Objective(np.eye(1, 1), np.ones(1), loss, 50.0)
        public = Public(samples=1, forget=1, loss=loss, ridge=50.0, feature_norm=1.0, target_bound=1.0)
        assert lone.minimiser()[0] > 0.45 * float(global_sensitivity(public))
    n, ridge = 100, 1.0
    rows = np.full((n, 1), math.sqrt(ridge / n))
    longest = Objective(rows, np.ones(n), "squared", ridge)
    public = Public(samples=n, forget=1, loss="squared", ridge=ridge, feature_norm=1.0, target_bound=1.0)
    assert longest.minimiser()[0] == pytest.approx(float(radius(public)), rel=1e-9)
    # A sample that points the other way moves it by half of what is allowed for.
    against = Objective(np.vstack([rows[1:], [[-1.0]]]), np.ones(n), "squared", ridge)
    moved = against.on(np.arange(n - 1)).minimiser() - against.minimiser()
    assert 0.3 * float(global_sensitivity(public)) < moved[0] < float(global_sensitivity(public))


# -- the object ------------------------------------------------------------------------------------------


def test_no_guarantee_promises_more_than_its_noise_does() -> None:
    promise = guarantee("output-noise", 1.0, 1e-5, public=declare())
    for change in ({"sigma": 0.99 * promise.sigma}, {"requests": 2}, {"epsilon": 0.9}, {"delta": 9e-6}):
        with pytest.raises(BadInputError, match="noise that hides"):
            replace(promise, **change)
    assert promise.delta_at(1.0) <= math.nextafter(1e-5, 1)
    assert promise.epsilon_at(1e-5) == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize(
    "change",
    [
        {"sigma": 1.0},
        {"sigma": math.nan},
        {"sigma": -1.0},
        {"sigma": Quantity.measured(1e9)},
        {"requests": 0},
        {"requests": -2},
        {"requests": 1.5},
        {"epsilon": math.nan},
        {"epsilon": 1e7},
        {"delta": 0.0},
        {"delta": 1.0},
        {"mechanism": "laplace"},
        {"mechanism": "proved-gap", "public": None},
        {"mechanism": "proved-gap", "gap": Quantity.measured(1.0)},
        {"mechanism": "proved-gap", "gap": Quantity.enclosure(0, math.inf)},
        {"mechanism": "proved-gap", "gap": 1.0},
        {"mechanism": "newton-step", "requests": 2},
    ],
)
def test_senseless_guarantees_are_refused(change: dict[str, Any]) -> None:
    given = {"mechanism": "output-noise", "epsilon": 1.0, "delta": 1e-5, "public": declare(), **change}
    with pytest.raises(MusoError, match="expected"):
        guarantee(given.pop("mechanism"), given.pop("epsilon"), given.pop("delta"), **given)


def test_requests_compose_exactly() -> None:
    """k normals at distance Δ are one at √k Δ; adding up ε and δ would ask for far more noise."""
    one = guarantee("output-noise", 1.0, 1e-5, public=declare())
    many = guarantee("output-noise", 1.0, 1e-5, public=declare(), requests=16)
    assert many.sigma == pytest.approx(4 * one.sigma, rel=1e-14)
    added = guarantee("output-noise", 1.0 / 16, 1e-5 / 16, public=declare())
    assert added.sigma > 3 * many.sigma
    # Sixteen releases published at once are told apart by their sum, whose distance over noise is 16Δ/(4σ).
    assert 16 * many.sensitivity / (4 * many.sigma) <= many.ratio * (1 + 1e-15)


def test_gaps_of_nested_requests_need_no_composition_loss() -> None:
    """Theorem energy: where w_p interpolates, the squared gaps of doing nothing add up along nested requests."""
    rng = np.random.default_rng(0)
    phi, y = rng.standard_normal((12, 30)), rng.standard_normal(12)
    solved = [mt.solve(mt.UnlearningProblem(phi[k:], y[k:], [0])) for k in range(4)]
    steps = [float(np.linalg.norm(s.w_pretrained - s.w_retrained)) for s in solved]
    together = float(np.linalg.norm(solved[0].w_pretrained - solved[3].w_retrained))
    assert math.hypot(*steps) == pytest.approx(together, rel=1e-12)
    budget = guarantee("proved-gap", 1.0, 1e-5, gap=Quantity.enclosure(0, together * (1 + 1e-9)))
    # All four releases with the noise of the one budget: distances over noise add in squares to no more than it.
    assert math.hypot(*(step / budget.sigma for step in steps)) <= budget.ratio
    separate = guarantee("proved-gap", 1.0, 1e-5, gap=Quantity.enclosure(0, max(steps)), requests=4)
    assert separate.sigma > 1.05 * budget.sigma


def test_what_is_private_is_marked() -> None:
    objective = make("logistic")
    gap = objective.gap_bound(objective.minimiser())
    promise = guarantee("proved-gap", 1.0, 1e-5, gap=gap)
    assert not promise.for_any_data
    assert any("σ" in words for words in promise.private)
    declared = guarantee("proved-gap", 1.0, 1e-5, gap=gap, sigma=1e-6)
    assert not any("σ" in words for words in declared.private)
    for found in (promise, declared):
        assert "not differential privacy" in found.statement
        assert "declared in advance" in found.statement
    assert "for any data" in guarantee("output-noise", 1.0, 1e-5, public=declare()).statement
    certificate = E.removal_certificate(Quantity.enclosure(0, 1e-12), [1.0, 2.0], 1.0, 1e-5)
    assert certificate.guarantee.sigma == certificate.sigma
    assert any("σ" in words for words in certificate.guarantee.private)
    # A residual that was computed from data enters no noise.
    _, residual = newton_removal(objective, objective.minimiser(), np.arange(4))
    assert isinstance(residual, Quantity)


def test_only_points_that_are_proved_close_are_published() -> None:
    objective = make("logistic")
    promise = guarantee("output-noise", 1.0, 1e-5, public=declare())
    w = objective.minimiser()
    released = promise.release(w, objective, seed=1)
    assert released.tolist() == promise.release(w, objective, seed=1).tolist()
    assert 0.2 < np.std(released - w) / promise.sigma < 3
    with pytest.raises(BadInputError, match="proved within"):
        promise.release(w + 1e-6, objective, seed=1)
    with pytest.raises(BadInputError, match="declared public"):
        promise.release(w, make("logistic", n=61), seed=1)
    with pytest.raises(BadInputError, match="noise at the end"):
        guarantee("noisy-descent", 1.0, 1e-5, public=declare(steps=2, clip=1.0)).release(w, objective, 1)
    # A public size beyond which floats leak raises σ, whatever these parameters are.
    tiny = declare("squared", samples=2, forget=1, ridge=1e24, rounding=0.0)
    assert guarantee("output-noise", 1e6, 0.5, public=tiny).remark.startswith("raised")
    with pytest.raises(BadInputError, match="floats leak"):
        guarantee("newton-step", 1.0, 1e-5, public=declare("squared", rounding=1e-20), sigma=1e-17)


# -- noisy descent ---------------------------------------------------------------------------------------


def test_a_sample_moves_a_clipped_sum_by_at_most_the_clip() -> None:
    """Exactly, in fractions, and whatever the order and number of the others: floats alone would not do it."""
    rng = np.random.default_rng(3)
    for loss in LOSSES:
        objective = replace(make(loss, n=50, d=6), features=10 * make(loss, n=50, d=6).features)
        w = 100 * rng.standard_normal(6)
        whole = removal._clipped_sum(objective, w, 0.7)
        assert whole.tolist() == removal._clipped_sum(objective.on(rng.permutation(50)), w, 0.7).tolist()
        for out in range(50):
            kept = removal._clipped_sum(objective.on(np.delete(np.arange(50), out)), w, 0.7)
            square = sum((Fraction(a) - Fraction(b)) ** 2 for a, b in zip(whole, kept, strict=True))
            assert square <= 1
        floats = objective.sample_gradients(w)
        floats /= np.maximum(0.7, np.linalg.norm(floats, axis=1))[:, None]
        assert whole == pytest.approx(floats.sum(axis=0), abs=1e-6)


def test_noisy_descent_takes_public_constants_only() -> None:
    public = Public(
        samples=60, forget=3, loss="logistic", ridge=0.05, feature_norm=1 + 1e-9, steps=25, clip=1.0
    )
    promise = guarantee("noisy-descent", 1.0, 1e-5, public=public)
    assert promise.sigma == E.gaussian_sigma(15.0, 1.0, 1e-5)
    objective = make("logistic")
    w = noisy_descent(promise, objective, 1)
    assert w.tolist() == noisy_descent(promise, objective, 1).tolist()
    assert w.tolist() != noisy_descent(promise, objective, 2).tolist()
    with pytest.raises(BadInputError, match="declared public"):
        noisy_descent(promise, make("logistic", n=61), 1)
    with pytest.raises(BadInputError, match="tilt"):
        noisy_descent(promise, replace(objective, tilt=np.zeros(5)), 1)
    with pytest.raises(BadInputError, match="noisy-descent"):
        noisy_descent(guarantee("output-noise", 1.0, 1e-5, public=declare()), objective, 1)
    with pytest.raises(BadInputError, match="seed"):
        noisy_descent(promise, objective, -1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [((-1, None), "steps"), ((1.5, None), "steps"), ((3, 0.0), "step"), ((3, math.nan), "step")],
)
def test_senseless_descents_are_refused(arguments: tuple[Any, Any], words: str) -> None:
    with pytest.raises(BadInputError, match=words):
        descent(make("squared"), np.zeros(5), *arguments)


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
