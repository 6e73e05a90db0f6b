"""Mistakes on a command line that a nearer word cures, and what is asked before the work."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from muso_theory.errors import BadInputError
from muso_theory.parallel.points import Workers
from verification.commands import muso


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    lines = [",".join(map(repr, row)) for row in rng.normal(size=(24, 4)).tolist()]
    (tmp_path / "plain.csv").write_text("\n".join(["a,b,c,y", *lines, ""]), encoding="utf-8")
    return tmp_path / "plain.csv"


@pytest.mark.parametrize(
    ("words", "cure"),
    [
        (("check", "DATA", "--features", "identty"), "try 'identity'"),
        (("check", "DATA", "--arithmetic", "flot64"), "try 'float64'"),
        (("check", "DATA", "--forget", "rows:0-100"), "try rows:0-22"),
        (("check", "DATA", "--forget", "rows:20-100"), "try rows:20-23"),
        (
            ("sweep", "DATA", "--over", "n-features", "--values", "50.5", "--json", "OUT"),
            "try 50, or leaving",
        ),
        (("sweep", "DATA", "--over", "subset", "--backend", "dsk", "--json", "OUT"), "try 'dask'"),
        (("figure", "DATA"), "--json report.json first, if these are data"),
        (("prove", "exact-label"), "claim=exact-label (none of that name); try 'exact-labels'"),
        (("version",), "try --version"),
        (("help",), "try --help"),
    ],
)
def test_a_mistake_is_told_with_the_word_that_cures_it(
    words: tuple[str, ...], cure: str, table: Path
) -> None:
    given = {"DATA": str(table), "OUT": str(table.with_name("s.json"))}
    answer = muso(*(given.get(word, word) for word in words))
    assert answer.status == 2
    assert cure in answer.err
    assert "Value error" not in answer.err
    assert not answer.out


def test_a_file_of_almost_that_name_is_named(table: Path) -> None:
    assert "try 'plain.csv'" in muso("check", table.with_suffix(".cvs")).err
    assert "a path that exists" in muso("check", table.with_name("otherwise.parquet")).err


def test_help_is_given_by_its_letter() -> None:
    for words in ((), ("check",)):
        asked, in_full = muso(*words, "-h"), muso(*words, "--help")
        assert (asked.status, asked.out) == (0, in_full.out)


def test_a_backend_is_refused_before_there_is_any_work() -> None:
    with pytest.raises(BadInputError, match="'dask'"):
        Workers(backend="dusk")
    with pytest.raises(BadInputError, match="backend dask with a scheduler"):
        Workers(backend="loky", scheduler="tcp://localhost:1")


def test_a_recheck_of_other_data_says_so_first(table: Path) -> None:
    report, other = table.with_name("r.json"), table.with_name("other.csv")
    asked = ("--features", "identity", "--claim", "exact-labels", "--json", report)
    assert muso("check", table, *asked).status == 0
    text = table.read_text(encoding="utf-8").replace("0.", "0.5", 1)
    other.write_text(text, encoding="utf-8")
    told = muso("recheck", report, other)
    assert told.status == 1
    assert told.out.startswith("The data are not those that the report names:\n")
    # The same data with another end of the file, or a changed verdict, are not other data.
    other.write_text(table.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert "The data are not" not in muso("recheck", report, other).out
    assert "The data are not" not in muso("recheck", report, table).out
