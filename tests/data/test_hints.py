"""What is advised after a refusal does what it says, and loses nothing that it does not name."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pytest

import muso_theory as mt
from muso_theory.data import load
from muso_theory.data.archive import ARRAY_NAMES
from muso_theory.errors import MusoError
from muso_theory.linear.features import GaussianFeatures
from tests import ROOT


def refusal(work: Any) -> str:
    with pytest.raises(MusoError) as caught:
        work()
    return str(caught.value)


def archive(path: Path, **arrays: Any) -> Path:
    np.savez(path / "d.npz", **arrays)
    return path / "d.npz"


def test_large_integers_are_sent_where_they_are_taken_exactly(tmp_path: Path) -> None:
    features, y = np.eye(4, dtype=np.int64) * (2**53 + 1), np.arange(4)
    told = refusal(lambda: load(archive(tmp_path, features=features, y=y)))
    assert "mt.UnlearningProblem(features, y, forget)" in told
    assert "astype" not in told
    assert mt.UnlearningProblem(features, y, [0]).features[0, 0] == 2**53 + 1
    kernel = GaussianFeatures()
    for work in (lambda: kernel.fit(features), lambda: mt.evaluation.accuracy(features[0], features[1])):
        assert "astype(float), which rounds them" in refusal(work)


@pytest.mark.skipif(np.dtype(np.longdouble).itemsize == 8, reason="long doubles are floats here")
def test_long_doubles_are_to_be_rounded_by_who_has_them() -> None:
    features = np.eye(4, dtype=np.longdouble)
    told = refusal(lambda: mt.UnlearningProblem(features, np.arange(4.0), [0]))
    assert "features.astype(float), which rounds them" in told
    mt.UnlearningProblem(features.astype(float), np.arange(4.0), [0])


def test_words_in_an_object_array_are_to_be_text(tmp_path: Path) -> None:
    words = np.array(["a", "b", "a", "b"], dtype=object)
    assert "words with astype(str)" in refusal(lambda: load(archive(tmp_path, X=np.eye(4), y=words)))
    assert load(archive(tmp_path, X=np.eye(4), y=words.astype(str))).classes == ("a", "b")
    np.save(tmp_path / "y.npy", words)
    assert "words with astype(str)" in refusal(lambda: load(tmp_path / "y.npy"))


@pytest.mark.parametrize(("word", "cure"), [("NA", "N_A"), ("None", "None_")])
@pytest.mark.parametrize("others", [("DE", "FR"), ("DE",)])
def test_a_class_that_is_called_nothing_is_to_be_renamed(
    word: str, cure: str, others: tuple[str, ...], tmp_path: Path
) -> None:
    frame = pd.DataFrame(
        {"a": np.arange(12.0) ** 2, "b": np.arange(12.0) / 7, "y": ([word, *others] * 6)[:12]}
    )
    frame.to_csv(tmp_path / "d.csv", index=False)
    told = refusal(lambda: load(tmp_path / "d.csv"))
    assert f"y'={word} " in told
    assert f"another name if it is a class, such as {cure}" in told
    frame.replace({"y": {word: cure}}).to_csv(tmp_path / "d.csv", index=False)
    assert cure in load(tmp_path / "d.csv").classes


def test_a_formula_without_a_value_is_told_from_an_empty_cell(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (["a", "b", "y"], [0.5, 1.5, 2.5], ["=A2+1", 2.5, 4.5], [3.5, 4.5, 0.5]):
        book.active.append(row)
    book.save(tmp_path / "d.xlsx")
    assert "if a formula stands there" in refusal(lambda: load(tmp_path / "d.xlsx"))


def test_decimals_of_parquet_are_to_be_rounded_by_who_has_them(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [Decimal("0.1"), Decimal("1.25"), Decimal("2.75")], "y": [0.5, 1.5, 3.5]})
    frame.to_parquet(tmp_path / "d.parquet")
    assert "frame['a'].astype(float), which rounds" in refusal(lambda: load(tmp_path / "d.parquet"))
    frame.assign(a=frame["a"].astype(float)).to_parquet(tmp_path / "d.parquet")
    assert load(tmp_path / "d.parquet").X[1, 0] == 1.25


def test_every_array_of_an_archive_is_described() -> None:
    page = (ROOT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
    assert [name for name in ARRAY_NAMES if f"`{name}`" not in page] == []


def test_words_among_features_are_to_be_made_numbers(tmp_path: Path) -> None:
    frame = pd.DataFrame({"sex": list("mffm"), "a": [0.5, 2.5, 1.5, 4.5], "y": [1.5, 0.5, 2.5, 3.5]})
    assert "pandas.get_dummies" in refusal(lambda: mt.from_frame(frame, forget=[0], feature_map=None))
    assert mt.from_frame(pd.get_dummies(frame), target="y", forget=[0], feature_map=None).n_features == 3


def test_features_of_turned_samples_are_to_be_turned() -> None:
    features, y = np.arange(6.0).reshape(2, 3) ** 2, np.arange(3.0)
    assert "try features.T, " in refusal(lambda: mt.UnlearningProblem(features, y, [0]))
    assert mt.UnlearningProblem(features.T, y, [0]).n_samples == 3
    assert "one target row" in refusal(lambda: mt.UnlearningProblem(features, np.arange(4.0), [0]))
