"""Strategies are code under test: the hard example is found within a stated number of draws, and shrinks."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

import muso_theory as mt
from muso_theory import strategies
from muso_theory.refutation import STRUCTURES, draw_features
from muso_theory.refutation.structures import exact_array
from muso_theory.refutation.trials import holds
from muso_theory.strategies import (
    conditioned_features,
    feature_matrices,
    forget_sets,
    fourier_features,
    label_rules,
    labels_for,
    orthogonal_matrices,
    problems,
    small_networks,
    step_size_schedules,
)

QUICK = settings(
    max_examples=100,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)


def rank(phi: np.ndarray) -> int:
    return int(np.linalg.matrix_rank(phi.astype(float)))


def within(draws: int, strategy: st.SearchStrategy[Any], hard: Callable[[Any], bool]) -> Any:
    """An example that satisfies a predicate, found in at most this many draws."""
    chosen = settings(QUICK, max_examples=draws, phases=[Phase.generate])
    return find(strategy, hard, settings=chosen)


HARD: dict[str, tuple[st.SearchStrategy[Any], Callable[[Any], bool]]] = {
    "over-parameterised, full rank": (feature_matrices("random"), lambda a: rank(a) == len(a) < a.shape[1]),
    "under-parameterised, full rank": (feature_matrices("random"), lambda a: rank(a) == a.shape[1] < len(a)),
    "deficient both ways": (feature_matrices("low-rank"), lambda a: 0 < rank(a) < min(a.shape)),
    "equal rows": (feature_matrices("duplicated"), lambda a: len({tuple(r) for r in a}) < len(a) and a.any()),
    "graded over 1e4": (
        feature_matrices("graded", exact=False),
        lambda a: rank(a) == min(a.shape) and np.linalg.cond(a) > 1e4,
    ),
    "K_RF = 0, both blocks nonzero": (
        problems("orthogonal"),
        lambda p: (
            not (p.features[p.retain] @ p.features[p.forget].T).any()
            and p.features[p.retain].any()
            and p.features[p.forget].any()
        ),
    ),
    "vandermonde, distinct nodes": (
        feature_matrices("vandermonde"),
        lambda a: a.shape[0] >= 4 and rank(a) == a.shape[0],
    ),
    "fractions": (feature_matrices("fourier"), lambda a: any(x.denominator == 8 for x in a.ravel())),
    "inconsistent": (problems(), lambda p: not holds("interpolable-retain", p)),
    "w_p interpolates R but K is singular": (
        problems(),
        lambda p: holds("interpolates-retain", p) and not holds("full-rank", p) and p.features.any(),
    ),
    "several outputs with w₀": (problems(), lambda p: p.n_outputs == 2 and p.w_init is not None),
    "classes ±1": (problems(), lambda p: set(p.targets.ravel()) == {-1, 1}),
    "three forgotten": (problems(), lambda p: len(p.forget) == 3),
    "one retained": (problems(), lambda p: len(p.retain) == 1 and len(p.forget) > 1),
    "the first sample forgotten": (problems(), lambda p: 0 in p.forget and p.n_samples > 2),
    "condition 1e6": (conditioned_features(4, 6, 3), lambda a: np.linalg.svd(a)[1][2] < 2e-3),
    "wide bandwidth": (fourier_features(4, 6), lambda a: np.linalg.cond(a @ a.T) > 1e3),
    "almost everything": (forget_sets(5), lambda forget: len(forget) == 4),
    "a rotation": (orthogonal_matrices(3), lambda q: Fraction(3, 5) in q.ravel()),
    "a fading schedule": (
        step_size_schedules(3),
        lambda e: len(e) > 3 and all(np.diff([float(x) for x in e]) < 0),
    ),
    "a wrong method": (label_rules(right=False), lambda rule: rule.kind == "parameters"),
}


@pytest.mark.parametrize("name", HARD)
def test_hard_examples_are_found_within_five_hundred_draws(name: str) -> None:
    # Each release of hypothesis draws others: a hundred are not enough for all of them under every one.
    strategy, hard = HARD[name]
    assert hard(within(500, strategy, hard))


def test_a_structure_that_cannot_give_the_hard_example_is_seen() -> None:
    """Control: no number of draws makes a binary matrix hold a two."""
    with pytest.raises(NoSuchExample):
        within(500, feature_matrices("binary"), lambda a: any(abs(x) > 1 for x in a.ravel()))


@pytest.mark.parametrize("structure", STRUCTURES)
@settings(QUICK, max_examples=30)
@given(data=st.data())
def test_shapes_and_dyadic_entries(structure: str, data: st.DataObject) -> None:
    phi = data.draw(feature_matrices(structure, max_samples=5, max_features=6))
    assert 2 <= phi.shape[0] <= 5
    assert 1 <= phi.shape[1] <= 6
    assert all(isinstance(x, Fraction) for x in phi.ravel())
    # float64 holds the same numbers, so a float rule and the exact judge see one problem.
    assert (exact_array(phi.astype(float)) == phi).all()


@settings(QUICK)
@given(problems())
def test_float_and_exact_problems_are_the_same(problem: mt.UnlearningProblem) -> None:
    assert problem.is_exact
    for array in (problem.features, problem.targets, problem.w_init):
        if array is not None:
            assert (exact_array(array.astype(float)) == array).all()


@pytest.mark.parametrize(
    "slug", ["full-rank", "interpolates-retain", "over-parameterised", "full-rank-forget"]
)
@settings(QUICK, max_examples=20)
@given(data=st.data())
def test_assumptions_hold(slug: str, data: st.DataObject) -> None:
    problem = data.draw(problems(assuming=slug))
    assert mt.check(problem, [slug], "rational")[slug].verdict is mt.Verdict.PROVED


def test_assumptions_would_fail_otherwise() -> None:
    for slug in ("full-rank", "interpolates-retain", "over-parameterised", "full-rank-forget"):
        assert not holds(slug, within(100, problems(), lambda p, slug=slug: not holds(slug, p)))


@settings(QUICK, max_examples=30)
@given(st.integers(1, 5), st.data())
def test_rotations_are_orthogonal(size: int, data: st.DataObject) -> None:
    q = data.draw(orthogonal_matrices(size))
    assert (q.T @ q == exact_array(np.eye(size, dtype=int))).all()


@settings(QUICK, max_examples=30)
@given(st.integers(1, 9), st.data())
def test_step_sizes_are_stable(largest: int, data: st.DataObject) -> None:
    for eta in data.draw(step_size_schedules(largest)):
        assert 0 < eta < Fraction(2, largest)


@settings(QUICK, max_examples=30)
@given(st.data())
def test_conditioned_features_have_rank_and_condition_as_asked(data: st.DataObject) -> None:
    phi = data.draw(conditioned_features(5, 7, 3, max_condition=1e4))
    values = np.linalg.svd(phi, compute_uv=False)
    assert values[3] < 1e-12
    assert (values[0] / values[2]) ** 2 < 1.001e4


def test_numbers_are_exact_unless_floats_are_asked_for() -> None:
    for made in (feature_matrices, problems):
        for words, kind in (({}, "O"), ({"exact": True}, "O"), ({"exact": False}, "f")):
            found = within(1, made(**words), lambda example: True)
            assert getattr(found, "features", found).dtype.kind == kind
    one = within(1, conditioned_features(3, 4, 1), lambda a: True)
    assert np.linalg.norm(one, 2) == pytest.approx(1.0)


@settings(QUICK, max_examples=20)
@given(fourier_features(4, 10))
def test_fourier_features_have_rows_of_norm_one(phi: np.ndarray) -> None:
    np.testing.assert_allclose((phi**2).sum(axis=1), 1)


def test_fourier_features_come_in_pairs_of_a_cosine_and_a_sine() -> None:
    """The least kernel values are near none and near one: bandwidths reach from narrow to wide."""
    for n_features in (2, 6):
        phi = within(60, fourier_features(3, n_features), lambda a: True)
        half = n_features // 2
        np.testing.assert_allclose(phi[:, :half] ** 2 + phi[:, half:] ** 2, 1 / half)
    for wrong in (-2, 0, 1, 7):
        with pytest.raises(mt.MusoError, match="even number of features"):
            within(1, fourier_features(2, wrong), lambda a: True)
    for test in (lambda k: k < 0.6, lambda k: k > 0.95):
        within(300, fourier_features(2, 100), lambda a, test=test: test((a @ a.T)[0, 1]))


@settings(QUICK, max_examples=20)
@given(st.data())
def test_labels_fit_their_problem(data: st.DataObject) -> None:
    problem = data.draw(problems())
    problem.label_columns(data.draw(labels_for(problem)))


def test_shrinking_ends_at_the_smallest_readable_case() -> None:
    def find_quickly(strategy: st.SearchStrategy[Any], hard: Callable[[Any], bool]) -> Any:
        return find(strategy, hard, settings=settings(QUICK, max_examples=300))

    plain = find_quickly(problems(), lambda p: True)
    assert plain.features.tolist() == [[0], [0]]
    assert plain.w_init is None
    assert find_quickly(forget_sets(6), lambda forget: len(forget) > 2) == [0, 1, 2]
    duplicated = find_quickly(
        feature_matrices("random"), lambda a: a.any() and rank(a) < min(a.shape) and a.shape[1] > 1
    )
    assert duplicated.shape == (2, 2)
    assert np.abs(duplicated).sum() == 1


def test_unknown_words_are_refused() -> None:
    with pytest.raises(mt.MusoError, match="expected a structure"):
        draw_features(lambda low, high: low, "randm", 2, 2)
    with pytest.raises(mt.MusoError, match="try 'full-rank'"):
        within(1, problems(assuming="full-rnk"), lambda p: True)
    with pytest.raises(mt.MusoError, match="a rank from 1 to 2"):
        within(1, conditioned_features(2, 3, 3), lambda a: True)
    with pytest.raises(mt.MusoError, match="even number"):
        within(1, fourier_features(2, 3), lambda a: True)
    with pytest.raises(mt.MusoError, match="positive bound"):
        within(1, step_size_schedules(0), lambda a: True)


def test_every_public_strategy_is_exercised_here() -> None:
    assert all(name in globals() for name in strategies.__all__)


NETWORKS: dict[str, Callable[[Any], bool]] = {
    "two hidden layers": lambda n: len(n[0].layers) == 5,
    "several outputs": lambda n: n[0].output_shape[0] > 1,
    "a kink": lambda n: "relu" in repr(n[0]),
    "tangent parameterisation": lambda n: "ntk" in str(n[0].layers),
    "more parameters than samples": lambda n: n[0].n_params > len(n[2]),
    "fewer parameters than samples": lambda n: n[0].n_params < len(n[2]),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_hard_networks_are_found(name: str) -> None:
    within(200, small_networks(), NETWORKS[name])


@settings(QUICK, max_examples=25)
@given(small_networks(activations=("erf", "tanh")), st.data())
def test_small_networks_fit_a_problem_and_unlearn_in_their_tangent(network: Any, data: st.DataObject) -> None:
    net, params, X = network
    assert net(params, X).shape == (len(X), *net.output_shape)
    if len(X) > 1:
        y = np.zeros((len(X), net.output_shape[0]))
        forget = data.draw(forget_sets(len(X)))
        problem = mt.networks.from_network(net, params, X, y, forget=forget, dual=False)
        assert (
            mt.check(problem, ["exact-labels"], "rational").theorem("exact-labels").verdict.name == "PROVED"
        )
