"""Scores that membership attacks look at: one number a sample, from predicted probabilities."""

from __future__ import annotations

import numpy as np

from ..arguments import checked
from ..arrays import Array
from ..errors import expected
from .outputs import class_indices, output_columns

__all__ = ["confidence", "entropy", "logit_confidence", "loss", "modified_entropy"]

_SMALLEST = float(np.finfo(np.float64).tiny)
"""What a probability of zero counts as inside a logarithm, 2.2e-308, so that every score is finite."""


def _distributions(probabilities: object) -> Array:
    """Rows that sum to one, of at least two columns."""
    p = output_columns(probabilities, "probabilities")
    if p.shape[1] < 2 or p.min() < 0 or np.abs(p.sum(axis=1) - 1).max() > 1e-6:
        hint = "evaluation.probabilities(outputs)"
        raise expected(
            "rows that are distributions", "probabilities", p.shape, "rows not summing to one", hint
        )
    return p


def _log(p: Array) -> Array:
    result: Array = np.log(np.maximum(p, _SMALLEST))
    return result


def _log_of_rest(p: Array) -> Array:
    """log(1 − p), accurate for small p."""
    rest = np.maximum(1 - p, _SMALLEST)
    result: Array = np.where(p < 0.5, np.log1p(-np.minimum(p, 0.5)), np.log(rest))
    return result


def _own(p: Array, classes: object) -> tuple[Array, Array]:
    """Probability of each sample's own class, and where it stands."""
    index = class_indices(classes, len(p), p.shape[1])
    return p[np.arange(len(p)), index], index


def entropy(probabilities: object) -> Array:
    """−Σ p log p of rows that sum to one, in nats, shape (n,): low where the model is sure.

    Raises:
        BadInputError: rows that are no distributions.

    Example:
        >>> entropy([[0.5, 0.5], [1.0, 0.0]]).round(4)
        array([0.6931, 0.    ])
    """
    p = _distributions(probabilities)
    # 0 − x rather than −x: the entropy of a sure prediction is 0, not −0.
    result: Array = 0.0 - np.sum(p * _log(p), axis=1)
    return result


@checked
def modified_entropy(probabilities: object, classes: object) -> Array:
    """−(1 − p_y) log p_y − Σ_{c≠y} p_c log(1 − p_c): low where the model is sure *and* right.

    Song and Mittal, "Systematic evaluation of privacy risks of machine learning models" (2021): it falls with p_y and
    grows with every other p_c. Code that is widely copied between unlearning repositories takes log p_c where
    log(1 − p_c) is due; that variant falls again once p_c > 1/e, so that of two wrong predictions it takes the surer
    one for the member.

    Args:
        probabilities: rows that sum to one, shape (n, C).
        classes: true classes, as indices (n,) or one-hot rows (n, C).

    Raises:
        BadInputError: rows that are no distributions, or classes that do not fit.

    Example:
        >>> modified_entropy([[0.9, 0.1], [0.9, 0.1]], [0, 1]).round(4)  # right and sure, wrong and sure
        array([0.0211, 4.1447])
    """
    p = _distributions(probabilities)
    own, index = _own(p, classes)
    others = p * _log_of_rest(p)
    others[np.arange(len(p)), index] = 0.0
    result: Array = 0.0 - (1 - own) * _log(own) - others.sum(axis=1)
    return result


@checked
def confidence(probabilities: object, classes: object) -> Array:
    """p_y, the probability of the true class.

    Args:
        probabilities: rows that sum to one, shape (n, C).
        classes: true classes, as indices (n,) or one-hot rows (n, C).

    Raises:
        BadInputError: rows that are no distributions, or classes that do not fit.

    Example:
        >>> confidence([[0.9, 0.1]], [1])
        array([0.1])
    """
    return _own(_distributions(probabilities), classes)[0]


@checked
def loss(probabilities: object, classes: object) -> Array:
    """−log p_y, the cross-entropy of each sample.

    Args:
        probabilities: rows that sum to one, shape (n, C).
        classes: true classes, as indices (n,) or one-hot rows (n, C).

    Raises:
        BadInputError: rows that are no distributions, or classes that do not fit.

    Example:
        >>> loss([[0.5, 0.5]], [0]).round(4)
        array([0.6931])
    """
    return 0.0 - _log(confidence(probabilities, classes))


@checked
def logit_confidence(outputs: object, targets: object) -> Array:
    """log(p_y/(1 − p_y)) = f_y − log Σ_{c≠y} exp f_c, from outputs, so that it is exact where p_y rounds to one.

    The score of likelihood-ratio attacks, close to normal over retrainings (Carlini et al. 2022); the margin of KLoM.

    Args:
        outputs: f(x), shape (n,) or (n, C), before any softmax.
        targets: ±1 for one output; class indices or one-hot rows for several.

    Raises:
        BadInputError: outputs that are not finite, or targets that do not fit.

    Example:
        >>> logit_confidence([[1000.0, 0.0]], [0]), logit_confidence([2.0], [-1])
        (array([1000.]), array([-2.]))
    """
    f = output_columns(outputs)
    index = class_indices(targets, len(f), f.shape[1])
    if f.shape[1] == 1:
        signed: Array = f[:, 0] * (2 * index - 1)
        return signed
    rows = np.arange(len(f))
    others = f.copy()
    others[rows, index] = -np.inf
    largest = others.max(axis=1)
    result: Array = f[rows, index] - largest - np.log(np.exp(others - largest[:, None]).sum(axis=1))
    return result
