"""Claims about families of networks: 23 and 24."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import BadInputError
from ..evidence import Inequality
from ..linear.problem import UnlearningProblem
from ..numbers import Quantity, UndecidedError
from .case import Case, Found, text
from .checks import Check, by_name_only, on_a_tangent
from .tangents import network_of

__all__ = ["NETWORKS"]

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


def _ntk_limit(case: Case) -> Found:
    """The slope of the distance to the limit over widths, for this architecture on a few of these inputs."""
    from ..networks import empirical_ntk, infinite_width
    from ..networks.rates import fit_slope

    tangent = network_of(case)
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
        distances[width] = [
            distance(net, net.init(case.settings.seed + index)) for index in range(LIMIT_SEEDS)
        ]
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


NETWORKS = {
    "from-network": Check(_from_network, listed=on_a_tangent, on_any_problem=False),
    "closed-form-limit": Check(_closed_form_limit, listed=by_name_only, on_any_problem=False),
    "ntk-limit": Check(_ntk_limit, listed=by_name_only, on_any_problem=False),
    "lazy-training": Check(_lazy_training, listed=by_name_only, on_any_problem=False),
}
