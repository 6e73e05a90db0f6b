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
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import muso_theory
from muso_theory.errors import expected, nearest
from muso_theory.files import write_atomic
from muso_theory.results import SCHEMA, check_result, content_hash, timeless

from . import tables

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
    import joblib

    folder = options.directory / ".checkpoints" / name
    folder.mkdir(parents=True, exist_ok=True)
    keys = [_key(measure, point) for point in points]
    found: dict[str, dict[str, Any]] = {}
    if not options.fresh:
        for key in keys:
            result = _read(folder / f"{key}.json")
            if result is not None:
                found[key] = result
    todo = [(key, point) for key, point in zip(keys, points, strict=True) if key not in found]
    if found:
        print(f"{name}: {len(found)} of {len(points)} points were measured before", file=sys.stderr)
    started, said = time.monotonic(), 0.0
    with options.parallel_config(), _limited(threads):
        # The number of a cluster's workers is its own.
        jobs = None if "dask" in (options.backend, "dask" if options.scheduler else None) else options.jobs
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
    return [found[key] for key in keys]


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


def _key(measure: Callable[..., dict[str, Any]], point: Point) -> str:
    """Content hash of a point, of the modules that measure it and of the package that is measured."""
    module = sys.modules[measure.__module__]
    sources = [Path(path).read_text(encoding="utf-8") for path in measuring(inspect.getfile(module))]
    content = json.dumps([measure.__qualname__, *sources, package_hash(), point], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:24]


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
        if str(here) in found or here.stem in ("campaign", "tables") or not here.exists():
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
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise expected("a result file", "result", path, type(error).__name__, again) from None
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
