"""A matrix in tiles is that of memory: its digits, its bounds and its refusals, whoever computes a tile, and when."""

from __future__ import annotations

import os
import pickle
import shutil
from collections import namedtuple
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from muso_theory.errors import MusoError
from muso_theory.numbers import NoArithmeticError, threads, tiled, tiles
from muso_theory.numbers.base_system import numerical_factor
from muso_theory.numbers.gram import blocked_gram, gram_roundings
from muso_theory.numbers.gramcheck import spot_check_gram
from muso_theory.numbers.rounding import gamma
from muso_theory.numbers.spectrum import (
    gram_error,
    largest_eigenvalue_bound,
    rayleigh_bound,
    smallest_eigenvalue_bound,
)
from muso_theory.numbers.tiled import tiled_cholesky, tiled_gram
from muso_theory.numbers.tiles import TileFolder, Tiles
from muso_theory.rows import OneHot

N, WIDTH = 150, 600
_SIZES = tiles.TILE, tiled._ROWS


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles of 32 rows, of which 20 are read at a time, of 256 columns."""
    monkeypatch.setattr(tiles, "TILE", 32)
    monkeypatch.setattr(tiled, "_ROWS", 20)
    monkeypatch.setattr(tiled, "_STRIP_BYTES", 1)


def features(seed: int = 0, dtype: Any = np.float32) -> Any:
    return np.random.default_rng(seed).standard_normal((N, WIDTH)).astype(dtype)


def order() -> Any:
    return np.random.default_rng(1).permutation(N)


def whole(k: Tiles) -> Any:
    return k.block(range(len(k)), range(len(k)))


def split(matrix: Any) -> Tiles:
    """Any symmetric matrix in tiles."""
    folder = TileFolder()
    k = Tiles(folder.files(), len(matrix), folder)
    for i, rows in enumerate(k.cuts):
        for j, columns in enumerate(k.cuts[: i + 1]):
            k.files.write(i, j, matrix[rows, columns])
    return k


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_gram_matrix_keeps_its_bound(dtype: Any) -> None:
    phi = features(dtype=dtype)[order()].astype(np.float64)
    k = whole(tiled_gram(features(dtype=dtype), order(), TileFolder()))
    size = np.abs(phi) @ np.abs(phi).T
    bound = float(gamma(gram_roundings(WIDTH)))

    def misses(found: Any) -> Any:
        # Both are within the bound of the truth; an entry of the truth is off by nothing in exact arithmetic.
        i, j = np.unravel_index(np.argmax(np.abs(found - phi @ phi.T) / size), found.shape)
        true = sum((Fraction(a) * Fraction(b) for a, b in zip(phi[i], phi[j], strict=True)), Fraction(0))
        return abs(float(Fraction(found[i, j]) - true)) / size[i, j]

    assert misses(k) <= bound
    assert np.array_equal(k, k.T)
    wrong = k.copy()
    wrong[70, 3] += 2 * bound * size[70, 3]
    assert misses(wrong) > bound


def backwards(work: Callable[[Any], None], blocks: Sequence[Any], *, alone: bool = False) -> None:
    """What threads do in some order, in the opposite one."""
    for block in reversed(blocks):
        work(block)


def test_no_digit_depends_on_threads_or_on_the_order_of_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    def found() -> tuple[bytes, bytes]:
        k = tiled_gram(features(), order(), TileFolder())
        factor = tiled_cholesky(k)
        assert factor is not None
        return whole(k).tobytes(), whole(factor._lower).tobytes()

    known = []
    for count in (1, 3):
        monkeypatch.setattr(threads, "thread_count", lambda count=count: count)
        known.append(found())
    monkeypatch.setattr(tiled, "over_blocks", backwards)
    known.append(found())
    assert known[0] == known[1] == known[2]
    monkeypatch.setattr(tiled, "COLUMN_BLOCK", 100)  # other sums, which would be noticed
    monkeypatch.setattr("muso_theory.numbers.gram.COLUMN_BLOCK", 100)
    assert found()[0] != known[0][0]


def test_the_factor_keeps_its_bound_in_exact_arithmetic(monkeypatch: pytest.MonkeyPatch) -> None:
    """|LLᵀ − A| ≤ γ_{j+4}/(1 − γ_{j+4}) √(a_ii a_jj), which the bound of λ_min rests on, entry by entry."""
    monkeypatch.setattr(tiles, "TILE", 5)
    k = tiled_gram(features(), np.arange(13), TileFolder())
    shift = 3.0
    factor = tiled_cholesky(k, exponent=10, shift=shift / 1024)
    assert factor is not None
    a = whole(k) * 2.0**-10
    a[np.diag_indices(13)] -= shift / 1024

    def holds(lower: Any) -> bool:
        exact = [[Fraction(float(x)) for x in row] for row in np.tril(lower)]
        for i in range(13):
            for j in range(i + 1):
                product = sum((exact[i][m] * exact[j][m] for m in range(j + 1)), Fraction(0))
                phi = gamma(j + 5) / (1 - gamma(j + 5))
                square = phi**2 * Fraction(a[i, i]) * Fraction(a[j, j])
                if (product - Fraction(a[i, j])) ** 2 > square:
                    return False
        return True

    lower = whole(factor._lower)
    assert holds(lower)
    planted = lower.copy()
    planted[11, 2] *= 1 + 2.0**-40
    assert not holds(planted)


def test_bounds_of_the_spectrum_are_those_of_the_matrix() -> None:
    k = tiled_gram(features(), order(), TileFolder())
    dense = blocked_gram(features(), order())
    values, vectors = np.linalg.eigh(dense)
    error = gram_error(k, WIDTH)
    assert error == pytest.approx(float(gram_error(dense, WIDTH)), rel=1e-9)
    low = smallest_eigenvalue_bound(k, error, float(values[0]))
    assert low is not None
    assert 0.7 * values[0] < low < values[0]
    assert values[-1] < largest_eigenvalue_bound(k, error) < 4 * values[-1]
    assert values[0] < rayleigh_bound(k, vectors[:, :1], error) < 1.001 * values[0]
    assert float(k.frobenius) == pytest.approx(np.linalg.norm(dense), rel=1e-9)
    assert np.allclose(k.row_sums, np.abs(dense).sum(axis=1), rtol=1e-12)


def test_what_is_not_definite_gets_no_bound() -> None:
    dense = blocked_gram(features(), order())
    smallest = float(np.linalg.eigvalsh(dense)[0])
    k = split(dense)
    assert tiled_cholesky(k, shift=0.99 * smallest) is not None
    assert tiled_cholesky(k, shift=1.01 * smallest) is None
    assert smallest_eigenvalue_bound(split(np.ones((70, 70))), Fraction(0), 1e-17) is None
    # An error as large as the eigenvalue leaves nothing to prove.
    assert smallest_eigenvalue_bound(k, Fraction(smallest), smallest) is None
    for entry in (np.nan, np.inf):
        broken = dense.copy()
        broken[100, 5] = broken[5, 100] = entry
        assert tiled_cholesky(split(broken)) is None


def test_products_solves_and_blocks() -> None:
    k = tiled_gram(features(), order(), TileFolder())
    dense = whole(k)
    rng = np.random.default_rng(2)
    x = rng.standard_normal((N, 3))
    assert np.allclose(k @ x, dense @ x, rtol=1e-12, atol=1e-9)
    factor = numerical_factor(k, "Φ")
    assert np.allclose(factor.solve(x), np.linalg.solve(dense, x), rtol=1e-8, atol=1e-12)
    cut = 77  # not a whole number of tiles
    assert np.allclose(k.leading(cut) @ x[:cut], dense[:cut, :cut] @ x[:cut], rtol=1e-12, atol=1e-9)
    part = factor.leading(cut)  # type: ignore[attr-defined]
    assert np.allclose(
        part.solve(x[:cut]), np.linalg.solve(dense[:cut, :cut], x[:cut]), rtol=1e-8, atol=1e-12
    )
    assert np.allclose(
        numerical_factor(k, "Φ", 5.0).solve(x),
        np.linalg.solve(dense + 5 * np.eye(N), x),
        rtol=1e-8,
        atol=1e-12,
    )
    rows, columns = rng.permutation(N)[:40], rng.permutation(N)[:70]
    assert np.array_equal(k.block(rows, columns), dense[np.ix_(rows, columns)])
    with pytest.raises(MusoError, match="150 rows"):
        factor.solve(x[:3])


def test_parts_are_views_arrays_or_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    k = tiled_gram(features(), order(), TileFolder())
    dense = whole(k)
    assert isinstance(k.part(range(90)), Tiles)
    few = k.part(range(100, 150))
    assert np.array_equal(few, dense[100:, 100:])
    monkeypatch.setattr(tiles, "_FEW", 0)
    chosen = tuple(range(3, 150, 2))
    many = k.part(chosen)
    assert isinstance(many, Tiles)
    assert np.array_equal(whole(many), dense[np.ix_(chosen, chosen)])


def test_a_tile_that_was_changed_is_refused() -> None:
    folder = TileFolder()
    k = tiled_gram(features(), order(), folder)
    [path] = folder.path.glob("*-3-1-*.tile")
    data = bytearray(path.read_bytes())
    data[17] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(MusoError, match="changed since"):
        k @ np.ones((N, 1))
    path.unlink()
    with pytest.raises(MusoError, match="a tile that was written"):
        tiled_cholesky(k)


def test_tiles_of_a_process_before_are_used_and_damaged_ones_are_not() -> None:
    folder = TileFolder()
    first = whole(tiled_gram(features(), order(), folder, "K"))
    kept = sorted(folder.path.glob("*.tile"))
    stamps = [path.stat().st_mtime_ns for path in kept]
    assert np.array_equal(whole(tiled_gram(features(), order(), folder, "K")), first)
    assert [path.stat().st_mtime_ns for path in kept] == stamps
    # A tile under the name of another one does not fit its hash, and is formed again.
    kept[0].write_bytes(kept[3].read_bytes())
    assert np.array_equal(whole(tiled_gram(features(), order(), folder, "K")), first)


def test_a_wrong_tile_whose_hash_fits_is_no_gram_matrix() -> None:
    phi, folder = features(), TileFolder()
    k = tiled_gram(phi, order(), folder)
    spot_check_gram(phi, order(), k)
    tile = k.tile(2, 1).copy()
    tile[4, 7] += 1e-6
    k.files.write(2, 1, tile)
    with pytest.raises(MusoError, match=r"its row (39|68) is off"):
        spot_check_gram(phi, order(), k)


def test_it_is_never_made_whole_and_needs_room(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = TileFolder()
    k = tiled_gram(features(), order(), folder)
    with pytest.raises(NoArithmeticError, match="180,000 bytes"):
        np.asarray(k)
    there = sum(path.stat().st_size for path in folder.path.glob("*.tile"))
    assert there == tiles.tile_bytes(N)
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(tiles.shutil, "disk_usage", lambda path: usage(1000))
    folder.require_room(there + 1000)
    with pytest.raises(MusoError, match=f"room for {there + 1001:,} bytes"):
        folder.require_room(there + 1001)


def test_a_folder_of_its_own_goes_with_the_last_matrix() -> None:
    k = tiled_gram(features(), order(), TileFolder())
    path = k.folder.path
    assert path.exists()
    factor = tiled_cholesky(k)
    del k
    assert path.exists()
    del factor
    assert not path.exists()


def test_what_a_killed_process_left_is_removed_and_a_named_matrix_stays(tmp_path: Path) -> None:
    k = tiled_gram(features(), order(), TileFolder(tmp_path), "K")
    factor = tiled_cholesky(k)
    assert tiled_cholesky(k, shift=1.0, kept=False) is not None
    mine = [path for path in tmp_path.iterdir() if path.is_dir()]
    # Of a process that is no more, of one that is at work, and of somebody else.
    left, alive, other = (
        tmp_path / name
        for name in (
            f"muso-tiles-{2**40}-killed_1",
            f"muso-tiles-{os.getppid()}-abcd_123",
            "muso-tiles-thesis",
        )
    )
    for folder in (left, alive, other):
        folder.mkdir()
        (folder / "unnamed1-0-0-abc.tile").write_bytes(b"")
    tiles.clear_unnamed(tmp_path)
    assert {path for path in tmp_path.iterdir() if path.is_dir()} == {*mine, alive, other}
    shutil.rmtree(alive)
    shutil.rmtree(other)
    assert factor is not None
    names = len(list(tmp_path.glob("K*.tile")))
    assert names == 2 * 15  # K and its factor, and nothing of what only proved
    del k, factor
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]
    assert len(list(tmp_path.glob("K*.tile"))) == names


class _Elsewhere:
    """Workers that know nothing but what they are sent, and do their tasks in any order, some of them twice."""

    def __init__(self, count: int) -> None:
        self.count, self.sent = count, list[int]()

    @contextmanager
    def reading(self, phi: Any) -> Iterator[Callable[[], Any]]:
        yield np.array(phi).view

    def run(self, tasks: Sequence[Callable[[], Any]]) -> Iterator[Any]:
        self.sent.append(len(tasks))
        moved = [pickle.dumps(task) for task in tasks]
        for data in [*reversed(moved), *moved[:1]]:
            yield pickle.loads(data)()


@pytest.mark.parametrize("count", [1, 2, 7])
def test_tiles_by_others_are_the_same_to_the_last_digit(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        tiled, "_ROWS", 16
    )  # a tile has so many twice, and by itself the same blocks as in its row

    def made(folder: TileFolder, phi: Any) -> list[Any]:
        k = tiled_gram(phi, order(), folder)
        factor = tiled_cholesky(k, exponent=3, shift=-1.0)
        assert factor is not None
        assert tiled_cholesky(k, shift=1e6, kept=False) is None
        return [whole(k), whole(factor._lower), factor.solve(np.ones((N, 1)))]

    others = _Elsewhere(count)
    elsewhere = TileFolder(workers=lambda folder: others)
    expected = made(TileFolder(), features())
    assert all(map(np.array_equal, made(elsewhere, features()), expected))
    assert others.sent == [15, *(min(count, left) for left in (4, 3, 2))]  # one tile alone is done here
    assert len(list(elsewhere.path.rglob("*.tile"))) == 2 * 15  # written again, a tile is the same file
    changed = features()
    changed[3, 5] = np.nextafter(changed[3, 5], np.float32(9))
    assert not np.array_equal(made(elsewhere, changed)[0], expected[0])


def test_others_make_only_what_is_missing(tmp_path: Path) -> None:
    first = whole(tiled_gram(features(), order(), TileFolder(tmp_path), "K"))
    others = _Elsewhere(2)
    next(tmp_path.glob("K-3-*.tile")).unlink()
    again = tiled_gram(features(), order(), TileFolder(tmp_path, lambda folder: others), "K")
    assert np.array_equal(whole(again), first)
    assert others.sent == [1]
    assert np.array_equal(whole(tiled_gram(features(), order(), again.folder, "K")), first)
    assert others.sent == [1]


def test_blocks_of_rows_make_whole_tiles() -> None:
    assert _SIZES[0] % _SIZES[1] == 0


def test_rows_of_a_store_are_read_here_and_the_factor_made_by_others() -> None:
    codes = np.random.default_rng(2).integers(0, 600, N)
    plain, others = TileFolder(), _Elsewhere(2)
    expected = tiled_gram(OneHot(codes, 600), order(), plain)
    found = tiled_gram(OneHot(codes, 600), order(), TileFolder(workers=lambda folder: others))
    assert others.sent == []
    assert np.array_equal(whole(found), whole(expected))
    assert np.array_equal(whole(found), np.equal.outer(codes[order()], codes[order()]))
    factor, known = (tiled_cholesky(k, shift=-1.0) for k in (found, expected))
    assert others.sent == [2, 2, 2]
    assert factor is not None
    assert known is not None
    assert np.array_equal(whole(factor._lower), whole(known._lower))
