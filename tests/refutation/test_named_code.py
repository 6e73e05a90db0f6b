"""Code that is named is run in a process of its own, and no file but the command line names code."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.errors import BadInputError
from muso_theory.refutation import Failure, load_rule, refute_report
from muso_theory.refutation import isolation as isolated
from muso_theory.refutation.isolation import Runner
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
