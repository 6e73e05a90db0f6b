"""Ridge: anchored regularisation, the regularised inverse in the label, and the Newton removal step."""

from __future__ import annotations

from ...algebra.theorem import Cancel, Have, Theorem, text_lines
from .settings import use

__all__ = ["RIDGE", "THEOREMS"]

RIDGE = """
    matrix Phi : n x D
    matrix y : n x c
    matrix w_0 : D x c
    matrix M : k x D
    partition n = r + f by S_R, S_F
    let Phi_R = S_R Phi
    let Phi_F = S_F Phi
    let y_R = S_R y
    let A = Phi' Phi + M' M
    let A_R = Phi_R' Phi_R + M' M
    pinv A
    pinv A_R
    let w_r = w_0 + A_R^+ Phi_R' (y_R - Phi_R w_0)
"""
"""Data, regulariser M'M, and the regularised model retrained."""
_RELABELLED = """
    matrix ytilde_F : f x c
    let ytilde = S_R' y_R + S_F' ytilde_F
    let w_u = w_0 + A^+ Phi' (ytilde - Phi w_0)
"""

THEOREMS = (
    Theorem(
        "lemma/regularised-range",
        text_lines("""
            matrix B : n x D
            matrix M : k x D
            let A = B' B + M' M
            pinv A
            conclude B A^+ A = B
            conclude M A^+ A = M
            conclude A^+ = A^+'
            conclude A A^+ B' = B'
            says the regularised normal matrix has the row spaces of both its parts
        """),
        (
            Have("A (I - A^+ A) = 0", ("penrose1(A)",)),
            Cancel(("B (I - A^+ A)", "M (I - A^+ A)")),
            Have("A = A'", ("def(A)",)),
            Have("A^+' A = A A^+", ("penrose3(A)", "last")),
            Have("A^+ A = A A^+'", ("penrose4(A)", "steps")),
            Have("A^+ A = A A^+", ("penrose1(A)", "penrose3(A)", "penrose4(A)", "steps")),
            Have("A^+ = A^+'", ("penrose2(A)", "steps")),
        ),
    ),
    Theorem(
        "ridge-anchored/minimiser",
        text_lines(
            RIDGE,
            """
            conclude Phi_R' (Phi_R w_r - y_R) + M' M (w_r - w_0) = 0
            says w_r is a stationary point of the regularised loss on the retain set
            """,
        ),
        (use("lemma/regularised-range", B="Phi_R", A="A_R"),),
    ),
    Theorem(
        "ridge-anchored/unique",
        text_lines(
            RIDGE,
            """
            matrix w : D x c
            assume stationary: Phi_R' (Phi_R w - y_R) + M' M (w - w_0) = 0
            assume positive: M left-invertible
            conclude w = w_r
            says with a positive definite regulariser there is no other
            """,
        ),
        (
            use("ridge-anchored/minimiser"),
            Have("A_R (w - w_r) = 0"),
            Cancel(("M (w - w_r)", "Phi_R (w - w_r)")),
        ),
    ),
    Theorem(
        "ridge-anchored/gap",
        text_lines(
            RIDGE,
            _RELABELLED,
            """
            conclude w_u - w_r = A^+ Phi_F' (ytilde_F - Phi_F w_r)
            says with a shared anchor w_0 the gap is the label error, mapped back by the ridge
            """,
        ),
        (
            use("lemma/regularised-range", B="Phi"),
            use("lemma/regularised-range", B="Phi_R", A="A_R"),
            use("ridge-anchored/minimiser"),
            Have("Phi_R A^+ A = Phi_R", ("def(Phi_R)", "steps")),
            Have("Phi' ytilde = Phi_R' y_R + Phi_F' ytilde_F", ("def(ytilde)", "def(Phi_R)", "def(Phi_F)")),
            Have("Phi' Phi = Phi_R' Phi_R + Phi_F' Phi_F", ("complete(S_R,S_F)", "def(Phi_R)", "def(Phi_F)")),
            Have("A_R A^+ A = A_R", ("def(A_R)", "steps")),
            use("lemma/pseudo-inverse", A="A_R"),
            Have("A^+ A A_R^+ = A_R^+", ("penrose4(A)", "steps")),
            Have("A^+ A (w_r - w_0) = w_r - w_0", ("def(w_r)", "last")),
            Have(
                "A (w_r - w_0) = Phi' (ytilde - Phi w_0) - Phi_F' (ytilde_F - Phi_F w_r)",
                ("def(A)", "def(Phi_R)", "def(Phi_F)", "complete(S_R,S_F)", "steps"),
            ),
            Have("w_u - w_r = A^+ Phi_F' (ytilde_F - Phi_F w_r)", ("def(w_u)", "last 2")),
        ),
    ),
    Theorem(
        "ridge-anchored/exact-labels",
        text_lines(
            RIDGE,
            _RELABELLED,
            """
            assume optimal-label: ytilde_F = Phi_F w_r
            without positive: M left-invertible
            without full-row-rank: Phi right-invertible
            conclude w_u = w_r
            says relabelling with the predictions of the retrained ridge model is exact, for every M'M, \
                lambda I included
            """,
        ),
        (use("ridge-anchored/gap"),),
    ),
    Theorem(
        "ridge-anchored/sufficient",
        text_lines(
            RIDGE,
            _RELABELLED,
            """
            assume label-equation: Phi_F' (ytilde_F - Phi_F w_r) = 0
            without positive: M left-invertible
            conclude w_u = w_r
            says labels that differ from the optimal ones by an element of ker Phi_F' are exact
            """,
        ),
        (use("ridge-anchored/gap"),),
    ),
    Theorem(
        "ridge-anchored/necessary",
        text_lines(
            RIDGE,
            _RELABELLED,
            """
            assume exact: w_u = w_r
            without positive: M left-invertible
            conclude Phi_F' (ytilde_F - Phi_F w_r) = 0
            says no other labels are
            """,
        ),
        (
            use("ridge-anchored/gap"),
            use("lemma/regularised-range", B="Phi"),
            Have("A A^+ Phi_F' = Phi_F'", ("def(Phi_F)", "steps")),
        ),
    ),
    Theorem(
        "ridge-inverse/invertible",
        text_lines("""
            matrix Phi_R : r x D
            matrix Phi_F : f x D
            matrix y_R : r x c
            matrix w_0 : D x c
            matrix E : r x r
            let K_RR = Phi_R Phi_R'
            let K_eps = K_RR + E
            pinv Phi_R
            let w_r = w_0 + Phi_R^+ (y_R - Phi_R w_0)
            assume retain-gram-invertible: K_RR invertible
            assume regularised-gram-invertible: K_eps invertible
            let label = Phi_F w_0 + Phi_F Phi_R' K_RR^-1 (y_R - Phi_R w_0)
            let label_eps = Phi_F w_0 + Phi_F Phi_R' K_eps^-1 (y_R - Phi_R w_0)
            conclude label = Phi_F w_r
            conclude label_eps - label = -Phi_F Phi_R' K_eps^-1 E K_RR^-1 (y_R - Phi_R w_0)
            says using (K_RR + E)^-1 for K_RR^-1 changes the label by exactly this; E = eps I in the claim
        """),
        (use("lemma/gram-inverse", A="Phi_R", K="K_RR"),),
    ),
    Theorem(
        "ridge-inverse/any-rank",
        text_lines("""
            matrix Phi_R : r x D
            matrix Phi_F : f x D
            matrix y_R : r x c
            matrix w_0 : D x c
            matrix E : r x r
            let K_RR = Phi_R Phi_R'
            let K_eps = K_RR + E
            pinv K_RR
            pinv Phi_R
            let w_r = w_0 + Phi_R^+ (y_R - Phi_R w_0)
            assume regularised-gram-invertible: K_eps invertible
            assume scalar: E K_RR = K_RR E
            without retain-gram-invertible: K_RR invertible
            let label_eps = Phi_F w_0 + Phi_F Phi_R' K_eps^-1 (y_R - Phi_R w_0)
            conclude label_eps - Phi_F w_r = -Phi_F Phi_R' K_eps^-1 E K_RR^+ (y_R - Phi_R w_0)
            says the same with the Moore-Penrose inverse if K_RR is singular, as long as E commutes with it
        """),
        (
            use("lemma/gram", A="Phi_R", K="K_RR"),
            Have("K_RR = K_RR'", ("def(K_RR)",)),
            Have("K_RR K_RR K_RR^+ = K_RR", ("penrose1(K_RR)", "penrose3(K_RR)", "last")),
            Have("K_eps K_RR = K_RR K_eps", ("def(K_eps)", "assume(scalar)")),
            Have("K_eps^-1 K_RR = K_RR K_eps^-1", ("last", "left_inverse(K_eps)", "right_inverse(K_eps)")),
            Have("K_RR K_eps^-1 (I - K_RR K_RR^+) = 0", ("steps",)),
            Cancel(("Phi_R' K_eps^-1 (I - K_RR K_RR^+)",)),
            Have(
                "Phi_R' K_eps^-1 - Phi_R' K_RR^+ = -Phi_R' K_eps^-1 E K_RR^+",
                ("def(K_eps)", "left_inverse(K_eps)", "last"),
            ),
            Have(
                "label_eps - Phi_F w_r = -Phi_F Phi_R' K_eps^-1 E K_RR^+ (y_R - Phi_R w_0)",
                ("def(label_eps)", "def(w_r)", "steps"),
            ),
        ),
    ),
    Theorem(
        "ridge-inverse/bound",
        text_lines("""
            matrix Phi_R : r x D
            matrix Phi_F : f x D
            matrix y_R : r x c
            matrix w_0 : D x c
            matrix C : r x r
            scalar h on r
            scalar g on r
            let eps : r x r = h_r h_r
            let low : r x r = g_r g_r
            let K_RR = Phi_R Phi_R'
            let K_eps = K_RR + eps
            pinv Phi_R
            pinv K_eps
            let rest = y_R - Phi_R w_0
            let w_r = w_0 + Phi_R^+ rest
            assume lowest: K_RR = low + C' C
            without retain-gram-invertible: K_RR invertible
            let label_eps = Phi_F w_0 + Phi_F Phi_R' K_eps^+ rest
            let shift = eps K_eps^+ rest
            let a = C g_r shift
            let b = C h_r shift
            let d = C' C shift
            conclude label_eps - Phi_F w_r = -Phi_F Phi_R^+ shift
            conclude ((low + eps) shift)' (low + eps) shift + a' a + a' a + b' b + b' b + d' d = (eps rest)' eps rest
            says the label shifts by K_FR K_RR^+ times a vector that is at most eps/(low + eps) times as long as y_R - \
                Phi_R w_0, for every number low >= 0 with K_RR - low I positive semidefinite
            remains the largest such low is lambda_min(K_RR), and a matrix of norm N makes no vector more than N times \
                as long
        """),
        (
            use("lemma/regularised-range", B="Phi_R'", M="h_r", A="K_eps"),
            # The lemma is the second step: that K_eps is what it asks for is the first.
            use("lemma/pseudo-inverse", A="Phi_R"),
            Have("K_eps' = K_eps", ("def(K_eps)", "def(K_RR)", "def(eps)", "symmetric(h_r)")),
            Have("K_eps K_eps^+ = K_eps^+ K_eps", ("penrose3(K_eps)", "step(2).3", "last")),
            Have("Phi_R' K_eps K_eps^+ = Phi_R'", ("step(2).1", "last")),
            Have("h_r K_eps K_eps^+ = h_r", ("step(2).2", "step(5)")),
            Have("Phi_R^+ K_eps K_eps^+ = Phi_R^+", ("step(3).3", "step(6)")),
            Have(
                "Phi_R^+ eps K_eps^+ = Phi_R^+ - Phi_R' K_eps^+",
                ("def(K_eps)", "def(K_RR)", "step(3).2", "last"),
            ),
            Have(
                "label_eps - Phi_F w_r = -Phi_F Phi_R^+ shift",
                ("def(label_eps)", "def(w_r)", "def(shift)", "last"),
            ),
            Have(
                "h_r K_eps = K_eps h_r",
                (
                    "def(K_eps)",
                    "def(eps)",
                    "assume(lowest)",
                    "def(low)",
                    "commutes(h,C)",
                    "commutes(g,h_r)",
                    "symmetric(h_r)",
                ),
            ),
            Have("K_eps shift = eps rest", ("def(shift)", "def(eps)", "step(7)", "last")),
            Have("(low + eps) shift + C' C shift = eps rest", ("def(K_eps)", "assume(lowest)", "last")),
            Have("a' a = (low shift)' C' C shift", ("def(a)", "def(low)", "commutes(g,C)", "symmetric(g_r)")),
            Have("b' b = (eps shift)' C' C shift", ("def(b)", "def(eps)", "commutes(h,C)", "symmetric(h_r)")),
            Have(
                "((low + eps) shift)' (low + eps) shift + a' a + a' a + b' b + b' b + d' d = (eps rest)' eps rest",
                ("def(d)", "last 3", "def(low)", "def(eps)", "symmetric(g_r)", "symmetric(h_r)"),
            ),
        ),
    ),
    Theorem(
        "newton-removal",
        text_lines(
            RIDGE,
            """
            let w_p = w_0 + A^+ Phi' (y - Phi w_0)
            assume positive: M left-invertible
            without full-row-rank: Phi right-invertible
            conclude A_R^+ A_R = I
            conclude w_r = w_p + A_R^+ Phi_F' (Phi_F w_p - S_F y)
            says one Newton step on the retain loss removes the forget samples exactly from a ridge model
            """,
        ),
        (
            use("lemma/regularised-range", B="Phi"),
            use("ridge-anchored/minimiser"),
            Have("Phi' (Phi w_p - y) + M' M (w_p - w_0) = 0"),
            use("lemma/regularised-range", B="Phi_R", A="A_R"),
            Have("A_R^+ A_R = I"),
            Have(
                "A_R (w_r - w_p) = Phi_F' (Phi_F w_p - S_F y)",
                ("def(A_R)", "def(Phi_R)", "def(Phi_F)", "def(y_R)", "complete(S_R,S_F)", "steps"),
            ),
            Have("w_r = w_p + A_R^+ Phi_F' (Phi_F w_p - S_F y)", ("last 2",)),
        ),
    ),
)
