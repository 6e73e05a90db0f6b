"""The falsifier against every unlearning method, and expected gaps against simulation."""

from __future__ import annotations

import random

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.linear.closed_forms import ClosedForms, float_model
from muso_theory.methods import (
    DescentToDelete,
    FisherNoise,
    LangevinDescent,
    Method,
    NewtonRemoval,
    NoisyFineTuning,
    OutputNoise,
    RidgeAnchoredLabels,
    RidgeLabels,
    SaliencyRelabelling,
    serving,
)
from muso_theory.numbers import RATIONAL
from muso_theory.refutation import STRUCTURES, draw_problem
from tests.zoo import ZOO

METHODS = serving("linear")
# What a search for ‖w_u − w_r‖ > 0 makes of each method under the conditions it names. Methods with a ridge are exact
# for w_r^λ, which is not w_r.
NOT_REFUTED = {
    "retraining",
    "ntk-scrubbing",
    "orthogonal-gradient-anchored",
    "exact-labels",
    "label-free",
    "leave-block-out",
}
EXACT_FOR_THEIR_RIDGE = {"newton", "ridge-anchored"}


def attacked(method: Method, assuming: tuple[str, ...]) -> mt.Verdict:
    found = mt.refute_report(
        method, kind="parameters", assuming=assuming, max_examples=30, guided=0, isolate=False
    )
    return found.verdict


@pytest.mark.parametrize("name", METHODS)
def test_refute_agrees_with_the_exactness_status(name: str) -> None:
    method = RidgeLabels(1e-2) if name == "ridge-labels" else METHODS[name]()  # 1e-8 is within the tolerance
    verdict = attacked(method, method.assuming)
    assert verdict is (mt.Verdict.MEASURED if name in NOT_REFUTED else mt.Verdict.REFUTED)
    assert method.claims_exactness == (name in NOT_REFUTED | EXACT_FOR_THEIR_RIDGE)


@pytest.mark.parametrize("name", ["ntk-scrubbing", "orthogonal-gradient-anchored", "label-free"])
def test_refute_breaks_them_without_their_hypothesis(name: str) -> None:
    assert attacked(METHODS[name](), ()) is mt.Verdict.REFUTED


@pytest.mark.parametrize("method", [NewtonRemoval(0.5), RidgeAnchoredLabels(0.5)])
def test_ridge_methods_reach_their_exact_reference_on_the_falsifiers_problems(
    method: Method,
) -> None:
    source, worst = random.Random(0), 0.0
    for structure in list(STRUCTURES) * 4:
        problem = draw_problem(source.randint, structure)
        exact = ClosedForms(problem, RATIONAL)
        reference = exact.fit(exact.retain, exact.targets(exact.retain), ridge=0.5)
        own = exact.at(method(problem).reshape(problem.n_features, -1))
        worst = max(worst, float(exact.distance(own, reference).upper))
        plain = float(exact.distance(own, exact.retrained).upper)
    assert worst < 1e-11
    assert plain > 1e-3


# -- expected gaps ------------------------------------------------------------------------------------------


def classes(n: int = 24, d: int = 40, outputs: int = 0) -> mt.UnlearningProblem:
    rng = np.random.default_rng(1)
    features = rng.standard_normal((n, d)) / np.sqrt(d)
    if outputs:
        targets = np.eye(outputs)[np.arange(n) % outputs]
        return mt.UnlearningProblem(
            features, targets, rng.permutation(n)[:5], rng.standard_normal((d, outputs))
        )
    targets = np.array([-1.0, 0.0, 2.0])[np.arange(n) % 3]  # of two classes the other one is no random choice
    return mt.UnlearningProblem(features, targets, rng.permutation(n)[:5], rng.standard_normal(d))


# Settings in which the noise is comparable with the gap of doing nothing, so that a wrong spread would show.
NOISY: dict[str, dict[str, object]] = {
    "random-labels": {},
    "bad-teacher": {},
    "saliency": {"fraction": 0.8},
    "fisher-noise": {"alpha": 0.1},
    "output-noise": {"sigma": 0.3},
    "descent-to-delete": {"sigma": 0.3, "ridge": 0.5},
    "noisy-gradient-descent": {"sigma": 0.03, "steps": 4},
}


@pytest.mark.slow
@pytest.mark.parametrize("outputs", [0, 3])
@pytest.mark.parametrize("name", [*NOISY, "fisher-noise, whole"])
def test_expected_gap_is_within_three_standard_errors_of_simulation(name: str, outputs: int) -> None:
    settings = dict(NOISY[name.partition(",")[0]])
    if name.endswith("whole"):
        settings["diagonal"] = False
    method = METHODS[name.partition(",")[0]]
    problem = classes(outputs=outputs)
    retrained = mt.solve(problem).w_retrained
    samples = np.array(
        [np.sum((method(seed=seed, **settings)(problem) - retrained) ** 2) for seed in range(400)]  # type: ignore[call-arg]
    )
    error = samples.std(ddof=1) / np.sqrt(len(samples))
    expected = method(**settings).expected_square_gap(problem)  # type: ignore[call-arg]
    assert expected is not None
    assert abs(samples.mean() - expected) < 3 * error
    # The control: leave out the spread, or the mean, and the same three standard errors refute the formula.
    mean, spread = _parts(method(**settings), problem)  # type: ignore[call-arg]
    assert mean + spread == pytest.approx(expected)
    assert abs(samples.mean() - mean) > 3 * error
    assert abs(samples.mean() - spread) > 3 * error


def _parts(method: Method, problem: mt.UnlearningProblem) -> tuple[float, float]:
    """The square of the mean's gap, and the spread."""
    if hasattr(method, "rule"):
        mean, spread = method.rule()._moments(problem)
        return mt.parameter_gap(problem, problem.shaped(np.array(mean))) ** 2, spread
    point, spread = method._moments(problem)
    return float(float_model(problem).square_distance(point, float_model(problem).retrained).upper), spread


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("member", ["over-parameterised", "several-outputs-tall"])
def test_expected_gap_of_a_deterministic_method_is_its_own(name: str, member: str) -> None:
    if name in NOISY:
        pytest.skip("random; see the simulation")
    problem, method = ZOO[member](), METHODS[name]()
    if name == "leave-block-out" and member != "over-parameterised":
        with pytest.raises(mt.SingularMatrixError):
            method.expected_square_gap(problem)
        return
    own = float(np.sum((method(problem) - mt.solve(problem).w_retrained) ** 2))
    expected = method.expected_square_gap(problem)
    if name in ("subsampled-labels", "langevin"):
        assert expected is None
    else:
        assert expected == pytest.approx(own, rel=1e-6, abs=1e-18)


@pytest.mark.parametrize("member", ["under-parameterised", "several-outputs-tall", "rank-deficient"])
@pytest.mark.parametrize(
    "method", [FisherNoise, OutputNoise, DescentToDelete, SaliencyRelabelling, NoisyFineTuning]
)
def test_expected_gaps_hold_at_any_rank(method: type, member: str) -> None:
    problem = ZOO[member]()
    retrained = mt.solve(problem).w_retrained
    samples = np.array([np.sum((method(seed=seed)(problem) - retrained) ** 2) for seed in range(60)])
    error = samples.std(ddof=1) / np.sqrt(len(samples))
    assert abs(samples.mean() - method().expected_square_gap(problem)) < 3 * error


def test_what_has_no_closed_form_has_none_for_its_own_reference_either() -> None:
    problem = ZOO["over-parameterised"]()
    assert LangevinDescent().expected_square_gap(problem, own=True) is None
    assert DescentToDelete().expected_square_gap(problem, own=True) is not None
