"""The words of claims against the theorems: an over-promise that is planted must be caught."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from muso_theory.claims import CATALOGUE, Claim
from muso_theory.claims.theorems.promises import overpromises
from muso_theory.claims.theorems.registry import THEOREMS, slugs
from muso_theory.claims.theorems.status import theorem_status
from muso_theory.words import show_claims

CLAIMS = [claim for claim in CATALOGUE.values() if not claim.is_condition]


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.slug)
def test_no_claim_promises_more_than_its_theorems(claim: Claim) -> None:
    assert overpromises(claim) == []


def test_there_are_at_least_32_certified_claims() -> None:
    assert len(slugs()) >= 32
    assert all(theorem_status(slug).status in ("proved", "core proved") for slug in slugs())


@pytest.mark.parametrize(
    ("slug", "planted", "words"),
    [
        ("ridge-inverse", {"words": "any inverse may be used"}, "says any"),
        ("downsampling", {"holds": "Fine-tuning on these labels forgets all of R∖S as well."}, "says all"),
        ("early-stopping", {"words": "training always reaches the retrained model"}, "says always"),
        ("gap-formula", {"holds": "The original labels are the unique ones."}, "says unique"),
        ("leave-block-out", {"words": "the labels are the best ones"}, "says best"),
        ("gd-finite-time", {"statement": "lim w_T = w_r"}, "says lim"),
        ("leave-block-out", {"statement": "K invertible ⟺ the formula"}, "if and only if"),
        ("exact-labels", {"words": "labels are exact only if they are the predictions"}, "if and only if"),
        ("downsampling", {"needs": {"interpolates-retain": "x"}}, "does not list .* least-squares-on-subset"),
        ("downsampling", {"needs": {"interpolates-retain": "x"}}, "needs interpolates-retain, which none"),
        ("label-free", {"needs": {}, "given": {}}, "does not list .* label-free-label"),
        ("convex-loss", {"given": {}}, "does not list .* shared-regulariser"),
        (
            "exact-labels",
            {"given": {"optimal-label": "x", "full-rank": "y"}},
            "given full-rank, which no theorem",
        ),
        ("lazy-training", {"unproved": ""}, "has no theorem, and does not say why"),
    ],
)
def test_a_planted_overpromise_is_caught(slug: str, planted: dict[str, object], words: str) -> None:
    found = overpromises(replace(CATALOGUE[slug], **planted))
    assert any(re.search(words, line) for line in found), found


def test_what_remains_is_shown_with_the_claim(capsys: pytest.CaptureFixture[str]) -> None:
    for slug in slugs():
        if slug in CATALOGUE:
            show_claims(slug)
            shown = " ".join(capsys.readouterr().out.split())
            for remains in theorem_status(slug).remains:
                assert " ".join(remains.split())[:60] in shown, slug


def test_every_condition_that_is_formal_is_a_hypothesis_somewhere() -> None:
    texts = {
        line.partition(": ")[2] for t in THEOREMS.values() for line in t.lines if line.startswith("assume ")
    }
    unfolded = texts | {text.replace("K ", "Phi Phi' ").replace("K_RR ", "Phi_R Phi_R' ") for text in texts}
    for condition in CATALOGUE.values():
        assert not condition.formal or set(condition.formal) & unfolded, condition.slug
