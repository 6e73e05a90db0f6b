"""Deciding what targets are: the numbers of a regression, or classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from muso_theory.data.classes import class_words, encode_classes
from muso_theory.data.dataset import FloatArray, TextArray, class_order, integer_labels
from muso_theory.errors import expected
from muso_theory.understood import How, Understood

__all__ = ["MOST_CLASSES", "TASKS", "Targets", "decide_targets"]

TASKS = ("regression", "classification")

MOST_CLASSES = 20
"""Integers are taken for classes up to so many distinct values, if each occurs twice on average."""


@dataclass(frozen=True)
class Targets:
    """Targets as numbers, and what they are.

    Args:
        y: (n,) or (n, C).
        classes: their names in order; empty for a regression.
        names: (n,) the class of every sample; of a regression on integers these as text, so that one value can be
            chosen or forgotten.
        understood: the task in words.
    """

    y: FloatArray
    classes: tuple[str, ...]
    names: TextArray | None
    understood: Understood


def decide_targets(
    values: FloatArray | TextArray, task: str | None, name: str, *, as_given: str = ""
) -> Targets:
    """Decide whether targets are classes, and encode them.

    Text is classes. Integers are classes if they are few: at most 20 distinct values, each twice on average. All else
    is a regression. ``task`` says it outright.

    Args:
        values: (n,) text, or (n,) or (n, C) numbers.
        task: "regression", "classification" or None.
        name: of the target, for messages.
        as_given: why integers are not taken for classes unless ``task`` says so, such as parameters that belong to the
            numbers as they are.

    Returns:
        The targets.

    Raises:
        BadInputError: targets that are all the same, a regression on text, classes that are fractions, text with almost
            as many values as samples, an unknown task.

    Example:
        >>> decide_targets(np.array([0.0, 1.0, 2.0] * 4), None, "y").y.shape
        (12, 3)
        >>> decide_targets(np.array([0.0, 1.0, 2.0] * 4), "regression", "y").understood.value
        'regression: 3 distinct numbers from 0 to 2'
    """
    if task is not None and task not in TASKS:
        raise expected("a task", "task", task, "unknown", " or ".join(TASKS))
    is_text = values.dtype.kind == "U"
    names = (
        np.asarray(values, dtype=np.str_) if is_text else integer_labels(np.asarray(values, dtype=np.float64))
    )
    distinct = np.unique(values, axis=0)
    if len(distinct) < 2:
        what = "targets of at least two classes" if names is not None else "targets that differ"
        raise expected(what, name, distinct.ravel()[0], "one class only", "another --target, or more data")
    few = len(distinct) <= MOST_CLASSES and 2 * len(distinct) <= len(values)
    how: How = "given" if task else "inferred"
    chosen = task or (
        "classification" if is_text or (names is not None and few and not as_given) else "regression"
    )
    if chosen == "classification":
        if names is None:
            got = "several columns" if values.ndim == 2 else "fractions"
            raise expected("classes: integers or text", name, distinct.ravel()[0], got, "--task regression")
        if is_text and not few and task is None and len(distinct) > MOST_CLASSES:
            got = f"{len(distinct)} distinct texts in {len(values)} samples"
            hint = "--task classification if they are classes, or another --target"
            raise expected("numbers or a few classes", name, distinct[0], got, hint)
        classes = class_order(names)
        return Targets(
            encode_classes(names, classes),
            classes,
            names,
            Understood("task", class_words(classes), how, "--task"),
        )
    if is_text:
        raise expected("numbers for a regression", name, distinct[0], "text", "--task classification")
    y = np.asarray(values, dtype=np.float64)
    words = f"regression: {len(distinct)} distinct {'rows' if y.ndim == 2 else 'numbers'} "
    words += f"from {y.min():.6g} to {y.max():.6g}" + (f"; {as_given}" if as_given and not task else "")
    return Targets(y, (), names, Understood("task", words, how, "--task"))
