"""Who does what is done on spans of rows: this process, or workers of the Dask cluster that joblib would use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import Any, TypeVar

import numpy as np

from ..errors import ArithmeticModeError, BadInputError, MusoError, expected
from ..numbers.spans import Part, Spread, here
from ..parallel.cluster import active_client, measured, require_same, threads_of
from ..parallel.points import package_hash
from ..stored import Stored
from ..understood import Understood
from .problem import UnlearningProblem
from .tiling import in_tiles

__all__ = ["naming_worker", "require_same_code", "spread", "workers_told"]

T = TypeVar("T")

_AHEAD = 2
"""Spans a worker that are under way: what waits for its turn in the sum takes memory here."""


def spread() -> Spread[Any]:
    """The function that runs such work: on the active cluster, else here.

    Example:
        >>> spread() is here
        True
    """
    client = active_client()
    return here if client is None else partial(_on_cluster, client)


def workers_told(problem: UnlearningProblem) -> list[Understood]:
    """What is to be known of who computes: one row, or none where this process does it all.

    Example:
        >>> workers_told(UnlearningProblem(np.eye(2, 3), [1.0, 2.0], [0]))
        []
    """
    client = active_client()
    tiled = in_tiles(problem)
    if client is None or not (tiled or problem.n_samples > problem.n_features):
        return []
    count = len(threads_of(client))
    what = "tiles of K" if tiled else "spans of rows where there are several"
    words = f"{what}, by the workers of {client.scheduler.address}, {count} at the beginning"
    return [Understood("cluster", words, "given", "--scheduler")]


def _on_cluster(client: Any, work: Callable[[Part], T], parts: Iterator[Part], count: int) -> Iterator[T]:
    """Every part is a task; what comes of them is given in their order, whoever was first.

    The work tests the arithmetic of the thread that does it, so each task tests that of its worker. A task whose worker
    dies is done by another one, which reads the same rows: what is shared by reference has the hashes of its blocks.
    """
    if count < 2:
        yield from here(work, parts, count)
        return
    require_same_code(client)
    is_first = True
    while wave := list(islice(parts, _AHEAD * max(1, len(threads_of(client))))):
        if is_first:
            _require_portable(_portable(wave[0]))
            is_first = False
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


@contextmanager
def naming_worker() -> Iterator[None]:
    """Have what is refused on a worker begin with the name of that worker.

    Raises:
        MusoError: what was refused; another arithmetic, to which a BadInputError leads, is no way out.
    """
    from distributed import get_worker

    try:
        yield
    except MusoError as error:
        kind = ArithmeticModeError if isinstance(error, ArithmeticModeError) else MusoError
        raise kind(f"worker {get_worker().address}: {error}") from None


def _numbered(i: int, work: Callable[[Part], T], part: Part) -> tuple[int, T]:
    """The work on a worker, with numbers where those of any array lie.

    Messages put arrays anywhere in memory, and products add in another order where numbers are not aligned.
    """
    features, labels = (
        np.require(one, requirements="A") if isinstance(one, np.ndarray) else one
        for one in (part.features, part.labels)
    )
    with naming_worker():
        return i, work(Part(features, part.index, labels))


def _require_portable(part: Part) -> None:
    """Refuse a store that cannot be sent, with words that the cluster would not find.

    Raises:
        MusoError: it holds a lock, an open file, or whatever else belongs to this process.
    """
    if not isinstance(part.features, Stored):
        return
    import cloudpickle  # what the cluster sends with

    try:
        cloudpickle.dumps(part.features)
    except Exception as error:
        name, source = part.features.name, type(part.features.source).__name__
        hint = "one that opens its file by its path when it is unpickled, a zarr array, or a .npy file"
        words = expected("a source that can be sent to workers", name, source, f"pickle: {error}", hint)
        raise MusoError(str(words)) from None


def _portable(part: Part) -> Part:
    """The same rows for another process: what is in a store as its name, else the rows themselves."""
    if isinstance(part.features, Stored):
        return Part(part.features.portable(part.index), part.index, part.labels)
    rows = np.array(part.features[part.chosen], subok=False)
    return Part(rows, np.arange(len(rows)), part.labels)
