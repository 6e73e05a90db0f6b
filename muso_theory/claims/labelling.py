"""Claims about the optimal labels: 2, 3, 5, 7, 9, 16 and 17."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from ..arrays import Array, row_blocks
from ..evidence import Inequality, Output, show
from ..linear.model import Parameters, Rows
from ..numbers import Grade, Quantity
from .case import Artefact, Case, Found
from .checks import Check

__all__ = ["LABELLING"]


def _exact_labels(case: Case) -> Found:
    model = case.model
    gap = model.distance(model.unlearned(model.optimal_labels), model.retrained)
    return [case.identity("‖w_u − w_r‖", gap, case.parameter_yardsticks)], [
        f"doing nothing {show(case.doing_nothing)}"
    ]


def _audited_gap(case: Case, artefact: Artefact) -> Found:
    """‖w_u − w_r‖ of labels or parameters that were handed in."""
    model = case.model
    if artefact.name == "labels":
        gap, rounding = case.gap_of(artefact.values), case.gap_of_ulps(artefact.values)
        error = model.label_distance(model.given(artefact.values), model.optimal_labels)
        facts = [f"label error ‖ỹ_F − Φ_F w_r‖ {show(error)}"]
    else:
        gap = model.distance(model.at(artefact.values), model.retrained)
        rounding, facts = case.size_of_ulps(artefact.values), []
    what = f"‖w_u − w_r‖ of the given {artefact.name}"
    return [case.audit(artefact, what, gap, rounding)], [_beside_nothing(case, gap), *facts]


def _beside_nothing(case: Case, gap: Quantity) -> str:
    """What doing nothing leaves, and whether that is less: so of data that retraining changes by rounding alone."""
    closer = case.doing_nothing.upper < gap.lower
    return f"doing nothing {show(case.doing_nothing)}{', which is closer' if closer else ''}"


def _labels_handed_out(case: Case, method: str) -> Output:
    """The gap of the float labels of a method."""
    labels = case.floats.labels(method)
    return case.output(f"‖w_u − w_r‖ of the float labels by {method}", case.gap_of(labels), labels, True)


def _exact_labels_output(case: Case) -> Found:
    model, w = case.model, case.floats.w_unlearned
    gap = model.distance(model.at(w), model.retrained)
    labels = _labels_handed_out(case, "closed-form")
    return [labels, case.output("‖w_u − w_r‖ of the float w_unlearned", gap, w, False)], [
        _beside_nothing(case, labels.quantity)
    ]


def _solution_set(case: Case) -> Found:
    model = case.model
    moved, dimension = model.along_kernel(model.optimal_labels)
    inside = model.distance(model.unlearned(moved), model.retrained)
    within = case.identity("gap of Φ_F w_r + a vector of ker Φ_Fᵀ", inside, case.parameter_yardsticks)
    step = _outside(case)
    if step is None:
        return [within], ["Φ_F = 0: no label does anything, so every label is exact"]
    off = model.mix(1, model.optimal_labels, 1, model.given(step))
    outside = model.square_distance(model.unlearned(off), model.unlearned(model.optimal_labels))
    # A float must be large against what the gap formula says; a proved number must only be positive.
    formula = model.square_gap(model.given(step))
    floor = 1e-12 * formula.bound if formula.grade is Grade.MEASURED else 0
    fact = (
        f"the solution set has dimension {dimension} per output"
        if dimension
        else "Φ_F has full row rank: the optimal label is unique"
    )
    facts = [f"{fact}, as float64 sees its rows" if formula.grade is Grade.MEASURED else fact]
    what = "squared gap of a label outside the set"
    return [within, Inequality(what, outside, positive=True, bar=floor)], facts


def _outside(case: Case) -> Array | None:
    """A label step Φ_Fφ, φ the forget row of largest entry, as floats near size one; None if Φ_F = 0.

    Φ_Fφ is in the range of Φ_F and not zero; a power of two that is taken out of the features does not change that.
    """
    features, forget = case.problem.features, case.problem.forget
    exact = features.dtype == object
    some = [forget[(rows.start <= forget) & (forget < rows.stop)] for rows in row_blocks(features)]
    some = [rows for rows in some if len(rows)]
    sizes = np.concatenate([np.abs(features[rows]).max(axis=1) for rows in some])
    largest = sizes.max()
    if not largest:
        return None

    def scaled(rows: Array) -> Array:
        if exact:
            small = [
                [float(Fraction(value) / Fraction(largest)) for value in row]
                for row in features[rows].tolist()
            ]
            return np.array(small)
        return np.ldexp(np.asarray(features[rows], dtype=np.float64), -int(np.frexp(float(largest))[1]))

    row = scaled(forget[[int(sizes.argmax())]])[0]
    step = np.concatenate([scaled(rows) @ row for rows in some])
    return np.repeat(step[:, None], case.problem.n_outputs, axis=1)


def _label_free(case: Case) -> Found:
    model = case.model
    projected = model.project(model.retain, model.pretrained)
    gap = model.distance(projected, model.retrained)
    # Φ_F of that point are the label-free labels.
    error = model.label_distance(model.predict(model.forget, projected), model.optimal_labels)

    def missed() -> Parameters:
        return _missed(case, model.retain)

    return [
        case.identity(
            "‖w₀ + P_R(w_p − w₀) − w_r‖",
            gap,
            case.parameter_yardsticks,
            lambda: model.distance(missed(), model.start),
        ),
        case.identity(
            "‖Φ_F(w₀ + P_R(w_p − w₀)) − Φ_F w_r‖",
            error,
            case.label_yardsticks,
            lambda: model.label_distance(
                model.predict(model.forget, missed()), model.predict(model.forget, model.start)
            ),
        ),
    ], []


def _missed(case: Case, rows: Rows) -> Parameters:
    """w₀ + Φ_A⁺(Φ_A w_p − y_A), which differs from w₀ by how far w₀ + P_A(w_p − w₀) is from retraining on A."""
    # The difference vanishes exactly where w_p is a least-squares minimiser on A. It is the Cε that a violated
    # hypothesis of label-free and downsampling explains: C = ‖(Φ_AᵀΦ_A)⁺‖, ε = ‖Φ_Aᵀ(Φ_A w_p − y_A)‖ at worst.
    model = case.model
    residual = model.mix(1, model.predict(rows, model.pretrained), -1, model.targets(rows))
    return model.fit(rows, model.mix(1, residual, 1, model.predict(rows, model.start)))


def _label_free_output(case: Case) -> Found:
    return [_labels_handed_out(case, "label-free")], []


def _leave_block_out(case: Case) -> Found:
    model = case.model
    error = model.label_distance(model.leave_block_out(), model.optimal_labels)
    return [case.identity("‖ỹ_F(K⁻¹) − Φ_F w_r‖", error, case.label_yardsticks)], []


def _leave_block_out_output(case: Case) -> Found:
    return [_labels_handed_out(case, "leave-block-out")], []


def _ridge_anchored(case: Case) -> Found:
    model = case.model
    retrained = model.fit(model.retain, model.targets(model.retain), ridge=case.settings.ridge)
    labels = model.relabelled(model.predict(model.forget, retrained))
    unlearned = model.fit(model.everything, labels, ridge=case.settings.ridge)
    gap = model.distance(unlearned, retrained)
    wrong = model.distance(
        model.fit(model.everything, labels, model.pretrained, ridge=case.settings.ridge), retrained
    )
    facts = [f"λ = {case.settings.ridge:g}", f"anchored at w_p instead of w₀: ‖w_u − w_r‖ {show(wrong)}"]
    return [case.identity("‖w_u^λ − w_r^λ‖", gap, case.parameter_yardsticks)], facts


def _ridge_inverse(case: Case) -> Found:
    model, epsilon = case.model, case.settings.ridge
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
    return [case.identity(what, error, case.label_yardsticks)], facts


def _downsampling(case: Case) -> Found:
    model = case.model
    subset = case.subset
    half = subset[: max(1, len(subset) // 2)]
    retrained = model.fit(subset, model.targets(subset))
    error = model.label_distance(model.label_free(subset), model.predict(model.forget, retrained))
    other = model.distance(retrained, model.retrained)
    # A float that is not zero proves no difference, but of itself; S = R leaves none.
    is_other = len(subset) < len(model.retain) and other.lower > 0
    full = model.project(model.retain, model.pretrained)
    kept, fewer = (model.project(rows, model.pretrained) for rows in (subset, half))
    facts = [
        f"|S| = {len(subset)} of {len(model.retain)}",
        f"‖(P_R − P_S)(w_p − w₀)‖ {show(model.distance(full, kept))}, "
        f"with half of S {show(model.distance(full, fewer))}",
        f"{'the model retrained on S alone is another one: ' if is_other else ''}‖w_r(S) − w_r‖ {show(other)}",
    ]
    # Nested subsets: what S leaves of w_p − w₀ is not more than what its half leaves.
    near, far = model.square_distance(full, kept), model.square_distance(full, fewer)
    return [
        case.identity(
            "‖ỹ_F(S) − Φ_F w_r(S)‖",
            error,
            case.label_yardsticks,
            lambda: model.label_distance(
                model.predict(model.forget, _missed(case, subset)), model.predict(model.forget, model.start)
            ),
        ),
        case.identity(
            "what ‖(P_R − P_S)·‖² exceeds ‖(P_R − P_½S)·‖² by",
            near.minus(far).positive_part(),
            ((far, "the latter"), *case.square_yardsticks),
            squared=True,
        ),
    ], facts


LABELLING = {
    "exact-labels": Check(
        _exact_labels,
        audits=("labels", "w_unlearned"),
        audit=_audited_gap,
        anywhere=lambda case, w: case.least_squares_audit(w, case.model.retain, "_R"),
        output=_exact_labels_output,
    ),
    "label-solution-set": Check(_solution_set),
    "label-free": Check(_label_free, output=_label_free_output),
    "leave-block-out": Check(_leave_block_out, output=_leave_block_out_output),
    "ridge-anchored": Check(_ridge_anchored, uses=("ridge",)),
    "ridge-inverse": Check(_ridge_inverse, uses=("ridge",)),
    "downsampling": Check(_downsampling, uses=("subset",)),
}
