"""Rank and solutions beyond κ(K) = 10^12 in float64: every bound against exact rationals, and planted failures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import flint
import numpy as np
import pytest

from muso_theory.numbers import UndecidedError
from muso_theory.numbers import preconditioner as preconditioner_module
from muso_theory.numbers.leastsquares import DualSystem
from muso_theory.numbers.point_ball import CertifiedParameters
from muso_theory.numbers.preconditioned import PreconditionedSystem
from muso_theory.numbers.preconditioner import precondition
from muso_theory.numbers.primal import PrimalSystem
from muso_theory.numbers.rounding import row_norms
from muso_theory.numbers.slices import sliced_product

Array = np.ndarray[Any, Any]


# -- exact answers -----------------------------------------------------------------------------------------------


def exactly(a: Array) -> flint.fmpq_mat:
    """Floats as the rationals they are."""
    ratios = [flint.fmpq(*float(x).as_integer_ratio()) for x in a.ravel()]
    return flint.fmpq_mat(*a.shape, ratios)


def rational(x: Any) -> Fraction:
    """One exact number of flint's."""
    return Fraction(int(x.p), int(x.q))


def square(m: flint.fmpq_mat) -> Fraction:
    """The squared Frobenius norm."""
    return sum((rational(x) ** 2 for x in m.entries()), Fraction(0))


def is_positive_definite(m: flint.fmpq_mat, shift: Fraction = Fraction(0)) -> bool:
    """Whether M − shift·I has positive leading minors, exactly."""
    n = m.nrows()
    scale = flint.fmpq(shift.numerator, shift.denominator)
    whole, _ = (m - scale * exactly(np.eye(n))).numer_denom()
    return all(
        flint.fmpz_mat([[whole[i, j] for j in range(k)] for i in range(k)]).det() > 0 for k in range(1, n + 1)
    )


def looseness(radius: Fraction, truth: flint.fmpq_mat, high: Array, low: Array) -> float:
    """How many times the radius exceeds the true distance; below 1 it is wrong."""
    distance = square(truth - exactly(high) - exactly(low))
    if not distance:
        return math.inf
    return math.isqrt(int(min(radius**2 / distance, Fraction(10) ** 80) * 2**60)) / 2**30


# -- data ----------------------------------------------------------------------------------------------------------


def with_condition(n: int, width: int, condition: float, rng: np.random.Generator) -> Array:
    """Rows of which the Gram matrix has about this condition number, from their singular values."""
    u = np.linalg.qr(rng.standard_normal((n, n)))[0]
    v = np.linalg.qr(rng.standard_normal((width, n)))[0]
    rows: Array = (u * np.geomspace(1, condition**-0.5, n)) @ v.T
    return rows


def graded(n: int, width: int, rng: np.random.Generator) -> Array:
    return np.ldexp(rng.standard_normal((n, width)), rng.integers(-300, 300, (n, 1)))


def uneven_columns(n: int, width: int, rng: np.random.Generator) -> Array:
    return np.ldexp(rng.standard_normal((n, width)), rng.integers(-20, 20, (1, width)))


def near_duplicates(n: int, width: int, rng: np.random.Generator) -> Array:
    rows = rng.standard_normal((n, width))
    for i in range(1, n, 2):
        rows[i] = rows[i - 1] + 2.0 ** -int(rng.integers(2, 41)) * rng.standard_normal(width)
    return rows


def far_away(n: int, width: int, rng: np.random.Generator) -> Array:
    exponent = int(rng.choice([-450, -200, 200, 450]))
    return np.ldexp(with_condition(n, width, 1e12, rng), exponent)


KINDS: dict[str, Callable[[int, int, np.random.Generator], Array]] = {
    **{
        f"kappa {condition:.0e}": lambda n, width, rng, c=condition: with_condition(n, width, c, rng)
        for condition in (1e4, 1e10, 1e13, 1e16, 1e18, 1e20, 1e22, 1e24)
    },
    "graded": graded,
    "columns": uneven_columns,
    "near duplicates": near_duplicates,
    "far away": far_away,
}


def cases(kind: str) -> Iterator[tuple[Array, np.random.Generator]]:
    """Wide matrices of 2 to 12 rows."""
    for seed in range(6):
        rng = np.random.default_rng(seed)
        n = 2 * seed + 2 if kind != "columns" else 2 * seed + 1
        yield KINDS[kind](n, n + int(rng.integers(0, 6)), rng), rng


def dual(features: Array) -> PreconditionedSystem:
    return PreconditionedSystem(DualSystem(features, slice(None), "Φ"))


def primal(features: Array) -> PreconditionedSystem:
    return PreconditionedSystem(PrimalSystem(features, slice(None), "Φ"))


# -- rank and spectrum ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_eigenvalue_bounds_hold_and_are_sharp(kind: str) -> None:
    for phi, _ in cases(kind):
        gram = exactly(phi) * exactly(phi).transpose()
        for system in (dual(phi), primal(phi.T.copy())):
            assert is_positive_definite(gram, system.smallest)
            assert not is_positive_definite(gram, system.smallest_above)
            assert not is_positive_definite(gram, 10 * system.smallest)
            assert is_positive_definite(-1 * gram, -system.largest)
            trace = sum((rational(gram[i, i]) for i in range(gram.nrows())), Fraction(0))
            assert trace <= system.trace < trace * Fraction(10001, 10000)


@pytest.mark.parametrize("kind", KINDS)
def test_singular_values_of_the_preconditioned_matrix_are_enclosed(kind: str) -> None:
    for phi, _ in cases(kind):
        found = dual(phi).factor
        product = exactly(phi).transpose() * exactly(found.inverse)
        square_of = product.transpose() * product
        assert is_positive_definite(square_of, found.low**2)
        assert is_positive_definite(-1 * square_of, -(found.high**2))
        assert found.low > Fraction(1, 2)
        # X twice as large does not satisfy the same bounds.
        assert not is_positive_definite(-4 * square_of, -(found.high**2))


def test_norm_of_the_inverse_is_bounded_at_every_size() -> None:
    for kind in ("kappa 1e+16", "graded", "far away"):
        for phi, _ in cases(kind):
            x = dual(phi).factor
            exact = exactly(x.inverse)
            assert is_positive_definite(-1 * (exact * exact.transpose()), -(x.norm**2))
            assert not is_positive_definite(-1 * (exact * exact.transpose()), -(x.norm**2) / 2)


def deficient(n: int, width: int, rank: int, rng: np.random.Generator) -> Array:
    """Integers of exactly this rank, with rows scaled by powers of two."""
    product = rng.integers(-9, 10, (n, rank)) @ rng.integers(-9, 10, (rank, width))
    return np.ldexp(product.astype(np.float64), rng.integers(-40, 40, (n, 1)))


@pytest.mark.parametrize("n", range(2, 13))
def test_deficient_rank_is_never_proved_full(n: int) -> None:
    for seed in range(8):
        phi = deficient(n, n + seed % 3, n - 1 - seed % 2 * (n > 2), np.random.default_rng(100 * n + seed))
        for system in (dual(phi), primal(phi.T.copy())):
            for ask in ("factor", "smallest"):
                with pytest.raises(UndecidedError, match="cannot prove that Φ has full rank"):
                    getattr(system, ask)
            with pytest.raises(UndecidedError):
                system.fit(np.ones((phi.shape[0] if system.is_dual else phi.shape[1], 1)), None)
            assert system.floor(0.5) == 0.5  # a ridge needs no rank


@pytest.mark.parametrize("bits", [4, 20, 26, 30, 40, 46, 60])
def test_a_duplicate_is_told_from_a_near_one(bits: int) -> None:
    """One row is another but for 2^-bits in one entry: proved as long as 2^-bits is well above one rounding."""
    phi = np.random.default_rng(bits).integers(1, 9, (3, 5)).astype(np.float64)
    phi[1] = phi[0]
    assert precondition(phi, slice(None), row_norms(phi), transposed=True) is None
    phi[1, 2] += 2.0**-bits
    found = precondition(phi, slice(None), row_norms(phi), transposed=True)
    assert (found is not None) == (bits <= 46 and phi[1, 2] != phi[0, 2])
    if found is not None:
        assert is_positive_definite(exactly(phi) * exactly(phi).transpose(), found.smallest)


def test_zero_and_empty_directions_are_refused() -> None:
    with pytest.raises(UndecidedError):
        dual(np.array([[1.0, 2.0], [0.0, 0.0]])).smallest  # noqa: B018
    with pytest.raises(UndecidedError):
        dual(np.array([[1e308, 1e308], [1e308, -1e308]])).smallest  # noqa: B018


def test_a_wrong_product_is_caught_by_the_exact_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: were the product of A and X taken for orthonormal unseen, the exact answer would differ."""

    def orthonormal(columns: Array, inverse: Array, norms: Array) -> tuple[Array, Fraction]:
        return np.eye(*columns.shape), Fraction(0)

    monkeypatch.setattr(preconditioner_module, "_plain", orthonormal)
    monkeypatch.setattr(preconditioner_module, "_inverse_of_triangle", lambda columns: np.eye(len(columns)))
    phi = np.array([[1.0, 0.0, 0.0], [1.0, 2.0**-8, 0.0]])
    found = precondition(phi, slice(None), row_norms(phi), transposed=True)
    assert found is not None
    assert not is_positive_definite(exactly(phi) * exactly(phi).transpose(), found.smallest)


# -- solutions -----------------------------------------------------------------------------------------------------


def minimum_norm(phi: Array, targets: flint.fmpq_mat, start: Array | None) -> flint.fmpq_mat:
    """Start + Φ⁺(targets − Φ start), exactly."""
    m = exactly(phi)
    rest = targets if start is None else targets - m * exactly(start)
    step = m.transpose() * (m * m.transpose()).solve(rest)
    return step if start is None else step + exactly(start)


def least_squares(phi: Array, targets: flint.fmpq_mat) -> flint.fmpq_mat:
    m = exactly(phi)
    return (m.transpose() * m).solve(m.transpose() * targets)


def check_fit(phi: Array, found: CertifiedParameters, truth: flint.fmpq_mat) -> float:
    """Radius and image hold; how loose the radius is."""
    off = truth - exactly(found.high) - exactly(found.low)
    assert found.image is not None
    assert square(exactly(phi) * off) <= found.image**2
    loose = looseness(found.radius, truth, found.high, found.low)
    assert loose >= 1
    return loose


@pytest.mark.parametrize("kind", KINDS)
def test_solutions_are_enclosed(kind: str) -> None:
    loose = []
    for phi, rng in cases(kind):
        n, width = phi.shape
        start = rng.standard_normal((width, 2)) if n % 4 else None
        y, z = rng.standard_normal((n, 2)), rng.standard_normal((width, 2))
        loose += [
            check_fit(phi, dual(phi).fit(y, start), minimum_norm(phi, exactly(y), start)),
            check_fit(phi.T, primal(phi.T.copy()).fit(z, start), least_squares(phi.T, exactly(z))),
        ]
    assert np.median(loose) < 1e4


def test_a_tenth_of_the_radius_would_be_wrong() -> None:
    """Negative control of the check above: it sees a radius that is too small by a factor of ten."""
    loose = []
    for kind in ("kappa 1e+16", "kappa 1e+20", "near duplicates", "graded"):
        for phi, rng in cases(kind):
            y = rng.standard_normal((len(phi), 1))
            loose.append(check_fit(phi, dual(phi).fit(y, None), minimum_norm(phi, exactly(y), None)))
    assert min(loose) < 10


def test_a_start_far_away_keeps_its_digits() -> None:
    """Off the row space nothing corrects the start: the rounding of its last digits has to be in the radius."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        phi = rng.standard_normal((1, 2))
        start = np.ldexp(rng.standard_normal((2, 1)), rng.integers(40, 60, (2, 1)))
        y = rng.standard_normal((1, 1))
        check_fit(phi, dual(phi).fit(y, start), minimum_norm(phi, exactly(y), start))


@pytest.mark.parametrize("kind", KINDS)
def test_leading_rows_are_solved_by_the_leading_block(kind: str) -> None:
    for phi, rng in cases(kind):
        if len(phi) < 2:
            continue
        count = int(rng.integers(1, len(phi)))
        whole = dual(phi)
        leading = PreconditionedSystem(DualSystem(phi, np.arange(count), "Φ_R"), parent=whole)
        y = rng.standard_normal((count, 1))
        check_fit(phi[:count], leading.fit(y, None), minimum_norm(phi[:count], exactly(y), None))
        rows = exactly(phi[:count])
        assert leading.smallest == whole.smallest
        assert is_positive_definite(rows * rows.transpose(), leading.smallest)


@pytest.mark.parametrize("kind", ["kappa 1e+16", "kappa 1e+20", "graded", "near duplicates"])
def test_other_rows_of_a_system_keep_its_eigenvalue_bound(kind: str) -> None:
    for phi, rng in cases(kind):
        whole = dual(phi)
        rows = np.sort(rng.choice(len(phi), (len(phi) + 1) // 2, replace=False))[::-1]
        part = PreconditionedSystem(DualSystem(phi, rows, "a block"), parent=whole)
        y = rng.standard_normal((len(rows), 1))
        check_fit(phi[rows], part.fit(y, None), minimum_norm(phi[rows], exactly(y), None))
        assert part.smallest == whole.smallest
        block = exactly(phi[rows])
        assert is_positive_definite(block * block.transpose(), part.smallest)


@pytest.mark.parametrize("kind", KINDS)
def test_more_digits_of_targets_and_start_are_used(kind: str) -> None:
    for phi, rng in cases(kind):
        n, width = phi.shape
        y, start = rng.standard_normal((n, 1)), rng.standard_normal((width, 1))
        more = (rng.uniform(-1, 1, x.shape) * 2.0**-54 for x in (y, start))
        y_low, start_low = more
        found = dual(phi).fit(y, start, targets_low=y_low, start_low=start_low)
        m = exactly(phi)
        begin, targets = exactly(start) + exactly(start_low), exactly(y) + exactly(y_low)
        truth = begin + m.transpose() * (m * m.transpose()).solve(targets - m * begin)
        check_fit(phi, found, truth)
        assert found.radius < dual(phi).fit(y, start).radius * 1000
        # Without them the answer is another one, and the check sees it where κ makes it visible.
        if kind.startswith("kappa 1e+2"):
            unaware = dual(phi).fit(y, start)
            assert looseness(unaware.radius, truth, unaware.high, unaware.low) < 1


@pytest.mark.parametrize("kind", KINDS)
def test_coefficients_and_lengths_are_enclosed(kind: str) -> None:
    for phi, rng in cases(kind):
        gram = exactly(phi) * exactly(phi).transpose()
        g = rng.standard_normal((len(phi), 2))
        a = gram.solve(exactly(g))
        for system in (dual(phi), primal(phi.T.copy())):
            values, radius = system.coefficients(g)
            assert looseness(radius, a, values, np.zeros_like(values)) >= 1
        length = square(exactly(phi).transpose() * a)
        low, high = dual(phi).pseudo_norm(g)
        assert low**2 <= length <= high**2
        assert high - low < high / 10**6
        z = rng.standard_normal((phi.shape[1], 1))
        low, high = primal(phi.T.copy()).pseudo_norm(z)
        assert low**2 <= square(gram.solve(exactly(phi) * exactly(z))) <= high**2


@pytest.mark.parametrize("kind", KINDS)
def test_leave_block_out_is_the_formula(kind: str) -> None:
    for phi, rng in cases(kind):
        n = len(phi)
        if n < 2:
            continue
        count = int(rng.integers(1, n))
        residual = rng.standard_normal((n, 2))
        residual_low = residual * 2.0**-54
        high, low, radius = dual(phi).leave_block_out(residual, residual[count:], residual_low)
        inverse = (exactly(phi) * exactly(phi).transpose()).inv()
        block = [[inverse[i, j] for j in range(count, n)] for i in range(count, n)]
        weighted = inverse * (exactly(residual) + exactly(residual_low))
        right = [[weighted[i, j] for j in range(2)] for i in range(count, n)]
        truth = flint.fmpq_mat(block).solve(flint.fmpq_mat(right))
        assert looseness(radius, truth, high, low) >= 1
        if kind != "graded":
            assert float(radius) < 1e-4 * float(np.linalg.norm(high))
        # A forgotten row more is another formula.
        if count > 1:
            other = dual(phi).leave_block_out(residual, residual[count - 1 :], residual_low)
            assert looseness(other[2], truth, other[0][1:], other[1][1:]) < 1


def test_leave_block_out_needs_independent_rows() -> None:
    with pytest.raises(ValueError, match="more rows than columns"):
        primal(np.ones((3, 1))).leave_block_out(np.ones((3, 1)), np.ones((1, 1)))


def test_a_ridge_is_the_plain_system_s() -> None:
    phi = with_condition(5, 8, 1e20, np.random.default_rng(3))
    y = np.arange(5.0)[:, None]
    found, plain = dual(phi).fit(y, None, 0.5), DualSystem(phi, slice(None), "Φ").fit(y, None, 0.5)
    assert np.array_equal(found.high, plain.high)
    assert found.radius == plain.radius


def test_float32_features_are_taken_as_they_are() -> None:
    phi = with_condition(6, 9, 1e8, np.random.default_rng(4)).astype(np.float32)
    y = np.arange(6.0)[:, None]
    check_fit(phi.astype(np.float64), dual(phi).fit(y, None), minimum_norm(phi, exactly(y), None))


@pytest.mark.parametrize("condition", [1e10, 1e13, 1e16, 1e18, 1e20])
def test_larger_problems_are_decided_without_multiprecision(condition: float) -> None:
    n, width = 120, 180
    phi = with_condition(n, width, condition, np.random.default_rng(5))
    w = np.random.default_rng(6).standard_normal((width, 1))
    targets = sliced_product(phi, slice(None), w)
    system = dual(phi)
    assert 0.4 / condition < float(system.smallest) <= float(system.smallest_above) < 2 / condition
    # Targets of a known w: the solution is its part in the row space, so it is not longer, and it fits them.
    found = system.fit(targets.high, None, targets_low=targets.low)
    assert float(found.radius) < 1e-12 * float(np.linalg.norm(found.high)) < 1e-12 * float(np.linalg.norm(w))
    with pytest.raises(UndecidedError):
        DualSystem(with_condition(n, width, 1e17, np.random.default_rng(5)), slice(None), "Φ").smallest  # noqa: B018


def test_the_accurate_product_is_used_where_the_plain_one_cannot_prove(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    phi = with_condition(150, 225, 1e28, np.random.default_rng(7))
    assert dual(phi).factor.low > Fraction(1, 2)
    monkeypatch.setattr(
        preconditioner_module,
        "_accurate",
        lambda features, rows, inverse, transposed: preconditioner_module._plain(
            features, inverse, row_norms(features)
        ),
    )
    with pytest.raises(UndecidedError):
        dual(phi).factor  # noqa: B018


# -- products and norms --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slices", range(5))
@pytest.mark.parametrize("transposed", [False, True])
def test_sliced_products_hold_entry_by_entry(slices: int, transposed: bool) -> None:
    loose = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        m, k = rng.integers(1, 9, 2)
        size, of_x = (
            rng.choice([-1040, -990, -300, 0, 90, 98, 500, 900]),
            rng.choice([-1050, -1036, -300, 0, 60]),
        )
        matrix = np.ldexp(rng.standard_normal((m, k)), size + rng.integers(-20, 20, (m, k)))
        high = np.ldexp(rng.standard_normal((k, 2)), of_x + rng.integers(-20, 20, (k, 2)))
        low = high * rng.uniform(-1, 1, high.shape) * 2.0**-53
        exponents = None if seed % 2 else rng.integers(-30, 30, k)
        stored = matrix.T.copy() if transposed else matrix
        found = sliced_product(
            stored, slice(None), high, low, transposed=transposed, slices=slices, exponents=exponents
        )
        truth = exactly(matrix) * (exactly(high) + exactly(low))
        for i in range(m):
            for j in range(2):
                pair = Fraction(float(found.high[i, j])) + Fraction(float(found.low[i, j]))
                wrong = abs(rational(truth[i, j]) - pair)
                error = Fraction(float(found.error[i, j]))
                assert wrong <= error
                if wrong:
                    loose.append(float(error / wrong) if error / wrong < 10**9 else 1e9)
    # A thirtieth of the bound would be wrong: it has small constants, and counts from a power of two.
    assert min(loose) < 30


@pytest.mark.parametrize("slices", range(5))
@pytest.mark.parametrize("transposed", [False, True])
def test_long_sums_of_slices_stay_exact(slices: int, transposed: bool) -> None:
    """Entries of one sign fill the sums of a whole block, and three blocks' worth of levels have to be carried."""
    for seed in range(6):
        rng = np.random.default_rng(seed)
        matrix, high = rng.uniform(1, 2, (2, 1300)), rng.uniform(1, 2, (1300, 2))
        if seed % 2:
            matrix *= rng.choice([-1.0, 1.0], 1300)
        low = high * rng.uniform(-1, 1, high.shape) * 2.0**-53
        stored = matrix.T.copy() if transposed else matrix
        found = sliced_product(stored, slice(None), high, low, transposed=transposed, slices=slices)
        wrong = exactly(matrix) * (exactly(high) + exactly(low)) - exactly(found.high) - exactly(found.low)
        errors = exactly(found.error).entries()
        assert all(abs(off) <= error for off, error in zip(wrong.entries(), errors, strict=True))


def test_slices_buy_digits() -> None:
    rng = np.random.default_rng(8)
    matrix, x = rng.standard_normal((40, 700)), rng.standard_normal((700, 3))
    size = np.abs(matrix) @ np.abs(x)
    errors = [float((sliced_product(matrix, slice(None), x, slices=k).error / size).max()) for k in range(4)]
    assert errors[1] < errors[0] * 2.0**-18
    assert errors[2] < errors[1] * 2.0**-18
    assert errors[3] < 2.0**-99


def test_balanced_products_keep_the_digits_of_small_columns() -> None:
    rng = np.random.default_rng(9)
    sizes = rng.integers(-60, 60, 50)
    matrix, x = (
        np.ldexp(rng.standard_normal((20, 50)), sizes),
        np.ldexp(rng.standard_normal((50, 1)), -sizes[:, None]),
    )
    plain = sliced_product(matrix, slice(None), x)
    balanced = sliced_product(matrix, slice(None), x, exponents=sizes)
    assert balanced.error.max() < 1e-25
    assert plain.error.max() > 1e-10


def test_row_norms_are_upper_bounds_at_every_exponent() -> None:
    for exponent in (-1074, -1040, -500, 0, 500, 1019):
        x = np.ldexp(np.random.default_rng(exponent + 2000).standard_normal((6, 5)), exponent)
        for norm, row in zip(row_norms(x).tolist(), x, strict=True):
            length = square(exactly(row[None, :]))
            assert length <= Fraction(norm) ** 2
            if exponent > -1000:
                assert Fraction(norm) ** 2 < length * (1 + Fraction(1, 10**13))
