"""Every rule of the book on a few problems: right where its conditions hold, wrong somewhere, alike in both numbers."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.refutation import RIGHT, WRONG, Failure, exact_square_gap
from muso_theory.refutation.guided import worst_problems
from muso_theory.refutation.rulebook import RULEBOOK, Letters, pseudo_inverse
from muso_theory.refutation.structures import exact_array
from muso_theory.refutation.trials import Attempt, Trial, holds

Array = np.ndarray[Any, Any]


def problem(n: int, d: int, forget: list[int], outputs: int = 1, rank: int = 9, seed: int = 0) -> Any:
    """Small integers, whose rows beyond the rank are sums of others; with a start."""
    rng = np.random.default_rng(seed)
    features, shape = rng.integers(-3, 4, (n, d)), (outputs,) * (outputs > 1)
    for i in range(rank, n):
        features[i] = features[i - 1] + features[i - 2]
    targets, start = rng.integers(-4, 5, (n, *shape)), rng.integers(-2, 3, (d, *shape))
    return mt.UnlearningProblem(*map(exact_array, (features, targets)), forget, exact_array(start))


PROBLEMS = {
    "wide": problem(5, 7, [1, 3]),
    "wide, two outputs": problem(5, 6, [0, 4], outputs=2, seed=1),
    "tall": problem(6, 3, [2, 5], seed=2),
    "of low rank": problem(6, 8, [3, 5], rank=4, seed=3),
}


def in_floats(p: Any) -> mt.UnlearningProblem:
    arrays = (np.asarray(a, dtype=float) for a in (p.features, p.targets, p.w_init))
    features, targets, start = arrays
    return mt.UnlearningProblem(features, targets, p.forget, start)


def gap(name: str, p: Any) -> Fraction:
    """‖w_u − w_r‖², exactly, of what a rule gives."""
    given = RULEBOOK[name](p)
    if RULEBOOK[name].kind == "labels":
        return Fraction(exact_square_gap(p, given))
    off = given.reshape(p.n_features, -1) - Letters(p).w_r
    return sum((Fraction(x) ** 2 for x in off.ravel()), Fraction(0))


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_leaves_no_gap_wherever_its_conditions_hold(name: str) -> None:
    able = [p for p in PROBLEMS.values() if all(holds(slug, p) for slug in RIGHT[name].assuming)]
    assert len(able) >= 2
    assert [gap(name, p) for p in able] == [0] * len(able)


@pytest.mark.parametrize("name", sorted(WRONG))
def test_what_is_wrong_leaves_a_gap(name: str) -> None:
    assert gap(name, PROBLEMS["wide"]) or gap(name, PROBLEMS["of low rank"]) or gap(name, PROBLEMS["tall"])


@pytest.mark.parametrize("case", PROBLEMS)
@pytest.mark.parametrize("name", RULEBOOK)
def test_a_rule_is_the_same_in_fractions_and_in_floats(name: str, case: str) -> None:
    p = PROBLEMS[case]
    if not all(holds(slug, p) for slug in RULEBOOK[name].assuming):
        return  # a pseudo-inverse may jump there
    exact, floats = RULEBOOK[name](p), RULEBOOK[name](in_floats(p))
    assert exact.shape == floats.shape
    if name != "float32-labels":  # Fractions are rounded to it as well, elsewhere
        np.testing.assert_allclose(exact.astype(float), floats, rtol=1e-9, atol=1e-9)


def test_a_pseudo_inverse_is_the_one_of_penrose() -> None:
    for p in PROBLEMS.values():
        for a in (p.features, p.features.T, 0 * p.features):
            x = pseudo_inverse(a)
            assert np.array_equal(a @ x @ a, a)
            assert np.array_equal(x @ a @ x, x)
            assert np.array_equal((a @ x).T, a @ x)
            assert np.array_equal((x @ a).T, x @ a)


# What the words of a wrong rule say, for features of independent rows, with numpy alone.
SAID: dict[str, Callable[[Any, Array, Array, Array], Array]] = {
    "original-labels": lambda m, kernel, w_p, w_r: m.y_f,
    "zero-labels": lambda m, kernel, w_p, w_r: 0 * m.y_f,
    "retain-mean": lambda m, kernel, w_p, w_r: np.full_like(m.y_f, np.mean(m.y_r)),
    "hard-labels": lambda m, kernel, w_p, w_r: np.sign(m.phi_f @ w_r),
    "pretrained-labels": lambda m, kernel, w_p, w_r: m.phi_f @ w_p,
    "start-forgotten": lambda m, kernel, w_p, w_r: m.phi_f @ np.linalg.lstsq(m.phi_r, m.y_r, None)[0],
    "wrong-block": lambda m, kernel, w_p, w_r: m.y_f - kernel[np.ix_(m.f, m.f)]
    @ np.linalg.solve(kernel, m.y - m.phi @ m.w0)[m.f],
    "ridge-jitter": lambda m, kernel, w_p, w_r: m.phi_f @ (
        m.w0 + m.phi_r.T @ np.linalg.solve(m.phi_r @ m.phi_r.T + 1e-6 * np.eye(len(m.r)), m.y_r - m.phi_r @ m.w0)
    ),
    "half-retain": lambda m, kernel, w_p, w_r: m.phi_f @ (
        m.w0 + np.linalg.lstsq(m.phi_r[:2], m.phi_r[:2] @ (w_p - m.w0), None)[0]
    ),
    "forget-only": lambda m, kernel, w_p, w_r: w_p + np.linalg.lstsq(m.phi_f, m.phi_f @ (w_r - w_p), None)[0],
    "off-span-start": lambda m, kernel, w_p, w_r: w_r
    + (np.eye(len(m.w0)) - np.linalg.pinv(m.phi) @ m.phi)[:, :1],
    "sign-error": lambda m, kernel, w_p, w_r: m.phi_f @ (
        m.w0 + np.linalg.pinv(m.phi_r) @ m.phi_r @ (m.w0 - w_p)
    ),
    "woodbury-slip": lambda m, kernel, w_p, w_r: m.phi_f @ (
        m.w0 + m.phi_r.T @ np.linalg.solve(0.01 * (np.eye(3) + m.phi_r @ m.phi_r.T), m.phi_r @ (w_p - m.w0))
    ),
    "gradient-ascent": lambda m, kernel, w_p, w_r: w_p + m.phi_f.T @ (m.phi_f @ w_p - m.y_f) / 8,
    "dual-dropped": lambda m, kernel, w_p, w_r: m.w0
    + m.phi_r.T @ np.linalg.solve(kernel, m.y - m.phi @ m.w0)[m.r],
    "warm-retraining": lambda m, kernel, w_p, w_r: m.phi_f @ (
        w_p + np.linalg.lstsq(m.phi_r, m.y_r - m.phi_r @ w_p, None)[0]
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SAID)
def test_what_is_wrong_is_wrong_in_the_way_that_it_says(name: str) -> None:
    p = in_floats(PROBLEMS["wide"])
    m = Letters(p)
    w_p, w_r = (m.w0 + np.linalg.lstsq(a, y - a @ m.w0, None)[0] for a, y in ((m.phi, m.y), (m.phi_r, m.y_r)))
    wanted = SAID[name](m, m.phi @ m.phi.T, w_p, w_r)
    np.testing.assert_allclose(RULEBOOK[name](p), wanted[:, 0], rtol=1e-9, atol=1e-9)


# -- the guided search ---------------------------------------------------------------------------------------


def climbed(relative: Callable[[Array], float], starts: int = 4, most: int = 2000) -> tuple[list[Any], int]:
    """The problems that a search ends at for a gap of this size, and how many it asked."""
    asked = 0

    def attempt(p: mt.UnlearningProblem) -> Attempt:
        nonlocal asked
        asked += 1
        parts = [p.features, p.targets, *([] if p.w_init is None else [p.w_init])]
        size = relative(np.concatenate([part.ravel() for part in parts]).astype(float))
        if np.isnan(size):
            return Attempt(Failure.NOT_FINITE)
        return Attempt(relative=size)

    found = list(worst_problems(Trial("a hill", "labels", attempt), starts, 1, most))
    assert {word for word, _ in found} <= {"guided"}
    return [p for _, p in found], asked


def test_a_guided_search_climbs_to_the_top_and_rounds_what_it_finds() -> None:
    found, asked = climbed(lambda x: 1 / (1 + float(np.sum((x - 2.5) ** 2))))
    assert asked <= 2000
    assert len(found) == 4 * 5
    for i, p in enumerate(found):
        n, d, forget, start = ((3, 3, 1, False), (2, 2, 1, True), (4, 5, 2, True), (4, 2, 1, False))[i // 5]
        assert (p.n_samples, p.n_features, p.w_init is not None) == (n, d, start)
        assert p.forget.tolist() == list(range(n - forget, n))
        grid = (1, 2, 8, 64, 1024)[i % 5]
        entries = [*p.features.ravel(), *p.targets.ravel(), *(p.w_init if start else [])]
        assert all((Fraction(x) * grid).denominator == 1 for x in entries)
        assert max(abs(float(x) - 2.5) for x in entries) <= (0.3 if i // 5 != 2 else 5) + 0.5 / grid
    assert climbed(lambda x: 0.0, starts=0) == climbed(lambda x: 0.0, most=20) == ([], 0)


def test_a_guided_search_stays_within_its_bounds_and_goes_where_a_rule_misbehaves() -> None:
    far, _ = climbed(lambda x: float(np.sum(np.abs(x))), starts=2)
    assert all(max(abs(x) for x in p.features.ravel()) <= 64 for p in far)
    assert all(min(abs(x) for x in p.features.ravel()) >= 60 for p in far[:5])
    # Where the gap is largest the rule gives no numbers, which is worse than any gap: the search goes on into it.
    broken, _ = climbed(lambda x: np.nan if x[0] > 30 else 60 + float(x[0]), starts=1)
    assert broken[-1].features[0, 0] > 30


def test_a_guided_search_starts_anywhere_near_zero_by_its_seed() -> None:
    def first(seed: int) -> list[float]:
        asked: list[Array] = []

        def attempt(p: mt.UnlearningProblem) -> Attempt:
            asked.append(np.concatenate([p.features.ravel(), p.targets.ravel()]).astype(float))
            return Attempt()

        next(worst_problems(Trial("flat", "labels", attempt), 1, seed, 100))
        return asked[0].tolist()

    starts = [first(seed) for seed in range(8)]
    assert starts == [first(seed) for seed in range(8)]
    entries = [x for start in starts for x in start]
    assert {round(x) for x in entries} == set(range(-3, 4))
    assert max(abs(x - round(x)) for x in entries) <= 0.25
    assert len(set(entries)) > 80
