"""How training moves the error e = z − z_r in row-space coordinates: one affine map a pass, and its powers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import final

import numpy as np
import scipy.linalg

from ...arrays import Array
from ...descent.schedules import ResolvedSteps
from ...descent.updates import Optimizer
from ...errors import expected
from ...former import former
from .rowspace import RowSpace

__all__ = ["ErrorMap", "error_map", "spectral_radius", "sweep_matrix"]
former(__name__)


def spectral_radius(matrices: Array) -> float:
    """Largest modulus of an eigenvalue.

    Args:
        matrices: shape (…, r, r).

    Returns:
        The radius; infinity where entries have overflowed, zero for an empty matrix.
    """
    if not np.isfinite(matrices).all():
        return float("inf")
    return float(np.abs(np.linalg.eigvals(matrices)).max(initial=0.0))


class ErrorMap(ABC):
    """The error after any number of passes, for labels whose residual at w_r is d = y − Φw_r."""

    @abstractmethod
    def advance(self, error: Array, passes: int) -> Array:
        """The error after so many more passes; for methods with memory, counted from the start.

        Args:
            error: e, shape (r, C).
            passes: how many.

        Returns:
            The error, shape (r, C).
        """

    @property
    @abstractmethod
    def radius(self) -> float:
        """Spectral radius of a pass on the row space."""


def error_map(
    space: RowSpace, rule: Optimizer, steps: ResolvedSteps, residual: Array, momentum: float
) -> ErrorMap:
    """The map of a method with its steps.

    Args:
        space: the row space.
        rule: the method.
        steps: its steps.
        residual: d, shape (n, C).
        momentum: μ, for the methods that have one.

    Returns:
        The map.

    Raises:
        BadInputError: a random method, or steps that differ from pass to pass (of gd they may).
    """
    n = len(residual)
    if rule.order == "full":
        if callable(steps.given) and rule.name == "gd":
            return _ScheduledDescent(space, residual, lambda t: float(steps.of_pass(t, np.arange(n))[0]))
        if isinstance(steps.given, float):
            mu = 0.0 if rule.name == "gd" else momentum
            return _SpectralMap(space, residual, steps.given, mu, rule.name == "nesterov")
        raise expected("a constant step", "step_sizes", steps.given, type(steps.given).__name__, "a number")
    if rule.order == "cyclic":
        constant = steps.constant(n)
        if constant is None:
            raise expected(
                "the same steps in every pass", "step_sizes", steps.given, "schedule", "restart=True"
            )
        return _SweepMap(space, residual, constant, steps.batch)
    raise expected("a method without randomness", "method", rule.name, "random order", "'cyclic-sgd'")


@final
class _SpectralMap(ErrorMap):
    """Full-batch methods with a constant step: a polynomial p_T(λ) of every eigenvalue λ of AᵀA.

    Args:
        space: the row space.
        residual: d, shape (n, C).
        step: γ.
        momentum: μ, 0 for gradient descent.
        nesterov: whether the gradient is taken ahead.
    """

    def __init__(
        self, space: RowSpace, residual: Array, step: float, momentum: float, nesterov: bool
    ) -> None:
        values, self.vectors = space.spectrum
        self.fixed = space.pull(residual)
        self.companion = None
        with np.errstate(over="ignore"):
            self.decay = 1 - step * values
            if momentum:
                # (e, v) ← (e + v', v') with v' = μv − γλ(e + [μv]).
                low, high = -step * values, momentum * (self.decay if nesterov else np.ones_like(values))
                self.companion = np.array([[1 + low, high], [low, high]]).transpose(2, 0, 1)

    def advance(self, error: Array, passes: int) -> Array:
        """The error after so many passes from rest."""
        p = (
            self.decay**passes
            if self.companion is None
            else np.linalg.matrix_power(self.companion, passes)[:, 0, 0]
        )
        off = self.vectors.T @ (error - self.fixed)
        return np.asarray(self.vectors @ (p[:, None] * off) + self.fixed)

    @property
    def radius(self) -> float:
        """Largest |1 − γλ|, or modulus of a companion eigenvalue."""
        if self.companion is None:
            return float(np.abs(self.decay).max(initial=0.0))
        return spectral_radius(self.companion)


@final
class _ScheduledDescent(ErrorMap):
    """Gradient descent with a step of its own in every pass.

    Args:
        space: the row space.
        residual: d, shape (n, C).
        schedule: γ of pass t = 0, 1, …
    """

    def __init__(self, space: RowSpace, residual: Array, schedule: Callable[[int], float]) -> None:
        self.values, self.vectors = space.spectrum
        self.fixed = space.pull(residual)
        self.schedule = schedule

    def advance(self, error: Array, passes: int) -> Array:
        """The error after so many passes from the start."""
        p = np.ones_like(self.values)
        for t in range(passes):
            p *= 1 - self.schedule(t) * self.values
        off = self.vectors.T @ (error - self.fixed)
        return np.asarray(self.vectors @ (p[:, None] * off) + self.fixed)

    @property
    def radius(self) -> float:
        """Not a number: passes differ."""
        return float("nan")


def sweep_matrix(space: RowSpace, steps: Array, batch: int = 1) -> tuple[Array, Array]:
    """One pass of cyclic SGD on the error: e ← Qe + Xᵀd with Q = I − AᵀBA and X = BᵀA, B = (Γ⁻¹ + L)⁻¹.

    Args:
        space: the row space.
        steps: γ of every sample, shape (n,).
        batch: samples a step; L is then strictly lower block-triangular.

    Returns:
        Q, shape (r, r), and Xᵀ = AᵀB, shape (r, n).
    """
    a = space.samples
    lower = np.tril(space.gram, -1)
    if batch > 1:
        for first in range(0, len(a), batch):
            lower[first : first + batch, first : first + batch] = 0
    # (Γ⁻¹ + L)ᵀX = A without Γ⁻¹, which a step of zero does not have: X = Γ(I + LᵀΓ)⁻¹A.
    with np.errstate(over="ignore", invalid="ignore"):
        system = np.eye(len(a)) + lower.T * steps
        x = steps[:, None] * scipy.linalg.solve_triangular(system, a, lower=False, check_finite=False)
        return np.eye(space.rank) - x.T @ a, np.asarray(x.T)


@final
class _SweepMap(ErrorMap):
    """Cyclic SGD with steps that are the same in every pass, by repeated squaring of the affine map.

    Args:
        space: the row space.
        residual: d, shape (n, C).
        steps: γ of every sample, shape (n,).
        batch: samples a step.
    """

    def __init__(self, space: RowSpace, residual: Array, steps: Array, batch: int) -> None:
        q, push = sweep_matrix(space, steps, batch)
        with np.errstate(over="ignore", invalid="ignore"):
            self._powers = [(q, push @ residual)]

    def advance(self, error: Array, passes: int) -> Array:
        """The error after so many more passes, one product for every binary digit."""
        for k in range(passes.bit_length()):
            while len(self._powers) <= k:
                q, shift = self._powers[-1]
                self._powers.append((q @ q, q @ shift + shift))
            if passes >> k & 1:
                q, shift = self._powers[k]
                error = q @ error + shift
        return error

    @property
    def radius(self) -> float:
        """Largest modulus of an eigenvalue of Q."""
        return spectral_radius(self._powers[0][0])
