"""Removal guarantees: the analytic Gaussian mechanism against fifty digits, and certificates from proved gaps only."""

from __future__ import annotations

import math
import re
from dataclasses import fields, replace
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest

import muso_theory as mt
from muso_theory.errors import BadInputError, MusoError
from muso_theory.evaluation.gaussian import delta_enclosure, noise_suffices
from muso_theory.evaluation.release import least_sigma
from muso_theory.evaluation.removal import newton_noise
from muso_theory.numbers import Grade, Quantity

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


@pytest.mark.parametrize("epsilon", [0.0, 0.3, 1.0, 20.0])
def test_noise_suffices_where_it_is_the_smallest(epsilon: float) -> None:
    for gap in np.random.default_rng(0).uniform(1.6e-10, 1.9e-10, 40):
        sigma = E.gaussian_sigma(gap, epsilon, 1e-5)
        assert noise_suffices(gap, sigma, epsilon, 1e-5)
        assert not noise_suffices(gap, math.nextafter(sigma, 0.0), epsilon, 1e-5)


def test_an_exact_distance_gives_an_enclosed_delta() -> None:
    tight = delta_enclosure(Quantity.exact(1), 1.0, 0.5)
    assert tight.grade is Grade.CERTIFIED
    assert 0 < tight.upper - Fraction(tight.lower) <= Fraction(tight.lower) / 2**60
    assert delta_enclosure(Quantity.exact(0), 1.0, 0.5).grade is Grade.PROVED
    assert delta_enclosure(Quantity.measured(1.0), 1.0, 0.5).grade is Grade.MEASURED


# -- the analytic Gaussian mechanism, and nothing outside its theorem ------------------------------------


@pytest.mark.parametrize(
    ("sensitivity", "sigma", "epsilon"),
    [(1.0, 4.0, 1.0), (1.0, 0.5, 10.0), (0.3, 1.0, 0.1), (1.0, 0.2, 0.0), (2.0, 0.7, 3.0), (1.0, 0.1, 50.0)],
)
def test_delta_against_sixty_digit_quadrature(sensitivity: float, sigma: float, epsilon: float) -> None:
    """δ is ∫ max(0, p − e^ε q), integrated from the densities without the formula, and is never below it."""
    with mpmath.workdps(60):
        distance, s = mpmath.mpf(sensitivity), mpmath.mpf(sigma)

        def excess(x: mpmath.mpf) -> mpmath.mpf:
            return mpmath.npdf(x, distance, s) - mpmath.exp(epsilon) * mpmath.npdf(x, 0, s)

        # p > e^ε q above this point.
        start = distance / 2 + epsilon * s * s / distance
        ends = [start + k * s for k in (0, 1, 2, 4, 8, 16, 30)]
        truth = mpmath.quad(excess, ends)
        found = mpmath.mpf(E.gaussian_delta(sensitivity, sigma, epsilon))
        assert truth <= found <= truth * (1 + mpmath.mpf(2) ** -50)


def test_the_noise_of_a_residual_keeps_delta_at_every_epsilon() -> None:
    """The formula for ε ≤ 1 promised 1e-5 and gave 1.86e-5 at ε = 10 and .56 at ε = 50."""

    def old(epsilon: float) -> float:
        return math.sqrt(2 * math.log(1.5 / 1e-5)) / epsilon

    assert E.gaussian_delta(1.0, old(10.0), 10.0) == pytest.approx(1.86e-5, rel=1e-2)
    assert E.gaussian_delta(1.0, old(50.0), 50.0) == pytest.approx(0.56, rel=1e-2)
    for epsilon in (0.0, 0.1, 1.0, 10.0, 50.0):
        sigma = newton_noise(1.0, epsilon, 1e-5)
        assert noise_suffices(1.0, sigma, epsilon, 1e-5)
        assert not noise_suffices(1.0, math.nextafter(sigma, 0), epsilon, 1e-5)


@pytest.mark.parametrize(
    "arguments",
    [
        (-1.0, 1.0, 1e-5),
        (math.nan, 1.0, 1e-5),
        (math.inf, 1.0, 1e-5),
        (1.0, math.nan, 1e-5),
        (1.0, -1.0, 1e-5),
        (1.0, 1.0, 0.0),
        (1.0, 1.0, math.nan),
        (Quantity.measured(1.0), 1.0, 1e-5),
    ],
)
def test_noise_outside_the_theorem_is_refused(arguments: tuple[Any, Any, Any]) -> None:
    with pytest.raises(MusoError, match="expected"):
        newton_noise(*arguments)


# -- certificates --------------------------------------------------------------------------------------


@pytest.fixture
def problem() -> mt.UnlearningProblem:
    rng = np.random.default_rng(0)
    return mt.UnlearningProblem(rng.standard_normal((20, 40)), rng.choice([-1.0, 1.0], 20), [1, 5])


def certificate_for(gap: float, w: object = (1.0, -2.0), **more: Any) -> E.RemovalCertificate:
    return E.removal_certificate(Quantity.enclosure(0.0, gap), w, 1.0, 1e-5, **more)


def test_noise_below_the_spacing_of_floats_is_raised() -> None:
    """Four samples of six features: the noise that the gap asks for does not even change most floats."""
    rng = np.random.default_rng(0)
    problem = mt.UnlearningProblem(rng.standard_normal((4, 6)), np.array([1.0, -1.0, 0.5, 2.0]), [1])
    w_u = mt.solve(problem).w_unlearned
    report = mt.check(problem, "exact-labels", w_unlearned=w_u)
    certificate = E.removal_certificate(report, w_u, 1.0, 1e-5)
    asked = E.gaussian_sigma(certificate.gap_bound, 1.0, 1e-5)
    assert certificate.sigma == least_sigma(w_u) > asked
    assert "raised" in certificate.remark
    assert certificate.sigma >= 2**10 * certificate.spacing >= 2**10 * math.ulp(np.abs(w_u).max())
    released = certificate.release(w_u, 1)
    assert (released != w_u).mean() > 0.99
    # The bound is about the floats: exact rationals agree.
    exact = mt.check(problem, "exact-labels", "rational", w_unlearned=w_u)["exact-labels[w_unlearned]"]
    assert exact.findings[0].quantity.lower <= Fraction(certificate.gap_bound)


def test_a_certified_report_gives_a_certificate(problem: mt.UnlearningProblem) -> None:
    w_u = mt.solve(problem).w_unlearned
    report = mt.check(problem, "exact-labels", w_unlearned=w_u)
    certificate = E.removal_certificate(report, w_u, 1.0, 1e-5)
    assert certificate.gap_bound == report["exact-labels[w_unlearned]"].bound
    assert "given w_unlearned" in certificate.of
    noise = certificate.release(w_u, 3) - w_u
    assert 0.5 < noise.std() / certificate.sigma < 1.5
    # Doing nothing needs noise in proportion to its gap.
    nothing = E.gaussian_sigma(mt.solve(problem).pretrained_gap, 1.0, 1e-5)
    assert nothing > 1e6 * certificate.sigma


def test_the_audit_of_another_length_certifies_no_removal() -> None:
    """Parameters that no start explains are audited by a distance of .001, and are 100 from w_r."""
    problem = mt.UnlearningProblem(np.array([[1.0, 0, 0], [0, 1, 0]]), np.array([1.0, 2.0]), [1])
    w = np.array([1.001, 0, 100])
    report = mt.check(problem, "exact-labels", w_unlearned=w)
    with pytest.raises(BadInputError, match="a bound of ‖w − w_r‖"):
        E.removal_certificate(report, w, 1.0, 1e-5)
    w = np.array([1.0, 0, 0])
    certificate = E.removal_certificate(mt.check(problem, "exact-labels", w_unlearned=w), w, 1.0, 1e-5)
    assert certificate.of.endswith("w₀ = 0 (assumed)")
    zero = mt.UnlearningProblem(problem.features, problem.targets, [1], np.zeros(3))
    certificate = E.removal_certificate(mt.check(zero, "exact-labels", w_unlearned=w), w, 1.0, 1e-5)
    assert "assumed" not in certificate.of


@pytest.mark.parametrize("gap", [0.0, 5e-324, 1e-300, 3e-16, 1.7e-10, 2.0, 1e100])
def test_the_fields_reproduce_each_other(gap: float) -> None:
    certificate = certificate_for(gap)
    asked = E.gaussian_sigma(certificate.gap_bound, certificate.epsilon, certificate.delta)
    least = least_sigma(np.array([1.0, -2.0]))
    assert certificate.gap_bound == gap
    assert certificate.sigma == (max(asked, least) if gap else 0.0)
    assert bool(certificate.remark) == (0 < asked < least)
    assert certificate.delta_at_sigma <= certificate.delta
    assert certificate.delta_at_sigma == pytest.approx(E.gaussian_delta(gap, certificate.sigma, 1.0))
    assert certificate == E.RemovalCertificate(
        **{f.name: getattr(certificate, f.name) for f in fields(certificate)}
    )
    assert "not differential privacy" in str(certificate)


@pytest.mark.parametrize("gap", [1e-12, 2.0])
def test_the_delta_that_was_asked_for_is_told_as_it_was(gap: float) -> None:
    assert "(1, 1e-05)-indistinguishable" in str(certificate_for(gap))


def test_only_the_parameters_of_the_bound_are_released() -> None:
    w = np.array([1.0, -2.0])
    certificate = certificate_for(1e-12, w)
    released = certificate.release(w, 5)
    assert released.tolist() == certificate.release([1, -2], 5).tolist()
    assert released.tolist() == certificate.release(w[:, None].astype(np.float32), 5).ravel().tolist()
    for other in (np.nextafter(w, 0.0), w[::-1], w[:1], np.append(w, 0.0)):
        with pytest.raises(BadInputError, match="whose gap was bounded"):
            certificate.release(other, 5)
    # Handed over with too little noise for floats of this size.
    forged = replace(certificate, gap_bound=1e-17, sigma=4e-17)
    with pytest.raises(BadInputError, match="at least"):
        forged.release(w, 5)


def test_no_certificate_promises_more_than_its_noise_does() -> None:
    certificate = certificate_for(1e-12)
    for change in (
        {"sigma": 0.99 * certificate.sigma},
        {"gap_bound": 1.01e-12},
        {"epsilon": 0.9},
        {"delta": 9e-6},
    ):
        with pytest.raises(BadInputError, match="noise that hides"):
            replace(certificate, **change)
    with pytest.raises(BadInputError, match="made of floats"):
        replace(certificate, sigma=2.0**990)


def test_a_sigma_may_be_declared_in_advance() -> None:
    certificate = certificate_for(1e-12, sigma=1e-9)
    assert (certificate.sigma, certificate.remark) == (1e-9, "declared")
    assert certificate.delta_at_sigma == E.gaussian_delta(1e-12, 1e-9, 1.0)
    with pytest.raises(BadInputError, match="noise that hides"):
        certificate_for(1e-12, sigma=3e-12)
    with pytest.raises(BadInputError, match="floats leak"):
        certificate_for(1e-16, sigma=1e-14)
    for sigma in (Quantity.measured(1.0), Quantity.exact(1), True, "1.0", math.nan, math.inf, -1.0):
        with pytest.raises(BadInputError, match="sigma="):
            certificate_for(1e-12, sigma=sigma)
    promise = certificate.guarantee
    assert "σ was declared in advance" in promise.assumed
    assert "σ was declared in advance" not in certificate_for(1e-12).guarantee.assumed


def test_a_release_is_as_indistinguishable_as_it_says_and_not_more() -> None:
    """At σ = Δ and ε = 0, δ is the total variation .383, which the half-line of the likelihood ratio attains."""
    gap, n = 1.0, 4000
    certificate = E.removal_certificate(Quantity.enclosure(0.0, gap), np.full(n, gap), 0.0, 0.384, sigma=gap)
    assert certificate.delta_at_sigma == pytest.approx(0.38292, abs=1e-5)
    retrained = E.removal_certificate(Quantity.enclosure(0.0, gap), np.zeros(n), 0.0, 0.384, sigma=gap)
    apart = [
        (c.release(w, s) > gap / 2).mean()
        for c, w, s in ((certificate, np.full(n, gap), 1), (retrained, np.zeros(n), 2))
    ]
    assert abs(apart[0] - apart[1] - 0.38292) < 5 * math.sqrt(2 * 0.25 / n)


def test_a_wrong_model_needs_the_noise_that_its_gap_needs(problem: mt.UnlearningProblem) -> None:
    solution = mt.solve(problem)
    report = mt.check(problem, "exact-labels", w_unlearned=solution.w_pretrained)
    assert report.verdict is mt.Verdict.REFUTED
    certificate = E.removal_certificate(report, solution.w_pretrained, 1.0, 1e-5)
    assert certificate.gap_bound >= solution.pretrained_gap * (1 - 1e-9)
    with pytest.raises(BadInputError, match="report audited"):
        E.removal_certificate(report, solution.w_unlearned, 1.0, 1e-5)


def test_what_is_only_measured_certifies_nothing(problem: mt.UnlearningProblem) -> None:
    w_u = mt.solve(problem).w_unlearned
    report = mt.check(problem, "exact-labels", arithmetic="float64", w_unlearned=w_u)
    with pytest.raises(BadInputError, match=r"proved bound .*measured in floats.*auto"):
        E.removal_certificate(report, w_u, 1.0, 1e-5)
    for gap in (Quantity.measured(0.0), Quantity.enclosure(0.0, math.inf)):
        with pytest.raises(BadInputError, match="proved bound"):
            E.removal_certificate(gap, w_u, 1.0, 1e-5)
    # The exact w_u of a report is not what is published.
    for other in (1e-12, {}, mt.check(problem, "exact-labels")):
        with pytest.raises(BadInputError, match=r"row exact-labels\[w_unlearned\]"):
            E.removal_certificate(other, w_u, 1.0, 1e-5)
    with pytest.raises(BadInputError, match=r"too large|made of floats"):
        certificate_for(1e308)


def test_exact_data_need_no_noise() -> None:
    rows = np.array([[1, 0, 1], [1, 1, 0], [2, 1, 1]])
    problem = mt.UnlearningProblem(rows, np.array([1, 2, 5]), [1])
    w_u = mt.solve(problem).w_retrained.round()
    assert E.removal_certificate(Quantity.exact(0), w_u, 0.0, 1e-9).sigma == 0.0
    assert E.removal_certificate(Quantity.exact(0), w_u, 0.0, 1e-9).release(w_u, 1).tolist() == w_u.tolist()


@pytest.mark.parametrize("gap", [1.0049e-3, 1.0001e-9, 7.7749])
def test_what_a_certificate_prints_is_itself_true(gap: float) -> None:
    certificate = mt.evaluation.removal_certificate(
        Quantity.enclosure(0.0, gap), [1.0, 2.0], epsilon=1.0, delta=1e-5
    )
    found = re.search(r"≤ (\S+) proved .* σ = (\S+) on .*\(1, (\S+)\)-indist", str(certificate))
    assert found is not None, str(certificate)
    for words in found.groups()[:2]:  # and is short
        assert len(words.partition("e")[0].replace(".", "").lstrip("0")) <= 3
    printed, sigma, delta = map(float, found.groups())
    assert printed >= gap
    assert sigma >= certificate.sigma
    assert delta >= certificate.delta_at_sigma
    assert noise_suffices(gap, sigma, 1.0, delta)
