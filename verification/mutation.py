"""Are the tests strong? Small slips are planted in the code, one at a time; each must make some test fail.

cosmic-ray plants them and runs the tests, in copies of the repository, as configured in pyproject.toml. The campaign
keeps a sample of mutants, drawn by seed over all rooms of the package (`mutants`), which tests each is given, and the
score. Which tests execute which line is recorded once, by coverage, test file by test file. A mutant is given the tests
that execute its statement (of its class or file, where it runs at import) and those that read the package as text,
those of the quickest files first, as far as `_BUDGET` seconds go, until one fails. This choice can only lower
the score.

    score = killed / (killed + survived + unclear − equivalent)

A mutant is killed where pytest names the test that fails, or the file that cannot be imported. What a busy machine does
as well, such as reaching the time limit, is unclear and counts as not killed; tests marked slow and tests that look at
a clock are left out. Controls guard the score: the code as it is must survive the tests of some mutants, and the mutant
that `mutants.toml` plants in plain sight must be killed.

A survivor is equivalent only if `mutants.toml` argues why no test can tell it from the original. Whatever is argued
there is tried beside the sample, and an argument whose mutant is killed fails the campaign.
"""

from __future__ import annotations

import ast
import collections
import compileall
import hashlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from . import ROOT
from .campaign import GridPoint, Options, measure_points
from .mutants import Mutant, config, cosmic_ray, draw, mutants_of
from .tables import Column, table

__all__ = ["ROOM", "answered", "files_of", "listed", "run", "summary", "tabulate", "try_mutants"]

SECONDS = (120, 5400)
SEED = 5
_SIZE, _QUICK, _CONTROLS = 400, 10, 20
_BUDGET = 40.0
ROOM = "/numbers/"  # of a first look
_CLOCK = re.compile(r"perf_counter|monotonic|process_time|timeout=|time_limit|psutil|getrusage|tracemalloc")
_BUSY = re.compile(
    r"\b(MemoryError|\w*Timeout\w*|DeadlineExceeded|FailedHealthCheck|BrokenProcessPool|OSError)\b"
)
_FAILURE = re.compile(r"^(?:FAILED|ERROR|ImportError while loading conftest) (.+?)(?: - (.*))?$", flags=re.M)
_TIME = re.compile(r"^([\d.]+)s (?:call|setup|teardown) +(.+?) *$", flags=re.M)
_READERS = ("tests/project/test_defaults.py",)  # they read the package as text, and execute nothing of it
_LEFT_OUT = (".git", ".venv", ".*_cache", ".hypothesis", ".checkpoints", "build", "dist")


@cache
def _tree(trees: str, thread: int) -> Path:
    """A copy of the repository for this thread of this process."""
    tree = Path(tempfile.mkdtemp(dir=trees))
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(*_LEFT_OUT), dirs_exist_ok=True)
    compileall.compile_dir(tree / config()["module-path"], quiet=1)
    return tree


def _command(tree: Path, arguments: Sequence[str]) -> str:
    """The command of pyproject.toml, in a copy of the repository."""
    return f"{config().test_command} {shlex.join([str(tree), sys.executable, *arguments])}"


def record(point: GridPoint, trees: str) -> dict[str, Any]:
    """Record, for each test of a file that passes and looks at no clock, how long it takes and which lines it runs."""
    from coverage import CoverageData

    tree, file = _tree(trees, threading.get_ident()), point["file"]
    options = "--cov=muso_theory --cov-context=test --cov-report= --durations=0 --durations-min=0 --maxfail=0"
    command = shlex.split(_command(tree, [*options.split(), file]))
    printed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    text = (ROOT / file).read_text(encoding="utf-8")
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
    clocks = {f.name for f in functions if _CLOCK.search(ast.get_source_segment(text, f) or "")}
    failed = {name for name, _ in _FAILURE.findall(printed)}
    tests: dict[str, dict[str, Any]] = {}
    for seconds, name in _TIME.findall(printed):
        if name not in failed and name.partition("[")[0].split("::")[-1] not in clocks:
            test = tests.setdefault(name, {"seconds": 0.0, "lines": {}})
            test["seconds"] = round(test["seconds"] + float(seconds), 3)
    data = CoverageData(str(tree / ".coverage"))
    data.read()
    for path in data.measured_files():
        for line, contexts in data.contexts_by_lineno(path).items():
            for name in {context.rpartition("|")[0] for context in contexts} & tests.keys():
                tests[name]["lines"].setdefault(Path(path).relative_to(tree).as_posix(), []).append(line)
    data.erase()
    return {"tests": tests}


@cache
def _statements(file: str) -> list[ast.stmt]:
    nodes = ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8")))
    return sorted((n for n in nodes if isinstance(n, ast.stmt)), key=lambda n: (n.end_lineno or 0) - n.lineno)


def _executing(mutant: Mutant, tests: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The tests that execute its statement; where that runs at import, what is around it, or the file."""
    executed = {name: test["lines"].get(mutant.file, ()) for name, test in tests.items()}
    for around in _statements(mutant.file):
        lines = range(around.lineno, (around.end_lineno or 0) + 1)
        if mutant.line in lines:
            names = [name for name, run in executed.items() if not set(run).isdisjoint(lines)]
            if names or (isinstance(around, ast.FunctionDef) and around.body[0].lineno <= mutant.line):
                return names
    return [name for name, run in executed.items() if run]


def chosen(mutant: Mutant, tests: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The tests for a mutant, those of the quickest files first, as far as the budget goes."""
    files, spent = collections.defaultdict[str, list[str]](list), collections.Counter[str]()
    names = {*_executing(mutant, tests), *(name for name in tests if name.startswith(_READERS))}
    for name in sorted(names, key=lambda name: (tests[name]["seconds"], name)):
        if sum(spent.values()) <= _BUDGET:
            file = name.partition("::")[0]
            files[file].append(name)
            spent[file] += tests[name]["seconds"]
    return [name for file in sorted(files, key=lambda file: (spent[file], file)) for name in files[file]]


def fate(point: GridPoint, trees: str) -> dict[str, Any]:
    """Try one mutant on its tests, or, as a control, the code as it is; tell its fate, and why it is not killed."""
    if not point["tests"]:
        return {"fate": "survived", "kind": "", "by": "", "why": "no test executes it"}
    tree = _tree(trees, threading.get_ident())
    change = cosmic_ray("work_item").MutationSpec(
        tree / point["file"], point["operator"], point["occurrence"], (0, 0), (0, 1)
    )
    command = _command(tree, point["tests"])
    changes = [] if point["control"] == "unchanged" else [change]
    result = cosmic_ray("mutating").mutate_and_test(changes, command, config().timeout)
    if result.test_outcome == "survived":
        return {"fate": "survived", "kind": "", "by": "", "why": ""}
    output = (result.output or "").replace(f"{tree}/", "")
    failure = _FAILURE.search(output)
    if failure is None:
        return {"fate": "unclear", "kind": "", "by": "", "why": output[-200:]}
    by, why = failure[1], (failure[2] or "")[:200]
    kind = "test" if "::" in by else "import"
    if _BUSY.search(why):
        return {"fate": "unclear", "kind": kind, "by": by, "why": why}
    return {"fate": "killed", "kind": kind, "by": by, "why": ""}


def files_of(word: str) -> tuple[list[str], list[str]]:
    """Files of the package, and files of tests and with doctests, whose path has a word."""
    package = sorted((ROOT / config()["module-path"]).rglob("*.py"))
    tests = [p for p in sorted((ROOT / "tests").rglob("test_*.py")) if not p.name.startswith("test_mutation")]
    tests += [path for path in package if ">>> " in path.read_text(encoding="utf-8")]
    mutated, tried = ([p.relative_to(ROOT).as_posix() for p in paths] for paths in (package, tests))
    return [file for file in mutated if word in file], [file for file in tried if word in file]


@cache
def listed() -> tuple[Mutant, dict[Mutant, str]]:
    """The planted mutant, and those argued to be equivalent with their arguments; LookupError if one is no more."""
    content = tomllib.loads(Path(__file__).with_name("mutants.toml").read_text(encoding="utf-8"))
    found = {}
    for entry in (content["planted"], *content["equivalent"]):
        where = {key: entry[key] for key in ("file", "function", "operator", "was")}
        same = [m for m in mutants_of(entry["file"]) if where.items() <= asdict(m).items()]
        mutant = next((m for m in same if m.becomes == entry["becomes"]), None)
        if mutant is None:
            raise LookupError(f"no such mutant any more: {entry}")
        found[mutant] = entry.get("why", "")
    return next(iter(found)), {mutant: why for mutant, why in found.items() if why}


def _content(files: Sequence[str]) -> str:
    return hashlib.sha256(b"\0".join((ROOT / file).read_bytes() for file in files)).hexdigest()[:16]


def try_mutants(
    mutants: Sequence[Mutant], files: Sequence[str], options: Options, controls: int
) -> dict[str, Any]:
    """Try mutants on the tests of some files, with controls; the fate of each, and one line a mutant."""
    planted, argued = listed()
    helpers = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("*.py"))
    shared = _content([file for file in helpers if not Path(file).name.startswith("test_")])
    tried = [
        *((m, "") for m in mutants),
        *((m, "unchanged") for m in mutants[:controls]),
        (planted, "planted"),
    ]
    with tempfile.TemporaryDirectory(prefix="muso-mutation-", ignore_cleanup_errors=True) as trees:
        points = [{"file": file, "content": _content([file]), "shared": shared} for file in files]
        records = measure_points("mutation-tests", record, points, options, where={"trees": trees})
        tests = {name: test for found in records for name, test in found["tests"].items()}
        suite = _content(sorted({*files, *helpers}))
        points = [
            {**asdict(m), "control": control, "tests": chosen(m, tests), "suite": suite}
            for m, control in tried
        ]
        fates = measure_points("mutation-fates", fate, points, options, where={"trees": trees})
    rows = [
        {"fate": found["fate"], "room": mutant.room, **asdict(mutant), "becomes": mutant.becomes}
        | {**found, "tests": len(point["tests"]), "equivalent": argued.get(mutant)}
        for (mutant, _), point, found in zip(tried, points, fates, strict=True)
    ]
    return summary(rows[: len(mutants)], rows[len(mutants) : -1], rows[-1])


def _score(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    fates = collections.Counter(row["fate"] for row in rows)
    argued = sum(row["fate"] == "survived" and row["equivalent"] is not None for row in rows)
    counted = len(rows) - argued
    return {
        **{"mutants": len(rows), **{fate: fates[fate] for fate in ("killed", "survived", "unclear")}},
        **{"equivalent": argued, "score": round(fates["killed"] / counted, 4) if counted else None},
        "killed by": dict(collections.Counter(row["kind"] for row in rows if row["fate"] == "killed")),
    }


def summary(
    rows: Sequence[Mapping[str, Any]], controls: Sequence[Mapping[str, Any]], planted: Mapping[str, Any]
) -> dict[str, Any]:
    """Scores by room, and the rows; failed when a control is lost or an argument is false."""
    total, rooms = _score(rows), sorted({row["room"] for row in rows})
    lost = sum(row["fate"] != "survived" for row in controls) + (planted["fate"] != "killed")
    refuted = sum(row["fate"] == "killed" and row["equivalent"] is not None for row in rows)
    return {
        "verdict": (
            f"{total['killed']} of {total['mutants']} mutants killed, {total['equivalent']} equivalent, score "
            f"{100 * (total['score'] or 0):.1f} %; {lost} of {len(controls) + 1} controls lost, "
            f"{refuted} arguments false"
        ),
        "failed": bool(lost or refuted or not controls),
        **{
            "total": total,
            "rooms": {room: _score([row for row in rows if row["room"] == room]) for room in rooms},
        },
        **{"mutants": rows, "controls": controls, "planted": planted},
    }


def answered(quick: bool) -> list[Mutant]:
    """The sample whose survivors are answered: drawn by seed, and those argued to be equivalent."""
    drawn = draw(files_of(ROOM if quick else "")[0], _QUICK if quick else _SIZE, SEED)
    return [*drawn, *(mutant for mutant in ([] if quick else listed()[1]) if mutant not in drawn)]


def run(quick: bool, options: Options) -> dict[str, Any]:
    """Run the campaign: 400 mutants and those argued to be equivalent; or 10 of numbers, on their own tests."""
    controls = 2 if quick else _CONTROLS
    return {
        "seed": SEED,
        **try_mutants(answered(quick), files_of(ROOM if quick else "")[1], options, controls),
    }


def tabulate(result: Mapping[str, Any]) -> dict[str, Any]:
    """Make the table of scores by room."""
    scores = {**result["rooms"], "all": result["total"]}
    kinds = sorted(result["total"]["killed by"])
    zeros = dict.fromkeys(kinds, 0)
    rows = [{"room": room, **found, **zeros, **found["killed by"]} for room, found in scores.items()]
    counts = ["mutants", "killed", *kinds, "survived", "unclear", "equivalent"]
    columns = [Column(key, f"by {key}" if key in kinds else key, "d") for key in counts]
    return {"rooms": table("Mutants by room", rows, [Column("room"), *columns, Column("score", spec=".1%")])}
