"""Closed forms against naive pseudo-inverses, long gradient descent, and exact rationals."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.linear import labels as labels_file
from muso_theory.linear.closed_forms import ClosedForms, Point, float_model
from muso_theory.methods.rules import RULES
from muso_theory.numbers import BALL, FLOAT64, MP, RATIONAL
from muso_theory.rows import OneHot
from tests.oracles import Naive
from tests.zoo import FULL_RANK, ZOO, with_condition

METHODS = ("closed-form", "label-free", "ridge", "subsample")


@pytest.fixture(params=ZOO)
def problem(request: pytest.FixtureRequest) -> mt.UnlearningProblem:
    return ZOO[request.param]()


def close(a: np.ndarray, b: np.ndarray, tolerance: float = 1e-6) -> None:
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * max(1.0, float(np.abs(b).max())))


def test_solution_equals_naive(problem: mt.UnlearningProblem) -> None:
    solution, naive = mt.solve(problem), Naive(problem)
    close(solution.w_pretrained, naive.w_p)
    close(solution.w_retrained, naive.w_r)
    close(solution.forget_labels, naive.labels)
    close(solution.w_unlearned, naive.w_r)
    assert solution.w_retrained.shape == naive.w_r.shape
    assert solution.pretrained_gap == pytest.approx(np.linalg.norm(naive.w_p - naive.w_r), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("name", [n for n in ZOO if n != "ill-conditioned"])
def test_parameter_gap_equals_fine_tuning_for_every_rule(name: str) -> None:
    problem = ZOO[name]()
    naive = Naive(problem)
    rules = [rule() for rule in RULES.values() if rule.name != "hard-labels"]
    for rule in rules:
        labels = rule(problem)
        assert labels.shape == naive.labels.shape, rule
        gap = naive.gap(labels)
        assert mt.parameter_gap(problem, labels) == pytest.approx(gap, rel=1e-7, abs=1e-9), rule
        y = naive.y.copy()
        y[naive.f] = labels
        descended = naive.gradient_descent(np.arange(len(y)), y, naive.w_p, steps=4000)
        trained = float(np.linalg.norm(descended - naive.w_r))
        assert trained == pytest.approx(gap, rel=1e-3, abs=1e-3 * (1 + gap)), rule


def test_gradient_descent_ends_at_the_closed_form() -> None:
    problem = with_condition(8, 12, 20.0)
    naive = Naive(problem)
    ended = naive.gradient_descent(np.arange(8), naive.y, naive.w0, steps=2000)
    close(ended, mt.solve(problem).w_pretrained, 1e-12)


def test_label_methods_equal_naive(problem: mt.UnlearningProblem) -> None:
    naive = Naive(problem)
    close(mt.optimal_labels(problem), naive.labels)
    close(mt.optimal_labels(problem, "label-free"), naive.label_free(problem.retain))
    half = problem.retain[: max(1, len(problem.retain) // 2)]
    close(mt.optimal_labels(problem, "subsample", subset=half), naive.label_free(half))
    phi_r, phi_f = naive.phi[naive.r], naive.phi[naive.f]
    k = phi_r @ phi_r.T + 0.01 * np.eye(len(phi_r))
    shifted = phi_f @ naive.w0 + phi_f @ phi_r.T @ np.linalg.solve(k, naive.y[naive.r] - phi_r @ naive.w0)
    close(mt.optimal_labels(problem, "ridge", ridge=0.01), shifted)


@pytest.mark.parametrize("name", FULL_RANK)
def test_leave_block_out_equals_retraining(name: str) -> None:
    problem = ZOO[name]()
    close(mt.optimal_labels(problem, "leave-block-out"), Naive(problem).labels)
    n = problem.n_samples
    sets = [[0], [n - 1], list(range(n // 2))] if n > 2 else [[0], [1]]
    for rows, labels in zip(sets, mt.leave_block_out_labels(problem, sets), strict=True):
        other = mt.UnlearningProblem(problem.features, problem.targets, rows, problem.w_init)
        close(labels, Naive(other).labels)


def test_requests_are_answered_in_their_order_however_many_are_solved_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(5)
    problem = mt.UnlearningProblem(rng.standard_normal((7, 12)), rng.standard_normal((7, 2)), [0])
    sets = [[1, 4], [0], [6, 2], [3, 5], [2], [0, 1, 2]]
    together = mt.leave_block_out_labels(problem, sets)
    monkeypatch.setattr(labels_file, "_STACK", 5)  # of two, one at a time; of three, as they must
    apart = mt.leave_block_out_labels(problem, sets)
    for rows, one, other in zip(sets, together, apart, strict=True):
        close(one, mt.optimal_labels(mt.UnlearningProblem(problem.features, problem.targets, rows)))
        close(other, one)


def test_leave_block_out_scales_targets_and_refuses_features_at_the_ends_of_floats() -> None:
    """Powers of two move no digit, or what they move is refused: never another label."""
    rng = np.random.default_rng(0)
    features, targets, requests = rng.standard_normal((30, 90)), rng.standard_normal(30), [[0, 1], [5]]

    def labels(scale: int, size: int) -> list[np.ndarray]:
        problem = mt.UnlearningProblem(np.ldexp(features, scale), np.ldexp(targets, size), [0])
        return mt.leave_block_out_labels(problem, requests)

    expected = labels(0, 0)
    for scale, size in ((0, 900), (400, 500), (-400, 900), (400, -900), (-400, -900)):
        for found, right in zip(labels(scale, size), expected, strict=True):
            np.testing.assert_allclose(np.ldexp(found, -size), right, rtol=1e-10)
    for scale in (-515, -450, 450, 508):
        with pytest.raises(mt.BadInputError, match="squares are far from the ends"):
            labels(scale, 0)


@pytest.mark.parametrize("name", ["under-parameterised", "duplicated-across", "rank-deficient"])
def test_leave_block_out_refuses_singular_gram(name: str) -> None:
    problem = ZOO[name]()
    with pytest.raises(mt.SingularMatrixError, match="invertible"):
        mt.optimal_labels(problem, "leave-block-out")
    if problem.n_samples <= problem.n_features:
        with pytest.raises(mt.SingularMatrixError, match="invertible"):
            mt.leave_block_out_labels(problem, [[0]])


@pytest.mark.parametrize("kind", ["floats", "classes", "integers", "store"])
def test_requests_of_more_samples_than_features_are_retraining(kind: str) -> None:
    rng = np.random.default_rng(3)
    features: Any = rng.integers(-9, 9, (40, 6)) if kind == "integers" else rng.standard_normal((40, 6))
    targets: Any = rng.standard_normal((40, 2))
    if kind == "classes":
        targets = OneHot(rng.integers(0, 3, 40), 3)
    start = rng.standard_normal((6, targets.shape[1]))  # which least squares forget
    given = features
    if kind == "store":
        given = pytest.importorskip("dask.array", reason="needs the extra [dask]").from_array(
            features, (9, 6)
        )
    problem = mt.UnlearningProblem(given, targets, [0], start)
    requests = [[3], [7, 1], [39], list(range(30)), [5, 4], *([i, i + 1] for i in range(20))]
    for rows, labels in zip(requests, mt.leave_block_out_labels(problem, requests), strict=True):
        index = np.sort(rows)
        other = mt.UnlearningProblem(features, np.asarray(targets), index, start)
        close(labels, Naive(other).labels)
        report = mt.check(other, "exact-labels", labels=labels)
        assert report["exact-labels[labels]"].verdict is not mt.Verdict.REFUTED
    scaled = mt.UnlearningProblem(given, np.ldexp(np.asarray(targets), 900), [0])
    for labels, right in zip(
        mt.leave_block_out_labels(scaled, requests), mt.leave_block_out_labels(problem, requests), strict=True
    ):
        close(np.ldexp(labels, -900), right)


@pytest.mark.parametrize("power", [3, 4, 5, 6, 7])
def test_a_rank_that_float64_does_not_tell_from_less_is_refused(power: int) -> None:
    """Two columns differ in one row alone, by less and less: without it they are one."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        features, targets = rng.standard_normal((12, 4)), rng.standard_normal(12)
        features[:, 3] = features[:, 2]
        features[0, 3] += 10.0**-power
        with pytest.raises(mt.SingularMatrixError, match="full column rank"):
            mt.leave_block_out_labels(mt.UnlearningProblem(features, targets, [1]), [[0]])
        assert (
            len(mt.leave_block_out_labels(mt.UnlearningProblem(rng.permuted(features), targets, [1]), [[0]]))
            == 1
        )


@pytest.mark.parametrize("asked", [False, True])
def test_requests_of_rows_that_were_written_into_are_refused(asked: bool) -> None:
    features, targets = np.random.default_rng(0).standard_normal((30, 4)), np.arange(30.0)
    problem = mt.UnlearningProblem(features, targets, [0])
    if asked:
        assert len(mt.leave_block_out_labels(problem, [[1]])) == 1  # the control
    features[3, 2] = 9.0
    for _ in range(2):
        with pytest.raises(mt.BadInputError, match=r"features=.*changed since"):
            mt.leave_block_out_labels(problem, [[1]])


def test_rows_that_no_others_stand_for_are_refused() -> None:
    features, targets = np.vstack([np.eye(3), np.eye(3)[:2], 2 * np.eye(3)[:2]]), np.arange(7.0)
    problem = mt.UnlearningProblem(features, targets, [0])
    assert len(mt.leave_block_out_labels(problem, [[0], [1, 3], [0, 1, 3, 4]])) == 3  # the control
    for rows in ([2], [0, 3, 5], [1, 2]):
        with pytest.raises(
            mt.SingularMatrixError,
            match=r"told from less in float64 but got forget set=",
        ):
            mt.leave_block_out_labels(problem, [[0], rows])
    with pytest.raises(
        mt.SingularMatrixError, match="Φ_R of full column rank"
    ):  # fewer rows are left than columns
        mt.leave_block_out_labels(problem, [list(range(5))])
    with pytest.raises(mt.SingularMatrixError, match="Φ of full column rank"):
        mt.leave_block_out_labels(mt.UnlearningProblem(np.ones((5, 2)), np.arange(5.0), [0]), [[1]])
    for scale in (-515, 508):
        with pytest.raises(mt.MusoError, match=r"far from the ends|in float64"):
            mt.leave_block_out_labels(mt.UnlearningProblem(np.ldexp(features, scale), targets, [0]), [[0]])


def test_solution_set(problem: mt.UnlearningProblem) -> None:
    naive, found = Naive(problem), mt.label_solution_set(problem)
    phi_f = naive.phi[naive.f]
    assert found.kernel.shape[1] == len(phi_f) - np.linalg.matrix_rank(phi_f)
    assert found.is_unique == (found.kernel.shape[1] == 0)
    for column in found.kernel.T:
        np.testing.assert_allclose(phi_f.T @ column, 0, atol=1e-9)
        moved = found.particular + (column if found.particular.ndim == 1 else column[:, None])
        assert naive.gap(moved) < 1e-6 * (1 + np.linalg.norm(naive.w_p - naive.w_r))
    outside = found.particular + (
        phi_f @ phi_f[0] if found.particular.ndim == 1 else (phi_f @ phi_f[0])[:, None]
    )
    assert naive.gap(outside) > 1e-4


@pytest.mark.parametrize("arithmetic", [RATIONAL, MP(40), BALL(200)], ids=["rational", "mp", "ball"])
@pytest.mark.parametrize("name", ["over-parameterised", "several-outputs-tall", "integer", "one-feature"])
def test_every_arithmetic_gives_the_same_parameters(name: str, arithmetic: object) -> None:
    problem = ZOO[name]()
    model = ClosedForms(problem, arithmetic)  # type: ignore[arg-type]
    naive = Naive(problem)
    columns = (problem.n_features, problem.n_outputs)
    close(model.explicit(model.pretrained), naive.w_p.reshape(columns), 1e-11)
    close(model.explicit(model.retrained), naive.w_r.reshape(columns), 1e-11)
    unlearned = model.unlearned(model.optimal_labels)
    assert float(model.distance(unlearned, model.retrained).upper) < 1e-30 * (1 + np.abs(naive.w_r).max())


@pytest.mark.parametrize(
    "name",
    ["rank-deficient", "tall-deficient", "duplicated-across", "duplicated-forget", "under-parameterised"],
)
def test_rational_is_exact_at_any_rank(name: str) -> None:
    problem = ZOO[name]()
    model = ClosedForms(problem, RATIONAL)
    gap = model.distance(model.unlearned(model.optimal_labels), model.retrained)
    assert gap.upper == 0
    doing_nothing = model.square_distance(model.pretrained, model.retrained)
    assert isinstance(doing_nothing.upper, Fraction)
    assert doing_nothing.upper > 0


def test_rational_minimum_norm_on_a_singular_tall_problem() -> None:
    """Two equal columns: the minimum-norm solution must share the weight equally."""
    features = np.array([[1, 1], [2, 2], [3, 3]])
    problem = mt.UnlearningProblem(features, np.array([1, 1, 5]), [2])
    model = ClosedForms(problem, RATIONAL)
    np.testing.assert_array_equal(model.explicit(model.retrained).ravel(), [0.3, 0.3])
    close(mt.solve(problem).w_retrained, np.array([0.3, 0.3]), 1e-14)


def test_off_span_parameters_are_measured_exactly() -> None:
    problem = ZOO["integer"]()
    model = ClosedForms(problem, RATIONAL)
    unit = np.zeros((9, 1), dtype=int)
    unit[0] = 1
    moved = Point(None, model.arithmetic.matrix(unit))
    assert model.square_distance(moved, model.start).upper == 1
    inside = model.fit(model.everything, model.predict(model.everything, moved))
    naive = Naive(problem)
    projector = np.linalg.pinv(naive.phi) @ naive.phi
    expected = np.linalg.norm((np.eye(9) - projector)[:, 0]) ** 2
    assert float(model.square_distance(moved, inside).upper) == pytest.approx(expected)


def test_one_factorisation_serves_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = ZOO["over-parameterised"]()
    sizes: list[int] = []
    original = type(FLOAT64).factor
    monkeypatch.setattr(type(FLOAT64), "factor", lambda self, k: (sizes.append(len(k)), original(self, k))[1])
    mt.solve(problem)
    mt.parameter_gap(problem, np.ones(3))
    mt.optimal_labels(problem, "label-free")
    mt.optimal_labels(problem, "leave-block-out")
    assert sizes.count(10) == 1
    assert set(sizes) <= {10, 3}


@pytest.mark.parametrize("kappa", [1e1, 1e4, 1e7, 1e10])
def test_relative_gap_stays_within_conditioning(kappa: float) -> None:
    """The true gap of the float labels, measured in exact arithmetic, is at most 100 κ u of doing nothing."""
    problem = with_condition(20, 40, kappa, forget=4)
    model = ClosedForms(problem, RATIONAL)
    labels = model.given(mt.optimal_labels(problem).reshape(-1, 1))
    relative = float(model.gap(labels).upper) / float(model.distance(model.pretrained, model.retrained).lower)
    assert 0 < relative <= 100 * kappa * 2.0**-53


def test_memory_mapped_and_float32_features(tmp_path) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(0)
    features = rng.standard_normal((30, 80)).astype(np.float32)
    path = tmp_path / "features.npy"
    np.save(path, features)
    mapped = np.load(path, mmap_mode="r")
    y = rng.standard_normal(30)
    ours = mt.solve(mt.UnlearningProblem(mapped, y, [3, 4]))
    close(ours.w_retrained, Naive(mt.UnlearningProblem(features.astype(float), y, [3, 4])).w_r, 1e-12)


def test_extreme_eigenvalues_of_large_matrices(monkeypatch: pytest.MonkeyPatch) -> None:
    from muso_theory.linear import closed_forms

    dense = float_model(ZOO["over-parameterised"]())
    monkeypatch.setattr(closed_forms, "_DENSE_SPECTRUM", 5)
    lanczos = ClosedForms(dense.problem, FLOAT64)
    for a, b in zip(dense.spectrum, lanczos.spectrum, strict=True):
        assert a.bound == pytest.approx(b.bound, rel=1e-10)
    assert lanczos.condition_number.bound == pytest.approx(np.linalg.cond(dense.gram), rel=1e-9)
