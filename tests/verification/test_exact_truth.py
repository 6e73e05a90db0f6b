"""The exact truth is itself tested: by laws that define it, by hand, and by slips that must be seen."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from flint import fmpq, fmpq_mat

from verification import exact_truth
from verification.exact_numbers import (
    AffineNumber,
    AtMost,
    Eigenvalue,
    Exactly,
    GaussianDelta,
    Inverse,
    Ratio,
    Root,
    Signed,
    Spectrum,
    Sum,
    compare,
)
from verification.exact_truth import (
    FlintMatrix,
    Truth,
    norm,
    null_space,
    pseudo_inverse,
    read,
    square_norm,
    stack,
)

HALF = Fraction(1, 2)


def drawn(rng: np.random.Generator, m: int, n: int, rank: int) -> FlintMatrix:
    """Small rationals of a given rank at most."""
    left, right = rng.integers(-3, 4, (m, rank)), rng.integers(-3, 4, (rank, n))
    return read(left @ right) / fmpq(int(rng.integers(1, 9)))


def fractions(matrix: FlintMatrix) -> list[list[Fraction]]:
    """The entries as they are handed to the toolkit."""
    return [[Fraction(int(x.p), int(x.q)) for x in row] for row in matrix.tolist()]


def penrose(a: FlintMatrix, b: FlintMatrix) -> list[bool]:
    """Whether each of Penrose's four conditions holds."""
    ab, ba = a * b, b * a
    return [ab * a == a, ba * b == b, ab.transpose() == ab, ba.transpose() == ba]


def matrices() -> list[FlintMatrix]:
    rng = np.random.default_rng(0)
    shapes = [(m, n, r) for m in (1, 2, 5, 7) for n in (1, 3, 6) for r in (0, 1, min(m, n))]
    wild = np.ldexp(rng.standard_normal((4, 5)), rng.integers(-500, 500, (4, 1)))
    wild[3] = wild[0]
    return [*(drawn(rng, *shape) for shape in shapes), read(wild), read([[5e-324, 0.0]])]


@pytest.fixture(scope="module")
def truths() -> list[Truth]:
    rng = np.random.default_rng(1)
    found = []
    for n, width, rank, outputs in ((4, 6, 4, 1), (4, 6, 2, 2), (6, 4, 4, 1), (6, 4, 2, 2), (3, 1, 1, 1)):
        phi = rng.integers(-3, 4, (n, rank)) @ rng.integers(-3, 4, (rank, width))
        y, w = rng.standard_normal((n, outputs)), rng.standard_normal((width, outputs))
        found += [Truth(phi, y, [0, 2], w), Truth(phi.astype(float), y, [n - 1])]
    return found


# -- matrices


@pytest.mark.parametrize("a", matrices())
def test_the_pseudo_inverse_satisfies_penroses_conditions(a: FlintMatrix) -> None:
    assert all(penrose(a, pseudo_inverse(a)))


def test_penroses_conditions_see_other_inverses() -> None:
    a = read([[1, 2, 3], [4, 5, 6]])
    right = pseudo_inverse(a)
    other = right + null_space(a) * read([[1, 0]])  # still a right inverse
    assert penrose(a, other) == [True, True, True, False]
    assert penrose(a, 2 * right) == [False, False, True, True]
    assert penrose(a, a.transpose()) == [False, False, True, True]


def test_the_null_space_is_all_of_it() -> None:
    for a in matrices():
        basis = null_space(a)
        assert a * basis == fmpq_mat(a.nrows(), basis.ncols())
        assert basis.ncols() == a.ncols() - a.rank()
        assert basis.rank() == basis.ncols()


def test_floats_are_read_as_the_rationals_that_they_are() -> None:
    third = Fraction(1, 3)
    assert read([[third]]) == fmpq_mat(1, 1, [fmpq(1, 3)])
    for value in (0.1, 5e-324, -1.7e308, np.float32(0.1), np.float16(0.1), np.int8(-128), 10**400, np.True_):
        entry = read(np.array([[value]], dtype=object))[0, 0]
        assert Fraction(int(entry.p), int(entry.q)) == Fraction(
            value.item() if isinstance(value, np.generic) else value
        )
    assert read(np.arange(6.0).reshape(2, 3).T[:, ::-1]) == read([[3, 0], [4, 1], [5, 2]])
    assert (read([1, 2]).nrows(), read([1, 2]).ncols()) == (2, 1)


# -- numbers


def test_roots_are_compared_by_squares() -> None:
    root = norm(read([[1], [1]]))
    assert root == Root(Fraction(2))
    assert [root.compare(Fraction(x)) for x in (-5, 0, 1.414, 1.415)] == [1, 1, 1, -1]
    assert Root(Fraction(9, 4)).compare(Fraction(3, 2)) == 0
    assert root.within(-math.inf, math.inf)
    assert not root.within(math.inf, math.inf)
    assert not root.within(1.42, 2.0)
    assert root.times(Fraction(1, 2)) == Root(HALF)
    assert compare(root, Root(Fraction(2) - Fraction(1, 10**30))) == 1
    assert Root(Fraction(0)).is_zero
    assert not root.is_zero
    assert root.log2 == pytest.approx(0.5)
    assert Root(Fraction(2) ** -4000).log2 == -2000
    assert Root(Fraction(0)).log2 == -math.inf


def test_sums_of_roots_are_compared_by_brackets() -> None:
    half, whole, tiny = Root(HALF), Root(Fraction(2)), Fraction(1, 10**90)
    assert compare(Sum((half, half)), whole) == 0
    assert compare(Sum((half, half)).times(1 + tiny), whole) == 1
    assert compare(whole, Sum((half, half), 1 + tiny)) == -1
    assert Sum((Root(Fraction(4)), Root(Fraction(9)))).squared().within(25, 25)
    assert not Sum((Root(Fraction(4)), Root(Fraction(9)))).squared().within(25 + tiny, 26)
    assert compare(Root(Fraction(0)), Sum((Root(Fraction(0)),))) == 0
    assert compare(Root(Fraction(2) ** -4000), Root(Fraction(2) ** -4002)) == 1
    for number in (half, Sum((half, whole)), Exactly(Fraction(3, 7)), Exactly(Fraction(2) ** 900)):
        low, high = number.bracket(50)
        assert number.within(low, high)
        assert high <= low * (1 + Fraction(1, 2**49))


def test_what_is_half_known_is_judged_by_that_half() -> None:
    assert Signed(True).within(-1, 5)
    assert not Signed(True).within(-1, 0)
    assert Signed(False).within(-1, 5)
    assert not Signed(False).within(1, 5)
    assert AtMost(Root(Fraction(4))).within(3, 5)
    assert not AtMost(Root(Fraction(4))).within(0, 1)


def test_eigenvalues_are_counted_as_by_hand() -> None:
    # Eigenvalues 0, 1, 3 and 3: [[2, 1], [1, 2]], (0) and (3).
    matrix = read([[2, 1, 0, 0], [1, 2, 0, 0], [0, 0, 0, 0], [0, 0, 0, 3]])
    spectrum = Spectrum(matrix)
    tiny = Fraction(1, 10**60)
    assert [spectrum.above(Fraction(x)) for x in (-1, 0, 1 - tiny, 1, 3 - tiny, 3)] == [4, 3, 3, 2, 2, 0]
    assert [spectrum.at(Fraction(x)) for x in (-1, 0, 1, 3)] == [0, 1, 1, 2]
    assert [Eigenvalue(spectrum, k).compare(Fraction(1)) for k in range(4)] == [-1, 0, 1, 1]
    assert Eigenvalue(spectrum, 3).within(3, 3)
    assert not Eigenvalue(spectrum, 3).within(3 + tiny, 4)
    assert Ratio(Eigenvalue(spectrum, 3), Eigenvalue(spectrum, 1)).within(3 - tiny / 2, 3 + tiny)
    assert Ratio(Eigenvalue(spectrum, 3), Eigenvalue(spectrum, 1)).compare(Fraction(30001, 10000)) == -1
    assert Ratio(Eigenvalue(spectrum, 3), Eigenvalue(spectrum, 1)).compare(Fraction(29999, 10000)) == 1
    assert AffineNumber(Fraction(2), Fraction(-1, 3), Eigenvalue(spectrum, 3)).compare(Fraction(1)) == 0
    assert AffineNumber(Fraction(2), Fraction(-1, 3), Eigenvalue(spectrum, 3)).compare(1 - tiny) == 1
    assert [Inverse(Fraction(2), Eigenvalue(spectrum, 3)).compare(Fraction(x)) for x in (-1, 0.5, 0.75)] == [
        1,
        1,
        -1,
    ]
    assert Inverse(Fraction(6), Eigenvalue(spectrum, 3)).compare(Fraction(2)) == 0
    assert Exactly(Fraction(-1)).compare(Fraction(-2)) == 1


def test_eigenvalues_agree_with_pivots_and_with_numpy() -> None:
    rng = np.random.default_rng(2)
    for n in (1, 3, 6):
        a = rng.integers(-3, 4, (n, n))
        symmetric = a + a.T
        spectrum = Spectrum(read(symmetric))
        values = np.linalg.eigvalsh(symmetric.astype(float))
        for c in (-2.25, 0.125, 3.7):
            assert spectrum.above(Fraction(c)) == (values > c).sum() == _positive_pivots(symmetric, c)
        low, high = Eigenvalue(Spectrum(read(a @ a.T + np.eye(n, dtype=int))), 0).bracket(40)
        smallest = np.linalg.eigvalsh((a @ a.T + np.eye(n)).astype(float))[0]
        assert low <= high <= low * (1 + Fraction(1, 2**40))
        assert float(low) == pytest.approx(smallest, rel=1e-9)


def _positive_pivots(a: Any, c: float) -> int:
    """Sylvester's law of inertia: eigenvalues above c are positive pivots of A − cI, without pivoting."""
    n = len(a)
    rows = [[Fraction(int(a[i][j])) - (Fraction(c) if i == j else 0) for j in range(n)] for i in range(n)]
    positive = 0
    for k in range(n):
        positive += rows[k][k] > 0
        for i in range(k + 1, n):
            ratio = rows[i][k] / rows[k][k]
            rows[i] = [x - ratio * y for x, y in zip(rows[i], rows[k], strict=True)]
    return positive


def test_the_bracket_reaches_tiny_and_huge_eigenvalues() -> None:
    for exponent in (-2100, -3, 0, 900):
        exact = Fraction(3) * Fraction(2) ** exponent
        low, high = Eigenvalue(
            Spectrum(fmpq_mat(1, 1, [fmpq(exact.numerator, exact.denominator)])), 0
        ).bracket(30)
        assert low <= exact <= high <= low * (1 + Fraction(1, 2**30))


def test_the_gaussian_delta_agrees_with_what_is_published() -> None:
    # Balle and Wang 2018: at ε = 1, δ = 1e-5 and sensitivity 1 the analytic σ is 3.730632 (the classical one 4.84).
    def delta(sigma: float) -> GaussianDelta:
        return GaussianDelta(Fraction(1), Fraction(sigma), Fraction(1))

    assert delta(3.7306).compare(Fraction(1, 10**5)) == 1
    assert delta(3.7307).compare(Fraction(1, 10**5)) == -1
    # ε = 0 is total variation: 2Φ(1/2) − 1 for σ = Δ.
    total = GaussianDelta(Fraction(1), Fraction(1), Fraction(0))
    assert total.within(0.38292492254802, 0.38292492254803)
    assert GaussianDelta(Fraction(0), Fraction(1), Fraction(1)).compare(Fraction(0)) == 0
    assert GaussianDelta(Fraction(1), Fraction(0), Fraction(1)).compare(Fraction(1)) == 0
    # Distances beyond what mpmath's erfc takes: δ is 1 to more digits than are asked about.
    assert GaussianDelta(Fraction(10) ** 400, Fraction(1), Fraction(1)).compare(Fraction(1)) == 0
    assert GaussianDelta(Fraction(10) ** 400, Fraction(1), Fraction(1)).compare(Fraction(99, 100)) == 1
    assert delta(1e3).compare(Fraction(1, 10**300)) in (1, -1)


# -- problems


def test_three_points_on_a_line_by_hand() -> None:
    # Φ = (1, 2, 3)ᵀ, y = (1, 1, 2), F = {0}: w_r = (2 + 6)/(4 + 9) = 8/13, w_p = 9/14.
    truth = Truth([[1], [2], [3]], [1, 1, 2], [0])
    assert truth.retrained == read([Fraction(8, 13)])
    assert truth.pretrained == read([Fraction(9, 14)])
    assert truth.doing_nothing == Root(Fraction(5, 182) ** 2)
    assert truth.optimal_labels == read([Fraction(8, 13)])
    assert truth.unlearned(truth.optimal_labels) == truth.retrained
    assert truth.label_gap(read([1])) == truth.doing_nothing
    # Φ_Rᵀ(Φ_R w_p − y_R) = 2(18/14 − 1) + 3(27/14 − 2) = 5/14.
    assert truth.gradient(truth.retain, truth.y(truth.retain), truth.pretrained) == read([Fraction(5, 14)])
    assert truth.residual(truth.retain, truth.pretrained) == read([Fraction(-2, 7), Fraction(1, 14)])
    assert truth.rank(truth.everything) == 1
    assert truth.largest_eigenvalue.within(14, 14)
    assert truth.smallest_eigenvalue.within(14, 14)


def test_two_samples_in_the_plane_by_hand() -> None:
    # The documented example of the closed forms: labels ½ by every formula, gap of y_F = 2 is √(3/2).
    truth = Truth([[1.0, 0, 1], [1, 1, 0]], [1.0, 2.0], [1])
    assert truth.optimal_labels == truth.leave_block_out() == truth.label_free(truth.retain) == read([HALF])
    assert truth.label_gap(read([2])) == truth.formula_gap(read([2])) == Root(Fraction(3, 2))
    shifted, predicted = truth.shifted_labels(1)  # (K_RR + 1)⁻¹ = 1/3
    assert shifted == read([Fraction(1, 3)])
    assert shifted - truth.optimal_labels == predicted
    # (1, 1, 0) − its half along (1, 0, 1): P_R(w − w₀) keeps the mean of the two.
    assert truth.project(truth.retain, read([1, 1, 0])) == read([HALF, 0, HALF])
    # Perpendicular to both rows is (1, −1, −1).
    assert truth.off_span(read([3, -3, -3])) == read([3, -3, -3])
    assert truth.off_span(read([2, 1, 1])) == read([0, 0, 0])


def test_a_start_moves_everything_with_it(truths: list[Truth]) -> None:
    for truth in truths:
        shifted = Truth(
            fractions(truth.phi), fractions(truth.targets - truth.phi * truth.start), truth.forget
        )
        assert shifted.pretrained == truth.pretrained - truth.start
        assert shifted.retrained == truth.retrained - truth.start


def test_solutions_are_least_squares_and_nearest(truths: list[Truth]) -> None:
    for truth in truths:
        for rows in (truth.everything, truth.retain, truth.forget):
            w = truth.fit(rows, truth.y(rows))
            assert square_norm(truth.gradient(rows, truth.y(rows), w)) == 0
            assert truth.project(rows, w) == w
            kernel = null_space(truth.features(rows))
            assert kernel.transpose() * (w - truth.start) == fmpq_mat(kernel.ncols(), truth.outputs)
        ridge = truth.ridge(truth.retain, truth.y(truth.retain), HALF)
        pull = truth.gradient(truth.retain, truth.y(truth.retain), ridge)
        assert pull + fmpq(1, 2) * (ridge - truth.start) == 0 * pull


def test_the_theorems_hold_exactly(truths: list[Truth]) -> None:
    for truth in truths:
        labels = truth.optimal_labels
        assert truth.unlearned(labels) == truth.retrained
        kernel = null_space(truth.features(truth.forget).transpose())
        moved = labels + kernel * fmpq_mat(
            kernel.ncols(), truth.outputs, [fmpq(3)] * (kernel.ncols() * truth.outputs)
        )
        assert truth.unlearned(moved) == truth.retrained
        guess = 2 * labels + read([[1] * truth.outputs] * len(truth.forget))
        assert truth.label_gap(guess) == truth.formula_gap(guess)
        if truth.rank(truth.everything) == truth.n:
            assert truth.leave_block_out() == truth.label_free(truth.retain) == labels
        else:
            with pytest.raises(ZeroDivisionError):
                truth.leave_block_out()
        free = truth.label_free(truth.retain) == labels
        least = square_norm(truth.gradient(truth.retain, truth.y(truth.retain), truth.pretrained)) == 0
        assert free or not least


def test_steps_of_training_are_the_textbook_ones(truths: list[Truth]) -> None:
    for truth in truths:
        targets = stack(truth.y(truth.retain), truth.optimal_labels)
        step = Fraction(1, 100)
        w = truth.descend(truth.everything, targets, truth.pretrained, step, 2)
        shrink = exact_truth.identity(truth.width) - fmpq(1, 100) * (truth.phi.transpose() * truth.phi)
        assert w - truth.retrained == shrink * shrink * (truth.pretrained - truth.retrained)
        sizes = [square_norm(truth.features([i])) for i in truth.everything]
        steps = [1 / size if size else Fraction(0) for size in sizes]
        end = truth.kaczmarz(targets, truth.pretrained, steps)
        last = truth.everything[-1]
        if sizes[-1]:
            assert truth.predict([last], end) == exact_truth.rows_of(targets, [truth.n - 1])


# -- planted slips


def test_an_inverse_off_by_its_sixtieth_digit_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = exact_truth.pseudo_inverse

    def slipped(a: FlintMatrix) -> FlintMatrix:
        return honest(a) * (1 - fmpq(1, 2**200))

    monkeypatch.setattr(exact_truth, "pseudo_inverse", slipped)
    assert not all(all(penrose(a, exact_truth.pseudo_inverse(a))) for a in matrices())
    with pytest.raises(AssertionError):
        test_three_points_on_a_line_by_hand()
    with pytest.raises(AssertionError):
        test_two_samples_in_the_plane_by_hand()


def test_a_forgotten_start_is_seen(monkeypatch: pytest.MonkeyPatch, truths: list[Truth]) -> None:
    def slipped(
        self: Truth, rows: Any, targets: FlintMatrix, start: FlintMatrix | None = None
    ) -> FlintMatrix:
        return self.inverse(rows) * targets

    monkeypatch.setattr(Truth, "fit", slipped)
    fresh = [Truth([[1, 0], [1, 1]], [1, 3], [1], [1, 5])]
    with pytest.raises(AssertionError):
        test_solutions_are_least_squares_and_nearest(fresh)


def test_a_dropped_pivot_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = exact_truth._pivots
    monkeypatch.setattr(exact_truth, "_pivots", lambda echelon, rank: honest(echelon, rank)[::-1])
    assert not all(all(penrose(a, exact_truth.pseudo_inverse(a))) for a in matrices())


def test_floats_rounded_on_reading_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact_truth, "_exact", lambda value: fmpq(round(float(value) * 2**60), 2**60))
    with pytest.raises(AssertionError):
        test_floats_are_read_as_the_rationals_that_they_are()
