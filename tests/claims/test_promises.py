"""The words of claims against the theorems: an over-promise that is planted must be caught."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from muso_theory.claims import CATALOGUE, Claim
from muso_theory.claims.theorems.promises import _clauses, overpromises
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
        # An additional clause, of no strong word, rests on nothing.
        (
            "exact-labels",
            {"holds": "Training ends at w_r. It ends there soon."},
            "2 clauses, which rest on 1",
        ),
        ("gap-formula", {"statement": "w_u − w_r = Φ⁺(0; δ)"}, "1 clauses, which rest on 2"),
        ("leave-block-out", {"rests": {}}, "words has 1 clauses, which rest on 0"),
        # What a theorem says of another model: that of S is not where fine-tuning ends.
        ("downsampling", {"words": "w_u = w_r(S) for labels from a subset S"}, "speaks of w_u"),
        ("influence", {"statement": "w_u − w_r has a closed form"}, "speaks of w_u"),
        # A strong word that only another theorem of the claim says, or one that only what remains says.
        ("ridge-inverse", {"holds": "Every inverse has a known price."}, "says every"),
        ("implicit-bias", {"words": "every step of gradient descent converges"}, "says converges"),
        # Labels that name no line: of another claim, beyond the last, of a theorem that leaves nothing, of no theorem.
        *(
            (
                "energy",
                {"rests": {**CATALOGUE["energy"].rests, "words": [label]}},
                f"rests on {label}, which is no",
            )
            for label in (
                "exact-labels.1",
                "energy.2",
                "energy.0",
                "energy.remains",
                "energy",
                "power.1",
                "check",
            )
        ),
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


def test_clauses_end_at_semicolons_and_full_stops() -> None:
    assert _clauses("w_u − w_r = Φ⁺(0; δ); K invertible: e.g. δᵀS⁻¹δ. Then 0.5 of it.") == [
        "w_u − w_r = Φ⁺(0; δ)",
        "K invertible: e.g. δᵀS⁻¹δ",
        "Then 0.5 of it",
    ]


def test_an_equivalence_of_one_direction_is_caught() -> None:
    claim = CATALOGUE["forget-only"]
    assert overpromises(claim) == []
    for label in ("forget-only/necessary.1", "forget-only/sufficient.1", "forget-only/converse.1"):
        alone = replace(claim, rests={**claim.rests, "statement": [label]})
        assert any("no two theorems that are converse" in line for line in overpromises(alone)), label
    other = replace(
        claim, rests={**claim.rests, "statement": ["forget-only/invertible-gram.1 forget-only/converse.1"]}
    )
    assert (
        overpromises(other) == []
    )  # converse to one another, though of another condition: for a reader to see


def test_what_remains_is_shown_with_the_claim(capsys: pytest.CaptureFixture[str]) -> None:
    for slug in slugs():
        if slug in CATALOGUE:
            show_claims(slug)
            shown = " ".join(capsys.readouterr().out.split())
            for remains in theorem_status(slug).remains:
                assert " ".join(remains.split())[:60] in shown, slug


def test_every_condition_that_is_formal_is_a_hypothesis_somewhere() -> None:
    texts = {
        line.partition(": ")[2]
        for theorem in THEOREMS.values()
        for line in theorem.lines
        if line.startswith(("assume ", "without "))
    }
    unfolded = texts | {text.replace("K ", "Phi Phi' ").replace("K_RR ", "Phi_R Phi_R' ") for text in texts}
    for condition in CATALOGUE.values():
        assert not condition.formal or set(condition.formal) & unfolded, condition.slug
