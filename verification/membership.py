"""The literature's membership score for the tables of campaigns."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from muso_theory.evaluation import paper_membership_score

__all__ = ["membership_score"]

Array = np.ndarray[Any, Any]


def membership_score(retain: Array, test: Array, forget: Array) -> float:
    """:func:`muso_theory.evaluation.paper_membership_score` as the literature prints it, without its warning.

    Tables show the score because papers do, also where its solver's tolerance decides; what a campaign judges rests on
    other attacks.

    Args:
        retain: probabilities on R.
        test: on test samples.
        forget: on F.

    Returns:
        The score.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message="the membership score says nothing", category=RuntimeWarning
        )
        return paper_membership_score(retain, test, forget)
