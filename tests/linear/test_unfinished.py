"""A check that was stopped goes on: with the same bounds, and with nothing that is not the matrix of its rows."""

from __future__ import annotations

import io
import shutil
import zipfile
from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.files.writing import npz_bytes, write_atomic
from muso_theory.linear import unfinished
from muso_theory.linear.unfinished import GrowingSum, growing, kept_in
from muso_theory.numbers import spans
from verification.commands import muso

N, WIDTH = 2000, 5
SPANS = 8


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spans of 256 rows, and a sum that is written after each."""
    monkeypatch.setattr(spans, "SPAN_BYTES", 1)
    monkeypatch.setattr(unfinished, "_EVERY", 0.0)


def problem(seed: int = 0) -> mt.UnlearningProblem:
    rng = np.random.default_rng(seed)
    return mt.UnlearningProblem(rng.standard_normal((N, WIDTH)), rng.standard_normal((N, 2)), [4, 9])


def told(report: Any) -> list[Any]:
    return [
        (row.name, row.verdict, [(f.quantity.lower, f.quantity.upper) for f in row.findings])
        for row in report.evidence.values()
    ]


@pytest.fixture
def summed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows the spans had whose Gram matrix was formed; with a negative entry in front, stops after so many."""
    found: list[int] = []
    real = spans._gram

    def counting(part: Any) -> Any:
        if found and found[0] < 0:
            found[0] += 1
            if not found[0]:
                del found[0]
                raise KeyboardInterrupt
        found.append(len(part.index))
        return real(part)

    monkeypatch.setattr(spans, "_gram", counting)
    return found


def test_a_check_that_was_stopped_goes_on(summed: list[int], tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    expected = told(mt.check(problem(), ["exact-labels"]))
    whole = len(summed)
    summed[:] = [-5]
    with pytest.raises(KeyboardInterrupt):
        mt.check(problem(), ["exact-labels"], checkpoint=folder)
    before = len(summed)
    assert before == 4
    assert told(mt.check(problem(), ["exact-labels"], checkpoint=folder)) == expected
    assert len(summed) == whole  # none of them twice
    assert told(mt.check(problem(), ["exact-labels"], checkpoint=str(folder))) == expected
    assert len(summed) == whole
    # Another problem has sums of its own.
    assert told(mt.check(problem(1), ["exact-labels"], checkpoint=folder)) != expected
    assert len(summed) == 2 * whole


def test_a_damaged_sum_is_formed_again(
    summed: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = told(mt.check(problem(), ["exact-labels"], checkpoint=tmp_path))
    whole = len(summed)
    for path in tmp_path.glob("*.npz"):
        damaged = bytearray(path.read_bytes())
        damaged[len(damaged) // 2] ^= 1
        path.write_bytes(bytes(damaged))
    assert told(mt.check(problem(), ["exact-labels"], checkpoint=tmp_path)) == expected
    assert len(summed) == 2 * whole
    assert "does not fit its hash" in capsys.readouterr().err


def test_what_a_killed_process_was_writing_goes_and_what_is_anothers_stays(tmp_path: Path) -> None:
    mt.check(problem(), ["exact-labels"], checkpoint=tmp_path)
    sums = list(tmp_path.glob("*.npz"))
    names = (
        sums[0].name,
        f"{'0f' * 16}-3-1-{'ab' * 16}.tile",
        f"{'0f' * 16}_3300_0_0x1p-3-1-0-{'ab' * 16}.tile",
    )
    left = [tmp_path / f".{name[:40]}.abcd_123.tmp" for name in names]
    others = [
        tmp_path / f".{name}.tmp" for name in ("thesis.npz.abcd_123", f"{sums[0].name}-mine", "0f" * 16)
    ]
    for path in (*left, *others):
        path.write_bytes(b"a part")
    (tmp_path / f".{sums[0].name}.folder_1.tmp").mkdir()
    with kept_in(tmp_path, problem()):
        assert not any(path.exists() for path in left)
        assert all(path.exists() for path in (*others, *sums))


def test_the_command_tells_what_is_kept_when_it_is_stopped(summed: list[int], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "d.npz", features=rng.standard_normal((N, WIDTH)), y=rng.standard_normal(N), forget=[4]
    )
    for stop, told_then in ((-1, "nothing is kept there yet"), (-5, "of sums over rows are kept there")):
        summed[:] = [stop]
        stopped = muso(
            *("check", tmp_path / "d.npz", "--claim", "exact-labels", "--checkpoint", tmp_path / "kept")
        )
        assert stopped.status == 130
        assert told_then in stopped.err


def test_a_sum_of_other_rows_is_refused(tmp_path: Path) -> None:
    mt.check(problem(), ["exact-labels"], checkpoint=tmp_path)
    for path in tmp_path.glob("*.npz"):
        sum_ = GrowingSum(path)
        total, count = sum_.read(WIDTH, SPANS)
        assert total is not None
        sum_.keep(total + 1e-6 * np.eye(WIDTH), count, done=True)  # its seal fits
    with pytest.raises(mt.MusoError, match=r"npz holds another sum.*its row \d is off"):
        mt.check(problem(), ["exact-labels"], checkpoint=tmp_path)


def test_what_is_no_sum_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.npz"
    assert GrowingSum(path).read(2, 1) == (None, 0)
    for content in (b"", b"words", npz_bytes({"total": np.eye(2)}), npz_bytes({"a": np.array(["x"])})):
        write_atomic(path, content)
        assert GrowingSum(path).read(2, 1) == (None, 0)
    GrowingSum(path).keep(np.eye(2), 1, done=True)
    shutil.copy(path, tmp_path / "b.npz")
    assert GrowingSum(tmp_path / "b.npz").read(2, 1) == (None, 0)  # of another name
    assert capsys.readouterr().err.count("does not fit") == 5


def _npy(header: bytes) -> bytes:
    """An array with a header of one's own, and no entries."""
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header


def _encrypted(archive: bytes) -> bytes:
    """The same members, said to be encrypted."""
    found = bytearray(archive)
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = found.find(mark)
        while at >= 0:
            found[at + flags] |= 1
            at = found.find(mark, at + 1)
    return bytes(found)


def _members(**contents: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name.replace("_", "."), content)
    return stream.getvalue()


WHOLE = {"total": np.eye(2), "count": np.array(1), "seal": np.array("0" * 64)}
DAMAGED = {
    "one array": b"\x93NUMPY" + bytes(20),
    "an npy": _npy(b"{'descr': '<f8', 'fortran_order': False, 'shape': (), }\n") + bytes(8),
    "no npy": _members(total=b"x", count=b"x", seal=b"x"),
    "other bytes": _members(total_npy=b"x", count_npy=b"x", seal_npy=b"x"),
    "open header": _members(total_npy=_npy(b"{'descr': ("), count_npy=b"", seal_npy=b""),
    "large header": _members(
        total_npy=_npy(b"{'descr': '<f8', 'fortran_order': False, 'shape': (10000000, 10000000), }\n")
    ),
    "encrypted": _encrypted(npz_bytes(WHOLE)),
    "vector": npz_bytes(WHOLE | {"count": np.arange(3)}),
    "infinite": npz_bytes(WHOLE | {"count": np.array(np.inf)}),
    "complex": npz_bytes(WHOLE | {"count": np.array(1j)}),
    "struct": npz_bytes(WHOLE | {"count": np.zeros((), [("a", "<i8")])}),
    "words": npz_bytes(WHOLE | {"count": np.array("1"), "total": np.array("1")}),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_bytes_that_are_no_checkpoint(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.npz").write_bytes(DAMAGED[name])
    assert GrowingSum(tmp_path / "a.npz").read(2, 1) == (None, 0)
    assert "does not fit" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("total", "count"),
    [
        (np.eye(2), 3),
        (np.eye(WIDTH)[0], 3),
        (np.float64(1), 3),
        (np.eye(WIDTH)[None], 3),
        (np.eye(WIDTH), -1),
        (np.eye(WIDTH), 0),
        (np.eye(WIDTH), SPANS + 1),
        (np.full((WIDTH, WIDTH), np.nan), SPANS),
        (np.full((WIDTH, WIDTH), np.inf), 3),
    ],
    ids=lambda value: f"shape {value.shape}" if isinstance(value, np.ndarray) else str(value),
)
def test_a_sealed_file_that_is_no_sum_of_this_problem(
    total: Any, count: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = told(mt.check(problem(), ["exact-labels"], checkpoint=tmp_path))
    for path in tmp_path.glob("*.npz"):
        GrowingSum(path).keep(np.asarray(total), count, done=True)
    assert told(mt.check(problem(), ["exact-labels"], checkpoint=tmp_path)) == expected
    assert "does not fit" in capsys.readouterr().err


def test_nothing_is_kept_unless_asked(tmp_path: Path) -> None:
    assert growing(problem(), np.arange(3)) is None
    with kept_in(None, problem()):
        assert growing(problem(), np.arange(3)) is None
    with kept_in(tmp_path, problem()):
        assert growing(problem(), np.arange(3)) is not None
    assert growing(problem(), np.arange(3)) is None


def test_folders_that_do_not_serve_are_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, summed: list[int]
) -> None:
    wide = mt.UnlearningProblem(np.eye(3, 5), [1.0, 2.0, 3.0], [1])
    with pytest.raises(mt.BadInputError, match="3 samples, 5 features"):
        mt.check(wide, ["exact-labels"], checkpoint=tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(mt.BadInputError, match="folder"):
        mt.check(problem(), ["exact-labels"], checkpoint=tmp_path / "file")
    with kept_in(tmp_path, problem()), pytest.raises(mt.BadInputError, match="another run is at work"):
        mt.check(problem(), ["exact-labels"], checkpoint=tmp_path)
    usage, need = namedtuple("usage", "free"), 3 * 8 * WIDTH**2
    monkeypatch.setattr(unfinished.shutil, "disk_usage", lambda folder: usage(need - 1))
    with pytest.raises(mt.BadInputError, match=f"room for {need} bytes.*{need - 1} bytes free"):
        mt.check(problem(), ["exact-labels"], checkpoint=tmp_path)
    assert summed == []
