"""Points measured in parallel, each finished one kept in a file of its own: shared by sweeps and campaigns.

A point is a plain JSON-able dictionary. One that was measured before, by the same code, is read from its checkpoint.
Interrupting, or killing, loses only the points under way.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from .errors import expected, nearest

__all__ = ["BACKENDS", "Point", "Workers", "measure_all", "package_hash", "write_atomically"]

_SAY_EVERY = 60.0
"""Seconds between two lines of progress where nobody watches a terminal."""

BACKENDS = ("loky", "threading", "dask")
"""Where points are measured."""

Point = Mapping[str, Any]


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
    points: Mapping[str, Point],
    folder: Path,
    workers: Workers,
    *,
    threads: int | None = 1,
    where: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """Measure every point, in parallel, resuming from checkpoints.

    Args:
        name: names the line of progress.
        measure: a module-level function of one point that returns JSON-able data.
        points: JSON-able dictionaries, each by a key that is a hash of it and of the code that measures it.
        folder: where finished points are kept, ``KEY.json`` each; made when missing.
        workers: see `Workers`.
        threads: BLAS threads of each process. More or fewer change the last digits of a result, so it is not an
            option; None takes what there is.
        where: further keyword arguments of ``measure`` that say where things are kept, and so change no result.

    Returns:
        One result a point, in the order of the points.

    Raises:
        BadInputError: a backend that is unknown or not installed, or a scheduler that does not answer.
        KeyboardInterrupt: interrupted; what was finished is kept.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     one = {"a": {"numerator": 3, "denominator": 4}}
        ...     measure_all("doctest", _ratio, one, Path(folder), Workers(jobs=1))
        [{'ratio': 0.75}]
    """
    import joblib

    folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, dict[str, Any]] = {}
    if not workers.fresh:
        for key in points:
            result = _read(folder / f"{key}.json")
            if result is not None:
                found[key] = result
    todo = [(key, point) for key, point in points.items() if key not in found]
    if found:
        print(f"{name}: {len(found)} of {len(points)} points were measured before", file=sys.stderr)
    started, said = time.monotonic(), 0.0
    with workers.parallel_config(), _limited(threads):
        # The number of a cluster's workers is its own.
        jobs = None if workers.on_cluster else workers.jobs
        parallel = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1)
        work = parallel(
            joblib.delayed(_measure_one)(measure, key, dict(p), threads, where) for key, p in todo
        )
        for count, (key, result) in enumerate(work, start=1):
            # Kept here and not by the worker, which may run on another machine.
            # In the order of its keys as measured: rows that are made from them must not come in another one when the
            # point is read again.
            write_atomically(folder / f"{key}.json", result, sort_keys=False)
            found[key] = result["result"]
            elapsed = time.monotonic() - started
            terminal = sys.stderr.isatty()
            if elapsed - said > (1 if terminal else _SAY_EVERY):
                said = elapsed
                left = elapsed / count * (len(todo) - count)
                line = f"{name}: {count}/{len(todo)} points, {left:.0f} s left"
                print(
                    f"\r{line} " if terminal else line,
                    end="" if terminal else "\n",
                    file=sys.stderr,
                    flush=True,
                )
    if sys.stderr.isatty() and todo:
        print(file=sys.stderr)
    return [found[key] for key in points]


def _ratio(point: Point) -> dict[str, Any]:
    """A function to measure in the example."""
    return {"ratio": point["numerator"] / point["denominator"]}


def _limited(threads: int | None) -> AbstractContextManager[Any]:
    """So many BLAS threads in this process."""
    from threadpoolctl import threadpool_limits

    return nullcontext() if threads is None else threadpool_limits(threads)


def _measure_one(
    measure: Callable[..., dict[str, Any]],
    key: str,
    point: dict[str, Any],
    threads: int | None,
    where: Mapping[str, str] | None,
) -> tuple[str, dict[str, Any]]:
    """Measure one point, wherever that is."""
    # Not undone: in a thread it is what the caller has set already, and a worker process has no other use.
    _limited(threads)
    return key, {"point": point, "result": json.loads(json.dumps(measure(point, **(where or {}))))}


@lru_cache(maxsize=1)
def package_hash() -> str:
    """Hash of the package's sources: a checkpoint of other code is no checkpoint."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def _read(path: Path) -> dict[str, Any] | None:
    """Read a checkpoint; one that cannot be read does not exist."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        result: dict[str, Any] = stored["result"]
    except (OSError, ValueError, KeyError):
        return None
    return result


def write_atomically(path: Path, content: object, *, sort_keys: bool = True) -> None:
    """Write JSON so that the file is either whole or absent.

    Args:
        path: target; its folder is made when missing.
        content: JSON-able.
        sort_keys: write dictionaries in the order of their keys, not in their own.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(content, stream, indent=1, sort_keys=sort_keys, ensure_ascii=False)
            stream.write("\n")
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
