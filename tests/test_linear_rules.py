"""Label rules: their expected gaps in closed form against sampling, and the labels themselves."""

from __future__ import annotations

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.linear.rules import forget_inverse
from tests.oracles import Naive
from tests.zoo import ZOO, with_condition


def classes(n: int = 30, d: int = 60, seed: int = 0, outputs: int = 0) -> mt.UnlearningProblem:
    """A well-conditioned class problem: ±1, or one-hot for several outputs, with w₀ normal."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((n, d)) / np.sqrt(d)
    if outputs:
        targets = np.eye(outputs)[np.arange(n) % outputs]
        return mt.UnlearningProblem(
            features, targets, rng.permutation(n)[:6], rng.standard_normal((d, outputs))
        )
    targets = np.where(rng.random(n) < 0.5, -1.0, 1.0)
    return mt.UnlearningProblem(features, targets, rng.permutation(n)[:6], rng.standard_normal(d))


@pytest.mark.parametrize("outputs", [0, 3])
@pytest.mark.parametrize("rule", [mt.RandomLabels, mt.BadTeacher])
def test_expected_gap_agrees_with_sampling(rule: type, outputs: int) -> None:
    problem = classes(outputs=outputs)
    samples = np.array([mt.parameter_gap(problem, rule(seed)(problem)) ** 2 for seed in range(4000)])
    expected = rule().expected_square_gap(problem)
    error = samples.std(ddof=1) / np.sqrt(len(samples))
    assert abs(samples.mean() - expected) < 3.5 * error
    # The control: without the mean term the formula is off by many standard errors.
    mean_term = mt.parameter_gap(problem, mt.ZeroLabels()(problem)) ** 2
    assert abs(samples.mean() - (expected - mean_term)) > 10 * error


def test_formulas_of_the_two_random_rules() -> None:
    """±1 labels: tr S⁻¹ + ŷᵀS⁻¹ŷ; a N(0, I) teacher: tr(S⁻¹K_FF) + ŷᵀS⁻¹ŷ."""
    problem = classes()
    naive = Naive(problem)
    k = naive.phi @ naive.phi.T
    r, f = naive.r, naive.f
    schur = k[np.ix_(f, f)] - k[np.ix_(f, r)] @ np.linalg.solve(k[np.ix_(r, r)], k[np.ix_(r, f)])
    inverse = np.linalg.inv(schur)
    np.testing.assert_allclose(forget_inverse(problem), inverse, rtol=1e-9)
    mean_term = naive.labels @ inverse @ naive.labels
    random, teacher = (
        mt.RandomLabels().expected_square_gap(problem),
        mt.BadTeacher().expected_square_gap(problem),
    )
    assert random == pytest.approx(np.trace(inverse) + mean_term)
    assert teacher == pytest.approx(np.trace(inverse @ k[np.ix_(f, f)]) + mean_term)


@pytest.mark.parametrize("name", ["under-parameterised", "rank-deficient", "duplicated-across"])
def test_gap_matrix_at_any_rank(name: str) -> None:
    problem = ZOO[name]()
    k = np.linalg.pinv(problem.features @ problem.features.T, rcond=1e-10, hermitian=True)
    np.testing.assert_allclose(
        forget_inverse(problem), k[np.ix_(problem.forget, problem.forget)], atol=1e-8 * np.abs(k).max()
    )


def test_deterministic_rules() -> None:
    problem = classes()
    y = problem.targets
    np.testing.assert_array_equal(mt.OriginalLabels()(problem), y[problem.forget])
    np.testing.assert_array_equal(mt.ZeroLabels()(problem), np.zeros(6))
    np.testing.assert_allclose(mt.MeanLabel()(problem), y[problem.retain].mean())
    np.testing.assert_array_equal(mt.HardLabels()(problem), np.sign(mt.optimal_labels(problem)))
    assert mt.OriginalLabels().expected_square_gap(problem) == pytest.approx(
        mt.solve(problem).pretrained_gap ** 2
    )
    assert set(np.unique(mt.RandomLabels(3)(problem))) <= {-1.0, 1.0}


def test_hard_labels_of_several_outputs_are_one_hot_at_the_largest() -> None:
    problem = classes(outputs=3)
    hard = mt.HardLabels()(problem)
    np.testing.assert_array_equal(hard.argmax(axis=1), mt.optimal_labels(problem).argmax(axis=1))
    assert sorted(np.unique(hard)) == [0.0, 1.0]
    assert (hard.sum(axis=1) == 1).all()


def test_hard_labels_refuse_regression() -> None:
    with pytest.raises(mt.MusoError, match="two distinct values"):
        mt.HardLabels()(ZOO["over-parameterised"]())


def test_random_rules_are_reproducible_and_differ_by_seed() -> None:
    problem = classes()
    for rule in (mt.RandomLabels, mt.BadTeacher):
        np.testing.assert_array_equal(rule(1)(problem), rule(1)(problem))
        assert not np.array_equal(rule(1)(problem), rule(2)(problem))


def test_hard_and_random_labels_are_not_exact() -> None:
    problem = classes()
    nothing = mt.solve(problem).pretrained_gap
    for rule in (mt.HardLabels(), mt.RandomLabels(), mt.BadTeacher(), mt.ZeroLabels(), mt.MeanLabel()):
        assert mt.parameter_gap(problem, rule(problem)) > 0.01 * nothing, rule


def test_gap_of_an_ill_conditioned_problem_grows() -> None:
    """Control for the whole file: the same label error costs more when K is worse conditioned."""
    gaps = [
        mt.parameter_gap(p, mt.optimal_labels(p) + 1) for p in (with_condition(9, 12, k) for k in (1e1, 1e6))
    ]
    assert gaps[1] > 10 * gaps[0]
