"""Files as pandas and its friends write them: the right target and task, or a refusal whose cure works."""

from __future__ import annotations

import bz2
import io
import lzma
import re
import shlex
import zipfile
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import sparse
from sklearn.datasets import load_diabetes, load_wine

import muso_theory as mt
from muso_theory.data import Dataset, load
from muso_theory.errors import BadInputError, MusoError


@cache
def wine() -> pd.DataFrame:
    return load_wine(as_frame=True).frame


@cache
def diabetes() -> pd.DataFrame:
    return load_diabetes(as_frame=True).frame


def named_wine() -> pd.DataFrame:
    """Wine with its classes as text in a column that is written in capitals."""
    names = np.array(["barolo", "grignolino", "barbera"])[wine()["target"]]
    return wine().drop(columns="target").assign(Class=names)


def told(data: Dataset) -> dict[str, str]:
    return {row.word: row.value for row in data.understood}


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("wine.csv", wine().to_csv(index=False))


def zst(path: Path) -> None:
    with pa.output_stream(path, compression="zstd") as stream:
        stream.write(wine().to_csv(index=False).encode())


def forgetting(path: Path) -> None:
    frame = diabetes().assign(Forget=np.where(np.arange(442) % 9 == 0, "yes", "no"))
    frame["smoker"] = np.where(np.arange(442) % 2, "Yes", "No")
    frame.to_csv(path, index=False)


def two_classes(path: Path) -> None:
    frame = wine().assign(label=wine()["target"] == 0).drop(columns="target")
    frame.to_parquet(path)


Writer = Callable[[Path], Any]

WINE, DIABETES = ("classification", 3, 13, 178), ("regression", 0, 10, 442)
FILES: dict[str, tuple[str, Writer, tuple[str, int, int, int]]] = {
    "comma": ("diabetes.csv", lambda p: diabetes().to_csv(p, index=False), DIABETES),
    "pandas' index": ("diabetes.csv", lambda p: diabetes().to_csv(p), DIABETES),
    "classes": ("wine.csv", lambda p: wine().to_csv(p, index=False), WINE),
    "decimal commas": ("wine.csv", lambda p: wine().to_csv(p, sep=";", decimal=",", index=False), WINE),
    "tabs": ("wine.tsv", lambda p: wine().to_csv(p, sep="\t", index=False), WINE),
    "text classes": ("wine.csv", lambda p: named_wine().to_csv(p, index=False), WINE),
    "quoted": ("wine.csv", lambda p: named_wine().to_csv(p, index=False, quoting=1), WINE),
    "gzip": ("wine.csv.gz", lambda p: wine().to_csv(p, index=False), WINE),
    "bzip2": ("wine.csv.bz2", lambda p: p.write_bytes(bz2.compress(wine().to_csv().encode())), WINE),
    "xz": ("wine.csv.xz", lambda p: p.write_bytes(lzma.compress(wine().to_csv().encode())), WINE),
    "zip": ("wine.csv.zip", zipped, WINE),
    "zstandard": ("wine.csv.zst", zst, WINE),
    "Excel": ("wine.xlsx", lambda p: named_wine().to_excel(p, index=False), WINE),
    "Excel with an index": ("diabetes.xlsx", lambda p: diabetes().to_excel(p), DIABETES),
    "Parquet": ("wine.parquet", lambda p: wine().to_parquet(p), WINE),
    "Feather": ("diabetes.feather", lambda p: diabetes().to_feather(p), DIABETES),
    "named index": ("wine.parquet", lambda p: wine().rename_axis("bottle").to_parquet(p), WINE),
    "float32": ("d.parquet", lambda p: diabetes().astype(np.float32).to_parquet(p), DIABETES),
    "categories": ("w.parquet", lambda p: named_wine().astype({"Class": "category"}).to_parquet(p), WINE),
    "nullable": ("w.parquet", lambda p: wine().convert_dtypes().to_parquet(p), WINE),
    "truth values": ("w.parquet", two_classes, ("classification", 2, 13, 178)),
    "yes and no": ("d.csv", forgetting, ("regression", 0, 11, 442)),
}


@pytest.mark.parametrize("kind", FILES)
def test_target_and_task_are_right(kind: str, tmp_path: Path) -> None:
    name, write, (task, classes, features, n) = FILES[kind]
    write(tmp_path / name)
    data = load(tmp_path / name)
    assert told(data)["task"].startswith(task)
    assert (
        "label" in told(data)["target"] or "target" in told(data)["target"] or "Class" in told(data)["target"]
    )
    assert len(data.classes) == classes
    assert data.X.shape == (n, features)
    assert len(data.columns) == features
    whole = diabetes() if task == "regression" else wine()
    # Excel files are written with 16 digits, so that their numbers are not quite those of the frame.
    stored = {"float32": np.float32, "Excel with an index": lambda v: float(f"{v:.16g}")}.get(kind, float)
    kept = [column for column in data.columns if column != "smoker"]
    assert kept == [column for column in whole.columns if column != "target"]
    for j, column in enumerate(data.columns):
        if column != "smoker":
            expected = [float(stored(value)) for value in whole[column]]
            np.testing.assert_array_equal(data.X[:, j], expected)
    if task == "regression":
        np.testing.assert_array_equal(data.y, whole["target"])
    elif classes == 2:
        np.testing.assert_array_equal(data.y, np.where(whole["target"] == 0, 1.0, -1.0))
    else:
        order = {"barbera": 2, "barolo": 0, "grignolino": 1}
        codes = [order.get(name, i) for i, name in enumerate(data.classes)]
        np.testing.assert_array_equal(np.array(codes)[data.y.argmax(axis=1)], whole["target"])
    if kind == "yes and no":
        assert data.forget is not None
        assert data.forget.tolist() == list(range(0, 442, 9))
        np.testing.assert_array_equal(data.X[:, -1], np.arange(442) % 2)
    dropped = {"pandas' index": "Unnamed: 0", "named index": "index bottle", "xz": "Unnamed: 0"}
    assert dropped.get(kind, "") in told(data)["dropped"]


def nested(path: Path) -> None:
    frame = wine().copy()
    frame["tags"] = [["a", "b"]] * len(frame)
    frame.to_parquet(path)


def sheets(path: Path) -> None:
    with pd.ExcelWriter(path) as book:
        pd.DataFrame({"about": ["made by hand"], "on": ["Monday"]}).to_excel(
            book, sheet_name="Notes", index=False
        )
        wine().to_excel(book, sheet_name="Data", index=False)


def text(content: str, encoding: str = "utf-8") -> Writer:
    return lambda path: path.write_bytes(content.encode(encoding))


ROWS = "".join(f"{i * i},{i % 3},{i / 7:.3f}\n" for i in range(12))
REFUSED: dict[str, tuple[str, Writer, dict[str, Any], str]] = {
    "matrix": ("d.npy", lambda p: np.save(p, diabetes().to_numpy()), {}, "no column is named.*--target 10"),
    "sparse": (
        "w.npz",
        lambda p: sparse.save_npz(p, sparse.csr_array(wine().to_numpy())),
        {"target": "13"},
        "a matrix of scipy.sparse.*--dense",
    ),
    "latin": (
        "w.csv",
        text("größe,b,y\n" + ROWS, "cp1252"),
        {},
        "UTF-8 text.*perhaps cp1252.*--encoding cp1252",
    ),
    "utf-16": ("w.csv", text("a,b,y\n" + ROWS, "utf-16"), {}, "perhaps utf-16.*--encoding utf-16"),
    "unknown encoding": (
        "w.csv",
        text("a,b,y\n" + ROWS),
        {"encoding": "utf8mb4"},
        "known encoding.*--encoding cp1252",
    ),
    "no sheet": ("w.xlsx", sheets, {"sheet": "Dato"}, "a sheet of w.xlsx.*try 'Data'"),
    "sheet of text": ("w.csv", text("a,b,y\n" + ROWS), {"sheet": "Data"}, "leaving out --sheet"),
    "unknown column": (
        "w.csv",
        text("a,b,y\n" + ROWS),
        {"drop": ("bb",)},
        "a column of w.csv.*drop=bb.*try 'b'",
    ),
    "unknown target": ("w.csv", text("a,b,y\n" + ROWS), {"target": "z"}, "no such column"),
    "ambiguous case": ("w.csv", text("B,b,y\n" + ROWS), {"columns": ("b", "X")}, "no such column"),
    "two targets": ("w.csv", text("a,Label,y\n" + ROWS), {}, "one target column.*Label, y.*--target Label"),
    "two forget columns": (
        "w.csv",
        text("Forget,FORGET,y,z\n" + "".join(f"{i % 2},{i % 2},{i / 7},{i * i}\n" for i in range(9))),
        {},
        "one forget column.*--forget column:Forget",
    ),
    "constant target": (
        "w.csv",
        text("a,b,y\n" + "".join(f"{i * i},{i / 7},2\n" for i in range(9))),
        {},
        "one class only",
    ),
    "text column": (
        "w.csv",
        text('a,note,"first name",y\n' + "".join(f'{i * i},"two\nlines",Ann,{i / 7}\n' for i in range(9))),
        {},
        "'note'=two lines .w.csv, line 2: text.*--drop note --drop 'first name'",
    ),
    "mixed column": (
        "w.csv",
        text("a,b,y\n" + ROWS + "7,many,8\n"),
        {},
        "'b'=many .w.csv, line 14: text.*--drop b",
    ),
    "empty cell": ("w.csv", text("a,b,y\n" + ROWS + "7,,8\n"), {}, "'b'=''.*line 14: empty cell.*--drop b"),
    "not a number": ("w.csv", text("a,b,y\n" + ROWS + "7,NaN,8\n"), {}, "'b'=NaN.*line 14.*--drop b"),
    "large integer": (
        "w.csv",
        text("a,b,y\n" + ROWS + "7,9007199254740993,8\n"),
        {},
        r"above 2\*\*53.*--drop b",
    ),
    "counts the rows": (
        "w.csv",
        text("t,b,y\n" + "".join(f"{i},{i * i},{i / 7}\n" for i in range(9))),
        {},
        "--drop t",
    ),
    "group": (
        "w.csv",
        text("group_id,b,y\n" + "".join(f"{i % 4},{i * i},{i / 7}\n" for i in range(9))),
        {},
        "repeat.*--drop",
    ),
    "nested": ("w.parquet", nested, {}, "'tags'=.*row 0, counted from 0: .*nested.*--drop tags"),
    "dates": (
        "w.parquet",
        lambda p: wine().assign(day=pd.Timestamp("2020-01-01")).to_parquet(p),
        {},
        "'day'=2020-01-01.*Timestamp.*--drop day",
    ),
    "names as targets": (
        "w.csv",
        text("a,b,label\n" + "".join(f"{i * i / 2},{i / 7},person {i}\n" for i in range(30))),
        {},
        "30 distinct texts.*--task classification",
    ),
    "regression on text": (
        "w.csv",
        lambda p: named_wine().to_csv(p),
        {"task": "regression"},
        "--task classification",
    ),
    "classes of fractions": (
        "d.csv",
        text("a,b,y\n" + ROWS),
        {"task": "classification"},
        "--task regression",
    ),
    "both": ("w.csv", text("a,b,y\n" + ROWS), {"drop": ("b",), "columns": ("b",)}, "leaving out --drop b"),
}

OTHERWISE: dict[str, dict[str, Any]] = {
    "no sheet": {"sheet": "Data"},
    "sheet of text": {"sheet": None},
    "unknown column": {"drop": ("b",)},
    "unknown target": {"target": "y"},
    "ambiguous case": {"columns": ("b",)},
    "constant target": {"target": "b"},
    "both": {"drop": ()},
}
"""Cures in words, as a person would apply them."""


def cured(message: str) -> dict[str, Any]:
    """The first options that a refusal suggests, as arguments of ``load``."""
    advice = message.split("; try ")[1]
    words = shlex.split(re.split(r", | if | or ", advice[advice.index("--") :])[0])
    found: dict[str, Any] = {}
    while words:
        key = words.pop(0).removeprefix("--")
        value = words.pop(0) if words and not words[0].startswith("--") else True
        if key == "forget":
            value = str(value).removeprefix("column:")
        found[key] = (*found.get(key, ()), value) if key == "drop" else value
    return found


@pytest.mark.parametrize("kind", REFUSED)
def test_the_cure_of_every_refusal_works(kind: str, tmp_path: Path) -> None:
    name, write, options, words = REFUSED[kind]
    write(tmp_path / name)
    with pytest.raises(MusoError, match=words) as caught:
        load(tmp_path / name, **options)
    message = str(caught.value)
    assert "\n" not in message
    cure = OTHERWISE.get(kind) or cured(message)
    data = load(tmp_path / name, **{**options, **cure})
    assert data.n_samples >= 9


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a,a,y\n1,2,3\n", "distinct column names.*renaming one"),
        ("a,b,y\n", "rows after the header"),
        ("1,2,3\n4,5,6\n", "a first line of names"),
        ("a;b;y\n1,5;2.5;3\n2,5;3.5;4\n", "one decimal mark.*1,5.*2.5"),
        ("a;y\n1,5;2\n2;\n", "'y'=''.*line 3"),
        ("B,b,y\n1,2,3\n4,5,6\n", "may be B or b"),
    ],
)
def test_tables_that_have_to_be_mended(content: str, words: str) -> None:
    with pytest.raises(BadInputError, match=words):
        load("-", stdin=io.BytesIO(content.encode()), **({"target": "b "} if "may be" in words else {}))


def test_broken_files(tmp_path: Path) -> None:
    for name, write, _ in (
        FILES[kind] for kind in ("gzip", "xz", "zstandard", "Excel", "Parquet", "Feather")
    ):
        write(tmp_path / name)
        whole = (tmp_path / name).read_bytes()
        for length in (9, len(whole) // 2, len(whole) - 9):
            (tmp_path / name).write_bytes(whole[:length])
            with pytest.raises(BadInputError, match=r"^expected .*; try "):
                load(tmp_path / name)


def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    wine().to_parquet(tmp_path / "w.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        BadInputError, match=r"pyarrow is not installed.*pip install 'muso-theory\[parquet\]'"
    ):
        load(tmp_path / "w.parquet")


def test_a_memory_map_and_its_target(tmp_path: Path) -> None:
    np.save(tmp_path / "d.npy", diabetes().to_numpy())
    data = load(tmp_path / "d.npy", target="0")
    np.testing.assert_array_equal(data.y, diabetes()["age"])
    assert data.X.shape == (442, 10)
    assert load(tmp_path / "d.npy", target="10").y.tolist() == diabetes()["target"].tolist()
    with pytest.raises(BadInputError, match=r"a column from 0 to 10.*--target 10"):
        load(tmp_path / "d.npy", target="11")


def test_names_are_checked_before_anything_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, X=np.eye(3), y=np.arange(3.0), w_unlernt=np.ones(3))
    content = path.read_bytes()
    at = content.index(b"X.npy") + 60  # within the header of X: reading it would fail
    path.write_bytes(content[:at] + b"\0" * 8 + content[at + 8 :])
    with pytest.raises(BadInputError, match="try 'w_unlearned'"):
        load(path)


def test_integers_of_an_archive_that_brings_parameters_stay_numbers(tmp_path: Path) -> None:
    X, y = np.random.default_rng(0).standard_normal((12, 4)), np.arange(12) % 3
    path = tmp_path / "a.npz"
    np.savez(path, features=X, y=y, w_pretrained=np.ones(4))
    assert load(path).y.tolist() == y.tolist()
    assert "as given, since w_pretrained belong" in told(load(path))["task"]
    np.savez(path, features=X, y=y, w_pretrained=np.ones((4, 3)))
    assert load(path).y.shape == (12, 3)


def test_identifiers_under_other_names_and_columns_that_are_said() -> None:
    rows = "".join(f"{i},{i * i},{i / 7}\n" for i in range(9))

    def read(header: str, **options: Any) -> Dataset:
        return load("-", stdin=io.BytesIO((header + rows).encode()), **options)

    for name in ("id", "ID", "patient_id", "Index", ""):
        assert read(f"{name},a,y\n").columns == ("a",)
    assert read("t,a,y\n", columns=("t", "a")).columns == ("t", "a")
    assert read("t,a,y\n", index="t").columns == ("a",)
    assert read("valid,a,y\n", drop=("valid",)).columns == ("a",)
    assert told(read("u,v,w\n", index="u"))["target"].startswith("column w, the last one; none is named y")
    constant = load("-", stdin=io.BytesIO(b"a,z,y\n1,5,0.5\n3,5,1.5\n"))
    assert told(constant)["constant"] == "z: features that never change"


def test_cells_are_the_nearest_float64_whoever_reads_them(tmp_path: Path) -> None:
    values = np.random.default_rng(0).standard_normal(300) * 10.0 ** np.arange(-150, 150)
    frame = pd.DataFrame({"a": values, "y": values[::-1]})
    frame.to_csv(tmp_path / "a.csv", index=False)
    np.testing.assert_array_equal(load(tmp_path / "a.csv").X[:, 0], values)


def _cells(header: str, lines: Iterable[str], **options: Any) -> Dataset:
    return load("-", stdin=io.BytesIO("\n".join([header, *lines, ""]).encode()), **options)


def test_integers_that_name_the_samples_are_not_used() -> None:
    rng = np.random.default_rng(0)
    gaps = (np.cumsum(rng.integers(1, 9, 24)) + 5000).tolist()
    measured = rng.integers(0, 9, 24).tolist()
    lines = [f"{a},{b},{b / 7}" for a, b in zip(rng.permutation(gaps), measured, strict=True)]
    with pytest.raises(
        BadInputError, match=r"none repeats.*--drop customer if .* --columns customer --columns a if"
    ):
        _cells("customer,a,y", lines)
    assert _cells("customer,a,y", lines, drop=("customer",)).columns == ("a",)
    assert _cells("customer,a,y", lines, columns=("customer", "a")).columns == ("customer", "a")
    # Integers that repeat, and few that do not by chance, are data.
    assert _cells("customer,a,y", [*lines[:23], lines[0]]).columns == ("customer", "a")
    assert _cells("customer,a,y", lines[:19]).columns == ("customer", "a")


@pytest.mark.parametrize(
    ("header", "line", "cures", "no_cure"),
    [
        ("a,b,Label", "1.5,2.5,", "another --target", "--drop Label"),
        ("a,species,b", "1.5,{word},2.5", "--target species, or --target b --drop species", "categories"),
        ("day,a,y", "2020-01-{i:02},1.5,{i}.5", "numbers in its place, or --drop day", "categories"),
        ("a,y", "{i}.5,0.5{i} %", "digits and a decimal point", "--task"),
        ("a,y", '{i}.5,"1,{i}00.5"', "digits and a decimal point", "--drop y"),
        ("a,my note,y", "1.5,free {i} text,{i}.5", "--drop 'my note'", "categories"),
    ],
)
def test_a_cure_is_one_that_answers_the_question_asked(
    header: str, line: str, cures: str, no_cure: str
) -> None:
    lines = [line.format(i=i, word="uvw"[i % 3]) for i in range(1, 10)]
    with pytest.raises(BadInputError) as refused:
        _cells(header, lines)
    assert cures in str(refused.value)
    assert no_cure not in str(refused.value)


def test_a_constant_number_is_no_class() -> None:
    with pytest.raises(BadInputError, match=r"targets that differ.*one value only"):
        _cells("a,y", ["1.5,2.5", "3.5,2.5"])


def test_another_column_that_may_be_the_classes_is_told_beside_the_last_one() -> None:
    rng = np.random.default_rng(0)
    columns = {"kind": rng.integers(1, 4, 30), "size": rng.normal(size=30), "weight": rng.normal(size=30)}
    words = "kind: whole numbers of few values, which may be classes"

    def target(**changed: Any) -> str:
        text = pd.DataFrame(columns | changed).to_csv(index=False).encode()
        return told(load("-", stdin=io.BytesIO(text)))["target"]

    assert target().startswith("column weight, the last one")
    assert target().endswith(words)
    # The controls: other numbers, and a last column that is of classes itself.
    assert words not in target(kind=rng.normal(size=30))
    assert words not in target(weight=rng.integers(0, 3, 30))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_columns_of_several_levels_are_refused_by_the_first_name(count: int) -> None:
    columns = pd.MultiIndex.from_tuples([("size", str(i)) for i in range(count)])
    frame = pd.DataFrame(np.arange(4.0 * count).reshape(4, count), columns=columns)
    with pytest.raises(BadInputError, match=r"one name a column but got columns=.*'size', '0'.*join"):
        mt.from_frame(frame, forget=[0])
