"""Requests: one forgetting after the other, in any order and at once."""

from __future__ import annotations

from ...algebra.theorem import Have, Theorem, text_lines
from .settings import use

__all__ = ["THEOREMS"]

_SEQUENCE = """
    matrix Phi : n x D
    matrix y : n x c
    matrix w_0 : D x c
    partition n = k + f by S_K, S_F
    partition k = r + g by S_R, S_G
    let Phi_K = S_K Phi
    let Phi_F = S_F Phi
    let Phi_R = S_R Phi_K
    let Phi_G = S_G Phi_K
    let y_K = S_K y
    let y_R = S_R y_K
    pinv Phi
    pinv Phi_K
    pinv Phi_R
    let w_p = w_0 + Phi^+ (y - Phi w_0)
    let w_K = w_0 + Phi_K^+ (y_K - Phi_K w_0)
    let w_r = w_0 + Phi_R^+ (y_R - Phi_R w_0)
    let w_1 = w_p + Phi^+ (S_K' y_K + S_F' Phi_F w_K - Phi w_p)
"""

_REQUEST = """
    matrix w_0 : D x c
    matrix Phi : n x D
    matrix y : n x c
    matrix S : k x n
    matrix Z : D x k
    matrix w : D x c
    let X = S Phi
    assume first-penrose: S Phi Z S Phi = S Phi
    assume second-penrose: Z S Phi Z = Z
    assume third-penrose: (S Phi Z)' = S Phi Z
    assume fourth-penrose: (Z S Phi)' = Z S Phi
    assume retrained: w = w_0 + Z (S y - S Phi w_0)
    partition k = r + g by S_R, S_G
    let X_R = S_R X
    let X_G = S_G X
    let t_R = S_R S y
    pinv X_R
    let w_r = w_0 + X_R^+ (t_R - X_R w_0)
    let w_next = w + Z (S_R' t_R + S_G' X_G w_r - X w)
"""
"""A request to the model w retrained on the rows S of all data, Z their pseudo-inverse: G is forgotten, R is kept."""

THEOREMS = (
    Theorem(
        "sequential-requests/first",
        text_lines(
            _SEQUENCE,
            """
            conclude w_1 = w_K
            says forgetting F first gives the model retrained without F
            """,
        ),
        (
            use(
                "exact-labels",
                **{
                    "S_R": "S_K",
                    "Phi_R": "Phi_K",
                    "y_R": "y_K",
                    "Phi_R^+": "Phi_K^+",
                    "w_r": "w_K",
                    "w_u": "w_1",
                },
                ytilde_F="Phi_F w_K",
            ),
        ),
    ),
    Theorem(
        "sequential-requests/second",
        text_lines(
            _SEQUENCE,
            """
            let w_2 = w_1 + Phi_K^+ (S_R' y_R + S_G' Phi_G w_r - Phi_K w_1)
            conclude w_2 = w_r
            says forgetting G after F gives the model retrained without both
            """,
        ),
        (
            use("sequential-requests/first"),
            use("lemma/update", A="Phi_K", t="y_K", v="w_0", w="w_K"),
            use(
                "lemma/gap",
                **{
                    "Phi": "Phi_K",
                    "S_F": "S_G",
                    "Phi_F": "Phi_G",
                    "y": "y_K",
                    "Phi^+": "Phi_K^+",
                    "w": "w_2",
                },
                s="w_1",
                t="S_R' y_R + S_G' Phi_G w_r",
            ),
        ),
    ),
    Theorem(
        "sequential-requests/at-once",
        text_lines(
            _SEQUENCE,
            """
            let w_2 = w_1 + Phi_K^+ (S_R' y_R + S_G' Phi_G w_r - Phi_K w_1)
            let w_b = w_p + Phi^+ (S_K' (S_R' y_R + S_G' Phi_G w_r) + S_F' Phi_F w_r - Phi w_p)
            conclude w_b = w_2
            says and the same as forgetting F and G at once
            """,
        ),
        (
            use("sequential-requests/second"),
            use("lemma/update", A="Phi_R", t="y_R", v="w_0", w="w_r"),
            use("lemma/update", A="Phi", t="y", v="w_0", w="w_p"),
            use("lemma/nested-rows", A="Phi", E="S_R S_K", B="Phi_R"),
            use("lemma/pseudo-inverse", A="Phi"),
            Have("Phi^+ Phi (w_r - w_0) = w_r - w_0", ("def(w_r)", "steps")),
            Have(
                "S_K' (S_R' y_R + S_G' Phi_G w_r) + S_F' Phi_F w_r - Phi w_r = S_K' S_R' (y_R - Phi_R w_r)",
                (
                    "def(Phi_F)",
                    "def(Phi_G)",
                    "def(Phi_R)",
                    "def(Phi_K)",
                    "complete(S_K,S_F)",
                    "complete(S_R,S_G)",
                ),
            ),
            Have("Phi^+ S_K' S_R' (y_R - Phi_R w_r) = 0", ("def(Phi_R)", "def(Phi_K)", "steps")),
            Have("w_b - w_r = (I - Phi^+ Phi) (w_p - w_r)", ("def(w_b)", "steps")),
            Have("w_b = w_r", ("steps",)),
        ),
    ),
    Theorem(
        "sequential-requests/none-yet",
        text_lines("""
            matrix w_0 : D x c
            matrix Phi : n x D
            matrix y : n x c
            pinv Phi
            let w_p = w_0 + Phi^+ (y - Phi w_0)
            let S_p : n x n = I
            conclude S_p Phi Phi^+ S_p Phi = S_p Phi
            conclude Phi^+ S_p Phi Phi^+ = Phi^+
            conclude (S_p Phi Phi^+)' = S_p Phi Phi^+
            conclude (Phi^+ S_p Phi)' = Phi^+ S_p Phi
            conclude w_p = w_0 + Phi^+ (S_p y - S_p Phi w_0)
            says before the first request all rows are kept, and the model is trained on them
        """),
    ),
    Theorem(
        "sequential-requests/one-more",
        text_lines(
            _REQUEST,
            """
            let S_next = S_R S
            conclude S_next Phi X_R^+ S_next Phi = S_next Phi
            conclude X_R^+ S_next Phi X_R^+ = X_R^+
            conclude (S_next Phi X_R^+)' = S_next Phi X_R^+
            conclude (X_R^+ S_next Phi)' = X_R^+ S_next Phi
            conclude w_next = w_0 + X_R^+ (S_next y - S_next Phi w_0)
            says whatever is to be forgotten next, relabelling it by the model retrained on the rest and fine-tuning \
                on all that was kept so far ends at the model retrained on the rest
            """,
        ),
        (
            use("lemma/update", A="X_R", t="t_R", v="w_0", w="w_r"),
            use("lemma/pseudo-inverse", A="X_R"),
            Have("S_next Phi = X_R", ("def(S_next)", "def(X_R)", "def(X)")),
            Have("Z = Z Z' X'", ("def(X)", "assume(second-penrose)", "assume(third-penrose)")),
            Have("Z X X' = X'", ("def(X)", "assume(first-penrose)", "assume(fourth-penrose)")),
            Have("Z X (w - w_0) = w - w_0", ("def(X)", "assume(retrained)", "assume(second-penrose)")),
            Have("Z X X_R' = X_R'", ("def(X_R)", "step(5)")),
            Have("Z X (w_r - w_0) = w_r - w_0", ("def(w_r)", "steps")),
            Have(
                "S_R' t_R + S_G' X_G w_r - X w_r = S_R' (t_R - X_R w_r)",
                ("complete(S_R,S_G)", "def(X_R)", "def(X_G)"),
            ),
            Have("Z S_R' (t_R - X_R w_r) = 0", ("def(X_R)", "steps")),
            Have("w_next = w_r", ("def(w_next)", "steps")),
        ),
    ),
    Theorem(
        "sequential-requests/all",
        text_lines("""
            induction over the requests, each chosen after those before it
            matrix w_0 : D x c
            matrix Phi : n x D
            matrix y : n x c
            state S : k x n
            state Z : D x k
            state w : D x c
            predicate S Phi Z S Phi = S Phi
            predicate Z S Phi Z = Z
            predicate (S Phi Z)' = S Phi Z
            predicate (Z S Phi)' = Z S Phi
            predicate w = w_0 + Z (S y - S Phi w_0)
            base sequential-requests/none-yet with S = S_p, Z = Phi^+, w = w_p
            step sequential-requests/one-more from S = S, Z = Z, w = w to S = S_next, Z = X_R^+, w = w_next
            says after any number of requests, each chosen after the last, the model is the one retrained on the \
                rows S of all data that are kept, Z the pseudo-inverse of S Phi
        """),
    ),
    Theorem(
        "sequential-requests/any-order",
        text_lines("""
            matrix w_0 : D x c
            matrix Phi : n x D
            matrix y : n x c
            matrix S : k x n
            matrix O : k x k
            let X = S Phi
            pinv X
            let w_1 = w_0 + X^+ (S y - X w_0)
            assume same-rows: O' O = I
            let Y = O X
            pinv Y
            let w_2 = w_0 + Y^+ (O S y - Y w_0)
            conclude w_2 = w_1
            says the model depends on which rows are kept, not on the order in which requests have left them: \
                another order permutes S by an orthogonal O
        """),
        (
            use("lemma/unique-pseudo-inverse", A="Y", X="X^+ O'"),
            Have("w_2 = w_1", ("def(w_1)", "def(w_2)", "def(Y)", "assume(same-rows)", "steps")),
        ),
    ),
)
