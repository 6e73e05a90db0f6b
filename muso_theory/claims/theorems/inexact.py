"""Training that stops: how far from the retrained model it is, from any start, after any number of steps.

One number says how much a step leaves of the error on the rows of the features: q, if q^2 P - (P - eta H)^2 is a square
C'C on them, that is if no eigenvalue h there has (1 - eta h)^2 > q^2. What the bound spares after T steps is a square
again: q times what it spared before, with C (w - w_r) below.
"""

from __future__ import annotations

from ...algebra.theorem import Have, Theorem, text_lines
from .settings import DATA, use

__all__ = ["THEOREMS"]

_RUN = (
    DATA
    + """
    let w_r = w_0 + Phi_R^+ (y_R - Phi_R w_0)
    let P = Phi^+ Phi
    let H = Phi' Phi
    matrix s : D x c
    let off = (I - P) (s - w_0)
    matrix C : k x D
    scalar eta on n, D
"""
)
"""Gradient descent with step size eta from s, with the optimal labels."""

# A number commutes with what stands above its line, and this one has to pass by the iterate and the rest.
_FACTOR = "scalar q on D, c"

_FIRST = """
    conclude (I - P) (w_s - w_0) = off
    conclude (w_s - w_r)' (w_s - w_r) = off' off + rest_s' rest_s - spare_s' spare_s
"""

_NEXT = """
    conclude (I - P) (w_next - w_0) = off
    conclude (w_next - w_r)' (w_next - w_r) = off' off + rest_next' rest_next - spare_next' spare_next
"""

_ERROR = (
    use("lemma/nested-rows", A="Phi", E="S_R"),
    use("lemma/pseudo-inverse", A="Phi"),
    Have("P' = P", ("def(P)", "penrose4(Phi)")),
    Have("P P = P", ("def(P)", "penrose2(Phi)")),
    Have("P (w_r - w_0) = w_r - w_0", ("def(P)", "def(w_r)", "step(1).2")),
)
"""P projects on the row space, in which the retrained model leaves the start."""

THEOREMS = (
    Theorem(
        "inexact-training/rate",
        text_lines("""
            matrix Phi : n x D
            pinv Phi
            let P = Phi^+ Phi
            let H = Phi' Phi
            matrix B : m x D
            scalar eta on n, D
            scalar low on n, D
            partition k = m + D by T_1, T_2
            let q = I - eta_D low_D
            let C = T_1' B + T_2' eta_D (H - low_D P)
            assume between: 2 eta_D (H - low_D P) (I - eta_D H) = B' B
            conclude q q P - (P - eta_D H)' (P - eta_D H) = C' C
            says a step leaves at most 1 - eta low of what is on the rows, if no eigenvalue of H there is less than \
                low or more than 1/eta: then the left side of between is positive semidefinite, a square B'B
        """),
        (
            Have("P' = P", ("def(P)", "penrose4(Phi)")),
            Have("P P = P", ("def(P)", "penrose2(Phi)")),
            Have("H P = H", ("def(H)", "def(P)", "penrose1(Phi)")),
            Have("P H = H", ("def(H)", "step(1)", "last")),
            Have("H' = H", ("def(H)",)),
            Have(
                "eta_D H = H eta_D", ("def(H)", "commutes(eta,Phi)", "symmetric(eta_D)", "symmetric(eta_n)")
            ),
            Have(
                "low_D H = H low_D", ("def(H)", "commutes(low,Phi)", "symmetric(low_D)", "symmetric(low_n)")
            ),
            Have("eta_D P = P eta_D", ("def(P)", "commutes(eta,Phi)", "commutes(eta,Phi^+)")),
            Have("low_D P = P low_D", ("def(P)", "commutes(low,Phi)", "commutes(low,Phi^+)")),
            Have("(P - eta_D H)' = P - eta_D H", ("symmetric(eta_D)", "step(1)", "step(5)", "step(6)")),
            Have(
                "(P - eta_D H) (P - eta_D H) = P - 2 eta_D H + eta_D eta_D H H",
                ("step(2)", "step(3)", "step(4)", "step(6)", "step(8)"),
            ),
            Have("(H - low_D P)' = H - low_D P", ("symmetric(low_D)", "step(1)", "step(5)", "step(9)")),
            Have("eta_D (H - low_D P) = (H - low_D P) eta_D", ("commutes(low,eta_D)", "step(6)", "step(8)")),
            Have(
                "(H - low_D P) (H - low_D P) = H H - 2 low_D H + low_D low_D P",
                ("step(2)", "step(3)", "step(4)", "step(7)", "step(9)"),
            ),
            Have("(H - low_D P) H = H H - low_D H", ("step(4)",)),
            Have(
                "B' B = 2 eta_D (H - low_D P) - 2 eta_D eta_D (H H - low_D H)",
                ("assume(between)", "step(13)", "last"),
            ),
            Have(
                "C' C = B' B + (H - low_D P)' eta_D eta_D (H - low_D P)",
                ("def(C)", "orthonormal(T_1)", "orthonormal(T_2)", "disjoint(T_1,T_2)", "symmetric(eta_D)"),
            ),
            Have(
                "C' C = B' B + eta_D eta_D (H H - 2 low_D H + low_D low_D P)",
                ("step(12)", "step(13)", "step(14)", "last"),
            ),
            Have(
                "q q P = P - 2 eta_D low_D P + eta_D eta_D low_D low_D P", ("def(q)", "commutes(low,eta_D)")
            ),
            Have(
                "q q P - (P - eta_D H)' (P - eta_D H) = C' C",
                ("step(10)", "step(11)", "step(16)", "last 2"),
            ),
        ),
    ),
    Theorem(
        "inexact-training/first",
        text_lines(
            _RUN,
            _FACTOR,
            """
            let w_s = s
            let rest_s = P (s - w_r)
            let spare_s : D x c = 0
            """,
            _FIRST,
            "says before the first step the error is that of the start, off the rows and on them",
        ),
        (
            *_ERROR,
            Have("(I - P) (s - w_r) = off", ("def(off)", "last")),
            Have("s - w_r = rest_s + off", ("def(rest_s)", "last")),
            Have("off' rest_s = 0", ("def(off)", "def(rest_s)", "step(3)", "step(4)")),
            Have("(s - w_r)' (s - w_r) = off' off + rest_s' rest_s", ("last 2",)),
        ),
    ),
    Theorem(
        "inexact-training/step",
        text_lines(
            _RUN,
            """
            let ytilde = S_R' y_R + S_F' Phi_F w_r
            matrix w : D x c
            matrix rest : D x c
            matrix spare : z x c
            """,
            _FACTOR,
            """
            partition l = z + k by T_1, T_2
            assume contracts: q_D q_D P - (P - eta_D H)' (P - eta_D H) = C' C
            assume kept-off-rows: (I - P) (w - w_0) = off
            assume within: (w - w_r)' (w - w_r) = off' off + rest' rest - spare' spare
            let w_next = w + eta_D Phi' (ytilde - Phi w)
            let rest_next = q_D rest
            let spare_next = T_1' spare q_c + T_2' C (w - w_r)
            """,
            _NEXT,
            """
            says with the optimal labels a step keeps the error off the rows, leaves at most |q| of that on them, and \
                what is spared stays a square
            """,
        ),
        (
            *_ERROR,
            use("lemma/update", A="Phi_R", t="y_R", v="w_0", w="w_r"),
            Have("P H = H", ("def(H)", "step(1).1", "step(2).2", "step(3)", "def(P)", "penrose1(Phi)")),
            Have("Phi' = Phi_R' S_R + Phi_F' S_F", ("def(Phi_R)", "def(Phi_F)", "complete(S_R,S_F)")),
            Have(
                "Phi' (ytilde - Phi w_r) = 0",
                (
                    "def(ytilde)",
                    "def(Phi_R)",
                    "def(Phi_F)",
                    "orthonormal(S_R)",
                    "orthonormal(S_F)",
                    "disjoint(S_R,S_F)",
                    "step(6).1",
                    "last",
                ),
            ),
            Have("w_next - w_r = w - w_r - eta_D H (w - w_r)", ("def(w_next)", "def(H)", "last")),
            Have("(I - P) (w - w_r) = off", ("assume(kept-off-rows)", "step(5)")),
            Have("w_next - w_r = off + (P - eta_D H) (w - w_r)", ("last 2",)),
            Have("P off = 0", ("def(off)", "step(4)")),
            Have("eta_D P = P eta_D", ("def(P)", "commutes(eta,Phi)", "commutes(eta,Phi^+)")),
            Have("off' P = 0", ("step(3)", "step(13)")),
            Have("off' eta_D H = 0", ("step(7)", "last 2")),
            Have(
                "(w_next - w_r)' (w_next - w_r) = off' off + (w - w_r)' (P - eta_D H)' (P - eta_D H) (w - w_r)",
                ("step(12)", "last 2"),
            ),
            Have(
                "(w - w_r)' P (w - w_r) = rest' rest - spare' spare",
                ("assume(within)", "step(3)", "step(4)", "step(11)"),
            ),
            Have("q_D (w - w_r) = (w - w_r) q_c", ("commutes(q,w)", "commutes(q,w_r)")),
            Have("(w - w_r)' q_D = q_c (w - w_r)'", ("symmetric(q_D)", "symmetric(q_c)", "last")),
            Have("q_D P (w - w_r) = P (w - w_r) q_c", ("commutes(q,P)", "step(19)")),
            Have(
                "(w - w_r)' q_D q_D P (w - w_r) = q_c (rest' rest - spare' spare) q_c", ("step(18)", "last 2")
            ),
            Have(
                "rest_next' rest_next = q_c rest' rest q_c",
                ("def(rest_next)", "commutes(q,rest)", "symmetric(q_D)", "symmetric(q_c)"),
            ),
            Have(
                "spare_next' spare_next = q_c spare' spare q_c + (w - w_r)' C' C (w - w_r)",
                (
                    "def(spare_next)",
                    "orthonormal(T_1)",
                    "orthonormal(T_2)",
                    "disjoint(T_1,T_2)",
                    "symmetric(q_c)",
                ),
            ),
            Have(
                "(w_next - w_r)' (w_next - w_r) = off' off + rest_next' rest_next - spare_next' spare_next",
                ("assume(contracts)", "step(17)", "last 3"),
            ),
        ),
    ),
    Theorem(
        "inexact-training/all-steps",
        text_lines(
            "induction over the number of steps",
            _RUN,
            """
            state w : D x c
            state rest : D x c
            """,
            _FACTOR,
            """
            state spare : z x c
            assume contracts: q_D q_D P - (P - eta_D H)' (P - eta_D H) = C' C
            predicate (I - P) (w - w_0) = off
            predicate (w - w_r)' (w - w_r) = off' off + rest' rest - spare' spare
            base inexact-training/first with w = w_s, rest = rest_s, spare = spare_s
            step inexact-training/step from w = w, rest = rest, spare = spare to w = w_next, \
                rest = rest_next, spare = spare_next
            says fine-tuning with the optimal labels that stops after T steps, from any start s, misses the retrained \
                model by the start's part off the rows and at most rest = q^T P (s - w_r), which shrinks if |q| < 1
            remains the rate: if 0 < eta <= 1/lambda_max, ||w_T - w_r||^2 <= (1 - eta lambda_min)^(2T) \
                ||P (s - w_r)||^2 + ||(I - P) (s - w_0)||^2, where ||Phi u||^2 <= lambda_max ||u||^2 for every u, and \
                ||Phi u||^2 >= lambda_min ||u||^2 with 0 < lambda_min <= lambda_max for every u in the row space
            """,
        ),
    ),
)
