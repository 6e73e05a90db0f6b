"""Checkpoints are believed only as written; runs of one campaign notice each other; signals end well."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from joblib.externals.loky import get_reusable_executor

from muso_theory.errors import MusoError
from muso_theory.parallel import checkpoints
from muso_theory.parallel.checkpoints import Checkpoints
from muso_theory.parallel.points import Workers, measure_all
from tests import ROOT
from tests.running import heed_interrupts
from verification.campaign import Options, measure_points
from verification.failing import Fault, failing

POINTS = [{"n": n} for n in range(3)]


def measure(point: dict[str, Any], counted: str) -> dict[str, Any]:
    """Three times n; every call leaves a file."""
    Path(counted, f"{point['n']}-{time.monotonic_ns()}").touch()
    return {"three": 3 * point["n"], "order": {"b": 1, "a": 2}}


def dies_once(point: dict[str, Any], counted: str) -> dict[str, Any]:
    """Is killed at its first call, as by a system out of memory; always for n = 7."""
    first = not list(Path(counted).glob(f"{point['n']}-*"))
    result = measure(point, counted)
    if (point["n"] == 1 and first) or point["n"] == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return result


@pytest.fixture
def counted(tmp_path: Path) -> Path:
    folder = tmp_path / "counted"
    folder.mkdir()
    return folder


def _run(
    tmp_path: Path, counted: Path, points: Any = POINTS, rule: Any = measure, **options: Any
) -> list[Any]:
    given = Options(directory=tmp_path, **{"jobs": 1, **options})
    return measure_points("t", rule, points, given, where={"counted": str(counted)})


def _edited(change: Callable[[dict[str, Any]], Any]) -> Callable[[bytes], bytes]:
    def edit(data: bytes) -> bytes:
        document = json.loads(data)
        found = change(document)
        return json.dumps(document if found is None else found).encode()

    return edit


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "cut": lambda data: data[:-20],
    "list": lambda data: b"[]",
    "null": lambda data: b"null",
    "nested": lambda data: b"[" * 100_000 + b"]" * 100_000,
    "bytes": lambda data: b"\xff\xfe",
    "result": _edited(lambda d: d["result"].update(three=99)),
    "order": _edited(lambda d: d["result"].update(order={"a": 2, "b": 1})),
    "no dictionary": _edited(lambda d: d.update(result=[1])),
    "point": _edited(lambda d: d["point"].update(n=17)),
    "code": _edited(lambda d: d.update(code="0" * 64)),
    "versions": _edited(lambda d: d["versions"].update(numpy="1.0")),
    "added": _edited(lambda d: d.update(more=1)),
    "seal before": _edited(lambda d: d.update(sha256="0" * 64)),
    "seal after": _edited(lambda d: d.update(sha256="g" * 64)),
    "unsealed": _edited(lambda d: d.pop("sha256") and None),
    "sealed anew, other point": _edited(lambda d: _sealed(d, point={"n": 17})),
    "sealed anew, other versions": _edited(lambda d: _sealed(d, versions={"numpy": "1.0"})),
}


def _sealed(document: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """An edit by somebody who computes the hash anew."""
    content = {key: value for key, value in {**document, **changes}.items() if key != "sha256"}
    return {**content, "sha256": checkpoints._hash(content)}


def _stored(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / ".checkpoints" / "t").glob("*.json"))


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_does_not_fit_is_measured_again_and_told(
    damage: str, tmp_path: Path, counted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = _run(tmp_path, counted)
    assert _run(tmp_path, counted) == expected
    assert len(list(counted.iterdir())) == 3  # each once: the second run read them
    before = {path: path.read_bytes() for path in _stored(tmp_path)}
    victim = _stored(tmp_path)[0]
    victim.write_bytes(DAMAGES[damage](before[victim]))
    capsys.readouterr()
    assert _run(tmp_path, counted) == expected
    assert f"the checkpoint {victim.name} does not fit its hash" in capsys.readouterr().err
    assert len(list(counted.iterdir())) == 4
    assert {path: path.read_bytes() for path in _stored(tmp_path)} == before


def test_checkpoints_that_were_swapped(tmp_path: Path, counted: Path) -> None:
    expected = _run(tmp_path, counted)
    first, second, _ = _stored(tmp_path)
    one, two = first.read_bytes(), second.read_bytes()
    first.write_bytes(two), second.write_bytes(one)
    assert _run(tmp_path, counted) == expected
    assert len(list(counted.iterdir())) == 5


def test_other_versions_are_measured_again_and_old_ones_cleared(
    tmp_path: Path, counted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _run(tmp_path, counted)
    old = _stored(tmp_path)
    (old[0].parent / f".{old[0].name}.abcd_123.tmp").write_bytes(b"unfinished")
    mine = old[0].parent / "mine.json"
    mine.write_bytes(b"{}")
    monkeypatch.setattr(checkpoints, "installed", lambda: {"numpy": "99"})
    _run(tmp_path, counted, points=POINTS[:1])
    assert len(list(counted.iterdir())) == 4
    assert mine.read_bytes() == b"{}"  # no checkpoint, whatever it is
    mine.unlink()
    assert len(_stored(tmp_path)) == 1
    assert not set(old) & set(_stored(tmp_path))
    assert not list(old[0].parent.glob(".*.tmp"))
    _run(tmp_path, counted)  # points of the same code stay, though a smaller run did not ask for them
    _run(tmp_path, counted, points=POINTS[:1])
    assert len(_stored(tmp_path)) == 3


def test_two_runs_notice_each_other(tmp_path: Path, counted: Path) -> None:
    with (
        Checkpoints(tmp_path / ".checkpoints" / "t", "code").locked(),
        pytest.raises(MusoError, match="another run is at work"),
    ):
        _run(tmp_path, counted)
    assert len(_run(tmp_path, counted)) == 3


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [2])
def test_a_killed_worker_is_retried(
    jobs: int, tmp_path: Path, counted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = _run(tmp_path, counted, rule=dies_once, jobs=jobs)
    assert [one["three"] for one in found] == [0, 3, 6]
    assert "a worker was killed; its points are measured again" in capsys.readouterr().err
    with pytest.raises(MusoError, match="killed 3 times in a row"):
        _run(tmp_path, counted, points=[{"n": 7}, {"n": 8}], rule=dies_once, jobs=jobs)


@pytest.mark.parametrize("path", ["/dev/null/here", "file", "a\0b"])
def test_wrong_paths_end_in_words(path: str, tmp_path: Path, counted: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MusoError, match="expected a folder"):
        _run(tmp_path / path, counted)


def test_what_the_system_did_not_read_is_not_cleared(tmp_path: Path, counted: Path) -> None:
    """The k-th checkpoint cannot be opened when old ones are cleared, for every k."""
    expected = _run(tmp_path, counted)
    whole = {path: path.read_bytes() for path in _stored(tmp_path)}
    for k in range(1, len(whole) + 1):
        folder = tmp_path / ".checkpoints" / "t"
        with failing(Fault("open", "EIO", k, folder)) as fault:
            Checkpoints(folder, json.loads(next(iter(whole.values())))["code"]).clear()
        assert fault.met
        assert {path: path.read_bytes() for path in _stored(tmp_path)} == whole
    assert _run(tmp_path, counted) == expected
    assert len(list(counted.iterdir())) == len(whole)


def hears(point: dict[str, Any], counted: str) -> dict[str, Any]:
    """Whether Ctrl-C would reach this process."""
    return {"hears": signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])}


def test_ctrl_c_reaches_this_process_and_none_of_its_workers(tmp_path: Path, counted: Path) -> None:
    # A worker that is still importing would print its traceback, and loky's pgrep would die before it killed one.
    get_reusable_executor().shutdown(wait=True)  # workers that another test started hear it
    found = _run(tmp_path, counted, rule=hears, jobs=2)
    assert found == [{"hears": False}] * 3
    assert hears({}, "")["hears"]


def waits(point: dict[str, Any], counted: str) -> dict[str, Any]:
    """Whether a point was kept before the last one is finished."""
    deadline = time.monotonic() + (20 if point["n"] == 4 else 0)
    while not (seen := bool(list(Path(counted).glob("[!.]*.json")))) and time.monotonic() < deadline:
        time.sleep(0.02)
    return {"seen": seen}


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_point_is_kept_as_it_finishes(jobs: int, tmp_path: Path) -> None:
    points, where = [{"n": n} for n in range(5)], {"counted": str(tmp_path)}
    found = measure_all("t", waits, points, tmp_path, lambda: "code", Workers(jobs=jobs), where=where)
    assert found[4] == {"seen": True}


SIGNALS = {"SIGTERM": ("terminated", 143), "SIGHUP": ("hung up", 129), "SIGINT": ("interrupted", 130)}


@pytest.mark.slow
@pytest.mark.parametrize("name", SIGNALS)
def test_signals_end_a_campaign_in_words_and_leave_no_process(name: str, tmp_path: Path) -> None:
    word, status = SIGNALS[name]
    line = [sys.executable, "-m", "verification", "precision", "--quick", "--results", str(tmp_path)]
    with subprocess.Popen(
        line,
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=heed_interrupts,
    ) as process:
        deadline = time.monotonic() + 120
        while not list(tmp_path.glob(".checkpoints/precision/*.json")) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(getattr(signal, name))
        _, err = process.communicate(timeout=60)
    assert (process.returncode, f"precision: {word}; finished points are kept" in err) == (status, True)
    assert "Traceback" not in err
    assert list(tmp_path.glob(".checkpoints/precision/*.json"))
    deadline = time.monotonic() + 20
    while (left := _session(process.pid)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not left


def _session(leader: int) -> list[int]:
    """Processes of a session that still run."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            found.append(int(folder.name))
    return found


@pytest.mark.parametrize("name", SIGNALS)
def test_signals_end_a_command_in_words(name: str) -> None:
    word, status = SIGNALS[name]
    line = [sys.executable, "-m", "muso_theory", "check", "-"]
    pipes = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(line, cwd=ROOT, preexec_fn=heed_interrupts, **pipes) as process:
        assert process.stdin is not None
        process.stdin.write(bytes(1 << 20))  # more than a pipe holds: returns when the command is reading
        process.stdin.flush()
        process.send_signal(getattr(signal, name))
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err.decode()) == (status, f"muso: {word}\n")
