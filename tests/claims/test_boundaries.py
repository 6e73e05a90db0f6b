"""Checks of claims at their edges: no network, outputs far from zero, scales below one, steps on the boundary."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.claims.dynamics import ExplicitDescent
from muso_theory.claims.tangents import _slopes
from muso_theory.evidence import Verdict
from muso_theory.linear.closed_forms import ClosedForms, float_model
from muso_theory.networks import mlp
from muso_theory.numbers import BALL, FLOAT64, RATIONAL


def tangent_problem(scale: float = 1.0) -> tuple[mt.UnlearningProblem, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    net = mlp([4, 12, 2], "erf", "ntk")
    X, y = rng.standard_normal((8, 4)), rng.standard_normal((8, 2))
    return mt.networks.from_network(net, net.init(1), X, scale * y, forget=[2, 7]), X, scale * y


def test_a_head_that_is_not_there_is_not_linear_whatever_is_said() -> None:
    problem = mt.UnlearningProblem(np.eye(3), np.ones(3), [1])
    found = mt.check(problem, ["linear-head"], asserted=["from-network", "linear-head"])
    assert found["linear-head"].verdict is not Verdict.PROVED
    good = mt.check(tangent_problem()[0], ["linear-head"])["linear-head"]
    assert good.verdict is Verdict.PROVED


def test_the_alternating_algorithm_is_given_the_targets_of_the_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problem, X, y = tangent_problem()
    given: list[np.ndarray] = []

    made = mt.networks.NetworkProblem

    def spy(net: Any, inputs: Any, targets: Any, *rest: Any) -> Any:
        given.extend([np.asarray(inputs), np.asarray(targets)])
        return made(net, inputs, targets, *rest)

    monkeypatch.setattr(mt.networks, "NetworkProblem", spy)
    assert mt.check(problem, ["alternating"])["alternating"].verdict is Verdict.MEASURED
    np.testing.assert_array_equal(given[0], X)
    np.testing.assert_allclose(given[1], y, atol=1e-14)


def test_a_large_constant_output_costs_no_digits_of_its_derivative() -> None:
    """The step of the difference grows with the outputs, whose rounding would drown a shorter one."""
    rng = np.random.default_rng(1)
    net = mlp([3, 16, 1], "relu", "ntk")
    params = list(net.init(0))
    params[-1] = params[-1] + 1e6
    X = rng.standard_normal((6, 3))
    problem = mt.networks.from_network(net, params, X, np.zeros(6), forget=[1])
    direction = [np.zeros_like(p) for p in params]
    direction[-2] = rng.standard_normal(params[-2].shape)  # the last layer, in which the network is linear
    jacobian = net.jacobian(params, X).reshape(6, -1)
    predicted = jacobian @ np.concatenate([d.ravel() for d in direction])
    slopes, how = _slopes(problem.tangent, direction, predicted)
    assert how == "central differences"
    assert float(np.abs(slopes - predicted).max()) < 1e-7 * float(np.abs(predicted).max())


def test_gaps_below_one_are_held_against_their_own_size() -> None:
    """Shrunk data must not make the tolerance of the adaptive claim larger than the distances it is about."""
    rng = np.random.default_rng(2)
    phi, y, w0 = rng.standard_normal((4, 7)), rng.standard_normal(4), rng.standard_normal(7)
    limits = {}
    for scale in (1.0, 2.0**-10):
        problem = mt.UnlearningProblem(phi, scale * y, [1], scale * w0)
        found = mt.check(problem, ["adaptive-optimizer"], "float64")["adaptive-optimizer"]
        limits[scale] = [float(finding.allowed.lower) for finding in found.findings]
    # Weight decay to zero scales with the data, and so does what it is held against.
    assert limits[2.0**-10][1] == pytest.approx(limits[1.0][1] * 2.0**-20, rel=1e-3)


def test_a_step_on_the_boundary_of_ostrowski_and_reich_is_left_to_the_radius() -> None:
    """γ‖φ‖² = 2 for one sample is what the paper trains with: that alone neither proves nor refutes stability."""
    problem = mt.UnlearningProblem(np.array([[2, 0, 0], [1, 1, 0], [0, 1, 1]]), np.ones(3, dtype=int), [1])
    found = mt.check(problem, ["stable-step"], "rational", optimizer="cyclic-sgd", lr=0.5)["stable-step"]
    assert found.verdict is Verdict.MEASURED
    assert "radius" in str(found.facts)
    below = mt.check(problem, ["stable-step"], "rational", optimizer="cyclic-sgd", lr=0.25)["stable-step"]
    assert below.verdict is Verdict.PROVED


def test_where_no_step_is_named_an_adaptive_method_is_tried_with_a_hundredth() -> None:
    rng = np.random.default_rng(3)
    problem = mt.UnlearningProblem(rng.standard_normal((4, 7)), rng.standard_normal(4), [1])
    found = [
        mt.check(problem, ["optimizer-in-span"], "float64", optimizer="adam", epochs=epochs, lr=lr)[
            "optimizer-in-span"
        ]
        for epochs, lr in ((None, None), (None, 0.01), (None, 1.01))
    ]
    assert str(found[0].findings) == str(found[1].findings) != str(found[2].findings)
    assert found[0].verdict is not Verdict.PROVED


@pytest.mark.parametrize("arithmetic", [FLOAT64, BALL(128), RATIONAL])
def test_a_step_that_is_taken_is_stable_and_the_same_in_every_arithmetic(arithmetic: Any) -> None:
    """1/‖K‖_∞ where there is K, 1/(‖Φᵀ‖_∞‖Φ‖_∞) where it would be larger than Φ: at most 1/λ_max."""
    for n, d in ((3, 7), (7, 3)):
        phi = np.random.default_rng(n).standard_normal((n, d))
        problem = mt.UnlearningProblem(phi, np.ones(n), [1])
        eta = ExplicitDescent(ClosedForms(problem, arithmetic)).eta
        ordered = phi[[*(i for i in range(n) if i != 1), 1]]
        if n < d:
            assert eta == pytest.approx(1 / np.abs(ordered @ ordered.T).sum(axis=1).max(), rel=1e-14)
        else:
            bound = np.abs(phi).sum(axis=1).max() * np.abs(phi).sum(axis=0).max()
            assert eta == pytest.approx(1 / bound, rel=1e-14)
        assert 0.1 < eta * np.linalg.norm(phi, 2) ** 2 <= 1


@pytest.mark.parametrize("length", range(1, 50))
def test_a_step_is_not_longer_than_its_bound_by_rounding(length: int) -> None:
    """λ_max is the length of a row, or of the only column; 1/5 as a float is more than a fifth, and so is 1/41."""
    rows = np.kron(np.eye(2, dtype=int), np.ones((1, length), dtype=int))
    of_floats = rows.astype(float)
    of_fractions = np.array([[Fraction(int(a)) for a in row] for row in rows])
    column = np.ones((length + 1, 1))
    for phi, largest in ((rows, length), (of_floats, length), (of_fractions, length), (column, length + 1)):
        problem = mt.UnlearningProblem(phi, np.arange(len(phi)) + 1, [0])
        share = Fraction(ExplicitDescent(float_model(problem)).eta) * largest
        assert 1 - Fraction(1, 10**11) < share <= 1


@pytest.mark.parametrize("n", [2, 6])
def test_a_step_is_not_longer_than_its_bound_for_thirds(n: int) -> None:
    """Features that no float holds: λ_max = ΣΣφ², of a matrix of one row of thirds as often as there are samples."""
    row = [Fraction(i, 3) for i in (1, 2, 4)]
    problem = mt.UnlearningProblem(np.array([row] * n), np.arange(n) + 1, [0])
    assert Fraction(ExplicitDescent(float_model(problem)).eta) * n * sum(a * a for a in row) <= 1


def test_the_smallest_features_have_a_step() -> None:
    for size in (0.0, 1e-170, 1e-160, 5e-324):
        for shape in ((2, 3), (3, 2)):
            problem = mt.UnlearningProblem(np.full(shape, size), np.ones(shape[0]), [0])
            eta = ExplicitDescent(float_model(problem)).eta
            assert 0 < eta < np.inf
            assert Fraction(eta) * Fraction(size) ** 2 * 6 <= 1


@pytest.mark.parametrize(("dtype", "size"), [(np.float16, 4e4), (np.float32, 3e38), (np.float64, 1e308)])
def test_a_start_near_the_end_of_its_type_is_left_without_overflow(dtype: type, size: float) -> None:
    phi = np.array([[1.0, 0.5, -2.0, 0.25], [0.0, 1.0, 3.0, -1.0]], dtype)
    start = np.array([size, 1.0, 1.0, 1.0], dtype)
    problem = mt.UnlearningProblem(phi, np.array([1.0, 2.0], dtype), [0], w_init=start)
    row = mt.check(problem, ["start-span"])["start-span"]
    assert row.verdict in (mt.Verdict.CERTIFIED, mt.Verdict.PROVED), row.needs


def test_steps_of_a_pass_are_named_as_the_floats_that_they_are() -> None:
    """1/3 is no float: what is proved is about its neighbour."""
    problem = mt.UnlearningProblem(np.array([[1, 1, 1], [0, 1, 1]]), np.array([1, 2]), [0])
    row = mt.check(problem, ["cyclic-sgd"])["cyclic-sgd"]
    assert row.verdict is mt.Verdict.PROVED
    assert "the floats next to 1/‖φ_i‖²" in row.facts[0]
