"""Saying in one word which samples to forget."""

from __future__ import annotations

import re

import numpy as np

from ..arguments import checked
from ..arrays import forget_indices
from ..errors import BadInputError, check_integer, expected, nearest
from ..streams import FORGET
from ..targets import class_order
from .dataset import Dataset, IndexArray, TextArray

__all__ = ["FORGET_KINDS", "parse_forget"]

FORGET_KINDS = {
    "class": "class:7",
    "subclass": "subclass:3",
    "random": "random:0.1 or random:25",
    "column": "column",
    "rows": "rows:0,5,9-20",
    "retain": "retain:300",
}
"""The kinds of forget set, each with an example."""


@checked
def parse_forget(spec: str, dataset: Dataset, seed: int = 0) -> tuple[IndexArray, str]:
    """Find the samples that a forget specification names.

    * ``class:7`` or ``class:3,7``: every sample of these target classes;
    * ``subclass:3``: every sample whose original class it is, inside a merged target class;
    * ``random:0.1``: this fraction of the samples, to the nearest count; ``random:25``: this many;
    * ``column``: the forget set that the source brings;
    * ``rows:0,5,9-20``: rows counted from 0, ranges inclusive, after class selection;
    * ``retain:300``: all but 300 random samples, as in the paper's linear experiment.

    Args:
        spec: one of the above.
        dataset: to choose from.
        seed: of the random kinds.

    Returns:
        Sorted row indices, and the choice in words.

    Raises:
        BadInputError: for an unknown kind (suggests the nearest), a number that makes no sense, classes that
            are absent, rows out of range or repeated, an empty or a complete forget set.

    Example:
        >>> data = Dataset("toy", np.eye(4), np.zeros(4), "0" * 64)
        >>> parse_forget("rows:0,2-3", data)
        (array([0, 2, 3]), 'rows 0,2-3: 3 of 4 samples')
    """
    kind, colon, argument = (part.strip() for part in spec.partition(":"))
    n = dataset.n_samples
    if kind not in FORGET_KINDS:
        raise expected(
            "a forget set such as " + ", ".join(FORGET_KINDS.values()),
            "forget",
            spec,
            "unknown kind",
            nearest(kind, FORGET_KINDS),
        )
    if bool(argument) == (kind == "column") or (colon and not argument):
        raise expected(
            f"a forget set such as {FORGET_KINDS[kind]}", "forget", spec, "str", FORGET_KINDS[kind]
        )
    if kind == "column":
        if dataset.forget is None:
            raise expected(
                "a source with a forget column or array",
                "forget",
                spec,
                f"{dataset.name} has none",
                "class:…, random:… or rows:…",
            )
        chosen, words = np.asarray(dataset.forget), "given by the data"
    elif kind == "class":
        chosen, words = _of_class(spec, argument, dataset, dataset.target_class), f"class {argument}"
    elif kind == "subclass":
        chosen, words = _of_class(spec, argument, dataset, dataset.groups), f"subclass {argument}"
    elif kind == "rows":
        chosen, words = _rows(spec, argument, n), f"rows {argument}"
    else:
        count = _count(spec, kind, argument, n)
        size = n - count if kind == "retain" else count
        chosen = _generator(seed).choice(n, size, replace=False)
        words = f"all but {count} random samples" if kind == "retain" else f"random {argument}"
        words += f" (seed {seed})"
    indices = forget_indices(chosen, n, f"forget ({spec})")
    return indices, f"{words}: {indices.size} of {n} samples"


def _generator(seed: int) -> np.random.Generator:
    """Generator of this draw; the same seed also draws features and initial parameters."""
    return np.random.default_rng((check_integer("seed", seed), FORGET))


def _of_class(spec: str, argument: str, dataset: Dataset, names: TextArray | None) -> IndexArray:
    """Rows of the samples whose class is among those named."""
    if names is None:
        raise expected(
            "a data set whose targets are classes",
            "forget",
            spec,
            f"{dataset.name} has numeric targets",
            "random:0.1 or rows:…",
        )
    wanted = [name.strip() for name in argument.split(",")]
    present = class_order(names)
    for name in wanted:
        if name in present:
            continue
        hint = nearest(name, present[:20])
        if dataset.groups is not None and name in class_order(dataset.groups):
            hint = f"subclass:{name}"
        raise expected(
            f"classes among {', '.join(present[:20])}{', …' if len(present) > 20 else ''}",
            "forget",
            spec,
            f"class {name!r} is absent",
            hint,
        )
    if len(set(wanted)) < len(wanted):
        raise expected("every class once", "forget", spec, "a class is repeated", FORGET_KINDS["class"])
    return np.flatnonzero(np.isin(names, wanted)).astype(np.int64)


def _rows(spec: str, argument: str, n: int) -> IndexArray:
    """Row numbers of a list of numbers and inclusive ranges."""
    rows: list[int] = []
    for part in argument.split(","):
        match = re.fullmatch(r"([0-9]+)(?:-([0-9]+))?", part.strip())
        first, last = (_integer(match[1]), _integer(match[2] or match[1])) if match else (0, -1)
        if last < first:
            raise expected(
                "row numbers and ranges", "forget", spec, f"{part.strip()!r}", FORGET_KINDS["rows"]
            )
        if last >= n:
            # Before the range is written out: 0-999999999999 must not fill the memory.
            raise expected(
                f"rows from 0 to {n - 1}", "forget", spec, f"{part.strip()!r} is out of range", f"0-{n - 1}"
            )
        rows += range(first, last + 1)
        if len(rows) > n:
            break
    return np.array(rows, dtype=np.int64)


def _count(spec: str, kind: str, argument: str, n: int) -> int:
    """Number of samples meant by a count or, for ``random``, by a fraction."""
    if re.fullmatch(r"[0-9]+", argument):
        count = _integer(argument)
        if not 0 < count < n:
            raise _bad_count(spec, f"a number of samples from 1 to {n - 1}", kind)
        return count
    if kind == "retain":
        raise _bad_count(spec, f"a number of samples from 1 to {n - 1}", kind)
    try:
        fraction = float(argument)
    except ValueError:
        fraction = -1.0
    if not 0.0 < fraction < 1.0:
        raise _bad_count(spec, "a fraction strictly between 0 and 1, or a number of samples", kind)
    count = int(np.floor(fraction * n + 0.5))
    if not 0 < count < n:
        got = "none" if not count else "all"
        raise expected(f"a share of {n} samples that is some", "forget", spec, got, "rows:0, or random:1")
    return count


def _integer(digits: str) -> int:
    """A count of samples, of any number of digits; what nothing can hold is the largest that is read."""
    # Python reads no integer of some thousand digits, and 18 digits count more samples than there are.
    digits = digits.lstrip("0")
    return int(digits or 0) if len(digits) <= 18 else 10**18


def _bad_count(spec: str, what: str, kind: str) -> BadInputError:
    """Word the refusal of a number."""
    return expected(what, "forget", spec, "out of range", FORGET_KINDS[kind])
