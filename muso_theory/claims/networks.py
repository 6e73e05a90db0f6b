"""Claims about networks: 22, 23 and 24."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import BadInputError
from ..evidence import Inequality
from ..linear.problem import Array, UnlearningProblem
from ..numbers import BALL, Quantity, UndecidedError
from ..numbers.balls import enclosure
from .catalogue import Case, Claim, Found, by_name_only, on_a_tangent, text

__all__ = ["NETWORKS"]

BITS = 128
BALL_PRICE = 400_000
"""Multiplications of forward passes that a check does in balls; what is dearer is measured in floats."""

LIMIT_WIDTHS = (64, 128, 256, 512, 1024)
LIMIT_SEEDS = 32
LIMIT_SAMPLES = 12


def _has_limit(problem: UnlearningProblem) -> bool:
    """Whether the network is dense with a hidden layer, and its infinite-width tangent kernel is known."""
    from ..networks import Dense, infinite_width

    if problem.tangent is None:
        return False
    net = problem.tangent.net
    if sum(isinstance(layer, Dense) for layer in net.layers) < 2:
        return False
    try:
        infinite_width(net, problem.tangent.inputs[:1])
    except BadInputError:
        return False
    return True


def _tangent(case: Case) -> Any:
    """The network behind the features; a claim that is asserted without one stays undecided."""
    if case.problem.tangent is None:
        raise UndecidedError("no network is given", "UnlearningProblem.from_network, or --network")
    return case.problem.tangent


def _from_network(case: Case) -> Found:
    if case.problem.tangent is None:
        return [Inequality("networks behind Φ", Quantity.exact(0), positive=True)], []
    net = case.problem.tangent.net
    return [Inequality("networks behind Φ", Quantity.exact(1), positive=True)], [
        f"{net.n_params} parameters, {net.n_out} outputs"
    ]


def _closed_form_limit(case: Case) -> Found:
    known = int(_has_limit(case.problem))
    return [Inequality("closed forms of the infinite-width kernel", Quantity.exact(known), positive=True)], []


def _directions(case: Case) -> Iterator[tuple[str, Array]]:
    """Directions θ − θ₀ in the coordinates of the features: to the retrained model, and a random one."""
    model = case.problem.float_model
    yield "w_r", model.explicit(model.retrained)[:, 0]
    n, d = case.problem.features.shape
    rng = np.random.default_rng(case.seed)
    # in row(Φ) alone an error of Φ that is orthogonal to it would show by its square only; K has no such errors
    by_gram = case.problem.tangent.by_gram
    yield (
        "a random direction",
        case.problem.features.T @ rng.standard_normal(n) if by_gram else rng.standard_normal(d),
    )


def _in_parameters(problem: UnlearningProblem, w: Array) -> list[Array]:
    """A direction as arrays shaped like the network's parameters."""
    tangent = problem.tangent
    if not tangent.by_gram:
        return list(tangent.net.unflatten(w))
    from scipy.linalg import solve_triangular

    # Φ is K's Cholesky factor L; w = Lᵀa stands for Jᵀa
    coefficients = solve_triangular(problem.features, w, trans="T", lower=True)
    outputs = coefficients.reshape(len(tangent.inputs), *tangent.net.output_shape)
    return list(tangent.net.vjp(tangent.params, tangent.inputs, outputs))


def _linearised_network(case: Case) -> Found:
    """Φw against the network's own derivative, from its forward pass alone."""
    from ..networks.duals import multiplications

    problem, tangent = case.problem, _tangent(case)
    k, n = tangent.net.n_out, len(tangent.inputs)
    affordable = BALL_PRICE // (2 * multiplications(tangent.net, tangent.params, tangent.inputs))
    everywhere = n <= affordable
    chosen = list(dict.fromkeys([int(problem.forget[0]) // k, int(problem.retain[0]) // k]))[:affordable]
    chosen = list(range(n)) if everywhere else chosen
    named = f"{'all' if everywhere else ', '.join(map(str, chosen))} of {n} samples"
    findings, facts = [], []
    for name, w in _directions(case):
        direction = _in_parameters(problem, w)
        predicted = problem.features @ w
        scale = Quantity.measured(float(np.sqrt(np.mean(predicted**2))))
        of = "the mean size of Φw"
        error, method = _measured_error(tangent, direction, predicted)
        what = f"|∂f(x; θ₀)·v − Φw|, v to {name}"
        if chosen:
            slopes, values = _proved_errors(problem, chosen, direction, w)
            where = "" if everywhere else f", at {named}"
            findings.append(case.statement(what + where, slopes, scale, of))
        if not everywhere:  # a proof at some samples says nothing about the others
            findings.append(case.statement(f"{what}, by {method}", Quantity.measured(error), scale, of))
        facts.append(f"at all samples by {method}, {name}: ≈ {text(error / scale.bound)} relative")
    if chosen:
        size = Quantity.measured(float(np.sqrt(np.mean(tangent.outputs**2))))
        findings.append(
            case.statement("|f(x; θ₀) − what the targets subtract|", values, size, "its mean size")
        )
        facts.insert(0, f"proved by dual numbers over balls at {named}")
    return findings, facts


def _proved_errors(
    problem: UnlearningProblem, samples: list[int], direction: list[Array], w: Array
) -> tuple[Quantity, Quantity]:
    """The largest errors of derivative and output over some samples, enclosed."""
    from ..networks.duals import enclosed_derivative

    tangent, ball = problem.tangent, BALL(BITS)
    inputs = tangent.inputs[samples]
    values, slopes = enclosed_derivative(tangent.net, tangent.params, inputs, direction, BITS)
    rows = tangent.rows(np.array(samples))
    order = np.argsort(samples)
    predicted = ball.matmul(ball.matrix(problem.features[rows]), ball.matrix(w[:, None]))
    found = slopes[order].ravel()
    off = [enclosure(abs(slope - predicted[i, 0])) for i, slope in enumerate(found)]
    outputs = tangent.outputs[samples].ravel()
    values_off = [enclosure(abs(a - float(b))) for a, b in zip(values.ravel(), outputs, strict=True)]
    return _largest(off), _largest(values_off)


def _largest(found: list[Quantity]) -> Quantity:
    """The maximum of enclosed numbers."""
    return Quantity.enclosure(max(q.lower for q in found), max(q.upper for q in found))


def _measured_error(tangent: Any, direction: list[Array], predicted: Array) -> tuple[float, str]:
    """The largest error over all samples, by differences of the network's outputs."""
    net, params, X = tangent.net, tangent.params, tangent.inputs

    def outputs(t: complex | float) -> Array:
        return np.asarray(net([p + t * d for p, d in zip(params, direction, strict=True)], X)).ravel()

    if net.analytic:
        h = 1e-100
        return float(np.abs(outputs(1j * h).imag / h - predicted).max()), "complex step"
    # so short that rounding (1e-16/1e-7) and the few kinks crossed (one unit in 1e7) both stay near 1e-8
    h = 1e-7 * float(np.abs(tangent.outputs).max() or 1.0) / float(np.abs(predicted).max() or 1.0)
    return float(np.abs((outputs(h) - outputs(-h)) / (2 * h) - predicted).max()), "central differences"


def _ntk_limit(case: Case) -> Found:
    """The slope of the distance to the limit over widths, for this architecture on a few of these inputs."""
    from ..networks import empirical_ntk, infinite_width
    from ..networks.rates import fit_slope

    tangent = _tangent(case)
    if not _has_limit(case.problem):
        raise UndecidedError("the infinite-width kernel has no closed form here", "a dense network")
    X = tangent.inputs[:LIMIT_SAMPLES]
    limit = infinite_width(tangent.net, X)

    def distance(net: Any, params: Any) -> float:
        kernel = empirical_ntk(net, params, X, contract="trace") / net.n_out
        return float(np.linalg.norm(kernel - limit) / np.linalg.norm(limit))

    distances = {}
    for width in LIMIT_WIDTHS:
        net = _at_width(tangent.net, width)
        distances[width] = [distance(net, net.init(case.seed + index)) for index in range(LIMIT_SEEDS)]
    fit = fit_slope(distances)
    assert fit is not None
    off = max(abs(fit["low"] + 0.5), abs(fit["high"] + 0.5))
    return [
        Inequality("|slope + ½|, to the far end of its 95 % interval", Quantity.measured(off), bar=0.1)
    ], [
        f"slope {fit['slope']:.3f} in [{fit['low']:.3f}, {fit['high']:.3f}] over widths "
        f"{LIMIT_WIDTHS[0]} to {LIMIT_WIDTHS[-1]}, {LIMIT_SEEDS} seeds, {len(X)} inputs",
        f"this network's own kernel: ‖Θ − Θ_∞‖/‖Θ_∞‖ ≈ {text(distance(tangent.net, tangent.params))}",
    ]


def _at_width(net: Any, width: int) -> Any:
    """The same dense network with all hidden layers of one width."""
    from ..networks import Dense, Sequential

    places = [index for index, layer in enumerate(net.layers) if isinstance(layer, Dense)]
    layers = list(net.layers)
    for index in places:
        n_in = layers[index].n_in if index == places[0] else width
        n_out = layers[index].n_out if index == places[-1] else width
        layers[index] = replace(layers[index], n_in=n_in, n_out=n_out)
    return Sequential(net.input_shape, tuple(layers))


def _lazy_training(case: Case) -> Found:
    raise UndecidedError("one network has no rate", "python -m verification lazy, which trains over widths")


NETWORKS = (
    Claim(
        "from-network",
        "the problem is a network's tangent at θ₀",
        "Φ = J(θ₀), targets y − f(x; θ₀), w₀ = 0",
        "definition",
        _from_network,
        "The network is at hand, so its derivatives can be computed again.",
        "There is no network to speak of.",
        listed=on_a_tangent,
    ),
    Claim(
        "closed-form-limit",
        "the network is dense, in NTK parameterisation, with activations whose limit has a closed form",
        "Θ_∞ by the recursions of relu, leaky_relu, erf, sin and identity",
        "definition",
        _closed_form_limit,
        "There is a limit to compare with.",
        "No closed form of the limit is known here.",
        listed=by_name_only,
    ),
    Claim(
        "linearised-network",
        "a network replaced by its tangent at θ₀ is a linear model, with the empirical NTK as its Gram matrix",
        "f(x; θ₀) + J(x)(θ − θ₀) is claims 1–18 with Φ = J, targets y − f(x; θ₀), w₀ = 0, K = JJᵀ",
        "extends arXiv 2410.08557; setting of arXiv 1806.07572",
        _linearised_network,
        "Every verdict here is about the network's own tangent.",
        "These features are not the network's derivative.",
        ("from-network",),
        {"from-network": "there is no network that the features could be the derivative of"},
        number=22,
        listed=on_a_tangent,
    ),
    Claim(
        "ntk-limit",
        "at random initialisation the empirical NTK tends to its infinite-width limit like width^−½",
        "‖Θ_m − Θ_∞‖ = O(m^−½); the slope of its logarithm against log m is measured",
        "arXiv 1806.07572; rate measured",
        _ntk_limit,
        "A wider network of this kind has a tangent kernel closer to the known limit, at the stated rate.",
        "Not at the stated rate over these widths.",
        ("from-network", "closed-form-limit"),
        {
            "from-network": "there is no network whose width could grow",
            "closed-form-limit": "there is no known limit to tend to",
        },
        number=23,
        listed=by_name_only,
        campaign="ntk-limit",
    ),
    Claim(
        "lazy-training",
        "unlearning a wide network by the labels of its linearisation leaves a gap that falls with width",
        "‖θ_u − θ_r‖/‖θ_p − θ_r‖ falls as width grows; the rate is measured, none is asserted",
        "setting of arXiv 1812.07956; measured here",
        _lazy_training,
        "Labels computed without training serve the true network, the better the wider it is.",
        "The linearisation is a poor guide for this network.",
        ("from-network",),
        {"from-network": "there is no network to train"},
        number=24,
        listed=by_name_only,
        campaign="lazy",
    ),
)
