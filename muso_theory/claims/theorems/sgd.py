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
            assume nonzero-step: gamma invertible
            let M = gamma^-1
            let Q = gamma^-1 + gamma^-1' - phi phi'
            let w = v + phi' gamma (t - phi v)
            conclude w = v + phi' gamma (t - phi v)
            conclude M gamma = I
            conclude M + M' = phi phi' + Q
            says one step of SGD on one sample, m = 1, or on one block; there Q = 2 / gamma - ||phi||^2
        """),
    ),
    Theorem(
        "cyclic-sgd/two-blocks",
        text_lines("""
            matrix A_1 : p x D
            matrix G_1 : p x p
            matrix M_1 : p x p
            matrix Q_1 : p x p
            matrix t_1 : p x c
            matrix v : D x c
            matrix w_1 : D x c
            matrix A_2 : q x D
            matrix G_2 : q x q
            matrix M_2 : q x q
            matrix Q_2 : q x q
            matrix t_2 : q x c
            matrix w_2 : D x c
            assume first-moves: w_1 = v + A_1' G_1 (t_1 - A_1 v)
            assume first-inverse: M_1 G_1 = I
            assume first-sum: M_1 + M_1' = A_1 A_1' + Q_1
            assume second-moves: w_2 = w_1 + A_2' G_2 (t_2 - A_2 w_1)
            assume second-inverse: M_2 G_2 = I
            assume second-sum: M_2 + M_2' = A_2 A_2' + Q_2
            partition m = p + q by S_1, S_2
            let A = S_1' A_1 + S_2' A_2
            let t = S_1' t_1 + S_2' t_2
            let M = S_1' M_1 S_1 + S_2' A_2 A_1' S_1 + S_2' M_2 S_2
            let G = S_1' G_1 S_1 - S_2' G_2 A_2 A_1' G_1 S_1 + S_2' G_2 S_2
            let Q = S_1' Q_1 S_1 + S_2' Q_2 S_2
            conclude w_2 = v + A' G (t - A v)
            conclude M G = I
            conclude M + M' = A A' + Q
            says two blocks one after the other are one block
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
            state M : m x m
            state Q : m x m
            state t : m x c
            state v : D x c
            state w : D x c
            predicate w = v + A' G (t - A v)
            predicate M G = I
            predicate M + M' = A A' + Q
            base cyclic-sgd/one-sample with A = phi, G = gamma, M = M, Q = Q, t = t, v = v, w = w
            step cyclic-sgd/two-blocks from A = A_1, G = G_1, M = M_1, Q = Q_1, t = t_1, v = v, w = w_1 and \
                A = A_2, G = G_2, M = M_2, Q = Q_2, t = t_2, v = w_1, w = w_2 to A = A, G = G, M = M, Q = Q, \
                t = t, v = v, w = w_2
            says one pass adds A' G (t - A v), where M G = I and M + M' = A A' + Q
        """),
    ),
    Theorem(
        "cyclic-sgd/triangle",
        text_lines("""
            matrix A_1 : p x D
            matrix M_1 : p x p
            matrix A_2 : q x D
            matrix M_2 : q x q
            partition m = p + q by S_1, S_2
            let M = S_1' M_1 S_1 + S_2' A_2 A_1' S_1 + S_2' M_2 S_2
            conclude S_1 M S_1' = M_1
            conclude S_1 M S_2' = 0
            conclude S_2 M S_1' = A_2 A_1'
            conclude S_2 M S_2' = M_2
            says two blocks put their M on the diagonal, the kernel of the later with the earlier below, nothing above
            remains sample by sample that makes M = Gamma^-1 + L, with L the strict lower triangle of A A'
        """),
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
            remains if 0 < gamma ||phi||^2 < 2 for every sample, passes in any fixed order that visits all tend \
                geometrically to v + A^+ (t - A v)
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
