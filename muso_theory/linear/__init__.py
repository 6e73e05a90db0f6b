"""The linear wing: features, problem, closed forms, label rules, training dynamics and unlearning baselines."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_HOMES = {
    "training": (
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
    ),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

_ROOMS = ("baselines", "training")

__all__ = sorted([*_HOME, *_ROOMS])


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
        globals()[name] = value
        return value
    if name in _ROOMS:
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if TYPE_CHECKING:
    from .training import train as train
