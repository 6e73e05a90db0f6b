"""Claims 33 to 36 against textbook formulas in Fractions, and slips in their checks that must be seen."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import muso_theory as mt
from muso_theory.claims import approximate, geometries
from muso_theory.claims.dynamics import ExplicitDescent
from muso_theory.claims.theorems.status import theorem_status
from muso_theory.evidence import Verdict
from muso_theory.linear.closed_forms import ClosedForms
from muso_theory.refutation.rulebook import Letters, pseudo_inverse
from muso_theory.strategies import problems
from tests.claims.laws import broken, law, square
from tests.zoo import ZOO

Array = np.ndarray[Any, Any]
tame = settings(law, max_examples=60)


class Constrained:
    """Models of a problem whose parameters satisfy Cw = Cw₀, C any matrix: here two rows of small integers."""

    def __init__(self, problem: mt.UnlearningProblem) -> None:
        self.m = m = Letters(problem)
        size = m.phi.shape[1]
        C = np.array([[Fraction((i + 1) * (j + 2) % 3 - 1) for j in range(size)] for i in range(2)])
        self.C, self.Z = C, m.phi @ (m.identity(size) - pseudo_inverse(C) @ C)
        self.rest = m.y - m.phi @ m.w0
        self.w_p = m.w0 + pseudo_inverse(self.Z) @ self.rest
        self.w_r = m.w0 + pseudo_inverse(self.Z[m.r]) @ self.rest[m.r]

    def tuned(self, rows: Array, labels: Array, start: Array) -> Array:
        """Where fine-tuning on labels of the forget samples ends from a start, by such rows."""
        m = self.m
        aims = m.y.copy()
        aims[m.f] = labels
        return np.asarray(start + pseudo_inverse(rows) @ (aims - m.phi @ start))


@tame
@given(problems(max_samples=4, max_features=4))
def test_relabelling_under_a_constraint(problem: mt.UnlearningProblem) -> None:
    """Of any sort, not only frozen parameters: exact labels, the gap of others, labels from w_p."""
    c = Constrained(problem)
    m = c.m
    optimal = m.phi_f @ c.w_r
    assert square(c.tuned(c.Z, optimal, c.w_p) - c.w_r) == 0
    assert square(c.C @ (c.w_r - m.w0)) == square(c.C @ (c.w_p - m.w0)) == 0
    gap = c.tuned(c.Z, m.y_f, c.w_p) - c.w_r
    assert square(gap - pseudo_inverse(c.Z)[:, m.f] @ (m.y_f - optimal)) == 0
    fits = square(c.Z[m.r].T @ (m.phi_r @ c.w_p - m.y_r)) == 0
    projected = m.w0 + pseudo_inverse(c.Z[m.r]) @ c.Z[m.r] @ (c.w_p - m.w0)
    assert (square(c.tuned(c.Z, m.phi_f @ projected, c.w_p) - c.w_r) == 0) is fits


def test_the_constraint_must_be_shared() -> None:
    def holds(problem: mt.UnlearningProblem) -> bool:
        c = Constrained(problem)
        return square(c.tuned(c.m.phi, c.m.phi_f @ c.w_r, c.w_p) - c.w_r) == 0

    assert broken(problems(max_samples=4, max_features=4), holds)


@pytest.mark.parametrize(
    ("slug", "verdict", "of"),
    [
        ("affine-constraint", Verdict.CERTIFIED, "the last 4 of 40 parameters"),
        ("mirror-descent", Verdict.MEASURED, "p³"),
        ("newton-glm", Verdict.MEASURED, "one Newton step misses w_r"),
        ("inexact-training", Verdict.CERTIFIED, "allowed"),
    ],
)
def test_rows_say_what_the_user_asked_for(slug: str, verdict: Verdict, of: str) -> None:
    row = mt.check(ZOO["over-parameterised"](), slug)[slug]
    assert row.verdict is verdict, row.summary
    assert row.general == theorem_status(slug).status
    assert any(of in fact for fact in row.facts), row.facts


def _verdict(slug: str, name: str = "over-parameterised") -> Verdict:
    return mt.check(ZOO[name](), slug, "rational" if slug == "inexact-training" else "ball")[slug].verdict


def test_a_fit_that_lets_go_of_the_constraint_is_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels that are the predictions of another model: of R with another weight."""
    assert _verdict("affine-constraint") is Verdict.CERTIFIED
    predict = ClosedForms.predict

    def wrong(self: ClosedForms, rows: Any, w: Any) -> Any:
        seen = predict(self, rows, w)
        free = self.problem.n_features < 40
        return self.arithmetic.scale(1 + 2.0**-12, seen) if free and rows == self.forget else seen

    monkeypatch.setattr(ClosedForms, "predict", wrong)
    assert _verdict("affine-constraint") is Verdict.REFUTED


def test_one_parameter_can_be_held_only_where_another_is_left() -> None:
    """With a single one there is no constraint to speak of, and the row says so; asserting it does not help."""
    one, two = (mt.UnlearningProblem(np.ones((2, d), dtype=int), np.array([1, 2]), [0]) for d in (1, 2))
    row = mt.check(one, "affine-constraint")["affine-constraint"]
    assert row.verdict is Verdict.VACUOUS
    assert row.failed[0][0] == "two-features"
    asserted = mt.check(one, "affine-constraint", asserted=["affine-constraint"])["affine-constraint"]
    assert asserted.verdict is Verdict.VACUOUS
    assert "no parameter is left" in asserted.meaning
    held = mt.check(two, "affine-constraint")["affine-constraint"]
    assert held.verdict is Verdict.PROVED
    assert held.facts[0].startswith("the last 1 of 2 parameters are held")


def test_mirror_maps_that_are_not_shared_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fine-tuning in another map; and where two maps differ, so do the retrained models."""
    problem = ZOO["over-parameterised"]()
    row = mt.check(problem, "mirror-descent")["mirror-descent"]
    assert float(row.facts[1].split()[3]) > 0.1  # its w_r is no minimum-norm one
    assert _verdict("mirror-descent", "under-parameterised") is Verdict.VACUOUS
    end, calls = geometries._Mirror.end, []

    def other(self: Any, rows: Array, targets: Array, start: Array) -> Array:
        calls.append(rows)
        if len(calls) == 3:
            scale = np.linspace(0.5, 1.5, rows.shape[1])
            return np.asarray(start + scale[:, None] * (end(self, rows * scale, targets, start) - start))
        return end(self, rows, targets, start)

    monkeypatch.setattr(geometries._Mirror, "end", other)
    assert mt.check(problem, "mirror-descent")["mirror-descent"].verdict is Verdict.UNDECIDED


def test_the_mirror_map_is_its_own_inverse_and_fits() -> None:
    mirror, rng = geometries._Mirror(2.0), np.random.default_rng(0)
    w = 5 * rng.standard_normal((7, 2))
    assert np.abs(mirror.point(mirror.gradient(w)) - w).max() < 1e-13
    for shape in ((3, 7), (9, 7)):
        rows = rng.standard_normal(shape)
        targets = rows @ w
        p = mirror.end(rows, targets, np.zeros((7, 2)))
        assert np.abs(rows @ mirror.point(p) - targets).max() < 1e-9
        assert np.abs(p - rows.T @ np.linalg.lstsq(rows.T, p, rcond=None)[0]).max() < 1e-9


def test_a_newton_step_of_another_hessian_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The curvature of the other end of the way: right for squared loss alone."""
    assert _verdict("newton-glm") is Verdict.MEASURED
    hessian = approximate._Logistic.hessian
    monkeypatch.setattr(
        approximate._Logistic, "hessian", lambda self, v: hessian(self, v) + 0.01 * np.eye(len(v))
    )
    assert _verdict("newton-glm") is Verdict.UNDECIDED


def test_the_logistic_loss_has_the_derivatives_that_are_used() -> None:
    rng = np.random.default_rng(1)
    loss = approximate._Logistic(
        rng.standard_normal((6, 3)), rng.standard_normal(6), np.tanh(rng.standard_normal(6)), 0.5
    )
    v, h = rng.standard_normal(3), 1e-6
    steps = [(loss.slope(v + h * e) - loss.slope(v - h * e)) / (2 * h) for e in np.eye(3)]
    assert np.abs(np.array(steps) - loss.hessian(v)).max() < 1e-8
    assert np.linalg.norm(loss.slope(loss.minimum())) < 1e-14


@tame
@given(problems(max_samples=4, max_features=4))
def test_inexact_training(problem: mt.UnlearningProblem) -> None:
    """In Fractions, with any number q that makes P q²ᵀ − Mᵀ M positive on the rows: here one, for η ≤ 1/λ_max."""
    m = Letters(problem)
    size = m.phi.shape[1]
    H = m.phi.T @ m.phi
    eta = 1 / (1 + sum((H[i, i] for i in range(size)), Fraction(0)))
    P = pseudo_inverse(m.phi) @ m.phi
    start = m.w_p + 1
    w = start
    aims = m.y.copy()
    aims[m.f] = m.phi_f @ m.w_r
    for _ in range(3):
        w = w + eta * m.phi.T @ (aims - m.phi @ w)
    on, off = P @ (start - m.w_r), (m.identity(size) - P) @ (start - m.w0)
    assert square(w - m.w_r) <= square(on) + square(off)
    assert square((m.identity(size) - P) @ (w - m.w0) - off) == 0


def test_a_rate_that_is_too_good_is_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bound of λ_min⁺ that is none: that of the largest eigenvalue."""
    assert _verdict("inexact-training") is Verdict.PROVED
    monkeypatch.setattr(
        approximate, "_lowest", lambda case: Fraction(float(np.linalg.norm(case.problem.features, 2) ** 2))
    )
    assert _verdict("inexact-training") is Verdict.REFUTED


def blocks(length: int, n: int = 3) -> Array:
    """Rows of that many ones each, side by side: K = length·I."""
    return np.kron(np.eye(n, dtype=int), np.ones((1, length), dtype=int))


def case_of(phi: Array) -> mt.UnlearningProblem:
    return mt.UnlearningProblem(phi, np.arange(len(phi)) + 1, [0])


@pytest.mark.parametrize("length", [3, 4, 5])
@pytest.mark.parametrize(
    ("arithmetic", "verdict"), [("rational", Verdict.PROVED), ("ball", Verdict.CERTIFIED)]
)
def test_where_the_rate_is_sharp_shorter_steps_break_it(
    length: int, arithmetic: str, verdict: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    """K = cI: of all that is on the rows q²ᵀ = 0 is left, but for rounding; steps that lose 15 % leave 0.15²ᵀ."""
    problem = case_of(blocks(length).astype(float))
    row = mt.check(problem, "inexact-training", arithmetic)["inexact-training"]
    assert row.verdict is verdict, row.summary

    def shorter(self: ExplicitDescent, rows: Any, targets: Any, v: Any) -> Any:
        step = Fraction(85, 100) * Fraction(self.eta)
        return self.arithmetic.add(v, self.arithmetic.scale(step, self.slope(rows, targets, v)))

    monkeypatch.setattr(ExplicitDescent, "step", shorter)
    broken_row = mt.check(problem, "inexact-training", arithmetic)["inexact-training"]
    assert broken_row.verdict is Verdict.REFUTED, broken_row.summary
    # A loose λ leaves room for it: what the sharp one is for.
    monkeypatch.setattr(approximate, "_lowest", lambda case: Fraction(8, 10) * length)
    loose = mt.check(problem, "inexact-training", arithmetic)["inexact-training"]
    assert loose.verdict is verdict, loose.summary


@pytest.mark.parametrize(
    ("phi", "rank", "lowest"),
    [
        (blocks(5), 3, 5),
        (blocks(5).T, 3, 5),
        (np.vstack([blocks(5)] * 2), 3, 10),  # equal rows
        (np.ones((3, 7), dtype=int), 1, 21),
        (np.ones((7, 3), dtype=int), 1, 21),
        (blocks(5) * Fraction(1, 3), 3, Fraction(5, 9)),
        (np.diag([1, 100, 1000]), 3, 1),
        (np.array([[1, 1, 0], [1, -1, 0], [2, 0, 0]]), 2, 2),
    ],
)
def test_the_bound_of_the_smallest_eigenvalue_is_near_and_below(phi: Array, rank: int, lowest: Any) -> None:
    found = approximate._eigenvalue_floor(case_of(phi), rank)
    assert lowest * (1 - Fraction(1, 10**6)) < found < lowest


def test_of_a_rank_that_is_too_high_nothing_is_said() -> None:
    assert approximate._eigenvalue_floor(case_of(np.ones((7, 3), dtype=int)), 2) == 0
    assert approximate._eigenvalue_floor(case_of(np.zeros((2, 3), dtype=int)), 0) == 0


@tame
@given(problems(max_samples=4, max_features=4))
def test_the_rate_is_never_refuted_by_its_rounding(problem: mt.UnlearningProblem) -> None:
    row = mt.check(problem, "inexact-training", "rational")["inexact-training"]
    assert row.verdict in (Verdict.PROVED, Verdict.VACUOUS), row.summary


def test_a_measured_rate_leaves_room_for_rounding() -> None:
    row = mt.check(case_of(blocks(4).astype(float)), "inexact-training", "float64")["inexact-training"]
    assert row.verdict is Verdict.MEASURED, row.summary


def test_the_rate_is_that_of_the_rank_and_one_where_no_bound_is_proved() -> None:
    row = mt.check(ZOO["rank-deficient"](), "inexact-training", "rational")["inexact-training"]
    assert row.verdict is Verdict.PROVED
    assert "λ = 0 " not in row.facts[1]
    steep = case_of(np.array([[2**40, 0, 0], [2**40, 1, 0]]))  # λ_min⁺ ≈ 1/2, beside λ_max ≈ 2^81
    row = mt.check(steep, "inexact-training", "rational")["inexact-training"]
    assert row.verdict is Verdict.PROVED
    assert "λ = 0 " in row.facts[1]
