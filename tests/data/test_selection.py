"""Choosing classes and forget sets, and writing files whole."""

from __future__ import annotations

import os
import stat

import numpy as np
import pytest

from muso_theory.data import Dataset, load, parse_forget, select_classes
from muso_theory.data.forget import FORGET_KINDS
from muso_theory.errors import MusoError
from muso_theory.files import writing as files
from muso_theory.files.writing import npz_bytes, write_atomic
from muso_theory.targets import encode_classes

GROUPS = np.array(["3", "7", "5", "7", "10", "3", "4", "5"])


@pytest.fixture
def toy() -> Dataset:
    X = np.arange(16.0).reshape(8, 2)
    return Dataset("toy", X, GROUPS.astype(float), "0" * 64, groups=GROUPS.copy(), target_class=GROUPS.copy())


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits")


# --- classes -----------------------------------------------------------------------------------------


def test_two_classes_first_is_minus_one(toy):
    chosen = select_classes(toy, "3,7")
    assert chosen.y.tolist() == [-1, 1, 1, -1]
    assert chosen.X[:, 0].tolist() == [0, 2, 6, 10]
    assert chosen.groups.tolist() == chosen.target_class.tolist() == ["3", "7", "7", "3"]
    assert select_classes(toy, " 7 , 3 ").y.tolist() == [1, -1, -1, 1]


def test_several_classes_are_one_hot_in_the_order_listed(toy):
    chosen = select_classes(toy, "7,10,3")
    assert chosen.classes == ("7", "10", "3")
    assert chosen.y.tolist() == [[0, 0, 1], [1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]


def test_all_classes_by_value(toy):
    assert select_classes(toy, "all").classes == ("3", "4", "5", "7", "10")
    assert select_classes(load("breast_cancer"), "all").classes == ("malignant", "benign")


def test_encoding_needs_two_classes_among_the_samples():
    for names, classes in ((["a", "a"], ("a", "b")), (["a", "a"], ("a",))):
        with pytest.raises(MusoError, match="one class only"):
            encode_classes(np.array(names), classes)


def test_merged_classes_keep_their_origin(toy):
    chosen = select_classes(toy, "3,5|7,4")
    assert chosen.classes == ("3,5", "7,4")
    assert chosen.y.tolist() == [-1, 1, -1, 1, -1, 1, -1]
    assert chosen.groups.tolist() == ["3", "7", "5", "7", "3", "4", "5"]
    odd_even = select_classes(toy, "odd-even")
    assert odd_even.classes == ("odd", "even")
    assert odd_even.y.tolist() == [-1, -1, -1, -1, 1, -1, 1, -1]
    assert odd_even.groups.tolist() == GROUPS.tolist()


def test_forget_set_follows_the_rows(toy):
    from dataclasses import replace

    marked = replace(toy, forget=np.array([1, 2, 5]))
    assert select_classes(marked, "3,7").forget.tolist() == [1, 3]
    with pytest.raises(MusoError, match=r"after class selection.*empty"):
        select_classes(replace(toy, forget=np.array([2])), "3,7")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("3,8", "classes among 3, 4, 5, 7, 10 but.*class '8' is not in toy"),
        ("3", "two classes"),
        ("", "not in toy"),
        ("3,3", "repeated"),
        ("3,5|5,7", "repeated"),
        ("3,5|9", "'9' is not"),
        ("3|", "'' is not"),
    ],
)
def test_bad_class_selection(toy, spec, words):
    with pytest.raises(MusoError, match=words):
        select_classes(toy, spec)


def test_class_selection_needs_classes(toy):
    from dataclasses import replace

    with pytest.raises(MusoError, match="targets are classes"):
        select_classes(replace(toy, groups=None), "3,7")
    for name in ("w_init", "labels", "w_pretrained", "w_unlearned"):
        with pytest.raises(MusoError, match=f"brings {name}"):
            select_classes(replace(toy, **{name: np.ones(2)}), "3,7")
    with pytest.raises(MusoError, match="integer classes"):
        select_classes(load("breast_cancer"), "odd-even")
    with pytest.raises(MusoError, match="one parity"):
        select_classes(select_classes(toy, "3,7"), "odd-even")
    with pytest.raises(MusoError, match="not in digits"):
        load("digits", classes="3,cat")


def test_names_that_only_look_like_numbers_have_an_order():
    from muso_theory.targets import class_order

    assert class_order(np.array(["nan", "2", "1"])) == ("1", "2", "nan")
    assert class_order(np.array(["b", "10", "9"])) == ("10", "9", "b")


# --- forget sets -------------------------------------------------------------------------------------


def test_class_and_subclass(digits):
    indices, words = parse_forget("class:7", digits)
    assert (digits.groups[indices] == "7").all()
    assert indices.size == 179
    assert words == "class 7: 179 of 1797 samples"
    assert parse_forget("class:7,3", digits)[0].size == 362
    odd_even = select_classes(digits, "odd-even")
    indices, words = parse_forget("subclass:3", odd_even)
    assert (odd_even.groups[indices] == "3").all()
    assert words == "subclass 3: 183 of 1797 samples"
    assert (odd_even.y[parse_forget("class:odd", odd_even)[0]] == -1).all()
    with pytest.raises(MusoError, match="try subclass:3"):
        parse_forget("class:3", odd_even)


def test_random_fraction_and_count(digits):
    indices, words = parse_forget("random:0.1", digits, seed=4)
    assert words == "random 0.1 (seed 4): 180 of 1797 samples"
    assert indices.size == 180
    assert (np.diff(indices) > 0).all()
    assert parse_forget("random:0.1", digits, seed=4)[0].tolist() == indices.tolist()
    assert parse_forget("random:0.1", digits, seed=5)[0].tolist() != indices.tolist()
    assert parse_forget("random:25", digits)[0].size == 25
    assert parse_forget("random:1e-2", digits)[0].size == 18
    counts = np.bincount(
        np.concatenate([parse_forget("random:4", load_small(), seed=s)[0] for s in range(400)])
    )
    # Each of 8 rows is drawn 200 times on average, with a standard deviation of 10.
    assert (np.abs(counts - 200) < 45).all()


def load_small() -> Dataset:
    return Dataset("small", np.eye(8), np.arange(8) / 2, "0" * 64)


def test_retain(digits):
    indices, words = parse_forget("retain:300", digits)
    assert indices.size == 1497
    assert words == "all but 300 random samples (seed 0): 1497 of 1797 samples"


def test_rows(toy):
    assert parse_forget("rows:0,5,2-4", toy)[0].tolist() == [0, 2, 3, 4, 5]
    assert parse_forget(" rows : 7 , 1 - 1 ".replace(" - ", "-"), toy)[0].tolist() == [1, 7]


def test_column(toy):
    from dataclasses import replace

    indices, words = parse_forget("column", replace(toy, forget=np.array([1, 2])))
    assert indices.tolist() == [1, 2]
    assert words == "given by the data: 2 of 8 samples"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("clas:7", "unknown kind.*try class:7"),
        ("randm:0.1", "try random:0.1"),
        ("xyz", "try one of class:3, subclass:3, random:0.1"),
        ("", "unknown kind"),
        ("7", "unknown kind"),
        ("class", "such as class:7"),
        ("class:", "such as class:7"),
        ("column:3", "such as column"),
        ("column:", "such as column"),
        ("column", "toy has none"),
        ("class:8", "class '8' is absent"),
        ("class:3,3", "repeated"),
        ("class:3,4,5,7,10", "all 8"),
        ("subclass:9", "absent"),
        ("random:0", "from 1 to 7"),
        ("random:8", "from 1 to 7"),
        ("random:9", "from 1 to 7"),
        ("random:0.0", "between 0 and 1"),
        ("random:1.0", "between 0 and 1"),
        ("random:1.5", "between 0 and 1"),
        ("random:-0.5", "between 0 and 1"),
        ("random:nan", "between 0 and 1"),
        ("random:half", "between 0 and 1"),
        ("random:0.01", r"some.*\(none\); try rows:0"),
        ("random:0.99", r"some.*\(all\)"),
        ("retain:0", "from 1 to 7"),
        ("retain:8", "from 1 to 7"),
        ("retain:0.5", "from 1 to 7"),
        ("rows:8", "rows from 0 to 7.*'8' is out of range"),
        ("rows:3-99999999999999", "out of range"),
        ("rows:2,2", "repeated"),
        ("rows:0-4,3", "repeated"),
        ("rows:0-7,0-7", "repeated"),
        ("rows:5-3", "'5-3'"),
        ("rows:1,,2", "''"),
        ("rows:-1", "'-1'"),
        ("rows:a", "'a'"),
        ("rows:0-7", "all 8"),
    ],
)
def test_bad_forget_sets(toy, spec, words):
    with pytest.raises(MusoError, match=words):
        parse_forget(spec, toy)


def test_bad_seed_and_numeric_targets(toy):
    for seed in (-1, True, 0.5, None):
        with pytest.raises(MusoError, match="seed"):
            parse_forget("random:2", toy, seed=seed)
    with pytest.raises(MusoError, match="numeric targets"):
        parse_forget("class:3", load_small())


def test_every_kind_has_an_example_that_parses(toy):
    from dataclasses import replace

    data = replace(toy, forget=np.array([1]))
    for kind, example in FORGET_KINDS.items():
        example = example.split(" or ")[0]
        if kind not in ("rows", "retain"):  # their examples need more rows
            assert parse_forget(example.replace("0.1", "0.5"), data)[0].size > 0


# --- writing -----------------------------------------------------------------------------------------


def test_write_replaces_whole_files_and_keeps_modes(tmp_path):
    path = tmp_path / "out.json"
    write_atomic(path, b"one")
    assert path.read_bytes() == b"one"
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask
    os.chmod(path, 0o640)
    write_atomic(str(path), b"two")
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    (tmp_path / "link").symlink_to(path)
    write_atomic(tmp_path / "link", b"three")
    assert (tmp_path / "link").is_symlink()
    assert path.read_bytes() == b"three"
    assert sorted(os.listdir(tmp_path)) == ["link", "out.json"]


def test_device_is_written_to_and_not_replaced(tmp_path):
    write_atomic("/dev/null", b"gone")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing/out.json", "No such file or directory"),
        ("file/out.json", "Not a directory"),
        ("folder", "directory"),
        ("x" * 300, "too long"),
        ("a\0b", "null"),
    ],
)
def test_unwritable_paths(tmp_path, name, words):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"kept")
    with pytest.raises(MusoError, match=words):
        write_atomic(f"{tmp_path}/{name}", b"new")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]
    assert (tmp_path / "file").read_bytes() == b"kept"


def test_read_only_file_is_not_replaced(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"kept")
    os.chmod(tmp_path / "file", 0o444)
    if os.geteuid() == 0:  # root may write everywhere
        monkeypatch.setattr(files.os, "access", lambda path, mode: False)
    with pytest.raises(MusoError, match="ermission"):
        write_atomic(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"kept"


def test_a_failure_half_way_leaves_the_old_file_alone(tmp_path, monkeypatch):
    path = tmp_path / "out.json"
    path.write_bytes(b"old")
    for failure in (OSError(28, "No space left on device"), KeyboardInterrupt()):

        def fail(*_: object, failure: BaseException = failure) -> None:
            raise failure

        monkeypatch.setattr(files.os, "fsync", fail)
        with pytest.raises((MusoError, KeyboardInterrupt)):
            write_atomic(path, b"new")
        assert path.read_bytes() == b"old"
        assert os.listdir(tmp_path) == ["out.json"]


def test_npz_bytes_do_not_depend_on_the_time(tmp_path, monkeypatch):
    import time

    arrays = {"labels": np.arange(3.0), "names": np.array(["a", "b"])}
    first = npz_bytes(arrays)
    monkeypatch.setattr(time, "time", lambda: 1e9)
    assert npz_bytes(arrays) == first
    write_atomic(tmp_path / "a.npz", first)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as archive:
        assert archive["labels"].tolist() == [0, 1, 2]
        assert archive["names"].tolist() == ["a", "b"]
    with pytest.raises(MusoError, match="object array"):
        npz_bytes({"x": np.array([None])})
