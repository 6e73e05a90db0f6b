"""How far float features are from the feature map itself, and what that does to everything computed from them.

Features are data: a report speaks of the float matrix Φ̂ as an exact real matrix. The feature map, with its
frequencies, phases and X taken as the exact reals that their floats are, defines another matrix Φ. Here Φ is
evaluated in ball arithmetic, entry by entry, so e = ‖Φ̂ − Φ‖_F is enclosed and not estimated. Then

    σ_min(Φ) ≥ σ_min(Φ̂) − e                                                                        (Weyl)

and with E = Φ̂ − Φ, σ = σ_min(Φ̂_R), ŵ = w_r(Φ̂), w = w_r(Φ), as long as e < σ:

*Independent rows, n_R ≤ D.* Both models fit y_R exactly, so Φ_R(w − ŵ) = E_R ŵ, and with P_R = Φ_R⁺Φ_R

    w − ŵ = Φ_R⁺E_R ŵ − (I − P_R)(ŵ − w₀).

ŵ − w₀ = Φ̂_Rᵀa with ‖a‖ ≤ ‖ŵ − w₀‖/σ, and I − P_R kills Φ_Rᵀ, so the last term is (I − P_R)E_Rᵀa. The two terms
are orthogonal:

    ‖w − ŵ‖² ≤ e² (‖ŵ‖²/(σ − e)² + ‖ŵ − w₀‖²/σ²).

*Independent columns, n_R > D.* With the residual ρ = y_R − Φ̂_R ŵ, Φ̂_Rᵀρ = 0: w − ŵ = Φ_R⁺(y_R − Φ_R ŵ) =
Φ_R⁺E_R ŵ + (Φ_RᵀΦ_R)⁻¹Φ_Rᵀρ and Φ_Rᵀρ = −E_Rᵀρ, hence

    ‖w − ŵ‖ ≤ e ‖ŵ‖/(σ − e) + e ‖ρ‖/(σ − e)².

*Labels.* Φ_F w − Φ̂_F ŵ = Φ_F(w − ŵ) − E_F ŵ, hence ‖·‖ ≤ (‖Φ̂_F‖ + e)‖w − ŵ‖ + e‖ŵ‖.

All norms of vectors and label matrices are Frobenius norms; several outputs change nothing. Compare P.-Å. Wedin,
"Perturbation theory for pseudo-inverses", BIT 1973.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, final

import flint
import numpy as np

from ..arrays import Array, float_values
from ..errors import expected
from ..former import former
from ..map_names import FEATURE_MAPS
from ..numbers import Quantity
from ..numbers.balls import enclosure, working_precision
from ..numbers.ieee import ieee_proof
from ..numbers.rounding import UndecidedError, root_down, root_up
from . import features as maps
from .certified import CertifiedForms
from .feature_map import FeatureMap
from .problem import UnlearningProblem

__all__ = [
    "FeatureError",
    "check_digits",
    "feature_error",
    "perturbation",
    "seconds_of_map",
]
former(__name__)

_LARGEST_DIGITS = 1000
_BLOCK_ENTRIES = 2**17
"""Balls held at a time: some 50 MB."""


@final
@dataclass(frozen=True)
class FeatureError:
    """How far a float feature matrix is from its feature map.

    Args:
        frobenius: enclosure of ‖Φ̂ − Φ‖_F.
        largest: enclosure of max |Φ̂_ij − Φ_ij|.
        digits: precision at which the map was evaluated.
        rows: number of rows evaluated: all of them.
    """

    frobenius: Quantity
    largest: Quantity
    digits: int
    rows: int


@final
@dataclass(frozen=True)
class _Perturbation:
    """What the error of the features does to rank, parameters and labels.

    Args:
        margin: enclosure of σ_min(Φ̂) − ‖Φ̂ − Φ‖_F; where positive, its lower end bounds σ_min(Φ) from below and
            proves full rank of the feature map's own matrix.
        parameters: enclosure of ‖w_r(Φ̂) − w_r(Φ)‖; infinite above when the error may destroy the rank of Φ_R.
        labels: enclosure of ‖Φ̂_F w_r(Φ̂) − Φ_F w_r(Φ)‖, likewise.
    """

    margin: Quantity
    parameters: Quantity
    labels: Quantity


def check_digits(digits: object) -> int:
    """Refuse a number of digits that means nothing, or that would never end.

    Args:
        digits: what was given.

    Returns:
        The number.

    Raises:
        BadInputError: not an integer from 2 to 1000.

    Example:
        >>> check_digits(30)
        30
    """
    if isinstance(digits, bool) or not isinstance(digits, int) or not 2 <= digits <= _LARGEST_DIGITS:
        raise expected(
            f"an integer from 2 to {_LARGEST_DIGITS} digits",
            "features_precision",
            digits,
            type(digits).__name__,
            "30",
        )
    return digits


def seconds_of_map(feature_map: FeatureMap, rows: int, digits: int) -> float:
    """Roughly how long `feature_error` takes on one core of a present-day machine.

    Args:
        feature_map: fitted.
        rows: n.
        digits: N.

    Returns:
        Seconds, by a formula of the sizes alone.

    Example:
        >>> import numpy as np
        >>> from muso_theory.linear.features import GaussianFeatures
        >>> seconds_of_map(GaussianFeatures(n_features=5000, bandwidth=1.0).fit(np.eye(64)), 1797, 30) < 60
        True
    """
    count, width = getattr(feature_map, "frequencies_", np.ones((feature_map.n_features_in_, 0))).shape
    evaluation = 1.2e-6 * (1 + (digits / 100) ** 1.4)
    return float(rows * count * (evaluation + 6e-9 * width * (1 + digits / 100)))


@ieee_proof()
def feature_error(
    feature_map: FeatureMap,
    X: Any,
    features: Array,
    digits: int = 30,
    progress: Callable[[str], None] | None = None,
) -> FeatureError:
    """Enclose the distance of float features from the feature map that they were computed with.

    The map's frequencies (and phases) and X are taken as the exact reals that their floats are, the normalisation
    is the exact one, and every entry is evaluated as a ball that is proved to hold the truth. Precision decides how
    good the enclosure is, never whether it is right.

    Args:
        feature_map: a fitted map whose formula is known here; a subclass or another transformer may compute something
            else.
        X: samples, (n, d).
        features: Φ̂ to be judged, (n, D), float64, float32 or integers that float64 holds.
        digits: decimal digits N of the evaluation, 2 to 1000.
        progress: called with a line of words before every block of rows.

    Returns:
        The enclosure.

    Raises:
        BadInputError: another transformer, an unfitted one, digits out of range, features of another shape or type.

    Example:
        >>> from muso_theory.linear.features import GaussianFeatures, IdentityFeatures
        >>> X = np.array([[0.0, 1.0], [2.0, 3.0]])
        >>> fm = GaussianFeatures(n_features=8, bandwidth=1.0, seed=0).fit(X)
        >>> found = feature_error(fm, X, fm.transform(X), digits=30)
        >>> 0 < found.frobenius.floor <= found.frobenius.bound < 1e-15
        True
        >>> feature_error(IdentityFeatures().fit(X), X, X).frobenius.bound
        0.0
    """
    digits = check_digits(digits)
    made = [getattr(maps, name) for name in FEATURE_MAPS.values()]
    known = [each for each in made if hasattr(each, "_in_balls")]
    if type(feature_map) not in known:
        names = ", ".join(each.__name__ for each in known)
        raise expected(
            f"one of {names}, whose formulas are known,",
            "feature_map",
            feature_map,
            type(feature_map).__name__,
            "features as data, without a precision",
        )
    samples = np.asarray(feature_map._check_fitted(X), dtype=np.float64)
    n, n_features = samples.shape[0], len(feature_map.get_feature_names_out())
    floats = _float_features(features, (n, n_features))
    bits = math.ceil(digits * math.log2(10))
    frequencies = getattr(feature_map, "frequencies_", None)
    step = max(1, _BLOCK_ENTRIES // n_features)
    total, largest = flint.arb(0), flint.arb(0)
    transposed = None if frequencies is None else _matrix(frequencies.T)
    for start in range(0, n, step):
        stop = min(start + step, n)
        if progress is not None:
            progress(f"features at {digits} digits, rows {start + 1} to {stop} of {n}")
        block = _matrix(samples[start:stop])
        with working_precision(bits):
            balls = block if transposed is None else block * transposed
            for columns, values in feature_map._in_balls(balls):
                given = floats[start:stop, columns].ravel().tolist()
                for value, number in zip(values, given, strict=True):
                    difference = value - number
                    square = difference * difference
                    total += square
                    largest = largest.max(square)
    with working_precision(bits):
        return FeatureError(enclosure(total).sqrt(), enclosure(largest).sqrt(), digits, n)


def _float_features(features: Any, shape: tuple[int, int]) -> Array:
    """Read the features as float64, exactly or not at all."""
    array = float_values("features", features, (2,))
    if array.shape != shape:
        raise expected(f"features of shape {shape}", "features", array.shape, "shape", "transform(X)")
    return array


def _matrix(array: Array) -> Any:
    """Floats as exact balls, whatever the precision."""
    return flint.arb_mat(array.shape[0], array.shape[1], array.ravel().tolist())


@ieee_proof()
def perturbation(problem: UnlearningProblem, error: FeatureError) -> _Perturbation:
    """What is known about the problem of the feature map itself, from the one of its float features.

    The bounds are derived at the top of this module. σ_min and the norms come with proof from verified float64.

    Args:
        problem: the problem with the float features Φ̂; targets, w₀ and forget set are shared by both.
        error: how far Φ̂ is from Φ.

    Returns:
        The enclosures; infinite above where e may reach σ_min.

    Raises:
        UndecidedError: full rank of Φ̂ or Φ̂_R is not proved by float64, or the numbers are not floats.

    Example:
        >>> from muso_theory.linear.features import GaussianFeatures
        >>> X = np.array([[0.0, 1.0], [2.0, 3.0], [1.0, 5.0]])
        >>> fm = GaussianFeatures(n_features=8, bandwidth=1.0, seed=0).fit(X)
        >>> problem = UnlearningProblem(fm.transform(X), np.array([1.0, -1.0, 1.0]), [2])
        >>> found = perturbation(problem, feature_error(fm, X, problem.features))
        >>> found.margin.floor > 0.1, found.labels.bound < 1e-14
        (True, True)
    """
    model = CertifiedForms(problem)
    if any(model.repeats.lower_the_rank(rows) for rows in (model.everything, model.retain)):
        # Rows that are equal as floats may be different ones of the map, however near.
        raise UndecidedError("some rows of Φ are equal", "samples without repetitions")
    smallest, largest = model.spectrum
    low, high = error.frobenius.lower, error.frobenius.upper
    sigma_low, sigma_high = root_down(Fraction(smallest.lower)), root_up(Fraction(smallest.upper))
    if high == math.inf:
        unknown = Quantity.enclosure(0.0, math.inf)
        return _Perturbation(Quantity.enclosure(-math.inf, sigma_high - Fraction(low)), unknown, unknown)
    e = Fraction(high)
    margin = Quantity.enclosure(sigma_low - e, sigma_high - Fraction(low))
    sigma = root_down(model.systems.retain_min_eigenvalue)
    origin = model.at(np.zeros((problem.n_features, problem.n_outputs)))
    size = Fraction(model.distance(model.retrained, origin).upper)
    if e == 0:
        zero = Quantity.enclosure(Fraction(0), Fraction(0))
        return _Perturbation(margin, zero, zero)
    if sigma <= e:
        unknown = Quantity.enclosure(Fraction(0), math.inf)
        return _Perturbation(margin, unknown, unknown)
    if len(problem.retain) <= problem.n_features:
        travelled = Fraction(model.distance(model.retrained, model.start).upper)
        moved = e * root_up((size / (sigma - e)) ** 2 + (travelled / sigma) ** 2)
    else:
        fitted = model.predict(model.retain, model.retrained)
        residual = Fraction(model.label_distance(model.targets(model.retain), fitted).upper)
        moved = e * size / (sigma - e) + e * residual / (sigma - e) ** 2
    norm = root_up(Fraction(largest.upper))
    labels = (norm + e) * moved + e * size
    return _Perturbation(
        margin, Quantity.enclosure(Fraction(0), moved), Quantity.enclosure(Fraction(0), labels)
    )
