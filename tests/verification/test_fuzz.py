"""The campaign of bad inputs finds what it looks for, tells it as short as it gets, and gives the same inputs again."""

from __future__ import annotations

import base64
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from muso_theory.errors import MusoError
from muso_theory.files.results import timeless
from tests import ROOT
from verification import fuzz
from verification.campaign import Options
from verification.commands import Answer
from verification.fuzz import COMMANDS, measure, tried
from verification.readers import READERS


def test_a_planted_defect_is_found_and_made_short() -> None:
    found = measure({"reader": "planted", "batch": 0, "inputs": 200})
    [row] = found["violations"]
    assert row["what"].startswith("KeyError in fuzz.py:_planted")
    assert base64.b64decode(row["base64"]) == b"\xff"
    assert found["accepted"] + row["times"] == found["inputs"] == 200


@pytest.mark.parametrize("reader", ["csv", "muso check"])
def test_a_batch_gives_the_same_inputs_again(reader: str) -> None:
    first, again = (
        {**timeless(measure({"reader": reader, "batch": 3, "inputs": 15})), "largest MB": 0} for _ in range(2)
    )
    assert first == again
    assert first["violations"] == []
    assert first["refused"] > 0


@pytest.mark.parametrize("limit", ["seconds", "MB"])
def test_limits_are_held(limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tried("csv", b"a,y\n1,2\n3,5\n", tmp_path)[:2] == ("", "")
    monkeypatch.setitem(fuzz.LIMITS, limit, -1.0)
    said, wrong, took = tried("csv", b"a,y\n1,2\n3,5\n", tmp_path)
    assert (said, wrong) == ("", f"more than -1 {limit}")
    assert took[limit] >= 0


HUNGRY = """
import sys
from pathlib import Path
from verification import fuzz
fuzz._ALL["hungry"] = lambda path: bytearray(40 << 20).count(1)
print(*(fuzz.tried("hungry", b"", Path(sys.argv[1]))[2]["MB"] for _ in range(5)))
"""


def test_memory_is_measured(tmp_path: Path) -> None:
    # In a small process of its own: where memory is short, a system takes pages of a large one meanwhile.
    done = subprocess.run(
        [sys.executable, "-c", HUNGRY, tmp_path], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert any(35 < float(size) < 60 for size in done.stdout.split()), done.stdout + done.stderr


def test_what_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(fuzz._ALL, "waits", lambda path: time.sleep(600))
    monkeypatch.setattr(fuzz, "_HANGS", 0.2)
    with fuzz._limited():
        assert tried("waits", b"", tmp_path)[1] == "no end after 0 s"


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_take_valid_files(name: str, tmp_path: Path) -> None:
    files = fuzz._valid()
    (tmp_path / "npz.npz").write_bytes(files["npz"])
    data = files[fuzz._FED.get(name.removeprefix("muso "), "npz")]
    assert tried(name, data, tmp_path)[:2] == ("", "")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(2, "", "Traceback (most recent call last):\nKeyError: 1"), "KeyError: 1"),
        (Answer(2, "", "muso: internal error: KeyError: 1; try --debug"), "internal error"),
        (Answer(2, "", ""), "AssertionError"),
        (Answer(5, "", "muso: no"), "exit status 5"),
        (Answer(0, "", ""), "files changed: ['npz.npz']"),
    ],
)
def test_a_command_without_words_or_that_loses_a_file_is_caught(
    answer: Answer, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "npz.npz").write_bytes(b"mine")

    def muso(*given: Any) -> Answer:
        if answer.status == 0:
            (tmp_path / "npz.npz").unlink()
        return answer

    monkeypatch.setattr(fuzz, "muso", muso)
    assert words in tried("muso check", b"", tmp_path)[1]


def test_batches_follow_until_the_budget_of_each_reader_is_spent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measured(name: str, measure: Any, points: Any, options: Any) -> list[dict[str, Any]]:
        one = {"accepted": 1, "refused": 1, "slowest seconds": 0.1, "largest MB": 1.0, "violations": []}
        found = [
            {**one, "inputs": p["inputs"], "seconds": 130.0 if p["reader"] == "csv" else 250.0}
            for p in points
        ]
        if points[-1]["reader"] == "planted":
            found[-1] = {**found[-1], "violations": [{"base64": base64.b64encode(shortest[0]).decode()}]}
        return found

    monkeypatch.setattr(fuzz, "measure_points", measured)
    shortest = [b"long\xff"]
    assert fuzz.run(False, Options(directory=tmp_path))["failed"]
    shortest[0] = b"\xff"
    result = fuzz.run(False, Options(directory=tmp_path))
    assert not result["failed"]
    inputs = {row["reader"]: row["inputs"] for row in result["rows"]}
    assert inputs == {name: 10_000 if name == "csv" else 6_000 for name in READERS} | dict.fromkeys(
        COMMANDS, 300
    )
    assert len(fuzz.tabulate(result)["fuzz"]["rows"]) == len(READERS) + len(COMMANDS)


def test_a_refusal_that_a_terminal_would_obey_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(path: Path) -> None:
        raise MusoError("\x1b[31m")

    monkeypatch.setitem(fuzz._ALL, "refuses", refuses)
    assert "a terminal would obey" in tried("refuses", b"", tmp_path)[1]
