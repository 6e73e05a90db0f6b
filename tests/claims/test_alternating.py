"""Claim 25: the algorithm's first label against label-free, on networks, and planted slips that must be seen."""

from __future__ import annotations

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.methods import head as labels
from muso_theory.networks import Activation, Dense, Sequential, mlp
from tests.zoo import ZOO

SLUG = "alternating"


def tangent_problem(n: int = 10, width: int = 20, outputs: int = 2) -> mt.UnlearningProblem:
    rng = np.random.default_rng(0)
    net = mlp([4, width, outputs], "erf", "ntk")
    X, y = rng.standard_normal((n, 4)), rng.standard_normal((n, outputs))
    return mt.networks.from_network(net, net.init(1), X, y, forget=[2, 7])


@pytest.mark.parametrize(("n", "width", "outputs"), [(10, 20, 2), (10, 20, 1), (40, 6, 3)])
def test_the_first_label_is_that_of_label_free(n, width, outputs) -> None:
    evidence = mt.check(tangent_problem(n, width, outputs), SLUG)[SLUG]
    assert evidence.verdict is mt.Verdict.MEASURED, evidence.summary
    assert evidence.bound < 1e-9
    assert ("degenerate" in evidence.facts[0]) is (n > width)


@pytest.mark.parametrize(
    "slip",
    [
        lambda P: P * 1.001,
        lambda P: np.eye(len(P)),
        lambda P: P / 1e-4,
    ],
    ids=["scaled", "identity", "woodbury slip"],
)
def test_a_wrong_projector_is_seen(slip, monkeypatch) -> None:
    right = labels.row_projector
    monkeypatch.setattr(labels, "row_projector", lambda Z, **options: slip(right(Z, **options)))
    evidence = mt.check(tangent_problem(), SLUG)[SLUG]
    assert evidence.verdict is mt.Verdict.UNDECIDED  # a float refutes nothing
    assert evidence.bound > 1e-4


def test_it_needs_a_network_with_a_linear_head() -> None:
    plain = ZOO["over-parameterised"]()
    assert SLUG not in mt.check(plain)
    named = mt.check(plain, [SLUG])[SLUG]
    assert named.verdict is mt.Verdict.VACUOUS
    assert named.failed[0][0] == "from-network"
    net = Sequential((3,), (Dense(3, 2), Activation("tanh")))
    X = np.random.default_rng(0).standard_normal((5, 3))
    bent = mt.networks.from_network(net, net.init(0), X, X[:, :2], forget=[0])
    evidence = mt.check(bent, [SLUG])[SLUG]
    assert evidence.verdict is mt.Verdict.VACUOUS
    assert evidence.failed[0][0] == "linear-head"
