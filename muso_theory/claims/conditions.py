"""Conditions: the hypotheses that theorems use, checked on the data before anything is claimed."""

from __future__ import annotations

from fractions import Fraction
from math import inf, nextafter
from sys import float_info

import numpy as np

from ..arrays import row_blocks
from ..evidence import Hypothesis, Inequality, round_digits, show
from ..linear.fitting import holds_samples
from ..linear.kept import kept
from ..linear.model import Parameters, Rows
from ..linear.problem import UnlearningProblem
from ..numbers import Quantity
from ..numbers.rounding import NoArithmeticError
from .case import Artefact, Case, Found
from .checks import Check
from .tangents import tangent_rank

__all__ = ["CONDITIONS"]


def _sizes(case: Case) -> Found:
    p = case.problem
    fact = f"n = {p.n_samples} = {len(p.retain)} + {len(p.forget)}, D = {p.n_parameters}, outputs = {p.n_outputs}"
    mismatch = abs(p.n_samples - len(p.retain) - len(p.forget))
    return [Inequality("n − n_R − n_F", Quantity.exact(mismatch))], [fact]


def _over_parameterised(case: Case) -> Found:
    p = case.problem
    facts = [f"n = {p.n_samples}, D = {p.n_parameters}"]
    if p.n_features != p.n_parameters:
        facts.append(f"through the Gram, in {p.n_features} coordinates of row(J)")
    return [Inequality("n − D", Quantity.exact(p.n_samples - p.n_parameters))], facts


def _three_samples(case: Case) -> Found:
    return [Inequality("n − 2", Quantity.exact(case.problem.n_samples - 2), positive=True)], []


def _rank(case: Case, rows: Rows, name: str) -> Found:
    if case.problem.tangent is not None:
        return tangent_rank(case, rows, name)
    missing, witness = _dependent(case, rows)
    if missing:
        found = Quantity.enclosure(missing, len(rows))
        return [Inequality(f"n{name} − rank Φ{name}", found)], [witness]
    what, quantity, positive = case.model.full_row_rank(rows, name)
    return [Inequality(what, quantity, positive=positive)], []


def _dependent(case: Case, rows: Rows) -> tuple[int, str]:
    """By how much equal rows, or rows of zeros, lower the rank of these rows, and which they are, in words."""
    problem, samples = case.problem, np.sort(case.model.order[np.asarray(rows, dtype=np.intp)])
    kinds, place, kind = np.unique(problem.first_equal[samples], return_index=True, return_inverse=True)
    first = samples[place]  # of each kind, the first of these samples
    copies = np.flatnonzero(first[kind] < samples)
    zeros = first[kinds == _first_zero(problem)]
    words = []
    if len(copies):
        more = f", and so on: {len(copies)} are copies" if len(copies) > 1 else ""
        words.append(f"rows {first[kind][copies[0]]} and {samples[copies[0]]} of Φ are equal{more}")
    words += [f"row {zero} of Φ is zero" for zero in zeros]
    rank = min(len(kinds) - len(zeros), problem.n_features)
    return (len(samples) - rank, "; ".join(words)) if words else (0, "")


@kept
def _first_zero(problem: UnlearningProblem) -> int:
    """The first sample whose row of Φ is zero, or −1."""
    for rows in row_blocks(problem.features):
        zero = np.flatnonzero(~(problem.features[rows] != 0).any(axis=1))
        if len(zero):
            return int(rows.start + zero[0])
    return -1


def _full_rank(case: Case) -> Found:
    return _rank(case, case.model.everything, "")


def _full_rank_retain(case: Case) -> Found:
    return _rank(case, case.model.retain, "_R")


def _full_rank_forget(case: Case) -> Found:
    return _rank(case, case.model.forget, "_F")


def _retain_residual(case: Case, pretrained: bool) -> Found:
    model = case.model
    targets = model.targets(model.retain)
    w = model.pretrained if pretrained else model.retrained
    residual = model.residual_norm(model.retain, targets, w)
    # ‖y_R‖ is added so that a start that fits already leaves a scale.
    scale = model.residual_norm(model.retain, targets, model.start).plus(
        model.residual_norm(model.retain, targets)
    )
    name = "w_p" if pretrained else "w_r"
    return [case.violation(f"‖y_R − Φ_R {name}‖", residual, scale, "‖y_R − Φ_R w₀‖ + ‖y_R‖")], []


def _interpolable(case: Case) -> Found:
    return _retain_residual(case, pretrained=False)


def _interpolates(case: Case) -> Found:
    return _retain_residual(case, pretrained=True)


def _least_squares(case: Case) -> Found:
    return [_stationary(case, case.model.retain, "R")], []


def _least_squares_on_subset(case: Case) -> Found:
    subset = case.subset
    return [_stationary(case, subset, "S")], [f"|S| = {len(subset)} of {len(case.model.retain)}"]


def _stationary(case: Case, rows: Rows, name: str) -> Hypothesis:
    """How far w_p is from a least-squares solution on some rows."""
    model, targets = case.model, case.model.targets(rows)
    gradient = model.gradient_norm(rows, targets, model.pretrained)
    zero = model.at(np.zeros((case.problem.n_features, case.problem.n_outputs)))
    scale, of = model.gradient_norm(rows, targets, model.start), "its value at w₀"
    if case.problem.w_init is not None:
        scale, of = scale.plus(model.gradient_norm(rows, targets, zero)), "its value at w₀ and at 0"
    return case.violation(f"‖Φ_{name}ᵀ(Φ_{name} w_p − y_{name})‖", gradient, scale, of)


def _start_in_span(case: Case) -> Found:
    model = case.model
    off = _off_span(case, model.pretrained)
    return [
        case.violation(
            "‖(I − P)(w_p − w₀)‖", off, case.travelled.plus(case.doing_nothing), "‖w_p − w₀‖ + doing nothing"
        )
    ], []


def _off_span(case: Case, w: Parameters) -> Quantity:
    """‖(I − P)(w − w₀)‖."""
    return case.model.distance(w, case.model.project(case.model.everything, w))


def _start_audit(case: Case, artefact: Artefact) -> Found:
    """A start handed in: fine-tuning never removes what it has off w₀ + row(Φ)."""
    off = _off_span(case, case.model.at(artefact.values))
    what = f"‖(I − P)({artefact.name} − w₀)‖"
    return [case.audit(artefact, what, off, case.size_of_ulps(artefact.values))], []


_FITTED_ON = {
    "retain": "fitted on retained samples alone",
    "public": "fitted on samples of another source, none of which is a sample to forget as it stands, next to one, or "
    "one with fewer decimals; that it knows none in another form is your word",
    "nothing": "the map reads no samples",
    "retained statistics": "the running statistics of its batch norms, which are held, were fitted on retained samples "
    "alone",
    "copies": "fitted on public samples of which some are samples to forget",
    "all": "fitted on all samples",
}


def _knows_its_map(problem: UnlearningProblem) -> bool:
    """Whether what the map was fitted on is known; of features that were handed in nothing is said."""
    return problem.map_fitted_on in (*_FITTED_ON, "near")


def _map_free_of_forget(case: Case) -> Found:
    problem = case.problem
    if problem.map_fitted_on == "near":
        raise NoArithmeticError(
            "some public samples are next to samples to forget, which may be chance or a rounded copy",
            "--fit-map retain, or a public file without them",
        )
    if not _knows_its_map(problem):
        raise NoArithmeticError(
            "what the features were fitted on is unknown",
            "UnlearningProblem.from_data, from_frame or muso check with samples and a map that is not fitted yet",
        )
    forgotten, word = len(problem.forget), problem.map_fitted_on
    told = [f"{_FITTED_ON[word]}; X as it was given"]
    read = Quantity.exact(forgotten if word == "all" else 0)
    if holds_samples(problem.feature_map) and word not in ("all", "copies"):
        # What functions and arrays inside a map hold is not seen from outside.
        read = Quantity.measured(0)
        told.append(
            "the map holds functions, arrays or code of others: that these know no sample is your word"
        )
    elif word == "retained statistics":
        read = Quantity.measured(0)
        told.append("that the network's other parameters know no sample to forget is your word")
    elif not isinstance(getattr(problem.feature_map, "bandwidth", "median"), str):
        told.append("that the bandwidth given knows no sample is your word")
    if word == "copies":
        read = Quantity.enclosure(1, forgotten)
    what = "samples to forget that the map was fitted on"
    if word == "public":
        what = "samples to forget, not retained too, that equal a public one"
    return [Inequality(what, read)], told


def _conditioning(case: Case) -> Found:
    if case.is_zero:
        raise NoArithmeticError(
            "K = 0 has no positive eigenvalue, and so no κ⁺", "features that are not all zero"
        )
    smallest, largest = case.model.spectrum
    if not case.model.sees_all_eigenvalues:
        # K may be singular, with κ⁺ of what is left, or regular, with κ⁺ beyond float64.
        raise NoArithmeticError(
            "float64 does not see all eigenvalues of K, and only proved float64 bounds enclose κ⁺",
            "features without nearly dependent rows",
        )
    finding = Inequality(
        "κ⁺(K)", case.model.condition_number, bar=2.0**53 / 100, unit_of="what float64 can resolve"
    )
    return [finding], [f"λ_min⁺ {show(smallest)}, λ_max {show(largest)}"]


def _step_size(case: Case) -> Found:
    if case.is_zero:
        return [Inequality("λ_max", Quantity.exact(0))], [
            "all features are zero: gradient descent is stable for any η"
        ]
    _, largest = case.model.spectrum
    threshold = Fraction(2) / Fraction(largest.bound) if 0 < largest.bound < inf else Fraction(0)
    if threshold:
        shown = round_digits(min(threshold, Fraction(float_info.max)), up=False, digits=3)
        words = f"gradient descent is stable for η < {shown}"
    else:
        words = "λ_max is beyond the range of float64, and so is the largest stable η"
    return [Inequality("2/λ_max", _inverse(largest), positive=True)], [words]


def _inverse(q: Quantity) -> Quantity:
    """2/q with the ends swapped, rounded outward by one unit."""
    low = nextafter(2 / q.bound, 0.0) if q.bound > 0 else 0.0
    high = nextafter(2 / q.floor, inf) if q.floor > 0 else inf
    return Quantity(low, high if q.lower != q.upper else low, q.grade)


CONDITIONS = {
    "consistent-sizes": Check(_sizes),
    "over-parameterised": Check(_over_parameterised),
    "full-rank": Check(_full_rank),
    "full-rank-retain": Check(_full_rank_retain),
    "full-rank-forget": Check(_full_rank_forget),
    "interpolable-retain": Check(_interpolable),
    "interpolates-retain": Check(_interpolates),
    "least-squares-on-retain": Check(_least_squares),
    "least-squares-on-subset": Check(_least_squares_on_subset, uses=("subset",)),
    "start-in-span": Check(_start_in_span, audits=("w_pretrained", "w_unlearned"), audit=_start_audit),
    "map-free-of-forget": Check(
        _map_free_of_forget, listed=_knows_its_map, on_any_problem=False, climbs=False
    ),
    "conditioning": Check(_conditioning, by_floats=True),
    "step-size": Check(_step_size, by_floats=True),
    "three-samples": Check(_three_samples),
}
