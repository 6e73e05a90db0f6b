"""Rows that are made when they are asked for: classes as codes, spans of rows, and how much of them is in memory."""

from __future__ import annotations

import copy
import pickle
import tracemalloc
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import muso_theory as mt
from muso_theory import arrays
from muso_theory.linear.certified import CertifiedForms
from muso_theory.numbers import RATIONAL, accurate, spans
from muso_theory.numbers.accurate import Accurate, accurate_product, plain_product, residual_pair
from muso_theory.numbers.gram import blocked_gram
from muso_theory.numbers.gramcheck import spot_check_curvature
from muso_theory.numbers.rounding import gamma
from muso_theory.rows import Above, OneHot, taken, times_labels


@pytest.fixture
def small_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spans of 256 rows."""
    monkeypatch.setattr(spans, "SPAN_BYTES", 1)


def classes(n: int, width: int, columns: int, seed: int = 0) -> tuple[Any, Any, Any]:
    """Features, codes and a forget set that are independent."""
    rng = np.random.default_rng(seed)
    return (
        rng.standard_normal((n, width)),
        rng.integers(0, columns, n),
        np.sort(rng.choice(n, n // 20, replace=False)),
    )


def test_codes_give_the_rows_of_the_array() -> None:
    codes = np.array([2, 0, -1, 1, 2])
    dense = np.vstack([np.eye(3), np.zeros(3)])[codes]
    hot = OneHot(codes, 3)
    for key in (
        slice(None),
        slice(1, 4),
        [4, 0],
        3,
        (slice(1, 3), 2),
        np.array([True, False, True, False, False]),
    ):
        assert np.array_equal(hot[key], dense[key])
    assert np.array_equal(np.asarray(hot), dense)
    assert np.array_equal(hot - 1, dense - 1)
    assert (hot == dense).all()
    assert hot.argmax(axis=1).tolist() == dense.argmax(axis=1).tolist()
    assert hot.reshape(5, -1) is hot
    assert hot.reshape(-1).shape == (15,)
    assert taken(hot, [1, 0]).codes.tolist() == [0, 2]
    both = Above([hot, 2 * dense])
    assert np.array_equal(both[[7, 1, 9]], np.vstack([dense, 2 * dense])[[7, 1, 9]])
    assert both.key != Above([hot, dense]).key
    assert hot.key == copy.copy(hot).key != OneHot(codes, 4).key
    with pytest.raises(AttributeError):
        hot.chunks  # noqa: B018


def test_rows_that_are_taken_are_those_of_the_array_however_deep_it_is() -> None:
    rng = np.random.default_rng(0)
    hot = [OneHot(rng.integers(-1, 4, n), 4) for n in (3, 1, 5)]
    dense = rng.standard_normal((2, 4))
    whole = Above([hot[0], Above([hot[1], dense]), hot[2]])
    array = np.asarray(whole)
    assert np.array_equal(array, np.vstack([*map(np.asarray, hot[:2]), dense, np.asarray(hot[2])]))
    for start in range(len(array)):
        for stop in range(start + 1, len(array) + 1):
            assert np.array_equal(whole[start:stop], array[start:stop])
            for index in (
                np.arange(start, stop),
                np.arange(start, stop)[::-1],
                np.array([start, stop - 1, start]),
            ):
                found = taken(whole, index)
                assert np.array_equal(np.asarray(found), array[index])
                # As compact as the part it is from.
                inside = [(0, 3), (3, 4), (6, 11)]
                is_hot = any(a <= index.min() and index.max() < b for a, b in inside)
                assert isinstance(found, OneHot) is is_hot


@pytest.mark.parametrize(
    ("codes", "columns", "words"),
    [
        ([0, 3], 3, r"codes\[1\]=3"),
        ([0, -2], 3, r"codes\[1\]=-2"),
        ([0.5], 3, "float64"),
        ([0], 0, "columns=0"),
    ],
)
def test_codes_of_no_class_are_refused(codes: Any, columns: int, words: str) -> None:
    with pytest.raises(mt.BadInputError, match=words):
        OneHot(codes, columns)


def test_sums_by_class_are_products_with_the_labels() -> None:
    X, codes, _ = classes(50, 4, 6)
    codes[:3] = -1
    both = Above([OneHot(codes[:30], 6), np.random.default_rng(1).standard_normal((20, 6))])
    np.testing.assert_allclose(times_labels(X, both), X.T @ np.asarray(both), rtol=1e-12, atol=1e-12)
    swapped = Above([OneHot(np.roll(codes[:30], 1), 6), both.parts[1]])
    assert np.abs(times_labels(X, swapped) - X.T @ np.asarray(both)).max() > 0.1


@pytest.mark.parametrize("exponent", [0, -480])
def test_a_gradient_of_spans_is_off_by_no_more_than_its_bound(small_spans: None, exponent: int) -> None:
    X, codes, _ = classes(600, 3, 4)
    X = np.ldexp(X, exponent)
    index = np.random.default_rng(2).permutation(600)[:530]
    labels, w = OneHot(codes, 4).taken(index), np.random.default_rng(3).standard_normal((3, 4))
    exact = [RATIONAL.matrix(part) for part in (X[index], np.asarray(labels), w)]
    product = RATIONAL.matmul(exact[0], exact[2])
    truth = RATIONAL.matmul(RATIONAL.transpose(exact[0]), RATIONAL.sub(exact[1], product))
    size = Fraction(RATIONAL.square_norm(exact[0]).upper)

    def off(found: Accurate) -> Fraction:
        value = RATIONAL.add(RATIONAL.matrix(found.high), RATIONAL.matrix(found.low))
        return Fraction(RATIONAL.square_norm(RATIONAL.sub(value, truth)).upper)

    def bound(found: Accurate, slack: Fraction) -> Fraction:
        own = Fraction(RATIONAL.square_norm(RATIONAL.matrix(found.error)).upper)
        return 2 * (own + size * slack**2)

    found, slack = spans.gradient(X, index, labels, w)
    assert off(found) <= bound(found, slack)
    # The digits of a point may be in two arrays.
    nearest = w.astype(np.float32).astype(np.float64)
    split, lost = spans.gradient(X, index, labels, nearest, low=w - nearest)
    assert off(split) <= bound(split, lost)
    if not exponent:  # beside rows of 2^-480 the labels are all there is
        assert off(spans.gradient(X, index, labels, nearest)[0]) > bound(split, lost)
    # A residual of plain floats is off by more than that.
    plain = X[index].T @ (np.asarray(labels) - X[index] @ w)
    assert off(Accurate(plain, np.zeros_like(plain), found.error)) > bound(found, slack)


def test_spans_are_added_in_their_order(small_spans: None) -> None:
    X, codes, _ = classes(1100, 5, 3)
    labels, w = OneHot(codes, 3), np.ones((5, 3))
    index = np.arange(1100)

    def late(work: Any, parts: Any, count: int) -> Any:
        """Every part by itself, the last one first, as workers may do it."""
        assert count == 5
        return reversed([work(pickle.loads(pickle.dumps(part))) for part in list(parts)[::-1]])

    assert (spans.curvature(X, index, late) == spans.curvature(X, index)).all()
    one, other = spans.gradient(X, index, labels, w, late), spans.gradient(X, index, labels, w)
    for name in ("high", "low", "error"):
        assert (getattr(one[0], name) == getattr(other[0], name)).all()
    assert one[1] == other[1]
    # Another order of the rows is none.
    way = np.random.default_rng(0).permutation(1100)
    turned = spans.gradient(X, index[way], labels.taken(way), w)
    assert (turned[0].high == other[0].high).all()


def test_a_span_is_what_the_whole_is(small_spans: None) -> None:
    X = np.random.default_rng(0).standard_normal((700, 4)).astype(np.float32)
    index = np.arange(5, 700)
    # The sums of 256 rows are the same, and are added from the left.
    assert (spans.curvature(X, index) == blocked_gram(X[index].T)).all()
    spot_check_curvature(X, spans.curvature(X, np.arange(700)))
    with pytest.raises(mt.BadInputError, match="its row"):
        spot_check_curvature(X, spans.curvature(X, np.arange(699)))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_classes_as_codes_have_the_report_of_the_array(small_spans: None, dtype: Any) -> None:
    X, codes, forget = classes(900, 6, 5)
    X = X.astype(dtype)
    dense = mt.UnlearningProblem(X, np.eye(5)[codes], forget)
    compact = mt.UnlearningProblem(X, OneHot(codes, 5), forget)
    assert compact.sha256 == dense.sha256
    claims = ["exact-labels", "label-solution-set", "gap-formula", "implicit-bias"]
    labels = np.zeros((len(forget), 5))
    one, other = (mt.check(p, claims, labels=labels) for p in (compact, dense))
    assert [row.name for row in one.evidence.values()] == [row.name for row in other.evidence.values()]
    for mine, theirs in zip(one.evidence.values(), other.evidence.values(), strict=True):
        assert mine.verdict is theirs.verdict
    assert one["exact-labels"].verdict is mt.Verdict.REFUTED
    assert mt.check(compact, ["exact-labels"])["exact-labels"].verdict is mt.Verdict.CERTIFIED
    solutions = mt.solve(compact), mt.solve(dense)
    for name in ("w_pretrained", "w_retrained", "forget_labels", "w_unlearned"):
        mine, theirs = (getattr(found, name) for found in solutions)
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-12)
    keep = np.delete(np.arange(900), forget)
    truth = np.linalg.lstsq(X[keep].astype(float), np.eye(5)[codes[keep]], rcond=None)[0]
    assert np.abs(CertifiedForms(compact).retrained.parameters - truth).max() < 1e-12


def test_from_data_keeps_many_classes_as_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    X, codes, forget = classes(60, 4, 5)
    dense = mt.UnlearningProblem.from_data(X, codes, forget=forget)
    assert isinstance(dense.targets, np.ndarray)
    monkeypatch.setattr("muso_theory.targets.MANY_ENTRIES", 300)
    compact = mt.UnlearningProblem.from_data(X, codes, forget=forget)
    assert isinstance(compact.targets, OneHot)
    assert compact.targets.dtype == dense.targets.dtype == np.int64
    assert compact.sha256 == dense.sha256
    words = np.array(["cat", "dog", "emu", "fox", "gnu"])[codes]
    assert (mt.UnlearningProblem.from_data(X, words, forget=forget).targets == dense.targets).all()


def peak_of_check(n: int, columns: int, claim: str, *, compact: bool) -> int:
    """Bytes at the peak of a check with so many classes."""
    X, codes, forget = classes(n, 8, columns)
    tracemalloc.start()
    try:
        targets: Any = OneHot(codes, columns) if compact else np.eye(columns)[codes]
        report = mt.check(mt.UnlearningProblem(X, targets, forget[:20]), [claim], budget=1e3)
        # Random classes are fitted by no model, so that label-free says nothing of them.
        wanted = mt.Verdict.VACUOUS if claim == "label-free" else mt.Verdict.CERTIFIED
        assert report[claim].verdict is wanted
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.parametrize("claim", ["exact-labels", "implicit-bias", "label-free"])
def test_no_check_forms_the_labels_of_all_rows(claim: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "SPAN_BYTES", 1 << 19)
    monkeypatch.setattr(arrays, "_BLOCK_BYTES", 1 << 19)
    mt.check(mt.UnlearningProblem(*classes(60, 2, 1)), ["exact-labels"])  # imports
    n, columns = 10_000, 300
    whole = 8 * n * columns
    monkeypatch.setattr(accurate, "_MANY", 1 << 20)
    assert peak_of_check(n, columns, claim, compact=True) < whole
    assert peak_of_check(n, columns, claim, compact=False) > 2 * whole


def test_few_rows_of_many_labels_are_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    X = classes(600, 3, 4)[0]
    index, x = np.arange(5, 600, 7), np.random.default_rng(4).standard_normal((85, 4))
    usual, roundings = plain_product(X, index, x, transposed=True)
    monkeypatch.setattr(accurate, "_MANY", 0)
    monkeypatch.setattr(accurate, "COLUMN_BLOCK", 32)
    gathered, fewer = plain_product(X, index, x, transposed=True)
    allowed = float(gamma(roundings) + gamma(fewer)) * (np.abs(X[index]).T @ np.abs(x))
    assert fewer < roundings
    assert (np.abs(gathered - usual) <= allowed).all()
    other = plain_product(X, index + 1 - (index == 599), x, transposed=True)[0]
    assert not (np.abs(other - usual) <= allowed).any()


def test_what_was_read_of_a_file_is_given_back(tmp_path: Path) -> None:
    from muso_theory.arrays import let_go

    path = tmp_path / "phi.npy"
    np.save(path, np.arange(6.0).reshape(3, 2))
    mapped = np.load(path, mmap_mode="r")
    let_go(mapped)
    assert mapped[2, 1] == 5
    # A private copy would lose what was written.
    own = np.load(path, mmap_mode="c")
    own[0, 0] = 7
    let_go(own)
    assert own[0, 0] == 7


def test_a_residual_and_its_correction() -> None:
    product = accurate_product(np.array([[1.0, 2.0**-60]]), slice(None), np.ones((2, 1)))
    high, low, error = residual_pair(np.ones((1, 1)), product)
    assert float((high + low)[0, 0]) == -(2.0**-60)
    assert error[0, 0] < 2.0**-70
