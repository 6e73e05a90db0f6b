"""Training in another geometry: under an affine constraint, and by mirror descent."""

from __future__ import annotations

from ...algebra.theorem import Have, Theorem, Witness, text_lines
from .settings import use

__all__ = ["THEOREMS"]

THEOREMS = (
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
)
