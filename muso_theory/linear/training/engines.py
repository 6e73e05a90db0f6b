"""Three ways to the same iterates: step by step, pass by pass as an SOR sweep, and by the spectrum.

Each is advanced by whole passes and knows the derivative of the loss where it stands.
"""

from __future__ import annotations

from typing import final

import numpy as np
import scipy.linalg
from scipy.linalg.lapack import dtrtrs

from ...arrays import Array
from ...descent.hyper import Hyper
from ...descent.loop import Engine, Loop, growth_guard
from ...descent.losses import Loss
from ...descent.passes import Batch, Passes
from ...descent.updates import Optimizer, State
from ...former import former
from .coordinates import Coordinates, Dual, Primal

__all__ = ["LinearEngine", "SweepEngine", "engine_for"]
former(__name__)

_CACHE = 1 << 20
"""Bytes of a matrix that a present-day core keeps near."""


@final
class _Steps(Loop):
    """Step by step, any loss and optimizer, in any coordinates.

    Args:
        coordinates: where the iterates live.
        optimizer: any.
        hyper: its constants.
        passes: orders and step sizes.
        loss: the loss.
        targets: shape (n, C).
        decay: λ of ½λ‖w − anchor‖², of which a batch has its share |batch|/n.
    """

    def __init__(
        self,
        coordinates: Coordinates,
        optimizer: Optimizer,
        hyper: Hyper,
        passes: Passes,
        loss: Loss,
        targets: Array,
        decay: float,
    ) -> None:
        super().__init__(optimizer, hyper, coordinates.origin(), passes)
        self.coordinates, self.form = coordinates, coordinates.form
        self.loss, self.targets, self.decay = loss, targets, decay
        self._guard = growth_guard(self.derivative(), targets)

    def gradient(self, place: State, rows: Batch, rates: Array) -> State:
        """The batch's gradient; times the step sizes, of which every sample may have its own, unless adaptive."""
        derivative = self.loss.derivative(self.coordinates.outputs(place, rows), self.targets[rows])
        self._guard(derivative, self.epochs + 1)
        if not self.update.adaptive:
            decay = float(rates.sum()) / self.passes.n * self.decay
            return self.coordinates.gradient(place, rows, rates[:, None] * derivative, decay)
        decay = 0 if self.optimizer.decoupled else len(rates) / self.passes.n * self.decay
        return self.coordinates.gradient(place, rows, derivative, decay)

    def step(self, gradient: State, rates: Array) -> State:
        """The next state."""
        if self.optimizer.decoupled and self.decay:
            # Of a gradient over no samples only the decay is left.
            nobody, nothing = slice(0, 0), np.zeros((0, self.targets.shape[1]))
            share = len(rates) / self.passes.n * self.decay
            pull = self.coordinates.gradient(self.state, nobody, nothing, share)
            self.state = [x - float(rates[0]) * p for x, p in zip(self.state, pull, strict=True)]
        return self.update.step(self.state, gradient, float(rates[0]))

    def derivative(self) -> Array:
        """∂ℓ/∂z at every sample."""
        outputs = self.coordinates.outputs(self.state, slice(0, len(self.targets)))
        return self.loss.derivative(outputs, self.targets)

    def explicit(self) -> Array:
        """The parameters."""
        return self.coordinates.explicit(self.state)


@final
class SweepEngine:
    """A pass of SGD over samples in a given order, without visiting them: a sweep of SOR on the Gram matrix.

    A visit of sample i adds c_i φ_i with c_i = γ_i(r_i − Σ_j K_ij c_j), the sum over earlier visits j: those are seen
    through K alone. With L the strict lower triangle of K in that order, and Γ = diag(γ),

        c = (I + ΓL)⁻¹Γ r,   w ← w + Φᵀc,   r ← r − Kc = (I − K(Γ⁻¹ + L)⁻¹) r.

    With γ_i = 1/‖φ_i‖² it is Kaczmarz's method, which in the coefficients is Gauss–Seidel on K (Björck, Elfving, BIT
    19, 1979). With batches L is strictly lower block-triangular. A sample may be visited twice, or not at all.

    Args:
        gram: K, shape (n, n).
        order: the samples visited, shape (m,).
        steps: γ of each visit, shape (m,).
        batch: visits a step.

    Example:
        >>> sweep = SweepEngine(np.array([[1.0, 0.5], [0.5, 1.0]]), np.arange(2), np.ones(2), 1)
        >>> sweep.coefficients(np.array([[1.0], [1.0]])).ravel()
        array([1. , 0.5])
    """

    def __init__(self, gram: Array, order: Array, steps: Array, batch: int = 1) -> None:
        self.gram, self.order, self.steps = gram, order, steps[:, None]
        n = len(gram)
        self._in_order = len(order) == n and bool((order == np.arange(n)).all())
        seen = gram if self._in_order else gram[np.ix_(order, order)]
        # ΓK in Fortran order is KΓ in C order, K being symmetric. LAPACK reads below the diagonal only, and takes the
        # diagonal to be one.
        self._lower = (seen * steps).T
        if batch > 1:
            for first in range(0, len(order), batch):
                self._lower[first : first + batch, first : first + batch] = 0
        self._powers: list[Array] = []

    def coefficients(self, residual: Array) -> Array:
        """What one pass adds to the coefficients of the feature rows.

        Args:
            residual: r = y − Φw before the pass, shape (n, C).

        Returns:
            c, shape (n, C).
        """
        solution, _ = dtrtrs(self._lower, self.steps * residual[self.order], lower=1, unitdiag=1)
        if self._in_order:
            return np.asarray(solution)
        out = np.zeros_like(residual)
        np.add.at(out, self.order, solution)
        return out

    def repeated(self, residual: Array, passes: int) -> Array:
        """What many equal passes add to the coefficients.

        The sum of the residuals before each pass is (I + M + … + M^(E−1)) r with M = I − K(Γ⁻¹ + L)⁻¹. Powers M², M⁴, …
        are formed as long as the products they save cost more.

        Args:
            residual: r before the first pass, shape (n, C).
            passes: E.

        Returns:
            Σ c over the passes, shape (n, C).
        """
        doublings = self._worthwhile(passes, residual.shape[1])
        if doublings is None:
            total, r = np.zeros_like(residual), residual
            for _ in range(passes):
                c = self.coefficients(r)
                total += c
                r = r - self.gram @ c
            return total
        powers = self._powers_up_to(doublings)
        blocks, rest = divmod(passes, 1 << doublings)
        total, r = np.zeros_like(residual), residual
        for _ in range(blocks):
            total += r
            r = powers[doublings] @ r
        for power in powers[:doublings]:
            total += power @ total
        # What is left is less than one block: the binary digits of the rest, the longest first.
        for k in reversed(range(doublings)):
            if rest >> k & 1:
                part = r
                for power in powers[:k]:
                    part = part + power @ part
                total += part
                r = powers[k] @ r
        return self.coefficients(total)

    def _powers_up_to(self, doublings: int) -> list[Array]:
        """M^(2^k) for k = 0 … doublings."""
        if not self._powers:
            n = len(self.gram)
            self._powers.append(np.eye(n) - self.gram @ self.coefficients(np.eye(n)))
        while len(self._powers) <= doublings:
            self._powers.append(self._powers[-1] @ self._powers[-1])
        return self._powers

    def _worthwhile(self, passes: int, columns: int) -> int | None:
        """Number of squarings that makes so many passes cheapest, or None for no power at all."""
        n = len(self.gram)
        # A flop of a product with few columns waits for memory: measured, 3 to 10 times longer than in a square one.
        slower = (3 if self.gram.nbytes <= 2 * _CACHE else 10) / min(columns, 3)
        product = 2 * n * n * columns * slower
        best, cheapest = None, passes * 1.5 * product
        for k in range(passes.bit_length()):
            missing = max(0, k + 1 - max(1, len(self._powers))) + (0 if self._powers else 1.5)
            cost = missing * 2 * n**3 + (passes / 2**k + 2 * k) * product
            if cost < cheapest:
                best, cheapest = k, cost
        return best


@final
class _Sweeps(Engine):
    """SGD on squared loss pass by pass: claim cyclic-sgd, for any order of visits.

    Args:
        dual: the coordinates; only its a is used.
        passes: orders and step sizes.
        targets: shape (n, C).
    """

    form = "sweeps"

    def __init__(self, dual: Dual, passes: Passes, targets: Array) -> None:
        self.dual, self.passes, self._batch = dual, passes, passes.steps.batch
        self.at_start = targets - dual.outputs(dual.origin(), slice(0, len(targets)))
        self.a = np.zeros_like(self.at_start)
        self.residual = self.at_start
        self._guard = growth_guard(self.at_start, targets)
        with np.errstate(over="ignore"):
            self._sweep = SweepEngine(dual.gram, *passes.next(), self._batch) if passes.is_fixed else None

    def advance(self, passes: int) -> None:
        """Do so many passes: one triangular solve and one product each, or fewer by powers of the sweep."""
        with np.errstate(over="ignore", invalid="ignore"):
            if self._sweep is not None:
                self.a = self.a + self._sweep.repeated(self.residual, passes)
                self._renew(passes)
                return
            for _ in range(passes):
                sweep = SweepEngine(self.dual.gram, *self.passes.next(), self._batch)
                self.a = self.a + sweep.coefficients(self.residual)
                self._renew(1)

    def _renew(self, passes: int) -> None:
        """The residual anew from a, so that its rounding errors do not add up."""
        self.residual = self.at_start - self.dual.gram @ self.a
        self.epochs += passes
        self.steps += passes * -(-self.passes.n // self._batch)
        self._guard(self.residual, self.epochs)

    def derivative(self) -> Array:
        """Φw − y."""
        return -self.residual

    def explicit(self) -> Array:
        """The parameters."""
        return self.dual.explicit([self.a, np.ones(1)])


@final
class _Spectral(Engine):
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

    form = "spectrum"

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
        self._guard = growth_guard(at_start, targets)

    def advance(self, passes: int) -> None:
        """Do so many steps."""
        with np.errstate(over="ignore", invalid="ignore"):
            self._power = np.linalg.matrix_power(self._companion, passes) @ self._power
            self.epochs += passes
            self.steps += passes
            self._guard(self._residual(), self.epochs)

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


LinearEngine = _Steps | _Sweeps | _Spectral
"""Any of the three, beside passes with the derivative of the loss and the parameters where it stands."""


def engine_for(
    where: Dual | Primal,
    rule: Optimizer,
    hyper: Hyper,
    passes: Passes,
    loss: Loss,
    targets: Array,
    decay: float,
    unwatched: int,
) -> LinearEngine:
    """The fastest way to the iterates of a method.

    Args:
        where: the coordinates.
        rule: the method.
        hyper: its constants.
        passes: orders and step sizes.
        loss: the loss.
        targets: shape (n, C).
        decay: λ of ½λ‖w − anchor‖².
        unwatched: passes that will be done whatever the residual is; 0 where it may end the run.

    Returns:
        The engine, at the start.
    """
    if isinstance(where, Dual) and loss.name == "squared" and decay == 0:
        if rule.order != "full":
            return _Sweeps(where, passes, targets)
        # An eigendecomposition costs less than so many passes; it knows them only where no step differs.
        many = unwatched * targets.shape[1] > 10 * passes.n
        if passes.steps.batch == passes.n and many and isinstance(passes.steps.given, float):
            mu = 0.0 if rule.name == "gd" else hyper.momentum
            return _Spectral(where, targets, passes.steps.given, mu, rule.name == "nesterov")
    return _Steps(where, rule, hyper, passes, loss, targets, decay)
