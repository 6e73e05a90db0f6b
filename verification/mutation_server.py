"""A process that tries mutants: python mutation_server.py TREE, requests on stdin, answers on stdout, JSON lines.

It works in a copy of the repository, so the checkout is never touched. It imports what the package and its tests stand
on, but neither of them, and forks one process for each request; that one imports the mutated package and runs pytest in
itself, which costs a second instead of a whole interpreter with numpy, sympy and pytest. Subprocesses of tests see the
mutant too, for its file is in the tree.

Each test has a limit of processor time (not of wall time: a busy machine must not kill a mutant). What happens to a
mutant is one of

- killed, kind "test": a test fails, by an assertion or any other exception;
- killed, kind "import": a file of tests cannot be collected;
- killed, kind "processor time": one test takes ten times what it took before, and ten seconds more;
- survived: all tests pass;
- unclear: anything that a machine short of time or memory may do by itself, which counts as not killed.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import re
import resource
import selectors
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

_WARM = (
    *("pytest", "_pytest.doctest", "_pytest.capture", "_pytest.assertion.rewrite", "coverage"),
    *("numpy", "scipy.linalg", "scipy.optimize", "scipy.special", "scipy.stats", "scipy.sparse.linalg"),
    *("sympy", "mpmath", "flint", "joblib", "threadpoolctl", "hypothesis", "hypothesis.strategies"),
    *("hypothesis.internal.conjecture.engine", "sklearn.datasets", "sklearn.linear_model"),
    *("sklearn.kernel_approximation", "sklearn.pipeline", "sklearn.preprocessing", "typer.testing"),
    *("rich.console", "rich.table"),
)
_WALL = 900.0
_PATIENCE = 60.0
_UNCLEAR = re.compile(
    r"[\w.]*(MemoryError|Timeout|DeadlineExceeded|FailedHealthCheck|BrokenProcessPool|OSError|BlockingIOError)"
)
_PASSED = (0, 5)  # pytest: all passed; no test of these exists in the mutant
_PYTEST = (
    *("-n", "0", "-q", "-p", "no:cacheprovider", "--no-header", "--tb=line", "--show-capture=no"),
    # Plugins that were imported before pytest looks for them: that is the point of a warm process.
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),
)


class _Watch:
    """A pytest plugin: keeps the wanted tests in the wanted order and tells the parent what happens."""

    def __init__(
        self,
        say: Callable[[Mapping[str, Any]], None],
        wanted: Mapping[str, float] | None,
        patience: float = _PATIENCE,
    ) -> None:
        self._say, self._wanted, self._patience = say, wanted, patience

    def pytest_collection_modifyitems(self, config: Any, items: list[Any]) -> None:
        if self._wanted is not None:
            place = {nodeid: k for k, nodeid in enumerate(self._wanted)}
            config.hook.pytest_deselected(items=[i for i in items if i.nodeid not in place])
            items[:] = sorted((i for i in items if i.nodeid in place), key=lambda i: place[i.nodeid])

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._say({"test": nodeid})
        if self._wanted is not None:
            # The default action of SIGPROF ends the process; no `except` of the mutant can swallow it.
            signal.setitimer(signal.ITIMER_PROF, self._patience + 10 * self._wanted[nodeid])

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            self._say(
                {"failed": report.nodeid, "kind": "test", "why": str(getattr(crash, "message", ""))[:200]}
            )

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            # The last line is the exception, after what pytest marks lines of errors with.
            why = str(report.longrepr).strip().splitlines()[-1].removeprefix("E").strip()
            self._say({"failed": report.nodeid, "kind": "import", "why": why[:200]})


def _run_tests(request: Mapping[str, Any], say: Callable[[Mapping[str, Any]], None]) -> None:
    """Import the package as it is now and run the tests asked for, batch after batch, until one fails."""
    import pytest

    status, patience = 0, request.get("patience", _PATIENCE)
    for batch in request["batches"]:
        wanted = {nodeid: seconds for nodeid, seconds in batch}
        files = sorted({nodeid.split("::")[0] for nodeid in wanted})
        status = int(pytest.main([*_PYTEST, "-x", *files], plugins=[_Watch(say, wanted, patience)]))
        if status not in _PASSED:
            break
    say({"status": status})


class _Recorder(_Watch):
    """Coverage by test, and how long each takes."""

    def __init__(self, say: Callable[[Mapping[str, Any]], None], rooms: list[str]) -> None:
        import coverage

        super().__init__(say, None)
        self._coverage = coverage.Coverage(
            data_file=None, source=rooms, branch=False, config_file=False, messages=False
        )
        self._coverage.start()
        self._seconds: dict[str, float] = {}
        self._passed: dict[str, bool] = {}

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        super().pytest_runtest_logstart(nodeid)
        self._coverage.switch_context(nodeid)
        self._seconds[nodeid] = -time.process_time()

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self._seconds[nodeid] += time.process_time()
        self._coverage.switch_context("")

    def pytest_runtest_logreport(self, report: Any) -> None:
        super().pytest_runtest_logreport(report)
        if report.when == "call":
            self._passed[report.nodeid] = report.passed

    def finish(self, tree: Path) -> dict[str, Any]:
        self._coverage.stop()
        data = self._coverage.get_data()
        lines: dict[str, dict[str, list[int]]] = {nodeid: {} for nodeid in self._seconds}
        imported = []
        for path in data.measured_files():
            file = Path(path).relative_to(tree).as_posix()
            imported.append(file)
            for line, contexts in data.contexts_by_lineno(path).items():
                for nodeid in contexts:
                    if nodeid in lines:
                        lines[nodeid].setdefault(file, []).append(line)
        tests = {
            nodeid: {
                "seconds": round(seconds, 3),
                "passed": self._passed.get(nodeid, False),
                "lines": lines[nodeid],
            }
            for nodeid, seconds in self._seconds.items()
        }
        return {"tests": tests, "imported": sorted(imported)}


def _record(request: Mapping[str, Any], say: Callable[[Mapping[str, Any]], None]) -> None:
    """Run the tests of one file and say which lines each executes."""
    import pytest

    tree = Path.cwd()
    recorder = _Recorder(say, [str(tree / room) for room in request["rooms"]])
    pytest.main([*_PYTEST, request["record"]], plugins=[recorder])
    say({"recorded": recorder.finish(tree)})


def _child(request: Mapping[str, Any], pipe: int) -> None:
    """Answer one request and exit without the parent's clean-up."""
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    sys.stdout, sys.stderr = Path(os.devnull).open("w"), Path(os.devnull).open("w")  # noqa: SIM115
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))

    def say(message: Mapping[str, Any]) -> None:
        os.write(pipe, (json.dumps(message) + "\n").encode())

    try:
        (_record if "record" in request else _run_tests)(request, say)
    except BaseException as error:
        say({"crash": f"{type(error).__name__}: {error}"[:200]})
    finally:
        os._exit(0)


def _messages(pipe: int, seconds: float) -> Iterator[dict[str, Any]]:
    """What the child says until it ends, is silent for too long, or is out of time."""
    buffer, deadline = b"", time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while selector.select(max(0.0, deadline - time.monotonic())):
            data = os.read(pipe, 1 << 20)
            if not data:
                return
            *lines, buffer = (buffer + data).split(b"\n")
            yield from map(json.loads, lines)
            deadline = time.monotonic() + seconds
    yield {"hangs": True}


@contextlib.contextmanager
def _mutated(request: Mapping[str, Any]) -> Iterator[None]:
    """Put the mutated file into the tree, with a time that no compiled file matches."""
    if "file" not in request:
        yield
        return
    path = Path(request["file"])
    content, times = path.read_bytes(), (path.stat().st_atime, path.stat().st_mtime)
    try:
        path.write_text(request["source"], encoding="utf-8")
        os.utime(path, (times[0] + 1e6, times[1] + 1e6))
        yield
    finally:
        path.write_bytes(content)
        os.utime(path, times)


def answer(request: Mapping[str, Any]) -> dict[str, Any]:
    """Fork, run, and sum up.

    Args:
        request: {"file", "source", "batches"}, and "patience" if a minute is not meant; or {"record", "rooms"}.

    Returns:
        For a mutant its "fate", the "kind" of it, "by" which test and "why"; for a record "tests" and the files
        "imported".
    """
    with _mutated(request):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            _child(request, writing)
        os.close(writing)
        seen: dict[str, Any] = {}
        try:
            for message in _messages(reading, _WALL):
                seen = {**message, **seen} if "failed" in seen else {**seen, **message}  # the first counts
        finally:
            os.close(reading)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
            _, ended = os.waitpid(child, 0)
    if "record" in request:
        return seen.get("recorded") or {"crash": seen.get("crash", f"ended at {seen.get('test')}")}
    return _fate(seen, ended)


def _fate(seen: Mapping[str, Any], ended: int) -> dict[str, str]:
    """What became of a mutant.

    Args:
        seen: what the child said, merged.
        ended: its wait status.
    """
    by, why = seen.get("failed", seen.get("test", "")), seen.get("why", "")
    if "failed" in seen:
        fate = "unclear" if _UNCLEAR.match(why) else "killed"
        return {"fate": fate, "kind": seen["kind"], "by": by, "why": why}
    if "hangs" in seen:
        return {"fate": "unclear", "kind": "silence", "by": by, "why": why}
    if os.WIFSIGNALED(ended) and os.WTERMSIG(ended) == signal.SIGPROF:
        return {"fate": "killed", "kind": "processor time", "by": by, "why": "never ends"}
    if seen.get("status") in _PASSED:
        return {"fate": "survived", "kind": "", "by": "", "why": ""}
    why = seen.get(
        "crash", f"pytest exits with {seen['status']}" if "status" in seen else f"ends with {ended}"
    )
    return {"fate": "unclear", "kind": "crash", "by": by, "why": why}


def main() -> None:
    """Serve until stdin ends."""
    os.chdir(sys.argv[1])
    sys.path[0] = str(Path.cwd())
    os.environ["PYTHONPATH"] = str(Path.cwd())
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    sys.dont_write_bytecode = True
    for name in _WARM:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.freeze()
    with contextlib.suppress(BrokenPipeError):  # whoever asked is gone
        for line in sys.stdin:
            print(json.dumps(answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
