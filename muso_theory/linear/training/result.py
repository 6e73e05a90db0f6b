"""What training returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from ..problem import Array

__all__ = ["Snapshot", "Training"]


@final
@dataclass(frozen=True, eq=False, repr=False)
class Snapshot:
    """The parameters after some epochs.

    Args:
        epoch: passes done.
        w: shape (D,) or (D, C).
        residual_norm: ‖∂ℓ/∂z‖ over all samples and outputs; for squared loss ‖y − Φw‖.
    """

    epoch: int
    w: Array
    residual_norm: float

    def __repr__(self) -> str:
        return f"Snapshot(epoch={self.epoch}, residual_norm={self.residual_norm:.3g})"


@final
@dataclass(frozen=True, eq=False, repr=False)
class Training:
    """The result of ``train``.

    Args:
        w: final parameters, shape (D,) or (D, C).
        residual_norm: ‖∂ℓ/∂z‖ at the end; for squared loss ‖y − Φw‖.
        initial_residual_norm: the same at the start.
        epochs: passes done; fewer than asked for when stopped early.
        steps: parameter updates done.
        converged: whether residual_norm ≤ tolerance × initial_residual_norm.
        stopped: whether the tolerance or the callback ended the run before its epochs did.
        method: the training method.
        form: "primal" (step by step on w), "dual" (step by step on K), "sweeps" (claim cyclic-sgd) or "spectrum".
        trajectory: snapshots at the epochs asked for.
    """

    w: Array
    residual_norm: float
    initial_residual_norm: float
    epochs: int
    steps: int
    converged: bool
    stopped: bool
    method: str
    form: str
    trajectory: tuple[Snapshot, ...] = ()

    def __repr__(self) -> str:
        return (
            f"Training({self.method}, {self.epochs} epochs by {self.form}, residual "
            f"{self.initial_residual_norm:.3g} → {self.residual_norm:.3g})"
        )
