"""Loading data, choosing classes and saying what to forget; no input is repaired quietly."""

from typing import TYPE_CHECKING, Any

from ..lazy import lazily
from .artefacts import read_artefacts, read_start
from .classes import select_classes
from .dataset import Dataset
from .forget import parse_forget
from .frames import Choices, frame_dataset, frame_samples
from .sources import BUILTIN, load, public_samples
from .tables import Table

__all__ = [
    "BUILTIN",
    "Choices",
    "Dataset",
    "Table",
    "frame_dataset",
    "frame_samples",
    "load",
    "parse_forget",
    "public_samples",
    "read_artefacts",
    "read_start",
    "select_classes",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        return lazily(__name__, name)
