"""The published network algorithm, against a naive twin and against what its formulas are exactly."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import sympy

from muso_theory.errors import BadInputError
from muso_theory.methods import AlternatingResult, Convergence, Epoch, Published, published_head
from muso_theory.methods.projector import row_projector
from muso_theory.methods.published import streamed_subset
from muso_theory.networks import NetworkProblem, Recipe, mlp
from muso_theory.networks.training import DivergedError
from muso_theory.streams import PUBLISHED

WIDTH = 7


def problem_of(dtype: type = np.float64, seed: int = 0) -> NetworkProblem:
    """Three clouds of points, one of which is to be forgotten."""
    rng = np.random.default_rng(seed)
    y = np.arange(48) % 3
    X = (np.eye(3, 5)[y] * 2 + 0.7 * rng.standard_normal((48, 5))).astype(dtype)
    recipe = Recipe(epochs=60, learning_rate=1e-2)
    return NetworkProblem.pretrain(mlp([5, WIDTH, 3], "tanh"), X, y, forget=y == 2, recipe=recipe, seed=seed)


# -- the twin ------------------------------------------------------------------------------------------------


def twin(problem: NetworkProblem, method: Published) -> tuple[list[np.ndarray], np.ndarray]:
    """The published loop for one hidden layer of tanh, by hand; of the switches it knows the precision alone."""
    X, y, F, R = problem.X, problem.targets.copy(), problem.forget, problem.retain
    head_of = [np.vstack([w[2], w[3]]) for w in (problem.start, problem.pretrained)]
    stream, batches = np.random.default_rng((method.seed, PUBLISHED)), np.random.default_rng(method.seed)
    w, size = [a.copy() for a in problem.pretrained], int(method.subset * len(R))

    def features(w: list[np.ndarray], X: np.ndarray) -> np.ndarray:
        return np.hstack([np.tanh(X @ w[0] + w[1]), np.ones((len(X), 1))])

    Zp, m, v, t = features(problem.pretrained, X), [0 * a for a in w], [0 * a for a in w], 0
    total = method.epochs * math.ceil(len(X) / method.batch_size)
    for epoch in range(method.epochs):
        phase = math.pi * max(0, epoch - 1) / (method.epochs - 1)
        eps = method.ridge[0] + (method.ridge[1] - method.ridge[0]) * (1 - math.cos(phase)) / 2
        order, kept = stream.permutation(len(R)), []
        for first in range(0, len(R), method.batch_size):
            kept += order[first : first + method.batch_size].tolist()
            if len(kept) > 2 * size:
                kept = [kept[i] for i in stream.permutation(len(kept))[:size]]
        Z = features(w, X[R[kept]]).astype(method.precision)
        n, d = Z.shape
        A = np.linalg.inv(np.eye(n, dtype=Z.dtype) * Z.dtype.type(eps))
        B = np.linalg.inv(np.eye(d, dtype=Z.dtype) * Z.dtype.type(eps))
        P = Z.T @ (A - A @ Z @ np.linalg.inv(B + Z.T @ A @ Z) @ Z.T @ A) @ Z
        head = head_of[0] + P.astype(X.dtype) @ (head_of[1] - head_of[0])
        visits = batches.permutation(len(X))
        for first in range(0, len(X), method.batch_size):
            rows = visits[first : first + method.batch_size]
            for i in rows[np.isin(rows, F)]:
                Zt = features(w, X[[i]])
                label = Zt @ head + (Zt - Zp[[i]]) @ head_of[1]
                y[i] = np.eye(3)[label.argmax()]
            H = np.tanh(X[rows] @ w[0] + w[1])
            out = H @ w[2] + w[3]
            soft = np.exp(out - out.max(axis=1, keepdims=True))
            error = (soft / soft.sum(axis=1, keepdims=True) - y[rows]) / len(rows)
            back = (error @ w[2].T) * (1 - H**2)
            gradient = [X[rows].T @ back, back.sum(axis=0), H.T @ error, error.sum(axis=0)]
            rate, t = method.learning_rate * (1 + math.cos(math.pi * t / total)) / 2, t + 1
            m = [0.9 * a + 0.1 * g for a, g in zip(m, gradient, strict=True)]
            v = [0.999 * a + 0.001 * g**2 for a, g in zip(v, gradient, strict=True)]
            w = [
                p - rate * (a / (1 - 0.9**t)) / (np.sqrt(b / (1 - 0.999**t)) + 1e-8)
                for p, a, b in zip(w, m, v, strict=True)
            ]
    return w, y[F]


SETTINGS: dict[str, Any] = {"ridge": (1e-2, 0.1), "subset": 0.3, "batch_size": 8, "learning_rate": 1e-3}


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_it_agrees_with_a_naive_twin(precision: Any) -> None:
    problem = problem_of()
    method = Published.of("class", precision=precision, **SETTINGS)
    params, labels = twin(problem, method)
    found = method.run(problem)
    assert isinstance(found, AlternatingResult)
    assert all(isinstance(entry, Epoch) for entry in found.history)
    assert [entry.ridge for entry in found.history] == [method.ridge_at(epoch) for epoch in range(5)]
    assert found.history[-1].relabelled == np.mean(labels.argmax(axis=1) != 2)
    assert all(0 <= entry.label_change <= math.sqrt(2) + 1e-9 for entry in found.history)
    assert all(0 < entry.parameter_change < 1 for entry in found.history)
    np.testing.assert_array_equal(found.labels, labels)
    for a, b in zip(found.params, params, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-9)
    assert problem.distance(found.params, problem.pretrained) > 1e-3


SWITCHES: dict[str, dict[str, Any]] = {
    "revision": {"revision": "2024-10"},
    "head": {"head": "current"},
    "feature shift": {"feature_shift": False},
    "labels": {"labels": "soft"},
    "relabel": {"relabel": "epoch"},
    "sampling": {"sampling": "uniform"},
    "lag": {"ridge_lag": 0},
    "schedule": {"schedule": "constant"},
    "optimizer": {"optimizer": "gd"},
    "intended": {"revision": "intended"},
    "projector": {"revision": "projector"},
}


@pytest.mark.parametrize("name", SWITCHES)
def test_each_switch_makes_it_another_algorithm(name: str) -> None:
    problem = problem_of()
    usual = Published.of("class", precision="float64", labels="soft", **SETTINGS)
    change = {"labels": "hard"} if name == "labels" else SWITCHES[name]
    assert problem.distance(usual(problem), replace(usual, **change)(problem)) > 1e-8
    assert problem.distance(usual(problem), usual(problem)) == 0


def test_the_settings_of_random_forgetting() -> None:
    problem = problem_of(np.float32)
    method = Published.of("random")
    assert (method.epochs, method.optimizer, method.schedule) == (2, "adam", "constant")
    assert all(array.dtype == np.float32 for array in method(problem))


# -- what the formulas are -------------------------------------------------------------------------------------


def heads(n: int = 12, m: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, m)), rng.standard_normal((m, 2)), rng.standard_normal((m, 2))


@pytest.mark.parametrize("n", [3, 12])
def test_the_revisions_in_exact_terms(n: int) -> None:
    Z, start, w = heads(n)
    eps, moved = 1e-2, w - start

    def head(revision: Any, **more: Any) -> np.ndarray:
        return published_head(Z, start, w, ridge=eps, revision=revision, precision="float64", **more)

    first = start + row_projector(Z, ridge=eps, form="woodbury") @ moved
    np.testing.assert_allclose(head("2024-10"), first, atol=1e-9)
    np.testing.assert_allclose(head("projector"), first, atol=1e-9)
    second = start + row_projector(Z, ridge=eps, form="published") @ moved
    np.testing.assert_allclose(head("2025-02"), second, rtol=1e-7)
    assert np.linalg.norm(second - first) > 10 * np.linalg.norm(first)  # the control: no projector
    # With frozen features the intention of the first revision is the first revision.
    np.testing.assert_allclose(head("intended", Z_pretrained=Z), first, atol=1e-9)
    assert np.linalg.norm(head("intended", Z_pretrained=2 * Z) - first) > 0.1


@pytest.mark.parametrize("n", [3, 12])
@pytest.mark.parametrize("revision", ["2024-10", "2025-02", "intended", "projector"])
def test_at_fifty_digits_a_head_is_what_its_formula_is_in_rationals(n: int, revision: Any) -> None:
    Z, start, w = heads(n)
    old = Z + 0.5 if revision == "intended" else None
    made = published_head(Z, start, w, ridge=1e-9, revision=revision, precision="50 digits", Z_pretrained=old)
    # In other terms than the code: the published inverses of n × n, over the rationals.
    eps = sympy.Rational(1e-9)
    exact, zero, trained = (sympy.Matrix(a.tolist()).applyfunc(sympy.Rational) for a in (Z, start, w))
    scale = eps if revision == "2025-02" else sympy.Integer(1)
    inner = (eps * sympy.eye(n) + scale * exact * exact.T).inv()
    wanted = exact * (trained - zero)
    if old is not None:
        wanted = sympy.Matrix(old.tolist()).applyfunc(sympy.Rational) * trained - exact * zero
    slow = np.array((zero + exact.T * inner * wanted).evalf(30), dtype=float)
    np.testing.assert_array_equal(made, slow)  # rounded once
    if (revision, n) == ("2024-10", 12):  # the control: ZZᵀ is singular, and float32 loses all digits
        floats = published_head(Z, start, w, ridge=1e-9, revision="2024-10", precision="float32")
        assert np.abs(floats - slow).max() > 1e-3 * np.abs(slow).max()


def test_with_frozen_features_its_labels_tend_to_the_label_free_ones() -> None:
    Z, start, w = heads(3)
    limit = start + np.linalg.pinv(Z) @ Z @ (w - start)
    off = [
        np.linalg.norm(published_head(Z, start, w, ridge=e, revision="2024-10", precision="float64") - limit)
        for e in (1e-2, 1e-4, 1e-6)
    ]
    assert off[0] > 50 * off[1] > 2500 * off[2]


def test_single_precision_loses_the_inverse_where_double_keeps_it() -> None:
    # ‖ZZᵀ‖ u of single precision is far above ε, and ZZᵀ is singular.
    Z, start, w = heads(200, 20)
    exact = published_head(Z, start, w, ridge=1e-6, revision="projector", precision="float64")

    def off(precision: Any, ridge: float) -> float:
        made = published_head(Z, start, w, ridge=ridge, revision="2024-10", precision=precision)
        return float(np.linalg.norm(made - exact))

    assert off("float64", 1e-6) < 1e-3
    assert off("float32", 1e-6) > 0.05
    assert off("float32", 10.0) < off("float32", 1e-6)


def test_the_stream_favours_late_samples() -> None:
    rng, n, size, batch = np.random.default_rng(0), 400, 80, 16
    late = early = 0
    for _ in range(100):
        # Which came first is hidden in the order that the stream draws; drawn again here.
        state = rng.bit_generator.state
        order = rng.permutation(n)
        rng.bit_generator.state = state
        kept = np.isin(order, streamed_subset(n, size, batch, rng))
        early, late = early + int(kept[:100].sum()), late + int(kept[-40:].sum())
    assert late / 40 > 2 * early / 100


# -- what is refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"revision": "projector"}, "float64"),
        ({"revision": "intended", "head": "current"}, "pretrained head"),
        ({"ridge": (0.0, 1e-2)}, "two positive ridges"),
        ({"subset": 0.0}, "fraction in"),
        ({"epochs": 0}, "epochs"),
        ({"batch_size": 0}, "batch_size"),
        ({"ridge_lag": -1}, "ridge_lag"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInputError, match=words):
        Published(**settings)


def test_problems_that_it_cannot_unlearn_are_refused() -> None:
    problem = problem_of()
    with pytest.raises(BadInputError, match="subset of at least one sample"):
        Published(subset=0.01).run(problem)
    one = NetworkProblem.pretrain(
        mlp([5, 3, 1], "tanh"), problem.X, problem.X[:, :1], forget=[0], recipe=Recipe("squared", epochs=1)
    )
    with pytest.raises(BadInputError, match="at least two outputs"):
        Published().run(one)
    wild = Published.of("class", optimizer="gd", learning_rate=1e30, schedule="constant")
    assert wild.run(problem).convergence is Convergence.DIVERGED
    with pytest.raises(DivergedError, match="diverged in epoch 1"):
        wild(problem)
    with pytest.raises(BadInputError, match="NetworkProblem"):
        Published()(problem_linear())


def problem_linear() -> Any:
    import muso_theory as mt

    return mt.UnlearningProblem(np.eye(3), np.ones(3), [1])


@pytest.mark.parametrize("change", [{"ridge": 0.0}, {"revision": "intended"}, {"Z_pretrained": np.eye(2)}])
def test_heads_that_cannot_be_formed_are_refused(change: dict[str, Any]) -> None:
    settings: dict[str, Any] = {"ridge": 1e-2, **change}
    with pytest.raises(BadInputError):
        published_head(np.eye(2), np.zeros((2, 1)), np.ones((2, 1)), **settings)
    assert published_head(np.eye(2), np.zeros((2, 1)), np.ones((2, 1)), ridge=1e-2).shape == (2, 1)


@pytest.mark.parametrize("shape", [(3, 2), (1, 2), (2, 3), (2, 1), (0, 2), (2, 0)])
def test_a_head_is_of_the_shape_of_its_start_and_its_features(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    rows, right, other = rng.standard_normal((4, 2)), rng.standard_normal((2, 2)), np.ones(shape)
    assert published_head(rows, 0 * right, right, ridge=0.1, precision="float64").shape == (2, 2)
    for start, trained in ((other, right), (right, other)):
        with pytest.raises(BadInputError, match=r"\(s, m\), \(m, k\) and \(m, k\)"):
            published_head(rows, start, trained, ridge=0.1, precision="float64")
    for wrong in (rows[:0], rows[:, :1], np.ones((4, 3))):
        with pytest.raises(BadInputError, match=r"\(s, m\), \(m, k\) and \(m, k\)"):
            published_head(wrong, 0 * right, right, ridge=0.1, precision="float64")
