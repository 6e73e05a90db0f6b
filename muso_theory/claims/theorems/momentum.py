"""Momentum stays in the start plus the row space, step after step; other metrics that all runs share.

Steps are operators: ``E`` on parameters and ``H`` on samples, ``B`` the momentum; scalars commute with all of them.
"""

from __future__ import annotations

from ...algebra.theorem import Have, Theorem, text_lines
from .settings import LEAST_SQUARES, use

__all__ = ["THEOREMS"]

_SPAN = (
    use("lemma/pseudo-inverse", A="Phi"),
    Have(
        "(I - Phi^+ Phi) B (w - w_before) = 0",
        ("assume(scalar-momentum)", "assume(now-in-span)", "assume(before-in-span)"),
    ),
)
_METRIC = Theorem(
    "lemma/metric-gap",
    text_lines("""
        matrix Phi : n x D
        matrix y : n x c
        matrix w_0 : D x c
        matrix C : D x k
        partition n = r + f by S_R, S_F
        let Phi_R = S_R Phi
        let Phi_F = S_F Phi
        let y_R = S_R y
        let N = C C'
        let K = Phi N Phi'
        let K_R = Phi_R N Phi_R'
        pinv K
        pinv K_R
        let w_p = w_0 + N Phi' K^+ (y - Phi w_0)
        let w_r = w_0 + N Phi_R' K_R^+ (y_R - Phi_R w_0)
        matrix ytilde_F : f x c
        let ytilde = S_R' y_R + S_F' ytilde_F
        let w_u = w_p + N Phi' K^+ (ytilde - Phi w_p)
        let X = Phi C
        let X_R = S_R X
        pinv X
        pinv X_R
        conclude w_u - w_r = C X^+ S_F' (ytilde_F - Phi_F w_r)
        says the gap formula in the geometry of a fixed metric
    """),
    (
        use("lemma/gram", A="X"),
        use("lemma/gram", A="X_R", K="K_R"),
        use("lemma/pseudo-inverse", A="X"),
        use("lemma/pseudo-inverse", A="X_R"),
        use("lemma/nested-rows", A="X", E="S_R"),
        Have("N Phi' K^+ = C X^+", ("def(N)", "def(X)", "steps")),
        Have("N Phi_R' K_R^+ = C X_R^+", ("def(N)", "def(X)", "def(X_R)", "def(Phi_R)", "steps")),
        Have("w_p = w_0 + C X^+ (y - Phi w_0)", ("def(w_p)", "steps")),
        Have("w_r = w_0 + C X_R^+ (y_R - Phi_R w_0)", ("def(w_r)", "steps")),
        Have("w_u = w_p + C X^+ (ytilde - Phi w_p)", ("def(w_u)", "steps")),
        Have("X^+ Phi C = X^+ X", ("def(X)",)),
        Have("w_u = w_0 + C X^+ (ytilde - Phi w_0)", ("penrose2(X)", "steps")),
        Have("w_r = w_0 + C X^+ Phi (w_r - w_0)", ("steps",)),
        Have("w_u - w_r = C X^+ (ytilde - Phi w_r)", ("steps",)),
        Have("X_R' (y_R - Phi_R w_r) = 0", ("def(X_R)", "def(X)", "def(Phi_R)", "penrose1(X_R)", "steps")),
        Have("X^+ S_R' (y_R - Phi_R w_r) = 0", ("def(X_R)", "steps")),
        Have(
            "w_u - w_r = C X^+ S_F' (ytilde_F - Phi_F w_r)",
            ("def(ytilde)", "def(Phi_R)", "def(Phi_F)", "complete(S_R,S_F)", "last 3"),
        ),
    ),
)

THEOREMS = (
    _METRIC,
    Theorem(
        "momentum/first",
        text_lines(
            LEAST_SQUARES,
            """
            matrix b : D x D
            assume scalar-momentum: b Phi^+ Phi = Phi^+ Phi b
            let w_s = v
            let w_before = v
            conclude (I - Phi^+ Phi) (w_s - v) = 0
            conclude (I - Phi^+ Phi) (w_before - v) = 0
            conclude b Phi^+ Phi = Phi^+ Phi b
            says training begins with two equal iterates
            """,
        ),
    ),
    Theorem(
        "momentum/heavy-ball-step",
        text_lines(
            LEAST_SQUARES,
            """
            matrix w : D x c
            matrix w_before : D x c
            matrix B : D x D
            assume now-in-span: (I - Phi^+ Phi) (w - v) = 0
            assume before-in-span: (I - Phi^+ Phi) (w_before - v) = 0
            assume scalar-momentum: B Phi^+ Phi = Phi^+ Phi B
            matrix H : n x n
            let w_next = w + Phi' H (t - Phi w) + B (w - w_before)
            conclude (I - Phi^+ Phi) (w_next - v) = 0
            conclude (I - Phi^+ Phi) (w - v) = 0
            conclude B Phi^+ Phi = Phi^+ Phi B
            says a step of heavy ball keeps both iterates there
            """,
        ),
        (
            *_SPAN,
            Have("(I - Phi^+ Phi) (w_next - v) = 0", ("def(w_next)", "assume(now-in-span)", "steps")),
        ),
    ),
    Theorem(
        "momentum/nesterov-step",
        text_lines(
            LEAST_SQUARES,
            """
            matrix w : D x c
            matrix w_before : D x c
            matrix B : D x D
            assume now-in-span: (I - Phi^+ Phi) (w - v) = 0
            assume before-in-span: (I - Phi^+ Phi) (w_before - v) = 0
            assume scalar-momentum: B Phi^+ Phi = Phi^+ Phi B
            matrix H : n x n
            let s = w + B (w - w_before)
            let w_next = s + Phi' H (t - Phi s)
            conclude (I - Phi^+ Phi) (w_next - v) = 0
            conclude (I - Phi^+ Phi) (w - v) = 0
            conclude B Phi^+ Phi = Phi^+ Phi B
            says so does a step of Nesterov's method
            """,
        ),
        (
            *_SPAN,
            Have(
                "(I - Phi^+ Phi) (w_next - v) = 0", ("def(w_next)", "def(s)", "assume(now-in-span)", "steps")
            ),
        ),
    ),
    Theorem(
        "momentum/heavy-ball-all-steps",
        text_lines(
            "induction over the number of steps",
            LEAST_SQUARES,
            """
            state w : D x c
            state w_before : D x c
            state B : D x D
            predicate (I - Phi^+ Phi) (w - v) = 0
            predicate (I - Phi^+ Phi) (w_before - v) = 0
            predicate B Phi^+ Phi = Phi^+ Phi B
            base momentum/first with w = w_s, w_before = w_before, B = b
            step momentum/heavy-ball-step from w = w, w_before = w_before, B = B to w = w_next, w_before = w, B = B
            says after any number of steps heavy ball is in the start plus the row space
            """,
        ),
    ),
    Theorem(
        "momentum/nesterov-all-steps",
        text_lines(
            "induction over the number of steps",
            LEAST_SQUARES,
            """
            state w : D x c
            state w_before : D x c
            state B : D x D
            predicate (I - Phi^+ Phi) (w - v) = 0
            predicate (I - Phi^+ Phi) (w_before - v) = 0
            predicate B Phi^+ Phi = Phi^+ Phi B
            base momentum/first with w = w_s, w_before = w_before, B = b
            step momentum/nesterov-step from w = w, w_before = w_before, B = B to w = w_next, w_before = w, B = B
            says and so is Nesterov's method
            """,
        ),
    ),
    Theorem(
        "momentum/limit",
        text_lines(
            LEAST_SQUARES,
            """
            matrix E : D x D
            matrix B : D x D
            matrix w : D x c
            assume nonzero-step: E left-invertible
            assume rest: w + E Phi' (t - Phi w) + B (w - w) = w
            assume in-span: (I - Phi^+ Phi) (w - v) = 0
            conclude w = g
            says where either comes to rest is where gradient descent ends, so claims about the end hold for it
            remains that they come to rest: for momentum 0 <= b < 1 and a step 0 < eta < 2 (1 + b)/lambda_max, \
                Nesterov's method for 0 < eta < 2 (1 + b)/((1 + 2 b) lambda_max)
            """,
        ),
        (Have("Phi' (t - Phi w) = 0"), use("implicit-bias/limit")),
    ),
    Theorem(
        "momentum/fixed-metric",
        text_lines("""
            matrix Phi : n x D
            matrix y : n x c
            matrix w_0 : D x c
            matrix C : D x k
            partition n = r + f by S_R, S_F
            let Phi_R = S_R Phi
            let Phi_F = S_F Phi
            let y_R = S_R y
            let N = C C'
            let K = Phi N Phi'
            let K_R = Phi_R N Phi_R'
            pinv K
            pinv K_R
            let w_p = w_0 + N Phi' K^+ (y - Phi w_0)
            let w_r = w_0 + N Phi_R' K_R^+ (y_R - Phi_R w_0)
            matrix ytilde_F : f x c
            let ytilde = S_R' y_R + S_F' ytilde_F
            let w_u = w_p + N Phi' K^+ (ytilde - Phi w_p)
            assume optimal-label: ytilde_F = Phi_F w_r
            without full-row-rank: Phi right-invertible
            without metric-invertible: C left-invertible
            let X = Phi C
            let X_R = S_R X
            pinv X
            pinv X_R
            conclude w_u = w_r
            says in the geometry of any fixed metric, N its inverse, the optimal labels unlearn exactly
        """),
        (use("lemma/metric-gap"),),
    ),
)
