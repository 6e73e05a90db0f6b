"""Saying in one word which samples to forget."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np

from ..arguments import checked
from ..arrays import forget_indices
from ..errors import check_integer, expected, nearest
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

_FEW = 12
"""So many rows fit into an error."""

_COUNTED = FORGET_KINDS.keys() - {"column"}
"""The kinds with more words behind a colon."""


def _example(kind: str, dataset: Dataset) -> str:
    """A forget set of a kind that these data have; a random one where they have none of that kind."""
    n = dataset.n_samples
    names = {"class": dataset.target_class, "subclass": dataset.groups}.get(kind)
    if names is not None:
        return f"{kind}:{class_order(names)[0]}"
    if kind == "column" and dataset.forget is not None:
        return kind
    usual = {"rows": "rows:0", "retain": f"retain:{n // 2}"}
    return usual.get(kind, f"random:{0.1 if n > 5 else 1}")


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
            are absent, or of numbers taken for a regression, rows out of range or repeated, an empty or a complete
            forget set.

    Example:
        >>> data = Dataset("toy", np.eye(4), np.zeros(4), "0" * 64)
        >>> parse_forget("rows:0,2-3", data)
        (array([0, 2, 3]), 'rows 0,2-3: 3 of 4 samples')
    """
    kind, colon, argument = (part.strip() for part in spec.partition(":"))
    n = dataset.n_samples
    if kind not in FORGET_KINDS:
        close = nearest(kind, FORGET_KINDS, "one of").strip("'")
        hint = f"{close}:{argument}" if argument and close in _COUNTED else _example(close, dataset)
        if close not in FORGET_KINDS:
            hint = "one of " + ", ".join(dict.fromkeys(_example(kind, dataset) for kind in FORGET_KINDS))
        what = "a forget set such as " + ", ".join(FORGET_KINDS.values())
        raise expected(what, "forget", spec, "unknown kind", hint)
    if bool(argument) == (kind == "column") or (colon and not argument):
        what, hint = f"a forget set such as {FORGET_KINDS[kind]}", _example(kind, dataset)
        if argument:
            hint = f"column, of data that were read with forget={argument!r}"
        raise expected(what, "forget", spec, "str", hint)
    if kind == "column":
        if dataset.forget is None:
            what, got = "a source with a forget column or array", f"{dataset.name} has none"
            raise expected(what, "forget", spec, got, _example(kind, dataset))
        chosen, words = np.asarray(dataset.forget), "given by the data"
    elif kind == "class":
        chosen, words = _of_class(spec, argument, dataset, dataset.target_class), f"class {argument}"
    elif kind == "subclass":
        chosen, words = _of_class(spec, argument, dataset, dataset.groups), f"subclass {argument}"
    elif kind == "rows":
        chosen, words = _rows(spec, argument, dataset), f"rows {argument}"
    else:
        count = _count(spec, kind, argument, dataset)
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
            _example("random", dataset),
        )
    if names is dataset.target_class and _taken_for_numbers(dataset):
        got = f"{len(np.unique(names))} distinct whole numbers, taken for a regression"
        hint = "--task classification, or --task regression if they are sizes"
        raise expected("targets that are classes", "forget", spec, got, hint)
    wanted = [name.strip() for name in argument.split(",")]
    present, kind = class_order(names), spec.partition(":")[0].strip()
    for name in wanted:
        if name in present:
            continue
        close = nearest(name, present, "none of them").strip("'")
        hint = f"{kind}:{close}" if close in present else _example(kind, dataset)
        if dataset.groups is not None and name in class_order(dataset.groups):
            hint = f"subclass:{name}"
        what = f"classes among {', '.join(present[:20])}{', …' if len(present) > 20 else ''}"
        raise expected(what, "forget", spec, f"class {name!r} is absent", hint)
    if len(set(wanted)) < len(wanted):
        hint = f"{kind}:{','.join(dict.fromkeys(wanted))}"
        raise expected("every class once", "forget", spec, "a class is repeated", hint)
    return np.flatnonzero(np.isin(names, wanted)).astype(np.int64)


def _taken_for_numbers(dataset: Dataset) -> bool:
    """Whether a regression was inferred, only because of the values: who names a class means classes."""
    brought = (dataset.w_init, dataset.labels, dataset.w_pretrained, dataset.w_unlearned)
    inferred = any(row.word == "task" and row.how == "inferred" for row in dataset.understood)
    return inferred and not dataset.classes and all(one is None for one in brought)


def _rows(spec: str, argument: str, dataset: Dataset) -> IndexArray:
    """Row numbers of a list of numbers and inclusive ranges."""
    rows: list[int] = []
    n, hint = dataset.n_samples, _example("rows", dataset)
    for part in argument.split(","):
        match = re.fullmatch(r"([0-9]+)(?:-([0-9]+))?", part.strip())
        first, last = (_integer(match[1]), _integer(match[2] or match[1])) if match else (0, -1)
        if last < first:
            raise expected("row numbers and ranges", "forget", spec, f"{part.strip()!r}", hint)
        if last >= n:
            # Before the range is written out: 0-999999999999 must not fill the memory.
            got = f"{part.strip()!r} is out of range"
            until = n - 1 if first else n - 2  # all of them are no forget set
            hint = f"rows:{first}-{until}" if first < until else hint
            raise expected(f"rows from 0 to {n - 1}", "forget", spec, got, hint)
        rows += range(first, last + 1)
        if len(rows) > n:
            break
    once = dict.fromkeys(rows)
    if len(once) < len(rows):
        again = next(row for row, times in Counter(rows).items() if times > 1)
        hint = f"rows:{','.join(map(str, once))}" if len(once) < min(n, _FEW) else "every row once"
        raise expected("distinct row indices", "forget", spec, f"repeated index {again}", hint)
    return np.array(rows, dtype=np.int64)


def _count(spec: str, kind: str, argument: str, dataset: Dataset) -> int:
    """Number of samples meant by a count or, for ``random``, by a fraction."""
    n, hint = dataset.n_samples, _example(kind, dataset)
    counts = f"a number of samples from 1 to {n - 1}"
    if re.fullmatch(r"[0-9]+", argument):
        count = _integer(argument)
        if not 0 < count < n:
            raise expected(counts, "forget", spec, "out of range", hint)
        return count
    if kind == "retain":
        raise expected(counts, "forget", spec, "out of range", hint)
    try:
        fraction = float(argument)
    except ValueError:
        fraction = -1.0
    if not 0.0 < fraction < 1.0:
        what = "a fraction strictly between 0 and 1, or a number of samples"
        raise expected(what, "forget", spec, "out of range", hint)
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
