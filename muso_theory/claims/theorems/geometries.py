"""Training by mirror descent: the mirror map and its convexity are symbols, p the gradient of the map at w.

Where mirror descent on a loss of the outputs ends, the gradients differ from those at the start by rows of Phi; and it
ends at an interpolating model if there is one. Of a strictly convex map the gradients at two points differ by a
positive definite matrix times the way, so that there is one such model; the mean Hessian may be singular.
"""

from __future__ import annotations

from ...algebra.theorem import Cancel, Have, Theorem, Witness, text_lines

__all__ = ["THEOREMS"]

THEOREMS = (
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
        "mirror-descent/exact-labels",
        text_lines("""
            matrix Phi : n x D
            matrix y : n x c
            matrix p_0 : D x c
            partition n = r + f by S_R, S_F
            let Phi_R = S_R Phi
            let Phi_F = S_F Phi
            let y_R = S_R y
            matrix w_r : D x c
            matrix w_u : D x c
            matrix a : n x c
            matrix b : r x c
            matrix l : n x c
            matrix M : k x D
            let p_p = p_0 + Phi' a
            let p_r = p_0 + Phi_R' b
            let p_u = p_p + Phi' l
            matrix ytilde_F : f x c
            let ytilde = S_R' y_R + S_F' ytilde_F
            assume retrained-fits: Phi_R w_r = y_R
            assume fine-tuned-fits: Phi w_u = ytilde
            assume optimal-label: ytilde_F = Phi_F w_r
            assume convex: p_u - p_r = M' M (w_u - w_r)
            assume strictly: M left-invertible
            conclude w_u = w_r
            says in the geometry of any strictly convex mirror map that the runs share, labels that are the \
                predictions of the retrained model unlearn exactly, if it fits the retained samples; wherever \
                pretraining stopped
            remains mirror descent moves the gradient of the mirror map by combinations of rows of Phi, and ends at an \
                interpolating model; between two points the gradients of a strictly convex map differ by a positive \
                definite matrix times the way, all outputs as one vector
        """),
        (
            Have(
                "Phi (w_u - w_r) = 0",
                (
                    "def(ytilde)",
                    "def(Phi_R)",
                    "def(Phi_F)",
                    "complete(S_R,S_F)",
                    "assume(retrained-fits)",
                    "assume(fine-tuned-fits)",
                    "assume(optimal-label)",
                ),
            ),
            Have("p_u - p_r = Phi' (a + l - S_R' b)", ("def(p_u)", "def(p_p)", "def(p_r)", "def(Phi_R)")),
            Have("(w_u - w_r)' (p_u - p_r) = 0", ("last 2",)),
            Have("(M (w_u - w_r))' (M (w_u - w_r)) = 0", ("assume(convex)", "last")),
            Cancel(("M (w_u - w_r)",)),
            Have("w_u = w_r", ("left_inverse(M)", "last")),
        ),
    ),
)
