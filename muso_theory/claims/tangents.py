"""What holds for a network's own tangent J, where the features are floats that stand for it; claim 22."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from ..arrays import Array
from ..evidence import Allowance, Identity, Inequality, show
from ..linear.certified import CertifiedForms
from ..linear.closed_forms import ClosedForms, float_model
from ..linear.model import Rows
from ..linear.problem import UnlearningProblem
from ..numbers import RATIONAL, Grade, NoArithmeticError, Quantity, UndecidedError
from ..numbers.rounding import norm_bounds
from .case import Case, Found
from .checks import Check, on_a_tangent

__all__ = ["TANGENTS", "network_of", "tangent_rank"]

_BITS = 128
_BALL_PRICE = 400_000
"""Multiplications of forward passes that a check does in balls; what is dearer is measured in floats."""


def network_of(case: Case) -> Any:
    """The network behind the features, with its parameters and inputs.

    Raises:
        NoArithmeticError: no network; a claim that is asserted without one does not apply.
    """
    if case.problem.tangent is None:
        raise NoArithmeticError("no network is given", "networks.from_network, or --network")
    return case.problem.tangent


def tangent_rank(case: Case, rows: Rows, suffix: str) -> Found:
    """Whether rows of the network's own tangent J are independent; of the floats that stand for it only by that name.

    Args:
        case: a case whose problem was made from a network.
        rows: positions.
        suffix: subscript for the words.

    Returns:
        A finding about J where J is enclosed or rational, else about the float tangent, and then never PROVED.

    Raises:
        UndecidedError: what the floats are wrong by leaves the rank of J open, and rationals decide it.
        NoArithmeticError: likewise, and J is not rational.
    """
    from ..networks.distance import float_distance
    from ..networks.rational import rank_bound, rational_jacobian, why_not_rational

    problem, tangent, distance = case.problem, network_of(case), float_distance(case.problem)
    index = case.model.order[list(rows)]
    what = f"n{suffix} − rank J{suffix}"
    bound, why = rank_bound(tangent.net)
    if len(rows) > bound:
        return [Inequality(what, Quantity.enclosure(len(rows) - bound, len(rows)))], [why]
    twins = _twins(tangent, index)
    if twins:
        return [Inequality(what, Quantity.enclosure(1, len(rows)))], [twins]
    if case.model.is_exact:
        try:
            J = rational_jacobian(tangent)
        except UndecidedError as obstacle:
            distance = obstacle if isinstance(distance, UndecidedError) else distance
        else:
            exact = ClosedForms(UnlearningProblem(J, np.zeros(len(J), np.int64), problem.forget), RATIONAL)
            return [Inequality(what, exact.full_row_rank(rows)[1])], ["J in exact rationals"]
    if isinstance(distance, UndecidedError) or float_model(problem) is case.model:
        name, quantity, positive = case.model.full_row_rank(rows, suffix)
        if quantity.grade is Grade.PROVED:
            quantity = Quantity.enclosure(quantity.lower, quantity.upper)
        facts = (
            [f"the network's own tangent is not enclosed: {distance}"]
            if isinstance(distance, UndecidedError)
            else []
        )
        return [Inequality(f"{name} of the float tangent", quantity, positive=positive)], facts
    model = case.model if isinstance(case.model, CertifiedForms) else CertifiedForms(problem)
    try:
        _, floats, is_eigenvalue = model.full_row_rank(rows, suffix)
    except UndecidedError:
        is_eigenvalue = False
    if not is_eigenvalue:
        floats = Quantity.exact(0)
    smallest = distance.smallest(Fraction(floats.lower))
    if smallest:
        found = Quantity.enclosure(smallest, distance.largest(Fraction(floats.upper)))
        return [Inequality(f"λ_min(J{suffix}J{suffix}ᵀ)", found, positive=True)], [_told(distance)]
    what = f"that λ_min(J{suffix}J{suffix}ᵀ) is 0 is within what the floats are wrong by"
    if reason := why_not_rational(tangent):
        raise NoArithmeticError(what, str(reason))
    raise UndecidedError(what, "rational arithmetic", climbs=True)


def _twins(tangent: Any, index: Array) -> str:
    """Two of these rows of J that are the same because two samples have the same input, in words."""
    from ..networks.rational import repeated_samples

    k = tangent.net.n_out
    for output in range(k):
        pair = repeated_samples(tangent.inputs, np.sort(index[index % k == output] // k))
        if pair:
            return f"samples {pair[0]} and {pair[1]} have the same input, so the same rows of J"
    return ""


def _told(distance: Any) -> str:
    return f"J enclosed: {distance.what} {show(distance.distance)}, all directions at once"


def _differentiable(case: Case) -> Found:
    """Rectifiers at 0 that outputs depend on: proved where J is enclosed, counted in floats elsewhere."""
    from ..networks.distance import float_distance
    from ..networks.germs import bent_output
    from ..networks.kinks import KinkError
    from ..networks.rational import only_rectifiers, zeros_of_rectifiers

    tangent, distance = network_of(case), float_distance(case.problem)
    what = "rectifiers at 0 that an output depends on"
    if tangent.net.analytic:
        return [Inequality(what, Quantity.exact(0))], ["every activation is analytic"]
    settled = isinstance(distance, KinkError) and distance.proved
    if (
        isinstance(distance, UndecidedError)
        and not settled
        and (bent := bent_output(tangent, case.settings.seed))
    ):
        gap, sample, output = bent
        return [Inequality("|D⁺f(θ₀; v) + D⁺f(θ₀; −v)|", Quantity.exact(gap))], [
            f"output {output} at sample {sample} grows at another rate on each side of θ₀ along a direction v"
        ]
    if isinstance(distance, KinkError):
        if not distance.proved:
            raise distance
        return [Inequality(what, Quantity.enclosure(1, distance.count))], [distance.what]
    if isinstance(distance, UndecidedError):
        if not only_rectifiers(tangent.net):
            raise distance  # kinks of other layers are not counted
        count = zeros_of_rectifiers(tangent.net, tangent.params, tangent.inputs)
        return [Inequality("inputs of rectifiers that are 0 in floats", Quantity.measured(count))], [
            f"J is not enclosed: {distance}"
        ]
    return [Inequality(what, Quantity.enclosure(0, 0))], [
        "the input of every rectifier that an output depends on is proved to have a sign"
    ]


def _linearised_network(case: Case) -> Found:
    """The float features against the network's own derivative, and two ways to that derivative against each other."""
    from ..networks.distance import float_distance

    tangent, distance = network_of(case), float_distance(case.problem)
    if isinstance(distance, UndecidedError):
        return _measured_tangent(case, distance)
    size, of = Quantity.enclosure(*norm_bounds(tangent.outputs)), "‖f‖"
    if not size.upper:
        # Beside outputs of 0 everything is large; what is subtracted from the targets is small beside these.
        size, of = Quantity.enclosure(*norm_bounds(np.asarray(case.problem.targets, np.float64))), "‖y − f‖"
    modes, fact = _two_modes(case)
    return [
        case.statement(distance.what, distance.distance, distance.size, distance.scale),
        case.statement("max |f(x; θ₀) − what the targets subtract|", distance.outputs, size, of),
        *modes,
    ], ["in all directions at once: J is enclosed entry by entry", *fact]


def _two_modes(case: Case) -> Found:
    """Forward mode, from the forward pass alone, against reverse mode, by the layers' rules, both enclosed.

    Where the enclosures do not meet, a derivative rule of this package is wrong.
    """
    from ..networks.distance import between_modes
    from ..networks.duals import multiplications

    problem, tangent = case.problem, network_of(case)
    net, n = tangent.net, len(tangent.inputs)
    affordable = _BALL_PRICE // (2 * multiplications(net, tangent.params, tangent.inputs))
    if not affordable:
        return [], ["too large for forward mode in balls"]
    some = dict.fromkeys(int(rows[0]) // net.n_out for rows in (problem.forget, problem.retain))
    chosen = list(range(n)) if n <= affordable else list(some)[:affordable]
    v = np.random.default_rng(case.settings.seed).standard_normal(net.n_params)
    off, size = between_modes(tangent, chosen, v, _BITS)
    allowed = Allowance.of_scale(case.settings.limit, size, "the largest |J(x)v|")
    where = "all" if len(chosen) == n else ", ".join(map(str, chosen))
    return [Identity("max |∂f(x; θ₀)·v − J(x)v|, v random", off, allowed)], [
        f"forward mode by the forward pass alone, reverse mode by the layers' rules, at {where} of {n} samples"
    ]


def _measured_tangent(case: Case, obstacle: UndecidedError) -> Found:
    """Φw against differences of the network's outputs, in two directions."""
    problem, findings = case.problem, []
    for name, w in _directions(case):
        predicted = problem.features @ w
        scale = Quantity.measured(float(np.linalg.norm(predicted)))
        slopes, method = _slopes(network_of(case), _in_parameters(problem, w), predicted)
        off = Quantity.measured(float(np.linalg.norm(slopes - predicted)))
        findings.append(case.statement(f"‖∂f(x; θ₀)·v − Φw‖, v to {name}, by {method}", off, scale, "‖Φw‖"))
    return findings, [f"in these two directions only, as J is not enclosed: {obstacle}"]


def _directions(case: Case) -> Iterator[tuple[str, Array]]:
    """Directions θ − θ₀ in the coordinates of the features: to the retrained model, and a random one."""
    model = float_model(case.problem)
    yield "w_r", model.explicit(model.retrained)[:, 0]
    n, d = case.problem.features.shape
    rng = np.random.default_rng(case.settings.seed)
    # in row(Φ) alone an error of Φ that is orthogonal to it would show by its square only; K has no such errors
    by_gram = case.problem.tangent.by_gram
    yield (
        "a random direction",
        case.problem.features.T @ rng.standard_normal((n,)) if by_gram else rng.standard_normal((d,)),
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


def _slopes(tangent: Any, direction: list[Array], about: Array) -> tuple[Array, str]:
    """Derivatives along a direction by differences of the network's outputs, given about what they are."""
    net, params, X = tangent.net, tangent.params, tangent.inputs

    def outputs(t: complex | float) -> Array:
        steps = zip(params, direction, net.trainable, strict=True)  # running statistics are held, as in J
        return np.asarray(net([p + t * d if moves else p for p, d, moves in steps], X)).ravel()

    if net.analytic:
        h = 1e-100
        return outputs(1j * h).imag / h, "complex step"
    # so short that rounding (1e-16/1e-7) and the few kinks crossed (one unit in 1e7) both stay near 1e-8
    h = 1e-7 * float(np.abs(tangent.outputs).max() or 1.0) / float(np.abs(about).max() or 1.0)
    return (outputs(h) - outputs(-h)) / (2 * h), "central differences"


TANGENTS = {
    "differentiable": Check(_differentiable, listed=on_a_tangent, on_any_problem=False, climbs=False),
    "linearised-network": Check(_linearised_network, listed=on_a_tangent, on_any_problem=False, climbs=False),
}
