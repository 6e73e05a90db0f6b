"""One pass of stochastic gradient descent in fixed order, and where many passes end."""

from __future__ import annotations

from ...algebra.theorem import Cancel, Have, Theorem, text_lines
from .settings import use

__all__ = ["THEOREMS"]

_PASS = """
    matrix A : m x D
    matrix G : m x m
    matrix t : m x c
    matrix v : D x c
    let w = v + A' G (t - A v)
"""

THEOREMS = (
    Theorem(
        "cyclic-sgd/one-sample",
        text_lines("""
            matrix phi : m x D
            matrix gamma : m x m
            matrix t : m x c
            matrix v : D x c
            pinv gamma
            let V = gamma^+
            let L : m x m = 0
            matrix q : k x m
            assume small-step: V + V' - phi phi' = q' q
            assume positive: q left-invertible
            let w = v + phi' gamma (t - phi v)
            conclude w = v + phi' gamma (t - phi v)
            conclude (V + L) gamma = I
            conclude V + L + V' + L' = phi phi' + q' q
            conclude q^L q = I
            says one step of SGD on one sample, m = 1, or on one block; for one sample small-step and positive say \
                that 2 / gamma - ||phi||^2 is a square of a number that is not 0: 0 < gamma ||phi||^2 < 2
        """),
        (
            Have("V (I - gamma V) = 0", ("def(V)", "penrose2(gamma)")),
            Have(
                "(phi' (I - gamma V))' (phi' (I - gamma V)) + (q (I - gamma V))' (q (I - gamma V)) = 0",
                ("assume(small-step)", "last"),
            ),
            Cancel(("phi' (I - gamma V)", "q (I - gamma V)")),
            Have("I - gamma V = 0", ("left_inverse(q)", "last")),
            Have("V' (I - V gamma) = 0", ("def(V)", "penrose2(gamma)", "penrose4(gamma)")),
            Have(
                "(phi' (I - V gamma))' (phi' (I - V gamma)) + (q (I - V gamma))' (q (I - V gamma)) = 0",
                ("assume(small-step)", "last"),
            ),
            Cancel(("phi' (I - V gamma)", "q (I - V gamma)")),
            Have("I - V gamma = 0", ("left_inverse(q)", "last")),
        ),
    ),
    Theorem(
        "cyclic-sgd/two-blocks",
        text_lines("""
            matrix A_1 : p x D
            matrix G_1 : p x p
            matrix V_1 : p x p
            matrix L_1 : p x p
            matrix C_1 : k x p
            matrix P_1 : p x k
            matrix t_1 : p x c
            matrix v : D x c
            matrix w_1 : D x c
            matrix A_2 : q x D
            matrix G_2 : q x q
            matrix V_2 : q x q
            matrix L_2 : q x q
            matrix C_2 : h x q
            matrix P_2 : q x h
            matrix t_2 : q x c
            matrix w_2 : D x c
            assume first-moves: w_1 = v + A_1' G_1 (t_1 - A_1 v)
            assume first-inverse: (V_1 + L_1) G_1 = I
            assume first-sum: V_1 + L_1 + V_1' + L_1' = A_1 A_1' + C_1' C_1
            assume first-positive: P_1 C_1 = I
            assume second-moves: w_2 = w_1 + A_2' G_2 (t_2 - A_2 w_1)
            assume second-inverse: (V_2 + L_2) G_2 = I
            assume second-sum: V_2 + L_2 + V_2' + L_2' = A_2 A_2' + C_2' C_2
            assume second-positive: P_2 C_2 = I
            partition m = p + q by S_1, S_2
            partition j = k + h by T_1, T_2
            let A = S_1' A_1 + S_2' A_2
            let t = S_1' t_1 + S_2' t_2
            let V = S_1' V_1 S_1 + S_2' V_2 S_2
            let L = S_1' L_1 S_1 + S_2' A_2 A_1' S_1 + S_2' L_2 S_2
            let G = S_1' G_1 S_1 - S_2' G_2 A_2 A_1' G_1 S_1 + S_2' G_2 S_2
            let C = T_1' C_1 S_1 + T_2' C_2 S_2
            let P = S_1' P_1 T_1 + S_2' P_2 T_2
            conclude w_2 = v + A' G (t - A v)
            conclude (V + L) G = I
            conclude V + L + V' + L' = A A' + C' C
            conclude P C = I
            says two blocks one after the other are one block; its L has theirs on the diagonal, the kernel of the \
                later with the earlier below, and nothing above
        """),
        (
            Have("S_1 t = t_1"),
            Have("S_2 t = t_2"),
            Have("S_1 A = A_1"),
            Have("S_2 A = A_2"),
            Have("A' S_1' = A_1'"),
            Have("A' S_2' = A_2'"),
            Have("A' G = A_1' G_1 S_1 - A_2' G_2 A_2 A_1' G_1 S_1 + A_2' G_2 S_2", ("def(G)", "steps")),
        ),
    ),
    Theorem(
        "cyclic-sgd/one-pass",
        text_lines("""
            induction over the samples in their fixed order
            state A : m x D
            state G : m x m
            state V : m x m
            state L : m x m
            state C : k x m
            state P : m x k
            state t : m x c
            state v : D x c
            state w : D x c
            predicate w = v + A' G (t - A v)
            predicate (V + L) G = I
            predicate V + L + V' + L' = A A' + C' C
            predicate P C = I
            base cyclic-sgd/one-sample with A = phi, G = gamma, V = V, L = L, C = q, P = q^L, t = t, v = v, w = w
            step cyclic-sgd/two-blocks from A = A_1, G = G_1, V = V_1, L = L_1, C = C_1, P = P_1, t = t_1, v = v, \
                w = w_1 and A = A_2, G = G_2, V = V_2, L = L_2, C = C_2, P = P_2, t = t_2, v = w_1, w = w_2 to \
                A = A, G = G, V = V, L = L, C = C, P = P, t = t, v = v, w = w_2
            says one pass adds A' (Gamma^-1 + L)^-1 (t - A v), with Gamma the step sizes and L the strict lower \
                triangle of A A', built sample by sample; and Gamma^-1 + L plus its transpose exceeds A A' by a \
                positive definite C' C if 0 < gamma ||phi||^2 < 2 for every sample
        """),
    ),
    Theorem(
        "cyclic-sgd/triangle",
        text_lines("""
            matrix A_1 : p x D
            matrix L_1 : p x p
            matrix A_2 : q x D
            matrix L_2 : q x q
            partition m = p + q by S_1, S_2
            let A = S_1' A_1 + S_2' A_2
            let L = S_1' L_1 S_1 + S_2' A_2 A_1' S_1 + S_2' L_2 S_2
            conclude S_1 L S_1' = L_1
            conclude S_1 L S_2' = 0
            conclude S_2 L S_1' = S_2 A A' S_1'
            conclude S_2 L S_2' = L_2
            says so L agrees with A A' where a later sample meets an earlier one, and is 0 where an earlier meets a \
                later; of a sample with itself it is the L of cyclic-sgd/one-sample, which is 0
        """),
        (Have("S_1 A = A_1"), Have("S_2 A = A_2"), Have("A' S_1' = A_1'")),
    ),
    Theorem(
        "cyclic-sgd/residual",
        text_lines(
            _PASS,
            """
            conclude t - A w = (I - A A' G) (t - A v)
            says a pass multiplies the residual by I - K G
            """,
        ),
    ),
    Theorem(
        "cyclic-sgd/contraction",
        text_lines(
            _PASS,
            """
            matrix M : m x m
            matrix C : k x m
            matrix z : D x c
            assume consistent: t = A z
            assume inverse: M G = I
            assume ostrowski-reich: M + M' = A A' + C' C
            conclude (w - z)' (w - z) = (v - z)' (v - z) - (C G A (v - z))' (C G A (v - z))
            says if every step satisfies 0 < gamma ||phi||^2 < 2, a pass never moves away from a solution
            remains on consistent targets, if 0 < gamma ||phi||^2 < 2 for every sample, passes in any fixed order that \
                visits all tend geometrically to v + A^+ (t - A v)
            """,
        ),
        (
            Have("w - z = v - z - A' G A (v - z)"),
            Have("G' (M + M') G = G + G'", ("assume(inverse)",)),
            Have("G' (A A' + C' C) G = G + G'", ("assume(ostrowski-reich)", "last")),
            Have(
                "(w - z)' (w - z) = (v - z - A' G A (v - z))' (v - z - A' G A (v - z))",
                ("steps",),
            ),
        ),
    ),
    Theorem(
        "cyclic-sgd/fixed-point",
        text_lines(
            _PASS,
            """
            matrix M : m x m
            matrix C : k x m
            matrix z : D x c
            matrix w_0 : D x c
            pinv A
            assume consistent: t = A z
            assume inverse: M G = I
            assume ostrowski-reich: M + M' = A A' + C' C
            assume positive: C left-invertible
            assume fixed: w = v
            assume start: (I - A^+ A) (v - w_0) = 0
            conclude v = w_0 + A^+ (t - A w_0)
            says on consistent targets the only fixed point within reach is the minimum-norm update, \
                whatever the order
            """,
        ),
        (
            use("cyclic-sgd/contraction"),
            Have("(C G A (v - z))' C G A (v - z) = 0", ("assume(fixed)", "steps")),
            Cancel(("C G A (v - z)",)),
            Have("G A (v - z) = 0", ("left_inverse(C)", "last")),
            Have("A (v - z) = 0", ("assume(inverse)", "last")),
            Have("A v = t", ("assume(consistent)", "last")),
            Have("v = A^+ A v + w_0 - A^+ A w_0", ("assume(start)",)),
        ),
    ),
)
