"""Float features against their map at many digits: the enclosure, and what is concluded from it."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest

import muso_theory as mt
from muso_theory.errors import BadInputError
from muso_theory.linear.features import (
    ArcCosineFeatures,
    GaussianFeatures,
    IdentityFeatures,
    LaplacianFeatures,
    MaternFeatures,
    OrthogonalFeatures,
)
from muso_theory.linear.precise import FeatureError, feature_error, perturbation
from muso_theory.numbers import Quantity, UndecidedError

Array = np.ndarray[Any, Any]

MAPS: dict[str, Callable[[], Any]] = {
    "identity": IdentityFeatures,
    "gaussian": lambda: GaussianFeatures(n_features=24, seed=1),
    "gaussian-phase": lambda: GaussianFeatures(n_features=23, variant="phase", seed=1),
    "orthogonal": lambda: OrthogonalFeatures(n_features=24, seed=1),
    "laplacian": lambda: LaplacianFeatures(n_features=24, seed=1),
    "laplacian-phase": lambda: LaplacianFeatures(n_features=24, variant="phase", seed=1),
    "matern": lambda: MaternFeatures(n_features=24, nu=0.5, seed=1),
    "relu": lambda: ArcCosineFeatures(n_features=24, degree=1, seed=1),
    "step": lambda: ArcCosineFeatures(n_features=24, degree=0, seed=1),
}


def samples(n: int = 9, d: int = 4) -> Array:
    X = np.random.default_rng(5).standard_normal((n, d)) * 10
    X[2] = 0.0  # H(0) = ½, and max(0, 0), must be met exactly
    return X


def by_mpmath(fm: Any, X: Array) -> Any:
    """The map written down a second time, in other words and with another library."""
    mp = mpmath.mp
    if isinstance(fm, IdentityFeatures):
        return mp.matrix(X.tolist())
    rows = []
    m = len(fm.frequencies_)
    for x in X.tolist():
        z = [
            mp.fsum(mp.mpf(a) * mp.mpf(b) for a, b in zip(w, x, strict=True))
            for w in fm.frequencies_.tolist()
        ]
        if isinstance(fm, ArcCosineFeatures):
            step = [1 if t > 0 else mp.mpf(1) / 2 if t == 0 else 0 for t in z]
            values = [
                h * (t if fm.degree else 1) * mp.sqrt(mp.mpf(2) / m) for h, t in zip(step, z, strict=True)
            ]
        elif fm.variant == "paired":
            values = [f(t) / mp.sqrt(m) for f in (mp.cos, mp.sin) for t in z]
        else:
            values = [
                mp.sqrt(mp.mpf(2) / m) * mp.cos(t + b) for t, b in zip(z, fm.phases_.tolist(), strict=True)
            ]
        rows.append(values)
    return mp.matrix(rows)


def true_error(fm: Any, X: Array, features: Array) -> tuple[Any, Any]:
    """Frobenius norm and largest entry of the difference, to 50 digits and more."""
    with mpmath.workdps(60):
        difference = mpmath.matrix(np.asarray(features, dtype=float).tolist()) - by_mpmath(fm, X)
        entries = [abs(x) for x in difference]
        return mpmath.sqrt(mpmath.fsum(x * x for x in entries)), max(entries)


def holds(q: Quantity, value: Any) -> bool:
    """Whether a 60-digit value lies in an enclosure, its own last digits apart."""
    with mpmath.workdps(60):
        low, high = (mpmath.mpf(Fraction(x).numerator) / Fraction(x).denominator for x in (q.lower, q.upper))
        return bool(low * (1 - mpmath.mpf(10) ** -45) <= value <= high * (1 + mpmath.mpf(10) ** -45))


# -- the enclosure -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("digits", [2, 16, 30, 50])
@pytest.mark.parametrize("name", MAPS)
def test_the_enclosure_holds_the_error_that_mpmath_finds(name: str, digits: int) -> None:
    X = samples()
    fm = MAPS[name]().fit(X)
    features = fm.transform(X)
    found = feature_error(fm, X, features, digits)
    total, largest = true_error(fm, X, features)
    assert holds(found.frobenius, total)
    assert holds(found.largest, largest)
    assert (found.digits, found.rows) == (digits, len(X))
    if digits >= 30:
        assert Fraction(found.frobenius.upper) <= Fraction(found.frobenius.lower) * Fraction(1000001, 1000000)
        assert found.frobenius.bound < 1e-13
    if name == "identity":
        assert found.frobenius.upper == 0


@pytest.mark.parametrize("name", [name for name in MAPS if name != "identity"])
def test_one_entry_off_by_1e_minus_9_shows(name: str) -> None:
    X = samples()
    fm = MAPS[name]().fit(X)
    features = fm.transform(X)
    honest = feature_error(fm, X, features)
    features[4, 7] += 1e-9
    found = feature_error(fm, X, features)
    assert found.frobenius.floor == pytest.approx(1e-9, rel=1e-3)
    assert found.largest.floor == pytest.approx(1e-9, rel=1e-3)
    assert not holds(honest.frobenius, true_error(fm, X, features)[0])


@pytest.mark.parametrize("digits", [2, 8, 14, 30, 50])
@pytest.mark.parametrize("degree", [0, 1])
def test_a_projection_that_cancels_has_no_certain_sign(degree: Any, digits: int) -> None:
    fm = ArcCosineFeatures(n_features=1, degree=degree, seed=3).fit(np.eye(2))
    a, b = fm.frequencies_[0]
    X = np.array([[b, -a], [np.nextafter(b, 9), -a], [np.nextafter(b, -9), -a]])
    for features in (fm.transform(X), np.zeros((3, 1)), np.full((3, 1), 2**0.5)):
        found = feature_error(fm, X, features, digits)
        total, largest = true_error(fm, X, features)
        assert holds(found.frobenius, total)
        assert holds(found.largest, largest)


@pytest.mark.parametrize("name", ["gaussian", "relu", "laplacian-phase"])
def test_another_draw_is_far_away(name: str) -> None:
    X = samples()
    fm, other = MAPS[name]().fit(X), MAPS[name]().set_params(seed=2).fit(X)
    assert feature_error(fm, X, other.transform(X)).frobenius.floor > 0.1


def test_float32_features_are_off_by_their_own_precision() -> None:
    X = samples().astype(np.float32)
    fm = GaussianFeatures(n_features=24, dtype="input").fit(X)
    features = fm.transform(X)
    assert features.dtype == np.float32
    found = feature_error(fm, X, features)
    assert 1e-9 < found.frobenius.floor < found.frobenius.bound < 1e-6
    assert holds(found.frobenius, true_error(fm, X, features)[0])


def test_blocks_of_rows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    X = samples()
    fm = MAPS["gaussian"]().fit(X)
    features = fm.transform(X)
    whole, lines = feature_error(fm, X, features), []
    monkeypatch.setattr("muso_theory.linear.precise._BLOCK_ENTRIES", 50)
    cut = feature_error(fm, X, features, progress=lines.append)
    assert cut.frobenius.bound == pytest.approx(whole.frobenius.bound, rel=1e-12)
    assert cut.largest.bound == pytest.approx(whole.largest.bound, rel=1e-12)
    assert len(lines) == 5
    assert lines[-1].endswith("rows 9 to 9 of 9")


@pytest.mark.parametrize("digits", [1, 0, -3, 2.5, True, "30", 10**6])
def test_digits_that_mean_nothing_are_refused(digits: Any) -> None:
    X = samples()
    fm = MAPS["gaussian"]().fit(X)
    with pytest.raises(BadInputError, match="from 2 to 1000 digits"):
        feature_error(fm, X, fm.transform(X), digits)


def test_what_cannot_be_evaluated_is_refused() -> None:
    from sklearn.kernel_approximation import RBFSampler

    X = samples()
    fm = MAPS["gaussian"]().fit(X)
    features = fm.transform(X)

    class Mine(GaussianFeatures):
        """May compute anything."""

    for other in (RBFSampler(n_components=24).fit(X), Mine(n_features=24).fit(X)):
        with pytest.raises(BadInputError, match="whose formulas are known"):
            feature_error(other, X, features)
    with pytest.raises(BadInputError, match="fitted"):
        feature_error(GaussianFeatures(n_features=24), X, features)
    with pytest.raises(BadInputError, match=r"\(9, 24\)"):
        feature_error(fm, X, features[:5])
    with pytest.raises(BadInputError, match="4 columns"):
        feature_error(fm, X[:, :2], features)
    features[0, 0] = np.nan
    with pytest.raises(BadInputError, match=r"finite numbers but got features\[0, 0\]=nan"):
        feature_error(fm, X, features)


# -- what follows --------------------------------------------------------------------------------------------


def solution(features: Array, y: Array, w0: Array, dps: int = 60) -> Any:
    """w₀ + Φ⁺(y − Φw₀) by normal equations, at 60 digits."""
    with mpmath.workdps(dps):
        phi, start = mpmath.matrix(features.tolist()), mpmath.matrix(w0.tolist())
        rest = mpmath.matrix(y.tolist()) - phi * start
        columns = [rest[:, c] for c in range(rest.cols)]
        if phi.rows <= phi.cols:
            solved = [phi.T * mpmath.lu_solve(phi * phi.T, c) for c in columns]
        else:
            solved = [mpmath.lu_solve(phi.T * phi, phi.T * c) for c in columns]
        return start + mpmath.matrix([[s[i] for s in solved] for i in range(phi.cols)])


def distance(a: Any, b: Any) -> float:
    with mpmath.workdps(60):
        return float(mpmath.norm(mpmath.matrix(a) - b, 2))


SHAPES = {
    "wide": (6, 14, 2),
    "square": (9, 8, 2),
    "tall": (12, 5, 2),
    "barely tall": (9, 8, 1),
    "many columns": (5, 40, 1),
}


def perturbed(
    kind: str, size: float, seed: int, adverse: bool = False
) -> tuple[mt.UnlearningProblem, Array, FeatureError]:
    """A problem of float features, and the truth they are meant to be: an identity map of other data."""
    n, d, forget = SHAPES[kind]
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((n, d))
    y, w0 = rng.standard_normal((n, 2)), rng.standard_normal((d, 2))
    problem = mt.UnlearningProblem(features, y, list(range(n - forget, n)), w0)
    kept = features[: n - forget]
    off = rng.standard_normal((n, d))
    if adverse:  # along the weakest direction of Φ_R, and along w_r: the worst case of the bound's main term
        u, _, _ = np.linalg.svd(kept)
        w = w0 + np.linalg.pinv(kept) @ (y[: n - forget] - kept @ w0)
        _, _, v = np.linalg.svd(w.T, full_matrices=False)
        off = np.zeros((n, d))
        off[: n - forget] = np.outer(u[:, min(n - forget, d) - 1], v[0])
    sigma = float(np.linalg.svd(kept, compute_uv=False)[-1])
    truth = features - off * (size * sigma / np.linalg.norm(off))
    return problem, truth, feature_error(IdentityFeatures().fit(truth), truth, features)


def differences(problem: mt.UnlearningProblem, truth: Array) -> tuple[float, float]:
    """How far parameters and labels of the two models really are apart."""
    retain, forget, y, w0 = problem.retain, problem.forget, problem.targets, problem.w_init
    assert w0 is not None
    ours = solution(problem.features[retain], y[retain], w0)
    other = solution(truth[retain], y[retain], w0)
    with mpmath.workdps(60):
        labels = mpmath.matrix(problem.features[forget].tolist()) * ours
        return distance(other, ours), distance(mpmath.matrix(truth[forget].tolist()) * other, labels)


@pytest.mark.parametrize("size", [1e-12, 1e-6, 1e-2, 0.5, 0.9])
@pytest.mark.parametrize("kind", SHAPES)
def test_bounds_hold_the_true_differences(kind: str, size: float) -> None:
    for seed in range(3):
        for adverse in (False, True):
            problem, truth, error = perturbed(kind, size, seed, adverse)
            found = perturbation(problem, error)
            parameters, labels = differences(problem, truth)
            assert found.parameters.floor <= parameters <= found.parameters.bound
            assert found.labels.floor <= labels <= found.labels.bound
            smallest = float(np.linalg.svd(truth, compute_uv=False)[-1])
            assert found.margin.floor <= smallest * (1 + 1e-12) + 1e-12
            off = float(np.linalg.norm(problem.features - truth))
            own = float(np.linalg.svd(problem.features, compute_uv=False)[-1])
            assert found.margin.floor - 1e-12 <= own - off <= found.margin.bound + 1e-12


@pytest.mark.parametrize("kind", ["wide", "many columns", "tall"])
def test_bounds_are_nearly_reached_so_none_could_be_half_as_large(kind: str) -> None:
    ratios = []
    for seed in range(6):
        problem, truth, error = perturbed(kind, 1e-6, seed, adverse=True)
        ratios.append(differences(problem, truth)[0] / perturbation(problem, error).parameters.bound)
    assert max(ratios) <= 1
    assert max(ratios) > (0.5 if kind != "tall" else 0.3)


def judged(features: Array, truth: Array, y: Array, w0: Array, forget: list[int]) -> float:
    """The true difference of parameters over its bound; float64 proves four fifths of λ_min, so 0.8 is the best."""
    problem = mt.UnlearningProblem(features, y, forget, w0)
    found = perturbation(problem, feature_error(IdentityFeatures().fit(truth), truth, features))
    return differences(problem, truth)[0] / found.parameters.bound


def test_the_term_of_the_way_travelled_is_needed() -> None:
    """ŵ ≈ 0 although w₀ is not: all that differs comes from the row space that turns away under ŵ − w₀."""
    features = np.random.default_rng(3).standard_normal((5, 12))
    u, sigma, v = np.linalg.svd(features[:4])
    w0 = features[:4].T @ u[:, -1:]
    off = np.zeros_like(features)
    off[:4] = np.outer(u[:, -1], v[-1]) * (1e-6 * sigma[-1])
    assert 0.75 < judged(features, features - off, np.zeros((5, 1)), w0, [4]) <= 1


def test_both_terms_of_least_squares_are_needed() -> None:
    features = np.random.default_rng(4).standard_normal((9, 3))
    u, sigma, v = np.linalg.svd(features[:8])
    w0, off = np.zeros((3, 1)), np.zeros_like(features)
    y = np.zeros((9, 1))
    y[:8] = u[:, -1:]  # off the range: ŵ ≈ 0, all residual
    off[:8] = np.outer(u[:, -1], v[-1]) * (1e-6 * sigma[-1])
    assert 0.75 < judged(features, features - off, y, w0, [8]) <= 1
    y[:8] = u[:, 2:3]  # in the range: no residual, ŵ along the weakest direction
    off[:8] = np.outer(u[:, 2], v[-1]) * (1e-6 * sigma[-1])
    assert 0.75 < judged(features, features - off, y, w0, [8]) <= 1


def test_an_error_as_large_as_the_rank_allows_proves_nothing() -> None:
    problem, _, error = perturbed("wide", 3.0, 0)
    found = perturbation(problem, error)
    assert found.margin.lower < 0
    assert (found.parameters.bound, found.labels.bound) == (math.inf, math.inf)
    unknown = FeatureError(Quantity.enclosure(0.0, math.inf), error.largest, 2, 6)
    assert perturbation(problem, unknown).margin.lower == -math.inf


def test_no_error_no_difference() -> None:
    problem, _, _ = perturbed("wide", 1.0, 0)
    X = np.array(problem.features)
    found = perturbation(problem, feature_error(IdentityFeatures().fit(X), X, X))
    zero = Quantity.enclosure(0, 0)
    assert (found.parameters, found.labels) == (zero, zero)
    assert found.margin.floor > 0


def test_dependent_rows_are_left_undecided() -> None:
    problem, _, error = perturbed("wide", 1e-6, 0)
    features = np.array(problem.features)
    features[1] = features[0]
    with pytest.raises(UndecidedError):
        perturbation(mt.UnlearningProblem(features, problem.targets, [4], problem.w_init), error)


def test_exact_numbers_are_not_floats() -> None:
    error = FeatureError(Quantity.exact(0), Quantity.exact(0), 30, 2)
    thirds = np.array([[Fraction(1, 3), 0, 1], [0, 1, 1]], dtype=object)
    with pytest.raises(UndecidedError, match="not exactly float64"):
        perturbation(mt.UnlearningProblem(thirds, np.array([1, 2]), [1]), error)
