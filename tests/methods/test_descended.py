"""Networks under SCRUB, preference, penalties, noise and dampening: against loops over explicit Jacobians."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from muso_theory.errors import BadInputError
from muso_theory.methods import (
    Descent,
    FineTuning,
    FisherNoise,
    GradientAscent,
    Method,
    NegativePreference,
    NoisyFineTuning,
    RidgeFineTuning,
    Scrub,
    SparseFineTuning,
    SynapticDampening,
)
from muso_theory.networks import NetworkProblem, Recipe, mlp
from muso_theory.networks.training import DivergedError
from muso_theory.streams import GRADIENT_NOISE

Twin = Callable[["Naive"], np.ndarray]
STEPS = Descent(epochs=4, learning_rate=0.05, optimizer="gd", batch_size=None)


def problem(loss: str = "cross-entropy", epochs: int = 20) -> NetworkProblem:
    """Fitted a little, so that no gradient vanishes."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((12, 5)), rng.integers(0, 3, 12)
    recipe = Recipe(loss=loss, epochs=epochs, batch_size=4, learning_rate=1e-2)  # type: ignore[arg-type]
    return NetworkProblem.pretrain(mlp([5, 6, 3], "tanh"), X, y, forget=[2, 7, 9], recipe=recipe)


class Naive:
    """Outputs, losses and gradients of a network sample by sample, as functions of one flat θ."""

    def __init__(self, given: NetworkProblem) -> None:
        self.given, self.net, self.y = given, given.net, given.targets
        self.theta, self.r, self.f = given.net.flatten(given.pretrained), given.retain, given.forget
        self.start = np.stack([self.predicted(self.theta, i) for i in range(len(given.X))])

    def output(self, theta: np.ndarray, i: int) -> np.ndarray:
        return self.net(self.net.unflatten(theta), self.given.X[[i]])[0]

    def predicted(self, theta: np.ndarray, i: int) -> np.ndarray:
        """Of the model: probabilities, or outputs under the squared loss."""
        z = self.output(theta, i)
        return np.exp(z) / np.exp(z).sum() if self.given.recipe.loss == "cross-entropy" else z

    def loss(self, theta: np.ndarray, i: int) -> float:
        p = self.predicted(theta, i)
        if self.given.recipe.loss == "cross-entropy":
            return float(-np.log(p[self.y[i].argmax()]))
        return float(np.sum((p - self.y[i]) ** 2) / 2)

    def gradient(self, theta: np.ndarray, i: int, label: np.ndarray) -> np.ndarray:
        """Of the loss at some label; of KL(p_start ‖ p) the label is p_start."""
        J = self.net.jacobian(self.net.unflatten(theta), self.given.X[[i]])[0]
        return J.T @ (self.predicted(theta, i) - label)

    def mean(self, theta: np.ndarray, samples: np.ndarray, labels: np.ndarray) -> np.ndarray:
        return np.mean([self.gradient(theta, i, labels[i]) for i in samples], axis=0)


def scrub(m: Naive) -> np.ndarray:
    theta = m.theta
    for epoch in range(4):
        if epoch < 3:
            theta = theta + 0.05 * m.mean(theta, m.f, m.start)
        theta = theta - 0.05 * (0.3 * m.mean(theta, m.r, m.start) + 0.9 * m.mean(theta, m.r, m.y))
    return theta


def preferred(m: Naive) -> np.ndarray:
    theta, beta = m.theta, 0.8
    before = [m.loss(theta, i) for i in m.f]
    for _ in range(4):
        step = np.zeros_like(theta)
        for i, old in zip(m.f, before, strict=True):
            ratio = (np.exp(-m.loss(theta, i)) / np.exp(-old)) ** beta  # (p/p_pretrained)^β
            step = step + 2 * ratio / (ratio + 1) * m.gradient(theta, i, m.y[i]) / len(m.f)
        theta = theta + 0.05 * step
    return theta


def sparse(m: Naive) -> np.ndarray:
    theta = m.theta
    for strength in (0.08, 0.06, 0.04, 0.02):
        theta = theta - 0.05 * (m.mean(theta, m.r, m.y) + strength * np.sign(theta))
    return theta


def ridged(m: Naive) -> np.ndarray:
    theta = m.theta
    for ridge in (0.4, 0.2, 0.1, 0.05):
        theta = theta - 0.05 * (m.mean(theta, m.r, m.y) + 2 * ridge * theta)
    return theta


def shaken(m: Naive) -> np.ndarray:
    theta, rng = m.theta, np.random.default_rng((3, GRADIENT_NOISE))
    for _ in range(4):
        theta = theta - 0.05 * (m.mean(theta, m.r, m.y) + 0.2 * rng.standard_normal(theta.size))
    return theta


def dampened(m: Naive) -> np.ndarray:
    """The Fisher information as the mean square of ∂ log p_c over classes drawn by the model, or over outputs."""
    information = []
    for i in range(len(m.y)):
        J = m.net.jacobian(m.net.unflatten(m.theta), m.given.X[[i]])[0]
        p = m.start[i]
        if m.given.recipe.loss == "cross-entropy":
            information.append(sum(p[c] * (J[c] - p @ J) ** 2 for c in range(3)))
        else:
            information.append(np.sum(J**2, axis=0))
    everywhere, on_forget = np.mean(information, axis=0), np.mean([information[i] for i in m.f], axis=0)
    theta = m.theta.copy()
    for j in range(theta.size):
        if on_forget[j] > 1.1 * everywhere[j]:
            theta[j] *= min(1.0, 0.9 * everywhere[j] / on_forget[j])
    return theta


TWINS: dict[str, tuple[Method, Twin]] = {
    "scrub": (Scrub(0.3, 0.9, 3, descent=STEPS), scrub),
    "npo": (NegativePreference(0.8, descent=STEPS), preferred),
    "l1-sparse": (SparseFineTuning(0.08, descent=STEPS), sparse),
    "ridge-fine-tuning": (RidgeFineTuning(0.4, 0.5, descent=STEPS), ridged),
    "noisy-gradient-descent": (NoisyFineTuning(0.2, seed=3, descent=STEPS), shaken),
    "ssd": (SynapticDampening(1.1, 0.9), dampened),
}


@pytest.mark.parametrize("loss", ["cross-entropy", "squared"])
@pytest.mark.parametrize("name", TWINS)
def test_a_network_goes_where_its_twin_goes(name: str, loss: str) -> None:
    method, twin = TWINS[name]
    given = problem(loss)
    found, wanted = given.net.flatten(method(given)), twin(Naive(given))
    np.testing.assert_allclose(found, wanted, atol=1e-12)
    assert np.abs(wanted - given.net.flatten(given.pretrained)).max() > 1e-3
    # The control: a twin that forgets other samples is elsewhere.
    other = twin(Naive(replace(given, forget=[0, 1, 3])))
    assert np.abs(found - other).max() > 1e-5


@pytest.mark.parametrize("name", TWINS)
def test_batches_and_adaptive_steps_work_in_single_precision(name: str) -> None:
    given = problem()
    given = replace(given, X=given.X.astype(np.float32))
    method = TWINS[name][0]
    if hasattr(method, "descent"):
        steps = Descent(epochs=2, learning_rate=1e-3, optimizer="adam", batch_size=4)
        method = replace(method, descent=steps)  # type: ignore[type-var, call-arg]
    first, second = method(given), method(given)
    assert all(a.dtype == np.float32 for a in first)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_without_what_is_beside_them_they_are_fine_tuning_and_ascent() -> None:
    given, batches = problem(), replace(STEPS, batch_size=4, optimizer="adam")
    plain = given.net.flatten(FineTuning(descent=batches)(given))
    for quiet in (SparseFineTuning(0.0), RidgeFineTuning(0.0), NoisyFineTuning(0.0)):
        found = given.net.flatten(replace(quiet, descent=batches)(given))
        np.testing.assert_allclose(found, plain, atol=1e-12)
    ascent = given.net.flatten(GradientAscent(descent=STEPS)(given))
    np.testing.assert_allclose(
        given.net.flatten(NegativePreference(1e-9, descent=STEPS)(given)), ascent, atol=1e-8
    )
    assert np.abs(given.net.flatten(NegativePreference(3.0, descent=STEPS)(given)) - ascent).max() > 1e-4


def test_scrub_moves_away_on_the_forget_samples_only_once_it_has_moved() -> None:
    given = problem()
    flat = given.net.flatten
    once = replace(STEPS, epochs=1)
    still = [flat(Scrub(ascents=ascents, descent=once)(given)) for ascents in (0, 1)]
    np.testing.assert_allclose(*still, atol=1e-15)  # the first ascent starts where its gradient is zero
    moved = [flat(Scrub(ascents=ascents, descent=STEPS)(given)) for ascents in (0, 3)]
    assert np.abs(moved[0] - moved[1]).max() > 1e-5


def test_the_penalty_makes_parameters_smaller() -> None:
    given = problem()
    flat = given.net.flatten
    plain = flat(FineTuning(descent=STEPS)(given))
    assert np.abs(flat(SparseFineTuning(0.5, descent=STEPS)(given))).sum() < np.abs(plain).sum()
    assert np.linalg.norm(flat(RidgeFineTuning(0.5, descent=STEPS)(given))) < np.linalg.norm(plain)


def test_training_that_diverges_is_refused() -> None:
    far = Descent(epochs=30, learning_rate=1e3, optimizer="gd", batch_size=None)
    kinds: list[Any] = [Scrub, NegativePreference, SparseFineTuning, RidgeFineTuning, NoisyFineTuning]
    for kind in kinds:
        settings = {"inverse_temperature": 1e-9} if kind is NegativePreference else {}
        with pytest.raises(DivergedError, match="learning rate"):
            kind(**settings, descent=far)(problem("squared"))


def test_a_threshold_of_dampening_that_selects_nothing_is_refused() -> None:
    with pytest.raises(BadInputError, match=r"below n/n_F = 4, .*3 of 12 samples to forget.*try 1.0"):
        SynapticDampening(alpha=4.0)(problem())


def test_the_setting_that_ruined_a_network_is_told_by_its_own_name() -> None:
    with pytest.raises(DivergedError, match=r"a value that leaves a network at work but got alpha=1e\+30"):
        FisherNoise(alpha=1e30)(problem())
    given = problem()
    ruined = [array * np.nan for array in given.pretrained]
    with pytest.raises(DivergedError, match=r"got dampening=0\.5") as told:
        given.check_trained(ruined, 0.5, "dampening")
    assert "learning" not in str(told.value)


def test_dampening_by_some_samples_is_an_estimate() -> None:
    given = problem()
    flat = given.net.flatten
    whole, some = (flat(SynapticDampening(samples=samples)(given)) for samples in (12, 2))
    assert np.abs(whole - some).max() > 0
    np.testing.assert_array_equal(whole, flat(SynapticDampening(samples=9)(given)))
