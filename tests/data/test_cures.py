"""What a refusal says is wrong is wrong, and what it says to try works; beside each stands a twin that is right."""

from __future__ import annotations

import gzip
import io
import json
import re
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pytest

import muso_theory as mt
from muso_theory.data import Dataset, load, parse_forget
from muso_theory.data.artefacts import read_artefacts
from muso_theory.errors import MusoError

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(RNG.standard_normal((12, 3)).round(6), columns=["a", "b", "y"])
CSV = FRAME.to_csv(index=False)


def read(content: str | bytes, **choices: Any) -> Dataset:
    data = content.encode() if isinstance(content, str) else content
    return load("-", stdin=io.BytesIO(data), **choices)


def told(data: Dataset, word: str) -> str:
    return next(row.value for row in data.understood if row.word == word)


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(MusoError) as caught:
        call()
    return str(caught.value)


def zipped(**members: str | bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


# --- archives ------------------------------------------------------------------------------------------


def test_a_zip_holds_the_table_that_it_holds(tmp_path: Path) -> None:
    mac = {"folder/": b"", "folder/a.csv": CSV, "__MACOSX/folder/._a.csv": b"\0\1", "folder/.DS_Store": b"\0"}
    path = tmp_path / "a.csv.zip"
    path.write_bytes(zipped(**mac))
    assert load(path).X.tolist() == FRAME[["a", "b"]].to_numpy().tolist()
    path.write_bytes(zipped(**mac, **{"b.csv": CSV}))
    words = refusal(lambda: load(path))
    assert "2 files: folder/a.csv, b.csv); try taking out the one that is meant" in words
    path.write_bytes(zipped(**{"[Content_Types].xml": "<a/>", "word/document.xml": "<a/>"}))
    assert "try saving the table as .xlsx or .csv" in refusal(lambda: load(path))
    path.write_bytes(zipped())
    assert "try an archive with a file in it" in refusal(lambda: load(path))
    path.write_bytes(zipped(**mac)[:-30])
    assert "a complete .zip archive" in refusal(lambda: load(path))


def test_what_is_packed_may_be_any_table(tmp_path: Path) -> None:
    FRAME.to_parquet(tmp_path / "a.parquet")
    content = (tmp_path / "a.parquet").read_bytes()
    for packed in (zipped(**{"a.parquet": content}), gzip.compress(content)):
        assert read(packed).X.tolist() == FRAME[["a", "b"]].to_numpy().tolist()
    assert read(gzip.compress(CSV.encode())).n_samples == 12
    twice = zipped(**{"a.csv.gz": gzip.compress(CSV.encode())})
    assert "a .gz file in it); try taking out that file" in refusal(lambda: read(twice))


# --- text that is written otherwise ---------------------------------------------------------------------


def r_table(frame: pd.DataFrame, separator: str = " ", names: list[str] | None = None) -> str:
    """As R's write.table writes it: the header is one name short."""
    names = names or [str(i + 1) for i in range(len(frame))]
    lines = [separator.join(f'"{column}"' for column in frame.columns)]
    lines += [
        separator.join([f'"{name}"', *map(str, row)])
        for name, row in zip(names, frame.to_numpy(), strict=True)
    ]
    return "\n".join([*lines, ""])


@pytest.mark.parametrize("separator", [" ", ",", ";", "\t"])
def test_row_names_of_r_are_read_and_told(separator: str) -> None:
    for names in (None, [f"Mazda RX{i}" for i in range(12)]):
        data = read(r_table(FRAME, separator, names))
        assert data.columns == ("a", "b")
        assert data.X.tolist() == FRAME[["a", "b"]].to_numpy().tolist()
        assert data.y.tolist() == FRAME["y"].tolist()
        assert "row names in a first column that the header does not name" in told(data, "data")
        assert told(data, "dropped") == "Unnamed: 0 (an identifier)"
    # The controls: a whole header, names that repeat, and numbers that name nothing.
    whole = read(FRAME.to_csv(index=False, sep=separator))
    assert "row names" not in told(whole, "data")
    for names in (["x"] * 12, [f"{i / 7:.3f}" for i in range(12)]):
        text = r_table(FRAME, separator, names)
        assert "3 cells, as in the header, but got cells=4" in refusal(lambda text=text: read(text))


def test_columns_in_blanks_are_read() -> None:
    for text in (FRAME.to_string(), FRAME.to_string(index=False)):
        assert read(text).X.tolist() == FRAME[["a", "b"]].to_numpy().tolist()
    assert "separated by blanks" in told(read(FRAME.to_string()), "data")
    # A header of one name, blanks in it or not, is none of columns.
    assert "at least two columns" in refusal(lambda: read("my column\n1\n2\n"))


LIBSVM = "1 1:0.5 2:0.3\n-1 1:0.2\n"
ARFF = "% about\n@RELATION x\n@attribute a numeric\n@data\n1\n"


@pytest.mark.parametrize(
    ("text", "kind", "cure"),
    [
        (FRAME.to_json(), "JSON", "pandas.read_json(FILE)"),
        (FRAME.to_json(orient="records"), "JSON", "pandas.read_json(FILE)"),
        (FRAME.to_json(orient="records", lines=True), "JSON, one", "pandas.read_json(FILE, lines=True)"),
        (json.dumps({"schema": 4, "title": "x"}), "a report of muso check --json", "muso recheck"),
        (FRAME.to_html(), "HTML", "pandas.read_html(FILE)[0]"),
        (ARFF, "ARFF", "scipy.io.arff.loadarff(FILE)"),
        (LIBSVM, "rows of libsvm", "sklearn.datasets.load_svmlight_file(FILE)"),
    ],
)
def test_text_that_is_no_table_is_called_by_its_name(text: str, kind: str, cure: str, tmp_path: Path) -> None:
    path = tmp_path / "data.txt"
    path.write_text(text)
    words = refusal(lambda: load(path))
    assert f"({kind}" in words
    assert cure in words.split("; try ")[1]
    if ".to_csv('data.csv', index=False)" in words and "pandas.read_json" in words:  # obeyed, it works
        code = words.split("; try ")[1].replace("FILE", repr(str(path))).replace("'data.csv'", "TO")
        eval(code, {"pandas": pd, "TO": tmp_path / "data.csv"})
        assert load(tmp_path / "data.csv").n_samples == 12


@pytest.mark.parametrize("header", ["{a},b,y", "<a>,b,y", "1:a,b,y", "@a,b,y"])
def test_names_of_columns_may_begin_like_another_format(header: str) -> None:
    if header.startswith("<"):  # so does HTML, and a file says no more than how it begins
        assert "HTML" in refusal(lambda: read(CSV.replace("a,b,y", header)))
        header = f'"{header[:3]}",b,y'
    assert read(CSV.replace("a,b,y", header)).n_samples == 12


@pytest.mark.parametrize("above", ["# exported in 2020\n", "sep=;\n"])
def test_what_stands_above_the_header_is_to_be_removed(above: str) -> None:
    text = FRAME.to_csv(index=False, sep=";")
    assert "; try removing what stands above the header" in refusal(lambda: read(above + text))
    assert read(text).n_samples == 12


def test_empty_lines_and_columns_are_to_be_removed() -> None:
    lines = CSV.splitlines()
    assert "line 3); try removing the empty line" in refusal(
        lambda: read("\n".join([*lines[:2], "", *lines[2:]]))
    )
    for above in ("\n", "\r\n\r\n"):
        assert "removing the empty lines above the header" in refusal(lambda above=above: read(above + CSV))
    assert read(CSV + "\n\n").n_samples == 12  # at the end they are no rows
    trailing = "\n".join(line + "," for line in lines)
    assert "removing this column, in which nothing stands" in refusal(lambda: read(trailing))
    named = "\n".join([lines[0] + ",", *(line + ",1" for line in lines[1:])])
    assert "try a name in the header" in refusal(lambda: read(named))


# --- numbers in another spelling ------------------------------------------------------------------------


def test_decimal_commas_beside_commas_that_separate() -> None:
    data = read(FRAME.to_csv(index=False, decimal=",", quoting=1))
    assert data.X.tolist() == FRAME[["a", "b"]].to_numpy().tolist()
    assert told(data, "data") == "text, separated by commas, decimal commas, utf-8"
    # 1,234 may be thousands, and nothing here says that it is not; nor does a comma where points are decimal.
    for row in ('"1,{i}00","2,{i}00","3,{i}50"', '"0,{i}5",2.5,{i}.5'):
        text = "\n".join(["a,b,y", *(row.format(i=i) for i in range(1, 10))])
        assert "'a'=" in refusal(lambda text=text: read(text))


@pytest.mark.parametrize(
    ("cell", "cure", "plain"),
    [
        ("{i}.5D-02", "an E in place of the D", "{i}.5E-02"),
        ("−{i}.5", "a hyphen in place of the minus sign", "-{i}.5"),
        ("0x1{i}", "decimal digits", "1{i}"),
        ("{i}.5 %", "digits and a decimal point only", "{i}.5"),
        ("${i}.50", "digits and a decimal point only", "{i}.50"),
    ],
)
def test_numbers_in_another_spelling_have_a_cure(cell: str, cure: str, plain: str) -> None:
    def text(form: str, header: str = "a,b,y", row: str = "{},{i}.25,{i}.5") -> str:
        rows = (row.format(form.format(i=i), i=i) for i in range(1, 10))
        return "\n".join([header, *rows])

    assert f"try {cure}, or --drop a" in refusal(lambda: read(text(cell)))
    assert read(text(cell), drop=("a",)).columns == ("b",)
    # Where nothing would be left, or where the user named the columns, --drop is no cure.
    alone = refusal(lambda: read(text(cell, "a,y", "{},{i}.5")))
    assert alone.endswith(f"; try {cure}")
    chosen = refusal(lambda: read(text(cell), columns=("a", "b")))
    assert chosen.endswith(f"; try {cure}, or leaving out --columns a")
    assert read(text(cell), columns=("b",)).columns == ("b",)
    assert read(text(plain)).columns == ("a", "b")


# --- cells that are wrong are those that are named --------------------------------------------------------

WORDS = ["barolo", "barbera", "grignolino"] * 4


def with_target(cells: list[Any]) -> str:
    return FRAME.assign(target=cells).drop(columns="y").to_csv(index=False)


@pytest.mark.parametrize("task", [None, "classification"])
@pytest.mark.parametrize(
    ("cell", "words"),
    [(None, "=''.*line 9: empty cell"), ("NA", "=NA.*line 9: empty cell"), ("7", "=7.*line 9: a number")],
)
def test_the_row_without_a_class_is_named(cell: Any, words: str, task: str | None, tmp_path: Path) -> None:
    cells = [*WORDS[:7], cell, *WORDS[8:]]
    assert re.search(f"a word.*'target'{words}", refusal(lambda: read(with_target(cells), task=task)))
    assert read(with_target(WORDS), task=task).classes == ("barbera", "barolo", "grignolino")
    if cell is None:
        frame = FRAME.assign(target=cells).drop(columns="y")
        for target in (frame["target"], frame["target"].astype("category")):
            frame.assign(target=target).to_parquet(tmp_path / "a.parquet")
            assert "row 7, counted from 0: empty cell" in refusal(
                lambda: load(tmp_path / "a.parquet", task=task)
            )


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("", "yes or no.*=''.*line 9: empty"),
        ("maybe", "a number.*=maybe.*line 9"),
        ("1", "yes or no.*=1.*line 9"),
    ],
)
def test_the_row_without_yes_or_no_is_named(cell: str, words: str) -> None:
    cells = ["yes", "no"] * 6
    assert read(FRAME.assign(b=cells).to_csv(index=False)).X[:2, 1].tolist() == [1, 0]
    cells[7] = cell
    assert re.search(words, refusal(lambda: read(FRAME.assign(b=cells).to_csv(index=False))))


@pytest.mark.parametrize("cell", [None, float("nan"), 7, "", "nan", "None"])
def test_the_sample_without_a_class_is_named_in_arrays(cell: Any, tmp_path: Path) -> None:
    cells = [*WORDS[:7], cell, *WORDS[8:]]
    samples = FRAME[["a", "b"]]

    def problem(y: Any) -> mt.UnlearningProblem:
        return mt.UnlearningProblem.from_data(samples, y, forget=[0], feature_map=None)

    assert problem(np.array(WORDS, dtype=object)).targets.shape == (12, 3)
    for y in (np.array(cells, dtype=object), pd.Series(cells), pd.Series(cells, dtype="category")):
        words = refusal(lambda y=y: problem(y))
        assert re.search(r"y\[7\]=.*row 7, counted from 0", words)
    if isinstance(cell, str):
        for y, right in ((cells, False), ([*WORDS[:7], "none", *WORDS[8:]], True)):
            np.savez(tmp_path / "a.npz", X=samples, y=np.array(y))
            if right:  # an ordinary word, as Python and pandas do not write it
                assert "none" in load(tmp_path / "a.npz").classes
            else:
                assert "y[7]=" in refusal(lambda: load(tmp_path / "a.npz"))


def test_a_column_of_text_is_told_by_a_cell_with_text() -> None:
    cells = ["", "", *WORDS[2:]]
    words = refusal(lambda: read(FRAME.assign(b=cells, y=FRAME["y"]).to_csv(index=False)))
    assert "'b'=grignolino" in words
    assert "line 4: text" in words


# --- names of arrays and other words --------------------------------------------------------------------

X, Y = RNG.standard_normal((12, 4)), RNG.standard_normal(12)


@pytest.mark.parametrize(
    ("arrays", "cures"),
    [
        ({"X": X, "target": Y}, ["y"]),
        ({"x_train": X, "y_train": Y}, ["X", "y"]),
        ({"data": X, "label": Y}, ["X", "y"]),
        ({"X": X, "y": Y, "mask": np.arange(12) < 3}, ["forget"]),
        ({"phi": X, "y": Y, "forget": np.arange(12) < 3, "w0": np.ones(4)}, ["features", "w_init"]),
        ({"X": X, "y": Y, "forgett": np.arange(12) < 3}, ["forget"]),
    ],
)
def test_arrays_get_the_name_that_they_should_have(
    arrays: dict[str, Any], cures: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "a.npz"
    for cure in cures:
        np.savez(path, **arrays)
        words = refusal(lambda: load(path))
        wrong = re.search(r"array=(\w+)", words)
        assert wrong is not None
        assert words.endswith(f"; try {cure!r}")
        arrays = {cure if name == wrong[1] else name: array for name, array in arrays.items()}
    np.savez(path, **arrays)
    assert load(path).n_samples == 12


def test_what_is_audited_gets_its_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", w_unlearned=np.ones(4), w0=np.zeros(4))
    assert refusal(lambda: read_artefacts(tmp_path / "a.npz", 12)).endswith("try 'w_init'")
    np.savez(tmp_path / "a.npz", w_unlearned=np.ones(4), w_init=np.zeros(4))
    assert read_artefacts(tmp_path / "a.npz", 12).w_init is not None


# --- sheets ---------------------------------------------------------------------------------------------


def workbook(path: Path, **sheets: list[list[Any]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


@pytest.mark.parametrize("first", [[], [["only", "a header"]]])
def test_another_sheet_is_named_where_one_is_empty(first: list[list[Any]], tmp_path: Path) -> None:
    rows = [["a", "b", "y"], *FRAME.to_numpy().tolist()]
    path = workbook(tmp_path / "a.xlsx", notes=first, **{"my data": rows})
    for choices in ({}, {"sheet": "notes"}):
        told = refusal(lambda choices=choices: load(path, **choices))
        assert told.endswith("; try --sheet 'my data'")
        assert ("a header only" in told, "empty" in told) == (bool(first), not first)
    assert load(path, sheet="my data").n_samples == 12
    path = workbook(tmp_path / "b.xlsx", notes=first, others=[])
    assert "--sheet" not in refusal(lambda: load(path))


# --- forget sets ----------------------------------------------------------------------------------------

SPECS = (
    *("xyz", "", "7", "class", "class:", "class:8", "class:a,a", "subclass:9", "column", "column:", "rows"),
    *("random:0", "random:60", "random:1.5", "random:0.001", "random:0.999", "retain:0", "retain:70"),
    *("retain:0.5", "rows:0-100", "rows:5-3", "rows:a", "rows:2,2", "rows:0-1,1", "random", "retain"),
)


@pytest.mark.parametrize("n", [4, 7, 60])
@pytest.mark.parametrize("spec", SPECS)
def test_the_cure_of_every_forget_set_is_one_of_these_data(spec: str, n: int) -> None:
    names = np.array(["a", "b"])[np.arange(n) % 2]
    plain = Dataset("toy", np.eye(n), np.arange(n) / 2, "0" * 64)
    for data in (plain, replace(plain, target_class=names, groups=names)):
        words = refusal(lambda data=data: parse_forget(spec, data)).split("; try ")[1].removeprefix("one of ")
        for cure in re.split(r", (?=[a-z]+(?::|$))|, or ", words):
            indices, _ = parse_forget(cure, data)
            assert 0 < indices.size < n
    assert parse_forget("rows:0", plain)[0].tolist() == [0]


def test_a_column_is_named_in_python_as_in_commands() -> None:
    frame = FRAME.assign(out=np.arange(12) < 3)
    for said in ("out", "column:out", "column: out"):
        problem = mt.from_frame(frame, forget=said, feature_map=None)
        assert problem.forget.tolist() == [0, 1, 2]
        assert problem.features.shape == (12, 2)
    assert "try 'out'" in refusal(lambda: mt.from_frame(frame, forget="column:outs", feature_map=None))
    data = read(frame.to_csv(index=False), drop=("out",))
    assert "were read with forget='out'" in refusal(lambda: parse_forget("column:out", data))
    data = read(frame.to_csv(index=False), forget="out")
    assert parse_forget("column", data)[0].tolist() == [0, 1, 2]


def test_only_a_word_that_is_alike_is_suggested(capsys: pytest.CaptureFixture[str]) -> None:
    from muso_theory.commands.words import explain
    from muso_theory.errors import nearest

    for word in ("classification", "regression", "task", "target"):
        explain(word)
        assert capsys.readouterr().out.startswith(word)
    assert "'feature-precision'" not in nearest("regression", ["feature-precision", "target"])
    assert nearest("x_train", ["w_pretrained", "X"]) == "one of X, w_pretrained"
    # The control: a word with a slip.
    assert nearest("feature-precison", ["feature-precision", "target"]) == "'feature-precision'"
    assert nearest("nkt", ["ntk", "standard"]) == "'ntk'"
