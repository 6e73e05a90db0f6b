"""K in tiles by a Dask cluster: the bounds of threads, whoever made a tile and whoever died meanwhile."""

from __future__ import annotations

import os
import pathlib
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import muso_theory as mt
from muso_theory import mapped as mapping
from muso_theory.linear import shared_tiles, tiling, unfinished
from muso_theory.linear.tiling import tiled_bytes
from muso_theory.mapped import MappedArray, mapped
from muso_theory.numbers import tiled, tiles
from muso_theory.parallel import cluster
from tests import ROOT
from tests.clusters import two_workers
from tests.linear.test_on_cluster import _Flushed, told, used
from tests.numbers.floating_mode import needs_mxcsr
from tests.parallel.test_cluster import started, until

distributed = pytest.importorskip("distributed", reason="needs the extra [cluster]")

CLAIMS = ["exact-labels", "label-free"]
N, WIDTH = 150, 400


def small_tiles() -> None:
    """Tiles of 32 rows, in whatever process this is called."""
    tiles.TILE, tiled._ROWS, tiled._STRIP_BYTES = 32, 16, 1


class _Small(distributed.WorkerPlugin):  # type: ignore[misc]
    """Has every worker make small tiles, one that takes the place of another among them."""

    def setup(self, worker: Any) -> None:
        small_tiles()


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small tiles in a process that is said to take a million bytes."""
    for module, name in ((tiles, "TILE"), (tiled, "_ROWS"), (tiled, "_STRIP_BYTES")):
        monkeypatch.setattr(module, name, getattr(module, name))
    small_tiles()
    monkeypatch.setattr(tiling, "PROCESS_BYTES", 10**6)
    monkeypatch.setattr(tiling, "_MATRICES", 200)


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Two worker processes, which a nanny starts again when they die."""
    with two_workers() as connected:
        connected.register_plugin(_Small())
        yield connected


def problem(seed: int = 0, features: Any = None) -> mt.UnlearningProblem:
    rng = np.random.default_rng(seed)
    made = rng.standard_normal((N, WIDTH)).astype(np.float32)
    return mt.UnlearningProblem(
        made if features is None else features, rng.standard_normal((N, 2)), [4, 9, 77]
    )


def check(given: mt.UnlearningProblem, checkpoint: Path | None = None) -> list[Any]:
    """All that a check with K in tiles claims."""
    most = tiled_bytes(given) / 1e9 + 1e-4
    return told(mt.check(given, CLAIMS, memory=most, checkpoint=checkpoint))


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The tasks of each batch, changed by what is appended in their order; None leaves a batch as it is."""
    found: list[Any] = []
    change: dict[int, Callable[[list[Any]], list[Any]]] = {}

    def measured(client: Any, tasks: Any, *rest: Any) -> Any:
        sent = change.get(len(found), list)(tasks)
        found.append(sent)
        return cluster.measured(client, sent, *rest)

    monkeypatch.setattr(shared_tiles, "measured", measured)
    monkeypatch.setattr(sys.modules[__name__], "CHANGE", change)
    return found


CHANGE: dict[int, Callable[[list[Any]], list[Any]]] = {}
"""By the number of a batch, what is made of its tasks."""


@pytest.mark.slow
def test_bounds_are_those_of_threads(client: Any, batches: list[Any], tmp_path: Path) -> None:
    expected = check(problem())
    assert batches == []
    np.save(tmp_path / "features.npy", problem().features)
    with used(client):
        assert check(problem()) == expected
        assert len(batches[0]) == 15  # a tile each
        assert [len(tasks) for tasks in batches[1:4]] == [2, 2, 2]  # the columns that have two tiles or more
        assert check(problem(features=tmp_path / "features.npy")) == expected
        # What is compared has digits to differ in.
        other = problem().features.copy()
        other[7, 3] = np.nextafter(other[7, 3], np.float32(9))
        assert check(problem(features=other)) != expected


class _Dies:
    """A task whose process is killed, the first time that it is done: before, or with its tiles written."""

    def __init__(self, task: Any, mark: Path, *, late: bool) -> None:
        self.task, self.mark, self.late = task, mark, late

    def __call__(self) -> Any:
        first = not self.mark.exists()
        self.mark.touch()
        found = self.task() if self.late or not first else None
        if first:
            os.kill(os.getpid(), signal.SIGKILL)
        return found


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_time_alone(client: Any, batches: list[Any], tmp_path: Path) -> None:
    expected = check(problem())
    before = set(client.run(os.getpid).values())
    marks = [tmp_path / "gram", tmp_path / "factor"]
    CHANGE[0] = lambda tasks: [*tasks[:1], _Dies(tasks[1], marks[0], late=True), *tasks[2:]]
    CHANGE[2] = lambda tasks: [_Dies(tasks[0], marks[1], late=False), *tasks[1:]]
    with used(client):
        assert check(problem()) == expected
    assert all(mark.exists() for mark in marks)
    client.wait_for_workers(2, timeout=60)
    assert len(before - set(client.run(os.getpid).values())) in (1, 2)


@needs_mxcsr
@pytest.mark.slow
def test_a_worker_that_flushes_to_zero_is_told(client: Any, batches: list[Any]) -> None:
    CHANGE[0] = lambda tasks: [*tasks[:-1], _Flushed(tasks[-1])]
    with used(client), pytest.raises(mt.MusoError, match="flushes subnormal"):
        check(problem())


class _Elsewhere:
    """Paths as a worker has them whose disk is another one."""

    def __init__(self, root: str) -> None:
        self.root = root

    def __call__(self, path: str) -> Path:
        return pathlib.Path(self.root + path)


def see(root: str | None) -> None:
    """Have the worker that does this see files below another root, or the same again."""
    shared_tiles.Path = Path if root is None else _Elsewhere(root)  # type: ignore[misc]


@pytest.mark.slow
def test_a_worker_that_does_not_see_the_folder_is_named(
    client: Any, batches: list[Any], tmp_path: Path
) -> None:
    blind = sorted(client.nthreads())[0]
    words = f"a folder that every worker sees but got folder=.*worker {blind}: .*No such file.*--checkpoint"
    with used(client):
        try:
            client.run(see, str(tmp_path), workers=[blind])
            with pytest.raises(mt.MusoError, match=words) as refused:
                check(problem())
            assert "BadInputError" not in type(refused.value).__name__
            assert batches == []  # before the work
            client.run(see, None, workers=[blind])

            # One that is blind only once all were asked is told by its task.
            def hide(tasks: list[Any]) -> list[Any]:
                client.run(see, str(tmp_path))
                return tasks

            CHANGE[0] = hide
            with pytest.raises(mt.MusoError, match=r"a folder that every worker sees .*No such file"):
                check(problem())
        finally:
            client.run(see, None)


def test_who_reads_the_folder_must_also_write_there(tmp_path: Path) -> None:
    workers = shared_tiles._Workers(None, tiles.TileFolder(tmp_path))
    token = str(workers._token)
    assert workers._unseen(shared_tiles._answered(token)) == ""
    assert workers._unseen("elsewhere").startswith("what it wrote is not here")
    assert workers._unseen(OSError("no")) == "OSError: no"
    other = workers._token.with_name("other")
    other.write_text("another folder")
    assert "another file" in workers._unseen("other")


@pytest.mark.slow
def test_a_lost_scheduler_is_told_and_the_tiles_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batches: list[Any]
) -> None:
    expected, folder = check(problem()), tmp_path / "kept"
    with started(tmp_path / "dask") as dask:
        dask.workers(ROOT, ROOT)
        with distributed.Client(dask.address, timeout=60) as connected:
            connected.register_plugin(_Small())

            def lose(tasks: list[Any]) -> list[Any]:
                dask.scheduler.kill()
                return tasks

            CHANGE[2] = lose
            with used(connected):
                with pytest.raises(mt.MusoError, match=r"scheduler tcp:.* was lost; the same check goes on"):
                    check(problem(), folder)
                until(lambda: connected.status != "running")
                # Where it is asked next, it is gone.
                with pytest.raises(mt.MusoError, match=r"scheduler tcp:.* was lost"):
                    check(problem(), tmp_path / "new")
    formed: list[Any] = []
    monkeypatch.setattr(tiled, "_panel", lambda *words, **more: formed.append(words))
    assert check(problem(), folder) == expected
    assert formed == []


def test_features_of_another_content_are_refused(tmp_path: Path) -> None:
    phi = np.arange(2000.0).reshape(100, 20)
    path = tmp_path / "phi.npy"
    np.save(path, phi)
    there = mapped(np.load(path, mmap_mode="r"))
    assert there is not None
    assert np.array_equal(there.opened(), phi)
    path.write_bytes(path.read_bytes()[:-8] + b"\1" * 8)
    with pytest.raises(mt.MusoError, match=r"the file of the features .*another content"):
        there.opened()
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(mt.MusoError, match="the file of the features"):
        there.opened()
    path.unlink()
    with pytest.raises(mt.MusoError, match=r"No such file.*every worker"):
        there.opened()


@pytest.mark.parametrize("row", range(0, 100, 11))
def test_a_file_that_was_replaced_is_refused_whichever_row_differs(tmp_path: Path, row: int) -> None:
    phi = np.arange(2000.0).reshape(100, 20)
    path, new = tmp_path / "phi.npy", tmp_path / "new.npy"
    np.save(path, phi)
    there = mapped(np.load(path, mmap_mode="r"))
    assert there is not None
    assert np.array_equal(there.opened(), phi)
    phi[row, 3] = np.nextafter(phi[row, 3], 9.0e9)
    np.save(new, phi)
    os.replace(new, path)
    with pytest.raises(
        mt.MusoError, match=r"another content than the problem.*a new problem if the file was"
    ):
        there.opened()


def test_a_file_is_hashed_once_while_it_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[int] = []
    seal = mapping._seal
    monkeypatch.setattr(mapping, "_seal", lambda array: hashed.append(len(array)) or seal(array))
    np.save(tmp_path / "phi.npy", np.eye(5))
    there = mapped(np.load(tmp_path / "phi.npy", mmap_mode="r"))
    assert there is not None
    assert there.opened() is there.opened()
    assert hashed == [5, 5]  # here, and where it is opened
    mapping.close_opened()
    there.opened()
    assert hashed == [5, 5, 5]


@pytest.mark.slow
def test_a_file_that_was_replaced_after_the_problem_was_made_is_refused(client: Any, tmp_path: Path) -> None:
    """This process keeps the old file, workers open the new one, and K must not be of both."""
    path, new = tmp_path / "phi.npy", tmp_path / "new.npy"
    np.save(path, problem().features)
    given = problem(features=path)
    other = problem().features.copy()
    other[77, 5] = np.nextafter(other[77, 5], np.float32(9))
    np.save(new, other)
    os.replace(new, path)
    with used(client), pytest.raises(mt.MusoError, match=r"worker tcp.*another content than the problem"):
        check(given)


def test_an_array_in_a_file_is_found_by_another_process(tmp_path: Path) -> None:
    phi = np.arange(6000.0).reshape(300, 20)
    np.save(tmp_path / "c.npy", phi)
    np.save(tmp_path / "f.npy", np.asfortranarray(phi))
    raw = tmp_path / "raw"
    raw.write_bytes(b"x" * 5000 + phi.tobytes())
    c, f = (np.load(tmp_path / name, mmap_mode="r") for name in ("c.npy", "f.npy"))
    shifted = np.memmap(raw, np.float64, "r", 5000, (300, 20))
    for array in (c, c[40:90], c[7], f, f[:, 3:5], shifted, shifted[100:]):
        there = mapped(array)
        assert isinstance(there, MappedArray)
        assert np.array_equal(there.opened(), array)
        assert there.opened().flags.f_contiguous == array.flags.f_contiguous
    # What is in memory, what is no piece of a file, and what may be another thing in memory than in the file.
    private = np.load(tmp_path / "c.npy", mmap_mode="c")
    for array in (phi, c[:, :3], c[::2], private, np.asarray(c)):
        assert mapped(array) is None


def test_room_for_features_in_memory_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    phi = problem().features
    np.save(tmp_path / "phi.npy", phi)
    assert shared_tiles.bytes_to_share(phi) == 0
    monkeypatch.setattr(shared_tiles, "on_cluster", lambda: True)
    assert shared_tiles.bytes_to_share(phi) == phi.nbytes
    assert unfinished._need(problem()) == tiling.disk_bytes(problem()) + phi.nbytes
    assert shared_tiles.bytes_to_share(np.load(tmp_path / "phi.npy", mmap_mode="r")) == 0


def test_features_in_memory_are_written_beside_the_tiles_while_they_are_read(tmp_path: Path) -> None:
    workers, phi = shared_tiles._Workers(None, tiles.TileFolder(tmp_path)), problem().features
    with workers.reading(phi) as opened:
        found = opened()
        assert np.array_equal(found, phi)
        assert Path(found.filename).parent.parent == tmp_path  # type: ignore[attr-defined]
    assert list(tmp_path.rglob("*.npy")) == []


@contextmanager
def answers(*given: Any) -> Iterator[Any]:
    """A client whose one worker answers these, one after the other."""
    left = list(given)
    yield SimpleNamespace(
        status="running",
        scheduler=SimpleNamespace(address="tcp://s:1"),
        run=lambda *words, **more: {"w": left.pop(0)},
        nthreads=lambda: {"w": 1} if left or given[-1] is not None else {},
    )


def test_a_worker_that_dies_while_it_is_asked_is_no_answer() -> None:
    from distributed.comm import CommClosedError

    broken = CommClosedError("in <TCP>")
    with answers(broken, "well") as client:
        assert cluster.asked(client, os.getpid) == {"w": "well"}
    with answers(ImportError("no")) as client:
        assert isinstance(cluster.asked(client, os.getpid)["w"], ImportError)
    with answers(broken, None) as client:
        assert cluster.asked(client, os.getpid) == {}
    with answers("well") as client:
        client.status = "closed"
        with pytest.raises(mt.MusoError, match="the scheduler tcp://s:1 was lost"):
            cluster.asked(client, os.getpid)
        client.status, client.run = "running", lambda *words, **more: (_ for _ in ()).throw(OSError("gone"))
        with pytest.raises(mt.MusoError, match="was lost: gone"):
            cluster.asked(client, os.getpid)


def test_the_command_takes_a_cluster_where_there_are_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    from muso_theory.commands.check import _cluster

    asked: list[Any] = []
    monkeypatch.setattr(cluster, "connected", lambda *words: asked.append(words))
    _cluster("tcp://s:1", problem(), tiled_bytes(problem()) / 1e9 + 1e-4)
    assert asked == [("tcp://s:1", 1)]
    with pytest.raises(mt.BadInputError, match=r"150 samples, 400 features.*room for K in memory"):
        _cluster("tcp://s:1", problem(), tiling.dual_bytes(problem()) / 1e9 + 1.0)
    assert len(asked) == 1
