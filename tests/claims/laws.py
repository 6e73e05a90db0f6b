"""What the laws share: Hypothesis settings, the search behind a control, and problems moved."""

from __future__ import annotations

import os
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, find, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

import muso_theory as mt
from muso_theory.refutation.rulebook import Letters

# No database: nothing is written into the directory of whoever runs this. The profile ci, which is the default, draws
# the same examples everywhere; HYPOTHESIS_PROFILE=dev draws others each time, and ten times as many.
settings.register_profile(
    "ci",
    max_examples=120,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile(
    "dev", settings.get_profile("ci"), derandomize=False, max_examples=1200, print_blob=True
)
law = settings.get_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
search = settings(law, max_examples=500, derandomize=True, phases=[Phase.generate])


def broken(strategy: st.SearchStrategy[Any], holds: Callable[[Any], bool]) -> bool:
    """Whether the search finds an example on which a law fails: the control of a law."""
    try:
        find(strategy, lambda example: not holds(example), settings=search)
    except NoSuchExample:
        return False
    return True


def square(a: np.ndarray) -> Fraction:
    """Squared Frobenius norm."""
    return sum((Fraction(x) ** 2 for x in a.ravel()), Fraction(0))


def columns(problem: mt.UnlearningProblem, labels: np.ndarray) -> np.ndarray:
    return labels.reshape(len(labels), -1)


def moved(problem: mt.UnlearningProblem, **changes: Any) -> mt.UnlearningProblem:
    """The problem with some arrays replaced."""
    given_ = {
        "features": problem.features,
        "targets": problem.targets,
        "forget": problem.forget,
        "w_init": problem.w_init,
    }
    return mt.UnlearningProblem(**{**given_, **changes})


def with_start(problem: mt.UnlearningProblem) -> mt.UnlearningProblem:
    """The problem with w₀ written out."""
    return moved(problem, w_init=problem.shaped(Letters(problem).w0))
