"""The network's own tangent, enclosed: what holds the truth, what it costs in width, and what it must refuse."""

from __future__ import annotations

import itertools
from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace

import flint
import mpmath
import numpy as np
import pytest

import muso_theory as mt
from muso_theory.networks import (
    Activation,
    AvgPool,
    Conv2D,
    Dense,
    Flatten,
    GlobalAvgPool,
    LayerNorm,
    Residual,
    Sequential,
    distance,
    enclosure,
    linearise,
    mlp,
    radii,
    tables,
)
from muso_theory.networks.distance import float_distance, tangent_distance
from muso_theory.networks.duals import enclosed_derivative
from muso_theory.networks.enclosure import enclosed_tangent, rows_of, seconds_of_tangent
from muso_theory.networks.kinks import KinkError
from muso_theory.networks.radii import BallArray
from muso_theory.networks.rational import rational_jacobian, repeated_samples
from muso_theory.networks.tables import CURVES, curve_table
from muso_theory.numbers import UndecidedError
from muso_theory.numbers.balls import working_precision
from tests.networks.zoo import kinked, smooth

NETS = {
    f"{name}/{param}": net
    for param in ("standard", "ntk")
    for name, net in (smooth(param) | kinked(param)).items()
}


def inputs_of(net: Sequential, n: int = 2, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, *net.input_shape))


def assembled(net: Sequential, params, X) -> tuple[BallArray, BallArray]:
    """Outputs and Jacobian from all chunks."""
    outputs, rows = [], []
    for _, out, shares in enclosed_tangent(net, params, X):
        outputs.append(out)
        parts = [ball for share in shares for ball in rows_of(share)]
        rows.append(tuple(np.concatenate([getattr(b, end) for b in parts], axis=2) for end in ("mid", "rad")))
    return (
        BallArray(np.concatenate([b.mid for b in outputs]), np.concatenate([b.rad for b in outputs])),
        BallArray(*(np.concatenate(ends) for ends in zip(*rows, strict=True))),
    )


def true_columns(net: Sequential, params, X, columns) -> tuple[np.ndarray, np.ndarray]:
    """Outputs and columns of J by forward mode in 256 bits, which knows no rule of a derivative."""
    found = []
    for column in columns:
        direction = np.zeros(net.n_params)
        direction[column] = 1.0
        values, slopes = enclosed_derivative(net, params, X, net.unflatten(direction), 256)
        found.append(slopes)
    return values, np.stack(found, axis=2)


def worst(balls: BallArray, truth: np.ndarray) -> float:
    """The largest distance from a midpoint to the truth, in radii."""
    with working_precision(256):
        off = [
            float(abs(t - m).upper()) for t, m in zip(truth.ravel(), balls.mid.ravel().tolist(), strict=True)
        ]
    return float(np.max(np.array(off) / np.maximum(balls.rad.ravel(), 1e-300)))


# -- activations --------------------------------------------------------------------------------------

TRUE = {
    "erf": (mpmath.erf, lambda x: 2 / mpmath.sqrt(mpmath.pi) * mpmath.exp(-x * x)),
    "tanh": (mpmath.tanh, lambda x: mpmath.sech(x) ** 2),
    "sigmoid": (mpmath.sigmoid if hasattr(mpmath, "sigmoid") else lambda x: 1 / (1 + mpmath.exp(-x)), None),
    "softplus": (lambda x: mpmath.log(1 + mpmath.exp(x)), lambda x: 1 / (1 + mpmath.exp(-x))),
    "gelu": (
        lambda x: x * mpmath.erfc(-x / mpmath.sqrt(2)) / 2,
        lambda x: mpmath.erfc(-x / mpmath.sqrt(2)) / 2 + x * mpmath.npdf(x),
    ),
    "silu": (
        lambda x: x / (1 + mpmath.exp(-x)),
        lambda x: (1 + x / (1 + mpmath.exp(x))) / (1 + mpmath.exp(-x)),
    ),
    "sin": (mpmath.sin, mpmath.cos),
}
TRUE["sigmoid"] = (TRUE["sigmoid"][0], lambda x: 1 / (1 + mpmath.exp(-x)) / (1 + mpmath.exp(x)))


@pytest.mark.parametrize("name", CURVES)
def test_activations_are_within_their_errors(name: str) -> None:
    rng, reach = np.random.default_rng(1), CURVES[name].reach
    x = np.concatenate([rng.standard_normal(100) * scale for scale in (1e-9, 0.1, 1.0, reach / 4)])
    x = np.append(x, [0.0, -0.0, 1 / 32, -1 / 32, reach])
    if CURVES[name].tail is not None:
        x = np.append(x, [reach + 1 / 32, -reach - 1.0, 3.0 * reach, -3.0 * reach])
    table = curve_table(name, float(np.abs(x).max()))
    value, slope, value_error, slope_error = table(x)
    with mpmath.workdps(60):
        exact = [[f(mpmath.mpf(float(v))) for v in x] for f in TRUE[name]]
        off = [
            np.array([float(abs(mpmath.mpf(float(a)) - b)) for a, b in zip(found, true, strict=True)])
            for found, true in zip((value, slope), exact, strict=True)
        ]
    assert (off[0] <= value_error).all()
    assert (off[1] <= slope_error).all()
    assert not (off[0] <= value_error / 100).all()  # the control: the bounds are not idle
    assert not (off[1] <= slope_error / 100).all()
    assert (value_error <= 1e-15 * np.maximum(1, np.abs(x))).all()
    assert (slope_error <= 1e-15).all()


@pytest.mark.parametrize("name", CURVES)
def test_what_a_polynomial_leaves_out_is_bounded_closely(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within four times what the next derivative is somewhere in the cell, but where that is too small to matter."""
    monkeypatch.setattr(flint.ctx, "cap", tables.ORDER + 2)
    for centre in (0.0, 0.5, -1.25, 2.0):
        *_, bounds, _ = tables._cell(CURVES[name], centre)
        series = [
            CURVES[name].series(flint.arb_series([flint.arb(centre + t * tables.HALF), 1]))
            for t in np.linspace(-1, 1, 9)
        ]
        factors = (1, tables.ORDER + 1)
        for k, (bound, factor) in enumerate(zip(bounds, factors, strict=True)):
            largest = max(abs(float(s[tables.ORDER + k].mid())) for s in series) * factor
            left = largest * tables.HALF**tables.ORDER
            # A quotient of exponentials is enclosed less tightly than the others.
            assert left * (1 - 1e-9) <= bound <= max(4 * left, (4 if name == "tanh" else 1) * tables.SMALL)


@pytest.mark.parametrize("name", CURVES)
def test_second_derivatives_are_below_their_bound(name: str) -> None:
    table = curve_table(name, 4.0)
    steepest = 0.0
    with mpmath.workdps(30):
        for x in np.linspace(-3.9, 3.9, 120):
            steepest = max(steepest, abs(float(mpmath.diff(TRUE[name][1], mpmath.mpf(float(x))))))
    assert 0.6 * table.curvature < steepest <= table.curvature


def test_a_small_table_agrees_with_a_large_one_and_sin_ends() -> None:
    x = np.linspace(-0.9, 0.9, 50)
    for small, large in zip(curve_table("tanh", 1.0)(x), curve_table("tanh", 20.0)(x), strict=True):
        np.testing.assert_array_equal(small, large)
    with pytest.raises(UndecidedError, match="sin is enclosed up to"):
        curve_table("sin", 1e3)(np.array([1e3]))


# -- arrays of balls ----------------------------------------------------------------------------------


def corners(ball: BallArray, index: int) -> list[Fraction]:
    mid, rad = Fraction(float(ball.mid[index])), Fraction(float(ball.rad[index]))
    return [mid - rad, mid, mid + rad]


@pytest.mark.parametrize("idle", [False, True], ids=["as it is", "control: no roundings"])
def test_operations_hold_every_corner(idle: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if idle:
        monkeypatch.setattr(radii, "U", 0.0)
    rng = np.random.default_rng(3)
    a, b = (
        BallArray(rng.standard_normal(60), np.abs(rng.standard_normal(60)) * 10.0 ** rng.integers(-20, 0, 60))
        for _ in "ab"
    )
    outside = 0
    for found, rule in (
        (a + b, lambda s, t: s + t),
        (a - b, lambda s, t: s - t),
        (a * b, lambda s, t: s * t),
    ):
        for i in range(60):
            low, _, high = corners(found, i)
            values = [rule(s, t) for s in corners(a, i) for t in corners(b, i)]
            outside += not (low <= min(values) and max(values) <= high)
    total, mean = a.summed((0,)), a.mean()
    for found, scale in ((total, 1), (BallArray(mean.mid[0], mean.rad[0]), 60)):
        for sign in (-1, 1):
            end = sum(
                (Fraction(float(m)) + sign * Fraction(float(r)) for m, r in zip(a.mid, a.rad, strict=True)),
                Fraction(0),
            )
            outside += abs(end / scale - Fraction(float(found.mid))) > Fraction(float(found.rad))
    assert (outside > 0) is idle


def test_inverse_roots_hold_both_ends() -> None:
    rng = np.random.default_rng(4)
    mid = np.exp(3 * rng.standard_normal(50))
    ball = BallArray(mid, mid * 10.0 ** rng.uniform(-18, -0.1, 50))
    found = ball.inverse_root()
    for i in range(50):
        for end in corners(ball, i):
            with mpmath.workdps(50):
                root = 1 / mpmath.sqrt(mpmath.mpf(end.numerator) / end.denominator)
                assert abs(root - float(found.mid[i])) <= float(found.rad[i])
    assert np.isinf(BallArray(np.array([1.0]), np.array([1.0])).inverse_root().rad[0])


# -- whole networks -----------------------------------------------------------------------------------


@pytest.mark.parametrize("net", NETS.values(), ids=NETS)
def test_every_layer_is_enclosed(net: Sequential) -> None:
    params, X = net.init(1), inputs_of(net)
    outputs, jacobian = assembled(net, params, X)
    columns = np.random.default_rng(2).choice(net.n_params, min(8, net.n_params), replace=False)
    values, slopes = true_columns(net, params, X, columns)
    assert worst(outputs, values) <= 1
    assert worst(jacobian.rearranged(lambda a: a[:, :, columns]), slopes) <= 1
    assert np.linalg.norm(jacobian.rad) <= 2e-11 * np.linalg.norm(jacobian.mid)


BENT = {  # no curve, whose own errors would cover for the others
    "dense": mlp([5, 7, 6, 3], "relu"),
    "leaky": mlp([5, 7, 6, 3], "leaky_relu", "ntk"),
    "convolution": Sequential((4, 3, 1), (Conv2D(1, 2, (3, 2)), Activation("relu"), Flatten(), Dense(24, 2))),
    "pools": Sequential(
        (4, 4, 2), (Conv2D(2, 2, (1, 1)), AvgPool((3, 3), (1, 1)), GlobalAvgPool(), Dense(2, 2))
    ),
    "normalisation": Sequential((5,), (LayerNorm(5), Dense(5, 3))),
    "residual": Sequential((3,), (Residual((Dense(3, 3), Activation("relu"))), Dense(3, 2))),
}


@pytest.mark.parametrize("net", BENT.values(), ids=BENT)
def test_without_roundings_the_truth_is_lost(net: Sequential, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(radii, "U", 0.0)
    monkeypatch.setattr(enclosure, "U", 0.0)
    params, X = net.init(1), inputs_of(net)
    outputs, jacobian = assembled(net, params, X)
    columns = np.random.default_rng(2).choice(net.n_params, 8, replace=False)
    values, slopes = true_columns(net, params, X, columns)
    assert worst(outputs, values) > 1 or worst(jacobian.rearranged(lambda a: a[:, :, columns]), slopes) > 1


def test_chunks_change_nothing_that_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    net = mlp([4, 6, 2], "erf", "ntk")
    params, X = net.init(0), inputs_of(net, 7)
    whole = assembled(net, params, X)
    monkeypatch.setattr(enclosure, "CHUNK_BYTES", 8 * 2 * 6 * 3)
    pieces = [part for part, _, _ in enclosed_tangent(net, params, X)]
    assert [part.stop - part.start for part in pieces] == [3, 3, 1]
    for a, b in zip(whole, assembled(net, params, X), strict=True):
        assert (np.abs(a.mid - b.mid) <= a.rad + b.rad).all()


def test_radii_of_wild_parameters_hold_or_are_refused() -> None:
    net = mlp([3, 4, 2], "tanh", "ntk")
    X = inputs_of(net)
    for scale in (1e-200, 1e-30, 1e10):
        params = [scale * array for array in net.init(0)]
        outputs, jacobian = assembled(net, params, X)
        values, slopes = true_columns(net, params, X, range(net.n_params))
        assert worst(outputs, values) <= 1
        assert worst(jacobian, slopes) <= 1
    with pytest.raises(UndecidedError, match="overflow"):
        assembled(mlp([3, 4, 4, 2], "identity"), [1e200 * p for p in mlp([3, 4, 4, 2]).init(0)], X)
    with pytest.raises(UndecidedError, match="beyond 2"):
        assembled(
            Sequential((3,), (Dense(3, 1, "ntk", w_std=1e30),)),
            net.init(0)[:1] and [np.ones((3, 1)), np.ones(1)],
            X,
        )
    with pytest.raises(UndecidedError, match="64 bits or fewer"):
        assembled(net, [array.astype(complex) for array in net.init(0)], X)


def test_the_price_grows_with_the_network() -> None:
    small, large = mlp([64, 256, 1]), mlp([64, 512, 512, 10])
    X = np.ones((100, 64))
    assert seconds_of_tangent(small, small.init(0), X) < 0.1 < seconds_of_tangent(large, large.init(0), X)


# -- kinks --------------------------------------------------------------------------------------------


def kinked_problem(shift: float, activation: str = "relu"):
    """Unit 1 of three has the input 0.1·3 − fl(0.3) − shift at sample 1: 0.1·3 is not a float."""
    net = mlp([1, 3, 1], activation)
    params = [np.array([[1.0, 0.1, 2.0]]), np.array([0.5, -0.3 - shift, -0.25]), np.ones((3, 1)), np.zeros(1)]
    return net, params, np.array([[1.0], [3.0], [2.0]])


@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
def test_a_side_is_found_however_near_the_kink(activation: str) -> None:
    net, params, X = kinked_problem(0.0, activation)
    exact = 3 * Fraction(0.1) - Fraction(0.3)
    assert 0 < abs(exact) < Fraction(1, 2**50)
    _, jacobian = assembled(net, params, X)
    _, slopes = true_columns(net, params, X, range(net.n_params))
    assert worst(jacobian, slopes) <= 1
    assert jacobian.mid[1, 0, 4] == (
        1.0 if exact > 0 else 0.0 if activation == "relu" else 0.01
    )  # by the bias of unit 1


def test_only_where_a_ball_reaches_zero_its_side_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    net = mlp([4, 4, 1])
    asked: list[np.ndarray] = []
    monkeypatch.setattr(
        enclosure._Walk, "_settle", lambda walk, sides, name, path: asked.append(sides.copy())
    )
    walk = enclosure._Walk(net, net.init(0))
    walk.kinks, rad = {}, np.array([[0.5, 0.5, 0.5, 0.5]])
    clear = BallArray(np.array([[0.75, -0.75, 0.5 * (1 + 1e-12), 0.99]]), rad)
    value, slope = walk._activation("relu", clear, "1")
    assert asked == []
    assert slope.mid.tolist() == [[1.0, 0.0, 1.0, 1.0]]
    assert value.mid.tolist() == (clear.mid * slope.mid).tolist()
    walk._activation("relu", BallArray(np.array([[0.75, 0.25, -0.5, 0.0]]), rad), "1")
    assert [sides.tolist() for sides in asked] == [[[1.0, 0.0, 0.0, 0.0]]]


def test_a_kink_is_named() -> None:
    net, params, X = kinked_problem(0.0)
    params[1][1] = -0.25
    X[1] = 2.5  # 0.1·2.5 − 0.25 is not 0, as 0.1 is no float
    assembled(net, params, X)
    params[0][0, 1] = 0.125
    X[1] = 2.0
    with pytest.raises(
        KinkError, match=r"unit 1 of layer 1 \(relu\) at sample 1 \(and 1 more\) is 0"
    ) as caught:
        assembled(net, params, X)
    assert caught.value.proved
    with pytest.raises(KinkError, match="unit 1 of layer 1"):
        rational_jacobian(linearise(net, params, X))
    deep = mlp([1, 2, 2, 1])
    dead = [np.ones((1, 2)), -np.ones(2), np.ones((2, 2)), np.zeros(2), np.ones((2, 1)), np.zeros(1)]
    with pytest.raises(
        KinkError, match=r"unit 0 of layer 3 \(relu\) at sample 0"
    ):  # a dead layer and no bias
        assembled(deep, dead, np.array([[0.5]]))


def test_a_side_that_no_precision_decides_is_not_called_zero() -> None:
    net = Sequential((2,), (Activation("erf"), Dense(2, 1), Activation("relu"), Dense(1, 1)))
    params = [np.array([[1.0], [-1.0]]), np.zeros(1), np.ones((1, 1)), np.zeros(1)]
    with pytest.raises(KinkError, match="cannot be told from 0") as caught:
        assembled(net, params, np.array([[0.5, 0.5]]))  # the difference of two balls around erf(½)
    assert not caught.value.proved


# -- the distance of float features -------------------------------------------------------------------


def true_tangent(net: Sequential, params, X) -> list[list[mpmath.mpf]]:
    _, slopes = true_columns(net, params, X, range(net.n_params))
    with mpmath.workdps(70):
        return [
            [mpmath.mpf(v.mid().str(70, radius=False)) for v in row]
            for row in slopes.reshape(-1, net.n_params)
        ]


@pytest.mark.parametrize("by_gram", [True, False])
@pytest.mark.parametrize("layers", ["dense", "mixed"])
@pytest.mark.parametrize("slip", [0.0, 1e-5], ids=["right", "one wrong row"])
def test_the_distance_is_enclosed(by_gram: bool, layers: str, slip: float) -> None:
    if layers == "dense":
        net = mlp([3, 5, 4, 2], "tanh", "ntk")
    else:
        net = Sequential(
            (3,),
            (
                Dense(3, 5),
                LayerNorm(5),
                Activation("gelu"),
                Dense(5, 4, "ntk"),
                Activation("sin"),
                Dense(4, 2),
            ),
        )
    params, X = net.init(5), inputs_of(net, 3)
    problem = mt.networks.from_network(net, params, X, np.ones((3, 2)), forget=[0], dual=by_gram)
    features = problem.features.copy()
    features[4] *= 1 + slip
    found = tangent_distance(problem.tangent, features)
    with mpmath.workdps(60):
        J, floats = mpmath.matrix(true_tangent(net, params, X)), mpmath.matrix(features.tolist())
        difference = floats * floats.T - J * J.T if by_gram else floats - J
        size = mpmath.mnorm(J * J.T if by_gram else J, "f")
        truth = mpmath.mnorm(difference, "f")
        smallest = min(mpmath.eigsy(J * J.T, eigvals_only=True))
        floats_smallest = min(mpmath.eigsy(floats * floats.T, eigvals_only=True))
    assert found.distance.floor <= truth <= found.distance.bound
    assert found.size.floor <= size <= found.size.bound
    assert found.distance.bound <= (1e-12 + 10 * slip) * found.size.floor
    assert (found.distance.floor > 1e-7 * found.size.bound) is bool(slip)
    low, high = (
        found.smallest(Fraction(float(floats_smallest))),
        found.largest(Fraction(float(floats_smallest))),
    )
    assert float(low) <= smallest * (1 + 1e-12)
    assert smallest <= float(high) * (1 + 1e-12)
    if not slip:
        assert float(low) >= smallest * (1 - 1e-9)


@pytest.mark.parametrize("by_gram", [True, False])
@pytest.mark.parametrize("param", ["standard", "ntk"])
@pytest.mark.parametrize("radius", [0.0, 1e-16, 1e-3, 0.5])
@pytest.mark.parametrize("size", [0.0, 1.0, 1e3])
def test_every_tangent_within_its_balls_is_within_the_distance(
    by_gram: bool, param: str, radius: float, size: float
) -> None:
    """One dense layer from one number to another: J = (s_w x δ, s_b δ) at each corner of x and δ, exactly."""
    layer = Dense(1, 1, param, w_std=1.5, b_std=0.75)
    s_w, s_b = map(Fraction, distance._scales(layer))
    rng = np.random.default_rng(0)
    for _ in range(40):
        x, delta = (
            BallArray(mid.reshape(shape), radius * rng.random(shape))
            for mid, shape in zip(rng.uniform(0.5, 2, 2), ((1, 1), (1, 1, 1)), strict=True)
        )
        features = size * rng.standard_normal((1, 1 if by_gram else 2))
        tangent = SimpleNamespace(outputs=np.zeros((1, 1)))
        sums = (distance._Gram if by_gram else distance._Rows)(tangent, features)
        sums.add(slice(0, 1), [enclosure.Share("0", layer, layer.init(rng), x, delta)])
        found = sums.finish(mt.numbers.Quantity.exact(0))
        given = [Fraction(value) for value in features.flat]
        for a, d in itertools.product(*(corners(ball.rearranged(np.ravel), 0) for ball in (x, delta))):
            J = [s_w * a * d, s_b * d]
            gram = sum(value * value for value in J)
            if by_gram:
                off, length = (given[0] ** 2 - gram) ** 2, gram**2
            else:
                off, length = sum((f - value) ** 2 for f, value in zip(given, J, strict=True)), gram
            for quantity, square in ((found.distance, off), (found.size, length)):
                assert Fraction(quantity.lower) ** 2 <= square <= Fraction(quantity.upper) ** 2


def test_exact_inputs_of_a_rectifier_have_outputs_that_are_off_by_their_rounding() -> None:
    walk = enclosure._Walk(mlp([1, 1]), [])
    walk.kinks = {}
    exact = BallArray.exact(-np.random.default_rng(0).uniform(1, 2, (1, 200)))
    value, slope = walk._activation("leaky_relu", exact, "0")
    off = [
        (abs(Fraction(v) - Fraction(m) * Fraction(s)), Fraction(r))
        for v, m, s, r in zip(value.mid.flat, exact.mid.flat, slope.mid.flat, value.rad.flat, strict=True)
    ]
    assert any(lost for lost, _ in off)
    assert all(lost <= room <= Fraction(1, 10**15) for lost, room in off)


@pytest.mark.parametrize("by_gram", [True, False])
def test_another_scale_or_output_is_seen(by_gram: bool) -> None:
    X, y = inputs_of(mlp([3, 8, 1]), 4), np.ones(4)
    right, wrong = (
        Sequential((3,), (Dense(3, 8, "ntk", w_std=w), Activation("erf"), Dense(8, 1, "ntk")))
        for w in (1.0, 1.0001)
    )
    params = right.init(0)
    problem = mt.networks.from_network(right, params, X, y, forget=[0], dual=by_gram)
    other = mt.networks.from_network(wrong, params, X, y, forget=[0], dual=by_gram)
    own = tangent_distance(problem.tangent, problem.features)
    assert own.distance.bound < 1e-12
    assert own.outputs.bound < 1e-14
    crossed = tangent_distance(problem.tangent, other.features)
    assert crossed.distance.floor > 1e-6
    assert (
        tangent_distance(other.tangent, other.features).outputs.bound
        < 1e-14
        < 1e-6
        < (
            tangent_distance(
                mt.networks.Linearisation(right, params, X, other.tangent.outputs, by_gram=by_gram),
                problem.features,
            )
        ).outputs.floor
    )


def test_a_wrong_gram_width_or_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    net = mlp([3, 8, 1], "erf")
    problem = mt.networks.from_network(net, net.init(0), inputs_of(net, 4), np.ones(4), forget=[0])
    assert float_distance(problem) is float_distance(problem)
    monkeypatch.setattr(distance, "LARGEST_BYTES", 100)
    found = float_distance(replace(problem))
    assert isinstance(found, UndecidedError)
    assert "GB" in str(found)
    with pytest.raises(mt.BadInputError, match="a problem of a network"):
        float_distance(mt.UnlearningProblem(np.eye(2), np.ones(2), [0]))


def test_forty_rank_deficient_tangents_are_never_full() -> None:
    net = mlp([2, 8, 1], "identity")
    by_rounding = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        problem = mt.networks.from_network(
            net, net.init(seed), rng.standard_normal((4, 2)), rng.standard_normal(4), forget=[0]
        )
        with mpmath.workdps(80):
            floats = mpmath.matrix(problem.features.tolist())
            smallest, second = sorted(mpmath.eigsy(floats * floats.T, eigvals_only=True))[:2]
        found = tangent_distance(problem.tangent, problem.features)
        assert found.smallest(Fraction(float(smallest)) * Fraction(1001, 1000)) == 0
        assert found.smallest(Fraction(float(second))) > 0
        by_rounding += smallest > 1e-40
        exact = rational_jacobian(problem.tangent)
        rows = flint.fmpq_mat(
            4, net.n_params, [flint.fmpq(v.numerator, v.denominator) for v in exact.ravel()]
        )
        assert rows.rank() == 3
    assert by_rounding > 30  # the floats themselves have full rank


def test_rational_tangents_are_exact_or_refused() -> None:
    net = mlp([2, 3, 2], "relu")
    params, X = net.init(1), inputs_of(net, 3)
    exact = rational_jacobian(linearise(net, params, X))
    _, slopes = true_columns(net, params, X, range(net.n_params))
    with working_precision(256):
        rationals = [flint.arb(flint.fmpq(v.numerator, v.denominator)) for v in exact.ravel()]
        off = [float(abs(a - b).upper()) for a, b in zip(rationals, slopes.ravel(), strict=True)]
    assert max(off) < 1e-60
    for other in (mlp([2, 3, 1], "tanh"), mlp([2, 3, 1], "relu", "ntk"), mlp([2, 3, 1], "leaky_relu")):
        with pytest.raises(UndecidedError, match="not rational"):
            rational_jacobian(linearise(other, other.init(0), X))
    wide = mlp([2, 20_000, 1], "relu")
    with pytest.raises(UndecidedError, match="too many"):
        rational_jacobian(linearise(wide, wide.init(0), X))


def test_repeated_samples_are_found_among_those_asked_for() -> None:
    X = np.array([[1.0, 0.0], [2.0, 1.0], [1.0, -0.0], [2.0, 1.0 + 2**-52]])
    assert repeated_samples(X, np.array([0, 1, 2])) == (0, 2)
    assert repeated_samples(X, np.array([1, 2, 3])) is None


# -- kinks that no output sees -------------------------------------------------------------------------


def pruned(out_weight: float) -> tuple[Sequential, list[np.ndarray], np.ndarray]:
    """One of two hidden units has no weights into it and no bias, so its input is 0 at every sample."""
    net = mlp([1, 2, 1], "relu", "standard")
    params = [np.array([[1.0, 0.0]]), np.array([0.5, 0.0]), np.array([[2.0], [out_weight]]), np.array([0.1])]
    return net, params, np.array([[1.0], [2.0], [3.0]])


def test_a_rectifier_at_zero_that_no_output_depends_on_has_no_say() -> None:
    net, params, X = pruned(0.0)
    _, jacobian = assembled(net, params, X)
    # b₂ relu(b₁) is of second order at 0, so every derivative by the pruned unit's four parameters is 0
    assert (np.abs(jacobian.mid[:, 0, [1, 3, 5]]) + jacobian.rad[:, 0, [1, 3, 5]] <= 1e-250).all()
    assert (rational_jacobian(linearise(net, params, X))[:, [1, 3, 5]] == 0).all()
    net, params, X = pruned(1e-200)
    with pytest.raises(
        KinkError, match=r"unit 1 of layer 1 \(relu\) at sample 0 \(and 2 more\) is 0"
    ) as found:
        assembled(net, params, X)
    assert found.value.proved
    with pytest.raises(KinkError):
        rational_jacobian(linearise(net, params, X))


def test_a_dead_path_hides_kinks_below_it() -> None:
    """Above the kink in layer 1 all units of layer 3 are off: the cotangent is 0 without any weight of 0."""
    net = mlp([1, 1, 1, 1], "relu")
    params = [np.ones((1, 1)), -np.ones(1), np.ones((1, 1)), -np.ones(1), np.ones((1, 1)), np.zeros(1)]
    _, jacobian = assembled(net, params, np.ones((1, 1)))
    assert (jacobian.mid[0, 0, :5] == 0).all()
    params[3][0] = 1.0  # now it is on
    with pytest.raises(KinkError) as found:
        assembled(net, params, np.ones((1, 1)))
    assert found.value.proved


def test_inputs_that_no_parameter_moves_bend_nothing() -> None:
    first = Sequential((2,), (Activation("relu"), Dense(2, 1)))
    _, jacobian = assembled(first, first.init(0), np.array([[1.0, 0.0]]))
    assert jacobian.mid[0, 0].tolist() == [1.0, 0.0, 1.0]


def test_where_it_is_open_whether_an_output_bends_nothing_is_proved() -> None:
    """Two positions of one channel with opposite cotangents: the bias moves both, and their kinks cancel."""
    conv = Conv2D(1, 1, kernel=(1, 1))
    net = Sequential((1, 2, 1), (conv, Activation("relu"), Flatten(), Dense(2, 1)))
    params = [np.zeros((1, 1, 1, 1)), np.zeros(1), np.array([[1.0], [-1.0]]), np.zeros(1)]
    with pytest.raises(KinkError, match="not settled") as found:
        assembled(net, params, np.ones((1, 1, 2, 1)))
    assert not found.value.proved
    params[2][1] = 1.0
    with pytest.raises(KinkError) as found:
        assembled(net, params, np.ones((1, 1, 2, 1)))
    assert found.value.proved


def test_an_open_side_that_no_output_sees_is_no_obstacle() -> None:
    net = Sequential((2,), (Dense(2, 2), Activation("erf"), Dense(2, 1), Activation("relu"), Dense(1, 1)))
    params = [np.eye(2), np.zeros(2), np.array([[1.0], [-1.0]]), np.zeros(1), np.zeros((1, 1)), np.zeros(1)]
    X = np.array([[0.5, 0.5]])
    out, jacobian = assembled(net, params, X)
    assert out.mid[0, 0] == 0
    assert jacobian.rad[0, 0, 9] > 0  # ∂f/∂w = relu(0 ± rounding)
    params[4][0, 0] = 1.0
    with pytest.raises(KinkError, match="cannot be told from 0") as found:
        assembled(net, params, X)
    assert not found.value.proved


def test_the_largest_error_is_enclosed_wherever_in_its_ball_the_truth_is() -> None:
    rng = np.random.default_rng(0)
    for scale in (0.0, 1e-18, 1e-16, 1e-3, 1.0, 1e3):
        floats, mid = rng.standard_normal((2, 3, 4))
        balls = BallArray(mid, scale * rng.random((3, 4)))
        found = distance._largest_error(floats, balls)
        pairs = [
            (Fraction(x), Fraction(m), Fraction(r))
            for x, m, r in zip(floats.flat, mid.flat, balls.rad.flat, strict=True)
        ]
        farthest = max(abs(x - m) + r for x, m, r in pairs)
        nearest = max(max(Fraction(0), abs(x - m) - r) for x, m, r in pairs)
        assert found.lower <= nearest
        assert farthest <= found.upper <= farthest * (1 + Fraction(1, 10**12)) + Fraction(1, 10**300)
        assert found.lower >= nearest - 2 * Fraction(balls.rad.max()) - farthest / 10**12


@pytest.mark.parametrize("width", [1, 2, 3, 7, 40])
def test_no_norm_is_above_its_bound(width: int) -> None:
    """Squares and roots round either way: without room for it, bounds of one or two entries lie below the norm."""
    rng = np.random.default_rng(width)
    values = rng.uniform(1, 2, (500, width))
    plain = np.sqrt((values * values).sum(axis=-1))
    squares = [sum(Fraction(x) ** 2 for x in row) for row in values.tolist()]
    for unit in (1.0, 2.0**-540, 2.0**-1074):
        bounds = distance._norms(values * unit if unit > 2.0**-1074 else np.full(values.shape, unit)).tolist()
        size = Fraction(unit) ** 2
        exact = [size * (width if unit == 2.0**-1074 else square) for square in squares]
        assert all(b >= 0 and Fraction(b) ** 2 >= square for b, square in zip(bounds, exact, strict=True))
    assert (distance._norms(values) <= plain * (1 + 1e-12)).all()
    # The control: what is computed is not itself a bound where more than one entry is rounded.
    below = [Fraction(x) ** 2 < square for x, square in zip(plain.tolist(), squares, strict=True)]
    assert any(below) or width == 1
