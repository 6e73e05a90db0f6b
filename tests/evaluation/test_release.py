"""Exact Gaussian noise on a grid of floats: against sixty digits on the same bits, and whoever reads last bits."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from scipy.stats import chi2

from muso_theory.errors import BadInputError
from muso_theory.evaluation import binomial_rate, gaussian_sigma, release
from muso_theory.evaluation.release import grid_spacing, least_sigma, parameters, rounded_normal

Sampler = Callable[[np.ndarray, float, int], np.ndarray]


def by_sixty_digits(w: np.ndarray, sigma: float, seed: int) -> np.ndarray:
    """The definition: quantile of 256 bits, sum and rounding in mpmath, which shares nothing with balls or floats."""
    h = mpmath.mpf(grid_spacing(sigma))
    found = []
    with mpmath.workdps(80):
        for i, value in enumerate(w.ravel().tolist()):
            bits = hashlib.shake_256(f"muso-theory release {seed}:{i}".encode()).digest(32)
            drawn = int.from_bytes(bits, "big")
            sign, v = 1 - 2 * (drawn >> 255), (drawn % 2**255 + mpmath.mpf(0.5)) / mpmath.mpf(2) ** 255
            z = sign * mpmath.sqrt(2) * mpmath.erfinv(1 - v)
            found.append(float(h * mpmath.floor((value + sigma * z) / h + mpmath.mpf(0.5))))
    return np.array(found).reshape(w.shape)


def plain_noise(w: np.ndarray, sigma: float, seed: int) -> np.ndarray:
    """What must not be published."""
    return w + sigma * np.random.default_rng(seed).standard_normal(w.shape)


PLACES = {
    "ordinary": (np.random.default_rng(0).standard_normal((30, 2)), 1e-3),
    "smallest noise": (np.random.default_rng(1).standard_normal(40), 2.0**-40),
    "not a power of two": (np.random.default_rng(2).uniform(-1, 1, 40), 1.9e-12),
    "zeros": (np.zeros(40), 3.7),
    "wide": (10.0 ** np.arange(-300.0, -20.0, 7.0), 1e-30),
    "subnormal": (np.array([5e-324, -1e-320] * 20), 2.0**-1064),
    "huge": (np.array([1e290, -1e300] * 20), 2.0**960),
}


@pytest.mark.parametrize("place", PLACES)
def test_every_entry_is_the_exact_one(place: str) -> None:
    w, sigma = PLACES[place]
    found = rounded_normal(w, sigma, seed=7)
    assert found.tolist() == by_sixty_digits(w, sigma, 7).tolist()
    assert found.shape == w.shape
    assert all(Fraction(x) % Fraction(grid_spacing(sigma)) == 0 for x in found.ravel().tolist())


def test_bits_are_revealed_until_the_point_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """With seven bits at a time hardly any entry is known at first; the result is the same."""
    w, sigma = PLACES["ordinary"]
    expected = rounded_normal(w, sigma, 3)
    asked = []
    uniform = release._uniform

    def counted(name: str, words: int) -> tuple[int, int]:
        asked.append(words)
        return uniform(name, words)

    monkeypatch.setattr(release, "_uniform", counted)
    monkeypatch.setattr(release, "_WORD", 8)
    assert rounded_normal(w, sigma, 3).tolist() == expected.tolist()
    assert max(asked) >= 3

    # Planted: whoever stops at the first seven bits is wrong.
    def stopped(name: str, words: int) -> tuple[int, int]:
        sign, bits = uniform(name, words)
        return sign, bits >> 56 << 56

    monkeypatch.setattr(release, "_uniform", stopped)
    monkeypatch.setattr(release, "_WORD", 64)
    assert rounded_normal(w, sigma, 3).tolist() != expected.tolist()


@pytest.mark.parametrize("guess", [lambda v: 0.999 * v, lambda v: v + 0.01, lambda v: 0.0 * v])
def test_floats_only_guess(guess: Callable[[float], float], monkeypatch: pytest.MonkeyPatch) -> None:
    w, sigma = PLACES["smallest noise"]
    expected = rounded_normal(w, sigma, 5)
    exact = release.erfcinv
    monkeypatch.setattr(release, "erfcinv", lambda v: guess(exact(v)))
    assert rounded_normal(w, sigma, 5).tolist() == expected.tolist()


def chi_square(indices: np.ndarray, edges: np.ndarray, offset: float, scale: float) -> float:
    """Upper tail of Pearson's statistic for round(offset + scale Z), binned between half-integers."""
    ends = [mpmath.ncdf((edge - offset) / scale) for edge in edges.tolist()]
    parts = np.diff(np.array([0.0, *(float(p) for p in ends), 1.0])) * len(indices)
    counts = np.bincount(np.searchsorted(edges, indices), minlength=len(parts))
    return float(chi2.sf(((counts - parts) ** 2 / parts).sum(), len(parts) - 1))


def test_the_distribution_is_the_discretised_normal() -> None:
    sigma = 1500.0
    h = grid_spacing(sigma)
    assert h == 1.0
    found = rounded_normal(np.full(20_000, 0.375), sigma, 11)
    edges = np.linspace(-3500, 3500, 15) + 0.5
    assert chi_square(found, edges, 0.375, sigma) > 1e-3
    # Controls: five per cent too much noise, one sign more often than the other, a shift by σ/15.
    assert chi_square(np.round(1.05 * found), edges, 0.375, sigma) < 1e-6
    leaning = np.where(np.arange(20_000) % 10 == 0, np.abs(found), found)
    assert chi_square(leaning, edges, 0.375, sigma) < 1e-6
    assert chi_square(found + 100, edges, 0.375, sigma) < 1e-6
    # Last digits carry nothing: all residues are equally likely.
    for modulus in (2, 7, 16):
        counts = np.bincount(found.astype(int) % modulus, minlength=modulus)
        expected = len(found) / modulus
        assert chi2.sf(((counts - expected) ** 2 / expected).sum(), modulus - 1) > 1e-3


# -- whoever reads last bits ---------------------------------------------------------------------------


def separates(sampler: Sampler, w_u: float, w_r: float, sigma: float, epsilon: float, delta: float) -> bool:
    """Whether some event about last bits proves that releases of w_u and w_r are not (ε, δ)-indistinguishable.

    The events ask whether a release is a multiple of 2^−j, and whether the quotient is odd; their probabilities are
    enclosed at a confidence of 1 − 10⁻⁹ each.
    """
    n = 4000
    drawn = [sampler(np.full(n, w), sigma, seed) for seed, w in ((1, w_u), (2, w_r))]
    for j in range(20, 110):
        scaled = [np.ldexp(x, j) for x in drawn]
        for event in (lambda x: x == np.floor(x), lambda x: x % 2 == 1):
            (a, b), (c, d) = (binomial_rate(int(event(x).sum()), n, 1 - 1e-9).interval for x in scaled)
            pairs = ((a, d), (1 - b, 1 - c), (c, b), (1 - d, 1 - a))
            if any(low > math.exp(epsilon) * high + delta for low, high in pairs):
                return True
    return False


def test_plain_noise_leaks_through_last_bits_and_the_grid_does_not() -> None:
    """A parameter that retraining leaves at zero: the ulp of a release near zero tells whether it started there."""
    gap, epsilon, delta = 2.0**-40, 1.0, 1e-5
    sigma = gaussian_sigma(gap, epsilon, delta)
    assert sigma > least_sigma(np.array([gap]))
    assert separates(plain_noise, gap, 0.0, sigma, epsilon, delta)
    assert not separates(rounded_normal, gap, 0.0, sigma, epsilon, delta)


def test_noise_below_the_spacing_of_floats_leaks_and_is_refused() -> None:
    """The other leak: parameters near one, a gap of one ulp, and noise that mostly changes nothing."""
    w_u, w_r, epsilon, delta = 1.0 + 2.0**-52, 1.0, 1.0, 1e-5
    sigma = gaussian_sigma(2.0**-60, epsilon, delta)
    assert separates(plain_noise, w_u, w_r, sigma, epsilon, delta)
    with pytest.raises(BadInputError, match="at least"):
        rounded_normal(np.array([w_u]), sigma, 1)
    raised = least_sigma(np.array([w_u]))
    assert not separates(rounded_normal, w_u, w_r, raised, epsilon, delta)


# -- the grid ------------------------------------------------------------------------------------------


def test_the_grid_holds_the_parameters_and_forty_sigma() -> None:
    sizes = [5e-324, 1e-310, 2.0**-1022, 0.1, 1.0, math.nextafter(2.0, 0.0), 2.0, 2.0**53 - 1, 1e300]
    for size in sizes:
        w = np.array([0.0, -size])
        least = least_sigma(w)
        h = grid_spacing(least)
        assert least == 2**10 * h
        assert h >= math.ulp(size)
        for sigma in (least, math.nextafter(2 * least, 0.0), 3.3 * least):
            spacing = Fraction(grid_spacing(sigma))
            assert Fraction(size) + 40 * Fraction(sigma) <= (2**53 - 1) * spacing
            assert 2**10 * spacing <= Fraction(sigma) < 2**11 * spacing
        half = Fraction(h) / 2
        assert Fraction(size) + 40 * 2**11 * half > (2**53 - 1) * half or h == 5e-324
        with pytest.raises(BadInputError, match="noise"):
            rounded_normal(w, math.nextafter(least, 0.0), 0)
    assert least_sigma(np.zeros(3)) == 2.0**-1064


def test_what_lies_beyond_the_grid_goes_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "_ROOM", release._LARGEST_INDEX)
    end = float(2**53 - 1)
    found = rounded_normal(np.array([end, -end] * 20), 1024.0, 1)
    assert np.abs(found).max() == end
    assert 5 < (np.abs(found) == end).sum() < 35
    assert (np.abs(found) > end - 10_000).all()


@pytest.mark.parametrize("sigma", [0.0, 2.0**-1065, 2.0**982, math.inf, math.nan, -1.0])
def test_noise_without_a_grid_is_refused(sigma: float) -> None:
    with pytest.raises(BadInputError, match="noise from"):
        rounded_normal(np.zeros(1), sigma, 1)


def test_bad_parameters_and_seeds_are_refused() -> None:
    with pytest.raises(BadInputError, match="noise can be added"):
        rounded_normal(np.array([np.finfo(np.float64).max]), 2.0**981, 1)
    for seed in (-1, 1.0, None):
        with pytest.raises(BadInputError, match="seed"):
            rounded_normal(np.zeros(1), 1.0, seed)  # type: ignore[arg-type]
    for bad in (
        [],
        [math.nan],
        [1j],
        ["1"],
        [2**53 + 1],
        [Fraction(1, 3)],
        np.ma.array([1.0, 2.0], mask=[0, 1]),
    ):
        with pytest.raises(BadInputError, match="w_unlearned"):
            parameters(bad)
    assert parameters(np.array([1, 2], dtype=np.float32)).dtype == np.float64


def test_seeds_and_entries_have_their_own_bits() -> None:
    w = np.zeros(50)
    first = rounded_normal(w, 1.0, 1)
    assert first.tolist() == rounded_normal(w, 1.0, 1).tolist()
    assert not (first == rounded_normal(w, 1.0, 2)).any()
    assert len(set(first.tolist())) > 45
    assert first[:20].tolist() == rounded_normal(w[:20], 1.0, 1).tolist()
    assert not (rounded_normal(w, 1.0, 2**200) == rounded_normal(w, 1.0, 2**200 + 1)).any()
