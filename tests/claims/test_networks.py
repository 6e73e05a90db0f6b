"""Claims 22 to 24: a network's features are held against its own derivative, and planted slips must be seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.claims import networks as claims_networks
from muso_theory.claims import tangents
from muso_theory.networks import Dense, Sequential, cnn, distance, linearise, mlp
from muso_theory.networks.duals import enclosed_derivative, multiplications
from muso_theory.networks.grams import FactoredGram, HadamardGram, KroneckerGram
from muso_theory.numbers import UndecidedError
from tests.networks.zoo import kinked, smooth
from tests.zoo import ZOO

NETS = {
    f"{name}/{param}": net
    for param in ("standard", "ntk")
    for name, net in (smooth(param) | kinked(param)).items()
}
SLUG = "linearised-network"
RANKS = ("full-rank", "full-rank-retain", "full-rank-forget")


def tangent_problem(
    activation: str = "erf", dual: bool | None = None, outputs: int = 2
) -> mt.UnlearningProblem:
    rng = np.random.default_rng(0)
    net = mlp([4, 30, 20, outputs], activation, "ntk")
    X, y = rng.standard_normal((8, 4)), rng.standard_normal((8, outputs))
    return mt.networks.from_network(net, net.init(1), X, y, forget=[2, 7], dual=dual)


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
        problem = mt.networks.from_network(net, params, X, y, forget=[2], dual=dual)
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
    # where forward mode in balls reaches two samples only, all rows are enclosed all the same
    monkeypatch.setattr(tangents, "_BALL_PRICE", 4 * 760)
    evidence = mt.check(problem, SLUG)[SLUG]
    assert evidence.verdict is mt.Verdict.CERTIFIED, evidence.summary
    assert "at 2, 0 of 8 samples" in evidence.facts[-1]
    assert "all directions" in evidence.facts[0]
    assert mt.check(wrong, SLUG)[SLUG].verdict is mt.Verdict.REFUTED


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


def test_a_network_too_large_to_enclose_is_measured_and_its_rank_is_that_of_floats(monkeypatch) -> None:
    monkeypatch.setattr(distance, "LARGEST_SECONDS", 0.0)
    for activation in ("erf", "relu"):
        for dual in (True, False):
            problem = tangent_problem(activation, dual)
            report = mt.check(problem, [SLUG, *RANKS])
            evidence = report[SLUG]
            assert evidence.verdict is mt.Verdict.MEASURED, evidence.summary
            assert "in these two directions only" in evidence.facts[0]
            assert [f.what.split(", v to ")[1].split(",")[0] for f in evidence.findings] == [
                "w_r",
                "a random direction",
            ]
            for slug in RANKS:
                assert report[slug].verdict is mt.Verdict.CERTIFIED
                assert "of the float tangent" in report[slug].findings[0].what
                assert "is not enclosed" in report[slug].facts[0]
                exact = mt.check(problem, slug, "rational")[slug]  # the floats' own rank is no proof about J
                assert exact.verdict is mt.Verdict.CERTIFIED
                assert "of the float tangent" in exact.findings[0].what
            wrong = mt.UnlearningProblem(
                1.0005 * problem.features, problem.targets, problem.forget, tangent=problem.tangent
            )
            row = mt.check(wrong, SLUG)[SLUG]
            assert row.verdict is mt.Verdict.UNDECIDED  # a float refutes nothing
            assert row.needs.startswith("nothing in this package decides it")


@pytest.mark.parametrize("rule", ["rows", "pull"])
def test_a_rule_that_stays_wrong_is_an_alarm(rule: str, monkeypatch) -> None:
    """Features, enclosure and reverse mode then share the slip; the forward pass alone does not."""
    right = getattr(Dense, rule)

    def wrong(self, *args):
        if rule == "rows":
            weights, biases = right(self, *args)
            return [1.0005 * weights, biases]
        found = right(self, *args)
        return replace(found, right=1.0005 * found.right)

    problem = tangent_problem(dual=False)
    assert not mt.check(problem, SLUG)[SLUG].is_alarm
    monkeypatch.setattr(Dense, rule, wrong)
    evidence = mt.check(tangent_problem(dual=False), SLUG)[SLUG]
    assert evidence.verdict is mt.Verdict.REFUTED
    assert evidence.is_alarm
    assert [finding.fails for finding in evidence.findings] == [False, False, True]


@pytest.mark.parametrize("dual", [True, False])
def test_another_scale_is_refuted(dual: bool) -> None:
    problem = tangent_problem(dual=dual)
    layers = list(problem.tangent.net.layers)
    layers[2] = replace(layers[2], w_std=1.0001)
    other = replace(problem.tangent, net=Sequential((4,), tuple(layers)))
    wrong = mt.UnlearningProblem(problem.features, problem.targets, problem.forget, tangent=other)
    assert mt.check(wrong, SLUG)[SLUG].verdict is mt.Verdict.REFUTED


# -- the rank of the network's own tangent ------------------------------------------------------------


@pytest.mark.parametrize("arithmetic", ["auto", "ball", "rational", "float64"])
def test_ranks_are_about_the_tangent_itself(arithmetic: str) -> None:
    for activation, dual in (("erf", True), ("tanh", False)):
        report = mt.check(tangent_problem(activation, dual), RANKS, arithmetic)
        for slug in RANKS:
            row = report[slug]
            if arithmetic == "float64":
                assert row.verdict is mt.Verdict.MEASURED
                assert row.findings[0].what.endswith("of the float tangent")
            else:
                assert row.verdict is mt.Verdict.CERTIFIED, row.summary
                assert row.findings[0].what.startswith("λ_min(J")
                assert row.facts[0].startswith("J enclosed: ")


@pytest.mark.parametrize("net", NETS.values(), ids=NETS)
def test_full_rank_tangents_of_every_layer_are_certified(net) -> None:
    rng, params = np.random.default_rng(3), net.init(0)
    X = rng.standard_normal((4, *net.input_shape))
    y = rng.standard_normal((4, net.n_out))
    rows = 4 * net.n_out
    J = net.jacobian(params, X).reshape(rows, -1)
    singular = np.linalg.svd(J, compute_uv=False)
    full = bool(rows <= net.n_params and singular[-1] > 1e-6 * singular[0])
    assert full is (net.n_params >= rows)
    problem = mt.networks.from_network(net, params, X, y, forget=[1])
    row = mt.check(problem, "full-rank")["full-rank"]
    assert row.verdict is (mt.Verdict.CERTIFIED if full else mt.Verdict.VACUOUS), row.summary
    if full:
        assert row.facts[0].startswith("J enclosed: ")
        smallest = singular[-1] ** 2
        found = row.findings[0].quantity
        assert found.floor <= smallest * (1 + 1e-9)
        assert found.floor >= smallest / 2


def test_a_rational_tangent_proves_its_rank() -> None:
    rng = np.random.default_rng(1)
    net = mlp([2, 8, 1], "relu")
    X, y = rng.standard_normal((5, 2)), rng.standard_normal(5)
    problem = mt.networks.from_network(net, net.init(0), X, y, forget=[0])
    assert mt.check(problem, "full-rank", "rational")["full-rank"].verdict is mt.Verdict.PROVED
    assert mt.check(problem, "full-rank")["full-rank"].verdict is mt.Verdict.CERTIFIED
    # by hand: a dead first layer leaves only the last bias, so any two rows of J are the same
    dead = [net.init(0)[0], np.full(8, -100.0), *net.init(0)[2:]]
    problem = mt.networks.from_network(net, dead, X, y, forget=[0], dual=False)
    row = mt.check(problem, "full-rank")["full-rank"]
    assert row.verdict is mt.Verdict.VACUOUS
    assert row.findings[0].quantity.upper == 4


@pytest.mark.slow
@pytest.mark.parametrize("param", ["standard", "ntk"])
@pytest.mark.parametrize("arithmetic", ["auto", "ball", "rational"])
def test_a_rank_deficient_tangent_is_never_called_full(param: str, arithmetic: str) -> None:
    """The float Gram of four inputs is positive definite by rounding; the tangent has rank 3."""
    net = mlp([2, 8, 1], "identity", param)
    by_gram = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        problem = mt.networks.from_network(
            net, net.init(seed), rng.standard_normal((4, 2)), rng.standard_normal(4), forget=[0]
        )
        by_gram += problem.tangent.by_gram
        report = mt.check(problem, RANKS, arithmetic)
        assert report["full-rank"].verdict is mt.Verdict.VACUOUS
        assert report["full-rank-retain"].verdict in (mt.Verdict.CERTIFIED, mt.Verdict.PROVED)
        assert report["full-rank-forget"].verdict in (mt.Verdict.CERTIFIED, mt.Verdict.PROVED)
    assert by_gram > 0


def test_without_what_is_known_of_affine_networks_the_rank_stays_open(monkeypatch) -> None:
    from muso_theory.networks import rational

    monkeypatch.setattr(rational, "rank_bound", lambda net: (net.n_params, ""))
    net = mlp([2, 8, 1], "identity", "ntk")
    for seed in range(10):
        rng = np.random.default_rng(seed)
        problem = mt.networks.from_network(
            net, net.init(seed), rng.standard_normal((4, 2)), rng.standard_normal(4), forget=[0]
        )
        row = mt.check(problem, "full-rank")["full-rank"]
        assert row.verdict is mt.Verdict.UNDECIDED, row.summary
        assert row.needs.startswith("nothing in this package decides it")  # J is not rational
        assert "not rational at layer 0" in row.needs


def test_where_rationals_decide_a_rank_that_is_said() -> None:
    rng, net = np.random.default_rng(0), mlp([2, 8, 1], "relu")
    params = net.init(0)
    params[1][:] = -100.0  # every unit is dead, so all rows of J are the same
    problem = mt.networks.from_network(
        net, params, rng.standard_normal((4, 2)), np.ones(4), forget=[0], dual=False
    )
    row = mt.check(problem, "full-rank", "ball")["full-rank"]
    assert row.verdict is mt.Verdict.UNDECIDED
    assert row.needs.startswith("--arithmetic rational decides it")
    assert mt.check(problem, "full-rank", "rational")["full-rank"].verdict is mt.Verdict.VACUOUS


def test_equal_inputs_have_equal_rows_whatever_the_network() -> None:
    rng = np.random.default_rng(0)
    net = mlp([3, 20, 2], "erf", "ntk")
    X = rng.standard_normal((5, 3))
    X[4] = X[1]
    y = rng.standard_normal((5, 2))
    problem = mt.networks.from_network(net, net.init(0), X, y, forget=[1], dual=False)
    report = mt.check(problem, RANKS)
    assert report["full-rank"].verdict is mt.Verdict.VACUOUS
    assert "samples 1 and 4" in report["full-rank"].facts[0]
    assert report["full-rank-retain"].verdict is mt.Verdict.CERTIFIED


def test_a_kink_is_told_and_nothing_is_claimed_of_the_derivative() -> None:
    rng = np.random.default_rng(1)
    net = mlp([2, 8, 1], "relu")
    params = net.init(0)
    params[1][:] = 0.0
    X = rng.standard_normal((4, 2))
    problem = mt.networks.from_network(net, params, X, X[:, 0], forget=[1])
    assert mt.check(problem, SLUG)["differentiable"].verdict is mt.Verdict.CERTIFIED
    X[3] = 0.0
    problem = mt.networks.from_network(net, params, X, X[:, 0], forget=[1])
    report = mt.check(problem, [SLUG, *RANKS])
    kink = report["differentiable"]
    assert kink.verdict is mt.Verdict.VACUOUS
    assert "unit 0 of layer 1 (relu) at sample 3 (and 7 more) is 0" in kink.facts[0]
    assert report[SLUG].verdict is mt.Verdict.VACUOUS
    for slug in RANKS:
        assert "of the float tangent" in report[slug].findings[0].what
        assert report[slug].verdict is mt.Verdict.CERTIFIED
    smooth_net = mlp([2, 8, 1], "tanh")
    problem = mt.networks.from_network(smooth_net, params, X, X[:, 0], forget=[1])
    assert mt.check(problem, SLUG)["differentiable"].verdict is mt.Verdict.PROVED


def test_a_pruned_unit_leaves_the_network_its_derivative() -> None:
    net = mlp([1, 2, 1], "relu", "standard")
    params = [np.array([[1.0, 0.0]]), np.array([0.5, 0.0]), np.array([[2.0], [0.0]]), np.array([0.1])]
    X, y = np.array([[1.0], [2.0], [3.0]]), np.array([1.0, 2.0, 3.5])
    problem = mt.networks.from_network(net, params, X, y, forget=[0])
    asked = {"claims": ["differentiable", SLUG], "asserted": ["differentiable"]}
    report = mt.check(problem, **asked)
    assert report["differentiable"].verdict is mt.Verdict.CERTIFIED
    assert report[SLUG].verdict is mt.Verdict.CERTIFIED
    params[2][1] = 1e-9
    problem = mt.networks.from_network(net, params, X, y, forget=[0])
    assert mt.check(problem, **asked)["differentiable"].verdict is mt.Verdict.REFUTED


def test_where_nothing_is_enclosed_kinks_are_counted_in_floats(monkeypatch) -> None:
    monkeypatch.setattr(distance, "LARGEST_SECONDS", 0.0)
    assert mt.check(tangent_problem("relu"), SLUG)["differentiable"].verdict is mt.Verdict.MEASURED
    net = mlp([2, 3, 1], "relu")
    problem = mt.UnlearningProblem(
        np.eye(2, 13),
        np.ones(2),
        [0],
        tangent=linearise(net, [0 * p for p in net.init(0)], np.eye(2), max_features=13).bare(),
    )
    assert mt.check(problem, SLUG)["differentiable"].verdict is mt.Verdict.UNDECIDED


def test_convolutions_are_priced_by_their_positions() -> None:
    net = cnn((6, 5, 1), [2], 3)
    params = net.init(0)
    assert multiplications(net, params, np.ones((1, 6, 5, 1))) == 30 * 9 * 2 + 60 * 3


def test_claims_about_networks_need_one() -> None:
    plain = ZOO["over-parameterised"]()
    report = mt.check(plain)
    about = (*claims_networks.NETWORKS, *tangents.TANGENTS)
    assert not set(about) & set(report)
    for slug in (SLUG, "ntk-limit", "lazy-training"):
        named = mt.check(plain, [slug])[slug]
        assert named.verdict is mt.Verdict.VACUOUS
        assert named.failed[0][0] == "from-network"
        insisted = mt.check(plain, [slug], asserted=[slug])[slug]
        if slug == "lazy-training":  # which one network does not decide either
            assert insisted.verdict is mt.Verdict.UNDECIDED
        else:
            assert insisted.verdict is mt.Verdict.VACUOUS
            assert insisted.meaning.startswith("Does not apply here")
    assert SLUG in mt.check(tangent_problem())


@pytest.mark.slow
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
    assert "measured: campaign [lazy](verification/results/lazy.md)" in table
    assert "measured: campaign [ntk-limit](verification/results/ntk-limit.md)" in table


def test_a_network_of_output_zero_is_linearised_beside_its_targets() -> None:
    rng = np.random.default_rng(0)
    net = mlp([2, 4, 1], "erf")
    params = net.init(0)
    params[2][:], params[3][:] = 0.0, 0.0
    X = rng.standard_normal((4, 2))
    problem = mt.networks.from_network(net, params, X, X[:, 0], forget=[0])
    assert mt.check(problem, SLUG)[SLUG].verdict is mt.Verdict.CERTIFIED
