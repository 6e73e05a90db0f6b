"""One pass of SGD as a triangular solve on the Gram matrix (claim cyclic-sgd)."""

from __future__ import annotations

from typing import final

import numpy as np
from scipy.linalg.lapack import dtrtrs

from ..problem import Array

__all__ = ["Sweep"]

_CACHE = 1 << 20
"""Bytes of a matrix that a present-day core keeps near."""


@final
class Sweep:
    """A pass over samples in a given order.

    With L the strict lower triangle of K in that order, and Γ = diag(γ),

        c = (I + ΓL)⁻¹Γ r,   w ← w + Φᵀc,   r ← r − Kc = (I − K(Γ⁻¹ + L)⁻¹) r.

    With batches L is strictly lower block-triangular. A sample may be visited twice, or not at all.

    Args:
        gram: K, shape (n, n).
        order: the samples visited, shape (m,).
        steps: γ of each visit, shape (m,).
        batch: visits a step.

    Example:
        >>> sweep = Sweep(np.array([[1.0, 0.5], [0.5, 1.0]]), np.arange(2), np.ones(2), 1)
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
