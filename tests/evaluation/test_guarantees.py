"""Guarantees: noise that suffices for what is promised, for as many samples, requests and releases as are said."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.errors import BadInputError, MusoError
from muso_theory.evaluation import Guarantee, Objective, Public, guarantee, removal
from muso_theory.evaluation.convex import CONVEX_LOSSES
from muso_theory.evaluation.removal import descent, newton_removal, noisy_descent
from muso_theory.numbers import Quantity
from tests.convex_data import declare, make

E = mt.evaluation


# -- the object ------------------------------------------------------------------------------------------


def test_no_guarantee_promises_more_than_its_noise_does() -> None:
    promise = guarantee("output-noise", 1.0, 1e-5, public=declare())
    for change in ({"sigma": 0.99 * promise.sigma}, {"releases": 2}, {"epsilon": 0.9}, {"delta": 9e-6}):
        with pytest.raises(BadInputError, match="noise that hides"):
            replace(promise, **change)
    assert promise.delta_at(1.0) <= math.nextafter(1e-5, 1)
    assert promise.epsilon_at(1e-5) == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sensitivity": 0.0, "sigma": 0.0}, "that of the public constants"),
        ({"sensitivity": 1e-9, "sigma": 5e-9}, "that of the public constants"),
        ({"requests": 0}, "at least 1"),
        ({"releases": 0, "sigma": 0.0}, "at least 1"),
        ({"requests": True}, "at least 1"),
        ({"mechanism": "newton-step", "requests": 5}, "one request"),
        ({"mechanism": "nonsense"}, "a mechanism"),
        ({"public": None}, "fit the mechanism"),
        ({"mechanism": "proved-gap"}, "fit the mechanism"),
        ({"mechanism": "proved-gap", "public": None, "requests": 2}, "one forget set"),
        ({"mechanism": "newton-step", "public": Public()}, "undeclared"),
    ],
)
def test_no_guarantee_can_be_forged(change: dict[str, Any], words: str) -> None:
    """Its distance is that of the public constants, whoever builds it."""
    promise = guarantee("output-noise", 1.0, 1e-5, public=declare())
    with pytest.raises(BadInputError, match=words):
        replace(promise, **change)
    # No noise was added for a distance of zero that somebody wrote down.
    with pytest.raises(BadInputError, match="that of the public constants"):
        Guarantee("output-noise", 1.0, 1e-5, sensitivity=0.0, sigma=0.0, public=declare())


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
        {"mechanism": "proved-gap", "gap": Quantity.exact(1)},
        {"mechanism": "proved-gap", "gap": Quantity.exact(1), "public": None, "requests": 2},
        {"releases": 0},
        {"releases": 1.5},
        {"public": {"samples": 3}},
    ],
)
def test_senseless_guarantees_are_refused(change: dict[str, Any]) -> None:
    given = {"mechanism": "output-noise", "epsilon": 1.0, "delta": 1e-5, "public": declare(), **change}
    with pytest.raises(MusoError, match="expected"):
        guarantee(given.pop("mechanism"), given.pop("epsilon"), given.pop("delta"), **given)


def test_releases_compose_exactly() -> None:
    """m normals at distance Δ are one at √m Δ; adding up ε and δ would ask for far more noise."""
    one = guarantee("output-noise", 1.0, 1e-5, public=declare())
    many = guarantee("output-noise", 1.0, 1e-5, public=declare(), releases=16)
    assert many.sigma == pytest.approx(4 * one.sigma, rel=1e-14)
    added = guarantee("output-noise", 1.0 / 16, 1e-5 / 16, public=declare())
    assert added.sigma > 3 * many.sigma
    # Sixteen releases published at once are told apart by their sum, whose distance over noise is 16Δ/(4σ).
    assert 16 * many.sensitivity / (4 * many.sigma) <= many.ratio * (1 + 1e-15)


@pytest.mark.parametrize("loss", CONVEX_LOSSES)
def test_one_release_hides_the_samples_of_all_requests(loss: str) -> None:
    """Sixteen requests, nothing being done: the root of their number would promise ε = 1 and give 2."""
    public = declare(loss, samples=17, forget=1, ridge=1e6, feature_norm=1.0)
    whole = Objective(np.array([[1.0]] * 16 + [[0.0]]), np.ones(17), loss, 1e6)
    apart = float(abs(whole.minimiser() - whole.on(np.array([16])).minimiser())[0])
    root = guarantee("output-noise", 1.0, 1e-5, public=public, releases=16)
    true = E.gaussian_epsilon(apart, root.sigma, 1e-5)
    assert true > (4 if loss == "squared" else 1.9)
    promise = guarantee("output-noise", 1.0, 1e-5, public=public, requests=16)
    assert E.gaussian_epsilon(apart, promise.sigma, 1e-5) <= 1.0
    assert promise.releases == 1
    assert promise.sensitivity >= apart
    assert "16 requests" in promise.statement
    trained = declare(loss, steps=4, clip=1.0)
    distances = [
        guarantee("noisy-descent", 1.0, 1e-5, public=trained, requests=r).sensitivity for r in (1, 3)
    ]
    assert distances[1] == pytest.approx(3 * distances[0])
    # What serves every request publishes after each, unless the caller says otherwise.
    served = [
        guarantee("descent-to-delete", 1.0, 1e-5, public=trained, requests=4, **more)
        for more in ({}, {"releases": 1})
    ]
    assert served[0].releases == 4
    assert served[0].sigma == pytest.approx(2 * served[1].sigma)


def test_which_gap_covers_which_releases() -> None:
    """Squares of ‖w_r(i−1) − w_r(i)‖ add up; publishing w_p every time has the distances ‖w_p − w_r(i)‖."""
    rng = np.random.default_rng(0)
    phi, y = rng.standard_normal((12, 30)), rng.standard_normal(12)
    solved = [mt.solve(mt.UnlearningProblem(phi[k:], y[k:], [0])) for k in range(4)]
    w_p, retrained = solved[0].w_pretrained, [s.w_retrained for s in solved]
    together = float(np.linalg.norm(w_p - retrained[3]))
    budget = guarantee("proved-gap", 1.0, 1e-5, gap=Quantity.enclosure(0, together * (1 + 1e-9)))
    # Before request i the model retrained after the one before is published: four releases in the budget.
    steps = [float(np.linalg.norm(s.w_pretrained - s.w_retrained)) for s in solved]
    assert math.hypot(*steps) == pytest.approx(together, rel=1e-12)
    assert math.hypot(*(step / budget.sigma for step in steps)) <= budget.ratio
    # Doing nothing four times is not within it, and four releases at the largest distance cover that.
    idle = math.hypot(*(float(np.linalg.norm(w_p - w_r)) for w_r in retrained))
    assert E.gaussian_epsilon(idle, budget.sigma, 1e-5) > 1.5
    gap = Quantity.enclosure(0, together * (1 + 1e-9))
    four = guarantee("proved-gap", 1.0, 1e-5, gap=gap, releases=4)
    assert E.gaussian_epsilon(idle, four.sigma, 1e-5) <= 1.0
    assert "one release after the last" in (guarantee.__doc__ or "")


def test_what_is_private_is_marked() -> None:
    objective = make("logistic")
    gap = objective.gap_bound(objective.minimiser())
    promise = guarantee("proved-gap", 1.0, 1e-5, gap=gap)
    assert not promise.for_any_data
    assert any("σ" in words for words in promise.private)
    declared = guarantee("proved-gap", 1.0, 1e-5, gap=gap, sigma=1e-6)
    assert not any("σ" in words for words in declared.private)
    # A σ that was computed from the gap was not declared in advance, and is not said to have been.
    assert "σ was declared in advance" in declared.assumed
    assert "σ was declared in advance" not in promise.assumed
    assert "as if σ" in promise.statement
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
    released = promise.release(w, objective, [0, 1], seed=1)
    assert released.tolist() == promise.release(w, objective, (), seed=1).tolist()
    assert 0.2 < np.std(released - w) / promise.sigma < 3
    with pytest.raises(BadInputError, match="proved within"):
        promise.release(w + 1e-6, objective, [0], seed=1)
    with pytest.raises(BadInputError, match="declared public"):
        promise.release(w, make("logistic", n=61), [0], seed=1)
    with pytest.raises(BadInputError, match="noise at the end"):
        guarantee("noisy-descent", 1.0, 1e-5, public=declare(steps=2, clip=1.0)).release(w, objective, [0], 1)
    # A public size beyond which floats leak raises σ, whatever these parameters are.
    tiny = declare("squared", samples=2, forget=1, ridge=1e24, rounding=0.0)
    assert guarantee("output-noise", 1e6, 0.5, public=tiny).remark.startswith("raised")
    with pytest.raises(BadInputError, match="floats leak"):
        guarantee("newton-step", 1.0, 1e-5, public=declare("squared", rounding=1e-20), sigma=1e-17)


@pytest.mark.parametrize("mechanism", ["output-noise", "newton-step"])
def test_no_more_samples_leave_than_were_declared(mechanism: str) -> None:
    """The retain objective is made from the forget set, which no caller can leave out."""
    whole = make("squared")
    w_p, forget = whole.minimiser(), np.arange(4)
    promise = guarantee(mechanism, 1.0, 1e-5, public=declare("squared"))
    w, _ = newton_removal(whole, w_p, forget)
    point = w_p if mechanism == "output-noise" else w
    assert promise.release(point, whole, forget, 1).shape == w.shape
    mask = np.arange(60) < 4
    assert (
        promise.release(point, whole, mask, 1).tolist() == promise.release(point, whole, forget, 1).tolist()
    )
    more, _ = newton_removal(whole, w_p, np.arange(5))
    with pytest.raises(BadInputError, match=r"at most 4 samples.*forget=5"):
        promise.release(w_p if mechanism == "output-noise" else more, whole, np.arange(5), 1)
    for wrong in ([60], [0, 0], np.arange(60), [0.5]):
        with pytest.raises(BadInputError, match="forget"):
            promise.release(point, whole, wrong, 1)
    if mechanism == "newton-step":
        with pytest.raises(BadInputError, match="proved within"):
            promise.release(w_p, whole, forget, 1)  # nothing was unlearned
    else:
        twice = guarantee(mechanism, 1.0, 1e-5, public=declare("squared"), requests=2)
        assert twice.release(w_p, whole, np.arange(8), 1).shape == w.shape
        with pytest.raises(BadInputError, match="at most 8 samples"):
            twice.release(w_p, whole, np.arange(9), 1)


def test_the_published_bound_of_a_newton_residual_is_for_short_rows() -> None:
    """½γ‖Φ_R‖₂‖Φ_R s‖₄² against γ‖Φ_R‖₂‖s‖‖Φ_R s‖: at most half for rows of norm 1, and more for longer ones."""

    def share(length: float) -> float:
        rows = np.full((3, 1), length)
        objective = Objective(rows, np.array([1.0, 1.0, -1.0]), "logistic", 1.0)
        w = objective.minimiser()
        moved, bound = newton_removal(objective, w, np.array([2]))
        kept, step = rows[:2], moved - w
        gamma = 1 / (6 * math.sqrt(3))
        published = gamma * np.linalg.norm(kept, 2) * np.linalg.norm(step) * np.linalg.norm(kept @ step)
        return bound.bound / published

    assert share(1.0) <= 0.5 * (1 + 1e-12)
    assert share(4.0) > 0.5


# -- noisy descent ---------------------------------------------------------------------------------------


def test_a_sample_moves_a_clipped_sum_by_at_most_the_clip() -> None:
    """Exactly, in fractions, and whatever the order and number of the others: floats alone would not do it."""
    rng = np.random.default_rng(3)
    for loss in CONVEX_LOSSES:
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
