"""Campaign ``performance ntk``: time and memory of the empirical NTK against its peers, one thread each.

Every contender runs in its own process (:mod:`verification.ntk_worker`), pinned to one core; evaluations are
interleaved round by round, so that a busy machine slows all of them; medians of processor
seconds are compared, and seconds on the wall are kept beside them. Compilation
and warming up are excluded. Peers are used where a Python that has them is given; without any, the naive
Jacobian twin is what there is to compare with.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from muso_theory.networks import Sequential, cnn, empirical_ntk, mlp, save

from .tables import Column, table

__all__ = ["CASES", "build", "points", "run_point", "run_streamed"]

_ERROR = re.compile(r"[\w.]+(Error|Exception)\b")

WORKER = Path(__file__).with_name("ntk_worker.py")

CASES: dict[str, dict[str, Any]] = {
    "a-256-full": {"net": "mlp", "n": 256, "contract": "full"},
    "a-256-trace": {"net": "mlp", "n": 256, "contract": "trace"},
    "a-1000-full": {"net": "mlp", "n": 1000, "contract": "full"},
    "a-1000-trace": {"net": "mlp", "n": 1000, "contract": "trace"},
    "b-500": {"net": "wide", "n": 500, "contract": "full"},
    "c-full": {"net": "cnn", "n": 128, "contract": "full"},
    "c-trace": {"net": "cnn", "n": 128, "contract": "trace"},
    "c-pooled-full": {"net": "cnn-pooled", "n": 128, "contract": "full"},
    "c-pooled-trace": {"net": "cnn-pooled", "n": 128, "contract": "trace"},
}
"""Network, number of inputs and contraction of every timed case; (d) is :func:`run_streamed`."""


def build(name: str) -> Sequential:
    """The network of a case."""
    if name == "mlp":
        return mlp([64, 512, 512, 10], "relu", "ntk")
    if name == "wide":
        return mlp([64, 2048, 2048, 1], "erf", "ntk")
    head = "global_avg_pool" if name == "cnn-pooled" else "flatten"
    return cnn((8, 8, 1), [32, 32], 10, activation="relu", parameterization="ntk", head=head)


def inputs(net: Sequential, n: int) -> np.ndarray:
    """The first n of the 8×8 digits, scaled to [0, 1]; drawn again with small noise beyond the 1,797."""
    from sklearn.datasets import load_digits

    digits = load_digits().data / 16.0
    X = digits[np.arange(n) % len(digits)]
    if n > len(digits):
        X = X + 0.05 * np.random.default_rng(0).standard_normal(X.shape)
    return X.reshape(n, *net.input_shape)


def products(case: dict[str, Any]) -> list[tuple[str, int, int, int]]:
    """The matrix products that a case cannot do without: (gemm, m, k, n) or (syrk, n, k, n), as BLAS would do them."""
    n, full = case["n"], case["contract"] == "full"
    if case["net"] in ("mlp", "wide"):
        width, k = (512, 10) if case["net"] == "mlp" else (2048, 1)
        outer = n * k if full else n
        inner = width if full else k * width
        return [
            ("gemm", n, 64, width),
            ("gemm", n, width, width),
            ("gemm", n * k, width, width),
            ("syrk", n, 64, n),
            ("syrk", n, width, n),
            ("syrk", n, width, n),
            ("syrk", outer, inner, outer),
            ("syrk", outer, width, outer),
        ]
    k, positions, patch, channels = 10, 64, 288, 32
    outer = n * k if full else n
    found = [
        ("gemm", n * positions, 9, channels),
        ("gemm", n * positions, patch, channels),
        ("gemm", n * k * positions, channels, patch),  # back to the first layer
        ("gemm", n * k * 9, positions, channels),
        ("syrk", outer, 9 * channels * (1 if full else k), outer),
    ]
    if case["net"] == "cnn":
        found += [
            ("gemm", n * k * patch, positions, channels),
            ("syrk", outer, patch * channels * (1 if full else k), outer),
            ("syrk", n, positions * channels, n),
        ]
    else:
        found += [
            ("gemm", n * channels, positions, patch),
            *[("syrk", n, patch, n)] * channels,
            ("gemm", n * n, channels, k * k if full else 1),
        ]
    return found


def blas_seconds(case: dict[str, Any], repeats: int = 3) -> float:
    """What the machine's own products of those shapes take, one thread, best of a few."""
    from threadpoolctl import threadpool_limits

    total = 0.0
    rng = np.random.default_rng(0)
    with threadpool_limits(1):
        for kind, m, k, n in products(case):
            left = rng.standard_normal((m, k))
            right = left.T if kind == "syrk" else rng.standard_normal((k, n))
            out = np.empty((m, n))
            times = []
            for _ in range(repeats):
                start = time.process_time()
                np.matmul(left, right, out=out)
                times.append(time.process_time() - start)
            total += min(times)
    return total


class Worker:
    """A contender in its own process."""

    def __init__(self, name: str, python: str, network: Path, data: Path, contract: str) -> None:
        self.name = name
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the worker
        command = [python, str(WORKER), name, str(network), str(data), contract]
        try:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True
            )
        except OSError:
            self.log.close()
            raise
        try:
            self.hello = self._read()
        except RuntimeError:
            self.close()
            raise

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.log.seek(0)
            # The last line may be advice on how to read the lines above it.
            told = [line for line in self.log.read().splitlines() if _ERROR.match(line)]
            raise RuntimeError(told[-1] if told else f"ended with status {self.process.returncode}")
        return dict(json.loads(line))

    def run(self, how: str) -> dict[str, Any]:
        """One timed evaluation: "same" (X2=None) or "copy" (X2=X.copy())."""
        assert self.process.stdin is not None
        self.process.stdin.write(how + "\n")
        self.process.stdin.flush()
        return self._read()

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
        self.log.close()


def points(quick: bool = False, peers: dict[str, str] | None = None) -> list[dict[str, Any]]:
    """One point a case, and one for the streamed kernel; ``peers`` are the Pythons of "neural-tangents" and "torch"."""
    names = [name for name in CASES if not quick or name in ("a-256-full", "a-256-trace", "c-pooled-full")]
    found: list[dict[str, Any]] = [
        {"case": name, "rounds": 3 if quick else 7, "peers": dict(peers or {})} for name in names
    ]
    found.append(
        {"case": "d-streamed", "n": 2000 if quick else 10_000, "max_bytes": 1 << 28 if quick else 4 << 30}
    )
    return found


def run_point(
    case: str, rounds: int = 7, peers: dict[str, str] | None = None, n: int = 10_000, max_bytes: int = 4 << 30
) -> dict[str, Any]:
    """Time one case with every contender, interleaved.

    Args:
        case: a key of ``CASES``, or "d-streamed".
        peers: for "neural-tangents" and "torch", the Python that has it.
    """
    if case == "d-streamed":
        return run_streamed(n, max_bytes)
    spec, peers = CASES[case], peers or {}
    net = build(spec["net"])
    contenders = {"muso": sys.executable}
    if "neural-tangents" in peers:
        contenders["nt-structured"] = peers["neural-tangents"]  # the fastest of its three modes
    jacobian_bytes = 8 * spec["n"] * net.n_out * net.n_params
    if jacobian_bytes < 4 << 30:
        contenders["naive"] = sys.executable
        if "torch" in peers:
            contenders["torch"] = peers["torch"]
    result: dict[str, Any] = {
        "case": case,
        **spec,
        "n_params": net.n_params,
        "jacobian_bytes": jacobian_bytes,
    }
    with tempfile.TemporaryDirectory() as folder:
        network, data = Path(folder) / "net.npz", Path(folder) / "data.npz"
        params = net.init(0)
        save(network, net, params)
        X = inputs(net, spec["n"])
        np.savez(data, X=X)
        workers: list[Worker] = []
        failed: dict[str, str] = {}
        try:
            for name, python in contenders.items():
                try:
                    workers.append(Worker(name, python, network, data, spec["contract"]))
                except (RuntimeError, OSError) as problem:
                    failed[name] = str(problem)
            times: dict[str, list[dict[str, Any]]] = {worker.name: [] for worker in workers}
            copies: list[float] = []
            for _ in range(rounds):
                for worker in workers:
                    times[worker.name].append(worker.run("same"))
                copies.append(workers[0].run("copy")["seconds"])
            corners = {worker.name: np.array(worker.hello["corner"]) for worker in workers}
        finally:
            for worker in workers:
                worker.close()
        exact = _twin_corner(net, params, X[:8], spec["contract"])
    ours = statistics.median(item["seconds"] for item in times["muso"])
    for name, runs in times.items():
        seconds = [item["seconds"] for item in runs]
        scale = float(np.vdot(exact, corners[name]) / np.vdot(exact, exact))
        result[name] = {
            "median": statistics.median(seconds),
            "least": min(seconds),
            "most": max(seconds),
            "wall": statistics.median(item["wall"] for item in runs),
            "peak_above_result": statistics.median(item["peak"] for item in runs),
            "ratio_to_ours": statistics.median(
                item["seconds"] / own["seconds"] for item, own in zip(runs, times["muso"], strict=True)
            ),
            "convention_factor": scale,  # 1 where the trace is a sum, 1/k where it is a mean
            "relative_error": float(np.abs(corners[name] / scale - exact).max() / np.abs(exact).max()),
        }
    blas = blas_seconds(spec)
    result |= {
        "failed": failed,
        "symmetric_over_general": ours / statistics.median(copies),
        "blas_seconds": blas,
        "fraction_of_blas": blas / ours,
    }
    return result


def _twin_corner(net: Sequential, params: list[np.ndarray], X: np.ndarray, contract: str) -> np.ndarray:
    """The same few entries from the naive Jacobian."""
    J = net.jacobian(params, X)
    return np.einsum("akp,bkp->ab", J, J) if contract == "trace" else np.einsum("akp,blp->akbl", J, J)


def run_streamed(n: int = 10_000, max_bytes: int = 4 << 30) -> dict[str, Any]:
    """Case (d): n inputs, one output, into a memory-mapped file within a memory budget, with progress."""
    import resource

    net = mlp([64, 512, 512, 1], "relu", "ntk")
    params, X = net.init(0), inputs(net, n)
    ticks: list[tuple[int, int]] = []
    with tempfile.TemporaryDirectory() as folder:
        out = np.lib.format.open_memmap(Path(folder) / "ntk.npy", mode="w+", dtype=float, shape=(n, 1, n, 1))
        start, processor = time.perf_counter(), time.process_time()
        empirical_ntk(
            net, params, X, out=out, max_bytes=max_bytes, threads=1, progress=lambda *tick: ticks.append(tick)
        )
        seconds, processor = time.perf_counter() - start, time.process_time() - processor
        rows = np.random.default_rng(1).choice(n, 40, replace=False)
        J = net.jacobian(params, X[rows])[:, 0]
        exact = J @ J.T
        error = float(np.abs(out[rows][:, 0][:, rows, 0] - exact).max() / np.abs(exact).max())
        symmetric = bool(all(np.array_equal(out[i, 0, :, 0], out[:, 0, i, 0]) for i in rows[:5]))
        del out
    return {
        "case": "d-streamed",
        "n": n,
        "max_bytes": max_bytes,
        "seconds": seconds,
        "processor_seconds": processor,
        "result_bytes": 8 * n * n,
        "resident_peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "tiles": ticks[-1][1] if ticks else 0,
        "progress_calls": len(ticks),
        "relative_error": error,
        "symmetric": symmetric,
    }


def tabulate(cases: list[dict[str, Any]]) -> dict[str, Any]:
    """The times of all contenders, and the kernel that is streamed to disk."""
    rows = [
        {
            **{key: case[key] for key in ("case", "n", "n_params")},
            "contender": name,
            "load": max(case["load"]),
            **{key: case[name][key] for key in ("median", "ratio_to_ours", "relative_error")},
            "megabytes": case[name]["peak_above_result"] / 1e6,
        }
        for case in cases
        for name in ("muso", "nt-structured", "torch", "naive")
        if name in case
    ]
    columns = [
        Column("case"),
        Column("contender"),
        Column("n", spec="d"),
        Column("n_params", "parameters", "d"),
        Column("median", "median seconds", ".3g"),
        Column("ratio_to_ours", "times ours", ".2f"),
        Column("megabytes", "peak above the result, MB", ".0f"),
        Column("relative_error", "relative error", ".0e"),
        Column("load", "load of the machine", ".1f"),
    ]
    streamed = [{**case, "megabytes": case["resident_peak"] / 1e6} for case in cases if "tiles" in case]
    return {
        "ntk": table(
            "The empirical tangent kernel; contenders take turns in their own processes", rows, columns
        ),
        "streamed": table(
            "A tangent kernel larger than its memory, written tile by tile",
            streamed,
            [
                Column("n", spec="d"),
                Column("tiles", spec="d"),
                Column("seconds", spec=".3g"),
                Column("processor_seconds", "processor seconds", ".3g"),
                Column("megabytes", "resident peak, MB", ".0f"),
                Column("relative_error", "relative error", ".0e"),
            ],
        ),
    }
