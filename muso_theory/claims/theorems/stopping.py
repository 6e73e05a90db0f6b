"""Training that stops early: what T steps reach, and the labels with which T' steps of fine-tuning reach it."""

from __future__ import annotations

import re

from ...algebra.theorem import Cancel, Have, Theorem, text_lines
from .settings import use

__all__ = ["THEOREMS"]

_RUN = """
    matrix Phi : n x D
    matrix t : n x c
    matrix v : D x c
    pinv Phi
    matrix C : D x D
    scalar eta on n, D
    let K = Phi Phi'
    let N = I - Phi Phi^+
"""
"""Gradient descent from v with step size eta; N projects on what the features cannot reach."""

_KNOWN = """
    K G = G K
    K G = I - X
    X' X + Z' Z + Phi C' C Phi' = I
    G N = eta_n (N + W' W)
"""
"""What is known of the sum G of all steps and the power X = (I - eta K)^T after T steps."""


def _known(verb: str, **put: str) -> str:
    """The same as lines of a kind, other matrices put in; hypotheses have labels."""
    labels = {"assume": ("symmetric: ", "sum: ", "power: ", "unreached: ")}.get(verb, ("",) * 4)
    lines = _KNOWN.strip().splitlines()
    texts = (
        re.sub(r"\b[GXZW]\b", lambda letter: put.get(letter.group(), letter.group()), line) for line in lines
    )
    return "\n".join(f"{verb} {label}{text.strip()}" for label, text in zip(labels, texts, strict=True))


THEOREMS = (
    Theorem(
        "early-stopping/first",
        text_lines(
            _RUN,
            """
            assume small-step: 2 eta_D - eta_D Phi' Phi eta_D = C' C
            let w_s = v + Phi' eta_n (t - Phi v)
            let X_s = I - eta_n K
            let Z_s : n x n = 0
            let W_s : n x n = 0
            conclude w_s = v + Phi' eta_n (t - Phi v)
            """,
            _known("conclude", G="eta_n", X="X_s", Z="Z_s", W="W_s"),
            "says after the first step G = eta",
        ),
    ),
    Theorem(
        "early-stopping/step",
        text_lines(
            _RUN,
            """
            assume small-step: 2 eta_D - eta_D Phi' Phi eta_D = C' C
            matrix w : D x c
            matrix G : n x n
            matrix X : n x n
            matrix Z : k x n
            matrix W : q x n
            assume before: w = v + Phi' G (t - Phi v)
            """,
            _known("assume"),
            """
            partition l = D + k by U_1, U_2
            partition p = n + q by T_1, T_2
            let w_next = w + Phi' eta_n (t - Phi w)
            let G_next = G + eta_n (I - K G)
            let X_next = (I - eta_n K) X
            let Z_next = U_1' C Phi' X + U_2' Z
            let W_next = T_1' N + T_2' W
            conclude w_next = v + Phi' G_next (t - Phi v)
            """,
            _known("conclude", G="G_next", X="X_next", Z="Z_next", W="W_next"),
            "says a step adds eta (I - K G) to G and multiplies X by I - eta K",
        ),
        (
            Have("N' = N", ("def(N)", "penrose3(Phi)")),
            Have("N N = N", ("def(N)", "penrose1(Phi)")),
            Have("K N = 0", ("def(K)", "def(N)", "penrose1(Phi)", "penrose3(Phi)")),
            Have("K' = K", ("def(K)",)),
            Have(
                "eta_n K = K eta_n", ("def(K)", "commutes(eta,Phi)", "symmetric(eta_n)", "symmetric(eta_D)")
            ),
            Have(
                "Z_next' Z_next = X' Phi C' C Phi' X + Z' Z",
                ("def(Z_next)", "orthonormal(U_1)", "orthonormal(U_2)", "disjoint(U_1,U_2)"),
            ),
            Have(
                "W_next' W_next = N + W' W",
                (
                    "def(W_next)",
                    "orthonormal(T_1)",
                    "orthonormal(T_2)",
                    "disjoint(T_1,T_2)",
                    "step(1)",
                    "step(2)",
                ),
            ),
            Have(
                "w_next = v + Phi' G_next (t - Phi v)",
                ("def(w_next)", "def(G_next)", "def(K)", "assume(before)"),
            ),
            Have("K G_next = G_next K", ("def(G_next)", "assume(symmetric)", "step(5)")),
            Have("K G_next = I - X_next", ("def(G_next)", "def(X_next)", "assume(sum)", "step(5)")),
            Have(
                "(I - K eta_n) (I - eta_n K) = I - Phi C' C Phi'",
                ("assume(small-step)", "def(K)", "commutes(eta,Phi)", "symmetric(eta_n)", "symmetric(eta_D)"),
            ),
            Have(
                "X_next' X_next = X' (I - Phi C' C Phi') X",
                ("def(X_next)", "symmetric(eta_n)", "step(4)", "last"),
            ),
            Have("X_next' X_next + Z_next' Z_next + Phi C' C Phi' = I", ("assume(power)", "step(6)", "last")),
            Have("K G N = 0", ("assume(symmetric)", "step(3)")),
            Have(
                "G_next N = eta_n (N + W_next' W_next)",
                ("def(G_next)", "assume(unreached)", "step(7)", "last"),
            ),
        ),
    ),
    Theorem(
        "early-stopping/all-steps",
        text_lines(
            "induction over the number of steps",
            _RUN,
            """
            assume small-step: 2 eta_D - eta_D Phi' Phi eta_D = C' C
            state w : D x c
            state G : n x n
            state X : n x n
            state Z : k x n
            state W : q x n
            predicate w = v + Phi' G (t - Phi v)
            """,
            _known("predicate"),
            """
            base early-stopping/first with w = w_s, G = eta_n, X = X_s, Z = Z_s, W = W_s
            step early-stopping/step from w = w, G = G, X = X, Z = Z, W = W to w = w_next, G = G_next, X = X_next, \
                Z = Z_next, W = W_next
            says T steps from v end at v + Phi' G (t - Phi v), with G = eta (I + (I - eta K) + ...) of T terms, and \
                K G = I - (I - eta K)^T
            """,
        ),
    ),
    Theorem(
        "early-stopping/invertible",
        text_lines(
            _RUN,
            """
            matrix G : n x n
            matrix X : n x n
            matrix Z : k x n
            matrix W : q x n
            """,
            "\n".join(line for line in _known("assume").splitlines() if "symmetric:" not in line),
            """
            assume nonzero-step: eta_n invertible
            assume positive: C left-invertible
            pinv G
            conclude G^+ G = I
            says G of any number of steps, by early-stopping/all-steps, is invertible, also for singular K
            remains C'C = 2 eta I - eta^2 Phi' Phi with C invertible says that this matrix is positive definite, which \
                is 0 < eta < 2/lambda_max
            """,
        ),
        (
            Have("G (I - G^+ G) = 0", ("penrose1(G)",)),
            Have("X (I - G^+ G) = I - G^+ G", ("assume(sum)", "last")),
            Have(
                "(Z (I - G^+ G))' (Z (I - G^+ G)) + (C Phi' (I - G^+ G))' (C Phi' (I - G^+ G)) = 0",
                ("assume(power)", "last"),
            ),
            Cancel(("Z (I - G^+ G)", "C Phi' (I - G^+ G)")),
            Have("Phi' (I - G^+ G) = 0", ("left_inverse(C)", "last")),
            Have("N (I - G^+ G) = I - G^+ G", ("def(N)", "penrose3(Phi)", "last")),
            Have("eta_n (I - G^+ G + W' W (I - G^+ G)) = 0", ("assume(unreached)", "penrose1(G)", "last")),
            Have("I - G^+ G + W' W (I - G^+ G) = 0", ("left_inverse(eta_n)", "last")),
            Have("(I - G^+ G)' (I - G^+ G) + (W (I - G^+ G))' (W (I - G^+ G)) = 0", ("last",)),
            Cancel(("I - G^+ G", "W (I - G^+ G)")),
        ),
    ),
    Theorem(
        "early-stopping/exact",
        text_lines("""
            matrix Phi : n x D
            matrix y : n x c
            matrix w_0 : D x c
            matrix w_p : D x c
            partition n = r + f by S_R, S_F
            let Phi_R = S_R Phi
            let y_R = S_R y
            matrix G_R : r x r
            let w_T = w_0 + Phi_R' G_R (y_R - Phi_R w_0)
            let K = Phi Phi'
            matrix G : n x n
            let Q = K G
            pinv Phi
            pinv Q
            let ytilde = Q^+ (Phi w_T - (I - Q) Phi w_p) + (I - Q^+ Q) Phi w_p
            let w_u = w_p + Phi' G (ytilde - Phi w_p)
            assume start-in-span: (I - Phi^+ Phi) (w_p - w_0) = 0
            assume stable-step: G invertible
            without full-row-rank: Phi right-invertible
            conclude w_u = w_T
            says with all labels free, T' steps of fine-tuning reach the model retrained for T steps; K may be \
                singular; stable-step is what early-stopping/invertible shows
        """),
        (
            Have("K G Q^+ K = K", ("def(Q)", "penrose1(Q)", "right_inverse(G)")),
            Have("(Phi' (G Q^+ K - I))' (Phi' (G Q^+ K - I)) = 0", ("def(K)", "last")),
            Cancel(("Phi' (G Q^+ K - I)",)),
            use("lemma/pseudo-inverse", A="Phi"),
            Have(
                "w_T - w_p = Phi' Phi^+' (w_T - w_p)",
                ("def(w_T)", "def(Phi_R)", "assume(start-in-span)", "steps", "penrose4(Phi)"),
            ),
            Have("ytilde - Phi w_p = Q^+ Phi (w_T - w_p)", ("def(ytilde)",)),
            Have("w_u = w_T", ("def(w_u)", "def(K)", "steps")),
        ),
    ),
)
