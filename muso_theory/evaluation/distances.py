"""How far two models are apart: in parameters, in outputs, in decisions and in probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..arguments import checked
from ..arrays import Array, float_values
from ..errors import expected
from .outputs import log_probabilities, output_columns, predicted_classes

__all__ = ["agreement", "function_distance", "kl_divergence", "parameter_distance"]


@checked
def parameter_distance(w: Array | Sequence[Array], other: Array | Sequence[Array]) -> float:
    """‖w − w'‖ over all parameters, of arrays or of a network's lists of arrays (Frobenius norm).

    Returns:
        The distance in float64; scaled inside, so that it neither overflows nor underflows early.

    Raises:
        BadInputError: other shapes, or parameters that are not finite.

    Example:
        >>> parameter_distance(np.array([3.0, 0.0]), np.array([0.0, 4.0]))
        5.0
    """
    mine, theirs = _listed("w", w), _listed("other", other)
    shapes = [p.shape for p in mine], [p.shape for p in theirs]
    if shapes[0] != shapes[1]:
        raise expected(
            f"parameters of shapes {shapes[0]}", "other", shapes[1], "shapes", "the same architecture"
        )
    norms = [0.0]
    for p, q in zip(mine, theirs, strict=True):
        difference = p - q
        largest = float(np.abs(difference).max(initial=0.0))
        if not np.isfinite(largest):
            raise expected(
                "finite parameters", "w, other", largest, "largest difference", "a model that converged"
            )
        if largest > 0:
            norms.append(largest * float(np.linalg.norm((difference / largest).ravel())))
    return float(np.hypot.reduce(norms))


def _listed(name: str, w: Array | Sequence[Array]) -> list[Array]:
    """The arrays of a model, one for a linear one."""
    if isinstance(w, np.ndarray):
        return [float_values(name, w, None)]
    return [float_values(f"{name}[{i}]", p, None) for i, p in enumerate(w)]


def _pair(outputs: object, other: object) -> tuple[Array, Array]:
    """Outputs of two models on the same samples."""
    f, g = output_columns(outputs), output_columns(other, "other")
    if f.shape != g.shape:
        raise expected(
            f"outputs of shape {f.shape}", "other", g.shape, "shape", "the same samples and outputs"
        )
    return f, g


def function_distance(outputs: object, other: object) -> float:
    """Root mean square over the samples of ‖f(x) − g(x)‖, for outputs of shape (n,) or (n, C).

    Raises:
        BadInputError: other shapes, or entries that are not finite.

    Example:
        >>> function_distance([1.0, 1.0], [0.0, 1.0]) == 0.5**0.5
        True
    """
    f, g = _pair(outputs, other)
    return float(np.sqrt(np.mean(np.sum((f - g) ** 2, axis=1))))


def agreement(outputs: object, other: object) -> float:
    """Fraction of samples on which two models of outputs (n,) or (n, C) predict the same class.

    Raises:
        BadInputError: other shapes, or entries that are not finite.

    Example:
        >>> agreement([1.0, -1.0], [2.0, 1.0])
        0.5
    """
    f, g = _pair(outputs, other)
    return float(np.mean(predicted_classes(f) == predicted_classes(g)))


def kl_divergence(outputs: object, other: object) -> float:
    """Mean over the samples of KL(softmax f(x) ‖ softmax g(x)), in nats.

    Args:
        outputs: f(x), shape (n,) or (n, C); one output stands for classes −1 and +1 with p(+1) = 1/(1 + e^−f).

    Raises:
        BadInputError: other shapes, or entries that are not finite.

    Example:
        >>> kl_divergence([[0.0, 0.0]], [[0.0, 0.0]])
        0.0
    """
    f, g = _pair(outputs, other)
    p, q = log_probabilities(f), log_probabilities(g)
    return float(max(0.0, np.mean(np.sum(np.exp(p) * (p - q), axis=1))))
