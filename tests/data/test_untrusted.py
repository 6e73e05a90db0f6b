"""Files of others: any bytes end in words, within limits, and no text of theirs is obeyed by a terminal or a page."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import json
import lzma
import os
import re
import subprocess
import sys
import tracemalloc
import zipfile
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

import muso_theory as mt
from muso_theory.arrays import row_blocks
from muso_theory.data import Dataset, compressed, load, tables
from muso_theory.data.forget import parse_forget
from muso_theory.errors import MusoError, expected, printable
from muso_theory.files import kinds, reading, zipped
from muso_theory.files.reading import exact_number, grown, parse_json, read_bytes
from muso_theory.files.writing import npz_bytes
from muso_theory.networks import files as networks
from verification.commands import muso
from verification.readers import JSON_READERS, READERS, bad_bytes, read, valid_files


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A file that each reader accepts."""
    return valid_files(tmp_path_factory.mktemp("valid"))


_FAR = [0, 10**9, 2, -(10**9)]
SPARSE: dict[str, dict[str, Any]] = {
    "csr": {"indices": _FAR, "indptr": [0, 1, 2, 3, 4]},
    "csc": {"indices": _FAR, "indptr": [0, 1, 2, 4]},
    "csr ends": {"indices": [0, 1, 2, 0], "indptr": [0, 10**9, -(10**9), 3, 4]},
    "csr negative": {"indices": [0, 1, -1, 0], "indptr": [0, 1, 2, 3, 4]},
    "bsr": {"data": np.ones((4, 1, 1)), "indices": _FAR, "indptr": [0, 1, 2, 3, 4]},
    "coo": {"row": _FAR, "col": [0, 1, 2, 0]},
    "coo negative": {"row": [0, 1, 2, 3], "col": [0, -1, 2, 0]},
    "coo short": {"row": [0, 1], "col": [0, 1, 2, 0]},
    "dia": {"offsets": [0, 1, 2]},
}
"""Members of archives of scipy that lead outside of their matrix."""


@pytest.mark.parametrize("case", SPARSE)
def test_indices_of_a_sparse_matrix_are_looked_at_before_they_are_followed(case: str, tmp_path: Path) -> None:
    words = (
        "--dense",
        "--target",
        "0",
        "--features",
        "identity",
        "--forget",
        "rows:0",
        "--claim",
        "full-rank",
    )
    members = {"data": np.ones(4), "shape": [4, 3], "format": case[:3].encode(), **SPARSE[case]}
    path = tmp_path / "bad.npz"
    path.write_bytes(npz_bytes(members))
    # In a process of its own, which a signal may end.
    answer = subprocess.run(
        [sys.executable, "-m", "muso_theory", "check", str(path), *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert answer.returncode == 2
    assert answer.stderr.startswith("muso: expected a complete sparse matrix but got DATA=bad.npz (")


@pytest.mark.parametrize("form", ["csr", "csc", "bsr", "coo", "dia"])
def test_a_sparse_matrix_is_filled_in_as_scipy_does(form: str, tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(-2, 3, (6, 4)) / 2
    matrix = sparse.coo_array(values).asformat(form)
    if form == "coo":  # an entry twice is their sum
        matrix = sparse.coo_array((np.r_[matrix.data, 1.0], (np.r_[matrix.row, 2], np.r_[matrix.col, 1])))
    sparse.save_npz(tmp_path / "d.npz", matrix)
    found = load(str(tmp_path / "d.npz"), target="0", task="regression", dense=True)
    assert np.array_equal(np.c_[found.y, found.X], matrix.toarray())


def test_valid_files_are_read(valid: dict[str, bytes], tmp_path: Path) -> None:
    taken = [reader for reader in READERS if not read(reader, valid[reader], tmp_path)]
    # The report is about other data than the digits, and is told so as a mismatch or in words.
    assert set(READERS) - set(taken) <= {"report"}


@pytest.mark.parametrize("reader", READERS)
def test_bad_bytes_end_in_words(reader: str, valid: dict[str, bytes], tmp_path: Path) -> None:
    # One strategy for all examples, so that all are drawn in one way.
    @settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(data=bad_bytes(reader, valid[reader]))
    def end_in_words(data: bytes) -> None:
        read(reader, data, tmp_path)

    end_in_words()


# -- limits ----------------------------------------------------------------------------------------------------------

EVIL_JSON = {
    "brackets": b"[" * 100_000 + b"]" * 100_000,
    "braces": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "digits": b'{"schema": ' + b"9" * 5_000 + b"}",
    "float": b'{"schema": 1e999999999}',
    "twice": b'{"schema": 1, "schema": 2}',
    "open": b'{"a": "' + b'\\"' * 200_000,
    "NUL": b"\0" * 100,
    "list": b"[]",
    "latin": b'{"a": "\xe9"}',
}


@pytest.mark.parametrize("reader", JSON_READERS)
@pytest.mark.parametrize("evil", EVIL_JSON)
def test_evil_json_is_refused_by_every_reader(reader: str, evil: str, tmp_path: Path) -> None:
    # A certificate is only loaded here, whatever it says; `check_certificate` refuses the list.
    assert read(reader, EVIL_JSON[evil], tmp_path) or (reader, evil) == ("certificate", "list")


@pytest.mark.parametrize("evil", EVIL_JSON)
def test_evil_json_within_a_network(evil: str, valid: dict[str, bytes], tmp_path: Path) -> None:
    with np.load(io.BytesIO(valid["network"])) as file:
        arrays = {name: file[name] for name in file.files}
    arrays["arch"] = np.array(EVIL_JSON[evil].decode("latin-1"))
    assert read("network", npz_bytes(arrays), tmp_path)


def test_limits_of_json_are_told_and_reached() -> None:
    assert parse_json("[" * 40 + "]" * 40, "x") is not None
    for text, words in (
        ("[" * 41 + "]" * 41, "40 levels"),
        ("9" * 1001, "1,000 digits"),
        ("1e400", "beyond floats"),
    ):
        with pytest.raises(MusoError, match=words):
            parse_json(text, "x")
    assert parse_json("9" * 1000, "x") == int("9" * 1000)
    assert parse_json('{"a": "[[[[' + "[" * 100 + '"}', "x")  # brackets in a string are text


@pytest.mark.parametrize(
    "text", ["1e999999999", "1e5", "0.5", "1/0", "1/00", "", " 1", "1_0", "٣", "nan", "9" * 4001, 5, None]
)
def test_exact_numbers_have_one_form(text: Any) -> None:
    with pytest.raises(MusoError, match=r"expected an integer or a fraction p/q"):
        exact_number(text, "entry")
    assert exact_number("9" * 4000, "entry") == int("9" * 4000)


@pytest.mark.parametrize("column", ["a", "y", "forget"])
@pytest.mark.parametrize("sign", ["", "-", " +", "0"])
def test_cells_longer_than_any_integer_that_python_reads(column: str, sign: str, tmp_path: Path) -> None:
    cells = [{"a": f"{i % 5}.5", "y": f"{i % 3}.5", "forget": str(i % 2)} for i in range(12)]
    cells[3][column] = sign + "9" * 5001
    path = tmp_path / "long.csv"
    path.write_text("\n".join(["a,y,forget", *(",".join(row.values()) for row in cells)]))
    with pytest.raises(MusoError, match=f"column '{column}'"):
        load(path)
    if column == "forget":
        return
    # Zeros in front make text as long, and the number no larger.
    cells[3][column] = "0" * 5000 + "1"
    path.write_text("\n".join(["a,y,forget", *(",".join(row.values()) for row in cells)]))
    data = load(path)
    assert {"a": data.X[3, 0], "y": data.y[3]}[column] == 1


@pytest.mark.parametrize("digits", ["9" * 5001, "0" * 5000 + "9"], ids=["long", "zeros"])
@pytest.mark.parametrize("forget", ["rows:{}", "rows:0-{}", "random:{}", "retain:{}"])
def test_forget_sets_of_long_numbers(forget: str, digits: str) -> None:
    with pytest.raises(MusoError, match="out of range"):
        parse_forget(forget.format(digits), Dataset("eye", np.eye(8), np.arange(8.0), "0" * 64), 0)


@pytest.mark.parametrize("value", [10**400, -(10**5000), 10**5000], ids=["400", "-5000", "5000"])
@pytest.mark.parametrize("column", ["a", "y", "forget"])
def test_integers_of_a_frame_that_no_float_holds(column: str, value: int) -> None:
    cells: dict[str, list[Any]] = {"a": [0.5] * 9, "y": [1.5, 2.5, 3.5] * 3, "forget": [0] * 9}
    cells[column] = [value, *cells[column][1:]]
    with pytest.raises(MusoError, match=f"column '{column}'"):
        mt.from_frame(pd.DataFrame(cells, dtype=object), target="y")


def test_seeds_that_no_report_can_write() -> None:
    problem = mt.UnlearningProblem(np.eye(3), np.ones(3), [0])
    for seed in (2**128, 10**5000):
        with pytest.raises(MusoError, match=r"below 2\*\*128"):
            mt.check(problem, ["full-rank"], seed=seed)
    assert json.loads(mt.check(problem, ["full-rank"], seed=2**128 - 1).to_json())


@pytest.mark.parametrize("where", ["features", "targets", "values", "square_gap"])
def test_a_replay_with_an_exponent(where: str, valid: dict[str, bytes], tmp_path: Path) -> None:
    document = json.loads(valid["replay"])
    place = document["problem"] if where in document["problem"] else document
    place[where] = json.loads(re.sub(r'"-?[0-9/]+"', '"1e999999999"', json.dumps(place[where])))
    assert "p/q" in read("replay", json.dumps(document).encode(), tmp_path)


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="this system has no /dev/zero")
@pytest.mark.parametrize("reader", [r for r in READERS if r not in ("stdin", "statement", "checkpoint")])
@pytest.mark.parametrize("kind", ["device", "pipe", "directory", "missing", "NUL"])
def test_what_is_no_regular_file(reader: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "it"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    elif kind == "device":
        path = Path("/dev/zero")
    elif kind == "NUL":
        path = tmp_path / "a\0b"
    if reader == "evidence" and kind == "directory":
        return  # of which all files are read
    with pytest.raises(MusoError):
        READERS[reader](path)


def test_endless_input_ends() -> None:
    line = [sys.executable, "-m", "muso_theory", "check", "-"]
    with subprocess.Popen(
        line, stdin=subprocess.PIPE, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as process:
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            for _ in range(400):
                process.stdin.write(b"1,2,3\n" * 170_000)
        _, err = process.communicate()
    assert process.returncode == 2
    assert b"268,435,456 bytes in a pipe" in err


def _bomb(**members: int) -> bytes:
    """An archive of zeros: name and bytes of each array."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, size in members.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                header = {"descr": "<f8", "fortran_order": False, "shape": (size // 8 // 4, 4)}
                np.lib.format.write_array_header_1_0(member, header)
                for _ in range(size >> 20):
                    member.write(bytes(1 << 20))
    return stream.getvalue()


@pytest.mark.parametrize("reader", ["npz", "stdin", "network"])
@pytest.mark.parametrize(
    ("members", "words"), [({"X": 80 << 20, "y": 1 << 20}, "grow"), ({"x": 80 << 20}, "")]
)
def test_bombs_are_refused_before_they_are_read(
    reader: str, members: dict[str, int], words: str, tmp_path: Path
) -> None:
    data = _bomb(**members, **({"arch": 1 << 20} if reader == "network" else {}))
    tracemalloc.start()
    said = read(reader, data, tmp_path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert said
    assert (words or "expected") in said
    assert most < 30 << 20  # and the arrays have 80 MB


def test_a_header_that_lies_is_not_believed(tmp_path: Path) -> None:
    for shape in ((10**12,), (10**6, 10**6), (2**63,), (10**30,), (-1,), (-4, -4), (0, 10**30)):
        stream = io.BytesIO()
        np.lib.format.write_array_header_1_0(stream, {"descr": "<f8", "fortran_order": False, "shape": shape})
        npy = stream.getvalue() + bytes(64)
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("X.npy", npy)
            file.writestr("y.npy", npy)
        assert read("npy", npy, tmp_path)
        assert read("npz", archive.getvalue(), tmp_path)
        assert read("stdin", npy, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["gz", "bz2", "xz", "zip", "xlsx"])
def test_compressed_tables_that_grow(form: str, tmp_path: Path) -> None:
    text = b"a,y\n" + b"1,2\n" * (18 << 20)
    if form in ("zip", "xlsx"):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            if form == "xlsx":
                archive.writestr("[Content_Types].xml", "")
            archive.writestr("table.csv", text)
        data = stream.getvalue()
    else:
        data = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}[form](text)
    path = tmp_path / f"t.csv.{form}" if form not in ("zip", "xlsx") else tmp_path / f"t.{form}"
    path.write_bytes(data)
    assert len(text) > grown(len(data))
    with pytest.raises(MusoError, match=r"grows to at most [0-9,]+ bytes"):
        load(path)


@pytest.mark.parametrize(
    "words",
    [
        ("--n-features", 10**30),
        ("--n-features", 10**13),
        ("--n-features", "1e30"),
        ("--network", "mlp:" + "-".join(["3"] + ["1"] * 20_000) + ":relu"),
        ("--network", "mlp:3-1000000-1000000-1:relu"),
        ("--network", "mlp:3-" + "9" * 5000),
        ("--features-precision", 10**30),
    ],
    ids=lambda words: str(words)[:40],
)
def test_sizes_without_bounds_are_refused(words: tuple[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    path.write_bytes(npz_bytes({"X": np.eye(4, 3), "y": [1.0, 2.0, 3.0, 4.5]}))
    answer = muso("check", path, *words)
    assert (answer.status, answer.out) == (2, "")
    assert "internal error" not in answer.err
    assert "out of memory" not in answer.err


def test_architectures_without_bounds_are_refused() -> None:
    dense = {"type": "dense", "n_in": 1, "n_out": 1}
    wide = {"type": "dense", "n_in": 10**6, "n_out": 10**6}
    for layers in ([dense] * 20_000, [{"type": "residual", "layers": [dense] * 20_000}], [wide]):
        with pytest.raises(MusoError, match="at most"):
            networks.from_architecture({"input_shape": [layers[0].get("n_in", 1)], "layers": layers})


# -- what is printed ---------------------------------------------------------------------------------------------------

EVIL = "a\x1b[31mb\x9bc\x07d\u202ee"
BAD = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def _shows(text: str) -> None:
    """Shown, and without effect."""
    assert not BAD.search(text), ascii(text)
    assert "\\u001b" in text


@given(st.text(st.characters()))
def test_the_escape_is_complete_and_idempotent(text: str) -> None:
    shown = printable(text)
    assert not BAD.search(shown)
    assert printable(shown) == shown
    shown.encode()
    # JSON reads back what it was.
    assert json.loads(printable(json.dumps(text, ensure_ascii=False))) == text


@pytest.fixture
def evil(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    arrays = {"X": np.eye(4, 3) + 1, "y": np.array([EVIL, "b", "b", EVIL]), "forget": np.array([0])}
    Path(f"{EVIL}.npz").write_bytes(npz_bytes(arrays))
    rows = "".join(f"{x},{x * x},{word}\n" for x, word in ((1, EVIL), (2, "b"), (4, EVIL), (8, "b")))
    Path("d.csv").write_text(f'"{EVIL}",c,y\n{rows}', encoding="utf-8")
    Path("cell.csv").write_text(f"a,b,y\n1,{EVIL},2\n2,3,4\n", encoding="utf-8")
    Path("rule.py").write_text(f"def rule(p):\n    raise ValueError({EVIL!r})\n")
    Path("import_.py").write_text(f"raise ValueError({EVIL!r})\n")
    Path("members.npz").write_bytes(npz_bytes({EVIL: np.eye(2)}))
    Path("evil.json").write_text(json.dumps({EVIL: 1, "schema": 2}))
    Path("twice.json").write_text(f'{{"{ascii(EVIL)[1:-1]}": 1}}'.replace("\\x", "\\u00"))
    return tmp_path


SWEEP = ("sweep", f"{EVIL}.npz", "--over", "subset", "--values", "1", "--seeds", "1", "--jobs", "1")
COMMANDS = [
    ("check", f"{EVIL}.npz", "--claim", "full-rank"),
    ("check", f"{EVIL}.npz", "--claim", "full-rank", "--json", "-"),
    ("check", "d.csv", "--claim", "full-rank", "--forget", "rows:0"),
    ("check", "d.csv", "--claim", "full-rank", "--forget", "rows:0", "--json", "-"),
    ("check", "cell.csv"),
    ("check", "members.npz"),
    ("check", "members.npz", "--debug"),
    ("check", f"no{EVIL}"),
    ("check", "digits", "--claim", EVIL),
    ("check", "digits", "--forget", EVIL),
    ("check", "digits", "--network", EVIL),
    ("check", "digits", "--optimizer", EVIL),
    ("labels", f"{EVIL}.npz", "-o", f"{EVIL}.out"),
    ("labels", "digits", "--method", EVIL, "-o", "x"),
    ("unlearn", f"{EVIL}.npz", "--method", "none"),
    ("unlearn", f"{EVIL}.npz", "--method", "none", "--json", "-"),
    ("unlearn", "d.csv", "--method", "none", "--forget", "rows:0"),
    ("unlearn", "digits", "--method", EVIL),
    ("unlearn", "digits", "--set", EVIL),
    ("unlearn", "digits", "--set", f"{EVIL}={EVIL}"),
    ("sweep", "digits", "--over", EVIL, "--json", "s.json"),
    ("sweep", "digits", "--over", "subset", "--values", EVIL, "--json", "s.json"),
    (*SWEEP, "--json", f"{EVIL}.json"),
    ("figure", EVIL),
    ("figure", "twice.json"),
    ("recheck", f"{EVIL}.npz", "digits"),
    ("recheck", "evil.json", EVIL),
    ("claims", EVIL),
    ("explain", EVIL),
    ("prove", EVIL),
    ("prove", "exact-labels", "--evidence", EVIL),
    ("refute", EVIL),
    ("refute", f"{EVIL}.py:{EVIL}"),
    ("refute", "rule.py:rule", "--max-examples", "5"),
    ("refute", "rule.py:rule", "--max-examples", "5", "--format", "python"),
    ("refute", "rule.py:rule", "--max-examples", "5", "--format", "json"),
    ("refute", "import_.py:rule"),
    ("refute", "--claim", EVIL),
    ("refute", "--replay", "evil.json"),
    ("refute", "--replay", EVIL),
]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words).replace(EVIL, "EVIL"))
def test_no_command_prints_control_characters(words: tuple[str, ...], evil: Path) -> None:
    answer = muso(*words)
    assert not BAD.search(answer.out + answer.err), ascii(answer.out + answer.err)
    if "evil.json" not in words and words[0] != "recheck":  # which are refused before their words are told
        assert "\\u001b" in answer.out + answer.err


def test_colours_of_a_terminal_are_only_ours(evil: Path) -> None:
    answer = muso("check", f"{EVIL}.npz", "--claim", "full-rank", terminal=True)
    assert not BAD.search(re.sub(r"\x1b\[[0-9;]*m", "", answer.out))
    assert "\\u001b[31mb" in answer.out.replace("\n", "")


def test_pages_and_reprs_show_control_characters(evil: Path) -> None:
    muso("check", f"{EVIL}.npz", "--claim", "full-rank", "--html", "page.html", "--json", "report.json")
    _shows(Path("page.html").read_text(encoding="utf-8"))
    _shows(Path("report.json").read_text(encoding="utf-8"))
    assert muso("recheck", "report.json", f"{EVIL}.npz").status == 0
    report = mt.check(mt.UnlearningProblem(np.eye(3), [1.0, 2.0, 3.0], [0]), "full-rank")
    from dataclasses import replace

    named = replace(report, title=f"about {EVIL}")
    for text in (repr(named), named.to_markdown(), named._repr_html_(), named.to_json()):
        _shows(text)
    _shows(repr(load(f"{EVIL}.npz")))
    found = mt.refute(lambda p: mt.optimal_labels(p) + 1, max_examples=20, name=EVIL)
    for text in (str(found), repr(found)):
        _shows(text)


def test_results_and_captions_show_control_characters(evil: Path) -> None:
    muso("unlearn", f"{EVIL}.npz", "--method", "none", "--json", "u.json", "--html", "u.html")
    muso(*SWEEP, "--json", f"{EVIL}.json")
    for name in ("u.json", "u.html", f"{EVIL}.json"):
        _shows(Path(name).read_text(encoding="utf-8"))
    drawn = muso("figure", f"{EVIL}.json", "u.json", "--out", "drawn")  # as the hash of each still fits
    assert (drawn.status, drawn.err) == (0, "")
    _shows(drawn.out)
    for caption in Path("drawn").glob("*.txt"):
        _shows(caption.read_text(encoding="utf-8"))
    found = mt.unlearn(f"{EVIL}.npz", "none")
    for text in (repr(found), found._repr_html_()):
        _shows(text)


def test_an_error_is_one_line() -> None:
    assert str(expected(f"a\n{EVIL}", "x\ny", f"{EVIL}\nmuso: fine", "b\nc", "d\ne")).count("\n") == 0


def test_bytes_that_are_no_text_in_a_name(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.npz")
    Path(path).write_bytes(npz_bytes({"X": np.eye(4, 3), "y": [1.0, 2.0, 3.0, 4.5]}))
    shown = muso("check", path, "--claim", "full-rank", "--forget", "rows:0", "--json", tmp_path / "r.json")
    assert shown.status in (0, 1, 3)
    assert "\\udcff" in shown.out
    assert muso("recheck", tmp_path / "r.json", path).status == 0


def test_read_bytes_has_a_limit(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"12345")
    assert read_bytes(path, "x", 5) == b"12345"
    with pytest.raises(MusoError, match="at most 4 bytes"):
        read_bytes(path, "x", 4)


def test_numbers_stay_exact() -> None:
    assert exact_number("22/7", "entry") == Fraction(22, 7)


@pytest.mark.parametrize("form", ["gz", "bz2", "xz", "zip", "xlsx"])
@pytest.mark.parametrize("beyond", [0, 1])
def test_what_grows_by_one_byte_too_many_is_refused(
    form: str, beyond: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = b"a,y\n" + b"1,2\n" * 50
    for module in (compressed, tables):
        monkeypatch.setattr(module, "grown", lambda size: len(text) - beyond)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("table.csv", text)
    if form == "xlsx":  # no workbook: it is refused either way, in other words
        with pytest.raises(MusoError, match="grows to at most" if beyond else r"complete \.xlsx file"):
            tables.read_table(stream.getvalue(), "xlsx", "t.xlsx", sheet=None, encoding=None)
        return
    pack = {
        "gz": gzip.compress,
        "bz2": bz2.compress,
        "xz": lzma.compress,
        "zip": lambda text: stream.getvalue(),
    }
    if beyond:
        with pytest.raises(MusoError, match=r"grows to at most 203 bytes"):
            compressed.decompressed(pack[form](text), form, "t.csv")
    else:
        assert compressed.decompressed(pack[form](text), form, "t.csv") == text


@pytest.mark.parametrize("beyond", [0, 1])
def test_a_pipe_of_one_byte_too_many_is_refused(beyond: int, monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytes(range(256)) * 5000
    monkeypatch.setattr(reading, "_MOST_STREAMED", len(data) - beyond)
    if beyond:
        with pytest.raises(MusoError, match=r"at most 1,279,999 bytes in a pipe"):
            reading.read_stream(io.BytesIO(data), "-")
    else:
        assert reading.read_stream(io.BytesIO(data), "-") == data


def test_long_arrays_are_read_whole_however_they_are_laid_out() -> None:
    values = np.random.default_rng(0).standard_normal((700, 600))
    for array in (values, np.asfortranarray(values), values[:, :1], values[:0], np.float64(2.5)):
        stream = io.BytesIO()
        np.savez_compressed(stream, a=array, b=values[0])
        found = reading.read_arrays(io.BytesIO(stream.getvalue()), "d.npz", lambda names: None)
        assert list(found) == ["a", "b"]
        assert np.array_equal(found["a"], array)
        assert found["a"].shape == np.shape(array)


# -- little of a file that makes much ----------------------------------------------------------------------------------


def test_only_the_last_seal_of_a_file_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[int] = []
    real = kinds.hashlib.sha256
    monkeypatch.setattr(
        kinds, "hashlib", SimpleNamespace(sha256=lambda data: hashed.append(len(data)) or real(data))
    )
    path, line = tmp_path / "d.csv", f'"muso-theory sha256 {"a" * 64}\n",1,2\n'
    path.write_text("a,b,y\n" + line * 200)
    assert not kinds.is_sealed(path)
    assert len(hashed) <= len(kinds.SEALED)
    # A page that shows a sealed drawing has a seal of its own behind it.
    path.write_bytes(kinds.with_seal(b"<html>" + kinds.with_seal(b"<svg></svg>", "svg") + b"</html>", "html"))
    assert kinds.is_sealed(path)


def _workbook(*cells: str) -> bytes:
    """A workbook with numbers in some cells only."""
    book = openpyxl.Workbook()
    for cell in cells:
        book.active[cell] = 1.0
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


@pytest.mark.parametrize(("cell", "columns"), [("CV200", 100), ("A20000", 1), ("ZZ30", 702)])
def test_a_cell_far_away_makes_no_more_cells_than_a_limit(
    cell: str, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "_MOST_CELLS", 15_000)
    with pytest.raises(MusoError, match=r"a sheet of at most 15,000 cells.*d.xlsx: more"):
        tables.read_table(_workbook("A1", cell), "xlsx", "d.xlsx", sheet=None, encoding=None)
    monkeypatch.setattr(tables, "_MOST_CELLS", 50_000)
    found = tables.read_table(_workbook("A1", "A3", cell), "xlsx", "d.xlsx", sheet=None, encoding=None)
    assert found.frame.shape[1] == columns


def test_a_full_sheet_of_any_size_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_MOST_CELLS", 1)
    cells = [f"{column}{row}" for column in "ABCDEFGH" for row in range(1, 300)]
    found = tables.read_table(_workbook(*cells), "xlsx", "d.xlsx", sheet=None, encoding=None)
    assert found.frame.shape == (298, 8)


def _members(count: int, name: str = "{}.npy") -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for number in range(count):
            archive.writestr(name.format(number), b"")
    return stream.getvalue()


@pytest.mark.parametrize("ending", ["npz", "zip", "xlsx"])
def test_members_are_counted_before_any_is_made(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    class Counting(zipfile.ZipInfo):
        def __init__(self, *arguments: Any) -> None:
            made.append("one")
            super().__init__(*arguments)

    monkeypatch.setattr(zipped, "_MOST_MEMBERS", 20)
    whole = _members(21)
    # What the archive says of their number is not what is read.
    lying = bytearray(whole)
    at = lying.rfind(b"PK\x05\x06")
    lying[at + 8 : at + 12] = b"\1\0\1\0"
    for data in (whole, bytes(lying)):
        path = tmp_path / f"d.{ending}"
        path.write_bytes(data)
        monkeypatch.setattr(zipfile, "ZipInfo", Counting)
        with pytest.raises(MusoError, match="an archive of at most 20 files"):
            load(path)
        assert made == []
        monkeypatch.undo()
        monkeypatch.setattr(zipped, "_MOST_MEMBERS", 20)
    with zipped.open_archive(io.BytesIO(_members(20))) as archive:
        assert len(archive.namelist()) == 20


def test_values_of_json_are_counted_before_any_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_MOST_VALUES", 100)
    asked: list[str] = []
    real = json.loads
    monkeypatch.setattr(
        reading.json, "loads", lambda text, **hooks: asked.append(text) or real(text, **hooks)
    )
    for text in (
        "[" + "[]," * 60 + "1]",
        "[" + "{}," * 99 + "1]",
        "[" + "1," * 100 + "1]",
        '"\\"' + '""' * 250,
    ):
        with pytest.raises(MusoError, match="more than 100 values"):
            parse_json(text, "x")
    assert asked == []
    assert parse_json("[" + "1," * 99 + "1]", "x") == [1] * 100
    assert parse_json('{"a": "' + "," * 500 + '"}', "x") == {"a": "," * 500}  # of a text they are letters


@pytest.mark.parametrize("shape", [(10**15, 0), (0, 10**15), (10**15, 0, 3)])
def test_empty_arrays_of_many_rows_end_at_once(shape: tuple[int, ...], tmp_path: Path) -> None:
    empty = np.lib.stride_tricks.as_strided(np.zeros(0), shape, (0,) * len(shape))
    assert len(list(row_blocks(empty))) <= 1
    header = {"descr": "<f8", "fortran_order": False, "shape": shape}
    npy = io.BytesIO()
    np.lib.format.write_array_header_1_0(npy, header)
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("X.npy", npy.getvalue())
        archive.writestr("y.npy", npy.getvalue())
    assert read("npz", data.getvalue(), tmp_path)
    assert read("npy", npy.getvalue(), tmp_path)
    assert read("stdin", npy.getvalue(), tmp_path)
    with pytest.raises(MusoError):
        mt.UnlearningProblem(empty, np.zeros(3), [0])


@pytest.mark.parametrize("dtype", ["<U1", ">U1", "<U0"])
def test_text_that_is_none(dtype: str, tmp_path: Path) -> None:
    shape = (4,) if dtype != "<U0" else (10**8,)
    npy = io.BytesIO()
    np.lib.format.write_array_header_1_0(npy, {"descr": dtype, "fortran_order": False, "shape": shape})
    codes = np.full(4, 0x7FFFFFFF, f"{dtype[0]}u4").tobytes() if dtype != "<U0" else b""
    npy.write(codes)
    for key in ("y", "groups"):
        arrays = {"X": np.eye(4, 3), "y": np.arange(4.0)}
        arrays.pop(key, None)
        data = io.BytesIO(npz_bytes(arrays))
        with zipfile.ZipFile(data, "a") as archive:
            archive.writestr(f"{key}.npy", npy.getvalue())
        assert "complete .npz archive" in read("npz", data.getvalue(), tmp_path)
    stream = io.BytesIO()
    np.save(stream, np.array(["a\U0010ffff", ""], dtype=f"{dtype[0]}U2"))
    stream.seek(0)
    assert reading.read_array(stream, 10**4, "y").tolist() == ["a\U0010ffff", ""]


@pytest.mark.parametrize("digits", ["9" * 5001, "0" * 5000 + "9", "²", "٣", "-1", ""], ids=lambda d: d[:3])
def test_columns_of_a_matrix_that_are_none(digits: str, tmp_path: Path) -> None:
    np.save(tmp_path / "d.npy", np.arange(12.0).reshape(4, 3) ** 2)
    with pytest.raises(MusoError, match="a column from 0 to 2"):
        load(tmp_path / "d.npy", target=digits)
    assert load(tmp_path / "d.npy", target="0" * 5000 + "2").y.tolist() == [4.0, 25.0, 64.0, 121.0]


def test_standard_input_that_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(MusoError, match=r"data on standard input but got DATA=- \(closed\)"):
        load("-")
