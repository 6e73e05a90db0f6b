"""Lemmas: what the proofs of several claims have in common."""

from __future__ import annotations

from ...algebra.theorem import Cancel, Have, Theorem, text_lines
from .settings import DATA, use

__all__ = ["THEOREMS"]

THEOREMS = (
    Theorem(
        "lemma/pseudo-inverse",
        text_lines("""
            matrix A : m x D
            pinv A
            conclude A' A A^+ = A'
            conclude A^+ A A' = A'
            conclude A^+ = A^+ A^+' A'
            conclude A^+ = A' A^+' A^+
            says the Moore-Penrose inverse has the row space of the transpose
        """),
    ),
    Theorem(
        "lemma/update",
        text_lines("""
            matrix A : m x D
            matrix t : m x c
            matrix v : D x c
            pinv A
            let w = v + A^+ (t - A v)
            conclude A' (t - A w) = 0
            conclude (I - A^+ A) w = (I - A^+ A) v
            conclude A^+ A w = A^+ t
            says the minimum-norm update from v ends at a least-squares solution and moves in the row space only
        """),
        (use("lemma/pseudo-inverse"),),
    ),
    Theorem(
        "lemma/nested-rows",
        text_lines("""
            matrix A : m x D
            matrix E : k x m
            let B = E A
            pinv A
            pinv B
            conclude A^+ A B' = B'
            conclude A^+ A B^+ = B^+
            conclude B A^+ A = B
            conclude A^+ A B^+ B = B^+ B
            conclude B^+ B A^+ A = B^+ B
            says rows that are combinations of the rows of A lie in the row space of A
        """),
        (use("lemma/pseudo-inverse"), use("lemma/pseudo-inverse", A="B")),
    ),
    Theorem(
        "lemma/gap",
        text_lines(
            DATA,
            """
            let w_r = w_0 + Phi_R^+ (y_R - Phi_R w_0)
            matrix s : D x c
            matrix t : n x c
            assume same-start-off-rows: (I - Phi^+ Phi) s = (I - Phi^+ Phi) w_0
            assume true-targets-on-retain: S_R t = y_R
            let w = s + Phi^+ (t - Phi s)
            conclude w - w_r = Phi^+ S_F' (S_F t - Phi_F w_r)
            says whatever the targets of the forget samples, the gap to the retrained model is their error, \
                mapped back
            """,
        ),
        (
            use("lemma/update", A="Phi", v="s", t="t"),
            use("lemma/update", A="Phi_R", v="w_0", t="y_R", w="w_r"),
            use("lemma/nested-rows", A="Phi", E="S_R"),
            use("lemma/pseudo-inverse", A="Phi"),
            Have("(I - Phi^+ Phi) w_r = (I - Phi^+ Phi) w_0"),
            Have("w - w_r = Phi^+ (t - Phi w_r)"),
            Have("Phi^+ S_R' (y_R - Phi_R w_r) = 0"),
        ),
    ),
    Theorem(
        "lemma/unique-pseudo-inverse",
        text_lines("""
            matrix A : m x D
            matrix X : D x m
            pinv A
            assume first: A X A = A
            assume second: X A X = X
            assume third: (A X)' = A X
            assume fourth: (X A)' = X A
            conclude X = A^+
            says only one matrix satisfies the four Penrose equations
        """),
        (Have("A X = A A^+"), Have("X A = A^+ A")),
    ),
    Theorem(
        "lemma/gram",
        text_lines("""
            matrix A : m x D
            let K = A A'
            pinv A
            pinv K
            conclude A^+ = A' K^+
            conclude A^+' A^+ = K^+
            conclude K K^+ = A A^+
            says the Moore-Penrose inverse through the Gram matrix
        """),
        (
            use("lemma/pseudo-inverse"),
            use("lemma/unique-pseudo-inverse", A="K", X="A^+' A^+"),
        ),
    ),
    Theorem(
        "lemma/gram-inverse",
        text_lines("""
            matrix A : m x D
            let K = A A'
            pinv A
            assume gram-invertible: K invertible
            conclude K^-1 = K^-1'
            conclude A^+ = A' K^-1
            conclude A A^+ = I
            says with an invertible Gram matrix the Moore-Penrose inverse is a right inverse
        """),
        (Have("K^-1 = K^-1'"), use("lemma/pseudo-inverse")),
    ),
    Theorem(
        "lemma/principal-block",
        text_lines("""
            matrix A : n x D
            partition n = r + f by S, T
            let K = A A'
            let B = S A
            let M = B B'
            pinv M
            assume gram-invertible: K invertible
            conclude M M^+ = I
            conclude M^+ M = I
            conclude M^+ = M^+'
            says every principal block of an invertible Gram matrix is invertible
        """),
        (
            Have("M (I - M^+ M) = 0"),
            Cancel(("B' (I - M^+ M)",)),
            Have("K S' (I - M^+ M) = 0"),
            Have("S' (I - M^+ M) = 0"),
            Have("M^+ M = I"),
        ),
    ),
)
