"""Gradient descent and its relatives: invariants, finite time, one pass of SGD, momentum, other metrics.

A step size is an operator here. ``E`` acts on parameters and ``H`` on samples; a scalar step size eta is E = eta I and
H = eta I, which satisfies E Phi' = Phi' H.
"""

from __future__ import annotations

from ...algebra.theorem import Cancel, Have, Theorem, text_lines
from .settings import DATA, TRAINED, use

__all__ = ["THEOREMS"]

_LEAST_SQUARES = """
    matrix Phi : n x D
    matrix t : n x c
    matrix v : D x c
    pinv Phi
    let g = v + Phi^+ (t - Phi v)
"""
_STEPS = """
    matrix E : D x D
    matrix H : n x n
    assume scalar-step: E Phi' = Phi' H
"""
_PASS = """
    matrix A : m x D
    matrix G : m x m
    matrix t : m x c
    matrix v : D x c
    let w = v + A' G (t - A v)
"""

_SPAN = (
    use("lemma/pseudo-inverse", A="Phi"),
    Have("(I - Phi^+ Phi) E Phi' = 0"),
    Have(
        "(I - Phi^+ Phi) B (w - w_before) = 0",
        ("assume(scalar-momentum)", "assume(now-in-span)", "assume(before-in-span)"),
    ),
    Have("(I - Phi^+ Phi) w = (I - Phi^+ Phi) v", ("assume(now-in-span)",)),
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
        "implicit-bias/invariant",
        text_lines(
            _LEAST_SQUARES,
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
            _LEAST_SQUARES,
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
            _LEAST_SQUARES,
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
            _LEAST_SQUARES,
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
            _LEAST_SQUARES,
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
            _LEAST_SQUARES,
            _STEPS,
            """
            matrix w : D x c
            matrix C : k x n
            assume small-step: H + H' - H' Phi Phi' H = C' C
            let w_next = w + E Phi' (t - Phi w)
            conclude (w_next - g)' (w_next - g) = (w - g)' (w - g) - (C Phi (w - g))' (C Phi (w - g))
            says with a step that is small enough the distance to the limit never grows
            remains for H = eta I, eta (2 I - eta Phi Phi') = C'C with C regular on the range exactly if 0 < \
                eta < 2/lambda_max
            remains then ||C Phi e|| >= c ||e|| with c > 0 on the row space, and the distance tends to 0 geometrically
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
            remains the time to accuracy: 0 <= 1 - eta lambda <= 1 - eta lambda_min for all nonzero \
                eigenvalues if eta <= 1/lambda_max
            """,
        ),
    ),
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
            says two blocks one after the other are one block, with M block lower triangular
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
            says one pass adds A' G (t - A v) with G the inverse of M = Gamma^-1 + L, L the strict lower \
                triangle of A A'
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
            remains Q of cyclic-sgd/one-sample is 2 / gamma - ||phi||^2 > 0 exactly then, so Q = C'C with C invertible
            remains a linear map that shortens every nonzero vector of a finite-dimensional space shrinks \
                geometrically
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
    Theorem(
        "momentum/heavy-ball",
        text_lines(
            _LEAST_SQUARES,
            _STEPS,
            """
            matrix B : D x D
            matrix w : D x c
            matrix w_before : D x c
            assume scalar-momentum: B Phi^+ Phi = Phi^+ Phi B
            assume now-in-span: (I - Phi^+ Phi) (w - v) = 0
            assume before-in-span: (I - Phi^+ Phi) (w_before - v) = 0
            let w_next = w + E Phi' (t - Phi w) + B (w - w_before)
            conclude (I - Phi^+ Phi) (w_next - v) = 0
            says heavy-ball momentum stays in the start plus the row space
            """,
        ),
        (*_SPAN, Have("(I - Phi^+ Phi) (w_next - v) = 0", ("def(w_next)", "steps"))),
    ),
    Theorem(
        "momentum/nesterov",
        text_lines(
            _LEAST_SQUARES,
            _STEPS,
            """
            matrix B : D x D
            matrix w : D x c
            matrix w_before : D x c
            assume scalar-momentum: B Phi^+ Phi = Phi^+ Phi B
            assume now-in-span: (I - Phi^+ Phi) (w - v) = 0
            assume before-in-span: (I - Phi^+ Phi) (w_before - v) = 0
            let s = w + B (w - w_before)
            let w_next = s + E Phi' (t - Phi s)
            conclude (I - Phi^+ Phi) (w_next - v) = 0
            says so does Nesterov's
            """,
        ),
        (*_SPAN, Have("(I - Phi^+ Phi) (w_next - v) = 0", ("def(w_next)", "def(s)", "steps"))),
    ),
    Theorem(
        "momentum/limit",
        text_lines(
            _LEAST_SQUARES,
            """
            matrix E : D x D
            matrix B : D x D
            matrix w : D x c
            assume nonzero-step: E left-invertible
            assume rest: w + E Phi' (t - Phi w) + B (w - w) = w
            assume in-span: (I - Phi^+ Phi) (w - v) = 0
            conclude w = g
            says where either comes to rest is where gradient descent ends, so claims about the end hold for it
            remains that they come to rest: for the usual ranges of step size and momentum, see Polyak and Nesterov
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
