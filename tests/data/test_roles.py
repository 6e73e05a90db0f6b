"""A column has one part to play, a table more than one row, and binary files are no text."""

from __future__ import annotations

import io
from typing import Any

import pytest

from muso_theory.data import Dataset, load
from muso_theory.data.tables import read_table
from muso_theory.errors import MusoError


def csv(text: str, **options: Any) -> Dataset:
    return load("-", stdin=io.BytesIO(text.encode()), **options)


def refused(words: str, text: str, **options: Any) -> None:
    with pytest.raises(MusoError, match=words):
        csv(text, **options)


@pytest.mark.parametrize("role", ["drop", "index", "target", "forget"])
def test_a_column_that_is_a_feature_is_nothing_else(role: str) -> None:
    """It was a feature and dropped at once, or quietly left out of the features that were asked for."""
    text = "a,b,y\n1,0,2\n2,1,3\n3,0,5\n"
    choices: dict[str, Any] = {"columns": ("a", "b"), role: ("b",) if role == "drop" else "b"}
    refused(f"columns=b .also --{role}", text, **choices)
    assert csv(text, **choices | {"columns": ("a",)}).columns == ("a",)


@pytest.mark.parametrize("task", [None, "regression", "classification"])
def test_one_sample_is_too_few(task: str | None) -> None:
    refused("at least two samples.*the only sample", "a,y\n1,151\n", task=task)


def test_one_value_is_no_regression_and_one_class_no_classification() -> None:
    refused("targets that differ.*one value only", "a,y\n1,2\n2,2\n", task="regression")
    refused("two classes.*one class only", "a,y\n1,2\n2,2\n", task="classification")


@pytest.mark.parametrize(
    ("name", "cure"), [("a.png", "numpy.savez"), ("a.dta", "pandas.read_stata"), ("a.csv", "numpy.savez")]
)
def test_binary_files_are_no_text_of_another_encoding(name: str, cure: str) -> None:
    data = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256))
    with pytest.raises(MusoError, match="binary data of another kind") as told:
        read_table(data, "csv", name, sheet=None, encoding=None)
    assert cure in str(told.value)
    assert "--encoding" not in str(told.value)
    with pytest.raises(MusoError, match="--encoding cp1252"):  # text of another encoding still is
        read_table("a,y\né,1\n".encode("cp1252"), "csv", name, sheet=None, encoding=None)
