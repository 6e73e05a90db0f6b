"""Training dynamics of linear models: exact iterates, their closed forms, and what they predict."""

from .early_stopping import early_stopping_labels
from .losses import LOSSES
from .prediction import (
    Prediction,
    decay_gap,
    epochs_needed,
    gd_epochs,
    off_span_gap,
    predict_gap,
    predict_training,
)
from .result import Snapshot, Training
from .schedules import PAPER_STEPS, PowerSteps
from .stability import Stability, stability, step_limit
from .train import train
from .updates import METHODS

__all__ = [
    "LOSSES",
    "METHODS",
    "PAPER_STEPS",
    "PowerSteps",
    "Prediction",
    "Snapshot",
    "Stability",
    "Training",
    "decay_gap",
    "early_stopping_labels",
    "epochs_needed",
    "gd_epochs",
    "off_span_gap",
    "predict_gap",
    "predict_training",
    "stability",
    "step_limit",
    "train",
]
