"""Many samples of many classes: what has a number for each sample and class is gone over a span of rows at a time."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

import muso_theory as mt
from muso_theory import arrays
from muso_theory.linear import certified_verbs
from muso_theory.linear.certified import CertifiedForms
from muso_theory.linear.model import Model
from muso_theory.numbers import primal, spans
from muso_theory.rows import Above, OneHot, no_class

CLAIMS = ["interpolates-retain", "interpolable-retain", "sequential-requests", "ridge-block-out"]
MORE = ["influence", "label-correction", "membership"]


def problem(n: int, width: int, classes: int, seed: int = 0) -> mt.UnlearningProblem:
    rng = np.random.default_rng(seed)
    codes = OneHot(rng.integers(0, classes, n), classes)
    return mt.UnlearningProblem(rng.standard_normal((n, width)), codes, rng.permutation(n)[:9])


@pytest.fixture
def by_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spans of 256 rows, of labels of which there are always too many."""
    monkeypatch.setattr(spans, "SPAN_BYTES", 1)
    monkeypatch.setattr(primal, "_MOST_AT_ONCE", 1)
    monkeypatch.setattr(certified_verbs, "_MOST_KEPT", 1)


def numbers(given: mt.UnlearningProblem) -> list[Any]:
    """What goes by spans, and what it is of labels of no class beside."""
    model = CertifiedForms(given)
    d = model.given(np.random.default_rng(3).standard_normal((9, given.n_outputs)))
    targets = model.targets(model.retain)
    return [
        model.residual_norm(model.retain, targets),
        model.residual_norm(model.retain, targets, model.retrained),
        model.residual_norm(model.retain, targets, model.start),
        model.image_distance(model.retain, model.pretrained, model.retrained),
        model.distance(model.pushed(model.pretrained, d), model.start),
        model.distance(model.pushed(model.retrained, d, 0.5), model.retrained),
    ]


def test_spans_enclose_what_arrays_do(monkeypatch: pytest.MonkeyPatch) -> None:
    known = numbers(problem(700, 6, 5))
    monkeypatch.setattr(spans, "SPAN_BYTES", 1)
    monkeypatch.setattr(primal, "_MOST_AT_ONCE", 1)
    monkeypatch.setattr(spans, "COLUMNS_AT_ONCE", 3)
    found, other = numbers(problem(700, 6, 5)), numbers(problem(700, 6, 5, seed=1))
    for mine, theirs in zip(found, known, strict=True):
        assert mine.lower <= theirs.upper
        assert theirs.lower <= mine.upper
        assert float(mine.upper - mine.lower) < 1e-9 * float(mine.upper)
    # Another problem's numbers lie elsewhere, but for the size of its classes.
    assert not any(
        a.lower <= b.upper and b.lower <= a.upper for a, b in zip(found[1:2], other[1:2], strict=True)
    )
    assert sum(a.lower <= b.upper and b.lower <= a.upper for a, b in zip(found, other, strict=True)) <= 2


def test_they_are_those_of_numpy(by_spans: None) -> None:
    given = problem(700, 6, 5)
    phi, y = given.features[given.retain], np.asarray(given.targets)[given.retain]
    w_r, w_p = (
        np.linalg.lstsq(a, b, rcond=None)[0]
        for a, b in ((phi, y), (given.features, np.asarray(given.targets)))
    )
    d = np.random.default_rng(3).standard_normal((9, 5))
    right, curvature = given.features[given.forget].T @ d, given.features.T @ given.features
    wanted = [
        np.linalg.norm(y),
        np.linalg.norm(y - phi @ w_r),
        np.linalg.norm(y),
        np.linalg.norm(phi @ (w_p - w_r)),
        np.linalg.norm(w_p + np.linalg.solve(curvature, right)),
        np.linalg.norm(np.linalg.solve(curvature + 0.5 * np.eye(6), right)),
    ]
    assert [float(q.upper) for q in numbers(given)] == pytest.approx(wanted, rel=1e-9)


def test_claims_have_the_verdicts_of_arrays(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    plain = mt.check(problem(700, 6, 5), [*CLAIMS, *MORE])
    request.getfixturevalue("by_spans")
    report = mt.check(problem(700, 6, 5), [*CLAIMS, *MORE])
    assert [(r.name, r.verdict) for r in report.evidence.values()] == [
        (r.name, r.verdict) for r in plain.evidence.values()
    ]


def peak(claims: list[str], n: int = 6000) -> float:
    """Memory of a check, in arrays of a float for each sample and class."""
    given = problem(n, 6, 60)
    tracemalloc.start()
    mt.check(given, claims)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most / (8 * given.n_samples * given.n_outputs)


@pytest.mark.usefixtures("by_spans")
def test_no_claim_has_a_float_for_each_sample_and_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "_BLOCK_BYTES", 1 << 19)
    mt.check(problem(100, 6, 5), [*CLAIMS, *MORE])  # what is imported is no array
    for claim in ("interpolates-retain", "influence", "membership"):
        # A span has some twenty arrays of 256 rows.
        assert peak([claim]) < 2, claim
    monkeypatch.setattr(CertifiedForms, "residual_norm", Model.residual_norm)
    assert peak(["interpolates-retain"], 3000) > 8  # what is measured shows where there are such arrays


def test_labels_in_another_order_stay_apart() -> None:
    rows = Above([OneHot([0, 1, 2], 3), np.ones((2, 3))])
    order = np.array([1, 3, 4, 0, 2])
    moved = rows.reordered(order)
    assert isinstance(moved, Above)
    assert [type(part) for part in moved.parts] == [OneHot, np.ndarray, OneHot]
    assert np.array_equal(moved[:], rows[:][order])
    assert not np.array_equal(moved[:], rows[:])
    torn = Above([no_class(100, 1), np.ones((100, 1))]).reordered(np.arange(200).reshape(2, 100).T.ravel())
    assert isinstance(torn, np.ndarray)
    assert torn[:4, 0].tolist() == [0, 1, 0, 1]
