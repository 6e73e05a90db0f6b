"""Infinite-width kernels against their textbook forms in 60 digits, against quadrature, and against wide networks."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from mpmath.ctx_mp import MPContext

from muso_theory.errors import BadInputError
from muso_theory.networks import Activation, Conv2D, Dense, Sequential, empirical_ntk, infinite_width, mlp
from muso_theory.networks.functions import LEAKY_SLOPE

NAMES = ("relu", "leaky_relu", "erf", "sin", "identity")


def textbook(ctx, name, q1, q2, s):
    """E[φφ] and E[φ'φ'] in the forms that papers print, which need the digits they lose."""
    if name in ("relu", "leaky_relu"):
        a = ctx.mpf(0) if name == "relu" else ctx.mpf(LEAKY_SLOPE)
        root = ctx.sqrt(q1 * q2)
        cosine = max(min(s / root, ctx.mpf(1)), ctx.mpf(-1))
        theta = ctx.acos(cosine)
        value = root * (ctx.sqrt(1 - cosine**2) + (ctx.pi - theta) * cosine) / (2 * ctx.pi)
        return a * s + (1 - a) ** 2 * value, a + (1 - a) ** 2 * (ctx.pi - theta) / (2 * ctx.pi)
    if name == "erf":
        product = (1 + 2 * q1) * (1 + 2 * q2)
        return 2 / ctx.pi * ctx.asin(2 * s / ctx.sqrt(product)), 4 / ctx.pi / ctx.sqrt(product - 4 * s**2)
    if name == "sin":
        damp = ctx.exp(-(q1 + q2) / 2)
        return damp * ctx.sinh(s), damp * ctx.cosh(s)
    return s, ctx.mpf(1)


def exact_kernels(net, x1, x2, digits=60):
    """NNGP and NTK of one pair of inputs, floats taken as exact."""
    ctx = MPContext()
    ctx.dps = digits
    a, b = ([ctx.mpf(float(v)) for v in x] for x in (x1, x2))
    q1, q2, s = (
        ctx.fsum(u * v for u, v in zip(u0, v0, strict=True)) / len(a) for u0, v0 in ((a, a), (b, b), (a, b))
    )
    theta = ctx.mpf(0)
    for layer in net.layers:
        if isinstance(layer, Dense):
            w, c = ctx.mpf(layer.w_std) ** 2, ctx.mpf(layer.b_std) ** 2
            q1, q2, s = (w * v + c for v in (q1, q2, s))
            theta = s + w * theta
        else:
            s_next, derivative = textbook(ctx, layer.name, q1, q2, s)
            q1, q2 = (textbook(ctx, layer.name, q, q, q)[0] for q in (q1, q2))
            s, theta = s_next, derivative * theta
    return s, theta


def pairs():
    """Pairs that are generic, nearly equal, nearly parallel, exactly parallel and nearly opposite."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 6))
    step = rng.standard_normal(6)
    step /= np.linalg.norm(step)
    yield "generic", x, y
    for distance in (1e-2, 1e-5, 1e-8, 1e-12):
        yield f"distance {distance}", x, x + distance * step
        yield f"parallel up to {distance}", x, 3 * x + distance * step
        yield f"opposite up to {distance}", x, -2 * x + distance * step
    yield "equal", x, x
    yield "scaled", x, 2 * x
    yield "large", 30 * x, 30 * x + 1e-8 * step
    yield "tiny", 1e-5 * x, 1e-5 * y


PAIRS = {name: (x, y) for name, x, y in pairs()}


@pytest.mark.parametrize("bias", [0.0, 0.3])
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("name", NAMES)
def test_kernels_keep_their_digits_for_nearly_parallel_inputs(name, depth, bias):
    net = mlp([6, *[1] * depth, 1], name, "ntk", b_std=bias)
    for case, (x, y) in PAIRS.items():
        wanted = exact_kernels(net, x, y)
        own = [
            np.sqrt(np.float64(a) * np.float64(b))
            for a, b in zip(exact_kernels(net, x, x), exact_kernels(net, y, y), strict=True)
        ]
        for kernel, value, scale in zip(("nngp", "ntk"), wanted, own, strict=True):
            found = infinite_width(net, x[None], y[None], kernel).item()
            assert abs(found - float(value)) <= 4e-15 * scale, (case, kernel)


def test_the_textbook_form_in_float64_would_fail_this_suite():
    x, y = PAIRS["distance 1e-08"]
    net = mlp([6, 1, 1, 1], "relu", "ntk", b_std=0.0)
    rounded = exact_kernels(net, x, y, digits=16)[1]
    exact = exact_kernels(net, x, y)[1]
    assert abs(float(rounded - exact)) > 1e-10 * float(exact)


@pytest.mark.parametrize("name", NAMES)
def test_textbook_forms_agree_with_quadrature(name):
    q1, q2, s = 0.7, 1.3, 0.4
    value, derivative = textbook(MPContext(), name, mpmath.mpf(q1), mpmath.mpf(q2), mpmath.mpf(s))
    act = Activation(name)
    nodes, weights = np.polynomial.hermite_e.hermegauss(200)
    u = np.sqrt(q1) * nodes[:, None]
    v = s / np.sqrt(q1) * nodes[:, None] + np.sqrt(q2 - s * s / q1) * nodes[None, :]
    w = weights[:, None] * weights / (2 * np.pi)
    (fu, du), (fv, dv) = act.forward([], u), act.forward([], v)
    tolerance = 5e-2 if name.endswith("relu") else 1e-10  # kinks slow the quadrature down
    assert abs((w * fu * fv).sum() - float(value)) < tolerance / 10
    assert abs((w * du * dv).sum() - float(derivative)) < tolerance


def test_relu_forms_follow_from_sympy():
    import sympy as sp

    t = sp.symbols("t", positive=True)
    # for θ in (0, π): ∂/∂cosθ of the degree-1 arc-cosine form is the degree-0 form, as E[φ'φ'] = ∂E[φφ]/∂s demands
    value = (sp.sin(t) + (sp.pi - t) * sp.cos(t)) / (2 * sp.pi)
    derivative = (sp.pi - t) / (2 * sp.pi)
    assert sp.simplify(sp.diff(value, t) / sp.diff(sp.cos(t), t) - derivative) == 0
    q1, q2, s = sp.symbols("q1 q2 s", positive=True)
    arcsine = 2 / sp.pi * sp.asin(2 * s / sp.sqrt((1 + 2 * q1) * (1 + 2 * q2)))
    wanted = 4 / sp.pi / sp.sqrt((1 + 2 * q1) * (1 + 2 * q2) - 4 * s**2)
    numbers = {q1: sp.Rational(7, 10), q2: sp.Rational(13, 10), s: sp.Rational(2, 5)}
    assert abs(sp.N((sp.diff(arcsine, s) - wanted).subs(numbers), 40)) < 1e-35


def test_a_batch_is_its_pairs_and_zero_inputs_are_allowed():
    rng = np.random.default_rng(1)
    X, Y = rng.standard_normal((4, 6)), np.vstack([np.zeros(6), rng.standard_normal((2, 6))])
    for name in NAMES:
        net = mlp([6, 1, 1, 1], name, "ntk", b_std=0.0)
        whole = infinite_width(net, X, Y)
        assert whole.shape == (4, 3)
        assert np.isfinite(whole).all()
        assert np.allclose(whole[:, 0], 0)
        assert np.allclose(whole[1, 2], infinite_width(net, X[1:2], Y[2:]), rtol=1e-14)
        gram = infinite_width(net, X)
        assert np.allclose(gram, gram.T, rtol=1e-14)
        assert np.linalg.eigvalsh(gram).min() > -1e-12 * gram.max()


@pytest.mark.parametrize("name", ["relu", "erf", "sin", "leaky_relu", "identity"])
def test_wide_networks_come_close(name):
    X = np.random.default_rng(2).standard_normal((6, 5))
    errors = []
    for width in (64, 4096):
        net = mlp([5, width, 1], name, "ntk")
        limit = infinite_width(net, X)
        found = [empirical_ntk(net, net.init(seed), X, contract="trace") for seed in range(4)]
        errors.append(np.mean([np.linalg.norm(k - limit) / np.linalg.norm(limit) for k in found]))
    assert errors[1] < 0.06
    assert 3 < errors[0] / errors[1] < 20  # width^-1/2 means 8


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (lambda: infinite_width(mlp([2, 3, 1], "tanh", "ntk"), np.ones((1, 2))), "closed-form kernel.*tanh"),
        (lambda: infinite_width(mlp([2, 3, 1]), np.ones((1, 2))), "diverges with width"),
        (
            lambda: infinite_width(Sequential((3, 3, 1), (Conv2D(1, 1, (3, 3)),)), np.ones((1, 3, 3, 1))),
            "dense",
        ),
        (lambda: infinite_width(mlp([2, 1], "relu", "ntk"), np.ones((1, 2)), kernel="ntkk"), "try 'ntk'"),
    ],
)
def test_bad_input_is_refused_with_a_hint(action, words):
    with pytest.raises(BadInputError, match=words):
        action()
