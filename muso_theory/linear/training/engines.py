"""Three ways to the same iterates: step by step, pass by pass as an SOR sweep, and by the spectrum.

Each engine is advanced by whole passes and knows the derivative of the loss where it stands.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final

import numpy as np
import scipy.linalg

from ..problem import Array
from .coordinates import Coordinates, Dual
from .losses import Loss
from .passes import Passes
from .sweep import Sweep
from .updates import Update

__all__ = ["Diverged", "Engine", "Loop", "Spectral", "Sweeps", "length"]

_GROWTH = 1e12
"""No stable run lets the residual grow so much; float64 still has 290 decades left."""


class Diverged(Exception):
    """The residual grew beyond every stable run's.

    Args:
        epochs: the pass in which it was noticed.
    """

    def __init__(self, epochs: int) -> None:
        super().__init__(epochs)
        self.epochs = epochs


class Engine(ABC):
    """A run that can be advanced."""

    epochs = 0
    """Passes done."""

    steps = 0
    """Updates done."""

    @abstractmethod
    def advance(self, passes: int) -> None:
        """Do so many passes; raises Diverged when the residual explodes."""

    @abstractmethod
    def derivative(self) -> Array:
        """∂ℓ/∂z at every sample, shape (n, C); for squared loss Φw − y."""

    @abstractmethod
    def explicit(self) -> Array:
        """The parameters, shape (D, C)."""


def length(values: Array) -> float:
    """Frobenius norm, also where the squares are beyond float64.

    Args:
        values: any shape.

    Returns:
        The norm; infinite or NaN where the values or the norm itself are.

    Example:
        >>> length(np.array([3.0, 4.0])), length(2.0**600 * np.array([3.0, 4.0])) == 5 * 2.0**600
        (5.0, True)
    """
    with np.errstate(over="ignore", invalid="ignore"):
        size = float(np.linalg.norm(values))
        largest = float(np.abs(values).max(initial=0.0))
        if size == np.inf and largest < np.inf:
            return largest * float(np.linalg.norm(values / largest))
    return size


class _Guard:
    """Notices an explosion long before overflow."""

    def __init__(self, first: Array, targets: Array) -> None:
        size = max(length(first), length(targets))
        self.limit = _GROWTH * size if size > 1e-150 else 0.0

    def check(self, derivative: Array, epoch: int) -> None:
        size = float(np.abs(derivative).max(initial=0.0))
        if not self.limit and np.isfinite(size):
            # Nothing to grow from yet: zero targets at a zero start, which decay to an anchor elsewhere moves.
            self.limit = _GROWTH * size
        if not size <= self.limit:
            raise Diverged(epoch)


@final
class Loop(Engine):
    """Step by step, any loss and method, in any coordinates.

    Args:
        coordinates: where the iterates live.
        update: the method's rule.
        passes: orders and step sizes.
        loss: the loss.
        targets: shape (n, C).
        decay: λ of ½λ‖w − anchor‖².
        decoupled: whether decay acts beside the update rule.
    """

    def __init__(
        self,
        coordinates: Coordinates,
        update: Update,
        passes: Passes,
        loss: Loss,
        targets: Array,
        decay: float,
        decoupled: bool,
    ) -> None:
        self.coordinates, self.update, self.passes, self.loss = coordinates, update, passes, loss
        self.targets, self.decay, self.decoupled = targets, decay, decoupled
        self.state = coordinates.origin()
        self._guard = _Guard(self.derivative(), targets)

    def advance(self, passes: int) -> None:
        """Do so many passes."""
        n, size = self.passes.n, self.passes.batch
        for _ in range(passes):
            order, rates = self.passes.next()
            with np.errstate(over="ignore", invalid="ignore"):
                for first in range(0, n, size):
                    self._step(order[first : first + size], rates[first : first + size])
            self.epochs += 1

    def _step(self, visited: Array, rates: Array) -> None:
        """One update on a batch."""
        # A slice of consecutive rows is a view of Φ, an index array a copy.
        consecutive = len(visited) == 1 or self.passes.kind in ("full", "cyclic")
        rows = slice(int(visited[0]), int(visited[-1]) + 1) if consecutive else visited
        place = self.update.lookahead(self.state)
        derivative = self.loss.derivative(self.coordinates.outputs(place, rows), self.targets[rows])
        self._guard.check(derivative, self.epochs + 1)
        if self.update.adaptive:
            rate, share = float(rates[0]), len(visited) / self.passes.n * self.decay
            gradient = self.coordinates.gradient(place, rows, derivative, 0 if self.decoupled else share)
            if self.decoupled:
                # In a gradient direction of zero only the decay is left of it.
                shrink = self.coordinates.gradient(place, rows, np.zeros_like(derivative), share)
                self.state = [x - rate * s for x, s in zip(self.state, shrink, strict=True)]
            self.state = self.update.step(self.state, gradient, rate)
        else:
            decay = float(rates.sum()) / self.passes.n * self.decay
            gradient = self.coordinates.gradient(place, rows, rates[:, None] * derivative, decay)
            self.state = self.update.step(self.state, gradient, 1.0)
        self.steps += 1

    def derivative(self) -> Array:
        """∂ℓ/∂z at every sample."""
        everything = slice(0, len(self.targets))
        return self.loss.derivative(self.coordinates.outputs(self.state, everything), self.targets)

    def explicit(self) -> Array:
        """The parameters."""
        return self.coordinates.explicit(self.state)


@final
class Sweeps(Engine):
    """SGD on squared loss pass by pass: claim cyclic-sgd, for any order of visits.

    Args:
        dual: the coordinates; only its a is used.
        passes: orders and step sizes.
        targets: shape (n, C).
    """

    def __init__(self, dual: Dual, passes: Passes, targets: Array) -> None:
        self.dual, self.passes = dual, passes
        self.at_start = targets - dual.outputs(dual.origin(), slice(0, len(targets)))
        self.a = np.zeros_like(self.at_start)
        self.residual = self.at_start
        self._guard = _Guard(self.at_start, targets)
        with np.errstate(over="ignore"):
            self._sweep = Sweep(dual.gram, *passes.next(), passes.batch) if passes.is_fixed else None
        self._steps = -(-passes.n // passes.batch)

    def advance(self, passes: int) -> None:
        """Do so many passes: one triangular solve and one product each, or fewer by powers of the sweep."""
        with np.errstate(over="ignore", invalid="ignore"):
            if self._sweep is not None:
                self.a = self.a + self._sweep.repeated(self.residual, passes)
                self._renew(passes)
                return
            for _ in range(passes):
                sweep = Sweep(self.dual.gram, *self.passes.next(), self.passes.batch)
                self.a = self.a + sweep.coefficients(self.residual)
                self._renew(1)

    def _renew(self, passes: int) -> None:
        """The residual anew from a, so that its rounding errors do not add up."""
        self.residual = self.at_start - self.dual.gram @ self.a
        self.epochs += passes
        self.steps += passes * self._steps
        self._guard.check(self.residual, self.epochs)

    def derivative(self) -> Array:
        """Φw − y."""
        return -self.residual

    def explicit(self) -> Array:
        """The parameters."""
        return self.dual.explicit([self.a, np.ones(1)])


@final
class Spectral(Engine):
    """Full-batch gradient descent, heavy ball or Nesterov on squared loss, T steps at once by the spectrum of K.

    In an eigenvector of K with eigenvalue λ and residual r the coefficients obey, with u = μv for Nesterov and 0 else,
    v ← μv + γ(r − λ(a + u)), a ← a + v: a companion matrix in (a, v, 1) whose power is the whole run.

    Args:
        dual: the coordinates.
        targets: shape (n, C).
        step: γ, the same in all passes.
        momentum: μ; 0 for gradient descent.
        nesterov: whether the gradient is taken ahead.
    """

    def __init__(self, dual: Dual, targets: Array, step: float, momentum: float, nesterov: bool) -> None:
        self.dual = dual
        self.values, self.vectors = scipy.linalg.eigh(dual.gram, driver="evd", check_finite=False)
        at_start = targets - dual.outputs(dual.origin(), slice(0, len(targets)))
        self.at_start = self.vectors.T @ at_start
        ahead = momentum if nesterov else 0.0
        lam = np.maximum(self.values, 0.0)
        # Rows: new a, new v, 1. Columns: a, v, the residual at the start.
        companion = np.zeros((len(lam), 3, 3))
        with np.errstate(over="ignore", invalid="ignore"):
            companion[:, 1, 0] = -step * lam
            companion[:, 1, 1] = momentum + companion[:, 1, 0] * ahead
        companion[:, 1, 2] = step
        companion[:, 0] = companion[:, 1]
        companion[:, 0, 0] += 1
        companion[:, 2, 2] = 1
        self._companion = companion
        self._power = np.broadcast_to(np.eye(3), companion.shape)
        self._guard = _Guard(at_start, targets)

    def advance(self, passes: int) -> None:
        """Do so many steps."""
        with np.errstate(over="ignore", invalid="ignore"):
            self._power = np.linalg.matrix_power(self._companion, passes) @ self._power
            self.epochs += passes
            self.steps += passes
            self._guard.check(self._residual(), self.epochs)

    def _coefficients(self) -> Array:
        """A in the eigenbasis."""
        return np.asarray(self._power[:, 0, 2, None] * self.at_start)

    def _residual(self) -> Array:
        """Y − Φw in the eigenbasis."""
        return np.asarray(self.at_start - np.maximum(self.values, 0.0)[:, None] * self._coefficients())

    def derivative(self) -> Array:
        """Φw − y."""
        return np.asarray(self.vectors @ -self._residual())

    def explicit(self) -> Array:
        """The parameters."""
        return self.dual.explicit([self.vectors @ self._coefficients(), np.ones(1)])
