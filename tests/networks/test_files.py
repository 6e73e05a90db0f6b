"""Network files: the written format, the way back, and files that are refused."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import pytest

from muso_theory.errors import BadInputError
from muso_theory.networks import (
    Activation,
    Dense,
    Layer,
    Residual,
    Sequential,
    architecture,
    check_gradients,
    cnn,
    from_architecture,
    load,
    mlp,
    save,
)
from tests.networks.zoo import kinked, smooth

NETS = {
    f"{name}/{param}": net
    for param in ("standard", "ntk")
    for name, net in {**smooth(param), **kinked(param)}.items()
}


@pytest.mark.parametrize("net", NETS.values(), ids=NETS)
def test_what_is_saved_is_loaded(net, tmp_path):
    params = net.init(3)
    save(tmp_path / "net.npz", net, params)
    again, loaded = load(tmp_path / "net.npz")
    assert again == net
    assert all(np.array_equal(a, b) and a.dtype == b.dtype for a, b in zip(params, loaded, strict=True))
    X = np.random.default_rng(0).standard_normal((2, *net.input_shape))
    assert np.array_equal(net(params, X), again(loaded, X))


def test_the_format_written_by_hand_is_read(tmp_path):
    arch = {
        "input_shape": [4, 4, 1],
        "layers": [
            {
                "type": "conv2d",
                "c_in": 1,
                "c_out": 2,
                "kernel": [3, 3],
                "stride": [1, 1],
                "padding": "VALID",
                "activation": "relu",
                "param": "ntk",
                "w_std": 1.5,
                "b_std": 0.1,
            },
            {"type": "flatten"},
            {
                "type": "dense",
                "n_in": 8,
                "n_out": 3,
                "activation": None,
                "param": "standard",
                "w_std": 1.0,
                "b_std": 0.0,
            },
        ],
    }
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape) for shape in ((3, 3, 1, 2), (2,), (8, 3), (3,))]
    path = tmp_path / "net.npz"
    np.savez(path, arch=json.dumps(arch), **{f"p{i:03d}": a for i, a in enumerate(arrays)})
    net, params = load(path)
    X = rng.standard_normal((2, 4, 4, 1))
    W, b, V, c = arrays
    hidden = np.empty((2, 2, 2, 2))
    for i in range(2):
        for j in range(2):
            hidden[:, i, j] = np.tensordot(X[:, i : i + 3, j : j + 3], W, axes=3) * 1.5 / 3 + 0.1 * b
    wanted = np.maximum(hidden, 0).reshape(2, 8) @ V + c
    assert np.allclose(net(params, X), wanted, rtol=1e-14)
    assert architecture(net) == arch


def test_float32_and_complex_parameters_keep_their_dtype(tmp_path):
    net = mlp([3, 4, 1], "tanh")
    for dtype in (np.float32, np.complex128):
        save(tmp_path / "net.npz", net, [p.astype(dtype) for p in net.init(0)])
        assert all(p.dtype == dtype for p in load(tmp_path / "net.npz")[1])


def test_the_path_is_taken_as_it_is(tmp_path):
    net = mlp([3, 1])
    save(tmp_path / "weights", net, net.init(0))
    assert [p.name for p in tmp_path.iterdir()] == ["weights"]
    assert load(str(tmp_path / "weights"))[0] == net


DENSE = {
    "type": "dense",
    "n_in": 2,
    "n_out": 1,
    "activation": None,
    "param": "ntk",
    "w_std": 1.0,
    "b_std": 1.0,
}


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([{**DENSE, "type": "dens"}], r"layers\[0\].*try 'dense'"),
        ([{**DENSE, "activation": "rleu"}], "try 'relu'"),
        ([{**DENSE, "param": "nkt"}], "try 'ntk'"),
        ([{**DENSE, "w_std": "1"}], "w_std"),
        ([{**DENSE, "n_out": 1.5}], "whole number"),
        ([{**DENSE, "n_in": 3}], r"layer 0 \(dense 3→1\)"),
        ([{**DENSE, "width": 3}], "no other keys"),
        ([{"type": "dense", "n_in": 2}], "the key 'n_out'"),
        ([{"type": "conv2d", "c_in": 1, "c_out": 1, "kernel": 3}], r"a list of 2 entries.*try \[1, 1\]"),
        ([{"type": "residual", "layers": [{"type": "x"}]}], r"layers\[0\].layers\[0\]"),
        (["dense"], "an object with a 'type'"),
        ("dense", "a list as layers"),
        ([], "at least one layer"),
    ],
)
def test_a_wrong_architecture_is_refused_by_name(layers, words):
    with pytest.raises(BadInputError, match=words):
        from_architecture({"input_shape": [2], "layers": layers})
    assert from_architecture({"input_shape": [2], "layers": [DENSE]}).n_params == 3


def write(path, **content):
    np.savez(path, **content)


GOOD = {
    "arch": json.dumps({"input_shape": [2], "layers": [DENSE]}),
    "p000": np.ones((2, 1)),
    "p001": np.ones(1),
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"arch": None}, "key 'arch'"),
        ({"arch": "{"}, "JSON text"),
        ({"arch": "[1]"}, "input_shape"),
        ({"arch": json.dumps({"input_shape": ["2"], "layers": [DENSE]})}, "whole numbers"),
        ({"p001": None}, "p001.*missing"),
        ({"p002": np.ones(1)}, "p002"),
        ({"p000": np.ones((1, 2))}, r"\(2, 1\).*p000"),
        ({"p000": np.full((2, 1), np.nan)}, "finite numbers"),
        ({"p000": np.ones((2, 1), dtype=int)}, "float array"),
        ({"p000": np.array([[object()], [1]], dtype=object)}, "readable network file"),
    ],
)
def test_a_wrong_file_is_refused_by_name(change, words, tmp_path):
    content = {key: value for key, value in {**GOOD, **change}.items() if value is not None}
    np.savez(tmp_path / "net.npz", **content)
    with pytest.raises(BadInputError, match=words):
        load(tmp_path / "net.npz")


def test_corrupted_files_are_refused(tmp_path):
    net = cnn((4, 4, 1), [2], 1)
    path = tmp_path / "net.npz"
    save(path, net, net.init(0))
    good = path.read_bytes()
    for bad in (b"", b"junk", good[: len(good) // 2], good[:400] + b"\xff" * 60 + good[460:]):
        path.write_bytes(bad)
        with pytest.raises(BadInputError):
            load(path)
    np.save(tmp_path / "array.npy", np.ones(3))
    with pytest.raises(BadInputError, match="npz archive"):
        load(tmp_path / "array.npy")
    with pytest.raises(BadInputError, match="readable network file"):
        load(tmp_path)


@final
@dataclass(frozen=True)
class Scale(Layer):
    """A layer of a user's own, without parameters: y = by · x."""

    by: float
    how: str = "plainly"
    kind: ClassVar[str] = "test-scale"

    def output_shape(self, shape):
        return shape

    def jvp(self, p, cache, dp, dx):
        return None if dx is None else self.by * dx

    def forward(self, p, x):
        return self.by * x, np.full_like(x, self.by)

    def pull(self, p, cache, cotangent):
        return cotangent.scale(cache)


def test_a_layer_of_ones_own_is_saved_as_any_other(tmp_path):
    net = Sequential(
        (3,), (Dense(3, 2), Activation("tanh"), Residual((Scale(2.0), Dense(2, 2))), Scale(0.5, "twice"))
    )
    check_gradients(net, net.init(0), np.ones((2, 3)))
    params = net.init(0)
    save(tmp_path / "net.npz", net, params)
    again, loaded = load(tmp_path / "net.npz")
    assert again == net
    assert np.array_equal(net(params, np.ones((2, 3))), again(loaded, np.ones((2, 3))))
    assert architecture(net)["layers"][-1] == {"type": "test-scale", "by": 0.5, "how": "twice"}
    with pytest.raises(BadInputError, match=r"a number but got layers\[0\].by=two"):
        from_architecture({"input_shape": [2], "layers": [{"type": "test-scale", "by": "two"}]})


def test_a_kind_belongs_to_one_layer():
    with pytest.raises(BadInputError, match="a kind of its own but got kind=dense"):
        type("Mine", (Scale,), {"kind": "dense"})
    nameless = type("Nameless", (Scale,), {"kind": ""})
    with pytest.raises(BadInputError, match="a layer that network files know"):
        architecture(Sequential((2,), (nameless(1.0),)))
    with pytest.raises(BadInputError, match="numbers, text, tuples"):
        architecture(Sequential((2,), (Scale({1}),)))


def test_saving_refuses_what_it_could_not_read_back(tmp_path):
    net = mlp([2, 1])
    with pytest.raises(BadInputError, match="finite"):
        save(tmp_path / "net.npz", net, [np.full((2, 1), np.nan), np.zeros(1)])
    with pytest.raises(BadInputError, match="float32, float64"):
        save(tmp_path / "net.npz", net, [p.astype(object) for p in net.init(0)])
    assert not list(tmp_path.iterdir())
