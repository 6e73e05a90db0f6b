"""The words that theorems share: data and trained models, in the statement language."""

from __future__ import annotations

from ...algebra.theorem import Apply

__all__ = ["DATA", "FINE_TUNED", "GRAM", "LEAST_SQUARES", "RELABELLED", "STEPS", "TRAINED", "use"]

DATA = """
    matrix Phi : n x D
    matrix y : n x c
    matrix w_0 : D x c
    partition n = r + f by S_R, S_F
    let Phi_R = S_R Phi
    let Phi_F = S_F Phi
    let y_R = S_R y
    pinv Phi
    pinv Phi_R
"""
"""Features, targets, initial parameters; retained and forgotten samples."""

TRAINED = """
    let w_p = w_0 + Phi^+ (y - Phi w_0)
    let w_r = w_0 + Phi_R^+ (y_R - Phi_R w_0)
"""
"""The pretrained and the retrained model: where gradient descent from w_0 ends."""

RELABELLED = """
    matrix ytilde_F : f x c
    let ytilde = S_R' y_R + S_F' ytilde_F
    let w_u = w_p + Phi^+ (ytilde - Phi w_p)
"""
"""Fine-tuning from the pretrained model on all samples, the forgotten ones with labels ytilde_F."""

FINE_TUNED = DATA + TRAINED + RELABELLED
"""Trained, retrained and fine-tuned."""

GRAM = """
    let K = Phi Phi'
    assume gram-invertible: K invertible
"""
"""An invertible Gram matrix."""

LEAST_SQUARES = """
    matrix Phi : n x D
    matrix t : n x c
    matrix v : D x c
    pinv Phi
    let g = v + Phi^+ (t - Phi v)
"""
"""Least squares from a start v, and where gradient descent ends."""

STEPS = """
    matrix E : D x D
    matrix H : n x n
    assume scalar-step: E Phi' = Phi' H
"""
"""A step size on parameters and the same on samples."""


def use(lemma: str, **values: str) -> Apply:
    """A step that applies a lemma, its symbols replaced by expressions of the host."""
    return Apply(lemma, values)
