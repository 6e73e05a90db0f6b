"""Verdicts, and the evidence that they are computed from. A verdict is never set by hand.

A verdict is about exactly one object, and evidence holds findings about one object only.
"""

from ..verdict import Verdict, worst
from .allowance import NOTHING, Allowance
from .digits import at_most, round_digits, show
from .findings import About, Audit, Finding, Hypothesis, Identity, Inequality, Output
from .row import Evidence, Scope, short

__all__ = [
    "NOTHING",
    "About",
    "Allowance",
    "Audit",
    "Evidence",
    "Finding",
    "Hypothesis",
    "Identity",
    "Inequality",
    "Output",
    "Scope",
    "Verdict",
    "at_most",
    "round_digits",
    "short",
    "show",
    "worst",
]
