"""Code that is named is run in a process of its own, and no file but the command line names code."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.errors import BadInputError
from muso_theory.refutation import Failure, load_rule, refute_report
from muso_theory.refutation import isolation as isolated
from muso_theory.refutation.isolation import Runner
from muso_theory.refutation.structures import exact_array
from muso_theory.refutation.wire import unpack
from verification.commands import muso

GOOD = "import muso_theory as mt\ndef rule(p):\n    return mt.optimal_labels(p)\n"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Writes a module in the current directory, and gives both of its names."""
    monkeypatch.chdir(tmp_path)

    def write(text: str, name: str = "named_by_a_test") -> tuple[str, str]:
        (tmp_path / f"{name}.py").write_text(text)
        return f"{name}.py:rule", f"{name}:rule"

    return write


STATUS = [
    ("import sys\nsys.exit(0)\n", "SystemExit: 0"),
    ("import os\nos._exit(0)\n", "its import ended the process, exit code 0"),
    ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n", "exit code -9"),
    ("raise KeyboardInterrupt\n", "its import ended the process"),
    ("raise RuntimeError('no')\n", "RuntimeError: no"),
    ("import nowhere.at_all\n", "ModuleNotFoundError"),
    ("rule = 5\n", "expected a callable"),
    ("def rule(features, targets):\n    return targets\n", "expected a rule of one argument"),
    ("rul = 5\n", "no rule"),
    ("def rule(:\n", "SyntaxError"),
]


@pytest.mark.parametrize(("text", "words"), STATUS, ids=[words for _, words in STATUS])
def test_a_rule_cannot_set_the_status(text: str, words: str, module: Any) -> None:
    for spec in module(text):
        answer = muso("refute", spec, "--max-examples", "5")
        assert (answer.status, answer.out) == (2, "")
        assert words in answer.err
        assert answer.err.count("\n") == 1


EVIL = """import os
import numpy as np
class Evil:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 1
    def __reduce__(self): return (os._exit, (0,))
    def __len__(self): return 1
    def __iter__(self): return iter([self])
def filled(p):
    out = np.empty(p.forget.shape, dtype=object)
    out[:] = [Evil()] * out.size
    return out
def connection(p):
    import gc
    from multiprocessing.connection import Connection
    own = [x for x in gc.get_objects() if isinstance(x, Connection) and not x.closed]
    return next(x for x in own if x.readable and x.writable)
"""
TELLS = {
    "an array of objects": "rule = filled\n",
    "an object": "def rule(p):\n    return Evil()\n",
    "an exception": "class Bad(Exception, Evil): pass\ndef rule(p):\n    raise Bad(Evil())\n",
    "a pickle": "import pickle\ndef rule(p):\n    connection(p).send(Evil())\n    return filled(p)\n",
    "a line": "def rule(p):\n    connection(p).send_bytes(b'[]')\n    return filled(p)\n",
    "kind": "rule = filled\nrule.kind, rule.assuming = 'labels', [type('S', (str, Evil), {})('full-rank')]\n",
}


@pytest.mark.parametrize("text", TELLS.values(), ids=TELLS)
def test_nothing_that_a_rule_returns_runs_here(text: str, module: Any, tmp_path: Path) -> None:
    module(EVIL + text)
    # In a process of its own, whose status says whether the end was this package's.
    answer = subprocess.run(
        [sys.executable, "-m", "muso_theory", "refute", "named_by_a_test.py:rule", "--max-examples", "5"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(mt.__file__).parents[1])},
    )
    assert answer.returncode == 1, answer.stderr
    assert answer.stdout.startswith("REFUTED  named_by_a_test.py:rule")


ANSWERS = {
    "floats": [1.5, float("nan"), float("-inf")],
    "bools": [True, False],
    "narrow": np.array([[1, 2], [3, 4]], dtype=np.int8).T,
    "fractions": np.array([Fraction(-1, 3), 10**5000, 0.1, True], dtype=object),
    "numpy's own": np.array([np.int64(3), np.float32(0.1), np.longdouble(1) / 4], dtype=object),
    "nothing": np.empty((0, 3)),
    "a number": 5,
}


@pytest.mark.parametrize("given", ANSWERS.values(), ids=ANSWERS)
def test_numbers_come_as_they_were_sent(given: Any) -> None:
    with Runner(lambda p: given) as runner:
        found = runner(mt.UnlearningProblem(np.eye(2), [1.0, 2.0], [1]))
    wanted = np.asarray(given)
    assert (found.failure, found.odd, found.values.shape) == (None, "", wanted.shape)
    assert found.values.dtype == wanted.dtype
    if wanted.dtype == object:
        assert np.array_equal(exact_array(found.values), exact_array(wanted))
    else:
        assert found.values.tobytes() == wanted.tobytes()


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"[]",
        b"{}\n",
        b"[" * 100_000,
        b'{"odd": 1, "words": {}}',
        b'{"odd": "", "words": {}, "shape": [-1], "dtype": "<f8"}\n12345678',
        b'{"odd": "", "words": {}, "shape": [1e9], "dtype": "<f8"}\n12345678',
        b'{"odd": "", "words": {}, "shape": [1], "dtype": "|O8"}\n12345678',
        b'{"odd": "", "words": {}, "shape": [1], "dtype": "<f8"}\n1234567',
        b'{"odd": "", "words": {}, "shape": [1], "exact": ["1/0"]}',
        b'{"odd": "", "words": {}, "shape": [1], "exact": [[1]]}',
        b'{"odd": "x", "words": {}, "shape": [4611686018427387904, 4]}',
    ],
)
def test_other_messages_are_refused(message: bytes) -> None:
    with pytest.raises(ValueError, match="no message of a rule"):
        unpack(message)


@pytest.mark.parametrize("place", ["import", "call"])
def test_a_rule_ends_with_the_process_that_judges_it(place: str, module: Any, tmp_path: Path) -> None:
    endless = (
        "    open('pid', 'w').write(str(os.getpid()))\n    os.rename('pid', 'known')\n    while True: pass\n"
    )
    module(f"import os\ndef rule(p):\n{endless}" + ("rule(None)\n" if place == "import" else ""))
    words = ("refute", "named_by_a_test.py:rule", "--max-examples", "5", "--time-limit", "1000")
    judge = subprocess.Popen(
        [sys.executable, "-m", "muso_theory", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(mt.__file__).parents[1])},
    )
    try:
        assert _within(120, (tmp_path / "known").exists)
    finally:
        judge.kill()  # which nobody can catch
        judge.wait()
    child = int((tmp_path / "known").read_text())

    def is_gone() -> bool:
        try:
            state = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        return state == "Z"  # ended, and not yet waited for by whoever inherited it

    gone = _within(60, is_gone)
    if not gone:
        os.kill(child, signal.SIGKILL)
    assert gone


def _within(seconds: float, happens: Any) -> bool:
    """Whether something happens before long."""
    end = time.monotonic() + seconds
    while not happens() and time.monotonic() < end:
        time.sleep(0.05)
    return bool(happens())


def test_an_import_has_a_time_limit(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated, "IMPORT_SECONDS", 0.5)
    spec, _ = module("while True: pass\n")
    began = time.monotonic()
    answer = muso("refute", spec, "--time-limit", "0.5")
    assert (answer.status, answer.out) == (2, "")
    assert "not imported in 0.5 s" in answer.err
    assert time.monotonic() - began < 60  # and not without end


def test_nothing_of_a_rule_is_imported_here(module: Any) -> None:
    spec, named = module("import os\nos.environ['SEEN_BY_A_TEST'] = 'yes'\n" + GOOD)
    for name in (spec, named):
        assert muso("refute", name, "--max-examples", "3").status == 0
        rule = load_rule(name)
        assert refute_report(rule, max_examples=3).verdict is mt.Verdict.MEASURED
    assert "named_by_a_test" not in sys.modules
    assert "SEEN_BY_A_TEST" not in os.environ


def test_kind_and_conditions_come_with_the_rule(module: Any) -> None:
    spec, _ = module(GOOD + "rule.kind, rule.assuming = 'parameters', ['full-rank']\n")
    rule = load_rule(spec)
    assert (rule.kind, rule.assuming) == ("parameters", ("full-rank",))


# -- replays ---------------------------------------------------------------------------------------------------------


def _replay(path: Path, rule: str, **changes: Any) -> Path:
    found = mt.refute(lambda p: mt.optimal_labels(p) + 1, max_examples=20, name=rule)
    assert found is not None
    path.write_text(json.dumps({**json.loads(found.to_json()), **changes}))
    return path


@pytest.mark.parametrize("named", ["file", "module"])
@pytest.mark.parametrize("failure", ["GAP", "RAISES", "NEVER_RETURNS"])
def test_a_replay_runs_no_code_that_it_names(named: str, failure: str, module: Any, tmp_path: Path) -> None:
    specs = module("open('was_run', 'w').close()\n" + GOOD)
    spec = specs[named == "module"]
    changes = {} if failure == "GAP" else {"square_gap": None, "values": None}
    path = _replay(tmp_path / "replay.json", spec, failure=failure, **changes)
    answer = muso("refute", "--replay", path)
    assert not (tmp_path / "was_run").exists()
    told = answer.out + answer.err
    assert f"muso refute {spec} --replay" in told
    assert answer.status == (1 if failure == "GAP" else 2)
    # Named on the command line it is asked, whatever the file calls it.
    asked = muso("refute", spec, "--replay", path)
    assert (tmp_path / "was_run").exists()
    assert (asked.status, asked.out.split()[0]) == (0, "MEASURED")


def test_a_replayed_rule_that_is_too_slow_is_undecided(module: Any, tmp_path: Path) -> None:
    spec, _ = module("def rule(p):\n    while True: pass\n")
    answer = muso("refute", spec, "--replay", _replay(tmp_path / "r.json", spec), "--time-limit", "0.3")
    assert (answer.status, answer.out.split()[0]) == (3, "UNDECIDED")
    assert "did not answer in 0.3 s" in answer.out


def test_a_replay_of_the_rulebook_needs_no_name(tmp_path: Path) -> None:
    path = tmp_path / "zero.json"
    assert muso("refute", "zero-labels", "--exact", "--json", path).status == 1
    assert "the rule, asked again, fails as stored" in muso("refute", "--replay", path).out


# -- limits ----------------------------------------------------------------------------------------------------------


def test_a_slow_rule_is_undecided_in_words(module: Any) -> None:
    spec, _ = module("def rule(p):\n    while True: pass\n")
    answer = muso("refute", spec, "--time-limit", "0.3", "--max-examples", "20")
    assert (answer.status, answer.err) == (3, "")
    assert answer.out.startswith(f"UNDECIDED  {spec}: did not answer in 0.3 s on ")


def test_what_a_rule_prints_is_capped_and_shown_without_effect(capsys: pytest.CaptureFixture[str]) -> None:
    def chatty(p: mt.UnlearningProblem) -> np.ndarray:
        print("\x1b[2J" + "x" * 300_000)
        os.write(1, b"y" * 300_000)
        return mt.optimal_labels(p)

    assert refute_report(chatty, max_examples=3).verdict is mt.Verdict.MEASURED
    told = capsys.readouterr()
    assert not told.out
    assert told.err.startswith("\\u001b[2Jxxx")
    assert told.err.endswith("(more that the rule prints is not shown)\n")
    assert len(told.err) < 100_000


@pytest.mark.parametrize("examples", [1, 2, 7, 30, 100])
def test_max_examples_are_the_problems_that_are_asked(examples: int) -> None:
    asked: set[str] = set()

    def counted(p: mt.UnlearningProblem) -> np.ndarray:
        asked.add(repr((p.features.tolist(), p.targets.tolist(), p.forget.tolist(), p.w_init)))
        calls.append(1)
        return mt.optimal_labels(p)

    calls: list[int] = []
    report = refute_report(counted, max_examples=examples, isolate=False)
    assert report.verdict is mt.Verdict.MEASURED
    assert len(asked) <= examples
    assert len(calls) <= 2 * examples  # the first ones twice, to see whether they repeat
    assert report.coverage.tried + sum(report.coverage.skipped.values()) <= examples


@pytest.mark.skipif(os.name != "posix", reason="descriptors of pipes, of POSIX")
@pytest.mark.parametrize(
    ("begun", "failure", "words"),
    [
        (b"\0\0", Failure.NEVER_RETURNS, "did not answer in 0.5 s"),
        (struct.pack("!i", 1000) + b"ten bytes.", Failure.NEVER_RETURNS, "did not answer in 0.5 s"),
        (
            struct.pack("!iQ", -1, 1 << 40),
            Failure.NOT_NUMBERS,
            "wrote other bytes where its answer was expected",
        ),
        (struct.pack("!i", -7), Failure.NOT_NUMBERS, "wrote other bytes where its answer was expected"),
        (
            struct.pack("!i", 2) + b"no",
            Failure.NOT_NUMBERS,
            "wrote other bytes where its answer was expected",
        ),
    ],
)
def test_a_message_that_a_rule_begins_itself_keeps_nobody_waiting(
    begun: bytes, failure: Failure, words: str
) -> None:
    def writes(p: mt.UnlearningProblem) -> np.ndarray:
        for descriptor in range(3, 256):
            with contextlib.suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as mine:
                if (
                    mine.family == socket.AF_UNIX
                ):  # of which pipes are made, and of nothing that others listen to
                    mine.send(begun)
        time.sleep(60)
        return p.targets[p.forget]

    problem, started = mt.UnlearningProblem(np.eye(2), [1.0, 2.0], [1]), time.monotonic()
    with Runner(writes, seconds=0.5) as runner:
        answer = runner(problem)
    assert (answer.failure, answer.detail) == (failure, words)
    assert time.monotonic() - started < 30
    with Runner(lambda p: np.zeros(1_000_000), seconds=60) as runner:  # in many parts, but whole
        assert runner(problem).values is not None


def test_a_rule_that_ends_its_process_is_told() -> None:
    with Runner(lambda p: os._exit(0)) as runner:
        answer = runner(mt.UnlearningProblem(np.eye(2), [1.0, 2.0], [1]))
    assert (answer.failure, answer.detail) == (Failure.DIES, "exit code 0")


def test_a_rule_that_is_not_named_well_is_told_what_there_is(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("import numpy as np\n\ndef first(p):\n    return 1\n\ndef second(p):\n    return 2\n")
    for spec, words in (
        (str(file), "mine.py:first, second"),
        (f"{file}:nope", "one of first, second"),
        ("nosuch", "try one of "),
        ("retain-meen", "'retain-mean'"),
    ):
        with pytest.raises(BadInputError) as refused:
            load_rule(spec)
        assert words in str(refused.value), spec
        assert "'np'" not in str(refused.value)
