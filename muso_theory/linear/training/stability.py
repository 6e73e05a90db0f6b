"""Whether training converges, and the largest step with which it does, from the data alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import scipy.linalg

from ...arguments import checked
from ...arrays import Array
from ...descent.hyper import Hyper
from ...descent.passes import batch_of
from ...descent.schedules import ResolvedSteps, StepSizes, step_sizes_of
from ...descent.updates import Optimizer, optimizer_named
from ...errors import expected, nearest
from ..problem import UnlearningProblem
from .errormaps import error_map, spectral_radius, sweep_matrix
from .rowspace import RowSpace

__all__ = ["Stability", "resolved", "stability", "stability_hint", "step_limit"]

_LARGEST_EIGENPROBLEM = 1000
"""Above this rank the eigenvalues of a sweep are not computed, only bounded."""

_GRID = 1.08
"""Ratio of the scales that are tried in turn for the first instability."""

_GROWING = 1e-9
"""A radius above one by more is no eigenvalue of one, as steps of zero leave, and rounding."""

_NEAR = 1e-12
"""A radius or a scale this near to one is one up to rounding, and decides nothing."""


@final
@dataclass(frozen=True)
class Stability:
    """What the data say about a method and its steps on squared loss.

    Args:
        method: the method.
        radius: spectral radius of a pass on row(Φ), the factor by which a distant error shrinks; None where too dear.
        ostrowski_reich: (smallest, largest) γ_i‖φ_i‖² (of a batch: eigenvalues of Γ^½K_BBΓ^½). Below 2 a pass never
            moves away from a solution, whatever the order, and cyclic SGD converges; above 2 for all, a pass enlarges
            volumes and SGD diverges. Bounds where batches are random; None for full-batch methods.
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
        if self.ostrowski_reich is not None:
            # Settles tiny steps too, whose radius rounds to one.
            smallest, largest = self.ostrowski_reich
            if largest < 2 * (1 - _NEAR) or smallest > 2 * (1 + _NEAR):
                return largest < 2
            if self.radius is None or abs(self.radius - 1) <= _NEAR:
                return None
            return self.radius < 1
        return None if abs(self.scale[0] - 1) <= _NEAR else self.scale[0] > 1

    @property
    def largest_step(self) -> float:
        """The largest stable step that is sure: the lower end of ``step``, or of ``scale`` where steps differ."""
        return (self.step or self.scale)[0]

    def __repr__(self) -> str:
        low, high = self.step or self.scale
        limit = f"{low:.4g}" if high <= low * (1 + 1e-3) else f"between {low:.4g} and {high:.4g}"
        what = "step" if self.step else "scale of the steps"
        word = {True: "converges", False: "diverges", None: "on the boundary or not known"}[self.converges]
        radius = "" if self.radius is None else f", spectral radius {self.radius:.9g}"
        return f"Stability({self.method}: {word}{radius}, largest stable {what} {limit})"


@checked
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
    limits = {
        "gd": 2.0,
        "momentum": 2.0 * (1 + momentum),
        "nesterov": 2.0 * (1 + momentum) / (1 + 2 * momentum),
    }
    if method not in limits:
        raise expected("a full-batch method", "method", method, "unknown", nearest(method, limits))
    return limits[method]


@checked
def stability(
    problem: UnlearningProblem | Array,
    *,
    method: str = "cyclic-sgd",
    step_sizes: StepSizes,
    momentum: float = Hyper.momentum,
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
        BadInputError: an adaptive method, steps that differ from pass to pass or are all zero, features that are all
            zero or whose squares float64 does not hold, or settings that ``train`` refuses.

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
    rule, steps = resolved(space, method, step_sizes, batch_size, restart)
    rule.refuse_idle(momentum=momentum)
    n = len(space.samples)
    if space.rank == 0:
        raise expected("features that are not all zero", "rank Φ", 0, "nothing to train", "other features")
    if rule.order == "full":
        if not isinstance(steps.given, float):
            raise expected("a constant step", "step_sizes", steps.given, "schedule or array", "a number")
        mu = 0.0 if method == "gd" else momentum
        with np.errstate(over="ignore"):
            largest = _held(float(space.spectrum[0][-1]))
        limit = step_limit(method, mu) / largest
        radius = error_map(space, rule, steps, np.zeros((n, 1)), momentum).radius
        with np.errstate(over="ignore"):
            scale = float(np.divide(limit, steps.given))
        return Stability(method, radius, None, (scale, scale), (limit, limit))
    constant = steps.constant(n)
    if constant is None:
        raise expected(
            "steps that are the same in every pass", "step_sizes", steps.given, "schedule", "restart=True"
        )
    # Relative to the largest step, so that no step is too large or too small to be compared with the boundary.
    top = float(constant.max())
    if top == 0:
        raise expected("steps that are not all zero", "step_sizes", 0.0, "every step", "0.1")
    unit = constant / top
    _held(_block_sizes(space, unit, 1)[1])  # eigenvalues of a batch need numbers that are finite
    size = steps.batch
    sizes = _block_sizes(space, unit, size) if rule.order == "cyclic" else _any_batch(space, unit, size)
    _held(sizes[1])
    if rule.order != "cyclic":
        scale_ends = (2 / sizes[1], 2 / sizes[0] if sizes[0] > 0 else np.inf)
        radius_known = None
    else:
        small = space.rank <= _LARGEST_EIGENPROBLEM
        radius_known = _radius(space, constant, size) if small else None
        scale_ends = _boundary(space, unit, size, sizes, small)
    step = scale_ends if isinstance(steps.given, float) else None
    with np.errstate(over="ignore"):
        low, high = (float(np.divide(end, top)) for end in scale_ends)
        products = tuple(float(np.multiply(end, top)) for end in sizes)
    return Stability(method, radius_known, (products[0], products[1]), (low, high), step)


def resolved(
    space: RowSpace, method: str, step_sizes: Any, batch_size: int | None, restart: bool
) -> tuple[Optimizer, ResolvedSteps]:
    """Settings of a non-adaptive method, as ``train`` understands them; what it would refuse is refused."""
    rule = optimizer_named(method)
    if rule.update.adaptive:
        raise expected("a method that stays in w₀ + row(Φ)", "method", method, "adaptive", "off_span_gap")
    n = len(space.samples)
    size = batch_of(rule, batch_size, n)
    if rule.order == "full" and size < n:
        raise expected("a deterministic method", "batch_size", size, f"random batches of {method}", "None")
    return rule, step_sizes_of(step_sizes, n, size, restart)


def _held(square: float) -> float:
    """The largest γ‖φ‖² or eigenvalue, which every limit divides by: refused where it overflows or vanishes."""
    if not 0 < square < np.inf:
        hint = "features scaled by a power of two, or steps nearer to each other"
        raise expected("squares within the range of float64", "the largest γ‖φ‖²", square, "float", hint)
    return square


def _block_sizes(space: RowSpace, steps: Array, batch: int) -> tuple[float, float]:
    """Smallest and largest γ_i‖φ_i‖², or eigenvalue of Γ^½K_BBΓ^½ over batches B."""
    a = np.sqrt(steps)[:, None] * space.samples
    if batch == 1:
        with np.errstate(over="ignore"):
            norms = np.einsum("ij,ij->i", a, a)
        return float(norms.min()), float(norms.max())
    ends = []
    for first in range(0, len(a), batch):
        block = a[first : first + batch]
        ends.append(scipy.linalg.eigvalsh(block @ block.T))
    return max(0.0, float(min(e[0] for e in ends))), float(max(e[-1] for e in ends))


def _any_batch(space: RowSpace, steps: Array, batch: int) -> tuple[float, float]:
    """Bounds of the eigenvalues of Γ^½K_BBΓ^½ over all batches, drawn with or without replacement."""
    smallest, largest = _block_sizes(space, steps, 1)
    return (smallest, largest) if batch == 1 else (0.0, batch * largest)


def _radius(space: RowSpace, steps: Array, batch: int) -> float:
    """Spectral radius of a pass."""
    return spectral_radius(sweep_matrix(space, steps, batch)[0])


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
        if outside == high or _radius(space, outside * steps, batch) > 1 + _GROWING:
            break
        inside = outside
    while inside * (1 + 1e-5) < outside < np.inf:
        middle = (inside + outside) / 2
        if _radius(space, middle * steps, batch) > 1 + _GROWING:
            outside = middle
        else:
            inside = middle
    return inside, outside


def stability_hint(
    phi: Array, rule: Optimizer, steps: ResolvedSteps, curvature: float, momentum: float, decay: float
) -> str:
    """What to try after divergence: the largest stable step, in words."""
    if rule.update.adaptive:
        return "a smaller step"
    space = RowSpace.from_features(phi)
    name, n, b = rule.name, len(phi), steps.batch
    if rule.order == "full" and b >= n:
        limit = step_limit(name, 0.0 if name == "gd" else momentum) / (
            curvature * float(space.spectrum[0][-1]) + decay
        )
        if callable(steps.given) and name != "gd":
            return f"a constant step below {limit:.6g}"
        return f"steps below {limit:.6g}, " + (
            "the largest stable one" if curvature == 1 else "which are stable"
        )
    if rule.order == "full":
        return f"a smaller step, or no batches: in random order no limit of {name} is known"
    constant = steps.constant(n)
    if rule.order == "cyclic" and curvature == 1 and decay == 0 and constant is not None:
        low = stability(phi, method=name, step_sizes=constant, batch_size=b).scale[0]
        if isinstance(steps.given, float):
            return f"steps below {low * steps.given:.6g}, the largest stable one"
        return f"steps below {low:.6g} times these, the largest stable ones"
    # Any batch of b samples has γλ_max(K_BB) ≤ b·γ·max‖φ‖², and decays by γλb/n.
    unit = constant is None or isinstance(steps.given, float)
    weights = np.ones(n) if unit or constant is None else constant
    largest = curvature * _block_sizes(space, weights, 1)[1] + float(weights.max()) * decay / n
    return (
        f"steps below {2 / (b * largest):.6g}{'' if unit else ' times these'}, which are stable in any order"
    )
