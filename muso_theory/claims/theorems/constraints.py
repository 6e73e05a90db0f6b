"""Training under an affine constraint Cw = b: the same theorems, with the rows of Phi (I - C^+ C) for those of Phi."""

from __future__ import annotations

from ...algebra.theorem import Have, Theorem, text_lines
from .settings import use

__all__ = ["THEOREMS"]

_DATA = """
    matrix Phi : n x D
    matrix y : n x c
    matrix w_0 : D x c
    matrix C : k x D
    partition n = r + f by S_R, S_F
    let Phi_R = S_R Phi
    let Phi_F = S_F Phi
    let y_R = S_R y
    pinv C
    let Z = Phi (I - C^+ C)
    let Z_R = S_R Z
    let Z_F = S_F Z
    pinv Z
    pinv Z_R
    let w_p = w_0 + Z^+ (y - Phi w_0)
    let w_r = w_0 + Z_R^+ (y_R - Phi_R w_0)
    matrix ytilde_F : f x c
    let ytilde = S_R' y_R + S_F' ytilde_F
"""
"""Trained and retrained where C w stays what it is at the start; affine-constraint/limit says why these are they."""

_FINE_TUNED = "let w_u = w_p + Z^+ (ytilde - Phi w_p)"

_GAP = use("affine-constraint/gap", s="w_p")
_PRETRAINED = (
    Have("Z^+ Z (w_p - w_0) = w_p - w_0", ("def(w_p)", "penrose2(Z)")),
    Have("(I - Z^+ Z) (w_p - w_0) = 0", ("last",)),
)
_ROWS = (
    use("lemma/pseudo-inverse", A="Z"),
    use("lemma/nested-rows", A="Z", E="S_R"),
)

THEOREMS = (
    Theorem(
        "affine-constraint/limit",
        text_lines("""
            matrix Phi : n x D
            matrix t : n x c
            matrix v : D x c
            matrix C : k x D
            matrix b : k x c
            pinv C
            let N = I - C^+ C
            let Z = Phi N
            pinv Z
            matrix w : D x c
            assume start-feasible: C v = b
            assume stationary: N Phi' (t - Phi w) = 0
            assume same-off-rows: (I - Z^+ Z) (w - v) = 0
            conclude w = v + Z^+ (t - Phi v)
            conclude C w = b
            says descent along the constraint moves by rows of Phi (I - C^+ C), and where it comes to rest is the \
                minimum-norm update by them; it satisfies the constraint if the start does
        """),
        (
            Have("N = N'", ("def(N)", "penrose4(C)")),
            Have("N N = N", ("def(N)", "penrose2(C)")),
            Have("C N = 0", ("def(N)", "penrose1(C)")),
            use("lemma/pseudo-inverse", A="Z"),
            Have("Z' = N Phi'", ("def(Z)", "step(1)")),
            Have("N Z' = Z'", ("step(2)", "last")),
            Have("N Z^+ = Z^+", ("step(4).4", "last")),
            Have("C Z^+ = 0", ("step(3)", "last")),
            Have("w - v = Z^+ Z (w - v)", ("assume(same-off-rows)",)),
            Have("N (w - v) = w - v", ("step(7)", "step(9)")),
            Have("Z (w - v) = Phi (w - v)", ("def(Z)", "last")),
            Have("Z' (t - Phi w) = 0", ("step(5)", "assume(stationary)")),
            Have("Z^+ (t - Phi w) = 0", ("step(4).3", "last")),
            Have("w = v + Z^+ (t - Phi v)", ("step(9)", "step(11)", "last")),
            Have("C w = b", ("assume(start-feasible)", "step(8)", "last")),
        ),
    ),
    Theorem(
        "affine-constraint/gap",
        text_lines(
            _DATA,
            """
            matrix s : D x c
            assume start-in-span: (I - Z^+ Z) (s - w_0) = 0
            let w_s = s + Z^+ (ytilde - Phi s)
            conclude w_s - w_r = Z^+ S_F' (ytilde_F - Phi_F w_r)
            says from any start in w_0 plus the row space of Z the gap of any labels is their error, mapped back
            """,
        ),
        (
            *_ROWS,
            use("lemma/pseudo-inverse", A="Z_R"),
            Have("Z_R' (y_R - Phi_R w_0 - Z_R (w_r - w_0)) = 0", ("def(w_r)", "step(3).1")),
            Have("s - w_0 = Z^+ Z (s - w_0)", ("assume(start-in-span)",)),
            Have("w_r - w_0 = Z^+ Z (w_r - w_0)", ("def(w_r)", "step(2).2")),
            Have("(I - C^+ C) (I - C^+ C) = I - C^+ C", ("penrose2(C)",)),
            Have("(I - C^+ C)' = I - C^+ C", ("penrose4(C)",)),
            Have("(I - C^+ C) Z' = Z'", ("def(Z)", "last 2")),
            Have("(I - C^+ C) Z^+ = Z^+", ("step(1).4", "last")),
            Have("Z (s - w_0) = Phi (s - w_0)", ("def(Z)", "step(5)", "last")),
            Have("Z (w_r - w_0) = Phi (w_r - w_0)", ("def(Z)", "step(6)", "step(10)")),
            Have("Z_R (w_r - w_0) = Phi_R (w_r - w_0)", ("def(Z_R)", "def(Phi_R)", "last")),
            Have("Z_R' (y_R - Phi_R w_r) = 0", ("step(4)", "last")),
            Have("Z' S_R' (y_R - Phi_R w_r) = 0", ("def(Z_R)", "last")),
            Have("Z^+ S_R' (y_R - Phi_R w_r) = 0", ("step(1).3", "last")),
            Have("w_s - w_0 = Z^+ (ytilde - Phi w_0)", ("def(w_s)", "step(5)", "step(11)")),
            Have("w_r - w_0 = Z^+ Phi (w_r - w_0)", ("step(6)", "step(12)")),
            Have("w_s - w_r = Z^+ (ytilde - Phi w_r)", ("last 2",)),
            Have(
                "ytilde - Phi w_r = S_R' (y_R - Phi_R w_r) + S_F' (ytilde_F - Phi_F w_r)",
                ("def(ytilde)", "def(Phi_R)", "def(Phi_F)", "complete(S_R,S_F)"),
            ),
            Have("w_s - w_r = Z^+ S_F' (ytilde_F - Phi_F w_r)", ("last 2", "step(16)")),
        ),
    ),
    Theorem(
        "affine-constraint/exact-labels",
        text_lines(
            _DATA,
            """
            matrix C_u : k x D
            pinv C_u
            let Z_u = Phi (I - C_u^+ C_u)
            pinv Z_u
            let w_u = w_p + Z_u^+ (ytilde - Phi w_p)
            assume shared-constraint: C_u = C
            assume optimal-label: ytilde_F = Phi_F w_r
            without full-row-rank: Phi right-invertible
            without constraint-independent: C right-invertible
            conclude w_u = w_r
            says if fine-tuning shares the constraint, relabelling with the predictions of the retrained model \
                unlearns exactly
            """,
        ),
        (
            use("lemma/unique-pseudo-inverse", A="C", X="C_u^+"),
            Have("Z_u = Z", ("def(Z)", "def(Z_u)", "assume(shared-constraint)", "steps")),
            use("lemma/unique-pseudo-inverse", A="Z", X="Z_u^+"),
            *_PRETRAINED,
            use("affine-constraint/gap", s="w_p"),
            Have("w_u = w_r", ("def(w_u)", "assume(optimal-label)", "steps")),
        ),
    ),
    Theorem(
        "affine-constraint/sufficient",
        text_lines(
            _DATA,
            _FINE_TUNED,
            """
            assume label-equation: Z_F' (ytilde_F - Phi_F w_r) = 0
            conclude w_u = w_r
            says labels that differ from the optimal ones by an element of ker Z_F' unlearn exactly
            """,
        ),
        (
            *_PRETRAINED,
            _GAP,
            use("lemma/pseudo-inverse", A="Z"),
            Have("Z' S_F' (ytilde_F - Phi_F w_r) = 0", ("def(Z_F)", "assume(label-equation)")),
            Have("Z^+ S_F' (ytilde_F - Phi_F w_r) = 0", ("step(4).3", "last")),
            Have("w_u = w_r", ("def(w_u)", "step(3).1", "last")),
        ),
    ),
    Theorem(
        "affine-constraint/necessary",
        text_lines(
            _DATA,
            _FINE_TUNED,
            """
            assume exact: w_u = w_r
            conclude Z_F' (ytilde_F - Phi_F w_r) = 0
            says no other labels do
            """,
        ),
        (
            *_PRETRAINED,
            _GAP,
            use("lemma/pseudo-inverse", A="Z"),
            Have("Z^+ S_F' (ytilde_F - Phi_F w_r) = 0", ("def(w_u)", "assume(exact)", "step(3).1")),
            Have("Z' S_F' (ytilde_F - Phi_F w_r) = 0", ("step(4).1", "last")),
            Have("Z_F' (ytilde_F - Phi_F w_r) = 0", ("def(Z_F)", "last")),
        ),
    ),
    Theorem(
        "affine-constraint/label-free",
        text_lines(
            _DATA,
            _FINE_TUNED,
            """
            assume least-squares-on-retain: Z_R' (Phi_R w_p - y_R) = 0
            assume label-free-label: ytilde_F = Phi_F (w_0 + Z_R^+ Z_R (w_p - w_0))
            conclude w_u = w_r
            says so do labels that are computed from the pretrained model alone, if it is a least-squares solution on \
                the retain set under the constraint
            """,
        ),
        (
            *_PRETRAINED,
            _GAP,
            use("lemma/pseudo-inverse", A="Z"),
            use("lemma/pseudo-inverse", A="Z_R"),
            Have("(I - C^+ C) (I - C^+ C) = I - C^+ C", ("penrose2(C)",)),
            Have("(I - C^+ C)' = I - C^+ C", ("penrose4(C)",)),
            Have("(I - C^+ C) Z' = Z'", ("def(Z)", "last 2")),
            Have("(I - C^+ C) Z^+ = Z^+", ("step(4).4", "last")),
            Have("Z (w_p - w_0) = Phi (w_p - w_0)", ("def(Z)", "step(1)", "last")),
            Have("Z_R (w_p - w_0) = Phi_R (w_p - w_0)", ("def(Z_R)", "def(Phi_R)", "last")),
            Have("Z_R^+ (Phi_R w_p - y_R) = 0", ("step(5).3", "assume(least-squares-on-retain)")),
            Have("w_0 + Z_R^+ Z_R (w_p - w_0) = w_r", ("def(w_r)", "last 2")),
            Have("w_u = w_r", ("def(w_u)", "assume(label-free-label)", "step(3).1", "last")),
        ),
    ),
)
