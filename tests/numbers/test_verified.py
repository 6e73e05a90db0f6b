"""Proved float64 bounds: right against exact arithmetic, sharp where promised, loud on slips."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import flint
import numpy as np
import pytest

from muso_theory.numbers import FLOAT64, RATIONAL, Quantity
from muso_theory.numbers import gram as gram_module
from muso_theory.numbers import spectrum as spectrum_module
from muso_theory.numbers.accurate import accurate_product, plain_product
from muso_theory.numbers.balls import enclosure
from muso_theory.numbers.gram import blocked_gram, gram_roundings
from muso_theory.numbers.leastsquares import DualSystem
from muso_theory.numbers.primal import PrimalSystem
from muso_theory.numbers.rounding import (
    ETA,
    UndecidedError,
    exact,
    gamma,
    inner_product,
    norm_bounds,
    root_down,
    root_up,
    sum_up,
    two_sum,
)
from muso_theory.numbers.spectrum import (
    gram_error,
    largest_eigenvalue_bound,
    rayleigh_bound,
    smallest_eigenvalue_bound,
    smallest_eigenvalue_estimate,
)
from tests.linear.certified_cases import positive_definite

Array = np.ndarray[Any, Any]


def rationals(a: Array) -> list[list[Fraction]]:
    return [[Fraction(x) for x in row] for row in a.astype(np.float64).tolist()]


def with_condition(n: int, width: int, condition: float, seed: int) -> Array:
    """Random rows whose Gram matrix has the given condition number, built from its SVD."""
    rng = np.random.default_rng(seed)
    u = np.linalg.qr(rng.standard_normal((n, n)))[0]
    v = np.linalg.qr(rng.standard_normal((width, n)))[0]
    return (u * np.geomspace(1, condition**-0.5, n)) @ v.T


# -- rounding ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", [Fraction(2), Fraction(1, 3), Fraction(2) ** -900, Fraction(10) ** 300, Fraction(4)]
)
def test_roots_enclose_to_sixty_bits(value: Fraction) -> None:
    low, high = root_down(value), root_up(value)
    assert low**2 <= value <= high**2
    assert high - low <= high / 2**58
    assert root_up(Fraction(0)) == root_down(Fraction(0)) == root_down(Fraction(-1)) == 0


@pytest.mark.parametrize("exponent", [-1074, -1000, -400, 0, 400, 1000])
def test_norm_bounds_hold_at_every_exponent(exponent: int) -> None:
    x = np.ldexp(np.random.default_rng(exponent + 2000).standard_normal((5, 7)), exponent)
    square = sum(Fraction(v) ** 2 for v in x.ravel().tolist())
    low, high = norm_bounds(x)
    assert low**2 <= square <= high**2
    if exponent > -1000:
        assert high - low < high / 10**13
    assert norm_bounds(np.zeros((2, 2))) == norm_bounds(np.zeros((0, 3))) == (0, 0)


def test_overflow_is_undecided_never_a_number() -> None:
    for bad in (np.array([np.inf]), np.array([1.0, np.nan])):
        with pytest.raises(UndecidedError, match="overflow"):
            norm_bounds(bad)
    with pytest.raises(UndecidedError, match="arithmetic has the range"):
        exact(math.inf)
    with pytest.raises(UndecidedError):
        sum_up(np.full(4, 1.7e308))


def test_inner_product_and_sum_know_their_errors() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal(1000), rng.standard_normal(1000)
    truth = sum(Fraction(a) * Fraction(b) for a, b in zip(x.tolist(), y.tolist(), strict=True))
    value, error = inner_product(x, y)
    assert 0 < abs(value - truth) <= error
    assert 0 <= sum_up(np.abs(x)) - sum(Fraction(abs(a)) for a in x.tolist()) < Fraction(1, 10**12)
    s, e = two_sum(np.array([1e16]), np.array([1.2345]))
    assert Fraction(s[0]) + Fraction(e[0]) == Fraction(1e16) + Fraction(1.2345)


# -- products ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(
    ("exponents", "dtype"),
    [(0, np.float64), (0, np.float32), (30, np.float64), (500, np.float64), (-1040, np.float64)],
)
def test_accurate_product_against_rationals(transposed: bool, exponents: int, dtype: Any) -> None:
    rng = np.random.default_rng(exponents + 1100)
    phi = rng.standard_normal((300, 530))
    phi = np.ldexp(
        phi, exponents if exponents < 0 else rng.integers(-exponents, exponents + 1, phi.shape)
    ).astype(dtype)
    rows = rng.permutation(300)[:260]
    x = rng.standard_normal((260 if transposed else 530, 2))
    low = x * 2.0**-54 * rng.standard_normal(x.shape)
    product = accurate_product(phi, rows, x, low, transposed=transposed)
    wide = phi[rows].astype(np.float64)
    a = (wide.T if transposed else wide)[:6]
    truth = RATIONAL.matmul(RATIONAL.matrix(a), RATIONAL.add(RATIONAL.matrix(x), RATIONAL.matrix(low)))
    sharp = 0.0
    for i in range(6):
        for j in range(2):
            value = Fraction(int(truth[i, j].p), int(truth[i, j].q))
            found = Fraction(product.high[i, j]) + Fraction(product.low[i, j])
            assert abs(found - value) <= Fraction(product.error[i, j])
            scale = float(np.abs(a[i]).max() * np.abs(x[:, j]).sum())
            sharp = max(sharp, product.error[i, j] / scale) if scale > 1e-290 else sharp
    # Far below what one rounding of the result would lose.
    assert sharp < 2.0**-56


FAR_APART = [
    ((90, 99), (-1050, -1035)),
    ((90, 99), (-1074, -1000)),
    ((500, 900), (-1074, -1000)),
    ((900, 992), (-1074, -1000)),
    ((-1050, -1035), (90, 99)),
    ((-1074, -1000), (900, 990)),
    ((-30, 30), (-1074, -1000)),
    ((-600, -500), (-600, -450)),
    ((-540, -530), (-540, -530)),
]


@pytest.mark.parametrize("with_low", [False, True])
@pytest.mark.parametrize(("large", "small"), FAR_APART)
def test_bounds_of_products_do_not_vanish_before_they_are_scaled(
    large: tuple[int, int], small: tuple[int, int], with_low: bool
) -> None:
    """A bound that is formed from a tiny factor alone underflows, and a large factor cannot bring it back."""
    decided = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        n, d = int(rng.integers(1, 6)), int(rng.integers(1, 40))
        phi = np.ldexp(rng.standard_normal((n, d)), int(rng.integers(*large)))
        phi[0] *= seed % 3 > 0  # a row of zeros now and then
        exponent = int(rng.integers(*small))
        x = np.ldexp(rng.standard_normal((d, 1)), exponent) * (seed % 5 > 0)
        low = np.ldexp(rng.standard_normal((d, 1)), exponent - 30) if with_low else np.zeros((d, 1))
        transposed = bool(seed % 2)
        matrix = np.ascontiguousarray(phi.T) if transposed else phi
        product = accurate_product(matrix, slice(None), x, low if with_low else None, transposed=transposed)
        for i in range(n):
            truth = sum(
                Fraction(a) * (Fraction(b) + Fraction(c))
                for a, b, c in zip(phi[i].tolist(), x[:, 0].tolist(), low[:, 0].tolist(), strict=True)
            )
            error = Fraction(product.error[i, 0])
            assert abs(Fraction(product.high[i, 0]) + Fraction(product.low[i, 0]) - truth) <= error
            weight, rest = (sum(map(Fraction, np.abs(part[:, 0]).tolist())) for part in (x, low))
            assert error <= Fraction(np.abs(phi[i]).max()) * (weight / 2**56 + rest / 2**20) + d * 200 * ETA
            decided += 1
    assert decided > 80


@pytest.mark.parametrize("exponent", [993, 1000, 1023])
def test_products_beyond_the_range_say_so(exponent: int) -> None:
    """The splitting needs 31 bits above the largest entry: nearer to the end of the range there is no answer."""
    large, ones = np.full((2, 3), 2.0**exponent), np.full((3, 1), 2.0**-900)
    for product in (
        accurate_product(large, slice(None), ones),
        accurate_product(np.full((2, 3), 2.0**-900), slice(None), large.T[:, :1]),
    ):
        if np.isfinite(product.error).all():
            truth = Fraction(3) * Fraction(2) ** (exponent - 900)
            assert abs(Fraction(product.high[0, 0]) + Fraction(product.low[0, 0]) - truth) <= Fraction(
                product.error[0, 0]
            )
        else:
            with pytest.raises(UndecidedError):
                norm_bounds(product.error)


def test_accurate_product_shows_what_a_plain_one_hides() -> None:
    phi = np.array([[1e16, 1.0, -1e16], [1.0, 1e-20, -1.0]])
    ones = np.ones((3, 1))
    product = accurate_product(phi, slice(None), ones)
    assert product.high.ravel().tolist() == [1.0, 1e-20]
    overflowing = accurate_product(np.full((1, 3), 1e308), slice(None), np.full((3, 1), 1e308))
    assert not np.isfinite(overflowing.high + overflowing.error).any()


@pytest.mark.parametrize("transposed", [False, True])
def test_plain_product_counts_its_roundings(transposed: bool) -> None:
    phi = np.random.default_rng(5).standard_normal((700, 1100))
    x = np.random.default_rng(6).standard_normal((300 if transposed else 1100, 1))
    for rows in (slice(200, 500), np.arange(200, 500)):
        value, count = plain_product(phi, rows, x, transposed=transposed)
        block = phi[200:500].T if transposed else phi[200:500]
        reference = accurate_product(phi, rows, x, transposed=transposed)
        assert count == (256 + 2 if transposed else 256 + 5)
        assert (
            np.abs(value - reference.high) <= float(gamma(count)) * (np.abs(block) @ np.abs(x)) + 1e-300
        ).all()


# -- the Gram matrix and its spectrum ------------------------------------------------------------------------


@pytest.mark.parametrize("exponent", [-530, -500, 0, 400])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_gram_error_bounds_the_true_error(exponent: int, dtype: Any) -> None:
    if dtype is np.float32 and exponent:
        exponent //= 8
    phi = np.ldexp(np.random.default_rng(7).standard_normal((6, 900)), exponent).astype(dtype)
    gram = blocked_gram(phi)
    wide = phi.astype(np.float64)
    difference = RATIONAL.sub(RATIONAL.matrix(gram), RATIONAL.gram(RATIONAL.matrix(wide)))
    frobenius = RATIONAL.square_norm(difference).upper
    bound = gram_error(gram, 900)
    assert frobenius <= bound**2
    if dtype is np.float64 or exponent == 0:
        assert frobenius > 0
        assert bound**2 < frobenius * 10**8
    assert gram_roundings(900) == 256 + 4


@pytest.mark.parametrize("n", [1, 4096, 8192, 70_000])
def test_strips_are_as_wide_as_their_bytes_allow_and_leave_nothing_out(n: int) -> None:
    """Whole column blocks, at least one, and one more would be above the limit; the last is what is left."""
    wide = 5 * 256 + 3
    given = np.broadcast_to(np.arange(float(wide), dtype=np.float32), (n, wide))
    for index in (np.arange(3, wide), np.arange(wide)[::-1]):
        widths = []
        for strip in gram_module._strips(given, None, index):
            assert strip.dtype == np.float64
            assert (strip[0] == index[sum(widths) : sum(widths) + strip.shape[1]]).all()
            widths.append(strip.shape[1])
        block, limit = 256 * n * 8, gram_module._STRIP_BYTES
        assert sum(widths) == len(index)
        for width in widths[:-1]:
            assert width % 256 == 0
            assert width == 256 or width // 256 * block <= limit
            assert (width // 256 + 1) * block > limit
        assert widths[-1] <= max(256, limit // (8 * n))


def test_what_needs_no_copy_is_not_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    phi = np.random.default_rng(0).standard_normal((4, 9))

    def strips(features: Any, rows: Any, index: Any) -> list[Any]:
        return list(gram_module._strips(features, rows, index))

    (whole,) = strips(phi, None, np.arange(2, 9))
    assert np.shares_memory(whole, phi)
    np.save(tmp_path / "phi.npy", phi)
    mapped = np.load(tmp_path / "phi.npy", mmap_mode="r")
    copies = [
        (phi, np.array([2, 0]), np.arange(9)),
        (phi, None, np.array([0, 2, 3])),
        (mapped, None, np.arange(9)),
        (np.asarray(mapped), None, np.arange(9)),
        (phi.astype(np.float32), None, np.arange(9)),
    ]
    for features, rows, index in copies:
        (strip,) = strips(features, rows, index)
        wanted = np.asarray(features, dtype=np.float64)[:, index]
        assert (strip == (wanted if rows is None else wanted[rows])).all()
    assert strips(phi, None, np.arange(0)) == []
    # What lies in a file is read a strip at a time, whatever the array that shows it calls itself.
    monkeypatch.setattr(gram_module, "_STRIP_BYTES", 1)
    np.save(tmp_path / "wide.npy", np.ones((2, 600)))
    wide = np.load(tmp_path / "wide.npy", mmap_mode="r")
    every = np.arange(600)
    assert [len(strips(given, None, every)) for given in (np.array(wide), wide, np.asarray(wide))] == [
        1,
        3,
        3,
    ]
    assert (blocked_gram(phi, columns=np.arange(0)) == 0).all()


def _difference(features: Any, rows: Any, rest: Any) -> PrimalSystem:
    whole, part = (PrimalSystem(features, chosen, "Φ") for chosen in (slice(None), rest))
    return PrimalSystem(features, rows, "Φ_R", less=(whole, part))


@pytest.mark.parametrize("exponent", [-530, -500, 0, 400])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("share", [3, 40, 290])
def test_a_curvature_by_difference_is_off_by_no_more_than_its_bound(
    exponent: int, dtype: Any, share: int
) -> None:
    if dtype is np.float32 and exponent:
        exponent //= 8
    rng = np.random.default_rng(share)
    phi = np.ldexp(rng.standard_normal((600, 5)) + np.array([0, 0, 0, 9, 9]), exponent).astype(dtype)
    order = rng.permutation(600)
    rows, rest = np.sort(order[share:]), np.sort(order[:share])
    system = _difference(phi, rows, rest)
    assert system._less is not None
    exact_matrix = RATIONAL.gram(RATIONAL.matrix(phi[rows].astype(np.float64).T))

    def off(matrix: Any) -> Fraction:
        difference = RATIONAL.sub(RATIONAL.matrix(matrix), exact_matrix)
        return Fraction(RATIONAL.square_norm(difference).upper)

    assert off(system.matrix) <= system.error**2
    assert Fraction(RATIONAL.square_norm(RATIONAL.matrix(phi[rows].astype(np.float64))).upper) <= system.trace
    if dtype is np.float64 and exponent == 0:
        assert off(system.matrix) < system.error**2 < off(system.matrix) * 10**8
        # Without what the two matrices may be off themselves, the bound would be none: that much of one is allowed.
        lost, shifted = norm_bounds(system.matrix)[1] / 2**53, system.matrix.copy()
        shifted[0, 0] += float(system._less[0].error) / 2
        assert lost**2 < off(shifted) <= system.error**2
        assert positive_definite(exact_matrix, system.smallest) is True
        assert positive_definite(exact_matrix, 10 * system.smallest) is False
        wrong = _difference(phi, rows, rest[1:])
        assert off(wrong.matrix) > wrong.error**2


def test_a_curvature_is_no_difference_where_most_of_it_would_cancel() -> None:
    phi = np.random.default_rng(3).standard_normal((40, 4))
    phi[:5] *= 1e6
    rows, rest = np.arange(5, 40), np.arange(5)
    system = _difference(phi, rows, rest)
    assert system._less is None
    assert (system.matrix == blocked_gram(phi.T, columns=rows)).all()
    assert system.error == PrimalSystem(phi, rows, "Φ_R").error


@pytest.mark.parametrize("condition", [1.0, 1e3, 1e6, 1e9, 1e11])
@pytest.mark.parametrize("exponent", [-400, 0, 400])
def test_smallest_eigenvalue_bound_is_right_and_close(condition: float, exponent: int) -> None:
    phi = np.ldexp(with_condition(12, 30, condition, 8), exponent)
    gram = blocked_gram(phi)
    error = gram_error(gram, 30)
    estimate = smallest_eigenvalue_estimate(FLOAT64.factor(gram))[0]
    bound = smallest_eigenvalue_bound(gram, error, estimate)
    assert bound is not None
    exact_gram = RATIONAL.gram(RATIONAL.matrix(phi))
    assert positive_definite(exact_gram, bound) is True
    assert positive_definite(exact_gram, 10 * bound) is False
    assert largest_eigenvalue_bound(gram, error) * condition >= bound


def test_numerically_fine_but_singular_matrices_get_no_bound() -> None:
    fooled = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        phi = rng.standard_normal((8, 5)) @ np.round(4 * rng.standard_normal((5, 12)))
        phi = np.vstack([phi[:5], phi[:1] * 3 + phi[1:2]]) if seed % 2 else np.vstack([phi[:4], phi[:1]])
        gram = blocked_gram(phi)
        try:
            np.linalg.cholesky(gram)
        except np.linalg.LinAlgError:
            continue
        fooled += 1
        estimate = float(np.linalg.eigvalsh(gram)[0])
        if RATIONAL.rank(RATIONAL.matrix(phi)) < len(phi):
            assert smallest_eigenvalue_bound(gram, gram_error(gram, 12), abs(estimate)) is None
    # The unrigorous test, "Cholesky succeeded", is fooled: otherwise the above checked nothing.
    assert fooled > 20


def test_dropping_the_rounding_terms_would_prove_falsehoods(monkeypatch: pytest.MonkeyPatch) -> None:
    gram = None
    for seed in range(400):
        a = np.random.default_rng(seed).standard_normal((6, 5))
        k = blocked_gram(a)
        try:
            np.linalg.cholesky(k)
        except np.linalg.LinAlgError:
            continue
        gram = k
        assert smallest_eigenvalue_bound(gram, Fraction(0), 1e-16) is None
    assert gram is not None
    monkeypatch.setattr(spectrum_module, "UNIT", Fraction(0))
    assert smallest_eigenvalue_bound(gram, Fraction(0), 1e-17) is not None  # six rows in five dimensions!


def test_eigenvalue_bounds_that_cannot_be_had() -> None:
    assert smallest_eigenvalue_bound(np.zeros((2, 2)), Fraction(0), 1.0) is None
    assert smallest_eigenvalue_bound(np.diag([1.0, np.inf]), Fraction(0), 1.0) is None
    assert smallest_eigenvalue_bound(np.diag([1.0, 1.0]), Fraction(0), float("nan")) is None
    assert smallest_eigenvalue_bound(np.diag([1.0, 1.0]), Fraction(2), 1.0) is None
    # A wild estimate costs sharpness, never truth.
    assert smallest_eigenvalue_bound(np.diag([1.0, 1.0]), Fraction(0), 1e3) is None
    assert 0 < smallest_eigenvalue_bound(np.diag([1.0, 1.0]), Fraction(0), 1e-3) < 1
    assert rayleigh_bound(np.diag([1.0, 4.0]), np.array([[0.0], [1.0]]), Fraction(0)) >= 4
    assert ETA > 0


# -- least squares -------------------------------------------------------------------------------------------


def truth_of(phi: Array, t: Array, start: Array) -> Any:
    ring = RATIONAL
    x, w = ring.matrix(phi), ring.matrix(start)
    a = ring.factor(ring.gram(x)).solve(ring.sub(ring.matrix(t), ring.matmul(x, w)))
    return ring.add(w, ring.matmul(ring.transpose(x), a))


@pytest.mark.parametrize("condition", [1e2, 1e6, 1e11])
@pytest.mark.parametrize("shape", [(9, 20), (20, 9), (9, 9)])
def test_fit_encloses_and_is_far_closer_than_float64(condition: float, shape: tuple[int, int]) -> None:
    phi = with_condition(min(shape), max(shape), condition, 9)
    phi = phi if shape[0] <= shape[1] else np.ascontiguousarray(phi.T)
    rng = np.random.default_rng(10)
    t, start = rng.standard_normal((shape[0], 2)), 1e3 * rng.standard_normal((shape[1], 2))
    system = (
        DualSystem(phi, slice(None), "Φ") if shape[0] <= shape[1] else PrimalSystem(phi, slice(None), "Φ")
    )
    fit = system.fit(t, start)
    true = truth_of(phi, t, start)
    found = RATIONAL.add(RATIONAL.matrix(fit.high), RATIONAL.matrix(fit.low))
    assert RATIONAL.square_norm(RATIONAL.sub(found, true)).upper <= fit.radius**2
    size = float(norm_bounds(fit.parameters)[1])
    # Float64 itself would be off by about κ·1e-16; beyond κ = 1e6 the second order of the bound shows.
    assert float(fit.radius) < 4e-15 * size * max(1.0, (condition * 1e-6) ** 1.5)
    lower, upper = fit.distance(np.zeros_like(start))
    assert lower**2 <= RATIONAL.square_norm(true).upper <= upper**2


def test_rank_deficient_systems_are_undecided_and_say_what_decides() -> None:
    twice = np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]])
    with pytest.raises(UndecidedError, match=r"Φ has full rank; ball arithmetic") as caught:
        DualSystem(twice, slice(None), "Φ").fit(np.ones((2, 1)), None)
    assert "rational" in caught.value.remedy
    with pytest.raises(UndecidedError):
        PrimalSystem(twice.T, slice(None), "Φ").fit(np.ones((3, 1)), None)


# -- corners ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "transposed"), [(2000, False), (2000, True)])
def test_products_that_vanish_are_in_the_error(count: int, transposed: bool) -> None:
    """Each product is just below half of the smallest float and rounds to zero; together they are hundreds of it."""
    row = np.full((1, count), 2.0**-537)
    features = np.ascontiguousarray(row.T) if transposed else row
    x = np.full((count, 1), 2.0**-538 * (1 - 2.0**-53))
    product = accurate_product(features, slice(None), x, transposed=transposed)
    truth = count * Fraction(2.0**-537) * Fraction(float(x[0, 0]))
    got = Fraction(float(product.high[0, 0])) + Fraction(float(product.low[0, 0]))
    assert truth > 400 * Fraction(2) ** -1074
    assert abs(truth - got) <= Fraction(float(product.error[0, 0]))
    assert product.error[0, 0] < 1e-300


@pytest.mark.parametrize("value", [2.0, 3.0, 1e-300, 5e-324, 1e300, 0.1])
def test_roots_of_float_enclosures_point_outward(value: float) -> None:
    root = Quantity.enclosure(value, value).sqrt()
    assert isinstance(root.lower, float)
    assert isinstance(root.upper, float)
    assert Fraction(root.lower) ** 2 <= Fraction(value) <= Fraction(root.upper) ** 2
    assert root.upper <= root.lower * (1 + 1e-15) + 1e-300
    assert Quantity.enclosure(0.0, math.inf).sqrt().upper == math.inf


def test_ends_of_a_ball_too_far_out_for_memory_are_rounded_outwards() -> None:
    """exp(−10⁴⁰⁰) as a fraction would have more digits than there is memory."""
    tiny = enclosure((-(flint.arb(10) ** 400)).exp())
    assert tiny.lower == 0
    assert 0 < tiny.upper < Fraction(1, 10**4000)
    assert enclosure(flint.arb(10) ** 10**30).upper == math.inf
    assert enclosure(flint.arb(0)).upper == 0
    third = enclosure(flint.arb(1) / 3)
    assert 0 < Fraction(1, 3) - third.lower < Fraction(1, 2**50)
    assert 0 < third.upper - Fraction(1, 3) < Fraction(1, 2**50)
