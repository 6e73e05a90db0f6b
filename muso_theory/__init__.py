"""Verify, certify and try to refute exact unlearning by relabelling.

Everything public is reached from here, ``import muso_theory as mt``, and loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "errors": ("BadInputError", "MusoError", "SingularMatrixError"),
    "evidence": ("Evidence", "Finding", "Scope", "Verdict"),
    "report": ("Report",),
    "checking": ("check",),
    "inputs": ("from_frame",),
    "unlearning": ("Unlearned", "unlearn"),
    "sweeping": ("sweep",),
    "claims.theorems.library": ("Proof", "check_certificate", "prove"),
    "refutation": ("RULEBOOK", "Counterexample", "Refutation", "refute", "refute_report"),
    "linear.problem": ("UnlearningProblem",),
    "linear.solution": ("Solution", "parameter_gap", "solve"),
    "linear.labels": ("LabelSolutionSet", "label_solution_set", "leave_block_out_labels", "optimal_labels"),
    "linear.features": (
        "ArcCosineFeatures",
        "GaussianFeatures",
        "IdentityFeatures",
        "LaplacianFeatures",
        "MaternFeatures",
        "OrthogonalFeatures",
    ),
    "linear.approximation": ("kernel_approximation",),
    "linear.rules": (
        "BadTeacher",
        "HardLabels",
        "LabelRule",
        "MeanLabel",
        "OriginalLabels",
        "RandomLabels",
        "ZeroLabels",
    ),
    "numbers": ("BALL", "FLOAT64", "MP", "RATIONAL"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}
_ROOMS = ("algebra", "claims", "data", "evaluation", "linear", "networks", "numbers", "strategies")

__all__ = ["__version__", *sorted(_HOME), *_ROOMS]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
        globals()[name] = value
        return value
    if name in _ROOMS:
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


if TYPE_CHECKING:
    from .checking import check as check
    from .linear.problem import UnlearningProblem as UnlearningProblem
    from .refutation import refute as refute
    from .sweeping import sweep as sweep
    from .unlearning import unlearn as unlearn
