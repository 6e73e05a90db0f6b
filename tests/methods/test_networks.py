"""The alternating algorithm against the linear theory it rests on, its monitors, and the methods beside it."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.errors import BadInputError
from muso_theory.linear.approximation import centred_alignment
from muso_theory.methods import (
    Alternating,
    AnchoredOrthogonalGradient,
    Descent,
    FineTuning,
    GradientAscent,
    LinearisedLabels,
    NtkScrubbing,
    OrthogonalGradient,
    Published,
    Retraining,
    SaliencyRelabelling,
    predict_residual,
    serving,
    steps_to,
)
from muso_theory.methods.head import head_features, head_labels, head_matrix
from muso_theory.methods.monitors import (
    Convergence,
    Epoch,
    FailureSign,
    signatures,
)
from muso_theory.methods.noise import fisher_diagonal
from muso_theory.methods.projector import check_projector, row_projector
from muso_theory.methods.tangent import fitted_logits, tangent_labels, tangent_step
from muso_theory.networks import Activation, Dense, Sequential, cnn, empirical_ntk, mlp
from muso_theory.networks.problem import NetworkProblem, softmax
from muso_theory.networks.recipe import Recipe
from muso_theory.networks.training import DivergedError

METHODS = serving("network")


def frozen_head_problem(n: int, width: int, seed: int = 0) -> tuple[NetworkProblem, mt.UnlearningProblem]:
    """A network whose head is where gradient descent on the head alone ends, and the same as a linear problem."""
    rng = np.random.default_rng(seed)
    net = mlp([5, width, 2], "tanh", "ntk")
    X, y = rng.standard_normal((n, 5)), rng.standard_normal((n, 2))
    start = net.init(seed)
    linear = mt.UnlearningProblem(
        head_features(net, start, X), y, forget=[1, 4, 6], w_init=head_matrix(net, start)
    )
    head = mt.solve(linear).w_pretrained
    pretrained = [*start[:-2], head[:-1], head[-1]]
    return NetworkProblem(net, X, y, [1, 4, 6], start, pretrained, Recipe(loss="squared")), linear


EXACT = {"projector": "exact", "ridge": (0.0, 0.0), "subset": 1.0, "frozen": True, "watch": 0, "epochs": 2}


@pytest.mark.parametrize(("n", "width"), [(12, 30), (12, 11), (40, 7)])
def test_with_frozen_features_the_first_label_is_that_of_claim_label_free(n, width):
    problem, linear = frozen_head_problem(n, width)
    result = Alternating(**EXACT).run(problem)
    wanted = mt.optimal_labels(linear, "label-free")
    # Each is a solve by Cholesky of K_RR, whose relative error is below r(3r + 1) u κ (Higham, Accuracy and Stability,
    # theorem 10.4): 6e-10 at most here, where other options move the label by more than 1e-6.
    r = len(linear.retain)
    rounding = r * (3 * r + 1) * np.finfo(float).eps / 2 * np.linalg.cond(linear.features[linear.retain]) ** 2
    assert np.abs(result.first_outputs - wanted).max() < 2 * rounding * np.abs(wanted).max() < 2e-9
    # Frozen means frozen, and the head did move.
    assert all(np.array_equal(a, b) for a, b in zip(result.params[:-2], problem.pretrained[:-2], strict=True))
    assert not np.array_equal(result.params[-2], problem.pretrained[-2])


@pytest.mark.parametrize("planted", [{"ridge": (1e-3, 1e-3), "projector": "ridge"}, {"subset": 0.5}])
def test_other_options_do_not_give_that_label(planted):
    problem, linear = frozen_head_problem(12, 30)
    result = Alternating(**(EXACT | planted)).run(problem)
    assert np.abs(result.first_outputs - mt.optimal_labels(linear, "label-free")).max() > 1e-6


def test_with_a_subset_the_label_is_that_of_claim_downsampling():
    problem, linear = frozen_head_problem(12, 30)
    result = Alternating(**(EXACT | {"subset": 0.5})).run(problem)
    chosen = np.sort(np.random.default_rng((0, 25)).permutation(9)[: round(0.5 * 9)])
    wanted = mt.optimal_labels(linear, "subsample", subset=problem.retain[chosen])
    assert np.abs(result.first_outputs - wanted).max() < 1e-10


def test_an_overdetermined_head_is_said_to_degenerate_with_numbers():
    problem, _ = frozen_head_problem(40, 7)
    result = Alternating(**EXACT).run(problem)
    assert result.head is not None
    assert result.head.degenerate
    assert (result.head.rows, result.head.features, result.head.rank, result.head.joint_rank) == (37, 8, 8, 8)
    assert result.head.removed < 1e-12
    assert result.head.label_shift < 1e-12
    own = problem.outputs(problem.pretrained, problem.forget)
    assert np.abs(result.first_outputs - own).max() < 1e-12
    assert "degenerate" in repr(result)
    assert "rank 8 of 8 features from 37 retained rows" in repr(result)


def test_an_overparameterised_head_is_not_said_to_degenerate():
    problem, _ = frozen_head_problem(12, 30)
    result = Alternating(**EXACT).run(problem)
    assert result.head is not None
    assert not result.head.degenerate
    assert (result.head.rank, result.head.joint_rank) == (9, 12)
    assert result.head.removed > 1e-2
    assert "degenerate" not in repr(result)


@pytest.mark.parametrize("shape", [(6, 10), (30, 10)])
@pytest.mark.parametrize("form", ["ridge", "woodbury"])
def test_both_ridge_forms_are_the_projector_they_claim_to_be(shape, form):
    Z = np.random.default_rng(1).standard_normal(shape)
    for ridge in (1e-6, 1e-2, 1.0):
        assert check_projector(row_projector(Z, ridge=ridge, form=form), Z, ridge=ridge).passed
        assert not check_projector(
            row_projector(Z, ridge=2 * ridge, form=form), Z, ridge=ridge, tolerance=1e-8
        ).passed
    assert check_projector(row_projector(Z), Z).passed


@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e6])
def test_a_projector_is_held_against_rows_that_count(scale):
    """One row; rows of unlike length; and rows that depend on each other, whose last singular values are rounding."""
    rng = np.random.default_rng(2)
    one = scale * rng.standard_normal((1, 5))
    unlike = np.vstack([one, 1e-5 * scale * rng.standard_normal((1, 5))])
    dependent = scale * rng.standard_normal((4, 2)) @ rng.standard_normal((2, 5))
    for rows, rank in ((one, 1), (unlike, 2), (dependent, 2)):
        q = np.linalg.svd(rows)[2][:rank]
        assert check_projector(q.T @ q, rows).passed
        assert np.abs(row_projector(rows) - q.T @ q).max() < 1e-9
        for other in (q[:-1], np.linalg.svd(rows)[2][1 : rank + 1]):  # a dimension less, and another one
            assert not check_projector(other.T @ other, rows).passed


@pytest.mark.parametrize("ridge", [1e-6, 1e-4, 1e-2])
def test_the_published_woodbury_rewrite_is_caught(ridge):
    Z = np.random.default_rng(1).standard_normal((6, 10))
    check = check_projector(row_projector(Z, ridge=ridge, form="published"), Z, ridge=ridge)
    assert not check.passed
    sigma = np.linalg.svd(Z, compute_uv=False)
    # About 1/ε too large: its largest eigenvalue is σ²/(ε(1 + σ²)).
    assert check.excess == pytest.approx(sigma[0] ** 2 / (1 + sigma[0] ** 2) / ridge - 1, rel=1e-6)
    assert "NOT" in repr(check)


def test_the_slip_shows_in_the_labels():
    problem, linear = frozen_head_problem(12, 30)
    wanted = mt.optimal_labels(linear, "label-free")
    small = {"ridge": (1e-6, 1e-6)}
    right = Alternating(**(EXACT | small | {"projector": "ridge"})).run(problem).first_outputs
    with np.errstate(all="ignore"):
        slip = Alternating(**(EXACT | small | {"projector": "published"})).run(problem).first_outputs
    assert np.abs(right - wanted).max() < 1e-3
    assert np.abs(slip - wanted).max() > 1e4


def test_an_epoch_tells_of_how_many_samples_its_labels_are_and_which_share_moved():
    problem = lazy_problem(epochs=100)
    F = problem.forget
    learned = problem.outputs(problem.pretrained, F).argmax(axis=1)
    for share, shift in ((0.0, 0), (1.0, 1), (0.5, np.array([0, 1]))):
        targets = problem.targets.copy()
        targets[F] = np.eye(3)[(learned + shift) % 3]
        method = Alternating.last_layer(epochs=1, subset=0.7, watch=0, projector="exact")
        (epoch,) = method.run(replace(problem, targets=targets)).history
        assert (epoch.rows, epoch.relabelled) == (7, share)


@pytest.mark.parametrize("kind", [Alternating, Published])
def test_both_algorithms_refuse_the_same_settings(kind):
    for settings in ({"subset": 0.0}, {"ridge": (-1.0, 0.0)}, {"ridge": (0.0, 1e-2)}, {"ridge_lag": -1}):
        with pytest.raises(BadInputError, match=next(iter(settings))):
            kind(**settings)
    for settings in ({"learning_rate": 0.0}, {"optimizer": "rmsprop"}, {"batch_size": 0}, {"seed": -1}):
        with pytest.raises(BadInputError, match=next(iter(settings))):
            kind(**settings)


def test_no_ridge_is_needed_where_nothing_is_inverted():
    assert Alternating(ridge=(0.0, 0.0), projector="exact").ridge_at(0) == 0
    assert Alternating(ridge=(0.0, 0.0), view="tangent").ridge_at(0) == 0


def test_the_ridge_follows_a_cosine_and_may_lag():
    method = Alternating(epochs=5, ridge=(1e-6, 1e-2))
    found = [method.ridge_at(epoch) for epoch in range(5)]
    assert found[0] == 1e-6
    assert found[2] == pytest.approx((1e-6 + 1e-2) / 2)
    assert found[-1] == pytest.approx(1e-2)
    late = replace(method, ridge_lag=1)
    assert [late.ridge_at(epoch) for epoch in range(5)] == [found[0], *found[:-1]]


def lazy_problem(width: int = 64, seed: int = 0, **recipe: object) -> NetworkProblem:
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((12, 5)), rng.integers(0, 3, 12)
    net = mlp([5, width, 3], "tanh", "ntk")
    return NetworkProblem.pretrain(
        net, X, y, forget=[2, 7], recipe=Recipe(**({"epochs": 10, "batch_size": 4} | recipe))
    )


def test_tangent_labels_are_those_of_the_linear_model_of_the_whole_network():
    problem = lazy_problem(loss="squared")
    linear = mt.networks.from_network(
        problem.net, problem.start, problem.X, problem.targets, forget=problem.forget
    )
    wanted = mt.optimal_labels(linear).reshape(2, 3) + problem.outputs(problem.start, problem.forget)
    found = tangent_labels(
        problem.net,
        problem.pretrained,
        problem.start,
        problem.start,
        problem.X[problem.retain],
        problem.X[problem.forget],
        problem.targets[problem.retain],
    )
    assert np.abs(found - wanted).max() < 1e-8
    assert np.abs(LinearisedLabels().labels(problem) - wanted).max() < 1e-8
    # For a model that is linear in its parameters, linearising elsewhere changes nothing; here it does.
    elsewhere = Alternating.corrected(rule="optimal", epochs=1, watch=0).run(problem).first_outputs
    assert np.abs(elsewhere - wanted).max() > 1e-3


def test_iteration_and_gram_solve_the_same_tangent_system(monkeypatch):
    problem = lazy_problem()
    residual = np.random.default_rng(3).standard_normal((10, 3))
    X = problem.X[problem.retain]
    direct = tangent_step(problem.net, problem.start, X, residual)
    monkeypatch.setattr("muso_theory.methods.tangent.DUAL_ROWS", 0)
    iterated = tangent_step(problem.net, problem.start, X, residual, iterations=500)
    assert np.abs(direct - iterated).max() < 1e-6
    assert np.abs(direct - tangent_step(problem.net, problem.start, X, residual, iterations=3)).max() > 1e-3


def test_a_linear_network_is_unlearned_by_scrubbing_and_by_minimum_norm_steps():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((8, 20)), rng.standard_normal((8, 2))
    net = Sequential((20,), (Dense(20, 2),))
    recipe = Recipe(loss="squared", optimizer="gd", learning_rate=0.2, epochs=1500, batch_size=None)
    problem = NetworkProblem.pretrain(net, X, y, forget=[0, 3], recipe=recipe).with_retrained()
    assert problem.relative_gaps(problem.pretrained)[0] == 1
    for method in (
        NtkScrubbing(ridge=0.0),
        LinearisedLabels(descent=Descent(1500, 0.2, "gd", None)),
        AnchoredOrthogonalGradient(descent=Descent(1)),
        Alternating.corrected(
            rule="optimal",
            ridge=(0.0, 0.0),
            optimizer="gd",
            learning_rate=0.2,
            batch_size=None,
            epochs=1500,
            watch=0,
            relabel_every=1500,
        ),
    ):
        gap = problem.relative_gaps(method(problem))[0]
        # Minimum-norm repairs with one epoch of Adam, which moves parameters that were right.
        assert gap < (0.1 if method.name == "orthogonal-gradient-anchored" else 1e-5), method.name
    assert (
        problem.relative_gaps(OrthogonalGradient(descent=Descent(1))(problem))[0] > 0.1
    )  # it measures from zero


@pytest.mark.parametrize("loss", ["cross-entropy", "squared"])
@pytest.mark.parametrize("name", METHODS)
def test_every_method_runs_leaves_its_problem_alone_and_repeats_to_the_bit(name, loss):
    problem = lazy_problem(width=8, loss=loss)
    before = [a.copy() for a in problem.pretrained]
    method = METHODS[name]()
    first, second = method(problem), method(problem)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(before, problem.pretrained, strict=True))
    if name != "none":
        assert problem.distance(first, problem.pretrained) > 0
    for field in (method.name, method.formula, method.source, method.exactness):
        assert field


def test_methods_work_on_a_convolutional_network_in_single_precision():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20, 4, 4, 1)).astype(np.float32)
    y = rng.integers(0, 3, 20)
    net = cnn((4, 4, 1), [3], 3)
    problem = NetworkProblem.pretrain(net, X, y, forget=[0, 1], recipe=Recipe(epochs=3)).with_retrained()
    for name, method in METHODS.items():
        assert all(a.dtype == np.float32 for a in method()(problem)), name
    assert Alternating.last_layer().run(problem).history[-1].parameter_gap is not None


def test_a_mask_moves_only_the_share_it_says():
    problem = lazy_problem()
    moved = problem.net.flatten(SaliencyRelabelling(fraction=0.25)(problem)) != problem.net.flatten(
        problem.pretrained
    )
    assert 0 < moved.sum() <= math.ceil(0.25 * moved.size)


def test_ascent_raises_the_forget_loss():
    problem = lazy_problem()
    found = GradientAscent(descent=Descent(1, 1e-3))(problem)
    before, after = (problem.mean_loss(p, problem.forget) for p in (problem.pretrained, found))
    assert after > before


def test_relabelling_every_batch_uses_the_current_features():
    problem = lazy_problem()
    options = {"labels": "soft", "subset": 1.0, "watch": 0, "learning_rate": 1e-2, "batch_size": 4}
    epoch = Alternating.last_layer(**options).run(problem)
    batch = Alternating.last_layer(**options, relabel="batch").run(problem)
    assert problem.distance(epoch.params, batch.params) > 0
    with pytest.raises(BadInputError, match="relabelling every epoch"):
        Alternating.corrected(relabel="batch")


def test_alignment_is_one_for_the_same_kernel_and_falls_with_training():
    problem = lazy_problem(width=8, epochs=200, learning_rate=1e-2)
    kernels = [
        empirical_ntk(problem.net, p, problem.X, contract="trace")
        for p in (problem.start, problem.pretrained)
    ]
    assert centred_alignment(kernels[0], 3 * kernels[0]) == pytest.approx(1)
    assert centred_alignment(*kernels) < 0.99
    history = Alternating.corrected(epochs=1, watch=12).run(problem).history
    assert history[0].alignment is not None
    assert history[0].alignment < 0.99


def test_convergence_is_measured():
    problem = lazy_problem(epochs=100)
    assert (
        Alternating.last_layer(epochs=1, learning_rate=1e-9).run(problem).convergence
        is not Convergence.DIVERGED
    )
    still = Alternating.corrected(linearised_at="start", epochs=3, learning_rate=1e-9, watch=0).run(problem)
    assert still.convergence is Convergence.SETTLED
    moving = Alternating.corrected(linearised_at="start", epochs=3, learning_rate=0.5, watch=0).run(problem)
    assert moving.convergence is Convergence.UNSETTLED
    assert FailureSign.NOT_CONVERGED in moving.signatures()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_divergence_is_told_and_refused():
    problem = lazy_problem(loss="squared")
    method = Alternating.corrected(optimizer="gd", learning_rate=50.0, epochs=30, watch=0)
    result = method.run(problem)
    assert result.convergence is Convergence.DIVERGED
    assert all(np.isfinite(a).all() for a in result.params)
    with pytest.raises(DivergedError, match="learning rate at which training converges"):
        method(problem)
    with pytest.raises(DivergedError):
        FineTuning(descent=Descent(optimizer="gd", learning_rate=50.0))(problem)
    # Finite, yet ruined.
    ruined = [100 * a for a in problem.pretrained]
    with pytest.raises(DivergedError, match="ten times"):
        problem.check_trained(ruined, 1.0)


@pytest.mark.parametrize("rule", ["label-free", "optimal"])
@pytest.mark.parametrize("rate", [1e6, 1e30])
def test_divergence_between_two_relabellings_is_told(rule, rate):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((12, 5)).astype(np.float32)
    problem = NetworkProblem.pretrain(
        mlp([5, 8, 8, 3]), X, rng.integers(0, 3, 12), forget=[2, 7], recipe=Recipe(epochs=3)
    )
    options = {"labels": "soft", "optimizer": "gd", "subset": 1.0, "batch_size": 2, "watch": 0}
    result = Alternating.last_layer(**options, relabel="batch", rule=rule, learning_rate=rate).run(problem)
    assert result.convergence is Convergence.DIVERGED
    assert all(np.isfinite(a).all() for a in result.params)


@pytest.mark.parametrize("loss", ["cross-entropy", "squared"])
def test_the_fisher_information_is_that_of_the_models_own_predictions(loss):
    problem = lazy_problem(width=4, loss=loss)
    samples = np.arange(12)[::-1]  # their order does not matter
    wanted = np.zeros(problem.net.n_params)
    for x in problem.X:
        f, J = (
            problem.net(problem.pretrained, x[None])[0],
            problem.net.jacobian(problem.pretrained, x[None])[0],
        )
        p = softmax(f[None])[0]
        for c in range(3):
            if loss == "squared":
                wanted += J[c] ** 2 / 12
            else:
                wanted += p[c] * (J[c] - p @ J) ** 2 / 12
    assert fisher_diagonal(problem, samples) == pytest.approx(wanted)


def test_relative_gaps_of_nothing_are_refused():
    problem = lazy_problem()
    with pytest.raises(BadInputError, match="a pretrained model apart from θ_r"):
        replace(problem, retrained=problem.pretrained).relative_gaps(problem.pretrained)


def test_a_joint_rank_cut_off_higher_is_still_degenerate():
    # Appended rows are so large that the small direction of the retained ones falls below the joint cut-off.
    _, condition = head_labels(
        np.diag([1.0, 1e-10]), np.array([[1e8, 0.0]]), np.zeros((2, 1)), np.ones((2, 1))
    )
    assert (condition.rank, condition.joint_rank) == (2, 1)
    assert condition.degenerate


def test_signatures_see_planted_failures_and_nothing_else():
    good = [Epoch(0, change, change, 1.0, alignment=0.99) for change in (0.5, 0.2, 0.05, 0.001)]
    assert signatures(good, Convergence.SETTLED) == ()
    assert signatures(good, Convergence.SETTLED, attack=(0.45, 0.6), null=(0.4, 0.55)) == ()
    assert signatures(good[::-1], Convergence.SETTLED) == (FailureSign.UNSTABLE_LABELS,)
    turned = [*good, replace(good[-1], alignment=0.2)]
    assert signatures(turned, Convergence.SETTLED) == (FailureSign.POOR_KERNEL,)
    assert signatures(good, Convergence.UNSETTLED) == (FailureSign.NOT_CONVERGED,)
    lost = signatures(good, Convergence.SETTLED, attack=(0.1, 0.3), null=(0.4, 0.6))
    assert lost == (FailureSign.OVER_FORGETTING,)
    leaking = signatures(good, Convergence.SETTLED, attack=(0.7, 0.8), null=(0.4, 0.6))
    assert leaking == (FailureSign.LEAKAGE,)


def test_a_subset_smaller_than_one_sample_is_refused():
    with pytest.raises(BadInputError, match=r"a subset of at least one sample.*0\.1 or more"):
        Alternating(subset=0.01).run(lazy_problem())


def test_cross_entropy_of_one_output_is_refused():
    problem = replace(frozen_head_problem(12, 5)[0], net=mlp([5, 5, 2], "tanh", "ntk"))
    single = mlp([5, 5, 1], "tanh")
    start = single.init(0)
    problem = NetworkProblem(single, problem.X, problem.targets[:, :1], [0], start, start)
    with pytest.raises(BadInputError, match="at least two outputs"):
        Alternating.last_layer().run(problem)


def test_fitted_logits_are_those_of_logistic_regression():
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    Z, y = rng.standard_normal((40, 4)), rng.integers(0, 3, 40)
    ridge = 0.05
    J = np.kron(Z, np.eye(3))
    delta = fitted_logits(J, np.zeros((40, 3)), np.eye(3)[y], ridge=ridge, iterations=500).reshape(4, 3)
    peer = LogisticRegression(C=1 / (ridge * 40), fit_intercept=False, tol=1e-10, max_iter=5000).fit(Z, y)
    assert np.abs(softmax(Z @ delta) - peer.predict_proba(Z)).max() < 1e-4
    short = fitted_logits(J, np.zeros((40, 3)), np.eye(3)[y], ridge=ridge, iterations=1).reshape(4, 3)
    assert np.abs(softmax(Z @ short) - peer.predict_proba(Z)).max() > 1e-3


def test_a_last_layer_that_is_not_linear_is_refused():
    rng = np.random.default_rng(0)
    net = Sequential((5,), (Dense(5, 3), Activation("tanh")))
    problem = NetworkProblem.pretrain(
        net, rng.standard_normal((8, 5)), rng.integers(0, 3, 8), forget=[0], recipe=Recipe(epochs=1)
    )
    with pytest.raises(BadInputError, match="last layer is dense"):
        Alternating.last_layer().run(problem)
    with pytest.raises(BadInputError, match="last layer is dense"):
        Alternating.corrected(frozen=True).run(problem)
    assert len(Alternating.corrected(epochs=1, watch=0).run(problem).history) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"view": "body"},
        {"rule": "closed-form"},
        {"labels": "crisp"},
        {"epochs": 0},
        {"subset": 0.0},
        {"ridge": (-1.0, 0.0)},
        {"ridge_lag": -1},
    ],
)
def test_unknown_options_are_refused(options):
    with pytest.raises(BadInputError):
        Alternating(**options)


@pytest.mark.parametrize(
    ("forget", "message"),
    [
        (np.zeros(12, dtype=bool), "at least one sample to forget"),
        (np.ones(12, dtype=bool), "at least one sample to retain"),
        ([12], "indices from 0 to 11"),
        ([1, 1], "distinct row indices"),
    ],
)
def test_forget_sets_that_are_none_are_refused(forget, message):
    problem = lazy_problem()
    with pytest.raises(BadInputError, match=message):
        replace(problem, forget=forget)


def test_class_indices_out_of_range_are_refused():
    with pytest.raises(BadInputError, match="class indices from 0 to 2"):
        replace(lazy_problem(), targets=np.full(12, 3))


def test_scrubbing_under_cross_entropy_uses_the_softmax_models():
    problem = lazy_problem(width=64, epochs=60, learning_rate=1e-2).with_retrained()
    found = NtkScrubbing()(problem)
    J = problem.net.jacobian(problem.pretrained, problem.X).reshape(12, 3, -1)
    offset = problem.net.flatten(problem.pretrained) - problem.net.flatten(problem.start)
    base = problem.outputs(problem.pretrained) - J @ offset
    steps = [
        fitted_logits(
            J[rows].reshape(-1, J.shape[2]), base[rows], problem.targets[rows], ridge=1e-2, iterations=50
        )
        for rows in (problem.retain, np.arange(12))
    ]
    wanted = problem.net.flatten(problem.pretrained) + steps[0] - steps[1]
    assert np.abs(problem.net.flatten(found) - wanted).max() < 1e-6
    assert np.abs(wanted - problem.net.flatten(problem.pretrained)).max() > 1e-3


@pytest.mark.parametrize("epochs", [1, 7, 60])
def test_of_a_linear_network_the_residual_is_predicted_to_rounding(epochs: int) -> None:
    """One layer is its own linearisation, so that all three runs of descent end where the closed forms say."""
    rng = np.random.default_rng(3)
    X, y = rng.standard_normal((8, 12)), rng.standard_normal((8, 2))
    recipe = Recipe("squared", "gd", 0.3, 40, None)
    problem = NetworkProblem.pretrain(mlp([12, 2], "identity", "ntk"), X, y, forget=[2, 5], recipe=recipe)
    predicted = predict_residual(problem, epochs)
    ended = LinearisedLabels(descent=Descent(epochs, 0.3, "gd", None))(problem)
    retrained = Retraining()(problem)

    def off(params: list[np.ndarray]) -> float:
        return math.hypot(*(np.linalg.norm(a - b) for a, b in zip(params, retrained, strict=True)))

    assert off(problem.pretrained) == pytest.approx(predicted.nothing, rel=1e-9)
    assert off(ended) == pytest.approx(predicted.unlearned, rel=1e-9)
    # The fewest steps to a share are those after which it is first reached.
    wanted = predicted.relative * 0.9
    steps = steps_to(problem, wanted)
    assert predict_residual(problem, steps).relative <= wanted < predict_residual(problem, steps - 1).relative
    with pytest.raises(BadInputError, match="a residual that descent reaches"):
        steps_to(problem, -1.0)


def test_labels_are_unstable_where_late_changes_are_large_and_no_smaller_than_early_ones():
    tolerance = 0.1
    changes = (0.0, 0.05, tolerance, 0.2, 0.3, math.inf, math.nan)
    for count in range(4):
        for history in itertools.product(changes, repeat=count):
            early, late = history[: count // 2], history[count // 2 :]
            grows = bool(early) and max(late) > tolerance and max(late) >= max(early)
            unstable = grows or not all(map(math.isfinite, history))
            epochs = [Epoch(0, change, 0.0, 1.0) for change in history]
            found = signatures(epochs, Convergence.SETTLED, tolerance=tolerance)
            assert (FailureSign.UNSTABLE_LABELS in found) is unstable, history
            assert (FailureSign.NOT_CONVERGED in found) is not all(map(math.isfinite, history))


def test_a_sign_begins_beyond_its_threshold():
    def seen(**settings):
        return signatures([Epoch(0, 0.0, 0.0, 1.0, alignment=0.5)], Convergence.SETTLED, **settings)

    assert seen(alignment=0.5) == seen(alignment=0.0) == ()
    assert seen(alignment=math.nextafter(0.5, 1)) == (FailureSign.POOR_KERNEL,)
    # Intervals that touch are not told apart.
    for attack, sign in (((0.5, 0.6), FailureSign.LEAKAGE), ((0.2, 0.3), FailureSign.OVER_FORGETTING)):
        apart = (0.3, 0.49) if sign is FailureSign.LEAKAGE else (0.31, 0.5)
        assert seen(alignment=0.0, attack=attack, null=apart) == (sign,)
        assert seen(alignment=0.0, attack=attack, null=(0.3, 0.5)) == ()


def test_features_of_a_head_are_those_of_all_samples_at_once():
    """However they are cut: 1,024 samples go through the layers below at a time."""
    net, rng = mlp([3, 5, 2], "tanh", "ntk"), np.random.default_rng(0)
    params = net.init(0)
    for n in (1, 1023, 1024, 1025, 2100):
        X = rng.standard_normal((n, 3))
        found = head_features(net, params, X)
        assert found.shape == (n, 6)
        np.testing.assert_allclose(found @ head_matrix(net, params), net(params, X), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("scale", [-1.0, 1.0])
def test_a_model_is_broken_beyond_ten_times_the_loss_of_the_untrained_one(scale):
    net = Sequential((2,), (Dense(2, 1),))
    X, y = np.random.default_rng(0).standard_normal((8, 2)), np.ones((8, 1))
    start = [np.zeros((2, 1)), np.zeros(1)]
    problem = NetworkProblem(net, X, y, [1, 4], start, start, Recipe(loss="squared"))
    for factor, broken in ((0.9999, False), (1.0001, True)):
        moved = [start[0], 1 + scale * np.sqrt(10 * factor) * np.ones(1)]  # (1 − b)² is 10 times the factor
        assert problem.is_broken(moved) is broken
    assert not problem.is_broken(start)
