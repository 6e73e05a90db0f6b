"""Claims about parameters and gaps: 1, 4, 6, 8 and 18."""

from __future__ import annotations

import math

import numpy as np

from ..arrays import Array
from ..evidence import show
from ..linear.model import Model, Parameters
from ..numbers import NoArithmeticError
from .case import Artefact, Case, Found
from .checks import Check

__all__ = ["PARAMETERS"]


def _implicit_bias(case: Case) -> Found:
    model = case.model
    targets = model.targets(model.everything)
    limit = model.fit(model.everything, targets)
    gradient = model.gradient_norm(model.everything, targets, limit)
    scale = model.gradient_norm(model.everything, targets, model.start)
    zero = model.at(np.zeros((case.problem.n_features, case.problem.n_outputs)))
    at_zero = model.gradient_norm(model.everything, targets, zero).plus(scale)
    again = model.fit(model.everything, targets, limit)
    inside = model.project(model.everything, limit)
    travelled = ((case.travelled, "‖w_p − w₀‖"),)
    return [
        case.identity(
            "‖Φᵀ(y − ΦG(w₀))‖", gradient, ((scale, "its value at w₀"), (at_zero, "its value at w₀ and at 0"))
        ),
        case.identity("‖(I − P)(G(w₀) − w₀)‖", model.distance(limit, inside), travelled),
        case.identity("‖G(G(w₀)) − G(w₀)‖", model.distance(again, limit), travelled),
    ], []


def _pretrained_audit(case: Case, artefact: Artefact) -> Found:
    """Whether parameters that were handed in are where training ends."""
    model = case.model
    off = model.distance(model.at(artefact.values), model.pretrained)
    what = f"‖{artefact.name} − G(w₀)‖"
    return [case.audit(artefact, what, off, case.size_of_ulps(artefact.values))], []


def _start_span(case: Case) -> Found:
    model = case.model
    labels = model.optimal_labels
    elsewhere = model.fit(model.forget, model.targets(model.forget))
    findings = [
        case.identity(
            f"‖w_u − w_r‖ from {name}",
            model.distance(model.unlearned(labels, start), model.retrained),
            case.parameter_yardsticks,
        )
        for name, start in (("w₀", model.start), ("a model of the forget samples", elsewhere))
    ]
    if case.problem.n_features <= case.problem.n_samples:
        return findings, []
    off = model.at(_beside_start(case))
    ended = model.square_distance(model.unlearned(labels, off), model.retrained)
    inside = model.project(model.everything, off)
    stuck = model.square_distance(off, inside)
    findings.append(
        case.identity(
            "|‖w_u − w_r‖² − ‖(I − P)(s − w₀)‖²| from beside w₀",
            ended.gap_to(stuck),
            ((stuck, "‖(I − P)(s − w₀)‖²"), *case.square_yardsticks),
            squared=True,
        )
    )
    return findings, [f"started off along e₁, ‖w_u − w_r‖ {show(ended.sqrt())}"]


def _beside_start(case: Case) -> Array:
    """A start off w₀ along e₁, as floats or exact as w₀ is."""
    problem = case.problem
    shape = (problem.n_features, problem.n_outputs)
    w = np.zeros(shape) if problem.w_init is None else np.array(problem.w_init).reshape(shape)
    # Twice a float16 may be none, and twice a float64 rarely.
    w = w.astype(object if w.dtype.kind in "iub" else np.promote_types(w.dtype, np.float64))
    # A step as large as w₀ itself is not lost in rounding, and any start will do: 0, where twice w₀ is too large.
    largest = max(abs(value) for value in w[0].tolist())
    step = 1 if largest < 1 else largest
    w[0] = 0 if largest + step == math.inf else [value + step for value in w[0].tolist()]
    return w


def _gap_formula(case: Case) -> Found:
    model = case.model
    forget = model.forget
    zeros = model.given(np.zeros((len(forget), case.problem.n_outputs)))
    findings = []
    facts = []
    for name, labels in [("original labels", model.targets(forget)), ("zero labels", zeros)]:
        direct = model.square_distance(model.unlearned(labels), model.retrained)
        formula = model.square_gap(model.mix(1, labels, -1, model.optimal_labels))
        findings.append(
            case.identity(
                f"|‖w_u − w_r‖² − ‖Φ⁺(0; δ)‖²|, {name}",
                direct.gap_to(formula),
                case.square_yardsticks,
                squared=True,
            )
        )
        facts.append(f"{name}: gap {show(formula.sqrt())}")
    return findings, facts


def _forget_only(case: Case) -> Found:
    model = case.model
    # The best labels on F alone are Φ_F w_r: G_{Φ_F, Φ_F w_r}(w_p) = w_p + P_F(w_r − w_p).
    best = model.fit(model.forget, model.optimal_labels, model.pretrained)
    left = model.square_distance(best, model.retrained)
    moved = model.square_distance(best, model.pretrained)
    total = model.square_distance(model.pretrained, model.retrained)
    facts = [
        f"closest that fine-tuning on F alone can come: {show(left.sqrt())} (doing nothing {show(case.doing_nothing)})"
    ]
    return [
        case.identity(
            "|‖(I − P_F)(w_r − w_p)‖² + ‖P_F(w_r − w_p)‖² − ‖w_r − w_p‖²|",
            left.plus(moved).gap_to(total),
            case.square_yardsticks,
            squared=True,
        )
    ], facts


def _sequential(case: Case) -> Found:
    model = case.model
    positions = list(model.everything)
    forget = positions[len(model.retain) :]
    if len(forget) > 1:
        first, second, keep = forget[: len(forget) // 2], forget[len(forget) // 2 :], list(model.retain)
    else:
        first, second, keep = forget, list(model.retain)[-1:], list(model.retain)[:-1]
    if not keep:
        raise NoArithmeticError("no sample is left after two requests", "a third sample")
    once = model.fit(tuple(keep), model.targets(tuple(keep)))
    findings = []
    for name, one, two in (("F₁ then F₂", first, second), ("F₂ then F₁", second, first)):
        after = _forget(model, model.pretrained, keep + two, one)
        after = _forget(model, after, keep, two)
        findings.append(
            case.identity(f"‖w_u − w_r‖, {name}", model.distance(after, once), case.parameter_yardsticks)
        )
    return findings, [f"|F₁| = {len(first)}, |F₂| = {len(second)}"]


def _forget(model: Model, start: Parameters, keep: list[int], forget: list[int]) -> Parameters:
    """Relabel ``forget`` optimally for retraining on ``keep``, and fine-tune on both from ``start``."""
    kept = tuple(keep)
    retrained = model.fit(kept, model.targets(kept))
    labels = model.stack(model.targets(kept), model.predict(tuple(forget), retrained))
    return model.fit(kept + tuple(forget), labels, start)


PARAMETERS = {
    "implicit-bias": Check(
        _implicit_bias,
        audits=("w_pretrained",),
        audit=_pretrained_audit,
        anywhere=lambda case, w: case.least_squares_audit(w, case.model.everything, ""),
    ),
    "start-span": Check(_start_span),
    "gap-formula": Check(_gap_formula),
    "forget-only": Check(_forget_only),
    "sequential-requests": Check(_sequential),
}
