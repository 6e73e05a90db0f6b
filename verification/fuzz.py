"""Campaign ``fuzz``: are any bytes accepted or refused in words, within 2 s and 500 MB? Every reader, and ``muso``.

Each reader of files that others may have written gets whatever bytes Hypothesis makes, damaged files and documents of
other shapes, for ten minutes of processor time. Reader, batch and place in it tell an input: a faster machine goes
farther along the same sequence. Commands get 2,100 such files, and lose or change none but the one they write. A
reader that raises KeyError on some bytes is planted as a control.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import math
import resource
import signal
import tempfile
import threading
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

from muso_theory.errors import MusoError

from .campaign import GridPoint, Options, measure_points
from .commands import muso
from .readers import READERS, bad_bytes, read, valid_files
from .tables import Column, table

__all__ = ["COMMANDS", "LIMITS", "measure", "minimal", "run", "tabulate", "tried"]

SECONDS = (25, 4200)

LIMITS = {"seconds": 2.0, "MB": 500.0}
"""Processor time and memory that one input may take."""

_BUDGET = 600.0  # seconds a reader
_HANGS = 30.0  # seconds after which an input is given up
_MOST = (
    2 << 30
)  # bytes that a process may take beyond what it has: then Python ends an input before the system does
_STORED = 4000  # bytes of an input that are kept in the result

_DATA = ("--features", "identity")
_OUT = "out"
_WORDS: Mapping[str, tuple[str, ...]] = {
    "check": ("check", "FILE", *_DATA, "--claim", "full-rank", "--json", _OUT),
    "labels": ("labels", "FILE", *_DATA, "-o", _OUT),
    "unlearn": ("unlearn", "FILE", *_DATA, "--method", "none", "--json", _OUT),
    "refute": ("refute", "--replay", "FILE"),
    "recheck": ("recheck", "FILE", "npz.npz"),
    "explain": ("explain", "TEXT"),
    "sweep": (
        *("sweep", "FILE", *_DATA, "--over", "subset", "--values", "1", "--seeds", "1"),
        *("--jobs", "1", "--json", _OUT),
    ),
}
_FED = {"refute": "replay", "recheck": "report", "explain": "word"}
"""Readers whose files commands get; the others get data."""


def _hashes(folder: Path) -> dict[str, str]:
    """All files of a folder."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in found}


def _command(name: str) -> Callable[[Path], None]:
    """A command as a reader, which also must lose no file and leave none but its own."""

    def act(path: Path) -> None:
        folder = path.parent
        places = {
            "FILE": str(path),
            "TEXT": path.read_bytes().decode("utf-8", "surrogateescape"),
            "npz.npz": str(folder / "npz.npz"),
            _OUT: str(folder / _OUT),
        }
        before = _hashes(folder)
        answer = muso(*(places.get(word, word) for word in _WORDS[name]))
        after = _hashes(folder)
        changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
        mine = {name for name in changed if name.startswith(f".{_OUT}.points")}
        if answer.status != 2:
            mine.add(_OUT)
        assert not changed - mine, f"files changed: {sorted(changed - mine)}"
        assert answer.status in (0, 1, 2, 3), f"exit status {answer.status}"
        for words in ("Traceback", "internal error", "out of memory"):
            assert words not in answer.err, answer.err.strip().splitlines()[-1]
        if answer.status == 2:
            assert answer.err.startswith(("muso: ", "Usage: ")), answer.err
            raise MusoError(answer.err)

    return act


def _planted(path: Path) -> None:
    """A reader with a defect."""
    if 0xFF in path.read_bytes():
        raise KeyError("planted")


COMMANDS: Mapping[str, Callable[[Path], None]] = {f"muso {name}": _command(name) for name in _WORDS}
"""Commands as readers."""

_ALL = {**READERS, **COMMANDS, "planted": _planted}


@lru_cache(maxsize=1)
def _valid() -> Mapping[str, bytes]:
    """A file that each reader accepts."""
    with tempfile.TemporaryDirectory() as folder:
        return {**valid_files(Path(folder)), "word": b"exact-labels"}


class _Hung(BaseException):
    """An input took too long to wait for its end."""


def _hung(*_: object) -> None:
    raise _Hung


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    """End what hangs, and what takes all memory, before the machine does."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    main = threading.current_thread() is threading.main_thread()
    handler = signal.signal(signal.SIGALRM, _hung) if main else None
    resource.setrlimit(resource.RLIMIT_AS, (_status("VmSize") + _MOST, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
        if main:
            signal.signal(signal.SIGALRM, handler)


def _status(key: str) -> int:
    """Bytes that Linux counts of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(key))


def tried(name: str, data: bytes, folder: Path) -> tuple[str, str, dict[str, float]]:
    """Give bytes to a reader or command: its refusal or "", what is wrong or "", and what it took, by limit."""
    said, wrong, took = "", "", {}
    for again in range(3):
        Path("/proc/self/clear_refs").write_text("5")  # the peak is now what there is
        held, started = _status("VmRSS"), time.process_time()
        signal.setitimer(signal.ITIMER_REAL, _HANGS)
        try:
            with contextlib.redirect_stderr(io.StringIO()):
                said = read(name, data, folder, _ALL)
        except KeyboardInterrupt:
            raise
        except _Hung:
            wrong = f"no end after {_HANGS:.0f} s"
        except BaseException as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{Path(last.filename).name}:{last.name}"
            wrong = f"{type(error).__name__} in {place}: {' '.join(str(error).split())[:200]}"
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        found = {
            "seconds": time.process_time() - started,
            "MB": max(0, _status("VmHWM") - held) / 2**20,
        }
        took = {key: min(found[key], took[key]) if again else found[key] for key in found}
        over = [key for key in LIMITS if took[key] > LIMITS[key]]
        if wrong or not over:
            break
    if not wrong and over:  # three times: the machine was not busy with something else
        wrong = f"more than {LIMITS[over[0]]:g} {over[0]}"
    return said, wrong, took


def minimal(name: str, data: bytes, folder: Path, wrong: str, tries: int = 400) -> bytes:
    """A shorter input with the same defect: pieces are left out, half as long each time."""
    kind, size = wrong.partition(":")[0], len(data)
    while size := size // 2:
        place = 0
        while place < len(data) and (tries := tries - 1) > 0:
            shorter = data[:place] + data[place + size :]
            if tried(name, shorter, folder)[1].partition(":")[0] == kind:
                data = shorter
            else:
                place += size
    return data


def measure(point: GridPoint) -> dict[str, Any]:
    """Give a batch of inputs to a reader or a command.

    Args:
        point: ``reader``, ``batch``, which is the seed, and ``inputs``, how many.
    """
    name, batch = point["reader"], point["batch"]
    fed = _FED.get(name.removeprefix("muso "), "npz") if name in COMMANDS else name
    valid = _valid()[fed if name != "planted" else "csv"]
    found: dict[str, Any] = {
        "inputs": 0,
        "accepted": 0,
        "refused": 0,
        "slowest seconds": 0.0,
        "largest MB": 0.0,
    }
    wrong: dict[str, dict[str, Any]] = {}
    started = time.process_time()
    with tempfile.TemporaryDirectory() as place, _limited():
        folder = Path(place)
        (folder / "npz.npz").write_bytes(_valid()["npz"])
        tried(name, valid, folder)  # what is loaded once belongs to no input

        @seed(batch)
        @settings(
            max_examples=point["inputs"],
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(bad_bytes(fed, valid))
        def give(data: bytes) -> None:
            said, bad, took = tried(name, data, folder)
            found["inputs"] += 1
            found["slowest seconds"] = max(found["slowest seconds"], took["seconds"])
            found["largest MB"] = max(found["largest MB"], took["MB"])
            if bad:
                one = wrong.setdefault(
                    bad.partition(":")[0], {"what": bad, "times": 0, "place": found["inputs"], "data": data}
                )
                one["times"] += 1
            else:
                found["refused" if said else "accepted"] += 1

        give()
        rows = [{"reader": name, "batch": batch, **_kept(name, one, folder)} for one in wrong.values()]
    return {**found, "violations": rows, "seconds": time.process_time() - started}


def _kept(name: str, row: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A violation with its input as short as it gets; one that stays long is told by reader, batch, place and hash."""
    data = row.pop("data")
    short = minimal(name, data, folder, row["what"])
    row["sha256"] = hashlib.sha256(data).hexdigest()
    return {**row, "base64": base64.b64encode(short).decode() if len(short) <= _STORED else ""}


def _batches(budget: float, inputs: int, options: Options) -> Iterator[tuple[GridPoint, dict[str, Any]]]:
    """Batches for each reader until its budget is spent; what was measured before is spent, too."""
    points = {name: [{"reader": name, "batch": 0, "inputs": inputs}] for name in READERS}
    while True:
        flat = [point for several in points.values() for point in several]
        measured = measure_points("fuzz", measure, flat, options)
        spent: dict[str, float] = defaultdict(float)
        for point, result in zip(flat, measured, strict=True):
            spent[point["reader"]] += result["seconds"]
        short = [name for name in points if spent[name] < budget]
        if not short:
            yield from zip(flat, measured, strict=True)
            return
        for name in short:
            done = len(points[name])
            more = math.ceil((budget - spent[name]) * done / spent[name])
            points[name] += [
                {"reader": name, "batch": done + i, "inputs": inputs} for i in range(min(more, 20 * done))
            ]


def run(quick: bool, options: Options) -> dict[str, Any]:
    """Run the campaign.

    Args:
        quick: one batch of few inputs each.
    """
    pairs = list(_batches(0.0 if quick else _BUDGET, 200 if quick else 2000, options))
    others = [
        {"reader": name, "batch": batch, "inputs": 10 if quick else 100}
        for name in COMMANDS
        for batch in range(1 if quick else 3)
    ]
    control: GridPoint = {"reader": "planted", "batch": 0, "inputs": 200}
    *told, caught = measure_points("fuzz", measure, [*others, control], options)
    pairs += zip(others, told, strict=True)
    rows = []
    for name in (*READERS, *COMMANDS):
        mine = [result for point, result in pairs if point["reader"] == name]
        row: dict[str, Any] = {"reader": name}
        row |= {
            key: sum(result[key] for result in mine) for key in ("inputs", "accepted", "refused", "seconds")
        }
        row |= {key: max(result[key] for result in mine) for key in ("slowest seconds", "largest MB")}
        rows.append(
            row | {"violations": sum(one["times"] for result in mine for one in result["violations"])}
        )
    violations = [one for _, result in pairs for one in result["violations"]]
    count = {
        kind: sum(row["inputs"] for row in rows if (row["reader"] in COMMANDS) == kind) for kind in (0, 1)
    }
    bad = sum(row["violations"] for row in rows)
    verdict = f"{count[0]:,} inputs to readers and {count[1]:,} to commands: {bad} violations"
    found = [base64.b64decode(one["base64"]) for one in caught["violations"]] == [b"\xff"]
    return {
        "rows": rows,
        "violations": violations,
        "control": caught,
        "verdict": verdict,
        "failed": bool(violations or not found),
    }


def tabulate(result: Mapping[str, Any]) -> dict[str, Any]:
    """One row a reader or command."""
    columns = [Column("reader"), *(Column(key, spec="d") for key in ("inputs", "accepted", "refused"))]
    columns += [Column("slowest seconds", "slowest, s", ".2f"), Column("largest MB", "largest, MB", ".0f")]
    return {"fuzz": table(result["verdict"], result["rows"], [*columns, Column("violations", spec="d")])}
