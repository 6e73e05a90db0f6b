"""What every campaign needs: points measured in parallel, each finished point kept, one atomic result file.

A campaign is a module with `run(quick, options) -> dict`, what it found, `tabulate(found) -> dict`, tables made of that
alone, and, to predict how long it takes on two cores, `SECONDS = (quick, full)`; `paper_linear.py` is the campaign
`paper-linear`. What it concludes is in `concluding`, made of its rows alone. It lists its points as plain JSON-able
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
import math
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from muso_theory.errors import expected, nearest
from muso_theory.files.reading import read_json
from muso_theory.files.results import LAID_OUT, check_result, laid_out, restored, result_hash, timeless
from muso_theory.files.writing import make_folder, write_atomic
from muso_theory.parallel.points import BACKENDS, GridPoint, Workers, measure_all, package_hash

from . import folding
from .concluding import conclude

__all__ = [
    "BACKENDS",
    "GridPoint",
    "Options",
    "ShownOnly",
    "concluded",
    "environment",
    "measure_points",
    "measured_rows",
    "measuring",
    "package_hash",
    "read_result",
    "result_file",
    "rounded",
    "timeless",
    "write_conclusions",
    "write_tables",
]


@dataclass(frozen=True)
class Options(Workers):
    """How to run, not what: no option changes a result. `Workers` has the others.

    Args:
        directory: where result files go; checkpoints are kept in a hidden folder inside.
        minutes: begin nothing after so long, and write what was measured; for campaigns of independent cases.
        peers: for comparisons with other libraries, the Python that has each.
        only: keys and values of the points to measure; they are printed and nothing is kept. Empty measures all.
    """

    directory: Path = Path("results")
    minutes: float | None = None
    peers: Mapping[str, str] = field(default_factory=dict)
    only: Mapping[str, str] = field(default_factory=dict)

    @property
    def one_by_one(self) -> Options:
        """For what is timed: one point after the other, on this machine."""
        return Options(directory=self.directory, jobs=1, fresh=self.fresh, only=self.only)


class ShownOnly(Exception):
    """Some points were measured and printed, as was asked for: there is no result to go on with."""


DIGITS = 12
"""Kept of every number of a result, unless it says ``digits``."""

Tabulate = Callable[[Mapping[str, Any]], dict[str, Any]]
"""Makes the tables of a result from what the result holds."""


def measure_points(
    name: str,
    measure: Callable[..., dict[str, Any]],
    points: Sequence[GridPoint],
    options: Options,
    *,
    threads: int | None = 1,
    where: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """Measure every point, in parallel, resuming from checkpoints.

    Args:
        measure: a module-level function of one point that returns JSON-able data.
        threads: BLAS threads of each process. More or fewer change the last digits of a result, so it is not an
            option; None takes what there is, for campaigns whose subject is time.
        where: further keyword arguments of ``measure`` that say where things are kept, and so change no result.

    Raises:
        KeyboardInterrupt: interrupted; what was finished is kept.
        ShownOnly: ``options.only`` chose points, and they were printed.
        BadInputError: it chose none of them.
    """
    # The workers of a cluster import what measures from their own files, but have a script's own functions from here.
    code = partial(_code, measure, _sources(measure) if measure.__module__ == "__main__" else None)
    if not options.only:
        folder = options.directory / ".checkpoints" / name
        return measure_all(name, measure, points, folder, code, options, threads=threads, where=where)
    chosen = _chosen(name, points, options.only)
    with tempfile.TemporaryDirectory() as scratch:  # checkpoints of a whole run stay as they are
        found = measure_all(name, measure, chosen, Path(scratch), code, options, threads=threads, where=where)
    for point, row in zip(chosen, found, strict=True):
        print(json.dumps({"point": point, "found": rounded(row, DIGITS)}, ensure_ascii=False))
    raise ShownOnly


def measured_rows(
    name: str,
    measure: Callable[..., dict[str, Any]],
    points: Sequence[GridPoint],
    options: Options,
    *,
    threads: int | None = 1,
) -> list[dict[str, Any]]:
    """The same, each point with what was measured of it."""
    found = measure_points(name, measure, points, options, threads=threads)
    return [{**point, **row} for point, row in zip(points, found, strict=True)]


def _chosen(name: str, points: Sequence[GridPoint], only: Mapping[str, str]) -> list[GridPoint]:
    """The points that have all these values, which are words of a command line."""
    chosen = list(points)
    for key, value in only.items():
        there = {str(point[key]) for point in chosen if key in point}
        if not there:
            known = dict.fromkeys(key for point in chosen for key in point)
            raise expected(f"a key of the points of {name}", "only", key, "unknown", nearest(key, known))
        if value not in there:
            raise expected(f"a value of {key} in {name}", key, value, "of no point", nearest(value, there))
        chosen = [point for point in chosen if str(point.get(key)) == value and key in point]
    return chosen


def _code(measure: Callable[..., Any], sources: Sequence[str] | None = None) -> str:
    """Hash of a function, of the modules that it is in and uses, and of the package that is measured."""
    content = json.dumps([measure.__qualname__, *(sources or _sources(measure)), package_hash()])
    return hashlib.sha256(content.encode()).hexdigest()


def _sources(measure: Callable[..., Any]) -> list[str]:
    """Of the modules that a function is in and uses."""
    module = sys.modules[measure.__module__]
    return [Path(path).read_text(encoding="utf-8") for path in measuring(inspect.getfile(module))]


@lru_cache(maxsize=64)
def measuring(path: str) -> tuple[str, ...]:
    """The module that measures, and the modules of its folder that it imports by a relative import, at any depth."""
    found: dict[str, None] = {}
    todo = [Path(path)]
    while todo:
        here = todo.pop()
        if str(here) in found or here.stem in ("campaign", "tables", "folding") or not here.exists():
            continue
        found[str(here)] = None
        for node in ast.walk(ast.parse(here.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level == 1:
                names = [node.module] if node.module else [alias.name for alias in node.names]
                todo += [here.with_name(f"{name}.py") for name in names]
    return tuple(sorted(found))


def result_file(
    directory: Path,
    label: str,
    quick: bool,
    content: Mapping[str, Any],
    wall_seconds: float,
    tabulate: Tabulate,
) -> Path:
    """Write what a campaign found: numbers in JSON, what is concluded from them, and the tables made of them beside it.

    Args:
        content: rows by name; ``digits`` of them are kept, where the campaign says so.
        wall_seconds: how long it took; short where points had been measured before.
    """
    path = directory / f"{label}{'-quick' if quick else ''}.json"
    result = {"campaign": label, "quick": quick, "schema": LAID_OUT, "conclusions": [], **content}
    told = {"environment": environment(), "wall seconds": wall_seconds}
    result = json.loads(json.dumps(rounded(result | told, result.get("digits", DIGITS))))
    make_folder(path.parent)
    _write(path, result, tabulate)
    return path


def concluded(result: Mapping[str, Any]) -> dict[str, Any]:
    """A result with what its rows let conclude, and the hash of the whole.

    Raises:
        BadInputError: rows lack what is concluded.
    """
    # Rounded as its rows are: what is computed again from the file must be the same.
    whole = {**result, "conclusions": rounded(conclude(result), result.get("digits", DIGITS))}
    return whole | {"sha256": result_hash(whole)}


def _write(path: Path, result: Mapping[str, Any], tabulate: Tabulate) -> None:
    whole = concluded(result)
    write_atomic(path, laid_out(whole).encode())
    _write_tables(path, tabulate(whole), whole["conclusions"])


def rounded(content: Any, digits: int) -> Any:
    """Numbers to so many digits: those after them belong to one machine and one run."""
    if isinstance(content, float) and math.isfinite(content):
        return float(f"{content:.{digits}g}")
    if isinstance(content, Mapping):
        return {key: rounded(value, digits) for key, value in content.items()}
    return [rounded(value, digits) for value in content] if isinstance(content, list | tuple) else content


def write_tables(path: Path, tabulate: Tabulate) -> None:
    """Write the tables of a stored result anew, without measuring anything.

    Raises:
        BadInputError: no such result, or one that was changed after it was written.
    """
    result = read_result(path)
    _write_tables(path, tabulate(result), result["conclusions"])


def write_conclusions(path: Path, tabulate: Tabulate) -> list[dict[str, Any]]:
    """Conclude a stored result anew from its rows, without measuring anything, and write its tables too.

    Raises:
        BadInputError: no such result, one that was changed after it was written, one of an older version, or rows that
            lack what is concluded.
    """
    result = read_result(path)
    if result.get("schema") != LAID_OUT:
        again = f"python -m verification {result.get('campaign', 'NAME')}, which writes one"
        raise expected(f"a result of version {LAID_OUT}", "schema", result.get("schema"), str(path), again)
    _write(path, result, tabulate)
    return concluded(result)["conclusions"]


def read_result(path: Path) -> dict[str, Any]:
    """A stored result, with its rows.

    Raises:
        BadInputError: no such result, or one that was changed after it was written.
    """
    again = f"python -m verification {path.stem.removesuffix('-quick')}"
    if not path.is_file():
        raise expected("a result file", "result", path, "no such file", again)
    result = read_json(path, "result", constants=True)
    if not isinstance(result, dict):
        raise expected("a result file", "result", path, "other JSON", again)
    result = restored(result)
    check_result(result, path)
    return dict(result)


def _write_tables(
    path: Path, made: Mapping[str, Mapping[str, Any]], conclusions: Sequence[Mapping[str, Any]]
) -> None:
    """Tables beside a result; one of Markdown is kept with it, one of LaTeX is for whoever asks."""
    for suffix, text in zip((".md", ".tex"), folding.write(made, conclusions), strict=True):
        write_atomic(path.with_suffix(suffix), text.encode())


def environment() -> dict[str, Any]:
    """Names and versions of the machine and the software behind a result; no paths, no host name, no time."""
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
