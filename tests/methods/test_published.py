"""Methods under their papers' names do what the papers publish, in the linear and in the network wing alike."""

from __future__ import annotations

import math

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.methods import (
    METHODS,
    AnchoredOrthogonalGradient,
    BadTeaching,
    Descent,
    FisherNoise,
    NoUnlearning,
    OrthogonalGradient,
)
from muso_theory.methods.saliency import largest, mean_gradient
from muso_theory.networks import mlp
from muso_theory.networks.dense import Dense
from muso_theory.networks.network import Sequential
from muso_theory.networks.problem import NetworkProblem
from muso_theory.networks.recipe import Recipe
from tests.oracles import Naive
from tests.zoo import ZOO

# -- masks ---------------------------------------------------------------------------------------------------


def test_a_mask_has_exactly_its_share_whatever_the_ties() -> None:
    sizes = np.zeros(707)
    sizes[100:140] = 1.0
    for share in (0.01, 0.1, 0.5, 0.7, 1.0):
        mask = largest(sizes, share)
        assert mask.sum() == math.ceil(round(share * 707, 9))
        assert mask[100 : 100 + min(40, int(mask.sum()))].all()
        by_quantile = sizes >= np.quantile(sizes, 1 - share)
        # The control: a quantile of zero lets everything through.
        assert (by_quantile.sum() == 707) == (share > 0.06)
    np.testing.assert_array_equal(largest(np.zeros(5), 0.5), [1, 1, 1, 0, 0])  # by index
    np.testing.assert_array_equal(largest(np.array([[0.0, 3.0], [3.0, 1.0]]), 0.5), [[0, 1], [1, 0]])
    assert largest(np.ones(100), 0.07).sum() == 7
    assert math.ceil(0.07 * 100) == 8  # the control: in floats the product is a hair above
    for share in (0.0, -0.1, 1.1, math.nan):
        with pytest.raises(mt.BadInputError, match="share"):
            largest(np.ones(3), share)
    with pytest.raises(mt.BadInputError, match="finite"):
        largest(np.array([1.0, np.nan]), 0.5)


def sparse_problem(seed: int = 0) -> NetworkProblem:
    """Inputs of which nine tenths are zero, and one sample to forget: most gradients are zero."""
    rng = np.random.default_rng(seed)
    X = np.zeros((12, 40))
    X[:, :4] = rng.standard_normal((12, 4))
    return NetworkProblem.pretrain(
        mlp([40, 16, 3], "relu"), X, rng.integers(0, 3, 12), forget=[5], recipe=Recipe(epochs=5)
    )


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_saliency_masks_what_it_says_on_sparse_inputs(share: float) -> None:
    problem = sparse_problem()
    before = problem.net.flatten(problem.pretrained)
    moved = problem.net.flatten(METHODS["saliency"](fraction=share)(problem)) != before
    mask = largest(
        np.abs(problem.net.flatten(mean_gradient(problem, problem.pretrained, problem.forget))), share
    )
    assert mask.sum() == math.ceil(share * 707)
    assert 0 < moved.sum() <= mask.sum()
    assert not moved[~mask].any()
    # The control: with the whole mask parameters outside it do move.
    free = problem.net.flatten(METHODS["saliency"](fraction=1.0)(problem)) != before
    assert free[~mask].any() or share == 0.5
    sizes = np.abs(problem.net.flatten(mean_gradient(problem, problem.pretrained, problem.forget)))
    assert (sizes >= np.quantile(sizes, 0.5)).all()  # a threshold at the quantile masks nothing at all


# -- bad teacher ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("member", ["under-parameterised", "several-outputs-tall", "over-parameterised"])
def test_bad_teaching_keeps_the_pretrained_outputs_on_the_retain_set(member: str) -> None:
    problem = ZOO[member]()
    naive = Naive(problem)
    labels = BadTeaching(3).labels(problem)
    outputs = naive.phi @ naive.w_p
    outputs[naive.f] = labels
    published = naive.update(naive.phi, outputs, naive.w_p)
    np.testing.assert_allclose(BadTeaching(3)(problem), published, atol=1e-8)
    beside_targets = naive.unlearned(labels)
    apart = np.linalg.norm(published - beside_targets) / np.linalg.norm(naive.w_p - naive.w_r)
    # On data that w_p does not interpolate, targets are not its outputs; on others the two agree.
    assert (apart > 0.01) == (member != "over-parameterised")


# -- orthogonal gradients --------------------------------------------------------------------------------------


def test_the_published_orthogonal_gradient_shortens_w_and_the_anchored_one_the_step() -> None:
    problem = ZOO["over-parameterised"]()
    naive = Naive(problem)
    kept = naive.phi[naive.r]
    off = np.eye(kept.shape[1]) - np.linalg.pinv(kept) @ kept
    published, anchored = OrthogonalGradient()(problem), AnchoredOrthogonalGradient()(problem)
    for w in (published, anchored):
        np.testing.assert_allclose(kept @ w, kept @ naive.w_p, atol=1e-9)
    assert np.linalg.norm(off @ published) < 1e-9 * np.linalg.norm(published)
    assert np.linalg.norm(off @ (anchored - naive.w0)) < 1e-9 * np.linalg.norm(anchored)
    np.testing.assert_allclose(anchored, naive.w_r, atol=1e-9)
    np.testing.assert_allclose(published - naive.w_r, -off @ naive.w0, atol=1e-9)
    assert np.linalg.norm(published - naive.w_r) > 0.05 * np.linalg.norm(naive.w_p - naive.w_r)
    at_zero = mt.UnlearningProblem(problem.features, problem.targets, problem.forget)
    np.testing.assert_allclose(
        OrthogonalGradient()(at_zero), AnchoredOrthogonalGradient()(at_zero), atol=1e-9
    )
    assert not OrthogonalGradient().claims_exactness
    assert AnchoredOrthogonalGradient().claims_exactness


def linear_network(seed: int = 0) -> NetworkProblem:
    """One dense layer, trained to its limit."""
    rng = np.random.default_rng(seed)
    net = Sequential((20,), (Dense(20, 2),))
    recipe = Recipe(loss="squared", optimizer="gd", learning_rate=0.2, epochs=1500, batch_size=None)
    X, y = rng.standard_normal((8, 20)), rng.standard_normal((8, 2))
    return NetworkProblem.pretrain(net, X, y, forget=[0, 3], recipe=recipe).with_retrained()


def test_both_minimum_norm_forms_for_networks() -> None:
    problem = linear_network()
    still = Descent(epochs=1, learning_rate=1e-12)
    names = ("orthogonal-gradient", "orthogonal-gradient-anchored")
    forms = {name: METHODS[name](descent=still)(problem) for name in names}
    start = problem.net.flatten(problem.start)
    assert problem.relative_gaps(forms["orthogonal-gradient-anchored"])[0] < 1e-5
    gap = problem.net.flatten(forms["orthogonal-gradient"]) - problem.net.flatten(problem.retrained)
    J = problem.net.jacobian(problem.start, problem.X[problem.retain]).reshape(-1, len(start))
    unseen = start - np.linalg.pinv(J) @ (J @ start)
    np.testing.assert_allclose(gap, -unseen, atol=1e-6)
    assert np.linalg.norm(unseen) > 0.1


# -- Fisher noise ----------------------------------------------------------------------------------------------


def test_fisher_noise_means_the_same_by_alpha_in_both_wings() -> None:
    """In a dense layer the deviation of a weight is α F_jj^(−¼), F_jj the mean of x_j² over the retained samples."""
    problem = linear_network()
    alpha, kept = 1e-3, problem.X[problem.retain]
    wanted = alpha * np.mean(kept**2, axis=0) ** -0.25
    noisy = np.array([FisherNoise(alpha, seed=s)(problem)[0] for s in range(400)], dtype=np.float64)
    by_network = noisy.std(axis=0, ddof=1)
    linear = mt.UnlearningProblem(problem.X, problem.targets, problem.forget)
    draws = np.array([FisherNoise(alpha, 1e-12, seed=s)(linear) for s in range(400)])
    by_linear = draws.std(axis=0, ddof=1)
    for measured in (by_network, by_linear):
        ratio = measured.reshape(20, 2) / wanted[:, None]
        # A deviation from 400 draws is off by a relative 1/√800, its mean over 40 by a sixth of that.
        assert abs(ratio.mean() - 1) < 4 / math.sqrt(800 * 40)
        assert abs(ratio - 1).max() < 5 / math.sqrt(800)
    # The controls: α^½ in place of α, or the sum over samples in place of the mean, are far off.
    assert abs(math.sqrt(alpha) / alpha - 1) > 1
    assert abs(len(kept) ** -0.25 - 1) > 4 / math.sqrt(800 * 40)
    spread = FisherNoise(alpha, 1e-12).expected_square_gap(linear) - NoUnlearning().expected_square_gap(
        linear
    )
    assert spread == pytest.approx(2 * np.sum(wanted**2), rel=1e-6)


def test_fisher_noise_on_parameters_that_no_sample_sees_is_the_same_in_both_wings() -> None:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((12, 6)) * np.array([1, 1, 1, 0.01, 0, 0])
    net, recipe = Sequential((6,), (Dense(6, 1),)), Recipe(loss="squared", epochs=3)
    problem = NetworkProblem.pretrain(net, X, rng.standard_normal((12, 1)), forget=[0], recipe=recipe)
    linear = mt.UnlearningProblem(problem.X, problem.targets, problem.forget)
    alpha, damping = 1e-3, 1e-4
    draws = np.array(
        [
            [
                FisherNoise(alpha, seed=s)(problem)[0].ravel(),
                FisherNoise(alpha, seed=s)(linear).ravel(),
            ]
            for s in range(400)
        ]
    )
    wanted = alpha * (np.mean(problem.X[problem.retain] ** 2, axis=0) + damping) ** -0.25
    assert wanted[-1] == pytest.approx(10 * alpha)
    # Five standard deviations of a deviation from 400 draws.
    assert abs(draws.std(axis=0, ddof=1) / wanted - 1).max() < 5 / math.sqrt(800)
    # The control: a cap at the root mean square of the parameters is another noise.
    assert np.sqrt(np.mean(problem.pretrained[0] ** 2)) > 10 * wanted[-1]
    for wrong in ({"alpha": 0.0}, {"damping": 0.0}, {"damping": math.nan}):
        with pytest.raises(mt.BadInputError):
            FisherNoise(**wrong)


# -- classes of networks ---------------------------------------------------------------------------------------


def targeted(targets: np.ndarray, **settings: object) -> NetworkProblem:
    """A small network with targets of any kind, half of its samples to be forgotten."""
    X = np.random.default_rng(1).standard_normal((len(targets), 4))
    recipe = Recipe(loss="squared", epochs=2)
    outputs = targets.shape[1]
    return NetworkProblem.pretrain(
        mlp([4, 6, outputs]), X, targets, forget=np.arange(len(targets) // 2), recipe=recipe, **settings
    )


TARGETS: dict[str, np.ndarray] = {
    "one-hot": np.eye(3)[np.arange(12) % 3],
    "±1, several": 2 * np.eye(3)[np.arange(12) % 3] - 1,
    "±1, one": np.where(np.arange(12) % 2, 1.0, -1.0)[:, None],
    "smoothed": np.where(np.eye(3)[np.arange(12) % 3] > 0, 0.9, 0.05),
    "several labels": np.array([[-1, 1], [1, 1], [1, -1], [-1, -1]] * 3, dtype=float),
}


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("method", ["random-labels", "saliency"])
def test_random_labels_of_networks_are_other_rows_of_the_data(
    name: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = targeted(TARGETS[name])
    kinds = {tuple(row) for row in problem.targets}
    given: list[np.ndarray] = []
    monkeypatch.setattr(Descent, "relabel", lambda self, problem, labels, **extra: given.append(labels) or [])
    for seed in range(20):
        METHODS[method](seed=seed)(problem)
    for labels in given:
        assert labels.shape == problem.targets[problem.forget].shape
        for row, own in zip(labels, problem.targets[problem.forget], strict=True):
            assert tuple(row) in kinds - {tuple(own)}
    drawn = {
        (tuple(own), tuple(row))
        for labels in given
        for own, row in zip(problem.targets, labels, strict=False)
    }
    assert len(drawn) == len(kinds) * (len(kinds) - 1)  # every other one comes up
    # The control: a row of the identity is no target of most of these.
    assert ({tuple(row) for row in np.eye(problem.net.n_out)} <= kinds) == (name in ("one-hot", "±1, one"))


@pytest.mark.parametrize("name", TARGETS)
def test_hard_labels_of_an_alternation_are_targets_of_the_data(name: str) -> None:
    problem = targeted(TARGETS[name])
    result = METHODS["alternating"](labels="hard", epochs=1, subset=1.0, watch=0).run(problem)
    low, high = np.unique(problem.targets)
    if problem.net.n_out == 1:
        assert set(result.labels.ravel()) <= {low, high}
        nearest = np.where(result.first_outputs >= (low + high) / 2, high, low)
    else:
        nearest = np.where(np.eye(problem.net.n_out)[result.first_outputs.argmax(axis=1)] > 0, high, low)
    np.testing.assert_array_equal(result.labels, nearest)


def test_regression_has_no_random_classes() -> None:
    rng = np.random.default_rng(2)
    for outputs in (1, 3):
        problem = targeted(rng.standard_normal((12, outputs)))
        for method in ("random-labels", "saliency"):
            with pytest.raises(mt.BadInputError, match="regression"):
                METHODS[method]()(problem)
        with pytest.raises(mt.BadInputError, match="regression"):
            METHODS["alternating"](labels="hard", epochs=1, watch=0).run(problem)
        METHODS["alternating"](labels="soft", epochs=1, subset=1.0, watch=0).run(problem)
    with pytest.raises(mt.BadInputError):  # one class: no other to choose
        METHODS["random-labels"]()(targeted(np.ones((12, 1))))


def test_gaps_of_rounding_errors_have_no_shares() -> None:
    problem = targeted(TARGETS["one-hot"])
    nudged = [array * (1 + 4e-16) for array in problem.pretrained]
    assert problem.distance(nudged, problem.pretrained) > 0  # the control: it is not zero
    with pytest.raises(mt.BadInputError, match="apart from"):
        problem.with_retrained(nudged).relative_gaps(problem.pretrained)
    apart = [array * (1 + 1e-6) for array in problem.pretrained]
    assert problem.with_retrained(apart).relative_gaps(problem.pretrained)[0] == 1
