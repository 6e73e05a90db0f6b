"""Gradients of several fits in one pass over the rows of all of them."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from muso_theory.numbers import RATIONAL, UndecidedError, gradients, lockstep, spans
from muso_theory.numbers.gradients import Gradient, certain
from muso_theory.numbers.point_ball import CertifiedParameters
from muso_theory.numbers.primal import PrimalSystem

Array = np.ndarray[Any, Any]


def exact(x: Array) -> Array:
    return np.array([[Fraction(float(value)) for value in row] for row in x], dtype=object)


def asked(dtype: type = np.float64, n: int = 300) -> list[Gradient]:
    """All rows, most of them in another order, and few; of residuals that are small, large and of any size."""
    rng = np.random.default_rng(0)
    features = (rng.standard_normal((n, 7)) * 10.0 ** rng.integers(-6, 7, (n, 1))).astype(dtype)
    found = []
    for index in (np.arange(n), np.arange(n - 1, 9, -1), np.array([3, 250, 17])):
        w = rng.standard_normal((7, 2))
        near = np.asarray(features[index], dtype=np.float64) @ w
        found.append(Gradient(features, index, near + 1e-9 * rng.standard_normal(near.shape), w))
        found.append(Gradient(features, index, rng.standard_normal(near.shape), w))
    return found


@pytest.mark.parametrize("piece", [1, 1 << 24])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_gradients_are_enclosed(piece: int, dtype: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradients, "_PIECE_BYTES", piece)
    every = asked(dtype)
    for it, (found, off) in zip(every, gradients.gradients(every), strict=True):
        rows = exact(it.features[it.index])
        truth = rows.T @ (exact(it.labels) - rows @ exact(it.w))
        missed = truth - exact(found.high) - exact(found.low)
        # What the residual is off by meets rows of Φ.
        size = certain(off) * Fraction(float(np.linalg.norm(it.features[it.index].astype(np.float64)))) * 2
        assert (abs(missed) <= exact(found.error) + size).all()
        size_of_terms = np.abs(rows.T) @ (abs(exact(it.labels)) + abs(rows) @ abs(exact(it.w)))
        assert found.error.max() <= 1e-18 * float(size_of_terms.max())


def test_a_gradient_does_not_see_who_is_beside_it() -> None:
    every = asked()
    for it, (found, _) in zip(every, gradients.gradients(every), strict=True):
        ((alone, _),) = gradients.gradients([it])
        apart = np.abs((found.high - alone.high) + (found.low - alone.low))
        assert (apart <= 2 * (found.error + alone.error)).all()


def test_what_overflows_is_no_matter_of_the_others() -> None:
    fine, *_ = every = asked()[:2]
    every[1] = Gradient(fine.features, fine.index, fine.labels, np.full_like(fine.w, 1e306))
    (found, off), (_, lost) = gradients.gradients(every)
    assert np.isfinite(found.error).all()
    assert certain(off) < 1
    with pytest.raises(UndecidedError, match="overflowed"):
        certain(lost)


def test_spans_of_several_fits_are_enclosed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "SPAN_BYTES", 1)  # a Gram block each
    monkeypatch.setattr(spans, "COLUMNS_AT_ONCE", 3)  # one fit and a half
    every = [replace(it, spread=spans.here) for it in asked(n=600)]
    for it, (found, off) in zip(every, spans.gradients_by_spans(every), strict=True):
        ((alone, lost),) = gradients.gradients([it])
        apart = np.abs((found.high - alone.high) + (found.low - alone.low))
        size = float(certain(off) + certain(lost)) * float(np.linalg.norm(it.features[it.index]))
        assert (apart <= 2 * (found.error + alone.error) + size).all()
        assert found.error.max() <= 2 * alone.error.max()


# -- a fit from that of all rows but the last ones ---------------------------------------------------------------


def refitted(last: Array, low: Array | None, fit: CertifiedParameters | None = None) -> Any:
    """From rows whose fit is known, with other labels for the last ones."""
    return lockstep.alone(WHOLE.refitting(fit or KNOWN, LAST, last, low))


TALL = np.random.default_rng(5).standard_normal((60, 4))
LABELS = np.random.default_rng(6).standard_normal((60, 2))
LAST = np.arange(50, 60)
WHOLE, FIRST = PrimalSystem(TALL, slice(None), "Φ"), PrimalSystem(TALL, slice(50), "Φ")
KNOWN = FIRST.fit(LABELS[:50], None)


def least_squares(labels: Array) -> Array:
    phi = RATIONAL.matrix(TALL)
    right = RATIONAL.matmul(RATIONAL.transpose(phi), RATIONAL.matrix(labels))
    return RATIONAL.factor(RATIONAL.gram(RATIONAL.transpose(phi))).solve(right)


def off_by(found: CertifiedParameters, truth: Any) -> Fraction:
    """The square of how far the exact solution is."""
    middle = RATIONAL.add(RATIONAL.matrix(found.high), RATIONAL.matrix(found.low))
    return Fraction(RATIONAL.square_norm(RATIONAL.sub(middle, truth)).upper)


def test_what_is_next_to_a_known_fit_is_enclosed() -> None:
    exact_labels = RATIONAL.matmul(RATIONAL.matrix(TALL[50:]), RATIONAL.matrix(KNOWN.high))
    last = RATIONAL.to_numpy(exact_labels)
    low = RATIONAL.to_numpy(RATIONAL.sub(exact_labels, RATIONAL.matrix(last)))
    assert low.any()
    both = RATIONAL.vstack(
        RATIONAL.matrix(LABELS[:50]), RATIONAL.add(RATIONAL.matrix(last), RATIONAL.matrix(low))
    )
    phi = RATIONAL.matrix(TALL)
    right = RATIONAL.matmul(RATIONAL.transpose(phi), both)
    truth = RATIONAL.factor(RATIONAL.gram(RATIONAL.transpose(phi))).solve(right)
    found, without = refitted(last, low), refitted(last, None)
    assert off_by(found, truth) <= found.radius**2 < (1e-18) ** 2
    assert off_by(without, least_squares(np.vstack([LABELS[:50], last]))) <= without.radius**2
    # Without their low digits these are other labels, as the bounds can tell.
    assert off_by(without, truth) > without.radius**2
    # It rests on the gradient that it is given: that of other labels leads elsewhere.
    other = FIRST.fit(LABELS[:50] + 1e-9, None)
    wrong = replace(KNOWN, gradient=other.gradient)
    assert off_by(refitted(last, low, wrong), truth) > found.radius**2 * 10**6
    # What another fit at this point would be has the bound that this has, but for a few parts.
    whole = WHOLE.fit(np.vstack([LABELS[:50], last]), None)
    assert without.radius <= 4 * whole.radius


def test_what_is_far_from_a_known_fit_is_left_to_others() -> None:
    assert refitted(LABELS[50:], None) is None
    assert refitted(LABELS[50:], None, replace(KNOWN, gradient=None)) is None


@pytest.mark.parametrize("far", [1.0, 1e-12])
def test_the_norm_of_the_last_rows_alone_is_enclosed(far: float) -> None:
    g = far * LABELS[50:]
    truth = least_squares(np.vstack([np.zeros((50, 2)), g]))
    size = Fraction(RATIONAL.square_norm(truth).upper)
    for given in (g, WHOLE.padded(g)):
        low, high = WHOLE.pseudo_norm(given)
        assert low**2 <= size <= high**2 < 1.01 * low**2
    # The same numbers of other rows are another norm.
    low, high = WHOLE.pseudo_norm(np.vstack([g, np.zeros((1, 2))]))
    assert not low**2 <= size <= high**2
