"""Campaign ``faults``: can a failing call of the system lose a file? The k-th write, fsync, rename, … fails, for all k.

After each fault every file is the old one or the complete new one, byte for byte; what is missing is told in words with
the documented exit status; no temporary file and no open descriptor stays; and the same command, run again, ends with
the files of an undisturbed run. Writers that are not safe are planted as controls: the same judge must catch each.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np

from muso_theory.errors import printable
from muso_theory.files import writing as files
from muso_theory.files.results import timeless
from muso_theory.files.writing import npz_bytes
from muso_theory.parallel.checkpoints import Checkpoints

from . import ROOT
from .__main__ import Campaign, settled
from .campaign import Options, measure_points
from .commands import Answer, muso
from .failing import ERRORS, Fault, called, failing, general
from .tables import Column, table

__all__ = ["PLANTED", "SCENARIOS", "campaign", "measure", "run", "tabulate"]

SECONDS = (12, 160)

_TEMPORARY = re.compile(r"\.[^/]*\.[a-z0-9_]{8}\.tmp$")


# -- what is run ---------------------------------------------------------------------------------------------------


def _triple(point: Mapping[str, Any], marker: str = "", deadly: int = 0) -> dict[str, Any]:
    """Three times n; may kill its process, once."""
    for fault in called:
        if fault.operation == "call":
            fault.check(f"point {point['n']}")
    if point["n"] == deadly and not Path(marker).exists():
        Path(marker).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return {"three": 3 * point["n"]}


_POINTS = [{"n": n} for n in (1, 2, 3)]


def _small(quick: bool, options: Options, **where: Any) -> dict[str, Any]:
    """A campaign of three points."""
    rows = measure_points("small", _triple, _POINTS, options, where=where)
    return {"rows": rows}


def campaign(folder: Path, jobs: int = 1, **where: Any) -> Answer:
    """Run the small campaign as the command line does: its status and what it says."""
    module: Any = SimpleNamespace(
        run=lambda quick, options: _small(quick, options, **where),
        tabulate=lambda result: {"small": table("Triples", result["rows"], [Column("three", spec="d")])},
    )
    err = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(err):
        campaign = Campaign(module, "small", None, None)
        status = settled(campaign.label, partial(campaign.run, False, Options(directory=folder, jobs=jobs)))
    return Answer(status, out.getvalue(), err.getvalue())


@lru_cache(maxsize=1)
def _prepared() -> Mapping[str, bytes]:
    """Data, and what older commands have written."""
    rng = np.random.default_rng(0)
    X, y = rng.integers(-3, 4, (6, 3)).astype(float), rng.integers(-3, 4, 6) / 2
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        data = (here / "d.npz", *_IDENTITY)
        data[0].write_bytes(npz_bytes({"X": X, "y": y, "forget": np.array([0])}))
        muso("check", *data, "--claim", "unique-solution", "--json", here / "old.json")
        muso("labels", *data, "--method", "ridge", "-o", here / "old.npz")
        muso("unlearn", *data, "--method", "exact-labels", "-o", here / "w.npz", "--json", here / "u.json")
        (here / "thesis.tex").write_bytes(b"of somebody else")
        Checkpoints(here / ".checkpoints" / "small", "other code").write({"n": 1}, {"three": 0})
        return _files(here)


_IDENTITY = ("--features", "identity")
_UNLEARN = ("unlearn", "d.npz", *_IDENTITY, "--method")
_CHECK = ("check", "d.npz", *_IDENTITY, "--claim", "full-rank", "--json")
_SWEEP = (
    "sweep",
    "d.npz",
    *_IDENTITY,
    "--over",
    "subset",
    "--values",
    "0.5,1",
    "--seeds",
    "1",
    "--jobs",
    "1",
)

_WRITING = ("write", "fsync", "rename", "mkdir")
_FILES = ("open", "read", *_WRITING, "memory")

SCENARIOS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "campaign": ((), tuple(ERRORS)),
    "check, new file": ((*_CHECK, "new.json"), _WRITING),
    "check, old report": ((*_CHECK, "old.json"), _FILES),
    "check, by force": ((*_CHECK, "thesis.tex", "--force"), _WRITING),
    "labels, old file": (("labels", "d.npz", *_IDENTITY, "-o", "old.npz"), _FILES),
    "unlearn, two old files": ((*_UNLEARN, "none", "-o", "w.npz", "--json", "u.json"), ("open", *_WRITING)),
    "sweep": ((*_SWEEP, "--json", "s.json"), ("read", *_WRITING)),
    "figure": (("figure", "u.json", "--format", "svg", "--out", "drawn"), ("rename",)),
}
"""Words of each command, none for the small campaign, and the operations that fail."""


def _command(scenario: str, here: Path) -> Answer:
    """Run what a scenario runs; an exception that leaves it is an answer, too."""
    named = re.compile(r"\.(npz|json|tex)$|^drawn$")
    words = [here / word if named.search(word) else word for word in SCENARIOS[scenario][0]]
    try:
        return muso(*words) if words else campaign(here)
    except BaseException as error:
        return Answer(-1, "", f"Traceback: {type(error).__name__}: {error}")


# -- and judged ----------------------------------------------------------------------------------------------------


def _files(here: Path) -> dict[str, bytes]:
    """Every file, without the times of a result."""
    found = {}
    for path in here.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            if path.name == "small.json":
                with contextlib.suppress(ValueError):
                    data = json.dumps(timeless(json.loads(data))).encode()
            found[str(path.relative_to(here))] = data
    return found


@dataclass(frozen=True)
class _Whole:
    """The files before an undisturbed run and after it, and how that ended."""

    before: Mapping[str, bytes]
    after: Mapping[str, bytes]
    status: int

    def judged(self, found: Mapping[str, bytes], answer: Answer | None, interrupted: bool) -> list[str]:
        """What is wrong after a fault; no answer is a process that was killed."""
        wrong = []
        for name in {*self.before, *self.after, *found}:
            allowed = (self.before.get(name), self.after.get(name))
            if found.get(name) not in allowed and not (answer is None and _TEMPORARY.search(name)):
                what = (
                    "lost" if name not in found else "left behind" if allowed == (None, None) else "damaged"
                )
                wrong.append(f"{general(name)} is {what}")
        if answer is None:
            return wrong
        if "Traceback" in answer.err or "internal error" in answer.err:
            wrong.append(f"no words: {answer.err.strip().splitlines()[-1]}")
        told = (
            {130 if interrupted else 2}
            if answer.err.strip() == printable(answer.err.strip()) != ""
            else set()
        )
        if answer.status not in told | {self.status}:
            wrong.append(f"exit status {answer.status}")
        if answer.status == self.status and any(found.get(name) != self.after[name] for name in self.after):
            wrong.append("success is told, but files are missing")
        return wrong


def _trial(scenario: str, fault: Fault, whole: _Whole) -> tuple[str, list[str]]:
    """Let one call fail, judge what is left, run again, judge the end: how it ended, and what is wrong."""
    here, answer = fault.folder, None
    if fault.error == "kill":
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", DeprecationWarning
            )  # of forks beside threads, of which none is at work
            child = os.fork()
        if not child:
            with failing(fault):
                _command(scenario, here)
            os._exit(0)
        if not os.WIFSIGNALED(os.waitpid(child, 0)[1]):
            return "", []
        fault.places.extend([""] * fault.k)
    else:
        with failing(fault):
            answer = _command(scenario, here)
        if not fault.met:
            return "", []
    found = _files(here)
    wrong = whole.judged(found, answer, fault.error == "interrupt")
    if any(here.as_posix() in _link(path) for path in Path("/proc/self/fd").iterdir()):
        wrong.append("a descriptor is left open")
    again = _command(scenario, here)
    end = {
        name: data
        for name, data in _files(here).items()
        if answer or "points" in name or not _TEMPORARY.search(name)
    }
    if (again.status, end) != (whole.status, whole.after):
        wrong.append(f"run again, it ends otherwise: {again.status} {again.err.strip()[-200:]}")
    kept = sum(name in found and name not in whole.before for name in whole.after if re.search(_POINT, name))
    said = re.search(r": (\d+) of \d+ points were measured before", again.err)
    if kept != int(said[1] if said else 0):
        wrong.append(f"{kept} points were kept, but not all were read")
    new = sum(found.get(name) != whole.before.get(name) for name in found)
    how = "killed" if answer is None else "told" if answer.status != whole.status else "went on"
    return f"{how}; {'all' if found == whole.after else new or 'no'} files new", wrong


_POINT = r"points/[^.][^/]*\.json|\.checkpoints/small/[^.]"


def _link(path: Path) -> str:
    """What a descriptor is of."""
    with contextlib.suppress(OSError):
        return os.readlink(path)
    return ""


def _in_place(target: Path, data: bytes, mode: int) -> None:
    """Writes over the old file."""
    target.write_bytes(data)


def _littering(target: Path, data: bytes, mode: int) -> None:
    """Leaves its temporary file where it fails."""
    temporary = target.with_name(f".{target.name}.abcdefgh.tmp")
    temporary.write_bytes(data)
    os.replace(temporary, target)


def _silent(target: Path, data: bytes, mode: int, real: Callable[..., None] = files._replace) -> None:
    """Says nothing where it fails."""
    with contextlib.suppress(OSError):
        real(target, data, mode)


PLANTED: Mapping[str, Callable[..., None]] = {
    "in place": _in_place,
    "littering": _littering,
    "silent": _silent,
}
"""Writers that are not safe, in the place of the package's own."""


def measure(point: Mapping[str, Any]) -> dict[str, Any]:
    """Let the k-th call fail, for every k until the run ends without meeting the fault.

    Args:
        point: ``scenario``, ``operation`` and ``error``; ``planted``, an unsafe writer, for controls.
    """
    scenario, operation, error = (point[key] for key in ("scenario", "operation", "error"))
    trials = _worker_trials if operation == "worker" else _trials
    planted = PLANTED.get(point.get("planted", ""), files._replace)
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(files, "_replace", planted):
        rows = [
            {**point, "k": k, "where": where, "came": came, "wrong": wrong}
            for k, (where, came, wrong) in enumerate(
                trials(scenario, operation, error, Path(folder) / "here"), 1
            )
        ]
    return {"rows": rows}


def _anew(here: Path) -> Mapping[str, bytes]:
    """The files before a run."""
    shutil.rmtree(here, ignore_errors=True)
    for name, data in _prepared().items():
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_bytes(data)
    return _files(here)


def _trials(scenario: str, operation: str, error: str, here: Path) -> Iterator[tuple[str, str, list[str]]]:
    """Where each fault was, how it ended, and what is wrong."""
    before, calls = _anew(here), Fault(operation, error, 0, here)
    with failing(calls):
        ended = _command(scenario, here)
    whole = _Whole(before, _files(here), ended.status)
    assert ended.status in (0, 1, 3), ended.err
    for k in range(1, len(calls.places) + 2):
        _anew(here)
        fault = Fault(operation, error, k, here)
        came, wrong = _trial(scenario, fault, whole)
        if not came:
            return
        yield calls.places[k - 1], came, wrong


def _worker_trials(_: str, __: str, error: str, here: Path) -> Iterator[tuple[str, str, list[str]]]:
    """The worker of each point is killed, once or always; in processes of their own, which have workers."""
    before = _anew(here)
    whole = _Whole(before, {}, 0)
    for n in (0, *(point["n"] for point in _POINTS)):
        _anew(here)
        where = {"marker": str(here.with_name(f"killed {n}")), "deadly": n}
        script = "import sys; from pathlib import Path; from verification.faults import campaign; "
        script += f"a = campaign(Path({str(here)!r}), 2, **{where!r}); "
        line = [sys.executable, "-c", f"{script}print(a.err, file=sys.stderr); sys.exit(a.status)"]
        done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
        if n == 0:
            whole = _Whole(before, _files(here), done.returncode)
            continue
        wrong = whole.judged(_files(here), Answer(done.returncode, "", done.stderr), False)
        again = campaign(here)
        if (again.status, _files(here)) != (0, whole.after):
            wrong.append(f"run again, it ends otherwise: {again.status} {again.err.strip()[-200:]}")
        yield f"point {n}", "told" if done.returncode else "measured again", wrong


def run(quick: bool, options: Options) -> dict[str, Any]:
    """Run the campaign.

    Args:
        quick: only writing, of a campaign and of one report.
    """
    small = {"campaign": ("write", "rename"), "check, old report": ("write", "fsync")}
    points = [
        {"scenario": scenario, "operation": operation, "error": error}
        for scenario, operations in (
            small if quick else {name: each for name, (_, each) in SCENARIOS.items()}
        ).items()
        for operation in operations
        for error in ERRORS[operation]
    ]
    write = {"scenario": "check, old report", "operation": "write", "error": "ENOSPC"}
    controls = [{**write, "planted": name} for name in PLANTED]
    measured = measure_points("faults", measure, [*points, *controls], options)
    rows = [row for one in measured[: len(points)] for row in one["rows"]]
    caught = {
        control["planted"]: sum(bool(row["wrong"]) for row in one["rows"])
        for control, one in zip(controls, measured[len(points) :], strict=True)
    }
    wrong = sum(bool(row["wrong"]) for row in rows)
    missed = [name for name, count in caught.items() if not count]
    verdict = f"{len(rows)} faults, {wrong} lose or leave something or are not told in words"
    return {
        "rows": rows,
        "controls": caught,
        "verdict": verdict,
        "failed": bool(wrong or missed),
    }


def tabulate(result: Mapping[str, Any]) -> dict[str, Any]:
    """One row for each scenario, operation and error: how many calls there are, and how their failures ended."""
    kinds = dict.fromkeys((row["scenario"], row["operation"], row["error"]) for row in result["rows"])
    rows = []
    for kind in kinds:
        mine = [row for row in result["rows"] if (row["scenario"], row["operation"], row["error"]) == kind]
        came = Counter(row["came"].partition(";")[0] for row in mine)
        told = ", ".join(f"{count} {word}" for word, count in came.items())
        named = dict(zip(("scenario", "operation", "error"), kind, strict=True))
        rows.append(
            named | {"faults": len(mine), "came": told, "wrong": sum(bool(row["wrong"]) for row in mine)}
        )
    columns = [Column(key) for key in ("scenario", "operation", "error")]
    columns += [Column("faults", spec="d"), Column("came", "what came of them"), Column("wrong", spec="d")]
    planted = [{"writer": f"planted: {name}", "caught": count} for name, count in result["controls"].items()]
    return {
        "faults": table(result["verdict"], rows, columns),
        "controls": table("Controls", planted, [Column("writer"), Column("caught", "faults caught", "d")]),
    }
