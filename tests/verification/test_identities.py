"""Campaign ``identities``: each claim with a theorem is in it, its formulas are those, and slips in them are seen."""

from __future__ import annotations

import numpy as np
import pytest

from muso_theory.claims.theorems.registry import slugs
from muso_theory.claims.theorems.showing import FIGURES
from tests.zoo import ZOO
from verification import identities


def test_each_claim_with_a_theorem_has_a_figure() -> None:
    shown = {*identities.CLAIMS, *identities.EXPLICIT, "inexact-training"}
    assert shown == set(FIGURES["identities"]) == {*slugs()} - {"linearised-network"}
    assert {*slugs()} <= {claim for claims in FIGURES.values() for claim in claims}


@pytest.mark.parametrize("slug", identities.EXPLICIT)
def test_both_sides_agree_and_a_slip_is_seen(slug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def share() -> float:
        left, right = identities.EXPLICIT[slug](ZOO["over-parameterised"]())
        return float(np.linalg.norm(left - right) / np.linalg.norm(left))

    assert share() < 1e-12
    # A model that is trained to another end: no least-squares solution, no ridge minimiser.
    fit, ridged = identities._Fitted.fit, identities._Fitted.ridged
    monkeypatch.setattr(identities._Fitted, "fit", lambda *given: fit(*given) + 0.01)
    monkeypatch.setattr(
        identities._Fitted,
        "ridged",
        lambda self, rows: ridged(self, rows) * (1 if rows is self.retain else 1.01),
    )
    if slug == "newton-removal":  # one step removes whatever start it has
        monkeypatch.setattr(identities._Fitted, "ridged", lambda self, rows: ridged(self, rows) + 0.01)
    if slug == "orthogonal-gradient":  # of another step, which is not the shortest
        lstsq = np.linalg.lstsq
        monkeypatch.setattr(np.linalg, "lstsq", lambda a, b, rcond: (lstsq(a, b, rcond)[0] + 0.01, 0))
    assert share() > 1e-4


def test_the_bound_of_inexact_training_is_not_broken_and_a_faster_rate_would_be() -> None:
    ratio = identities._of_bound(ZOO["over-parameterised"]())
    assert 0.1 < ratio <= 1


def test_a_row_without_its_hypothesis_says_which() -> None:
    point = {"data": "breast_cancer", "features": "as they are", "seed": 0}
    rows = {row["claim"]: row for row in identities.measure(point)["rows"]}
    assert rows["energy"]["needs"] == "least-squares-on-retain"
    assert rows["energy"]["share without"] > 0.1
    assert rows["exact-labels"]["share"] < 1e-6
    assert rows["inexact-training"]["of bound"] <= 1
