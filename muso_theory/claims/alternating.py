"""Claim 25: the alternating algorithm for networks, held against the claim that it rests on."""

from __future__ import annotations

import numpy as np

from ..evidence import Inequality
from ..former import former
from ..linear.labels import optimal_labels
from ..linear.problem import UnlearningProblem
from ..linear.solution import solve
from ..numbers import Quantity
from .case import Case, Found
from .checks import Check, by_name_only
from .tangents import network_of

__all__ = ["ALTERNATION"]
former(__name__)


def _linear_head(case: Case) -> Found:
    from ..networks import Dense

    if case.problem.tangent is None:
        return [Inequality("dense last layers", Quantity.exact(0), positive=True)], []
    last = case.problem.tangent.net.layers[-1]
    return [Inequality("dense last layers", Quantity.exact(int(isinstance(last, Dense))), positive=True)], [
        f"the last layer is {last}"
    ]


def _alternating(case: Case) -> Found:
    """Its first label on this network, features frozen and the head trained to its limit, against label-free."""
    from ..methods import Alternating
    from ..methods.head import head_features, head_matrix
    from ..networks import NetworkProblem, Recipe

    tangent = network_of(case)
    net, start, X = tangent.net, list(tangent.params), tangent.inputs
    y = np.asarray(case.problem.targets, dtype=np.float64).reshape(len(X), -1) + tangent.outputs.reshape(
        len(X), -1
    )
    forget = np.unique(case.problem.forget // net.n_out)
    linear = UnlearningProblem(head_features(net, start, X), y, forget, w_init=head_matrix(net, start))
    head = solve(linear).w_pretrained
    network = NetworkProblem(
        net, X, y, forget, start, [*start[:-2], head[:-1], head[-1]], Recipe(loss="squared")
    )
    method = Alternating(
        projector="exact", ridge=(0.0, 0.0), subset=1.0, frozen=True, watch=0, epochs=1, learning_rate=1e-12
    )
    result = method.run(network)
    wanted = np.asarray(optimal_labels(linear, "label-free")).reshape(result.first_outputs.shape)
    error = Quantity.measured(float(np.linalg.norm(result.first_outputs - wanted)))
    scale = Quantity.measured(float(np.linalg.norm(wanted)))
    finding = case.statement("‖ŷ_F − Z_F(w₀ + P_R(w_p − w₀))‖, features frozen", error, scale, "the labels")
    return [finding], [repr(result.head)]


ALTERNATION = {
    "linear-head": Check(_linear_head, listed=by_name_only, on_any_problem=False),
    "alternating": Check(_alternating, listed=by_name_only, on_any_problem=False),
}
