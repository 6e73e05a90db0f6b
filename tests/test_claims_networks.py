"""Claims 22 to 24: a network's features are held against its own derivative, and planted slips must be seen."""

from __future__ import annotations

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.claims import networks as claims_networks
from muso_theory.networks import Dense, cnn, mlp
from muso_theory.networks.duals import enclosed_derivative, multiplications
from muso_theory.networks.grams import FactoredGram, HadamardGram, KroneckerGram
from muso_theory.numbers import UndecidedError

from .networks_zoo import kinked, smooth
from .zoo import ZOO

NETS = {
    f"{name}/{param}": net
    for param in ("standard", "ntk")
    for name, net in (smooth(param) | kinked(param)).items()
}
SLUG = "linearised-network"


def tangent_problem(
    activation: str = "erf", dual: bool | None = None, outputs: int = 2
) -> mt.UnlearningProblem:
    rng = np.random.default_rng(0)
    net = mlp([4, 30, 20, outputs], activation, "ntk")
    X, y = rng.standard_normal((8, 4)), rng.standard_normal((8, outputs))
    return mt.UnlearningProblem.from_network(net, net.init(1), X, y, forget=[2, 7], dual=dual)


@pytest.mark.parametrize("net", NETS.values(), ids=NETS)
def test_dual_numbers_enclose_the_derivative_of_every_layer(net) -> None:
    params, rng = net.init(1), np.random.default_rng(0)
    X, v = rng.standard_normal((2, *net.input_shape)), [rng.standard_normal(p.shape) for p in params]
    values, slopes = enclosed_derivative(net, params, X, v)
    for balls, floats in ((values, net(params, X)), (slopes, net.jvp(params, X, v))):
        scale = np.abs(floats).max()
        off = [abs(float(a.mid()) - b) for a, b in zip(balls.ravel(), floats.ravel(), strict=True)]
        assert max(off) <= 1e-13 * scale
        assert max(float(a.rad()) for a in balls.ravel()) < 1e-28 * scale


def test_dual_numbers_are_narrower_with_more_bits_and_refuse_a_kink() -> None:
    net = mlp([2, 3, 1], "relu")
    params, X = net.init(0), np.ones((1, 2))
    wide, narrow = (enclosed_derivative(net, params, X, params, bits)[1].item().rad() for bits in (64, 256))
    assert narrow < 1e-30 * wide
    at_zero = [p * 0 for p in params]
    assert enclosed_derivative(net, at_zero, X, params)[1].item() == params[-1].item()  # relu'(0) = 0
    third = mlp([1, 1, 1], "relu")
    with pytest.raises(UndecidedError, match="more bits"):  # 0.1·3 − 0.3 is not decided at 40 bits
        enclosed_derivative(
            third,
            [np.array([[0.1]]), np.array([-0.3]), np.ones((1, 1)), np.zeros(1)],
            np.array([[3.0]]),
            [np.ones((1, 1)), np.zeros(1), np.ones((1, 1)), np.zeros(1)],
            bits=40,
        )


@pytest.mark.parametrize("activation", ["erf", "relu"])
@pytest.mark.parametrize("dual", [True, False])
def test_the_tangent_is_certified(activation: str, dual: bool) -> None:
    problem = tangent_problem(activation, dual)
    assert problem.tangent.by_gram is dual
    evidence = mt.check(problem, SLUG)[SLUG]
    assert evidence.verdict is mt.Verdict.CERTIFIED, evidence.summary
    assert evidence.bound < 1e-11
    assert len(evidence.findings) == 3
    assert evidence.general == "proved"


def test_a_float32_network_is_taken_as_the_numbers_it_is() -> None:
    rng = np.random.default_rng(0)
    net = mlp([4, 30, 1], "erf", "ntk")
    params = [p.astype(np.float32) for p in net.init(1)]
    X, y = rng.standard_normal((8, 4)).astype(np.float32), rng.standard_normal(8)
    for dual in (True, False):
        problem = mt.UnlearningProblem.from_network(net, params, X, y, forget=[2], dual=dual)
        assert problem.features.dtype == np.float64
        evidence = mt.check(problem, SLUG)[SLUG]
        assert evidence.verdict is mt.Verdict.CERTIFIED
        assert evidence.bound < 1e-11
    rounded = mt.UnlearningProblem(  # the control: computed in float32 it would not be certified
        net.jacobian(params, X)[:, 0], problem.targets, problem.forget, tangent=problem.tangent
    )
    assert mt.check(rounded, SLUG, tolerance=1e-9)[SLUG].verdict is mt.Verdict.REFUTED


@pytest.mark.parametrize("kind", [HadamardGram, FactoredGram, KroneckerGram])
def test_a_wrong_share_of_the_gram_is_refuted(kind, monkeypatch) -> None:
    right = kind.tile

    def wrong(self, *args):
        value = right(self, *args)
        value *= 1.0005
        return value

    monkeypatch.setattr(kind, "tile", wrong)
    if kind is KroneckerGram:  # the full kernel adds the head's diagonal blocks by themselves
        monkeypatch.delattr(kind, "add_to")
    problem = tangent_problem(dual=True)
    monkeypatch.undo()
    assert mt.check(problem, SLUG)[SLUG].verdict is mt.Verdict.REFUTED


@pytest.mark.parametrize("rule", ["rows", "forward"])
def test_a_wrong_row_or_output_is_refuted(rule: str, monkeypatch) -> None:
    right = getattr(Dense, rule)

    def wrong(self, *args):
        value = right(self, *args)
        if rule == "rows":
            return [1.0005 * value[0], value[1]]
        return (value[0] * 1.0005, value[1])

    monkeypatch.setattr(Dense, rule, wrong)
    problem = tangent_problem(dual=False)
    monkeypatch.undo()
    assert mt.check(problem, SLUG)[SLUG].verdict is mt.Verdict.REFUTED


@pytest.mark.parametrize("dual", [True, False])
def test_one_wrong_row_is_seen_wherever_it_is(dual: bool, monkeypatch) -> None:
    problem = tangent_problem(dual=dual)
    features = problem.features.copy()
    features[-1] *= 1.01  # neither the first sample to forget nor the first to retain
    wrong = mt.UnlearningProblem(features, problem.targets, problem.forget, tangent=problem.tangent)
    assert mt.check(wrong, SLUG)[SLUG].verdict is mt.Verdict.REFUTED
    # where balls reach two samples only, the others are measured and the verdict says no more
    monkeypatch.setattr(claims_networks, "BALL_PRICE", 4 * 760)
    evidence = mt.check(problem, SLUG)[SLUG]
    assert evidence.verdict is mt.Verdict.MEASURED, evidence.summary
    assert "at 2, 0 of 8 samples" in evidence.findings[0].what
    if not dual:  # through the Gram a wrong row of K is a wrong column of all rows
        assert mt.check(wrong, SLUG)[SLUG].verdict is mt.Verdict.UNDECIDED


def test_an_error_orthogonal_to_the_row_space_is_refuted() -> None:
    problem = tangent_problem(dual=False)
    error = np.random.default_rng(2).standard_normal(problem.features.shape)
    basis = np.linalg.qr(problem.features.T)[0]
    error -= (error @ basis) @ basis.T
    error *= 1e-4 * np.linalg.norm(problem.features) / np.linalg.norm(error)
    wrong = mt.UnlearningProblem(
        problem.features + error, problem.targets, problem.forget, tangent=problem.tangent
    )
    assert mt.check(wrong, SLUG)[SLUG].verdict is mt.Verdict.REFUTED


def test_a_network_too_large_for_balls_is_measured(monkeypatch) -> None:
    monkeypatch.setattr(claims_networks, "BALL_PRICE", 100)
    for activation in ("erf", "relu"):
        problem = tangent_problem(activation)
        evidence = mt.check(problem, SLUG)[SLUG]
        assert evidence.verdict is mt.Verdict.MEASURED, evidence.summary
        wrong = mt.UnlearningProblem(
            1.0005 * problem.features, problem.targets, problem.forget, tangent=problem.tangent
        )
        assert mt.check(wrong, SLUG)[SLUG].verdict is mt.Verdict.UNDECIDED  # a float refutes nothing


def test_convolutions_are_priced_by_their_positions() -> None:
    net = cnn((6, 5, 1), [2], 3)
    params = net.init(0)
    assert multiplications(net, params, np.ones((1, 6, 5, 1))) == 30 * 9 * 2 + 60 * 3


def test_claims_about_networks_need_one() -> None:
    plain = ZOO["over-parameterised"]()
    report = mt.check(plain)
    assert not {claim.slug for claim in claims_networks.NETWORKS} & set(report)
    for slug in (SLUG, "ntk-limit", "lazy-training"):
        named = mt.check(plain, [slug])[slug]
        assert named.verdict is mt.Verdict.VACUOUS
        assert named.failed[0][0] == "from-network"
        assert mt.check(plain, [slug], asserted=[slug])[slug].verdict is mt.Verdict.UNDECIDED
    assert SLUG in mt.check(tangent_problem())


def test_the_rate_of_the_limit_is_measured_on_request(monkeypatch) -> None:
    problem = tangent_problem()
    evidence = mt.check(problem, "ntk-limit")["ntk-limit"]
    assert evidence.verdict is mt.Verdict.MEASURED, evidence.summary
    assert "slope -0." in evidence.facts[0]
    tanh = mt.check(tangent_problem("tanh"), "ntk-limit")["ntk-limit"]
    assert tanh.verdict is mt.Verdict.VACUOUS
    assert tanh.failed[0][0] == "closed-form-limit"
    from muso_theory.networks import infinite_width

    monkeypatch.setattr("muso_theory.networks.infinite_width", lambda *args: 1.05 * infinite_width(*args))
    assert (
        mt.check(problem, "ntk-limit")["ntk-limit"].verdict is mt.Verdict.UNDECIDED
    )  # tends to something else


def test_lazy_training_points_to_its_campaign() -> None:
    evidence = mt.check(tangent_problem(), "lazy-training")["lazy-training"]
    assert evidence.verdict is mt.Verdict.UNDECIDED
    assert "verification lazy" in evidence.needs
    table = mt.claims.markdown_table()
    assert "measured: campaign `lazy`" in table
    assert "measured: campaign `ntk-limit`" in table
