"""Verified float64 must hold the truth: every verb against exact rationals, on easy and on hostile data."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.linear.certified import CertifiedForms, LabelBall
from muso_theory.linear.closed_forms import ClosedForms
from muso_theory.linear.model import Model
from muso_theory.numbers import RATIONAL, Quantity, UndecidedError
from tests.zoo import ZOO, with_condition

RIDGE = 2.0**-7


def _subset(m: Model) -> tuple[int, ...]:
    return tuple(m.retain)[::2]


def _outside(m: Model) -> object:
    return m.given(np.ones((len(m.forget), m.problem.n_outputs)))


def _ridge(m: Model) -> object:
    return m.fit(m.retain, m.targets(m.retain), ridge=RIDGE)


def _elsewhere(m: Model) -> object:
    w = np.full((m.problem.n_features, m.problem.n_outputs), 0.375)
    return m.fit(m.everything, m.targets(m.everything), m.at(w))


QUANTITIES: dict[str, Callable[[Model], Quantity]] = {
    "doing nothing": lambda m: m.distance(m.pretrained, m.retrained),
    "travelled": lambda m: m.distance(m.pretrained, m.start),
    "squared": lambda m: m.square_distance(m.pretrained, m.retrained),
    "unlearned": lambda m: m.distance(m.unlearned(m.optimal_labels), m.retrained),
    "ones": lambda m: m.distance(m.unlearned(_outside(m)), m.retrained),
    "gap of ones": lambda m: m.gap(_outside(m)),
    "square gap": lambda m: m.square_gap(m.mix(1, _outside(m), -1, m.optimal_labels)),
    "label change": lambda m: m.label_distance(m.targets(m.forget), m.optimal_labels),
    "label-free": lambda m: m.label_distance(m.label_free(m.retain), _outside(m)),
    "subset": lambda m: m.label_distance(m.label_free(_subset(m)), _outside(m)),
    "projected": lambda m: m.distance(m.project(m.retain, m.pretrained), m.retrained),
    "residual": lambda m: m.label_distance(m.targets(m.retain), m.predict(m.retain, m.pretrained)),
    "gradient": lambda m: m.gradient_norm(m.retain, m.targets(m.retain), m.start),
    "gradient at w_p": lambda m: m.gradient_norm(m.retain, m.targets(m.retain), m.pretrained),
    "ridge": lambda m: m.distance(_ridge(m), m.retrained),
    "ridge from w_p": lambda m: m.distance(
        m.fit(m.everything, m.targets(m.everything), m.retrained, ridge=RIDGE), m.retrained
    ),
    "from elsewhere": lambda m: m.distance(_elsewhere(m), m.pretrained),
    "forget only": lambda m: m.distance(m.fit(m.forget, m.optimal_labels, m.pretrained), m.retrained),
    "dual": lambda m: m.label_distance(m.dual_coefficients(), m.targets(m.retain)),
    "mixed": lambda m: m.label_distance(m.mix(0.1, _outside(m), -3, m.optimal_labels), _outside(m)),
    "λ_max": lambda m: m.spectrum[1],
}


def hostile(seed: int) -> mt.UnlearningProblem:
    """Small problems with graded scales, near-duplicate rows, cancellation in Φw₀ and either shape."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 9))
    d = int(rng.integers(1, 13))
    features = rng.standard_normal((n, d)) * 2.0 ** rng.integers(-20, 21, (1, d))
    if rng.random() < 0.4 and n > 2:
        features[-1] = features[0] * (1 + 2.0 ** -int(rng.integers(4, 40)))
        features[-1, 0] += 2.0 ** -int(rng.integers(4, 40))
    if rng.random() < 0.3:
        features *= 2.0 ** int(rng.integers(-90, 90))
    if rng.random() < 0.3:
        features = features.astype(np.float32)
    w_init = rng.standard_normal(d) * 2.0 ** int(rng.integers(0, 40)) if rng.random() < 0.5 else None
    targets = rng.standard_normal(n) * 2.0 ** int(rng.integers(-20, 20))
    forget = rng.permutation(n)[: int(rng.integers(1, n))]
    return mt.UnlearningProblem(features, targets, forget, w_init)


def violations(problem: mt.UnlearningProblem) -> tuple[list[str], int]:
    """Names of quantities whose enclosure does not hold the exact value, and how many were decided."""
    exact, certified = ClosedForms(problem, RATIONAL), CertifiedForms(problem)
    wrong, decided = [], 0
    for name, quantity in QUANTITIES.items():
        try:
            got = quantity(certified)
        except (UndecidedError, mt.SingularMatrixError):
            continue
        decided += 1
        if name == "λ_max":
            largest = np.linalg.eigvalsh(
                np.asarray(problem.features, float) @ np.asarray(problem.features, float).T
            )[-1]
            if not got.floor <= largest * (1 + 1e-9) or not got.bound >= largest * (1 - 1e-9):
                wrong.append(name)
            continue
        true = quantity(exact)
        # The exact value is a root of a rational: its own enclosure has 60 digits.
        if Fraction(got.lower) > Fraction(true.upper) or got.upper < true.lower:
            wrong.append(f"{name}: {got} against {float(true.upper):.17g}")
    return wrong, decided


@pytest.mark.parametrize("name", [n for n in ZOO if n != "integer"])
def test_enclosures_hold_on_the_zoo(name: str) -> None:
    wrong, _ = violations(ZOO[name]())
    assert not wrong


@pytest.mark.slow
def test_enclosures_hold_on_hostile_data() -> None:
    decided = 0
    for seed in range(250):
        wrong, count = violations(hostile(seed))
        assert not wrong, (seed, wrong)
        decided += count
    assert decided > 250 * len(QUANTITIES) // 3, "most cases must be decided, or the test says nothing"


def test_a_radius_that_is_too_small_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: with every radius shrunk a millionfold the same test must fail."""
    from muso_theory.numbers import leastsquares

    original = leastsquares.CertifiedParameters

    def shrunk(
        high: np.ndarray, low: np.ndarray, radius: Fraction, *others: object, **known: object
    ) -> object:
        return original(high, np.zeros_like(low), radius / 10**6)

    monkeypatch.setattr(leastsquares, "CertifiedParameters", shrunk)
    assert any(violations(hostile(seed))[0] for seed in range(40))


@pytest.mark.parametrize("kappa", [1e2, 1e4, 1e6, 1e8, 1e10])
def test_bounds_are_sharp_enough_to_be_useful(kappa: float) -> None:
    problem = with_condition(30, 60, kappa, forget=4)
    report = mt.check(problem, ["exact-labels", "label-free", "full-rank"])
    for evidence in report.values():
        assert evidence.verdict is mt.Verdict.CERTIFIED, evidence.claim
    labels = mt.optimal_labels(problem)
    exact = ClosedForms(problem, RATIONAL)
    true = float(exact.gap(exact.given(labels.reshape(-1, 1))).upper)
    report = mt.check(problem, ["exact-labels"], labels=labels)
    audit, output = (report.evidence[f"exact-labels[{name}]"].bound for name in ("labels", "output"))
    # Floats that are handed out come from the dearer of two float arithmetics; the first that decides audits others.
    assert audit is not None
    assert output is not None
    assert true <= output <= max(1e4 * true, 1e-13)
    nothing = float(exact.distance(exact.pretrained, exact.retrained).lower)
    assert true <= audit <= max(1e4 * true, 1e-9 * nothing)


@pytest.mark.parametrize("name", ["rank-deficient", "tall-deficient"])
def test_singular_data_is_left_to_exact_arithmetic(name: str) -> None:
    report = mt.check(ZOO[name](), ["exact-labels", "full-rank"])
    assert report.theorem("exact-labels").arithmetic == "rational"
    assert report.theorem("exact-labels").verdict is mt.Verdict.PROVED
    assert report["full-rank"].verdict is mt.Verdict.VACUOUS


def test_what_the_budget_rules_out_is_named() -> None:
    report = mt.check(ZOO["rank-deficient"](), ["exact-labels"], budget=1e-9)
    evidence = report["exact-labels"]
    assert evidence.verdict is mt.Verdict.UNDECIDED
    assert "--arithmetic rational tries it, in about" in evidence.needs
    assert "not started: it would exceed the budget of 1e-09 s" in evidence.needs
    assert "GB" in evidence.needs
    assert report.exit_status == 3


def test_integers_are_taken_exactly_and_wide_ones_are_not_rounded() -> None:
    rng = np.random.default_rng(2)
    phi, y = rng.integers(-5, 6, (4, 9)), rng.integers(-3, 4, 4)
    problem = mt.UnlearningProblem(phi, y, [1], rng.integers(-2, 3, 9))
    assert not violations(problem)[0]
    wide = phi.copy()
    wide[0, 0] = 2**60 + 1
    with pytest.raises(UndecidedError, match="not exactly float64"):
        CertifiedForms(mt.UnlearningProblem(wide, y, [1]))
    fractions = np.array([[Fraction(1, 3), 1], [0, 1]], dtype=object)
    with pytest.raises(UndecidedError, match="not exactly float64"):
        CertifiedForms(mt.UnlearningProblem(fractions, [1, 2], [1]))
    # The ladder then decides exactly instead of rounding.
    evidence = mt.check(mt.UnlearningProblem(wide, y, [1]), ["exact-labels"]).theorem("exact-labels")
    assert (evidence.verdict, evidence.arithmetic) == (mt.Verdict.PROVED, "rational")


def test_formulas_with_inverses_refuse_tall_data() -> None:
    model = CertifiedForms(ZOO["under-parameterised"]())
    with pytest.raises(mt.SingularMatrixError):
        model.dual_coefficients()
    with pytest.raises(mt.SingularMatrixError):
        model.leave_block_out()


@pytest.mark.parametrize("outputs", [1, 3])
def test_labels_along_the_kernel_are_exact_ones(outputs: int) -> None:
    """Φ_Fᵀ(moved − optimal) = 0 within the radii, the step is as long as the labels, and exact forms agree."""
    rng = np.random.default_rng(0)
    features, targets = rng.standard_normal((9, 3)), 1e-9 * rng.standard_normal((9, outputs))
    problem = mt.UnlearningProblem(features, targets, [0, 1, 2, 3, 4], rng.standard_normal((3, outputs)))
    forms, exact = CertifiedForms(problem), ClosedForms(problem, RATIONAL)
    moved, dimension = forms.along_kernel(forms.optimal_labels)
    assert dimension == 2
    step = moved.values - forms.optimal_labels.values
    assert np.linalg.norm(step) > 0.1 * np.linalg.norm(forms.optimal_labels.values)
    assert np.linalg.norm(features[:5].T @ step) < 1e-13 * np.linalg.norm(forms.optimal_labels.values) + 1e-14
    truly, dimension = exact.along_kernel(exact.optimal_labels)
    assert dimension == 2
    rows = exact.rows_of_features(exact.forget)
    change = RATIONAL.sub(truly, exact.optimal_labels)
    assert RATIONAL.square_norm(change).upper > 0
    assert RATIONAL.square_norm(RATIONAL.matmul(RATIONAL.transpose(rows), change)).upper == 0
    gap = forms.distance(forms.unlearned(moved), forms.retrained)
    assert gap.upper < 1e-13
    spoiled = LabelBall(moved.values + 2.0**-30, moved.radius)
    assert forms.distance(forms.unlearned(spoiled), forms.retrained).lower > 1e-11


def test_labels_are_alone_where_forget_rows_are_independent() -> None:
    rng = np.random.default_rng(0)
    free = CertifiedForms(mt.UnlearningProblem(rng.standard_normal((5, 9)), rng.standard_normal(5), [0, 1]))
    assert free.along_kernel(free.optimal_labels) == (free.optimal_labels, 0)


def test_the_kernel_is_undecided_where_forget_rows_have_no_full_rank() -> None:
    features = np.random.default_rng(0).standard_normal((9, 3))
    features[:5, 2] = features[:5, 1]
    forms = CertifiedForms(mt.UnlearningProblem(features, np.arange(9.0), [0, 1, 2, 3, 4]))
    with pytest.raises(UndecidedError, match="full rank"):
        forms.along_kernel(forms.optimal_labels)


def test_solutions_are_frozen() -> None:
    from dataclasses import FrozenInstanceError

    solution = mt.solve(with_condition(6, 9, 10.0))
    with pytest.raises(FrozenInstanceError):
        solution.parameter_gap = 0.0  # type: ignore[misc]


@pytest.mark.parametrize(("width", "keeps"), [(3, True), (20, False)])
def test_independent_columns_project_nothing_away(width: int, keeps: bool) -> None:
    rng = np.random.default_rng(7)
    problem = mt.UnlearningProblem(rng.integers(-9, 10, (12, width)) / 4, rng.standard_normal(12), [1, 5])
    model, exact = CertifiedForms(problem), ClosedForms(problem, RATIONAL)
    w = rng.standard_normal((width, 1))
    for rows in (model.everything, model.retain):
        assert model.keeps_all(rows) is keeps
        moved = model.distance(model.at(w), model.project(rows, model.at(w)))
        truth = exact.distance(exact.at(w), exact.project(rows, exact.at(w)))
        assert moved.lower <= truth.upper
        assert truth.lower <= moved.upper
        assert (truth.upper == 0) is keeps
        assert (moved.bound == 0) is keeps


def test_dependent_columns_are_not_taken_for_independent_ones() -> None:
    problem = mt.UnlearningProblem(np.ones((6, 2)) * np.arange(6.0)[:, None], np.ones(6), [1])
    model = CertifiedForms(problem)
    with pytest.raises(UndecidedError):
        model.project(model.everything, model.at(np.array([[1.0], [2.0]])))
