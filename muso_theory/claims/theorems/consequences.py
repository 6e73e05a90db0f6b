"""What follows from the closed forms: downdates, energies, influence functions, features to forget, constraints."""

from __future__ import annotations

from ...algebra.theorem import Have, Theorem, Witness, text_lines
from .settings import DATA, TRAINED, use

__all__ = ["SUBSET", "THEOREMS"]

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
SUBSET = """
    matrix Phi : n x D
    matrix y : n x c
    matrix w_0 : D x c
    partition n = r + f by S_R, S_F
    partition r = s + q by S_S, S_Q
    let Phi_R = S_R Phi
    let Phi_F = S_F Phi
    let Phi_S = S_S Phi_R
    let Phi_Q = S_Q Phi_R
    let y_R = S_R y
    let y_S = S_S y_R
    let y_Q = S_Q y_R
    pinv Phi
    pinv Phi_S
    let w_p = w_0 + Phi^+ (y - Phi w_0)
    let w_S = w_0 + Phi_S^+ (y_S - Phi_S w_0)
    let w_u = w_p + Phi^+ (S_R' y_R + S_F' Phi_F w_S - Phi w_p)
    let error = y_Q - Phi_Q w_S
"""
"""Fine-tuning on the label of the model retrained on a part S of the retain set, Q its rest."""
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
        "minimum-norm",
        text_lines("""
            matrix Phi : n x D
            matrix t : n x c
            matrix v : D x c
            pinv Phi
            let g = v + Phi^+ (t - Phi v)
            matrix w : D x c
            assume least-squares: Phi' (t - Phi w) = 0
            conclude (w - v)' (w - v) = (g - v)' (g - v) + (w - g)' (w - g)
            says every other least-squares solution is farther from the start, by a square
        """),
        (
            use("lemma/pseudo-inverse", A="Phi"),
            Have("Phi^+ Phi w = Phi^+ t"),
            Have("g - v = Phi^+ Phi (w - v)"),
            Have("(g - v)' (w - g) = 0"),
        ),
    ),
    Theorem(
        "ridge-minimiser",
        text_lines("""
            matrix Phi : n x D
            matrix t : n x c
            matrix v : D x c
            matrix M : k x D
            let A = Phi' Phi + M' M
            pinv A
            let g = v + A^+ Phi' (t - Phi v)
            matrix w : D x c
            let at_w = (t - Phi w)' (t - Phi w) + (M (w - v))' (M (w - v))
            let at_g = (t - Phi g)' (t - Phi g) + (M (g - v))' (M (g - v))
            let d = w - g
            conclude at_w = at_g + (Phi d)' (Phi d) + (M d)' (M d)
            says the ridge solution minimises the regularised loss: elsewhere it is larger, by squares
        """),
        (
            use("lemma/regularised-range", B="Phi"),
            Have("Phi' (t - Phi g) = M' M (g - v)", ("def(g)", "def(A)", "steps", "penrose1(A)")),
            Have("w = g + d", ("def(d)",)),
            Have("at_w = at_g + (Phi d)' (Phi d) + (M d)' (M d)", ("def(at_w)", "def(at_g)", "last 2")),
        ),
    ),
    Theorem(
        "membership",
        text_lines("""
            matrix w_u : D x c
            matrix w_r : D x c
            matrix X : k x D
            let d = w_u - w_r
            conclude X w_u - X w_r = X d
            conclude (X w_u - X w_r)' (X w_u - X w_r) = d' X' X d
            says on any samples the outputs of two linear models differ by the samples times the parameter gap
        """),
    ),
    Theorem(
        "membership/equal-scores",
        text_lines("""
            matrix w_u : D x c
            matrix w_r : D x c
            matrix X : k x D
            assume exact: w_u = w_r
            conclude X w_u = X w_r
            says exactly unlearned, the outputs are those of the retrained model, on any samples
            remains an attack is a function of parameters and outputs, so that equal ones get equal scores; |score_u - \
                score_r| <= Lipschitz constant times the difference of outputs
        """),
    ),
    Theorem(
        "downsample-gap",
        text_lines(
            SUBSET,
            """
            conclude w_u - w_S = Phi^+ S_R' S_Q' error
            says fine-tuning on the labels of the model retrained on S misses it by what the rest Q of the retain set \
                pulls back
            """,
        ),
        (
            use("lemma/update", A="Phi_S", t="y_S", v="w_0", w="w_S"),
            use("lemma/update", A="Phi", t="y", v="w_0", w="w_p"),
            use("lemma/pseudo-inverse", A="Phi"),
            use("lemma/nested-rows", A="Phi", E="S_S S_R", B="Phi_S"),
            Have("Phi^+ Phi (w_S - w_0) = w_S - w_0", ("def(w_S)", "steps")),
            Have("Phi^+ S_R' S_S' (y_S - Phi_S w_S) = 0", ("def(Phi_S)", "def(Phi_R)", "steps")),
            Have(
                "S_R' y_R + S_F' Phi_F w_S - Phi w_S = S_R' S_S' (y_S - Phi_S w_S) + S_R' S_Q' error",
                (
                    "def(error)",
                    "def(Phi_S)",
                    "def(Phi_Q)",
                    "def(Phi_R)",
                    "def(Phi_F)",
                    "def(y_S)",
                    "def(y_Q)",
                    "complete(S_R,S_F)",
                    "complete(S_S,S_Q)",
                ),
            ),
            Have("w_u = w_S + Phi^+ (S_R' y_R + S_F' Phi_F w_S - Phi w_S)", ("def(w_u)", "steps")),
            Have("w_u - w_S = Phi^+ S_R' S_Q' error", ("steps",)),
        ),
    ),
    Theorem(
        "downsample-gap/exact",
        text_lines(
            SUBSET,
            """
            assume rest-is-fitted: Phi_Q' error = 0
            conclude w_u = w_S
            says it reaches that model if the rest Q pulls at nothing
            """,
        ),
        (
            use("downsample-gap"),
            use("lemma/pseudo-inverse", A="Phi"),
            Have("Phi' S_R' S_Q' error = 0", ("assume(rest-is-fitted)", "def(Phi_Q)", "def(Phi_R)")),
            Have("w_u = w_S", ("steps",)),
        ),
    ),
    Theorem(
        "downsample-gap/only-if",
        text_lines(
            SUBSET,
            """
            assume exact: w_u = w_S
            conclude Phi_Q' error = 0
            says and only then
            """,
        ),
        (
            use("downsample-gap"),
            use("lemma/pseudo-inverse", A="Phi"),
            Have("Phi' S_R' S_Q' error = 0", ("assume(exact)", "steps")),
            Have("Phi_Q' error = 0", ("def(Phi_Q)", "def(Phi_R)", "last")),
        ),
    ),
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
        "energy",
        text_lines(
            DATA,
            TRAINED,
            """
            assume interpolates-retain: Phi_R w_p = y_R
            conclude (w_p - w_0)' (w_p - w_0) = (w_r - w_0)' (w_r - w_0) + (w_p - w_r)' (w_p - w_r)
            says if the pretrained model fits the retain set, squared lengths add: what is forgotten is what \
                remembering cost
            """,
        ),
        (
            use("lemma/pseudo-inverse", A="Phi_R"),
            Have("w_r - w_0 = Phi_R^+ Phi_R (w_p - w_0)"),
            Have("(w_r - w_0)' (w_p - w_r) = 0"),
        ),
    ),
    Theorem(
        "ridge-block-out",
        text_lines(
            _REGULARISED,
            """
            let H_FF = Phi_F A^-1 Phi_F'
            conclude (I - H_FF) (y_F - Phi_F w_r) = y_F - Phi_F w_p
            says residuals of the retrained ridge model follow from those of the pretrained one by a small solve
            """,
        ),
        (
            *_NORMAL,
            Have("w_p - w_r = A^-1 Phi_F' (y_F - Phi_F w_r)", ("left_inverse(A)", "last")),
            Have("(I - H_FF) (y_F - Phi_F w_r) = y_F - Phi_F w_p", ("def(H_FF)", "last")),
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
            Have("A A_R^-1 Phi_F' = Phi_F' (I + Phi_F A_R^-1 Phi_F')", ("right_inverse(A_R)", "step(2)")),
            Have("V (I + Phi_F A_R^-1 Phi_F') = I", ("def(V)", "def(H_FF)", "left_inverse(A)", "last")),
            Have("Phi_F A_R^-1 A = (I + Phi_F A_R^-1 Phi_F') Phi_F", ("left_inverse(A_R)", "step(2)")),
            Have("(I + Phi_F A_R^-1 Phi_F') V = I", ("def(V)", "def(H_FF)", "right_inverse(A)", "last")),
            Have("V V^+ = I", ("penrose1(V)", "last 3")),
            Have("V^+ V = I", ("penrose1(V)", "last 4")),
            Have("y_F - Phi_F w_r = V^+ e_F", ("def(V)", "def(e_F)", "step(1).1", "last")),
            Have("V^+ e_F - e_F = H_FF V^+ e_F", ("def(V)", "step(12)")),
            Have("w_IF - w_r = A^-1 Phi_F' H_FF V^+ e_F", ("def(w_IF)", "step(7)", "last 2")),
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
    Theorem(
        "affine-constraint",
        text_lines("""
            matrix Phi : n x D
            matrix y : n x c
            matrix w_0 : D x c
            matrix C : k x D
            matrix b : k x c
            partition n = r + f by S_R, S_F
            pinv C
            let N = I - C^+ C
            assume start-feasible: C w_0 = b
            let Z = Phi N
            let Z_R = S_R Z
            let Z_F = S_F Z
            pinv Z
            pinv Z_R
            let e = y - Phi w_0
            let v_p = Z^+ e
            let v_r = Z_R^+ S_R e
            let w_p = w_0 + v_p
            let w_r = w_0 + v_r
            let v_u = v_p + Z^+ (S_R' S_R e + S_F' Z_F v_r - Z v_p)
            let w_u = w_0 + v_u
            conclude C w_u = b
            conclude w_u = w_r
            says with an affine constraint that all runs share, relabelling stays exact and feasible
        """),
        (
            Have("C N = 0", ("def(N)", "penrose1(C)")),
            Have("N = N'", ("def(N)", "penrose4(C)")),
            use("lemma/pseudo-inverse", A="Z"),
            use("lemma/pseudo-inverse", A="Z_R"),
            use("lemma/nested-rows", A="Z", E="S_R"),
            Have("C Z' = 0", ("def(Z)", "steps")),
            Have("C Z^+ = 0", ("steps",)),
            Have("Z_R' (S_R e - Z_R v_r) = 0", ("def(v_r)", "penrose1(Z_R)", "steps")),
            Have("Z^+ S_R' (S_R e - Z_R v_r) = 0", ("def(Z_R)", "steps")),
            Have(
                "S_R' S_R e + S_F' Z_F v_r - Z v_r = S_R' (S_R e - Z_R v_r)",
                ("complete(S_R,S_F)", "def(Z_R)", "def(Z_F)"),
            ),
            Have("Z^+ Z v_p = v_p", ("def(v_p)", "penrose2(Z)")),
            Have("Z^+ Z v_r = v_r", ("def(v_r)", "steps")),
            Have("v_u = v_r", ("def(v_u)", "steps")),
            Have("w_u = w_r", ("def(w_u)", "def(w_r)", "last")),
            Have("C v_p = 0", ("def(v_p)", "steps")),
            Have("C w_u = b", ("def(w_u)", "def(v_u)", "assume(start-feasible)", "steps")),
        ),
    ),
    Theorem(
        "mirror-descent",
        text_lines("""
            matrix Phi : n x D
            matrix y : n x c
            matrix p_0 : D x c
            partition n = r + f by S_R, S_F
            let Phi_R = S_R Phi
            let Phi_F = S_F Phi
            let y_R = S_R y
            matrix w_r : D x c
            matrix p_p : D x c
            matrix a : n x c
            matrix b : r x c
            let p_r = p_0 + Phi_R' b
            assume pretrained-in-span: p_p = p_0 + Phi' a
            assume retrained-fits: Phi_R w_r = y_R
            exists l : n x c
            conclude p_r = p_p + Phi' l
            conclude Phi w_r = S_R' y_R + S_F' Phi_F w_r
            says the retrained model satisfies the conditions of fine-tuning in any shared mirror map, p its gradient
            remains argmin of a Bregman divergence to the start on Phi w = t is where Phi w = t and the gradients of \
                the mirror map differ by Phi' l; it is unique for a strictly convex map
        """),
        (
            Witness("l", "S_R' b - a"),
            Have("p_r = p_p + Phi' l"),
        ),
    ),
    Theorem(
        "inexact-training",
        text_lines(
            DATA,
            """
            let w_r = w_0 + Phi_R^+ (y_R - Phi_R w_0)
            let P = Phi^+ Phi
            matrix s : D x c
            matrix M : D x D
            let w = w_r + M (s - w_r)
            matrix q : D x D
            matrix C : k x D
            assume polynomial-in-gram: M P = P M
            assume off-rows: M (I - P) = I - P
            assume contracts: P q' q P - P M' M P = C' C
            let off = (I - P) (s - w_0)
            let on = q P (s - w_r)
            let spare = C (s - w_r)
            conclude (w - w_r)' (w - w_r) = off' off + on' on - spare' spare
            says training that stops misses the retrained model by at most the start's part off the rows and a \
                shrinking rest
            remains M = (I - eta Phi' Phi)^T by gd-finite-time, and q = (1 - eta lambda_min)^T I, for which \
                P q' q P - P M' M P is positive semidefinite if eta <= 1/lambda_max
            """,
        ),
        (
            use("lemma/nested-rows", A="Phi", E="S_R"),
            use("lemma/pseudo-inverse", A="Phi"),
            Have("P = P'", ("def(P)", "penrose4(Phi)")),
            Have("P P = P", ("def(P)", "penrose2(Phi)")),
            Have("P (w_r - w_0) = w_r - w_0", ("def(P)", "def(w_r)", "step(1).2")),
            Have("(I - P) (s - w_r) = off", ("def(off)", "last")),
            Have("w - w_r = M P (s - w_r) + off", ("def(w)", "assume(off-rows)", "last")),
            Have("off' M P (s - w_r) = 0", ("assume(polynomial-in-gram)", "step(3)", "step(4)", "step(6)")),
            Have(
                "(M P (s - w_r))' (M P (s - w_r)) = on' on - spare' spare",
                ("def(on)", "def(spare)", "assume(contracts)", "step(3)"),
            ),
            Have("(w - w_r)' (w - w_r) = off' off + on' on - spare' spare", ("last 3",)),
        ),
    ),
    Theorem(
        "adaptive-optimizer/gap",
        text_lines(
            DATA,
            """
            let w_r = w_0 + Phi_R^+ (y_R - Phi_R w_0)
            matrix w_p : D x c
            let w_u = w_p + Phi^+ (S_R' y_R + S_F' Phi_F w_r - Phi w_p)
            let off = (I - Phi^+ Phi) (w_p - w_0)
            conclude w_u - w_r = off
            says wherever pretraining ended, exact labels leave what it put off the start plus the row space
            remains Adam, RMSProp, AdaGrad and weight decay can put something there, as a first step \
                shows on an instance
            """,
        ),
        (use("lemma/gap", s="Phi^+ Phi w_p + (I - Phi^+ Phi) w_0", t="S_R' y_R + S_F' Phi_F w_r"),),
    ),
    Theorem(
        "adaptive-optimizer/none",
        text_lines(
            DATA,
            """
            let w_r = w_0 + Phi_R^+ (y_R - Phi_R w_0)
            matrix w_p : D x c
            let w_u = w_p + Phi^+ (S_R' y_R + S_F' Phi_F w_r - Phi w_p)
            assume full-column-rank: Phi left-invertible
            conclude w_u = w_r
            says where the rows of the features span the parameter space, there is nothing off it, and no gap
            """,
        ),
        (
            use("adaptive-optimizer/gap"),
            Have("Phi^+ Phi = I", ("left_inverse(Phi)", "penrose1(Phi)")),
        ),
    ),
)
