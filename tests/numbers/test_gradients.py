"""Gradients of several fits in one pass over the rows of all of them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from muso_theory.numbers import UndecidedError, gradients
from muso_theory.numbers.gradients import Gradient, certain

Array = np.ndarray[Any, Any]


def exact(x: Array) -> Array:
    return np.array([[Fraction(float(value)) for value in row] for row in x], dtype=object)


def asked(dtype: type = np.float64) -> list[Gradient]:
    """All rows, most of them in another order, and few; of residuals that are small, large and of any size."""
    rng = np.random.default_rng(0)
    features = (rng.standard_normal((300, 7)) * 10.0 ** rng.integers(-6, 7, (300, 1))).astype(dtype)
    found = []
    for index in (np.arange(300), np.arange(299, 9, -1), np.array([3, 250, 17])):
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
