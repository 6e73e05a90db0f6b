"""A derandomised part of the soundness campaign, and proof that the campaign can fail."""

from __future__ import annotations

import collections
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from muso_theory.linear import scaled_features
from muso_theory.linear.certified import CertifiedForms, LabelBall
from muso_theory.numbers import Quantity, base_system, lockstep
from muso_theory.numbers.accurate import Accurate, accurate_product
from tests.linear.certified_cases import KINDS, check_case, generate, measure, positive_definite

SEED = 7


def outcomes(indices: range, **arguments: Any) -> collections.Counter[str]:
    counts: collections.Counter[str] = collections.Counter()
    for index in indices:
        counts.update(check_case(generate(SEED, index), **arguments)["outcome"].values())
    return counts


@pytest.mark.parametrize("kind", KINDS)
def test_no_bound_is_ever_violated(kind: str) -> None:
    first = KINDS.index(kind)
    sharp: list[float] = []
    decided = 0
    for index in range(first, first + 40 * len(KINDS), len(KINDS)):
        case = generate(SEED, index)
        assert case.kind == kind
        found = check_case(case)
        wrong = [name for name, verdict in found["outcome"].items() if verdict == "VIOLATED"]
        assert not wrong, (index, wrong)
        decided += sum(verdict == "sound" for verdict in found["outcome"].values())
        if found["condition"] is not None and found["condition"] <= 1e6:
            sharp.extend(found["sharpness"].values())
    assert decided > 40
    if kind in ("gaussian", "integers", "float32"):
        assert len(sharp) > 200
        assert np.mean(np.array(sharp) < 1e4) > 0.999
        assert np.median(sharp) < 1.01


class TooOptimistic(CertifiedForms):
    """A certified model whose upper ends are a tenth too small."""

    def gap(self, forget_labels: LabelBall) -> Quantity:
        return _shrunk(super().gap(forget_labels))

    def distance(self, w: Any, other: Any) -> Quantity:
        return _shrunk(super().distance(w, other))

    def label_distance(self, a: LabelBall, b: LabelBall) -> Quantity:
        return _shrunk(super().label_distance(a, b))


def _shrunk(quantity: Quantity) -> Quantity:
    return replace(quantity, upper=Fraction(quantity.upper) * Fraction(9, 10))


def test_a_bound_a_tenth_too_small_is_seen() -> None:
    assert outcomes(range(26), model=TooOptimistic)["VIOLATED"] > 100


def test_an_eigenvalue_bound_too_large_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = base_system.smallest_eigenvalue_bound

    def doubled(*arguments: Any) -> Fraction | None:
        bound = honest(*arguments)
        return None if bound is None else 2 * bound

    monkeypatch.setattr(base_system, "smallest_eigenvalue_bound", doubled)
    assert outcomes(range(26))["VIOLATED"] >= 10


def test_residuals_without_their_rounding_error_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(
        features: Any, rows: Any, high: Any, low: Any = None, *, transposed: bool = False
    ) -> Accurate:
        product = accurate_product(features, rows, high, low, transposed=transposed)
        zero = np.zeros_like(product.high)
        return Accurate(product.high, zero, zero)

    monkeypatch.setattr(lockstep, "accurate_product", careless)
    monkeypatch.setattr(scaled_features, "accurate_product", careless)
    assert outcomes(range(26))["VIOLATED"] > 20


def test_cases_are_reproducible_and_cover_what_is_promised() -> None:
    first, again = generate(SEED, 5), generate(SEED, 5)
    assert np.array_equal(first.features, again.features)
    assert np.array_equal(first.labels["slip"], again.labels["slip"])
    cases = [generate(SEED, index) for index in range(260)]
    sizes = {case.features.shape[0] for case in cases}
    assert min(sizes) == 2
    assert max(sizes) >= 38
    assert {case.kind for case in cases} == set(KINDS)
    assert any(case.features.shape[0] > case.features.shape[1] for case in cases)
    assert any(((case.features != 0) & (np.abs(case.features) < 2.0**-1022)).any() for case in cases)
    assert any(float(np.abs(case.features).max()) > 2.0**400 for case in cases)
    assert any(case.targets.shape[1] > 1 for case in cases)


def test_a_chunk_reports_counts_and_no_violation() -> None:
    found = measure({"seed": SEED, "first": 0, "count": 13})
    assert found["violations"] == []
    assert sum(found["kinds"].values()) == 13
    assert found["counts"]["gap, optimal: sound"] > 3


def test_the_sign_test_itself() -> None:
    from muso_theory.numbers import RATIONAL

    k = RATIONAL.matrix([[2, 1], [1, 2]])  # eigenvalues 1 and 3
    assert positive_definite(k, Fraction(999, 1000)) is True
    assert positive_definite(k, Fraction(1001, 1000)) is False
    assert positive_definite(k, Fraction(1)) is None
