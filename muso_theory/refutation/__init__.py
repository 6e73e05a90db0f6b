"""The falsifier: breaks labelling rules, unlearning methods and claims, by small exact problems."""

from __future__ import annotations

from .counterexample import Counterexample, exact_square_gap
from .isolation import Failure
from .loading import load_rule, source_file
from .named import NamedRule
from .rulebook import RIGHT, RULEBOOK, WRONG, BookRule
from .search import Coverage, Refutation, refute, refute_report
from .structures import STRUCTURES, draw_features, draw_problem

__all__ = [
    "RIGHT",
    "RULEBOOK",
    "STRUCTURES",
    "WRONG",
    "BookRule",
    "Counterexample",
    "Coverage",
    "Failure",
    "NamedRule",
    "Refutation",
    "draw_features",
    "draw_problem",
    "exact_square_gap",
    "load_rule",
    "refute",
    "refute_report",
    "source_file",
]
