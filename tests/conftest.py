"""Which tests pass through BLAS, and so also run under other kernels (``-m numeric``); skips need a reason."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.skips import pytest_sessionfinish, pytest_terminal_summary
from verification.kernels import not_taken

__all__ = ["pytest_sessionfinish", "pytest_terminal_summary"]

ROOT = Path(__file__).resolve().parent.parent

NUMERIC = (
    "muso_theory/claims",
    "muso_theory/evaluation",
    "muso_theory/linear",
    "muso_theory/networks",
    "muso_theory/numbers",
    "tests/test_claims.py",
    "tests/test_claims_alternating.py",
    "tests/test_claims_edges.py",
    "tests/test_claims_networks.py",
    "tests/test_audits.py",
    "tests/test_evaluation.py",
    "tests/test_exact_truth.py",
    "tests/test_features_precision.py",
    "tests/test_guarantees.py",
    "tests/test_laws.py",
    "tests/test_laws_dynamics.py",
    "tests/test_layers.py",
    "tests/test_linear_approximation.py",
    "tests/test_linear_baselines.py",
    "tests/test_linear_certified.py",
    "tests/test_linear_certified_gaps.py",
    "tests/test_linear_certified_radii.py",
    "tests/test_linear_closed_forms.py",
    "tests/test_linear_features.py",
    "tests/test_linear_features_memory.py",
    "tests/test_linear_network.py",
    "tests/test_linear_precise.py",
    "tests/test_linear_prediction.py",
    "tests/test_linear_problem.py",
    "tests/test_linear_rules.py",
    "tests/test_linear_training.py",
    "tests/test_networks_derivatives.py",
    "tests/test_networks_infinite_width.py",
    "tests/test_networks_kernel.py",
    "tests/test_networks_training.py",
    "tests/test_networks_unlearning.py",
    "tests/test_numbers_arithmetics.py",
    "tests/test_numbers_limits.py",
    "tests/test_numbers_margins.py",
    "tests/test_numbers_soundness.py",
    "tests/test_numbers_verified.py",
    "tests/test_public.py",
    "tests/test_rechecking.py",
    "tests/test_release.py",
    "tests/test_removal.py",
    "tests/test_report.py",
    "tests/test_review.py",
    "tests/test_training_conditions.py",
    "tests/test_training_edges.py",
    "tests/test_training_limits.py",
)
"""Folders and files whose outcome passes through BLAS."""


def pytest_configure() -> None:
    """A kernel that is asked for must be the one that computes: else these tests would say nothing about it."""
    missing = not_taken(os.environ)
    if missing:
        raise pytest.UsageError(missing)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if any(item.path.is_relative_to(ROOT / name) for name in NUMERIC):
            item.add_marker("numeric")
