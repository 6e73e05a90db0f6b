"""Which labels unlearn exactly, from which starts, and why the forget samples alone do not suffice."""

from __future__ import annotations

from ...algebra.theorem import Have, Theorem, Witness, text_lines
from .settings import DATA, FINE_TUNED, GRAM, TRAINED, use

__all__ = ["THEOREMS"]

_GAP = use("gap-formula/parameters")
_ROWS = ("def(Phi_R)", "def(Phi_F)")

THEOREMS = (
    Theorem(
        "exact-labels",
        text_lines(
            FINE_TUNED,
            """
            assume optimal-label: ytilde_F = Phi_F w_r
            without full-row-rank: Phi right-invertible
            without retain-full-row-rank: Phi_R right-invertible
            without full-column-rank: Phi left-invertible
            without interpolation: Phi w_p = y
            conclude w_u = w_r
            says labelling the forget samples with the predictions of the retrained model unlearns exactly
            """,
        ),
        (_GAP,),
    ),
    Theorem(
        "label-solution-set/sufficient",
        text_lines(
            FINE_TUNED,
            """
            assume label-equation: Phi_F' (ytilde_F - Phi_F w_r) = 0
            conclude w_u = w_r
            says labels that differ from the optimal ones by an element of ker Phi_F' unlearn exactly
            """,
        ),
        (_GAP, use("lemma/pseudo-inverse", A="Phi")),
    ),
    Theorem(
        "label-solution-set/necessary",
        text_lines(
            FINE_TUNED,
            """
            assume exact: w_u = w_r
            conclude Phi_F' (ytilde_F - Phi_F w_r) = 0
            says no other labels do
            """,
        ),
        (_GAP, use("lemma/pseudo-inverse", A="Phi")),
    ),
    Theorem(
        "label-solution-set/unique",
        text_lines(
            DATA,
            TRAINED,
            """
            matrix a : f x c
            matrix b : f x c
            let w_a = w_p + Phi^+ (S_R' y_R + S_F' a - Phi w_p)
            let w_b = w_p + Phi^+ (S_R' y_R + S_F' b - Phi w_p)
            assume first-exact: w_a = w_r
            assume second-exact: w_b = w_r
            assume forget-full-row-rank: Phi_F right-invertible
            without retain-full-row-rank: Phi_R right-invertible
            conclude a = b
            says the optimal labels are unique if Phi_F has full row rank; no condition on Phi_R
            """,
        ),
        (
            use("label-solution-set/necessary", ytilde_F="a", w_u="w_a"),
            use("label-solution-set/necessary", ytilde_F="b", w_u="w_b"),
        ),
    ),
    Theorem(
        "label-solution-set/not-unique",
        text_lines(
            FINE_TUNED,
            """
            pinv Phi_F
            matrix z : f x c
            assume shifted-label: ytilde_F = Phi_F w_r + (I - Phi_F Phi_F^+) z
            conclude w_u = w_r
            says every shift by a column of I - Phi_F Phi_F^+ is exact too, so uniqueness forces Phi_F Phi_F^+ = I
            """,
        ),
        (
            use("lemma/pseudo-inverse", A="Phi_F"),
            Have("Phi_F' (ytilde_F - Phi_F w_r) = 0"),
            use("label-solution-set/sufficient"),
        ),
    ),
    Theorem(
        "start-span/decomposition",
        text_lines(
            DATA,
            """
            let w_r = w_0 + Phi_R^+ (y_R - Phi_R w_0)
            matrix ytilde_F : f x c
            matrix s : D x c
            let w_s = s + Phi^+ (S_R' y_R + S_F' ytilde_F - Phi s)
            let off = (I - Phi^+ Phi) (s - w_0)
            let on = Phi^+ S_F' (ytilde_F - Phi_F w_r)
            conclude w_s - w_r = off + on
            conclude off' on = 0
            conclude (w_s - w_r)' (w_s - w_r) = off' off + on' on
            says from any start the gap is the start's component off the row space plus the label error: orthogonal
            """,
        ),
        (
            use("lemma/gap", s="Phi^+ Phi s + (I - Phi^+ Phi) w_0", t="S_R' y_R + S_F' ytilde_F"),
            Have("w_s - w_r = off + on"),
            Have("off' on = 0"),
        ),
    ),
    Theorem(
        "start-span/sufficient",
        text_lines(
            DATA,
            """
            let w_r = w_0 + Phi_R^+ (y_R - Phi_R w_0)
            matrix ytilde_F : f x c
            matrix s : D x c
            let w_s = s + Phi^+ (S_R' y_R + S_F' ytilde_F - Phi s)
            assume start-in-span: (I - Phi^+ Phi) (s - w_0) = 0
            assume label-equation: Phi_F' (ytilde_F - Phi_F w_r) = 0
            conclude w_s = w_r
            says fine-tuning may start anywhere in w_0 plus the row space
            """,
        ),
        (use("start-span/decomposition"), use("lemma/pseudo-inverse", A="Phi")),
    ),
    Theorem(
        "start-span/necessary",
        text_lines(
            DATA,
            """
            let w_r = w_0 + Phi_R^+ (y_R - Phi_R w_0)
            matrix ytilde_F : f x c
            matrix s : D x c
            let w_s = s + Phi^+ (S_R' y_R + S_F' ytilde_F - Phi s)
            assume exact: w_s = w_r
            conclude (I - Phi^+ Phi) (s - w_0) = 0
            conclude Phi_F' (ytilde_F - Phi_F w_r) = 0
            says and nowhere else
            """,
        ),
        (use("start-span/decomposition"), use("lemma/pseudo-inverse", A="Phi")),
    ),
    Theorem(
        "forget-only/necessary",
        text_lines(
            DATA,
            TRAINED,
            """
            pinv Phi_F
            matrix ytilde_F : f x c
            let w_f = w_p + Phi_F^+ (ytilde_F - Phi_F w_p)
            assume reached: w_f = w_r
            conclude (I - Phi_F^+ Phi_F) (w_r - w_p) = 0
            says fine-tuning on the forget samples alone moves in their row space only
            """,
        ),
    ),
    Theorem(
        "forget-only/sufficient",
        text_lines(
            DATA,
            TRAINED,
            """
            pinv Phi_F
            assume in-forget-rows: (I - Phi_F^+ Phi_F) (w_r - w_p) = 0
            exists ytilde_F : f x c
            conclude w_p + Phi_F^+ (ytilde_F - Phi_F w_p) = w_r
            says if the way to the retrained model lies in that row space, some labels reach it
            """,
        ),
        (Witness("ytilde_F", "Phi_F w_r"),),
    ),
    Theorem(
        "forget-only/invertible-gram",
        text_lines(
            DATA,
            TRAINED,
            GRAM,
            """
            pinv Phi_F
            assume in-forget-rows: (I - Phi_F^+ Phi_F) (w_r - w_p) = 0
            exists a : f x c
            conclude w_p - w_r = Phi_F' a
            conclude Phi_R Phi_F' a = 0
            says with an invertible Gram matrix the condition means w_p - w_r = Phi_F' a with K_RF a = 0
            """,
        ),
        (
            Witness("a", "Phi_F^+' (w_p - w_r)"),
            Have("w_p - w_r = Phi_F' a"),
            Have(
                "Phi_R Phi' K^-1 S_R' = I", ("def(Phi_R)", "def(K)", "right_inverse(K)", "orthonormal(S_R)")
            ),
            Have("Phi_R Phi_R^+ = I", ("penrose1(Phi_R)", "last")),
            Have("Phi_R w_r = y_R", ("def(w_r)", "last")),
            use("lemma/gram-inverse", A="Phi"),
            Have("Phi w_p = y", ("def(w_p)", "last")),
            Have("Phi_R w_p = y_R", ("def(Phi_R)", "def(y_R)", "last")),
            Have("Phi_R Phi_F' a = 0", ("steps",)),
        ),
    ),
    Theorem(
        "forget-only/converse",
        text_lines(
            DATA,
            TRAINED,
            """
            pinv Phi_F
            matrix a : f x c
            assume combination-of-forget-rows: w_p - w_r = Phi_F' a
            conclude (I - Phi_F^+ Phi_F) (w_r - w_p) = 0
            says conversely, such a difference can be undone
            """,
        ),
        (use("lemma/pseudo-inverse", A="Phi_F"),),
    ),
    Theorem(
        "forget-only/orthogonal",
        text_lines(
            DATA,
            TRAINED,
            """
            pinv Phi_F
            assume orthogonal: Phi_R Phi_F' = 0
            conclude (I - Phi_F^+ Phi_F) (w_r - w_p) = 0
            says possible when the forget samples are orthogonal to the retained ones
            """,
        ),
        (
            use("gap-formula/pretrained"),
            Have("Phi = S_R' Phi_R + S_F' Phi_F"),
            use("lemma/pseudo-inverse", A="Phi_R"),
            use("lemma/pseudo-inverse", A="Phi_F"),
            Have("Phi_R Phi_F^+ = 0", ("assume(orthogonal)", "steps")),
            Have("Phi_F Phi_R^+ = 0", ("assume(orthogonal)", "steps")),
            Have("Phi Phi_F^+ = S_F' Phi_F Phi_F^+", (*_ROWS, "complete(S_R,S_F)", "steps")),
            use("lemma/pseudo-inverse", A="Phi"),
            Have("Phi^+ Phi Phi_F^+ = Phi_F^+", (*_ROWS, "penrose2(Phi_F)", "penrose4(Phi_F)", "steps")),
            Have("Phi^+ S_F' = Phi_F^+", (*_ROWS, "penrose1(Phi_F)", "steps")),
            Have("(I - Phi_F^+ Phi_F) (w_r - w_p) = 0", ("penrose2(Phi_F)", "steps")),
        ),
    ),
)
