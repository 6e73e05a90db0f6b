"""Problems of linearised networks: the Jacobian as features, or only its Gram, and the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.commands.cli import main
from muso_theory.networks import mlp, save


@pytest.mark.parametrize("outputs", [1, 2])
def test_claims_hold_for_the_tangent_and_its_gram_alike(outputs: int) -> None:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((9, 4))
    y = rng.standard_normal((9, outputs) if outputs > 1 else 9)
    net = mlp([4, 30, outputs], activation="erf", parameterization="ntk")
    params = net.init(1)
    by_features = mt.networks.from_network(net, params, X, y, forget=[2, 7], dual=False)
    by_gram = mt.networks.from_network(net, params, X, y, forget=[2, 7])
    J = net.jacobian(params, X).reshape(9 * outputs, -1)
    np.testing.assert_allclose(by_features.features, J, rtol=1e-12)
    np.testing.assert_allclose(by_features.targets, (y.reshape(9, -1) - net(params, X)).ravel(), rtol=1e-12)
    assert by_gram.features.shape == (9 * outputs, 9 * outputs)
    assert by_gram.tangent.by_gram
    assert by_gram.n_parameters == by_features.n_parameters == net.n_params
    assert len(by_features.forget) == 2 * outputs
    np.testing.assert_allclose(
        mt.solve(by_gram).pretrained_gap, mt.solve(by_features).pretrained_gap, rtol=1e-8
    )
    np.testing.assert_allclose(
        mt.optimal_labels(by_gram), mt.optimal_labels(by_features), rtol=1e-7, atol=1e-9
    )
    for problem in (by_features, by_gram):
        verdicts = {e.verdict for e in mt.check(problem).values()}
        assert verdicts == {mt.Verdict.CERTIFIED, mt.Verdict.PROVED}
        wrong = mt.check(problem, ["exact-labels"], labels=mt.optimal_labels(problem) + 1)
        assert wrong.verdict is mt.Verdict.REFUTED


def test_refusals() -> None:
    net = mlp([4, 5, 1], activation="erf")
    params, X = net.init(0), np.ones((3, 4))
    with pytest.raises(mt.BadInputError, match=r"positive definite.*max_bytes=744"):  # equal inputs
        mt.networks.from_network(net, params, X, np.ones(3), forget=[0], max_bytes=0)
    with pytest.raises(mt.BadInputError, match="positive definite"):
        mt.networks.from_network(net, params, X, np.ones(3), forget=[0], dual=True)
    with pytest.raises(mt.BadInputError, match=r"at most 10 bytes.*744 bytes"):
        mt.networks.from_network(net, params, X, np.ones(3), forget=[0], dual=False, max_bytes=10)
    by_features = mt.networks.from_network(net, params, X, np.ones(3), forget=[0])
    assert not by_features.tangent.by_gram  # a singular Gram: the Jacobian is used, and the problem says so
    assert by_features.features.shape == (3, net.n_params)
    with pytest.raises(mt.BadInputError, match="at least one sample to retain"):
        mt.networks.from_network(net, params, X, np.ones(3), forget=[0, 1, 2])
    with pytest.raises(mt.BadInputError):
        mt.networks.from_network(net, params, np.ones((3, 5)), np.ones(3), forget=[0])


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    data = tmp_path / "data.npz"
    np.savez(data, X=rng.standard_normal((12, 3)), y=rng.standard_normal(12), forget=[1, 5])
    net = mlp([3, 20, 1], activation="tanh")
    save(tmp_path / "net.npz", net, net.init(3))
    for words, status in (("mlp:3-20-1:erf", 0), (str(tmp_path / "net.npz"), 0), ("mlp:3", 2), ("cnn:3", 2)):
        with pytest.raises(SystemExit) as ended:
            main(["check", str(data), "--network", words])
        assert ended.value.code == status, capsys.readouterr().err
    assert "claim linearised-network: proved in general" in capsys.readouterr().out
