"""Points measured in parallel, each finished one kept in a file of its own: shared by sweeps and campaigns.

A point is a plain JSON-able dictionary. One that was measured before, by the same code, is read from its checkpoint.
Interrupting, or killing, loses only the points under way.
"""

from __future__ import annotations

import hashlib
import json
import signal
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from ..errors import MusoError, expected, nearest
from ..former import former
from ..screen import progress as _screen
from ..steps import Step
from .checkpoints import Checkpoints, GridPoint
from .cluster import active_client, connected, measured, require_same

__all__ = ["BACKENDS", "GridPoint", "Workers", "measure_all", "package_hash"]
former(__name__)

BACKENDS = ("loky", "threading", "dask")
"""Where points are measured."""


@dataclass(frozen=True, kw_only=True)
class Workers:
    """By what points are measured; nothing here changes a result.

    Args:
        jobs: parallel processes. Set it to 1 when wall time is what is measured.
        fresh: ignore checkpoints.
        backend: one of `BACKENDS`, given to ``joblib.parallel_config``; None leaves joblib's own setting alone, so
            that what is started from Python runs on a cluster after ``joblib.parallel_config(backend="dask")``.
        scheduler: address of a Dask scheduler whose workers can import this package.

    Example:
        >>> Workers(scheduler="tcp://localhost:8786").jobs
        2

    Raises:
        BadInputError: no number of processes, an unknown backend, or another one than dask with a scheduler.
    """

    jobs: int = 2
    fresh: bool = False
    backend: str | None = None
    scheduler: str | None = None

    def __post_init__(self) -> None:
        """Refuse what is no number of processes, before anything is measured; joblib counts negative ones from all."""
        if isinstance(self.jobs, bool) or not isinstance(self.jobs, int) or not self.jobs:
            raise expected(
                "a number of processes", "jobs", self.jobs, "no processes", "2, or -1 for one a core"
            )
        if self.scheduler is not None and self.backend not in (None, "dask"):
            raise expected("backend dask with a scheduler", "backend", self.backend, "str", "dask")
        if self.backend is not None and self.backend not in BACKENDS:
            hint = nearest(self.backend, BACKENDS)
            raise expected("one of " + ", ".join(BACKENDS), "backend", self.backend, "str", hint)

    def parallel_config(self) -> AbstractContextManager[Any]:
        """The joblib configuration that these options ask for.

        Raises:
            BadInputError: Dask that is not installed, or a scheduler that does not answer.
        """
        import joblib

        backend = "dask" if self.scheduler is not None else self.backend
        if backend is None:
            return nullcontext()
        if backend != "dask":
            configured: AbstractContextManager[Any] = joblib.parallel_config(
                backend=backend, n_jobs=self.jobs
            )
            return configured
        return connected(self.scheduler, self.jobs)


def measure_all(
    name: str,
    measure: Callable[..., dict[str, Any]],
    points: Sequence[GridPoint],
    folder: Path,
    code: Callable[[], str],
    workers: Workers,
    *,
    threads: int | None = 1,
    where: Mapping[str, str] | None = None,
    progress: Callable[[str], None] | None = None,
) -> list[dict[str, Any]]:
    """Measure every point, in parallel, resuming from checkpoints.

    Args:
        name: names the line of progress.
        measure: a module-level function of one point that returns JSON-able data.
        folder: where finished points are kept (`muso_theory.parallel.checkpoints`); made when missing.
        code: gives the hash of everything that measures; also called by the workers of a cluster, which need the same.
        threads: BLAS threads of each process. More or fewer change the last digits of a result, so it is not an
            option; None takes what there is.
        where: further keyword arguments of ``measure`` that say where things are kept, and so change no result.
        progress: called with a line of words that counts after each point; None tells it on stderr.

    Raises:
        BadInputError: a backend that is unknown or not installed, a scheduler that does not answer, workers of it with
            other code or versions, a folder that cannot be made, or one where another run is at work.
        MusoError: workers that are killed again and again, or a cluster that is lost; what was finished is kept.
        KeyboardInterrupt: interrupted; what was finished is kept.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     one = {"numerator": 3, "denominator": 4}
        ...     measure_all("doctest", _ratio, [one], Path(folder), package_hash, Workers(jobs=1))
        [{'ratio': 0.75}]
    """
    kept = Checkpoints(folder, code())
    with kept.locked():
        found: dict[int, dict[str, Any]] = {}
        if not workers.fresh:
            found = {i: result for i, p in enumerate(points) if (result := kept.read(p)) is not None}
        if found:
            print(f"{name}: {len(found)} of {len(points)} points were measured before", file=sys.stderr)
        todo = [i for i in range(len(points)) if i not in found]
        work = _Work(measure, points, threads, where)
        # Closed at once where something fails, so that no worker outlives the campaign.
        with (
            _screen() if progress is None else nullcontext(progress) as tell,
            workers.parallel_config(),
            _limited(threads),
            closing(_results(work, todo, workers, name, code)) as results,
        ):
            for i, result in results:
                # Kept here and not by the worker, which may run on another machine.
                kept.write(points[i], result)
                found[i] = result
                tell(Step(name, len(found) - (len(points) - len(todo)), len(todo)))
        kept.clear()
    return [found[i] for i in range(len(points))]


@dataclass(frozen=True)
class _Work:
    """How points are measured, wherever that is."""

    measure: Callable[..., dict[str, Any]]
    points: Sequence[GridPoint]
    threads: int | None
    where: Mapping[str, str] | None

    def task(self, i: int) -> Callable[[], tuple[int, dict[str, Any]]]:
        """One point, for whoever measures it."""
        return partial(_measure_one, self.measure, i, dict(self.points[i]), self.threads, self.where)


_MOST_DEATHS = 3
"""Workers that may be killed in a row, by the system when memory runs out, before all is given up."""


def _results(
    work: _Work, todo: Sequence[int], workers: Workers, name: str, code: Callable[[], str]
) -> Generator[tuple[int, dict[str, Any]], None, None]:
    """Measure points in any order, on the cluster that was asked for, here or in joblib's own configuration."""
    client = active_client()
    if client is None:
        yield from _survived(work, todo, workers, name)
    elif todo:
        require_same(client, code)
        yield from measured(client, [work.task(i) for i in todo], code, name)


def _survived(
    work: _Work, todo: Sequence[int], workers: Workers, name: str
) -> Generator[tuple[int, dict[str, Any]], None, None]:
    """Measure points in any order; a point whose worker is killed is measured again, and no worker is left behind."""
    import joblib
    from joblib.externals.loky import get_reusable_executor
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    left, deaths = dict.fromkeys(todo), 0
    while left:
        parallel = joblib.Parallel(n_jobs=workers.jobs, return_as="generator_unordered", batch_size=1)
        results: Any = None
        try:
            with _deaf_children():
                results = parallel([joblib.delayed(work.task(i))() for i in left])
            for i, result in results:
                deaths = 0
                del left[i]
                yield i, result
        except TerminatedWorkerError:
            deaths += 1
            if deaths >= _MOST_DEATHS:
                words = f"{name}: a worker was killed {deaths} times in a row, perhaps for want of memory"
                raise MusoError(f"{words}; finished points are kept, try --jobs 1") from None
            print(f"{name}: a worker was killed; its points are measured again", file=sys.stderr)
        except BaseException:
            if results is not None:
                results.close()
            if workers.backend in (None, "loky"):
                get_reusable_executor().shutdown(wait=True, kill_workers=True)
            raise


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Start processes that Ctrl-C does not reach: it is this process that hears it, and ends them.

    A terminal sends SIGINT to all processes of the command. Workers that are still importing would print a traceback
    each, and loky's way to end them runs ``pgrep``, which would die of the same signal and leave an AttributeError.
    What is blocked here stays blocked in processes and threads that are started meanwhile.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    from multiprocessing import resource_tracker

    from joblib.externals.loky.backend import resource_tracker as loky_tracker

    for tracker in (
        resource_tracker,
        loky_tracker,
    ):  # started with the workers, they lift the block when they start
        tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _ratio(point: GridPoint) -> dict[str, Any]:
    """A function to measure in the example."""
    return {"ratio": point["numerator"] / point["denominator"]}


def _limited(threads: int | None) -> AbstractContextManager[Any]:
    """So many BLAS threads in this process."""
    from threadpoolctl import threadpool_limits

    return nullcontext() if threads is None else threadpool_limits(threads)


def _measure_one(
    measure: Callable[..., dict[str, Any]],
    i: int,
    point: dict[str, Any],
    threads: int | None,
    where: Mapping[str, str] | None,
) -> tuple[int, dict[str, Any]]:
    """Measure one point, wherever that is."""
    # Not undone: in a thread it is what the caller has set already, and a worker process has no other use.
    _limited(threads)
    return i, json.loads(json.dumps(measure(point, **(where or {}))))


@lru_cache(maxsize=1)
def package_hash() -> str:
    """Hash of the package's sources and of what claims need: a checkpoint of other code is no checkpoint."""
    digest, root = hashlib.sha256(), Path(__file__).resolve().parents[1]
    for path in sorted((*root.rglob("*.py"), *root.rglob("*.toml"))):
        digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()
