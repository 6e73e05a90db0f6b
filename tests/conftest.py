"""Which tests also run under other kernels (``-m numeric``); skips need a reason."""

from __future__ import annotations

import os
import zlib

import pytest

from tests import ROOT
from tests.skips import pytest_sessionfinish, pytest_terminal_summary
from verification.kernels import not_taken

__all__ = ["pytest_sessionfinish", "pytest_terminal_summary"]

NUMERIC = (
    *(
        f"{tree}/{room}"
        for tree in ("muso_theory", "tests")
        for room in (
            "claims",
            "descent",
            "evaluation",
            "linear",
            "methods",
            "networks",
            "numbers",
            "unlearning",
        )
    ),
    "tests/checking/test_rechecking.py",
    "tests/checking/test_report.py",
    "tests/verification/test_exact_truth.py",
)
"""Folders and files whose outcome passes through BLAS."""


def pytest_configure() -> None:
    """A kernel that is asked for must be the one that computes: else these tests would say nothing about it."""
    missing = not_taken(os.environ)
    if missing:
        raise pytest.UsageError(missing)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    half = os.environ.get("HALF", "")
    if half:
        # Environments beside the first share the tests: a fixed half of them, by name, for each of HALF=0 and HALF=1.
        left = [item for item in items if zlib.crc32(item.nodeid.encode()) % 2 != int(half)]
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in set(left)]
    for item in items:
        if any(item.path.is_relative_to(ROOT / name) for name in NUMERIC):
            item.add_marker("numeric")
