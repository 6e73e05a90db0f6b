"""Predictions from the data alone, held against training on the parameters themselves, sample by sample."""

from __future__ import annotations

import re

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.linear.training import PAPER_STEPS, PowerSteps
from tests.zoo import ZOO

linear = mt.linear


def named(method, momentum):
    """The method, with a momentum if it has one."""
    return {"method": method} | ({"momentum": momentum} if method in ("momentum", "nesterov") else {})


def safe(problem, method):
    """A step at 60 % of what is stable with a momentum of at most a half."""
    if method == "cyclic-sgd":
        return 1.2 / (np.asarray(problem.features, dtype=float) ** 2).sum(axis=1)
    return 0.6 * linear.stability(problem, step_sizes=1.0, **named(method, 0.5)).largest_step


def fine_tuned(problem, epochs, labels=None, start=None, **settings):
    """w_E by the primal loop: relabel, then train from w_p."""
    solution = mt.solve(problem)
    targets = np.array(problem.targets, dtype=float)
    targets[problem.forget] = solution.forget_labels if labels is None else labels
    begin = solution.w_pretrained if start is None else start
    trained = linear.train(problem.features, targets, begin, epochs=epochs, form="primal", **settings)
    return np.linalg.norm(trained.w - solution.w_retrained)


METHODS = ["gd", "momentum", "nesterov", "cyclic-sgd"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ZOO)
def test_the_predicted_gap_is_the_measured_one(name, method):
    problem = ZOO[name]()
    if name == "tall-deficient":  # one of its samples is zero
        with pytest.raises(mt.BadInputError, match="nonzero norm"):
            fine_tuned(problem, 1, method=method, step_sizes=1e-3)
        return
    scale = mt.solve(problem).pretrained_gap
    settings = {**named(method, 0.5), "step_sizes": safe(problem, method)}
    for epochs in (1, 2, 25):
        predicted = linear.predict_gap(problem, epochs=epochs, **settings)
        assert fine_tuned(problem, epochs, **settings) == pytest.approx(
            predicted, rel=1e-6, abs=1e-11 * scale
        )
    # A step a thousandth larger is told apart where training moves at all.
    other = settings | {"step_sizes": 1.001 * settings["step_sizes"]}
    if 1e-6 * scale < predicted < 0.9 * scale:
        assert fine_tuned(problem, 25, **other) != pytest.approx(predicted, rel=1e-6)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "name", ["over-parameterised", "rank-deficient", "under-parameterised", "several-outputs"]
)
def test_any_labels_and_any_start(name, method):
    problem = ZOO[name]()
    rng = np.random.default_rng(1)
    labels = rng.standard_normal(problem.targets[problem.forget].shape)
    start = rng.standard_normal(mt.solve(problem).w_pretrained.shape)
    settings = {**named(method, 0.5), "step_sizes": safe(problem, method)}
    for epochs in (1, 30):
        predicted = linear.predict_gap(problem, epochs=epochs, labels=labels, start=start, **settings)
        measured = fine_tuned(problem, epochs, labels, start, **settings)
        assert measured == pytest.approx(predicted, rel=1e-9)


def test_schedules_and_batches():
    problem = ZOO["over-parameterised"]()
    scale = float((problem.features**2).sum(axis=1).max())
    for settings in (
        {"method": "gd", "step_sizes": PowerSteps(0.5 / scale, 0.3)},
        {"step_sizes": PowerSteps(1.9 / scale)},
        {"step_sizes": PowerSteps(0.5 / scale), "batch_size": 3},
        {"step_sizes": 0.4 / scale, "batch_size": 10},
    ):
        for epochs in (1, 17):
            predicted = linear.predict_gap(problem, epochs=epochs, **settings)
            assert fine_tuned(problem, epochs, **settings) == pytest.approx(predicted, rel=1e-10)


def test_a_full_batch_of_cyclic_sgd_is_gradient_descent():
    problem = ZOO["over-parameterised"]()
    step = safe(problem, "gd")
    as_sgd = linear.predict_gap(problem, epochs=[1, 5, 50], step_sizes=step, batch_size=problem.n_samples)
    assert as_sgd == pytest.approx(
        linear.predict_gap(problem, epochs=[1, 5, 50], method="gd", step_sizes=step), rel=1e-12
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "name", ["over-parameterised", "rank-deficient", "under-parameterised", "one-feature"]
)
def test_epochs_needed_are_the_first_that_suffice(name, method):
    problem = ZOO[name]()
    settings = {**named(method, 0.1), "step_sizes": safe(problem, method)}
    wanted = 1e-5 * mt.solve(problem).pretrained_gap
    epochs = linear.epochs_needed(problem, wanted, **settings)
    if epochs > 20_000:
        return
    assert fine_tuned(problem, epochs, **settings) <= wanted * (1 + 1e-6)
    assert fine_tuned(problem, epochs - 1, **settings) > wanted * (1 - 1e-6)


def test_wrong_labels_never_reach_the_gap():
    problem = ZOO["over-parameterised"]()
    settings = {"method": "gd", "step_sizes": safe(problem, "gd"), "labels": np.zeros(3)}
    assert linear.epochs_needed(problem, 1e-6, **settings) == np.inf
    limit = linear.predict_gap(problem, epochs=10**9, **settings)
    assert limit == pytest.approx(mt.parameter_gap(problem, np.zeros(3)), rel=1e-9)


def test_the_finite_time_bound_of_gradient_descent():
    for name in ("over-parameterised", "square", "under-parameterised"):
        problem = ZOO[name]()
        step = 0.5 * safe(problem, "gd")
        for relative in (0.5, 1e-3, 1e-8):
            accuracy = relative * mt.solve(problem).pretrained_gap
            bound = linear.gd_epochs(problem, step, accuracy)
            assert linear.epochs_needed(problem, accuracy, method="gd", step_sizes=step) <= np.ceil(bound)


# -- stability ---------------------------------------------------------------------------------------


def grows(problem, epochs=4000, **settings):
    """Whether the residual after many epochs of the primal loop is larger than at the start.

    A per cent beside the boundary it has changed by orders of magnitude by then, so rounding decides nothing; what
    has converged is noise, and two such residuals must not be compared with each other.
    """
    rng = np.random.default_rng(3)
    # Consistent targets from a random start: no direction of the row space is missed.
    phi = np.asarray(problem.features, dtype=float)
    start = rng.standard_normal(phi.shape[1])
    try:
        run = linear.train(phi, np.zeros(len(phi)), start, epochs=epochs, form="primal", **settings)
    except mt.BadInputError:
        return True
    return bool(run.residual_norm > np.linalg.norm(phi @ start))


def unequal(n, d, seed, spread):
    """Samples of different norms."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((n, d)) / np.sqrt(d)
    features *= np.linspace(1, spread, n)[rng.permutation(n), None]
    return mt.UnlearningProblem(features, rng.standard_normal(n), [0])


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(6, 15, 0, 1.0), (7, 12, 1, 3.0), (8, 3, 2, 2.0), (9, 9, 3, 5.0)])
def test_the_boundary_is_right_within_one_per_cent_on_both_sides(method, shape):
    problem = unequal(*shape)
    settings = {**named(method, 0.6), "step_sizes": 1.0}
    predicted = linear.stability(problem, **settings)
    assert predicted.step[1] <= predicted.step[0] * 1.001
    step = predicted.largest_step
    assert not grows(problem, **settings | {"step_sizes": 0.99 * step})
    assert grows(problem, **settings | {"step_sizes": 1.01 * step})
    below = linear.stability(problem, **settings | {"step_sizes": 0.99 * step})
    above = linear.stability(problem, **settings | {"step_sizes": 1.01 * step})
    assert (below.converges, above.converges) == (True, False)


def test_the_boundary_of_batches_and_of_the_paper_schedule():
    problem = unequal(8, 20, 5, 1.0)
    for settings in ({"step_sizes": 1.0, "batch_size": 3}, {"step_sizes": PAPER_STEPS}):
        found = linear.stability(problem, **settings)
        low, high = found.scale
        assert high <= low * 1.001
        assert low >= 2 / found.ostrowski_reich[1] * (1 - 1e-12)
        for factor, expected in ((0.99, False), (1.01, True)):
            steps = settings["step_sizes"]
            scaled = (
                PowerSteps(steps.first * factor * low, steps.power)
                if callable(steps)
                else steps * factor * low
            )
            assert grows(problem, **settings | {"step_sizes": scaled}) is expected


def test_equal_norms_put_the_boundary_at_two():
    rng = np.random.default_rng(0)
    features = rng.standard_normal((12, 30))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    found = linear.stability(features, step_sizes=1.0)
    assert found.step == pytest.approx((2.0, 2.0), rel=1e-9)


def test_ostrowski_reich_is_sufficient_and_not_necessary():
    found = linear.stability(unequal(8, 20, 5, 1.0), step_sizes=PowerSteps(1.0, 2.0))
    assert found.scale[0] > 1.01 * 2 / found.ostrowski_reich[1]


@pytest.mark.parametrize(("steps", "stable"), [((0.5, 2.3), True), ((0.5, 3.5), False), ((2.2, 2.2), False)])
def test_between_the_two_sides_of_the_condition_the_pass_itself_decides(steps, stable):
    """Two equal rows of length one: a pass multiplies what is missing by (1 − γ₁)(1 − γ₂)."""
    features, steps = np.ones((2, 1)), np.array(steps)
    found = linear.stability(features, step_sizes=steps)
    assert found.radius == pytest.approx(abs(np.prod(1 - steps)), rel=1e-12)
    assert found.converges is stable
    w = 1.0
    for step in np.tile(steps, 40):
        w -= step * w
    assert stable == (abs(w) < 1e-3)


def test_random_orders_know_only_what_holds_in_any_order():
    found = linear.stability(unequal(7, 12, 1, 3.0), method="shuffled-sgd", step_sizes=1e-3)
    assert found.converges is True
    assert found.radius is None
    low, high = linear.stability(unequal(7, 12, 1, 3.0), method="sgd", step_sizes=1.0).step
    between = linear.stability(unequal(7, 12, 1, 3.0), method="sgd", step_sizes=(low * high) ** 0.5)
    assert between.converges is None
    # Above Ostrowski–Reich for every sample each visit enlarges volumes, whatever the order.
    assert linear.stability(unequal(7, 12, 1, 3.0), method="sgd", step_sizes=1.01 * high).converges is False
    assert grows(unequal(7, 12, 1, 3.0), method="sgd", step_sizes=1.01 * high)


def test_random_batches_are_not_those_of_the_stored_order():
    # Samples 0 and 2 are equal: they meet in a random batch and never in a stored one.
    features = np.eye(4)[[0, 1, 0, 2]]
    for method in ("shuffled-sgd", "sgd"):
        found = linear.stability(features, method=method, step_sizes=1.5, batch_size=2)
        assert found.converges is None
        assert found.ostrowski_reich[1] >= 3


# -- claims 13 and 15 ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["over-parameterised", "square", "several-outputs", "one-forget"])
def test_early_stopping_labels_reach_the_early_stopped_model(name):
    problem = ZOO[name]()
    solution = mt.solve(problem)
    for fraction in (0.3, 0.9):
        step = fraction / 0.6 * safe(problem, "gd")
        for retrain, tune in ((1, 1), (9, 4), (40, 200)):
            labels, target = linear.early_stopping_labels(problem, step, retrain, tune)
            by_loop = linear.train(
                problem.features[problem.retain],
                problem.targets[problem.retain],
                problem.w_init,
                "gd",
                step_sizes=step,
                epochs=retrain,
                form="primal",
            ).w
            assert np.linalg.norm(by_loop - target) < 1e-12 * np.linalg.norm(target)
            tuned = linear.train(
                problem.features,
                labels,
                solution.w_pretrained,
                "gd",
                step_sizes=step,
                epochs=tune,
                form="primal",
            )
            assert np.linalg.norm(tuned.w - target) < 1e-9 * solution.pretrained_gap
            # Labels are for this number of steps, and no other.
            longer = linear.train(
                problem.features,
                labels,
                solution.w_pretrained,
                "gd",
                step_sizes=step,
                epochs=tune + 1,
                form="primal",
            )
            if tune < 100:
                assert np.linalg.norm(longer.w - target) > 1e-6 * solution.pretrained_gap


@pytest.mark.parametrize("method", ["adam", "adamw", "adagrad", "rmsprop", "decay"])
def test_what_adaptive_methods_leave_is_the_gap_after_exact_relabelling(method):
    problem = ZOO["over-parameterised"]()
    solution = mt.solve(problem)
    kwargs = {"method": "gd", "step_sizes": safe(problem, "gd"), "weight_decay": 1.0}
    if method != "decay":
        kwargs = {"method": method, "step_sizes": 0.01}
    w_p = linear.train(problem.features, problem.targets, problem.w_init, epochs=3000, **kwargs).w
    predicted = linear.off_span_gap(problem, w_p)
    measured = fine_tuned(problem, 20_000, start=w_p, method="gd", step_sizes=safe(problem, "gd"))
    assert measured == pytest.approx(predicted, rel=1e-6)
    assert predicted > 1e-3
    if method == "decay":
        assert predicted == pytest.approx(linear.decay_gap(problem), rel=1e-6)
        assert predicted > solution.pretrained_gap
    inside = linear.train(
        problem.features, problem.targets, problem.w_init, "gd", step_sizes=1e-3, epochs=50
    ).w
    assert linear.off_span_gap(problem, inside) < 1e-12


BAD = {
    "random order": (lambda p: linear.predict_gap(p, epochs=3, method="sgd", step_sizes=0.1), "random order"),
    "adaptive": (lambda p: linear.predict_gap(p, epochs=3, method="adam", step_sizes=0.1), "off_span_gap"),
    "negative epochs": (
        lambda p: linear.predict_gap(p, epochs=-1, step_sizes=0.1),
        "a non-negative integer but got epochs",
    ),
    "moving schedule": (
        lambda p: linear.predict_gap(p, epochs=3, step_sizes=PAPER_STEPS, restart=False),
        "every pass",
    ),
    "momentum schedule": (
        lambda p: linear.predict_gap(p, epochs=3, method="momentum", step_sizes=PAPER_STEPS),
        "constant step",
    ),
    "zero gap": (lambda p: linear.epochs_needed(p, 0.0, method="gd", step_sizes=0.1), "positive gap"),
    "too large for the bound": (lambda p: linear.gd_epochs(p, 10.0, 1e-3), "1/λ_max"),
    "stability of a schedule": (
        lambda p: linear.stability(p, method="gd", step_sizes=PAPER_STEPS),
        "constant step",
    ),
    "unstable early stopping": (lambda p: linear.early_stopping_labels(p, 10.0, 3, 3), "2/λ_max"),
    "no retraining steps": (lambda p: linear.early_stopping_labels(p, 1e-3, 0, 3), "retrain_steps"),
    "singular": (
        lambda p: linear.early_stopping_labels(ZOO["rank-deficient"](), 1e-3, 3, 3),
        "invertible Gram",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused(name):
    call, words = BAD[name]
    with pytest.raises(mt.BadInputError, match=words):
        call(ZOO["over-parameterised"]())


@pytest.mark.parametrize("method", ["gd", "momentum", "nesterov", "cyclic-sgd"])
@pytest.mark.parametrize("step", [1e-320, 1e-20])
def test_a_step_too_small_to_see_converges(method, step):
    found = linear.stability(unequal(6, 20, 0, 1.0), method=method, step_sizes=step)
    assert found.converges is True
    assert 0 < found.largest_step < np.inf


@pytest.mark.parametrize("method", ["gd", "momentum", "nesterov", "cyclic-sgd", "shuffled-sgd"])
def test_a_step_too_large_for_floats_does_not_converge(method):
    found = linear.stability(unequal(6, 20, 0, 1.0), method=method, step_sizes=1e308)
    assert found.converges is False
    assert 0 < found.largest_step < np.inf


@pytest.mark.parametrize("method", ["gd", "momentum", "nesterov"])
def test_a_step_on_the_boundary_is_not_said_to_converge(method):
    features = unequal(6, 20, 0, 1.0)
    limit = linear.stability(features, method=method, step_sizes=1e-3).largest_step
    assert linear.stability(features, method=method, step_sizes=limit).converges is None


def test_a_sample_that_is_never_moved_does_not_hide_the_boundary():
    features = unequal(5, 12, 3, 1.0).features
    steps = np.array([0.1, 0.1, 0.0, 0.1, 0.1])
    alone = linear.stability(features[[0, 1, 3, 4]], step_sizes=np.full(4, 0.1))
    found = linear.stability(features, step_sizes=steps)
    assert np.isclose(found.largest_step, alone.scale[0], rtol=1e-4)


@pytest.mark.parametrize("steps", [np.zeros(6), lambda t: 0.0])
def test_steps_that_are_all_zero_are_refused(steps):
    with pytest.raises(mt.BadInputError, match="all zero"):
        linear.stability(unequal(6, 20, 0, 1.0), step_sizes=steps)


def test_zero_features_have_no_stability():
    with pytest.raises(mt.BadInputError, match="all zero"):
        linear.stability(np.zeros((3, 4)), step_sizes=0.1)


def test_early_stopping_labels_are_refused_where_q_is_singular_up_to_rounding():
    features = unequal(6, 20, 0, 1.0).features
    problem = mt.UnlearningProblem(features, np.ones(6), [1])
    limit = float(2 / np.linalg.eigvalsh(features @ features.T)[-1])
    with pytest.raises(mt.BadInputError, match="invertible Q"):
        linear.early_stopping_labels(problem, limit * (1 - 1e-13), 7, 2)
    # An odd number of steps ends on the other side, where nothing is lost.
    step = limit * (1 - 1e-13)
    labels, goal = linear.early_stopping_labels(problem, step, 7, 3)
    w = linear.train(features, labels, mt.solve(problem).w_pretrained, "gd", step_sizes=step, epochs=3).w
    assert np.linalg.norm(w - goal) < 1e-10 * np.linalg.norm(goal)


def test_the_largest_step_that_a_refusal_names_is_the_largest_one():
    problem = ZOO["over-parameterised"]()
    with pytest.raises(mt.BadInputError, match=r"1/λ_max = ") as refused:
        linear.gd_epochs(problem, 1e6, 1e-3)
    largest = float(re.search(r"1/λ_max = ([\d.e+-]+)", str(refused.value))[1])
    assert linear.gd_epochs(problem, 0.999999 * largest, 1e-3) > 0
    with pytest.raises(mt.BadInputError):
        linear.gd_epochs(problem, 1.00001 * largest, 1e-3)
