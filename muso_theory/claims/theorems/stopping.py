"""Training that stops early: what T steps reach, and the labels with which T' steps of fine-tuning reach it."""

from __future__ import annotations

from ...algebra.theorem import Cancel, Have, Theorem, text_lines
from .settings import use

__all__ = ["THEOREMS"]

_RUN = """
    matrix A : m x D
    matrix t : m x c
    matrix v : D x c
    matrix H : m x m
"""

THEOREMS = (
    Theorem(
        "early-stopping/first",
        text_lines(
            _RUN,
            """
            let w_s = v
            let G_s : m x m = 0
            conclude w_s = v + A' G_s (t - A v)
            says before the first step nothing is added
            """,
        ),
    ),
    Theorem(
        "early-stopping/step",
        text_lines(
            _RUN,
            """
            matrix w : D x c
            matrix G : m x m
            assume before: w = v + A' G (t - A v)
            let w_next = w + A' H (t - A w)
            let G_next = G + H (I - A A' G)
            conclude w_next = v + A' G_next (t - A v)
            says a step adds H (I - K G) to G
            """,
        ),
    ),
    Theorem(
        "early-stopping/all-steps",
        text_lines(
            "induction over the number of steps",
            _RUN,
            """
            state w : D x c
            state G : m x m
            predicate w = v + A' G (t - A v)
            base early-stopping/first with w = w_s, G = G_s
            step early-stopping/step from w = w, G = G to w = w_next, G = G_next
            says T steps from v end at v + A' G (t - A v), with G = H + H (I - K H) + ... of T terms, where K G = \
                I - (I - K H)^T
            """,
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
            says with all labels free, T' steps of fine-tuning reach the model retrained for T steps; K may be singular
            remains G = eta (I + (I - eta K) + ...) of T' terms is invertible unless (1 - eta lambda)^T' = 1 for a \
                lambda > 0, which 0 < eta < 2/lambda_max excludes
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
