"""Roots, sums over nothing and models: what small promises of number rooms mean."""

from __future__ import annotations

import ast
from fractions import Fraction
from pathlib import Path

import flint
import numpy as np
import pytest

import muso_theory as mt
from muso_theory.checking.meaning import reason_of
from muso_theory.numbers import BALL, UndecidedError
from muso_theory.numbers.accurate import accurate_product, plain_product
from muso_theory.numbers.balls import enclosure
from muso_theory.numbers.rounding import root_down, root_up
from muso_theory.numbers.spectrum import smallest_eigenvalue_bound


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


@pytest.mark.parametrize("length", [1, 30, 1000, 3000])
@pytest.mark.parametrize("transposed", [False, True])
def test_products_that_underflow_all_the_same_way_are_bounded(length: int, transposed: bool) -> None:
    """These factors lose 1.45 of the least subnormal number in each of the three products of their parts."""
    a, b = float.fromhex("0x1.c9e3365de2afcp-500"), float.fromhex("0x1.128fa84089246p-545")
    phi = np.full((length, 1) if transposed else (1, length), a)
    product = accurate_product(phi, slice(None), np.full((length, 1), b), transposed=transposed)
    found = Fraction(float(product.high[0, 0])) + Fraction(float(product.low[0, 0]))
    lost = abs(found - length * Fraction(a) * Fraction(b))
    bound = Fraction(float(product.error[0, 0]))
    assert lost > Fraction(29, 20) * length / 2**1074
    assert lost <= bound <= 12 * lost + Fraction(64, 2**1074)


@pytest.mark.parametrize("power", [-6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("odd", [1.0, 2.0])
def test_a_bound_of_an_eigenvalue_scales_with_the_matrix(power: int, odd: float) -> None:
    """By powers of four exactly: the matrix is brought to size by an even power of two, so no rounding is another."""
    phi = np.random.default_rng(8).standard_normal((7, 9))
    gram, error = odd * (phi @ phi.T), Fraction(1, 2**40)
    estimate, scale = float(np.linalg.eigvalsh(gram)[0]), 4.0**power
    bound = smallest_eigenvalue_bound(gram, error, estimate)
    assert bound is not None
    assert smallest_eigenvalue_bound(scale * gram, Fraction(scale) * error, scale * estimate) == (
        Fraction(scale) * bound
    )


@pytest.mark.parametrize("share", [0.0, 0.02, 0.1, 0.5, 0.9, 0.96])
def test_an_eigenvalue_is_bounded_however_much_of_it_an_error_takes(share: float) -> None:
    """A share of λ_min = 1 is lost: what is left is proved, with no more than a fifth of λ_min given away."""
    gram, error = np.diag([1.0, 4.0, 9.0]), Fraction(share)
    bound = smallest_eigenvalue_bound(gram, error, 1.0)
    assert bound is not None
    assert max(Fraction(0), Fraction(79, 100) - error) <= bound <= 1 - error
    # Of an estimate that is too large less is proved, but something; of no positive matrix nothing.
    for beyond in (1.2, 3.0, 15.0):
        found = smallest_eigenvalue_bound(gram, Fraction(0), beyond)
        assert found is not None
        assert 0 < found <= 1
    for estimate in (1e-3, 1.0, 15.0):
        assert smallest_eigenvalue_bound(gram - 1.01 * np.eye(3), Fraction(0), estimate) is None
    for other in (0.0, np.inf, np.nan):
        assert smallest_eigenvalue_bound(gram, Fraction(0), other) is None
    assert smallest_eigenvalue_bound(0 * gram, Fraction(0), 1.0) is None
    assert smallest_eigenvalue_bound(gram, Fraction(101, 100), 1.0) is None


def test_an_error_says_whether_another_arithmetic_is_its_remedy() -> None:
    """Not by a word of its text: every remedy that names an arithmetic says so, and no other does."""
    package = Path(mt.__file__).parent
    seen = 0
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "UndecidedError"):
                continue
            remedy = node.args[1] if len(node.args) > 1 else None
            if isinstance(remedy, ast.Constant):
                seen += 1
                assert any(k.arg == "climbs" for k in node.keywords) == ("arithmetic" in remedy.value), path
    assert seen > 20


def test_what_another_arithmetic_decides_is_told_without_naming_one() -> None:
    told, kept = (
        UndecidedError("it overflowed", "balls", climbs=True),
        UndecidedError("no network", "an arithmetic"),
    )
    assert (reason_of(told), reason_of(kept)) == ("it overflowed", "no network; an arithmetic")
