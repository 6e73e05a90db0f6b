"""Momentum stays in the start plus the row space, step after step, and loses energy; metrics that all runs share."""

from __future__ import annotations

from ...algebra.theorem import Have, Theorem, text_lines
from .settings import LEAST_SQUARES, use

__all__ = ["THEOREMS"]

_ITERATES = """
    matrix w : D x c
    matrix w_before : D x c
    assume now-in-span: (I - Phi^+ Phi) (w - v) = 0
    assume before-in-span: (I - Phi^+ Phi) (w_before - v) = 0
    scalar beta on n, D
    matrix H : n x n
"""
"""Two iterates, and the momentum and step size of the next step, which may be others in every step."""

_KEPT = """
    conclude (I - Phi^+ Phi) (w_next - v) = 0
    conclude (I - Phi^+ Phi) (w - v) = 0
"""

_ALL_STEPS = """
    state w : D x c
    state w_before : D x c
    predicate (I - Phi^+ Phi) (w - v) = 0
    predicate (I - Phi^+ Phi) (w_before - v) = 0
    base momentum/first with w = w_s, w_before = w_before
"""

_SPAN = (
    use("lemma/pseudo-inverse", A="Phi"),
    Have(
        "(I - Phi^+ Phi) beta_D = beta_D (I - Phi^+ Phi)",
        ("commutes(beta,Phi)", "commutes(beta,Phi^+)"),
    ),
    Have(
        "(I - Phi^+ Phi) beta_D (w - w_before) = 0", ("assume(now-in-span)", "assume(before-in-span)", "last")
    ),
)

_METRIC = """
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
"""
"""Three runs in the geometry of one metric, N its inverse."""

_METRIC_ROWS = """
    let X = Phi C
    let X_R = S_R X
    pinv X
    pinv X_R
"""

THEOREMS = (
    Theorem(
        "lemma/metric-gap",
        text_lines(
            _METRIC,
            _METRIC_ROWS,
            """
            conclude w_u - w_r = C X^+ S_F' (ytilde_F - Phi_F w_r)
            says the gap formula in the geometry of a fixed metric
            """,
        ),
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
            Have(
                "X_R' (y_R - Phi_R w_r) = 0", ("def(X_R)", "def(X)", "def(Phi_R)", "penrose1(X_R)", "steps")
            ),
            Have("X^+ S_R' (y_R - Phi_R w_r) = 0", ("def(X_R)", "steps")),
            Have(
                "w_u - w_r = C X^+ S_F' (ytilde_F - Phi_F w_r)",
                ("def(ytilde)", "def(Phi_R)", "def(Phi_F)", "complete(S_R,S_F)", "last 3"),
            ),
        ),
    ),
    Theorem(
        "momentum/first",
        text_lines(
            LEAST_SQUARES,
            """
            let w_s = v
            let w_before = v
            conclude (I - Phi^+ Phi) (w_s - v) = 0
            conclude (I - Phi^+ Phi) (w_before - v) = 0
            says training begins with two equal iterates
            """,
        ),
    ),
    Theorem(
        "momentum/heavy-ball-step",
        text_lines(
            LEAST_SQUARES,
            _ITERATES,
            "let w_next = w + Phi' H (t - Phi w) + beta_D (w - w_before)",
            _KEPT,
            "says a step of heavy ball keeps both iterates there",
        ),
        (
            *_SPAN,
            Have("(I - Phi^+ Phi) (w_next - v) = 0", ("def(w_next)", "assume(now-in-span)", "steps")),
        ),
    ),
    Theorem(
        "momentum/nesterov-step",
        text_lines(
            LEAST_SQUARES,
            _ITERATES,
            """
            let s = w + beta_D (w - w_before)
            let w_next = s + Phi' H (t - Phi s)
            """,
            _KEPT,
            "says so does a step of Nesterov's method",
        ),
        (
            *_SPAN,
            Have(
                "(I - Phi^+ Phi) (w_next - v) = 0", ("def(w_next)", "def(s)", "assume(now-in-span)", "steps")
            ),
        ),
    ),
    Theorem(
        "momentum/heavy-ball-all-steps",
        text_lines(
            "induction over the number of steps",
            LEAST_SQUARES,
            _ALL_STEPS,
            """
            step momentum/heavy-ball-step from w = w, w_before = w_before to w = w_next, w_before = w
            says after any number of steps, each of its own size and momentum, heavy ball is in the start plus \
                the row space
            """,
        ),
    ),
    Theorem(
        "momentum/nesterov-all-steps",
        text_lines(
            "induction over the number of steps",
            LEAST_SQUARES,
            _ALL_STEPS,
            """
            step momentum/nesterov-step from w = w, w_before = w_before to w = w_next, w_before = w
            says and so is Nesterov's method
            """,
        ),
    ),
    Theorem(
        "momentum/energy",
        text_lines(
            """
            matrix Phi : n x D
            matrix t : n x c
            matrix w : D x c
            matrix w_before : D x c
            scalar h on n, D
            scalar b on n, D
            let eta : D x D = h_D h_D
            let beta : D x D = b_D b_D
            let w_next = w + eta Phi' (t - Phi w) + beta (w - w_before)
            let d = w - w_before
            let d_next = w_next - w
            let loss = h_n (t - Phi w)
            let loss_next = h_n (t - Phi w_next)
            let bend = b_D (d - d_next)
            matrix C : k x D
            assume small-step: 2 I - 2 beta - eta Phi' Phi = C' C
            conclude loss' loss + d' beta d = loss_next' loss_next + d_next' beta d_next + bend' bend + \
                (C d_next)' (C d_next)
            says with constant step size eta and momentum beta, both squares, every step of heavy ball loses energy: \
                the loss plus the squared last step, weighted
            """,
        ),
        (
            Have("loss_next = loss - h_n Phi d_next", ("def(loss)", "def(loss_next)", "def(d_next)")),
            Have("eta Phi' (t - Phi w) = d_next - beta d", ("def(d_next)", "def(w_next)", "def(d)")),
            Have(
                "Phi' h_n loss = d_next - beta d",
                ("def(loss)", "def(eta)", "commutes(h,Phi)", "symmetric(h_n)", "symmetric(h_D)", "last"),
            ),
            Have(
                "Phi' h_n h_n Phi = 2 I - 2 beta - C' C",
                ("assume(small-step)", "def(eta)", "commutes(h,Phi)", "symmetric(h_n)", "symmetric(h_D)"),
            ),
            Have(
                "loss_next' loss_next = loss' loss - loss' h_n Phi d_next - d_next' Phi' h_n loss"
                " + d_next' Phi' h_n h_n Phi d_next",
                ("step(1)", "symmetric(h_n)"),
            ),
            Have(
                "bend' bend = (d - d_next)' beta (d - d_next)", ("def(bend)", "def(beta)", "symmetric(b_D)")
            ),
            Have("beta' = beta", ("def(beta)", "symmetric(b_D)")),
            Have(
                "loss' loss + d' beta d = loss_next' loss_next + d_next' beta d_next + bend' bend"
                " + (C d_next)' (C d_next)",
                ("symmetric(h_n)", "steps"),
            ),
        ),
    ),
    Theorem(
        "momentum/limit",
        text_lines(
            LEAST_SQUARES,
            """
            scalar eta on n, D
            scalar beta on n, D
            matrix w : D x c
            assume nonzero-step: eta_D invertible
            assume rest: w + eta_D Phi' (t - Phi w) + beta_D (w - w) = w
            assume in-span: (I - Phi^+ Phi) (w - v) = 0
            conclude w = g
            says where either comes to rest is where gradient descent ends, so claims about the end hold for it
            remains that they come to rest: for momentum 0 <= b < 1 and a step 0 < eta < 2 (1 + b)/lambda_max, \
                Nesterov's method for 0 < eta < 2 (1 + b)/((1 + 2 b) lambda_max), where ||Phi u||^2 <= \
                lambda_max ||u||^2 for every u
            """,
        ),
        (Have("Phi' (t - Phi w) = 0"), use("implicit-bias/limit")),
    ),
    Theorem(
        "momentum/fixed-metric",
        text_lines(
            _METRIC,
            """
            assume optimal-label: ytilde_F = Phi_F w_r
            without full-row-rank: Phi right-invertible
            without metric-invertible: C left-invertible
            """,
            _METRIC_ROWS,
            """
            conclude w_u = w_r
            says in the geometry of any fixed metric, N its inverse, the optimal labels unlearn exactly
            """,
        ),
        (use("lemma/metric-gap"),),
    ),
)
