"""No failing call of the system loses a file: a slice of the campaign, and unsafe writers that its judge must catch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from verification import faults
from verification.campaign import Options
from verification.failing import ERRORS, Fault, failing
from verification.faults import PLANTED, SCENARIOS, campaign, measure


@pytest.mark.parametrize(
    ("scenario", "operation", "error", "least", "came"),
    [
        ("campaign", "write", "ENOSPC", 6, "told"),
        ("campaign", "write", "kill", 6, "killed"),
        ("campaign", "fsync", "ENOSPC from then on", 12, "told"),
        ("campaign", "rename", "EACCES", 6, "told"),
        ("campaign", "read", "EIO", 8, "went on"),  # a checkpoint that cannot be read is no result
        ("campaign", "remove", "EACCES", 1, "told"),
        ("campaign", "call", "MemoryError", 3, "told"),
        ("campaign", "call", "interrupt", 3, "told"),
        ("check, old report", "write", "ENOSPC", 1, "told"),
        ("check, by force", "rename", "interrupt", 1, "told"),
        ("labels, old file", "open", "EIO", 5, "told"),
        ("sweep", "mkdir", "ENOSPC", 1, "told"),
    ],
)
def test_the_kth_call_fails_for_every_k(
    scenario: str, operation: str, error: str, least: int, came: str
) -> None:
    rows = measure({"scenario": scenario, "operation": operation, "error": error})["rows"]
    assert [row for row in rows if row["wrong"]] == []
    assert len(rows) >= least
    assert [row["k"] for row in rows] == list(range(1, len(rows) + 1))
    assert rows[0]["came"].startswith(came)


@pytest.mark.parametrize(
    ("planted", "words"),
    [("in place", "old.json is damaged"), ("littering", "left behind"), ("silent", "success is told")],
)
def test_unsafe_writers_are_caught(planted: str, words: str) -> None:
    point = {"scenario": "check, old report", "operation": "write", "error": "ENOSPC", "planted": planted}
    [row] = measure(point)["rows"]
    assert words in " ".join(row["wrong"])


def test_a_fault_is_of_its_folder_and_its_turn(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir(), there.mkdir()
    with failing(Fault("write", "ENOSPC", 2, here)) as fault:
        (here / "a").write_bytes(b"1234")
        (there / "b").write_bytes(b"1234")
        with pytest.raises(OSError, match="No space left"):
            (here / "c").write_text("1234")
        (here / "d").write_bytes(b"1234")
    assert [(path.name, path.read_bytes()) for path in sorted(tmp_path.glob("*/*"))] == [
        *((name, b"12" if name == "c" else b"1234") for name in "acd"),
        ("b", b"1234"),
    ]
    assert fault.places == ["a", "c", "d"]
    with failing(Fault("rename", "EIO from then on", 1, here)):
        for _ in range(2):
            with pytest.raises(OSError, match="Input/output"):
                os.replace(here / "a", here / "e")
    os.replace(here / "a", here / "e")
    with failing(Fault("read", "EIO", 1, here)), pytest.raises(OSError, match="Input/output"):
        (here / "e").read_bytes()
    with failing(Fault("write", "EINTR", 1, here)):
        (here / "e").write_bytes(b"12345")
    assert (here / "e").read_bytes() == b"12345"


def test_what_the_system_does_to_a_campaign_is_told_in_words(tmp_path: Path) -> None:
    for error, status, words in (
        ("MemoryError", 2, "small: out of memory; finished points are kept"),
        ("EIO", 2, "small: [Errno 5] Input/output error; finished points are kept"),
        ("interrupt", 130, "small: interrupted; finished points are kept"),
    ):
        with failing(Fault("call", error, 2, tmp_path)):
            answer = campaign(tmp_path / error)
        assert (answer.status, words in answer.err) == (status, True)
        assert "1 of 3 points were measured before" in campaign(tmp_path / error).err


def test_the_campaign_counts_faults_and_what_is_not_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoilt: dict[str, bool] = {"writers": True, **dict.fromkeys(ERRORS, False)}

    def measured(name: str, measure: Any, points: Any, options: Any) -> list[Any]:
        def wrong(point: Any) -> list[str]:
            return ["x is lost"] if spoilt["writers" if "planted" in point else point["operation"]] else []

        row = {"k": 1, "where": "x", "came": "told; no files new"}
        return [{"rows": [{**point, **row, "wrong": wrong(point)}]} for point in points]

    monkeypatch.setattr(faults, "measure_points", measured)
    result = faults.run(False, Options(directory=tmp_path))
    assert not result["failed"]
    assert {row["scenario"] for row in result["rows"]} == set(SCENARIOS)
    assert {(row["operation"], row["error"]) for row in result["rows"]} == {
        (operation, error) for operation, errors in ERRORS.items() for error in errors
    }
    assert set(result["controls"]) == set(PLANTED)
    assert len(faults.tabulate(result)["controls"]["rows"]) == len(PLANTED)
    for change in ({"fsync": True}, {"fsync": False, "writers": False}):
        spoilt |= change
        assert faults.run(True, Options(directory=tmp_path))["failed"]
