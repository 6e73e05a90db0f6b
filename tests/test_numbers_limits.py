"""Roots, sums over nothing and models: what small promises of number rooms mean."""

from __future__ import annotations

from fractions import Fraction

import flint
import numpy as np
import pytest

from muso_theory.numbers import BALL
from muso_theory.numbers.accurate import plain_product
from muso_theory.numbers.balls import enclosure
from muso_theory.numbers.rounding import root_down, root_up


@pytest.mark.parametrize(
    "value",
    [
        Fraction(2),
        Fraction(1, 3),
        Fraction(3**400),
        Fraction(1, 7**300),
        Fraction(5**301, 3**200),
        Fraction(1),
    ],
)
def test_roots_are_sharp_to_about_sixty_bits_and_no_longer(value: Fraction) -> None:
    low, high = root_down(value), root_up(value)
    assert low**2 <= value <= high**2
    assert high - low <= high / 2**58
    for root in (low, high):
        assert root.denominator & (root.denominator - 1) == 0
        odd = root.numerator
        while odd % 2 == 0:
            odd //= 2
        assert odd.bit_length() <= 62


def test_a_sum_over_no_samples_is_zero_without_a_rounding() -> None:
    phi = np.ones((3, 4))
    total, roundings = plain_product(phi, np.array([], dtype=int), np.zeros((0, 2)), transposed=True)
    assert total.shape == (4, 2)
    assert not total.any()
    assert roundings == 0
    one, some = plain_product(phi, np.array([1]), np.ones((1, 2)), transposed=True)
    assert (one == 1).all()
    assert some >= 1


def test_balls_solve_for_no_columns() -> None:
    ball = BALL(64)
    factor = ball.factor(ball.matrix(np.array([[2.0, 1.0], [1.0, 2.0]])))
    solved = factor.solve(flint.arb_mat(2, 0))
    assert (solved.nrows(), solved.ncols()) == (2, 0)


def test_balls_near_zero_are_widened_to_a_number_that_fits_into_memory() -> None:
    tiny = flint.arb(2) ** -(1 << 15)
    found = enclosure(tiny)
    assert found.lower == 0
    assert found.upper == Fraction(1, 2 ** (1 << 14))
    assert enclosure(flint.arb(2) ** (1 << 15)).upper == np.inf
