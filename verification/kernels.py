"""Campaign ``kernels``: do the tests hold elsewhere? All that pass through BLAS, under each kernel and each Python.

OpenBLAS picks its kernels by the processor, unless ``OPENBLAS_CORETYPE`` names some. Another kernel adds in another
order, and with or without fused operations, so that a test that hangs on rounding noise fails under one of them. NumPy
and SciPy each bring an OpenBLAS of their own: both must have taken the kernel that was asked for. Pythons with other
versions are named with ``--peer NAME=PYTHON``, as often as there are.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from muso_theory.errors import expected

from . import ROOT
from .campaign import Options, measure_points
from .tables import Column, table

__all__ = ["KERNELS", "measure", "not_taken", "run", "tabulate", "versions"]

SECONDS = (90, 3000)

KERNELS = {
    "Haswell": {"Haswell"},
    # A build for few processors keeps one table for Zen and Haswell, and tells a table by the first of its names: the
    # one of Prescott, Northwood, Coppermine and Katmai is told as Katmai.
    "Zen": {"Zen", "Haswell"},
    "Sandybridge": {"Sandybridge"},
    "Nehalem": {"Nehalem"},
    "Prescott": {"Prescott", "Katmai"},
    "unset": None,
}
"""Values of ``OPENBLAS_CORETYPE``, each with the names by which OpenBLAS then calls what it took."""

_THREADS = (1, 2)
_USAGE_ERROR = 4  # pytest's exit status where the kernel was not taken
_HERE = "this"
_VERSIONS = """
import json, platform
from importlib.metadata import distributions
packages = {one.name.lower(): one.version for one in distributions()}
print(json.dumps({"Python": platform.python_version(), **packages}))
"""


def not_taken(environment: Mapping[str, str]) -> str:
    """What of the kernel and the threads that the environment asks for was not taken by NumPy's or SciPy's BLAS."""
    kernel = environment.get("OPENBLAS_CORETYPE", "")
    threads = environment.get("OPENBLAS_NUM_THREADS", "")
    if not kernel:
        return ""
    import numpy  # noqa: F401
    import scipy.linalg  # noqa: F401
    from threadpoolctl import threadpool_info

    found = [library for library in threadpool_info() if library["internal_api"] == "openblas"]
    homes = {home for home in ("numpy", "scipy") for library in found if home in library["filepath"]}
    wanted = KERNELS.get(kernel) or {kernel}
    told = ", ".join(f"{library['architecture']} with {library['num_threads']} threads" for library in found)
    asked = f"OPENBLAS_CORETYPE={kernel}" + (f", OPENBLAS_NUM_THREADS={threads}" if threads else "")
    if homes != {"numpy", "scipy"}:
        return f"{asked} asks for a kernel, but not both NumPy and SciPy bring an OpenBLAS"
    count = min(int(threads), os.cpu_count() or 1) if threads else None
    if any(
        library["architecture"] not in wanted or count not in (None, library["num_threads"])
        for library in found
    ):
        return f"{asked} is asked for, but what computes is {told}"
    return ""


def versions(python: str) -> dict[str, str]:
    """Versions of an interpreter and of its packages, without this project's own."""
    try:
        done = subprocess.run([python, "-c", _VERSIONS], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        hint = "--peer lowest=path/to/python"
        raise expected("a Python that starts", "peer", python, str(error), hint) from None
    found: dict[str, str] = json.loads(done.stdout)
    if "pytest" not in found:
        raise expected(
            "a Python with the extra [test]", "peer", python, "no pytest", "its environment's python"
        )
    return {name: found[name] for name in sorted(found) if name != "muso-theory"}


def measure(point: Mapping[str, Any], **pythons: str) -> dict[str, Any]:
    """Run the tests in a process of its own.

    Args:
        point: Python by name, kernel, threads, and the tests with their hash.
        **pythons: the command of each name but that of this interpreter.
    """
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": str(point["threads"])}
    environment.pop("OPENBLAS_CORETYPE", None)
    if point["kernel"] != "unset":
        environment["OPENBLAS_CORETYPE"] = point["kernel"]
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        python = pythons.get(point["python"], sys.executable)
        command = [python, "-m", "pytest", "-n", "0", "-m", "numeric", "-p", "no:cacheprovider"]
        done = subprocess.run(
            [*command, f"--junitxml={report}", *point["tests"]],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        cases = [] if done.returncode == _USAGE_ERROR else list(ElementTree.parse(report).iter("testcase"))
    failed = [
        f"{case.get('classname')}::{case.get('name')}"
        for case in cases
        if case.find("failure") is not None or case.find("error") is not None
    ]
    skipped = sum(case.find("skipped") is not None for case in cases)
    return {
        "passed": len(cases) - len(failed) - skipped,
        "skipped": skipped,
        "failed": failed,
        "refused": done.stderr.strip()[-300:] if not cases else "",
        "seconds": time.monotonic() - started,
    }


def run(quick: bool, options: Options) -> dict[str, Any]:
    """Run the campaign.

    Args:
        quick: only whole checks against the truth, under the two kernels that are farthest apart.
    """
    pairs = [("Haswell", 1), ("Prescott", 2)] if quick else list(product(KERNELS, _THREADS))
    tests = ["tests/verification/test_soundness.py"] if quick else []
    found = {name: versions(python) for name, python in {_HERE: sys.executable, **options.peers}.items()}
    points = [
        {
            "python": name,
            "versions": has,
            "kernel": kernel,
            "threads": threads,
            "tests": tests,
            "sources": _sources(),
        }
        for (name, has), (kernel, threads) in product(found.items(), pairs)
    ]
    measured = measure_points("kernels", measure, points, options, where=options.peers)
    rows = [
        {key: p[key] for key in ("python", "kernel", "threads")} | r
        for p, r in zip(points, measured, strict=True)
    ]
    bad = sum(bool(row["failed"]) for row in rows)
    idle = sum(not row["passed"] and not row["failed"] for row in rows)
    verdict = f"{len(rows) - bad - idle} of {len(rows)} environments pass all tests"
    return {
        "versions": found,
        "rows": rows,
        "verdict": verdict,
        "failed": bool(bad),
    }


def _sources() -> str:
    """Hash of the tests: what other tests found is no checkpoint."""
    digest = hashlib.sha256()
    for folder in ("tests", "verification"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            digest.update(path.relative_to(ROOT).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def tabulate(result: Mapping[str, Any]) -> dict[str, Any]:
    """One row a Python, kernel and number of threads."""
    told = {
        name: "{Python}, NumPy {numpy}, SciPy {scipy}".format_map(has)
        for name, has in result["versions"].items()
    }
    rows = [{**row, "python": told[row["python"]], "failed": len(row["failed"])} for row in result["rows"]]
    columns = [
        Column("python", "Python"),
        Column("kernel"),
        Column("threads", spec="d"),
        Column("passed", spec="d"),
    ]
    columns += [Column("skipped", spec="d"), Column("failed", spec="d"), Column("seconds", spec=".0f")]
    return {"kernels": table(result["verdict"], rows, columns)}
