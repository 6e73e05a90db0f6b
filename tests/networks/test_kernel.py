"""The empirical NTK by structured Grams against its naive twin, the Jacobian contracted with itself."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from muso_theory.errors import BadInputError
from muso_theory.networks import (
    Activation,
    Conv2D,
    Dense,
    GlobalAvgPool,
    Sequential,
    empirical_ntk,
    mlp,
    ntk_operator,
    parametrised_layers,
    tangent_kernel,
)
from muso_theory.networks.grams import FactoredGram, HadamardGram, KroneckerGram
from tests.networks.zoo import kinked, smooth

PARAMS = ("standard", "ntk")
FACTOR = 1.0005
NETS = {
    f"{name}/{param}": net for param in PARAMS for name, net in {**smooth(param), **kinked(param)}.items()
}


def contractions(full):
    return {
        "full": full,
        "trace": np.trace(full, axis1=1, axis2=3),
        "diag": np.diagonal(full, axis1=1, axis2=3),
    }


def twin(net, params, X1, X2):
    return contractions(np.einsum("akp,blp->akbl", net.jacobian(params, X1), net.jacobian(params, X2)))


@pytest.mark.slow
@pytest.mark.parametrize("net", NETS.values(), ids=NETS)
def test_structured_grams_equal_the_contracted_jacobian(net):
    rng = np.random.default_rng(3)
    params = net.init(1)
    many, one = (rng.standard_normal((n, *net.input_shape)) for n in (5, 1))
    for X1, X2 in ((many, None), (many, one), (one, None), (one, many)):
        wanted = twin(net, params, X1, X1 if X2 is None else X2)
        scale = abs(wanted["full"]).max()
        for options in ({}, {"max_bytes": 1_000_000}, {"threads": 2}):
            for contract, value in wanted.items():
                found = empirical_ntk(net, params, X1, X2, contract, **options)
                assert found.shape == value.shape
                assert abs(found - value).max() <= 1e-14 * scale


def small(n=7):
    net = mlp([5, 16, 12, 3], "relu", "ntk")
    return net, net.init(0), np.random.default_rng(1).standard_normal((n, 5))


@pytest.mark.parametrize("kind", [FactoredGram, HadamardGram, KroneckerGram])
def test_an_error_of_one_in_two_thousand_is_seen(kind, monkeypatch):
    net, params, X = small()
    wanted = twin(net, params, X, X)
    right = kind.tile

    def wrong(self, *args):
        value = right(self, *args)
        value *= FACTOR  # in place, as the tile may be a buffer of the caller's
        return value

    monkeypatch.setattr(kind, "tile", wrong)
    if kind is KroneckerGram:  # the full kernel adds the head's diagonal blocks by themselves
        wanted = {name: wanted[name] for name in ("trace", "diag")}
    for contract, value in wanted.items():
        found = empirical_ntk(net, params, X, contract=contract)
        assert abs(found - value).max() > 1e-5 * abs(value).max()


def test_tiles_threads_and_budgets_change_nothing_beyond_rounding(monkeypatch):
    net, params, X = small(60)
    plain = empirical_ntk(net, params, X)
    assert np.array_equal(plain, plain.transpose(2, 3, 0, 1))
    for rows in (3, 10, 64):
        monkeypatch.setattr(tangent_kernel, "TILE_ROWS", rows)
        for options in ({}, {"threads": 1}, {"threads": 3}, {"max_bytes": 60_000}):
            for contract, value in contractions(plain).items():
                found = empirical_ntk(net, params, X, contract=contract, **options)
                assert abs(found - value).max() <= 1e-14 * abs(plain).max()


def test_factors_are_computed_again_when_they_do_not_fit(monkeypatch):
    net, params, X = small(300)
    calls = []
    right = tangent_kernel.gram_terms
    monkeypatch.setattr(
        tangent_kernel, "gram_terms", lambda *args: calls.append(len(args[2])) or right(*args)
    )
    empirical_ntk(net, params, X, max_bytes=10**9)
    once = sum(calls)
    calls.clear()
    empirical_ntk(net, params, X, max_bytes=200_000)
    assert sum(calls) > 1.3 * once


def test_too_small_a_budget_names_the_smallest_that_works():
    net, params, X = small(40)
    with pytest.raises(BadInputError, match="max_bytes=1000") as refusal:
        empirical_ntk(net, params, X, max_bytes=1000)
    smallest = int(str(refusal.value).split("try max_bytes=")[1].split(",")[0])
    with pytest.raises(BadInputError, match="smallest that works"):
        empirical_ntk(net, params, X, max_bytes=smallest - 1)
    assert np.allclose(empirical_ntk(net, params, X, max_bytes=smallest), empirical_ntk(net, params, X))


def test_a_budget_is_kept():
    net = mlp([20, 256, 256, 1], "tanh", "ntk")
    params, X = net.init(0), np.random.default_rng(0).standard_normal((1500, 20))
    out = np.empty((1500, 1, 1500, 1))
    peaks = {}
    for budget in (4_000_000, None):
        tracemalloc.start()
        empirical_ntk(net, params, X, out=out, max_bytes=budget)
        peaks[budget] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peaks[4_000_000] <= 4_000_000
    assert peaks[None] > 8_000_000  # the control: without a budget it takes more


@pytest.mark.parametrize(("side", "kernel", "outputs"), [(32, 7, 4), (48, 5, 2)])
def test_the_smallest_budget_that_is_named_holds_the_patches_too(side, kernel, outputs):
    """The patches of one sample may be nearly all that is there at a time."""
    layers = (
        Conv2D(1, 4, (kernel, kernel)),
        Activation("tanh"),
        Conv2D(4, 4, (kernel, kernel)),
        Activation("tanh"),
        GlobalAvgPool(),
        Dense(4, outputs),
    )
    net = Sequential((side, side, 1), layers)
    params, X = net.init(0), np.random.default_rng(0).standard_normal((3, side, side, 1))
    with pytest.raises(BadInputError, match="try max_bytes=") as refusal:
        empirical_ntk(net, params, X, max_bytes=1000, threads=1)
    smallest = int(str(refusal.value).split("try max_bytes=")[1].split(",")[0])
    tracemalloc.start()
    empirical_ntk(net, params, X, max_bytes=smallest, threads=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    patches = 8 * side**2 * 4 * kernel**2  # of the second convolution
    assert 2 * patches < peak <= smallest < 8 * patches


def test_tiles_stream_into_a_file_with_progress(tmp_path):
    net, params, X = small(50)
    out = np.lib.format.open_memmap(tmp_path / "ntk.npy", mode="w+", dtype=float, shape=(50, 3, 50, 3))
    ticks = []
    found = empirical_ntk(
        net, params, X, out=out, max_bytes=100_000, progress=lambda *tick: ticks.append(tick)
    )
    assert found is out
    out.flush()
    assert np.allclose(np.load(tmp_path / "ntk.npy"), empirical_ntk(net, params, X), rtol=1e-13)
    total = ticks[-1][1]
    assert ticks == [(done, total) for done in range(1, total + 1)]
    assert total > 3


def test_layers_add_up_and_are_named():
    for name in ("mlp-tanh/ntk", "residual-strided/ntk", "cnn-relu-pooled/standard"):
        net = NETS[name]
        params, X = net.init(0), np.random.default_rng(1).standard_normal((4, *net.input_shape))
        names = parametrised_layers(net)
        for contract in ("full", "trace", "diag"):
            parts = empirical_ntk(net, params, X, contract=contract, per_layer=True)
            assert len(parts) == len(names)
            assert np.allclose(parts.sum(axis=0), empirical_ntk(net, params, X, contract=contract))
        J = net.jacobian(params, X)
        first = sum(int(np.prod(shape)) for shape in net.param_shapes[:2])
        share = np.einsum("akp,blp->akbl", J[:, :, :first], J[:, :, :first])
        assert np.allclose(empirical_ntk(net, params, X, per_layer=True)[0], share, rtol=1e-12)
    assert names[0].startswith("0 conv2d")


def test_products_with_the_kernel_do_not_form_it():
    net, params, X = small()
    Y = X[:4] + 1.0
    operator = ntk_operator(net, params, X, Y)
    theta = empirical_ntk(net, params, X, Y).reshape(21, 12)
    rng = np.random.default_rng(2)
    v, u = rng.standard_normal(12), rng.standard_normal(21)
    assert np.allclose(operator @ v, theta @ v, rtol=1e-12)
    assert np.allclose(operator.T @ u, theta.T @ u, rtol=1e-12)
    assert np.allclose(ntk_operator(net, params, X) @ u, empirical_ntk(net, params, X).reshape(21, 21) @ u)


def test_float32_stays_float32_and_other_numbers_work():
    net, params, X = small()
    wanted = empirical_ntk(net, params, X)
    single = empirical_ntk(net, [p.astype(np.float32) for p in params], X.astype(np.float32))
    assert single.dtype == np.float32
    assert abs(single - wanted).max() < 1e-5 * abs(wanted).max()
    from mpmath.ctx_mp import MPContext

    context = MPContext()
    context.dps = 40
    convert = np.frompyfunc(context.mpf, 1, 1)
    for contract in ("full", "trace", "diag"):
        exact = empirical_ntk(net, [convert(p) for p in params], convert(X), contract=contract)
        assert abs(exact.astype(float) - contractions(wanted)[contract]).max() < 1e-14 * abs(wanted).max()


def test_the_trace_is_the_sum_over_outputs():
    # the known trap: other libraries return the mean, or another layout
    net, params, X = small()
    J = net.jacobian(params, X)
    assert np.allclose(
        empirical_ntk(net, params, X, contract="trace"), sum(J[:, c] @ J[:, c].T for c in range(3))
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"contract": "trance"}, "try 'trace'"),
        ({"threads": 0}, "at least 1 but got threads=0"),
        ({"out": np.empty((2, 2))}, "expected an array .* out"),
        ({"out": np.empty((7, 3, 7, 3), np.float32)}, "float32"),
        ({"X2": np.ones((2, 4))}, "X2=\\(2, 4\\)"),
    ],
)
def test_bad_input_is_refused_with_a_hint(options, words):
    net, params, X = small()
    with pytest.raises(BadInputError, match=words):
        empirical_ntk(net, params, X, **options)


def test_an_empty_batch_gives_an_empty_kernel():
    net, params, X = small()
    assert empirical_ntk(net, params, X[:0]).shape == (0, 3, 0, 3)
    assert empirical_ntk(net, params, X, X[:0], "trace").shape == (7, 0)


@pytest.mark.parametrize(
    "options",
    [{"threads": 1.5}, {"threads": True}, {"max_bytes": "1"}, {"max_bytes": 1e9}, {"out": [1.0]}],
)
def test_options_of_the_wrong_type_are_refused_in_words(options) -> None:
    net = mlp([3, 4, 2])
    with pytest.raises(BadInputError, match=next(iter(options))):
        empirical_ntk(net, net.init(0), np.eye(3), **options)
