"""The words of claims against the theorems: an over-promise that is planted must be caught."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from muso_theory.claims import CATALOGUE, Claim
from muso_theory.claims.theorems.formulas import formulas
from muso_theory.claims.theorems.promises import _clauses, overpromises
from muso_theory.claims.theorems.registry import THEOREMS, slugs
from muso_theory.claims.theorems.status import theorem_status
from muso_theory.commands.words import show_claims


@pytest.mark.parametrize("claim", CATALOGUE.values(), ids=lambda claim: claim.slug)
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


PLANTED_FORMULAS = [
    # In the middle of a sentence, with another coefficient, sign or model, or of another kind.
    ("gap-formula", {"words": "the squared gap is 2 δᵀS⁻¹δ"}, "has the formula 2 δᵀS⁻¹δ"),
    ("gap-formula", {"holds": "The gap is δᵀS⁻¹δ."}, "has the formula δᵀS⁻¹δ"),  # its square is
    (
        "energy",
        {"words": "what is forgotten costs ‖w_p − w_r‖² = ‖w_p − w₀‖²"},
        "has the formula ‖w_p − w_r‖²",
    ),
    ("downdate", {"holds": "The model is w_p + ΦᵀK⁻¹d."}, "has the formula w_p"),
    ("exact-labels", {"holds": "Training ends at w_u = w_p."}, "has the formula w_u = w_p"),
    ("ridge-inverse", {"holds": "The label moves by less than ε/λ_min."}, "has the formula ε/λ_min"),
    ("gd-finite-time", {"holds": "T ≥ κ suffices, at each η < 2/λ_max."}, "has the formula T ≥ κ"),
    ("kernel-limit", {"words": "labels tend to those of the kernel like d^−1"}, "has the formula d"),
    ("full-rank", {"holds": "Labels can be met; the squared gap is ½ δᵀS⁻¹δ."}, "has the formula ½"),
    # Implications that go the other way.
    ("exact-labels", {"statement": "w_u = w_r  ⟹  ỹ_F = Φ_F w_r"}, "assumes w_u = w_r"),
    ("exact-labels", {"statement": "w_u = w_r  ⟹  ỹ_F = Φ_F w_r"}, "concludes ỹ_F = Φ_F w_r"),
    ("exact-labels", {"words": "labels have ỹ_F = Φ_F w_r"}, "concludes ỹ_F"),
]
PLANTED_ELSEWHERE = [
    # What it means where it does not hold.
    ("exact-labels", {"fails": "Labels whatever cannot unlearn."}, "says whatever"),
    ("exact-labels", {"fails": "Fine-tuning leaves w_u − w_r = Φ⁺δ."}, "has the formula"),
    ("exact-labels", {"fails": "It ends elsewhere. It never comes back."}, "2 clauses, which rest on 1"),
    ("exact-labels", {"fails": "It never comes back."}, "says never"),
    # What breaks without a hypothesis.
    ("label-free", {"needs": {"least-squares-on-retain": "no labels are exact"}}, "says no"),
    ("leave-block-out", {"needs": {"full-rank": "the gap is ‖K⁺δ‖"}}, "has the formula"),
    ("leave-block-out", {"needs": {"full-rank": "K⁻¹ does not exist; labels do not"}}, "2 clauses"),
    # Conditions.
    ("full-rank", {"holds": "Labels can be met; every gap is small."}, "says every"),
    ("full-rank", {"fails": "Labels cannot unlearn."}, "says cannot"),
    ("full-rank-forget", {"fails": "The exact labels are arbitrary: they differ by range Φ_F."}, "range Φ_F"),
    ("conditioning", {"holds": "A float64 solve keeps all digits."}, "says all"),
    ("optimizer-in-span", {"holds": "Training goes on. It ends well."}, "2 clauses, which rest on 1"),
    # Claims without a theorem.
    ("lazy-training", {"words": "every wide network unlearns"}, "says every"),
    ("ntk-limit", {"statement": "‖Θ_m − Θ_∞‖ = O(m⁻²); as measured"}, "has the formula"),
    ("removal-certificate", {"holds": "Nobody can tell. It is sure. It is guaranteed."}, "says guaranteed"),
    ("removal-certificate", {"rests": {}}, "words has 1 clauses, which rest on 0"),
    ("alternating", {"words": "it begins as label-free and ends exact; always"}, "says always"),
    # A claim with a theorem rests on it, and not on what was measured or is read somewhere.
    *(
        ("energy", {"rests": {**CATALOGUE["energy"].rests, "words": [place]}}, f"rests on {place}")
        for place in ("measured", "cited", "needed")
    ),
    # Excuses for what is not said.
    ("energy", {"beyond": {**CATALOGUE["energy"].beyond, "never": "x"}}, "does not say never"),
    ("energy", {"reads": {**CATALOGUE["energy"].reads, "w_u = w_p": "w_u = w_p"}}, "does not say w_u = w_p"),
    ("energy", {"reads": {**CATALOGUE["energy"].reads, "K = K": "x"}, "words": "K = K"}, "formula K = K"),
]


@pytest.mark.parametrize(("slug", "planted", "words"), [*PLANTED_FORMULAS, *PLANTED_ELSEWHERE])
def test_a_planted_formula_and_a_promise_in_whatever_place_are_caught(
    slug: str, planted: dict[str, object], words: str
) -> None:
    found = overpromises(replace(CATALOGUE[slug], **planted))
    assert any(words in line for line in found), found


STRONG = (
    "all", "any", "every", "everything", "anywhere", "whatever", "wherever", "arbitrary", "arbitrarily", "free", "only",
    "alone", "nothing", "no", "none", "never", "for ever", "forever", "always", "necessary", "necessarily", "must",
    "cannot", "impossible", "guarantee", "guarantees", "guaranteed", "unique", "order", "several", "minimum",
    "minimises", "least", "at least", "at most", "best", "largest", "smallest", "sharp", "converges", "lim",
)  # fmt: skip
EQUIVALENCES = (
    "⟺",
    "⇔",
    "↔",
    "only if",
    "only when",
    "iff",
    "if and only if",
    "precisely when",
    "exactly if",
)


@pytest.mark.parametrize("word", STRONG)
def test_each_strong_word_is_seen_in_each_place(word: str) -> None:
    """Where the lines do not say it: the theorem of this claim has none of these words."""
    claim = CATALOGUE["downdate"]
    for name in ("words", "statement", "holds", "fails"):
        found = overpromises(replace(claim, **{name: f"the small solve {word} ends"}))
        assert any(f"says {word}, and no line" in line for line in found), name
    found = overpromises(replace(claim, needs={"full-rank": f"it {word} ends"}))
    assert any(f"says {word}, and no line" in line for line in found)


def test_terms_are_no_strong_words() -> None:
    said = "least squares, least-squares solutions and label-free labels beat doing nothing"
    assert not any("says" in line for line in overpromises(replace(CATALOGUE["downdate"], holds=said)))


@pytest.mark.parametrize("equivalence", EQUIVALENCES)
def test_each_equivalence_needs_both_directions(equivalence: str) -> None:
    planted = replace(CATALOGUE["exact-labels"], words=f"it unlearns {equivalence} labels are these")
    assert any("if and only if" in line for line in overpromises(planted))


def test_formulas_are_found_in_sentences() -> None:
    assert formulas(
        "A gap of δᵀS⁻¹δ (K invertible, w₀ = 0), and K⁻¹ of n rows; T' ≤ 2 for w_r(S), a row."
    ) == [
        "δᵀS⁻¹δ",
        "w₀ = 0",
        "T' ≤ 2",
    ]
    assert formulas("whatever the labels are, in R∖S and elsewhere, K_RR⁻¹ exists") == []


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
    # Converse to one another, but of another condition: the formulas are not theirs.
    assert any("has the formula" in line for line in overpromises(other))


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


LABELS = "matrix ytilde_F : f x c"
RETRAINED = "let w_r = w_0 + Phi_R^+ (y_R - Phi_R w_0)"
INVERSE = "let w_r = w_0 + K_RR^-1 Phi_R' (y_R - Phi_R w_0)"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        # Labels that are the optimal ones by definition, not by hypothesis.
        (
            [LABELS, "assume optimal-label: ytilde_F = Phi_F w_r"],
            ["let ytilde_F = Phi_F w_r"],
            "ytilde_F = Phi_F w_r",
        ),
        # Targets that can be fitted, by definition.
        (["matrix y : n x c"], ["matrix v : D x c", "let y = Phi v"], "y = Phi v"),
        # A model by an inverse, which is the retrained one under a condition only.
        (
            [RETRAINED],
            ["let K_RR = Phi_R' Phi_R", "assume left: K_RR invertible", INVERSE],
            INVERSE.removeprefix("let "),
        ),
        # A start in the span, by a parameter of its own; and a number that is not negative.
        (["pinv Phi"], ["pinv Phi", "matrix a : n x c", "let v = w_0 + Phi' a"], "v = w_0 + Phi' a"),
        (
            ["pinv Phi"],
            ["pinv Phi", "scalar h on n", "let eps : n x n = h_n h_n", "let two : n x n = h_n + h_n"],
            "eps = h_n h_n",
        ),
    ],
)
def test_a_hypothesis_that_hides_in_a_definition_is_seen(
    old: list[str], new: list[str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    theorem, claim = THEOREMS["exact-labels"], CATALOGUE["exact-labels"]
    after = RETRAINED if old[0] == LABELS else old[0]  # labels are defined where the retrained model is known
    lines = list(theorem.lines)
    at = lines.index(after) + 1
    lines[at:at] = [line for line in new if line not in lines]
    lines = [line for line in lines if line not in old or line in new]
    monkeypatch.setitem(THEOREMS, "exact-labels", replace(theorem, lines=tuple(lines)))
    missing = f"exact-labels does not say what the definition {told} takes for granted"
    assert [line for line in overpromises(claim) if "takes for granted" in line] == [missing]
    said = replace(claim, given={**claim.given, told: "x"})
    assert not any("takes for granted" in line or f"given {told}" in line for line in overpromises(said))
    monkeypatch.undo()
    assert f"exact-labels is given {told}, which no theorem assumes" in overpromises(said)
