"""Campaigns: measurements too long for the tests, each resumable and written to one result file."""

from pathlib import Path

__all__ = ["ROOT"]

ROOT = Path(__file__).resolve().parents[1]
"""The repository."""
