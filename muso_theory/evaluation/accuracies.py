"""Accuracy of outputs against targets, and the average gap to retraining."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..arguments import checked
from ..arrays import Array
from ..errors import expected
from .outputs import class_indices, output_columns, predicted_classes

__all__ = ["accuracy", "average_gap"]


@checked
def accuracy(outputs: object, targets: object) -> float:
    """Fraction of samples whose predicted class is the target's.

    One output is compared by sign with targets ±1 (an output of exactly zero is no prediction, hence wrong); several
    outputs by their largest entry, the first where several are largest.

    Args:
        outputs: f(x), shape (n,), (n, 1) or (n, C).
        targets: ±1 of shape (n,) or (n, 1) for one output; one-hot (n, C) or class indices (n,) for several.

    Raises:
        BadInputError: no samples, entries that are not finite, targets that fit none of the three forms.

    Example:
        >>> accuracy(np.array([0.3, -2.0, 0.1]), np.array([1, -1, -1])) == 2 / 3
        True
        >>> accuracy(np.array([[0.1, 0.9], [0.8, 0.2]]), np.array([1, 1]))
        0.5
    """
    columns = output_columns(outputs)
    classes = class_indices(targets, len(columns), columns.shape[1])
    hits = predicted_classes(columns) == classes
    return float(np.mean(hits & ((columns[:, 0] != 0) | (columns.shape[1] > 1))))


@checked
def average_gap(scores: Mapping[str, float], retrained: Mapping[str, float]) -> float:
    """Mean absolute difference to the retrained model over the same scores (arXiv 2410.08557, average gap).

    Args:
        scores: by name, e.g. test accuracy, forget accuracy and membership score of an unlearned model.
        retrained: the same scores of the retrained model.

    Raises:
        BadInputError: no scores, other names on the two sides, or scores that are not finite.

    Example:
        >>> round(average_gap({"test": 0.9, "forget": 0.5}, {"test": 0.8, "forget": 0.6}), 12)
        0.1
    """
    if not scores or set(scores) != set(retrained):
        other = ", ".join(sorted(set(scores) ^ set(retrained)))
        raise expected("the same scores of both models", "scores", other, "on one side only", "equal keys")
    for name, pair in ((name, (scores[name], retrained[name])) for name in scores):
        if not np.isfinite(pair).all():
            raise expected(
                "finite scores", f"scores[{name!r}]", pair, "of both models", "leaving it out of both"
            )
    values: Array = np.array([abs(scores[name] - retrained[name]) for name in sorted(scores)])
    return float(values.mean())
