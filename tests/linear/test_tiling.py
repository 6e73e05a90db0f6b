"""A check whose Gram matrix has no room in memory: asked for by memory alone, with the bounds of any other check."""

from __future__ import annotations

import copy
import json
from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.checking.report import digest
from muso_theory.linear import tiling
from muso_theory.linear.certified import CertifiedForms
from muso_theory.linear.tiling import in_tiles, tiled_bytes, within
from muso_theory.machine import memory_of
from muso_theory.numbers import tiled, tiles
from muso_theory.numbers.tiles import Tiles
from verification.commands import muso

CLAIMS = ["exact-labels", "label-free"]
N, WIDTH = 150, 400


def tiny_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles of 32 rows, in a process that is said to take a million bytes."""
    monkeypatch.setattr(tiles, "TILE", 32)
    monkeypatch.setattr(tiled, "_ROWS", 16)
    monkeypatch.setattr(tiled, "_STRIP_BYTES", 1)
    monkeypatch.setattr(tiling, "PROCESS_BYTES", 10**6)
    monkeypatch.setattr(tiling, "_MATRICES", 200)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_tiles(monkeypatch)


def problem(seed: int = 0, **words: Any) -> mt.UnlearningProblem:
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((N, WIDTH)).astype(np.float32)
    return mt.UnlearningProblem(features, rng.standard_normal((N, 2)), [4, 9, 77], **words)


def cap(given: mt.UnlearningProblem) -> float:
    """Gigabytes in which K has no room, and its tiles have."""
    least = tiled_bytes(given)
    assert least < tiling.dual_bytes(given)
    return least / 1e9 + 1e-4


def told(report: Any) -> list[Any]:
    return [
        (row.name, row.verdict, [(f.quantity.lower, f.quantity.upper) for f in row.findings])
        for row in report.evidence.values()
    ]


@pytest.fixture
def formed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows of tiles were formed; with a negative entry in front, stops after so many."""
    found: list[int] = []
    real = tiled._panel

    def counting(*words: Any, **more: Any) -> Any:
        if found and found[0] < 0:
            found[0] += 1
            if not found[0]:
                del found[0]
                raise KeyboardInterrupt
        found.append(1)
        return real(*words, **more)

    monkeypatch.setattr(tiled, "_panel", counting)
    return found


def test_tiles_say_what_memory_says(formed: list[int]) -> None:
    plain = mt.check(problem(), CLAIMS)
    assert formed == []
    assert "K" not in [row["word"] for row in plain.inputs["understood"]]
    tiled_report = mt.check(problem(), CLAIMS, memory=cap(problem()))
    assert len(formed) == 5
    [words] = [row["value"] for row in tiled_report.inputs["understood"] if row["word"] == "K"]
    assert words.startswith("15 tiles on disk")
    assert tiled_report.verdict is plain.verdict is mt.Verdict.CERTIFIED
    for (name, verdict, ends), (other, other_verdict, other_ends) in zip(
        told(plain), told(tiled_report), strict=True
    ):
        assert (name, verdict) == (other, other_verdict)
        # Both enclose the same number, but where it is of floats that were computed in another order.
        if "[output]" not in name and name not in CLAIMS:
            assert all(a <= d and c <= b for (a, b), (c, d) in zip(ends, other_ends, strict=True)), (
                name,
                ends,
                other_ends,
            )


def test_enclosures_meet_those_of_memory() -> None:
    labels = np.random.default_rng(5).standard_normal((3, 2))
    plain = CertifiedForms(problem())
    with memory_of(int(cap(problem()) * 1e9)):
        found = CertifiedForms(problem())
        gap = found.gap(found.given(labels))
        smallest, largest = found.spectrum
        kept = found.leave_block_out()
        assert isinstance(found.systems.everything.matrix, Tiles)
    known = plain.gap(plain.given(labels))
    assert gap.lower <= known.upper
    assert known.lower <= gap.upper
    assert float(gap.upper - gap.lower) < 1e-9 * float(gap.upper)
    for mine, theirs in zip((smallest, largest), plain.spectrum, strict=True):
        assert mine.lower <= theirs.upper
        assert theirs.lower <= mine.upper
    assert np.allclose(kept.values, plain.optimal_labels.values, atol=1e-10)
    # Another problem's gap lies elsewhere, so that meeting is no matter of course.
    other = CertifiedForms(problem(1))
    assert (
        not other.gap(other.given(labels)).lower <= known.upper
        or not known.lower <= other.gap(other.given(labels)).upper
    )


def test_all_claims_and_solutions_in_tiles() -> None:
    given = problem()
    plain = mt.check(problem())
    report = mt.check(given, memory=cap(given))
    assert [row.verdict for row in report.evidence.values()] == [
        row.verdict for row in plain.evidence.values()
    ]
    with memory_of(int(cap(given) * 1e9)):
        solution = mt.solve(given)
    assert np.allclose(solution.w_unlearned, mt.solve(problem()).w_unlearned, atol=1e-10)


def test_equal_rows_a_start_and_a_ridge() -> None:
    rng = np.random.default_rng(3)
    features = rng.standard_normal((N, WIDTH)).astype(np.float32)
    features[60] = features[2]
    targets, start = rng.standard_normal((N, 1)), rng.standard_normal((WIDTH, 1))
    words = [*CLAIMS, "ridge-anchored"]

    def made() -> mt.UnlearningProblem:
        return mt.UnlearningProblem(features, targets, [4, 9, 77], w_init=start)

    plain = mt.check(made(), words)
    report = mt.check(made(), words, memory=cap(made()))
    theorems = [name for name in report.evidence if "[" not in name]
    assert {report.evidence[name].verdict for name in theorems} == {mt.Verdict.CERTIFIED}
    assert [plain.evidence[name].verdict for name in theorems] == [mt.Verdict.CERTIFIED] * len(theorems)


def test_it_follows_from_sizes_and_memory_alone() -> None:
    given = problem()
    need = tiling.dual_bytes(given) + tiling.output_bytes(given) + tiling.given_bytes(given)
    with memory_of(need):
        assert not in_tiles(given)
    with memory_of(need - 1):
        assert in_tiles(given)
        tall = mt.UnlearningProblem(np.eye(5, 2), np.ones(5), [1])
        assert not in_tiles(tall)
        assert not in_tiles(mt.UnlearningProblem(np.eye(2, 5, dtype=int), [1, 2], [1]))


def test_too_little_memory_and_room_is_told_before_the_work(
    tmp_path: Path, formed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    least = tiled_bytes(problem())
    with pytest.raises(
        mt.BadInputError, match=r"0\.\d+ gigabytes or more.*memory=0\.0001 .*threads?\); try 0\.\d+$"
    ):
        mt.check(problem(), CLAIMS, memory=1e-4)
    with within(10**400, problem()):  # all that there is
        assert not in_tiles(problem())
    for wrong in (0, -1.0, float("nan"), float("inf"), "2", True):
        with pytest.raises(mt.BadInputError, match="memory"):
            mt.check(problem(), CLAIMS, memory=wrong)  # type: ignore[arg-type]
    with within(least / 1e9 + 1e-9, problem()):
        assert in_tiles(problem())
    need, usage = tiling.disk_bytes(problem()), namedtuple("usage", "free")
    assert need == 3 * tiles.tile_bytes(N)
    for folder in (None, tmp_path / "kept"):
        with monkeypatch.context() as patch:
            patch.setattr(tiles.shutil, "disk_usage", lambda path: usage(need - 1))
            with pytest.raises(
                mt.MusoError, match=f"room for {need:,} bytes of tiles.*{need - 1:,} bytes free"
            ):
                mt.check(problem(), CLAIMS, memory=cap(problem()), checkpoint=folder)
    assert formed == []


def test_the_memory_that_is_named_is_enough_and_the_least(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a small K, a matrix takes less than the rows that its tiles are made of."""
    for matrices, tile in ((200, 32), (4.5, 1024)):
        monkeypatch.setattr(tiling, "_MATRICES", matrices)
        monkeypatch.setattr(tiles, "TILE", tile)
        with (
            pytest.raises(mt.BadInputError, match="gigabytes or more") as error,
            within(1e-4, problem()),
        ):
            pass
        least = float(str(error.value).rpartition("try ")[2])
        with within(least, problem()):
            assert in_tiles(problem()) == (matrices == 200)
        assert (least * 1e9 < tiled_bytes(problem())) == (matrices == 4.5)
        with pytest.raises(mt.BadInputError), within(least - 0.0101, problem()):
            pass


def test_a_report_stands_where_it_is_repeated(tmp_path: Path, formed: list[int]) -> None:
    """In tiles by the memory that it names; and who has computed is nothing that data could contradict."""
    given, report = problem(), tmp_path / "r.json"
    np.save(tmp_path / "x.npy", given.features)
    np.save(tmp_path / "y.npy", given.targets)
    data = tmp_path / "x.npy"
    options = ["--target", tmp_path / "y.npy", "--forget", "rows:4,9,77", "--claim", "exact-labels"]
    answer = muso("check", data, *options, "--memory", cap(given), "--json", report)
    assert (answer.status, "tiles on disk" in answer.out, bool(formed)) == (0, True, True)
    formed.clear()
    again = muso("recheck", report, data)
    assert (again.status, bool(formed)) == (0, True), again.out
    assert "2 rows identical" in again.out

    document = json.loads(report.read_text(encoding="utf-8"))
    value = "tiles of K, by the workers of tcp://there:1, 2 at the beginning"
    row = {"word": "cluster", "value": value, "how": "given", "option": "--scheduler"}
    more: list[tuple[list[Any], int]] = [
        ([row], 0),
        ([row, row], 1),  # and nothing is hidden in such a row
        *(
            ([{**row, key: other}], 1)
            for key, other in (("word", "forget"), ("value", "w₀ is 3"), ("how", "inferred"))
        ),
        ([{**row, "value": 3}], 1),
        ([{**row, "proved": "yes"}], 1),
    ]
    for rows, status in more:
        changed = copy.deepcopy(document)
        changed["input"]["understood"] += rows
        changed["digest"] = digest(changed)
        report.write_text(json.dumps(changed), encoding="utf-8")
        assert muso("recheck", report, data).status == status


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_memory_below_what_more_samples_than_features_take_is_refused_with_what_is_enough(
    kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiling, "PROCESS_BYTES", 2 * 10**7)
    rng, claim = np.random.default_rng(0), "exact-labels"
    tall = mt.UnlearningProblem(rng.standard_normal((40, 5)).astype(kind), rng.standard_normal(40), [1])
    with pytest.raises(mt.BadInputError, match="40 samples, 5 features") as error:
        mt.check(tall, claim, memory=1e-4)
    enough = float(str(error.value).rpartition("try ")[2])
    assert mt.check(tall, claim, memory=enough)[f"{claim}[output]"].verdict is mt.Verdict.CERTIFIED
    with pytest.raises(mt.BadInputError):
        mt.check(tall, claim, memory=enough - 0.0101)
    # Exact numbers are not computed in blocks: what does not fit is not started, and says whose memory that is.
    exact = mt.UnlearningProblem(np.arange(6).reshape(3, 2) ** 2, [1, 2, 3], [1])
    assert "the 0.0001 GB of --memory" in mt.check(exact, claim, memory=1e-4)[claim].needs


def test_room_for_tiles_is_not_what_another_problem_has_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mt.check(problem(), CLAIMS, memory=cap(problem()), checkpoint=tmp_path)
    kept = sum(path.stat().st_size for path in tmp_path.glob("*.tile"))
    need, usage = tiling.disk_bytes(problem()), namedtuple("usage", "free")
    assert 0 < kept < need
    monkeypatch.setattr(tiles.shutil, "disk_usage", lambda path: usage(need - kept))
    mt.check(problem(), CLAIMS, memory=cap(problem()), checkpoint=tmp_path)  # its own tiles are there already
    with pytest.raises(mt.MusoError, match=r"room for .* bytes of tiles"):
        mt.check(problem(1), CLAIMS, memory=cap(problem()), checkpoint=tmp_path)


def test_a_check_that_was_stopped_goes_on(formed: list[int], tmp_path: Path) -> None:
    most = cap(problem())
    expected = told(mt.check(problem(), CLAIMS, memory=most))
    whole = len(formed)
    formed[:] = [-3]
    with pytest.raises(KeyboardInterrupt):
        mt.check(problem(), CLAIMS, memory=most, checkpoint=tmp_path)
    assert len(formed) == 2
    assert told(mt.check(problem(), CLAIMS, memory=most, checkpoint=tmp_path)) == expected
    assert len(formed) == whole  # none of them twice
    assert told(mt.check(problem(), CLAIMS, memory=most, checkpoint=tmp_path)) == expected
    assert len(formed) == whole
    assert told(mt.check(problem(1), CLAIMS, memory=most, checkpoint=tmp_path)) != expected
    assert len(formed) == 2 * whole


def test_tiles_of_another_matrix_are_refused_and_damaged_ones_formed_again(
    formed: list[int], tmp_path: Path
) -> None:
    most = cap(problem())
    expected = told(mt.check(problem(), CLAIMS, memory=most, checkpoint=tmp_path))
    whole = len(formed)
    damaged = sorted(p for p in tmp_path.glob("*-2-1-*.tile") if "_" not in p.name)[0]
    damaged.write_bytes(damaged.read_bytes()[::-1])
    assert told(mt.check(problem(), CLAIMS, memory=most, checkpoint=tmp_path)) == expected
    assert len(formed) == whole + 1
    # A wrong tile under a hash that fits: only the features tell.
    [path] = (p for p in tmp_path.glob("*-2-1-*.tile") if "_" not in p.name)
    files = tiles.TileFiles(tmp_path, path.name.split("-")[0])
    assert files.find(2, 1, (32, 32))
    wrong = files.read(2, 1).copy()
    path.unlink()
    wrong[3, 3] += 1e-5
    files.write(2, 1, wrong)
    with pytest.raises(mt.MusoError, match=r"the tiles in .* are of another matrix"):
        mt.check(problem(), CLAIMS, memory=most, checkpoint=tmp_path)


def test_features_in_a_file_are_never_held(tmp_path: Path) -> None:
    given = problem()
    np.save(tmp_path / "features.npy", given.features)
    mapped = mt.UnlearningProblem(tmp_path / "features.npy", given.targets, given.forget)
    assert tiled_bytes(given) - tiled_bytes(mapped) == given.features.nbytes
    report = mt.check(mapped, CLAIMS, memory=cap(mapped))
    assert told(report) == told(mt.check(given, CLAIMS, memory=cap(given)))


def test_features_in_a_file_take_no_memory(tmp_path: Path) -> None:
    given = problem()
    np.save(tmp_path / "phi.npy", given.features)
    mapped = mt.UnlearningProblem(
        np.load(tmp_path / "phi.npy", mmap_mode="r"), given.targets, given.forget, given.w_init
    )
    assert tiled_bytes(given) - tiled_bytes(mapped) == given.features.nbytes
