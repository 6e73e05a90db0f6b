"""Loading data, choosing classes and saying what to forget; no input is repaired quietly."""

from muso_theory.data.classes import select_classes
from muso_theory.data.dataset import Dataset
from muso_theory.data.forget import parse_forget
from muso_theory.data.frames import Choices, frame_dataset, frame_samples
from muso_theory.data.sources import BUILTIN, load, public_samples
from muso_theory.data.tables import Table

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
    "select_classes",
]
