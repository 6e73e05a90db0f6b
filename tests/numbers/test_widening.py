"""Every term of an error bound pulls outward: what is less well known may only widen what is proved.

Each ingredient of the bounds is made worse in turn (norms known less well, a coarser unit roundoff, a larger smallest
float, longer products, a larger error of a residual), and every bound must then contain the one before. A term with
the wrong sign, or the wrong end of a norm, shows, however small it is on ordinary data.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.errors import BadInputError
from muso_theory.linear import certified, certified_verbs, label_ball
from muso_theory.linear.certified import CertifiedForms, LabelBall
from muso_theory.linear.closed_forms import ClosedForms
from muso_theory.linear.kernels import arc_cosine_kernel
from muso_theory.numbers import (
    FLOAT64,
    RATIONAL,
    Quantity,
    base_system,
    leastsquares,
    point_ball,
    primal,
    rounding,
    spectrum,
)
from muso_theory.numbers.accurate import accurate_product
from muso_theory.numbers.base_system import RowSystem
from muso_theory.numbers.gram import gram_roundings
from muso_theory.numbers.gramcheck import check_gram
from muso_theory.numbers.leastsquares import DualSystem
from muso_theory.numbers.primal import PrimalSystem
from muso_theory.numbers.rational import _PRIMES
from muso_theory.numbers.rounding import gamma, norm_bounds
from muso_theory.numbers.spectrum import largest_eigenvalue_bound, rayleigh_bound

MODULES = (leastsquares, primal, base_system, point_ball, spectrum, certified, certified_verbs, label_ball)
RNG = np.random.default_rng(3)
PHI, TALL = RNG.standard_normal((5, 9)), RNG.standard_normal((9, 4))
RIDGE = 2.0**-3


class Scene:
    """Systems with their factors and eigenvalue bounds in place, so that only the bounds of answers change."""

    def __init__(self, scale: float = 1.0) -> None:
        rng = np.random.default_rng(4)
        self.dual = DualSystem(scale * PHI, slice(None), "Φ")
        self.primal = PrimalSystem(scale * TALL, slice(None), "Φ")
        for system in (self.dual, self.primal):
            for name in ("matrix", "factor", "smallest", "largest", "trace", "error"):
                getattr(system, name)
            system._factor_with(RIDGE)
            system.floor(RIDGE)
        self.y, self.tall_y = rng.standard_normal((5, 2)), rng.standard_normal((9, 2))
        self.start, self.small_start = rng.standard_normal((9, 2)), rng.standard_normal((4, 2))
        self.forms = CertifiedForms(mt.UnlearningProblem(PHI, self.y, [1, 3], self.start))
        self.labels = LabelBall(np.ones((2, 2)), Fraction(1, 2**20))
        self.forms.gap(self.labels)
        self.forms.square_gap(self.labels)

    def bounds(self) -> dict[str, Fraction | float]:
        """Numbers that grow as knowledge shrinks: radii, upper ends, and lower ends with a minus."""
        dual, primal, forms = self.dual, self.primal, self.forms
        fits = {
            "dual": dual.fit(self.y, None),
            "dual from a start": dual.fit(self.y, self.start),
            "dual with a ridge": dual.fit(self.y, self.start, RIDGE),
            "primal": primal.fit(self.tall_y, None),
            "primal with a ridge": primal.fit(self.tall_y, self.small_start, RIDGE),
        }
        found: dict[str, Any] = {f"radius, {name}": fit.radius for name, fit in fits.items()}
        found |= {f"image, {name}": fit.image for name, fit in fits.items() if fit.image is not None}
        for name, fit in fits.items():
            low, high = fit.distance(np.ones(fit.high.shape))
            found |= {f"below, {name}": -low, f"above, {name}": high}
        found["coefficients"] = dual.coefficients(self.y)[1]
        low, high = dual.pseudo_norm(self.y)
        found |= {"pseudo-norm below": -low, "pseudo-norm above": high}
        low, high = primal.pseudo_norm(self.tall_y)
        found |= {"norm of least squares below": -low, "norm of least squares above": high}
        gram, vector = dual.matrix, np.ones((5, 1))
        found["rayleigh"] = rayleigh_bound(gram, vector, Fraction(0))
        found["largest eigenvalue"] = largest_eigenvalue_bound(gram, Fraction(0))
        mixed = forms.mix(0.75, self.labels, -1.5, LabelBall(np.full((2, 2), 0.1)))
        found["mix"] = mixed.radius
        quantities = {
            "gradient": forms.gradient_norm(
                forms.retain, LabelBall(self.y[forms.order[:3]]), fits["dual from a start"]
            ),
            "square gap": forms.square_gap(self.labels),
            "gap": forms.gap(self.labels),
            "labels apart": forms.label_distance(self.labels, mixed),
            "parameters apart": forms.distance(fits["dual"], fits["dual from a start"]),
        }
        for name, quantity in quantities.items():
            found |= {f"{name} below": -Fraction(quantity.lower), f"{name} above": Fraction(quantity.upper)}
        return found


def _worse(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make one ingredient worse, in all modules or in the one named."""
    ingredient, _, where = name.partition(" in ")

    def everywhere(attribute: str, change: Callable[[Any], Any]) -> None:
        for module in MODULES:
            if hasattr(module, attribute) and module.__name__.endswith(where):
                monkeypatch.setattr(module, attribute, change(getattr(module, attribute)))

    if ingredient == "lower ends of norms":
        everywhere("norm_bounds", lambda old: lambda x: (old(x)[0] / 2, old(x)[1]))
    elif ingredient == "upper ends of norms":
        everywhere("norm_bounds", lambda old: lambda x: (old(x)[0], old(x)[1] * 2))
    elif ingredient == "unit roundoff":
        everywhere("UNIT", lambda old: old * 2**20)
    elif ingredient == "smallest float":
        everywhere("ETA", lambda old: Fraction(1, 2**30))
    elif ingredient == "long products":
        everywhere("gamma", lambda old: lambda n: old(n) * 2**20)
    else:
        _shift_residuals(Fraction(1, 1000), monkeypatch)


def _shift_residuals(by: Fraction, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tell another error of every residual."""
    old = RowSystem._residual

    def shifted(*given: Any) -> Any:
        residual, error = yield from old(*given)
        return residual, error + by

    monkeypatch.setattr(RowSystem, "_residual", shifted)


# In one module at a time too, so that a large term elsewhere cannot hide a small one of the wrong sign.
INGREDIENTS = [
    "lower ends of norms",
    "upper ends of norms",
    "errors of residuals",
    "unit roundoff in point_ball",
    *(
        f"{name}{where}"
        for name in ("unit roundoff", "smallest float", "long products")
        for where in ("", " in leastsquares", " in primal", " in base_system", " in spectrum")
        if (name, where) != ("unit roundoff", " in spectrum")  # eigenvalues are not in question here
    ),
]


@pytest.mark.parametrize("name", INGREDIENTS)
def test_less_knowledge_only_widens(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    before = scene.bounds()
    _worse(name, monkeypatch)
    after = scene.bounds()
    assert before.keys() == after.keys()
    narrowed = {key: (before[key], after[key]) for key in before if after[key] < before[key]}
    assert not narrowed
    assert any(after[key] > before[key] for key in before)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_term_with_the_wrong_sign_would_show(sign: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: the law fails for a residual error that is subtracted."""
    scene = Scene()
    before = scene.bounds()
    _shift_residuals(sign * Fraction(1, 1000), monkeypatch)
    after = scene.bounds()
    assert any(after[key] < before[key] for key in before) == (sign < 0)


def test_bounds_are_sharp_on_ordinary_data() -> None:
    """So that no bound is right by being huge."""
    found = Scene().bounds()
    for key, value in found.items():
        if key.startswith(("radius", "image", "coefficients")):
            assert 0 <= value < 1e-13, key
    assert found["mix"] < Fraction(1, 2**20) + Fraction(1, 10**12)
    for name in ("gradient", "labels apart", "parameters apart", "gap", "square gap"):
        width = found[f"{name} above"] + found[f"{name} below"]
        assert 0 <= width <= max(1e-4, 1e-4 * found[f"{name} above"]), name
    assert found["largest eigenvalue"] <= 5**0.5 * 1.0001 * np.linalg.norm(PHI, 2) ** 2


def test_rayleigh_bounds_do_not_depend_on_the_length_of_the_vector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spectrum, "gamma", lambda n: Fraction(1, 4))
    gram, vector = PHI @ PHI.T, np.arange(1.0, 6.0)[:, None]
    one, other = (float(rayleigh_bound(gram, s * vector, Fraction(0))) for s in (1.0, 2.0**12))
    assert one == pytest.approx(other, rel=1e-9)


def test_nothing_is_known_to_be_nothing() -> None:
    """Zero data: radii are not negative, and lower ends do not pass upper ones."""
    zero = mt.UnlearningProblem(PHI, np.zeros((5, 1)), [1, 3])
    forms = CertifiedForms(zero)
    gradient = forms.gradient_norm(forms.retain, forms.targets(forms.retain), forms.start)
    assert gradient.lower == 0 <= gradient.upper < 1e-300
    assert gradient.upper > 0  # products may have underflowed, and that is said
    nothing = forms.mix(0.75, forms.targets(forms.retain), 0.75, forms.targets(forms.retain))
    assert 0 < nothing.radius <= 4 * 3 * rounding.ETA  # two products of each of three labels
    exactly = forms.mix(1.0, forms.targets(forms.retain), -1.0, forms.targets(forms.retain))
    assert exactly.radius == 0
    exact = ClosedForms(mt.UnlearningProblem(PHI.astype(int), np.zeros(5, dtype=int), [1, 3]), RATIONAL)
    assert exact.square_distance(exact.start, exact.start).upper == 0


@pytest.mark.parametrize("scale", [1.0, 2.0**-20])
def test_gradients_of_subnormal_residuals_are_enclosed(scale: float) -> None:
    """Each product is a little less than half of the smallest float and rounds to zero; the sum of fifty is not.

    With large features the error of the prediction covers that; with small ones only what underflows is left to do so.
    """
    rng = np.random.default_rng(0)
    phi = scale * rng.uniform(0.3, 0.49, (52, 100))
    y = np.full(52, 5e-324 / scale)
    forms = CertifiedForms(mt.UnlearningProblem(phi, y, [0, 1]))
    gradient = forms.gradient_norm(forms.retain, forms.targets(forms.retain), forms.start)
    truth = sum((sum(Fraction(x) * Fraction(y[0]) for x in column)) ** 2 for column in phi[2:].T.tolist())
    assert truth > (180 * rounding.ETA) ** 2
    assert Fraction(gradient.lower) ** 2 <= truth <= Fraction(gradient.upper) ** 2


@pytest.mark.parametrize("off", [0.0, 0.1, 0.5])
def test_pseudo_norms_hold_whatever_the_factor_is_worth(off: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """gᵀK⁻¹g = gᵀb + bᵀρ + ρᵀK⁻¹ρ for any b: a bad one costs width, never truth, and its terms show."""
    scene = Scene()
    dual, truth = scene.dual, Fraction(float(np.trace(scene.y.T @ np.linalg.solve(PHI @ PHI.T, scene.y))))

    class Crooked:
        def solve(self, b: np.ndarray) -> np.ndarray:
            return np.asarray(Scene().dual.factor.solve(b) * (1 + off * np.arange(5.0)[:, None] / 5))

    monkeypatch.setattr(dual, "factor", Crooked())
    low, high = dual.pseudo_norm(scene.y)
    slack = Fraction(1, 10**12)
    assert low**2 <= truth * (1 + slack)
    assert truth * (1 - slack) <= high**2
    for name in ("lower ends of norms", "errors of residuals"):
        with monkeypatch.context() as patch:
            _worse(name, patch)
            below, above = dual.pseudo_norm(scene.y)
        assert below <= low
        assert above >= high


def test_float64_products_are_the_processors_own() -> None:
    """Bit for bit, also where one factor is float32 and wide: converted in pieces, the inner sums are not cut."""
    rng = np.random.default_rng(0)
    square, other = rng.standard_normal((4, 5000)), rng.standard_normal((5000, 3))
    assert np.array_equal(FLOAT64.matmul(square, other), square @ other)
    a, b = rng.standard_normal((2, 5000)), rng.standard_normal((5000, 3))
    assert np.array_equal(FLOAT64.matmul(a, b), a @ b)
    narrow = b.astype(np.float32)
    assert np.array_equal(FLOAT64.matmul(a, narrow), a @ narrow.astype(np.float64))
    tall = rng.standard_normal((4, 5000)).astype(np.float32)
    np.testing.assert_allclose(FLOAT64.matmul(tall, b), tall.astype(np.float64) @ b, rtol=1e-12, atol=1e-12)


def test_a_gap_of_labels_known_up_to_a_radius_reaches_down_to_zero() -> None:
    forms = CertifiedForms(mt.UnlearningProblem(PHI, np.ones(5), [1, 3]))
    wide = forms.gap(LabelBall(forms.optimal_labels.values, Fraction(1)))
    assert wide.lower == 0
    assert wide.upper > 0.1


@pytest.mark.parametrize("bits", [(22, 23)])
def test_heads_leave_room_for_five_hundred_products(bits: tuple[int, int]) -> None:
    """Odd integers of 22 and 23 bits, 512 of them: one bit more in a head and their sum would be rounded unseen."""
    rng = np.random.default_rng(0)
    worst = 0.0
    for _ in range(20):
        left = 2 ** bits[0] - 1 - 2 * rng.integers(0, 2**10, (1, 512)).astype(float)
        right = 2 ** bits[1] - 1 - 2 * rng.integers(0, 2**10, (512, 1)).astype(float)
        truth = sum(int(a) * int(b) for a, b in zip(left[0], right[:, 0], strict=True))
        product = accurate_product(left, slice(None), right)
        off = abs(Fraction(float(product.high[0, 0])) + Fraction(float(product.low[0, 0])) - truth)
        assert off <= Fraction(float(product.error[0, 0]))
        worst = max(worst, float(product.error[0, 0]))
    assert worst < 1e-3


def test_a_gram_entry_beyond_what_rounding_explains_is_refused() -> None:
    """Two correctly formed Gram matrices differ by at most 2γ‖φ_i‖‖φ_j‖; two and a half times γ is too much."""
    phi = np.abs(PHI)
    gram = FLOAT64.gram(phi)
    roots = np.sqrt(np.diagonal(gram))
    for factor, fine in ((1.9, True), (2.6, False)):
        wrong = gram.copy()
        wrong[3, 1] = wrong[1, 3] = (
            gram[3, 1] + factor * float(gamma(gram_roundings(9))) * roots[3] * roots[1]
        )
        if fine:
            check_gram(phi, np.arange(5), wrong)
        else:
            with pytest.raises(BadInputError, match=r"row [13] is off"):
                check_gram(phi, np.arange(5), wrong)


def test_moduli_of_rank_proofs_are_primes_of_one_word() -> None:
    import sympy

    assert len(set(_PRIMES)) == 3
    assert all(sympy.isprime(p) and 2**60 < p < 2**64 for p in _PRIMES)


def test_zero_has_the_root_zero() -> None:
    root = Quantity.enclosure(0.0, 0.0).sqrt()
    assert root.lower == root.upper == 0
    assert norm_bounds(np.zeros(3)) == (0, 0)


@pytest.mark.parametrize("degree", [0, 1])
def test_a_zero_row_on_either_side_is_orthogonal_to_everything(degree: int) -> None:
    rows, zero = np.array([[1.0, 0.0], [0.0, -2.0]]), np.zeros((1, 2))
    wanted = 0.5 if degree == 0 else 0.0
    for left, right in ((rows, zero), (zero, rows), (zero, zero)):
        np.testing.assert_allclose(arc_cosine_kernel(left, right, degree), wanted, atol=1e-15)


def test_near_its_peak_the_matern_kernel_bends_as_it_should() -> None:
    """Where K_ν overflows, the second term of the series is still above rounding for large ν."""
    import mpmath

    from muso_theory.linear.kernels import matern_kernel

    distance, nu = 2.3e-6, 50.0
    with mpmath.workdps(40):
        z = mpmath.sqrt(2 * nu) * mpmath.mpf(distance)
        truth = float(2 ** (1 - nu) / mpmath.gamma(nu) * z**nu * mpmath.besselk(nu, z))
    assert 1e-13 < 1 - truth < 1e-11
    assert matern_kernel(np.zeros((1, 1)), np.array([[distance]]), 1.0, nu)[0, 0] == pytest.approx(
        truth, abs=4e-16
    )


def test_pseudo_norms_of_zero_and_of_large_negative_numbers() -> None:
    dual = Scene().dual
    assert dual.pseudo_norm(np.zeros((5, 2))) == (0, 0)
    g = np.array([[-(2.0**700)], [1.0], [0.0], [-3.0], [2.0]])
    assert dual.pseudo_norm(g) == dual.pseudo_norm(-g)
    low, high = dual.pseudo_norm(g)
    unit, wide = dual.pseudo_norm(np.eye(5)[:, :1])
    assert 0 < low <= high <= low * (1 + Fraction(1, 10**9))
    assert unit * 2**700 * Fraction(999, 1000) < high < wide * 2**700 * Fraction(1001, 1000)


def test_rayleigh_bounds_scale_down_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spectrum, "gamma", lambda n: Fraction(1, 4))
    gram, vector = PHI @ PHI.T, np.arange(1.0, 6.0)[:, None]
    one, other = (float(rayleigh_bound(gram, s * vector, Fraction(0))) for s in (1.0, 2.0**-12))
    assert one == pytest.approx(other, rel=1e-9)


def test_the_smallest_float_is_the_smallest_float() -> None:
    assert Fraction(5e-324) == rounding.ETA
    assert Fraction(2.0**-53) == rounding.UNIT


def test_floats_apart_are_enclosed_not_given_up() -> None:
    gap = Quantity.enclosure(1.0, 2.0).gap_to(Quantity.enclosure(4.0, 5.0))
    assert (gap.lower, gap.upper) == (2, 4)
    assert Quantity.enclosure(1.0, np.inf).gap_to(Quantity.enclosure(4.0, 5.0)).upper == np.inf


def test_matrices_without_columns_have_rank_zero() -> None:
    from muso_theory.numbers import RATIONAL
    from muso_theory.numbers.pivoting import independent_columns

    assert RATIONAL.rank(RATIONAL.zeros(3, 0)) == 0
    assert RATIONAL.rank(RATIONAL.zeros(0, 3)) == 0
    assert independent_columns(np.zeros((2, 0)), 0) == []


def test_square_problems_are_judged_by_their_smallest_eigenvalue() -> None:
    problem = mt.UnlearningProblem(PHI[:, :5] + 3 * np.eye(5), np.ones(5), [1, 3])
    words, quantity, positive = CertifiedForms(problem).full_row_rank(tuple(range(5)))
    assert words.startswith("λ_min")
    assert positive
    assert 0 < quantity.lower <= quantity.upper
    assert quantity.lower <= np.linalg.eigvalsh(problem.features @ problem.features.T)[0] * (1 + 1e-9)


def test_integers_up_to_two_to_the_53_are_floats() -> None:
    from muso_theory.linear.precise import _float_features

    assert _float_features(np.array([[2**53]]), (1, 1))[0, 0] == 2.0**53
    with pytest.raises(BadInputError, match="that float64 holds"):
        _float_features(np.array([[2**53 + 2]]), (1, 1))
