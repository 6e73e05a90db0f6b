"""Public constants: what is refused, and distances that hold for any data within them."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.errors import BadInputError, MusoError
from muso_theory.evaluation import Objective, Public, guarantee, removal
from muso_theory.evaluation.convex import CONVEX_LOSSES
from muso_theory.evaluation.mechanisms import MECHANISMS
from muso_theory.evaluation.public import (
    descent_reach,
    global_sensitivity,
    newton_reach,
    radius,
    rate,
    smoothness,
)
from muso_theory.evaluation.removal import descent, newton_removal
from muso_theory.numbers import Quantity
from tests.convex_data import declare, make

E = mt.evaluation


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


@pytest.mark.parametrize("width", [1, 2, 7, 60, 500])
def test_the_declared_norm_is_kept_to_the_last_bit(width: int) -> None:
    """Rows as long as the declared float allows pass, and those longer by less than floats can sum are refused."""
    for row in np.random.default_rng(width).standard_normal((20, 1, width)):
        square = sum(Fraction(value) ** 2 for value in row[0].tolist())
        above = math.sqrt(square)
        while Fraction(above) ** 2 < square:
            above = math.nextafter(above, math.inf)
        while Fraction(math.nextafter(above, 0.0)) ** 2 >= square:
            above = math.nextafter(above, 0.0)
        objective = Objective(np.vstack([np.zeros((1, width)), row]), np.ones(2), "squared", 1.0)
        Public(feature_norm=above).holds_for(objective)
        with pytest.raises(BadInputError, match="feature_norm"):
            Public(feature_norm=math.nextafter(above, 0.0)).holds_for(objective)


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
@pytest.mark.parametrize("loss", CONVEX_LOSSES)
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


@pytest.mark.parametrize("loss", CONVEX_LOSSES)
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
    for loss in CONVEX_LOSSES:
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


@pytest.mark.parametrize(
    "constants",
    [
        {"clip": 1e-310},
        {"feature_norm": 1e160},
        {"target_bound": 1e160},
        {"samples": 2**60},
        {"ridge": 1e-200},
    ],
)
def test_constants_beyond_floats_are_refused(constants: dict[str, Any]) -> None:
    """A clip of 1e-310 made the clipped sum of finite gradients the smallest integer."""
    with pytest.raises(BadInputError, match=next(iter(constants))):
        declare("squared", **constants)
    objective = make("squared")
    with pytest.raises(BadInputError, match="finite in units of C"):
        removal._clipped_sum(objective, np.full(5, 1e9), 1e-305)
    huge = declare("squared", ridge=1e-30, feature_norm=1e30, target_bound=1e30)
    for mechanism in ("output-noise", "newton-step"):
        found = guarantee(mechanism, 1.0, 1e-5, public=huge)
        assert math.isfinite(found.sigma)
