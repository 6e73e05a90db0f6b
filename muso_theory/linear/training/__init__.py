"""Training dynamics of linear models: exact iterates, their closed forms, and what they predict."""

from typing import TYPE_CHECKING, Any

from ...descent.losses import LOSSES
from ...descent.schedules import PAPER_STEPS, PowerSteps
from ...descent.updates import OPTIMIZERS
from ...lazy import lazily
from .early_stopping import early_stopping_labels
from .prediction import (
    Prediction,
    decay_gap,
    epochs_needed,
    gd_epochs,
    off_span_gap,
    predict_gap,
    predict_training,
)
from .stability import Stability, stability, step_limit
from .train import Snapshot, Training, train

__all__ = [
    "LOSSES",
    "OPTIMIZERS",
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

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        return lazily(__name__, name)
