"""Claims about what a small gap guarantees: 20 and 21."""

from __future__ import annotations

import math
from fractions import Fraction

from ..evaluation.gaussian import delta_enclosure, gaussian_sigma
from ..evidence import Finding, round_digits, show
from ..numbers import Grade, Quantity, UndecidedError
from .catalogue import Case, Claim, Found

__all__ = ["DELTA", "EPSILON", "GUARANTEES"]

EPSILON = 1.0
"""The ε that a report states the noise for; ``evaluation.removal_certificate`` takes any other."""

DELTA = Fraction(1, 10**5)
"""The δ that a report states the noise for."""


def _noise(gap: Quantity) -> float:
    """The noise that hides a gap, where there is a bound of it."""
    if not math.isfinite(gap.bound):
        raise UndecidedError("no finite bound of ‖w_u − w_r‖", "ball or rational arithmetic has the range")
    # At the smallest noise δ lies closer to its limit than the ends of its enclosure are known.
    smallest = gaussian_sigma(gap.upper, EPSILON, DELTA)
    return math.nextafter(smallest, math.inf) if smallest else 0.0


def _removal_certificate(case: Case) -> Found:
    findings, facts = [], []
    for words, gap, _ in case.gaps:
        sigma = _noise(gap)
        what = f"δ at ε = {EPSILON:g}, σ = {round_digits(sigma, up=True)}{words}"
        findings.append(Finding(what, delta_enclosure(gap, sigma, EPSILON), DELTA, unit_of="the δ asked for"))
        facts.append(f"‖w_u − w_r‖{words} {show(gap)}")
        if gap.grade is Grade.FLOAT:
            facts.append("this gap is measured only: it certifies nothing")
    nothing = round_digits(_noise(case.doing_nothing), up=True)
    facts.append(f"doing nothing needs σ = {nothing} for ε = {EPSILON:g}, δ = {float(DELTA):g}")
    return findings, facts


def _membership(case: Case) -> Found:
    model = case.model
    unlearned = []
    if case.labels is not None:
        judge = case.held_to(case.labels)
        unlearned.append((" of the given labels", model.unlearned(model.given(case.labels)), judge))
    if case.w_unlearned is not None:
        judge = case.held_to(case.w_unlearned)
        unlearned.append((" of the given w_unlearned", model.at(case.w_unlearned), judge))
    if not unlearned:
        unlearned.append(("", model.unlearned(model.optimal_labels), case.zero))
    retrained = {rows: model.predict(rows, model.retrained) for rows in (model.forget, model.retain)}
    before = model.label_distance(model.predict(model.forget, model.pretrained), retrained[model.forget])
    findings, facts = [], [f"before unlearning ‖Φ_F(w_p − w_r)‖ {show(before)}"]
    for words, w, judge in unlearned:
        for name, rows in (("F", model.forget), ("R", model.retain)):
            apart = model.label_distance(model.predict(rows, w), retrained[rows])
            findings.append(judge(f"‖Φ_{name}(w_u − w_r)‖{words}", apart, before, "‖Φ_F(w_p − w_r)‖"))
        gap = model.distance(w, model.retrained)
        facts.append(f"a score of slope L differs by at most L‖φ(x)‖·gap anywhere; gap{words} {show(gap)}")
    return findings, facts


GUARANTEES = (
    Claim(
        "removal-certificate",
        "a proved gap and a little noise are certified removal",
        "gap ≤ Δ  ⟹  w_u + N(0, σ²I) and w_r + N(0, σ²I) are (ε, δ)-indistinguishable for the analytic σ(Δ, ε, δ)",
        "Balle and Wang 2018; certified removal of Guo et al. 2020",
        _removal_certificate,
        "Publish w_u with this noise: nobody can tell it from retraining, up to (ε, δ), on this data and forget set.",
        "The noise does not hide the gap.",
        number=20,
    ),
    Claim(
        "membership",
        "no attack tells an exactly unlearned model from a retrained one",
        "w_u = w_r  ⟹  equal scores; else |score_u(x) − score_r(x)| ≤ L‖φ(x)‖·gap",
        "data processing; the null of every membership attack",
        _membership,
        "Attacks score the same on w_u and w_r, up to the stated distance.",
        "The outputs of w_u and w_r differ on these samples: an attack may see it, so unlearning is not exact.",
        number=21,
    ),
)
