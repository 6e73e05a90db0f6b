"""Removal guarantees as objects: what is promised, for which data, with which noise, and on what it rests.

Two kinds are kept apart. Guarantees for *any data* have a noise made from constants that were declared public
(:class:`Public`), so that the noise itself tells nothing. A guarantee from a *proved gap* uses a distance that was
computed from private data; it is a statement about this data set and forget set, for a σ declared in advance, and it is
not differential privacy. All are Gaussian mechanisms with a largest distance Δ, so the analytic δ of Balle and Wang is
tight for every ε, and k releases compose exactly: k independent normals at distances Δ_i are one at √(ΣΔ_i²), also if
each point is chosen after the releases before it are seen (J. Dong, A. Roth, W. Su, "Gaussian differential privacy",
2022, composition of Gaussian mechanisms).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import final

import numpy as np

from ..errors import expected, nearest
from ..numbers import Grade, Quantity
from .convex import Objective
from .gaussian import gaussian_delta, gaussian_epsilon, gaussian_sigma, noise_suffices
from .outputs import Array
from .public import Public, descent_reach, global_sensitivity, newton_reach, radius
from .release import least_sigma, parameters, rounded_normal

__all__ = ["MECHANISMS", "Guarantee", "Mechanism", "guarantee"]

_DATA = ("samples", "forget", "loss", "ridge", "feature_norm", "target_bound", "rounding")
_PROVED_GAP = "proved-gap"
_SAMPLER = "the bits of the sampler are independent fair coins"
_REFUSALS = "that a release was refused is not told"


@final
@dataclass(frozen=True)
class Mechanism:
    """How one kind of guarantee gets its distance.

    Args:
        promise: what cannot be told apart.
        source: where it is published.
        needs: the constants that have to be declared public.
        distance: Δ of one release, from the public constants and the number of requests.
        reach: how far the published point may be from the minimiser of the objective that is handed to ``release``,
            which is proved anew for every release; None where the mechanism adds its noise while it trains.
        norm: largest norm of what the noise is added to.
        assumed: what is neither computed nor checked.
        checked: what is checked when it is used.
    """

    promise: str
    source: str
    needs: tuple[str, ...]
    distance: Callable[[Public, int], Fraction]
    reach: Callable[[Public, int], Fraction] | None
    norm: Callable[[Public, int], Fraction]
    assumed: tuple[str, ...]
    checked: tuple[str, ...]


def _newton(public: Public, requests: int) -> Fraction:
    if requests > 1:
        hint = "one request, and retraining before the next"
        what = "one request: what a Newton step leaves enters the next one, which no bound here covers"
        raise expected(what, "requests", requests, "int", hint)
    return newton_reach(public) + public.number("rounding")


def _descent(public: Public, requests: int) -> Fraction:
    return descent_reach(public, requests) + public.number("rounding")


def _clipped(public: Public, _requests: int) -> Fraction:
    # In units of C: T steps at distance k are one at √T k.
    return Fraction(Quantity.exact(public.number("forget") ** 2 * public.number("steps")).sqrt().bound)


_BOUNDED = "every data set is within the public constants"
_HELD = "the data at hand are within the public constants"

MECHANISMS = {
    "output-noise": Mechanism(
        "the model with the k samples from the model without them, nothing being done at removal",
        "Chaudhuri, Monteleoni, Sarwate 2011, arXiv 0912.0071",
        _DATA,
        lambda public, _: global_sensitivity(public) + 2 * public.number("rounding"),
        lambda public, _: public.number("rounding"),
        lambda public, _: radius(public) + public.number("rounding"),
        (_BOUNDED, _SAMPLER, _REFUSALS),
        (_HELD, "the computed point is proved within the public rounding of the exact minimiser"),
    ),
    "newton-step": Mechanism(
        "the Newton step from the retrained model published likewise",
        "the residual of Guo, Goldstein, Hannun, van der Maaten 2020, arXiv 1911.03030, and noise on the parameters",
        _DATA,
        _newton,
        _newton,
        lambda public, k: radius(public) + _newton(public, k),
        (_BOUNDED, _SAMPLER, _REFUSALS),
        (_HELD, "the computed point is proved within Δ of the exact retrained one"),
    ),
    "descent-to-delete": Mechanism(
        "the descended model from the retrained model published likewise",
        "Neel, Roth, Sharifi-Malvajerdi 2021, arXiv 2007.02923",
        (*_DATA, "steps"),
        _descent,
        _descent,
        lambda public, k: radius(public) + _descent(public, k),
        (_BOUNDED, _SAMPLER, _REFUSALS, "the point before noise stays secret between requests"),
        (_HELD, "the computed point is proved within Δ of the exact retrained one"),
    ),
    "noisy-descent": Mechanism(
        "training with the k samples from training without them, nothing being done at removal",
        "gradient descent with clipped gradients and normal noise, Abadi et al. 2016, arXiv 1607.00133",
        ("samples", "forget", "loss", "ridge", "feature_norm", "steps", "clip"),
        _clipped,
        None,
        lambda public, _: public.number("samples"),
        (_BOUNDED, _SAMPLER, "the gradient of a sample depends on it and on w alone, to the last bit"),
        (_HELD, "clipped gradients are summed as integers, so that one sample moves the sum by at most C"),
    ),
}
"""The guarantees for any data, by name."""


@final
@dataclass(frozen=True)
class Guarantee:
    """(ε, δ) for so many requests, by normal noise σ on each of D parameters.

    Args:
        mechanism: a key of :data:`MECHANISMS`, or "proved-gap".
        epsilon: ε of all requests together.
        delta: δ of all requests together.
        sensitivity: Δ, the largest distance of one release (of one training in units of C for "noisy-descent").
        sigma: standard deviation σ of the noise, in the unit of Δ.
        requests: k, the number of releases, each with fresh noise.
        public: the declared constants; None for "proved-gap".
        private: what was computed from private data; empty if the guarantee is for any data.
        remark: why σ is not the smallest that suffices; empty if it is.

    Raises:
        BadInputError: a σ that does not suffice for (ε, δ) after k releases.
    """

    mechanism: str
    epsilon: float
    delta: float
    sensitivity: float
    sigma: float
    requests: int
    public: Public | None
    private: tuple[str, ...] = ()
    remark: str = ""

    def __post_init__(self) -> None:
        """No guarantee exists whose noise does not do what it says."""
        if not noise_suffices(self.distance, self.sigma, self.epsilon, self.delta):
            need = gaussian_sigma(self.distance, self.epsilon, self.delta)
            what = f"noise that hides {self.distance:.3g} at ε = {self.epsilon:g}, δ = {self.delta:g}"
            raise expected(what, "sigma", self.sigma, "too little", f"{need!r}")

    @cached_property
    def distance(self) -> float:
        """√k Δ rounded up: k releases with independent noise are one release at this distance."""
        return Quantity.exact(self.requests * Fraction(self.sensitivity) ** 2).sqrt().bound

    @property
    def ratio(self) -> float:
        """√k Δ/σ rounded up: the guarantee is that of N(0, 1) against N(√k Δ/σ, 1), at every ε."""
        return Quantity.exact(Fraction(self.distance) / Fraction(self.sigma)).bound if self.sigma else 0.0

    @property
    def for_any_data(self) -> bool:
        """Whether nothing that enters was computed from private data."""
        return self.public is not None

    @property
    def assumed(self) -> tuple[str, ...]:
        """What is neither computed nor checked."""
        if self.public is None:
            declared = "σ was declared in advance"
            return (_SAMPLER, _REFUSALS, declared)
        return MECHANISMS[self.mechanism].assumed

    @property
    def checked(self) -> tuple[str, ...]:
        """What is checked: (ε, δ, σ) here, the rest when the mechanism is used."""
        here = "δ(ε, √k Δ/σ) ≤ δ in ball arithmetic"
        if self.public is None:
            return (here, "the published point is proved within Δ of the exact retrained one")
        return (here, *MECHANISMS[self.mechanism].checked)

    @property
    def statement(self) -> str:
        """What is promised, and for whom."""
        level = f"({self.epsilon:g}, {self.delta:g})-indistinguishable"
        times = f" over {self.requests} releases" if self.requests > 1 else ""
        if self.public is None:
            return (
                f"{level}{times}: this point from the retrained model published likewise, on this data and forget "
                "set and for a σ declared in advance; not differential privacy"
            )
        promise = MECHANISMS[self.mechanism].promise
        return f"{level}{times}: {promise}, for any data within the public constants"

    def delta_at(self, epsilon: float) -> float:
        """The smallest δ that this noise is known to give at another ε, for all k releases.

        Args:
            epsilon: ε from 0 to 1e6.

        Returns:
            δ, rounded up.
        """
        return gaussian_delta(self.distance, self.sigma, epsilon)

    def epsilon_at(self, delta: float) -> float:
        """The smallest ε that this noise is known to give at another δ, for all k releases.

        Args:
            delta: δ in (0, 1).

        Returns:
            ε, rounded up.
        """
        return gaussian_epsilon(self.distance, self.sigma, delta)

    def release(self, w: object, objective: Objective, seed: int) -> Array:
        """Check a point, add the noise exactly and round to the grid of σ.

        Args:
            w: the computed parameters, float64, shape (D,).
            objective: whose minimiser w stands for: that of the retain set, or of the own data for "output-noise".
            seed: secret seed of the noise, a non-negative integer, used once.

        Returns:
            round_h(w + σZ), shape (D,); w itself where σ = 0.

        Raises:
            BadInputError: data beyond the public constants, a point that is not proved close enough to the
                minimiser, noise too small for floats of this size, or a mechanism that publishes while it trains.
        """
        reach = self.sensitivity
        if self.public is not None:
            self.public.holds_for(objective)
            allowed = MECHANISMS[self.mechanism].reach
            if allowed is None:
                hint = "evaluation.removal.noisy_descent"
                raise expected(
                    "a mechanism that adds its noise at the end", "mechanism", self.mechanism, "str", hint
                )
            reach = Quantity.exact(allowed(self.public, self.requests)).bound
        point = parameters(w)
        found = objective.gap_bound(point).bound
        if not found <= reach:
            hint = "a better minimiser, or a larger public rounding"
            raise expected(
                f"a point proved within {reach:.3g} of the minimiser", "w", found, "proved bound", hint
            )
        return rounded_normal(point, self.sigma, seed) if self.sigma else point

    def __str__(self) -> str:
        constants = repr(self.public) if self.public is not None else "none"
        remark = f" ({self.remark})" if self.remark else ""
        lines = [
            ("promise", self.statement),
            (
                "mechanism",
                f"{self.mechanism}: N(0, σ²I), σ = {self.sigma:.4g}{remark}, Δ = {self.sensitivity:.4g}",
            ),
            ("public", constants),
            ("private", "; ".join(self.private) or "nothing enters"),
            ("assumed", "; ".join(self.assumed)),
            ("checked", "; ".join(self.checked)),
        ]
        return "\n".join(f"{name:10}{words}" for name, words in lines)


def guarantee(
    mechanism: str,
    epsilon: float,
    delta: float,
    *,
    public: Public | None = None,
    gap: Quantity | None = None,
    sigma: float | None = None,
    requests: int = 1,
) -> Guarantee:
    """The noise of a mechanism for (ε, δ), and everything that the guarantee rests on.

    Args:
        mechanism: "output-noise", "newton-step", "descent-to-delete" or "noisy-descent", which hold for any data within
            the public constants; or "proved-gap", which holds for this data and forget set.
        epsilon: ε from 0 to 1e6, of all requests together.
        delta: δ in (0, 1), of all requests together.
        public: the declared constants of the first four.
        gap: for "proved-gap", a proved bound of the distance of the published point from the retrained one.
        sigma: σ declared in advance; None is the smallest that suffices. For "proved-gap" it then tells something about
            the private gap, which ``private`` says.
        requests: k ≥ 1, releases with fresh noise. Gaussians compose exactly: σ grows by √k. Gaps of doing nothing
            along nested requests add in squares (theorem energy), so one budget for the whole group, ``requests=1``
            with the gap of all k requests together, already covers their k releases.

    Returns:
        The guarantee.

    Raises:
        BadInputError: an unknown mechanism; undeclared public constants, named one by one; a gap that was only
            measured; a gap for a mechanism that takes none; ε, δ, σ or k out of range; a σ that does not suffice.

    Example:
        >>> public = Public(samples=1000, forget=10, loss="logistic", ridge=10.0, feature_norm=1.0, target_bound=1.0,
        ...                 rounding=1e-9)
        >>> found = guarantee("output-noise", 1.0, 1e-5, public=public)
        >>> round(found.sensitivity, 6), round(found.sigma, 4), found.for_any_data
        (1.0, 3.7306, True)
        >>> round(guarantee("output-noise", 1.0, 1e-5, public=public, requests=4).sigma / found.sigma, 9)
        2.0
        >>> print(guarantee("proved-gap", 1.0, 1e-5, gap=Quantity.enclosure(0, 1e-12)).private[0])
        Δ: the proved gap 1e-12
        >>> guarantee("noisy-descent", 1.0, 1e-5, public=public)
        Traceback (most recent call last):
        muso_theory.errors.BadInputError: expected public constants of noisy-descent but got steps, clip=undeclared ...
    """
    names = (*MECHANISMS, _PROVED_GAP)
    if mechanism not in names:
        raise expected("a mechanism", "mechanism", mechanism, "unknown", nearest(str(mechanism), names))
    if isinstance(requests, bool) or not isinstance(requests, int) or requests < 1:
        raise expected("at least one request", "requests", requests, type(requests).__name__, "1")
    if mechanism == _PROVED_GAP:
        return _from_gap(gap, epsilon, delta, sigma, requests)
    if gap is not None:
        hint = "'proved-gap', which promises less"
        raise expected("no gap: it is private", "gap", gap, "for a guarantee for any data", hint)
    spec, constants = MECHANISMS[mechanism], public or Public()
    constants.require(spec.needs, mechanism)
    sensitivity = Quantity.exact(spec.distance(constants, requests)).bound
    # √k Δ is formed once more, and in the same way, by the guarantee itself.
    smallest = gaussian_sigma(_composed(sensitivity, requests), epsilon, delta)
    # Noise that floats of the largest public size need; how large these parameters are must not be told.
    largest = Quantity.exact(spec.norm(constants, requests)).bound
    least = least_sigma(np.array([largest]))
    noise, remark = (max(smallest, least), "") if sigma is None else (_declared(sigma), "declared")
    if sigma is None and smallest < least:
        remark = f"raised from {smallest:.3g} for floats of size {largest:.3g}"
    if noise < least:
        hint = "more noise, or None for the smallest that can be published"
        raise expected(f"σ ≥ {least!r}, below which floats leak", "sigma", sigma, "declared", hint)
    return Guarantee(
        mechanism, float(epsilon), float(delta), sensitivity, noise, requests, constants, (), remark
    )


def _composed(sensitivity: float, requests: int) -> float:
    return Quantity.exact(requests * Fraction(sensitivity) ** 2).sqrt().bound


def _declared(sigma: object) -> float:
    """A declared σ as a float."""
    if isinstance(sigma, Quantity):
        raise expected("σ declared in advance", "sigma", sigma, "computed from data", "a number")
    # Also NaN is refused.
    if isinstance(sigma, bool) or not isinstance(sigma, int | float) or not 0 <= sigma < math.inf:
        raise expected("a finite σ ≥ 0", "sigma", sigma, type(sigma).__name__, "1.0")
    return float(sigma)


def _from_gap(
    gap: Quantity | None, epsilon: float, delta: float, sigma: float | None, requests: int
) -> Guarantee:
    """The guarantee that a proved gap gives."""
    if gap is None:
        hint = "gap=objective.gap_bound(w), or evaluation.removal_certificate for a report"
        raise expected("a proved bound of the gap", "gap", gap, "undeclared", hint)
    if not isinstance(gap, Quantity) or gap.grade is Grade.FLOAT or not math.isfinite(gap.bound):
        got = "measured or unbounded" if isinstance(gap, Quantity) else type(gap).__name__
        raise expected("a proved bound of the gap", "gap", gap, got, "objective.gap_bound(w)")
    bound = gap.bound
    noise = gaussian_sigma(_composed(bound, requests), epsilon, delta) if sigma is None else _declared(sigma)
    private = (f"Δ: the proved gap {bound:.3g}", *(() if sigma is not None else ("σ: computed from Δ",)))
    remark = "" if sigma is None else "declared"
    return Guarantee(_PROVED_GAP, float(epsilon), float(delta), bound, noise, requests, None, private, remark)
