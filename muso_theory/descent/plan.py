"""How a user trains, in the few words of a command."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, final

from ..errors import check_integer, expected
from .hyper import Hyper, float_or_nan
from .schedules import PAPER_STEPS, PowerSteps
from .updates import optimizer_named

__all__ = ["TrainingPlan"]


@final
@dataclass(frozen=True)
class TrainingPlan:
    """An optimizer, a step and a number of epochs: what conditions about training are checked for.

    Args:
        optimizer: one of ``linear.OPTIMIZERS``.
        lr: the step γ, with gradients of ½(φᵀw − y)²; "paper" is the paper's schedule (t + 1)^−0.2 on gradients
            twice as long, restarting each pass. None where only the optimizer is asked about.
        epochs: passes over the data, or None.
        momentum: μ of momentum and nesterov.

    Raises:
        BadInputError: an unknown optimizer, a step that is not positive, a schedule for a full batch, no epochs.

    Example:
        >>> TrainingPlan("cyclic-sgd", "paper", 1500).steps
        PowerSteps(first=2.0, power=0.2)
    """

    optimizer: str
    lr: float | str | None = None
    epochs: int | None = None
    momentum: float = Hyper.momentum

    def __post_init__(self) -> None:
        """Refuse what ``train`` would refuse."""
        rule = optimizer_named(self.optimizer, "optimizer")
        lr, epochs = self.lr, self.epochs
        if isinstance(lr, str):
            if lr != "paper":
                raise expected("a positive number or 'paper'", "lr", lr, "text", "0.5")
            if rule.order == "full":
                raise expected(
                    "a constant step", "lr", lr, f"schedule within a pass, {self.optimizer}", "a number"
                )
        elif lr is not None and not 0 < float_or_nan(lr) < math.inf:
            raise expected("a positive number or 'paper'", "lr", lr, type(lr).__name__, "0.5")
        if epochs is not None:
            # Numbers of numpy become Python's, which is how a report stores them.
            object.__setattr__(self, "epochs", check_integer("epochs", epochs, 1, hint="1500"))
        if epochs is not None and lr is None and not rule.update.adaptive:
            raise expected("a step size beside the epochs", "lr", lr, "missing", "lr=0.5")
        Hyper(self.momentum)
        rule.refuse_idle("optimizer", momentum=self.momentum)
        object.__setattr__(self, "momentum", float(self.momentum))

    @property
    def is_adaptive(self) -> bool:
        """Whether the optimizer leaves w₀ + row(Φ)."""
        return optimizer_named(self.optimizer).update.adaptive

    @property
    def order(self) -> str:
        """How a pass visits the samples."""
        return optimizer_named(self.optimizer).order

    @property
    def steps(self) -> float | PowerSteps:
        """The step sizes for ``train``."""
        if isinstance(self.lr, str):
            return PAPER_STEPS
        assert self.lr is not None
        return float(self.lr)

    @property
    def settings(self) -> dict[str, Any]:
        """The words as they go into a report: numbers as exact strings."""
        lr = self.lr if self.lr is None or isinstance(self.lr, str) else repr(float(self.lr))
        return {"optimizer": self.optimizer, "lr": lr, "epochs": self.epochs, "momentum": repr(self.momentum)}

    @classmethod
    def from_words(cls, optimizer: str, lr: str | None, epochs: int | None, momentum: float) -> TrainingPlan:
        """Read the words of a command or of a stored report.

        Args:
            optimizer: its name.
            lr: a number as text, "paper", or None.
            epochs: passes, or None.
            momentum: μ.

        Returns:
            The plan.

        Raises:
            BadInputError: words that make no plan.
        """
        step: float | str | None = lr
        if lr is not None and lr != "paper":
            try:
                step = float(lr)
            except ValueError:
                raise expected("a positive number or 'paper'", "lr", lr, "text", "0.5") from None
        return cls(optimizer, step, epochs, momentum)
