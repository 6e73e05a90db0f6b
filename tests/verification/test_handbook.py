"""The campaign `handbook`: right answers count, and an answer that contradicts its kind fails it."""

from __future__ import annotations

from pathlib import Path

import pytest

import muso_theory as mt
from verification import handbook
from verification.campaign import Options
from verification.handbook_facts import FALSE, TRUE


def test_texts_are_read_and_are_as_many_as_asked_for() -> None:
    for text in (*TRUE.values(), *FALSE.values()):
        assert mt.statement(text + "\n").lines
    assert len(FALSE) >= 20


@pytest.mark.parametrize("name", ["of the inverse", "least squares"])
def test_a_true_fact_is_proved(name: str) -> None:
    row = handbook.answer({"text": TRUE[name]})
    assert row["verdict"] == "PROVED"
    assert row["steps"] >= 1
    assert row["terms"] >= 1


@pytest.mark.parametrize("name", ["reverse order", "three Penrose equations"])
def test_a_false_variant_is_refuted(name: str) -> None:
    row = handbook.answer({"text": FALSE[name]})
    assert row["verdict"] == "REFUTED"
    assert "n = " in row["sizes"]


def test_a_wrong_answer_fails_the_campaign(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(handbook, "TRUE", {"planted": FALSE["reverse order"]})
    monkeypatch.setattr(handbook, "FALSE", {})
    result = handbook.run(False, Options(directory=tmp_path, jobs=1))
    assert result["failed"]
    assert result["verdict"] == "1 WRONG ANSWERS"
    assert "REFUTED" in str(handbook.tabulate(result))
