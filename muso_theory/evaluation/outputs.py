"""How evaluation reads outputs, targets and probabilities, whatever form they come in."""

from __future__ import annotations

import numpy as np

from ..arrays import Array, float_values, real_array
from ..errors import expected

__all__ = [
    "class_indices",
    "log_probabilities",
    "output_columns",
    "predicted_classes",
    "probabilities",
    "score_vector",
]


def output_columns(outputs: object, name: str = "outputs") -> Array:
    """Read outputs of shape (n,), (n, 1) or (n, C) as float64 columns (n, C).

    Raises:
        BadInputError: another shape, no samples, or entries that are not finite.

    Example:
        >>> output_columns([1.0, 2.0]).shape
        (2, 1)
    """
    array = float_values(name, outputs, (1, 2))
    if array.size == 0:
        raise expected("at least one sample and output", name, array.shape, "empty", "one row a sample")
    return np.array(array.reshape(len(array), -1))


def class_indices(targets: object, n: int, n_outputs: int) -> Array:
    """Read targets as class indices from 0, shape (n,).

    Args:
        targets: ±1 of shape (n,) or (n, 1) for one output (−1 is class 0, +1 class 1); one-hot rows (n, C) or class
            indices (n,) for several.

    Returns:
        Integers from 0, shape (n,).

    Raises:
        BadInputError: targets that are none of these.

    Example:
        >>> class_indices([-1, 1], 2, 1), class_indices([[0, 1, 0]], 1, 3), class_indices([2], 1, 3)
        (array([0, 1]), array([1]), array([2]))
    """
    array = real_array("targets", targets, (1, 2))
    if len(array) != n:
        raise expected(f"{n} targets, one a sample", "targets", array.shape, "shape", "y")
    if n_outputs == 1:
        flat = array.reshape(n, -1)
        if flat.shape[1] != 1 or not np.isin(flat, (-1, 1)).all():
            hint = "2 * y - 1 for targets 0 and 1"
            raise expected("targets −1 and +1 for one output", "targets", array.shape, "other values", hint)
        return (flat[:, 0] > 0).astype(np.int64)
    if array.ndim == 2:
        if array.shape[1] != n_outputs or not (
            np.isin(array, (0, 1)).all() and (array.sum(axis=1) == 1).all()
        ):
            what = f"one-hot rows of {n_outputs} columns"
            raise expected(what, "targets", array.shape, "no one-hot rows", "class indices")
        return np.flatnonzero(array) % n_outputs
    whole = array.astype(np.int64)
    if not ((whole == array).all() and ((whole >= 0) & (whole < n_outputs)).all()):
        bad = array[(whole != array) | (whole < 0) | (whole >= n_outputs)][0]
        raise expected(
            f"class indices from 0 to {n_outputs - 1}", "targets", bad, str(array.dtype), "one-hot rows"
        )
    return whole


def predicted_classes(columns: Array) -> Array:
    """Class indices, shape (n,), that outputs (n, C) predict; one column is read by its sign.

    Example:
        >>> predicted_classes(np.array([[-0.5], [0.5]])), predicted_classes(np.array([[0.2, 0.7]]))
        (array([0, 1]), array([1]))
    """
    single = columns.shape[1] == 1
    predicted: Array = (columns[:, 0] > 0).astype(np.int64) if single else np.argmax(columns, axis=1)
    return predicted


def _logits(outputs: object) -> Array:
    """Outputs as at least two columns; one output z is the pair (0, z), so that p(+1) = 1/(1 + e^−z)."""
    columns = output_columns(outputs)
    return columns if columns.shape[1] > 1 else np.hstack([np.zeros_like(columns), columns])


def log_probabilities(outputs: object) -> Array:
    """Log of the softmax of outputs, without underflow.

    Args:
        outputs: shape (n,), (n, 1) or (n, C); one output z stands for classes −1 and +1 with p(+1) = 1/(1 + e^−z).

    Raises:
        BadInputError: whatever :func:`output_columns` refuses.

    Example:
        >>> log_probabilities([[0.0, 1000.0]])
        array([[-1000.,     0.]])
    """
    z = _logits(outputs)
    shifted = z - z.max(axis=1, keepdims=True)
    result: Array = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result


def probabilities(outputs: object) -> Array:
    """Softmax of outputs: rows that sum to one, two columns for one output.

    Args:
        outputs: shape (n,), (n, 1) or (n, C); one output z stands for classes −1 and +1 with p(+1) = 1/(1 + e^−z).

    Raises:
        BadInputError: whatever :func:`output_columns` refuses.

    Example:
        >>> probabilities([0.0])
        array([[0.5, 0.5]])
    """
    result: Array = np.exp(log_probabilities(outputs))
    return result


def score_vector(values: object, name: str) -> Array:
    """Read one number a sample as float64 of shape (n,).

    Raises:
        BadInputError: another shape, or entries that are not finite.

    Example:
        >>> score_vector([1, 2], "scores")
        array([1., 2.])
    """
    columns = output_columns(values, name)
    if np.ndim(values) != 1:  # type: ignore[arg-type]
        raise expected("one number a sample", name, columns.shape, "shape", "a column of it")
    return columns[:, 0]
