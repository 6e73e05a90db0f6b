"""Constants that are declared public, and how far models can be apart for any data that respect them.

A privacy guarantee is about all data sets at once, so nothing that enters its noise, its step or its number of steps
may be computed from the data: a σ made from the number of samples tells how many there are. Here all such numbers are
arguments that the user declares, and the data are only checked against them. Distances are rounded up.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from fractions import Fraction
from numbers import Integral, Real
from typing import Any, final

import flint
import numpy as np

from ..arguments import checked
from ..arrays import Array
from ..errors import expected, nearest
from ..numbers import Quantity
from ..numbers.balls import enclosure, working_precision
from .convex import CONVEX_LOSSES, Objective, check_objective

__all__ = ["Public", "descent_reach", "global_sensitivity", "newton_reach", "radius", "rate", "smoothness"]

_MEANING = {
    "samples": "N, the most samples that any data set has",
    "forget": "k, the most samples that leave in one request",
    "loss": "the loss",
    "ridge": "λ of the objective",
    "feature_norm": "L ≥ ‖φ‖ of every sample",
    "target_bound": "T ≥ |t| of every sample",
    "rounding": "how far computed points may be from the exact ones",
    "steps": "the number of gradient steps",
    "clip": "C, the norm that every sample's gradient is clipped to",
}
_COUNTS = ("samples", "forget", "steps")
_MOST, _LARGEST, _SMALLEST = 2**53, 1e30, 1e-30
"""Beyond these the bounds overflow, or quotients by a constant do."""

# |ℓ'''| ≤ 1/(6√3) < 0.09623 for the logistic loss, whose second derivative is p(1 − p); zero for the squared one.
_THIRD = {"squared": Fraction(0), "logistic": Fraction(9623, 100000)}
_CURVATURE = {"squared": Fraction(1), "logistic": Fraction(1, 4)}


def _check(name: str, value: object) -> int | float | Fraction:
    """Refuse what is no public number of its kind."""
    if isinstance(value, Quantity):
        hint = f"a number chosen without looking at the data: {_MEANING[name]}"
        raise expected("a public constant", name, value, "computed from data", hint)
    number = isinstance(value, Integral if name in _COUNTS else Real) and not isinstance(value, bool)
    zero = name in ("steps", "rounding")
    # A comparison with NaN is false.
    if not number or not (value >= 0 if zero else value > 0) or not value < math.inf:  # type: ignore[operator]
        kind = "a whole number, " if name in _COUNTS else ""
        what = f"{_MEANING[name]}, {kind}finite and {'at least 0' if zero else 'above 0'}"
        raise expected(what, name, value, type(value).__name__, "1")
    low, high = (0, _MOST) if name in _COUNTS else (_SMALLEST, _LARGEST)
    if value and not low <= value <= high:  # type: ignore[operator]
        raise expected(
            f"{_MEANING[name]}, from {low:g} to {high:g}", name, value, "out of range", "other units"
        )
    return _plain(name, value)


def _plain(name: str, value: Any) -> int | float | Fraction:
    """A number of NumPy as the number of Python that it is: fixed widths overflow, and fractions know no float32."""
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Fraction):
        return value
    if float(value) != value:
        raise expected(f"{_MEANING[name]}, a number that a float holds", name, value, "rounded", "a float")
    return float(value)


@final
@checked
@dataclass(frozen=True, kw_only=True)
class Public:
    """Numbers that everybody may know, chosen before the data were seen. None is undeclared.

    Features have to be made sample by sample. Where they are standardised by the mean or the spread of the data at
    hand, or projected on their principal axes, one sample that leaves moves all others, and no bound here holds: take
    statistics of public data, or none. This cannot be seen from the features and is not checked.

    Args:
        samples: N ≥ 1, the most samples that any data set has; it is a bound, not the number of these samples.
        forget: k from 1 to N, the most samples that leave in one request.
        loss: "squared" or "logistic".
        ridge: λ > 0.
        feature_norm: L > 0, at least ‖φ‖ of every sample.
        target_bound: T > 0, at least |t| of every sample; at most 1 for the logistic loss.
        rounding: τ ≥ 0, how far a computed point may be from the exact one that it stands for.
        steps: number of gradient steps, at least 0.
        clip: C > 0, the norm that each sample's gradient is clipped to.

    Raises:
        BadInputError: a number outside its range (counts above 2⁵³, others above 1e30 or below 1e-30 but for a zero
            where it is allowed), NaN, or one that was computed from data (a Quantity).

    Example:
        >>> Public(samples=1000, forget=10, loss="squared", ridge=1.0, feature_norm=1.0, target_bound=1.0)
        Public(samples=1000, forget=10, loss='squared', ridge=1.0, feature_norm=1.0, target_bound=1.0)
        >>> Public(samples=0)
        Traceback (most recent call last):
        muso_theory.errors.BadInputError: expected N, the most samples that any data set has, ... got samples=0 ...
    """

    samples: int | None = None
    forget: int | None = None
    loss: str | None = None
    ridge: float | None = None
    feature_norm: float | None = None
    target_bound: float | None = None
    rounding: float | None = None
    steps: int | None = None
    clip: float | None = None

    def __post_init__(self) -> None:
        """Refuse what is no constant of its kind."""
        for name, value in self.declared().items():
            if name != "loss":
                object.__setattr__(self, name, _check(name, value))
            elif value not in CONVEX_LOSSES:
                raise expected("a loss", name, value, "unknown", nearest(str(value), CONVEX_LOSSES))
        if self.forget is not None and self.samples is not None and self.forget > self.samples:
            raise expected(f"at most N = {self.samples} samples", "forget", self.forget, "more", "fewer")
        if self.loss == "logistic" and (self.target_bound or 0) > 1:
            raise expected("T ≤ 1 for the logistic loss", "target_bound", self.target_bound, "float", "1.0")

    def declared(self) -> dict[str, int | float | str]:
        """The constants that were declared, by name."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in found.items() if value is not None}

    def __repr__(self) -> str:
        return f"Public({', '.join(f'{name}={value!r}' for name, value in self.declared().items())})"

    def require(self, names: Iterable[str], purpose: str) -> None:
        """Refuse to go on without some constants.

        Raises:
            BadInputError: some are undeclared; the message names and explains each.

        Example:
            >>> Public(samples=10).require(["samples", "clip"], "noisy-descent")
            Traceback (most recent call last):
            muso_theory.errors.BadInputError: expected public constants of noisy-descent but got clip=undeclared ...
        """
        missing = [name for name in names if getattr(self, name) is None]
        if missing:
            hint = "; ".join(f"{name}=…, {_MEANING[name]}" for name in missing)
            raise expected(
                f"public constants of {purpose}",
                ", ".join(missing),
                "undeclared",
                "nothing is inferred",
                hint,
            )

    def number(self, name: str) -> Fraction:
        """A declared number as the fraction it is.

        Raises:
            BadInputError: it is undeclared.
        """
        self.require([name], "this bound")
        return Fraction(getattr(self, name))

    def holds_for(self, objective: Objective) -> None:
        """Check data against what was declared. A refusal tells about the data and is not for publication.

        Raises:
            BadInputError: another loss or λ, a tilt, more samples, a longer feature or a larger target than declared.

        Example:
            >>> import numpy as np
            >>> objective = Objective(np.eye(2), np.ones(2), "squared", 1.0)
            >>> Public(samples=2, feature_norm=1.0).holds_for(objective)
            >>> Public(samples=1).holds_for(objective)
            Traceback (most recent call last):
            muso_theory.errors.BadInputError: expected at most 1.0, as declared public, but got samples=2.0 ...
        """
        check_objective(objective)
        if objective.tilt is not None:
            # (λ/2)‖w‖² ≤ F(0) and the bound of |ℓ'| at the minimiser are those of F without bᵀw.
            what = "an objective without a tilt, of which no public constant bounds the minimiser,"
            raise expected(what, "tilt", objective.tilt.shape, "shape", "tilt=None")
        for name in ("loss", "ridge"):
            declared, used = getattr(self, name), getattr(objective, name)
            if declared is not None and declared != used:
                raise expected(f"{name} {declared!r}, as declared public", name, used, "data", "the same")
        if self.feature_norm is not None:
            self._norms(objective.features, Fraction(self.feature_norm) ** 2)
        largest = max((abs(t) for t in objective.targets.tolist()), default=0.0)
        for name, used in (("samples", len(objective.features)), ("target_bound", largest)):
            declared = getattr(self, name)
            if declared is not None and used > declared:
                _beyond(name, declared, used)

    def _norms(self, features: Array, limit: Fraction) -> None:
        """Refuse rows whose exact square norm is above a limit."""
        # D products and sums err by at most (D + 1)·2⁻⁵² of the result, and rows
        # at the limit itself are decided in fractions.
        near = np.square(features).sum(axis=1) * (1 + (features.shape[1] + 2) * 2.0**-52) >= float(limit)
        for row in features[near].tolist():
            square = sum(Fraction(value) ** 2 for value in row)
            if square > limit:
                _beyond("feature_norm", float(self.number("feature_norm")), math.sqrt(square))


def _beyond(name: str, declared: float, used: float) -> None:
    hint = f"data scaled to it, or a larger declaration of {_MEANING[name]}"
    raise expected(f"at most {float(declared)}, as declared public,", name, float(used), "in the data", hint)


def _root(value: Fraction) -> Fraction:
    """√value, rounded up."""
    return Fraction(Quantity.exact(value).sqrt().bound)


def smoothness(public: Public) -> Fraction:
    """M = cL²N + λ with c = 1 or ¼, at least the largest eigenvalue of any Hessian: ‖Φ‖₂² ≤ ‖Φ‖_F² ≤ L²N.

    Raises:
        BadInputError: an undeclared constant.

    Example:
        >>> smoothness(Public(samples=8, loss="logistic", ridge=1.0, feature_norm=1.0))
        Fraction(3, 1)
    """
    public.require(["loss"], "this bound")
    curvature = _CURVATURE[str(public.loss)]
    return curvature * public.number("feature_norm") ** 2 * public.number("samples") + public.number("ridge")


def rate(public: Public) -> float:
    """2/(M + λ), the step whose contraction to the minimiser is the strongest that M and λ allow.

    Raises:
        BadInputError: an undeclared constant.

    Example:
        >>> rate(Public(samples=8, loss="logistic", ridge=1.0, feature_norm=1.0))
        0.5
    """
    return float(2 / (smoothness(public) + public.number("ridge")))


def radius(public: Public) -> Fraction:
    """How long a minimiser can be.

    For the squared loss w = Φᵀ(K + λI)⁻¹t and s/(s² + λ) ≤ 1/(2√λ) for every singular value s, so
    ‖w‖ ≤ ‖t‖/(2√λ) ≤ T√(N/λ)/2. For the logistic one (λ/2)‖w‖² ≤ F(w) ≤ F(0) = N ln 2.

    Raises:
        BadInputError: an undeclared constant.

    Example:
        >>> radius(Public(samples=4, loss="squared", ridge=1.0, target_bound=1.0))
        Fraction(1, 1)
    """
    public.require(["loss"], "this bound")
    ratio = public.number("samples") / public.number("ridge")
    if public.loss == "squared":
        return public.number("target_bound") * _root(ratio) / 2
    return _root(ratio * Fraction(13863, 10000))  # 2 ln 2 < 1.3863


def global_sensitivity(public: Public) -> Fraction:
    """How far kL·max |ℓ'|/λ the minimiser can move when k samples leave, for any data within the public constants.

    F_R is λ-strongly convex, so λ‖w_p − w_r‖ ≤ ‖∇F_R(w_p)‖ = ‖Σ_F ℓ'φ‖ ≤ kL·max |ℓ'| at w_p, where |ℓ'| is at most
    (1 + T)/2 for the logistic loss and T + L‖w_p‖ for the squared one.

    Raises:
        BadInputError: an undeclared constant.

    Example:
        >>> constants = dict(samples=4, forget=1, ridge=0.5, feature_norm=1.0, target_bound=1.0)
        >>> global_sensitivity(Public(loss="logistic", **constants))
        Fraction(2, 1)
    """
    public.require(["loss"], "this bound")
    length, target = public.number("feature_norm"), public.number("target_bound")
    slope = (1 + target) / 2 if public.loss == "logistic" else target + length * radius(public)
    return public.number("forget") * length * slope / public.number("ridge")


def newton_reach(public: Public) -> Fraction:
    """How far one Newton step from the minimiser on all samples can end from the one without k of them.

    The gradient that is left is at most ½γ‖Φ_R‖₂‖Φ_R s‖₄² for the step s, γ = max |ℓ'''|; with ‖Φ_R‖₂ ≤ √N L and
    ‖s‖ ≤ Δ, the global sensitivity, that is at most ½γNL³Δ². Strong convexity divides it by λ.

    Raises:
        BadInputError: an undeclared constant.
    """
    moved = global_sensitivity(public)
    cubic = public.number("samples") * public.number("feature_norm") ** 3
    return _THIRD[str(public.loss)] / 2 * cubic * moved**2 / public.number("ridge")


def descent_reach(public: Public, requests: int = 1) -> Fraction:
    """How far descent can end from the retrained minimiser, after every one of so many requests.

    T steps contract the distance by γ^T, γ = (M − λ)/(M + λ). The first request starts within Δ of its goal; a later
    one starts e further away, e being what the one before it left, so that e ≤ γ^T(Δ + e) bounds them all.

    Raises:
        BadInputError: an undeclared constant, or no steps for several requests.
    """
    public.require(["steps"], "descent-to-delete")
    large, small = smoothness(public), public.number("ridge")
    ratio = (large - small) / (large + small)
    with working_precision(256):
        power = flint.arb(flint.fmpq(ratio.numerator, ratio.denominator)) ** int(public.steps or 0)
        shrunk = Fraction(enclosure(power).bound)
    if requests > 1 and shrunk >= 1:
        raise expected("at least one step for several requests", "steps", public.steps, "too few", "100")
    moved = shrunk * global_sensitivity(public)
    return moved if requests == 1 else moved / (1 - shrunk)
