"""Whether training converges, and the largest step with which it does, from the data alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import scipy.linalg

from ...errors import expected
from ..problem import Array, UnlearningProblem
from .errormaps import SpectralMap, sweep_matrix
from .passes import batch_of
from .rowspace import RowSpace
from .schedules import ResolvedSteps, StepSizes, step_sizes_of
from .updates import Method, method_named

__all__ = ["Stability", "resolved", "stability", "stability_hint", "step_limit"]

_LARGEST_EIGENPROBLEM = 1000
"""Above this rank the eigenvalues of a sweep are not computed, only bounded."""

_GRID = 1.08
"""Ratio of the scales that are tried in turn for the first instability."""


@final
@dataclass(frozen=True)
class Stability:
    """What the data say about a method and its steps on squared loss.

    Args:
        method: the method.
        radius: spectral radius of a pass on row(Φ), the factor by which a distant error shrinks; None where too dear.
        ostrowski_reich: (smallest, largest) γ_i‖φ_i‖² (of a batch: eigenvalues of Γ^½K_BBΓ^½). Below 2 a pass never
            moves away from a solution, whatever the order, and cyclic SGD converges; above 2 for all, it diverges.
            None for full-batch methods.
        scale: the factor c at which steps cγ cease to be stable; (low, high) when only that much is known.
        step: that factor times the step, when the step is one number; else None.
    """

    method: str
    radius: float | None
    ostrowski_reich: tuple[float, float] | None
    scale: tuple[float, float]
    step: tuple[float, float] | None

    @property
    def converges(self) -> bool | None:
        """Whether training converges on consistent targets; None where that is not known."""
        if self.radius is not None:
            return self.radius < 1
        low, high = self.scale
        return True if low > 1 else False if high < 1 else None

    @property
    def largest_step(self) -> float:
        """The largest stable step that is sure: the lower end of ``step``, or of ``scale`` where steps differ."""
        return (self.step or self.scale)[0]

    def __repr__(self) -> str:
        low, high = self.step or self.scale
        limit = f"{low:.4g}" if high <= low * (1 + 1e-3) else f"between {low:.4g} and {high:.4g}"
        what = "step" if self.step else "scale of the steps"
        word = {True: "converges", False: "diverges", None: "not known to converge"}[self.converges]
        radius = "" if self.radius is None else f", spectral radius {self.radius:.9g}"
        return f"Stability({self.method}: {word}{radius}, largest stable {what} {limit})"


def step_limit(method: str, momentum: float = 0.0) -> float:
    """The largest stable γλ_max of a full-batch method on squared loss.

    Args:
        method: "gd", "momentum" or "nesterov".
        momentum: μ.

    Returns:
        2, 2(1 + μ) for the heavy ball, 2(1 + μ)/(1 + 2μ) for Nesterov's method.

    Example:
        >>> step_limit("gd"), step_limit("momentum", 0.5), step_limit("nesterov", 0.5)
        (2.0, 3.0, 1.5)
    """
    return {
        "gd": 2.0,
        "momentum": 2.0 * (1 + momentum),
        "nesterov": 2.0 * (1 + momentum) / (1 + 2 * momentum),
    }[method]


def stability(
    problem: UnlearningProblem | Array,
    *,
    method: str = "cyclic-sgd",
    step_sizes: StepSizes,
    momentum: float = 0.9,
    batch_size: int | None = None,
    restart: bool = True,
) -> Stability:
    """Say before any training whether it converges, and where the boundary is.

    Full-batch methods: from λ_max. SGD in fixed order: Ostrowski–Reich settles it when all γ_i‖φ_i‖² are below 2 or all
    above; between, the boundary is where the spectral radius of a pass, Q = I − AᵀBA on row(Φ), first reaches 1, found
    by a search over scales of 8 % and bisection (up to rank 1,000). SGD in random order: only what holds in any order.

    Args:
        problem: a problem, or a feature matrix (n, D).
        method: any method but the adaptive ones.
        step_sizes: γ, as for ``train``.
        momentum: μ.
        batch_size: samples a step.
        restart: whether a callable's t starts again in every pass.

    Returns:
        Radius, verdict and boundary.

    Raises:
        BadInputError: an adaptive method, steps that differ from pass to pass, or settings that ``train`` refuses.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> features = rng.standard_normal((6, 20))
        >>> stability(features, method="gd", step_sizes=0.01)
        Stability(gd: converges, spectral radius 0.9595..., largest stable step 0.06341)
        >>> gammas = 1.5 / (features**2).sum(axis=1)
        >>> stability(features, step_sizes=gammas)
        Stability(cyclic-sgd: converges, spectral radius 0.516..., largest stable scale of the steps 1.333)
    """
    space = (
        RowSpace.of(problem) if isinstance(problem, UnlearningProblem) else RowSpace.from_features(problem)
    )
    rule, size, steps = resolved(space, method, step_sizes, batch_size, restart)
    n = len(space.samples)
    if rule.order == "full":
        if not isinstance(steps.given, float):
            raise expected("a constant step", "step_sizes", steps.given, "schedule or array", "a number")
        mu = 0.0 if method == "gd" else momentum
        largest = float(space.spectrum[0][-1])
        limit = step_limit(method, mu) / largest
        radius = SpectralMap(space, np.zeros((n, 1)), steps.given, mu, method == "nesterov").radius
        scale = limit / steps.given
        return Stability(method, radius, None, (scale, scale), (limit, limit))
    constant = steps.constant(n)
    if constant is None:
        raise expected(
            "steps that are the same in every pass", "step_sizes", steps.given, "schedule", "restart=True"
        )
    sizes = _block_sizes(space, constant, size)
    if rule.order != "cyclic":
        scale_ends = (2 / sizes[1], np.inf)
        radius_known = None
    else:
        small = space.rank <= _LARGEST_EIGENPROBLEM
        radius_known = _radius(space, constant, size) if small else None
        scale_ends = _boundary(space, constant, size, sizes, small)
    step = None
    if isinstance(steps.given, float):
        step = (scale_ends[0] * steps.given, scale_ends[1] * steps.given)
    return Stability(method, radius_known, sizes, scale_ends, step)


def resolved(
    space: RowSpace, method: str, step_sizes: Any, batch_size: int | None, restart: bool
) -> tuple[Method, int, ResolvedSteps]:
    """Settings of a non-adaptive method, as ``train`` understands them.

    Args:
        space: the row space.
        method: its name.
        step_sizes: γ.
        batch_size: samples a step, or None.
        restart: whether t starts again in every pass.

    Returns:
        The method, samples a step, and the steps.

    Raises:
        BadInputError: settings that ``train`` refuses, or an adaptive method.
    """
    rule = method_named(method)
    if rule.update.adaptive:
        raise expected("a method that stays in w₀ + row(Φ)", "method", method, "adaptive", "off_span_gap")
    n = len(space.samples)
    size = batch_of(rule, batch_size, n)
    if rule.order == "full" and size < n:
        raise expected("a deterministic method", "batch_size", size, f"random batches of {method}", "None")
    return rule, size, step_sizes_of(step_sizes, n, size, restart)


def _block_sizes(space: RowSpace, steps: Array, batch: int) -> tuple[float, float]:
    """Smallest and largest γ_i‖φ_i‖², or eigenvalue of Γ^½K_BBΓ^½ over batches B."""
    a = np.sqrt(steps)[:, None] * space.samples
    if batch == 1:
        norms = np.einsum("ij,ij->i", a, a)
        return float(norms.min()), float(norms.max())
    ends = []
    for first in range(0, len(a), batch):
        block = a[first : first + batch]
        ends.append(scipy.linalg.eigvalsh(block @ block.T))
    return max(0.0, float(min(e[0] for e in ends))), float(max(e[-1] for e in ends))


def _radius(space: RowSpace, steps: Array, batch: int) -> float:
    """Spectral radius of a pass."""
    q, _ = sweep_matrix(space, steps, batch)
    return float(np.abs(np.linalg.eigvals(q)).max(initial=0.0))


def _boundary(
    space: RowSpace, steps: Array, batch: int, sizes: tuple[float, float], small: bool
) -> tuple[float, float]:
    """The first scale at which a pass has spectral radius 1, between the two that Ostrowski–Reich gives."""
    low = 2 / sizes[1]
    high = 2 / sizes[0] if sizes[0] > 0 else np.inf
    if high <= low * (1 + 1e-9) or not small:
        return low, high
    inside, outside = low, low
    while outside < high:
        outside = min(outside * _GRID, high)
        if outside == high or _radius(space, outside * steps, batch) >= 1:
            break
        inside = outside
    while outside > inside * (1 + 1e-5):
        middle = (inside + outside) / 2
        if _radius(space, middle * steps, batch) >= 1:
            outside = middle
        else:
            inside = middle
    return inside, outside


def stability_hint(phi: Array, rule: Method, steps: ResolvedSteps, curvature: float, momentum: float) -> str:
    """What to try after divergence: the largest stable step, in words.

    Args:
        phi: Φ.
        rule: the method.
        steps: the step sizes.
        curvature: largest second derivative of the loss.
        momentum: μ.

    Returns:
        The words.
    """
    if rule.update.adaptive:
        return "a smaller step"
    space = RowSpace.from_features(phi)
    name, n = rule.name, len(phi)
    if rule.order == "full" and steps.batch >= n:
        limit = step_limit(name, 0.0 if name == "gd" else momentum) / (
            curvature * float(space.spectrum[0][-1])
        )
        return f"steps below {limit:.6g}, the largest stable one"
    constant = steps.constant(n)
    unit = constant is None or rule.order == "full"
    sizes = _block_sizes(space, np.ones(n) if unit or constant is None else constant, 1)
    # Any batch of b samples has γλ_max(K_BB) ≤ b·γ·max‖φ‖².
    low = 2 / (curvature * sizes[1] * steps.batch)
    if rule.order == "cyclic" and not unit and curvature == 1 and constant is not None:
        found = stability(phi, method=name, step_sizes=constant, batch_size=steps.batch)
        low = found.scale[0]
        if isinstance(steps.given, float):
            return f"steps below {low * steps.given:.6g}, the largest stable one"
        return f"steps below {low:.6g} times these, the largest stable ones"
    if unit or isinstance(steps.given, float):
        value = low if unit else low * float(steps.given)  # type: ignore[arg-type]
        return f"steps below {value:.6g}, which are stable in any order"
    return f"steps below {low:.6g} times these, which are stable in any order"
