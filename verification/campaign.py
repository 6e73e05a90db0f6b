"""What every campaign needs: points measured in parallel, each finished point kept, one atomic result file.

A campaign is a module with `run(quick, options) -> dict`. It lists its points as plain JSON-able
dictionaries and hands them to `measure_points`; a point that was measured before, by the same code, is
read from its checkpoint. Interrupting loses only the points under way.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import muso_theory

__all__ = ["Options", "environment", "measure_points", "write_atomically"]

Point = Mapping[str, Any]


@dataclass(frozen=True)
class Options:
    """How to run, not what: no option changes a result.

    Args:
        directory: where result files go; checkpoints are kept in a hidden folder inside.
        jobs: parallel processes. Set it to 1 when wall time is what is measured.
        fresh: ignore checkpoints.
        peers: for comparisons with other libraries, the Python that has each.
    """

    directory: Path = Path("results")
    jobs: int = 2
    fresh: bool = False
    peers: Mapping[str, str] = field(default_factory=dict)


def measure_points(
    name: str, measure: Callable[[Point], dict[str, Any]], points: Sequence[Point], options: Options
) -> list[dict[str, Any]]:
    """Measure every point, in parallel, resuming from checkpoints.

    Args:
        name: names the checkpoint folder and the progress line.
        measure: a module-level function of one point that returns JSON-able data.
        points: JSON-able dictionaries, all different.
        options: see `Options`.

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
    parallel = joblib.Parallel(n_jobs=options.jobs, return_as="generator_unordered")
    started = time.monotonic()
    work = parallel(joblib.delayed(_measure_one)(measure, key, dict(point), folder) for key, point in todo)
    for count, (key, result) in enumerate(work, start=1):
        found[key] = result
        elapsed = time.monotonic() - started
        if sys.stderr.isatty() and elapsed > 1:
            left = elapsed / count * (len(todo) - count)
            print(
                f"\r{name}: {count}/{len(todo)} points, {left:.0f} s left ",
                end="",
                file=sys.stderr,
                flush=True,
            )
    if sys.stderr.isatty() and todo:
        print(file=sys.stderr)
    return [found[key] for key in keys]


def _measure_one(
    measure: Callable[[Point], dict[str, Any]], key: str, point: dict[str, Any], folder: Path
) -> tuple[str, dict[str, Any]]:
    """Measure one point and keep it before reporting it."""
    result = json.loads(json.dumps(measure(point)))
    write_atomically(folder / f"{key}.json", {"point": point, "result": result})
    return key, result


def _key(measure: Callable[[Point], dict[str, Any]], point: Point) -> str:
    """Content hash of a point, of the module that measures it and of the package that is measured."""
    module = inspect.getsource(sys.modules[measure.__module__])
    content = json.dumps([measure.__qualname__, module, _package_hash(), point], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:24]


@lru_cache(maxsize=1)
def _package_hash() -> str:
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


def write_atomically(path: Path, content: object) -> None:
    """Write JSON so that the file is either whole or absent.

    Args:
        path: target; its folder is made when missing.
        content: JSON-able.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(content, stream, indent=1, sort_keys=True, ensure_ascii=False)
            stream.write("\n")
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


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
