"""Who does what is done on spans of rows: this process, or workers of the Dask cluster that joblib would use."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import Any, TypeVar

import numpy as np

from ..errors import BadInputError, MusoError
from ..numbers.spans import Part, Spread, here
from ..parallel.cluster import active_client, measured, require_same, threads_of
from ..parallel.points import package_hash
from ..stored import Stored

__all__ = ["require_same_code", "spread"]

T = TypeVar("T")

_AHEAD = 2
"""Spans a worker that are under way: what waits for its turn in the sum takes memory here."""


def spread() -> Spread[Any]:
    """The function that runs such work: on the active cluster, else here.

    Example:
        >>> spread() is here
        True
    """
    client = active_client() if "distributed" in sys.modules else None
    return here if client is None else partial(_on_cluster, client)


def _on_cluster(client: Any, work: Callable[[Part], T], parts: Iterator[Part], count: int) -> Iterator[T]:
    """Every part is a task; what comes of them is given in their order, whoever was first.

    The work tests the arithmetic of the thread that does it, so each task tests that of its worker. A task whose worker
    dies is done by another one, which reads the same rows: what is shared by reference has the hashes of its blocks.
    """
    if count < 2:
        yield from here(work, parts, count)
        return
    require_same_code(client)
    while wave := list(islice(parts, _AHEAD * max(1, len(threads_of(client))))):
        tasks = [partial(_numbered, i, work, _portable(part)) for i, part in enumerate(wave)]
        found = dict(measured(client, tasks, package_hash, "this check", "start it again"))
        for i in range(len(wave)):
            yield found.pop(i)


def require_same_code(client: Any) -> None:
    """Refuse workers that have other code or other versions.

    Raises:
        MusoError: one that differs, or none at all. Another arithmetic, to which a BadInputError leads, is no way out.
    """
    try:
        require_same(client, package_hash)
    except BadInputError as error:
        raise MusoError(str(error)) from None


def _numbered(i: int, work: Callable[[Part], T], part: Part) -> tuple[int, T]:
    """The work on a worker, with numbers where those of any array lie.

    Messages put arrays anywhere in memory, and products add in another order where numbers are not aligned.
    """
    features, labels = (
        np.require(one, requirements="A") if isinstance(one, np.ndarray) else one
        for one in (part.features, part.labels)
    )
    return i, work(Part(features, part.index, labels))


def _portable(part: Part) -> Part:
    """The same rows for another process: what is in a store as its name, else the rows themselves."""
    if isinstance(part.features, Stored):
        return Part(part.features.portable(part.index), part.index, part.labels)
    rows = np.array(part.features[part.chosen], subok=False)
    return Part(rows, np.arange(len(rows)), part.labels)
