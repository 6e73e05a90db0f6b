"""One problem on a Dask cluster: the bounds of threads, whoever computed them and whoever died meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import muso_theory as mt
from muso_theory.linear import spreading
from muso_theory.numbers import spans
from muso_theory.parallel import cluster
from muso_theory.rows import OneHot
from tests import ROOT
from tests.clusters import two_workers
from tests.numbers.floating_mode import FLUSH, floating_mode, needs_mxcsr

distributed = pytest.importorskip("distributed", reason="needs the extra [cluster]")

N, WIDTH, CLASSES = 3000, 20, 6
CLAIMS = ["exact-labels", "full-rank-retain"]


def data() -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(5)
    return (
        rng.standard_normal((N, WIDTH)),
        rng.integers(0, CLASSES, N),
        np.sort(rng.choice(N, 40, replace=False)),
    )


def problem(features: Any = None) -> mt.UnlearningProblem:
    X, codes, forget = data()
    return mt.UnlearningProblem(X if features is None else features, OneHot(codes, CLASSES), forget)


def chunked() -> Any:
    """The features as a Dask array."""
    da = pytest.importorskip("dask.array", reason="needs the extra [dask]")
    return da.from_array(data()[0], chunks=(450, 9))


@pytest.fixture(autouse=True)
def small_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spans of 256 rows: twelve of them."""
    monkeypatch.setattr(spans, "SPAN_BYTES", 1)


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Two worker processes, which a nanny starts again when they die."""
    with two_workers() as connected:
        yield connected


@contextmanager
def used(client: Any) -> Iterator[None]:
    import joblib

    with joblib.parallel_config(backend="dask", client=client):
        yield


def told(report: Any) -> list[tuple[Any, ...]]:
    """All that a report claims, to the last digit of every bound."""
    return [
        (row.name, row.verdict, [(f.quantity.lower, f.quantity.upper) for f in row.findings])
        for row in report.evidence.values()
    ]


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many tasks each pass sent to the cluster."""
    sent: list[int] = []

    def count(client: Any, tasks: Any, *rest: Any) -> Any:
        sent.append(len(tasks))
        return cluster.measured(client, tasks, *rest)

    monkeypatch.setattr(spreading, "measured", count)
    return sent


@pytest.mark.slow
def test_bounds_are_those_of_threads(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = told(mt.check(problem(), CLAIMS))
    sent = counted(monkeypatch)
    with used(client):
        report = mt.check(problem(), CLAIMS)
        assert told(report) == expected
    assert sum(sent) > 12
    address = client.scheduler.address
    words = f"spans of rows where there are several, by the workers of {address}, 2 at the beginning"
    assert ("cluster", words) in [(row["word"], row["value"]) for row in report.inputs["understood"]]
    assert "cluster" not in [row["word"] for row in mt.check(problem(), CLAIMS).inputs["understood"]]
    # What is compared has digits to differ in.
    other = data()[0]
    other[7, 3] = np.nextafter(other[7, 3], 9)
    assert told(mt.check(problem(other), CLAIMS)) != expected


@pytest.mark.slow
def test_bounds_of_stored_rows_are_those_of_threads(
    client: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    zarr = pytest.importorskip("zarr", reason="needs the extra [zarr]")
    stored = zarr.create_array(store=str(tmp_path / "x"), shape=(N, WIDTH), chunks=(333, WIDTH), dtype="f8")
    stored[:] = data()[0]
    expected = told(mt.check(problem(stored), CLAIMS))
    sent = counted(monkeypatch)
    with used(client):
        assert told(mt.check(problem(stored), CLAIMS)) == expected
        assert told(mt.check(problem(chunked()), CLAIMS)) == expected
    assert sum(sent) > 100


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_time_alone(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = told(mt.check(problem(chunked()), CLAIMS))
    killed: list[int] = []
    waves, real = iter(range(1000)), cluster.measured

    def killing(client: Any, tasks: Any, *rest: Any) -> Any:
        """In a wave of a later pass one of the two workers dies with its tasks."""
        if next(waves) == 7:
            killed.extend(client.run(os.getpid).values())
            threading.Timer(0.05, os.kill, (killed[0], signal.SIGKILL)).start()
            tasks = [_Late(task) for task in tasks]
        return real(client, tasks, *rest)

    monkeypatch.setattr(spreading, "measured", killing)
    with used(client):
        assert told(mt.check(problem(chunked()), CLAIMS)) == expected
    assert len(killed) == 2
    client.wait_for_workers(2, timeout=60)
    assert killed[0] not in client.run(os.getpid).values()


class _Late:
    """A task that takes long enough to be killed."""

    def __init__(self, task: Any) -> None:
        self.task = task

    def __call__(self) -> Any:
        time.sleep(0.5)
        return self.task()


@needs_mxcsr
@pytest.mark.slow
def test_a_worker_that_flushes_to_zero_is_told(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real = cluster.measured

    def flushing(client: Any, tasks: Any, *rest: Any) -> Any:
        return real(client, [_Flushed(task) for task in tasks], *rest)

    monkeypatch.setattr(spreading, "measured", flushing)
    with used(client), pytest.raises(mt.MusoError, match="flushes subnormal"):
        mt.check(problem(), CLAIMS)


class _Flushed:
    """A task in a thread whose arithmetic has no subnormal numbers, as code compiled with -ffast-math leaves it."""

    def __init__(self, task: Any) -> None:
        self.task = task

    def __call__(self) -> Any:
        with floating_mode(FLUSH):
            return self.task()


def test_what_has_one_span_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = iter([spans.Part(np.eye(3), np.arange(3))])
    monkeypatch.setattr(spreading, "require_same", None)
    assert [g.shape for g in spreading._on_cluster(None, spans._gram, parts, 1)] == [(3, 3)]


def test_numbers_that_a_message_put_anywhere_in_memory_add_as_all_others() -> None:
    rng = np.random.default_rng(3)
    rows, labels = rng.standard_normal((400, 33)), rng.standard_normal((400, 5))

    def anywhere(values: np.ndarray) -> np.ndarray:
        moved = np.frombuffer(b"\0" * 3 + values.tobytes(), np.uint8)[3:].view(np.float64)
        assert not moved.flags.aligned
        return moved.reshape(values.shape)

    seen = []

    def work(part: spans.Part) -> np.ndarray:
        seen.append(part.matrix.flags.aligned and part.labels.flags.aligned)
        return np.asarray(part.matrix.T @ part.labels)

    index = np.arange(400)
    _, moved = spreading._numbered(0, work, spans.Part(anywhere(rows), index, anywhere(labels)))
    _, as_they_were = spreading._numbered(1, work, spans.Part(rows, index, labels))
    assert seen == [True, True]
    assert np.array_equal(moved, as_they_were)


def test_a_task_takes_its_own_rows_along() -> None:
    X = np.arange(40.0).reshape(10, 4)
    moved = spreading._portable(spans.Part(X, np.array([2, 3, 7]), np.ones((3, 1))))
    assert np.array_equal(moved.features, X[[2, 3, 7]])
    assert moved.features.base is None
    assert np.array_equal(moved.matrix, X[[2, 3, 7]])


class _Rows:
    """Rows that are read from a store, and what another process than this one finds there."""

    chunks = (256, WIDTH)

    def __init__(self, elsewhere: str = "") -> None:
        self.values, self.home, self.elsewhere = data()[0], os.getpid(), elsewhere
        self.shape, self.dtype = self.values.shape, self.values.dtype

    def __getitem__(self, key: Any) -> Any:
        if os.getpid() != self.home and self.elsewhere == "fails":
            raise OSError(5, "Input/output error")
        return self.values[key] + (os.getpid() != self.home and self.elsewhere == "other")


class _Locked(_Rows):
    """A source that holds what cannot be sent."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "words"),
    [
        (
            _Rows("fails"),
            r"worker tcp://.*rows that can be read but got features\[\d+:\d+\]=OSError \(.*output error",
        ),
        (
            _Rows("other"),
            r"worker tcp://.*the rows that were read before.*other rows in this process.*absolute path",
        ),
        (_Locked(), r"a source that can be sent to workers but got features=_Locked \(.*pickle.*path"),
    ],
)
def test_a_source_that_does_not_serve_on_workers_is_told(client: Any, source: Any, words: str) -> None:
    with used(client), pytest.raises(mt.MusoError, match=words) as told:
        mt.check(problem(source), CLAIMS)
    assert not isinstance(told.value, mt.BadInputError)


@pytest.mark.slow
def test_rows_that_every_worker_reads_are_those_of_the_array(client: Any) -> None:
    """The control of the refusals above."""
    expected = told(mt.check(problem(_Rows()), CLAIMS))
    with used(client):
        assert told(mt.check(problem(_Rows()), CLAIMS)) == expected


@pytest.mark.slow
def test_the_option_of_the_command_is_the_door_of_campaigns(client: Any, tmp_path: Path) -> None:
    from muso_theory.commands.check import _cluster

    assert cluster.active_client() is None
    with _cluster(client.scheduler.address, problem()):
        assert cluster.active_client().scheduler.address == client.scheduler.address
        assert spreading.spread() is not spans.here
    assert spreading.spread() is spans.here
    with _cluster(None, problem()):
        assert cluster.active_client() is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("width", "address", "words"),
    [(30, "tcp://127.0.0.1:1", "9 samples, 30 features"), (3, "nowhere", "scheduler that answers")],
)
def test_the_command_refuses_in_words(width: int, address: str, words: str, tmp_path: Path) -> None:
    path, rng = tmp_path / "d.npz", np.random.default_rng(0)
    np.savez(path, X=rng.standard_normal((9, width)), y=rng.standard_normal(9), forget=[1, 2])
    command = ["muso_theory", "check", str(path), "--features", "identity", "--scheduler", address]
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 2, done.stderr
    assert words in " ".join(done.stderr.split()), done.stderr
    assert "Traceback" not in done.stderr
