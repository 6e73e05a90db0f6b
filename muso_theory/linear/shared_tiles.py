"""Tiles of K by the workers of the Dask cluster that joblib would use, in a folder that all of them see.

What is sent are names of files and numbers of rows, and what comes back are hashes: Φ and tiles are read from the disk
and written to it by whoever needs or makes them. So a worker takes no more memory than this process with K in tiles,
and one that dies leaves nothing behind that its successor would not write again, byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, final
from uuid import uuid4

import numpy as np

from ..arrays import Array
from ..errors import MusoError, expected
from ..mapped import close_opened, is_mapped, mapped
from ..numbers.tiles import TileFolder
from ..parallel.cluster import active_client, asked, measured, threads_of
from ..parallel.points import package_hash
from ..rows import ByRows
from .spreading import naming_worker, require_same_code

__all__ = ["bytes_to_share", "on_cluster", "tile_workers"]

T = TypeVar("T")


def on_cluster() -> bool:
    """Whether there is a cluster that would do it.

    Example:
        >>> on_cluster()
        False
    """
    return active_client() is not None


def bytes_to_share(features: Array | ByRows) -> int:
    """Bytes on disk that features take while workers read them: none if they are in a file, or a store, or here alone.

    Example:
        >>> bytes_to_share(np.eye(3))
        0
    """
    in_memory = not isinstance(features, ByRows) and not is_mapped(features)
    return features.nbytes if in_memory and on_cluster() else 0


def tile_workers(folder: TileFolder) -> _Workers | None:
    """Who computes the tiles in a folder: the active cluster, else nobody but this process.

    Example:
        >>> tile_workers(TileFolder()) is None
        True
    """
    return _Workers(active_client(), folder) if on_cluster() else None


@final
class _Workers:
    """Those of a cluster, each of which has shown that it sees the folder.

    Args:
        client: of the cluster.
        folder: for tiles.
    """

    def __init__(self, client: Any, folder: TileFolder) -> None:
        self._client, self._folder = client, folder
        self._seeing: set[str] = set()
        self._token = folder.own / uuid4().hex
        self._token.write_text(uuid4().hex)

    @property
    def count(self) -> int:
        """Threads of all workers."""
        return max(1, sum(threads_of(self._client).values()))

    @contextmanager
    def reading(self, features: Array) -> Iterator[Callable[[], Array]]:
        """Φ where workers find it: in its own file, or in one beside the tiles that is removed when they are done.

        Each hashes all of it once, and refuses a file with other rows than Φ has here. Rows could also be sent with
        each task, but each of them is in as many tiles as a row of tiles has: from a file
        they are read a few at a time, and no process has to hold what does not fit.

        Yields:
            What opens it on a worker.

        Raises:
            MusoError: it cannot be written, say for want of room.
        """
        there = mapped(features)
        if there is not None:
            try:
                yield there.opened
            finally:
                self._close()
            return
        path = self._folder.own / f"{uuid4().hex}.npy"
        try:
            try:
                np.save(path, features)
            except OSError as error:
                hint = "--checkpoint DIR on a disk with more room, or features in a .npy file"
                words = expected("room for the features", "path", path, str(error), hint)
                raise MusoError(str(words)) from None
            written = mapped(np.load(path, mmap_mode="r"))
            assert written is not None
            yield written.opened
        finally:
            self._close()
            path.unlink(missing_ok=True)

    def _close(self) -> None:
        """Have no process keep Φ that workers have read, so that it takes no room once its file is removed."""
        close_opened()
        if self._seeing:
            with suppress(MusoError):  # a cluster that is lost keeps nothing
                asked(self._client, close_opened)

    def run(self, tasks: Sequence[Callable[[], T]]) -> Iterator[T]:
        """Have tasks done by workers that have this code and see the folder; each is asked again where it runs."""
        self._require_sight()
        kept = self._folder.path != self._folder.own
        next_step = "the same check goes on with the tiles that are there" if kept else "start it again"
        there = [partial(_in_sight, str(self._token), task) for task in tasks]
        yield from measured(self._client, there, package_hash, "this check", next_step)

    def _require_sight(self) -> None:
        """Ask those who came since the last time for their code, and for an answer in the folder.

        Raises:
            MusoError: one that differs or does not see it, which is named, or none at all.
        """
        if self._seeing and self._seeing.issuperset(threads_of(self._client)):
            return
        require_same_code(self._client)
        answers = asked(self._client, _answered, str(self._token))
        blind = {name: told for name, answer in answers.items() if (told := self._unseen(answer))}
        if blind:
            raise _not_seen(self._token, "; ".join(f"worker {name}: {told}" for name, told in blind.items()))
        self._seeing |= set(answers)

    def _unseen(self, answer: Any) -> str:
        """Why an answer does not show that a worker reads and writes here; empty where it does."""
        if not isinstance(answer, str):
            return f"{type(answer).__name__}: {answer}"
        path = self._token.with_name(answer)
        try:
            found = path.read_text()
            path.unlink()
        except OSError as error:
            return f"what it wrote is not here, {error.strerror}"
        return "" if found == self._token.read_text() else "it reads another file there"


def _answered(token: str) -> str:
    """Write what is in a file into another one beside it, whose name is the answer."""
    answer = Path(token).with_name(uuid4().hex)
    answer.write_text(Path(token).read_text())
    return answer.name


def _in_sight(token: str, task: Callable[[], T]) -> T:
    """Do a task on a worker, which may have come after all others were asked, if it sees the folder.

    Raises:
        MusoError: it does not, or whatever the task refuses, with the name of the worker.
    """
    from distributed import get_worker

    name = f"worker {get_worker().address}"
    try:
        Path(token).read_text()
    except OSError as error:
        raise _not_seen(Path(token), f"{name}: {error}") from None
    with naming_worker():
        return task()


def _not_seen(token: Path, got: str) -> MusoError:
    hint = "--checkpoint DIR on a disk that all workers share"
    return MusoError(str(expected("a folder that every worker sees", "folder", token.parent, got, hint)))
