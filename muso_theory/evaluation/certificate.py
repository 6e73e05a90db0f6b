"""From a proved bound of the gap to certified removal (claim removal-certificate)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

from ..arguments import checked
from ..arrays import Array
from ..errors import expected
from ..evidence import round_digits
from ..numbers import Grade, Quantity
from ..numbers.ieee import ieee_proof
from .gaussian import declared_sigma, gaussian_delta, gaussian_sigma, noise_suffices
from .guarantees import DECLARED, Guarantee
from .release import grid_spacing, least_sigma, parameters, parameters_sha256, rounded_normal

__all__ = ["RemovalCertificate", "removal_certificate"]

_ROW = "exact-labels[w_unlearned]"
_GAP = "‖w_u − w_r‖ of the given w_unlearned"


@final
@checked
@dataclass(frozen=True)
class RemovalCertificate:
    """Parameters published with this noise are (ε, δ)-indistinguishable from the retrained model published likewise.

    Published is round_h(w + σZ), Z exactly normal, on the grid of spacing h that belongs to σ; the retrained model w_r,
    real and unrounded, is thought to be published in the same way, with the same σ and h. As the rounding does not look
    at w, the analytic δ of the Gaussian mechanism at distance ‖w − w_r‖ holds for the very floats that come out.

    It is a statement about this data set and this forget set, for a σ declared in advance, whatever the attacker knows
    about both. It is not differential privacy: it says nothing about other data sets, and a σ that was computed from
    this gap tells something about it. It is about one release. It takes the bits of the sampler for fair coins.

    Args:
        gap_bound: a proved upper bound of ‖w − w_r‖, w being the float parameters of this certificate.
        epsilon: ε.
        delta: δ that was asked for.
        sigma: standard deviation σ of the noise in each parameter; 0 where w = w_r is proved.
        of: what the bound is about, in words.
        w_sha256: hash of w; no other parameters are released.
        remark: why σ is not simply the smallest that suffices; empty if it is.

    Raises:
        BadInputError: a σ that does not suffice for (ε, δ), or has no grid of floats.
    """

    gap_bound: float
    epsilon: float
    delta: float
    sigma: float
    of: str
    w_sha256: str
    remark: str = ""

    def __post_init__(self) -> None:
        """Refuse a σ that does not suffice, or for which there is no grid of floats."""
        if self.sigma:
            grid_spacing(self.sigma)
        if not noise_suffices(self.gap_bound, self.sigma, self.epsilon, self.delta):
            need = gaussian_sigma(self.gap_bound, self.epsilon, self.delta)
            gap = round_digits(self.gap_bound, up=True, digits=3)
            what = f"noise that hides {gap} at ε = {self.epsilon:g}, δ = {self.delta:g}"
            raise expected(what, "sigma", self.sigma, "too little", f"{need!r}")

    @cached_property
    def delta_at_sigma(self) -> float:
        """The smallest δ that this σ is known to give at ε, at most ``delta``."""
        return min(self.delta, gaussian_delta(self.gap_bound, self.sigma, self.epsilon))

    @property
    def spacing(self) -> float:
        """h, a power of two with 2¹⁰h ≤ σ < 2¹¹h; 0 where no noise is added."""
        return grid_spacing(self.sigma) if self.sigma else 0.0

    @property
    def guarantee(self) -> Guarantee:
        """The same statement as the object that all guarantees are: what is private, assumed and checked."""
        return Guarantee(
            "proved-gap", self.epsilon, self.delta, self.gap_bound, self.sigma, remark=self.remark
        )

    def __str__(self) -> str:
        # What is printed must itself be true: a smaller gap, noise or δ would not be.
        sigma, least = round_digits(self.sigma, up=True, digits=3), self.delta_at_sigma
        # The δ that was asked for is told as it was, and not rounded up beyond itself.
        delta = repr(self.delta) if least == self.delta else round_digits(least, up=True)
        noise = f"σ = {sigma} on multiples of {self.spacing:.3g}" if self.sigma else "no noise"
        remark = f" ({self.remark})" if self.remark else ""
        gap = round_digits(self.gap_bound, up=True, digits=3)
        return (
            f"‖w − w_r‖ ≤ {gap} proved for {self.of}; published with {noise}{remark}: "
            f"({self.epsilon:g}, {delta})-indistinguishable from the retrained model published "
            f"likewise, on this data and forget set and for a σ declared in advance; not differential privacy"
        )

    @ieee_proof()
    def release(self, w_unlearned: object, seed: int) -> Array:
        """Publish the parameters: add the noise exactly and round to the grid.

        Args:
            w_unlearned: the parameters that the certificate is about, any shape.
            seed: seed of the noise, a non-negative integer that is secret and used once, ``secrets.randbits(256)``:
                whoever has it can subtract the noise, and two releases with one seed show their difference.

        Returns:
            round_h(w + σZ), float64, the shape of w; w itself where σ = 0. The same seed gives the same bytes on every
            machine.

        Raises:
            BadInputError: other parameters, a σ below the smallest that their size allows, or a bad seed.

        Example:
            >>> w = [1.0, 2.0]
            >>> certificate = removal_certificate(Quantity.enclosure(0, 1e-12), w, 1.0, 1e-5)
            >>> certificate.release(w, seed=1) - w
            array([...e-1..., ...e-1...])
        """
        w = parameters(w_unlearned)
        found = parameters_sha256(w)
        if found != self.w_sha256:
            got = f"sha256 {found[:12]}, not {self.w_sha256[:12]}"
            raise expected("the parameters whose gap was bounded", "w_unlearned", w.shape, got, "those")
        return rounded_normal(w, self.sigma, seed) if self.sigma else w


@ieee_proof()
@checked
def removal_certificate(
    gap: Any,
    w_unlearned: object,
    epsilon: float,
    delta: float,
    sigma: float | None = None,
) -> RemovalCertificate:
    """The noise that makes float parameters (ε, δ)-indistinguishable from retraining, from a *proved* gap bound.

    Args:
        gap: a report of ``mt.check(problem, "exact-labels", w_unlearned=w)``, or a quantity that bounds ‖w − w_r‖:
            ``Quantity.enclosure(0, bound)`` for a bound that you proved yourself.
        w_unlearned: w, the float parameters that are to be published, any shape.
        epsilon: ε, from 0 to 1e6; the mechanism is tight for every ε, not only below 1.
        delta: δ in (0, 1), commonly below one over the number of samples.
        sigma: σ that you declared in advance. None takes the smallest that suffices for the gap, raised to 2¹⁰ times
            the spacing of floats as large as w where it is smaller; ``remark`` tells so.

    Raises:
        BadInputError: a gap that was only measured certifies nothing; an infinite bound neither; a report about other
            parameters; a declared σ that does not suffice or is no number; a gap, ε or δ out of range.

    Example:
        >>> certificate = removal_certificate(Quantity.enclosure(0.0, 1e-12), [1.0, 2.0], epsilon=1.0, delta=1e-5)
        >>> certificate.sigma, certificate.spacing == 2.0**-48, certificate.delta_at_sigma <= 1e-5
        (3.73063...e-12, True, True)
        >>> removal_certificate(Quantity.enclosure(0.0, 1e-15), [1.0, 2.0], epsilon=1.0, delta=1e-5).remark
        'raised from 3.74e-15 to 2¹⁰ times the spacing 4.4e-16 of floats as large as these parameters'
        >>> removal_certificate(Quantity.exact(0), [1.0, 2.0], epsilon=0.0, delta=1e-9).sigma
        0.0
    """
    w = parameters(w_unlearned)
    own = parameters_sha256(w)
    of, quantity = ("these parameters", gap) if isinstance(gap, Quantity) else _audited(gap, own)
    bound = quantity.bound
    if quantity.grade is Grade.MEASURED or not math.isfinite(bound) or bound < 0:
        got = "measured in floats" if quantity.grade is Grade.MEASURED else "no finite bound"
        hint = "mt.check(problem, 'exact-labels', arithmetic='auto', w_unlearned=…)"
        raise expected("a proved bound of ‖w − w_r‖", "gap", bound, got, hint)
    noise, remark = (
        release_sigma(bound, w, epsilon, delta) if sigma is None else (declared_sigma(sigma), DECLARED)
    )
    if noise and noise < least_sigma(w):
        hint = "more noise, or None for the smallest that can be published"
        raise expected(f"σ ≥ {least_sigma(w)!r}, below which floats leak", "sigma", sigma, "declared", hint)
    return RemovalCertificate(bound, float(epsilon), float(delta), noise, of, own, remark)


def release_sigma(gap_bound: float, w: Array, epsilon: float, delta: float) -> tuple[float, str]:
    """The smallest σ that suffices for a gap and can be published, and why it exceeds what the gap asks for."""
    sigma = gaussian_sigma(gap_bound, epsilon, delta)
    least = least_sigma(w)
    if not sigma or sigma >= least:
        return sigma, ""
    h = grid_spacing(least)
    needed = round_digits(sigma, up=True, digits=3)
    return (
        least,
        f"raised from {needed} to 2¹⁰ times the spacing {h:.2g} of floats as large as these parameters",
    )


def _audited(report: object, w_sha256: str) -> tuple[str, Quantity]:
    """The gap that a report found for these parameters, with its words."""
    row = report[_ROW] if isinstance(report, Mapping) and _ROW in report else None
    if row is None or not row.findings:
        hint = "mt.check(problem, 'exact-labels', w_unlearned=w), or Quantity.enclosure(0, bound)"
        raise expected(
            f"a report with a row {_ROW}, or a Quantity", "gap", report, type(report).__name__, hint
        )
    audited = getattr(report, "inputs", {}).get("audited", {}).get("w_unlearned")
    if audited != w_sha256:
        got = f"sha256 {w_sha256[:12]}, audited was {str(audited)[:12]}"
        raise expected("the parameters that the report audited", "w_unlearned", "other ones", got, "those")
    finding = row.findings[0]
    if not finding.what.startswith(_GAP):
        # Parameters that no start explains are audited by a distance that is at most the gap, and bounds it from below.
        hint = "mt.check(problem, 'exact-labels', w_unlearned=w) of a problem with its w_init"
        raise expected("a bound of ‖w − w_r‖", "gap", finding.what, "the audit of another length", hint)
    told = getattr(report, "inputs", {}).get("understood", ())
    assumed = any(word["word"] == "w₀" and "assumed" in word["value"] for word in told)
    return f"{finding.what}{' and w₀ = 0 (assumed)' if assumed else ''}", finding.quantity
