"""Limits of training: where a step is stable, which numbers a loss and a method promise, what is refused beyond."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.errors import BadInputError
from muso_theory.linear.closed_forms import float_model
from muso_theory.linear.training import LOSSES, convex, early_stopping_labels, gd_epochs, stability
from muso_theory.linear.training.rowspace import RowSpace
from muso_theory.linear.training.stability import Stability
from muso_theory.methods.gradient import _signed_descent
from muso_theory.numbers import CholeskyFactor

train = mt.linear.train
RNG = np.random.default_rng(6)
PHI, Y = RNG.standard_normal((5, 8)), RNG.standard_normal(5)


@pytest.mark.parametrize("name", LOSSES)
def test_the_curvature_of_a_loss_is_its_largest_second_derivative(name: str) -> None:
    """Reached for one output at z = 0, for two equal ones along (1, −1), and never exceeded."""
    loss, h, seen = LOSSES[name], 1e-5, 0.0
    for scale in (0.0, 0.1, 1.0, 5.0):
        z = scale * RNG.standard_normal((40, 2))
        t = loss.labels(z)
        columns = [
            (loss.derivative(z + h * e, t) - loss.derivative(z - h * e, t)) / (2 * h) for e in np.eye(2)
        ]
        hessians = np.stack(columns, axis=2)
        seen = max(seen, float(np.linalg.norm(hessians, 2, axis=(1, 2)).max()))
    assert seen == pytest.approx(loss.curvature, rel=1e-6)


@pytest.mark.parametrize(
    ("radius", "sizes", "known"),
    [
        (None, (1.0, 1.9), True),
        (None, (2.1, 3.0), False),
        (None, (2 * (1 + 1e-12), 3.0), None),  # all of them on the boundary up to rounding, or above
        (0.9, (1.0, 3.0), True),
        (0.9, (1.0, 2.5), True),
        (None, (1.0, 2.5), None),
        (1.1, (1.0, 3.0), False),
        (1.0, (1.0, 3.0), None),
        (1.0 - 1e-13, (1.0, 3.0), None),
        (None, (1.0, 3.0), None),
    ],
)
def test_the_boundary_itself_is_not_decided(
    radius: float | None, sizes: tuple[float, float], known: bool | None
) -> None:
    assert Stability("cyclic-sgd", radius, sizes, (1.0, 1.0), None).converges is known


def test_in_random_order_the_two_ends_of_what_is_known_are_those_of_the_norms() -> None:
    norms = (PHI**2).sum(axis=1)
    found = stability(PHI, method="shuffled-sgd", step_sizes=0.1)
    assert found.step == pytest.approx((2 / norms.max(), 2 / norms.min()))
    assert found.scale == pytest.approx((20 / norms.max(), 20 / norms.min()))


def test_words_after_divergence_say_whether_the_order_matters() -> None:
    norms = (PHI**2).sum(axis=1)
    any_order = f"below {2 / norms.max():.6g}, which are stable in any order"
    cyclic = f"below {stability(PHI, step_sizes=1.0).scale[0]:.6g}, the largest stable one"
    for method, words in (("shuffled-sgd", any_order), ("sgd", any_order), ("cyclic-sgd", cyclic)):
        with pytest.raises(BadInputError, match=words):
            train(PHI, Y, None, method, step_sizes=9.0, epochs=400)
    with pytest.raises(BadInputError, match="times these, the largest stable ones"):
        train(PHI, Y, None, "cyclic-sgd", step_sizes=np.full(5, 9.0), epochs=400)


def test_labels_for_early_stopping_are_refused_beyond_the_stable_step() -> None:
    problem = mt.UnlearningProblem(PHI, Y, [1, 3])
    limit = 2 / np.linalg.norm(PHI, 2) ** 2
    for factor in (1.01, 1.4, 3.0, 0.0, -0.5):
        with pytest.raises(BadInputError, match="a stable step"):
            early_stopping_labels(problem, factor * limit, 3, 3)
    early_stopping_labels(problem, 0.99 * limit, 3, 3)


def test_a_step_of_one_over_lambda_max_may_be_rounded_up() -> None:
    problem = mt.UnlearningProblem(np.eye(3, 4), np.ones(3), [1])
    assert gd_epochs(problem, 1 + 1e-12, 1e-3) == 1.0
    with pytest.raises(BadInputError, match="1/λ_max"):
        gd_epochs(problem, 1 + 2e-12, 1e-3)


def test_the_step_that_is_told_in_a_refusal_is_the_largest_one() -> None:
    problem = mt.UnlearningProblem(PHI, Y, [1, 3])
    with pytest.raises(BadInputError, match="1/λ_max = ") as refused:
        gd_epochs(problem, 1e3, 1e-3)
    limit = float(re.search(r"1/λ_max = ([-+.e0-9]+)", str(refused.value))[1])  # type: ignore[index]
    assert gd_epochs(problem, limit * (1 - 1e-5), 1e-3) > 0
    with pytest.raises(BadInputError, match="smaller step"):
        gd_epochs(problem, limit * (1 + 1e-5), 1e-3)


def test_wide_features_are_factored_by_their_gram_matrix_and_tall_ones_are_not() -> None:
    wide, tall = RowSpace.from_features(PHI), RowSpace.from_features(PHI.T)
    assert isinstance(wide.factor, CholeskyFactor)
    assert tall.factor is None
    for space, phi in ((wide, PHI), (tall, PHI.T)):
        assert space.rank == 5
        np.testing.assert_allclose(space.gram, phi @ phi.T, atol=1e-12)
    square = RowSpace.from_features(PHI[:, :5])
    assert isinstance(square.factor, CholeskyFactor)


def test_decay_beside_the_step_is_no_part_of_the_gradient_it_scales() -> None:
    """With features this small a decay of either sign inside the gradient would decide the sign of the step."""
    small, w0 = 1e-3 * PHI, RNG.standard_normal(8)
    gradient = small.T @ (small @ w0 - Y)
    settings: dict[str, Any] = {"step_sizes": 0.01, "epochs": 1, "weight_decay": 0.5, "epsilon": 1e-14}
    found = train(small, Y, w0, "adamw", **settings).w
    np.testing.assert_allclose(found, w0 - 0.01 * 0.5 * w0 - 0.01 * np.sign(gradient), atol=1e-9)


def test_the_epoch_that_is_out_of_range_is_named() -> None:
    for record, bad in (([0, 9], 9), ([-1, 2], -1), ([2, 9], 9)):
        with pytest.raises(BadInputError, match=f"record={bad} "):
            train(PHI, Y, None, "gd", step_sizes=0.01, epochs=3, record=record)


@pytest.mark.parametrize("first", [0.0, -1.0, np.inf, np.nan])
def test_a_schedule_starts_at_a_positive_number(first: float) -> None:
    with pytest.raises(BadInputError, match=r"a number|positive first step"):
        mt.linear.training.PowerSteps(first)


def test_sgd_runs_on_the_gram_matrix_up_to_four_thousand_samples() -> None:
    phi = RNG.standard_normal((4001, 2)) / 100
    y = RNG.standard_normal(4001)
    for n, form in ((4000, "sweeps"), (4001, "primal")):
        assert train(phi[:n], y[:n], None, "cyclic-sgd", step_sizes=0.01, epochs=1).form == form


def test_ascent_where_nothing_is_learnt_stays_where_it_is() -> None:
    """Weights of zero leave no curvature to choose a step by."""
    problem = mt.UnlearningProblem(PHI, Y, [1, 3])
    model = float_model(problem)
    found = _signed_descent(problem, np.zeros(5), None, 3)
    assert float(model.square_distance(found, model.pretrained).upper) == 0


def test_the_minimum_of_a_convex_loss_is_not_sought_beyond_where_it_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, old = [0], convex._Dual.outputs

    def outputs(self: convex._Dual, a: np.ndarray) -> np.ndarray:
        asked[0] += 1
        return old(self, a)

    monkeypatch.setattr(convex._Dual, "outputs", outputs)
    gaps = convex.fine_tune_convex(mt.UnlearningProblem(PHI, np.sign(Y) / 2 + 0.5, [1, 3]))
    assert gaps.soft_gap < 1e-12
    assert 40 < asked[0] < convex._MOST_STEPS


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("shape", [(8, 20), (20, 8)])
def test_convex_minima_are_approached_at_the_rate_of_accelerated_descent(
    shape: tuple[int, int], outputs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """f(x_k) − f* ≤ (1 − √(λ/L))^k (f(x_0) − f* + ½λ‖x_0 − x*‖²), Nesterov 2004, theorem 2.2.3, for either form."""
    rng = np.random.default_rng(4)
    phi = rng.standard_normal(shape) / np.arange(1.0, shape[1] + 1)
    space = convex._Dual(phi @ phi.T) if shape[0] < shape[1] else convex._Primal(phi)
    loss = LOSSES["logistic" if outputs == 1 else "cross-entropy"]
    targets = loss.labels(rng.standard_normal((shape[0], outputs)))
    at_start, rows = rng.standard_normal(targets.shape), np.arange(1, shape[0])
    decay = 1e-3 * loss.curvature * space.bound
    origin = space.zeros(outputs)

    def reached(steps: int) -> tuple[float, Any]:
        monkeypatch.setattr(convex, "_MOST_STEPS", steps)
        x = convex._minimum(space, loss, targets, at_start, rows, decay, origin)
        z = at_start + space.outputs(x)
        return loss.value(z[rows], targets[rows]) + decay / 2 * space.norm(x) ** 2, x

    least, best = reached(20000)
    at_origin = loss.value(at_start[rows], targets[rows])
    wide = at_origin - least + decay / 2 * space.norm(best) ** 2
    rate = 1 - np.sqrt(decay / (loss.curvature * space.bound + decay))
    for steps in (30, 100, 300, 500):
        assert reached(steps)[0] - least <= rate**steps * wide + 1e-13 * at_origin
    derivative = loss.derivative(at_start + space.outputs(best), targets)
    derivative[0] = 0
    assert space.norm(space.slope(derivative) + decay * best) < 1e-12 * space.norm(space.slope(derivative))


@pytest.mark.parametrize("batch_size", [None, 2])
@pytest.mark.parametrize("method", ["cyclic-sgd", "sgd", "gd"])
@pytest.mark.parametrize("exponent", [-600, 0, 512, 600])
@pytest.mark.parametrize("phi", [PHI, PHI.T])
def test_stability_refuses_squares_that_float64_does_not_hold(
    phi: np.ndarray, exponent: int, method: str, batch_size: int | None
) -> None:
    """2 over an infinite square is zero, from where no search by factors arrives anywhere."""
    settings: dict[str, Any] = {"method": method, "step_sizes": 1.0}
    if method != "gd":
        settings["batch_size"] = batch_size
    features = np.ldexp(phi, exponent)
    if exponent == 0:
        assert 0 < stability(features, **settings).largest_step < np.inf
    else:
        with pytest.raises(BadInputError, match=r"range|not all zero"):
            stability(features, **settings)


def test_stability_refuses_one_square_that_overflows() -> None:
    features = np.array([[2.0**600, 0.0], [0.0, 1.0], [1.0, 1.0]])
    with pytest.raises(BadInputError, match="range of float64"):
        stability(features, step_sizes=1.0)


def test_stability_refuses_squares_that_vanish_beside_a_larger_step() -> None:
    features = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]]) * 2.0**-300
    assert 0 < stability(features, step_sizes=[1.0, 1.0, 1.0]).largest_step < np.inf
    with pytest.raises(BadInputError, match="steps nearer to each other"):
        stability(features, step_sizes=[1.0, 2.0**-900, 2.0**-900])
