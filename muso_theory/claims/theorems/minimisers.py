"""What closed forms minimise: the way from the start, and the regularised loss."""

from __future__ import annotations

from ...algebra.theorem import Have, Theorem, text_lines
from .settings import use

__all__ = ["THEOREMS"]

THEOREMS = (
    Theorem(
        "minimum-norm",
        text_lines("""
            matrix Phi : n x D
            matrix t : n x c
            matrix v : D x c
            pinv Phi
            let g = v + Phi^+ (t - Phi v)
            matrix w : D x c
            assume least-squares: Phi' (t - Phi w) = 0
            conclude (w - v)' (w - v) = (g - v)' (g - v) + (w - g)' (w - g)
            says every other least-squares solution is farther from the start, by a square
        """),
        (
            use("lemma/pseudo-inverse", A="Phi"),
            Have("Phi^+ Phi w = Phi^+ t"),
            Have("g - v = Phi^+ Phi (w - v)"),
            Have("(g - v)' (w - g) = 0"),
        ),
    ),
    Theorem(
        "ridge-minimiser",
        text_lines("""
            matrix Phi : n x D
            matrix t : n x c
            matrix v : D x c
            matrix M : k x D
            let A = Phi' Phi + M' M
            pinv A
            let g = v + A^+ Phi' (t - Phi v)
            matrix w : D x c
            let at_w = (t - Phi w)' (t - Phi w) + (M (w - v))' (M (w - v))
            let at_g = (t - Phi g)' (t - Phi g) + (M (g - v))' (M (g - v))
            let d = w - g
            conclude at_w = at_g + (Phi d)' (Phi d) + (M d)' (M d)
            says the ridge solution minimises the regularised loss: elsewhere it is larger, by squares
        """),
        (
            use("lemma/regularised-range", B="Phi"),
            Have("Phi' (t - Phi g) = M' M (g - v)", ("def(g)", "def(A)", "steps", "penrose1(A)")),
            Have("w = g + d", ("def(d)",)),
            Have("at_w = at_g + (Phi d)' (Phi d) + (M d)' (M d)", ("def(at_w)", "def(at_g)", "last 2")),
        ),
    ),
)
