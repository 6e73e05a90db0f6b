"""A network that surely has no derivative is found out exactly, and one that has one is left alone."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.networks import Activation, Conv2D, Dense, Flatten, MaxPool, Sequential, linearise, mlp
from muso_theory.networks.germs import _Germ, bent_output

IMAGES = np.arange(1.0, 13.0).reshape(3, 2, 2, 1)


def pooled(weight: float, head: float = 1.0) -> tuple[Sequential, list]:
    """One weight for each pixel, the largest of them, and a head."""
    net = Sequential(
        (2, 2, 1),
        (Conv2D(1, 1, (1, 1), param="standard"), MaxPool((2, 2)), Flatten(), Dense(1, 1, param="standard")),
    )
    return net, [np.full((1, 1, 1, 1), weight), np.zeros(1), np.full((1, 1), head), np.zeros(1)]


def hard(weight: float, x: float) -> tuple[Sequential, list, np.ndarray]:
    net = Sequential((1,), (Dense(1, 1, param="standard"), Activation("hard_swish")))
    return net, [np.full((1, 1), weight), np.zeros(1)], np.full((2, 1), x)


def verdict(net: Sequential, params: list, X: np.ndarray) -> mt.Report:
    problem = mt.networks.from_network(net, params, X, np.arange(1.0, len(X) + 1), forget=[0])
    return mt.check(problem, ["linearised-network", "differentiable"])


def test_equal_values_that_move_apart_have_no_derivative() -> None:
    """max(w x₁, …, w x₄) at w = 0 grows as the largest pixel to the right and as the smallest to the left."""
    net, params = pooled(0.0)
    report = verdict(net, params, IMAGES)
    assert report["differentiable"].verdict is mt.Verdict.VACUOUS
    assert "at sample 0 grows at another rate on each side" in report["differentiable"].facts[0]
    assert report["linearised-network"].verdict is mt.Verdict.VACUOUS
    gap, sample, output = bent_output(linearise(net, params, IMAGES), 0)
    v = np.random.default_rng(0).integers(-(2**20), 2**20 + 1, 4)
    assert (gap, sample, output) == (3 * abs(int(v[0])), 0, 0)  # (4 − 1)|v_w|, of pixels 1 to 4


def test_whether_a_bend_shows_does_not_hang_on_the_seed() -> None:
    """Of entries in −3..3 one in seven is 0, and a bend in one weight is missed there."""
    bent = linearise(*pooled(0.0), IMAGES)
    assert all(bent_output(bent, seed) is not None for seed in range(60))


@pytest.mark.parametrize(
    ("net", "params", "X"),
    [
        (*pooled(1.0), IMAGES),  # the control: no two are equal
        (*pooled(0.0, head=0.0), IMAGES),  # an output that does not depend on the largest
        (*pooled(1.0), np.ones((3, 2, 2, 1))),  # equal values that move together
        hard(1.0, 2.0),
        hard(0.0, 3.0),
    ],
)
def test_a_network_with_a_derivative_is_not_called_bent(net: Sequential, params: list, X: np.ndarray) -> None:
    assert bent_output(linearise(net, params, X), 0) is None
    assert verdict(net, params, X)["differentiable"].verdict is mt.Verdict.UNDECIDED


@pytest.mark.parametrize("x", [3.0, -3.0])
def test_hard_swish_at_its_kinks_has_no_derivative(x: float) -> None:
    report = verdict(*hard(1.0, x))
    assert report["differentiable"].verdict is mt.Verdict.VACUOUS
    net, params, X = hard(1.0, x)
    assert bent_output(linearise(net, params, np.nextafter(X, 0)), 0) is None  # near is not at


def test_a_rectifier_without_a_bias_before_it_is_decided_too() -> None:
    """relu(w x) at w = 0: no bias moves that unit alone, so that enclosures leave it open."""
    net = Sequential(
        (1,),
        (
            Dense(1, 1, param="standard"),
            Activation("identity"),
            Activation("relu"),
            Dense(1, 1, param="standard"),
        ),
    )
    params = [np.zeros((1, 1)), np.zeros(1), np.ones((1, 1)), np.zeros(1)]
    report = verdict(net, params, np.array([[1.0], [2.0]]))
    assert report["differentiable"].verdict is mt.Verdict.VACUOUS
    params[2][:] = 0.0
    assert bent_output(linearise(net, params, np.ones((1, 1))), 0) is None


def test_what_is_not_exact_or_too_large_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    bent = linearise(*pooled(0.0), IMAGES)
    smooth = mlp([2, 3, 1], "tanh")
    assert bent_output(linearise(smooth, smooth.init(0), np.zeros((1, 2))), 0) is None
    assert bent_output(bent, 0) is not None
    monkeypatch.setattr("muso_theory.networks.germs._MOST", 10)
    assert bent_output(bent, 0) is None


def test_of_equal_germs_the_one_that_grows_faster_is_larger() -> None:
    third = Fraction(1, 3)
    assert _Germ(1, 2) > _Germ(1, 1)
    assert not _Germ(1, 1) > _Germ(1, 1)
    assert _Germ(1, -5) > third
    assert not _Germ(0, -1) > 0
    product = (_Germ(2, 3) - 1) * (1 - _Germ(5, 7) / 2)  # (1 + 3ε)(−3/2 − 7/2 ε)
    assert (product.value, product.slope) == (Fraction(-3, 2), Fraction(-16, 2))
