"""Exact labels without retraining: from the pretrained model alone, and from one inverse Gram matrix."""

from __future__ import annotations

from ...algebra.theorem import Apply, Cancel, Have, Theorem, text_lines
from .settings import DATA, FINE_TUNED, GRAM, TRAINED, use

__all__ = ["THEOREMS"]

THEOREMS = (
    Theorem(
        "label-free/sufficient",
        text_lines(
            DATA,
            TRAINED,
            """
            assume least-squares-on-retain: Phi_R' (Phi_R w_p - y_R) = 0
            conclude w_0 + Phi_R^+ Phi_R (w_p - w_0) = w_r
            says the retrained model is a projection of the pretrained one: no retraining, no labels
            """,
        ),
        (use("lemma/pseudo-inverse", A="Phi_R"), Have("Phi_R^+ (Phi_R w_p - y_R) = 0")),
    ),
    Theorem(
        "label-free/necessary",
        text_lines(
            DATA,
            TRAINED,
            """
            assume projection: w_0 + Phi_R^+ Phi_R (w_p - w_0) = w_r
            conclude Phi_R' (Phi_R w_p - y_R) = 0
            says the projection is the retrained model only if w_p is a least-squares solution on the retain set
            """,
        ),
        (use("lemma/pseudo-inverse", A="Phi_R"), Have("Phi_R^+ (Phi_R w_p - y_R) = 0")),
    ),
    Theorem(
        "label-free/interpolation",
        text_lines(
            DATA,
            TRAINED,
            """
            assume full-row-rank: Phi right-invertible
            conclude Phi w_p = y
            conclude Phi_R' (Phi_R w_p - y_R) = 0
            says over-parameterised with full row rank, the pretrained model interpolates, and that suffices
            """,
        ),
        (Have("Phi Phi^+ = I"), Have("Phi w_p = y")),
    ),
    Theorem(
        "label-free/labels",
        text_lines(
            FINE_TUNED,
            """
            assume least-squares-on-retain: Phi_R' (Phi_R w_p - y_R) = 0
            assume label-free-label: ytilde_F = Phi_F (w_0 + Phi_R^+ Phi_R (w_p - w_0))
            without full-row-rank: Phi right-invertible
            without interpolation: Phi w_p = y
            conclude w_u = w_r
            says the labels computed from the pretrained model alone unlearn exactly
            """,
        ),
        (use("label-free/sufficient"), Have("ytilde_F = Phi_F w_r"), use("exact-labels")),
    ),
    Theorem(
        "label-free/only-if",
        text_lines(
            FINE_TUNED,
            """
            assume label-free-label: ytilde_F = Phi_F (w_0 + Phi_R^+ Phi_R (w_p - w_0))
            assume exact: w_u = w_r
            conclude Phi_R' (Phi_R w_p - y_R) = 0
            says these labels unlearn exactly only if w_p is a least-squares solution on the retain set
            """,
        ),
        (
            use("label-solution-set/necessary"),
            use("lemma/pseudo-inverse", A="Phi_R"),
            use("lemma/update", A="Phi", v="w_0", t="y", w="w_p"),
            Have(
                "ytilde_F - Phi_F w_r = Phi_F Phi_R^+ (Phi_R w_p - y_R)",
                ("assume(label-free-label)", "def(w_r)"),
            ),
            Have("(Phi_F Phi_R^+ (Phi_R w_p - y_R))' (Phi_F Phi_R^+ (Phi_R w_p - y_R)) = 0", ("steps",)),
            Cancel(("Phi_F Phi_R^+ (Phi_R w_p - y_R)",)),
            Have(
                "Phi_R' (Phi_R w_p - y_R) = Phi_F' (S_F y - Phi_F w_p)",
                ("def(Phi_R)", "def(Phi_F)", "def(y_R)", "complete(S_R,S_F)", "step(3).1"),
            ),
            Have("Phi_R' (Phi_R w_p - y_R) = Phi_R' Phi_R Phi_R^+ (Phi_R w_p - y_R)", ("step(2).1",)),
            Have("(Phi_R Phi_R^+ (Phi_R w_p - y_R))' (Phi_R Phi_R^+ (Phi_R w_p - y_R)) = 0", ("last 3",)),
            Cancel(("Phi_R Phi_R^+ (Phi_R w_p - y_R)",)),
        ),
    ),
    Theorem(
        "leave-block-out",
        text_lines(
            DATA,
            TRAINED,
            GRAM,
            """
            let B = S_F K^-1 S_F'
            pinv B
            conclude B B^+ = I
            conclude Phi_F w_r = S_F y - B^+ S_F K^-1 (y - Phi w_0)
            says one inverse of the Gram matrix gives the optimal labels of every forget set
            """,
        ),
        (
            use("gap-formula/pretrained"),
            use("lemma/gram-inverse", A="Phi"),
            Apply(
                "lemma/principal-block",
                {"A": "K^-1 Phi", "S": "S_F", "T": "S_R", "K": "K^-1", "K^-1": "K", "M": "B", "M^+": "B^+"},
            ),
            use("lemma/pseudo-inverse", A="Phi_R"),
            Have("K^-1 Phi (w_p - w_0) = K^-1 (y - Phi w_0)"),
            Have("S_F K^-1 Phi (w_r - w_0) = 0"),
            Have("S_F K^-1 (y - Phi w_0) = B (S_F y - Phi_F w_r)"),
            Have("Phi_F w_r = S_F y - B^+ S_F K^-1 (y - Phi w_0)", ("steps",)),
        ),
    ),
)
