"""Removal guarantees: the analytic Gaussian mechanism against fifty digits, and certificates from proved gaps only."""

from __future__ import annotations

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest

import muso_theory as mt
from muso_theory.errors import BadInputError
from muso_theory.evaluation.gaussian import delta_enclosure
from muso_theory.numbers import Quantity

E = mt.evaluation


def tight_delta(sensitivity: float, sigma: float, epsilon: float) -> mpmath.mpf:
    """The formula of Balle and Wang in fifty digits, written with ncdf rather than erfc."""
    s = mpmath.mpf(sigma) / mpmath.mpf(sensitivity)
    e = mpmath.mpf(epsilon)
    return mpmath.ncdf(1 / (2 * s) - e * s) - mpmath.exp(e) * mpmath.ncdf(-1 / (2 * s) - e * s)


GRID = [
    (1.0, 4.0, 1.0),
    (1.0, 0.1, 0.0),
    (3.1e-13, 1e-12, 0.5),
    (1.0, 60.0, 3.0),
    (1.0, 0.05, 300.0),
    (2.0, 1e6, 1e-4),
]


@pytest.mark.parametrize(("sensitivity", "sigma", "epsilon"), GRID)
def test_delta_against_fifty_digits(sensitivity: float, sigma: float, epsilon: float) -> None:
    with mpmath.workdps(1500 if sigma > 10 else 200):
        truth = tight_delta(sensitivity, sigma, epsilon)
        found = E.gaussian_delta(sensitivity, sigma, epsilon)
        if truth > mpmath.mpf("1e-300"):
            assert truth <= found <= truth * (1 + mpmath.mpf(2) ** -51)
        else:
            assert truth <= found <= max(truth * 2, mpmath.mpf("5e-324"))


@pytest.mark.parametrize("delta", [0.5, 1e-5, 1e-30, 1e-300])
@pytest.mark.parametrize("epsilon", [0.0, 1e-3, 0.9, 12.0, 1e4])
def test_sigma_is_the_smallest_float_that_suffices(epsilon: float, delta: float) -> None:
    with mpmath.workdps(700):
        sigma = E.gaussian_sigma(0.7, epsilon, delta)
        assert tight_delta(0.7, sigma, epsilon) <= delta
        assert tight_delta(0.7, math.nextafter(sigma, 0.0), epsilon) > delta


@pytest.mark.parametrize("delta", [0.2, 1e-9, 1e-200])
@pytest.mark.parametrize("sigma", [0.05, 1.0, 40.0])
def test_epsilon_is_the_smallest_float_that_suffices(sigma: float, delta: float) -> None:
    with mpmath.workdps(700):
        epsilon = E.gaussian_epsilon(1.0, sigma, delta)
        assert tight_delta(1.0, sigma, epsilon) <= delta
        if epsilon > 0:
            assert tight_delta(1.0, sigma, math.nextafter(epsilon, 0.0)) > delta


def test_float64_alone_would_have_been_wrong() -> None:
    """Why balls: the textbook line in float64 loses every digit of a tiny δ."""
    from scipy.special import ndtr

    s, e = 60.0, 1.0
    naive = ndtr(1 / (2 * s) - e * s) - math.exp(e) * ndtr(-1 / (2 * s) - e * s)
    with mpmath.workdps(1500):
        truth = tight_delta(1.0, s, e)
        assert truth > 0
        assert not abs(naive - truth) <= mpmath.mpf("1e-9") * truth


def test_scales_with_the_sensitivity_and_takes_fractions() -> None:
    one = E.gaussian_sigma(1, 1.0, 1e-5)
    assert E.gaussian_sigma(2.0**-400, 1.0, 1e-5) == one * 2.0**-400
    third = E.gaussian_sigma(Fraction(1, 3), 1.0, 1e-5)
    assert third == pytest.approx(one / 3, rel=1e-15)
    assert E.gaussian_sigma(5e-324, 1.0, 1e-5) >= 5e-324
    assert (E.gaussian_delta(0.0, 0.0, 0.0), E.gaussian_delta(1.0, 0.0, 9.0)) == (0.0, 1.0)
    assert E.gaussian_epsilon(0.0, 0.0, 0.1) == 0.0


def test_the_classical_bound_suffices_where_it_may_be_used_and_fails_beyond() -> None:
    for epsilon in (1e-3, 0.1, 0.5, 1.0):
        for delta in (0.4, 1e-2, 1e-5, 1e-12, 1e-100):
            assert E.gaussian_delta(1.0, E.classical_sigma(1.0, epsilon, delta), epsilon) <= delta
    with pytest.raises(BadInputError, match=r"ε ≤ 1.*gaussian_sigma"):
        E.classical_sigma(1.0, 1.0000001, 1e-5)
    beyond = math.sqrt(2 * math.log(1.25 / 1e-5)) / 100.0
    assert E.gaussian_delta(1.0, beyond, 100.0) > 1e-5  # its formula there would be too little noise


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((-1.0, 1.0, 1e-5), "distance ≥ 0"),
        ((math.inf, 1.0, 1e-5), "distance ≥ 0"),
        ((math.nan, 1.0, 1e-5), "distance ≥ 0"),
        ((1.0, -0.1, 1e-5), "0 ≤ ε"),
        ((1.0, 2e6, 1e-5), "0 ≤ ε"),
        ((1.0, 1.0, 0.0), "0 < δ < 1"),
        ((1.0, 1.0, 1.0), "0 < δ < 1"),
        (("1", 1.0, 1e-5), "distance"),
        ((1e308, 1e-9, 1e-300), "float noise"),
    ],
)
def test_senseless_arguments_are_refused(arguments: tuple[float, float, float], words: str) -> None:
    with pytest.raises(BadInputError, match=words):
        E.gaussian_sigma(*arguments)


def test_an_interval_of_distances_gives_an_interval_of_deltas() -> None:
    found = delta_enclosure(Quantity.enclosure(0.5, 1.0), 2.0, 0.3)
    assert found.floor <= E.gaussian_delta(0.5, 2.0, 0.3) <= E.gaussian_delta(1.0, 2.0, 0.3) == found.bound
    assert delta_enclosure(Quantity.exact(0), 0.0, 0.0) == Quantity.exact(0)


def test_a_delta_below_all_floats_takes_no_memory() -> None:
    found = delta_enclosure(Quantity.enclosure(1e-60, 1.0), 5.0, 1.0)
    assert (found.floor, found.bound) == (0.0, E.gaussian_delta(1.0, 5.0, 1.0))
    assert E.gaussian_delta(1e-300, 1e300, 1e6) == 5e-324


# -- certificates --------------------------------------------------------------------------------------


@pytest.fixture
def problem() -> mt.UnlearningProblem:
    rng = np.random.default_rng(0)
    return mt.UnlearningProblem(rng.standard_normal((20, 40)), rng.choice([-1.0, 1.0], 20), [1, 5])


def test_a_certified_report_gives_a_certificate(problem: mt.UnlearningProblem) -> None:
    w_u = mt.solve(problem).w_unlearned
    report = mt.check(problem, "exact-labels", w_unlearned=w_u)
    certificate = E.removal_certificate(report, 1.0, 1e-5)
    assert certificate.gap_bound == report["exact-labels"].bound
    assert certificate.sigma == E.gaussian_sigma(certificate.gap_bound, 1.0, 1e-5)
    assert "given w_unlearned" in certificate.of
    noise = certificate.release(w_u, 3) - w_u
    assert 0.5 < noise.std() / certificate.sigma < 1.5
    # Doing nothing needs noise in proportion to its gap.
    nothing = E.gaussian_sigma(mt.solve(problem).pretrained_gap, 1.0, 1e-5)
    assert nothing > 1e6 * certificate.sigma


def test_a_wrong_model_needs_the_noise_that_its_gap_needs(problem: mt.UnlearningProblem) -> None:
    solution = mt.solve(problem)
    report = mt.check(problem, "exact-labels", w_unlearned=solution.w_pretrained)
    assert report.verdict is mt.Verdict.REFUTED
    certificate = E.removal_certificate(report, 1.0, 1e-5)
    assert certificate.gap_bound >= solution.pretrained_gap * (1 - 1e-9)


def test_the_largest_audited_gap_counts(problem: mt.UnlearningProblem) -> None:
    solution = mt.solve(problem)
    report = mt.check(
        problem, "exact-labels", labels=solution.forget_labels, w_unlearned=solution.w_pretrained
    )
    assert E.removal_certificate(report, 1.0, 1e-5).gap_bound >= solution.pretrained_gap * (1 - 1e-9)


def test_what_is_only_measured_certifies_nothing(problem: mt.UnlearningProblem) -> None:
    report = mt.check(problem, "exact-labels", arithmetic="float64")
    assert report["exact-labels"].verdict is mt.Verdict.MEASURED
    with pytest.raises(BadInputError, match=r"proved bound .*measured in floats.*auto"):
        E.removal_certificate(report, 1.0, 1e-5)
    for gap in (Quantity.measured(0.0), Quantity.enclosure(0.0, math.inf)):
        with pytest.raises(BadInputError, match="proved bound"):
            E.removal_certificate(gap, 1.0, 1e-5)
    for other in (1e-12, mt.check(problem, "implicit-bias", arithmetic="float64")):
        with pytest.raises(BadInputError, match="report on exact-labels"):
            E.removal_certificate(other, 1.0, 1e-5)


def test_exact_data_need_no_noise() -> None:
    rows = np.array([[1, 0, 1], [1, 1, 0], [2, 1, 1]])
    report = mt.check(mt.UnlearningProblem(rows, np.array([1, 2, 5]), [1]), "exact-labels")
    assert report.verdict is mt.Verdict.PROVED
    assert E.removal_certificate(report, 0.0, 1e-9).sigma == 0.0


def test_the_claim_is_decided_whatever_the_gap() -> None:
    """At the smallest noise itself δ cannot be told from its limit for one gap in thirty."""
    from muso_theory.claims.guarantees import DELTA, EPSILON, _noise
    from muso_theory.evaluation.gaussian import delta_enclosure

    gaps = [Quantity.enclosure(0.0, g) for g in np.random.default_rng(0).uniform(1.6e-10, 1.9e-10, 300)]
    assert all(delta_enclosure(gap, _noise(gap), EPSILON).upper <= DELTA for gap in gaps)
    smallest = [E.gaussian_sigma(gap.upper, EPSILON, DELTA) for gap in gaps]
    assert any(delta_enclosure(gap, s, EPSILON).upper > DELTA for gap, s in zip(gaps, smallest, strict=True))
