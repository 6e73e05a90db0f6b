"""Every claim on the whole zoo in exact arithmetic, and for every claim a planted failure that must be seen."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.claims import CATALOGUE, guarantees
from muso_theory.claims.case import Case
from muso_theory.claims.families import CHECKS
from muso_theory.claims.parameters import _beside_start
from muso_theory.evidence import (
    NOTHING,
    About,
    Allowance,
    Audit,
    Evidence,
    Hypothesis,
    Identity,
    Inequality,
    Output,
    Scope,
    Verdict,
)
from muso_theory.linear.closed_forms import ClosedForms, Point
from muso_theory.linear.labels import subset_positions
from muso_theory.numbers import BALL, FLOAT64, RATIONAL, Quantity
from muso_theory.settings import Settings
from tests.zoo import FULL_RANK, ZOO

THEOREMS = [
    slug for slug, claim in CATALOGUE.items() if not claim.is_condition and CHECKS[slug].on_any_problem
]
GOOD = (Verdict.PROVED, Verdict.VACUOUS)
RIGHT_TRIANGLES = {"label-free", "energy", "capacity"}
"""Claims for which w_p has to be a least-squares solution on R."""
INVERSES = {"leave-block-out", "downdate"}
"""Claims with K⁻¹ in their formulas."""


@pytest.mark.parametrize("name", ZOO)
def test_no_claim_is_refuted_anywhere_in_exact_arithmetic(name: str) -> None:
    report = mt.check(ZOO[name](), None, "rational")
    assert report.alarms == ()
    for evidence in (*report.rows, *mt.check(ZOO[name](), THEOREMS, "rational").rows):
        if evidence.about is About.OUTPUT:  # floats are rounded, and exact arithmetic knows by how much
            assert evidence.verdict is Verdict.CERTIFIED or evidence.bound == 0, evidence.summary
        elif evidence.claim in ("conditioning", "step-size", "convex-loss"):
            assert evidence.verdict in (Verdict.MEASURED, Verdict.VACUOUS)
        else:
            assert evidence.verdict in GOOD, f"{evidence.claim}: {evidence.summary}"


@pytest.mark.parametrize("name", FULL_RANK)
def test_everything_holds_when_the_gram_matrix_is_invertible(name: str) -> None:
    report = mt.check(ZOO[name](), arithmetic="rational")
    vacuous = {slug for slug, e in report.items() if e.verdict is Verdict.VACUOUS}
    assert vacuous <= ({"three-samples", "sequential-requests"} if name == "two-samples" else set())


@pytest.mark.parametrize(
    ("name", "vacuous"),
    [
        ("under-parameterised", {*RIGHT_TRIANGLES, *INVERSES, "ridge-inverse", "downsampling"}),
        ("rank-deficient", {*RIGHT_TRIANGLES, *INVERSES, "ridge-inverse", "downsampling"}),
        ("duplicated-across", {*RIGHT_TRIANGLES, *INVERSES}),
        ("duplicated-forget", INVERSES),
    ],
)
def test_failed_hypotheses_make_claims_vacuous_and_are_named(name: str, vacuous: set[str]) -> None:
    report = mt.check(ZOO[name](), THEOREMS, "rational")
    found = {slug for slug in THEOREMS if report.theorem(slug).verdict is Verdict.VACUOUS}
    assert found == vacuous
    for slug in found:
        assert {hypothesis for hypothesis, _ in report[slug].failed} <= set(CATALOGUE[slug].hypotheses)
        assert report[slug].summary.startswith("needs ")
    assert report.theorem("exact-labels").verdict is Verdict.PROVED
    assert report.theorem("exact-labels").bound == 0


def test_downsampling_asks_for_least_squares_on_the_subset_alone() -> None:
    """w_p = (1, 1) fits S = {0, 1, 2} in the least-squares sense and interpolates R nowhere."""
    features, targets = np.array([[1, 0], [0, 1], [0, 1], [1, 1], [1, 1]]), np.array([1, 0, 2, 2, 2])
    problem = mt.UnlearningProblem(features, targets, [4])
    found = {}
    for seed in range(6):
        report = mt.check(
            problem, ["downsampling", "interpolates-retain"], "rational", subset=0.75, seed=seed
        )
        assert report["interpolates-retain"].verdict is Verdict.VACUOUS
        # S of three rows holds both of the rows 1 and 2, which average to w_p, or one alone, which does not.
        found[report["downsampling"].verdict] = report["least-squares-on-subset"].verdict
    assert found == {Verdict.PROVED: Verdict.PROVED, Verdict.VACUOUS: Verdict.VACUOUS}


@pytest.mark.parametrize("slug", ["label-free", "downsampling"])
def test_an_asserted_claim_without_its_hypothesis_is_refuted(slug: str) -> None:
    problem = ZOO["under-parameterised"]()
    assert mt.check(problem, [slug], "rational")[slug].verdict is Verdict.VACUOUS
    evidence = mt.check(problem, [slug], "rational", asserted=[slug])[slug]
    assert evidence.verdict is Verdict.REFUTED
    assert evidence.findings[0].quantity.floor > 1e-3


def test_an_asserted_condition_that_fails_is_refuted() -> None:
    problem = ZOO["under-parameterised"]()
    assert mt.check(problem, ["over-parameterised"])["over-parameterised"].verdict is Verdict.VACUOUS
    report = mt.check(problem, ["over-parameterised"], asserted=["over-parameterised"])
    assert report["over-parameterised"].verdict is Verdict.REFUTED


# -- planted failures --------------------------------------------------------------------------------


class Sabotaged(ClosedForms):
    """Closed forms with one thing wrong."""


def _wrong_labels(m: ClosedForms) -> None:
    off = m.arithmetic.matrix(np.full((len(m.forget), m.problem.n_outputs), 2.0**-10))
    m.__dict__["optimal_labels"] = m.arithmetic.add(m.predict(m.forget, m.retrained), off)


def _wrong_kernel(m: ClosedForms) -> None:
    ones = m.arithmetic.matrix(np.ones((len(m.forget), m.problem.n_outputs)))
    m.along_kernel = lambda labels: (m.arithmetic.add(labels, ones), 1)  # type: ignore[method-assign]


def _useless_probe(m: ClosedForms) -> None:
    m.mix = lambda a, x, b, y: x  # type: ignore[method-assign]


def _limit_off_the_span(m: ClosedForms) -> None:
    """Stationary, but not of minimum norm: a direction that no sample sees is added to every fit from w₀."""
    fit = m.fit
    unit = m.at(
        np.eye(m.problem.n_features, 1) + (0 if m.problem.w_init is None else m.problem.w_init[:, None])
    )
    inside = m.project(m.everything, unit)
    off = m.arithmetic.sub(unit.offset, m.combine(inside.coefficients))
    m.fit = lambda rows, targets, start=None, ridge=0: (  # type: ignore[method-assign]
        fit(rows, targets, start, ridge)
        if start is not None
        else Point(fit(rows, targets, None, ridge).coefficients, off)
    )
    m.project = lambda rows, w: fit(rows, m.predict(rows, w))  # type: ignore[method-assign]


def _start_ignored(m: ClosedForms) -> None:
    fit = m.fit
    m.fit = lambda rows, targets, start=None, ridge=0: (  # type: ignore[method-assign]
        Point(
            fit(rows, targets, None, ridge).coefficients, m.arithmetic.matrix(np.eye(m.problem.n_features, 1))
        )
        if start is not None and start.offset is not None
        else fit(rows, targets, start, ridge)
    )


def _double_gap(m: ClosedForms) -> None:
    gap = m.square_gap
    m.square_gap = lambda error: gap(m.arithmetic.scale(1 + 2.0**-20, error))  # type: ignore[method-assign]


def _wrong_block(m: ClosedForms) -> None:
    m.leave_block_out = lambda: m.arithmetic.add(  # type: ignore[method-assign]
        m.targets(m.forget), m.arithmetic.take(m._targets, list(range(len(m.forget))))
    )


def _projected_labels(m: ClosedForms) -> None:
    """Project on R with one sample missing."""
    fit, short = m.fit, tuple(m.retain)[:-1]
    predict = m.predict

    def worse(rows: Any, targets: Any, start: Any = None, ridge: Any = 0) -> Point:
        if start is None and rows == m.retain and "retrained" in m.__dict__ and not ridge:
            return fit(short, predict(short, m.pretrained))
        return fit(rows, targets, start, ridge)

    m.retrained  # noqa: B018 - computed before the sabotage
    m.pretrained  # noqa: B018
    m.fit = worse  # type: ignore[method-assign]


def _anchored_at_pretrained(m: ClosedForms) -> None:
    fit = m.fit
    m.fit = lambda rows, targets, start=None, ridge=0: fit(  # type: ignore[method-assign]
        rows, targets, m.pretrained if ridge and rows == m.everything else start, ridge
    )


def _wrong_cross(m: ClosedForms) -> None:
    dual = m.dual_coefficients()
    m.dual_coefficients = lambda: m.arithmetic.scale(1.5, dual)  # type: ignore[method-assign]


def _subset_retrained_on_everyone(m: ClosedForms) -> None:
    fit = m.fit
    m.retrained  # noqa: B018
    m.pretrained  # noqa: B018

    def worse(rows: Any, targets: Any, start: Any = None, ridge: Any = 0) -> Point:
        if isinstance(rows, tuple) and len(rows) < len(m.retain):
            return fit(rows[:1], m.arithmetic.take(targets, [0]), start, ridge)
        return fit(rows, targets, start, ridge)

    targets = m.targets
    m.fit = worse  # type: ignore[method-assign]
    m.targets = lambda rows: (
        m.arithmetic.scale(2, targets(rows)) if isinstance(rows, tuple) else targets(rows)
    )  # type: ignore[method-assign]


def _stale_labels(m: ClosedForms) -> None:
    predict = m.predict
    m.predict = lambda rows, w: (  # type: ignore[method-assign]
        m.targets(rows)
        if isinstance(rows, tuple) and set(rows) <= set(m.forget) and w is not m.pretrained
        else predict(rows, w)
    )


def _scaled_gram(m: ClosedForms) -> None:
    m.retrained, m.pretrained, m.optimal_labels  # noqa: B018 - computed before the sabotage
    m.__dict__["gram"] = m.arithmetic.scale(1 + 2.0**-10, m.gram)


def _steps_off_the_span(m: ClosedForms) -> None:
    down = m.transposed_image
    off = m.arithmetic.matrix(np.eye(m.problem.n_features, m.problem.n_outputs))
    m.transposed_image = lambda rows, a: m.arithmetic.add(down(rows, a), off)  # type: ignore[method-assign]


def _retrained_elsewhere(m: ClosedForms) -> None:
    """As far from w₀ as it should be, and not in the right direction: the sign of every target is turned."""
    m.__dict__["retrained"] = m.fit(m.retain, m.arithmetic.scale(-1, m.targets(m.retain)))


def _another_ridge(m: ClosedForms) -> None:
    fit = m.fit
    m.fit = lambda rows, targets, start=None, ridge=0: fit(  # type: ignore[method-assign]
        rows, targets, start, 1000 * ridge if rows == m.retain else ridge
    )


def _everything_is_in_the_span(m: ClosedForms) -> None:
    m.project = lambda rows, w: w  # type: ignore[method-assign]


SABOTAGE: list[tuple[str, Callable[[ClosedForms], None]]] = [
    ("implicit-bias", _limit_off_the_span),
    ("exact-labels", _wrong_labels),
    ("label-solution-set", _wrong_kernel),
    ("label-solution-set", _useless_probe),
    ("start-span", _start_ignored),
    ("label-free", _projected_labels),
    ("gap-formula", _double_gap),
    ("leave-block-out", _wrong_block),
    ("ridge-anchored", _anchored_at_pretrained),
    ("ridge-inverse", _wrong_cross),
    ("downsampling", _subset_retrained_on_everyone),
    ("sequential-requests", _stale_labels),
    ("membership", _wrong_labels),
    ("cyclic-sgd", _scaled_gram),
    ("cyclic-sgd", _steps_off_the_span),
    ("gd-finite-time", _wrong_labels),
    ("gd-finite-time", _steps_off_the_span),
    ("early-stopping", _scaled_gram),
    ("early-stopping", _steps_off_the_span),
    ("momentum", _wrong_labels),
    ("momentum", _steps_off_the_span),
    ("adaptive-optimizer", _everything_is_in_the_span),
    ("downdate", _wrong_block),
    ("energy", _retrained_elsewhere),
    ("capacity", _retrained_elsewhere),
    ("ridge-block-out", _another_ridge),
    ("influence", _another_ridge),
    ("forget-features", _scaled_gram),
    ("label-correction", _double_gap),
]


def _verdict(slug: str, model: ClosedForms) -> Verdict:
    findings, _ = CHECKS[slug].theorem(Case(model.problem, model, Settings(subset=0.5), hypotheses_hold=True))
    return Evidence(slug, Scope.INSTANCE, tuple(findings), model.arithmetic.name).verdict


@pytest.mark.parametrize(("slug", "sabotage"), SABOTAGE, ids=[f"{s}-{f.__name__}" for s, f in SABOTAGE])
def test_every_claim_sees_its_planted_failure(slug: str, sabotage: Callable[[ClosedForms], None]) -> None:
    problem = ZOO["over-parameterised"]()
    for arithmetic, sound, caught in (
        (RATIONAL, Verdict.PROVED, Verdict.REFUTED),
        (BALL(256), Verdict.CERTIFIED, Verdict.REFUTED),
        (FLOAT64, Verdict.MEASURED, Verdict.UNDECIDED),
    ):
        assert _verdict(slug, ClosedForms(problem, arithmetic)) is sound
        model = Sabotaged(problem, arithmetic)
        sabotage(model)
        # A ball around zero cannot prove that a number is not positive.
        either = {caught, Verdict.UNDECIDED} if sabotage is _useless_probe else {caught}
        assert _verdict(slug, model) in either, arithmetic.name


def test_forget_only_sees_a_projection_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Sabotaged(ZOO["over-parameterised"](), RATIONAL)
    fit = model.fit
    monkeypatch.setattr(
        model,
        "fit",
        lambda rows, targets, start=None, ridge=0: fit(
            rows, targets, start, ridge or Fraction(rows == model.forget)
        ),
    )
    assert _verdict("forget-only", model) is Verdict.REFUTED


def test_too_little_noise_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parameters that are off by 1/7: certified with the noise of that gap, refuted with less than its two digits."""
    problem = ZOO["over-parameterised"]()
    w = mt.solve(problem).w_unlearned + 1 / 7
    row = "removal-certificate[w_unlearned]"
    assert mt.check(problem, "removal-certificate", w_unlearned=w)[row].verdict is Verdict.CERTIFIED
    tight, published = guarantees.gaussian_sigma, guarantees.release_sigma
    monkeypatch.setattr(guarantees, "gaussian_sigma", lambda *given: 0.9 * tight(*given))
    monkeypatch.setattr(guarantees, "release_sigma", lambda *given: (0.9 * published(*given)[0], ""))
    for arithmetic in ("auto", "ball", "rational"):
        starved = mt.check(problem, "removal-certificate", arithmetic, w_unlearned=w)[row]
        assert starved.verdict is Verdict.REFUTED, arithmetic


def test_a_measured_gap_says_that_it_certifies_nothing() -> None:
    found = mt.check(ZOO["over-parameterised"](), "removal-certificate", "float64")["removal-certificate"]
    assert found.verdict is Verdict.MEASURED
    assert any("certifies nothing" in fact for fact in found.facts)


def test_outputs_of_a_wrong_model_refute_membership() -> None:
    problem = ZOO["several-outputs"]()
    solution = mt.solve(problem)
    for w, verdict in (
        (solution.w_unlearned, Verdict.CERTIFIED),
        (solution.w_pretrained, Verdict.REFUTED),
    ):
        assert mt.check(problem, "membership", w_unlearned=w)["membership"].verdict is verdict


@pytest.mark.parametrize("name", ["over-parameterised", "several-outputs"])
def test_convex_loss_sees_hard_labels(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from muso_theory.linear.training import convex

    model = ClosedForms(ZOO[name](), FLOAT64)
    assert _verdict("convex-loss", model) is Verdict.MEASURED
    soft = dict(convex.LOSSES)
    for loss in ("logistic", "cross-entropy"):
        wrong = replace(soft[loss], labels=lambda z, loss=loss: soft[loss].labels(z) ** 2)
        monkeypatch.setitem(convex.LOSSES, loss, wrong)
    assert _verdict("convex-loss", model) is Verdict.UNDECIDED


def test_every_theorem_has_a_planted_failure() -> None:
    elsewhere = {"forget-only", "convex-loss", "removal-certificate"}
    elsewhere |= {"affine-constraint", "inexact-training"}  # test_geometries.py
    assert {slug for slug, _ in SABOTAGE} | elsewhere == set(THEOREMS)


# -- audits ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arithmetic", ["auto", "ball"])
def test_audit_of_labels(arithmetic: str) -> None:
    problem = ZOO["over-parameterised"]()
    labels = mt.optimal_labels(problem)
    good = mt.check(problem, ["exact-labels"], arithmetic, labels=labels)["exact-labels"]
    assert good.verdict is Verdict.CERTIFIED
    assert 0 < good.bound < 1e-12  # type: ignore[operator]
    bad = mt.check(problem, ["exact-labels"], arithmetic, labels=labels + 1e-3)["exact-labels"]
    assert bad.verdict is Verdict.REFUTED
    truth = mt.parameter_gap(problem, labels + 1e-3)
    finding = bad.findings[0].quantity
    assert finding.floor <= truth * (1 + 1e-9)
    assert finding.bound >= truth * (1 - 1e-9)
    assert finding.floor > 0.5 * truth


@pytest.mark.parametrize("arithmetic", ["auto", "ball"])
def test_audit_of_parameters(arithmetic: str) -> None:
    problem = ZOO["several-outputs"]()
    w = mt.solve(problem).w_unlearned
    good = mt.check(problem, ["exact-labels"], arithmetic, w_unlearned=w)["exact-labels"]
    assert good.verdict is Verdict.CERTIFIED
    off = w.copy()
    off[0, 0] += 1e-2
    bad = mt.check(problem, ["exact-labels"], arithmetic, w_unlearned=off)["exact-labels"]
    assert bad.verdict is Verdict.REFUTED
    assert bad.bound == pytest.approx(1e-2, rel=1e-6)


def test_audit_of_a_start_off_the_span() -> None:
    problem = ZOO["over-parameterised"]()
    w = mt.solve(problem).w_pretrained
    assert mt.check(problem, ["start-in-span"], w_pretrained=w)["start-in-span"].verdict is Verdict.CERTIFIED
    off = w + np.eye(1, problem.n_features)[0]
    report = mt.check(problem, ["start-span"], w_pretrained=off)
    assert report["start-in-span[w_pretrained]"].verdict is Verdict.REFUTED
    assert report.exit_status == 1
    # The theorem is about the exact w_p, which nothing that is handed in can move.
    assert report.theorem("start-in-span").verdict is Verdict.CERTIFIED
    assert report["start-span"].verdict is Verdict.CERTIFIED


def test_a_start_that_was_only_assumed_refutes_nothing() -> None:
    given = ZOO["over-parameterised"]()
    assert given.w_init is not None
    off = mt.solve(given).w_unlearned
    assumed = mt.UnlearningProblem(given.features, given.targets, given.forget)
    audits = {"w_pretrained": mt.solve(given).w_pretrained, "w_unlearned": off}
    report = mt.check(assumed, **audits)
    for row in report.rows:
        if row.about is About.AUDIT:
            assert row.verdict is Verdict.VACUOUS, row.name
            assert "pass --w-init" in row.summary
    right = mt.check(given, **audits)
    assert {row.verdict for row in right.rows if row.about is About.AUDIT} == {Verdict.CERTIFIED}


def test_tolerance_is_what_an_audit_asks() -> None:
    problem = ZOO["over-parameterised"]()
    labels = mt.optimal_labels(problem) + 1e-5
    relative = mt.parameter_gap(problem, labels) / mt.solve(problem).pretrained_gap
    for tolerance, verdict in ((2 * relative, Verdict.CERTIFIED), (relative / 2, Verdict.REFUTED)):
        report = mt.check(problem, ["exact-labels"], labels=labels, tolerance=tolerance)
        assert report["exact-labels"].verdict is verdict


def test_exact_labels_are_held_to_equality() -> None:
    rows, y = np.array([[1, 0, 1], [1, 1, 0]]), np.array([1, 2])
    problem = mt.UnlearningProblem(rows, y, [1])
    for label, verdict in (
        (Fraction(1, 2), Verdict.PROVED),
        (Fraction(10**9 + 2, 2 * 10**9), Verdict.REFUTED),
    ):
        labels = np.array([label], dtype=object)
        assert mt.check(problem, ["exact-labels"], labels=labels)["exact-labels[labels]"].verdict is verdict
    # An explicit tolerance wins over the exactness of the artefact.
    tolerant = mt.check(problem, ["exact-labels"], labels=labels, tolerance=1e-6)
    assert tolerant["exact-labels[labels]"].verdict is Verdict.CERTIFIED


@pytest.mark.parametrize("slug", CATALOGUE)
def test_catalogue_entries_are_complete(slug: str) -> None:
    claim = mt.claims[slug]
    assert claim.words
    assert claim.statement
    assert claim.source
    assert claim.holds != claim.fails
    assert all(claim.needs.values())
    assert all(CATALOGUE[h].is_condition for h in claim.hypotheses)


def test_finding_refutes_only_what_is_proved() -> None:
    for kind in (lambda q: Inequality("x", q, bar=1.0), lambda q: Audit("x", q, Allowance(1.0, 1.0, ""))):
        assert kind(Quantity.measured(2.0)).verdict is Verdict.UNDECIDED
        assert kind(Quantity.enclosure(0.5, 2.0)).verdict is Verdict.UNDECIDED
        assert kind(Quantity.enclosure(1.5, 2.0)).verdict is Verdict.REFUTED
        assert kind(Quantity.enclosure(float("nan"), float("nan"))).verdict is Verdict.UNDECIDED


def test_a_float_of_zero_shows_no_equality() -> None:
    small = Allowance(1e-300, 1e-300, "1e-06 of a length")
    for kind in (Identity, Hypothesis, Output, Audit):
        told = [kind("x", Quantity.measured(0.0), allowed).verdict for allowed in (NOTHING, small)]
        assert told == [Verdict.UNDECIDED, Verdict.MEASURED]
    # No line through 0 fits these retained samples exactly, and in floats the residual of one is 0.
    problem = mt.UnlearningProblem(
        np.array([[1.0], [2.0], [3.0], [4.0]]), np.array([0.1, 0.2, 0.1 + 0.2, 0.4]), [1]
    )
    report = mt.check(problem, ["interpolates-retain", "interpolable-retain"], "float64", tolerance=0)
    assert [row.verdict for row in report.rows] == [Verdict.VACUOUS, Verdict.VACUOUS]


def test_a_row_is_about_one_object_only() -> None:
    output = Output("x", Quantity.exact(0), Allowance(1.0, 1.0, ""))
    with pytest.raises(TypeError, match="about"):
        Evidence("exact-labels", Scope.INSTANCE, (output,), "rational")


def test_float_labels_are_held_to_the_tolerance_in_every_arithmetic() -> None:
    problem = ZOO["over-parameterised"]()
    labels = mt.optimal_labels(problem)
    row = "exact-labels[labels]"
    for arithmetic in ("auto", "ball", "rational"):
        assert mt.check(problem, "exact-labels", arithmetic, labels=labels)[row].verdict is Verdict.CERTIFIED
        wrong = mt.check(problem, "exact-labels", arithmetic, labels=labels + 1e-3)[row]
        assert wrong.verdict is Verdict.REFUTED
    # Equality of floats has to be asked for.
    equal = mt.check(problem, "exact-labels", "rational", labels=labels, tolerance=0)
    assert equal[row].verdict is Verdict.REFUTED
    one_feature = mt.UnlearningProblem([[1.0], [2.0]], [3.0, 1.0], [1])
    right = mt.check(one_feature, "exact-labels", "rational", labels=[6.0], tolerance=0)
    assert right[row].verdict is Verdict.PROVED


def test_labels_and_parameters_are_both_audited() -> None:
    problem = ZOO["over-parameterised"]()
    right = mt.solve(problem)
    both = {"labels": right.forget_labels + 1, "w_unlearned": right.w_unlearned}
    report = mt.check(problem, ["exact-labels"], **both)
    assert report["exact-labels[labels]"].verdict is Verdict.REFUTED
    assert report["exact-labels[w_unlearned]"].verdict is Verdict.CERTIFIED
    assert report["exact-labels"] is report["exact-labels[labels]"]
    assert report.theorem("exact-labels").verdict is Verdict.CERTIFIED


def test_a_given_start_is_audited_and_moves_no_theorem() -> None:
    problem = ZOO["over-parameterised"]()
    right = mt.solve(problem)
    off = right.w_pretrained + np.eye(1, problem.n_features)[0]
    report = mt.check(problem, w_pretrained=off, labels=right.forget_labels)
    assert report["implicit-bias[w_pretrained]"].verdict is Verdict.REFUTED
    assert report["exact-labels[labels]"].verdict is Verdict.CERTIFIED
    plain = mt.check(problem)
    for row in plain.rows:
        assert report.evidence[row.name] == row
    report = mt.check(problem, w_pretrained=right.w_pretrained)
    assert report.verdict is Verdict.CERTIFIED


def test_a_start_of_large_integers_is_moved_exactly() -> None:
    """start-span starts beside w₀; the sum may be beyond 64 bits."""
    problem = mt.UnlearningProblem(
        np.array([[1, 0], [1, 1]]), np.array([1, 2]), [1], np.array([2**62, 2**62])
    )
    assert mt.check(problem, ["start-span"], "rational")["start-span"].verdict is Verdict.PROVED
    moved = _beside_start(Case(problem, ClosedForms(problem, RATIONAL)))
    assert moved[:, 0].tolist() == [2**63, 2**62]


@pytest.mark.parametrize(
    ("start", "step"),
    [([[0.25], [7.0], [-3.0]], 1.0), ([[-5.0, 2.0], [100.0, 0.5], [0.0, 9.0]], 5.0), (None, 1.0)],
)
def test_the_start_beside_moves_the_first_feature_only(start: Any, step: float) -> None:
    """Along e₁, by as much as w₀ is there, or by one."""
    w = None if start is None else np.array(start)
    problem = mt.UnlearningProblem(np.eye(3)[:2], np.ones((2, 1 if w is None else w.shape[1])), [1], w)
    moved = _beside_start(Case(problem, ClosedForms(problem, RATIONAL)))
    still = np.zeros((3, 1)) if w is None else w
    assert (moved[0] - still[0] == step).all()
    assert (moved[1:] == still[1:]).all()


def test_the_limit_of_float64_is_what_the_condition_says() -> None:
    problem = mt.UnlearningProblem(np.eye(3), np.ones(3), [1])
    assert mt.check(problem, ["conditioning"])["conditioning"].findings[0].bar == 2**53 / 100


def test_numbers_of_claims_are_those_of_the_theory() -> None:
    numbers = {claim.slug: claim.number for claim in mt.claims.CATALOGUE.values() if not claim.is_condition}
    assert len(set(numbers.values())) == len(numbers)
    first = ("implicit-bias", "exact-labels", "label-solution-set", "start-span", "label-free", "gap-formula",
             "leave-block-out", "forget-only", "ridge-anchored", "convex-loss", "cyclic-sgd", "gd-finite-time",
             "early-stopping", "momentum", "adaptive-optimizer", "ridge-inverse", "downsampling",
             "sequential-requests")  # fmt: skip
    for number, slug in enumerate(first, start=1):
        assert numbers.get(slug, number) == number, slug


def test_two_samples_are_too_few_for_two_requests() -> None:
    two = mt.UnlearningProblem(np.eye(2), np.ones(2), [1])
    three = mt.UnlearningProblem(np.eye(3), np.ones(3), [1])
    assert mt.check(two, ["three-samples"])["three-samples"].verdict is Verdict.VACUOUS
    assert mt.check(three, ["three-samples"])["three-samples"].verdict is Verdict.PROVED


def test_half_of_a_subset_leaves_more_behind() -> None:
    """The monotone part of downsampling compares with a proper part of S, and strictly where features are generic."""
    rng = np.random.default_rng(0)
    problem = mt.UnlearningProblem(rng.integers(-3, 4, (7, 9)), rng.integers(-3, 4, 7), [6])
    evidence = mt.check(problem, ["downsampling"], "rational", subset=0.7)["downsampling"]
    assert evidence.verdict is Verdict.PROVED
    model = ClosedForms(problem, RATIONAL)
    subset = subset_positions(problem, 0.7, 0)
    full, kept, fewer = (
        model.project(rows, model.pretrained) for rows in (model.retain, subset, subset[: len(subset) // 2])
    )
    assert model.square_distance(full, kept).upper < model.square_distance(full, fewer).lower


def test_a_start_beside_the_rows_is_asked_about_only_where_there_is_room_for_one() -> None:
    for n, d in ((3, 2), (3, 3), (3, 4)):
        features = np.vander(np.arange(1, n + 1), d, increasing=True)
        problem = mt.UnlearningProblem(features, np.arange(n), [0])
        row = mt.check(problem, "start-span", arithmetic="rational").theorem("start-span")
        assert (len(row.findings), len(row.facts)) == ((3, 1) if d > n else (2, 0))


def test_a_newton_step_misses_nothing_where_the_forgotten_said_nothing() -> None:
    """A sample without features is in no gradient: retraining, the step and doing nothing are one."""
    rng = np.random.default_rng(0)
    features = rng.standard_normal((5, 7))
    features[0] = 0.0
    for forget, least in (([0], 0.0), ([1], 1e-7)):
        problem = mt.UnlearningProblem(features, rng.uniform(0, 1, 5), forget)
        (told,) = mt.check(problem, "newton-glm").theorem("newton-glm").facts
        missed, nothing = (float(x) for x in re.findall(r"by ([-+.e0-9]+)", told))
        assert least <= missed <= nothing + 1e-8
        assert nothing <= 1e-8 or least


def test_no_rounding_excuses_floats_that_are_handed_out() -> None:
    """What a user hands in may be off by its own rounding; our floats are held to the tolerance alone."""
    rng = np.random.default_rng(0)
    problem = mt.UnlearningProblem(rng.standard_normal((4, 6)), rng.standard_normal(4), [1, 2])
    report = mt.check(problem, ["exact-labels"], labels=mt.optimal_labels(problem))
    allowed = {e.about: [f.allowed for f in e.findings if isinstance(f, Audit | Output)] for e in report.rows}
    assert {a.rounding for a in allowed[About.OUTPUT]} == {0}
    assert all(0 < a.rounding < 1e-9 for a in allowed[About.AUDIT])
