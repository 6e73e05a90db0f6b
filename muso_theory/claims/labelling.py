"""Claims about the optimal labels: 2, 3, 5, 7, 9, 16 and 17."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from ..evidence import Finding, show
from ..linear.labels import subset_positions
from ..linear.problem import Array
from ..numbers import Grade, Quantity
from .catalogue import Case, Claim, Found

__all__ = ["LABELLING"]

_PAPER = "arXiv 2410.08557"


def _exact_labels(case: Case) -> Found:
    model = case.model
    facts = [f"doing nothing {show(case.doing_nothing)}"]
    findings = []
    for words, gap, given in case.gaps:
        # The labels as they are computed, and below fine-tuning on the true ones: two routes to the same claim.
        judge = case.computed if given is None else case.held_to(given)
        findings.append(judge(f"‖w_u − w_r‖{words}", gap, case.doing_nothing, "doing nothing"))
    if case.labels is not None:
        error = model.label_distance(model.given(case.labels), model.optimal_labels)
        facts.append(f"label error ‖ỹ_F − Φ_F w_r‖ {show(error)}")
    if case.gaps[0][2] is None and not model.is_exact:
        tuned = model.distance(model.unlearned(model.optimal_labels), model.retrained)
        findings.append(case.zero("‖w_u − w_r‖, fine-tuned", tuned, case.doing_nothing, "doing nothing"))
    return findings, facts


def _solution_set(case: Case) -> Found:
    model = case.model
    moved, dimension = model.along_kernel(model.optimal_labels)
    inside = model.distance(model.unlearned(moved), model.retrained)
    within = case.zero("gap of Φ_F w_r + a vector of ker Φ_Fᵀ", inside, case.doing_nothing, "doing nothing")
    step = _outside(case)
    if step is None:
        return [within], ["Φ_F = 0: no label does anything, so every label is exact"]
    off = model.mix(1, model.optimal_labels, 1, model.given(step))
    outside = model.square_distance(model.unlearned(off), model.unlearned(model.optimal_labels))
    # A float must be large against what the gap formula says; a proved number must only be positive.
    formula = model.square_gap(model.given(step))
    floor = 1e-12 * formula.bound if formula.grade is Grade.FLOAT else 0
    facts = [
        f"the solution set has dimension {dimension} per output"
        if dimension
        else "Φ_F has full row rank: the optimal label is unique"
    ]
    return [within, Finding("squared gap of a label outside the set", outside, floor, positive=True)], facts


def _outside(case: Case) -> Array | None:
    """A label step Φ_Fφ, φ the forget row of largest entry, as floats near size one; None if Φ_F = 0.

    Φ_Fφ is in the range of Φ_F and not zero; a power of two that is taken out of the features does not change that.

    Returns:
        Shape (n_F, C), or None.
    """
    features, forget = case.problem.features, case.problem.forget
    exact = features.dtype == object
    sizes = [np.abs(features[i]).max() for i in forget]
    largest = max(sizes)
    if not largest:
        return None

    def scaled(i: int) -> Array:
        if exact:
            return np.array([float(Fraction(value) / Fraction(largest)) for value in features[i].tolist()])
        return np.ldexp(np.asarray(features[i], dtype=np.float64), -int(np.frexp(float(largest))[1]))

    row = scaled(forget[sizes.index(largest)])
    step = np.array([scaled(i) @ row for i in forget])
    return np.repeat(step[:, None], case.problem.n_outputs, axis=1)


def _label_free(case: Case) -> Found:
    model = case.model
    projected = model.project(model.retain, model.pretrained)
    gap = model.distance(projected, model.retrained)
    labels = model.label_free(model.retain)
    error = model.label_distance(labels, model.optimal_labels)
    return [
        case.zero("‖w₀ + P_R(w_p − w₀) − w_r‖", gap, case.doing_nothing, "doing nothing"),
        case.zero("‖Φ_F(w₀ + P_R(w_p − w₀)) − Φ_F w_r‖", error, case.label_change, "the label change"),
    ], []


def _leave_block_out(case: Case) -> Found:
    model = case.model
    error = model.label_distance(model.leave_block_out(), model.optimal_labels)
    return [case.computed("‖ỹ_F(K⁻¹) − Φ_F w_r‖", error, case.label_change, "the label change")], []


def _ridge_anchored(case: Case) -> Found:
    model = case.model
    retrained = model.fit(model.retain, model.targets(model.retain), ridge=case.ridge)
    labels = model.relabelled(model.predict(model.forget, retrained))
    unlearned = model.fit(model.everything, labels, ridge=case.ridge)
    gap = model.distance(unlearned, retrained)
    wrong = model.distance(model.fit(model.everything, labels, model.pretrained, ridge=case.ridge), retrained)
    facts = [f"λ = {case.ridge:g}", f"anchored at w_p instead of w₀: ‖w_u − w_r‖ {show(wrong)}"]
    return [case.zero("‖w_u^λ − w_r^λ‖", gap, case.doing_nothing, "doing nothing")], facts


def _ridge_inverse(case: Case) -> Found:
    model, epsilon = case.model, case.ridge
    retain, forget = model.retain, model.forget
    shifted = model.predict(forget, model.fit(retain, model.targets(retain), ridge=epsilon))
    # K_FR(K_RR + εI)⁻¹ b is what a ridge fit to Φ_R w₀ + b adds to the prediction on F; here b = K_RR⁻¹(y_R − Φ_R w₀).
    at_start = model.predict(retain, model.start)
    nested = model.fit(retain, model.mix(1, at_start, 1, model.dual_coefficients()), ridge=epsilon)
    added = model.mix(1, model.predict(forget, nested), -1, model.predict(forget, model.start))
    predicted = model.mix(1, model.optimal_labels, -epsilon, added)
    error = model.label_distance(shifted, predicted)
    size = model.label_distance(shifted, model.optimal_labels)
    facts = [f"ε = {epsilon:g} moves the label: ‖ỹ_ε − ỹ‖ {show(size)}"]
    what = "‖(ỹ_ε − ỹ) + ε K_FR(K_RR + εI)⁻¹K_RR⁻¹r_R‖"
    return [case.zero(what, error, case.label_change, "the label change")], facts


def _downsampling(case: Case) -> Found:
    model = case.model
    subset = subset_positions(case.problem, max(case.subset, 1 / len(case.problem.retain)), case.seed)
    half = subset[: max(1, len(subset) // 2)]
    retrained = model.fit(subset, model.targets(subset))
    error = model.label_distance(model.label_free(subset), model.predict(model.forget, retrained))
    full = model.project(model.retain, model.pretrained)
    kept, fewer = (model.project(rows, model.pretrained) for rows in (subset, half))
    facts = [
        f"|S| = {len(subset)} of {len(model.retain)}",
        f"‖(P_R − P_S)(w_p − w₀)‖ {show(model.distance(full, kept))}, "
        f"with half of S {show(model.distance(full, fewer))}",
        f"so R∖S is unlearned too: ‖w_r(S) − w_r‖ {show(model.distance(retrained, model.retrained))}",
    ]
    # Nested subsets: what S leaves of w_p − w₀ is not more than what its half leaves.
    near, far = model.square_distance(full, kept), model.square_distance(full, fewer)
    grows = Quantity(near.lower - far.upper, near.upper - far.lower, near.grade)
    slack = 0 if case.is_exact else case.tolerance * far.floor
    return [
        case.zero("‖ỹ_F(S) − Φ_F w_r(S)‖", error, case.label_change, "the label change"),
        Finding(
            "‖(P_R − P_S)·‖² − ‖(P_R − P_½S)·‖²", grows, slack, unit_of=f"{case.tolerance:g} of the latter"
        ),
    ], facts


LABELLING = (
    Claim(
        "exact-labels",
        "labelling the forget samples by the retrained model's predictions unlearns exactly",
        "ỹ_F = Φ_F w_r  ⟹  w_u = w_r",
        f"{_PAPER} (full rank there; no rank, size or consistency is needed)",
        _exact_labels,
        "Fine-tuning on these labels ends at the retrained parameters.",
        "Fine-tuning on these labels does not end at the retrained parameters.",
        number=2,
    ),
    Claim(
        "label-solution-set",
        "the exact labels are these and no others",
        "w_u = w_r  ⟺  ỹ_F ∈ Φ_F w_r + ker Φ_Fᵀ",
        f"sharpens {_PAPER}",
        _solution_set,
        "Labels are judged by ‖Φ_Fᵀδ‖ alone.",
        "The stated set is not the set of exact labels.",
        number=3,
    ),
    Claim(
        "label-free",
        "the optimal labels follow from the pretrained model alone",
        "ỹ_F = Φ_F(w₀ + P_R(w_p − w₀))",
        _PAPER,
        _label_free,
        "You need neither a retrained model nor any targets to compute the labels.",
        "The label-free formula gives other labels than the retrained model does.",
        ("least-squares-on-retain",),
        {"least-squares-on-retain": "w_p is no minimiser on R, and projecting it does not give w_r"},
        number=5,
    ),
    Claim(
        "leave-block-out",
        "one inverse Gram matrix holds the optimal labels of every forget set",
        "ỹ_F = y_F − [(K⁻¹)_FF]⁻¹[K⁻¹(y − Φw₀)]_F",
        "classical leave-one-out formula, in blocks",
        _leave_block_out,
        "Labels for any forget set cost one small solve.",
        "The formula does not give the optimal labels.",
        ("full-rank",),
        {"full-rank": "K⁻¹ does not exist"},
        number=7,
    ),
    Claim(
        "ridge-anchored",
        "with a ridge anchored at w₀ relabelling is exact too",
        "min ‖Φw − y‖² + λ‖w − w₀‖²: ỹ_F = Φ_F w_r^λ  ⟹  w_u^λ = w_r^λ",
        f"extends {_PAPER}",
        _ridge_anchored,
        "Weight decay towards w₀ keeps exactness, if retraining and fine-tuning share it.",
        "Ridge breaks exactness here.",
        number=9,
    ),
    Claim(
        "ridge-inverse",
        "a ridge in the label's inverse shifts the label by a known amount",
        "ỹ_ε − ỹ = −ε K_FR(K_RR + εI)⁻¹K_RR⁻¹(y_R − Φ_R w₀)",
        f"analyses the ε of {_PAPER}",
        _ridge_inverse,
        "The price of a stabilised inverse is known exactly.",
        "The shift is not the stated one.",
        ("full-rank-retain",),
        {"full-rank-retain": "K_RR⁻¹ does not exist"},
        number=16,
    ),
    Claim(
        "downsampling",
        "labels from a subset S of R are exact for the model retrained on S alone",
        "Φ_F(w₀ + P_S(w_p − w₀)) = Φ_F w_r(S)",
        f"analyses the down-sampling of {_PAPER}",
        _downsampling,
        "Down-sampling also unlearns R∖S: choose |S| by how much of that you accept.",
        "Down-sampled labels are not those of the model retrained on S.",
        ("interpolates-retain",),
        {"interpolates-retain": "w_p does not minimise on S, and projecting it does not give w_r(S)"},
        number=17,
    ),
)
