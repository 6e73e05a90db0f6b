"""The gap that any labels leave, and its length."""

from __future__ import annotations

from ...algebra.theorem import Have, Theorem, text_lines
from .settings import DATA, FINE_TUNED, GRAM, TRAINED, use

__all__ = ["THEOREMS"]

_GAP = use("gap-formula/parameters")
_ROWS = ("def(Phi_R)", "def(Phi_F)")

THEOREMS = (
    Theorem(
        "gap-formula/parameters",
        text_lines(
            FINE_TUNED,
            """
            let delta = ytilde_F - Phi_F w_r
            conclude w_u - w_r = Phi^+ S_F' delta
            says the gap to the retrained model is the label error on the forget samples, mapped back; for \
                any features
            """,
        ),
        (
            use("lemma/update", A="Phi", v="w_0", t="y", w="w_p"),
            Have("S_R ytilde = y_R"),
            use("lemma/gap", s="w_p", t="ytilde", w="w_u"),
        ),
    ),
    Theorem(
        "gap-formula/pretrained",
        text_lines(
            DATA,
            TRAINED,
            """
            conclude w_p - w_r = Phi^+ S_F' (S_F y - Phi_F w_r)
            says doing nothing has the same gap formula, with the true labels of the forget samples
            """,
        ),
        (use("lemma/gap", s="w_0", t="y", w="w_p"),),
    ),
    Theorem(
        "gap-formula/norm",
        text_lines(
            FINE_TUNED,
            """
            let delta = ytilde_F - Phi_F w_r
            let K = Phi Phi'
            pinv K
            conclude (w_u - w_r)' (w_u - w_r) = delta' S_F K^+ S_F' delta
            says the squared gap is a quadratic form in the label error, with the forget block of the pseudo-inverse
            """,
        ),
        (_GAP, use("lemma/gram", A="Phi")),
    ),
    Theorem(
        "gap-formula/schur",
        text_lines(
            FINE_TUNED,
            GRAM,
            """
            let delta = ytilde_F - Phi_F w_r
            let K_RR = Phi_R Phi_R'
            pinv K_RR
            let S = Phi_F Phi_F' - Phi_F Phi_R' K_RR^+ Phi_R Phi_F'
            pinv S
            conclude K_RR K_RR^+ = I
            conclude S S^+ = I
            conclude (w_u - w_r)' (w_u - w_r) = delta' S^+ delta
            says with an invertible Gram matrix the squared gap is the label error in the inverse Schur complement
            """,
        ),
        (
            use("lemma/principal-block", A="Phi", S="S_R", T="S_F", B="Phi_R", M="K_RR"),
            _GAP,
            use("lemma/gram-inverse", A="Phi"),
            Have("Phi_R (Phi_F' - Phi_R' K_RR^+ Phi_R Phi_F') = 0", ("def(K_RR)", "steps")),
            Have(
                "Phi (Phi_F' - Phi_R' K_RR^+ Phi_R Phi_F') = S_F' S",
                (*_ROWS, "complete(S_R,S_F)", "def(S)", "last"),
            ),
            Have("S_F' = K^-1 Phi Phi_F'", (*_ROWS, "def(K)", "left_inverse(K)")),
            Have("S_R' = K^-1 Phi Phi_R'", (*_ROWS, "def(K)", "left_inverse(K)")),
            Have("S_F K^-1 S_F' S = I", ("orthonormal(S_F)", "disjoint(S_R,S_F)", "steps")),
            Have("S = S'", ("def(S)", "steps")),
            Have("S S_F K^-1 S_F' = I", ("steps",)),
            Have("S^+ = S_F K^-1 S_F'", ("penrose1(S)", "last", "steps")),
            Have("Phi^+' Phi^+ = K^-1", ("def(K)", "right_inverse(K)", "steps")),
            Have("(w_u - w_r)' (w_u - w_r) = delta' S_F Phi^+' Phi^+ S_F' delta", ("steps",)),
            Have("(w_u - w_r)' (w_u - w_r) = delta' S^+ delta", ("steps",)),
        ),
    ),
)
