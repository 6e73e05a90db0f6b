"""Layers of published networks: their own formulas by loops, derivatives, kernels, files, and what they refuse."""

from __future__ import annotations

import dataclasses
import math
import re

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.errors import BadInputError
from muso_theory.networks import (
    Activation,
    AdaptiveAvgPool,
    BatchNorm,
    Concatenate,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Gate,
    GlobalAvgPool,
    GroupNorm,
    LayerNorm,
    MaxPool,
    Pointwise,
    Position,
    Residual,
    SelfAttention,
    Sequential,
    attention,
    check_gradients,
    empirical_ntk,
    finite_differences,
    from_network,
    load,
    save,
    vgg11,
)
from muso_theory.networks.composition import leaves
from muso_theory.networks.enclosure import enclosed_tangent, rows_of
from muso_theory.networks.factors import gram_terms
from muso_theory.networks.grams import PatchGram
from verification.layer_nets import PARAMETERIZATIONS, inputs, kinked, moved, smooth

SMOOTH = {f"{name}/{param}": net for param in PARAMETERIZATIONS for name, net in smooth(param).items()}
ALL = {
    **SMOOTH,
    **{f"{name}/{param}": net for param in PARAMETERIZATIONS for name, net in kinked(param).items()},
}


@pytest.mark.parametrize("net", ALL.values(), ids=ALL)
def test_every_rule_and_the_kernel_of_rows(net):
    params, X = moved(net), inputs(net)
    assert not check_gradients(net, params, X, tolerance=1e-10).wrong
    J = net.jacobian(params, X)
    for contract, wanted in {
        "full": np.einsum("akp,blp->akbl", J, J),
        "trace": np.einsum("akp,bkp->ab", J, J),
        "diag": np.einsum("akp,bkp->abk", J, J),
    }.items():
        found = empirical_ntk(net, params, X, contract=contract)
        assert abs(found - wanted).max() <= 1e-13 * abs(wanted).max()


@pytest.mark.parametrize("net", SMOOTH.values(), ids=SMOOTH)
def test_derivatives_agree_with_the_complex_step(net):
    if net.n_params > 400:
        params, X = moved(net), inputs(net, 1)
        tangent = [np.ones_like(a) * moves for a, moves in zip(params, net.trainable, strict=True)]
        shifted = [a + 1e-100j * t for a, t in zip(params, tangent, strict=True)]
        wanted = net(shifted, X).imag / 1e-100
        assert abs(net.jvp(params, X, tangent) - wanted).max() <= 1e-12 * abs(wanted).max()
        return
    params, X = moved(net), inputs(net, 1)
    wanted = finite_differences(net, params, X, "complex-step")[0]
    assert abs(net.jacobian(params, X) - wanted).max() <= 1e-13 * abs(wanted).max()


@pytest.mark.parametrize("net", ALL.values(), ids=ALL)
def test_what_is_saved_is_loaded(net, tmp_path):
    params, X = moved(net), inputs(net)
    save(tmp_path / "net.npz", net, params)
    again, loaded = load(tmp_path / "net.npz")
    assert again == net
    assert np.array_equal(net(params, X), again(loaded, X))


@pytest.mark.parametrize("net", ALL.values(), ids=ALL)
def test_float32_stays_float32(net):
    params, X = moved(net), inputs(net)
    small = [p.astype(np.float32) for p in params]
    x = X if X.dtype.kind == "i" else X.astype(np.float32)
    if X.dtype.kind == "f":
        assert net(small, x).dtype == np.float32
        assert net.jacobian(small, x).dtype == np.float32
    assert abs(net(small, x) - net(params, X)).max() < 1e-4


# --- formulas by loops ---------------------------------------------------------------------------------------------


def by_loops(layer, weight, bias, x):
    """The definition of a convolution: output by output, entry by entry."""
    (top, bottom), (left, right) = layer.padding
    padded = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))
    (kh, kw), (sh, sw), (dh, dw) = layer.kernel, layer.stride, layer.dilation
    oh = (padded.shape[1] - (kh - 1) * dh - 1) // sh + 1
    ow = (padded.shape[2] - (kw - 1) * dw - 1) // sw + 1
    inner, outer = layer.c_in // layer.groups, layer.c_out // layer.groups
    y = np.zeros((len(x), oh, ow, layer.c_out)) + bias
    for i, j, c, a, b, d in np.ndindex(oh, ow, layer.c_out, kh, kw, inner):
        entry = padded[:, i * sh + a * dh, j * sw + b * dw, (c // outer) * inner + d]
        y[:, i, j, c] += entry * weight[a, b, d, c]
    return y


@pytest.mark.parametrize(
    "layer",
    [
        Conv2D(4, 6, (3, 2), padding=((2, 0), (1, 3))),
        Conv2D(4, 6, (2, 2), (2, 3), ((0, 1), (0, 0)), dilation=(2, 1)),
        Conv2D(4, 6, (3, 3), (2, 2), ((1, 1), (1, 1)), groups=2),
        Conv2D(4, 8, (3, 3), padding=((1, 1), (1, 1)), groups=4, bias=False),
    ],
    ids=str,
)
def test_a_convolution_equals_its_definition(layer):
    x = np.random.default_rng(0).standard_normal((2, 6, 7, 4))
    p = layer.init(np.random.default_rng(1))
    wanted = by_loops(layer, p[0], p[1] if layer.bias else 0.0, x)
    assert layer.output_shape((6, 7, 4)) == wanted.shape[1:]
    assert abs(layer.forward(p, x)[0] - wanted).max() < 1e-13
    other = dataclasses.replace(layer, padding=((0, 3), (3, 0)))  # elsewhere: the loops tell them apart
    if other.output_shape((6, 7, 4)) == wanted.shape[1:]:
        assert abs(other.forward(p, x)[0] - wanted).max() > 1e-3


@pytest.mark.parametrize(
    ("size", "bins"), [((6, 6), (3, 2)), ((7, 5), (3, 2)), ((2, 3), (4, 3)), ((1, 1), (7, 7))]
)
def test_adaptive_pools_average_their_bins(size, bins):
    x = np.random.default_rng(0).standard_normal((2, *size, 3))
    found = AdaptiveAvgPool(bins).forward([], x)[0]
    for i, j in np.ndindex(bins):
        rows = range(math.floor(i * size[0] / bins[0]), math.ceil((i + 1) * size[0] / bins[0]))
        columns = range(math.floor(j * size[1] / bins[1]), math.ceil((j + 1) * size[1] / bins[1]))
        wanted = np.mean([x[:, a, b] for a in rows for b in columns], axis=0)
        assert abs(found[:, i, j] - wanted).max() < 1e-14


@pytest.mark.parametrize(
    "layer",
    [MaxPool((2, 3)), MaxPool((3, 3), (2, 2), ((1, 1), (1, 0))), MaxPool((1, 2), (3, 1), ((0, 0), (0, 1)))],
    ids=repr,
)
def test_max_pools_take_the_largest(layer):
    x = np.random.default_rng(0).standard_normal((2, 6, 7, 3)) - 3  # negative: padding must not win
    found, _ = layer.forward([], x)
    padded = np.pad(x, ((0, 0), *layer.padding, (0, 0)), constant_values=-np.inf)
    for i, j in np.ndindex(found.shape[1:3]):
        a, b = i * layer.steps[0], j * layer.steps[1]
        window = padded[:, a : a + layer.window[0], b : b + layer.window[1]]
        assert np.array_equal(found[:, i, j], window.max(axis=(1, 2)))
    assert np.isfinite(found).all()


def test_of_equal_values_the_first_has_the_derivative():
    net = Sequential((2, 2, 1), (MaxPool((2, 2)), Flatten()))
    _, cache = net.chain.forward([], np.ones((1, 2, 2, 1)))
    from muso_theory.networks.cotangents import Cotangent

    back = net.chain.pull([], cache, Cotangent.identity((1,), np.dtype(float))).expand(1)
    assert back.ravel().tolist() == [1.0, 0.0, 0.0, 0.0]


def test_group_norm_by_loops():
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 6))
    layer = GroupNorm(3, 6)
    gain, bias = np.arange(1.0, 7.0), np.arange(6.0)
    found = layer.forward([gain, bias], x)[0]
    for sample, group in np.ndindex(2, 3):
        part = x[sample, :, :, 2 * group : 2 * group + 2]
        normal = (part - part.mean()) / np.sqrt(part.var() + 1e-5)
        own = slice(2 * group, 2 * group + 2)
        assert abs(found[sample, :, :, own] - normal * gain[own] - bias[own]).max() < 1e-13
    one = GroupNorm(1, 6).forward([gain, bias], x[:, :1, :1])[0]
    assert np.allclose(one, LayerNorm(6).forward([gain, bias], x[:, :1, :1])[0], rtol=1e-13)


def test_attention_by_loops():
    length, size, heads = 4, 6, 3
    x = np.random.default_rng(0).standard_normal((2, length, 3 * size))
    found = SelfAttention(heads).forward([], x)[0]
    own = size // heads
    for sample, head, place in np.ndindex(2, heads, length):
        q, k, v = (
            x[sample, :, part * size + head * own : part * size + (head + 1) * own] for part in range(3)
        )
        powers = [math.exp(float(q[place] @ k[other]) / math.sqrt(own)) for other in range(length)]
        wanted = sum(power * v[other] for other, power in enumerate(powers)) / sum(powers)
        assert abs(found[sample, place, head * own : (head + 1) * own] - wanted).max() < 1e-13
    assert np.isfinite(SelfAttention(1).forward([], 1e3 * x)[0]).all()  # nothing overflows


def test_gates_and_concatenations_by_hand():
    x = np.random.default_rng(0).standard_normal((2, 3, 3, 2))
    gated = Gate((GlobalAvgPool(), Activation("sigmoid"))).forward([], x)[0]
    assert np.allclose(gated, x / (1 + np.exp(-x.mean(axis=(1, 2))))[:, None, None], rtol=1e-14)
    beside = Concatenate(((), (Activation("sin"),))).forward([], x)[0]
    assert np.allclose(beside, np.concatenate([x, np.sin(x)], axis=3))


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("silu", lambda x: x / (1 + np.exp(-x))),
        ("elu", lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0)))),
        ("hard_swish", lambda x: x * np.clip(x + 3, 0, 6) / 6),
    ],
)
def test_activations_have_their_values_and_slopes(name, formula):
    x = np.array([-40.0, -5.0, -2.5, -1.0, -0.1, 0.2, 2.5, 4.0, 50.0])
    value, slope = Activation(name).forward([], x)
    assert np.allclose(value, formula(x), rtol=1e-13, atol=1e-15)
    steps = (formula(x + 1e-6) - formula(x - 1e-6)) / 2e-6
    assert np.allclose(slope, steps, rtol=1e-8, atol=1e-9)


def test_tokens_are_looked_up_and_their_gradients_summed():
    layer = Embedding(3, 2)
    table = np.arange(6.0).reshape(3, 2)
    y, index = layer.forward([table], np.array([[2.0, 0.0, 2.0]]))
    assert y.tolist() == [[[4, 5], [0, 1], [4, 5]]]
    (summed,) = layer.gradient([table], index, np.ones((1, 3, 2)))
    assert summed.tolist() == [[1, 1], [0, 0], [2, 2]]
    assert Position(2, 2).forward([table[:2]], np.ones((1, 2, 2)))[0].tolist() == [[[1, 2], [3, 4]]]


# --- enclosures and kernels ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["padding", "dilation", "depthwise", "no-bias", "batch-norm", "silu"])
@pytest.mark.parametrize("act", ["tanh", "relu"])
def test_enclosures_hold_the_derivatives(name, act):
    net = SMOOTH[f"{name}/standard"]
    net = dataclasses.replace(net, layers=(net.layers[0], Activation(act), *net.layers[2:]))
    params, X = moved(net), inputs(net, 1)
    ((_, _, shares),) = enclosed_tangent(net, params, X)
    mid, rad = (
        np.concatenate([getattr(ball, end) for share in shares for ball in rows_of(share)], axis=2)
        for end in ("mid", "rad")
    )
    J = net.jacobian(params, X)
    assert mid.shape == J.shape
    tangent = [
        np.random.default_rng(2).standard_normal(a.shape) * moves
        for a, moves in zip(params, net.trainable, strict=True)
    ]
    from muso_theory.networks.duals import enclosed_derivative

    _, slopes = enclosed_derivative(net, params, X, tangent)
    v = net.flatten(tangent)
    for c in range(net.n_out):
        off = abs(float(slopes[0, c].mid()) - mid[0, c] @ v)
        assert off <= rad[0, c] @ abs(v) + 1e-15 * abs(mid[0, c]) @ abs(v)
    assert rad.max() < 1e-11


def test_few_positions_take_patches():
    net = Sequential(
        (4, 4, 2),
        (
            Conv2D(2, 24, (3, 3), (2, 2), ((1, 1), (1, 1))),
            Activation("tanh"),
            Conv2D(24, 30, (3, 3), param="ntk"),
            Activation("tanh"),
            Conv2D(30, 30, (2, 2), bias=False),
            Activation("tanh"),
            Flatten(),
            Dense(120, 3),
        ),
    )
    params, X = net.init(0), np.random.default_rng(0).standard_normal((3, 4, 4, 2))
    kinds = [type(term) for term in gram_terms(net, params, X)]
    assert kinds[:3] == [PatchGram] * 3
    assert not check_gradients(net, params, X, tolerance=1e-11).wrong


@pytest.mark.parametrize("contract", ["full", "trace", "diag"])
def test_a_small_error_in_the_patches_is_seen(contract, monkeypatch):
    right = PatchGram.tile
    monkeypatch.setattr(
        PatchGram,
        "tile",
        lambda self, other, asked, out=None: (
            right(self, other, asked, out) * (1 + 1e-6 * (asked == contract))
        ),
    )
    net = Sequential((2, 2, 8), (Conv2D(8, 16, (3, 3)), Activation("tanh"), Flatten(), Dense(64, 2)))
    named = check_gradients(net, net.init(0), np.ones((2, 2, 2, 8)), throw=False).wrong
    assert {rule for _, rule in named} == {"gram_term"}


@pytest.mark.parametrize(
    ("name", "derivative", "differentiable"),
    [
        ("max-pool-padded", "MEASURED", "UNDECIDED"),
        ("elu", "MEASURED", "UNDECIDED"),
        ("hard-swish", "MEASURED", "UNDECIDED"),
        ("squeeze-and-excite", "MEASURED", "PROVED"),
        ("attention", "MEASURED", "PROVED"),
        ("batch-norm", "CERTIFIED", "PROVED"),
    ],
)
def test_what_is_not_enclosed_is_told(name, derivative, differentiable):
    """A layer without proved rounding errors makes its row no more than MEASURED, and uncounted kinks UNDECIDED."""
    net, rng = ALL[f"{name}/standard"], np.random.default_rng(0)
    net = Sequential(net.input_shape, (*net.layers[:-1], Dense(net.layers[-1].n_in, 1)))
    X, y = rng.standard_normal((6, *net.input_shape)), rng.standard_normal(6)
    problem = from_network(net, net.init(0), X, y, forget=[1])
    report = mt.check(problem, ["linearised-network", "differentiable"])
    assert report["linearised-network"].verdict.name == derivative
    assert report["differentiable"].verdict.name == differentiable


# --- refusals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (
            lambda: Conv2D(3, 4, (3, 3), groups=2),
            r"groups that divide 3 input and 4 output .* try a divisor of 1",
        ),
        (lambda: Conv2D(4, 4, (3, 3), padding=((1, 1), (1, -1))), r"\(\(top, bottom\), \(left, right\)\)"),
        (lambda: Conv2D(4, 4, (3, 3), padding="SMAE"), "padding"),
        (lambda: Conv2D(4, 4, (3, 3), dilation=(0, 1)), "dilation"),
        (
            lambda: Sequential((4, 4, 1), (Conv2D(1, 1, (3, 3), padding="VALID", dilation=(2, 1)),)),
            r"layer 0 .*kernel \(5, 3\)",
        ),
        (
            lambda: Sequential((4, 4, 3), (BatchNorm(4),)),
            r"layer 0 \(batch_norm 4\): .*last axis of length 4",
        ),
        (lambda: BatchNorm(4, momentum=0.0), "momentum"),
        (lambda: GroupNorm(3, 4), r"groups that divide 4 channels"),
        (lambda: MaxPool((2, 2), padding=((2, 0), (0, 0))), "padding smaller than the window"),
        (lambda: Sequential((1, 4, 1), (MaxPool((2, 2)),)), r"layer 0 \(max_pool 2×2\): .*at least as large"),
        (lambda: Sequential((4,), (AdaptiveAvgPool((2, 2)),)), "for adaptive_avg_pool"),
        (lambda: Dropout(1.0), r"rate in \[0, 1\)"),
        (lambda: Sequential((4,), (Gate((Dense(4, 3),)),)), r"a gate that ends in \(4,\)"),
        (lambda: Concatenate(()), "at least one branch"),
        (
            lambda: Sequential((4, 4, 1), (Concatenate(((), (MaxPool((2, 2)),))),)),
            "differ in the last axis only",
        ),
        (lambda: Sequential((4, 8), (SelfAttention(2),)), "multiple of 2 heads"),
        (lambda: attention(6, 4), "heads that divide 6"),
        (lambda: Sequential((4, 8), (Pointwise(6, 2),)), r"sequences \(length, 6\).*try n_in=8"),
        (lambda: Sequential((4, 8), (Position(3, 8),)), r"sequences \(3, 8\)"),
        (lambda: Sequential((4, 8), (Embedding(3, 8),)), r"sequences of tokens"),
        (lambda: Embedding(3, 2).forward([np.ones((3, 2))], np.array([[3.0]])), "tokens from 0 to 2"),
        (lambda: Embedding(3, 2).forward([np.ones((3, 2))], np.array([[0.5]])), "tokens from 0 to 2"),
        (lambda: Embedding(3, 2).forward([np.ones((3, 2))], np.array([[1 + 1j]])), "tokens from 0 to 2"),
        (lambda: Activation("silo"), "try 'silu'"),
        (lambda: MaxPool((2, 2)).forward([], np.ones((1, 2, 2, 1)) + 0j), "real numbers"),
        (
            lambda: Sequential((4,), (Residual((Dense(4, 4), BatchNorm(3))),)),
            r"layer 1 \(batch_norm 3\): .*shape=\(4,\)",
        ),
    ],
)
def test_bad_input_is_refused_with_a_hint(action, words):
    with pytest.raises(BadInputError, match=words):
        action()


# --- planted errors ------------------------------------------------------------------------------------------------

RULES = ("jvp", "pull", "gradient", "rows")
PLANTED = [
    (kind, rule, name)
    for kind, name, rules in (
        (BatchNorm, "batch-norm", RULES),
        (GroupNorm, "group-norm", RULES),
        (AdaptiveAvgPool, "adaptive-pool", RULES[:2]),
        (MaxPool, "max-pool-padded", RULES[:2]),
        (Dropout, "dropout", RULES[:2]),
        (Pointwise, "attention", RULES),
        (SelfAttention, "attention", RULES[:2]),
        (Position, "embedding", RULES),
        (Embedding, "embedding", (RULES[0], *RULES[2:])),
    )
    for rule in rules
]


@pytest.mark.parametrize(("kind", "rule", "name"), PLANTED)
def test_a_small_error_in_one_rule_is_named(kind, rule, name, monkeypatch):
    right, factor = getattr(kind, rule), 1.0005

    def wrong(self, *given):
        value = right(self, *given)
        if isinstance(value, list):
            return [factor * array for array in value]
        if isinstance(value, np.ndarray):
            return factor * value
        return value if value is None else dataclasses.replace(value, right=factor * value.right)

    monkeypatch.setattr(kind, rule, wrong)
    net = ALL[f"{name}/standard"]
    named = check_gradients(net, moved(net), inputs(net), throw=False).wrong
    assert rule in {found for _, found in named}
    assert {type(dict(leaves(net.layers))[where.split()[0]]) for where, _ in named} == {kind}


@pytest.mark.parametrize("size", [1e-9, 1.0, 1e9])
@pytest.mark.parametrize("rule", RULES)
def test_a_small_error_is_seen_beside_numbers_of_any_size(rule, size, monkeypatch):
    net = Sequential(
        (3, 3, 2), (Conv2D(2, 3, (2, 2), bias=False), Activation("identity"), Conv2D(3, 1, (3, 3)))
    )
    params, X = [size * p for p in net.init(0)], size * np.random.default_rng(1).standard_normal((3, 3, 3, 2))
    assert not check_gradients(net, params, X).wrong
    right = getattr(Conv2D, rule)

    def wrong(self, *given):
        value, factor = right(self, *given), 1.0005
        if self.bias:
            return value
        if isinstance(value, list):
            return [factor * array for array in value]
        if isinstance(value, np.ndarray):
            return factor * value
        return dataclasses.replace(value, right=factor * value.right)

    monkeypatch.setattr(Conv2D, rule, wrong)
    assert ("0 conv2d", rule) in {
        (" ".join(where.split()[:2]), found)
        for where, found in check_gradients(net, params, X, throw=False).wrong
    }


@pytest.mark.parametrize(
    ("kind", "name"),
    [(Gate, "squeeze-and-excite"), (Concatenate, "concatenate"), (Residual, "transformer-block")],
)
@pytest.mark.parametrize("rule", ["join_tangents", "part"])
def test_a_small_error_in_a_join_is_seen(kind, name, rule, monkeypatch):
    right, factor = getattr(kind, rule), 1.0005

    def wrong(self, *given):
        value = right(self, *given)
        if isinstance(value, np.ndarray):
            return factor * value
        return [dataclasses.replace(one, right=factor * one.right) for one in value]

    monkeypatch.setattr(kind, rule, wrong)
    net = SMOOTH[f"{name}/standard"]
    assert {where for where, _ in check_gradients(net, moved(net), inputs(net), throw=False).wrong} == {
        "network"
    }


def test_windows_of_more_entries_than_a_short_integer_counts():
    net = Sequential((182, 182, 1), (MaxPool((182, 182)),))
    x = np.arange(182.0**2).reshape(1, 182, 182, 1)  # the last of 33124 entries is the largest
    y = net([], x)
    assert y.item() == 33123
    assert net.chain.layers[0].forward([], x)[1][0].item() == 33123


@pytest.mark.parametrize(
    ("make", "hint"),
    [
        (lambda: Conv2D(1, 1, (3, 3), (1, 1), (1, 1)), "padding=((1, 1), (1, 1))"),
        (lambda: Conv2D(1, 1, (3, 3), padding=1), "padding=((1, 1), (1, 1))"),
        (lambda: Conv2D(1, 1, (3, 3), padding=(1, 2)), "padding=((1, 1), (2, 2))"),
        (lambda: Conv2D(1, 1, 3), "kernel=(3, 3)"),
        (lambda: MaxPool(2), "window=(2, 2)"),
        (lambda: MaxPool((3, 3), padding=1), "padding=((1, 1), (1, 1))"),
        (lambda: vgg11(10, input_shape=(16, 16, 3)), "a larger image, or a smaller window"),
    ],
)
def test_habits_of_other_packages_are_told_what_to_write(make, hint):
    with pytest.raises(BadInputError, match=re.escape(f"; try {hint}")):
        make()
