"""Problems whose shape, rank and conditioning are known before any solver runs: built from their SVD."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from muso_theory import UnlearningProblem


def from_svd(rng: np.random.Generator, n: int, d: int, singular_values: np.ndarray) -> np.ndarray:
    """An n × d matrix with exactly these singular values, up to rounding."""
    k = len(singular_values)
    left = np.linalg.qr(rng.standard_normal((n, k)))[0]
    right = np.linalg.qr(rng.standard_normal((d, k)))[0]
    return (left * singular_values) @ right.T


def with_condition(n: int, d: int, kappa_of_gram: float, seed: int = 0, forget: int = 3) -> UnlearningProblem:
    """A full-rank problem with κ(K) as given."""
    rng = np.random.default_rng(seed)
    values = np.logspace(0, -0.5 * np.log10(kappa_of_gram), min(n, d))
    features = from_svd(rng, n, d, values)
    return UnlearningProblem(
        features, rng.standard_normal(n), rng.permutation(n)[:forget], rng.standard_normal(d)
    )


def _plain(n: int, d: int, seed: int, forget: int = 3, outputs: int | None = None) -> UnlearningProblem:
    rng = np.random.default_rng(seed)
    shape = (n,) if outputs is None else (n, outputs)
    start = (d,) if outputs is None else (d, outputs)
    return UnlearningProblem(
        rng.standard_normal((n, d)),
        rng.standard_normal(shape),
        rng.permutation(n)[:forget],
        rng.standard_normal(start),
    )


def _exactly_low_rank(rng: np.random.Generator, n: int, d: int, rank: int) -> np.ndarray:
    """Products of small integers: the rank is exact, not only numerical."""
    return (rng.integers(-2, 3, (n, rank)) @ rng.integers(-2, 3, (rank, d))).astype(float)


def _deficient() -> UnlearningProblem:
    rng = np.random.default_rng(4)
    features = _exactly_low_rank(rng, 9, 12, 4)
    return UnlearningProblem(features, rng.standard_normal(9), [1, 5], rng.standard_normal(12))


def _duplicated_across() -> UnlearningProblem:
    """A forget row that is also a retain row, with another target: inconsistent and singular."""
    rng = np.random.default_rng(5)
    features = rng.standard_normal((8, 20))
    features[6] = features[0]
    return UnlearningProblem(features, rng.standard_normal(8), [6, 7], rng.standard_normal(20))


def _duplicated_forget() -> UnlearningProblem:
    rng = np.random.default_rng(6)
    features = rng.standard_normal((8, 20))
    features[7] = features[6]
    return UnlearningProblem(features, rng.standard_normal(8), [6, 7], rng.standard_normal(20))


def _tall_deficient() -> UnlearningProblem:
    rng = np.random.default_rng(7)
    features = _exactly_low_rank(rng, 15, 6, 3)
    return UnlearningProblem(features, rng.standard_normal(15), [0, 3, 4], rng.standard_normal(6))


def _integer() -> UnlearningProblem:
    rng = np.random.default_rng(8)
    return UnlearningProblem(
        rng.integers(-3, 4, (6, 9)), rng.integers(-2, 3, 6), [2, 4], rng.integers(-2, 3, 9)
    )


def _float32() -> UnlearningProblem:
    problem = _plain(10, 30, 9)
    return UnlearningProblem(
        problem.features.astype(np.float32), problem.targets, problem.forget, problem.w_init
    )


ZOO: dict[str, Callable[[], UnlearningProblem]] = {
    "over-parameterised": lambda: _plain(10, 40, 0),
    "under-parameterised": lambda: _plain(40, 7, 1, forget=9),
    "square": lambda: with_condition(8, 8, 100.0, seed=2),
    "rank-deficient": _deficient,
    "tall-deficient": _tall_deficient,
    "duplicated-across": _duplicated_across,
    "duplicated-forget": _duplicated_forget,
    "one-forget": lambda: _plain(6, 10, 3, forget=1),
    "one-retain": lambda: _plain(5, 10, 3, forget=4),
    "one-feature": lambda: _plain(5, 1, 10, forget=2),
    "two-samples": lambda: _plain(2, 3, 11, forget=1),
    "several-outputs": lambda: _plain(12, 25, 12, outputs=3),
    "several-outputs-tall": lambda: _plain(25, 6, 13, outputs=2),
    "integer": _integer,
    "float32": _float32,
    "ill-conditioned": lambda: with_condition(12, 20, 1e8, seed=14),
}

FULL_RANK = (
    "over-parameterised",
    "square",
    "one-forget",
    "one-retain",
    "two-samples",
    "several-outputs",
    "float32",
    "ill-conditioned",
)
"""Members whose K is invertible."""
