"""Removal guarantees as objects: what is promised, for which data, with which noise, and on what it rests.

Two kinds are kept apart. Guarantees for *any data* have a noise made from constants that were declared public
(:class:`Public`), so that the noise itself tells nothing. A guarantee from a *proved gap* uses a distance that was
computed from private data; it is a statement about this data set and forget set, for a σ declared in advance, and it is
not differential privacy. All are Gaussian mechanisms with a largest distance Δ, so the analytic δ of Balle and Wang is
tight for every ε, and m releases compose exactly: m independent normals at distances Δ_i are one at √(ΣΔ_i²), also if
each point is chosen after the releases before it are seen (J. Dong, A. Roth, W. Su, "Gaussian differential privacy",
2022, composition of Gaussian mechanisms). Releases are not requests: a release adds fresh noise, a request lets k more
samples leave. Where nothing is done at removal, one release has to hide the samples of all requests, and its distance
grows with their number and not with its root.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import final

import numpy as np

from ..arguments import checked
from ..arrays import Array, forget_indices, plain_array
from ..errors import check_integer, expected, nearest
from ..evidence import round_digits
from ..former import former
from ..numbers import Grade, Quantity
from .convex import Objective, check_objective
from .gaussian import declared_sigma, gaussian_delta, gaussian_epsilon, gaussian_sigma, noise_suffices
from .mechanisms import MECHANISMS, PUBLISHED_ONCE, REFUSALS, SAMPLER
from .public import Public
from .release import least_sigma, parameters, rounded_normal

__all__ = ["DECLARED", "Guarantee", "guarantee"]
former(__name__)

_PROVED_GAP = "proved-gap"
DECLARED = "declared"
"""The remark of a σ that the user declared."""


@final
@dataclass(frozen=True)
class Guarantee:
    """(ε, δ) for so many requests and releases, by normal noise σ on each of D parameters.

    Args:
        mechanism: a key of :data:`MECHANISMS`, or "proved-gap".
        epsilon: ε of all releases together.
        delta: δ of all releases together.
        sensitivity: Δ, the largest distance of one release (of one training in units of C for "noisy-descent"); where
            constants are public it is the one that they give.
        sigma: standard deviation σ of the noise, in the unit of Δ.
        public: the declared constants; None for "proved-gap".
        requests: r, how many times up to k samples leave; 1 for "proved-gap".
        releases: m, how many points are published, each with fresh noise.
        remark: where σ is from if it is not the smallest that suffices; empty if it is.

    Raises:
        BadInputError: a σ that does not suffice for (ε, δ) after m releases or that floats do not hide, another Δ than
            that of the public constants, or counts below 1.
    """

    mechanism: str
    epsilon: float
    delta: float
    sensitivity: float
    sigma: float
    public: Public | None = None
    requests: int = 1
    releases: int = 1
    remark: str = ""

    def __post_init__(self) -> None:
        """Refuse a σ that does not suffice, and a Δ that is not that of the public constants."""
        for name in ("requests", "releases"):
            object.__setattr__(self, name, check_integer(name, getattr(self, name), 1))
        least = 0.0
        if (self.public is None) != (self.mechanism == _PROVED_GAP):
            hint = "public=Public(…) for any data, none for 'proved-gap'"
            raise expected("constants that fit the mechanism", "public", self.public, self.mechanism, hint)
        if self.public is None:
            _one_request(self.requests)
        else:
            distance, least = _public_distance(self.mechanism, self.public, self.requests)
            if self.sensitivity != distance:
                what = f"Δ = {distance!r}, that of the public constants"
                raise expected(what, "sensitivity", self.sensitivity, "another", "guarantee(…)")
        if not noise_suffices(self.distance, self.sigma, self.epsilon, self.delta):
            need = gaussian_sigma(self.distance, self.epsilon, self.delta)
            what = f"noise that hides {self.distance:.3g} at ε = {self.epsilon:g}, δ = {self.delta:g}"
            raise expected(what, "sigma", self.sigma, "too little", f"{max(need, least)!r}")
        if self.sigma < least:
            hint = "more noise, or None for the smallest that can be published"
            raise expected(f"σ ≥ {least!r}, below which floats leak", "sigma", self.sigma, "less", hint)

    @cached_property
    def distance(self) -> float:
        """√m Δ rounded up: m releases with independent noise are one release at this distance."""
        return _composed(self.sensitivity, self.releases)

    @property
    def ratio(self) -> float:
        """√m Δ/σ rounded up: the guarantee is that of N(0, 1) against N(√m Δ/σ, 1), at every ε."""
        return Quantity.exact(Fraction(self.distance) / Fraction(self.sigma)).bound if self.sigma else 0.0

    @property
    def for_any_data(self) -> bool:
        """Whether nothing that enters was computed from private data."""
        return self.public is not None

    @property
    def private(self) -> tuple[str, ...]:
        """What was computed from private data; empty if the guarantee is for any data."""
        if self.public is not None:
            return ()
        gap = f"Δ: the proved gap {round_digits(self.sensitivity, up=True, digits=3)}"
        return (gap,) if self.remark == DECLARED else (gap, "σ: computed from Δ")

    @property
    def assumed(self) -> tuple[str, ...]:
        """What is neither computed nor checked."""
        if self.public is None:
            declared = self.remark == DECLARED
            return (SAMPLER, REFUSALS, PUBLISHED_ONCE, *(["σ was declared in advance"] if declared else []))
        return MECHANISMS[self.mechanism].assumed

    @property
    def checked(self) -> tuple[str, ...]:
        """What is checked: (ε, δ, σ) here, the rest when the mechanism is used."""
        here = "δ(ε, √m Δ/σ) ≤ δ in ball arithmetic"
        if self.public is None:
            return (here, "the published point is proved within Δ of the exact retrained one")
        return (here, *MECHANISMS[self.mechanism].checked)

    @property
    def statement(self) -> str:
        """What is promised, and for whom."""
        level = f"({self.epsilon:g}, {self.delta:g})-indistinguishable"
        times = f" over {self.releases} releases" if self.releases > 1 else ""
        if self.public is None:
            sigma = "for a σ" if self.remark == DECLARED else "as if σ, which tells of the gap, had been"
            return (
                f"{level}{times}: this point from the retrained model published likewise, on this data and forget "
                f"set and {sigma} declared in advance; not differential privacy"
            )
        promise, most = MECHANISMS[self.mechanism].promise, int(self.public.forget or 0)
        who = f"for {self.requests} request{'s' * (self.requests > 1)} of at most {most} samples"
        return f"{level}{times} {who}: {promise}, for any data within the public constants"

    def delta_at(self, epsilon: float) -> float:
        """The smallest δ, rounded up, that this noise gives at another ε from 0 to 1e6, for all m releases."""
        return gaussian_delta(self.distance, self.sigma, epsilon)

    def epsilon_at(self, delta: float) -> float:
        """The smallest ε, rounded up, that this noise gives at another δ in (0, 1), for all m releases."""
        return gaussian_epsilon(self.distance, self.sigma, delta)

    def release(
        self, w: object, objective: Objective, forget: object, seed: int, *, draws: int | None = None
    ) -> Array:
        """Check a point, add the noise exactly and round to the grid of σ.

        Args:
            w: the computed parameters, float64, shape (D,): near the minimiser on the samples without F or, for
                "output-noise", which does nothing at removal, near that on all of them.
            objective: on all samples, those of F among them.
            forget: F, mask or indices of the samples that have left in all requests; empty or all false if none has,
                as for a retrained model that is published likewise.
            seed: secret seed of the noise, a non-negative integer, used once.
            draws: so many independent releases of the point, which is proved once, for an audit; m of them are what
                the guarantee lets be published.

        Returns:
            round_h(w + σZ), shape (D,), or (draws, D); w itself where σ = 0.

        Raises:
            BadInputError: data beyond the public constants, more samples in F than r requests of k, a point that is
                not proved close enough to the minimiser, noise too small for floats of this size, or a mechanism that
                publishes while it trains.
        """
        check_objective(objective)
        reach, served, hint = self.sensitivity, True, "the point whose gap was bounded"
        left = _left(forget, len(objective.features))
        if self.public is not None:
            spec = MECHANISMS[self.mechanism]
            self.public.holds_for(objective)
            most = self.requests * int(self.public.forget or 0)
            if len(left) > most:
                what = f"at most {most} samples, {self.requests} times the declared k, that leave"
                raise expected(what, "forget", len(left), "samples", "more requests, or a larger public k")
            if spec.reach is None:
                what = "a mechanism that adds its noise at the end"
                raise expected(what, "mechanism", self.mechanism, "str", spec.made)
            hint = f"w = {spec.made}, or a larger public rounding"
            reach, served = Quantity.exact(spec.reach(self.public, self.requests)).bound, spec.served
        goal = objective.on(np.setdiff1d(np.arange(len(objective.features)), left)) if served else objective
        point = parameters(w)
        found = goal.gap_bound(point).bound
        if not found <= reach:
            raise expected(
                f"a point proved within {reach:.3g} of the minimiser", "w", found, "proved bound", hint
            )
        if draws is not None:
            point = np.tile(point.ravel(), (check_integer("draws", draws, 1), 1))
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
            (
                "point",
                MECHANISMS[self.mechanism].made if self.public is not None else "any of proved gap ≤ Δ",
            ),
            ("public", constants),
            ("private", "; ".join(self.private) or "nothing enters"),
            ("assumed", "; ".join(self.assumed)),
            ("checked", "; ".join(self.checked)),
        ]
        return "\n".join(f"{name:10}{words}" for name, words in lines)


@checked
def guarantee(
    mechanism: str,
    epsilon: float,
    delta: float,
    *,
    public: Public | None = None,
    gap: Quantity | None = None,
    sigma: float | None = None,
    requests: int = 1,
    releases: int | None = None,
) -> Guarantee:
    """The noise of a mechanism for (ε, δ), and everything that the guarantee rests on.

    Each mechanism is about one point, which ``release`` checks and publishes: "output-noise" about
    ``objective.minimiser()``, "newton-step" about :func:`newton_removal` from there, "descent-to-delete" about
    :func:`descent` from there with the step ``public.rate(constants)``; :func:`noisy_descent` trains and publishes in
    one; and "proved-gap" is about any point whose ``objective.gap_bound`` on the retained samples was handed in.

    Args:
        mechanism: "output-noise", "newton-step", "descent-to-delete" or "noisy-descent", which hold for any data within
            the public constants; or "proved-gap", which holds for this data and forget set.
        epsilon: ε from 0 to 1e6, of all releases together.
        delta: δ in (0, 1), of all releases together.
        public: the declared constants of the first four.
        gap: for "proved-gap", a proved bound of the distance of the published point from the retrained one; the largest
            one if there are several releases.
        sigma: σ declared in advance; None is the smallest that suffices. For "proved-gap" it then tells something about
            the private gap, which ``private`` says.
        requests: r ≥ 1, how many times up to k samples leave. "output-noise" and "noisy-descent" do nothing then, so
            that Δ is that of rk samples; "descent-to-delete" serves one after the other; "newton-step" serves one; a
            gap is about one forget set.
        releases: m ≥ 1, points that are published, each with fresh noise: σ grows by √m. None is one, for
            "descent-to-delete" one a request.

    Returns:
        The guarantee. A gap of doing nothing after all requests, ‖w_p − w_r(m)‖, covers one release after the last.
        It covers a release before each request only where that is the model retrained after the one before: then the
        distances are ‖w_r(i−1) − w_r(i)‖, whose squares add up to its square (theorem energy). Publishing w_p m times
        is another matter: its distances ‖w_p − w_r(i)‖ compose to √(Σ‖w_p − w_r(i)‖²), for which m releases at the
        largest of them suffice.

    Raises:
        BadInputError: an unknown mechanism; undeclared public constants, named one by one; a gap that was only
            measured; a gap for a mechanism that takes none, or constants for a gap; ε, δ, σ, r or m out of range; a σ
            that does not suffice.

    Example:
        >>> public = Public(samples=1000, forget=10, loss="logistic", ridge=10.0, feature_norm=1.0, target_bound=1.0,
        ...                 rounding=1e-9)
        >>> found = guarantee("output-noise", 1.0, 1e-5, public=public)
        >>> round(found.sensitivity, 6), round(found.sigma, 4), found.for_any_data
        (1.0, 3.7306, True)
        >>> more = [{"releases": 4}, {"requests": 4}]
        >>> [round(guarantee("output-noise", 1.0, 1e-5, public=public, **each).sigma / found.sigma, 6) for each in more]
        [2.0, 4.0]
        >>> print(guarantee("proved-gap", 1.0, 1e-5, gap=Quantity.enclosure(0, 0.25)).private[0])
        Δ: the proved gap 0.25
        >>> guarantee("noisy-descent", 1.0, 1e-5, public=public)
        Traceback (most recent call last):
        muso_theory.errors.BadInputError: expected public constants of noisy-descent but got steps, clip=undeclared ...
    """
    names = (*MECHANISMS, _PROVED_GAP)
    if mechanism not in names:
        raise expected("a mechanism", "mechanism", mechanism, "unknown", nearest(str(mechanism), names))
    if public is not None and not isinstance(public, Public):
        raise expected("declared constants", "public", public, type(public).__name__, "Public(samples=…, …)")
    requests = check_integer("requests", requests, 1)
    after_each = requests if mechanism == "descent-to-delete" else 1
    times = after_each if releases is None else check_integer("releases", releases, 1)
    remark = "" if sigma is None else DECLARED
    if mechanism == _PROVED_GAP:
        _one_request(requests)
        if public is not None:
            raise expected("no constants: a gap is private", "public", public, "declared", "gap=… alone")
        sensitivity, least = _proved(gap), 0.0
    else:
        if gap is not None:
            hint = "'proved-gap', which promises less"
            raise expected("no gap: it is private", "gap", gap, "for a guarantee for any data", hint)
        public = public or Public()
        sensitivity, least = _public_distance(mechanism, public, requests)
    noise = declared_sigma(sigma) if sigma is not None else 0.0
    if sigma is None:
        smallest = gaussian_sigma(_composed(sensitivity, times), epsilon, delta)
        noise = max(smallest, least)
        remark = f"raised from {smallest:.3g} for floats of the largest public size" * (smallest < least)
    return Guarantee(
        mechanism, float(epsilon), float(delta), sensitivity, noise, public, requests, times, remark
    )


def _composed(sensitivity: float, releases: int) -> float:
    return Quantity.exact(releases * Fraction(sensitivity) ** 2).sqrt().bound


def _left(forget: object, n: int) -> Array:
    """The samples that have left; none is no forget set elsewhere, but nothing may have left yet."""
    given = plain_array("forget", forget)
    none = not given.size or (given.dtype == bool and given.shape == (n,) and not given.any())
    return np.arange(0) if none else forget_indices(forget, n)


def _one_request(requests: object) -> None:
    """Refuse several requests: a proved gap is about one forget set."""
    if check_integer("requests", requests, 1) > 1:
        raise expected(
            "one request: a gap is about one forget set", "requests", requests, "int", "releases=…"
        )


def _public_distance(mechanism: str, public: Public, requests: int) -> tuple[float, float]:
    """Δ of one release, rounded up, and the noise that floats of the largest public size need."""
    if mechanism not in MECHANISMS:
        hint = nearest(str(mechanism), MECHANISMS)
        raise expected("a mechanism", "mechanism", mechanism, "unknown", hint)
    spec = MECHANISMS[mechanism]
    requests = check_integer("requests", requests, 1)
    public.require(spec.needs, mechanism)
    # How large these parameters are must not be told, so that the largest public norm decides.
    found = [Quantity.exact(bound(public, requests)).bound for bound in (spec.distance, spec.norm)]
    if math.isinf(max(found)):
        raise expected("constants of a finite Δ", "public", public, "too large", "numbers of ordinary size")
    return found[0], least_sigma(np.array([found[1]]))


def _proved(gap: Quantity | None) -> float:
    """The bound of a gap, if it is proved."""
    if gap is None:
        hint = "gap=objective.gap_bound(w), or evaluation.removal_certificate for a report"
        raise expected("a proved bound of the gap", "gap", gap, "undeclared", hint)
    if not isinstance(gap, Quantity) or gap.grade is Grade.MEASURED or not math.isfinite(gap.bound):
        got = "measured or unbounded" if isinstance(gap, Quantity) else type(gap).__name__
        raise expected("a proved bound of the gap", "gap", gap, got, "objective.gap_bound(w)")
    if gap.upper < 0:
        raise expected("a distance, which is at least 0,", "gap", gap, "negative", "objective.gap_bound(w)")
    return gap.bound
