"""Folders of zarr as data: what an archive of the same arrays says, and nothing in them is run."""

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.commands.cli import main
from muso_theory.data import load, stores
from muso_theory.files.writing import npz_bytes
from muso_theory.machine import memory_of
from muso_theory.stored import Stored

zarr = pytest.importorskip("zarr", reason="the extra [zarr] is not installed")

RNG = np.random.default_rng(0)
ARRAYS = {"features": RNG.standard_normal((60, 5)), "y": RNG.integers(0, 3, 60), "forget": np.arange(4)}


def folder(path: Path, arrays: dict[str, Any], version: int = 3) -> Path:
    group = zarr.open_group(str(path), mode="w", zarr_format=version)
    for name, values in arrays.items():
        chunks = (7, *values.shape[1:])
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


def test_what_is_wrong_is_told_in_words(tmp_path: Path) -> None:
    def refused(path: Path, words: str) -> None:
        with pytest.raises(mt.MusoError, match=words):
            load(path)

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
