"""The claim about random features and their kernel: 19.

The features of a problem are draws themselves. Their law on these samples is not at hand, but another one is whose
kernel is known exactly: a column of √D·Φ, each with probability 1/D. Then E φφᵀ = ΦΦᵀ = K, whatever Φ is, and of d
draws the mean K_d of φφᵀ has E K_d = K and d·E‖K_d − K‖² = E‖φφᵀ − K‖² = DΣ‖φ_j‖⁴ − ‖K‖², with φ_j the columns of Φ.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..evidence import Inequality
from ..numbers import FLOAT64, NoArithmeticError, Quantity
from ..streams import KERNEL_DRAWS
from .case import Case, Found, text
from .checks import Check, by_name_only

__all__ = ["RANDOM_FEATURES"]

_RETAINED, _FORGOTTEN = 8, 4
"""Samples that are looked at, the first of each set: with more, more draws are needed before a rate shows."""

_DRAWS = tuple(2**k for k in range(5, 12))
"""Draws per retained sample."""

_SEEDS = 256
"""Where F is one sample, the logarithm of its error scatters by more than one."""

_SAME = 1e-12
"""A relative error of labels up to this is rounding: where Φ_F lies in the rows of Φ_R there is no other."""

_STANDARD_ERRORS = 5
"""A mean is this many of its standard errors off once in a million times."""


def _kernel_limit(case: Case) -> Found:
    """The slope of the label's error over numbers of draws, and the mean square of the kernel's error."""
    from ..networks.rates import fit_slope

    problem = case.problem
    retain, forget = problem.retain[:_RETAINED], problem.forget[:_FORGOTTEN]
    phi = np.asarray(FLOAT64.matrix(problem.features[np.concatenate([retain, forget])]), dtype=np.float64)
    targets = np.asarray(FLOAT64.matrix(problem.targets[retain].reshape(len(retain), -1)), dtype=np.float64)
    kernel = phi @ phi.T
    spread = phi.shape[1] * float((np.square(phi).sum(axis=0) ** 2).sum()) - float(np.square(kernel).sum())
    limit = _label(kernel, targets)
    size = float(np.linalg.norm(limit))
    if not (size and spread > 1e-9 * float(np.square(kernel).sum())):
        raise NoArithmeticError(
            "all draws give the same label", "targets and features that are not all alike"
        )
    draws = [factor * len(retain) for factor in _DRAWS]
    errors: dict[int, list[float]] = {d: [] for d in draws}
    squares = []
    for seed in range(_SEEDS):
        rng = np.random.default_rng((case.settings.seed + seed, KERNEL_DRAWS))
        for d in draws:
            drawn = _drawn(rng, phi, d)
            squares.append(d * float(np.square(drawn - kernel).sum()) / spread)
            errors[d].append(float(np.linalg.norm(_label(drawn, targets) - limit)) / size)
    found = [error for of_draws in errors.values() for error in of_draws]
    if min(found) == 0 or max(found) <= _SAME:
        raise NoArithmeticError("draws give the same label", "forget samples that R does not span")
    fit = fit_slope(errors)
    assert fit is not None
    off = max(abs(fit["low"] + 0.5), abs(fit["high"] + 0.5))
    mean, reach = float(np.mean(squares)), float(np.std(squares, ddof=1)) / len(squares) ** 0.5
    deviation = abs(mean - 1) / reach
    return [
        Inequality("|slope + ½|, to the far end of its 95 % interval", Quantity.measured(off), bar=0.1),
        Inequality(
            "|mean of d‖K_d − K‖² / (DΣ‖φ_j‖⁴ − ‖K‖²) − 1|, in standard errors",
            Quantity.measured(deviation),
            bar=_STANDARD_ERRORS,
        ),
    ], [
        f"slope {fit['slope']:.3f} in [{fit['low']:.3f}, {fit['high']:.3f}] over {draws[0]} to {draws[-1]} columns of "
        f"Φ drawn with replacement, {_SEEDS} seeds from {case.settings.seed}; {len(retain)} of R, {len(forget)} of F",
        f"that mean {mean:.4f} ± {reach:.4f}; at d = {draws[-1]} the label is off by {text(fit['values'][-1])} of its "
        "length, for w₀ = 0",
    ]


def _drawn(rng: np.random.Generator, phi: Array, d: int) -> Array:
    """K_d, the mean of φφᵀ over d columns φ of √D·Φ, drawn with replacement."""
    n_features = phi.shape[1]
    often = rng.multinomial(d, np.full(n_features, 1 / n_features))
    return np.asarray((phi * (often * (n_features / d))) @ phi.T)


def _label(kernel: Array, targets: Array) -> Array:
    """K_FR K_RR⁻¹ y_R."""
    n = len(targets)
    try:
        return np.asarray(kernel[n:, :n] @ np.linalg.solve(kernel[:n, :n], targets))
    except np.linalg.LinAlgError:
        raise NoArithmeticError("K_RR of some draws is singular", "more features, or other samples") from None


RANDOM_FEATURES = {
    "kernel-limit": Check(_kernel_limit, listed=by_name_only, on_any_problem=False, climbs=False)
}
