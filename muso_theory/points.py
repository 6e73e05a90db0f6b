"""Points measured in parallel, each finished one kept in a file of its own: shared by sweeps and campaigns.

A point is a plain JSON-able dictionary. One that was measured before, by the same code, is read from its checkpoint.
Interrupting, or killing, loses only the points under way.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from .checkpoints import Checkpoints, Point
from .errors import MusoError, expected, nearest
from .screen import progress as _screen
from .steps import Step

__all__ = ["BACKENDS", "Point", "Workers", "measure_all", "package_hash"]

BACKENDS = ("loky", "threading", "dask")
"""Where points are measured."""


@dataclass(frozen=True, kw_only=True)
class Workers:
    """Who measures, not what: nothing here changes a result.

    Args:
        jobs: parallel processes. Set it to 1 when wall time is what is measured.
        fresh: ignore checkpoints.
        backend: one of `BACKENDS`, given to ``joblib.parallel_config``; None leaves joblib's own setting alone, so
            that what is started from Python runs on a cluster after ``joblib.parallel_config(backend="dask")``.
        scheduler: address of a Dask scheduler whose workers can import this package.

    Example:
        >>> Workers(jobs=1).on_cluster, Workers(scheduler="tcp://localhost:8786").on_cluster
        (False, True)
    """

    jobs: int = 2
    fresh: bool = False
    backend: str | None = None
    scheduler: str | None = None

    @property
    def on_cluster(self) -> bool:
        """Whether Dask was asked for."""
        return self.backend == "dask" or self.scheduler is not None

    def parallel_config(self) -> AbstractContextManager[Any]:
        """The joblib configuration that these options ask for.

        Returns:
            A context manager.

        Raises:
            BadInputError: an unknown backend, a scheduler without Dask, or Dask that is not installed.
        """
        import joblib

        if self.scheduler is not None and self.backend not in (None, "dask"):
            raise expected("backend dask with a scheduler", "backend", self.backend, "str", "dask")
        backend = "dask" if self.scheduler is not None else self.backend
        if backend is None:
            return nullcontext()
        if backend not in BACKENDS:
            raise expected(
                "one of " + ", ".join(BACKENDS), "backend", backend, "str", nearest(backend, BACKENDS)
            )
        if backend != "dask":
            configured: AbstractContextManager[Any] = joblib.parallel_config(
                backend=backend, n_jobs=self.jobs
            )
            return configured
        try:
            from distributed import Client
        except ImportError:
            hint = "pip install 'muso-theory[cluster]'"
            raise expected("the package distributed", "backend", "dask", "not installed", hint) from None
        return _dask(Client, self)


@contextmanager
def _dask(client: Callable[..., Any], options: Workers) -> Iterator[None]:
    """A client of the given cluster, or of a local one, for as long as points are measured."""
    import joblib

    try:
        if options.scheduler is None:
            cluster = client(n_workers=options.jobs, threads_per_worker=1, dashboard_address=None)
        else:
            cluster = client(options.scheduler, timeout=20)
    except (OSError, ValueError) as error:  # nobody there, or no address
        address = options.scheduler
        raise expected(
            "a Dask scheduler that answers", "scheduler", address, str(error), "its address"
        ) from None
    with cluster, joblib.parallel_config(backend="dask", client=cluster):
        yield


def measure_all(
    name: str,
    measure: Callable[..., dict[str, Any]],
    points: Sequence[Point],
    folder: Path,
    code: str,
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
        points: JSON-able dictionaries, all different.
        folder: where finished points are kept (`muso_theory.checkpoints`); made when missing.
        code: hash of everything that measures.
        workers: see `Workers`.
        threads: BLAS threads of each process. More or fewer change the last digits of a result, so it is not an
            option; None takes what there is.
        where: further keyword arguments of ``measure`` that say where things are kept, and so change no result.
        progress: called with a line of words that counts after each point; None tells it on stderr.

    Returns:
        One result a point, in the order of the points.

    Raises:
        BadInputError: a backend that is unknown or not installed, a scheduler that does not answer, a folder that
            cannot be made, or one where another run is at work.
        MusoError: workers that are killed again and again.
        KeyboardInterrupt: interrupted; what was finished is kept.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     one = {"numerator": 3, "denominator": 4}
        ...     measure_all("doctest", _ratio, [one], Path(folder), package_hash(), Workers(jobs=1))
        [{'ratio': 0.75}]
    """
    kept = Checkpoints(folder, code)
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
            closing(_survived(work, todo, workers, name)) as results,
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
    points: Sequence[Point]
    threads: int | None
    where: Mapping[str, str] | None

    def task(self, i: int) -> Any:
        """One point, as joblib takes it."""
        import joblib

        return joblib.delayed(_measure_one)(self.measure, i, dict(self.points[i]), self.threads, self.where)


_MOST_DEATHS = 3
"""Workers that may be killed in a row, by the system when memory runs out, before all is given up."""


def _survived(
    work: _Work, todo: Sequence[int], workers: Workers, name: str
) -> Generator[tuple[int, dict[str, Any]], None, None]:
    """Measure points in any order; a point whose worker is killed is measured again, and no worker is left behind."""
    import joblib
    from joblib.externals.loky import get_reusable_executor
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    left, deaths = dict.fromkeys(todo), 0
    while left:
        # The number of a cluster's workers is its own.
        jobs = None if workers.on_cluster else workers.jobs
        parallel = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1)
        results = parallel([work.task(i) for i in left])
        try:
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
            results.close()
            if not workers.on_cluster and workers.backend in (None, "loky"):
                get_reusable_executor().shutdown(wait=True, kill_workers=True)
            raise


def _ratio(point: Point) -> dict[str, Any]:
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
    digest, root = hashlib.sha256(), Path(__file__).parent
    for path in sorted((*root.rglob("*.py"), *root.rglob("*.toml"))):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()
