"""Points on a Dask cluster: of workers that have this code, and of a cluster that is lost."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import muso_theory
import muso_theory as mt
from muso_theory.errors import BadInputError, MusoError
from muso_theory.parallel import cluster
from muso_theory.parallel.points import Workers, measure_all, package_hash
from tests import ROOT

pytest.importorskip("distributed", reason="needs the extra [cluster]")

POINTS = [{"seed": seed} for seed in range(4)]


def waited(point: dict[str, Any], gate: str = "") -> dict[str, Any]:
    """A point that takes until a file is there, from the second on, and that leaves a mark whenever it is begun."""
    if gate:
        with Path(f"{gate}-{point['seed']}").open("a") as stream:
            stream.write("x")
    while gate and point["seed"] and not Path(gate).exists():
        time.sleep(0.02)
    return {"square": point["seed"] ** 2}


def until(happened: Callable[[], Any], seconds: float = 60) -> Any:
    """What was waited for."""
    deadline = time.monotonic() + seconds
    while not (found := happened()):
        assert time.monotonic() < deadline, "in vain"
        time.sleep(0.02)
    return found


class Cluster:
    """A scheduler and workers, each a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.processes = folder, []
        told = folder / "scheduler.json"
        self.scheduler = self.start(
            "scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", str(told)
        )
        until(lambda: told.exists() and told.read_text())
        self.address = json.loads(told.read_text())["address"]

    def start(self, kind: str, *words: str, **variables: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "distributed.cli.dask_" + kind, "--host", "127.0.0.1", *words]
        paths = os.pathsep.join([variables.pop("first", str(ROOT)), str(ROOT)])
        with (self.folder / f"{len(self.processes)}.log").open("wb") as log:
            process = subprocess.Popen(
                command, cwd=self.folder, env={**os.environ, "PYTHONPATH": paths}, stdout=log, stderr=log
            )
        self.processes.append(process)
        return process

    def workers(self, *first: Path) -> list[subprocess.Popen[bytes]]:
        """More workers, each of which looks for modules in a folder of its own first."""
        from distributed import Client

        words = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(self.folder)]
        found = [self.start("worker", self.address, *words, first=str(folder)) for folder in first]
        with Client(self.address, timeout=60) as client:
            count = sum(one is not self.scheduler and one.poll() is None for one in self.processes)
            client.wait_for_workers(count, timeout=120)
        return found


@contextmanager
def started(folder: Path) -> Iterator[Cluster]:
    folder.mkdir(exist_ok=True)
    made = Cluster(folder)
    try:
        yield made
    finally:
        for process in reversed(made.processes):
            process.kill()
            process.wait()


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[Cluster]:
    with started(tmp_path / "dask") as made:
        yield made


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_FOR_WORKER", 3.0)
    monkeypatch.setattr(cluster, "_FOR_SCHEDULER", 300.0)  # it is there, and a busy machine connects late


def run(scheduler: str, folder: Path, gate: str = "") -> list[dict[str, Any]]:
    where = {"gate": gate}
    return measure_all("t", waited, POINTS, folder, package_hash, Workers(scheduler=scheduler), where=where)


def kept(folder: Path) -> int:
    return len(list(folder.glob("[!.]*.json")))


def other_code(folder: Path) -> Path:
    """This package, but for one comment."""
    home = Path(muso_theory.__file__).parent
    shutil.copytree(home, folder / "muso_theory", ignore=shutil.ignore_patterns("__pycache__"))
    with (folder / "muso_theory" / "errors.py").open("a") as stream:
        stream.write("# another comment\n")
    return folder


def other_version(folder: Path) -> Path:
    """Packages that say that they are another python-flint."""
    info = folder / "python_flint-0.0.1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: python-flint\nVersion: 0.0.1\n")
    return folder


def no_package(folder: Path) -> Path:
    """A package of that name that cannot be imported."""
    (folder / "muso_theory").mkdir(parents=True)
    (folder / "muso_theory" / "__init__.py").write_text("raise ImportError('nothing here')\n")
    return folder


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One worker with this code, and three that differ."""
    folder = tmp_path_factory.mktemp("mixed")
    with started(folder / "dask") as made:
        others = [make(folder / make.__name__) for make in (other_code, other_version, no_package)]
        made.workers(ROOT, *others)
        yield made


def told_of_each(words: str) -> bool:
    """Whether the scheduler and three workers are named, each of these with what differs."""
    return words.count("tcp://127.0.0.1:") == 4 and all(
        part in words for part in ("other code", "python-flint 0.0.1, not ", "nothing here")
    )


def test_workers_that_differ_are_refused_before_a_point_runs(mixed: Cluster, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="workers with the code") as told:
        run(mixed.address, tmp_path / "points")
    assert told_of_each(str(told.value)), told.value
    assert kept(tmp_path / "points") == 0


def test_joblibs_own_configuration_is_held_to_the_same(mixed: Cluster, tmp_path: Path) -> None:
    import joblib
    from distributed import Client

    with (
        Client(mixed.address),
        joblib.parallel_config(backend="dask"),
        pytest.raises(BadInputError, match="other code"),
    ):
        measure_all("t", waited, POINTS, tmp_path / "points", package_hash, Workers())
    assert kept(tmp_path / "points") == 0


def test_one_problem_is_held_to_the_same(mixed: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    import joblib
    from distributed import Client

    from muso_theory.numbers import spans

    monkeypatch.setattr(spans, "SPAN_BYTES", 1)
    rng = np.random.default_rng(0)
    problem = mt.UnlearningProblem(rng.standard_normal((600, 4)), rng.standard_normal(600), [1])
    with (
        Client(mixed.address),
        joblib.parallel_config(backend="dask"),
        pytest.raises(MusoError, match="workers with the code") as told,
    ):
        mt.check(problem, ["conditioning"])
    assert told_of_each(str(told.value)), told.value
    assert not isinstance(told.value, BadInputError)  # which would lead to the next arithmetic


@pytest.mark.slow
def test_the_commands_exit_with_2_in_words(mixed: Cluster, tmp_path: Path) -> None:
    data, rng = tmp_path / "d.npz", np.random.default_rng(0)
    np.savez(data, X=rng.standard_normal((9, 30)), y=rng.standard_normal(9), forget=[1, 2])
    sweep = ["muso_theory", "sweep", str(data), "--over", "ridge", "--values", "0.1", "--seeds", "1"]
    campaign = ["verification", "paper-linear", "--quick", "--results", str(tmp_path / "results")]
    for command in ([*sweep, "--json", str(tmp_path / "s.json")], campaign):
        done = subprocess.run(
            [sys.executable, "-m", *command, "--scheduler", mixed.address],
            cwd=ROOT,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == 2, done.stderr
        assert told_of_each(" ".join(done.stderr.split())), done.stderr
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "s.json").exists()
    assert kept(tmp_path / "results" / ".checkpoints" / "paper-linear") == 0


class Running:
    """`run` in a thread, past its first point."""

    def __init__(self, dask: Cluster, folder: Path) -> None:
        self.folder, self.gate, self.ended = folder, folder.with_name("gate"), []
        self.thread = threading.Thread(target=self._run, args=(dask.address,))
        self.thread.start()
        until(lambda: kept(folder) or self.ended)

    def _run(self, address: str) -> None:
        try:
            self.ended.append(run(address, self.folder, str(self.gate)))
        except MusoError as error:
            self.ended.append(str(error))

    def end(self) -> Any:
        """The result of the task."""
        self.thread.join(60)
        [ended] = self.ended
        return ended


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lose", "words"),
    [
        (lambda dask: dask.scheduler.kill(), "was lost"),
        (lambda dask: dask.processes[-1].kill(), "has no workers left"),
    ],
)
def test_what_is_finished_is_kept_when_a_cluster_is_lost(
    lose: Callable[[Cluster], None],
    words: str,
    dask: Cluster,
    tmp_path: Path,
    patience: None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    dask.workers(ROOT)
    running = Running(dask, tmp_path / "points")
    assert running.ended == []
    lose(dask)
    ended = running.end()
    assert words in ended
    assert "finished points are kept" in ended
    assert kept(tmp_path / "points") == 1
    again = measure_all("t", waited, POINTS[:1], tmp_path / "points", package_hash, Workers(jobs=1))
    assert again == [{"square": 0}]
    assert "1 of 1 points were measured before" in capsys.readouterr().err


@pytest.mark.slow
def test_a_worker_that_comes_later_is_held_to_the_same(dask: Cluster, tmp_path: Path) -> None:
    [first] = dask.workers(ROOT)
    running = Running(dask, tmp_path / "points")
    dask.workers(other_code(tmp_path / "other"))
    first.kill()  # its points are measured by the other one
    assert "a worker differs: other code" in running.end()
    assert kept(tmp_path / "points") == 1


@pytest.mark.slow
def test_a_killed_worker_is_replaced_by_another(dask: Cluster, tmp_path: Path) -> None:
    [first] = dask.workers(ROOT)
    running = Running(dask, tmp_path / "points")
    dask.workers(ROOT)
    first.kill()
    running.gate.touch()
    assert running.end() == [{"square": seed**2} for seed in range(4)]
    assert (tmp_path / "gate-0").read_text() == "x"  # what was here is not measured again


def test_a_scheduler_without_workers_is_refused(dask: Cluster, tmp_path: Path, patience: None) -> None:
    with pytest.raises(MusoError, match="has no workers"):
        run(dask.address, tmp_path / "points")


@pytest.mark.parametrize(
    "address", ["nowhere", "", "tcp://", "tcp://127.0.0.1:1", "foo://x:1", "tls://127.0.0.1:1", "inproc://x"]
)
def test_a_bad_address_is_refused(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_FOR_SCHEDULER", 1.0)
    with pytest.raises(BadInputError, match="a Dask scheduler that answers"):
        run(address, tmp_path / "points")


@pytest.mark.slow
def test_another_server_is_no_scheduler(tmp_path: Path) -> None:
    """Such as the dashboard, whose port is the next one. In a process of its own, which also must end."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        code = (
            "import sys; from muso_theory.parallel import cluster; cluster._FOR_SCHEDULER = 2.0;"
            "from verification.__main__ import main; sys.exit(main(sys.argv[1:]))"
        )
        words = ["paper-linear", "--quick", "--results", str(tmp_path)]
        done = subprocess.run(
            [sys.executable, "-c", code, *words, "--scheduler", f"tcp://127.0.0.1:{server.server_port}"],
            cwd=ROOT,
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        server.shutdown()
    assert done.returncode == 2, done.stderr
    assert "a Dask scheduler that answers" in done.stderr
