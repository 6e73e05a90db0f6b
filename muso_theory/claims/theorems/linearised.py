"""Linearised networks, and two published updates that equal retraining in the linear setting."""

from __future__ import annotations

from ...algebra.theorem import Have, Theorem, text_lines
from .settings import DATA, TRAINED, use

__all__ = ["THEOREMS"]

_NETWORK = """
    matrix J : n x p
    matrix f_0 : n x c
    matrix theta_0 : p x c
    matrix y : n x c
    partition n = r + f by S_R, S_F
    let J_R = S_R J
    let J_F = S_F J
    pinv J
    pinv J_R
    let theta_p = theta_0 + J^+ (y - f_0)
    let theta_r = theta_0 + J_R^+ (S_R y - S_R f_0)
"""

THEOREMS = (
    Theorem(
        "linearised-network/reduction",
        text_lines("""
            matrix J : n x p
            matrix f_0 : n x c
            matrix theta_0 : p x c
            matrix theta : p x c
            matrix y : n x c
            pinv J
            let out = f_0 + J (theta - theta_0)
            let w = theta - theta_0
            conclude y - out = (y - f_0) - J w
            conclude theta + J^+ (y - out) - theta_0 = w + J^+ ((y - f_0) - J w)
            says training the linearised network is least squares with features J, targets y - f_0 and w_0 = 0
        """),
    ),
    Theorem(
        "linearised-network/exact-labels",
        text_lines(
            _NETWORK,
            """
            matrix z : f x c
            let out_p = f_0 + J (theta_p - theta_0)
            let theta_u = theta_p + J^+ (S_R' S_R y + S_F' z - out_p)
            assume optimal-label: z = S_F f_0 + J_F (theta_r - theta_0)
            without full-row-rank: J right-invertible
            conclude theta_u = theta_r
            says relabelling with the outputs of the retrained linearised network unlearns exactly
            """,
        ),
        (
            use("lemma/update", A="J_R", t="S_R y - S_R f_0", v="theta_r - theta_0"),
            use("lemma/nested-rows", A="J", E="S_R"),
            use("lemma/pseudo-inverse", A="J"),
            use("lemma/pseudo-inverse", A="J_R"),
            Have(
                "J_R' (S_R y - S_R f_0 - J_R (theta_r - theta_0)) = 0",
                ("def(theta_r)", "penrose1(J_R)", "steps"),
            ),
            Have("J^+ J (theta_p - theta_0) = theta_p - theta_0", ("def(theta_p)", "penrose2(J)")),
            Have("J^+ J (theta_r - theta_0) = theta_r - theta_0", ("def(theta_r)", "steps")),
            Have(
                "S_R' S_R y + S_F' z - f_0 - J (theta_r - theta_0)"
                " = S_R' (S_R y - S_R f_0 - J_R (theta_r - theta_0))",
                ("complete(S_R,S_F)", "def(J_R)", "def(J_F)", "assume(optimal-label)"),
            ),
            Have("J^+ S_R' (S_R y - S_R f_0 - J_R (theta_r - theta_0)) = 0", ("def(J_R)", "steps")),
            Have(
                "theta_u = theta_p + J^+ (S_R' S_R y + S_F' z - f_0) - (theta_p - theta_0)",
                ("def(theta_u)", "def(out_p)", "steps"),
            ),
            Have("theta_u = theta_r", ("steps",)),
        ),
    ),
    Theorem(
        "linearised-network/kernel",
        text_lines(
            _NETWORK,
            """
            let Theta = J J'
            let Theta_R = J_R J_R'
            pinv Theta
            pinv Theta_R
            conclude theta_p - theta_0 = J' Theta^+ (y - f_0)
            conclude J_F (theta_r - theta_0) = J_F J_R' Theta_R^+ (S_R y - S_R f_0)
            says both models, and so the labels, follow from the empirical tangent kernel J J'; with several outputs a \
                row of J belongs to a sample and an output, n counts both and c = 1
            """,
        ),
        (use("lemma/gram", A="J", K="Theta"), use("lemma/gram", A="J_R", K="Theta_R")),
    ),
    Theorem(
        "ntk-scrubbing",
        text_lines(
            DATA,
            TRAINED,
            """
            let K = Phi Phi'
            assume gram-invertible: K invertible
            let K_RR = Phi_R Phi_R'
            pinv K_RR
            let S = Phi_F (I - Phi_R^+ Phi_R) Phi_F'
            pinv S
            let V = Phi_F w_0 - S_F y + Phi_F Phi_R' K_RR^+ (y_R - Phi_R w_0)
            conclude K_RR K_RR^+ = I
            conclude S S^+ = I
            conclude w_p + (I - Phi_R^+ Phi_R) Phi_F' S^+ V = w_r
            says the scrubbing update of Golatkar, Achille and Soatto equals retraining for a linear model
            """,
        ),
        (
            use("lemma/principal-block", A="Phi", S="S_R", T="S_F", B="Phi_R", M="K_RR"),
            use("lemma/gram", A="Phi_R", K="K_RR"),
            use("lemma/gram-inverse", A="Phi"),
            use("lemma/pseudo-inverse", A="Phi_R"),
            use("lemma/nested-rows", A="Phi", E="S_R"),
            use("gap-formula/pretrained"),
            Have("Phi_F w_r = Phi_F w_0 + Phi_F Phi_R' K_RR^+ (y_R - Phi_R w_0)", ("def(w_r)", "steps")),
            Have("V = Phi_F w_r - S_F y", ("def(V)", "last")),
            Have("Phi_R (I - Phi_R^+ Phi_R) Phi_F' = 0", ("penrose1(Phi_R)",)),
            Have(
                "Phi (I - Phi_R^+ Phi_R) Phi_F' = S_F' S",
                ("def(S)", "def(Phi_R)", "def(Phi_F)", "complete(S_R,S_F)", "last"),
            ),
            Have(
                "Phi^+ Phi (I - Phi_R^+ Phi_R) Phi_F' = (I - Phi_R^+ Phi_R) Phi_F'",
                ("def(Phi_F)", "def(K)", "right_inverse(K)", "steps"),
            ),
            Have("(I - Phi_R^+ Phi_R) Phi_F' = Phi^+ S_F' S", ("last 2",)),
            Have("S_F' = K^-1 Phi Phi_F'", ("def(K)", "def(Phi_F)", "left_inverse(K)")),
            Have("S_R' = K^-1 Phi Phi_R'", ("def(K)", "def(Phi_R)", "left_inverse(K)")),
            Have("S_R Phi^+' Phi_R' = I", ("def(Phi_R)", "orthonormal(S_R)", "steps")),
            Have("S_F K^-1 Phi Phi_R^+ = 0", ("disjoint(S_R,S_F)", "steps")),
            Have("S_F K^-1 S_F' S = I", ("orthonormal(S_F)", "steps")),
            Have("S = S'", ("def(S)", "penrose4(Phi_R)")),
            Have("S^+ S = I", ("penrose1(S)", "last 2")),
            Have("S S^+' = I", ("last 2",)),
            Have("S S^+ = I", ("penrose1(S)", "last")),
            Have("(I - Phi_R^+ Phi_R) Phi_F' S^+ = Phi^+ S_F'", ("last", "last 12")),
            Have("w_p - w_r = -Phi^+ S_F' V", ("steps",)),
            Have("w_p + (I - Phi_R^+ Phi_R) Phi_F' S^+ V = w_r", ("last 2",)),
        ),
    ),
    Theorem(
        "orthogonal-gradient/projection",
        text_lines(
            DATA,
            TRAINED,
            """
            matrix a : r x c
            let d = Phi_R' a
            assume keeps-retain-outputs: Phi_R d = Phi_R (w_p - w_0)
            conclude d = Phi_R^+ Phi_R (w_p - w_0)
            says the shortest step with given outputs on the retain set is a projection
            """,
        ),
        (use("lemma/pseudo-inverse", A="Phi_R"), Have("d = Phi_R^+ Phi_R d")),
    ),
    Theorem(
        "orthogonal-gradient/shortest",
        text_lines(
            DATA,
            TRAINED,
            """
            matrix d : D x c
            assume keeps-retain-outputs: Phi_R d = Phi_R (w_p - w_0)
            let s = Phi_R^+ Phi_R (w_p - w_0)
            conclude d' d = s' s + (d - s)' (d - s)
            says every other step with these outputs is longer, by a square
            """,
        ),
        (Have("s = Phi_R^+ Phi_R d"), Have("s' (d - s) = 0")),
    ),
    Theorem(
        "orthogonal-gradient/exact",
        text_lines(
            DATA,
            TRAINED,
            """
            matrix a : r x c
            let d = Phi_R' a
            assume keeps-retain-outputs: Phi_R d = Phi_R (w_p - w_0)
            assume least-squares-on-retain: Phi_R' (Phi_R w_p - y_R) = 0
            conclude w_0 + d = w_r
            says taken from w_0, that step reaches the retrained model
            """,
        ),
        (use("orthogonal-gradient/projection"), use("label-free/sufficient")),
    ),
)
