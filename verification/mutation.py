"""Are the tests strong? Small slips are planted in the code, one at a time; each must make some test fail.

A seeded sample of mutants (`mutants`) of the rooms linear, numbers, algebra and claims is tried. Which tests execute
which line is recorded once, test file by test file. A mutant is then tried on the tests that execute its statement, the
quickest files first, until one fails, in a copy of the repository (`mutation_server`). What runs at import is tried on
the tests that execute any line of its file, then on all others of the test files that import it. Two economies can
only lower the score: tests whose text mentions a clock are left out, because a busy machine fails them too, and a
mutant is given at most `_BUDGET` seconds of tests, beside the test that killed it in an earlier run, which is tried
first.

    score = killed / (killed + survived + unclear − equivalent)

A mutant is killed only by what it must have done itself: a failing test, a failing import, or processor time without
end. What a busy machine may do as well is unclear and counts as not killed (`mutation_server`). The control is the code
as it is: with `_CONTROLS` of the mutants' tests, in the same order and batches, it must survive, or the campaign fails.

A surviving mutant is equivalent only if `equivalent_mutants.json` argues why no test could tell it from the original,
under the content hash of the change and of the definition around it: when that code changes, the argument lapses. An
argument whose mutant is killed after all is reported as false and fails the campaign.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import itertools
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from .campaign import Options, Point, measure_points
from .mutants import ROOMS, Mutant, draw, mutants_of
from .mutation_score import summary

__all__ = ["EQUIVALENT", "run", "try_mutants"]

SECONDS = (80, 2700)
SEED = 5
EQUIVALENT = Path(__file__).with_name("equivalent_mutants.json")
_SIZE, _QUICK = 520, 24
_CONTROLS, _QUICK_CONTROLS = 20, 3
_BUDGET = 40.0
_CLOCK = re.compile(r"perf_counter|monotonic|process_time|timeout=|time_limit|psutil|getrusage|tracemalloc")
_KEPT = (
    "muso_theory",
    "tests",
    "proofs",
    "verification",
    "figures",
    "docs",
    "README.md",
    "CONTRIBUTING.md",
    "CITATION.cff",
    "LICENSE",
    "MANIFEST.in",
    "mkdocs.yml",
    "pyproject.toml",
    "setup.py",
    ".ci",
)


_ROOT = Path(__file__).resolve().parents[1]


class _Server:
    """One `mutation_server` in a copy of the repository of its own."""

    def __init__(self, root: Path, trees: Path) -> None:
        tree = Path(tempfile.mkdtemp(dir=trees))
        for name in _KEPT:
            source = root / name
            if source.is_dir():
                shutil.copytree(
                    source, tree / name, ignore=shutil.ignore_patterns(".checkpoints", ".hypothesis")
                )
            elif source.exists():
                shutil.copy2(source, tree / name)
        single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("mutation_server.py")), str(tree)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **single, "PYTHONHASHSEED": "0"},
        )

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        self._process.communicate()


@cache
def _server(root: Path, trees: Path) -> _Server:
    """The server of this process; it ends with it."""
    server = _Server(root, trees)
    atexit.register(server.close)
    return server


@contextlib.contextmanager
def _trees() -> Iterator[Path]:
    """A folder for the copies of the repository and for what the workers must know."""
    with tempfile.TemporaryDirectory(prefix="muso-mutation-", ignore_cleanup_errors=True) as folder:
        try:
            yield Path(folder)
        finally:
            _plan.cache_clear()


@cache
def _plan(trees: str, name: str) -> Any:
    return json.loads(Path(trees, f"{name}.json").read_text(encoding="utf-8"))


def record(point: Point, trees: str) -> dict[str, Any]:
    """Record which lines each test of one file executes, and for how long.

    Returns:
        By test: seconds, whether it passed, and lines by file; and the files imported.

    Raises:
        RuntimeError: the tests of that file do not run to their end.
    """
    rooms = [f"muso_theory/{room}" for room in ROOMS]
    found = _server(Path(_plan(trees, "root")), Path(trees)).ask({"record": point["file"], "rooms": rooms})
    if "crash" in found:
        raise RuntimeError(f"{point['file']}: {found['crash']}")
    return found


def fate(point: Point, trees: str) -> dict[str, Any]:
    """Try one mutant on its tests; or, as a control, the code as it is on the same tests.

    Returns:
        Its fate and the kind of it, the test that killed it, and the first words of that failure.
    """
    batches, root = _plan(trees, "plan")[point["key"]], Path(_plan(trees, "root"))
    if not batches:
        return {"fate": "survived", "kind": "", "by": "", "why": "no test executes it"}
    only = {(point["line"], point["column"])}
    [mutant] = [m for m in mutants_of(root, point["file"], only) if m.key == point["key"]]
    source = mutant.original if point["control"] else mutant.source
    return _server(root, Path(trees)).ask({"file": mutant.file, "source": source, "batches": batches})


def _test_files(root: Path) -> list[str]:
    """Test files and modules with doctests."""
    tests = (p for p in (root / "tests").glob("test_*.py") if not p.name.startswith("test_mutation"))
    doctests = (p for p in (root / "muso_theory").rglob("*.py") if ">>> " in p.read_text(encoding="utf-8"))
    return sorted(p.relative_to(root).as_posix() for p in (*tests, *doctests))


def _hash(root: Path, files: list[str]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.encode() + (root / file).read_bytes())
    return digest.hexdigest()[:16]


@cache
def _text(root: Path, nodeid: str) -> str:
    """The text of the test's function, with the strings it is made of; "" for a doctest."""
    file, _, name = nodeid.partition("::")
    text = (root / file).read_text(encoding="utf-8")
    start = re.search(rf"^( *)def {re.escape(name.split('::')[-1].split('[')[0])}\(", text, flags=re.M)
    if start is None:
        return ""
    end = re.compile(rf"^ {{0,{len(start[1])}}}\S", flags=re.M).search(text, text.find("\n", start.end()))
    # The signature's own closing line is not the end of the function.
    while end is not None and text[end.start() :].lstrip().startswith(")"):
        end = re.compile(rf"^ {{0,{len(start[1])}}}\S", flags=re.M).search(text, text.find("\n", end.start()))
    return text[start.start() : end.start() if end else len(text)]


def usable(records: list[dict[str, Any]], root: Path) -> list[dict[str, Any]]:
    """Keep the tests that pass and mention no clock.

    Args:
        records: as `record` returns.
        root: the repository.

    Returns:
        The records with fewer tests.
    """
    return [
        {
            **found,
            "tests": {
                nodeid: test
                for nodeid, test in found["tests"].items()
                if test["passed"] and not _CLOCK.search(_text(root, nodeid))
            },
        }
        for found in records
    ]


def _batches(
    mutant: Mutant, records: list[dict[str, Any]], killer: str, root: Path
) -> list[list[tuple[str, float]]]:
    """The tests for one mutant, in batches of 1, 2, 4, … test files, so that most mutants cost one file's import.

    First the test that killed it before, then what executes its statement. What runs at import is executed by every
    test: there come first the tests whose text mentions a name of the changed line, then those that execute any line
    of its file, last all others of the test files that import it. The quickest tests are chosen as far as the budget
    goes, and the quickest files come first.
    """
    statement = set(range(mutant.lines[0], mutant.lines[1] + 1))
    names = re.compile("|".join(rf"\b{name}\b" for name in mutant.names) or "(?!)")
    everything, wanted = {}, []
    for found in records:
        for nodeid, test in found["tests"].items():
            everything[nodeid] = test["seconds"]
            lines = test["lines"].get(mutant.file, [])
            if not mutant.runs_at_import:
                tier = None if statement.isdisjoint(lines) else 0
            elif mutant.file not in found["imported"]:
                tier = None
            else:
                tier = 0 if names.search(_text(root, nodeid)) else 1 if lines else 2
            if tier is not None and nodeid != killer:
                wanted.append((tier, test["seconds"], nodeid))
    files: dict[tuple[int, str], list[tuple[str, float]]] = {}
    spent = 0.0
    for tier, seconds, nodeid in sorted(wanted):
        spent += seconds
        if spent > _BUDGET and files:
            break
        files.setdefault((tier, nodeid.partition("::")[0]), []).append((nodeid, seconds))
    order = sorted(files, key=lambda f: (f[0], sum(seconds for _, seconds in files[f]), f[1]))
    batches, size = [[(killer, everything[killer])]] if killer in everything else [], 1
    while order:
        batches.append(sorted(itertools.chain(*(files[f] for f in order[:size])), key=lambda t: (t[1], t[0])))
        order, size = order[size:], 2 * size
    return batches


def try_mutants(
    mutants: list[Mutant],
    options: Options,
    files: list[str] | None = None,
    killers: Mapping[str, str] | None = None,
    root: Path = _ROOT,
    controls: int = 0,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Try mutants on the tests.

    Args:
        mutants: of the package as it is.
        options: of the campaign.
        files: test files to use; None for all.
        killers: by key, a test to begin with.
        root: the repository.
        controls: of how many mutants the tests are given to the code as it is.

    Returns:
        One row a mutant: where and what it is, its fate, and how many tests it was tried on; and one row a control.
    """
    files = _test_files(root) if files is None else files
    helpers = [p.relative_to(root).as_posix() for p in sorted((root / "tests").glob("*.py"))]
    shared = _hash(root, [f for f in helpers if not f.startswith("tests/test_")])
    # In no order of files: what is finished of an interrupted run is a sample too.
    mutants = sorted(mutants, key=lambda m: m.key)
    with _trees() as trees:
        where = {"trees": str(trees)}
        (trees / "root.json").write_text(json.dumps(str(root)), encoding="utf-8")
        points = [{"file": file, "content": _hash(root, [file]), "shared": shared} for file in files]
        records = usable(measure_points("mutation-tests", record, points, options, where=where), root)
        plan = {m.key: _batches(m, records, (killers or {}).get(m.key, ""), root) for m in mutants}
        (trees / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
        suite = _hash(root, sorted({*files, *(h for h in helpers if not h.startswith("tests/test_"))}))
        chosen = random.Random(SEED).sample(mutants, min(controls, len(mutants)))
        both = [*((m, False) for m in mutants), *((m, True) for m in chosen)]
        points = [
            {
                "file": m.file,
                "line": m.line,
                "column": m.column,
                "key": m.key,
                "suite": suite,
                "control": control,
            }
            for m, control in both
        ]
        fates = measure_points("mutation-fates", fate, points, options, where=where)
        _server.cache_clear()
    rows = [
        {
            "key": m.key,
            "room": m.room,
            "file": m.file,
            "line": m.line,
            "change": m.operator,
            "diff": m.diff,
            "tests": sum(map(len, plan[m.key])),
            **found,
        }
        for m, found in zip(mutants, fates[: len(mutants)], strict=True)
    ]
    control_rows = [
        {"tests of": m.key, "file": m.file, "tests": sum(map(len, plan[m.key])), **found}
        for m, found in zip(chosen, fates[len(mutants) :], strict=True)
    ]
    return sorted(rows, key=lambda row: (row["file"], row["line"], row["key"])), control_rows


def _killers(directory: Path) -> dict[str, str]:
    """By key, the test that killed a mutant in an earlier run, finished or not: where to begin, and no verdict."""
    found = {}
    for path in (directory / ".checkpoints" / "mutation-fates").glob("*.json"):
        with contextlib.suppress(OSError, ValueError, KeyError):
            kept = json.loads(path.read_text(encoding="utf-8"))
            if kept["result"]["fate"] == "killed":
                found[kept["point"]["key"]] = kept["result"]["by"]
    with contextlib.suppress(OSError, ValueError, KeyError):
        before = json.loads((directory / "mutation.json").read_text(encoding="utf-8"))
        found |= {row["key"]: row["by"] for row in before["killed"]}
    return found


def tests_of_numbers() -> list[str]:
    """The tests of the room of numbers, which a first look runs on mutants of that room.

    Returns:
        Test files and modules with doctests.
    """
    return [f for f in _test_files(_ROOT) if "test_numbers" in f or f.startswith("muso_theory/numbers/")]


def run(quick: bool, options: Options) -> dict[str, Any]:
    """Run the campaign: 520 mutants and 20 controls; or 24 and 3 of the room of numbers, on its own tests.

    Returns:
        As `mutation_score.summary`, and the seed.
    """
    equivalent: dict[str, str] = json.loads(EQUIVALENT.read_text(encoding="utf-8"))
    killers = _killers(options.directory)
    print("mutation: drawing", file=sys.stderr)
    if quick:
        files = tests_of_numbers()
        mutants, controls = draw(_ROOT, _QUICK, SEED, ("numbers",)), _QUICK_CONTROLS
    else:
        files, mutants, controls = None, draw(_ROOT, _SIZE, SEED), _CONTROLS
    found = summary(*try_mutants(mutants, options, files, killers, controls=controls), equivalent)
    if quick:  # so few mutants do not settle a score
        found["failed"] = bool(found["arguments refuted"] or found["controls lost"])
    return {"seed": SEED, "budget, seconds of tests a mutant": _BUDGET, **found}
