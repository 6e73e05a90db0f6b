"""Updates that stand for retraining: of an inverse, of labels and features, and what first-order ones miss."""

from __future__ import annotations

from ...algebra.theorem import Have, Theorem, text_lines
from .settings import DATA, TRAINED, use

__all__ = ["THEOREMS"]

_REGULARISED = """
    matrix Phi : n x D
    matrix y : n x c
    matrix w_0 : D x c
    matrix L : D x D
    partition n = r + f by S_R, S_F
    let Phi_R = S_R Phi
    let Phi_F = S_F Phi
    let y_R = S_R y
    let y_F = S_F y
    let A = Phi' Phi + L
    let A_R = Phi_R' Phi_R + L
    assume regular: A invertible
    assume regular-without-forget: A_R invertible
    let w_p = w_0 + A^-1 Phi' (y - Phi w_0)
    let w_r = w_0 + A_R^-1 Phi_R' (y_R - Phi_R w_0)
"""
"""Ridge of any kind, L = lambda I in the claims: both normal matrices have inverses."""

_NORMAL = (
    Have("A = A_R + Phi_F' Phi_F", ("def(A)", "def(A_R)", "def(Phi_R)", "def(Phi_F)", "complete(S_R,S_F)")),
    Have("A (w_p - w_0) = Phi' (y - Phi w_0)", ("def(w_p)", "right_inverse(A)")),
    Have("A_R (w_r - w_0) = Phi_R' (y_R - Phi_R w_0)", ("def(w_r)", "right_inverse(A_R)")),
    Have(
        "Phi' (y - Phi w_0) = Phi_R' (y_R - Phi_R w_0) + Phi_F' (y_F - Phi_F w_0)",
        ("def(y_R)", "def(y_F)", "def(Phi_R)", "def(Phi_F)", "complete(S_R,S_F)"),
    ),
    Have("A (w_p - w_r) = Phi_F' (y_F - Phi_F w_r)", ("steps",)),
)

THEOREMS = (
    Theorem(
        "downdate",
        text_lines(
            DATA,
            TRAINED,
            """
            let K = Phi Phi'
            assume gram-invertible: K invertible
            let B = S_F K^-1 S_F'
            pinv B
            let K_RR = Phi_R Phi_R'
            conclude B B^+ = I
            conclude w_r = w_p - Phi' K^-1 S_F' B^+ S_F K^-1 (y - Phi w_0)
            conclude K_RR (S_R K^-1 S_R' - S_R K^-1 S_F' B^+ S_F K^-1 S_R') = I
            says with the inverse Gram matrix at hand, retraining is a small solve on the forget samples
            """,
        ),
        (
            use("leave-block-out"),
            use("gap-formula/pretrained"),
            use("lemma/gram-inverse", A="Phi"),
            Have("w_p - w_r = Phi' K^-1 S_F' B^+ S_F K^-1 (y - Phi w_0)", ("steps",)),
            Have("K_RR = S_R K S_R'", ("def(K)", "def(K_RR)", "def(Phi_R)")),
            Have(
                "S_R K S_R' S_R K^-1 S_R' = I - S_R K S_F' S_F K^-1 S_R'",
                ("complete(S_R,S_F)", "right_inverse(K)", "orthonormal(S_R)"),
            ),
            Have(
                "S_R K S_R' S_R K^-1 S_F' = -S_R K S_F' B",
                ("complete(S_R,S_F)", "right_inverse(K)", "disjoint(S_R,S_F)", "def(B)"),
            ),
            Have("K_RR (S_R K^-1 S_R' - S_R K^-1 S_F' B^+ S_F K^-1 S_R') = I", ("steps",)),
        ),
    ),
    Theorem(
        "ridge-block-out",
        text_lines(
            _REGULARISED,
            """
            let H_FF = Phi_F A^-1 Phi_F'
            let V = I - H_FF
            pinv V
            conclude V V^+ = I
            conclude V (y_F - Phi_F w_r) = y_F - Phi_F w_p
            conclude y_F - Phi_F w_r = V^+ (y_F - Phi_F w_p)
            says residuals of the retrained ridge model follow from those of the pretrained one by a small solve, of \
                a system that is invertible
            """,
        ),
        (
            *_NORMAL,
            Have("w_p - w_r = A^-1 Phi_F' (y_F - Phi_F w_r)", ("left_inverse(A)", "last")),
            Have("V (y_F - Phi_F w_r) = y_F - Phi_F w_p", ("def(V)", "def(H_FF)", "last")),
            Have("A A_R^-1 Phi_F' = Phi_F' (I + Phi_F A_R^-1 Phi_F')", ("right_inverse(A_R)", "step(1)")),
            Have("V (I + Phi_F A_R^-1 Phi_F') = I", ("def(V)", "def(H_FF)", "left_inverse(A)", "last")),
            Have("Phi_F A_R^-1 A = (I + Phi_F A_R^-1 Phi_F') Phi_F", ("left_inverse(A_R)", "step(1)")),
            Have("(I + Phi_F A_R^-1 Phi_F') V = I", ("def(V)", "def(H_FF)", "right_inverse(A)", "last")),
            Have("V V^+ = I", ("penrose1(V)", "last 3")),
            Have("V^+ V = I", ("penrose1(V)", "last 4")),
            Have("y_F - Phi_F w_r = V^+ (y_F - Phi_F w_p)", ("step(7)", "last")),
        ),
    ),
    Theorem(
        "influence",
        text_lines(
            _REGULARISED,
            """
            let H_FF = Phi_F A^-1 Phi_F'
            let V = I - H_FF
            pinv V
            let e_F = y_F - Phi_F w_p
            let w_IF = w_p - A^-1 Phi_F' e_F
            conclude V V^+ = I
            conclude w_IF - w_r = A^-1 Phi_F' H_FF V^+ e_F
            says the influence-function update misses the retrained ridge model by exactly this
            """,
        ),
        (
            use("ridge-block-out"),
            *_NORMAL,
            Have("w_p - w_r = A^-1 Phi_F' (y_F - Phi_F w_r)", ("left_inverse(A)", "last")),
            Have("V^+ e_F - e_F = H_FF V^+ e_F", ("def(V)", "step(1).1")),
            Have("w_IF - w_r = A^-1 Phi_F' H_FF V^+ e_F", ("def(w_IF)", "def(e_F)", "step(1).3", "last 2")),
        ),
    ),
    Theorem(
        "newton-glm",
        text_lines("""
            matrix w_p : D x c
            matrix w_r : D x c
            matrix g : D x c
            matrix H : D x D
            matrix H_mean : D x D
            assume mean-hessian: g = H_mean (w_p - w_r)
            assume regular: H invertible
            let w_N = w_p - H^-1 g
            conclude w_N - w_r = H^-1 (H - H_mean) (w_p - w_r)
            says one Newton step misses the retrained model by the change of the Hessian on the way
            remains the gradient g of the retain loss at w_p is the mean Hessian between w_r and w_p times the way
        """),
    ),
    Theorem(
        "forget-features",
        text_lines("""
            matrix Phi : n x D
            matrix y : n x c
            matrix L : D x D
            partition D = k + g by T_K, T_G
            let A = Phi' Phi + L
            assume regular: A invertible
            let w = A^-1 Phi' y
            let A_K = T_K A T_K'
            assume regular-without-features: A_K invertible
            let w_K = A_K^-1 T_K Phi' y
            let B = T_G A^-1 T_G'
            pinv B
            conclude B B^+ = I
            conclude w_K = T_K w - T_K A^-1 T_G' B^+ T_G w
            says forgetting features G from a ridge model is a small solve on the inverse normal matrix
        """),
        (
            Have(
                "T_K' A_K^-1 T_K A T_G' - T_G' = -A^-1 T_G' T_G A (T_G' - T_K' A_K^-1 T_K A T_G')",
                ("def(A_K)", "right_inverse(A_K)", "left_inverse(A)", "complete(T_K,T_G)"),
            ),
            Have(
                "B T_G A (T_G' - T_K' A_K^-1 T_K A T_G') = I",
                ("def(B)", "orthonormal(T_G)", "disjoint(T_K,T_G)", "last"),
            ),
            Have("B B^+ = I", ("penrose1(B)", "last")),
            Have("A w = Phi' y", ("def(w)", "right_inverse(A)")),
            Have("T_G (w - A^-1 T_G' B^+ T_G w) = 0", ("def(B)", "last 2")),
            Have("A A^-1 T_G' = T_G'", ("right_inverse(A)",)),
            Have("T_K A (w - A^-1 T_G' B^+ T_G w) = T_K Phi' y", ("disjoint(T_K,T_G)", "last 3")),
            Have(
                "A_K T_K (w - A^-1 T_G' B^+ T_G w) = T_K Phi' y", ("def(A_K)", "complete(T_K,T_G)", "last 3")
            ),
            Have("w_K = T_K w - T_K A^-1 T_G' B^+ T_G w", ("def(w_K)", "left_inverse(A_K)", "last")),
        ),
    ),
    Theorem(
        "label-correction",
        text_lines("""
            matrix Phi : n x D
            matrix y : n x c
            matrix w_0 : D x c
            matrix S_F : f x n
            matrix d : f x c
            let y_new = y + S_F' d
            let K = Phi Phi'
            pinv Phi
            pinv K
            let w_p = w_0 + Phi^+ (y - Phi w_0)
            let w_new = w_0 + Phi^+ (y_new - Phi w_0)
            conclude w_new - w_p = Phi^+ S_F' d
            conclude (w_new - w_p)' (w_new - w_p) = d' S_F K^+ S_F' d
            says correcting labels moves the model by this, at any rank
        """),
        (use("lemma/gram", A="Phi"),),
    ),
)
