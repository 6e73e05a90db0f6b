"""Conditions: the hypotheses that theorems use, checked on the data before anything is claimed."""

from __future__ import annotations

from math import inf
from sys import float_info

from ..evidence import Finding, show
from ..linear.model import Rows
from ..numbers import Quantity
from .catalogue import Case, Claim, Found, text

__all__ = ["CONDITIONS"]


def _sizes(case: Case) -> Found:
    p = case.problem
    fact = f"n = {p.n_samples} = {len(p.retain)} + {len(p.forget)}, D = {p.n_parameters}, outputs = {p.n_outputs}"
    mismatch = abs(p.n_samples - len(p.retain) - len(p.forget))
    return [Finding("n − n_R − n_F", Quantity.exact(mismatch))], [fact]


def _over_parameterised(case: Case) -> Found:
    p = case.problem
    facts = [f"n = {p.n_samples}, D = {p.n_parameters}"]
    if p.n_features != p.n_parameters:
        facts.append(f"through the Gram, in {p.n_features} coordinates of row(J)")
    return [Finding("n − D", Quantity.exact(p.n_samples - p.n_parameters))], facts


def _three_samples(case: Case) -> Found:
    return [Finding("n − 2", Quantity.exact(case.problem.n_samples - 2), positive=True)], []


def _rank(case: Case, rows: Rows, name: str) -> Found:
    what, quantity, positive = case.model.full_row_rank(rows, name)
    return [Finding(what, quantity, positive=positive)], []


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
    residual = model.label_distance(targets, model.predict(model.retain, w))
    scale = model.label_distance(targets, model.predict(model.retain, model.start))
    name = "w_p" if pretrained else "w_r"
    return [case.zero(f"‖y_R − Φ_R {name}‖", residual, scale, "its value at w₀")], []


def _interpolable(case: Case) -> Found:
    return _retain_residual(case, pretrained=False)


def _interpolates(case: Case) -> Found:
    return _retain_residual(case, pretrained=True)


def _least_squares(case: Case) -> Found:
    model = case.model
    targets = model.targets(model.retain)
    gradient = model.gradient_norm(model.retain, targets, model.pretrained)
    scale = model.gradient_norm(model.retain, targets, model.start)
    return [case.zero("‖Φ_Rᵀ(Φ_R w_p − y_R)‖", gradient, scale, "its value at w₀")], []


def _start_in_span(case: Case) -> Found:
    model = case.model
    off_span = model.distance(model.pretrained, model.project(model.everything, model.pretrained))
    facts = ["the given w_pretrained" if model.start_is_given else "the closed-form w_p"]
    return [case.zero("‖(I − P)(w_p − w₀)‖", off_span, case.doing_nothing, "doing nothing")], facts


def _conditioning(case: Case) -> Found:
    smallest, largest = case.model.spectrum
    # κ⁺ sees only the eigenvalues that float64 sees: with more of them in truth, κ⁺ is beyond float64.
    kappa = case.model.condition_number if case.model.sees_all_eigenvalues else Quantity.measured(inf)
    finding = Finding("κ⁺(K)", kappa, 2.0**53 / 100, unit_of="what float64 can resolve")
    return [finding], [f"λ_min⁺ {show(smallest)}, λ_max {show(largest)}"]


def _step_size(case: Case) -> Found:
    _, largest = case.model.spectrum
    threshold = min(2 / largest.bound, float_info.max) if largest.bound else 0.0
    return [Finding("2/λ_max", _inverse(largest), positive=True)], [
        f"gradient descent is stable for η < {text(threshold)}"
    ]


def _inverse(q: Quantity) -> Quantity:
    """2/q with the ends swapped, rounded outward by one unit."""
    from math import inf, nextafter

    low = nextafter(2 / q.bound, 0.0) if q.bound > 0 else 0.0
    high = nextafter(2 / q.floor, inf) if q.floor > 0 else inf
    return Quantity(low, high if q.lower != q.upper else low, q.grade)


CONDITIONS = (
    Claim(
        "consistent-sizes",
        "features, targets and forget set fit together",
        "R ∪ F = all samples, R ∩ F = ∅",
        "definition",
        _sizes,
        "The sizes fit.",
        "The sizes do not fit.",
    ),
    Claim(
        "over-parameterised",
        "at least as many features as samples",
        "D ≥ n",
        "arXiv 2410.08557, setting",
        _over_parameterised,
        "There is room to interpolate any labels, if the rank is full.",
        "More samples than features: generic targets cannot be interpolated.",
    ),
    Claim(
        "full-rank",
        "the feature rows of all samples are independent",
        "rank Φ = n, i.e. K = ΦΦᵀ is invertible",
        "arXiv 2410.08557, setting",
        _full_rank,
        "Any labels can be interpolated; the gap of any labels is δᵀS⁻¹δ.",
        "Feature rows are dependent: K⁻¹ does not exist, formulas with inverses are off the table.",
    ),
    Claim(
        "full-rank-retain",
        "the feature rows of the retain set are independent",
        "rank Φ_R = n_R",
        "arXiv 2410.08557, setting",
        _full_rank_retain,
        "K_RR⁻¹ exists.",
        "K_RR⁻¹ does not exist; use the closed-form labels.",
    ),
    Claim(
        "full-rank-forget",
        "the feature rows of the forget set are independent",
        "rank Φ_F = n_F",
        "claim label-solution-set",
        _full_rank_forget,
        "The optimal label is unique.",
        "Several labelings are equally exact: they differ by ker Φ_Fᵀ.",
    ),
    Claim(
        "interpolable-retain",
        "the retained targets can be fitted exactly",
        "y_R ∈ range Φ_R (shifted by Φ_R w₀)",
        "arXiv 2410.08557, setting",
        _interpolable,
        "Retraining fits every retained sample.",
        "Retraining ends at a least-squares compromise.",
    ),
    Claim(
        "interpolates-retain",
        "the pretrained model fits the retained targets exactly",
        "Φ_R w_p = y_R",
        "arXiv 2410.08557, setting",
        _interpolates,
        "The pretrained model carries everything that retraining needs.",
        "The pretrained model compromises between retained and forgotten samples.",
    ),
    Claim(
        "least-squares-on-retain",
        "the pretrained model already minimises the loss on the retain set",
        "Φ_Rᵀ(Φ_R w_p − y_R) = 0",
        "claim label-free",
        _least_squares,
        "Labels can be computed from w_p alone, without retraining and without targets.",
        "Forgetting moves the optimum on the retain set, so w_p alone cannot tell the labels.",
    ),
    Claim(
        "start-in-span",
        "fine-tuning starts in w₀ + row(Φ)",
        "(I − P)(w_p − w₀) = 0",
        "claim start-span",
        _start_in_span,
        "Nothing is stuck in directions that training cannot see.",
        "The start has a component that no training on these samples can remove.",
    ),
    Claim(
        "conditioning",
        "the Gram matrix is within reach of float64",
        "κ⁺(K) = λ_max/λ_min⁺ ≤ 2⁵³/100",
        "numerical analysis",
        _conditioning,
        "A float64 solve keeps digits.",
        "A float64 solve may lose all digits: use balls or rationals.",
    ),
    Claim(
        "step-size",
        "a stable step size exists",
        "0 < η < 2/λ_max(ΦᵀΦ)",
        "claim implicit-bias",
        _step_size,
        "Gradient descent with a smaller step converges to the closed forms used here.",
        "No step size is stable.",
    ),
    Claim(
        "three-samples",
        "there are samples for two requests and one to keep",
        "n ≥ 3",
        "claim sequential-requests",
        _three_samples,
        "Two requests can be told apart.",
        "Too few samples for two requests.",
    ),
)
