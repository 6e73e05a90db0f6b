"""What every campaign needs: points measured in parallel, each finished point kept, one atomic result file.

A campaign is a module with `run(quick, options) -> dict` and, to predict how long it takes on two cores,
`SECONDS = (quick, full)`; `paper_linear.py` is the campaign `paper-linear`. It lists its points as plain JSON-able
dictionaries and hands them to `measure_points`; a point that was measured before, by the same code, is read from its
checkpoint. Interrupting, or killing, loses only the points under way.

Keys that are `seconds` or end in ` seconds` hold times; all else but the environment is the same in every run, on any
backend and any number of jobs, and has a hash of its own in the result (`timeless`).
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import muso_theory
from muso_theory.errors import MusoError, expected, nearest
from muso_theory.files import make_folder, write_atomic
from muso_theory.reading import read_json
from muso_theory.results import SCHEMA, check_result, content_hash, timeless

from . import tables
from .checkpoints import Checkpoints

__all__ = [
    "BACKENDS",
    "SCHEMA",
    "Options",
    "environment",
    "measure_points",
    "measuring",
    "package_hash",
    "result_file",
    "timeless",
    "write_atomically",
    "write_tables",
]

_SAY_EVERY = 60.0
"""Seconds between two lines of progress where nobody watches a terminal."""

BACKENDS = ("loky", "threading", "dask")

Point = Mapping[str, Any]


@dataclass(frozen=True)
class Options:
    """How to run, not what: no option changes a result.

    Args:
        directory: where result files go; checkpoints are kept in a hidden folder inside.
        jobs: parallel processes. Set it to 1 when wall time is what is measured.
        fresh: ignore checkpoints.
        minutes: begin nothing after so long, and write what was measured; for campaigns of independent cases.
        peers: for comparisons with other libraries, the Python that has each.
        backend: one of `BACKENDS`, given to ``joblib.parallel_config``; None leaves joblib's own setting alone, so
            that a campaign started from Python runs on a cluster after ``joblib.parallel_config(backend="dask")``.
        scheduler: address of a Dask scheduler whose workers can import this repository.
    """

    directory: Path = Path("results")
    jobs: int = 2
    fresh: bool = False
    minutes: float | None = None
    peers: Mapping[str, str] = field(default_factory=dict)
    backend: str | None = None
    scheduler: str | None = None

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
            return joblib.parallel_config(backend=backend, n_jobs=self.jobs)
        try:
            from distributed import Client
        except ImportError:
            hint = "pip install 'muso-theory[cluster]'"
            raise expected("the package distributed", "backend", "dask", "not installed", hint) from None
        return _dask(Client, self)


@contextmanager
def _dask(client: Callable[..., Any], options: Options) -> Iterator[None]:
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


def measure_points(
    name: str,
    measure: Callable[..., dict[str, Any]],
    points: Sequence[Point],
    options: Options,
    *,
    threads: int | None = 1,
    where: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """Measure every point, in parallel, resuming from checkpoints.

    Args:
        name: names the checkpoint folder and the progress line.
        measure: a module-level function of one point that returns JSON-able data.
        points: JSON-able dictionaries, all different.
        options: see `Options`.
        threads: BLAS threads of each process. More or fewer change the last digits of a result, so it is not an
            option; None takes what there is, for campaigns whose subject is time.
        where: further keyword arguments of ``measure`` that say where things are kept, and so change no result.

    Returns:
        One result a point, in the order of the points.

    Raises:
        KeyboardInterrupt: interrupted; what was finished is kept.
    """
    kept = Checkpoints(options.directory / ".checkpoints" / name, _code(measure))
    with kept.locked():
        found: dict[int, dict[str, Any]] = {}
        if not options.fresh:
            found = {i: result for i, p in enumerate(points) if (result := kept.read(p)) is not None}
        if found:
            print(f"{name}: {len(found)} of {len(points)} points were measured before", file=sys.stderr)
        todo = [i for i in range(len(points)) if i not in found]
        work = _Work(measure, points, threads, where)
        tell = _Progress(name, len(todo))
        # Closed at once where something fails, so that no worker outlives the campaign.
        with (
            options.parallel_config(),
            _limited(threads),
            closing(_survived(work, todo, options, name)) as results,
        ):
            for i, result in results:
                # Kept here and not by the worker, which may run on another machine.
                kept.write(points[i], result)
                found[i] = result
                tell.another()
        tell.done()
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
"""Workers that may be killed in a row, by the system when memory runs out, before the campaign gives up."""


def _survived(
    work: _Work, todo: Sequence[int], options: Options, name: str
) -> Generator[tuple[int, dict[str, Any]], None, None]:
    """Measure points in any order; a point whose worker is killed is measured again, and no worker is left behind."""
    import joblib
    from joblib.externals.loky import get_reusable_executor
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    on_dask = options.scheduler is not None or options.backend == "dask"
    left, deaths = dict.fromkeys(todo), 0
    while left:
        # The number of a cluster's workers is its own.
        jobs = None if on_dask else options.jobs
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
            if not on_dask and options.backend in (None, "loky"):
                get_reusable_executor().shutdown(wait=True, kill_workers=True)
            raise


class _Progress:
    """A line on stderr: at once on a terminal, else now and then."""

    def __init__(self, name: str, total: int) -> None:
        self._name, self._total, self._count = name, total, 0
        self._started, self._said, self._terminal = time.monotonic(), 0.0, sys.stderr.isatty()

    def another(self) -> None:
        """One more point is measured."""
        self._count += 1
        elapsed = time.monotonic() - self._started
        if elapsed - self._said > (1 if self._terminal else _SAY_EVERY):
            self._said = elapsed
            left = elapsed / self._count * (self._total - self._count)
            line = f"{self._name}: {self._count}/{self._total} points, {left:.0f} s left"
            shown, end = (f"\r{line} ", "") if self._terminal else (line, "\n")
            print(shown, end=end, file=sys.stderr, flush=True)

    def done(self) -> None:
        """End the line."""
        if self._terminal and self._count:
            print(file=sys.stderr)


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


def _code(measure: Callable[..., Any]) -> str:
    """Hash of a function, of the modules that it is in and uses, and of the package that is measured."""
    module = sys.modules[measure.__module__]
    sources = [Path(path).read_text(encoding="utf-8") for path in measuring(inspect.getfile(module))]
    content = json.dumps([measure.__qualname__, *sources, package_hash()])
    return hashlib.sha256(content.encode()).hexdigest()


@lru_cache(maxsize=64)
def measuring(path: str) -> tuple[str, ...]:
    """The module that measures, and the modules of its folder that it imports by a relative import, at any depth.

    Args:
        path: of the module.

    Returns:
        Sorted paths; neither this module nor the tables, which measure nothing.
    """
    found: dict[str, None] = {}
    todo = [Path(path)]
    while todo:
        here = todo.pop()
        if str(here) in found or here.stem in ("campaign", "checkpoints", "tables") or not here.exists():
            continue
        found[str(here)] = None
        for node in ast.walk(ast.parse(here.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level == 1:
                names = [node.module] if node.module else [alias.name for alias in node.names]
                todo += [here.with_name(f"{name}.py") for name in names]
    return tuple(sorted(found))


@lru_cache(maxsize=1)
def package_hash() -> str:
    """Hash of the package's sources: a checkpoint of other code is no checkpoint."""
    digest = hashlib.sha256()
    for path in sorted(Path(muso_theory.__file__).parent.rglob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def write_atomically(path: Path, content: object, *, sort_keys: bool = True) -> None:
    """Write JSON so that the file is either whole or absent.

    Args:
        path: target; its folder is made when missing.
        content: JSON-able.
        sort_keys: write dictionaries in the order of their keys, not in their own.
    """
    text = json.dumps(content, indent=1, sort_keys=sort_keys, ensure_ascii=False) + "\n"
    make_folder(path.parent)
    write_atomic(path, text.encode())


def result_file(
    directory: Path, label: str, quick: bool, content: Mapping[str, Any], wall_seconds: float
) -> Path:
    """Write what a campaign found: the JSON, and its tables beside it.

    Args:
        directory: of the result files.
        label: the campaign's name, and its part.
        quick: whether this was the small version.
        content: what `run` returned.
        wall_seconds: how long it took; short where points had been measured before.

    Returns:
        The path of the JSON file.
    """
    path = directory / f"{label}{'-quick' if quick else ''}.json"
    result = {"campaign": label, "quick": quick, "schema": SCHEMA, **content}
    _write_result(path, result | {"environment": environment(), "wall seconds": wall_seconds})
    return path


def write_tables(path: Path, tabulate: Callable[[Mapping[str, Any]], dict[str, Any]] | None) -> None:
    """Write the tables of a stored result anew, without measuring anything.

    Args:
        path: of the result.
        tabulate: makes the tables from the result; None takes those that it holds.

    Raises:
        BadInputError: no such result, one without tables, or one that was changed after it was written.
    """
    again = f"python -m verification {path.stem.removesuffix('-quick')}"
    result = read_json(path, "result", constants=True)
    if not isinstance(result, dict):
        raise expected("a result file", "result", path, "other JSON", again)
    check_result(result, path)
    if tabulate is not None:
        result["tables"] = tabulate(result)
    if "tables" not in result:
        raise expected("a result with tables", "result", path, "none", again)
    _write_result(path, result)


def _write_result(path: Path, content: Mapping[str, Any]) -> None:
    """A result with its hash, and its tables beside it."""
    result = json.loads(json.dumps(content))
    result["sha256"] = content_hash(result)
    write_atomically(path, result)
    if "tables" in result:
        for suffix, text in zip((".md", ".tex"), tables.write(result["tables"]), strict=True):
            write_atomic(path.with_suffix(suffix), text.encode())


def environment() -> dict[str, Any]:
    """Describe the machine and the versions behind a result.

    Returns:
        Names and versions; no paths, no host name, no time.
    """
    from threadpoolctl import threadpool_info

    packages = {}
    for package in ("muso-theory", "numpy", "scipy", "python-flint", "mpmath", "scikit-learn", "joblib"):
        try:
            packages[package] = version(package)
        except PackageNotFoundError:
            packages[package] = "from source"
    libraries = sorted(
        {f"{i['internal_api']} {i['version']} ({i.get('architecture')})" for i in threadpool_info()}
    )
    threads = sorted({int(i["num_threads"]) for i in threadpool_info()})
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.system(),
        "cores": os.cpu_count(),
        "libraries": libraries,
        "threads": threads,
        "packages": packages,
    }
