"""From a proved bound of the gap to certified removal (claim removal-certificate)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ..errors import expected
from ..numbers import Grade, Quantity
from ..numbers.ieee import ieee_proof
from .gaussian import gaussian_sigma
from .outputs import Array

__all__ = ["RemovalCertificate", "removal_certificate"]


@final
@dataclass(frozen=True)
class RemovalCertificate:
    """w_u + N(0, σ²I) is (ε, δ)-indistinguishable from w_r + N(0, σ²I), the retrained model released in the same way.

    It holds for this data set and this forget set, whatever the attacker knows about them, because it rests on a bound
    of the distance that is actually there. It says nothing about other data sets, unlike differential privacy; it is
    about one release; and it is about real-valued noise: sampling the noise in floats is outside of it.

    Args:
        gap_bound: a proved upper bound of ‖w_u − w_r‖.
        epsilon: ε.
        delta: δ.
        sigma: standard deviation of the noise in each parameter, rounded up; 0 where w_u = w_r is proved.
        of: which w_u the bound is about.
    """

    gap_bound: float
    epsilon: float
    delta: float
    sigma: float
    of: str

    def release(self, w_unlearned: object, seed: int) -> Array:
        """Add the noise.

        Args:
            w_unlearned: the parameters whose gap was bounded, any shape.
            seed: seed of the noise; keep it secret, since whoever has it can subtract the noise.

        Returns:
            w_u + N(0, σ²I), float64.

        Example:
            >>> certificate = removal_certificate(Quantity.enclosure(0, 1e-12), 1.0, 1e-5)
            >>> bool(np.abs(certificate.release([1.0, 2.0], seed=1) - [1.0, 2.0]).max() < 1e-10)
            True
        """
        w = np.asarray(w_unlearned, dtype=np.float64)
        return w + self.sigma * np.random.default_rng(seed).standard_normal(w.shape)


@ieee_proof()
def removal_certificate(
    gap: Quantity | Mapping[str, Any], epsilon: float, delta: float
) -> RemovalCertificate:
    """The noise that makes unlearned and retrained parameters (ε, δ)-indistinguishable, from a *proved* gap bound.

    Args:
        gap: a report of ``mt.check`` that covers ``exact-labels``, of which the largest audited gap counts, or a
            quantity: ``report["exact-labels"].findings[0].quantity``, or ``Quantity.enclosure(0, bound)`` for a bound
            that you proved yourself.
        epsilon: ε, from 0 to 1e6; the mechanism is tight for every ε, not only below 1.
        delta: δ in (0, 1), commonly below one over the number of samples.

    Returns:
        The certificate.

    Raises:
        BadInputError: a gap that was only measured certifies nothing; an infinite bound neither; ε or δ out of range.

    Example:
        >>> removal_certificate(Quantity.enclosure(0.0, 1e-12), epsilon=1.0, delta=1e-5).sigma
        3.73063...e-12
        >>> removal_certificate(Quantity.exact(0), epsilon=0.0, delta=1e-9).sigma
        0.0
    """
    what, quantity = ("w_u", gap) if isinstance(gap, Quantity) else _audited(gap)
    if quantity.grade is Grade.FLOAT or not math.isfinite(quantity.bound) or quantity.bound < 0:
        got = "measured in floats" if quantity.grade is Grade.FLOAT else "no finite bound"
        hint = "mt.check(problem, 'exact-labels', arithmetic='auto', w_unlearned=…)"
        raise expected("a proved bound of ‖w_u − w_r‖", "gap", quantity.bound, got, hint)
    sigma = gaussian_sigma(quantity.upper, epsilon, delta)
    return RemovalCertificate(quantity.bound, float(epsilon), float(delta), sigma, what)


def _audited(report: object) -> tuple[str, Quantity]:
    """The largest gap that a report found, with its words."""
    if not isinstance(report, Mapping) or "exact-labels" not in report or not report["exact-labels"].findings:
        got = type(report).__name__
        hint = "mt.check(problem, 'exact-labels'), or Quantity.enclosure(0, bound)"
        raise expected("a report on exact-labels, or a Quantity", "gap", report, got, hint)
    worst = max(report["exact-labels"].findings, key=lambda finding: finding.quantity.bound)
    return str(worst.what), worst.quantity
