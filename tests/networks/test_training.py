"""Training against what theory says of linear models, and the linearisation of a network."""

from __future__ import annotations

import numpy as np
import pytest

from muso_theory.errors import BadInputError
from muso_theory.networks import (
    cnn,
    empirical_ntk,
    linearise,
    loss_and_cotangent,
    mlp,
    train,
)
from muso_theory.networks.training import DivergedError


def data(n=6, d=4, k=1, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)), rng.standard_normal((n, k))


def test_gradient_descent_on_a_linear_model_is_its_closed_form():
    # w_T − w* = (I − ηΦᵀΦ)^T (w_0 − w*), claim gd-finite-time
    net = mlp([4, 2])
    X, y = data(k=2)
    params = net.init(0)
    Phi = np.hstack([X, np.ones((6, 1))])
    w0 = np.vstack([params[0], params[1]])
    best = np.linalg.lstsq(Phi, y, rcond=None)[0]
    eta, T = 0.02, 37
    wanted = best + np.linalg.matrix_power(np.eye(5) - eta * Phi.T @ Phi, T) @ (w0 - best)
    found = train(net, params, X, y, epochs=T, learning_rate=eta)
    assert np.allclose(np.vstack([found.params[0], found.params[1]]), wanted, rtol=0, atol=1e-12)
    assert found.steps == T
    assert len(found.losses) == T + 1
    wrong = train(net, params, X, y, epochs=T, learning_rate=1.001 * eta)
    assert not np.allclose(np.vstack([wrong.params[0], wrong.params[1]]), wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("optimizer", ["gd", "momentum", "nesterov"])
def test_descent_ends_at_the_minimum_norm_update_from_where_it_starts(optimizer):
    net = mlp([8, 1])
    X, y = data(4, 8)
    params = net.init(0)
    Phi, w0 = np.hstack([X, np.ones((4, 1))]), np.vstack([params[0], params[1][:, None]])
    wanted = w0 + np.linalg.pinv(Phi) @ (y - Phi @ w0)
    momentum = {} if optimizer == "gd" else {"momentum": 0.5}
    found = train(net, params, X, y, epochs=2000, learning_rate=0.03, optimizer=optimizer, **momentum).params
    assert np.allclose(np.vstack([found[0], found[1][:, None]]), wanted, rtol=0, atol=1e-10)


def test_adam_leaves_the_row_space():
    # claim adaptive-optimizer: the same problem, another limit
    net = mlp([8, 1])
    X, y = data(4, 8)
    params = net.init(0)
    Phi, w0 = np.hstack([X, np.ones((4, 1))]), np.vstack([params[0], params[1][:, None]])
    found = train(net, params, X, y, epochs=4000, learning_rate=0.01, optimizer="adam")
    w = np.vstack([found.params[0], found.params[1][:, None]])
    assert found.losses[-1] < 1e-10
    P = np.linalg.pinv(Phi) @ Phi
    assert np.linalg.norm((np.eye(9) - P) @ (w - w0)) > 1e-3


def test_adam_follows_its_recursion():
    net = mlp([3, 5, 1], "tanh")
    X, y = data(5, 3)
    params = net.init(0)
    theta, m, v = net.flatten(params), 0.0, 0.0
    for t in range(1, 6):
        current = net.unflatten(theta)
        g = net.flatten(net.vjp(current, X, net(current, X) - y))
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        theta = theta - 0.01 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    found = train(net, params, X, y, epochs=5, learning_rate=0.01, optimizer="adam")
    assert np.allclose(net.flatten(found.params), theta, rtol=0, atol=1e-14)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["gd", "momentum", "nesterov", "adam"])
@pytest.mark.parametrize("loss", ["squared", "cross-entropy"])
def test_training_learns_and_repeats_bit_for_bit(optimizer, loss):
    net = cnn((4, 4, 1), [3], 3, activation="tanh")
    rng = np.random.default_rng(0)
    X, labels = rng.standard_normal((12, 4, 4, 1)), rng.integers(0, 3, 12)
    targets = labels if loss == "cross-entropy" else np.eye(3)[labels]
    settings = {"epochs": 150, "learning_rate": 0.02, "optimizer": optimizer, "loss": loss, "batch_size": 5}
    params = net.init(0)
    before = [p.copy() for p in params]
    first = train(net, params, X, targets, seed=3, **settings)
    again = train(net, params, X, targets, seed=3, **settings)
    other = train(net, params, X, targets, seed=4, **settings)
    assert first.losses[-1] < 0.05 * first.losses[0]
    assert first.steps == 150 * 3
    assert all(np.array_equal(a, b) for a, b in zip(first.params, again.params, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first.params, other.params, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(params, before, strict=True))


def test_losses_agree_with_their_definitions_and_complex_step_derivatives():
    rng = np.random.default_rng(0)
    f, labels = rng.standard_normal((4, 3)), np.array([0, 2, 1, 2])
    soft = rng.dirichlet(np.ones(3), 4)
    softmax = np.exp(f) / np.exp(f).sum(axis=1, keepdims=True)
    value, cotangent = loss_and_cotangent(f, labels, "cross-entropy")
    assert np.isclose(value, -np.log(softmax[range(4), labels]).sum())
    assert np.allclose(cotangent, softmax - np.eye(3)[labels])
    value, cotangent = loss_and_cotangent(f, soft, "cross-entropy")
    assert np.isclose(value, -(soft * np.log(softmax)).sum())
    v = rng.standard_normal((4, 3))
    z = f + 1e-30j * v
    derivative = -(soft * (z - np.log(np.exp(z).sum(axis=1, keepdims=True)))).sum().imag / 1e-30
    assert np.isclose((cotangent * v).sum(), derivative)
    huge = loss_and_cotangent(1e4 * f, labels, "cross-entropy")
    assert np.isfinite(huge[0])
    assert np.isfinite(huge[1]).all()


def test_mean_reduction_divides_the_step():
    net = mlp([3, 4, 1], "tanh")
    X, y = data(5, 3)
    params = net.init(0)
    summed = train(net, params, X, y, epochs=3, learning_rate=0.01)
    mean = train(net, params, X, y, epochs=3, learning_rate=0.05, reduction="mean")
    assert np.allclose(net.flatten(summed.params), net.flatten(mean.params), rtol=1e-12)


def test_tolerance_stops_and_callbacks_see_every_record():
    net = mlp([4, 1])
    X, y = data(3)
    seen = []
    found = train(
        net,
        net.init(0),
        X,
        y,
        epochs=10_000,
        learning_rate=0.05,
        tolerance=1e-8,
        record_every=10,
        callback=lambda epoch, params: seen.append(epoch),
    )
    assert found.converged
    assert found.losses[-1] <= 1e-8 < found.losses[-2]
    assert seen == list(range(0, found.steps + 1, 10))
    assert "steps" in repr(found)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"loss": "sqared"}, "try 'squared'"),
        ({"optimizer": "adm"}, "try 'adam'"),
        ({"learning_rate": 0.0}, "positive learning rate"),
        ({"learning_rate": 50.0, "epochs": 400}, "at which training converges"),
        ({"batch_size": 0}, "batch_size"),
        ({"momentum": 1.0}, "momentum"),
        ({"momentum": 0.5, "optimizer": "adam"}, "momentum with optimizer momentum, nesterov only"),
        ({"reduction": "max"}, "reduction"),
        ({"targets": np.ones((5, 2))}, r"targets \(6, 1\)"),
        ({"targets": np.ones((4, 1))}, "6 targets"),
        ({"loss": "cross-entropy"}, "at least two outputs"),
    ],
)
def test_bad_settings_are_refused_with_a_hint(options, words):
    net = mlp([4, 1])
    X, y = data()
    if options.get("targets") is not None and len(options["targets"]) == 5:
        options = {"targets": np.ones((6, 2))}
    settings = {"targets": y, "epochs": 2, "learning_rate": 0.1, **options}
    with pytest.raises(BadInputError, match=words):
        train(net, net.init(0), X, **settings)


def test_cross_entropy_refuses_what_is_no_distribution():
    f = np.zeros((2, 3))
    for targets, words in (
        (np.array([0, 3]), "below 3"),
        (np.ones((2, 3)), "distributions"),
        (np.ones(2), "class indices"),
    ):
        with pytest.raises(BadInputError, match=words):
            loss_and_cotangent(f, targets, "cross-entropy")


# --- linearisation -------------------------------------------------------------------------------------------------


def test_linearisation_is_a_linear_model_of_n_times_k_rows():
    net = mlp([4, 20, 3], "gelu", "ntk")
    params, (X, y) = net.init(0), data(5, 4, 3)
    by_gram, by_features = linearise(net, params, X), linearise(net, params, X, max_features=10**6)
    assert by_gram.features is None
    assert by_features.gram is None
    J = net.jacobian(params, X).reshape(15, -1)
    assert np.array_equal(by_features.features, J)
    assert np.allclose(by_gram.gram, J @ J.T, rtol=1e-12)
    assert np.allclose(by_gram.gram, empirical_ntk(net, params, X).reshape(15, 15))
    assert np.allclose(by_gram.targets(y), (y - net(params, X)).ravel())
    assert list(by_gram.rows(np.array([False, True, False, False, True]))) == [3, 4, 5, 12, 13, 14]
    assert by_features.n_params == net.n_params
    few = mlp([2, 1])
    assert linearise(few, few.init(0), np.ones((5, 2))).features is not None


def test_linearisation_is_the_tangent():
    net = mlp([4, 20, 3], "tanh")
    params, (X, _) = net.init(0), data(5)
    linear = linearise(net, params, X, max_features=10**6)
    step = np.random.default_rng(1).standard_normal(net.n_params)
    theta = net.flatten(params)
    errors = []
    for t in (1e-2, 1e-3):
        exact = net(net.unflatten(theta + t * step), X)
        errors.append(abs(exact - linear.outputs - t * (linear.features @ step).reshape(5, 3)).max())
    assert 80 < errors[0] / errors[1] < 120


def test_linearisation_refuses_targets_and_samples_that_do_not_fit():
    net = mlp([4, 3])
    linear = linearise(net, net.init(0), np.ones((5, 4)))
    with pytest.raises(BadInputError, match=r"targets \(5, 3\)"):
        linear.targets(np.ones(5))
    with pytest.raises(BadInputError, match="samples below 5"):
        linear.rows(np.array([5]))


def test_the_hint_of_a_diverged_run_leads_to_one_that_converges():
    net = mlp([4, 2])
    X, y = data(k=2)
    rate, tried = 1e6, 0
    while True:
        try:
            train(net, net.init(0), X, y, epochs=400, learning_rate=rate)
            break
        except DivergedError as error:
            hint = float(str(error).rpartition("try ")[2])
            assert hint == pytest.approx(rate / 4, rel=1e-2)  # a quarter, to three digits
            rate, tried = hint, tried + 1
    assert tried > 5
    assert rate > 1e-3
