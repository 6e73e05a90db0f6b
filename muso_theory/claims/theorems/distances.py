"""How far models are apart: outputs, squared lengths, optimizers that leave the span."""

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
