"""Claims 26 to 32 and 19 against textbook formulas in Fractions, which share no code with their checks."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import muso_theory as mt
from muso_theory.claims import CATALOGUE, Claim, random_features
from muso_theory.claims.case import Case
from muso_theory.claims.checks import by_name_only
from muso_theory.claims.families import CHECKS
from muso_theory.claims.theorems.registry import THEOREMS
from muso_theory.evidence import Verdict
from muso_theory.linear.closed_forms import ClosedForms
from muso_theory.linear.model import Model
from muso_theory.numbers import FLOAT64, RATIONAL
from muso_theory.refutation.rulebook import Letters, pseudo_inverse
from muso_theory.settings import Settings
from muso_theory.strategies import problems
from tests.claims.laws import broken, law, square
from tests.zoo import ZOO

Array = np.ndarray[Any, Any]
tame = settings(law, max_examples=60)
RIDGE = Fraction(1, 4)


def inverse(a: Array) -> Array:
    """Of an invertible matrix: its Moore-Penrose inverse."""
    found = pseudo_inverse(a)
    assert square(found @ a - np.eye(len(a), dtype=int)) == 0
    return found


class Ridge:
    """Ridge models of a problem, all anchored at w₀."""

    def __init__(self, m: Letters) -> None:
        self.m, self.unit = m, m.identity(m.phi.shape[1])
        self.A = m.phi.T @ m.phi + RIDGE * self.unit
        self.w_p = m.w0 + inverse(self.A) @ m.phi.T @ (m.y - m.phi @ m.w0)
        smaller = m.phi_r.T @ m.phi_r + RIDGE * self.unit
        self.w_r = m.w0 + inverse(smaller) @ m.phi_r.T @ (m.y_r - m.phi_r @ m.w0)
        self.H_FF = m.phi_f @ inverse(self.A) @ m.phi_f.T
        self.rest = m.identity(len(m.f)) - self.H_FF


@tame
@given(problems(assuming="full-rank", max_samples=4))
def test_downdate(problem: mt.UnlearningProblem) -> None:
    """The update of w_p, and that of the inverse, with blocks of K⁻¹ cut out by hand."""
    m = Letters(problem)
    K = m.phi @ m.phi.T
    B = inverse(K)
    small = inverse(B[np.ix_(m.f, m.f)])
    change = small @ (B @ (m.y - m.phi @ m.w0))[m.f]
    assert square(m.w_p - m.phi.T @ B[:, m.f] @ change - m.w_r) == 0
    rest = B[np.ix_(m.r, m.r)] - B[np.ix_(m.r, m.f)] @ small @ B[np.ix_(m.f, m.r)]
    assert square(K[np.ix_(m.r, m.r)] @ rest - m.identity(len(m.r))) == 0


@tame
@given(problems())
def test_energy_and_capacity(problem: mt.UnlearningProblem) -> None:
    """The difference of squares is 2⟨P_R(w_p − w_r), w_r − w⟩, for w₀ and for the model of any subset."""
    m = Letters(problem)
    missed = pseudo_inverse(m.phi_r) @ (m.phi_r @ m.w_p - m.y_r)
    for rows in (m.r[:0], m.r[: len(m.r) // 2], m.r):
        end = m.update(m.phi[rows], m.y[rows], m.w0) if len(rows) else m.w0
        off = square(m.w_p - end) - square(m.w_p - m.w_r) - square(m.w_r - end)
        assert off == 2 * sum((missed * (m.w_r - end)).ravel(), Fraction(0))


def test_energy_needs_least_squares_on_the_retain_set() -> None:
    def holds(problem: mt.UnlearningProblem) -> bool:
        m = Letters(problem)
        return square(m.w_p - m.w0) == square(m.w_r - m.w0) + square(m.w_p - m.w_r)

    assert broken(problems(), holds)


def test_a_violation_within_tolerance_is_explained() -> None:
    """w_p misses the retained targets by 1e-9: energy is CERTIFIED by what that explains, and not refuted."""
    rows = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    problem = mt.UnlearningProblem(rows, np.array([1.0, 2.0, 3.0 + 2.0**-30]), [2])
    for slug in ("energy", "capacity"):
        row = mt.check(problem, [slug, "least-squares-on-retain"], "rational")
        assert row["least-squares-on-retain"].verdict is Verdict.CERTIFIED
        assert row[slug].verdict in (Verdict.CERTIFIED, Verdict.VACUOUS), row[slug].summary
        assert row.alarms == ()


@tame
@given(problems(max_samples=4, max_features=4))
def test_ridge_block_out_and_influence(problem: mt.UnlearningProblem) -> None:
    """With (I − H_FF)⁻¹ formed, as the check does not."""
    m = Letters(problem)
    ridge = Ridge(m)
    e = m.y_f - m.phi_f @ ridge.w_p
    assert square(ridge.rest @ (m.y_f - m.phi_f @ ridge.w_r) - e) == 0
    back = inverse(ridge.A) @ m.phi_f.T
    updated = ridge.w_p - back @ e
    assert square(updated - ridge.w_r - back @ ridge.H_FF @ inverse(ridge.rest) @ e) == 0


def test_influence_is_not_exact() -> None:
    def holds(problem: mt.UnlearningProblem) -> bool:
        m = Letters(problem)
        ridge = Ridge(m)
        updated = ridge.w_p - inverse(ridge.A) @ m.phi_f.T @ (m.y_f - m.phi_f @ ridge.w_p)
        return square(updated - ridge.w_r) == 0

    assert broken(problems(max_samples=4, max_features=4), holds)


@tame
@given(problems(assuming="two-features", max_samples=4, max_features=4))
def test_forget_features(problem: mt.UnlearningProblem) -> None:
    """Any set of features, not only the last ones."""
    m = Letters(problem)
    A = Ridge(m).A
    B, w = inverse(A), inverse(A) @ m.phi.T @ m.y
    for gone in ([0], list(range(1, m.phi.shape[1]))):
        kept = [j for j in range(m.phi.shape[1]) if j not in gone]
        w_K = inverse(A[np.ix_(kept, kept)]) @ m.phi[:, kept].T @ m.y
        assert square(w[kept] - B[np.ix_(kept, gone)] @ inverse(B[np.ix_(gone, gone)]) @ w[gone] - w_K) == 0


@tame
@given(problems(max_samples=4, max_features=4))
def test_label_correction(problem: mt.UnlearningProblem) -> None:
    """At any rank, with K⁺ formed."""
    m = Letters(problem)
    d = m.phi_f @ m.phi_f.T @ m.y_f + 1
    y = m.y.copy()
    y[m.f] = y[m.f] + d
    moved = m.update(m.phi, y, m.w0) - m.w_p
    assert square(moved - pseudo_inverse(m.phi)[:, m.f] @ d) == 0
    assert square(moved) == sum(
        (d * (pseudo_inverse(m.phi @ m.phi.T)[np.ix_(m.f, m.f)] @ d)).ravel(), Fraction(0)
    )


@pytest.mark.parametrize(
    ("slug", "of"),
    [("influence", "influence-function update misses"), ("downdate", "update moves"), ("energy", "remembering F"),
     ("capacity", "all but S"), ("ridge-block-out", "left out"), ("forget-features", "G the last 4 of 40"),
     ("label-correction", "1 added")],
)  # fmt: skip
def test_rows_say_what_the_user_asked_for(slug: str, of: str) -> None:
    row = mt.check(ZOO["over-parameterised"](), slug)[slug]
    assert row.verdict is Verdict.CERTIFIED
    assert row.general == "proved"
    assert any(of in fact for fact in row.facts), row.facts


def test_the_influence_error_is_the_one_that_is_told() -> None:
    problem = ZOO["under-parameterised"]()
    row = mt.check(problem, "influence", "float64", ridge=0.25)["influence"]
    phi, y, f, r = problem.features, problem.targets, problem.forget, problem.retain
    A = phi.T @ phi + 0.25 * np.eye(phi.shape[1])
    start = problem.w_init
    assert start is not None
    w_p = start + np.linalg.solve(A, phi.T @ (y - phi @ start))
    smaller = phi[r].T @ phi[r] + 0.25 * np.eye(phi.shape[1])
    w_r = start + np.linalg.solve(smaller, phi[r].T @ (y[r] - phi[r] @ start))
    missed = np.linalg.norm(w_p - np.linalg.solve(A, phi[f].T @ (y[f] - phi[f] @ w_p)) - w_r)
    assert f"misses w_r^λ by ≈ {missed:.2g}" in row.facts[0]


def test_a_check_of_all_claims_leaves_them_out() -> None:
    left_out = {slug: check for slug, check in CHECKS.items() if check.listed is by_name_only}
    named = {slug for slug, check in left_out.items() if check.on_any_problem and not check.of_training}
    assert len(named) == 11
    assert not named & set(mt.check(ZOO["over-parameterised"]()).evidence)


# -- claim 19 ---------------------------------------------------------------------------------------------------


def test_the_mean_square_of_the_kernels_error_is_a_sum() -> None:
    """One draw: all columns, each as likely as any other, in Fractions."""
    phi = Letters(ZOO["integer"]()).phi
    D, K = phi.shape[1], phi @ phi.T
    each = [D * np.outer(phi[:, j], phi[:, j]) for j in range(D)]
    assert square(sum(each) - D * K) == 0
    fourth = sum((square(phi[:, j]) ** 2 for j in range(D)), Fraction(0))
    assert sum((square(one - K) for one in each), Fraction(0)) / D == D * fourth - square(K)


def _kernel_limit(problem: mt.UnlearningProblem, seed: int = 0) -> Verdict:
    return mt.check(problem, "kernel-limit", seed=seed)["kernel-limit"].verdict


@pytest.mark.parametrize("seed", [0, 1])
def test_the_rate_of_random_features_is_measured(seed: int) -> None:
    assert _kernel_limit(ZOO["several-outputs"](), seed) is Verdict.MEASURED
    row = mt.check(ZOO["several-outputs"](), "kernel-limit", "rational", seed=seed)["kernel-limit"]
    assert row.verdict is Verdict.MEASURED  # exact arithmetic makes no proof of it
    assert f"256 seeds from {seed}" in row.facts[0]


@pytest.mark.parametrize(
    "slip",
    [
        lambda drawn, d: drawn * 1.02,  # a kernel that is scaled wrongly, to which errors tend
        lambda drawn, d: drawn + 2 * np.eye(len(drawn)),  # jitter, K_ii being near 25
    ],
)
def test_draws_of_another_kernel_are_seen(slip: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = random_features._drawn
    monkeypatch.setattr(random_features, "_drawn", lambda rng, phi, d: slip(honest(rng, phi, d), d))
    assert _kernel_limit(ZOO["several-outputs"]()) is Verdict.UNDECIDED


def test_kernel_limit_says_nothing_where_it_cannot() -> None:
    assert _kernel_limit(ZOO["under-parameterised"]()) is Verdict.VACUOUS
    alike = mt.UnlearningProblem(np.array([[1.0], [2.0]]), np.ones(2), [1])
    assert _kernel_limit(alike) is Verdict.UNDECIDED  # one feature: every draw is the same
    silent = mt.UnlearningProblem(np.eye(3, 5), np.zeros(3), [1])
    assert _kernel_limit(silent) is Verdict.UNDECIDED


def test_a_wrong_update_is_seen_in_proved_floats_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other models are sabotaged in ``test_claims.py``; these floats come with bounds that must exclude it."""
    honest = Model.pushed
    monkeypatch.setattr(
        Model,
        "pushed",
        lambda model, w, d, ridge=0: honest(model, w, model.mix(1 + 2.0**-8, d, 0, d), ridge),
    )
    for slug in ("downdate", "influence", "label-correction"):
        assert mt.check(ZOO["over-parameterised"](), slug)[slug].verdict is Verdict.REFUTED, slug
        model = ClosedForms(ZOO["over-parameterised"](), RATIONAL)
        findings, _ = CHECKS[slug].theorem(Case(model.problem, model, Settings(), hypotheses_hold=True))
        assert any(finding.fails for finding in findings)
    model = ClosedForms(ZOO["over-parameterised"](), FLOAT64)
    findings, _ = CHECKS["downdate"].theorem(Case(model.problem, model, Settings()))
    assert not findings[0].verdict.holds


def unsolved(claim: Claim) -> list[str]:
    """What of a claim speaks of a solve, and rests on no line that certifies an inverse."""

    def line(label: str) -> str:
        name, _, number = label.rpartition(".")
        return [text for text in THEOREMS[name].lines if text.startswith("conclude ")][int(number) - 1]

    certified = re.compile(r"conclude (\w+) \1\^\+ = I")
    return [
        field
        for field in ("words", "statement", "holds")
        if re.search(r"\bsolve\b|\]⁻¹", getattr(claim, field))
        and not any(certified.fullmatch(line(label)) for label in " ".join(claim.rests[field]).split())
    ]


def test_what_is_solved_is_certified_to_have_an_inverse() -> None:
    claims = [claim for claim in CATALOGUE.values() if not claim.is_condition]
    solving = {c.slug for c in claims if re.search(r"\bsolve\b", f"{c.words} {c.holds}")}
    assert solving >= {"leave-block-out", "downdate", "ridge-block-out", "forget-features"}
    assert {claim.slug: unsolved(claim) for claim in claims if unsolved(claim)} == {}
    # Control: the line of the residuals alone does not say that there is one solution.
    planted = replace(
        CATALOGUE["ridge-block-out"], rests={"words": ["ridge-block-out.2"], "holds": ["ridge-block-out.3"]}
    )
    assert unsolved(planted) == ["words", "holds"]


@pytest.mark.parametrize(("subset", "verdict"), [(0.5, Verdict.PROVED), (1.0, Verdict.VACUOUS)])
def test_capacity_says_something_where_a_second_request_forgets(subset: float, verdict: Verdict) -> None:
    problem = mt.UnlearningProblem(np.eye(4, dtype=int), np.array([1, 2, 3, 4]), [0])
    row = mt.check(problem, "capacity", "rational", subset=subset)["capacity"]
    assert row.verdict is verdict
    assert ("needs proper-subset: |R| − |S| = 0" in row.summary) == (subset == 1.0)


def test_capacity_of_one_retained_sample_says_nothing() -> None:
    two = mt.UnlearningProblem(np.eye(2, dtype=int), np.array([1, 2]), [0])
    assert mt.check(two, "capacity")["capacity"].verdict is Verdict.VACUOUS
