"""Losses beyond least squares: gradients of the loss and of the regulariser are symbols, convexity a sum of squares.

A theorem about gradients needs no formula of the loss. Convexity enters as a positive semidefinite matrix N = C'C that
takes the difference of two outputs to that of their gradients: the mean Hessian between them.
"""

from __future__ import annotations

from ...algebra.theorem import Cancel, Have, Theorem, text_lines

__all__ = ["THEOREMS"]

_GRADIENTS = """
    matrix Phi : n x D
    partition n = r + f by S_R, S_F
    let Phi_R = S_R Phi
    matrix g_R : r x c
    matrix q_R : D x c
    assume retrained: Phi_R' g_R + q_R = 0
    matrix g : n x c
    matrix q : D x c
    assume same-loss-on-retain: S_R g = g_R
    assume vanishing-gradient: S_F g = 0
    assume shared-regulariser: q = q_R
"""
"""Gradients at w_r, of the loss in the outputs and of the regulariser: of retraining (g_R, q_R), fine-tuning (g, q)."""

THEOREMS = (
    Theorem(
        "convex-loss/stationary",
        text_lines(
            _GRADIENTS,
            """
            conclude Phi' g + q = 0
            says the retrained model is stationary for fine-tuning too, if the loss of every relabelled sample has \
                gradient zero at its prediction
            remains a minimiser of a differentiable function is a stationary point of it
            """,
        ),
    ),
    Theorem(
        "convex-loss/unique",
        text_lines("""
            matrix Phi : n x D
            matrix g : n x c
            matrix q : D x c
            matrix w_r : D x c
            assume stationary: Phi' g + q = 0
            matrix w_u : D x c
            matrix N : n x n
            matrix B : D x D
            let h = g + N Phi (w_u - w_r)
            let s = q + B (w_u - w_r)
            assume fine-tuned: Phi' h + s = 0
            matrix C : k x n
            matrix M : m x D
            assume convex: N = C' C
            assume convex-regulariser: B = M' M
            assume strictly: M left-invertible
            conclude w_u = w_r
            says with a convex loss and a strictly convex regulariser fine-tuning has no other stationary point
            remains between two points the gradients of a convex function differ by a positive semidefinite matrix \
                times the way: h by N of the outputs, s by B of the parameters, all outputs of a sample as one vector
        """),
        (
            Have("(C Phi (w_u - w_r))' (C Phi (w_u - w_r)) + (M (w_u - w_r))' (M (w_u - w_r)) = 0"),
            Cancel(("M (w_u - w_r)", "C Phi (w_u - w_r)")),
            Have("w_u = w_r", ("left_inverse(M)", "last 2")),
        ),
    ),
)
