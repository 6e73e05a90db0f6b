"""Claims about what a small gap guarantees: 20 and 21."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from ..arrays import Array
from ..errors import BadInputError
from ..evaluation.certificate import release_sigma
from ..evaluation.gaussian import delta_enclosure, gaussian_sigma
from ..evaluation.release import grid_spacing, least_sigma, parameters
from ..evidence import Allowance, Audit, Inequality, Output, at_most, round_digits, show
from ..linear.model import Parameters, Rows
from ..numbers import Grade, Quantity, UndecidedError
from .case import Artefact, Case, Found, ulps
from .checks import Check

__all__ = ["DELTA", "EPSILON", "GUARANTEES"]

EPSILON = 1.0
"""The ε that a report states the noise for; ``evaluation.removal_certificate`` takes any other."""

DELTA = Fraction(1, 10**5)
"""The δ that a report states the noise for."""


def _removal_certificate(case: Case) -> Found:
    """The theorem on the exact w_u: noise that hides a bound of its gap keeps δ."""
    model = case.model
    gap = model.distance(model.unlearned(model.optimal_labels), model.retrained)
    if gap.grade is Grade.CERTIFIED and gap.bound > max(
        scale.bound for scale, _ in case.parameter_yardsticks
    ):
        # Some noise hides any bound: one that is larger than the problem itself says nothing of unlearning.
        raise UndecidedError(
            "the bound of ‖w_u − w_r‖ exceeds what doing nothing leaves", "another arithmetic", climbs=True
        )
    sigma = _smallest(gap)
    what = f"δ at ε = {EPSILON:g}, σ = {sigma:g}{_beside_nothing(case, sigma)}"
    found = Inequality(what, _delta(gap, sigma), bar=DELTA, unit_of="the δ asked for")
    return [found], [f"‖w_u − w_r‖ {at_most(gap)}", *_doing_nothing(case, gap)]


def _smallest(gap: Quantity) -> float:
    """The smallest noise that hides a gap, where there is a bound of it."""
    if not math.isfinite(gap.bound):
        raise UndecidedError(
            "no finite bound of ‖w_u − w_r‖", "ball or rational arithmetic has the range", climbs=True
        )
    # At the smallest noise δ lies closer to its limit than the ends of its enclosure are known. Two digits, rounded up,
    # are the noise itself and not only how it is told: what is stated is then true of the number in the words.
    smallest = gaussian_sigma(gap.bound, EPSILON, DELTA)
    return float(round_digits(math.nextafter(smallest, math.inf), up=True)) if smallest else 0.0


def _delta(gap: Quantity, sigma: float, fitted: bool = True) -> Quantity:
    """δ that noise leaves; of noise that is fitted to a bound of the gap no more is said than what is asked for."""
    found = delta_enclosure(gap, sigma, EPSILON)
    if fitted and found.grade is Grade.CERTIFIED and found.upper <= DELTA:
        # Further digits of δ would be those of the bound's own rounding.
        return Quantity.enclosure(0, DELTA)
    return found


def _published(case: Case, w: Array, words: str) -> tuple[str, Quantity, list[str]]:
    """δ of float parameters that are published with noise on its grid: the words, the number, and facts."""
    model = case.model
    gap = model.distance(model.at(w), model.retrained)
    smallest = _smallest(gap)
    try:
        raised, remark = release_sigma(gap.bound, w, EPSILON, float(DELTA))
    except BadInputError as error:
        raise UndecidedError(str(error), "smaller parameters") from None
    sigma = max(smallest, raised)
    facts = [f"‖w_u − w_r‖{words} {at_most(gap)}", *_doing_nothing(case, gap)]
    if sigma:
        spacing = f"the spacing {grid_spacing(least_sigma(w)):.2g} of floats as large as these parameters"
        facts.insert(1, f"rounded to multiples of {grid_spacing(sigma):.3g}, no finer than {spacing}")
    if remark:
        facts.insert(1, f"σ {remark}")
    told = f"{sigma:g}" if sigma == smallest else round_digits(sigma, up=True)
    what = f"δ at ε = {EPSILON:g}, σ = {told}{words}{_beside_nothing(case, sigma)}"
    return what, _delta(gap, sigma, sigma == smallest), facts


def _beside_nothing(case: Case, sigma: float) -> str:
    """A remark on noise that hides w_p as well, so that unlearning has gained nothing."""
    idle = case.doing_nothing
    if idle.grade is not Grade.MEASURED and sigma > _smallest(idle):
        return " (more noise than doing nothing needs)"
    return " (perhaps more noise than doing nothing needs)" if sigma > _needed(idle) else ""


def _needed(gap: Quantity) -> float:
    """Noise below which a gap is surely not hidden."""
    smallest = gaussian_sigma(gap.floor, EPSILON, DELTA)
    return math.nextafter(smallest, 0.0) if smallest else 0.0


def _same_map(case: Case) -> list[str]:
    """Which retraining is meant, where it would not be that of the retained samples alone."""
    if not case.problem.map_may_tell:
        return []
    return [
        "w_r is retrained with the same map, which itself may tell what is forgotten (map-free-of-forget)"
    ]


def _doing_nothing(case: Case, gap: Quantity) -> list[str]:
    facts = ["this gap is measured only: it certifies nothing"] if gap.grade is Grade.MEASURED else []
    idle, needed = case.doing_nothing, _needed(case.doing_nothing)
    facts += _same_map(case)
    if idle.upper > 0 and not needed:
        return facts  # this arithmetic does not tell doing nothing from zero: σ ≥ 0 would say nothing
    nothing = f"{'≈' if idle.grade is Grade.MEASURED else '≥'} {round_digits(needed, up=False)}"
    return [*facts, f"doing nothing needs σ {nothing} for ε = {EPSILON:g}, δ = {float(DELTA):g}"]


def _removal_output(case: Case) -> Found:
    what, delta, facts = _published(case, case.floats.w_unlearned, " of the float w_unlearned")
    return [Output(what, delta, _ASKED)], facts


def _removal_audit(case: Case, artefact: Artefact) -> Found:
    try:
        floats = parameters(artefact.values)
    except BadInputError:
        # Of Fractions nothing can be released, and the other rows still stand.
        raise UndecidedError("noise is added to float64 parameters", "pass them as float64") from None
    what, delta, facts = _published(case, floats, f" of the given {artefact.name}")
    return [Audit(what, delta, _ASKED)], facts


_ASKED = Allowance(DELTA, DELTA, "the δ asked for")


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
        rounding = _of_ulps(case, artefact, rows, w)
        findings.append(case.audit(artefact, what, _apart(case, rows, w), rounding, labels=True))
    return findings, _score_facts(case, w)


def _of_ulps(case: Case, artefact: Artefact, rows: Rows, w: Parameters) -> Quantity:
    """One unit in the last place of every entry of an artefact, carried to the predictions of its parameters w."""
    unit = ulps(artefact.values)
    if not unit.any():
        return Quantity.exact(0)
    model = case.model
    if artefact.name == "labels":
        more = model.unlearned(model.mix(1, model.given(artefact.values), 1, model.given(unit)))
        return model.image_distance(rows, more, w)
    return model.image_distance(rows, model.at(unit), model.at(np.zeros(unit.shape)))


def _apart(case: Case, rows: Rows, w: Parameters) -> Quantity:
    """‖Φ_rows(w − w_r)‖."""
    model = case.model
    return model.image_distance(rows, w, model.retrained)


def _score_facts(case: Case, w: Parameters) -> list[str]:
    model = case.model
    before = _apart(case, model.forget, model.pretrained)
    gap = model.distance(w, model.retrained)
    return [
        f"before unlearning ‖Φ_F(w_p − w_r)‖ {show(before)}",
        f"a score of slope L differs by at most L‖φ(x)‖·gap anywhere; gap {at_most(gap)}",
        *_same_map(case),
    ]


GUARANTEES = {
    "removal-certificate": Check(
        _removal_certificate,
        audits=("w_unlearned",),
        audit=_removal_audit,
        output=_removal_output,
        # Enough noise hides everything, so that this says nothing of how well they were unlearned.
        audited="With so much noise they are not told from the retrained parameters; the less noise, the better.",
    ),
    "membership": Check(_membership, audits=("labels", "w_unlearned"), audit=_membership_audit),
}
