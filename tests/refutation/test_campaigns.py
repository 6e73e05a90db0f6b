"""The campaigns that attack: rules of the rulebook, and hypotheses of claims and theorems."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from muso_theory.claims import CATALOGUE
from muso_theory.claims.theorems.status import theorem_status
from muso_theory.refutation import RIGHT, RULEBOOK, WRONG, BookRule
from verification import falsifier, hypotheses
from verification.campaign import Options
from verification.hypotheses import COUNTERPART, _row, search_instances, search_models

KNOWN = {
    (theorem, label): kind
    for slug in hypotheses.slugs()
    for theorem, label, _, kind, _ in theorem_status(slug).hypotheses
}
# Two requests out of two samples leave nothing to speak of, so the claim holds emptily.
FINDS_NOTHING = {("ridge-inverse", "full-rank-retain"), ("sequential-requests", "three-samples")}


@pytest.mark.parametrize("pair", list(KNOWN)[3::13], ids=lambda pair: ":".join(pair))
def test_fresh_models_agree_with_the_certificates(pair: tuple[str, str]) -> None:
    theorem, hypothesis = pair
    point = {"theorem": theorem, "hypothesis": hypothesis, "tries": 200, "enough": 5, "seed": 1}
    row = _row(point, search_models(point), KNOWN[pair])
    assert row["agrees"] is True, row
    assert row["tried"] >= 1


@pytest.mark.parametrize("pair", COUNTERPART, ids=lambda pair: ":".join(pair))
def test_dropping_a_hypothesis_of_a_claim_agrees_with_its_theorem(pair: tuple[str, str]) -> None:
    claim, hypothesis = pair
    assert hypothesis in CATALOGUE[claim].hypotheses
    point = {"claim": claim, "hypothesis": hypothesis, "examples": 100, "seed": 1}
    found = search_instances(point)
    row = _row(point, found, KNOWN[COUNTERPART[pair]])
    assert row["agrees"] is True, row
    assert (found["search"] == "none found") == (pair in FINDS_NOTHING)


def test_a_disagreement_is_reported() -> None:
    point = {"claim": "label-free", "hypothesis": "least-squares-on-retain", "examples": 100, "seed": 1}
    found = search_instances(point)
    assert _row(point, found, "redundant")["agrees"] is False
    assert _row(point, {**found, "search": "undecided"}, "redundant")["agrees"] is False
    assert _row(point, found, None)["agrees"] is None


@pytest.mark.slow
def test_rules_are_judged_as_they_deserve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for book in (RIGHT, WRONG, RULEBOOK):
        chosen = {
            k: v
            for k, v in book.items()
            if k in ("closed-form", "leave-block-out", "zero-labels", "forget-only")
        }
        for name in list(book):
            if name not in chosen:
                monkeypatch.delitem(book, name)
    options = Options(tmp_path, jobs=1)
    result = falsifier.run(True, options)
    assert result["wrong rules not refuted"] == []
    assert result["right rules refuted"] == []
    assert all(row["tried"] >= 500 for row in result["right"])
    assert result["failed"]  # fewer than twelve wrong rules

    swapped: dict[str, BookRule] = {"zero-labels": WRONG["zero-labels"]}
    for name, rule in swapped.items():  # control: a wrong rule among the right ones
        monkeypatch.setitem(RIGHT, name, rule)
    control: dict[str, Any] = falsifier.run(True, options)
    assert control["right rules refuted"] == ["zero-labels"]
    assert control["failed"]
