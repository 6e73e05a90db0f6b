"""Parts `memory` and `cluster` of the campaign performance: one problem that need not fit into memory, here and there.

Three kinds: features in a file, of which blocks of rows are read; blocks that are generated from a seed whenever they
are asked for, of the size of a head on ImageNet or a part of it; and fewer samples than features, whose Gram matrix
goes into tiles on disk.

Features are a float32 file, targets the codes of classes, a hundredth of the samples is to be forgotten. Each check has
a process of its own, whose peak is what the system counted, and beside it one that does the same by the normal
equations: dsyrk of blocks of rows, class sums by products with one-hot blocks, dpotrf and dpotrs. Both have BLAS of one
thread and are compared in processor time, which a busy machine disturbs less than the clock. On a cluster of two worker
processes one is killed midway, and the bounds are held against those of the same problem by threads; where it makes
tiles, midway is when half of those of the Gram matrix are there, and there are as many threads as workers. Its peak is
that of the process that asks. Part `cluster` does so at the largest sizes, beside as many threads as workers. Blocks
from a seed have no normal equations beside them and two threads; what all of
ImageNet takes is extrapolated from a tenth of it.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, final

import numpy as np

import muso_theory as mt
from muso_theory.arrays import Array, let_go
from muso_theory.numbers import spans
from muso_theory.numbers.spans import SPAN_BYTES
from muso_theory.numbers.tiles import TILE
from muso_theory.rows import OneHot

from .tables import Column, table

__all__ = ["WHOLE", "Seeded", "cluster_points", "extrapolate", "points", "run_point", "tabulate"]

_ROOT = Path(__file__).resolve().parent.parent
_BLOCK = 4096
WHOLE = 1_281_167
"""Samples of ImageNet."""
_CHUNK = 2048
_BUDGET = 1e5  # seconds: what is to be measured is started, whatever it was estimated to take


def points(quick: bool) -> list[dict[str, Any]]:
    """Sizes that double, a large head, one on a cluster, parts of ImageNet, tiles by threads and on a cluster.

    `run_point` takes any other size.
    """
    if quick:
        sizes, width, classes, spread = (3000, 6000), 64, 10, (6000,)
    else:
        sizes, width, classes, spread = (6250, 12_500, 25_000, 50_000), 1024, 100, (25_000,)
    one = {
        "D": width,
        "C": classes,
        "span bytes": 1 << 18 if quick else SPAN_BYTES,
        "kill after": 0.5 if quick else 3,
    }
    found = [{"n": n, "where": "threads", **one} for n in sizes]
    if not quick:
        found.append({"n": 200_000, "where": "threads", **one, "D": 2048})
    found += [{"n": n, "where": "cluster", **one} for n in spread]
    parts = (100,) if quick else (100, 40, 20, 10)
    imagenet = {"D": 2048, "C": 1000, "where": "seed", "span bytes": SPAN_BYTES}
    found += [{"n": WHOLE // part, **imagenet} for part in parts]
    tiled = ((3000, 3500, 0.5),) if quick else ((5000, 10_000, 0.7), (20_000, 40_000, 2.0))
    found += [{"n": n, "D": d, "C": 10, "where": "tiles", "memory": most} for n, d, most in tiled]
    n, d, most = tiled[0]
    return [*found, {"n": n, "D": d, "C": 10, "where": "tiles on a cluster", "memory": most}]


def cluster_points(quick: bool) -> list[dict[str, Any]]:
    """The largest head and the largest K in tiles, on a cluster."""
    head = {"n": 6000, "D": 64, "C": 10, "span bytes": 1 << 18, "kill after": 0.5}
    wide = {"n": 3000, "D": 3500, "C": 10, "memory": 0.5}
    if not quick:
        head = {"n": 200_000, "D": 2048, "C": 100, "span bytes": SPAN_BYTES, "kill after": 10}
        wide = {"n": 20_000, "D": 40_000, "C": 10, "memory": 2.0}
    return [
        {**head, "where": "cluster", "threads": 2},
        {**wide, "where": "tiles on a cluster", "threads": 2},
    ]


def extrapolate(rows: list[dict[str, Any]]) -> None:
    """Write into the largest part of ImageNet how long all of it takes, if two sizes or more say how times grow.

    Processor seconds, which a busy machine moves less than the clock, by the fitted exponent, but no less than in
    proportion: what small parts spend once makes their exponent smaller than that of what grows.
    """
    parts = sorted((row for row in rows if row["where"] == "seed"), key=lambda row: int(row["n"]))
    if len(parts) < 2:
        return
    logs = [(np.log(row["n"]), np.log(row["CPU seconds"])) for row in parts]
    slope = float(np.polyfit(*zip(*logs, strict=True), 1)[0])
    last = parts[-1]
    last["exponent"] = slope
    last["processor hours of the whole"] = last["CPU seconds"] * (WHOLE / last["n"]) ** max(1.0, slope) / 3600


@final
class Seeded:
    """Rows that are made from a seed, a chunk at a time, whenever they are asked for.

    Args:
        n: rows.
        width: columns.
        seed: of all.
    """

    dtype = np.dtype(np.float32)

    def __init__(self, n: int, width: int, seed: int = 0) -> None:
        self.shape = (n, width)
        self.chunks = (_CHUNK, width)
        self._seed = seed

    def __getitem__(self, rows: slice) -> Array:
        start, stop, _ = rows.indices(self.shape[0])
        pieces = []
        for number in range(start // _CHUNK, -(-stop // _CHUNK)):
            first = number * _CHUNK
            count = min(_CHUNK, self.shape[0] - first)
            rng = np.random.default_rng((self._seed, number))
            chunk = rng.standard_normal((count, self.shape[1]), dtype=np.float32)
            pieces.append(chunk[max(start - first, 0) : stop - first])
        return np.concatenate(pieces)


def run_point(point: Mapping[str, Any]) -> dict[str, Any]:
    """The file, the normal equations and the check, each by a process of its own."""
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        ways = {"threads": ("write", "plain", "check"), "cluster": ("write", "plain", "check", "cluster")}
        ways |= {"seed": ("check",), "tiles": ("write", "plain tiles", "check")}
        ways |= {"tiles on a cluster": ("write", "check", "cluster")}
        roles = ways[point["where"]]
        found = {role: _child(role, {**point, "folder": folder}) for role in roles}
    checked = found[roles[-1]]
    plain = next((found[role] for role in roles if role.startswith("plain")), {})
    return {
        "verdict": checked["verdict"],
        "gap": checked["gap"],
        "bounds as by threads": checked["bounds"] == found["check"]["bounds"],
        "bytes of features": 4 * point["n"] * point["D"],
        "peak bytes": checked["peak"],
        "plain peak bytes": plain.get("peak"),
        "gap of plain solves": plain.get("gap"),
        "CPU seconds": found["check"]["cpu"],
        "plain CPU seconds": plain.get("cpu"),
        "ratio": found["check"]["cpu"] / plain["cpu"] if plain else None,
        "seconds": checked["seconds"],
        "seconds of threads": found["check"]["seconds"],
        "killed": checked.get("killed", 0),
        "load": [before, os.getloadavg()[0]],
        "processors": os.cpu_count(),
    }


def _child(role: str, words: Mapping[str, Any]) -> dict[str, Any]:
    """What a process of its own tells."""
    threads = words.get("threads", 2 if words["where"] in ("seed", "tiles on a cluster") else 1)
    variables = {**os.environ, "OPENBLAS_NUM_THREADS": str(threads)}
    command = [sys.executable, "-m", "verification.performance_memory", role, json.dumps(words)]
    done = subprocess.run(
        command, cwd=_ROOT, env=variables, stdout=subprocess.PIPE, encoding="utf-8", check=True
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _codes(n: int, classes: int) -> Array:
    return np.random.default_rng(1).integers(0, classes, n)


def _forget(n: int) -> Array:
    return np.sort(np.random.default_rng(2).choice(n, max(2, n // 100), replace=False))


def _write(words: Mapping[str, Any]) -> dict[str, Any]:
    """Features from a seed, written block by block."""
    n, width, rng = words["n"], words["D"], np.random.default_rng(0)
    path = Path(words["folder"]) / "features.npy"
    file = np.lib.format.open_memmap(path, "w+", np.float32, (n, width))
    for start in range(0, n, _BLOCK):
        rows = min(_BLOCK, n - start)
        file[start : start + rows] = rng.standard_normal((rows, width), dtype=np.float32)
    file.flush()
    return {}


def _problem(words: Mapping[str, Any]) -> mt.UnlearningProblem:
    n, classes = words["n"], words["C"]
    features: Any = Path(words["folder"]) / "features.npy"
    if words["where"] == "seed":
        features = Seeded(n, words["D"])
    return mt.UnlearningProblem(features, OneHot(_codes(n, classes), classes), _forget(n))


def _check(words: Mapping[str, Any]) -> dict[str, Any]:
    """exact-labels of the theorem and of the floats that are handed out; in tiles label-free, too."""
    spans.SPAN_BYTES = words.get("span bytes", SPAN_BYTES)
    claims = ["exact-labels", *(["label-free"] if words["where"].startswith("tiles") else [])]
    started, clock = time.process_time(), time.perf_counter()
    problem = _problem(words)
    report = mt.check(problem, claims, budget=_BUDGET, memory=words.get("memory"))
    seconds = {"cpu": time.process_time() - started, "seconds": time.perf_counter() - clock}
    rows = list(report.evidence.values())
    ends = [[str(q) for f in row.findings for q in (f.quantity.lower, f.quantity.upper)] for row in rows]
    gap = float(report["exact-labels"].findings[0].quantity.upper)
    verdict = report.verdict.name
    return {"verdict": verdict, "gap": gap, "bounds": ends, **seconds, "peak": _peak()}


def _cluster(words: Mapping[str, Any]) -> dict[str, Any]:
    """The same on two worker processes of one thread each, of which one is killed midway."""
    import joblib
    from distributed import Client, LocalCluster

    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # of the workers: this process has read its own
    tempfile.tempdir = words["folder"]
    done = threading.Event()
    with ExitStack() as stack:
        made = stack.enter_context(
            LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0")
        )
        client = stack.enter_context(Client(made))
        stack.enter_context(joblib.parallel_config(backend="dask", client=client))
        workers = client.run(os.getpid)
        killer = threading.Thread(target=_kill_midway, args=(next(iter(workers.values())), words, done))
        killer.start()
        found = _check(words)
        done.set()
        killer.join()
        client.wait_for_workers(2, timeout=120)
        lost = set(workers.values()) - set(client.run(os.getpid).values())
    return {**found, "killed": len(lost)}


def _kill_midway(process: int, words: Mapping[str, Any], done: threading.Event) -> None:
    """Kill a process after some seconds, or when half of the tiles of K are there, unless all is done before."""
    rows, started = -(-words["n"] // TILE), time.monotonic()
    while not done.wait(0.05):
        if "kill after" in words:
            due = time.monotonic() - started > words["kill after"]
        else:
            there = len(list(Path(words["folder"]).glob("muso-tiles-*/*.tile")))
            due = 2 * there >= rows * (rows + 1) // 2
        if due:
            os.kill(process, signal.SIGKILL)
            return


def _plain(words: Mapping[str, Any]) -> dict[str, Any]:
    """‖w_u − w_r‖ for w₀ = 0 by the normal equations, over blocks of rows."""
    from scipy.linalg.blas import dsyrk
    from scipy.linalg.lapack import dpotrf, dpotrs

    n, width, classes = words["n"], words["D"], words["C"]
    features = np.load(Path(words["folder"]) / "features.npy", mmap_mode="r")
    codes, forget = _codes(n, classes), _forget(n)
    started = time.process_time()
    whole, theirs = (np.zeros((width, width), order="F") for _ in range(2))
    right, right_forget = np.zeros((2, width, classes))

    def blocks(index: Array) -> Iterator[tuple[Array, Array]]:
        for start in range(0, len(index), _BLOCK):
            chosen = index[start : start + _BLOCK]
            yield np.asarray(features[chosen], dtype=np.float64), np.eye(classes)[codes[chosen]]
            let_go(features)

    for rows, labels in blocks(np.arange(n)):
        whole = dsyrk(1.0, rows.T, beta=1.0, c=whole, lower=1, overwrite_c=1)
        right += rows.T @ labels
    for rows, labels in blocks(forget):
        theirs = dsyrk(1.0, rows.T, beta=1.0, c=theirs, lower=1, overwrite_c=1)
        right_forget += rows.T @ labels
    rest = dpotrf(whole - theirs, lower=1)[0]
    w_r = dpotrs(rest, right - right_forget, lower=1)[0]
    relabelled = right - right_forget
    for rows, _ in blocks(forget):
        relabelled += rows.T @ (rows @ w_r)
    w_u = dpotrs(dpotrf(whole, lower=1)[0], relabelled, lower=1)[0]
    gap = float(np.linalg.norm(w_u - w_r))
    return {"gap": gap, "cpu": time.process_time() - started, "peak": _peak()}


def _plain_tiles(words: Mapping[str, Any]) -> dict[str, Any]:
    """‖w_u − w_r‖ for w₀ = 0 with K in memory, whatever it takes: dsyrk of blocks of columns, dpotrf twice, dpotrs."""
    from scipy.linalg.blas import dsyrk
    from scipy.linalg.lapack import dpotrf, dpotrs

    n, width, classes = words["n"], words["D"], words["C"]
    features = np.load(Path(words["folder"]) / "features.npy", mmap_mode="r")
    forget = _forget(n)
    order = np.concatenate([np.setdiff1d(np.arange(n), forget), forget])
    labels, retained = np.eye(classes)[_codes(n, classes)[order]], n - len(forget)
    started = time.process_time()
    k = np.zeros((n, n), order="F")
    for start in range(0, width, _BLOCK):
        block = np.asarray(features[:, start : start + _BLOCK], dtype=np.float64)[order]
        k = dsyrk(1.0, block, beta=1.0, c=k, lower=1, overwrite_c=1)
        let_go(features)
    theirs = dpotrs(dpotrf(k[:retained, :retained], lower=1)[0], labels[:retained], lower=1)[0]
    relabelled = labels.copy()
    relabelled[retained:] = k[retained:, :retained] @ theirs
    found = dpotrs(dpotrf(k, lower=1, overwrite_a=1)[0], relabelled, lower=1)[0]
    found[:retained] -= theirs
    gap = 0.0  # ‖Φᵀa‖, by blocks of columns
    for start in range(0, width, _BLOCK):
        block = np.asarray(features[:, start : start + _BLOCK], dtype=np.float64)[order]
        gap += float(np.square(block.T @ found).sum())
        let_go(features)
    return {"gap": gap**0.5, "cpu": time.process_time() - started, "peak": _peak()}


def _peak() -> int:
    """Bytes that this process has had in memory at most, what it mapped of files included."""
    status = Path("/proc/self/status")
    if status.exists():  # what rusage says begins with the process that started this one
        [line] = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return 1024 * int(line.split()[1])
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most


def tabulate(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Peaks beside the size of the features, ratios, and accuracy beside them."""
    shown = [
        {
            **row,
            "busiest": max(row["load"]),
            "features MB": row["bytes of features"] / 1e6,
            "peak MB": row["peak bytes"] / 1e6,
            "plain MB": None if row["plain peak bytes"] is None else row["plain peak bytes"] / 1e6,
            "hours": row.get("processor hours of the whole"),
        }
        for row in rows
    ]
    columns = [
        Column("n", spec="d"),
        Column("D", spec="d"),
        Column("C", spec="d"),
        Column("where"),
        Column("features MB", "features, MB", ".0f"),
        Column("peak MB", "peak, MB", ".0f"),
        Column("plain MB", "of normal equations", ".0f"),
        Column("CPU seconds", "CPU s by threads", ".3g"),
        Column("plain CPU seconds", "normal equations, CPU s", ".3g"),
        Column("ratio", spec=".2f"),
        Column("seconds", spec=".3g"),
        Column("seconds of threads", "by threads", ".3g"),
        Column("killed", "workers killed", "d"),
        Column("hours", f"processor hours of {WHOLE:,} samples, extrapolated", ".2g"),
        Column("verdict"),
        Column("gap", "‖w_u − w_r‖ ≤", ".1e"),
        Column("busiest", "load", ".1f"),
    ]
    return {"memory": table("One problem larger than memory: peak memory and processor time", shown, columns)}


if __name__ == "__main__":
    role, told = sys.argv[1:]
    roles = {
        "write": _write,
        "plain": _plain,
        "plain tiles": _plain_tiles,
        "check": _check,
        "cluster": _cluster,
    }
    work = roles[role]
    print(json.dumps(work(json.loads(told))))
