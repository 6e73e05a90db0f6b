"""Naive dense twins: explicit pseudo-inverses and projectors, D × D and all. Slow, obvious, for tests only."""

from __future__ import annotations

import numpy as np

from muso_theory import UnlearningProblem


class Naive:
    """Every formula the long way round, with ``pinv``."""

    def __init__(self, problem: UnlearningProblem) -> None:
        self.phi = np.asarray(problem.features, dtype=float)
        self.y = np.asarray(problem.targets, dtype=float)
        shape = (self.phi.shape[1], *self.y.shape[1:])
        self.w0 = np.zeros(shape) if problem.w_init is None else np.asarray(problem.w_init, dtype=float)
        self.r, self.f = problem.retain, problem.forget
        self.w_p = self.update(self.phi, self.y, self.w0)
        self.w_r = self.update(self.phi[self.r], self.y[self.r], self.w0)

    @staticmethod
    def update(phi: np.ndarray, y: np.ndarray, w: np.ndarray) -> np.ndarray:
        """G_{Φ,y}(w)."""
        return w + np.linalg.pinv(phi, rcond=1e-9) @ (y - phi @ w)

    @property
    def labels(self) -> np.ndarray:
        """Φ_F w_r."""
        return self.phi[self.f] @ self.w_r

    def unlearned(self, labels: np.ndarray, start: np.ndarray | None = None) -> np.ndarray:
        """Fine-tune on everyone after relabelling."""
        y = self.y.copy()
        y[self.f] = labels
        return self.update(self.phi, y, self.w_p if start is None else start)

    def gap(self, labels: np.ndarray) -> float:
        """‖w_u − w_r‖."""
        return float(np.linalg.norm(self.unlearned(labels) - self.w_r))

    def label_free(self, rows: np.ndarray) -> np.ndarray:
        """Φ_F(w₀ + P_rows(w_p − w₀))."""
        phi = self.phi[rows]
        projector = np.linalg.pinv(phi, rcond=1e-9) @ phi
        return self.phi[self.f] @ (self.w0 + projector @ (self.w_p - self.w0))

    def gradient_descent(self, rows: np.ndarray, y: np.ndarray, start: np.ndarray, steps: int) -> np.ndarray:
        """Plain gradient descent on ½‖Φw − y‖² with η = 1/λ_max."""
        phi = self.phi[rows]
        eta = 1 / np.linalg.norm(phi, 2) ** 2
        w = start.copy()
        for _ in range(steps):
            w -= eta * phi.T @ (phi @ w - y)
        return w
