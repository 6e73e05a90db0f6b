"""What a command owes to whoever types it: quick words, words instead of tracebacks, completion, progress."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import muso_theory as mt
from muso_theory import screen
from muso_theory.checking.run import InterruptedCheck
from muso_theory.claims import CATALOGUE
from muso_theory.claims.case import Case
from muso_theory.claims.families import CHECKS
from muso_theory.commands import completing
from muso_theory.linear.rehearsal import Rehearsal
from muso_theory.numbers.quantity import Quantity
from muso_theory.options import Source
from muso_theory.parallel import points
from muso_theory.refutation.isolation import Runner
from muso_theory.steps import Step
from tests import ROOT
from tests.running import IDENTITY, answered, command, small
from verification.commands import muso

NUMERICS = (
    "numpy",
    "scipy",
    "flint",
    "pandas",
    "sympy",
    "mpmath",
    "sklearn",
    "matplotlib",
    "hypothesis",
    "joblib",
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.npz"
    np.savez(path, **small())
    return path


def problem() -> mt.UnlearningProblem:
    return mt.UnlearningProblem(np.eye(3, 5), [1.0, -1.0, 1.0], forget=[2])


# Imports, and never the clock


def imported_by(*words: object) -> set[str]:
    """Numerics that a command imports."""
    code = (
        "import sys, contextlib, io\n"
        "from muso_theory.commands.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        "    main(sys.argv[1:])\n"
        f"print(*(set({NUMERICS!r}) & set(sys.modules)))"
    )
    line = [sys.executable, "-c", code, *map(str, words)]
    return set(subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["--version"],
        ["check", "--help"],
        ["claims"],
        ["claims", "exact-labels"],
        ["explain", "VACUOUS"],
        ["explain", "gram"],
        ["explain", "no such word"],
    ],
    ids=" ".join,
)
def test_commands_that_only_tell_words_import_no_numerics(words: list[str]) -> None:
    assert imported_by(*words) == set()


def test_numerics_are_seen_where_they_are_imported(data: Path) -> None:
    assert {"numpy", "scipy", "flint"} <= imported_by("check", data, *IDENTITY, "--claim", "full-rank")


def test_every_claim_in_words_is_checked_by_something_and_the_other_way_round() -> None:
    assert set(CATALOGUE) == set(CHECKS)


# Words


def test_the_version() -> None:
    answer = muso("--version")
    assert (answer.status, answer.out) == (0, f"muso-theory {mt.__version__}\n")


@pytest.mark.parametrize(
    "word", ["csv", "npz", "target", "task", "forget", "index", "--w-init", "n-features"]
)
def test_explain_knows_words_of_data(word: str) -> None:
    answer = muso("explain", "--", word)
    assert answer.status == 0
    assert len(answer.out.splitlines()) >= 2


def test_explain_knows_every_option_and_whatever_is_understood(data: Path) -> None:
    told = json.loads(muso("check", data, *IDENTITY, "--json", "-").out)["input"]["understood"]
    words = [row["word"] for row in told]
    options = [name.replace("_", "-") for name in Source.__dataclass_fields__ if name != "data"]
    assert len(words) > 4
    for word in (*words, *options):
        assert muso("explain", word).status == 0, word
    missing = muso("explain", "targget")
    assert missing.status == 2
    assert "try 'target'" in missing.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize(
    "words", [["--help"], ["check", "--help"], ["--version"], ["claims"], ["explain", "gram"]]
)
def test_output_that_cannot_be_written_ends_in_words(words: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        answer = answered(command(*words, stdout=full))
    assert answer.status == 2
    assert "No space left" in answer.err
    assert answer.err.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_mistake_that_cannot_be_told_is_one_all_the_same() -> None:
    with open("/dev/full", "wb") as full:
        process = command("no-such-command", stderr=full)
        process.communicate(timeout=600)
    assert process.returncode == 2


@pytest.mark.parametrize("words", [["--help"], ["claims"]])
def test_a_reader_that_has_seen_enough_is_no_failure(words: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = command(*words, stdout=writing)
    os.close(writing)
    answer = answered(process)
    assert (answer.status, answer.err) == (0, "")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names themselves")
def test_file_names_that_are_no_text(tmp_path: Path) -> None:
    name = os.fsdecode(b"b\xffd.npz")
    arrays = tmp_path / name
    with open(arrays, "wb") as stream:
        np.savez(stream, **small())
    report, page = tmp_path / os.fsdecode(b"r\xff.json"), tmp_path / os.fsdecode(b"p\xff.html")
    words = ("check", arrays, *IDENTITY, "--claim", "exact-labels", "--json", report, "--html", page)
    answer = answered(command(*words))
    assert (answer.status, answer.err) == (0, "")
    assert "b\\udcffd.npz" in answer.out  # it can be read, by whoever reads UTF-8
    assert "b\\udcffd.npz" in page.read_text(encoding="utf-8")
    again = answered(command("recheck", report, arrays))
    assert (again.status, again.err) == (0, ""), again.out
    missing = answered(command("check", os.fsdecode(b"no\xff.npz")))
    assert missing.status == 2
    assert missing.err.count("\n") == 1
    assert "no\\udcff.npz" in missing.err


# Completion


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_is_printed(shell: str) -> None:
    env = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    out, err = command("--show-completion", shell, env=env).communicate(timeout=600)
    assert b"_MUSO_COMPLETE=complete_" + shell.encode() in out
    assert err == b""


def completed(*words: str) -> list[str]:
    """What bash offers after these words."""
    env = {
        "COMP_WORDS": " ".join(("muso", *words)),
        "COMP_CWORD": str(len(words)),
        "_MUSO_COMPLETE": "complete_bash",
    }
    out, err = command(env=env).communicate(timeout=600)
    assert err == b""
    return out.decode().split()


def test_a_shell_completes_names() -> None:
    assert completed("claims", "label") == ["label-solution-set", "label-free", "label-correction"]
    assert completed("check", "digits", "--claim", "no-such") == []
    assert completed("sweep", "digits", "--over", "") == [
        "n-features",
        "ridge",
        "subset",
        "forget-fraction",
        "epsilon",
    ]
    assert "random-labels" in completed("unlearn", "digits", "--method", "random")
    assert "regression" in completed("check", "digits", "--task", "reg")


def test_completions_are_those_that_the_commands_take() -> None:
    from muso_theory.methods import METHODS
    from muso_theory.unlearning.sweep import AXES

    assert [slug for slug, _ in completing.claim_words()] == list(CATALOGUE)
    assert [name for name, _ in completing.method_words()] == list(METHODS)
    assert [name for name, _ in completing.axes()] == list(AXES)
    assert all(CATALOGUE[slug].is_condition for slug, _ in completing.condition_words())
    for word, _ in completing.words()[::5]:
        assert muso("explain", word).status == 0
    for method in completing.label_methods():
        settings = {"subset": 0.5} if method == "subsample" else {}
        assert mt.optimal_labels(problem(), method, **settings).shape == (1,)
    assert "exact-labels" in completing.proofs()


# Progress


class Stream:
    """A stream that tells when something was written."""

    def __init__(self, terminal: bool = False) -> None:
        self.text, self.written, self.terminal = "", threading.Event(), terminal

    def write(self, text: str) -> int:
        self.text += text
        if text.strip():
            self.written.set()
        return len(text)

    def flush(self) -> None:
        """There is nothing to flush."""

    def isatty(self) -> bool:
        return self.terminal


@pytest.mark.parametrize("terminal", [False, True])
def test_progress_tells_what_is_done_and_left(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream(terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", stream)
    with screen.progress(first=0.0) as tell:
        tell(Step("checking \x1b[31mlabel-free", 3, 17))
        assert stream.written.wait(60)
        stop = threading.Event()
        for _ in range(600):  # the line may still be the one before
            if "label-free" in stream.text or stop.wait(0.1):
                break
            if not terminal:
                break
    assert "\x1b[31m" not in stream.text
    assert terminal or re.search(
        r"muso: (starting: \d+ s|checking .*label-free \(3 of 17 done\): \d+ s, about \d+ s left)",
        stream.text,
    )
    assert not terminal or "label-free" in stream.text


def test_a_table_has_a_line_a_row_and_breaks_nothing_that_fits(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [("No.", "Claim"), ("1", "x"), ("20", "y")]
    table = screen.plain_table()
    for heading in rows[0]:
        table.add_column(heading)
    for row in rows[1:]:
        table.add_row(*row)
    with screen.printed() as console:
        console.print(table)
    wanted = [f"{first:3}  {second}" for first, second in rows]
    assert capsys.readouterr().out.splitlines() == wanted
    for width in (113, 114):
        table = screen.plain_table()
        table.add_column("No.")
        table.add_column("Claim")
        table.add_row("1", "x" * width)
        with screen.printed() as console:
            console.print(table)
        # 3 + 2 + 113 is all of the 118 columns.
        assert ("x" * width in capsys.readouterr().out) is (width == 113)


def test_progress_is_silent_where_nothing_takes_long(capsys: pytest.CaptureFixture[str]) -> None:
    with screen.progress() as tell:
        tell(Step("checking", 1, 2))
    assert capsys.readouterr().err == ""


class Now:
    """A thread that runs at once, to its end."""

    def __init__(self, target: Callable[[], object], daemon: bool) -> None:
        self.target = target

    def start(self) -> None:
        self.target()

    def join(self) -> None:
        """It has ended."""


@pytest.mark.parametrize(("terminal", "waits"), [(False, [10.0, 60.0]), (True, [1.0, 0.1])])
def test_silence_comes_first_and_lines_are_far_between(
    terminal: bool, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One second on a terminal and ten elsewhere, then a bar, or a line a minute."""
    asked: list[float] = []

    class Event:
        """Over at the second question."""

        def set(self) -> None:
            """Nothing waits."""

        def wait(self, seconds: float) -> bool:
            asked.append(seconds)
            return len(asked) > 1

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", Stream(terminal))
    monkeypatch.setattr(screen, "threading", SimpleNamespace(Event=Event, Thread=Now))
    with screen.progress():
        pass
    assert asked == waits


def test_a_new_line_counts_from_zero_unless_it_goes_on_counting(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(screen, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    watch = screen._Watch()
    clock[0] = 2.0
    assert str(watch) == "starting: 2 s"
    watch.tell(Step("a", 0, 4))
    clock[0] = 4.0
    assert str(watch) == "a (0 of 4 done): 2 s"
    watch.tell(Step("b", 1, 4))
    assert str(watch) == "b (1 of 4 done): 2 s, about 6 s left"
    watch.tell(Step("c", 1, 5))
    assert str(watch) == "c (1 of 5 done): 0 s, about 0 s left"
    clock[0] = 5.0
    watch.tell("without a count")
    clock[0] = 6.0
    assert str(watch) == "without a count: 1 s"


def test_time_left() -> None:
    assert Step("words", 1, 4).left(2.0) == 6.0
    assert Step("words", 0, 4).left(2.0) is None
    assert Step("words", 0, 4) == "words"


def test_a_part_of_a_step_has_its_own_time_and_the_step_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(screen.time, "monotonic", lambda: clock[0])
    watch = screen._Watch()

    def told(line: str, at: float) -> str:
        clock[0] = at
        watch.tell(line)
        return str(watch)

    first, second = Step("checking a", 0, 2), Step("checking b", 1, 2)

    def part(step: Step, done: int) -> Step:
        return Step(f"{step}, spans", done, 4, step)

    assert told(first, 0) == "checking a (0 of 2 done): 0 s"
    assert told(part(first, 0), 10) == "checking a, spans (0 of 4 done): 0 s"
    assert told(part(first, 1), 15) == "checking a, spans (1 of 4 done): 5 s, about 15 s left"
    assert told(part(first, 0), 20) == "checking a, spans (0 of 4 done): 0 s"  # another pass
    assert told(part(first, 2), 24) == "checking a, spans (2 of 4 done): 4 s, about 4 s left"
    assert told(first, 30) == "checking a (0 of 2 done): 30 s"
    assert told(second, 40) == "checking b (1 of 2 done): 40 s, about 40 s left"
    assert told(part(second, 0), 41) == "checking b, spans (0 of 4 done): 0 s"
    assert told("drawing", 50) == "drawing: 0 s"


def test_a_long_check_counts_its_spans_and_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    from muso_theory.linear import tiling
    from muso_theory.numbers import spans, tiles

    rng, claims = np.random.default_rng(0), ["exact-labels"]
    tall = mt.UnlearningProblem(rng.standard_normal((900, 5)), rng.standard_normal(900), [1, 2])
    wide = mt.UnlearningProblem(rng.standard_normal((100, 150)), rng.standard_normal(100), [1, 2])

    def parts(given: mt.UnlearningProblem, **words: Any) -> dict[str, list[int]]:
        told: list[str] = []
        mt.check(given, claims, progress=told.append, **words)
        found: dict[str, list[int]] = {}
        for line in told:
            assert isinstance(line, Step)
            if line.within is not None:
                assert line == f"{line.within}, {line.removeprefix(f'{line.within}, ')}"
                found.setdefault(line.removeprefix(f"{line.within}, "), []).append(line.done)
        assert not isinstance(told[-1], Step) or told[-1].within is None  # the step itself is told again
        return found

    assert parts(tall) == {}  # one span is no count
    with monkeypatch.context() as patch:
        patch.setattr(spans, "SPAN_BYTES", 1)
        assert parts(tall)["a pass over spans of rows"][:5] == [0, 1, 2, 3, 4]
    monkeypatch.setattr(tiles, "TILE", 32)
    monkeypatch.setattr(tiling, "PROCESS_BYTES", 10**6)
    monkeypatch.setattr(tiling, "_MATRICES", 1000)
    found = parts(wide, memory=tiling.tiled_bytes(wide) / 1e9 + 1e-4)
    assert found["tiles of K"] == [0, 1, 3, 6, 10]
    assert found["products of tiles of a factor of K"][:5] == [0, 4, 10, 16, 20]


def test_checks_searches_and_sweeps_count(tmp_path: Path) -> None:
    told: list[str] = []
    mt.check(problem(), progress=told.append)
    mt.refute_report("label-free", max_examples=20, progress=told.append)
    mt.unlearn(problem(), "label-free", progress=told.append)
    counted = [(step.done, step.total) for step in told if isinstance(step, Step)]
    assert counted[0][0] == 0
    assert all(0 <= done < total for done, total in counted)
    assert {"asking label-free", "checking exact-labels", "unlearning by label-free"} <= set(told)
    told.clear()
    workers = points.Workers(jobs=1)
    found = [{"numerator": n, "denominator": 4} for n in range(3)]
    points.measure_all("t", points._ratio, found[:1], tmp_path, lambda: "code", workers, progress=told.append)
    points.measure_all("t", points._ratio, found, tmp_path, lambda: "code", workers, progress=told.append)
    assert [(step, step.done, step.total) for step in told if isinstance(step, Step)] == [
        ("t", 1, 1), ("t", 1, 2), ("t", 2, 2)
    ]  # fmt: skip


# Ctrl-C in one long check


def interrupted_at(slug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Ctrl-C come while a claim is checked, not while its fits are noted before."""

    def interrupt(case: Case) -> Any:
        if isinstance(case.model, Rehearsal):
            return [], []
        raise KeyboardInterrupt

    monkeypatch.setitem(CHECKS, slug, mt.claims.families.CHECKS[slug].__class__(interrupt))


def test_what_is_decided_is_kept(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = json.loads(muso("check", data, *IDENTITY, "--json", "-").out)
    target = data.with_name("report.json")
    with monkeypatch.context() as patch:
        interrupted_at("label-free", patch)
        answer = muso("check", data, *IDENTITY, "--json", target)
    assert answer.status == 130
    assert answer.err == "muso: interrupted: writing what was decided\nmuso: interrupted\n"
    assert " so far, the worst of " in answer.out
    assert answer.out.endswith("interrupted, exit status 130\n")
    report = json.loads(target.read_text(encoding="utf-8"))
    rows = [row["row"] for row in report["evidence"]]
    assert "exact-labels" in rows
    assert "label-free" not in rows
    assert rows == [row["row"] for row in whole["evidence"]][: len(rows)]
    assert report["evidence"] == whole["evidence"][: len(rows)]
    asked = len({row["claim"] for row in whole["evidence"]})
    words = f"interrupted, {len({row['claim'] for row in report['evidence']})} of {asked} claims decided"
    assert words in answer.out
    assert words in report["title"]
    again = muso("recheck", target, data)
    assert again.status == 0, again.out
    report["evidence"][-1]["verdict"] = (
        "PROVED" if report["evidence"][-1]["verdict"] != "PROVED" else "REFUTED"
    )
    target.write_text(json.dumps(report), encoding="utf-8")
    assert muso("recheck", target, data).status == 1  # also of a part nothing may be changed


def test_nothing_is_made_up_where_nothing_is_decided(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted_at("consistent-sizes", monkeypatch)
    target = data.with_name("report.json")
    answer = muso("check", data, *IDENTITY, "--json", target)
    assert (answer.status, answer.out) == (130, "")
    assert not target.exists()


def test_what_is_kept_is_told_before_the_first_claim_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng, folder = np.random.default_rng(0), tmp_path / "kept"
    arrays = {"features": rng.standard_normal((40, 3)), "y": rng.standard_normal(40), "forget": [1]}
    np.savez(tmp_path / "tall.npz", **arrays)

    def interrupt(*words: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("muso_theory.checking.run.climber", interrupt)
    answer = muso("check", tmp_path / "tall.npz", "--claim", "exact-labels", "--checkpoint", folder)
    assert answer.status == 130
    assert answer.err == f"muso: {folder}: nothing is kept there yet\nmuso: interrupted\n"


def test_an_address_that_is_none_is_refused_before_data_are_read(data: Path) -> None:
    pytest.importorskip("distributed", reason="the extra [cluster] is not installed")
    for address in ("nonsense", "ftp://x:1", "127.0.0.1:99999", "tcp://127.0.0.1:-1"):
        assert (
            f"scheduler={address}" in muso("check", data.with_name("absent.npz"), "--scheduler", address).err
        )
    answer = muso("check", data.with_name("absent.npz"), "--scheduler", "tcp://127.0.0.1:1")  # the control
    assert "no such name or file" in answer.err


def test_the_signal_itself(tmp_path: Path) -> None:
    """Two claims are decided at once, the third takes minutes: what was decided is on stdout and in the file."""
    rng = np.random.default_rng(0)
    arrays = {"X": rng.standard_normal((500, 900)), "y": rng.standard_normal(500), "forget": np.arange(9)}
    np.savez(tmp_path / "data.npz", **arrays)
    code = (
        "import os, signal, time\n"
        "import muso_theory.checking.run as checking\n"
        "from muso_theory.claims.families import CHECKS\n"
        "from muso_theory.commands.cli import main\n"
        "def slow(case):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    while True:  # another thread may take the signal, which no single wait here would notice\n"
        "        time.sleep(0.01)\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "CHECKS['full-rank'] = type(CHECKS['full-rank'])(slow)\n"
        f"main(['check', {str(tmp_path / 'data.npz')!r}, '--json', {str(tmp_path / 'report.json')!r}])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 128 + signal.SIGINT
    assert "2 of" in done.stdout
    written = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert [row["row"] for row in written["evidence"]] == ["consistent-sizes", "over-parameterised"]


def test_python_gets_the_part_too(monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted_at("exact-labels", monkeypatch)
    with pytest.raises(InterruptedCheck) as stopped:
        mt.check(problem())
    assert "implicit-bias" in stopped.value.report
    assert "interrupted" in repr(stopped.value.report)


# Notebooks


def shown_objects() -> dict[str, Any]:
    """Objects that a notebook shows, with numbers of thousands of digits."""
    huge = Fraction(3**9000, 7**8000)
    rows = np.array([[huge, 1], [1, Fraction(1, 3)], [2, 5]], dtype=object)
    made = mt.UnlearningProblem(rows, np.array([huge, 2, 3], dtype=object), [0])
    report = mt.check(
        made, ["exact-labels", "gap-formula"], "rational", labels=np.array([huge], dtype=object)
    )
    floats = mt.check(problem())
    counterexample = mt.refute(mt.RULEBOOK["zero-labels"], exact=True)
    return {
        "problem": made,
        "report": report,
        "whole report": floats,
        **{f"evidence {row.name}": row for row in (*report.rows, *floats.rows)},
        **{f"finding {row.name}": row.findings[0] for row in report.rows if row.findings},
        "quantity": Quantity.exact(huge),
        "allowance": report["exact-labels"].findings[0],
        "solution": mt.solve(problem()),
        "counterexample": counterexample,
        "refutation": mt.refute_report(mt.RULEBOOK["zero-labels"], exact=True),
        "unlearned": mt.unlearn(problem(), "label-free"),
        "labels": mt.label_solution_set(mt.UnlearningProblem(np.ones((600, 2)), np.ones(600), range(500))),
        "objective": mt.evaluation.Objective(np.ones((600, 2)), np.ones(600), "squared", 1.0),
        "claim": mt.claims["exact-labels"],
        "map": mt.GaussianFeatures(n_features=4).fit(np.eye(3)),
    }


def test_no_repr_fills_a_screen() -> None:
    for name, shown in shown_objects().items():
        lines = repr(shown).splitlines()
        assert 1 <= len(lines) <= 10, name
        assert max(map(len, lines)) <= 200, (name, repr(shown)[:300])


def test_a_long_repr_is_seen() -> None:
    assert len(str(Fraction(3**900, 7**800))) > 200


@pytest.mark.parametrize(
    "name", ["problem", "report", "evidence exact-labels", "solution", "counterexample", "unlearned"]
)
def test_notebooks_show_tables(name: str) -> None:
    shown = shown_objects()[name]
    page = shown._repr_html_()
    assert page.count("<table") == page.count("</table>") >= 1
    assert "<script" not in page
    assert re.search(r"<caption>[^<]", page)


def test_a_name_cannot_write_into_a_notebook() -> None:
    found = mt.refute_report(
        lambda p: 0 * p.targets[p.forget], name="<script>alert(1)</script>", isolate=False
    )
    assert found.counterexample is not None
    assert "<script" not in found.counterexample._repr_html_()


def test_markdown_and_repr_tell_what_was_understood(data: Path) -> None:
    report = mt.check(mt.from_frame(_frame(), target="y", forget="rows:0"), ["exact-labels"])
    lines = report.to_markdown().splitlines()
    assert "| target | column y | given | `--target` |" in lines
    assert any(line.startswith("| w₀ | zero, assumed | default |") for line in lines)
    second = repr(report).splitlines()[1]
    assert second.strip().startswith("task: ")
    assert "inferred, --task" in second


def _frame() -> Any:
    import pandas as pd

    return pd.DataFrame({"a": [0.5, 1.5, 2.0, 3.5], "b": [1.25, 0.0, 1.0, 0.75], "y": [1.5, 2.25, 0.5, 1.0]})


# Rules that raise


def _raises(problem: mt.UnlearningProblem) -> Any:
    start = problem.w_init + 1  # an array, also where it is zero
    return _undefined(start)


def _undefined(start: Any) -> Any:
    return start.no_such_attribute


def test_a_counterexample_of_a_rule_that_raises_shows_its_line() -> None:
    found = mt.refute(_raises)
    assert found is not None
    number = 1 + Path(__file__).read_text(encoding="utf-8").splitlines().index(
        "    return start.no_such_attribute"
    )
    assert f"line {number} of test_manners.py: return start.no_such_attribute" in str(found)
    assert "AttributeError" in found.detail


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("outputs", [1, 2])
def test_rules_get_an_array_for_the_start(exact: bool, outputs: int) -> None:
    seen = []

    def rule(problem: mt.UnlearningProblem) -> Any:
        seen.append(problem.w_init)
        return problem.targets[problem.forget]

    features: Any = np.array([[1, 2, 3], [0, 1, 1]])
    targets: Any = np.ones((2, outputs)[: 2 if outputs > 1 else 1])
    if exact:
        features, targets = (
            np.vectorize(Fraction, otypes=[object])(a.astype(int)) for a in (features, targets)
        )
    asked = mt.UnlearningProblem(features, targets, [1])
    assert asked.w_init is None
    with Runner(rule, isolate=False) as run:
        assert run(asked).failure is None
    [start] = seen
    assert start.shape == (3, *targets.shape[1:])
    assert not any(start.ravel())
    assert {type(value) for value in start.ravel().tolist()} == {Fraction if exact else float}


def test_a_line_that_cannot_be_found_is_left_out() -> None:
    made: dict[str, Any] = {}
    exec("def rule(problem):\n    raise KeyError('x')\n", made)
    with Runner(made["rule"], isolate=False) as run:
        assert run(problem()).detail == "KeyError: 'x'"


# Options that would change nothing


def test_a_feature_map_beside_features_is_refused(tmp_path: Path) -> None:
    arrays = small()
    np.savez(tmp_path / "features.npz", features=arrays["X"], y=arrays["y"], forget=arrays["forget"])
    np.savez(tmp_path / "inputs.npz", **arrays)
    for words in (
        ["--features", "gaussian"],
        ["--n-features", "50"],
        ["--bandwidth", "2"],
        ["--standardize"],
    ):
        refused = muso("check", tmp_path / "features.npz", *words, "--claim", "full-rank")
        assert refused.status == 2
        assert f"{words[0]}=" in refused.err
        assert "the data bring their features" in refused.err
        assert f"try leaving {words[0]} out" in refused.err
        assert muso("check", tmp_path / "inputs.npz", *words, "--claim", "full-rank").status in (0, 3)
    assert muso("check", tmp_path / "features.npz", "--claim", "full-rank").status == 0


def test_a_feature_map_beside_a_network_is_refused(data: Path) -> None:
    refused = muso("check", data, "--network", "mlp:12-8-1:erf", "--features", "gaussian")
    assert refused.status == 2
    assert "--network takes the place of a feature map" in refused.err


def test_a_matrix_takes_a_map_because_it_holds_inputs(tmp_path: Path) -> None:
    arrays = small()
    np.save(tmp_path / "matrix.npy", np.column_stack([arrays["X"], arrays["y"]]))
    told = muso("check", tmp_path / "matrix.npy", *IDENTITY, "--target", "12", "--forget", "rows:0,1")
    assert told.status in (0, 3), told.err
