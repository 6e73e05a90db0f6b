"""Batch norm and dropout: what training computes, what evaluation reads, and that derivatives hold the statistics."""

from __future__ import annotations

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.errors import BadInputError
from muso_theory.networks import (
    Activation,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    GlobalAvgPool,
    Residual,
    Sequential,
    empirical_ntk,
    finite_differences,
    fit_statistics,
    from_network,
    mlp,
    resnet8,
    train,
)

NET = Sequential(
    (5, 5, 2),
    (
        Conv2D(2, 4, (3, 3), bias=False),
        BatchNorm(4),
        Activation("tanh"),
        Dropout(0.3),
        Residual((Conv2D(4, 4, (3, 3)), BatchNorm(4), Dropout(0.5, whole=True))),
        GlobalAvgPool(),
        Dense(4, 2),
    ),
)
RNG = np.random.default_rng(0)
X, U = RNG.standard_normal((4, 5, 5, 2)), RNG.standard_normal((4, 2))


def in_training(params, seed=7):
    return NET.chain.forward_training(params, X, np.random.default_rng(seed))


def gradient_error(params):
    """Largest relative difference between the gradient in training and differences of the loss."""
    _, cache, _ = in_training(params)
    gradient = NET.pull_back(params, cache, U)
    rng, worst = np.random.default_rng(1), 0.0
    for index in np.flatnonzero(NET.trainable):
        direction = rng.standard_normal(params[index].shape)

        def loss(t, index=index, direction=direction):
            moved = [a + t * direction if i == index else a for i, a in enumerate(params)]
            return float((in_training(moved)[0] * U).sum())

        wanted = (loss(1e-5) - loss(-1e-5)) / 2e-5
        found = float((gradient[index] * direction).sum())
        worst = max(worst, abs(found - wanted) / max(abs(wanted), 1e-3))
    assert all(not g.any() for g, moves in zip(gradient, NET.trainable, strict=True) if not moves)
    return worst


def test_gradients_in_training_pass_through_the_statistics(monkeypatch):
    params = NET.init(1)
    assert gradient_error(params) < 1e-6
    right = BatchNorm.pull

    def held(self, p, cache, cotangent):
        return right(self, p, (cache[0], cache[1].reshape(-1), False), cotangent)

    monkeypatch.setattr(BatchNorm, "pull", held)  # a gradient that holds the batch's statistics is told apart
    assert gradient_error(params) > 1e-3


def test_batch_statistics_by_hand():
    layer, x = BatchNorm(2, momentum=0.25), np.random.default_rng(3).standard_normal((6, 2, 3, 2))
    p = [np.array([1.0, 2.0]), np.array([0.0, 1.0]), np.array([5.0, 6.0]), np.array([7.0, 8.0])]
    y, _, after = layer.forward_training(p, x, np.random.default_rng(0))
    for channel in range(2):
        values = x[..., channel]
        normal = (values - values.mean()) / np.sqrt(values.var() + 1e-5)
        assert np.allclose(y[..., channel], p[0][channel] * normal + p[1][channel], rtol=1e-12)
        assert np.isclose(after[2][channel], 0.75 * p[2][channel] + 0.25 * values.mean())
        assert np.isclose(after[3][channel], 0.75 * p[3][channel] + 0.25 * values.var(ddof=1))
        evaluated = layer.forward(p, x)[0][..., channel]
        wanted = p[0][channel] * (values - p[2][channel]) / np.sqrt(p[3][channel] + 1e-5) + p[1][channel]
        assert np.allclose(evaluated, wanted, rtol=1e-12)


def test_a_network_in_evaluation_treats_samples_alone_and_in_training_together():
    params = NET.init(1)
    assert np.allclose(NET(params, X)[:2], NET(params, X[:2]), rtol=1e-13, atol=1e-14)
    alone = NET.chain.forward_training(params, X[:2], np.random.default_rng(7))[0]
    assert abs(in_training(params)[0][:2] - alone).max() > 1e-2


def test_derivatives_hold_running_statistics():
    params, rng = NET.init(1), np.random.default_rng(2)
    J = NET.jacobian(params, X)
    held = np.repeat(np.logical_not(NET.trainable), [a.size for a in params])
    assert held.sum() == 16
    assert not J[:, :, held].any()
    assert np.allclose(J, finite_differences(NET, params, X, "complex-step")[0], rtol=1e-12, atol=1e-14)
    tangent = [rng.standard_normal(a.shape) for a in params]
    without = [t * moves for t, moves in zip(tangent, NET.trainable, strict=True)]
    assert np.array_equal(NET.jvp(params, X, tangent), NET.jvp(params, X, without))


@pytest.mark.parametrize("optimizer", ["gd", "momentum", "nesterov", "adam", "adamw"])
def test_training_moves_statistics_by_the_batches_and_nothing_else(optimizer):
    net = Sequential((3,), (Dense(3, 4), BatchNorm(4), Activation("tanh"), Dense(4, 1)))
    params, x = net.init(0), np.random.default_rng(0).standard_normal((8, 3))
    trained = train(
        net, params, x, x[:, :1], epochs=2, learning_rate=0.0 + 1e-12, optimizer=optimizer, weight_decay=0.1
    ).params
    mean, variance = params[4], params[5]
    hidden = x @ params[0] + params[1]
    for _ in range(2):
        mean = 0.9 * mean + 0.1 * hidden.mean(axis=0)
        variance = 0.9 * variance + 0.1 * hidden.var(axis=0, ddof=1)
    assert np.allclose(trained[4], mean, rtol=1e-9)
    assert np.allclose(trained[5], variance, rtol=1e-9)


def test_training_is_seeded_and_learns():
    one = train(NET, NET.init(1), X, U, epochs=40, learning_rate=0.02, batch_size=2, seed=3)
    two = train(NET, NET.init(1), X, U, epochs=40, learning_rate=0.02, batch_size=2, seed=3)
    assert all(map(np.array_equal, one.params, two.params))
    other = train(NET, NET.init(1), X, U, epochs=40, learning_rate=0.02, batch_size=4, seed=4)
    third = train(NET, NET.init(1), X, U, epochs=40, learning_rate=0.02, batch_size=4, seed=5)
    assert not np.array_equal(
        other.params[0], third.params[0]
    )  # one batch an epoch: only what is dropped differs
    plain = Sequential(
        NET.input_shape, tuple(layer for layer in NET.layers if not isinstance(layer, Dropout))
    )
    learned = train(plain, plain.init(1), X, U, epochs=300, learning_rate=0.02)
    assert learned.losses[-1] < 0.7 * learned.losses[0]


def test_dropout_keeps_its_mean_and_drops_whole_samples():
    x = np.ones((4000, 3))
    y = Dropout(0.25).forward_training([], x, np.random.default_rng(0))[0]
    assert set(np.unique(y)) == {0.0, 1 / 0.75}
    assert abs(y.mean() - 1) < 5 * np.sqrt(1 / 3 / y.size)
    whole = Dropout(0.25, whole=True).forward_training([], x, np.random.default_rng(0))[0]
    assert (whole == whole[:, :1]).all()
    assert np.array_equal(Dropout(0.25).forward([], x)[0], x)


def test_a_batch_of_one_is_refused_in_training():
    with pytest.raises(
        BadInputError, match=r"at least two samples in training, for the statistics of batch_norm 4"
    ):
        train(NET, NET.init(0), X, U, epochs=1, learning_rate=0.1, batch_size=3)
    assert NET(NET.init(0), X[:1]).shape == (1, 2)


def test_a_negative_running_variance_is_refused():
    params = NET.init(0)
    params[4] = -params[4]
    with pytest.raises(BadInputError, match="running variances of at least 0"):
        NET(params, X)


# --- statistics as part of the map of a linearised network ----------------------------------------------------------

IMAGES = np.random.default_rng(5).standard_normal((12, 8, 8, 1))
IMAGES[:3] += 2.0  # what is forgotten is unlike the rest
Y = np.random.default_rng(6).standard_normal(12)


def linearised(statistics):
    net = resnet8(1, (8, 8, 1))
    return from_network(net, net.init(0), IMAGES, Y, forget=[0, 1, 2], statistics=statistics)


def test_statistics_of_samples_are_those_of_one_batch():
    params = NET.init(1)
    fitted = fit_statistics(NET, params, X)
    hidden = NET.layers[0].forward(params[:1], X)[0]
    assert np.allclose(fitted[3], hidden.mean(axis=(0, 1, 2)), rtol=1e-12)
    assert np.allclose(fitted[4], hidden.reshape(-1, 4).var(axis=0, ddof=1), rtol=1e-12)
    same = [np.array_equal(a, b) for a, b in zip(params, fitted, strict=True)]
    assert same == list(NET.trainable)
    with pytest.raises(BadInputError, match="a network with batch norm"):
        fit_statistics(mlp([3, 1]), mlp([3, 1]).init(0), np.ones((2, 3)))
    with pytest.raises(BadInputError, match="at least two samples, for their variance"):
        fit_statistics(NET, params, X[:1])


def test_a_map_whose_statistics_know_the_forget_set_is_told_so():
    free, knows = (mt.check(linearised(one), claims=["map-free-of-forget"]) for one in ("retain", "all"))
    assert free["map-free-of-forget"].verdict is mt.Verdict.MEASURED
    assert knows["map-free-of-forget"].verdict is mt.Verdict.VACUOUS
    assert linearised(None).map_fitted_on == "unknown"
    assert any("statistics" in str(row) for row in linearised(None).understood)


def test_theorems_hold_of_either_map_and_only_one_is_that_of_retraining():
    """Labels are exact with frozen statistics, whoever they are of; a model whose statistics know F is another one."""
    free, knows = linearised("retain"), linearised("all")
    for problem in (free, knows):
        assert mt.check(problem, claims=["exact-labels"])["exact-labels"].verdict is mt.Verdict.CERTIFIED
    retain = np.arange(3, 12)
    net = resnet8(1, (8, 8, 1))
    start = net.init(0)
    outputs = {}
    for name, samples in (("retain", retain), ("all", np.arange(12)), ("again", retain[::-1])):
        params = fit_statistics(net, start, IMAGES[samples])
        kernel = empirical_ntk(net, params, IMAGES).reshape(12, 12)
        out = net(params, IMAGES).ravel()
        weights = np.linalg.solve(kernel[np.ix_(retain, retain)], (Y - out)[retain])
        outputs[name] = out + kernel[:, retain] @ weights  # retrained on R, at the samples to forget
    gap = abs(outputs["all"] - outputs["retain"])[:3].max()
    assert gap > 0.05 * abs(outputs["retain"][:3]).max()
    assert abs(outputs["again"] - outputs["retain"]).max() < 1e-6  # the order of R leaves it as it is
