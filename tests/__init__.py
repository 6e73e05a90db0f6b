"""Tests, in folders named after the rooms of the package; what several rooms use stands here."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""Of the repository, or of an unpacked source distribution."""
