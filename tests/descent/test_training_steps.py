"""Training where it is easily almost right: losses and derivatives, counters, defaults, the words after divergence."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.claims.dynamics import _kaczmarz
from muso_theory.descent.hyper import Hyper
from muso_theory.descent.plan import TrainingPlan
from muso_theory.errors import BadInputError
from muso_theory.evidence import Verdict
from muso_theory.linear.closed_forms import ClosedForms, float_model
from muso_theory.linear.training import LOSSES, stability
from muso_theory.methods import serving
from muso_theory.methods.fitting import trained
from muso_theory.numbers import RATIONAL

train = mt.linear.train
RNG = np.random.default_rng(5)
PHI, Y = RNG.standard_normal((5, 8)), RNG.standard_normal(5)


@pytest.mark.parametrize("name", LOSSES)
def test_each_loss_has_the_derivative_it_says(name: str) -> None:
    """By central differences, entry by entry, at targets that the loss allows."""
    loss = LOSSES[name]
    z, t = RNG.standard_normal((4, 3)), RNG.dirichlet(np.ones(3), 4)
    numeric, h = np.zeros_like(z), 1e-6
    for index in np.ndindex(*z.shape):
        up, down = z.copy(), z.copy()
        up[index] += h
        down[index] -= h
        numeric[index] = (loss.value(up, t) - loss.value(down, t)) / (2 * h)
    np.testing.assert_allclose(loss.derivative(z, t), numeric, atol=1e-8)
    np.testing.assert_allclose(loss.derivative(z, loss.labels(z)), 0, atol=1e-15)


@pytest.mark.parametrize("size", [1.0, 1e9])
def test_decay_to_an_anchor_is_no_divergence(size: float) -> None:
    """From zero, on zero targets, only the anchor moves w; there is nothing yet to compare its size with."""
    settings: dict[str, Any] = {"step_sizes": 0.1, "weight_decay": 0.1, "anchor": np.full(8, size)}
    w, anchor = np.zeros(8), np.full(8, size)
    for _ in range(3):
        w = w - 0.1 * (PHI.T @ (PHI @ w) + 0.1 * (w - anchor))
    for form in ("primal", "dual"):
        found = train(PHI, np.zeros(5), np.zeros(8), "gd", epochs=3, form=form, **settings)
        np.testing.assert_allclose(found.w, w, atol=1e-15 * size)
    with pytest.raises(BadInputError, match="converges"):
        train(PHI, np.zeros(5), np.zeros(8), "gd", epochs=300, **{**settings, "step_sizes": 9.0})


def test_adamw_decays_beside_its_step_and_adam_within() -> None:
    w0 = RNG.standard_normal(8)
    rate, decay = 0.01, 0.5
    sign = np.sign(PHI.T @ (PHI @ w0 - Y))
    beside = train(PHI, Y, w0, "adamw", step_sizes=rate, epochs=1, weight_decay=decay, epsilon=1e-14).w
    within = train(PHI, Y, w0, "adam", step_sizes=rate, epochs=1, weight_decay=decay, epsilon=1e-14).w
    np.testing.assert_allclose(beside, w0 - rate * decay * w0 - rate * sign, atol=1e-12)
    np.testing.assert_allclose(within, w0 - rate * np.sign(PHI.T @ (PHI @ w0 - Y) + decay * w0), atol=1e-12)


def test_constants_are_those_that_train_promises() -> None:
    given = {name: p.default for name, p in inspect.signature(train).parameters.items()}
    assert Hyper() == Hyper(given["momentum"], given["betas"], given["epsilon"])
    assert inspect.signature(stability).parameters["momentum"].default == given["momentum"]


@pytest.mark.parametrize("momentum", [-0.1, 1.0, 1.5])
def test_a_momentum_out_of_range_is_refused_alike_wherever_it_comes_from(momentum: float) -> None:
    doors = (
        lambda: Hyper(momentum),
        lambda: TrainingPlan("momentum", 0.1, 3, momentum),
        lambda: train(PHI, Y, None, "momentum", step_sizes=0.1, epochs=3, momentum=momentum),
        lambda: mt.networks.Recipe(optimizer="momentum", momentum=momentum),
    )
    for door in doors:
        with pytest.raises(BadInputError, match=r"^expected a momentum in \[0, 1\) but got momentum="):
            door()


def test_a_schedule_counts_passes_where_a_pass_is_one_step() -> None:
    seen: list[int] = []

    def schedule(t: int) -> float:
        seen.append(t)
        return 0.01

    train(PHI, Y, None, "gd", step_sizes=schedule, epochs=3, form="primal")
    assert sorted(set(seen)) == [0, 1, 2]
    seen.clear()
    train(PHI, Y, None, "cyclic-sgd", step_sizes=schedule, epochs=3, form="primal")
    assert sorted(set(seen)) == [0, 1, 2, 3, 4]


def test_the_start_is_recorded_once() -> None:
    for tolerance in (0.0, 1e-12):
        done = train(PHI, Y, None, "gd", step_sizes=0.01, epochs=4, tolerance=tolerance, record=[0, 2, 4])
        assert [snapshot.epoch for snapshot in done.trajectory] == [0, 2, 4]


def test_words_after_divergence_name_the_limit() -> None:
    limit = 2 / np.linalg.norm(PHI, 2) ** 2
    with pytest.raises(BadInputError, match=rf"below {limit:.6g}, the largest stable one"):
        train(PHI, Y, None, "gd", step_sizes=3 * limit, epochs=400)
    decay, n = 0.5, 5
    any_order = 2 / ((PHI**2).sum(axis=1).max() + decay / n)
    with pytest.raises(BadInputError, match=rf"below {any_order:.6g}, which are stable in any order"):
        train(PHI, Y, None, "shuffled-sgd", step_sizes=40 * any_order, epochs=400, weight_decay=decay)


def test_a_plan_reads_numbers_or_paper() -> None:
    for words in ("abc", "0.5x", ""):
        with pytest.raises(BadInputError, match="positive number or 'paper'"):
            TrainingPlan.from_words("gd", words, 3, 0.9)


def test_kaczmarz_steps_fit_each_sample() -> None:
    phi = np.array([[3, 4], [0, 0], [1, 1]])
    steps = _kaczmarz(ClosedForms(mt.UnlearningProblem(phi, np.ones(3), [0]), RATIONAL))
    # Retained samples first, then the forgotten one; zero rows have the step 1.
    assert [float(step) for step in steps] == [1.0, 0.5, pytest.approx(1 / 25)]


def test_a_linear_head_needs_a_network() -> None:
    found = mt.check(mt.UnlearningProblem(PHI, Y, [1]), ["linear-head"])
    assert found["linear-head"].verdict is Verdict.VACUOUS


def test_only_oracles_consult_the_retrained_model() -> None:
    oracles = {name for name, method in serving("linear").items() if method().needs_retrained}
    assert oracles == {"retraining", "exact-labels", "ridge-anchored"}


def test_a_stop_is_asked_before_the_first_and_after_every_pass() -> None:
    problem = mt.UnlearningProblem(PHI, Y, [1, 3])
    asked = []

    def stop(w: np.ndarray) -> bool:
        asked.append(w.copy())
        return False

    trained(problem, float_model(problem).start, "gd", 0.01, 3, stop=stop)
    assert len(asked) == 4
    assert len({w.tobytes() for w in asked}) == 4


def test_the_spectrum_is_taken_where_it_costs_less_than_the_passes() -> None:
    """An eigendecomposition is worth about ten passes a sample; it knows neither schedules nor early ends."""

    def form(epochs: int, targets: np.ndarray = Y, **settings: Any) -> str:
        return train(PHI, targets, None, "gd", **{"step_sizes": 0.01, **settings}, epochs=epochs).form

    assert form(51) == "spectrum"
    assert form(50) == "dual"
    assert form(17, np.stack([Y, Y, Y], axis=1)) == "spectrum"
    assert form(16, np.stack([Y, Y, Y], axis=1)) == "dual"
    assert form(51, tolerance=1e-12) == "dual"
    assert form(51, tolerance=1.0) == "dual"
    assert form(51, step_sizes=lambda t: 0.01) == "dual"
