"""Choosing classes: which samples stay, and what their targets become."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from ..arguments import checked
from ..arrays import forget_indices
from ..errors import expected, nearest
from ..targets import class_order, class_words, encode_classes
from ..understood import Understood
from .dataset import Dataset

__all__ = ["select_classes"]


@checked
def select_classes(dataset: Dataset, spec: str) -> Dataset:
    """Keep the samples of some classes and encode their targets as :func:`encode_classes` says.

    * ``"3,7"``: these classes, the first −1 and the second +1; three or more become one-hot columns.
    * ``"all"``: every class of the data set in its own order.
    * ``"1,4,7|0,3,8"``: merged classes; samples keep their original class in ``groups``, so that one of
      them can be forgotten with ``subclass:4``.
    * ``"odd-even"``: odd classes against even ones, for data whose classes are integers.

    Args:
        dataset: with classes: text targets, or integer-valued ones.
        spec: which classes.

    Returns:
        A new data set of the kept rows, counted anew from 0; so is the source's forget set.

    Raises:
        BadInputError: for a data set without classes, classes that are absent or named twice, fewer than two
            classes, a forget set that becomes empty or complete, and for sources whose ``labels``,
            ``w_init``, ``w_pretrained`` or ``w_unlearned`` belong to the targets as they were given.

    Example:
        >>> y = np.array([3.0, 7.0, 5.0])
        >>> digits = Dataset("toy", np.eye(3), y, "0" * 64, groups=np.array(["3", "7", "5"]))
        >>> select_classes(digits, "7,3").y
        array([ 1., -1.])
    """
    if dataset.groups is None:
        raise expected(
            "a data set whose targets are classes",
            "y",
            dataset.y.shape,
            "numbers, not classes",
            "no class selection",
        )
    for name in ("w_init", "labels", "w_pretrained", "w_unlearned"):
        if getattr(dataset, name) is not None:
            raise expected(
                f"no class selection with a source that brings {name}",
                "classes",
                spec,
                f"{name} belongs to the targets as given",
                f"a source without {name}, or no class selection",
            )
    merged = _parse(spec, dataset)
    member_to_class = {member: name for name, members in merged.items() for member in members}
    keep = np.flatnonzero(np.isin(dataset.groups, list(member_to_class)))
    target_class = np.array([member_to_class[str(group)] for group in dataset.groups[keep]], dtype=np.str_)
    forget = dataset.forget
    if forget is not None:
        forget = forget_indices(np.isin(keep, forget), keep.size, "forget after class selection")
    classes = tuple(merged)
    told = Understood("task", f"{class_words(classes)}; chosen: {spec}", "given", "--classes")
    return replace(
        dataset,
        X=dataset.X if keep.size == dataset.n_samples else dataset.X[keep],
        y=encode_classes(target_class, classes).astype(dataset.y.dtype),
        classes=classes,
        target_class=target_class,
        groups=dataset.groups[keep],
        forget=forget,
        understood=tuple(told if row.word == "task" else row for row in dataset.understood),
    )


def _parse(spec: str, dataset: Dataset) -> dict[str, tuple[str, ...]]:
    """Read a class selection as target class → original classes."""
    assert dataset.groups is not None
    present = class_order(dataset.groups)
    if spec.strip() == "all":
        order = dataset.classes if set(dataset.classes) == set(present) else present
        return {name: (name,) for name in order}
    if spec.strip() == "odd-even":
        return _odd_even(present)
    parts = spec.split("|") if "|" in spec else spec.split(",")
    merged = {
        part.strip(): tuple(member.strip() for member in part.split(",")) if "|" in spec else (part.strip(),)
        for part in parts
    }
    members = [member for group in merged.values() for member in group]
    repeated = [name for name, count in Counter(members).items() if count > 1]
    if repeated or len(merged) < len(parts):
        raise expected("every class once", "classes", spec, "a class is repeated", "each class in one place")
    absent = [member for member in members if member not in present]
    if absent:
        raise expected(
            f"classes among {', '.join(present[:20])}{', …' if len(present) > 20 else ''}",
            "classes",
            spec,
            f"class {absent[0]!r} is not in {dataset.name}",
            nearest(absent[0], present[:20]),
        )
    return merged


def _odd_even(present: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Split integer classes by parity."""
    try:
        odd = tuple(name for name in present if int(name) % 2)
    except ValueError:
        raise expected(
            "integer classes for odd-even",
            "classes",
            ", ".join(present),
            "not integers",
            "a|b to merge classes",
        ) from None
    even = tuple(name for name in present if name not in odd)
    if not odd or not even:
        raise expected("odd and even classes", "classes", ", ".join(present), "one parity only", "all")
    return {"odd": odd, "even": even}
