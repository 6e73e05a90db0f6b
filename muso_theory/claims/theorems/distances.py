"""How far models are apart: outputs, squared lengths, training that stops, optimizers that leave the span."""

from __future__ import annotations

from ...algebra.theorem import Have, Theorem, text_lines
from .settings import DATA, TRAINED, use

__all__ = ["THEOREMS"]

THEOREMS = (
    Theorem(
        "membership",
        text_lines("""
            matrix w_u : D x c
            matrix w_r : D x c
            matrix X : k x D
            let d = w_u - w_r
            conclude X w_u - X w_r = X d
            conclude (X w_u - X w_r)' (X w_u - X w_r) = d' X' X d
            says on any samples the outputs of two linear models differ by the samples times the parameter gap
        """),
    ),
    Theorem(
        "membership/equal-scores",
        text_lines("""
            matrix w_u : D x c
            matrix w_r : D x c
            matrix X : k x D
            assume exact: w_u = w_r
            conclude X w_u = X w_r
            says exactly unlearned, the outputs are those of the retrained model, on any samples
            remains an attack is a function of parameters and outputs, so that equal ones get equal scores; |score_u - \
                score_r| <= Lipschitz constant times the difference of outputs
        """),
    ),
    Theorem(
        "energy",
        text_lines(
            DATA,
            TRAINED,
            """
            assume least-squares-on-retain: Phi_R' (Phi_R w_p - y_R) = 0
            without full-row-rank: Phi right-invertible
            without interpolation: Phi_R w_p = y_R
            conclude (w_p - w_0)' (w_p - w_0) = (w_r - w_0)' (w_r - w_0) + (w_p - w_r)' (w_p - w_r)
            says if the pretrained model is a least-squares solution on the retain set, squared lengths add: what is \
                forgotten is what remembering cost
            """,
        ),
        (
            use("label-free/sufficient"),
            use("lemma/pseudo-inverse", A="Phi_R"),
            Have("w_r - w_0 = Phi_R^+ Phi_R (w_p - w_0)"),
            Have("(w_r - w_0)' (w_p - w_r) = 0"),
        ),
    ),
    Theorem(
        "capacity",
        text_lines(
            DATA,
            TRAINED,
            """
            matrix E : s x r
            let Phi_S = E Phi_R
            let y_S = E y_R
            pinv Phi_S
            let w_S = w_0 + Phi_S^+ (y_S - Phi_S w_0)
            assume least-squares-on-retain: Phi_R' (Phi_R w_p - y_R) = 0
            without interpolation: Phi_R w_p = y_R
            without least-squares-on-subset: Phi_S' (Phi_S w_p - y_S) = 0
            conclude (w_p - w_S)' (w_p - w_S) = (w_p - w_r)' (w_p - w_r) + (w_r - w_S)' (w_r - w_S)
            says if the pretrained model is a least-squares solution on the retain set, the squared gaps of nested \
                requests add up: of forgetting F, and of forgetting more of the retain set, so that only S is left
            """,
        ),
        (
            use("label-free/sufficient"),
            use("lemma/pseudo-inverse", A="Phi_R"),
            use("lemma/nested-rows", A="Phi_R", E="E", B="Phi_S"),
            Have("w_r - w_0 = Phi_R^+ Phi_R (w_p - w_0)"),
            Have("Phi_R^+ Phi_R (w_S - w_0) = w_S - w_0", ("def(w_S)", "steps")),
            Have("Phi_R (w_p - w_r) = Phi_R (I - Phi_R^+ Phi_R) (w_p - w_0)", ("steps",)),
            Have("Phi_R (w_p - w_r) = 0", ("penrose1(Phi_R)", "last")),
            Have(
                "(w_r - w_S)' Phi_R^+ Phi_R = (w_r - w_S)'", ("penrose2(Phi_R)", "penrose4(Phi_R)", "steps")
            ),
            Have("(w_r - w_S)' (w_p - w_r) = 0", ("last 2",)),
        ),
    ),
    Theorem(
        "inexact-training",
        text_lines(
            DATA,
            """
            let w_r = w_0 + Phi_R^+ (y_R - Phi_R w_0)
            let P = Phi^+ Phi
            matrix s : D x c
            matrix M : D x D
            let w = w_r + M (s - w_r)
            matrix q : D x D
            matrix C : k x D
            assume polynomial-in-gram: M P = P M
            assume off-rows: M (I - P) = I - P
            assume contracts: P q' q P - P M' M P = C' C
            let off = (I - P) (s - w_0)
            let on = q P (s - w_r)
            let spare = C (s - w_r)
            conclude (w - w_r)' (w - w_r) = off' off + on' on - spare' spare
            says fine-tuning with optimal labels that stops misses the retrained model by at most the start's part off \
                the rows and a shrinking rest
            remains T steps from s with the optimal labels end at w, with M = (I - eta Phi' Phi)^T, as each takes \
                w - w_r to (I - eta Phi' Phi)(w - w_r) (the step of gd-finite-time); and q = (1 - eta lambda_min)^T I, \
                lambda_min the smallest eigenvalue of Phi' Phi that is not zero, for which P q' q P - P M' M P is \
                positive semidefinite if 0 < eta <= 1/lambda_max
            """,
        ),
        (
            use("lemma/nested-rows", A="Phi", E="S_R"),
            use("lemma/pseudo-inverse", A="Phi"),
            Have("P = P'", ("def(P)", "penrose4(Phi)")),
            Have("P P = P", ("def(P)", "penrose2(Phi)")),
            Have("P (w_r - w_0) = w_r - w_0", ("def(P)", "def(w_r)", "step(1).2")),
            Have("(I - P) (s - w_r) = off", ("def(off)", "last")),
            Have("w - w_r = M P (s - w_r) + off", ("def(w)", "assume(off-rows)", "last")),
            Have("off' M P (s - w_r) = 0", ("assume(polynomial-in-gram)", "step(3)", "step(4)", "step(6)")),
            Have(
                "(M P (s - w_r))' (M P (s - w_r)) = on' on - spare' spare",
                ("def(on)", "def(spare)", "assume(contracts)", "step(3)"),
            ),
            Have("(w - w_r)' (w - w_r) = off' off + on' on - spare' spare", ("last 3",)),
        ),
    ),
    Theorem(
        "adaptive-optimizer/gap",
        text_lines(
            DATA,
            """
            let w_r = w_0 + Phi_R^+ (y_R - Phi_R w_0)
            matrix w_p : D x c
            let w_u = w_p + Phi^+ (S_R' y_R + S_F' Phi_F w_r - Phi w_p)
            let off = (I - Phi^+ Phi) (w_p - w_0)
            conclude w_u - w_r = off
            says wherever pretraining ended, exact labels leave what it put off the start plus the row space
            remains Adam, RMSProp, AdaGrad and weight decay can put something there, as a first step \
                shows on an instance
            """,
        ),
        (use("lemma/gap", s="Phi^+ Phi w_p + (I - Phi^+ Phi) w_0", t="S_R' y_R + S_F' Phi_F w_r"),),
    ),
    Theorem(
        "adaptive-optimizer/none",
        text_lines(
            DATA,
            """
            let w_r = w_0 + Phi_R^+ (y_R - Phi_R w_0)
            matrix w_p : D x c
            let w_u = w_p + Phi^+ (S_R' y_R + S_F' Phi_F w_r - Phi w_p)
            assume full-column-rank: Phi left-invertible
            conclude w_u = w_r
            says where the rows of the features span the parameter space, there is nothing off it, and no gap
            """,
        ),
        (
            use("adaptive-optimizer/gap"),
            Have("Phi^+ Phi = I", ("left_inverse(Phi)", "penrose1(Phi)")),
        ),
    ),
)
