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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from muso_theory.errors import expected
from muso_theory.files import make_folder, write_atomic
from muso_theory.points import BACKENDS, Point, Workers, measure_all, package_hash
from muso_theory.reading import read_json
from muso_theory.results import SCHEMA, check_result, content_hash, timeless

from . import tables

__all__ = [
    "BACKENDS",
    "SCHEMA",
    "Options",
    "Point",
    "environment",
    "measure_points",
    "measuring",
    "package_hash",
    "result_file",
    "timeless",
    "write_atomically",
    "write_tables",
]


@dataclass(frozen=True)
class Options(Workers):
    """How to run, not what: no option changes a result. `Workers` has the others.

    Args:
        directory: where result files go; checkpoints are kept in a hidden folder inside.
        minutes: begin nothing after so long, and write what was measured; for campaigns of independent cases.
        peers: for comparisons with other libraries, the Python that has each.
    """

    directory: Path = Path("results")
    minutes: float | None = None
    peers: Mapping[str, str] = field(default_factory=dict)


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
    folder = options.directory / ".checkpoints" / name
    return measure_all(name, measure, points, folder, _code(measure), options, threads=threads, where=where)


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
        if str(here) in found or here.stem in ("campaign", "tables") or not here.exists():
            continue
        found[str(here)] = None
        for node in ast.walk(ast.parse(here.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level == 1:
                names = [node.module] if node.module else [alias.name for alias in node.names]
                todo += [here.with_name(f"{name}.py") for name in names]
    return tuple(sorted(found))


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
    if not path.is_file():
        raise expected("a result file", "result", path, "no such file", again)
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
