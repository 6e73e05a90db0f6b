"""Features in a store: read a block at a time, the same as those of an array, and refused where they change."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import muso_theory as mt
from muso_theory import machine
from muso_theory import stored as stores
from muso_theory.checking.costs import certified_cost
from muso_theory.numbers import spans
from muso_theory.stored import Stored, is_stored

N, WIDTH = 1500, 7


class Source:
    """Rows by slices, and how often they were asked for."""

    def __init__(self, values: Any, chunk: int = 100) -> None:
        self.values, self.chunks, self.asked = values, (chunk, values.shape[1]), 0
        self.shape, self.dtype = values.shape, values.dtype

    def __getitem__(self, key: Any) -> Any:
        self.asked += 1
        return self.values[key].copy()


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 100 rows and spans of 256."""
    monkeypatch.setattr(stores, "_BLOCK_BYTES", 100 * 8 * WIDTH)
    monkeypatch.setattr(spans, "SPAN_BYTES", 1)


def data(dtype: Any = np.float64) -> tuple[Any, Any, list[int]]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((N, WIDTH)).astype(dtype), rng.standard_normal((N, 2)), [3, 400, 401, 1499]


def of_zarr(X: Any, folder: Path) -> Any:
    zarr = pytest.importorskip("zarr", reason="needs the extra [zarr]")
    made = zarr.create_array(store=str(folder / "x.zarr"), shape=X.shape, chunks=(130, 4), dtype=X.dtype)
    made[:] = X
    return made


def of_dask(X: Any, folder: Path) -> Any:
    da = pytest.importorskip("dask.array", reason="needs the extra [dask]")
    return da.from_array(X, chunks=((90, 610, 800), (4, 3)))


STORES = {"rows": lambda X, folder: Source(X), "zarr": of_zarr, "dask": of_dask}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("store", STORES)
def test_features_in_a_store_are_those_of_the_array(store: str, dtype: Any, tmp_path: Path) -> None:
    X, y, forget = data(dtype)
    made = STORES[store](X, tmp_path)
    assert is_stored(made)
    whole, stored = mt.UnlearningProblem(X, y, forget), mt.UnlearningProblem(made, y, forget)
    assert isinstance(stored.features, Stored)
    assert stored.sha256 == whole.sha256
    assert (mt.optimal_labels(stored) == mt.optimal_labels(whole)).all()
    claims = ["exact-labels", "label-free", "gap-formula", "full-rank-retain", "conditioning"]
    one, other = mt.check(stored, claims), mt.check(whole, claims)
    for mine, theirs in zip(one.evidence.values(), other.evidence.values(), strict=True):
        # The same spans in the same order: the bounds are equal, not near.
        assert (mine.name, mine.verdict, mine.summary) == (theirs.name, theirs.verdict, theirs.summary)
    assert one["exact-labels"].verdict is mt.Verdict.CERTIFIED
    from_data = mt.UnlearningProblem.from_data(STORES[store](X, tmp_path / "again"), y, forget=forget)
    assert isinstance(from_data.features, Stored)


def test_rows_of_a_store_are_those_of_the_array() -> None:
    X, _, _ = data()
    stored = Stored("features", Source(X))
    for key in (
        slice(None),
        slice(99, 301),
        slice(0, 0),
        [1499, 0, 250],
        7,
        (slice(5, 9), 2),
        slice(None, None, 200),
    ):
        assert np.array_equal(stored[key], X[key])
    again = pickle.loads(pickle.dumps(stored))
    assert np.array_equal(again[:5], X[:5])
    with pytest.raises(ValueError, match="read-only"):
        stored[:5][0, 0] = 1


class OneBuffer(Source):
    """All rows by way of the same memory, whole or as a view of it."""

    def __init__(self, values: Any, whole: bool) -> None:
        super().__init__(values)
        self.buffer, self.whole = np.empty((100, values.shape[1])), whole

    def __getitem__(self, key: slice) -> Any:
        count = len(range(*key.indices(len(self.values))))
        self.buffer[:count] = self.values[key]
        return self.buffer if self.whole and count == 100 else self.buffer[:count]


@pytest.mark.parametrize("whole", [True, False])
def test_a_store_that_reads_into_one_buffer_gives_all_its_rows(whole: bool) -> None:
    X = data()[0]
    source = OneBuffer(X, whole)
    first = Stored("features", source)[:100]
    assert source.buffer.flags.writeable
    assert np.array_equal(Stored("features", source)[:], X)
    assert np.array_equal(first, X[:100])


def test_no_block_is_read_oftener_than_passes_need() -> None:
    X, y, forget = data()
    source = Source(X)
    problem = mt.UnlearningProblem(source, y, forget)
    mt.check(problem, ["exact-labels"])
    assert source.asked < 40 * 15  # forty passes over fifteen blocks


def test_no_check_reads_all_rows_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither for its work nor to ask how much memory they take, which is known without them."""

    def whole(self: Stored, *_: Any, **__: Any) -> Any:
        raise AssertionError("all rows at once")

    X, y, forget = data(np.float32)
    stored = Stored("features", Source(X))
    assert (stored.ndim, stored.size, stored.nbytes) == (X.ndim, X.size, X.nbytes)
    monkeypatch.setattr(Stored, "__array__", whole)
    with pytest.raises(AssertionError, match="all rows at once"):
        stored.T  # noqa: B018  (what a check must not ask)
    report = mt.check(mt.UnlearningProblem(Source(X), y, forget))
    assert report["exact-labels"].verdict is mt.Verdict.CERTIFIED


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_store_that_changes_between_passes_is_noticed(dtype: Any) -> None:
    X, y, forget = data(dtype)
    source = Source(X)
    problem = mt.UnlearningProblem(source, y, forget)
    mt.check(problem, ["exact-labels"])
    source.values = X.copy()
    source.values[1017, 3] = np.nextafter(X[1017, 3], dtype(9))
    for work in (lambda: mt.check(problem, ["exact-labels"]), lambda: mt.solve(problem)):
        with pytest.raises(mt.MusoError, match=r"features\[1000:1[12]00\].*changed since.*\.npy"):
            work()


def test_what_is_random_at_every_reading_is_noticed() -> None:
    da = pytest.importorskip("dask.array", reason="needs the extra [dask]")
    _, y, forget = data()
    drawn = da.map_blocks(
        lambda block: block + np.random.default_rng().standard_normal(block.shape),
        da.zeros((N, WIDTH), chunks=(100, WIDTH)),
        dtype=np.float64,
    )
    with pytest.raises(mt.MusoError, match="the rows that were read before"):
        mt.check(mt.UnlearningProblem(drawn, y, forget), ["exact-labels"])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_row_of_block_17_that_is_not_finite_is_named(bad: float) -> None:
    rng = np.random.default_rng(1)
    X = rng.standard_normal((2000, WIDTH))
    X[1742, 5] = bad
    with pytest.raises(
        mt.BadInputError, match=r"features\[1742, 5\]=(nan|inf) \(row 1742, column 5.*block 17"
    ):
        mt.UnlearningProblem(Source(X), rng.standard_normal(2000), [1])


class Narrow(Source):
    """A source of which one block is narrower than it says, as a file that was cut off is."""

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        return found[:, :-1] if key.start == 300 else found


class Other(Source):
    """A source of which one block is of another kind of numbers."""

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        return found.astype(np.float32) if key.start == 300 else found


@pytest.mark.parametrize(("kind", "words"), [(Narrow, r"\(100, 7\) of float64"), (Other, "dtype float32")])
def test_blocks_that_are_not_what_the_store_says_are_refused(kind: Any, words: str) -> None:
    X, y, forget = data()
    with pytest.raises(mt.BadInputError, match=rf"features\[300:400\].*|{words}") as told:
        mt.UnlearningProblem(kind(X), y, forget)
    assert "300:400" in str(told.value)


def test_rows_of_an_unknown_number_are_refused() -> None:
    da = pytest.importorskip("dask.array", reason="needs the extra [dask]")
    X, y, forget = data()
    made = da.from_array(X, chunks=(100, WIDTH))
    with pytest.raises(
        mt.BadInputError, match=r"known numbers of rows and columns.*nan.*compute_chunk_sizes"
    ):
        mt.UnlearningProblem(made[made[:, 0] > 0], y, forget)


@pytest.mark.parametrize(
    "chunks",
    [
        *[(0, WIDTH), (-3, WIDTH), True, "auto", ("auto", "auto"), (2.5, WIDTH), (), 7, ([N - 1], [WIDTH])],
        *[
            ([N + 1], [WIDTH]),
            ([N + 3, -3], [WIDTH]),
            ((None,), (WIDTH,)),
            ([[N]], [WIDTH]),
            (None, 1),
            (True, 1),
        ],
    ],
    ids=str,
)
def test_chunks_that_are_none_are_refused(chunks: Any) -> None:
    X, y, forget = data()
    source = Source(X)
    source.chunks = chunks
    with pytest.raises(mt.BadInputError, match=r"features\.chunks="):
        mt.UnlearningProblem(source, y, forget)


@pytest.mark.parametrize(
    "chunks", [None, (N, WIDTH), (2 * N, 1), ([0, 700, 0, 800], [7]), (np.int64(100), 7)], ids=str
)
def test_chunks_of_all_kinds_are_read(chunks: Any) -> None:
    X, _, _ = data()
    source = Source(X)
    source.chunks = chunks
    assert np.array_equal(Stored("features", source)[:], X)


class Lost(Source):
    """A source that cannot be reached after so many readings."""

    most = 15
    error: Exception = OSError(5, "Input/output error")

    def __getitem__(self, key: Any) -> Any:
        if self.asked >= self.most:
            raise self.error
        return super().__getitem__(key)


@pytest.mark.parametrize(
    "error", [OSError(5, "gone"), RuntimeError("gone"), KeyError("gone"), ValueError("gone")]
)
@pytest.mark.parametrize("most", [0, 20])
def test_a_source_that_fails_is_told_in_words(error: Exception, most: int) -> None:
    X, y, forget = data()
    source = Lost(X)
    source.most, source.error = most, error
    words = rf"rows that can be read but got features\[\d+:\d+\]={type(error).__name__} \(.*gone"
    with pytest.raises(mt.MusoError, match=words) as told:
        mt.check(mt.UnlearningProblem(source, y, forget), ["exact-labels"])
    assert not isinstance(told.value, mt.BadInputError)


def test_a_store_of_other_numbers_is_read_as_an_array(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y, forget = data()
    whole = Source((10 * X).astype(np.int64))
    assert mt.UnlearningProblem(whole, y, forget).features.dtype == np.int64
    with pytest.raises(mt.BadInputError, match="float32 or float64"):
        Stored("features", whole)
    monkeypatch.setattr("muso_theory.linear.given.memory", lambda: X.nbytes - 1)
    with pytest.raises(mt.BadInputError, match=f"{X.nbytes:,} bytes"):
        mt.UnlearningProblem(whole, y, forget)


def test_less_memory_than_is_needed_is_told_before_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y, forget = data()
    problem = mt.UnlearningProblem(Source(X), y, forget)
    monkeypatch.setattr("muso_theory.checking.ladder.memory", lambda: 10**6)
    row = mt.check(problem, ["exact-labels"])["exact-labels"]
    assert row.verdict is mt.Verdict.UNDECIDED
    assert "GB, more than the memory" in row.needs
    assert "not started" in row.needs


def test_blocks_of_many_rows_count_as_memory() -> None:
    X, y, forget = data()
    tall, flat = (certified_cost(mt.UnlearningProblem(Source(X, chunk), y, forget)) for chunk in (N, 100))
    assert tall.gigabytes - flat.gigabytes == pytest.approx(3e-9 * (N - 100) * 8 * WIDTH)


def test_a_limit_of_the_process_or_its_container_counts_as_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resource = pytest.importorskip("resource", reason="no such limits on this system")
    monkeypatch.setattr(machine, "_CONTAINER", tmp_path / "memory.max")
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (resource.RLIM_INFINITY,) * 2)
    whole = machine.memory()
    (tmp_path / "memory.max").write_text("max\n")
    assert machine.memory() == whole
    (tmp_path / "memory.max").write_text("5000\n")
    assert machine.memory() == 5000
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (4000 + kind, resource.RLIM_INFINITY))
    assert machine.memory() == 4000 + min(resource.RLIMIT_AS, resource.RLIMIT_DATA)
