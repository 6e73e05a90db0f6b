"""What a campaign found, in at most ten judged sentences, each made of the rows of its result and of nothing else.

A campaign concludes in two lines, in the file of its family here, which `conclude` finds by the campaign's name:

    @concludes("my-campaign")
    def my_campaign(result):
        return [largest("exact-labels", "{n} gaps are {largest} at most", select(result, "rows"), "gap", at_most=1e-6)]

They stand apart from what measures, so that a changed word does not ask for a measurement.
"""

from __future__ import annotations

from . import assurance, costs, linear, networks  # noqa: F401  (each enters its campaigns)
from .registry import MOST, conclude, concludes, concluding

__all__ = ["MOST", "conclude", "concludes", "concluding"]
