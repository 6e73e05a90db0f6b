"""The literature's membership score and average gap for the tables of campaigns."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

from muso_theory.arrays import Array
from muso_theory.evaluation import average_gap, paper_membership_score

__all__ = ["Scores", "average_gap_of_what_tells", "membership_score"]

Scores = Mapping[str, "float | None"]


def membership_score(retain: Array, test: Array, forget: Array) -> float | None:
    """:func:`muso_theory.evaluation.paper_membership_score`, or None, in tables a dash, where it warns.

    There its solver's tolerance decides and not the samples.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="the membership score says nothing", category=RuntimeWarning)
        try:
            return paper_membership_score(retain, test, forget)
        except RuntimeWarning:
            return None


def average_gap_of_what_tells(scores: Scores, retrained: Scores) -> float:
    """The average gap of the literature over the scores that say something (are not None) of both models."""
    silent = {name for side in (scores, retrained) for name, value in side.items() if value is None}
    mine, theirs = (
        {name: value for name, value in side.items() if value is not None and name not in silent}
        for side in (scores, retrained)
    )
    return average_gap(mine, theirs)
