"""Laws: one property at least for each claim, and how every answer changes when the problem is moved.

Right-hand sides come from textbook formulas with exact pseudo-inverses (``Letters``), left-hand sides from the closed
forms of the package, so that the two check each other. A law that could be trivially true has a control that must fail.
"""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import muso_theory as mt
from muso_theory.claims.families import CHECKS
from muso_theory.evidence import Verdict
from muso_theory.linear.closed_forms import ClosedForms
from muso_theory.numbers import BALL, FLOAT64, MP, RATIONAL
from muso_theory.refutation import exact_square_gap
from muso_theory.refutation.rulebook import Letters, pseudo_inverse
from muso_theory.refutation.structures import exact_array
from muso_theory.strategies import (
    conditioned_features,
    labels_for,
    orthogonal_matrices,
    problems,
    step_size_schedules,
)
from tests.claims.laws import broken, columns, law, moved, square, with_start

THEOREMS = [
    slug
    for slug, claim in mt.claims.CATALOGUE.items()
    if not claim.is_condition and CHECKS[slug].on_any_problem
]

# -- claims 1 to 9 -----------------------------------------------------------------------------------


@law
@given(st.data())
def test_implicit_bias(data: st.DataObject) -> None:
    """Stable gradient descent comes nearer to G(w₀) at every step and never leaves w₀ + row(Φ)."""
    problem = data.draw(problems())
    m = Letters(problem)
    trace = square(m.phi)
    assume(trace > 0)
    w, limit = m.w0, m.w_p
    projector = pseudo_inverse(m.phi) @ m.phi
    for eta in data.draw(step_size_schedules(trace, max_steps=4)):
        before = square(w - limit)
        w = w - eta * (m.phi.T @ (m.phi @ w - m.y))
        assert square(w - limit) < before or before == 0
        assert square((w - m.w0) - projector @ (w - m.w0)) == 0


def test_implicit_bias_needs_a_small_step() -> None:
    found = mt.refute("implicit-bias", without="step-size")
    assert found is not None
    assert found.square_gap is not None
    assert found.square_gap > 0


@law
@given(problems())
def test_exact_labels(problem: mt.UnlearningProblem) -> None:
    """No hypothesis: any rank, size, consistency, w₀."""
    m = Letters(problem)
    assert square(m.fine_tuned(m.optimal, m.w_p) - m.w_r) == 0
    assert exact_square_gap(problem, problem.shaped(m.optimal)) == 0


def test_exact_labels_control() -> None:
    def holds(problem: mt.UnlearningProblem) -> bool:
        return exact_square_gap(problem, problem.targets[problem.forget]) == 0

    assert broken(problems(), holds)


@law
@given(st.data())
def test_label_solution_set(data: st.DataObject) -> None:
    """w_u = w_r iff Φ_Fᵀδ = 0, for any labels; half of them are drawn inside the set."""
    problem = data.draw(problems())
    m = Letters(problem)
    labels = columns(problem, data.draw(labels_for(problem)))
    if data.draw(st.booleans()):
        labels = m.optimal + labels - m.phi_f @ (pseudo_inverse(m.phi_f) @ labels)
    gap = exact_square_gap(problem, problem.shaped(labels))
    assert (gap == 0) == (square(m.phi_f.T @ (labels - m.optimal)) == 0)


def test_label_solution_set_is_everything_for_zero_rows() -> None:
    """Found by the falsifier: where Φ_F = 0 no label lies outside, and the claim must not be refuted."""
    problem = mt.UnlearningProblem(np.array([[1], [0]]), np.array([1, 1]), [1])
    for arithmetic in ("auto", "rational", "ball", "float64"):
        assert mt.check(problem, ["label-solution-set"], arithmetic).verdict is not Verdict.REFUTED
    assert mt.check(problem, ["label-solution-set"], "rational").verdict is Verdict.PROVED


@law
@given(st.data())
def test_start_span(data: st.DataObject) -> None:
    """Any start, any labels: ‖w_u − w_r‖² = ‖(I − P)(s − w₀)‖² + ‖Φ⁺(0; δ)‖²."""
    problem = data.draw(problems())
    m = Letters(problem)
    start = m.w0 + exact_array([[data.draw(st.integers(-2, 2))] for _ in m.w0])
    labels = columns(problem, data.draw(labels_for(problem)))
    padded = 0 * m.y
    padded[m.f] = labels - m.optimal
    inverse = pseudo_inverse(m.phi)
    off = (start - m.w0) - inverse @ (m.phi @ (start - m.w0))
    model = ClosedForms(problem, RATIONAL)
    unlearned = model.unlearned(model.given(labels), model.at(start))
    assert model.square_distance(unlearned, model.retrained).upper == square(off) + square(inverse @ padded)


@law
@given(problems())
def test_label_free(problem: mt.UnlearningProblem) -> None:
    """w₀ + P_R(w_p − w₀) = w_r iff Φ_Rᵀ(Φ_R w_p − y_R) = 0; then its labels are exact too."""
    m = Letters(problem)
    condition = square(m.phi_r.T @ (m.phi_r @ m.w_p - m.y_r)) == 0
    assert (square(m.project(m.phi_r, m.w_p) - m.w_r) == 0) == condition
    if condition:
        model = ClosedForms(problem, RATIONAL)
        assert model.label_distance(model.label_free(model.retain), model.given(m.optimal)).upper == 0


@law
@given(st.data())
def test_gap_formula(data: st.DataObject) -> None:
    """w_u − w_r = Φ⁺(0; δ) as vectors; δᵀS⁻¹δ where K is invertible."""
    problem = data.draw(problems())
    m = Letters(problem)
    labels = columns(problem, data.draw(labels_for(problem)))
    delta = labels - m.optimal
    padded = 0 * m.y
    padded[m.f] = delta
    assert square(m.fine_tuned(labels, m.w_p) - m.w_r - pseudo_inverse(m.phi) @ padded) == 0
    model = ClosedForms(problem, RATIONAL)
    gap = model.square_gap(model.given(delta)).upper
    assert gap == exact_square_gap(problem, problem.shaped(labels))
    if mt.check(problem, ["full-rank"], "rational").verdict is Verdict.PROVED:
        k = m.phi @ m.phi.T
        cross = k[np.ix_(m.r, m.f)]
        schur = k[np.ix_(m.f, m.f)] - cross.T @ pseudo_inverse(k[np.ix_(m.r, m.r)]) @ cross
        assert gap == np.trace(delta.T @ pseudo_inverse(schur) @ delta)


@law
@given(problems(assuming="full-rank"))
def test_leave_block_out(problem: mt.UnlearningProblem) -> None:
    model = ClosedForms(problem, RATIONAL)
    assert model.label_distance(model.leave_block_out(), model.given(Letters(problem).optimal)).upper == 0


@law
@given(st.data())
def test_forget_only(data: st.DataObject) -> None:
    """No labels on F alone come nearer than ‖(I − P_F)(w_r − w_p)‖, which Φ_F w_r reaches."""
    problem = data.draw(problems())
    m = Letters(problem)
    step = m.w_r - m.w_p
    least = square(step - pseudo_inverse(m.phi_f) @ (m.phi_f @ step))
    assert square(m.update(m.phi_f, m.optimal, m.w_p) - m.w_r) == least
    labels = columns(problem, data.draw(labels_for(problem)))
    assert square(m.update(m.phi_f, labels, m.w_p) - m.w_r) >= least


def ridge_fit(
    m: Letters, phi: np.ndarray, y: np.ndarray, anchor: np.ndarray, penalty: Fraction
) -> np.ndarray:
    """Minimiser of ‖Φw − y‖² + λ‖w − anchor‖²."""
    normal = phi.T @ phi + penalty * m.identity(len(anchor))
    return anchor + pseudo_inverse(normal) @ (phi.T @ (y - phi @ anchor))


def ridge_gap(problem: mt.UnlearningProblem, penalty: Fraction, at_pretrained: bool) -> Fraction:
    m = Letters(problem)
    w_r = ridge_fit(m, m.phi_r, m.y_r, m.w0, penalty)
    y = m.y.copy()
    y[m.f] = m.phi_f @ w_r
    anchor = ridge_fit(m, m.phi, m.y, m.w0, penalty) if at_pretrained else m.w0
    return square(ridge_fit(m, m.phi, y, anchor, penalty) - w_r)


@pytest.mark.slow
@law
@given(problems(), st.integers(1, 8).map(lambda k: Fraction(k, 4)))
def test_ridge_anchored(problem: mt.UnlearningProblem, penalty: Fraction) -> None:
    assert ridge_gap(problem, penalty, at_pretrained=False) == 0
    m, model = Letters(problem), ClosedForms(problem, RATIONAL)
    w_r = model.fit(model.retain, model.targets(model.retain), ridge=penalty)
    ours = ridge_fit(m, m.phi_r, m.y_r, m.w0, penalty)
    assert model.square_distance(w_r, model.at(ours)).upper == 0


def test_ridge_anchored_control() -> None:
    assert broken(problems(), lambda p: ridge_gap(p, Fraction(1), at_pretrained=True) == 0)


# -- claims 16 to 18 ---------------------------------------------------------------------------------


@pytest.mark.slow
@law
@given(problems(), st.integers(1, 8).map(lambda k: Fraction(k, 4)))
def test_ridge_inverse(problem: mt.UnlearningProblem, epsilon: Fraction) -> None:
    """The shift is −ε K_FR(K_RR + εI)⁻¹K_RR⁺(y_R − Φ_R w₀); with K_RR⁺ it needs no full rank."""
    m = Letters(problem)
    k, cross = m.phi_r @ m.phi_r.T, m.phi_f @ m.phi_r.T
    shifted, residual = pseudo_inverse(k + epsilon * m.identity(len(m.r))), m.y_r - m.phi_r @ m.w0
    label = m.phi_f @ m.w0 + cross @ shifted @ residual
    shift = -epsilon * (cross @ shifted @ pseudo_inverse(k) @ residual)
    assert square(label - m.optimal - shift) == 0
    model = ClosedForms(problem, RATIONAL)
    ridge = model.predict(model.forget, model.fit(model.retain, model.targets(model.retain), ridge=epsilon))
    assert model.label_distance(ridge, model.given(label)).upper == 0


def test_ridge_inverse_control() -> None:
    """Without the factor K_RR⁺ the identity is another."""

    def holds(problem: mt.UnlearningProblem) -> bool:
        m = Letters(problem)
        k, cross = m.phi_r @ m.phi_r.T, m.phi_f @ m.phi_r.T
        shifted, residual = pseudo_inverse(k + m.identity(len(m.r))), m.y_r - m.phi_r @ m.w0
        return (
            square(m.phi_f @ m.w0 + cross @ shifted @ residual - m.optimal + cross @ shifted @ residual) == 0
        )

    assert broken(problems(), holds)


@law
@given(problems(assuming="interpolates-retain"))
def test_downsampling(problem: mt.UnlearningProblem) -> None:
    """Labels from S are exact for the model retrained on S, and what is lost falls along nested subsets."""
    m, model = Letters(problem), ClosedForms(problem, RATIONAL)
    full = m.project(m.phi_r, m.w_p)
    lost = []
    for size in range(1, len(m.r) + 1):
        rows = m.r[:size]
        retrained = m.update(m.phi[rows], m.y[rows], m.w0)
        labels = model.label_free(tuple(range(size)))
        assert model.label_distance(labels, model.given(m.phi_f @ retrained)).upper == 0
        lost.append(square(full - m.project(m.phi[rows], m.w_p)))
    assert all(later <= earlier for earlier, later in itertools.pairwise(lost))
    assert lost[-1] == 0


@law
@given(st.data())
def test_sequential_requests(data: st.DataObject) -> None:
    """Forgetting one by one, in any order, ends where forgetting at once ends."""
    problem = data.draw(problems(assuming="three-samples"))
    m = Letters(problem)
    w, keep = m.w_p, list(range(problem.n_samples))
    for row in data.draw(st.permutations([int(i) for i in m.f])):
        here, keep = list(keep), [i for i in keep if i != row]
        y = m.y.copy()
        y[row] = m.phi[row] @ m.update(m.phi[keep], m.y[keep], m.w0)
        w = m.update(m.phi[here], y[here], w)
    assert square(w - m.w_r) == 0


# -- every claim, every arithmetic --------------------------------------------------------------------


@pytest.mark.slow
@settings(law, max_examples=25)
@given(problems(max_samples=5, max_features=6))
def test_no_arithmetic_refutes_a_claim(problem: mt.UnlearningProblem) -> None:
    """Exact arithmetic decides every claim; no other arithmetic contradicts it."""
    measured = ("implicit-bias", "convex-loss")  # their spectrum, their exponentials
    exact = mt.check(problem, THEOREMS, "rational", subset=0.5)
    for slug in THEOREMS:
        good = {Verdict.PROVED, Verdict.VACUOUS} | ({Verdict.MEASURED} if slug in measured else set())
        assert exact.theorem(slug).verdict in good, exact.theorem(slug).summary
    for arithmetic in ("float64", "ball"):
        report = mt.check(problem, THEOREMS, arithmetic, subset=0.5)
        assert report.verdict is not Verdict.REFUTED, arithmetic
        for slug in THEOREMS:
            evidence = report.theorem(slug)
            if exact.theorem(slug).verdict is Verdict.VACUOUS and arithmetic == "ball":
                assert evidence.verdict in (Verdict.VACUOUS, Verdict.UNDECIDED), (arithmetic, slug)


@settings(law, max_examples=25)
@given(st.data())
def test_four_arithmetics_agree(data: st.DataObject) -> None:
    """The squared gap of zero labels, κ ≤ 1e4: floats to 1e-6, 50 digits to the last bit of a float, balls enclose."""
    features = data.draw(conditioned_features(4, 6, 4, max_condition=1e4))
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    problem = mt.UnlearningProblem(
        features, rng.standard_normal(4), [data.draw(st.integers(0, 3))], rng.standard_normal(6)
    )
    gaps = {}
    for arithmetic in (RATIONAL, FLOAT64, MP(50), BALL(200)):
        model = ClosedForms(problem, arithmetic)
        zero = model.given(np.zeros((1, 1)))
        gaps[arithmetic.name] = model.square_distance(model.unlearned(zero), model.retrained)
    exact, double, many, ball = gaps.values()
    assert double.upper == pytest.approx(float(exact.upper), rel=1e-6, abs=1e-9)
    assert many.upper == pytest.approx(float(exact.upper), rel=1e-15, abs=1e-30)
    assert ball.lower <= exact.upper <= ball.upper


# -- metamorphic laws: how answers move with the problem -----------------------------------------------


@law
@given(st.data())
def test_rotating_features(data: st.DataObject) -> None:
    """ΦQ with w₀ → Qᵀw₀: labels and gaps stay, parameters turn with Q."""
    problem = with_start(data.draw(problems(max_features=4)))
    q = data.draw(orthogonal_matrices(problem.n_features))
    turned = moved(problem, features=problem.features @ q, w_init=q.T @ problem.w_init)
    a, b = Letters(problem), Letters(turned)
    assert square(a.optimal - b.optimal) == 0
    assert square(q.T @ a.w_r - b.w_r) == 0
    labels = data.draw(labels_for(problem))
    assert exact_square_gap(problem, labels) == exact_square_gap(turned, labels)


def test_rotating_features_must_turn_the_start_too() -> None:
    def holds(problem: mt.UnlearningProblem) -> bool:
        flipped = moved(problem, features=-problem.features)
        return square(Letters(flipped).optimal - Letters(problem).optimal) == 0

    assert broken(problems(), holds)


@law
@given(st.data())
def test_permuting_samples(data: st.DataObject) -> None:
    """Parameters stay; labels follow their samples."""
    problem = data.draw(problems())
    order = np.array(data.draw(st.permutations(range(problem.n_samples))))
    forget = [int(np.flatnonzero(order == row)[0]) for row in problem.forget]
    shuffled = moved(problem, features=problem.features[order], targets=problem.targets[order], forget=forget)
    a, b = ClosedForms(problem, RATIONAL), ClosedForms(shuffled, RATIONAL)
    one, two = Letters(problem), Letters(shuffled)
    for ours, theirs in ((one.w_p, two.w_p), (one.w_r, two.w_r)):
        assert square(ours - theirs) == 0
    before = {int(row): label for row, label in zip(problem.forget, one.optimal.tolist(), strict=True)}
    after = {int(order[row]): label for row, label in zip(shuffled.forget, two.optimal.tolist(), strict=True)}
    assert before == after
    nothing = [model.square_distance(model.pretrained, model.retrained).upper for model in (a, b)]
    assert nothing[0] == nothing[1]


@pytest.mark.slow
@law
@given(problems(), st.integers(-3, 3).map(lambda k: Fraction(k, 2)))
def test_scaling_targets_and_start(problem: mt.UnlearningProblem, scale: Fraction) -> None:
    """y and w₀ times c: labels times c, squared gap of doing nothing times c²."""
    problem = with_start(problem)
    scaled = moved(problem, targets=scale * problem.targets, w_init=scale * problem.w_init)
    a, b = Letters(problem), Letters(scaled)
    assert square(scale * a.optimal - b.optimal) == 0
    assert scale**2 * square(a.w_p - a.w_r) == square(b.w_p - b.w_r)


def test_scaling_targets_alone_is_not_enough() -> None:
    def holds(problem: mt.UnlearningProblem) -> bool:
        doubled = moved(problem, targets=2 * problem.targets)
        return square(2 * Letters(problem).optimal - Letters(doubled).optimal) == 0

    assert broken(problems(), holds)


@law
@given(problems(), st.integers(1, 3))
def test_features_that_are_always_zero(problem: mt.UnlearningProblem, width: int) -> None:
    """A block of zero features changes no label, and its parameters never move."""
    problem = with_start(problem)
    zeros = exact_array(np.zeros((problem.n_samples, width), dtype=int))
    start = exact_array(np.full((width, *problem.targets.shape[1:]), 2))
    wide = moved(
        problem,
        features=np.hstack([problem.features, zeros]),
        w_init=np.concatenate([problem.w_init, start]),
    )
    a, b = Letters(problem), Letters(wide)
    assert square(a.optimal - b.optimal) == 0
    assert square(b.w_r[:-width] - a.w_r) == 0
    assert square(b.w_r[-width:] - 2) == 0
    assert exact_square_gap(wide, wide.shaped(b.optimal)) == 0


@law
@given(problems())
def test_splitting_outputs(problem: mt.UnlearningProblem) -> None:
    """Several outputs are several problems; their squared gaps add."""
    labels = 0 * problem.targets[problem.forget]
    whole = exact_square_gap(problem, labels)
    two = problem.targets.reshape(problem.n_samples, -1)
    start = Letters(problem).w0
    parts = [moved(problem, targets=two[:, c], w_init=start[:, c]) for c in range(two.shape[1])]
    assert whole == sum(exact_square_gap(part, 0 * part.targets[part.forget]) for part in parts)
    optimal = np.column_stack([Letters(part).optimal[:, 0] for part in parts])
    assert square(optimal - Letters(problem).optimal) == 0


def duplicated_retain(problem: mt.UnlearningProblem) -> mt.UnlearningProblem:
    row = int(problem.retain[0])
    return moved(
        problem,
        features=np.vstack([problem.features, problem.features[[row]]]),
        targets=np.concatenate([problem.targets, problem.targets[[row]]]),
    )


@law
@given(problems(assuming="interpolable-retain"))
def test_duplicating_a_retain_sample_that_is_fitted(problem: mt.UnlearningProblem) -> None:
    """Where retraining fits every retained sample, saying one of them twice changes no label."""
    twice = duplicated_retain(problem)
    assert square(Letters(twice).optimal - Letters(problem).optimal) == 0
    assert exact_square_gap(twice, twice.shaped(Letters(problem).optimal)) == 0


def test_duplicating_a_retain_sample_matters_when_it_is_not_fitted() -> None:
    def holds(problem: mt.UnlearningProblem) -> bool:
        return square(Letters(duplicated_retain(problem)).optimal - Letters(problem).optimal) == 0

    assert broken(problems(), holds)


@law
@given(st.data())
def test_translating_the_start_along_the_kernel(data: st.DataObject) -> None:
    """w₀ + v with Φv = 0: labels and gaps stay, every parameter vector is translated by v."""
    problem = with_start(data.draw(problems()))
    any_vector = exact_array(
        np.array([data.draw(st.integers(-2, 2)) for _ in range(problem.n_features)])
    ).reshape(-1, *[1] * (problem.targets.ndim - 1))
    v = any_vector - pseudo_inverse(problem.features) @ (problem.features @ any_vector)
    shifted = moved(problem, w_init=problem.w_init + v)
    a, b = Letters(problem), Letters(shifted)
    assert square(a.optimal - b.optimal) == 0
    shape = (problem.n_features, -1)
    for ours, theirs in ((a.w_p, b.w_p), (a.w_r, b.w_r)):
        assert square(theirs - ours - v.reshape(shape)) == 0


def test_translating_the_start_elsewhere_changes_labels() -> None:
    def holds(problem: mt.UnlearningProblem) -> bool:
        shifted = moved(with_start(problem), w_init=with_start(problem).w_init + 1)
        return square(Letters(shifted).optimal - Letters(problem).optimal) == 0

    assert broken(problems(), holds)


@pytest.mark.slow
def test_the_control_can_report_that_nothing_broke() -> None:
    assert not broken(problems(), lambda problem: True)
