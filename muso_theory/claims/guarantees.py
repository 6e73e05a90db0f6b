"""Claims about what a small gap guarantees: 20 and 21."""

from __future__ import annotations

import math
from fractions import Fraction

from ..evaluation.gaussian import delta_enclosure, gaussian_sigma
from ..evidence import Allowance, Audit, Inequality, Output, round_digits, show
from ..linear.model import Parameters, Rows
from ..numbers import Grade, Quantity, UndecidedError
from .catalogue import Artefact, Case, Claim, Found

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
    """The theorem: noise that hides an upper bound of the gap of the exact w_u keeps δ."""
    model = case.model
    gap = model.distance(model.unlearned(model.optimal_labels), model.retrained)
    return [_delta(gap, "")], _noise_facts(case, gap, "")


def _removal_output(case: Case) -> Found:
    w = case.floats.w_unlearned
    gap = case.model.distance(case.model.at(w), case.model.retrained)
    sigma = _noise(gap)
    what = f"δ at ε = {EPSILON:g}, σ = {round_digits(sigma, up=True)} of the float w_unlearned"
    allowed = Allowance(DELTA, DELTA, "the δ asked for")
    return [Output(what, delta_enclosure(gap, sigma, EPSILON), allowed)], _noise_facts(
        case, gap, " of the float w_unlearned"
    )


def _removal_audit(case: Case, artefact: Artefact) -> Found:
    model = case.model
    if artefact.name == "labels":
        gap = case.gap_of(artefact.values)
    else:
        gap = model.distance(model.at(artefact.values), model.retrained)
    words = f" of the given {artefact.name}"
    sigma = _noise(gap)
    what = f"δ at ε = {EPSILON:g}, σ = {round_digits(sigma, up=True)}{words}"
    allowed = Allowance(DELTA, DELTA, "the δ asked for")
    return [Audit(what, delta_enclosure(gap, sigma, EPSILON), allowed)], _noise_facts(case, gap, words)


def _delta(gap: Quantity, words: str) -> Inequality:
    sigma = _noise(gap)
    what = f"δ at ε = {EPSILON:g}, σ = {round_digits(sigma, up=True)}{words}"
    return Inequality(what, delta_enclosure(gap, sigma, EPSILON), bar=DELTA, unit_of="the δ asked for")


def _noise_facts(case: Case, gap: Quantity, words: str) -> list[str]:
    facts = [f"‖w_u − w_r‖{words} {show(gap)}"]
    if gap.grade is Grade.FLOAT:
        facts.append("this gap is measured only: it certifies nothing")
    nothing = round_digits(_noise(case.doing_nothing), up=True)
    return [*facts, f"doing nothing needs σ = {nothing} for ε = {EPSILON:g}, δ = {float(DELTA):g}"]


def _membership(case: Case) -> Found:
    model = case.model
    w = model.unlearned(model.optimal_labels)
    findings = [
        case.identity(f"‖Φ_{name}(w_u − w_r)‖", _apart(case, rows, w), case.label_yardsticks)
        for name, rows in (("F", model.forget), ("R", model.retain))
    ]
    return findings, _score_facts(case, w)


def _membership_audit(case: Case, artefact: Artefact) -> Found:
    model = case.model
    labels = artefact.name == "labels"
    w = model.unlearned(model.given(artefact.values)) if labels else model.at(artefact.values)
    findings = []
    for name, rows in (("F", model.forget), ("R", model.retain)):
        what = f"‖Φ_{name}(w_u − w_r)‖ of the given {artefact.name}"
        rounding = Quantity.exact(0)
        findings.append(case.audit(artefact, what, _apart(case, rows, w), rounding, labels=True))
    return findings, _score_facts(case, w)


def _apart(case: Case, rows: Rows, w: Parameters) -> Quantity:
    """‖Φ_rows(w − w_r)‖."""
    model = case.model
    return model.label_distance(model.predict(rows, w), model.predict(rows, model.retrained))


def _score_facts(case: Case, w: Parameters) -> list[str]:
    model = case.model
    before = _apart(case, model.forget, model.pretrained)
    gap = model.distance(w, model.retrained)
    return [
        f"before unlearning ‖Φ_F(w_p − w_r)‖ {show(before)}",
        f"a score of slope L differs by at most L‖φ(x)‖·gap anywhere; gap {show(gap)}",
    ]


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
        audits=("labels", "w_unlearned"),
        audit=_removal_audit,
        output=_removal_output,
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
        audits=("labels", "w_unlearned"),
        audit=_membership_audit,
    ),
)
