"""Certified gaps, eigenvalues and residuals of a problem: right, sharp where promised, loud on slips.

A second model, each quantity by its own formula, is the oracle: the package's must be as sharp in every bound.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import threadpoolctl

import muso_theory as mt
from muso_theory.errors import BadInputError
from muso_theory.linear import scaled_features
from muso_theory.linear.certified import CertifiedForms
from muso_theory.linear.closed_forms import float_model
from muso_theory.numbers import FLOAT64, RATIONAL, Quantity, UndecidedError
from muso_theory.numbers.gramcheck import check_gram
from tests.linear.certified_cases import Generated, generate, positive_definite
from tests.linear.oracles_certified import CertifiedProblem

Array = np.ndarray[Any, Any]


def with_condition(n: int, width: int, condition: float, seed: int) -> Array:
    """Random rows whose Gram matrix has the given condition number, built from its SVD."""
    rng = np.random.default_rng(seed)
    u = np.linalg.qr(rng.standard_normal((n, n)))[0]
    v = np.linalg.qr(rng.standard_normal((width, n)))[0]
    return (u * np.geomspace(1, condition**-0.5, n)) @ v.T


def example(
    n: int = 40, width: int = 90, condition: float = 1e4, outputs: int = 2, seed: int = 0
) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    phi = with_condition(n, width, condition, seed)
    return {
        "features": phi,
        "forget": np.sort(rng.choice(n, n // 5, replace=False)),
        "targets": rng.standard_normal((n, outputs)),
        "w_init": rng.standard_normal((width, outputs)),
    }


def forms(**data: Any) -> CertifiedForms:
    return CertifiedForms(mt.UnlearningProblem(**data))


def retain_of(data: dict[str, Any]) -> Array:
    return np.setdiff1d(np.arange(len(data["features"])), data["forget"])


def order_of(data: dict[str, Any]) -> Array:
    return np.concatenate([retain_of(data), data["forget"]])


def exact_labels(data: dict[str, Any]) -> Array:
    """Φ_F w_r over the rationals, rounded once."""
    ring, forget, r = RATIONAL, data["forget"], retain_of(data)
    phi, start = ring.matrix(data["features"][r]), ring.matrix(data["w_init"])
    a = ring.factor(ring.gram(phi)).solve(ring.sub(ring.matrix(data["targets"][r]), ring.matmul(phi, start)))
    w_r = ring.add(start, ring.matmul(ring.transpose(phi), a))
    return ring.to_numpy(ring.matmul(ring.matrix(data["features"][forget]), w_r))


def gap_of(m: CertifiedForms, labels: Array) -> Quantity:
    return m.gap(m.given(labels.reshape(-1, m.problem.n_outputs)))


def pretrained_gap(m: CertifiedForms) -> Quantity:
    return m.gap(m.targets(m.forget))


def label_error(m: CertifiedForms, labels: Array) -> Quantity:
    return m.label_distance(m.given(labels), m.optimal_labels)


def distance(m: CertifiedForms, w: Array) -> Quantity:
    return m.distance(m.at(w), m.retrained)


def residual(m: CertifiedForms, w: Array) -> Quantity:
    return m.label_distance(m.targets(m.retain), m.predict(m.retain, m.at(w)))


# -- beside the oracle ---------------------------------------------------------------------------------------

SEED = 7  # the problems of test_numbers_soundness, which holds the model against exact rationals
Answers = Iterator[tuple[str, Callable[[], Quantity], Callable[[], Quantity]]]


def answers(case: Generated) -> Answers:
    """Name, the oracle's answer and the model's, from one Gram matrix and factor, rows in the order retain, forget."""
    order, count = np.concatenate([case.retain, case.forget]), len(case.retain)
    data = (case.features[order], case.targets[order])
    rows = np.arange(count), np.arange(count, len(order))
    m = CertifiedForms(mt.UnlearningProblem(*data, rows[1], case.w_init))
    shared: dict[str, Any] = {}
    if m.is_dual and not m.systems.exponent:
        shared = {"gram": m.systems._gram, "cholesky": m.systems._known_factor(m.everything)}
    oracle = CertifiedProblem(*data, *rows, case.w_init, **shared)
    for name, labels in case.labels.items():
        yield (
            f"label error, {name}",
            lambda labels=labels: oracle.label_error(labels),
            lambda labels=labels: label_error(m, labels),
        )
        yield (
            f"gap, {name}",
            lambda labels=labels: oracle.parameter_gap(labels),
            lambda labels=labels: gap_of(m, labels),
        )
    for name, w in case.parameters.items():
        yield f"distance, {name}", lambda w=w: oracle.unlearned_gap(w), lambda w=w: distance(m, w)
        yield f"residual, {name}", lambda w=w: oracle.residual(w), lambda w=w: residual(m, w)
    yield "pretrained gap", lambda: oracle.pretrained_gap, lambda: pretrained_gap(m)
    yield "λ_min", lambda: oracle.min_eigenvalue, lambda: m.spectrum[0]
    yield "λ_max", lambda: oracle.max_eigenvalue, lambda: m.systems.max_eigenvalue
    yield "κ", lambda: oracle.condition_number, lambda: m.condition_number
    name = "retain_min_eigenvalue"
    yield name, lambda: _floor(oracle, name), lambda: _floor(m.systems, name)


def _floor(owner: Any, name: str) -> Quantity:
    return Quantity.enclosure(getattr(owner, name), np.inf)


_MORE = 1 + Fraction(1, 10**6)
"""What rounding alone may cost: the approximations that are enclosed differ in their last digits."""


def compared(indices: range) -> collections.Counter[str]:
    """How the model's enclosures compare with the oracle's: equal, sharper, weaker, or decided by one alone."""

    def decided(ask: Callable[[], Quantity]) -> Quantity | None:
        try:
            return ask()
        except UndecidedError:
            return None

    counts: collections.Counter[str] = collections.Counter()
    with threadpoolctl.threadpool_limits(1):
        for index in indices:
            try:
                pairs = list(answers(generate(SEED, index)))
            except UndecidedError:
                continue
            for name, old, new in pairs:
                was, now = decided(old), decided(new)
                if was is None:
                    counts["both undecided" if now is None else "decided now"] += 1
                elif now is None or not (was.lower <= _MORE * now.lower and now.upper <= _MORE * was.upper):
                    counts[f"weaker: {name}, case {index}"] += 1
                else:
                    counts["equal" if now == was else "sharper"] += 1
    return counts


@pytest.mark.slow
def test_the_model_is_as_sharp_as_the_oracle_in_every_bound() -> None:
    counts = compared(range(390))
    assert not [name for name in counts if name.startswith("weaker")]
    assert counts["sharper"] > 2000
    assert counts["equal"] > 1000
    assert counts["decided now"] > 100


def test_a_weaker_model_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: norms of Φ_R and Φ_F twice as large."""
    honest = scaled_features.ScaledFeatures.norm
    monkeypatch.setattr(scaled_features.ScaledFeatures, "norm", lambda self, rows: 2 * honest(self, rows))
    assert sum(count for name, count in compared(range(26)).items() if name.startswith("weaker")) > 10


# -- the problem ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("condition", [1e1, 1e6, 1e11])
def test_certified_gap_of_exact_labels_is_tiny_and_not_vacuous(condition: float) -> None:
    data = example(condition=condition)
    m = forms(**data)
    labels = exact_labels(data)  # correctly rounded: their true gap is their rounding, times 1/σ_min
    gap = gap_of(m, labels)
    assert 0 < gap.bound < 1e-15 * max(1.0, condition * 1e-1) ** 1.3
    assert label_error(m, labels).bound < 1e-15 * max(1.0, condition * 1e-5) ** 1.5
    assert gap.bound < 1e-6 * pretrained_gap(m).floor
    assert pretrained_gap(m).bound < 1.002 * pretrained_gap(m).floor


def test_the_shared_matrix_is_read_only_by_habit_and_a_bad_factor_costs_no_truth() -> None:
    data = example()
    problem = mt.UnlearningProblem(**data)
    before = float_model(problem).gram.copy()
    alone = CertifiedForms(problem)
    assert alone.condition_number.bound > 1e3
    assert alone.systems.retain_min_eigenvalue > 0
    assert np.array_equal(float_model(problem).gram, before)
    misled = mt.UnlearningProblem(**data)
    nonsense = FLOAT64.factor(np.eye(40))
    float_model(misled)._factors[float_model(misled).everything, 0] = nonsense
    wrong = CertifiedForms(misled)
    assert wrong.systems.everything.factor is nonsense
    # A bad proposal costs sharpness or decidability, never truth.
    try:
        gap = pretrained_gap(wrong)
    except UndecidedError:
        pass
    else:
        assert gap.floor <= pretrained_gap(alone).bound
        assert pretrained_gap(alone).floor <= gap.bound


def test_a_gram_matrix_that_was_written_into_is_refused() -> None:
    problem = mt.UnlearningProblem(**example())
    float_model(problem).gram[np.diag_indices(40)] += 1e-8
    with pytest.raises(BadInputError, match="nothing added"):
        _ = CertifiedForms(problem).spectrum


def test_conditions_are_proved() -> None:
    data = example(condition=1e5)
    m = forms(**data)
    gram = RATIONAL.gram(RATIONAL.matrix(data["features"]))
    lowest, largest = m.spectrum
    assert positive_definite(gram, Fraction(lowest.lower)) is True
    assert positive_definite(gram, Fraction(lowest.upper)) is not True
    assert positive_definite(gram, Fraction(largest.lower)) is not True
    assert m.condition_number.floor <= 1e5 * 1.001
    assert 1e7 > m.condition_number.bound >= 1e5 * 0.999
    r = retain_of(data).tolist()
    assert positive_definite(RATIONAL.take(gram, r, r), m.systems.retain_min_eigenvalue) is True
    assert m.systems.retain_min_eigenvalue >= lowest.lower


def test_distance_includes_what_lies_off_the_row_space() -> None:
    data = example()
    m = forms(**data)
    w_r = m.explicit(m.retrained)
    assert distance(m, w_r).bound < 1e-12
    off = np.linalg.svd(data["features"])[2][-1]
    for shift in (1e-3, 1e-9):
        moved = w_r + shift * off[:, None]
        assert distance(m, moved).floor == pytest.approx(shift * 2**0.5, rel=1e-4)
        assert residual(m, moved).bound < 1e-11
    w_u = m.unlearned(m.given(exact_labels(data)))
    assert distance(m, m.explicit(w_u)).bound < 1e-10
    elsewhere = m.fit(m.retain, m.targets(m.retain), m.at(data["w_init"] + 1.0))
    assert distance(m, m.explicit(elsewhere)).floor > 1.0


def test_more_samples_than_features() -> None:
    rng = np.random.default_rng(11)
    phi, y = rng.standard_normal((60, 7)), rng.standard_normal((60, 1))
    forget = np.arange(0, 60, 6)
    retain = np.setdiff1d(np.arange(60), forget)
    m = forms(features=phi, targets=y, forget=forget)
    w_r = np.linalg.lstsq(phi[retain], y[retain], rcond=None)[0]
    assert gap_of(m, phi[forget] @ w_r).bound < 1e-13
    w_p = np.linalg.lstsq(phi, y, rcond=None)[0]
    assert pretrained_gap(m).floor == pytest.approx(float(np.linalg.norm(w_p - w_r)), rel=1e-9)
    assert distance(m, w_r).bound < 1e-13
    assert m.condition_number.bound < 100
    few = forms(features=phi[:9], targets=y[:9], forget=[3, 4, 5, 6, 7, 8])  # dual on R, primal on all
    assert gap_of(few, phi[3:9] @ np.linalg.pinv(phi[:3]) @ y[:3]).bound < 1e-12


# -- parameters and features far from one --------------------------------------------------------------------


def test_residuals_of_tiny_parameters_hold_the_truth() -> None:
    for seed in range(100):
        rng = np.random.default_rng(seed)
        n, d = int(rng.integers(2, 6)), int(rng.integers(2, 9))
        phi = np.ldexp(rng.standard_normal((n, d)), int(rng.integers(90, 99)))
        w = np.ldexp(rng.standard_normal(d), int(rng.integers(-1050, -1035)))
        y = phi @ w  # so that all that is left is what the product rounds
        found = residual(forms(features=phi, targets=y, forget=[0]), w)
        truth = sum(
            (Fraction(y[i]) - sum(Fraction(a) * Fraction(b) for a, b in zip(phi[i], w, strict=True))) ** 2
            for i in range(1, n)
        )
        assert Fraction(found.lower) ** 2 <= truth <= Fraction(found.upper) ** 2, seed


@pytest.mark.parametrize("shape", [(5, 9), (9, 4)])
@pytest.mark.parametrize("exponent", [-1000, -480, 480, 950])
def test_every_answer_scales_exactly_with_the_features(shape: tuple[int, int], exponent: int) -> None:
    """Φ → 2^kΦ and w₀ → 2^-k w₀: distances of parameters shrink by 2^k, labels stay, eigenvalues grow by 4^k."""
    rng = np.random.default_rng(0)
    phi, start = rng.standard_normal(shape).astype(np.float32).astype(float), rng.standard_normal(shape[1])
    plain = {"features": phi, "targets": rng.standard_normal(shape[0]), "forget": [1, 3], "w_init": start}
    scaled = plain | {"features": np.ldexp(phi, exponent), "w_init": np.ldexp(start, -exponent)}
    one, other = forms(**plain), forms(**scaled)

    def ridged(m: CertifiedForms, ridge: float) -> Quantity:
        return m.distance(m.fit(m.retain, m.targets(m.retain), ridge=ridge), m.retrained)

    answers: dict[str, tuple[Callable[[CertifiedForms], Quantity], int]] = {
        "gap": (pretrained_gap, -1),
        "square gap": (lambda m: m.square_gap(m.given(np.ones((2, 1)))), -2),
        "distance": (lambda m: m.distance(m.pretrained, m.start), -1),
        "square distance": (lambda m: m.square_distance(m.pretrained, m.start), -2),
        "label error": (lambda m: label_error(m, np.ones((2, 1))), 0),
        "gradient": (lambda m: m.gradient_norm(m.retain, m.targets(m.retain), m.start), 1),
        "smallest eigenvalue": (lambda m: m.spectrum[0], 2),
        "largest eigenvalue": (lambda m: m.spectrum[1], 2),
        "κ": (lambda m: m.condition_number, 0),
        "rank": (lambda m: m.full_row_rank(range(2))[1], 2),
        "label-free": (lambda m: m.label_distance(m.label_free((0, 2)), m.targets(m.forget)), 0),
    }
    for name, (ask, power) in answers.items():
        factor = Fraction(2) ** (power * exponent)
        for a, b in zip(
            *((Fraction(q.lower), Fraction(q.upper)) for q in (ask(one), ask(other))), strict=True
        ):
            assert abs(a * factor - b) <= abs(b) / 10**6, name
    if abs(exponent) < 500:  # beyond, 4^k is no float
        a, b = ridged(one, 0.25), ridged(other, float(np.ldexp(0.25, 2 * exponent)))
        assert Fraction(b.upper) * Fraction(2) ** exponent == pytest.approx(Fraction(a.upper), rel=1e-9)
        if one.is_dual:
            values = (
                np.ldexp(other.dual_coefficients().values, 2 * exponent),
                one.dual_coefficients().values,
            )
            np.testing.assert_allclose(*values, rtol=1e-9)
    else:
        with pytest.raises(UndecidedError):
            ridged(other, 0.25)


def test_explicit_parameters_are_those_of_the_features_as_given() -> None:
    data = example(condition=1e2) | {"w_init": None}
    plain, tiny = forms(**data), forms(**(data | {"features": np.ldexp(data["features"], -300)}))
    found = np.ldexp(tiny.explicit(tiny.pretrained), -300)
    np.testing.assert_allclose(found, plain.explicit(plain.pretrained), rtol=1e-9, atol=1e-12)
    assert distance(tiny, np.ldexp(plain.explicit(plain.retrained), 300)).bound < 1e-12 * 2.0**300


def test_what_float64_cannot_decide_is_said() -> None:
    y = np.ones(3)
    singular = forms(features=np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [2, 0, 0, 0]]), targets=y, forget=[2])
    zero = forms(features=np.zeros((3, 4)), targets=y, forget=[2])
    for ask in (
        lambda m: m.spectrum,
        pretrained_gap,
        lambda m: m.condition_number,
        lambda m: m.rank(m.everything),
    ):
        for m in (singular, zero):
            with pytest.raises(UndecidedError, match="rational"):
                ask(m)
    with pytest.raises(UndecidedError, match="rational"):
        singular.full_row_rank(singular.everything)
    # What rests on Φ_R alone needs no more than its rank.
    assert residual(singular, np.array([1.0, 1.0, 0.0, 0.0])).bound < 1e-15
    assert label_error(singular, np.full((1, 1), 2.0)).bound < 1e-15
    with pytest.raises(UndecidedError, match="rational"):
        label_error(zero, np.ones((1, 1)))
    with pytest.raises(UndecidedError, match="exponent range"):
        forms(features=np.array([[1e300, 5e-324], [1.0, 2.0]]), targets=np.ones(2), forget=[1])
    wide = np.array([[1e300, 0.0], [0.0, 1e-300]])
    with pytest.raises(UndecidedError):
        pretrained_gap(forms(features=wide, targets=np.ones(2), forget=[1]))
    huge = forms(features=np.eye(3), targets=np.full(3, 1e308), forget=[2])
    with pytest.raises(UndecidedError):
        gap_of(huge, np.array([-1e308]))


# -- planted slips: each must show ---------------------------------------------------------------------------


def fourier_problem() -> tuple[dict[str, Any], Array]:
    rng = np.random.default_rng(12)
    x = rng.standard_normal((60, 6))
    w = rng.standard_normal((6, 150))
    phi = np.hstack([np.cos(x @ w), np.sin(x @ w)]) / 150**0.5
    data = example(60, 300) | {"features": phi, "w_init": rng.standard_normal((300, 2))}
    return data, exact_labels(data)


def test_right_labels_pass_so_that_slips_mean_something() -> None:
    data, labels = fourier_problem()
    m = forms(**data)
    assert gap_of(m, labels).bound < 1e-13 * pretrained_gap(m).floor * 10


def test_slip_woodbury_rewrite_is_refuted() -> None:
    data, _ = fourier_problem()
    m = forms(**data)
    phi_r, phi_f = data["features"][retain_of(data)], data["features"][data["forget"]]
    w_p, eps = m.explicit(m.pretrained), 1e-6

    def labels(gram_weight: float) -> Array:
        inner = np.linalg.inv(eps * np.eye(len(phi_r)) + gram_weight * (phi_r @ phi_r.T))
        return phi_f @ (data["w_init"] + phi_r.T @ (inner @ (phi_r @ (w_p - data["w_init"]))))

    tolerance = 1e-3 * pretrained_gap(m).floor
    assert gap_of(m, labels(1.0)).bound < tolerance  # (εI + ZZᵀ)⁻¹, as meant
    assert gap_of(m, labels(eps)).floor > 1e5 * tolerance  # (εI + εZZᵀ)⁻¹, as published


def dual_labels(data: dict[str, Any], gram: Array) -> Array:
    """A user's own rule: Φ_F w_r from a Gram matrix in the order retain, forget."""
    order, count = order_of(data), len(retain_of(data))
    start = data["features"][order] @ data["w_init"]
    a = np.linalg.solve(gram[:count, :count], data["targets"][order[:count]] - start[:count])
    return np.asarray(start[count:] + gram[count:, :count] @ a)


def test_slip_wrong_gram_entry_is_refused_or_shows_in_the_gap() -> None:
    data, _ = fourier_problem()
    gram = FLOAT64.gram(data["features"][order_of(data)])
    gram[3, 7] *= 1 + 1e-9 * np.sign(gram[3, 7])
    with pytest.raises(BadInputError, match="row 3 is off"):
        check_gram(data["features"], order_of(data), gram)
    assert gap_of(forms(**data), dual_labels(data, gram)).floor > 1e-12


def test_slip_one_label_off_by_1e_minus_7_is_measured_exactly() -> None:
    data, labels = fourier_problem()
    m = forms(**data)
    labels[2, 1] += 1e-7
    error, gap = label_error(m, labels), gap_of(m, labels)
    assert error.floor == pytest.approx(1e-7, rel=1e-6)
    assert gap.floor > 1e-7
    assert gap.bound < 1.0001 * gap.floor


def test_slip_quiet_jitter_is_refused_or_shows_in_the_gap() -> None:
    data, _ = fourier_problem()
    gram = FLOAT64.gram(data["features"][order_of(data)]) + 1e-8 * np.eye(60)
    with pytest.raises(BadInputError, match="nothing added"):
        check_gram(data["features"], order_of(data), gram)
    gap = gap_of(forms(**data), dual_labels(data, gram))
    assert 1e-10 < gap.floor < gap.bound < 1.001 * gap.floor
