"""Linear models: features, problem, closed forms and training dynamics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..lazy import lazily

_HOMES = {
    "training": (
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
    ),
}
__all__ = sorted([*(name for names in _HOMES.values() for name in names), "training"])


def __getattr__(name: str) -> Any:
    return lazily(__name__, name, _HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if TYPE_CHECKING:
    from .training import train as train
