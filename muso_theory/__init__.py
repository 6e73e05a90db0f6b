"""Verify, certify and try to refute exact unlearning by relabelling.

Everything public is reached from here, ``import muso_theory as mt``, and loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .lazy import lazily
from .map_names import FEATURE_MAPS

__version__ = "0.1.0"

_HOMES = {
    "errors": ("BadInputError", "MusoError", "SingularMatrixError"),
    "evidence": ("Evidence", "Finding", "Scope", "Verdict"),
    "checking.report": ("Report",),
    "checking.run": ("check",),
    "inputs": ("from_frame",),
    "unlearning.unlearned": ("Unlearned",),
    "unlearning.run": ("unlearn",),
    "unlearning.sweep": ("sweep",),
    "claims.theorems.library": ("TheoremAnswer", "Proof", "check_certificate", "prove", "statement"),
    "refutation": ("RULEBOOK", "Counterexample", "Refutation", "refute", "refute_report"),
    "linear.problem": ("UnlearningProblem",),
    "linear.solution": ("Solution", "parameter_gap", "solve"),
    "linear.labels": ("LabelSolutionSet", "label_solution_set", "leave_block_out_labels", "optimal_labels"),
    "linear.features": tuple(FEATURE_MAPS.values()),
    "linear.approximation": ("kernel_approximation",),
    "methods.rules": (
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
_ROOMS = ("algebra", "claims", "data", "evaluation", "linear", "methods", "networks", "numbers", "strategies")

__all__ = ["__version__", *sorted(name for names in _HOMES.values() for name in names), *_ROOMS]


if TYPE_CHECKING:  # the same names for type checkers, to which a misspelt one is an error then
    from . import algebra as algebra
    from . import data as data
    from . import evaluation as evaluation
    from . import linear as linear
    from . import methods as methods
    from . import networks as networks
    from . import numbers as numbers
    from . import strategies as strategies
    from .checking.report import Report as Report
    from .checking.run import check as check
    from .claims import _Catalogue
    from .claims.theorems.library import Proof as Proof
    from .claims.theorems.library import TheoremAnswer as TheoremAnswer
    from .claims.theorems.library import check_certificate as check_certificate
    from .claims.theorems.library import prove as prove
    from .claims.theorems.library import statement as statement
    from .errors import BadInputError as BadInputError
    from .errors import MusoError as MusoError
    from .errors import SingularMatrixError as SingularMatrixError
    from .evidence import Evidence as Evidence
    from .evidence import Finding as Finding
    from .evidence import Scope as Scope
    from .evidence import Verdict as Verdict
    from .inputs import from_frame as from_frame
    from .linear.approximation import kernel_approximation as kernel_approximation
    from .linear.features import *  # noqa: F403  (the maps are listed there, and in FEATURE_MAPS)
    from .linear.labels import LabelSolutionSet as LabelSolutionSet
    from .linear.labels import label_solution_set as label_solution_set
    from .linear.labels import leave_block_out_labels as leave_block_out_labels
    from .linear.labels import optimal_labels as optimal_labels
    from .linear.problem import UnlearningProblem as UnlearningProblem
    from .linear.solution import Solution as Solution
    from .linear.solution import parameter_gap as parameter_gap
    from .linear.solution import solve as solve
    from .methods.rules import BadTeacher as BadTeacher
    from .methods.rules import HardLabels as HardLabels
    from .methods.rules import LabelRule as LabelRule
    from .methods.rules import MeanLabel as MeanLabel
    from .methods.rules import OriginalLabels as OriginalLabels
    from .methods.rules import RandomLabels as RandomLabels
    from .methods.rules import ZeroLabels as ZeroLabels
    from .numbers import BALL as BALL
    from .numbers import FLOAT64 as FLOAT64
    from .numbers import MP as MP
    from .numbers import RATIONAL as RATIONAL
    from .refutation import RULEBOOK as RULEBOOK
    from .refutation import Counterexample as Counterexample
    from .refutation import Refutation as Refutation
    from .refutation import refute as refute
    from .refutation import refute_report as refute_report
    from .unlearning.run import unlearn as unlearn
    from .unlearning.sweep import sweep as sweep
    from .unlearning.unlearned import Unlearned as Unlearned

    claims: _Catalogue
else:

    def __getattr__(name: str) -> Any:
        return lazily(__name__, name, _HOMES)


def __dir__() -> list[str]:
    return sorted(__all__)
