"""Labels from a part of the retain set: for which model they are exact, and what the rest pulls back."""

from __future__ import annotations

from ...algebra.theorem import Have, Theorem, text_lines
from .settings import use

__all__ = ["SUBSET", "THEOREMS"]

_NESTED = """
    matrix Phi_R : r x D
    matrix U : m x r
    matrix T : k x m
    let Phi_U = U Phi_R
    let Phi_S = T Phi_U
    pinv Phi_R
    pinv Phi_U
    pinv Phi_S
"""

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

THEOREMS = (
    Theorem(
        "downsampling/labels",
        text_lines("""
            matrix Phi : n x D
            matrix y : n x c
            matrix w_0 : D x c
            matrix S : s x n
            matrix Phi_F : f x D
            let Phi_S = S Phi
            let y_S = S y
            pinv Phi
            pinv Phi_S
            let w_p = w_0 + Phi^+ (y - Phi w_0)
            let w_r = w_0 + Phi_S^+ (y_S - Phi_S w_0)
            assume least-squares-on-subset: Phi_S' (Phi_S w_p - y_S) = 0
            conclude Phi_F (w_0 + Phi_S^+ Phi_S (w_p - w_0)) = Phi_F w_r
            says labels computed from a subset S are the optimal labels for the model retrained on S alone
        """),
        (use("lemma/pseudo-inverse", A="Phi_S"), Have("Phi_S^+ (Phi_S w_p - y_S) = 0")),
    ),
    Theorem(
        "downsampling/label-error",
        text_lines("""
            matrix Phi_R : r x D
            matrix Phi_F : f x D
            matrix T : s x r
            matrix y_R : r x c
            matrix w_0 : D x c
            matrix w_p : D x c
            let Phi_S = T Phi_R
            pinv Phi_R
            pinv Phi_S
            let w_r = w_0 + Phi_R^+ (y_R - Phi_R w_0)
            assume least-squares-on-retain: Phi_R' (Phi_R w_p - y_R) = 0
            let label = Phi_F (w_0 + Phi_S^+ Phi_S (w_p - w_0))
            conclude label - Phi_F w_r = Phi_F (Phi_S^+ Phi_S - Phi_R^+ Phi_R) (w_p - w_0)
            says for forgetting F alone, the label error of a subset is a difference of projections
        """),
        (use("lemma/pseudo-inverse", A="Phi_R"), Have("Phi_R^+ (Phi_R w_p - y_R) = 0")),
    ),
    Theorem(
        "downsampling/monotone",
        text_lines(
            _NESTED,
            """
            matrix x : D x c
            let small = (Phi_R^+ Phi_R - Phi_S^+ Phi_S) x
            let large = (Phi_R^+ Phi_R - Phi_U^+ Phi_U) x
            let step = (Phi_U^+ Phi_U - Phi_S^+ Phi_S) x
            conclude small' small = large' large + step' step
            says along nested subsets S in U in R the error of S exceeds that of U by a square
            """,
        ),
        (
            use("lemma/nested-rows", A="Phi_R", E="U"),
            use("lemma/nested-rows", A="Phi_U", E="T"),
            use("lemma/nested-rows", A="Phi_R", E="T U", B="Phi_S"),
            Have("small = large + step"),
            Have("large' step = 0"),
        ),
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
)
