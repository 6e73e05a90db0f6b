"""Label rules: their expected gaps in closed form against sampling, and the labels themselves."""

from __future__ import annotations

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.linear.labels import LABEL_METHODS
from muso_theory.methods import METHODS, BadTeaching, RandomRelabelling
from muso_theory.methods.rules import RULES, block_trace, forget_inverse
from muso_theory.networks import mlp
from muso_theory.refutation import WRONG
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


def graded() -> mt.UnlearningProblem:
    """The same with targets −1, 0, 2: of two classes the other one is no random choice."""
    problem = classes()
    targets = np.array([-1.0, 0.0, 2.0])[np.arange(problem.n_samples) % 3]
    return mt.UnlearningProblem(problem.features, targets, problem.forget, problem.w_init)


def network(
    outputs: int = 3, dual: bool | None = None
) -> tuple[mt.UnlearningProblem, np.ndarray, np.ndarray]:
    """The tangent of a small network, the targets of its task and its outputs at θ₀."""
    rng = np.random.default_rng(3)
    net = mlp([5, 30, outputs], activation="erf")
    X, params = rng.standard_normal((12, 5)), net.init(1)
    y = np.eye(3)[np.arange(12) % 3] if outputs > 1 else np.where(np.arange(12) % 2, 1.0, -1.0)
    problem = mt.networks.from_network(net, params, X, y, forget=[1, 6, 8], dual=dual)
    return problem, y.reshape(12, -1), net(params, X).reshape(12, -1)


@pytest.mark.parametrize(
    "problem", [graded(), classes(outputs=3), network()[0]], ids=["one", "three", "tangent"]
)
@pytest.mark.parametrize("rule", [mt.RandomLabels, mt.BadTeacher])
def test_expected_gap_agrees_with_sampling(rule: type, problem: mt.UnlearningProblem) -> None:
    samples = np.array([mt.parameter_gap(problem, rule(seed)(problem)) ** 2 for seed in range(1000)])
    expected = rule().expected_square_gap(problem)
    error = samples.std(ddof=1) / np.sqrt(len(samples))
    assert abs(samples.mean() - expected) < 3.5 * error
    # The controls: without the spread, or without the mean, the formula is off by many standard errors.
    mean, spread = rule()._moments(problem)
    mean_term = mt.parameter_gap(problem, problem.shaped(mean)) ** 2
    assert expected == pytest.approx(mean_term + spread)
    assert min(mean_term, spread) > 5 * error
    if problem.tangent is not None and rule is mt.RandomLabels:
        # Outputs of one sample vary together: their variances alone are not enough.
        blocks = rule().distribution(problem)[1][0]
        alone = block_trace(forget_inverse(problem), blocks * np.eye(3))
        assert abs(samples.mean() - mean_term - alone) > 5 * error


def test_formulas_of_the_two_random_rules() -> None:
    """±1 labels: those of the other class, (y + ŷ)ᵀS⁻¹(y + ŷ); a N(0, I) teacher: tr(S⁻¹K_FF) + ŷᵀS⁻¹ŷ."""
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
    turned = naive.y[f] + naive.labels
    assert random == pytest.approx(turned @ inverse @ turned)
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
    np.testing.assert_array_equal(mt.RandomLabels(3)(problem), -y[problem.forget])


def test_hard_labels_of_several_outputs_are_one_hot_at_the_largest() -> None:
    problem = classes(outputs=3)
    hard = mt.HardLabels()(problem)
    np.testing.assert_array_equal(hard.argmax(axis=1), mt.optimal_labels(problem).argmax(axis=1))
    assert sorted(np.unique(hard)) == [0.0, 1.0]
    assert (hard.sum(axis=1) == 1).all()


@pytest.mark.parametrize("outputs", [0, 3])
def test_random_labels_are_other_classes_each_as_often(outputs: int) -> None:
    problem = classes(outputs=outputs) if outputs else graded()
    own = problem.targets[problem.forget]
    drawn = np.array([mt.RandomLabels(seed)(problem) for seed in range(600)])
    same = (drawn == own) if outputs == 0 else (drawn == own).all(axis=2)
    assert not same.any()
    others = np.unique(problem.targets, axis=0)
    for i in range(len(own)):
        seen = [np.mean([np.array_equal(d, v) for d in drawn[:, i]]) for v in others]
        assert sorted(seen)[0] == 0
        assert abs(sorted(seen)[1] - 0.5) < 0.1
    # The control: drawn among all classes a third of them would be the sample's own.
    everything = others[np.random.default_rng(0).integers(3, size=(600, len(own)))]
    kept = (everything == own) if outputs == 0 else (everything == own).all(axis=2)
    assert kept.mean() > 0.25
    with pytest.raises(mt.MusoError, match="two distinct targets"):
        mt.RandomLabels()(mt.UnlearningProblem(np.eye(3), np.ones(3), [0]))


# -- the tangent of a network ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dual", [True, False])
@pytest.mark.parametrize("outputs", [1, 3])
def test_rules_of_a_linearised_network_speak_of_its_task(outputs: int, dual: bool) -> None:
    """The labels, with what the network puts out at θ₀ added back, are classes, means and zeros of the user's task."""
    problem, y, f = network(outputs, dual)
    forget = np.array([1, 6, 8])
    kept = np.delete(np.arange(12), forget)

    def task(labels: np.ndarray) -> np.ndarray:
        return labels.reshape(3, outputs) + f[forget]

    np.testing.assert_allclose(task(mt.OriginalLabels()(problem)), y[forget], atol=1e-12)
    np.testing.assert_allclose(task(mt.ZeroLabels()(problem)), 0, atol=1e-12)
    mean = np.broadcast_to(y[kept].mean(axis=0), (3, outputs))
    np.testing.assert_allclose(task(mt.MeanLabel()(problem)), mean, atol=1e-12)
    low = float(y.min())
    soft, hard = task(mt.optimal_labels(problem)), task(mt.HardLabels()(problem))
    if outputs == 1:
        np.testing.assert_allclose(hard, np.sign(soft), atol=1e-12)
    else:
        np.testing.assert_allclose(hard, np.where(soft == soft.max(axis=1)[:, None], 1, low), atol=1e-12)
    for seed in range(5):
        drawn = task(mt.RandomLabels(seed)(problem))
        gaps = np.abs(drawn[:, None] - np.unique(y, axis=0)[None]).max(axis=2)
        np.testing.assert_allclose(gaps.min(axis=1), 0, atol=1e-12)
        assert (np.abs(drawn - y[forget]).max(axis=1) > 0.5).all()
    # The control: as a linear problem without a network the same rules mean y − f(x; θ₀), in which there is no class.
    plain = mt.UnlearningProblem(problem.features, problem.targets, problem.forget)
    assert np.abs(task(mt.ZeroLabels()(plain)) - f[forget]).max() < 1e-12
    gaps = np.abs(task(mt.RandomLabels(0)(plain))[:, None] - np.unique(y, axis=0)[None]).max(axis=2)
    assert gaps.max() > 0.05
    with pytest.raises(mt.MusoError, match="two distinct values"):
        mt.HardLabels()(plain)


def test_half_a_sample_to_forget_has_no_label() -> None:
    problem, _, _ = network()
    part = mt.UnlearningProblem(problem.features, problem.targets, [3, 4], tangent=problem.tangent)
    with pytest.raises(mt.MusoError, match="all 3 outputs of a sample"):
        mt.ZeroLabels()(part)


def test_hard_labels_refuse_regression() -> None:
    with pytest.raises(mt.MusoError, match="two distinct values"):
        mt.HardLabels()(ZOO["over-parameterised"]())


def test_random_rules_are_reproducible_and_differ_by_seed() -> None:
    problem = graded()
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


@pytest.mark.parametrize("outputs", [0, 3])
def test_hard_labels_leave_the_gap_that_training_measures(outputs: int) -> None:
    problem = classes(outputs=outputs)
    naive = Naive(problem)
    labels = mt.HardLabels()(problem)
    assert mt.parameter_gap(problem, labels) == pytest.approx(naive.gap(labels), rel=1e-9)
    y = naive.y.copy()
    y[naive.f] = labels
    trained = naive.gradient_descent(np.arange(len(y)), y, naive.w_p, steps=3000)
    assert np.linalg.norm(trained - naive.w_r) == pytest.approx(naive.gap(labels), rel=1e-6)


def test_one_way_to_label_has_one_name() -> None:
    """In the rules, the methods that train on their labels, and the falsifier's book of wrong rules."""
    assert RULES.keys() <= WRONG.keys()
    assert [name for name, rule in RULES.items() if rule.name != name] == []
    methods = [RandomRelabelling(), BadTeaching()]
    assert [method.rule().name for method in methods] == [method.name for method in methods]
    formulas = [method.by for method in METHODS.values() if hasattr(method, "by")]
    assert sorted(formulas) == sorted(LABEL_METHODS)
