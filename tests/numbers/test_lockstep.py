"""Work in lockstep shares products, and proves of each piece what it would prove alone."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from muso_theory.errors import BadInputError, SingularMatrixError
from muso_theory.numbers import RATIONAL, UndecidedError, lockstep
from muso_theory.numbers.base_system import RowSystem
from muso_theory.numbers.leastsquares import DualSystem
from muso_theory.numbers.lockstep import Columns, Product, Work, alone, together
from muso_theory.numbers.point_ball import CertifiedParameters
from muso_theory.numbers.primal import PrimalSystem

Array = np.ndarray[Any, Any]

DUAL, PRIMAL = (40, 90), (90, 12)


def rows_of(n: int, width: int) -> list[Array]:
    """All rows, most of them in another order, and few."""
    backwards = np.arange(n)[::-1][: n - 3]
    few = np.arange(width + 2) if n > width else np.array([5, 2, 7])
    return [np.arange(n), backwards.copy(), few]


def fits(shape: tuple[int, int], seed: int = 0) -> list[tuple[RowSystem, Array, Array | None, float]]:
    """Several fits of each of three systems: from zero, from one start, from another, with a ridge."""
    n, width = shape
    rng = np.random.default_rng(seed)
    features = rng.integers(-99, 100, shape) / 16
    start, other = rng.integers(-9, 10, (2, width, 2)) / 4
    found = []
    for rows in rows_of(n, width):
        system = (PrimalSystem if n > width else DualSystem)(features, rows, "Φ")
        for begin, ridge in ((None, 0.0), (start, 0.0), (start, 0.0), (other, 0.0), (other, 0.5)):
            found.append((system, rng.integers(-9, 10, (len(rows), 2)) / 2, begin, ridge))
    return found


def missed(fit: tuple[RowSystem, Array, Array | None, float], w: CertifiedParameters) -> Fraction:
    """By how much the square of the true distance exceeds that of the radius; positive is wrong."""
    system, targets, begin, ridge = fit
    phi = RATIONAL.matrix(system.features[system.rows])
    start = RATIONAL.zeros(system.features.shape[1], 2) if begin is None else RATIONAL.matrix(begin)
    residual = RATIONAL.sub(RATIONAL.matrix(targets), RATIONAL.matmul(phi, start))
    transposed = RATIONAL.transpose(phi)
    if system.is_dual or ridge:
        gram = RATIONAL.matmul(phi, transposed)
        gram = RATIONAL.add(gram, RATIONAL.scale(Fraction(ridge), RATIONAL.identity(len(targets))))
        step = RATIONAL.matmul(transposed, RATIONAL.factor(gram).solve(residual))
    else:
        gram = RATIONAL.matmul(transposed, phi)
        step = RATIONAL.factor(gram).solve(RATIONAL.matmul(transposed, residual))
    truth = RATIONAL.add(start, step)
    off = RATIONAL.sub(RATIONAL.sub(truth, RATIONAL.matrix(w.high)), RATIONAL.matrix(w.low))
    return Fraction(RATIONAL.square_norm(off).upper) - w.radius**2


@pytest.mark.parametrize("shape", [DUAL, PRIMAL])
def test_every_fit_in_lockstep_encloses_its_own_solution(shape: tuple[int, int]) -> None:
    asked = fits(shape)
    found = together([system.fitting(t, start, ridge) for system, t, start, ridge in asked])
    for fit, w in zip(asked, found, strict=True):
        assert w is not None
        assert missed(fit, w) <= 0
        one = fit[0].fit(*fit[1:])
        assert w.radius < 100 * one.radius


@pytest.mark.parametrize("shape", [DUAL, PRIMAL])
def test_answers_that_change_places_are_seen(shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    plain = lockstep._cuts
    monkeypatch.setattr(lockstep, "_cuts", lambda parts: plain(parts)[::-1])
    asked = fits(shape)
    found = together([system.fitting(t, start, ridge) for system, t, start, ridge in asked])
    # Whoever is sent another's product proves it to be far off, or does not enclose its own solution.
    for fit, w in zip(asked, found, strict=True):
        assert w is None or missed(fit, w) > 0 or w.radius > 1e3 * fit[0].fit(*fit[1:]).radius


def test_fits_share_two_accurate_products(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int, bool]] = []
    plain = lockstep.accurate_product

    def counted(features: Array, rows: Any, high: Array, *rest: Any, transposed: bool = False) -> Any:
        asked.append((len(np.arange(len(features))[rows]), high.shape[1], transposed))
        return plain(features, rows, high, *rest, transposed=transposed)

    monkeypatch.setattr(lockstep, "accurate_product", counted)
    together([system.fitting(t, start, ridge) for system, t, start, ridge in fits(DUAL)])
    # Ten fits of all or most rows have two columns each, five fits of three rows their own product.
    assert sorted(asked) == [(3, 10, False), (3, 10, True), (40, 20, False), (40, 20, True)]


def test_one_start_of_several_fits_is_multiplied_once(monkeypatch: pytest.MonkeyPatch) -> None:
    columns: list[int] = []
    plain = lockstep.plain_product

    def counted(features: Array, rows: Any, x: Array, *, transposed: bool = False) -> Any:
        columns.extend([] if transposed else [x.shape[1]])
        return plain(features, rows, x, transposed=transposed)

    monkeypatch.setattr(lockstep, "plain_product", counted)
    same = [fit for fit in fits(DUAL) if fit[2] is not None and not fit[3]]
    together([system.fitting(t, start, ridge) for system, t, start, ridge in same])
    assert columns == [4, 4]  # two starts of two columns, of many rows and of few


def test_what_is_undecided_leaves_the_others_alone() -> None:
    singular = DualSystem(np.ones((2, 3)), np.arange(2), "Φ")
    regular = DualSystem(np.eye(2, 3), np.arange(2), "Φ")
    y = np.array([[1.0], [2.0]])
    with pytest.raises(UndecidedError):
        alone(singular.fitting(y, None))
    none, one = together([singular.fitting(y, None), regular.fitting(y, None)])
    assert none is None
    assert one is not None
    assert one.parameters.ravel().tolist() == [1.0, 2.0, 0.0]


def test_dear_products_wait_for_whoever_is_on_the_way() -> None:
    phi, index, x = np.eye(3), np.arange(3), np.ones((3, 1))
    seen: list[str] = []

    def late(act: Callable[[Array], Array]) -> Any:
        y = yield Columns(act, x)
        seen.append("cheap")
        yield Product(phi, index, y)
        seen.append("late")

    def early() -> Any:
        yield Product(phi, index, x)
        seen.append("early")

    together([early(), late(np.negative)])
    assert seen == ["cheap", "early", "late"]


@pytest.mark.parametrize(
    "refusal",
    [
        UndecidedError("a vector overflowed", "balls have the range"),
        SingularMatrixError("expected an invertible matrix"),
        BadInputError("expected a matrix within the float64 range"),
        OverflowError("too large"),
    ],
)
def test_a_refusal_of_one_is_its_own(refusal: Exception) -> None:
    def halved(x: Array) -> Work[Array]:
        return (yield Columns(np.negative, x)) / -2

    def refused() -> Work[Array]:
        yield Columns(np.negative, np.ones((1, 1)))
        raise refusal

    first, second, third = together([halved(np.ones((1, 1))), refused(), halved(np.ones((1, 2)))])
    assert first is not None
    assert third is not None
    assert (first.item(), second, third.tolist()) == (0.5, None, [[0.5, 0.5]])


def test_what_is_no_refusal_ends_all() -> None:
    def slipped() -> Work[Array]:
        yield Columns(np.negative, np.ones((1, 1)))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        together([slipped()])
