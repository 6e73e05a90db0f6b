"""The four arithmetics: one set of formulas, naive oracles, refusals, and checks that must fail."""

from __future__ import annotations

import threading
from fractions import Fraction

import flint
import mpmath
import numpy as np
import pytest

from muso_theory.errors import BadInputError, SingularMatrixError
from muso_theory.numbers import BALL, FLOAT64, MP, RATIONAL, Arithmetic, CholeskyFactor, Grade
from muso_theory.numbers.gram import blocked_gram

ALL = [FLOAT64, RATIONAL, BALL(160), MP(40)]
IDS = [a.name for a in ALL]
every = pytest.mark.parametrize("arithmetic", ALL, ids=IDS)


def integers(rows: int, columns: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-9, 10, size=(rows, columns))


def exact(a: np.ndarray) -> list[list[Fraction]]:
    return [[Fraction(x) for x in row] for row in a.tolist()]


def naive_solve(k: list[list[Fraction]], b: list[list[Fraction]]) -> list[list[Fraction]]:
    """Gauss–Jordan on Fractions, the slow twin of every solve."""
    n = len(k)
    rows = [list(k[i]) + list(b[i]) for i in range(n)]
    for i in range(n):
        pivot = next(r for r in range(i, n) if rows[r][i] != 0)
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [x / rows[i][i] for x in rows[i]]
        for r in range(n):
            if r != i:
                rows[r] = [x - rows[r][i] * y for x, y in zip(rows[r], rows[i], strict=True)]
    return [row[n:] for row in rows]


def schur_energy(ring: Arithmetic, features: np.ndarray, label_error: np.ndarray, retained: int) -> object:
    """δᵀS⁻¹δ by one formula in any arithmetic."""
    phi = ring.matrix(features)
    k = ring.gram(phi)
    n = ring.shape(k)[0]
    r, f = range(retained), range(retained, n)
    k_rf = ring.take(k, r, f)
    schur = ring.sub(
        ring.take(k, f, f), ring.matmul(ring.transpose(k_rf), ring.factor(ring.take(k, r, r)).solve(k_rf))
    )
    delta = ring.matrix(label_error)
    a = ring.factor(schur).solve(delta)
    return ring.energy(a, schur)


@every
def test_one_formula_same_number(arithmetic: Arithmetic) -> None:
    features, delta = integers(6, 11, 1), integers(2, 3, 2)
    gram = [[sum(x * y for x, y in zip(a, b, strict=True)) for b in exact(features)] for a in exact(features)]
    padded = [[Fraction(0)] * 3 for _ in range(4)] + exact(delta)
    truth = sum(
        x * y
        for row, other in zip(naive_solve(gram, padded), padded, strict=True)
        for x, y in zip(row, other, strict=True)
    )
    value = schur_energy(arithmetic, features, delta, 4)
    if value.grade is Grade.MEASURED:
        assert value.upper == pytest.approx(float(truth), rel=1e-11)
    else:
        assert value.lower <= truth <= value.upper
    if value.grade is Grade.PROVED:
        assert value.upper == truth
    if value.grade is Grade.CERTIFIED:
        assert value.upper - value.lower < Fraction(1, 2**100)
        assert value.lower < value.upper


@every
def test_matrix_algebra_matches_numpy(arithmetic: Arithmetic) -> None:
    a, b = integers(3, 4, 3), integers(3, 4, 4)
    x, y = arithmetic.matrix(a), arithmetic.matrix(b)

    def back(m: object) -> np.ndarray:
        return arithmetic.to_numpy(m)

    assert np.array_equal(back(arithmetic.matmul(x, arithmetic.transpose(y))), a @ b.T)
    assert np.array_equal(back(arithmetic.add(x, y)), a + b)
    assert np.array_equal(back(arithmetic.sub(x, y)), a - b)
    assert np.array_equal(back(arithmetic.scale(Fraction(1, 4), x)), a / 4)
    assert np.array_equal(back(arithmetic.scale(-0.5, x)), -a / 2)
    assert np.array_equal(back(arithmetic.take(x, [2, 0], [3, 1, 1])), a[[2, 0]][:, [3, 1, 1]])
    assert np.array_equal(back(arithmetic.take(x, None, range(1, 3))), a[:, 1:3])
    assert np.array_equal(back(arithmetic.vstack(x, y)), np.vstack([a, b]))
    assert np.array_equal(back(arithmetic.identity(3)), np.eye(3))
    assert np.array_equal(back(arithmetic.gram(x)), a @ a.T)
    assert arithmetic.shape(arithmetic.zeros(2, 5)) == (2, 5)
    assert arithmetic.square_norm(x).bound == float((a**2).sum())


@every
def test_energy_of_many_outputs(arithmetic: Arithmetic) -> None:
    phi, a = integers(3, 5, 5), integers(3, 2, 6)
    energy = arithmetic.energy(arithmetic.matrix(a), arithmetic.gram(arithmetic.matrix(phi)))
    assert energy.floor <= ((phi.T @ a) ** 2).sum() <= energy.bound


@every
def test_full_rank_and_null_space(arithmetic: Arithmetic) -> None:
    a = integers(3, 7, 7)
    x = arithmetic.matrix(a)
    assert arithmetic.rank(x) == 3
    assert arithmetic.rank(arithmetic.transpose(x)) == 3
    basis = arithmetic.null_space(x)
    assert arithmetic.shape(basis) == (7, 4)
    assert np.abs(a @ arithmetic.to_numpy(basis)).max() < 1e-12
    assert np.linalg.matrix_rank(arithmetic.to_numpy(basis)) == 4
    assert arithmetic.shape(arithmetic.null_space(arithmetic.transpose(x))) == (3, 0)


@every
@pytest.mark.parametrize("shape", [(0, 4), (0, 0), (4, 0)])
def test_no_rows_or_no_columns(arithmetic: Arithmetic, shape: tuple[int, int]) -> None:
    x = arithmetic.matrix(np.zeros(shape))
    assert arithmetic.shape(x) == shape
    k = arithmetic.gram(x)
    assert arithmetic.shape(k) == (shape[0], shape[0])
    assert arithmetic.square_norm(x).bound == 0.0
    if shape[0] == 0:
        factor = arithmetic.factor(k)
        assert (factor.rank, factor.size) == (0, 0)
        assert arithmetic.shape(factor.solve(arithmetic.zeros(0, 2))) == (0, 2)
        assert arithmetic.shape(arithmetic.null_space(x)) == (shape[1], shape[1])


@pytest.mark.parametrize("arithmetic", [BALL(64), MP(20)], ids=["ball", "mp"])
@pytest.mark.parametrize("features", [np.zeros((3, 4)), np.ones((3, 4)), np.eye(4)[[0, 1, 0]]])
def test_singularity_is_refused_not_decided(arithmetic: Arithmetic, features: np.ndarray) -> None:
    x = arithmetic.matrix(features)
    with pytest.raises(SingularMatrixError, match=r"more (bits|digits)"):
        arithmetic.factor(arithmetic.gram(x))
    with pytest.raises(SingularMatrixError):
        arithmetic.rank(x)
    with pytest.raises(SingularMatrixError):
        arithmetic.null_space(x)


@every
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nonfinite_is_refused_by_position(arithmetic: Arithmetic, bad: float) -> None:
    with pytest.raises(BadInputError, match=r"values\[1, 0\]"):
        arithmetic.matrix(np.array([[1.0, 2.0], [bad, 0.0]]))
    with pytest.raises(BadInputError, match=r"values\[0, 1\]"):
        arithmetic.matrix([[1, bad]])


@every
@pytest.mark.parametrize(
    "values", [np.zeros(3), np.zeros((1, 1, 1)), np.array([["a"]]), [[None]], np.array([[1j]]), [[1, "2"]]]
)
def test_what_is_not_a_real_matrix_is_refused(arithmetic: Arithmetic, values: object) -> None:
    with pytest.raises(BadInputError, match="expected"):
        arithmetic.matrix(values)


@every
def test_indices_and_shapes_are_checked(arithmetic: Arithmetic) -> None:
    x = arithmetic.matrix(np.eye(3))
    for rows in ([3], [-1]):
        with pytest.raises(BadInputError, match="indices from 0 to 2"):
            arithmetic.take(x, rows)
    with pytest.raises(BadInputError, match="expected 3 rows"):
        arithmetic.factor(x).solve(arithmetic.matrix(np.ones((2, 1))))
    with pytest.raises(BadInputError, match=r"square|symmetric"):
        arithmetic.factor(arithmetic.matrix(np.ones((2, 3))))


def test_precision_below_two_digits_is_refused() -> None:
    for digits in (1, 0, -3, 1.5):
        with pytest.raises(BadInputError, match="at least 2 but got digits"):
            MP(digits)
    for bits in (6, 0, -1, 64.0):
        with pytest.raises(BadInputError, match="at least 7 but got bits"):
            BALL(bits)
    assert MP(2).digits == 2
    assert BALL(7).bits == 7


def test_float_is_the_dyadic_rational_it_is() -> None:
    assert RATIONAL.square_norm(RATIONAL.matrix([[0.1]])).upper == Fraction(0.1) ** 2 != Fraction(1, 100)
    tiny = np.array([[5e-324, 2.0**1000]])
    entries = RATIONAL.matrix(tiny).entries()
    assert Fraction(int(entries[0].p), int(entries[0].q)) == Fraction(1, 2**1074)
    assert np.array_equal(RATIONAL.to_numpy(RATIONAL.matrix(tiny)), tiny)
    assert RATIONAL.to_numpy(RATIONAL.scale(2**60, RATIONAL.matrix(tiny)))[0, 1] == np.inf
    assert RATIONAL.to_numpy(RATIONAL.scale(-(2**60), RATIONAL.matrix(tiny)))[0, 1] == -np.inf
    with pytest.raises(BadInputError, match="narrower"):
        RATIONAL.matrix(np.ones((1, 1), dtype=np.longdouble))


def test_every_real_dtype_is_read_and_fractions_round_once() -> None:
    for dtype in (bool, np.int8, np.uint64, np.float16, np.float32):
        ones = np.ones((2, 2), dtype=dtype)
        for arithmetic in ALL:
            assert np.array_equal(arithmetic.to_numpy(arithmetic.matrix(ones)), np.ones((2, 2)))
    third = [[Fraction(1, 3), np.float32(0.5), np.int64(7)]]
    assert FLOAT64.matrix(third).tolist() == [[1 / 3, 0.5, 7.0]]
    assert RATIONAL.to_numpy(RATIONAL.matrix(third)).tolist() == [[1 / 3, 0.5, 7.0]]
    with pytest.raises(BadInputError, match="range of float64"):
        FLOAT64.matrix([[10**400]])
    with pytest.raises(BadInputError, match="matrix"):
        RATIONAL.matrix([1, Fraction(1, 2)])


@pytest.mark.parametrize("seed", range(6))
def test_rational_singular_solve_is_the_pseudo_inverse(seed: int) -> None:
    rng = np.random.default_rng(seed)
    phi = rng.integers(-4, 5, (5, 2)) @ rng.integers(-4, 5, (2, 7))
    if seed == 5:
        phi[:] = 0
    b = rng.integers(-4, 5, (5, 2))
    factor = RATIONAL.factor(RATIONAL.gram(RATIONAL.matrix(phi)))
    assert factor.rank == np.linalg.matrix_rank(phi) == RATIONAL.rank(RATIONAL.matrix(phi))
    a = RATIONAL.to_numpy(factor.solve(RATIONAL.matrix(b)))
    assert np.allclose(phi.T @ a, np.linalg.pinv(phi) @ b, atol=1e-10)
    basis = RATIONAL.null_space(RATIONAL.matrix(phi))
    assert RATIONAL.matmul(RATIONAL.matrix(phi), basis) == RATIONAL.zeros(5, 7 - factor.rank)
    assert RATIONAL.rank(basis) == 7 - factor.rank


def test_rational_rank_survives_unlucky_primes() -> None:
    primes = (2**61 - 1, 2**63 - 25, 2**64 - 59)
    one = RATIONAL.matrix([[primes[0], 0], [0, 1]])
    every_prime = RATIONAL.matrix([[primes[0] * primes[1] * primes[2], 0, 0], [0, 1, 1]])
    assert RATIONAL.rank(one) == 2
    assert RATIONAL.rank(every_prime) == 2
    assert RATIONAL.shape(RATIONAL.null_space(every_prime)) == (3, 1)
    deficient = RATIONAL.matrix([[primes[0], 1], [primes[0] * 3, 3]])
    assert RATIONAL.rank(deficient) == 1


def test_rational_rank_tells_near_singular_from_singular() -> None:
    near = np.array([[1.0, 1.0], [1.0, 1.0 + 2.0**-52]])
    assert RATIONAL.rank(RATIONAL.matrix(near)) == 2
    assert RATIONAL.rank(RATIONAL.matrix(np.ones((2, 2)))) == 1
    with pytest.raises(BadInputError, match="symmetric"):
        RATIONAL.factor(RATIONAL.matrix([[1, 2], [3, 4]]))


def test_float64_cholesky_blocks_are_factors_of_the_blocks() -> None:
    k = FLOAT64.gram(np.random.default_rng(0).normal(size=(7, 12)))
    factor = FLOAT64.factor(k)
    assert isinstance(factor, CholeskyFactor)
    b = np.random.default_rng(1).normal(size=(7, 2))
    assert np.allclose(factor.leading(4).solve(b[:4]), np.linalg.solve(k[:4, :4], b[:4]))
    assert np.shares_memory(factor.leading(4).lower, factor.lower)
    schur = k[4:, 4:] - k[4:, :4] @ np.linalg.solve(k[:4, :4], k[:4, 4:])
    assert np.allclose(factor.trailing(4).solve(b[4:]), np.linalg.solve(schur, b[4:]))
    inner = np.linalg.inv(np.linalg.inv(k[:6, :6])[2:, 2:])
    assert np.allclose(factor.leading(6).trailing(2).solve(b[:4]), np.linalg.solve(inner, b[:4]))
    assert factor.leading(0).solve(b[:0]).shape == (0, 2)
    assert factor.trailing(7).size == 0
    # A leading block keeps the rows below it in memory, which are no part of it.
    for size in (7, 4, 0):
        inverse = factor.leading(size).inverse()
        assert np.allclose(inverse @ k[:size, :size], np.eye(size))
        assert (inverse == inverse.T).all()


@pytest.mark.parametrize("features", [np.zeros((4, 3)), np.ones((4, 3)), np.eye(3)[[0, 1, 1, 2]]])
def test_float64_singular_matrices_get_the_pseudo_inverse(features: np.ndarray) -> None:
    factor = FLOAT64.factor(FLOAT64.gram(features))
    assert factor.rank == np.linalg.matrix_rank(features)
    assert factor.size == 4
    b = np.arange(8.0).reshape(4, 2)
    assert np.allclose(features.T @ factor.solve(b), np.linalg.pinv(features) @ b)


def test_float64_singular_matrix_of_wild_exponents_does_not_hang() -> None:
    # On this Gram matrix LAPACK's dsyevr never returns (found by the soundness campaign).
    from tests.linear.certified_cases import generate

    case = generate(20, 87884)
    features = case.features[case.retain]
    factor = FLOAT64.factor(blocked_gram(features if len(features) <= features.shape[1] else features.T))
    assert 1 <= factor.rank < factor.size


def test_float64_gram_streams_float32_memory_maps_and_blocks(tmp_path: object) -> None:
    rng = np.random.default_rng(2)
    features = rng.normal(size=(500, 700)).astype(np.float32)
    path = f"{tmp_path}/features.npy"
    np.save(path, features)
    mapped = np.load(path, mmap_mode="r")
    wide = features.astype(np.float64)
    for given in (features, mapped, wide, np.asfortranarray(wide)):
        k = blocked_gram(given)
        assert np.allclose(k, wide @ wide.T, rtol=1e-12, atol=1e-11)
        assert np.array_equal(k, k.T)
    w = rng.normal(size=(700, 2))
    assert np.allclose(FLOAT64.matmul(mapped, w), wide @ w)
    v = rng.normal(size=(500, 1))
    assert np.allclose(FLOAT64.matmul(FLOAT64.transpose(mapped), v), wide.T @ v)
    assert np.allclose(FLOAT64.matmul(w.T, FLOAT64.transpose(mapped)), w.T @ wide.T)
    assert FLOAT64.matrix(mapped) is mapped


def test_float64_overflow_is_refused_with_a_way_out() -> None:
    with pytest.raises(BadInputError, match="power of two"):
        FLOAT64.gram(np.array([[1e200, 0.0], [0.0, 1.0]]))
    with pytest.raises(BadInputError, match="finite"):
        FLOAT64.factor(np.array([[np.nan]]))


def test_precision_has_a_scope_and_threads_do_not_mix() -> None:
    flint_before, mpmath_before = flint.ctx.prec, mpmath.mp.prec
    hilbert = [[Fraction(1, i + j + 1) for j in range(10)] for i in range(10)]
    widths: dict[int, float] = {}

    def work(bits: int) -> None:
        ball = BALL(bits)
        for _ in range(20):
            x = ball.factor(ball.matrix(hilbert)).solve(ball.identity(10))
        norm = ball.square_norm(x)
        widths[bits] = float((norm.upper - norm.lower) / norm.upper)

    threads = [threading.Thread(target=work, args=(bits,)) for bits in (96, 128, 256, 512)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for bits in (96, 128, 256, 512):
        assert 2.0 ** (8 - bits) < widths[bits] < 2.0 ** (60 - bits)
    MP(60).factor(MP(60).matrix(hilbert))
    assert (flint.ctx.prec, mpmath.mp.prec) == (flint_before, mpmath_before)


def test_more_digits_give_more_digits() -> None:
    hilbert = [[Fraction(1, i + j + 1) for j in range(8)] for i in range(8)]
    inverse = naive_solve(hilbert, [[Fraction(int(i == j)) for j in range(8)] for i in range(8)])
    errors = []
    for digits in (20, 40):
        ring = MP(digits)
        x = ring.factor(ring.matrix(hilbert)).solve(ring.identity(8))
        errors.append(ring.square_norm(ring.sub(x, ring.matrix(inverse))).bound ** 0.5)
    assert 1e-30 < errors[1] < 1e-20 < errors[0] < 1.0
    with pytest.raises(SingularMatrixError):
        MP(5).factor(MP(5).matrix(hilbert))
    with pytest.raises(SingularMatrixError):
        BALL(20).factor(BALL(20).matrix(hilbert))


@pytest.mark.parametrize("size", [100, 300, 500])
def test_what_elimination_proves_regular_is_solved_by_elimination(size: int) -> None:
    """A product with an approximate inverse proves it for neither: it is too coarse for rows of such sizes."""
    ball, rows = BALL(128), [[Fraction(2) ** size, Fraction(3)], [Fraction(1), Fraction(2) ** -50]]
    found = ball.factor(ball.gram(ball.matrix(rows))).solve(ball.matrix([[1], [1]]))
    phi = flint.fmpq_mat(2, 2, [flint.fmpq(x.numerator, x.denominator) for row in rows for x in row])
    assert found.contains((phi * phi.transpose()).inv() * flint.fmpq_mat(2, 1, [1, 1]))
