"""Derivatives of networks against oracles that share only the forward pass, and planted errors that must be seen."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from mpmath.ctx_mp import MPContext

from muso_theory.errors import BadInputError
from muso_theory.networks import (
    Activation,
    AvgPool,
    Conv2D,
    Dense,
    GlobalAvgPool,
    LayerNorm,
    Residual,
    Sequential,
    check_gradients,
    finite_differences,
    jacobian_operator,
    mlp,
)
from muso_theory.networks.composition import Chain
from muso_theory.networks.cotangents import Cotangent
from muso_theory.networks.gradcheck import _relative
from muso_theory.networks.grams import FactoredGram, HadamardGram, KroneckerGram, PooledGram, RowsGram
from tests.networks.zoo import kinked, smooth

PARAMS = ("standard", "ntk")
SMOOTH = {f"{name}/{param}": net for param in PARAMS for name, net in smooth(param).items()}
KINKED = {f"{name}/{param}": net for param in PARAMS for name, net in kinked(param).items()}


def convert(context, array):
    return np.asarray(np.frompyfunc(context.mpf, 1, 1)(array), dtype=object)


def inputs(net, n=3, seed=0):
    return np.random.default_rng(seed).standard_normal((n, *net.input_shape))


@pytest.mark.parametrize("net", SMOOTH.values(), ids=SMOOTH)
def test_jacobian_agrees_with_the_complex_step(net):
    params, X = net.init(1), inputs(net)
    oracle = finite_differences(net, params, X, "complex-step")[0]
    assert abs(net.jacobian(params, X) - oracle).max() <= 1e-14 * abs(oracle).max()


@pytest.mark.slow
@pytest.mark.parametrize("net", KINKED.values(), ids=KINKED)
def test_jacobian_of_rectifier_networks_agrees_with_50_digits(net):
    # 50-digit steps of 1e-16 cross a kink with probability zero, so this oracle needs no smoothness
    params, X = net.init(1), inputs(net, n=1)
    oracle = finite_differences(net, params, X, "mpmath")[0]
    assert abs(net.jacobian(params, X) - oracle).max() <= 1e-14 * abs(oracle).max()


@pytest.mark.parametrize("net", {**SMOOTH, **KINKED}.values(), ids={**SMOOTH, **KINKED})
def test_forward_and_reverse_mode_are_adjoint(net):
    params, X, rng = net.init(1), inputs(net), np.random.default_rng(5)
    J = net.jacobian(params, X).reshape(len(X) * net.n_out, net.n_params)
    v, u = rng.standard_normal(net.n_params), rng.standard_normal(len(J))
    operator = jacobian_operator(net, params, X)
    scale = np.linalg.norm(J)
    assert abs(operator @ v - J @ v).max() <= 1e-14 * scale * np.linalg.norm(v)
    assert abs(operator.T @ u - J.T @ u).max() <= 1e-14 * scale * np.linalg.norm(u)


@pytest.mark.parametrize("net", {**SMOOTH, **KINKED}.values(), ids={**SMOOTH, **KINKED})
def test_every_rule_passes_its_check(net):
    check = check_gradients(net, net.init(1), inputs(net), tolerance=1e-11)
    assert not check.wrong
    assert "agrees" in repr(check)


def test_finite_differences_reach_their_accuracy_and_estimate_it():
    net = mlp([4, 8, 3], "tanh")
    params, X = net.init(0), inputs(net, 5)
    J = net.jacobian(params, X)
    for method, reached in (
        ("central", 2e-10),
        ("richardson", 3e-13),
        ("complex-step", 1e-15),
        ("mpmath", 1e-15),
    ):
        found, estimate = finite_differences(net, params, X, method)
        error = abs(found - J)
        assert error.max() <= reached
        assert np.quantile(error / (estimate + 1e-15), 0.9) <= 1.0


def test_error_estimate_shows_the_kink_of_relu():
    net = Sequential((1,), (Dense(1, 1), Activation("relu")))
    params = [np.ones((1, 1)), np.full(1, -1.0)]
    _, error = finite_differences(net, params, np.array([[1.005]]), "richardson")
    assert error.max() > 1e-3
    assert finite_differences(net, params, np.array([[5.0]]), "richardson")[1].max() < 1e-10


# --- planted errors ------------------------------------------------------------------------------------------------

PLANTED = Sequential(
    (6, 6, 2),
    (
        Conv2D(2, 4, (3, 3), param="ntk"),
        Activation("tanh"),
        AvgPool((2, 2)),
        LayerNorm(4),
        Residual((Conv2D(4, 4, (1, 1)), Activation("gelu"))),
        Conv2D(4, 3, (2, 2), padding="VALID"),
        Activation("relu"),
        GlobalAvgPool(),
        Dense(3, 4, "ntk"),
        Activation("sin"),
        Dense(4, 2),
    ),
)
RULES = ("jvp", "pull", "gradient", "rows", "gram_term")
TARGETS = [
    ("0", lambda layer: isinstance(layer, Conv2D) and layer.c_in == 2, RULES),
    ("1", lambda layer: layer == Activation("tanh"), RULES[:2]),
    ("2", lambda layer: isinstance(layer, AvgPool), RULES[:2]),
    ("3", lambda layer: isinstance(layer, LayerNorm), RULES),
    ("4.body.0", lambda layer: isinstance(layer, Conv2D) and layer.kernel == (1, 1), RULES),
    ("4.body.1", lambda layer: layer == Activation("gelu"), RULES[:2]),
    ("6", lambda layer: layer == Activation("relu"), RULES[:2]),
    ("7", lambda layer: isinstance(layer, GlobalAvgPool), RULES[:2]),
    ("8", lambda layer: isinstance(layer, Dense) and layer.n_in == 3, RULES),
    ("10", lambda layer: isinstance(layer, Dense) and layer.n_in == 4, RULES),
]
FACTOR = 1.0005


def inflate(value):
    """The same derivative, 0.05 % too large (for lists: the last array, which is the bias)."""
    if value is None:
        return None
    if isinstance(value, list):
        return [*value[:-1], FACTOR * value[-1]]
    if isinstance(value, Cotangent):
        return dataclasses.replace(value, right=FACTOR * value.right)
    if isinstance(value, np.ndarray):
        return FACTOR * value
    field = {
        HadamardGram: "deltas",
        FactoredGram: "slopes",
        KroneckerGram: "outputs",
        RowsGram: "rows",
        PooledGram: "features",
    }[type(value)]
    return dataclasses.replace(value, **{field: FACTOR * getattr(value, field)})


@pytest.mark.parametrize(
    ("path", "matches", "rule"),
    [(path, matches, rule) for path, matches, rules in TARGETS for rule in rules],
    ids=[f"{path}-{rule}" for path, _, rules in TARGETS for rule in rules],
)
def test_a_small_error_in_one_rule_of_one_layer_is_named(path, matches, rule, monkeypatch):
    for kind in {type(layer) for layer in (*PLANTED.layers, *PLANTED.layers[4].body)}:
        right = getattr(kind, rule)

        def wrong(self, *args, right=right):
            value = right(self, *args)
            return inflate(value) if matches(self) else value

        monkeypatch.setattr(kind, rule, wrong)
    params, X = PLANTED.init(2), inputs(PLANTED)
    check = check_gradients(PLANTED, params, X, throw=False)
    named = {(name.split()[0], found) for name, found in check.wrong}
    if rule == "rows":  # the Gram is held against the rows, so a wrong row shows there too
        assert named <= {(path, "rows"), (path, "gram_term")}
    assert (path, rule) in named
    assert {name for name, _ in named} == {path}
    with pytest.raises(BadInputError, match=rf"layer {path} .*rule {rule}, off by"):
        check_gradients(PLANTED, params, X)


@pytest.mark.parametrize("kind", [HadamardGram, FactoredGram, KroneckerGram, RowsGram, PooledGram])
@pytest.mark.parametrize("contract", ["full", "trace", "diag"])
def test_a_small_error_in_a_structured_gram_is_seen(kind, contract, monkeypatch):
    right = kind.tile

    def wrong(self, other, asked, out=None):
        value = right(self, other, asked, out)
        if asked == contract:
            value *= FACTOR
        return value

    monkeypatch.setattr(kind, "tile", wrong)
    named = check_gradients(PLANTED, PLANTED.init(2), inputs(PLANTED), throw=False).wrong
    assert named
    assert {rule for _, rule in named} == {"gram_term"}


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (Chain, "jvp"),
        (Residual, "jvp"),
        (Residual, "backward"),
        (Cotangent, "add"),
        (Sequential, "pull_back"),
    ],
)
def test_a_small_error_in_the_composition_is_seen(owner, name, monkeypatch):
    smooth_net = Sequential((3,), (Dense(3, 3), Residual((Dense(3, 3), Activation("tanh"))), Dense(3, 2)))
    right = getattr(owner, name)
    monkeypatch.setattr(owner, name, lambda self, *args: inflate(right(self, *args)))
    named = check_gradients(smooth_net, smooth_net.init(2), inputs(smooth_net), throw=False).wrong
    assert named
    assert {layer for layer, _ in named} == {"network"}


# --- conventions and refusals --------------------------------------------------------------------------------------


def test_conventions_by_hand():
    dense = Sequential((2,), (Dense(2, 3, "ntk", w_std=1.5, b_std=0.2),))
    W, b = params = dense.init(0)
    x = np.array([[0.3, -1.0]])
    assert np.allclose(dense(params, x), 1.5 / np.sqrt(2) * x @ W + 0.2 * b, rtol=1e-15)
    conv = Sequential((3, 3, 2), (Conv2D(2, 1, (3, 3), padding="VALID", param="ntk", w_std=2.0, b_std=0.5),))
    W, b = params = conv.init(0)
    x = np.random.default_rng(0).standard_normal((1, 3, 3, 2))
    assert np.allclose(conv(params, x).item(), 2 / np.sqrt(18) * (x[0] * W[..., 0]).sum() + 0.5 * b.item())
    relu = Sequential((1,), (Activation("relu"), Dense(1, 1)))
    assert relu.layers[0].forward([], np.zeros((1, 1)))[1].item() == 0.0
    assert [a.shape for a in dense.init(0)] == [(2, 3), (3,)]


@pytest.mark.parametrize(
    ("size", "stride", "kernel"), [(5, 1, 3), (5, 2, 3), (6, 2, 3), (4, 3, 2), (7, 2, 4), (3, 1, 5)]
)
def test_convolution_equals_its_definition(size, stride, kernel):
    rng = np.random.default_rng(1)
    x = rng.standard_normal((2, size, size + 1, 2))
    for padding in ("SAME", "VALID"):
        if padding == "VALID" and kernel > size:
            continue
        net = Sequential((size, size + 1, 2), (Conv2D(2, 3, (kernel, kernel), (stride, stride), padding),))
        W, b = params = net.init(1)
        found = net(params, x)
        before = 0
        if padding == "SAME":
            pads = [max((-(-s // stride) - 1) * stride + kernel - s, 0) for s in (size, size + 1)]
            before = [p // 2 for p in pads]
            padded = np.pad(x, ((0, 0), *((q, p - q) for p, q in zip(pads, before, strict=True)), (0, 0)))
        else:
            padded = x
        wanted = np.empty(found.shape)
        for i in range(found.shape[1]):
            for j in range(found.shape[2]):
                window = padded[:, i * stride : i * stride + kernel, j * stride : j * stride + kernel]
                wanted[:, i, j] = np.tensordot(window, W, axes=3) + b
        assert np.allclose(found, wanted, rtol=0, atol=1e-13)
        assert found.shape[1] == (-(-size // stride) if padding == "SAME" else (size - kernel) // stride + 1)


@pytest.mark.parametrize("net", SMOOTH.values(), ids=SMOOTH)
def test_float32_complex_and_50_digits_run_through_the_same_layers(net):
    import mpmath

    params, X = net.init(1), inputs(net, 1)
    out = net(params, X)
    small = net([p.astype(np.float32) for p in params], X.astype(np.float32))
    assert small.dtype == np.float32
    assert abs(small - out).max() < 1e-5
    assert net.jacobian([p.astype(np.float32) for p in params], X.astype(np.float32)).dtype == np.float32
    assert abs(net([p + 0j for p in params], X) - out).max() < 1e-14
    digits_before = mpmath.mp.dps
    context = MPContext()
    context.dps = 50
    exact = net([convert(context, p) for p in params], convert(context, X))
    assert mpmath.mp.dps == digits_before
    assert abs(exact.astype(float) - out).max() < 1e-14


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (lambda: mlp([4, 8, 1], "rleu"), "try 'relu'"),
        (lambda: mlp([4]), "at least two sizes"),
        (lambda: mlp([4, 0, 1]), "positive whole number"),
        (lambda: mlp([4, 1], parameterization="nkt"), "try 'ntk'"),
        (
            lambda: Sequential((4,), (Dense(4, 3), Dense(2, 1))),
            r"layer 1 \(dense 2→1\): .*\(2,\).*shape=\(3,\)",
        ),
        (lambda: Sequential((5, 5, 1), (AvgPool((2, 2)),)), r"layer 0 .*tile exactly"),
        (
            lambda: Sequential((2, 2, 1), (Conv2D(1, 1, (3, 3), padding="VALID"),)),
            "at least as large as the kernel",
        ),
        (lambda: Sequential((4, 4, 3), (Conv2D(1, 1, (3, 3)),)), "1 input channels"),
        (lambda: Sequential((4,), (Residual((Dense(4, 3),)),)), "shortcut's shape"),
        (lambda: Sequential((4,), (LayerNorm(3),)), "last axis of length 3"),
        (lambda: Sequential((4,), (Activation("relu"), "dense")), r"layers\[1\]=dense"),
        (lambda: mlp([4, 1])(mlp([4, 1]).init(0), np.ones((2, 5))), r"layer 0 \(dense 4→1\).*X=\(2, 5\)"),
        (lambda: mlp([4, 1])(mlp([5, 1]).init(0), np.ones((2, 4))), r"params\[0\]=\(5, 1\)"),
        (
            lambda: mlp([4, 1])([np.full((4, 1), np.nan), np.zeros(1)], np.ones((2, 4))),
            r"finite numbers.*params\[0\]",
        ),
        (lambda: mlp([4, 1])(mlp([4, 1]).init(0), np.full((2, 4), np.inf)), "finite numbers.*X"),
        (lambda: mlp([4, 1]).unflatten(np.zeros(4)), r"a vector \(5,\)"),
        (
            lambda: finite_differences(
                mlp([2, 2, 1]), mlp([2, 2, 1]).init(0), np.ones((1, 2)), "complex-step"
            ),
            "analytic activation.*richardson",
        ),
        (lambda: check_gradients(mlp([2, 1]), mlp([2, 1]).init(0), np.ones((0, 2))), "at least one sample"),
        (
            lambda: finite_differences(mlp([2, 1]), mlp([2, 1]).init(0), np.ones((1, 2)), "comlpex-step"),
            "try 'complex-step'",
        ),
    ],
)
def test_bad_input_is_refused_with_a_hint(action, words):
    with pytest.raises(BadInputError, match=words):
        action()


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (2, 3), (5, 4)])
def test_both_forms_of_the_transposed_convolution_agree(padding, kernel):
    # the form for unit strides is the faster; the general one stands by as its twin
    rng = np.random.default_rng(0)
    layer = Conv2D(2, 3, kernel, padding=padding)
    weight = layer.init(rng)[0]
    delta = rng.standard_normal((4, *layer.output_shape((5, 6, 2))))
    gathered, scattered = (
        layer._gathered(weight, delta, (5, 6, 2)),
        layer._scattered(weight, delta, (5, 6, 2)),
    )
    assert abs(gathered - scattered).max() <= 1e-14 * abs(scattered).max()
    assert abs(gathered - layer._scattered(weight[::-1, ::-1], delta, (5, 6, 2))).max() > 0 or kernel == (
        1,
        1,
    )


@pytest.mark.parametrize("shape", [(1,), (3,), (1, 3), (2, 1), (2, 2), (2, 3, 1), ()])
def test_a_wrong_shape_is_infinitely_wrong_also_where_it_would_broadcast(shape):
    wanted = np.ones((2, 3))
    assert _relative(np.ones(shape), wanted) == _relative(wanted, np.ones(shape)) == math.inf
    assert _relative(wanted, wanted) == 0
    assert _relative(wanted, 2 * wanted) == 0.5
    assert _relative(0 * wanted, 0 * wanted) == 0
    assert _relative(wanted, 0 * wanted) == math.inf
    assert _relative(wanted, 2 * wanted, 4.0) == 0.25


@pytest.mark.parametrize("param", ["standard", "ntk"])
def test_a_sum_has_the_type_that_holds_all_of_it(param):
    """Weights and samples of one type, and a bias of a wider one: no digit of the bias is lost."""
    import mpmath

    layer, rng = Dense(3, 2, param), np.random.default_rng(0)
    W, x = rng.standard_normal((3, 2)).astype(np.float32), rng.standard_normal((4, 3)).astype(np.float32)
    bias = rng.standard_normal(2)
    context = MPContext()
    for wide in (bias, bias + 1e-3j, convert(context, bias)):
        z = layer.forward([W, wide], x)[0]
        less = layer.forward([W, 0 * bias], x)[0]
        assert z.dtype == np.result_type(W, wide)
        scale = (layer.forward([W, np.ones(2)], x)[0] - less)[0, 0]
        assert abs(z - less - scale * wide).max() < 1e-14
    assert mpmath.mp.dps == 15
    same = layer.forward([W, bias.astype(np.float32)], x)[0]
    assert same.dtype == np.float32


def test_only_what_nobody_else_holds_is_overwritten():
    """Pulled back through a linear map a cotangent of every sample is new; one that is shared, or lent, is not."""
    rng = np.random.default_rng(0)
    slope, own = rng.standard_normal((3, 4)), rng.standard_normal((3, 2, 4))
    given = Cotangent(own.copy(), (4,), per_sample=True)
    pulled = given.linear(lambda values: values * 2.0, (4,), 3)
    before = pulled.right.copy()
    lent = pulled.lent().scale(slope)
    assert np.array_equal(pulled.right, before)
    taken = pulled.scale(slope)
    assert np.array_equal(taken.right, lent.right)
    assert np.array_equal(taken.right, 2 * own * slope[:, None])
    assert np.shares_memory(
        taken.right, pulled.right
    )  # in place: the largest array of the way back is not held twice
    assert np.array_equal(given.scale(slope).right * 2, taken.right)
    assert np.array_equal(given.right, own)
    assert np.shares_memory(taken.scale(slope).right, taken.right)
    # One array for all samples stays one, and is as it was after each of its readers.
    shared = Cotangent.identity((4,), np.dtype(float)).linear(lambda values: values * 3.0, (4,), 3)
    assert shared.shared
    assert not shared.owned
    for _ in range(2):
        assert np.array_equal(shared.scale(slope).expand(3), 3 * np.eye(4) * slope[:, None])
