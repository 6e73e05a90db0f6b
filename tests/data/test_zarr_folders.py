"""Folders of zarr as data: what an archive of the same arrays says, and nothing in them is run."""

import gc
import gzip
import json
import os
import pickle
import shutil
import socket
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.commands.cli import main
from muso_theory.data import load, public_samples, stores
from muso_theory.files.writing import npz_bytes
from muso_theory.machine import memory_of
from muso_theory.stored import Stored
from verification.commands import muso

zarr = pytest.importorskip("zarr", reason="the extra [zarr] is not installed")

RNG = np.random.default_rng(0)
ARRAYS = {"features": RNG.standard_normal((60, 5)), "y": RNG.integers(0, 3, 60), "forget": np.arange(4)}


def folder(path: Path, arrays: dict[str, Any], version: int = 3, rows: int = 7) -> Path:
    group = zarr.open_group(str(path), mode="w", zarr_format=version)
    for name, values in arrays.items():
        chunks = (rows, *values.shape[1:])
        made = group.create_array(name, shape=values.shape, chunks=chunks, dtype=values.dtype)
        made[...] = values
    return path


def verdicts(path: Path) -> list[Any]:
    data = load(path)
    report = mt.check(mt.UnlearningProblem(data.X, data.y, data.forget), "exact-labels")
    return [(row.name, row.verdict) for row in report.evidence.values()]


@pytest.mark.parametrize("version", [2, 3])
def test_a_folder_says_what_an_archive_of_its_arrays_says(tmp_path: Path, version: int) -> None:
    made, archive = folder(tmp_path / "d.zarr", ARRAYS, version), tmp_path / "d.npz"
    archive.write_bytes(npz_bytes(ARRAYS))
    here, there = load(made), load(archive)
    assert isinstance(here.X, Stored)
    np.testing.assert_array_equal(here.X[:], there.X)
    assert (here.classes, list(here.forget)) == (there.classes, list(there.forget))  # type: ignore[arg-type]
    assert verdicts(made) == verdicts(archive) != []
    assert here.sha256 == load(shutil.copytree(made, tmp_path / "copy")).sha256
    other = folder(tmp_path / "o.zarr", {**ARRAYS, "y": 2 - ARRAYS["y"]}, version)
    assert load(other).sha256 != here.sha256


def test_commands_take_a_folder_and_write_nothing_into_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = folder(tmp_path / "d.zarr", ARRAYS)
    before = sorted(made.rglob("*"))
    report = tmp_path / "r.json"

    def run(*words: str) -> int:
        with pytest.raises(SystemExit) as stopped:
            main(["check", str(made), *words])
        return int(str(stopped.value.code))

    assert run("--claim", "exact-labels", "--json", str(report)) == 0
    for name in (f"{made}/", made, f"{made}//"):  # as a shell completes it
        assert muso("recheck", report, name).status == 0
    for option, name in (("--json", "r.json"), ("--checkpoint", "kept"), ("--figures", "y")):
        assert run(option, str(made / name)) == 2
        assert "outside what is read" in capsys.readouterr().err
    assert sorted(made.rglob("*")) == before


def test_one_array_has_its_targets_in_another_file(tmp_path: Path) -> None:
    one = zarr.open_array(str(tmp_path / "x.zarr"), mode="w", shape=(60, 5), chunks=(9, 5), dtype="f4")
    one[:] = ARRAYS["features"]
    np.save(tmp_path / "y.npy", ARRAYS["y"])
    data = load(tmp_path / "x.zarr", target=str(tmp_path / "y.npy"))
    assert (data.X.dtype, data.X.shape, len(data.classes)) == (np.float32, (60, 5), 3)
    for target in (None, "2"):
        with pytest.raises(mt.BadInputError, match=r"--target y\.npy"):
            load(tmp_path / "x.zarr", target=target)


def test_words_are_classes_and_samples_are_read(tmp_path: Path) -> None:
    arrays = {"X": np.eye(6), "y": np.array(["cat", "dog"] * 3)}
    data = load(folder(tmp_path / "d.zarr", arrays, 2))
    assert data.classes == ("cat", "dog")
    assert isinstance(data.X, np.ndarray)


def test_a_codec_that_would_run_the_data_is_refused_unread(tmp_path: Path) -> None:
    class Runs:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "ran",)

    made = folder(tmp_path / "d.zarr", ARRAYS, 2)
    known = json.loads((made / "y" / ".zarray").read_text())
    known |= {"compressor": {"id": "pickle", "protocol": 5}}
    (made / "y" / ".zarray").write_text(json.dumps(known))
    for chunk in (made / "y").glob("[0-9]*"):
        chunk.write_bytes(pickle.dumps(Runs()))
    with pytest.raises(mt.BadInputError, match=r"harmless but got DATA=d\.zarr \(pickle\)"):
        load(made)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("codec", ["numcodecs.pickle", "zzz"])
def test_codecs_within_codecs_are_found(tmp_path: Path, codec: str) -> None:
    made = folder(tmp_path / "d.zarr", ARRAYS)
    known = json.loads((made / "y" / "zarr.json").read_text())
    inner = {"chunk_shape": [7], "codecs": known["codecs"], "index_codecs": [{"name": codec}]}
    known["codecs"] = [{"name": "sharding_indexed", "configuration": inner}]
    (made / "y" / "zarr.json").write_text(json.dumps(known))
    with pytest.raises(mt.BadInputError, match=rf"\({codec.rpartition('.')[2]}\)"):
        load(made)


def refused(path: Path | str, words: str) -> None:
    with pytest.raises(mt.MusoError, match=words):
        load(path)


def says(made: Path, **changes: Any) -> Path:
    """Change what an array of version 3 of the format says of itself."""
    known = json.loads((made / "zarr.json").read_text())
    (made / "zarr.json").write_text(json.dumps(known | changes))
    return made.parent


def chunked(*rows: int) -> dict[str, Any]:
    return {"name": "regular", "configuration": {"chunk_shape": rows}}


def test_what_is_wrong_is_told_in_words(tmp_path: Path) -> None:
    holed = ARRAYS["features"].copy()
    holed[33, 2] = np.nan
    refused(folder(tmp_path / "nan.zarr", {**ARRAYS, "features": holed}), r"features\[33")
    refused(folder(tmp_path / "name.zarr", {**ARRAYS, "w_unlearnt": np.ones(5)}), "w_unlearned")
    refused(folder(tmp_path / "no.zarr", {"features": ARRAYS["features"]}), "y")
    groups = folder(tmp_path / "groups.zarr", ARRAYS)
    zarr.open_group(str(groups)).create_group("inner")
    refused(groups, "groups inner")
    for text in ("[", "[" * 100_000, ""):
        made = folder(tmp_path / "broken.zarr", ARRAYS)
        (made / "zarr.json").write_text(text)
        refused(made, "DATA=")
    cut = folder(tmp_path / "cut.zarr", ARRAYS)
    for chunk in (cut / "features" / "c" / "3").rglob("*"):
        if chunk.is_file():
            chunk.write_bytes(chunk.read_bytes()[:9])
    refused(cut, "zarr can read|features")
    with memory_of(10), pytest.raises(mt.BadInputError, match="of at most 10 bytes"):
        load(folder(tmp_path / "large.zarr", ARRAYS))
    huge = folder(tmp_path / "huge.zarr", ARRAYS)
    zarr.open_group(str(huge)).create_array("w_init", shape=(10**9,), chunks=(10**6,), dtype="f8")
    refused(huge, r"grows to at most .* w_init=\(1000000000,\)")
    (tmp_path / "plain").mkdir()
    assert not stores.is_store(tmp_path / "plain")
    refused(tmp_path / "plain", "directory")


def bound(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path.name)  # the whole path may be longer than a socket's


OTHERS = {"symbolic link": lambda path: path.symlink_to("/dev/zero"), "pipe": os.mkfifo, "socket": bound}


@pytest.mark.parametrize("file", ["y/c/3", "y/zarr.json", "features/.zattrs", "features/c/2/0"])
@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_no_file_is_refused_unopened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, kind: str
) -> None:
    made = folder(tmp_path / "d.zarr", ARRAYS)
    (made / file).unlink(missing_ok=True)
    monkeypatch.chdir((made / file).parent)
    OTHERS[kind](made / file)

    def opened(*_: Any, **__: Any) -> Any:
        raise AssertionError("something was opened")

    monkeypatch.setattr(stores, "read_json", opened)
    monkeypatch.setattr(zarr, "open_array", opened)
    monkeypatch.setattr(zarr, "open", opened)
    refused(made, rf"files and folders alone but got DATA=d\.zarr/{file} \({kind}\)")


def test_an_array_elsewhere_is_not_read_and_a_folder_may_be(tmp_path: Path) -> None:
    made = folder(tmp_path / "d.zarr", ARRAYS)
    link = tmp_path / "link.zarr"
    link.symlink_to(made)
    assert load(link).sha256 == load(made).sha256
    os.rename(made / "features", tmp_path / "elsewhere")
    (made / "features").symlink_to("../elsewhere")
    refused(made, r"d\.zarr/features \(symbolic link\); try a copy with what links lead to")


@pytest.mark.parametrize(
    ("version", "file", "text"),
    [
        (2, "*/.zattrs", "{"),
        (2, ".zattrs", "[]"),
        (2, ".zmetadata", "{"),
        (2, "*/.zarray", "{}"),
        (3, "*/zarr.json", '{"node_type": "array", "zarr_format": 3}'),
        (3, "features/zarr.json", "3"),
        (3, "zarr.json", "{}"),
    ],
)
def test_broken_metadata_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, version: int, file: str, text: str
) -> None:
    made = folder(tmp_path / "d.zarr", ARRAYS, version)
    for path in made.glob(file) if "*" in file else (made / file,):
        path.write_text(text)
    refused(made, "DATA=|array named")
    gc.collect()  # when a task that nobody asked is told of
    assert caplog.records == []


def test_attributes_are_no_matter(tmp_path: Path) -> None:
    made = folder(tmp_path / "d.zarr", ARRAYS, 2)
    (made / "features" / ".zattrs").write_text('{"missing": NaN, "filters": "low-pass"}')
    assert load(made).X.shape == (60, 5)


@pytest.mark.parametrize("codec", [{"id": "zlib", "name": "numcodecs.bitround"}, "bitround"])
def test_a_codec_has_no_second_name(tmp_path: Path, codec: Any) -> None:
    made = folder(tmp_path / "d.zarr", ARRAYS)
    known = json.loads((made / "y" / "zarr.json").read_text())
    refused(says(made / "y", codecs=[codec, *known["codecs"]]), r"\(bitround\)")


def test_a_chunk_is_not_much_larger_in_its_file_than_in_memory(tmp_path: Path) -> None:
    compressor = {"name": "gzip", "configuration": {"level": 9}}
    made = folder(tmp_path / "d.zarr", ARRAYS)
    says(made / "y", codecs=[{"name": "bytes", "configuration": {"endian": "little"}}, compressor])
    for i in range(9):
        rows = np.zeros(7, np.int64)
        rows[: len(ARRAYS["y"]) - 7 * i] = ARRAYS["y"][7 * i : 7 * i + 7]
        (chunk := made / "y" / "c" / str(i)).write_bytes(honest := gzip.compress(rows.tobytes()))
    assert len(load(made).classes) == 3
    most = 2 * 7 * 8 + 2**16
    chunk.write_bytes(gzip.compress(bytes(1 << 27)))
    assert most < chunk.stat().st_size < 2 * most
    refused(made, rf"files of at most {most:,} bytes for chunks of \(7,\) but got y=\(60,\)")
    stray = made / "features" / "c.9.0"  # which is no chunk
    stray.write_bytes(bytes(10**6))
    chunk.write_bytes(honest)
    assert load(made).X.shape == (60, 5)


@pytest.mark.filterwarnings("ignore:The codec `vlen-utf8`")  # of which zarr 3.0 says that it may change
def test_long_words_are_no_bomb(tmp_path: Path) -> None:
    names = np.array([RNG.bytes(100).hex() for _ in range(2)] * 300)
    made = folder(tmp_path / "d.zarr", {"X": np.eye(600, 2), "y": np.arange(600.0)})
    group = zarr.open_group(str(made))
    text = group.create_array("groups", shape=600, chunks=600, dtype=str, compressors=None)
    text[:] = names
    assert (made / "groups" / "c" / "0").stat().st_size > 2 * 600 * 16 + 2**16
    assert set(load(made).groups) == set(names)  # type: ignore[arg-type]
    with memory_of(4 * 600 * 200 - 1):
        refused(made, r"text of at most 479,999 bytes.* groups=\(600,\) \(480,000 bytes\)")


def test_what_one_read_makes_has_room_in_memory(tmp_path: Path) -> None:
    made = folder(tmp_path / "d.zarr", ARRAYS)
    with memory_of(10**6):
        refused(
            says(made / "y", chunk_grid=chunked(10**6)), r"an array of at most 1,000,000 bytes.*y=\(60,\)"
        )
    refused(
        says(made / "y", chunk_grid=chunked(10**9)), r"grows to at most 67,108,864 bytes but got y=\(60,\)"
    )
    wide = folder(tmp_path / "w.zarr", ARRAYS)
    shutil.rmtree(wide / "features")
    narrow = zarr.open_group(str(wide)).create_array("features", shape=(60, 5), chunks=(60, 1), dtype="f8")
    narrow[:] = ARRAYS["features"]
    with memory_of(1000):
        refused(wide, r"a block of at most 1,000 bytes.*\(2,400 bytes\); try smaller chunks")


@pytest.mark.parametrize("version", [2, 3])
def test_chunks_that_are_not_there_are_told(tmp_path: Path, version: int) -> None:
    def gaps(path: Path) -> list[Any]:
        return [(row.value, row.how, row.option) for row in load(path).understood if row.word == "chunks"]

    made = folder(tmp_path / "d.zarr", ARRAYS, version)
    assert gaps(made) == []
    chunks = sorted(path for path in (made / "features").rglob("[0-9]*") if path.is_file())
    assert len(chunks) == 9
    os.rename(chunks[4], chunks[4].with_name("77"))  # a chunk of no rows
    told = "1 of 9 chunks of features are not there: read as 0.0"
    assert gaps(made) == [(told, "inferred", "DATA")]
    (made / "y" / ("c/1" if version == 3 else "1")).unlink()
    assert gaps(made) == [(f"{told}; 1 of 9 chunks of y are not there: read as 0", "inferred", "DATA")]
    for chunk in chunks:
        chunk.unlink(missing_ok=True)
    refused(made, r"chunks with entries but got features=\(60, 5\) \(none of them is there\)")


def test_a_report_tells_of_missing_chunks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made, report = folder(tmp_path / "d.zarr", ARRAYS), tmp_path / "r.json"
    (made / "features" / "c" / "4" / "0").unlink()
    with pytest.raises(SystemExit):
        main(["check", str(made), "--claim", "exact-labels", "--json", str(report)])
    assert "1 of 9 chunks of features" in capsys.readouterr().out
    (row,) = (row for row in json.loads(report.read_text())["input"]["understood"] if row["word"] == "chunks")
    assert row["how"] == "inferred"


def test_missing_shards_are_told_and_what_has_no_finite_value_is_refused(tmp_path: Path) -> None:
    made = folder(tmp_path / "d.zarr", ARRAYS)
    shutil.rmtree(made / "features")
    group = zarr.open_group(str(made))
    sharded = group.create_array(
        "features", shape=(60, 5), chunks=(3, 5), shards=(12, 5), dtype="f8", fill_value=2
    )
    sharded[:] = ARRAYS["features"]
    np.testing.assert_array_equal(load(made).X[:], ARRAYS["features"])
    (made / "features" / "c" / "1" / "0").unlink()
    data = load(made)
    assert data.understood[-1].value == "1 of 5 shards of features are not there: read as 2.0"
    assert (data.X[12:24] == 2).all()
    refused(says(made / "features", fill_value="NaN"), r"features\[12")


def test_paths_that_are_none_are_told_as_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused("a" * 300, r"a readable file but got DATA=a+\.\.\. \(File name too long\)")
    made = folder(tmp_path / "d.zarr", ARRAYS)

    def denied(*_: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", denied)
    refused(made, r"a readable file but got DATA=.*\(Permission denied\)")


def test_a_folder_in_which_one_is_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder(tmp_path / "d.zarr", ARRAYS))
    assert load(".").name == "d.zarr"
    monkeypatch.chdir("y")
    assert load("..").name == "d.zarr"


def test_data_alone_may_be_a_folder(tmp_path: Path) -> None:
    made = folder(tmp_path / "d.zarr", ARRAYS)
    with pytest.raises(
        mt.BadInputError, match=r"a file but got --fit-map=.*a folder of zarr, which DATA alone may"
    ):
        public_samples(str(made), load(made))


def test_arrays_without_rows_and_chunks_without_size_are_refused(tmp_path: Path) -> None:
    for name in ("features", "y"):
        made = folder(tmp_path / f"{name}.zarr", ARRAYS)
        shutil.rmtree(made / name)
        zarr.open_group(str(made)).create_array(name, shape=(), dtype="f8")[...] = 3
        refused(made, rf"an array with rows, in chunks of at least one, but got {name}\.shape=\(\)")
    made = folder(tmp_path / "0.zarr", ARRAYS)
    refused(
        says(made / "features", chunk_grid=chunked(0, 5)),
        r"of at least one, but got features\.shape=\(60, 5\)",
    )


@pytest.mark.parametrize(("version", "rows"), [(2, 7), (3, 11), (3, 60)])
def test_a_hash_is_of_entries_whatever_chunks_they_lie_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int, rows: int
) -> None:
    monkeypatch.setattr("muso_theory.stored._BLOCK_BYTES", 400)
    monkeypatch.setattr(stores, "_HASHED_BYTES", 500)  # some rows of two blocks
    reads, read = Counter[int](), Stored._read

    def counted(self: Stored, i: int) -> Any:
        reads[i] += 1
        return read(self, i)

    wanted = load(folder(tmp_path / "d.zarr", ARRAYS)).sha256
    monkeypatch.setattr(Stored, "_read", counted)
    assert load(folder(tmp_path / "o.zarr", ARRAYS, version, rows)).sha256 == wanted
    assert set(reads.values()) == {1}
    features = ARRAYS["features"] + np.eye(60, 5, -55)  # the last row
    assert load(folder(tmp_path / "x.zarr", {**ARRAYS, "features": features}, version, rows)).sha256 != wanted
