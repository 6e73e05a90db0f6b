"""Training dynamics of linear models: exact iterates, their closed forms, and what they predict."""

from .losses import LOSSES
from .result import Snapshot, Training
from .schedules import PAPER_STEPS, PowerSteps
from .train import train
from .updates import METHODS

__all__ = ["LOSSES", "METHODS", "PAPER_STEPS", "PowerSteps", "Snapshot", "Training", "train"]
