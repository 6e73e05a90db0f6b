"""What targets are: the numbers of a regression, or classes and their encoding."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from .arrays import FloatArray
from .errors import expected
from .rows import OneHot
from .understood import How, Understood, listed

__all__ = [
    "MOST_CLASSES",
    "TASKS",
    "FloatArray",
    "Targets",
    "TextArray",
    "class_order",
    "class_words",
    "decide_targets",
    "encode_classes",
    "integer_labels",
]

TextArray: TypeAlias = npt.NDArray[np.str_]

TASKS = ("regression", "classification")

MANY_ENTRIES = 1 << 20
"""One-hot targets of so many entries are kept as codes."""

MOST_CLASSES = 20
"""Integers are taken for classes up to so many distinct values, if each occurs twice on average."""

_EMPTY = ("", "nan", "NaN", "NaT", "None", "<NA>")
"""What NumPy and pandas write where there is nothing and text is asked for."""


@dataclass(frozen=True, eq=False)
class Targets:
    """Targets as numbers, and what they are.

    Args:
        y: (n,) or (n, C), of many classes as codes that give their rows.
        classes: their names in order; empty for a regression.
        names: (n,) the class of every sample; of a regression on integers these as text, so that one value can be
            chosen or forgotten.
        understood: the task in words.
    """

    y: Any
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

    Raises:
        BadInputError: targets that are all the same, a regression on text, text that is empty, classes that are
            fractions, text with almost as many values as samples, an unknown task.

    Example:
        >>> decide_targets(np.array([0.0, 1.0, 2.0] * 4), None, "y").y.shape
        (12, 3)
        >>> decide_targets(np.array([0.0, 1.0, 2.0] * 4), "regression", "y").understood.value
        'regression: 3 distinct numbers from 0 to 2'
    """
    if task is not None and task not in TASKS:
        raise expected("a task", "task", task, "unknown", " or ".join(TASKS))
    is_text = values.dtype.kind == "U"
    texts = values if is_text else ()
    row = next((i for i, word in enumerate(texts) if str(word).strip() in _EMPTY), None)
    if row is not None:
        hint = "leaving out that sample, or another word if it is a class"
        got = f"empty, row {row}, counted from 0"
        raise expected("a class for every sample", f"{name}[{row}]", repr(str(values[row])), got, hint)
    names = (
        np.asarray(values, dtype=np.str_) if is_text else integer_labels(np.asarray(values, dtype=np.float64))
    )
    distinct = np.unique(values, axis=0)
    if len(values) == 1:
        what, hint = "at least two samples, one to forget and one to retain,", "more data"
        raise expected(what, name, distinct.ravel()[0], "the target of the only sample", hint)
    if len(distinct) < 2:
        what, got = "targets of at least two classes", "one class only"
        if names is None or task == "regression":
            what, got = "targets that differ", "one value only"
        raise expected(what, name, distinct.ravel()[0], got, "another --target, or more data")
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


def encode_classes(target_class: TextArray, classes: tuple[str, ...]) -> Any:
    """Turn class names into targets.

    Two classes become one output, −1 for the first and +1 for the second. More classes become one output
    each, 1 for the sample's class and 0 elsewhere (one-hot, not centred).

    Returns:
        (n,) for two classes, (n, C) for more: an array, or from a million entries on the codes that give its rows.

    Raises:
        BadInputError: for fewer than two classes, or if all samples are of one class.

    Example:
        >>> encode_classes(np.array(["3", "7"]), ("3", "7"))
        array([-1.,  1.])
        >>> encode_classes(np.array(["b", "c"]), ("a", "b", "c"))
        array([[0., 1., 0.],
               [0., 0., 1.]])
    """
    if len(classes) < 2:
        raise expected("at least two classes", "classes", ",".join(classes), "one class only", "two or more")
    present = {str(name) for name in target_class}
    if len(present) < 2:
        raise expected(
            "targets of at least two classes",
            "targets",
            ", ".join(sorted(present)),
            "one class only",
            "more data",
        )
    if len(classes) == 2:
        return np.where(target_class == classes[0], -1.0, 1.0)
    if len(target_class) * len(classes) < MANY_ENTRIES:
        return np.stack([np.where(target_class == name, 1.0, 0.0) for name in classes], axis=1)
    distinct, which = np.unique(target_class, return_inverse=True)
    number = {name: i for i, name in enumerate(classes)}
    return OneHot(np.array([number.get(str(name), -1) for name in distinct])[which], len(classes))


def class_words(classes: tuple[str, ...]) -> str:
    """A classification in words, with the encoding of its targets.

    Example:
        >>> class_words(("no", "yes"))
        'classification: no = −1, yes = +1'
    """
    if len(classes) == 2:
        return f"classification: {classes[0]} = −1, {classes[1]} = +1"
    return f"classification, one-hot: {listed(classes)}"


def integer_labels(y: FloatArray) -> TextArray | None:
    """Integer-valued targets as class names, 3.0 as "3"; None for several columns or fractions.

    Example:
        >>> integer_labels(np.array([3.0, -1.0])), integer_labels(np.array([0.5]))
        (array(['3', '-1'], dtype='<U2'), None)
    """
    if y.ndim != 1 or bool((y != np.floor(y)).any()) or bool((np.abs(y) > 2.0**53).any()):
        return None
    return np.array([str(int(value)) for value in y], dtype=np.str_)


def class_order(names: TextArray) -> tuple[str, ...]:
    """Distinct class names: by value when all are numbers, else alphabetically.

    Example:
        >>> class_order(np.array(["10", "9", "10"]))
        ('9', '10')
    """
    distinct = sorted({str(name) for name in names})
    try:
        values = {name: float(name) for name in distinct}
    except ValueError:
        return tuple(distinct)
    return (
        tuple(sorted(distinct, key=lambda name: (values[name], name)))
        if _ordered(values)
        else tuple(distinct)
    )


def _ordered(values: dict[str, float]) -> bool:
    """Whether names read as numbers have an order, which "nan" has not."""
    return not any(math.isnan(value) for value in values.values())
