"""Loading data, choosing classes and saying what to forget; no input is repaired quietly."""

from muso_theory.data.classes import select_classes
from muso_theory.data.dataset import Dataset
from muso_theory.data.forget import parse_forget
from muso_theory.data.sources import BUILTIN, load

__all__ = ["BUILTIN", "Dataset", "load", "parse_forget", "select_classes"]
