"""Layers of a user's own: rules that are missing, and the share of the kernel and the file entry that they get.

Their annotations are types, not text: this file must not postpone their evaluation.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Optional

import numpy as np
import pytest

from muso_theory.errors import BadInputError
from muso_theory.networks import (
    Activation,
    Cotangent,
    Dense,
    Layer,
    Sequential,
    architecture,
    check_gradients,
    empirical_ntk,
    from_architecture,
)

X = np.random.default_rng(0).standard_normal((4, 3))


@dataclass(frozen=True)
class Gain(Layer):
    """Learned scales and shifts of flat inputs, with the rules that a layer must have."""

    size: int

    @property
    def param_shapes(self):
        return ((self.size,), (self.size,))

    def output_shape(self, shape):
        return shape

    def forward(self, p, x):
        return p[0] * x + p[1], (x,)

    def jvp(self, p, cache, dp, dx):
        return dp[0] * cache[0] + dp[1] + (0 if dx is None else p[0] * dx)

    def pull(self, p, cache, cotangent):
        return Cotangent(cotangent.expand(len(cache[0])) * p[0], cotangent.shape, per_sample=True)


class Trained(Gain):
    """Gain with the rules that lead to its parameters; none for the kernel."""

    def init(self, rng):
        return [np.ones(self.size), np.zeros(self.size)]

    def gradient(self, p, cache, dy):
        return [(dy * cache[0]).sum(axis=0), dy.sum(axis=0)]

    def rows(self, p, cache, dy):
        return [dy * cache[0][:, None], dy]


def test_a_missing_rule_is_named():
    net = Sequential((3,), (Dense(3, 3), Gain(3)))
    params = [*Dense(3, 3).init(np.random.default_rng(0)), np.ones(3), np.ones(3)]
    for rule, action in {
        "init": lambda: net.init(0),
        "gradient": lambda: net.vjp(params, X, np.ones((4, 3))),
        "rows": lambda: net.jacobian(params, X),
    }.items():
        with pytest.raises(BadInputError, match=rf"rule '{rule}' .*Gain\(size=3\)"):
            action()
    with pytest.raises(BadInputError, match="rule 'rows'"):
        empirical_ntk(net, params, X)


@pytest.mark.parametrize(
    "layers", [(Trained(3),), (Dense(3, 3), Activation("tanh"), Trained(3), Dense(3, 2))]
)
def test_the_share_of_the_kernel_comes_from_the_rows(layers):
    net = Sequential((3,), layers)
    params = net.init(1)
    check_gradients(net, params, X)
    J = net.jacobian(params, X)
    assert J.shape == (4, net.n_out, net.n_params)
    kernel = empirical_ntk(net, params, X, max_bytes=10**6)
    assert np.allclose(kernel, np.einsum("akp,blp->akbl", J, J), rtol=1e-13, atol=1e-13)
    assert np.array_equal(empirical_ntk(net, params, X[:0]), kernel[:0, :, :0])


@dataclass(frozen=True)
class Plain(Layer):
    """y = x, with fields of every type that network files hold."""

    inner: tuple[Layer, ...] = ()
    pads: tuple[tuple[int, int], ...] = ((0, 0),)
    one: tuple[int, int] = (1, 1)
    named: tuple[tuple[str, float], ...] = ()
    maybe: float | None = None
    perhaps: Optional[tuple[int, int]] = None  # noqa: UP045
    kinds: tuple[type[Layer], ...] = field(default=(), init=False)
    how: Literal["so", "thus", 3] = "so"
    on: bool = True
    kind: ClassVar[str] = "test-plain"

    def output_shape(self, shape):
        return shape

    def forward(self, p, x):
        return x, None

    def jvp(self, p, cache, dp, dx):
        return dx

    def pull(self, p, cache, cotangent):
        return cotangent


@pytest.mark.parametrize(
    "layer",
    [
        Plain(),
        Plain(inner=(Dense(3, 3), Plain((Activation("tanh"),)))),
        Plain(pads=((1, 2), (3, 4), (5, 6)), one=(2, 3)),
        Plain(pads=(), named=(("a", 0.5), ("b", 2.0)), on=False),
        Plain(maybe=0.25, perhaps=(4, 5), how=3),
    ],
)
def test_fields_come_back_as_they_were(layer):
    net = Sequential((3,), (layer,))
    again = from_architecture(architecture(net))
    assert again == net
    assert hash(again.layers[0]) == hash(layer)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"pads": [[1, 2], [3]]}, r"2 entries but got layers\[0\]\.pads\[1\]"),
        ({"pads": [[1, 2], [3, 0.5]]}, r"a whole number but got layers\[0\]\.pads\[1\]\[1\]=0.5"),
        ({"pads": 3}, r"a list but got layers\[0\]\.pads=3"),
        ({"inner": [{"type": "dens"}]}, r"layers\[0\]\.inner\[0\]"),
        ({"inner": None}, r"a list as layers\[0\]\.inner"),
        ({"one": None}, r"layers\[0\]\.one=None"),
        ({"maybe": "x"}, r"a number but got layers\[0\]\.maybe=x"),
        ({"how": "thsu"}, r"layers\[0\]\.how=thsu.*try 'thus'"),
        ({"on": 1}, r"true or false but got layers\[0\]\.on=1"),
    ],
)
def test_a_field_of_another_type_is_refused(entry, words):
    with pytest.raises(BadInputError, match=words):
        from_architecture({"input_shape": [3], "layers": [{"type": "test-plain", **entry}]})


@pytest.mark.parametrize("unknown", [list[int], dict[str, int], Any, int | str, complex, tuple, Layer])
def test_a_field_of_unknown_type_is_refused_when_it_is_described(unknown):
    def odd(of):
        members = {"__annotations__": {"odd": of, "kind": ClassVar[str]}, "odd": (), "kind": "test-odd"}
        return dataclass(frozen=True)(type("Odd", (Plain,), members))

    net = Sequential((3,), (odd(tuple[int, ...])(odd=(1, 2)),))
    assert from_architecture(architecture(net)) == net
    with pytest.raises(BadInputError, match=r"types .* but got test-odd\.odd="):
        architecture(Sequential((3,), (odd(unknown)(odd=(1, 2)),)))


def test_an_annotation_that_names_nothing_is_refused():
    members = {"__annotations__": {"odd": "Nowhere"}, "odd": 1, "kind": "test-lost"}
    lost = dataclass(frozen=True)(type("Lost", (Plain,), members))
    with pytest.raises(BadInputError, match=r"looked up but got layer=Lost .*'Nowhere' is not defined"):
        architecture(Sequential((3,), (lost(),)))


def test_a_field_that_would_not_be_read_back_is_refused_when_it_is_described():
    with pytest.raises(BadInputError, match=r"a whole number but got test-plain\.one\[1\]=1.5"):
        architecture(Sequential((3,), (Plain(one=(1, 1.5)),)))


def test_a_file_with_an_unknown_layer_says_who_can_read_it():
    with pytest.raises(BadInputError, match=r"in Python, .* once its module was imported"):
        from_architecture({"input_shape": [3], "layers": [{"type": "somebody-elses"}]})
