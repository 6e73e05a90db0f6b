"""Features in a store with no more rows than columns: K from pairs of blocks of rows, and never all rows at once."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import muso_theory as mt
from muso_theory import arrays, rows
from muso_theory import stored as stores
from muso_theory.linear import tiling
from muso_theory.linear.certified import CertifiedForms
from muso_theory.linear.tiling import tiled_bytes
from muso_theory.numbers import gram, spans, tiles
from muso_theory.numbers.accurate import accurate_product, plain_product
from muso_theory.numbers.gram import add_pairs, blocked_gram
from muso_theory.numbers.tiled import tiled_gram
from muso_theory.numbers.tiles import TileFolder
from muso_theory.rows import rows_at_once
from muso_theory.stored import Stored
from tests.linear.test_stores import Narrow, Source
from tests.linear.test_tiling import tiny_tiles

N, WIDTH, BLOCK = 300, 1300, 16
CLAIMS = ["exact-labels", "label-free", "gap-formula", "full-rank", "leave-block-out"]


def of_zarr(X: Any, folder: Path) -> Any:
    zarr = pytest.importorskip("zarr", reason="needs the extra [zarr]")
    made = zarr.create_array(store=str(folder / "x.zarr"), shape=X.shape, chunks=(70, 600), dtype=X.dtype)
    made[:] = X
    return made


def of_dask(X: Any, folder: Path) -> Any:
    da = pytest.importorskip("dask.array", reason="needs the extra [dask]")
    return da.from_array(X, chunks=((90, 10, 200), (700, 600)))


STORES = {"rows": lambda X, folder: Source(X), "zarr": of_zarr, "dask": of_dask}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 16 rows, of which 40 rows are in memory at a time."""
    monkeypatch.setattr(stores, "_BLOCK_BYTES", BLOCK * 8 * WIDTH)
    monkeypatch.setattr(rows, "_WHOLE_BYTES", 40 * 8 * WIDTH)
    monkeypatch.setattr(arrays, "_BLOCK_BYTES", 40 * 8 * WIDTH)
    monkeypatch.setattr(spans, "SPAN_BYTES", 1)


@pytest.fixture
def never_whole(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """What is read at a time, which must not be all rows."""
    asked: list[int] = [0]
    made, between = Stored._made, Stored._made_between

    def counted(self: Stored, index: Any) -> Any:
        asked.append(len(index))
        return made(self, index)

    def counted_between(self: Stored, start: int, stop: int) -> Any:
        asked.append(stop - start)
        return between(self, start, stop)

    monkeypatch.setattr(Stored, "_made", counted)
    monkeypatch.setattr(Stored, "_made_between", counted_between)
    yield asked
    assert max(asked) < N, f"{max(asked)} of {N} rows at once"


def data(dtype: Any = np.float64, n: int = N) -> tuple[Any, Any, list[int]]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, WIDTH)).astype(dtype), rng.standard_normal((n, 2)), [3, 40, 41, n - 1]


def meet(one: Any, other: Any) -> None:
    """Both have the same verdicts, and enclosures of the same numbers, but where these are of floats handed out."""
    for (name, verdict, ends), (again, same, theirs) in zip(told(one), told(other), strict=True):
        assert (name, verdict) == (again, same)
        if "[output]" not in name:
            assert all(a <= d and c <= b for (a, b), (c, d) in zip(ends, theirs, strict=True)), name


def told(report: Any) -> list[Any]:
    return [
        (row.name, row.verdict, [(f.quantity.lower, f.quantity.upper) for f in row.findings])
        for row in report.evidence.values()
    ]


@pytest.mark.parametrize(
    ("store", "dtype"), [("rows", np.float64), ("zarr", np.float32), ("dask", np.float64)]
)
def test_a_wide_store_is_the_array(
    store: str, dtype: Any, tmp_path: Path, never_whole: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With as many rows in memory as a sum over rows has in one piece, its order is the same, and every digit."""
    X, y, forget = data(dtype)
    monkeypatch.setattr(rows, "_WHOLE_BYTES", 256 * X.itemsize * WIDTH)
    whole, stored = (
        mt.UnlearningProblem(X, y, forget),
        mt.UnlearningProblem(STORES[store](X, tmp_path), y, forget),
    )
    assert isinstance(stored.features, Stored)
    assert stored.sha256 == whole.sha256
    one, other = mt.check(stored, CLAIMS), mt.check(whole, CLAIMS)
    assert told(one) == told(other)
    assert one["exact-labels"].verdict is mt.Verdict.CERTIFIED
    assert max(never_whole) > 0
    from_data = mt.UnlearningProblem.from_data(STORES[store](X, tmp_path / "again"), y, forget=forget)
    assert isinstance(from_data.features, Stored)


def test_what_reads_all_rows_is_noticed(never_whole: list[int]) -> None:
    """The negative control of the guard that the tests here rest on."""
    X, y, forget = data()
    np.asarray(mt.UnlearningProblem(Source(X), y, forget).features)
    assert max(never_whole) == N
    never_whole.clear()
    never_whole.append(0)


def test_no_claim_holds_all_rows(never_whole: list[int]) -> None:
    X, y, forget = data(np.float32)
    report = mt.check(mt.UnlearningProblem(Source(X), y, forget))
    plain = mt.check(mt.UnlearningProblem(X, y, forget))
    assert [(row.name, row.verdict) for row in report.evidence.values()] == [
        (row.name, row.verdict) for row in plain.evidence.values()
    ]


def test_equal_rows_a_start_and_a_ridge() -> None:
    X, y, forget = data()
    X[60] = X[2]
    start = np.random.default_rng(4).standard_normal((WIDTH, 2))
    words = ["exact-labels", "ridge-anchored"]
    one, other = (
        mt.check(mt.UnlearningProblem(made, y, forget, w_init=start), words) for made in (Source(X), X)
    )
    meet(one, other)


def test_the_spectrum_is_that_of_the_array() -> None:
    X, y, forget = data()
    (low, high), whole, other = (
        CertifiedForms(mt.UnlearningProblem(made, y, forget)).spectrum for made in (Source(X), X, 8 * X)
    )
    for mine, same, another in ((low, whole[0], other[0]), (high, whole[1], other[1])):
        assert mine.lower <= same.upper
        assert same.lower <= mine.upper
        assert not (mine.lower <= another.upper and another.lower <= mine.upper)  # no matter of course


def test_solutions_are_those_of_the_array() -> None:
    X, y, forget = data()
    one, other = (mt.solve(mt.UnlearningProblem(made, y, forget)) for made in (Source(X), X))
    assert np.allclose(one.forget_labels, other.forget_labels, rtol=0, atol=1e-12)
    assert np.allclose(one.w_unlearned, other.w_unlearned, rtol=0, atol=1e-12)


def test_products_with_few_rows_at_a_time_keep_their_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a store of which only a few rows fit, where sums have another order than in memory."""
    X, _, _ = data(np.float32)
    monkeypatch.setattr(rows, "_WHOLE_BYTES", 5 * 4 * WIDTH)
    stored, order = Stored("features", Source(X)), np.random.default_rng(1).permutation(N)
    assert rows_at_once(stored, N, 16) == 5
    rng = np.random.default_rng(2)
    for index in (order, order[:20], np.arange(N)):
        for transposed in (False, True):
            x = rng.standard_normal((len(index) if transposed else WIDTH, 3))
            exact, theirs = (accurate_product(phi, index, x, transposed=transposed) for phi in (X, stored))
            assert np.array_equal(exact.high, theirs.high)
            assert np.array_equal(exact.error, theirs.error)
            found, roundings = plain_product(stored, index, x, transposed=transposed)
            size = np.abs(X[index].T if transposed else X[index]) @ np.abs(x)
            assert (np.abs(found - exact.high) <= roundings * 2.0**-52 * size).all()
            wrong = found + 4 * roundings * 2.0**-52 * size
            assert not (np.abs(wrong - exact.high) <= roundings * 2.0**-52 * size).any()
    dense, again = blocked_gram(X, order), blocked_gram(stored, order)
    assert np.array_equal(again, again.T)
    assert np.allclose(dense, again, rtol=0, atol=1e-9)


def test_the_gram_matrix_is_that_of_the_array_digit_by_digit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gram, "_TILE", 32)
    monkeypatch.setattr(gram, "_STRIP_BYTES", 1)
    X, _, _ = data()
    stored, order = Stored("features", Source(X)), np.random.default_rng(1).permutation(N)
    known = blocked_gram(X)
    assert np.array_equal(blocked_gram(stored), known)
    assert np.array_equal(blocked_gram(stored, order), blocked_gram(X, order))
    monkeypatch.setattr(gram, "COLUMN_BLOCK", 100)  # other sums, which would be noticed
    assert not np.array_equal(blocked_gram(stored), known)


def test_each_row_is_read_once_for_as_many_as_stay() -> None:
    X, _, _ = data()
    source = Source(X, BLOCK)
    stored = Stored("features", source)
    stored.read_all()
    blocks = source.asked
    found = []
    for room in (0, 64 * 8 * WIDTH, N * 8 * WIDTH):
        source.asked = 0
        add_pairs(np.zeros((N, N)), stored, np.arange(N), BLOCK, room=room)
        found.append(source.asked)
    # Of 32 or 64 rows that stay each has all before them come by; with room for all of them nothing is read twice.
    for asked, stay in zip(found, (32, 64, N), strict=True):
        passes = -(-N // stay)
        assert blocks * passes / 2 <= asked <= blocks * (passes + 1) / 2 + passes


def test_no_block_is_read_oftener_than_passes_need() -> None:
    X, y, forget = data()
    source = Source(X, BLOCK)
    problem = mt.UnlearningProblem(source, y, forget)
    mt.check(problem, ["exact-labels"])
    assert source.asked < 24 * -(-N // BLOCK)  # some twenty passes over nineteen blocks


def test_a_map_is_applied_with_one_thread_of_blas_whenever_a_block_is_read() -> None:
    """Sums of several threads have other digits, and a block would seem to have changed."""
    seen: list[int] = []

    class Made(Source):
        def __getitem__(self, key: Any) -> Any:
            seen.extend(
                library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"
            )
            return super().__getitem__(key)

    X, y, forget = data()
    with threadpool_limits(3, user_api="blas"):
        mt.check(mt.UnlearningProblem(Made(X, BLOCK), y, forget), ["exact-labels"])
        assert {*seen} == {1}
        assert 3 in {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


@pytest.fixture
def in_tiny_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_tiles(monkeypatch)


@pytest.mark.usefixtures("in_tiny_tiles")
def test_tiles_of_a_store_are_those_of_a_file(never_whole: list[int]) -> None:
    X, y, forget = data(np.float32)
    made = {"store": mt.UnlearningProblem(Source(X), y, forget), "array": mt.UnlearningProblem(X, y, forget)}
    most = max(map(tiled_bytes, made.values())) / 1e9 + 1e-4
    reports = {name: mt.check(problem, CLAIMS, memory=most) for name, problem in made.items()}
    for report in reports.values():
        assert [row["word"] for row in report.inputs["understood"]].count("K") == 1
        assert report.verdict is mt.Verdict.CERTIFIED
    meet(reports["store"], reports["array"])
    meet(reports["store"], mt.check(made["array"], CLAIMS))


def test_rows_of_a_store_that_are_in_memory_count() -> None:
    X, y, forget = data()
    stored, whole = (tiling.dual_bytes(mt.UnlearningProblem(made, y, forget)) for made in (Source(X), X))
    assert 40 * 8 * WIDTH <= stored - whole <= 2 * X.nbytes  # of so few rows that most fit


@pytest.mark.usefixtures("in_tiny_tiles")
@pytest.mark.parametrize("chunk", [BLOCK, N // 2, N])
def test_memory_for_blocks_of_many_rows_is_asked_for(chunk: int) -> None:
    """A chunk of many rows is one block with all columns, and what it takes is told before."""
    X, y, forget = data()
    problem = mt.UnlearningProblem(Source(X, chunk), y, forget)
    told, thread = tiling._read_bytes(problem)
    tracemalloc.start()
    try:
        tiled_gram(problem.features, np.arange(N), TileFolder())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert chunk * 8 * WIDTH < peak <= told + 8 * tiles.TILE * N + 2 * thread
    least = tiled_bytes(problem)
    assert told < least
    with pytest.raises(mt.BadInputError, match=r"gigabytes or more") as refused:
        mt.check(problem, CLAIMS[:1], memory=(least - 2**18) / 1e9)
    assert ("chunks of fewer rows" in str(refused.value)) == (chunk > 40)


@pytest.mark.usefixtures("in_tiny_tiles")
def test_tiles_of_a_store_read_it_once_a_row_of_tiles() -> None:
    X, _, _ = data()
    source = Source(X, BLOCK)
    stored = Stored("features", source)
    stored.read_all()
    source.asked = 0
    k = tiled_gram(stored, np.arange(N), TileFolder())
    rows_of_tiles, blocks = len(k.cuts), -(-N // BLOCK)
    # Row i of tiles reads the blocks of all rows up to its own, and no strip of columns has it read them again.
    assert source.asked <= rows_of_tiles * blocks
    assert source.asked >= rows_of_tiles * blocks / 2
    assert np.allclose(k.block(range(N), range(N)), X @ X.T, rtol=0, atol=1e-9)


@pytest.mark.parametrize("claims", [["exact-labels"], None])
def test_a_wide_store_that_changes_is_noticed(claims: list[str] | None) -> None:
    X, y, forget = data()
    source = Source(X, BLOCK)
    problem = mt.UnlearningProblem(source, y, forget)
    mt.check(problem, ["exact-labels"])
    source.values = X.copy()
    source.values[101, 333] = np.nextafter(X[101, 333], 9)
    for work in (lambda: mt.check(problem, claims), lambda: mt.solve(problem)):
        with pytest.raises(mt.MusoError, match=r"features\[96:112\].*changed since.*\.npy"):
            work()


@pytest.mark.usefixtures("in_tiny_tiles")
def test_a_store_that_changes_under_tiles_is_noticed() -> None:
    X, y, forget = data(np.float32)
    source = Source(X, BLOCK)
    problem = mt.UnlearningProblem(source, y, forget)
    source.values = X.copy()
    source.values[101, 333] += 1
    with pytest.raises(mt.MusoError, match=r"features\[\d+:\d+\].*changed since"):
        mt.check(problem, ["exact-labels"], memory=tiled_bytes(problem) / 1e9 + 1e-4)


@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_a_row_of_a_wide_store_that_is_not_finite_is_named(bad: float) -> None:
    X, y, forget = data()
    X[277, 5] = bad
    with pytest.raises(
        mt.BadInputError, match=r"features\[277, 5\]=(nan|-inf) \(row 277, column 5.*block 17"
    ):
        mt.UnlearningProblem(Source(X, BLOCK), y, forget)


def test_a_narrow_block_of_a_wide_store_is_refused() -> None:
    X, y, forget = data(n=400)
    with pytest.raises(mt.BadInputError, match=r"\(100, 1300\) of float64.*features\[300:400\]"):
        mt.UnlearningProblem(Narrow(X, 100), y, forget)
