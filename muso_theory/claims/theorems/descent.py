"""Gradient descent: what it keeps, what it does in finite time, and where it ends.

A step size is an operator here. ``E`` acts on parameters and ``H`` on samples; a scalar step size eta is E = eta I and
H = eta I, which satisfies E Phi' = Phi' H.
"""

from __future__ import annotations

from ...algebra.theorem import Have, Theorem, text_lines
from .settings import DATA, LEAST_SQUARES, STEPS, TRAINED, use

__all__ = ["THEOREMS"]

THEOREMS = (
    Theorem(
        "implicit-bias/invariant",
        text_lines(
            LEAST_SQUARES,
            """
            matrix H : n x n
            matrix w : D x c
            let w_next = w + Phi' H (t - Phi w)
            conclude (I - Phi^+ Phi) (w_next - w) = 0
            says a step along the rows of the features never moves the component off the row space
            """,
        ),
        (use("lemma/pseudo-inverse", A="Phi"),),
    ),
    Theorem(
        "implicit-bias/limit",
        text_lines(
            LEAST_SQUARES,
            """
            matrix w : D x c
            assume stationary: Phi' (t - Phi w) = 0
            assume same-off-rows: (I - Phi^+ Phi) (w - v) = 0
            conclude w = g
            says the only stationary point that shares the start's component off the row space is the claimed limit
            """,
        ),
        (use("lemma/pseudo-inverse", A="Phi"), Have("Phi^+ (t - Phi w) = 0")),
    ),
    Theorem(
        "implicit-bias/first",
        text_lines(
            LEAST_SQUARES,
            """
            matrix E : D x D
            let w_s = v
            let M_s : D x D = I
            conclude w_s - g = M_s (v - g)
            says before the first step the error is the initial one
            """,
        ),
    ),
    Theorem(
        "implicit-bias/step",
        text_lines(
            LEAST_SQUARES,
            """
            matrix E : D x D
            matrix w : D x c
            matrix M : D x D
            assume before: w - g = M (v - g)
            let w_next = w + E Phi' (t - Phi w)
            let M_next = (I - E Phi' Phi) M
            conclude w_next - g = M_next (v - g)
            says a step multiplies the error by I - E Phi' Phi; for gradient descent E = eta I
            """,
        ),
        (use("lemma/update", A="Phi", w="g"), Have("w_next - g = (I - E Phi' Phi) (w - g)")),
    ),
    Theorem(
        "implicit-bias/all-steps",
        text_lines(
            "induction over the number of steps",
            LEAST_SQUARES,
            """
            matrix E : D x D
            state w : D x c
            state M : D x D
            predicate w - g = M (v - g)
            base implicit-bias/first with w = w_s, M = M_s
            step implicit-bias/step from w = w, M = M to w = w_next, M = M_next
            says after T steps the error is (I - E Phi' Phi)^T times the initial one
            """,
        ),
    ),
    Theorem(
        "implicit-bias/contraction",
        text_lines(
            LEAST_SQUARES,
            STEPS,
            """
            matrix w : D x c
            matrix C : k x n
            assume small-step: H + H' - H' Phi Phi' H = C' C
            let w_next = w + E Phi' (t - Phi w)
            conclude (w_next - g)' (w_next - g) = (w - g)' (w - g) - (C Phi (w - g))' (C Phi (w - g))
            says with a step that is small enough the distance to the limit never grows
            remains for H = eta I and 0 < eta < 2/lambda_max, where ||Phi u||^2 <= lambda_max ||u||^2 for \
                every u, the distance tends to 0 geometrically
            """,
        ),
        (
            use("lemma/update", A="Phi", w="g"),
            Have("w_next - g = w - g - Phi' H Phi (w - g)", ("def(w_next)", "assume(scalar-step)", "steps")),
            Have(
                "Phi' (H + H' - H' Phi Phi' H) Phi = Phi' C' C Phi",
                ("assume(small-step)",),
            ),
            Have(
                "(w_next - g)' (w_next - g) = (w - g - Phi' H Phi (w - g))' (w - g - Phi' H Phi (w - g))",
                ("steps",),
            ),
        ),
    ),
    Theorem(
        "gd-finite-time/first",
        text_lines(
            DATA,
            TRAINED,
            """
            matrix E : D x D
            let w_s = w_p
            let M_s : D x D = I
            conclude w_s - w_r = M_s (w_p - w_r)
            says before the first step the error is that of the pretrained model
            """,
        ),
    ),
    Theorem(
        "gd-finite-time/step",
        text_lines(
            DATA,
            TRAINED,
            """
            matrix E : D x D
            let ytilde = S_R' y_R + S_F' Phi_F w_r
            matrix w : D x c
            matrix M : D x D
            assume before: w - w_r = M (w_p - w_r)
            let w_next = w + E Phi' (ytilde - Phi w)
            let M_next = (I - E Phi' Phi) M
            conclude w_next - w_r = M_next (w_p - w_r)
            says with the optimal labels a step multiplies the error by I - E Phi' Phi
            """,
        ),
        (
            use("lemma/update", A="Phi_R", t="y_R", v="w_0", w="w_r"),
            Have("Phi' (ytilde - Phi w_r) = 0"),
            Have("w_next - w_r = (I - E Phi' Phi) (w - w_r)"),
        ),
    ),
    Theorem(
        "gd-finite-time/all-steps",
        text_lines(
            "induction over the number of steps",
            DATA,
            TRAINED,
            """
            matrix E : D x D
            state w : D x c
            state M : D x D
            predicate w - w_r = M (w_p - w_r)
            base gd-finite-time/first with w = w_s, M = M_s
            step gd-finite-time/step from w = w, M = M to w = w_next, M = M_next
            says after T steps with the optimal labels the error is (I - E Phi' Phi)^T (w_p - w_r)
            remains the time to accuracy: if 0 < eta <= 1/lambda_max, ||w_T - w_r||^2 <= \
                (1 - eta lambda_min)^(2T) ||w_p - w_r||^2, where ||Phi u||^2 <= lambda_max ||u||^2 for every u, and \
                ||Phi u||^2 >= lambda_min ||u||^2 with 0 < lambda_min <= lambda_max for every u in the row space
            """,
        ),
    ),
)
